//! Previews from outside: what would come out, while it is sampled.

use crate::command::{Bench, refused, stderr};

fn difference(bench: &Bench, a: &str, b: &str) -> f64 {
    let pixels = |name: &str| image::open(bench.path(name)).unwrap().to_rgb8().into_raw();
    let (a, b) = (pixels(a), pixels(b));
    assert_eq!(a.len(), b.len());
    a.iter().zip(&b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}

#[test]
fn previews_are_kept_where_they_are_wanted() {
    let bench = Bench::new();
    let args = ["--steps", "4", "--sampler", "ddim", "--preview-every", "2", "--preview-output", "at-{step}.png"];
    let output = bench.image(&args);
    assert!(output.status.success(), "{}", stderr(&output));
    // The last step's preview is the result itself.
    assert_eq!(bench.files(), ["at-0002.png", "out.png"]);
    let plain = bench.image(&["--steps", "4", "--sampler", "ddim", "-o", "plain.png"]);
    assert!(plain.status.success());
    let bytes = |name: &str| std::fs::read(bench.path(name)).unwrap();
    assert_eq!(bytes("out.png"), bytes("plain.png"), "looking changes nothing");
    assert!(difference(&bench, "at-0002.png", "out.png") > 0.1);
}

#[test]
fn a_preview_beside_the_output_goes_when_that_comes() {
    let bench = Bench::new();
    for by in ["decoder", "linear"] {
        let output = bench.image(&["--steps", "3", "--preview-every", "1", "--preview-by", by, "--overwrite"]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(bench.files(), ["out.png"], "{by}");
    }
}

#[test]
fn a_linear_preview_resembles_the_decoded_one() {
    let bench = Bench::new();
    for by in ["decoder", "linear"] {
        let name = format!("{by}-{{step}}.png");
        let args =
            ["--steps", "2", "--preview-every", "1", "--preview-by", by, "--preview-output", &name, "--overwrite"];
        let output = bench.image(&args);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    // Random weights are far from linear; but two greys of the same brightness are closer than black and white.
    assert!(difference(&bench, "decoder-0001.png", "linear-0001.png") < 40.0);
}

#[test]
fn previews_replace_nothing_and_their_flags_are_checked() {
    let bench = Bench::new();
    let cases: &[(&[&str], &[&str])] = &[
        (&["--preview-every", "0"], &["--preview-every is 0"]),
        (&["--preview-every", "1", "--preview-by", "eye"], &["--preview-by", "eye", "linear"]),
        (&["--preview-every", "1", "--preview-output", "a.xyz"], &["--preview-output", ".xyz"]),
        (&["--preview-every", "1", "--preview-output", "no/a.png"], &["no does not exist"]),
    ];
    for (args, parts) in cases {
        refused(&bench, &bench.image(args), parts);
    }
    bench.write("out-preview.png", b"mine");
    let output = bench.image(&["--preview-every", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("out-preview.png exists"), "{}", stderr(&output));
    assert_eq!(std::fs::read(bench.path("out-preview.png")).unwrap(), b"mine");
}

/// In a terminal that says it can show pictures; `script` makes one.
#[cfg(target_os = "linux")]
#[test]
fn terminals_that_show_pictures_show_previews() {
    let bench = Bench::new();
    let run = |term: &str, more: &str| {
        let edrun = env!("CARGO_BIN_EXE_edrun");
        let line = format!(
            "{edrun} image x --model model --steps 3 --sampler ddim --seed 7 --width 32 --height 32 --preview-every 1 --overwrite -o out.png {more}"
        );
        let mut command = std::process::Command::new("script");
        command.current_dir(bench.path("")).env("HOME", bench.path("")).env("XDG_CACHE_HOME", bench.path("cache"));
        command.env_remove("COLORTERM").env_remove("TERM_PROGRAM").env("TERM", term);
        command.args(["-qec", &line, "/dev/null"]).stdin(std::process::Stdio::null()).output()
    };
    let Ok(shown) = run("xterm-kitty", "") else { return println!("skipped: there is no `script`") };
    let count =
        |output: &std::process::Output| String::from_utf8_lossy(&output.stdout).matches("\x1b_Ga=T,f=100").count();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stdout));
    // The third step is the picture itself.
    assert_eq!(count(&shown), 2);
    for (term, more) in [("xterm", ""), ("xterm-kitty", "--quiet"), ("xterm-kitty", "--json")] {
        assert_eq!(count(&run(term, more).unwrap()), 0, "{term} {more}");
    }
}
