//! `edrun 3d` from outside, on deployments whose objects can be told without running them (`make_fields.py`).

use std::path::Path;
use std::process::Output;

use edrun_modalities::mesh::{Mesh, Vec3};
use serde_json::Value;

use crate::command::Bench;
use crate::{copy, data};

const ASK: [&str; 6] = ["3d", "a red cube", "--model", "model", "--seed", "7"];

/// A copy of sd15 with the parts of a maker of meshes over it.
fn bench(kind: &str) -> Bench {
    let bench = Bench::of("sd15");
    copy(&data("fields").join(kind), &bench.path("model"));
    bench
}

fn asked(bench: &Bench, more: &[&str]) -> Output {
    let coarse = if more.contains(&"--resolution") { &[][..] } else { &["--resolution", "48"] };
    bench.run(&[&ASK[..], coarse, more].concat())
}

fn made(bench: &Bench, more: &[&str]) -> Value {
    let output = asked(bench, &[more, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(bench: &Bench, more: &[&str]) -> String {
    let output = asked(bench, more);
    assert_eq!(output.status.code(), Some(2), "{more:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Positions, colours in linear light and triangles, as another reader sees them.
fn read(path: &Path) -> (Mesh, Value) {
    let file = gltf::Gltf::open(path).unwrap();
    let primitive = file.meshes().next().unwrap().primitives().next().unwrap();
    let reader = primitive.reader(|_| file.blob.as_deref());
    let positions = reader.read_positions().unwrap().map(Vec3::from_array).collect();
    let colours = reader.read_colors(0).unwrap().into_rgb_f32().map(Vec3::from_array).collect();
    let places: Vec<u32> = reader.read_indices().unwrap().into_u32().collect();
    let triangles = places.as_chunks().0.to_vec();
    let extras = file.document.as_json().asset.extras.as_ref().unwrap().get();
    (Mesh { positions, colours, triangles }, serde_json::from_str(extras).unwrap())
}

/// The radii and the colour of the object, from its latent as the generator states them.
fn wanted(latents: &Path) -> (Vec3, Vec3) {
    let latents: ndarray::Array5<f32> = ndarray_npy::read_npy(latents).unwrap();
    let way = |c: usize| (10.0 * latents.slice(ndarray::s![0, c, .., .., ..]).mean().unwrap()).tanh();
    let way = Vec3::new(way(1), way(2), way(3));
    (Vec3::splat(0.5) + 0.2 * way, Vec3::splat(0.5) + 0.4 * way)
}

#[test]
fn grids_and_queries_become_the_object_that_the_latent_tells_of() {
    for kind in ["grid", "query"] {
        let bench = bench(kind);
        let report = made(&bench, &["-o", "out.glb", "--save-latents", "latents.npy"]);
        let (radii, colour) = wanted(&bench.path("latents.npy"));
        let (mesh, extras) = read(&bench.path("out.glb"));
        let facts = &report["meshes"][0];
        assert_eq!(facts["watertight"], true, "{facts}");
        assert_eq!(facts["faces"], mesh.triangles.len(), "{kind}");
        assert_eq!(facts["vertices"], mesh.positions.len(), "{kind}");
        assert_eq!(facts["euler_characteristic"], 2);
        let topology = mesh.topology();
        assert!(topology.is_watertight(), "{kind}: {topology:?}");
        // The unit box is half as large as the region.
        let (low, high) = mesh.bounds();
        for axis in 0..3 {
            assert!((high[axis] - radii[axis] / 2.0).abs() < 0.01, "{kind}: {high} of {radii}");
            assert!((low[axis] + radii[axis] / 2.0).abs() < 0.01, "{kind}: {low} of {radii}");
        }
        let linear = Vec3::from_array(colour.to_array().map(|v| ((v + 0.055) / 1.055).powf(2.4)));
        assert!(mesh.colours.iter().all(|c| c.distance(linear) < 0.01), "{kind}: {} {linear}", mesh.colours[0]);
        let record: Value = serde_json::from_str(extras["edrun"].as_str().unwrap()).unwrap();
        assert_eq!((&record["prompt"], &record["seed"]), (&"a red cube".into(), &7.into()));
        assert_eq!((&record["modality"], &record["resolution"]), (&"3d".into(), &48.into()));
        assert_eq!((&record["steps"], &record["guidance_scale"]), (&8.into(), &2.0.into()));
    }
}

#[test]
fn every_format_and_the_turntable_are_written() {
    let bench = bench("grid");
    for (name, turntable) in [("a.glb", "a.gif"), ("b.obj", "b.png"), ("c.ply", "c.jpg"), ("d.stl", "d.gif")] {
        let report = made(&bench, &["-o", name, "--turntable", turntable, "--faces", "200"]);
        let facts = &report["meshes"][0];
        assert!(facts["faces"].as_u64().unwrap() <= 200 && facts["watertight"] == true, "{facts}");
        assert_eq!((&facts["file"], &facts["turntable"]), (&name.into(), &turntable.into()));
        let info = edrun_modalities::mesh::read_info(&bench.path(name)).unwrap().unwrap();
        assert!(info.parameters.starts_with("a red cube\nSteps: 8"), "{}", info.parameters);
        assert!(bench.path(turntable).metadata().unwrap().len() > 1000);
    }
}

#[test]
fn an_inspected_mesh_gives_the_command_that_makes_it_again() {
    let bench = bench("grid");
    for ending in ["glb", "obj", "ply", "stl"] {
        let (file, turntable) = (format!("out.{ending}"), format!("{ending}.gif"));
        made(&bench, &["-o", &file, "--turntable", &turntable, "--faces", "300", "--min-part", "0.2", "--steps", "3"]);
        for (inspected, made_again) in [(&file, format!("out-again.{ending}")), (&turntable, String::new())] {
            let output = bench.run(&["inspect", inspected, "--json"]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let report: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!((&report["modality"], &report["by"]), (&"3d".into(), &"edrun 0.1.0".into()), "{inspected}");
            for (flag, value) in [("seed", Value::from(7)), ("faces", 300.into()), ("min_part", 0.2.into())] {
                assert_eq!(report["flags"][flag], value, "{inspected}");
            }
            if made_again.is_empty() {
                continue;
            }
            let line: Vec<&str> =
                report["arguments"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
            assert!(bench.run(&line[1..]).status.success(), "{line:?}");
            let read = |name: &str| std::fs::read(bench.path(name)).unwrap();
            assert_eq!(read(&file), read(&made_again), "{line:?}");
        }
    }
}

#[test]
fn several_seeds_have_a_file_each_and_the_same_as_alone() {
    let bench = bench("grid");
    made(&bench, &["-o", "out.stl", "--count", "2", "--batch", "2", "--turntable", "view.png"]);
    for name in ["out-7.stl", "out-8.stl", "view-7.png", "view-8.png", "out-7.stl.json"] {
        assert!(bench.path(name).is_file(), "{name}");
    }
    made(&bench, &["-o", "alone.stl"]);
    let read = |name: &str| std::fs::read(bench.path(name)).unwrap();
    assert_eq!(read("alone.stl"), read("out-7.stl"));
    assert_ne!(read("out-8.stl"), read("out-7.stl"));
}

#[test]
fn what_cannot_be_honoured_is_refused_before_the_run() {
    let bench = bench("grid");
    std::fs::write(bench.path("there.gif"), "").unwrap();
    let cases: [(&[&str], &str); 13] = [
        (&["-o", "out.fbx"], ".glb, .obj, .ply, .stl"),
        (&["-o", "out.glb", "--faces", "0"], "--faces is 0"),
        (&["-o", "out.glb", "--resolution", "5000"], "8 to 2048"),
        (&["-o", "out.glb", "--resolution", "2047"], "32721 MiB or more, and 2048 MiB are allowed"),
        (&["-o", "out.glb", "--resolution", "64", "--max-memory", "100k"], "MiB are allowed"),
        (&["-o", "out.glb", "--faces", "3"], "4 triangles are the fewest"),
        (&["-o", "out.glb", "--min-part", "1.5"], "--min-part is 1.5"),
        (&["-o", "out.glb", "--min-part", "nan"], "--min-part is NaN"),
        (&["-o", "out.glb", "--max-memory", "much"], "--max-memory"),
        (&["-o", "out.glb", "--turntable", "view.mkv"], ".webm, .gif, .webp, .png"),
        (&["-o", "out.glb", "--turntable", "there.gif"], "there.gif exists"),
        (&["-o", "out.glb", "--turntable", "no/view.gif"], "does not exist"),
        (&["-o", "no/out.glb"], "does not exist"),
    ];
    for (more, want) in cases {
        let said = refused(&bench, more);
        assert!(said.contains(want), "{more:?}: {said}");
        assert!(!said.contains("sampling"), "{more:?}: {said}");
    }
    assert!(!bench.path("out.glb").exists());
}

#[test]
fn objects_that_are_none_leave_no_file() {
    let bench = bench("grid");
    let config = bench.path("model/vae_decoder/config.json");
    let with = |field: &str| {
        let text = format!(
            r#"{{"latent_channels": 4, "latent_shape": [4, 2, 2, 2], "scaling_factor": 1.0, "field": {field}}}"#
        );
        std::fs::write(&config, text).unwrap();
    };
    for (field, more, want) in [
        (r#"{"level": -5.0}"#, &["--resolution", "32"][..], "empty object"),
        (r#"{}"#, &["--max-memory", "2M"], "--max-memory is 2 MB, but this run needs about"),
        (r#"{}"#, &["--resolution", "509", "--max-memory", "100M"], "MiB are allowed"),
        (r#"{"level": "high"}"#, &[], "the key field of vae_decoder/config.json"),
        (r#"{"hight": 1}"#, &[], "hight"),
        (r#"{"half_size": 0}"#, &[], "half_size is 0"),
    ] {
        with(field);
        let said = refused(&bench, &[more, &["-o", "out.glb", "--turntable", "out.gif"]].concat());
        assert!(said.contains(want), "{field}: {said}");
        assert!(!bench.path("out.glb").exists() && !bench.path("out.gif").exists());
    }
}

#[test]
fn a_model_of_another_modality_names_its_command() {
    let bench = Bench::of("sd15");
    assert!(refused(&bench, &["-o", "out.glb"]).contains("edrun image"));
    copy(&data("fields/grid"), &bench.path("model"));
    let output = bench.run(&["image", "a red cube", "--model", "model"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("edrun 3d"));
}

#[test]
fn without_a_model_the_built_in_one_shapes() {
    let bench = Bench::new();
    let flags = ["--seed", "1", "--resolution", "48", "--json", "-o", "mushroom.glb"];
    let output = bench.run(&[&["3d", "a red mushroom with a white stem"], &flags[..]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["model"], &report["steps"]), (&"shapes".into(), &20.into()));
    assert_eq!(report["meshes"][0]["watertight"], true, "{report}");
    let (mesh, _) = read(&bench.path("mushroom.glb"));
    let (low, high) = mesh.bounds();
    let mean = |part: &dyn Fn(f32) -> bool| {
        let height = |p: Vec3| (p.y - low.y) / (high.y - low.y);
        let picked = mesh.positions.iter().zip(&mesh.colours).filter(|(p, _)| part(height(**p)));
        let colours: Vec<Vec3> = picked.map(|(_, colour)| *colour).collect();
        colours.iter().sum::<Vec3>() / colours.len() as f32
    };
    let (cap, stem) = (mean(&|height| height > 0.7), mean(&|height| height < 0.3));
    assert!(cap.x > 0.3 && cap.y < 0.2 && cap.z < 0.2, "the cap is {cap}, not red");
    assert!(stem.min_element() > 0.4, "the stem is {stem}, not white");
}
