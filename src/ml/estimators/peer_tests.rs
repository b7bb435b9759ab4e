//! Scores of trees beside LightGBM's and scikit-learn's on the same ten sets.
//!
//! The peers' means and standard errors are what `python tests/golden/trees.py` printed with lightgbm 4.6.0 and
//! scikit-learn 1.9.1; that script makes the same data.

use std::collections::BTreeMap;
use std::f64::consts::PI;

use rayon::prelude::*;

use super::find;
use crate::ml::trees::draw::Draw;
use crate::ml::{Chunk, Matrix, Predictions, Task, TrainingSet};
use crate::value::Value;

const TRAINING: usize = 250;
const TEST: usize = 250;
const WIDTH: usize = 8;

/// Friedman's first function with noise; classes are where it lies, and one row in twenty has another.
fn make(seed: u64, kind: &str) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut draw = Draw::new(seed, 0);
    let (mut columns, mut y) = (vec![Vec::new(); WIDTH], Vec::new());
    for _ in 0..TRAINING + TEST {
        let row: Vec<f64> = (0..WIDTH).map(|_| draw.unit()).collect();
        let value = 10.0 * (PI * row[0] * row[1]).sin() + 20.0 * (row[2] - 0.5).powi(2) + 10.0 * row[3] + 5.0 * row[4];
        let noise = (0..12).map(|_| draw.unit()).sum::<f64>() - 6.0;
        let lot = draw.unit();
        columns.iter_mut().zip(&row).for_each(|(column, x)| column.push(*x));
        let thresholds: &[f64] = if kind == "two" { &[14.5] } else { &[11.5, 17.0] };
        y.push(match kind {
            "number" => value + noise,
            _ if lot < 0.05 => ((3.0 * thresholds.len() as f64 * draw.unit()).floor()) % (thresholds.len() as f64 + 1.0),
            _ => thresholds.iter().filter(|threshold| value > **threshold).count() as f64,
        });
    }
    (columns, y)
}

/// The root of the mean squared error, or the mean log loss, on rows that training did not have.
fn score(using: &str, parameters: &[(&str, &str)], kind: &str, seed: u64) -> f64 {
    let (columns, y) = make(seed, kind);
    let labels = |n: usize| (0..n).map(|k| k.to_string()).collect();
    let task = match kind {
        "number" => Task::Regression,
        "two" => Task::Classification { classes: labels(2), positive: Some(1) },
        _ => Task::Classification { classes: labels(3), positive: None },
    };
    let part = |rows: std::ops::Range<usize>| Matrix {
        rows: rows.len(),
        columns: columns.iter().map(|column| column[rows.clone()].to_vec()).collect(),
        blocks: Vec::new(),
    };
    let chunk = Chunk { x: part(0..TRAINING), y: y[..TRAINING].to_vec(), w: vec![1.0; TRAINING] };
    let features = (0..WIDTH).map(|j| format!("f{j}")).collect();
    let parameters: BTreeMap<String, Value> = parameters.iter().map(|(key, value)| ((*key).to_owned(), Value::plain_scalar(value))).collect();
    let estimator = (find(using).unwrap().parse)(&Value::from(parameters)).unwrap();
    let fitted = estimator.fit(&TrainingSet::in_memory(task, features, chunk, seed)).unwrap();
    let truth = &y[TRAINING..];
    let losses: Vec<f64> = match fitted.predict(&part(TRAINING..TRAINING + TEST)).unwrap() {
        Predictions::Values(values) => values.iter().zip(truth).map(|(p, y)| (p - y).powi(2)).collect(),
        Predictions::Scores(scores) => {
            let bounded = |class: usize, row: usize| scores[class][row].max(0.005);
            let share = |row: usize| bounded(truth[row] as usize, row) / (0..scores.len()).map(|class| bounded(class, row)).sum::<f64>();
            (0..TEST).map(|row| -share(row).ln()).collect()
        }
    };
    let mean = losses.iter().sum::<f64>() / TEST as f64;
    if kind == "number" { mean.sqrt() } else { mean }
}

/// Our mean score is at most two of the peer's standard errors from the peer's.
fn holds(using: &str, parameters: &[(&str, &str)], kind: &str, mean: f64, error: f64) {
    let scores: Vec<f64> = (0..10).into_par_iter().map(|seed| score(using, parameters, kind, seed)).collect();
    let ours = scores.iter().sum::<f64>() / 10.0;
    assert!((ours - mean).abs() <= 2.0 * error, "{using} {parameters:?} {kind}: {ours:.5}, the peer has {mean} ± {error}");
}

const BOOST: [(&str, &str); 3] = [("num_iterations", "30"), ("num_leaves", "15"), ("max_bin", "63")];
const FOREST: [(&str, &str); 2] = [("n_estimators", "10"), ("min_samples_leaf", "3")];

#[test]
fn boosted_trees_score_like_lightgbm() {
    let absolute = [&BOOST[..], &[("objective", "l1")]].concat();
    let sampled = [&BOOST[..], &[("bagging_fraction", "0.6"), ("bagging_freq", "1"), ("feature_fraction", "0.6"), ("lambda_l2", "5")]].concat();
    holds("gradient_boosting", &BOOST, "number", 2.19690, 0.03818);
    holds("gradient_boosting", &absolute, "number", 2.30967, 0.03338);
    holds("gradient_boosting", &sampled, "number", 2.58437, 0.05719);
    holds("gradient_boosting", &BOOST, "two", 0.37192, 0.00872);
    holds("gradient_boosting", &BOOST, "three", 0.69367, 0.01521);
}

#[test]
fn forests_score_like_scikit_learn() {
    holds("random_forest", &FOREST, "number", 2.43796, 0.04597);
    holds("random_forest", &FOREST, "two", 0.45210, 0.00994);
    holds("random_forest", &FOREST, "three", 0.77316, 0.01410);
    holds("extra_trees", &FOREST, "number", 2.38467, 0.05339);
    holds("extra_trees", &FOREST, "two", 0.48644, 0.00709);
}

#[test]
fn a_tree_scores_like_scikit_learn() {
    holds("decision_tree", &[("max_depth", "6"), ("min_samples_leaf", "5")], "number", 3.13755, 0.06040);
    holds("decision_tree", &[("max_depth", "4"), ("min_samples_leaf", "5")], "three", 1.03264, 0.03461);
}
