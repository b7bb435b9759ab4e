//! Least squares from a Gram matrix: Cholesky with pivoting, and the shortest solution where many fit.
//!
//! Every column is first scaled to length one, so a change of a feature's unit changes neither the
//! rank nor the accuracy. A column that the columns before it explain up to [`CUT_OFF`] of its sum of
//! squares counts as a combination of them. Then infinitely many solutions fit equally well, and the
//! one with the smallest sum of squares (in the features' own units) is returned, as scikit-learn's
//! `LinearRegression` does through a singular value decomposition (its cut-off is 1e-6 on lengths,
//! which is 1e-12 on squares).
//!
//! Source: Golub and Van Loan, Matrix Computations, 4th ed., §4.2.8 (pivoted Cholesky) and §5.5
//! (minimum norm).

use super::{Symmetric, dot};

/// A column counts as a combination of others where they leave no more than this share of its squares.
pub const CUT_OFF: f64 = 1e-12;

/// A factored Gram matrix.
pub struct Solver {
    /// Which column stands at each position; the first `rank` are independent.
    order: Vec<usize>,
    rank: usize,
    /// The Cholesky factor by rows, in that order; a row has at most `rank` entries.
    rows: Vec<Vec<f64>>,
    /// What scales each column to length one; 0 for a column of zeros.
    length: Vec<f64>,
    units: Vec<f64>,
    span: Span,
    smallest: f64,
}

/// Where the shortest solution lies; the vectors are orthonormal.
enum Span {
    Everywhere,
    Along(Vec<Vec<f64>>),
    Across(Vec<Vec<f64>>),
}

impl Solver {
    /// Factors a positive semidefinite matrix. `units[j]` turns a solution's entry `j` into the unit in
    /// which it is to be short.
    #[must_use]
    pub fn new(matrix: &Symmetric, units: &[f64]) -> Self {
        let size = matrix.size();
        let diagonal = (0..size).map(|j| matrix.get(j, j));
        let length: Vec<f64> = diagonal.map(|d| if d > 0.0 && d.is_finite() { 1.0 / d.sqrt() } else { 0.0 }).collect();
        let mut order: Vec<usize> = (0..size).collect();
        let mut left: Vec<f64> = length.iter().map(|length| if *length > 0.0 { 1.0 } else { 0.0 }).collect();
        let mut rows: Vec<Vec<f64>> = vec![Vec::new(); size];
        let mut rank = 0;
        let mut smallest = 1.0_f64;
        while rank < size {
            let (pivot, value) = left.iter().copied().enumerate().skip(rank).fold((rank, f64::MIN), |best, next| if next.1 > best.1 { next } else { best });
            if value <= CUT_OFF {
                break;
            }
            order.swap(rank, pivot);
            left.swap(rank, pivot);
            rows.swap(rank, pivot);
            let root = value.sqrt();
            smallest = smallest.min(value);
            rows[rank].push(root);
            let (done, rest) = rows.split_at_mut(rank + 1);
            let column = order[rank];
            for (i, row) in (rank + 1..).zip(rest) {
                let entry = matrix.get(order[i], column) * length[order[i]] * length[column];
                let entry = (entry - dot(row, &done[rank])) / root;
                row.push(entry);
                left[i] -= entry * entry;
            }
            rank += 1;
        }
        let mut solver = Self { order, rank, rows, length, units: units.to_vec(), span: Span::Everywhere, smallest };
        solver.span = solver.find_span();
        solver
    }

    /// The smallest share of a column's squares that the columns before it left unexplained.
    #[must_use]
    pub fn smallest_pivot(&self) -> f64 {
        self.smallest
    }

    /// The solution, in the units given at the start; 0 for columns of zeros.
    #[must_use]
    pub fn solve(&self, right: &[f64]) -> Vec<f64> {
        let mut y = Vec::with_capacity(self.rank);
        for (i, row) in self.rows.iter().enumerate().take(self.rank) {
            let column = self.order[i];
            let value = right[column] * self.length[column] - dot(&row[..i], &y);
            y.push(value / row[i]);
        }
        self.solve_transposed(&mut y);
        let mut solution = vec![0.0; self.order.len()];
        for (value, column) in y.iter().zip(&self.order) {
            solution[*column] = value * self.unit(*column);
        }
        match &self.span {
            Span::Everywhere => solution,
            Span::Along(basis) => {
                let mut inside = vec![0.0; solution.len()];
                for vector in basis {
                    add(&mut inside, vector, dot(vector, &solution));
                }
                inside
            }
            Span::Across(basis) => {
                for vector in basis {
                    let share = dot(vector, &solution);
                    add(&mut solution, vector, -share);
                }
                solution
            }
        }
    }

    fn unit(&self, column: usize) -> f64 {
        self.length[column] * self.units[column]
    }

    /// Solves with the transposed independent part of the factor, in place.
    fn solve_transposed(&self, y: &mut [f64]) {
        for i in (0..self.rank).rev() {
            let row = &self.rows[i];
            y[i] /= row[i];
            let value = y[i];
            add(&mut y[..i], &row[..i], -value);
        }
    }

    fn find_span(&self) -> Span {
        let size = self.order.len();
        let free: Vec<usize> = (self.rank..size).filter(|i| self.length[self.order[*i]] > 0.0).collect();
        if free.is_empty() {
            return Span::Everywhere;
        }
        if free.len() <= self.rank {
            // Each dependent column gives one direction that changes no prediction.
            let basis = free.into_iter().map(|i| {
                let mut along: Vec<f64> = self.rows[i][..self.rank].iter().map(|entry| -entry).collect();
                self.solve_transposed(&mut along);
                let mut vector = vec![0.0; size];
                along.iter().zip(&self.order).for_each(|(value, column)| vector[*column] = value * self.unit(*column));
                vector[self.order[i]] = self.unit(self.order[i]);
                vector
            });
            Span::Across(orthonormal(basis.collect()))
        } else {
            // Fewer directions change predictions than do not.
            let basis = (0..self.rank).map(|t| {
                let mut vector = vec![0.0; size];
                for (row, column) in self.rows.iter().zip(&self.order).skip(t) {
                    let unit = self.unit(*column);
                    vector[*column] = if unit > 0.0 { row[t] / unit } else { 0.0 };
                }
                vector
            });
            Span::Along(orthonormal(basis.collect()))
        }
    }
}

fn add(to: &mut [f64], vector: &[f64], factor: f64) {
    to.iter_mut().zip(vector).for_each(|(to, value)| *to += factor * value);
}

/// Gram–Schmidt, each vector twice, which leaves no more than rounding.
fn orthonormal(vectors: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(vectors.len());
    for mut vector in vectors {
        normalise(&mut vector);
        for _ in 0..2 {
            for earlier in &basis {
                let share = dot(earlier, &vector);
                add(&mut vector, earlier, -share);
            }
            normalise(&mut vector);
        }
        basis.push(vector);
    }
    basis
}

fn normalise(vector: &mut [f64]) {
    let largest = vector.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if largest > 0.0 {
        for value in vector.iter_mut() {
            *value /= largest;
        }
        let length = dot(vector, vector).sqrt();
        for value in vector.iter_mut() {
            *value /= length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gram(rows: &[&[f64]], size: usize) -> Symmetric {
        let mut gram = Symmetric::zeros(size);
        for i in 0..size {
            for j in 0..=i {
                gram.set(i, j, rows.iter().map(|row| row[i] * row[j]).sum());
            }
        }
        gram
    }

    fn close(a: &[f64], b: &[f64]) {
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12), "{a:?} is not {b:?}");
    }

    #[test]
    fn a_regular_system_is_solved() {
        let matrix = gram(&[&[1.0, 2.0], &[3.0, 1.0]], 2);
        let solver = Solver::new(&matrix, &[1.0; 2]);
        close(&solver.solve(&matrix.times(&[2.0, -1.0])), &[2.0, -1.0]);
    }

    #[test]
    fn of_many_solutions_the_shortest_is_given() {
        // Two equal columns share the coefficient; with three the direction counts change places.
        let two = gram(&[&[1.0, 1.0, 0.0], &[2.0, 2.0, 1.0]], 3);
        close(&Solver::new(&two, &[1.0; 3]).solve(&two.times(&[4.0, 0.0, 5.0])), &[2.0, 2.0, 5.0]);
        let three = gram(&[&[1.0, 1.0, 1.0], &[2.0, 2.0, 2.0]], 3);
        close(&Solver::new(&three, &[1.0; 3]).solve(&three.times(&[3.0, 0.0, 0.0])), &[1.0, 1.0, 1.0]);
        // A column in half the unit takes twice the coefficient: (1, 2) is the shortest along x + 2y = 5.
        let units = gram(&[&[1.0, 2.0], &[3.0, 6.0]], 2);
        close(&Solver::new(&units, &[1.0; 2]).solve(&units.times(&[5.0, 0.0])), &[1.0, 2.0]);
    }

    #[test]
    fn a_column_of_zeros_gets_zero() {
        let matrix = gram(&[&[1.0, 0.0], &[3.0, 0.0]], 2);
        close(&Solver::new(&matrix, &[1.0; 2]).solve(&[20.0, 0.0]), &[2.0, 0.0]);
    }
}
