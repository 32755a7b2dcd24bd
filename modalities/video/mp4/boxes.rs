//! The boxes that MP4 files are made of: a length, a name of four letters, and what is inside (ISO/IEC 14496-12).

/// A box around its parts.
pub(super) fn boxed(name: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let length = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(&(length as u32).to_be_bytes());
    bytes.extend_from_slice(name);
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

/// A box that begins with a version, which is 0, and flags.
pub(super) fn full(name: &[u8; 4], flags: u32, parts: &[&[u8]]) -> Vec<u8> {
    let flags = flags.to_be_bytes();
    boxed(name, &[&[&flags[..]], parts].concat())
}

/// Numbers of 32 bits.
pub(super) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// The boxes that stand in `bytes`, by name and with what is inside. Ends where one is cut off.
pub(super) fn inside(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (name, rest) = rest.split_first_chunk::<4>()?;
        let (length, rest) = match u32::from_be_bytes(*length) as usize {
            // The length is one of 64 bits, or the box reaches to the end.
            1 => {
                let (length, rest) = rest.split_first_chunk::<8>()?;
                (usize::try_from(u64::from_be_bytes(*length)).ok()?.checked_sub(16)?, rest)
            }
            0 => (rest.len(), rest),
            length => (length.checked_sub(8)?, rest),
        };
        let (content, after) = rest.split_at_checked(length)?;
        bytes = after;
        Some((*name, content))
    })
}

/// What is inside the first box of that name.
pub(super) fn find<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    inside(bytes).find(|(own, _)| own == name).map(|(_, content)| content)
}
