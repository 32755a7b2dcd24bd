//! Solvers: how clean estimates become the next state.
//!
//! A solver never calls a model: it is told what the model said ([`Seen`]) and answers where to
//! look next ([`Want`]). It owns its plan and its memory, one value per request, and draws only
//! from the request's own noise stream.

#[cfg(test)]
mod closed_form;
mod consistency;
mod ddim;
mod ddpm;
mod deis;
mod dpm2;
mod dpmpp;
mod dpmpp_multi_sde;
mod dpmpp_named;
mod dpmpp_sde;
mod er_sde;
mod euler;
mod exponential;
pub mod extra;
mod ggf;
mod heun;
mod increments;
mod inpaint;
mod intervals;
mod inverse;
mod ipndm;
mod langevin;
mod lcm;
mod lms;
mod moves;
mod noise_steps;
mod perflow;
mod pndm;
mod res;
mod resshift;
mod restart;
mod rk4;
mod rk45;
mod sa;
mod scm;
mod singlestep;
pub mod sscs;
mod tableau;
mod tcd;
mod unipc;

use std::collections::BTreeMap;

pub use inpaint::{Known, inpaint};

use anyhow::{Result, bail};

use super::config::{Config, Defaults, Source, Value};
use super::latent::{Latent, values_mut};
use super::names::{nearest, simplified};
use super::plan::Setup;
use super::prediction::{Clip, Prediction};
use super::schedule::ShiftBy;
use super::steps::{Custom, Step, StepList};
use super::{Level, Noise};

/// What a solver is told after each evaluation.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The state that was evaluated; on return, the state to evaluate next (or the result).
    pub x: &'a mut Latent,
    /// The model's clean estimate. A solver may keep it by swapping in memory of its own.
    pub clean: &'a mut Latent,
}

/// What a solver wants after it has advanced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Want {
    /// A step is complete: evaluate `x` at this level to begin the next.
    Next(Level),
    /// An evaluation inside the current step.
    Probe(Level),
    /// `x` is the result.
    Done,
}

/// One request's sampling method and its memory.
pub trait Solver: Send {
    /// The level of the first evaluation.
    fn start(&self) -> Level;

    /// Digests one evaluation.
    fn advance(&mut self, seen: Seen<'_>, noise: &mut Noise) -> Want;
}

/// A sampler made ready for one request.
pub struct Sampler {
    /// The method with its plan.
    pub solver: Box<dyn Solver>,
    /// Factor of the initial unit noise.
    pub start_scale: f64,
    /// Steps the plan has; what progress counts.
    pub steps: usize,
}

/// What the user may say beside the configuration.
#[derive(Clone, Debug, Default)]
pub struct Tuning {
    /// Share of fresh noise a step, 0 (deterministic) to 1, for methods that have it.
    pub eta: Option<f64>,
    /// A step list other than the configuration's.
    pub schedule: Option<&'static StepList>,
    /// A step list of the user's own; wins over `schedule`.
    pub custom: Option<Custom>,
    /// What flow schedules with dynamic shifting shift by.
    pub shift_by: Option<ShiftBy>,
    /// Flow models whose pipelines spread the steps evenly from 1 to 1/steps before the shift.
    pub even_flow: bool,
    /// Values for the method's own [`Knob`]s, by name.
    pub knobs: BTreeMap<String, f64>,
    /// How late the run starts, where it starts from something given.
    pub strength: Option<Strength>,
}

/// How much of a run is left to something given (SDEdit, Meng et al. 2022): 1 is the whole run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strength {
    /// Share of the run, above 0 and up to 1.
    pub share: f64,
    /// Whether methods that step on a distillation's timesteps spread all steps over that share
    /// (`strength` of diffusers' LCMScheduler) instead of leaving the first ones out.
    pub keeps_steps: bool,
}

/// A number that one method can be tuned by (`--sampler-option NAME=VALUE`).
#[derive(Clone, Copy, Debug)]
pub struct Knob {
    /// Its name, as the paper or k-diffusion has it.
    pub name: &'static str,
    /// Its value when nothing is said.
    pub default: f64,
    /// The smallest and the largest value.
    pub range: (f64, f64),
    /// What it does.
    pub help: &'static str,
}

/// A line of the registry: a method's names and facts, and how to build it.
#[derive(Clone, Copy)]
pub struct Method {
    /// k-diffusion's name, lower case with hyphens.
    pub name: &'static str,
    /// The diffusers classes whose models it runs by default; its own configuration is the first's.
    pub classes: &'static [&'static str],
    /// Other names users know (k-diffusion function, A1111 label, diffusers class).
    pub aliases: &'static [&'static str],
    /// Order of convergence.
    pub order: u32,
    /// Network evaluations a step.
    pub evaluations: u32,
    /// Whether steps draw noise.
    pub stochastic: bool,
    /// Whether `--eta` acts on it.
    pub takes_eta: bool,
    /// Where it is described.
    pub paper: &'static str,
    /// Numbers it can be tuned by.
    pub knobs: &'static [Knob],
    /// Whether it runs on any step list; otherwise it steps on the model's own timesteps.
    pub free_steps: bool,
    /// Its class's configuration keys with their defaults; later groups win.
    pub defaults: &'static [Defaults],
    /// Builds the method for one request.
    pub build: fn(&Setup<'_>) -> Result<Sampler>,
}

/// Every sampling method.
pub const METHODS: &[Method] = &[
    ddim::METHOD,
    ddpm::METHOD,
    euler::METHOD,
    euler::ANCESTRAL,
    heun::METHOD,
    pndm::METHOD,
    dpmpp::METHOD,
    lcm::METHOD,
    dpm2::METHOD,
    dpm2::ANCESTRAL,
    tcd::METHOD,
    inverse::METHOD,
    consistency::METHOD,
    scm::METHOD,
    rk4::METHOD,
    rk45::METHOD,
    restart::METHOD,
    ggf::METHOD,
    langevin::METHOD,
    langevin::ANNEALED,
    resshift::METHOD,
    perflow::METHOD,
    unipc::METHOD,
    deis::METHOD,
    deis::TIME,
    deis::RATIO,
    singlestep::METHOD,
    singlestep::NOISE_1,
    singlestep::NOISE_2,
    singlestep::NOISE_3,
    lms::METHOD,
    ipndm::METHOD,
    ipndm::SECOND,
    ipndm::THIRD,
    dpmpp_sde::ANCESTRAL,
    dpmpp_sde::METHOD,
    dpmpp_multi_sde::SECOND,
    dpmpp_multi_sde::SECOND_HEUN,
    dpmpp_named::DATA_3,
    dpmpp_multi_sde::THIRD,
    dpmpp_named::NOISE_2,
    dpmpp_named::NOISE_3,
    res::SECOND,
    res::THIRD,
    res::MULTI_SECOND,
    res::MULTI_THIRD,
    sa::METHOD,
    er_sde::METHOD,
];

impl Method {
    /// Finds a method by its name or an alias; case, spaces and underscores do not matter.
    ///
    /// # Errors
    /// Naming the nearest known methods.
    pub fn find(name: &str) -> Result<&'static Method> {
        let wanted = simplified(name);
        let hit = |method: &&Method| {
            simplified(method.name) == wanted || method.aliases.iter().any(|a| simplified(a) == wanted)
        };
        match METHODS.iter().find(hit) {
            Some(method) => Ok(method),
            None => bail!(
                "the sampler {name:?} is not known; nearest are {}",
                nearest(name, METHODS.iter().map(|m| m.name))
            ),
        }
    }

    /// The method that a scheduler configuration was written for.
    ///
    /// # Errors
    /// When its class is not among the methods.
    pub fn of_class(class: &str) -> Result<&'static Method> {
        match METHODS.iter().find(|m| m.classes.contains(&class)) {
            Some(method) => Ok(method),
            None => bail!(
                "the model asks for the scheduler {class}, which edrun does not have; choose one with --sampler ({})",
                METHODS.iter().map(|m| m.name).collect::<Vec<_>>().join(", ")
            ),
        }
    }

    /// Makes the method ready for one request.
    ///
    /// # Errors
    /// For values of `source` that the method cannot honour, naming the key, and for tuning out of range.
    pub fn prepare(&self, source: &Source, steps: usize, tuning: &Tuning) -> Result<Sampler> {
        if steps == 0 {
            bail!("--steps is 0, but a run needs at least 1 step");
        }
        self.check_tuning(tuning)?;
        let config = Config::take_over(self.own_class(), self.defaults, source);
        let sampler = (self.build)(&Setup { name: self.name, source, config: &config, steps, tuning })?;
        match tuning.strength {
            Some(Strength { share, .. }) if share < 1.0 => self.check_late(sampler, source, steps, tuning),
            _ => Ok(sampler),
        }
    }

    /// A method that cannot start late must not pass for one that did.
    fn check_late(&self, late: Sampler, source: &Source, steps: usize, tuning: &Tuning) -> Result<Sampler> {
        let whole = self.prepare(source, steps, &Tuning { strength: None, ..tuning.clone() })?;
        if late.solver.start() == whole.solver.start() {
            bail!(
                "--strength cannot be combined with --sampler {}, whose runs start at their first step only; \
                 choose another, such as euler or dpmpp-2m",
                self.name
            );
        }
        Ok(late)
    }

    /// The diffusers class whose configuration keys the method has.
    pub fn own_class(&self) -> &'static str {
        self.classes.first().copied().unwrap_or(self.name)
    }

    /// Whether the class has a configuration key.
    pub fn has_key(&self, key: &str) -> bool {
        self.defaults.iter().any(|group| group.iter().any(|(name, _)| *name == key))
    }

    fn check_tuning(&self, tuning: &Tuning) -> Result<()> {
        if !self.free_steps {
            let flag = match (tuning.schedule, &tuning.custom) {
                (Some(list), _) => Some(format!("--schedule {}", list.name)),
                (_, Some(custom)) => Some(custom.flag().to_owned()),
                _ => None,
            };
            if let Some(flag) = flag {
                let able = able(|m| m.free_steps);
                bail!(
                    "{flag} cannot be combined with --sampler {}, which steps on the model's own timesteps; samplers with free steps are {able}",
                    self.name
                );
            }
        }
        self.check_knobs(tuning)?;
        match tuning.eta {
            Some(_) if !self.takes_eta => {
                bail!("--eta has no meaning for --sampler {}; it acts on {}", self.name, able(|m| m.takes_eta))
            }
            Some(eta) if !(0.0..=1.0).contains(&eta) => bail!("--eta is {eta}, but must lie in 0..=1"),
            _ => Ok(()),
        }
    }
}

impl Method {
    fn check_knobs(&self, tuning: &Tuning) -> Result<()> {
        for (name, value) in &tuning.knobs {
            let Some(knob) = self.knobs.iter().find(|knob| knob.name == name) else {
                let known: Vec<_> = self.knobs.iter().map(|knob| knob.name).collect();
                let known =
                    if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
                bail!("--sampler {} has no option {name:?}; {known}", self.name);
            };
            let (low, high) = knob.range;
            if !(low..=high).contains(value) {
                bail!("the option {name} of --sampler {} is {value}, but must lie in {low}..={high}", self.name);
            }
        }
        Ok(())
    }
}

/// The names of the methods that can do something.
fn able(what: impl Fn(&Method) -> bool) -> String {
    METHODS.iter().filter(|m| what(m)).map(|m| m.name).collect::<Vec<_>>().join(", ")
}

/// A plan and the place in it.
#[derive(Clone, Debug)]
struct Walk {
    steps: Vec<Step>,
    index: usize,
}

impl Walk {
    fn new(steps: Vec<Step>) -> Self {
        Self { steps, index: 0 }
    }

    fn start(&self) -> Level {
        self.steps.first().map_or(Level::CLEAN, |step| step.at)
    }

    /// The current step. A plan is never empty and never walked past its end.
    fn step(&self) -> Step {
        self.steps.get(self.index).copied().unwrap_or(Step { at: Level::CLEAN, to: Level::CLEAN })
    }

    /// The step `back` places before the current one.
    fn before(&self, back: usize) -> Option<Step> {
        self.index.checked_sub(back).and_then(|i| self.steps.get(i)).copied()
    }

    /// Steps after the current one.
    fn left(&self) -> usize {
        self.steps.len().saturating_sub(self.index + 1)
    }

    /// Ends the current step.
    fn next(&mut self) -> Want {
        self.index += 1;
        self.steps.get(self.index).map_or(Want::Done, |step| Want::Next(step.at))
    }
}

/// Estimates of earlier evaluations, newest first, in recycled memory.
#[derive(Clone, Debug, Default)]
struct History {
    kept: Vec<Latent>,
    limit: usize,
}

impl History {
    fn new(limit: usize) -> Self {
        Self { kept: Vec::with_capacity(limit), limit }
    }

    /// Takes `latest` in, leaving other memory of the same shape in its place.
    fn push(&mut self, latest: &mut Latent) {
        let spare = if self.kept.len() == self.limit { self.kept.pop() } else { None };
        let spare = spare.unwrap_or_else(|| Latent::zeros(latest.raw_dim()));
        self.kept.insert(0, std::mem::replace(latest, spare));
    }

    fn get(&self, back: usize) -> Option<&Latent> {
        self.kept.get(back)
    }

    fn len(&self) -> usize {
        self.kept.len()
    }
}

/// Memory for one draw of noise, kept between steps.
#[derive(Clone, Debug)]
struct Draw(Latent);

impl Draw {
    fn new() -> Self {
        Self(Latent::zeros(vec![0]))
    }

    /// Draws standard normal noise of the shape of `like`.
    fn normal(&mut self, like: &Latent, noise: &mut Noise) -> &Latent {
        if self.0.shape() != like.shape() {
            self.0 = Latent::zeros(like.raw_dim());
        }
        noise.fill_normal(values_mut(&mut self.0));
        &self.0
    }
}

/// A solver whose clean estimates are limited before it sees them.
struct Clipped<S> {
    inner: S,
    clip: Clip,
}

impl<S: Solver> Solver for Clipped<S> {
    fn start(&self) -> Level {
        self.inner.start()
    }

    fn advance(&mut self, seen: Seen<'_>, noise: &mut Noise) -> Want {
        self.clip.apply(seen.clean);
        self.inner.advance(seen, noise)
    }
}

/// Boxes a solver, with a clip around it where the configuration asks for one.
fn boxed(solver: impl Solver + 'static, clip: Clip) -> Box<dyn Solver> {
    if clip == Clip::None { Box::new(solver) } else { Box::new(Clipped { inner: solver, clip }) }
}

/// Configuration keys of classes that can limit the clean estimate.
const CLIP_KEYS: Defaults = &[
    ("clip_sample", Value::Bool(false)),
    ("clip_sample_range", Value::Number(1.0)),
    ("thresholding", Value::Bool(false)),
    ("dynamic_thresholding_ratio", Value::Number(0.995)),
    ("sample_max_value", Value::Number(1.0)),
];

/// The clip that a configuration asks for; thresholding wins, as in the references.
fn clip(config: &Config) -> Result<Clip> {
    if config.flag("thresholding")? {
        let (ratio, max) = (config.number("dynamic_thresholding_ratio")?, config.number("sample_max_value")?);
        if !(0.0..=1.0).contains(&ratio) {
            bail!("the scheduler key dynamic_thresholding_ratio is {ratio}, but must lie in 0..=1");
        }
        return Ok(Clip::Dynamic { ratio, max });
    }
    match config.flag("clip_sample")? {
        true => Ok(Clip::Range(config.number("clip_sample_range")?)),
        false => Ok(Clip::None),
    }
}

/// The prediction type of a configuration.
fn prediction(config: &Config) -> Result<Prediction> {
    match config.get("prediction_type") {
        Value::Text(text) => Prediction::parse(text),
        other => bail!(
            "the scheduler key prediction_type is {other:?}; known are epsilon, v_prediction, sample and flow_prediction"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_laws() {
        let mut names: Vec<String> = METHODS.iter().map(|m| simplified(m.name)).collect();
        names.extend(METHODS.iter().flat_map(|m| m.aliases.iter().map(|a| simplified(a))));
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "a name stands for two methods");
        for method in METHODS {
            assert!(std::ptr::eq(Method::find(method.name).unwrap(), Method::find(method.aliases[0]).unwrap()));
            assert!(!method.paper.is_empty() && method.order >= 1 && method.evaluations >= 1);
        }
    }

    /// Half a run starts at less noise than the whole, or is refused: it never passes for one that did.
    #[test]
    fn late_starts_are_late_or_refused() {
        let late = Some(Strength { share: 0.5, keeps_steps: false });
        let mut refused = Vec::new();
        for class in ["DDIMScheduler", "FlowMatchEulerDiscreteScheduler", "EDMEulerScheduler"] {
            let source = Source { class: class.into(), keys: BTreeMap::default() };
            for method in METHODS {
                let Ok(whole) = method.prepare(&source, 8, &Tuning::default()) else { continue };
                match method.prepare(&source, 8, &Tuning { strength: late, ..Tuning::default() }) {
                    Ok(late) => {
                        assert!(late.solver.start().ratio() < whole.solver.start().ratio(), "{} {class}", method.name);
                    }
                    Err(error) => {
                        assert!(error.to_string().contains("--strength"), "{}: {error}", method.name);
                        refused.push(method.name);
                    }
                }
            }
        }
        assert_eq!(refused, ["ddim-inverse"]);
    }

    #[test]
    fn mistyped_names_get_help() {
        let error = Method::find("eulr").err().unwrap().to_string();
        assert!(error.contains("euler"), "{error}");
    }
}
