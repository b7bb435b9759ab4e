//! Rows out of a request's body, with the types that training had: csv, and the forms of JSON that `MLflow`'s scoring server takes.
//!
//! A value either means what it meant in training or is refused with its row and column: a text is no number, and a number is no text,
//! because `07302` and `7302` are different zip codes.

use std::collections::BTreeMap;

use polars::prelude::*;
use serde_json::Value as Json;

use crate::data::source::cell::{Kind as CellKind, Typed, parse, whole};
use crate::error::{Error, Result, shorten};
use crate::ml::input::InputColumn;

/// The keys under which rows may stand.
pub const FORMS: [&str; 4] = ["dataframe_split", "dataframe_records", "instances", "inputs"];

/// The rows of a body. Columns that the model does not read are left out; where one is missing that it does, all are named.
///
/// # Errors
/// ([`crate::error::Kind::Data`]) What is not of the form that `content_type` says; values that do not fit.
pub fn rows(content_type: &str, body: &[u8], inputs: &[InputColumn]) -> Result<DataFrame> {
    match content_type.split(';').next().unwrap_or_default().trim() {
        "text/csv" => of_csv(body, inputs),
        "application/json" => of_json(body, inputs),
        other => Err(Error::data(format!("the body is `{}`, which is not read", shorten(other))).hint("send `Content-Type: application/json` or `text/csv`")),
    }
}

/// One row whose values were typed, by the names of columns; what is empty or not there is missing.
///
/// # Errors
/// Each column whose value does not fit, and why.
pub fn typed(values: &BTreeMap<String, String>, inputs: &[InputColumn]) -> Result<DataFrame, BTreeMap<String, String>> {
    let (mut columns, mut wrong) = (Vec::with_capacity(inputs.len()), BTreeMap::new());
    for input in inputs {
        let value = values.get(&input.name).filter(|text| !text.is_empty()).map_or(Json::Null, |text| text.as_str().into());
        match column(input, &[&value], true) {
            Ok(column) => columns.push(column),
            Err(error) => {
                let Some(problem) = error.problems.first() else { continue };
                // The field says which column it is.
                let place = format!("row 1, column `{}`: ", shorten(&input.name));
                let message = problem.message.strip_prefix(&place).unwrap_or(&problem.message);
                let hint = problem.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
                wrong.insert(input.name.clone(), format!("{message}{hint}"));
            }
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    DataFrame::new(1, columns).map_err(|error| BTreeMap::from([(String::new(), error.to_string())]))
}

fn of_csv(body: &[u8], inputs: &[InputColumn]) -> Result<DataFrame> {
    let wrong = |error: csv::Error| Error::data(format!("no csv: {error}"));
    let mut reader = csv::Reader::from_reader(body);
    let names: Vec<String> = reader.headers().map_err(wrong)?.iter().map(str::to_owned).collect();
    let mut columns: BTreeMap<&str, Vec<Json>> = BTreeMap::new();
    let mut count = 0;
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        count += 1;
        for (name, text) in names.iter().zip(&record) {
            columns.entry(name).or_default().push(if text.is_empty() { Json::Null } else { text.into() });
        }
    }
    frame(count, inputs, &names, true, |name| columns.get(name).map(|values| values.iter().collect()))
}

fn of_json(body: &[u8], inputs: &[InputColumn]) -> Result<DataFrame> {
    let json: Json = serde_json::from_slice(body).map_err(|error| Error::data(format!("no JSON: {error}")))?;
    let named: Vec<(&str, &Json)> = FORMS.iter().filter_map(|form| Some((*form, json.get(*form)?))).collect();
    let [(form, rows)] = named[..] else {
        let found = if named.is_empty() { "none is there".to_owned() } else { format!("{} are", named.len()) };
        return Err(Error::data(format!("rows stand under one of {}; {found}", FORMS.map(|form| format!("`{form}`")).join(", "))));
    };
    let unreadable = |what: &str| Error::data(format!("`{form}` is not {what}"));
    match (form, rows) {
        ("dataframe_split", split) => {
            let list = |key: &str| split.get(key).and_then(Json::as_array).ok_or_else(|| unreadable("an object with the lists `columns` and `data`"));
            let names = list("columns")?.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>();
            of_lists(list("data")?, &names.ok_or_else(|| unreadable("an object whose `columns` are texts"))?, inputs)
        }
        (_, Json::Array(rows)) if rows.iter().all(Json::is_object) => {
            let mut names: Vec<String> = Vec::new();
            for name in rows.iter().filter_map(Json::as_object).flat_map(|row| row.keys()) {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
            frame(rows.len(), inputs, &names, false, |name| {
                rows.iter().any(|row| row.get(name).is_some()).then(|| rows.iter().map(|row| row.get(name).unwrap_or(&Json::Null)).collect())
            })
        }
        ("dataframe_records", _) => Err(unreadable("a list of objects")),
        (_, Json::Array(rows)) => of_lists(rows, &inputs.iter().map(|input| input.name.clone()).collect::<Vec<_>>(), inputs),
        ("inputs", Json::Object(columns)) => {
            let count = columns.values().map(|values| values.as_array().map_or(1, Vec::len)).max().unwrap_or(0);
            if let Some((name, _)) = columns.iter().find(|(_, values)| values.as_array().map_or(1, Vec::len) != count) {
                return Err(Error::data(format!("`inputs` has columns of several lengths: `{}` is shorter than {count}", shorten(name))));
            }
            let names: Vec<String> = columns.keys().cloned().collect();
            frame(count, inputs, &names, false, |name| {
                let values = columns.get(name)?;
                Some(values.as_array().map_or_else(|| vec![values], |values| values.iter().collect()))
            })
        }
        _ => Err(unreadable("a list of rows")),
    }
}

/// Rows that are lists, in the order of some names.
fn of_lists(rows: &[Json], names: &[String], inputs: &[InputColumn]) -> Result<DataFrame> {
    for (i, row) in rows.iter().enumerate() {
        let width = row.as_array().map(Vec::len);
        if width != Some(names.len()) {
            let found = width.map_or_else(|| "is no list".to_owned(), |width| format!("has {width}"));
            return Err(Error::data(format!("row {}: {} values are wanted, it {found}", i + 1, names.len()))
                .hint(format!("the columns are, in this order: {}", names.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", "))));
        }
    }
    frame(rows.len(), inputs, names, false, |name| {
        let place = names.iter().position(|known| known == name)?;
        Some(rows.iter().filter_map(|row| row.get(place)).collect())
    })
}

/// The columns that a model reads; `values` gives those of a name. Texts are parsed where `are_texts`.
fn frame<'a>(rows: usize, inputs: &[InputColumn], names: &[String], are_texts: bool, values: impl Fn(&str) -> Option<Vec<&'a Json>>) -> Result<DataFrame> {
    if rows == 0 {
        return Err(Error::data("there are no rows"));
    }
    let mut columns = Vec::with_capacity(inputs.len());
    for input in inputs {
        if let Some(values) = values(&input.name) {
            columns.push(column(input, &values, are_texts)?);
        }
    }
    if columns.len() < inputs.len() {
        // The model names what is missing, and for each the nearest of these.
        let spare = names.iter().filter(|name| inputs.iter().all(|input| input.name != **name));
        columns.extend(spare.map(|name| Column::full_null(name.as_str().into(), rows, &DataType::Null)));
    }
    Ok(DataFrame::new(rows, columns)?)
}

/// Values as a column of the type that training had.
fn column(input: &InputColumn, values: &[&Json], are_texts: bool) -> Result<Column> {
    let name: PlSmallStr = input.name.as_str().into();
    let dtype = input.dtype().unwrap_or(DataType::String);
    let Some(kind) = CellKind::of(&dtype) else {
        return Err(Error::data(format!("column `{}` is of the type {}, which cannot be sent; leave it out of the model", shorten(&input.name), input.kind)));
    };
    let typed = |(row, value): (usize, &&Json)| -> Result<Option<Typed>> {
        let wrong = || {
            let shown = shorten(&value.to_string());
            let error = Error::data(format!("row {}, column `{}`: {shown} is no {}", row + 1, shorten(&input.name), kind.name()));
            match kind {
                CellKind::Date | CellKind::Datetime => error.hint("dates are texts such as `2024-06-01`, moments such as `2024-06-01T12:30:00`"),
                _ => error,
            }
        };
        let read = match (kind, value) {
            (_, Json::Null) => return Ok(None),
            (CellKind::Integer, Json::Number(number)) => number.as_i64().or_else(|| number.as_f64().and_then(whole)).map(Typed::Integer),
            (CellKind::Float, Json::Number(number)) => number.as_f64().map(Typed::Float),
            (CellKind::Boolean, Json::Bool(value)) => Some(Typed::Boolean(*value)),
            (CellKind::Boolean, Json::Number(number)) => number.as_f64().filter(|value| [0.0, 1.0].contains(value)).map(|value| Typed::Boolean(value == 1.0)),
            (CellKind::Date | CellKind::Datetime, Json::String(text)) => parse(text.as_bytes(), kind, false),
            (_, Json::String(text)) if are_texts => parse(text.as_bytes(), kind, false),
            _ => None,
        };
        read.map(Some).ok_or_else(wrong)
    };
    if matches!(kind, CellKind::Text | CellKind::Missing) {
        let text = |(row, value): (usize, &&'_ Json)| match value {
            Json::Null => Ok(None),
            Json::String(text) => Ok(Some(text.clone())),
            other => {
                let message = format!("row {}, column `{}`: {} is no string", row + 1, shorten(&input.name), shorten(&other.to_string()));
                Err(Error::data(message).hint("it was a text in training; put it into quotes"))
            }
        };
        let texts: Vec<Option<String>> = values.iter().enumerate().map(text).collect::<Result<_>>()?;
        return Ok(Column::new(name, texts).cast(&dtype)?);
    }
    let typed: Vec<Option<Typed>> = values.iter().enumerate().map(typed).collect::<Result<_>>()?;
    let integers = || typed.iter().map(|value| value.and_then(integer)).collect::<Vec<Option<i64>>>();
    let column = match kind {
        CellKind::Float => Column::new(name, typed.iter().map(|value| value.and_then(float)).collect::<Vec<_>>()),
        CellKind::Boolean => Column::new(name, integers().into_iter().map(|value| value.map(|value| value == 1)).collect::<Vec<_>>()),
        CellKind::Date => Column::new(name, integers()).cast(&DataType::Int32)?.cast(&DataType::Date)?,
        CellKind::Datetime => Column::new(name, integers()).cast(&CellKind::Datetime.dtype())?,
        _ => Column::new(name, integers()),
    };
    column.strict_cast(&dtype).map_err(|_| Error::data(format!("column `{}`: a value does not fit {}", shorten(&input.name), input.kind)))
}

fn float(value: Typed) -> Option<f64> {
    match value {
        Typed::Float(value) => Some(value),
        _ => None,
    }
}

fn integer(value: Typed) -> Option<i64> {
    match value {
        Typed::Boolean(value) => Some(i64::from(value)),
        Typed::Integer(value) | Typed::Micros(value) => Some(value),
        Typed::Days(days) => Some(i64::from(days)),
        Typed::Float(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> Vec<InputColumn> {
        let moment = DataType::Datetime(TimeUnit::Microseconds, None);
        [("x", DataType::Float64), ("n", DataType::Int32), ("zip", DataType::String), ("at", moment), ("is", DataType::Boolean)]
            .map(|(name, dtype)| InputColumn::new(name, &dtype))
            .into()
    }

    #[test]
    fn every_form_gives_the_same_rows() {
        let csv = "zip,x,n,at,is,spare\n07302,1.5,2,2024-06-01T12:00:00,true,a\n,,,,,\n";
        let wanted = rows("text/csv; charset=utf-8", csv.as_bytes(), &inputs()).unwrap();
        assert_eq!((wanted.height(), wanted.width()), (2, 5));
        assert_eq!(wanted.column("zip").unwrap().str().unwrap().get(0), Some("07302"));
        assert_eq!(wanted.column("n").unwrap().dtype(), &DataType::Int32);
        assert_eq!(wanted.column("at").unwrap().null_count(), 1);
        for body in [
            r#"{"dataframe_split": {"columns": ["x", "n", "zip", "at", "is"], "data": [[1.5, 2, "07302", "2024-06-01 12:00", true], [null, null, null, null, null]]}}"#,
            r#"{"dataframe_records": [{"x": 1.5, "n": 2.0, "zip": "07302", "at": "2024-06-01T12:00:00Z", "is": 1}, {"spare": 1}]}"#,
            r#"{"instances": [[1.5, 2, "07302", "2024-06-01T12:00:00", true], [null, null, null, null, null]]}"#,
            r#"{"inputs": {"x": [1.5, null], "n": [2, null], "zip": ["07302", null], "at": ["2024-06-01T12:00", null], "is": [true, null]}}"#,
        ] {
            let found = rows("application/json", body.as_bytes(), &inputs()).unwrap();
            assert!(found.equals_missing(&wanted), "{body}\n{found}\n{wanted}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_place() {
        let record = |text: &str| format!("{{\"dataframe_records\": [{{}}, {{{text}}}]}}");
        for (content_type, body, says) in [
            ("application/json", record("\"x\": \"a\""), "row 2, column `x`: \"a\" is no float"),
            ("application/json", record("\"n\": 1.5"), "row 2, column `n`: 1.5 is no integer"),
            ("application/json", record("\"zip\": 7302"), "row 2, column `zip`: 7302 is no string"),
            ("application/json", record("\"at\": 1717243200000"), "is no datetime"),
            ("application/json", record("\"n\": 3000000000"), "does not fit i32"),
            ("application/json", "{".to_owned(), "no JSON"),
            ("application/json", "[]".to_owned(), "rows stand under one of `dataframe_split`"),
            ("application/json", "{\"instances\": [], \"inputs\": []}".to_owned(), "2 are"),
            ("application/json", "{\"instances\": [[1]]}".to_owned(), "row 1: 5 values are wanted, it has 1"),
            ("application/json", "{\"instances\": []}".to_owned(), "there are no rows"),
            ("application/json", "{\"inputs\": {\"x\": [1, 2], \"n\": [1]}}".to_owned(), "several lengths"),
            ("text/csv", "x,n\n1,2,3\n".to_owned(), "no csv"),
            ("text/csv", "x,n\n1,two\n".to_owned(), "row 1, column `n`: \"two\" is no integer"),
            ("image/png", String::new(), "`image/png`, which is not read"),
        ] {
            let error = rows(content_type, body.as_bytes(), &inputs()).unwrap_err().to_string();
            assert!(error.contains(says), "{body}: {error}");
        }
    }
}
