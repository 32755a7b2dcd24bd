//! An ask with everything decided: nothing here can fail later.

#[cfg(feature = "audio")]
use std::sync::Arc;

use anyhow::{Context, Result, bail};
#[cfg(feature = "audio")]
use edrun_modalities::speech::Script;
use ndarray::Axis;

#[cfg(feature = "audio")]
use super::speech;
use super::{Ask, frames};
use crate::media::{Extent, Media};
use crate::recipe::{Guided, Recipe};
use crate::sampling::Latent;
use crate::sampling::config::Source;
use crate::sampling::guidance::Guidance;
use crate::sampling::schedule::ShiftBy;
use crate::sampling::solver::{Method, Sampler, Strength, Tuning};
use crate::sampling::steps::StepList;

/// What a run will do.
#[derive(Clone)]
pub struct Plan {
    /// How large each result is.
    pub extent: Extent,
    /// The shape of its latent.
    pub latent_shape: Vec<usize>,
    /// The sampling method.
    pub method: &'static Method,
    /// Its configuration.
    pub config: Source,
    /// Steps, those included that a late start leaves out.
    pub steps: usize,
    /// Steps that are made.
    pub total: usize,
    /// Guidance by two branches.
    pub guidance: Guidance,
    /// The guidance scale as asked or by default.
    pub guidance_scale: f64,
    /// Results.
    pub count: usize,
    /// The text as the lines it is said in, of models that speak.
    #[cfg(feature = "audio")]
    pub script: Option<Arc<Script>>,
    tuning: Tuning,
    first_seed: u64,
    variation: Option<(u64, f64)>,
    init_latents: Option<Latent>,
}

impl Plan {
    pub(super) fn new(recipe: &Recipe, ask: &Ask) -> Result<Self> {
        check_told(recipe, ask)?;
        let method = match ask.sampler.as_ref().or(recipe.defaults.sampler.as_ref()) {
            Some(name) => Method::find(name)?,
            None => Method::of_class(&recipe.scheduler.class)?,
        };
        let schedule = schedule(recipe, ask).map(StepList::find).transpose()?;
        let (extent, latent_shape) = recipe.medium.measure(&frames::size(recipe, ask)?, ask.init.as_ref())?;
        #[cfg(feature = "audio")]
        let script = speech::script(recipe, ask)?;
        let guidance_scale = ask.guidance_scale.unwrap_or(recipe.defaults.guidance_scale);
        let mut plan = Self {
            extent,
            method,
            config: config(recipe, ask, method)?,
            steps: steps(recipe, ask)?,
            total: 0,
            guidance: guidance(recipe, ask, guidance_scale)?,
            guidance_scale,
            count: ask.count,
            #[cfg(feature = "audio")]
            script,
            tuning: Tuning {
                eta: ask.eta,
                schedule,
                custom: ask.steps_list.clone(),
                knobs: ask.sampler_options.clone(),
                strength: strength(recipe, ask)?,
                extra_groups: recipe.extra_groups,
                even_flow: recipe.family.flow.even,
                shift_by: recipe.family.flow.by_places.then(|| ShiftBy::Tokens(latent_shape.iter().skip(1).product())),
            },
            first_seed: ask.seed,
            variation: ask.variation,
            init_latents: ask.init_latents.clone(),
            latent_shape,
        };
        plan.estimate();
        plan.total = plan.sampler()?.steps;
        plan.check()?;
        plan.check_window(recipe)?;
        if let Some(mask) = &ask.mask {
            recipe.medium.mask(mask, plan.extent, &plan.latent_shape)?;
        }
        Ok(plan)
    }

    /// Pieces that each result is made in, one after another.
    pub fn pieces(&self) -> usize {
        #[cfg(feature = "audio")]
        if let Some(script) = &self.script {
            return script.lines.len().max(1);
        }
        1
    }

    /// Steps of all results and pieces.
    pub fn work(&self) -> usize {
        self.total * self.count * self.pieces()
    }

    /// What a text will take, before it is read: its longest line decides.
    fn estimate(&mut self) {
        #[cfg(feature = "audio")]
        if let Some(script) = &self.script {
            let shapes = script.lines.iter().map(|line| &line.estimate);
            if let Some(longest) = shapes.max_by_key(|shape| shape.iter().product::<usize>()) {
                self.latent_shape.clone_from(longest);
            }
        }
    }

    /// A piece with the silence before it.
    pub(super) fn paused(&self, media: Media) -> Media {
        match media {
            #[cfg(feature = "audio")]
            Media::Sound(mut sound) => {
                let pause = self.script.as_ref().map_or(0, |script| script.pause);
                sound.channels.iter_mut().for_each(|channel| drop(channel.splice(..0, vec![0.0; pause])));
                Media::Sound(sound)
            }
            other => other,
        }
    }

    /// The axis of latents that pieces are joined along: the one they differ in.
    pub(super) fn time_axis(&self) -> usize {
        #[cfg(feature = "audio")]
        if let Some(script) = &self.script {
            return script.time_axis;
        }
        0
    }

    /// What is said of one window of a result beyond the prediction says nothing of the whole.
    fn check_window(&self, recipe: &Recipe) -> Result<()> {
        let Some(window) = recipe.medium.window() else { return Ok(()) };
        if recipe.extra_groups > 0 && self.latent_shape.get(1) > Some(&window.length) {
            bail!(
                "this model's network says more than its prediction, so it makes nothing longer than its window; ask for less"
            );
        }
        Ok(())
    }

    /// The seed of a result.
    pub fn seed(&self, index: usize) -> u64 {
        if self.variation.is_some() { self.first_seed } else { self.first_seed.wrapping_add(index as u64) }
    }

    /// The seed and share of the noise that is mixed into a result's.
    pub fn variation(&self, index: usize) -> Option<(u64, f64)> {
        self.variation.map(|(seed, share)| (seed.wrapping_add(index as u64), share))
    }

    /// The seed that tells the results of an ask apart.
    pub fn own_seed(&self, index: usize) -> u64 {
        self.variation(index).map_or(self.seed(index), |(seed, _)| seed)
    }

    /// The method, made ready for one result.
    pub(super) fn sampler(&self) -> Result<Sampler> {
        self.method
            .prepare(&self.config, self.steps, &self.tuning)
            .with_context(|| format!("the sampler {} cannot run", self.method.name))
    }

    /// Whether no step is left out.
    pub(super) fn is_whole(&self) -> bool {
        self.strength().is_none_or(|share| share >= 1.0)
    }

    /// Share of the run that is made, where it starts from something given.
    pub fn strength(&self) -> Option<f64> {
        self.tuning.strength.map(|strength| strength.share)
    }

    /// The noise a result starts from, if it was given.
    pub(super) fn init_latents(&self, index: usize) -> Option<Latent> {
        let latents = self.init_latents.as_ref()?;
        Some(if latents.ndim() == self.latent_shape.len() {
            latents.clone()
        } else {
            latents.index_axis(Axis(0), index).to_owned()
        })
    }

    fn check(&self) -> Result<()> {
        if self.count == 0 {
            bail!("--count is 0, but at least 1 must be asked for");
        }
        match self.variation {
            Some((_, share)) if !(0.0..=1.0).contains(&share) => {
                bail!("--variation-strength is {share}, but must lie in 0..=1")
            }
            Some(_) if self.init_latents.is_some() => {
                bail!("--variation-seed mixes into drawn noise, so it cannot be combined with --init-latents")
            }
            _ => {}
        }
        if self.method.name == "ddim-inverse" && self.init_latents.is_none() {
            bail!(
                "--sampler ddim-inverse leads from a finished latent back to its noise; give one with --init-latents"
            );
        }
        let Some(latents) = &self.init_latents else { return Ok(()) };
        let batched = [&[self.count][..], &self.latent_shape].concat();
        if latents.shape() == self.latent_shape && self.count == 1 || latents.shape() == batched {
            return Ok(());
        }
        bail!("--init-latents has the shape {:?}, but this run needs {batched:?}", latents.shape())
    }
}

/// A model is told what to make by words or by a picture; what it cannot take is refused.
fn check_told(recipe: &Recipe, ask: &Ask) -> Result<()> {
    match (recipe.family.reads(), &ask.shown) {
        (true, Some(_)) => bail!("this model is told by words what to make: leave --image out"),
        (false, None) => bail!("this model makes what a picture shows: give one with --image"),
        (false, Some(_)) if !ask.prompt.is_empty() => {
            bail!("this model is told by a picture and reads no words: leave the prompt out")
        }
        (false, Some(_)) if ask.negative_prompt.is_some() => {
            bail!("--negative-prompt would have no effect: this model is told by a picture and reads no words")
        }
        _ => Ok(()),
    }
}

/// The configuration that the sampler sees, with what is asked of it.
fn config(recipe: &Recipe, ask: &Ask, method: &Method) -> Result<Source> {
    let config = recipe.scheduler_for(method);
    #[cfg(feature = "audio")]
    let config = speech::shifted(config, ask.t_shift)?;
    #[cfg(not(feature = "audio"))]
    let _ = ask;
    Ok(config)
}

/// The folder's own step list suits its own sampler only, and gives way to any list that is asked for.
fn schedule<'a>(recipe: &'a Recipe, ask: &'a Ask) -> Option<&'a str> {
    let own = recipe.defaults.schedule.as_deref().filter(|_| ask.sampler.is_none() && ask.steps_list.is_none());
    ask.schedule.as_deref().or(own)
}

/// A list of the user's own fixes the number of steps.
fn steps(recipe: &Recipe, ask: &Ask) -> Result<usize> {
    match (&ask.steps_list, ask.steps) {
        (Some(list), Some(steps)) if list.steps() > 0 && list.steps() != steps => {
            bail!("--steps is {steps}, but {} lists {} steps; leave one of them out", list.flag(), list.steps())
        }
        // An empty list is refused where it is read, with what is wrong with it.
        (Some(list), _) => Ok(list.steps().max(1)),
        (None, steps) => Ok(steps.unwrap_or(recipe.defaults.steps)),
    }
}

/// How late a run starts from something given; the defaults are the reference pipelines'.
fn strength(recipe: &Recipe, ask: &Ask) -> Result<Option<Strength>> {
    if ask.init.is_none() {
        let flag = format!("--init-{}", recipe.medium.modality().command());
        match (&ask.mask, ask.strength) {
            (Some(_), _) => bail!("--mask says what is kept of something given; give it with {flag}"),
            (_, Some(_)) => bail!("--strength says how far to go from something given; give it with {flag}"),
            _ => return Ok(None),
        }
    }
    let share = ask.strength.unwrap_or(if ask.mask.is_some() { 1.0 } else { 0.8 });
    if !(share > 0.0 && share <= 1.0) {
        bail!("--strength is {share}, but must lie above 0 and up to 1");
    }
    Ok(Some(Strength { share, keeps_steps: recipe.family.keeps_steps }))
}

/// The scale of a second network, and the time from which on it answers.
fn late_scale(recipe: &Recipe, ask: &Ask, scale: f64) -> Result<Option<(f64, f64)>> {
    let Some(expert) = recipe.experts.first() else {
        if ask.guidance_scale_2.is_some() {
            bail!(
                "--guidance-scale-2 is for models with a second denoiser for the cleaner steps, which this one lacks; leave it out"
            );
        }
        return Ok(None);
    };
    let late = ask.guidance_scale_2.unwrap_or(scale);
    if !(late.is_finite() && late >= 0.0) {
        bail!("--guidance-scale-2 is {late}, but must be 0 or more");
    }
    Ok(Some((expert.below, late)))
}

fn guidance(recipe: &Recipe, ask: &Ask, scale: f64) -> Result<Guidance> {
    if !(scale.is_finite() && scale >= 0.0) {
        bail!("--guidance-scale is {scale}, but must be 0 or more (1 and below are no guidance)");
    }
    if !(0.0..=1.0).contains(&ask.guidance_rescale) {
        bail!("--guidance-rescale is {}, but must lie in 0..=1", ask.guidance_rescale);
    }
    let late = late_scale(recipe, ask, scale)?;
    let (guidance, why) = match recipe.guided {
        Guided::Twice => {
            let guidance = Guidance { scale, rescale: ask.guidance_rescale, late };
            (guidance, "guidance is off at scale 1 and below")
        }
        Guided::Embedding(_) | Guided::Scale => (Guidance::NONE, "this model is told its guidance scale"),
        Guided::Never if ask.guidance_scale.is_some_and(|scale| scale != 1.0) => {
            bail!("--guidance-scale would have no effect: this model takes none; leave it out")
        }
        Guided::Never => (Guidance::NONE, "this model takes no guidance"),
    };
    if !guidance.is_on() {
        if ask.negative_prompt.is_some() {
            bail!("--negative-prompt would have no effect: {why}");
        }
        if ask.guidance_rescale > 0.0 {
            bail!("--guidance-rescale would have no effect: {why}");
        }
        return Ok(Guidance::NONE);
    }
    Ok(guidance)
}
