//! The skew proof: what a model says of training rows, it says of the same rows when they come back as a request.
//!
//! A sample of raw training rows is written as JSON lines and read again as `recipe predict` would read it; the model is read back from the
//! bytes that the bundle will hold; where the model has a form in SQL, `SQLite` computes it a third time. Features and predictions must
//! agree to 1e-9, or nothing is registered. The sample is small and lies in the first batch, so that the cost does not grow with the rows.

use std::fmt::Write as _;

use polars::prelude::*;
use serde::{Deserialize, Serialize};

use super::applied::Rows;
use crate::card::{Block, Cell, Fact, Tab, Table as CardTable};
use crate::data::{Table, rows};
use crate::error::{Error, Result, shorten};
use crate::ml::export::lowering::input_kind;
use crate::ml::export::program::InputKind;
use crate::ml::export::{Program, apart, sqlite};
use crate::ml::matrix::numbers;
use crate::ml::model::Model;

/// Rows that are replayed.
const ROWS: usize = 64;
const AS_JSON: &str = "the rows as JSON lines";
/// Leaves of a model's trees above which `SQLite` is left out.
const MOST_LEAVES: usize = 20_000;

/// What was replayed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Skew {
    /// Training rows.
    pub rows: usize,
    pub features: usize,
    pub tolerance: f64,
    pub ways: Vec<Way>,
}

/// One way to a prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Way {
    pub name: String,
    /// The largest difference, relative to the larger of 1 and the number; nothing where it was not gone.
    pub apart: Option<f64>,
    /// Why it was not gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

/// What a model makes of rows: features, then predictions.
struct Said {
    features: DataFrame,
    predictions: Vec<Column>,
}

/// Replays training rows.
///
/// # Errors
/// Exit code 7, with the column that differs.
pub fn replay(model: &Model, saved: &[u8], program: Result<&Program, &str>, training: &Table) -> Result<Skew> {
    let sample = sample(model, training)?;
    let mut skew = Skew { rows: sample.height(), features: model.chain.features().len(), tolerance: sqlite::TOLERANCE, ways: Vec::new() };
    if sample.height() == 0 {
        return Ok(skew);
    }
    let ours = say(model, &Table::of(sample.clone()))?;
    let parsed = serde_json::from_slice(saved).map_err(|error| Error::bug(format!("the saved model is no JSON: {error}")))?;
    let again = Model::load(parsed)?;
    skew.went("the model as the bundle holds it", same("the model that was saved and read back", &ours, &say(&again, &Table::of(sample.clone()))?)?);
    match request(&again, &sample) {
        Ok(served) => skew.went(AS_JSON, same("the rows read again from JSON", &ours, &say(&again, &served.table)?)?),
        // What cannot be a request, such as a column of another program's type, is no difference.
        Err(error) => skew.left_out(AS_JSON, error.to_string().lines().next().unwrap_or_default().to_owned()),
    }
    match program {
        Err(why) => skew.left_out("SQL in SQLite", why.to_owned()),
        Ok(program) if leaves(program) > MOST_LEAVES => {
            skew.left_out("SQL in SQLite", format!("more than {MOST_LEAVES} leaves; `recipe export sql` compares them"));
        }
        Ok(program) => match sqlite::predict(program, &model.chain.inputs, &sample) {
            Ok(said) => skew.went("SQL in SQLite", sqlite::compare(program, &ours.predictions, &said)?.apart),
            // More columns than SQLite takes, say.
            Err(error) => skew.left_out("SQL in SQLite", error.to_string().lines().next().unwrap_or_default().to_owned()),
        },
    }
    Ok(skew)
}

fn leaves(program: &Program) -> usize {
    program.forests.iter().map(|forest| forest.trees.leaves()).sum()
}

/// Rows of the first batch, spread over it, that the model scores and that JSON can hold.
fn sample(model: &Model, training: &Table) -> Result<DataFrame> {
    let Some(first) = training.batches()?.next() else { return training.head(0) };
    let mut frame = rows::spread(&Table::of(first?), ROWS)?;
    let mut plain = BooleanChunked::full("plain".into(), true, frame.height());
    for column in &model.chain.inputs {
        let Ok(found) = frame.column(&column.name) else { continue };
        if found.dtype().is_float() {
            plain = plain & numbers(found)?.iter().map(|x| !x.is_infinite()).collect();
        } else if found.dtype() == &DataType::UInt64 {
            plain = plain & found.u64()?.iter().map(|x| x.is_none_or(|x| i64::try_from(x).is_ok())).collect();
        }
    }
    frame = frame.filter(&plain)?;
    if model.predict(&frame).is_err() {
        // Rows that training left out in its transforms may be ones that the model refuses.
        let scored: BooleanChunked = (0..frame.height()).map(|row| model.predict(&frame.slice(row as i64, 1)).is_ok()).collect();
        frame = frame.filter(&scored)?;
    }
    Ok(frame)
}

/// The sample as a file that is scored.
fn request(model: &Model, sample: &DataFrame) -> Result<Rows> {
    let is_plain = |kind: &str| input_kind(kind).is_some_and(|kind| kind != InputKind::Time) && !kind.contains(", ");
    if let Some(column) = model.chain.inputs.iter().find(|column| !is_plain(&column.kind)) {
        return Err(Error::model(format!("column `{}` is {}", shorten(&column.name), column.kind)));
    }
    let dir = tempfile::tempdir().map_err(|error| Error::io("write", &std::env::temp_dir(), &error))?;
    let names: Vec<String> = sample.get_column_names().iter().map(ToString::to_string).collect();
    let mut text = String::new();
    for record in rows::records(sample, &names) {
        let _ = writeln!(text, "{}", serde_json::Value::Object(record));
    }
    let path = dir.path().join("rows.jsonl");
    std::fs::write(&path, text).map_err(|error| Error::io("write", &path, &error))?;
    let mut read = Rows::for_model(dir.path(), &["rows.jsonl".to_owned()], model)?;
    read.table = Table::of(read.table.collect()?);
    Ok(read)
}

fn say(model: &Model, table: &Table) -> Result<Said> {
    let prepared = model.chain.prepare(table)?.collect()?;
    let features = model.chain.apply(prepared.lazy())?.collect()?;
    let predictions = model.prediction_columns(&model.predict_transformed(&features)?)?;
    Ok(Said { features: features.select(model.chain.features().iter().map(String::as_str))?, predictions })
}

/// How far two are apart at most.
fn same(what: &str, ours: &Said, theirs: &Said) -> Result<f64> {
    let mut most = 0.0_f64;
    let features = ours.features.columns().iter().zip(theirs.features.columns());
    for (a, b) in features.chain(ours.predictions.iter().zip(&theirs.predictions)) {
        let is_number = |column: &Column| column.dtype().is_primitive_numeric() || column.dtype().is_bool();
        let distance = if is_number(a) && is_number(b) {
            apart(&numbers(a)?, &numbers(b)?)
        } else if a.equals_missing(b) {
            0.0
        } else {
            f64::INFINITY
        };
        if distance > sqlite::TOLERANCE {
            return Err(Error::model(format!(
                "training and serving differ in column `{}`: {what} gives other values, {distance:.1e} apart",
                shorten(a.name())
            ))
            .hint("nothing was registered; please report it with the recipe"));
        }
        most = most.max(distance);
    }
    Ok(most)
}

impl Skew {
    fn went(&mut self, name: &str, apart: f64) {
        self.ways.push(Way { name: name.to_owned(), apart: Some(apart), left_out: None });
    }

    fn left_out(&mut self, name: &str, why: String) {
        self.ways.push(Way { name: name.to_owned(), apart: None, left_out: Some(why) });
    }

    /// As a card shows it.
    #[must_use]
    pub fn tab(&self) -> Tab {
        let row = |way: &Way| {
            let found = match (&way.apart, &way.left_out) {
                (Some(apart), _) if *apart == 0.0 => "the same to the last bit".into(),
                (Some(apart), _) => Cell::Text(format!("{apart:.1e} apart at most")),
                (None, why) => Cell::Text(format!("not gone: {}", why.clone().unwrap_or_default())),
            };
            vec![Cell::Text(way.name.clone()), found]
        };
        Tab::new(
            "skew",
            "Training and serving",
            vec![
                Block::Text("Training rows were scored again in these ways; features and predictions are those of training.".to_owned()),
                Block::Facts(vec![Fact::new("training rows", self.rows), Fact::new("features", self.features)]),
                Block::Table(CardTable {
                    caption: "Ways to a prediction".to_owned(),
                    columns: ["way", "against the model that was trained"].map(str::to_owned).to_vec(),
                    rows: self.ways.iter().map(row).collect(),
                }),
            ],
        )
    }
}
