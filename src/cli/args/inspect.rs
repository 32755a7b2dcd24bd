//! Flags of `edrun inspect`.

use std::path::PathBuf;

use clap::Args;

use super::LibraryArgs;

/// Flags of `edrun inspect`.
#[derive(Args, Clone, Debug)]
pub struct InspectArgs {
    /// A file that edrun or another program made, or a model folder
    pub path: PathBuf,
    /// Load every component of a model folder too, and say which provider takes how many of its nodes; the flags under
    /// Running choose them
    #[arg(long)]
    pub load: bool,
    /// What would run it.
    #[command(flatten)]
    pub library: LibraryArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
