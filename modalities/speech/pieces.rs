//! Long texts in pieces: sentences, as many together as a model says in one go.

/// How much is said in one go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Splitting {
    /// Letters from which on a piece is long enough.
    pub enough: usize,
    /// Letters that a piece has at most.
    pub most: usize,
}

/// Words that end in a full stop without ending a sentence.
const SHORTENED: [&str; 19] = [
    "mr", "mrs", "ms", "dr", "prof", "sr", "jr", "ph.d", "etc", "e.g", "i.e", "vs", "inc", "ltd", "co", "corp", "st",
    "ave", "blvd",
];

/// The pieces of a text, without spaces around them. Paragraphs, which an empty line separates, share none.
pub fn pieces(text: &str, splitting: Splitting) -> Vec<String> {
    let mut pieces = Vec::new();
    for paragraph in paragraphs(text) {
        let mut piece = String::new();
        for sentence in sentences(&paragraph).into_iter().flat_map(|sentence| shortened(sentence, splitting.most)) {
            let joined = joined(&piece, &sentence);
            if !piece.is_empty() && joined.chars().count() > splitting.most {
                pieces.push(std::mem::replace(&mut piece, sentence));
            } else {
                piece = joined;
            }
            if piece.chars().count() >= splitting.enough {
                pieces.push(std::mem::take(&mut piece));
            }
        }
        pieces.extend(Some(piece).filter(|piece| !piece.is_empty()));
    }
    pieces
}

fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for line in text.lines() {
        match (line.trim(), paragraphs.last_mut()) {
            ("", _) => paragraphs.push(String::new()),
            (line, Some(paragraph)) => *paragraph = joined(paragraph, line),
            (_, None) => {}
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

/// A sentence ends behind a full stop, a question or an exclamation mark that a space follows, or behind one of Chinese
/// and Japanese. What stands in double brackets is not looked at.
fn sentences(paragraph: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let (mut rest, mut from) = (paragraph, 0);
    while let Some((at, mark)) = rest.get(from..).and_then(|rest| rest.char_indices().next()) {
        let (begin, end) = (from + at, from + at + mark.len_utf8());
        from = match rest.get(begin..) {
            Some(inside) if inside.starts_with("[[") => inside.find("]]").map_or(rest.len(), |close| begin + close + 2),
            _ => end,
        };
        let next = rest.get(end..).and_then(|rest| rest.chars().next());
        let ends = match mark {
            '。' | '！' | '？' => true,
            '.' => next.is_some_and(char::is_whitespace) && !is_shortened(rest.get(..begin).unwrap_or_default()),
            '!' | '?' => next.is_some_and(char::is_whitespace),
            _ => false,
        };
        if ends {
            let (sentence, behind) = rest.split_at(end);
            sentences.push(sentence.trim());
            (rest, from) = (behind.trim_start(), 0);
        }
    }
    sentences.push(rest.trim());
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// Whether the full stop behind this text belongs to its last word: a title, or an initial.
fn is_shortened(before: &str) -> bool {
    let word = before.rsplit(|c: char| c.is_whitespace() || "([\"'".contains(c)).next().unwrap_or_default();
    let mut letters = word.chars();
    let initial = letters.next().is_some_and(char::is_uppercase) && letters.next().is_none();
    initial || SHORTENED.contains(&word.to_lowercase().as_str())
}

/// A sentence of more than `most` letters in parts: at a space or a comma where there is one.
fn shortened(sentence: &str, most: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = sentence;
    while let Some((end, _)) = rest.char_indices().nth(most.max(1)) {
        let head = rest.get(..end).unwrap_or_default();
        let space = head.rfind(char::is_whitespace);
        let comma = head.rfind(|c| ",;:，；：、".contains(c)).and_then(|at| {
            let comma = head.get(at..)?.chars().next()?;
            Some(at + comma.len_utf8())
        });
        let cut = space.max(comma).filter(|cut| *cut > 0).unwrap_or(end);
        parts.push(rest.get(..cut).unwrap_or_default().trim().to_owned());
        rest = rest.get(cut..).unwrap_or_default().trim_start();
    }
    parts.push(rest.to_owned());
    parts.retain(|part| !part.is_empty());
    parts
}

/// Whether a letter is of a script that writes no spaces between words.
pub(super) fn is_dense(letter: char) -> bool {
    ('\u{2E80}'..'\u{A000}').contains(&letter) || ('\u{F900}'..'\u{FB00}').contains(&letter)
}

/// Two texts as one: scripts without spaces get none.
fn joined(left: &str, right: &str) -> String {
    // Their marks are wide.
    let dense = |letter: Option<char>| letter.is_some_and(|c| is_dense(c) || ('\u{FE30}'..'\u{FFF0}').contains(&c));
    match (left.is_empty(), dense(left.chars().next_back()) || dense(right.chars().next())) {
        (true, _) => right.to_owned(),
        (_, true) => format!("{left}{right}"),
        _ => format!("{left} {right}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_split_at_sentences() {
        let all = Splitting { enough: 40, most: 40 };
        let cases: [(&str, Splitting, &[&str]); 10] = [
            ("One. Two! Three?", all, &["One. Two! Three?"]),
            ("One.  Two\nlines.\n\n A paragraph. ", all, &["One. Two lines.", "A paragraph."]),
            (
                "First sentence of these. Second sentence of these.",
                all,
                &["First sentence of these.", "Second sentence of these."],
            ),
            (
                "It was Dr. Smith of St. Ives, e.g. J. Smith. He was.",
                Splitting { enough: 1, most: 99 },
                &["It was Dr. Smith of St. Ives, e.g. J. Smith.", "He was."],
            ),
            ("Pi is 3.14. Yes.", Splitting { enough: 1, most: 99 }, &["Pi is 3.14.", "Yes."]),
            ("a b c d e f", Splitting { enough: 3, most: 3 }, &["a b", "c d", "e f"]),
            ("abcdefgh", Splitting { enough: 3, most: 3 }, &["abc", "def", "gh"]),
            ("one,two,three", Splitting { enough: 9, most: 9 }, &["one,two,", "three"]),
            ("你好。再见！好", Splitting { enough: 3, most: 9 }, &["你好。", "再见！", "好"]),
            ("[[h. o]] x. y", Splitting { enough: 1, most: 99 }, &["[[h. o]] x.", "y"]),
        ];
        for (text, splitting, want) in cases {
            assert_eq!(pieces(text, splitting), want, "{text}");
        }
        assert_eq!(pieces(" \n\n ", all), Vec::<String>::new());
    }
}
