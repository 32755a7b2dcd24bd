use super::*;
use crate::Info;
use std::f64::consts::TAU;

fn tone(hertz: f64, rate: u32, samples: usize) -> Vec<f32> {
    (0..samples).map(|i| (0.5 * (TAU * hertz * i as f64 / f64::from(rate)).sin()) as f32).collect()
}

#[test]
fn a_transform_and_its_inverse_are_the_identity() {
    for (size, hop, window) in [(16, 4, 16), (1280, 320, 1280), (400, 160, 400), (512, 128, 400)] {
        let stft = Stft::new(size, hop, window).unwrap();
        for padding in [Padding::Zeros, Padding::Reflect] {
            let sound = tone(440.0, 16_000, 4_321);
            let back = stft.inverse(&stft.forward(&sound, padding).unwrap(), sound.len()).unwrap();
            let worst = sound.iter().zip(&back).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-5, "{size} {hop} {window}: {worst}");
        }
    }
}

#[test]
fn magnitudes_alone_give_a_tone_back() {
    let stft = Stft::new(1280, 320, 1280).unwrap();
    let sound = tone(440.0, 22_050, 22_050);
    let magnitudes = stft.forward(&sound, Padding::Zeros).unwrap().magnitudes();
    let made = GriffinLim::default().sound(&stft, &magnitudes, sound.len()).unwrap();
    let again = stft.forward(&made, Padding::Zeros).unwrap().magnitudes();
    let error: f32 = magnitudes.iter().zip(&again).map(|(a, b)| (a - b).powi(2)).sum();
    let size: f32 = magnitudes.iter().map(|a| a * a).sum();
    let convergence = (error / size).sqrt();
    assert!(convergence < 0.03, "{convergence}");
}

fn info() -> Info {
    Info { parameters: "a café 😀\nSteps: 8".into(), json: r#"{"seed": 7}"#.into() }
}

fn two_tones(rate: u32, samples: usize) -> Waveform {
    Waveform::new(rate, vec![tone(440.0, rate, samples), tone(660.0, rate, samples)]).unwrap()
}

/// Saves a sound under a name, and gives the file's content.
fn saved(sound: &Waveform, name: &str, depth: Depth) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    sound.save(&path, &info(), depth).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn every_format_and_depth_carries_how_it_was_made_and_what_it_is_like() {
    let sound = two_tones(22_050, 22_050);
    for format in FORMATS {
        for depth in format.depths {
            let bytes = saved(&sound, &format!("a.{}", format.extensions[0]), *depth);
            let about = about(&bytes).unwrap();
            assert_eq!(about.kind, format!("{} sound, 1.00 s, 22050 Hz, stereo", format.name));
            assert_eq!(Info::of(&about.texts), Some(info()), "{} {depth:?}", format.name);
            // The same bytes again, whoever makes them.
            assert_eq!(bytes, saved(&sound, &format!("b.{}", format.extensions[0]), *depth));
        }
    }
}

#[test]
fn wav_files_hold_the_samples_at_every_depth() {
    let sound = two_tones(22_050, 1001);
    for (name, depth) in Depth::ALL {
        let bytes = saved(&sound, "a.wav", depth);
        let mut reader = hound::WavReader::new(&bytes[..]).unwrap();
        assert_eq!((reader.len(), reader.spec().channels, reader.spec().sample_rate), (2002, 2, 22_050), "{name}");
        let step = if depth == Depth::Whole16 { 1.0 / 65535.0 } else { 1e-7 };
        let values: Vec<f32> = match depth {
            Depth::Float => reader.samples::<f32>().map(Result::unwrap).collect(),
            _ => {
                let scale = (1 << (depth.bits() - 1)) as f32;
                reader.samples::<i32>().map(|v| v.unwrap() as f32 / scale).collect()
            }
        };
        assert!(sound.interleaved().zip(&values).all(|(a, b)| (a - b).abs() <= step), "{name}");
    }
}

#[test]
fn limiting_holds_every_true_peak_and_leaves_the_rest_alone() {
    // A quarter of the sample rate, sampled beside its peaks: samples of 0.85 hide peaks of 1.2.
    let hidden: Vec<f32> = (0..4000).map(|i| (1.2 * (TAU * (0.25 * f64::from(i) + 0.125)).sin()) as f32).collect();
    let mut quiet = tone(440.0, 8_000, 4_000);
    quiet.extend(&hidden);
    quiet.extend(tone(440.0, 8_000, 4_000));
    let mut sound = Waveform::new(8_000, vec![quiet.clone(), quiet.iter().map(|v| v * 0.5).collect()]).unwrap();
    assert!(sound.peak() < 0.9 && true_peaks(&sound).iter().any(|p| *p > 1.15));
    limit(&mut sound, CEILING);
    let worst = true_peaks(&sound).into_iter().fold(0.0, f32::max);
    assert!(worst <= CEILING * 1.01 && worst > CEILING * 0.97, "{worst}");
    assert_eq!(sound.channels[0][..3000], quiet[..3000]);
    assert_eq!(sound.channels[0][9000..], quiet[9000..]);
    // Channels keep their balance.
    assert!(sound.channels[0].iter().zip(&sound.channels[1]).all(|(a, b)| (a * 0.5 - b).abs() < 1e-6));
}

#[test]
fn what_would_clip_is_limited_in_files_of_whole_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let loud = Waveform::new(8_000, vec![tone(440.0, 8_000, 2_000)]).unwrap().scaled(6.0);
    let peak = |name: &str, depth| {
        let path = dir.path().join(name);
        loud.save(&path, &Info::default(), depth).unwrap();
        let mut reader = hound::WavReader::open(&path).unwrap();
        match depth {
            Depth::Float => reader.samples::<f32>().map(|v| v.unwrap().abs()).fold(0.0, f32::max),
            _ => reader.samples::<i32>().map(|v| v.unwrap().abs() as f32).fold(0.0, f32::max) / 32768.0,
        }
    };
    assert!((peak("a.wav", Depth::Whole16) - CEILING).abs() < 0.01);
    assert!(peak("b.wav", Depth::Float) > 2.9);
}

#[test]
fn formats_refuse_what_they_cannot_hold() {
    let shape = |sample_rate, channels, samples, depth| Shape { sample_rate, channels, samples: Some(samples), depth };
    let cases = [
        ("a.flac", shape(44_100, 2, 10, Depth::Float), "FLAC files cannot have samples of f32 bits: write WAV"),
        ("a.ogg", shape(44_100, 2, 10, Depth::Whole24), "write WAV or FLAC"),
        ("a.flac", shape(192_000, 2, 10, Depth::Whole16), "up to 8 channels and 96000 Hz"),
        ("a.ogg", shape(44_100, 9, 10, Depth::Whole16), "up to 8 channels"),
        ("a.wav", shape(44_100, 2, 1 << 31, Depth::Whole16), "ends at"),
    ];
    for (name, shape, part) in cases {
        let error = check_extension(std::path::Path::new(name)).unwrap().check_shape(shape).unwrap_err().to_string();
        assert!(error.contains(part), "{name}: {error}");
    }
    // At their limits they do.
    for (name, rate, channels) in
        [("a.wav", 192_000, 8), ("a.flac", 96_000, 8), ("a.ogg", 192_000, 8), ("a.ogg", 8_000, 1)]
    {
        let sound = Waveform::new(rate, vec![tone(440.0, rate, 5_000); channels]).unwrap();
        assert!(saved(&sound, name, Depth::Whole16).len() > 1000, "{name}");
    }
}

#[test]
fn cut_and_foreign_files_are_no_panic() {
    let sound = Waveform::new(8_000, vec![tone(440.0, 8_000, 10)]).unwrap();
    for format in FORMATS {
        let whole = saved(&sound, &format!("a.{}", format.extensions[0]), Depth::Whole16);
        for end in 0..whole.len() {
            let _ = about(&whole[..end]);
        }
    }
    assert!(!knows(b"RIFF\x04\0\0\0AVI "));
    assert!(knows(b"ID3\x04") && knows(b"\xFF\xFB\x90") && !knows(b"\xFF\xD8\xFF"));
}
