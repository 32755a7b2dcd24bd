//! The command line: what was typed, what it means, the run, the report.

mod args;
mod config;
mod fit;
mod inspect;
mod interrupt;
mod lists;
mod make;
mod models;
mod npy;
mod output;
mod preview;
mod progress;
mod prompts;
mod record;
mod report;
mod runtime;
mod shell;
mod terminal;
mod text;
mod timing;

use std::process::ExitCode;

use anyhow::Result;

pub use args::Args;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything asked for was done.
    Done,
    /// Some requests failed, others were done.
    SomeFailed,
    /// Nothing was done.
    Failed,
}

impl Ending {
    /// What a process that ends like this returns.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::SomeFailed => 1,
            Self::Failed => 2,
        }
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(ending.code())
    }
}

/// Runs the command that was typed.
pub fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let ran = match config::parse(&words) {
        Ok(args) => run(args),
        // clap tells what help and what an error is.
        Err(config::Failure::Typed(error)) => error.exit(),
        Err(config::Failure::Configured(error)) => Err(error),
    };
    match ran {
        Ok(ending) => ending.into(),
        Err(error) if is_closed_pipe(&error) => Ending::Done.into(),
        Err(error) => {
            report::error(&placed(error));
            Ending::Failed.into()
        }
    }
}

fn run(args: Args) -> Result<Ending> {
    match args.command {
        args::Command::Image(args) => make::run(*args),
        args::Command::Mesh(args) => make::run(*args),
        args::Command::Text(args) => text::run(&args),
        args::Command::Audio(args) => make::run(*args),
        args::Command::Video(args) => make::run(*args),
        args::Command::Models(args) => models::list(&args),
        args::Command::Inspect(args) => inspect::run(&args),
        args::Command::Config(args::ConfigCommand::Show(show)) => config::show(&show, args.preset.as_deref()),
        args::Command::Samplers(args) => lists::samplers(args.json),
        args::Command::Schedules(args) => lists::schedules(args.json),
        args::Command::Runtime(command) => runtime::run(command),
        args::Command::Completions(args) => shell::completions(args.shell),
        args::Command::Man(args) => shell::man(args.folder.as_deref()),
        args::Command::Schedule(args::ScheduleCommand::Fit(args)) => fit::run(*args),
    }
}

/// What goes wrong without a word on where went wrong on standard output; files are named where they are written.
fn placed(error: anyhow::Error) -> anyhow::Error {
    match error.is::<std::io::Error>() && error.chain().count() == 1 {
        true => error.context("cannot write to standard output"),
        false => error,
    }
}

/// A reader such as `head` that has seen enough is no failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}
