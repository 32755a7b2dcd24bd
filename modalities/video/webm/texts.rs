//! The tags of a file, read back.

use super::elements::{HEADER, KIND, SEGMENT, SIMPLE_TAG, TAG, TAG_NAME, TAG_TEXT, TAGS};
use crate::info::Text;

/// Whether a file that begins like this is a WebM file, of whichever program.
pub(super) fn knows(bytes: &[u8]) -> bool {
    let header = find(bytes, &HEADER);
    header.and_then(|header| find(header, &KIND)).is_some_and(|kind| kind.starts_with(b"webm"))
}

/// What its tags say.
pub(super) fn texts(bytes: &[u8]) -> Vec<Text> {
    let segment = find(bytes, &SEGMENT).unwrap_or_default();
    let within = |id: &'static [u8]| move |(own, inside)| (own == id).then_some(inside);
    let tags = inside(segment).filter_map(within(&TAGS));
    let tags = tags.flat_map(inside).filter_map(within(&TAG)).flat_map(inside).filter_map(within(&SIMPLE_TAG));
    tags.filter_map(text).collect()
}

fn text(tag: &[u8]) -> Option<Text> {
    let said = |id: &[u8]| find(tag, id).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    Some(Text::new(said(&TAG_NAME)?, said(&TAG_TEXT)?))
}

fn find<'a>(bytes: &'a [u8], id: &[u8]) -> Option<&'a [u8]> {
    inside(bytes).find(|(own, _)| *own == id).map(|(_, inside)| inside)
}

/// The elements that stand in `bytes`, by identifier and with what is inside. One that is cut off or of unknown length ends
/// with the bytes.
fn inside(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let (id, rest) = bytes.split_at_checked(width(bytes)?)?;
        let (length, rest) = rest.split_at_checked(width(rest)?)?;
        let length = usize::try_from(value(length)).unwrap_or(usize::MAX);
        let (content, after) = rest.split_at(length.min(rest.len()));
        bytes = after;
        Some((id, content))
    })
}

/// Bytes of the number at the beginning: as many as the place of its first one bit says.
fn width(bytes: &[u8]) -> Option<usize> {
    let zeros = bytes.first()?.leading_zeros() as usize;
    (zeros < 8).then_some(zeros + 1)
}

/// A length without the bit that says how long it is.
fn value(length: &[u8]) -> u64 {
    let all = length.iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
    all & !(1 << (7 * length.len()))
}
