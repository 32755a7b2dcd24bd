//! Flags that choose the ONNX Runtime library and what runs the graphs.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use edrun_onnx::provider::PROVIDERS;

use super::ListArgs;

/// What runs the graphs.
#[derive(Args, Clone, Debug)]
pub struct LibraryArgs {
    /// Execution providers in order of preference, also by component: cuda:0,cpu or
    /// unet=openvino:precision=bf16,vae_decoder=cpu (repeatable; see `edrun runtime providers`)
    #[arg(long, value_name = "LIST", default_value = "cpu", help_heading = "Running", long_help = ep_help())]
    pub ep: Vec<String>,
    /// Library of a further provider, which --ep then takes as NAME (repeatable)
    #[arg(long, value_name = "NAME=FILE", help_heading = "Running")]
    pub ep_library: Vec<String>,
    /// Leave a provider out that cannot serve, instead of stopping; the report tells
    #[arg(long, help_heading = "Running")]
    pub ep_fallback: bool,
    /// ONNX Runtime library by its name in `edrun runtime list` [default: the first that has what --ep asks for]
    #[arg(long, value_name = "NAME", conflicts_with = "ort_lib", help_heading = "Running")]
    pub runtime: Option<String>,
    /// ONNX Runtime library to load (also EDRUN_ORT_LIB)
    #[arg(long, value_name = "FILE", help_heading = "Running")]
    pub ort_lib: Option<PathBuf>,
}

/// The registry, as help.
fn ep_help() -> String {
    let mut text = String::from(
        "Execution providers in order of preference: each node of a graph runs on the first that can. A provider that is \
         named must be there and run part of the graph, unless --ep-fallback is given.\n\n\
         cuda:0,cpu is for every component; unet=openvino,vae_decoder=cpu for these two (the others run on cpu). \
         Settings follow colons, or commas: openvino:precision=bf16,threads=4. What follows a comma is a setting if the \
         provider before it has one of that name, else the next provider. Quotes keep commas and colons: \
         openvino:device=\"AUTO:GPU,CPU\". The flag may be given several times.\n\n",
    );
    for row in PROVIDERS {
        text += &format!("{}: {}\n", row.name, row.description);
    }
    text + "\nTheir settings: `edrun runtime providers`."
}

/// The subcommands of `edrun runtime`.
#[derive(Subcommand, Debug)]
pub enum RuntimeCommand {
    /// List the ONNX Runtime libraries that are there, with the one that would be used
    #[command(after_help = "Example:\n  edrun runtime list --ep openvino")]
    List(RuntimeListArgs),
    /// List what --ep takes, with its settings
    #[command(after_help = "Example:\n  edrun runtime providers")]
    Providers(ListArgs),
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
