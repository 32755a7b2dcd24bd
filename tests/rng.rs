//! Noise streams against torch and numpy (`data/torch_rng.py`, `data/numpy_generator.py`,
//! `data/philox_cuda.json`, `data/brownian.py`).

use edrun::sampling::Noise;
use edrun::sampling::noise::{Brownian, RNGS};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn size(record: &Value) -> usize {
    record["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).product()
}

fn words(text: &Value) -> Vec<u32> {
    text.as_str().unwrap().split(' ').map(|w| u32::from_str_radix(w, 16).unwrap()).collect()
}

fn check(record: &Value, values: &[f32]) {
    let bits: Vec<u32> = values.iter().map(|v| v.to_bits()).collect();
    if record.get("bits").is_some() {
        return assert_eq!(bits, words(&record["bits"]), "{record}");
    }
    let (first, last) = (words(&record["first"]), words(&record["last"]));
    assert_eq!(bits[..first.len()], first, "{record}");
    assert_eq!(bits[bits.len() - last.len()..], last, "{record}");
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let hash: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(record["sha256"].as_str().unwrap(), hash, "{record}");
}

fn is_f32_normal(record: &Value) -> bool {
    record["kind"] == "randn" && record["dtype"] == "f32"
}

#[test]
fn draws_equal_torch_bit_for_bit() {
    let golden = crate::golden("torch_rng.json");
    let records: Vec<&Value> = golden["draws"].as_array().unwrap().iter().filter(|r| is_f32_normal(r)).collect();
    assert!(records.len() > 50, "the corpus is too small: {}", records.len());
    for record in records {
        let mut values = vec![0.0; size(record)];
        Noise::torch(record["seed"].as_u64().unwrap()).fill_normal(&mut values);
        check(record, &values);
    }
}

#[test]
fn sequences_of_draws_equal_torch_bit_for_bit() {
    let golden = crate::golden("torch_rng.json");
    let mut checked = 0;
    for sequence in golden["sequences"].as_array().unwrap() {
        let draws = sequence["draws"].as_array().unwrap();
        let mut noise = Noise::torch(sequence["seed"].as_u64().unwrap());
        for record in draws.iter().take_while(|r| is_f32_normal(r)) {
            let mut values = vec![0.0; size(record)];
            noise.fill_normal(&mut values);
            check(record, &values);
            checked += 1;
        }
    }
    assert!(checked > 8, "the corpus is too small: {checked}");
}

#[test]
fn numpy_stream_equals_random_state() {
    let golden = crate::golden("torch_rng.json");
    let records = golden["numpy"].as_array().unwrap();
    assert!(!records.is_empty());
    for record in records.iter().filter(|r| r.get("bits").is_some()) {
        let mut values = vec![0.0; size(record)];
        Noise::numpy(record["seed"].as_u64().unwrap()).fill_normal(&mut values);
        let words = record["bits"].as_str().unwrap().split(' ');
        let want: Vec<f32> = words.map(|w| f64::from_bits(u64::from_str_radix(w, 16).unwrap()) as f32).collect();
        assert_eq!(values, want, "{record}");
    }
}

#[test]
fn numpy_generator_stream_equals_default_rng() {
    let golden = crate::golden("numpy_generator.json");
    let rows = golden["rows"].as_array().unwrap();
    assert!(rows.len() > 5, "the corpus is too small: {}", rows.len());
    for row in rows {
        let mut noise = Noise::start("numpy-generator", row["seed"].as_u64().unwrap()).unwrap();
        for record in row["draws"].as_array().unwrap() {
            let mut values = vec![0.0; size(record)];
            noise.fill_normal(&mut values);
            check(record, &values);
        }
    }
}

#[test]
fn philox_stream_equals_what_a_gpu_printed() {
    let golden = crate::golden("philox_cuda.json");
    let mut noise = Noise::start("philox", golden["seed"].as_u64().unwrap()).unwrap();
    for draw in golden["draws"].as_array().unwrap() {
        let want: Vec<f64> = draw.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let mut values = vec![0.0; want.len()];
        noise.fill_normal(&mut values);
        for (got, want) in values.iter().zip(&want) {
            assert!((f64::from(*got) - want).abs() < 5.1e-5, "{got} is not {want}");
        }
    }
}

#[test]
fn streams_of_every_generator_are_their_own() {
    for rng in RNGS {
        let draw = |seed: u64| (rng.start)(seed).normal(&[3, 50, 50]);
        assert_eq!(draw(7), draw(7), "{}", rng.name);
        assert_ne!(draw(7), draw(8), "{}", rng.name);
        let moment = |power: i32| draw(7).iter().map(|v| f64::from(*v).powi(power)).sum::<f64>() / 7500.0;
        assert!(moment(1).abs() < 0.05 && (moment(2) - 1.0).abs() < 0.08, "{}", rng.name);
        assert_eq!((rng.start)(7).sibling(8).normal(&[3, 50, 50]), draw(8), "{}", rng.name);
    }
}

#[test]
fn brownian_motions_equal_torchsde() {
    let golden = crate::golden("brownian.json");
    let rows = golden["rows"].as_array().unwrap();
    assert!(!rows.is_empty());
    let numbers = |value: &Value| value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>();
    for row in rows {
        let shape: Vec<usize> = numbers(&row["shape"]).iter().map(|n| *n as usize).collect();
        let (low, high) = (row["low"].as_f64().unwrap(), row["high"].as_f64().unwrap());
        let mut motion = Brownian::new(&Noise::torch(row["seed"].as_u64().unwrap()), low, high, &shape);
        let points = numbers(&row["points"]);
        for (pair, want) in points.windows(2).zip(row["increments"].as_array().unwrap()) {
            let mut values = vec![0.0; shape.iter().product()];
            motion.increment(pair[0], pair[1], &mut values);
            for (got, want) in values.iter().zip(numbers(want)) {
                let off = (f64::from(*got) - want).abs();
                assert!(off < 2e-6 * high.sqrt(), "{got} is not {want} between {pair:?} of {row}");
            }
        }
    }
}
