//! Metadata in the form that players show: a list of items in the user data of a film.

use super::boxes::{boxed, find, full, inside, words};
use crate::Info;
use crate::info::{PARAMETERS, Text};

/// The item that players call comment.
const COMMENT: &[u8; 4] = b"\xa9cmt";
/// The item that says which program made the file.
const TOOL: &[u8; 4] = b"\xa9too";
/// An item with a name of its own.
const NAMED: &[u8; 4] = b"----";
/// Whose name it is.
const OWNER: &str = "com.edrun";

/// The box `udta`; empty where there is nothing to say.
pub(super) fn tags(info: &Info) -> Vec<u8> {
    let items: Vec<u8> = info.texts().flat_map(|(key, text)| item(key, text)).collect();
    if items.is_empty() {
        return Vec::new();
    }
    let tool = boxed(TOOL, &[&data(concat!("edrun ", env!("CARGO_PKG_VERSION")))]);
    let handler = full(b"hdlr", 0, &[&words(&[0]), b"mdirappl", &words(&[0, 0]), &[0]]);
    let list = boxed(b"ilst", &[&tool, &items]);
    boxed(b"udta", &[&full(b"meta", 0, &[&handler, &list])])
}

fn item(key: &str, text: &str) -> Vec<u8> {
    match key {
        PARAMETERS => boxed(COMMENT, &[&data(text)]),
        _ => {
            let (owner, name) = (full(b"mean", 0, &[OWNER.as_bytes()]), full(b"name", 0, &[key.as_bytes()]));
            boxed(NAMED, &[&owner, &name, &data(text)])
        }
    }
}

/// UTF-8 text.
fn data(text: &str) -> Vec<u8> {
    boxed(b"data", &[&words(&[1, 0]), text.as_bytes()])
}

/// The texts of a file.
pub(super) fn texts(bytes: &[u8]) -> Vec<Text> {
    let list = find(bytes, b"moov").and_then(|film| find(film, b"udta")).and_then(|data| find(data, b"meta"));
    let list = list.and_then(|meta| find(meta.get(4..)?, b"ilst")).unwrap_or_default();
    inside(list).filter_map(|(name, content)| text(name, content)).filter(|text| text.key != "tool").collect()
}

fn text(name: [u8; 4], content: &[u8]) -> Option<Text> {
    let said = String::from_utf8_lossy(find(content, b"data")?.get(8..)?).into_owned();
    let key = match &name {
        COMMENT => PARAMETERS.to_owned(),
        TOOL => "tool".to_owned(),
        NAMED => String::from_utf8_lossy(find(content, b"name")?.get(4..)?).into_owned(),
        other => String::from_utf8_lossy(other).into_owned(),
    };
    Some(Text::new(key, said))
}
