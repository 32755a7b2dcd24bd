//! Text as ZipVoice's front end reads it: words through a lexicon to the tokens of sounds.
//!
//! Files and rules as in sherpa-onnx (`matcha-tts-lexicon.cc`), but for words that the lexicon does not have: sherpa-onnx
//! asks eSpeak NG for their sounds. Here they are named, and their sounds can be written in double brackets as eSpeak NG
//! reads them: `[[həlˈoʊ wˈɜːld]]`.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::pieces::is_dense;

/// Tokens, and words that are made of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Lexicon {
    tokens: HashMap<String, i64>,
    words: HashMap<String, Vec<i64>>,
    /// Letters of the longest word that is not written with an alphabet.
    longest: usize,
    /// Whether letters stand for sounds that a word has to be looked up for.
    sounds: bool,
}

/// What stands for the space between two words.
const SPACE: &str = " ";

/// Marks that are read as others.
const READ_AS: [(char, char); 13] = [
    ('，', ','),
    ('、', ','),
    ('；', ';'),
    ('：', ','),
    (':', ','),
    ('。', '.'),
    ('？', '?'),
    ('！', '!'),
    ('\u{2018}', '\''),
    ('\u{2019}', '\''),
    ('\u{201C}', '"'),
    ('\u{201D}', '"'),
    ('\u{22EF}', '\u{2026}'),
];

const MARKS: &str = ",.;!?\u{2026}";

impl Lexicon {
    /// Reads the table of tokens and, where there is one, the lexicon. `sounds` says whether tokens are sounds, so that a
    /// word of letters is none of their sequences.
    ///
    /// # Errors
    /// When a file cannot be read, with its line.
    pub(super) fn open(tokens: &Path, lexicon: Option<&Path>, sounds: bool) -> Result<Self> {
        let mut read = Self { sounds, ..Self::default() };
        for (number, line) in lines(tokens)? {
            // The space is a token too.
            let parts = line.rsplit_once(['\t', ' ']).or(Some((SPACE, line.as_str())));
            let token = parts.and_then(|(token, id)| Some((token, id.trim().parse().ok()?)));
            let (token, id) = token.with_context(|| no_line(tokens, number, "a token and its number"))?;
            read.tokens.insert(if token.trim().is_empty() { SPACE } else { token.trim() }.to_owned(), id);
        }
        ensure!(!read.tokens.is_empty(), "{} has no tokens; download it again", tokens.display());
        for (number, line) in lexicon.map(lines).transpose()?.into_iter().flatten() {
            let path = lexicon.unwrap_or(tokens);
            let mut parts = line.split_whitespace();
            let word = parts.next().unwrap_or_default().to_lowercase();
            let ids: Option<Vec<i64>> = parts.map(|token| read.tokens.get(token).copied()).collect();
            // Lexicons have words with tokens that a model lacks: they are not among its words.
            if ids.as_ref().is_some_and(Vec::is_empty) {
                bail!("{}", no_line(path, number, "a word and its tokens"));
            }
            if let Some(ids) = ids {
                read.longest = read.longest.max(word.chars().count());
                read.words.entry(word).or_insert(ids);
            }
        }
        Ok(read)
    }

    fn token(&self, text: &str) -> Option<i64> {
        self.tokens.get(text).copied()
    }

    /// The tokens of a text, which ends with a mark.
    ///
    /// # Errors
    /// Naming the words that the model cannot say, and the remedy.
    pub(super) fn ids(&self, text: &str) -> Result<Vec<i64>> {
        let (mut ids, mut unknown, mut rest) = (Vec::new(), Vec::new(), text.trim());
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix("[[") {
                let Some((sounds, behind)) = inside.split_once("]]") else {
                    bail!("the double bracket in {text:?} is not closed; end the sounds with ]]")
                };
                self.add_sounds(sounds, &mut ids)?;
                rest = behind;
                continue;
            }
            let (word, behind) = self.next(rest);
            rest = behind;
            self.add(word, &mut ids, &mut unknown);
        }
        ensure!(
            unknown.is_empty(),
            "the model's lexicon does not have {}; write how it sounds in double brackets, such as [[həlˈoʊ]] for hello \
             (`espeak-ng --ipa -q -v en-us \"hello\"` tells it)",
            unknown.join(", ")
        );
        self.end(&mut ids);
        ensure!(!ids.is_empty(), "there is nothing to say: the text is empty");
        Ok(ids)
    }

    /// The next word of a text: of letters and apostrophes together, else the longest that the lexicon has.
    fn next<'a>(&self, text: &'a str) -> (&'a str, &'a str) {
        let alphabetic = |c: char| c.is_alphanumeric() && !is_dense(c) || c == '\'' || c == '-';
        let letters = text.find(|c: char| !alphabetic(c)).unwrap_or(text.len());
        if letters > 0 && text.starts_with(char::is_alphanumeric) {
            return text.split_at(letters);
        }
        let ends = text.char_indices().map(|(at, c)| at + c.len_utf8()).take(self.longest.max(1));
        let ends: Vec<usize> = ends.collect();
        let known = ends.iter().rev().find(|end| text.get(..**end).is_some_and(|word| self.words.contains_key(word)));
        text.split_at(known.or(ends.first()).copied().unwrap_or(text.len()))
    }

    fn add(&self, word: &str, ids: &mut Vec<i64>, unknown: &mut Vec<String>) {
        let one = word.chars().next().filter(|c| c.len_utf8() == word.len());
        let read = one.map(|c| READ_AS.iter().find(|(from, _)| *from == c).map_or(c, |(_, to)| *to));
        match read {
            Some(space) if space.is_whitespace() => return self.add_space(ids),
            Some(mark) if MARKS.contains(mark) => return self.add_mark(mark, ids, unknown),
            _ => {}
        }
        let read = read.map_or(word.to_lowercase(), |c| c.to_lowercase().collect());
        let spelled = || word.chars().map(|c| self.token(c.encode_utf8(&mut [0; 4]))).collect::<Option<Vec<_>>>();
        let found = self.words.get(&read).cloned();
        let found = found.or_else(|| if self.sounds { self.mark_like(&read) } else { spelled() });
        match found {
            Some(found) => ids.extend(found),
            None if unknown.iter().any(|known| known == &format!("{word:?}")) => {}
            None => unknown.push(format!("{word:?}")),
        }
    }

    /// Of what is no letter, its own token.
    fn mark_like(&self, text: &str) -> Option<Vec<i64>> {
        let is_word = text.chars().any(char::is_alphanumeric);
        self.token(text).filter(|_| !is_word).map(|id| vec![id])
    }

    /// A space, unless one stands before it.
    fn add_space(&self, ids: &mut Vec<i64>) {
        if let (Some(space), Some(last)) = (self.token(SPACE), ids.last())
            && *last != space
        {
            ids.push(space);
        }
    }

    /// A mark, unless one stands before it; a space before it goes.
    fn add_mark(&self, mark: char, ids: &mut Vec<i64>, unknown: &mut Vec<String>) {
        let Some(id) = self.token(mark.encode_utf8(&mut [0; 4])) else { return unknown.push(format!("{mark:?}")) };
        if ids.last().copied() == self.token(SPACE) {
            ids.pop();
        }
        if ids.last().is_some_and(|last| !self.is_mark(*last)) {
            ids.push(id);
        }
    }

    fn is_mark(&self, id: i64) -> bool {
        MARKS.chars().any(|mark| self.token(mark.encode_utf8(&mut [0; 4])) == Some(id))
    }

    /// A full stop where no mark stands at the end, as the model's authors have it.
    fn end(&self, ids: &mut Vec<i64>) {
        while ids.last().copied().is_some_and(|last| Some(last) == self.token(SPACE)) {
            ids.pop();
        }
        if let (Some(stop), Some(last)) = (self.token("."), ids.last())
            && !self.is_mark(*last)
        {
            ids.push(stop);
        }
    }

    /// Sounds, as they are written in double brackets: whole tokens, or words of one token a letter, between which spaces
    /// stand.
    fn add_sounds(&self, text: &str, ids: &mut Vec<i64>) -> Result<()> {
        let mut spelled_before = false;
        for item in text.split_whitespace() {
            let whole = self.token(item).filter(|_| item.chars().count() > 1);
            if let Some(id) = whole {
                ids.push(id);
                spelled_before = false;
                continue;
            }
            if spelled_before {
                self.add_space(ids);
            }
            for sound in item.chars() {
                let id = self.token(sound.encode_utf8(&mut [0; 4]));
                let missing = || {
                    format!(
                        "[[{item}]] has the sound {sound:?} (U+{:04X}), which is no token of the model; tokens.txt lists them",
                        u32::from(sound)
                    )
                };
                ids.push(id.with_context(missing)?);
            }
            spelled_before = true;
        }
        Ok(())
    }
}

/// The lines of a file that are not empty, with their numbers.
fn lines(path: &Path) -> Result<Vec<(usize, String)>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    Ok(lines.map(|(number, line)| (number + 1, line.to_owned())).collect())
}

fn no_line(path: &Path, number: usize, what: &str) -> String {
    format!("line {number} of {} is not {what}; download it again", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexicon(sounds: bool) -> Lexicon {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let tokens = path(
            "tokens.txt",
            "_\t0\n \t1\n,\t2\n.\t3\nh\t4\nə\t5\nl\t6\no\t7\nn0\t8\ni3\t9\nh0\t10\nao3\t11\n!\t12\n",
        );
        let words = path("lexicon.txt", "Hello h ə l o\n你 n0 i3\n好 h0 ao3\n你好 n0 i3 h0\nrare zz\n");
        Lexicon::open(&tokens, Some(&words), sounds).unwrap()
    }

    #[test]
    fn words_become_tokens() {
        let cases: [(&str, &[i64]); 9] = [
            ("hello", &[4, 5, 6, 7, 3]),
            ("Hello , hello!", &[4, 5, 6, 7, 2, 1, 4, 5, 6, 7, 12]),
            ("hello   hello.", &[4, 5, 6, 7, 1, 4, 5, 6, 7, 3]),
            ("你好 好", &[8, 9, 10, 1, 10, 11, 3]),
            ("好你。", &[10, 11, 8, 9, 3]),
            ("hello：好", &[4, 5, 6, 7, 2, 10, 11, 3]),
            ("[[həl lo]], hello", &[4, 5, 6, 1, 6, 7, 2, 1, 4, 5, 6, 7, 3]),
            ("[[n0 i3 h]]!!", &[8, 9, 4, 12]),
            ("好...", &[10, 11, 3]),
        ];
        for (text, want) in cases {
            assert_eq!(lexicon(true).ids(text).unwrap(), want, "{text}");
        }
        assert_eq!(lexicon(false).ids("hol").unwrap(), [4, 7, 6, 3]);
    }

    #[test]
    fn what_cannot_be_said_is_named() {
        let cases = [
            ("hello hol, hol there", "\"hol\", \"there\""),
            ("rare", "\"rare\""),
            ("马", "\"马\""),
            ("[[hx]]", "'x'"),
            ("[[hello", "not closed"),
            ("", "nothing to say"),
            (" , ", "nothing to say"),
            ("3", "\"3\""),
        ];
        for (text, part) in cases {
            let error = lexicon(true).ids(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
