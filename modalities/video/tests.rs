use super::*;
use crate::Info;
use crate::image::Picture;
use crate::info::about;
use anyhow::{Result, bail};
use std::path::Path;
use std::sync::Arc;

pub(super) const SHAPE: Shape = Shape { width: 24, height: 16, frames: 10, fps: 8.0 };

/// A frame whose left part is bright, wider from frame to frame.
fn picture(frame: usize) -> Picture {
    let bright = |x: usize| if x < 2 * frame + 2 { [0.9, 0.6, 0.1] } else { [0.1, 0.2, 0.5] };
    let pixels = (0..SHAPE.height).flat_map(|_| 0..SHAPE.width);
    Picture::new(SHAPE.width, SHAPE.height, pixels.flat_map(bright).collect()).unwrap()
}

fn clip() -> Clip {
    Clip::of_pictures((0..SHAPE.frames).map(picture).collect(), SHAPE.fps).unwrap()
}

pub(super) fn info() -> Info {
    Info { parameters: "a red ball\nSteps: 4".into(), json: r#"{"seed":7,"prompt":"Grüße"}"#.into() }
}

pub(super) fn error<T>(result: Result<T>) -> String {
    format!("{:#}", result.err().unwrap())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_format_carries_how_it_was_made() {
    let dir = tempfile::tempdir().unwrap();
    for format in FORMATS {
        let path = dir.path().join(format!("clip.{}", format.extensions[0]));
        clip().save(&path, &info()).unwrap();
        let found = about(&path).unwrap();
        assert!(found.kind.contains(format.name), "{}", found.kind);
        assert_eq!(Info::of(&found.texts), Some(info()), "{}", format.name);
        clip().save(&path, &Info::default()).unwrap();
        assert_eq!(about(&path).unwrap().texts, [], "{}", format.name);
    }
}

#[test]
fn gif_frames_last_as_long_as_they_should_together() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.gif");
    clip().save(&path, &info()).unwrap();
    let mut reader = gif_reader(&path);
    let (mut frames, mut hundredths) = (0, 0);
    while let Some(frame) = reader.read_next_frame().unwrap() {
        frames += 1;
        hundredths += usize::from(frame.delay);
    }
    // An eighth of a second is 12.5 hundredths.
    assert_eq!((frames, hundredths), (10, 125));
}

fn gif_reader(path: &Path) -> ::gif::Decoder<std::fs::File> {
    ::gif::DecodeOptions::new().read_info(std::fs::File::open(path).unwrap()).unwrap()
}

#[test]
fn pictures_by_a_pattern_are_the_frames() {
    let dir = tempfile::tempdir().unwrap();
    for pattern in ["new/{frame}.png", "{frame}-of-a-clip.tif"] {
        let pattern = dir.path().join(pattern);
        clip().save(&pattern, &info()).unwrap();
        for frame in 0..SHAPE.frames {
            let path = pattern.to_string_lossy().replace(FRAME, &format!("000{frame}"));
            assert_eq!(Picture::open(path.as_ref()).unwrap().to_rgb8(), picture(frame).to_rgb8());
            assert_eq!(Info::of(&about(path.as_ref()).unwrap().texts), Some(info()));
        }
    }
    assert_eq!((names(&dir.path().join("new")).len(), names(dir.path()).len()), (10, 11));
}

/// Frames that cannot all be made.
struct Failing;

impl Frames for Failing {
    fn play(&self, show: &mut dyn FnMut(Picture) -> Result<()>) -> Result<()> {
        (0..3).try_for_each(|frame| show(picture(frame)))?;
        bail!("the decoder failed")
    }
}

#[test]
fn a_clip_that_fails_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let endings = FORMATS.iter().flat_map(|format| format.extensions).map(|end| format!("clip.{end}"));
    for name in endings.chain(["{frame}.png".into(), "new/{frame}.png".into()]) {
        let said = error(Clip::new(SHAPE, Arc::new(Failing)).save(&dir.path().join(&name), &info()));
        assert!(said.contains("the decoder failed"), "{said}");
        assert_eq!(names(dir.path()), [""; 0], "{name}");
    }
}

#[test]
fn frames_must_be_as_they_were_promised() {
    let pictures: Vec<_> = (0..4).map(picture).collect();
    let shapes = [(Shape { frames: 5, ..SHAPE }, "4 frames"), (Shape { width: 32, frames: 4, ..SHAPE }, "24x16")];
    for (shape, part) in shapes {
        let said = error(Clip::new(shape, Arc::new(pictures.clone())).play(|_| Ok(())));
        assert!(said.contains(part), "{said}");
    }
    assert!(error(Clip::of_pictures(Vec::new(), 8.0)).contains("needs a frame"));
}

#[test]
fn a_sheet_shows_frames_from_the_first_to_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sheet.png");
    let long = Clip::of_pictures((0..40).map(|i| picture(i % 10)).collect(), 8.0).unwrap();
    for (clip, columns, rows, last) in [(clip(), 4, 3, 9), (long, 4, 4, 9)] {
        let sheet = Sheet::start(&path, clip.shape, &info()).unwrap();
        clip.save_to(vec![Box::new(sheet)]).unwrap();
        let sheet = Picture::open(&path).unwrap();
        assert_eq!((sheet.width, sheet.height), (columns * SHAPE.width, rows * SHAPE.height));
        let count = clip.shape.frames.min(16);
        let cell = |place: usize| {
            let (x, y) = (place % columns * SHAPE.width, place / columns * SHAPE.height);
            let rows = (0..SHAPE.height).map(move |row| 3 * ((y + row) * columns * SHAPE.width + x));
            rows.flat_map(|at| sheet.rgb[at..at + 3 * SHAPE.width].to_vec()).collect::<Vec<_>>()
        };
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 0.01);
        assert!(near(&cell(0), &picture(0).rgb) && near(&cell(count - 1), &picture(last).rgb));
    }
}

#[test]
fn what_no_format_holds_is_refused_before_it_is_made() {
    let fast = Shape { fps: 60.0, ..SHAPE };
    let cases = [
        ("a.mkv", SHAPE, ".gif"),
        ("a", SHAPE, "no ending"),
        ("a.gif", fast, "up to 50 frames a second, not 60"),
        ("{frame}.gif", SHAPE, ".png"),
        ("a.gif", Shape { width: 70_000, ..SHAPE }, "65535 pixels"),
        ("a.mp4", Shape { width: 17, ..SHAPE }, "even sides"),
    ];
    for (name, shape, part) in cases {
        let said = error(check_file(name.as_ref(), Some(shape), None));
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn facts_count_frames() {
    let facts = |json| ClipFacts::from_configs(Some(&json), None);
    let four = facts(serde_json::json!({ "scale_factor_temporal": 4 })).unwrap();
    assert_eq!([0, 1, 2, 5].map(|latents| four.frames(latents)), [0, 1, 5, 17]);
    assert_eq!([0, 1, 4, 5, 8, 9].map(|frames| four.latents(frames)), [1, 1, 1, 2, 2, 3]);
    assert_eq!(facts(serde_json::json!({})).unwrap().frames(16), 16);
    assert!(error(facts(serde_json::json!({ "temporal_compression_ratio": 0 }))).contains("from 1 to 64"));
}

/// Decibels between two pictures.
pub(super) fn psnr(a: &Picture, b: &Picture) -> f64 {
    let error: f64 = a.rgb.iter().zip(&b.rgb).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    -10.0 * (error / a.rgb.len() as f64).log10()
}

/// A clip as cameras make them: soft shapes that move over a soft ground with some grain.
pub(super) fn filmed(shape: Shape) -> Clip {
    let frame = |frame: usize| {
        let pixels = (0..shape.height).flat_map(|y| (0..shape.width).map(move |x| (x as f32, y as f32)));
        let time = frame as f32 / 8.0;
        let pixel = |(x, y): (f32, f32)| {
            let ball = (-((x - 60.0 - 30.0 * time).powi(2) + (y - 50.0).powi(2)) / 500.0).exp();
            let grain = ((x * 12.9898 + y * 78.233 + time).sin() * 43758.547).fract() * 0.01;
            let ground = [(x / 40.0 + time).sin(), (y / 31.0).cos(), ((x + y) / 57.0 - time).sin()];
            ground.map(|v| ((0.4 + 0.2 * v) * (1.0 - ball) + 0.9 * ball + grain).clamp(0.0, 1.0))
        };
        Picture::new(shape.width, shape.height, pixels.flat_map(pixel).collect()).unwrap()
    };
    Clip::of_pictures((0..shape.frames).map(frame).collect(), shape.fps).unwrap()
}

#[test]
fn animated_webp_holds_the_very_frames() {
    use image::AnimationDecoder;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.webp");
    clip().save(&path, &info()).unwrap();
    let file = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
    let frames = image::codecs::webp::WebPDecoder::new(file).unwrap().into_frames().collect_frames().unwrap();
    assert_eq!(frames.len(), SHAPE.frames);
    for (i, frame) in frames.iter().enumerate() {
        let rgb: Vec<u8> = frame.buffer().pixels().flat_map(|pixel| pixel.0[..3].to_vec()).collect();
        assert_eq!((rgb, frame.delay().numer_denom_ms()), (picture(i).to_rgb8(), (125, 1)), "frame {i}");
    }
}
