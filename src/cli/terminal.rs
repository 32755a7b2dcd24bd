//! Pictures in terminals that show them: by the protocols of kitty and iTerm2, or in half blocks of 24-bit colours.
//!
//! The terminal is recognised by its environment, never asked, so that one that does not answer cannot hold up a run. The
//! crates that print pictures bring a palette under the LGPL and ask.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

use anyhow::{Context, Result};
use edrun_modalities::Info;
use edrun_modalities::image::{Depth, Format, Picture};

/// Columns of a preview: large enough to judge, small enough to leave the text in sight.
const COLUMNS: usize = 48;
/// The longest piece of a picture that kitty takes at once.
const PIECE: usize = 4096;

/// How a terminal takes pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Kitty,
    Iterm,
    Blocks,
}

/// Shows a picture on standard error, where progress is shown too, if it is a terminal that can.
pub(super) fn show(picture: &Picture) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let Some(protocol) = Protocol::of(|name| std::env::var(name).unwrap_or_default()) else { return };
    // A terminal that refuses is no reason to stop a run.
    let _ = protocol.draw(picture).map(|drawn| std::io::stderr().write_all(drawn.as_bytes()));
}

impl Protocol {
    /// By the variables that terminals set.
    fn of(variable: impl Fn(&str) -> String) -> Option<Self> {
        let (term, program) = (variable("TERM"), variable("TERM_PROGRAM"));
        // What stands between the program and the terminal passes no pictures on.
        let bare = !term.starts_with("screen") && !term.starts_with("tmux");
        let iterm =
            ["iTerm.app", "WezTerm", "mintty"].contains(&program.as_str()) || variable("LC_TERMINAL") == "iTerm2";
        let kitty = term.contains("kitty") || program == "ghostty" || !variable("KITTY_WINDOW_ID").is_empty();
        match variable("COLORTERM").as_str() {
            _ if bare && iterm => Some(Self::Iterm),
            _ if bare && kitty => Some(Self::Kitty),
            "truecolor" | "24bit" => Some(Self::Blocks),
            _ => None,
        }
    }

    /// What to write to the terminal.
    fn draw(self, picture: &Picture) -> Result<String> {
        if self == Self::Blocks {
            return blocks(picture);
        }
        let format = Format::of_extension("png").context("PNG is gone")?;
        let data = base64(&format.encode(picture, &Info::default(), Depth::Eight)?);
        Ok(match self {
            Self::Iterm => format!("\x1b]1337;File=inline=1;width={COLUMNS}:{data}\x07\n"),
            _ => kitty(&data),
        })
    }
}

/// kitty's graphics protocol: PNG data in pieces, the first of which says what it is.
fn kitty(data: &str) -> String {
    let pieces: Vec<&str> = data.as_bytes().chunks(PIECE).filter_map(|piece| std::str::from_utf8(piece).ok()).collect();
    let mut drawn = String::new();
    for (i, piece) in pieces.iter().enumerate() {
        let head = if i == 0 { format!("a=T,f=100,q=2,c={COLUMNS},") } else { String::new() };
        let more = usize::from(i + 1 < pieces.len());
        // Writing to a text cannot fail.
        let _ = write!(drawn, "\x1b_G{head}m={more};{piece}\x1b\\");
    }
    drawn + "\n"
}

/// Two pixels a letter: the upper half block in one colour on another.
fn blocks(picture: &Picture) -> Result<String> {
    let height = (COLUMNS * picture.height / picture.width.max(1)).max(2).next_multiple_of(2);
    let small = picture.resized(COLUMNS, height)?.to_rgb8();
    let mut drawn = String::new();
    for pair in small.chunks_exact(COLUMNS * 3 * 2) {
        let (upper, lower) = pair.split_at(COLUMNS * 3);
        for (u, l) in upper.chunks_exact(3).zip(lower.chunks_exact(3)) {
            let _ = write!(drawn, "\x1b[38;2;{};{};{};48;2;{};{};{}m\u{2580}", u[0], u[1], u[2], l[0], l[1], l[2]);
        }
        drawn += "\x1b[0m\n";
    }
    Ok(drawn)
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |bits: u32, shift: u32| char::from(LETTERS[(bits >> shift & 63) as usize]);
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        let letters = [letter(bits, 18), letter(bits, 12), letter(bits, 6), letter(bits, 0)];
        text.extend(letters.iter().take(three.len() + 1));
        text.extend(std::iter::repeat_n('=', 3 - three.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_known_by_their_environment() {
        type Variables = &'static [(&'static str, &'static str)];
        let cases: &[(Variables, Option<Protocol>)] = &[
            (&[], None),
            (&[("TERM", "xterm-256color")], None),
            (&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")], Some(Protocol::Blocks)),
            (&[("TERM", "xterm-kitty"), ("COLORTERM", "truecolor")], Some(Protocol::Kitty)),
            (&[("TERM_PROGRAM", "ghostty")], Some(Protocol::Kitty)),
            (&[("TERM_PROGRAM", "WezTerm"), ("COLORTERM", "truecolor")], Some(Protocol::Iterm)),
            (&[("LC_TERMINAL", "iTerm2")], Some(Protocol::Iterm)),
            (&[("TERM", "tmux-256color"), ("KITTY_WINDOW_ID", "1"), ("COLORTERM", "24bit")], Some(Protocol::Blocks)),
            (&[("TERM", "screen"), ("TERM_PROGRAM", "iTerm.app")], None),
        ];
        for (variables, want) in cases {
            let variable = |name: &str| variables.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v).to_owned();
            assert_eq!(Protocol::of(variable), *want, "{variables:?}");
        }
    }

    #[test]
    fn base64_is_that_of_the_standard() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[0xff, 0xef, 0xbe]), "/+++");
    }

    #[test]
    fn blocks_show_two_pixels_each() {
        let red_over_blue = [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        let rgb = red_over_blue.iter().flat_map(|colour| colour.repeat(COLUMNS * COLUMNS / 2)).collect();
        let drawn = blocks(&Picture::new(COLUMNS, COLUMNS, rgb).unwrap()).unwrap();
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines.len(), COLUMNS / 2);
        assert!(lines[0].starts_with("\x1b[38;2;255;0;0;48;2;255;0;0m\u{2580}") && lines[0].ends_with("\x1b[0m"));
        assert!(lines[COLUMNS / 2 - 1].starts_with("\x1b[38;2;0;0;255;48;2;0;0;255m"));
    }

    #[test]
    fn kitty_takes_pieces_and_iterm_one() {
        let data = "A".repeat(PIECE + 4);
        let drawn = kitty(&data);
        assert_eq!(drawn.matches("\x1b_G").count(), 2);
        assert!(drawn.starts_with("\x1b_Ga=T,f=100,q=2,c=48,m=1;AAAA") && drawn.ends_with("\x1b_Gm=0;AAAA\x1b\\\n"));
        let picture = Picture::new(1, 1, vec![0.0; 3]).unwrap();
        let drawn = Protocol::Iterm.draw(&picture).unwrap();
        assert!(drawn.starts_with("\x1b]1337;File=inline=1;width=48:iVBORw0KGgo"), "{drawn}");
    }
}
