//! What every estimator in the list must hold, whatever it computes.

use std::collections::BTreeMap;

use super::{ESTIMATORS, find};
use crate::error::{Kind, Result};
use crate::ml::explain::{OutputContributions, Scale};
use crate::ml::model::counts_fit;
use crate::ml::transformers::contract_tests::forged;
use crate::ml::{Chunk, EstimatorEntry, FittedEstimator, Matrix, Predictions, Task, TrainingSet, UnfittedEstimator};
use crate::value::Value;

pub(in crate::ml) fn value_of(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(b) => Value::Bool(*b),
        serde_json::Value::Number(n) => Value::Number(n.to_string()),
        serde_json::Value::String(s) => Value::String(s.clone()),
        serde_json::Value::Array(items) => Value::List(items.iter().map(value_of).collect()),
        serde_json::Value::Object(map) => Value::Map(map.iter().map(|(k, v)| (k.clone(), value_of(v))).collect()),
    }
}

fn one(key: &str, value: Value) -> Value {
    Value::Map([(key.to_owned(), value)].into())
}

/// The defaults, but few trees.
pub(in crate::ml) fn defaults(entry: &EstimatorEntry) -> Box<dyn UnfittedEstimator> {
    with(entry, BTreeMap::new())
}

fn with(entry: &EstimatorEntry, mut parameters: BTreeMap<String, Value>) -> Box<dyn UnfittedEstimator> {
    if (entry.parse)(&Value::Null).unwrap().config().get("n_estimators").is_some() {
        parameters.insert("n_estimators".to_owned(), Value::Number("8".into()));
    }
    if HOLD_OTHERS.contains(&entry.name) {
        let boosted = serde_json::json!({"using": "gradient_boosting", "estimator_params": {"n_estimators": 8, "min_child_samples": 1}});
        parameters.insert("estimators".to_owned(), value_of(&serde_json::json!({"tree": {"using": "decision_tree"}, "boosted": boosted})));
    }
    (entry.parse)(&Value::from(parameters)).unwrap()
}

/// Parameters under which a row of weight two is the row twice: nothing is drawn row by row, and no limit counts rows.
fn blind_to_counts(entry: &EstimatorEntry) -> Box<dyn UnfittedEstimator> {
    let parameters = match entry.name {
        "random_forest" => vec![("bootstrap".to_owned(), Value::Bool(false))],
        "gradient_boosting" => vec![("min_child_samples".to_owned(), Value::Number("1".into()))],
        "svm" => vec![("tol".to_owned(), Value::Number("1e-12".into()))],
        _ => Vec::new(),
    };
    with(entry, parameters.into_iter().collect())
}

/// Estimators of estimators, whose members have messages of their own.
const HOLD_OTHERS: [&str; 2] = ["voting", "stacking"];

/// Estimators that learn where missing values go.
const TAKE_MISSING: [&str; 4] = ["decision_tree", "random_forest", "extra_trees", "gradient_boosting"];

pub(in crate::ml) fn tasks(entry: &EstimatorEntry) -> Vec<Task> {
    let labels = |n: usize| (0..n).map(|i| format!("class {i}")).collect();
    let all = [Task::Regression, Task::Classification { classes: labels(2), positive: Some(1) }, Task::Classification { classes: labels(4), positive: None }];
    all.into_iter().filter(|task| (entry.supports)(task)).collect()
}

/// Columns of `scale` times waves, a target that follows them, and of four classes only 0, 1 and 3. No number is below 0.
pub(in crate::ml) fn set(task: &Task, rows: usize, columns: usize, scale: f64) -> TrainingSet {
    let x = Matrix { rows, columns: (0..columns).map(|j| (0..rows).map(|i| scale * (wave(i, j) + 1.0)).collect()).collect(), blocks: Vec::new() };
    let y = (0..rows).map(|i| target(task, i)).collect();
    let features = (0..columns).map(|j| format!("f{j}")).collect();
    TrainingSet::in_memory(task.clone(), features, Chunk { x, y, w: vec![1.0; rows] }, 3)
}

fn wave(i: usize, j: usize) -> f64 {
    ((i * (2 * j + 3) + j * i * i) as f64 * 0.37).sin() + j as f64 * 0.5
}

fn target(task: &Task, i: usize) -> f64 {
    let number = 2.0 * wave(i, 0) - wave(i, 1) + 0.3 * wave(i, 5);
    match task.classes() {
        0 => number + 4.0,
        2 => f64::from(u8::from(number > 0.0)),
        _ if number > 0.8 => 3.0,
        _ => f64::from(u8::from(number > -0.8)),
    }
}

pub(in crate::ml) fn numbers(predictions: &Predictions) -> Vec<f64> {
    match predictions {
        Predictions::Values(values) => values.clone(),
        Predictions::Scores(scores) => scores.concat(),
    }
}

pub(in crate::ml) fn x_of(set: &TrainingSet) -> Matrix {
    set.whole().unwrap().x
}

fn bytes(fitted: &dyn FittedEstimator) -> String {
    serde_json::to_string(&fitted.save()).unwrap()
}

#[test]
fn the_documented_example_is_read() {
    for entry in ESTIMATORS {
        let (_, rest) = entry.doc.split_once("```yaml\n").unwrap();
        let yaml: serde_json::Value = serde_yaml::from_str(rest.split_once("```").unwrap().0).unwrap();
        let train = &yaml["steps"]["train"];
        assert_eq!(train["using"], entry.name);
        (entry.parse)(&value_of(&train["estimator_params"])).map_err(|faults| format!("{}: {faults:?}", entry.name)).unwrap();
        for key in defaults(entry).config().as_object().unwrap().keys() {
            assert!(entry.doc.contains(&format!("`{key}`")), "{} does not document {key}", entry.name);
        }
    }
}

#[test]
fn names_and_aliases_are_unique() {
    let mut names: Vec<&str> = ESTIMATORS.iter().flat_map(|entry| entry.aliases.iter().copied().chain([entry.name])).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert_eq!(find("GaussianNB").map(|entry| entry.name), Some("naive_bayes"));
}

#[test]
fn an_unknown_or_mistyped_parameter_is_refused_where_it_stands() {
    for entry in ESTIMATORS {
        for key in defaults(entry).config().as_object().unwrap().keys() {
            let wrong = format!("{key}x");
            let faults = (entry.parse)(&one(&wrong, Value::Number("1".into()))).err().unwrap();
            assert_eq!(faults[0].path, [wrong]);
            assert!(faults[0].hint.as_ref().unwrap().to_lowercase().contains(&format!("`{}`", key.to_lowercase())), "{}: {faults:?}", entry.name);
            let mistyped = if defaults(entry).config()[key].is_array() { Value::empty() } else { Value::List(vec![]) };
            let faults = (entry.parse)(&one(key, mistyped)).err().unwrap();
            assert_eq!(faults[0].path, std::slice::from_ref(key), "{}: {faults:?}", entry.name);
        }
    }
}

#[test]
fn a_parameter_out_of_range_is_refused_where_it_stands() {
    let refused = [
        ("ridge", "alpha", "-1"),
        ("ridge", "alpha", ".inf"),
        ("lasso", "alpha", ".nan"),
        ("elastic_net", "l1_ratio", "1.5"),
        ("lasso", "max_iter", "0"),
        ("logistic", "C", "0"),
        ("logistic", "tol", "0"),
        ("naive_bayes", "var_smoothing", "-1e-9"),
        ("knn", "n_neighbors", "0"),
        ("poisson", "alpha", "-1"),
        ("tweedie", "power", "0"),
        ("tweedie", "power", "3"),
        ("huber", "epsilon", "1"),
        ("quantile_regression", "quantile", "1"),
        ("linear_svm", "C", "0"),
        ("svm", "gamma", "0"),
        ("multinomial_nb", "alpha", "0"),
        ("bernoulli_nb", "binarize", ".nan"),
        ("decision_tree", "max_depth", "0"),
        ("decision_tree", "max_depth", "1000000"),
        ("decision_tree", "min_samples_leaf", "0"),
        ("random_forest", "max_features", "0"),
        ("random_forest", "max_features", "1.5"),
        ("extra_trees", "max_samples", "0"),
        ("gradient_boosting", "learning_rate", "0"),
        ("gradient_boosting", "num_leaves", "1"),
        ("gradient_boosting", "max_bin", "256"),
        ("gradient_boosting", "subsample", "0"),
        ("gradient_boosting", "reg_lambda", "-1"),
        ("stacking", "cv", "1"),
    ];
    for (name, key, text) in refused {
        let faults = (find(name).unwrap().parse)(&one(key, Value::Number(text.into()))).err().unwrap();
        assert_eq!(faults[0].path, [key.to_owned()], "{name}");
    }
    for (name, key, text) in [("decision_tree", "max_depth", "64"), ("random_forest", "max_features", "0.5"), ("gradient_boosting", "max_depth", "-1")] {
        assert!((find(name).unwrap().parse)(&one(key, Value::Number(text.into()))).is_ok(), "{name}");
    }
}

#[test]
fn saving_and_loading_changes_no_bit_and_fitting_twice_gives_the_same_bytes() {
    for entry in ESTIMATORS {
        for task in tasks(entry) {
            let set = set(&task, 60, 6, 1.0);
            let fitted = defaults(entry).fit(&set).unwrap();
            assert_eq!(bytes(fitted.as_ref()), bytes(defaults(entry).fit(&set).unwrap().as_ref()), "{}", entry.name);
            let loaded = (entry.load)(serde_json::from_str(&bytes(fitted.as_ref())).unwrap()).unwrap();
            let bits = |fitted: &dyn FittedEstimator| numbers(&fitted.predict(&x_of(&set)).unwrap()).iter().map(|p| p.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(fitted.as_ref()), bits(loaded.as_ref()), "{}", entry.name);
            assert_eq!(loaded.describe(), fitted.describe());
            assert_eq!(loaded.coefficients(), fitted.coefficients());
            assert_eq!(loaded.importances(), fitted.importances());
            assert!(loaded.describe().starts_with(entry.name));
        }
    }
}

#[test]
fn a_damaged_state_is_refused_not_believed() {
    for entry in ESTIMATORS {
        assert_eq!((entry.load)(serde_json::json!({"nodes": "x"})).err().map(|error| error.kind), Some(Kind::Model));
    }
    let tree = find("decision_tree").unwrap();
    let saved = |left: [u32; 3]| {
        serde_json::json!({
            "estimator": "decision_tree", "features": ["a"], "classes": 0, "importances": [1.0],
            "trees": {
                "features": 1, "width": 1, "roots": [0], "cover": [3.0, 1.0, 2.0], "left": left, "feature": [0], "threshold": [1.0],
                "missing_left": [], "sets": [], "values": [1.0, 2.0],
            },
        })
    };
    assert!((tree.load)(saved([1, 0, 0])).is_ok());
    assert!((tree.load)(saved([0, 1, 0])).is_err());
}

#[test]
fn a_forged_size_is_refused_or_harmless() {
    for entry in ESTIMATORS {
        for task in tasks(entry) {
            let set = set(&task, 30, 3, 1.0);
            // What `Model::load` lets through.
            let passes = |saved: &serde_json::Value| counts_fit(saved, task.classes());
            for saved in forged(&defaults(entry).fit(&set).unwrap().save()).into_iter().filter(passes) {
                // As `Model::load_tried`: a panic is caught there; memory that cannot be had would end the program.
                let tried = || (entry.load)(saved).and_then(|loaded| loaded.predict(&x_of(&set)));
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(tried)).ok();
            }
        }
    }
}

/// Some of a chunk's rows.
fn part(chunk: &Chunk, rows: std::ops::Range<usize>) -> Chunk {
    let columns = chunk.x.columns.iter().map(|column| column[rows.clone()].to_vec()).collect();
    Chunk { x: Matrix { rows: rows.len(), columns, blocks: Vec::new() }, y: chunk.y[rows.clone()].to_vec(), w: chunk.w[rows].to_vec() }
}

#[test]
fn every_thread_count_gives_the_same_bytes() {
    for entry in ESTIMATORS {
        for task in tasks(entry) {
            let mut whole = set(&task, 480, 3, 1e3).whole().unwrap();
            whole.w = (0..480).map(|i| f64::from(i % 3 + 1) / 7.0).collect();
            let chunks = [0..120, 120..121, 121..300, 300..400, 400..480].map(|rows| part(&whole, rows)).to_vec();
            let set = TrainingSet::in_chunks(task.clone(), vec!["a".into(), "b".into(), "c".into()], chunks, 1);
            let fit = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| {
                    let fitted = defaults(entry).fit(&set).unwrap();
                    (bytes(fitted.as_ref()), numbers(&fitted.predict(&whole.x).unwrap()))
                })
            };
            let (alone, predictions) = fit(1);
            assert!((&alone, &predictions) == (&fit(4).0, &fit(4).1), "{}", entry.name);
            // How rows fall into chunks only moves rounding.
            let joined = TrainingSet::in_memory(task, set.features.clone(), whole.clone(), 1);
            for (a, b) in predictions.iter().zip(numbers(&defaults(entry).fit(&joined).unwrap().predict(&whole.x).unwrap())) {
                assert!((a - b).abs() < 1e-7, "{}: {a} {b}", entry.name);
            }
        }
    }
}

#[test]
fn scores_are_shares_and_an_absent_class_gets_none() {
    for entry in ESTIMATORS {
        for task in tasks(entry).iter().filter(|task| task.classes() > 0) {
            let set = set(task, 60, 6, 1.0);
            let Predictions::Scores(scores) = defaults(entry).fit(&set).unwrap().predict(&x_of(&set)).unwrap() else {
                panic!("{} gives no scores", entry.name)
            };
            assert_eq!(scores.len(), task.classes());
            for row in 0..60 {
                let row: Vec<f64> = scores.iter().map(|scores| scores[row]).collect();
                assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12 && row.iter().all(|s| (0.0..=1.0).contains(s)), "{}: {row:?}", entry.name);
                assert!(task.classes() < 4 || row[2] == 0.0, "{}", entry.name);
            }
        }
    }
}

#[test]
fn a_weight_of_two_equals_the_row_twice() {
    // Stacking deals rows out, whatever they weigh.
    for entry in ESTIMATORS.iter().filter(|entry| !["knn", "stacking"].contains(&entry.name)) {
        for task in tasks(entry) {
            let set = set(&task, 40, 3, 1.0);
            let mut weighted = set.whole().unwrap();
            weighted.w = (0..40).map(|i| f64::from(i % 3)).collect();
            let mut twice = Chunk { x: Matrix { rows: 0, columns: vec![Vec::new(); 3], blocks: Vec::new() }, y: Vec::new(), w: Vec::new() };
            for i in 0..40 {
                for _ in 0..i % 3 {
                    twice.x.rows += 1;
                    twice.x.columns.iter_mut().zip(&weighted.x.columns).for_each(|(to, from)| to.push(from[i]));
                    twice.y.push(weighted.y[i]);
                    twice.w.push(1.0);
                }
            }
            let predict = |chunk: Chunk| {
                let train = TrainingSet::in_memory(task.clone(), set.features.clone(), chunk, 3);
                numbers(&blind_to_counts(entry).fit(&train).unwrap().predict(&x_of(&set)).unwrap())
            };
            // Boosting looks for splits by gradients of 31 bits, whose unit depends on the largest.
            let near = if ["gradient_boosting", "voting"].contains(&entry.name) { 1e-6 } else { 1e-9 };
            for (a, b) in predict(weighted).iter().zip(predict(twice)) {
                assert!((a - b).abs() < near, "{}: {a} {b}", entry.name);
            }
        }
    }
}

#[test]
fn a_row_s_weight_multiplies_its_vote() {
    let x = Matrix { rows: 4, columns: vec![vec![1.0, 2.0, 4.0, 0.0]], blocks: Vec::new() };
    let set = TrainingSet::in_memory(Task::Regression, vec!["x".into()], Chunk { x, y: vec![10.0, 20.0, 30.0, 1e9], w: vec![3.0, 1.0, 4.0, 0.0] }, 1);
    let predict = |weights: &str| {
        let parameters = BTreeMap::from([("k".to_owned(), Value::Number("2".into())), ("weights".to_owned(), Value::String(weights.to_owned()))]);
        let fitted = (find("knn").unwrap().parse)(&Value::from(parameters)).unwrap().fit(&set).unwrap();
        numbers(&fitted.predict(&Matrix { rows: 2, columns: vec![vec![0.0, 4.0]], blocks: Vec::new() }).unwrap())
    };
    // The nearest of 0 that weigh anything are 1 and 2; those of 4 are 4 and 2.
    assert_eq!(predict("uniform"), [12.5, 28.0]);
    // (3 / 1 · 10 + 1 / 2 · 20) / (3 + 1 / 2).
    let [near, exact] = predict("distance")[..] else { panic!("two rows") };
    assert!((near - 40.0 / 3.5).abs() < 1e-12 && exact == 30.0, "{near} {exact}");
}

#[test]
fn targets_outside_the_distribution_are_refused_with_an_example() {
    for (name, bad, message) in [
        ("poisson", -1.0, "`poisson` takes targets ≥ 0, and 2 rows of training are not: the first, row 4, has -1"),
        ("tweedie", -0.5, "`tweedie` takes targets ≥ 0, and 2 rows of training are not: the first, row 4, has -0.5"),
        ("gamma", 0.0, "`gamma` takes targets above 0, and 2 rows of training are not: the first, row 4, has 0"),
    ] {
        let mut chunk = set(&Task::Regression, 20, 2, 1.0).whole().unwrap();
        // A row without weight does not count.
        (chunk.y[1], chunk.w[1], chunk.y[3], chunk.y[11]) = (-9.0, 0.0, bad, bad);
        let chunks = vec![part(&chunk, 0..3), part(&chunk, 3..20)];
        let error = defaults(find(name).unwrap()).fit(&TrainingSet::in_chunks(Task::Regression, vec!["a".into(), "b".into()], chunks, 1)).err().unwrap();
        assert_eq!((error.kind, error.to_string()), (Kind::Data, message.to_owned()));
    }
}

#[test]
fn what_counts_takes_no_negative_numbers() {
    let task = Task::Classification { classes: vec!["no".into(), "yes".into()], positive: Some(1) };
    let mut chunk = set(&task, 20, 2, 1.0).whole().unwrap();
    chunk.x.columns[1][7] = -2.5;
    for name in ["multinomial_nb", "complement_nb"] {
        let set = TrainingSet::in_memory(task.clone(), vec!["a".into(), "b".into()], chunk.clone(), 1);
        let error = defaults(find(name).unwrap()).fit(&set).err().unwrap();
        assert_eq!(error.to_string(), format!("`{name}` counts, and cannot take values below 0: `b` (lowest -2.5)"));
    }
}

#[test]
fn effects_of_a_logarithmic_link_do_not_depend_on_the_target_s_unit() {
    for (name, unit) in [("gamma", 1e200), ("gamma", 1e-200), ("poisson", 1e200), ("huber", 1e150), ("quantile_regression", 1e-200), ("linear_svm", 1e90)] {
        let predict = |unit: f64| {
            let mut chunk = set(&Task::Regression, 40, 3, 1.0).whole().unwrap();
            chunk.y.iter_mut().for_each(|y| *y *= unit);
            // Penalties and tolerated errors have a unit.
            let all = [("alpha", "0"), ("epsilon", "0")];
            let known = defaults(find(name).unwrap()).config();
            let parameters = all.iter().filter(|(key, _)| known.get(key).is_some() && !(name == "huber" && *key == "epsilon"));
            let parameters = parameters.map(|(key, value)| ((*key).to_owned(), Value::Number((*value).into()))).collect();
            let set = TrainingSet::in_memory(Task::Regression, vec!["a".into(), "b".into(), "c".into()], chunk, 1);
            let fitted = (find(name).unwrap().parse)(&Value::Map(parameters)).unwrap().fit(&set).unwrap();
            assert!(!fitted.describe().contains("settled"), "{}", fitted.describe());
            numbers(&fitted.predict(&x_of(&set)).unwrap())
        };
        for (a, b) in predict(unit).iter().zip(predict(1.0)) {
            assert!((a / unit - b).abs() < 1e-8, "{name}: {} {b}", a / unit);
        }
    }
}

#[test]
fn a_quantile_has_its_share_of_the_targets_below_it() {
    for (quantile, most) in [("0.1", 40), ("0.9", 360)] {
        let set = set(&Task::Regression, 400, 4, 1.0);
        let fitted = (find("quantile_regression").unwrap().parse)(&one("quantile", Value::Number(quantile.into()))).unwrap().fit(&set).unwrap();
        let chunk = set.whole().unwrap();
        let errors: Vec<f64> = numbers(&fitted.predict(&chunk.x).unwrap()).iter().zip(&chunk.y).map(|(p, y)| y - p).collect();
        // The plane goes through as many rows as it has coefficients, and at the optimum the share lies between.
        let (below, met) = (errors.iter().filter(|e| **e < -1e-9).count(), errors.iter().filter(|e| e.abs() <= 1e-9).count());
        assert_eq!(met, 5);
        assert!(below <= most && most <= below + met, "{quantile}: {below} {met}");
    }
}

#[test]
fn svm_refuses_more_rows_than_it_can_take() {
    let rows = 20_001;
    let x = Matrix { rows, columns: vec![vec![0.0; rows]], blocks: Vec::new() };
    let set = TrainingSet::in_memory(Task::Regression, vec!["x".into()], Chunk { x, y: vec![0.0; rows], w: vec![1.0; rows] }, 1);
    assert_eq!(defaults(find("svm").unwrap()).fit(&set).err().unwrap().to_string(), "`svm` takes at most 20,000 rows, training has 20,001");
}

#[test]
fn one_class_is_refused_by_name() {
    for entry in ESTIMATORS {
        let task = Task::Classification { classes: vec!["no".into(), "yes".into()], positive: Some(1) };
        if (entry.supports)(&task) {
            let mut chunk = set(&task, 20, 2, 1.0).whole().unwrap();
            chunk.y.fill(1.0);
            let error = defaults(entry).fit(&TrainingSet::in_memory(task, vec!["a".into(), "b".into()], chunk, 1)).err().unwrap();
            assert_eq!((error.kind, error.to_string()), (Kind::Data, "target has one class: `yes`".into()), "{}", entry.name);
        }
    }
}

#[test]
fn a_missing_or_infinite_value_is_refused_with_its_column_in_training_and_in_scoring() {
    for entry in ESTIMATORS.iter().filter(|entry| entry.name != "dummy" && !HOLD_OTHERS.contains(&entry.name)) {
        let takes_missing = TAKE_MISSING.contains(&entry.name);
        for task in tasks(entry) {
            let fine = set(&task, 30, 3, 1.0);
            let mut holed = fine.whole().unwrap();
            holed.x.columns[1][4] = f64::NAN;
            holed.x.columns[2][5] = f64::INFINITY;
            let scored = defaults(entry).fit(&fine).unwrap().predict(&holed.x).err().unwrap();
            let trained = defaults(entry).fit(&TrainingSet::in_memory(task, fine.features.clone(), holed, 1)).err().unwrap();
            let expected = if takes_missing {
                format!("`{}` cannot take infinite values: `f2` (1 row)", entry.name)
            } else {
                format!("`{}` cannot take missing or infinite values: `f1` (1 row), `f2` (1 row)", entry.name)
            };
            assert_eq!((trained.to_string(), scored.to_string()), (expected.clone(), expected));
        }
    }
}

#[test]
fn a_matrix_of_another_width_is_refused() {
    for entry in ESTIMATORS.iter().filter(|entry| entry.name != "dummy") {
        for task in tasks(entry) {
            let fitted = defaults(entry).fit(&set(&task, 30, 3, 1.0)).unwrap();
            let error = fitted.predict(&x_of(&set(&task, 30, 2, 1.0))).err().unwrap();
            assert_eq!((error.kind, error.to_string()), (Kind::Model, "the model has 3 features, the rows have 2".into()));
        }
    }
}

/// Finite predictions or an error of the user's data, and never a panic.
fn right_or_refused(name: &str, set: &TrainingSet, fitted: Result<Box<dyn FittedEstimator>>) {
    match fitted.and_then(|fitted| fitted.predict(&x_of(set))) {
        Ok(predictions) => assert!(numbers(&predictions).iter().all(|p| p.is_finite()), "{name}"),
        Err(error) => assert_eq!(error.kind, Kind::Data, "{name}: {error}"),
    }
}

#[test]
fn hard_shapes_and_sizes_give_numbers_or_a_reason() {
    for entry in ESTIMATORS {
        for task in tasks(entry) {
            for (rows, columns, scale) in [
                (0, 2, 1.0),
                (1, 2, 1.0),
                (2, 2, 1.0),
                (20, 0, 1.0),
                (6, 30, 1.0),
                (40, 3, 1e-300),
                (40, 3, 1e300),
                (40, 3, 1e308),
                (40, 3, 0.0),
                (40, 3, 1e-12),
            ] {
                let set = set(&task, rows, columns, scale);
                right_or_refused(entry.name, &set, defaults(entry).fit(&set));
            }
            // One constant column, one column twice, columns and a target of very different sizes.
            let mut chunk = set(&task, 40, 4, 1.0).whole().unwrap();
            chunk.x.columns[1].fill(0.1);
            chunk.x.columns[2] = chunk.x.columns[0].iter().map(|x| x * 1e200).collect();
            chunk.x.columns[3] = chunk.x.columns[0].iter().map(|x| x * 1e-200).collect();
            if task == Task::Regression {
                chunk.y.iter_mut().for_each(|y| *y *= 1e200);
            }
            let set = TrainingSet::in_memory(task, (0..4).map(|j| format!("f{j}")).collect(), chunk, 1);
            right_or_refused(entry.name, &set, defaults(entry).fit(&set));
        }
    }
}

#[test]
fn least_squares_does_not_depend_on_units() {
    for scale in [1e-300, 1e300] {
        let predict = |scale: f64| {
            let set = set(&Task::Regression, 40, 3, scale);
            numbers(&defaults(find("linear").unwrap()).fit(&set).unwrap().predict(&x_of(&set)).unwrap())
        };
        for (a, b) in predict(scale).iter().zip(predict(1.0)) {
            assert!((a - b).abs() < 1e-10, "{scale}: {a} {b}");
        }
    }
}

#[test]
fn nearly_dependent_columns_keep_their_coefficients() {
    // b is a with a ten-thousandth of its size added: squaring alone would leave some 8 digits.
    let a: Vec<f64> = (0..50).map(|i| 2000.0 + wave(i, 0)).collect();
    let b: Vec<f64> = (0..50).map(|i| a[i] + 1e-4 * wave(i, 1)).collect();
    let y = a.iter().zip(&b).map(|(a, b)| 3.0 + 2.0 * a - 5.0 * b).collect();
    let chunk = Chunk { x: Matrix { rows: 50, columns: vec![a, b], blocks: Vec::new() }, y, w: vec![1.0; 50] };
    let set = TrainingSet::in_memory(Task::Regression, vec!["a".into(), "b".into()], chunk, 1);
    let lines = defaults(find("linear").unwrap()).fit(&set).unwrap().coefficients();
    assert!((lines[0].value - 2.0).abs() < 1e-7 && (lines[1].value + 5.0).abs() < 1e-7, "{lines:?}");
    assert_eq!((lines[2].feature.as_str(), lines[2].standardised), ("intercept", None));
}

#[test]
fn an_exact_plane_is_found() {
    for name in ["huber", "quantile_regression"] {
        let mut chunk = set(&Task::Regression, 60, 3, 1.0).whole().unwrap();
        chunk.y = (0..60).map(|i| 3.0 + 2.0 * chunk.x.columns[0][i] - 5.0 * chunk.x.columns[2][i]).collect();
        let set = TrainingSet::in_memory(Task::Regression, vec!["a".into(), "b".into(), "c".into()], chunk, 1);
        let fitted = (find(name).unwrap().parse)(&one("alpha", Value::Number("0".into()))).unwrap().fit(&set).unwrap();
        assert!(!fitted.describe().contains("settled"), "{}", fitted.describe());
        for (line, expected) in fitted.coefficients().iter().zip([2.0, 0.0, -5.0, 3.0]) {
            assert!((line.value - expected).abs() < 1e-9, "{name}: {line:?}");
        }
    }
}

#[test]
fn a_target_that_is_infinite_is_refused() {
    for entry in ESTIMATORS.iter().filter(|entry| (entry.supports)(&Task::Regression)) {
        let mut chunk = set(&Task::Regression, 20, 2, 1.0).whole().unwrap();
        chunk.y[3] = f64::INFINITY;
        let error = defaults(entry).fit(&TrainingSet::in_memory(Task::Regression, vec!["a".into(), "b".into()], chunk, 1)).err().unwrap();
        assert_eq!(error.to_string(), "the target is missing or infinite in 1 rows", "{}", entry.name);
    }
}

#[test]
fn a_stratified_draw_depends_on_the_row_and_not_on_its_batch() {
    let task = Task::Classification { classes: vec!["a".into(), "b".into()], positive: Some(1) };
    let set = set(&task, 300, 2, 1.0);
    let fitted = (find("dummy").unwrap().parse)(&one("strategy", Value::String("stratified".into()))).unwrap().fit(&set).unwrap();
    let x = x_of(&set);
    let whole = numbers(&fitted.predict(&x).unwrap());
    let share = whole[300..].iter().sum::<f64>() / 300.0;
    let positives = set.whole().unwrap().y.iter().sum::<f64>() / 300.0;
    assert!((share - positives).abs() < 0.1, "{share} {positives}");
    let tail = Matrix { rows: 10, columns: x.columns.iter().map(|column| column[290..].to_vec()).collect(), blocks: Vec::new() };
    assert_eq!(numbers(&fitted.predict(&tail).unwrap())[10..], whole[590..]);
    let error = (find("dummy").unwrap().parse)(&one("strategy", Value::String("mean".into()))).unwrap().fit(&set).err().unwrap();
    assert_eq!(error.kind, Kind::Config);
}

#[test]
fn separable_classes_without_a_penalty_are_refused() {
    let task = Task::Classification { classes: vec!["a".into(), "b".into()], positive: Some(1) };
    let chunk = Chunk { x: Matrix { rows: 4, columns: vec![vec![1.0, 2.0, 3.0, 4.0]], blocks: Vec::new() }, y: vec![0.0, 0.0, 1.0, 1.0], w: vec![1.0; 4] };
    let estimator = (find("logistic").unwrap().parse)(&one("penalty", Value::String("none".into()))).unwrap();
    let error = estimator.fit(&TrainingSet::in_memory(task, vec!["x".into()], chunk, 1)).err().unwrap();
    assert!(error.to_string().contains("told apart perfectly"), "{error}");
}

#[test]
fn of_equally_near_rows_the_earlier_counts() {
    let chunk = Chunk { x: Matrix { rows: 4, columns: vec![vec![1.0, -1.0, 1.0, 5.0]], blocks: Vec::new() }, y: vec![10.0, 20.0, 30.0, 40.0], w: vec![1.0; 4] };
    let set = TrainingSet::in_memory(Task::Regression, vec!["x".into()], chunk, 1);
    let fitted = (find("knn").unwrap().parse)(&one("k", Value::Number("2".into()))).unwrap().fit(&set).unwrap();
    assert_eq!(numbers(&fitted.predict(&Matrix { rows: 1, columns: vec![vec![0.0]], blocks: Vec::new() }).unwrap()), [15.0]);
}

#[test]
fn wide_designs_by_gradients_reach_the_newton_optimum() {
    // More than 1,000 unknowns; zero columns change nothing but the width.
    for name in ["poisson", "huber", "linear_svm"] {
        let narrow = set(&Task::Regression, 60, 4, 1.0);
        let mut chunk = narrow.whole().unwrap();
        chunk.x.columns.extend((0..1000).map(|_| vec![0.0; 60]));
        let wide = TrainingSet::in_memory(Task::Regression, (0..1004).map(|j| format!("f{j}")).collect(), chunk, 1);
        let predict = |set: &TrainingSet| {
            let fitted = defaults(find(name).unwrap()).fit(set).unwrap();
            assert!(!fitted.describe().contains("settled"), "{}", fitted.describe());
            numbers(&fitted.predict(&x_of(set)).unwrap())
        };
        for (a, b) in predict(&narrow).iter().zip(predict(&wide)) {
            assert!((a - b).abs() < 1e-6, "{name}: {a} {b}");
        }
    }
}

#[test]
fn wide_logistic_by_gradients_reaches_the_newton_optimum() {
    // 3 outputs × 406 unknowns are too wide for a Hessian; zero columns change nothing but the width.
    let task = Task::Classification { classes: vec!["a".into(), "b".into(), "c".into()], positive: None };
    let narrow = set(&task, 90, 5, 1.0);
    let mut chunk = narrow.whole().unwrap();
    chunk.y.iter_mut().for_each(|y| *y = y.min(2.0));
    let narrow = TrainingSet::in_memory(task.clone(), narrow.features.clone(), chunk.clone(), 1);
    chunk.x.columns.extend((0..400).map(|_| vec![0.0; 90]));
    let features = (0..405).map(|j| format!("f{j}")).collect();
    let wide = TrainingSet::in_memory(task, features, chunk, 1);
    let predict = |set: &TrainingSet| {
        let fitted = defaults(find("logistic").unwrap()).fit(set).unwrap();
        assert!(!fitted.describe().contains("settled"), "{}", fitted.describe());
        numbers(&fitted.predict(&x_of(set)).unwrap())
    };
    for (a, b) in predict(&narrow).iter().zip(predict(&wide)) {
        assert!((a - b).abs() < 1e-7, "{a} {b}");
    }
}

/// Estimators that explain single predictions; the others say nothing.
const EXPLAINED: [&str; 16] = [
    "linear",
    "ridge",
    "lasso",
    "elastic_net",
    "huber",
    "quantile_regression",
    "poisson",
    "gamma",
    "tweedie",
    "logistic",
    "ridge_classifier",
    "linear_svm",
    "decision_tree",
    "random_forest",
    "extra_trees",
    "gradient_boosting",
];

#[test]
fn contributions_add_up_to_the_prediction() {
    for entry in ESTIMATORS {
        for task in tasks(entry) {
            let set = set(&task, 60, 5, 1.0);
            let mut x = x_of(&set);
            if TAKE_MISSING.contains(&entry.name) {
                x.columns[1][3] = f64::NAN;
            }
            let fitted = defaults(entry).fit(&set).unwrap();
            let fitted = (entry.load)(fitted.save()).unwrap();
            let found = fitted.contributions(&x).unwrap();
            assert_eq!(found.is_some(), EXPLAINED.contains(&entry.name), "{}", entry.name);
            let Some(found) = found else { continue };
            let sum = |output: &OutputContributions, row: usize| output.base + output.values.iter().map(|values| values[row]).sum::<f64>();
            let sums: Vec<Vec<f64>> = found.outputs.iter().map(|output| (0..x.rows).map(|row| sum(output, row)).collect()).collect();
            let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{}: {a} {b}", entry.name);
            match fitted.predict(&x).unwrap() {
                Predictions::Values(values) => {
                    let back = |sum: f64| if found.scale == Scale::Logarithm { sum.exp() } else { sum };
                    values.iter().zip(&sums[0]).for_each(|(value, sum)| close(back(*sum), *value));
                }
                Predictions::Scores(scores) => {
                    for (row, _) in scores[0].iter().enumerate() {
                        let total: f64 = sums.iter().map(|sums| sums[row].exp()).sum();
                        for (output, sums) in found.outputs.iter().zip(&sums) {
                            let score = match found.scale {
                                Scale::Probability => sums[row],
                                Scale::LogOdds => 1.0 / (1.0 + (-sums[row]).exp()),
                                Scale::Margin if found.outputs.len() == 1 => 1.0 / (1.0 + (-2.0 * sums[row]).exp()),
                                _ => sums[row].exp() / total,
                            };
                            close(score, scores[output.class.unwrap()][row]);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn what_a_linear_model_explains_is_counted_from_the_means_of_training() {
    let set = set(&Task::Regression, 50, 2, 1.0);
    let (x, fitted) = (x_of(&set), defaults(find("linear").unwrap()).fit(&set).unwrap());
    let (found, coefficients) = (fitted.contributions(&x).unwrap().unwrap(), fitted.coefficients());
    for (j, column) in x.columns.iter().enumerate() {
        let mean = column.iter().sum::<f64>() / 50.0;
        for (value, x) in found.outputs[0].values[j].iter().zip(column) {
            assert!((value - coefficients[j].value * (x - mean)).abs() < 1e-12);
        }
    }
}
