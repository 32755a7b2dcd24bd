//! Noise streams: one per request, so that what a request gets does not depend on its company.

mod mt19937;
mod numpy;
mod torch;

use anyhow::{Result, bail};

use super::Latent;
use super::latent::values_mut;

/// A request's own source of random numbers. Every draw continues where the last one ended.
#[derive(Clone, Debug)]
pub struct Noise(Stream);

#[derive(Clone, Debug)]
enum Stream {
    Torch(Box<torch::Generator>),
    Numpy(Box<numpy::RandomState>),
}

/// A line of the registry of random number generators (`--rng`).
#[derive(Clone, Copy)]
pub struct Rng {
    /// The name of `--rng`.
    pub name: &'static str,
    /// Which program draws the same numbers.
    pub help: &'static str,
    /// Starts a stream.
    pub start: fn(u64) -> Noise,
}

/// Every generator; the first is the default.
pub const RNGS: &[Rng] = &[
    Rng {
        name: "torch",
        help: "PyTorch's CPU generator: torch.Generator('cpu').manual_seed(seed)",
        start: Noise::torch,
    },
    Rng {
        name: "numpy",
        help: "numpy.random.RandomState(seed), as diffusers' first ONNX pipelines draw",
        start: Noise::numpy,
    },
];

impl Noise {
    /// The stream of `torch.Generator("cpu").manual_seed(seed)`.
    pub fn torch(seed: u64) -> Self {
        Self(Stream::Torch(Box::new(torch::Generator::new(seed))))
    }

    /// The stream of `numpy.random.RandomState(seed)`.
    pub fn numpy(seed: u64) -> Self {
        Self(Stream::Numpy(Box::new(numpy::RandomState::new(seed))))
    }

    /// Starts the stream of a generator of the registry.
    ///
    /// # Errors
    /// For a name that is not known.
    pub fn start(rng: &str, seed: u64) -> Result<Self> {
        match RNGS.iter().find(|known| known.name == rng) {
            Some(known) => Ok((known.start)(seed)),
            None => {
                let names: Vec<_> = RNGS.iter().map(|known| known.name).collect();
                bail!("--rng {rng:?} is not known; known are {}", names.join(", "))
            }
        }
    }

    /// Fills a buffer with standard normal numbers, as one draw of that size.
    pub fn fill_normal(&mut self, values: &mut [f32]) {
        match &mut self.0 {
            Stream::Torch(generator) => generator.fill_normal(values),
            Stream::Numpy(generator) => values.iter_mut().for_each(|v| *v = generator.normal() as f32),
        }
    }

    /// Draws a standard normal latent.
    pub fn normal(&mut self, shape: &[usize]) -> Latent {
        let mut latent = Latent::zeros(shape);
        self.fill_normal(values_mut(&mut latent));
        latent
    }
}
