use super::*;
use crate::proto::Described;
use crate::testing::ready;

fn parse(text: &str) -> Result<Providers> {
    Providers::parse(&[text], &["npu1"])
}

#[test]
fn lists_are_read() {
    let cases = [
        ("cpu", "cpu"),
        ("CPU", "cpu"),
        ("ov", "openvino"),
        ("openvino:precision=bf16,cpu", "openvino:precision=bf16,cpu"),
        (" openvino : threads=4 , cpu:arena=off", "openvino:threads=4,cpu:arena=off"),
        ("cuda:1", "cuda:1"),
        ("cuda:1:tf32", "cuda:1:tf32=on"),
        ("tensorrt:fp16,cache=some/dir", "tensorrt:fp16=on:cache=some/dir"),
        ("tensorrt:fp16,cache=a,cuda,cpu", "tensorrt:fp16=on:cache=a,cuda,cpu"),
        ("unet=openvino,vae_decoder=cpu", "unet=openvino,vae_decoder=cpu"),
        ("cpu,unet=openvino:precision=bf16,threads=2", "cpu,unet=openvino:precision=bf16:threads=2"),
        ("unet=tensorrt,cuda,vae_decoder=cpu", "unet=tensorrt,cuda,vae_decoder=cpu"),
        ("openvino:device=\"AUTO:GPU,CPU\",cpu", "openvino:device=\"AUTO:GPU,CPU\",cpu"),
        ("tensorrt:cache='C:\\engines'", "tensorrt:cache=\"C:\\engines\""),
        ("npu1:0:any=thing,cpu", "npu1:0:any=thing,cpu"),
        ("unet=npu1", "unet=npu1"),
    ];
    for (text, expected) in cases {
        assert_eq!(parse(text).unwrap().to_string(), expected, "{text}");
        assert_eq!(parse(expected).unwrap().to_string(), expected, "what is shown can be typed");
    }
}

#[test]
fn bad_lists_say_what_is_wrong() {
    let cases = [
        ("", "unknown provider ``"),
        ("opnvino", "unknown provider `opnvino`; known are openvino"),
        ("cpu,cpu", "`cpu` is named twice"),
        ("unet=cpu,cpu", "`cpu` is named twice"),
        ("cpu:threads=0", "`threads` is a number from 1 to 1024, not `0`"),
        ("cpu:thread=2", "cpu has no setting `thread`; known are threads"),
        ("cpu:threads=1:threads=2", "set twice"),
        ("cpu:threads", "write threads=a number"),
        ("openvino:precision=int3", "`precision` is f32, bf16 or f16, not `int3`"),
        ("cpu:x", "cpu has no setting `x`"),
        ("cpu:1", "cpu has no numbered devices"),
        ("openvino:1", "write openvino:device=NAME"),
        ("cuda:0:1", "the device is set twice"),
        ("tensorrt:fp16,cahce=DIR", "`cahce` is no setting of tensorrt (they are fp16"),
        ("openvino:device=\"AUTO", "closing \" is missing"),
        (":fp16", "unknown provider ``"),
        ("cuda:options=absent.json", "absent.json cannot be read"),
    ];
    for (text, expected) in cases {
        let error = parse(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Provider);
        assert!(error.to_string().contains(expected), "{text}: {error}");
    }
}

#[test]
fn components_get_their_own_lists() {
    let providers = Providers::parse(&["openvino", "unet=cuda,cpu"], &[]).unwrap();
    let names = |component: &str| providers.of(component).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names("unet"), ["cuda", "cpu"]);
    assert_eq!(names("vae_decoder"), ["openvino"]);
    assert_eq!(providers.names(), ["cuda", "cpu", "openvino"]);
    let alone = parse("unet=openvino").unwrap();
    assert_eq!(alone.of("text_encoder"), [ProviderChoice::named("cpu")]);
    assert!(alone.check_components(&["unet".into()]).is_ok());
    let error = alone.check_components(&["transformer".into(), "vae_decoder".into()]).unwrap_err();
    assert!(error.to_string().contains("`unet`, and the model has transformer, vae_decoder"), "{error}");
}

/// Settings and providers share commas, so they must not share names.
#[test]
fn names_in_the_registry_are_unique() {
    let names = PROVIDERS.iter().flat_map(|row| row.aliases.iter().chain([&row.name]));
    let mut names: Vec<_> = names.collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for row in PROVIDERS {
        let mut settings: Vec<_> = row.settings.iter().map(|setting| setting.name).collect();
        assert!(settings.iter().all(|setting| !names.contains(&setting)), "{}", row.name);
        settings.sort_unstable();
        settings.dedup();
        assert_eq!(settings.len(), row.settings.len(), "{}", row.name);
    }
}

/// What ONNX Runtime is told for what was typed.
#[test]
fn settings_become_native() {
    let cases: [(&str, &[(&str, &str)]); 10] = [
        ("cpu:arena=off", &[("arena", "0")]),
        (
            "openvino:precision=bf16:device=GPU.1:streams=2",
            &[
                ("device_type", "GPU.1"),
                ("num_streams", "2"),
                ("num_of_threads", "3"),
                ("load_config", r#"{"GPU":{"INFERENCE_PRECISION_HINT":"bf16"}}"#),
            ],
        ),
        (
            "openvino:threads=1",
            &[
                ("num_of_threads", "1"),
                ("device_type", "CPU"),
                ("load_config", r#"{"CPU":{"INFERENCE_PRECISION_HINT":"f32"}}"#),
            ],
        ),
        (
            "cuda:1:memory=2G:conv-search=heuristic",
            &[
                ("device_id", "1"),
                ("gpu_mem_limit", "2147483648"),
                ("cudnn_conv_algo_search", "HEURISTIC"),
                ("use_tf32", "0"),
            ],
        ),
        (
            "webgpu:2:layout=nchw:validation=off",
            &[("deviceId", "2"), ("preferredLayout", "NCHW"), ("validationMode", "disabled")],
        ),
        (
            "coreml:units=cpu-ane:static",
            &[
                ("MLComputeUnits", "CPUAndNeuralEngine"),
                ("RequireStaticInputShapes", "1"),
                ("ModelFormat", "MLProgram"),
            ],
        ),
        ("qnn:power=burst", &[("htp_performance_mode", "burst"), ("backend_type", "htp")]),
        ("migraphx:1:fp16", &[("device", "1"), ("fp16", "1")]),
        ("directml:1:power=low", &[("device_id", "1"), ("performance", "low")]),
        ("directml:kind=npu", &[("filter", "npu")]),
    ];
    for (text, expected) in cases {
        let choice = &parse(text).unwrap().of("unet")[0];
        let native = choice.native(&context(&Described::default())).unwrap();
        let expected: Vec<_> = expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!(native.pairs(), expected, "{text}");
    }
}

/// What the others' settings become is known without a device; TensorRT's engines are named by theirs.
#[test]
fn engines_need_the_gpu_they_are_for() {
    let choice = &parse("tensorrt:4000:fp16").unwrap().of("unet")[0];
    let error = choice.native(&context(&Described::default())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Provider);
    assert!(error.to_string().contains("NVIDIA driver"), "{error}");
}

fn context(described: &Described) -> Context<'_> {
    Context { graph: "unet.onnx".as_ref(), described, threads: Some(3), expected: &[], version: "1.32.0" }
}

/// Every provider but the processor's: not in the library is an error with the way to get it, and
/// one that is there can be registered or says why not.
#[test]
fn every_provider_registers_or_says_why_not() {
    let runtime = ready();
    for row in PROVIDERS {
        let choice = ProviderChoice::named(row.name);
        let (usable, missing) = usable(runtime, std::slice::from_ref(&choice));
        let described = Described::default();
        match missing {
            Some(error) => {
                assert_eq!(error.kind(), ErrorKind::Provider);
                let text = error.to_string();
                let is_there = available(runtime).contains(&row.name);
                assert!(is_there || text.contains(row.remedy) && text.contains("which offers cpu"), "{text}");
            }
            None => {
                let builder = ort::session::Session::builder(runtime.environment()).unwrap();
                let result = register(runtime, builder, &usable, &context(&described));
                assert!(result.is_ok() || row.name != "cpu", "{:?}", result.err());
            }
        }
    }
}

/// The library without a provider refuses it in its own words, which reach the user in one line.
#[test]
fn what_the_library_lacks_is_refused_by_it_too() {
    let runtime = ready();
    for row in PROVIDERS.iter().filter(|row| !available(runtime).contains(&row.name)) {
        let mut builder = ort::session::Session::builder(runtime.environment()).unwrap();
        let dispatch = (row.build)(Native::default()).unwrap();
        assert!(dispatch.register(&mut builder).is_err(), "{}", row.name);
    }
}

#[test]
fn plugin_libraries_are_checked_before_they_are_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("foreign.so");
    std::fs::write(&file, "text").unwrap();
    let cases =
        [("alone", "NAME=PATH"), ("=x", "NAME=PATH"), ("a b=x", "NAME=PATH"), ("npu=absent.so", "there is no file")];
    for (text, part) in cases {
        let error = Plugin::parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let (name, path) = Plugin::parse(&format!("npu={}", file.display())).unwrap();
    let error = ready().add_plugin(&name, &path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Provider);
    assert!(error.to_string().contains("npu") && error.to_string().contains("foreign.so"), "{error}");
    assert!(ready().plugins().is_empty());
}
