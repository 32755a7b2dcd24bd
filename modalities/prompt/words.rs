//! CLIP's word pattern, as a scanner:
//! `<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`, ignoring case.
//!
//! Compiling that expression costs more than a cold start can spare, and a backtracking engine has failures to handle.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

const FIXED: [&str; 9] = ["<|startoftext|>", "<|endoftext|>", "'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

/// The words of a cleaned, lower-case text, in order.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let (word, after) = rest.split_at(first(rest));
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

/// Bytes of the word at the start of `text`, which does not start with white space.
fn first(text: &str) -> usize {
    if let Some(length) = FIXED.iter().find_map(|fixed| prefix(text, fixed)) {
        return length;
    }
    let Some(head) = text.chars().next() else { return 0 };
    match kind(head) {
        Kind::Number => head.len_utf8(),
        kind_of_head => text.find(|c| kind(c) != kind_of_head).unwrap_or(text.len()),
    }
}

/// Bytes of `text` that equal `fixed`. The long s is the one lower-case letter that case folding takes for another here.
fn prefix(text: &str, fixed: &str) -> Option<usize> {
    let mut chars = text.chars();
    let fits = fixed.chars().all(|f| chars.next().is_some_and(|c| c == f || (c == 'ſ' && f == 's')));
    fits.then(|| text.len() - chars.as_str().len())
}

#[derive(PartialEq, Clone, Copy)]
enum Kind {
    Letter,
    Number,
    Space,
    Other,
}

fn kind(c: char) -> Kind {
    match c.general_category_group() {
        GeneralCategoryGroup::Letter => Kind::Letter,
        GeneralCategoryGroup::Number => Kind::Number,
        _ if c.is_whitespace() => Kind::Space,
        _ => Kind::Other,
    }
}
