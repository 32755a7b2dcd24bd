//! Brownian motion over noise scales, for stochastic solvers whose noise must not depend on how
//! finely a run is divided (Li et al. 2020, "virtual Brownian tree").
//!
//! The motion is a function of a seed alone: the value at the upper end, and at the middle of every
//! half, is a normal number with a seed of its own. Nothing is stored but the way to the last point
//! asked for. Seeds, middles and rounding are those of torchsde's `BrownianTree` with a tolerance of
//! 1e-6, so a seed gives the noise of k-diffusion's and diffusers' `BrownianTreeNoiseSampler`, to
//! the rounding of f32 sums.

use super::Noise;
use super::seed_sequence::SeedSequence;

/// Depth at which every way ends; halving down to 1e-6 is done well before.
const DEEPEST: usize = 62;

/// A Brownian motion `W` between two noise scales, one per element of a latent, with unit variance
/// per unit of scale.
#[derive(Clone, Debug)]
pub struct Brownian {
    /// The kind of generator that draws, and the seed of the motion.
    source: Noise,
    low: f64,
    high: f64,
    /// The value at the upper end, then the middles on the way to the last point asked for.
    nodes: Vec<Node>,
    /// Memory for one draw.
    normals: Vec<f32>,
}

#[derive(Clone, Debug)]
struct Node {
    /// Which middle it is: its place among those of its depth.
    place: u64,
    value: Vec<f32>,
}

/// A piece of the motion; its ends are indices of nodes, none for the start of the motion, at 0.
#[derive(Clone, Copy, Debug)]
struct Piece {
    place: u64,
    from: (f64, Option<usize>),
    to: (f64, Option<usize>),
}

impl Brownian {
    /// The motion between `low` and `high` that belongs to the seed of a request's stream, which is
    /// not advanced.
    pub fn new(stream: &Noise, low: f64, high: f64, shape: &[usize]) -> Self {
        let (source, size) = (stream.sibling(stream.seed()), shape.iter().product());
        let (low, high) = (single(low), single(high.max(low)));
        let mut motion =
            Self { source, low: rounded(low), high: rounded(high), nodes: Vec::new(), normals: vec![0.0; size] };
        motion.draw(&[]);
        let value = motion.normals.iter().map(|z| (high - low).sqrt() as f32 * z).collect();
        motion.nodes.push(Node { place: 0, value });
        motion
    }

    /// Writes `W(to) - W(from)` into `into`. Scales outside the motion are taken as its ends.
    pub fn increment(&mut self, from: f64, to: f64, into: &mut [f32]) {
        into.fill(0.0);
        self.add(from, -1.0, into);
        self.add(to, 1.0, into);
    }

    /// Adds `factor * W(at)`.
    fn add(&mut self, at: f64, factor: f64, into: &mut [f32]) {
        let at = rounded(single(at)).clamp(self.low, self.high);
        let piece = self.descend(at);
        add(into, &self.between(piece, at, factor));
    }

    /// A point of a piece as if it were straight: its ends and their shares.
    fn between(&self, piece: Piece, at: f64, factor: f64) -> Vec<(f32, &[f32])> {
        let share = piece.share(at);
        let ends = [(piece.from.1, factor * (1.0 - share)), (piece.to.1, factor * share)];
        let node =
            |(node, factor): (Option<usize>, f64)| Some((factor as f32, self.nodes.get(node?)?.value.as_slice()));
        ends.into_iter().filter(|(_, factor)| *factor != 0.0).filter_map(node).collect()
    }

    /// The piece that ends at a point, with the middles on the way to it in place.
    fn descend(&mut self, at: f64) -> Piece {
        let mut piece = Piece { place: 0, from: (self.low, None), to: (self.high, Some(0)) };
        for depth in 1..=DEEPEST {
            if !piece.holds(at) || !piece.holds(piece.middle()) {
                break;
            }
            self.ensure(depth, piece);
            piece = piece.half(at, depth);
        }
        piece
    }

    /// Makes the middle of `piece` the node at `depth`; nodes of another way are forgotten.
    fn ensure(&mut self, depth: usize, piece: Piece) {
        if self.nodes.get(depth).is_some_and(|node| node.place == piece.place) {
            return;
        }
        let spare = self.nodes.drain(depth.min(self.nodes.len())..).next();
        let mut value = spare.map_or_else(|| vec![0.0; self.normals.len()], |node| node.value);
        self.bridge(depth, piece, &mut value);
        self.nodes.push(Node { place: piece.place, value });
    }

    /// The value at the middle of a piece, given the values at its ends.
    fn bridge(&mut self, depth: usize, piece: Piece, value: &mut [f32]) {
        let (a, m, b) = (piece.from.0, piece.middle(), piece.to.0);
        self.draw(&[piece.place, depth as u64 - 1]);
        let deviation = ((m - a) * (b - m) / (b - a)).sqrt() as f32;
        let mut terms = self.between(piece, m, 1.0);
        terms.push((deviation, &self.normals));
        value.fill(0.0);
        add(value, &terms);
    }

    /// Draws the standard normal numbers that belong to a node.
    fn draw(&mut self, node: &[u64]) {
        let seed = SeedSequence::new(self.source.seed(), node, 24).state().next();
        self.source.sibling(seed.unwrap_or_default().into()).fill_normal(&mut self.normals);
    }
}

/// Adds terms one after the other, in one pass over memory.
fn add(into: &mut [f32], terms: &[(f32, &[f32])]) {
    match terms {
        [(a, p), (b, q), (c, r)] => {
            let values = into.iter_mut().zip(*p).zip(*q).zip(*r);
            values.for_each(|(((v, p), q), r)| *v = *v + a * p + b * q + c * r);
        }
        [(a, p), (b, q)] => into.iter_mut().zip(*p).zip(*q).for_each(|((v, p), q)| *v = *v + a * p + b * q),
        _ => terms.iter().for_each(|(a, p)| into.iter_mut().zip(*p).for_each(|(v, p)| *v += a * p)),
    }
}

impl Piece {
    /// Whether a point lies between the ends.
    fn holds(self, at: f64) -> bool {
        self.from.0 < at && at < self.to.0
    }

    fn middle(self) -> f64 {
        rounded(0.5 * (self.to.0 + self.from.0))
    }

    fn share(self, at: f64) -> f64 {
        let (a, b) = (self.from.0, self.to.0);
        if b > a { (at - a) / (b - a) } else { 0.0 }
    }

    fn half(self, at: f64, node: usize) -> Self {
        let middle = (self.middle(), Some(node));
        match at < middle.0 {
            true => Self { place: 2 * self.place, to: middle, ..self },
            false => Self { place: 2 * self.place + 1, from: middle, ..self },
        }
    }
}

/// Schedulers hold noise scales in f32.
fn single(scale: f64) -> f64 {
    f64::from(scale as f32)
}

/// Python's `round(scale, 6)`: the nearest six decimals of the exact value.
fn rounded(scale: f64) -> f64 {
    format!("{scale:.6}").parse().unwrap_or(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 10_000;

    fn motion(seed: u64, low: f64, high: f64) -> Brownian {
        Brownian::new(&Noise::torch(seed), low, high, &[4, 50, 50])
    }

    fn increment(motion: &mut Brownian, from: f64, to: f64) -> Vec<f32> {
        let mut values = vec![0.0; SIZE];
        motion.increment(from, to, &mut values);
        values
    }

    fn mean(values: impl Iterator<Item = f64>) -> f64 {
        values.sum::<f64>() / SIZE as f64
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let mut motion = motion(1, 0.03, 14.6);
        let whole = increment(&mut motion, 14.6, 0.03);
        for steps in [2, 7, 40] {
            let at = |i: usize| 14.6 * (0.03f64 / 14.6).powf(i as f64 / steps as f64);
            let parts: Vec<_> = (0..steps).map(|i| increment(&mut motion, at(i), at(i + 1))).collect();
            for (i, whole) in whole.iter().enumerate().step_by(97) {
                let sum: f64 = parts.iter().map(|part| f64::from(part[i])).sum();
                assert!((sum - f64::from(*whole)).abs() < 1e-5, "{steps} steps: {sum} is not {whole}");
            }
        }
    }

    #[test]
    fn the_motion_does_not_depend_on_what_was_asked_before() {
        let (mut fresh, mut used) = (motion(2, 0.0, 80.0), motion(2, 0.0, 80.0));
        for i in 0..50 {
            increment(&mut used, 80.0 / f64::from(i + 1), 70.0 / f64::from(i + 1));
        }
        assert_eq!(increment(&mut used, 3.0, 2.0), increment(&mut fresh, 3.0, 2.0));
        assert_ne!(increment(&mut used, 3.0, 2.0), increment(&mut motion(3, 0.0, 80.0), 3.0, 2.0));
        assert!(used.nodes.len() < 32, "{} latents are kept", used.nodes.len());
    }

    #[test]
    fn increments_have_the_variance_of_their_length_and_do_not_correlate() {
        for (low, high) in [(0.03, 14.6), (0.0, 1.0), (0.002, 700.0)] {
            let mut motion = motion(5, low, high);
            let mut before: Option<Vec<f32>> = None;
            for (from, to) in [(1.0, 0.6), (0.6, 0.55), (0.55, 0.545), (0.545, 0.1), (0.1, 0.0)] {
                let scale = |share: f64| low + (high - low) * share * share;
                let length = scale(from) - scale(to);
                let unit: Vec<f32> =
                    increment(&mut motion, scale(from), scale(to)).iter().map(|v| v / length.sqrt() as f32).collect();
                let moment = |power: i32| mean(unit.iter().map(|v| f64::from(*v).powi(power)));
                // Five standard errors of each moment.
                for (power, want, spread) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
                    let allowed = 5.0 * f64::sqrt(spread / SIZE as f64);
                    assert!((moment(power) - want).abs() < allowed, "moment {power} of {from}..{to} on {low}..{high}");
                }
                if let Some(before) = &before {
                    let correlation = mean(unit.iter().zip(before).map(|(a, b)| f64::from(a * b)));
                    assert!(correlation.abs() < 0.05, "{correlation} at {from} on {low}..{high}");
                }
                before = Some(unit);
            }
        }
    }

    #[test]
    fn neighbours_are_near_and_ends_are_exact() {
        let mut motion = motion(6, 0.1, 10.0);
        assert!(increment(&mut motion, 2.0, 2.0 * (1.0 + 1e-12)).iter().all(|v| v.abs() < 1e-5));
        let whole = increment(&mut motion, 0.1, 10.0);
        assert_eq!(increment(&mut motion, -3.0, 1e9), whole);
        assert!(increment(&mut motion, 10.0, 10.0).iter().all(|v| *v == 0.0));
    }
}
