//! A model on files that no recipe names, and predictions that another program made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use polars::prelude::{DataFrame, DataType, Expr};

use super::predict::{no_reasons, with_predictions};
use crate::data::rows::require_columns;
use crate::data::sink::{self, SaveMode};
use crate::data::source::{self, Format, OneOrMore, Packed, ReadOptions, SourceConfig};
use crate::data::{ParquetSink, Table};
use crate::error::{Error, Kind, Result, counted, shorten};
use crate::ml::explain::Explainer;
use crate::ml::metric;
use crate::ml::model::{Model, Scored, classes};
use crate::ml::uncertainty::{Bootstrap, Draws, Interval};
use crate::ml::{Predictions, Task, matrix, target_numbers};

/// Draws of intervals begin here, so that the same files give the same figures.
const SEED: u64 = 42;

/// The rows whose target is known.
///
/// # Errors
/// No such column.
pub fn with_target(table: &Table, target: &str) -> Result<Table> {
    let known = Expr::Column(target.into());
    let is_float = table.schema().get(target).is_some_and(DataType::is_float);
    let is_known = if is_float { known.clone().is_not_null().and(known.is_not_nan()) } else { known.is_not_null() };
    Table::from_query(table.lazy().filter(is_known))
}

/// The rows of some files.
pub struct Rows {
    pub table: Table,
    /// What surprised while they were read.
    pub notes: Vec<String>,
    /// Files that had to be unpacked lie here.
    scratch: tempfile::TempDir,
}

impl Rows {
    /// Reads files, globs and directories below `root`, columns with the types that are wanted.
    ///
    /// # Errors
    /// As [`source::locate`] and [`source::read`].
    pub fn read(root: &Path, locations: &[String], wanted: &BTreeMap<String, DataType>) -> Result<Self> {
        let scratch = tempfile::tempdir().map_err(|error| Error::io("write", &std::env::temp_dir(), &error))?;
        let config = SourceConfig { using: None, location: OneOrMore(locations.to_vec()), options: ReadOptions::default(), sample: None };
        let files = source::locate(root, &config)?;
        let read = source::read(&files, &config, wanted, scratch.path(), SEED)?;
        Ok(Self { table: read.table, notes: read.notes, scratch })
    }

    /// The rows that a model is to score, its inputs read with the types they had in training.
    ///
    /// # Errors
    /// As [`Rows::read`].
    pub fn for_model(root: &Path, locations: &[String], model: &Model) -> Result<Self> {
        let wanted = model.chain.inputs.iter().filter_map(|column| Some((column.name.clone(), column.dtype()?))).collect();
        Self::read(root, locations, &wanted)
    }

    /// All columns and the predictions of a model, with `reasons` for each.
    ///
    /// # Errors
    /// Columns that the model misses or cannot take; a model that has no reasons; a full disk.
    pub fn predict(&self, model: &Model, reasons: usize) -> Result<Table> {
        let explainer = if reasons > 0 { Some(Explainer::of(model)?.ok_or_else(|| no_reasons(model, Kind::Usage, "`--reasons`"))?) } else { None };
        let path = self.scratch.path().join("scored.parquet");
        let mut sink = ParquetSink::create(&path);
        model.score(&model.chain.prepare(&self.table)?, |frame, predictions| {
            sink.write(&with_predictions(model, explainer.as_ref().map(|explainer| (explainer, reasons)), frame, &predictions)?)
        })?;
        sink.finish()?;
        Table::read(&path)
    }

    /// Takes away rows without a target; says how many.
    ///
    /// # Errors
    /// No such column; no row with a target.
    fn with_target(&mut self, target: &str) -> Result<()> {
        require_columns(&self.table, &[target.to_owned()], "target")?;
        let before = self.table.rows()?;
        self.table = with_target(&self.table, target)?;
        let after = self.table.rows()?;
        if after == 0 {
            return Err(Error::data(format!("target `{}` is missing in every row", shorten(target))));
        }
        if after < before {
            self.notes.push(format!("{} without a target left out", counted((before - after) as u64, "row")));
        }
        Ok(())
    }

    /// What a model predicts for rows whose target is known, beside that target.
    ///
    /// # Errors
    /// As [`Model::score_known`]; no row with a target.
    pub fn score(&mut self, model: &Model, weight: Option<&str>) -> Result<Scored> {
        self.with_target(&model.target)?;
        require_columns(&self.table, &weight.map(str::to_owned).into_iter().collect::<Vec<_>>(), "weight")?;
        model.score_known(&self.table, weight)
    }

    /// Predictions that are columns of the rows, beside the target.
    ///
    /// # Errors
    /// Columns that are absent or hold no numbers; classes that do not fit the columns of scores.
    pub fn predicted(&mut self, columns: &PredictedColumns) -> Result<Scored> {
        let target = &columns.target;
        self.with_target(target)?;
        let kind = self.kind(columns)?;
        let (task, named) = match &kind {
            Said::Number(column) => (Task::Regression, vec![column.clone()]),
            Said::Classes { classes, columns: named, positive } => (Task::Classification { classes: classes.clone(), positive: *positive }, named.clone()),
        };
        let needed: Vec<String> = named.iter().cloned().chain(columns.weight.clone()).collect();
        require_columns(&self.table, &needed, "predictions")?;
        let mut scored = Scored::empty(&task);
        for batch in self.table.batches()? {
            let frame = batch?;
            scored.y.extend(target_numbers(frame.column(target)?, &task)?);
            match &columns.weight {
                Some(weight) => scored.weight.extend(numbers(&frame, weight)?),
                None => scored.weight.resize(scored.y.len(), 1.0),
            }
            let mut values = named.iter().map(|name| numbers(&frame, name)).collect::<Result<Vec<_>>>()?;
            scored.push(&match (&kind, values.len()) {
                (Said::Number(_), _) => Predictions::Values(values.swap_remove(0)),
                (Said::Classes { positive: Some(positive), .. }, 1) => {
                    let other = values[0].iter().map(|score| 1.0 - score).collect();
                    values.insert(1 - *positive, other);
                    Predictions::Scores(values)
                }
                (Said::Classes { .. }, _) => Predictions::Scores(values),
            });
        }
        Ok(scored)
    }

    /// Numbers or classes? By the columns that are there.
    fn kind(&self, columns: &PredictedColumns) -> Result<Said> {
        let scores = columns.scores.as_deref().unwrap_or("predicted_score_");
        let is_one = columns.scores.as_deref().is_some_and(|scores| self.table.has(scores));
        if !is_one && columns.scores.is_none() && (columns.prediction.is_some() || !self.table.names().any(|name| name.starts_with(scores))) {
            return Ok(Said::Number(columns.prediction.clone().unwrap_or_else(|| "prediction".to_owned())));
        }
        let mut found: BTreeSet<String> = classes(&self.table, &columns.target)?.into_keys().collect();
        let positive = columns.positive.as_deref();
        if is_one {
            let Some(positive) = positive else {
                return Err(Error::usage(format!("of which class is `{scores}` the score?")).hint("name it: `--positive CLASS`"));
            };
            found.insert(positive.to_owned());
            if found.len() != 2 {
                return Err(Error::data(format!("one column of scores is for two classes; `{}` has {}", shorten(&columns.target), found.len()))
                    .hint("give a column of scores for each class: `--scores PREFIX`"));
            }
        } else if !self.table.names().any(|name| name.starts_with(scores)) {
            return Err(Error::data(format!("no column is called `{}` or begins with it", shorten(scores)))
                .hint("`--scores` is the column of one class's score, with `--positive`, or what the columns of all classes begin with"));
        } else {
            found.extend(self.table.names().filter_map(|name| name.strip_prefix(scores)).map(str::to_owned));
        }
        let classes: Vec<String> = found.into_iter().collect();
        let place = positive.map(|positive| classes.iter().position(|class| class == positive).ok_or_else(|| no_class(positive, &classes))).transpose()?;
        let named = if is_one { vec![scores.to_owned()] } else { classes.iter().map(|class| format!("{scores}{class}")).collect() };
        // As everywhere, of two classes the later one in the alphabet is the positive one where nothing is said.
        let positive = place.or_else(|| (classes.len() == 2).then_some(1)).filter(|_| classes.len() == 2);
        Ok(Said::Classes { classes, columns: named, positive })
    }
}

/// Where predictions of another program stand.
#[derive(Clone, Debug)]
pub struct PredictedColumns {
    pub target: String,
    /// A number; `prediction` where nothing is said.
    pub prediction: Option<String>,
    /// The column of the positive class's score, or what the columns of all classes' scores begin with.
    pub scores: Option<String>,
    pub positive: Option<String>,
    pub weight: Option<String>,
}

enum Said {
    Number(String),
    /// A column for each class, or one for the positive class.
    Classes {
        classes: Vec<String>,
        columns: Vec<String>,
        positive: Option<usize>,
    },
}

fn numbers(frame: &DataFrame, name: &str) -> Result<Vec<f64>> {
    let values = matrix::numbers(frame.column(name)?)?;
    match values.iter().position(|value| !value.is_finite()) {
        Some(row) => Err(Error::data(format!("`{}` is no finite number in row {}", shorten(name), row + 1)).hint("leave out rows without a prediction")),
        None => Ok(values),
    }
}

fn no_class(positive: &str, classes: &[String]) -> Error {
    let known: Vec<String> = classes.iter().take(10).map(|class| format!("`{}`", shorten(class))).collect();
    Error::usage(format!("no class `{}`", shorten(positive))).hint(format!("the classes are {}", known.join(", ")))
}

/// How good predictions are.
#[derive(Clone, Debug)]
pub struct Figures {
    pub rows: usize,
    pub metrics: BTreeMap<String, f64>,
    /// With 95 % confidence.
    pub intervals: BTreeMap<String, Interval>,
}

impl Figures {
    #[must_use]
    pub fn of(scored: &Scored) -> Self {
        let intervals = Draws::of(scored, Bootstrap::default(), SEED).map(|draws| draws.intervals()).unwrap_or_default();
        Self { rows: scored.rows(), metrics: metric::compute_all(scored), intervals }
    }
}

/// Writes a table as the name of the file says: `scored.csv.gz` is packed csv.
///
/// # Errors
/// A name that tells no format; as [`sink::write`].
pub fn write(table: &Table, path: &Path) -> Result<u64> {
    let name = path.to_string_lossy();
    let format = Format::of_name(&name).ok_or_else(|| {
        Error::usage(format!("cannot tell the format of `{}`", shorten(&name)))
            .hint("end its name in .parquet, .csv, .jsonl or .arrow; csv and jsonl also packed: .gz, .zst")
    })?;
    sink::write(table, path, format, Packed::of_name(&name), SaveMode::Overwrite)
}
