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

#[test]
fn wav_files_carry_samples_and_how_they_were_made() {
    let sound = Waveform::new(22_050, vec![tone(440.0, 22_050, 1001), tone(660.0, 22_050, 1001)]).unwrap();
    for (name, depth) in Depth::ALL {
        let bytes = (wav::FORMAT.encode)(&sound, &info(), depth).unwrap();
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
        assert_eq!(Info::of(&(wav::FORMAT.texts)(&bytes).unwrap()), Some(info()));
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
fn a_stream_is_a_wav_file_of_unknown_length() {
    let parts = [tone(440.0, 8_000, 100), tone(660.0, 8_000, 50)].map(|part| Waveform::new(8_000, vec![part]).unwrap());
    for (name, depth) in Depth::ALL {
        let mut bytes = Vec::new();
        let mut stream = Stream::start(&mut bytes, 8_000, 1, depth, &info()).unwrap();
        parts.iter().for_each(|part| stream.write(part).unwrap());
        assert_eq!(Info::of(&(wav::FORMAT.texts)(&bytes).unwrap()), Some(info()), "{name}");
        let head = bytes.windows(4).position(|w| w == b"data").unwrap() + 8;
        assert_eq!(bytes.len() - head, 150 * depth.bits() as usize / 8, "{name}");
        // With the lengths put in, any reader takes it.
        let size = (bytes.len() - head) as u32;
        bytes[head - 4..head].copy_from_slice(&size.to_le_bytes());
        let total = (bytes.len() - 8) as u32;
        bytes[4..8].copy_from_slice(&total.to_le_bytes());
        assert_eq!(hound::WavReader::new(&bytes[..]).unwrap().len(), 150, "{name}");
    }
}

#[test]
fn cut_and_foreign_wav_files_are_no_panic() {
    let sound = Waveform::new(8_000, vec![tone(440.0, 8_000, 10)]).unwrap();
    let whole = (wav::FORMAT.encode)(&sound, &info(), Depth::Whole16).unwrap();
    for end in 0..whole.len() {
        let _ = (wav::FORMAT.texts)(&whole[..end]);
    }
    assert!(!knows(b"RIFF\x04\0\0\0AVI "));
}
