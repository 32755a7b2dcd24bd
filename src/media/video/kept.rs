//! Frames that are given of a clip and kept, for networks that know nothing of such frames: their latents stay while all others
//! are made (as a mask keeps a part of a picture).

use anyhow::{Result, bail, ensure};
use edrun_modalities::LatentCodec;
use edrun_modalities::image::Picture;
use edrun_modalities::video::{ClipFacts, FrameEncoder};
use edrun_onnx::{Cancel, Folder, GraphOptions};
use ndarray::Axis;

use crate::media::Kept;
use crate::sampling::Latent;

/// How far the aspects of a clip and of a frame may be apart.
const STRETCH: f64 = 1.1;

/// The latent of the frames that are given, and 1 where it is made anew.
pub(super) fn keep(
    folder: &Folder,
    options: &GraphOptions,
    codec: &LatentCodec,
    facts: ClipFacts,
    [first, last]: [Option<&Picture>; 2],
    shape: &[usize],
    cancel: &Cancel,
) -> Result<Kept> {
    ensure!(
        last.is_none() || facts.ratio == 1,
        "--last-frame cannot be kept by this model, whose latent frames stand for {} frames each",
        facts.ratio
    );
    let &[_, frames, height, width] = shape else { bail!("a latent of {shape:?} is none of a clip") };
    let mut encoder = FrameEncoder::open(folder, options, cancel)?;
    let (mut clean, mut mask) = (Latent::zeros(shape), Latent::ones(shape));
    for (place, picture) in [(0, first), (frames - 1, last)] {
        let Some(picture) = picture else { continue };
        let aspect = |width: usize, height: usize| width as f64 / height.max(1) as f64;
        let stretch = aspect(width, height) / aspect(picture.width, picture.height);
        ensure!(
            (1.0 / STRETCH..=STRETCH).contains(&stretch),
            "a frame that is given has {}x{} pixels, which {}x{} would stretch; crop it",
            picture.width,
            picture.height,
            width * codec.factor,
            height * codec.factor
        );
        let picture = picture.resized(width * codec.factor, height * codec.factor)?;
        let latent = encoder.encode(&picture, codec, cancel)?;
        clean.index_axis_mut(Axis(1), place).assign(&latent);
        mask.index_axis_mut(Axis(1), place).fill(0.0);
    }
    Ok(Kept { clean, mask })
}
