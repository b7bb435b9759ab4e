//! Linear regression that large errors do not bend.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::design::{Design, TargetScale};
use super::linear_model::{LinearModel, Link};
use super::minimise::{Evaluation, Limits, Objective, minimise};
use super::shared::{Refusals, Targets, not_negative, positive};
use crate::error::Result;
use crate::ml::linalg::{Block, ROWS, Symmetric};
use crate::ml::{Estimator, Task, TrainingSet};
use crate::value::Fault;

/// The share of the slope by σ, over σ, that is added to the curvature.
const STEADINESS: f64 = 0.1;

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Huber {
    epsilon: f64,
    alpha: f64,
    fit_intercept: bool,
    max_iter: usize,
    tol: f64,
}

impl Default for Huber {
    fn default() -> Self {
        Self { epsilon: 1.35, alpha: 1e-4, fit_intercept: true, max_iter: 100, tol: 1e-8 }
    }
}

impl Estimator for Huber {
    const NAME: &'static str = "huber";
    const ALIASES: &'static [&'static str] = &["huber_regression", "HuberRegressor"];
    const DOC: &'static str = "\
Huber regression: linear regression that a few wild targets do not bend.

Minimises Σ wᵢ (σ + H((yᵢ − xᵢβ − b)/σ) σ) + alpha ‖β‖² over β, b and the scale σ > 0 of the errors, where H(z) is z² up to
|z| = epsilon and 2 epsilon |z| − epsilon² beyond: large errors count by their size, not by its square. Since σ is estimated
too, the target's unit does not matter. Features that are wild themselves still bend it (`clip` them). Scale the
features first (`standard_scale`): the penalty depends on their units. Memory does not grow with the number of rows.
Row weights count as in scikit-learn. Missing values are refused.

Parameters:
- `epsilon` (number > 1, default 1.35): where errors, taken over σ, become large; smaller is more robust.
- `alpha` (number ≥ 0, default 0.0001): strength of the penalty.
- `fit_intercept` (boolean, default true): estimate b, which is not penalised.
- `max_iter` (1..=100000, default 100): Newton steps; where there are more than 1,000 coefficients, each
  stands for 20 steps of L-BFGS.
- `tol` (number > 0, default 1e-8): stop when no coefficient, taken over its feature's and the target's range,
  moves by more.

Source: scikit-learn `HuberRegressor`; Huber and Ronchetti (2009), 7.8; Owen (2007).

```yaml
steps:
  train:
    using: huber
    estimator_params: {epsilon: 1.5}
```
";

    type Fitted = LinearModel;

    fn supports(task: &Task) -> bool {
        *task == Task::Regression
    }

    fn takes_sparse(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), Vec<Fault>> {
        Refusals::default()
            .unless(self.epsilon.is_finite() && self.epsilon > 1.0, "epsilon", "must be a number > 1")
            .unless(not_negative(self.alpha), "alpha", "must be a number ≥ 0")
            .unless((1..=100_000).contains(&self.max_iter), "max_iter", "must lie between 1 and 100000")
            .unless(positive(self.tol), "tol", "must be a number > 0")
            .done()
    }

    fn fit(&self, on: &TrainingSet) -> Result<LinearModel> {
        let mut design = Design::of(on, Self::NAME, &Targets::Number, self.fit_intercept)?;
        let target = design.target();
        // In the unit of the scaled target the whole objective is `scale` times as large.
        let alpha = if self.alpha == 0.0 || target.scale == 0.0 { 0.0 } else { (self.alpha / target.scale).min(f64::MAX) };
        design.drop_where(|scale| !(2.0 * alpha * scale * scale).is_finite() && alpha > 0.0);
        let l2 = design.scales().iter().map(|scale| if alpha == 0.0 { 0.0 } else { 2.0 * alpha * scale * scale }).collect();
        let problem = Concomitant { design: &design, target, epsilon: self.epsilon, l2 };
        // All targets lie within this σ of the plane that is zero, so the first step is that of least squares.
        let mut start = vec![0.0; design.width];
        start.push(1.0);
        let found = minimise(&problem, start, Limits { max_iter: self.max_iter, tol: self.tol })?;
        let output = design.output(None, &found.at[..design.width], target);
        let note = (!found.settled).then(|| format!("not settled after {} steps", self.max_iter));
        Ok(LinearModel::new(Self::NAME, on, design.deviations, vec![output], Link::Value)?.with_means(&design.moments.mean).with_note(note))
    }
}

/// The objective over the design's unknowns and, behind them, σ.
struct Concomitant<'a> {
    design: &'a Design<'a>,
    target: TargetScale,
    epsilon: f64,
    /// Twice the penalty, for each feature.
    l2: Vec<f64>,
}

struct Sums {
    value: f64,
    gradient: Vec<f64>,
    gram: Symmetric,
}

impl Concomitant<'_> {
    /// Where some plane fits exactly the residuals say nothing of σ; at the optimum this vanishes.
    fn steadiness(slope: f64, sigma: f64) -> f64 {
        STEADINESS * slope.abs() / sigma
    }
}

impl Objective for Concomitant<'_> {
    fn evaluate(&self, at: &[f64], with_hessian: bool) -> Result<Evaluation> {
        let width = self.design.width;
        let (unknowns, sigma) = (&at[..width], at[width]);
        let size = if with_hessian { width + 1 } else { 0 };
        let start = || Sums { value: 0.0, gradient: vec![0.0; width + 1], gram: Symmetric::zeros(size) };
        // Not a number where σ² vanishes, which is as good as σ ≤ 0.
        if sigma <= 0.0 || sigma * sigma == 0.0 {
            return Ok(Evaluation { value: f64::INFINITY, gradient: start().gradient, hessian: start().gram });
        }
        let plane = self.design.plane(unknowns);
        let mut sums = self.design.set.reduce(
            start(),
            |chunk| {
                let mut sums = start();
                let mut weighted = Block::zeros(size);
                self.design.blocks(chunk, |rows| {
                    let mut residual = rows.y.map(|y| -(y - self.target.centre) * self.target.scale);
                    rows.add(&plane, &mut residual);
                    let mut slopes = [0.0; ROWS];
                    let mut roots = [0.0; ROWS];
                    for (((r, w), slope), root) in residual.iter().zip(&rows.w).zip(&mut slopes).zip(&mut roots) {
                        if *w == 0.0 {
                            continue;
                        }
                        let z = r / sigma;
                        if z.abs() <= self.epsilon {
                            sums.value += w * (sigma + r * z);
                            sums.gradient[width] += w * (1.0 - z * z);
                            *slope = w * 2.0 * z;
                            *root = (2.0 * w / sigma).sqrt();
                        } else {
                            let square = self.epsilon * self.epsilon;
                            sums.value += w * (sigma + 2.0 * self.epsilon * r.abs() - square * sigma);
                            sums.gradient[width] += w * (1.0 - square);
                            *slope = w * 2.0 * self.epsilon * z.signum();
                        }
                    }
                    self.design.add_gradient(rows, &slopes, &mut sums.gradient);
                    if with_hessian {
                        // The derivative by σ is that by a column of −residual / σ.
                        let last = residual.map(|r| -r / sigma);
                        for (to, column) in weighted.columns.iter_mut().zip(rows.block.columns.iter().chain([&last])) {
                            to.iter_mut().zip(column).zip(&roots).for_each(|((to, z), root)| *to = z * root);
                        }
                        sums.gram.add_products(&weighted);
                    }
                });
                Ok(sums)
            },
            |a, b| Sums { value: a.value + b.value, gradient: a.gradient.iter().zip(&b.gradient).map(|(a, b)| a + b).collect(), gram: a.gram.plus(&b.gram) },
        )?;
        self.design.finish(&mut sums.gradient);
        for (j, (l2, x)) in self.l2.iter().zip(unknowns).enumerate() {
            sums.value += if *x == 0.0 { 0.0 } else { 0.5 * l2 * x * x };
            sums.gradient[j] += l2 * x;
            if with_hessian {
                sums.gram.set(j, j, sums.gram.get(j, j) + l2);
            }
        }
        if with_hessian {
            let more = Self::steadiness(sums.gradient[width], sigma);
            sums.gram.set(width, width, sums.gram.get(width, width) + more);
        }
        Ok(Evaluation { value: sums.value, gradient: sums.gradient, hessian: sums.gram })
    }

    fn has_products(&self) -> bool {
        self.design.set.is_sparse()
    }

    fn product(&self, at: &[f64], direction: &[f64]) -> Result<Vec<f64>> {
        let width = self.design.width;
        let (plane, along) = (self.design.plane(&at[..width]), self.design.plane(&direction[..width]));
        let (sigma, sigma_along) = (at[width], direction[width]);
        // Behind the unknowns σ, and the gradient by σ.
        let mut sums = self.design.set.reduce(
            vec![0.0; width + 2],
            |chunk| {
                let mut sums = vec![0.0; width + 2];
                self.design.blocks(chunk, |rows| {
                    let mut residual = rows.y.map(|y| -(y - self.target.centre) * self.target.scale);
                    rows.add(&plane, &mut residual);
                    let moves = rows.outputs(&along);
                    let mut slopes = [0.0; ROWS];
                    for (((r, w), by), slope) in residual.iter().zip(&rows.w).zip(moves).zip(&mut slopes) {
                        let z = r / sigma;
                        if z.abs() <= self.epsilon {
                            *slope = 2.0 * w / sigma * (by - z * sigma_along);
                            sums[width] -= z * *slope;
                        }
                        sums[width + 1] += w * (1.0 - z.abs().min(self.epsilon).powi(2));
                    }
                    self.design.add_gradient(rows, &slopes, &mut sums);
                });
                Ok(sums)
            },
            |a, b| a.iter().zip(&b).map(|(a, b)| a + b).collect(),
        )?;
        let slope = sums.pop().unwrap_or_default();
        self.design.finish(&mut sums);
        sums.iter_mut().zip(&self.l2).zip(direction).for_each(|((sum, l2), by)| *sum += l2 * by);
        sums[width] += Self::steadiness(slope, sigma) * sigma_along;
        Ok(sums)
    }

    fn curvatures(&self) -> Vec<f64> {
        let none = [0.0];
        let l2 = self.l2.iter().chain(&none);
        let columns = self.design.squares.iter().zip(l2).map(|(squares, l2)| 2.0 * squares + l2);
        columns.chain([2.0 * self.design.moments.weight]).collect()
    }
}
