//! Sound as data: files read back, other rates and channels, magnitudes that come in parts.

use std::f64::consts::TAU;

use edrun_modalities::Info;
use edrun_modalities::audio::{
    CEILING, Depth, GriffinLim, Padding, Phases, Shape, Spectrogram, Stft, Waveform, Writer, loudness, mel, normalise,
    true_peaks,
};

fn tone(hertz: f64, rate: u32, samples: usize) -> Vec<f32> {
    (0..samples).map(|i| (0.5 * (TAU * hertz * i as f64 / f64::from(rate)).sin()) as f32).collect()
}

fn two_tones(rate: u32, samples: usize) -> Waveform {
    Waveform::new(rate, vec![tone(440.0, rate, samples), tone(660.0, rate, samples)]).unwrap()
}

/// The root of the mean square of the difference, over that of `a`.
fn off(a: &[f32], b: &[f32]) -> f32 {
    let square = |v: f32| v * v;
    let error: f32 = a.iter().zip(b).map(|(a, b)| square(a - b)).sum();
    (error / a.iter().map(|a| square(*a)).sum::<f32>()).sqrt()
}

#[test]
fn files_of_every_format_are_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let sound = two_tones(22_050, 22_050);
    for (name, depth, allowed) in [
        ("a.wav", Depth::Whole16, 5e-5),
        ("a24.wav", Depth::Whole24, 1e-6),
        ("a32.wav", Depth::Float, 0.0),
        ("a.flac", Depth::Whole16, 5e-5),
        ("a24.flac", Depth::Whole24, 1e-6),
        ("a.ogg", Depth::Whole16, 0.05),
    ] {
        let path = dir.path().join(name);
        sound.save(&path, &Info::default(), depth).unwrap();
        let read = Waveform::open(&path).unwrap();
        assert_eq!((read.sample_rate, read.channels.len(), read.len()), (22_050, 2, 22_050), "{name}");
        for (own, read) in sound.channels.iter().zip(&read.channels) {
            assert!(off(own, read) <= allowed, "{name}: {}", off(own, read));
        }
    }
    // Floating-point samples may leave full scale, and are still the same when they come back.
    let loud = sound.scaled(4.0);
    let path = dir.path().join("loud.wav");
    loud.save(&path, &Info::default(), Depth::Float).unwrap();
    assert_eq!(Waveform::open(&path).unwrap(), loud);
}

#[test]
fn mp3_files_are_read() {
    // Frames of MPEG 1, layer III, 128 kbit/s, 44100 Hz, that hold silence.
    let mut frame = vec![0u8; 417];
    frame[..4].copy_from_slice(&[0xFF, 0xFB, 0x90, 0x00]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.mp3");
    std::fs::write(&path, frame.repeat(20)).unwrap();
    let sound = Waveform::open(&path).unwrap();
    assert_eq!((sound.sample_rate, sound.channels.len(), sound.peak()), (44_100, 2, 0.0));
    assert!(sound.len().is_multiple_of(1152) && sound.len() >= 18 * 1152, "{}", sound.len());
    assert!(edrun_modalities::info::about(&path).unwrap().kind.starts_with("MP3 sound"));
}

#[test]
fn flac_files_of_every_length_are_whole() {
    let dir = tempfile::tempdir().unwrap();
    for samples in (1..40).chain([4095, 4096, 4097, 9000]) {
        let path = dir.path().join("a.flac");
        two_tones(8_000, samples).save(&path, &Info::default(), Depth::Whole16).unwrap();
        assert_eq!(Waveform::open(&path).unwrap().len(), samples);
    }
}

#[test]
fn a_resampled_tone_is_the_tone_at_the_other_rate() {
    for (from, to) in [(44_100, 16_000), (16_000, 44_100), (48_000, 44_100), (192_000, 8_000), (7_919, 16_000)] {
        let seconds = |rate: u32| rate as usize / 2;
        let given = Waveform::new(from, vec![tone(440.0, from, seconds(from))]).unwrap();
        let made = given.resampled(to).unwrap();
        let want = tone(440.0, to, made.len());
        assert!(made.len().abs_diff(seconds(to)) <= 1, "{from} {to}: {}", made.len());
        // The ends miss what lies beyond them.
        let middle = made.len() / 8..made.len() * 7 / 8;
        let error = off(&want[middle.clone()], &made.channels[0][middle]);
        assert!(error < 2e-3, "{from} {to}: {error}");
    }
    let same = two_tones(8_000, 100);
    assert_eq!(same.resampled(8_000).unwrap(), same);
}

#[test]
fn channels_are_mixed_as_loudspeakers_hear_them() {
    // Each channel has a sound of its own: its number.
    let sound = |channels: usize| Waveform::new(8_000, (1..=channels).map(|i| vec![i as f32]).collect()).unwrap();
    let mixed = |from: usize, to: usize| -> Vec<f32> {
        sound(from).mixed(to).unwrap().channels.iter().map(|channel| channel[0]).collect()
    };
    assert_eq!(mixed(1, 2), [1.0, 1.0]);
    assert_eq!(mixed(2, 1), [1.5]);
    assert_eq!(mixed(2, 2), [1.0, 2.0]);
    let half = 0.5f32.sqrt();
    let all = 1.0 + 2.0 * half;
    for (got, want) in
        mixed(6, 2).iter().zip([(1.0 + half * 3.0 + half * 5.0) / all, (2.0 + half * 3.0 + half * 6.0) / all])
    {
        assert!((got - want).abs() < 1e-6, "{got} {want}");
    }
    // What is alike in all channels stays as loud.
    for channels in 1..12 {
        let alike = Waveform::new(8_000, vec![vec![0.5]; channels]).unwrap();
        assert!(alike.mixed(2).unwrap().channels.iter().all(|side| (side[0] - 0.5).abs() < 1e-6), "{channels}");
    }
    assert!(sound(2).mixed(3).unwrap_err().to_string().contains("2 channels cannot be brought to 3"));
}

/// How far the magnitudes of a sound are from those asked for.
fn convergence(stft: &Stft, aim: &[f32], sound: &[f32]) -> f32 {
    off(aim, &stft.forward(sound, Padding::Zeros).unwrap().magnitudes()[..aim.len()])
}

#[test]
fn magnitudes_in_parts_give_a_sound_as_good_as_at_once() {
    let stft = Stft::new(512, 128, 512).unwrap();
    let rate = 16_000;
    // A glide with overtones, as voices have.
    let phase = |i: usize| TAU * (200.0 + 150.0 * i as f64 / 32_000.0) * i as f64 / f64::from(rate);
    let voice = |i: usize| (1..6).map(|k| (phase(i) * f64::from(k)).sin() / f64::from(k)).sum::<f64>() as f32 * 0.3;
    let sound: Vec<f32> = (0..32_000).map(voice).collect();
    let aim = stft.forward(&sound, Padding::Zeros).unwrap().magnitudes();
    let frames = 250;
    let aim = &aim[..frames * stft.bins()];
    let whole = GriffinLim::default().sound(&stft, aim, frames * stft.hop()).unwrap();
    let parts = |lengths: &[usize]| -> Vec<f32> {
        let mut phases = Phases::new(GriffinLim::default(), stft.clone());
        let (mut from, mut made) = (0, Vec::new());
        for length in lengths {
            let to = from + length;
            made.extend(phases.push(&aim[from * stft.bins()..to * stft.bins()], to == frames).unwrap());
            from = to;
        }
        made
    };
    assert_eq!(parts(&[frames]), whole, "one part is the whole");
    let (at_once, cut) = (convergence(&stft, aim, &whole), parts(&[60, 1, 2, 77, 60, 50]));
    assert_eq!(cut.len(), whole.len());
    let found = convergence(&stft, aim, &cut);
    println!("Griffin-Lim leaves {at_once:.3} at once and {found:.3} in parts");
    assert!(found < 1.5 * at_once + 0.02, "{at_once} {found}");
}

#[derive(Clone, Default)]
struct Shared(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_leaves_in_parts_is_what_is_saved_at_once() {
    let dir = tempfile::tempdir().unwrap();
    // Loud, so that the limiter has work across the cuts.
    let sound = two_tones(8_000, 3_001).scaled(3.0);
    for (name, depth) in Depth::ALL {
        let (out, path) = (Shared::default(), dir.path().join("a.wav"));
        let mut writer = Writer::stream(out.clone(), sound.shape(depth), &Info::default()).unwrap();
        for (from, to) in [(0, 1), (1, 700), (700, 700), (700, 2_999), (2_999, 3_001)] {
            let part = sound.channels.iter().map(|channel| channel[from..to].to_vec());
            writer.write(&Waveform::new(8_000, part.collect()).unwrap()).unwrap();
        }
        writer.finish().unwrap();
        sound.save(&path, &Info::default(), depth).unwrap();
        assert!(*out.0.borrow() == std::fs::read(&path).unwrap(), "{name}");
    }
}

#[test]
fn what_is_said_of_a_sound_beforehand_holds() {
    let dir = tempfile::tempdir().unwrap();
    let (path, sound) = (dir.path().join("a.flac"), two_tones(8_000, 100));
    let writer = |samples| {
        Writer::create(&path, Shape { samples: Some(samples), ..sound.shape(Depth::Whole16) }, &Info::default())
            .unwrap()
    };
    assert!(writer(99).write(&sound).unwrap_err().to_string().contains("longer than was said"));
    let mut short = writer(101);
    short.write(&sound).unwrap();
    assert!(short.finish().unwrap_err().to_string().contains("lacks 1 samples"));
    let mut bad = sound.clone();
    bad.channels[1][7] = f32::NAN;
    assert!(writer(100).write(&bad).unwrap_err().to_string().contains("1 samples of the sound are not finite"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn loudness_is_that_of_the_standard() {
    // EBU Tech 3341, case 1: a tone of 1 kHz at -23 dBFS in both channels has -23 LUFS.
    let level = 2.0 * 10f32.powf(-23.0 / 20.0);
    for seconds in [5.0, 0.1] {
        let plane = tone(1000.0, 48_000, (48_000.0 * seconds) as usize);
        let found = loudness(&Waveform::new(48_000, vec![plane; 2]).unwrap().scaled(level)).unwrap().unwrap();
        assert!((found + 23.0).abs() < 0.1, "{seconds}: {found}");
    }
    assert_eq!(loudness(&Waveform::new(48_000, vec![vec![0.0; 48_000]]).unwrap()).unwrap(), None);
}

#[test]
fn sounds_are_brought_to_a_loudness_without_clipping() {
    // A click in a quiet tone: the gain that the tone needs would make the click clip.
    let mut peaky: Vec<f32> = tone(330.0, 16_000, 32_000).iter().map(|v| v * 0.2).collect();
    peaky[9_000..9_008].fill(0.9);
    let peaky = Waveform::new(16_000, vec![peaky]).unwrap();
    for lufs in [-30.0, -14.0, -9.0] {
        let made = normalise(&peaky, lufs, Depth::Whole16).unwrap();
        let found = loudness(&made).unwrap().unwrap();
        assert!((found - lufs).abs() < 0.1, "{lufs}: {found}");
        assert!(true_peaks(&made).iter().all(|peak| *peak < CEILING * 1.02), "{lufs}");
    }
    let silence = Waveform::new(16_000, vec![vec![0.0; 16_000]]).unwrap();
    assert_eq!(normalise(&silence, -14.0, Depth::Whole16).unwrap(), silence);
    assert!(normalise(&peaky, 3.0, Depth::Whole16).unwrap_err().to_string().contains("-70 and -5"));
}

#[test]
fn a_spectrogram_is_bright_where_a_tone_is() {
    let rate = 16_000;
    let sound = [tone(1000.0, rate, 8_000), tone(4000.0, rate, 8_000)].concat();
    // The same picture, whether the sound comes at once or in parts.
    let picture = |parts: usize| {
        let mut spectrogram = Spectrogram::new(rate, sound.len()).unwrap();
        for part in sound.chunks(sound.len().div_ceil(parts)) {
            spectrogram.push(&Waveform::new(rate, vec![part.to_vec()]).unwrap()).unwrap();
        }
        spectrogram.finish().unwrap()
    };
    let whole = picture(1);
    assert_eq!((whole.width, whole.height), (64 + 800 + 92, 28 + 384 + 44));
    assert!(whole == picture(7));
    let bright = |x: usize, y: usize| whole.rgb[3 * (y * whole.width + x)..][..3].iter().sum::<f32>();
    for (x, hertz) in [(64 + 200, 1000.0), (64 + 600, 4000.0)] {
        let brightest = (28..28 + 384).max_by(|a, b| bright(x, *a).total_cmp(&bright(x, *b))).unwrap();
        let want = 28.0 + 383.0 * (1.0 - mel(hertz) / mel(8000.0));
        assert!((brightest as f64 - want).abs() < 5.0, "{hertz}: {brightest} {want}");
    }
}
