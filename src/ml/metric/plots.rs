//! What metrics look like: residuals, curves, calibration, thresholds, as blocks of a card.

use super::super::Task;
use super::super::model::Scored;
use super::classification::{confusion, per_class, ranking};
use crate::card::{Block, Cell, Counts, Heat, Histogram, Line, Lines, Points, Tab, Table};

const BINS: usize = 30;
const CURVE_POINTS: usize = 200;
const SCATTER_POINTS: usize = 1_500;
const CALIBRATION_BINS: usize = 10;

/// The tabs that evaluate shows for the test rows.
#[must_use]
pub fn tabs(scored: &Scored) -> Vec<Tab> {
    match &scored.task {
        Task::Regression => vec![
            Tab::new("predicted", "Predicted against actual", vec![predicted_against_actual(scored, "test")]),
            Tab::new("residuals", "Residuals", vec![residual_histogram(scored, "test"), error_quantiles(scored)]),
        ],
        Task::Classification { classes, positive } => {
            let mut tabs =
                vec![Tab::new("confusion", "Confusion matrix", vec![Block::Heat(confusion_heat(scored, classes)), Block::Table(class_table(scored, classes))])];
            let shown: Vec<usize> = positive.map_or_else(|| (0..classes.len().min(8)).collect(), |p| vec![p]);
            let mut curves = vec![Block::Lines(roc(scored, classes, &shown)), Block::Lines(precision_recall(scored, classes, &shown))];
            curves.extend(positive.map(|positive| Block::Lines(lift(scored, positive))));
            tabs.push(Tab::new("curves", if positive.is_some() { "ROC, precision–recall, lift" } else { "ROC and precision–recall" }, curves));
            tabs.push(Tab::new(
                "calibration",
                "Calibration",
                vec![Block::Lines(calibration(scored, classes, &shown)), score_histogram(scored, classes, &shown)],
            ));
            if let Some(positive) = positive {
                let table = thresholds(scored, *positive);
                tabs.push(Tab::new("thresholds", "Thresholds", vec![Block::Lines(threshold_lines(&table)), Block::Table(table)]));
            }
            tabs
        }
    }
}

/// How the model fits rows: residuals, or scores by class.
#[must_use]
pub fn fit_blocks(scored: &Scored, name: &str) -> Vec<Block> {
    if scored.rows() == 0 {
        return Vec::new();
    }
    match &scored.task {
        Task::Regression => vec![residual_histogram(scored, name), predicted_against_actual(scored, name)],
        Task::Classification { classes, positive } => {
            let shown: Vec<usize> = positive.map_or_else(|| (0..classes.len().min(8)).collect(), |p| vec![p]);
            vec![score_histogram(scored, classes, &shown), Block::Heat(confusion_heat(scored, classes))]
        }
    }
}

/// Every n-th row, so that at most `limit` remain.
fn every(rows: usize, limit: usize) -> impl Iterator<Item = usize> {
    (0..rows).step_by(rows.div_ceil(limit).max(1))
}

fn predicted_against_actual(scored: &Scored, name: &str) -> Block {
    Block::Points(Points {
        caption: format!("Predicted against actual, {name}"),
        x: "actual".to_owned(),
        y: "predicted".to_owned(),
        points: every(scored.rows(), SCATTER_POINTS).map(|row| (scored.y[row], scored.prediction[row])).collect(),
        diagonal: true,
    })
}

fn residual_histogram(scored: &Scored, name: &str) -> Block {
    let residuals: Vec<f64> = scored.y.iter().zip(&scored.prediction).map(|(y, p)| y - p).collect();
    Block::Histogram(histogram(format!("Residuals (actual − predicted), {name}"), "residual", &[(name.to_owned(), residuals)]))
}

/// Real counts in equal bins over the values' range.
fn histogram(caption: String, x: &str, series: &[(String, Vec<f64>)]) -> Histogram {
    let all = || series.iter().flat_map(|(_, values)| values.iter().copied()).filter(|v| v.is_finite());
    let low = all().fold(f64::INFINITY, f64::min);
    let high = all().fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        return Histogram {
            caption,
            x: x.to_owned(),
            edges: vec![0.0, 1.0],
            series: series.iter().map(|(name, _)| Counts { name: name.clone(), counts: vec![0] }).collect(),
        };
    }
    let width = if high > low { (high - low) / BINS as f64 } else { 1.0 };
    let edges: Vec<f64> = (0..=BINS).map(|i| low + width * i as f64).collect();
    let counts = |values: &[f64]| {
        let mut counts = vec![0_u64; BINS];
        for value in values.iter().filter(|v| v.is_finite()) {
            counts[(((value - low) / width) as usize).min(BINS - 1)] += 1;
        }
        counts
    };
    Histogram { caption, x: x.to_owned(), edges, series: series.iter().map(|(name, values)| Counts { name: name.clone(), counts: counts(values) }).collect() }
}

fn error_quantiles(scored: &Scored) -> Block {
    let mut errors: Vec<f64> = scored.losses();
    errors.sort_by(f64::total_cmp);
    let at = |share: f64| errors.get(((errors.len() - 1) as f64 * share).round() as usize).copied();
    let rows = if errors.is_empty() {
        Vec::new()
    } else {
        [("half of the rows", 0.5), ("75 %", 0.75), ("90 %", 0.9), ("95 %", 0.95), ("99 %", 0.99), ("every row", 1.0)]
            .iter()
            .map(|(name, share)| vec![(*name).into(), at(*share).into()])
            .collect()
    };
    Block::Table(Table { caption: "Absolute error: how many rows stay within".to_owned(), columns: vec!["rows".to_owned(), "error at most".to_owned()], rows })
}

fn confusion_heat(scored: &Scored, classes: &[String]) -> Heat {
    const SHOWN: usize = 20;
    let mut counts = vec![vec![0_u64; classes.len()]; classes.len()];
    for (truth, said) in scored.y.iter().zip(&scored.prediction) {
        counts[*truth as usize][*said as usize] += 1;
    }
    let shown = classes.len().min(SHOWN);
    Heat {
        caption: if shown < classes.len() {
            format!("Confusion matrix (the first {shown} of {} classes)", classes.len())
        } else {
            "Confusion matrix (rows)".to_owned()
        },
        x: "predicted".to_owned(),
        y: "actual".to_owned(),
        labels: classes[..shown].to_vec(),
        counts: counts[..shown].iter().map(|row| row[..shown].to_vec()).collect(),
    }
}

fn class_table(scored: &Scored, classes: &[String]) -> Table {
    let total: f64 = confusion(scored).iter().flatten().sum();
    Table {
        caption: "Per class".to_owned(),
        columns: ["class", "rows", "share", "precision", "recall", "F1"].map(str::to_owned).to_vec(),
        rows: classes
            .iter()
            .zip(per_class(scored))
            .map(|(class, s)| {
                vec![
                    class.as_str().into(),
                    Cell::Number(s.support),
                    Cell::Share(s.support / total.max(f64::MIN_POSITIVE)),
                    s.precision.into(),
                    s.recall.into(),
                    s.f1.into(),
                ]
            })
            .collect(),
    }
}

fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let keep: Vec<usize> = every(points.len(), CURVE_POINTS).collect();
    let last = points.len().saturating_sub(1);
    points.iter().enumerate().filter(|(i, _)| *i == last || keep.binary_search(i).is_ok()).map(|(_, p)| *p).collect()
}

fn roc(scored: &Scored, classes: &[String], shown: &[usize]) -> Lines {
    let series = shown
        .iter()
        .filter_map(|class| {
            let steps = ranking(scored, *class);
            let last = steps.last()?;
            let (positives, negatives) = (last.positives, last.all - last.positives);
            (positives > 0.0 && negatives > 0.0).then(|| {
                let mut points = vec![(0.0, 0.0)];
                points.extend(steps.iter().map(|s| ((s.all - s.positives) / negatives, s.positives / positives)));
                Line { name: classes[*class].clone(), points: thin(&points) }
            })
        })
        .collect();
    Lines { caption: "ROC curve".to_owned(), x: "false positive rate".to_owned(), y: "true positive rate".to_owned(), series, diagonal: true }
}

fn precision_recall(scored: &Scored, classes: &[String], shown: &[usize]) -> Lines {
    let series = shown
        .iter()
        .filter_map(|class| {
            let steps = ranking(scored, *class);
            let positives = steps.last()?.positives;
            (positives > 0.0).then(|| Line {
                name: classes[*class].clone(),
                points: thin(&steps.iter().filter(|s| s.all > 0.0).map(|s| (s.positives / positives, s.positives / s.all)).collect::<Vec<_>>()),
            })
        })
        .collect();
    Lines { caption: "Precision–recall curve".to_owned(), x: "recall".to_owned(), y: "precision".to_owned(), series, diagonal: false }
}

fn calibration(scored: &Scored, classes: &[String], shown: &[usize]) -> Lines {
    let series = shown
        .iter()
        .map(|class| {
            let mut bins = vec![(0.0, 0.0, 0.0); CALIBRATION_BINS];
            for (row, score) in scored.scores[*class].iter().enumerate() {
                let bin = ((score * CALIBRATION_BINS as f64) as usize).min(CALIBRATION_BINS - 1);
                let hit = if scored.y[row] as usize == *class { scored.weight[row] } else { 0.0 };
                bins[bin].0 += scored.weight[row];
                bins[bin].1 += scored.weight[row] * score;
                bins[bin].2 += hit;
            }
            Line { name: classes[*class].clone(), points: bins.iter().filter(|(w, ..)| *w > 0.0).map(|(w, s, h)| (s / w, h / w)).collect() }
        })
        .collect();
    Lines {
        caption: "Calibration: what share of rows with a score are of the class".to_owned(),
        x: "mean score in the bin".to_owned(),
        y: "share of the class".to_owned(),
        series,
        diagonal: true,
    }
}

fn score_histogram(scored: &Scored, classes: &[String], shown: &[usize]) -> Block {
    if let [positive] = shown {
        let scores = &scored.scores[*positive];
        let by_class: Vec<(String, Vec<f64>)> = classes
            .iter()
            .enumerate()
            .map(|(class, name)| (format!("actually {name}"), scored.y.iter().zip(scores).filter(|(y, _)| **y as usize == class).map(|(_, s)| *s).collect()))
            .collect();
        Block::Histogram(histogram(format!("Score of {}", classes[*positive]), "score", &by_class))
    } else {
        let top: Vec<f64> = (0..scored.rows()).map(|row| scored.scores.iter().map(|s| s[row]).fold(0.0, f64::max)).collect();
        Block::Histogram(histogram("Score of the predicted class".to_owned(), "score", &[("rows".to_owned(), top)]))
    }
}

fn lift(scored: &Scored, positive: usize) -> Lines {
    let steps = ranking(scored, positive);
    let points = steps.last().filter(|last| last.positives > 0.0).map_or_else(Vec::new, |last| {
        let base = last.positives / last.all;
        steps.iter().filter(|s| s.all > 0.0).map(|s| (s.all / last.all, s.positives / s.all / base)).collect()
    });
    Lines {
        caption: "Lift: how much more often the class occurs among the rows with the highest scores".to_owned(),
        x: "share of rows, highest scores first".to_owned(),
        y: "lift".to_owned(),
        series: vec![Line { name: "lift".to_owned(), points: thin(&points) }],
        diagonal: false,
    }
}

fn thresholds(scored: &Scored, positive: usize) -> Table {
    let steps = ranking(scored, positive);
    let (positives, all) = steps.last().map_or((0.0, 0.0), |s| (s.positives, s.all));
    let rows = (1..20)
        .map(|i| {
            let threshold = f64::from(i) / 20.0;
            let (hits, said) = steps.iter().take_while(|s| s.threshold >= threshold).last().map_or((0.0, 0.0), |s| (s.positives, s.all));
            let precision = if said > 0.0 { Cell::Number(hits / said) } else { Cell::Missing };
            let recall = if positives > 0.0 { Cell::Number(hits / positives) } else { Cell::Missing };
            let f1 = if said + positives > 0.0 { Cell::Number(2.0 * hits / (said + positives)) } else { Cell::Missing };
            let accuracy = if all > 0.0 { Cell::Number((hits + (all - positives) - (said - hits)) / all) } else { Cell::Missing };
            vec![Cell::Number(threshold), Cell::Share(said / all.max(f64::MIN_POSITIVE)), precision, recall, f1, accuracy]
        })
        .collect();
    Table {
        caption: format!("What another threshold would give ({} is used)", crate::card::format::number(scored.adjustments.threshold())),
        columns: ["threshold", "predicted positive", "precision", "recall", "F1", "accuracy"].map(str::to_owned).to_vec(),
        rows,
    }
}

/// Precision, recall and F1 of the table, against the threshold.
fn threshold_lines(table: &Table) -> Lines {
    let value = |row: &[Cell], column: usize| if let Some(Cell::Number(value)) = row.get(column) { Some(*value) } else { None };
    let line = |column: usize| Line {
        name: table.columns.get(column).cloned().unwrap_or_default(),
        points: table.rows.iter().filter_map(|row| Some((value(row, 0)?, value(row, column)?))).collect(),
    };
    Lines {
        caption: "Precision, recall and F1 by threshold".to_owned(),
        x: "threshold".to_owned(),
        y: String::new(),
        series: [2, 3, 4].into_iter().map(line).collect(),
        diagonal: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::Predictions;

    /// 500 rows of `classes` classes, scores in steps, the true class a little above the others.
    fn classified(classes: usize, positive: Option<usize>) -> Scored {
        let names = (0..classes).map(|class| class.to_string()).collect();
        let mut scored = Scored::empty(&Task::Classification { classes: names, positive });
        let mut scores = vec![Vec::new(); classes];
        for row in 0..500 {
            let truth = row * 7 % classes;
            scored.y.push(truth as f64);
            let raw: Vec<f64> = (0..classes).map(|class| 1.0 + (row * (class + 3) % 11) as f64 + if class == truth { 3.0 } else { 0.0 }).collect();
            let sum: f64 = raw.iter().sum();
            scores.iter_mut().zip(raw).for_each(|(to, score)| to.push(score / sum));
        }
        scored.weight = vec![1.0; 500];
        scored.push(&Predictions::Scores(scores));
        scored
    }

    fn regressed(y: &[f64], prediction: &[f64]) -> Scored {
        let weight = vec![1.0; y.len()];
        Scored { y: y.to_vec(), prediction: prediction.to_vec(), weight, ..Scored::empty(&Task::Regression) }
    }

    fn names(scored: &Scored) -> Vec<String> {
        match &scored.task {
            Task::Classification { classes, .. } => classes.clone(),
            Task::Regression => Vec::new(),
        }
    }

    fn rows_in(block: &Block) -> u64 {
        match block {
            Block::Histogram(h) => {
                assert!(h.series.iter().all(|s| s.counts.len() + 1 == h.edges.len()) && h.edges.is_sorted());
                h.series.iter().flat_map(|s| &s.counts).sum()
            }
            other => panic!("not a histogram: {other:?}"),
        }
    }

    #[test]
    fn a_histogram_counts_every_row_once() {
        let y: Vec<f64> = (0..1000).map(f64::from).collect();
        let p: Vec<f64> = y.iter().map(|y| y + (y * 0.37).sin()).collect();
        assert_eq!(rows_in(&residual_histogram(&regressed(&y, &p), "test")), 1000);
        assert_eq!(rows_in(&residual_histogram(&regressed(&[5.0; 3], &[4.0; 3]), "test")), 3);
        assert_eq!(rows_in(&residual_histogram(&regressed(&[], &[]), "test")), 0);
        for (classes, positive) in [(2, Some(1)), (2, Some(0)), (4, None)] {
            let scored = classified(classes, positive);
            let shown: Vec<usize> = positive.map_or_else(|| (0..classes).collect(), |p| vec![p]);
            assert_eq!(rows_in(&score_histogram(&scored, &names(&scored), &shown)), 500);
        }
    }

    #[test]
    fn curves_run_from_corner_to_corner_and_never_back() {
        for (classes, positive) in [(2, Some(1)), (2, Some(0)), (4, None)] {
            let scored = classified(classes, positive);
            let shown: Vec<usize> = positive.map_or_else(|| (0..classes).collect(), |p| vec![p]);
            let curves = roc(&scored, &names(&scored), &shown);
            assert_eq!(curves.series.len(), shown.len());
            for line in &curves.series {
                assert_eq!((line.points.first(), line.points.last()), (Some(&(0.0, 0.0)), Some(&(1.0, 1.0))));
                assert!(line.points.windows(2).all(|w| w[0].0 <= w[1].0 && w[0].1 <= w[1].1));
                assert!(line.points.len() <= CURVE_POINTS + 1);
            }
            let base = precision_recall(&scored, &names(&scored), &shown);
            let share = scored.y.iter().filter(|y| **y as usize == shown[0]).count() as f64 / 500.0;
            assert_eq!(base.series[0].points.last(), Some(&(1.0, share)));
        }
        assert_eq!(lift(&classified(2, Some(1)), 1).series[0].points.last(), Some(&(1.0, 1.0)));
    }

    #[test]
    fn a_class_without_rows_has_no_curve() {
        let mut scored = classified(3, None);
        scored.y.iter_mut().filter(|y| **y == 2.0).for_each(|y| *y = 0.0);
        let drawn: Vec<String> = roc(&scored, &names(&scored), &[0, 1, 2]).series.into_iter().map(|line| line.name).collect();
        assert_eq!(drawn, ["0", "1"]);
    }

    #[test]
    fn the_confusion_matrix_holds_every_row_and_says_where_it_leaves_classes_out() {
        let scored = classified(4, None);
        let heat = confusion_heat(&scored, &names(&scored));
        for (class, row) in heat.counts.iter().enumerate() {
            assert_eq!(row.iter().sum::<u64>(), scored.y.iter().filter(|y| **y as usize == class).count() as u64);
        }
        let many = classified(25, None);
        let heat = confusion_heat(&many, &names(&many));
        assert_eq!((heat.labels.len(), heat.counts.len(), heat.counts[0].len()), (20, 20, 20));
        assert!(heat.caption.contains("first 20 of 25"));
    }

    #[test]
    fn thresholds_count_as_the_prediction_does() {
        let scored = classified(2, Some(1));
        let table = thresholds(&scored, 1);
        let [_, _, precision, recall, f1, accuracy] = table.rows[9].as_slice() else { panic!("six columns") };
        let metric = |value: Option<f64>| Cell::from(value);
        assert_eq!(table.rows[9][0], Cell::Number(0.5));
        assert_eq!(
            (precision, recall, f1, accuracy),
            (
                &metric(super::super::classification::precision_score(&scored)),
                &metric(super::super::classification::recall_score(&scored)),
                &metric(super::super::classification::f1_score(&scored)),
                &metric(super::super::find("accuracy_score").unwrap().compute(&scored)),
            )
        );
    }

    #[test]
    fn every_tab_can_be_made_of_no_rows() {
        assert_eq!(tabs(&regressed(&[], &[])).len(), 2);
        let mut none = Scored::empty(&Task::Classification { classes: vec!["no".to_owned(), "yes".to_owned()], positive: Some(1) });
        assert_eq!(tabs(&none).len(), 4);
        none.task = Task::Classification { classes: Vec::new(), positive: None };
        none.scores = Vec::new();
        assert_eq!(tabs(&none).len(), 3);
    }
}
