//! Columns by name while a chain is lowered, and what transforms need to say what becomes of them.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime};

use super::program::{Form, Id, Input, InputKind, Keys, Output, OutputKind, Program, Values};
use crate::error::{Problem, shorten};
use crate::ml::input::InputColumn;
use crate::ml::transformers::levels;

/// Why something cannot be expressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why(Option<String>);

impl Why {
    /// A predicate: `compares rows with all training rows`.
    pub fn new(why: impl Into<String>) -> Self {
        Self(Some(why.into()))
    }

    /// It follows from what was said already.
    #[must_use]
    pub fn said() -> Self {
        Self(None)
    }

    /// The same with words before it; what follows from something else still does.
    #[must_use]
    pub fn behind(self, words: &str) -> Self {
        Self(self.0.map(|why| format!("{words} {why}")))
    }

    /// As a problem of what it happened to.
    #[must_use]
    pub fn problem(self, name: &str) -> Option<Problem> {
        self.0.map(|why| Problem::new(format!("`{name}` cannot be exported: it {why}")))
    }

    #[must_use]
    pub fn text(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

/// What a date or time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Date,
    Datetime,
    Time,
}

/// What a column is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number(Id),
    Text(Id),
    Truth(Id),
    /// Seconds.
    Moment(Id, Moment),
    /// A sparse column of zeros with a one at the place that this number says, where it is one.
    OneHot {
        code: Id,
        width: usize,
    },
    /// Cannot be expressed; why, where it was not said yet.
    Unknown(Why),
}

/// What an estimator reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    Number(Id),
    /// See [`Value::OneHot`].
    OneHot {
        code: Id,
        width: usize,
    },
}

/// What an estimator says of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Values(Id),
    /// One a class.
    Scores(Vec<Id>),
}

/// The graph so far and the columns at this point of a chain.
#[derive(Default)]
pub struct Lowering {
    pub program: Program,
    /// Truths: a row for which one holds gets no prediction.
    pub refusals: Vec<Id>,
    columns: BTreeMap<String, Value>,
}

impl Lowering {
    /// Raw columns: those that features are computed from are the graph's inputs, others are there while nothing reads them.
    #[must_use]
    pub fn of(inputs: &[InputColumn], raw: &[InputColumn]) -> Self {
        let mut lowering = Self::default();
        for column in inputs {
            let value = match input_kind(&column.kind) {
                None => Value::Unknown(Why::new(format!("reads column `{}` ({})", shorten(&column.name), column.kind))),
                Some(kind) => {
                    lowering.program.inputs.push(Input { name: column.name.clone(), kind });
                    let id = lowering.program.add(Form::Input(lowering.program.inputs.len() - 1));
                    match kind {
                        InputKind::Number => Value::Number(id),
                        InputKind::Boolean => Value::Truth(lowering.program.equals(id, 1.0)),
                        InputKind::Text => Value::Text(id),
                        InputKind::Date => Value::Moment(id, Moment::Date),
                        InputKind::Datetime => Value::Moment(id, Moment::Datetime),
                        InputKind::Time => Value::Moment(id, Moment::Time),
                    }
                }
            };
            lowering.columns.insert(column.name.clone(), value);
        }
        let spare = |column: &&InputColumn| !inputs.contains(column);
        for column in raw.iter().filter(spare) {
            let value = match input_kind(&column.kind) {
                Some(InputKind::Text) => Value::Text(lowering.program.add(Form::Text(None))),
                Some(InputKind::Number | InputKind::Boolean) => Value::Number(lowering.program.missing()),
                Some(InputKind::Date) => Value::Moment(lowering.program.missing(), Moment::Date),
                Some(InputKind::Datetime) => Value::Moment(lowering.program.missing(), Moment::Datetime),
                Some(InputKind::Time) => Value::Moment(lowering.program.missing(), Moment::Time),
                None => Value::Unknown(Why::new(format!("reads column `{}` ({})", shorten(&column.name), column.kind))),
            };
            lowering.columns.insert(column.name.clone(), value);
        }
        lowering
    }

    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.columns.contains_key(name)
    }

    /// # Errors
    /// Where the column is not there or has no form.
    pub fn value(&self, name: &str) -> Result<Value, Why> {
        match self.columns.get(name) {
            Some(Value::Unknown(why)) => Err(why.clone()),
            Some(value) => Ok(value.clone()),
            None => Err(Why::new(format!("reads column `{}`, which is not there", shorten(name)))),
        }
    }

    /// A number: 1 or 0 of a truth.
    ///
    /// # Errors
    /// As [`Lowering::value`]; a column that is no number.
    pub fn number(&mut self, name: &str) -> Result<Id, Why> {
        match self.value(name)? {
            Value::Number(id) => Ok(id),
            Value::Truth(id) => Ok(self.program.as_number(id)),
            _ => Err(Why::new(format!("reads column `{}`, which is no number", shorten(name)))),
        }
    }

    /// A number, text or truth as something that can be asked whether it is missing.
    ///
    /// # Errors
    /// As [`Lowering::value`].
    pub fn is_missing(&mut self, name: &str) -> Result<Id, Why> {
        let id = match self.value(name)? {
            Value::Number(id) | Value::Text(id) | Value::Moment(id, _) => id,
            Value::Truth(id) => self.program.as_number(id),
            Value::OneHot { .. } | Value::Unknown(_) => return Err(Why::new("reads a sparse column")),
        };
        Ok(self.program.is_missing(id))
    }

    /// Ends the graph: the outputs, missing for a row that a check stops at, or that holds a value which training did not have
    /// where that is refused.
    pub fn give(&mut self, mut outputs: Vec<Output>) {
        let refusals = std::mem::take(&mut self.refusals);
        if !refusals.is_empty() {
            let is_refused = self.program.add(Form::Any(refusals));
            for output in &mut outputs {
                let nothing = if output.kind == OutputKind::Text { self.program.add(Form::Text(None)) } else { self.program.missing() };
                output.id = self.program.choose(vec![(is_refused, nothing)], output.id);
            }
        }
        self.program.outputs = outputs;
    }

    pub fn set(&mut self, name: &str, value: Value) {
        self.columns.insert(name.to_owned(), value);
    }

    pub fn set_number(&mut self, name: &str, id: Id) {
        self.set(name, Value::Number(id));
    }

    pub fn drop<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            self.columns.remove(name);
        }
    }

    pub fn rename(&mut self, names: &BTreeMap<String, String>) {
        let taken: Vec<(String, Option<Value>)> = names.iter().map(|(old, new)| (new.clone(), self.columns.remove(old))).collect();
        self.columns.extend(taken.into_iter().filter_map(|(new, value)| Some((new, value?))));
    }

    /// What an estimator reads under a name.
    ///
    /// # Errors
    /// As [`Lowering::number`].
    pub fn feature(&mut self, name: &str) -> Result<Feature, Why> {
        match self.value(name)? {
            Value::OneHot { code, width } => Ok(Feature::OneHot { code, width }),
            _ => self.number(name).map(Feature::Number),
        }
    }

    /// What is looked up for the level of a column: values for the known levels, for all others, and for a missing one.
    ///
    /// # Errors
    /// As [`Lowering::value`]; levels that cannot be told apart as numbers.
    pub fn level(&mut self, name: &str, kind: levels::Kind, known: &[String], values: Values) -> Result<Id, Why> {
        let numbers = |of: &dyn Fn(&str) -> Option<f64>| {
            let keys: Option<Vec<f64>> = known.iter().map(|level| of(level)).collect();
            keys.map(Keys::Numbers).ok_or_else(|| Why::new(format!("has levels of `{}` that have no form as numbers", shorten(name))))
        };
        let (of, keys) = match (self.value(name)?, kind) {
            (Value::Text(id), levels::Kind::String) => (id, Keys::Texts(known.to_vec())),
            (Value::Truth(id), levels::Kind::Boolean) => {
                let number = self.program.as_number(id);
                (number, numbers(&|level| Some(f64::from(u8::from(level == "true"))))?)
            }
            (Value::Number(id), levels::Kind::Boolean) => (id, numbers(&|level| Some(f64::from(u8::from(level == "true"))))?),
            (Value::Number(id), levels::Kind::Integer | levels::Kind::Float) => {
                let exact = |level: &str| {
                    let number: f64 = level.parse().ok()?;
                    // Beyond 2^53 two integers may be one float.
                    (kind == levels::Kind::Float || number.abs() <= 9_007_199_254_740_992.0).then_some(number)
                };
                (id, numbers(&exact)?)
            }
            (Value::Moment(id, moment), levels::Kind::Temporal) => (id, numbers(&|level| seconds(level, moment))?),
            _ => return Err(Why::new(format!("reads column `{}` as levels of another type", shorten(name)))),
        };
        Ok(self.program.lookup(of, keys, values))
    }
}

/// The seconds of a date or time as polars writes it.
fn seconds(text: &str, moment: Moment) -> Option<f64> {
    match moment {
        Moment::Date => Some(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0)?.and_utc().timestamp() as f64),
        Moment::Datetime => {
            let at = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()?.and_utc();
            Some(at.timestamp() as f64 + f64::from(at.timestamp_subsec_nanos()) / 1e9)
        }
        Moment::Time => None,
    }
}

/// What a column of a type is to other programs; `None` for zones other than UTC, durations and bytes.
#[must_use]
pub fn input_kind(kind: &str) -> Option<InputKind> {
    match kind {
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "f32" | "f64" => Some(InputKind::Number),
        "boolean" => Some(InputKind::Boolean),
        "string" | "null" => Some(InputKind::Text),
        "date" => Some(InputKind::Date),
        "time" => Some(InputKind::Time),
        kind if kind.starts_with("decimal[") => Some(InputKind::Number),
        kind if kind.starts_with("datetime[") => (!kind.contains(',') || kind.ends_with(", UTC]")).then_some(InputKind::Datetime),
        _ => None,
    }
}

impl Feature {
    /// The numbers, where there are no sparse columns.
    ///
    /// # Errors
    /// Sparse columns.
    pub fn numbers(features: &[Self]) -> Result<Vec<Id>, Why> {
        let number = |feature: &Self| match feature {
            Self::Number(id) => Ok(*id),
            Self::OneHot { .. } => Err(Why::new("reads a sparse column")),
        };
        features.iter().map(number).collect()
    }
}

impl Said {
    /// Scores of so many classes from those of the classes that training had.
    #[must_use]
    pub fn among(scores: Vec<Id>, classes: usize, present: &[usize], on: &mut Lowering) -> Self {
        // Nothing, and not 0, where the row has no scores.
        let zero = scores.first().map(|score| on.program.times(*score, 0.0));
        let zero = zero.unwrap_or_else(|| on.program.number(0.0));
        let mut all = vec![zero; classes];
        for (class, score) in present.iter().zip(scores) {
            if let Some(place) = all.get_mut(*class) {
                *place = score;
            }
        }
        Self::Scores(all)
    }
}

impl Why {
    /// The reason of something that lies in something else.
    #[must_use]
    pub fn within(self, name: &str) -> Self {
        Self(self.0.map(|why| format!("holds `{name}`, which {why}")))
    }
}
