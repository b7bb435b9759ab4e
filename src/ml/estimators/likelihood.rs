//! The penalised likelihood of a logistic or softmax model, and its derivatives.
//!
//! One pass over the rows gives loss, gradient and, if wanted, the Hessian: a Gram matrix with weights
//! p(1 − p), or one for each pair of classes. Columns are scaled by powers of two and centred where there is
//! an intercept, which changes neither penalty nor optimum.

use super::shared::{Moments, Scaling, Targets};
use crate::error::Result;
use crate::ml::linalg::{Block, ROWS, Symmetric, dot};
use crate::ml::{Chunk, TrainingSet};

/// What stands in the objective: C Σ w loss + l1 ‖β‖₁ + ½ l2 ‖β‖².
#[derive(Clone, Copy)]
pub struct Terms {
    pub c: f64,
    pub l1: f64,
    pub l2: f64,
    pub intercept: bool,
}

/// What is minimised. The unknowns are, output by output, the coefficients of the scaled columns and then
/// the intercept where there is one; two classes have one output, which is for the second.
pub struct Problem<'a> {
    pub set: &'a TrainingSet,
    pub present: Vec<usize>,
    pub scaling: Scaling,
    pub deviations: Vec<f64>,
    pub means: Vec<f64>,
    pub outputs: usize,
    /// Unknowns of one output.
    pub width: usize,
    pub intercept: bool,
    pub c: f64,
    pub weight: f64,
    /// Penalties of each unknown.
    pub l1: Vec<f64>,
    pub l2: Vec<f64>,
    /// Σ w z² for each unknown of one output.
    pub squares: Vec<f64>,
}

/// The sum of the losses at a point, with its derivatives.
pub struct Evaluation {
    pub loss: f64,
    pub gradient: Vec<f64>,
    /// For outputs k ≥ l, at k (k + 1) / 2 + l: Σ w p (δ − p) z zᵀ, without the sign of k ≠ l.
    pub grams: Vec<Symmetric>,
}

impl<'a> Problem<'a> {
    /// Two passes over the rows. `present` holds the classes that occur, in order.
    ///
    /// # Errors
    /// See [`Moments::of`].
    pub fn of(set: &'a TrainingSet, name: &str, present: Vec<usize>, terms: Terms) -> Result<Self> {
        let moments = Moments::of(set, name, &Targets::None)?;
        let Terms { c, l1, l2, intercept } = terms;
        let mut scaling = Scaling::of(&moments, intercept);
        for scale in &mut scaling.scale {
            // So small that the penalty holds its coefficient at zero.
            if (l2 > 0.0 && !(*scale * *scale).is_finite()) || !(l1 * *scale).is_finite() {
                *scale = 0.0;
            }
        }
        let features = set.features.len();
        let outputs = if present.len() == 2 { 1 } else { present.len() };
        let width = features + usize::from(intercept);
        let penalties = |of: &dyn Fn(f64) -> f64| -> Vec<f64> {
            let one: Vec<f64> = scaling.scale.iter().map(|scale| of(*scale)).chain(intercept.then_some(0.0)).collect();
            one.repeat(outputs)
        };
        let (l1, l2) = (penalties(&|scale| l1 * scale), penalties(&|scale| l2 * scale * scale));
        let mut problem = Self {
            set,
            present,
            deviations: Vec::new(),
            means: moments.mean,
            outputs,
            width,
            intercept,
            c,
            weight: moments.weight,
            l1,
            l2,
            squares: Vec::new(),
            scaling,
        };
        problem.measure()?;
        Ok(problem)
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
            let shift = (self.means[j] - self.scaling.centre[j]) * scale;
            if scale == 0.0 { 0.0 } else { (self.squares[j] / self.weight - shift * shift).max(0.0).sqrt() / scale }
        };
        self.deviations = (0..self.set.features.len()).map(deviation).collect();
        Ok(())
    }

    /// How many unknowns there are.
    pub fn unknowns(&self) -> usize {
        self.outputs * self.width
    }

    /// Is there no L1 penalty?
    pub fn is_smooth(&self) -> bool {
        self.l1.iter().all(|l1| *l1 == 0.0)
    }

    /// Calls `each` with every block of scaled columns (the last is ones where there is an intercept),
    /// the labels' positions among the present classes, and the weights.
    fn blocks(&self, chunk: &Chunk, mut each: impl FnMut(&Block, &[usize; ROWS], &[f64; ROWS])) {
        let mut block = Block::zeros(self.width);
        for start in (0..chunk.x.rows).step_by(ROWS) {
            self.scaling.fill(chunk.x.columns.iter().map(Vec::as_slice), start, &mut block);
            if self.intercept
                && let Some(ones) = block.columns.last_mut()
            {
                ones.fill(1.0);
            }
            let mut labels = [0; ROWS];
            let mut weights = [0.0; ROWS];
            for (((label, weight), y), w) in labels.iter_mut().zip(&mut weights).zip(&chunk.y[start..]).zip(&chunk.w[start..]) {
                // A class that is absent has no weight either.
                *label = self.present.binary_search(&(*y as usize)).unwrap_or(0);
                *weight = *w;
            }
            each(&block, &labels, &weights);
        }
    }

    /// One pass over the rows.
    pub fn evaluate(&self, theta: &[f64], with_hessian: bool) -> Result<Evaluation> {
        let start = || Evaluation {
            loss: 0.0,
            gradient: vec![0.0; theta.len()],
            grams: vec![Symmetric::zeros(self.width); if with_hessian { self.outputs * (self.outputs + 1) / 2 } else { 0 }],
        };
        self.set.reduce(
            start(),
            |chunk| {
                let mut sums = start();
                let mut weighted = Block::zeros(self.width);
                let mut outputs = vec![[0.0; ROWS]; self.outputs];
                self.blocks(chunk, |block, labels, weights| {
                    for (output, theta) in outputs.iter_mut().zip(theta.chunks(self.width.max(1))) {
                        output.fill(0.0);
                        for (column, theta) in block.columns.iter().zip(theta) {
                            output.iter_mut().zip(column).for_each(|(sum, z)| *sum += theta * z);
                        }
                    }
                    sums.loss += probabilities(&mut outputs, labels, weights);
                    for (k, gradient) in sums.gradient.chunks_mut(self.width.max(1)).enumerate() {
                        let mut error = outputs[k];
                        for ((error, label), w) in error.iter_mut().zip(labels).zip(weights) {
                            *error = w * (*error - f64::from(u8::from(self.is_label(k, *label))));
                        }
                        gradient.iter_mut().zip(&block.columns).for_each(|(sum, column)| *sum += dot(column, &error));
                    }
                    for k in 0..if with_hessian { self.outputs } else { 0 } {
                        for l in 0..=k {
                            let mut roots = [0.0; ROWS];
                            for (((root, p), q), w) in roots.iter_mut().zip(&outputs[k]).zip(&outputs[l]).zip(weights) {
                                *root = (w * p * if k == l { 1.0 - q } else { *q }).sqrt();
                            }
                            for (to, column) in weighted.columns.iter_mut().zip(&block.columns) {
                                to.iter_mut().zip(column).zip(&roots).for_each(|((to, z), root)| *to = z * root);
                            }
                            sums.grams[k * (k + 1) / 2 + l].add_products(&weighted);
                        }
                    }
                });
                Ok(sums)
            },
            |a, b| Evaluation {
                loss: a.loss + b.loss,
                gradient: a.gradient.iter().zip(&b.gradient).map(|(a, b)| a + b).collect(),
                grams: a.grams.into_iter().zip(&b.grams).map(|(a, b)| a.plus(b)).collect(),
            },
        )
    }

    fn is_label(&self, output: usize, label: usize) -> bool {
        if self.outputs == 1 { label == 1 } else { label == output }
    }

    /// C Σ w loss + penalties.
    pub fn objective(&self, evaluation: &Evaluation, theta: &[f64]) -> f64 {
        let squares: f64 = theta.iter().zip(&self.l2).map(|(x, l2)| if *x == 0.0 { 0.0 } else { 0.5 * l2 * x * x }).sum();
        self.c * evaluation.loss + squares + self.lengths(theta)
    }

    pub fn lengths(&self, theta: &[f64]) -> f64 {
        theta.iter().zip(&self.l1).map(|(x, l1)| l1 * x.abs()).sum()
    }

    /// The gradient of the smooth part.
    pub fn gradient(&self, evaluation: &Evaluation, theta: &[f64]) -> Vec<f64> {
        evaluation.gradient.iter().zip(&self.l2).zip(theta).map(|((g, l2), x)| self.c * g + l2 * x).collect()
    }

    pub fn hessian(&self, evaluation: &Evaluation) -> Symmetric {
        let m = self.width;
        let mut hessian = Symmetric::zeros(m * self.outputs);
        for k in 0..self.outputs {
            for l in 0..=k {
                let gram = &evaluation.grams[k * (k + 1) / 2 + l];
                let sign = if k == l { self.c } else { -self.c };
                for i in 0..m {
                    for j in 0..m {
                        hessian.set(k * m + i, l * m + j, sign * gram.get(i, j));
                    }
                }
            }
        }
        for (i, l2) in self.l2.iter().enumerate() {
            hessian.set(i, i, hessian.get(i, i) + l2);
        }
        hessian
    }
}

/// Turns outputs into probabilities and returns Σ w loss.
fn probabilities(outputs: &mut [[f64; ROWS]], labels: &[usize; ROWS], weights: &[f64; ROWS]) -> f64 {
    let mut loss = 0.0;
    if let [output] = outputs {
        for ((output, label), w) in output.iter_mut().zip(labels).zip(weights) {
            let against = if *label == 1 { -*output } else { *output };
            let e = (-output.abs()).exp();
            loss += w * (e.ln_1p() + against.max(0.0));
            *output = if *output >= 0.0 { 1.0 } else { e } / (1.0 + e);
        }
        return loss;
    }
    for (r, (label, w)) in labels.iter().zip(weights).enumerate() {
        let most = outputs.iter().fold(f64::NEG_INFINITY, |most, output| most.max(output[r]));
        let own = outputs.get(*label).map_or(most, |output| output[r]);
        let mut total = 0.0;
        for output in outputs.iter_mut() {
            output[r] = (output[r] - most).exp();
            total += output[r];
        }
        for output in outputs.iter_mut() {
            output[r] /= total;
        }
        loss += w * (total.ln() + most - own);
    }
    loss
}
