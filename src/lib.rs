//! edrun runs exported diffusion models: it takes the model folders that people deploy, runs their
//! graphs on ONNX Runtime, and owns everything around them.
//!
//! The rooms, in reading order:
//! - [`sampling`]: pure mathematics, from noise levels to solvers. Knows no ONNX; it is all there is
//!   without the default features.
//! - [`engine`]: many requests, one batched evaluation a turn.
//! - [`media`]: what a model makes: sizes, and latents to media.
//! - [`recipe`]: what a model folder says of itself.
//! - [`network`]: an exported graph as a denoiser.
//! - [`pipeline`]: from an ask to media; the only place where all rooms meet.
//! - [`cli`]: what was typed, what it means, the run, the report.
//!
//! ```no_run
//! # #[cfg(feature = "run")]
//! # fn main() -> anyhow::Result<()> {
//! use edrun::pipeline::{Ask, Pipeline, Settings};
//!
//! let mut pipeline = Pipeline::open("models/sd15".as_ref(), Settings::default())?;
//! let ask = Ask { prompt: "a red cube".into(), seed: 7, ..Ask::default() };
//! for one in pipeline.make(&ask, &Default::default(), &mut |_| Ok(()))?.made {
//!     println!("seed {}: {}", one.seed, one.extent);
//! }
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "run"))]
//! # fn main() {}
//! ```

#![deny(unsafe_code)]
#![deny(missing_docs)]

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
