//! Clips: latents to frames that follow one another, and the files they live in.
//!
//! [`Decoder`] runs the graph that makes frames of latents, [`Clip`] is what comes out: frames that are made when they are
//! shown, so that a long clip never is in memory whole. [`FORMATS`] lists the file formats; each is a [`Writer`] that takes
//! frames one by one. A clip's file carries [`Info`](crate::Info): how it was made.

mod clip;
mod decoder;
mod encoder;
mod format;
mod frame_encoder;
mod frames;
mod gif;
mod memory;
mod mp4;
mod sheet;
mod webm;
mod webp;
mod yuv;

pub use clip::{Clip, Frames, Shape};
pub use decoder::{ClipFacts, DecodeOptions, Decoder};
pub use encoder::{Encoder, Ends};
pub use format::{FORMATS, Format, Writer, check_file, check_place, first_file, writer};
pub(crate) use format::{about, by_ending, knows};
pub use frame_encoder::FrameEncoder;
pub use frames::FRAME;
pub use sheet::Sheet;

#[cfg(test)]
mod tests;
