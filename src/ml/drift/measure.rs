//! One figure for how far two distributions lie apart, and what chance alone would give.

use std::f64::consts::{LN_2, PI};

use super::{ColumnReference, Counts, Method, Ruler};
use crate::data::stability_index;

/// Categories with a bin of their own, at most.
const BINS: usize = 20;
/// A category needs this share of the reference for a bin of its own.
const COMMON: f64 = 0.01;
/// How many standard errors chance is granted: about one column in ten thousand lies beyond.
const GRANTED: f64 = 3.7;
/// The same for W₁, which follows the mean: of few rows of a skewed column it is far from normal.
const GRANTED_MEAN: f64 = 5.0;

/// How far a column lies from the reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    pub value: f64,
    /// The value that equal distributions give on average, with as many rows.
    pub expected: f64,
    /// What equal distributions hardly ever exceed.
    pub bound: f64,
}

impl Figure {
    /// Is the value above both the threshold and what chance gives?
    #[must_use]
    pub fn exceeds(&self, threshold: f64) -> bool {
        self.value > threshold && self.value > self.bound
    }
}

/// How far rows lie from the reference; `None` where either has no rows.
#[must_use]
pub fn measure(method: Method, reference: &ColumnReference, now: &Counts) -> Option<Figure> {
    if reference.counts.rows == 0 || now.rows == 0 {
        return None;
    }
    let (before, after) = bins(reference, now);
    // The variance of a share's difference is p (1 − p) times this.
    let noise = 1.0 / reference.counts.rows as f64 + 1.0 / now.rows as f64;
    let freedom = before.len().saturating_sub(1) as f64;
    Some(match (method, &reference.ruler) {
        (Method::Psi, _) => Figure { value: stability_index(&before, &after), expected: freedom * noise, bound: chi_square(freedom) * noise },
        (Method::Jensenshannon, _) => {
            let of_chance = |square: f64| (square * noise / (8.0 * LN_2)).sqrt();
            Figure { value: jensen_shannon(&before, &after), expected: of_chance(freedom), bound: of_chance(chi_square(freedom)) }
        }
        (Method::Wasserstein, Ruler::Numbers { edges, deviation, .. }) if *deviation > 0.0 && reference.counts.present() > 0 => {
            let missing = missing_change(&reference.counts, now, noise);
            if now.present() == 0 {
                return Some(missing);
            }
            let noise = 1.0 / reference.counts.present() as f64 + 1.0 / now.present() as f64;
            let (distance, spread) = wasserstein(edges, &reference.counts, now);
            let expected = (2.0 / PI * noise).sqrt() * spread / deviation;
            let moved = Figure { value: distance / deviation, expected, bound: expected + GRANTED_MEAN * noise.sqrt() };
            // What chance does not explain comes before what it does, then the larger one.
            let rank = |figure: &Figure| (figure.value > figure.bound, figure.value);
            if rank(&missing) > rank(&moved) { missing } else { moved }
        }
        (Method::Wasserstein, _) => {
            let total = before.iter().sum::<f64>().max(1.0);
            let expected = before.iter().map(|count| count / total).map(|p| (2.0 / PI * p * (1.0 - p) * noise).sqrt()).sum::<f64>() / 2.0;
            Figure { value: total_variation(&before, &after), expected, bound: expected + GRANTED / 2.0 * noise.sqrt() }
        }
    })
}

/// By how much the missing share changed; a row more is granted, since few missing rows are far from normal.
fn missing_change(before: &Counts, now: &Counts, noise: f64) -> Figure {
    let share = (before.missing + now.missing) as f64 / (before.rows + now.rows).max(1) as f64;
    let error = (share * (1.0 - share) * noise).sqrt();
    let expected = (2.0 / PI).sqrt() * error;
    let bound = expected + GRANTED * error + 1.0 / now.rows.max(1) as f64;
    Figure { value: (now.missing_share() - before.missing_share()).abs(), expected, bound }
}

/// The rows of both by bin, without bins that both leave empty; missing values are the last bin.
fn bins(reference: &ColumnReference, now: &Counts) -> (Vec<f64>, Vec<f64>) {
    let bin_of = match &reference.ruler {
        Ruler::Numbers { .. } => tenths(&reference.counts.cells),
        Ruler::Categories { complete, .. } => categories(&reference.counts, *complete),
        Ruler::Untold => vec![0],
    };
    let bins = bin_of.iter().max().map_or(0, |most| most + 1);
    let join = |counts: &Counts| {
        let mut joined = vec![0.0; bins];
        for (bin, count) in bin_of.iter().zip(&counts.cells) {
            if let Some(sum) = joined.get_mut(*bin) {
                *sum += *count as f64;
            }
        }
        joined.push(counts.missing as f64);
        joined
    };
    join(&reference.counts).into_iter().zip(join(now)).filter(|(before, after)| before + after > 0.0).unzip()
}

/// Cells joined to about ten bins of equal share; a value that fills a tenth by itself is one, and so is what lies outside (bin 0).
fn tenths(cells: &[u64]) -> Vec<usize> {
    let (Some(first), Some(last)) = (cells.iter().position(|count| *count > 0), cells.iter().rposition(|count| *count > 0)) else {
        return vec![0; cells.len()];
    };
    let total = cells.iter().sum::<u64>();
    // A row more, since rows rarely divide by ten.
    let tenth = |rows: u64| (rows + 1) * 10 / total;
    let (mut bin, mut held, mut done) = (1, 0, 0);
    let mut bin_of = vec![0; cells.len()];
    for (place, count) in bin_of.iter_mut().zip(cells).take(last + 1).skip(first) {
        if held > 0 && *count * 10 >= total {
            (bin, held) = (bin + 1, 0);
        }
        *place = bin;
        (held, done) = (held + count, done + count);
        if tenth(done) > tenth(done - count) {
            (bin, held) = (bin + 1, 0);
        }
    }
    bin_of
}

/// Common categories by themselves, rare ones together; others by themselves if the reference had none, else with the rare ones.
fn categories(counts: &Counts, complete: bool) -> Vec<usize> {
    let present = counts.present() as f64;
    let known = counts.cells.len().saturating_sub(1);
    let common = counts.cells.iter().take(known.min(BINS)).take_while(|count| **count as f64 >= COMMON * present).count();
    (0..=known).map(|cell| if cell == known && complete { common + 1 } else { cell.min(common) }).collect()
}

fn shares(counts: &[f64]) -> impl Iterator<Item = f64> {
    let total = counts.iter().sum::<f64>().max(1.0);
    counts.iter().map(move |count| count / total)
}

fn total_variation(before: &[f64], after: &[f64]) -> f64 {
    shares(before).zip(shares(after)).map(|(p, q)| (p - q).abs()).sum::<f64>() / 2.0
}

/// √(½ Σ p log₂ (p / m) + ½ Σ q log₂ (q / m)) with m = (p + q) / 2.
fn jensen_shannon(before: &[f64], after: &[f64]) -> f64 {
    let part = |share: f64, mean: f64| if share > 0.0 { share * (share / mean).log2() } else { 0.0 };
    let sum: f64 = shares(before).zip(shares(after)).map(|(p, q)| part(p, f64::midpoint(p, q)) + part(q, f64::midpoint(p, q))).sum();
    (sum / 2.0).max(0.0).sqrt()
}

/// W₁ = ∫ |F − G| and ∫ √(F (1 − F)), in the column's unit: exact for values that are edges, and with rows spread evenly between edges.
fn wasserstein(edges: &[f64], reference: &Counts, now: &Counts) -> (f64, f64) {
    let (of_reference, of_now) = (reference.present() as f64, now.present() as f64);
    let share = |counts: &Counts, cell: usize, of: f64| counts.cells.get(cell).map_or(0.0, |count| *count as f64 / of);
    let mut distance = (now.below / of_now - reference.below / of_reference).abs() + (now.above / of_now - reference.above / of_reference).abs();
    let mut spread = 0.0;
    let (mut f, mut g) = (share(reference, 0, of_reference), share(now, 0, of_now));
    for (edge, pair) in edges.windows(2).enumerate() {
        let width = pair[1] - pair[0];
        f += share(reference, 2 * edge + 1, of_reference);
        g += share(now, 2 * edge + 1, of_now);
        let (left, deviation) = (f - g, (f * (1.0 - f)).max(0.0).sqrt());
        f += share(reference, 2 * edge + 2, of_reference);
        g += share(now, 2 * edge + 2, of_now);
        let right = f - g;
        // Between two edges the difference is a straight line, which may cross zero.
        let sizes = left.abs() + right.abs();
        distance += width * if left * right < 0.0 { (left * left + right * right) / (2.0 * sizes) } else { sizes / 2.0 };
        spread += width * f64::midpoint(deviation, (f * (1.0 - f)).max(0.0).sqrt());
    }
    (distance, spread)
}

/// The quantile of χ² that [`GRANTED`] standard errors stand for (Wilson and Hilferty 1931).
fn chi_square(freedom: f64) -> f64 {
    if freedom <= 0.0 {
        return 0.0;
    }
    let step = 2.0 / (9.0 * freedom);
    freedom * (1.0 - step + GRANTED * step.sqrt()).powi(3)
}
