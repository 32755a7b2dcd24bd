//! Flags of how graphs are run, where results go, and what is said.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::super::make::bytes;
use super::LibraryArgs;

/// The model, and how its graphs run.
#[derive(Args, Clone, Debug)]
pub struct RunningArgs {
    /// Model: a folder as `optimum-cli export onnx` writes it, or a name that is found below the model
    /// roots, in the cache of the Hugging Face hub (ORG/NAME), or among the built-in models
    /// [default: the built-in one of the command]
    #[arg(long, value_name = "DIR|NAME", help_heading = "Model")]
    pub model: Option<PathBuf>,
    /// Folder in which models lie by name (repeatable) [default: edrun/models in the user's data folder]
    #[arg(long, value_name = "DIR", help_heading = "Model")]
    pub model_root: Vec<PathBuf>,
    /// What runs the graphs.
    #[command(flatten)]
    pub library: LibraryArgs,
    /// Threads of graph execution [default: one a core]
    #[arg(long, value_name = "N", help_heading = "Running")]
    pub threads: Option<usize>,
    /// Requests that share one run of the denoiser
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Running")]
    pub batch: usize,
    /// Keep every component in memory until the end
    #[arg(long, help_heading = "Running")]
    pub keep_loaded: bool,
    /// Most memory that the run may take, such as 4G; it is estimated from the graphs before they are loaded
    /// [default: what there is]
    #[arg(long, value_name = "SIZE", help_heading = "Running")]
    pub max_memory: Option<String>,
    /// Optimise graphs anew instead of keeping the optimised ones on disk
    #[arg(long, help_heading = "Running")]
    pub no_cache_models: bool,
    /// How much disk the optimised graphs may take, such as 20G
    #[arg(long, value_name = "SIZE", default_value = "20G", help_heading = "Running")]
    pub cache_limit: String,
    /// The size with weights from which a graph's optimised form is kept; smaller ones are as quick without
    #[arg(long, value_name = "SIZE", default_value = "32M", help_heading = "Running")]
    pub cache_from: String,
}

impl RunningArgs {
    /// The bytes of `--max-memory`.
    ///
    /// # Errors
    /// When it is no size.
    pub fn max_memory(&self) -> Result<Option<u64>> {
        self.max_memory.as_deref().map(|text| bytes("--max-memory", text)).transpose()
    }
}

/// Where results go.
#[derive(Args, Clone, Debug)]
pub struct OutputArgs {
    /// Output file, or a pattern with {seed}, {index}, {prompt}; its extension chooses the format;
    /// for sound, `-` is standard output, which a WAV file leaves by as it is made
    /// [default: edrun-{seed}.png, with --prompts edrun-{index}-{seed}.png]
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Leave out what has its output file is there already
    #[arg(long, conflicts_with = "overwrite", help_heading = "Output")]
    pub resume: bool,
    /// Replace output files that exist
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
    /// Write the latents before decoding (.npy, one after another along a first axis)
    #[arg(long, value_name = "F.npy", value_hint = clap::ValueHint::FilePath, help_heading = "Output")]
    pub save_latents: Option<PathBuf>,
}

/// What is said.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// Print one JSON report to standard output
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Show no progress
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
    /// Say at the end how long each stage took, from loading to decoding, and how much memory the
    /// run needed
    #[arg(short, long, help_heading = "Output", conflicts_with = "quiet")]
    pub verbose: bool,
    /// Write when each stage and each node of a graph ran, for chrome://tracing and
    /// ui.perfetto.dev; slows graphs down, small ones most
    #[arg(long, value_name = "FILE.json", value_hint = clap::ValueHint::FilePath, help_heading = "Output")]
    pub trace: Option<PathBuf>,
}

/// Flags of `edrun models`.
#[derive(Args, Clone, Debug)]
pub struct ModelsArgs {
    /// Folder in which models lie by name (repeatable) [default: edrun/models in the user's data folder]
    #[arg(long, value_name = "DIR")]
    pub model_root: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
