//! From a field to a mesh: 256 cells a side, of a ball and of a surface with much area.
#![allow(clippy::unwrap_used, missing_docs)]

use divan::Bencher;
use edrun_modalities::mesh::{Extraction, Field, Region, Vec3, extract, simplify};
use edrun_onnx::Cancel;

fn main() {
    divan::main();
}

struct Solid(fn(Vec3) -> f32);

impl Field for Solid {
    fn region(&self) -> Region {
        Region::around(1.0)
    }

    fn distances(&mut self, points: &[Vec3], out: &mut [f32]) -> anyhow::Result<()> {
        out.iter_mut().zip(points).for_each(|(out, point)| *out = (self.0)(*point));
        Ok(())
    }
}

fn ball(p: Vec3) -> f32 {
    p.length() - 0.8
}

fn gyroid(p: Vec3) -> f32 {
    let q = p * 6.3;
    let value = q.x.sin() * q.y.cos() + q.y.sin() * q.z.cos() + q.z.sin() * q.x.cos();
    (value / 6.3).max(p.length() - 0.9)
}

const SOLIDS: [fn(Vec3) -> f32; 2] = [ball, gyroid];

#[divan::bench(args = [0, 1], sample_count = 5)]
fn extract_256(bencher: Bencher<'_, '_>, solid: usize) {
    let how = Extraction { cells: 256, ..Extraction::default() };
    bencher.bench_local(|| extract(&mut Solid(SOLIDS[solid]), &how, &Cancel::new()).unwrap().queries);
}

#[divan::bench(sample_count = 3)]
fn simplify_to_a_tenth(bencher: Bencher<'_, '_>) {
    let how = Extraction { cells: 128, ..Extraction::default() };
    let mesh = extract(&mut Solid(gyroid), &how, &Cancel::new()).unwrap().mesh;
    bencher.with_inputs(|| mesh.clone()).bench_local_values(|mut mesh| {
        let faces = mesh.triangles.len() / 10;
        simplify(&mut mesh, faces, &Cancel::new()).unwrap();
        mesh
    });
}
