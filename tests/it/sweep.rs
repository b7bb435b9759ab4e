//! Sweeps and the leaderboard: what runs, what is refused before anything runs, and how models are ranked.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::project::{Project, Ran};

/// The jobs of a sweep as JSON, best first.
fn jobs(ran: &Ran) -> Vec<Value> {
    let whole: Value = serde_json::from_str(&ran.stdout).unwrap();
    whole["jobs"].as_array().unwrap().clone()
}

fn column<'a>(rows: &'a [Value], key: &str) -> Vec<&'a Value> {
    rows.iter().map(|row| &row[key]).collect()
}

fn numbers(rows: &[Value], key: &str) -> Vec<f64> {
    rows.iter().map(|row| row[key].as_f64().unwrap()).collect()
}

#[test]
fn what_jobs_share_is_computed_once_and_the_best_comes_first() {
    let project = Project::regression();
    let words = ["train.estimator_params.alpha=0.1,1,10", "seed=range(0,2)"];
    let sweep = |more: &[&str]| project.ok(&[&["sweep"], &words[..], more].concat());
    let ran = sweep(&["-v", "--json"]);
    assert_eq!(
        ran.executed(),
        "ingest split transform train evaluate split transform train evaluate train evaluate train evaluate train evaluate train evaluate"
    );
    let first = jobs(&ran);
    let scores = numbers(&first, "validation");
    assert!(first.len() == 6 && scores.is_sorted() && scores[0] < scores[5], "{scores:?}");
    assert!(column(&first, "status").iter().all(|status| *status == "done"));
    let last = first.iter().find(|job| job["job"] == 6).unwrap();
    assert_eq!(last["overrides"], serde_json::json!(["train.estimator_params.alpha=10", "seed=1"]));
    // A job is what `recipe run` does with its overrides.
    assert_eq!(project.executed(&["run", "evaluate", "steps.train.estimator_params.alpha=10", "seed=1"]), "");
    assert_eq!(project.ok(&["models"]).stdout, "no model is registered yet; `recipe run` trains and registers one\n");

    let again = sweep(&["--json"]);
    assert!(column(&jobs(&again), "status").iter().all(|status| *status == "cached"));
    assert_eq!(column(&jobs(&again), "validation"), column(&first, "validation"));
    let id = |ran: &Ran| serde_json::from_str::<Value>(&ran.stdout).unwrap()["sweep"].as_str().unwrap().to_owned();
    assert_eq!(id(&again), id(&ran));
    // Another step, another value, another configuration: another sweep. What is written otherwise is the same.
    let only = |words: &[&str]| id(&project.ok(&[&["sweep", "ingest", "--json"], words].concat()));
    let known = only(&words);
    assert_eq!(only(&["steps.train.estimator_params.alpha=0.1, 1, 10", "seed=0,1"]), known);
    assert!(known != id(&ran) && known != only(&[words[0], "seed=range(0,1)"]));
    project.edit("recipe.yaml", "split_ratios: [0.6, 0.2, 0.2]", "split_ratios: [0.5, 0.25, 0.25]");
    assert_ne!(only(&words), known);

    let database = rusqlite::Connection::open(project.path(".recipe/runs.db")).unwrap();
    let kept: Vec<String> = database
        .prepare("SELECT DISTINCT overrides FROM run_sweeps WHERE sweep = ?1 ORDER BY overrides")
        .unwrap()
        .query_map([id(&ran)], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(kept.len() == 6 && kept[0] == r#"["train.estimator_params.alpha=0.1","seed=0"]"#, "{kept:?}");
}

#[test]
fn lists_are_paired_up_groups_are_swept_and_a_step_s_name_is_enough() {
    let project = Project::regression()
        .with("steps/train/ridge.yaml", "using: ridge\nestimator_params: {alpha: 2}\n")
        .with("steps/train/lasso.yaml", "using: lasso\nestimator_params: {alpha: 20}\n");
    let overrides = |arguments: &[&str]| -> Vec<String> {
        let mut found = jobs(&project.ok(&[&["sweep", "--json"], arguments].concat()));
        found.sort_by_key(|job| job["job"].as_u64());
        found.iter().map(|job| job["overrides"].to_string()).collect()
    };
    assert_eq!(
        overrides(&["train", "--zip", "split.split_ratios=[0.6,0.2,0.2],[0.5,0.3,0.2]", "seed=1,2"]),
        [r#"["split.split_ratios=[0.6,0.2,0.2]","seed=1"]"#, r#"["split.split_ratios=[0.5,0.3,0.2]","seed=2"]"#]
    );
    assert_eq!(overrides(&["train", "train=ridge,lasso"]), [r#"["train=ridge"]"#, r#"["train=lasso"]"#]);
    assert_eq!(project.executed(&["run", "train", "train=lasso"]), "");

    let value = |word: &str| project.ok(&["config", "steps.train.estimator_params", "-o", "json", word]).stdout.split_whitespace().collect::<String>();
    assert_eq!(value("train.estimator_params.alpha=3"), r#"{"alpha":3}"#);
    assert_eq!(value("+train.estimator_params.tol=0.1"), r#"{"alpha":0.5,"tol":0.1}"#);
    assert_eq!(value("~train.estimator_params.alpha"), "{}");
}

#[test]
fn mistakes_are_told_before_anything_runs() {
    let project = Project::regression();
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["train.estimator_params.alhpa=1,2"], 3, &["unknown key `alhpa`", "did you mean `alpha`?"]),
        // The last of many is as wrong as the first, and each mistake is told once.
        (&["train.using=ridge,rige", "seed=1,2,x"], 3, &["unknown estimator `rige`", "expected a whole number from 0, got `x`", "2 problems found"]),
        (&["evalute", "seed=1,2"], 2, &["unknown step `evalute`"]),
        (&["predict", "seed=1,2"], 2, &["`predict` scores with one model"]),
        (&["--zip", "seed=1,2", "train.estimator_params.alpha=1,2,3"], 2, &["`seed` has 2 values, `train.estimator_params.alpha` has 3 values"]),
        (&["seed=range(0,200)", "train.estimator_params.alpha=range(0,100)"], 2, &["too many jobs: 200 × 100, and a sweep has at most 10,000"]),
        (&["seed=1,2", "seed=3"], 2, &["`seed` is there twice"]),
        (&["seed=1,,2"], 2, &["an empty value in `seed=1,,2`"]),
        (&["primary_metric=r2_score,max_error"], 2, &["different primary metrics cannot be compared: `r2_score`, `max_error`"]),
        (&["train=none,such"], 3, &["the group `train` has no option `none`", "the group `train` has no option `such`"]),
        (&[], 2, &["nothing to sweep over"]),
    ];
    for (arguments, code, says) in cases {
        let ran = project.recipe(&[&["sweep"], *arguments].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (*code, ""), "{arguments:?}\n{}", ran.stderr);
        for text in *says {
            assert_eq!(ran.stderr.matches(text).count(), 1, "{arguments:?} says `{text}`\n{}", ran.stderr);
        }
    }
    assert!(!project.path(".recipe").exists());
}

#[test]
fn a_job_that_fails_is_a_row_and_the_others_go_on() {
    let project = Project::regression();
    let words = ["ingest.schema.price.max=1,1e9", "evaluate.validation_criteria=[],[{metric: r2_score, threshold: 2}]"];
    let ran = project.recipe(&[&["sweep", "--json"], &words[..]].concat());
    let found = jobs(&ran);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert_eq!(column(&found, "job"), [3, 4, 1, 2]);
    assert_eq!(column(&found, "status"), ["done", "rejected", "failed", "failed"]);
    assert_eq!(column(&found, "exit_code"), [0, 10, 4, 4]);
    assert!(found[2]["error"].as_str().unwrap().contains("column `price` fails"), "{}", found[2]);
    // The error of two jobs is drawn once.
    assert_eq!(ran.stderr.matches("error: column `price` fails").count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("the gate rejected 1 of 4 models"), "{}", ran.stderr);

    let ran = project.recipe(&[&["sweep", "--fail-fast"], &words[..]].concat());
    assert_eq!((ran.code, ran.stdout.matches("not run").count(), ran.stdout.matches("failed").count()), (4, 3, 1), "{}", ran.stdout);
    assert_eq!(project.recipe(&["sweep", words[1]]).code, 10);
    // Every width from 40 columns up holds the table, with every job in it.
    for width in [40, 80] {
        let output = project.command(&[&["sweep"], &words[..]].concat()).env("COLUMNS", width.to_string()).output().unwrap();
        let text = Ran::of(&output).stdout;
        assert!(text.lines().all(|line| line.chars().count() <= width), "{width}\n{text}");
        assert_eq!(text.matches("failed").count(), 2, "{text}");
    }
}

#[test]
fn a_killed_sweep_goes_on_where_it_was() {
    let project = Project::regression();
    let words = ["sweep", "train.estimator_params.alpha=1,2,3,4,5,6", "--json"];
    let mut child = project.command(&words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let head = lines.next().unwrap();
    assert!(lines.any(|line| line.starts_with("job 3/6: done")));
    child.kill().unwrap();
    child.wait().unwrap();
    let ran = project.ok(&words);
    assert!(ran.stderr.starts_with(&head), "the same id: {head}\n{}", ran.stderr);
    let mut found = jobs(&ran);
    found.sort_by_key(|job| job["job"].as_u64());
    let status = column(&found, "status");
    assert!(status[..3].iter().all(|s| *s == "cached") && status[5] == "done", "{status:?}");
    assert!(!project.ok(&[&words[..], &["-v"]].concat()).stderr.contains("executed"));
    assert_eq!(project.ok(&["cache", "verify"]).stdout, "everything in the store is as it was written\n");
    let id = head.split([' ', ':']).nth(1).unwrap();
    let board = project.ok(&["leaderboard", "--sweep", id]).stdout;
    assert!(board.contains("6 of 6 models in "), "{board}");
}

#[test]
fn a_recipe_that_changes_under_a_sweep_is_noticed() {
    let project = Project::regression();
    let words = ["sweep", "train.estimator_params.alpha=range(1,9)", "--json"];
    let mut child = project.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("job 1/8")));
    project.write("new.yaml", project.read("recipe.yaml").replace("strategy: median", "strategy: mean"));
    std::fs::rename(project.path("new.yaml"), project.path("recipe.yaml")).unwrap();
    let drained: Vec<String> = lines.collect();
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!(ran.code, 3, "{drained:?}");
    let found = jobs(&ran);
    let last = found.iter().find(|job| job["job"] == 8).unwrap();
    assert_eq!(last["error"], "the recipe changed while the sweep ran");
    assert!(drained.iter().any(|line| line == "error: the recipe changed while the sweep ran"), "{drained:?}");
}

#[test]
fn the_leaderboard_ranks_models_and_hides_test_scores() {
    let project = Project::regression();
    assert_eq!(project.ok(&["leaderboard"]).stdout, "no model was trained yet; `recipe run` trains one\n");
    assert!(!project.path(".recipe/runs.db").exists(), "looking makes nothing");
    project.ok(&["sweep", "train.estimator_params.alpha=0.1,10,1", "train.estimator_params.fit_intercept=true"]);
    project.ok(&["run", "train.estimator_params.alpha=1"]);
    project.ok(&["run", "ingest"]);
    let board = |arguments: &[&str]| -> Value { serde_json::from_str(&project.ok(&[&["leaderboard", "--json"], arguments].concat()).stdout).unwrap() };
    let whole = board(&[]);
    let runs = whole["runs"].as_array().unwrap();
    assert_eq!(column(runs, "parameters"), [0.1, 1.0, 10.0].map(|alpha| serde_json::json!({ "steps.train.estimator_params.alpha": alpha })).each_ref());
    assert!(numbers(runs, "validation").is_sorted());
    assert!(numbers(runs, "fit_seconds").iter().all(|seconds| *seconds > 0.0));
    assert_eq!(column(runs, "model"), [&Value::Null, &serde_json::json!({ "name": "houses", "version": 1, "aliases": ["champion"] }), &Value::Null]);
    // The newest run of a model stands for it.
    let newest = project.ok(&["runs", "-n", "2"]).stdout.lines().nth(3).unwrap()[..12].to_owned();
    assert_eq!(runs[1]["run"], newest.as_str());
    assert_eq!(board(&["-n", "2"])["runs"].as_array().unwrap().len(), 2);

    let text = project.ok(&["leaderboard", "--quick"]).stdout;
    let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[1], ["run", "val", "rmse", "alpha", "fit", "gate", "model"]);
    assert!(text.ends_with("3 of 3 models in 4 runs\ntest scores: hidden until `--final`\n"), "{text}");
    for arguments in [&["--json"][..], &["--csv"], &["--final", "--json"], &["--final", "--csv"], &["--final"]] {
        let shows = project.ok(&[&["leaderboard"], arguments].concat()).stdout.contains("test");
        assert_eq!(shows, arguments.contains(&"--final"), "{arguments:?}");
    }
    let output = project.command(&["leaderboard", "--final"]).env("COLUMNS", "40").output().unwrap();
    assert!(Ran::of(&output).stdout.lines().all(|line| line.chars().count() <= 40));
    let ran = project.recipe(&["leaderboard", "--sweep", "0000"]);
    assert!(ran.code == 2 && ran.stderr.contains("no sweep `0000` of `houses`") && ran.stderr.contains("the last ones: "), "{}", ran.stderr);

    // Where greater is better, the greatest comes first; a custom metric says so itself.
    let ranked = |metric: &str| numbers(board_of(&project, metric)["runs"].as_array().unwrap(), "validation");
    assert!(ranked("r2_score").is_sorted_by(|a, b| a > b) && ranked("max_error").is_sorted());
    project.edit("recipe.yaml", "steps:\n", "custom_metrics:\n  - {name: near, expression: \"AVG(CASE WHEN ABS(prediction - target) < 3000 THEN 1.0 ELSE 0.0 END)\", greater_is_better: true}\nprimary_metric: near\nsteps:\n");
    assert_eq!(project.ok(&["leaderboard"]).stdout, "no finished run has `val_near`\n`recipe run evaluate` computes it\n");
    project.ok(&["sweep", "train.estimator_params.alpha=10,0.1"]);
    let near = numbers(board(&[])["runs"].as_array().unwrap(), "validation");
    assert!(near.len() == 2 && near[0] >= near[1] && near[1] > 0.0, "{near:?}");
}

/// The leaderboard by another metric.
fn board_of(project: &Project, metric: &str) -> Value {
    let profile = format!("primary_metric: {metric}\n");
    project.write("profiles/other.yaml", profile);
    serde_json::from_str(&project.ok(&["leaderboard", "--json", "-p", "other"]).stdout).unwrap()
}

#[test]
fn models_of_different_kinds_and_chains_are_told_apart_by_what_differs() {
    let project = Project::regression();
    project.ok(&["sweep", "train", "train.using=ridge,lasso,linear", "~train.estimator_params", "split.post_split_filter=area > 0,area > 50"]);
    let names = |arguments: &[&str]| project.ok(&[&["leaderboard", "--csv"], arguments].concat()).stdout.lines().next().unwrap().to_owned();
    assert_eq!(
        names(&[]),
        "run,validation,low,high,standing,fit_seconds,microseconds_per_row,bytes,validated,model,steps.split.post_split_filter,steps.train.using"
    );
    project.ok(&["run", "train", "transform.0.impute.strategy=mean"]);
    let head = names(&[]);
    assert!(head.contains(",steps.transform[0].impute.strategy") && head.contains(",steps.train.estimator_params.alpha"), "{head}");
}
