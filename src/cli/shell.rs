//! What shells and manuals know of the command line, made from the command line itself.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use edrun_modalities::files::write_whole;

use super::Ending;
use super::args::Args;

/// Runs `edrun completions`.
pub(super) fn completions(shell: Shell) -> Result<Ending> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "edrun", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(Ending::Done)
}

/// Runs `edrun man`: one page on standard output, or all of them into a folder.
pub(super) fn man(folder: Option<&Path>) -> Result<Ending> {
    let mut root = Args::command();
    root.build();
    let Some(folder) = folder else {
        std::io::stdout().lock().write_all(&page(&root)?)?;
        return Ok(Ending::Done);
    };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for command in commands(&root) {
        let name = command.get_display_name().unwrap_or(command.get_name());
        write_whole(&folder.join(format!("{name}.1")), &page(command)?)?;
    }
    Ok(Ending::Done)
}

fn page(command: &Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

/// A command and those inside it.
fn commands(command: &Command) -> Vec<&Command> {
    let inner = command.get_subcommands().filter(|inner| inner.get_name() != "help");
    std::iter::once(command).chain(inner.flat_map(commands)).collect()
}
