//! GPUs of any maker through WebGPU (Dawn): Vulkan, Metal or Direct3D 12.

use super::Provider;
use super::setting::{Kind, OPTIONS, Setting};
use ort::ep::WebGPU;

pub(super) const PROVIDER: Provider = Provider {
    name: "webgpu",
    aliases: &["wgpu"],
    description: "GPUs of any maker through WebGPU: Vulkan, Metal or Direct3D 12",
    ort_name: "WebGpuExecutionProvider",
    bridge: None,
    settings: &[
        Setting::new(
            "layout",
            Kind::Choice(&[("nhwc", "NHWC"), ("nchw", "NCHW")]),
            "preferredLayout",
            "which axis is innermost in convolutions; default nhwc",
        ),
        Setting::new(
            "backend",
            Kind::Choice(&[("vulkan", "Vulkan"), ("d3d12", "D3D12")]),
            "dawnBackendType",
            "what WebGPU runs on, on Windows; default d3d12",
        ),
        Setting::new(
            "validation",
            Kind::Choice(&[("off", "disabled"), ("wgpu", "wgpuOnly"), ("basic", "basic"), ("full", "full")]),
            "validationMode",
            "how much is checked at run time; default basic",
        ),
        OPTIONS,
    ],
    device_key: Some("deviceId"),
    remedy: "run `edrun runtime install webgpu`",
    long: None,
    host_memory: false,
    saves_graphs: false,
    complete: |_, _, _| Ok(()),
    build: |native| Some(native.apply(WebGPU::default()).build()),
    check_machine: |_| Ok(()),
};
