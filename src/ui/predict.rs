//! A form for one row: what a version of a model says of it, and which columns moved that most.

use std::collections::BTreeMap;

use minijinja::context;
use serde::Serialize;

use super::address::Query;
use super::page::{blocks, facts, problems, short, text};
use super::{Ui, models};
use crate::card::html::given;
use crate::card::view::Span;
use crate::card::{Bars, Block, Cell, Fact, format};
use crate::error::{Error, Result, shorten};
use crate::ml::Task;
use crate::ml::explain::Scale;
use crate::serve::http::Answer;
use crate::serve::row::{Field, Reasons, Refused, Said, fields, say};

/// Columns that the form asks for, and that a chart shows.
const ASKED: usize = 400;
const DRAWN: usize = 12;

#[derive(Serialize)]
struct FieldView {
    id: String,
    name: String,
    hint: String,
    value: String,
    choices: Vec<String>,
    /// `decimal`, `numeric`, `text`.
    mode: &'static str,
    is_boolean: bool,
    wrong: Vec<Span>,
}

pub fn page(ui: &Ui, name: &str, version: &str, query: &Query, typed: Option<&Query>) -> Result<Answer> {
    let tracker = ui.tracker()?;
    let none = || Error::usage(format!("there is no version `{}` of model `{}`", shorten(version), shorten(name)));
    let number: u64 = version.parse().map_err(|_| none())?;
    let row = tracker.versions(Some(name))?.into_iter().find(|row| row.version == number).ok_or_else(none)?;
    let bundle = ui.bundle(&tracker, &row)?;
    let example = query.get("row").and_then(|row| row.parse::<usize>().ok()).unwrap_or(0);
    let fields = fields(&bundle, example);
    if typed.is_some_and(|typed| (0..fields.len()).all(|i| typed.get(&format!("c{i}")).is_none())) {
        let error = Error::usage("what was sent holds none of the form's fields");
        return Err(error.hint("send the page's form, as `application/x-www-form-urlencoded`: `c0=…&c1=…`"));
    }
    // Columns that are not asked for keep the values of the training row.
    let value = |(i, field): (usize, &Field)| match typed {
        Some(typed) if i < ASKED => typed.get(&format!("c{i}")).unwrap_or_default().trim().to_owned(),
        _ => field.example.clone(),
    };
    let values: BTreeMap<String, String> = fields.iter().enumerate().map(|(i, field)| (field.name.clone(), value((i, field)))).collect();
    let (mut wrong, mut refused, mut said) = (BTreeMap::new(), Vec::new(), None);
    // A page that is opened shows what it can do.
    match say(&bundle.model, &values) {
        Ok(found) => said = Some(found),
        Err(Refused::Fields(fields)) => wrong = fields,
        Err(Refused::Row(error)) => refused = problems(&error),
    }
    let field = |(i, field): (usize, &Field)| FieldView {
        id: format!("c{i}"),
        name: short(&field.name),
        hint: hint(field),
        value: values.get(&field.name).cloned().unwrap_or_default(),
        choices: field.choices.clone(),
        mode: match field.kind.as_str() {
            "float" => "decimal",
            "integer" => "numeric",
            _ => "text",
        },
        is_boolean: field.kind == "boolean",
        wrong: wrong.get(&field.name).map_or_else(Vec::new, |why| text(why)),
    };
    let shown: Vec<FieldView> = fields.iter().enumerate().take(ASKED).map(field).collect();
    let target = bundle.model.target.as_str();
    let view = context! {
        name => short(name),
        version => number,
        aliases => row.aliases.iter().map(|alias| short(alias)).collect::<Vec<_>>().join(", "),
        target => short(target),
        estimator => short(bundle.model.estimator.name()),
        fields => given(&shown),
        left_out => fields.len().saturating_sub(ASKED),
        is_wrong => !wrong.is_empty(),
        is_typed => typed.is_some(),
        problems => given(&refused),
        answer => given(&said.as_ref().map(answer)),
        facts => given(&said.as_ref().map(|said| facts(&outputs(said, &bundle.model.task)))),
        reasons => given(&said.as_ref().and_then(|said| said.reasons.as_ref()).map(|reasons| blocks(&[chart(reasons, &values)]))),
        told => given(&said.as_ref().map(|said| text(&told(said)))),
        action => format!("{}/{number}/predict", models::path(name)),
        another => if bundle.examples.len() > 1 { format!("{}/{number}/predict?row={}", models::path(name), (example + 1) % bundle.examples.len()) } else { String::new() },
    };
    ui.page("models", format!("Predict with {name} v{number}")).below("Models", "/models").below(name, models::path(name)).draw("predict.html", view)
}

/// The prediction itself, in large.
fn answer(said: &Said) -> String {
    said.outputs.first().map_or_else(String::new, |(_, value)| format::cell(value).text)
}

/// What else `predict` would write.
fn outputs(said: &Said, task: &Task) -> Vec<Fact> {
    // The score of the class that is predicted stands among those of all, where they are given.
    let first = if said.outputs.len() > 2 && matches!(task, Task::Classification { .. }) { 2 } else { 1 };
    let others = said.outputs.iter().skip(first).map(|(name, value)| {
        let value = match value {
            Cell::Number(value) if (0.0..=1.0).contains(value) && matches!(task, Task::Classification { .. }) => Cell::Share(*value),
            other => other.clone(),
        };
        Fact::new(format!("`{name}`"), value)
    });
    others.collect()
}

/// A column and what training had of it, in words.
fn hint(field: &Field) -> String {
    let range = if field.range.is_empty() { String::new() } else { format!(", in training {}", field.range) };
    let form = match field.kind.as_str() {
        "date" => ", such as 2024-06-01",
        "datetime" => ", such as 2024-06-01T12:30:00",
        _ => "",
    };
    let values = match field.choices.len() {
        0 => String::new(),
        count if field.is_complete => format!(", {} in training", crate::error::counted(count as u64, "value")),
        count => format!(", more than {} in training", crate::error::counted(count as u64, "value")),
    };
    format!("{}{range}{form}{values}", field.kind)
}

/// The columns that moved the prediction most, each with the value it has.
fn chart(reasons: &Reasons, values: &BTreeMap<String, String>) -> Block {
    let named = |(column, value): &(String, f64)| {
        let given =
            values.get(column).map_or_else(String::new, |given| if given.is_empty() { " is missing".to_owned() } else { format!(" = {}", shorten(given)) });
        (format!("{column}{given}"), *value)
    };
    let mut bars: Vec<(String, f64)> = reasons.columns.iter().take(DRAWN).map(named).collect();
    let rest: Vec<f64> = reasons.columns.iter().skip(DRAWN).map(|(_, value)| *value).collect();
    if !rest.is_empty() {
        bars.push((format!("{} other columns", rest.len()), rest.iter().sum()));
    }
    Block::Bars(Bars { caption: "What each column adds".to_owned(), x: reasons.scale.clone(), bars })
}

/// How to read the reasons, or why there are none.
fn told(said: &Said) -> String {
    match (&said.reasons, &said.without) {
        (Some(reasons), _) => {
            let of = reasons.class.as_ref().map_or_else(String::new, |class| format!(" of class `{}`", shorten(class)));
            let scale = if reasons.scale == Scale::Prediction.name() { String::new() } else { format!(" ({}{of})", reasons.scale) };
            let sum = reasons.base + reasons.columns.iter().map(|(_, value)| value).sum::<f64>();
            format!(
                "The mean over training rows is {}; with what the columns add it becomes {}{scale}. These are exact Shapley values.",
                format::number(reasons.base),
                format::number(sum)
            )
        }
        (None, Some(without)) => format!("There are no reasons: {without}."),
        (None, None) => String::new(),
    }
}
