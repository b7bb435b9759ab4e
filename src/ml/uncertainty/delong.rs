//! The area under the ROC curve of two classes has a variance in closed form.
//!
//! `DeLong`, `DeLong` and Clarke-Pearson (1988), Biometrics 44: the variance of the mean placements of positives among negatives and of
//! negatives among positives; with midranks in O(n log n) as Sun and Xu (2014), IEEE Signal Processing Letters 21.

use super::super::Task;
use super::super::model::Scored;

/// The area and its variance. `positives` and `negatives` hold scores; `None` with fewer than two of either.
pub(super) fn area(positives: &[f64], negatives: &[f64]) -> Option<(f64, f64)> {
    if positives.len() < 2 || negatives.len() < 2 {
        return None;
    }
    // The share of the others that a score lies above, ties by half.
    let placements = |of: &[f64], others: &[f64]| {
        let mut sorted = others.to_vec();
        sorted.sort_by(f64::total_cmp);
        let below = |score: f64| sorted.partition_point(|other| *other < score) as f64;
        let not_above = |score: f64| sorted.partition_point(|other| *other <= score) as f64;
        of.iter().map(|score| f64::midpoint(below(*score), not_above(*score)) / sorted.len() as f64).collect::<Vec<f64>>()
    };
    let variance = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0))
    };
    let (mean, of_positives) = variance(&placements(positives, negatives));
    let (_, of_negatives) = variance(&placements(negatives, positives));
    Some((mean, of_positives / positives.len() as f64 + of_negatives / negatives.len() as f64))
}

/// The interval on the logit scale, which keeps it inside 0 and 1; `None` for other tasks, weighted rows, and areas of 0 or 1.
pub(in crate::ml) fn interval(scored: &Scored, confidence: f64) -> Option<(f64, f64)> {
    let Task::Classification { positive: Some(positive), .. } = &scored.task else { return None };
    if scored.weight.iter().any(|weight| *weight != 1.0) {
        return None;
    }
    let scores = scored.scores.get(*positive)?;
    let (ones, zeros): (Vec<_>, Vec<_>) = scores.iter().zip(&scored.y).partition(|(_, y)| **y as usize == *positive);
    let of = |rows: Vec<(&f64, &f64)>| rows.into_iter().map(|(score, _)| *score).collect::<Vec<f64>>();
    let (area, variance) = area(&of(ones), &of(zeros))?;
    if area <= 0.0 || area >= 1.0 {
        return None;
    }
    let (logit, spread) = ((area / (1.0 - area)).ln(), variance.sqrt() / (area * (1.0 - area)));
    let reach = normal_quantile(f64::midpoint(1.0, confidence)) * spread;
    let back = |x: f64| 1.0 / (1.0 + (-x).exp());
    Some((back(logit - reach), back(logit + reach)))
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
