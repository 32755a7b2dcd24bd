//! Hands the chosen providers to a session, each of which must be there.

use super::{PROVIDERS, Provider, ProviderChoice, provider_error};
use crate::error::{Error, Result, one_line};
use crate::proto::Described;
use crate::runtime::Runtime;
use crate::session::Expected;
use ort::session::builder::SessionBuilder;
use std::path::Path;

/// What a provider may want to know before it starts.
pub(crate) struct Context<'a> {
    /// The graph it is to run.
    pub(crate) graph: &'a Path,
    /// What the graph consists of.
    pub(crate) described: &'a Described,
    /// How many threads run it; `None` is one for each core.
    pub(crate) threads: Option<usize>,
    /// The shapes it will be asked with.
    pub(crate) expected: &'a [Expected],
    /// The library's version.
    pub(crate) version: &'a str,
}

/// The first provider that is not in the library or cannot serve on this machine; the others.
pub(crate) fn usable(runtime: &Runtime, choices: &[ProviderChoice]) -> (Vec<ProviderChoice>, Option<Error>) {
    let (mut usable, mut first) = (Vec::new(), None);
    for choice in choices {
        match check(runtime, choice) {
            Ok(()) => usable.push(choice.clone()),
            Err(error) => first = first.or(Some(error)),
        }
    }
    (usable, first)
}

fn check(runtime: &Runtime, choice: &ProviderChoice) -> Result<()> {
    if let Some(plugin) = runtime.plugin(&choice.name) {
        return plugin.check(runtime, choice);
    }
    let row = Provider::find(&choice.name)?;
    let offered = runtime.providers();
    if !offered.iter().any(|name| name == row.ort_name) {
        return Err(not_offered(runtime, row, &offered));
    }
    (row.check_machine)(choice)
}

/// Registers providers that are usable, in order.
pub(crate) fn register(
    runtime: &Runtime,
    mut builder: SessionBuilder,
    choices: &[ProviderChoice],
    context: &Context<'_>,
) -> Result<SessionBuilder> {
    for choice in choices {
        let native = choice.native(context)?;
        if let Some(plugin) = runtime.plugin(&choice.name) {
            builder = plugin.register(runtime, builder, choice, &native.pairs())?;
            continue;
        }
        let Some(dispatch) = (Provider::find(&choice.name)?.build)(native) else { continue };
        dispatch.register(&mut builder).map_err(|cause| {
            let (path, cause) = (runtime.path.display(), one_line(&cause));
            provider_error(format!("{path} could not start provider {choice}: {cause}"))
        })?;
    }
    Ok(builder)
}

fn not_offered(runtime: &Runtime, row: &Provider, offered: &[String]) -> Error {
    let (path, version, remedy) = (runtime.path.display(), &runtime.version, row.remedy);
    let known = |listed: &String| PROVIDERS.iter().find(|row| row.ort_name == listed).map(|row| row.name);
    let plugins = runtime.plugins();
    let there = offered.iter().filter_map(known).chain(plugins.iter().map(|plugin| plugin.name.as_str()));
    let there = there.collect::<Vec<_>>().join(", ");
    provider_error(format!(
        "provider `{}` is not in ONNX Runtime {version} at {path}, which offers {there}: {remedy}",
        row.name
    ))
}
