//! Parts of a clip that are decoded one at a time, how they overlap, and how they fade into one another.

/// A stretch of an axis, in latents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) length: usize,
}

/// An axis in overlapping stretches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    pub(super) spans: Vec<Span>,
    /// Latents by which neighbours overlap, at least.
    overlap: usize,
}

impl Span {
    pub(super) fn end(self) -> usize {
        self.start + self.length
    }
}

impl Axis {
    /// The whole axis at once.
    pub(super) fn whole(length: usize) -> Self {
        Self { spans: vec![Span { start: 0, length }], overlap: 0 }
    }

    /// One latent after another.
    pub(super) fn steps(length: usize) -> Self {
        Self { spans: (0..length).map(|start| Span { start, length: 1 }).collect(), overlap: 0 }
    }

    /// As few stretches of at most `most` latents as overlap by a quarter of that; of exactly `most` where they are `rigid`.
    pub(super) fn cut(length: usize, most: usize, rigid: bool) -> Self {
        let most = most.max(1);
        if length <= most {
            return Self::whole(length);
        }
        let overlap = (most / 4).max(2).min(most - 1);
        let count = (length - overlap).div_ceil(most - overlap);
        let each = if rigid { most } else { (length + (count - 1) * overlap).div_ceil(count) };
        let start = |i: usize| (i * (length - each) + (count - 1) / 2) / (count - 1);
        Self { spans: (0..count).map(|i| Span { start: start(i), length: each }).collect(), overlap }
    }

    /// The longest stretch.
    pub(super) fn longest(&self) -> usize {
        self.spans.iter().map(|span| span.length).max().unwrap_or_default()
    }

    /// Latents at the end of a stretch that do not count, as what lies beyond them is missing there.
    fn guard(&self) -> usize {
        if self.overlap < 3 { 0 } else { (self.overlap / 4).max(1) }
    }

    /// How much of each of `scale` places a latent the stretch `i` makes up, of `lead` places less: those of causal decoders
    /// begin with the last place of their first latent. All stretches together make up 1 everywhere.
    pub(super) fn shares(&self, i: usize, scale: usize, lead: usize) -> Vec<f32> {
        let Some(own) = self.spans.get(i) else { return Vec::new() };
        let places = |span: &Span| (span.start * scale, span.end() * scale - lead);
        let (start, end) = places(own);
        let share = |place: usize| {
            let all: f32 = (0..self.spans.len()).map(|j| self.weight(j, place, scale, lead)).sum();
            if all > 0.0 { self.weight(i, place, scale, lead) / all } else { 0.0 }
        };
        (start..end).map(share).collect()
    }

    /// How much a stretch knows of a place: nothing beyond its guard, then more and more over the rest of the overlap.
    fn weight(&self, i: usize, place: usize, scale: usize, lead: usize) -> f32 {
        let Some(span) = self.spans.get(i) else { return 0.0 };
        let (start, end, guard) = (span.start * scale, span.end() * scale - lead, self.guard() * scale);
        if place < start || place >= end {
            return 0.0;
        }
        let ramp = (self.overlap * scale - 2 * guard).saturating_sub(lead).max(1) as f32;
        let inner = |distance: usize| (distance + 1).saturating_sub(guard) as f32 / (ramp + 1.0);
        let before = if i == 0 { 1.0 } else { inner(place - start) };
        let after = if i + 1 == self.spans.len() { 1.0 } else { inner(end - 1 - place) };
        before.min(after).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_cover_an_axis_and_overlap() {
        for (length, most, rigid) in (1..70).flat_map(|l| (2..40).flat_map(move |m| [(l, m, false), (l, m, true)])) {
            let axis = Axis::cut(length, most, rigid);
            let spans = &axis.spans;
            let case = format!("{length} {most} {rigid}: {spans:?}");
            assert_eq!((spans[0].start, spans.last().unwrap().end()), (0, length), "{case}");
            assert!(axis.longest() <= most && (!rigid || spans.len() == 1 || axis.longest() == most), "{case}");
            assert!(spans.windows(2).all(|pair| pair[0].end() >= pair[1].start + axis.overlap), "{case}");
            for (scale, lead) in [(1, 0), (8, 0), (4, 3)] {
                let mut sums = vec![0.0; length * scale - lead];
                for (i, span) in spans.iter().enumerate() {
                    let shares = axis.shares(i, scale, lead);
                    assert_eq!(shares.len(), span.length * scale - lead);
                    sums.iter_mut().skip(span.start * scale).zip(shares).for_each(|(sum, share)| *sum += share);
                }
                assert!(sums.iter().all(|sum: &f32| (sum - 1.0).abs() < 1e-5), "{case} {scale} {lead}: {sums:?}");
            }
        }
    }

    #[test]
    fn the_ends_of_stretches_do_not_count() {
        let axis = Axis::cut(28, 16, false);
        let (first, second) = (axis.shares(0, 2, 0), axis.shares(1, 2, 0));
        // Overlaps of four latents or more have a guard of one: two places.
        assert_eq!(first[first.len() - 2..], [0.0, 0.0]);
        assert_eq!(second[..2], [0.0, 0.0]);
        assert_eq!((first[0], second[second.len() - 1]), (1.0, 1.0));
    }
}
