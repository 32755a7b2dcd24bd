//! Where pictures go, decided before the long work starts.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use edrun_modalities::files::check_place;
use edrun_modalities::image::check_extension;

/// The files of a run.
pub(super) struct Outputs {
    /// One picture file per picture.
    pub(super) pictures: Vec<PathBuf>,
    /// The latents' file, if asked for.
    pub(super) latents: Option<PathBuf>,
}

impl Outputs {
    /// Names the files and checks that they can be written.
    pub(super) fn new(output: Option<&Path>, latents: Option<&Path>, seeds: &[u64], overwrite: bool) -> Result<Self> {
        let pictures = seeds.iter().map(|seed| name(output, *seed, seeds.len()));
        let outputs = Self { pictures: pictures.collect::<Result<_>>()?, latents: latents.map(Path::to_owned) };
        for path in &outputs.pictures {
            check_extension(path)?;
        }
        for path in outputs.pictures.iter().chain(&outputs.latents) {
            check_place(path)?;
            if path.exists() && !overwrite {
                bail!("{} exists; choose another name with --output, or pass --overwrite", path.display());
            }
        }
        Ok(outputs)
    }
}

/// The file of a picture: as given for a single one, with the seed for several.
fn name(output: Option<&Path>, seed: u64, count: usize) -> Result<PathBuf> {
    let Some(output) = output else { return Ok(PathBuf::from(format!("edrun-{seed}.png"))) };
    if output.is_dir() {
        return Ok(output.join(format!("edrun-{seed}.png")));
    }
    if count == 1 {
        return Ok(output.to_owned());
    }
    let stem = output.file_stem().context("--output names no file; give one such as out.png")?.to_string_lossy();
    let extension = output.extension().unwrap_or_default().to_string_lossy();
    Ok(output.with_file_name(format!("{stem}-{seed}.{extension}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let cases = [
            (None, 7, 1, "edrun-7.png"),
            (Some("out.png"), 7, 1, "out.png"),
            (Some("a/out.jpg"), 7, 2, "a/out-7.jpg"),
            (Some("."), 7, 1, "./edrun-7.png"),
        ];
        for (output, seed, count, want) in cases {
            assert_eq!(name(output.map(Path::new), seed, count).unwrap(), Path::new(want));
        }
    }
}
