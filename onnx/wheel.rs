//! Which ONNX Runtime library belongs to which target, and where it is kept.
//!
//! The build script and the crate both include this file, so that what was fetched
//! at build time is found at run time by the same rule.

use std::path::{Path, PathBuf};

/// The ONNX Runtime release that is fetched at build time.
pub const VERSION: &str = "1.31.1";

/// The onnxruntime wheel for one target.
pub struct Wheel {
    /// Cargo's `CARGO_CFG_TARGET_OS` and `CARGO_CFG_TARGET_ARCH`.
    pub target: (&'static str, &'static str),
    /// The platform tag in the wheel's file name, as pip's `--platform` wants it.
    pub tag: &'static str,
    /// The same platform in the words of uv's `--python-platform`.
    pub uv_platform: &'static str,
    /// SHA-256 of the wheel; the installer refuses any other file.
    pub sha256: &'static str,
    /// The library's file name inside `onnxruntime/capi/`.
    pub library: &'static str,
    /// Size of the library in bytes.
    pub library_bytes: u64,
    /// SHA-256 of the library.
    pub library_sha256: &'static str,
}

/// One wheel for each supported target, downloaded and hashed on 2026-11-23.
pub const WHEELS: &[Wheel] = &[
    Wheel {
        target: ("linux", "x86_64"),
        tag: "manylinux_2_28_x86_64",
        uv_platform: "x86_64-manylinux_2_28",
        sha256: "1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536",
        library: "libonnxruntime.so.1.31.1",
        library_bytes: 29_352_200,
        library_sha256: "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
    },
    Wheel {
        target: ("linux", "aarch64"),
        tag: "manylinux_2_28_aarch64",
        uv_platform: "aarch64-manylinux_2_28",
        sha256: "0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc",
        library: "libonnxruntime.so.1.31.1",
        library_bytes: 25_265_040,
        library_sha256: "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
    },
    Wheel {
        target: ("macos", "aarch64"),
        tag: "macosx_14_0_arm64",
        uv_platform: "aarch64-apple-darwin",
        sha256: "96dd2564b10ea7153ad9c207e7cd8e5917cb3ba521e0e0a62ac03486fdc8d56c",
        library: "libonnxruntime.1.31.1.dylib",
        library_bytes: 33_037_336,
        library_sha256: "d586cbe89effc085a09d3341b3cfbd5c322517f9d397aeb20814af21433f2b36",
    },
    Wheel {
        target: ("windows", "x86_64"),
        tag: "win_amd64",
        uv_platform: "x86_64-pc-windows-msvc",
        sha256: "ae8a9a351efda685cc59a66226cdefaa37a126c1d66872ca23a2de9425326130",
        library: "onnxruntime.dll",
        library_bytes: 19_288_376,
        library_sha256: "e45f61e50d8650885452be538a00bb14a715e46a1bc3691000ce947e89ed0306",
    },
];

/// The wheel for a target, or `None` where PyPI has none that fits.
pub fn for_target(os: &str, arch: &str) -> Option<&'static Wheel> {
    WHEELS.iter().find(|wheel| wheel.target == (os, arch))
}

impl Wheel {
    /// The folder below the cache directory that holds this library and its licences.
    pub fn folder(&self, cache: &Path) -> PathBuf {
        let name = format!("onnxruntime-{VERSION}-{}", self.tag);
        cache.join("runtime").join(name)
    }

    /// The library file below the cache directory.
    pub fn library_in(&self, cache: &Path) -> PathBuf {
        self.folder(cache).join(self.library)
    }
}

/// Where edrun keeps what it can make or fetch again: `EDRUN_CACHE_DIR`, else the
/// platform's cache directory, else the temporary directory.
pub fn cache_dir() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let home = |below: &str| set("HOME").map(|home| Path::new(&home).join(below));
    if let Some(dir) = set("EDRUN_CACHE_DIR") {
        return std::path::absolute(&dir).unwrap_or_else(|_| dir.into());
    }
    let base = if cfg!(windows) {
        set("LOCALAPPDATA").map(PathBuf::from)
    } else if cfg!(target_os = "macos") {
        home("Library/Caches")
    } else {
        // The XDG specification tells programs to ignore relative paths.
        let xdg = set("XDG_CACHE_HOME").map(PathBuf::from);
        xdg.filter(|path| path.is_absolute()).or_else(|| home(".cache"))
    };
    base.unwrap_or_else(std::env::temp_dir).join("edrun")
}
