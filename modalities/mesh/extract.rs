//! From a field to a mesh.

use super::field::{Field, Queries};
use super::march::march;
use super::{Mesh, sharp, surface};
use anyhow::{Result, bail, ensure};
use edrun_onnx::Cancel;

/// How a surface is extracted.
#[derive(Clone, Debug)]
pub struct Extraction {
    /// Cells along each side of the field's region, 8 to 2048. Multiples of a power of two ask for the fewest points.
    pub cells: usize,
    /// Whether points far from the surface are left out.
    pub refine: bool,
    /// Whether edges and corners are kept sharp; four times as many points near the surface are asked for.
    pub sharp: bool,
    /// Bytes that the grid, and a query on its own, may take.
    pub memory: u64,
}

impl Default for Extraction {
    fn default() -> Self {
        Self { cells: 128, refine: true, sharp: false, memory: 2 << 30 }
    }
}

/// Cells a side of the coarsest and the finest grid.
const CELLS: std::ops::RangeInclusive<usize> = 8..=2048;

/// A mesh and what it took.
#[derive(Clone, Debug)]
pub struct Extracted {
    /// The surface, in the unit box.
    pub mesh: Mesh,
    /// Points that distances were asked for.
    pub queries: u64,
}

impl Extraction {
    /// Refuses what cannot be done, before any work.
    ///
    /// # Errors
    /// Naming the number and its range, or the memory that the grid takes at least.
    pub fn check(&self) -> Result<()> {
        ensure!(
            CELLS.contains(&self.cells),
            "a grid of {} cells a side is out of range: give {} to {}",
            self.cells,
            CELLS.start(),
            CELLS.end()
        );
        surface::check_coarsest(self.cells, self.refine, self.memory)
    }
}

/// The surface of a field as a closed, manifold mesh, with colours where the field has them. The mesh is in the
/// unit box, whatever the field's own coordinates are.
///
/// # Errors
/// When the field fails, gives values that are not finite, has no surface in its region, the grid takes more memory than
/// allowed, or the run is cancelled.
pub fn extract(field: &mut dyn Field, how: &Extraction, cancel: &Cancel) -> Result<Extracted> {
    how.check()?;
    let mut queries = Queries::new(field, how.memory, cancel)?;
    let surface = surface::find(&mut queries, how.cells, how.refine, how.memory)?;
    if surface.cells.is_empty() {
        bail!(
            "the model made an empty object: its field has no surface in its region; try another seed, a clearer prompt or \
             more steps"
        );
    }
    let mut marched = march(&surface);
    if how.sharp {
        sharp::restore(&mut marched, surface.grid, &mut queries)?;
    }
    let mut mesh = marched.mesh;
    mesh.colours = queries.colours(&mesh.positions)?.unwrap_or_default();
    let region = queries.region();
    mesh.positions.iter_mut().for_each(|position| *position = region.to_unit(*position));
    Ok(Extracted { mesh, queries: queries.asked() })
}
