//! Coefficients and predictions against scikit-learn (tests/golden/estimators.py) and linfa.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::contract_tests::value_of;
use super::find;
use crate::ml::{Chunk, FittedEstimator, Matrix, Predictions, Task, TrainingSet};
use crate::value::Value;

/// Relative to the larger of the number and one.
const TOLERANCE: f64 = 1e-8;
/// LIBSVM keeps its kernel in 32 bits: its own conditions hold to 2e-7 only, whatever its tolerance.
const TOLERANCE_OF_LIBSVM: f64 = 1e-6;

#[derive(Deserialize)]
struct Golden {
    sets: BTreeMap<String, Set>,
    targets: BTreeMap<String, Vec<f64>>,
    weight: Vec<f64>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Set {
    rows: Vec<Vec<f64>>,
    unseen: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    using: String,
    parameters: BTreeMap<String, serde_json::Value>,
    target: String,
    data: String,
    weighted: bool,
    coefficients: Option<Vec<Vec<f64>>>,
    intercepts: Option<Vec<f64>>,
    importances: Option<Vec<f64>>,
    predictions: Option<Vec<Vec<f64>>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../tests/golden/estimators.json")).unwrap()
}

fn matrix(columns: &[Vec<f64>]) -> Matrix {
    Matrix { rows: columns[0].len(), columns: columns.to_vec(), blocks: Vec::new() }
}

fn scalar(json: &serde_json::Value) -> Value {
    if json.is_object() {
        return value_of(json);
    }
    Value::plain_scalar(&json.as_str().map_or_else(|| json.to_string(), str::to_owned))
}

fn fit(golden: &Golden, case: &Case) -> Box<dyn FittedEstimator> {
    let x = matrix(&golden.sets[&case.data].rows);
    let y = golden.targets[&case.target][..x.rows].to_vec();
    let task = match case.target.as_str() {
        "two" => Task::Classification { classes: vec!["0".into(), "1".into()], positive: Some(1) },
        "three" => Task::Classification { classes: vec!["0".into(), "1".into(), "2".into()], positive: None },
        _ => Task::Regression,
    };
    let w = if case.weighted { golden.weight[..x.rows].to_vec() } else { vec![1.0; x.rows] };
    let features = (0..x.width()).map(|j| format!("f{j}")).collect();
    let parameters = case.parameters.iter().map(|(key, value)| (key.clone(), scalar(value))).collect();
    let estimator = (find(&case.using).unwrap().parse)(&Value::Map(parameters)).unwrap();
    estimator.fit(&TrainingSet::in_memory(task, features, Chunk { x, y, w }, 1)).unwrap()
}

/// How far the numbers differ at most; infinite where there are more of one than of the other.
fn distance(ours: &[f64], theirs: &[f64]) -> f64 {
    if ours.len() != theirs.len() {
        return f64::INFINITY;
    }
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max)
}

fn columns(predictions: Predictions) -> Vec<Vec<f64>> {
    match predictions {
        Predictions::Values(values) => vec![values],
        Predictions::Scores(scores) => scores,
    }
}

#[test]
fn numbers_agree_with_scikit_learn() {
    let golden = golden();
    let mut wrong = Vec::new();
    for case in &golden.cases {
        let fitted = fit(&golden, case);
        let mut compare = |what: &str, ours: Vec<f64>, theirs: Vec<f64>| {
            let distance = distance(&ours, &theirs);
            if distance.is_nan() || distance > if case.using == "svm" { TOLERANCE_OF_LIBSVM } else { TOLERANCE } {
                wrong.push(format!("{}, {what}: {distance:e}\n  {ours:?}\n  {theirs:?}", case.name));
            }
        };
        if let (Some(coefficients), Some(intercepts)) = (&case.coefficients, &case.intercepts) {
            let (ours_b, ours): (Vec<_>, Vec<_>) = fitted.coefficients().into_iter().partition(|line| line.feature == "intercept");
            compare("coefficients", ours.iter().map(|line| line.value).collect(), coefficients.concat());
            if !ours_b.is_empty() {
                compare("intercepts", ours_b.iter().map(|line| line.value).collect(), intercepts.clone());
            }
        }
        if let Some(importances) = &case.importances {
            compare("importances", fitted.importances().iter().map(|line| line.value).collect(), importances.clone());
        }
        if let Some(predictions) = &case.predictions {
            let ours = columns(fitted.predict(&matrix(&golden.sets[&case.data].unseen)).unwrap());
            compare("predictions", ours.concat(), predictions.concat());
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), golden.cases.len(), wrong.join("\n"));
}

#[test]
fn standardised_coefficients_are_coefficients_times_deviations() {
    let golden = golden();
    let case = golden.cases.iter().find(|case| case.name == "ridge").unwrap();
    let x = &golden.sets["plain"].rows;
    for (line, column) in fit(&golden, case).coefficients().iter().zip(x) {
        let mean = column.iter().sum::<f64>() / 40.0;
        let deviation = (column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 40.0).sqrt();
        assert!((line.standardised.unwrap() - line.value * deviation).abs() < 1e-12);
    }
}

fn rows(columns: &[Vec<f64>]) -> ndarray::Array2<f64> {
    ndarray::Array2::from_shape_fn((columns[0].len(), columns.len()), |(i, j)| columns[j][i])
}

#[test]
fn least_squares_agrees_with_linfa() {
    use linfa::traits::Fit as _;

    let golden = golden();
    let case = golden.cases.iter().find(|case| case.name == "linear").unwrap();
    let data = linfa::Dataset::new(rows(&golden.sets["plain"].rows), ndarray::Array1::from(golden.targets["number"].clone()));
    let theirs = linfa_linear::LinearRegression::new().fit(&data).unwrap();
    let ours: Vec<f64> = fit(&golden, case).coefficients().iter().map(|line| line.value).collect();
    let theirs: Vec<f64> = theirs.params().iter().copied().chain([theirs.intercept()]).collect();
    assert!(distance(&ours, &theirs) < 1e-10, "{ours:?} {theirs:?}");
}

#[test]
fn logistic_agrees_with_linfa() {
    use linfa::traits::Fit as _;

    let golden = golden();
    let case = golden.cases.iter().find(|case| case.name == "logistic").unwrap();
    let labels: Vec<bool> = golden.targets["two"].iter().map(|y| *y == 1.0).collect();
    let data = linfa::Dataset::new(rows(&golden.sets["plain"].rows), ndarray::Array1::from(labels));
    let model = linfa_logistic::LogisticRegression::default().alpha(1.0 / 0.7).max_iterations(1000).gradient_tolerance(1e-6);
    let theirs = model.fit(&data).unwrap();
    let sign = if theirs.labels().pos.class { 1.0 } else { -1.0 };
    let theirs: Vec<f64> = theirs.params().iter().copied().chain([theirs.intercept()]).map(|x| sign * x).collect();
    let ours: Vec<f64> = fit(&golden, case).coefficients().iter().map(|line| line.value).collect();
    // Their solver stops at a gradient of 1e-6.
    assert!(distance(&ours, &theirs) < 1e-4, "{ours:?} {theirs:?}");
}
