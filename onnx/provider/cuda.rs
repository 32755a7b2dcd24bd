//! NVIDIA GPUs through CUDA and cuDNN.

use super::setting::{Kind, OPTIONS, Setting};
use super::{Provider, nvidia};
use ort::ep::CUDA;

pub(super) const PROVIDER: Provider = Provider {
    name: "cuda",
    aliases: &["nvidia"],
    description: "NVIDIA GPUs through CUDA and cuDNN; cuda:1 is the second one",
    ort_name: "CUDAExecutionProvider",
    bridge: Some("cuda"),
    settings: &[
        Setting::new("memory", Kind::Size, "gpu_mem_limit", "the most memory that graphs may take; default all"),
        Setting::new(
            "arena",
            Kind::Choice(&[("double", "kNextPowerOfTwo"), ("exact", "kSameAsRequested")]),
            "arena_extend_strategy",
            "how memory grows: faster, or smaller; default double",
        ),
        Setting::new(
            "conv-search",
            Kind::Choice(&[("exhaustive", "EXHAUSTIVE"), ("heuristic", "HEURISTIC"), ("default", "DEFAULT")]),
            "cudnn_conv_algo_search",
            "how cuDNN chooses convolutions: slow start and fast run, or the reverse; default exhaustive",
        ),
        Setting::new("tf32", Kind::Switch, "use_tf32", "multiply f32 with 10 bits of mantissa; default off"),
        Setting::new("nhwc", Kind::Switch, "prefer_nhwc", "keep channels innermost in convolutions; default off"),
        OPTIONS,
    ],
    device_key: Some("device_id"),
    remedy: "run `edrun runtime install cuda` (Linux on x86-64), or name an onnxruntime-gpu library with --ort-lib",
    long: None,
    host_memory: false,
    saves_graphs: false,
    complete: |_, _, native| {
        // ONNX Runtime's default is on; pictures of one seed would differ from other providers'.
        native.set_default("use_tf32", "0");
        Ok(())
    },
    build: |native| Some(native.apply(CUDA::default()).build()),
    check_machine: |choice| nvidia::gpu(choice.device.unwrap_or(0)).map(drop),
};
