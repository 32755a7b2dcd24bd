//! `edrun audio` from outside: the files it writes.

use std::process::Output;

use edrun_modalities::audio::{CEILING, Waveform, loudness, true_peaks};

use crate::command::{Bench, refused, stderr, stdout};

/// A short run on a copy of the toy deployment, with more flags.
fn audio(bench: &Bench, args: &[&str]) -> Output {
    let short = ["audio", "a violin playing C4", "--model", "model", "--steps", "2", "--seed", "7", "-o", "out.wav"];
    let kept = short.chunks(2).filter(|pair| !args.contains(&pair[0])).flatten();
    bench.run(&kept.chain(args).copied().collect::<Vec<_>>())
}

fn made(bench: &Bench, args: &[&str]) -> Output {
    let output = audio(bench, args);
    assert!(output.status.success(), "{}", stderr(&output));
    output
}

#[test]
fn every_format_says_which_command_makes_it_again() {
    for (name, more, kind) in [
        ("a.wav", &["--bit-depth", "24"][..], "WAV sound, 0.13 s, 8000 Hz, mono"),
        ("a.flac", &["--bit-depth", "24"], "FLAC sound, 0.13 s, 8000 Hz, mono"),
        ("a.ogg", &[], "Ogg Vorbis sound, 0.13 s, 8000 Hz, mono"),
    ] {
        let bench = Bench::of("sound");
        made(&bench, &[&["-o", name], more].concat());
        let output = bench.run(&["inspect", name]);
        assert!(stderr(&output).contains(kind), "{}", stderr(&output));
        let line = stdout(&output);
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        assert!(
            line.starts_with("edrun audio 'a violin playing C4' ")
                && words.ends_with(&["--output", &format!("a-again.{}", &name[2..])]),
            "{line}"
        );
        // The prompt is the only word with spaces in it.
        let again: Vec<&str> = ["audio", "a violin playing C4"].into_iter().chain(words[6..].iter().copied()).collect();
        assert!(bench.run(&again).status.success(), "{line}");
        let read = |name: &str| std::fs::read(bench.path(name)).unwrap();
        assert_eq!(read(name), read(&format!("a-again.{}", &name[2..])));
    }
}

fn samples(bench: &Bench, name: &str) -> Waveform {
    Waveform::open(&bench.path(name)).unwrap()
}

#[test]
fn loudness_is_as_asked_and_peaks_are_held() {
    let bench = Bench::of("sound");
    for (name, lufs) in [("quiet.wav", -40.0), ("loud.flac", -14.0)] {
        made(&bench, &["-o", name, &format!("--loudness={lufs}")]);
        let sound = samples(&bench, name);
        let found = loudness(&sound).unwrap().unwrap();
        assert!((found - lufs).abs() < 0.2, "{name}: {found}");
        assert!(true_peaks(&sound).iter().all(|peak| *peak < CEILING * 1.02));
    }
    let line = stdout(&bench.run(&["inspect", "loud.flac"]));
    assert!(line.contains("--loudness=-14"), "{line}");
}

#[test]
fn a_spectrogram_is_drawn_beside_every_sound() {
    let bench = Bench::of("sound");
    let output = made(&bench, &["--json", "--count", "2", "--spectrogram", "look.png"]);
    assert_eq!(bench.files(), ["look-7.png", "look-8.png", "out-7.wav", "out-8.wav"]);
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["sounds"][1]["spectrogram"].as_str(), Some("look-8.png"));
    let picture = image::open(bench.path("look-7.png")).unwrap();
    assert_eq!((picture.width(), picture.height()), (956, 456));
    let line = stdout(&bench.run(&["inspect", "look-7.png"]));
    assert!(line.starts_with("edrun audio") && !line.contains("spectrogram"), "{line}");
}

#[test]
fn what_no_file_can_hold_is_refused_before_the_work() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["-o", "out.flac", "--bit-depth", "f32"], &["FLAC", "write WAV"]),
        (&["-o", "out.ogg", "--bit-depth", "24"], &["Ogg Vorbis", "write WAV or FLAC"]),
        (&["-o", "out.mp3"], &[".mp3", ".wav", ".flac", ".ogg"]),
        (&["--loudness", "3"], &["--loudness is 3", "-70..=-5"]),
        (&["--loudness", "nan"], &["--loudness is NaN"]),
        (&["--spectrogram", "look.gif"], &[".gif", ".png"]),
        (&["--spectrogram", "no/look.png"], &["does not exist"]),
        (&["--spectrogram", "out.wav"], &["out.wav"]),
    ];
    let bench = Bench::of("sound");
    for (args, parts) in cases {
        refused(&bench, &audio(&bench, args), parts);
    }
}
