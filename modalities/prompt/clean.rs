//! What transformers' `BasicTokenizer(strip_accents=False, do_split_on_punc=False)` does to a text before CLIP's words are
//! cut from it: control characters out, spaces around Chinese characters, composed accents, lower case.

use tokenizers::NormalizedString;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// The cleaned text, its words separated by single spaces.
pub fn clean(text: &str) -> String {
    let composed = compose(spaced(text));
    let mut out = String::with_capacity(composed.len());
    for word in composed.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        // Word by word, because a Greek final sigma is decided by what stands around it.
        out.push_str(&word.to_lowercase());
    }
    out
}

fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|&c| !dropped(c)) {
        match c {
            _ if blank(c) => out.push(' '),
            _ if chinese(c) => out.extend([' ', c, ' ']),
            _ => out.push(c),
        }
    }
    out
}

fn compose(text: String) -> String {
    // Nothing below the combining marks changes under composition.
    if text.chars().all(|c| c < '\u{300}') {
        return text;
    }
    NormalizedString::from(text).nfc().get().to_owned()
}

fn dropped(c: char) -> bool {
    c == '\u{fffd}' || (c.general_category_group() == GeneralCategoryGroup::Other && !matches!(c, '\t' | '\n' | '\r'))
}

fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r') || c.general_category() == GeneralCategory::SpaceSeparator
}

/// The ideograph blocks that BERT's tokenizer lists; Hangul and the Japanese syllabaries are not among them.
fn chinese(c: char) -> bool {
    matches!(c,
        '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{20000}'..='\u{2a6df}' | '\u{2a700}'..='\u{2b73f}'
        | '\u{2b740}'..='\u{2b81f}' | '\u{2b820}'..='\u{2ceaf}' | '\u{f900}'..='\u{faff}' | '\u{2f800}'..='\u{2fa1f}')
}
