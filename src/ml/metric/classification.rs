//! Classification metrics, binary and multiclass. Classes are indices; rows are weighted.

use super::super::Task;
use super::super::model::Scored;

/// Weighted counts: `[truth][prediction]`.
#[must_use]
pub fn confusion(scored: &Scored) -> Vec<Vec<f64>> {
    let classes = scored.task.classes();
    let mut counts = vec![vec![0.0; classes]; classes];
    for ((truth, said), weight) in scored.y.iter().zip(&scored.prediction).zip(&scored.weight) {
        if let Some(count) = counts.get_mut(*truth as usize).and_then(|row| row.get_mut(*said as usize)) {
            *count += weight;
        }
    }
    counts
}

/// Precision, recall, F1 and rows of one class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassScores {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    pub support: f64,
}

/// Scores of every class; an undefined ratio is 0, as in scikit-learn.
#[must_use]
pub fn per_class(scored: &Scored) -> Vec<ClassScores> {
    let counts = confusion(scored);
    (0..counts.len())
        .map(|class| {
            let hits = counts[class][class];
            let support: f64 = counts[class].iter().sum();
            let said: f64 = counts.iter().map(|row| row[class]).sum();
            ClassScores { precision: ratio(hits, said), recall: ratio(hits, support), f1: ratio(2.0 * hits, support + said), support }
        })
        .collect()
}

fn ratio(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}

/// The positive class and the negative one.
fn binary(scored: &Scored) -> Option<(usize, usize)> {
    match &scored.task {
        Task::Classification { positive: Some(positive), classes } if classes.len() == 2 => Some((*positive, 1 - *positive)),
        _ => None,
    }
}

fn cell(scored: &Scored, of: impl Fn(usize, usize) -> (usize, usize)) -> Option<f64> {
    let (positive, negative) = binary(scored)?;
    let (truth, said) = of(positive, negative);
    Some(confusion(scored)[truth][said])
}

pub fn true_negatives(scored: &Scored) -> Option<f64> {
    cell(scored, |_, n| (n, n))
}

pub fn false_positives(scored: &Scored) -> Option<f64> {
    cell(scored, |p, n| (n, p))
}

pub fn false_negatives(scored: &Scored) -> Option<f64> {
    cell(scored, |p, n| (p, n))
}

pub fn true_positives(scored: &Scored) -> Option<f64> {
    cell(scored, |p, _| (p, p))
}

/// Binary: of the positive class. Multiclass: the mean weighted by the classes' rows.
fn of_classes(scored: &Scored, of: fn(&ClassScores) -> f64) -> Option<f64> {
    let scores = per_class(scored);
    if let Some((positive, _)) = binary(scored) {
        return scores.get(positive).map(of);
    }
    let total: f64 = scores.iter().map(|s| s.support).sum();
    (total > 0.0).then(|| scores.iter().map(|s| s.support * of(s)).sum::<f64>() / total)
}

pub fn recall_score(scored: &Scored) -> Option<f64> {
    of_classes(scored, |s| s.recall)
}

pub fn precision_score(scored: &Scored) -> Option<f64> {
    of_classes(scored, |s| s.precision)
}

pub fn f1_score(scored: &Scored) -> Option<f64> {
    binary(scored).and_then(|(positive, _)| per_class(scored).get(positive).map(|s| s.f1))
}

/// The plain mean over the classes that occur in truth or prediction.
pub fn f1_score_macro(scored: &Scored) -> Option<f64> {
    let counts = confusion(scored);
    let occurs = |class: usize| counts[class].iter().sum::<f64>() > 0.0 || counts.iter().any(|row| row[class] > 0.0);
    let scores: Vec<f64> = per_class(scored).iter().enumerate().filter(|(class, _)| occurs(*class)).map(|(_, s)| s.f1).collect();
    (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
}

pub fn f1_score_weighted(scored: &Scored) -> Option<f64> {
    of_classes(scored, |s| s.f1)
}

/// 1 where the class is predicted.
pub fn is_right(scored: &Scored, row: usize) -> f64 {
    f64::from(u8::from(scored.y[row] == scored.prediction[row]))
}

pub fn balanced_accuracy_score(scored: &Scored) -> Option<f64> {
    let recalls: Vec<f64> = per_class(scored).iter().filter(|s| s.support > 0.0).map(|s| s.recall).collect();
    (!recalls.is_empty()).then(|| recalls.iter().sum::<f64>() / recalls.len() as f64)
}

/// A step down the ranking by score: weight of positives and of all rows at or above `threshold`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    pub threshold: f64,
    pub positives: f64,
    pub all: f64,
}

/// The ranking of rows by the score of `class`, highest first, equal scores together.
#[must_use]
pub fn ranking(scored: &Scored, class: usize) -> Vec<Step> {
    let Some(scores) = scored.scores.get(class) else { return Vec::new() };
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut steps: Vec<Step> = Vec::new();
    let (mut positives, mut all) = (0.0, 0.0);
    for row in order {
        all += scored.weight[row];
        if scored.y[row] as usize == class {
            positives += scored.weight[row];
        }
        match steps.last_mut().filter(|step| step.threshold == scores[row]) {
            Some(step) => *step = Step { positives, all, ..*step },
            None => steps.push(Step { threshold: scores[row], positives, all }),
        }
    }
    steps
}

/// Area under the ROC curve of one class against the rest; `None` unless both occur.
#[must_use]
pub fn auc(scored: &Scored, class: usize) -> Option<f64> {
    let steps = ranking(scored, class);
    let last = steps.last()?;
    let (positives, negatives) = (last.positives, last.all - last.positives);
    if positives <= 0.0 || negatives <= 0.0 {
        return None;
    }
    let mut area = 0.0;
    let (mut p, mut n) = (0.0, 0.0);
    for step in &steps {
        let here = step.all - step.positives;
        area += (here - n) * (step.positives + p) / 2.0;
        (p, n) = (step.positives, here);
    }
    Some(area / (positives * negatives))
}

/// Multiclass: a class without rows has no say; `None` where one class has them all.
pub fn roc_auc(scored: &Scored) -> Option<f64> {
    if let Some((positive, _)) = binary(scored) {
        return auc(scored, positive);
    }
    let mut sum = 0.0;
    let mut total = 0.0;
    for (class, scores) in per_class(scored).iter().enumerate().filter(|(_, scores)| scores.support > 0.0) {
        sum += scores.support * auc(scored, class)?;
        total += scores.support;
    }
    (total > 0.0).then(|| sum / total)
}

pub fn average_precision_score(scored: &Scored) -> Option<f64> {
    let (positive, _) = binary(scored)?;
    let steps = ranking(scored, positive);
    let total = steps.last()?.positives;
    if total <= 0.0 {
        return None;
    }
    let mut before = 0.0;
    let mut area = 0.0;
    for step in steps.iter().filter(|step| step.all > 0.0) {
        area += (step.positives - before) / total * (step.positives / step.all);
        before = step.positives;
    }
    Some(area)
}

/// Binary: (p − y)². Multiclass: Σ(p − y)² over classes.
pub fn squared_error(scored: &Scored, row: usize) -> f64 {
    let of = |class: usize| {
        let is = f64::from(u8::from(scored.y[row] as usize == class));
        scored.scores.get(class).map_or(f64::NAN, |scores| (scores[row] - is).powi(2))
    };
    binary(scored).map_or_else(|| (0..scored.scores.len()).map(of).sum(), |(positive, _)| of(positive))
}

pub fn matthews_corrcoef(scored: &Scored) -> Option<f64> {
    let counts = confusion(scored);
    let total: f64 = counts.iter().flatten().sum();
    if total <= 0.0 {
        return None;
    }
    let hits: f64 = (0..counts.len()).map(|k| counts[k][k]).sum();
    let truth: Vec<f64> = counts.iter().map(|row| row.iter().sum()).collect();
    let said: Vec<f64> = (0..counts.len()).map(|k| counts.iter().map(|row| row[k]).sum()).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let covariance = hits * total - dot(&truth, &said);
    let spread = (total * total - dot(&said, &said)) * (total * total - dot(&truth, &truth));
    Some(if spread == 0.0 { 0.0 } else { covariance / spread.sqrt() })
}
