//! Step lists against the formulas of the programs and papers they come from (`data/step_lists.py`).

use std::collections::BTreeSet;

use edrun::sampling::config::{Config, Source, Value};
use edrun::sampling::schedule::{Flow, NoiseSchedule, TABLE_KEYS, Table};
use edrun::sampling::steps::{STEP_LISTS, Span, StepList};

fn source(keys: &[(&str, Value)]) -> Source {
    let keys = keys.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    Source { class: "FlowMatchEulerDiscreteScheduler".into(), keys }
}

/// Stable Diffusion's table, or a flow with a shift.
fn model(shift: Option<f64>) -> Box<dyn NoiseSchedule> {
    if let Some(shift) = shift {
        return Box::new(Flow::from_source(&source(&[("shift", Value::Number(shift))]), None).unwrap().0);
    }
    let keys = [
        ("beta_start", Value::Number(0.00085)),
        ("beta_end", Value::Number(0.012)),
        ("beta_schedule", Value::text("scaled_linear")),
    ];
    Box::new(Table::from_config(&Config::take_over("T", &[TABLE_KEYS], &source(&keys)), true).unwrap())
}

#[test]
fn lists_equal_their_references() {
    let golden = crate::golden("step_lists.json");
    let rows = golden["rows"].as_array().unwrap();
    assert!(rows.len() > 200, "the corpus is too small: {}", rows.len());
    for row in rows {
        let schedule = model(row["shift"].as_f64());
        let (low, high) = schedule.sigmas();
        let steps = row["steps"].as_u64().unwrap() as usize;
        let list = StepList::find(row["list"].as_str().unwrap()).unwrap();
        let got = (list.sigmas)(&Span { schedule: schedule.as_ref(), low, high, steps });
        let want: Vec<f64> = row["sigmas"].as_array().unwrap().iter().map(|s| s.as_f64().unwrap()).collect();
        assert_eq!(got.len(), want.len(), "{row}");
        for (got, want) in got.iter().zip(&want) {
            assert!((got / want - 1.0).abs() < 1e-6, "{got} is not {want} in {row}");
        }
    }
}

/// The lists of diffusers' own are tested with its schedulers, and one has no model here.
#[test]
fn every_list_has_a_reference() {
    let golden = crate::golden("step_lists.json");
    let known: BTreeSet<&str> =
        golden["rows"].as_array().unwrap().iter().map(|row| row["list"].as_str().unwrap()).collect();
    let missing: Vec<_> = STEP_LISTS.iter().filter(|l| l.key.is_none() && !known.contains(l.name)).collect();
    let missing: Vec<_> = missing.iter().map(|list| list.name).collect();
    assert_eq!(missing, [StepList::MODEL, "ays-svd"]);
}
