//! Permutation importance: how much worse a metric becomes when one raw column's values are shuffled among the rows.
//!
//! Shuffled is what goes into the chain, so that all features of a column lose their meaning together. What two columns both
//! know counts for neither.

use polars::prelude::*;

use super::altered::{self, Copy};
use crate::error::Result;
use crate::ml::metric::MetricEntry;
use crate::ml::model::{Model, Scored};
use crate::ml::trees::draw::Draw;

/// How much a metric suffers without each column.
#[derive(Clone, Debug, PartialEq)]
pub struct Importances {
    pub rows: usize,
    pub repeats: usize,
    /// The metric with nothing shuffled.
    pub baseline: f64,
    /// The most important first.
    pub columns: Vec<Importance>,
}

/// By how much a metric becomes worse without a column: mean and standard deviation over repeats (population form).
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    pub column: String,
    pub mean: f64,
    pub deviation: f64,
}

/// Shuffles each raw column that the model reads, `repeats` times; what a row gets from other rows is a column of its own
/// ([`FittedChain::alterable`](crate::ml::FittedChain::alterable)), so `sample` is of a prepared table. `None` where the metric is
/// not defined for these rows.
///
/// Source: Breiman (2001); scikit-learn `permutation_importance`.
///
/// # Errors
/// As [`Model::score_known`].
pub fn permutation(model: &Model, sample: &DataFrame, weight: Option<&str>, metric: &MetricEntry, repeats: usize, seed: u64) -> Result<Option<Importances>> {
    let rows: Vec<IdxSize> = (0..sample.height() as IdxSize).collect();
    let mut known = model.unscored();
    known.add(sample, &model.target, weight, &model.predict(sample)?)?;
    let value = |scored: &Scored| metric.compute(scored).filter(|value| value.is_finite());
    let Some(baseline) = value(&known) else { return Ok(None) };
    let columns = model.chain.alterable()?;
    let shuffled = |stream: usize| {
        let mut draw = Draw::new(seed, stream as u64);
        let mut rows = rows.clone();
        (1..rows.len()).rev().for_each(|i| rows.swap(i, draw.below(i + 1)));
        rows
    };
    let copies: Vec<Copy<'_>> = (0..columns.len() * repeats).map(|i| Copy { column: &columns[i / repeats].0.name, from: shuffled(i) }).collect();
    let predictions = altered::predict(model, sample, &rows, &copies)?;
    let worse = |predictions| {
        let mut scored = Scored { y: known.y.clone(), weight: known.weight.clone(), ..model.unscored() };
        scored.push(predictions);
        value(&scored).map(|value| if metric.greater_is_better { baseline - value } else { value - baseline })
    };
    let mut found: Vec<Importance> = columns
        .iter()
        .zip(predictions.chunks(repeats))
        .map(|((_, shown), predictions)| {
            let falls: Vec<f64> = predictions.iter().filter_map(worse).collect();
            let mean = falls.iter().sum::<f64>() / falls.len().max(1) as f64;
            let square = falls.iter().map(|fall| (fall - mean).powi(2)).sum::<f64>() / falls.len().max(1) as f64;
            Importance { column: shown.clone(), mean, deviation: square.sqrt() }
        })
        .collect();
    found.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    Ok(Some(Importances { rows: sample.height(), repeats, baseline, columns: found }))
}
