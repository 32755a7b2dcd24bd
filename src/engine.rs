//! Many requests, one batched evaluation a turn.
//!
//! The engine asks its denoiser once for the rows of all running requests, hands the answers to
//! their solvers, and retires what is done. A request alone takes the same path.

use anyhow::{Result, bail};

use crate::sampling::{Branch, Continuous, Denoiser, Latent, Noise, RequestId, Row, Seen, Solver, Space, Want};

/// A request as the engine runs it. All its state is its own.
pub struct Job<S: Space = Continuous> {
    /// Its name.
    pub request: RequestId,
    /// Its state, scaled to the solver's start.
    pub x: S::State,
    /// Its method, with plan and memory.
    pub solver: Box<dyn Solver<S>>,
    /// Its noise stream.
    pub noise: Noise,
}

/// What happened to a request in a turn.
#[derive(Debug)]
pub enum Event<'a, S: Space = Continuous> {
    /// The denoiser answered, and the solver is about to use the answer up.
    Estimate {
        /// Whose.
        request: RequestId,
        /// Steps completed before.
        done: usize,
        /// The clean estimate.
        clean: &'a S::Clean,
    },
    /// A step is complete.
    Step {
        /// Whose.
        request: RequestId,
        /// Steps completed.
        done: usize,
        /// The state after the step.
        x: &'a S::State,
    },
    /// The request ended: with its final state, or with what went wrong in it alone.
    Ended {
        /// Whose.
        request: RequestId,
        /// The result.
        latent: Result<S::State>,
    },
}

struct Running<S: Space> {
    job: Job<S>,
    level: S::Level,
    done: usize,
}

/// Runs jobs on one denoiser.
pub struct Engine<D, S: Space = Continuous> {
    denoiser: D,
    running: Vec<Running<S>>,
    clean: Vec<S::Clean>,
}

impl<S: Space, D: Denoiser<S>> Engine<D, S> {
    /// An engine without jobs.
    pub fn new(denoiser: D) -> Self {
        Self { denoiser, running: Vec::new(), clean: Vec::new() }
    }

    /// Takes a job in; it joins the next turn.
    pub fn admit(&mut self, job: Job<S>) {
        let level = job.solver.start();
        self.clean.push(S::room(&job.x));
        self.running.push(Running { job, level, done: 0 });
    }

    /// Number of running jobs.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// The denoiser, for settings of requests.
    pub fn denoiser_mut(&mut self) -> &mut D {
        &mut self.denoiser
    }

    /// The denoiser, when the engine is not needed any more.
    pub fn into_denoiser(self) -> D {
        self.denoiser
    }

    /// Evaluates every running job once and reports what came of it. A job that fails ends with its
    /// own error and takes no other with it.
    pub fn turn(&mut self, mut tell: impl FnMut(Event<'_, S>)) {
        let mut answers = self.evaluate();
        let mut index = 0;
        while let (Some(running), Some(clean), Some(answer)) =
            (self.running.get_mut(index), self.clean.get_mut(index), answers.get_mut(index))
        {
            let answer = std::mem::replace(answer, Ok(()));
            if answer.is_ok() {
                tell(Event::Estimate { request: running.job.request, done: running.done, clean });
            }
            match answer.and_then(|()| running.digest(clean, self.denoiser.extra(running.job.request))) {
                Ok(None) => index += 1,
                Ok(Some(Want::Done)) => {
                    let _ = answers.swap_remove(index);
                    let ended = self.retire(index);
                    let request = ended.job.request;
                    tell(Event::Step { request, done: ended.done, x: &ended.job.x });
                    tell(Event::Ended { request, latent: Ok(ended.job.x) });
                }
                Ok(Some(_)) => {
                    tell(Event::Step { request: running.job.request, done: running.done, x: &running.job.x });
                    index += 1;
                }
                Err(error) => {
                    let _ = answers.swap_remove(index);
                    let request = self.retire(index).job.request;
                    tell(Event::Ended { request, latent: Err(error) });
                }
            }
        }
    }

    /// Asks for all rows at once. When that fails, asks for each alone, so that only those at fault fail.
    fn evaluate(&mut self) -> Vec<Result<()>> {
        let rows: Vec<Row<'_, S>> = self.running.iter().map(Running::row).collect();
        match self.denoiser.denoise(&rows, &mut self.clean) {
            Err(error) if rows.len() < 2 => vec![Err(error)],
            Err(_) => {
                let alone = |(row, clean)| self.denoiser.denoise(&[row], std::slice::from_mut(clean));
                rows.into_iter().zip(&mut self.clean).map(alone).collect()
            }
            Ok(()) => rows.iter().map(|_| Ok(())).collect(),
        }
    }

    fn retire(&mut self, index: usize) -> Running<S> {
        self.clean.swap_remove(index);
        let ended = self.running.swap_remove(index);
        self.denoiser.forget(ended.job.request);
        ended
    }
}

impl<S: Space> Running<S> {
    fn row(&self) -> Row<'_, S> {
        Row::new(self.job.request, Branch::Positive, &self.job.x, self.level)
    }

    /// Hands the answer to the solver; `None` while inside a step.
    fn digest(&mut self, clean: &mut S::Clean, extra: Option<&Latent>) -> Result<Option<Want<S::Level>>> {
        check_sound::<S>(clean, self.done + 1)?;
        self.check_extra(extra)?;
        let want = self.job.solver.advance(Seen { x: &mut self.job.x, clean, extra }, &mut self.job.noise);
        if let Want::Next(level) | Want::Probe(level) = want {
            self.level = level;
        }
        if matches!(want, Want::Probe(_)) {
            return Ok(None);
        }
        self.done += 1;
        Ok(Some(want))
    }

    /// A solver that needs more than predictions cannot do with less.
    fn check_extra(&self, extra: Option<&Latent>) -> Result<()> {
        let groups = self.job.solver.extra_groups();
        let given = extra.map_or(0, Latent::len) / S::size(&self.job.x).max(1);
        if given < groups {
            bail!("the sampler needs {groups} groups of channels beyond the network's prediction, which gives {given}");
        }
        if let Some(extra) = extra.filter(|_| groups > 0) {
            check_sound::<Continuous>(extra, self.done + 1)?;
        }
        Ok(())
    }
}

/// A picture of values that are not numbers would be black: stop where they first appear.
fn check_sound<S: Space>(clean: &S::Clean, step: usize) -> Result<()> {
    if S::is_sound(clean) {
        return Ok(());
    }
    bail!(
        "the denoiser gave values that are not finite at step {step}; its weights or precision are at fault: try an f32 export or another provider"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::config::{Source, Value};
    use crate::sampling::solver::{METHODS, Tuning};

    fn source() -> Source {
        let keys = [
            ("beta_schedule", Value::text("scaled_linear")),
            ("beta_start", Value::Number(0.00085)),
            ("beta_end", Value::Number(0.012)),
        ];
        Source { class: String::new(), keys: keys.into_iter().map(|(k, v)| (k.to_owned(), v)).collect() }
    }

    fn job(name: &str, seed: u64, steps: usize) -> Job {
        let method = crate::sampling::solver::Method::find(name).unwrap();
        let sampler = method.prepare(&source(), steps, &Tuning::default()).unwrap();
        let mut noise = Noise::torch(seed);
        let x = noise.normal(&[4, 4, 4]) * sampler.start_scale as f32;
        Job { request: RequestId(seed), x, solver: sampler.solver, noise }
    }

    fn model(row: &Row<'_>, clean: &mut Latent) {
        clean.assign(&row.x.mapv(|v| (v * row.level.alpha as f32).tanh() * 0.8));
    }

    fn run(jobs: Vec<Job>) -> Vec<(RequestId, Latent)> {
        let mut engine = Engine::new(model);
        jobs.into_iter().for_each(|job| engine.admit(job));
        let mut results = Vec::new();
        for turns in 0.. {
            if engine.running() == 0 {
                break;
            }
            assert!(turns < 20_000, "a method does not come to an end");
            engine.turn(|event| {
                if let Event::Ended { request, latent } = event {
                    results.push((request, latent.unwrap()));
                }
            });
        }
        results.sort_by_key(|(request, _)| *request);
        results
    }

    #[test]
    fn alone_equals_together() {
        // Some methods are for other kinds of models than this one.
        let methods: Vec<_> = METHODS.iter().filter(|m| m.prepare(&source(), 6, &Tuning::default()).is_ok()).collect();
        assert!(methods.len() >= 8);
        for (i, method) in methods.iter().enumerate() {
            let partner = methods[(i + 1) % methods.len()].name;
            let together = run(vec![job(method.name, 1, 6), job(partner, 2, 9), job(method.name, 3, 4)]);
            let alone: Vec<_> = [(method.name, 1, 6), (partner, 2, 9), (method.name, 3, 4)]
                .into_iter()
                .flat_map(|(name, seed, steps)| run(vec![job(name, seed, steps)]))
                .collect();
            assert_eq!(alone, together, "{}", method.name);
        }
    }

    #[test]
    fn a_job_with_bad_values_ends_alone_and_names_the_step() {
        let mut calls = 0;
        let mut engine = Engine::new(|row: &Row<'_>, clean: &mut Latent| {
            calls += 1;
            model(row, clean);
            if row.request == RequestId(1) && calls > 4 {
                clean[[0, 0, 0]] = f32::NAN;
            }
        });
        engine.admit(job("euler", 1, 5));
        engine.admit(job("euler", 2, 5));
        let mut ended = Vec::new();
        while engine.running() > 0 {
            engine.turn(|event| {
                if let Event::Ended { request, latent } = event {
                    ended.push((request.0, latent.map_err(|e| e.to_string())));
                }
            });
        }
        assert!(ended[0].0 == 1 && ended[0].1.as_ref().unwrap_err().contains("step 3"), "{ended:?}");
        assert!(ended[1].0 == 2 && ended[1].1.is_ok());
    }

    /// A denoiser that cannot run one of the requests.
    struct Picky;

    impl Denoiser for Picky {
        fn denoise(&mut self, rows: &[Row<'_>], clean: &mut [Latent]) -> Result<()> {
            if rows.iter().any(|row| row.request == RequestId(2)) {
                bail!("no");
            }
            rows.iter().zip(clean).for_each(|(row, clean)| model(row, clean));
            Ok(())
        }
    }

    #[test]
    fn a_job_that_cannot_be_evaluated_takes_no_other_with_it() {
        let mut engine = Engine::new(Picky);
        [1, 2, 3].into_iter().for_each(|seed| engine.admit(job("euler", seed, 3)));
        let mut ended = Vec::new();
        while engine.running() > 0 {
            engine.turn(|event| {
                if let Event::Ended { request, latent } = event {
                    ended.push((request.0, latent.is_ok()));
                }
            });
        }
        ended.sort_unstable();
        assert_eq!(ended, [(1, true), (2, false), (3, true)]);
    }
}
