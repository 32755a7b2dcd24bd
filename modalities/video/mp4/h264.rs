//! Frames to H.264.

use crate::video::Shape;
use crate::video::yuv::Yuv;
use anyhow::{Context, Result, ensure};
use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Complexity, Encoder as Codec, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, QpRange,
    RateControlMode, UsageType, VuiConfig,
};
use openh264::formats::YUVSource;

/// One encoded frame.
pub(super) struct Frame {
    /// Units, each behind its length.
    pub(super) bytes: Vec<u8>,
    /// Whether it can be shown without those before it.
    pub(super) key: bool,
}

/// An encoder of constant quality.
pub(super) struct Encoder {
    codec: Codec,
    /// What decoders must know beforehand: one sequence and one picture parameter set.
    sequence: Vec<u8>,
    picture: Vec<u8>,
}

/// Seconds between frames that can be jumped to.
const KEY_SECONDS: f64 = 4.0;

/// The steps of quantisation at best and at worst quality: below the first, the encoder does not go.
const STEPS: [u8; 2] = [12, 48];

/// Types of units, in the last five bits of their first byte.
const SEQUENCE: u8 = 7;
const PICTURE: u8 = 8;

impl YUVSource for Yuv {
    fn dimensions(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    fn strides(&self) -> (usize, usize, usize) {
        (self.width, self.width / 2, self.width / 2)
    }

    fn y(&self) -> &[u8] {
        &self.y
    }

    fn u(&self) -> &[u8] {
        &self.u
    }

    fn v(&self) -> &[u8] {
        &self.v
    }
}

/// The step of quantisation of a quality from 1 to 100.
fn step(quality: u8) -> u8 {
    let [best, worst] = STEPS;
    worst - ((f64::from(quality.clamp(1, 100)) - 1.0) / 99.0 * f64::from(worst - best)).round() as u8
}

impl Encoder {
    pub(super) fn new(shape: Shape, quality: u8) -> Result<Self> {
        let step = step(quality);
        let config = EncoderConfig::new()
            // The one mode that holds the step of quantisation where it is told to, and prints no warnings.
            .rate_control_mode(RateControlMode::Bufferbased)
            .qp(QpRange::new(step, step))
            .bitrate(BitRate::from_bps(10_000_000))
            .skip_frames(false)
            .scene_change_detect(false)
            .background_detection(false)
            .adaptive_quantization(false)
            .usage_type(UsageType::CameraVideoRealTime)
            .complexity(Complexity::High)
            .max_frame_rate(FrameRate::from_hz(shape.fps.clamp(1.0, 60.0) as f32))
            .intra_frame_period(IntraFramePeriod::from_num_frames((shape.fps * KEY_SECONDS).ceil().max(1.0) as u32))
            .vui(VuiConfig::bt709())
            .num_threads(1);
        let codec = Codec::with_api_config(OpenH264API::from_source(), config).context("the H.264 encoder failed")?;
        Ok(Self { codec, sequence: Vec::new(), picture: Vec::new() })
    }

    pub(super) fn encode(&mut self, yuv: &Yuv) -> Result<Frame> {
        let stream = self.codec.encode(yuv).context("the H.264 encoder failed")?;
        let key = matches!(stream.frame_type(), FrameType::IDR);
        let bytes = stream.to_vec();
        let mut frame = Frame { bytes: Vec::with_capacity(bytes.len()), key };
        for unit in units(&bytes) {
            match unit.first().map(|byte| byte & 31) {
                Some(SEQUENCE) => self.sequence = unit.to_vec(),
                Some(PICTURE) => self.picture = unit.to_vec(),
                Some(_) => {
                    frame.bytes.extend_from_slice(&(unit.len() as u32).to_be_bytes());
                    frame.bytes.extend_from_slice(unit);
                }
                None => {}
            }
        }
        ensure!(!frame.bytes.is_empty(), "the H.264 encoder left out a frame");
        Ok(frame)
    }

    /// The parameter sets, once a frame was encoded.
    pub(super) fn parameters(&self) -> Result<(&[u8], &[u8])> {
        ensure!(self.sequence.len() > 3 && !self.picture.is_empty(), "the H.264 encoder was given no frame");
        Ok((&self.sequence, &self.picture))
    }
}

/// The units of a stream in which each stands behind two zeros and a one.
fn units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts: Vec<usize> = (0..stream.len()).filter(|i| stream.get(*i..i + 3) == Some(&[0, 0, 1])).collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([stream.len()]).collect();
    starts.into_iter().zip(ends).filter_map(|(start, end)| {
        let unit = stream.get(start + 3..end)?;
        // A unit never ends with a zero; those before the next start belong to that.
        let length = unit.iter().rposition(|byte| *byte != 0)? + 1;
        unit.get(..length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_come_apart_at_their_starts() {
        let stream = [0, 0, 0, 1, 103, 5, 0, 0, 3, 0, 0, 0, 1, 104, 9, 0, 0, 1, 101, 0, 7];
        let found: Vec<_> = units(&stream).collect();
        assert_eq!(found, [&[103, 5, 0, 0, 3][..], &[104, 9], &[101, 0, 7]]);
        assert_eq!(units(&[1, 2, 3]).count(), 0);
    }

    #[test]
    fn qualities_are_steps_of_quantisation() {
        assert_eq!([1, 50, 100].map(step), [48, 30, 12]);
    }
}
