//! The contract between decoders and meshes: points in, fields out.

use anyhow::{Result, bail, ensure};
use edrun_onnx::Cancel;
use glam::Vec3;

/// A field over space that has a surface where it is zero.
pub trait Field {
    /// The cube that the surface lies in; what reaches beyond is cut off there.
    fn region(&self) -> Region;

    /// Writes one value for each point: the signed distance to the surface, or any other continuous function that is negative
    /// inside and positive outside. `out` has as many places as there are points.
    ///
    /// # Errors
    /// When the decoder behind it fails or is cancelled.
    fn distances(&mut self, points: &[Vec3], out: &mut [f32]) -> Result<()>;

    /// The colours at `points`, red, green and blue in sRGB, 0..=1; `None` where the field has none.
    ///
    /// # Errors
    /// When the decoder behind it fails or is cancelled.
    fn colours(&mut self, points: &[Vec3]) -> Result<Option<Vec<Vec3>>> {
        let _ = points;
        Ok(None)
    }

    /// Memory that one point of a query takes while it is answered. It decides how many points share a query.
    fn bytes_per_point(&self) -> usize {
        64
    }
}

/// A cube in the field's own coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// The corner with the smallest coordinates.
    pub min: Vec3,
    /// Length of its sides, above 0.
    pub side: f32,
}

impl Region {
    /// The cube around the origin that reaches `half` along every axis.
    pub fn around(half: f32) -> Self {
        Self { min: Vec3::splat(-half), side: 2.0 * half }
    }

    /// A point of the region as a point of the unit box, -0.5..=0.5.
    pub fn to_unit(self, point: Vec3) -> Vec3 {
        (point - self.min) / self.side - Vec3::splat(0.5)
    }
}

/// The largest query, in points: beyond it batches gain nothing.
const LARGEST: usize = 1 << 16;

/// Asks a field in batches, counts the points, and refuses values that are not numbers.
pub(super) struct Queries<'f> {
    field: &'f mut dyn Field,
    batch: usize,
    asked: u64,
    cancel: Cancel,
}

impl<'f> Queries<'f> {
    /// `memory`: bytes that one query may take.
    pub(super) fn new(field: &'f mut dyn Field, memory: u64, cancel: &Cancel) -> Result<Self> {
        let each = field.bytes_per_point().max(1) as u64;
        let batch = usize::try_from(memory / each).unwrap_or(LARGEST).min(LARGEST);
        ensure!(
            batch > 0,
            "one point of the decoder takes {each} bytes, but {memory} are allowed: raise the limit of memory"
        );
        let region = field.region();
        ensure!(
            region.min.is_finite() && region.side.is_finite() && region.side > 0.0,
            "the model describes no region of space ({region:?}): export it again"
        );
        Ok(Self { field, batch, asked: 0, cancel: cancel.clone() })
    }

    pub(super) fn region(&self) -> Region {
        self.field.region()
    }

    /// Points asked for so far, colours not counted.
    pub(super) fn asked(&self) -> u64 {
        self.asked
    }

    pub(super) fn distances(&mut self, points: &[Vec3]) -> Result<Vec<f32>> {
        let mut out = vec![0.0; points.len()];
        for (points, out) in points.chunks(self.batch).zip(out.chunks_mut(self.batch)) {
            ensure!(!self.cancel.is_cancelled(), "interrupted");
            self.field.distances(points, out)?;
            self.asked += points.len() as u64;
            let bad = out.iter().filter(|value| !value.is_finite()).count();
            if bad > 0 {
                bail!(
                    "the decoder gave {bad} distances of {} that are not finite: use float32 graphs or a lower guidance scale",
                    points.len()
                );
            }
        }
        Ok(out)
    }

    pub(super) fn colours(&mut self, points: &[Vec3]) -> Result<Option<Vec<Vec3>>> {
        let mut all = Vec::with_capacity(points.len());
        for chunk in points.chunks(self.batch) {
            let Some(colours) = self.field.colours(chunk)? else { return Ok(None) };
            ensure!(
                colours.len() == chunk.len() && colours.iter().all(|colour| colour.is_finite()),
                "the decoder gave colours that are not finite: use float32 graphs or a lower guidance scale"
            );
            all.extend(colours.into_iter().map(|colour| colour.clamp(Vec3::ZERO, Vec3::ONE)));
        }
        Ok(Some(all))
    }
}
