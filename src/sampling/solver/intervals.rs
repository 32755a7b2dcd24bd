//! Plans of the classes that step on intervals (UniPC, DEIS, DPM-Solver, SA-Solver), with the habits
//! in which they differ: how they spread flows, and where they end.

use anyhow::Result;

use super::{Config, Method, Setup, Source, StepList, Tuning, Value};
use crate::sampling::plan::Plan;
use crate::sampling::schedule::{Flow, Kind, Table};
use crate::sampling::steps::{Custom, Grid, Span};

/// Where a run ends that is not told to end clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Lists of sigmas repeat their last one; the class's own timesteps end at the table's smallest.
    LastOfList,
    /// Always at the table's smallest.
    SmallestOfTable,
}

/// How a class differs from its kin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    /// Spreads `use_flow_sigmas` evenly down from 1 instead of up to 0.
    pub(super) flow_from_one: bool,
    /// Ends noisy whatever the configuration says: it has no `final_sigmas_type`.
    pub(super) always_kept: bool,
    /// Where it ends then.
    pub(super) kept: Kept,
}

/// A configuration with some keys fixed, for names that stand for them.
pub(super) fn fixed(setup: &Setup<'_>, method: &Method, keys: &[(&str, Value)]) -> (Source, Config) {
    let mut source = setup.source.clone();
    keys.iter().for_each(|(key, value)| source.set(key, value.clone()));
    let config = Config::take_over(method.own_class(), method.defaults, &source);
    (source, config)
}

/// The plan of a run on any model.
pub(super) fn plan(setup: &Setup<'_>, habits: Habits) -> Result<Plan> {
    let by_switch = setup.config.flag("use_flow_sigmas")? && setup.tuning.custom.is_none();
    let list = list(setup)?;
    let mut plan = match (by_switch, list) {
        (true, None) => flow_plan(setup, flow_sigmas(setup, habits)?)?,
        (true, Some(list)) if list.name == "karras" => flow_plan(setup, karras_flow(setup, list)?)?,
        _ => setup.plan(Grid::Intervals)?,
    };
    if list.is_some_and(|list| list.name == "karras") && Kind::of(setup.source) == Kind::Table {
        round_times(&mut plan);
    }
    end(setup, habits, &mut plan)?;
    Ok(plan)
}

/// The list of sigmas that replaces the class's own timesteps, if any.
fn list(setup: &Setup<'_>) -> Result<Option<&'static StepList>> {
    match (&setup.tuning.custom, setup.tuning.schedule) {
        (Some(_), _) => Ok(None),
        (None, Some(list)) => Ok(Some(list).filter(|list| list.name != StepList::MODEL)),
        (None, None) => StepList::from_config(setup.config),
    }
}

fn flow_plan(setup: &Setup<'_>, sigmas: Vec<f64>) -> Result<Plan> {
    let tuning = Tuning { custom: Some(Custom::Sigmas(sigmas)), ..setup.tuning.clone() };
    let mut plan = Setup { tuning: &tuning, ..setup.clone() }.plan(Grid::Intervals)?;
    // These classes keep timesteps as integers.
    plan.steps.iter_mut().for_each(|step| step.at.t = step.at.t.trunc());
    Ok(plan)
}

/// Noise scales of `use_flow_sigmas`, shifted and stretched.
fn flow_sigmas(setup: &Setup<'_>, habits: Habits) -> Result<Vec<f64>> {
    let (train, steps) = (setup.config.count("num_train_timesteps", 2)? as f64, setup.steps);
    let share = |i: usize| (1.0 - 1.0 / train) * i as f64 / steps as f64;
    let even: Vec<f64> = match habits.flow_from_one {
        true => (0..steps).map(|i| 1.0 - share(i)).collect(),
        false => (1..=steps).rev().map(share).collect(),
    };
    let flow = shifting(setup)?;
    let mut sigmas: Vec<f64> = even.into_iter().map(|sigma| flow.shifted(sigma)).collect();
    stretch(&mut sigmas, setup.config.optional_number("shift_terminal")?.filter(|terminal| *terminal != 0.0));
    if let Some(first) = sigmas.first_mut().filter(|first| (**first - 1.0).abs() < 1e-6) {
        // The reference's value, which keeps its logarithm finite, in its f32.
        *first = f64::from((*first - 1e-6) as f32);
    }
    Ok(sigmas)
}

/// The shift of a flow that was switched on: static, or by the number of image tokens.
fn shifting(setup: &Setup<'_>) -> Result<Flow> {
    let mut source = setup.source.clone();
    source.set("use_flow_sigmas", Value::Bool(false));
    source.set("shift", setup.config.get("flow_shift").clone());
    Ok(Flow::from_source(&source, setup.tuning.shift_by)?.0)
}

fn stretch(sigmas: &mut [f64], terminal: Option<f64>) {
    if let (Some(terminal), Some(last)) = (terminal, sigmas.last().copied()) {
        let scale = (1.0 - last) / (1.0 - terminal);
        sigmas.iter_mut().for_each(|sigma| *sigma = 1.0 - (1.0 - *sigma) / scale);
    }
}

/// Karras's list for a flow: over the table's ratios, then as flow times.
fn karras_flow(setup: &Setup<'_>, list: &StepList) -> Result<Vec<f64>> {
    let table = Table::from_config(setup.config, true)?;
    let (low, high) = table.range();
    let bound = |key| setup.config.optional_number(key);
    let (low, high) = (bound("sigma_min")?.unwrap_or(low), bound("sigma_max")?.unwrap_or(high));
    let ratios = (list.sigmas)(&Span { schedule: &table, low, high, steps: setup.steps });
    Ok(ratios.into_iter().map(|ratio| ratio / (1.0 + ratio)).collect())
}

/// Karras's timesteps are rounded in these classes, whatever the betas.
fn round_times(plan: &mut Plan) {
    for step in &mut plan.steps {
        step.at.t = plan.schedule.at_sigma(plan.schedule.sigma(step.at)).t.round_ties_even();
    }
}

fn end(setup: &Setup<'_>, habits: Habits, plan: &mut Plan) -> Result<()> {
    let kind = Kind::of(setup.source);
    // A flow's last sigma is far from clean; repeating it, as the reference does where it has no choice,
    // leaves visible noise.
    let kept = match habits.always_kept {
        true => kind == Kind::Table && setup.tuning.custom.is_none(),
        false => setup.config.get("final_sigmas_type") == &Value::text("sigma_min"),
    };
    let Some(last) = plan.steps.last_mut().filter(|_| kept) else { return Ok(()) };
    let listed = kind != Kind::Table || list(setup)?.is_some();
    last.to = match habits.kept {
        Kept::LastOfList if listed => last.at,
        _ if kind == Kind::Flow => plan.schedule.at_sigma(Table::from_config(setup.config, true)?.range().0),
        _ => plan.schedule.at_sigma(plan.schedule.sigmas().0),
    };
    Ok(())
}
