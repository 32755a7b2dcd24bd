//! The registries, one line each.

use std::io::Write;

use anyhow::Result;
use serde_json::json;

use super::Ending;
use crate::sampling::solver::METHODS;
use crate::sampling::steps::STEP_LISTS;

/// `edrun samplers`.
pub(super) fn samplers(json: bool) -> Result<Ending> {
    let mut out = std::io::stdout().lock();
    if json {
        let rows: Vec<_> = METHODS
            .iter()
            .map(|m| {
                json!({ "name": m.name, "aliases": m.aliases, "order": m.order, "evaluations_per_step": m.evaluations,
                        "stochastic": m.stochastic, "source": m.paper })
            })
            .collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
        return Ok(Ending::Done);
    }
    for m in METHODS {
        let kind = if m.stochastic { "stochastic" } else { "deterministic" };
        let evaluations = if m.evaluations == 1 { "1 evaluation" } else { "2 evaluations" };
        writeln!(
            out,
            "{:10} order {}, {evaluations} a step, {kind}; also {}; {}",
            m.name,
            m.order,
            m.aliases.join(", "),
            m.paper
        )?;
    }
    Ok(Ending::Done)
}

/// `edrun schedules`.
pub(super) fn schedules(json: bool) -> Result<Ending> {
    let mut out = std::io::stdout().lock();
    let rows = STEP_LISTS.iter().map(|list| (list.name, list.help));
    if json {
        let rows: Vec<_> = rows.map(|(name, help)| json!({ "name": name, "help": help })).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
        return Ok(Ending::Done);
    }
    for (name, help) in rows {
        writeln!(out, "{name:12} {help}")?;
    }
    Ok(Ending::Done)
}
