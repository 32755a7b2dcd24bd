//! Intel's OpenVINO: whole graphs compiled for processors (not only Intel's), GPUs and NPUs.

use super::{Provider, ProviderChoice, provider_error};
use crate::error::Result;
use ort::ep::{ArbitrarilyConfigurableExecutionProvider, ExecutionProviderDispatch, OpenVINO};

pub(super) const PROVIDER: Provider = Provider {
    name: "openvino",
    aliases: &["ov"],
    description: "Intel OpenVINO: compiles whole graphs for processors, Intel GPUs and NPUs",
    ort_name: "OpenVINOExecutionProvider",
    bridge: Some("openvino"),
    options: &[
        ("device", "OpenVINO's device name, such as CPU, GPU, GPU.1, NPU; default CPU"),
        ("precision", "f32, bf16 or f16: the precision of inner computations; default f32"),
        ("threads", "how many threads run one graph; default: one for each core"),
    ],
    remedy: "run `pip install onnxruntime-openvino` and name its `onnxruntime/capi` folder \
             with --ort-lib or EDRUN_ORT_LIB",
    host_memory: true,
    // The subgraphs it compiled are not part of what ONNX Runtime saves.
    saves_graphs: false,
    configure,
    check_machine,
};

fn configure(choice: &ProviderChoice, threads: Option<usize>) -> Result<Option<ExecutionProviderDispatch>> {
    if choice.device.is_some() {
        return Err(provider_error("openvino names its devices: write openvino:device=GPU.1".into()));
    }
    let device = choice.option("device").unwrap_or("CPU");
    let precision = precision(choice)?;
    let threads = choice.threads()?.or(threads).unwrap_or_else(cores);
    let config = serde_json::json!({ family(device): { "INFERENCE_PRECISION_HINT": precision } });
    let provider = OpenVINO::default()
        .with_device_type(device)
        .with_num_threads(threads)
        .with_arbitrary_config("load_config", config);
    Ok(Some(provider.build()))
}

/// Named even when it is f32: OpenVINO would choose bf16 by itself where the processor has it.
fn precision(choice: &ProviderChoice) -> Result<&'static str> {
    match choice.option("precision") {
        None | Some("f32") => Ok("f32"),
        Some("bf16") => Ok("bf16"),
        Some("f16") => Ok("f16"),
        Some(_) => Err(choice.bad_value("precision", "f32, bf16 or f16")),
    }
}

/// On a processor that lacks a format OpenVINO computes in f32 instead, without a word.
fn check_machine(choice: &ProviderChoice) -> Result<()> {
    let precision = precision(choice)?;
    if !choice.option("device").unwrap_or("CPU").starts_with("CPU") || processor_has(precision) {
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

/// `GPU.1` is configured under `GPU`.
fn family(device: &str) -> &str {
    device.split('.').next().unwrap_or(device)
}

/// The provider's own default is 8 threads, whatever the machine.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
