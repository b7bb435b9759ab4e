//! Reasons: for each row the columns that moved its prediction most.

use polars::prelude::{Column, DataFrame};
use rayon::prelude::*;

use super::Explainer;
use crate::error::Result;
use crate::ml::Predictions;

/// Rows that are explained at a time.
const ROWS: usize = 4096;

/// The names of the columns that hold so many reasons.
#[must_use]
pub fn names(count: usize) -> Vec<String> {
    (1..=count).flat_map(|i| [format!("reason_{i}"), format!("reason_{i}_contribution")]).collect()
}

/// A row's place in `columns` and contribution, the largest first.
type Reason = (usize, f64);

/// For raw rows and their predictions `reason_1`, the column that adds or takes most, `reason_1_contribution`, and so on; missing
/// where fewer columns add anything. Of several classes the one that is predicted is explained.
///
/// # Errors
/// As [`Explainer::contributions`].
pub fn reasons(explainer: &Explainer<'_>, frame: &DataFrame, predictions: &Predictions, count: usize) -> Result<Vec<Column>> {
    let features = explainer.features(frame)?;
    let mut all: Vec<Vec<Reason>> = Vec::with_capacity(features.rows);
    for start in (0..features.rows).step_by(ROWS) {
        let rows = start..features.rows.min(start + ROWS);
        let chunk = features.part(rows.clone());
        let found = explainer.contributions(&chunk)?;
        let of_row = |i: usize| {
            let output = match predictions {
                Predictions::Scores(scores) if found.outputs.len() > 1 => {
                    let class = explainer.model.choose(scores, start + i);
                    found.outputs.iter().find(|output| output.class == Some(class))
                }
                _ => found.outputs.first(),
            };
            let mut reasons: Vec<Reason> = output.into_iter().flat_map(|output| output.values.iter().map(|values| values[i]).enumerate()).collect();
            reasons.retain(|(_, value)| *value != 0.0);
            reasons.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
            reasons.truncate(count);
            reasons
        };
        all.par_extend((0..rows.len()).into_par_iter().map(of_row));
    }
    let mut columns = Vec::with_capacity(2 * count);
    for (i, pair) in names(count).chunks(2).enumerate() {
        let name = |reasons: &Vec<Reason>| reasons.get(i).and_then(|(place, _)| explainer.columns.get(*place)).map(|origin| origin.name.as_str());
        columns.push(Column::new(pair[0].as_str().into(), all.iter().map(name).collect::<Vec<_>>()));
        columns.push(Column::new(pair[1].as_str().into(), all.iter().map(|reasons| reasons.get(i).map(|(_, value)| *value)).collect::<Vec<_>>()));
    }
    Ok(columns)
}
