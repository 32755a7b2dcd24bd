//! Ogg Vorbis files, with how they were made in their comments.

use std::num::{NonZeroU8, NonZeroU32};

use super::sink::{Sink, Target};
use super::{Depth, Format, Shape, Waveform, tags};
use crate::info::Info;
use anyhow::{Context, Result};
use vorbis_rs::{VorbisBitrateManagementStrategy, VorbisEncoder, VorbisEncoderBuilder};

pub(super) const FORMAT: Format = Format {
    name: "Ogg Vorbis",
    extensions: &["ogg", "oga"],
    depths: &[Depth::Whole16],
    most: (8, 192_000),
    most_bytes: u64::MAX,
    knows: |bytes| bytes.starts_with(b"OggS") && bytes.get(28..35) == Some(b"\x01vorbis"),
    start,
    texts: tags::texts,
};

/// Of -0.1 to 1: about 96 kbit/s a channel, at which most people hear no difference.
const QUALITY: f32 = 0.6;

/// Samples that are encoded at once. The encoder is slow with more.
const BLOCK: usize = 4096;

struct Vorbis(VorbisEncoder<Box<dyn Target>>);

fn start(out: Box<dyn Target>, shape: Shape, info: &Info) -> Result<Box<dyn Sink>> {
    let rate = NonZeroU32::new(shape.sample_rate).context("a sample rate of 0")?;
    let channels = NonZeroU8::new(shape.channels as u8).context("no channels")?;
    // The number that tells streams apart is always the same, so that a run gives the same bytes again.
    let mut builder = VorbisEncoderBuilder::new_with_serial(rate, channels, out, 1);
    builder.bitrate_management_strategy(VorbisBitrateManagementStrategy::QualityVbr { target_quality: QUALITY });
    for (key, text) in tags::pairs(info) {
        builder.comment_tag(key, text)?;
    }
    Ok(Box::new(Vorbis(builder.build()?)))
}

impl Sink for Vorbis {
    fn write(&mut self, sound: &Waveform) -> Result<()> {
        for from in (0..sound.len()).step_by(BLOCK) {
            let block = |channel: &Vec<f32>| channel.iter().skip(from).take(BLOCK).copied().collect();
            self.0.encode_audio_block(sound.channels.iter().map(block).collect::<Vec<Vec<f32>>>())?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Box<dyn Target>> {
        Ok(self.0.finish()?)
    }
}
