//! Explanations of whole models, chain and all.

use polars::prelude::*;

use super::dependence::dependence;
use super::permutation::permutation;
use super::reasons::reasons;
use super::*;
use crate::data::{Roles, Table};
use crate::ml::metric;
use crate::ml::model::{LabelType, OutputNames};
use crate::ml::{Chain, Predictions, TrainingSet, estimators};
use crate::value::Value;

const TOWNS: [&str; 3] = ["a", "b", "c"];

/// y = 3 x + 10 in town b, − 4 in c; `noise` says nothing.
fn frame(rows: usize) -> DataFrame {
    let wave = |i: usize, k: usize| ((i * k) as f64 * 0.7311).sin();
    let x: Vec<f64> = (0..rows).map(|i| 2.0 * wave(i, 7)).collect();
    let town: Vec<&str> = (0..rows).map(|i| TOWNS[(i * i + i / 3) % 3]).collect();
    let y: Vec<f64> = x.iter().zip(&town).map(|(x, town)| 3.0 * x + [0.0, 10.0, -4.0][TOWNS.iter().position(|t| t == town).unwrap()]).collect();
    let class: Vec<&str> = y.iter().map(|y| if *y > 2.0 { "high" } else { "low" }).collect();
    df!("x" => x, "noise" => (0..rows).map(|i| wave(i, 31)).collect::<Vec<_>>(), "town" => town, "y" => y, "class" => class).unwrap()
}

fn model(frame: &DataFrame, estimator: &str, target: &str, task: Task) -> Model {
    let training = Table::of(frame.drop(if target == "y" { "class" } else { "y" }).unwrap());
    let chain = Chain::parse(&Value::List(vec![Value::String("one_hot".into())])).unwrap();
    let (chain, rows) = chain.fit_training(crate::ml::Fit { table: &training, roles: &Roles::default().with_target(target), seed: 1, target: None }).unwrap();
    let features = chain.features().to_vec();
    let set = TrainingSet::new(task.clone(), &rows, features.clone(), target, None, Vec::new(), 1).unwrap();
    let entry = estimators::find(estimator).unwrap();
    let few = Value::Map([("n_estimators".to_owned(), Value::Number("8".to_owned()))].into());
    let parameters = if (entry.parse)(&few).is_ok() { few } else { Value::Null };
    let estimator = (entry.parse)(&parameters).unwrap().fit(&set).unwrap();
    Model {
        task,
        target: target.to_owned(),
        labels: LabelType::String,
        output: OutputNames::default(),
        chain,
        features,
        estimator,
        adjustments: crate::ml::adjust::Adjustments::default(),
    }
}

fn regression(estimator: &str) -> (DataFrame, Model) {
    let frame = frame(240);
    let model = model(&frame, estimator, "y", Task::Regression);
    (frame, model)
}

#[test]
fn the_features_of_a_column_count_together_and_reasons_name_it() {
    for name in ["linear", "gradient_boosting", "random_forest"] {
        let (frame, model) = regression(name);
        let explainer = Explainer::of(&model).unwrap().unwrap();
        assert_eq!(explainer.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["x", "noise", "town"]);
        let found = explainer.contributions(&explainer.features(&frame).unwrap()).unwrap();
        let predictions = model.predict(&frame).unwrap();
        let Predictions::Values(said) = &predictions else { panic!("a number") };
        let output = &found.outputs[0];
        for (row, said) in said.iter().enumerate() {
            let sum = output.base + output.values.iter().map(|values| values[row]).sum::<f64>();
            assert!((sum - said).abs() < 1e-9, "{name}: {sum} {said}");
        }
        let columns = reasons(&explainer, &frame, &predictions, 2).unwrap();
        assert_eq!(columns.iter().map(|column| column.name().as_str()).collect::<Vec<_>>(), reasons::names(2));
        for row in 0..frame.height() {
            let first = columns[0].get(row).unwrap();
            let place = explainer.columns.iter().position(|column| first == AnyValue::String(&column.name)).unwrap();
            assert_eq!(columns[1].get(row).unwrap(), AnyValue::Float64(output.values[place][row]));
            assert!(output.values.iter().all(|values| values[row].abs() <= output.values[place][row].abs()));
        }
    }
    let (_, model) = regression("knn");
    assert!(Explainer::of(&model).unwrap().is_none());
}

#[test]
fn of_two_classes_the_positive_one_is_explained_and_of_several_the_predicted_one() {
    let frame = frame(240);
    let classes = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    for estimator in ["logistic", "gradient_boosting", "random_forest"] {
        let explained = |positive| {
            let model = model(&frame, estimator, "class", Task::Classification { classes: classes(&["high", "low"]), positive: Some(positive) });
            let explainer = Explainer::of(&model).unwrap().unwrap();
            explainer.contributions(&explainer.features(&frame).unwrap()).unwrap().outputs
        };
        let (high, low) = (explained(0), explained(1));
        assert_eq!((high.len(), high[0].class, low[0].class), (1, Some(0), Some(1)));
        for (a, b) in high[0].values.iter().flatten().zip(low[0].values.iter().flatten()) {
            assert!((a + b).abs() < 1e-12, "{estimator}: {a} {b}");
        }
    }
    let three = model(&frame.drop("y").unwrap().lazy().with_columns([col("town").alias("y")]).collect().unwrap(), "gradient_boosting", "y", {
        Task::Classification { classes: classes(&TOWNS), positive: None }
    });
    let explainer = Explainer::of(&three).unwrap().unwrap();
    let predictions = three.predict(&frame).unwrap();
    let columns = reasons(&explainer, &frame, &predictions, 1).unwrap();
    assert!(columns[0].str().unwrap().iter().all(|reason| reason == Some("town")));
    assert!(columns[1].f64().unwrap().iter().all(|value| value.is_some_and(|value| value > 0.0)), "what speaks for the predicted class");
}

#[test]
fn a_columns_importance_is_what_the_metric_loses_without_it() {
    let (frame, model) = regression("linear");
    let metric = metric::find("mean_squared_error").unwrap();
    let found = permutation(&model, &frame, None, metric, 40, 5).unwrap().unwrap();
    assert_eq!(found.columns.iter().map(|column| column.column.as_str()).collect::<Vec<_>>(), ["town", "x", "noise"]);
    // Two independent rows differ by twice the variance: 2 · 3² · Var(x).
    let x: Vec<f64> = frame.column("x").unwrap().f64().unwrap().iter().flatten().collect();
    let mean = x.iter().sum::<f64>() / 240.0;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 240.0;
    assert!((found.columns[1].mean / (18.0 * variance) - 1.0).abs() < 0.05, "{found:?} {variance}");
    assert!(found.baseline < 1e-20 && found.columns[2].mean.abs() < 1e-20 && found.columns[1].deviation > 0.0);
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one.install(|| permutation(&model, &frame, None, metric, 40, 5)).unwrap().unwrap(), found);
    assert_eq!(permutation(&model, &frame, None, metric, 40, 6).unwrap().unwrap().baseline, found.baseline);
}

#[test]
fn importance_is_that_of_the_labels_which_the_model_gives() {
    let frame = frame(240);
    let classes = ["high", "low"].map(str::to_owned).to_vec();
    let mut model = model(&frame, "logistic", "class", Task::Classification { classes, positive: Some(0) });
    let metric = metric::find("recall_score").unwrap();
    for threshold in [0.5, 0.95] {
        model.adjustments.threshold = Some(threshold);
        let known = metric.compute(&model.score_known(&Table::of(frame.clone()), None).unwrap());
        assert_eq!(permutation(&model, &frame, None, metric, 2, 5).unwrap().map(|found| found.baseline), known);
        assert_eq!(known == Some(1.0), threshold == 0.5);
    }
}

#[test]
fn the_dependence_on_a_column_is_the_models_own() {
    let (frame, model) = regression("linear");
    let found = dependence(&model, &frame, &["noise", "x", "town", "nothing"].map(str::to_owned), 1_000).unwrap();
    assert_eq!(found.iter().map(|column| (column.column.as_str(), column.values.len())).collect::<Vec<_>>(), [("noise", 12), ("x", 12), ("town", 3)]);
    assert!(found[0].reach() < 1e-9 && found[0].values[0].rows[0].len() == 37);
    let x = &found[1].values;
    for pair in x.windows(2) {
        let (low, high) = (&pair[0], &pair[1]);
        assert!(low.x < high.x && ((high.mean(0) - low.mean(0)) / (high.x - low.x) - 3.0).abs() < 1e-9);
        assert!(low.rows[0].iter().zip(&high.rows[0]).all(|(a, b)| (b - a - 3.0 * (high.x - low.x)).abs() < 1e-9));
    }
    let town = |name: &str| found[2].values.iter().find(|at| at.label == name).unwrap().mean(0);
    assert!((town("b") - town("a") - 10.0).abs() < 1e-9 && (town("a") - town("c") - 4.0).abs() < 1e-9);
}

#[test]
fn what_comes_from_other_rows_is_a_column_of_its_own() {
    let rows = 120_i64;
    let wave = |i: i64| (i as f64 * 0.9).sin();
    let y: Vec<f64> = (0..rows).map(|i| if i < 2 { 0.0 } else { 5.0 * wave(i - 2) } + wave(i * 7)).collect();
    let frame = df!("t" => (0..rows).collect::<Vec<_>>(), "x" => (0..rows).map(|i| wave(i * 7)).collect::<Vec<_>>(), "w" => (0..rows).map(wave).collect::<Vec<_>>(), "y" => y);
    let (frame, yaml) = (frame.unwrap(), "[{lag: {columns: w, order: t, periods: [2], fill_value: 0}}, {select: {columns: [x, w_lag_2]}}]");
    let chain = Chain::parse(&crate::ml::transformers::contract_tests::value(&serde_yaml::from_str(yaml).unwrap())).unwrap();
    let roles = Roles::default().with_target("y");
    let (chain, training) = chain.fit_training(crate::ml::Fit { table: &Table::of(frame.clone()), roles: &roles, seed: 1, target: None }).unwrap();
    let features = chain.features().to_vec();
    let set = TrainingSet::new(Task::Regression, &training, features.clone(), "y", None, Vec::new(), 1).unwrap();
    let estimator = (estimators::find("linear").unwrap().parse)(&Value::Null).unwrap().fit(&set).unwrap();
    let (output, adjustments) = (OutputNames::default(), crate::ml::adjust::Adjustments::default());
    let model = Model { task: Task::Regression, target: "y".to_owned(), labels: LabelType::Float, output, chain, features, estimator, adjustments };

    let prepared = model.chain.prepare(&Table::of(frame)).unwrap().collect().unwrap();
    let sample = prepared.slice(40, 60);
    let found = permutation(&model, &sample, None, metric::find("root_mean_squared_error").unwrap(), 3, 1).unwrap().unwrap();
    assert_eq!(found.columns.iter().map(|c| c.column.as_str()).collect::<Vec<_>>(), ["w_lag_2", "x"], "`t` and `w` are read in other rows only");
    assert!(found.baseline < 1e-9 && found.columns[0].mean > 2.0, "{found:?}");
    let columns: Vec<String> = model.chain.alterable().unwrap().into_iter().map(|(column, _)| column.name).collect();
    let dependences = dependence(&model, &sample, &columns, 1000).unwrap();
    let lag = dependences.iter().find(|found| found.column == "w_lag_2").unwrap();
    assert!((lag.reach() - 5.0 * (lag.values.last().unwrap().x - lag.values[0].x)).abs() < 1e-9);
    let explainer = Explainer::of(&model).unwrap().unwrap();
    assert_eq!(explainer.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["x", "w_lag_2"]);
    let named = reasons(&explainer, &sample, &model.predict(&sample).unwrap(), 1).unwrap();
    assert!(named[0].str().unwrap().iter().flatten().any(|name| name == "w_lag_2"));
}
