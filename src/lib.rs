//! edrun runs exported diffusion models: it takes the model folders that people deploy, runs their
//! graphs on ONNX Runtime, and owns everything around them.
//!
//! Open a model folder and ask; [`api`] has more of this:
//!
//! ```no_run
//! # #[cfg(feature = "image")]
//! # fn main() -> Result<(), edrun::Error> {
//! let ask = edrun::Ask { prompt: "a red cube".into(), seed: 7, ..Default::default() };
//! let picture = edrun::Pipeline::open("models/sd15")?.image(&ask)?;
//! println!("{} x {} pixels", picture.width, picture.height);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "image"))]
//! # fn main() {}
//! ```
//!
//! The rooms, in reading order:
//! - [`api`]: the front door for programs that embed edrun, re-exported here.
//! - [`sampling`]: pure mathematics, from noise levels to solvers. Knows no ONNX; it is all there is
//!   without the default features.
//! - [`engine`]: many requests, one batched evaluation a turn.
//! - [`media`]: what a model makes: sizes, and latents to media.
//! - [`recipe`]: what a model folder says of itself.
//! - [`network`]: an exported graph as a denoiser.
//! - [`pipeline`]: from an ask to media; the only place where all rooms meet.
//! - [`cli`]: what was typed, what it means, the run, the report.
//!
//! The features `image`, `audio`, `text`, `mesh` and `video` stand for the modalities, `models` for the built-in models and `cli`
//! for the command line; `cli` and `models` are on by default.

#![deny(unsafe_code)]
#![deny(missing_docs)]
// A build of some modalities leaves helpers of the others unused.
#![cfg_attr(all(feature = "run", not(feature = "cli")), allow(unused, irrefutable_let_patterns))]

#[cfg(feature = "run")]
pub mod api;
#[cfg(any(feature = "c", all(test, feature = "run")))]
#[allow(unsafe_code, reason = "the only file that talks to C")]
pub mod c;
#[cfg(feature = "cli")]
pub mod cli;
pub mod engine;
#[cfg(feature = "run")]
pub mod media;
#[cfg(feature = "run")]
pub mod network;
#[cfg(feature = "run")]
pub mod pipeline;
#[cfg(feature = "run")]
pub mod recipe;
pub mod sampling;

#[cfg(feature = "run")]
pub use api::{Error, ErrorKind, Event, Pipeline, Switch};
#[cfg(feature = "run")]
pub use edrun_onnx::runtime::silence_telemetry;
#[cfg(feature = "run")]
pub use pipeline::{Ask, Settings};
#[cfg(feature = "run")]
pub use {edrun_modalities as modalities, edrun_onnx as onnx};

/// The examples of the README run as tests.
#[cfg(all(doctest, feature = "models", feature = "image"))]
#[doc = include_str!("../README.md")]
pub struct Readme;
