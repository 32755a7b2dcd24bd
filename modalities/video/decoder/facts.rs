//! What a folder says of the time of its latents.

use anyhow::{Result, bail};
use serde_json::Value;

/// How the frames of latents and the frames of clips count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipFacts {
    /// Frames that every latent frame but the first stands for; the first stands for one.
    pub ratio: usize,
}

/// Names of the key, in the families that have it.
const KEYS: [&str; 2] = ["scale_factor_temporal", "temporal_compression_ratio"];

impl ClipFacts {
    /// Reads them from `vae_decoder/config.json`, or from `vae/config.json` where that says nothing.
    ///
    /// # Errors
    /// For numbers that make no sense.
    pub fn from_configs(decoder: Option<&Value>, vae: Option<&Value>) -> Result<Self> {
        let found = [decoder, vae].into_iter().flatten();
        let found = found.flat_map(|config| KEYS.iter().filter_map(|key| Some((*key, config.get(*key)?))));
        match found.map(|(key, value)| (key, value, value.as_u64())).find(|(_, value, _)| !value.is_null()) {
            None => Ok(Self { ratio: 1 }),
            Some((_, _, Some(ratio @ 1..=64))) => Ok(Self { ratio: ratio as usize }),
            Some((key, value, _)) => {
                bail!("the VAE's config.json has \"{key}\": {value}: it must be a whole number from 1 to 64")
            }
        }
    }

    /// Frames of so many latent frames.
    pub fn frames(self, latents: usize) -> usize {
        match latents {
            0 => 0,
            latents => self.ratio * (latents - 1) + 1,
        }
    }

    /// Latent frames of the longest clip of no more than so many frames, at least one.
    pub fn latents(self, frames: usize) -> usize {
        frames.saturating_sub(1) / self.ratio + 1
    }
}
