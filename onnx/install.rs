//! Fetches a flavour of the ONNX Runtime library into the cache.
//!
//! The build script and the crate both include this file. The wheels are fetched and checked by
//! pip or uv, whose proxies, mirrors and credentials then count here as well. What was fetched
//! becomes visible with one rename, complete with a list of its files; a folder that does not
//! agree with its list is not there.

use crate::unfinished::Unfinished;
use crate::wheel::{Build, Flavour};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// The list of a folder's files: a line each with SHA-256, size and name.
const MANIFEST: &str = "MANIFEST";

/// Begins the name of a folder that is being filled.
const FETCHING: &str = ".fetch-";

/// What is older was left by a process that was killed.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// What belongs to one target, ready to be fetched or found.
#[derive(Debug, Clone)]
pub struct Target {
    /// What is wanted.
    pub flavour: &'static Flavour,
    /// Its wheels.
    pub build: &'static Build,
    /// The cache directory.
    pub cache: PathBuf,
}

impl Target {
    /// The folder that holds the libraries.
    pub fn folder(&self) -> PathBuf {
        self.flavour.folder(self.build, &self.cache)
    }

    /// The library that is loaded.
    pub fn library(&self) -> PathBuf {
        self.folder().join(self.flavour.library(self.build.target.0))
    }

    /// Whether every file of the list is there, in its size.
    pub fn is_installed(&self) -> bool {
        self.agrees(|path, entry| path.metadata().is_ok_and(|meta| meta.len() == entry.bytes))
    }

    /// As [`is_installed`](Self::is_installed), down to the content.
    pub fn is_intact(&self) -> bool {
        self.is_installed() && self.agrees(|path, entry| sha256(path).is_ok_and(|hash| hash == entry.sha256))
    }

    fn agrees(&self, fits: impl Fn(&Path, &Entry) -> bool) -> bool {
        let folder = self.folder();
        let entries = read_manifest(&folder).unwrap_or_default();
        let library = self.flavour.library(self.build.target.0);
        entries.iter().any(|entry| entry.name == library)
            && entries.iter().all(|entry| fits(&folder.join(&entry.name), entry))
    }

    /// Fetches the wheels into a temporary folder and moves what is needed into the cache.
    ///
    /// `shows_progress` lets the installer write to standard error.
    ///
    /// # Errors
    /// A sentence without the name of the flavour: no installer, no network, no room.
    pub fn install(&self, shows_progress: bool) -> Result<(), String> {
        let runtime = self.cache.join("runtime");
        let io_error = |e: io::Error| format!("cannot write to {}: {e}", runtime.display());
        std::fs::create_dir_all(&runtime).map_err(io_error)?;
        clear_abandoned(&runtime);
        let temp = tempfile::Builder::new().prefix(FETCHING).tempdir_in(&runtime).map_err(io_error)?;
        let temp = Unfinished::new(temp.keep());
        self.unpack(temp.path(), shows_progress)?;
        let ready = temp.path().join("ready");
        self.collect(&temp.path().join("wheel"), &ready).map_err(io_error)?;
        self.publish(&ready).map_err(io_error)
    }

    /// Unpacks the wheels with the first installer that is there and succeeds.
    fn unpack(&self, temp: &Path, shows_progress: bool) -> Result<(), String> {
        let lines = self.build.wheels.iter().map(|pin| format!("{} --hash=sha256:{}\n", pin.requirement, pin.sha256));
        let requirements = temp.join("requirements.txt");
        std::fs::write(&requirements, lines.collect::<String>()).map_err(|e| e.to_string())?;
        let mut failures = Vec::new();
        for mut command in installers(self.build, &temp.join("wheel"), &requirements) {
            match run(&mut command, shows_progress) {
                Ok(()) => return Ok(()),
                Err(reason) => failures.push(reason),
            }
        }
        Err(format!("no pip or uv could fetch it ({})", failures.join("; ")))
    }

    /// Moves the libraries with their licence texts out of the unpacked wheels, and lists them.
    fn collect(&self, unpacked: &Path, into: &Path) -> io::Result<()> {
        std::fs::create_dir_all(into)?;
        let library = self.flavour.library(self.build.target.0);
        let mut lines = String::new();
        for file in files_below(unpacked)? {
            let Some(name) = self.kept_name(&file, &library) else { continue };
            let to = into.join(&name);
            std::fs::rename(&file, &to)?;
            // Were the library newer than this build, Cargo would run the build script again.
            let opened = File::options().append(true).open(&to)?;
            opened.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))?;
            lines += &format!("{} {} {name}\n", sha256(&to)?, to.metadata()?.len());
        }
        if !into.join(&library).is_file() {
            return Err(io::Error::other(format!("{library} is not in the wheel")));
        }
        std::fs::write(into.join(MANIFEST), lines)
    }

    /// Under which name a file of a wheel is kept, if at all.
    fn kept_name(&self, file: &Path, library: &str) -> Option<String> {
        let name = file.file_name()?.to_string_lossy().into_owned();
        let folder = file.parent()?.file_name()?.to_string_lossy().into_owned();
        if name == library || self.build.keep.iter().any(|pattern| fits(pattern, &name)) {
            return Some(name);
        }
        let is_licence = name.to_ascii_lowercase().starts_with("licen") || name == "ThirdPartyNotices.txt";
        let of_package = file.ancestors().find_map(|part| part.file_name()?.to_str()?.strip_suffix(".dist-info"));
        match of_package {
            _ if !is_licence => None,
            _ if folder == "onnxruntime" => Some(name),
            Some(package) if package.starts_with("nvidia") => Some(format!("{name}-{package}")),
            _ => None,
        }
    }

    /// One rename makes the finished folder visible; of two at once, the first wins.
    fn publish(&self, ready: &Path) -> io::Result<()> {
        let folder = self.folder();
        if folder.exists() && !self.is_intact() {
            std::fs::remove_dir_all(&folder)?;
        }
        match std::fs::rename(ready, &folder) {
            Err(_) if self.is_installed() => Ok(()),
            other => other,
        }
    }
}

fn clear_abandoned(runtime: &Path) {
    for folder in std::fs::read_dir(runtime).into_iter().flatten().flatten() {
        let modified = folder.metadata().and_then(|meta| meta.modified()).ok();
        let age = modified.and_then(|time| time.elapsed().ok()).unwrap_or_default();
        if folder.file_name().to_string_lossy().starts_with(FETCHING) && age > ABANDONED {
            let _ = std::fs::remove_dir_all(folder.path());
        }
    }
}

/// A pattern is a name, or the beginning of one and a `*`.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

fn installers(build: &Build, target: &Path, requirements: &Path) -> Vec<Command> {
    let pip = |python: &str| {
        let mut command = Command::new(python);
        command.args(["-m", "pip", "install", "--no-compile", "--disable-pip-version-check"]);
        command.args(["--retries", "2", "--timeout", "30", "--implementation", "cp"]);
        command.args(["--abi", "cp312"]);
        command.args(build.tags.iter().flat_map(|tag| ["--platform", tag]));
        // A user-wide `user = true` contradicts --target.
        command.env("PIP_USER", "0").env("PIP_ROOT_USER_ACTION", "ignore");
        command
    };
    let uv = |program: &str, first: &[&str]| {
        let mut command = Command::new(program);
        command.args(first).args(["pip", "install", "--python-platform", build.uv_platform]);
        // Without it uv assumes macOS 13, for which there is no wheel.
        command.env("MACOSX_DEPLOYMENT_TARGET", "14.0");
        command
    };
    let mut all = vec![pip("python3"), pip("python"), uv("uv", &[]), uv("uvx", &["uv"])];
    for command in &mut all {
        command.args(["--no-deps", "--only-binary", ":all:", "--require-hashes"]);
        command.args(["--python-version", "3.12", "--target"]).arg(target);
        command.arg("-r").arg(requirements);
    }
    all
}

fn run(command: &mut Command, shows_progress: bool) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    if shows_progress {
        command.stdout(io::stderr());
    } else {
        command.arg("-q").stdout(Stdio::null());
    }
    let child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(|e| format!("{name}: {e}"))?;
    let output = child.wait_with_output().map_err(|e| format!("{name}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last = stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no message");
    Err(format!("{name}: {}", last.trim()))
}

fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => files.extend(files_below(&entry.path())?),
            false => files.push(entry.path()),
        }
    }
    files.sort();
    Ok(files)
}

/// One line of the list.
struct Entry {
    sha256: String,
    bytes: u64,
    name: String,
}

fn read_manifest(folder: &Path) -> Option<Vec<Entry>> {
    let text = std::fs::read_to_string(folder.join(MANIFEST)).ok()?;
    let entry = |line: &str| {
        let mut parts = line.splitn(3, ' ');
        let (sha256, bytes, name) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Entry { sha256: sha256.into(), bytes: bytes.parse().ok()?, name: name.into() })
    };
    text.lines().map(entry).collect()
}

fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hash.update(buffer.get(..read).unwrap_or_default()),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
