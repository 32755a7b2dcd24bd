//! FLAC files, with how they were made in their comments.

use std::fmt::Display;

use super::sink::{Sink, Target};
use super::{Depth, Format, Shape, Waveform, tags};
use crate::info::Info;
use anyhow::{Error, Result, anyhow};
use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr, MetadataBlockData, Stream, StreamInfo};
use flacenc::config::Encoder;
use flacenc::error::{Verified, Verify};
use flacenc::source::{Context, Fill, FrameBuf};

pub(super) const FORMAT: Format = Format {
    name: "FLAC",
    extensions: &["flac"],
    depths: &[Depth::Whole16, Depth::Whole24],
    // The encoder's, not the format's.
    most: (8, 96_000),
    most_bytes: 1 << 38,
    knows: |bytes| bytes.starts_with(b"fLaC"),
    start,
    texts: tags::texts,
};

/// Samples of a frame.
const BLOCK: usize = 4096;

/// The type of a block of comments.
const COMMENTS: u8 = 4;

struct Flac {
    out: Box<dyn Target>,
    config: Verified<Encoder>,
    depth: Depth,
    info: StreamInfo,
    /// Samples of each channel so far.
    samples: usize,
    comments: Vec<u8>,
    frame: FrameBuf,
    context: Context,
    /// Samples of all channels in turn that do not fill a frame yet.
    waiting: Vec<i32>,
}

fn start(mut out: Box<dyn Target>, shape: Shape, info: &Info) -> Result<Box<dyn Sink>> {
    let mut config = Encoder::default();
    (config.block_size, config.multithread) = (BLOCK, false);
    let config = config.into_verified().map_err(|(_, why)| failed(&why))?;
    let (channels, bits) = (shape.channels, shape.depth.bits() as usize);
    let mut stream = StreamInfo::new(shape.sample_rate as usize, channels, bits)?;
    stream.set_block_sizes(BLOCK, BLOCK)?;
    // None is how the format says that it does not know.
    stream.set_total_samples(shape.samples.unwrap_or_default());
    let comments = tags::comments(info);
    out.write_all(&head(&stream, &comments)?)?;
    let (frame, context) = (FrameBuf::with_size(channels, BLOCK)?, Context::new(bits, channels));
    Ok(Box::new(Flac {
        out,
        config,
        depth: shape.depth,
        info: stream,
        samples: 0,
        comments,
        frame,
        context,
        waiting: Vec::new(),
    }))
}

/// The encoder's own errors cannot leave their thread.
fn failed(why: &dyn Display) -> Error {
    anyhow!("the FLAC encoder failed: {why}")
}

/// Everything before the first frame.
fn head(info: &StreamInfo, comments: &[u8]) -> Result<Vec<u8>> {
    let mut stream = Stream::with_stream_info(info.clone());
    stream.add_metadata_block(MetadataBlockData::new_unknown(COMMENTS, comments)?);
    bytes(&stream)
}

fn bytes(part: &impl BitRepr) -> Result<Vec<u8>> {
    let mut sink = ByteSink::new();
    part.write(&mut sink).map_err(|why| failed(&why))?;
    Ok(sink.into_inner())
}

impl Flac {
    /// Encodes one frame, full but for the last.
    fn encode(&mut self, interleaved: &[i32]) -> Result<()> {
        self.frame.fill_interleaved(interleaved).map_err(|why| failed(&why))?;
        self.context.fill_interleaved(interleaved).map_err(|why| failed(&why))?;
        let number = self.context.current_frame_number().unwrap_or_default();
        let frame = flacenc::encode_fixed_size_frame(&self.config, &self.frame, number, &self.info);
        self.out.write_all(&bytes(&frame.map_err(|why| failed(&why))?)?)?;
        Ok(())
    }
}

impl Sink for Flac {
    fn write(&mut self, sound: &Waveform) -> Result<()> {
        self.samples += sound.len();
        self.waiting.extend(sound.interleaved().map(|v| self.depth.whole(v)));
        let size = BLOCK * sound.channels.len().max(1);
        let waiting = std::mem::take(&mut self.waiting);
        let mut frames = waiting.chunks_exact(size);
        frames.by_ref().try_for_each(|frame| self.encode(frame))?;
        self.waiting = frames.remainder().to_vec();
        Ok(())
    }

    /// The checksum of the samples, and how many they are, is known only now; their place is in the head.
    fn finish(mut self: Box<Self>) -> Result<Box<dyn Target>> {
        let last = std::mem::take(&mut self.waiting);
        if !last.is_empty() {
            self.encode(&last)?;
        }
        self.info.set_total_samples(self.samples);
        self.info.set_md5_digest(&self.context.md5_digest());
        self.out.patch(&head(&self.info, &self.comments)?)?;
        Ok(self.out)
    }
}
