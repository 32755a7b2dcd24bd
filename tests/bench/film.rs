//! 64 frames of 480x832 into an MP4 file: how fast, and how close to the frames.
//!
//! `cargo bench --bench film` prints decibels first. Soft shapes that move over a soft ground with some grain, as cameras see them.
#![allow(clippy::unwrap_used, missing_docs)]

use divan::Bencher;
use divan::counter::ItemsCount;
use edrun_modalities::Info;
use edrun_modalities::image::Picture;
use edrun_modalities::video::{Clip, Shape, writer};

const SHAPE: Shape = Shape { width: 832, height: 480, frames: 64, fps: 16.0 };

fn main() {
    for quality in [50, 70, 90] {
        quality_of(quality);
    }
    divan::main();
}

fn frame(frame: usize) -> Picture {
    let pixels = (0..SHAPE.height).flat_map(|y| (0..SHAPE.width).map(move |x| (x as f32, y as f32)));
    let time = frame as f32 / 8.0;
    let pixel = |(x, y): (f32, f32)| {
        let ball = (-((x - 160.0 - 60.0 * time).powi(2) + (y - 200.0).powi(2)) / 5000.0).exp();
        let grain = ((x * 12.9898 + y * 78.233 + time).sin() * 43758.547).fract() * 0.01;
        let ground = [(x / 40.0 + time).sin(), (y / 31.0).cos(), ((x + y) / 57.0 - time).sin()];
        ground.map(|v| ((0.4 + 0.2 * v) * (1.0 - ball) + 0.9 * ball + grain).clamp(0.0, 1.0))
    };
    Picture::new(SHAPE.width, SHAPE.height, pixels.flat_map(pixel).collect()).unwrap()
}

fn clip() -> Clip {
    Clip::of_pictures((0..SHAPE.frames).map(frame).collect(), SHAPE.fps).unwrap()
}

fn quality_of(quality: u8) {
    let path = std::env::temp_dir().join("edrun-bench-film.mp4");
    let clip = clip();
    clip.save_to(vec![writer(&path, SHAPE, &Info::default(), Some(quality)).unwrap()]).unwrap();
    let megabytes = std::fs::metadata(&path).unwrap().len() as f64 / 1e6;
    println!("quality {quality}: {megabytes:.2} MB in {}", path.display());
}

#[divan::bench(sample_count = 3)]
fn mp4(bencher: Bencher<'_, '_>) {
    let (clip, path) = (clip(), std::env::temp_dir().join("edrun-bench-film.mp4"));
    bencher.counter(ItemsCount::new(SHAPE.frames)).bench_local(|| clip.save(&path, &Info::default()).unwrap());
}
