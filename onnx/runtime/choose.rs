//! Which of the libraries that are there is used, and why.

use super::places::{self, Candidate, Origin};
use super::probe::{Probe, probe};
use crate::error::Result;
use crate::provider::Provider;
use std::path::{Path, PathBuf};

/// What is asked of the library.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The library itself, or the folder it lies in; `EDRUN_ORT_LIB` names it where this does not.
    pub library: Option<PathBuf>,
    /// A library by its name in [`list`], such as `openvino`.
    pub name: Option<String>,
    /// The providers it should have, the most important first, by their names in
    /// [`PROVIDERS`](crate::provider::PROVIDERS).
    pub providers: Vec<String>,
}

impl Wanted {
    /// Exactly this library.
    pub fn library(path: &Path) -> Self {
        Self { library: Some(path.to_owned()), ..Self::default() }
    }
}

/// A library that is there, or was named.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Where it lies, and by which rule.
    pub candidate: Candidate,
    /// What it is, or why it cannot be used.
    pub probe: std::result::Result<Probe, String>,
    /// Why it is the one in use, if it is.
    pub used: Option<String>,
}

/// Every library that is there, in order of preference, and which one is used for what is wanted.
///
/// # Errors
/// A library named that does not exist under that name.
pub fn list(wanted: &Wanted) -> Result<Vec<Listed>> {
    let mut all: Vec<Candidate> = named(wanted)?.into_iter().collect();
    for candidate in places::by_variable().into_iter().chain(places::found()) {
        if all.iter().all(|known| known.path != candidate.path) {
            all.push(candidate);
        }
    }
    let probes = probe_all(&all);
    let order = in_order(wanted)?;
    let index = |candidate: &Candidate| all.iter().position(|known| known.path == candidate.path);
    let usable = |at: &usize| order.len() == 1 || probes.get(*at).is_some_and(|probe| probe.is_ok());
    let used = order.iter().filter_map(index).find(usable);
    let listed = all.into_iter().zip(probes).enumerate().map(|(at, (candidate, probe))| {
        let used = (used == Some(at)).then(|| reason(&candidate, wanted, probe.as_ref().ok()));
        Listed { candidate, probe, used }
    });
    // What the system's loader does not find is not there.
    Ok(listed.filter(|one| one.probe.is_ok() || one.candidate.origin != Origin::System).collect())
}

/// Asks every library, and the system's loader first: later it would answer with a library that
/// was loaded by path meanwhile.
fn probe_all(candidates: &[Candidate]) -> Vec<std::result::Result<Probe, String>> {
    let is_system = |candidate: &&Candidate| candidate.origin == Origin::System;
    candidates.iter().filter(is_system).for_each(|candidate| drop(probe(&candidate.path)));
    let asked = candidates.iter().map(|candidate| {
        let probe = probe(&candidate.path)?;
        let others = candidates.iter().filter(|other| other.path != candidate.path);
        match is_system(&candidate) && others.map(|other| &other.path).any(|path| same_file(path, &probe.path)) {
            true => Err("it is one of the others".into()),
            false => Ok(probe),
        }
    });
    asked.collect()
}

fn same_file(a: &Path, b: &Path) -> bool {
    a.canonicalize().ok().zip(b.canonicalize().ok()).is_some_and(|(a, b)| a == b)
}

fn reason(candidate: &Candidate, wanted: &Wanted, probe: Option<&Probe>) -> String {
    if candidate.origin.is_named() {
        return candidate.origin.describe().into();
    }
    if wanted.name.is_some() {
        return "named by --runtime".into();
    }
    let has: Vec<_> = demanding(wanted).filter(|name| probe.is_some_and(|probe| has(probe, name))).collect();
    match has.is_empty() {
        true => "the first that works".into(),
        false => format!("the first that has {}", has.join(", ")),
    }
}

/// The library that a person named, by path or by name.
pub(super) fn named(wanted: &Wanted) -> Result<Option<Candidate>> {
    match (&wanted.library, &wanted.name) {
        (Some(path), _) => Ok(Some(Candidate::named(path, Origin::Explicit))),
        (None, Some(name)) => places::by_name(name).map(Some),
        (None, None) => Ok(places::by_variable()),
    }
}

/// The libraries to try, the most suitable first: one that has the first of the wanted
/// providers comes before one that has only the second.
pub(super) fn in_order(wanted: &Wanted) -> Result<Vec<Candidate>> {
    if let Some(only) = named(wanted)? {
        return Ok(vec![only]);
    }
    let all = places::found();
    if demanding(wanted).next().is_none() {
        return Ok(all);
    }
    let mut ranked: Vec<_> = probe_all(&all).iter().map(|probe| suits(probe.as_ref().ok(), wanted)).zip(all).collect();
    // Stable: among equals the order stays.
    ranked.sort_by(|(a, _), (b, _)| b.cmp(a));
    Ok(ranked.into_iter().map(|(_, candidate)| candidate).collect())
}

/// For each wanted provider, whether the library has it.
fn suits(probe: Option<&Probe>, wanted: &Wanted) -> Vec<bool> {
    demanding(wanted).map(|name| probe.is_some_and(|probe| has(probe, name))).collect()
}

/// The wanted providers that not every library has.
fn demanding(wanted: &Wanted) -> impl Iterator<Item = &str> {
    wanted.providers.iter().map(String::as_str).filter(|name| *name != "cpu")
}

fn has(probe: &Probe, name: &str) -> bool {
    Provider::find(name).is_ok_and(|row| probe.providers.iter().any(|listed| listed == row.ort_name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ready;

    #[test]
    fn the_library_in_use_is_listed_with_its_reason() {
        let runtime = ready();
        let listed = list(&Wanted::library(&runtime.path)).unwrap();
        let used: Vec<_> = listed.iter().filter(|one| one.used.is_some()).collect();
        let [one] = used[..] else { panic!("{listed:?}") };
        assert_eq!((&one.candidate.path, one.used.as_deref()), (&runtime.path, Some("named by --ort-lib")));
        let probe = one.probe.as_ref().unwrap();
        assert_eq!(probe.version, runtime.version);
        assert_eq!(probe.providers, runtime.providers());
    }

    #[test]
    fn what_cannot_be_loaded_is_listed_with_its_fault() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("foreign.so");
        std::fs::write(&path, "text").unwrap();
        let listed = list(&Wanted::library(&path)).unwrap();
        assert!(listed[0].probe.is_err() && listed[0].used.is_some(), "{listed:?}");
    }
}
