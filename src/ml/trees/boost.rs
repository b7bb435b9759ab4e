//! Gradient boosting: each tree is grown from the gradients of the loss that the trees before it leave.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bins::Binned;
use super::draw::Draw;
use super::grow::{Grower, Grown, Leaf, Shape};
use super::histogram::Quantised;
use super::objective::{Objective, Targets, quantile};
use super::split::Rules;
use super::tree::Trees;
use crate::ml::{Deadline, Rounds};

/// Rows of a leaf that are added up together.
const BLOCK: usize = 1 << 13;

/// Which leaf is split next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Growth {
    /// The one that gains most.
    #[default]
    #[serde(alias = "lossguide", alias = "leaf")]
    #[schemars(extend("x-aliases" = ["lossguide", "leaf"]))]
    LeafWise,
    /// One of those nearest to the root.
    #[serde(alias = "depthwise", alias = "depth")]
    #[schemars(extend("x-aliases" = ["depthwise", "depth"]))]
    DepthWise,
}

/// How trees are boosted. Fractions lie in 0..=1 and above 0.
#[derive(Clone, Debug)]
pub struct Boosting {
    pub objective: Objective,
    pub rounds: usize,
    pub learning_rate: f64,
    pub shape: Shape,
    pub rules: Rules,
    /// The share of rows that a tree is grown from, drawn anew every so many rounds.
    pub row_fraction: f64,
    pub row_every: usize,
    /// The share of features that a tree looks at.
    pub feature_fraction: f64,
    /// Stops after so many rounds without a lower loss on validation rows; 0: never.
    pub patience: usize,
    pub seed: u64,
    /// No round begins after it; what there is then is to be thrown away.
    pub deadline: Deadline,
    /// Told of each round.
    pub told: Rounds,
}

/// Validation rows: features × rows, and targets.
pub struct Validation<'a> {
    pub columns: &'a [Vec<f64>],
    pub targets: Targets<'a>,
}

/// Boosted trees: the scores of a row are `start` plus the trees' sums.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Boosted {
    pub start: Vec<f64>,
    pub trees: Trees,
}

impl Boosted {
    /// Each output's score in each row.
    pub fn scores(&self, columns: &[Vec<f64>], rows: usize) -> Vec<Vec<f64>> {
        let mut scores = self.trees.sums(columns, rows, self.start.len());
        for (scores, start) in scores.iter_mut().zip(&self.start) {
            for score in scores {
                *score += start;
            }
        }
        scores
    }
}

/// Trees with what each feature's splits gained, round by round.
pub struct Fit {
    pub boosted: Boosted,
    pub gains: Vec<f64>,
}

impl Boosting {
    /// Fits trees to rows with weights above 0.
    pub fn fit(&self, binned: &Binned, on: Targets<'_>, validation: Option<&Validation<'_>>) -> Fit {
        let (rows, width, outputs) = (binned.rows, binned.width(), self.objective.outputs());
        let by_row = binned.by_row();
        let mut grower = Grower::new(binned, &by_row, &self.rules, &self.shape);
        let start = self.objective.start(on);
        let mut scores: Vec<Vec<f64>> = start.iter().map(|start| vec![*start; rows]).collect();
        let held = validation.map_or(0, |validation| validation.targets.y.len());
        let mut held_scores: Vec<Vec<f64>> = start.iter().map(|start| vec![*start; held]).collect();
        let mut best = (f64::INFINITY, 0);
        let mut boosted = Boosted { start, trees: Trees::new(width, 1) };
        let mut gains: Vec<Vec<f64>> = Vec::new();
        let (mut pairs, mut room) = (vec![[0.0; 2]; rows], Vec::new());
        let mut draw = Draw::new(self.seed, 1);
        let mut lot = draw.clone();
        let all: Vec<usize> = (0..width).collect();
        let is_drawn = self.row_fraction < 1.0 || self.feature_fraction < 1.0 || self.shape.node_fraction < 1.0;
        for round in 0..self.rounds {
            if self.deadline.has_passed() {
                break;
            }
            self.told.tell(round, self.rounds);
            if round % self.row_every == 0 {
                lot = Draw::new(self.seed, 2 + round as u64);
            }
            let shares = self.objective.shares(&scores);
            let mut is_stump = true;
            for (output, scores) in scores.iter_mut().enumerate() {
                self.objective.gradients(on, scores, &shares, output, &mut pairs);
                let quantised = Quantised::of(&pairs, std::mem::take(&mut room));
                if self.row_fraction < 1.0 {
                    let in_bag = |row: &u32| lot.of(u64::from(*row)) < self.row_fraction;
                    grower.rows.start((0..rows as u32).filter(in_bag));
                    grower.others.start((0..rows as u32).filter(|row| !in_bag(row)));
                } else {
                    grower.rows.start(0..rows as u32);
                }
                let used =
                    if self.feature_fraction < 1.0 { draw.some(&all, ((width as f64 * self.feature_fraction).ceil() as usize).max(1)) } else { all.clone() };
                let mut grown = grower.grow(&quantised, &used, &mut draw);
                room = quantised.into_room();
                is_stump &= grown.leaves.len() == 1;
                self.set_values(&mut grown, &grower, on, &pairs, scores);
                if let Some(validation) = validation {
                    let more = grown.tree.trees().sums(validation.columns, held, 1);
                    held_scores[output].iter_mut().zip(&more[0]).for_each(|(score, more)| *score += more);
                }
                gains.push(grown.gains);
                boosted.trees.push(grown.tree);
            }
            if is_stump && !is_drawn {
                // No later round would find a split either.
                boosted.trees.truncate(round * outputs);
                break;
            }
            if let Some(validation) = validation
                && self.patience > 0
            {
                let loss = self.objective.loss(validation.targets, &held_scores);
                if loss < best.0 {
                    best = (loss, round + 1);
                } else if round + 1 >= best.1 + self.patience {
                    break;
                }
            }
        }
        if validation.is_some() && self.patience > 0 {
            boosted.trees.truncate(best.1 * outputs);
        }
        let mut total = vec![0.0; width];
        for gains in gains.iter().take(boosted.trees.len()) {
            total.iter_mut().zip(gains).for_each(|(total, gain)| *total += gain);
        }
        Fit { boosted, gains: total }
    }

    /// Gives the leaves their values and adds them to the scores.
    fn set_values(&self, grown: &mut Grown, grower: &Grower<'_>, on: Targets<'_>, pairs: &[[f64; 2]], scores: &mut [f64]) {
        let is_stump = grown.leaves.len() == 1;
        let leaf_values = |leaf: &Leaf| {
            let rows = &grower.rows.rows[leaf.rows.clone()];
            // Sums of what gradients are, not of the whole numbers they were searched by.
            let sums: Vec<[f64; 3]> = rows
                .par_chunks(BLOCK)
                .map(|rows| {
                    let mut sums = [0.0; 3];
                    for row in rows {
                        let [gradient, hessian] = pairs[*row as usize];
                        sums[0] += gradient;
                        sums[1] += hessian;
                    }
                    sums[2] = if on.w.is_some() { rows.iter().map(|row| on.weight(*row as usize)).sum() } else { rows.len() as f64 };
                    sums
                })
                .collect();
            let [gradient, hessian, weight] = sums.iter().fold([0.0; 3], |a, b| std::array::from_fn(|i| a[i] + b[i]));
            let value = match self.objective.leaf_quantile() {
                Some(level) => {
                    let left = |row: &u32| (on.y[*row as usize] - scores[*row as usize], on.weight(*row as usize));
                    quantile(&mut rows.iter().map(left).collect::<Vec<_>>(), level)
                }
                None => self.rules.value(gradient, hessian),
            };
            let value = self.learning_rate * value.clamp(leaf.bounds.0, leaf.bounds.1);
            (weight, if is_stump || !value.is_finite() { 0.0 } else { value })
        };
        let values: Vec<(f64, f64)> = grown.leaves.par_iter().map(leaf_values).collect();
        for (leaf, (weight, value)) in grown.leaves.iter().zip(values) {
            grown.tree.set(leaf.node, weight, &[value]);
            let (rows, others) = (&grower.rows.rows[leaf.rows.clone()], &grower.others.rows[leaf.others.clone()]);
            rows.iter().chain(others).for_each(|row| scores[*row as usize] += value);
        }
        grown.tree.sum_covers();
    }
}
