//! Coordinate descent for a quadratic function with an L1 penalty.
//!
//! Source: Friedman, Hastie and Tibshirani (2010), Regularization Paths for Generalized Linear Models
//! via Coordinate Descent, §2.2 (covariance updates) and §2.6 (cycling over the nonzero entries).

use super::Symmetric;

/// ½ xᵀQx − cᵀx + Σ l1ⱼ|xⱼ| + ½ Σ l2ⱼxⱼ².
pub struct Quadratic<'a> {
    pub matrix: &'a Symmetric,
    pub linear: &'a [f64],
    pub l1: &'a [f64],
    pub l2: &'a [f64],
}

/// What coordinate descent asks of ½ xᵀQx − cᵀx.
pub trait Slopes {
    /// (c − Qx)ⱼ.
    fn slope(&self, j: usize) -> f64;

    /// Qⱼⱼ.
    fn curvature(&self, j: usize) -> f64;

    /// Takes notice of xⱼ having moved.
    fn moved(&mut self, j: usize, by: f64);
}

/// The slopes where Q is held: a row of it a move.
struct Held {
    square: Vec<Vec<f64>>,
    slope: Vec<f64>,
}

impl Slopes for Held {
    fn slope(&self, j: usize) -> f64 {
        self.slope[j]
    }

    fn curvature(&self, j: usize) -> f64 {
        self.square[j][j]
    }

    fn moved(&mut self, j: usize, by: f64) {
        self.slope.iter_mut().zip(&self.square[j]).for_each(|(slope, q)| *slope -= q * by);
    }
}

/// Improves `x` until no entry moves by more than `tolerance` (in units where the function's
/// curvature along it is one), at most `sweeps` times over all entries; true if that was reached.
pub fn descend(function: &Quadratic<'_>, x: &mut [f64], tolerance: f64, sweeps: usize) -> bool {
    let size = function.matrix.size();
    let square: Vec<Vec<f64>> = (0..size).map(|i| (0..size).map(|j| function.matrix.get(i, j)).collect()).collect();
    let slope: Vec<f64> = function.linear.iter().zip(function.matrix.times(x)).map(|(c, qx)| c - qx).collect();
    descend_along(&mut Held { square, slope }, function.l1, function.l2, x, tolerance, sweeps)
}

/// [`descend`], where the slopes at `x` are known in any other way.
pub fn descend_along(slopes: &mut impl Slopes, l1: &[f64], l2: &[f64], x: &mut [f64], tolerance: f64, sweeps: usize) -> bool {
    let mut sweep = |x: &mut [f64], only_nonzero: bool| {
        let mut largest = 0.0_f64;
        for j in 0..x.len() {
            let old = x[j];
            if only_nonzero && old == 0.0 {
                continue;
            }
            let own = slopes.curvature(j);
            let curvature = own + l2[j];
            let new = if curvature > 0.0 { shrink(slopes.slope(j) + own * old, l1[j]) / curvature } else { 0.0 };
            if new != old {
                slopes.moved(j, new - old);
                x[j] = new;
                largest = largest.max((new - old).abs() * curvature.sqrt());
            }
        }
        largest
    };
    let mut left = sweeps;
    while left > 0 {
        left -= 1;
        if sweep(x, false) <= tolerance {
            return true;
        }
        while left > 0 {
            left -= 1;
            if sweep(x, true) <= tolerance {
                break;
            }
        }
    }
    false
}

fn shrink(value: f64, by: f64) -> f64 {
    if value > by {
        value - by
    } else if value < -by {
        value + by
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separable_function_is_minimised_by_shrinking() {
        let mut matrix = Symmetric::zeros(2);
        matrix.set(0, 0, 2.0);
        matrix.set(1, 1, 1.0);
        let mut x = [0.0; 2];
        let function = Quadratic { matrix: &matrix, linear: &[5.0, 0.5], l1: &[1.0, 1.0], l2: &[2.0, 0.0] };
        assert!(descend(&function, &mut x, 1e-12, 100));
        assert_eq!(x, [1.0, 0.0]);
    }
}
