//! Flags of `edrun config`.

use clap::{Args, Subcommand};

/// The subcommands of `edrun config`.
#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// Show every flag of a command with its value and where that comes from
    #[command(
        after_help = "Examples:\n  edrun config show\n  edrun config show text\n  edrun config show schedule fit --preset fast"
    )]
    Show(ConfigShowArgs),
}

/// Flags of `edrun config show`.
#[derive(Args, Clone, Debug)]
pub struct ConfigShowArgs {
    /// The command whose flags are shown
    #[arg(default_value = "image")]
    pub command: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
