//! The commands on the main road: run, look, change, run again.

use crate::project::Project;

#[test]
fn a_second_run_computes_nothing_and_a_parameter_reruns_train_onwards() {
    let project = Project::regression();
    assert_eq!(project.executed(&["run"]), "ingest split transform train evaluate register");
    assert_eq!(project.executed(&["run"]), "");
    project.edit("recipe.yaml", "alpha: 0.5", "alpha: 0.7");
    assert_eq!(project.ok(&["why", "train"]).stdout, "train would run, because\n  config `estimator_params.alpha`: 0.5 → 0.7\n");
    assert_eq!(project.executed(&["run"]), "train evaluate register");
}

#[test]
fn boosted_trees_take_gaps_and_categories_and_stop_by_the_validation_split() {
    let project = Project::regression();
    project.edit(
        "recipe.yaml",
        "    - impute: {columns: [rooms], strategy: median}\n    - one_hot: {columns: [town]}\n",
        "    - ordinal_encode: {columns: [town]}\n",
    );
    project.edit(
        "recipe.yaml",
        "using: ridge\n    estimator_params: {alpha: 0.5}",
        "using: gradient_boosting\n    estimator_params: {num_iterations: 500, early_stopping_rounds: 5, min_data_in_leaf: 5, \
         categorical_features: [town], monotone_constraints: {area: 1}}",
    );
    assert_eq!(project.executed(&["run"]), "ingest split transform train evaluate register");
    let model = String::from_utf8(project.artifact("model")).unwrap();
    let roots = model.split_once("\"roots\":[").unwrap().1.split_once(']').unwrap().0.split(',').count();
    assert!((5..400).contains(&roots), "{roots}");
    project.edit("recipe.yaml", "[town], mono", "[toun], mono");
    let ran = project.recipe(&["run"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("`categorical_features` names a feature that the estimator does not get: toun"), "{}", ran.stderr);
    assert!(ran.stderr.contains("did you mean `town`?"), "{}", ran.stderr);
}

#[test]
fn training_rows_are_chosen_and_cross_fitted_while_all_others_stay() {
    let project = Project::classification();
    let steps = "  transform:
    - filter: {where: income > 1500, when: train}
    - target_encode: {columns: [job]}
    - check_range: {columns: [income], lower: 0}
    - downsample: {ratio: 1.2}
";
    project.write("recipe.yaml", project.read("recipe.yaml") + steps);
    let ran = project.recipe(&["run"]);
    assert!(matches!(ran.code, 0 | 10), "{}{}", ran.stdout, ran.stderr);
    let rows = |name: &str| project.ok(&["show", name, "-n", "1000", "--format", "jsonl"]).stdout.lines().count();
    assert!(rows("transformed_training_data") < rows("training_data"));
    assert_eq!(rows("transformed_validation_data"), rows("validation_data"));
    let levels = |name: &str| {
        let text = project.ok(&["show", name, "-n", "1000", "--format", "csv"]).stdout;
        let at = text.lines().next().unwrap().split(',').position(|column| column == "job").unwrap();
        text.lines().skip(1).map(|line| line.split(',').nth(at).unwrap().to_owned()).collect::<std::collections::BTreeSet<_>>().len()
    };
    // Four jobs, each with a number a fold in training.
    assert_eq!(levels("transformed_validation_data"), 4);
    assert!(levels("transformed_training_data") > 12);
    let shown = project.ok(&["show", "transformer"]).stdout;
    for heading in ["# 1 filter", "# 2 target_encode", "# 3 check_range", "# 4 downsample"] {
        assert!(shown.contains(heading), "{shown}");
    }
}
