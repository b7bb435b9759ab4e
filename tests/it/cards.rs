//! Cards: the JSON twins that programs read, and the pages as a browser sees them.
//!
//! The browser's part needs node, Chromium and what `tests/browser/setup.sh` installs; where one is missing it says so and passes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use crate::project::{Project, Ran, copy, houses};

const HOSTILE: [&str; 4] = ["<img src=x onerror=alert(1)>", "</script></style>'", "{{7*7}}", "bell\u{7} turn\u{202e}"];

/// The pages or twins of every recipe of a project.
fn cards(project: &Project, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for recipe in fs::read_dir(project.path(".recipe/cards")).unwrap() {
        let files = fs::read_dir(recipe.unwrap().path()).unwrap().map(|file| file.unwrap().path());
        found.extend(files.filter(|file| file.extension().is_some_and(|end| end == extension)));
    }
    found.sort();
    found
}

fn twin(project: &Project, step: &str) -> Json {
    serde_json::from_str(&project.read(&format!(".recipe/cards/houses/{step}.json"))).unwrap()
}

/// The first block of a kind in a tab.
fn block<'a>(twin: &'a Json, tab: &str, kind: &str) -> &'a Json {
    let tabs = twin["card"]["tabs"].as_array().unwrap();
    let tab = tabs.iter().find(|found| found["id"] == tab).unwrap();
    tab["blocks"].as_array().unwrap().iter().find_map(|block| block.get(kind)).unwrap()
}

fn numbers(values: &Json) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

/// How many values lie in each bin; the last edge belongs to the last bin.
fn counted(values: &[f64], edges: &[f64]) -> Vec<f64> {
    let last = edges.len() - 2;
    let is_in = |value: f64, bin: usize| value >= edges[bin] && (value < edges[bin + 1] || bin == last && value <= edges[bin + 1]);
    (0..=last).map(|bin| values.iter().filter(|value| is_in(**value, bin)).count() as f64).collect()
}

/// A project whose every name and value tries to be obeyed instead of shown.
pub fn hostile() -> Project {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let head: Vec<String> = HOSTILE[..3].iter().map(|text| quoted(text)).collect();
    let rows: String =
        (0..300).map(|i| format!("{},{},{},{}\n", (i * 7919) % 97, quoted(HOSTILE[i % 4]), quoted(HOSTILE[(i / 4) % 4]), (i * 7919) % 97 + i % 7)).collect();
    let recipe = "recipe: regression/v1\nname: houses\ndescription: <script>alert(1)</script>\ntarget_col: y\nsteps:\n  ingest: {location: data/d.csv}\n  \
                  train: {using: gradient_boosting, estimator_params: {n_estimators: 10}}\n  evaluate: {slices: ['<img src=x onerror=alert(1)>']}\n";
    Project::empty().with("recipe.yaml", recipe).with("data/d.csv", &format!("{},y\n{rows}", head.join(",")))
}

#[test]
fn histograms_are_direct_counts_on_the_edges_that_they_state() {
    let project = Project::regression();
    project.ok(&["run", "evaluate"]);
    let rows: Vec<Vec<String>> = project.read("data/houses.csv").lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect();
    let profile = twin(&project, "ingest");
    for (name, place) in [("area", 1), ("rooms", 2), ("price", 4)] {
        let columns = block(&profile, "profile", "profile").as_array().unwrap();
        let histogram = &columns.iter().find(|column| column["name"] == name).unwrap()["histogram"];
        let values: Vec<f64> = rows.iter().filter_map(|row| row[place].parse().ok()).collect();
        assert_eq!(numbers(&histogram["series"][0]["counts"]), counted(&values, &numbers(&histogram["edges"])), "{name}");
    }
    let target = twin(&project, "split");
    let histogram = block(&target, "target", "histogram");
    for (series, artifact) in histogram["series"].as_array().unwrap().iter().zip(["training_data", "validation_data", "test_data"]) {
        let text = project.ok(&["show", artifact, "--format", "csv", "-n", "1000"]).stdout;
        let values: Vec<f64> = text.lines().skip(1).map(|line| line.rsplit(',').next().unwrap().parse().unwrap()).collect();
        assert_eq!(numbers(&series["counts"]), counted(&values, &numbers(&histogram["edges"])), "{artifact}");
    }
}

#[test]
fn columns_that_are_dropped_leave_the_profile_of_those_that_stay() {
    let project = Project::regression();
    let row = |i: usize| format!("{i},town {},{},{}{}\n", (i * 7) % 2_000, i % 40, i % 40, ",".repeat(100));
    let head = format!("price,town,area,floor{}\n", (0..100).map(|c| format!(",empty{c}")).collect::<String>());
    let data = |empty: bool| {
        let table = head.clone() + &(0..4_000).map(row).collect::<String>();
        if empty { table } else { table.lines().map(|line| line.split(',').take(4).collect::<Vec<_>>().join(",") + "\n").collect() }
    };
    let mut profiles = [true, false].map(|empty| {
        project.write("data/houses.csv", data(empty));
        project.ok(&["run", "ingest"]);
        let twin = twin(&project, "ingest");
        (block(&twin, "profile", "profile").clone(), block(&twin, "profile", "facts").clone(), project.read(".recipe/cards/houses/ingest.html"))
    });
    let [with_empty, without] = &mut profiles;
    assert_eq!((&with_empty.0, &with_empty.1), (&without.0, &without.1));
    assert_eq!(with_empty.0[1]["distinct"], 2_000);
    assert!(!with_empty.2.contains("are estimates"));
}

#[test]
fn skip_data_profiling_leaves_distributions_out_of_cards_and_changes_nothing_else() {
    let project = Project::regression();
    let tabs = |step: &str| -> Vec<String> {
        let twin = twin(&project, step);
        twin["card"]["tabs"].as_array().unwrap().iter().map(|tab| tab["id"].as_str().unwrap().to_owned()).collect()
    };
    let recipe = project.read("recipe.yaml");
    let (head, rest) = recipe.split_once("  transform:\n").unwrap();
    let (chain, tail) = rest.split_once("  train:\n").unwrap();
    project.write("recipe.yaml", format!("{head}  transform:\n    using: chain\n    steps:\n{chain}  train:\n{tail}"));
    project.ok(&["run", "train"]);
    let before = [tabs("ingest"), tabs("transform")];
    assert_eq!(project.executed(&["run", "train", "steps.ingest.skip_data_profiling=true", "steps.transform.skip_data_profiling=true"]), "ingest transform");
    for (step, before, left_out) in [("ingest", &before[0], ["profile", "alerts"]), ("transform", &before[1], ["changed", "after"])] {
        assert!(before.iter().any(|tab| left_out.contains(&tab.as_str())), "{before:?}");
        let rest: Vec<&String> = before.iter().filter(|tab| !left_out.contains(&tab.as_str())).collect();
        assert_eq!(tabs(step).iter().collect::<Vec<_>>(), rest);
    }
    let refused = project.recipe(&["run", "transform", "steps.transform.skip_data_profiling=often"]);
    let said = "expected true or false, got a string\n  --> command line at steps.transform.skip_data_profiling";
    assert!(refused.code == 3 && refused.stderr.contains(said), "{}", refused.stderr);
}

#[test]
fn a_learning_curve_is_one_of_rounds_or_of_training_rows_and_ends_at_the_model() {
    let project = Project::regression().with("data/houses.csv", &houses(2000));
    let curve = || {
        project.ok(&["run", "train"]);
        let twin = twin(&project, "train");
        let lines = block(&twin, "curve", "lines");
        let points: Vec<(f64, f64)> = lines["series"].as_array().unwrap().last().unwrap()["points"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| (point[0].as_f64().unwrap(), point[1].as_f64().unwrap()))
            .collect();
        (lines["x"].as_str().unwrap().to_owned(), points, twin["metrics"]["val_root_mean_squared_error"].as_f64().unwrap())
    };
    let (x, points, rmse) = curve();
    let said = project.read(".recipe/cards/houses/train.html").matches("more rows will hardly help").count();
    let rows = project.ok(&["show", "transformed_training_data", "--format", "csv", "-n", "5000"]).stdout.lines().count() - 1;
    assert_eq!((x.as_str(), points.len(), said), ("training rows", 4, 1), "{points:?}");
    assert_eq!(points[3].0, rows as f64);
    assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0), "{points:?}");
    // Validation has fewer than a thousand rows, so the end is the metric itself.
    assert!((points[3].1 / rmse - 1.0).abs() < 1e-9, "{points:?} {rmse}");
    project.edit("recipe.yaml", "using: ridge\n    estimator_params: {alpha: 0.5}", "using: gradient_boosting\n    estimator_params: {n_estimators: 12}");
    let (x, points, rmse) = curve();
    assert_eq!((x.as_str(), points.last().unwrap().0), ("rounds", 12.0));
    assert!((points.last().unwrap().1 / rmse - 1.0).abs() < 1e-9, "{points:?} {rmse}");
}

#[test]
fn twins_fit_the_published_schema_and_hold_nothing_of_the_moment() {
    let published = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/card.json")).unwrap_or_default();
    let project = Project::regression().with("data/new.csv", "id,area,rooms,town\n1,50,2,North\n2,90,,Lake\n").env("RAYON_NUM_THREADS", "1");
    assert!(project.ok(&["schema", "card"]).stdout == published);
    let schema = jsonschema::draft202012::new(&serde_json::from_str(&published).unwrap()).unwrap();
    let scoring = "  ingest_scoring: {location: data/new.csv}\n  predict: {output: {location: out/scored.csv}}\n";
    let run = |project: &Project| {
        project.write("recipe.yaml", project.read("recipe.yaml") + scoring);
        project.ok(&["run"]);
        project.ok(&["run", "predict"]);
        // The key of register names the registry, which is another one in another project.
        let text = |file: &PathBuf| {
            let text = fs::read_to_string(file).unwrap();
            if file.ends_with("register.json") { text.split_once("\"metrics\"").unwrap().1.to_owned() } else { text }
        };
        let twins = cards(project, "json").into_iter().map(|file| (file.file_name().unwrap().to_owned(), text(&file)));
        twins.collect::<BTreeMap<_, _>>()
    };
    let twins = run(&project);
    assert_eq!(twins.len(), 8);
    let other = Project::regression().with("data/new.csv", &project.read("data/new.csv")).env("RAYON_NUM_THREADS", "3");
    assert!(twins == run(&other), "another folder, other threads, another time");

    project.edit("recipe.yaml", "price: {type: float, min: 0}", "price: {type: float, min: 1000000}");
    assert_eq!(project.recipe(&["run"]).code, 4);
    let failed = twin(&project, "ingest");
    assert_eq!((failed["state"].as_str(), failed["problems"].as_array().map(Vec::len)), (Some("failed"), Some(1)));
    let rejected = Project::classification();
    rejected.ok(&["run"]);
    for file in cards(&project, "json").into_iter().chain(cards(&rejected, "json")) {
        let found: Json = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let complaints: Vec<String> = schema.iter_errors(&found).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert!(complaints.is_empty(), "{}: {complaints:#?}", file.display());
    }
}

#[test]
fn a_page_says_what_changed_since_the_last_run_and_how_the_model_stands() {
    let project = Project::regression();
    project.ok(&["run"]);
    let page = |step: &str| project.read(&format!(".recipe/cards/houses/{step}.html"));
    assert!(page("ingest").contains("it ran for the first time") && !page("ingest").contains("Since the last run"));
    let summary = twin(&project, "evaluate")["card"]["summary"].as_str().unwrap().to_owned();
    let said = "VALIDATED: beats the dummy by 96.1 %, test rmse 1458 against 37,439. The model passed: test r2_score ≥ 0.5 (0.9985).";
    assert_eq!(summary, said);
    project.write("data/houses.csv", houses(300).replace("North", "Northern"));
    project.ok(&["run"]);
    assert!(page("ingest").contains("<code>ingested_data</code> has 300 rows, before 240"));
    assert!(page("train").contains("Since the last run") && page("train").contains("val_r2_score"));
    assert!(page("evaluate").contains(">this one<") && page("evaluate").contains(">v2<") && page("evaluate").contains(">champion<"));

    project.edit("recipe.yaml", "price: {type: float, min: 0}", "price: {type: float, min: 1000000}");
    assert_eq!(project.recipe(&["run"]).code, 4);
    let index = page("index");
    assert!(index.contains("class=\"node failed\"") && index.contains("column <code>price</code> fails <code>range</code>"), "{index}");
    assert!(page("ingest").contains("houses.csv") && page("ingest").contains("failed after"));
}

/// The browser's part: node, Chromium, and the place that setup.sh made.
pub fn browser() -> Result<(PathBuf, PathBuf), &'static str> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/recipe/browser"));
    let place = std::env::var_os("RECIPE_BROWSER").map(PathBuf::from).or_else(home);
    let place = place.filter(|place| place.join("node_modules/axe-core/axe.min.js").is_file());
    let place = place.ok_or("nothing to drive a browser with; `sh tests/browser/setup.sh` installs it")?;
    let known = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].map(PathBuf::from);
    let chromium = std::env::var_os("RECIPE_CHROMIUM").map(PathBuf::from).into_iter().chain(known).find(|program| program.is_file());
    let chromium = chromium.ok_or("no Chromium; RECIPE_CHROMIUM names one")?;
    match Command::new("node").arg("--version").output() {
        Ok(_) => Ok((place, chromium)),
        Err(_) => Err("no node"),
    }
}

#[test]
fn every_card_of_every_example_is_fit_to_be_seen() {
    let (place, chromium) = match browser() {
        Ok(found) => found,
        Err(missing) => {
            eprintln!("skipped: {missing}");
            return;
        }
    };
    let examples = Project::empty();
    for folder in ["recipes", "profiles", "data"] {
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &examples.path(folder));
    }
    for recipe in ["survival", "taxi_fare", "wine_cultivar"] {
        examples.ok(&["run", "-r", recipe]);
        examples.ok(&["run", "predict", "-r", recipe]);
    }
    let hostile = hostile();
    hostile.ok(&["run"]);
    let hostile_failed = self::hostile();
    hostile_failed.edit("recipe.yaml", "data/d.csv}", "data/d.csv, schema: {'<img src=x onerror=alert(1)>': {max: 3}, y: {type: integer, max: 3}}}");
    assert_eq!(hostile_failed.recipe(&["run"]).code, 4);
    hostile.ok(&["evaluate", "models:/houses@champion", "data/d.csv", "--card", "card.html"]);

    let mut pages = cards(&examples, "html");
    assert_eq!(pages.len(), 27);
    pages.extend(cards(&hostile, "html"));
    pages.extend(cards(&hostile_failed, "html"));
    pages.push(hostile.path("card.html"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/check.mjs");
    let ran = Ran::of(&Command::new("node").arg(script).arg(place).arg(chromium).args(&pages).output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}
