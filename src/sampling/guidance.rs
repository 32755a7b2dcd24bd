//! Guidance: denoisers that ask another denoiser several questions and combine the answers.

use std::collections::HashMap;

use anyhow::Result;

use super::latent::{Latent, combine, copy_into};
use super::prediction::{Prediction, standard_deviation};
use super::{Branch, Denoiser, RequestId, Row};

/// One request's guidance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guidance {
    /// Guidance scale `w` of `negative + w * (positive - negative)` (Ho and Salimans 2022); at 1
    /// the negative branch is not evaluated.
    pub scale: f64,
    /// Share of the rescaled prediction (Lin et al. 2023, section 3.4), 0 for none.
    pub rescale: f64,
    /// The scale below a time, and that time, where a model's last steps have a scale of their own (Wan 2.2).
    pub late: Option<(f64, f64)>,
}

impl Guidance {
    /// The positive branch alone.
    pub const NONE: Guidance = Guidance { scale: 1.0, rescale: 0.0, late: None };

    /// Whether both branches are needed. As in the references, scales of 1 and below have no guidance.
    pub fn is_on(self) -> bool {
        self.scale > 1.0
    }

    /// The scale at a time.
    pub fn scale_at(self, time: f64) -> f64 {
        match self.late {
            Some((below, scale)) if time < below => scale,
            _ => self.scale,
        }
    }
}

/// Classifier-free guidance around a denoiser.
pub struct ClassifierFree<D> {
    inner: D,
    /// What the network predicts: the rescale works on that.
    prediction: Prediction,
    requests: HashMap<RequestId, Guidance>,
    answers: Vec<Latent>,
    spare: Latent,
}

impl<D: Denoiser> ClassifierFree<D> {
    /// Wraps `inner`, whose network predicts `prediction`.
    pub fn new(inner: D, prediction: Prediction) -> Self {
        let spare = Latent::zeros(vec![0]);
        Self { inner, prediction, requests: HashMap::new(), answers: Vec::new(), spare }
    }

    /// Sets the guidance of a request; without, it has none.
    pub fn guide(&mut self, request: RequestId, guidance: Guidance) {
        self.requests.insert(request, guidance);
    }

    /// The wrapped denoiser.
    pub fn inner_mut(&mut self) -> &mut D {
        &mut self.inner
    }

    /// Takes the wrapping off.
    pub fn into_inner(self) -> D {
        self.inner
    }

    fn of(&self, request: RequestId) -> Guidance {
        self.requests.get(&request).copied().unwrap_or(Guidance::NONE)
    }

    /// Both branches of guided rows, one of the others, in the references' order.
    fn questions<'a>(&self, rows: &[Row<'a>]) -> Vec<Row<'a>> {
        let both = |row: &Row<'a>| {
            let negative = self.of(row.request).is_on().then_some(Row { branch: Branch::Negative, ..*row });
            negative.into_iter().chain([Row { branch: Branch::Positive, ..*row }])
        };
        rows.iter().flat_map(both).collect()
    }

    fn make_room(&mut self, questions: &[Row<'_>]) {
        self.answers.truncate(questions.len());
        for (i, row) in questions.iter().enumerate() {
            match self.answers.get(i) {
                Some(answer) if answer.shape() == row.x.shape() => {}
                Some(_) => self.answers[i] = Latent::zeros(row.x.raw_dim()),
                None => self.answers.push(Latent::zeros(row.x.raw_dim())),
            }
        }
    }
}

impl<D: Denoiser> Denoiser for ClassifierFree<D> {
    fn denoise(&mut self, rows: &[Row<'_>], clean: &mut [Latent]) -> Result<()> {
        let questions = self.questions(rows);
        self.make_room(&questions);
        self.inner.denoise(&questions, &mut self.answers)?;
        let mut answers = self.answers.iter_mut();
        for (row, clean) in rows.iter().zip(clean) {
            let guidance = self.requests.get(&row.request).copied().unwrap_or(Guidance::NONE);
            let negative = if guidance.is_on() { answers.next() } else { None };
            let Some(positive) = answers.next() else { break };
            std::mem::swap(clean, positive);
            if let Some(negative) = negative {
                let positive = (guidance.rescale > 0.0).then(|| {
                    copy_into(&mut self.spare, clean);
                    &mut self.spare
                });
                let scale = guidance.scale_at(row.level.t);
                combine(clean, scale, &[(1.0 - scale, negative)]);
                if let Some(positive) = positive {
                    rescale(self.prediction, guidance.rescale, row, clean, positive);
                }
            }
        }
        Ok(())
    }

    /// Guidance combines predictions; what a network says beyond them is the prompt's.
    fn extra(&self, request: RequestId) -> Option<&Latent> {
        self.inner.extra(request)
    }

    fn forget(&mut self, request: RequestId) {
        self.requests.remove(&request);
        self.inner.forget(request);
    }
}

/// Brings the guided prediction towards the deviation of the positive one.
fn rescale(prediction: Prediction, share: f64, row: &Row<'_>, clean: &mut Latent, positive: &mut Latent) {
    prediction.from_clean(clean, row.x, row.level);
    prediction.from_clean(positive, row.x, row.level);
    let ratio = standard_deviation(positive) / standard_deviation(clean);
    combine(clean, share * ratio + 1.0 - share, &[]);
    prediction.to_clean(clean, row.x, row.level);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::Level;

    fn ask(guidance: Guidance) -> (Latent, usize) {
        let mut asked = 0;
        let model = |row: &Row<'_>, clean: &mut Latent| {
            asked += 1;
            clean.fill(if row.branch == Branch::Positive { 3.0 } else { 1.0 });
            clean[[0]] += row.x[[0]];
        };
        let x = Latent::from_elem(vec![4], 0.5);
        let mut clean = vec![Latent::zeros(vec![4])];
        let row = Row::new(RequestId(1), Branch::Positive, &x, Level::from_ratio(1.0, 1.0));
        let mut guided = ClassifierFree::new(model, Prediction::Epsilon);
        guided.guide(RequestId(1), guidance);
        guided.denoise(&[row], &mut clean).unwrap();
        drop(guided);
        (clean.remove(0), asked)
    }

    #[test]
    fn scale_one_is_the_positive_branch_and_asks_once() {
        let (clean, asked) = ask(Guidance::NONE);
        assert_eq!((clean.as_slice().unwrap(), asked), (&[3.5, 3.0, 3.0, 3.0][..], 1));
    }

    #[test]
    fn guidance_extrapolates_from_negative_to_positive() {
        let (clean, asked) = ask(Guidance { scale: 5.0, ..Guidance::NONE });
        assert_eq!((clean.as_slice().unwrap(), asked), (&[11.5, 11.0, 11.0, 11.0][..], 2));
    }

    #[test]
    fn a_late_scale_counts_below_its_time() {
        let guidance = Guidance { scale: 5.0, late: Some((500.0, 2.0)), ..Guidance::NONE };
        assert_eq!([999.0, 500.0, 499.0].map(|time| guidance.scale_at(time)), [5.0, 5.0, 2.0]);
        // The test's row is at time 0.
        assert_eq!(ask(guidance).0.as_slice().unwrap(), [5.5, 5.0, 5.0, 5.0]);
    }

    #[test]
    fn full_rescale_restores_the_positive_deviation() {
        let (clean, _) = ask(Guidance { scale: 5.0, rescale: 1.0, late: None });
        let x = Latent::from_elem(vec![4], 0.5);
        let mut noise = clean;
        Prediction::Epsilon.from_clean(&mut noise, &x, Level::from_ratio(1.0, 1.0));
        let mut plain = ask(Guidance::NONE).0;
        Prediction::Epsilon.from_clean(&mut plain, &x, Level::from_ratio(1.0, 1.0));
        assert!((standard_deviation(&noise) - standard_deviation(&plain)).abs() < 1e-5);
    }
}
