//! Models on files that no recipe names, and predictions of other programs.

use std::path::PathBuf;

use crate::project::{Project, copy, houses, loans};

/// The directory of the first version of a model.
fn bundle(project: &Project, name: &str) -> PathBuf {
    let shown = project.ok(&["models", "show", name]).stdout;
    let line = shown.lines().find_map(|line| line.strip_prefix("v1: ")).unwrap();
    PathBuf::from(line.split("  digest ").next().unwrap())
}

fn metrics(json: &str) -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_str::<serde_json::Value>(json).unwrap()["metrics"].as_object().unwrap().clone()
}

#[test]
fn a_bundle_scores_files_where_there_is_no_project() {
    let project = Project::regression();
    project.ok(&["run"]);
    let elsewhere = Project::empty().with("new.csv", &houses(30)).with("more/new.csv", &houses(10));
    copy(&bundle(&project, "houses"), &elsewhere.path("model"));

    let printed = elsewhere.ok(&["predict", "model", "new.csv"]).stdout;
    assert_eq!(printed.lines().next().unwrap(), "id,area,rooms,town,price,prediction");
    assert_eq!(printed.lines().count(), 31);
    let inside = project.with("new.csv", &houses(30));
    assert_eq!(inside.ok(&["predict", "models:/houses@champion", "new.csv"]).stdout, printed);

    let said = elsewhere.ok(&["predict", "model", "new.csv", "more/*.csv", "--reasons", "1", "--columns", "id,prediction,reason_1", "-o", "scored.csv"]).stderr;
    assert_eq!(said, "40 rows scored → scored.csv\n");
    let few = elsewhere.read("scored.csv");
    assert!(few.starts_with("id,prediction,reason_1\n") && few.lines().count() == 41, "{few}");

    for (arguments, code, says) in [
        (&["predict", "model", "none.csv"][..], 4, "none.csv"),
        (&["predict", "other", "new.csv"], 7, "no bundle at `other`"),
        (&["predict", "model", "new.csv", "-o", "scored.txt"], 2, "cannot tell the format of"),
        (&["predict", "model", "new.csv", "--columns", "predicton"], 4, "did you mean `prediction`?"),
        (&["predict", "models:/houses@champion", "new.csv"], 3, "recipe.yaml"),
        (&["evaluate", "model"], 2, "FILE"),
        (&["evaluate", "model", "new.csv", "--require", "r2=1"], 2, "no such metric here: `r2`"),
        (&["evaluate", "--predictions", "new.csv"], 2, "--target"),
        (&["evaluate", "--predictions", "new.csv", "--target", "price"], 4, "`prediction`"),
    ] {
        let ran = elsewhere.recipe(arguments);
        assert!(ran.code == code && ran.stderr.contains(says), "{arguments:?}: {}\n{}", ran.code, ran.stderr);
    }
    elsewhere.write("short.csv", "id,rooms,town\n1,2,Lake\n");
    let missing = elsewhere.recipe(&["predict", "model", "short.csv"]);
    assert!(missing.code == 4 && missing.stderr.contains("`area`"), "{}", missing.stderr);
    elsewhere.edit("model/model.json", "\"target\"", "\"tarpit\"");
    let forged = elsewhere.recipe(&["predict", "model", "new.csv"]);
    assert!(forged.code == 7 && forged.stderr.contains("damaged"), "{}", forged.stderr);
}

#[test]
fn evaluating_elsewhere_gives_the_figures_of_the_run() {
    let project = Project::regression();
    project.ok(&["run"]);
    let test = project.ok(&["artifact", "test_data"]).stdout.trim().to_owned();
    let run: serde_json::Value = serde_json::from_slice(&project.artifact("evaluation")).unwrap();
    let found = project.ok(&["evaluate", "models:/houses@champion", &test, "--json", "--card", "card.html"]).stdout;
    assert!(project.read("card.html").contains("Predicted against actual"));
    for (name, value) in metrics(&found) {
        assert_eq!(value, run["metrics"][format!("test_{name}")], "{name}");
    }
    project.ok(&["predict", "models:/houses@champion", &test, "-o", "scored.jsonl"]);
    let again = project.ok(&["evaluate", "--predictions", "scored.jsonl", "--target", "price", "--json"]).stdout;
    assert_eq!(metrics(&again), metrics(&found));
    let refused = project.recipe(&["evaluate", "--predictions", "scored.jsonl", "--target", "price", "--require", "root_mean_squared_error=1"]);
    assert!(refused.code == 10 && refused.stderr.contains("root_mean_squared_error is") && refused.stdout.contains("95 % from"), "{}", refused.stderr);
    project.write("gaps.csv", "price,prediction\n1,1.5\n,2\n3,3\n");
    let gaps = project.ok(&["evaluate", "--predictions", "gaps.csv", "--target", "price", "--json"]);
    assert!(gaps.stderr.contains("1 row without a target left out"), "{}", gaps.stderr);
    assert_eq!(metrics(&gaps.stdout)["mean_absolute_error"], 0.25);
}

#[test]
fn scores_of_classes_stand_in_one_column_or_in_one_for_each() {
    let project = Project::classification();
    project.ok(&["run"]);
    project.write("new.csv", loans(200));
    let model = metrics(&project.ok(&["evaluate", "models:/houses@champion", "new.csv", "--json"]).stdout);
    project.ok(&["predict", "models:/houses@champion", "new.csv", "-o", "scored.csv"]);
    let each = project.ok(&["evaluate", "--predictions", "scored.csv", "--target", "repaid", "--json"]).stdout;
    let close = |found: &serde_json::Map<String, serde_json::Value>| {
        for (name, value) in &model {
            let (a, b) = (value.as_f64().unwrap(), found[name].as_f64().unwrap());
            assert!((a - b).abs() < 1e-9, "{name}: {a} {b}");
        }
    };
    close(&metrics(&each));
    let one = project.ok(&["evaluate", "--predictions", "scored.csv", "--target", "repaid", "--scores", "predicted_score_yes", "--positive", "yes", "--json"]);
    close(&metrics(&one.stdout));
    let wrong = project.recipe(&["evaluate", "--predictions", "scored.csv", "--target", "repaid", "--scores", "predicted_score_yes"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("--positive"), "{}", wrong.stderr);
    let none = project.recipe(&["evaluate", "--predictions", "scored.csv", "--target", "repaid", "--scores", "p_"]);
    assert!(none.code == 4 && none.stderr.contains("no column is called `p_` or begins with it"), "{}", none.stderr);
    let many = project.recipe(&["evaluate", "--predictions", "scored.csv", "--target", "job", "--scores", "predicted_score_yes", "--positive", "cook"]);
    assert!(many.code == 4 && many.stderr.contains("for two classes"), "{}", many.stderr);
}

#[test]
fn an_alias_is_rolled_back_and_the_history_keeps_who_and_why() {
    let project = Project::regression().env("USER", "ada");
    for alpha in ["0.5", "50", "5"] {
        project.ok(&["run", &format!("train.estimator_params.alpha={alpha}")]);
    }
    let champion = || {
        let list = project.ok(&["models"]).stdout;
        list.lines().find(|line| line.contains("@champion")).and_then(|line| line.split_whitespace().nth(1)).unwrap().to_owned()
    };
    assert_eq!(champion(), "v3");
    assert_eq!(project.ok(&["models", "rollback", "houses", "-m", "too dear in Lake"]).stdout, "houses: alias champion v3 → v2\n");
    assert_eq!(project.ok(&["models", "rollback", "houses"]).stdout, "houses: alias champion v2 → v1\n");
    let first = project.recipe(&["models", "rollback", "houses"]);
    assert!(first.code == 7 && first.stderr.contains("pointed nowhere before v1"), "{}", first.stderr);
    let held = project.recipe(&["models", "delete", "houses", "1"]);
    assert!(held.code == 7 && held.stderr.contains("alias champion points to it") && champion() == "v1", "{}", held.stderr);
    project.ok(&["models", "delete", "houses", "3"]);
    assert!(!project.path(".recipe/models/houses/3").exists());
    assert_eq!(project.recipe(&["models", "alias", "houses", "champion", "3"]).code, 7);
    // The number of a deleted version is not used again.
    project.ok(&["run", "train.estimator_params.alpha=7"]);
    assert_eq!(champion(), "v4");
    assert_eq!(project.recipe(&["models", "rollback", "houses", "blue"]).code, 7);
    assert_eq!(project.recipe(&["models", "history", "horses"]).code, 7);
    let history = project.ok(&["models", "history", "houses"]).stdout;
    let what: Vec<&str> = history.lines().map(|line| line[47..].trim()).collect();
    assert!(what[0].starts_with("registered v1") && what[1].starts_with("alias champion nothing → v1") && what[1].contains("run "), "{history}");
    assert!(what[6].starts_with("alias champion v3 → v2, rolled back") && what[6].ends_with("ada  too dear in Lake"), "{history}");
    assert!(what[8].starts_with("deleted v3") && what[9].starts_with("registered v4"), "{history}");
    let json: serde_json::Value = serde_json::from_str(&project.ok(&["models", "history", "--json"]).stdout).unwrap();
    assert_eq!((json.as_array().unwrap().len(), &json[6]["event"], &json[6]["who"]), (11, &"rollback".into(), &"ada".into()));
}
