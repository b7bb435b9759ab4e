//! The score from which on a row is called positive: given, or the best for a metric on validation rows.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use super::metric::{self, METRICS, MetricEntry, short_name};
use super::model::Scored;
use super::{Predictions, Task};
use crate::card::format::number;
use crate::card::{Block, Cell, Line, Lines, Table};
use crate::error::{Error, Result};
use crate::value::{Fault, suggest};

/// Raised whenever the same scores give another threshold.
pub const VERSION: u32 = 1;
/// What is used where nothing is said.
pub const DEFAULT: f64 = 0.5;

const CURVE_POINTS: usize = 200;

/// `steps.train.decision_threshold`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum DecisionThreshold {
    At(f64),
    /// The best for a metric.
    BestFor(String),
}

impl<'de> Deserialize<'de> for DecisionThreshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrMetric;
        impl Visitor<'_> for NumberOrMetric {
            type Value = DecisionThreshold;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a score between 0 and 1 or a metric's name")
            }

            fn visit_f64<E>(self, threshold: f64) -> Result<DecisionThreshold, E> {
                Ok(DecisionThreshold::At(threshold))
            }

            fn visit_u64<E>(self, threshold: u64) -> Result<DecisionThreshold, E> {
                Ok(DecisionThreshold::At(threshold as f64))
            }

            fn visit_i64<E>(self, threshold: i64) -> Result<DecisionThreshold, E> {
                Ok(DecisionThreshold::At(threshold as f64))
            }

            fn visit_str<E>(self, metric: &str) -> Result<DecisionThreshold, E> {
                Ok(DecisionThreshold::BestFor(metric.to_owned()))
            }
        }
        deserializer.deserialize_any(NumberOrMetric)
    }
}

impl JsonSchema for DecisionThreshold {
    fn schema_name() -> Cow<'static, str> {
        "DecisionThreshold".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = metrics().map(|metric| metric.name).collect();
        json_schema!({
            "description": "The score from which on a row is positive, or the metric that validation's best one is taken for; default 0.5.",
            "anyOf": [{"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, {"enum": names}],
        })
    }
}

/// The metrics of two classes that a threshold moves.
fn metrics() -> impl Iterator<Item = &'static MetricEntry> {
    let of_scores = ["roc_auc", "average_precision_score", "log_loss", "brier_score_loss"];
    METRICS.iter().filter(move |entry| matches!(entry.kind, metric::Kind::Binary | metric::Kind::Classification) && !of_scores.contains(&entry.name))
}

/// A threshold that was chosen, and how the metric runs over the others.
pub struct Chosen {
    pub threshold: f64,
    entry: &'static MetricEntry,
    /// Thresholds and the metric there, ascending.
    curve: Vec<(f64, f64)>,
}

impl DecisionThreshold {
    /// # Errors
    /// A score that is not between 0 and 1; a metric that does not depend on a threshold.
    pub fn check(&self) -> Result<(), Vec<Fault>> {
        match self {
            Self::At(at) if *at > 0.0 && *at < 1.0 => Ok(()),
            Self::At(at) => Err(vec![Fault::new(&[], format!("`decision_threshold` must lie between 0 and 1, got {at}"))]),
            Self::BestFor(name) if metrics().any(|entry| entry.name == name) => Ok(()),
            Self::BestFor(name) => {
                let known: Vec<&str> = metrics().map(|entry| entry.name).collect();
                let what = if metric::find(name).is_some() { "a metric that does not depend on the threshold" } else { "no metric of two classes" };
                Err(vec![Fault::new(&[], format!("`{}` is {what}", crate::error::shorten(name))).hint(suggest(name, &known))])
            }
        }
    }

    /// The threshold in words, as it was asked for.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::At(at) => at.to_string(),
            Self::BestFor(name) => name.clone(),
        }
    }
}

/// The threshold that is best for a metric; of equally good ones the nearest to 0.5.
///
/// Between any two neighbouring scores lies one candidate, in the middle; 0.5 is one too, so that the choice is never worse.
///
/// # Errors
/// No threshold at which the metric is defined, such as with one class only.
pub fn choose(name: &str, scored: &Scored) -> Result<Chosen> {
    let Task::Classification { positive: Some(positive), classes } = &scored.task else { return Err(Error::bug("a threshold is for two classes")) };
    let entry = metrics().find(|entry| entry.name == name).ok_or_else(|| Error::bug(format!("no metric of a threshold: {name}")))?;
    let has_both = (0..classes.len()).all(|class| scored.y.iter().any(|y| *y as usize == class));
    let steps = metric::classification::ranking(scored, *positive);
    let (Some(last), true) = (steps.last().copied(), has_both) else {
        return Err(Error::data("validation rows of both classes are needed to choose a threshold by")
            .path("steps.train.decision_threshold")
            .hint("give validation a larger share, or deal classes out with `split: {using: stratified}`"));
    };
    // Hits and calls at or above each candidate.
    let mut candidates: Vec<(f64, f64, f64)> = Vec::with_capacity(steps.len() + 1);
    for (i, step) in steps.iter().enumerate() {
        let below = steps.get(i + 1).map_or(step.threshold, |next| f64::midpoint(next.threshold, step.threshold));
        candidates.push((below, step.positives, step.all));
    }
    let half = steps.iter().take_while(|step| step.threshold >= DEFAULT).last();
    candidates.push(half.map_or((DEFAULT, 0.0, 0.0), |step| (DEFAULT, step.positives, step.all)));
    let value = |(_, hits, called): &(f64, f64, f64)| {
        let misses = last.positives - hits;
        entry.compute(&counts(&scored.task, *positive, [*hits, called - hits, misses, last.all - called - misses])).filter(|v| v.is_finite())
    };
    let mut curve: Vec<(f64, f64)> = candidates.iter().filter_map(|candidate| Some((candidate.0, value(candidate)?))).collect();
    curve.sort_by(|a, b| a.0.total_cmp(&b.0));
    let better = |a: f64, b: f64| if entry.greater_is_better { a > b } else { a < b };
    let mut best: Option<(f64, f64)> = None;
    for (threshold, value) in &curve {
        let is_best = best.is_none_or(|(at, most)| better(*value, most) || (*value == most && (threshold - DEFAULT).abs() < (at - DEFAULT).abs()));
        if is_best {
            best = Some((*threshold, *value));
        }
    }
    let Some((threshold, _)) = best else {
        return Err(Error::data(format!("`{name}` is not defined on the validation rows")).path("steps.train.decision_threshold"));
    };
    Ok(Chosen { threshold, entry, curve })
}

/// Four rows that weigh as much as the true and false positives, the false and true negatives.
fn counts(task: &Task, positive: usize, weights: [f64; 4]) -> Scored {
    let (yes, no) = (positive as f64, (1 - positive) as f64);
    Scored { y: vec![yes, no, yes, no], prediction: vec![yes, yes, no, no], weight: weights.to_vec(), ..Scored::empty(task) }
}

impl Chosen {
    /// What was chosen, in a sentence.
    #[must_use]
    pub fn describe(&self, positive: &str) -> String {
        let short = short_name(self.entry.name);
        if self.threshold == DEFAULT {
            return format!("A row is called `{positive}` from score 0.5 on: no other threshold has a better {short} on validation.");
        }
        let at = |threshold: f64| self.curve.iter().find(|(t, _)| *t == threshold).map_or_else(|| "—".to_owned(), |(_, value)| number(*value));
        format!(
            "A row is called `{positive}` from score {} on: the best for {short} on validation, {} against {} at 0.5.",
            number(self.threshold),
            at(self.threshold),
            at(DEFAULT)
        )
    }

    /// The metric over the thresholds.
    #[must_use]
    pub fn curve(&self) -> Block {
        let short = short_name(self.entry.name);
        let every = self.curve.len().div_ceil(CURVE_POINTS).max(1);
        let points = self.curve.iter().enumerate().filter(|(i, (t, _))| i % every == 0 || *t == self.threshold).map(|(_, point)| *point).collect();
        Block::Lines(Lines {
            caption: format!("{short} by decision threshold, validation"),
            x: "threshold".to_owned(),
            y: short.to_owned(),
            series: vec![Line { name: short.to_owned(), points }],
            diagonal: false,
        })
    }
}

/// Label metrics at 0.5 and at a threshold, side by side.
#[must_use]
pub fn table(scored: &Scored, threshold: f64) -> Block {
    let at = |threshold: f64| {
        let mut again = Scored::empty(&scored.task);
        again.adjustments.threshold = Some(threshold);
        again.push(&Predictions::Scores(scored.scores.clone()));
        Scored { y: scored.y.clone(), weight: scored.weight.clone(), ..again }
    };
    let (half, chosen) = (at(DEFAULT), at(threshold));
    let row = |entry: &MetricEntry| -> Vec<Cell> { vec![entry.name.into(), entry.compute(&half).into(), entry.compute(&chosen).into()] };
    Block::Table(Table {
        caption: "What the threshold changes, on validation".to_owned(),
        columns: vec!["metric".to_owned(), "at 0.5".to_owned(), format!("at {}", number(threshold))],
        rows: metrics().map(row).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(y: &[f64], score: &[f64]) -> Scored {
        let task = Task::Classification { classes: vec!["no".into(), "yes".into()], positive: Some(1) };
        let mut scored = Scored::empty(&task);
        scored.push(&Predictions::Scores(vec![score.iter().map(|s| 1.0 - s).collect(), score.to_vec()]));
        Scored { y: y.to_vec(), weight: vec![1.0; y.len()], ..scored }
    }

    #[test]
    fn the_best_cut_lies_between_two_scores() {
        // F1 by cuts from the top: 2/4, 4/5, 4/6, 6/7, 6/8: best where four of five are called positive.
        let rows = scored(&[0.0, 1.0, 0.0, 1.0, 1.0], &[0.05, 0.1, 0.2, 0.3, 0.4]);
        let chosen = choose("f1_score", &rows).unwrap();
        assert!((chosen.threshold - 0.075).abs() < 1e-15, "{}", chosen.threshold);
        assert_eq!(chosen.describe("yes"), "A row is called `yes` from score 0.075 on: the best for f1 on validation, 0.8571 against 0 at 0.5.");
    }

    #[test]
    fn of_equally_good_thresholds_the_nearest_to_one_half_is_taken() {
        let rows = scored(&[0.0, 0.0, 1.0, 1.0], &[0.1, 0.2, 0.7, 0.9]);
        assert_eq!(choose("accuracy_score", &rows).unwrap().threshold, 0.5);
        // Smaller is better here, and never calling anybody positive has none: 0.5 is as good as anything above 0.2.
        let rows = scored(&[0.0, 1.0, 0.0], &[0.1, 0.2, 0.3]);
        assert_eq!(choose("false_positives", &rows).unwrap().threshold, 0.5);
        assert!(choose("f1_score", &scored(&[0.0, 0.0], &[0.1, 0.9])).is_err());
    }

    #[test]
    fn no_other_threshold_is_better() {
        let mut draw = crate::ml::trees::draw::Draw::new(5, 0);
        let score: Vec<f64> = (0..300).map(|_| (draw.unit() * 50.0).floor() / 50.0).collect();
        let y: Vec<f64> = score.iter().map(|s| f64::from(u8::from(draw.unit() < s * s))).collect();
        let rows = scored(&y, &score);
        for entry in metrics() {
            let chosen = choose(entry.name, &rows).unwrap();
            let value = |threshold: f64| {
                let mut at = Scored::empty(&rows.task);
                at.adjustments.threshold = Some(threshold);
                at.push(&Predictions::Scores(rows.scores.clone()));
                entry.compute(&Scored { y: y.clone(), weight: rows.weight.clone(), ..at }).unwrap()
            };
            let best = value(chosen.threshold);
            for i in 1..100 {
                let other = value(f64::from(i) / 100.0);
                assert!(if entry.greater_is_better { best >= other } else { best <= other }, "{}: {best} {other}", entry.name);
            }
        }
    }
}
