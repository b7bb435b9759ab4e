//! Regression metrics. y is the truth, ŷ the prediction, w the weights; all as long as there are rows.

use super::super::model::Scored;

pub fn absolute_error(scored: &Scored, row: usize) -> f64 {
    (scored.y[row] - scored.prediction[row]).abs()
}

pub fn squared_error(scored: &Scored, row: usize) -> f64 {
    let error = scored.y[row] - scored.prediction[row];
    error * error
}

pub fn percentage_error(scored: &Scored, row: usize) -> f64 {
    absolute_error(scored, row) / scored.y[row].abs().max(f64::EPSILON)
}

/// Not defined where a target is below 0 or a prediction is not above 0.
pub fn poisson_deviance(scored: &Scored, row: usize) -> f64 {
    let (y, p) = (scored.y[row], scored.prediction[row]);
    if y >= 0.0 && p > 0.0 { 2.0 * (if y == 0.0 { 0.0 } else { y * (y / p).ln() } - y + p) } else { f64::NAN }
}

/// Not defined where a target or a prediction is not above 0.
pub fn gamma_deviance(scored: &Scored, row: usize) -> f64 {
    let (y, p) = (scored.y[row], scored.prediction[row]);
    if y > 0.0 && p > 0.0 { 2.0 * ((p / y).ln() + y / p - 1.0) } else { f64::NAN }
}

/// 1 where the target lies inside its interval.
pub fn is_covered(scored: &Scored, row: usize) -> f64 {
    let y = scored.y[row];
    scored.adjustments.interval(scored.prediction[row]).map_or(f64::NAN, |(lower, upper)| f64::from(u8::from(lower <= y && y <= upper)))
}

/// How wide the interval is.
pub fn width(scored: &Scored, row: usize) -> f64 {
    scored.adjustments.interval(scored.prediction[row]).map_or(f64::NAN, |(lower, upper)| upper - lower)
}

pub fn max_error(scored: &Scored) -> Option<f64> {
    scored.y.iter().zip(&scored.prediction).map(|(y, p)| (y - p).abs()).reduce(f64::max)
}

/// Σw·v over the rows that count.
fn sum(scored: &Scored, of: impl Fn(f64, f64) -> f64) -> f64 {
    scored.y.iter().zip(&scored.prediction).zip(&scored.weight).filter(|(_, w)| **w > 0.0).map(|((y, p), w)| w * of(*y, *p)).sum()
}

/// Unweighted: the median. Weighted: the averaged inverted cumulative distribution, as scikit-learn ≥ 1.7.
pub fn median_absolute_error(scored: &Scored) -> Option<f64> {
    let mut errors: Vec<(f64, f64)> =
        scored.y.iter().zip(&scored.prediction).zip(&scored.weight).map(|((y, p), w)| ((y - p).abs(), *w)).filter(|(_, w)| *w > 0.0).collect();
    errors.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = errors.iter().map(|(_, w)| w).sum::<f64>() / 2.0;
    // Six weights of 0.1 have their middle after the third, whatever the rounding of the sums.
    let rounding = errors.len() as f64 * f64::EPSILON * half;
    let mut below = 0.0;
    for (i, (error, weight)) in errors.iter().enumerate() {
        below += weight;
        if below > half + rounding {
            return Some(*error);
        }
        if below >= half - rounding {
            return Some(errors.get(i + 1).map_or(*error, |(next, _)| f64::midpoint(*error, *next)));
        }
    }
    errors.last().map(|(error, _)| *error)
}

pub fn r2_score(scored: &Scored) -> Option<f64> {
    explained(sum(scored, |y, p| (y - p) * (y - p)), spread(scored, |y, _| y)?, scored.rows())
}

pub fn explained_variance_score(scored: &Scored) -> Option<f64> {
    explained(spread(scored, |y, p| y - p)?, spread(scored, |y, _| y)?, scored.rows())
}

/// Σw(v − v̄)², and exactly 0 where v is constant: the mean is rounded, and a total of what rounding left
/// would make any residual look endless.
fn spread(scored: &Scored, of: impl Fn(f64, f64) -> f64) -> Option<f64> {
    let total: f64 = scored.weight.iter().sum();
    let mean = (total > 0.0).then(|| sum(scored, &of) / total)?;
    let mut values = scored.y.iter().zip(&scored.prediction).zip(&scored.weight).filter(|(_, w)| **w > 0.0).map(|((y, p), _)| of(*y, *p));
    let first = values.next()?;
    Some(if values.all(|value| value == first) { 0.0 } else { sum(scored, |y, p| (of(y, p) - mean).powi(2)) })
}

/// 1 − residual / total; a constant target gives 1 if it is met exactly, else 0. Undefined below two rows.
fn explained(residual: f64, total: f64, rows: usize) -> Option<f64> {
    if rows < 2 {
        return None;
    }
    Some(match (residual == 0.0, total == 0.0) {
        (true, _) => 1.0,
        (false, true) => 0.0,
        // A difference of the size of rounding is none.
        (false, false) => Some(1.0 - residual / total).filter(|share| share.abs() > 16.0 * f64::EPSILON).unwrap_or(0.0),
    })
}
