//! DPM-Solver and DPM-Solver++ multistep, orders 1 to 3, ODE and SDE (Lu et al. 2022).

use anyhow::{Result, bail};

use super::ddpm::check_variance_type;
use super::intervals::{self, Habits, Kept};
use super::{Draw, History, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want, keys};
use crate::sampling::config::{Defaults, Value};
use crate::sampling::latent::{Latent, combine};
use crate::sampling::plan::Plan;
use crate::sampling::schedule::TABLE_KEYS;
use crate::sampling::steps::Step;

pub(super) const METHOD: Method = Method {
    name: "dpmpp-2m",
    classes: &["DPMSolverMultistepScheduler", "EDMDPMSolverMultistepScheduler"],
    aliases: &["DPMSolverMultistepScheduler", "sample_dpmpp_2m"],
    order: 2,
    paper: "Lu et al. 2022, arXiv 2211.01095, algorithm 2",
    defaults: &[TABLE_KEYS, keys::INTERVALS, keys::RESCALE, KEYS],
    build,
    ..Method::BASE
};

const KEYS: Defaults = &[
    ("solver_order", Value::Number(2.0)),
    ("algorithm_type", Value::text("dpmsolver++")),
    ("solver_type", Value::text("midpoint")),
    ("euler_at_final", Value::Bool(false)),
    ("use_lu_lambdas", Value::Bool(false)),
    ("final_sigmas_type", Value::text("zero")),
    ("lambda_min_clipped", Value::Number(f64::NEG_INFINITY)),
    ("variance_type", Value::Null),
];

/// Flows are spread up to the noisy end, and a run that does not end clean ends at the table's smallest.
const HABITS: Habits = Habits { flow_from_one: false, always_kept: false, kept: Kept::SmallestOfTable };

/// Which integral is solved: of the clean estimate (`++`) or of the noise, as ODE or as SDE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Algorithm {
    data: bool,
    sde: bool,
}

const ALGORITHMS: &[(&str, Algorithm)] = &[
    ("dpmsolver++", Algorithm { data: true, sde: false }),
    // A configuration that was written for DEIS.
    ("deis", Algorithm { data: true, sde: false }),
    ("dpmsolver", Algorithm { data: false, sde: false }),
    ("sde-dpmsolver++", Algorithm { data: true, sde: true }),
    ("sde-dpmsolver", Algorithm { data: false, sde: true }),
];

/// How the second-order term is approximated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Midpoint,
    Heun,
}

/// Names from configurations of other multistep classes fall back to the midpoint.
const KINDS: &[(&str, Kind)] = &[
    ("midpoint", Kind::Midpoint),
    ("heun", Kind::Heun),
    ("logrho", Kind::Midpoint),
    ("bh1", Kind::Midpoint),
    ("bh2", Kind::Midpoint),
];

struct DpmSolver {
    walk: Walk,
    order: usize,
    algorithm: Algorithm,
    kind: Kind,
    lower_order_final: bool,
    first_order_last: bool,
    models: History,
    draw: Draw,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let config = setup.config;
    check_variance_type(config)?;
    let algorithm = config.choice("algorithm_type", ALGORITHMS)?;
    let order = config.count("solver_order", 1)?;
    check(config.get("final_sigmas_type"), algorithm, order)?;
    let Plan { steps, start_scale, .. } = intervals::plan(setup, HABITS)?;
    let lower_order_final = config.flag("lower_order_final")?;
    let few = steps.len() < 15;
    let ends_clean = config.get("final_sigmas_type") == &Value::text("zero");
    let kind = config.choice("solver_type", KINDS)?;
    let first_order_last = config.flag("euler_at_final")? || (lower_order_final && few) || ends_clean;
    Sampler::walking(config, steps, start_scale, |walk| DpmSolver {
        order,
        algorithm,
        kind,
        lower_order_final: lower_order_final && few,
        first_order_last,
        models: History::new(order),
        draw: Draw::new(),
        walk,
    })
}

fn check(last: &Value, algorithm: Algorithm, order: usize) -> Result<()> {
    if !(1..=3).contains(&order) {
        bail!("the scheduler key solver_order is {order}, but the multistep solver has orders 1, 2 and 3");
    }
    if order == 3 && algorithm.sde && !algorithm.data {
        bail!("the scheduler key solver_order is 3, which algorithm_type sde-dpmsolver does not have; use 1 or 2");
    }
    if !algorithm.data && last == &Value::text("zero") {
        bail!(
            "the scheduler key final_sigmas_type is zero, where the noise-predicting algorithm_type has no limit; set it to sigma_min"
        );
    }
    Ok(())
}

impl Solver for DpmSolver {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        if !self.algorithm.data {
            crate::sampling::Prediction::Epsilon.from_clean(clean, x, at);
        }
        self.models.push(clean);
        let update = self.update(at, to);
        let models = (0..).zip(update.models).filter_map(|(back, c)| Some((c, self.models.get(back)?)));
        let terms: Vec<(f64, &Latent)> = models.collect();
        combine(x, update.keep, &terms);
        if self.algorithm.sde {
            let draw = self.draw.normal(x, noise);
            combine(x, 1.0, &[(update.noise, draw)]);
        }
        self.walk.next()
    }
}

/// A step as coefficients of the state, of the models (newest first) and of fresh noise.
#[derive(Clone, Copy, Debug, Default)]
struct Update {
    keep: f64,
    models: [f64; 3],
    noise: f64,
}

impl DpmSolver {
    fn update(&self, at: Level, to: Level) -> Update {
        let weights = Weights::new(self.algorithm, self.kind, at, to);
        let lambda = |step: Step| step.at.half_log_snr();
        let h = to.half_log_snr() - at.half_log_snr();
        let ratios = (
            self.walk.before(1).map(|one| (at.half_log_snr() - lambda(one)) / h),
            self.walk.before(2).zip(self.walk.before(1)).map(|(two, one)| (lambda(one) - lambda(two)) / h),
        );
        let models = match (self.order_now(), ratios) {
            (2, (Some(r0), _)) => weights.second(r0),
            (3, (Some(r0), Some(r1))) => weights.third(r0, r1),
            _ => [weights.value, 0.0, 0.0],
        };
        Update { keep: weights.keep, models, noise: weights.noise }
    }

    /// The order that history and the nearing end allow.
    fn order_now(&self) -> usize {
        let left = self.walk.left();
        if left == 0 && self.first_order_last {
            return 1;
        }
        let cap = if left == 1 && self.lower_order_final { 2 } else { 3 };
        self.order.min(self.models.len()).min(cap)
    }
}

/// Weights of the state, the value and its divided differences over one step of length `h`
/// in half log-SNR (Lu et al. 2022, appendix; SDE: Lu et al. 2022b, appendix B).
struct Weights {
    keep: f64,
    value: f64,
    first: f64,
    first_of_third: f64,
    second: f64,
    noise: f64,
}

impl Weights {
    fn new(algorithm: Algorithm, kind: Kind, at: Level, to: Level) -> Self {
        let h = to.half_log_snr() - at.half_log_snr();
        match (algorithm.data, algorithm.sde) {
            (true, sde) => Self::data(kind, at, to, h, sde),
            (false, sde) => Self::noise(kind, at, to, h, sde),
        }
    }

    /// Integrals of `exp((1 + sde) * lambda)` against the clean estimate.
    fn data(kind: Kind, at: Level, to: Level, h: f64, sde: bool) -> Self {
        let rate = if sde { 2.0 } else { 1.0 };
        let hh = rate * h;
        let phi = -(-hh).exp_m1();
        let value = to.alpha * phi;
        let heun = to.alpha * (1.0 - phi / hh);
        Self {
            keep: if to.is_clean() { 0.0 } else { to.sigma / at.sigma * if sde { (-h).exp() } else { 1.0 } },
            value,
            first: if kind == Kind::Midpoint { 0.5 * value } else { heun },
            first_of_third: heun,
            second: -to.alpha * ((hh - phi) / (hh * hh) - 0.5),
            noise: if sde { to.sigma * (-(-2.0 * h).exp_m1()).max(0.0).sqrt() } else { 0.0 },
        }
    }

    /// Integrals of `exp(-lambda)` against the noise estimate.
    fn noise(kind: Kind, at: Level, to: Level, h: f64, sde: bool) -> Self {
        let double = if sde { 2.0 } else { 1.0 };
        let grow = h.exp_m1();
        let heun = -double * to.sigma * (grow / h - 1.0);
        Self {
            keep: to.alpha / at.alpha,
            value: -double * to.sigma * grow,
            first: if kind == Kind::Midpoint { -0.5 * double * to.sigma * grow } else { heun },
            first_of_third: heun,
            second: -to.sigma * ((grow - h) / (h * h) - 0.5),
            noise: if sde { to.sigma * (2.0 * h).exp_m1().max(0.0).sqrt() } else { 0.0 },
        }
    }

    /// Coefficients of the two newest models; `r0` is the last step's length over this one's.
    fn second(&self, r0: f64) -> [f64; 3] {
        [self.value + self.first / r0, -self.first / r0, 0.0]
    }

    /// Coefficients of the three newest models.
    fn third(&self, r0: f64, r1: f64) -> [f64; 3] {
        let (first, second) = (self.first_of_third, self.second);
        // D1 = a + r0/(r0+r1) (a - b) and D2 = (a - b)/(r0+r1) with a = (m0-m1)/r0, b = (m1-m2)/r1.
        let of_a = first * (1.0 + r0 / (r0 + r1)) + second / (r0 + r1);
        let of_b = -(first * r0 + second) / (r0 + r1);
        [self.value + of_a / r0, -of_a / r0 + of_b / r1, -of_b / r1]
    }
}
