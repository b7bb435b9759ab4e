//! Coordinate descent on the residuals of rows, where sparse columns rule a Gram matrix out.
//!
//! All rows are held in memory, sparse columns turned so that each feature's rows lie together: a step of one coefficient
//! reads and changes the rows that have the feature, and no others. That a sparse column is centred is kept as one number
//! that all residuals lack (Friedman, Hastie and Tibshirani 2010, §2.3, sparse updates).

use super::design::Design;
use crate::error::Result;
use crate::ml::linalg::{Slopes, dot};

/// The residuals of scaled least squares, over the sum of the weights.
pub struct Residuals {
    weight: f64,
    /// √w (t − Zx), but for √w · shift.
    left: Vec<f64>,
    shift: f64,
    /// √w z, column by column.
    numbers: Vec<Vec<f64>>,
    features: Vec<Feature>,
    /// The rows of sparse features, feature after feature, and √w times their values there.
    rows: Vec<u32>,
    values: Vec<f64>,
    /// Σ w z² / weight of all features.
    squares: Vec<f64>,
}

/// A feature of a sparse column: where its rows end, its scaling and Σ w x.
struct Feature {
    end: usize,
    centre: f64,
    scale: f64,
    sum: f64,
}

impl Residuals {
    /// Those of coefficients that are all 0, for a design with a target.
    ///
    /// # Errors
    /// Where reading fails.
    pub fn of(design: &Design<'_>) -> Result<Self> {
        let whole = design.set.whole()?;
        let roots: Vec<f64> = whole.w.iter().map(|w| w.sqrt()).collect();
        let (target, weight, dense) = (design.target(), design.moments.weight, design.set.dense());
        let left = whole.y.iter().zip(&roots).map(|(y, root)| root * (y - target.centre) * target.scale).collect();
        let scaled = |((column, centre), scale): ((&Vec<f64>, &f64), &f64)| {
            column.iter().zip(&roots).map(|(x, root)| if *scale == 0.0 { 0.0 } else { root * (x - centre) * scale }).collect()
        };
        let numbers = whole.x.columns.iter().zip(&design.scaling.centre).zip(&design.scaling.scale).map(scaled).collect();
        let mut ends = vec![0_usize; design.features() - dense];
        let cells = || {
            whole
                .x
                .placed_blocks()
                .flat_map(|(first, block)| (0..block.rows()).flat_map(move |row| block.row(row).map(move |(j, x)| (row, first - dense + j, x))))
        };
        cells().for_each(|(_, j, _)| ends[j] += 1);
        let mut total = 0;
        for end in &mut ends {
            // Where the feature's rows start; it grows to where they end.
            let count = std::mem::replace(end, total);
            total += count;
        }
        let (mut rows, mut values) = (vec![0_u32; total], vec![0.0; total]);
        for (row, j, x) in cells() {
            rows[ends[j]] = row as u32;
            values[ends[j]] = roots[row] * x;
            ends[j] += 1;
        }
        let feature = |(j, end): (usize, usize)| Feature {
            end,
            centre: design.scaling.centre[dense + j],
            scale: design.scaling.scale[dense + j],
            sum: weight * design.moments.mean[dense + j],
        };
        let features = ends.into_iter().enumerate().map(feature).collect();
        let squares = design.squares.iter().take(design.features()).map(|squares| squares / weight).collect();
        Ok(Self { weight, left, shift: 0.0, numbers, features, rows, values, squares })
    }

    /// The root of their mean square.
    pub fn spread(&self) -> f64 {
        (dot(&self.left, &self.left) / self.weight).sqrt()
    }

    fn cells(&self, j: usize) -> std::ops::Range<usize> {
        let start = j.checked_sub(1).and_then(|before| self.features.get(before)).map_or(0, |before| before.end);
        start..self.features[j].end
    }
}

impl Slopes for Residuals {
    fn slope(&self, j: usize) -> f64 {
        if let Some(column) = self.numbers.get(j) {
            return dot(column, &self.left) / self.weight;
        }
        let j = j - self.numbers.len();
        let (cells, feature) = (self.cells(j), &self.features[j]);
        let sum: f64 = self.rows[cells.clone()].iter().zip(&self.values[cells]).map(|(row, x)| x * self.left[*row as usize]).sum();
        // The weighted residuals of a centred design sum to 0, so that the feature's centre says nothing.
        (sum + self.shift * feature.sum) * feature.scale / self.weight
    }

    fn curvature(&self, j: usize) -> f64 {
        self.squares[j]
    }

    fn moved(&mut self, j: usize, by: f64) {
        if let Some(column) = self.numbers.get(j) {
            self.left.iter_mut().zip(column).for_each(|(residual, z)| *residual -= by * z);
            return;
        }
        let j = j - self.numbers.len();
        let (cells, feature) = (self.cells(j), &self.features[j]);
        let by = by * feature.scale;
        for (row, x) in self.rows[cells.clone()].iter().zip(&self.values[cells]) {
            self.left[*row as usize] -= by * x;
        }
        self.shift += by * feature.centre;
    }
}
