//! Models that speak (`data/make_voices.py`): their host loops against Python's, and `edrun audio` with them from outside.

use std::path::Path;
use std::process::{Output, Stdio};

use edrun::media::SpeechWanted;
use edrun::pipeline::{Ask, Pipeline, Settings};
use edrun_modalities::audio::Waveform;
use ndarray::Array1;
use ndarray_npy::ReadNpyExt;

use crate::command::{Bench, refused, stderr, stdout};

fn golden(name: &str) -> Vec<f32> {
    let path = crate::data("sound").join(name);
    let file = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Array1::<f32>::read_npy(file).unwrap().to_vec()
}

fn model(name: &str) -> std::path::PathBuf {
    crate::data("sound").join(name).join("model")
}

fn off(made: &[f32], want: &[f32], what: &str) {
    assert_eq!(made.len(), want.len(), "{what}");
    let off = made.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off < 1e-3, "{what} differs by {off} of full scale");
}

fn said(folder: &Path, ask: &Ask, what: &str) {
    let mut pipeline = Pipeline::open(folder, Settings::default()).unwrap();
    let made = pipeline.make(ask, &Default::default(), &mut |_| Ok(())).unwrap().made.remove(0);
    off(&made.media.sound().unwrap().channels[0], &golden(&format!("{what}.npy")), what);
}

/// The requests of the script.
fn speeches() -> Vec<(&'static str, Ask)> {
    let speech =
        |voice: &str, speed| SpeechWanted { voice: Some(voice.into()), speed: Some(speed), ..Default::default() };
    let many = format!("{}{}", "The first of many words is said here. ".repeat(8), "Dr. Smith came home. ".repeat(2));
    vec![
        ("hello", Ask { prompt: "Hello there".into(), speech: speech("F1", 1.05), seed: 7, ..Ask::default() }),
        (
            "letters",
            Ask {
                prompt: "Caf\u{e9} \u{fb01}rst \u{2014} na\u{ef}ve , \u{201c}at\u{201d} me@home".into(),
                speech: speech("M1", 0.8),
                seed: 8,
                ..Ask::default()
            },
        ),
        ("long", Ask { prompt: many, speech: speech("F1", 1.5), seed: 9, ..Ask::default() }),
    ]
}

fn sayings() -> Vec<(&'static str, Ask)> {
    let voice = crate::data("sound/zipvoice/voice.wav").display().to_string();
    let speech = |speed| SpeechWanted {
        voice: Some(voice.clone()),
        voice_text: Some("hello".into()),
        speed: Some(speed),
        ..Default::default()
    };
    let hello = "hello, [[w\u{2c8}\u{25c}\u{2d0}ld]].";
    vec![
        ("hello", Ask { prompt: hello.into(), speech: speech(1.0), steps: Some(4), seed: 7, ..Ask::default() }),
        (
            "asked",
            Ask {
                prompt: "\u{4f60}\u{597d}\u{ff01}".into(),
                speech: speech(1.3),
                steps: Some(3),
                t_shift: Some(0.7),
                guidance_scale: Some(2.0),
                seed: 8,
                ..Ask::default()
            },
        ),
    ]
}

#[test]
fn supertonic_says_what_its_own_loop_says() {
    for (name, ask) in speeches() {
        said(&model("supertonic"), &ask, &format!("supertonic/{name}"));
    }
}

#[test]
fn zipvoice_says_what_its_own_loop_says() {
    for (name, ask) in sayings() {
        said(&model("zipvoice"), &ask, &format!("zipvoice/{name}"));
    }
}

/// sherpa-onnx's folder of Supertonic: int8's names, everything side by side, one file of voices and one of letters.
fn as_sherpa(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for graph in ["duration_predictor", "text_encoder", "vector_estimator", "vocoder"] {
        std::fs::copy(from.join(format!("onnx/{graph}.onnx")), to.join(format!("{graph}.int8.onnx"))).unwrap();
    }
    std::fs::copy(from.join("onnx/tts.json"), to.join("tts.json")).unwrap();
    let json =
        |path: &str| -> serde_json::Value { serde_json::from_slice(&std::fs::read(from.join(path)).unwrap()).unwrap() };
    let letters: Vec<i32> = serde_json::from_value(json("onnx/unicode_indexer.json")).unwrap();
    let bytes: Vec<u8> = letters.iter().flat_map(|id| id.to_le_bytes()).collect();
    std::fs::write(to.join("unicode_indexer.bin"), bytes).unwrap();
    let styles = ["F1", "M1"].map(|name| json(&format!("voice_styles/{name}.json")));
    let (mut head, mut body) = (Vec::new(), Vec::new());
    for key in ["style_ttl", "style_dp"] {
        let dims: Vec<i64> = serde_json::from_value(styles[0][key]["dims"].clone()).unwrap();
        [2, dims[1], dims[2]].iter().for_each(|size: &i64| head.extend(size.to_le_bytes()));
        for style in &styles {
            let data: Vec<Vec<Vec<f32>>> = serde_json::from_value(style[key]["data"].clone()).unwrap();
            data.iter().flatten().flatten().for_each(|value| body.extend(value.to_le_bytes()));
        }
    }
    std::fs::write(to.join("voice.bin"), [head, body].concat()).unwrap();
}

#[test]
fn folders_of_the_deployed_runtimes_say_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let sherpa = dir.path().join("supertonic");
    as_sherpa(&model("supertonic"), &sherpa);
    let (name, mut ask) = speeches().remove(1);
    ask.speech.voice = Some("1".into());
    said(&sherpa, &ask, &format!("supertonic/{name}"));
    // The folder of the graphs alone, with the voices beside it.
    let (name, ask) = speeches().remove(0);
    said(&model("supertonic").join("onnx"), &ask, &format!("supertonic/{name}"));
    // ZipVoice's authors' names.
    let authors = dir.path().join("zipvoice");
    crate::copy(&model("zipvoice"), &authors);
    for (from, to) in [("encoder", "text_encoder_int8"), ("decoder", "fm_decoder"), ("vocos_24khz", "vocoder")] {
        std::fs::rename(authors.join(format!("{from}.onnx")), authors.join(format!("{to}.onnx"))).unwrap();
    }
    let (name, ask) = sayings().remove(0);
    said(&authors, &ask, &format!("zipvoice/{name}"));
}

/// A bench with one of the models.
fn bench(name: &str) -> Bench {
    let bench = Bench::of("sound");
    std::fs::remove_dir_all(bench.path("model")).unwrap();
    crate::copy(&model(name), &bench.path("model"));
    bench
}

fn audio(bench: &Bench, text: &str, args: &[&str]) -> Output {
    let short = ["--model", "model", "--steps", "4", "--seed", "7", "--bit-depth", "f32", "-o", "out.wav"];
    let kept = short.chunks(2).filter(|pair| !args.contains(&pair[0])).flatten();
    bench.run(&["audio", text].iter().chain(kept).chain(args).copied().collect::<Vec<_>>())
}

const LONG: &str = "The first of many words is said here. The first of many words is said here. The first of many words is said \
                    here. The first of many words is said here. The first of many words is said here. The first of many words \
                    is said here. The first of many words is said here. The first of many words is said here. Dr. Smith came home.";

#[test]
fn speech_leaves_line_by_line_and_is_the_same_whatever_shares_its_batch() {
    let bench = bench("supertonic");
    for (name, args) in [("a.wav", &[][..]), ("b.wav", &["--batch", "3"]), ("c.flac", &["--bit-depth", "24"])] {
        let output = audio(&bench, LONG, &[args, &["-o", name]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let [a, b, c] = ["a.wav", "b.wav", "c.flac"].map(|name| Waveform::open(&bench.path(name)).unwrap());
    assert!(a.len() > 2400 && a.sample_rate == 8000, "{}", a.len());
    assert_eq!((&a, a.len()), (&b, c.len()));
    // Between two lines there is silence.
    let quiet = a.channels[0].windows(2400).any(|span| span.iter().all(|v| *v == 0.0));
    assert!(quiet);
    let mut child = bench
        .command()
        .args(["audio", LONG, "--model", "model", "--steps", "4", "--seed", "7", "--bit-depth", "f32", "-o", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stream = Vec::new();
    std::io::Read::read_to_end(&mut child.stdout.take().unwrap(), &mut stream).unwrap();
    assert!(child.wait().unwrap().success());
    let file = std::fs::read(bench.path("a.wav")).unwrap();
    let samples = 4 * a.len();
    assert!(stream[stream.len() - samples..] == file[file.len() - samples..]);
    let several = audio(&bench, LONG, &["--count", "2", "--spectrogram", "look.png", "-o", "n.wav"]);
    assert!(several.status.success(), "{}", stderr(&several));
    assert_eq!(Waveform::open(&bench.path("n-7.wav")).unwrap(), a);
}

#[test]
fn a_file_of_speech_says_how_it_was_made() {
    let bench = bench("supertonic");
    let output = audio(&bench, "Hello there", &["--voice", "M1", "--speed", "1.2", "--t-shift", "0.8", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let line = stdout(&bench.run(&["inspect", "out.wav"]));
    for part in ["--voice M1", "--speed 1.2", "--t-shift 0.8", "--steps 4"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains("--duration"), "{line}");
    // The command makes the same again.
    let args: Vec<&str> = line.lines().next().unwrap().split(' ').collect();
    let again: Vec<&str> = [&["audio", "Hello there"], &args[4..]].concat();
    let output = bench.run(&again);
    assert!(output.status.success(), "{again:?}: {}", stderr(&output));
    let [first, second] = ["out.wav", "out-again.wav"].map(|name| Waveform::open(&bench.path(name)).unwrap());
    assert_eq!(first, second);
}

#[test]
fn folders_without_an_index_are_inspected_and_listed() {
    let dir = tempfile::tempdir().unwrap();
    for (name, facts) in [
        ("supertonic", ["Supertonic", "F1, M1", "vector_estimator", "not at all"]),
        ("zipvoice", ["ZipVoice", "--voice-text", "fm_decoder", "by an input of the network"]),
    ] {
        let bench = bench(name);
        let text = stdout(&bench.run(&["inspect", "model"]));
        for part in facts.iter().chain(&["speech", "runs with   edrun audio"]) {
            assert!(text.contains(part), "{part}: {text}");
        }
        crate::copy(&model(name), &dir.path().join(name));
    }
    let bench = Bench::new();
    let listed = stdout(&bench.run(&["models", "--model-root", dir.path().to_str().unwrap()]));
    assert!(listed.contains("supertonic ") && listed.contains("zipvoice "), "{listed}");
}

#[test]
fn what_a_supertonic_cannot_say_is_refused() {
    let bench = bench("supertonic");
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("Hello", &["--voice", "X9"], &["no voice \"X9\"", "F1, M1"]),
        ("Hello", &["--voice-text", "hello"], &["--voice-text", "leave it out"]),
        ("Hello", &["--speed", "0"], &["--speed is 0", "0.1..=10"]),
        ("Hello", &["--speed", "nan"], &["--speed is NaN"]),
        ("Hello", &["--duration", "2"], &["--duration", "--speed"]),
        ("Hello", &["--guidance-scale", "2"], &["--guidance-scale", "takes none"]),
        ("Hello", &["--negative-prompt", "noise"], &["--negative-prompt", "no effect"]),
        ("Hello", &["--t-shift", "0"], &["--t-shift is 0"]),
        ("Hello", &["--language", "English"], &["--language", "two letters"]),
        ("Hello", &["--init-audio", "model/none.wav"], &["none.wav"]),
        ("\u{4f60}", &[], &["U+4F60", "leave it out"]),
        ("", &[], &["nothing to say"]),
    ];
    for (text, args, parts) in cases {
        refused(&bench, &audio(&bench, text, args), parts);
    }
    std::fs::write(bench.path("model/voice_styles/F1.json"), r#"{"style_ttl": {"dims": [1, 2, 2], "data": [1]}}"#)
        .unwrap();
    refused(&bench, &audio(&bench, "Hello", &[]), &["F1.json is no voice", "1 numbers and the shape [1, 2, 2]"]);
    std::fs::write(bench.path("model/onnx/tts.json"), r#"{"ae": {"sample_rate": 8000}}"#).unwrap();
    refused(&bench, &audio(&bench, "Hello", &[]), &["tts.json", "ttl.chunk_compress_factor"]);
}

#[test]
fn damaged_voices_and_graphs_are_named() {
    let bench = bench("supertonic");
    let style = std::fs::read_to_string(bench.path("model/voice_styles/F1.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&style).unwrap();
    json["style_dp"]["data"][0][0][0] = serde_json::json!(1e39);
    std::fs::write(bench.path("model/voice_styles/F1.json"), json.to_string()).unwrap();
    refused(&bench, &audio(&bench, "Hello", &[]), &["F1.json", "not finite"]);
    // What a graph makes of a voice beyond all measure.
    json["style_dp"]["data"][0][0][0] = serde_json::json!(0.5);
    json["style_ttl"]["data"][0][0][0] = serde_json::json!(3e38);
    json["style_ttl"]["data"][0][1][0] = serde_json::json!(3e38);
    std::fs::write(bench.path("model/voice_styles/F1.json"), json.to_string()).unwrap();
    refused(&bench, &audio(&bench, "Hello", &[]), &["text_encoder", "not finite"]);
    std::fs::remove_file(bench.path("model/onnx/vector_estimator.onnx")).unwrap();
    refused(&bench, &audio(&bench, "Hello", &[]), &["no graph vector_estimator.onnx", "Supertonic"]);
}

#[test]
fn what_a_zipvoice_cannot_say_is_refused() {
    let bench = bench("zipvoice");
    std::fs::copy(crate::data("sound/zipvoice/voice.wav"), bench.path("model/voice.wav")).unwrap();
    let given = ["--voice", "model/voice.wav", "--voice-text", "hello"];
    let with = |args: &[&str]| given.iter().chain(args).map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
    let cases: &[(&str, Vec<String>, &[&str])] = &[
        ("hello", vec![], &["--voice", "--voice-text"]),
        ("hello", with(&[])[..2].to_vec(), &["--voice-text"]),
        ("hello unheard of", with(&[]), &["\"unheard\", \"of\"", "[["]),
        ("hello [[xyz]]", with(&[]), &["'x'", "tokens.txt"]),
        ("hello [[h", with(&[]), &["not closed"]),
        ("hello", with(&["--language", "en"]), &["--language"]),
        ("hello", with(&["--speed", "-1"]), &["--speed is -1"]),
        ("hello", with(&["--init-latents", "x.npy"]), &["x.npy"]),
    ];
    for (text, args, parts) in cases {
        refused(&bench, &audio(&bench, text, &args.iter().map(String::as_str).collect::<Vec<_>>()), parts);
    }
    std::fs::remove_file(bench.path("model/vocos_24khz.onnx")).unwrap();
    refused(&bench, &audio(&bench, "hello", &given), &["no vocoder", "vocos_24khz.onnx", "GriffinLim"]);
}

#[test]
fn without_a_vocoder_phases_are_found_if_the_folder_says_so() {
    let bench = bench("zipvoice");
    std::fs::copy(crate::data("sound/zipvoice/voice.wav"), bench.path("model/voice.wav")).unwrap();
    std::fs::remove_file(bench.path("model/vocos_24khz.onnx")).unwrap();
    std::fs::create_dir(bench.path("model/vocoder")).unwrap();
    std::fs::write(bench.path("model/vocoder/config.json"), r#"{"_class_name": "GriffinLim"}"#).unwrap();
    let output = audio(&bench, "hello [[w\u{25c}ld]]", &["--voice", "model/voice.wav", "--voice-text", "hello"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let sound = Waveform::open(&bench.path("out.wav")).unwrap();
    assert!(sound.len() > 1000 && sound.peak() > 0.0, "{} {}", sound.len(), sound.peak());
}

#[test]
fn sounds_of_other_models_have_no_voice() {
    let bench = Bench::of("sound");
    for (flag, value) in
        [("--voice", "F1"), ("--voice-text", "hello"), ("--speed", "1.1"), ("--language", "en"), ("--t-shift", "0.5")]
    {
        refused(&bench, &audio(&bench, "a violin", &[flag, value]), &[flag, "models that speak"]);
    }
}
