//! What scheduler configurations of the field may say: every key, and every name where a key takes names.

use anyhow::{Result, bail};

use super::{Source, Value};

impl Source {
    /// Refuses keys that no scheduler of the field knows: they would change results silently.
    ///
    /// # Errors
    /// Naming the first such key.
    pub fn check_known(&self) -> Result<()> {
        match self.keys.keys().find(|key| !KNOWN_KEYS.contains(&key.as_str())) {
            Some(key) => bail!(
                "the key {key:?} of scheduler_config.json is not known to edrun, so its effect would be lost; \
                 remove it if it has none, or choose a scheduler configuration written by diffusers"
            ),
            None => Ok(()),
        }
    }

    /// Refuses names that no scheduler of the field knows, whether the method at hand reads them or not: a file with such
    /// a name was written for something else.
    ///
    /// # Errors
    /// Naming the first such key, its value and the names that are known.
    pub fn check_names(&self) -> Result<()> {
        for (key, names) in NAMES {
            match self.keys.get(*key) {
                Some(Value::Text(name)) if !names.contains(&name.as_ref()) => {
                    bail!("the scheduler key {key} is {name:?}; known are {}", names.join(", "))
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Every configuration key of diffusers' schedulers (version 0.39), whatever the class, and those of the kinds of models
/// that it does not run (Bayesian flows, critically damped diffusions, residual shifting).
const KNOWN_KEYS: &[&str] = &[
    "algorithm_type",
    "base_image_seq_len",
    "base_shift",
    "beta",
    "beta_end",
    "beta_schedule",
    "beta_start",
    "clip_denoised",
    "clip_sample",
    "clip_sample_range",
    "correct_steps",
    "corrector_order",
    "disable_corrector",
    "dynamic_thresholding_ratio",
    "eta",
    "euler_at_final",
    "final_sigmas_type",
    "flow_shift",
    "gamma",
    "interpolation_type",
    "invert_sigmas",
    "kappa",
    "lambda_min_clipped",
    "log_snr_max",
    "log_snr_mean",
    "log_snr_min",
    "log_snr_scale",
    "log_snr_schedule",
    "log_snr_shift",
    "lower_order_final",
    "m_inv",
    "max_image_seq_len",
    "max_shift",
    "max_sqrt_beta",
    "min_noise_level",
    "min_variance",
    "n_classes",
    "network_time",
    "network_time_scale",
    "noise_sampler_seed",
    "num_train_timesteps",
    "original_inference_steps",
    "power",
    "predict_x0",
    "prediction_type",
    "predictor_order",
    "rescale_betas_zero_snr",
    "rho",
    "s",
    "s_noise",
    "sample_max_value",
    "sampling_eps",
    "scale_factors",
    "set_alpha_to_one",
    "set_alpha_to_zero",
    "shift",
    "shift_terminal",
    "sigma_data",
    "sigma_max",
    "sigma_min",
    "sigma_schedule",
    "skip_prk_steps",
    "snr",
    "snr_shift_scale",
    "solver_order",
    "solver_p",
    "solver_type",
    "steps_offset",
    "stochastic_sampling",
    "tau_func",
    "thresholding",
    "time_shift_type",
    "timestep_scaling",
    "timestep_spacing",
    "timestep_type",
    "trained_betas",
    "upscale_mode",
    "use_beta_sigmas",
    "use_dynamic_shifting",
    "use_exponential_sigmas",
    "use_flow_sigmas",
    "use_karras_sigmas",
    "use_lu_lambdas",
    "variance_type",
    "vv_gamma",
];

/// The names that keys take, over all classes; a class may know fewer.
const NAMES: &[(&str, &[&str])] = &[
    (
        "algorithm_type",
        &[
            "dpmsolver",
            "dpmsolver++",
            "sde-dpmsolver",
            "sde-dpmsolver++",
            "deis",
            "data_prediction",
            "noise_prediction",
        ],
    ),
    ("beta_schedule", &["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace", "exp"]),
    ("final_sigmas_type", &["zero", "sigma_min"]),
    ("interpolation_type", &["linear", "log_linear"]),
    ("prediction_type", &["epsilon", "v_prediction", "sample", "original_sample", "flow_prediction", "trigflow"]),
    ("sigma_schedule", &["karras", "exponential"]),
    ("solver_type", &["midpoint", "heun", "logrho", "bh1", "bh2"]),
    ("time_shift_type", &["exponential", "linear"]),
    ("timestep_spacing", &["leading", "linspace", "trailing"]),
    ("timestep_type", &["discrete", "continuous"]),
    (
        "variance_type",
        &["fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log", "learned", "learned_range"],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_takes_names_is_known() {
        assert!(NAMES.iter().all(|(key, names)| KNOWN_KEYS.contains(key) && !names.is_empty()));
    }
}
