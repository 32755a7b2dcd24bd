//! AMD GPUs through MIGraphX.

use super::setting::{Kind, Setting};
use super::{Native, Provider};
use ort::ep::{ExecutionProviderDispatch, MIGraphX};

pub(super) const PROVIDER: Provider = Provider {
    name: "migraphx",
    aliases: &["amd"],
    description: "AMD GPUs through MIGraphX; migraphx:1 is the second one",
    ort_name: "MIGraphXExecutionProvider",
    bridge: Some("migraphx"),
    settings: &[
        Setting::new("fp16", Kind::Switch, "fp16", "compute in f16; default off"),
        Setting::new("fp8", Kind::Switch, "fp8", "compute in f8; default off"),
        Setting::new("exhaustive", Kind::Switch, "exhaustive", "search long for the fastest kernels; default off"),
        Setting::new("memory", Kind::Size, "memory", "the most memory that graphs may take; default all"),
    ],
    device_key: Some("device"),
    remedy: "install AMD's onnxruntime-migraphx with ROCm and name its library with --ort-lib",
    long: Some("MIGraphX compiles it"),
    host_memory: false,
    saves_graphs: false,
    complete: |_, _, _| Ok(()),
    build,
    check_machine: |_| Ok(()),
};

fn build(native: Native) -> Option<ExecutionProviderDispatch> {
    let is_on = |key: &str| native.get(key) == Some("1");
    let number = |key: &str| native.get(key).and_then(|text| text.parse::<usize>().ok());
    let provider = MIGraphX::default()
        .with_fp16(is_on("fp16"))
        .with_fp8(is_on("fp8"))
        .with_exhaustive_tune(is_on("exhaustive"))
        .with_device_id(number("device").and_then(|device| i32::try_from(device).ok()).unwrap_or(0));
    Some(match number("memory") {
        Some(bytes) => provider.with_mem_limit(bytes).build(),
        None => provider.build(),
    })
}
