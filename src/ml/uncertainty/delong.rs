//! The area under the ROC curve of two classes has a variance in closed form.
//!
//! `DeLong`, `DeLong` and Clarke-Pearson (1988), Biometrics 44: the variance of the mean placements of positives among negatives and of
//! negatives among positives; with midranks in O(n log n) as Sun and Xu (2014), IEEE Signal Processing Letters 21.

use super::super::Task;
use super::super::model::Scored;

/// The area under the ROC curve of two classes, where no row has a weight of its own.
#[derive(Clone, Copy, Debug)]
pub(in crate::ml) struct Area {
    area: f64,
    variance: f64,
}

impl Area {
    /// `None` for other tasks, weighted rows, and areas of 0 or 1, which have no variance.
    pub(in crate::ml) fn of(scored: &Scored) -> Option<Self> {
        let Task::Classification { positive: Some(positive), .. } = &scored.task else { return None };
        if scored.weight.iter().any(|weight| *weight != 1.0) {
            return None;
        }
        let is_positive: Vec<bool> = scored.y.iter().map(|y| *y as usize == *positive).collect();
        let (area, variance) = area(scored.scores.get(*positive)?, &is_positive)?;
        (area > 0.0 && area < 1.0).then_some(Self { area, variance })
    }

    /// On the logit scale, which keeps it inside 0 and 1.
    pub(in crate::ml) fn interval(&self, confidence: f64) -> (f64, f64) {
        let Self { area, variance } = self;
        let (logit, spread) = ((area / (1.0 - area)).ln(), variance.sqrt() / (area * (1.0 - area)));
        let reach = normal_quantile(f64::midpoint(1.0, confidence)) * spread;
        let back = |x: f64| 1.0 / (1.0 + (-x).exp());
        (back(logit - reach), back(logit + reach))
    }
}

/// The area and its variance; `None` with fewer than two rows of either class.
pub(super) fn area(scores: &[f64], is_positive: &[bool]) -> Option<(f64, f64)> {
    let positives = is_positive.iter().filter(|is_positive| **is_positive).count();
    let negatives = is_positive.len() - positives;
    if positives < 2 || negatives < 2 {
        return None;
    }
    let mut order: Vec<(f64, usize)> = scores.iter().copied().zip(0..).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    // The share of the other class that a row's score lies above, ties by half.
    let mut placements = vec![0.0; scores.len()];
    let (mut positives_below, mut negatives_below) = (0_usize, 0_usize);
    for tied in order.chunk_by(|a, b| a.0 == b.0) {
        let tied_positives = tied.iter().filter(|(_, row)| is_positive[*row]).count();
        let tied_negatives = tied.len() - tied_positives;
        let above = |below: usize, tied: usize, all: usize| f64::midpoint(below as f64, (below + tied) as f64) / all as f64;
        let of_positives = above(negatives_below, tied_negatives, negatives);
        let of_negatives = above(positives_below, tied_positives, positives);
        for (_, row) in tied {
            placements[*row] = if is_positive[*row] { of_positives } else { of_negatives };
        }
        positives_below += tied_positives;
        negatives_below += tied_negatives;
    }
    let variance = |class: bool, rows: usize| {
        let values = || placements.iter().zip(is_positive).filter(|(_, is_positive)| **is_positive == class).map(|(value, _)| value);
        let mean = values().sum::<f64>() / rows as f64;
        (mean, values().map(|value| (value - mean).powi(2)).sum::<f64>() / (rows as f64 - 1.0))
    };
    let (mean, of_positives) = variance(true, positives);
    let (_, of_negatives) = variance(false, negatives);
    Some((mean, of_positives / positives as f64 + of_negatives / negatives as f64))
}

/// The normal distribution's quantile, for probabilities from 0.5 to 0.9999, by Newton's method.
pub(in crate::ml) fn normal_quantile(probability: f64) -> f64 {
    let mut x = 0.0;
    for _ in 0..50 {
        x -= (normal_distribution(x) - probability) / density(x);
    }
    x
}

/// The normal distribution function, summed as Marsaglia (2004) gives it; for `x` from 0 to 6.
pub(super) fn normal_distribution(x: f64) -> f64 {
    let (mut sum, mut term, mut odd) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        odd += 2.0;
        term *= x * x / odd;
        sum += term;
    }
    0.5 + sum * density(x)
}

fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
}
