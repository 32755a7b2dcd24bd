//! NumPy's current generator: `numpy.random.default_rng(seed)`, normals by the ziggurat method
//! (Marsaglia and Tsang 2000; Doornik 2005) with 256 layers.

use std::sync::LazyLock;

use super::pcg64::Pcg64;

/// Where the lowest layer's tail begins.
const TAIL: f64 = 3.654_152_885_361_009;
/// Width of the lowest layer, were it a rectangle of the area of the others.
const BASE: f64 = 3.910_757_959_524_912;
/// Points of a layer: 52 bits.
const POINTS: f64 = (1u64 << 52) as f64;

/// `numpy.random.default_rng(seed)`.
#[derive(Clone, Debug)]
pub(super) struct Generator {
    bits: Pcg64,
}

/// One layer, from the top down; the first is the lowest.
#[derive(Clone, Copy, Debug, Default)]
struct Layer {
    width: f64,
    /// Density at its lower edge.
    density: f64,
    /// Points below this one lie under the curve for sure.
    safe: u64,
}

static LAYERS: LazyLock<[Layer; 256]> = LazyLock::new(layers);

fn layers() -> [Layer; 256] {
    let density = |x: f64| (-0.5 * x * x).exp();
    let area = BASE * density(TAIL);
    let mut layers = [Layer::default(); 256];
    let mut width = TAIL;
    for i in (1..256).rev() {
        let above = if i == 1 { 0.0 } else { (-2.0 * (area / width + density(width)).ln()).sqrt() };
        layers[i] = Layer { width, density: density(width), safe: (above / width * POINTS) as u64 };
        width = above;
    }
    layers[0] = Layer { width: BASE, density: 1.0, safe: (TAIL / BASE * POINTS) as u64 };
    layers
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self { bits: Pcg64::new(seed) }
    }

    /// `random()`.
    pub(super) fn uniform(&mut self) -> f64 {
        self.bits.double()
    }

    /// `standard_normal()`.
    pub(super) fn normal(&mut self) -> f64 {
        loop {
            let word = self.bits.next_u64();
            let (index, negative, point) = ((word & 0xff) as usize, word & 0x100 != 0, word >> 9 & ((1 << 52) - 1));
            let layer = LAYERS[index];
            let x = point as f64 * (layer.width / POINTS);
            let sign = if negative { -1.0 } else { 1.0 };
            if point < layer.safe || index > 0 && self.under_the_curve(index, x) {
                return sign * x;
            }
            if index == 0 {
                // The tail takes its sign from another bit of the same word.
                return if point & 0x100 != 0 { -self.tail() } else { self.tail() };
            }
        }
    }

    fn under_the_curve(&mut self, index: usize, x: f64) -> bool {
        let (above, below) = (LAYERS[index - 1].density, LAYERS[index].density);
        (above - below) * self.bits.double() + below < (-0.5 * x * x).exp()
    }

    /// A number beyond the lowest layer (Marsaglia 1964).
    fn tail(&mut self) -> f64 {
        loop {
            let x = -(-self.bits.double()).ln_1p() / TAIL;
            let y = -(-self.bits.double()).ln_1p();
            if y + y > x * x {
                return TAIL + x;
            }
        }
    }
}
