//! Which ONNX Runtime library belongs to which target, and where it is kept.
//!
//! The build script and the crate both include this file, so that what was fetched
//! at build time is found at run time by the same rule.

use std::path::{Path, PathBuf};

/// The ONNX Runtime release that is fetched at build time.
pub const VERSION: &str = "1.32.0";

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
        sha256: "99e1074c4b2197accd5073052a465361be17b89c093b8ffb6e6bd8f986c52df8",
        library: "libonnxruntime.so.1.32.0",
        library_bytes: 34_824_680,
        library_sha256: "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f",
    },
    Wheel {
        target: ("linux", "aarch64"),
        tag: "manylinux_2_28_aarch64",
        uv_platform: "aarch64-manylinux_2_28",
        sha256: "e36c187006e7a7c8b8d6d57f1a209dd63f52430dca6c282b177718ad6b841054",
        library: "libonnxruntime.so.1.32.0",
        library_bytes: 27_165_936,
        library_sha256: "49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a",
    },
    Wheel {
        target: ("macos", "aarch64"),
        tag: "macosx_14_0_arm64",
        uv_platform: "aarch64-apple-darwin",
        sha256: "d52510bbbcc880c13b826f7d75cdf33ac5cf0bb864d960000fc29ce73f0cb83e",
        library: "libonnxruntime.1.32.0.dylib",
        library_bytes: 35_272_344,
        library_sha256: "fa585fabbea65b823b9a8f7e27d46aee3989d1be7e36b528203d3a1fd613aae7",
    },
    Wheel {
        target: ("windows", "x86_64"),
        tag: "win_amd64",
        uv_platform: "x86_64-pc-windows-msvc",
        sha256: "efe7456952c243a05a53d5b8732953625144642c2f3989094277f6217f0c0c40",
        library: "onnxruntime.dll",
        library_bytes: 22_668_640,
        library_sha256: "443c0065fcdba17618ddef05050308f4b471893c5c7da0337d6957c9073ad8a7",
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
