//! `edrun.toml`, presets and variables from outside: which counts, and what is refused.

use std::process::Output;

use serde_json::Value as Json;

use crate::command::{Bench, stderr, stdout};

/// Names and values.
type Variables<'a> = &'a [(&'a str, &'a str)];

/// Runs `edrun config show` in a folder with a project's and a user's file.
fn bench(project: &str, user: &str) -> Bench {
    let bench = Bench::new();
    bench.write("edrun.toml", project.as_bytes());
    std::fs::create_dir_all(bench.path(".config/edrun")).unwrap();
    bench.write(".config/edrun/edrun.toml", user.as_bytes());
    bench
}

fn run(bench: &Bench, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = bench.command();
    // The home folder is no project, so the project is a folder inside it.
    std::fs::create_dir_all(bench.path("project/inner")).unwrap();
    std::fs::rename(bench.path("edrun.toml"), bench.path("project/edrun.toml")).ok();
    command.current_dir(bench.path("project/inner")).args(args).env_remove("XDG_CONFIG_HOME");
    command.envs(variables.iter().copied()).output().unwrap()
}

/// The value of a flag and where it comes from.
fn shown(output: &Output, flag: &str) -> (String, String) {
    assert!(output.status.success(), "{}", stderr(output));
    let report: Json = serde_json::from_str(&stdout(output)).unwrap();
    let row = report["flags"].as_array().unwrap().iter().find(|row| row["flag"] == flag).unwrap().clone();
    (row["value"].as_str().unwrap_or("-").to_owned(), row["origin"].as_str().unwrap().to_owned())
}

const PROJECT: &str = "
steps = 11
sampler = 'euler'
[image]
width = 32
steps = 12
[presets.fast]
steps = 2
quiet = true
sampler-option = { s_noise = 1.5 }
[presets.wide.image]
width = 64
";

const USER: &str = "
solver = 'heun'
cfg_scale = 3.5
[presets.fast]
steps = 99
height = 48
";

#[test]
fn the_nearer_place_counts() {
    let bench = bench(PROJECT, USER);
    let cases: &[(&[&str], Variables<'_>, &str, &str, &str)] = &[
        (&[], &[], "width", "32", "project/edrun.toml"),
        (&[], &[], "steps", "12", "project/edrun.toml"),
        (&["text"], &[], "steps", "11", "project/edrun.toml"),
        (&[], &[], "sampler", "euler", "project/edrun.toml"),
        (&[], &[], "guidance-scale", "3.5", ".config/edrun/edrun.toml"),
        (&[], &[], "seed", "-", "default"),
        (&[], &[], "rng", "torch", "default"),
        (&["--preset", "fast"], &[], "steps", "2", "the preset fast in"),
        (&["--preset", "fast"], &[], "height", "48", "the preset fast in"),
        (&["--preset", "fast"], &[], "quiet", "true", "the preset fast in"),
        (&["--preset", "fast"], &[], "sampler-option", "s_noise=1.5", "the preset fast in"),
        (&["--preset", "wide"], &[], "width", "64", "the preset wide in"),
        (&[], &[("EDRUN_PRESET", "fast")], "steps", "2", "the preset fast in"),
        (&["--preset", "fast"], &[("EDRUN_STEPS", "5")], "steps", "5", "the variable EDRUN_STEPS"),
        (&[], &[("EDRUN_GUIDANCE_SCALE", "2")], "guidance-scale", "2", "the variable EDRUN_GUIDANCE_SCALE"),
    ];
    for (args, variables, flag, value, origin) in cases {
        let output = run(&bench, &[&["config", "show", "--json"], *args].concat(), variables);
        let (found, from) = shown(&output, flag);
        assert_eq!(found, *value, "{args:?} {flag}");
        assert!(from.contains(origin), "{args:?} {flag}: {from}");
    }
    assert!(stdout(&run(&bench, &["config", "show"], &[])).contains("reads"));
}

#[test]
fn a_preset_may_be_called_as_a_command_and_a_prompt_as_a_flag() {
    let bench = bench("model = '../model'\nwidth = 32\nheight = 32\nsteps = 1\n[presets.image]\nsteps = 2", "");
    let steps = |args: &[&str]| -> Json {
        let output = run(&bench, &[args, &["--json", "--overwrite", "-o", "a.png"]].concat(), &[]);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        serde_json::from_str::<Json>(&stdout(&output)).unwrap()["steps"].clone()
    };
    assert_eq!(steps(&["--preset", "image", "image", "a"]), 2);
    assert_eq!(steps(&["image", "--preset=image", "a"]), 2);
    assert_eq!(steps(&["image", "help"]), 1);
    // A preset that stands for every command says nothing to those without its flags; one that is typed does.
    let listed = run(&bench, &["samplers"], &[("EDRUN_PRESET", "image")]);
    assert!(listed.status.success(), "{}", stderr(&listed));
    assert_eq!(run(&bench, &["samplers", "--preset", "image"], &[]).status.code(), Some(2));
    // Shells read this at their start, wherever that is.
    bench.write("project/edrun.toml", b"stepz = 1");
    assert!(run(&bench, &["completions", "bash"], &[]).status.success());
    assert_eq!(run(&bench, &["samplers"], &[]).status.code(), Some(2));
}

#[test]
fn what_is_typed_counts_most() {
    let bench = bench(
        "model = '../model'\nsteps = 2\nwidth = 32\nheight = 32\nseed = 3\nschedule = 'karras'\nsampler = 'euler'",
        "",
    );
    let report = |args: &[&str]| -> Json {
        let output = run(&bench, &[&["image", "a", "--json", "--overwrite"], args].concat(), &[]);
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_str(&stdout(&output)).unwrap()
    };
    let plain = report(&["-o", "a.png"]);
    assert_eq!((&plain["steps"], &plain["schedule"], &plain["width"]), (&2.into(), &"karras".into(), &32.into()));
    assert_eq!(report(&["--steps", "1", "-o", "b.png"])["steps"], 1);
    // A flag that excludes a configured one replaces it.
    let own = report(&["--sigmas", "3,1", "-o", "c.png"]);
    assert_eq!((&own["schedule"], &own["sigmas"][0]), (&Json::Null, &3.0.into()));
    // What is inspected is made again without today's configuration.
    let line = stdout(&run(&bench, &["inspect", "c.png"], &[]));
    assert!(line.contains(" --no-config ") && line.contains("--sigmas 3.0,1.0"), "{line}");
    // Without a configuration, the default model draws.
    assert_eq!(report(&["--no-config", "--steps", "1", "-o", "d.png"])["model"], "emoji");
}

#[test]
fn what_means_nothing_is_named_with_its_place() {
    let cases: &[(&str, Variables<'_>, &[&str], &[&str])] = &[
        ("stepz = 3", &[], &[], &["edrun.toml", "stepz", "steps"]),
        ("[image]\nsystem = 'x'", &[], &[], &["edrun.toml", "image", "system"]),
        ("[imagee]\nsteps = 3", &[], &[], &["imagee"]),
        ("[presets.fast]\nstepz = 3", &[], &[], &["presets.fast", "stepz"]),
        ("[presets]\nfast = 3", &[], &[], &["presets.fast", "no table"]),
        ("presets = 3", &[], &[], &["presets is no table"]),
        ("cfg-scale = 3\nguidance_scale = 4", &[], &[], &["guidance-scale a second time"]),
        ("steps = [1,", &[], &[], &["edrun.toml", "not TOML"]),
        ("steps = 'many'", &[], &[], &["edrun.toml", "many", "--steps"]),
        ("steps = [1, 2]", &[], &[], &["edrun.toml", "steps takes one value"]),
        ("quiet = 3", &[], &[], &["quiet is 3"]),
        ("", &[], &["--preset", "fast"], &["preset", "fast", "there are none"]),
        ("[presets.slow]\nsteps = 3", &[], &["--preset", "fast"], &["there are slow"]),
        ("[presets.talk]\nchat = true", &[], &["--preset", "talk"], &["talk", "chat", "edrun image"]),
        ("", &[("EDRUN_STEPZ", "3")], &[], &["EDRUN_STEPZ", "EDRUN_STEPS"]),
        ("", &[("EDRUN_STEPS", "many")], &[], &["EDRUN_STEPS", "many"]),
        ("", &[("EDRUN_QUIET", "perhaps")], &[], &["EDRUN_QUIET", "perhaps"]),
    ];
    for (project, variables, args, parts) in cases {
        let bench = bench(project, "");
        let output = run(&bench, &[&["image", "a", "--model", "../../model"], *args].concat(), variables);
        assert_eq!(output.status.code(), Some(2), "{project:?}");
        for part in *parts {
            assert!(stderr(&output).contains(part), "{project:?}: {part} is missing in {}", stderr(&output));
        }
        // Help is there whatever is configured.
        assert!(run(&bench, &["image", "--help"], variables).status.success());
    }
}

#[cfg(unix)]
#[test]
fn models_are_found_by_name() {
    let bench = bench("", "");
    let model = bench.path("model");
    std::fs::create_dir_all(bench.path("roots/org")).unwrap();
    std::os::unix::fs::symlink(&model, bench.path("roots/org/tiny")).unwrap();
    hub(&bench, "models--org--hubbed");
    let short = ["--steps", "1", "--width", "32", "--height", "32", "--seed", "1", "--quiet"];
    let roots = bench.path("roots").display().to_string();
    for (name, file) in [("org/tiny", "a.png"), ("org/hubbed", "b.png"), ("hubbed", "c.png")] {
        let args = [&["image", "a", "--model", name, "--model-root", &roots, "-o", file], &short[..]].concat();
        let output = run(&bench, &args, &[]);
        assert!(output.status.success(), "{name}: {}", stderr(&output));
    }
    let pixels = |name: &str| image::open(bench.path("project/inner").join(name)).unwrap().to_rgb8();
    assert_eq!(pixels("a.png"), pixels("c.png"));
    let output = run(&bench, &["image", "a", "--model", "absent"], &[]);
    for part in ["absent does not exist", "huggingface/hub", "edrun models"] {
        assert!(stderr(&output).contains(part), "{}", stderr(&output));
    }
    let listed = stdout(&run(&bench, &["models"], &[("EDRUN_MODEL_ROOT", &roots)]));
    assert!(listed.contains("org/tiny") && listed.contains("org/hubbed"), "{listed}");
}

/// A model as the hub's programs keep it: names that link to blobs.
#[cfg(unix)]
fn hub(bench: &Bench, name: &str) {
    let entry = bench.path("cache/huggingface/hub").join(name);
    std::fs::create_dir_all(entry.join("blobs")).unwrap();
    std::fs::create_dir_all(entry.join("refs")).unwrap();
    std::fs::write(entry.join("refs/main"), "c0ffee").unwrap();
    let mut count = 0;
    let mut folders = vec![std::path::PathBuf::new()];
    while let Some(folder) = folders.pop() {
        std::fs::create_dir_all(entry.join("snapshots/c0ffee").join(&folder)).unwrap();
        for found in std::fs::read_dir(bench.path("model").join(&folder)).unwrap().map(|found| found.unwrap()) {
            let inner = folder.join(found.file_name());
            if found.path().is_dir() {
                folders.push(inner);
                continue;
            }
            count += 1;
            let blob = entry.join("blobs").join(format!("{count:04}"));
            std::fs::copy(found.path(), &blob).unwrap();
            std::os::unix::fs::symlink(blob, entry.join("snapshots/c0ffee").join(inner)).unwrap();
        }
    }
    assert!(count > 5);
}
