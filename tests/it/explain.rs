//! Explanations on cards and beside predictions.

use crate::project::{Project, houses};

#[test]
fn cards_show_what_moves_predictions_and_which_columns_a_metric_needs() {
    let project = Project::regression();
    project.ok(&["run"]);
    let train = project.ok(&["inspect", "train"]).stdout;
    for shown in
        ["── Explanations", "exact Shapley values of", "Mean absolute contribution (price)", "Contributions of single rows", "Partial dependence on area"]
    {
        assert!(train.contains(shown), "{shown}\n{train}");
    }
    // The one-hot columns of a town are the column `town`.
    let table = train.split_once("Contributions by column").unwrap().1;
    let names: Vec<&str> = table.lines().skip(3).take(3).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["area", "town", "rooms"]);
    let evaluate = project.ok(&["inspect", "evaluate"]).stdout;
    assert!(evaluate.contains("── Importance") && evaluate.contains("Permutation importance (rise in rmse)"), "{evaluate}");
    assert_eq!(project.executed(&["run"]), "");
    let off = ["run", "train.explain.shap=false", "train.explain.partial_dependence=false", "evaluate.explain.permutation=false"];
    assert_eq!(project.executed(&off), "train evaluate", "the model is the same");
    assert!(!project.ok(&["inspect", "train"]).stdout.contains("Shapley"));
    let refused = project.recipe(&["run", "train.explain.rows=0", "evaluate.explain.n_repeats=0"]);
    assert_eq!(refused.code, 3);
    assert_eq!(refused.stderr.matches("error:").count(), 2, "{}", refused.stderr);
}

#[test]
fn predictions_come_with_reasons_that_add_up() {
    let project = Project::regression().with("data/new.csv", &houses(30));
    let recipe = project.read("recipe.yaml");
    project.write(
        "recipe.yaml",
        format!("{recipe}  ingest_scoring: {{location: data/new.csv}}\n  predict: {{reasons: 9, output: {{location: out/scored.csv}}}}\n"),
    );
    project.ok(&["run"]);
    project.ok(&["run", "predict"]);
    let scored = project.read("out/scored.csv");
    let mut lines = scored.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let at = |name: &str| head.iter().position(|column| *column == name).unwrap();
    let base = |row: &[&str]| {
        let sum: f64 = (1..=9).filter_map(|i| row[at(&format!("reason_{i}_contribution"))].parse::<f64>().ok()).sum();
        row[at("prediction")].parse::<f64>().unwrap() - sum
    };
    let rows: Vec<Vec<&str>> = lines.collect();
    assert_eq!(rows.len(), 30);
    assert!(rows.iter().all(|row| (base(row) - base(&rows[0])).abs() < 1e-6), "every row starts from the same mean");
    assert!(rows.iter().all(|row| ["area", "town", "rooms"].contains(&row[at("reason_1")])));
    assert!(project.ok(&["inspect", "predict"]).stdout.contains("── Reasons"));
    let without = project.ok(&["run", "predict", "predict.output.columns=[prediction]"]);
    assert!(without.stderr.contains("`out/scored.csv` has no reasons: `output.columns` does not name `reason_1`"), "{}", without.stderr);
    project.ok(&["run", "~steps.train.estimator_params", "train.using=knn", "evaluate.validation_criteria=[{metric: r2_score, threshold: -9}]"]);
    let refused = project.recipe(&["run", "predict"]);
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("which `knn` is not") && refused.stderr.contains("take `reasons` away"), "{}", refused.stderr);
}
