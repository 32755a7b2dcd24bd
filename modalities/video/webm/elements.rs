//! The elements that Matroska files are made of: an identifier, a length, and what is inside (RFC 8794, RFC 9559).

pub(super) const HEADER: [u8; 4] = [0x1A, 0x45, 0xDF, 0xA3];
pub(super) const VERSION: [u8; 2] = [0x42, 0x86];
pub(super) const READ_VERSION: [u8; 2] = [0x42, 0xF7];
pub(super) const LONGEST_ID: [u8; 2] = [0x42, 0xF2];
pub(super) const LONGEST_LENGTH: [u8; 2] = [0x42, 0xF3];
pub(super) const KIND: [u8; 2] = [0x42, 0x82];
pub(super) const KIND_VERSION: [u8; 2] = [0x42, 0x87];
pub(super) const KIND_READ_VERSION: [u8; 2] = [0x42, 0x85];

pub(super) const SEGMENT: [u8; 4] = [0x18, 0x53, 0x80, 0x67];

pub(super) const SEEK_HEAD: [u8; 4] = [0x11, 0x4D, 0x9B, 0x74];
pub(super) const SEEK: [u8; 2] = [0x4D, 0xBB];
pub(super) const SEEK_ID: [u8; 2] = [0x53, 0xAB];
pub(super) const SEEK_PLACE: [u8; 2] = [0x53, 0xAC];

pub(super) const FILM: [u8; 4] = [0x15, 0x49, 0xA9, 0x66];
pub(super) const TICK: [u8; 3] = [0x2A, 0xD7, 0xB1];
pub(super) const DURATION: [u8; 2] = [0x44, 0x89];
pub(super) const MUXER: [u8; 2] = [0x4D, 0x80];
pub(super) const PROGRAM: [u8; 2] = [0x57, 0x41];

pub(super) const TRACKS: [u8; 4] = [0x16, 0x54, 0xAE, 0x6B];
pub(super) const TRACK: [u8; 1] = [0xAE];
pub(super) const TRACK_NUMBER: [u8; 1] = [0xD7];
pub(super) const TRACK_UID: [u8; 2] = [0x73, 0xC5];
pub(super) const TRACK_KIND: [u8; 1] = [0x83];
pub(super) const LACED: [u8; 1] = [0x9C];
pub(super) const LANGUAGE: [u8; 3] = [0x22, 0xB5, 0x9C];
pub(super) const CODEC: [u8; 1] = [0x86];
pub(super) const FRAME_LASTS: [u8; 3] = [0x23, 0xE3, 0x83];
pub(super) const VIDEO: [u8; 1] = [0xE0];
pub(super) const WIDTH: [u8; 1] = [0xB0];
pub(super) const HEIGHT: [u8; 1] = [0xBA];
pub(super) const COLOURS: [u8; 2] = [0x55, 0xB0];
pub(super) const MATRIX: [u8; 2] = [0x55, 0xB1];
pub(super) const RANGE: [u8; 2] = [0x55, 0xB9];
pub(super) const TRANSFER: [u8; 2] = [0x55, 0xBA];
pub(super) const PRIMARIES: [u8; 2] = [0x55, 0xBB];

pub(super) const TAGS: [u8; 4] = [0x12, 0x54, 0xC3, 0x67];
pub(super) const TAG: [u8; 2] = [0x73, 0x73];
pub(super) const TARGETS: [u8; 2] = [0x63, 0xC0];
pub(super) const SIMPLE_TAG: [u8; 2] = [0x67, 0xC8];
pub(super) const TAG_NAME: [u8; 2] = [0x45, 0xA3];
pub(super) const TAG_TEXT: [u8; 2] = [0x44, 0x87];

pub(super) const CLUSTER: [u8; 4] = [0x1F, 0x43, 0xB6, 0x75];
pub(super) const CLUSTER_START: [u8; 1] = [0xE7];
pub(super) const BLOCK: [u8; 1] = [0xA3];

pub(super) const CUES: [u8; 4] = [0x1C, 0x53, 0xBB, 0x6B];
pub(super) const CUE: [u8; 1] = [0xBB];
pub(super) const CUE_TIME: [u8; 1] = [0xB3];
pub(super) const CUE_PLACES: [u8; 1] = [0xB7];
pub(super) const CUE_TRACK: [u8; 1] = [0xF7];
pub(super) const CUE_CLUSTER: [u8; 1] = [0xF1];

/// An element around its parts.
pub(super) fn element<const N: usize>(id: [u8; N], parts: &[Vec<u8>]) -> Vec<u8> {
    let length = parts.iter().map(Vec::len).sum::<usize>();
    let mut bytes = Vec::with_capacity(N + 8 + length);
    bytes.extend_from_slice(&id);
    bytes.extend_from_slice(&long(length as u64));
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

/// A length in eight bytes, the first of which says so.
pub(super) fn long(length: u64) -> [u8; 8] {
    (length | 1 << 56).to_be_bytes()
}

/// A whole number.
pub(super) fn number<const N: usize>(id: [u8; N], number: u64) -> Vec<u8> {
    element(id, &[number.to_be_bytes().to_vec()])
}

/// A number of double precision.
pub(super) fn float<const N: usize>(id: [u8; N], number: f64) -> Vec<u8> {
    element(id, &[number.to_be_bytes().to_vec()])
}

/// UTF-8.
pub(super) fn text<const N: usize>(id: [u8; N], text: &str) -> Vec<u8> {
    element(id, &[text.as_bytes().to_vec()])
}
