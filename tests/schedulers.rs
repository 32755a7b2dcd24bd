//! Sampling runs against diffusers' schedulers (`data/schedulers.py`): the same configuration
//! file, class, overrides and step count give the same timesteps and the same states.

use edrun::sampling::config::{Source, Value};
use edrun::sampling::schedule::Kind;
use edrun::sampling::solver::{METHODS, Method, Tuning};
use edrun::sampling::steps::Custom;
use edrun::sampling::{Latent, Noise, Prediction, Seen, Want};
use serde_json::Value as Json;

/// Largest difference allowed, relative to the largest element of a state.
const TOLERANCE: f64 = 1e-4;

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(value) => Value::Number(value.as_f64().unwrap()),
        Json::String(text) => Value::Text(text.clone().into()),
        Json::Array(items) => Value::Numbers(items.iter().map(|v| v.as_f64().unwrap()).collect()),
        Json::Object(_) => panic!("{json}"),
    }
}

fn source(golden: &Json, case: &Json) -> Source {
    let mut keys = golden["bases"][case["base"].as_str().unwrap()].as_object().unwrap().clone();
    for part in ["file", "overrides"] {
        keys.extend(case.get(part).and_then(Json::as_object).cloned().unwrap_or_default());
    }
    let class = keys.get("_class_name").and_then(Json::as_str).unwrap_or_default().to_owned();
    keys.retain(|key, _| !key.starts_with('_'));
    Source { class, keys: keys.iter().map(|(k, v)| (k.clone(), value(v))).collect() }
}

fn floats(json: &Json) -> Vec<f64> {
    json.as_array().unwrap().iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect()
}

/// The script's model, on the state in the form the network sees it.
fn model(golden: &Json, x: &Latent, t: f64) -> Latent {
    let (a, b) = (floats(&golden["model_a"]), floats(&golden["model_b"]));
    let out =
        x.iter().zip(a.iter().zip(&b)).map(|(x, (a, b))| ((a * f64::from(*x) + b).tanh() * (0.5 + t / 2000.0)) as f32);
    Latent::from_shape_vec(x.raw_dim(), out.collect()).unwrap()
}

/// The arguments of `set_timesteps` and `step`.
fn tuning(method: &Method, case: &Json) -> Tuning {
    let set = |key: &str| case.get("set").and_then(|set| set.get(key)).map(floats);
    let numbers = case.get("step").and_then(Json::as_object).into_iter().flatten();
    Tuning {
        eta: case.get("eta").and_then(Json::as_f64).filter(|_| method.takes_eta),
        custom: set("sigmas").map(Custom::Sigmas).or(set("timesteps").map(Custom::Timesteps)),
        knobs: numbers.filter_map(|(key, value)| Some((key.clone(), value.as_f64()?))).collect(),
        ..Tuning::default()
    }
}

struct Run {
    times: Vec<f64>,
    last: Latent,
}

fn run(golden: &Json, case: &Json) -> anyhow::Result<Run> {
    let method = Method::of_class(case["class"].as_str().unwrap())?;
    let source = source(golden, case);
    let tuning = tuning(method, case);
    let steps = case.get("steps").and_then(Json::as_u64).map(|steps| steps as usize);
    let steps = steps.or(tuning.custom.as_ref().map(Custom::steps)).unwrap();
    let mut sampler = method.prepare(&source, steps, &tuning)?;
    let prediction = match source.keys.get("prediction_type") {
        Some(Value::Text(text)) => Prediction::parse(text)?,
        _ if Kind::of(&source) == Kind::Flow => Prediction::Flow,
        _ => Prediction::Epsilon,
    };
    let start: Vec<f32> = floats(&golden["latents"]).iter().map(|v| *v as f32).collect();
    let mut x = Latent::from_shape_vec(vec![4, 2, 3], start).unwrap() * sampler.start_scale as f32;
    let mut noise = Noise::torch(123);
    let mut level = sampler.solver.start();
    let mut times = Vec::new();
    loop {
        times.push(level.t);
        let mut clean = model(golden, &x, level.t);
        prediction.to_clean(&mut clean, &x, level);
        match sampler.solver.advance(Seen { x: &mut x, clean: &mut clean }, &mut noise) {
            Want::Next(next) | Want::Probe(next) => level = next,
            Want::Done => return Ok(Run { times, last: x }),
        }
    }
}

/// Why a case is not compared, where the reference itself is at fault or the case is not for this room.
fn skipped(case: &Json) -> Option<&'static str> {
    if case.get("via").is_some() {
        return Some("the pipeline's corrections are tested with the recipe");
    }
    let text = case.to_string();
    if text.contains("sde-dpmsolver++") && text.contains("\"solver_order\":3") {
        return Some("the reference has the sign of a constant wrong (against Lu et al. 2022b and k-diffusion)");
    }
    if text.contains("fixed_large_log") {
        return Some("the reference takes the root of a logarithm; edrun refuses the key");
    }
    if text.contains("use_flow_sigmas") {
        return Some("not a variance-preserving run");
    }
    if text.contains("trailing") && case["steps"] == 61 {
        return Some("the reference's list has one timestep too many, -1");
    }
    if case.get("final").or(case.get("states")).is_none() && case.get("error").is_none() {
        return Some("no run recorded");
    }
    None
}

fn compare(case: &Json, run: &Run) -> Result<(), String> {
    let want = floats(&case["timesteps"]);
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-6 * b.abs().max(1.0) * 10.0;
    if want.len() != run.times.len() || !want.iter().zip(&run.times).all(close) {
        return Err(format!("timesteps {:?} instead of {want:?}", run.times));
    }
    let last = match case.get("states") {
        Some(states) => floats(states.as_array().unwrap().last().unwrap()),
        None => floats(&case["final"]),
    };
    let scale = last.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let worst = last.iter().zip(&run.last).map(|(want, got)| (want - f64::from(*got)).abs()).fold(0.0, f64::max);
    // A ratio of 4096 costs the reference's f32 arithmetic three digits more.
    let cancellation = if case["init_noise_sigma"].as_f64().unwrap_or(1.0) > 1000.0 { 10.0 } else { 1.0 };
    if worst.is_nan() || worst > cancellation * TOLERANCE * scale {
        return Err(format!("off by {worst:.2e} of {scale:.2e}"));
    }
    Ok(())
}

#[test]
fn runs_equal_diffusers() {
    check("schedulers.json", 250, 5);
}

#[test]
fn runs_of_more_classes_equal_diffusers() {
    check("schedulers_more.json", 200, 5);
}

/// Compares every case of a golden file, of which at least some must be compared and some refused.
fn check(file: &str, least_compared: usize, least_refused: usize) {
    let golden = crate::golden(file);
    let cases = golden["cases"].as_array().unwrap();
    let (mut compared, mut refused, mut failures) = (0, 0, Vec::new());
    for case in cases.iter().filter(|case| skipped(case).is_none()) {
        let title = title(case);
        match (run(&golden, case), case.get("error")) {
            (Ok(run), None) => {
                compared += 1;
                failures.extend(compare(case, &run).err().map(|why| format!("{title}: {why}")));
            }
            (Err(error), None) => failures.push(format!("{title}: refused: {error}")),
            (Err(_), Some(_)) => refused += 1,
            (Ok(_), Some(error)) => println!("{title}: the reference fails with {error}, edrun runs"),
        }
    }
    assert!(failures.is_empty(), "{} of {compared}:\n{}", failures.len(), failures.join("\n"));
    assert!(
        compared >= least_compared && refused >= least_refused,
        "the corpus shrank: {compared} compared, {refused} refused"
    );
}

#[test]
fn every_method_runs_one_and_two_steps() {
    let golden = crate::golden("schedulers.json");
    for method in METHODS {
        for steps in [1, 2] {
            let case = serde_json::json!({ "class": method.classes[0], "base": "sd15", "steps": steps });
            let run = run(&golden, &case).unwrap();
            assert!(run.last.iter().all(|v| v.is_finite()), "{} with {steps} steps", method.name);
        }
    }
    assert!(Method::find("euler").unwrap().prepare(&Source::default(), 0, &Tuning::default()).is_err());
}

fn title(case: &Json) -> String {
    let part = |key| case.get(key).map_or(String::new(), Json::to_string);
    ["class", "base", "file", "overrides", "steps", "eta", "set", "step"].map(part).join(" ")
}
