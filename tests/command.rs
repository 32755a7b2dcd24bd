//! The binary from outside.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::copy;

/// A fresh directory with a copy of a small deployment in it, to be damaged at will.
pub(crate) struct Bench {
    dir: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::of("sd15")
    }

    /// With a copy of another model.
    pub(crate) fn of(model: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(&crate::data("models").join(model), &dir.path().join("model"));
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edrun"));
        command.current_dir(self.dir.path()).env("HOME", self.dir.path()).env("XDG_CACHE_HOME", self.path("cache"));
        command.env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).output().unwrap()
    }

    /// A short run on the copy, with more flags.
    pub(crate) fn image(&self, args: &[&str]) -> Output {
        let short = [
            "image",
            "a red cube",
            "--model",
            "model",
            "--steps",
            "2",
            "--seed",
            "7",
            "--width",
            "32",
            "--height",
            "32",
            "-o",
            "out.png",
        ];
        let kept = short.chunks(2).filter(|pair| !args.contains(&pair[0])).flatten();
        self.run(&kept.chain(args).copied().collect::<Vec<_>>())
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !["model", "cache", ".cache"].contains(&name.as_str()));
        names.sort();
        names
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// One sentence that says all of `parts`, exit code 2, and no file left behind.
pub(crate) fn refused(bench: &Bench, output: &Output, parts: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let errors: Vec<_> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "one sentence is wanted: {said}");
    for part in parts {
        assert!(errors[0].contains(part), "{part:?} is missing in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(bench.files(), Vec::<String>::new(), "files were left behind");
}

#[test]
fn a_run_writes_a_picture_and_says_how_it_was_made() {
    let bench = Bench::new();
    let output = bench.image(&["--save-latents", "latents.npy"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(bench.files(), ["latents.npy", "out.png"]);
    let picture = image::open(bench.path("out.png")).unwrap();
    assert_eq!((picture.width(), picture.height()), (32, 32));
    let about = edrun_modalities::info::about(&bench.path("out.png")).unwrap();
    let info = edrun_modalities::Info::of(&about.texts).unwrap();
    assert!(
        info.parameters.starts_with("a red cube\nSteps: 2, Sampler: pndm, CFG scale: 7.5, Seed: 7, Size: 32x32"),
        "{}",
        info.parameters
    );
    let made: serde_json::Value = serde_json::from_str(&info.json).unwrap();
    assert_eq!((made["seed"].as_u64(), made["sampler"].as_str()), (Some(7), Some("pndm")));
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let bench = Bench::new();
    let bytes = |name: &str, seed: &str| {
        let output = bench.image(&["--seed", seed, "-o", name]);
        assert!(output.status.success(), "{}", stderr(&output));
        std::fs::read(bench.path(name)).unwrap()
    };
    assert_eq!(bytes("a.png", "7"), bytes("b.png", "7"));
    assert_ne!(bytes("c.png", "7"), bytes("d.png", "8"));
}

#[test]
fn json_is_the_only_thing_on_standard_output() {
    let bench = Bench::new();
    let output = bench.image(&["--json", "--count", "2", "-o", "out.jpg"]);
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["images"][1]["seed"], 8);
    assert_eq!(report["images"][0]["file"], "out-7.jpg");
    assert_eq!(bench.files(), ["out-7.jpg", "out-8.jpg"]);
    let quiet = bench.image(&["--quiet", "-o", "quiet.png"]);
    assert_eq!((stdout(&quiet), stderr(&quiet)), (String::new(), String::new()));
}

#[test]
fn latents_written_and_read_again_start_a_run() {
    let bench = Bench::new();
    assert!(bench.image(&["--save-latents", "l.npy"]).status.success());
    let output = bench.image(&["--init-latents", "l.npy", "-o", "again.png"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let wrong = bench.image(&["--init-latents", "l.npy", "--width", "64", "-o", "wrong.png"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("--init-latents has the shape [1, 4, 4, 4]"), "{}", stderr(&wrong));
}

#[test]
fn a_folder_states_its_own_defaults() {
    let bench = Bench::new();
    bench.write("model/edrun.json", br#"{"steps": 3}"#);
    let size = ["--width", "32", "--height", "32"];
    let output = bench.run(&[&["image", "x", "--model", "model", "--json", "-o", "out.png"], &size[..]].concat());
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(
        (&report["steps"], &report["guidance_scale"]),
        (&3.into(), &7.5.into()),
        "the other one is the family's"
    );
    bench.write("model/edrun.json", br#"{"steps": 3, "guidance_scale": 1.0}"#);
    // The list the folder names acts, and gives way to a sampler that has none.
    let made = |flags: &[&str], file: &str| {
        let output =
            bench.run(&[&["image", "x", "--model", "model", "--seed", "1", "-o", file], &size[..], flags].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        std::fs::read(bench.path(file)).unwrap()
    };
    let asked = made(&["--sampler", "euler", "--schedule", "karras"], "a.png");
    let own = br#"{"steps": 3, "guidance_scale": 1.0, "sampler": "euler", "schedule": "karras"}"#;
    bench.write("model/edrun.json", own);
    let pixels = |bytes: &[u8]| image::load_from_memory(bytes).unwrap().to_rgb8();
    assert_eq!(pixels(&made(&[], "b.png")), pixels(&asked));
    made(&["--sampler", "ddim"], "c.png");
}

#[test]
fn without_a_model_the_built_in_one_draws() {
    let bench = Bench::new();
    let output = bench.run(&["image", "red apple", "--seed", "1", "--json", "-o", "apple.png"]);
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&report["model"], &report["steps"], &report["width"]), (&"emoji".into(), &20.into(), &64.into()));
    let picture = image::open(bench.path("apple.png")).unwrap().to_rgb8();
    let [corner, middle] = [picture.get_pixel(1, 1).0, picture.get_pixel(32, 38).0];
    assert!(corner.iter().all(|v| *v > 225), "the corner is {corner:?}, not white");
    assert!(middle[0] > 150 && middle[1] < 110 && middle[2] < 110, "the middle is {middle:?}, not red");
}

#[test]
fn a_prompt_that_is_far_too_long_is_cut_in_the_warning_too() {
    let bench = Bench::new();
    let output = bench.run(&["image", &"cat ".repeat(5000), "--steps", "1", "--seed", "1", "-o", "cat.png"]);
    let warning = stderr(&output).lines().find(|line| line.contains("without effect is: ")).unwrap().to_owned();
    assert!(warning.contains(" letters) ... ") && warning.len() < 250, "{warning}");
}

#[test]
fn the_built_in_twin_draws_in_four_steps() {
    let bench = Bench::new();
    let output =
        bench.run(&["image", "red apple", "--model", "emoji-fast", "--seed", "1", "--json", "-o", "apple.png"]);
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&report["model"], &report["steps"]), (&"emoji-fast".into(), &4.into()));
    let middle = image::open(bench.path("apple.png")).unwrap().to_rgb8().get_pixel(32, 38).0;
    assert!(middle[0] > 150 && middle[1] < 110 && middle[2] < 110, "the middle is {middle:?}, not red");
}

#[test]
fn files_are_not_overwritten_unless_told() {
    let bench = Bench::new();
    bench.write("out.png", b"mine");
    let output = bench.image(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("out.png exists"), "{}", stderr(&output));
    assert_eq!(std::fs::read(bench.path("out.png")).unwrap(), b"mine");
    assert!(bench.image(&["--overwrite"]).status.success());
    assert_ne!(std::fs::read(bench.path("out.png")).unwrap(), b"mine");
}

#[test]
fn flags_out_of_range_are_refused_before_the_work() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["--steps", "0"], &["--steps is 0"]),
        (&["--steps", "1001"], &["--steps 1001", "1000"]),
        (&["--width", "60"], &["--width is 60", "multiple of 16", "48 and 64"]),
        (&["--height", "0"], &["--height is 0"]),
        (&["--width", "99999984"], &["--width", "16384"]),
        (&["--sampler", "eulr"], &["eulr", "nearest are euler"]),
        (&["--sampler", "gms"], &["gms", "2 groups of channels", "2311.00941", "gives 0"]),
        (&["--sampler", "bfn"], &["bfn", "no Bayesian flow", "dpmpp-2m"]),
        (&["--sampler", "sscs"], &["sscs", "no velocity", "euler"]),
        (&["--schedule", "karas"], &["karas", "karras"]),
        (&["--schedule", "karras", "--sampler", "ddim"], &["--schedule karras", "ddim", "dpmpp-2m"]),
        (&["--sampler", "euler", "--sigmas", "1,2"], &["--sigmas", "go down"]),
        (&["--sampler", "euler", "--sigmas", "2,-1"], &["--sigmas", "above 0"]),
        (&["--sampler", "euler", "--sigmas", "0"], &["--sigmas is empty"]),
        (&["--sampler", "euler", "--timesteps", "500,500"], &["--timesteps", "go down"]),
        (&["--sampler", "euler", "--sigmas", "3,2,1"], &["--steps is 2", "3 steps"]),
        (&["--sampler", "pndm", "--timesteps", "500,3"], &["--timesteps", "pndm", "euler"]),
        (&["--eta", "0.5"], &["--eta", "pndm"]),
        (&["--sampler-option", "sparkle=1"], &["sparkle", "pndm"]),
        (&["--sampler-option", "order"], &["--sampler-option", "NAME=VALUE"]),
        (&["--eta", "1.5", "--sampler", "ddim"], &["--eta is 1.5"]),
        (&["--guidance-scale", "-1"], &["--guidance-scale is -1"]),
        (&["--guidance-scale", "nan"], &["--guidance-scale"]),
        (&["--guidance-rescale", "2"], &["--guidance-rescale is 2"]),
        (&["--guidance-scale", "1", "--negative-prompt", "x"], &["--negative-prompt", "no effect"]),
        (&["--sampler", "ddim-inverse"], &["ddim-inverse", "--init-latents"]),
        (&["--variation-seed", "3", "--variation-strength", "1.5"], &["--variation-strength is 1.5"]),
        (&["--rng", "dice"], &["--rng", "dice", "torch"]),
        (&["--count", "0"], &["--count"]),
        (&["--seed", "-1"], &["--seed", "leave it out for a random one"]),
        (&["--threads", "0"], &["--threads is 0"]),
        (&["--ep", "abacus"], &["abacus", "cpu"]),
        (&["--cache-limit", "lots"], &["--cache-limit", "lots"]),
        (&["-o", "out.xyz"], &[".xyz", ".png"]),
        (&["--bit-depth", "12"], &["--bit-depth is 12", "8 or 16"]),
        (&["--bit-depth", "16", "-o", "out.jpg"], &["JPEG", "16 bits", "PNG or TIFF"]),
        (&["-o", "no/such/out.png"], &["no/such", "does not exist"]),
        (&["--init-latents", "none.npy"], &["none.npy"]),
        (&["--ort-lib", "none.so"], &["none.so"]),
        (&["--strength", "0.5"], &["--strength", "--init-image"]),
        (&["--mask", "model/square.png"], &["--mask", "--init-image"]),
        (&["--init-image", "none.png"], &["none.png"]),
        (&["--init-image", "model/square.png", "--strength", "0"], &["--strength is 0"]),
        (&["--init-image", "model/square.png", "--strength", "1.5"], &["--strength is 1.5"]),
        (&["--init-image", "model/square.png", "--strength", "0.1"], &["--strength 0.1", "none of the 2 steps"]),
        (&["--init-image", "model/model_index.json"], &["model_index.json", "PNG, JPEG, WebP or TIFF"]),
    ];
    let bench = Bench::new();
    square(&bench);
    for (args, parts) in cases {
        refused(&bench, &bench.image(args), parts);
    }
}

/// A grey picture of 70 x 50 pixels, `model/square.png`.
fn square(bench: &Bench) {
    image::RgbImage::from_pixel(70, 50, image::Rgb([90, 120, 200])).save(bench.path("model/square.png")).unwrap();
}

#[test]
fn a_picture_given_sets_the_size_and_half_the_way() {
    let bench = Bench::new();
    square(&bench);
    image::GrayImage::new(64, 48).save(bench.path("model/keep.png")).unwrap();
    image::GrayImage::from_pixel(9, 9, image::Luma([255])).save(bench.path("model/anew.png")).unwrap();
    let start = &[
        "image",
        "x",
        "--model",
        "model",
        "--init-image",
        "model/square.png",
        "--steps",
        "4",
        "--sampler",
        "euler",
        "--guidance-scale",
        "1",
        "--json",
    ];
    let output = bench.run(&[&start[..], &["--strength", "0.5", "-o", "half.png"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&report["width"], &report["height"]), (&64.into(), &48.into()));
    assert_eq!(report["seconds"]["denoiser_runs"], 2);
    // What a mask keeps does not hear the prompt; what it makes anew does.
    let pixels = |prompt: &str, mask: &str| {
        let file = format!("{prompt}-{mask}");
        let masked = [&["image", prompt, "--mask", &format!("model/{mask}"), "--seed", "1", "-o", &file], &start[2..]];
        let output = bench.run(&masked.concat());
        assert!(output.status.success(), "{}", stderr(&output));
        image::open(bench.path(&file)).unwrap().to_rgb8()
    };
    assert_eq!(pixels("cat", "keep.png"), pixels("dog", "keep.png"));
    assert_ne!(pixels("cat", "anew.png"), pixels("dog", "anew.png"));
}

#[test]
fn damaged_models_are_refused_by_name() {
    type Damage = fn(&Bench);
    let cases: &[(&str, Damage, &[&str])] = &[
        ("no folder", |b| std::fs::remove_dir_all(b.path("model")).unwrap(), &["model", "does not exist"]),
        (
            "no graph",
            |b| std::fs::remove_file(b.path("model/unet/model.onnx")).unwrap(),
            &["unet/model.onnx", "does not exist"],
        ),
        (
            "truncated graph",
            |b| {
                let bytes = std::fs::read(b.path("model/unet/model.onnx")).unwrap();
                b.write("model/unet/model.onnx", &bytes[..bytes.len() / 2]);
            },
            &["unet/model.onnx"],
        ),
        ("no graph at all", |b| b.write("model/vae_decoder/model.onnx", b"not a graph"), &["vae_decoder/model.onnx"]),
        (
            "config is no JSON",
            |b| b.write("model/scheduler/scheduler_config.json", b"{ nope"),
            &["scheduler_config.json", "not JSON"],
        ),
        (
            "unknown scheduler",
            |b| b.write("model/scheduler/scheduler_config.json", br#"{"_class_name": "MagicScheduler"}"#),
            &["MagicScheduler", "--sampler"],
        ),
        (
            "unknown key",
            |b| b.write("model/scheduler/scheduler_config.json", br#"{"_class_name": "DDIMScheduler", "sparkle": 1}"#),
            &["sparkle"],
        ),
        (
            "wrong value",
            |b| {
                b.write(
                    "model/scheduler/scheduler_config.json",
                    br#"{"_class_name": "DDIMScheduler", "timestep_spacing": "spiral"}"#,
                )
            },
            &["timestep_spacing", "spiral", "leading"],
        ),
        (
            "a variance that no network gives",
            |b| {
                b.write(
                    "model/scheduler/scheduler_config.json",
                    br#"{"_class_name": "DDPMScheduler", "variance_type": "learned_range"}"#,
                )
            },
            &["variance_type", "learned_range", "fixed_small"],
        ),
        (
            "channels that are no whole number of latents",
            |b| b.write("model/unet/config.json", br#"{"in_channels": 4, "out_channels": 6}"#),
            &["out_channels 6", "latents have 4"],
        ),
        (
            "no scheduler",
            |b| std::fs::remove_dir_all(b.path("model/scheduler")).unwrap(),
            &["scheduler_config.json", "missing"],
        ),
        ("no index", |b| std::fs::remove_file(b.path("model/model_index.json")).unwrap(), &["model_index.json"]),
        (
            "another family",
            |b| b.write("model/model_index.json", br#"{"_class_name": "MagicPipeline"}"#),
            &["MagicPipeline", "Stable Diffusion"],
        ),
        ("unknown default", |b| b.write("model/edrun.json", br#"{"stepps": 3}"#), &["edrun.json", "stepps"]),
        ("no tokenizer", |b| std::fs::remove_dir_all(b.path("model/tokenizer")).unwrap(), &["tokenizer"]),
        (
            "another graph as unet",
            |b| {
                std::fs::copy(b.path("model/vae_decoder/model.onnx"), b.path("model/unet/model.onnx"))
                    .map(drop)
                    .unwrap()
            },
            &["unet", "no input named"],
        ),
    ];
    for (title, damage, parts) in cases {
        let bench = Bench::new();
        damage(&bench);
        println!("{title}");
        refused(&bench, &bench.image(&[]), parts);
    }
}

#[test]
fn values_that_are_not_finite_name_component_and_step() {
    let bench = Bench::new();
    let mut config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(bench.path("model/scheduler/scheduler_config.json")).unwrap()).unwrap();
    // Terminal noise without any signal: a network that predicts noise has no clean estimate there.
    config["_class_name"] = "DDIMScheduler".into();
    config["rescale_betas_zero_snr"] = true.into();
    config["timestep_spacing"] = "trailing".into();
    bench.write("model/scheduler/scheduler_config.json", config.to_string().as_bytes());
    refused(&bench, &bench.image(&[]), &["unet", "not finite", "step 1"]);
}

#[test]
fn prompts_come_from_standard_input_up_to_a_limit() {
    let bench = Bench::new();
    let ask = |text: &[u8], name: &str| {
        let args = ["image", "-", "--model", "model", "--steps", "1", "--width", "32", "--height", "32", "-o", name];
        let mut child = bench
            .command()
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The child may stop reading early; that is what is tested.
        let _ = child.stdin.take().unwrap().write_all(text);
        child.wait_with_output().unwrap()
    };
    refused(&bench, &ask(&vec![b'x'; 10 << 20], "out.png"), &["prompt", "65536"]);
    refused(&bench, &ask(b"\xff\xfe", "out.png"), &["UTF-8"]);
    for (i, text) in ["", "日本語 العربية 👩‍🚀", "a\n", &"word ".repeat(10_000)].iter().enumerate() {
        let output = ask(text.as_bytes(), &format!("{i}.png"));
        assert!(output.status.success(), "{}", stderr(&output));
    }
}

#[test]
fn a_prompt_that_is_too_long_is_cut_with_a_warning() {
    let bench = Bench::new();
    let prompt = format!("{} the very end", "a cube ".repeat(60));
    let output = bench.run(&["image", &prompt, "--model", "model", "--steps", "1", "-o", "out.png"]);
    assert!(output.status.success() && stderr(&output).contains("the very end"), "{}", stderr(&output));
}

#[test]
fn lists_come_from_the_registries() {
    let bench = Bench::new();
    for (command, name) in [("samplers", "dpmpp-2m"), ("schedules", "karras")] {
        assert!(stdout(&bench.run(&[command])).contains(name));
        let rows: serde_json::Value = serde_json::from_str(&stdout(&bench.run(&[command, "--json"]))).unwrap();
        assert!(rows.as_array().unwrap().iter().any(|row| row["name"] == name));
    }
    assert_eq!(bench.run(&["dance"]).status.code(), Some(2));
    assert!(stdout(&bench.run(&["image", "--help"])).contains("--negative-prompt"));
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_run_and_leaves_no_file() {
    let bench = Bench::new();
    let args =
        ["image", "x", "--model", "model", "--steps", "900", "--width", "512", "--height", "512", "-o", "out.png"];
    let mut child = bench.command().args(args).stderr(Stdio::piped()).spawn().unwrap();
    // The first step's line shows that sampling is under way.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().contains("step 1 of 900")));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let rest: Vec<_> = lines.map(Result::unwrap).collect();
    assert!(rest.iter().any(|line| line.contains("interrupted; nothing was saved")), "{rest:?}");
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert_eq!(bench.files(), Vec::<String>::new());
}

#[test]
fn a_list_of_ones_own_equals_the_list_it_spells_out() {
    let bench = Bench::new();
    let bytes = |name: &str, args: &[&str]| {
        let output = bench
            .image(&[args, &["--sampler", "euler", "-o", name, "--save-latents", &format!("{name}.npy")]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        std::fs::read(bench.path(&format!("{name}.npy"))).unwrap()
    };
    let spelled = bytes("a.png", &["--timesteps", "501,1"]);
    assert_eq!(spelled, bytes("b.png", &[]), "two steps of this model are at timesteps 501 and 1");
    assert_ne!(spelled, bytes("c.png", &["--timesteps", "801,1"]));
}

#[test]
fn a_file_of_prompts_makes_the_pictures_of_single_runs() {
    let bench = Bench::new();
    bench.write("prompts.txt", b"a red cube\n\na blue ball\n");
    let flags = ["--model", "model", "--steps", "2", "--seed", "7", "--width", "32", "--height", "32"];
    let many = bench.run(
        &[&["image", "--prompts", "prompts.txt", "--batch", "2", "-o", "{index}-{prompt}.png"], &flags[..]].concat(),
    );
    assert!(many.status.success(), "{}", stderr(&many));
    for (name, prompt) in [("0000-a-red-cube.png", "a red cube"), ("0001-a-blue-ball.png", "a blue ball")] {
        let one = bench.run(&[&["image", prompt, "-o", "one.png", "--overwrite"], &flags[..]].concat());
        assert!(one.status.success(), "{}", stderr(&one));
        let pixels = |name: &str| image::open(bench.path(name)).unwrap().to_rgb8().into_raw();
        let differ = pixels(name).iter().zip(pixels("one.png")).map(|(a, b)| a.abs_diff(b)).max();
        assert!(differ <= Some(1), "{name}: {differ:?}");
    }
}

/// Prompts are encoded in lots of 128, so that thousands of them need no more memory.
#[test]
fn prompts_of_later_lots_make_the_pictures_of_single_runs() {
    let bench = Bench::new();
    let lines: Vec<String> = (0..130).map(|i| format!("picture {i}")).collect();
    bench.write("prompts.txt", lines.join("\n").as_bytes());
    let flags = ["--model", "model", "--steps", "1", "--seed", "7", "--width", "16", "--height", "16", "--json"];
    let many =
        bench.run(&[&["image", "--prompts", "prompts.txt", "--batch", "4", "-o", "{index}.png"], &flags[..]].concat());
    assert!(many.status.success(), "{}", stderr(&many));
    let report: serde_json::Value = serde_json::from_str(&stdout(&many)).unwrap();
    assert_eq!(report["images"].as_array().unwrap().len(), lines.len());
    // 32 batches of four in the first lot, one of two in the second; the times are of both.
    assert_eq!(report["seconds"]["denoiser_runs"], 33);
    for (name, prompt) in [("0127.png", "picture 127"), ("0128.png", "picture 128"), ("0129.png", "picture 129")] {
        let one = bench.run(&[&["image", prompt, "-o", "one.png", "--overwrite"], &flags[..]].concat());
        assert!(one.status.success(), "{}", stderr(&one));
        let pixels = |name: &str| image::open(bench.path(name)).unwrap().to_rgb8().into_raw();
        let differ = pixels(name).iter().zip(pixels("one.png")).map(|(a, b)| a.abs_diff(b)).max();
        assert!(differ <= Some(1), "{name}: {differ:?}");
    }
}

#[test]
fn lines_set_flags_fail_alone_and_are_resumed() {
    let bench = Bench::new();
    let lines = r#"{"prompt": "a", "steps": 1, "width": 32, "height": 48, "sampler": "euler", "seed": 3, "output": "a.png"}
{"prompt": "b", "width": 33}
{"prompt": "c", "sparkle": true}
not json
{"prompt": "d", "steps": 1, "width": 32, "height": 32, "count": 2, "seed": 5}
"#;
    bench.write("prompts.jsonl", lines.as_bytes());
    let run = |more: &[&str]| {
        bench.run(&[&["image", "--prompts", "prompts.jsonl", "--model", "model", "-o", "out.png"], more].concat())
    };
    let output = run(&["--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(bench.files(), ["a.png", "out-0004-5.png", "out-0004-6.png", "prompts.jsonl"]);
    assert_eq!(image::open(bench.path("a.png")).unwrap().height(), 48);
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["images"].as_array().unwrap().len(), 3);
    for part in ["prompt 2", "multiple of 16", "prompt 3", "sparkle", "prompt 4"] {
        assert!(stderr(&output).contains(part), "{part}: {}", stderr(&output));
    }
    std::fs::remove_file(bench.path("out-0004-6.png")).unwrap();
    let before = std::fs::metadata(bench.path("a.png")).unwrap().modified().unwrap();
    let again = run(&["--resume"]);
    assert_eq!(again.status.code(), Some(1), "{}", stderr(&again));
    assert!(bench.path("out-0004-6.png").exists());
    assert_eq!(std::fs::metadata(bench.path("a.png")).unwrap().modified().unwrap(), before);
}

#[test]
fn lines_that_contradict_themselves_are_refused() {
    let bench = Bench::new();
    let cases = [
        (r#"{"seed": 1}"#, "prompt"),
        (r#"{"prompt": "a", "step": 3}"#, "step is no flag"),
        (r#"{"prompt": "a", "steps": "many"}"#, "many"),
        (r#"{"prompt": "a", "sigmas": [3, 1], "timesteps": [900, 100]}"#, "cannot be combined"),
        (r#"{"prompt": "a", "variation_seed": 2}"#, "variation_strength"),
        (r#"{"prompt": "a", "init_latents": "absent.npy"}"#, "absent.npy"),
    ];
    for (line, part) in cases {
        bench.write("prompts.jsonl", line.as_bytes());
        let output = bench.run(&["image", "--prompts", "prompts.jsonl", "--model", "model"]);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(stderr(&output).contains(part), "{line}: {}", stderr(&output));
    }
}

#[test]
fn resuming_needs_names_that_are_found_again() {
    let bench = Bench::new();
    let output = bench.run(&["image", "a", "--model", "model", "--resume"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--seed"), "{}", stderr(&output));
}

#[test]
fn two_pictures_never_share_a_name() {
    let bench = Bench::new();
    bench.write("prompts.txt", b"a\na\n");
    let args = ["image", "--prompts", "prompts.txt", "--model", "model", "--seed", "1", "-o", "{prompt}.png"];
    let output = bench.run(&args);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("two pictures would be written to a.png"), "{}", stderr(&output));
}

#[test]
fn a_variation_goes_from_one_seed_to_the_other() {
    let bench = Bench::new();
    let latents = |name: &str, args: &[&str]| {
        let output = bench.image(&[args, &["-o", name, "--save-latents", &format!("{name}.npy")]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        std::fs::read(bench.path(&format!("{name}.npy"))).unwrap()
    };
    let first = latents("a.png", &["--seed", "7"]);
    let vary = |name: &str, share: &str| {
        latents(name, &["--seed", "7", "--variation-seed", "9", "--variation-strength", share])
    };
    assert_eq!(first, vary("b.png", "0"));
    assert_eq!(latents("c.png", &["--seed", "9"]), vary("d.png", "1"));
    assert_ne!(first, vary("e.png", "0.3"));
}

#[test]
fn a_fitted_list_falls_and_runs() {
    let bench = Bench::new();
    for method in ["ays", "watson", "gits"] {
        let flags = ["--model", "model", "--steps", "2", "--width", "32", "--height", "32", "--seed", "1", "--quiet"];
        let output =
            bench.run(&[&["schedule", "fit", "a cube", "--method", method, "--fit-steps", "4"], &flags[..]].concat());
        assert!(output.status.success(), "{method}: {}", stderr(&output));
        let text = stdout(&output);
        let list = text.trim().strip_prefix("--sigmas ").unwrap_or_else(|| panic!("{text}"));
        let sigmas: Vec<f64> = list.split(',').map(|sigma| sigma.parse().unwrap()).collect();
        assert!(sigmas.len() == 4 && sigmas.windows(2).all(|w| w[0] > w[1]), "{method}: {sigmas:?}");
        let run = bench.run(&[
            "image",
            "a cube",
            "--model",
            "model",
            "--sampler",
            "dpmpp-2m",
            "--sigmas",
            list,
            "-o",
            &format!("{method}.png"),
        ]);
        assert!(run.status.success(), "{method}: {}", stderr(&run));
    }
    let output = bench.run(&["schedule", "fit", "x", "--model", "model", "-o", "x.png"]);
    assert!(!output.status.success() && stderr(&output).contains("-o"), "a fit writes no picture");
    let output = bench.run(&["schedule", "fit", "x", "--model", "model", "--method", "dice"]);
    assert!(output.status.code() == Some(2) && stderr(&output).contains("watson"), "{}", stderr(&output));
}

#[test]
fn shells_and_manuals_learn_every_flag() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = stdout(&bench.run(&["completions", shell]));
        assert!(script.contains("guidance-scale") && script.contains("runtime"), "{shell}");
    }
    assert!(stdout(&bench.run(&["man"])).starts_with(".ie"));
    assert!(bench.run(&["man", "pages"]).status.success());
    let page = |name: &str| std::fs::read_to_string(bench.path("pages").join(name)).unwrap();
    assert!(page("edrun-image.1").contains("guidance\\-scale") && page("edrun-runtime-install.1").contains("openvino"));
    assert_eq!(bench.run(&["completions", "tcsh"]).status.code(), Some(2));
}

#[test]
fn prompts_come_from_standard_input_too() {
    let bench = Bench::new();
    let run = |lines: &str, more: &[&str]| {
        let flags = ["--model", "model", "--steps", "1", "--width", "32", "--height", "32", "--seed", "7"];
        let mut command = bench.command();
        command.args(["image", "--prompts", "-"]).args(flags).args(more);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let text = run("a red cube\na blue ball\n", &["-o", "{index}.png"]);
    assert!(text.status.success(), "{}", stderr(&text));
    assert_eq!(bench.files(), ["0000.png", "0001.png"]);
    let lines = r#"{"prompt": "a red cube", "height": 48, "output": "tall.png"}"#;
    let json = run(lines, &[]);
    assert!(json.status.success(), "{}", stderr(&json));
    assert_eq!(image::open(bench.path("tall.png")).unwrap().height(), 48);
    // All there: nothing is done, and that is no failure.
    let again = run("a red cube\na blue ball\n", &["-o", "{index}.png", "--resume", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&stdout(&again)).unwrap();
    assert_eq!((again.status.code(), &report["images"]), (Some(0), &serde_json::json!([])));
    let empty = run("\n\n", &["-o", "{index}.png"]);
    assert_eq!(empty.status.code(), Some(2));
    assert!(stderr(&empty).contains("no prompt"), "{}", stderr(&empty));
}

/// Not only those of the sampler: whatever describes one result.
#[test]
fn a_line_sets_any_flag_of_a_result() {
    let bench = Bench::new();
    square(&bench);
    let line = serde_json::json!({
        "prompt": "a", "negative-prompt": "b", "steps": 4, "cfg_scale": 3.0, "guidance_rescale": 0.5, "solver": "euler-a",
        "schedule": "karras", "eta": 0.5, "rng": "numpy", "seed": 5, "count": 2, "width": 32, "height": 32,
        "init_image": "model/square.png", "strength": 0.5, "bit_depth": 16, "variation_seed": 9, "variation_strength": 0.25,
        "output": "line.png",
    });
    bench.write("model/line.jsonl", line.to_string().as_bytes());
    let flags = ["image", "a", "--model", "model", "--negative-prompt", "b", "--steps", "4", "--guidance-scale", "3"];
    let more =
        ["--guidance-rescale", "0.5", "--sampler", "euler-a", "--schedule", "karras", "--eta", "0.5", "--rng", "numpy"];
    let rest = ["--seed", "5", "-n", "2", "--width", "32", "--height", "32", "--init-image", "model/square.png"];
    let last = ["--strength", "0.5", "--bit-depth", "16", "--variation-seed", "9", "--variation-strength", "0.25"];
    let typed = bench.run(&[&flags[..], &more, &rest, &last, &["-o", "typed.png"]].concat());
    assert!(typed.status.success(), "{}", stderr(&typed));
    let line = bench.run(&["image", "--prompts", "model/line.jsonl", "--model", "model"]);
    assert!(line.status.success(), "{}", stderr(&line));
    assert_eq!(bench.files(), ["line-0000-10.png", "line-0000-9.png", "typed-10.png", "typed-9.png"]);
    for seed in ["9", "10"] {
        let read = |name: String| image::open(bench.path(&name)).unwrap();
        let (typed, line) = (read(format!("typed-{seed}.png")), read(format!("line-0000-{seed}.png")));
        assert_eq!(typed.color(), image::ColorType::Rgb16);
        assert_eq!(typed, line, "{seed}");
    }
}

/// Its graphs have one size, which is told before any is loaded; and it starts from pictures too.
#[test]
fn the_built_in_model_knows_its_size_and_starts_from_pictures() {
    let bench = Bench::new();
    let output = bench.run(&["image", "red apple", "--width", "128", "-o", "apple.png"]);
    refused(&bench, &output, &["128x64 is no size of this model", "leave out --width and --height"]);
    assert!(!stderr(&output).contains("encoding"), "{}", stderr(&output));
    square(&bench);
    let flags = ["--init-image", "model/square.png", "--strength", "0.3", "--steps", "10", "--seed", "1"];
    let output = bench
        .run(&[&["image", "red apple", "--width", "64", "--height", "64", "-o", "apple.png"], &flags[..]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    // Little of the way: in the middle the grey blue of what was given is still there.
    let middle = image::open(bench.path("apple.png")).unwrap().to_rgb8().get_pixel(32, 32).0;
    assert!(middle[2] > middle[0] + 30, "{middle:?}");
}
