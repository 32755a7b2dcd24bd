//! edrun runs exported diffusion models: it takes the model folders that people deploy, runs their
//! graphs on ONNX Runtime, and owns everything around them.
//!
//! The rooms, in reading order:
//! - [`sampling`]: pure mathematics, from noise levels to solvers. Knows no ONNX; it is all there is
//!   without the default features.
//! - [`engine`]: many requests, one batched evaluation a turn.
//! - [`recipe`]: what a model folder says of itself.
//! - [`network`]: an exported graph as a denoiser.
//! - [`pipeline`]: from an ask to media; the only place where all rooms meet.
//! - [`cli`]: what was typed, what it means, the run, the report.
//!
//! ```no_run
//! # #[cfg(feature = "run")]
//! # fn main() -> anyhow::Result<()> {
//! use edrun::pipeline::{ImageAsk, Pipeline, Settings};
//!
//! let mut pipeline = Pipeline::open("models/sd15".as_ref(), Settings::default())?;
//! let ask = ImageAsk { prompt: "a red cube".into(), seed: 7, ..ImageAsk::default() };
//! for image in pipeline.image(&ask, &Default::default(), &mut |_| Ok(()))?.images {
//!     println!("seed {}: {} x {}", image.seed, image.picture.width, image.picture.height);
//! }
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "run"))]
//! # fn main() {}
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "cli")]
pub mod cli;
pub mod engine;
#[cfg(feature = "run")]
pub mod network;
#[cfg(feature = "run")]
pub mod pipeline;
#[cfg(feature = "run")]
pub mod recipe;
pub mod sampling;
