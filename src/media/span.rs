//! Spans of time, as they are typed.

use std::fmt;

use anyhow::{Context, Result, ensure};

/// From one moment to another, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Where it begins.
    pub from: f64,
    /// Where it ends; with the sound when not given.
    pub to: Option<f64>,
}

/// Spans such as `1.2s..2.0s`, `500ms..1s,3s..`; without a unit, numbers are seconds.
///
/// # Errors
/// Naming what is no span.
pub fn spans(text: &str) -> Result<Vec<Span>> {
    text.split(',').map(span).collect()
}

fn span(text: &str) -> Result<Span> {
    let none = || format!("{text:?} is no span of time: write it as 1.2s..2.0s, 3s.. or ..500ms");
    let (from, to) = text.trim().split_once("..").with_context(none)?;
    let moment = |text: &str| match text.trim() {
        "" => Ok(None),
        text => seconds(text).with_context(none).map(Some),
    };
    let (from, to) = (moment(from)?.unwrap_or(0.0), moment(to)?);
    ensure!(to.is_none_or(|to| to > from), "the span {text:?} ends before it begins");
    Ok(Span { from, to })
}

fn seconds(text: &str) -> Option<f64> {
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 0.001),
        (None, Some(number)) => (number, 1.0),
        (None, None) => (text, 1.0),
    };
    number.trim().parse::<f64>().ok().map(|number| number * unit).filter(|number| number.is_finite() && *number >= 0.0)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s..", self.from)?;
        self.to.map_or(Ok(()), |to| write!(f, "{to}s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_they_are_typed() {
        let cases = [
            ("1.2s..2.0s", vec![(1.2, Some(2.0))]),
            ("..500ms", vec![(0.0, Some(0.5))]),
            ("3 .. ", vec![(3.0, None)]),
            ("0s..1s, 2s..", vec![(0.0, Some(1.0)), (2.0, None)]),
            ("..", vec![(0.0, None)]),
        ];
        for (text, want) in cases {
            let want: Vec<_> = want.into_iter().map(|(from, to)| Span { from, to }).collect();
            assert_eq!(spans(text).unwrap(), want, "{text}");
        }
        for text in ["", "1s", "2s..1s", "1s..1s", "x..y", "-1s..2s", "1s..2s,", "nan..1"] {
            assert!(spans(text).is_err(), "{text}");
        }
    }
}
