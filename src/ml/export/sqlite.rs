//! A query for `SQLite` run in the `SQLite` of this program, so that SQL is shown to be right before it is written.

use polars::prelude::{DataFrame, DataType, IntoLazy};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::program::{InputKind, OutputKind, Program};
use super::sql::{self, Dialect, Query};
use crate::error::{Error, Result, shorten};
use crate::ml::input::{InputColumn, admit};

/// As far apart as predictions may be, relative to the larger of 1 and the number.
pub const TOLERANCE: f64 = 1e-9;

/// What was compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Checked {
    pub rows: usize,
    /// The largest difference, relative to the larger of 1 and the number.
    pub apart: f64,
}

/// The columns that the query gives, in the order of [`Program::outputs`].
///
/// # Errors
/// Exit code 7: SQL that `SQLite` does not take.
pub fn predict(program: &Program, inputs: &[InputColumn], frame: &DataFrame) -> Result<Vec<Vec<Value>>> {
    let refused = |why: super::Why| Error::model(format!("the model has no form in SQL: it {}", why.text()));
    let text = sql::write(program, Dialect::Sqlite, &Query { table: "input", keep: &[] }).map_err(refused)?;
    let failed = |error: rusqlite::Error| Error::model(format!("the model's SQL does not run in SQLite: {error}"));
    let connection = Connection::open_in_memory().map_err(failed)?;
    mathematics(&connection).map_err(failed)?;
    fill(&connection, program, inputs, frame)?;
    let mut statement = connection.prepare(&text).map_err(failed)?;
    let width = program.outputs.len();
    let mut columns = vec![Vec::with_capacity(frame.height()); width];
    let mut rows = statement.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        for (i, column) in columns.iter_mut().enumerate() {
            column.push(row.get::<_, Value>(i).map_err(failed)?);
        }
    }
    Ok(columns)
}

/// The rows as a table `input`, typed as the query reads them.
fn fill(connection: &Connection, program: &Program, inputs: &[InputColumn], frame: &DataFrame) -> Result<()> {
    let failed = |error: rusqlite::Error| Error::model(format!("cannot put rows into SQLite: {error}"));
    let frame = admit(frame.clone().lazy(), inputs)?.collect()?;
    let names: Vec<String> = program.inputs.iter().map(|input| Dialect::Sqlite.name_of(&input.name)).collect();
    if names.is_empty() {
        connection.execute_batch("CREATE TABLE input (nothing)").map_err(failed)?;
        for _ in 0..frame.height() {
            connection.execute("INSERT INTO input VALUES (NULL)", []).map_err(failed)?;
        }
        return Ok(());
    }
    connection.execute_batch(&format!("CREATE TABLE input ({})", names.join(", "))).map_err(failed)?;
    let mut columns = Vec::with_capacity(names.len());
    for input in &program.inputs {
        let column = frame.column(&input.name)?;
        let is_number = matches!(input.kind, InputKind::Number | InputKind::Boolean);
        columns.push(if is_number {
            column.cast(&DataType::Float64)?.f64()?.iter().map(|x| x.map_or(Value::Null, Value::Real)).collect::<Vec<_>>()
        } else {
            column.cast(&DataType::String)?.str()?.iter().map(|x| x.map_or(Value::Null, |text| Value::Text(text.to_owned()))).collect()
        });
    }
    let marks = vec!["?"; names.len()].join(", ");
    let mut insert = connection.prepare(&format!("INSERT INTO input VALUES ({marks})")).map_err(failed)?;
    for row in 0..frame.height() {
        insert.execute(params_from_iter(columns.iter().map(|column| &column[row]))).map_err(failed)?;
    }
    Ok(())
}

/// The functions that `SQLite` has where it is built with them.
fn mathematics(connection: &Connection) -> rusqlite::Result<()> {
    let functions: [(&str, fn(f64) -> f64); 5] = [("exp", f64::exp), ("ln", f64::ln), ("sqrt", f64::sqrt), ("floor", f64::floor), ("ceil", f64::ceil)];
    for (name, function) in functions {
        let of = move |context: &Context<'_>| Ok(context.get::<Option<f64>>(0)?.map(function));
        connection.create_scalar_function(name, 1, FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC, of)?;
    }
    Ok(())
}

/// Compares prediction columns, names in hand.
///
/// # Errors
/// Exit code 7: the first column that differs, with its row and both values.
pub fn compare(program: &Program, ours: &[polars::prelude::Column], said: &[Vec<Value>]) -> Result<Checked> {
    let mut checked = Checked { rows: 0, apart: 0.0 };
    for (output, said) in program.outputs.iter().zip(said) {
        let Some(column) = ours.iter().find(|column| column.name().as_str() == output.name) else {
            return Err(Error::bug(format!("the model gives no `{}`", output.name)));
        };
        let differs = |row: usize, ours: String, theirs: String| {
            let what = format!("the model's SQL differs from the model in column `{}`: {theirs} in place of {ours} in row {}", shorten(&output.name), row + 1);
            Error::model(what).hint("please report it: it is a fault of the export")
        };
        checked.rows = column.len();
        if said.len() != column.len() {
            return Err(differs(said.len(), format!("{} rows", column.len()), format!("{} rows", said.len())));
        }
        if output.kind == OutputKind::Text {
            for (row, (ours, theirs)) in column.cast(&DataType::String)?.str()?.iter().zip(said).enumerate() {
                let same = matches!((ours, theirs), (Some(a), Value::Text(b)) if a == b) || matches!((ours, theirs), (None, Value::Null));
                if !same {
                    return Err(differs(row, format!("{ours:?}"), format!("{theirs:?}")));
                }
            }
            continue;
        }
        let ours = crate::ml::matrix::numbers(column)?;
        for (row, (ours, theirs)) in ours.iter().zip(said).enumerate() {
            let theirs = match theirs {
                Value::Real(number) => *number,
                Value::Integer(number) => *number as f64,
                _ => f64::NAN,
            };
            let apart = super::apart(&[*ours], &[theirs]);
            if apart > TOLERANCE {
                return Err(differs(row, ours.to_string(), theirs.to_string()));
            }
            checked.apart = checked.apart.max(apart);
        }
    }
    Ok(checked)
}
