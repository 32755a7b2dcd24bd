//! `edrun audio` from outside: sound from sound, sound longer than the model's window, sound that leaves as it is made.
//!
//! The decoder of `data/make_waves.py` turns a latent into 64 stereo samples at 8 kHz, and its encoder turns them back exactly; the
//! model makes 16 latents, 0.128 s, in one piece.

use std::io::Read;
use std::process::{Output, Stdio};

use edrun_modalities::Info;
use edrun_modalities::audio::{Depth, Waveform};

use crate::command::{Bench, refused, stderr, stdout};

/// The toy deployment with other graphs laid over it.
fn with(overlay: &str) -> Bench {
    let bench = Bench::of("sound");
    crate::copy(&crate::data("sound").join(overlay), &bench.path("model"));
    bench
}

fn audio(bench: &Bench, args: &[&str]) -> Output {
    let short = [
        "audio",
        "a violin playing C4",
        "--model",
        "model",
        "--steps",
        "2",
        "--seed",
        "7",
        "--bit-depth",
        "f32",
        "-o",
        "out.wav",
    ];
    let kept = short.chunks(2).filter(|pair| !args.contains(&pair[0])).flatten();
    bench.run(&kept.chain(args).copied().collect::<Vec<_>>())
}

fn made(bench: &Bench, name: &str, args: &[&str]) -> Waveform {
    let output = audio(bench, &[args, &["-o", name]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    Waveform::open(&bench.path(name)).unwrap()
}

/// The largest difference of any sample in a span of samples.
fn off(a: &Waveform, b: &Waveform, span: std::ops::Range<usize>) -> f32 {
    let pairs = a.channels.iter().zip(&b.channels);
    let difference = |(a, b): (&Vec<f32>, &Vec<f32>)| {
        a[span.clone()].iter().zip(&b[span.clone()]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    pairs.map(difference).fold(0.0, f32::max)
}

#[test]
fn variations_stay_as_near_as_the_strength_says() {
    let bench = with("waves");
    let first = made(&bench, "first.wav", &[]);
    assert_eq!((first.channels.len(), first.len(), first.sample_rate), (2, 1024, 8000));
    let vary = |strength: &str| {
        let name = format!("s{strength}.wav");
        let args = ["--init-audio", "first.wav", "--strength", strength, "--seed", "8", "--steps", "20"];
        off(&made(&bench, &name, &args), &first, 0..1024)
    };
    let (near, far) = (vary("0.05"), vary("0.9"));
    assert!(near > 0.0 && near < 0.3 * far, "{near} {far}");
    let line = stdout(&bench.run(&["inspect", "s0.05.wav"]));
    assert!(line.contains("--init-audio first.wav") && line.contains("--strength 0.05"), "{line}");
}

#[test]
fn a_span_is_made_anew_and_the_rest_is_kept() {
    let bench = with("waves");
    let first = made(&bench, "first.wav", &[]);
    // Latents 5 and 6: samples 320 to 448.
    let args = ["--init-audio", "first.wav", "--mask", "0.045s..0.055s", "--seed", "8"];
    let anew = made(&bench, "anew.wav", &args);
    assert!(off(&anew, &first, 0..320) < 1e-5 && off(&anew, &first, 448..1024) < 1e-5);
    assert!(off(&anew, &first, 320..448) > 0.01);
    let two = made(&bench, "two.wav", &["--init-audio", "first.wav", "--mask", "..8ms,0.12s..", "--seed", "8"]);
    assert!(
        off(&two, &first, 64..960) < 1e-5 && off(&two, &first, 0..64) > 0.01 && off(&two, &first, 960..1024) > 0.01
    );
}

#[test]
fn a_sound_goes_on_beyond_its_end_and_the_model_s_window() {
    let bench = with("waves");
    let first = made(&bench, "first.wav", &[]);
    let args = ["--init-audio", "first.wav", "--mask", "0.128s..", "--duration", "0.5", "--seed", "8"];
    let long = made(&bench, "long.wav", &args);
    assert_eq!(long.len(), 4000);
    assert!(off(&long, &first, 0..1024) < 1e-5);
    // What follows is as loud as what the model makes: neither silence nor a blend that cancels.
    let power = |sound: &Waveform, from: usize, to: usize| {
        sound.channels[0][from..to].iter().map(|v| v * v).sum::<f32>() / (to - from) as f32
    };
    let whole = power(&first, 0, 1024);
    for from in (1024..3900).step_by(400) {
        let share = power(&long, from, (from + 400).min(4000)) / whole;
        assert!((0.1..10.0).contains(&share), "{from}: {share}");
    }
}

#[test]
fn long_sounds_alone_equal_those_made_together() {
    let bench = with("waves");
    for batch in ["1", "3"] {
        let output =
            audio(&bench, &["--duration", "0.7", "--count", "2", "--batch", batch, "-o", &format!("b{batch}.wav")]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let alone = made(&bench, "alone.wav", &["--duration", "0.7", "--seed", "8"]);
    for batch in ["1", "3"] {
        let together = Waveform::open(&bench.path(&format!("b{batch}-8.wav"))).unwrap();
        assert!(off(&alone, &together, 0..5600) < 1e-4);
    }
    assert!(off(&alone, &Waveform::open(&bench.path("b1-7.wav")).unwrap(), 0..5600) > 0.01);
}

#[test]
fn sounds_of_any_file_rate_and_channels_are_started_from() {
    let bench = with("waves");
    let tone = |rate: u32, channels: usize| {
        let hertz = 300.0 * std::f64::consts::TAU;
        let plane = (0..rate / 10).map(|i| (0.4 * (hertz * f64::from(i) / f64::from(rate)).sin()) as f32).collect();
        Waveform::new(rate, vec![plane; channels]).unwrap()
    };
    for (name, rate, channels) in
        [("a.flac", 44_100, 2), ("b.wav", 192_000, 8), ("c.ogg", 16_000, 1), ("d.wav", 8_000, 3), ("e.wav", 7_919, 1)]
    {
        tone(rate, channels).save(&bench.path(name), &Info::default(), Depth::Whole16).unwrap();
        let args = ["--init-audio", name, "--strength", "0.3", "--overwrite"];
        let sound = made(&bench, "out.wav", &args);
        assert_eq!(
            (sound.channels.len(), sound.len(), sound.sample_rate),
            (2, (f64::from(rate / 10) / f64::from(rate) * 8000.0).round() as usize, 8000),
            "{name}"
        );
    }
}

#[test]
fn encoders_of_magnitudes_are_run_too() {
    let bench = with("encoder");
    let sound = made(&bench, "first.wav", &[]);
    let near = made(&bench, "near.wav", &["--init-audio", "first.wav", "--strength", "0.5"]);
    assert_eq!((near.channels.len(), near.len()), (1, sound.len()));
    // The posterior is drawn from: another seed, another sound.
    let other = made(&bench, "other.wav", &["--init-audio", "first.wav", "--strength", "0.5", "--seed", "8"]);
    assert!(off(&near, &other, 0..1024) > 1e-3);
    assert_eq!(made(&bench, "long.wav", &["--init-audio", "first.wav", "--duration", "0.4"]).len(), 3200);
}

#[test]
fn bad_sounds_and_flags_are_refused_in_a_sentence() {
    let bench = with("waves");
    let tone = Waveform::new(8_000, vec![vec![0.25; 500]]).unwrap();
    let save = |name: &str, sound: &Waveform| sound.save(&bench.path(name), &Info::default(), Depth::Whole16).unwrap();
    std::fs::create_dir(bench.path("cache")).unwrap();
    save("cache/a.wav", &tone);
    save("cache/a.flac", &tone);
    save("cache/empty.wav", &Waveform::new(8_000, vec![vec![]]).unwrap());
    let cut = |name: &str, to: &str, bytes: usize| {
        let whole = std::fs::read(bench.path(name)).unwrap();
        bench.write(to, &whole[..whole.len() - bytes]);
    };
    cut("cache/a.wav", "cache/cut.wav", 300);
    cut("cache/a.flac", "cache/cut.flac", 30);
    let head = [&b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\x03\0\x01\0"[..], &8000u32.to_le_bytes(), &32_000u32.to_le_bytes()]
        .concat();
    let body = [&b"\x04\0\x20\0data\x08\0\0\0"[..], &[0; 4], &f32::NAN.to_le_bytes()].concat();
    bench.write("cache/nan.wav", &[head, body].concat());
    bench.write("cache/text.wav", b"no sound at all");
    let init = |name: &'static str| ["--init-audio", name];
    let cases: &[(&[&str], &[&str])] = &[
        (&init("cache/none.wav"), &["cannot read", "none.wav"]),
        (&init("cache"), &["no file"]),
        (&init("cache/text.wav"), &["no sound that can be read", "FLAC"]),
        (&init("cache/empty.wav"), &["empty.wav", "no samples"]),
        (&init("cache/cut.wav"), &["cut.wav", "cut off"]),
        (&init("cache/cut.flac"), &["cut.flac"]),
        (&init("cache/nan.wav"), &["1 of its samples are no finite numbers"]),
        (&["--strength", "0.5"], &["--strength", "--init-audio"]),
        (&["--mask", "0s..1s"], &["--mask", "--init-audio"]),
        (&["--init-audio", "cache/a.wav", "--mask", "1"], &["--mask", "1.2s..2.0s"]),
        (&["--init-audio", "cache/a.wav", "--mask", "2s..1s"], &["ends before it begins"]),
        (&["--init-audio", "cache/a.wav", "--mask", "1s..2s"], &["--mask 1s..2s begins behind the sound", "0.06"]),
        (&["--init-audio", "cache/a.wav", "--strength", "0"], &["--strength is 0"]),
        (&["--duration", "36000"], &["36000 seconds takes", "GiB", "--max-memory"]),
        (&["--max-memory", "lots"], &["--max-memory"]),
        (&["-o", "-", "--json"], &["--json", "standard output"]),
        (&["-o", "-", "--count", "2"], &["two sounds"]),
    ];
    for (args, parts) in cases {
        refused(&bench, &audio(&bench, args), parts);
    }
    let plain = Bench::of("sound");
    tone.save(&plain.path("model/a.wav"), &Info::default(), Depth::Whole16).unwrap();
    refused(
        &plain,
        &audio(&plain, &["--init-audio", "model/a.wav"]),
        &["cannot start from something given", "vae_encoder"],
    );
}

#[test]
fn a_stream_is_the_file_that_would_be_written() {
    for overlay in ["waves", "encoder"] {
        let bench = with(overlay);
        // Many chunks of 64 latents.
        let args = ["--duration", "2.5", "--bit-depth", "16"];
        let output = audio(&bench, &[&args[..], &["-o", "-"]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(bench.files(), Vec::<String>::new());
        made(&bench, "out.wav", &args);
        let file = std::fs::read(bench.path("out.wav")).unwrap();
        assert!(output.stdout == file, "{} {}", output.stdout.len(), file.len());
        assert!(stderr(&output).contains("to standard output"));
    }
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let bench = with("waves");
    let args = [
        "audio",
        "x",
        "--model",
        "model",
        "--steps",
        "1",
        "--duration",
        "12",
        "--guidance-scale",
        "1",
        "-q",
        "-o",
        "-",
    ];
    let mut child = bench.command().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut head = [0; 4];
    child.stdout.take().unwrap().read_exact(&mut head).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((&head, output.status.code(), stderr(&output).as_str()), (b"RIFF", Some(0), ""));
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_told_in_a_sentence_and_leaves_nothing() {
    let bench = with("waves");
    // Files may take 64 blocks of 512 bytes, and a write beyond that fails.
    let script = format!(
        "trap '' XFSZ; ulimit -f 64; exec {} audio x --model model --no-cache-models --steps 1 --duration 4 --guidance-scale 1 -o out.wav",
        env!("CARGO_BIN_EXE_edrun")
    );
    let mut command = bench.command();
    let mut shell = std::process::Command::new("sh");
    shell.current_dir(command.get_current_dir().unwrap()).envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))));
    refused(&bench, &shell.args(["-c", &script]).output().unwrap(), &["cannot write out.wav", "the disk is not full"]);
    let full = command
        .args(["audio", "x", "--model", "model", "--steps", "1", "-o", "-"])
        .stdout(std::fs::File::create("/dev/full").unwrap())
        .output();
    refused(&bench, &full.unwrap(), &["cannot write standard output"]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_while_a_file_grows_leaves_none() {
    let bench = with("waves");
    let args = [
        "audio",
        "x",
        "--model",
        "model",
        "--steps",
        "1",
        "--duration",
        "120",
        "--guidance-scale",
        "1",
        "-o",
        "out.flac",
    ];
    let mut child = bench.command().args(args).stderr(Stdio::piped()).spawn().unwrap();
    // The file has another name until it is whole.
    let begun = || bench.files().iter().any(|name| name.ends_with(".part"));
    while !begun() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(stderr(&output).contains("interrupted; nothing was saved"), "{}", stderr(&output));
    assert_eq!((output.status.code(), bench.files()), (Some(2), Vec::new()));
}
