//! The penalised loss of a linear model, and its derivatives.
//!
//! One pass over the rows gives loss, gradient and, if wanted, the Hessian: a Gram matrix whose weights are the loss's
//! curvature, or one for each pair of outputs.

use super::design::Design;
use super::minimise::{Evaluation, Objective};
use crate::error::Result;
use crate::ml::linalg::{Block, ROWS, Symmetric, dot};

/// The loss of rows as a function of their outputs, convex.
pub trait Loss: Sync {
    /// How many outputs a row has.
    fn outputs(&self) -> usize {
        1
    }

    /// About the loss's second derivative.
    fn curvature(&self) -> f64;

    /// Σ w loss of a block's rows. Each output gives way to w times the loss's derivative by it. `roots` is empty, or is
    /// given for outputs k ≥ l, at k (k + 1) / 2 + l, the root of w times the second derivative, without the minus
    /// that it has where k ≠ l. Rows of weight 0 give 0.
    fn apply(&self, outputs: &mut [[f64; ROWS]], y: &[f64; ROWS], w: &[f64; ROWS], roots: &mut [[f64; ROWS]]) -> f64;
}

/// One output's losses, row by row: `of` gives loss, first and second derivative from the output and the target.
pub fn each_row(outputs: &mut [[f64; ROWS]], y: &[f64; ROWS], w: &[f64; ROWS], roots: &mut [[f64; ROWS]], of: impl Fn(f64, f64) -> (f64, f64, f64)) -> f64 {
    let mut sum = 0.0;
    for output in outputs {
        for (i, ((output, y), w)) in output.iter_mut().zip(y).zip(w).enumerate() {
            let (loss, slope, curvature) = if *w == 0.0 { (0.0, 0.0, 0.0) } else { of(*output, *y) };
            sum += w * loss;
            *output = w * slope;
            if let Some(roots) = roots.first_mut() {
                roots[i] = (w * curvature).sqrt();
            }
        }
    }
    sum
}

/// What stands in the objective: C Σ w loss + l1 ‖β‖₁ + ½ l2 ‖β‖².
#[derive(Clone, Copy)]
pub struct Terms {
    pub c: f64,
    pub l1: f64,
    pub l2: f64,
}

/// What is minimised. The unknowns are, output by output, those of the design's columns.
pub struct Problem<'a, L> {
    pub design: &'a Design<'a>,
    pub loss: L,
    c: f64,
    /// Penalties of each unknown.
    l1: Vec<f64>,
    l2: Vec<f64>,
}

impl<'a, L: Loss> Problem<'a, L> {
    /// Leaves out columns so small that the penalty holds their coefficients at zero.
    pub fn of(design: &'a mut Design<'_>, loss: L, terms: Terms) -> Self {
        let Terms { c, l1, l2 } = terms;
        design.drop_where(|scale| (l2 > 0.0 && !(l2 * scale * scale).is_finite()) || !(l1 * scale).is_finite());
        let intercept = design.intercept.then_some(0.0);
        let penalties = |of: &dyn Fn(f64) -> f64| -> Vec<f64> {
            let one: Vec<f64> = design.scales().iter().map(|scale| of(*scale)).chain(intercept).collect();
            one.repeat(loss.outputs())
        };
        let (l1, l2) = (penalties(&|scale| l1 * scale), penalties(&|scale| if l2 == 0.0 { 0.0 } else { l2 * scale * scale }));
        Self { design, loss, c, l1, l2 }
    }

    /// How many unknowns there are.
    pub fn unknowns(&self) -> usize {
        self.loss.outputs() * self.design.width
    }

    /// The sum over outputs k ≥ l of their blocks.
    fn hessian(&self, grams: &[Symmetric]) -> Symmetric {
        let m = self.design.width;
        let mut hessian = Symmetric::zeros(self.unknowns());
        for k in 0..self.loss.outputs() {
            for l in 0..=k {
                let gram = &grams[k * (k + 1) / 2 + l];
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

struct Sums {
    loss: f64,
    gradient: Vec<f64>,
    /// For outputs k ≥ l, at k (k + 1) / 2 + l: Σ w curvature z zᵀ.
    grams: Vec<Symmetric>,
}

impl<L: Loss> Objective for Problem<'_, L> {
    fn evaluate(&self, at: &[f64], with_hessian: bool) -> Result<Evaluation> {
        let (width, outputs) = (self.design.width, self.loss.outputs());
        let pairs = if with_hessian { outputs * (outputs + 1) / 2 } else { 0 };
        let start = || Sums { loss: 0.0, gradient: vec![0.0; at.len()], grams: vec![Symmetric::zeros(width); pairs] };
        let sums = self.design.set.reduce(
            start(),
            |chunk| {
                let mut sums = start();
                let mut weighted = Block::zeros(width);
                let mut outputs = vec![[0.0; ROWS]; outputs];
                let mut roots = vec![[0.0; ROWS]; pairs];
                self.design.blocks(chunk, |block, y, w| {
                    for (output, unknowns) in outputs.iter_mut().zip(at.chunks(width.max(1))) {
                        output.fill(0.0);
                        for (column, x) in block.columns.iter().zip(unknowns) {
                            output.iter_mut().zip(column).for_each(|(sum, z)| *sum += x * z);
                        }
                    }
                    sums.loss += self.loss.apply(&mut outputs, y, w, &mut roots);
                    for (gradient, slope) in sums.gradient.chunks_mut(width.max(1)).zip(&outputs) {
                        gradient.iter_mut().zip(&block.columns).for_each(|(sum, column)| *sum += dot(column, slope));
                    }
                    for (gram, roots) in sums.grams.iter_mut().zip(&roots) {
                        for (to, column) in weighted.columns.iter_mut().zip(&block.columns) {
                            to.iter_mut().zip(column).zip(roots).for_each(|((to, z), root)| *to = z * root);
                        }
                        gram.add_products(&weighted);
                    }
                });
                Ok(sums)
            },
            |a, b| Sums {
                loss: a.loss + b.loss,
                gradient: a.gradient.iter().zip(&b.gradient).map(|(a, b)| a + b).collect(),
                grams: a.grams.into_iter().zip(&b.grams).map(|(a, b)| a.plus(b)).collect(),
            },
        )?;
        let squares: f64 = at.iter().zip(&self.l2).map(|(x, l2)| if *x == 0.0 { 0.0 } else { 0.5 * l2 * x * x }).sum();
        Ok(Evaluation {
            value: self.c * sums.loss + squares,
            gradient: sums.gradient.iter().zip(&self.l2).zip(at).map(|((g, l2), x)| self.c * g + l2 * x).collect(),
            hessian: if with_hessian { self.hessian(&sums.grams) } else { Symmetric::zeros(0) },
        })
    }

    fn l1(&self) -> &[f64] {
        &self.l1
    }

    fn curvatures(&self) -> Vec<f64> {
        let squares = self.design.squares.repeat(self.loss.outputs());
        squares.iter().zip(&self.l2).map(|(squares, l2)| self.c * squares * self.loss.curvature() + l2).collect()
    }
}
