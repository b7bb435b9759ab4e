//! Tuning from recipe.yaml to the model: the same bytes however it is run or cut off, and what goes wrong is said.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::project::{Project, Ran, houses, loans};

const HOUSES: &str = r"recipe: regression/v1
target_col: price
roles: {id: ignore, block: group, sold: time}
steps:
  ingest: {location: data/houses.csv}
  split: {using: random, split_ratios: [0.6, 0.2, 0.2]}
  transform:
    - impute: {columns: [rooms], strategy: median}
    - one_hot: {columns: [town]}
  train:
    using: gradient_boosting
    estimator_params: {n_estimators: 8, min_child_samples: 5}
    tuning:
      max_trials: 9
      parameters:
        learning_rate: {distribution: loguniform, low: -3, high: 0}
        num_leaves: {values: [2, 4, 8]}
";

fn project() -> Project {
    let mut data = String::new();
    for (i, line) in houses(180).lines().enumerate() {
        let more = if i == 0 { "block,sold".to_owned() } else { format!("{},{}", i % 17, (i * 31) % 400) };
        writeln!(data, "{line},{more}").unwrap();
    }
    Project::empty().with("recipe.yaml", HOUSES).with("data/houses.csv", &data)
}

fn json(project: &Project, artifact: &str) -> Value {
    serde_json::from_slice(&project.artifact(artifact)).unwrap()
}

fn trials(project: &Project) -> Vec<Value> {
    json(project, "run")["trials"].as_array().unwrap().clone()
}

fn score(trial: &Value) -> Option<f64> {
    trial["outcome"]["scored"]["score"].as_f64()
}

/// What tuning decides, as bytes.
fn bytes(project: &Project) -> Vec<Vec<u8>> {
    ["model", "best_parameters", "run", "predicted_training_data"].map(|name| project.artifact(name)).to_vec()
}

/// How many trials a run with `--json` tells of.
fn told(ran: &Ran) -> usize {
    ran.stdout.lines().filter(|line| line.contains("\"unit\":\"trials\"")).count()
}

#[test]
fn every_search_gives_the_same_bytes_at_any_number_of_threads() {
    let variants = [
        "algorithm: halving\n      cv: {using: group, folds: 2}",
        "algorithm: random\n      early_stop: {no_progress: 6}\n      sample_fraction: 0.5\n      cv: {using: time, folds: 2}",
        "algorithm: tpe\n      cv: {using: stratified, folds: 2, repeats: 2}",
    ];
    std::thread::scope(|scope| {
        for (i, variant) in variants.into_iter().enumerate() {
            scope.spawn(move || {
                let run = |threads: &str, parallelism: usize| {
                    let project = project().env("RAYON_NUM_THREADS", threads).env("POLARS_MAX_THREADS", threads);
                    project.edit("recipe.yaml", "max_trials: 9", &format!("max_trials: 13\n      parallelism: {parallelism}\n      {variant}"));
                    project.ok(&["run", "train"]);
                    project
                };
                let one = run("1", 1);
                assert!(!trials(&one).is_empty());
                for (threads, parallelism) in [("8", 8), ("2", 3)].into_iter().take(if i == 0 { 2 } else { 1 }) {
                    assert!(bytes(&run(threads, parallelism)) == bytes(&one), "{variant}: {threads} threads");
                }
            });
        }
    });
}

#[test]
fn the_winner_is_the_model_and_its_score_the_models() {
    let project = project();
    project.edit(
        "recipe.yaml",
        "        num_leaves:",
        "        transform.impute.strategy: {values: [median, mean]}\n        'transform[1]': {values: [one_hot, ordinal_encode]}\n        num_leaves:",
    );
    project.edit("recipe.yaml", "one_hot: {columns: [town]}", "one_hot");
    let ran = project.ok(&["run"]);
    assert!(ran.stderr.contains(", best of 9 trials"), "{}", ran.stderr);
    let all = trials(&project);
    assert_eq!((all.len(), all[0]["parameters"].as_object().map(serde_json::Map::len)), (9, Some(0)));
    let best = all.iter().min_by(|a, b| score(a).unwrap().total_cmp(&score(b).unwrap())).unwrap();
    assert!(score(best) < score(&all[0]));
    let run = json(&project, "run");
    // The model that was kept is the one that was scored.
    assert_eq!(run["metrics"]["val_root_mean_squared_error"].as_f64(), score(best));
    let parameters = json(&project, "best_parameters");
    for (name, value) in best["parameters"].as_object().unwrap() {
        assert_eq!(&parameters[name], value, "{name}");
    }
    let chain = json(&project, "model")["chain"]["steps"].clone();
    assert_eq!((&chain[0]["config"]["strategy"], &chain[1]["name"]), (&best["parameters"]["transform.impute.strategy"], &best["parameters"]["transform[1]"]));
    let card = project.ok(&["inspect", "train"]).stdout;
    for said in ["Tuning", "The best trials", "score as written", "transform.impute.strategy"] {
        assert!(card.contains(said), "{said}\n{card}");
    }
    // Written into the recipe, it is the same model.
    let tuned = json(&project, "model");
    let written: Vec<String> = ["learning_rate", "num_leaves"].map(|name| format!("{name}: {}", best["parameters"][name])).to_vec();
    let recipe = project.read("recipe.yaml");
    project.write("recipe.yaml", recipe.split("    tuning:").next().unwrap());
    project.edit("recipe.yaml", "n_estimators: 8", &format!("n_estimators: 8, {}", written.join(", ")));
    project.edit("recipe.yaml", "strategy: median", &format!("strategy: {}", best["parameters"]["transform.impute.strategy"]));
    project.edit("recipe.yaml", "one_hot", best["parameters"]["transform[1]"].as_str().unwrap());
    project.ok(&["run"]);
    assert_eq!(json(&project, "model"), tuned);
}

#[test]
fn a_search_that_was_killed_goes_on_where_it_was() {
    let recipe = |project: Project| {
        project.edit("recipe.yaml", "max_trials: 9", "max_trials: 9\n      algorithm: tpe\n      cv: {folds: 2}");
        project.ok(&["run", "transform"]);
        project
    };
    let whole = recipe(project());
    assert_eq!(told(&whole.ok(&["run", "train", "--json"])), 9);
    let wanted = bytes(&whole);
    std::thread::scope(|scope| {
        for at in [22, 27, 32] {
            let (wanted, recipe) = (&wanted, &recipe);
            scope.spawn(move || {
                let project = recipe(project());
                let killed = Ran::of(&project.command(&["run", "train"]).env("RECIPE_FAULT", format!("{at}:abort")).output().unwrap());
                assert_eq!(killed.code, -1, "{at}: {}", killed.stderr);
                let steps = fs::read_dir(project.path(".recipe/v1/notes/train")).into_iter().flatten();
                let kept: usize = steps.map(|key| fs::read_dir(key.unwrap().path()).unwrap().count()).sum();
                assert!(kept > 0 && kept < 9, "{at}: {kept}");
                assert_eq!(project.ok(&["cache", "verify"]).stdout, "everything in the store is as it was written\n");
                let next = project.ok(&["run", "train", "--json"]);
                assert_eq!(told(&next), 9 - kept, "{at}");
                assert!(bytes(&project) == *wanted, "{at}");
                assert!(fs::read_dir(project.path(".recipe/v1/notes/train")).unwrap().next().is_none());
                assert_eq!(project.executed(&["run", "train"]), "");
            });
        }
    });
}

#[test]
fn trials_that_fail_are_told_and_do_not_end_the_search() {
    let project = project();
    // A price of 0, which the objective `gamma` does not take.
    let data = project.read("data/houses.csv");
    let price = data.lines().nth(1).unwrap().split(',').nth(4).unwrap().to_owned();
    project.edit("data/houses.csv", &price, "0");
    project.edit("recipe.yaml", "split: {using: random, split_ratios: [0.6, 0.2, 0.2]}", "split: {using: random, split_ratios: [0.98, 0.01, 0.01]}");
    project.edit("recipe.yaml", "num_leaves: {values: [2, 4, 8]}", "objective: {values: [squared, gamma]}");
    let ran = project.ok(&["run", "train"]);
    assert!(ran.stderr.contains("failed, the first because: objective `gamma` takes targets above 0; 1 row not"), "{}", ran.stderr);
    let failed = trials(&project).iter().filter(|trial| score(trial).is_none()).count();
    assert!((1..9).contains(&failed));
    assert!(project.ok(&["inspect", "train"]).stdout.contains("Trials that failed"));
    // Where all fail, the first one's error is the run's.
    project.edit("recipe.yaml", "objective: {values: [squared, gamma]}", "objective: {values: [gamma]}");
    project.edit("recipe.yaml", "n_estimators: 8", "n_estimators: 8, objective: gamma");
    let ran = project.recipe(&["run", "train"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("objective `gamma` takes targets above 0; 1 row not") && ran.stderr.contains("hint: "), "{}", ran.stderr);
}

#[test]
fn what_tuning_depends_on_runs_it_again_and_nothing_else() {
    let project = project();
    project
        .write("recipe.yaml", format!("custom_metrics: [{{name: worst, expression: \"MAX(ABS(prediction - target))\", greater_is_better: false}}]\n{HOUSES}"));
    project.ok(&["run", "train"]);
    for (from, to, runs) in [
        ("max_trials: 9", "max_trials: 9\n      parallelism: 2", ""),
        ("max_trials: 9", "max_trials: 8", "train"),
        ("target_col: price", "target_col: price\nprimary_metric: worst", "train"),
        ("MAX(ABS", "SUM(ABS", "train"),
    ] {
        project.edit("recipe.yaml", from, to);
        assert_eq!(project.executed(&["run", "train"]), runs, "{to}");
    }
    let best = trials(&project).iter().filter_map(score).fold(f64::INFINITY, f64::min);
    assert!(best > 1e4, "the sum of errors: {best}");
    // Switched off, it is as if it were not there.
    project.edit("recipe.yaml", "tuning:\n", "tuning:\n      enabled: false\n");
    project.ok(&["run", "train"]);
    assert!(json(&project, "run").get("trials").is_none());
}

#[test]
fn a_time_budget_leaves_the_parameters_as_written_at_least() {
    let project = project();
    project.edit("recipe.yaml", "max_trials: 9", "time_budget_secs: 0.000001\n      parallelism: 2");
    project.ok(&["run", "train"]);
    assert_eq!(trials(&project).len(), 1);
    assert_eq!(json(&project, "best_parameters")["num_leaves"], 31);
}

#[test]
fn classes_are_tuned_too_with_what_wraps_the_estimator() {
    let recipe = r#"recipe: classification/v1
target_col: repaid
positive_class: "yes"
primary_metric: roc_auc
steps:
  ingest: {location: data/loans.csv}
  train:
    using: random_forest
    estimator_params: {n_estimators: 5}
    class_weight: balanced
    calibrate_proba: sigmoid
    decision_threshold: f1_score
    tuning:
      algorithm: grid
      cv: {folds: 3}
      parameters: {max_depth: {values: [1, 3, null]}, min_samples_leaf: {distribution: randint, low: 1, high: 4}}
"#;
    let project = Project::empty().with("recipe.yaml", recipe).with("data/loans.csv", &loans(300));
    project.ok(&["run", "train"]);
    let all = trials(&project);
    // Nine combinations, of which one is written.
    assert_eq!(all.len(), 9);
    assert!(all.iter().all(|trial| trial["outcome"]["scored"]["folds"].as_array().unwrap().len() == 3));
    let adjustments = json(&project, "model")["adjustments"].clone();
    assert!(adjustments["threshold"].is_number() && adjustments["calibration"].is_object());
}

#[test]
fn what_cannot_be_tuned_is_named_where_it_stands() {
    let project = project();
    let good = project.read("recipe.yaml");
    for (from, to, code, says) in [
        ("num_leaves", "num_leafs", 3, &["unknown key `num_leafs`", "did you mean `num_leaves`?", "recipe.yaml:17:", "steps.train.tuning.parameters"][..]),
        ("[2, 4, 8]", "[2, 4, many]", 3, &["`num_leaves` cannot be many: expected a whole number", "recipe.yaml:17:"]),
        ("loguniform", "loguniforn", 3, &["unknown value `loguniforn`", "did you mean `loguniform`?", "recipe.yaml:16:"]),
        ("num_leaves:", "transform.imput.strategy:", 3, &["`steps.transform` has no `imput`", "did you mean `impute`?", "recipe.yaml:17:"]),
        ("max_trials: 9", "max_trial: 9", 3, &["unknown key `max_trial`", "did you mean `max_trials`?", "recipe.yaml:14:"]),
        ("max_trials: 9", "algorithm: grid", 3, &["`grid` needs values that can be counted, and those of `learning_rate` cannot", "recipe.yaml:16:"]),
        ("max_trials: 9", "cv: {using: time, repeats: 3}", 3, &["`repeats` does not go with `time`", "recipe.yaml:14:"]),
        ("max_trials: 9", "cv: {folds: 90}", 4, &["90 folds need 180 rows", "recipe.yaml:14:"]),
        ("    tuning:\n", "    tuning: []\n    explain:\n", 3, &["expected a map of keys, got a list", "recipe.yaml:13:"]),
    ] {
        project.edit("recipe.yaml", from, to);
        let ran = project.recipe(&["run", "train"]);
        assert_eq!(ran.code, code, "{to}: {}", ran.stderr);
        for said in says {
            assert!(ran.stderr.contains(said), "{to}: no `{said}` in\n{}", ran.stderr);
        }
        project.write("recipe.yaml", &good);
    }
    project.edit("recipe.yaml", "block: group, ", "");
    project.edit("recipe.yaml", "max_trials: 9", "cv: {using: group}");
    let ran = project.recipe(&["validate"]);
    assert!(ran.code == 3 && ran.stderr.contains("no column has the role `group`") && ran.stderr.contains("recipe.yaml:14:"), "{}", ran.stderr);
}

#[test]
fn every_recipe_on_the_page_is_read() {
    Project::empty().with("data/houses.csv", &houses(60)).with("data/loans.csv", &loans(60)).reads_the_recipes_of("docs/tuning.md", 4);
}
