//! Two runs side by side.

use crate::project::Project;

fn json(project: &Project, arguments: &[&str]) -> serde_json::Value {
    let all = [&["diff"], arguments, &["--json"]].concat();
    serde_json::from_str(&project.ok(&all).stdout).unwrap()
}

#[test]
fn runs_on_the_same_rows_are_compared_row_by_row() {
    let project = Project::regression();
    project.edit("recipe.yaml", "target_col: price\n", "target_col: price\nroles: {id: id}\n");
    project.ok(&["run", "-m", "the first"]);
    project.ok(&["run", "train.estimator_params.alpha=500"]);
    let found = json(&project, &[]);
    let step = |name: &str| found["steps"].as_array().unwrap().iter().find(|step| step["step"] == name).unwrap().clone();
    assert!(step("ingest")["is_same"] == true && step("transform")["is_same"] == true);
    let change = step("train")["changes"][0].as_str().unwrap().to_owned();
    assert!(change.contains("alpha") && change.contains("0.5") && change.contains("500"), "{change}");
    assert_eq!(step("evaluate")["inputs"][0], "model");
    let metric = |name: &str| found["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == name).unwrap().clone();
    assert_eq!(found["metrics"][0]["name"], "test_root_mean_squared_error");
    let rmse = metric("test_root_mean_squared_error");
    let (a, b) = (rmse["a"].as_f64().unwrap(), rmse["b"].as_f64().unwrap());
    assert!((rmse["compared"]["better_by"].as_f64().unwrap() - (a - b)).abs() < 1e-9 * a, "{rmse}");
    assert!(found["unpaired"].is_null() && metric("val_r2_score")["compared"].is_null());
    let rows = found["rows"].as_array().unwrap();
    assert!(rows.len() == 10 && rows[0]["id"]["id"].is_number() && rows[0]["change"].as_f64() >= rows[9]["change"].as_f64(), "{rows:?}");

    let shown = project.ok(&["diff", "previous", "latest"]).stdout;
    for said in ["the first", "── What went in", "Predictions that changed most", "test_root_mean_squared_error"] {
        assert!(shown.contains(said), "{said}\n{shown}");
    }
    let page = project.ok(&["diff", "--md"]).stdout;
    assert!(page.contains("### Metrics\n\n| metric | A | B | B is | by | 95 % from | to |\n| --- |"), "{page}");
    // The same run twice: nothing differs.
    let same = json(&project, &["latest", "latest"]);
    assert!(same["steps"].as_array().unwrap().iter().all(|step| step["is_same"] == true) && same["rows"].as_array().unwrap().is_empty());
}

#[test]
fn a_worse_model_fails_where_that_is_asked_for() {
    let project = Project::regression();
    project.ok(&["run"]);
    assert_eq!(project.recipe(&["run", "train.using=dummy", "~train.estimator_params"]).code, 10);
    let worse = project.recipe(&["diff", "--fail-on", "worse"]);
    assert!(worse.code == 10 && worse.stderr.contains("is worse than run") && worse.stdout.contains("worse"), "{}{}", worse.stdout, worse.stderr);
    assert_eq!(project.recipe(&["diff", "latest", "previous", "--fail-on", "worse"]).code, 0);
    assert_eq!(project.recipe(&["diff", "models:/houses@champion", "latest", "--fail-on", "worse"]).code, 10);
    // On other rows there are no pairs, and figures alone decide.
    project.ok(&["run", "seed=7"]);
    let other = json(&project, &[]);
    assert!(other["unpaired"].as_str().unwrap().contains("other test rows"), "{other}");
    // A row that is not there, an id of none, and columns that come and go.
    for (arguments, says) in [(["diff", "0000", "latest"], "no run `0000`"), (["diff", "x", "latest"], "no run `x`")] {
        let ran = project.recipe(&arguments);
        assert!(ran.code == 2 && ran.stderr.contains(says), "{}", ran.stderr);
    }
    project.edit("data/houses.csv", "id,area,rooms,town,price", "id,area,rooms,city,price");
    project.ok(&["run", "steps.transform=auto", "seed=7"]);
    let columns = json(&project, &[])["columns"].as_array().unwrap().clone();
    assert_eq!((columns.len(), &columns[0]["name"], &columns[1]["name"]), (2, &"town".into(), &"city".into()), "{columns:?}");
    project.ok(&["clean", "--all"]);
    let forgotten = json(&project, &[]);
    assert!(forgotten["steps"][0]["is_forgotten"] == true && forgotten["unpaired"].as_str().unwrap().contains("no longer in the cache"), "{forgotten}");
}
