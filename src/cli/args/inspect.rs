//! Flags of `edrun inspect`.

use std::path::PathBuf;

use clap::Args;

/// Flags of `edrun inspect`.
#[derive(Args, Clone, Debug)]
pub struct InspectArgs {
    /// A file that edrun or another program made, or a model folder
    pub path: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
