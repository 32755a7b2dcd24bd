//! Reuse of keys and values: which places of a canvas a network computes anew, while the others stand as they were.
//!
//! A bidirectional network's keys and values all change when one token does, a little. These rules say where that little
//! is left out. With a refresh at every evaluation each of them computes everything, and nothing is left out.

use anyhow::{Result, bail};

use super::{Canvas, Look};
use crate::sampling::names::simplified;

/// A line of the registry of rules (`--kv-cache`).
#[derive(Debug)]
pub struct Reuse {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a line.
    pub help: &'static str,
    /// Where it is described.
    pub paper: &'static str,
    /// Whether everything is computed anew when a block begins.
    pub refreshes_blocks: bool,
    /// Evaluations between refreshes when nothing is said; `None`: only where a block begins.
    pub refresh: Option<usize>,
    /// Whether a place is computed anew.
    pub is_fresh: fn(&Canvas, &Look, &Kept, usize) -> bool,
}

/// Every rule; the first is the default.
pub const REUSES: &[Reuse] = &[
    Reuse {
        name: "none",
        help: "everything is computed anew",
        paper: "",
        refreshes_blocks: false,
        refresh: None,
        is_fresh: |_, _, _, _| true,
    },
    Reuse {
        name: "prefix",
        help: "what stands before the block is kept while the block lasts",
        paper: "Fast-dLLM: Wu et al. 2025, arXiv 2505.22618",
        refreshes_blocks: true,
        refresh: None,
        is_fresh: |_, look, _, place| place >= look.start,
    },
    Reuse {
        name: "dual",
        help: "what stands before and behind the block is kept while the block lasts",
        paper: "Fast-dLLM: Wu et al. 2025, arXiv 2505.22618",
        refreshes_blocks: true,
        refresh: None,
        is_fresh: |_, look, _, place| look.span().contains(&place),
    },
    Reuse {
        name: "delayed",
        help: "a token is kept from the evaluation on that first sees it; hidden ones never are",
        paper: "dKV-Cache: Ma et al. 2025, arXiv 2505.15781",
        refreshes_blocks: false,
        refresh: Some(8),
        is_fresh: |canvas, _, kept, place| canvas.is_open(place) || kept.token(place) != Some(canvas.token(place)),
    },
];

impl Reuse {
    /// Finds a rule by its name.
    ///
    /// # Errors
    /// For a name that is not known.
    pub fn find(name: &str) -> Result<&'static Reuse> {
        match REUSES.iter().find(|rule| simplified(rule.name) == simplified(name)) {
            Some(rule) => Ok(rule),
            None => {
                let known: Vec<_> = REUSES.iter().map(|rule| rule.name).collect();
                bail!("--kv-cache {name:?} is not known; known are {}", known.join(", "))
            }
        }
    }

    /// Whether everything is always computed anew.
    pub fn is_none(&self) -> bool {
        self.name == "none"
    }
}

/// What is kept of a request: which token each place had when its keys and values were computed.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    tokens: Vec<Option<u32>>,
    /// Where the block began that was last worked on.
    block: usize,
    /// Evaluations since everything was computed.
    age: usize,
}

impl Kept {
    /// The token that a place had when it was last computed; `None` if it never was.
    pub fn token(&self, place: usize) -> Option<u32> {
        self.tokens.get(place).copied().flatten()
    }

    /// The places to compute for a question, and notes that they are. `refresh` is the number of evaluations after which
    /// everything is computed anew, 1 for always; `shifted` where a place's logits come out at the place before it.
    pub fn places(
        &mut self,
        rule: &Reuse,
        refresh: Option<usize>,
        shifted: bool,
        canvas: &Canvas,
        look: &Look,
    ) -> Vec<usize> {
        let all = look.context.min(canvas.len());
        let is_new = self.tokens.len() != all || self.tokens.iter().any(Option::is_none);
        let is_due = refresh.or(rule.refresh).is_some_and(|most| self.age + 1 >= most);
        let begins = rule.refreshes_blocks && self.block != look.start;
        let whole = is_new || is_due || begins;
        let speaks = |place: usize| shifted && look.span().contains(&(place + 1)) && canvas.is_open(place + 1);
        let fresh = |place: &usize| whole || (rule.is_fresh)(canvas, look, self, *place) || speaks(*place);
        let places: Vec<usize> = (0..all).filter(fresh).collect();
        self.age = if whole { 0 } else { self.age + 1 };
        self.block = look.start;
        self.note(canvas, all, &places);
        places
    }

    /// Notes that places are computed as they stand.
    pub fn note(&mut self, canvas: &Canvas, all: usize, places: &[usize]) {
        self.tokens.resize(all.max(self.tokens.len()), None);
        for place in places {
            if let Some(kept) = self.tokens.get_mut(*place) {
                *kept = Some(canvas.token(*place));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::Noise;
    use crate::sampling::unmask::Process;

    fn canvas() -> Canvas {
        let free = vec![false, false, true, true, true, true];
        Canvas::new(Process::Absorbing { mask: 9 }, 10, vec![1, 2, 9, 9, 9, 9], free, &mut Noise::torch(0))
    }

    fn look(start: usize, end: usize) -> Look {
        Look { time: 0.5, sigma: 0.5, start, end, context: 6 }
    }

    fn places(name: &str, refresh: Option<usize>) -> Vec<Vec<usize>> {
        let (rule, mut kept, mut canvas) = (Reuse::find(name).unwrap(), Kept::default(), canvas());
        let mut all = Vec::new();
        for (settled, start, end) in [(None, 2, 4), (Some(2), 2, 4), (Some(3), 4, 6), (Some(5), 4, 6), (None, 4, 6)] {
            settled.iter().for_each(|place| canvas.settle(*place, 5, -0.1));
            all.push(kept.places(rule, refresh, false, &canvas, &look(start, end)));
        }
        all
    }

    #[test]
    fn rules_say_what_is_computed() {
        let whole = vec![0, 1, 2, 3, 4, 5];
        assert_eq!(places("none", None), vec![whole.clone(); 5]);
        assert_eq!(places("prefix", None), [&whole[..], &[2, 3, 4, 5], &whole, &[4, 5], &[4, 5]]);
        assert_eq!(places("dual", None), [&whole[..], &[2, 3], &whole, &[4, 5], &[4, 5]]);
        assert_eq!(places("delayed", None), [&whole[..], &[2, 3, 4, 5], &[3, 4, 5], &[4, 5], &[4]]);
        for rule in REUSES {
            assert_eq!(places(rule.name, Some(1)), vec![whole.clone(); 5], "{}", rule.name);
        }
        assert_eq!(places("delayed", Some(2)), [&whole[..], &[2, 3, 4, 5], &whole, &[4, 5], &whole]);
        let (dual, mut kept, canvas) = (Reuse::find("dual").unwrap(), Kept::default(), canvas());
        let mut shifted = |start| kept.places(dual, None, true, &canvas, &look(start, 6));
        assert_eq!([shifted(4), shifted(4)], [&whole[..], &[3, 4, 5]]);
        assert!(Reuse::find("triple").unwrap_err().to_string().contains("dual"));
    }
}
