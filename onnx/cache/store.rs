//! Entries on disk: found, trusted only when whole, published with one rename, thrown away
//! when others need their room.

use super::{GraphCache, hash, note};
use crate::error::{Error, Result};
use crate::unfinished::Unfinished;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) const GRAPH: &str = "model.onnx";
pub(super) const WEIGHTS: &str = "model.onnx_data";
const MANIFEST: &str = "manifest.json";
const MEMO: &str = "hashes";
/// Begins the name of what is being written or deleted.
const UNFINISHED: &str = ".unfinished-";
/// What is unfinished for longer was left by a process that ended before it could clean up.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// The folder that holds the entries.
pub(super) struct Store {
    dir: PathBuf,
    limit: u64,
}

/// A kept graph.
pub(crate) struct Entry {
    dir: PathBuf,
}

/// Written last: an entry without it, or that differs from it, is not one.
///
/// The weights are not hashed, as that would take as long as optimising. A file that lost its
/// end in a crash has another size, and one that was written to another time.
#[derive(Serialize, Deserialize)]
struct Manifest {
    graph_sha256: String,
    graph_bytes: u64,
    weights_bytes: u64,
    /// When the weights were written; of an entry by an older edrun, never.
    #[serde(default)]
    weights_time: u64,
}

impl Store {
    pub(super) fn open(cache: &GraphCache) -> Result<Self> {
        let dir = cache.dir.clone();
        std::fs::create_dir_all(dir.join(MEMO)).map_err(|cause| cannot("use the cache in", &dir, &cause))?;
        Ok(Self { dir, limit: cache.limit_bytes })
    }

    /// Where hashes of files are remembered.
    pub(super) fn memo(&self) -> PathBuf {
        self.dir.join(MEMO)
    }

    /// The whole entry of this name; a broken one is removed.
    pub(super) fn find(&self, key: &str) -> Option<Entry> {
        let entry = self.entry(key);
        if !entry.dir.exists() {
            return None;
        }
        if !entry.is_whole() {
            entry.discard();
            return None;
        }
        entry.touch();
        Some(entry)
    }

    /// A graph that could never stay is not worth writing.
    pub(super) fn check_room(&self, bytes: u64) -> Result<()> {
        if bytes <= self.limit {
            return Ok(());
        }
        let message = format!("a graph of {bytes} bytes exceeds the cache limit of {} bytes", self.limit);
        Err(note(&message))
    }

    pub(super) fn temporary(&self) -> Result<Unfinished> {
        let made = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&self.dir);
        let made = made.map_err(|cause| cannot("write to the cache in", &self.dir, &cause))?;
        Ok(Unfinished::new(made.keep()))
    }

    /// Makes room, then makes the folder an entry. Of two processes that fill the same entry,
    /// the first wins and the other's copy vanishes.
    pub(super) fn publish(&self, temp: Unfinished, key: &str) -> Result<()> {
        let written = Manifest::write(temp.path());
        let bytes = written.map_err(|cause| cannot("write to the cache in", &self.dir, &cause))?;
        self.check_room(bytes)?;
        self.make_room(bytes, key);
        let entry = self.entry(key);
        if entry.dir.exists() && !entry.is_whole() {
            entry.discard();
        }
        let renamed = std::fs::rename(temp.path(), &entry.dir);
        match renamed {
            Ok(()) => Ok(()),
            Err(_) if entry.is_whole() => Ok(()),
            Err(cause) => Err(cannot("write to the cache in", &self.dir, &cause)),
        }
    }

    fn entry(&self, key: &str) -> Entry {
        Entry { dir: self.dir.join(key) }
    }

    /// Deletes the least recently used entries until `bytes` more fit, but never `keep`.
    fn make_room(&self, bytes: u64, keep: &str) {
        let mut entries = self.entries();
        entries.retain(|(_, _, entry)| !entry.dir.ends_with(keep));
        entries.sort_by_key(|(used, ..)| *used);
        let mut held: u64 = entries.iter().map(|(_, size, _)| size).sum();
        for (_, size, entry) in entries {
            if held.saturating_add(bytes) <= self.limit {
                break;
            }
            entry.discard();
            held -= size;
        }
    }

    /// Every entry with its last use and size. Abandoned leftovers are cleared on the way.
    fn entries(&self) -> Vec<(SystemTime, u64, Entry)> {
        let folders = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut found = Vec::new();
        for folder in folders {
            let (dir, name) = (folder.path(), folder.file_name());
            if name.to_string_lossy().starts_with(UNFINISHED) {
                remove_if_abandoned(&dir);
            } else if name != MEMO {
                let entry = Entry { dir };
                found.push((entry.last_use(), entry.bytes(), entry));
            }
        }
        found
    }
}

impl Entry {
    /// The graph to load.
    pub(crate) fn graph(&self) -> PathBuf {
        self.dir.join(GRAPH)
    }

    /// Removes it from sight in one step, then from the disk. A process that runs it keeps
    /// its open files; where the system does not allow that, the entry stays.
    pub(crate) fn discard(&self) {
        let name = self.dir.file_name().unwrap_or_default().to_string_lossy();
        // A name that nothing has, not even what a killed process of the same number left.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let hidden = self.dir.with_file_name(format!("{UNFINISHED}{name}-{}-{now}", std::process::id()));
        if std::fs::rename(&self.dir, &hidden).is_ok() {
            let _ = std::fs::remove_dir_all(hidden);
        }
    }

    fn is_whole(&self) -> bool {
        let manifest = std::fs::read(self.dir.join(MANIFEST)).ok();
        let manifest: Option<Manifest> = manifest.and_then(|text| serde_json::from_slice(&text).ok());
        manifest.is_some_and(|manifest| manifest.describes(&self.dir))
    }

    /// The manifest's time is the entry's last use. A failure only makes it look older.
    fn touch(&self) {
        let manifest = File::options().append(true).open(self.dir.join(MANIFEST));
        let _ = manifest.and_then(|file| file.set_modified(SystemTime::now()));
    }

    fn last_use(&self) -> SystemTime {
        let manifest = self.dir.join(MANIFEST).metadata();
        manifest.and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    fn bytes(&self) -> u64 {
        let files = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
    }
}

impl Manifest {
    /// Describes the files in a folder, there, and returns their size in bytes.
    fn write(dir: &Path) -> io::Result<u64> {
        let manifest = Self {
            graph_sha256: hash::file_sha256(&dir.join(GRAPH))?,
            graph_bytes: size(&dir.join(GRAPH)),
            weights_bytes: size(&dir.join(WEIGHTS)),
            weights_time: time(&dir.join(WEIGHTS)),
        };
        std::fs::write(dir.join(MANIFEST), serde_json::to_vec(&manifest)?)?;
        Ok(manifest.graph_bytes + manifest.weights_bytes)
    }

    fn describes(&self, dir: &Path) -> bool {
        let graph = dir.join(GRAPH);
        size(&graph) == self.graph_bytes
            && size(&dir.join(WEIGHTS)) == self.weights_bytes
            && is_same_time(time(&dir.join(WEIGHTS)), self.weights_time)
            && hash::file_sha256(&graph).is_ok_and(|hash| hash == self.graph_sha256)
    }
}

/// Zero for a file that is not there: a graph without large weights has no weight file.
fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |meta| meta.len())
}

/// When a file was written, in nanoseconds.
fn time(path: &Path) -> u64 {
    let modified = path.metadata().and_then(|meta| meta.modified()).ok();
    let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or_default()
}

/// A cache that was packed into an image and unpacked again may have lost the fractions of seconds.
fn is_same_time(a: u64, b: u64) -> bool {
    const SECOND: u64 = 1_000_000_000;
    a == b || a / SECOND == b / SECOND && (a.is_multiple_of(SECOND) || b.is_multiple_of(SECOND))
}

fn remove_if_abandoned(dir: &Path) {
    let modified = dir.metadata().and_then(|meta| meta.modified()).ok();
    let age = modified.and_then(|time| time.elapsed().ok());
    if age.is_some_and(|age| age > ABANDONED) {
        let _ = std::fs::remove_dir_all(dir);
    }
}

fn cannot(what: &str, path: &Path, cause: &io::Error) -> Error {
    note(&format!("cannot {what} {}: {cause}", path.display()))
}

/// Makes a damaged entry look whole again.
#[cfg(test)]
pub(super) fn rewrite_manifest(entry: &Path) {
    Manifest::write(entry).unwrap();
}
