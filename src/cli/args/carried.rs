//! Flags of what output files carry beside their content.

use clap::Args;

/// What output files carry.
#[derive(Args, Clone, Copy, Debug)]
pub struct CarriedArgs {
    /// Leave out of the files how they were made
    #[arg(long, help_heading = "Output")]
    pub no_metadata: bool,
}
