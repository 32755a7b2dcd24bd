//! What a folder says of its fields.

use super::super::Vec3;
use anyhow::{Context, Result, ensure};
use edrun_onnx::Folder;
use serde::Deserialize;

/// The key `field` of `vae_decoder/config.json`, or of `field/config.json` where there is no decoder.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FieldFacts {
    /// Half the side of the cube around the origin that the field describes.
    pub half_size: f32,
    /// The value of the field at its surface.
    pub level: f32,
    /// Whether values inside are below the level ("negative", as of distances) or above it ("positive", as of occupancies).
    pub inside: Sign,
    /// Which axis points up.
    pub up: Up,
    /// The values that stand for no light and for all light.
    pub colour_range: [f32; 2],
    /// Memory that a point takes in the graph that answers for it, between its input and its outputs.
    pub bytes_per_point: usize,
}

/// A side of the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sign {
    /// Below it.
    Negative,
    /// Above it.
    Positive,
}

/// An axis that points up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Up {
    /// As meshes here have it.
    Y,
    /// As modelling tools have it; X then points to the viewer's right and -Y away from the object's front.
    Z,
}

impl Default for FieldFacts {
    fn default() -> Self {
        Self {
            half_size: 1.0,
            level: 0.0,
            inside: Sign::Negative,
            up: Up::Y,
            colour_range: [0.0, 1.0],
            bytes_per_point: 16 << 10,
        }
    }
}

impl FieldFacts {
    /// Reads them from `folder`.
    ///
    /// # Errors
    /// For keys that are not known and values that make no sense, naming the file.
    pub fn read(folder: &Folder) -> Result<Self> {
        let mut facts = Self::default();
        for file in ["field/config.json", "vae_decoder/config.json"] {
            if let Some(field) = folder.json(file)?.and_then(|config| config.get("field").cloned()) {
                facts = serde_json::from_value(field)
                    .with_context(|| format!("the key field of {file} is not understood"))?;
                facts.check().with_context(|| format!("the key field of {file} is not understood"))?;
            }
        }
        Ok(facts)
    }

    fn check(&self) -> Result<()> {
        let [low, high] = self.colour_range;
        ensure!(
            self.half_size.is_finite() && self.half_size > 0.0,
            "half_size is {}, but must be above 0",
            self.half_size
        );
        ensure!(self.level.is_finite(), "level is {}, but must be finite", self.level);
        ensure!(self.bytes_per_point > 0, "bytes_per_point is 0, but must be above 0");
        ensure!((high - low).is_normal(), "colour_range is [{low}, {high}], but its ends must differ");
        Ok(())
    }

    pub(super) fn inside_is_positive(&self) -> bool {
        self.inside == Sign::Positive
    }
}

impl Up {
    /// A point with this axis up as a point with Y up.
    pub fn to_y(self, point: Vec3) -> Vec3 {
        match self {
            Self::Y => point,
            Self::Z => Vec3::new(point.x, point.z, -point.y),
        }
    }
}
