//! Scheduler files as the Stable Diffusion pipelines see them (`data/schedulers.py`, cases with `via`).

use edrun::recipe::{corrected, source_from_json};
use edrun::sampling::config::Config;
use edrun::sampling::solver::{METHODS, Method};
use serde_json::Value as Json;

#[test]
fn outdated_files_are_corrected_as_the_reference_does() {
    let golden = crate::golden("schedulers.json");
    let via = golden["cases"].as_array().unwrap().iter().filter(|case| case.get("via").is_some());
    let mut checked = 0;
    for case in via {
        let mut file = golden["bases"][case["base"].as_str().unwrap()].clone();
        for (key, value) in case.get("file").and_then(Json::as_object).cloned().unwrap_or_default() {
            match value {
                Json::Null => file.as_object_mut().unwrap().remove(&key),
                value => file.as_object_mut().unwrap().insert(key, value),
            };
        }
        let own = file["_class_name"].as_str().unwrap().to_owned();
        let class = case["class"].as_str().unwrap_or(&own);
        if case["class"] == own.as_str() {
            // A second take-over by the same class forgets the correction; edrun does not take over then.
            continue;
        }
        let method = METHODS.iter().find(|m| m.classes[0] == class).unwrap();
        let times = timesteps(&source_from_json(&file).unwrap(), method, case);
        let want: Vec<f64> = case["timesteps"].as_array().unwrap().iter().map(|t| t.as_f64().unwrap()).collect();
        assert_eq!(times, want[0], "{case}");
        checked += 1;
    }
    assert!(checked >= 5, "only {checked} cases");
}

/// The first timestep shows the offset that was taken over.
fn timesteps(file: &edrun::sampling::config::Source, method: &Method, case: &Json) -> f64 {
    let source = corrected(file, method);
    if let Some(clip) = case.get("clip_sample") {
        let config = Config::take_over(method.own_class(), method.defaults, &source);
        assert_eq!(config.flag("clip_sample").unwrap(), clip.as_bool().unwrap());
    }
    let steps = case["steps"].as_u64().unwrap() as usize;
    method.prepare(&source, steps, &Default::default()).unwrap().solver.start().t
}
