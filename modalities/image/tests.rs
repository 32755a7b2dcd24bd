use super::*;
use crate::LatentCodec;
use crate::info::{Info, about};
use ndarray::{Array1, ArrayD};
use serde_json::{Value, json};
use std::path::Path;

fn info() -> Info {
    Info {
        parameters: "a café, 漢字 😀\nNegative prompt: none\nSteps: 8".into(),
        json: r#"{"seed": 7, "prompt": "漢字"}"#.into(),
    }
}

fn picture(width: usize, height: usize) -> Picture {
    let rgb = (0..width * height * 3).map(|n| (n * 37 % 256) as f32 / 255.0).collect();
    Picture::new(width, height, rgb).unwrap()
}

fn read(path: &Path) -> Option<Info> {
    Info::of(&about(path).unwrap().texts)
}

fn error<T>(result: anyhow::Result<T>) -> String {
    result.err().map(|e| format!("{e:#}")).unwrap_or_default()
}

#[test]
fn bytes_are_rounded_as_numpy_rounds() {
    // numpy: (np.array([...], np.float32) * 255).round().astype(np.uint8)
    let table = [
        (0.0, 0),
        (1.0, 255),
        (0.5, 128),
        (0.5 / 255.0, 0),
        (1.5 / 255.0, 2),
        (2.5 / 255.0, 2),
        (0.9999, 255),
        (0.998, 254),
    ];
    for (value, byte) in table {
        let picture = Picture::new(1, 1, vec![value; 3]).unwrap();
        assert_eq!(picture.to_rgb8(), [byte; 3], "{value}");
    }
}

#[test]
fn every_format_keeps_the_picture_and_how_it_was_made() {
    let dir = tempfile::tempdir().unwrap();
    let flat = Picture::new(20, 12, vec![0.4; 20 * 12 * 3]).unwrap();
    for ending in FORMATS.iter().flat_map(|f| f.extensions) {
        let path = dir.path().join(format!("a.{}", ending.to_uppercase()));
        flat.save(&path, &info(), Depth::Eight).unwrap();
        let back = Picture::open(&path).unwrap();
        assert_eq!((back.width, back.height), (20, 12));
        assert!(back.rgb.iter().all(|v| (v - 0.4).abs() < 0.01), "{ending}");
        assert_eq!(read(&path), Some(info()), "{ending}");
        flat.save(&path, &Info::default(), Depth::Eight).unwrap();
        assert_eq!(read(&path), None, "{ending}");
    }
    assert!(!FORMATS.is_empty());
}

#[test]
fn all_but_jpeg_are_lossless_and_long_texts_fit_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let long = Info { parameters: "漢字 ".repeat(50_000), json: "x".repeat(200_000) };
    let cases = [
        ("a.png", info()),
        ("b.png", long.clone()),
        ("b.jpg", long.clone()),
        ("b.tif", long.clone()),
        ("b.webp", long),
    ];
    for (name, info) in cases {
        let path = dir.path().join(name);
        picture(9, 5).save(&path, &info, Depth::Eight).unwrap();
        assert_eq!(read(&path), Some(info));
        let back = Picture::open(&path).unwrap();
        assert!(name.ends_with("jpg") || back == picture(9, 5));
    }
}

#[test]
fn sixteen_bits_are_kept_where_they_fit_and_refused_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let fine = Picture::new(3, 1, (0..9).map(|n| (n * 7000 + 1) as f32 / 65_535.0).collect()).unwrap();
    let mut kept = 0;
    for format in FORMATS {
        let path = dir.path().join(format!("a.{}", format.extensions[0]));
        if !format.depths.contains(&Depth::Sixteen) {
            let text = error(fine.save(&path, &info(), Depth::Sixteen));
            assert!(text.contains("16 bits") && text.contains("PNG or TIFF"), "{text}");
            continue;
        }
        fine.save(&path, &info(), Depth::Sixteen).unwrap();
        let back = Picture::open(&path).unwrap();
        assert!(back.rgb.iter().zip(&fine.rgb).all(|(a, b)| (a - b).abs() < 1e-5), "{}", format.name);
        assert_eq!(read(&path), Some(info()), "{}", format.name);
        kept += 1;
    }
    assert_eq!(kept, 2);
}

#[test]
fn texts_of_other_programs_are_read() {
    // Little-endian Exif with a UserComment in the same order, and ComfyUI's way to name texts.
    let comment: Vec<u8> =
        b"UNICODE\0".iter().copied().chain("Steps: 8".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let block = exif::block(&[exif::Entry { tag: 0x9286, content: comment }]);
    assert_eq!(exif::texts(&block)[0].text, "Steps: 8");
    let mut block = b"II\x2a\0\x08\0\0\0\x01\0\x10\x01\x02\0\x0b\0\0\0\x1a\0\0\0\0\0\0\0".to_vec();
    block.extend(b"prompt:{1}\0");
    let texts = exif::texts(&block);
    assert_eq!((texts[0].key.as_str(), texts[0].text.as_str()), ("prompt", "{1}"));
}

#[test]
fn jpeg_comments_are_found_by_other_tools() {
    let bytes = (jpeg::FORMAT.encode)(&picture(8, 8), &info(), Depth::Eight).unwrap();
    let mut decoder = image::codecs::jpeg::JpegDecoder::new(std::io::Cursor::new(&bytes)).unwrap();
    let exif = image::ImageDecoder::exif_metadata(&mut decoder).unwrap().unwrap();
    let text: Vec<u8> = info().parameters.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert!(exif.windows(text.len()).any(|w| w == text));
    // Without our comment the Exif entry is what remains.
    let at = bytes.windows(11).position(|w| w == b"edrun-info ").unwrap();
    let mut stripped = bytes.clone();
    stripped[at] = b'E';
    let texts = (jpeg::FORMAT.texts)(&stripped).unwrap();
    assert_eq!((texts[0].key.as_str(), &texts[0].text), ("parameters", &info().parameters));
}

#[test]
fn damaged_files_are_errors_or_nothing_and_never_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    for format in FORMATS {
        let bytes = (format.encode)(&picture(8, 8), &info(), Depth::Eight).unwrap();
        for length in 0..bytes.len() {
            let _ = (format.texts)(&bytes[..length]);
        }
        for at in 0..bytes.len().min(700) {
            let mut changed = bytes.clone();
            changed[at] ^= 0xff;
            let _ = (format.texts)(&changed);
        }
    }
    let path = dir.path().join("a.png");
    std::fs::write(&path, "no picture").unwrap();
    assert!(about(&path).unwrap().kind.contains("cannot read"));
    assert!(error(Picture::open(&path)).contains("give a PNG, JPEG, WebP or TIFF file"));
    std::fs::write(&path, b"\x89PNG\r\n\x1a\n").unwrap();
    assert!(error(about(&path)).contains("damaged"));
}

#[test]
fn unknown_endings_and_missing_folders_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "a.webm", "a.", ".png"] {
        let text = error(check_extension(Path::new(name)));
        assert!(text.contains(".png, .jpg, .jpeg"), "{name}: {text}");
    }
    let text = error(picture(2, 2).save(&dir.path().join("no/a.png"), &info(), Depth::Eight));
    assert!(text.contains("no does not exist"), "{text}");
    assert!(error(Picture::new(2, 2, vec![0.0; 5])).contains("2x2"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn planes_become_pixels_and_return() {
    let planes = [-1.0, 0.0, 1.0, 3.0, -3.0, 0.5];
    let picture = Picture::from_planes(2, 1, &planes).unwrap();
    assert_eq!(picture.rgb, [0.0, 1.0, 0.0, 0.5, 1.0, 0.75]);
    assert_eq!(picture.to_planes(), [-1.0, 0.0, 1.0, 1.0, -1.0, 0.5]);
}

fn codec(config: Value) -> anyhow::Result<LatentCodec> {
    LatentCodec::from_configs(Some(&config), None, 0.18215)
}

#[test]
fn codecs_are_read_from_configurations() {
    let sd = json!({"scaling_factor": 0.13025, "shift_factor": null, "latent_channels": 4, "block_out_channels": [1, 2, 3, 4], "latents_mean": null});
    let flux =
        json!({"scaling_factor": 0.3611, "shift_factor": 0.1159, "latent_channels": 16, "block_out_channels": [1, 2]});
    let deep =
        json!({"scaling_factor": 0.41407, "latent_channels": 32, "decoder_block_out_channels": [1, 2, 3, 4, 5, 6]});
    for (config, expected) in [
        (sd, (0.13025, 0.0, 4, 8)),
        (flux, (0.3611, 0.1159, 16, 2)),
        (deep, (0.41407, 0.0, 32, 32)),
        (json!({}), (0.18215, 0.0, 4, 8)),
    ] {
        let c = codec(config).unwrap();
        assert_eq!((c.scaling, c.shift, c.channels, c.factor), expected);
    }
    let both = LatentCodec::from_configs(
        Some(&json!({"latent_channels": 8})),
        Some(&json!({"latent_channels": 4, "scaling_factor": 2.0})),
        1.0,
    )
    .unwrap();
    assert_eq!((both.channels, both.scaling), (8, 2.0));
}

#[test]
fn bad_configurations_are_refused_by_name() {
    for (config, text) in [
        (json!({"scaling_factor": "big"}), "scaling_factor"),
        (json!({"scaling_factor": 0}), "scaling_factor"),
        (json!({"shift_factor": []}), "shift_factor"),
        (json!({"latent_channels": 0}), "latent_channels"),
        (json!({"block_out_channels": 4}), "block_out_channels"),
        (json!({"block_out_channels": []}), "block_out_channels"),
        (json!({"latents_mean": [0, 0, 0, 0]}), "only one of"),
        (json!({"latents_mean": [0, 0], "latents_std": [1, 1]}), "latents_mean"),
        (json!({"latents_mean": [0, 0, 0, 0], "latents_std": [1, 1, 0, 1]}), "latents_std"),
        (json!({"latents_mean": [0, 0, 0, 0], "latents_std": [1, 1, 1, 1], "shift_factor": 1}), "shift_factor"),
    ] {
        let given = error(codec(config));
        assert!(given.contains(text), "wanted {text}, got {given:?}");
    }
}

#[test]
fn the_codec_and_its_inverse_cancel() {
    let plain = codec(json!({"scaling_factor": 0.5, "shift_factor": 0.25, "latent_channels": 2})).unwrap();
    let each =
        codec(json!({"scaling_factor": 0.5, "latent_channels": 2, "latents_mean": [1, -1], "latents_std": [2, 4]}))
            .unwrap();
    let latent = Array1::linspace(-2.0, 2.0, 8).into_shape_with_order(vec![2, 2, 2]).unwrap().mapv(|v: f64| v as f32);
    for codec in [&plain, &each] {
        let back = codec.to_scaled(codec.to_decoder(latent.view()).view());
        assert!((&back - &latent).iter().all(|d| d.abs() < 1e-6));
    }
    let ones = ArrayD::ones(vec![2, 1, 1]);
    assert_eq!(plain.to_decoder(ones.view()).as_slice().unwrap(), [2.25, 2.25]);
    assert_eq!(each.to_decoder(ones.view()).as_slice().unwrap(), [5.0, 7.0]);
    assert!(
        error(plain.for_graph("vae_decoder", ArrayD::zeros(vec![4, 8, 8]).view(), &["height", "width"]))
            .contains("[2, height, width]")
    );
}
