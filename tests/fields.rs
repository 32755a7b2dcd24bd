//! Decoders of objects, and whole Shap-Es, against what torch and diffusers make of them (`make_decoders.py`, `make_shap_e.py`).

use edrun::media::{MeshWanted, Wanted};
use edrun::pipeline::{Ask, Pipeline, Settings};
use edrun_modalities::LatentCodec;
use edrun_modalities::image::Picture;
use edrun_modalities::mesh::{Extraction, Field, FieldDecoder, FieldFacts, Vec3, extract};
use edrun_onnx::{Cancel, Folder, GraphOptions};
use ndarray::{ArrayD, IxDyn};
use std::path::{Path, PathBuf};

use crate::command::{Bench, stderr, stdout};

fn npy(path: &Path) -> ArrayD<f32> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    ndarray_npy::ReadNpyExt::read_npy(&bytes[..]).unwrap()
}

/// Positions or colours.
fn triples(path: &Path) -> Vec<Vec3> {
    npy(path).as_slice().unwrap().as_chunks().0.iter().map(|v| Vec3::from_array(*v)).collect()
}

fn plain(channels: usize) -> LatentCodec {
    let config = serde_json::json!({ "latent_channels": channels, "scaling_factor": 1.0 });
    LatentCodec::from_configs(Some(&config), None, 1.0).unwrap()
}

struct Decoder {
    golden: PathBuf,
    facts: FieldFacts,
    decoder: FieldDecoder,
}

impl Decoder {
    /// A model's decoder, and the folder of what it gives.
    fn open(model: &Path, golden: &Path) -> Self {
        let folder = Folder::open(model).unwrap();
        let facts = FieldFacts::read(&folder).unwrap();
        let decoder = FieldDecoder::open(&folder, facts.clone(), &GraphOptions::default(), &Cancel::new()).unwrap();
        Self { golden: golden.to_owned(), facts, decoder }
    }

    fn field(&mut self) -> Box<dyn Field + '_> {
        let latents = npy(&self.golden.join("latents.npy"));
        let codec = plain(latents.shape()[0]);
        self.decoder.field(latents.view(), &codec, &Cancel::new()).unwrap()
    }

    fn compare(&mut self) {
        let (golden, facts) = (self.golden.clone(), self.facts.clone());
        let points = triples(&golden.join("points.npy"));
        let mut field = self.field();
        let mut distances = vec![0.0; points.len()];
        field.distances(&points, &mut distances).unwrap();
        let wanted = npy(&golden.join("distances.npy"));
        for (own, wanted) in distances.iter().zip(&wanted) {
            // All of them are positive inside.
            assert!((facts.level - own - wanted).abs() < 1e-4, "{}: {own} for {wanted}", golden.display());
        }
        let colours = field.colours(&points).unwrap();
        let file = golden.join("colours.npy");
        let wanted = file.exists().then(|| triples(&file));
        assert_eq!(colours.as_ref().map(Vec::len), wanted.as_ref().map(Vec::len));
        for (own, wanted) in colours.iter().flatten().zip(wanted.iter().flatten()) {
            assert!(own.distance(*wanted) < 1e-4, "{}: {own} for {wanted}", golden.display());
        }
    }
}

#[test]
fn decoders_give_the_fields_of_torch() {
    let fields = crate::data("fields");
    for kind in ["vecset", "triplane"] {
        Decoder::open(&fields.join(kind), &fields.join(kind)).compare();
    }
    for kind in ["shap-e", "shap-e-picture"] {
        Decoder::open(&fields.join(kind).join("model"), &fields.join(kind)).compare();
    }
}

#[test]
fn memory_decides_how_many_points_are_asked_at_a_time_and_changes_nothing() {
    let fields = crate::data("fields");
    let mut meshes = [4 << 20, 1 << 30].map(|memory| {
        let mut decoder = Decoder::open(&fields.join("triplane"), &fields.join("triplane"));
        let how = Extraction { cells: 16, memory, ..Extraction::default() };
        extract(&mut *decoder.field(), &how, &Cancel::new()).unwrap().mesh
    });
    assert!(meshes[0].triangles.len() > 100, "{}", meshes[0].triangles.len());
    let [little, much] = &mut meshes;
    assert_eq!(little.triangles, much.triangles);
    assert!(little.positions.iter().zip(&much.positions).all(|(a, b)| a.distance(*b) < 1e-5));
}

/// The latents of a Shap-E and what becomes of them.
fn shap_e(kind: &str, told: Ask) {
    let folder = crate::data("fields").join(kind);
    let ask = Ask {
        steps: Some(5),
        seed: 7,
        size: Wanted {
            mesh: MeshWanted { resolution: Some(32), min_part: Some(0.0), ..MeshWanted::default() },
            ..Wanted::default()
        },
        ..told
    };
    let mut pipeline = Pipeline::open(&folder.join("model"), Settings::default()).unwrap();
    let made = pipeline.make(&ask, &Cancel::new(), &mut |_| Ok(())).unwrap().made.remove(0);
    let wanted = npy(&folder.join("latents.npy"));
    assert_eq!(made.latents.shape(), wanted.shape());
    let worst = made.latents.iter().zip(&wanted).map(|(own, wanted)| (own - wanted).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-3, "{kind}: {worst}");
    assert_eq!(made.latents.raw_dim(), IxDyn(&[32, 16]));
    let edrun::media::Media::Mesh(mesh) = made.media else { panic!("no mesh") };
    assert!(mesh.topology().is_watertight() && mesh.colours.len() == mesh.positions.len());
}

#[test]
fn shap_e_gives_the_latents_of_diffusers() {
    shap_e("shap-e", Ask { prompt: "a red cube".into(), ..Ask::default() });
    let picture = Picture::open(&crate::data("fields/shap-e-picture/picture.png")).unwrap();
    shap_e("shap-e-picture", Ask { shown: Some(picture), ..Ask::default() });
}

#[test]
fn a_picture_becomes_a_mesh_and_words_are_refused_where_nobody_reads_them() {
    let bench = Bench::new();
    let (model, picture) =
        (crate::data("fields/shap-e-picture/model"), crate::data("fields/shap-e-picture/picture.png"));
    let (model, picture) = (model.to_str().unwrap(), picture.to_str().unwrap());
    let flags = ["--steps", "3", "--seed", "7", "--resolution", "32", "--min-part", "0", "--model", model];
    let run = |more: &[&str]| bench.run(&[&["3d"], more, &flags].concat());
    let output = run(&["--image", picture, "-o", "out.glb"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let inspected = bench.run(&["inspect", "out.glb"]);
    assert!(stdout(&inspected).contains(&format!("--image {picture}")), "{}", stdout(&inspected));
    for (args, want) in [
        (&[""][..], "give one with --image"),
        (&["a chair"], "give one with --image"),
        (&["a chair", "--image", picture], "leave the prompt out"),
        (&["--image", picture, "--negative-prompt", "ugly"], "--negative-prompt would have no effect"),
        (&["--image", "absent.png"], "absent.png"),
        (&[], "--image"),
    ] {
        let output = run(&[args, &["-o", "no.glb"]].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains(want), "{args:?}: {}", stderr(&output));
    }
    let words = crate::data("fields/shap-e/model");
    let output = bench.run(&["3d", "a cup", "--image", picture, "--model", words.to_str().unwrap(), "-o", "no.glb"]);
    assert!(stderr(&output).contains("leave --image out"), "{}", stderr(&output));
    assert!(!bench.path("no.glb").exists());
}
