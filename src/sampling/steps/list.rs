//! Step lists by name.

use anyhow::{Result, bail};

use super::STEP_LISTS;
use crate::sampling::config::Config;
use crate::sampling::names::{nearest, simplified};
use crate::sampling::schedule::NoiseSchedule;

/// What a step list is stretched over.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// The model's schedule, for lists that run over its times.
    pub schedule: &'a dyn NoiseSchedule,
    /// Smallest noise scale.
    pub low: f64,
    /// Largest noise scale.
    pub high: f64,
    /// Number of noise scales to give.
    pub steps: usize,
}

/// A line of the registry of step lists (`--schedule`).
#[derive(Clone, Copy, Debug)]
pub struct StepList {
    /// The name of `--schedule`.
    pub name: &'static str,
    /// The configuration key of diffusers that switches it on, if there is one.
    pub key: Option<&'static str>,
    /// Whether the keys `sigma_min` and `sigma_max` bound it.
    pub bounded: bool,
    /// Whether it means anything on a flow.
    pub flows: bool,
    /// One line of help with its source.
    pub help: &'static str,
    /// `steps` noise scales, noisiest first, without the clean end.
    pub sigmas: fn(&Span<'_>) -> Vec<f64>,
}

impl StepList {
    /// The name of the list that leaves the model's own timesteps.
    pub const MODEL: &'static str = "model";

    /// Finds a list by name.
    ///
    /// # Errors
    /// Naming the nearest known lists.
    pub fn find(name: &str) -> Result<&'static Self> {
        let simple = simplified(name);
        match STEP_LISTS.iter().find(|list| simplified(list.name) == simple) {
            Some(list) => Ok(list),
            None => bail!(
                "the schedule {name:?} is not known; nearest are {}",
                nearest(name, STEP_LISTS.iter().map(|l| l.name))
            ),
        }
    }

    /// The list that a configuration switches on, if any.
    ///
    /// # Errors
    /// When more than one is on. Lu's may stand beside another, which then wins or yields in the
    /// order of [`STEP_LISTS`], as in the reference.
    pub fn from_config(config: &Config) -> Result<Option<&'static Self>> {
        let mut on = Vec::new();
        for list in STEP_LISTS {
            if let Some(key) = list.key
                && config.flag(key)?
            {
                on.push((list, key));
            }
        }
        let exclusive: Vec<_> = on.iter().filter(|(list, _)| list.name != "lu").collect();
        if let [(_, a), (_, b), ..] = exclusive.as_slice() {
            bail!("the scheduler keys {a} and {b} are both on; leave one");
        }
        Ok(on.first().map(|(list, _)| *list))
    }
}
