//! Frames that are given of a clip, as a network that goes on from them is told of them (Wan from a picture).

use anyhow::{Result, bail};
use edrun_modalities::LatentCodec;
use edrun_modalities::image::{Picture, VisionEncoder};
use edrun_modalities::video::{ClipFacts, Encoder, Ends};
use edrun_onnx::{Cancel, Folder, GraphOptions};
use ndarray::{Axis, concatenate};

use super::{ClipExtent, Extent};
use crate::media::{Show, Shown};
use crate::sampling::Latent;

/// The graphs that see pictures, one loaded after the other.
pub(super) struct Showing {
    folder: Folder,
    options: GraphOptions,
    facts: ClipFacts,
    codec: LatentCodec,
    /// Whether the network is told what an image encoder sees.
    sees: bool,
    encoder: Option<Encoder>,
    vision: Option<VisionEncoder>,
}

impl Showing {
    pub(super) fn new(
        folder: &Folder,
        options: &GraphOptions,
        facts: ClipFacts,
        codec: LatentCodec,
        sees: bool,
    ) -> Self {
        Self { folder: folder.clone(), options: options.clone(), facts, codec, sees, encoder: None, vision: None }
    }

    /// What the image encoder sees of the pictures, one behind the other.
    fn states(&mut self, first: &Picture, last: Option<&Picture>, cancel: &Cancel) -> Result<Option<Latent>> {
        if !self.sees {
            return Ok(None);
        }
        let mut vision = match self.vision.take() {
            Some(vision) => vision,
            None => VisionEncoder::open(&self.folder, &self.options, cancel)?,
        };
        let states = [Some(first), last].into_iter().flatten().map(|picture| vision.encode(picture, cancel));
        let states = states.collect::<Result<Vec<_>>>()?;
        self.vision = Some(vision);
        let views: Vec<_> = states.iter().map(|states| states.view()).collect();
        Ok(Some(concatenate(Axis(0), &views)?))
    }
}

impl Show for Showing {
    fn show(&mut self, first: &Picture, last: Option<&Picture>, extent: Extent, cancel: &Cancel) -> Result<Shown> {
        let Extent::Clip(ClipExtent { width, height, frames, .. }) = extent else {
            bail!("this model makes clips only")
        };
        let states = self.states(first, last, cancel)?;
        let mut encoder = match self.encoder.take() {
            Some(encoder) => encoder,
            None => Encoder::open(&self.folder, self.facts, &self.options, cancel)?,
        };
        let first = first.resized(width, height)?;
        let last = last.map(|last| last.resized(width, height)).transpose()?;
        let ends = Ends { first: &first, last: last.as_ref() };
        let latent = self.codec.to_scaled(encoder.encode(ends, frames, &self.codec, cancel)?.view());
        self.encoder = Some(encoder);
        let given = given(self.facts.ratio, latent.shape(), ends.last.is_some());
        Ok(Shown { channels: concatenate(Axis(0), &[given.view(), latent.view()])?, states })
    }
}

/// Which frames are given, `[frames of a latent frame, latent frames, height, width]`: the first latent frame stands for one frame,
/// and says so as many times.
fn given(ratio: usize, latent: &[usize], last: bool) -> Latent {
    let at = |axis: usize| latent.get(axis).copied().unwrap_or_default();
    let frames = at(1);
    Latent::from_shape_fn(vec![ratio, frames, at(2), at(3)], |place| {
        let ends = last && place[1] + 1 == frames && place[0] + 1 == ratio;
        f32::from(place[1] == 0 || ends)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_says_which_frames_are_given() {
        let rows = |last| given(4, &[16, 3, 1, 1], last).into_raw_vec_and_offset().0;
        assert_eq!(rows(false), [1.0, 0.0, 0.0].repeat(4));
        let mut both = [1.0, 0.0, 0.0].repeat(4);
        both[11] = 1.0;
        assert_eq!(rows(true), both);
    }
}
