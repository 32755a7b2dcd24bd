//! Names as users type them.

/// A name without case, spaces, hyphens and underscores; `+` reads as `p`, as in `DPM++`.
pub fn simplified(name: &str) -> String {
    let kept = name.chars().filter(|c| c.is_alphanumeric() || *c == '+');
    kept.flat_map(char::to_lowercase).collect::<String>().replace('+', "p")
}

/// The known names closest to a mistyped one, nearest first, at most four.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest_of(name, known.map(|known| (known, known)))
}

/// The same where things have other names beside the one they go by: pairs of `(a name, the one it goes by)`.
pub fn nearest_of<'a>(name: &str, known: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut known: Vec<_> = known.map(|(k, shown)| (distance(&simplified(name), &simplified(k)), shown)).collect();
    known.sort_by_key(|(distance, _)| *distance);
    let mut shown: Vec<&str> = Vec::new();
    for (_, name) in known {
        if shown.len() < 4 && !shown.contains(&name) {
            shown.push(name);
        }
    }
    shown.join(", ")
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, cb) in row.iter_mut().skip(1).zip(&b) {
            let best = (diagonal + usize::from(ca != *cb)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, best);
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_neighbours() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(nearest("eulr", ["heun", "euler"].into_iter()), "euler, heun");
        assert_eq!(simplified("DPM++ 2M"), "dpmpp2m");
    }
}
