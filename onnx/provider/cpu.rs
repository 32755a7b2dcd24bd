//! ONNX Runtime's own kernels for the processor: in every library, and the default.

use super::setting::{Kind, Setting};
use super::{Native, Provider};
use ort::ep::{CPU, ExecutionProviderDispatch};

pub(super) const PROVIDER: Provider = Provider {
    name: "cpu",
    aliases: &["host"],
    description: "ONNX Runtime's own processor kernels; in every library, the default",
    ort_name: "CPUExecutionProvider",
    bridge: None,
    settings: &[
        Setting::own("threads", Kind::Number(1, 1024), "how many threads run one graph; default: one for each core"),
        Setting::new(
            "arena",
            Kind::Switch,
            "arena",
            "keep freed memory for the next node (faster, larger); default on",
        ),
    ],
    device_key: None,
    remedy: "it should be in every library",
    long: None,
    host_memory: true,
    saves_graphs: true,
    complete: |_, _, _| Ok(()),
    build,
    check_machine: |_| Ok(()),
};

/// Nothing, unless the arena was mentioned: registering ort's default would switch it off.
fn build(native: Native) -> Option<ExecutionProviderDispatch> {
    native.get("arena").map(|on| CPU::default().with_arena_allocator(on == "1").build())
}
