//! Voices of Supertonic: two arrays each, in a file of their own or several in one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use edrun_onnx::Folder;
use ndarray::{ArrayD, IxDyn};
use serde_json::Value as Json;

use super::Voice;

/// Where voices lie with Supertone: a file each, beside the folder of the graphs.
const FOLDERS: [&str; 2] = ["voice_styles", "../voice_styles"];

/// Where they lie with sherpa-onnx: all in one file, by number.
const TOGETHER: &str = "voice.bin";

/// The arrays of a voice, and the inputs that take them.
pub(super) const ARRAYS: [&str; 2] = ["style_ttl", "style_dp"];

/// The largest file of voices that is read.
const MOST: u64 = 64 << 20;

/// The voices of a folder: a name and where it is, with its number where there are several.
pub(super) fn voices(folder: &Folder) -> Vec<(String, PathBuf, usize)> {
    let mut voices = Vec::new();
    for place in FOLDERS {
        let entries = std::fs::read_dir(folder.path().join(place)).into_iter().flatten().flatten();
        let files = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "json"));
        voices.extend(files.filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path, 0))));
    }
    if let Some(path) = folder.beside_graphs(TOGETHER) {
        let count = together(&path, 0).map_or(0, |(_, count)| count);
        voices.extend((0..count).map(|number| (number.to_string(), path.clone(), number)));
    }
    // Numbers in their own order.
    voices.sort_by_key(|(name, _, number)| (*number, name.clone()));
    voices
}

/// The voice of this name or in this file; without a wish, the first.
///
/// # Errors
/// When there is none, naming those that there are, or its file is damaged.
pub(super) fn voice(folder: &Folder, wanted: Option<&str>) -> Result<Voice> {
    let all = voices(folder);
    let found = match wanted {
        None => all.first(),
        Some(name) => all.iter().find(|(known, ..)| known == name),
    };
    match (found, wanted) {
        (Some((_, path, number)), _) => open(path, *number),
        (None, Some(file)) if Path::new(file).is_file() => open(Path::new(file), 0),
        (None, wanted) => {
            let names: Vec<_> = all.iter().map(|(name, ..)| name.as_str()).collect();
            let there = match names.as_slice() {
                [] => "the model has none of its own".to_owned(),
                names => format!("the model has {}", names.join(", ")),
            };
            let what = wanted.map_or("no voice is given".into(), |name| format!("there is no voice {name:?}"));
            bail!("{what}: {there}; name one with --voice, or a style file (.json)")
        }
    }
}

fn open(path: &Path, number: usize) -> Result<Voice> {
    let size = path.metadata().with_context(|| format!("--voice {} cannot be read", path.display()))?.len();
    ensure!(size <= MOST, "--voice {} is larger than {} MiB, so it is no voice", path.display(), MOST >> 20);
    let read = || match path.extension().is_some_and(|end| end == "bin") {
        true => together(path, number).map(|(voice, _)| voice),
        false => alone(path),
    };
    let arrays = read().with_context(|| format!("{} is no voice; download it again", path.display()))?;
    let finite = arrays.iter().flatten().all(|v| v.is_finite());
    ensure!(finite, "{} is no voice: it has numbers that are not finite", path.display());
    Ok(Voice { ids: Vec::new(), values: ARRAYS.into_iter().zip(arrays).collect() })
}

/// `{"style_ttl": {"dims": [1, 50, 256], "data": [...]}, "style_dp": ...}`.
fn alone(path: &Path) -> Result<[ArrayD<f32>; 2]> {
    let json: Json = serde_json::from_slice(&std::fs::read(path)?)?;
    let array = |key: &str| -> Result<ArrayD<f32>> {
        let part = json.get(key).with_context(|| format!("it has no {key}"))?;
        let dims: Vec<usize> = serde_json::from_value(part.get("dims").cloned().unwrap_or_default())?;
        let mut values = Vec::new();
        flatten(part.get("data").unwrap_or(&Json::Null), &mut values);
        match dims.as_slice() {
            [1, own @ ..] if own.iter().product::<usize>() == values.len() => {
                Ok(ArrayD::from_shape_vec(IxDyn(own), values)?)
            }
            _ => bail!("its {key} has {} numbers and the shape {dims:?}", values.len()),
        }
    };
    let [ttl, dp] = ARRAYS.map(array);
    Ok([ttl?, dp?])
}

fn flatten(json: &Json, into: &mut Vec<f32>) {
    match json {
        Json::Array(items) => items.iter().for_each(|item| flatten(item, into)),
        json => into.extend(json.as_f64().map(|number| number as f32)),
    }
}

/// One of several voices, and how many there are: both shapes as 64-bit numbers, then all of the first array and all of the
/// second.
fn together(path: &Path, number: usize) -> Result<([ArrayD<f32>; 2], usize)> {
    let bytes = std::fs::read(path)?;
    let (head, body) = bytes.split_at_checked(48).context("it is cut off")?;
    let size = |eight: &[u8]| eight.try_into().ok().and_then(|eight| usize::try_from(i64::from_le_bytes(eight)).ok());
    let sizes: Vec<usize> = head.chunks_exact(8).filter_map(size).filter(|size| (1..1 << 20).contains(size)).collect();
    let [count, rows, columns, same, style_rows, style_columns] = sizes[..] else { bail!("its shape is none") };
    let (ttl, dp) = (rows * columns, style_rows * style_columns);
    ensure!(same == count && body.len() == 4 * count * (ttl + dp), "its size does not fit its shape");
    ensure!(number < count, "it has {count} voices");
    let read = |from: usize, shape: [usize; 2]| -> Result<ArrayD<f32>> {
        let bytes = body.get(4 * from..4 * (from + shape[0] * shape[1])).unwrap_or_default();
        let value = |four: &[u8]| four.try_into().map(f32::from_le_bytes).unwrap_or(f32::NAN);
        Ok(ArrayD::from_shape_vec(IxDyn(&shape), bytes.chunks_exact(4).map(value).collect())?)
    };
    let arrays = [read(number * ttl, [rows, columns])?, read(count * ttl + number * dp, [style_rows, style_columns])?];
    Ok((arrays, count))
}
