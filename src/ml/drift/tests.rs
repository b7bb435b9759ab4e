//! Figures against scipy (`tests/golden/drift.py`), and how often equal and unequal tables raise an alarm.

use polars::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::data::Table;

/// The figure of the only column of two frames.
fn figure(method: Method, before: &DataFrame, after: &DataFrame) -> Figure {
    let reference = reference(before);
    let mut watch = Watch::over(&reference);
    watch.add(after).unwrap();
    measure(method, &reference[0], &watch.finish()[0]).unwrap()
}

fn reference(frame: &DataFrame) -> Vec<ColumnReference> {
    let names: Vec<String> = frame.get_column_names().iter().map(ToString::to_string).collect();
    ColumnReference::of(&Table::of(frame.clone()), &names).unwrap()
}

fn close(found: f64, wanted: f64, tolerance: f64) {
    assert!((found - wanted).abs() < tolerance, "{found} for {wanted}");
}

/// Each value so many times.
fn repeated<T: Clone>(values: &[(T, usize)]) -> Vec<T> {
    values.iter().flat_map(|(value, times)| std::iter::repeat_n(value.clone(), *times)).collect()
}

#[test]
fn figures_of_few_values_are_those_of_scipy() {
    let before = df!("x" => repeated(&[(0.0, 400), (1.0, 300), (2.0, 200), (5.0, 100)])).unwrap();
    let after = df!("x" => repeated(&[(0.0, 100), (1.0, 300), (2.0, 300), (5.0, 300)])).unwrap();
    close(figure(Method::Psi, &before, &after).value, 0.672_942_283_154_566_2, 1e-12);
    close(figure(Method::Jensenshannon, &before, &after).value, 0.338_414_986_034_403_73, 1e-12);
    close(figure(Method::Wasserstein, &before, &after).value, 0.816_088_230_524_126_7, 1e-12);
    let beyond = df!("x" => repeated(&[(0.0, 100), (1.0, 300), (2.0, 300), (5.0, 250), (9.5, 50)])).unwrap();
    close(figure(Method::Wasserstein, &before, &beyond).value, 0.969_104_773_747_400_6, 1e-12);
    // The same counts as categories: half of |0.3| + |0| + |0.1| + |0.2|.
    let texts = |frame: &DataFrame| df!("x" => frame.column("x").unwrap().cast(&DataType::String).unwrap().str().unwrap().clone().into_series()).unwrap();
    close(figure(Method::Psi, &texts(&before), &texts(&after)).value, 0.672_942_283_154_566_2, 1e-12);
    close(figure(Method::Wasserstein, &texts(&before), &texts(&after)).value, 0.3, 1e-12);
    for method in [Method::Psi, Method::Wasserstein, Method::Jensenshannon] {
        close(figure(method, &before, &before).value, 0.0, 1e-12);
        close(figure(method, &texts(&before), &texts(&before)).value, 0.0, 1e-12);
    }
}

#[test]
fn figures_of_a_smooth_column_are_near_those_of_all_its_values() {
    let x: Vec<f64> = (0..2000).map(|i| -(1.0 - (f64::from(i) + 0.5) / 2000.0).ln()).collect();
    let (before, after) = (df!("x" => &x).unwrap(), df!("x" => x.iter().map(|x| 1.2 * x + 0.1).collect::<Vec<_>>()).unwrap());
    close(figure(Method::Wasserstein, &before, &after).value, 0.300_347_945_657_079_1, 0.003);
    close(figure(Method::Jensenshannon, &before, &after).value, 0.214_090_540_482_226_64, 0.003);
    close(figure(Method::Psi, &before, &after).value, 0.327_989_394_423_593_15, 0.006);
}

#[test]
fn what_training_never_had_counts_and_is_named() {
    let before = df!("town" => repeated(&[(Some("ulm"), 60), (Some("bonn"), 40)]), "x" => vec![1.0; 100], "y" => vec![Some(2.0); 100]).unwrap();
    let after = df!(
        "town" => repeated(&[(Some("ulm"), 50), (Some("rome"), 49), (None, 1)]),
        "x" => repeated(&[(1.0, 50), (3.0, 50)]),
        "y" => repeated(&[(Some(2.0), 30), (None, 70)])
    )
    .unwrap();
    let reference = reference(&before);
    let mut watch = Watch::over(&reference);
    for half in [after.slice(0, 50), after.slice(50, 50)] {
        watch.add(&half).unwrap();
    }
    let counts = watch.finish();
    assert_eq!(counts[0].new, std::collections::BTreeMap::from([("rome".to_owned(), 49)]));
    assert_eq!((counts[0].missing, counts[2].missing), (1, 70));
    // A constant column has no deviation: half of its rows have another value.
    close(measure(Method::Wasserstein, &reference[1], &counts[1]).unwrap().value, 0.5, 1e-12);
    close(measure(Method::Wasserstein, &reference[2], &counts[2]).unwrap().value, 0.7, 1e-12);
    // Numbers that vanish are seen, although no distance is left to measure.
    let (there, gone) = (df!("z" => (0..100).map(f64::from).collect::<Vec<f64>>()).unwrap(), df!("z" => vec![None::<f64>; 100]).unwrap());
    let vanished = figure(Method::Wasserstein, &there, &gone);
    assert!(vanished.value == 1.0 && vanished.exceeds(0.1), "{vanished:?}");
    assert!(counts.iter().zip(&reference).all(|(now, column)| measure(Method::Psi, column, now).unwrap().exceeds(0.25)));
    let said = |column: usize, name: &str, row: usize| reference[column].never_seen(after.column(name).unwrap()).unwrap()[row].clone();
    assert_eq!(said(0, "town", 0), None);
    assert_eq!(said(0, "town", 50).unwrap(), "`town` is new: rome");
    assert_eq!(said(0, "town", 99).unwrap(), "`town` is missing");
    assert_eq!(said(1, "x", 99).unwrap(), "`x` is 3, above 1");
}

/// A normal, a skewed, a whole and a categorical column with gaps; `shift` moves each of them.
fn table(seed: u64, rows: usize, shift: f64) -> DataFrame {
    let mut draw = SmallRng::seed_from_u64(seed);
    let mut unit = || 1.0 - draw.random::<f64>();
    let (mut normal, mut skewed, mut whole, mut town) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        normal.push(shift + (-2.0 * unit().ln()).sqrt() * (std::f64::consts::TAU * unit()).cos());
        skewed.push(Some(shift - unit().ln()).filter(|_| unit() > 0.1));
        whole.push((unit() * 6.0 + 3.0 * shift) as i64);
        town.push(["ulm", "bonn", "jena", "trier", "kiel"][((unit().powf(1.0 + 2.0 * shift)) * 4.99) as usize]);
    }
    df!("normal" => normal, "skewed" => skewed, "whole" => whole, "town" => town).unwrap()
}

#[test]
fn equal_distributions_raise_no_alarm_and_shifted_ones_do() {
    for method in [Method::Psi, Method::Wasserstein, Method::Jensenshannon] {
        for seed in 0..20 {
            let reference = reference(&table(seed, 1_000, 0.0));
            let far = |rows: usize, shift: f64| {
                let mut watch = Watch::over(&reference);
                watch.add(&table(1_000 + seed, rows, shift)).unwrap();
                let figures: Vec<Figure> = reference.iter().zip(watch.finish()).map(|(column, now)| measure(method, column, &now).unwrap()).collect();
                figures.iter().map(|figure| figure.exceeds(method.threshold())).collect::<Vec<bool>>()
            };
            for rows in [7, 60, 1_000] {
                assert_eq!(far(rows, 0.0), [false; 4], "{method:?} seed {seed}, {rows} rows");
            }
            assert_eq!(far(500, 1.0), [true; 4], "{method:?} seed {seed}");
        }
    }
}

#[test]
fn the_expected_figure_is_the_mean_over_equal_tables() {
    for method in [Method::Psi, Method::Wasserstein] {
        let (mut found, mut expected) = (0.0, 0.0);
        for seed in 0..40 {
            let figure = figure(method, &table(seed, 800, 0.0).select(["normal"]).unwrap(), &table(500 + seed, 400, 0.0).select(["normal"]).unwrap());
            found += figure.value;
            expected += figure.expected;
        }
        assert!((found / expected - 1.0).abs() < 0.25, "{method:?}: {found} for {expected}");
    }
}

#[test]
fn parts_of_one_table_are_not_told_apart_and_shifted_ones_are_by_what_moved() {
    let columns: Vec<String> = ["normal", "skewed", "whole", "town"].map(str::to_owned).to_vec();
    for seed in 0..20 {
        let one = Table::of(table(seed, 600, 0.0));
        let same = apart(&one, &Table::of(table(100 + seed, 300, 0.0)), &columns, seed).unwrap().unwrap();
        assert!(!same.is_notable(), "seed {seed}: {same:?}");
        let mut moved = table(200 + seed, 300, 0.0);
        moved.with_column(table(300 + seed, 300, 1.0).column("normal").unwrap().clone()).unwrap();
        let moved = apart(&one, &Table::of(moved), &columns, seed).unwrap().unwrap();
        assert!(moved.is_notable() && moved.telling().first() == Some(&"normal"), "seed {seed}: {moved:?}");
    }
    assert_eq!(apart(&Table::of(table(1, 600, 0.0)), &Table::of(table(2, 99, 0.0)), &columns, 1).unwrap(), None);
}
