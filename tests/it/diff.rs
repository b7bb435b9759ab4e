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
    assert!(found["unpaired"].is_null() && metric("val_r2_score")["compared"].is_object() && metric("training_r2_score")["compared"].is_null());
    assert_eq!((&metric("val_r2_score")["split"], &metric("val_r2_score")["metric"]), (&"validation".into(), &"r2_score".into()));
    assert_eq!((&found["a"]["message"], &found["a"]["seed"], &found["greater_is_better"]), (&"the first".into(), &42.into(), &false.into()));
    let set = |value: &str, place: &str| serde_json::json!({ "value": value, "place": place });
    let config = serde_json::json!([{ "key": "steps.train.estimator_params.alpha", "a": set("0.5", "recipe.yaml:18:31"), "b": set("500", "command line") }]);
    assert_eq!((&found["config"], &found["data"]), (&config, &serde_json::json!([])));
    let rows = found["rows"].as_array().unwrap();
    assert!(rows.len() == 10 && rows[0]["id"]["id"].is_number() && rows[0]["change"].as_f64() >= rows[9]["change"].as_f64(), "{rows:?}");

    let shown = project.ok(&["diff", "previous", "latest"]).stdout;
    for said in [
        "the first",
        "── What went in",
        "Predictions that changed most",
        "root_mean_squared_error",
        "0.5 (recipe.yaml:18:31)",
        "Metrics on training rows",
        "learned from these rows",
    ] {
        assert!(shown.contains(said), "{said}\n{shown}");
    }
    let page = project.ok(&["diff", "--md"]).stdout;
    assert!(
        page.contains("### Metrics on test rows\n\n| metric | A | B | B is | by | 95 % |\n| --- |")
            && page.contains("<details><summary>Metrics on training rows</summary>"),
        "{page}"
    );
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
    // What failed before it was measured is worse than what was not.
    assert_eq!(project.recipe(&["run", "ingest.schema.price.max=1"]).code, 4);
    let failed = project.ok(&["runs", "-n", "1"]).stdout.lines().last().unwrap().split_whitespace().next().unwrap().to_owned();
    let worse = project.recipe(&["diff", "models:/houses@champion", &failed, "--fail-on", "worse"]);
    assert!(worse.code == 10 && worse.stdout.contains("trained no model: it is FAILED") && worse.stdout.contains("not measured"), "{}", worse.stdout);
    assert_eq!(project.recipe(&["diff", &failed, "models:/houses@champion", "--fail-on", "worse"]).code, 0);
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

#[test]
fn data_is_compared_and_a_metric_of_one_s_own_says_which_way_is_worse() {
    let project = Project::regression();
    let metric = "custom_metrics:\n  - {name: near, expression: \"AVG(CASE WHEN ABS(prediction - target) < 3000 THEN 1.0 ELSE 0.0 END)\", greater_is_better: true}\nprimary_metric: near\nsteps:\n";
    project.edit("recipe.yaml", "steps:\n", metric);
    project.ok(&["run", "evaluate"]);
    // Two rows go, one comes, one is there once more.
    let rows = project.read("data/houses.csv");
    let lines: Vec<&str> = rows.lines().collect();
    let other = [&lines[..239], &[lines[1], "999,100,4,North,100500.0"]].concat().join("\n");
    project.write("data/houses.csv", other + "\n");
    project.ok(&["run", "evaluate"]);
    let found = json(&project, &[]);
    let data = |name: &str| found["data"].as_array().unwrap().iter().find(|data| data["name"] == name).unwrap().clone();
    assert_eq!((&data("ingested_data")["a"]["rows"], &data("ingested_data")["b"]["rows"]), (&240.into(), &240.into()));
    assert_eq!(data("ingested_data")["rows"], serde_json::json!({ "both": 238, "only_a": 2, "only_b": 2 }));
    assert_ne!(data("data/houses.csv")["a"]["digest"], data("data/houses.csv")["b"]["digest"]);
    assert!(project.ok(&["diff"]).stdout.contains("Of the ingested rows 238 are in both"));

    project.recipe(&["run", "evaluate", "train.using=dummy", "~train.estimator_params"]);
    assert_eq!(json(&project, &[])["greater_is_better"], true);
    assert_eq!(project.recipe(&["diff", "--fail-on", "worse"]).code, 10);
    assert_eq!(project.recipe(&["diff", "latest", "previous", "--fail-on", "worse"]).code, 0);
}
