//! Methods: a line of the registry, how it is found, and how it is made ready.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::{METHODS, Sampler, Strength, Tuning, keys};
use crate::sampling::config::{Config, Defaults, Source};
use crate::sampling::names::{nearest_of, simplified};
use crate::sampling::plan::Setup;
use crate::sampling::schedule::TABLE_KEYS;

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
    /// Groups of channels that it needs of a network beyond its prediction.
    pub extra_groups: usize,
    /// Numbers it can be tuned by.
    pub knobs: &'static [Knob],
    /// Whether it runs on any step list; otherwise it steps on the model's own timesteps.
    pub free_steps: bool,
    /// Its class's configuration keys with their defaults; later groups win.
    pub defaults: &'static [Defaults],
    /// Builds the method for one request.
    pub build: fn(&Setup<'_>) -> Result<Sampler>,
}

impl Method {
    /// What most methods are: deterministic, of first order, with one evaluation a step, on any step list, and with the
    /// configuration keys of the classes on points. A method says in which it differs; name and builder it always has.
    pub(super) const BASE: Method = Method {
        name: "",
        classes: &[],
        aliases: &[],
        order: 1,
        evaluations: 1,
        stochastic: false,
        takes_eta: false,
        paper: "",
        extra_groups: 0,
        knobs: &[],
        free_steps: true,
        defaults: &[TABLE_KEYS, keys::POINTS, keys::RESCALE],
        build: |_| bail!("the method has no builder"),
    };

    /// [`Method::BASE`]'s configuration keys, and those that limit the clean estimate.
    pub(super) const CLIPPED: &'static [Defaults] = &[TABLE_KEYS, keys::POINTS, keys::RESCALE, keys::CLIP];

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
            None => bail!("the sampler {name:?} is not known; nearest are {} (see `edrun samplers`)", like(name)),
        }
    }

    /// The method that a scheduler configuration was written for.
    ///
    /// # Errors
    /// When its class is not among the methods.
    pub fn of_class(class: &str) -> Result<&'static Method> {
        match METHODS.iter().find(|m| m.classes.contains(&class)) {
            Some(method) => Ok(method),
            None if class.is_empty() => bail!(
                "the scheduler configuration names no class (key _class_name); choose a sampler with --sampler (see `edrun samplers`)"
            ),
            None => bail!(
                "the model asks for the scheduler {class}, which edrun does not have; choose another with --sampler, nearest are {} (see `edrun samplers`)",
                like(class)
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
        source.check_names()?;
        self.check_tuning(tuning)?;
        let config = Config::take_over(self.own_class(), self.defaults, source);
        let sampler = (self.build)(&Setup { name: self.name, source, config: &config, steps, tuning })?;
        match tuning.strength {
            // With few steps, the reference rounds a late start to the first one.
            Some(Strength { share, .. }) if (1.0 - share) * steps as f64 >= 1.0 => {
                self.check_late(sampler, source, steps, tuning)
            }
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
                bail!(
                    "{flag} cannot be combined with --sampler {}, which steps on the model's own timesteps; choose one with free steps, such as euler, heun or dpmpp-2m",
                    self.name
                );
            }
        }
        Knob::check_all(self.name, self.knobs, &tuning.knobs)?;
        if tuning.extra_groups < self.extra_groups {
            bail!(
                "--sampler {} needs a network that gives {} groups of channels beyond its prediction, as its paper has it ({}); this one gives {}",
                self.name,
                self.extra_groups,
                self.paper,
                tuning.extra_groups
            );
        }
        match tuning.eta {
            Some(_) if !self.takes_eta => {
                let able: Vec<_> = METHODS.iter().filter(|m| m.takes_eta).map(|m| m.name).collect();
                bail!("--eta has no meaning for --sampler {}; it acts on {}", self.name, able.join(", "))
            }
            Some(eta) if !(0.0..=1.0).contains(&eta) => bail!("--eta is {eta}, but must lie in 0..=1"),
            _ => Ok(()),
        }
    }
}

impl Knob {
    /// Checks the values a user gave for the knobs of one method.
    ///
    /// # Errors
    /// For names that are not among the knobs, and values out of range.
    pub fn check_all(method: &str, knobs: &[Knob], given: &BTreeMap<String, f64>) -> Result<()> {
        for (name, value) in given {
            let Some(knob) = knobs.iter().find(|knob| knob.name == name) else {
                let known: Vec<_> = knobs.iter().map(|knob| knob.name).collect();
                let known =
                    if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
                bail!("--sampler {method} has no option {name:?}; {known}");
            };
            let (low, high) = knob.range;
            if !(low..=high).contains(value) {
                bail!("the option {name} of --sampler {method} is {value}, but must lie in {low}..={high}");
            }
        }
        Ok(())
    }
}

/// The methods whose names, of any kind, are nearest to one.
fn like(name: &str) -> String {
    let names = |m: &'static Method| [m.name].into_iter().chain(m.aliases.iter().copied()).map(|name| (name, m.name));
    nearest_of(name, METHODS.iter().flat_map(names))
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
            let source = Source { class: class.into(), keys: Default::default() };
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
        assert!(error.contains("euler") && error.contains("edrun samplers"), "{error}");
        let error = Method::of_class("LTXEulerAncestralRFScheduler").err().unwrap().to_string();
        assert!(error.contains("nearest are euler-a") && !error.contains("rk45"), "{error}");
    }
}
