//! The penalised loss of a linear model, and its derivatives.
//!
//! One pass over the rows gives loss, gradient and, if wanted, the Hessian: a Gram matrix whose weights are the loss's
//! curvature, or one for each pair of outputs.

use super::design::{Design, Plane};
use super::minimise::{Evaluation, Objective};
use crate::error::Result;
use crate::ml::linalg::{Block, ROWS, Symmetric};

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
        let planes: Vec<Plane> = at.chunks(width.max(1)).map(|unknowns| self.design.plane(unknowns)).collect();
        let mut sums = self.design.set.reduce(
            start(),
            |chunk| {
                let mut sums = start();
                let mut weighted = Block::zeros(if with_hessian { width } else { 0 });
                let mut outputs = vec![[0.0; ROWS]; outputs];
                let mut roots = vec![[0.0; ROWS]; pairs];
                self.design.blocks(chunk, |rows| {
                    outputs.iter_mut().zip(&planes).for_each(|(output, plane)| *output = rows.outputs(plane));
                    sums.loss += self.loss.apply(&mut outputs, &rows.y, &rows.w, &mut roots);
                    for (gradient, slope) in sums.gradient.chunks_mut(width.max(1)).zip(&outputs) {
                        self.design.add_gradient(rows, slope, gradient);
                    }
                    for (gram, roots) in sums.grams.iter_mut().zip(&roots) {
                        for (to, column) in weighted.columns.iter_mut().zip(&rows.block.columns) {
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
        sums.gradient.chunks_mut(width.max(1)).for_each(|gradient| self.design.finish(gradient));
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

    fn has_products(&self) -> bool {
        self.design.set.is_sparse()
    }

    fn product(&self, at: &[f64], direction: &[f64]) -> Result<Vec<f64>> {
        let (width, outputs) = (self.design.width.max(1), self.loss.outputs());
        let planes = |of: &[f64]| of.chunks(width).map(|unknowns| self.design.plane(unknowns)).collect::<Vec<Plane>>();
        let (here, along) = (planes(at), planes(direction));
        let mut sums = self.design.set.reduce(
            vec![0.0; at.len()],
            |chunk| {
                let mut sums = vec![0.0; at.len()];
                let mut roots = vec![[0.0; ROWS]; outputs * (outputs + 1) / 2];
                self.design.blocks(chunk, |rows| {
                    let of = |planes: &[Plane]| -> Vec<[f64; ROWS]> { planes.iter().map(|plane| rows.outputs(plane)).collect() };
                    let (mut values, moves) = (of(&here), of(&along));
                    self.loss.apply(&mut values, &rows.y, &rows.w, &mut roots);
                    for (k, sums) in sums.chunks_mut(width).enumerate() {
                        let mut slopes = [0.0; ROWS];
                        for (l, moves) in moves.iter().enumerate() {
                            let (high, low) = (k.max(l), k.min(l));
                            let sign = if k == l { 1.0 } else { -1.0 };
                            let roots = &roots[high * (high + 1) / 2 + low];
                            slopes.iter_mut().zip(roots).zip(moves).for_each(|((slope, root), by)| *slope += sign * root * root * by);
                        }
                        self.design.add_gradient(rows, &slopes, sums);
                    }
                });
                Ok(sums)
            },
            |a, b| a.iter().zip(&b).map(|(a, b)| a + b).collect(),
        )?;
        sums.chunks_mut(width).for_each(|sums| self.design.finish(sums));
        Ok(sums.iter().zip(&self.l2).zip(direction).map(|((sum, l2), by)| self.c * sum + l2 * by).collect())
    }

    fn curvatures(&self) -> Vec<f64> {
        let squares = self.design.squares.repeat(self.loss.outputs());
        squares.iter().zip(&self.l2).map(|(squares, l2)| self.c * squares * self.loss.curvature() + l2).collect()
    }
}
