//! What is said at the end, to people and to programs.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Value as Json, json};

use crate::media::Modality;
use crate::pipeline::Times;

/// Prints an error with its causes, as one sentence.
pub(super) fn error(error: &anyhow::Error) {
    say(&format!("error: {error:#}"));
}

/// Prints a line to standard error. Where that is closed or full, nobody wants to hear, and the work goes on.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A result that was written.
pub(super) struct Saved {
    /// Place of its prompt among the prompts.
    pub(super) prompt: usize,
    pub(super) seed: u64,
    pub(super) file: PathBuf,
    /// What it looks like at a glance: the flag that asked for it, and the file.
    pub(super) look: Option<(&'static str, PathBuf)>,
    /// What there is to say of it.
    pub(super) facts: Json,
}

impl Saved {
    fn json(&self) -> Json {
        let mut json = json!({ "prompt": self.prompt, "seed": self.seed, "file": self.file.display().to_string() });
        let look = self.look.as_ref().map(|(flag, path)| ((*flag).to_owned(), json!(path.display().to_string())));
        if let Some(all) = json.as_object_mut() {
            all.extend(look);
            all.extend(self.facts.as_object().cloned().unwrap_or_default());
        }
        json
    }
}

/// What came of a whole run.
pub(super) struct Report<'a> {
    pub(super) modality: Modality,
    pub(super) saved: &'a [Saved],
    /// What failed, and why.
    pub(super) failed: &'a [(String, String)],
    pub(super) times: &'a Times,
    /// Whether Ctrl-C ended it.
    pub(super) interrupted: bool,
}

impl Report<'_> {
    /// The report of `--json`; `record` says how the first result was made when there was one prompt.
    pub(super) fn json(&self, record: Option<Json>, runtime: Option<Json>) -> Json {
        let command = self.modality.command();
        let mut report = record.unwrap_or_else(|| json!({ "edrun": env!("CARGO_PKG_VERSION"), "modality": command }));
        let failure = |(what, why): &(String, String)| json!({ "what": what, "error": why });
        if let Some(fields) = report.as_object_mut() {
            fields.remove("seed");
            fields.insert(self.modality.plural().into(), self.saved.iter().map(Saved::json).collect());
            fields.insert("failures".into(), self.failed.iter().map(failure).collect());
            fields.insert("interrupted".into(), self.interrupted.into());
            fields.insert("runtime".into(), runtime.unwrap_or_default());
            fields.insert("seconds".into(), seconds(self.times));
        }
        report
    }
}

fn seconds(times: &Times) -> Json {
    json!({
        "load": times.load.as_secs_f64(),
        "encode": times.encode.as_secs_f64(),
        "sample": times.sample.as_secs_f64(),
        "denoiser_graph": times.graph.as_secs_f64(),
        "denoiser_runs": times.graph_runs,
        "decode": times.decode.as_secs_f64(),
    })
}

/// Prints a report as the only thing on standard output.
pub(super) fn print(report: &Json) -> Result<()> {
    writeln!(std::io::stdout().lock(), "{report:#}")?;
    Ok(())
}
