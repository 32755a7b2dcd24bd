//! WebM: VP8 in Matroska, which browsers play. How it was made stands in its tags.
//!
//! Every frame is a key frame, as libwebp's encoder writes nothing else: any of them can be jumped to, and a file is larger than
//! an MP4 of its quality.

mod elements;
#[cfg(test)]
mod tests;
mod texts;

use super::format::QUALITY;
use super::{Format, Shape, Writer};
use crate::Info;
use crate::files::{Whole, unwritten};
use crate::image::{Picture, lossy};
use anyhow::{Context, Result, ensure};
use elements::{element, float, number, text};
use std::io::{Seek, SeekFrom, Write};

pub(super) const FORMAT: Format = Format {
    name: "WebM",
    extensions: &["webm"],
    fastest: 240.0,
    longest_side: lossy::MAX_SIDE,
    even: false,
    lossy: true,
    knows: texts::knows,
    start,
    texts: |bytes| Ok(texts::texts(bytes)),
};

/// Ticks of the clock in a second, which the format wants to be thousandths, and nanoseconds of each.
const THOUSANDTHS: f64 = 1000.0;
const TICK: u64 = 1_000_000;

/// Frames of a cluster begin within so many ticks of it: an index leads to clusters.
const CLUSTER_TICKS: u64 = 2000;

/// Bytes of the lengths that are known only at the end.
const LENGTH: usize = 8;

/// A block that stands for itself: track 1, no lacing, a key frame.
const TRACK: u8 = 0x81;
const KEY_FRAME: u8 = 0x80;

struct WebM {
    file: Whole,
    shape: Shape,
    quality: u8,
    /// Where the inside of the segment begins: places are counted from there.
    segment: u64,
    places: Places,
    /// Where in the film's description its length stands.
    clock: u64,
    cluster: Cluster,
    /// When clusters begin, and where.
    index: Vec<(u64, u64)>,
    written: usize,
}

/// Frames that are not in the file yet.
#[derive(Default)]
struct Cluster {
    start: u64,
    blocks: Vec<u8>,
}

fn start(mut file: Whole, shape: Shape, info: &Info, quality: Option<u8>) -> Result<Box<dyn Writer>> {
    let head = element(
        elements::HEADER,
        &[
            number(elements::VERSION, 1),
            number(elements::READ_VERSION, 1),
            number(elements::LONGEST_ID, 4),
            number(elements::LONGEST_LENGTH, 8),
            text(elements::KIND, "webm"),
            number(elements::KIND_VERSION, 2),
            number(elements::KIND_READ_VERSION, 2),
        ],
    );
    // How long the segment is stands there once it is known.
    let open = [&elements::SEGMENT[..], &[1], &[0xFF; LENGTH - 1]].concat();
    let segment = (head.len() + open.len()) as u64;
    let places = Places::of([film(), tracks(shape), tags(info)]);
    let clock = segment + places.film + (film().len() - size_of::<f64>()) as u64;
    let parts = [head, open, places.head(0), film(), tracks(shape), tags(info)].concat();
    file.write_all(&parts).with_context(|| unwritten(file.path()))?;
    let (cluster, quality) = (Cluster::default(), quality.unwrap_or(QUALITY));
    Ok(Box::new(WebM { file, shape, quality, segment, places, clock, cluster, index: Vec::new(), written: 0 }))
}

/// Where in the segment its parts are.
#[derive(Clone, Copy, Default)]
struct Places {
    film: u64,
    tracks: u64,
    tags: Option<u64>,
}

impl Places {
    /// Of parts that stand one behind the other, with the list of their places before them.
    fn of([film, tracks, tags]: [Vec<u8>; 3]) -> Self {
        let some = Some(0).filter(|_| !tags.is_empty());
        let head = Self { tags: some, ..Self::default() }.head(0).len();
        let (after_film, after_tracks) = (head + film.len(), head + film.len() + tracks.len());
        Self { film: head as u64, tracks: after_film as u64, tags: some.map(|_| after_tracks as u64) }
    }

    /// The list of places; the index, which stands behind the frames, at `cues`.
    fn head(self, cues: u64) -> Vec<u8> {
        let known = [
            Some((elements::FILM, self.film)),
            Some((elements::TRACKS, self.tracks)),
            self.tags.map(|place| (elements::TAGS, place)),
            Some((elements::CUES, cues)),
        ];
        let entry = |(id, place): ([u8; 4], u64)| {
            element(elements::SEEK, &[element(elements::SEEK_ID, &[id.to_vec()]), number(elements::SEEK_PLACE, place)])
        };
        element(elements::SEEK_HEAD, &known.into_iter().flatten().map(entry).collect::<Vec<_>>())
    }
}

/// What the film as a whole is; its length comes last.
fn film() -> Vec<u8> {
    let program = concat!("edrun ", env!("CARGO_PKG_VERSION"));
    let parts = [
        number(elements::TICK, TICK),
        text(elements::MUXER, program),
        text(elements::PROGRAM, program),
        float(elements::DURATION, 0.0),
    ];
    element(elements::FILM, &parts)
}

fn tracks(shape: Shape) -> Vec<u8> {
    // As libwebp turns red, green and blue into brightness and colours: BT.601, limited range.
    let colours = element(
        elements::COLOURS,
        &[
            number(elements::MATRIX, 6),
            number(elements::RANGE, 1),
            number(elements::TRANSFER, 6),
            number(elements::PRIMARIES, 6),
        ],
    );
    let sides = [number(elements::WIDTH, shape.width as u64), number(elements::HEIGHT, shape.height as u64), colours];
    let video = element(elements::VIDEO, &sides);
    let lasts = (1e9 / shape.fps).round().max(1.0) as u64;
    let track = [
        number(elements::TRACK_NUMBER, 1),
        number(elements::TRACK_UID, 1),
        number(elements::TRACK_KIND, 1),
        number(elements::LACED, 0),
        text(elements::LANGUAGE, "und"),
        text(elements::CODEC, "V_VP8"),
        number(elements::FRAME_LASTS, lasts),
        video,
    ];
    element(elements::TRACKS, &[element(elements::TRACK, &track)])
}

/// Nothing where there is nothing to say.
fn tags(info: &Info) -> Vec<u8> {
    let tag = |(key, said): (&str, &str)| {
        element(elements::SIMPLE_TAG, &[text(elements::TAG_NAME, key), text(elements::TAG_TEXT, said)])
    };
    let all: Vec<_> = info.texts().map(tag).collect();
    if all.is_empty() {
        return Vec::new();
    }
    let tag = [vec![element(elements::TARGETS, &[])], all].concat();
    element(elements::TAGS, &[element(elements::TAG, &tag)])
}

impl WebM {
    /// When a frame begins, in ticks.
    fn tick(&self, frame: usize) -> u64 {
        self.shape.start_of(frame, THOUSANDTHS)
    }

    /// Writes what a cluster has gathered.
    fn flush(&mut self) -> Result<()> {
        let Cluster { start, blocks } = std::mem::take(&mut self.cluster);
        if blocks.is_empty() {
            return Ok(());
        }
        let cluster = element(elements::CLUSTER, &[number(elements::CLUSTER_START, start), blocks]);
        let place = self.file.stream_position().and_then(|place| self.file.write_all(&cluster).map(|()| place));
        let place = place.with_context(|| unwritten(self.file.path()))?;
        self.index.push((start, place - self.segment));
        Ok(())
    }

    /// Where to find which time.
    fn cues(&self) -> Vec<u8> {
        let point = |(time, place): &(u64, u64)| {
            let places =
                element(elements::CUE_PLACES, &[number(elements::CUE_TRACK, 1), number(elements::CUE_CLUSTER, *place)]);
            element(elements::CUE, &[number(elements::CUE_TIME, *time), places])
        };
        element(elements::CUES, &self.index.iter().map(point).collect::<Vec<_>>())
    }
}

impl Writer for WebM {
    fn frame(&mut self, picture: &Picture) -> Result<()> {
        let frame = lossy::vp8(picture, self.quality)?;
        let now = self.tick(self.written);
        if now >= self.cluster.start + CLUSTER_TICKS {
            self.flush()?;
        }
        if self.cluster.blocks.is_empty() {
            self.cluster.start = now;
        }
        let since = u16::try_from(now - self.cluster.start)?.to_be_bytes();
        let block = [&[TRACK], &since[..], &[KEY_FRAME], &frame].concat();
        self.cluster.blocks.extend(element(elements::BLOCK, &[block]));
        self.written += 1;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        ensure!(self.written > 0, "a WebM file needs a frame");
        self.flush()?;
        let (cues, lasts) = (self.cues(), self.tick(self.written) as f64);
        let mut end = || -> std::io::Result<()> {
            let place = self.file.stream_position()? - self.segment;
            self.file.write_all(&cues)?;
            self.file.seek(SeekFrom::Start(self.segment - LENGTH as u64))?;
            self.file.write_all(&elements::long(place + cues.len() as u64))?;
            self.file.write_all(&self.places.head(place))?;
            self.file.seek(SeekFrom::Start(self.clock))?;
            self.file.write_all(&lasts.to_be_bytes())
        };
        end().with_context(|| unwritten(self.file.path()))?;
        self.file.finish()
    }
}
