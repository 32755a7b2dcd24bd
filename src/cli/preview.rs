//! Previews: files that show what would come out, and pictures in the terminal.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use edrun_modalities::Info;
use edrun_onnx::Unfinished;

use super::args::{MakeArgs, One};
use super::make::Wish;
use super::output::{Existing, Facts, Naming};
use super::progress::Shown;
use super::terminal;
use crate::media::{Media, Writing};

/// Which result is looked at, after which step.
pub(super) struct Place {
    pub(super) ask: usize,
    pub(super) index: usize,
    pub(super) step: usize,
}

/// Checks before the long work that previews can be written, and that they replace nothing.
///
/// # Errors
/// Naming the file and the remedy.
pub(super) fn check<T: One>(args: &MakeArgs<T>, wishes: &[Wish<T>]) -> Result<()> {
    if args.preview.preview_every.is_none() {
        return Ok(());
    }
    for wish in wishes {
        for (index, output) in wish.files.iter().enumerate() {
            let path = match &args.preview.preview_output {
                Some(pattern) => named(pattern, &Place { ask: 0, index, step: 0 }, wish, args.prompts.is_some())?,
                None => beside(output, T::MODALITY.extension()),
            };
            T::MODALITY.check_file(&path, Writing::default(), wish.plan.extent).context("--preview-output")?;
            T::MODALITY.check_place(&path)?;
            if T::MODALITY.first_file(&path).exists() && !args.output.overwrite {
                bail!(
                    "{} exists, and previews would replace it; choose another name with --preview-output, or pass \
                     --overwrite",
                    path.display()
                );
            }
        }
    }
    Ok(())
}

/// Files that last until the result is ready.
#[derive(Default)]
pub(super) struct Previews {
    passing: HashMap<(usize, usize), Unfinished>,
}

impl Previews {
    /// Writes one preview and shows it.
    pub(super) fn save<T: One>(
        &mut self,
        place: &Place,
        media: &Media,
        wishes: &[Wish<T>],
        args: &MakeArgs<T>,
        shown: &Shown,
    ) -> Result<()> {
        let wish = wishes.get(place.ask).context("a preview belongs to no prompt")?;
        let path = match &args.preview.preview_output {
            Some(pattern) => named(pattern, place, wish, args.prompts.is_some())?,
            None => {
                let path = beside(
                    wish.files.get(place.index).context("a preview has no output file")?,
                    T::MODALITY.extension(),
                );
                let passing = self.passing.entry((place.ask, place.index));
                passing.or_insert_with(|| Unfinished::new(path.clone()));
                path
            }
        };
        media.save(&path, None, &Info::default(), Writing::default())?;
        if let Some(picture) = media.picture().filter(|_| !args.report.json && !args.report.quiet) {
            shown.aside(|| terminal::show(picture));
        }
        Ok(())
    }

    /// A result is ready: its preview has had its time.
    pub(super) fn ready(&mut self, ask: usize, index: usize) {
        self.passing.remove(&(ask, index));
    }
}

/// `out-preview.png` for `out.tif`.
fn beside(output: &Path, extension: &str) -> PathBuf {
    let stem = output.file_stem().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!("{stem}-preview.{extension}"))
}

fn named<T: One>(pattern: &Path, place: &Place, wish: &Wish<T>, prompts: bool) -> Result<PathBuf> {
    let pattern = PathBuf::from(pattern.to_string_lossy().replace("{step}", &format!("{:04}", place.step)));
    let naming = Naming::new(T::MODALITY, Some(&pattern), wish.plan.count, prompts, Existing::Replace);
    let facts = Facts { seed: wish.plan.own_seed(place.index), index: wish.index, prompt: &wish.ask.prompt };
    naming.name(&facts)
}
