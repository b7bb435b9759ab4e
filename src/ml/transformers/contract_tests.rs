//! What every transform of the list must do, and helpers for the tests of each.
//!
//! Each documented example is fitted on [`sample`], a small taxi table; an example may only name its columns.

use polars::prelude::*;

use super::{TRANSFORMERS, find};
use crate::data::{Roles, Table};
use crate::error::Error;
use crate::ml::{Fit, FittedTransform, UnfittedTransform};
use crate::value::{Value, display_path};

/// A value as the recipe reader makes it.
pub fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(b) => Value::Bool(*b),
        serde_json::Value::Number(n) => Value::Number(n.to_string()),
        serde_json::Value::String(s) => Value::String(s.clone()),
        serde_json::Value::Array(list) => Value::List(list.iter().map(value).collect()),
        serde_json::Value::Object(map) => Value::Map(map.iter().map(|(k, v)| (k.clone(), value(v))).collect()),
    }
}

/// The name and the configuration of `name: {…}`.
fn named(json: &serde_json::Value) -> (String, Value) {
    match value(json) {
        Value::Map(map) => map.into_iter().next().unwrap(),
        other => (other.text().unwrap(), Value::Null),
    }
}

/// A transform from yaml such as `clip: {lower: 0}`.
fn config(yaml: &str) -> Box<dyn UnfittedTransform> {
    let (name, value) = named(&serde_yaml::from_str(yaml).unwrap());
    (find(&name).unwrap().parse)(&value).unwrap_or_else(|faults| panic!("{yaml}: {faults:?}"))
}

/// The faults of a configuration that is refused, with their paths.
pub fn refused(yaml: &str) -> Vec<String> {
    let (name, value) = named(&serde_yaml::from_str(yaml).unwrap());
    let faults = (find(&name).unwrap().parse)(&value).err().unwrap();
    faults.iter().map(|fault| format!("{}: {fault}", display_path(&fault.path))).collect()
}

fn try_fit(frame: &DataFrame, transform: &dyn UnfittedTransform) -> Result<Box<dyn FittedTransform>, Error> {
    let roles = Roles::default().with_target("fare_amount");
    transform.fit(Fit { table: &Table::of(frame.clone()), roles: &roles, seed: 42, target: None })
}

/// A transform, written as in recipe.yaml, fitted on all columns; `fare_amount` is the target where it is there.
pub fn fit(frame: &DataFrame, yaml: &str) -> Box<dyn FittedTransform> {
    try_fit(frame, config(yaml).as_ref()).unwrap()
}

pub fn fit_error(frame: &DataFrame, yaml: &str) -> Error {
    try_fit(frame, config(yaml).as_ref()).err().unwrap()
}

/// Fitted on a frame and applied to it.
pub fn fit_apply(frame: &DataFrame, yaml: &str) -> DataFrame {
    applied(fit(frame, yaml).as_ref(), frame)
}

/// The training rows as a transform leaves them.
pub fn training(frame: &DataFrame, yaml: &str) -> DataFrame {
    let roles = Roles::default().with_target("fare_amount");
    let on = Fit { table: &Table::of(frame.clone()), roles: &roles, seed: 42, target: None };
    config(yaml).fit_training(on).unwrap().1.collect().unwrap()
}

/// Asserts a column's numbers within 1e-9, relative where they are large; NaN stands for missing.
pub fn close(frame: &DataFrame, name: &str, expected: &[f64]) {
    let found = crate::ml::Matrix::of(frame, &[name.to_owned()]).unwrap().columns.remove(0);
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= 1e-9 * b.abs().max(1.0), "{name}: {found:?} is not {expected:?}");
    }
}

/// Eight taxi rides, with missing values in most columns that may have some.
pub fn sample() -> DataFrame {
    let day = 86_400_000_000_i64;
    let frame = df!(
        "trip_distance" => [Some(1.2), Some(0.4), None, Some(3.3), Some(9.0), Some(2.2), Some(f64::NAN), Some(17.5)],
        "passenger_count" => [Some(1_i64), Some(2), Some(1), None, Some(5), Some(1), Some(1), Some(3)],
        "payment_type" => [Some("card"), Some("cash"), Some("card"), None, Some("card"), Some("cash"), Some("voucher"), Some("card")],
        "vendor" => ["a", "b", "a", "a", "b", "b", "a", "c"],
        "pickup_zip" => ["10001", "10003", "10001", "11371", "10003", "10001", "10002", "10003"],
        "dropoff_zip" => ["10003", "10001", "10002", "10001", "11371", "10001", "10003", "10001"],
        "shared" => [Some(false), Some(true), None, Some(false), Some(false), Some(true), Some(false), Some(false)],
        "pickup_datetime" => (0..8).map(|i| i * day + i * 3_600_000_000 + 1_456_790_400_000_000).collect::<Vec<i64>>(),
        "dropoff_datetime" => (0..8).map(|i| i * day + i * 3_900_000_000 + 1_456_791_300_000_000).collect::<Vec<i64>>(),
        "pickup_date" => (0..8).map(|i| i + 16_861).collect::<Vec<i32>>(),
        "fare_amount" => [6.5, 4.0, 12.0, 14.5, 31.0, 9.5, 7.0, 52.0]
    )
    .unwrap();
    let time = DataType::Datetime(TimeUnit::Microseconds, None);
    let typed = [col("pickup_datetime").cast(time.clone()), col("dropoff_datetime").cast(time), col("pickup_date").cast(DataType::Date)];
    frame.lazy().with_columns(typed).collect().unwrap()
}

/// Every documented example: the transform's name and its configuration.
pub fn examples() -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    for entry in TRANSFORMERS {
        let block = entry.doc.split("```yaml\n").nth(1).unwrap_or_else(|| panic!("`{}` has no example", entry.name));
        let json: serde_json::Value = serde_yaml::from_str(block.split("```").next().unwrap()).unwrap();
        for step in json.as_array().unwrap_or_else(|| panic!("the example of `{}` is no list", entry.name)) {
            let (name, value) = named(step);
            all.push((find(&name).unwrap_or_else(|| panic!("example of `{}` names `{name}`", entry.name)).name, value));
        }
    }
    all
}

fn parsed(name: &str, value: &Value) -> Box<dyn UnfittedTransform> {
    (find(name).unwrap().parse)(value).unwrap_or_else(|faults| panic!("{name}: {faults:?}"))
}

fn applied(fitted: &dyn FittedTransform, frame: &DataFrame) -> DataFrame {
    fitted.apply(frame.clone().lazy()).unwrap().collect().unwrap()
}

#[test]
fn names_and_aliases_are_distinct_and_each_page_opens_with_a_sentence() {
    let mut names: Vec<&str> = TRANSFORMERS.iter().flat_map(|entry| entry.aliases.iter().copied().chain([entry.name])).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
    for entry in TRANSFORMERS {
        let first = entry.doc.lines().next().unwrap();
        assert!(first.ends_with(['.', '…']) && first.len() > 10, "`{}`: {first}", entry.name);
    }
}

#[test]
fn documented_examples_fit_the_sample_and_save_and_load_are_the_identity() {
    for (name, value) in examples() {
        let transform = parsed(name, &value);
        let fitted = try_fit(&sample(), transform.as_ref()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let saved = fitted.save();
        let text = serde_json::to_string(&saved).unwrap();
        let again = serde_json::to_string(&try_fit(&sample(), transform.as_ref()).unwrap().save()).unwrap();
        assert_eq!(text, again, "{name}: fitted twice");
        let loaded = (find(name).unwrap().load)(serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(loaded.save(), saved, "{name}: saved and loaded");
        let (before, after) = (applied(fitted.as_ref(), &sample()), applied(loaded.as_ref(), &sample()));
        assert!(before.equals_missing(&after) && before.schema() == after.schema(), "{name}: {before} is not {after}");
        assert!((find(name).unwrap().load)(serde_json::json!([1])).is_err(), "{name}: a damaged state is refused");
        for table in fitted.learned() {
            assert!(table.rows.iter().all(|row| row.len() == table.columns.len()), "{name}: ragged table");
        }
    }
}

/// A saved state once for each field of it that is a whole number, made larger than any memory.
pub fn forged(saved: &serde_json::Value) -> Vec<serde_json::Value> {
    fn places(value: &serde_json::Value, at: &str, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Number(number) if number.is_u64() => found.push(at.to_owned()),
            // One of a list's items stands for all of them.
            serde_json::Value::Array(items) => items.iter().take(1).for_each(|item| places(item, &format!("{at}/0"), found)),
            serde_json::Value::Object(map) => {
                map.iter().for_each(|(key, item)| places(item, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found));
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    places(saved, "", &mut all);
    let forge = |(place, size): (&String, u64)| {
        let mut forged = saved.clone();
        *forged.pointer_mut(place).unwrap() = size.into();
        forged
    };
    all.iter().flat_map(|place| [1 << 36, 1 << 60].map(|size| (place, size))).map(forge).collect()
}

#[test]
fn a_forged_size_is_refused_or_harmless() {
    for (name, value) in examples() {
        let fitted = try_fit(&sample(), parsed(name, &value).as_ref()).unwrap();
        for saved in forged(&fitted.save()) {
            // As `Model::load_tried`: a panic is caught there; memory that cannot be had would end the program.
            let tried = || (find(name).unwrap().load)(saved).and_then(|loaded| Ok(loaded.apply(sample().lazy())?.collect()?));
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(tried)).ok();
        }
    }
}

#[test]
fn few_rows_constants_and_nulls_give_a_result_or_an_error() {
    let all = sample();
    let nulls = all.columns().iter().map(|c| Column::full_null(c.name().clone(), 3, c.dtype())).collect();
    let nulls = DataFrame::new(3, nulls).unwrap();
    let constant = all.clone().lazy().filter(lit(true)).limit(1).collect().unwrap();
    let constant = constant.vstack(&constant).unwrap();
    for (name, value) in examples() {
        let transform = parsed(name, &value);
        for frame in [&all.head(Some(0)), &all.head(Some(1)), &constant, &nulls] {
            // An error is an answer; a panic, or a fitted transform that cannot be saved or applied, is not.
            let Ok(fitted) = try_fit(frame, transform.as_ref()) else { continue };
            let text = serde_json::to_string(&fitted.save()).unwrap();
            let loaded = (find(name).unwrap().load)(serde_json::from_str(&text).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
            for later in [frame, &all, &all.head(Some(0))] {
                // What a check finds is an answer.
                let Ok(later_rows) = loaded.apply(later.clone().lazy()) else {
                    assert!(name.starts_with("check_"), "{name}");
                    continue;
                };
                assert_eq!(later_rows.collect().unwrap().height(), later.height(), "{name}");
            }
        }
    }
}

#[test]
fn training_rows_become_what_all_rows_do_unless_the_page_says_otherwise() {
    let otherwise = ["target_encode", "filter", "omit_missing", "sample", "upsample", "downsample"];
    for (name, value) in examples() {
        let roles = Roles::default().with_target("fare_amount");
        let on = Fit { table: &Table::of(sample()), roles: &roles, seed: 42, target: None };
        let (fitted, rows) = parsed(name, &value).fit_training(on).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (rows, later) = (rows.collect().unwrap(), applied(fitted.as_ref(), &sample()));
        assert_eq!(rows.schema(), later.schema(), "{name}");
        assert_eq!(rows.equals_missing(&later), !otherwise.contains(&name), "{name}: {rows}");
        assert!(!otherwise.contains(&name) || find(name).unwrap().doc.contains("raining rows"), "{name}");
    }
}

#[test]
fn infinite_values_give_a_result_or_an_error() {
    let frame =
        sample().lazy().with_columns([when(col("passenger_count").eq(lit(2))).then(lit(f64::INFINITY)).otherwise(col("trip_distance")).alias("trip_distance")]);
    let frame = frame.collect().unwrap();
    for (name, value) in examples() {
        let Ok(fitted) = try_fit(&frame, parsed(name, &value).as_ref()) else { continue };
        let text = serde_json::to_string(&fitted.save()).unwrap();
        (find(name).unwrap().load)(serde_json::from_str(&text).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
        assert_eq!(applied(fitted.as_ref(), &frame).height(), frame.height(), "{name}");
    }
}

#[test]
fn an_unknown_key_is_refused_and_missing_columns_are_all_named() {
    for (name, value) in examples() {
        let Value::Map(mut map) = value else { continue };
        if let Some(columns) = map.get_mut("columns") {
            *columns = Value::List(vec![Value::String("no_such_a".into()), Value::String("no_such_b".into())]);
            let error = try_fit(&sample(), parsed(name, &Value::Map(map.clone())).as_ref()).err().unwrap_or_else(|| panic!("{name}: fitted"));
            let text = error.to_string();
            assert!(text.contains("no_such_a") && text.contains("no_such_b"), "{name}: {text}");
            map.insert("colums".to_owned(), Value::Null);
            let faults = (find(name).unwrap().parse)(&Value::Map(map)).err().unwrap_or_else(|| panic!("{name}: took an unknown key"));
            assert!(faults.iter().any(|fault| fault.to_string().contains("colums")), "{name}: {faults:?}");
        }
    }
}

#[test]
fn names_that_polars_would_take_for_patterns_are_names() {
    let values = [Some(1.0), Some(2.5), None, Some(4.0)];
    let plain = df!("a" => values, "b" => [3.0, 1.0, 2.0, 5.0], "abc" => [0.0, 1.0, 0.0, 1.0]).unwrap();
    let hostile = df!("*" => values, "^a.*$" => [3.0, 1.0, 2.0, 5.0], "abc" => [0.0, 1.0, 0.0, 1.0]).unwrap();
    for (name, value) in examples() {
        let Value::Map(mut map) = value else { continue };
        map.retain(|key, _| key != "by");
        let mut shape = |frame: &DataFrame, columns: [&str; 2]| {
            map.insert("columns".to_owned(), Value::List(columns.map(|c| Value::String(c.to_owned())).to_vec()));
            let transform = (find(name).unwrap().parse)(&Value::Map(map.clone())).ok()?;
            let fitted = try_fit(frame, transform.as_ref()).ok()?;
            Some(fitted.apply(frame.clone().lazy()).ok()?.collect().unwrap().shape())
        };
        assert_eq!(shape(&plain, ["a", "b"]), shape(&hostile, ["`*`", "^a.*$"]), "{name}");
    }
}
