use super::*;
use crate::testing::{data, load};
use crate::{Cancel, GraphOptions};

/// Every small deployment of the repository.
fn deployments() -> Vec<std::path::PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/models");
    let folders = |path: &Path| {
        let entries = std::fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let models = folders(&root);
    let parts = models.iter().flat_map(|model| folders(model)).chain(models.clone());
    parts.map(|folder| folder.join("model.onnx")).filter(|graph| graph.is_file()).collect()
}

/// The shape of every value of a graph.
fn shapes(path: &Path, rows: usize, usual: usize) -> (Structure, HashMap<String, Known>) {
    let structure = Structure::read(path).unwrap();
    let mut known: HashMap<String, Known> =
        structure.weights.iter().map(|(name, weight)| (name.clone(), Known::of_weight(weight))).collect();
    known.extend(structure.inputs.iter().map(|port| (port.name.clone(), input(port, &[], rows, usual))));
    for node in &structure.nodes {
        let inputs: Vec<_> = node.inputs.iter().map(|name| known.get(name)).collect();
        let outputs = shapes::outputs(node, &inputs);
        known.extend(node.outputs.iter().cloned().zip(outputs));
    }
    (structure, known)
}

#[test]
fn shapes_are_those_that_the_graphs_give() {
    let mut compared = 0;
    for path in deployments() {
        let (rows, usual) = (2, 16);
        let (structure, known) = shapes(&path, rows, usual);
        let mut graph = load(&path, &GraphOptions::default());
        for port in 0..graph.inputs().len() {
            let shape = known[&graph.inputs()[port].name.clone()].shape.clone();
            // Token ids and times that every vocabulary has.
            graph.set_f32(port, &shape, &vec![1.0; shape.iter().product()]).unwrap();
        }
        // Some leave the number of channels open, or how much was said before, and run with one number only.
        if graph.run(&Cancel::new()).is_err() {
            continue;
        }
        for (i, name) in structure.outputs.iter().enumerate() {
            assert_eq!(known[name].shape, graph.output_shape(i).unwrap(), "{name} of {}", path.display());
            compared += 1;
        }
    }
    assert!(compared >= 25, "only {compared} outputs were compared");
}

#[test]
fn of_two_shapes_the_one_with_as_many_axes_counts() {
    let of = |shapes: &[&[usize]]| {
        let given: Vec<_> = shapes.iter().map(|shape| Given { names: &["x"], shape: shape.to_vec() }).collect();
        Footprint::of(&data("layers.onnx"), &given, 1, 1).unwrap()
    };
    assert_eq!(of(&[&[1, 8, 100], &[100, 8]]), of(&[&[100, 8]]));
    assert_ne!(of(&[&[100, 8]]), of(&[&[10, 8]]));
}

#[test]
fn values_live_as_long_as_they_are_read() {
    // w1 [8, 16], w2 [16, 4]: x [n, 8] -> a = x w1 -> b = a + b1 -> c = relu b -> d = c w2 -> y = d + b2.
    let given = Given { names: &["x"], shape: vec![100, 8] };
    let footprint = Footprint::of(&data("layers.onnx"), &[given], 1, 1).unwrap();
    // The most is there while a is made: x and a; then a is written over twice.
    assert_eq!(footprint.values, ARENA * 100 * (8 + 16) * 4);
    assert_eq!(footprint.weights, data("layers.onnx").metadata().unwrap().len());
}

#[test]
fn weights_in_other_files_and_half_the_bits_count() {
    let external = Footprint::of(&data("external/model.onnx"), &[], 1, 1).unwrap();
    assert_eq!(external.weights, crate::Outline::total_bytes(&data("external/model.onnx")).unwrap());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/models");
    let [half, single] =
        ["sd15-fp16", "sd15"].map(|name| Footprint::of(&root.join(name).join("unet/model.onnx"), &[], 2, 16).unwrap());
    assert!(half.weights.abs_diff(single.weights) < single.weights / 50, "{half:?} {single:?}");
}

#[test]
fn damaged_graphs_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.onnx");
    let whole = std::fs::read(data("layers.onnx")).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        if let Err(error) = Footprint::of(&path, &[], 1, 1) {
            assert!(error.to_string().contains("cut.onnx"), "{error}");
        }
    }
}
