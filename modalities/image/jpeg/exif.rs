//! As much of Exif as one comment needs.

const HEADER: &[u8] = b"Exif\0\0";
const EXIF_DIRECTORY: u16 = 0x8769;
const USER_COMMENT: u16 = 0x9286;
const LONG: u16 = 4;
const UNDEFINED: u16 = 7;
const UTF16: &[u8] = b"UNICODE\0";
const ASCII: &[u8] = b"ASCII\0\0\0";

/// An Exif segment whose `UserComment` is `text`.
pub fn with_comment(text: &str) -> Vec<u8> {
    let comment: Vec<u8> = UTF16.iter().copied().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect();
    // A directory of one entry is 18 bytes long; the first begins after the 8 bytes of the TIFF header.
    let mut out = [HEADER, b"MM\0\x2a\0\0\0\x08"].concat();
    directory(&mut out, EXIF_DIRECTORY, LONG, 1, 26);
    directory(&mut out, USER_COMMENT, UNDEFINED, comment.len() as u32, 44);
    out.extend(comment);
    out
}

fn directory(out: &mut Vec<u8>, tag: u16, kind: u16, count: u32, value: u32) {
    out.extend([1_u16, tag, kind].iter().flat_map(|n| n.to_be_bytes()));
    out.extend([count, value, 0].iter().flat_map(|n| n.to_be_bytes()));
}

/// The `UserComment` of an Exif segment, where it has one that is text.
pub fn comment(segment: &[u8]) -> Option<String> {
    let tiff = Tiff::new(segment.strip_prefix(HEADER)?)?;
    let (_, exif) = tiff.entry(tiff.u32(4)?, EXIF_DIRECTORY)?;
    let (count, at) = tiff.entry(exif, USER_COMMENT)?;
    let content = tiff.bytes.get(at as usize..)?.get(..count as usize)?;
    if let Some(text) = content.strip_prefix(ASCII) {
        return Some(String::from_utf8_lossy(text).into_owned());
    }
    let units = content.strip_prefix(UTF16)?.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]]));
    Some(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

struct Tiff<'a> {
    bytes: &'a [u8],
    little: bool,
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

    /// Count and value (or place) of the entry `tag` in the directory at `start`.
    fn entry(&self, start: u32, tag: u16) -> Option<(u32, u32)> {
        let entries = (0..u32::from(self.u16(start)?)).map(|n| start.checked_add(2 + 12 * n));
        let at = entries.flatten().find(|&at| self.u16(at) == Some(tag))?;
        Some((self.u32(at.checked_add(4)?)?, self.u32(at.checked_add(8)?)?))
    }
}
