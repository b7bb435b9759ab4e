//! Every metric against scikit-learn (tests/golden/metrics.py), and what scikit-learn leaves to rounding.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{compute_all, of_task, regression};
use crate::ml::model::Scored;
use crate::ml::{Predictions, Task};

/// Relative; below [`SMALL`] relative to that, since small values are differences of larger ones.
const TOLERANCE: f64 = 1e-12;
const SMALL: f64 = 1e-3;

#[derive(Deserialize)]
struct Case {
    y: Vec<f64>,
    prediction: Option<Vec<f64>>,
    /// One vector a class.
    scores: Option<Vec<Vec<f64>>>,
    positive: Option<usize>,
    weight: Option<Vec<f64>>,
    /// `None` where the metric is not defined.
    expected: BTreeMap<String, Option<f64>>,
}

fn scored(case: &Case) -> Scored {
    let (task, predictions) = match (&case.prediction, &case.scores) {
        (Some(values), _) => (Task::Regression, Predictions::Values(values.clone())),
        (None, Some(scores)) => {
            let classes = (0..scores.len()).map(|class| class.to_string()).collect();
            (Task::Classification { classes, positive: case.positive }, Predictions::Scores(scores.clone()))
        }
        (None, None) => panic!("a case has predictions or scores"),
    };
    let mut scored = Scored::empty(&task);
    scored.y.clone_from(&case.y);
    scored.weight = case.weight.clone().unwrap_or_else(|| vec![1.0; case.y.len()]);
    scored.push(&predictions);
    scored
}

fn numbers(y: &[f64], prediction: &[f64], weight: &[f64]) -> Scored {
    Scored { y: y.to_vec(), prediction: prediction.to_vec(), weight: weight.to_vec(), ..Scored::empty(&Task::Regression) }
}

/// Two classes, the second one positive.
fn two(y: &[f64], score: &[f64], weight: &[f64]) -> Scored {
    let case = Case {
        y: y.to_vec(),
        prediction: None,
        scores: Some(vec![score.iter().map(|s| 1.0 - s).collect(), score.to_vec()]),
        positive: Some(1),
        weight: Some(weight.to_vec()),
        expected: BTreeMap::new(),
    };
    scored(&case)
}

#[test]
fn every_metric_agrees_with_scikit_learn() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../../tests/golden/metrics.json")).unwrap();
    assert_eq!(cases.len(), 150);
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let scored = scored(case);
        // Intervals are not scikit-learn's.
        let names: Vec<&str> = of_task(&scored.task).map(|entry| entry.name).filter(|name| !name.starts_with("interval_")).collect();
        assert_eq!(names.len(), case.expected.len(), "case {number} has every metric of its task");
        let ours = compute_all(&scored);
        for name in names {
            let (ours, theirs) = (ours.get(name).copied(), case.expected[name]);
            let agree = match (ours, theirs) {
                (Some(a), Some(b)) => (a - b).abs() <= TOLERANCE * b.abs().max(SMALL),
                (a, b) => a == b,
            };
            if !agree {
                wrong.push(format!("case {number}, {name}: {ours:?}, scikit-learn {theirs:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_constant_target_is_constant_although_its_mean_is_rounded() {
    // The mean of ten times 0.1 is not 0.1: dividing by what rounding left gave −10³⁰.
    let target = [0.1; 10];
    let exact = numbers(&target, &target, &[1.0; 10]);
    assert_eq!((regression::r2_score(&exact), regression::explained_variance_score(&exact)), (Some(1.0), Some(1.0)));
    let mut missed = target;
    missed[3] = 0.4;
    let missed = numbers(&target, &missed, &[0.7; 10]);
    assert_eq!((regression::r2_score(&missed), regression::explained_variance_score(&missed)), (Some(0.0), Some(0.0)));
}

#[test]
fn equal_weights_do_not_move_the_median() {
    for rows in 1..40_u32 {
        let y: Vec<f64> = (0..rows).map(f64::from).collect();
        let zero = vec![0.0; y.len()];
        let plain = regression::median_absolute_error(&numbers(&y, &zero, &vec![1.0; y.len()]));
        assert_eq!(plain, Some(f64::from(rows - 1) / 2.0));
        for weight in [0.1, 0.7, 3.3] {
            assert_eq!(regression::median_absolute_error(&numbers(&y, &zero, &vec![weight; y.len()])), plain, "{rows} rows of weight {weight}");
        }
    }
}

#[test]
fn a_row_of_weight_0_counts_nowhere_but_in_the_largest_error() {
    let with = numbers(&[1.0, 2.0, 4.0, 9.0], &[1.5, 2.0, 3.0, 0.0], &[1.0, 2.0, 1.0, 0.0]);
    let without = numbers(&[1.0, 2.0, 4.0], &[1.5, 2.0, 3.0], &[1.0, 2.0, 1.0]);
    let (mut with, mut without) = (compute_all(&with), compute_all(&without));
    assert_eq!((with.remove("max_error"), without.remove("max_error")), (Some(9.0), Some(1.0)));
    assert_eq!(with, without);
    let with = two(&[0.0, 1.0, 1.0, 0.0], &[0.2, 0.7, 0.4, 0.9], &[1.0, 2.0, 1.0, 0.0]);
    assert_eq!(compute_all(&with), compute_all(&two(&[0.0, 1.0, 1.0], &[0.2, 0.7, 0.4], &[1.0, 2.0, 1.0])));
}

#[test]
fn no_rows_and_no_weight_leave_every_metric_out_but_counts_and_errors() {
    assert_eq!(compute_all(&numbers(&[], &[], &[])), BTreeMap::new());
    let counts = compute_all(&two(&[], &[], &[]));
    assert!(counts.keys().all(|name| name.ends_with("tives") || name == "precision_score" || name == "recall_score" || name == "f1_score"), "{counts:?}");
    assert!(compute_all(&numbers(&[1.0, 2.0], &[1.0, 3.0], &[0.0, 0.0])).keys().eq(["max_error"]));
}
