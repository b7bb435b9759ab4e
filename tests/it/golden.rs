//! `recipe test`: rows are kept, what the chain makes of them is compared, and what changed is named.

use crate::project::Project;

#[test]
fn a_blessed_recipe_passes_until_it_does_something_else() {
    let project = Project::regression();
    let unblessed = project.recipe(&["test"]);
    assert_eq!(unblessed.code, 4);
    assert!(unblessed.stderr.contains("`houses` has no golden test yet") && unblessed.stderr.contains("recipe test --bless"), "{}", unblessed.stderr);

    let blessed = project.ok(&["test", "--bless"]);
    assert!(blessed.stdout.starts_with("houses: written to tests/houses, 200 rows drawn from the recipe's data\n"), "{}", blessed.stdout);
    assert!(blessed.stdout.contains("  a missing `area`: refused: ") && !blessed.stdout.contains("a missing `rooms`"), "{}", blessed.stdout);
    let passed = project.ok(&["test"]);
    assert!(passed.stdout.starts_with("houses: as expected ("), "{}", passed.stdout);
    // The project's own results are left alone: only ingest ran there.
    assert_eq!(project.executed(&["run", "split"]), "split");

    project.edit("recipe.yaml", "alpha: 0.5", "alpha: 50.0");
    project.edit("recipe.yaml", "    - one_hot: {columns: [town]}\n", "    - one_hot: {columns: [town], drop: first}\n");
    let failed = project.recipe(&["test"]);
    assert_eq!(failed.code, 10, "{}{}", failed.stdout, failed.stderr);
    for said in ["artifacts.transformed_training_data.columns: expected [", "metrics.val_root_mean_squared_error: expected ", "model.coefficients.area: "] {
        assert!(failed.stdout.contains(said), "{said}\n{}", failed.stdout);
    }
    let json = project.recipe(&["test", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(json["passed"] == false && json["differences"].as_array().unwrap().len() > 3, "{json}");

    // The rows stay, so that the change of what is expected is the change of the recipe.
    let rows = std::fs::read(project.path("tests/houses/data.parquet")).unwrap();
    assert!(project.ok(&["test", "--bless"]).stdout.contains("200 rows that were there"));
    assert_eq!(rows, std::fs::read(project.path("tests/houses/data.parquet")).unwrap());
    project.ok(&["test"]);
}

#[test]
fn what_a_model_refuses_is_said_and_made_up_rows_are_nobody_s() {
    let project = Project::classification();
    project.edit("recipe.yaml", "  train:", "  transform:\n    - check_new_values: {columns: [job]}\n    - one_hot: {columns: [job]}\n  train:");
    let blessed = project.ok(&["test", "--bless", "--synthetic"]);
    assert!(blessed.stdout.contains("200 rows made up") && blessed.stdout.contains("an unseen `job`: refused: "), "{}", blessed.stdout);
    project.ok(&["test"]);
    project.edit("recipe.yaml", "    - check_new_values: {columns: [job]}\n", "");
    let failed = project.recipe(&["test"]);
    assert_eq!(failed.code, 10);
    assert!(failed.stdout.contains("found \"survived\""), "{}", failed.stdout);
}
