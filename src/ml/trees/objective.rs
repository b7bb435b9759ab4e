//! What boosted trees minimise: gradients and hessians of a loss in the scores, where scores begin, and the loss itself.

use std::f64::consts::SQRT_2;
use std::ops::Range;

use crate::ml::export::{Function, Id, Program};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rows whose sums are taken together, so that sums do not depend on threads.
const BLOCK: usize = 1 << 14;
/// Logarithms beyond this would leave the range of numbers.
const FARTHEST: f64 = 300.0;
/// Gradients are kept below this, so that sums of them stay numbers.
const STEEPEST: f64 = 1e290;
/// Keeps the steps of the Poisson loss short, as `LightGBM` does.
const POISSON_STEP: f64 = 0.7;

/// A loss. Numbers are predicted by one score a row; `Poisson`, `Gamma` and `Tweedie` by its exponential, `Logistic` by
/// the sigmoid of one, `Softmax` by one score a class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    Squared,
    Absolute,
    /// Squared up to `delta`, absolute beyond.
    Huber {
        delta: f64,
    },
    Quantile {
        level: f64,
    },
    Poisson,
    Gamma,
    Tweedie {
        power: f64,
    },
    Logistic,
    Softmax {
        classes: usize,
    },
}

/// Targets (a number, or the index of a class) with weights; no weights: all 1.
#[derive(Clone, Copy)]
pub struct Targets<'a> {
    pub y: &'a [f64],
    pub w: Option<&'a [f64]>,
}

impl Targets<'_> {
    pub fn weight(&self, row: usize) -> f64 {
        self.w.map_or(1.0, |w| w[row])
    }

    /// The sum over rows of a number times the row's weight.
    fn sum(&self, of: impl Fn(usize) -> f64 + Sync) -> f64 {
        sum(self.y.len(), |row| self.weight(row) * of(row))
    }
}

/// A sum over rows that is the same at any number of threads.
pub fn sum(rows: usize, of: impl Fn(usize) -> f64 + Sync) -> f64 {
    let blocks: Vec<f64> = (0..rows.div_ceil(BLOCK)).into_par_iter().map(|b| (b * BLOCK..rows.min((b + 1) * BLOCK)).map(&of).sum()).collect();
    blocks.into_iter().sum()
}

impl Objective {
    /// Scores a row.
    pub fn outputs(self) -> usize {
        if let Self::Softmax { classes } = self { classes } else { 1 }
    }

    /// The best scores that are the same for all rows.
    pub fn start(self, on: Targets<'_>) -> Vec<f64> {
        let weight = on.sum(|_| 1.0);
        let quantile = |level| quantile(&mut on.y.iter().enumerate().map(|(row, y)| (*y, on.weight(row))).collect::<Vec<_>>(), level);
        let mean = || on.sum(|row| on.y[row]) / weight;
        let score = match self {
            Self::Squared => mean(),
            Self::Absolute | Self::Huber { .. } => quantile(0.5),
            Self::Quantile { level } => quantile(level),
            Self::Poisson | Self::Gamma | Self::Tweedie { .. } => mean().ln().clamp(-FARTHEST, FARTHEST),
            Self::Logistic => {
                let share = mean();
                (share / (1.0 - share)).ln()
            }
            Self::Softmax { classes } => {
                return (0..classes).map(|k| (on.sum(|row| f64::from(u8::from(on.y[row] == k as f64))) / weight).ln()).collect();
            }
        };
        vec![score]
    }

    /// What `gradients` needs beside the scores: the shares of classes, row by row.
    pub fn shares(self, scores: &[Vec<f64>]) -> Vec<f64> {
        let Self::Softmax { classes } = self else { return Vec::new() };
        let mut shares = vec![0.0; scores.first().map_or(0, Vec::len) * classes];
        shares.par_chunks_mut(BLOCK * classes).enumerate().for_each(|(b, block)| {
            for (i, shares) in block.chunks_exact_mut(classes).enumerate() {
                shares.iter_mut().zip(scores).for_each(|(share, scores)| *share = scores[b * BLOCK + i]);
                softmax(shares);
            }
        });
        shares
    }

    /// Gradient and hessian of each row's loss, times its weight, in the scores of one output.
    pub fn gradients(self, on: Targets<'_>, scores: &[f64], shares: &[f64], output: usize, pairs: &mut [[f64; 2]]) {
        let each = |of: &(dyn Fn(Range<usize>, &mut [[f64; 2]]) + Sync), pairs: &mut [[f64; 2]]| {
            pairs.par_chunks_mut(BLOCK).enumerate().for_each(|(b, pairs)| {
                let rows = b * BLOCK..b * BLOCK + pairs.len();
                of(rows.clone(), pairs);
                if let Some(w) = on.w {
                    pairs.iter_mut().zip(&w[rows]).for_each(|(pair, w)| *pair = pair.map(|x| x * w));
                }
            });
        };
        // One loop for each loss, so that none asks in every row which it is.
        macro_rules! of {
            ($of:expr) => {
                each(
                    &|rows, pairs| {
                        for ((pair, score), y) in pairs.iter_mut().zip(&scores[rows.clone()]).zip(&on.y[rows]) {
                            *pair = $of(*score, *y);
                        }
                    },
                    pairs,
                )
            };
        }
        let kept = |g: f64, h: f64| [g.clamp(-STEEPEST, STEEPEST), h.min(STEEPEST)];
        let exp = |x: f64| x.clamp(-FARTHEST, FARTHEST).exp();
        match self {
            Self::Squared => of!(|score: f64, y: f64| [score - y, 1.0]),
            Self::Absolute => of!(|score: f64, y: f64| [f64::from(i8::from(score > y) - i8::from(score < y)), 1.0]),
            Self::Huber { delta } => of!(|score: f64, y: f64| [(score - y).clamp(-delta, delta), 1.0]),
            Self::Quantile { level } => of!(|score: f64, y: f64| [if score < y { -level } else { 1.0 - level }, 1.0]),
            Self::Poisson => of!(|score: f64, y: f64| kept(exp(score) - y, exp(score + POISSON_STEP))),
            Self::Gamma => of!(|score: f64, y: f64| kept(1.0 - y * exp(-score), y * exp(-score))),
            Self::Tweedie { power } => of!(|score: f64, y: f64| {
                let (a, b) = (y * exp((1.0 - power) * score), exp((2.0 - power) * score));
                kept(b - a, (2.0 - power) * b - (1.0 - power) * a)
            }),
            Self::Logistic => of!(|score: f64, y: f64| {
                let share = sigmoid(score);
                [share - y, share * (1.0 - share)]
            }),
            Self::Softmax { classes } => {
                let factor = classes as f64 / (classes - 1).max(1) as f64;
                each(
                    &|rows, pairs| {
                        for (pair, row) in pairs.iter_mut().zip(rows) {
                            let share = shares[row * classes + output];
                            *pair = [share - f64::from(u8::from(on.y[row] == output as f64)), factor * share * (1.0 - share)];
                        }
                    },
                    pairs,
                );
            }
        }
    }

    /// Losses without a curve have leaves that are a quantile of what is left, at this level.
    pub fn leaf_quantile(self) -> Option<f64> {
        match self {
            Self::Absolute => Some(0.5),
            Self::Quantile { level } => Some(level),
            _ => None,
        }
    }

    /// The weighted mean loss.
    pub fn loss(self, on: Targets<'_>, scores: &[Vec<f64>]) -> f64 {
        let (first, shares) = (&scores[0], self.shares(scores));
        let exp = |x: f64| x.clamp(-FARTHEST, FARTHEST).exp();
        let of = |row: usize| {
            let (y, score) = (on.y[row], first[row]);
            let off = (y - score).abs();
            match self {
                Self::Squared => off * off,
                Self::Absolute => off,
                Self::Huber { delta } => {
                    if off <= delta {
                        0.5 * off * off
                    } else {
                        delta * (off - 0.5 * delta)
                    }
                }
                Self::Quantile { level } => off * if y > score { level } else { 1.0 - level },
                Self::Poisson => exp(score) - y * score,
                Self::Gamma => y * exp(-score) + score,
                Self::Tweedie { power } => exp((2.0 - power) * score) / (2.0 - power) - y * exp((1.0 - power) * score) / (1.0 - power),
                Self::Logistic => (1.0 + (-score.abs()).exp()).ln() + score.max(0.0) - y * score,
                Self::Softmax { classes } => -shares[row * classes + y as usize].max(f64::MIN_POSITIVE).ln(),
            }
        };
        on.sum(of) / on.sum(|_| 1.0)
    }

    /// What turns scores into predictions.
    pub fn link(self) -> Link {
        match self {
            Self::Squared | Self::Absolute | Self::Huber { .. } | Self::Quantile { .. } => Link::Identity,
            Self::Poisson | Self::Gamma | Self::Tweedie { .. } => Link::Logarithm,
            Self::Logistic => Link::Logit,
            Self::Softmax { .. } => Link::Softmax,
        }
    }
}

/// What scores are of predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    Identity,
    Logarithm,
    Logit,
    Softmax,
}

impl Link {
    /// [`Link::predictions`] in operations that other programs have.
    pub fn lower(self, scores: Vec<Id>, on: &mut Program) -> Vec<Id> {
        match self {
            Self::Identity => scores,
            Self::Logarithm => {
                let mut exp = |score| {
                    let clipped = on.clip(score, Some(-2.0 * FARTHEST), Some(2.0 * FARTHEST));
                    on.function(Function::Exponential, clipped)
                };
                scores.into_iter().map(&mut exp).collect()
            }
            Self::Logit => {
                let Some(score) = scores.first() else { return scores };
                let share = on.sigmoid(*score);
                vec![on.sum([(share, -1.0)], 1.0), share]
            }
            Self::Softmax => on.softmax(&scores),
        }
    }

    /// Each row's prediction: a number, or shares of one, one vector a class.
    pub fn predictions(self, mut scores: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        match self {
            Self::Identity => {}
            Self::Logarithm => scores.iter_mut().flatten().for_each(|score| *score = score.clamp(-2.0 * FARTHEST, 2.0 * FARTHEST).exp()),
            Self::Logit => {
                let shares: Vec<f64> = scores.into_iter().flatten().map(sigmoid).collect();
                scores = vec![shares.iter().map(|share| 1.0 - share).collect(), shares];
            }
            Self::Softmax => {
                let classes = scores.len();
                let shares = Objective::Softmax { classes }.shares(&scores);
                scores.iter_mut().enumerate().for_each(|(k, scores)| *scores = shares.iter().skip(k).step_by(classes).copied().collect());
            }
        }
        scores
    }
}

fn sigmoid(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

fn softmax(scores: &mut [f64]) {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for score in scores.iter_mut() {
        *score = (*score - largest).exp();
    }
    let total: f64 = scores.iter().sum();
    for score in scores {
        *score /= total;
    }
}

/// The value with a share of the weight below it, or the middle of two where it is exactly that share; 0 of none.
pub fn quantile(pairs: &mut [(f64, f64)], level: f64) -> f64 {
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let wanted = level * pairs.iter().map(|(_, weight)| weight).sum::<f64>();
    let near = SQRT_2 * f64::EPSILON * wanted * pairs.len() as f64;
    let mut below = 0.0;
    for (i, (value, weight)) in pairs.iter().enumerate() {
        below += weight;
        if below >= wanted - near {
            let next = pairs.get(i + 1).map_or(*value, |(next, _)| *next);
            return if (below - wanted).abs() <= near { value / 2.0 + next / 2.0 } else { *value };
        }
    }
    pairs.last().map_or(0.0, |(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The loss, its gradient and its hessian are one another's derivatives, where the loss has a curve of its own.
    #[test]
    fn gradients_are_the_slopes_of_the_loss() {
        let step = 1e-5;
        for objective in [
            Objective::Squared,
            Objective::Huber { delta: 0.5 },
            Objective::Quantile { level: 0.3 },
            Objective::Absolute,
            Objective::Poisson,
            Objective::Gamma,
            Objective::Tweedie { power: 1.3 },
            Objective::Logistic,
            Objective::Softmax { classes: 3 },
        ] {
            for (y, score) in [(1.0, 0.3), (0.0, -0.8), (1.0, 2.0)] {
                let y = if matches!(objective, Objective::Gamma) { y + 0.5 } else { y };
                let on = Targets { y: &[y], w: Some(&[2.0]) };
                let scores = |score: f64| if objective.outputs() == 1 { vec![vec![score]] } else { vec![vec![0.1], vec![score], vec![-0.2]] };
                let output = objective.outputs().min(2) - 1;
                let at = |score: f64| {
                    let mut pair = [[0.0; 2]];
                    objective.gradients(on, &scores(score)[output], &objective.shares(&scores(score)), output, &mut pair);
                    (objective.loss(on, &scores(score)), pair[0])
                };
                let slope = (at(score + step).0 - at(score - step).0) / (2.0 * step);
                // The squared loss is twice what its gradient belongs to; weights multiply gradients and not the mean loss.
                let slope = if objective == Objective::Squared { slope } else { 2.0 * slope };
                assert!((at(score).1[0] - slope).abs() < 1e-6, "{objective:?} {y} {score}: {} {slope}", at(score).1[0]);
                if matches!(objective, Objective::Squared | Objective::Gamma | Objective::Tweedie { .. } | Objective::Logistic) {
                    let curve = (at(score + step).1[0] - at(score - step).1[0]) / (2.0 * step);
                    assert!((at(score).1[1] - curve).abs() < 1e-6, "{objective:?}");
                }
            }
        }
    }

    #[test]
    fn quantiles_count_weights_as_rows() {
        assert_eq!(quantile(&mut [(3.0, 1.0), (1.0, 1.0), (2.0, 1.0), (9.0, 1.0)], 0.5), 2.5);
        assert_eq!(quantile(&mut [(3.0, 2.0), (1.0, 1.0)], 0.5), 3.0);
        assert_eq!(quantile(&mut [(1.0, 1.0), (3.0, 1.0), (3.0, 1.0)], 0.5), 3.0);
        assert_eq!(quantile(&mut [(1.0, 0.1), (2.0, 0.2), (3.0, 0.7)], 0.3), 2.5);
    }
}
