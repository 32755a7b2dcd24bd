//! Models that are part of the binary.
//!
//! The runtime and its users work on folders, so a built-in model becomes one when it is first needed: below the
//! cache, complete or not at all, and checked against what the binary holds whenever it is used.

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::cache_dir;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A model folder inside the binary.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// What users call it.
    pub name: &'static str,
    /// The subcommand it serves; the first of its kind is that command's default.
    pub command: &'static str,
    /// What it makes, in a few words.
    pub about: &'static str,
    /// Files that other models have as well.
    shared: &'static Files,
    /// Files of its own.
    files: Files,
}

/// Where each file belongs, and what is in it.
type Files = &'static [(&'static str, &'static [u8])];

/// Files of `models/`, by their path there and by where they belong in the folder that is made of them.
#[cfg(feature = "models")]
macro_rules! files {
    ($($source:literal => $place:literal),* $(,)?) => {
        &[$(($place, include_bytes!(concat!("models/", $source)))),*]
    };
}

/// What the emoji model and its twin share: a static, so that it stands in the binary once.
#[cfg(feature = "models")]
static EMOJI: Files = files![
    "emoji/model_index.json" => "model_index.json",
    "emoji/README.md" => "README.md",
    "emoji/licenses/fonts-noto-color-emoji.txt" => "licenses/fonts-noto-color-emoji.txt",
    "emoji/licenses/unicode-cldr-core.txt" => "licenses/unicode-cldr-core.txt",
    "emoji/scheduler/scheduler_config.json" => "scheduler/scheduler_config.json",
    "emoji/text_encoder/config.json" => "text_encoder/config.json",
    "emoji/text_encoder/model.onnx" => "text_encoder/model.onnx",
    "emoji/tokenizer/tokenizer.json" => "tokenizer/tokenizer.json",
    "emoji/tokenizer/tokenizer_config.json" => "tokenizer/tokenizer_config.json",
    "emoji/unet/config.json" => "unet/config.json",
    "emoji/vae_decoder/config.json" => "vae_decoder/config.json",
    "emoji/vae_decoder/model.onnx" => "vae_decoder/model.onnx",
    "emoji/vae_encoder/config.json" => "vae_encoder/config.json",
    "emoji/vae_encoder/model.onnx" => "vae_encoder/model.onnx",
];

/// What a model shares that shares nothing.
#[cfg(feature = "models")]
static ALONE: Files = &[];

/// Every built-in model.
#[cfg(feature = "models")]
pub const BUILT_IN: &[BuiltIn] = &[
    BuiltIn {
        name: "emoji",
        command: "image",
        about: "emoji from words, 64x64",
        shared: &EMOJI,
        files: files!["emoji/edrun.json" => "edrun.json", "emoji/unet/model.onnx" => "unet/model.onnx"],
    },
    BuiltIn {
        name: "emoji-fast",
        command: "image",
        about: "its twin: 4 steps, without guidance",
        shared: &EMOJI,
        files: files!["emoji-fast/edrun.json" => "edrun.json", "emoji-fast/unet/model.onnx" => "unet/model.onnx"],
    },
    BuiltIn {
        name: "scripture",
        command: "text",
        about: "verses in the manner of the King James Bible",
        shared: &ALONE,
        files: files![
            "scripture/README.md" => "README.md",
            "scripture/config.json" => "config.json",
            "scripture/copyright.txt" => "copyright.txt",
            "scripture/edrun.json" => "edrun.json",
            "scripture/model.onnx" => "model.onnx",
            "scripture/tokenizer.json" => "tokenizer.json",
            "scripture/tokenizer_config.json" => "tokenizer_config.json",
        ],
    },
    BuiltIn {
        name: "sound",
        command: "audio",
        about: "notes, chords and drum loops from words, 3 seconds",
        shared: &ALONE,
        files: files![
            "sound/README.md" => "README.md",
            "sound/edrun.json" => "edrun.json",
            "sound/licenses/fluid-soundfont-gm.txt" => "licenses/fluid-soundfont-gm.txt",
            "sound/model_index.json" => "model_index.json",
            "sound/scheduler/scheduler_config.json" => "scheduler/scheduler_config.json",
            "sound/text_encoder/config.json" => "text_encoder/config.json",
            "sound/text_encoder/model.onnx" => "text_encoder/model.onnx",
            "sound/tokenizer/tokenizer.json" => "tokenizer/tokenizer.json",
            "sound/tokenizer/tokenizer_config.json" => "tokenizer/tokenizer_config.json",
            "sound/transformer/config.json" => "transformer/config.json",
            "sound/transformer/model.onnx" => "transformer/model.onnx",
            "sound/vae_decoder/config.json" => "vae_decoder/config.json",
            "sound/vae_decoder/model.onnx" => "vae_decoder/model.onnx",
            "sound/vae_encoder/config.json" => "vae_encoder/config.json",
            "sound/vae_encoder/model.onnx" => "vae_encoder/model.onnx",
        ],
    },
    BuiltIn {
        name: "shapes",
        command: "3d",
        about: "coloured objects of twenty kinds from words",
        shared: &ALONE,
        files: files![
            "shapes/README.md" => "README.md",
            "shapes/edrun.json" => "edrun.json",
            "shapes/model_index.json" => "model_index.json",
            "shapes/scheduler/scheduler_config.json" => "scheduler/scheduler_config.json",
            "shapes/text_encoder/config.json" => "text_encoder/config.json",
            "shapes/text_encoder/model.onnx" => "text_encoder/model.onnx",
            "shapes/tokenizer/tokenizer.json" => "tokenizer/tokenizer.json",
            "shapes/tokenizer/tokenizer_config.json" => "tokenizer/tokenizer_config.json",
            "shapes/transformer/config.json" => "transformer/config.json",
            "shapes/transformer/model.onnx" => "transformer/model.onnx",
            "shapes/vae_decoder/config.json" => "vae_decoder/config.json",
            "shapes/vae_decoder/model.onnx" => "vae_decoder/model.onnx",
        ],
    },
    BuiltIn {
        name: "clips",
        command: "video",
        about: "coloured things that move, 16 frames of 64x64; little trained",
        shared: &ALONE,
        files: files![
            "clips/README.md" => "README.md",
            "clips/edrun.json" => "edrun.json",
            "clips/licenses/fonts-noto-color-emoji.txt" => "licenses/fonts-noto-color-emoji.txt",
            "clips/model_index.json" => "model_index.json",
            "clips/scheduler/scheduler_config.json" => "scheduler/scheduler_config.json",
            "clips/text_encoder/config.json" => "text_encoder/config.json",
            "clips/text_encoder/model.onnx" => "text_encoder/model.onnx",
            "clips/tokenizer/tokenizer.json" => "tokenizer/tokenizer.json",
            "clips/tokenizer/tokenizer_config.json" => "tokenizer/tokenizer_config.json",
            "clips/transformer/config.json" => "transformer/config.json",
            "clips/transformer/model.onnx" => "transformer/model.onnx",
            "clips/vae_decoder/config.json" => "vae_decoder/config.json",
            "clips/vae_decoder/model.onnx" => "vae_decoder/model.onnx",
            "clips/vae_encoder/config.json" => "vae_encoder/config.json",
            "clips/vae_encoder/model.onnx" => "vae_encoder/model.onnx",
        ],
    },
];

/// Every built-in model: none, as the feature `models` is off.
#[cfg(not(feature = "models"))]
pub const BUILT_IN: &[BuiltIn] = &[];

impl BuiltIn {
    /// The built-in model of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        BUILT_IN.iter().find(|model| model.name == name)
    }

    /// The built-in model that a subcommand takes when none is named.
    pub fn default_of(command: &str) -> Option<&'static Self> {
        BUILT_IN.iter().find(|model| model.command == command)
    }

    fn all(&self) -> impl Iterator<Item = &'static (&'static str, &'static [u8])> {
        self.shared.iter().chain(self.files)
    }

    /// Bytes of all its files.
    pub fn bytes(&self) -> usize {
        self.all().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Its folder below [`cache_dir`], written if it is not there whole.
    ///
    /// # Errors
    /// `Io` when it can be written neither there nor in the system's folder for temporary files.
    pub fn folder(&self) -> Result<PathBuf> {
        let own = cache_dir().join("models");
        self.folder_in(&own).or_else(|_| self.folder_in(&std::env::temp_dir().join("edrun-models")))
    }

    fn folder_in(&self, root: &Path) -> Result<PathBuf> {
        let folder = root.join(format!("{}-{}", self.name, self.mark()));
        if self.is_whole(&folder) {
            return Ok(folder);
        }
        self.write(root, &folder).map_err(|cause| {
            let place = root.display();
            let text = format!(
                "the built-in model {} cannot be written to {place} ({cause}); make room or allow it",
                self.name
            );
            Error::new(ErrorKind::Io, text)
        })?;
        Ok(folder)
    }

    /// Writes all files under another name first, so that a folder of the final name is never half-written.
    fn write(&self, root: &Path, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(root)?;
        let temp = tempfile::Builder::new().prefix(".part-").tempdir_in(root)?;
        let made = temp.path().join("model");
        for (place, bytes) in self.all() {
            let file = made.join(place);
            file.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            std::fs::write(file, bytes)?;
        }
        // A folder that is there is not replaced by this: it is whole when another process was quicker, else damaged.
        if std::fs::rename(&made, folder).is_ok() || self.is_whole(folder) {
            return Ok(());
        }
        if folder.exists() {
            std::fs::rename(folder, temp.path().join("damaged"))?;
        }
        std::fs::rename(&made, folder)
    }

    fn is_whole(&self, folder: &Path) -> bool {
        self.all().all(|(place, bytes)| std::fs::read(folder.join(place)).is_ok_and(|found| found == *bytes))
    }

    /// Tells models of different versions of the binary apart.
    fn mark(&self) -> String {
        let mut hash = Sha256::new();
        for (place, bytes) in self.all() {
            hash.update(place.as_bytes());
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
        hash.finalize().iter().take(6).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static NONE: Files = &[];

    const TOY: BuiltIn = BuiltIn {
        name: "toy",
        command: "image",
        about: "nothing",
        shared: &NONE,
        files: &[("model_index.json", b"{}"), ("unet/model.onnx", b"graph")],
    };

    #[test]
    fn a_model_is_written_once_and_mended() {
        let root = tempfile::tempdir().unwrap();
        let folder = TOY.folder_in(root.path()).unwrap();
        let graph = folder.join("unet/model.onnx");
        let written = std::fs::metadata(&graph).unwrap().modified().unwrap();
        assert_eq!(TOY.folder_in(root.path()).unwrap(), folder);
        assert_eq!(std::fs::metadata(&graph).unwrap().modified().unwrap(), written);
        std::fs::write(&graph, b"gra").unwrap();
        TOY.folder_in(root.path()).unwrap();
        assert_eq!(std::fs::read(&graph).unwrap(), b"graph");
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1, "temporary files were left behind");
    }

    #[test]
    fn processes_that_write_at_once_agree() {
        let root = tempfile::tempdir().unwrap();
        let write = || TOY.folder_in(root.path()).map(|folder| std::fs::read(folder.join("unet/model.onnx")).unwrap());
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(write)).collect();
            threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap().unwrap(), b"graph"));
        });
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let error = TOY.folder_in(&file).unwrap_err().to_string();
        assert!(error.contains("toy") && error.contains("file"), "{error}");
    }

    #[test]
    fn names_differ() {
        let mut names: Vec<_> = BUILT_IN.iter().map(|model| model.name).collect();
        names.dedup();
        assert_eq!(names.len(), BUILT_IN.len());
        assert!(
            BUILT_IN
                .iter()
                .all(|model| model.all().any(|(place, _)| ["model_index.json", "config.json"].contains(place)))
        );
    }
}
