//! The registry of step lists (`--schedule`).

use super::list::StepList;
use super::{aligned, curves, fastdpm, timed};

/// A curve between two noise scales, on any model.
const CURVE: StepList =
    StepList { name: "", key: None, bounded: true, flows: true, help: "", sigmas: curves::exponential };

/// A list over the model's own times.
const TIMED: StepList = StepList { bounded: false, ..CURVE };

/// A list that is published for variance-preserving or exploding models.
const RATIOS: StepList = StepList { flows: false, ..TIMED };

/// Every step list, those with a key in the order the references try them.
pub const STEP_LISTS: &[StepList] = &[
    StepList {
        name: "karras",
        key: Some("use_karras_sigmas"),
        help: "sigma^(1/7) evenly spaced (Karras et al. 2022, eq. 5)",
        sigmas: |span| curves::karras(span, 7.0),
        ..CURVE
    },
    StepList {
        name: "lu",
        key: Some("use_lu_lambdas"),
        bounded: false,
        help: "half log-SNR evenly spaced (Lu et al. 2022)",
        sigmas: curves::exponential,
        ..CURVE
    },
    StepList {
        name: "exponential",
        key: Some("use_exponential_sigmas"),
        help: "ln(sigma) evenly spaced (k-diffusion)",
        sigmas: curves::exponential,
        ..CURVE
    },
    StepList {
        name: "beta",
        key: Some("use_beta_sigmas"),
        help: "denser at both ends of sigma: beta(0.6, 0.6) quantiles (diffusers)",
        sigmas: curves::beta,
        ..CURVE
    },
    StepList {
        name: StepList::MODEL,
        help: "the model's own timesteps, evenly spread as its configuration says",
        sigmas: |_| Vec::new(),
        ..TIMED
    },
    StepList {
        name: "polyexponential",
        help: "ln(sigma) as a power of the step, 1 by default (k-diffusion)",
        sigmas: |span| curves::polyexponential(span, 1.0),
        ..CURVE
    },
    StepList {
        name: "linear-quadratic",
        help: "half the steps over the noisiest 2.5 %, then growing (Movie Gen, arXiv 2410.13720)",
        sigmas: curves::linear_quadratic,
        ..CURVE
    },
    StepList {
        name: "kl-optimal",
        help: "the angle atan(noise / signal) evenly spaced: best for Gaussian data (Sabour et al. 2024)",
        sigmas: aligned::kl_optimal,
        ..CURVE
    },
    StepList {
        name: "ays",
        help: "Align Your Steps for Stable Diffusion 1.5 (Sabour et al. 2024, arXiv 2404.14507)",
        sigmas: |span| aligned::published(span, &aligned::SD15),
        ..RATIOS
    },
    StepList {
        name: "ays-sdxl",
        help: "Align Your Steps for Stable Diffusion XL",
        sigmas: |span| aligned::published(span, &aligned::SDXL),
        ..RATIOS
    },
    StepList {
        name: "ays-svd",
        help: "Align Your Steps for Stable Video Diffusion",
        sigmas: |span| aligned::published(span, &aligned::SVD),
        ..RATIOS
    },
    StepList {
        name: "normal",
        help: "training times evenly spaced, both ends included (k-diffusion, get_sigmas)",
        sigmas: timed::normal,
        ..TIMED
    },
    StepList {
        name: "sgm-uniform",
        help: "training times evenly spaced, the last of steps + 1 left out (A1111, ComfyUI)",
        sigmas: timed::sgm_uniform,
        ..TIMED
    },
    StepList { name: "simple", help: "every n-th training time, from the noisiest on", sigmas: timed::simple, ..TIMED },
    StepList {
        name: "beta-time",
        help: "beta(0.6, 0.6) quantiles of the training times (Lee et al. 2024, arXiv 2407.12173; A1111's and ComfyUI's beta)",
        sigmas: timed::beta,
        ..TIMED
    },
    StepList {
        name: "ddim-uniform",
        help: "every n-th training time, from the second cleanest on (CompVis' latent-diffusion)",
        sigmas: timed::ddim_uniform,
        ..TIMED
    },
    StepList {
        name: "fastdpm-step",
        help: "whole training times, evenly spaced (Kong and Ping 2021, arXiv 2106.00132, STEP linear)",
        sigmas: fastdpm::step_linear,
        ..TIMED
    },
    StepList {
        name: "fastdpm-step-quadratic",
        help: "training times as squares, up to four fifths (DDIM and FastDPM, STEP quadratic)",
        sigmas: fastdpm::step_quadratic,
        ..TIMED
    },
    StepList {
        name: "fastdpm-var",
        help: "levels of a short diffusion whose variances grow linearly (FastDPM, VAR linear)",
        sigmas: |span| fastdpm::variances(span, fastdpm::Growth::Linear),
        ..RATIOS
    },
    StepList {
        name: "fastdpm-var-quadratic",
        help: "levels of a short diffusion whose variances grow as squares (FastDPM, VAR quadratic)",
        sigmas: |span| fastdpm::variances(span, fastdpm::Growth::Quadratic),
        ..RATIOS
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::config::Config;
    use crate::sampling::config::{Source, Value};
    use crate::sampling::names::simplified;
    use crate::sampling::schedule::NoiseSchedule;
    use crate::sampling::schedule::{Flow, TABLE_KEYS, Table};
    use crate::sampling::steps::Span;

    fn table(beta_start: f64, beta_end: f64) -> Table {
        let keys = [("beta_start", beta_start), ("beta_end", beta_end)];
        let keys = keys.map(|(key, value)| (key.to_owned(), Value::Number(value)));
        let source = Source { class: "T".into(), keys: keys.into() };
        Table::from_config(&Config::take_over("T", &[TABLE_KEYS], &source), true).unwrap()
    }

    fn flow(shift: f64) -> Flow {
        let keys = [("shift".to_owned(), Value::Number(shift))];
        Flow::from_source(&Source { class: "FlowMatch".into(), keys: keys.into() }, None).unwrap().0
    }

    fn check(schedule: &dyn NoiseSchedule, list: &StepList) {
        let (low, high) = schedule.sigmas();
        for steps in [1, 2, 3, 9, 40, 333, 1000] {
            let sigmas = (list.sigmas)(&Span { schedule, low, high, steps });
            let shown = format!("{} in {steps} on {low}..{high}: {sigmas:?}", list.name);
            assert_eq!(sigmas.len(), steps, "{shown}");
            assert!(sigmas.windows(2).all(|w| w[0] > w[1]), "{shown}");
            assert!(sigmas.iter().all(|s| *s > 0.0 && *s <= high * 1.0001), "{shown}");
        }
    }

    #[test]
    fn lists_run_from_high_to_low_within_the_model() {
        for list in STEP_LISTS.iter().filter(|list| list.name != StepList::MODEL) {
            for (start, end) in [(0.0001, 0.02), (0.00085, 0.012), (0.001, 0.005)] {
                check(&table(start, end), list);
            }
            for shift in [1.0, 3.0] {
                let flow = flow(shift);
                list.flows.then(|| check(&flow, list));
            }
        }
    }

    #[test]
    fn curves_start_where_they_are_told() {
        let table = table(0.0001, 0.02);
        for list in STEP_LISTS.iter().filter(|list| list.bounded) {
            for steps in [1, 2, 20] {
                let sigmas = (list.sigmas)(&Span { schedule: &table, low: 0.5, high: 7.0, steps });
                assert!((sigmas[0] - 7.0).abs() < 1e-12 && sigmas[steps - 1] > 0.1, "{}: {sigmas:?}", list.name);
            }
        }
    }

    #[test]
    fn names_are_found_as_their_programs_write_them() {
        for name in ["sgm_uniform", "SGM Uniform", "ddim_uniform", "kl_optimal", "KL Optimal", "linear_quadratic"] {
            StepList::find(name).unwrap();
        }
        let mut names: Vec<_> = STEP_LISTS.iter().map(|list| simplified(list.name)).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), STEP_LISTS.len());
    }
}
