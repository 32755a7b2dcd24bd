//! The registries, one line each.

use std::io::Write;

use anyhow::Result;
use serde_json::{Value as Json, json};

use super::Ending;
use crate::sampling::solver::{Knob, METHODS, Method};
use crate::sampling::steps::STEP_LISTS;

/// `edrun samplers`.
pub(super) fn samplers(json: bool) -> Result<Ending> {
    let mut out = std::io::stdout().lock();
    if json {
        let rows: Vec<_> = METHODS.iter().map(sampler_json).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
        return Ok(Ending::Done);
    }
    for method in METHODS {
        writeln!(out, "{}", sampler_line(method))?;
    }
    Ok(Ending::Done)
}

fn sampler_line(m: &Method) -> String {
    let kind = if m.stochastic { "stochastic" } else { "deterministic" };
    let aliases = m.aliases.iter().filter(|alias| !m.classes.contains(alias));
    let also: Vec<_> = m.classes.iter().chain(aliases).copied().collect();
    let also = if also.is_empty() { String::new() } else { format!("; also {}", also.join(", ")) };
    let knobs: Vec<_> = m.knobs.iter().map(|knob| format!("{}={}", knob.name, knob.default)).collect();
    let eta = if m.takes_eta { "; takes --eta" } else { "" };
    let knobs = if knobs.is_empty() { String::new() } else { format!("; options {}", knobs.join(" ")) };
    format!(
        "{:18} order {}, {} evaluation{} a step, {kind}{eta}{knobs}{also}; {}",
        m.name,
        m.order,
        m.evaluations,
        if m.evaluations == 1 { "" } else { "s" },
        m.paper
    )
}

fn sampler_json(m: &Method) -> Json {
    let knob = |k: &Knob| json!({ "name": k.name, "default": k.default, "range": k.range, "help": k.help });
    json!({
        "name": m.name,
        "classes": m.classes,
        "aliases": m.aliases,
        "order": m.order,
        "evaluations_per_step": m.evaluations,
        "stochastic": m.stochastic,
        "takes_eta": m.takes_eta,
        "extra_output_groups": m.extra_groups,
        "free_steps": m.free_steps,
        "options": m.knobs.iter().map(knob).collect::<Vec<_>>(),
        "source": m.paper,
    })
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
