//! What sound files say of themselves beside their samples.

use std::io::Cursor;

use crate::info::{Info, JSON, PARAMETERS, Text};
use anyhow::{Result, anyhow};
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::{MetadataOptions, RawValue, Tag};

/// Names of our texts among the comments of FLAC and Ogg files. The one of the readable text is what players show.
const NAMES: [(&str, &str); 2] = [("COMMENT", PARAMETERS), ("EDRUN", JSON)];

/// Comments, as name and text.
pub(super) fn pairs(info: &Info) -> Vec<(&'static str, String)> {
    let name = |key| NAMES.iter().find(|(_, own)| *own == key).map(|(name, _)| *name);
    // A text in these files cannot have a zero byte in it.
    let mut pairs: Vec<_> =
        info.texts().filter_map(|(key, text)| Some((name(key)?, text.replace('\0', " ")))).collect();
    if !pairs.is_empty() {
        pairs.push(("ENCODER", software()));
    }
    pairs
}

fn software() -> String {
    format!("edrun {}", env!("CARGO_PKG_VERSION"))
}

/// The block that holds comments, without its head (<https://xiph.org/vorbis/doc/v-comment.html>).
pub(super) fn comments(info: &Info) -> Vec<u8> {
    let pairs = pairs(info);
    let mut out = sized(software().as_bytes());
    out.extend_from_slice(&(pairs.len() as u32).to_le_bytes());
    pairs.iter().for_each(|(name, text)| out.extend(sized(format!("{name}={text}").as_bytes())));
    out
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_le_bytes(), bytes].concat()
}

/// Opens a file of any format that can be read.
pub(super) fn open<'s>(source: Box<dyn MediaSource + 's>) -> Result<Box<dyn FormatReader + 's>> {
    let stream = MediaSourceStream::new(source, MediaSourceStreamOptions::default());
    let (formats, metadata) = (FormatOptions::default(), MetadataOptions::default());
    symphonia::default::get_probe().probe(&Hint::new(), stream, formats, metadata).map_err(|why| anyhow!("{why}"))
}

/// The texts of a file, whoever wrote them there.
pub(super) fn texts(bytes: &[u8]) -> Result<Vec<Text>> {
    let mut reader = open(Box::new(Cursor::new(bytes)))?;
    let mut metadata = reader.metadata();
    let Some(revision) = metadata.skip_to_latest() else { return Ok(Vec::new()) };
    let per_track = revision.per_track.iter().flat_map(|track| &track.metadata.tags);
    Ok(revision.media.tags.iter().chain(per_track).filter_map(text).collect())
}

fn text(tag: &Tag) -> Option<Text> {
    let key = NAMES.iter().find(|(name, _)| tag.raw.key.eq_ignore_ascii_case(name)).map(|(_, key)| *key);
    let RawValue::String(text) = &tag.raw.value else { return None };
    Some(Text::new(key.unwrap_or(&tag.raw.key), text.as_str()))
}

/// How long a sound is and what it is like, as far as the head of its file says so.
pub(super) fn shape(bytes: &[u8]) -> String {
    let Ok(reader) = open(Box::new(Cursor::new(bytes))) else { return String::new() };
    let Some(track) = reader.default_track(TrackType::Audio) else { return String::new() };
    let params = track.codec_params.as_ref().and_then(|params| params.audio());
    let (rate, channels) = (params.and_then(|p| p.sample_rate), params.and_then(|p| p.channels.as_ref()));
    let seconds = track.num_frames.zip(rate).map(|(frames, rate)| frames as f64 / f64::from(rate.max(1)));
    let parts = [
        seconds.map(|seconds| format!("{seconds:.2} s")),
        rate.map(|rate| format!("{rate} Hz")),
        channels.map(|channels| match channels.count() {
            1 => "mono".into(),
            2 => "stereo".into(),
            count => format!("{count} channels"),
        }),
    ];
    parts.into_iter().flatten().map(|part| format!(", {part}")).collect()
}
