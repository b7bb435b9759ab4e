//! Copies of some rows in each of which one column holds values of other rows: what permutation importance and partial
//! dependence ask a model about.

use polars::prelude::*;

use crate::error::Result;
use crate::ml::Predictions;
use crate::ml::model::Model;

/// Numbers that the transformed rows of one question may have.
const CELLS: usize = 1 << 22;

/// One copy: the column that is altered, and for each row the sample's row that its value comes from.
pub struct Copy<'a> {
    pub column: &'a str,
    pub from: Vec<IdxSize>,
}

/// Predictions for copies of the rows `base` of a sample, one behind the other.
///
/// # Errors
/// As [`Model::predict`].
pub fn predict(model: &Model, sample: &DataFrame, base: &[IdxSize], copies: &[Copy<'_>]) -> Result<Vec<Predictions>> {
    if base.is_empty() {
        return Ok(Vec::new());
    }
    let at_once = (CELLS / (base.len() * model.features.len().max(1))).max(1);
    let mut all = Vec::with_capacity(copies.len());
    for copies in copies.chunks(at_once) {
        let altered = |column: &Column| {
            let rows = copies.iter().flat_map(|copy| if copy.column == column.name().as_str() { &copy.from } else { base }).copied();
            column.take(&IdxCa::from_vec("".into(), rows.collect()))
        };
        let columns: Vec<Column> = sample.columns().iter().map(altered).collect::<PolarsResult<_>>()?;
        let predictions = model.predict(&DataFrame::new(base.len() * copies.len(), columns)?)?;
        all.extend((0..copies.len()).map(|i| part(&predictions, i * base.len()..(i + 1) * base.len())));
    }
    Ok(all)
}

fn part(predictions: &Predictions, rows: std::ops::Range<usize>) -> Predictions {
    match predictions {
        Predictions::Values(values) => Predictions::Values(values[rows].to_vec()),
        Predictions::Scores(scores) => Predictions::Scores(scores.iter().map(|scores| scores[rows.clone()].to_vec()).collect()),
    }
}
