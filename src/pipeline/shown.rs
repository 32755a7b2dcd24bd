//! Pictures to conditioning, for models that are told what to make by a picture.

use std::time::Instant;

use anyhow::{Context, Result};
use edrun_modalities::image::VisionEncoder;
use edrun_onnx::Cancel;

use super::prompts::Conditions;
use super::run::Ready;
use super::{Pipeline, Progress, Tell, Times};

impl Pipeline {
    /// Fills in the conditioning of every ask; one whose picture cannot be looked at fails alone.
    pub(super) fn look(
        &mut self,
        ready: &mut [Ready<'_>],
        cancel: &Cancel,
        tell: &mut Tell<'_>,
        times: &mut Times,
    ) -> Result<()> {
        tell(Progress::Stage("looking at the picture"))?;
        let start = Instant::now();
        let mut encoder = VisionEncoder::open(&self.folder, &self.settings.graphs(), cancel)?;
        self.tell_news(tell)?;
        times.load += start.elapsed();
        let start = Instant::now();
        for ask in ready.iter_mut() {
            let picture = ask.wish.shown.as_ref().context("there is no picture to look at: give one with --image")?;
            match encoder.encode(picture, cancel) {
                Ok(states) => ask.conditions = Some(Conditions::seen(states, ask.plan.guidance.is_on())),
                Err(error) if cancel.is_cancelled() || !ask.company.several => return Err(error),
                Err(error) => tell(Progress::Failed { ask: ask.ask, index: 0, error })?,
            }
        }
        times.encode += start.elapsed();
        Ok(())
    }
}
