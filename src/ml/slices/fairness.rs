//! Fairness: what a model does to groups of people, and how far the groups lie apart.
//!
//! Names and definitions are fairlearn's. Two classes: the share of a group that is predicted positive (`selection_rate`), and that share among those
//! that are positive (`true_positive_rate`) and negative (`false_positive_rate`); `demographic_parity_difference` and `_ratio` are the greatest
//! selection rate less, or under, the least, `equalized_odds_difference` the greater of the differences of the two other rates. Numbers:
//! the mean of prediction − target (`mean_error`) and of its absolute value. For more than two classes there is nothing here: which class is the
//! good one is not known.
//!
//! Rates have Wilson's interval (1927), with (Σw)²/Σw² rows where rows have weights (Kish 1965); means have Student's. Groups below
//! [`FEWEST`] rows are counted and not compared: their rates would decide the differences by chance. A rate that is not defined, since a group has
//! no positive row, is left out.

use serde::{Deserialize, Serialize};

use crate::ml::Task;
use crate::ml::model::Scored;
use crate::ml::uncertainty::{FEWEST, normal_quantile, student};

/// What the groups of a column get.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fairness {
    pub column: String,
    pub groups: Vec<Group>,
    /// How far the groups lie apart: `demographic_parity_difference` and its like, in a fixed order.
    pub apart: Vec<(String, f64)>,
}

/// What one group gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// `sex = f`.
    pub name: String,
    pub rows: usize,
    /// Of all rows.
    pub share: f64,
    /// In the order of the figures' names; empty for groups with too few rows.
    pub figures: Vec<Figure>,
}

/// A figure of a group with its interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    pub name: String,
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Group {
    /// The figure of a name.
    #[must_use]
    pub fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }
}

/// The figures that groups have.
#[must_use]
pub fn figures(task: &Task) -> &'static [&'static str] {
    match task {
        Task::Regression => &["mean_error", "mean_absolute_error"],
        Task::Classification { positive: Some(_), .. } => &["selection_rate", "true_positive_rate", "false_positive_rate"],
        Task::Classification { positive: None, .. } => &[],
    }
}

/// Holds groups, each given by its name and its rows, against each other; `None` for more than two classes.
#[must_use]
pub fn fairness(scored: &Scored, column: &str, groups: &[(String, Vec<usize>)], ci: f64) -> Option<Fairness> {
    let names = figures(&scored.task);
    if names.is_empty() {
        return None;
    }
    let group = |(name, rows): &(String, Vec<usize>)| Group {
        name: name.clone(),
        rows: rows.len(),
        share: rows.len() as f64 / scored.rows().max(1) as f64,
        figures: if rows.len() < FEWEST { Vec::new() } else { names.iter().filter_map(|name| figure(scored, rows, name, ci)).collect() },
    };
    let groups: Vec<Group> = groups.iter().map(group).collect();
    let range = |name: &str| -> Option<(f64, f64)> {
        let values: Vec<f64> = groups.iter().filter_map(|group| group.figure(name)).map(|figure| figure.value).collect();
        let ends = (values.iter().copied().fold(f64::INFINITY, f64::min), values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        (values.len() > 1).then_some(ends)
    };
    let difference = |name: &str| range(name).map(|(low, high)| high - low);
    let apart: Vec<(&str, Option<f64>)> = if scored.task == Task::Regression {
        vec![("mean_error_difference", difference("mean_error")), ("mean_absolute_error_difference", difference("mean_absolute_error"))]
    } else {
        let odds = [difference("true_positive_rate"), difference("false_positive_rate")];
        vec![
            ("demographic_parity_difference", difference("selection_rate")),
            ("demographic_parity_ratio", range("selection_rate").map(|(low, high)| low / high).filter(|ratio| ratio.is_finite())),
            ("equalized_odds_difference", odds.into_iter().flatten().reduce(f64::max)),
        ]
    };
    let apart = apart.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    Some(Fairness { column: column.to_owned(), groups, apart })
}

/// One figure of some rows; `None` where it is not defined for them.
fn figure(scored: &Scored, rows: &[usize], name: &str, ci: f64) -> Option<Figure> {
    let positive = match scored.task {
        Task::Classification { positive, .. } => positive? as f64,
        Task::Regression => f64::NAN,
    };
    let of = |row: &usize| -> Option<f64> {
        let (y, prediction) = (scored.y[*row], scored.prediction[*row]);
        let selected = f64::from(u8::from(prediction == positive));
        match name {
            "mean_error" => Some(prediction - y),
            "mean_absolute_error" => Some((prediction - y).abs()),
            "true_positive_rate" => (y == positive).then_some(selected),
            "false_positive_rate" => (y != positive).then_some(selected),
            _ => Some(selected),
        }
    };
    let values: Vec<(f64, f64)> = rows.iter().filter_map(|row| Some((of(row)?, scored.weight[*row]))).collect();
    let weight: f64 = values.iter().map(|(_, weight)| weight).sum();
    let squares: f64 = values.iter().map(|(_, weight)| weight * weight).sum();
    let mean = values.iter().map(|(value, weight)| value * weight).sum::<f64>() / weight;
    if !mean.is_finite() {
        return None;
    }
    let count = weight * weight / squares;
    let (low, high) = if scored.task == Task::Regression {
        let around: f64 = values.iter().map(|(value, weight)| (weight * (value - mean)).powi(2)).sum();
        let degrees = (values.len() as f64 - 1.0).max(1.0);
        let error = (around * values.len() as f64 / degrees).sqrt() / weight;
        let reach = student::quantile(f64::midpoint(1.0, ci), degrees) * error;
        (mean - reach, mean + reach)
    } else {
        wilson(mean, count, ci)
    };
    Some(Figure { name: name.to_owned(), value: mean, low, high })
}

/// The score interval of a share of so many rows.
fn wilson(share: f64, rows: f64, ci: f64) -> (f64, f64) {
    let z = normal_quantile(f64::midpoint(1.0, ci));
    let (center, spread) = (share + z * z / (2.0 * rows), z * (share * (1.0 - share) / rows + z * z / (4.0 * rows * rows)).sqrt());
    let scale = 1.0 + z * z / rows;
    (((center - spread) / scale).max(0.0), ((center + spread) / scale).min(1.0))
}
