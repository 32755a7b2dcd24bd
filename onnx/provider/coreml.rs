//! Apple's Core ML: processor, GPU and Neural Engine.

use super::Provider;
use super::setting::{Kind, OPTIONS, Setting};
use ort::ep::CoreML;

pub(super) const PROVIDER: Provider = Provider {
    name: "coreml",
    aliases: &["apple"],
    description: "Apple's Core ML: processor, GPU and Neural Engine",
    ort_name: "CoreMLExecutionProvider",
    bridge: None,
    settings: &[
        Setting::new(
            "units",
            Kind::Choice(&[
                ("all", "ALL"),
                ("cpu", "CPUOnly"),
                ("cpu-gpu", "CPUAndGPU"),
                ("cpu-ane", "CPUAndNeuralEngine"),
            ]),
            "MLComputeUnits",
            "what may be used; default all",
        ),
        Setting::new(
            "format",
            Kind::Choice(&[("mlprogram", "MLProgram"), ("neuralnetwork", "NeuralNetwork")]),
            "ModelFormat",
            "mlprogram (macOS 12 and later, more operators) or neuralnetwork; default mlprogram",
        ),
        Setting::new(
            "static",
            Kind::Switch,
            "RequireStaticInputShapes",
            "take only the parts of a graph whose shapes are fixed; default off",
        ),
        Setting::new(
            "low-precision",
            Kind::Switch,
            "AllowLowPrecisionAccumulationOnGPU",
            "let the GPU sum in f16; default off",
        ),
        Setting::new("cache", Kind::Folder, "ModelCacheDirectory", "where compiled graphs are kept; default none"),
        OPTIONS,
    ],
    device_key: None,
    remedy: "it is in every library for macOS: run `edrun runtime install cpu` there",
    long: Some("CoreML compiles it"),
    host_memory: true,
    saves_graphs: false,
    complete: |_, _, native| {
        native.set_default("ModelFormat", "MLProgram");
        Ok(())
    },
    build: |native| Some(native.apply(CoreML::default()).build()),
    check_machine: |_| Ok(()),
};
