//! Loudness as EBU R 128 measures it.

use super::{CEILING, Depth, Waveform, limit};
use anyhow::{Context, Result, ensure};
use ebur128::{EbuR128, Mode};

/// Loudness that a sound can be brought to, in LUFS: from where the measure takes everything for silence to what a limiter
/// just reaches.
pub const LOUDNESS: std::ops::RangeInclusive<f64> = -70.0..=-5.0;

/// The shortest sound that has a loudness, in seconds.
const SHORTEST: f64 = 0.4;

/// How often the gain is corrected for what the limiter takes away, and how near is near enough, in LU.
const ROUNDS: usize = 8;
const NEAR: f64 = 0.05;

/// Integrated loudness in LUFS; `None` for silence. A sound of less than 0.4 s is measured as if it were repeated.
///
/// # Errors
/// When the measure cannot take so many channels or such a sample rate.
pub fn loudness(sound: &Waveform) -> Result<Option<f64>> {
    let refused = || format!("the loudness of {} channels at {} Hz", sound.channels.len(), sound.sample_rate);
    let mut meter = EbuR128::new(sound.channels.len() as u32, sound.sample_rate, Mode::I).with_context(refused)?;
    let planes: Vec<&[f32]> = sound.channels.iter().map(Vec::as_slice).collect();
    let times = (SHORTEST / sound.seconds().max(1e-6)).ceil().clamp(1.0, 1e6) as usize;
    // One time more, because a block is counted when it is full.
    for _ in 0..if times > 1 { times + 1 } else { 1 } {
        meter.add_frames_planar_f32(&planes).with_context(refused)?;
    }
    Ok(Some(meter.loudness_global().with_context(refused)?).filter(|found| found.is_finite()))
}

/// Brings a sound to a loudness in LUFS. Peaks are limited to [`CEILING`] unless `depth` is floating point, and the gain
/// makes up for that as far as it goes. Silence stays silence.
///
/// # Errors
/// When the loudness is out of [`LOUDNESS`], or cannot be measured.
pub fn normalise(sound: &Waveform, lufs: f64, depth: Depth) -> Result<Waveform> {
    ensure!(
        LOUDNESS.contains(&lufs),
        "a loudness of {lufs} LUFS is none between {} and {}",
        LOUDNESS.start(),
        LOUDNESS.end()
    );
    let Some(mut found) = loudness(sound)? else { return Ok(sound.clone()) };
    let (mut decibels, mut out) = (0.0, sound.clone());
    for _ in 0..ROUNDS {
        decibels += lufs - found;
        out = sound.clone().scaled(10f64.powf(decibels / 20.0) as f32);
        if depth == Depth::Float {
            break;
        }
        limit(&mut out, CEILING);
        found = loudness(&out)?.unwrap_or(lufs);
        if (found - lufs).abs() < NEAR {
            break;
        }
    }
    Ok(out)
}
