//! As much of Exif as texts need: a tagged directory, in a block of its own or as part of a TIFF file.

use crate::info::{Info, JSON, PARAMETERS, Text};

const EXIF_DIRECTORY: u16 = 0x8769;
/// Where the A1111 web interface writes its parameters.
const USER_COMMENT: u16 = 0x9286;
/// Free for the program that made the picture.
const MAKER_NOTE: u16 = 0x927c;
/// Plain texts of the first directory, and what they are called here.
const NAMES: [(u16, &str); 6] = [
    (0x010e, "ImageDescription"),
    (0x010f, "Make"),
    (0x0110, "Model"),
    (0x0131, "Software"),
    (0x0132, "DateTime"),
    (0x013b, "Artist"),
];
const BYTE: u16 = 1;
const ASCII: u16 = 2;
const LONG: u16 = 4;
const UNDEFINED: u16 = 7;
const UTF16_MARK: &[u8] = b"UNICODE\0";
const ASCII_MARK: &[u8] = b"ASCII\0\0\0";
const OURS: &[u8] = b"edrun\0";
/// More entries than this is no directory but noise.
const MAX_ENTRIES: u32 = 512;

/// What one entry of the Exif directory holds.
pub(crate) struct Entry {
    pub(crate) tag: u16,
    pub(crate) content: Vec<u8>,
}

/// The entries that say how a picture was made, in the order of their tags.
pub(crate) fn entries(info: &Info) -> Vec<Entry> {
    let text = |text: &str| UTF16_MARK.iter().copied().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect();
    let mut entries = Vec::new();
    for (key, value) in info.texts() {
        entries.push(match key {
            JSON => Entry { tag: MAKER_NOTE, content: [OURS, value.as_bytes()].concat() },
            _ => Entry { tag: USER_COMMENT, content: text(value) },
        });
    }
    entries.sort_by_key(|entry| entry.tag);
    entries
}

/// A block of Exif data with these entries, big-endian; each must be longer than 4 bytes.
pub(crate) fn block(entries: &[Entry]) -> Vec<u8> {
    // The first directory has one entry and is 18 bytes long; it begins after the 8 bytes of the header.
    let mut out = b"MM\0\x2a\0\0\0\x08".to_vec();
    directory(&mut out, &[(EXIF_DIRECTORY, LONG, 1, 26)]);
    let mut at = 26 + 6 + 12 * entries.len() as u32;
    let mut rows = Vec::new();
    for Entry { tag, content } in entries {
        rows.push((*tag, UNDEFINED, content.len() as u32, at));
        at += content.len() as u32;
    }
    directory(&mut out, &rows);
    out.extend(entries.iter().flat_map(|entry| &entry.content));
    out
}

fn directory(out: &mut Vec<u8>, rows: &[(u16, u16, u32, u32)]) {
    out.extend((rows.len() as u16).to_be_bytes());
    for (tag, kind, count, value) in rows {
        out.extend([*tag, *kind].iter().flat_map(|n| n.to_be_bytes()));
        out.extend([*count, *value].iter().flat_map(|n| n.to_be_bytes()));
    }
    out.extend(0_u32.to_be_bytes());
}

/// The texts of a block of Exif data, or of a TIFF file.
pub(crate) fn texts(block: &[u8]) -> Vec<Text> {
    let Some(tiff) = Tiff::new(block) else { return Vec::new() };
    let Some(first) = tiff.u32(4) else { return Vec::new() };
    let mut texts: Vec<Text> = tiff.rows(first).filter_map(|row| tiff.text(&row)).collect();
    let exif = tiff.rows(first).find(|row| row.tag == EXIF_DIRECTORY);
    if let Some(at) = exif.and_then(|row| tiff.u32(row.value)) {
        texts.extend(tiff.rows(at).filter_map(|row| tiff.text(&row)));
    }
    texts
}

struct Tiff<'a> {
    bytes: &'a [u8],
    little: bool,
}

/// One entry of a directory.
struct Row {
    tag: u16,
    kind: u16,
    count: u32,
    /// Where its value, or the place of its value, stands.
    value: u32,
}

impl<'a> Tiff<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        match bytes.get(..4)? {
            b"II\x2a\0" => Some(Self { bytes, little: true }),
            b"MM\0\x2a" => Some(Self { bytes, little: false }),
            _ => None,
        }
    }

    fn u16(&self, at: u32) -> Option<u16> {
        let b: [u8; 2] = self.bytes.get(at as usize..)?.get(..2)?.try_into().ok()?;
        Some(if self.little { u16::from_le_bytes(b) } else { u16::from_be_bytes(b) })
    }

    fn u32(&self, at: u32) -> Option<u32> {
        let b: [u8; 4] = self.bytes.get(at as usize..)?.get(..4)?.try_into().ok()?;
        Some(if self.little { u32::from_le_bytes(b) } else { u32::from_be_bytes(b) })
    }

    fn rows(&self, start: u32) -> impl Iterator<Item = Row> {
        let count = u32::from(self.u16(start).unwrap_or(0)).min(MAX_ENTRIES);
        (0..count).map_while(move |n| {
            let at = start.checked_add(2 + 12 * n)?;
            let value = at.checked_add(8)?;
            Some(Row { tag: self.u16(at)?, kind: self.u16(at + 2)?, count: self.u32(at + 4)?, value })
        })
    }

    /// Values of up to 4 bytes stand in the entry itself.
    fn content(&self, row: &Row) -> Option<&'a [u8]> {
        let at = if row.count <= 4 { row.value } else { self.u32(row.value)? };
        self.bytes.get(at as usize..)?.get(..row.count as usize)
    }

    fn text(&self, row: &Row) -> Option<Text> {
        match (row.tag, row.kind) {
            (USER_COMMENT, UNDEFINED | BYTE) => Some(Text::new(PARAMETERS, self.comment(self.content(row)?)?)),
            (MAKER_NOTE, UNDEFINED | BYTE) => {
                let json = self.content(row)?.strip_prefix(OURS)?;
                Some(Text::new(JSON, String::from_utf8_lossy(json)))
            }
            (tag, ASCII) => {
                let (_, name) = NAMES.iter().find(|(known, _)| *known == tag)?;
                let text = String::from_utf8_lossy(self.content(row)?);
                Some(named(name, text.trim_end_matches('\0')))
            }
            _ => None,
        }
    }

    fn comment(&self, content: &[u8]) -> Option<String> {
        if let Some(text) = content.strip_prefix(ASCII_MARK) {
            return Some(String::from_utf8_lossy(text).into_owned());
        }
        let pairs = content.strip_prefix(UTF16_MARK)?.chunks_exact(2).map(|b| [b[0], b[1]]);
        let units: Vec<u16> = pairs.map(u16::from_be_bytes).collect();
        // Exif leaves the byte order open; most programs write it big-endian whatever the block's is. A text whose
        // letters are mostly below 256 tells.
        let swapped = units.iter().filter(|unit| **unit & 0xff == 0).count() > units.len() / 2;
        let units = units.into_iter().map(|unit| if swapped { unit.swap_bytes() } else { unit });
        Some(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
    }
}

/// ComfyUI names its texts within them: `prompt:{...}` in whichever tag.
fn named(tag: &str, text: &str) -> Text {
    match text.split_once(':') {
        Some((key, json)) if json.starts_with('{') && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
            Text::new(key, json)
        }
        _ => Text::new(tag, text),
    }
}
