//! Noise that has a centre and a width of its own in every element: PriorGrad's data-dependent prior (Lee et al. 2022),
//! and the picture of low resolution that ResShift's noise is centred on (Yue et al. 2023).
//!
//! Measured from the centre in units of the width the noise is standard normal again, so a solver starts and steps as
//! ever; what is wrapped is the denoiser, which shows the network the state as it was trained to see it. The result is put
//! back by [`Prior::place`].

use std::collections::HashMap;

use anyhow::{Result, bail};

use super::latent::{copy_into, values, values_mut};
use super::{Denoiser, Latent, RequestId, Row};

/// Where a request's noise lies.
#[derive(Clone, Debug, Default)]
pub struct Prior {
    mean: Option<Latent>,
    deviation: Option<Latent>,
    seen: bool,
}

impl Prior {
    /// PriorGrad's: noise of a deviation around a mean, element by element; the network sees states without the mean and
    /// speaks of them, and of the noise, in their own units.
    ///
    /// # Errors
    /// When a deviation is not above 0, or the shapes differ.
    pub fn of(mean: Latent, deviation: Latent) -> Result<Self> {
        if mean.shape() != deviation.shape() {
            bail!("a prior's mean has the shape {:?}, its deviation {:?}", mean.shape(), deviation.shape());
        }
        if deviation.iter().any(|d| !(*d > 0.0 && d.is_finite())) || mean.iter().any(|m| !m.is_finite()) {
            bail!("a prior needs a finite mean and deviations above 0 in every element");
        }
        Ok(Self { mean: Some(mean), deviation: Some(deviation), seen: false })
    }

    /// ResShift's: noise of unit deviation around an origin, with which the network sees states and clean ones.
    pub fn around(origin: Latent) -> Self {
        Self { mean: Some(origin), deviation: None, seen: true }
    }

    /// Puts a run's result back where the data lie.
    pub fn place(&self, x: &mut Latent) {
        self.scale(x, |x, d| x * d);
        self.shift(x, 1.0);
    }

    /// From the solver's units to what the network sees.
    fn outward(&self, x: &mut Latent) {
        self.scale(x, |x, d| x * d);
        if self.seen {
            self.shift(x, 1.0);
        }
    }

    /// From what the network says to the solver's units.
    fn inward(&self, clean: &mut Latent) {
        if self.seen {
            self.shift(clean, -1.0);
        }
        self.scale(clean, |x, d| x / d);
    }

    fn shift(&self, x: &mut Latent, times: f32) {
        if let Some(mean) = &self.mean {
            values_mut(x).iter_mut().zip(values(mean)).for_each(|(x, m)| *x += times * m);
        }
    }

    fn scale(&self, x: &mut Latent, f: impl Fn(f32, f32) -> f32) {
        if let Some(deviation) = &self.deviation {
            values_mut(x).iter_mut().zip(values(deviation)).for_each(|(x, d)| *x = f(*x, *d));
        }
    }
}

/// A denoiser whose requests may have priors of their own.
pub struct WithPriors<D> {
    inner: D,
    priors: HashMap<RequestId, Prior>,
    states: Vec<Latent>,
}

impl<D: Denoiser> WithPriors<D> {
    /// Wraps `inner`.
    pub fn new(inner: D) -> Self {
        Self { inner, priors: HashMap::new(), states: Vec::new() }
    }

    /// Sets the prior of a request; without, its noise is standard normal.
    pub fn set(&mut self, request: RequestId, prior: Prior) {
        self.priors.insert(request, prior);
    }

    /// The wrapped denoiser.
    pub fn inner_mut(&mut self) -> &mut D {
        &mut self.inner
    }

    /// Copies the states into what the network sees.
    fn show(&mut self, rows: &[Row<'_>]) {
        self.states.resize_with(rows.len(), || Latent::zeros(vec![0]));
        for (row, state) in rows.iter().zip(&mut self.states) {
            copy_into(state, row.x);
            if let Some(prior) = self.priors.get(&row.request) {
                prior.outward(state);
            }
        }
    }
}

impl<D: Denoiser> Denoiser for WithPriors<D> {
    fn denoise(&mut self, rows: &[Row<'_>], clean: &mut [Latent]) -> Result<()> {
        self.show(rows);
        let seen: Vec<Row<'_>> = rows.iter().zip(&self.states).map(|(row, x)| Row { x, ..*row }).collect();
        self.inner.denoise(&seen, clean)?;
        for (row, clean) in rows.iter().zip(clean) {
            if let Some(prior) = self.priors.get(&row.request) {
                prior.inward(clean);
            }
        }
        Ok(())
    }

    fn extra(&self, request: RequestId) -> Option<&Latent> {
        self.inner.extra(request)
    }

    fn forget(&mut self, request: RequestId) {
        self.priors.remove(&request);
        self.inner.forget(request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::config::{Source, Value};
    use crate::sampling::solver::{Method, Tuning};
    use crate::sampling::{Branch, Level, Noise, Seen, Want};

    const SIZE: usize = 4000;

    /// Runs a method on a denoiser from pure noise.
    fn run(name: &str, source: &Source, steps: usize, denoiser: &mut impl Denoiser) -> Latent {
        let sampler = Method::find(name).unwrap().prepare(source, steps, &Tuning::default()).unwrap();
        let (mut solver, mut noise) = (sampler.solver, Noise::torch(9));
        let mut x = noise.normal(&[SIZE]) * sampler.start_scale as f32;
        let (mut level, mut clean) = (solver.start(), vec![Latent::zeros(vec![SIZE])]);
        loop {
            let row = Row::new(RequestId(1), Branch::Positive, &x, level);
            denoiser.denoise(&[row], &mut clean).unwrap();
            match solver.advance(Seen { x: &mut x, clean: &mut clean[0], extra: None }, &mut noise) {
                Want::Next(next) | Want::Probe(next) => level = next,
                Want::Done => return x,
            }
        }
    }

    fn table() -> Source {
        let mut source = Source { class: "DDPMScheduler".into(), ..Source::default() };
        source.set("clip_sample", Value::Bool(false));
        source
    }

    /// Some prior, and the variances of data around its mean.
    fn prior() -> (Prior, Latent, Latent, Latent) {
        let mean = Latent::from_shape_fn(vec![SIZE], |i| (i[0] as f32 * 0.37).sin());
        let deviation = Latent::from_shape_fn(vec![SIZE], |i| 0.3 + (i[0] as f32 * 0.11).cos().abs());
        let data = Latent::from_shape_fn(vec![SIZE], |i| 0.2 + (i[0] as f32 * 0.05).sin().abs());
        (Prior::of(mean.clone(), deviation.clone()).unwrap(), mean, deviation, data)
    }

    /// The estimate of data of given variances behind noise of given variances.
    fn gaussian(row: &Row<'_>, clean: &mut Latent, data: &Latent, noise: &Latent) {
        let Level { alpha, sigma, .. } = row.level;
        for (((c, x), v), n) in clean.iter_mut().zip(row.x).zip(data).zip(noise) {
            let (v, n) = (f64::from(*v), f64::from(*n));
            *c = (alpha * v / (alpha * alpha * v + sigma * sigma * n) * f64::from(*x)) as f32;
        }
    }

    #[test]
    fn a_run_is_the_whitened_run_put_back() {
        let (prior, mean, deviation, data) = prior();
        let (noise, whitened) = (&deviation * &deviation, &data / &(&deviation * &deviation));
        let ones = Latent::ones(vec![SIZE]);
        for name in ["ddpm", "ddim", "dpmpp-2m", "euler-a"] {
            let mut wrapped = WithPriors::new(|row: &Row<'_>, clean: &mut Latent| gaussian(row, clean, &data, &noise));
            wrapped.set(RequestId(1), prior.clone());
            let mut got = run(name, &table(), 12, &mut wrapped);
            prior.place(&mut got);
            let mut plain = |row: &Row<'_>, clean: &mut Latent| gaussian(row, clean, &whitened, &ones);
            let want = run(name, &table(), 12, &mut plain) * &deviation + &mean;
            assert!(got.iter().zip(&want).all(|(g, w)| (g - w).abs() < 1e-5), "{name}");
        }
    }

    #[test]
    fn samples_have_the_law_of_data_around_the_mean() {
        let (prior, mean, deviation, data) = prior();
        let noise = &deviation * &deviation;
        let mut wrapped = WithPriors::new(|row: &Row<'_>, clean: &mut Latent| gaussian(row, clean, &data, &noise));
        wrapped.set(RequestId(1), prior.clone());
        let mut x = run("ddpm", &table(), 500, &mut wrapped);
        prior.place(&mut x);
        let unit = (&x - &mean) / &data.mapv(f32::sqrt);
        let (centre, spread) = (unit.mean().unwrap(), unit.std(0.0));
        assert!(centre.abs() < 0.05 && (spread - 1.0).abs() < 0.05, "{centre} {spread}");
    }

    /// ResShift's chain around a low-resolution picture: `x_t = x_0 + eta (y - x_0) + kappa sqrt(eta) noise`.
    #[test]
    fn a_residual_chain_ends_at_the_data_given_its_origin() {
        // Data that are the origin plus a residual of its own law.
        const RESIDUAL: f64 = 0.3;
        let origin = Latent::from_shape_fn(vec![SIZE], |i| (i[0] as f32 * 0.37).sin());
        let network = |row: &Row<'_>, clean: &mut Latent| {
            let Level { alpha, sigma, .. } = row.level;
            let gain = alpha * RESIDUAL.powi(2) / ((alpha * RESIDUAL).powi(2) + sigma * sigma);
            for ((c, x), y) in clean.iter_mut().zip(row.x).zip(&origin) {
                *c = *y + (gain * f64::from(x - y)) as f32;
            }
        };
        let prior = Prior::around(origin.clone());
        let mut wrapped = WithPriors::new(network);
        wrapped.set(RequestId(1), prior.clone());
        // A longer chain than the paper's: each step leaves out what the data vary by, given the state.
        let mut source = Source { class: "ResShiftScheduler".into(), ..Source::default() };
        source.set("num_train_timesteps", Value::Number(300.0));
        let mut x = run("resshift", &source, 300, &mut wrapped);
        prior.place(&mut x);
        let residual = &x - &origin;
        let (mean, spread) = (f64::from(residual.mean().unwrap()), f64::from(residual.std(0.0)));
        assert!(mean.abs() < 0.02 && (spread - RESIDUAL).abs() < 0.03, "{mean} {spread}");
    }

    #[test]
    fn impossible_priors_are_refused() {
        let two = || Latent::ones(vec![2]);
        assert!(Prior::of(two(), Latent::ones(vec![3])).is_err());
        assert!(Prior::of(two(), Latent::zeros(vec![2])).is_err());
        assert!(Prior::of(two() * f32::NAN, two()).is_err());
    }
}
