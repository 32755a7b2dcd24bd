//! Sound models of the field against diffusers' own pipelines (`make_stable_audio.py`, `make_audioldm.py`), and mel spectrograms
//! against transformers and back to sound (`make_mels.py`).

use edrun::media::Wanted;
use edrun::pipeline::{Ask, Pipeline, Settings};
use edrun::sampling::Latent;
use ndarray_npy::ReadNpyExt;

fn golden(name: &str) -> Latent {
    let path = crate::data("sound").join(name);
    Latent::read_npy(std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

/// Makes one sound and compares it with the reference's: its latents relative to their size, its waveform to full scale.
fn compare(model: &str, case: &str, ask: Ask) {
    let mut pipeline = Pipeline::open(&crate::data("sound").join(model).join("model"), Settings::default()).unwrap();
    let made = pipeline.make(&ask, &Default::default(), &mut |_| Ok(())).unwrap().made.remove(0);
    let latents = golden(&format!("{model}/{case}_latents.npy"));
    assert_eq!(made.latents.shape(), latents.shape(), "{model} {case}");
    let size = latents.iter().fold(1.0f32, |size, v| size.max(v.abs()));
    let off = made.latents.iter().zip(&latents).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / size;
    assert!(off < 1e-3, "{model} {case}: latents differ by {off}");
    let want = golden(&format!("{model}/{case}_sound.npy"));
    let sound = made.media.sound().unwrap();
    assert_eq!(sound.channels.concat().len(), want.len(), "{model} {case}");
    let off = sound.channels.iter().flatten().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off < 1e-3, "{model} {case}: the sound differs by {off} of full scale");
}

#[test]
fn stable_audio_gives_the_reference_sound() {
    let plain = Ask {
        prompt: "a violin playing c4".into(),
        seed: 7,
        steps: Some(6),
        guidance_scale: Some(3.0),
        ..Ask::default()
    };
    compare("stable-audio", "plain", plain.clone());
    let asked = Ask {
        prompt: "rock drum loop".into(),
        negative_prompt: Some("low quality".into()),
        size: Wanted { seconds: Some(0.031), ..Wanted::default() },
        seed: 8,
        ..plain
    };
    compare("stable-audio", "asked", asked);
}

#[test]
fn audioldm_gives_the_reference_sound() {
    let plain = Ask {
        prompt: "a hammer hitting a wooden surface".into(),
        seed: 7,
        steps: Some(5),
        guidance_scale: Some(2.5),
        ..Ask::default()
    };
    compare("audioldm", "plain", plain.clone());
    let asked = Ask {
        prompt: "techno music".into(),
        negative_prompt: Some("low quality".into()),
        size: Wanted { seconds: Some(0.0235), ..Wanted::default() },
        seed: 8,
        ..plain
    };
    compare("audioldm", "asked", asked);
}

#[test]
fn durations_that_a_mel_model_cannot_make_are_refused() {
    let pipeline = Pipeline::open(&crate::data("sound/audioldm/model"), Settings::default()).unwrap();
    for (seconds, part) in
        [(0.0, "at least"), (-1.0, "at least"), (f64::NAN, "at least"), (36_000.0, "up to 600 seconds")]
    {
        let ask = Ask { size: Wanted { seconds: Some(seconds), ..Wanted::default() }, ..Ask::default() };
        let error = pipeline.plan(&ask).err().map(|error| format!("{error:#}")).unwrap_or_default();
        assert!(error.contains("--duration") && error.contains(part), "{seconds}: {error:?}");
    }
}

/// AudioLDM's folder without the graph of its vocoder.
#[test]
fn a_mel_model_without_a_vocoder_sounds_as_its_spectrogram_says() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, config) = (dir.path().join("model"), dir.path().join("model/vocoder/config.json"));
    crate::copy(&crate::data("sound/audioldm/model"), &folder);
    std::fs::remove_file(folder.join("vocoder/model.onnx")).unwrap();
    let refused = |said: &str| {
        std::fs::write(&config, said).unwrap();
        let opened = Pipeline::open(&folder, Settings::default()).and_then(|pipeline| pipeline.plan(&Ask::default()));
        opened.err().map(|error| format!("{error:#}")).unwrap_or_default()
    };
    let cases = [
        (r#"{"model_in_dim": 8, "sampling_rate": 8000, "upsample_rates": [8]}"#, "vocoder"),
        (r#"{"_class_name": "GriffinLim", "sampling_rate": 8000}"#, "n_fft"),
        (
            r#"{"_class_name": "GriffinLim", "sampling_rate": 8000, "n_fft": 64, "hop_length": 8, "num_mel_bins": 8, "fmax": 9000}"#,
            "9000 Hz are not possible",
        ),
    ];
    for (said, part) in cases {
        assert!(refused(said).contains(part), "{said}: {:?}", refused(said));
    }
    let said = r#"{"_class_name": "GriffinLim", "sampling_rate": 8000, "n_fft": 64, "hop_length": 8, "num_mel_bins": 8, "fmin": 50}"#;
    assert_eq!(refused(said), "");
    let mut pipeline = Pipeline::open(&folder, Settings::default()).unwrap();
    let ask = Ask { prompt: "techno music".into(), seed: 7, steps: Some(3), ..Ask::default() };
    let made = pipeline.make(&ask, &Default::default(), &mut |_| Ok(())).unwrap().made.remove(0);
    // The same from the decoder's spectrogram.
    let mut graph =
        edrun_onnx::Graph::load(&folder.join("vae_decoder/model.onnx"), &edrun_onnx::GraphOptions::default()).unwrap();
    let shape: Vec<usize> = [1].into_iter().chain(made.latents.shape().iter().copied()).collect();
    let scaled: Vec<f32> = made.latents.iter().map(|v| v / 0.9).collect();
    graph.set_f32(0, &shape, &scaled).unwrap();
    graph.run(&Default::default()).unwrap();
    let mel = graph.output_f32(0).unwrap();
    let facts = edrun_modalities::audio::MelFacts {
        sample_rate: 8000,
        bands: 8,
        size: 64,
        hop: 8,
        window: 64,
        range: [50.0, 4000.0],
        filters: Default::default(),
    };
    let sound = made.media.sound().unwrap();
    let values = mel.iter().map(|v| v.exp()).collect();
    let mel = edrun_modalities::audio::Mel { bands: 8, values };
    let want = edrun_modalities::audio::Mels::new(&facts).unwrap().sound(&mel, sound.len()).unwrap();
    let off = sound.channels[0].iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    // Phases that are found magnify what rounding leaves.
    assert!(off < 1e-2 * sound.peak(), "{off} of {}", sound.peak());
}

/// `make_mels.py`.
fn mels() -> (edrun_modalities::audio::Mels, Vec<f32>) {
    let facts = edrun_modalities::audio::MelFacts {
        sample_rate: 16_000,
        bands: 80,
        size: 1024,
        hop: 256,
        window: 1024,
        range: [80.0, 7600.0],
        filters: Default::default(),
    };
    let file = std::fs::File::open(crate::data("sound/phrase.npy")).unwrap();
    let phrase = ndarray::Array1::<i16>::read_npy(file).unwrap();
    let phrase = phrase.iter().map(|v| f32::from(*v) / 32_768.0).collect();
    (edrun_modalities::audio::Mels::new(&facts).unwrap(), phrase)
}

/// How far `found` is from `wanted`, relative to its size.
fn convergence(found: &[f32], wanted: &[f32]) -> f32 {
    let sum = |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>().sqrt();
    sum(&mut found.iter().zip(wanted).map(|(a, b)| a - b)) / sum(&mut wanted.iter().copied())
}

#[test]
fn mel_spectrograms_are_those_of_transformers() {
    let (mels, phrase) = mels();
    let (own, wanted) = (mels.of_sound(&phrase).unwrap(), golden("phrase_mel.npy"));
    assert_eq!((own.bands, own.values.len()), (80, wanted.len()));
    let off = convergence(&own.values, &wanted.iter().copied().collect::<Vec<_>>());
    assert!(off < 1e-5, "{off}");
}

#[test]
fn a_spoken_phrase_comes_back_from_its_mel_spectrogram() {
    let (mels, phrase) = mels();
    let mel = mels.of_sound(&phrase).unwrap();
    let sound = mels.sound(&mel, phrase.len()).unwrap();
    assert_eq!(sound.len(), phrase.len());
    let off = convergence(&mels.of_sound(&sound).unwrap().values, &mel.values);
    println!("spectral convergence {off:.3}");
    // Without the phase that is found, 0.4 and more is left.
    assert!(off < 0.15, "{off}");
    let few = edrun_modalities::audio::Mel { bands: 80, values: vec![0.0; 81] };
    assert!(mels.sound(&few, 256).unwrap_err().to_string().contains("81 numbers"));
}

#[test]
fn without_a_model_the_built_in_one_plays() {
    let bench = crate::command::Bench::new();
    let output = bench.run(&["audio", "a piano playing A4", "--seed", "1", "--json", "-o", "a4.wav"]);
    assert!(output.status.success(), "{}", crate::command::stderr(&output));
    let report: serde_json::Value = serde_json::from_str(&crate::command::stdout(&output)).unwrap();
    assert_eq!(report["model"], "sound");
    let bytes = std::fs::read(bench.path("a4.wav")).unwrap();
    let samples: Vec<i16> = bytes[44..].chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
    assert!(samples.len() > 60_000, "{}", samples.len());
    let peak = samples.iter().take(40_000).map(|v| v.unsigned_abs()).max().unwrap();
    assert!((500..32_767).contains(&peak), "{peak}");
}
