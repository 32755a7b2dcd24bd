//! The video families against diffusers' pipelines (`data/video_families.py`): the same seed gives the same latents to 1e-3
//! and the same frames to 1/255.

use std::path::PathBuf;

use edrun::media::{ClipWanted, FinishWanted, Wanted};
use edrun::pipeline::{Ask, FramesGiven, Made, Pipeline, Settings};
use edrun::sampling::Latent;
use edrun_modalities::image::Picture;
use edrun_onnx::{Cancel, Folder, GraphOptions};
use ndarray::{Array4, ArrayD};
use ndarray_npy::ReadNpyExt;
use serde_json::Value as Json;

/// A deployment, and what the reference makes of it.
struct Family {
    folder: PathBuf,
    case: Json,
    /// Where it shares components with another one, both together.
    joined: Option<tempfile::TempDir>,
}

impl Family {
    fn new(name: &str) -> Self {
        let folder = crate::data("video").join(name);
        let case = crate::golden(&format!("video/{name}/case.json"));
        let joined = (name.starts_with("wan") && name != "wan").then(|| {
            let dir = tempfile::tempdir().unwrap();
            crate::copy(&crate::data("video/wan/model"), dir.path());
            crate::copy(&folder.join("model"), dir.path());
            dir
        });
        Self { folder, case, joined }
    }

    fn model(&self) -> PathBuf {
        self.joined.as_ref().map_or_else(|| self.folder.join("model"), |dir| dir.path().to_owned())
    }

    fn whole(&self, key: &str) -> Option<usize> {
        self.case[key].as_u64().map(|n| n as usize)
    }

    fn ask(&self) -> Ask {
        let number = |key: &str| self.case[key].as_f64();
        let finish = FinishWanted { timestep: number("decode_timestep"), noise: number("decode_noise_scale") };
        let clip = ClipWanted { frames: self.whole("frames"), fps: number("fps"), finish };
        Ask {
            prompt: self.case["prompt"].as_str().unwrap().into(),
            negative_prompt: self.case["negative_prompt"].as_str().map(str::to_owned),
            size: Wanted { width: self.whole("width"), height: self.whole("height"), clip, ..Wanted::default() },
            steps: self.whole("steps"),
            guidance_scale: self.case["guidance"].as_f64(),
            guidance_scale_2: self.case["guidance_2"].as_f64(),
            seed: self.case["seed"].as_u64().unwrap(),
            frames: FramesGiven {
                first: self.case.get("image").map(|_| Picture::open(&self.folder.join("image.png")).unwrap()),
                last: None,
            },
            ..Ask::default()
        }
    }

    fn make(&self, ask: &Ask) -> anyhow::Result<Made> {
        let mut pipeline = Pipeline::open(&self.model(), Settings::default())?;
        let mut outcome = pipeline.make(ask, &Default::default(), &mut |_| Ok(()))?;
        outcome.failures.pop().map_or_else(|| Ok(outcome.made.remove(0)), |(_, error)| Err(error))
    }

    /// How far latents are from the reference's, and frames in 255ths beyond the rounding of 8 bits.
    fn off(&self, made: &Made) -> (f32, f32) {
        let file = |name: &str| std::fs::File::open(self.folder.join(name)).unwrap();
        let latents = Latent::read_npy(file("final_latents.npy")).unwrap();
        assert_eq!(latents.shape(), made.latents.shape());
        let frames = ArrayD::<u8>::read_npy(file("frames.npy")).unwrap().into_dimensionality().unwrap();
        (worst(made.latents.iter().zip(&latents).map(|(a, b)| (a - b).abs())), off_frames(made, &frames))
    }
}

fn worst(values: impl Iterator<Item = f32>) -> f32 {
    values.fold(0.0, f32::max)
}

fn off_frames(made: &Made, frames: &Array4<u8>) -> f32 {
    let clip = made.media.clip().unwrap();
    let (count, height, width, _) = frames.dim();
    assert_eq!((clip.shape.frames, clip.shape.height, clip.shape.width), (count, height, width));
    let (mut at, mut off) = (0, 0.0f32);
    clip.play(|picture| {
        let wanted = frames.index_axis(ndarray::Axis(0), at);
        off = off.max(worst(picture.rgb.iter().zip(&wanted).map(|(a, b)| (a * 255.0 - f32::from(*b)).abs())));
        at += 1;
        Ok(())
    })
    .unwrap();
    off - 0.5
}

fn equals_the_reference(name: &str) {
    let family = Family::new(name);
    let (latents, frames) = family.off(&family.make(&family.ask()).unwrap());
    println!("{name}: latents {latents:.1e}, frames {frames:.1e}/255");
    assert!(latents <= 1e-3 && frames <= 1.0, "{name}: latents {latents}, frames {frames}/255");
}

#[test]
fn wan_gives_the_reference_clip() {
    equals_the_reference("wan");
}

#[test]
fn wan_from_a_picture_gives_the_reference_clip() {
    equals_the_reference("wan-i2v");
}

#[test]
fn two_experts_share_a_run_as_in_the_reference() {
    equals_the_reference("wan22");
}

#[test]
fn ltx_video_gives_the_reference_clip() {
    equals_the_reference("ltx");
}

#[test]
fn animatediff_gives_the_reference_clip() {
    equals_the_reference("animatediff");
}

/// What each family cannot do, and words of the refusal.
#[test]
fn what_a_family_cannot_do_is_refused_with_the_remedy() {
    let picture = || Picture::new(64, 16, vec![0.5; 64 * 16 * 3]).ok();
    type Change = fn(&mut Ask, Option<Picture>);
    let cases: [(&str, Change, &[&str]); 9] = [
        ("wan", |ask, given| ask.frames.first = given, &["--first-frame", "leave it out"]),
        ("wan", |ask, _| ask.guidance_scale_2 = Some(2.0), &["--guidance-scale-2", "leave it out"]),
        ("wan", |ask, _| ask.size.clip.frames = Some(8), &["--frames is 8", "5 and 9"]),
        ("wan", |ask, _| ask.size.width = Some(24), &["--width is 24", "16 and 32"]),
        ("wan", |ask, _| ask.size.clip.finish.timestep = Some(0.5), &["--decode-timestep", "leave it out"]),
        ("wan-i2v", |ask, _| ask.frames = FramesGiven::default(), &["--first-frame"]),
        (
            "wan-i2v",
            |ask, given| ask.frames = FramesGiven { first: None, last: given },
            &["--last-frame", "--first-frame"],
        ),
        ("wan-i2v", |ask, given| ask.frames.first = given, &["64x16", "stretch", "--width"]),
        ("wan22", |ask, _| ask.guidance_scale_2 = Some(f64::NAN), &["--guidance-scale-2"]),
    ];
    for (name, change, words) in cases {
        let family = Family::new(name);
        let mut ask = Ask { steps: Some(1), ..family.ask() };
        change(&mut ask, picture());
        let error = format!("{:#}", family.make(&ask).map(|made| made.seed).unwrap_err());
        assert!(words.iter().all(|word| error.contains(word)), "{name}: {error}");
    }
}

/// The second expert and its scale count, and so does the boundary.
#[test]
fn experts_and_their_scale_change_the_clip() {
    let family = Family::new("wan22");
    let (asked, made) = (family.ask(), |ask: &Ask| family.make(ask).unwrap().latents);
    let plain = made(&asked);
    assert_ne!(plain, made(&Ask { guidance_scale_2: None, ..asked.clone() }));
    assert_ne!(plain, Family::new("wan").make(&Ask { guidance_scale_2: None, ..asked }).unwrap().latents);
}

/// What is told of places and of frames that are given is cut as the latent is: a clip beyond the window is made in windows, one
/// that fits as if there were none.
#[test]
fn every_family_makes_clips_beyond_its_window() {
    for (name, frames) in [("wan", 17), ("wan-i2v", 17), ("wan22", 17), ("ltx", 17), ("animatediff", 5)] {
        let family = Family::new(name);
        let dir = tempfile::tempdir().unwrap();
        crate::copy(&family.model(), dir.path());
        let clip = ClipWanted { frames: Some(frames), ..family.ask().size.clip };
        let ask = Ask { size: Wanted { clip, ..family.ask().size }, steps: Some(2), ..family.ask() };
        let made = |window: usize| {
            std::fs::write(dir.path().join("edrun.json"), format!(r#"{{"clip":{{"window":{window}}}}}"#)).unwrap();
            let mut pipeline = Pipeline::open(dir.path(), Settings::default()).unwrap();
            let mut outcome = pipeline.make(&ask, &Default::default(), &mut |_| Ok(())).unwrap();
            (outcome.made.remove(0).latents, outcome.times.graph_runs)
        };
        // Five latent frames, of which two or all are seen at once.
        let ((cut, looks), (whole, once)) = (made(2), made(5));
        assert_eq!((cut.shape(), cut.shape()[1], looks), (whole.shape(), 5, 4 * once), "{name}");
        assert!(cut.iter().all(|value| value.is_finite()) && cut != whole, "{name}");
        assert_eq!((whole, once), made(6), "{name}: a window that is not filled counts for nothing");
    }
}

/// What the network is told of a first and a last frame.
#[test]
fn a_first_and_a_last_frame_are_told_as_in_the_reference() {
    let family = Family::new("wan-i2v");
    let folder = Folder::open(&family.model()).unwrap();
    let pipeline = Pipeline::open(&family.model(), Settings::default()).unwrap();
    let medium = &pipeline.recipe().medium;
    let mut showing = medium.showing(&folder, &GraphOptions::default()).unwrap();
    let first = Picture::open(&family.folder.join("image.png")).unwrap();
    let last = Picture::open(&family.folder.join("last.png")).unwrap();
    let (extent, _) = medium.measure(&family.ask().size, None).unwrap();
    let shown = showing.show(&first, Some(&last), extent, &Cancel::new()).unwrap();
    let wanted = Latent::read_npy(std::fs::File::open(family.folder.join("first_last.npy")).unwrap()).unwrap();
    assert_eq!(shown.channels.shape(), wanted.shape());
    let off = worst(shown.channels.iter().zip(&wanted).map(|(a, b)| (a - b).abs()));
    assert!(off < 1e-4, "{off}");
    // The states of both frames, one behind the other.
    assert_eq!(shown.states.unwrap().shape(), [10, 8]);
}

/// A folder is inspected with what its model needs to be asked.
#[cfg(feature = "cli")]
#[test]
fn inspect_says_how_each_family_is_run() {
    for (name, command) in [
        ("wan", "edrun video \"PROMPT\""),
        ("wan22", "edrun video \"PROMPT\""),
        ("wan-i2v", "edrun video --first-frame FILE \"PROMPT\""),
        ("ltx", "edrun video \"PROMPT\""),
        ("animatediff", "edrun video \"PROMPT\""),
    ] {
        let family = Family::new(name);
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_edrun"))
            .arg("inspect")
            .arg(family.model())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains(command), "{name}: {said}");
        assert!(!said.contains("transformer_2 is not used"), "{said}");
    }
}
