//! Scores of repeated cross-validation share rows, so their spread tells too little of how sure their mean is.

use super::student;

/// The interval of the mean of cross-validation scores, where each was computed on `held` times as many rows as were learned from.
///
/// The variance of the mean is `(1/J + held) s²`, not `s²/J`, with Student's distribution of J − 1 degrees: Nadeau and Bengio (2003), Machine
/// Learning 52; Bouckaert and Frank (2004) for repeated folds. `None` with fewer than two scores.
#[must_use]
pub fn corrected(scores: &[f64], held: f64, ci: f64) -> Option<(f64, f64)> {
    if scores.len() < 2 {
        return None;
    }
    let count = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / count;
    let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let reach = student::quantile(f64::midpoint(1.0, ci), count - 1.0) * ((1.0 / count + held) * variance).sqrt();
    Some((mean - reach, mean + reach))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_folds_twice_over_have_the_corrected_variance() {
        // Mean 5, squares 1 + 1 + 9 + 9 = 20, s² = 20/3; two folds hold as many rows out as they learn from: (1/4 + 1) 20/3 = 25/3.
        // Of three degrees of freedom 95 % lie within 3.182446305.
        let (low, high) = corrected(&[4.0, 6.0, 2.0, 8.0], 1.0, 0.95).unwrap();
        let reach = 3.182_446_305_3 * (25.0_f64 / 3.0).sqrt();
        assert!((low - (5.0 - reach)).abs() < 1e-8 && (high - (5.0 + reach)).abs() < 1e-8);
        assert_eq!(corrected(&[1.0], 1.0, 0.95), None);
    }
}
