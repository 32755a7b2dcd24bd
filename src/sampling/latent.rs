//! The state that is denoised, and the fused arithmetic on it.

use ndarray::ArrayD;

/// One request's state, without a batch axis: `[channels, height, width]`,
/// `[channels, frames, height, width]`, `[channels, length]`. Always in standard layout.
pub type Latent = ArrayD<f32>;

/// `x = keep * x + sum(coefficient * term)` in one pass over memory.
///
/// Coefficients are f64 so that schedules keep their precision; the arithmetic is f32.
///
/// # Panics
/// When a term has another length than `x`: a bug of the caller, not of a model.
pub fn combine(x: &mut Latent, keep: f64, terms: &[(f64, &Latent)]) {
    let keep = keep as f32;
    match terms {
        [] => values_mut(x).iter_mut().for_each(|v| *v *= keep),
        [a] => combine1(values_mut(x), keep, part(a)),
        [a, b] => combine2(values_mut(x), keep, part(a), part(b)),
        [a, b, c] => combine3(values_mut(x), keep, part(a), part(b), part(c)),
        [a, b, c, rest @ ..] => {
            combine3(values_mut(x), keep, part(a), part(b), part(c));
            combine(x, 1.0, rest);
        }
    }
}

/// The elements in memory order.
pub fn values(x: &Latent) -> &[f32] {
    x.as_slice_memory_order().unwrap_or_default()
}

/// The elements in memory order, to be changed.
pub fn values_mut(x: &mut Latent) -> &mut [f32] {
    x.as_slice_memory_order_mut().unwrap_or_default()
}

/// Copies `from` into `to`, reusing its memory when the shapes agree.
pub fn copy_into(to: &mut Latent, from: &Latent) {
    if to.shape() == from.shape() {
        to.assign(from);
    } else {
        *to = from.clone();
    }
}

type Part<'a> = (f32, &'a [f32]);

fn part<'a>(term: &(f64, &'a Latent)) -> Part<'a> {
    (term.0 as f32, values(term.1))
}

fn combine1(x: &mut [f32], keep: f32, a: Part<'_>) {
    assert_eq!(x.len(), a.1.len(), "latents of one request share their shape");
    for (x, p) in x.iter_mut().zip(a.1) {
        *x = keep * *x + a.0 * p;
    }
}

fn combine2(x: &mut [f32], keep: f32, a: Part<'_>, b: Part<'_>) {
    assert_eq!((x.len(), x.len()), (a.1.len(), b.1.len()), "latents of one request share their shape");
    for ((x, p), q) in x.iter_mut().zip(a.1).zip(b.1) {
        *x = keep * *x + (a.0 * p + b.0 * q);
    }
}

fn combine3(x: &mut [f32], keep: f32, a: Part<'_>, b: Part<'_>, c: Part<'_>) {
    assert_eq!(
        (x.len(), x.len(), x.len()),
        (a.1.len(), b.1.len(), c.1.len()),
        "latents of one request share their shape"
    );
    for (((x, p), q), r) in x.iter_mut().zip(a.1).zip(b.1).zip(c.1) {
        *x = keep * *x + (a.0 * p + b.0 * q + c.0 * r);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combine_adds_any_number_of_terms() {
        let one = Latent::from_elem(vec![2, 3], 1.0);
        let terms = [(1.0, &one), (10.0, &one), (100.0, &one), (1000.0, &one), (10000.0, &one)];
        for (count, want) in [2.0, 3.0, 13.0, 113.0, 1113.0, 11113.0].into_iter().enumerate() {
            let mut x = one.clone();
            combine(&mut x, 2.0, &terms[..count]);
            assert!(x.iter().all(|v| *v == want), "{count} terms: {x}");
        }
    }
}
