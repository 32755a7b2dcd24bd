//! Flags of everything that is sampled from noise.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::RequestArgs;

/// How fields of numbers are sampled: pictures, sounds, clips, shapes.
#[derive(Args, Clone, Debug, Deserialize, Serialize)]
pub struct SamplingArgs {
    /// What every request has.
    #[command(flatten)]
    #[serde(flatten)]
    pub request: RequestArgs,
    /// Mix in the noise of a second seed; with --count this one advances
    #[arg(long, value_name = "SEED", requires = "variation_strength", help_heading = "Seeds")]
    pub variation_seed: Option<u64>,
    /// How far to go towards the second seed's noise, 0 to 1
    #[arg(
        long,
        value_name = "SHARE",
        requires = "variation_seed",
        allow_negative_numbers = true,
        help_heading = "Seeds"
    )]
    pub variation_strength: Option<f64>,
    /// Share of the guided prediction brought back to the unguided one's contrast, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, allow_negative_numbers = true, help_heading = "Sampling")]
    pub guidance_rescale: f64,
    /// Step list, see `edrun schedules` [default: the model's]
    #[arg(long, value_name = "NAME", help_heading = "Sampling")]
    pub schedule: Option<String>,
    /// Step list of your own: noise levels from the noisiest down, such as 14.6,7.1,2.5,0.6
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with_all = ["schedule", "timesteps"], help_heading = "Sampling")]
    pub sigmas: Option<Vec<f64>>,
    /// Step list of your own: timesteps from the noisiest down, such as 999,750,500,250
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "schedule", help_heading = "Sampling")]
    pub timesteps: Option<Vec<f64>>,
    /// Share of fresh noise a step, 0 to 1, for the samplers that have it
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, help_heading = "Sampling")]
    pub eta: Option<f64>,
    /// Start from this unit noise instead of drawing it (.npy, in the shape of the model's latents)
    #[arg(long, value_name = "F.npy", help_heading = "Sampling")]
    pub init_latents: Option<PathBuf>,
}
