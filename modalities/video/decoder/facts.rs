//! What a folder says of the time of its latents.

use anyhow::{Result, bail};
use serde_json::Value;

/// How the frames of latents and the frames of clips count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipFacts {
    /// Frames that every latent frame but the first stands for; the first stands for one.
    pub ratio: usize,
    /// Numbers that the decoder holds for a pixel in its widest layer.
    pub width: usize,
}

/// Names of lists of the widths of a decoder's layers, the one of the largest pictures first.
const WIDTHS: [&str; 2] = ["decoder_block_out_channels", "block_out_channels"];

/// The width where a decoder does not state it: that of Stable Diffusion's.
const WIDTH: usize = 128;

/// Names of the key, in the families that have it.
const KEYS: [&str; 2] = ["scale_factor_temporal", "temporal_compression_ratio"];

impl ClipFacts {
    /// Reads them from `vae_decoder/config.json`, or from `vae/config.json` where that says nothing.
    ///
    /// # Errors
    /// For numbers that make no sense.
    pub fn from_configs(decoder: Option<&Value>, vae: Option<&Value>) -> Result<Self> {
        let width = [decoder, vae].into_iter().flatten().find_map(width).unwrap_or(WIDTH);
        let found = [decoder, vae].into_iter().flatten();
        let found = found.flat_map(|config| KEYS.iter().filter_map(|key| Some((*key, config.get(*key)?))));
        match found.map(|(key, value)| (key, value, value.as_u64())).find(|(_, value, _)| !value.is_null()) {
            None => Ok(Self { ratio: 1, width }),
            Some((_, _, Some(ratio @ 1..=64))) => Ok(Self { ratio: ratio as usize, width }),
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

/// Numbers for a pixel in the widest layer; some decoders make patches of pixels at their end.
fn width(config: &Value) -> Option<usize> {
    let number = |key: &str| config.get(key).and_then(Value::as_u64).filter(|n| (1..1 << 16).contains(n));
    let first = |key: &&str| config.get(*key)?.as_array()?.first()?.as_u64();
    let channels = WIDTHS.iter().find_map(first).or(number("decoder_base_dim")).or(number("base_dim"))?;
    let patch = number("patch_size").unwrap_or(1);
    Some((channels as usize).div_ceil((patch * patch) as usize).max(1))
}
