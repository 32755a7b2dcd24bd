//! What the numbers of a diffusion model mean: prompts become conditioning, latents become media, media carry how they were made.
//!
//! [`prompt`] turns text into token ids as the Python deployments do and runs text encoders on them;
//! [`image`](mod@image) turns latents into pictures and back, and reads and writes picture files; [`audio`] does the
//! same for sound; [`speech`] reads texts aloud; [`text`] is for language
//! models: tokens and back, texts with gaps, conversations; [`mesh`] turns fields over space into meshes; [`video`]
//! makes and writes pictures that move. [`info`] is what files say of how they were made.
//!
//! This crate refuses to know what a noise level, a solver or a schedule is. It is handed finished latents and never asks
//! how they came about, so a new sampler cannot break a file format and a new file format cannot change a sample.
//! Below it stands only `edrun-onnx`, which runs the graphs.
//!
//! Every fallible call returns one sentence: what went wrong, where, and what to do about it.
//!
//! The features `image`, `audio`, `text`, `mesh` and `video` stand for the modalities; all are on by default. Prompts, and what
//! files say of themselves, are in every build.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
// A build of some modalities leaves helpers of the others unused.
#![cfg_attr(not(all(feature = "audio", feature = "text", feature = "mesh")), allow(unused))]

#[cfg(feature = "audio")]
pub mod audio;
pub mod files;
#[cfg(feature = "image")]
pub mod image;
pub mod info;
#[cfg(feature = "mesh")]
pub mod mesh;
pub mod prompt;
#[cfg(feature = "audio")]
pub mod speech;
#[cfg(feature = "text")]
pub mod text;
#[cfg(feature = "video")]
pub mod video;

mod codec;
mod graphs;
mod posterior;

pub use codec::LatentCodec;
pub use info::Info;
pub use posterior::Posterior;

#[cfg(test)]
#[cfg(feature = "image")]
mod graph_tests;
