//! The skew proof: what a model says of training rows, it says of the same rows when they come back as a request.
//!
//! The first rows of the source's files are read again, columns with the types that the bundle asks for, and held against what ingest made of
//! them. A sample of raw training rows is written as JSON lines and read again as `recipe predict` would read it; the model is read back from
//! the bytes that the bundle will hold; where the model has a form in SQL, `SQLite` computes it once more. Features and predictions must
//! agree to 1e-9, or nothing is registered. The samples are small and lie in the first batch, so that the cost does not grow with the rows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use polars::prelude::*;
use serde::{Deserialize, Serialize};

use super::applied::{Rows, with_target};
use crate::card::{Block, Cell, Fact, Tab, Table as CardTable};
use crate::data::{Origin, Table, rows};
use crate::error::{Error, Result, shorten};
use crate::ml::export::lowering::input_kind;
use crate::ml::export::program::InputKind;
use crate::ml::export::{Program, apart, sqlite};
use crate::ml::matrix::numbers;
use crate::ml::model::Model;

/// Rows that are replayed.
const ROWS: usize = 64;
const AS_JSON: &str = "the rows as JSON lines";
const FROM_SOURCE: &str = "the first rows of the source, read as the bundle asks";
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

/// Where a recipe's rows came from.
pub struct Source {
    pub origin: Origin,
    /// Column types that the contract asks for.
    pub wanted: BTreeMap<String, DataType>,
}

/// What is replayed.
pub struct Replay<'a> {
    pub model: &'a Model,
    /// The model as the bundle will hold it.
    pub saved: &'a [u8],
    /// Its form in SQL, or why it has none.
    pub program: Result<&'a Program, &'a str>,
    pub training: &'a Table,
    /// What ingest made of the source, where it is still kept.
    pub ingested: Option<&'a Table>,
    pub source: &'a Source,
    pub root: &'a Path,
}

/// Replays training rows.
///
/// # Errors
/// Exit code 7, with the column that differs.
pub fn replay(on: &Replay<'_>) -> Result<Skew> {
    let model = on.model;
    let sample = sample(model, on.training)?;
    let mut skew = Skew { rows: sample.height(), features: model.chain.features().len(), tolerance: sqlite::TOLERANCE, ways: Vec::new() };
    if sample.height() == 0 {
        return Ok(skew);
    }
    let ours = say(model, &Table::of(sample.clone()))?;
    let parsed = serde_json::from_slice(on.saved).map_err(|error| Error::bug(format!("the saved model is no JSON: {error}")))?;
    let again = Model::load(parsed)?;
    skew.went("the model as the bundle holds it", same("the model that was saved and read back", &ours, &say(&again, &Table::of(sample.clone()))?)?);
    match first_rows(on) {
        Ok((ingested, raw)) => {
            let ours = say(model, &Table::of(ingested))?;
            let theirs = say(&again, &Table::of(raw)).map_err(|error| {
                let message = format!("training and serving differ: rows of the source, read again, cannot be scored: {}", first_line(&error));
                Error::model(message).hint("nothing was registered; give the columns a type in `steps.ingest.schema`")
            })?;
            skew.went(FROM_SOURCE, same("the source read again", &ours, &theirs)?);
        }
        Err(why) => skew.left_out(FROM_SOURCE, why),
    }
    match request(&again, &sample) {
        Ok(served) => skew.went(AS_JSON, same("the rows read again from JSON", &ours, &say(&again, &served.table)?)?),
        // What cannot be a request, such as a column of another program's type, is no difference.
        Err(error) => skew.left_out(AS_JSON, first_line(&error)),
    }
    match on.program {
        Err(why) => skew.left_out("SQL in SQLite", why.to_owned()),
        Ok(program) if leaves(program) > MOST_LEAVES => {
            skew.left_out("SQL in SQLite", format!("more than {MOST_LEAVES} leaves; `recipe export sql` compares them"));
        }
        Ok(program) => match sqlite::predict(program, &model.chain.inputs, &sample) {
            Ok(said) => skew.went("SQL in SQLite", sqlite::compare(program, &ours.predictions, &said)?.apart),
            // More columns than SQLite takes, say.
            Err(error) => skew.left_out("SQL in SQLite", first_line(&error)),
        },
    }
    Ok(skew)
}

fn first_line(error: &Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// The first rows as ingest gave them and as the source has them, as far as the model scores the former; or why there are none.
fn first_rows(on: &Replay<'_>) -> Result<(DataFrame, DataFrame), String> {
    let (model, origin) = (on.model, &on.source.origin);
    if origin.query().is_some() {
        return Err("the rows are a query's, which may come in any order".to_owned());
    }
    if origin.draws() {
        return Err("the rows are a sample of the source's".to_owned());
    }
    let whole = on.ingested.ok_or("what ingest made of it is no longer kept")?;
    let mut wanted = on.source.wanted.clone();
    wanted.extend(model.chain.inputs.iter().filter_map(|column| Some((column.name.clone(), column.dtype()?))));
    // A few rows may look like another type than all of them, and by their targets rows are known again.
    wanted.extend(whole.schema().get(&model.target).map(|dtype| (model.target.clone(), dtype.clone())));
    let raw = origin.peek(on.root, &wanted).ok_or("its files are no longer there")?;
    let told = |error: Error| first_line(&error);
    let known = with_target(&raw, &model.target).and_then(|table| table.head(ROWS)).map_err(told)?;
    let ingested = whole.head(known.height()).map_err(told)?;
    let target = |frame: &DataFrame| frame.column(&model.target).cloned().map_err(|error| first_line(&error.into()));
    if !target(&known)?.equals_missing(&target(&ingested)?) {
        return Err("the rows of ingest are not the first ones of the source".to_owned());
    }
    let scored = scored(model, &ingested);
    if !scored.any() {
        return Err("the model scores none of them".to_owned());
    }
    let kept = |frame: &DataFrame| frame.filter(&scored).map_err(|error| first_line(&error.into()));
    Ok((kept(&ingested)?, kept(&known)?))
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
    Ok(frame.filter(&scored(model, &frame))?)
}

/// Which rows a model scores: those that training left out in its transforms may be ones that it refuses.
fn scored(model: &Model, frame: &DataFrame) -> BooleanChunked {
    let alone = |row: usize| model.predict(&frame.slice(row as i64, 1)).is_ok();
    let all = model.predict(frame).is_ok();
    (0..frame.height()).map(|row| all || alone(row)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::source::{OneOrMore, ReadOptions, SourceConfig};
    use crate::ml::estimators;
    use crate::ml::export::tests::{chain, regression};
    use crate::ml::{Task, TrainingSet};
    use crate::value::Value;

    /// A model of `y` by the levels of `zip`, and the table it was trained on.
    fn trained() -> (Model, DataFrame) {
        let frame = df!("zip" => ["07302", "10001", "07302", "11430"], "x" => [1.5, 2.0, 0.5, 4.0], "y" => [1.0, 2.0, 3.0, 5.0]).unwrap();
        let chain = chain("[one_hot: {columns: [zip]}]", &frame, "y");
        let table = Table::from_query(chain.apply(frame.clone().lazy()).unwrap()).unwrap();
        let set = TrainingSet::new(Task::Regression, &table, chain.reads().clone(), "y", None, Vec::new(), 1).unwrap();
        let estimator = (estimators::find("ridge").unwrap().parse)(&Value::Null).unwrap().fit(&set).unwrap();
        let model = regression("y", chain, estimator);
        (model, frame)
    }

    #[test]
    fn what_the_source_says_otherwise_is_named() {
        let (model, frame) = trained();
        let saved = model.save().to_string().into_bytes();
        let table = Table::of(frame);
        let dir = tempfile::tempdir().unwrap();
        let replayed = |csv: &str| {
            std::fs::write(dir.path().join("rows.csv"), csv).unwrap();
            let config = SourceConfig { using: None, location: OneOrMore(vec!["rows.csv".to_owned()]), options: ReadOptions::default(), sample: None };
            let source = Source { origin: Origin::Files(config), wanted: BTreeMap::new() };
            replay(&Replay {
                model: &model,
                saved: &saved,
                program: Err("left out"),
                training: &table,
                ingested: Some(&table),
                source: &source,
                root: dir.path(),
            })
        };
        let way = |skew: &Skew| skew.ways.iter().find(|way| way.name == FROM_SOURCE).cloned().unwrap();
        // A row without target is none of ingest's; a zip code of digits stays a text, since the model asks for one.
        let same = "zip,x,y\n07302,1.5,1\n10001,7,\n10001,2,2\n07302,0.5,3\n11430,4,5\n";
        assert_eq!(way(&replayed(same).unwrap()).apart, Some(0.0));
        let error = replayed(&same.replace("11430", "10001")).unwrap_err();
        assert_eq!(error.kind, crate::error::Kind::Model);
        assert!(error.to_string().contains("differ in column `zip_"), "{error}");
        let error = replayed("x,y\n1.5,1\n2,2\n0.5,3\n4,5\n").unwrap_err();
        assert!(error.to_string().contains("read again, cannot be scored") && error.to_string().contains("zip"), "{error}");
        let others = way(&replayed(&same.replace(",3\n", ",4\n")).unwrap());
        assert_eq!((others.apart, others.left_out.as_deref()), (None, Some("the rows of ingest are not the first ones of the source")));
    }
}
