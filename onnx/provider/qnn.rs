//! Qualcomm's processors: Hexagon NPU and Adreno GPU, through QNN.

use super::Provider;
use super::setting::{Kind, OPTIONS, Setting};
use ort::ep::QNN;

pub(super) const PROVIDER: Provider = Provider {
    name: "qnn",
    aliases: &["qualcomm"],
    description: "Qualcomm's NPU and GPU through QNN; the NPU wants fixed shapes",
    ort_name: "QNNExecutionProvider",
    bridge: None,
    settings: &[
        Setting::new(
            "backend",
            Kind::Choice(&[("htp", "htp"), ("gpu", "gpu"), ("cpu", "cpu"), ("saver", "saver")]),
            "backend_type",
            "htp (the NPU), gpu, cpu, or saver (only writes what it would run); default htp",
        ),
        Setting::new("library", Kind::Text, "backend_path", "the backend's library, instead of `backend`"),
        Setting::new(
            "power",
            Kind::Choice(&[
                ("default", "default"),
                ("burst", "burst"),
                ("high", "high_performance"),
                ("balanced", "balanced"),
                ("saver", "power_saver"),
            ]),
            "htp_performance_mode",
            "speed against power; default default",
        ),
        Setting::new("fp16", Kind::Switch, "enable_htp_fp16_precision", "run f32 graphs in f16 on the NPU; default on"),
        Setting::new(
            "level",
            Kind::Number(0, 3),
            "htp_graph_finalization_optimization_mode",
            "how long to optimise for the NPU; default 0",
        ),
        OPTIONS,
    ],
    device_key: Some("device_id"),
    remedy: "run `pip install onnxruntime-qnn` and name its library with --ort-lib, or with --ep-library qnn=FILE \
             where it is a plugin",
    long: Some("QNN compiles it"),
    host_memory: false,
    saves_graphs: false,
    complete: |_, _, native| {
        if native.get("backend_path").is_none() {
            native.set_default("backend_type", "htp");
        }
        Ok(())
    },
    build: |native| Some(native.apply(QNN::default()).build()),
    check_machine: |_| Ok(()),
};
