use super::super::Task;
use super::super::adjust::Adjustments;
use super::*;

struct Draw(SmallRng);

impl Draw {
    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.0.random::<f64>()).ln()).sqrt() * (std::f64::consts::TAU * self.0.random::<f64>()).cos()
    }
}

/// Predictions whose errors are normal, with a spread that differs from row to row.
fn regression(rows: usize, seed: u64) -> Scored {
    let mut draw = Draw(SmallRng::seed_from_u64(seed));
    let prediction: Vec<f64> = (0..rows).map(|_| 3.0 * draw.normal()).collect();
    let y = prediction.iter().map(|p| p + draw.normal() * if *p > 0.0 { 1.0 } else { 0.5 }).collect();
    Scored { y, prediction, weight: vec![1.0; rows], ..Scored::empty(&Task::Regression) }
}

/// Scores that are right about the class of a row as often as they say.
fn binary(rows: usize, seed: u64) -> Scored {
    let mut draw = Draw(SmallRng::seed_from_u64(seed));
    let task = Task::Classification { classes: vec!["no".into(), "yes".into()], positive: Some(1) };
    let score: Vec<f64> = (0..rows).map(|_| 1.0 / (1.0 + (-1.5 * draw.normal()).exp())).collect();
    let y: Vec<f64> = score.iter().map(|score| f64::from(u8::from(draw.0.random::<f64>() < *score))).collect();
    let prediction = score.iter().map(|score| f64::from(u8::from(*score >= 0.5))).collect();
    let scores = vec![score.iter().map(|score| 1.0 - score).collect(), score];
    Scored { task, y, prediction, scores, weight: vec![1.0; rows], adjustments: Adjustments::default() }
}

/// Of 500 draws, how many intervals of each metric hold its true value, in per cent.
fn coverage(of: fn(usize, u64) -> Scored, rows: usize, metrics: &[&str]) -> Vec<f64> {
    let entries: Vec<&MetricEntry> = metrics.iter().map(|name| metric::find(name).unwrap()).collect();
    let truth = of(200_000, 1_000_000);
    let truth: Vec<f64> = entries.iter().map(|entry| entry.compute(&truth).unwrap()).collect();
    let mut held = vec![0_u32; metrics.len()];
    for seed in 0..500 {
        let scored = of(rows, 5_000 + seed);
        let intervals = Draws::of(&scored, Bootstrap { samples: 120, ci: 0.95 }, seed).unwrap().of_metrics(&entries);
        for (i, name) in metrics.iter().enumerate() {
            let interval = intervals[*name];
            held[i] += u32::from(interval.low <= truth[i] && truth[i] <= interval.high);
        }
    }
    held.into_iter().map(|held| f64::from(held) / 5.0).collect()
}

#[test]
fn nineteen_of_twenty_intervals_hold_the_truth() {
    for (of, metrics) in [(regression as fn(usize, u64) -> Scored, &["mean_absolute_error"][..]), (binary, &["f1_score", "brier_score_loss", "roc_auc"])] {
        for (name, share) in metrics.iter().zip(coverage(of, 200, metrics)) {
            assert!((93.0..=97.0).contains(&share), "{name}: {share} %");
        }
    }
}

#[test]
fn the_area_has_delongs_variance() {
    // By hand: positives 3 and 2 lie above 1 and 0.75 of the negatives 1 and 2, which lie below 1 and 0.75 of the positives.
    let (area, variance) = delong::area(&[3.0, 2.0, 1.0, 2.0], &[true, true, false, false]).unwrap();
    assert_eq!((area, variance), (0.875, 0.031_25));
    assert!((delong::normal_quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-12);
    assert!((delong::normal_quantile(0.9995) - 3.290_526_731_491_926).abs() < 1e-12);
    assert_eq!(delong::normal_quantile(0.5), 0.0);
    let scored = binary(400, 3);
    let intervals = Draws::of(&scored, Bootstrap::default(), 1).unwrap().intervals();
    assert_eq!(intervals["roc_auc"].method, Method::Delong);
    assert_eq!(intervals["accuracy_score"].method, Method::Bootstrap);
}

#[test]
fn many_rows_are_stood_for_by_some() {
    let bootstrap = Bootstrap { samples: 300, ci: 0.95 };
    let width = |scored: &Scored, name: &str| {
        let entry = metric::find(name).unwrap();
        let interval = Draws::of(scored, bootstrap, 7).unwrap().of_metrics(&[entry])[name];
        let value = entry.compute(scored).unwrap();
        assert!(interval.low < value && value < interval.high);
        interval.high - interval.low
    };
    let ratio = width(&regression(4_000, 1), "root_mean_squared_error") / width(&regression(80_000, 1), "root_mean_squared_error");
    assert!((ratio / 20.0_f64.sqrt() - 1.0).abs() < 0.2, "{ratio}");
    let many = binary(80_000, 1);
    let share = metric::find("true_positives").unwrap().compute(&many).unwrap() / 80_000.0;
    let expected = 2.0 * 1.96 * (80_000.0 * share * (1.0 - share)).sqrt();
    let found = width(&many, "true_positives");
    assert!((found / expected - 1.0).abs() < 0.2, "{found}, {expected}");
}

#[test]
fn a_model_is_better_worse_or_tied() {
    let scored = regression(500, 5);
    let entry = metric::find("root_mean_squared_error").unwrap();
    let draws = Draws::of(&scored, Bootstrap::default(), 3).unwrap();
    let with = |factor: f64| {
        let prediction = scored.y.iter().zip(&scored.prediction).map(|(y, p)| y + factor * (p - y)).collect();
        draws.compare(&Scored { prediction, ..scored.clone() }, entry).unwrap()
    };
    assert_eq!((with(1.2).verdict(), with(0.8).verdict(), with(-1.0).verdict()), ("better", "worse", "tie"));
    // The other's errors are twice as large on every row, so the difference is the value itself on every draw.
    let twice = with(2.0);
    let own = draws.intervals()["root_mean_squared_error"];
    assert!((twice.low - own.low).abs() < 1e-12 && (twice.high - own.high).abs() < 1e-12);
    let mut other = regression(500, 5);
    other.prediction.iter_mut().zip(regression(500, 6).prediction).for_each(|(p, noise)| *p += 0.01 * noise);
    assert_eq!(draws.compare(&other, entry).unwrap().verdict(), "tie");
}

#[test]
fn few_rows_no_draws_and_any_number_of_threads() {
    assert!(Draws::of(&regression(9, 1), Bootstrap::default(), 1).is_none());
    assert!(Draws::of(&regression(90, 1), Bootstrap { samples: 0, ci: 0.95 }, 1).is_none());
    assert!(Bootstrap { samples: 50, ci: f64::NAN }.check().is_err_and(|faults| faults.len() == 2));
    let scored = binary(300, 2);
    let intervals = || Draws::of(&scored, Bootstrap::default(), 1).unwrap().intervals();
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(intervals);
    let eight = rayon::ThreadPoolBuilder::new().num_threads(8).build().unwrap().install(intervals);
    assert_eq!(one, eight);
}
