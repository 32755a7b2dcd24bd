//! Sampling runs against diffusers' schedulers (`data/schedulers.py`): the same configuration
//! file, class, overrides and step count give the same timesteps and the same states.

use std::collections::BTreeSet;

use edrun::sampling::config::{Source, Value};
use edrun::sampling::schedule::ShiftBy;
use edrun::sampling::solver::{METHODS, Method, Sampler, Tuning};
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
    let class = match case["class"].as_str() {
        // This class has a schedule of its own, whatever the file was written for.
        Some("IPNDMScheduler") => "IPNDMScheduler".to_owned(),
        _ => keys.get("_class_name").and_then(Json::as_str).unwrap_or_default().to_owned(),
    };
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
    let arguments = |key: &str| case.get(key).and_then(Json::as_object).into_iter().flatten();
    let numbers =
        arguments("step").chain(arguments("set").filter(|(key, _)| method.knobs.iter().any(|knob| knob.name == *key)));
    let tau = case.get("tau").and_then(Json::as_f64).map(|tau| ("tau".to_owned(), tau));
    let mu = case.get("set").and_then(|set| set.get("mu")).and_then(Json::as_f64);
    // The pipelines of Flux and LTX pass a list that is the same for every request.
    let is_even = case.get("image_seq_len").is_some();
    Tuning {
        eta: case.get("eta").and_then(Json::as_f64).filter(|_| method.takes_eta),
        schedule: None,
        custom: set("sigmas").filter(|_| !is_even).map(Custom::Sigmas).or(set("timesteps").map(Custom::Timesteps)),
        knobs: numbers.filter_map(|(key, value)| Some((key.clone(), value.as_f64()?))).chain(tau).collect(),
        shift_by: mu.map(ShiftBy::Mu),
        even_flow: is_even,
        extra_groups: usize::from(case.get("second_half").is_some()),
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
    let sampler = method.prepare(&source, steps, &tuning)?;
    finish(golden, &source, sampler, case.get("second_half"))
}

/// What the script's model says in its second half of channels, if it has one: an offset and a factor.
fn second_half(golden: &Json, x: &Latent, said: Option<&Json>) -> Option<Latent> {
    let (a, b, said) = (floats(&golden["model_a"]), floats(&golden["model_b"]), floats(said?));
    let (offset, scale) = (said[0], said[1]);
    let out =
        x.iter().zip(a.iter().zip(&b)).map(|(x, (a, b))| (offset + scale * (b - a * f64::from(*x)).tanh()) as f32);
    Some(Latent::from_shape_vec(x.raw_dim(), out.collect()).unwrap())
}

fn finish(golden: &Json, source: &Source, mut sampler: Sampler, half: Option<&Json>) -> anyhow::Result<Run> {
    let prediction = Prediction::of(source)?;
    let start: Vec<f32> = floats(&golden["latents"]).iter().map(|v| *v as f32).collect();
    // TrigFlow's states are in units of the data's deviation here.
    let unit = match (source.class.as_str(), source.keys.get("sigma_data")) {
        ("SCMScheduler", Some(Value::Number(deviation))) => *deviation as f32,
        _ => 1.0,
    };
    let mut x = Latent::from_shape_vec(vec![4, 2, 3], start).unwrap() * (sampler.start_scale as f32 / unit);
    let mut noise = Noise::torch(123);
    let mut level = sampler.solver.start();
    let mut times = Vec::new();
    x = sampler.complete(x, &mut noise);
    loop {
        assert!(times.len() < 100_000, "a method does not come to an end");
        times.push(level.t);
        let mut seen = Vec::new();
        prediction.write_input(&x, level, &mut seen);
        // A network on states with a velocity speaks of that, the second half.
        let said = seen.len() - prediction.output_len(x.len());
        let seen: Latent = Latent::from_shape_vec(vec![4, 2, 3], seen.split_off(said)).unwrap() * unit;
        let groups = sampler.solver.extra_groups();
        let extra = second_half(golden, &seen, half).or((groups > 0).then(|| Latent::ones(vec![groups * 4, 2, 3])));
        let mut clean = Latent::zeros(x.raw_dim());
        let output = model(golden, &seen, level.t) / unit;
        clean.iter_mut().skip(said).zip(output).for_each(|(into, v)| *into = v);
        prediction.to_clean(&mut clean, &x, level);
        match sampler.solver.advance(Seen { x: &mut x, clean: &mut clean, extra: extra.as_ref() }, &mut noise) {
            Want::Next(next) | Want::Probe(next) => level = next,
            Want::Done => return Ok(Run { times, last: x * unit }),
        }
    }
}

/// Why a case is not compared, where the reference itself is at fault, or edrun means something else
/// on purpose: a part of the case's text, and the reason.
const SKIPPED: &[(&str, &str)] = &[
    ("\"via\"", "the pipeline's corrections are tested with the recipe"),
    ("fixed_large_log", "the reference takes the root of a logarithm; edrun refuses the key"),
    ("use_clipped_model_output", "an argument that no pipeline passes"),
    ("\"s_churn\"", "the reference tells the network the noise before the churn, against Karras's algorithm 2"),
    ("\"original_inference_steps\":100", "the reference ignores the argument's value"),
    ("DPMSolverMultistepInverseScheduler", "not carried over: inversion is ddim-inverse"),
    ("LTXEulerAncestralRFScheduler", "not carried over: euler-a on flows takes its place"),
    ("DDPMWuerstchenScheduler", "not carried over: its cascade is not supported"),
    ("UnCLIPScheduler", "not carried over: its cascade is not supported"),
    ("ScoreSdeVeScheduler", "the reference takes its sigmas half a step aside (a known trap); edrun follows the paper"),
    (
        "IPNDMScheduler\",\"file\":{\"trained_betas",
        "the reference reads betas as something else; edrun refuses them here",
    ),
    ("sana-sprint", "SANA-Sprint's pipeline wraps a flow network; its family is not supported"),
    ("\"DPMSolverSDEScheduler", "Brownian noise is compared with torchsde; here the reference's span differs"),
];

fn skipped(case: &Json) -> Option<&'static str> {
    let text = case.to_string();
    let class = case["class"].as_str().unwrap_or_default();
    if let Some((_, why)) = SKIPPED.iter().find(|(part, _)| text.contains(part)) {
        return Some(why);
    }
    if text.contains("sde-dpmsolver++") && text.contains("\"solver_order\":3") {
        return Some("the reference has the sign of a constant wrong (against Lu et al. 2022b and k-diffusion)");
    }
    if text.contains("trailing") && case["steps"] == 61 {
        return Some("the reference's list has one timestep too many, -1");
    }
    if class == "DEISMultistepScheduler" && text.contains("\"solver_order\":4") {
        return Some("the reference runs order 3 instead; edrun refuses the key");
    }
    if class == "IPNDMScheduler" && (case["steps"] == 1 || text.contains("trained_betas\":[")) {
        return Some(
            "the reference divides by almost nothing in one step, and reads betas as angles; edrun refuses those",
        );
    }
    if ["DEISMultistepScheduler", "SASolverScheduler"].contains(&class) && case["base"] == "wan" {
        return Some("the reference repeats the last sigma and leaves its noise in the result; edrun ends clean");
    }
    if class == "CosineDPMSolverMultistepScheduler" && text.contains("\"solver_order\":3") {
        return Some("the reference has no third order, and runs it up to four steps by luck; edrun refuses the key");
    }
    let exponential = text.contains("exponential") || ["cosxl", "audio"].iter().any(|base| case["base"] == *base);
    if (class.starts_with("EDM") || class.starts_with("Cosine")) && exponential && case["steps"] == 1 {
        return Some("the reference's exponential list of one step begins at the clean end");
    }
    if class.starts_with("EDM") && ["svd", "sdxl"].iter().any(|base| case["base"] == *base) {
        return Some("a model with a table keeps its own steps, whatever the sampler");
    }
    if class.starts_with("FlowMatch") && ["own"].iter().any(|base| case["base"] == *base)
        || class == "FlowMatchHeunDiscreteScheduler" && case["base"] == "flux"
    {
        return Some("the file says nothing of the flow, or asks for a shift that the class ignores");
    }
    let own_list = case.get("set").is_some_and(|set| set.get("sigmas").or(set.get("timesteps")).is_some());
    if own_list
        && case.get("image_seq_len").is_none()
        && !["EulerDiscreteScheduler", "DPMSolverMultistepScheduler"].contains(&class)
    {
        return Some("edrun takes a list as it is; the class shifts, reverses or spreads it");
    }
    let flow_file = ["wan", "sana", "sd3", "flux", "schnell", "ltx", "playground", "cosxl", "audio"]
        .contains(&case["base"].as_str().unwrap_or_default());
    if flow_file && !at_home(class, case["base"].as_str().unwrap_or_default()) {
        return Some("a flow or EDM model keeps its own steps, whatever the sampler");
    }
    let curve = ["use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas"]
        .iter()
        .any(|key| text.contains(&format!("{key}\":true")));
    if curve && ["wan", "sana"].iter().any(|base| case["base"] == *base) {
        return Some("the reference mixes the table's sigmas with the flow's");
    }
    if case.get("final").or(case.get("states")).is_none() && case.get("error").is_none() {
        return Some("no run recorded");
    }
    None
}

/// Whether a model's file was written for a class, or for one that reads it alike.
fn at_home(class: &str, base: &str) -> bool {
    match base {
        "wan" | "sana" => ["UniPC", "DEIS", "DPMSolver", "SASolver"].iter().any(|name| class.starts_with(name)),
        "playground" | "cosxl" => class.starts_with("EDM"),
        "audio" => class.starts_with("Cosine"),
        _ => class.starts_with("FlowMatch"),
    }
}

fn compare(case: &Json, run: &Run) -> Result<(), String> {
    let mut want = floats(&case["timesteps"]);
    if case["class"] == "SCMScheduler" {
        // The list ends with the clean time, which is not run.
        want.pop();
    }
    // Times between two of the table come from logarithms in f32 there.
    let between = case["class"].as_str().is_some_and(|class| class.starts_with("KDPM2"));
    let tolerance = if between { 1e-3 } else { 1e-5 };
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= tolerance * b.abs().max(1.0);
    if want.len() != run.times.len() || !want.iter().zip(&run.times).all(close) {
        return Err(format!("timesteps {:?} instead of {want:?}", run.times));
    }
    let last = match case.get("result").or(case.get("states")) {
        Some(_) if case.get("result").is_some() => floats(&case["result"]),
        Some(states) => floats(states.as_array().unwrap().last().unwrap()),
        None => floats(&case["final"]),
    };
    let scale = last.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let worst = last.iter().zip(&run.last).map(|(want, got)| (want - f64::from(*got)).abs()).fold(0.0, f64::max);
    // A ratio of 4096 costs the reference's f32 arithmetic three digits more.
    // So does DEIS's difference of logarithms, and a flow's `1 - sigma` near pure noise.
    let deis = case["class"] == "DEISMultistepScheduler";
    let steep = case["init_noise_sigma"].as_f64().unwrap_or(1.0) > 1000.0;
    // An ulp of a sigma near 100 moves a Brownian path, which is rough, by the root of that.
    let rough = case["class"] == "CosineDPMSolverMultistepScheduler";
    let cancellation = if steep || rough {
        10.0
    } else if deis {
        2.0
    } else {
        1.0
    };
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
    check("schedulers_more.json", 450, 5);
}

/// Compares every case of a golden file, of which at least some must be compared and some refused.
fn check(file: &str, least_compared: usize, least_refused: usize) {
    let golden = crate::golden(file);
    let cases = golden["cases"].as_array().unwrap();
    let (mut compared, mut refused, mut failures) = (0, 0, Vec::new());
    let mut classes = BTreeSet::new();
    for case in cases.iter().filter(|case| skipped(case).is_none()) {
        let title = title(case);
        match (run(&golden, case), case.get("error")) {
            (Ok(run), None) => {
                compared += 1;
                classes.insert(case["class"].as_str());
                failures.extend(compare(case, &run).err().map(|why| format!("{title}: {why}")));
            }
            (Err(error), None) => failures.push(format!("{title}: refused: {error}")),
            (Err(_), Some(_)) => refused += 1,
            (Ok(_), Some(error)) => println!("{title}: the reference fails with {error}, edrun runs"),
        }
    }
    println!("{file}: {compared} runs of {} classes equal, {refused} refused", classes.len());
    assert!(failures.is_empty(), "{} of {compared}:\n{}", failures.len(), failures.join("\n"));
    assert!(
        compared >= least_compared && refused >= least_refused,
        "the corpus shrank: {compared} compared, {refused} refused"
    );
}

#[test]
fn every_method_runs_one_and_two_steps_or_says_why_not() {
    let golden = crate::golden("schedulers_more.json");
    let bases = ["sd15", "schnell", "playground", "cm", "sprint", "ve"];
    // Kinds of models that diffusers has no class for.
    let others = ["BayesianFlowScheduler", "CriticallyDampedScheduler", "ResShiftScheduler", "LogSnrScheduler"];
    let homes = bases.map(|base| source(&golden, &serde_json::json!({ "base": base }))).into_iter();
    let homes: Vec<Source> =
        homes.chain(others.map(|class| Source { class: class.into(), ..Source::default() })).collect();
    for method in METHODS {
        let mut served = 0;
        // A network that gives what any method needs of it.
        let tuning = Tuning { extra_groups: method.extra_groups, ..Tuning::default() };
        for (model, steps) in homes.iter().flat_map(|model| [(model, 1), (model, 2)]) {
            match method.prepare(model, steps, &tuning) {
                Err(error) => assert!(
                    error.to_string().contains(method.name)
                        || error.to_string().contains("scheduler key")
                        || error.to_string().contains("--steps"),
                    "{error}"
                ),
                Ok(sampler) => {
                    served += 1;
                    let last = finish(&golden, model, sampler, None).unwrap().last;
                    assert!(
                        last.iter().all(|v| v.is_finite()),
                        "{} with {steps} steps on {}",
                        method.name,
                        model.class
                    );
                }
            }
        }
        assert!(served > 0, "{} serves no model", method.name);
    }
    assert!(Method::find("euler").unwrap().prepare(&Source::default(), 0, &Tuning::default()).is_err());
}

fn title(case: &Json) -> String {
    let part = |key| case.get(key).map_or(String::new(), Json::to_string);
    ["class", "base", "file", "overrides", "steps", "eta", "set", "step"].map(part).join(" ")
}

/// A name that no class knows is refused by key, whether the method would read it or not.
#[test]
fn unknown_names_are_refused_by_every_method() {
    let mut checked = 0;
    for method in METHODS {
        let names = method.defaults.iter().flat_map(|group| group.iter());
        for (key, _) in names.filter(|(_, value)| matches!(value, Value::Text(_))) {
            let mut source = Source { class: method.own_class().into(), ..Source::default() };
            source.set(key, Value::text("spiral"));
            let tuning = Tuning { extra_groups: method.extra_groups, ..Tuning::default() };
            let error = method.prepare(&source, 5, &tuning).err().map(|error| error.to_string());
            let error = error.unwrap_or_else(|| panic!("{} takes {key} spiral", method.name));
            assert!(error.contains(key) && error.contains("spiral"), "{}: {error}", method.name);
            checked += 1;
        }
    }
    assert!(checked > 150, "only {checked}");
}

/// More steps than the model has timesteps: a list of noise levels that is no list of whole timesteps, or refused by flag.
#[test]
fn more_steps_than_timesteps_are_refused_or_run() {
    let golden = crate::golden("schedulers_more.json");
    let model = source(&golden, &serde_json::json!({ "base": "sd15" }));
    for method in METHODS {
        let tuning = Tuning { extra_groups: method.extra_groups, ..Tuning::default() };
        match method.prepare(&model, 1001, &tuning) {
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("--steps") || error.contains("is not defined on"), "{}: {error}", method.name);
            }
            Ok(sampler) => assert!(sampler.solver.start().sigma.is_finite() && !method.free_steps, "{}", method.name),
        }
    }
}
