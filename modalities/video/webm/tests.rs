use super::super::tests::{filmed, info, psnr};
use crate::Info;
use crate::image::Picture;
use crate::video::{Shape, writer};
use matroska_demuxer::{Frame, MatroskaFile, TrackType};
use std::fs::File;
use std::path::Path;

fn opened(path: &Path) -> MatroskaFile<File> {
    MatroskaFile::open(File::open(path).unwrap()).unwrap()
}

/// A VP8 key frame, as the picture that a WebP file of it shows.
fn shown(frame: &[u8]) -> Picture {
    let mut body = frame.to_vec();
    body.resize(body.len().next_multiple_of(2), 0);
    let head = [&b"WEBPVP8 "[..], &(frame.len() as u32).to_le_bytes()].concat();
    let length = (head.len() + body.len()) as u32;
    let file = [&b"RIFF"[..], &length.to_le_bytes(), &head, &body].concat();
    let rgb = image::load_from_memory_with_format(&file, image::ImageFormat::WebP).unwrap().into_rgb8();
    let values = rgb.as_raw().iter().map(|byte| f32::from(*byte) / 255.0).collect();
    Picture::new(rgb.width() as usize, rgb.height() as usize, values).unwrap()
}

fn frames(file: &mut MatroskaFile<File>) -> Vec<Frame> {
    std::iter::from_fn(|| {
        let mut frame = Frame::default();
        file.next_frame(&mut frame).unwrap().then_some(frame)
    })
    .collect()
}

const SHAPE: Shape = Shape { width: 209, height: 121, frames: 90, fps: 12.5 };

#[test]
fn webm_files_are_what_players_expect_and_look_like_their_frames() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.webm");
    let clip = filmed(SHAPE);
    clip.save(&path, &info()).unwrap();
    let mut file = opened(&path);
    assert_eq!(file.ebml_header().doc_type(), "webm");
    assert_eq!((file.info().timestamp_scale().get(), file.info().duration()), (1_000_000, Some(7200.0)));
    let [track] = file.tracks() else { panic!("{} tracks", file.tracks().len()) };
    assert_eq!((track.track_type(), track.codec_id()), (TrackType::Video, "V_VP8"));
    assert_eq!(track.default_duration().unwrap().get(), 80_000_000);
    let video = track.video().unwrap();
    assert_eq!((video.pixel_width().get(), video.pixel_height().get()), (209, 121));
    let mut found = frames(&mut file).into_iter();
    let (mut worst, mut number) = (f64::INFINITY, 0);
    clip.play(|picture| {
        let frame = found.next().unwrap();
        assert_eq!((frame.timestamp, frame.is_keyframe), (80 * number, Some(true)));
        (worst, number) = (worst.min(psnr(&picture, &shown(&frame.data))), number + 1);
        Ok(())
    })
    .unwrap();
    assert!(found.next().is_none() && worst > 34.0, "{worst} dB");
}

#[test]
fn an_index_leads_to_every_second_second() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.webm");
    filmed(SHAPE).save(&path, &Info::default()).unwrap();
    let mut file = opened(&path);
    for (asked, found) in [(0, 0), (2500, 2560), (6000, 6000)] {
        file.seek(asked).unwrap();
        let mut frame = Frame::default();
        assert!(file.next_frame(&mut frame).unwrap());
        assert_eq!(frame.timestamp, found, "{asked}");
    }
}

#[test]
fn a_quality_is_kept_in_webm_and_in_animated_webp() {
    let dir = tempfile::tempdir().unwrap();
    let clip = filmed(Shape { width: 96, height: 64, frames: 4, fps: 8.0 });
    for ending in ["webm", "webp"] {
        let bytes = [20, 70, 95].map(|quality| {
            let path = dir.path().join(format!("{quality}.{ending}"));
            clip.save_to(vec![writer(&path, clip.shape, &Info::default(), Some(quality)).unwrap()]).unwrap();
            std::fs::metadata(&path).unwrap().len()
        });
        assert!(bytes.is_sorted_by(|a, b| a < b), "{ending}: {bytes:?}");
    }
}
