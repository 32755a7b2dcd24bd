//! Flags of text.

use std::path::PathBuf;

use clap::Args;

use super::{ReportArgs, RequestArgs, RunningArgs};

/// Flags of `edrun text`.
#[derive(Args, Clone, Debug)]
pub struct TextArgs {
    /// What the text begins with; `-` reads it from standard input
    #[arg(required_unless_present_any = ["infill", "score"], conflicts_with_all = ["infill", "score"])]
    pub prompt: Option<String>,

    /// What stands behind the tokens that are found
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["infill", "score", "chat"], help_heading = "Text")]
    pub suffix: Option<String>,
    /// Fill the gaps of a text, three underscores each, such as "The ___ of the ___"; `-` reads
    /// standard input
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["score", "chat"], help_heading = "Text")]
    pub infill: Option<String>,
    /// Tokens of each gap: one number for all, or one for each [default: 1]
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "infill", help_heading = "Text")]
    pub gap_tokens: Vec<usize>,
    /// Put the prompt into the model's chat template
    #[arg(long, conflicts_with = "score", help_heading = "Text")]
    pub chat: bool,
    /// How the model is to behave, said before the prompt
    #[arg(long, value_name = "TEXT", requires = "chat", help_heading = "Text")]
    pub system: Option<String>,
    /// Tokens to find [default: 64, or what the model has room for]
    #[arg(long, value_name = "N", conflicts_with_all = ["infill", "score"], help_heading = "Text")]
    pub length: Option<usize>,
    /// Go on behind an end token
    #[arg(long, conflicts_with_all = ["infill", "score"], help_heading = "Text")]
    pub ignore_end: bool,

    /// Score a file instead: bits a character that the model needs for it; `-` reads standard input
    #[arg(long, value_name = "FILE", help_heading = "Score")]
    pub score: Option<PathBuf>,
    /// Questions asked for each window; more make the error smaller [default: 32]
    #[arg(long, value_name = "N", requires = "score", help_heading = "Score")]
    pub draws: Option<usize>,
    /// Tokens of a window [default: the model's longest text]
    #[arg(long, value_name = "N", requires = "score", help_heading = "Score")]
    pub window: Option<usize>,

    /// What every request has.
    #[command(flatten)]
    pub request: RequestArgs,
    /// Divides logits; 0 takes the likeliest token [default: the sampler's]
    #[arg(long, value_name = "T", allow_negative_numbers = true, help_heading = "Sampling")]
    pub temperature: Option<f64>,
    /// Choose from the N likeliest tokens only
    #[arg(long, value_name = "N", help_heading = "Sampling")]
    pub top_k: Option<usize>,
    /// Choose from the likeliest tokens only that together have this probability
    #[arg(long, value_name = "P", allow_negative_numbers = true, help_heading = "Sampling")]
    pub top_p: Option<f64>,
    /// Above 1, tokens that stand already become less likely
    #[arg(long, value_name = "FACTOR", allow_negative_numbers = true, help_heading = "Sampling")]
    pub repetition_penalty: Option<f64>,
    /// Find so many tokens before the next ones; 1 is left to right [default: the model's, or all]
    #[arg(long, value_name = "N", help_heading = "Sampling")]
    pub block_length: Option<usize>,

    /// Keep keys and values between evaluations, for graphs that have them: none, prefix (what
    /// stands before the block), dual (before and behind it) or delayed (all tokens that are found)
    #[arg(long, value_name = "NAME", help_heading = "Sampling")]
    pub kv_cache: Option<String>,
    /// Compute all keys and values anew after so many evaluations [default: where a block begins;
    /// delayed: 8]
    #[arg(long, value_name = "N", help_heading = "Sampling")]
    pub kv_refresh: Option<usize>,

    /// The model and its graph.
    #[command(flatten)]
    pub running: RunningArgs,
    /// Write the text to a file instead of standard output
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Replace an output file that exists
    #[arg(long, requires = "output", help_heading = "Output")]
    pub overwrite: bool,
    /// What is said.
    #[command(flatten)]
    pub report: ReportArgs,
}
