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

#[test]
fn metrics_of_ones_own_have_intervals() {
    let own = "custom_metrics:\n  - {name: mae, expression: AVG(ABS(prediction - target)), greater_is_better: false}\n  \
               - {name: errors, expression: SUM(ABS(prediction - target)), greater_is_better: false}\nsteps:\n";
    let project = Project::regression();
    project.edit("recipe.yaml", "steps:\n", own);
    let sure = |threshold: f64| criteria(&format!("{{metric: mae, threshold: {threshold}, confidence: 0.95}}"));
    project.recipe(&["run", "evaluate"]);
    let found = evaluation(&project);
    let of = |name: &str| ["low", "high"].map(|end| found["intervals"][name][end].as_f64().unwrap());
    let (built_in, own, sum) = (of("mean_absolute_error"), of("mae"), of("errors"));
    let rows = found["metrics"]["test_errors"].as_f64().unwrap() / found["metrics"]["test_mae"].as_f64().unwrap();
    let width = built_in[1] - built_in[0];
    for end in 0..2 {
        // The same rows drawn, but fewer times.
        assert!((own[end] - built_in[end]).abs() < 0.2 * width, "{own:?} {built_in:?}");
        assert!((sum[end] - rows * own[end]).abs() < 1e-9 * sum[end], "{sum:?} {own:?}");
    }
    let value = found["metrics"]["test_mae"].as_f64().unwrap();
    project.ok(&["run", "evaluate", &sure(1.01 * own[1])]);
    let unsure = project.recipe(&["run", "evaluate", &sure(f64::midpoint(value, own[1]).min(value * 1.001))]);
    assert!(unsure.code == 10 && unsure.stderr.contains("surely"), "{}", unsure.stderr);
    let refused = project.recipe(&["validate", &criteria("{metric: mae, baseline: champion, confidence: 0.95}")]);
    assert!(refused.code == 3 && refused.stderr.contains("is a metric of your own"), "{}", refused.stderr);
}

fn evaluation(project: &Project) -> serde_json::Value {
    serde_json::from_slice(&project.artifact("evaluation")).unwrap()
}

#[test]
fn a_model_is_held_against_the_champion_on_the_same_rows() {
    let project = Project::regression();
    let beaten = criteria("{metric: root_mean_squared_error, baseline: champion, confidence: 0.95}");
    let weak = "train.estimator_params.alpha=1000";
    project.ok(&["run", &beaten, weak]);
    let first = evaluation(&project);
    assert_eq!(first["outcomes"][0]["note"], "there is no champion before it");
    // Now it is the champion itself, which changes nothing.
    assert_eq!(project.executed(&["run", &beaten, weak]), "");
    assert_eq!(project.executed(&["run", "evaluate", "--force=evaluate", &beaten, weak]), "evaluate");
    assert_eq!(evaluation(&project), first);

    // A better one, measured against what the champion said of these very rows.
    project.ok(&["run", &beaten]);
    let second = evaluation(&project);
    assert_eq!(second["champion"]["test_root_mean_squared_error"], first["metrics"]["test_root_mean_squared_error"]);
    assert!(second["outcomes"][0]["compared"]["low"].as_f64().unwrap() > 0.0, "{second}");
    assert_eq!(project.executed(&["run", &beaten]), "");
    assert!(project.ok(&["inspect", "evaluate"]).stdout.contains("champion on test"));

    // The one before is now the worse one.
    let worse = project.recipe(&["run", "-v", &beaten, weak]);
    assert!(worse.code == 10 && worse.stderr.contains("because input `champion` changed"), "{}", worse.stderr);
    assert!(worse.stderr.contains("(champion), 95 % sure") && worse.stderr.contains("; worse by "), "{}", worse.stderr);
    assert!(project.ok(&["models"]).stdout.contains("champion"));

    // Nearly the same model is not better, and not worse than allowed.
    let near = "train.estimator_params.alpha=0.5001";
    let refused = project.recipe(&["run", "evaluate", &beaten, near]);
    assert!(refused.code == 10 && refused.stderr.contains("95 % sure"), "{}", refused.stderr);
    // Nor is a forest with one tree more: the interval holds zero.
    let forests = Project::regression();
    forests.edit("recipe.yaml", "alpha: 0.5", "n_estimators: 40");
    forests.ok(&["run", &beaten, "train.using=random_forest"]);
    let tied = forests.recipe(&["run", &beaten, "train.using=random_forest", "train.estimator_params.n_estimators=41"]);
    assert!(tied.code == 10 && tied.stderr.contains("; a tie, better by "), "{}", tied.stderr);
    let allowed = criteria("{metric: root_mean_squared_error, baseline: champion, not_worse_than: 0.02, confidence: 0.95}");
    project.ok(&["run", "evaluate", &allowed, near]);
    // Only a criterion that names the champion depends on it.
    let other = criteria("{metric: r2_score, threshold: 0.1}");
    project.ok(&["run", "evaluate", &other]);
    project.ok(&["models", "alias", "houses", "champion", "1"]);
    assert_eq!(project.executed(&["run", "evaluate", &other]), "");

    // A champion that reads a column which is no longer there.
    let without_rooms = |line: &str| line.split(',').enumerate().filter(|(i, _)| *i != 2).map(|(_, cell)| cell).collect::<Vec<_>>().join(",") + "\n";
    project.write("data/houses.csv", project.read("data/houses.csv").lines().map(without_rooms).collect::<String>());
    project.edit("recipe.yaml", "    - impute: {columns: [rooms], strategy: median}\n", "");
    let cannot = project.recipe(&["run", "evaluate", &beaten]);
    assert_eq!(cannot.code, 4, "{}", cannot.stderr);
    assert!(
        cannot.stderr.contains("the champion `models:/houses/1` cannot be held against this model") && cannot.stderr.contains("rooms"),
        "{}",
        cannot.stderr
    );
}

#[test]
fn slices_and_groups_have_their_figures_and_may_decide() {
    let project = Project::regression();
    project.edit("recipe.yaml", "steps:\n", "roles: {town: sensitive}\nsteps:\n");
    let slices = "evaluate.slices=[town, {column: area, edges: [80, 120]}, {name: large, where: \"area > 100\"}]";
    let mae = |rest: &str| criteria(&format!("{{metric: mean_absolute_error, {rest}}}"));
    project.ok(&["run", "evaluate", slices, &mae("slice: \"town=*\", max_ratio_to_overall: 3")]);
    let found = evaluation(&project);
    let named = found["slices"]["named"].as_array().unwrap();
    let rows =
        |prefix: &str| named.iter().filter(|slice| slice["name"].as_str().unwrap().contains(prefix)).map(|slice| slice["rows"].as_u64().unwrap()).sum::<u64>();
    let all = found["slices"]["fairness"][0]["groups"].as_array().unwrap().iter().map(|group| group["rows"].as_u64().unwrap()).sum::<u64>();
    assert!(all > 30 && rows("town = ") == all && rows("area") == all, "{found}");
    // The metric of all rows is the mean of the towns', weighted by their rows.
    let total: f64 = named
        .iter()
        .filter(|slice| slice["name"].as_str().unwrap().contains("town"))
        .map(|slice| slice["metrics"]["mean_absolute_error"].as_f64().unwrap() * slice["rows"].as_f64().unwrap())
        .sum();
    let overall = found["metrics"]["test_mean_absolute_error"].as_f64().unwrap();
    assert!((total / all as f64 / overall - 1.0).abs() < 1e-9);
    let card = project.ok(&["inspect", "evaluate"]).stdout;
    for said in [
        "Slices of the test rows, with 95 % intervals",
        "80 ≤ area < 120",
        "Groups of `town`",
        "mean error difference",
        "is worse than the others beyond chance",
    ] {
        assert!(card.contains(said), "{said}\n{card}");
    }
    for (criterion, said) in [
        ("slice: large, threshold: 1", "mean_absolute_error in large ≤ 1"),
        ("slice: \"town=*\", threshold: 1, confidence: 0.9", "worst in town = "),
        ("slice: \"town=Atlantis\", threshold: 1", "no test row is in it"),
    ] {
        let refused = project.recipe(&["run", "evaluate", slices, &mae(criterion)]);
        assert!(refused.code == 10 && refused.stderr.contains(said), "{said}\n{}", refused.stderr);
    }
    let missing = project.recipe(&["validate", "evaluate.slices=[twon]"]);
    assert!(
        missing.code == 4 && missing.stderr.contains("no column `twon` to make slices of") && missing.stderr.contains("did you mean `town`?"),
        "{}",
        missing.stderr
    );
}

#[test]
fn slices_and_bounds_that_make_no_sense_are_named() {
    let project = Project::regression();
    let wrong = [
        "{metric: r2_score, slice: nigth, threshold: 0.5}",
        "{metric: r2_score, slice: \"town=*\"}",
        "{metric: r2_score, max_ratio_to_overall: 1.5}",
        "{metric: r2_score, slice: night, max_ratio_to_overall: 0.5, confidence: 0.9}",
        "{metric: r2_score, slice: night, baseline: champion}",
        "{metric: model_bytes, slice: night, threshold: 1}",
        "{metric: r2_score, threshold: 1, not_worse_than: 0.1}",
        "{metric: r2_score, baseline: champion, not_worse_than: -1, min_improvement: 0.1}",
    ];
    let slices = "evaluate.slices=[{name: night, where: \"area < 60\"}, {column: a, where: \"b > 0\"}, {bins: 3}, {where: \"a > 0\"}, {column: a, bins: 1}, {column: a, bins: 2, edges: [3, 1]}]";
    let refused = project.recipe(&["validate", &criteria(&wrong.join(", ")), slices, "evaluate.slice_search={max_columns: 3, min_rows: 2}"]);
    assert_eq!(refused.code, 3);
    for said in [
        "no slice `nigth`",
        "did you mean `night`?",
        "a criterion needs `threshold` or `max_ratio_to_overall`",
        "`max_ratio_to_overall` goes with `slice`",
        "`max_ratio_to_overall` is a number from 1",
        "`confidence` does not go with `max_ratio_to_overall`",
        "a slice is held against `threshold` or `max_ratio_to_overall`, not against a baseline",
        "`model_bytes` is not measured in slices",
        "`not_worse_than` goes with `baseline`",
        "`not_worse_than` is a share of the baseline's value, from 0",
        "a criterion has `min_improvement` or `not_worse_than`, not both",
        "a slice has `column` or `where`, not both",
        "a slice needs `column`, or `name` and `where`",
        "`where` needs a `name`, without `=`",
        "`bins` must lie between 2 and 100",
        "a slice has `bins` or `edges`, not both",
        "`edges` are 1 to 100 numbers in rising order",
        "`max_columns` must be 1 or 2",
        "`min_rows` must be 10 or more",
        "steps.evaluate.slices[4].bins",
    ] {
        assert!(refused.stderr.contains(said), "{said}\n{}", refused.stderr);
    }
}
