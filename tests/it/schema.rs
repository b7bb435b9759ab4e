//! The JSON Schema: it fits the program in both directions, and the files that name it.

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use recipe::ml::estimators::ESTIMATORS;
use recipe::ml::transformers::TRANSFORMERS;
use recipe::recipe::Recipe;
use recipe::recipe::document::Document;
use recipe::recipe::schema::{File, schema, text};
use recipe::value::{Fault, Path as KeyPath, Value, display_path};
use serde_json::{Value as Json, json};

use crate::project::{Project, houses};

/// A file as an editor sees it: nothing filled in.
fn read(yaml: &str) -> Json {
    serde_json::to_value(Document::parse("test.yaml", yaml).unwrap().value).unwrap()
}

fn validator(file: File) -> Validator {
    jsonschema::draft202012::new(&schema(file)).unwrap()
}

/// What a schema says against a value.
fn complaints(validator: &Validator, value: &Json) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{} at {}", error, error.instance_path())).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_schemas_are_schemas_and_those_of_the_examples_are_the_programs() {
    let project = Project::empty();
    for file in File::ALL {
        let schema = schema(file);
        assert!(jsonschema::draft202012::meta::is_valid(&schema), "{:?}", jsonschema::draft202012::meta::validate(&schema).err().map(|e| e.to_string()));
        assert!(!text(file).contains("x-aliases"));
        assert_eq!(project.ok(&["schema", file.name()]).stdout, text(file));
        assert!(fs::read_to_string(root().join(file.path())).unwrap() == text(file), "{} is not what the program carries", file.path());
    }
    let ran = project.recipe(&["schema"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("`recipe schema regression/v1`, `recipe schema classification/v1`, `recipe schema profile`"), "{}", ran.stderr);
    let here = Project::classification();
    assert_eq!(here.ok(&["schema"]).stdout, text(File::Classification));
    here.ok(&["schema", "regression", "-o", "there/of.json"]);
    assert_eq!(here.read("there/of.json"), text(File::Regression));
}

/// Holds a file against the schema that its first line names.
#[track_caller]
fn fits_what_it_names(file: &Path) {
    let text = fs::read_to_string(file).unwrap();
    let named = text.lines().next().and_then(|line| line.strip_prefix("# yaml-language-server: $schema=")).unwrap();
    let schema: Json = serde_json::from_str(&fs::read_to_string(file.parent().unwrap().join(named)).unwrap()).unwrap();
    let found = complaints(&jsonschema::draft202012::new(&schema).unwrap(), &read(&text));
    assert!(found.is_empty(), "{}: {found:#?}", file.display());
}

#[test]
fn the_examples_and_new_projects_fit_the_schemas_that_they_name() {
    let mut files: Vec<PathBuf> = ["profiles/local.yaml", "profiles/prod.yaml"].map(|file| root().join(file)).to_vec();
    files.extend(fs::read_dir(root().join("recipes")).unwrap().map(|entry| entry.unwrap().path().join("recipe.yaml")));
    let project = Project::empty().with("mine.csv", &houses(60));
    project.ok(&["new", "numbers", "-t", "regression"]);
    project.ok(&["new", "classes", "-t", "classification"]);
    project.ok(&["new", "price", "-t", "regression", "--from", "mine.csv", "--target", "price"]);
    project.ok(&["new", "town", "-t", "classification", "--from", "mine.csv", "--target", "town"]);
    for made in ["numbers", "classes", "price", "town"] {
        files.extend(["recipe.yaml", "profiles/local.yaml"].map(|file| project.path(made).join(file)));
        project.ok(&["-C", made, "validate"]);
    }
    assert_eq!(files.len(), 13);
    for file in &files {
        fits_what_it_names(file);
    }
}

/// Does the program take a recipe?
fn is_taken(project: &Project, text: &str) -> bool {
    project.write("recipe.yaml", text);
    Recipe::load(project.root(), None).is_ok()
}

#[test]
fn what_is_wrong_in_a_recipe_is_wrong_for_both() {
    let project = Project::regression();
    let good = project.read("recipe.yaml");
    let validator = validator(File::Regression);
    assert_eq!(complaints(&validator, &read(&good)), Vec::<String>::new());
    let cases = [
        ("target_col", "target_coll"),
        ("regression/v1", "regresion/v1"),
        ("ingest:", "ingst:"),
        ("location:", "locaton:"),
        ("type: float", "typ: float"),
        ("type: float", "type: flaot"),
        ("split_ratios", "split_ratio"),
        ("[0.6, 0.2, 0.2]", "[0.8, 0.2]"),
        ("[0.6, 0.2, 0.2]", "[0.6, half, 0.2]"),
        ("one_hot", "one_hott"),
        ("strategy: median", "strategy: medium"),
        ("strategy: median", "stratgy: median"),
        ("standard_scale: {columns: [area]}", "standard_scale: {with_mean: 1}"),
        ("- one_hot: {columns: [town]}", "- bin"),
        ("using: ridge", "using: rigde"),
        ("alpha: 0.5", "alfa: 0.5"),
        ("alpha: 0.5", "alpha: strong"),
        ("alpha: 0.5", "max_depth: 5"),
        ("metric:", "metrc:"),
        ("threshold: 0.5", "threshold: high"),
        ("  evaluate:", "  train: {tuning: {algoritm: grid}}\n  evaluate:"),
        ("target_col: price", "target_col: price\nseed: -1"),
        ("target_col: price", "target_col: price\npositive_class: 1"),
        ("target_col: price", "target_col: price\nroles: {area: predicter}"),
        ("target_col: price", "target_col: price\nparams: {month: {kind: date}}"),
        ("target_col: price", "target_col: price\ncustom_metrics: [{name: x}]"),
        ("data/houses.csv", "data/houses.csv\n    tests: [{row_cuont: {min: 1}}]"),
        ("data/houses.csv", "data/houses.csv\n    tests: [{row_count: {mn: 1}}]"),
    ];
    for (from, to) in cases {
        assert!(good.contains(from), "{from}");
        let bad = good.replacen(from, to, 1);
        // The second `train` is a repeated key, which is no business of a schema.
        let bad = if to.contains("tuning") { bad.replacen("  train:\n    using: ridge\n    estimator_params: {alpha: 0.5}\n", "", 1) } else { bad };
        assert!(!validator.is_valid(&read(&bad)), "the schema takes `{to}`");
        assert!(!is_taken(&project, &bad), "the program takes `{to}`");
    }
}

/// Every section, most keys, and names under their aliases.
const EVERYTHING: &str = r#"
recipe: classification/v1
name: everything
description: All that can be said
seed: 7
target_col: repaid
positive_class: 1
primary_metric: roc_auc
roles: {id: id, when: time, w: weight}
params: {month: 2016-03, day: {type: date, default: 2016-03-31, description: d, required: true, pattern: "2016.*", in: [2016-03-31]}, n: {type: integer, default: 3, min: 1, max: 5}}
vars: {free: {value: [1, {a: b}]}}
custom_metrics: [{name: mine, expression: AVG(proba), greater_is_better: false}]
model_registry: {model_name: m}
experiment: {name: e}
cache: {dir: shared}
steps:
  ingest:
    using: csv
    location: [a.csv, b.csv]
    options: {separator: ";", has_header: true, null_values: [NA, -9], encoding: latin1, quote_char: "'", try_parse_dates: false, skip_rows: 1, decimal_comma: true, max_rejected: 2}
    sample: {fraction: 0.5}
    skip_data_profiling: true
    schema:
      strict: true
      columns:
        income: {type: double, not_null: true, unique: false, range: [0, null], severity: warn}
        job: {type: text, in: [clerk, 7], regex: "^c", length: [1, 40]}
        code: {type: str, length: 3}
        n: {type: long, min: 1, max: 2}
        day: {type: date}
        at: {type: timestamp}
    tests:
      - no_duplicates
      - no_duplicates: {columns: [id], mostly: 0.9}
      - row_count: {min: 3, where: "income > 1"}
      - accepted_values: {column: job, values: [a, 1]}
      - expression_is_true: {sql: income > debt, name: x, mostly: 0.99, severity: warn}
      - unique_combination: {columns: [id, job]}
      - column_pair: {column: a, operator: "==", other: b}
      - column_pair: {column: a, operator: ">=", other: b}
      - range: {column: a, min: 2016-01-01, exclusive: true}
      - quantile: {column: a, q: 0.5, max: 3}
      - class_balance: {column: a, min_share: 0.1}
      - freshness: {column: at, max_age: 36h, now: 2016-03-01}
      - aggregate: {sql: AVG(a) < 3}
  split:
    using: fixed
    split_ratios: [3, 1, 1]
    columns: [part]
    post_split_filter: income > 0
    apply_to: [training, test]
    gap: 1d
    cuts: [2016-03-01, 2016-04-01]
  transform:
    using: chain
    skip_data_profiling: true
    steps:
      - drop_constant
      - drop_constant:
      - impute: {columns: numeric(), strategy: constant, fill_value: 0, add_indicator: false}
      - impute: {by: [job]}
      - OneHotEncoder: {columns: [job, nominal()], drop: if_binary, unseen: other, missing: zeros, min_frequency: 0.1, max_categories: 5}
      - ordinal_encode: {categories: {job: [clerk, 7]}, unseen: {value: -1}}
      - ordinal_encode: {unseen: missing}
      - date_parts: {columns: [at], parts: [hour], drop_original: false, tz: UTC}
      - clip: {columns: a, lower: 0, upper: 1.5}
      - derive: {c: a + b}
      - rename: {a: b}
      - bin: {columns: a, n_bins: 4, edges: [1, 2]}
      - log: {columns: a, base: 2, offset: 1, signed: false}
      - min_max_scale: {feature_range: [0, 1], clip: true}
      - select: {columns: "*"}
  train:
    using: LogisticRegression
    estimator_params: {c: 1, penalty: elasticnet, l1_ratio: 0.2, fit_intercept: true, max_iter: 5, tol: 1e-3}
    class_weight: {yes: 2, no: 1.5}
    predict_prefix: p_
    predict_scores_for_all_classes: false
    calibrate_proba: isotonic
    decision_threshold: f1_score
    rebalance_training_data: false
    resampling_minority_percentage: 0.3
    skip_data_profiling: true
    tuning:
      enabled: true
      algorithm: hyperopt.tpe.suggest
      max_trials: 5
      time_budget_secs: 9.5
      parallelism: 2
      early_stop: {no_progress: 3}
      sample_fraction: 0.5
      cv: {using: stratified, folds: 3, repeats: 2}
      parameters:
        c: {distribution: loguniform, low: -3, high: 1}
        l1_ratio: {distribution: quniform, min: 0, max: 1, q: 0.25}
        tol: {distribution: lognormal, mu: -5, sigma: 1}
        max_iter: {distribution: randint, low: 5, upper: 9}
        fit_intercept: {values: [true, false]}
        transform[3].impute.strategy: {values: [mean, median]}
  evaluate:
    validation_criteria: [{metric: roc_auc, threshold: 0.7, severity: warn}, {metric: mine, baseline: dummy, min_improvement: 0.1}, {metric: roc_auc, baseline: champion, not_worse_than: 0.1, confidence: 0.9}, {metric: roc_auc, slice: "a=*", max_ratio_to_overall: 1.5}]
    bootstrap: {samples: 100, ci: 0.9}
    slices: [a, {column: b, bins: 3}, {column: b, edges: [1, 2.5]}, {name: small, where: "a < 1"}]
    slice_search: {enabled: true, columns: [a], max_columns: 1, min_rows: 20}
  register: {model_name: m, allow_non_validated_model: true, alias: champion}
  ingest_scoring: {location: new.csv, sample: {rows: 5}, schema: {strict: {type: integer}, job: {type: string}}}
  predict:
    model_uri: models:/m@champion
    output: {using: csv, location: out.csv, columns: [a], save_mode: append}
"#;

/// The path of each value.
fn paths(value: &Value, path: &KeyPath, found: &mut Vec<KeyPath>) {
    found.push(path.clone());
    let below = |key: &str| -> KeyPath { path.iter().cloned().chain([key.to_owned()]).collect() };
    match value {
        Value::Map(map) => map.iter().for_each(|(key, value)| paths(value, &below(key), found)),
        Value::List(list) => list.iter().enumerate().for_each(|(i, value)| paths(value, &below(&i.to_string()), found)),
        _ => {}
    }
}

fn at<'a>(value: &'a mut Value, path: &[String]) -> &'a mut Value {
    path.iter().fold(value, |value, part| match value {
        Value::Map(map) => map.get_mut(part).unwrap(),
        Value::List(list) => &mut list[part.parse::<usize>().unwrap()],
        _ => unreachable!(),
    })
}

#[test]
fn schema_and_program_agree_on_an_unknown_key_in_each_map_and_references_stand_anywhere() {
    let project = Project::empty();
    let file = File::Classification;
    let validator = validator(file);
    let whole = Document::parse("test.yaml", EVERYTHING).unwrap().value;
    project.write("recipe.yaml", EVERYTHING);
    if let Err(error) = Recipe::load(project.root(), None) {
        panic!("{:#?}", error.problems);
    }
    assert_eq!(complaints(&validator, &read(EVERYTHING)), Vec::<String>::new());

    let mut all = Vec::new();
    paths(&whole, &Vec::new(), &mut all);
    for path in &all {
        if let Some(Value::Map(_)) = whole.at(path) {
            let mut value = whole.clone();
            if let Value::Map(map) = at(&mut value, path) {
                map.insert("qqqqqqqqqq".to_owned(), Value::plain_scalar("1"));
            }
            let by_schema = validator.is_valid(&serde_json::to_value(&value).unwrap());
            assert_eq!(by_schema, is_taken(&project, &Document::of(value).to_yaml()), "an unknown key in `{}`", display_path(path));
        }
        // A reference may stand for any value.
        if !path.is_empty() {
            for reference in ["${vars.free.value}", "x{{ANY}}"] {
                let mut value = whole.clone();
                *at(&mut value, path) = Value::String(reference.to_owned());
                let found = complaints(&validator, &serde_json::to_value(&value).unwrap());
                assert!(found.is_empty(), "{reference} at {}: {found:?}", display_path(path));
            }
        }
    }
}

/// The keys that the program names where one is unknown.
fn known(refused: Option<Vec<Fault>>) -> Option<Vec<String>> {
    let hint = refused?.iter().find_map(|fault| fault.hint.clone()).filter(|hint| hint.starts_with("known here"))?;
    let mut keys: Vec<String> = hint.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    keys.sort();
    Some(keys)
}

#[test]
fn each_registered_name_has_its_keys_and_its_documented_example_in_the_schema() {
    let schema = schema(File::Profile);
    let validator = validator(File::Profile);
    let odd = Value::Map([("qqqqqqqqqq".to_owned(), Value::plain_scalar("1"))].into());
    let estimators = ESTIMATORS.iter().map(|entry| (format!("estimator.{}", entry.name), entry.doc, known((entry.parse)(&odd).err()), false));
    let transforms = TRANSFORMERS.iter().map(|entry| (format!("transform.{}", entry.name), entry.doc, known((entry.parse)(&odd).err()), true));
    for (definition, doc, keys, is_transform) in estimators.chain(transforms) {
        let said = &schema["$defs"][&definition];
        if let Some(keys) = keys {
            let properties: Vec<String> = said["properties"].as_object().unwrap().keys().cloned().collect();
            assert_eq!(properties, keys, "{definition}");
            for (name, property) in said["properties"].as_object().unwrap() {
                assert!(property["description"].is_string(), "{definition}.{name} has no description");
            }
        } else {
            assert!(said["additionalProperties"].is_object(), "{definition}");
        }
        let example = read(doc.split_once("```yaml\n").unwrap().1.split_once("```").unwrap().0);
        let example = if is_transform { json!({"steps": {"transform": example}}) } else { example };
        let found = complaints(&validator, &example);
        assert!(found.is_empty(), "{definition}: {found:#?}");
    }
}

#[test]
fn a_profile_may_hold_variables_and_parts_of_a_recipe_and_no_typos() {
    let validator = validator(File::Profile);
    let good = "extends: [base]\ndefault_recipe: a\ndefaults: [train: lasso]\nDATA_DIR: {a: [1]}\nparams: {month: 2016-03}\nsteps: {ingest: {options: {skip_rows: 1}}, train: {estimator_params: {alpha: 1}}}\n";
    assert_eq!(complaints(&validator, &read(good)), Vec::<String>::new());
    for bad in ["data_dir: x", "extend: base", "defaults: [base]", "steps: {train: {estimator_params: {alfa: 1}}}", "cache: {dri: x}"] {
        assert!(!validator.is_valid(&read(bad)), "{bad}");
    }
}
