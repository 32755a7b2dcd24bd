//! What goes wrong outside: interruptions, full disks, closed pipes, damaged caches, weights that are not what they were.
//! Nothing is lost, nothing half-made stays, nothing wrong is trusted.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::command::{Bench, refused, stderr, stdout};
use crate::graph_files::{Slow, externalise, poison, slow_down};

/// A short run of the small model, whose graphs are kept whatever their size.
const KEPT: [&str; 2] = ["--cache-from", "0"];

fn pixels(bench: &Bench, name: &str) -> Vec<u8> {
    image::open(bench.path(name)).unwrap().to_rgb8().into_raw()
}

/// The same picture, but for the rounding to eight bits.
fn alike(bench: &Bench, a: &str, b: &str) {
    let (one, other) = (pixels(bench, a), pixels(bench, b));
    let off = one.iter().zip(&other).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(one.len() == other.len() && off <= Some(1), "{a} and {b} differ by {off:?}");
}

/// The entries of the cache of graphs.
fn entries(bench: &Bench) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(bench.path("cache/edrun/graphs")).into_iter().flatten();
    let mut entries: Vec<_> = folders.map(|folder| folder.unwrap().path()).collect();
    entries.retain(|path| !path.ends_with("hashes"));
    entries.sort();
    entries
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

#[test]
fn a_file_that_appears_during_a_run_stays() {
    let bench = Bench::new();
    let args = ["image", "x", "--model", "model", "--width", "32", "--height", "32", "--steps", "60", "-o", "out.png"];
    let mut child = bench.command().args(args).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    // Outputs are checked before anything is loaded.
    assert!(lines.any(|line| line.contains("encoding")));
    bench.write("out.png", b"mine");
    let said: Vec<_> = lines.collect();
    assert!(child.wait().unwrap().success());
    assert_eq!(std::fs::read(bench.path("out.png")).unwrap(), b"mine");
    assert_eq!(bench.files(), ["out-2.png", "out.png"]);
    for part in ["out.png appeared during the run", "saved out-2.png"] {
        assert!(said.iter().any(|line| line.contains(part)), "{part}: {said:?}");
    }
}

#[cfg(unix)]
pub(crate) mod interrupts {
    use super::*;

    /// Far less than what is interrupted would take, and long enough for a busy machine.
    const SOON: Duration = Duration::from_secs(8);

    /// Starts a run and presses Ctrl-C a moment after a line that contains `at`; what it said afterwards.
    pub(crate) fn interrupted(bench: &Bench, args: &[&str], at: &str) -> (Child, Vec<String>) {
        let mut child = bench.command().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains(at)), "{at:?} was never said");
        std::thread::sleep(Duration::from_millis(300));
        let pressed = Instant::now();
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let rest: Vec<_> = lines.collect();
        child.wait().unwrap();
        println!("{at}: ended after {:.2} s", pressed.elapsed().as_secs_f64());
        assert!(pressed.elapsed() < SOON, "{at}: {:?}", pressed.elapsed());
        (child, rest)
    }

    fn run<'a>(more: &[&'a str]) -> Vec<&'a str> {
        let common = ["image", "x", "--model", "model", "--width", "32", "--height", "32", "--seed", "7"];
        [&common[..], more].concat()
    }

    #[test]
    fn loading_is_interrupted() {
        let bench = Bench::new();
        slow_down(&bench.path("model/unet/model.onnx"), "sample", Slow::Loading, 400);
        let args = run(&[&KEPT[..], &["-o", "out.png"]].concat());
        let (mut child, said) = interrupted(&bench, &args, "loading the denoiser");
        assert_eq!(said, ["interrupted; nothing was saved"]);
        assert_eq!(child.wait().unwrap().code(), Some(2));
        assert_eq!(bench.files(), Vec::<String>::new());
        // The text encoder's entry is whole; the denoiser's was never begun or is gone.
        assert_eq!(entries(&bench).len(), 1, "{:?}", entries(&bench));
    }

    #[test]
    fn a_step_is_interrupted() {
        let bench = Bench::new();
        slow_down(&bench.path("model/unet/model.onnx"), "sample", Slow::Running, 400);
        let (mut child, said) = interrupted(&bench, &run(&["-o", "out.png", "--preview-every", "1"]), "sampling");
        assert_eq!(said, ["interrupted; nothing was saved"]);
        assert_eq!(child.wait().unwrap().code(), Some(2));
        assert_eq!(bench.files(), Vec::<String>::new());
    }

    #[test]
    fn decoding_is_interrupted() {
        let bench = Bench::new();
        slow_down(&bench.path("model/vae_decoder/model.onnx"), "latent_sample", Slow::Running, 400);
        let (mut child, said) = interrupted(&bench, &run(&["-o", "out.png", "--steps", "1"]), "decoding");
        assert_eq!(said, ["interrupted; nothing was saved"]);
        assert_eq!(child.wait().unwrap().code(), Some(2));
        assert_eq!(bench.files(), Vec::<String>::new());
    }

    #[test]
    fn what_was_saved_before_is_told() {
        let bench = Bench::new();
        let lines = r#"{"prompt": "a", "steps": 1, "output": "a.png"}
{"prompt": "b", "steps": 900, "output": "b.png"}"#;
        bench.write("model/lines.jsonl", lines.as_bytes());
        let args = ["image", "--prompts", "model/lines.jsonl", "--model", "model", "--seed", "7", "--json"];
        let (child, said) = interrupted(&bench, &args, " of 900");
        assert_eq!(said.last().map(String::as_str), Some("interrupted; saved before: a.png"));
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(bench.files(), ["a.png"]);
        let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!((&report["interrupted"], &report["images"][0]["file"]), (&true.into(), &"a.png".into()));
    }

    /// A process that is killed at any moment leaves nothing that the next one trusts.
    #[test]
    fn what_a_killed_run_leaves_is_not_trusted() {
        let bench = Bench::new();
        succeeded(&bench.run(&run(&["--no-cache-models", "--steps", "2", "-o", "whole.png"])));
        for wait in [40, 80, 120, 160, 200, 260, 320, 400] {
            let args = run(&[&KEPT[..], &["--steps", "2", "--overwrite", "-o", "out.png"]].concat());
            let mut child = bench.command().args(args).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(wait));
            child.kill().unwrap();
            child.wait().unwrap();
            if bench.path("out.png").exists() {
                alike(&bench, "out.png", "whole.png");
            }
        }
        let again = bench.run(&run(&[&KEPT[..], &["--steps", "2", "--overwrite", "-o", "out.png"]].concat()));
        succeeded(&again);
        assert!(!stderr(&again).contains("note: "), "{}", stderr(&again));
        alike(&bench, "out.png", "whole.png");
    }
}

#[test]
fn a_reader_that_has_gone_stops_nothing() {
    let bench = Bench::new();
    let mut command = bench.command();
    command.args(["image", "x", "--model", "model", "--steps", "2", "--seed", "7", "--json", "-o", "out.png"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // As `head` does when it has seen enough.
    (child.stdout, child.stderr) = (None, None);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(bench.files(), ["out.png"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_finds_no_room_is_told() {
    let bench = Bench::new();
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let image = ["image", "x", "--model", "model", "--steps", "1", "--seed", "7", "--json", "-o", "out.png"];
    for (args, code) in [(&image[..], 1), (&["samplers"][..], 2), (&["text", "x", "--length", "4"][..], 2)] {
        let output = bench.command().args(args).stdout(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains("error: cannot write to standard output: No space"), "{}", stderr(&output));
    }
    // Nobody hears what has no room, and the picture is made.
    let output = bench.command().args(&image[..10]).args(["b.png"]).stderr(full()).output().unwrap();
    assert_eq!((output.status.code(), bench.files()), (Some(0), vec!["b.png".into(), "out.png".into()]));
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_takes_no_files_is_refused_before_the_work() {
    let bench = Bench::new();
    for flags in [&["-o", "/proc/out.png"][..], &["--save-latents", "/proc/l.npy"]] {
        let output = bench.image(flags);
        refused(&bench, &output, &["the folder /proc takes no files"]);
        assert!(!stderr(&output).contains("encoding"), "before the work: {}", stderr(&output));
    }
    let text = bench.run(&["text", "x", "--length", "4", "-o", "/proc/out.txt"]);
    refused(&bench, &text, &["the folder /proc takes no files"]);
}

/// The run with files of at most so many bytes, by the limit that shells set; the kernel answers as a full disk does.
#[cfg(target_os = "linux")]
fn short_of_room(bench: &Bench, blocks: usize, args: &[&str]) -> Output {
    let place = bench.path("");
    let mut command = Command::new("sh");
    command.current_dir(&place).env("HOME", &place).env("XDG_CACHE_HOME", bench.path("cache"));
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_edrun")]).args(args).output().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn files_that_find_no_room_leave_nothing() {
    let bench = Bench::new();
    let run = ["image", "x", "--model", "model", "--steps", "1", "--seed", "7", "--no-metadata"];
    let output = short_of_room(&bench, 2, &[&run[..], &["-o", "out.png"]].concat());
    refused(&bench, &output, &["cannot write out.png", "the disk is not full", "File too large"]);
    // What was saved before stays, and the report tells both.
    let lines = r#"{"prompt": "a", "width": 16, "height": 16, "output": "a.png"}
{"prompt": "b", "width": 256, "height": 256, "output": "b.png"}"#;
    bench.write("model/lines.jsonl", lines.as_bytes());
    let flags = ["image", "--prompts", "model/lines.jsonl", "--json"];
    let output = short_of_room(&bench, 16, &[&flags[..], &run[2..]].concat());
    assert_eq!((output.status.code(), bench.files()), (Some(1), vec!["a.png".to_owned()]), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["images"][0]["file"], "a.png");
    assert!(report["failures"][0]["error"].as_str().unwrap().contains("cannot write b.png"), "{report}");
}

/// A file system of a few kilobytes, where this user may mount one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("model/small")).unwrap();
    let script =
        "mount -t tmpfs -o size=8k edrun model/small || exit 77; \"$0\" \"$@\"; code=$?; ls -A model/small; exit $code";
    let mut command = Command::new("unshare");
    command.current_dir(bench.path("")).env("HOME", bench.path("")).env("XDG_CACHE_HOME", bench.path("cache"));
    command.args(["-rm", "sh", "-c", script, env!("CARGO_BIN_EXE_edrun")]);
    command.args(["image", "x", "--model", "model", "--steps", "1", "--seed", "7", "-o", "model/small/out.png"]);
    match command.output() {
        Ok(output) if output.status.code() == Some(2) => {
            refused(&bench, &output, &["cannot write model/small/out.png", "No space left on device"]);
            assert_eq!(stdout(&output), "", "nothing lies in the small folder");
        }
        // Without the right to mount, the test before this one stands alone.
        Ok(output) => assert!([Some(1), Some(77)].contains(&output.status.code()), "{}", stderr(&output)),
        Err(error) => println!("skipped: {error}"),
    }
}

#[test]
fn a_cache_without_room_is_told_and_harms_nothing() {
    let bench = Bench::new();
    bench.write("cache", b"in the way");
    let output = bench.image(&KEPT);
    succeeded(&output);
    assert!(stderr(&output).contains("note: cannot use the cache in"), "{}", stderr(&output));
}

#[test]
fn processes_fill_one_cache_at_once() {
    let bench = Bench::new();
    succeeded(&bench.image(&["--no-cache-models", "-o", "alone.png"]));
    let start = |name: &str| {
        let args = ["image", "a red cube", "--model", "model", "--steps", "2", "--seed", "7", "--width", "32"];
        let mut command = bench.command();
        command.args(args).args(["--height", "32", "-o", name]).args(KEPT);
        command.stderr(Stdio::piped()).spawn().unwrap()
    };
    let names = ["a.png", "b.png", "c.png", "d.png"];
    for child in names.map(start) {
        let output = child.wait_with_output().unwrap();
        succeeded(&output);
        assert!(!stderr(&output).contains("note: "), "{}", stderr(&output));
    }
    for name in names {
        alike(&bench, name, "alone.png");
    }
    assert_eq!(entries(&bench).len(), 3, "one for each component, nothing unfinished: {:?}", entries(&bench));
}

#[test]
fn damaged_cache_entries_are_made_anew() {
    type Damage = fn(&Path);
    let cut = |path: &Path, bytes| std::fs::File::options().write(true).open(path).unwrap().set_len(bytes).unwrap();
    let cases: [(&str, Damage); 5] = [
        ("weights altered", |entry| {
            let path = entry.join("model.onnx_data");
            let mut bytes = std::fs::read(&path).unwrap();
            bytes.iter_mut().for_each(|byte| *byte ^= 0x40);
            std::fs::write(path, bytes).unwrap();
        }),
        ("graph altered", |entry| {
            let path = entry.join("model.onnx");
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }),
        ("weights gone", |entry| std::fs::remove_file(entry.join("model.onnx_data")).unwrap()),
        ("manifest altered", |entry| std::fs::write(entry.join("manifest.json"), "{}").unwrap()),
        ("nothing but a folder", |entry| {
            std::fs::remove_dir_all(entry).unwrap();
            std::fs::create_dir(entry).unwrap();
        }),
    ];
    let bench = Bench::new();
    succeeded(&bench.image(&[&KEPT[..], &["-o", "first.png"]].concat()));
    let all = entries(&bench);
    assert_eq!(all.len(), 3);
    for (title, damage) in cases {
        all.iter().for_each(|entry| damage(entry));
        let output = bench.image(&[&KEPT[..], &["--overwrite"]].concat());
        succeeded(&output);
        println!("{title}");
        alike(&bench, "out.png", "first.png");
        assert!(!stderr(&output).contains("note: "), "{title}: {}", stderr(&output));
        assert_eq!(entries(&bench), all, "{title}");
        assert!(all.iter().all(|entry| entry.join("model.onnx").exists()), "{title}");
    }
    all.iter().for_each(|entry| cut(&entry.join("model.onnx_data"), 100));
    succeeded(&bench.image(&[&KEPT[..], &["--overwrite"]].concat()));
    alike(&bench, "out.png", "first.png");
}

/// A copy of the small model whose denoiser keeps its weights in a file of their own.
fn external() -> Bench {
    let bench = Bench::new();
    externalise(&bench.path("model/unet/model.onnx"), "model.onnx_data");
    bench
}

#[test]
fn weights_in_a_file_of_their_own_make_the_same_picture() {
    let (plain, bench) = (Bench::new(), external());
    [&plain, &bench].iter().for_each(|bench| succeeded(&bench.image(&[])));
    assert_eq!(pixels(&plain, "out.png"), pixels(&bench, "out.png"));
}

#[test]
fn weights_that_are_not_there_or_not_whole_are_named() {
    type Damage = fn(&Bench);
    const WEIGHTS: &str = "model/unet/model.onnx_data";
    let cases: [(Damage, &[&str]); 6] = [
        (|b| std::fs::remove_file(b.path(WEIGHTS)).unwrap(), &["unet/model.onnx_data", "does not exist", "copy it"]),
        (
            |b| {
                let bytes = std::fs::read(b.path(WEIGHTS)).unwrap();
                b.write(WEIGHTS, &bytes[..bytes.len() / 2]);
            },
            &["unet/model.onnx_data is truncated", "download it again"],
        ),
        (|b| b.write(WEIGHTS, b"version https://git-lfs.github.com/spec/v1\n"), &["Git LFS pointer", "git lfs pull"]),
        (|b| b.write(WEIGHTS, b"another file"), &["unet/model.onnx_data is truncated: it has 12 bytes"]),
        (
            |b| {
                let graph = b.path("model/unet/model.onnx");
                std::fs::copy(crate::data("models/sd15/unet/model.onnx"), &graph).unwrap();
                externalise(&graph, "../weights");
            },
            &["`../weights`", "outside its folder"],
        ),
        (
            |b| {
                let graph = b.path("model/unet/model.onnx");
                std::fs::copy(crate::data("models/sd15/unet/model.onnx"), &graph).unwrap();
                externalise(&graph, b.path("model/weights").to_str().unwrap());
            },
            &["model/weights`", "outside its folder"],
        ),
    ];
    for (damage, parts) in cases {
        let bench = external();
        damage(&bench);
        refused(&bench, &bench.image(&[]), parts);
    }
}

#[test]
fn weights_that_were_replaced_count_and_their_kept_form_does_not() {
    let bench = external();
    let path = bench.path("model/unet/model.onnx_data");
    succeeded(&bench.image(&[&KEPT[..], &["-o", "before.png"]].concat()));
    let mut bytes = std::fs::read(&path).unwrap();
    // Halves and doubles some of the values.
    bytes.chunks_exact_mut(64).for_each(|values| values[2] ^= 0x80);
    std::fs::write(&path, &bytes).unwrap();
    succeeded(&bench.image(&[&KEPT[..], &["-o", "after.png"]].concat()));
    succeeded(&bench.image(&["--no-cache-models", "-o", "plain.png"]));
    assert_ne!(pixels(&bench, "before.png"), pixels(&bench, "after.png"));
    alike(&bench, "after.png", "plain.png");
}

#[test]
fn weights_that_are_no_numbers_name_the_component() {
    let bench = Bench::new();
    poison(&bench.path("model/unet/model.onnx"));
    refused(&bench, &bench.image(&[]), &["unet", "not finite", "step 1"]);
    let bench = Bench::new();
    poison(&bench.path("model/vae_decoder/model.onnx"));
    refused(&bench, &bench.image(&[]), &["vae_decoder", "not finite"]);
    let bench = Bench::new();
    poison(&bench.path("model/text_encoder/model.onnx"));
    refused(&bench, &bench.image(&[]), &["text_encoder", "not finite"]);
}

/// As the cache of the Hugging Face hub has it: names are links to files named by their hashes.
#[cfg(unix)]
#[test]
fn links_are_followed_where_the_hub_keeps_files_so_and_nowhere_else() {
    use std::os::unix::fs::symlink;
    let (plain, bench) = (Bench::new(), external());
    let blobs = bench.path("model/blobs");
    std::fs::create_dir(&blobs).unwrap();
    let files =
        ["unet/model.onnx", "unet/model.onnx_data", "vae_decoder/model.onnx", "scheduler/scheduler_config.json"];
    for (i, file) in files.iter().enumerate() {
        let (name, blob) = (bench.path("model").join(file), blobs.join(format!("{i:064x}")));
        std::fs::rename(&name, &blob).unwrap();
        symlink(Path::new("../blobs").join(blob.file_name().unwrap()), &name).unwrap();
    }
    [&plain, &bench].iter().for_each(|bench| succeeded(&bench.image(&[])));
    assert_eq!(pixels(&plain, "out.png"), pixels(&bench, "out.png"));
    // A link of the weights alone, to somewhere else.
    let bench = external();
    let weights = bench.path("model/unet/model.onnx_data");
    std::fs::rename(&weights, bench.path("model/elsewhere")).unwrap();
    symlink(bench.path("model/elsewhere"), &weights).unwrap();
    refused(&bench, &bench.image(&[]), &["model.onnx_data is a link that leads out of the folder"]);
    // A link to nothing, as an interrupted download leaves it.
    std::fs::remove_file(bench.path("model/elsewhere")).unwrap();
    refused(&bench, &bench.image(&[]), &["model.onnx_data", "does not exist"]);
}

/// Every modality, before any graph is loaded.
#[test]
fn a_run_that_needs_more_memory_than_is_allowed_is_refused_before_it_begins() {
    type Case<'a> = (&'a str, &'a str, Option<&'a str>, &'a [&'a str], &'a [&'a str]);
    let cases: [Case<'_>; 5] = [
        (
            "image",
            "sd15",
            None,
            &["--width", "512", "--height", "512"],
            &["unet: ", "lower --batch, or make the picture smaller"],
        ),
        ("image", "lcm", None, &["--width", "768", "--height", "512"], &["unet: ", "--width and --height"]),
        ("audio", "sound", None, &[], &["this run needs about", "while it runs"]),
        ("3d", "sd15", Some("fields/grid"), &[], &["this run needs about"]),
        ("text", "bert", None, &["--length", "40"], &["model: ", "--length"]),
    ];
    for (command, model, over, flags, parts) in cases {
        let bench = Bench::of(model);
        over.into_iter().for_each(|over| crate::copy(&crate::data(over), &bench.path("model")));
        // What the program takes without a model.
        let limit = "60M";
        let common =
            [command, "x", "--model", "model", "--seed", "1", "--steps", "1", "--batch", "4", "--max-memory", limit];
        let output = bench.run(&[&common[..], flags].concat());
        refused(&bench, &output, &[&["--max-memory is 6", " MB"], parts].concat());
        assert!(!stderr(&output).contains("loading") && !stderr(&output).contains("encoding"), "{}", stderr(&output));
    }
    let bench = Bench::new();
    succeeded(&bench.image(&["--max-memory", "1G"]));
    let output = bench.image(&["--max-memory", "lots"]);
    assert!(
        output.status.code() == Some(2) && stderr(&output).contains("--max-memory \"lots\""),
        "{}",
        stderr(&output)
    );
}
