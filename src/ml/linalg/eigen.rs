//! Eigenvalues and eigenvectors of a symmetric matrix, by Jacobi's rotations.
//!
//! Each rotation makes one entry beside the diagonal zero; sweeps over all of them converge quadratically and
//! give small eigenvalues with high relative accuracy (Golub and Van Loan, *Matrix Computations*, 8.5).

use super::Symmetric;

/// More sweeps are never needed in practice; ten is usual.
const SWEEPS: usize = 60;

/// Eigenvalues, largest first, each with its eigenvector of length 1.
#[must_use]
pub fn eigen(matrix: &Symmetric) -> Vec<(f64, Vec<f64>)> {
    let size = matrix.size();
    let mut a: Vec<Vec<f64>> = (0..size).map(|i| (0..size).map(|j| matrix.get(i, j)).collect()).collect();
    // Row `k` becomes the eigenvector of the diagonal's entry `k`.
    let mut vectors: Vec<Vec<f64>> = (0..size).map(|i| (0..size).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for _ in 0..SWEEPS {
        let mut is_done = true;
        for p in 0..size {
            for q in p + 1..size {
                // Beside both diagonal entries it is nothing.
                if a[p][q].abs() <= f64::EPSILON * (a[p][p].abs() * a[q][q].abs()).sqrt() {
                    continue;
                }
                is_done = false;
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = tangent * cosine;
                for row in &mut a {
                    (row[p], row[q]) = (cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]);
                }
                rotate(&mut a, p, q, cosine, sine);
                rotate(&mut vectors, p, q, cosine, sine);
            }
        }
        if is_done {
            break;
        }
    }
    let mut pairs: Vec<(f64, Vec<f64>)> = vectors.into_iter().enumerate().map(|(k, vector)| (a[k][k], vector)).collect();
    pairs.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    pairs
}

/// Turns rows `p` and `q`, `p < q`.
fn rotate(rows: &mut [Vec<f64>], p: usize, q: usize, cosine: f64, sine: f64) {
    let (upper, lower) = rows.split_at_mut(q);
    for (x, y) in upper[p].iter_mut().zip(lower[0].iter_mut()) {
        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_keep_their_direction_and_belong_to_their_values() {
        let size = 6;
        let mut matrix = Symmetric::zeros(size);
        for i in 0..size {
            for j in 0..=i {
                matrix.set(i, j, 1.0 / (i + j + 1) as f64);
            }
        }
        let found = eigen(&matrix);
        // numpy.linalg.eigvalsh(scipy.linalg.hilbert(6))
        let expected = [1.618_899_858_924_34, 0.242_360_870_575_209_8, 0.016_321_521_319_875_82, 6.157_483_541_826_618e-4];
        for ((value, vector), expected) in found.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-13, "{value}");
            let image = matrix.times(vector);
            assert!(image.iter().zip(vector).all(|(a, b)| (a - value * b).abs() < 1e-14), "{image:?}");
            assert!((vector.iter().map(|v| v * v).sum::<f64>() - 1.0).abs() < 1e-14);
        }
    }
}
