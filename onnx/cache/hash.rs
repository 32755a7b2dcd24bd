//! The name of an entry: a hash over everything the optimised graph depends on.

use super::note;
use crate::error::Result;
use crate::proto::Described;
use crate::provider::ProviderChoice;
use crate::runtime::Runtime;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// Raised when entries of an older edrun must not be read any more.
const SCHEMA: u32 = 2;

/// Hashes content, library, providers with their settings, and processor.
///
/// The number of threads is left out: it changes how a graph runs, not what it becomes.
pub(super) fn key(
    path: &Path,
    described: &Described,
    choices: &[ProviderChoice],
    runtime: &Runtime,
    memo: &Path,
) -> Result<String> {
    let mut facts = vec![format!("edrun graph {SCHEMA}, ONNX Runtime {}, {}", runtime.version, processor())];
    for choice in choices {
        let settings = choice.options.iter().filter(|(name, _)| name != "threads");
        facts.push(format!("{} {:?} {:?}", choice.name, choice.device, settings.collect::<Vec<_>>()));
    }
    identity(path, described, &facts, memo)
}

/// Hashes facts, the graph and its weights.
pub(super) fn identity(path: &Path, described: &Described, facts: &[impl AsRef<str>], memo: &Path) -> Result<String> {
    let mut all = Sha256::new();
    let mut add = |text: &str| {
        all.update((text.len() as u64).to_le_bytes());
        all.update(text);
    };
    facts.iter().for_each(|fact| add(fact.as_ref()));
    add(&content(path, memo)?);
    for file in &described.external {
        add(&file.location);
        add(&content(&file.path, memo)?);
    }
    Ok(hex(&all.finalize())[..32].to_owned())
}

/// What optimisation looks at: the layout of convolutions follows the vector width.
fn processor() -> String {
    format!("{}-{} {}", std::env::consts::OS, std::env::consts::ARCH, features().join(","))
}

macro_rules! detected {
    ($probe:ident: $($name:tt),*) => {
        [$(($name, std::arch::$probe!($name))),*].iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect()
    };
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    detected!(is_x86_feature_detected: "sse4.1", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq",
        "avx512vl", "avx512vnni", "avx512bf16", "avxvnni")
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<&'static str> {
    detected!(is_aarch64_feature_detected: "neon", "fp16", "dotprod", "bf16", "i8mm", "sve")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<&'static str> {
    Vec::new()
}

/// The hash of a file, remembered for as long as the file looks unchanged: hashing gigabytes
/// would cost more than the cache saves.
fn content(path: &Path, memo: &Path) -> Result<String> {
    let failed = |cause: io::Error| note(&format!("cannot read {}: {cause}", path.display()));
    let real = path.canonicalize().map_err(failed)?;
    let identity = Identity::of(&real.metadata().map_err(failed)?);
    let remembered_at = memo.join(hex(&Sha256::digest(real.as_os_str().as_encoded_bytes())));
    if let Some(known) = recall(&remembered_at).filter(|known| known.identity == identity) {
        return Ok(known.sha256);
    }
    let sha256 = file_sha256(&real).map_err(failed)?;
    // Without the memo the next start hashes again, and nothing else is lost.
    let _ = remember(&remembered_at, memo, &Known { identity, sha256: sha256.clone() });
    Ok(sha256)
}

pub(super) fn file_sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Known {
    identity: Identity,
    sha256: String,
}

/// What changes when a file is written or replaced. The inode and its change time also catch
/// a file put in place with its old modification time.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Identity {
    bytes: u64,
    modified_ns: u64,
    inode: u64,
    changed_ns: i64,
}

impl Identity {
    fn of(meta: &Metadata) -> Self {
        let modified = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified_ns = modified.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(0));
        let (inode, changed_ns) = inode(meta);
        Self { bytes: meta.len(), modified_ns, inode, changed_ns }
    }
}

#[cfg(unix)]
fn inode(meta: &Metadata) -> (u64, i64) {
    use std::os::unix::fs::MetadataExt;
    (meta.ino(), meta.ctime().wrapping_mul(1_000_000_000).wrapping_add(meta.ctime_nsec()))
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> (u64, i64) {
    (0, 0)
}

fn recall(path: &Path) -> Option<Known> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn remember(path: &Path, folder: &Path, known: &Known) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec(known)?)?;
    file.persist(path)?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
