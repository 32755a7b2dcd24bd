//! Pictures: latents to pixels and back, and the files they live in.
//!
//! [`LatentCodec`](crate::LatentCodec) holds the facts of a latent space, [`Decoder`] and [`Encoder`] run its two graphs, [`Picture`] is what
//! comes out, and [`FORMATS`] lists the file formats. A picture file carries [`Info`](crate::info::Info): how it was made.

mod decoder;
mod encoder;
pub(crate) mod exif;
mod format;
mod jpeg;
#[cfg(feature = "video")]
pub(crate) mod lossy;
mod picture;
mod pillow;
mod png;
mod tiff;
mod vision;
mod webp;

pub use decoder::Decoder;
pub use encoder::Encoder;
pub use format::{Depth, FORMATS, Format, check_extension};
pub(crate) use format::{about, knows};
pub use picture::Picture;
pub use vision::VisionEncoder;
pub(crate) use webp::texts as webp_texts;

#[cfg(test)]
mod tests;
