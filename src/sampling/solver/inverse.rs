//! DDIM run backwards: from a clean latent to the noise that would give it (Song et al. 2021,
//! section 4.3). It starts from the latent to invert, not from noise.

use anyhow::{Result, bail};

use super::ddim::last_level;
use super::{Latent, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want, clip, keys};
use crate::sampling::Prediction;
use crate::sampling::config::{Defaults, Value};
use crate::sampling::latent::{combine, copy_into};
use crate::sampling::prediction::Clip;
use crate::sampling::schedule::{TABLE_KEYS, Table};
use crate::sampling::steps::{Grid, Step, timesteps};

pub(super) const METHOD: Method = Method {
    name: "ddim-inverse",
    classes: &["DDIMInverseScheduler"],
    aliases: &["DDIMInverseScheduler"],
    free_steps: false,
    paper: "Song et al. 2021, arXiv 2010.02502, section 4.3",
    defaults: &[TABLE_KEYS, keys::CLIP, keys::RESCALE, KEYS],
    build,
    ..Method::BASE
};

const KEYS: Defaults = &[
    ("clip_sample", Value::Bool(true)),
    ("set_alpha_to_one", Value::Bool(true)),
    ("set_alpha_to_zero", Value::Null),
    ("timestep_spacing", Value::text("leading")),
    // The class has no dynamic thresholding.
    ("thresholding", Value::Null),
];

struct Inverse {
    /// Where the state is, with the time that the network is told: that of the target.
    walk: Walk,
    /// The level each network output is read at.
    asked: Vec<Level>,
    prediction: Prediction,
    clip: Clip,
    noise_part: Latent,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let table = setup.table(false)?;
    let prediction = super::prediction(setup.config)?;
    let config = setup.config;
    if config.get("timestep_spacing") == &Value::text("linspace") {
        bail!(
            "the scheduler key timestep_spacing is linspace, which ddim-inverse does not know; set leading or trailing"
        );
    }
    config.require("thresholding", &Value::Bool(false), "inversion limits the estimate by clip_sample only")?;
    let steps = plan(setup, &table)?;
    let asked = steps.iter().map(|step| asked(*step)).collect();
    let noise_part = Latent::zeros(vec![0]);
    let solver = Inverse { walk: Walk::new(steps), asked, prediction, clip: clip(config)?, noise_part };
    Ok(Sampler::new(solver.walk.steps.len(), Box::new(solver), 1.0))
}

/// Each step goes one whole stride up to its own timestep.
fn plan(setup: &Setup<'_>, table: &Table) -> Result<Vec<Step>> {
    let first = match setup.config.get("set_alpha_to_zero") {
        // The key's old name, which wins.
        Value::Bool(one) => {
            if *one {
                Level::CLEAN
            } else {
                table.at(0)
            }
        }
        _ => last_level(setup, table)?,
    };
    let stride = (table.len() / setup.steps) as i64;
    let level = |t: i64| if t >= 0 { table.at(t) } else { first };
    let times = timesteps(setup.config, Grid::WholePoints, setup.steps, table.len())?;
    let step = |t: &f64| Step { at: Level { t: *t, ..level(*t as i64 - stride) }, to: table.at(*t as i64) };
    Ok(times.iter().rev().map(step).collect())
}

/// From a clean state the clean estimate says nothing of the noise, so the network's output is then
/// read as if the state were at the target already.
fn asked(step: Step) -> Level {
    if step.at.is_clean() { Level { t: step.at.t, ..step.to } } else { step.at }
}

impl Inverse {
    fn level(&self) -> Level {
        self.asked.get(self.walk.index).copied().unwrap_or(Level::CLEAN)
    }
}

impl Solver for Inverse {
    fn start(&self) -> Level {
        self.level()
    }

    fn advance(&mut self, Seen { x, clean: output, .. }: Seen<'_>, _: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        self.prediction.from_clean(output, x, self.level());
        copy_into(&mut self.noise_part, output);
        self.prediction.to_clean(output, x, at);
        match self.prediction {
            Prediction::Velocity => combine(&mut self.noise_part, at.alpha, &[(at.sigma, x)]),
            Prediction::Epsilon => {}
            _ => combine(&mut self.noise_part, -at.alpha / at.sigma, &[(1.0 / at.sigma, x)]),
        }
        self.clip.apply(output);
        combine(x, 0.0, &[(to.alpha, output), (to.sigma, &self.noise_part)]);
        match self.walk.next() {
            Want::Next(_) => Want::Next(self.level()),
            done => done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::config::Source;
    use crate::sampling::solver::Tuning;

    #[test]
    fn sampling_undoes_inversion() {
        let mut source = Source { class: "DDIMScheduler".into(), ..Source::default() };
        source.set("clip_sample", Value::Bool(false));
        let (mut noise, first) = (Noise::torch(1), Latent::from_shape_fn(vec![6], |i| i[0] as f32 * 0.2 - 0.5));
        let mut x = first.clone();
        for name in ["ddim-inverse", "ddim"] {
            let method = Method::find(name).unwrap();
            let mut solver = method.prepare(&source, 250, &Tuning::default()).unwrap().solver;
            let mut level = solver.start();
            // Data of unit variance: the estimate is the signal's share of the state.
            while let Want::Next(next) =
                solver.advance(Seen { clean: &mut (&x * level.alpha as f32), x: &mut x, extra: None }, &mut noise)
            {
                level = next;
            }
        }
        assert!(x.iter().zip(&first).all(|(a, b)| (a - b).abs() < 0.03), "{x} {first}");
    }
}
