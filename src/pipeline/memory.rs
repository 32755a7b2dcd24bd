//! How much memory a run will take, before it begins.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};
use edrun_onnx::{Folder, Footprint, Given};

use super::{Pipeline, Plan, PreviewBy};
use crate::media::Modality;
use crate::network;

/// What the program takes by itself: the library, tokenizers, results.
const OWN: u64 = 60 << 20;

/// The length of axes that nothing is said of: tokens, as many as CLIP reads.
const USUAL: usize = 77;

/// The component that may work in tiles.
const DECODER: &str = "vae_decoder";

/// What decoders call a latent.
const LATENT: &[&str] = &["latent_sample", "latent", "latents", "sample", "z"];

/// What a run will take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Bytes at its peak.
    pub bytes: u64,
    /// What is in memory then.
    pub parts: Vec<Part>,
}

/// A component in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub component: String,
    /// What it takes.
    pub footprint: Footprint,
}

impl Memory {
    /// What these take together with the program itself.
    pub(super) fn of(parts: Vec<Part>) -> Self {
        let bytes = parts.iter().map(|part| part.footprint.total()).fold(OWN, u64::saturating_add);
        Self { bytes, parts }
    }

    /// Its size as people say it.
    pub fn said(&self) -> String {
        size(self.bytes)
    }

    /// Refuses more than `limit` bytes; `remedy` says how to make it less.
    ///
    /// # Errors
    /// Naming both numbers, what takes most, and the remedy.
    pub fn check(&self, limit: u64, remedy: &str) -> Result<()> {
        if self.bytes <= limit {
            return Ok(());
        }
        let parts: Vec<_> = self.parts.iter().map(ToString::to_string).collect();
        let weights: u64 = self.parts.iter().map(|part| part.footprint.weights).sum();
        let remedy = match weights >= limit {
            true => "take a model with smaller weights, such as one in int8",
            false => remedy,
        };
        bail!(
            "--max-memory is {}, but this run needs about {} ({}): {remedy}",
            size(limit),
            size(self.bytes),
            parts.join("; ")
        )
    }

    fn or_more(self, other: Self) -> Self {
        if other.bytes > self.bytes { other } else { self }
    }
}

impl Part {
    pub(super) fn of(folder: &Folder, component: &str, given: &[Given], rows: usize, usual: usize) -> Result<Self> {
        let footprint = Footprint::of(&folder.graph(component)?, given, rows, usual)?;
        Ok(Self { component: component.to_owned(), footprint })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Footprint { weights, values } = self.footprint;
        write!(f, "{}: {} of weights, {} while it runs", self.component, size(weights), size(values))
    }
}

/// Bytes as people say them.
fn size(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes < 1e6 => format!("{:.0} kB", bytes / 1e3),
        bytes if bytes < 1e9 => format!("{:.0} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}

impl Pipeline {
    /// Estimates the most memory that a run of these plans will take on the processor.
    ///
    /// # Errors
    /// When a graph is missing or damaged.
    pub fn memory(&self, plans: &[&Plan]) -> Result<Memory> {
        let shapes: BTreeSet<&[usize]> = plans.iter().map(|plan| plan.latent_shape.as_slice()).collect();
        let mut most = Memory::default();
        for shape in shapes {
            most = most.or_more(self.memory_for(shape, plans)?);
        }
        Ok(most)
    }

    /// Refuses a run that would take more than `limit` bytes.
    ///
    /// # Errors
    /// Naming the numbers and the remedy, and as for [`memory`](Self::memory).
    pub fn check_memory(&self, plans: &[&Plan], limit: u64) -> Result<()> {
        // How long a line of speech is, no flag decides.
        let spoken = plans.iter().any(|plan| matches!(plan.extent.samples(), Some(None)));
        let smaller = if spoken { "take a smaller model" } else { self.modality().smaller() };
        let remedy = if self.settings.batch > 1 { format!("lower --batch, or {smaller}") } else { smaller.to_owned() };
        self.memory(plans)?.check(limit, &remedy)
    }

    /// Latents that the denoiser is given at once.
    fn rows(&self, plans: &[&Plan]) -> usize {
        let branches = if plans.iter().any(|plan| plan.guidance.is_on()) { 2 } else { 1 };
        results(plans).clamp(1, self.settings.batch.max(1)) * branches
    }

    fn memory_for(&self, latent: &[usize], plans: &[&Plan]) -> Result<Memory> {
        let rows = self.rows(plans);
        let seen = network::given(&self.seen_at_once(latent), rows);
        let denoisers = self.recipe.denoisers().map(|name| Part::of(&self.folder, name, &seen, rows, USUAL));
        let denoisers = denoisers.collect::<Result<Vec<Part>>>()?;
        let given = [Given { names: LATENT, shape: [&[1], latent].concat() }];
        let (mut encoders, mut decoders) = (Vec::new(), Vec::new());
        for component in self.recipe.others() {
            let mut part = Part::of(&self.folder, component, &given, 1, USUAL)?;
            // What is decoded in tiles takes no more than it may.
            if let (Some(least), DECODER) = (self.recipe.medium.least_memory(), component) {
                part.footprint.values = least.saturating_sub(part.footprint.weights + OWN);
            }
            let reads = component.contains("encoder") || component == "duration_predictor";
            if reads { encoders.push(part) } else { decoders.push(part) }
        }
        let previews = self.settings.preview.is_some_and(|preview| preview.by == PreviewBy::Decoder);
        let keeps_all = self.settings.keep_loaded || plans.len() > self.at_once();
        let whole = plans.iter().all(|plan| plan.pieces() == 1);
        if plans.len() == 1 && whole && !keeps_all && !previews {
            // Of several denoisers one is there at a time, as long as all results want the same one.
            let denoisers = match results(plans) <= self.settings.batch.max(1) {
                true => denoisers.into_iter().map(|one| vec![one]).collect(),
                false => vec![denoisers],
            };
            let phases = [encoders, decoders].into_iter().chain(denoisers);
            return Ok(phases.map(Memory::of).fold(Memory::default(), Memory::or_more));
        }
        let encoders_too = if keeps_all { encoders } else { Vec::new() };
        Ok(Memory::of(encoders_too.into_iter().chain(denoisers).chain(decoders).collect()))
    }
}

/// How many are made.
fn results(plans: &[&Plan]) -> usize {
    plans.iter().map(|plan| plan.count).sum()
}

impl Modality {
    /// The flags that say how large it is.
    pub(super) fn size_flags(self) -> &'static str {
        match self {
            #[cfg(feature = "image")]
            Self::Image => "--width and --height",
            #[cfg(feature = "mesh")]
            Self::Mesh => "--resolution",
            #[cfg(feature = "audio")]
            Self::Sound => "--duration",
            #[cfg(feature = "video")]
            Self::Clip => "--width, --height and --frames",
        }
    }

    /// How to ask for less of it.
    fn smaller(self) -> &'static str {
        match self {
            #[cfg(feature = "image")]
            Self::Image => "make the picture smaller with --width and --height",
            #[cfg(feature = "mesh")]
            Self::Mesh => "take a smaller model",
            #[cfg(feature = "audio")]
            Self::Sound => "make the sound shorter with --duration",
            #[cfg(feature = "video")]
            Self::Clip => "make the clip smaller with --width and --height, or shorter with --frames",
        }
    }
}

/// A graph alone, such as a language model's: `rows` texts of `tokens` each.
pub(super) fn of_tokens(graph: &Path, rows: usize, tokens: usize) -> Result<Memory> {
    let footprint = Footprint::of(graph, &[], rows, tokens)?;
    Ok(Memory::of(vec![Part { component: "model".into(), footprint }]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_much_is_told_with_a_remedy() {
        let part = |component: &str, weights, values| Part {
            component: component.into(),
            footprint: Footprint { weights, values },
        };
        let memory =
            Memory::of(vec![part("unet", 3_400_000_000, 870_000_000), part("vae_decoder", 200_000_000, 9_000)]);
        assert!(memory.check(5_000_000_000, "make it smaller").is_ok());
        let cases = [(4_000_000_000, "make it smaller"), (2_000_000_000, "such as one in int8")];
        for (limit, remedy) in cases {
            let said = memory.check(limit, "make it smaller").unwrap_err().to_string();
            for part in ["4.5 GB", "unet: 3.4 GB of weights, 870 MB while it runs", "9 kB", remedy] {
                assert!(said.contains(part), "{said}");
            }
        }
    }
}
