//! Lines that are said: what the model's front end makes of them, which says how long they last.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use edrun_modalities::speech::{Reader, Script};
use edrun_onnx::Cancel;

use super::prompts::Conditions;
use super::run::Ready;
use super::{Ask, Pipeline, Progress, Tell, Times};
use crate::media::Extent;
use crate::network::{Condition, Input};
use crate::recipe::Recipe;
use crate::sampling::Latent;
use crate::sampling::config::{Source, Value};

/// The text of an ask as the lines it is said in, of models that speak; others refuse what only speech has.
///
/// # Errors
/// For what the model cannot say or does not take.
pub(super) fn script(recipe: &Recipe, ask: &Ask) -> Result<Option<Arc<Script>>> {
    let Some(speaker) = recipe.medium.speaker() else {
        let wanted = [
            ("--voice", ask.speech.voice.is_some()),
            ("--voice-text", ask.speech.voice_text.is_some()),
            ("--speed", ask.speech.speed.is_some()),
            ("--language", ask.speech.language.is_some()),
            ("--t-shift", ask.t_shift.is_some()),
        ];
        match wanted.iter().find(|(_, is_wanted)| *is_wanted) {
            Some((flag, _)) => bail!("{flag} is for models that speak, and this one makes other sounds; leave it out"),
            None => return Ok(None),
        }
    };
    ensure!(
        ask.init_latents.is_none(),
        "--init-latents cannot be given to a model that speaks: it decides how long its noise is when it reads the text"
    );
    speaker.script(&ask.prompt, &ask.speech).map(|script| Some(script.into()))
}

/// Moves the times of a rising flow as asked: `t_shift * t / (1 + (t_shift - 1) * t)`, which is a shift by the inverse
/// towards the noise.
///
/// # Errors
/// When it is not above 0.
pub(super) fn shifted(mut config: Source, t_shift: Option<f64>) -> Result<Source> {
    let Some(t_shift) = t_shift else { return Ok(config) };
    ensure!(t_shift.is_finite() && t_shift > 0.0, "--t-shift is {t_shift}, but must be above 0 (1 shifts nothing)");
    config.set("shift", Value::Number(1.0 / t_shift));
    Ok(config)
}

impl Pipeline {
    /// Fills in length and conditioning of every line. Of a text that cannot be read to its end, no line is said.
    pub(super) fn read_lines(
        &mut self,
        ready: &mut [Ready<'_>],
        cancel: &Cancel,
        tell: &mut Tell<'_>,
        times: &mut Times,
    ) -> Result<()> {
        if ready.is_empty() {
            return Ok(());
        }
        let medium = Arc::clone(&self.recipe.medium);
        let speaker = medium.speaker().context("this model does not speak")?;
        tell(Progress::Stage("reading the text"))?;
        let start = Instant::now();
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => speaker.reader(&self.folder, &self.settings.graphs(), cancel)?,
        };
        self.tell_news(tell)?;
        times.load += start.elapsed();
        let start = Instant::now();
        let span = self.settings.trace.span("encode", "text");
        for line in ready.iter_mut() {
            if self.pieces.has_failed(line, 0) {
                continue;
            }
            match read(&mut *reader, line, speaker.sample_rate(), cancel) {
                Ok(()) => {}
                Err(error) if cancel.is_cancelled() || !line.company.several => return Err(error),
                Err(error) => {
                    for index in 0..line.plan.count {
                        self.pieces.fail(line, index);
                    }
                    tell(Progress::Failed { ask: line.ask, index: 0, error })?;
                }
            }
        }
        drop(span);
        ready.iter_mut().filter(|line| self.pieces.has_failed(line, 0)).for_each(|line| line.conditions = None);
        times.encode += start.elapsed();
        self.reader = self.settings.keep_loaded.then_some(reader);
        Ok(())
    }
}

fn read(reader: &mut dyn Reader, ready: &mut Ready<'_>, sample_rate: u32, cancel: &Cancel) -> Result<()> {
    let script = ready.plan.script.clone().context("a text has no lines")?;
    let line = script.lines.get(ready.piece).context("a text has fewer lines")?;
    let told = reader.read(line, &script, cancel)?;
    let number = |value: f64| Latent::from_elem(vec![], value as f32);
    let mut condition = Condition::default();
    condition.add(Input::Scale, number(ready.plan.guidance_scale));
    condition.add(Input::Steps, number(ready.plan.steps as f64));
    for (name, value) in told.inputs {
        condition.add(Input::of_name(name).with_context(|| format!("no network takes {name}"))?, value);
    }
    ready.conditions = Some(Conditions::told(condition));
    ready.plan.latent_shape = told.latent;
    ready.plan.extent = Extent::Sound { samples: told.samples, sample_rate };
    Ok(())
}
