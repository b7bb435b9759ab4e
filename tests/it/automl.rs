//! Candidates that compete, named ones and those of `automl`: the same bytes however they are run or cut off, and a plain recipe of the winner.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::project::{Project, Ran, houses, loans};

const HOUSES: &str = r"recipe: regression/v1
target_col: price
roles: {id: ignore}
steps:
  ingest: {location: data/houses.csv}
  split: {using: random, split_ratios: [0.6, 0.2, 0.2]}
  transform:
    - impute: {columns: [rooms], strategy: median}
    - one_hot: {columns: [town]}
  train:
";

const COMPARE: &str = r"    using: compare
    compare:
      candidates:
        base: {using: dummy}
        plain: {using: ridge, estimator_params: {alpha: 0.1}}
        boosted:
          using: gradient_boosting
          estimator_params: {n_estimators: 8, min_child_samples: 5}
          tuning:
            max_trials: 6
            algorithm: tpe
            parameters:
              num_leaves: {values: [2, 4, 8]}
              transform.impute.strategy: {values: [mean, median]}
";

fn project(train: &str) -> Project {
    Project::empty().with("recipe.yaml", &format!("{HOUSES}{train}")).with("data/houses.csv", &houses(160))
}

fn json(project: &Project, artifact: &str) -> Value {
    serde_json::from_slice(&project.artifact(artifact)).unwrap()
}

fn bytes(project: &Project) -> Vec<Vec<u8>> {
    ["model", "best_parameters", "run", "predicted_training_data"].map(|name| project.artifact(name)).to_vec()
}

fn list<'a>(run: &'a Value, key: &str) -> &'a Vec<Value> {
    run[key].as_array().unwrap()
}

/// The candidates, the best first, and who wins.
fn standing(run: &Value) -> (Vec<&str>, &str) {
    let name = |line: &'_ Value| line["candidate"].as_str().map(str::to_owned);
    let lines = list(run, "leaderboard");
    assert!(lines.windows(2).all(|pair| pair[0]["score"].as_f64() <= pair[1]["score"].as_f64()), "{lines:#?}");
    let winners: Vec<&Value> = lines.iter().filter(|line| line["wins"] == true).collect();
    assert!(winners.len() == 1 && name(winners[0]).is_some());
    (lines.iter().map(|line| line["candidate"].as_str().unwrap()).collect(), winners[0]["candidate"].as_str().unwrap())
}

/// The emitted recipe, run in a project of its own, gives the same model.
fn emits_the_same_model(project: &Project) {
    let data = fs::read_dir(project.path("data")).unwrap().next().unwrap().unwrap().file_name();
    let data = format!("data/{}", data.to_str().unwrap());
    project.ok(&["run", "train", "--emit", "plain.yaml"]);
    let plain = project.read("plain.yaml");
    assert!(!plain.contains("compare") && !plain.contains("automl"), "{plain}");
    let again = Project::empty().with("recipe.yaml", &plain).with(&data, &project.read(&data));
    again.ok(&["run", "train"]);
    assert!(again.artifact("model") == project.artifact("model"), "{plain}");
    let there = project.recipe(&["run", "train", "--emit", "plain.yaml"]);
    assert!(there.code == 2 && there.stderr.contains("`plain.yaml` is there already"), "{}", there.stderr);
}

#[test]
fn named_candidates_compete_and_the_best_one_is_the_model() {
    let project = project(COMPARE);
    let ran = project.ok(&["run"]);
    assert!(ran.stderr.contains("train: base: rmse ") && ran.stderr.contains(", the best of "), "{}", ran.stderr);
    assert!(ran.stderr.contains("of 3 candidates in 8 trials"), "{}", ran.stderr);
    let run = json(&project, "run");
    let (order, winner) = standing(&run);
    assert_eq!((order[0], order[2]), (winner, "base"));
    let first = &list(&run, "leaderboard")[0];
    assert_eq!((&first["using"], first["score"].as_f64()), (&run["estimator"], run["metrics"]["val_root_mean_squared_error"].as_f64()));
    assert_eq!(list(&run, "trials").len(), 8);
    let card = project.ok(&["inspect", "train"]).stdout;
    for said in ["Leaderboard", "The best score wins.", "plain", "boosted", "The best trials"] {
        assert!(card.contains(said), "{said}\n{card}");
    }
    emits_the_same_model(&project);
    assert_eq!(project.executed(&["run", "train"]), "");
    project.edit("recipe.yaml", "alpha: 0.1", "alpha: 0.2");
    assert_eq!(project.executed(&["run", "train"]), "train");
}

#[test]
fn candidates_with_options_of_transforms_are_emitted_with_them() {
    let project = project(&COMPARE.replace("        base: {using: dummy}\n", "").replace("{using: ridge, estimator_params: {alpha: 0.1}}", "{using: dummy}"));
    project.edit("recipe.yaml", "    - impute", "   target: log1p\n   steps:\n    - impute");
    project.ok(&["run", "train"]);
    let run = json(&project, "run");
    assert_eq!(standing(&run).1, "boosted");
    assert_eq!(list(&run, "transforms").len(), 2);
    emits_the_same_model(&project);
}

#[test]
fn within_one_standard_error_the_simplest_candidate_wins() {
    // A slope that is real, and small beside noise that has nothing to do with it: each part of the data has each noise at each x.
    let data = |slope: f64| {
        let mut text = String::from("x,part,y\n");
        for part in ["training", "training", "training", "validation", "test"] {
            for i in 0..40 {
                let (x, noise) = (f64::from(i % 10), [0.2, -0.2, 3.0, -3.0][i as usize / 10]);
                writeln!(text, "{x},{part},{}", slope * x + noise).unwrap();
            }
        }
        text
    };
    let recipe = r"recipe: regression/v1
target_col: y
steps:
  ingest: {location: data.csv}
  split: {using: column, columns: [part]}
  transform: [{select: {columns: [x]}}]
  train:
    using: compare
    compare: {candidates: {a_line: {using: linear}, flat: {using: dummy}}}
";
    let project = Project::empty().with("recipe.yaml", recipe).with("data.csv", &data(0.05));
    let winner = || {
        project.ok(&["run", "train"]);
        let run = json(&project, "run");
        assert_eq!(standing(&run).0, ["a_line", "flat"]);
        standing(&run).1.to_owned()
    };
    assert_eq!(winner(), "a_line");
    project.edit("recipe.yaml", "compare: {cand", "compare: {select: one_standard_error, cand");
    assert_eq!(winner(), "flat");
    let card = project.ok(&["inspect", "train"]).stdout;
    assert!(card.split_whitespace().collect::<Vec<_>>().join(" ").contains("The simplest candidate within one standard error ("), "{card}");
    // Where the slope matters it wins.
    project.write("data.csv", data(2.0));
    assert_eq!(winner(), "a_line");
    // With folds, which give the error themselves.
    project.edit("recipe.yaml", "compare: {select:", "compare: {cv: {folds: 4}, select:");
    assert_eq!(winner(), "a_line");
    let line = list(&json(&project, "run"), "leaderboard")[0].clone();
    let folds = list(&json(&project, "run"), "trials")[0]["outcome"]["scored"]["folds"].as_array().unwrap().len();
    assert!(line["standard_error"].as_f64().unwrap() > 0.0 && folds == 4);
}

const LOANS: &str = r#"recipe: classification/v1
target_col: repaid
positive_class: "yes"
steps:
  ingest: {location: data/loans.csv}
  train:
    calibrate_proba: sigmoid
"#;

#[test]
fn automl_gives_the_same_bytes_at_any_number_of_threads_and_a_plain_recipe() {
    let houses = |threads: &str, parallelism: usize| {
        let train = format!("    using: automl/flaml\n    automl: {{max_trials: 22, parallelism: {parallelism}}}\n");
        project(&train).env("RAYON_NUM_THREADS", threads).env("POLARS_MAX_THREADS", threads)
    };
    let loans = |threads: &str, parallelism: usize| {
        let train = format!("    using: automl\n    automl: {{max_trials: 12, cv: {{folds: 2}}, parallelism: {parallelism}}}\n");
        Project::empty().with("recipe.yaml", &format!("{LOANS}{train}")).with("data/loans.csv", &loans(200)).env("RAYON_NUM_THREADS", threads)
    };
    std::thread::scope(|scope| {
        let pairs: [[Project; 2]; 2] = [[houses("1", 1), houses("2", 2)], [loans("1", 1), loans("2", 3)]];
        for [one, two] in pairs {
            scope.spawn(move || {
                one.ok(&["run", "train"]);
                two.ok(&["run", "train"]);
                assert!(bytes(&one) == bytes(&two));
                let run = json(&one, "run");
                let (order, winner) = standing_of_any(&run);
                assert!(order.contains(&"dummy") && order.contains(&"gradient_boosting") && order.contains(&"ensemble"), "{order:?}");
                assert!(winner != "dummy");
                emits_the_same_model(&one);
            });
        }
    });
}

/// As [`standing`], whichever way the metric goes.
fn standing_of_any(run: &Value) -> (Vec<&str>, &str) {
    let lines = list(run, "leaderboard");
    let winner = lines.iter().find(|line| line["wins"] == true).unwrap();
    (lines.iter().map(|line| line["candidate"].as_str().unwrap()).collect(), winner["candidate"].as_str().unwrap())
}

#[test]
fn automl_that_was_killed_goes_on_where_it_was() {
    let recipe = || {
        let project = project("    using: automl\n    automl: {max_trials: 10, candidates: [ridge, dummy, gradient_boosting]}\n");
        project.ok(&["run", "transform"]);
        project
    };
    let whole = recipe();
    whole.ok(&["run", "train"]);
    let project = recipe();
    let killed = Ran::of(&project.command(&["run", "train"]).env("RECIPE_FAULT", "28:abort").output().unwrap());
    assert_eq!(killed.code, -1, "{}", killed.stderr);
    let steps = fs::read_dir(project.path(".recipe/v1/notes/train")).into_iter().flatten();
    let kept: usize = steps.map(|key| fs::read_dir(key.unwrap().path()).unwrap().count()).sum();
    assert!(kept > 0 && kept < 10, "{kept}");
    let next = project.ok(&["run", "train", "--json"]);
    let told = next.stdout.lines().filter(|line| line.contains("\"unit\":\"trials\"")).count();
    assert_eq!(told, 10 - kept);
    assert!(bytes(&project) == bytes(&whole));
    let all = list(&json(&whole, "run"), "trials").len();
    assert_eq!(all, 10);
}

#[test]
fn without_time_the_first_candidate_is_the_model() {
    let project = project("    using: automl\n    time_budget_secs: 0.000001\n");
    project.ok(&["run", "train"]);
    let run = json(&project, "run");
    assert_eq!((run["estimator"].as_str(), list(&run, "trials").len()), (Some("dummy"), 1));
}

#[test]
fn what_cannot_compete_is_named_where_it_stands() {
    let compare = project(COMPARE);
    let automl = project("    using: automl\n    automl: {max_trials: 5, candidates: [ridge, gradient_boosting]}\n");
    for (project, from, to, code, says) in [
        (
            &compare,
            "using: ridge",
            "using: rigde",
            3,
            &["unknown estimator `rigde`", "did you mean `ridge`?", "recipe.yaml:15:", "compare.candidates.plain.using"][..],
        ),
        (&compare, "using: ridge", "using: logistic", 3, &["`logistic` cannot do regression", "recipe.yaml:15:", "these can: dummy"]),
        (&compare, "alpha: 0.1", "alpa: 0.1", 3, &["unknown key `alpa`", "did you mean `alpha`?", "recipe.yaml:15:"]),
        (&compare, "num_leaves", "num_leafs", 3, &["unknown key `num_leafs`", "recipe.yaml:23:"]),
        (&compare, "algorithm: tpe", "algorithm: halving", 3, &["`halving` does not go with other candidates", "recipe.yaml:21:"]),
        (
            &compare,
            "        base: {using: dummy}\n        plain: {using: ridge, estimator_params: {alpha: 0.1}}\n",
            "",
            3,
            &["`compare` needs two `candidates`"],
        ),
        (&compare, "candidates:", "select: simplest\n      candidates:", 3, &["unknown value `simplest`", "recipe.yaml:13:"]),
        (&compare, "candidates:", "cv: {folds: 1}\n      candidates:", 3, &["`folds` must lie between 2 and 100", "recipe.yaml:13:"]),
        (&compare, "candidates:", "cv: {folds: 80}\n      candidates:", 4, &["80 folds need 160 rows", "recipe.yaml:13:"]),
        (
            &compare,
            "    compare:",
            "    tuning: {parameters: {alpha: {values: [1]}}}\n    compare:",
            3,
            &["`tuning` does not go with `using: compare`", "recipe.yaml:12:"],
        ),
        (&compare, "using: compare", "using: ridge", 3, &["`compare` does not go with `using: ridge`", "write `using: compare`"]),
        (
            &automl,
            "using: automl",
            "using: automl\n    estimator_params: {alpha: 1}",
            3,
            &["`estimator_params` does not go with `using: automl`", "recipe.yaml:12:"],
        ),
        (
            &automl,
            "[ridge, gradient_boosting]",
            "[ridge, gradient_bosting]",
            3,
            &["unknown estimator `gradient_bosting`", "did you mean `gradient_boosting`?", "recipe.yaml:12:"],
        ),
        (&automl, "[ridge, gradient_boosting]", "[ridge, Ridge]", 3, &["`ridge` is named twice", "recipe.yaml:12:"]),
        (&automl, "max_trials: 5", "max_trials: 0", 3, &["`max_trials` is a number from 1", "recipe.yaml:12:"]),
        (&automl, "max_trials: 5", "time_budget_secs: -1", 3, &["`time_budget_secs` is a number of seconds above 0", "recipe.yaml:12:"]),
        (&automl, "    automl:", "    time_budget_secs: 1\n    automl:", 0, &[]),
        (&automl, "max_trials: 5", "max_trial: 5", 3, &["unknown key `max_trial`", "did you mean `max_trials`?", "recipe.yaml:12:"]),
    ] {
        let good = project.read("recipe.yaml");
        project.edit("recipe.yaml", from, to);
        let ran = project.recipe(&[if code == 4 { "run" } else { "validate" }]);
        assert_eq!(ran.code, code, "{to}: {}", ran.stderr);
        for said in says {
            assert!(ran.stderr.contains(said), "{to}: no `{said}` in\n{}", ran.stderr);
        }
        project.write("recipe.yaml", &good);
    }
    let early = automl.recipe(&["run", "split", "--emit", "plain.yaml"]);
    assert!(early.code == 2 && early.stderr.contains("`split` does not train"), "{}", early.stderr);
    // A metric without a standard error.
    compare.edit("recipe.yaml", "target_col: price", "target_col: price\nprimary_metric: max_error");
    compare.edit("recipe.yaml", "candidates:", "select: one_standard_error\n      candidates:");
    let ran = compare.recipe(&["validate"]);
    assert!(
        ran.code == 3 && ran.stderr.contains("`max_error` has no standard error on the validation split") && ran.stderr.contains("add `cv`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn every_recipe_on_the_page_is_read() {
    Project::empty().with("data/houses.csv", &houses(60)).with("data/loans.csv", &loans(60)).reads_the_recipes_of("docs/automl.md", 3);
}
