//! How long everything took, for `--verbose` and `--trace`.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use edrun_modalities::files::{check_place, write_whole};
use edrun_onnx::Trace;
use edrun_onnx::trace::Event;

use super::args::ReportArgs;
use super::report::say;

/// The trace that a command line asks for.
///
/// # Errors
/// When its file cannot be written, or is there already.
pub(super) fn trace(args: &ReportArgs) -> Result<Trace> {
    let Some(path) = &args.trace else {
        return Ok(if args.verbose { Trace::of_spans() } else { Trace::default() });
    };
    check_place(path)?;
    if path.exists() {
        bail!("{} exists; choose another name with --trace", path.display());
    }
    Trace::of_nodes().context("--trace finds no room for what ONNX Runtime times, in the folder for temporary files")
}

/// Says what the trace holds, where that was asked for. Graphs must be gone, as they keep the times of their nodes.
///
/// # Errors
/// When the file of `--trace` cannot be written.
pub(super) fn report(args: &ReportArgs, trace: &Trace) -> Result<()> {
    if args.verbose {
        let memory = match peak_memory() {
            Some(bytes) => format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20)),
            None => "not told by this system".into(),
        };
        say(&format!("{}peak memory {memory}", lines(&trace.events())));
    }
    if let Some(path) = &args.trace {
        write_whole(path, trace.to_chrome().to_string().as_bytes())?;
        if !args.quiet {
            say(&format!("saved {}", path.display()));
        }
    }
    Ok(())
}

/// Stages one a line, in order, steps numbered; what runs inside of them is left to the trace.
fn lines(events: &[Event]) -> String {
    let mut text = String::new();
    let mut steps = Vec::new();
    for event in events {
        let name = match event.kind {
            "load" | "encode" | "decode" | "save" => event.name.clone(),
            "step" => {
                steps.push(event.length);
                steps.len().to_string()
            }
            _ => continue,
        };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{:6} {name:24} {:9.3} s", event.kind, event.length.as_secs_f64());
    }
    if let (Some(least), Some(most)) = (steps.iter().min(), steps.iter().max()) {
        let (count, all) = (steps.len(), steps.iter().sum::<Duration>().as_secs_f64());
        let (mean, least, most) = (all / count as f64, least.as_secs_f64(), most.as_secs_f64());
        let _ = writeln!(text, "{count} steps in {all:.3} s: {mean:.3} s each, {least:.3} to {most:.3} s");
    }
    text
}

/// The most memory this process had at a time, in bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    peak(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_have_lines_and_steps_a_sum() {
        let event = |kind, name: &str, start, length| Event {
            name: name.into(),
            kind,
            graph: None,
            start: Duration::from_millis(start),
            length: Duration::from_millis(length),
            facts: Vec::new(),
        };
        let events = [
            event("load", "unet", 0, 250),
            event("step", "step", 300, 40),
            event("run", "unet", 301, 30),
            event("step", "step", 340, 60),
            event("decode", "result", 400, 5),
        ];
        let want = "load   unet                         0.250 s\n\
                    step   1                            0.040 s\n\
                    step   2                            0.060 s\n\
                    decode result                       0.005 s\n\
                    2 steps in 0.100 s: 0.050 s each, 0.040 to 0.060 s\n";
        assert_eq!(lines(&events), want);
    }

    #[test]
    fn memory_is_read_as_the_kernel_writes_it() {
        assert_eq!(peak("Name:\tedrun\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n"), Some(2 << 20));
        assert_eq!(peak("Name:\tedrun\n"), None);
    }
}
