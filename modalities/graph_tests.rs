//! The graphs of `testdata/make_graphs.py`, whose results can be told without running them.

use crate::LatentCodec;
use crate::image::{Decoder, Encoder, Picture};
use crate::prompt::{Encoded, Padding, TextEncoder};
use edrun_onnx::{Cancel, Folder, GraphOptions};
use ndarray::{Array, ArrayD};
use serde_json::json;
use std::path::Path;

fn folder(name: &str) -> Folder {
    Folder::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)).unwrap()
}

fn text(name: &str) -> anyhow::Result<TextEncoder> {
    TextEncoder::open(&folder(name), "text_encoder", &GraphOptions::default())
}

fn encode(encoder: &mut TextEncoder, ids: &[i64], cancel: &Cancel) -> anyhow::Result<ArrayD<f32>> {
    let text = Encoded { ids: ids.to_vec(), tokens: ids.len(), cut: None };
    encoder.encode_text(&text, Padding::Read, cancel)
}

fn codec() -> LatentCodec {
    LatentCodec::from_configs(
        Some(&json!({"scaling_factor": 0.5, "shift_factor": 0.25, "block_out_channels": [1, 2]})),
        None,
        1.0,
    )
    .unwrap()
}

fn latent(value: f32) -> ArrayD<f32> {
    ArrayD::from_elem(vec![4, 2, 3], value)
}

fn error<T>(result: anyhow::Result<T>) -> String {
    result.err().map(|e| format!("{e:#}")).unwrap_or_default()
}

#[test]
fn text_encoders_take_one_text_at_a_time() {
    let mut plain = text("plain").unwrap();
    for ids in [[3, 5, 7, 9], [1, 2, 4, 8]] {
        let expected = Array::from_shape_fn((4, 2), |(t, d)| ids[t] as f32 / (d + 1) as f32).into_dyn();
        assert_eq!(encode(&mut plain, &ids, &Cancel::new()).unwrap(), expected);
    }
    let legacy = encode(&mut text("legacy").unwrap(), &[3, 5, 7, 9], &Cancel::new()).unwrap();
    assert_eq!(legacy.into_raw_vec_and_offset().0, [3.0, 5.0, 7.0, 9.0]);
}

#[test]
fn text_encoders_say_what_is_wrong() {
    let said = |name: &str, ids: &[i64], cancel: &Cancel| error(encode(&mut text(name).unwrap(), ids, cancel));
    let mut table = vec![
        (error(text("foreign")), "no input called input_ids"),
        (error(TextEncoder::open(&folder("plain"), "text_encoder_2", &GraphOptions::default())), "does not exist"),
        (said("legacy", &[1; 5], &Cancel::new()), "takes 4 tokens and the tokenizer gives 5"),
        (said("broken", &[0, 1], &Cancel::new()), "text_encoder gave 1 values of 2 that are not finite"),
        (said("flat", &[1, 2], &Cancel::new()), "shape [1, 2] instead of [1, tokens, dim]"),
    ];
    let cancel = Cancel::new();
    cancel.cancel();
    table.push((said("plain", &[1], &cancel), "stopped"));
    for (given, text) in table {
        assert!(given.contains(text), "wanted {text:?}, got {given:?}");
    }
}

#[test]
fn decoders_unscale_and_range_into_pixels() {
    let mut decoder = Decoder::open(&folder("plain"), &GraphOptions::default()).unwrap();
    // (x / 0.5 + 0.25) / 2 + 0.5, kept in 0..=1
    for (value, pixel) in [(0.0, 0.625), (-0.125, 0.5), (-0.25, 0.375), (9.0, 1.0), (-9.0, 0.0)] {
        let picture = decoder.decode(latent(value).view(), &codec(), &Cancel::new()).unwrap();
        assert_eq!((picture.width, picture.height), (6, 4));
        assert!(picture.rgb.iter().all(|&v| v == pixel), "{value}");
    }
}

#[test]
fn decoders_say_what_is_wrong() {
    let open = |name: &str| Decoder::open(&folder(name), &GraphOptions::default());
    let decode =
        |name: &str, latent: ArrayD<f32>| error(open(name).unwrap().decode(latent.view(), &codec(), &Cancel::new()));
    for (given, text) in [
        (error(open("foreign")), "vae_decoder has no input called latent_sample"),
        (error(open("legacy")), "vae_decoder"),
        (decode("broken", latent(-9.0)), "vae_decoder gave"),
        (decode("plain", latent(f32::NAN)), "latent"),
        (decode("flat", latent(1.0)), "instead of [1, 3, height, width]"),
        (decode("plain", ArrayD::zeros(vec![3, 2, 2])), "takes [4, height, width]"),
    ] {
        assert!(given.contains(text), "wanted {text:?}, got {given:?}");
    }
}

#[test]
fn encoders_give_mean_and_deviation_or_a_latent() {
    let picture = Picture::new(4, 2, (0..24).map(|n| (n % 3) as f32 / 2.0).collect()).unwrap();
    let means = [-1.0_f32, 0.0, 1.0, -1.0];
    let expected = Array::from_shape_fn((4, 1, 2), |(c, ..)| means[c]).into_dyn();
    let open = |name: &str| Encoder::open(&folder(name), &GraphOptions::default()).unwrap();
    let plain = open("plain").encode(&picture, &codec(), &Cancel::new()).unwrap();
    assert_eq!(plain.mean, expected);
    // The log variances -2, -40, 30 and 0, kept in -30..=20.
    let deviations = [-2.0_f32, -30.0, 20.0, 0.0].map(|l| (0.5 * l).exp());
    assert_eq!(plain.std.unwrap(), Array::from_shape_fn((4, 1, 2), |(c, ..)| deviations[c]).into_dyn());
    let legacy = open("legacy").encode(&picture, &codec(), &Cancel::new()).unwrap();
    assert_eq!((legacy.mean, legacy.std), (expected, None));
    let odd = Picture::new(3, 2, vec![0.5; 18]).unwrap();
    for (given, text) in [
        (error(open("plain").encode(&odd, &codec(), &Cancel::new())), "does not divide"),
        (error(open("broken").encode(&picture, &codec(), &Cancel::new())), "vae_encoder gave"),
        (error(open("flat").encode(&picture, &codec(), &Cancel::new())), "instead of [1, 4, height, width]"),
    ] {
        assert!(given.contains(text), "wanted {text:?}, got {given:?}");
    }
}
