//! What was typed.

mod audio;
mod carried;
mod config;
mod image;
mod inspect;
mod library;
mod make;
mod mesh;
mod preview;
mod request;
mod running;
mod sampling;
mod text;
mod video;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

pub use audio::AudioArgs;
pub use carried::CarriedArgs;
pub use config::{ConfigCommand, ConfigShowArgs};
pub use image::{ImageArgs, PictureArgs};
pub use inspect::InspectArgs;
pub use library::{LibraryArgs, RuntimeCommand, RuntimeInstallArgs, RuntimeListArgs};
pub use make::{MakeArgs, One, Start};
pub use mesh::MeshArgs;
pub use preview::PreviewArgs;
pub use request::RequestArgs;
pub use running::{ModelsArgs, OutputArgs, ReportArgs, RunningArgs};
pub use sampling::SamplingArgs;
pub use text::TextArgs;
pub use video::VideoArgs;

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
    /// Take flags from this preset of edrun.toml
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "no_config", help_heading = "Configuration")]
    pub preset: Option<String>,
    /// Take no flags from edrun.toml and from variables EDRUN_*
    #[arg(long, global = true, help_heading = "Configuration")]
    pub no_config: bool,
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
    /// Make 3D objects from words
    #[command(
        name = "3d",
        after_help = "Examples:\n  edrun 3d \"a red chair\" --model models/shapes -o chair.glb --turntable chair.gif\n  \
        edrun 3d \"a small duck\" --model models/shapes --resolution 256 --faces 5000 -o duck.stl"
    )]
    Mesh(Box<MeshArgs>),
    /// Write, complete and fill in text
    #[command(after_help = "Examples:\n  edrun text \"The river runs\" --model models/mdlm --length 32\n  \
        edrun text --infill \"The ___ of the ___\" --model models/bert\n  \
        edrun text --chat \"Why is the sky blue?\" --model models/llada --sampler threshold --block-length 32\n  \
        edrun text --score book.txt --model models/mdlm")]
    Text(Box<TextArgs>),
    /// Make sound from words
    #[command(after_help = "Examples:\n  edrun audio \"a violin playing C4\" --model models/sound -o violin.wav\n  \
        edrun audio \"rock drum loop at 120 bpm\" --model models/sound --duration 2 --bit-depth 24 --count 4 -o loop.wav\n  \
        edrun audio \"rain on a roof\" --model models/sound --loudness -23 --spectrogram rain.png -o rain.flac\n  \
        edrun audio \"a flute\" --model models/sound --init-audio violin.wav --strength 0.6 -o flute.wav\n  \
        edrun audio \"a trumpet\" --model models/sound --init-audio song.mp3 --mask 1.2s..2.0s -o song.ogg\n  \
        edrun audio \"soft rain\" --model models/sound --duration 60 -o - | aplay\n  \
        edrun audio \"Hello there\" --model models/supertonic --voice M1 --speed 1.05 -o hello.wav\n  \
        edrun audio \"你好\" --model models/zipvoice --voice ref.wav --voice-text \"今天天气很好\" -o hello.wav")]
    Audio(Box<AudioArgs>),
    /// Make clips from words
    #[command(
        after_help = "Examples:\n  edrun video \"a red ball bounces\" --model models/clips -o ball.mp4 --sheet ball.png\n  \
        edrun video \"a red ball bounces\" --model models/clips --fps 12 -o \"frames/{frame}.png\""
    )]
    Video(Box<VideoArgs>),
    /// List the models that are built in or found by name
    #[command(after_help = "Example:\n  edrun models --model-root /srv/models")]
    Models(ModelsArgs),
    /// Say how a file was made, or what a model folder holds
    #[command(after_help = "Examples:\n  edrun inspect lighthouse.png          # the command that makes it again\n  \
        edrun inspect models/sd15             # what runs it, and what is missing\n  \
        edrun inspect models/sd15 --load --ep openvino   # and how many nodes each provider takes")]
    Inspect(InspectArgs),
    /// Show what flags are set to without being typed, and by what
    #[command(subcommand, after_help = "Example:\n  edrun config show image --preset fast")]
    Config(ConfigCommand),
    /// List the sampling methods
    #[command(after_help = "Example:\n  edrun samplers --json")]
    Samplers(ListArgs),
    /// List the step lists
    #[command(after_help = "Example:\n  edrun schedules --json")]
    Schedules(ListArgs),
    /// Fit a step list to a model
    #[command(
        subcommand,
        after_help = "Example:\n  edrun schedule fit \"a lighthouse\" --model models/sd15 --fit-steps 10"
    )]
    Schedule(ScheduleCommand),
    /// List or fetch ONNX Runtime libraries
    #[command(subcommand, after_help = "Examples:\n  edrun runtime list\n  edrun runtime install openvino")]
    Runtime(RuntimeCommand),
    /// Print what lets a shell complete commands and flags
    #[command(
        after_help = "Examples:\n  edrun completions bash > ~/.local/share/bash-completion/completions/edrun\n  \
        edrun completions zsh > ~/.zfunc/_edrun\n  \
        edrun completions fish > ~/.config/fish/completions/edrun.fish"
    )]
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for every command
    #[command(after_help = "Examples:\n  edrun man | man -l -\n  edrun man ~/.local/share/man/man1")]
    Man(ManArgs),
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
    /// What the pictures show that errors are measured on
    pub prompt: String,
    /// What they are like.
    #[command(flatten)]
    pub picture: PictureArgs,
    /// The model and its graphs.
    #[command(flatten)]
    pub running: RunningArgs,
    /// What is said.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `edrun completions`.
#[derive(ClapArgs, Debug)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Flags of `edrun man`.
#[derive(ClapArgs, Debug)]
pub struct ManArgs {
    /// Folder to write the pages of all commands into; what is there is replaced
    pub folder: Option<PathBuf>,
}

/// Flags of a list.
#[derive(ClapArgs, Debug)]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn check(command: &clap::Command) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains("Example"), "{} has no example", command.get_name());
        command.get_subcommands().for_each(check);
    }

    #[test]
    fn every_command_has_an_example() {
        Args::command().debug_assert();
        check(&Args::command());
    }
}
