//! Texts with gaps: `The ___ of the ___`.

/// A piece of such a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text that is given.
    Text(String),
    /// A gap.
    Gap,
}

/// Underscores that make a gap.
const SHORTEST: usize = 3;

/// Cuts a text at its gaps: three underscores or more.
///
/// A space before a gap belongs to what fills it, as in vocabularies whose words carry the space before them; texts around
/// a gap may be empty.
pub fn gaps(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((start, end)) = next_gap(rest) {
        let before = rest.get(..start).unwrap_or_default();
        pieces.push(Piece::Text(before.strip_suffix(' ').unwrap_or(before).to_owned()));
        pieces.push(Piece::Gap);
        rest = rest.get(end..).unwrap_or_default();
    }
    pieces.push(Piece::Text(rest.to_owned()));
    pieces
}

/// The bytes of the first gap.
fn next_gap(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(start) = text.get(from..)?.find('_').map(|i| i + from) {
        let length = text.get(start..)?.bytes().take_while(|b| *b == b'_').count();
        if length >= SHORTEST {
            return Some((start, start + length));
        }
        from = start + length;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_gaps() {
        let text = |t: &str| Piece::Text(t.to_owned());
        let cases = [
            ("The ___ of the ___", vec![text("The"), Piece::Gap, text(" of the"), Piece::Gap, text("")]),
            ("_____.", vec![text(""), Piece::Gap, text(".")]),
            ("snake_case __ none", vec![text("snake_case __ none")]),
            ("é ___ü", vec![text("é"), Piece::Gap, text("ü")]),
            ("", vec![text("")]),
        ];
        for (given, want) in cases {
            assert_eq!(gaps(given), want, "{given}");
        }
    }
}
