use polars::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::fairness::fairness;
use super::search::{Judged, Losses, Search, columns_of, judge};
use super::*;
use crate::ml::Task;

/// A table of three columns, and losses that are `times` as large where `is_bad`.
fn table(rows: usize, seed: u64, is_bad: fn(&str, i64) -> bool, times: f64) -> (DataFrame, Vec<f64>) {
    let mut draw = SmallRng::seed_from_u64(seed);
    let town: Vec<&str> = (0..rows).map(|_| ["a", "b", "c", "d"][draw.random_range(0..4)]).collect();
    let hour: Vec<i64> = (0..rows).map(|_| draw.random_range(0..6)).collect();
    let size: Vec<f64> = (0..rows).map(|_| draw.random::<f64>()).collect();
    let loss = town.iter().zip(&hour).map(|(town, hour)| -(1.0 - draw.random::<f64>()).ln() * if is_bad(town, *hour) { times } else { 1.0 }).collect();
    (df!("town" => town, "hour" => hour, "size" => size).unwrap(), loss)
}

fn found(seed: u64, is_bad: fn(&str, i64) -> bool, times: f64) -> Vec<Judged> {
    let (searched, lost) = table(800, seed, is_bad, times);
    let (held, again) = table(800, 1_000 + seed, is_bad, times);
    let weight = vec![1.0; 800];
    let search = Search { most_columns: 2, fewest: 30 };
    let suspects = search.look(&searched, &Losses { loss: &lost, weight: &weight }).unwrap();
    assert!(suspects.iter().all(|suspect| columns_of(&suspects).is_superset(&suspect.columns().collect())));
    judge(&suspects, &held, &Losses { loss: &again, weight: &weight }).unwrap()
}

#[test]
fn a_planted_slice_is_found_in_each_of_twenty_tables_and_none_in_twenty_clean_ones() {
    for seed in 0..20 {
        let one = found(seed, |town, _| town == "b", 2.0);
        assert!(one[0].is_confirmed && one[0].name == "town = b" && one[0].times > 1.4, "{seed}: {one:?}");
        let two = found(seed, |town, hour| town == "b" && hour >= 3, 3.0);
        assert!(two[0].is_confirmed && two[0].name.contains("town = b"), "{seed}: {two:?}");
        let clean = found(seed, |_, _| false, 1.0);
        assert!(clean.iter().all(|judged| !judged.is_confirmed), "{seed}: {clean:?}");
    }
}

fn scored(rows: usize) -> Scored {
    let y: Vec<f64> = (0..rows).map(|i| ((i * 37) % 50) as f64).collect();
    // The first fifth is off by ten, the others by one or two.
    let prediction = y.iter().enumerate().map(|(i, y)| if i < rows / 5 { y + 10.0 } else { y + 1.0 + (i % 2) as f64 }).collect();
    Scored { y, prediction, weight: (0..rows).map(|i| 1.0 + (i % 3) as f64).collect(), ..Scored::empty(&Task::Regression) }
}

#[test]
fn the_figures_of_a_slice_are_those_of_its_rows_alone() {
    let all = scored(200);
    let entry = metric::find("mean_absolute_error").unwrap();
    let slices = [("first".to_owned(), (0..40).collect()), ("odd".to_owned(), (41..200).step_by(2).collect()), ("few".to_owned(), (0..9).collect())];
    let bootstrap = Bootstrap { samples: 200, ci: 0.95 };
    let measured = measure(&all, &slices, Some(entry), bootstrap, 1);
    for (slice, (_, rows)) in measured.iter().zip(&slices).take(2) {
        let mean = |rows: &mut dyn Iterator<Item = usize>| {
            let (sum, weight) = rows.fold((0.0, 0.0), |(s, w), row| (s + all.weight[row] * (all.prediction[row] - all.y[row]).abs(), w + all.weight[row]));
            sum / weight
        };
        let (inside, outside) = (mean(&mut rows.iter().copied()), mean(&mut (0..200).filter(|row| !rows.contains(row))));
        assert_eq!((slice.rows, slice.share), (rows.len(), rows.len() as f64 / 200.0));
        assert!((slice.metrics["mean_absolute_error"] - inside).abs() < 1e-12 && (slice.outside.unwrap() - outside).abs() < 1e-12);
        assert!((slice.compared.unwrap().better_by - (outside - inside)).abs() < 1e-12);
    }
    assert_eq!(measured.iter().map(|slice| slice.verdict).collect::<Vec<_>>(), [Verdict::Worse, Verdict::Better, Verdict::TooFewRows]);
    assert!(measured[2].metrics.is_empty());
    assert_eq!(measure(&all, &slices, None, bootstrap, 1)[0].verdict, Verdict::Unknown);
}

#[test]
fn slices_of_a_model_that_errs_evenly_do_not_stand_out() {
    let entry = metric::find("mean_absolute_error").unwrap();
    let bootstrap = Bootstrap { samples: 200, ci: 0.95 };
    let mut named = 0;
    for seed in 0..20 {
        let (frame, loss) = table(300, seed, |_, _| false, 1.0);
        let all = Scored { y: vec![0.0; 300], prediction: loss, weight: vec![1.0; 300], ..Scored::empty(&Task::Regression) };
        let cut = Cut::learn(frame.column("hour").unwrap(), &Bins::Automatic).unwrap();
        let places = cut.place(frame.column("hour").unwrap()).unwrap();
        let rows = |place: usize| (0..300).filter(|row| places[*row] as usize == place).collect::<Vec<_>>();
        let slices: Vec<(String, Vec<usize>)> = cut.names.iter().enumerate().map(|(place, name)| (name.clone(), rows(place))).collect();
        named +=
            usize::from(measure(&all, &slices, Some(entry), bootstrap, seed).iter().any(|slice| matches!(slice.verdict, Verdict::Worse | Verdict::Better)));
    }
    assert!(named <= 3, "{named} of 20 tables");
}

/// By hand, as fairlearn defines them. Of a pattern of five rows a group: `a` has y 1 1 0 0 0 and is predicted 1 0 1 0 0, `b` has y 1 1 1 0 0
/// and is predicted 1 1 1 0 1; each stands four times.
#[test]
fn fairness_figures_are_those_worked_by_hand() {
    let task = Task::Classification { classes: vec!["no".into(), "yes".into()], positive: Some(1) };
    let pattern = [[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 0, 1]];
    let of = |own: usize| (0..40).map(|i| f64::from(pattern[2 * (i / 20) + own][i % 5])).collect::<Vec<_>>();
    let all = Scored { y: of(0), prediction: of(1), weight: vec![1.0; 40], ..Scored::empty(&task) };
    let groups = [("a".to_owned(), (0..20).collect()), ("b".to_owned(), (20..40).collect()), ("c".to_owned(), vec![3])];
    let fair = fairness(&all, "x", &groups, 0.95).unwrap();
    let rates: Vec<Vec<f64>> = fair.groups.iter().map(|group| group.figures.iter().map(|figure| figure.value).collect()).collect();
    assert_eq!(rates, [vec![0.4, 0.5, 1.0 / 3.0], vec![0.8, 1.0, 0.5], vec![]]);
    let wanted = [("demographic_parity_difference", 0.4), ("demographic_parity_ratio", 0.5), ("equalized_odds_difference", 0.5)];
    for ((name, value), (wanted, by_hand)) in fair.apart.iter().zip(wanted) {
        assert!(name == wanted && (value - by_hand).abs() < 1e-12, "{name}: {value}");
    }
    // Wilson's interval of 8 in 20: (0.4 + z²/40 ∓ z √(0.24/20 + z²/1600)) / (1 + z²/20) with z = 1.959964.
    let rate = fair.groups[0].figure("selection_rate").unwrap();
    assert!((rate.low - 0.218_806).abs() < 1e-5 && (rate.high - 0.613_419).abs() < 1e-5, "{rate:?}");

    let numbers = Scored {
        y: vec![0.0; 20],
        prediction: (0..20).map(|i| if i < 10 { 1.0 } else { f64::from(i % 2) * 4.0 - 1.0 }).collect(),
        weight: vec![1.0; 20],
        ..Scored::empty(&Task::Regression)
    };
    let fair = fairness(&numbers, "x", &[("a".to_owned(), (0..10).collect()), ("b".to_owned(), (10..20).collect())], 0.95).unwrap();
    assert_eq!(fair.apart, [("mean_error_difference".to_owned(), 0.0), ("mean_absolute_error_difference".to_owned(), 1.0)]);
    assert!(fairness(&Scored::empty(&Task::of_classes(3)), "x", &[], 0.95).is_none());
}
