//! The registries, one line each.

use std::io::Write;

use anyhow::Result;
use serde_json::{Value as Json, json};

use super::Ending;
use crate::sampling::solver::{Knob, METHODS, Method};
use crate::sampling::steps::STEP_LISTS;
use crate::sampling::unmask;

/// `edrun samplers`.
pub(super) fn samplers(json: bool) -> Result<Ending> {
    let mut out = std::io::stdout().lock();
    if json {
        let rows = METHODS.iter().map(sampler_json).chain(unmask::METHODS.iter().map(|m| text_json(m)));
        writeln!(out, "{}", serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?)?;
        return Ok(Ending::Done);
    }
    for method in METHODS {
        writeln!(out, "{}", sampler_line(method))?;
    }
    writeln!(out, "\nFor text:")?;
    for method in unmask::METHODS {
        writeln!(out, "{}", text_line(method))?;
    }
    Ok(Ending::Done)
}

fn sampler_line(m: &Method) -> String {
    let kind = if m.stochastic { "stochastic" } else { "deterministic" };
    let aliases = m.aliases.iter().filter(|alias| !m.classes.contains(alias));
    let also: Vec<_> = m.classes.iter().chain(aliases).copied().collect();
    let also = if also.is_empty() { String::new() } else { format!("; also {}", also.join(", ")) };
    let eta = if m.takes_eta { "; takes --eta" } else { "" };
    let knobs = options(m.knobs);
    format!(
        "{:18} order {}, {} evaluation{} a step, {kind}{eta}{knobs}{also}; {}",
        m.name,
        m.order,
        m.evaluations,
        if m.evaluations == 1 { "" } else { "s" },
        m.paper
    )
}

fn options(knobs: &[Knob]) -> String {
    let knobs: Vec<_> = knobs.iter().map(|knob| format!("{}={}", knob.name, knob.default)).collect();
    if knobs.is_empty() { String::new() } else { format!("; options {}", knobs.join(" ")) }
}

fn knob_json(k: &Knob) -> Json {
    json!({ "name": k.name, "default": k.default, "range": k.range, "help": k.help })
}

/// Kinds of models that a method for text runs on.
fn kinds(m: &unmask::Method) -> &'static str {
    match (m.absorbing, m.uniform) {
        (true, true) => "masked or scrambled",
        (false, true) => "scrambled",
        _ => "masked",
    }
}

fn text_line(m: &unmask::Method) -> String {
    let also = if m.aliases.is_empty() { String::new() } else { format!("; also {}", m.aliases.join(", ")) };
    let steps = if m.takes_steps { "" } else { "; decides its steps itself" };
    format!("{:18} {} tokens: {}{steps}{}{also}; {}", m.name, kinds(m), m.help, options(m.knobs), m.paper)
}

fn text_json(m: &unmask::Method) -> Json {
    json!({
        "name": m.name,
        "modality": "text",
        "aliases": m.aliases,
        "help": m.help,
        "tokens": kinds(m),
        "takes_steps": m.takes_steps,
        "temperature": m.temperature,
        "options": m.knobs.iter().map(knob_json).collect::<Vec<_>>(),
        "source": m.paper,
    })
}

fn sampler_json(m: &Method) -> Json {
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
        "options": m.knobs.iter().map(knob_json).collect::<Vec<_>>(),
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
