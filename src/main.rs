//! The `edrun` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: ONNX Runtime reads its environment when it is loaded.
    edrun_onnx::runtime::silence_telemetry();
    edrun::cli::main()
}
