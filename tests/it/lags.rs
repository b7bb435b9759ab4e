//! Earlier values of the target as features, from the recipe to rows that are scored after training.

use std::fmt::Write as _;

use crate::project::Project;

const RECIPE: &str = r"recipe: regression/v1
target_col: sold
roles: {day: time}
steps:
  ingest:
    location: data/sales.csv
    schema: {day: {type: date}}
  split: {using: time, split_ratios: [0.6, 0.2, 0.2]}
  transform:
    - lag: {columns: [sold], by: [shop], fill_value: -1}
    - rolling: {columns: [sold], by: [shop], window: 7d, fill_value: -1}
    - drop: {columns: [shop]}
    - filter: {where: sold_lag_1 >= 0}
  train: {using: linear}
  evaluate: {validation_criteria: [{metric: r2_score, threshold: 0.5}], explain: {shap: true}}
  ingest_scoring:
    location: data/new.csv
    schema: {day: {type: date}}
  predict:
    reasons: 1
    output: {location: out/scored.csv}
";

/// Day `day` of 2024, from 0 on.
fn date(day: usize) -> String {
    let (month, first) = [(1, 0), (2, 31), (3, 60), (4, 91)].into_iter().rev().find(|(_, first)| *first <= day).unwrap();
    format!("2024-{month:02}-{:02}", day - first + 1)
}

/// Three shops that sell one piece more each day, in no order of time.
fn sales(days: std::ops::Range<usize>, known_until: usize) -> String {
    let mut text = String::from("day,shop,sold\n");
    let rows = days.len() * 3;
    for i in 0..rows {
        let (day, shop) = (days.start + i * 37 % rows / 3, i * 37 % 3);
        let sold = if day < known_until { (100 * shop + day).to_string() } else { String::new() };
        writeln!(text, "{},{},{sold}", date(day), ["a", "b", "c"][shop]).unwrap();
    }
    text
}

fn project() -> Project {
    Project::empty()
        .with("recipe.yaml", RECIPE)
        .with("data/sales.csv", &sales(0..100, 100))
        .with("data/new.csv", "day,shop\n2024-03-20,b\n2024-04-30,a\n2024-04-01,new\n")
}

/// Date, shop and prediction of each scored row.
fn scored(project: &Project) -> Vec<(String, String, f64)> {
    let text = project.read("out/scored.csv");
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let at = |name: &str| head.iter().position(|column| *column == name).unwrap();
    lines.map(|row| (row[at("day")].to_owned(), row[at("shop")].to_owned(), row[at("prediction")].parse().unwrap())).collect()
}

#[test]
fn rows_after_training_are_scored_from_what_training_saw_last_and_from_earlier_rows() {
    let project = project();
    project.ok(&["run"]);
    let train = project.ok(&["inspect", "train"]).stdout;
    for said in ["sold_lag_1", "Partial dependence on sold_lag_1"] {
        assert!(train.contains(said), "{said}\n{train}");
    }
    assert!(!train.contains("(transform 1)") && !project.ok(&["inspect", "evaluate"]).stdout.contains("(transform 1)"));
    let learned = project.ok(&["show", "transformer"]).stdout;
    assert!(learned.contains("History that later rows see by `shop`, in the order of `day`"), "{learned}");
    // Two rows of each shop: the last day of training, and the day before it.
    assert!(learned.lines().any(|line| line.split_whitespace().collect::<Vec<_>>() == ["sold", "sold_lag_1", "3", "6", "2024-02-29"]), "{learned}");

    // Without the target all rows see the last training day, day 59; a new shop sees nothing.
    project.ok(&["run", "predict"]);
    let rows = scored(&project);
    assert_eq!(rows.len(), 3);
    assert!((rows[0].2 - 160.0).abs() < 1e-6, "{rows:?}");
    assert!(!project.read("out/scored.csv").contains("(transform"));
    assert!(project.read("out/scored.csv").lines().nth(1).unwrap().contains("sold_"), "the reason is a lag");

    // With what was sold up to day 89, training rows among them: one more than the day before, or than the last known day.
    project.write("data/new.csv", sales(50..95, 90));
    project.ok(&["run", "predict"]);
    for (day, shop, prediction) in scored(&project) {
        let base = 100.0 * f64::from(shop.as_bytes()[0] - b'a');
        let day = (50..95).find(|other| date(*other) == day).unwrap();
        if day > 56 && day <= 90 {
            assert!((prediction - base - day as f64).abs() < 1e-6, "day {day} of {shop}: {prediction}");
        }
    }
}

#[test]
fn files_are_the_same_at_any_number_of_threads_and_in_any_order_of_rows() {
    let made = |threads: &str| {
        let project = project().env("POLARS_MAX_THREADS", threads).env("RAYON_NUM_THREADS", threads);
        project.ok(&["run"]);
        project.ok(&["run", "predict"]);
        (project.artifact("transformer"), project.artifact("model"), project.artifact("scored_data"))
    };
    assert!(made("1") == made("4"));
}
