//! What was typed.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

/// Runs exported diffusion models on ONNX Runtime.
#[derive(Parser, Debug)]
#[command(name = "edrun", version, about, max_term_width = 100)]
#[command(
    after_help = "Example:\n  edrun image \"a red cube on a table\" --model models/sd15 --steps 20 --seed 7 -o cube.png"
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make pictures from words
    #[command(
        after_help = "Examples:\n  edrun image \"a lighthouse at dusk\" --model models/sd15 -o lighthouse.png\n  \
        edrun image \"a fox\" --model models/sd15 --sampler dpmpp-2m --schedule karras --steps 20 --count 4 -o fox.png\n  \
        echo \"a long prompt\" | edrun image - --model models/sd15 -o out.png\n  \
        edrun image --prompts prompts.txt --model models/sd15 --batch 4 -o \"{index}-{prompt}.png\""
    )]
    Image(Box<ImageArgs>),
    /// List the sampling methods
    Samplers(ListArgs),
    /// List the step lists
    Schedules(ListArgs),
    /// Fit a step list to a model
    #[command(subcommand)]
    Schedule(ScheduleCommand),
}

/// The subcommands of `edrun schedule`.
#[derive(Subcommand, Debug)]
pub enum ScheduleCommand {
    /// Measure a model and print the --sigmas that suit it
    #[command(
        after_help = "Example:\n  edrun schedule fit \"a lighthouse\" --model models/sd15 --method ays --fit-steps 10 --count 4"
    )]
    Fit(Box<FitArgs>),
}

/// Flags of `edrun schedule fit`.
#[derive(ClapArgs, Debug)]
pub struct FitArgs {
    /// How to fit: ays, watson or gits
    #[arg(long, value_name = "NAME", default_value = "ays", help_heading = "Fit")]
    pub method: String,
    /// Steps of the list that is fitted
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = "Fit")]
    pub fit_steps: usize,
    /// How the pictures are made that errors are measured on
    #[command(flatten)]
    pub image: ImageArgs,
}

/// Flags of a list.
#[derive(ClapArgs, Debug)]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Flags of `edrun image`.
#[derive(ClapArgs, Clone, Debug)]
pub struct ImageArgs {
    /// What the picture shows; `-` reads it from standard input
    #[arg(required_unless_present = "prompts", conflicts_with = "prompts")]
    pub prompt: Option<String>,

    /// Many prompts, one a line: text, or JSON objects that may set any flag of a picture
    /// (FILE.jsonl); `-` reads standard input
    #[arg(long, value_name = "FILE", help_heading = "Picture")]
    pub prompts: Option<PathBuf>,

    /// Model folder, as `optimum-cli export onnx` writes it
    #[arg(long, value_name = "DIR", help_heading = "Model")]
    pub model: PathBuf,

    /// What the picture should not show
    #[arg(long, value_name = "TEXT", help_heading = "Picture")]
    pub negative_prompt: Option<String>,
    /// Pixels, a multiple of 8 [default: the model's]
    #[arg(long, value_name = "PIXELS", help_heading = "Picture")]
    pub width: Option<usize>,
    /// Pixels, a multiple of 8 [default: the model's]
    #[arg(long, value_name = "PIXELS", help_heading = "Picture")]
    pub height: Option<usize>,
    /// Number of pictures, with seeds SEED, SEED+1, ...
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, help_heading = "Picture")]
    pub count: usize,
    /// Seed of the first picture [default: random]
    #[arg(long, help_heading = "Picture")]
    pub seed: Option<u64>,
    /// Mix in the noise of a second seed; with --count this one advances
    #[arg(long, value_name = "SEED", requires = "variation_strength", help_heading = "Picture")]
    pub variation_seed: Option<u64>,
    /// How far to go towards the second seed's noise, 0 to 1
    #[arg(
        long,
        value_name = "SHARE",
        requires = "variation_seed",
        allow_negative_numbers = true,
        help_heading = "Picture"
    )]
    pub variation_strength: Option<f64>,

    /// Sampling steps [default: the model family's]
    #[arg(long, value_name = "N", help_heading = "Sampling")]
    pub steps: Option<usize>,
    /// How closely the prompt is followed; 1 is no guidance [default: the model family's]
    #[arg(long, alias = "cfg-scale", value_name = "SCALE", allow_negative_numbers = true, help_heading = "Sampling")]
    pub guidance_scale: Option<f64>,
    /// Share of the guided prediction brought back to the unguided one's contrast, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, allow_negative_numbers = true, help_heading = "Sampling")]
    pub guidance_rescale: f64,
    /// Sampling method, see `edrun samplers` [default: the model's]
    #[arg(long, alias = "solver", value_name = "NAME", help_heading = "Sampling")]
    pub sampler: Option<String>,
    /// Step list, see `edrun schedules` [default: the model's]
    #[arg(long, value_name = "NAME", help_heading = "Sampling")]
    pub schedule: Option<String>,
    /// Step list of your own: noise levels from the noisiest down, such as 14.6,7.1,2.5,0.6
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with_all = ["schedule", "timesteps"], help_heading = "Sampling")]
    pub sigmas: Option<Vec<f64>>,
    /// Step list of your own: timesteps from the noisiest down, such as 999,750,500,250
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "schedule", help_heading = "Sampling")]
    pub timesteps: Option<Vec<f64>>,
    /// Share of fresh noise a step, 0 to 1, for the samplers that have it
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, help_heading = "Sampling")]
    pub eta: Option<f64>,
    /// A number the sampler can be tuned by, see `edrun samplers` (repeatable)
    #[arg(long = "sampler-option", value_name = "NAME=VALUE", help_heading = "Sampling")]
    pub sampler_options: Vec<String>,
    /// Random number generator: torch (PyTorch's on the CPU), philox (PyTorch's on CUDA), numpy
    /// (RandomState) or numpy-generator
    #[arg(long, value_name = "NAME", default_value = "torch", help_heading = "Sampling")]
    pub rng: String,
    /// Start from this unit noise instead of drawing it (.npy, [channels, height/8, width/8])
    #[arg(long, value_name = "F.npy", help_heading = "Sampling")]
    pub init_latents: Option<PathBuf>,

    /// Execution provider, or several in order of preference: cpu, openvino
    #[arg(long, value_name = "LIST", default_value = "cpu", help_heading = "Running")]
    pub ep: String,
    /// Threads of graph execution [default: one a core]
    #[arg(long, value_name = "N", help_heading = "Running")]
    pub threads: Option<usize>,
    /// Pictures that share one run of the denoiser
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Running")]
    pub batch: usize,
    /// Keep every component in memory until the end
    #[arg(long, help_heading = "Running")]
    pub keep_loaded: bool,
    /// Optimise graphs anew instead of keeping the optimised ones on disk
    #[arg(long, help_heading = "Running")]
    pub no_cache_models: bool,
    /// How much disk the optimised graphs may take, such as 20G
    #[arg(long, value_name = "SIZE", default_value = "20G", help_heading = "Running")]
    pub cache_limit: String,
    /// ONNX Runtime library to load (also EDRUN_ORT_LIB)
    #[arg(long, value_name = "FILE", help_heading = "Running")]
    pub ort_lib: Option<PathBuf>,

    /// Output file, or a pattern with {seed}, {index}, {prompt}; its extension chooses the format
    /// [default: edrun-{seed}.png, with --prompts edrun-{index}-{seed}.png]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Leave pictures out whose output file is there already
    #[arg(long, conflicts_with = "overwrite", help_heading = "Output")]
    pub resume: bool,
    /// Replace output files that exist
    #[arg(long, help_heading = "Output")]
    pub overwrite: bool,
    /// Write the latents before decoding (.npy, [count, channels, height/8, width/8])
    #[arg(long, value_name = "F.npy", help_heading = "Output")]
    pub save_latents: Option<PathBuf>,
    /// Print one JSON report to standard output
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Show no progress
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
}
