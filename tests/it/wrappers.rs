//! What wraps an estimator, from the recipe to the scored file: target transforms, calibration, thresholds, intervals.

use std::collections::BTreeMap;

use crate::project::{Project, houses, loans};

const PRICE: &str = r"recipe: regression/v1
target_col: price
steps:
  ingest: {location: data/houses.csv}
  split: {split_ratios: [0.5, 0.25, 0.25]}
  transform:
    steps:
      - impute: {columns: [rooms], strategy: median}
      - one_hot: {columns: [town]}
    target: log1p
  train:
    using: ridge
    conformal: {coverage: 0.8}
  ingest_scoring: {location: data/houses.csv}
  predict:
    output: {location: out/scored.csv, columns: [price, prediction, prediction_lower, prediction_upper]}
";

const LOANS: &str = r#"recipe: classification/v1
target_col: repaid
positive_class: "yes"
steps:
  ingest: {location: data/loans.csv}
  split: {using: stratified, split_ratios: [0.5, 0.25, 0.25]}
  train:
    using: decision_tree
    estimator_params: {max_depth: 3}
    calibrate_proba: sigmoid
    decision_threshold: f1_score
  ingest_scoring: {location: data/loans.csv}
  predict:
    output: {location: out/scored.csv}
"#;

fn price() -> Project {
    Project::empty().with("recipe.yaml", PRICE).with("data/houses.csv", &houses(400))
}

/// A model's file as JSON.
fn model(project: &Project) -> serde_json::Value {
    serde_json::from_slice(&project.artifact("model")).unwrap()
}

/// A written file's rows as columns of text.
fn columns(csv: &str) -> BTreeMap<String, Vec<String>> {
    let mut lines = csv.lines().map(|line| line.split(',').map(str::to_owned));
    let head: Vec<String> = lines.next().unwrap().collect();
    let rows: Vec<Vec<String>> = lines.map(Iterator::collect).collect();
    head.into_iter().enumerate().map(|(j, name)| (name, rows.iter().map(|row| row[j].clone()).collect())).collect()
}

fn numbers(column: &[String]) -> Vec<f64> {
    column.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_transformed_target_comes_back_with_intervals_in_its_own_unit() {
    let project = price();
    assert_eq!(project.executed(&["run"]), "ingest split transform train evaluate register");
    project.ok(&["run", "predict"]);
    let scored = columns(&project.read("out/scored.csv"));
    let [y, p, lower, upper] = ["price", "prediction", "prediction_lower", "prediction_upper"].map(|name| numbers(&scored[name]));
    // The half-width is one number on the scale of ln (1 + price).
    let half_width = model(&project)["adjustments"]["conformal"]["half_width"].as_f64().unwrap();
    for row in 0..400 {
        assert!((upper[row].ln_1p() - p[row].ln_1p() - half_width).abs() < 1e-9 && (p[row].ln_1p() - lower[row].ln_1p() - half_width).abs() < 1e-9);
        assert!((p[row] / y[row] - 1.0).abs() < 0.8, "{} for {}", p[row], y[row]);
    }
    let covered = (0..400).filter(|row| lower[*row] <= y[*row] && y[*row] <= upper[*row]).count();
    assert!((280..=360).contains(&covered), "{covered} of 400");

    let card = project.ok(&["inspect", "train"]).stdout;
    assert!(card.contains("The estimator learned ln (1 + price); predictions and metrics are in the target's own unit."), "{card}");
    assert!(card.contains("Intervals of coverage 0.8 reach"), "{card}");
    let card = project.ok(&["inspect", "evaluate"]).stdout;
    assert!(card.contains("interval_coverage") && card.contains("interval_width"), "{card}");

    // Only what learns from it runs again, and the chain does not.
    project.edit("recipe.yaml", "target: log1p", "target: {box_cox: {smearing: true}}");
    assert!(project.executed(&["run"]).starts_with("train evaluate"));
    project.edit("recipe.yaml", "coverage: 0.8", "coverage: 0.95");
    assert!(project.executed(&["run"]).starts_with("train evaluate"));
    assert_eq!(project.executed(&["run"]), "");
    // A gate may ask for coverage.
    project.edit("recipe.yaml", "  ingest_scoring:", "  evaluate: {validation_criteria: [{metric: interval_coverage, threshold: 0.8}]}\n  ingest_scoring:");
    project.ok(&["run"]);
}

#[test]
fn labels_follow_the_threshold_and_scores_are_calibrated() {
    let project = Project::empty().with("recipe.yaml", LOANS).with("data/loans.csv", &loans(600));
    project.ok(&["run"]);
    project.ok(&["run", "predict"]);
    let threshold = model(&project)["adjustments"]["threshold"].as_f64().unwrap();
    let scored = columns(&project.read("out/scored.csv"));
    for (label, score) in scored["predicted_label"].iter().zip(numbers(&scored["predicted_score_yes"])) {
        assert_eq!(label == "yes", score >= threshold, "{label} {score} {threshold}");
    }
    let train = project.ok(&["inspect", "train"]).stdout;
    for said in ["Scores are calibrated by `sigmoid`", "A row is called `yes` from score", "expected calibration error", "What the threshold changes"] {
        assert!(train.contains(said), "{said}\n{train}");
    }
    let evaluate = project.ok(&["inspect", "evaluate"]).stdout;
    assert!(evaluate.contains("Reliability of the scores, test") && !evaluate.contains("(0.5 is used)"), "{evaluate}");

    // A threshold that is given decides validation, test and scoring alike.
    project.edit("recipe.yaml", "decision_threshold: f1_score", "decision_threshold: 0.999");
    project.recipe(&["run"]);
    let metrics: serde_json::Value = serde_json::from_slice(&project.artifact("run")).unwrap();
    assert_eq!(metrics["metrics"]["val_true_positives"], 0.0);
    assert_eq!(project.executed(&["run"]), "");
}

#[test]
fn early_stopping_is_short_for_the_estimators_own_parameter() {
    let project = price();
    project.edit("recipe.yaml", "    using: ridge\n    conformal: {coverage: 0.8}\n", "    using: gradient_boosting\n    early_stopping: 5\n");
    project.ok(&["run"]);
    let stopped = project.artifact("model");
    project.edit("recipe.yaml", "early_stopping: 5", "estimator_params: {early_stopping_rounds: 5}");
    assert_eq!(project.executed(&["run"]), "", "it is the same model");
    assert_eq!(project.artifact("model"), stopped);
    project.edit("recipe.yaml", "estimator_params: {early_stopping_rounds: 5}", "early_stopping: {rounds: 5, validation_fraction: 0.2}");
    project.ok(&["run"]);
    assert_ne!(project.artifact("model"), stopped);
}

#[test]
fn a_stack_is_kept_and_scores_as_others_do() {
    let project = price();
    project.edit(
        "recipe.yaml",
        "    using: ridge\n",
        "    using: stacking\n    estimator_params:\n      cv: 3\n      estimators: {near: {using: knn, estimator_params: {k: 3}}, line: {using: ridge}}\n",
    );
    project.ok(&["run"]);
    project.ok(&["run", "predict"]);
    let first = project.read("out/scored.csv");
    project.edit("recipe.yaml", "using: knn", "using: KNeighborsRegressor");
    assert_eq!(project.executed(&["run"]), "", "another name for the same estimator");
    project.edit("recipe.yaml", "k: 3", "k: 5");
    assert!(project.executed(&["run"]).starts_with("train evaluate"));
    project.ok(&["run", "predict"]);
    assert_ne!(project.read("out/scored.csv"), first);
}

#[test]
fn what_does_not_go_together_is_named_where_it_stands() {
    let refused = |project: &Project, from: &str, to: &str, says: &[&str]| {
        let good = project.read("recipe.yaml");
        project.edit("recipe.yaml", from, to);
        let ran = project.recipe(&["run"]);
        assert!(matches!(ran.code, 3 | 4), "{to}: {}\n{}", ran.code, ran.stderr);
        for said in says {
            assert!(ran.stderr.contains(said), "{to}: no `{said}` in\n{}", ran.stderr);
        }
        project.write("recipe.yaml", good);
    };
    let price = price();
    for (to, says) in [
        ("target: lgo1p", &["unknown value `lgo1p`", "did you mean `log1p`?", "recipe.yaml:10:"][..]),
        ("target: {log1p: {smearin: true}}", &["unknown key `smearin`", "did you mean `smearing`?", "recipe.yaml:10:"]),
        ("target: {quantile: {n_quantiles: 1}}", &["`n_quantiles` is a whole number from 2", "recipe.yaml:10:"]),
    ] {
        refused(&price, "target: log1p", to, says);
    }
    for (to, says) in [
        ("conformal: {coverage: 1}", &["`coverage` must lie between 0 and 1", "recipe.yaml:13:"][..]),
        ("conformal: {coverage: 0.999}", &["intervals of coverage 0.999 need 999 rows of validation", "recipe.yaml:13:"]),
        ("calibrate_proba: sigmoid", &["`calibrate_proba` is for classification", "recipe.yaml:13:"]),
        ("decision_threshold: 0.3", &["`decision_threshold` is for two classes", "recipe.yaml:13:"]),
        ("early_stopping: 5", &["`ridge` does not learn in rounds", "gradient_boosting", "recipe.yaml:13:"]),
        ("early_stopping: {round: 5}", &["unknown key `round`", "did you mean `rounds`?", "recipe.yaml:13:"]),
    ] {
        refused(&price, "conformal: {coverage: 0.8}", to, says);
    }
    price.write("data/houses.csv", houses(400).replace("North,", "North,-"));
    refused(&price, "target: log1p", "target: log", &["`log` takes numbers above 0; target `price` has", "recipe.yaml:10:"]);

    let repaid = Project::empty().with("recipe.yaml", LOANS).with("data/loans.csv", &loans(300));
    for (to, says) in [
        ("decision_threshold: roc_auc", &["`roc_auc` is a metric that does not depend on the threshold", "recipe.yaml:11:"][..]),
        ("decision_threshold: f1_scor", &["`f1_scor` is no metric of two classes", "did you mean `f1_score`?"]),
        ("decision_threshold: 1.5", &["`decision_threshold` must lie between 0 and 1, got 1.5"]),
        ("conformal: {coverage: 0.8}", &["`conformal` makes intervals around numbers; it is for regression"]),
        ("calibrate_prob: sigmoid", &["unknown key `calibrate_prob`", "did you mean `calibrate_proba`?"]),
    ] {
        refused(&repaid, "decision_threshold: f1_score", to, says);
    }
}

#[test]
fn every_recipe_on_the_page_is_read() {
    Project::empty().with("data/houses.csv", &houses(60)).with("data/loans.csv", &loans(60)).reads_the_recipes_of("docs/around-the-estimator.md", 6);
}
