//! Sparse columns give the models that dense ones give, and scikit-learn's (tests/golden/sparse.py).

use polars::prelude::*;
use serde_json::json;

use super::contract_tests::{numbers, value_of};
use super::{ESTIMATORS, find};
use crate::data::{Roles, Table};
use crate::error::Result;
use crate::ml::adjust::Adjustments;
use crate::ml::explain::Explainer;
use crate::ml::model::{LabelType, Model, OutputNames};
use crate::ml::{Chain, Chunk, Fit, FittedEstimator, Matrix, Task, TrainingSet};

/// Row i of `x`, seven towns, a number, two and three classes and a weight.
fn frame(rows: usize, towns: usize) -> DataFrame {
    let town: Vec<usize> = (0..rows).map(|i| (i * i + i / 3) % towns).collect();
    let x: Vec<f64> = (0..rows).map(|i| (i * 37 % 11) as f64 / 4.0).collect();
    let y: Vec<f64> = (0..rows).map(|i| x[i] + (town[i] * town[i]) as f64 / 5.0 + (i * 13 % 5) as f64 / 3.0).collect();
    let y: Vec<f64> = y.iter().map(|y| (y * 1e6).round() / 1e6).collect();
    let mut sorted = y.clone();
    sorted.sort_by(f64::total_cmp);
    let median = f64::midpoint(sorted[(rows - 1) / 2], sorted[rows / 2]);
    let two: Vec<u32> = y.iter().map(|y| u32::from(*y > median)).collect();
    let three: Vec<u32> = y.iter().map(|y| u32::from(*y >= 3.0) + u32::from(*y >= 7.0)).collect();
    let weight: Vec<f64> = (0..rows).map(|i| (i % 4) as f64 / 2.0).collect();
    df!("x" => x, "town" => town.iter().map(|town| format!("t{town}")).collect::<Vec<_>>(), "y" => y, "two" => two, "three" => three, "weight" => weight)
        .unwrap()
}

fn task(target: &str) -> Task {
    match target {
        "two" => Task::Classification { classes: vec!["0".into(), "1".into()], positive: Some(1) },
        "three" => Task::Classification { classes: ["0", "1", "2"].map(str::to_owned).to_vec(), positive: None },
        _ => Task::Regression,
    }
}

/// A model of `x` and of `town` in one-hot columns, sparse or not.
fn model(frame: &DataFrame, using: &str, parameters: &serde_json::Value, target: &str, weight: Option<&str>, sparse: bool) -> Result<Model> {
    let others: Vec<&str> = ["y", "two", "three", "weight"].into_iter().filter(|name| *name != target && Some(*name) != weight).collect();
    let table = Table::of(frame.drop_many(others));
    let roles = Roles::new(weight.map(|name| (name.to_owned(), crate::data::Role::Weight)).into_iter().collect()).with_target(target);
    let steps = value_of(&json!([{"one_hot": {"columns": "town", "sparse": sparse}}]));
    let (chain, rows) = Chain::parse(&steps).unwrap().fit_training(Fit { table: &table, roles: &roles, seed: 1, target: None })?;
    let set = TrainingSet::new(task(target), &rows, chain.reads().clone(), target, weight, Vec::new(), 1)?;
    assert_eq!(set.is_sparse(), sparse);
    let estimator = (find(using).unwrap().parse)(&value_of(parameters)).unwrap().fit(&set)?;
    let (features, output, adjustments) = (chain.features().to_vec(), OutputNames::default(), Adjustments::default());
    Ok(Model { task: task(target), target: target.to_owned(), labels: LabelType::Integer, output, chain, features, estimator, adjustments })
}

fn coefficients(estimator: &dyn FittedEstimator) -> Vec<f64> {
    estimator.coefficients().iter().map(|line| line.value).collect()
}

fn near(what: &str, a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len(), "{what}");
    let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max);
    assert!(worst < tolerance, "{what}: {worst:e}\n{a:?}\n{b:?}");
}

/// Every estimator that takes sparse columns, with targets and parameters.
fn cases() -> Vec<(&'static str, &'static str, serde_json::Value)> {
    vec![
        ("ridge", "y", json!({"alpha": 0.5})),
        ("ridge", "y", json!({"alpha": 3, "fit_intercept": false})),
        ("ridge_classifier", "two", json!({})),
        ("ridge_classifier", "three", json!({"alpha": 0.2})),
        ("lasso", "y", json!({"alpha": 0.05})),
        ("lasso", "y", json!({"alpha": 0.3, "fit_intercept": false})),
        ("elastic_net", "y", json!({"alpha": 0.05, "l1_ratio": 0.3, "fit_intercept": false})),
        ("elastic_net", "y", json!({"alpha": 0.02, "l1_ratio": 0.6})),
        ("logistic", "two", json!({"C": 2})),
        ("logistic", "three", json!({"C": 2})),
        ("logistic", "two", json!({"C": 0.3, "fit_intercept": false})),
        ("huber", "y", json!({"alpha": 0.1})),
        ("huber", "y", json!({"alpha": 0.01, "fit_intercept": false})),
        ("poisson", "y", json!({"alpha": 0.01})),
        ("tweedie", "y", json!({"alpha": 0.1, "power": 1.4})),
        ("gamma", "y", json!({"alpha": 0.1})),
        ("linear_svm", "y", json!({"C": 0.5})),
        ("linear_svm", "two", json!({})),
        ("linear_svm", "three", json!({})),
        ("multinomial_nb", "three", json!({"alpha": 0.7})),
        ("complement_nb", "three", json!({"alpha": 0.7})),
        ("complement_nb", "two", json!({"norm": true})),
        ("bernoulli_nb", "three", json!({"alpha": 0.7, "binarize": 0.2})),
        ("dummy", "y", json!({})),
    ]
}

#[test]
fn sparse_columns_give_the_model_of_dense_ones() {
    // One level is missing, one row's level is rare, and `z` is `x` in another unit but for a little.
    let frame = frame(150, 23).lazy();
    let hole = when(col("town").eq(lit("t4"))).then(lit(NULL)).otherwise(col("town")).alias("town");
    let other = col("x") * lit(1000.0) + (col("y") * lit(37.0)).sin() + lit(2.0);
    let frame = frame.with_columns([hole, other.alias("z"), col("y") + lit(1.0)]).collect().unwrap();
    for entry in ESTIMATORS {
        let takes = (entry.parse)(&crate::value::Value::Null).unwrap().takes_sparse();
        assert_eq!(takes, cases().iter().any(|case| case.0 == entry.name), "{}", entry.name);
    }
    for (i, (using, target, parameters)) in cases().into_iter().enumerate() {
        let weight = (i % 2 == 0).then_some("weight");
        let fit = |sparse| model(&frame, using, &parameters, target, weight, sparse).unwrap_or_else(|error| panic!("{using}: {error}"));
        let (sparse, dense) = (fit(true), fit(false));
        let what = format!("{using} {parameters} {target} {weight:?}");
        near(&what, &coefficients(sparse.estimator.as_ref()), &coefficients(dense.estimator.as_ref()), 1e-6);
        near(&what, &numbers(&sparse.predict(&frame).unwrap()), &numbers(&dense.predict(&frame).unwrap()), 1e-6);
        assert!(!sparse.estimator.describe().contains("not settled"), "{what}");
        let names = |model: &Model| model.estimator.coefficients().into_iter().map(|line| line.feature).collect::<Vec<_>>();
        assert_eq!(names(&sparse), names(&dense));
        let loaded = Model::load(serde_json::from_str(&serde_json::to_string(&sparse.save()).unwrap()).unwrap()).unwrap();
        assert_eq!(loaded.predict(&frame).unwrap(), sparse.predict(&frame).unwrap(), "{what}");
    }
}

/// Computed by `python tests/golden/sparse.py` with scikit-learn 1.9.1.
#[test]
fn numbers_are_scikit_learns_on_a_sparse_matrix() {
    let frame = frame(60, 7);
    let golden: Vec<serde_json::Value> = serde_json::from_str(include_str!("../../../tests/golden/sparse.json")).unwrap();
    for case in golden {
        let [using, target] = ["using", "target"].map(|key| case[key].as_str().unwrap());
        let expected: Vec<f64> = case["numbers"].as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect();
        let model = model(&frame, using, &case["parameters"], target, None, true).unwrap();
        // Of two of them the scores of four rows.
        let scores = ["multinomial_nb", "bernoulli_nb"].contains(&using);
        let found = if scores { numbers(&model.predict(&frame.head(Some(4))).unwrap()) } else { coefficients(model.estimator.as_ref()) };
        near(&format!("{using} {target}"), &found, &expected, 1e-6);
    }
}

#[test]
fn every_thread_count_gives_the_same_bytes() {
    let frame = frame(280, 31).lazy().with_columns([col("y") + lit(1.0)]).collect().unwrap();
    for (using, target, parameters) in cases().into_iter().step_by(4) {
        let model = model(&frame, using, &parameters, target, None, true).unwrap();
        let reads = model.chain.reads().clone();
        let x = Matrix::read(&model.chain.apply(frame.clone().lazy()).unwrap().collect().unwrap(), &reads).unwrap();
        let y = crate::ml::matrix::numbers(frame.column(target).unwrap()).unwrap();
        let part = |rows: std::ops::Range<usize>| Chunk { w: vec![1.0; rows.len()], y: y[rows.clone()].to_vec(), x: x.part(rows) };
        let chunks = [0..120, 120..121, 121..200, 200..280].map(part).to_vec();
        let set = TrainingSet::in_chunks(task(target), Vec::new(), chunks, 1).with_features(reads);
        let fit = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| (find(using).unwrap().parse)(&value_of(&parameters)).unwrap().fit(&set).unwrap())
        };
        assert!(fit(1).save() == fit(4).save(), "{using}");
        near(using, &coefficients(fit(2).as_ref()), &coefficients(model.estimator.as_ref()), 1e-6);
    }
}

#[test]
fn contributions_of_a_sparse_column_are_those_of_its_raw_column() {
    let frame = frame(200, 12);
    for (using, target) in [("ridge", "y"), ("logistic", "three"), ("poisson", "y")] {
        let [sparse, dense] = [true, false].map(|sparse| {
            let model = model(&frame, using, &serde_json::Value::Null, target, None, sparse).unwrap();
            let explainer = Explainer::of(&model).unwrap().unwrap();
            assert_eq!(explainer.columns.iter().map(|origin| origin.name.as_str()).collect::<Vec<_>>(), ["x", "town"]);
            explainer.contributions(&explainer.features(&frame).unwrap()).unwrap()
        });
        for (sparse, dense) in sparse.outputs.iter().zip(&dense.outputs) {
            near(using, &[sparse.base], &[dense.base], 1e-6);
            near(using, &sparse.values.concat(), &dense.values.concat(), 1e-6);
        }
    }
}

#[test]
fn who_cannot_take_sparse_columns_says_so_and_what_is_better() {
    let frame = frame(60, 7);
    let refused = |using: &str, target: &str, parameters: serde_json::Value| model(&frame, using, &parameters, target, None, true).err().unwrap().to_string();
    for using in ["linear", "random_forest", "gradient_boosting", "knn", "svm", "stacking", "quantile_regression"] {
        let error = refused(using, "y", serde_json::Value::Null);
        assert_eq!(error, format!("`{using}` cannot take sparse columns: `town_one_hot` (7 columns of `one_hot`)"));
    }
    // Of several estimators the one that cannot.
    assert!(refused("voting", "y", serde_json::Value::Null).starts_with("`voting` cannot take sparse columns"));
    assert_eq!(refused("ridge", "y", json!({"alpha": 0})), "`ridge` takes sparse columns with a penalty only");
    assert_eq!(refused("logistic", "two", json!({"penalty": "l1"})), "`logistic` with an L1 penalty cannot take sparse columns");
    assert!(refused("bernoulli_nb", "two", json!({"binarize": -1})).contains("`binarize` from 0"));
    let two = json!({"estimators": {"a": {"using": "ridge"}, "b": {"using": "lasso", "estimator_params": {"alpha": 0.1}}}});
    assert!(model(&frame, "voting", &two, "y", None, true).is_ok());
}

#[test]
fn later_transforms_see_one_column_and_leave_it_as_it_is() {
    let table = Table::of(frame(60, 7).drop_many(["two", "three", "weight"]));
    let roles = Roles::default().with_target("y");
    let fit = |steps: serde_json::Value| {
        let mut all = vec![json!({"one_hot": {"columns": "town", "sparse": true}})];
        all.extend(steps.as_array().unwrap().iter().cloned());
        let chain = Chain::parse(&value_of(&serde_json::Value::Array(all))).unwrap();
        chain.fit(&table, &roles, 1)
    };
    let fitted =
        fit(json!(["drop_constant", "drop_near_constant", "drop_missing", {"standard_scale": {}}, "check_missing", "check_type", "check_columns"])).unwrap();
    assert_eq!((fitted.features(), fitted.reads().width()), (["x", "town_one_hot"].map(str::to_owned).as_slice(), 8));
    let rows = fitted.apply(table.lazy()).unwrap().collect().unwrap();
    let matrix = Matrix::read(&rows, fitted.reads()).unwrap();
    assert_eq!((matrix.width(), matrix.blocks[0].held()), (8, 60));
    assert_eq!(fit(json!([{"drop": {"columns": "town_one_hot"}}])).unwrap().reads().width(), 1);
    let refused = |step: serde_json::Value| fit(json!([step])).err().unwrap().to_string();
    let columns = json!({"columns": "town_one_hot"});
    for name in ["standard_scale", "clip", "impute", "pca", "one_hot", "ordinal_encode", "log1p"] {
        let error = refused(json!({ name: columns }));
        assert!(error.contains("sparse"), "{name}: {error}");
    }
    assert!(refused(json!({"rename": {"town_one_hot": "place"}})).starts_with("`rename` would make `place` from a sparse column"));
}

#[test]
fn hash_and_tfidf_hold_in_a_sparse_column_what_they_spread_over_dense_ones() {
    let texts = ["the dog the fox", "a quick brown fox", "", "dog dog dog quick", "nothing known"].repeat(5);
    let frame = df!("s" => &texts, "t" => texts.iter().map(|text| text.len() as i64).collect::<Vec<_>>(), "y" => vec![1.0; 25]).unwrap();
    let table = Table::of(frame);
    for (step, width) in [
        (json!({"hash": {"columns": ["s", "t"], "n_features": 5}}), 5),
        (json!({"hash": {"columns": ["s", "t"], "n_features": 3, "alternate_sign": false}}), 3),
        (json!({"tfidf": {"columns": "s"}}), 7),
        (json!({"tfidf": {"columns": "s", "sublinear_tf": true, "norm": "l1", "max_features": 3}}), 3),
    ] {
        let read = |sparse: bool| {
            let mut step = step.clone();
            step.as_object_mut().unwrap().values_mut().for_each(|options| options["sparse"] = sparse.into());
            let chain = Chain::parse(&value_of(&json!([step]))).unwrap().fit(&table, &Roles::default().with_target("y"), 1).unwrap();
            (Matrix::read(&chain.apply(table.lazy()).unwrap().collect().unwrap(), chain.reads()).unwrap(), chain.reads().names())
        };
        let ((sparse, names), (dense, dense_names)) = (read(true), read(false));
        // `tfidf` leaves the other column, which `hash` takes.
        let (block, skip) = (&sparse.blocks[0], dense.columns.len() - width);
        assert_eq!((block.width, names), (width, dense_names), "{step}");
        for row in 0..dense.rows {
            let mut spread = vec![0.0; width];
            block.row(row).for_each(|(place, value)| spread[place] = value);
            assert_eq!(spread, dense.columns[skip..].iter().map(|column| column[row]).collect::<Vec<_>>(), "{step}");
        }
    }
}
