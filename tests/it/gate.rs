//! Intervals on the card, criteria that want to be sure, and what is said where figures should not be believed.

use crate::project::Project;

fn criteria(list: &str) -> String {
    format!("evaluate.validation_criteria=[{list}]")
}

#[test]
fn metrics_have_intervals_and_criteria_may_want_to_be_sure() {
    let project = Project::regression();
    project.ok(&["run"]);
    let card = project.ok(&["inspect", "evaluate"]).stdout;
    assert!(card.contains("95 % intervals on the test split") && card.contains("Against the dummy in rmse, on the same rows: better, by"), "{card}");
    let json: serde_json::Value = serde_json::from_slice(&project.artifact("evaluation")).unwrap();
    let interval = |metric: &str, end: &str| json["intervals"][metric][end].as_f64().unwrap();
    let rmse = json["metrics"]["test_root_mean_squared_error"].as_f64().unwrap();
    let (low, high) = (interval("root_mean_squared_error", "low"), interval("root_mean_squared_error", "high"));
    assert!(low < rmse && rmse < high);

    // Between the value and the end of its interval, only the figure alone passes.
    let between = f64::midpoint(rmse, high);
    let plain = project.recipe(&["run", "evaluate", &criteria(&format!("{{metric: root_mean_squared_error, threshold: {between}}}"))]);
    assert_eq!(plain.code, 0, "{}", plain.stderr);
    let sure = project.recipe(&["run", "evaluate", &criteria(&format!("{{metric: root_mean_squared_error, threshold: {between}, confidence: 0.99}}"))]);
    assert_eq!(sure.code, 10, "{}", sure.stderr);
    assert!(sure.stderr.contains("99 % sure") && sure.stderr.contains("surely"), "{}", sure.stderr);
    let dummy = "{metric: mean_absolute_error, baseline: dummy, min_improvement: 0.3, confidence: 0.95}";
    assert_eq!(project.recipe(&["run", "evaluate", &criteria(dummy)]).code, 0);
    let figures = "{metric: model_bytes, threshold: 1000000}, {metric: latency_us_per_row, threshold: 1e9}";
    assert_eq!(project.recipe(&["run", "evaluate", &criteria(figures)]).code, 0);
    let large = project.recipe(&["run", "evaluate", &criteria("{metric: model_bytes, threshold: 10}")]);
    assert!(large.code == 10 && large.stderr.contains("failed: model_bytes ≤ 10"), "{}", large.stderr);

    assert_eq!(project.executed(&["run", "evaluate", "evaluate.bootstrap.samples=0"]), "evaluate");
    assert!(!project.ok(&["inspect", "evaluate"]).stdout.contains("intervals"));
}

#[test]
fn what_makes_no_sense_is_named_before_anything_runs() {
    let project = Project::regression();
    let wrong = "{metric: r2_score, threshold: 0.5, confidence: 1.5}, {metric: max_error, threshold: 9, confidence: 0.9}, {metric: model_bytes, baseline: dummy}, {metric: latency, threshold: 1}";
    let refused = project.recipe(&["validate", &criteria(wrong), "evaluate.bootstrap={samples: 7, ci: 2}"]);
    assert_eq!(refused.code, 3);
    for said in [
        "`confidence` must lie between 0.5 and 0.999",
        "`max_error` has no interval, so there is no confidence in it",
        "`model_bytes` has no baseline",
        "not computed here: `latency`",
        "`ci` must lie between 0.5 and 0.999",
        "`samples` must lie between 100 and 100000, or be 0",
    ] {
        assert!(refused.stderr.contains(said), "{said}\n{}", refused.stderr);
    }
}

#[test]
fn figures_that_say_little_come_with_a_warning() {
    let rows: String = (0..400).map(|i| format!("{},{},{}\n", (i * 37) % 101, (i * 7919) % 97, if i % 29 == 0 { "yes" } else { "no" })).collect();
    let recipe = "recipe: classification/v1\ntarget_col: y\npositive_class: yes\nprimary_metric: log_loss\nsteps:\n  ingest: {location: data/rare.csv}\n  split: {using: stratified}\n";
    let project = Project::empty().with("data/rare.csv", &format!("a,b,y\n{rows}")).with("recipe.yaml", recipe);
    let run = project.recipe(&["run", "evaluate", "train.using=logistic"]);
    for said in ["of the training rows are `yes`: accuracy says little here", "the model and the dummy are tied"] {
        assert!(run.stderr.contains(said), "{said}\n{}", run.stderr);
    }
}
