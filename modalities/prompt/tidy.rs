//! How the pipelines of Wan clean a prompt before it is read.

use tokenizers::NormalizedString;

/// Plain quotes, letters of ordinary width and no ligatures, as ftfy's `fix_text` makes them; references such as `&amp;` resolved
/// twice; every space a single one.
///
/// Text that was decoded in the wrong encoding is left as it is, which ftfy would mend.
pub fn tidy(text: &str) -> String {
    let plain = plain(&resolved(&resolved(text)));
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{2018}'..='\u{201b}' => out.push('\''),
            '\u{201c}'..='\u{201f}' => out.push('"'),
            '\u{fb00}' => out.push_str("ff"),
            '\u{fb01}' => out.push_str("fi"),
            '\u{fb02}' => out.push_str("fl"),
            '\u{fb03}' => out.push_str("ffi"),
            '\u{fb04}' => out.push_str("ffl"),
            '\u{fb05}' => out.push_str("ſt"),
            '\u{fb06}' => out.push_str("st"),
            '\u{3000}' => out.push(' '),
            // The wide forms of ASCII.
            '\u{ff01}'..='\u{ff5e}' => out.extend(char::from_u32(c as u32 - 0xfee0)),
            _ if c.is_control() && !c.is_whitespace() => {}
            _ => out.push(c),
        }
    }
    NormalizedString::from(out).nfc().get().to_owned()
}

/// Character references of HTML, as far as prompts have them: the five of XML, spaces that do not break, and numbers.
fn resolved(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let named = from
            .get(1..)
            .and_then(|name| name.split_once(';'))
            .and_then(|(name, behind)| Some((character(name)?, behind)));
        match named {
            Some((c, behind)) => {
                out.push(c);
                rest = behind;
            }
            None => {
                out.push('&');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

fn character(name: &str) -> Option<char> {
    let number = |text: &str, radix| u32::from_str_radix(text, radix).ok().and_then(char::from_u32);
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        _ => {
            let digits = name.strip_prefix('#')?;
            digits.strip_prefix(['x', 'X']).map_or_else(|| number(digits, 10), |hex| number(hex, 16))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `ftfy.fix_text`, `html.unescape` twice and collapsing of spaces give.
    #[test]
    fn prompts_are_cleaned_as_the_reference_does() {
        for (given, wanted) in [
            ("  a  red\n\tcube ", "a red cube"),
            ("a &amp;quot;cube&amp;quot; &lt; b &#65;&#x42;", "a \"cube\" < b AB"),
            ("“a cat’s ﬁsh”", "\"a cat's fish\""),
            ("ＬＯＵＤ　ｎｏｉｓｅｓ", "LOUD noises"),
            ("cafe\u{301} & tea; &unknown;", "café & tea; &unknown;"),
            ("a\u{0}b", "ab"),
            ("", ""),
        ] {
            assert_eq!(tidy(given), wanted, "{given:?}");
        }
    }
}
