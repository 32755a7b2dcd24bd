//! What a model folder holds, what would run it, and what is missing.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use anyhow::{Error, Result, anyhow, bail};
use edrun_onnx::{Folder, Graph, GraphOptions, Ledger, Loaded, Outline, Port};
use serde_json::{Value as Json, json};

use super::super::args::InspectArgs;
use super::super::{Ending, runtime};
use super::probes::PROBES;

/// One graph of a folder.
struct Component {
    name: String,
    file: String,
    outline: edrun_onnx::Result<Outline>,
    /// Its size with its weights, if they are all there.
    bytes: edrun_onnx::Result<u64>,
    /// What became of it, where it was loaded.
    loaded: Option<Loaded>,
}

/// What a folder says of itself, and in which file and key.
const SAYS: [(&str, &str, &str); 4] = [
    ("pipeline", "model_index.json", "_class_name"),
    ("scheduler", "scheduler/scheduler_config.json", "_class_name"),
    ("scheduler", "scheduler_config.json", "_class_name"),
    ("type", "config.json", "model_type"),
];

/// What a folder turned out to be.
struct Found {
    components: Vec<Component>,
    /// Facts of the pipeline: a label and what it is.
    facts: Vec<(&'static str, String)>,
    /// The command that runs it.
    runs: Option<String>,
    /// Why it does not run, or what it cannot do.
    missing: Vec<String>,
}

/// Describes a folder.
///
/// # Errors
/// When it holds neither graphs nor a pipeline's index, or what should run it is not there.
pub(super) fn run(args: &InspectArgs) -> Result<Ending> {
    let path = args.path.as_path();
    let folder = Folder::open(path)?;
    // A graph may lie in the folder itself.
    let names = folder.components().into_iter().chain(folder.has("").then(String::new));
    let components: Vec<Component> = names.map(|name| component(&folder, name)).collect();
    if components.is_empty() && folder.json("model_index.json")?.is_none() {
        bail!("{} holds no graphs and no model_index.json, so it is no model folder", path.display());
    }
    let mut found = found(&folder, components);
    if args.load {
        found.load(&folder, args)?;
    }
    let mut out = std::io::stdout().lock();
    match args.json {
        true => writeln!(out, "{:#}", found.json(path))?,
        false => write!(out, "{}", found.text(path))?,
    }
    Ok(if found.runs.is_some() { Ending::Done } else { Ending::SomeFailed })
}

/// Describes one graph.
///
/// # Errors
/// When it cannot be read.
pub(super) fn graph(path: &Path, json: bool) -> Result<Ending> {
    let name = path.display().to_string();
    let component = Component {
        file: name.clone(),
        name,
        outline: Ok(Outline::read(path)?),
        bytes: Outline::total_bytes(path),
        loaded: None,
    };
    let mut out = std::io::stdout().lock();
    match json {
        true => writeln!(out, "{:#}", component.json())?,
        false => write!(out, "{}", component.text())?,
    }
    Ok(Ending::Done)
}

fn component(folder: &Folder, name: String) -> Component {
    let file = folder.graph(&name);
    let shown = file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
    let outline = file.and_then(|file| Outline::read(&file));
    let bytes = folder.graph(&name).and_then(|file| Outline::total_bytes(&file));
    let name = if name.is_empty() { "model".into() } else { name };
    Component { name, file: shown, outline, bytes, loaded: None }
}

fn found(folder: &Folder, components: Vec<Component>) -> Found {
    let path = folder.path();
    let mut found = Found { components, facts: said(folder), runs: None, missing: Vec::new() };
    for component in &found.components {
        found.missing.extend(component.outline.as_ref().err().map(ToString::to_string));
        let complete = component.outline.is_ok();
        found.missing.extend(component.bytes.as_ref().err().filter(|_| complete).map(ToString::to_string));
    }
    match PROBES.iter().find(|probe| (probe.knows)(folder)).map_or_else(|| Err(unknown()), |probe| (probe.read)(folder))
    {
        Ok(told) => {
            found.facts.extend(told.facts);
            found.facts.extend(found.components.iter().filter_map(|c| Some(("beside", told.uses.beside(&c.name)?))));
            if found.missing.is_empty() {
                found.runs = Some(format!("edrun {} \"PROMPT\" --model {}", told.command, path.display()));
            }
        }
        Err(error) => found.missing.push(format!("{error:#}")),
    }
    found
}

fn unknown() -> Error {
    anyhow!("the folder has neither a model_index.json nor a config.json that says what it makes")
}

/// What can be read even of what does not run.
fn said(folder: &Folder) -> Vec<(&'static str, String)> {
    let said = |file, key| Some(folder.json(file).ok()??.get(key)?.as_str()?.to_owned());
    SAYS.iter().filter_map(|(label, file, key)| Some((*label, said(file, key)?))).collect()
}

impl Found {
    /// Loads the components one after another, each gone before the next; what cannot be loaded is missing.
    fn load(&mut self, folder: &Folder, args: &InspectArgs) -> Result<()> {
        let providers = runtime::providers(&args.library)?;
        providers.check_components(&folder.components())?;
        runtime::start(&args.library)?;
        let ledger = Ledger::default();
        let options = GraphOptions {
            providers,
            fallback: args.library.ep_fallback,
            ledger: ledger.clone(),
            ..Default::default()
        };
        for component in self.components.iter_mut().filter(|component| component.bytes.is_ok()) {
            match Graph::load(Path::new(&component.file), &options) {
                Ok(_) => {
                    component.loaded = ledger.loaded().into_iter().find(|one| Path::new(&component.file) == one.path)
                }
                Err(error) => self.missing.push(error.to_string()),
            }
        }
        if !self.missing.is_empty() {
            self.runs = None;
        }
        Ok(())
    }

    fn text(&self, path: &Path) -> String {
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{:11} {}", "folder", path.display());
        for (label, fact) in &self.facts {
            let _ = writeln!(text, "{label:11} {fact}");
        }
        self.components.iter().for_each(|component| text.push_str(&component.text()));
        for missing in &self.missing {
            let _ = writeln!(text, "{:11} {missing}", "missing");
        }
        if let Some(runs) = &self.runs {
            let _ = writeln!(text, "{:11} {runs}", "runs with");
        }
        text
    }

    fn json(&self, path: &Path) -> Json {
        let mut report = json!({
            "folder": path.display().to_string(),
            "components": self.components.iter().map(Component::json).collect::<Vec<_>>(),
            "runs": self.runs,
            "missing": self.missing,
        });
        for (label, fact) in self.facts.iter().filter(|(label, _)| *label != "beside") {
            report[*label] = json!(fact);
        }
        report
    }
}

impl Component {
    fn text(&self) -> String {
        let mut text = String::new();
        let size = self.bytes.as_ref().map_or("incomplete".into(), |bytes| megabytes(*bytes));
        let Ok(outline) = &self.outline else { return format!("{}: {size}\n", self.name) };
        let _ = writeln!(
            text,
            "{}: {size}, {} nodes, opset {}, by {}",
            self.name, outline.nodes, outline.opset, outline.producer
        );
        if let Some(loaded) = &self.loaded {
            let nodes = loaded.assigned.iter().map(|one| format!("{} takes {} nodes", one.provider, one.nodes));
            let _ = writeln!(text, "  on  {}: {}", loaded.providers, nodes.collect::<Vec<_>>().join(", "));
            if let Some(why) = &loaded.fallback {
                let _ = writeln!(text, "      as --ep-fallback allows: {why}");
            }
        }
        for (way, ports) in [("in", &outline.inputs), ("out", &outline.outputs)] {
            for port in ports {
                let _ = writeln!(text, "  {way:3} {:26} {port}", port.name);
            }
        }
        text
    }

    fn json(&self) -> Json {
        let ports = |ports: &[Port]| ports.iter().map(port).collect::<Vec<_>>();
        match &self.outline {
            Ok(outline) => json!({
                "runs_on": self.loaded.as_ref().map(runtime::component),
                "name": self.name,
                "file": self.file,
                "bytes": self.bytes.as_ref().ok(),
                "nodes": outline.nodes,
                "opset": outline.opset,
                "producer": outline.producer,
                "inputs": ports(&outline.inputs),
                "outputs": ports(&outline.outputs),
            }),
            Err(error) => json!({ "name": self.name, "file": self.file, "error": error.to_string() }),
        }
    }
}

fn port(port: &Port) -> Json {
    let shape: Vec<_> = port.shape.iter().map(ToString::to_string).collect();
    json!({ "name": port.name, "dtype": port.dtype.to_string(), "shape": shape })
}

fn megabytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
