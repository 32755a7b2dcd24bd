//! The library as others embed it.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use edrun::{Ask, ErrorKind, Event, Pipeline, Settings};

fn ask() -> Ask {
    Ask { prompt: "a red cube".into(), seed: 7, steps: Some(3), ..Ask::default() }
}

fn open(name: &str) -> Pipeline {
    Pipeline::open(crate::data(name)).unwrap()
}

#[test]
fn every_modality_has_its_way_out() {
    let picture = open("models/sd15").image(&ask()).unwrap();
    assert_eq!(picture.rgb.len(), picture.width * picture.height * 3);
    let sound = open("models/sound").audio(&ask()).unwrap();
    assert_eq!((sound.sample_rate, sound.len()), (8000, 1024));
    let mut mesh = open("fields/shap-e/model");
    assert_eq!(mesh.modality(), "3d");
    assert_eq!(mesh.image(&ask()).unwrap_err().kind(), ErrorKind::Ask);
    assert_eq!(mesh.image(&ask()).unwrap_err().to_string(), "this model is for `3d`, but a picture was asked for");
}

#[test]
fn a_run_tells_what_it_does_and_stops_when_told() {
    let mut pipeline = open("models/sd15");
    let seen = Arc::new(Mutex::new((Vec::new(), Vec::new())));
    let sink = Arc::clone(&seen);
    pipeline.on_progress(move |event| {
        let mut seen = sink.lock().unwrap();
        match event {
            Event::Stage(name) => seen.0.push(*name),
            Event::Step { index, done, total } => seen.1.push((*index, *done, *total)),
            _ => {}
        }
        ControlFlow::Continue(())
    });
    let outcome = pipeline.make(&Ask { count: 2, ..ask() }).unwrap();
    let seeds: Vec<u64> = outcome.made.iter().map(|made| made.seed).collect();
    assert_eq!((seeds, outcome.failures.len()), (vec![7, 8], 0));
    let (stages, steps) = seen.lock().unwrap().clone();
    assert!(stages.contains(&"sampling"), "{stages:?}");
    assert_eq!(steps, [(0, 1, 3), (0, 2, 3), (0, 3, 3), (1, 1, 3), (1, 2, 3), (1, 3, 3)]);

    let switch = pipeline.switch();
    pipeline.on_progress(move |event| {
        if let Event::Step { done: 2, .. } = event {
            switch.cancel();
        }
        ControlFlow::Continue(())
    });
    assert_eq!(pipeline.image(&ask()).unwrap_err().kind(), ErrorKind::Cancelled);
    pipeline.on_progress(|_| ControlFlow::Break(()));
    assert_eq!(pipeline.image(&ask()).unwrap_err().kind(), ErrorKind::Cancelled);
    // A run that was stopped leaves the pipeline as good as new.
    pipeline.on_progress(|_| ControlFlow::Continue(()));
    let again = pipeline.image(&ask()).unwrap();
    assert_eq!(again, *outcome.made[0].media.picture().unwrap());
}

#[test]
fn errors_have_a_kind_and_a_sentence() {
    let kind = |error: edrun::Error, text: &str| {
        assert!(error.to_string().contains(text), "{error}");
        error.kind()
    };
    assert_eq!(kind(Pipeline::open("no/such").err().unwrap(), "no/such"), ErrorKind::Model);
    let mut pipeline = open("models/sd15");
    let refused = |ask: Ask, pipeline: &mut Pipeline| pipeline.image(&ask).unwrap_err();
    assert_eq!(kind(refused(Ask { steps: Some(0), ..ask() }, &mut pipeline), "steps"), ErrorKind::Ask);
    assert_eq!(kind(refused(Ask { count: 2, ..ask() }, &mut pipeline), "one result"), ErrorKind::Ask);
    let unusual = Settings { providers: edrun::onnx::Providers::parse(&["qnn"], &[]).unwrap(), ..Settings::default() };
    let error = Pipeline::open_with(crate::data("models/sd15"), unusual).err().unwrap();
    assert_eq!(error.graph_error().unwrap().kind(), edrun::onnx::ErrorKind::Provider);
    assert_eq!(kind(error, "qnn"), ErrorKind::Runtime);
}

#[test]
fn asks_in_json_mean_the_same() {
    let mut pipeline = open("models/sd15");
    let made = pipeline.generate(r#"{"prompt": "a red cube", "seed": 7, "steps": 3, "count": 2}"#).unwrap();
    assert_eq!(made.outputs.iter().map(|one| (one.index, one.seed)).collect::<Vec<_>>(), [(0, 7), (1, 8)]);
    let edrun::api::Content::Media(media) = &made.outputs[0].content else { panic!("no picture") };
    assert_eq!(*media.picture().unwrap(), pipeline.image(&ask()).unwrap());
    for (json, told) in [
        (r#"{"prompt": "a", "duration": 1}"#, "duration"),
        (r#"{"prompt": "a", "bit_depth": 12}"#, "8 or 16"),
        (r#"{"prompt": "a", "max_memory": 1000000}"#, "this run needs about"),
        (r#"{"prompt": "a", "sigmas": [1.0], "timesteps": [1.0]}"#, "timesteps"),
        (r#"{"prompt": "a", "variation_seed": 1}"#, "variation_strength"),
        (r#"{"prompt": "a", "init_image": "no/such.png"}"#, "no/such.png"),
    ] {
        let error = pipeline.generate(json).unwrap_err();
        assert!(error.kind() == ErrorKind::Ask && error.to_string().contains(told), "{error}");
    }
}

#[test]
fn asks_in_json_say_how_a_sound_is_begun_and_saved() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model");
    crate::copy(&crate::data("models/sound"), &model);
    crate::copy(&crate::data("sound/waves"), &model);
    let mut pipeline = Pipeline::open(&model).unwrap();
    let mut save = |name: &str, seed: u64, more: serde_json::Value| {
        let mut ask = serde_json::json!({"prompt": "a flute playing C5", "seed": seed, "steps": 2, "bit_depth": "f32"});
        ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let path = dir.path().join(name);
        pipeline.generate(&ask.to_string()).unwrap().outputs[0].save(&path).unwrap();
        edrun::media::Waveform::open(&path).unwrap()
    };
    let first = save("first.wav", 7, serde_json::json!({}));
    let again = serde_json::json!({"init_audio": dir.path().join("first.wav"), "mask": "64ms.."});
    let second = save("second.wav", 8, again);
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3);
    // What lies well before the span is kept, what lies within it is made anew.
    assert!(near(&first.channels[0][..384], &second.channels[0][..384]));
    assert!(!near(&first.channels[0][640..], &second.channels[0][640..]));
    let coarse = save("coarse.wav", 7, serde_json::json!({"bit_depth": 16}));
    let step = |value: &f32| (value * 32768.0).fract() == 0.0;
    assert!(coarse.channels[0].iter().all(step) && !first.channels[0].iter().all(step));
    for (json, told) in [
        (r#"{"prompt": "a", "loudness": 9}"#, "LUFS"),
        (r#"{"prompt": "a", "init_audio": "no/such.wav"}"#, "no/such.wav"),
        (r#"{"prompt": "a", "mask": "5s..1s"}"#, "ends before"),
    ] {
        let error = pipeline.generate(json).unwrap_err();
        assert!(error.kind() == ErrorKind::Ask && error.to_string().contains(told), "{error}");
    }
}
