//! ONNX Runtime libraries from outside: listed, installed, chosen, refused.

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value as Json;

use crate::command::{Bench, refused, stderr, stdout};

fn report(output: &Output) -> Json {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_str(&stdout(output)).unwrap()
}

/// The libraries of a list that are in use.
fn used(list: &Json) -> Vec<&Json> {
    list["libraries"].as_array().unwrap().iter().filter(|one| one["used"] == true).collect()
}

/// The library that the tests run on.
fn library(bench: &Bench) -> PathBuf {
    let list = report(&bench.run(&["runtime", "list", "--json"]));
    let [one] = used(&list)[..] else { panic!("{list}") };
    one["path"].as_str().unwrap().into()
}

#[test]
fn the_list_says_which_library_is_used_and_why() {
    let bench = Bench::new();
    let path = library(&bench);
    let list = report(&bench.run(&["runtime", "list", "--json", "--ort-lib", path.to_str().unwrap()]));
    let [one] = used(&list)[..] else { panic!("{list}") };
    assert_eq!((one["why"].as_str(), one["name"].as_str()), (Some("named by --ort-lib"), Some("named")));
    assert!(one["providers"].as_array().unwrap().contains(&"cpu".into()), "{list}");
    let variable = bench.command().args(["runtime", "list"]).env("EDRUN_ORT_LIB", &path).output().unwrap();
    assert!(stdout(&variable).contains("in use: named by EDRUN_ORT_LIB"), "{}", stdout(&variable));
    let foreign = report(&bench.run(&["runtime", "list", "--json", "--ort-lib", "model/model_index.json"]));
    assert!(used(&foreign)[0]["fault"].is_string(), "{foreign}");
}

#[test]
fn unknown_and_absent_runtimes_say_what_to_do() {
    let bench = Bench::new();
    refused(&bench, &bench.run(&["runtime", "install", "abacus"]), &["`abacus`", "there are"]);
    refused(&bench, &bench.image(&["--runtime", "abacus"]), &["`abacus`", "edrun runtime list"]);
    refused(&bench, &bench.image(&["--runtime", "webgpu"]), &["not installed", "edrun runtime install webgpu"]);
    let both = bench.image(&["--runtime", "cpu", "--ort-lib", "x.so"]);
    assert!(both.status.code() == Some(2) && stderr(&both).contains("--ort-lib"), "{}", stderr(&both));
}

#[test]
fn providers_that_cannot_serve_are_refused_before_the_work() {
    let cases: [(&[&str], &[&str]); 11] = [
        (&["--ep", "cuda"], &["`cuda` is not in ONNX Runtime", "which offers cpu", "edrun runtime install cuda"]),
        (&["--ep", "tensorrt:fp16,cache=x,cpu"], &["`tensorrt` is not in", "TensorRT"]),
        (&["--ep", "unet=webgpu"], &["`webgpu` is not in", "edrun runtime install webgpu"]),
        (&["--ep", "directml:1"], &["`directml` is not in", "Windows"]),
        (&["--ep", "qnn"], &["`qnn` is not in", "onnxruntime-qnn"]),
        (&["--ep", "migraphx"], &["`migraphx` is not in", "ROCm"]),
        (&["--ep", "unte=cpu"], &["`unte`", "text_encoder, unet, vae_decoder"]),
        (&["--ep", "cpu:threads=1,thraeds=2"], &["`thraeds` is no setting of cpu", "threads"]),
        (&["--ep", "npu"], &["unknown provider `npu`", "--ep-library"]),
        (&["--ep", "npu", "--ep-library", "npu=absent.so"], &["--ep-library npu", "absent.so"]),
        (&["--ep", "npu", "--ep-library", "npu=model/model_index.json"], &["npu", "model_index.json"]),
    ];
    let bench = Bench::new();
    for (args, parts) in cases {
        let output = bench.image(args);
        refused(&bench, &output, parts);
        assert!(!stderr(&output).contains("encoding the prompt"), "before the work: {}", stderr(&output));
    }
}

#[test]
fn a_fallback_is_allowed_and_told() {
    let bench = Bench::new();
    let output = bench.image(&["--ep", "cuda,cpu:threads=1", "--ep-fallback", "--json"]);
    let report = report(&output);
    let unet = &report["runtime"]["components"]["unet"];
    assert_eq!(unet["providers"], "cpu:threads=1");
    assert!(unet["fallback"].as_str().unwrap().contains("`cuda` is not in ONNX Runtime"), "{report}");
    assert!(unet["nodes"]["cpu"].as_u64() > Some(100), "{report}");
    let notes = stderr(&output);
    assert!(notes.contains("note: unet runs on cpu:threads=1, as --ep-fallback allows"), "{notes}");
}

#[test]
fn components_have_providers_of_their_own() {
    let bench = Bench::new();
    let flags = ["--ep", "cpu:threads=2,unet=cpu:threads=1", "--ep", "vae_decoder=cpu:arena=off", "--json"];
    let report = report(&bench.image(&flags));
    let components = report["runtime"]["components"].as_object().unwrap();
    let providers: Vec<_> = components.iter().map(|(name, one)| (name.as_str(), one["providers"].as_str())).collect();
    let expected = [
        ("text_encoder", Some("cpu:threads=2")),
        ("unet", Some("cpu:threads=1")),
        ("vae_decoder", Some("cpu:arena=off")),
    ];
    assert_eq!(providers, expected);
}

#[test]
fn the_registry_is_listed_and_helps() {
    let bench = Bench::new();
    let rows = report(&bench.run(&["runtime", "providers", "--json"]));
    let (text, help) = (bench.run(&["runtime", "providers"]), bench.run(&["image", "--help"]));
    for row in rows.as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        assert!(stdout(&text).contains(name) && stdout(&help).contains(&format!("{name}: ")), "{name}");
        for setting in row["settings"].as_array().unwrap() {
            assert!(stdout(&text).contains(setting["help"].as_str().unwrap()), "{name}: {setting}");
        }
    }
}

/// Installing with a stand-in for pip, so that no network is needed.
#[cfg(unix)]
mod install {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    /// A `python3` that unpacks a wheel as pip would, or what `script` does instead.
    fn stand_in(bench: &Bench, script: &str) {
        let text = format!("#!/bin/sh\nwhile [ \"$1\" != --target ]; do shift; done\n{script}\n");
        std::fs::create_dir_all(bench.path("bin")).unwrap();
        bench.write("bin/python3", text.as_bytes());
        std::fs::set_permissions(bench.path("bin/python3"), PermissionsExt::from_mode(0o755)).unwrap();
    }

    fn unpack(library: &Path) -> String {
        let name = library.file_name().unwrap().display();
        format!(
            "mkdir -p $2/onnxruntime/capi && cp {} $2/onnxruntime/capi/{name} && echo MIT > $2/onnxruntime/LICENSE \
             && echo no > $2/onnxruntime/capi/other.so",
            library.display()
        )
    }

    fn install(bench: &Bench) -> Output {
        let path = format!("{}:/usr/bin:/bin", bench.path("bin").display());
        let mut command = bench.command();
        command.args(["runtime", "install", "cpu", "--json", "--quiet"]).env("PATH", path).output().unwrap()
    }

    /// What lies in the cache of libraries.
    fn cached(bench: &Bench) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(bench.path("cache/edrun/runtime")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn what_is_installed_is_found_and_repaired() {
        let bench = Bench::new();
        stand_in(&bench, &unpack(&library(&bench)));
        let first = report(&install(&bench));
        assert_eq!(first["fetched"], true);
        let installed = PathBuf::from(first["path"].as_str().unwrap());
        let [folder] = &cached(&bench)[..] else { panic!("{:?}", cached(&bench)) };
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["LICENSE", "MANIFEST", installed.file_name().unwrap().to_str().unwrap()]);
        assert_eq!(report(&install(&bench))["fetched"], false, "what is intact is left alone");
        let list = report(&bench.run(&["runtime", "list", "--json"]));
        let here = |one: &&Json| one["path"] == first["path"] && one["origin"] == "installed in the cache";
        assert_eq!(list["libraries"].as_array().unwrap().iter().filter(here).count(), 1, "{list}");
        // The same size, and another content.
        let mut bytes = std::fs::read(&installed).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&installed, &bytes).unwrap();
        assert_eq!(report(&install(&bench))["fetched"], true, "what was damaged is fetched again");
        assert_ne!(std::fs::read(&installed).unwrap(), bytes);
    }

    #[test]
    fn what_fails_leaves_nothing() {
        let cases = [
            ("echo 'hashes do not match' >&2; exit 1", "hashes do not match"),
            ("mkdir -p $2/onnxruntime/capi", "is not in the wheel"),
        ];
        for (script, part) in cases {
            let bench = Bench::new();
            stand_in(&bench, script);
            let output = install(&bench);
            assert_eq!(output.status.code(), Some(2));
            assert!(stderr(&output).contains(part), "{}", stderr(&output));
            assert_eq!(cached(&bench), Vec::<PathBuf>::new());
        }
    }
}
