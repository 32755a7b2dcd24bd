use super::super::tests::{SHAPE, error, filmed, info, psnr};
use super::boxes::{find, inside};
use crate::Info;
use crate::image::Picture;
use crate::video::yuv::Yuv;
use crate::video::{Shape, check_file, writer};
use std::path::Path;

/// What is inside of boxes within boxes.
fn at<'a>(file: &'a [u8], path: &str) -> &'a [u8] {
    path.split('/').fold(file, |inside, name| find(inside, name.as_bytes().try_into().unwrap()).unwrap())
}

const TABLE: &str = "moov/trak/mdia/minf/stbl";

/// The numbers of a table, behind its version.
fn numbers(file: &[u8], name: &str) -> Vec<u32> {
    at(file, &format!("{TABLE}/{name}")).as_chunks().0.iter().skip(1).map(|four| u32::from_be_bytes(*four)).collect()
}

/// The sequence and the picture parameter set.
fn sets(file: &[u8]) -> [&[u8]; 2] {
    // Behind what every entry of a film has.
    let configuration = find(&at(at(file, TABLE), "stsd")[8 + 8 + 78..], b"avcC").unwrap();
    let long = |place: usize| usize::from(u16::from_be_bytes([configuration[place], configuration[place + 1]]));
    let (sequence, picture) = (6, long(6) + 8);
    [&configuration[sequence + 2..][..long(sequence)], &configuration[picture + 3..][..long(picture + 1)]]
}

/// The frames of a file, by the codec's own decoder.
fn decoded(path: &Path) -> Vec<Picture> {
    let file = std::fs::read(path).unwrap();
    let mut stream: Vec<u8> = sets(&file).iter().flat_map(|set| [&[0, 0, 0, 1], *set].concat()).collect();
    let mut decoder = openh264::decoder::Decoder::new().unwrap();
    let mut frames = Vec::new();
    let mut start = numbers(&file, "co64")[2] as usize;
    for size in &numbers(&file, "stsz")[2..] {
        let mut rest = &file[start..start + *size as usize];
        start += *size as usize;
        while let Some((length, unit)) = rest.split_first_chunk::<4>() {
            let (unit, after) = unit.split_at(u32::from_be_bytes(*length) as usize);
            stream.extend_from_slice(&[0, 0, 0, 1]);
            stream.extend_from_slice(unit);
            rest = after;
        }
        frames.extend(decoder.decode(&stream).unwrap().map(|yuv| plain(&yuv)));
        stream.clear();
    }
    frames.extend(decoder.flush_remaining().unwrap().iter().map(plain));
    frames
}

fn plain(yuv: &openh264::decoder::DecodedYUV<'_>) -> Picture {
    use openh264::formats::YUVSource;
    let ((width, height), strides) = (yuv.dimensions(), yuv.strides());
    let cut = |plane: &[u8], stride: usize, width: usize, height: usize| -> Vec<u8> {
        plane.chunks(stride).take(height).flat_map(|row| row[..width].to_vec()).collect()
    };
    let (y, u) = (cut(yuv.y(), strides.0, width, height), cut(yuv.u(), strides.1, width / 2, height / 2));
    let v = cut(yuv.v(), strides.2, width / 2, height / 2);
    Yuv { width, height, y, u, v }.picture()
}

#[test]
fn mp4_files_are_what_players_expect_and_look_like_their_frames() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.mp4");
    let shape = Shape { width: 208, height: 120, frames: 40, fps: 12.5 };
    let clip = filmed(shape);
    clip.save(&path, &info()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let names: Vec<_> = inside(&bytes).map(|(name, _)| name).collect();
    assert_eq!(names, [*b"ftyp", *b"moov", *b"mdat"], "the index comes first");
    // 40 frames of 1000 units each, of which there are 12500 in a second.
    assert_eq!(numbers(&bytes, "stts"), [1, 40, 1000]);
    assert_eq!(at(&bytes, "moov/trak/mdia/mdhd")[12..20], [12_500u32.to_be_bytes(), 40_000u32.to_be_bytes()].concat());
    assert_eq!(
        at(&bytes, "moov/trak/tkhd")[76..],
        [(208u32 << 16).to_be_bytes(), (120u32 << 16).to_be_bytes()].concat()
    );
    assert_eq!((numbers(&bytes, "stsz")[1], &numbers(&bytes, "stss")[1..]), (40, &[1][..]));
    let mut frames = decoded(&path).into_iter();
    let mut worst = f64::INFINITY;
    clip.play(|picture| {
        worst = worst.min(psnr(&picture, &frames.next().unwrap()));
        Ok(())
    })
    .unwrap();
    assert!(frames.next().is_none() && worst > 38.0, "{worst} dB");
}

#[test]
fn a_higher_quality_is_closer_and_larger() {
    let dir = tempfile::tempdir().unwrap();
    let clip = filmed(Shape { width: 96, height: 64, frames: 4, fps: 8.0 });
    let made = [20, 70, 95].map(|quality| {
        let path = dir.path().join(format!("{quality}.mp4"));
        clip.save_to(vec![writer(&path, clip.shape, &Info::default(), Some(quality)).unwrap()]).unwrap();
        let (mut frames, mut sum) = (decoded(&path).into_iter(), 0.0);
        clip.play(|picture| {
            sum += psnr(&picture, &frames.next().unwrap());
            Ok(())
        })
        .unwrap();
        (sum, std::fs::metadata(&path).unwrap().len())
    });
    assert!(made.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{made:?}");
    let cases = [
        ("a.mp4", 0, "1..=100"),
        ("a.mp4", 101, "1..=100"),
        ("a.gif", 50, "no effect"),
        ("{frame}.png", 50, "MP4, WebM"),
    ];
    for (name, quality, part) in cases {
        let said = error(check_file(name.as_ref(), Some(SHAPE), Some(quality)));
        assert!(said.contains(part), "{said}");
    }
}
