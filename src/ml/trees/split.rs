//! The best question that a node's histogram offers.

use super::bins::{Binned, Feature, MOST_BINS};
use super::histogram::{Histograms, Quantised, Sums};

/// What splits may do and what they cost.
#[derive(Clone, Debug)]
pub struct Rules {
    pub l1: f64,
    pub l2: f64,
    /// Rows that each side keeps.
    pub min_rows: u64,
    /// The hessian that each side keeps.
    pub min_hessian: f64,
    /// What a split gains at least.
    pub min_gain: f64,
    /// Added to hessians where categories are put in order.
    pub cat_smooth: f64,
    /// Added to `l2` where categories are split in two sets.
    pub cat_l2: f64,
    /// Rows that a category, or several of them together, bring to a set.
    pub min_rows_per_group: u64,
    /// Categories in the smaller set at most.
    pub most_categories: usize,
    /// For each feature 1 where predictions may not fall as it rises, −1 where they may not rise.
    pub monotone: Vec<i8>,
}

/// Up to this many categories, each is tried alone against the others.
const FEW_CATEGORIES: usize = 4;

impl Rules {
    /// The value a leaf with these sums should have.
    pub fn value(&self, gradient: f64, hessian: f64) -> f64 {
        value(self.shrink(gradient), hessian + self.l2)
    }

    fn shrink(&self, gradient: f64) -> f64 {
        if self.l1 == 0.0 { gradient } else { gradient.signum() * (gradient.abs() - self.l1).max(0.0) }
    }
}

fn value(gradient: f64, hessian: f64) -> f64 {
    if hessian > 0.0 { -gradient / hessian } else { 0.0 }
}

/// Where a feature's bins part.
#[derive(Clone, Debug, PartialEq)]
pub enum Cut {
    /// Bins up to this one go left.
    Number { bin: usize, missing_left: bool },
    /// These bins go left.
    Categories(Vec<usize>),
}

/// A question with what it gains.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    pub feature: usize,
    pub cut: Cut,
    pub gain: f64,
    pub left: Sums,
    /// The values both sides would have, within the node's bounds.
    pub values: (f64, f64),
}

impl Split {
    /// For each bin whether it goes left.
    pub fn goes_left(&self, feature: &Feature) -> [bool; MOST_BINS] {
        let mut table = [false; MOST_BINS];
        match &self.cut {
            Cut::Number { bin, missing_left } => {
                table[..=*bin].fill(true);
                if feature.missing {
                    table[feature.bins] = *missing_left;
                }
            }
            Cut::Categories(bins) => bins.iter().for_each(|bin| table[*bin] = true),
        }
        table
    }
}

/// A node whose best split is looked for.
pub struct Search<'a> {
    pub binned: &'a Binned,
    pub rules: &'a Rules,
    pub quantised: &'a Quantised,
    /// The node's sums.
    pub sums: Sums,
    /// Bounds of the values below the node.
    pub bounds: (f64, f64),
}

/// One side of a split.
#[derive(Clone, Copy)]
struct Side {
    gradient: f64,
    hessian: f64,
}

impl Search<'_> {
    /// The split that gains most among these features, the first of equals.
    pub fn best(&self, histograms: &Histograms<'_>, histogram: &[Sums], features: &[usize]) -> Option<Split> {
        let mut best: Option<Split> = None;
        for feature in features {
            let sums = &histogram[histograms.range(*feature)];
            let found = if self.binned.features[*feature].is_category() { self.categories(*feature, sums) } else { self.numbers(*feature, sums) };
            if let Some(found) = found
                && best.as_ref().is_none_or(|best| found.gain > best.gain)
            {
                best = Some(found);
            }
        }
        best
    }

    /// A side, if it keeps enough.
    fn side(&self, sums: Sums) -> Option<Side> {
        let (gradient, hessian, count) = self.quantised.read(sums);
        (count >= self.rules.min_rows && hessian >= self.rules.min_hessian).then(|| Side { gradient: self.rules.shrink(gradient), hessian })
    }

    /// The loss that a side takes away with the best value it may have.
    fn score(&self, side: Side, l2: f64) -> f64 {
        let hessian = side.hessian + l2;
        if self.rules.monotone.is_empty() {
            if hessian > 0.0 { side.gradient * side.gradient / hessian } else { 0.0 }
        } else {
            let value = self.bounded(side, l2);
            -(2.0 * side.gradient + hessian * value) * value
        }
    }

    fn bounded(&self, side: Side, l2: f64) -> f64 {
        value(side.gradient, side.hessian + l2).clamp(self.bounds.0, self.bounds.1)
    }

    /// What parting the node so gains, before the node's own score is taken off.
    fn both(&self, feature: usize, left: Sums, l2: f64) -> Option<f64> {
        let (left, right) = (self.side(left)?, self.side(self.sums - left)?);
        if let Some(direction) = self.rules.monotone.get(feature)
            && *direction != 0
            && (self.bounded(right, l2) - self.bounded(left, l2)) * f64::from(*direction) < 0.0
        {
            return None;
        }
        Some(self.score(left, l2) + self.score(right, l2))
    }

    fn split(&self, feature: usize, cut: Cut, score: f64, left: Sums, l2: f64) -> Option<Split> {
        let read = |sums: Sums| {
            let (gradient, hessian, _) = self.quantised.read(sums);
            Side { gradient: self.rules.shrink(gradient), hessian }
        };
        let gain = score - self.score(read(self.sums), l2);
        let values = (self.bounded(read(left), l2), self.bounded(read(self.sums - left), l2));
        (gain > self.rules.min_gain).then_some(Split { feature, cut, gain, left, values })
    }

    fn numbers(&self, feature: usize, sums: &[Sums]) -> Option<Split> {
        let Feature { bins, missing, .. } = self.binned.features[feature];
        let missing = if missing { sums[bins] } else { Sums::default() };
        let any_missing = missing != Sums::default();
        let l2 = self.rules.l2;
        let mut best: Option<(f64, usize, bool, Sums)> = None;
        for missing_left in [false, true].into_iter().take(1 + usize::from(any_missing)) {
            let mut left = if missing_left { missing } else { Sums::default() };
            // With missing values on the right, all others may go left.
            let ends = if any_missing && !missing_left { bins } else { bins - 1 };
            for (bin, sum) in sums[..ends].iter().enumerate() {
                if *sum == Sums::default() {
                    continue;
                }
                left = left + *sum;
                if let Some(score) = self.both(feature, left, l2)
                    && best.is_none_or(|(best, ..)| score > best)
                {
                    best = Some((score, bin, missing_left, left));
                }
            }
        }
        let (score, bin, mut missing_left, left) = best?;
        if !any_missing {
            // Nothing was learned about missing values: they go with most rows.
            missing_left = 2 * self.quantised.read(left).2 >= self.quantised.read(self.sums).2;
        }
        self.split(feature, Cut::Number { bin, missing_left }, score, left, l2)
    }

    /// Categories in the order of their mean gradient part best between neighbours (Fisher 1958).
    fn categories(&self, feature: usize, sums: &[Sums]) -> Option<Split> {
        let mut bins: Vec<usize> = (0..self.binned.features[feature].bins).filter(|bin| sums[*bin] != Sums::default()).collect();
        let mut best: Option<(f64, Sums, Vec<usize>)> = None;
        let mut offer = |score: Option<f64>, left: Sums, bins: &[usize]| {
            if let Some(score) = score
                && best.as_ref().is_none_or(|(best, ..)| score > *best)
            {
                best = Some((score, left, bins.to_vec()));
            }
        };
        if bins.len() <= FEW_CATEGORIES {
            for bin in &bins {
                offer(self.both(feature, sums[*bin], self.rules.l2), sums[*bin], &[*bin]);
            }
            let (score, left, bins) = best?;
            return self.split(feature, Cut::Categories(bins), score, left, self.rules.l2);
        }
        let l2 = self.rules.l2 + self.rules.cat_l2;
        let mean = |bin: &usize| {
            let (gradient, hessian, _) = self.quantised.read(sums[*bin]);
            gradient / (hessian + self.rules.cat_smooth).max(f64::MIN_POSITIVE)
        };
        bins.sort_by(|a, b| mean(a).total_cmp(&mean(b)).then(a.cmp(b)));
        for _ in 0..2 {
            let (mut left, mut group) = (Sums::default(), 0);
            let most = self.rules.most_categories.min(bins.len().div_ceil(2));
            for (i, bin) in bins.iter().take(most).enumerate() {
                left = left + sums[*bin];
                group += self.quantised.read(sums[*bin]).2;
                if group >= self.rules.min_rows_per_group {
                    group = 0;
                    offer(self.both(feature, left, l2), left, &bins[..=i]);
                }
            }
            bins.reverse();
        }
        let (score, left, bins) = best?;
        self.split(feature, Cut::Categories(bins), score, left, l2)
    }
}
