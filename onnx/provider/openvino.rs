//! Intel's OpenVINO: whole graphs compiled for processors (not only Intel's), GPUs and NPUs.

use super::setting::{Kind, OPTIONS, Setting};
use super::{Context, Native, Provider, ProviderChoice, provider_error};
use crate::error::Result;
use ort::ep::{ExecutionProviderDispatch, OpenVINO};

pub(super) const PROVIDER: Provider = Provider {
    name: "openvino",
    aliases: &["ov"],
    description: "Intel OpenVINO: compiles whole graphs for processors, Intel GPUs and NPUs",
    ort_name: "OpenVINOExecutionProvider",
    bridge: Some("openvino"),
    settings: &[
        Setting::new(
            "device",
            Kind::Text,
            "device_type",
            "OpenVINO's device name: CPU, GPU, GPU.1, NPU, \"AUTO:GPU,CPU\"; default CPU",
        ),
        Setting::own(
            "precision",
            Kind::Choice(&[("f32", "f32"), ("bf16", "bf16"), ("f16", "f16")]),
            "the precision of inner computations; default f32",
        ),
        Setting::new(
            "threads",
            Kind::Number(1, 1024),
            "num_of_threads",
            "how many threads run one graph; default: one for each core",
        ),
        Setting::new("streams", Kind::Number(1, 255), "num_streams", "how many runs share the device; default 1"),
        Setting::new("cache", Kind::Folder, "cache_dir", "where compiled graphs are kept between starts; default none"),
        OPTIONS,
    ],
    device_key: None,
    remedy: "run `edrun runtime install openvino`",
    long: Some("OpenVINO compiles it"),
    host_memory: true,
    // The subgraphs it compiled are not part of what ONNX Runtime saves.
    saves_graphs: false,
    complete,
    build: |native: Native| -> Option<ExecutionProviderDispatch> { Some(native.apply(OpenVINO::default()).build()) },
    check_machine,
};

/// The precision is named even when it is f32: OpenVINO would choose bf16 by itself where the
/// processor has it. So is the number of threads, whose default is 8 on any machine.
fn complete(choice: &ProviderChoice, context: &Context<'_>, native: &mut Native) -> Result<()> {
    native.set_default("device_type", "CPU");
    native.set_default("num_of_threads", context.threads.unwrap_or_else(cores).to_string());
    let config = serde_json::json!({ family(device(choice)): { "INFERENCE_PRECISION_HINT": precision(choice) } });
    native.set("load_config", config.to_string());
    Ok(())
}

fn device(choice: &ProviderChoice) -> &str {
    choice.option("device").unwrap_or("CPU")
}

fn precision(choice: &ProviderChoice) -> &str {
    choice.option("precision").unwrap_or("f32")
}

/// On a processor that lacks a format OpenVINO computes in f32 instead, without a word.
fn check_machine(choice: &ProviderChoice) -> Result<()> {
    let precision = precision(choice);
    if !device(choice).starts_with("CPU") || processor_has(precision) {
        return Ok(());
    }
    Err(provider_error(format!(
        "openvino: this processor cannot compute in {precision}, and OpenVINO would use f32 \
         instead: leave `precision` out"
    )))
}

#[cfg(target_arch = "x86_64")]
fn processor_has(precision: &str) -> bool {
    match precision {
        "bf16" => is_x86_feature_detected!("avx512bf16") || is_x86_feature_detected!("avxneconvert"),
        "f16" => is_x86_feature_detected!("avx512fp16") || is_x86_feature_detected!("avxneconvert"),
        _ => true,
    }
}

#[cfg(target_arch = "aarch64")]
fn processor_has(precision: &str) -> bool {
    match precision {
        "bf16" => std::arch::is_aarch64_feature_detected!("bf16"),
        "f16" => std::arch::is_aarch64_feature_detected!("fp16"),
        _ => true,
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn processor_has(precision: &str) -> bool {
    precision == "f32"
}

/// `GPU.1` is configured under `GPU`, and `AUTO:GPU,CPU` under `AUTO`.
fn family(device: &str) -> &str {
    device.split(['.', ':']).next().unwrap_or(device)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
