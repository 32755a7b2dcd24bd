//! Diffusion sampling as pure mathematics: no graphs, no files, no ONNX.
//!
//! Reading order: a [`Level`] says how noisy a state is; a [`schedule`] maps a model's time to
//! levels; [`steps`] choose which levels to visit; a [`Denoiser`] answers with clean estimates;
//! a [`solver`] turns those into the next state; [`guidance`] wraps a denoiser in a denoiser.
//!
//! The clean estimate is the only currency between these parts. What a network really predicts
//! (noise, velocity, the sample itself) is converted once, in [`prediction`].

pub mod config;
pub mod denoiser;
pub mod fit;
pub mod guidance;
pub mod latent;
pub mod level;
pub mod names;
pub mod noise;
pub mod plan;
pub mod prediction;
pub mod prior;
pub mod schedule;
pub mod solver;
pub mod steps;
pub mod unmask;
pub mod windows;

pub use denoiser::{Branch, Continuous, Denoiser, RequestId, Row, Space};
pub use latent::Latent;
pub use level::{Level, toward};
pub use noise::Noise;
pub use prediction::Prediction;
pub use solver::{Seen, Solver, Want};
