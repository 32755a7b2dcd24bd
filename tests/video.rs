//! `edrun video`: clips against references, and the command from outside.

use edrun::media::{ClipWanted, Wanted};
use edrun::pipeline::{Ask, FramesGiven, Pipeline, Settings};
use edrun::sampling::Latent;
use edrun_modalities::image::Picture;
use ndarray::{Axis, Slice};
use ndarray_npy::ReadNpyExt;

fn golden(name: &str) -> Latent {
    Latent::read_npy(std::fs::File::open(crate::data(name)).unwrap()).unwrap()
}

/// `data/make_clip.py`.
fn ask() -> Ask {
    Ask { prompt: "a red ball bounces".into(), seed: 7, ..Ask::default() }
}

#[test]
fn the_flow_gives_the_reference_latents_and_frames() {
    let mut pipeline = Pipeline::open(&crate::data("models/clip"), Settings::default()).unwrap();
    let made = pipeline.make(&ask(), &Default::default(), &mut |_| Ok(())).unwrap().made.remove(0);
    let want = golden("clip/latents.npy");
    let off = made.latents.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(made.latents.shape() == want.shape() && off < 1e-4, "{off}");
    let clip = made.media.clip().unwrap();
    assert_eq!((clip.shape.width, clip.shape.height, clip.shape.frames, clip.shape.fps), (16, 24, 9, 8.0));
    let (want, mut frame) = (golden("clip/frames.npy"), 0);
    clip.play(|picture| {
        for (i, value) in picture.rgb.iter().enumerate() {
            let (y, x, colour) = (i / 3 / 16, i / 3 % 16, i % 3);
            assert!((value - want[[colour, frame, y, x]]).abs() < 1e-4, "frame {frame}, {x} {y}");
        }
        frame += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(frame, 9);
}

/// The frames of a clip that is made with this much memory.
fn frames(width: usize, height: usize, frames: usize, memory: Option<u64>) -> Vec<Vec<f32>> {
    let mut pipeline = Pipeline::open(&crate::data("models/clip"), Settings::default()).unwrap();
    let clip = ClipWanted { frames: Some(frames), ..ClipWanted::default() };
    let size = Wanted { width: Some(width), height: Some(height), clip, memory, ..Wanted::default() };
    let made = pipeline.make(&Ask { size, ..ask() }, &Default::default(), &mut |_| Ok(())).unwrap().made.remove(0);
    let mut frames = Vec::new();
    made.media
        .clip()
        .unwrap()
        .play(|picture| {
            frames.push(picture.rgb);
            Ok(())
        })
        .unwrap();
    frames
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn tiles_make_the_same_frames_in_less_memory() {
    // The decoder sees one latent around each, and tiles count only where they know as much.
    let (whole, tiled) = (frames(128, 96, 9, None), frames(128, 96, 9, Some(360 << 20)));
    assert_eq!(tiled.len(), 9);
    let worst = whole.iter().zip(&tiled).map(|(a, b)| apart(a, b)).fold(0.0, f32::max);
    assert!(worst > 0.0 && worst < 1e-3, "{worst}");
}

#[test]
fn stretches_of_time_fade_into_one_another() {
    // Where a stretch begins, its first frames know nothing of those before: they differ, and all others are the same.
    let (whole, cut) = (frames(16, 24, 65, None), frames(16, 24, 65, Some(290 << 20)));
    assert_eq!(cut.len(), 65);
    let apart: Vec<f32> = whole.iter().zip(&cut).map(|(a, b)| apart(a, b)).collect();
    let same = apart.iter().filter(|apart| **apart < 1e-4).count();
    assert!(same > 32 && same < 65, "{same} of 65 frames are the same: {apart:?}");
}

#[test]
fn clips_longer_than_the_window_are_made_in_windows() {
    let dir = tempfile::tempdir().unwrap();
    crate::copy(&crate::data("models/clip"), dir.path());
    let made = |window: Option<usize>, frames: usize| {
        let clip = match window {
            Some(window) => format!(r#","clip":{{"window":{window},"width":16,"height":24}}"#),
            None => r#","clip":{"width":16,"height":24}"#.into(),
        };
        let own = format!(r#"{{"steps":5,"guidance_scale":3.0{clip}}}"#);
        std::fs::write(dir.path().join("edrun.json"), own).unwrap();
        let mut pipeline = Pipeline::open(dir.path(), Settings::default()).unwrap();
        let size = Wanted { clip: ClipWanted { frames: Some(frames), ..ClipWanted::default() }, ..Wanted::default() };
        let mut made = pipeline.make(&Ask { size, ..ask() }, &Default::default(), &mut |_| Ok(())).unwrap();
        (made.made.remove(0).latents, made.times.graph_runs)
    };
    // Nine latent frames, of which four are seen at once: four windows a step.
    let (long, runs) = made(Some(4), 33);
    assert_eq!((long.shape(), runs), (&[4, 9, 6, 4][..], 5 * 4));
    assert!(long.iter().all(|value| value.is_finite()));
    assert_ne!(long, made(None, 33).0);
    // A clip that fits is made as without windows.
    assert_eq!(made(Some(4), 13), made(None, 13));
}

#[test]
fn frames_that_are_given_are_kept() {
    let first = Picture::new(16, 24, vec![0.25; 3 * 16 * 24]).unwrap();
    let made = |seed: u64, first: Option<&Picture>| {
        let mut pipeline = Pipeline::open(&crate::data("models/clip"), Settings::default()).unwrap();
        let frames = FramesGiven { first: first.cloned(), last: None };
        let made = pipeline.make(&Ask { seed, frames, ..ask() }, &Default::default(), &mut |_| Ok(())).unwrap();
        made.made[0].latents.clone()
    };
    // The encoder gives a colour's mean, -0.5, of which latents have 0.1 less in units of 1.5.
    let latents = made(7, Some(&first));
    assert!(latents.index_axis(Axis(1), 0).iter().all(|value| (value + 0.4).abs() < 1e-5), "{latents}");
    let later = |of: &Latent| of.slice_axis(Axis(1), Slice::from(1..)).to_owned();
    assert_ne!(later(&latents), later(&made(8, Some(&first))));
    assert_ne!(later(&latents), later(&made(7, None)), "what follows begins with the frame");
}

#[cfg(feature = "cli")]
mod command {
    use std::path::Path;

    use crate::command::{Bench, refused, stderr, stdout};

    /// A short run on a copy of the toy deployment, with more flags.
    fn video(bench: &Bench, args: &[&str]) -> std::process::Output {
        let short = ["video", "a red ball bounces", "--model", "model", "--steps", "2", "--seed", "7", "-o", "out.gif"];
        let kept = short.chunks(2).filter(|pair| !args.contains(&pair[0])).flatten();
        bench.run(&kept.chain(args).copied().collect::<Vec<_>>())
    }

    fn made(path: &Path) -> (String, serde_json::Value) {
        let info = edrun_modalities::Info::of(&edrun_modalities::info::about(path).unwrap().texts).unwrap();
        (info.parameters, serde_json::from_str(&info.json).unwrap())
    }

    #[test]
    fn a_run_writes_a_clip_and_says_how_it_was_made() {
        let bench = Bench::of("clip");
        let output = video(&bench, &["--json", "--frames", "5", "--fps", "12.5", "--count", "2", "--sheet", "s.png"]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(bench.files(), ["out-7.gif", "out-8.gif", "s-7.png", "s-8.png"]);
        let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        let clip = &report["clips"][1];
        assert_eq!((clip["file"].as_str(), clip["sheet"].as_str()), (Some("out-8.gif"), Some("s-8.png")));
        let (parameters, made) = made(&bench.path("out-8.gif"));
        assert!(parameters.contains("Seed: 8, Size: 16x24, Frames: 5, FPS: 12.5, Model: model"), "{parameters}");
        assert_eq!((made["seed"].as_u64(), made["modality"].as_str()), (Some(8), Some("video")));
        assert_eq!((made["frames"].as_u64(), made["fps"].as_f64()), (Some(5), Some(12.5)));
        assert!(made.get("sheet").is_none(), "{made}");
        assert_eq!(image::image_dimensions(bench.path("s-8.png")).unwrap(), (3 * 16, 2 * 24));
        let said = stdout(&bench.run(&["inspect", "out-8.gif"]));
        for part in
            ["edrun video 'a red ball bounces'", "--frames 5 --fps 12.5 --width 16 --height 24", "out-8-again.gif"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    #[test]
    fn the_command_that_inspect_prints_makes_the_same_file() {
        let bench = Bench::of("clip");
        for (output, one, again) in
            [("out.gif", "out.gif", "out-again.gif"), ("f/{frame}.png", "f/0003.png", "f-again/0003.png")]
        {
            assert!(video(&bench, &["-o", output]).status.success());
            let line = stdout(&bench.run(&["inspect", one]));
            let shell = format!("edrun() {{ '{}' \"$@\"; }}\n{line}", env!("CARGO_BIN_EXE_edrun"));
            let run = std::process::Command::new("sh")
                .current_dir(bench.path("."))
                .env("HOME", bench.path("."))
                .env("XDG_CACHE_HOME", bench.path("cache"))
                .args(["-c", &shell])
                .output()
                .unwrap();
            assert!(run.status.success(), "{line}{}", stderr(&run));
            assert_eq!(std::fs::read(bench.path(one)).unwrap(), std::fs::read(bench.path(again)).unwrap(), "{line}");
        }
    }

    #[test]
    fn pictures_by_a_pattern_come_all_or_not_at_all() {
        let bench = Bench::of("clip");
        let output = video(&bench, &["-o", "new/{seed}-{frame}.png"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let mut names: Vec<_> = std::fs::read_dir(bench.path("new"))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!((names.len(), names[0].as_str(), names[8].as_str()), (9, "7-0000.png", "7-0008.png"));
        let said = stderr(&video(&bench, &["-o", "new/{seed}-{frame}.png"]));
        assert!(said.contains("7-0000.png exists") || said.contains("{frame}.png exists"), "{said}");
        let said = stderr(&video(&bench, &["-o", "no/way/{frame}.png"]));
        assert!(said.contains("no does not exist") || said.contains("folder no/way"), "{said}");
    }

    #[test]
    fn without_a_model_the_built_in_one_moves() {
        let bench = Bench::new();
        let args =
            ["video", "a red cross spins clockwise", "--seed", "1", "--steps", "8", "--json", "-o", "f/{frame}.png"];
        let output = bench.run(&args);
        assert!(output.status.success(), "{}", stderr(&output));
        let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(report["model"], "clips");
        let frames: Vec<_> =
            (0..16).map(|i| image::open(bench.path(&format!("f/{i:04}.png"))).unwrap().to_rgb8()).collect();
        for frame in &frames {
            assert_eq!(frame.dimensions(), (64, 64));
            assert!(frame.get_pixel(1, 1).0.iter().all(|v| *v > 200), "the corner is not white");
            let red = frame.pixels().filter(|p| p.0[0] > 150 && p.0[1] < 120 && p.0[2] < 120).count();
            assert!((10..1500).contains(&red), "{red} red pixels");
        }
        assert!(frames.windows(2).all(|pair| pair[0] != pair[1]), "two frames are the same");
    }

    #[test]
    fn flags_out_of_range_are_refused_before_the_work() {
        let cases: &[(&[&str], &[&str])] = &[
            (&["--frames", "0"], &["--frames is 0", "nearest are 1"]),
            (&["--frames", "7"], &["--frames is 7", "5 and 9"]),
            (&["--frames", "1000001"], &["--frames is 1000001"]),
            (&["--fps", "0"], &["--fps is 0", "above 0"]),
            (&["--fps", "-3"], &["--fps is -3"]),
            (&["--fps", "nan"], &["--fps is NaN"]),
            (&["--fps", "60"], &["GIF files play up to 50 frames a second"]),
            (&["--max-memory", "100M"], &["--max-memory is 100M", "at least"]),
            (&["--max-memory", "lots"], &["--max-memory", "lots"]),
            (&["--first-frame", "wide.png", "--width", "16", "--height", "24"], &["64x16", "16x24", "crop"]),
            (&["--last-frame", "wide.png"], &["--first-frame"]),
            (&["--first-frame", "none.png"], &["none.png"]),
            (&["--width", "20"], &["--width is 20", "multiple of 8", "16 and 24"]),
            (&["--height", "0"], &["--height is 0"]),
            (&["-o", "out.mkv"], &[".mkv", ".gif", "{frame}.png"]),
            (&["-o", "{frame}.gif"], &[".png"]),
            (&["--sheet", "s.gif"], &[".gif", ".png"]),
            (&["--guidance-scale", "1", "--negative-prompt", "x"], &["--negative-prompt", "no effect"]),
        ];
        let bench = Bench::of("clip");
        image::RgbImage::new(64, 16).save(bench.path("model/wide.png")).unwrap();
        for (args, parts) in cases {
            let args: Vec<_> = args.iter().map(|arg| if *arg == "wide.png" { "model/wide.png" } else { arg }).collect();
            refused(&bench, &video(&bench, &args), parts);
        }
    }

    #[test]
    fn models_of_other_modalities_are_refused_with_the_command_that_runs_them() {
        let pictures = Bench::of("sd15");
        refused(&pictures, &video(&pictures, &[]), &["makes a picture", "edrun image"]);
        let clips = Bench::of("clip");
        refused(&clips, &clips.image(&["-o", "out.png"]), &["makes a clip", "edrun video"]);
    }

    #[test]
    fn damaged_models_are_refused_by_name() {
        type Damage = fn(&Bench);
        let cases: &[(Damage, &[&str])] = &[
            (
                |b| b.write("model/edrun.json", br#"{"steps": 5, "guidance_scale": 3, "clip": {"fps": 0}}"#),
                &["fps", "edrun.json"],
            ),
            (
                |b| b.write("model/edrun.json", br#"{"steps": 5, "guidance_scale": 3, "clip": {"colour": 0}}"#),
                &["colour"],
            ),
            (
                |b| {
                    b.write("model/transformer/config.json", br#"{"in_channels": 4, "patch_size": [2, 2, 2]}"#);
                    b.write("model/edrun.json", br#"{"clip": {"window": 3}}"#);
                },
                &["window", "edrun.json", "multiple of 2"],
            ),
            (
                |b| {
                    b.write(
                        "model/vae_decoder/config.json",
                        br#"{"latent_channels": 4, "temporal_compression_ratio": 0}"#,
                    )
                },
                &["temporal_compression_ratio", "1 to 64"],
            ),
            (
                |b| {
                    let text = std::fs::read_to_string(b.path("model/vae_decoder/config.json")).unwrap();
                    b.write("model/vae_decoder/config.json", text.replace("ratio\": 4", "ratio\": 2").as_bytes());
                },
                &["vae_decoder", "export"],
            ),
            (|b| std::fs::remove_file(b.path("model/vae_decoder/model.onnx")).unwrap(), &["vae_decoder/model.onnx"]),
            (|b| b.write("model/transformer/config.json", br#"{"patch_size": [0, 2, 2]}"#), &["patch_size"]),
        ];
        for (damage, parts) in cases {
            let bench = Bench::of("clip");
            damage(&bench);
            refused(&bench, &video(&bench, &[]), parts);
        }
    }
}
