//! A model put to the test: what it says of some rows, whether their order matters, and what it does with values it never saw.

use polars::prelude::*;

use super::model::Model;
use crate::data::{Table, rows};
use crate::error::Result;

/// Rows that are altered to see whether they are survived.
const ALTERED: usize = 5;
const NEVER_SEEN: &str = "never seen before";

/// The prediction columns for every row, as JSON objects.
///
/// # Errors
/// As [`Model::score`].
pub fn predictions(model: &Model, table: &Table) -> Result<Vec<serde_json::Map<String, serde_json::Value>>> {
    let mut said = Vec::new();
    model.score(table, |frame, predictions| {
        let columns = model.prediction_columns(&predictions)?;
        let names: Vec<String> = columns.iter().map(|column| column.name().to_string()).collect();
        said.extend(rows::records(&DataFrame::new(frame.height(), columns)?, &names));
        Ok(())
    })?;
    Ok(said)
}

/// Does a row get the same prediction wherever it stands in the table?
///
/// # Errors
/// As [`Model::score`].
pub fn is_free_of_order(model: &Model, table: &Table) -> Result<bool> {
    let backwards = Table::of(table.collect()?.reverse());
    let mut again = predictions(model, &backwards)?;
    again.reverse();
    Ok(again == predictions(model, table)?)
}

/// What happens to rows without a value, or with a text that no training row had, in one raw column after the other: what was tried, and
/// why it was refused, if it was.
///
/// # Errors
/// Where the table cannot be read.
pub fn survival(model: &Model, table: &Table) -> Result<Vec<(String, Option<String>)>> {
    let frame = table.head(ALTERED)?;
    let mut tried = Vec::new();
    for input in &model.chain.inputs {
        let Ok(column) = frame.column(&input.name) else { continue };
        let nothing = Column::full_null(column.name().clone(), frame.height(), column.dtype());
        let unseen = (*column.dtype() == DataType::String).then(|| Column::new(column.name().clone(), vec![NEVER_SEEN; frame.height()]));
        for (what, column) in [("a missing", Some(nothing)), ("an unseen", unseen)] {
            let Some(column) = column else { continue };
            let mut altered = frame.clone();
            altered.with_column(column)?;
            let outcome = predictions(model, &Table::of(altered));
            tried.push((format!("{what} `{}`", input.name), outcome.err().map(|error| error.to_string())));
        }
    }
    Ok(tried)
}
