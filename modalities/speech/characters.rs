//! Text as Supertonic's front end reads it: code points, decomposed and cleaned up, through a table.
//!
//! The steps and their order are those of the model's own front ends (supertone-inc/supertonic `py/helper.py` and
//! `supertonic-py` `core.py`).

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use edrun_onnx::Folder;
use tokenizers::NormalizedString;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// What stands for each code point; below 0 for those that the model does not know.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Characters(Vec<i64>);

/// The tables of Supertone's own folders and of sherpa-onnx's.
const TABLES: [&str; 2] = ["unicode_indexer.json", "unicode_indexer.bin"];

/// Pictures and signs that are not read aloud.
const PICTURES: [std::ops::RangeInclusive<char>; 5] = [
    '\u{1F1E6}'..='\u{1F1FF}',
    '\u{1F300}'..='\u{1F64F}',
    '\u{1F680}'..='\u{1FAFF}',
    '\u{2600}'..='\u{27BF}',
    '\u{FE00}'..='\u{FE0F}',
];

/// What is read as something else, in this order.
const READ_AS: [(&str, &str); 34] = [
    ("\u{2013}", "-"),
    ("\u{2011}", "-"),
    ("\u{2010}", "-"),
    ("\u{2014}", "-"),
    ("\u{AF}", " "),
    ("_", " "),
    ("\u{201C}", "\""),
    ("\u{201D}", "\""),
    ("\u{2018}", "'"),
    ("\u{2019}", "'"),
    ("\u{B4}", "'"),
    ("`", "'"),
    ("[", " "),
    ("]", " "),
    ("|", " "),
    ("/", " "),
    ("#", " "),
    ("\u{2192}", " "),
    ("\u{2190}", " "),
    ("\u{2665}", ""),
    ("\u{2606}", ""),
    ("\u{2661}", ""),
    ("\u{A9}", ""),
    ("\\", ""),
    ("@", " at "),
    ("e.g.,", "for example, "),
    ("i.e.,", "that is, "),
    (" ,", ","),
    (" .", "."),
    (" !", "!"),
    (" ?", "?"),
    (" ;", ";"),
    (" :", ":"),
    (" '", "'"),
];

/// What a text ends with that needs no full stop.
const ENDS: &str = ".!?;:,'\")]}\u{2026}\u{3002}\u{300D}\u{300F}\u{3011}\u{3009}\u{300B}\u{203A}\u{BB}";

impl Characters {
    /// Reads the table of a folder.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub(super) fn open(folder: &Folder) -> Result<Self> {
        let Some(path) = TABLES.iter().find_map(|name| folder.beside_graphs(name)) else {
            bail!("{} has no {}; download the model again", folder.path().display(), TABLES.join(" and no "))
        };
        let read = || -> Result<Vec<i64>> {
            let bytes = std::fs::read(&path)?;
            match path.extension().is_some_and(|ending| ending == "bin") {
                true => numbers(&bytes),
                false => Ok(serde_json::from_slice(&bytes)?),
            }
        };
        let table = read().with_context(|| damaged(&path))?;
        ensure!(!table.is_empty(), "{}: it is empty", damaged(&path));
        Ok(Self(table))
    }

    fn id(&self, letter: char) -> Option<i64> {
        self.0.get(letter as usize).copied().filter(|id| *id >= 0)
    }

    /// What stands for a text, in tags of its `language` where one is given.
    ///
    /// # Errors
    /// Naming a letter that the model does not know.
    pub(super) fn ids(&self, text: &str, language: Option<&str>) -> Result<Vec<i64>> {
        let read = self.prepared(text);
        ensure!(!read.is_empty(), "nothing of {text:?} can be said aloud");
        let tagged = match language {
            Some(language) => format!("<{language}>{read}</{language}>"),
            None => read,
        };
        let unknown = |letter: char| {
            format!(
                "the model does not know the letter {letter:?} (U+{:04X}) in {text:?}; leave it out, or spell what it says",
                u32::from(letter)
            )
        };
        tagged.chars().map(|letter| self.id(letter).with_context(|| unknown(letter))).collect()
    }

    /// A text as it is read.
    fn prepared(&self, text: &str) -> String {
        let mut text: String = decomposed(text).chars().filter(|letter| !is_picture(*letter)).collect();
        for (from, to) in READ_AS {
            text = text.replace(from, to);
        }
        // Models of English alone know no accents, and leave them out.
        text.retain(|letter| {
            letter.general_category_group() != GeneralCategoryGroup::Mark || self.id(letter).is_some()
        });
        let quotes = |text: String, quote: char| collapsed(&text, quote);
        let text = quotes(quotes(text, '"'), '\'');
        let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.chars().next_back().is_some_and(|last| !ENDS.contains(last)) {
            text.push('.');
        }
        text
    }
}

/// The compatibility decomposition (NFKD).
fn decomposed(text: &str) -> String {
    let mut text = NormalizedString::from(text);
    text.nfkd();
    text.get().to_owned()
}

fn is_picture(letter: char) -> bool {
    PICTURES.iter().any(|range| range.contains(&letter))
}

/// Several of a letter in a row as one.
fn collapsed(text: &str, letter: char) -> String {
    let mut last = None;
    let mut kept = String::with_capacity(text.len());
    for next in text.chars() {
        if !(next == letter && last == Some(letter)) {
            kept.push(next);
        }
        last = Some(next);
    }
    kept
}

/// Whole numbers of 32 bits.
fn numbers(bytes: &[u8]) -> Result<Vec<i64>> {
    ensure!(bytes.len().is_multiple_of(4), "its size is no multiple of 4");
    let number = |four: &[u8]| four.try_into().map(|four| i64::from(i32::from_le_bytes(four)));
    Ok(bytes.chunks_exact(4).map(number).collect::<Result<_, _>>()?)
}

fn damaged(path: &Path) -> String {
    format!("{} is no table of letters; download it again", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn english() -> Characters {
        let known = |code: u8| if code.is_ascii_graphic() || code == b' ' { i64::from(code) } else { -1 };
        Characters((0..128).map(known).collect())
    }

    #[test]
    fn texts_are_read_as_the_model_s_front_end_reads_them() {
        let cases = [
            ("Hello", "Hello."),
            ("Is it \u{201C}new\u{201D}?", "Is it \"new\"?"),
            ("a \u{2014} b \u{1F600} c", "a - b c."),
            ("caf\u{E9} \u{FB01}rst", "cafe first."),
            ("me@home, e.g., at   work !", "me at home, for example, at work!"),
            ("it''s [so] / \"\"odd\"\"", "it's so \"odd\""),
            ("\u{BD} of it\u{2026}", "1\u{2044}2 of it..."),
            (" \u{2665} ", ""),
        ];
        for (text, want) in cases {
            assert_eq!(english().prepared(text), want, "{text}");
        }
    }

    #[test]
    fn a_letter_that_is_not_known_is_named() {
        let error = english().ids("a \u{4F60} b", None).unwrap_err().to_string();
        assert!(error.contains("U+4F60") && error.contains("leave it out"), "{error}");
        assert_eq!(english().ids("a", Some("en")).unwrap(), "<en>a.</en>".bytes().map(i64::from).collect::<Vec<_>>());
        assert!(english().ids("\u{1F600}", None).is_err());
    }
}
