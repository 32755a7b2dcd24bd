//! GPUs of any maker on Windows, through DirectML.

use super::setting::{Kind, Setting};
use super::{Native, Provider};
use ort::ep::directml::{DeviceFilter, PerformancePreference};
use ort::ep::{DirectML, ExecutionProviderDispatch};

pub(super) const PROVIDER: Provider = Provider {
    name: "directml",
    aliases: &["dml"],
    description: "GPUs of any maker on Windows, through DirectML; directml:1 is the second one",
    ort_name: "DmlExecutionProvider",
    bridge: None,
    settings: &[
        Setting::new(
            "power",
            Kind::Choice(&[("default", "default"), ("high", "high"), ("low", "low")]),
            "performance",
            "which of several GPUs: the fast or the frugal one; without effect on a numbered device",
        ),
        Setting::new(
            "kind",
            Kind::Choice(&[("gpu", "gpu"), ("npu", "npu"), ("any", "any")]),
            "filter",
            "what to run on; default gpu; without effect on a numbered device",
        ),
    ],
    device_key: Some("device_id"),
    remedy: "run `edrun runtime install directml` on Windows",
    long: None,
    host_memory: false,
    saves_graphs: false,
    complete: |_, _, _| Ok(()),
    build,
    check_machine: |_| Ok(()),
};

fn build(native: Native) -> Option<ExecutionProviderDispatch> {
    let provider = DirectML::default()
        .with_performance_preference(match native.get("performance") {
            Some("high") => PerformancePreference::HighPerformance,
            Some("low") => PerformancePreference::MinimumPower,
            _ => PerformancePreference::Default,
        })
        .with_device_filter(match native.get("filter") {
            Some("npu") => DeviceFilter::Npu,
            Some("any") => DeviceFilter::Any,
            _ => DeviceFilter::Gpu,
        });
    let device = native.get("device_id").and_then(|number| number.parse().ok());
    Some(device.map_or_else(|| provider.clone(), |number| provider.clone().with_device_id(number)).build())
}
