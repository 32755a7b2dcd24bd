//! Noise streams: one per request, so that what a request gets does not depend on its company.

mod brownian;
mod mt19937;
mod numpy;
mod pcg64;
mod philox;
mod seed_sequence;
mod torch;
mod variation;
mod ziggurat;

use anyhow::{Result, bail};

use super::Latent;
use super::latent::values_mut;
use super::names::simplified;

pub use brownian::Brownian;
pub use variation::variation;

/// A request's own source of random numbers. Every draw continues where the last one ended.
#[derive(Clone, Debug)]
pub struct Noise {
    stream: Stream,
    seed: u64,
}

#[derive(Clone, Debug)]
enum Stream {
    Torch(Box<torch::Generator>),
    Numpy(Box<numpy::RandomState>),
    NumpyGenerator(ziggurat::Generator),
    Philox(philox::Generator),
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
    Rng {
        name: "numpy-generator",
        help: "numpy.random.default_rng(seed).standard_normal, rounded from f64",
        start: Noise::numpy_generator,
    },
    Rng {
        name: "philox",
        help: "PyTorch's CUDA generator, to 1e-6: A1111's NV source, stable-diffusion.cpp's cuda",
        start: Noise::philox,
    },
];

impl Noise {
    /// The stream of `torch.Generator("cpu").manual_seed(seed)`.
    pub fn torch(seed: u64) -> Self {
        Self { seed, stream: Stream::Torch(Box::new(torch::Generator::new(seed))) }
    }

    /// The stream of `numpy.random.RandomState(seed)`.
    pub fn numpy(seed: u64) -> Self {
        Self { seed, stream: Stream::Numpy(Box::new(numpy::RandomState::new(seed))) }
    }

    /// The stream of `numpy.random.default_rng(seed)`.
    pub fn numpy_generator(seed: u64) -> Self {
        Self { seed, stream: Stream::NumpyGenerator(ziggurat::Generator::new(seed)) }
    }

    /// The stream of `torch.Generator("cuda").manual_seed(seed)`.
    pub fn philox(seed: u64) -> Self {
        Self { seed, stream: Stream::Philox(philox::Generator::new(seed)) }
    }

    /// Starts the stream of a generator of the registry.
    ///
    /// # Errors
    /// For a name that is not known.
    pub fn start(rng: &str, seed: u64) -> Result<Self> {
        let simple = simplified(rng);
        match RNGS.iter().find(|known| simplified(known.name) == simple) {
            Some(known) => Ok((known.start)(seed)),
            None => {
                let names: Vec<_> = RNGS.iter().map(|known| known.name).collect();
                bail!("--rng {rng:?} is not known; known are {}", names.join(", "))
            }
        }
    }

    /// Fills a buffer with standard normal numbers, as one draw of that size.
    pub fn fill_normal(&mut self, values: &mut [f32]) {
        match &mut self.stream {
            Stream::Torch(generator) => generator.fill_normal(values),
            Stream::Numpy(generator) => values.iter_mut().for_each(|v| *v = generator.normal() as f32),
            Stream::NumpyGenerator(generator) => values.iter_mut().for_each(|v| *v = generator.normal() as f32),
            Stream::Philox(generator) => generator.fill_normal(values),
        }
    }

    /// Fills a buffer with uniform numbers in `[0, 1)` of 53 random bits, as one draw of that size:
    /// `torch.rand(..., dtype=torch.float64)`, `numpy.random.random_sample`, `Generator.random`.
    pub fn fill_uniform(&mut self, values: &mut [f64]) {
        match &mut self.stream {
            Stream::Torch(generator) => values.iter_mut().for_each(|v| *v = generator.uniform_f64()),
            Stream::Numpy(generator) => values.iter_mut().for_each(|v| *v = generator.double()),
            Stream::NumpyGenerator(generator) => values.iter_mut().for_each(|v| *v = generator.uniform()),
            Stream::Philox(generator) => generator.fill_uniform(values),
        }
    }

    /// One uniform number in `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        let mut value = [0.0];
        self.fill_uniform(&mut value);
        value[0]
    }

    /// A whole number below `count`, all alike.
    pub fn below(&mut self, count: usize) -> usize {
        ((self.uniform() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// The seed the stream was started with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A fresh stream of the same generator.
    pub fn sibling(&self, seed: u64) -> Self {
        match self.stream {
            Stream::Torch(_) => Self::torch(seed),
            Stream::Numpy(_) => Self::numpy(seed),
            Stream::NumpyGenerator(_) => Self::numpy_generator(seed),
            Stream::Philox(_) => Self::philox(seed),
        }
    }

    /// Draws a standard normal latent.
    pub fn normal(&mut self, shape: &[usize]) -> Latent {
        let mut latent = Latent::zeros(shape);
        self.fill_normal(values_mut(&mut latent));
        latent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniforms_are_the_references() {
        // The first two numbers of seed 7 and the ninth: torch.rand(9, dtype=torch.float64),
        // RandomState.random_sample(9), default_rng.random(9).
        type Start = fn(u64) -> Noise;
        let cases: [(Start, [f64; 3]); 3] = [
            (Noise::torch, [0.279380429906404, 0.27369371365176565, 0.7630434112121387]),
            (Noise::numpy, [0.07630828937395717, 0.7799187922401146, 0.26843898010187117]),
            (Noise::numpy_generator, [0.625095466604667, 0.8972138009695755, 0.7970694287520462]),
        ];
        for (start, want) in cases {
            let mut values = [0.0; 9];
            start(7).fill_uniform(&mut values);
            assert_eq!([values[0], values[1], values[8]], want);
        }
        let mut values = [0.0; 4000];
        Noise::philox(7).fill_uniform(&mut values);
        assert!(values.iter().all(|v| (0.0..1.0).contains(v)));
        assert!((values.iter().sum::<f64>() / 4000.0 - 0.5).abs() < 0.02);
        assert!((0..100).all(|seed| Noise::torch(seed).below(3) < 3));
    }
}
