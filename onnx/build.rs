//! Fetches the ONNX Runtime library once per machine, so that a fresh clone runs and tests
//! with one command. A build without network still succeeds: it warns, and the run says
//! what to do.

#[path = "wheel.rs"]
mod wheel;

use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};
use wheel::{VERSION, Wheel};

fn main() {
    let cache = wheel::cache_dir();
    declare_triggers();
    let library = match provide(&cache) {
        Ok(path) => path.display().to_string(),
        Err(reason) => {
            println!("cargo:warning=ONNX Runtime {VERSION} was not fetched: {reason}");
            String::new()
        }
    };
    println!("cargo:rustc-env=EDRUN_FETCHED_ORT={library}");
}

fn declare_triggers() {
    for file in ["build.rs", "wheel.rs"] {
        println!("cargo:rerun-if-changed={file}");
    }
    for name in ["EDRUN_NO_FETCH", "EDRUN_CACHE_DIR", "XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
}

/// The library in the cache, fetched if it is not there yet.
fn provide(cache: &Path) -> Result<PathBuf, String> {
    let wheel = wheel_of_target()?;
    let library = wheel.library_in(cache);
    if is_the_library(wheel, &library) {
        println!("cargo:rerun-if-changed={}", library.display());
        return Ok(library);
    }
    if is_set("EDRUN_NO_FETCH") || is_set("DOCS_RS") {
        return Err("fetching is switched off by EDRUN_NO_FETCH".into());
    }
    // Named even while it is missing: Cargo then runs this script again at the next build.
    println!("cargo:rerun-if-changed={}", library.display());
    fetch(wheel, cache)?;
    Ok(library)
}

fn wheel_of_target() -> Result<&'static Wheel, String> {
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    let (os, arch) = (var("CARGO_CFG_TARGET_OS"), var("CARGO_CFG_TARGET_ARCH"));
    let fits = var("CARGO_CFG_TARGET_ENV") != "musl";
    wheel::for_target(&os, &arch)
        .filter(|_| fits)
        .ok_or_else(|| format!("PyPI has no library for {arch}-{os}; name one with --ort-lib or EDRUN_ORT_LIB"))
}

fn is_set(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| !value.is_empty() && value != "0")
}

/// Whether the file is exactly the pinned library.
fn is_the_library(wheel: &Wheel, path: &Path) -> bool {
    let right_size = path.metadata().is_ok_and(|meta| meta.len() == wheel.library_bytes);
    right_size && sha256(path).is_ok_and(|hash| hash == wheel.library_sha256)
}

fn sha256(path: &Path) -> io::Result<String> {
    let digest = Sha256::digest(std::fs::read(path)?);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Installs the wheel into a temporary folder and moves what is needed into the cache.
fn fetch(wheel: &Wheel, cache: &Path) -> Result<(), String> {
    let runtime = cache.join("runtime");
    let io_error = |e: io::Error| format!("cannot write to {}: {e}", runtime.display());
    std::fs::create_dir_all(&runtime).map_err(io_error)?;
    let temp = tempfile::Builder::new().prefix(".fetch-").tempdir_in(&runtime).map_err(io_error)?;
    install(wheel, temp.path())?;
    let ready = temp.path().join("ready");
    collect(wheel, &temp.path().join("wheel/onnxruntime"), &ready).map_err(io_error)?;
    if !is_the_library(wheel, &ready.join(wheel.library)) {
        return Err(format!("{} in the wheel is not the pinned file", wheel.library));
    }
    publish(wheel, &ready, &wheel.folder(cache)).map_err(io_error)
}

/// Unpacks the wheel with the first installer that is there and succeeds.
fn install(wheel: &Wheel, temp: &Path) -> Result<(), String> {
    let pinned = format!("onnxruntime=={VERSION} --hash=sha256:{}\n", wheel.sha256);
    let requirements = temp.join("requirements.txt");
    std::fs::write(&requirements, pinned).map_err(|e| e.to_string())?;
    let mut failures = Vec::new();
    for mut command in installers(wheel, &temp.join("wheel"), &requirements) {
        match run(&mut command) {
            Ok(()) => return Ok(()),
            Err(reason) => failures.push(reason),
        }
    }
    Err(format!("no pip or uv could install it ({})", failures.join("; ")))
}

fn installers(wheel: &Wheel, target: &Path, requirements: &Path) -> Vec<Command> {
    let pip = |python: &str| {
        let mut command = Command::new(python);
        command.args(["-m", "pip", "install", "--no-compile", "--disable-pip-version-check"]);
        command.args(["--retries", "2", "--timeout", "30", "--implementation", "cp"]);
        command.args(["--abi", "cp312", "--platform", wheel.tag]);
        // A user-wide `user = true` contradicts --target.
        command.env("PIP_USER", "0").env("PIP_ROOT_USER_ACTION", "ignore");
        command
    };
    let uv = |program: &str, first: &[&str]| {
        let mut command = Command::new(program);
        command.args(first).args(["pip", "install", "--python-platform", wheel.uv_platform]);
        // Without it uv assumes macOS 13, for which there is no wheel.
        command.env("MACOSX_DEPLOYMENT_TARGET", "14.0");
        command
    };
    let mut all = vec![pip("python3"), pip("python"), uv("uv", &[]), uv("uvx", &["uv"])];
    for command in &mut all {
        command.args(["-q", "--no-deps", "--only-binary", ":all:", "--require-hashes"]);
        command.args(["--python-version", "3.12", "--target"]).arg(target);
        command.arg("-r").arg(requirements);
    }
    all
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{name}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last = stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no message");
    Err(format!("{name}: {}", last.trim()))
}

/// Copies the library with its licence texts out of the unpacked wheel.
fn collect(wheel: &Wheel, unpacked: &Path, into: &Path) -> io::Result<()> {
    std::fs::create_dir_all(into)?;
    let library = into.join(wheel.library);
    std::fs::copy(unpacked.join("capi").join(wheel.library), &library)?;
    // Were it newer than this build, Cargo would run this script again at the next one.
    let file = std::fs::File::options().append(true).open(&library)?;
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))?;
    for text in ["LICENSE", "ThirdPartyNotices.txt"] {
        std::fs::copy(unpacked.join(text), into.join(text))?;
    }
    Ok(())
}

/// One rename makes the finished folder visible; of two builds at once, the first wins.
fn publish(wheel: &Wheel, ready: &Path, folder: &Path) -> io::Result<()> {
    let library = folder.join(wheel.library);
    if folder.exists() && !is_the_library(wheel, &library) {
        std::fs::remove_dir_all(folder)?;
    }
    match std::fs::rename(ready, folder) {
        Err(_) if is_the_library(wheel, &library) => Ok(()),
        other => other,
    }
}
