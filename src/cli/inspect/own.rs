//! What edrun itself writes: a JSON record whose keys are flags.

use edrun_modalities::info::{Info, Text};
use serde_json::{Map, Value as Json};

use super::Origin;
use crate::cli::record::NO_FLAGS;

pub(super) fn read(texts: &[Text]) -> Option<Origin> {
    let info = Info::of(texts)?;
    let mut flags: Map<String, Json> = serde_json::from_str(&info.json).ok()?;
    let text = |key: &str| flags.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
    let (version, modality) = (text("edrun"), text("modality"));
    let mut notes = Vec::new();
    if version != env!("CARGO_PKG_VERSION") {
        notes.push(format!(
            "this is edrun {}: the file may come out differently than from edrun {version}",
            env!("CARGO_PKG_VERSION")
        ));
    }
    if let (Some(index), Some(count)) = (number(&flags, "index"), number(&flags, "count")) {
        notes.push(format!("the command makes {count} files; this is number {}", index + 1));
    }
    flags.retain(|key, _| !NO_FLAGS.contains(&key.as_str()));
    Some(Origin { by: format!("edrun {version}"), modality, flags, notes })
}

fn number(flags: &Map<String, Json>, key: &str) -> Option<u64> {
    flags.get(key)?.as_u64()
}
