//! Results as C reads them.

use std::ffi::CString;

use super::last::{c_text, refused};
use crate::api::{Content, Error};
#[cfg(any(feature = "image", feature = "audio", feature = "mesh"))]
use crate::media::Media;

/// A result in the form that C reads.
pub(super) enum Shape {
    Picture {
        width: usize,
        height: usize,
        rgb: Vec<u8>,
    },
    Sound {
        sample_rate: u32,
        channels: usize,
        samples: usize,
        values: Vec<f32>,
    },
    Mesh {
        positions: Vec<f32>,
        colours: Vec<f32>,
        triangles: Vec<u32>,
    },
    Text(CString),
    /// What is made only while it is written to a file.
    File(&'static str),
}

impl Shape {
    pub(super) fn of(content: &Content) -> Self {
        match *content {
            #[cfg(feature = "image")]
            Content::Media(Media::Picture(ref picture)) => {
                Self::Picture { width: picture.width, height: picture.height, rgb: picture.to_rgb8() }
            }
            #[cfg(feature = "audio")]
            Content::Media(Media::Sound(ref sound)) => Self::Sound {
                sample_rate: sound.sample_rate,
                channels: sound.channels.len(),
                samples: sound.len(),
                values: sound.channels.concat(),
            },
            #[cfg(feature = "mesh")]
            Content::Media(Media::Mesh(ref mesh)) => Self::Mesh {
                positions: mesh.positions.iter().flat_map(|corner| corner.to_array()).collect(),
                colours: mesh.colours.iter().flat_map(|colour| colour.to_array()).collect(),
                triangles: mesh.triangles.concat(),
            },
            #[cfg(feature = "video")]
            Content::Media(Media::Clip(_)) => Self::File("clip"),
            #[cfg(not(any(feature = "image", feature = "audio", feature = "mesh", feature = "video")))]
            Content::Media(ref media) => match *media {},
            #[cfg(feature = "text")]
            Content::Text(ref text) => Self::Text(c_text(&text.text)),
        }
    }

    fn noun(&self) -> &'static str {
        match self {
            Self::Picture { .. } => "picture",
            Self::Sound { .. } => "sound",
            Self::Mesh { .. } => "mesh",
            Self::Text(_) => "text",
            Self::File(noun) => noun,
        }
    }

    pub(super) fn is_no(&self, wanted: &str) -> Error {
        refused(format!("the result is a {}, not a {wanted}", self.noun()))
    }
}
