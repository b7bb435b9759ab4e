//! The columns that an iterative linear fit works on, and the way back from its unknowns to coefficients.
//!
//! Columns are scaled by powers of two and centred where there is an intercept, which changes neither penalty nor
//! optimum; a last column of ones stands for the intercept.

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
    /// Σ w z² of every column of a block.
    pub squares: Vec<f64>,
    /// Columns of a block: features, and ones where there is an intercept.
    pub width: usize,
    pub intercept: bool,
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
                self.blocks(chunk, |block, _, w| {
                    for (sum, column) in sums.iter_mut().zip(&block.columns) {
                        let mut weighted = *column;
                        weighted.iter_mut().zip(w).for_each(|(z, w)| *z *= w);
                        *sum += dot(&weighted, column);
                    }
                });
                Ok(sums)
            },
            |a, b| a.iter().zip(b).map(|(a, b)| a + b).collect(),
        )?;
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

    /// How the target is centred and scaled, where it was asked for.
    pub fn target(&self) -> TargetScale {
        let target = self.features();
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

    /// Calls `each` with every block of scaled columns, the targets as they are and the weights; rows that a shorter
    /// piece lacks have the weight 0.
    pub fn blocks(&self, chunk: &Chunk, mut each: impl FnMut(&Block, &[f64; ROWS], &[f64; ROWS])) {
        let mut block = Block::zeros(self.width);
        for start in (0..chunk.x.rows).step_by(ROWS) {
            self.scaling.fill(chunk.x.columns.iter().map(Vec::as_slice), start, &mut block);
            if self.intercept
                && let Some(ones) = block.columns.last_mut()
            {
                ones.fill(1.0);
            }
            let mut targets = [0.0; ROWS];
            let mut weights = [0.0; ROWS];
            targets.iter_mut().zip(&chunk.y[start..]).for_each(|(to, y)| *to = *y);
            weights.iter_mut().zip(&chunk.w[start..]).for_each(|(to, w)| *to = *w);
            each(&block, &targets, &weights);
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
