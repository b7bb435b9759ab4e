//! Calibration of class scores: maps fitted on validation rows, so that of the rows with a score of 0.7 seven in ten are of the class.
//!
//! Definitions are scikit-learn's (`CalibratedClassifierCV` around a fitted model): `sigmoid` is Platt's (1999) logistic curve with
//! his smoothed targets, `isotonic` the nearest rising steps with straight lines in between. Several classes are calibrated one
//! against the rest and divided by their sum.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Task;
use super::export::{Id, Program};
use super::metric;
use super::model::Scored;
use super::target::interpolate;
use crate::card::{Block, Line, Lines, Table};
use crate::error::{Error, Result};

/// Raised whenever the same scores give another calibration.
pub const VERSION: u32 = 1;

const BINS: usize = 10;

/// `steps.train.calibrate_proba`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    None,
    /// A logistic curve: two numbers, for few validation rows.
    Sigmoid,
    /// Rising steps: any shape, for a thousand rows and more.
    Isotonic,
}

impl Method {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sigmoid => "sigmoid",
            Self::Isotonic => "isotonic",
        }
    }
}

/// Fitted maps of scores: one for the positive class, or one for each class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    pub method: Method,
    curves: Vec<Curve>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Curve {
    /// 1 / (1 + exp(−(slope · x + intercept))), where x is the score, or its log-odds.
    Sigmoid { slope: f64, intercept: f64, of_log_odds: bool },
    /// Ascending scores and what they become.
    Isotonic { scores: Vec<f64>, shares: Vec<f64> },
}

impl Calibration {
    /// Fits to rows whose class is known.
    ///
    /// # Errors
    /// A class that no row has.
    pub fn fit(method: Method, scored: &Scored) -> Result<Self> {
        let Task::Classification { classes, positive } = &scored.task else { return Err(Error::bug("a regression has no scores to calibrate")) };
        let has = |class: usize| scored.y.iter().zip(&scored.weight).any(|(y, w)| *y as usize == class && *w > 0.0);
        let absent: Vec<&str> = classes.iter().enumerate().filter(|(class, _)| !has(*class)).map(|(_, name)| name.as_str()).collect();
        if !absent.is_empty() {
            return Err(Error::data(format!("no validation row to calibrate the scores of some classes by: {}", absent.join(", ")))
                .path("steps.train.calibrate_proba")
                .hint("give validation a larger share, or deal classes out with `split: {using: stratified}`"));
        }
        let fitted = positive.map_or_else(|| (0..classes.len()).collect(), |positive| vec![positive]);
        let curve = |class: &usize| {
            let is: Vec<bool> = scored.y.iter().map(|y| *y as usize == *class).collect();
            let scores = scored.scores.get(*class).map(Vec::as_slice).unwrap_or_default();
            match method {
                Method::Isotonic => Curve::isotonic(scores, &is, &scored.weight),
                Method::None | Method::Sigmoid => Curve::sigmoid(scores, &is, &scored.weight),
            }
        };
        Ok(Self { method, curves: fitted.iter().map(curve).collect() })
    }

    /// Does it have a map for what it is to calibrate?
    #[must_use]
    pub fn fits(&self, task: &Task) -> bool {
        match task {
            Task::Regression => false,
            Task::Classification { positive: Some(_), .. } => self.curves.len() == 1,
            Task::Classification { classes, .. } => self.curves.len() == classes.len(),
        }
    }

    /// Calibrated scores; a row's sum to one.
    #[must_use]
    pub fn apply(&self, task: &Task, mut scores: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        if let (Task::Classification { positive: Some(positive), .. }, [curve], 2) = (task, self.curves.as_slice(), scores.len()) {
            let calibrated: Vec<f64> = scores.get(*positive).into_iter().flatten().map(|score| curve.of(*score)).collect();
            for (class, scores) in scores.iter_mut().enumerate() {
                *scores = calibrated.iter().map(|share| if class == *positive { *share } else { 1.0 - share }).collect();
            }
            return scores;
        }
        for (curve, scores) in self.curves.iter().zip(&mut scores) {
            for score in scores.iter_mut() {
                *score = curve.of(*score);
            }
        }
        let classes = scores.len();
        for row in 0..scores.first().map_or(0, Vec::len) {
            let total: f64 = scores.iter().map(|scores| scores[row]).sum();
            for scores in &mut scores {
                scores[row] = if total > 0.0 { scores[row] / total } else { 1.0 / classes as f64 };
            }
        }
        scores
    }

    /// [`Calibration::apply`] in operations that other programs have.
    #[must_use]
    pub fn lower(&self, task: &Task, mut scores: Vec<Id>, on: &mut Program) -> Vec<Id> {
        if let (Task::Classification { positive: Some(positive), .. }, [curve], [_, _]) = (task, self.curves.as_slice(), scores.as_slice()) {
            let share = curve.lower(scores[*positive], on);
            let mut both = vec![on.sum([(share, -1.0)], 1.0); 2];
            both[*positive] = share;
            return both;
        }
        for (curve, score) in self.curves.iter().zip(&mut scores) {
            *score = curve.lower(*score, on);
        }
        let total = on.sum(scores.iter().map(|score| (*score, 1.0)), 0.0);
        let (is_some, is_missing, equal) = (on.above(total, 0.0), on.is_missing(total), on.number(1.0 / scores.len() as f64));
        let mut shares = Vec::with_capacity(scores.len());
        for score in scores {
            let share = on.quotient(score, total);
            shares.push(on.choose(vec![(is_some, share), (is_missing, total)], equal));
        }
        shares
    }

    /// What was learned, in a sentence.
    #[must_use]
    pub fn describe(&self) -> String {
        let learned = match self.curves.as_slice() {
            [Curve::Sigmoid { slope, intercept, of_log_odds }] => {
                let of = if *of_log_odds { "log-odds" } else { "score" };
                format!(" (slope {}, intercept {} of the {of})", crate::card::format::number(*slope), crate::card::format::number(*intercept))
            }
            [Curve::Isotonic { scores, .. }] => format!(" ({} knots)", scores.len()),
            curves => format!(" (one curve for each of {} classes)", curves.len()),
        };
        format!("Scores are calibrated by `{}`{learned}, fitted on validation; the test split shows whether it held.", self.method.name())
    }
}

fn log_odds(score: f64) -> f64 {
    // Scores that a model was not calibrated on may be 0 or 1.
    let score = score.clamp(1e-15, 1.0 - 1e-15);
    (score / (1.0 - score)).ln()
}

fn logistic(z: f64) -> f64 {
    if z >= 0.0 { 1.0 / (1.0 + (-z).exp()) } else { z.exp() / (1.0 + z.exp()) }
}

impl Curve {
    fn of(&self, score: f64) -> f64 {
        match self {
            Self::Sigmoid { slope, intercept, of_log_odds } => logistic(slope * if *of_log_odds { log_odds(score) } else { score } + intercept),
            Self::Isotonic { scores, shares } => interpolate(scores, shares, score),
        }
    }

    fn lower(&self, score: Id, on: &mut Program) -> Id {
        match self {
            Self::Sigmoid { slope, intercept, of_log_odds } => {
                let x = if *of_log_odds {
                    let score = on.clip(score, Some(1e-15), Some(1.0 - 1e-15));
                    let rest = on.sum([(score, -1.0)], 1.0);
                    let odds = on.quotient(score, rest);
                    on.logarithm(odds)
                } else {
                    score
                };
                let z = on.sum([(x, *slope)], *intercept);
                on.sigmoid(z)
            }
            Self::Isotonic { scores, shares } => on.curve(score, scores, shares),
        }
    }

    /// Platt's curve over log-odds; over the scores themselves where some are 0 or 1, as forests give them.
    fn sigmoid(scores: &[f64], is: &[bool], weight: &[f64]) -> Self {
        let of_log_odds = scores.iter().all(|score| *score > 0.0 && *score < 1.0);
        let x: Vec<f64> = if of_log_odds { scores.iter().map(|score| log_odds(*score)).collect() } else { scores.to_vec() };
        let (slope, intercept) = platt(&x, is, weight);
        Self::Sigmoid { slope, intercept, of_log_odds }
    }

    /// Pools neighbours that fall, until none do; of points in a row at one height the first and the last are kept.
    fn isotonic(scores: &[f64], is: &[bool], weight: &[f64]) -> Self {
        /// As scikit-learn's: scores nearer than this are one.
        const SAME: f64 = 1e-15;
        struct Pool {
            share: f64,
            weight: f64,
            points: usize,
        }
        let mut rows: Vec<(f64, f64, f64)> =
            scores.iter().zip(is).zip(weight).filter(|(_, w)| **w > 0.0).map(|((x, is), w)| (*x, f64::from(u8::from(*is)), *w)).collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut points: Vec<f64> = Vec::new();
        let mut pools: Vec<Pool> = Vec::new();
        let mut first = f64::NEG_INFINITY;
        let mut unique: Vec<(f64, f64)> = Vec::new();
        for (x, y, w) in rows {
            if let Some((sum, weight)) = unique.last_mut().filter(|_| x - first < SAME) {
                *sum += w * y;
                *weight += w;
            } else {
                first = x;
                points.push(x);
                unique.push((w * y, w));
            }
        }
        for (sum, weight) in unique {
            let mut pool = Pool { share: sum / weight, weight, points: 1 };
            while let Some(before) = pools.pop_if(|before| before.share >= pool.share) {
                let weight = before.weight + pool.weight;
                pool = Pool { share: (before.share * before.weight + pool.share * pool.weight) / weight, weight, points: before.points + pool.points };
            }
            pools.push(pool);
        }
        let (mut kept, mut shares) = (Vec::new(), Vec::new());
        let mut start = 0;
        for pool in pools {
            let end = start + pool.points - 1;
            for place in if pool.points > 1 { vec![start, end] } else { vec![start] } {
                kept.push(points[place]);
                shares.push(pool.share);
            }
            start = end + 1;
        }
        Self::Isotonic { scores: kept, shares }
    }
}

/// The slope and the intercept of the logistic curve that is likeliest, by Newton's steps (Lin, Lin and Weng 2007).
fn platt(x: &[f64], is: &[bool], weight: &[f64]) -> (f64, f64) {
    const MOST: usize = 200;
    let total = |wanted: bool| is.iter().zip(weight).filter(|(is, _)| **is == wanted).map(|(_, w)| w).sum::<f64>();
    let (positives, negatives) = (total(true), total(false));
    let (high, low) = ((positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0));
    let targets: Vec<f64> = is.iter().map(|is| if *is { high } else { low }).collect();
    let rows = || x.iter().zip(&targets).zip(weight).map(|((x, t), w)| (*x, *t, *w));
    let loss = |a: f64, b: f64| -> f64 {
        rows()
            .map(|(x, t, w)| {
                let z = a * x + b;
                // ln(1 + eᶻ) − t z without overflow.
                w * (z.max(0.0) + (-z.abs()).exp().ln_1p() - t * z)
            })
            .sum()
    };
    let (mut a, mut b) = (0.0, ((positives + 1.0) / (negatives + 1.0)).ln());
    let mut now = loss(a, b);
    for _ in 0..MOST {
        let (mut ga, mut gb, mut haa, mut hab, mut hbb) = (0.0, 0.0, 1e-12, 0.0, 1e-12);
        for (x, t, w) in rows() {
            let p = logistic(a * x + b);
            let (d, h) = (w * (p - t), w * p * (1.0 - p));
            ga += d * x;
            gb += d;
            haa += h * x * x;
            hab += h * x;
            hbb += h;
        }
        let determinant = haa * hbb - hab * hab;
        if !(determinant > 0.0 && ga.is_finite() && gb.is_finite()) {
            break;
        }
        let (da, db) = ((hab * gb - hbb * ga) / determinant, (hab * ga - haa * gb) / determinant);
        let mut step = 1.0;
        let mut next = loss(a + da, b + db);
        while next > now && step > 1e-10 {
            step /= 2.0;
            next = loss(a + step * da, b + step * db);
        }
        if next > now {
            break;
        }
        (a, b, now) = (a + step * da, b + step * db, next);
        if (step * da).abs() <= 1e-12 * a.abs().max(1.0) && (step * db).abs() <= 1e-12 * b.abs().max(1.0) {
            break;
        }
    }
    (a, b)
}

/// Rows in ten equal bins of the score that was decided by, the positive class's or the predicted one's: weight, its sum with
/// the score, its sum where the row is of the class.
fn bins(scored: &Scored) -> Vec<[f64; 3]> {
    let positive = if let Task::Classification { positive, .. } = &scored.task { *positive } else { None };
    let mut bins = vec![[0.0; 3]; BINS];
    for (row, (y, weight)) in scored.y.iter().zip(&scored.weight).enumerate() {
        let class = positive.unwrap_or(scored.prediction.get(row).copied().unwrap_or(0.0) as usize);
        let score = scored.scores.get(class).and_then(|scores| scores.get(row)).copied().unwrap_or(0.0);
        let [total, scores, hits] = &mut bins[((score * BINS as f64) as usize).min(BINS - 1)];
        *total += weight;
        *scores += weight * score;
        *hits += if *y as usize == class { *weight } else { 0.0 };
    }
    bins
}

/// The expected calibration error of two classes' scores, where it is more than 0.05 and more than chance: Spiegelhalter's statistic
/// (Statistics in Medicine 5, 1986), normal for true probabilities, is beyond 3.3, which chance reaches once in a thousand times.
#[must_use]
pub fn miscalibration(scored: &Scored) -> Option<f64> {
    let Task::Classification { positive: Some(positive), .. } = &scored.task else { return None };
    let (mut off, mut variance) = (0.0, 0.0);
    for ((p, y), weight) in scored.scores.get(*positive)?.iter().zip(&scored.y).zip(&scored.weight) {
        let hit = f64::from(u8::from(*y as usize == *positive));
        off += weight * (hit - p) * (1.0 - 2.0 * p);
        variance += weight * weight * (1.0 - 2.0 * p).powi(2) * p * (1.0 - p);
    }
    let is_chance = variance <= 0.0 || off.abs() <= 3.3 * variance.sqrt();
    expected_error(scored).filter(|error| !is_chance && *error > 0.05)
}

/// The expected calibration error: the mean distance of score and share over [`BINS`] equal bins, weighted by their rows.
fn expected_error(scored: &Scored) -> Option<f64> {
    let bins = bins(scored);
    let total: f64 = bins.iter().map(|[weight, ..]| weight).sum();
    (total > 0.0).then(|| bins.iter().map(|[_, scores, hits]| (scores - hits).abs()).sum::<f64>() / total)
}

/// How reliable scores of the same rows were before and after calibration.
#[must_use]
pub fn blocks(before: &Scored, after: &Scored, rows: &str) -> Vec<Block> {
    let line = |name: &str, scored: &Scored| Line {
        name: name.to_owned(),
        points: bins(scored).iter().filter(|[weight, ..]| *weight > 0.0).map(|[weight, scores, hits]| (scores / weight, hits / weight)).collect(),
    };
    let figure = |name: &str, of: &dyn Fn(&Scored) -> Option<f64>| vec![name.into(), of(before).into(), of(after).into()];
    let metric = |name: &'static str| move |scored: &Scored| metric::find(name)?.compute(scored);
    vec![
        Block::Table(Table {
            caption: format!("Reliability of the scores, {rows}"),
            columns: ["smaller is better", "before", "after"].map(str::to_owned).to_vec(),
            rows: vec![
                figure("expected calibration error", &expected_error),
                figure("log loss", &metric("log_loss")),
                figure("Brier score", &metric("brier_score_loss")),
            ],
        }),
        Block::Lines(Lines {
            caption: format!("Calibration before and after, {rows}"),
            x: "mean score in the bin".to_owned(),
            y: "share of the class".to_owned(),
            series: vec![line("before", before), line("after", after)],
            diagonal: true,
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::Predictions;

    const SCORE: [f64; 15] = [0.03, 0.11, 0.11, 0.2, 0.27, 0.35, 0.35, 0.44, 0.52, 0.6, 0.71, 0.71, 0.83, 0.9, 0.97];
    const IS: [f64; 15] = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0];
    const WEIGHT: [f64; 15] = [1.0, 2.0, 1.0, 0.5, 1.0, 1.0, 3.0, 1.0, 1.0, 2.0, 1.0, 1.0, 0.0, 1.0, 1.5];
    const NEW: [f64; 9] = [0.0, 0.05, 0.11, 0.3, 0.4, 0.55, 0.75, 0.88, 1.0];

    fn binary(score: &[f64], y: &[f64], weight: &[f64]) -> Scored {
        let mut scored = Scored::empty(&Task::Classification { classes: vec!["no".into(), "yes".into()], positive: Some(1) });
        scored.push(&Predictions::Scores(vec![score.iter().map(|s| 1.0 - s).collect(), score.to_vec()]));
        Scored { y: y.to_vec(), weight: weight.to_vec(), ..scored }
    }

    /// Numbers computed by `python tests/golden/wrappers.py` (scikit-learn 1.9.1).
    #[test]
    fn it_agrees_with_scikit_learn() {
        // A score of 1 makes the sigmoid one of scores, as for an estimator without a decision function.
        let with_one = |values: &[f64]| values.iter().copied().chain([1.0]).collect::<Vec<f64>>();
        let plain = [1.0; 15];
        let cases = [
            (Method::Isotonic, binary(&SCORE, &IS, &plain), 1e-9, [0.0, 0.062_5, 0.25, 0.281_25, 1.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0, 1.0]),
            (Method::Isotonic, binary(&SCORE, &IS, &WEIGHT), 1e-9, [0.0, 1.0 / 19.0, 4.0 / 19.0, 4.0 / 19.0, 4.0 / 19.0, 2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0, 1.0]),
            (
                Method::Sigmoid,
                binary(&SCORE, &IS, &plain),
                1e-6,
                [
                    5.347_902_516_655_778e-6,
                    0.246_527_373_085_762_97,
                    0.305_888_926_513_474_16,
                    0.404_767_599_384_135_7,
                    0.442_380_382_157_916_03,
                    0.494_985_556_468_443_55,
                    0.572_775_825_666_284_9,
                    0.646_797_330_910_408_6,
                    0.999_993_598_399_972_8,
                ],
            ),
            (
                Method::Sigmoid,
                binary(&SCORE, &IS, &WEIGHT),
                1e-6,
                [
                    4.458_940_342_622_417e-7,
                    0.185_095_039_469_663_16,
                    0.244_692_083_324_345_6,
                    0.352_072_533_912_278_3,
                    0.395_041_090_410_311_93,
                    0.456_594_120_065_758_6,
                    0.549_689_874_764_797_8,
                    0.639_035_865_008_797_5,
                    0.999_999_253_943_705_4,
                ],
            ),
            (
                Method::Sigmoid,
                binary(&with_one(&SCORE), &with_one(&IS), &with_one(&WEIGHT)),
                1e-6,
                [
                    0.176_844_618_821_922_2,
                    0.197_772_337_532_804_1,
                    0.225_279_801_680_749_68,
                    0.329_093_518_750_149,
                    0.392_433_971_760_93,
                    0.493_925_371_648_136_8,
                    0.628_570_882_805_099,
                    0.707_618_274_842_301_8,
                    0.771_019_857_404_880_4,
                ],
            ),
        ];
        for (method, scored, near, expected) in cases {
            let calibration = Calibration::fit(method, &scored).unwrap();
            let found = calibration.apply(&scored.task, vec![NEW.iter().map(|s| 1.0 - s).collect(), NEW.to_vec()]);
            for ((share, expected), other) in found[1].iter().zip(expected).zip(&found[0]) {
                assert!((share - expected).abs() < near && share + other == 1.0, "{method:?}: {share} {expected}");
            }
        }
    }

    #[test]
    fn several_classes_are_one_against_the_rest() {
        let raw = vec![SCORE.to_vec(), SCORE.iter().map(|s| (1.0 - s) * 0.7).collect(), SCORE.iter().map(|s| (1.0 - s) * 0.3).collect()];
        let y = [1.0, 2.0, 0.0, 1.0, 1.0, 0.0, 1.0, 2.0, 0.0, 0.0, 2.0, 0.0, 0.0, 1.0, 0.0];
        let mut scored = Scored::empty(&Task::Classification { classes: ["a", "b", "c"].map(str::to_owned).to_vec(), positive: None });
        scored.push(&Predictions::Scores(raw.clone()));
        let mut scored = Scored { y: y.to_vec(), weight: vec![1.0; 15], ..scored };
        let found = Calibration::fit(Method::Isotonic, &scored).unwrap().apply(&scored.task, raw);
        let expected = [[0.0, 0.75, 0.25], [3.0 / 13.0, 6.0 / 13.0, 4.0 / 13.0], [3.0 / 13.0, 6.0 / 13.0, 4.0 / 13.0], [9.0 / 35.0, 18.0 / 35.0, 8.0 / 35.0]];
        for (row, expected) in expected.iter().enumerate() {
            assert!((0..3).all(|class| (found[class][row] - expected[class]).abs() < 1e-9), "{row}: {found:?}");
        }
        scored.y.iter_mut().for_each(|y| *y = y.min(1.0));
        let error = Calibration::fit(Method::Isotonic, &scored).unwrap_err();
        assert_eq!(error.problems[0].message, "no validation row to calibrate the scores of some classes by: c");
    }

    #[test]
    fn calibrated_scores_of_the_rows_it_was_fitted_on_are_reliable() {
        let mut draw = crate::ml::trees::draw::Draw::new(1, 0);
        let score: Vec<f64> = (0..3000).map(|_| draw.unit()).collect();
        // Far too sure of itself.
        let y: Vec<f64> = score.iter().map(|s| f64::from(u8::from(draw.unit() < 0.4 + 0.2 * s))).collect();
        let before = binary(&score, &y, &vec![1.0; 3000]);
        for method in [Method::Sigmoid, Method::Isotonic] {
            let calibration = Calibration::fit(method, &before).unwrap();
            let after = before.with_scores(calibration.apply(&before.task, before.scores.clone()));
            assert!(expected_error(&before).unwrap() > 0.15 && expected_error(&after).unwrap() < 0.03, "{method:?}: {:?}", expected_error(&after));
        }
    }
}
