//! Latents as NumPy files.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result, bail};
use edrun_modalities::files::write_whole;
use ndarray::{ArrayD, Axis, stack};
use ndarray_npy::{ReadNpyExt, WriteNpyExt};

use crate::sampling::Latent;

/// Reads an f32 or f64 array.
pub(super) fn read(path: &Path) -> Result<Latent> {
    let open = || File::open(path).with_context(|| format!("{} cannot be read", path.display())).map(BufReader::new);
    let array = match ArrayD::<f32>::read_npy(open()?) {
        Ok(array) => array,
        Err(first) => match ArrayD::<f64>::read_npy(open()?) {
            Ok(array) => array.mapv(|v| v as f32),
            Err(_) => bail!("{} is no .npy file of f32 or f64 numbers: {first}", path.display()),
        },
    };
    if array.iter().any(|v| !v.is_finite()) {
        bail!("{} holds values that are not finite; make the latents anew", path.display());
    }
    Ok(array.as_standard_layout().into_owned())
}

/// Writes latents, stacked along a new leading axis, as f32.
pub(super) fn write(path: &Path, latents: &[&Latent]) -> Result<()> {
    let views: Vec<_> = latents.iter().map(|latent| latent.view()).collect();
    let mut bytes = Vec::new();
    stack(Axis(0), &views)?.write_npy(&mut bytes)?;
    write_whole(path, &bytes)
}
