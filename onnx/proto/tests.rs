use super::*;
use crate::testing::data;
use std::fs;

#[test]
fn whole_graphs_are_described() {
    let found = describe(&data("external/model.onnx")).unwrap();
    let [file] = &found.external[..] else { panic!("{found:?}") };
    assert_eq!((file.location.as_str(), file.needed, file.held), ("weights.pb", 20, 20));
    assert!(found.is_onnx && found.total_bytes() > 20);
    for name in ["add.onnx", "casts.onnx", "slow.onnx", "layers.onnx"] {
        assert!(describe(&data(name)).unwrap().external.is_empty(), "{name}");
    }
}

#[test]
fn absent_and_escaping_weights_are_named() {
    let cases = [
        ("external_absent", ErrorKind::MissingFile, "weights.pb, which does not exist"),
        ("external_parent", ErrorKind::BadGraph, "`../external/weights.pb`, outside its folder"),
        ("external_absolute", ErrorKind::BadGraph, "`/etc/hostname`, outside its folder"),
    ];
    for (name, kind, expected) in cases {
        let error = describe(&data(name).join("model.onnx")).unwrap_err();
        assert_eq!(error.kind(), kind, "{name}");
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
}

#[test]
fn every_truncation_is_noticed_or_harmless() {
    let whole = fs::read(data("layers.onnx")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.onnx");
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        // What follows the graph is only the opset list; losing it is left to ONNX Runtime.
        if let Err(error) = describe(&path) {
            assert_eq!(error.kind(), ErrorKind::BadGraph, "{length}: {error}");
        } else {
            assert!(length > whole.len() - 8, "{length} of {} bytes pass", whole.len());
        }
    }
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = describe(&path).unwrap_err();
    assert!(error.to_string().contains("is truncated: it ends after 528 bytes"), "{error}");
}

#[test]
fn foreign_files_are_told_apart() {
    let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
    let cases = [
        ("", "is empty"),
        ("<html><body>404</body></html>", "is not an ONNX graph"),
        ("PK\u{3}\u{4}zip archive or so", "is not an ONNX graph"),
        ("\u{8}\u{8}", "is not an ONNX graph"),
        (lfs, "run `git lfs pull`"),
    ];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.onnx");
    for (content, expected) in cases {
        fs::write(&path, content).unwrap();
        let error = describe(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadGraph);
        assert!(error.to_string().contains(expected), "{content:?}: {error}");
    }
}

#[test]
fn absent_graphs_are_missing_files() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("absent.onnx");
    for (path, expected) in [(absent.as_path(), "does not exist"), (dir.path(), "is a folder")] {
        let error = describe(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingFile);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn weights_that_end_early_are_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(data("external/model.onnx"), dir.path().join("model.onnx")).unwrap();
    fs::write(dir.path().join("weights.pb"), [0; 10]).unwrap();
    let error = describe(&dir.path().join("model.onnx")).unwrap_err();
    assert!(error.to_string().contains("weights.pb is truncated: it has 10 bytes"), "{error}");
}

#[cfg(unix)]
#[test]
fn links_to_weights_stay_beside_the_graph() {
    use std::os::unix::fs::symlink;
    let (dir, blobs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for name in ["model.onnx", "weights.pb"] {
        fs::copy(data("external").join(name), blobs.path().join(name)).unwrap();
    }
    let graph = dir.path().join("model.onnx");
    symlink(blobs.path().join("weights.pb"), dir.path().join("weights.pb")).unwrap();
    fs::copy(data("external/model.onnx"), &graph).unwrap();
    let error = describe(&graph).unwrap_err();
    assert!(error.to_string().contains("replace it by the file itself"), "{error}");
    // As in the cache of the Hugging Face hub: both are links into one folder.
    fs::remove_file(&graph).unwrap();
    symlink(blobs.path().join("model.onnx"), &graph).unwrap();
    let mut loaded = crate::testing::load(&graph, &crate::GraphOptions::default());
    loaded.set_f32(0, &[4], &[1.0; 4]).unwrap();
    loaded.run(&crate::Cancel::new()).unwrap();
    let values: Vec<f32> = loaded.output_f32(0).unwrap().iter().copied().collect();
    assert_eq!(values, [1.0, 2.0, 3.0, 4.0]);
}
