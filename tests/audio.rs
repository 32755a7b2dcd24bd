//! `edrun audio`: sound against references, and the command from outside.

use edrun::pipeline::{Ask, Pipeline, Settings};
use edrun::sampling::Latent;
use ndarray_npy::ReadNpyExt;

fn golden(name: &str) -> Latent {
    Latent::read_npy(std::fs::File::open(crate::data(name)).unwrap()).unwrap()
}

/// `data/make_sound.py`.
fn ask() -> Ask {
    Ask { prompt: "a violin playing C4".into(), seed: 7, steps: Some(6), guidance_scale: Some(3.0), ..Ask::default() }
}

#[test]
fn the_flow_gives_the_reference_latents_and_sound_of_their_magnitudes() {
    let mut pipeline = Pipeline::open(&crate::data("models/sound"), Settings::default()).unwrap();
    let made = pipeline.make(&ask(), &Default::default(), &mut |_| Ok(())).unwrap().made.remove(0);
    let want = golden("sound/latents.npy");
    let off = made.latents.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(made.latents.shape() == want.shape() && off < 1e-4, "{off}");
    let sound = made.media.sound().unwrap();
    assert_eq!((sound.sample_rate, sound.channels.len(), sound.len()), (8000, 1, 1024));
    let stft = edrun_modalities::audio::Stft::new(64, 16, 64).unwrap();
    let spectrum = stft.forward(&sound.channels[0], edrun_modalities::audio::Padding::Zeros).unwrap();
    // Random magnitudes are those of no sound: fast Griffin-Lim in torch, from random phases, leaves 0.598 (make_sound.py).
    let want = golden("sound/magnitudes.npy");
    let (mut error, mut size) = (0.0, 0.0);
    for ((bin, frame), want) in want.into_dimensionality::<ndarray::Ix2>().unwrap().indexed_iter() {
        error += (spectrum.values[frame * 33 + bin].norm() - want).powi(2);
        size += want * want;
    }
    assert!((error / size).sqrt() < 0.598, "{}", (error / size).sqrt());
}

#[cfg(feature = "cli")]
mod command {
    use crate::command::{Bench, refused, stderr, stdout};

    /// A short run on a copy of the toy deployment, with more flags.
    fn audio(bench: &Bench, args: &[&str]) -> std::process::Output {
        let short =
            ["audio", "a violin playing C4", "--model", "model", "--steps", "2", "--seed", "7", "-o", "out.wav"];
        let kept = short.chunks(2).filter(|pair| !args.contains(&pair[0])).flatten();
        bench.run(&kept.chain(args).copied().collect::<Vec<_>>())
    }

    #[test]
    fn a_run_writes_a_sound_and_says_how_it_was_made() {
        let bench = Bench::of("sound");
        let output = audio(&bench, &["--json", "--duration", "0.1", "--count", "2"]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(bench.files(), ["out-7.wav", "out-8.wav"]);
        let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!((report["sounds"][1]["file"].as_str(), report["duration"].as_f64()), (Some("out-8.wav"), Some(0.1)));
        let info = edrun_modalities::Info::of(&edrun_modalities::info::about(&bench.path("out-8.wav")).unwrap().texts)
            .unwrap();
        assert!(info.parameters.contains("Steps: 2, Sampler: euler, CFG scale: 3, Seed: 8"), "{}", info.parameters);
        let made: serde_json::Value = serde_json::from_str(&info.json).unwrap();
        assert_eq!((made["seed"].as_u64(), made["modality"].as_str()), (Some(8), Some("audio")));
        // 800 samples of 16 bits.
        let long = std::fs::metadata(bench.path("out-7.wav")).unwrap().len();
        assert!((1600..4000).contains(&long), "{long}");
        assert_ne!(std::fs::read(bench.path("out-7.wav")).unwrap(), std::fs::read(bench.path("out-8.wav")).unwrap());
    }

    #[test]
    fn flags_out_of_range_are_refused_before_the_work() {
        let cases: &[(&[&str], &[&str])] = &[
            (&["--duration", "0"], &["--duration is 0"]),
            (&["--duration", "-1"], &["--duration is -1"]),
            (&["--duration", "nan"], &["--duration is NaN"]),
            (&["--duration", "36000"], &["36000 seconds", "GiB", "--max-memory"]),
            (&["--bit-depth", "12"], &["--bit-depth is \"12\"", "f32"]),
            (&["-o", "out.png"], &[".png", ".wav"]),
            (&["--guidance-scale", "1", "--negative-prompt", "x"], &["--negative-prompt", "no effect"]),
        ];
        let bench = Bench::of("sound");
        for (args, parts) in cases {
            refused(&bench, &audio(&bench, args), parts);
        }
    }

    #[test]
    fn models_of_other_modalities_are_refused_with_the_command_that_runs_them() {
        let pictures = Bench::of("sd15");
        refused(&pictures, &audio(&pictures, &[]), &["makes a picture", "edrun image"]);
        let sound = Bench::of("sound");
        refused(&sound, &sound.image(&["-o", "out.png"]), &["makes a sound", "edrun audio"]);
    }

    #[test]
    fn damaged_models_are_refused_by_name() {
        type Damage = fn(&Bench);
        let cases: &[(Damage, &[&str])] = &[
            (|b| b.write("model/vae_decoder/config.json", b"{}"), &["sampling_rate"]),
            (|b| b.write("model/transformer/config.json", b"{}"), &["sample_size"]),
            (
                |b| b.write("model/vae_decoder/config.json", br#"{"sampling_rate": 8000, "downsampling_ratios": "x"}"#),
                &["downsampling_ratios"],
            ),
            (
                |b| {
                    let text = std::fs::read_to_string(b.path("model/vae_decoder/config.json")).unwrap();
                    b.write("model/vae_decoder/config.json", text.replace("64", "128").as_bytes());
                },
                &["33 frequencies", "65"],
            ),
            (|b| std::fs::remove_file(b.path("model/vae_decoder/model.onnx")).unwrap(), &["vae_decoder/model.onnx"]),
        ];
        for (damage, parts) in cases {
            let bench = Bench::of("sound");
            damage(&bench);
            refused(&bench, &audio(&bench, &[]), parts);
        }
    }
}
