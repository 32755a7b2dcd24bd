//! The torch and numpy streams against torch and numpy (`data/torch_rng.py`).

use edrun::sampling::Noise;
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
