//! ONNX Runtime's own kernels for the processor: in every library, and the default.

use super::{Provider, ProviderChoice, provider_error};
use crate::error::Result;
use ort::ep::{CPU, ExecutionProviderDispatch};

pub(super) const PROVIDER: Provider = Provider {
    name: "cpu",
    aliases: &["host"],
    description: "ONNX Runtime's own processor kernels; in every library, the default",
    ort_name: "CPUExecutionProvider",
    bridge: None,
    options: &[
        ("threads", "how many threads run one graph; default: one for each core"),
        ("arena", "on or off: keep freed memory for the next node (faster, larger); default on"),
    ],
    remedy: "it should be in every library",
    host_memory: true,
    saves_graphs: true,
    configure,
    check_machine: |_| Ok(()),
};

fn configure(choice: &ProviderChoice, _threads: Option<usize>) -> Result<Option<ExecutionProviderDispatch>> {
    choice.threads()?;
    if choice.device.is_some() {
        return Err(provider_error("cpu has no numbered devices".into()));
    }
    // Registering it with ort's default would switch the arena off.
    let arena = choice.switch("arena")?;
    Ok(arena.map(|on| CPU::default().with_arena_allocator(on).build()))
}
