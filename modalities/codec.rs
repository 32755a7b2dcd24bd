//! The facts of a latent space.

use anyhow::{Context, Result, bail, ensure};
use ndarray::{ArrayD, ArrayViewD, Axis};
use serde_json::Value;

/// How the numbers a sampler works on relate to the numbers a decoder takes. The graphs never contain this scaling.
#[derive(Debug, Clone, PartialEq)]
pub struct LatentCodec {
    /// `scaling_factor` of the VAE's `config.json`: the sampler's latents are this many times the decoder's.
    pub scaling: f32,
    /// `shift_factor`: taken from the decoder's latents before they are scaled. 0 for most models.
    pub shift: f32,
    /// Channels of a latent.
    pub channels: usize,
    /// Pixels per latent along each side.
    pub factor: usize,
    /// `latents_mean` and `latents_std`, one pair per channel, where a model normalises its channels separately.
    pub per_channel: Option<Vec<(f32, f32)>>,
}

impl LatentCodec {
    /// Reads the facts from `vae_decoder/config.json`, key by key completed by `vae/config.json`.
    /// `default_scaling` stands in for exports too old to have `scaling_factor` (0.18215 for Stable Diffusion 1 and 2,
    /// 0.13025 for XL).
    pub fn from_configs(decoder_cfg: Option<&Value>, vae_cfg: Option<&Value>, default_scaling: f32) -> Result<Self> {
        let facts = Facts([decoder_cfg, vae_cfg]);
        let scaling = facts.number("scaling_factor")?.unwrap_or(default_scaling);
        ensure!(scaling != 0.0, "the VAE's config.json has \"scaling_factor\": 0: it must not be zero");
        let shift = facts.number("shift_factor")?.unwrap_or(0.0);
        let channels = facts.any(&["latent_channels", "z_dim"])?.unwrap_or(4);
        let per_channel = facts.per_channel(channels)?;
        ensure!(
            per_channel.is_none() || shift == 0.0,
            "the VAE's config.json has both \"shift_factor\" and \"latents_mean\", which is not supported: keep one of them"
        );
        Ok(Self { scaling, shift, channels, factor: facts.factor()?, per_channel })
    }

    /// Latents `[channels, height, width]` of the sampler as the decoder takes them.
    pub fn to_decoder(&self, latent: ArrayViewD<'_, f32>) -> ArrayD<f32> {
        let mut out = latent.to_owned();
        match &self.per_channel {
            None => out.mapv_inplace(|x| x / self.scaling + self.shift),
            Some(facts) => self.each(&mut out, facts, |x, mean, std| x * std / self.scaling + mean),
        }
        out
    }

    /// Latents `[channels, height, width]` of the encoder as the sampler takes them.
    pub fn to_scaled(&self, latent: ArrayViewD<'_, f32>) -> ArrayD<f32> {
        let mut out = latent.to_owned();
        match &self.per_channel {
            None => out.mapv_inplace(|x| (x - self.shift) * self.scaling),
            Some(facts) => self.each(&mut out, facts, |x, mean, std| (x - mean) * self.scaling / std),
        }
        out
    }

    fn each(&self, latent: &mut ArrayD<f32>, facts: &[(f32, f32)], change: impl Fn(f32, f32, f32) -> f32) {
        for (mut channel, &(mean, std)) in latent.axis_iter_mut(Axis(0)).zip(facts) {
            channel.mapv_inplace(|x| change(x, mean, std));
        }
    }

    /// The values of a latent as the graph of `component` takes them; `axes` are the names of those after the channels.
    ///
    /// # Errors
    /// When the latent has another shape, or values that are not finite.
    pub fn for_graph(&self, component: &str, latent: ArrayViewD<'_, f32>, axes: &[&str]) -> Result<ArrayD<f32>> {
        let shape = latent.shape();
        ensure!(
            shape.len() == axes.len() + 1 && shape.first() == Some(&self.channels) && !latent.is_empty(),
            "a latent has the shape {shape:?} where {component} takes [{}, {}]: give latents made for this model",
            self.channels,
            axes.join(", ")
        );
        let bad = latent.iter().filter(|v| !v.is_finite()).count();
        ensure!(
            bad == 0,
            "{bad} values of the latent given to {component} are not finite: use float32 graphs or a lower guidance scale"
        );
        Ok(self.to_decoder(latent).as_standard_layout().into_owned())
    }
}

/// The configurations to look in, in order.
struct Facts<'a>([Option<&'a Value>; 2]);

impl<'a> Facts<'a> {
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.iter().flatten().filter_map(|config| config.get(key)).find(|value| !value.is_null())
    }

    fn number(&self, key: &str) -> Result<Option<f32>> {
        self.get(key).map(|value| number(key, value)).transpose()
    }

    fn whole(&self, key: &str) -> Result<Option<usize>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let whole = value.as_u64().filter(|n| (1..=4096).contains(n));
        Ok(Some(whole.with_context(|| {
            format!("the VAE's config.json has \"{key}\": {value}: it must be a whole number from 1 to 4096")
        })? as usize))
    }

    /// The first of some keys that is there.
    fn any(&self, keys: &[&str]) -> Result<Option<usize>> {
        keys.iter().find_map(|key| self.whole(key).transpose()).transpose()
    }

    fn numbers(&self, key: &str, channels: usize) -> Result<Option<Vec<f32>>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let list = value.as_array().filter(|list| list.len() == channels);
        let list = list.with_context(|| format!("the VAE's config.json has \"{key}\": {value}: it must be a list of {channels} numbers, one per latent channel"))?;
        list.iter().map(|value| number(key, value)).collect::<Result<_>>().map(Some)
    }

    fn per_channel(&self, channels: usize) -> Result<Option<Vec<(f32, f32)>>> {
        match (self.numbers("latents_mean", channels)?, self.numbers("latents_std", channels)?) {
            (None, None) => Ok(None),
            (Some(_), Some(std)) if std.contains(&0.0) => {
                bail!("the VAE's config.json has a zero in \"latents_std\": it must have none")
            }
            (Some(mean), Some(std)) => Ok(Some(mean.into_iter().zip(std).collect())),
            _ => bail!(
                "the VAE's config.json has only one of \"latents_mean\" and \"latents_std\": it must have both or none"
            ),
        }
    }

    /// Stated outright by the autoencoders of clips. Every stage but the first halves the picture. The other two names are those
    /// of the tiny and the deep-compression autoencoders.
    fn factor(&self) -> Result<usize> {
        if let Some(factor) = self.any(&["scale_factor_spatial", "spatial_compression_ratio"])? {
            return Ok(factor);
        }
        const KEYS: [&str; 3] = ["block_out_channels", "decoder_block_out_channels", "encoder_block_out_channels"];
        let Some((key, value)) = KEYS.iter().find_map(|key| Some((key, self.get(key)?))) else { return Ok(8) };
        match value.as_array().map(Vec::len) {
            Some(stages @ 1..=8) => Ok(1 << (stages - 1)),
            _ => bail!("the VAE's config.json has \"{key}\": {value}: it must be a list of 1 to 8 widths"),
        }
    }
}

fn number(key: &str, value: &Value) -> Result<f32> {
    let number = value.as_f64().map(|n| n as f32).filter(|n| n.is_finite());
    number.with_context(|| format!("the VAE's config.json has \"{key}\": {value}: it must be a finite number"))
}
