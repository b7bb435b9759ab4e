//! Every transform and estimator that can be exported, in `SQLite`; and in onnxruntime, `DuckDB` and `PostgreSQL`, where they are there.

use std::path::{Path, PathBuf};

use polars::prelude::*;

use super::rows::{self, Record};
use super::{Program, onnx, sql, sqlite};
use crate::data::{Roles, Table};
use crate::ml::adjust::{Adjustments, Plan};
use crate::ml::estimators::contract_tests::{defaults, set, tasks, value_of, x_of};
use crate::ml::estimators::{ESTIMATORS, find};
use crate::ml::input::InputColumn;
use crate::ml::model::{LabelType, Model, OutputNames, Scored};
use crate::ml::target::TargetTransform;
use crate::ml::transformers::TRANSFORMERS;
use crate::ml::transformers::contract_tests::{examples, sample, value};
use crate::ml::{Chain, FittedChain, FittedEstimator, Matrix, Task, TrainingSet};
use crate::value::Value;

/// What has no form, and why.
const NOT_TRANSFORMS: [(&str, &str); 7] = [
    ("date_parts", "reads times off in the zone `America/New_York`"),
    ("hash", "computes what ONNX and SQL have no operation for"),
    ("impute_knn", "computes what ONNX and SQL have no operation for"),
    ("lag", "gives rows values of other rows"),
    ("quantile", "gives normal quantiles, for which ONNX and SQL have no operation"),
    ("rolling", "gives rows values of other rows"),
    ("tfidf", "computes what ONNX and SQL have no operation for"),
];
const NOT_ESTIMATORS: [&str; 1] = ["knn"];

/// A program with rows and what it must give for them.
struct Case {
    name: String,
    program: Program,
    inputs: Vec<InputColumn>,
    frame: DataFrame,
    wanted: Vec<Column>,
}

pub fn chain(yaml: &str, frame: &DataFrame, target: &str) -> FittedChain {
    let chain = Chain::parse(&value(&serde_yaml::from_str(yaml).unwrap())).unwrap_or_else(|faults| panic!("{faults:?}"));
    chain.fit(&Table::of(frame.clone()), &Roles::default().with_target(target), 42).unwrap_or_else(|error| panic!("{yaml}: {error}"))
}

/// The features that a chain makes of the sample and of rows at its edge; why it has no form.
fn of_chain(name: &str, chain: &FittedChain) -> Result<Case, String> {
    let mut problems = Vec::new();
    let mut lowering = chain.lower(&mut problems);
    if let Some(problem) = problems.first() {
        return Err(problem.message.split_once("it ").unwrap().1.to_owned());
    }
    let records: Vec<Record> = crate::data::rows::records(&sample(), &chain.inputs.iter().map(|input| input.name.clone()).collect::<Vec<_>>());
    let frame = rows::frame(&chain.inputs, &rows::with_edges(&chain.inputs, &records)).unwrap();
    let empty = chain.apply(frame.head(Some(0)).lazy()).unwrap().collect().unwrap();
    let mut outputs = Vec::new();
    for feature in chain.features() {
        let dtype = empty.column(feature).unwrap().dtype().clone();
        let (id, kind) = match lowering.value(feature).unwrap() {
            super::Value::Text(id) => (id, super::OutputKind::Text),
            super::Value::Number(_) | super::Value::Truth(_) if !matches!(dtype, DataType::List(_)) => {
                (lowering.number(feature).unwrap(), super::OutputKind::Float)
            }
            _ => continue,
        };
        outputs.push(super::Output { name: format!("made {feature}"), id, kind });
    }
    lowering.give(outputs);
    let made = |frame: &DataFrame| Ok(chain.apply(frame.clone().lazy())?.collect()?.select(chain.features().iter().map(String::as_str))?);
    let columns = rows::each(&frame, &empty.select(chain.features().iter().map(String::as_str)).unwrap(), made).unwrap();
    let wanted = columns.into_iter().map(|column| {
        let name = format!("made {}", column.name());
        column.with_name(name.into())
    });
    Ok(Case { name: name.to_owned(), program: lowering.program, inputs: chain.inputs.clone(), frame, wanted: wanted.collect() })
}

/// Columns f0, f1, … as a frame.
fn frame_of(x: &Matrix) -> DataFrame {
    let columns = x.columns.iter().enumerate().map(|(j, column)| Column::new(format!("f{j}").into(), column));
    DataFrame::new(x.rows, columns.collect()).unwrap()
}

fn model(task: &Task, on: &TrainingSet, estimator: Box<dyn crate::ml::FittedEstimator>, adjustments: Adjustments) -> Model {
    let frame = frame_of(&x_of(on)).lazy().with_columns([lit(1.0).alias("y")]).collect().unwrap();
    let chain = chain("[]", &frame, "y");
    let features = chain.features().to_vec();
    Model { task: task.clone(), target: "y".into(), labels: LabelType::String, output: OutputNames::default(), chain, features, estimator, adjustments }
}

fn of_model(name: &str, model: &Model) -> Result<Case, String> {
    let program = super::lower(model).map_err(|error| error.to_string())?;
    let frame = frame_of(&x_of(&set(&Task::Regression, 25, 3, 1.3)));
    let records: Vec<Record> = crate::data::rows::records(&frame, &model.features);
    let frame = rows::frame(&model.chain.inputs, &rows::with_edges(&model.chain.inputs, &records)).unwrap();
    let wanted = rows::expected(model, &frame).unwrap();
    Ok(Case { name: name.to_owned(), program, inputs: model.chain.inputs.clone(), frame, wanted })
}

/// Chains beyond the documented examples: options, and what is made of what.
const CHAINS: [(&str, &str); 13] = [
    ("impute groups", "[{impute: {columns: [trip_distance], by: [payment_type, shared], add_indicator: true}}, {drop: {columns: [vendor]}}]"),
    ("impute text", "[{impute: {strategy: most_frequent, columns: [payment_type, shared]}}, {one_hot: {columns: [payment_type], drop: first}}]"),
    ("sparse", "[{one_hot: {columns: [pickup_zip], sparse: true, unseen: other, min_frequency: 2}}, {log1p: {columns: passenger_count}}]"),
    ("signed", "[{log: {columns: trip_distance, signed: true, base: 10}}, {clip: {columns: passenger_count, upper: 2}}]"),
    ("grouped", "[{group_rare: {columns: [pickup_zip, passenger_count], min_count: 2}}, {target_encode: {columns: [pickup_zip]}}]"),
    ("dates", "[{date_parts: {parts: [year, quarter, month, week, day_of_year, day_of_week, day, is_weekend, hour, minute, second, decimal_hour, epoch]}}]"),
    ("levels of others", "[{one_hot: {columns: [passenger_count, trip_distance, shared, pickup_date, pickup_datetime]}}]"),
    ("refused", "[{one_hot: {columns: [vendor], unseen: error}}, {check_range: {columns: trip_distance, lower: -1}}]"),
    ("derived", "[{derive: {a: 'CASE WHEN trip_distance > 2 AND NOT shared THEN trip_distance ELSE passenger_count / 2 END', b: 'COALESCE(passenger_count, 7) * -1.5e0',
        c: \"vendor <> 'a' OR payment_type IS NULL\", d: 'trip_distance / (passenger_count - 1)', e: 'ABS(trip_distance - 3) + POWER(passenger_count, 2) + FLOOR(trip_distance)',
        f: 'EXTRACT(HOUR FROM pickup_datetime) + EXTRACT(DOW FROM pickup_date)', g: 'LN(trip_distance)', h: 'passenger_count BETWEEN 2 AND 4'}}]"),
    ("patterns", r#"[{derive: {a: "vendor LIKE 'a%'", b: "vendor NOT LIKE '%b'", c: "CASE WHEN payment_type LIKE '%r_' THEN 1 ELSE 2 END", d: "vendor LIKE '%'",
        e: "vendor LIKE 'A%'", f: "vendor LIKE '%[*?\\.%'"}}]"#),
    ("powers", "[{clip: {columns: trip_distance, lower: 0.1}}, {power: {columns: trip_distance, method: box_cox}}, {power: {columns: passenger_count}}]"),
    ("splines", "[{impute: {columns: [trip_distance, passenger_count]}}, {spline: {columns: [trip_distance], n_knots: 4}}]"),
    ("auto", "[{rename: {vendor: firm}}, auto]"),
];

fn transforms() -> (Vec<Case>, Vec<(String, String)>) {
    let (mut cases, mut without) = (Vec::new(), Vec::new());
    let documented = examples().into_iter().enumerate().map(|(i, (name, value))| {
        let config = serde_json::json!([{ name: json(&value) }]);
        (format!("{name} {i}"), name, config.to_string())
    });
    let more = CHAINS.iter().map(|(name, yaml)| ((*name).to_owned(), *name, (*yaml).to_owned()));
    for (called, name, yaml) in documented.chain(more) {
        match of_chain(&called, &chain(&yaml, &sample(), "fare_amount")) {
            Ok(case) => cases.push(case),
            Err(why) => without.push((name.to_owned(), why)),
        }
    }
    (cases, without)
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(b) => (*b).into(),
        Value::Number(n) => serde_json::from_str(n).unwrap(),
        Value::String(s) => s.as_str().into(),
        Value::List(all) => all.iter().map(json).collect(),
        Value::Map(map) => map.iter().map(|(key, value)| (key.clone(), json(value))).collect::<serde_json::Map<_, _>>().into(),
    }
}

/// Every estimator in every task that it can do.
fn fitted() -> Vec<(String, Model)> {
    let mut all = Vec::new();
    for entry in ESTIMATORS {
        for task in tasks(entry) {
            let on = set(&task, 60, 3, 1.0);
            let fitted = defaults(entry).fit(&on).unwrap();
            all.push((format!("{} of {}", entry.name, task.classes()), model(&task, &on, fitted, Adjustments::default())));
        }
    }
    all
}

fn estimators() -> (Vec<Case>, Vec<String>) {
    let (mut cases, mut without) = (Vec::new(), Vec::new());
    for (name, model) in fitted() {
        match of_model(&name, &model) {
            Ok(case) => cases.push(case),
            Err(why) => without.push(format!("{name}: {why}")),
        }
    }
    (cases, without)
}

/// Target transforms with intervals, calibrations with thresholds.
fn adjusted() -> Vec<Case> {
    let mut cases = Vec::new();
    let on = set(&Task::Regression, 60, 3, 1.0);
    let y: Vec<f64> = on.whole().unwrap().y;
    let table = Table::of(df!("y" => &y).unwrap());
    for name in TargetTransform::NAMES {
        let target = TargetTransform::read(&Value::String(name.to_owned())).unwrap().fit(&table, "y").unwrap();
        let transformed = TrainingSet::in_memory(
            Task::Regression,
            on.features.clone(),
            crate::ml::Chunk { x: x_of(&on), y: y.iter().map(|y| target.forward(*y)).collect(), w: vec![1.0; y.len()] },
            3,
        );
        let estimator = (find("ridge").unwrap().parse)(&Value::Null).unwrap().fit(&transformed).unwrap();
        let so_far = Adjustments { target: Some(target), ..Adjustments::default() };
        let plan = Plan { conformal: Some(crate::ml::conformal::Coverage::default()), ..Plan::default() };
        let mut scored = Scored::empty(&Task::Regression);
        scored.adjustments = so_far.clone();
        scored.y = y.clone();
        scored.weight = vec![1.0; y.len()];
        scored.push(&so_far.apply(&Task::Regression, estimator.predict(&x_of(&on)).unwrap()));
        let adjustments = plan.fit(so_far, "y", scored).unwrap().adjustments;
        cases.push(of_model(&format!("target {name}"), &model(&Task::Regression, &on, estimator, adjustments)).unwrap());
    }
    for (method, using, classes) in
        [("sigmoid", "logistic", 2), ("isotonic", "random_forest", 2), ("sigmoid", "gradient_boosting", 4), ("isotonic", "logistic", 4)]
    {
        let entry = find(using).unwrap();
        let task = tasks(entry).into_iter().find(|task| task.classes() == classes).unwrap();
        let mut on = set(&task, 60, 3, 1.0);
        if classes == 4 {
            // All four classes occur.
            let whole = on.whole().unwrap();
            on = TrainingSet::in_memory(
                task.clone(),
                on.features.clone(),
                crate::ml::Chunk { x: x_of(&on), y: (0..60).map(|i| f64::from(i % 4)).collect(), w: whole.w },
                3,
            );
        }
        let estimator = defaults(entry).fit(&on).unwrap();
        let whole = on.whole().unwrap();
        let mut scored = Scored::empty(&task);
        scored.y = whole.y;
        scored.weight = whole.w;
        scored.push(&estimator.predict(&whole.x).unwrap());
        let plan = Plan { calibration: Some(serde_json::from_str(&format!("\"{method}\"")).unwrap()), ..Plan::default() };
        let mut adjustments = plan.fit(Adjustments::default(), "y", scored).unwrap().adjustments;
        adjustments.threshold = (classes == 2).then_some(0.3);
        cases.push(of_model(&format!("{method} of {using} {classes}"), &model(&task, &on, estimator, adjustments)).unwrap());
    }
    cases
}

/// A tree that asks about categories and a linear model of a sparse column.
fn special() -> Vec<Case> {
    let mut cases = Vec::new();
    let on = set(&Task::Regression, 60, 2, 1.0);
    let whole = on.whole().unwrap();
    let mut x = whole.x.clone();
    x.columns.push((0..60).map(|i| f64::from(i * 7 % 5)).collect());
    let features = ["f0", "f1", "f2"].map(str::to_owned).to_vec();
    let y = x.columns[2].iter().zip(&whole.y).map(|(c, y)| [3.0, -2.0, 8.0, 0.5, -4.0][*c as usize] + y).collect();
    let on = TrainingSet::in_memory(Task::Regression, features, crate::ml::Chunk { x, y, w: whole.w }, 3);
    let parameters = value_of(&serde_json::json!({"n_estimators": 60, "min_child_samples": 2, "categorical_features": ["f2"]}));
    let fitted = (find("gradient_boosting").unwrap().parse)(&parameters).unwrap().fit(&on).unwrap();
    cases.push(of_model("categories", &model(&Task::Regression, &on, fitted, Adjustments::default())).unwrap());

    let frame = sample();
    let chain =
        chain("[{one_hot: {columns: [pickup_zip, vendor], sparse: true}}, {select: {columns: [pickup_zip_one_hot, vendor_one_hot]}}]", &frame, "fare_amount");
    let transformed = Table::from_query(chain.apply(frame.clone().lazy()).unwrap()).unwrap();
    let set = TrainingSet::new(Task::Regression, &transformed, chain.reads().clone(), "fare_amount", None, Vec::new(), 1).unwrap();
    let estimator = (find("ridge").unwrap().parse)(&Value::Null).unwrap().fit(&set).unwrap();
    let model = regression("fare_amount", chain, estimator);
    let records: Vec<Record> = crate::data::rows::records(&frame, &["pickup_zip", "vendor"].map(str::to_owned));
    let rows = rows::frame(&model.chain.inputs, &rows::with_edges(&model.chain.inputs, &records)).unwrap();
    let wanted = rows::expected(&model, &rows).unwrap();
    cases.push(Case { name: "sparse model".into(), program: super::lower(&model).unwrap(), inputs: model.chain.inputs.clone(), frame: rows, wanted });
    cases
}

fn peer() -> Option<PathBuf> {
    let place = PathBuf::from(std::env::var_os("HOME")?).join(".cache/recipe/peer-interop/bin/python");
    let place = std::env::var_os("RECIPE_PEER_VENV").map_or(place, |at| PathBuf::from(format!("{}-interop", at.to_string_lossy())).join("bin/python"));
    Some(place).filter(|python| python.is_file())
}

/// A model of a number.
pub fn regression(target: &str, chain: FittedChain, estimator: Box<dyn FittedEstimator>) -> Model {
    Model {
        task: Task::Regression,
        target: target.into(),
        labels: LabelType::Float,
        output: OutputNames::default(),
        features: chain.features().to_vec(),
        chain,
        estimator,
        adjustments: Adjustments::default(),
    }
}

#[test]
fn every_export_gives_what_the_model_does() {
    let (mut cases, without) = transforms();
    let mut refused: Vec<(String, String)> = without;
    refused.dedup();
    let wanted: Vec<(String, String)> = NOT_TRANSFORMS.map(|(name, why)| (name.to_owned(), why.to_owned())).to_vec();
    let mut sorted = refused.clone();
    sorted.sort();
    assert_eq!(sorted, wanted);
    let (models, without) = estimators();
    cases.extend(models);
    page(&refused, &without);
    for why in without {
        assert!(NOT_ESTIMATORS.iter().any(|name| why.starts_with(name)) || why.contains("more than two classes"), "{why}");
    }
    cases.extend(adjusted());
    cases.extend(special());
    let dir = tempfile::tempdir().unwrap();
    let mut differ = Vec::new();
    for case in &cases {
        let said = sqlite::predict(&case.program, &case.inputs, &case.frame);
        if let Err(error) = said.and_then(|said| sqlite::compare(&case.program, &case.wanted, &said)) {
            differ.push(format!("{}: {error}", case.name));
        }
        put(&dir.path().join(case.name.replace(' ', "_")), case);
    }
    assert!(differ.is_empty(), "{} of {}:\n{}", differ.len(), cases.len(), differ.join("\n"));
    let Some(python) = peer() else {
        #[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
        {
            eprintln!("skipped: no onnxruntime and no DuckDB; `sh benches/peer/setup.sh interop` makes the environment");
        }
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer/interop.py");
    let ran = std::process::Command::new(python).arg(script).arg(dir.path()).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let found: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(found["differ"], serde_json::json!({}), "{found:#}");
    for way in ["onnx", "duckdb", "spark"] {
        assert_eq!(found["ran"][way], cases.len(), "{way}: {found}");
    }
}

/// Writes a case for other programs.
fn put(dir: &Path, case: &Case) {
    std::fs::create_dir_all(dir).unwrap();
    let kinds: serde_json::Map<String, serde_json::Value> =
        case.program.inputs.iter().map(|input| (input.name.clone(), onnx::kind_name(input.kind).into())).collect();
    let json = serde_json::json!({
        "rows": case.frame.height(),
        "tolerance": sqlite::TOLERANCE,
        "kinds": kinds,
        "order": case.program.outputs.iter().map(|output| output.name.as_str()).collect::<Vec<_>>(),
        "inputs": rows::given(&case.program, &case.inputs, &case.frame).unwrap(),
        "outputs": rows::listed(&case.program.outputs, &case.wanted).unwrap(),
    });
    std::fs::write(dir.join("rows.json"), json.to_string()).unwrap();
    std::fs::write(dir.join("model.onnx"), onnx::write(&case.program).unwrap_or_else(|why| panic!("{}: {}", case.name, why.text()))).unwrap();
    for dialect in [sql::Dialect::DuckDb, sql::Dialect::Postgres, sql::Dialect::Spark] {
        let text = sql::write(&case.program, dialect, &sql::Query { table: "input", keep: &["at_row".to_owned()] }).unwrap();
        std::fs::write(dir.join(format!("{}.sql", dialect.name())), text).unwrap();
    }
    for dialect in sql::Dialect::ALL {
        sql::write(&case.program, dialect, &sql::Query { table: "input", keep: &[] }).unwrap();
    }
}

#[test]
fn what_cannot_be_exported_is_named_all_at_once() {
    let frame = sample();
    let on = set(&Task::Regression, 8, 2, 1.0);
    let fitted = (find("knn").unwrap().parse)(&value_of(&serde_json::json!({"k": 2}))).unwrap().fit(&on).unwrap();
    let chain = chain(
        "[{impute_knn: {columns: [trip_distance], n_neighbors: 2}}, {hash: {columns: [vendor], n_features: 4}}, {select: {columns: [trip_distance, passenger_count]}}]",
        &frame,
        "fare_amount",
    );
    let model = regression("fare_amount", chain, fitted);
    let error = super::lower(&model).err().unwrap();
    assert_eq!((error.kind.exit_code(), error.problems.len()), (7, 3), "{error}");
    let names: Vec<&str> = TRANSFORMERS.iter().map(|entry| entry.name).collect();
    assert!(NOT_TRANSFORMS.iter().all(|(name, _)| names.contains(name)));
}

/// What is expressed in part.
const PARTLY: [(&str, &str); 8] = [
    ("date_parts", "`tz` other than UTC has none"),
    (
        "derive",
        "arithmetic, comparisons, `CASE`, `COALESCE`, `BETWEEN`, `ABS`, `FLOOR`, `CEIL`, `EXP`, `LN`, `LOG`, `SQRT`, `%` and `DIV` by a number, whole powers from 1 to 8, parts of dates; of texts `=`, `<>` and `LIKE`, which asks for ONNX opset 20",
    ),
    ("one_hot", "a sparse column in linear models and in naive Bayes for counts"),
    ("quantile", "`output: normal` has none"),
    ("dummy", "`strategy: stratified` has none"),
    ("stacking", "as the estimators inside"),
    ("svm", "two classes or a number; up to 5,000 numbers in support vectors"),
    ("voting", "as the estimators inside"),
];

/// `docs/export.md` lists every transform and estimator; `RECIPE_BLESS=1` writes the table anew.
fn page(transforms: &[(String, String)], estimators: &[String]) {
    use std::fmt::Write as _;
    let mut table = String::from("| name | ONNX and SQL | remarks |\n|---|---|---|\n");
    let mut row = |name: &str, without: Option<&str>| {
        let partly = PARTLY.iter().find(|(part, _)| *part == name).map(|(_, remark)| *remark);
        let (word, remark) = match (without, partly) {
            (_, Some(remark)) => ("yes", remark),
            (Some(why), None) => ("no", why),
            (None, None) => ("yes", ""),
        };
        writeln!(table, "| `{name}` | {word} | {remark} |").unwrap();
    };
    for entry in TRANSFORMERS {
        row(entry.name, transforms.iter().find(|(name, _)| name == entry.name).map(|(_, why)| why.as_str()));
    }
    for entry in ESTIMATORS {
        let without = estimators.iter().find(|why| why.starts_with(&format!("{} of", entry.name)));
        row(entry.name, without.and_then(|why| why.split_once("it ")).map(|(_, why)| why.lines().next().unwrap_or_default()));
    }
    row("calibrate_proba", None);
    row("decision_threshold", None);
    row("conformal", None);
    for name in TargetTransform::NAMES {
        let smeared = if matches!(name, "log" | "log1p" | "quantile" | "standardize") { "" } else { "; `smearing` up to 200 residuals" };
        writeln!(table, "| `target: {name}` | yes{smeared} | |").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/export.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = page.split_once("<!-- table -->\n").unwrap();
    let (shown, tail) = rest.split_once("<!-- end -->").unwrap();
    if std::env::var_os("RECIPE_BLESS").is_some() {
        std::fs::write(&path, format!("{head}<!-- table -->\n{table}<!-- end -->{tail}")).unwrap();
        return;
    }
    assert_eq!(shown, table, "RECIPE_BLESS=1 writes the table anew");
}
