//! Where results go, decided before the long work starts.

use std::collections::HashSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use edrun_modalities::files::check_place;

use crate::media::Modality;

/// How output files are named.
#[derive(Clone, Debug)]
pub(super) struct Naming {
    modality: Modality,
    output: Option<PathBuf>,
    /// Whether the run makes several.
    many: bool,
    /// Whether there are several prompts.
    prompts: bool,
    /// What happens to files that are there.
    pub(super) existing: Existing,
}

/// What happens when an output file is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    /// Nothing is overwritten by accident.
    Refuse,
    /// The user said so.
    Replace,
    /// The result counts as made.
    Skip,
}

/// What a result's name may be made of.
pub(super) struct Facts<'a> {
    pub(super) seed: u64,
    /// Place of the prompt among the prompts.
    pub(super) index: usize,
    pub(super) prompt: &'a str,
}

/// Letters of a prompt that go into a file name.
const PROMPT_LETTERS: usize = 60;

impl Naming {
    pub(super) fn new(
        modality: Modality,
        output: Option<&Path>,
        count: usize,
        prompts: bool,
        existing: Existing,
    ) -> Self {
        Self { modality, output: output.map(Path::to_owned), many: count > 1, prompts, existing }
    }

    /// The same names for files of another kind.
    pub(super) fn with_output(&self, output: &Path) -> Self {
        Self { output: Some(output.to_owned()), ..self.clone() }
    }

    /// The file of a result: the pattern filled in, or the name with what tells results apart.
    pub(super) fn name(&self, facts: &Facts<'_>) -> Result<PathBuf> {
        let (seed, index) = (facts.seed, facts.index);
        let end = self.modality.extension();
        let own = if self.prompts { format!("edrun-{index:04}-{seed}.{end}") } else { format!("edrun-{seed}.{end}") };
        let Some(output) = &self.output else { return Ok(PathBuf::from(own)) };
        if is_stdout(self.modality, output) {
            return Ok(output.clone());
        }
        if output.is_dir() {
            return Ok(output.join(own));
        }
        let text = output.to_string_lossy();
        if text.contains('{') {
            return Ok(PathBuf::from(filled(&text, facts)));
        }
        if !self.many {
            return Ok(output.clone());
        }
        let stem = output.file_stem().context("--output names no file; give one such as out.png")?.to_string_lossy();
        let extension = output.extension().unwrap_or_default().to_string_lossy();
        let tail = if self.prompts { format!("{index:04}-{seed}") } else { seed.to_string() };
        Ok(output.with_file_name(format!("{stem}-{tail}.{extension}")))
    }

    /// Whether the result is still to be made; checks that its file can be written.
    ///
    /// # Errors
    /// When it cannot, or is there and must stay.
    pub(super) fn check(&self, path: &Path) -> Result<bool> {
        if is_stdout(self.modality, path) {
            return Ok(true);
        }
        self.modality.check_extension(path)?;
        self.modality.check_place(path)?;
        match (self.modality.first_file(path).exists(), self.existing) {
            (true, Existing::Skip) => Ok(false),
            (true, Existing::Refuse) => bail!(
                "{} exists; choose another name with --output, or pass --overwrite (or --resume to leave it out)",
                path.display()
            ),
            _ => Ok(true),
        }
    }
}

/// Where a result goes: to its file, or beside it when something appeared there since it was checked and must stay.
pub(super) fn free(modality: Modality, path: &Path, existing: Existing) -> PathBuf {
    let taken = |path: &Path| modality.first_file(path).exists();
    if existing == Existing::Replace || is_stdout(modality, path) || !taken(path) {
        return path.to_owned();
    }
    let (stem, ending) = (path.file_stem().unwrap_or_default(), path.extension().unwrap_or_default());
    let (stem, ending) = (stem.to_string_lossy(), ending.to_string_lossy());
    let other = |number: u32| path.with_file_name(format!("{stem}-{number}.{ending}"));
    (2..).map(other).find(|path| !taken(path)).unwrap_or_else(|| path.to_owned())
}

/// Whether results leave by standard output.
pub(super) fn is_stdout(modality: Modality, path: &Path) -> bool {
    modality == Modality::Sound && path == Path::new("-")
}

/// Refuses what cannot leave by standard output with others.
///
/// # Errors
/// Naming what else wants to.
pub(super) fn check_stdout<'a>(
    modality: Modality,
    mut paths: impl Iterator<Item = &'a PathBuf>,
    json: bool,
) -> Result<()> {
    if !paths.any(|path| is_stdout(modality, path)) {
        return Ok(());
    }
    if json {
        bail!(
            "--json prints its report to standard output, where --output - puts the sound; write the sound to a file"
        );
    }
    if std::io::stdout().is_terminal() {
        bail!("--output - would fill the terminal with a WAV file; pipe it on, or name a file");
    }
    Ok(())
}

/// Refuses two results under one name.
///
/// # Errors
/// Naming the file and the remedy.
pub(super) fn check_distinct<'a>(modality: Modality, paths: impl Iterator<Item = &'a PathBuf>) -> Result<()> {
    let mut seen = HashSet::new();
    for path in paths {
        if !seen.insert(path) {
            bail!(
                "two {}s would be written to {}; tell them apart in --output with {{index}} and {{seed}}",
                modality.noun(),
                path.display()
            );
        }
    }
    Ok(())
}

/// Checks a file that shows a result at a glance.
///
/// # Errors
/// When it cannot be written, or is there and must stay.
pub(super) fn check_look(modality: Modality, path: &Path, existing: Existing) -> Result<()> {
    modality.check_look(path)?;
    check_place(path)?;
    if path.exists() && existing == Existing::Refuse {
        bail!("{} exists; choose another name with --{}, or pass --overwrite", path.display(), modality.look());
    }
    Ok(())
}

/// Checks the file of the latents.
///
/// # Errors
/// When it cannot be written, or is there and must stay.
pub(super) fn check_latents(path: &Path, existing: Existing) -> Result<()> {
    check_place(path)?;
    if path.exists() && existing != Existing::Replace {
        bail!("{} exists; choose another name with --save-latents, or pass --overwrite", path.display());
    }
    Ok(())
}

fn filled(pattern: &str, facts: &Facts<'_>) -> String {
    let pattern = pattern.replace("{seed}", &facts.seed.to_string()).replace("{index}", &format!("{:04}", facts.index));
    pattern.replace("{prompt}", &file_name(facts.prompt))
}

/// A prompt as part of a file name: letters and digits of any script, hyphens for the rest.
fn file_name(prompt: &str) -> String {
    let words = prompt.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let joined = words.collect::<Vec<_>>().join("-");
    let short: String = joined.chars().take(PROMPT_LETTERS).collect();
    if short.is_empty() { "empty".into() } else { short.trim_end_matches('-').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let cases = [
            (None, 1, false, "edrun-7.png"),
            (None, 2, true, "edrun-0003-7.png"),
            (Some("out.png"), 1, false, "out.png"),
            (Some("a/out.jpg"), 2, false, "a/out-7.jpg"),
            (Some("a/out.jpg"), 2, true, "a/out-0003-7.jpg"),
            (Some("{prompt}_{seed}_{index}.png"), 2, true, "a-red-Würfel_7_0003.png"),
            (Some("."), 1, false, "./edrun-7.png"),
        ];
        let facts = Facts { seed: 7, index: 3, prompt: "a red/../Würfel!" };
        for (output, count, prompts, want) in cases {
            let naming = Naming::new(Modality::Image, output.map(Path::new), count, prompts, Existing::Refuse);
            assert_eq!(naming.name(&facts).unwrap(), Path::new(want));
        }
    }

    #[test]
    fn prompts_make_safe_names() {
        assert_eq!(file_name("../../etc/passwd"), "etc-passwd");
        assert_eq!(file_name("!!!"), "empty");
        assert_eq!(file_name(&"word ".repeat(100)).chars().count(), 59);
    }

    #[test]
    fn what_appeared_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        let kept = |existing| free(Modality::Image, &path, existing);
        assert_eq!(kept(Existing::Refuse), path);
        for name in ["a.png", "a-2.png"] {
            std::fs::write(dir.path().join(name), b"").unwrap();
        }
        assert_eq!(kept(Existing::Refuse), dir.path().join("a-3.png"));
        assert_eq!(kept(Existing::Replace), path);
    }

    #[test]
    fn names_must_differ() {
        let paths = [PathBuf::from("a.png"), PathBuf::from("b.png"), PathBuf::from("a.png")];
        assert!(check_distinct(Modality::Image, paths[..2].iter()).is_ok());
        assert!(check_distinct(Modality::Image, paths.iter()).unwrap_err().to_string().contains("a.png"));
    }
}
