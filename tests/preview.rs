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
