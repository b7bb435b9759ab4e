//! Rows to show with that an export is right: a bundle's examples, and what lies at the edge of them.

use polars::prelude::*;
use serde_json::{Map, Value};

use super::program::{InputKind, Output, OutputKind, Program};
use crate::error::{Error, Result};
use crate::ml::input::{InputColumn, admit};
use crate::ml::matrix::numbers;
use crate::ml::model::Model;
use crate::ml::selector::ColumnKind;
use crate::ml::{Predictions, Task};

/// A row of examples by column.
pub type Record = Map<String, Value>;

/// At most so many rows at the edge.
const MOST_EDGES: usize = 400;
/// A text that no training data is likely to have.
const UNSEEN: &str = "\u{00bf}unseen 'quoted' \"text\"?";

/// Examples as a frame with the columns that a model reads; what is not there is missing.
///
/// # Errors
/// Values of mixed types.
pub fn frame(inputs: &[InputColumn], records: &[Record]) -> Result<DataFrame> {
    let column = |input: &InputColumn| -> Result<Column> {
        let name: PlSmallStr = input.name.as_str().into();
        let values = || records.iter().map(|record| record.get(&input.name).unwrap_or(&Value::Null));
        let dtype = input.dtype().unwrap_or(DataType::Null);
        Ok(match ColumnKind::of(&dtype) {
            ColumnKind::Integer => Column::new(name, values().map(Value::as_i64).collect::<Vec<_>>()),
            ColumnKind::Float => Column::new(name, values().map(Value::as_f64).collect::<Vec<_>>()),
            ColumnKind::Boolean => Column::new(name, values().map(Value::as_bool).collect::<Vec<_>>()),
            _ if matches!(dtype, DataType::Time) => Column::new(name, values().map(Value::as_str).collect::<Vec<_>>()).cast(&DataType::Time)?,
            ColumnKind::Empty => Column::full_null(name, records.len(), &DataType::Null),
            _ => Column::new(name, values().map(Value::as_str).collect::<Vec<_>>()),
        })
    };
    Ok(DataFrame::new(records.len(), inputs.iter().map(column).collect::<Result<Vec<_>>>()?)?)
}

/// The examples, and behind them the same with one value missing, one text that training did not have, one number far off.
#[must_use]
pub fn with_edges(inputs: &[InputColumn], examples: &[Record]) -> Vec<Record> {
    let mut all = examples.to_vec();
    let Some(first) = examples.first() else { return all };
    let mut next = examples.iter().cycle();
    for input in inputs {
        let mut values = vec![Value::Null];
        match input.dtype().as_ref().map(ColumnKind::of) {
            Some(ColumnKind::String) => values.extend([UNSEEN.into(), "".into()]),
            Some(ColumnKind::Integer) => values.extend([100.into(), 0.into()]),
            Some(ColumnKind::Float) => values.extend([(-1234.5).into(), 1e6.into()]),
            Some(ColumnKind::Date) => values.extend(["1900-02-28".into(), "2024-12-30".into()]),
            Some(ColumnKind::Datetime) => values.extend(["1969-12-31 23:59:59.500000".into(), "2024-02-29 23:59:59".into()]),
            _ => {}
        }
        for value in values {
            let mut row = next.next().unwrap_or(first).clone();
            row.insert(input.name.clone(), value);
            all.push(row);
        }
        if all.len() > examples.len() + MOST_EDGES {
            break;
        }
    }
    all
}

/// What the model predicts for each row; nothing for a row that it refuses.
///
/// # Errors
/// Where the model contradicts its task.
pub fn expected(model: &Model, frame: &DataFrame) -> Result<Vec<Column>> {
    let nothing = match &model.task {
        Task::Regression => Predictions::Values(Vec::new()),
        Task::Classification { classes, .. } => Predictions::Scores(vec![Vec::new(); classes.len()]),
    };
    let empty = DataFrame::new(0, model.prediction_columns(&nothing)?)?;
    each(frame, &empty, |rows| DataFrame::new(rows.height(), model.prediction_columns(&model.predict(rows)?)?).map_err(Error::from))
}

/// What becomes of rows; nulls in the columns of `empty` for a row that is refused.
///
/// # Errors
/// Where rows become columns of different types.
pub fn each(frame: &DataFrame, empty: &DataFrame, of: impl Fn(&DataFrame) -> Result<DataFrame>) -> Result<Vec<Column>> {
    if let Ok(all) = of(frame) {
        return Ok(all.columns().to_vec());
    }
    let mut all = empty.clone();
    for row in 0..frame.height() {
        let made = of(&frame.slice(row as i64, 1)).or_else(|_| {
            let nulls = empty.columns().iter().map(|column| Column::full_null(column.name().clone(), 1, column.dtype()));
            DataFrame::new(1, nulls.collect())
        })?;
        all.vstack_mut(&made)?;
    }
    Ok(all.columns().to_vec())
}

/// The inputs of a program as other programs are given them: numbers (truths 1 and 0, dates and times as seconds) and texts.
///
/// # Errors
/// Columns that the model misses or cannot take.
pub fn given(program: &Program, inputs: &[InputColumn], frame: &DataFrame) -> Result<Map<String, Value>> {
    let frame = admit(frame.clone().lazy(), inputs)?.collect()?;
    let mut columns = Map::new();
    for input in &program.inputs {
        let column = frame.column(&input.name)?;
        let by = |unit: f64, column: &Column| -> Result<Value> {
            let number = |x: f64| if x.is_nan() { Value::Null } else { Value::from(x / unit) };
            Ok(numbers(column)?.into_iter().map(number).collect())
        };
        let values = match input.kind {
            InputKind::Number | InputKind::Boolean => by(1.0, column)?,
            InputKind::Text => column.cast(&DataType::String)?.str()?.iter().map(|text| text.map_or(Value::Null, Value::from)).collect(),
            InputKind::Date | InputKind::Datetime => by(1e6, &column.cast(&DataType::Datetime(TimeUnit::Microseconds, None))?.to_physical_repr())?,
            InputKind::Time => by(1e9, &column.to_physical_repr())?,
        };
        columns.insert(input.name.clone(), values);
    }
    Ok(columns)
}

/// Prediction columns as lists of numbers and texts; `inf` and `-inf` are texts, as JSON has no such numbers, and NaN is null.
///
/// # Errors
/// A column that the model does not give.
pub fn listed(outputs: &[Output], columns: &[Column]) -> Result<Map<String, Value>> {
    let mut all = Map::new();
    for output in outputs {
        let column = columns.iter().find(|column| column.name().as_str() == output.name);
        let column = column.ok_or_else(|| Error::bug(format!("the model gives no `{}`", output.name)))?;
        let values: Value = if output.kind == OutputKind::Text {
            column.cast(&DataType::String)?.str()?.iter().map(|text| text.map_or(Value::Null, Value::from)).collect()
        } else {
            let number = |x: f64| if x.is_infinite() { Value::from(x.to_string()) } else { Value::from(x) };
            numbers(column)?.into_iter().map(number).collect()
        };
        all.insert(output.name.clone(), values);
    }
    Ok(all)
}
