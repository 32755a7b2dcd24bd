//! Plans: the steps of a run on any kind of model, so that a solver never asks which one it serves.

use std::sync::Arc;

use anyhow::{Error, Result, anyhow, bail};

use super::Level;
use super::config::{Config, Source, Value};
use super::schedule::{Bayesian, Exploding, Flow, Kind, LogSnr, NoiseSchedule, Residual, Table};
use super::solver::{Knob, Method, Tuning};
use super::steps::{Custom, FINALS, Final, Grid, SPACINGS, Spacing, Span, Step, StepList, chain, timesteps};

/// The steps of a run, and the schedule they lie on.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Steps, noisiest first.
    pub steps: Vec<Step>,
    /// Factor of the initial unit noise.
    pub start_scale: f64,
    /// For methods that look between the steps.
    pub schedule: Arc<dyn NoiseSchedule>,
}

/// Everything a method builds itself from.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// The method's name, for messages.
    pub name: &'static str,
    /// The model's configuration.
    pub source: &'a Source,
    /// The method's own configuration, taken over from it.
    pub config: &'a Config,
    /// Number of steps asked for, at least 1.
    pub steps: usize,
    /// What the user said beside the configuration.
    pub tuning: &'a Tuning,
}

/// The schedule of the model that a configuration belongs to.
///
/// # Errors
/// For values that cannot be honoured, naming the key.
pub fn schedule_of(source: &Source, method: &Method) -> Result<Arc<dyn NoiseSchedule>> {
    Ok(match Kind::of(source) {
        Kind::Flow => Arc::new(Flow::from_source(source, None)?.0),
        Kind::Exploding => Arc::new(Exploding::from_source(source)?.0),
        Kind::Bayesian => Arc::new(Bayesian::from_source(source)?),
        Kind::Residual => Arc::new(Residual::from_source(source)?),
        Kind::LogSnr => Arc::new(LogSnr::from_source(source)?),
        Kind::Damped => bail!("a step list cannot be fitted to a model whose states have a velocity"),
        Kind::Table => {
            Arc::new(Table::from_config(&Config::take_over(method.own_class(), method.defaults, source), true)?)
        }
    })
}

/// A noise scale together with what the network is told at it.
type Point = (f64, f64);

impl Setup<'_> {
    /// The value of one of the method's knobs: the user's or its default.
    pub fn knob(&self, knob: &Knob) -> f64 {
        self.tuning.knobs.get(knob.name).copied().unwrap_or(knob.default)
    }

    /// The same of a knob that counts something.
    ///
    /// # Errors
    /// When the value is no whole number.
    pub fn whole(&self, knob: &Knob) -> Result<usize> {
        let value = self.knob(knob);
        if value.fract() != 0.0 {
            bail!("the option {} of --sampler {} is {value}, but must be a whole number", knob.name, self.name);
        }
        Ok(value as usize)
    }

    /// An order that a knob or, if the user says nothing, a configuration key gives.
    ///
    /// # Errors
    /// When the value is no whole number of at least 1.
    pub fn order(&self, knob: &Knob, key: &str) -> Result<usize> {
        if self.tuning.knobs.contains_key(knob.name) { self.whole(knob) } else { self.config.count(key, 1) }
    }

    /// The table of betas, for methods that are defined on nothing else.
    ///
    /// # Errors
    /// When the model has none.
    pub fn table(&self, finite: bool) -> Result<Table> {
        let models = match Kind::of(self.source) {
            Kind::Table => return Table::from_config(self.config, finite),
            Kind::Exploding => "models whose noise explodes",
            Kind::Flow => "flow models",
            Kind::Bayesian => "Bayesian flow networks",
            Kind::Residual => "models of residual shifting",
            Kind::LogSnr => "models without a table of timesteps",
            Kind::Damped => return Err(self.needs_velocity()),
        };
        bail!("--sampler {} is not defined on {models}; choose another, such as euler or dpmpp-2m", self.name)
    }

    fn needs_velocity(&self) -> Error {
        anyhow!("--sampler {} is not defined on models whose states have a velocity; choose sscs", self.name)
    }

    /// The plan of a run on any model: `grid` says how the method's class spreads whole timesteps.
    ///
    /// # Errors
    /// For configuration values and lists that cannot be honoured, by name.
    pub fn plan(&self, grid: Grid) -> Result<Plan> {
        let plan = match Kind::of(self.source) {
            Kind::Flow => self.flow_plan(),
            Kind::Exploding => self.exploding_plan(),
            Kind::Bayesian => self.bayesian_plan(),
            Kind::Residual => self.residual_plan(),
            Kind::LogSnr => self.log_snr_plan(),
            Kind::Damped => Err(self.needs_velocity()),
            Kind::Table => self.table_plan(grid),
        }?;
        Ok(Plan { steps: self.late(plan.steps)?, ..plan })
    }

    /// The steps that are left to a run that starts late (`--strength`).
    ///
    /// # Errors
    /// When none is left.
    pub fn late<T>(&self, mut steps: Vec<T>) -> Result<Vec<T>> {
        let Some(strength) = self.tuning.strength else { return Ok(steps) };
        let share = steps.len() as f64 * strength.share;
        // The references round down, but up for flows.
        let kept = if Kind::of(self.source) == Kind::Flow { share.ceil() } else { share.floor() } as usize;
        if kept == 0 {
            bail!("--strength {} leaves none of the {} steps; raise it or --steps", strength.share, steps.len());
        }
        steps.drain(..steps.len().saturating_sub(kept));
        Ok(steps)
    }

    fn flow_plan(&self) -> Result<Plan> {
        let (flow, config) = Flow::from_source(self.source, self.tuning.shift_by)?;
        let spread = if self.tuning.even_flow { flow.spread_evenly(self.steps) } else { flow.spread(self.steps) };
        let own = spread.into_iter().map(|sigma| (flow.at_sigma(sigma).t, sigma)).collect();
        let points = self.points(&flow, &config, own, None)?;
        let levels = points.iter().map(|(t, sigma)| Level { t: *t, ..flow.at_sigma(*sigma) }).chain([Level::CLEAN]);
        let steps = chain(&levels.collect::<Vec<_>>());
        Ok(Plan { steps, start_scale: 1.0, schedule: Arc::new(flow) })
    }

    fn exploding_plan(&self) -> Result<Plan> {
        let (schedule, config) = Exploding::from_source(self.source)?;
        let own = schedule.spread(self.steps).into_iter().map(|sigma| (schedule.at_sigma(sigma).t, sigma)).collect();
        let points = self.points(&schedule, &config, own, None)?;
        let start_scale = schedule.start_scale(points.first().map_or(0.0, |(_, sigma)| *sigma));
        // These classes end clean, or repeat their last noise.
        let clean = config.get("final_sigmas_type") != &Value::text("sigma_min");
        let last = if clean { 0.0 } else { points.last().map_or(0.0, |(_, sigma)| *sigma) };
        let levels = points.iter().map(|(t, sigma)| Level::exploding(*t, *sigma));
        let steps = chain(&levels.chain([Level::exploding(0.0, last)]).collect::<Vec<_>>());
        Ok(Plan { steps, start_scale, schedule: Arc::new(schedule) })
    }

    fn bayesian_plan(&self) -> Result<Plan> {
        let schedule = Bayesian::from_source(self.source)?;
        let own = schedule.spread(self.steps);
        self.plain_plan(schedule, &own)
    }

    /// From noise of unit deviation, as the signal that a first level still has is next to nothing.
    fn log_snr_plan(&self) -> Result<Plan> {
        let schedule = LogSnr::from_source(self.source)?;
        let own = schedule.spread(self.steps);
        Ok(Plan { start_scale: 1.0, ..self.plain_plan(schedule, &own)? })
    }

    fn residual_plan(&self) -> Result<Plan> {
        let schedule = Residual::from_source(self.source)?;
        if self.steps > schedule.steps {
            bail!("--steps {} is more than the {} that the model was trained with", self.steps, schedule.steps);
        }
        let own = schedule.spread(self.steps);
        self.plain_plan(schedule, &own)
    }

    /// Steps over the levels of a schedule, from noise of the first one's deviation to a clean end.
    fn plain_plan(&self, schedule: impl NoiseSchedule + 'static, own: &[Level]) -> Result<Plan> {
        let own = own.iter().map(|level| (level.t, schedule.sigma(*level))).collect();
        let points = self.points(&schedule, self.config, own, None)?;
        let levels = points.iter().map(|(t, sigma)| Level { t: *t, ..schedule.at_sigma(*sigma) }).chain([Level::CLEAN]);
        let steps = chain(&levels.collect::<Vec<_>>());
        let start_scale = steps.first().map_or(1.0, |step| step.at.sigma);
        Ok(Plan { steps, start_scale, schedule: Arc::new(schedule) })
    }

    fn table_plan(&self, grid: Grid) -> Result<Plan> {
        let table = Table::from_config(self.config, true)?;
        let (own, own_end) = self.table_points(&table, grid)?;
        // The classes on intervals stretch a list over the whole model, the others over their own points.
        let range = (grid == Grid::Intervals || own_end.is_some()).then(|| table.range());
        let mut points = self.points(&table, self.config, own, range)?;
        if grid == Grid::Intervals {
            points.iter_mut().for_each(|(t, _)| *t = self.whole_timestep(*t));
        }
        let replaced = self.tuning.custom.is_some() || self.list(self.config)?.is_some();
        let last = own_end.filter(|_| !replaced).unwrap_or(self.ending()?.ratio(&table));
        let levels = points.iter().map(|(t, ratio)| Level::from_ratio(*t, *ratio));
        // The classes on points never scale the state down to unit variance again, not even at the end.
        let end = if grid == Grid::Intervals { Level::from_ratio(0.0, last) } else { Level::exploding(0.0, last) };
        let steps = chain(&levels.chain([end]).collect::<Vec<_>>());
        let start_scale = self.start_scale(grid, &steps)?;
        Ok(Plan { steps, start_scale, schedule: Arc::new(table) })
    }

    /// The points of the class's own spacing; log-linear lists also fix where they end.
    fn table_points(&self, table: &Table, grid: Grid) -> Result<(Vec<Point>, Option<f64>)> {
        let clipped = self.config.optional_number("lambda_min_clipped")?.unwrap_or(f64::NEG_INFINITY);
        let end = table.count_above(clipped);
        if end < 2 {
            bail!("the scheduler key lambda_min_clipped is {clipped}, which leaves no timestep; use -5.1 or less");
        }
        let times = timesteps(self.config, grid, self.steps, end)?;
        if self.config.get("interpolation_type") == &Value::text("log_linear") {
            let (low, high) = table.range();
            let ratio = |i: usize| (high.ln() + (low.ln() - high.ln()) * i as f64 / self.steps as f64).exp();
            let points = times.into_iter().enumerate().map(|(i, t)| (t, ratio(i))).collect();
            return Ok((points, Some(low)));
        }
        Ok((times.into_iter().map(|t| (t, table.ratio_at(t))).collect(), None))
    }

    /// The user's list, else the configuration's curve, else the class's own points.
    fn points(
        &self,
        schedule: &dyn NoiseSchedule,
        config: &Config,
        own: Vec<Point>,
        range: Option<(f64, f64)>,
    ) -> Result<Vec<Point>> {
        if let Some(custom) = &self.tuning.custom {
            return custom.points(schedule);
        }
        let Some(list) = self.list(config)? else { return Ok(own) };
        if !list.flows && Kind::of(self.source) == Kind::Flow {
            bail!(
                "--schedule {} is not defined on flow models; choose another, such as karras or sgm-uniform",
                list.name
            );
        }
        // Lists that the references do not have run over the whole model.
        let range = if list.key.is_none() { Some(schedule.sigmas()) } else { range };
        let sigma = |point: Option<&Point>| point.map_or(0.0, |(_, sigma)| *sigma);
        let (low, high) = range.unwrap_or((sigma(own.last()), sigma(own.first())));
        let bound = |key| if list.bounded { config.optional_number(key) } else { Ok(None) };
        let span = Span {
            schedule,
            low: bound("sigma_min")?.unwrap_or(low),
            high: bound("sigma_max")?.unwrap_or(high),
            steps: self.steps,
        };
        Ok((list.sigmas)(&span).into_iter().map(|sigma| (schedule.at_sigma(sigma).t, sigma)).collect())
    }

    /// The step list that replaces the class's own points, if any.
    fn list(&self, config: &Config) -> Result<Option<&'static StepList>> {
        match self.tuning.schedule {
            Some(list) if list.name == StepList::MODEL => Ok(None),
            Some(list) => Ok(Some(list)),
            None => StepList::from_config(config),
        }
    }

    fn ending(&self) -> Result<Final> {
        match self.config.get("final_sigmas_type") {
            Value::Null => Ok(Final::Zero),
            _ => self.config.choice("final_sigmas_type", FINALS),
        }
    }

    /// The classes on intervals tell the network whole timesteps: rounded for two lists, else cut off.
    fn whole_timestep(&self, t: f64) -> f64 {
        let list = self.list(self.config).ok().flatten();
        // Lists and numbers that the references do not have keep their fractions.
        if self.tuning.custom.is_some() || list.is_some_and(|list| list.key.is_none()) {
            return t;
        }
        let rounds = list.is_none_or(|list| ["karras", "lu"].contains(&list.name));
        let rounds = rounds && self.config.get("beta_schedule") != &Value::text("squaredcos_cap_v2");
        if rounds { t.round_ties_even() } else { t.trunc() }
    }

    /// The classes on points start exactly at their first level, or with leading spacing as if from
    /// pure noise; the others always as if from pure noise.
    fn start_scale(&self, grid: Grid, steps: &[Step]) -> Result<f64> {
        let first = steps.iter().map(|step| step.at.ratio()).fold(0.0, f64::max);
        Ok(match (grid, self.config.choice("timestep_spacing", SPACINGS)?) {
            (Grid::Intervals, _) | (_, Spacing::Leading) => 1.0,
            _ => Level::from_ratio(0.0, first).sigma,
        })
    }
}

impl Custom {
    /// Number of steps the list makes; a clean end may be written or left out.
    pub fn steps(&self) -> usize {
        match self {
            Self::Sigmas(sigmas) => sigmas.strip_suffix(&[0.0]).unwrap_or(sigmas).len(),
            Self::Timesteps(times) => times.len(),
        }
    }

    /// The user's own list as points, checked.
    fn points(&self, schedule: &dyn NoiseSchedule) -> Result<Vec<Point>> {
        let points: Vec<Point> = match self {
            Self::Sigmas(sigmas) => {
                // A clean end may be written or left out.
                let kept = sigmas.strip_suffix(&[0.0]).unwrap_or(sigmas);
                kept.iter().map(|sigma| (schedule.at_sigma(*sigma).t, *sigma)).collect()
            }
            Self::Timesteps(times) => times.iter().map(|t| (*t, schedule.sigma(schedule.level(*t)))).collect(),
        };
        let flag = self.flag();
        if points.is_empty() {
            bail!("{flag} is empty; give at least one number above 0");
        }
        if points.iter().any(|(t, sigma)| !t.is_finite() || !sigma.is_finite() || *sigma <= 0.0) {
            bail!("{flag} holds a number that is no noise level of this model; give numbers above 0");
        }
        if points.windows(2).any(|pair| matches!(pair, [(_, a), (_, b)] if a <= b)) {
            bail!("{flag} must go down from the noisiest to the cleanest, without repeating a number");
        }
        Ok(points)
    }
}
