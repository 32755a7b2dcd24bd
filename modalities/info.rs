//! How a file was made, as the file itself says.

#[cfg(feature = "audio")]
use crate::audio;
#[cfg(feature = "image")]
use crate::image;
#[cfg(feature = "mesh")]
use crate::mesh;
#[cfg(feature = "video")]
use crate::video;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How a file was made, as edrun writes it into the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// The text other tools read: prompt, negative prompt and settings in the form that the A1111 web interface writes.
    pub parameters: String,
    /// Everything, as a JSON document of ours. Empty in files of other tools.
    #[serde(rename = "edrun")]
    pub json: String,
}

/// A text in a file, whoever wrote it there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Text {
    /// The name the file gives it, such as `parameters`.
    pub key: String,
    /// What it says.
    pub text: String,
}

/// What a file is, and what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// What it is, such as `PNG picture, 512 x 512 pixels`.
    pub kind: String,
    /// Its texts, in the file's order.
    pub texts: Vec<Text>,
}

/// A way to read what files say: the first reader that knows a file by its content or its name is asked.
struct Reader {
    knows: fn(&Path, &[u8]) -> bool,
    read: fn(&Path, &[u8]) -> Result<About>,
}

/// Every way, one line for each kind of file.
const READERS: &[Reader] = &[
    #[cfg(feature = "video")]
    Reader { knows: |_, bytes| video::knows(bytes), read: |_, bytes| video::about(bytes) },
    #[cfg(feature = "image")]
    Reader { knows: |_, bytes| image::knows(bytes), read: |_, bytes| image::about(bytes) },
    #[cfg(feature = "audio")]
    Reader { knows: |_, bytes| audio::knows(bytes), read: |_, bytes| audio::about(bytes) },
    #[cfg(feature = "mesh")]
    Reader { knows: mesh::knows, read: mesh::about },
];

/// The key of [`Info::parameters`] in files that name their texts.
pub(crate) const PARAMETERS: &str = "parameters";
/// The key of [`Info::json`].
pub(crate) const JSON: &str = "edrun";

impl Info {
    /// The two texts, without the empty ones.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [(PARAMETERS, self.parameters.as_str()), (JSON, &self.json)].into_iter().filter(|(_, text)| !text.is_empty())
    }

    /// The two texts as a file has them.
    pub(crate) fn into_texts(self) -> Vec<Text> {
        self.texts().map(|(key, text)| Text::new(key, text)).collect()
    }

    /// What a file's texts say of how it was made; `None` where they do not.
    pub fn of(texts: &[Text]) -> Option<Self> {
        let find = |key| texts.iter().find(|t| t.key == key).map(|t| t.text.clone()).unwrap_or_default();
        let info = Self { parameters: find(PARAMETERS), json: find(JSON) };
        (info != Self::default()).then_some(info)
    }
}

impl Text {
    pub(crate) fn new(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { key: key.into(), text: text.into() }
    }
}

/// What the file at `path` is and says of itself, by its content. Where its kind has no room for texts, the file
/// [`sidecar`] names may hold our JSON.
///
/// # Errors
/// When it cannot be read, or is a damaged file of a known kind.
pub fn about(path: &Path) -> Result<About> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut about = match READERS.iter().find(|reader| (reader.knows)(path, &bytes)) {
        Some(reader) => (reader.read)(path, &bytes)
            .with_context(|| format!("{} is a damaged file: make it again", path.display()))?,
        None => About { kind: "file of a kind that edrun cannot read".into(), texts: Vec::new() },
    };
    if let (true, Ok(json)) = (about.texts.is_empty(), std::fs::read_to_string(sidecar(path))) {
        about.texts = beside(json);
    }
    Ok(about)
}

/// The texts of a file beside: both that edrun writes, or the JSON alone.
fn beside(json: String) -> Vec<Text> {
    match serde_json::from_str::<Info>(&json) {
        Ok(info) => info.into_texts(),
        Err(_) => vec![Text::new(JSON, json)],
    }
}

/// The file beside `path` that says how it was made: `story.txt.json` for `story.txt`.
pub fn sidecar(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".json");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_for_texts_has_a_sidecar() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("story.txt");
        std::fs::write(&path, "Once").unwrap();
        assert_eq!(about(&path).unwrap().texts, []);
        std::fs::write(dir.path().join("story.txt.json"), r#"{"seed": 7}"#).unwrap();
        let info = Info::of(&about(&path).unwrap().texts).unwrap();
        assert_eq!((info.parameters.as_str(), info.json.as_str()), ("", r#"{"seed": 7}"#));
        assert!(about(&dir.path().join("absent")).unwrap_err().to_string().contains("cannot read"));
    }
}
