//! Metrics: what each is called, for which task, which way is better, and its definition.
//!
//! Definitions are scikit-learn's, weighted; names are MLflow Recipes' and scikit-learn's. A metric that
//! is not defined for the rows at hand (AUC with one class) is left out, not guessed.

pub mod classification;
pub mod plots;
pub mod regression;

#[cfg(test)]
mod golden_tests;

use std::collections::BTreeMap;

use super::Task;
use super::model::Scored;
use crate::card;

/// Raised whenever a metric's value changes.
pub const VERSION: u32 = 4;

/// The tasks a metric has a meaning for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Regression,
    Binary,
    Multiclass,
    Classification,
}

impl Kind {
    fn fits(self, task: &Task) -> bool {
        match task {
            Task::Regression => self == Self::Regression,
            Task::Classification { positive: Some(_), .. } => matches!(self, Self::Binary | Self::Classification),
            Task::Classification { positive: None, .. } => matches!(self, Self::Multiclass | Self::Classification),
        }
    }

    /// As `recipe list metrics` shows it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::Binary => "binary",
            Self::Multiclass => "multiclass",
            Self::Classification => "binary, multiclass",
        }
    }
}

/// One line of the list of metrics.
pub struct MetricEntry {
    pub name: &'static str,
    pub kind: Kind,
    pub greater_is_better: bool,
    /// One sentence and the formula.
    pub doc: &'static str,
    pub formula: Formula,
}

/// How a metric is worked out.
pub enum Formula {
    /// The weighted mean of something of each row, by its number, and what is made of that mean. Not a number where it is not defined.
    Mean(fn(&Scored, usize) -> f64, fn(f64) -> f64),
    /// Anything else; `None` where it is not defined.
    Whole(fn(&Scored) -> Option<f64>),
}

impl MetricEntry {
    /// The value, or `None` where it is not defined.
    #[must_use]
    pub fn compute(&self, scored: &Scored) -> Option<f64> {
        match self.formula {
            Formula::Mean(of, finish) => mean(scored, of).map(finish).filter(|value| !value.is_nan()),
            Formula::Whole(compute) => compute(scored),
        }
    }
}

/// Σw·v / Σw. A row of weight 0 may give what is no number.
fn mean(scored: &Scored, of: fn(&Scored, usize) -> f64) -> Option<f64> {
    let total: f64 = scored.weight.iter().sum();
    let sum = |scored: &Scored| scored.weight.iter().enumerate().filter(|(_, w)| **w > 0.0).map(|(row, w)| w * of(scored, row)).sum::<f64>();
    (total > 0.0).then(|| sum(scored) / total)
}

/// A mean as it is.
fn plain(mean: f64) -> f64 {
    mean
}

use classification as c;
use regression as r;

/// Every metric, in the order `recipe list metrics` shows them.
pub static METRICS: &[MetricEntry] = &[
    MetricEntry {
        name: "mean_absolute_error",
        kind: Kind::Regression,
        greater_is_better: false,
        doc: "Mean absolute error: Σw|y−ŷ| / Σw.",
        formula: Formula::Mean(r::absolute_error, plain),
    },
    MetricEntry {
        name: "mean_squared_error",
        kind: Kind::Regression,
        greater_is_better: false,
        doc: "Mean squared error: Σw(y−ŷ)² / Σw.",
        formula: Formula::Mean(r::squared_error, plain),
    },
    MetricEntry {
        name: "root_mean_squared_error",
        kind: Kind::Regression,
        greater_is_better: false,
        doc: "Root of the mean squared error, in the target's unit.",
        formula: Formula::Mean(r::squared_error, f64::sqrt),
    },
    MetricEntry { name: "max_error", kind: Kind::Regression, greater_is_better: false, doc: "Largest absolute error.", formula: Formula::Whole(r::max_error) },
    MetricEntry {
        name: "mean_absolute_percentage_error",
        kind: Kind::Regression,
        greater_is_better: false,
        doc: "Mean of |y−ŷ| / max(ε, |y|) with ε = 2.22e−16; a share, not per cent.",
        formula: Formula::Mean(r::percentage_error, plain),
    },
    MetricEntry {
        name: "median_absolute_error",
        kind: Kind::Regression,
        greater_is_better: false,
        doc: "Median of the absolute errors (weighted: averaged inverted CDF).",
        formula: Formula::Whole(r::median_absolute_error),
    },
    MetricEntry {
        name: "r2_score",
        kind: Kind::Regression,
        greater_is_better: true,
        doc: "Share of the variance explained: 1 − SS_res / SS_tot.",
        formula: Formula::Whole(r::r2_score),
    },
    MetricEntry {
        name: "explained_variance_score",
        kind: Kind::Regression,
        greater_is_better: true,
        doc: "1 − Var(y−ŷ) / Var(y): as r2_score, but a constant bias does not count.",
        formula: Formula::Whole(r::explained_variance_score),
    },
    MetricEntry {
        name: "mean_poisson_deviance",
        kind: Kind::Regression,
        greater_is_better: false,
        doc: "2 · mean of y ln(y/ŷ) − y + ŷ: for counts; not defined where y < 0 or ŷ ≤ 0.",
        formula: Formula::Mean(r::poisson_deviance, plain),
    },
    MetricEntry {
        name: "mean_gamma_deviance",
        kind: Kind::Regression,
        greater_is_better: false,
        doc: "2 · mean of ln(ŷ/y) + y/ŷ − 1: for positive amounts; not defined where y ≤ 0 or ŷ ≤ 0.",
        formula: Formula::Mean(r::gamma_deviance, plain),
    },
    MetricEntry {
        name: "interval_coverage",
        kind: Kind::Regression,
        greater_is_better: true,
        doc: "Share of targets inside their intervals, where `conformal` makes some.",
        formula: Formula::Mean(r::is_covered, plain),
    },
    MetricEntry {
        name: "interval_width",
        kind: Kind::Regression,
        greater_is_better: false,
        doc: "Mean width of the intervals, where `conformal` makes some.",
        formula: Formula::Mean(r::width, plain),
    },
    MetricEntry {
        name: "true_negatives",
        kind: Kind::Binary,
        greater_is_better: true,
        doc: "Negative rows that were predicted negative.",
        formula: Formula::Whole(c::true_negatives),
    },
    MetricEntry {
        name: "false_positives",
        kind: Kind::Binary,
        greater_is_better: false,
        doc: "Negative rows that were predicted positive.",
        formula: Formula::Whole(c::false_positives),
    },
    MetricEntry {
        name: "false_negatives",
        kind: Kind::Binary,
        greater_is_better: false,
        doc: "Positive rows that were predicted negative.",
        formula: Formula::Whole(c::false_negatives),
    },
    MetricEntry {
        name: "true_positives",
        kind: Kind::Binary,
        greater_is_better: true,
        doc: "Positive rows that were predicted positive.",
        formula: Formula::Whole(c::true_positives),
    },
    MetricEntry {
        name: "recall_score",
        kind: Kind::Classification,
        greater_is_better: true,
        doc: "Binary: TP / (TP + FN). Multiclass: the mean over classes, weighted by their rows.",
        formula: Formula::Whole(c::recall_score),
    },
    MetricEntry {
        name: "precision_score",
        kind: Kind::Classification,
        greater_is_better: true,
        doc: "Binary: TP / (TP + FP), 0 where nothing is predicted positive. Multiclass: the mean over classes, weighted by their rows.",
        formula: Formula::Whole(c::precision_score),
    },
    MetricEntry { name: "f1_score", kind: Kind::Binary, greater_is_better: true, doc: "2TP / (2TP + FP + FN).", formula: Formula::Whole(c::f1_score) },
    MetricEntry {
        name: "f1_score_macro",
        kind: Kind::Multiclass,
        greater_is_better: true,
        doc: "The plain mean of the classes' F1 scores.",
        formula: Formula::Whole(c::f1_score_macro),
    },
    MetricEntry {
        name: "f1_score_micro",
        kind: Kind::Multiclass,
        greater_is_better: true,
        doc: "F1 of the summed counts of all classes; equals accuracy here.",
        formula: Formula::Mean(c::is_right, plain),
    },
    MetricEntry {
        name: "f1_score_weighted",
        kind: Kind::Multiclass,
        greater_is_better: true,
        doc: "The mean of the classes' F1 scores, weighted by their rows.",
        formula: Formula::Whole(c::f1_score_weighted),
    },
    MetricEntry {
        name: "accuracy_score",
        kind: Kind::Classification,
        greater_is_better: true,
        doc: "Share of rows whose class is predicted.",
        formula: Formula::Mean(c::is_right, plain),
    },
    MetricEntry {
        name: "balanced_accuracy_score",
        kind: Kind::Classification,
        greater_is_better: true,
        doc: "The plain mean of the recall of the classes that occur.",
        formula: Formula::Whole(c::balanced_accuracy_score),
    },
    MetricEntry {
        name: "roc_auc",
        kind: Kind::Classification,
        greater_is_better: true,
        doc: "Area under the ROC curve: P(s⁺ > s⁻) + ½P(s⁺ = s⁻). Multiclass: one against the rest, averaged with the classes' rows as weights.",
        formula: Formula::Whole(c::roc_auc),
    },
    MetricEntry {
        name: "average_precision_score",
        kind: Kind::Binary,
        greater_is_better: true,
        doc: "Σ(Rₙ − Rₙ₋₁)Pₙ over the thresholds; MLflow calls it precision_recall_auc.",
        formula: Formula::Whole(c::average_precision_score),
    },
    MetricEntry {
        name: "log_loss",
        kind: Kind::Classification,
        greater_is_better: false,
        doc: "−mean ln p(true class), p clipped at 2.22e−16.",
        formula: Formula::Mean(Scored::loss, plain),
    },
    MetricEntry {
        name: "brier_score_loss",
        kind: Kind::Classification,
        greater_is_better: false,
        doc: "Binary: mean (p − y)². Multiclass: mean Σ(p − y)² over classes.",
        formula: Formula::Mean(c::squared_error, plain),
    },
    MetricEntry {
        name: "matthews_corrcoef",
        kind: Kind::Classification,
        greater_is_better: true,
        doc: "Correlation of truth and prediction, from the confusion matrix (Gorodkin's R_K for several classes).",
        formula: Formula::Whole(c::matthews_corrcoef),
    },
];

/// The metric of a name that has a meaning for the task.
#[must_use]
pub fn find(name: &str) -> Option<&'static MetricEntry> {
    METRICS.iter().find(|entry| entry.name == name)
}

/// The metrics of a task.
pub fn of_task(task: &Task) -> impl Iterator<Item = &'static MetricEntry> {
    METRICS.iter().filter(move |entry| entry.kind.fits(task))
}

/// Every metric of the task that is defined for these rows.
#[must_use]
pub fn compute_all(scored: &Scored) -> BTreeMap<String, f64> {
    of_task(&scored.task).filter_map(|entry| entry.compute(scored).filter(|v| v.is_finite()).map(|value| (entry.name.to_owned(), value))).collect()
}

/// Which way is better; unknown names end in `_score` (up) or anything else (down).
#[must_use]
pub fn greater_is_better(name: &str) -> bool {
    find(name).map_or_else(|| name.ends_with("_score"), |entry| entry.greater_is_better)
}

/// What `primary_metric` is where the recipe does not say, as in MLflow Recipes.
#[must_use]
pub fn default_primary(is_regression: bool, is_binary: bool) -> &'static str {
    match (is_regression, is_binary) {
        (true, _) => "root_mean_squared_error",
        (false, true) => "f1_score",
        (false, false) => "f1_score_macro",
    }
}

/// `root_mean_squared_error` as the terminal shows it: `rmse`.
#[must_use]
pub fn short_name(name: &str) -> &str {
    match name {
        "root_mean_squared_error" => "rmse",
        "mean_squared_error" => "mse",
        "mean_absolute_error" => "mae",
        "mean_absolute_percentage_error" => "mape",
        "r2_score" => "r2",
        "f1_score" => "f1",
        "f1_score_macro" => "f1 macro",
        "accuracy_score" => "accuracy",
        "roc_auc" => "auc",
        other => other,
    }
}

/// The task in words.
#[must_use]
pub fn task_name(task: &Task) -> &'static str {
    match task {
        Task::Regression => "regression",
        Task::Classification { positive: Some(_), .. } => "binary classification",
        Task::Classification { positive: None, .. } => "multiclass classification",
    }
}

/// Metrics side by side, the primary one first: columns are (heading, values, prefix of their names).
#[must_use]
pub fn table(primary: &str, columns: &[(&str, &BTreeMap<String, f64>, &str)]) -> card::Table {
    let mut names: Vec<String> = Vec::new();
    for (_, values, prefix) in columns {
        for name in values.keys().filter_map(|name| name.strip_prefix(prefix)) {
            if !names.iter().any(|n| n == name) {
                names.push(name.to_owned());
            }
        }
    }
    let place = |name: &str| (name != primary, METRICS.iter().position(|e| e.name == name).unwrap_or(usize::MAX));
    names.sort_by(|a, b| place(a).cmp(&place(b)).then(a.cmp(b)));
    let mut head = vec!["metric".to_owned()];
    head.extend(columns.iter().map(|(heading, ..)| (*heading).to_owned()));
    let rows = names
        .iter()
        .map(|name| {
            let mut row: Vec<card::Cell> = vec![name.as_str().into()];
            row.extend(columns.iter().map(|(_, values, prefix)| values.get(&format!("{prefix}{name}")).copied().into()));
            row
        })
        .collect();
    card::Table { caption: "Metrics".to_owned(), columns: head, rows }
}
