//! Flags that choose the ONNX Runtime library and what runs the graphs.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What runs the graphs.
#[derive(Args, Clone, Debug)]
pub struct LibraryArgs {
    /// Execution provider, or several in order of preference: cpu, openvino
    #[arg(long, value_name = "LIST", default_value = "cpu", help_heading = "Running")]
    pub ep: String,
    /// ONNX Runtime library by its name in `edrun runtime list` [default: the first that has what --ep asks for]
    #[arg(long, value_name = "NAME", conflicts_with = "ort_lib", help_heading = "Running")]
    pub runtime: Option<String>,
    /// ONNX Runtime library to load (also EDRUN_ORT_LIB)
    #[arg(long, value_name = "FILE", help_heading = "Running")]
    pub ort_lib: Option<PathBuf>,
}

/// The subcommands of `edrun runtime`.
#[derive(Subcommand, Debug)]
pub enum RuntimeCommand {
    /// List the ONNX Runtime libraries that are there, with the one that would be used
    #[command(after_help = "Example:\n  edrun runtime list --ep openvino")]
    List(RuntimeListArgs),
    /// Fetch a library with other providers (with pip or uv, from PyPI)
    #[command(after_help = "Example:\n  edrun runtime install openvino")]
    Install(RuntimeInstallArgs),
}

/// Flags of `edrun runtime list`.
#[derive(Args, Debug)]
pub struct RuntimeListArgs {
    /// What a run would ask for.
    #[command(flatten)]
    pub library: LibraryArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Flags of `edrun runtime install`.
#[derive(Args, Debug)]
pub struct RuntimeInstallArgs {
    /// What to fetch, see `edrun runtime list`: cpu, openvino, cuda, webgpu, directml
    pub name: String,
    /// Print one JSON report to standard output
    #[arg(long)]
    pub json: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}
