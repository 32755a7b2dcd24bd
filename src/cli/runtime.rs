//! `edrun runtime`: which ONNX Runtime libraries there are, and how to get more.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use edrun_onnx::provider::{self, PROVIDERS, Setting};
use edrun_onnx::runtime::{self, Installable, Listed, Wanted};
use edrun_onnx::{Loaded, Plugin, Provider, Providers, Runtime};
use serde_json::{Value as Json, json};

use super::Ending;
use super::args::{LibraryArgs, RuntimeCommand, RuntimeInstallArgs, RuntimeListArgs};
use super::interrupt::Interrupt;
use super::report::say;

/// Loads the library that suits what was typed, and the provider libraries that were named.
pub(super) fn start(args: &LibraryArgs) -> Result<&'static Runtime> {
    let runtime = runtime::init(&wanted(args)?)?;
    for (name, path) in plugins(args)? {
        runtime.add_plugin(&name, &path)?;
    }
    if !args.ep_fallback {
        provider::check(runtime, &providers(args)?)?;
    }
    Ok(runtime)
}

/// What runs each component.
pub(super) fn providers(args: &LibraryArgs) -> Result<Providers> {
    let plugins = plugins(args)?;
    let names: Vec<&str> = plugins.iter().map(|(name, _)| name.as_str()).collect();
    Ok(Providers::parse(&args.ep, &names)?)
}

fn plugins(args: &LibraryArgs) -> Result<Vec<(String, PathBuf)>> {
    args.ep_library.iter().map(|text| Ok(Plugin::parse(text)?)).collect()
}

fn wanted(args: &LibraryArgs) -> Result<Wanted> {
    let plugins = plugins(args)?;
    // What comes as a library of its own need not be in the other.
    let mut names = providers(args)?.names();
    names.retain(|name| plugins.iter().all(|(plugin, _)| plugin != name));
    Ok(Wanted { library: args.ort_lib.clone(), name: args.runtime.clone(), providers: names })
}

/// What ran, for a report: the library, and what became of each component.
pub(super) fn report(library: &Runtime, args: &LibraryArgs, loaded: &[Loaded]) -> Json {
    json!({
        "library": library.path.display().to_string(),
        "version": library.version,
        "providers": args.ep.join(","),
        "components": loaded.iter().map(|one| (one.component.clone(), component(one))).collect::<serde_json::Map<_, _>>(),
    })
}

/// What became of a component, for a report.
pub(super) fn component(one: &Loaded) -> Json {
    let nodes: serde_json::Map<_, _> =
        one.assigned.iter().map(|part| (part.provider.clone(), part.nodes.into())).collect();
    json!({ "providers": one.providers, "nodes": nodes, "fallback": one.fallback })
}

/// Runs `edrun runtime`.
pub(super) fn run(command: RuntimeCommand) -> Result<Ending> {
    match command {
        RuntimeCommand::List(args) => list(&args),
        RuntimeCommand::Providers(args) => list_providers(args.json),
        RuntimeCommand::Install(args) => install(&args),
    }
}

fn list(args: &RuntimeListArgs) -> Result<Ending> {
    let listed = runtime::list(&wanted(&args.library)?)?;
    let more = runtime::installable();
    let mut out = std::io::stdout().lock();
    if args.json {
        let libraries: Vec<_> = listed.iter().map(library_json).collect();
        let installable: Vec<_> = more.iter().map(installable_json).collect();
        writeln!(out, "{:#}", json!({ "libraries": libraries, "installable": installable }))?;
        return Ok(Ending::Done);
    }
    for one in &listed {
        writeln!(out, "{}", library_lines(one))?;
    }
    for one in more.iter().filter(|one| !one.is_installed) {
        let Installable { name, about, version, .. } = one;
        let size = megabytes(one.bytes);
        writeln!(
            out,
            "  {name:10} {version:8} not installed: `edrun runtime install {name}` fetches {size}\n    {about}"
        )?;
    }
    Ok(Ending::Done)
}

fn list_providers(as_json: bool) -> Result<Ending> {
    let mut out = std::io::stdout().lock();
    if as_json {
        let rows: Vec<_> = PROVIDERS.iter().map(provider_json).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
        return Ok(Ending::Done);
    }
    for row in PROVIDERS {
        writeln!(out, "{:10} {}", row.name, row.description)?;
        for setting in row.settings {
            writeln!(out, "    {:14} {}: {}", setting.name, setting.kind.describe(), setting.help)?;
        }
    }
    Ok(Ending::Done)
}

fn provider_json(row: &Provider) -> Json {
    let setting = |one: &Setting| json!({ "name": one.name, "values": one.kind.describe(), "help": one.help });
    json!({
        "name": row.name,
        "aliases": row.aliases,
        "description": row.description,
        "ort_name": row.ort_name,
        "takes_device_number": row.device_key.is_some(),
        "settings": row.settings.iter().map(setting).collect::<Vec<_>>(),
        "remedy": row.remedy,
    })
}

fn library_lines(one: &Listed) -> String {
    let mark = if one.used.is_some() { '*' } else { ' ' };
    let (name, path) = (&one.candidate.name, one.candidate.path.display());
    let used = one.used.as_ref().map(|why| format!("\n    in use: {why}")).unwrap_or_default();
    let origin = one.candidate.origin.describe();
    match &one.probe {
        Ok(probe) => {
            let (providers, path) = (known(&probe.providers).join(", "), probe.path.display());
            format!("{mark} {name:10} {:8} {providers}; {origin}\n    {path}{used}", probe.version)
        }
        Err(fault) => format!("{mark} {name:10} cannot be used: {fault}; {origin}\n    {path}{used}"),
    }
}

/// Providers by the names that --ep takes; others as ONNX Runtime spells them.
fn known(providers: &[String]) -> Vec<&str> {
    let name = |listed: &String| PROVIDERS.iter().find(|row| row.ort_name == listed).map(|row| row.name);
    providers.iter().map(|listed| name(listed).unwrap_or(listed)).collect()
}

fn library_json(one: &Listed) -> Json {
    let probe = one.probe.as_ref().ok();
    json!({
        "name": one.candidate.name,
        "path": probe.map_or(&one.candidate.path, |probe| &probe.path).display().to_string(),
        "origin": one.candidate.origin.describe(),
        "version": probe.map(|probe| &probe.version),
        "providers": probe.map(|probe| known(&probe.providers)),
        "fault": one.probe.as_ref().err(),
        "used": one.used.is_some(),
        "why": one.used,
    })
}

fn installable_json(one: &Installable) -> Json {
    json!({
        "name": one.name,
        "about": one.about,
        "version": one.version,
        "download_bytes": one.bytes,
        "installed": one.is_installed,
        "path": one.library.display().to_string(),
    })
}

fn install(args: &RuntimeInstallArgs) -> Result<Ending> {
    let size = runtime::installable().iter().find(|one| one.name == args.name).map(|one| megabytes(one.bytes));
    if let Some(size) = size.filter(|_| !args.quiet) {
        say(&format!("runtime {}: {size} to fetch, unless it is there", args.name));
    }
    let interrupt = Interrupt::watch("nothing was installed")?;
    let (installed, fetched) = match runtime::install(&args.name, !args.quiet) {
        Err(_) if interrupt.is_on() => return Ok(interrupt.tell()),
        result => result?,
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        let mut report = installable_json(&installed);
        report["fetched"] = fetched.into();
        writeln!(out, "{report:#}")?;
    } else if !args.quiet {
        let what = if fetched { "was installed" } else { "is installed and intact" };
        writeln!(out, "runtime {} {} {what}: {}", installed.name, installed.version, installed.library.display())?;
    }
    Ok(Ending::Done)
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}
