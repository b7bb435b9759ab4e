//! The columns that an iterative linear fit works on, and the way back from its unknowns to coefficients.
//!
//! Columns are scaled by powers of two and centred where there is an intercept, which changes neither penalty nor
//! optimum; a last column of ones stands for the intercept. Sparse columns are scaled and centred in thought only: what
//! their products with rows lack is the same for all rows.

use super::linear_model::Output;
use super::shared::{Moments, Scaling, Targets};
use crate::error::Result;
use crate::ml::linalg::{Block, ROWS, dot};
use crate::ml::{Chunk, TrainingSet};

pub struct Design<'a> {
    pub set: &'a TrainingSet,
    /// Features, and behind them the target where it was asked for.
    pub moments: Moments,
    /// The same columns.
    pub scaling: Scaling,
    /// The features' standard deviations.
    pub deviations: Vec<f64>,
    /// Σ w z² of every feature, and of the ones where there is an intercept.
    pub squares: Vec<f64>,
    /// Unknowns of an output: features, and behind them the intercept where there is one.
    pub width: usize,
    pub intercept: bool,
}

/// [`ROWS`] rows of a chunk; those that a shorter piece lacks have the weight 0.
pub struct Rows<'a> {
    /// Scaled columns of numbers, and ones where there is an intercept.
    pub block: Block,
    /// The targets as they are.
    pub y: [f64; ROWS],
    pub w: [f64; ROWS],
    chunk: &'a Chunk,
    start: usize,
}

/// Unknowns of one output: see [`Design::plane`].
pub struct Plane {
    numbers: Vec<f64>,
    /// Those of sparse columns, times their scale.
    sparse: Vec<f64>,
    /// What centring takes from every row.
    shift: f64,
}

impl Rows<'_> {
    /// The plane's values.
    pub fn outputs(&self, plane: &Plane) -> [f64; ROWS] {
        let mut outputs = [0.0; ROWS];
        self.add(plane, &mut outputs);
        outputs
    }

    /// Adds the plane's values.
    pub fn add(&self, plane: &Plane, outputs: &mut [f64; ROWS]) {
        for (column, x) in self.block.columns.iter().zip(&plane.numbers) {
            outputs.iter_mut().zip(column).for_each(|(sum, z)| *sum += x * z);
        }
        let dense = self.chunk.x.columns.len();
        for (first, block) in self.chunk.x.placed_blocks() {
            for (row, output) in (self.start..block.rows()).zip(outputs.iter_mut()) {
                *output += block.row(row).map(|(place, value)| plane.sparse[first - dense + place] * value).sum::<f64>();
            }
        }
        if !plane.sparse.is_empty() {
            for output in outputs {
                *output -= plane.shift;
            }
        }
    }
}

/// What stands for a target y: (y − centre) · scale.
#[derive(Clone, Copy)]
pub struct TargetScale {
    pub centre: f64,
    pub scale: f64,
}

impl TargetScale {
    /// The target itself.
    pub const NONE: Self = Self { centre: 0.0, scale: 1.0 };
}

impl<'a> Design<'a> {
    /// Two passes over the rows.
    ///
    /// # Errors
    /// See [`Moments::of`].
    pub fn of(set: &'a TrainingSet, name: &str, targets: &Targets, intercept: bool) -> Result<Self> {
        let moments = Moments::of(set, name, targets)?;
        let scaling = Scaling::of(&moments, intercept);
        let width = set.features.len() + usize::from(intercept);
        let mut design = Self { set, moments, scaling, deviations: Vec::new(), squares: Vec::new(), width, intercept };
        design.measure()?;
        Ok(design)
    }

    /// The columns' squares and standard deviations.
    fn measure(&mut self) -> Result<()> {
        self.squares = self.set.reduce(
            vec![0.0; self.width],
            |chunk| {
                let mut sums = vec![0.0; self.width];
                self.blocks(chunk, |rows| {
                    for (place, column) in self.places().zip(&rows.block.columns) {
                        let mut weighted = *column;
                        weighted.iter_mut().zip(&rows.w).for_each(|(z, w)| *z *= w);
                        sums[place] += dot(&weighted, column);
                    }
                });
                for (first, block) in chunk.x.placed_blocks() {
                    for (row, w) in chunk.w.iter().enumerate() {
                        for (place, value) in block.row(row) {
                            // As much more than what a 0 adds.
                            sums[first + place] += w * value * (value - 2.0 * self.scaling.centre[first + place]);
                        }
                    }
                }
                Ok(sums)
            },
            |a, b| a.iter().zip(b).map(|(a, b)| a + b).collect(),
        )?;
        for j in self.set.dense()..self.features() {
            let (centre, scale) = (self.scaling.centre[j], self.scaling.scale[j]);
            self.squares[j] = (self.squares[j] + self.moments.weight * centre * centre).max(0.0) * scale * scale;
        }
        let deviation = |j: usize| {
            let scale = self.scaling.scale[j];
            let shift = (self.moments.mean[j] - self.scaling.centre[j]) * scale;
            if scale == 0.0 { 0.0 } else { (self.squares[j] / self.moments.weight - shift * shift).max(0.0).sqrt() / scale }
        };
        self.deviations = (0..self.features()).map(deviation).collect();
        Ok(())
    }

    pub fn features(&self) -> usize {
        self.set.features.len()
    }

    /// Each feature's scale.
    pub fn scales(&self) -> &[f64] {
        &self.scaling.scale[..self.features()]
    }

    /// How the first target is centred and scaled, where it was asked for.
    pub fn target(&self) -> TargetScale {
        self.target_of(0)
    }

    /// How one of the targets is centred and scaled.
    pub fn target_of(&self, target: usize) -> TargetScale {
        let target = self.features() + target;
        self.scaling.scale.get(target).map_or(TargetScale::NONE, |scale| TargetScale { centre: self.scaling.centre[target], scale: *scale })
    }

    /// Leaves out features by their scale: their coefficients will be zero.
    pub fn drop_where(&mut self, dropped: impl Fn(f64) -> bool) {
        for j in 0..self.features() {
            if dropped(self.scaling.scale[j]) {
                self.scaling.scale[j] = 0.0;
                self.squares[j] = 0.0;
                self.deviations[j] = 0.0;
            }
        }
    }

    /// The unknowns that the columns of a block stand for: columns of numbers, and ones where there is an intercept.
    fn places(&self) -> impl Iterator<Item = usize> + use<> {
        (0..self.set.dense()).chain(self.intercept.then(|| self.features()))
    }

    /// Calls `each` with every block of rows.
    pub fn blocks(&self, chunk: &Chunk, mut each: impl FnMut(&Rows<'_>)) {
        let block = Block::zeros(self.set.dense() + usize::from(self.intercept));
        let mut rows = Rows { block, y: [0.0; ROWS], w: [0.0; ROWS], chunk, start: 0 };
        for start in (0..chunk.x.rows).step_by(ROWS) {
            rows.start = start;
            self.scaling.fill(chunk.x.columns.iter().map(Vec::as_slice), start, &mut rows.block);
            if self.intercept
                && let Some(ones) = rows.block.columns.last_mut()
            {
                ones.fill(1.0);
            }
            (rows.y, rows.w) = ([0.0; ROWS], [0.0; ROWS]);
            rows.y.iter_mut().zip(&chunk.y[start..]).for_each(|(to, y)| *to = *y);
            rows.w.iter_mut().zip(&chunk.w[start..]).for_each(|(to, w)| *to = *w);
            each(&rows);
        }
    }

    /// The unknowns of one output, as rows are multiplied by them.
    pub fn plane(&self, unknowns: &[f64]) -> Plane {
        let dense = self.set.dense();
        let scaled = |(x, scale): (&f64, &f64)| if *x == 0.0 { 0.0 } else { x * scale };
        let sparse: Vec<f64> = unknowns.iter().zip(self.scales()).skip(dense).map(scaled).collect();
        let shift = self.scaling.centre.iter().skip(dense).zip(&sparse).map(|(centre, x)| centre * x).sum();
        Plane { numbers: self.places().map(|place| unknowns[place]).collect(), sparse, shift }
    }

    /// Adds the gradient of one output, whose derivatives by the rows' outputs are `slopes`; [`Design::finish`] comes after
    /// all rows.
    pub fn add_gradient(&self, rows: &Rows<'_>, slopes: &[f64; ROWS], gradient: &mut [f64]) {
        self.places().zip(&rows.block.columns).for_each(|(place, column)| gradient[place] += dot(column, slopes));
        for (first, block) in rows.chunk.x.placed_blocks() {
            for (row, slope) in (rows.start..block.rows()).zip(slopes).filter(|(_, slope)| **slope != 0.0) {
                block.row(row).for_each(|(place, value)| gradient[first + place] += slope * value);
            }
        }
    }

    /// Scales and centres what was added for sparse columns.
    pub fn finish(&self, gradient: &mut [f64]) {
        let features = self.features();
        // Columns are centred where there are ones, whose gradient is the sum of the slopes.
        let slopes = if self.intercept { gradient[features] } else { 0.0 };
        for (j, sum) in gradient.iter_mut().enumerate().take(features).skip(self.set.dense()) {
            *sum = (*sum - self.scaling.centre[j] * slopes) * self.scaling.scale[j];
        }
    }

    /// Coefficients and intercept from the unknowns of one output, which predicts the scaled target.
    pub fn output(&self, class: Option<String>, unknowns: &[f64], target: TargetScale) -> Output {
        let unit = |scale: f64| if target.scale == 0.0 { 0.0 } else { scale / target.scale };
        let coefficients: Vec<f64> = unknowns.iter().zip(self.scales()).map(|(x, scale)| if *x == 0.0 { 0.0 } else { x * unit(*scale) }).collect();
        let shift: f64 = coefficients.iter().zip(&self.scaling.centre).map(|(x, centre)| x * centre).sum();
        let intercept = self.intercept.then(|| unknowns[self.features()] * unit(1.0) + target.centre - shift);
        Output { class, coefficients, intercept }
    }
}
