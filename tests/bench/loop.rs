//! What edrun itself costs in the denoising loop: its share of the time, the latents it allocates,
//! and each solver's step beside the copies of the latents it reads.
//!
//! `cargo bench` prints the first two at once, then divan's table.
#![allow(clippy::unwrap_used, missing_docs)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use edrun::media::Wanted;
use edrun::pipeline::{Ask, Pipeline, Progress, Settings};
use edrun::sampling::config::Source;
use edrun::sampling::noise::{Brownian, RNGS};
use edrun::sampling::solver::{METHODS, Method, Sampler, Tuning};
use edrun::sampling::{Latent, Noise, Seen, Want};

/// Bytes of one latent of the measured run: 4 channels of 64 x 64 in f32.
const LATENT_BYTES: usize = 4 * 64 * 64 * 4;

/// Counts allocations that could hold a latent.
struct Counting;

static LARGE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LATENT_BYTES {
            LARGE.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from the system allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    // A filter, such as `cargo bench --bench loop solver_step`, asks for the table alone.
    if std::env::args().skip(1).all(|arg| arg.starts_with('-')) {
        own_share();
    }
    divan::main();
}

/// A run with guidance, so two rows a call, on the toy deployment's UNet at 64 x 64 latents.
fn own_share() {
    let model = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/models/sd15");
    println!("time outside the graph, and allocations the size of a latent, over 20 steps at 64x64 latents, batch 2:");
    // Methods with long inner chains say nothing more, slowly.
    for method in METHODS.iter().filter(|m| m.evaluations <= 4 && m.name != "ald") {
        let mut pipeline = Pipeline::open(&model, Settings::default()).unwrap();
        let ask = Ask {
            steps: Some(20),
            size: Wanted { width: Some(512), height: Some(512), ..Wanted::default() },
            sampler: Some(method.name.into()),
            ..Ask::default()
        };
        let mut marks = Vec::with_capacity(32);
        let outcome = pipeline.make(&ask, &Default::default(), &mut |progress| {
            if let Progress::Step { .. } = progress {
                marks.push(LARGE.load(Ordering::Relaxed));
            }
            Ok(())
        });
        // Some methods are for other kinds of models.
        let Ok(outcome) = outcome else { continue };
        let times = outcome.times;
        let own = (times.sample - times.graph).as_secs_f64() / times.sample.as_secs_f64();
        // The first four steps fill the solvers' histories.
        let Some(allocated) = marks.last().zip(marks.get(3)).map(|(last, fourth)| last - fourth) else { continue };
        println!("  {:10} {:5.2} %   {allocated} allocations in the last 16 steps", method.name, 100.0 * own);
    }
}

/// The time of copying a 4 x 128 x 128 latent once: the measure of a solver's step.
#[divan::bench]
fn copy_of_a_latent(bencher: divan::Bencher<'_, '_>) {
    let from = Latent::from_elem(vec![4, 128, 128], 0.5);
    let mut to = from.clone();
    bencher.bench_local(|| divan::black_box(&mut to).assign(divan::black_box(&from)));
}

/// Drawing a 4 x 128 x 128 latent of noise.
#[divan::bench(args = RNGS.iter().map(|rng| rng.name))]
fn draw_of_a_latent(bencher: divan::Bencher<'_, '_>, name: &str) {
    let mut noise = Noise::start(name, 0).unwrap();
    let mut values = vec![0.0; 4 * 128 * 128];
    bencher.bench_local(|| noise.fill_normal(divan::black_box(&mut values)));
}

/// The increment of a Brownian path over one of 20 steps, on a latent of that size.
#[divan::bench]
fn brownian_increment(bencher: divan::Bencher<'_, '_>) {
    let mut path = Brownian::new(&Noise::torch(0), 0.03, 14.6, &[4, 128, 128]);
    let mut values = vec![0.0; 4 * 128 * 128];
    let sigma = |i: usize| 14.6 * (0.03f64 / 14.6).powf(i as f64 / 20.0);
    let mut steps = (0..20).cycle();
    bencher.bench_local(|| {
        let i = steps.next().unwrap_or_default();
        path.increment(sigma(i), sigma(i + 1), divan::black_box(&mut values));
    });
}

fn prepare(method: &Method) -> anyhow::Result<Sampler> {
    method.prepare(&Source::default(), 50, &Tuning::default())
}

/// One step of each solver in the middle of a run, on a 4 x 128 x 128 latent.
#[divan::bench(args = METHODS.iter().filter(|m| prepare(m).is_ok()).map(|m| m.name))]
fn solver_step(bencher: divan::Bencher<'_, '_>, name: &str) {
    let method = METHODS.iter().find(|m| m.name == name).unwrap();
    let make = || prepare(method).unwrap().solver;
    let mut noise = Noise::torch(0);
    let mut solver = make();
    let mut x = noise.normal(&[4, 128, 128]);
    let mut clean = x.clone();
    bencher.bench_local(|| {
        if solver.advance(Seen { x: &mut x, clean: &mut clean, extra: None }, &mut noise) == Want::Done {
            solver = make();
        }
    });
}
