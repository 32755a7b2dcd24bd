//! Which ONNX Runtime libraries can be fetched for which target, and where they are kept.
//!
//! The build script and the crate both include this file, so that what was fetched
//! at build time is found at run time by the same rule.

use std::path::{Path, PathBuf};

/// One kind of ONNX Runtime library: PyPI has builds with different providers.
#[derive(Debug)]
pub struct Flavour {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is in it, in one line.
    pub about: &'static str,
    /// The Python package that carries it.
    pub package: &'static str,
    /// The pinned release.
    pub version: &'static str,
    /// Libraries it needs that do not find each other, in the order in which they are loaded.
    pub preload: &'static [&'static str],
    /// What is fetched for each supported target.
    pub builds: &'static [Build],
}

/// The wheels of a flavour for one target.
#[derive(Debug)]
pub struct Build {
    /// Cargo's `CARGO_CFG_TARGET_OS` and `CARGO_CFG_TARGET_ARCH`.
    pub target: (&'static str, &'static str),
    /// The platform tags of the wheels, as pip's `--platform` wants them; the first names the folder.
    pub tags: &'static [&'static str],
    /// The same platform in the words of uv's `--python-platform`.
    pub uv_platform: &'static str,
    /// The wheels, downloaded and hashed on 2026-11-23; the installer refuses any other file.
    pub wheels: &'static [Pin],
    /// Size of the wheels together, in bytes.
    pub bytes: u64,
    /// The files that are kept beside the library; a `*` stands for any end of a name.
    pub keep: &'static [&'static str],
}

/// One wheel.
#[derive(Debug)]
pub struct Pin {
    /// Package and release, `name==version`.
    pub requirement: &'static str,
    /// SHA-256 of the wheel.
    pub sha256: &'static str,
}

const fn pin(requirement: &'static str, sha256: &'static str) -> Pin {
    Pin { requirement, sha256 }
}

/// Every flavour; the first is fetched at build time.
pub const FLAVOURS: &[Flavour] = &[CPU, OPENVINO, CUDA, WEBGPU, DIRECTML];

const LINUX_X86: (&str, &str) = ("linux", "x86_64");
const LINUX_ARM: (&str, &str) = ("linux", "aarch64");
const MAC_ARM: (&str, &str) = ("macos", "aarch64");
const WINDOWS_X86: (&str, &str) = ("windows", "x86_64");
const UV_LINUX_X86: &str = "x86_64-manylinux_2_28";
const UV_WINDOWS: &str = "x86_64-pc-windows-msvc";

const CPU: Flavour = Flavour {
    name: "cpu",
    about: "ONNX Runtime's own processor kernels; CoreML on macOS",
    package: "onnxruntime",
    version: "1.32.0",
    preload: &[],
    builds: &[
        Build {
            target: LINUX_X86,
            tags: &["manylinux_2_28_x86_64"],
            uv_platform: UV_LINUX_X86,
            wheels: &[pin("onnxruntime==1.32.0", "99e1074c4b2197accd5073052a465361be17b89c093b8ffb6e6bd8f986c52df8")],
            bytes: 27_780_211,
            keep: &[],
        },
        Build {
            target: LINUX_ARM,
            tags: &["manylinux_2_28_aarch64"],
            uv_platform: "aarch64-manylinux_2_28",
            wheels: &[pin("onnxruntime==1.32.0", "e36c187006e7a7c8b8d6d57f1a209dd63f52430dca6c282b177718ad6b841054")],
            bytes: 23_196_724,
            keep: &[],
        },
        Build {
            target: MAC_ARM,
            tags: &["macosx_14_0_arm64"],
            uv_platform: "aarch64-apple-darwin",
            wheels: &[pin("onnxruntime==1.32.0", "d52510bbbcc880c13b826f7d75cdf33ac5cf0bb864d960000fc29ce73f0cb83e")],
            bytes: 22_519_308,
            keep: &[],
        },
        Build {
            target: WINDOWS_X86,
            tags: &["win_amd64"],
            uv_platform: UV_WINDOWS,
            wheels: &[pin("onnxruntime==1.32.0", "efe7456952c243a05a53d5b8732953625144642c2f3989094277f6217f0c0c40")],
            bytes: 16_698_767,
            keep: &[],
        },
    ],
};

const OPENVINO: Flavour = Flavour {
    name: "openvino",
    about: "Intel OpenVINO 2025.4 for processors, Intel GPUs and NPUs, beside the processor kernels",
    package: "onnxruntime-openvino",
    version: "1.24.1",
    preload: &[],
    builds: &[Build {
        target: LINUX_X86,
        tags: &["manylinux_2_28_x86_64"],
        uv_platform: UV_LINUX_X86,
        wheels: &[pin(
            "onnxruntime-openvino==1.24.1",
            "d617fac2f59a6ab5ea59a788c3e1592240a129642519aaeaa774761dfe35150e",
        )],
        bytes: 84_433_207,
        // The wheel has each OpenVINO library under three names, of which one is looked for.
        keep: &[
            "libonnxruntime_providers_*",
            "libopenvino.so.2541",
            "libopenvino_onnx_frontend.so.2541",
            "libopenvino_auto_plugin.so",
            "libopenvino_hetero_plugin.so",
            "libopenvino_intel_cpu_plugin.so",
            "libopenvino_intel_gpu_plugin.so",
            "libopenvino_intel_npu_plugin.so",
            "libtbb.so.12",
        ],
    }],
};

const CUDA: Flavour = Flavour {
    name: "cuda",
    about: "CUDA 13 and the bridge to TensorRT 10, with NVIDIA's libraries but TensorRT's",
    package: "onnxruntime-gpu",
    version: "1.31.1",
    preload: &[
        "libcublasLt.so.13",
        "libcublas.so.13",
        "libcurand.so.10",
        "libcudart.so.13",
        "libnvJitLink.so.13",
        "libcufft.so.12",
        "libnvrtc.so.13",
        "libcudnn.so.9",
    ],
    builds: &[Build {
        target: LINUX_X86,
        tags: &["manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64", "manylinux2010_x86_64"],
        uv_platform: UV_LINUX_X86,
        wheels: &[
            pin("onnxruntime-gpu==1.31.1", "05d548956197b9d01f59b625de740e0d6be3593f874e241a12dc0362650ecdf7"),
            pin("nvidia-cublas==13.0.2.14", "0cf238ffdbe46c00cb9aa98e7bca745c223a5ca5a53e686ac8b3e5a08fe80d6c"),
            pin("nvidia-cuda-nvrtc==13.0.88", "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575"),
            pin("nvidia-cuda-runtime==13.0.96", "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548"),
            pin("nvidia-cudnn-cu13==9.28.1.4", "a54f205b1db1f2895d99f398754db1369816f0569dd459731f925635cf7b65ec"),
            pin("nvidia-cufft==12.0.0.61", "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3"),
            pin("nvidia-curand==10.4.5.25", "22bb226a857e5888fe6b54ae465fc4371296bcff13a35f79e19691bcf454f529"),
            pin("nvidia-nvjitlink==13.0.88", "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b"),
        ],
        bytes: 1_617_641_391,
        keep: &[
            "libonnxruntime_providers_*",
            "libcublas.so.13",
            "libcublasLt.so.13",
            "libcurand.so.10",
            "libcudart.so.13",
            "libcudnn*",
            "libcufft.so.12",
            "libnvJitLink.so.13",
            "libnvrtc.so.13",
            "libnvrtc-builtins.so.13.0",
        ],
    }],
};

const WEBGPU: Flavour = Flavour {
    name: "webgpu",
    about: "WebGPU on Vulkan, Metal or Direct3D 12, for GPUs of any maker",
    package: "onnxruntime-webgpu",
    version: "1.27.0",
    preload: &[],
    builds: &[
        Build {
            target: LINUX_X86,
            tags: &["manylinux_2_28_x86_64"],
            uv_platform: UV_LINUX_X86,
            wheels: &[pin(
                "onnxruntime-webgpu==1.27.0",
                "fe5e49e00ad71bc667316d57670bfbf525438783d4a3468e0d337314ec985cbe",
            )],
            bytes: 25_163_729,
            keep: &[],
        },
        Build {
            target: MAC_ARM,
            tags: &["macosx_14_0_arm64"],
            uv_platform: "aarch64-apple-darwin",
            wheels: &[pin(
                "onnxruntime-webgpu==1.27.0",
                "8e6c43281318283a31977ebe752e7b0454db9b2dc42c768ac88641952357196a",
            )],
            bytes: 24_081_620,
            keep: &[],
        },
        Build {
            target: WINDOWS_X86,
            tags: &["win_amd64"],
            uv_platform: UV_WINDOWS,
            wheels: &[pin(
                "onnxruntime-webgpu==1.27.0",
                "7ef99275b13e8cb9584bd0db7a6f00ebf76095601eeccf7d34749b89ee991c19",
            )],
            bytes: 27_226_899,
            keep: &["dxcompiler.dll", "dxil.dll"],
        },
    ],
};

const DIRECTML: Flavour = Flavour {
    name: "directml",
    about: "DirectML, for GPUs of any maker on Windows",
    package: "onnxruntime-directml",
    version: "1.24.4",
    preload: &[],
    builds: &[Build {
        target: WINDOWS_X86,
        tags: &["win_amd64"],
        uv_platform: UV_WINDOWS,
        wheels: &[pin(
            "onnxruntime-directml==1.24.4",
            "f2ecb68b7b7b259d2ef3112ae760149f9b5a1e7c0fbb73d539da6250a648a614",
        )],
        bytes: 25_111_930,
        keep: &["DirectML.dll"],
    }],
};

impl Flavour {
    /// The flavour of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        FLAVOURS.iter().find(|flavour| flavour.name == name)
    }

    /// What is fetched for a target, or `None` where PyPI has nothing that fits.
    pub fn build_for(&self, os: &str, arch: &str) -> Option<&'static Build> {
        self.builds.iter().find(|build| build.target == (os, arch))
    }

    /// The folder below the cache directory that holds this build.
    pub fn folder(&self, build: &Build, cache: &Path) -> PathBuf {
        let tag = build.tags.first().copied().unwrap_or_default();
        cache.join("runtime").join(format!("{}-{}-{tag}", self.package, self.version))
    }

    /// The library's file name on an operating system.
    pub fn library(&self, os: &str) -> String {
        match os {
            "windows" => "onnxruntime.dll".into(),
            "macos" => format!("libonnxruntime.{}.dylib", self.version),
            _ => format!("libonnxruntime.so.{}", self.version),
        }
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
