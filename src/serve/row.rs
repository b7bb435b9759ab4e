//! One row that a person typed: what a model says of it, and why.

use std::collections::BTreeMap;

use polars::prelude::DataFrame;

use super::body;
use crate::card::Cell;
use crate::card::format::number;
use crate::data::source::cell::Kind as CellKind;
use crate::data::{Table, rows};
use crate::error::{Error, Result};
use crate::ml::drift::{Reference, Ruler};
use crate::ml::explain::{EXPLAINABLE, Explainer};
use crate::ml::model::Model;
use crate::ml::{Predictions, Task};
use crate::tracking::bundle::Bundle;

/// Values of a column that are offered.
const OFFERED: usize = 200;

/// A column that the model reads, as a form asks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    /// `integer`, `float`, `string`, `boolean`, `date`, `datetime`.
    pub kind: String,
    /// What training rows had: `1 to 6`.
    pub range: String,
    /// The values that training had, the most frequent first, where they are categories.
    pub choices: Vec<String>,
    /// There were no others.
    pub is_complete: bool,
    /// Of a training row.
    pub example: String,
}

/// What a model reads, in its own order; examples are those of the `row`th training row that is kept.
#[must_use]
pub fn fields(bundle: &Bundle, row: usize) -> Vec<Field> {
    let reference: Reference = serde_json::from_value(bundle.profile.clone()).unwrap_or_default();
    let example = bundle.examples.get(row % bundle.examples.len().max(1));
    let field = |input: &crate::ml::input::InputColumn| {
        let kind = input.dtype().and_then(|dtype| CellKind::of(&dtype)).map_or_else(|| input.kind.clone(), |kind| kind.name().to_owned());
        let mut field = Field { name: input.name.clone(), kind, ..Field::default() };
        match reference.columns.iter().find(|column| column.name == input.name).map(|column| &column.ruler) {
            Some(Ruler::Numbers { least, most, .. }) => field.range = format!("{} to {}", number(*least), number(*most)),
            Some(Ruler::Categories { names, complete }) => {
                field.choices = names.iter().take(OFFERED).cloned().collect();
                field.is_complete = *complete && names.len() <= OFFERED;
            }
            _ => {}
        }
        field.example = match example.and_then(|row| row.get(&input.name)) {
            Some(serde_json::Value::String(text)) => text.clone(),
            None | Some(serde_json::Value::Null) => String::new(),
            Some(other) => other.to_string(),
        };
        field
    };
    bundle.model.chain.inputs.iter().map(field).collect()
}

/// What a model says of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The columns that `predict` would write, with their values.
    pub outputs: Vec<(String, Cell)>,
    pub reasons: Option<Reasons>,
    /// Why there are no reasons.
    pub without: Option<String>,
}

/// What each column adds: `base` and all contributions together are what the model gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reasons {
    /// What contributions are measured in.
    pub scale: String,
    /// The class that they speak for.
    pub class: Option<String>,
    /// The mean over training rows.
    pub base: f64,
    /// Column and contribution, the largest first; those that add nothing are left out.
    pub columns: Vec<(String, f64)>,
}

/// Why a row cannot be scored.
pub enum Refused {
    /// Columns whose value does not fit, and why.
    Fields(BTreeMap<String, String>),
    Row(Error),
}

/// Scores a row whose values were typed; what is empty is missing.
///
/// # Errors
/// Values that do not fit; what the model refuses.
pub fn say(model: &Model, values: &BTreeMap<String, String>) -> Result<Said, Refused> {
    let frame = body::typed(values, &model.chain.inputs).map_err(Refused::Fields)?;
    // A fault in the program must not end the thread.
    let said = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scored(model, &frame)));
    said.unwrap_or_else(|panic| Err(Error::panic(panic.as_ref()))).map_err(Refused::Row)
}

fn scored(model: &Model, frame: &DataFrame) -> Result<Said> {
    let frame = if model.chain.looks_across_rows() { model.chain.prepare(&Table::of(frame.clone()))?.collect()? } else { frame.clone() };
    let said = model.predict(&frame)?;
    let columns = model.prediction_columns(&said)?;
    let outputs = columns.iter().map(|column| (column.name().to_string(), rows::cell(column, 0))).collect();
    let Some(explainer) = Explainer::of(model)? else {
        let without = format!("`{}` has no predictions that can be explained exactly; those of these can: {EXPLAINABLE}", model.estimator.name());
        return Ok(Said { outputs, reasons: None, without: Some(without) });
    };
    let found = explainer.contributions(&explainer.features(&frame)?)?;
    let output = match &said {
        Predictions::Scores(scores) if found.outputs.len() > 1 => {
            let class = model.choose(scores, 0);
            found.outputs.iter().find(|output| output.class == Some(class))
        }
        _ => found.outputs.first(),
    };
    let reasons = output.map(|output| {
        let class = match &model.task {
            Task::Classification { classes, .. } => output.class.and_then(|class| classes.get(class).cloned()),
            Task::Regression => None,
        };
        let values = output.values.iter().map(|values| values.first().copied().unwrap_or(0.0));
        let mut columns: Vec<(String, f64)> =
            explainer.columns.iter().zip(values).filter(|(_, value)| *value != 0.0).map(|(origin, value)| (origin.name.clone(), value)).collect();
        columns.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then_with(|| a.0.cmp(&b.0)));
        Reasons { scale: found.scale.name().to_owned(), class, base: output.base, columns }
    });
    Ok(Said { outputs, reasons, without: None })
}
