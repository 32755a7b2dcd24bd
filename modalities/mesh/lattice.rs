//! A cubic lattice of which only the part near a surface is in memory.

/// Points along each side of a page.
const SIDE: usize = 8;

/// A point of a lattice.
pub(super) type Place = [u16; 3];

/// One value for each point of a cubic lattice, kept in pages that exist once something is written to them.
pub(super) struct Lattice<T> {
    pages_a_side: usize,
    pages: Vec<Option<Box<[T; SIDE * SIDE * SIDE]>>>,
    empty: T,
    filled: usize,
}

impl<T: Copy> Lattice<T> {
    /// A lattice of `points` a side, where every point has the value `empty`.
    pub(super) fn new(points: usize, empty: T) -> Self {
        let pages_a_side = points.div_ceil(SIDE);
        Self { pages_a_side, pages: (0..pages_a_side.pow(3)).map(|_| None).collect(), empty, filled: 0 }
    }

    pub(super) fn get(&self, place: Place) -> T {
        let (page, inside) = self.split(place);
        self.pages[page].as_ref().map_or(self.empty, |page| page[inside])
    }

    pub(super) fn set(&mut self, place: Place, value: T) {
        let (page, inside) = self.split(place);
        let page = &mut self.pages[page];
        self.filled += usize::from(page.is_none());
        page.get_or_insert_with(|| Box::new([self.empty; SIDE * SIDE * SIDE]))[inside] = value;
    }

    /// Memory of the pages that exist, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        (self.pages.len() * size_of::<usize>() + self.filled * SIDE.pow(3) * size_of::<T>()) as u64
    }

    fn split(&self, place: Place) -> (usize, usize) {
        let [x, y, z] = place.map(usize::from);
        let flat = |x, y, z, side| (z * side + y) * side + x;
        (flat(x / SIDE, y / SIDE, z / SIDE, self.pages_a_side), flat(x % SIDE, y % SIDE, z % SIDE, SIDE))
    }
}
