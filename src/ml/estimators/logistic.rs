//! Logistic regression for two and for more classes.
//!
//! Newton's method: each step is one pass over the rows, which gives loss, gradient and Hessian at once
//! (the Hessian is a Gram matrix with weights p(1 − p), or one a pair of classes). An L1 penalty keeps
//! the pass and solves each step's quadratic model by coordinate descent (proximal Newton: Lee, Sun and
//! Saunders 2014). Where the Hessian would be too wide, L-BFGS (Nocedal and Wright, Numerical
//! Optimization, algorithm 7.4) takes gradients only. Columns are scaled inside by powers of two and
//! centred where there is an intercept, which changes neither penalty nor optimum.

use serde::{Deserialize, Serialize};

use super::linear_model::{LinearModel, Link, Output, sigmoid};
use super::shared::{Moments, Refusals, Scaling, Targets, class_weights, positive, present};
use crate::error::{Error, Result};
use crate::ml::linalg::{Block, Quadratic, ROWS, Solver, Symmetric, descend, dot};
use crate::ml::{Chunk, Estimator, Task, TrainingSet};
use crate::value::Fault;

/// With more coefficients than this, gradients take the place of Hessians.
const WIDEST_HESSIAN: usize = 1000;
/// The same with an L1 penalty, which needs the Hessian; beyond, it is refused.
const WIDEST_WITH_L1: usize = 4096;
/// Step halvings before a step is given up.
const HALVINGS: usize = 40;
/// Steps that L-BFGS remembers.
const MEMORY: usize = 10;
/// L-BFGS steps are cheap: this many of them for each one of `max_iter`.
const STEPS_A_NEWTON_STEP: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Penalty {
    L1,
    L2,
    #[serde(alias = "elasticnet")]
    ElasticNet,
    None,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Logistic {
    #[serde(rename = "C", alias = "c")]
    c: f64,
    penalty: Penalty,
    l1_ratio: f64,
    fit_intercept: bool,
    max_iter: usize,
    tol: f64,
}

impl Default for Logistic {
    fn default() -> Self {
        Self { c: 1.0, penalty: Penalty::L2, l1_ratio: 0.5, fit_intercept: true, max_iter: 100, tol: 1e-8 }
    }
}

impl Estimator for Logistic {
    const NAME: &'static str = "logistic";
    const ALIASES: &'static [&'static str] = &["logistic_regression", "LogisticRegression"];
    const DOC: &'static str = "\
Logistic regression: probabilities from a linear model, for two classes or more.

Minimises C Σ wᵢ lossᵢ + ½ ‖β‖², where the loss is the negative logarithm of the probability given to the
true class; the intercept is not penalised. More than two classes get one set of coefficients each
(softmax). A first model for classes: its probabilities are well calibrated and its coefficients can be read.
Scale the features first (`standard_scale`): the penalty depends on their units. Memory does not grow with the
number of rows. Row weights and class weights count as in scikit-learn. Missing values are refused.

Parameters:
- `C` (number > 0, default 1.0): the inverse strength of the penalty; smaller keeps coefficients smaller.
- `penalty` (`l2`, `l1`, `elastic_net` or `none`, default `l2`): `l1` is ‖β‖₁ and sets weak ones to zero;
  `none` has no optimum where the classes can be told apart perfectly, and says so.
- `l1_ratio` (number 0..1, default 0.5): the share of `l1` in `elastic_net`.
- `fit_intercept` (boolean, default true): estimate an intercept.
- `max_iter` (1..=100000, default 100): Newton steps; where there are more than 1,000 coefficients, each
  stands for 20 steps of L-BFGS.
- `tol` (number > 0, default 1e-8): stop when no coefficient, taken over its feature's range, moves by more.

Source: scikit-learn `LogisticRegression`, whose optimum is found to about 1e-9.

```yaml
steps:
  train:
    using: logistic
    estimator_params: {C: 0.5, penalty: l2}
```
";

    type Fitted = LinearModel;

    fn supports(task: &Task) -> bool {
        task.classes() >= 2
    }

    fn check(&self) -> Result<(), Vec<Fault>> {
        Refusals::default()
            .unless(positive(self.c), "C", "must be a number > 0")
            .unless((0.0..=1.0).contains(&self.l1_ratio), "l1_ratio", "must lie between 0 and 1")
            .unless((1..=100_000).contains(&self.max_iter), "max_iter", "must lie between 1 and 100000")
            .unless(positive(self.tol), "tol", "must be a number > 0")
            .done()
    }

    fn fit(&self, on: &TrainingSet) -> Result<LinearModel> {
        let Task::Classification { classes, .. } = &on.task else { return Err(Error::bug("`logistic` got a number to predict")) };
        let present = present(&class_weights(on)?);
        let problem = Problem::of(on, self, present)?;
        let (theta, settled) = if problem.is_wide() { problem.lbfgs(self)? } else { problem.newton(self)? };
        if !settled && self.penalty == Penalty::None {
            return Err(Error::data(format!(
                "`logistic` without a penalty did not settle in {} steps: the classes may be told apart perfectly",
                self.max_iter
            ))
            .hint("use `penalty: l2`, with a large `C` for a weak penalty"));
        }
        let note = (!settled).then(|| format!("not settled after {} steps", self.max_iter));
        Ok(problem.model(theta, classes)?.with_note(note))
    }
}

impl Logistic {
    /// The factors of ‖β‖₁ and ½ ‖β‖².
    fn strengths(&self) -> (f64, f64) {
        match self.penalty {
            Penalty::L1 => (1.0, 0.0),
            Penalty::L2 => (0.0, 1.0),
            Penalty::ElasticNet => (self.l1_ratio, 1.0 - self.l1_ratio),
            Penalty::None => (0.0, 0.0),
        }
    }
}

/// What is minimised. The unknowns are, output by output, the coefficients of the scaled columns and then
/// the intercept where there is one; two classes have one output, which is for the second.
struct Problem<'a> {
    set: &'a TrainingSet,
    present: Vec<usize>,
    scaling: Scaling,
    deviations: Vec<f64>,
    means: Vec<f64>,
    outputs: usize,
    /// Unknowns of one output.
    width: usize,
    intercept: bool,
    c: f64,
    /// Penalties of each unknown.
    l1: Vec<f64>,
    l2: Vec<f64>,
    /// Σ w z² for each unknown of one output.
    squares: Vec<f64>,
}

/// The sum of the losses at a point, with its derivatives.
struct Evaluation {
    loss: f64,
    gradient: Vec<f64>,
    /// For outputs k ≥ l, at k (k + 1) / 2 + l: Σ w p (δ − p) z zᵀ, without the sign of k ≠ l.
    grams: Vec<Symmetric>,
}

impl<'a> Problem<'a> {
    fn of(set: &'a TrainingSet, parameters: &Logistic, present: Vec<usize>) -> Result<Self> {
        let moments = Moments::of(set, Logistic::NAME, &Targets::None)?;
        let mut scaling = Scaling::of(&moments, parameters.fit_intercept);
        let (l1, l2) = parameters.strengths();
        for scale in &mut scaling.scale {
            // So small that the penalty holds its coefficient at zero.
            if (l2 > 0.0 && !(*scale * *scale).is_finite()) || !(l1 * *scale).is_finite() {
                *scale = 0.0;
            }
        }
        let features = set.features.len();
        let outputs = if present.len() == 2 { 1 } else { present.len() };
        let width = features + usize::from(parameters.fit_intercept);
        let penalties = |of: &dyn Fn(f64) -> f64| -> Vec<f64> {
            let one: Vec<f64> = scaling.scale.iter().map(|scale| of(*scale)).chain(parameters.fit_intercept.then_some(0.0)).collect();
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
            intercept: parameters.fit_intercept,
            c: parameters.c,
            l1,
            l2,
            squares: Vec::new(),
            scaling,
        };
        let has_l1 = problem.l1.iter().any(|l1| *l1 > 0.0);
        if has_l1 && outputs * width > WIDEST_WITH_L1 {
            return Err(Error::data(format!("`logistic` with an L1 penalty takes at most {WIDEST_WITH_L1} coefficients, got {}", outputs * width))
                .hint("use `penalty: l2`, or fewer features"));
        }
        problem.measure(moments.weight)?;
        Ok(problem)
    }

    /// The columns' squares and standard deviations.
    fn measure(&mut self, weight: f64) -> Result<()> {
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
            if scale == 0.0 { 0.0 } else { (self.squares[j] / weight - shift * shift).max(0.0).sqrt() / scale }
        };
        self.deviations = (0..self.set.features.len()).map(deviation).collect();
        Ok(())
    }

    fn is_wide(&self) -> bool {
        self.outputs * self.width > WIDEST_HESSIAN && self.l1.iter().all(|l1| *l1 == 0.0)
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
    fn evaluate(&self, theta: &[f64], with_hessian: bool) -> Result<Evaluation> {
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
    fn objective(&self, evaluation: &Evaluation, theta: &[f64]) -> f64 {
        let squares: f64 = theta.iter().zip(&self.l2).map(|(x, l2)| if *x == 0.0 { 0.0 } else { 0.5 * l2 * x * x }).sum();
        self.c * evaluation.loss + squares + self.lengths(theta)
    }

    fn lengths(&self, theta: &[f64]) -> f64 {
        theta.iter().zip(&self.l1).map(|(x, l1)| l1 * x.abs()).sum()
    }

    /// The gradient of the smooth part.
    fn gradient(&self, evaluation: &Evaluation, theta: &[f64]) -> Vec<f64> {
        evaluation.gradient.iter().zip(&self.l2).zip(theta).map(|((g, l2), x)| self.c * g + l2 * x).collect()
    }

    fn hessian(&self, evaluation: &Evaluation) -> Symmetric {
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

    /// The point, and whether it settled.
    fn newton(&self, parameters: &Logistic) -> Result<(Vec<f64>, bool)> {
        let mut theta = vec![0.0; self.outputs * self.width];
        let mut here = self.evaluate(&theta, true)?;
        let smooth = self.l1.iter().all(|l1| *l1 == 0.0);
        let ones = vec![1.0; theta.len()];
        for _ in 0..parameters.max_iter {
            let gradient = self.gradient(&here, &theta);
            let hessian = self.hessian(&here);
            let step: Vec<f64> = if smooth {
                Solver::new(&hessian, &ones).solve(&gradient).iter().map(|x| -x).collect()
            } else {
                let linear: Vec<f64> = hessian.times(&theta).iter().zip(&gradient).map(|(hx, g)| hx - g).collect();
                let none = vec![0.0; theta.len()];
                let mut target = theta.clone();
                let function = Quadratic { matrix: &hessian, linear: &linear, l1: &self.l1, l2: &none };
                descend(&function, &mut target, 0.01 * parameters.tol, 10_000);
                target.iter().zip(&theta).map(|(target, x)| target - x).collect()
            };
            let Some((next, there, share)) = self.search(&theta, &here, &gradient, &step, true)? else {
                // No step lowers the objective any more: this is the optimum up to rounding.
                return Ok((theta, true));
            };
            let moved = share * largest(&step);
            (theta, here) = (next, there);
            if moved <= parameters.tol * largest(&theta).max(1.0) {
                return Ok((theta, true));
            }
        }
        Ok((theta, false))
    }

    /// Halves a step until the objective falls enough (Armijo); `None` where none does.
    fn search(&self, theta: &[f64], here: &Evaluation, gradient: &[f64], step: &[f64], with_hessian: bool) -> Result<Option<(Vec<f64>, Evaluation, f64)>> {
        let start = self.objective(here, theta);
        let whole: Vec<f64> = theta.iter().zip(step).map(|(x, s)| x + s).collect();
        let slope = dot(gradient, step) + self.lengths(&whole) - self.lengths(theta);
        let mut share = 1.0;
        for _ in 0..HALVINGS {
            let next: Vec<f64> = theta.iter().zip(step).map(|(x, s)| x + share * s).collect();
            let there = self.evaluate(&next, with_hessian)?;
            let objective = self.objective(&there, &next);
            if objective.is_finite() && objective <= start + 1e-4 * share * slope.min(0.0) + 8.0 * f64::EPSILON * start.abs() {
                return Ok(Some((next, there, share)));
            }
            share /= 2.0;
        }
        Ok(None)
    }

    fn lbfgs(&self, parameters: &Logistic) -> Result<(Vec<f64>, bool)> {
        let mut theta = vec![0.0; self.outputs * self.width];
        let mut here = self.evaluate(&theta, false)?;
        let mut gradient = self.gradient(&here, &theta);
        // The inverse of an upper bound of the Hessian's diagonal.
        let inverse: Vec<f64> = self.squares.repeat(self.outputs).iter().zip(&self.l2).map(|(squares, l2)| self.c * squares / 4.0 + l2).collect();
        let inverse: Vec<f64> = inverse.iter().map(|d| if *d > 0.0 { 1.0 / d } else { 0.0 }).collect();
        let mut memory: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
        for _ in 0..parameters.max_iter.saturating_mul(STEPS_A_NEWTON_STEP) {
            let step = two_loops(&gradient, &memory, &inverse);
            let Some((next, there, _)) = self.search(&theta, &here, &gradient, &step, false)? else {
                if memory.is_empty() {
                    return Ok((theta, true));
                }
                memory.clear();
                continue;
            };
            let slope = self.gradient(&there, &next);
            let moves: Vec<f64> = next.iter().zip(&theta).map(|(a, b)| a - b).collect();
            let turns: Vec<f64> = slope.iter().zip(&gradient).map(|(a, b)| a - b).collect();
            (theta, here, gradient) = (next, there, slope);
            let newton_like = gradient.iter().zip(&inverse).fold(0.0_f64, |most, (g, d)| most.max((g * d).abs()));
            if newton_like <= parameters.tol * largest(&theta).max(1.0) {
                return Ok((theta, true));
            }
            if dot(&moves, &turns) > 0.0 {
                if memory.len() == MEMORY {
                    memory.remove(0);
                }
                memory.push((moves, turns));
            }
        }
        Ok((theta, false))
    }

    fn model(&self, mut theta: Vec<f64>, classes: &[String]) -> Result<LinearModel> {
        if self.outputs > 1 && self.intercept {
            // Adding a number to every intercept changes no probability; scikit-learn's sum to zero.
            let mean = theta.chunks(self.width).filter_map(<[f64]>::last).sum::<f64>() / self.outputs as f64;
            theta.chunks_mut(self.width).filter_map(<[f64]>::last_mut).for_each(|b| *b -= mean);
        }
        let features = self.set.features.len();
        let outputs = (0..self.outputs).map(|k| {
            let unknowns = &theta[k * self.width..(k + 1) * self.width];
            let coefficients: Vec<f64> =
                unknowns[..features].iter().zip(&self.scaling.scale).map(|(x, scale)| if *x == 0.0 { 0.0 } else { x * scale }).collect();
            let shift: f64 = unknowns
                .iter()
                .zip(&self.scaling.scale)
                .zip(&self.scaling.centre)
                .map(|((x, scale), centre)| if *x == 0.0 { 0.0 } else { (x * scale) * centre })
                .sum();
            let intercept = self.intercept.then(|| unknowns[features] - shift);
            Output { class: (self.outputs > 1).then(|| classes[self.present[k]].clone()), coefficients, intercept }
        });
        let (classes, present) = (classes.len(), self.present.clone());
        let link = if self.outputs == 1 { Link::Logistic { classes, present } } else { Link::Softmax { classes, present } };
        LinearModel::new(Logistic::NAME, self.set, self.deviations.clone(), outputs.collect(), link)
    }
}

/// Turns outputs into probabilities and returns Σ w loss.
fn probabilities(outputs: &mut [[f64; ROWS]], labels: &[usize; ROWS], weights: &[f64; ROWS]) -> f64 {
    let mut loss = 0.0;
    if let [output] = outputs {
        for ((output, label), w) in output.iter_mut().zip(labels).zip(weights) {
            let towards = if *label == 1 { *output } else { -*output };
            loss += w * ((-towards.abs()).exp().ln_1p() + (-towards).max(0.0));
            *output = sigmoid(*output);
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
        outputs.iter_mut().for_each(|output| output[r] /= total);
        loss += w * (total.ln() + most - own);
    }
    loss
}

/// −H·gradient, where H is the inverse Hessian as the remembered steps and the diagonal tell it.
fn two_loops(gradient: &[f64], memory: &[(Vec<f64>, Vec<f64>)], inverse: &[f64]) -> Vec<f64> {
    let mut q = gradient.to_vec();
    let mut shares = Vec::with_capacity(memory.len());
    for (moves, turns) in memory.iter().rev() {
        let share = dot(moves, &q) / dot(moves, turns);
        q.iter_mut().zip(turns).for_each(|(q, y)| *q -= share * y);
        shares.push(share);
    }
    q.iter_mut().zip(inverse).for_each(|(q, d)| *q *= d);
    for ((moves, turns), share) in memory.iter().zip(shares.iter().rev()) {
        let back = dot(turns, &q) / dot(moves, turns);
        q.iter_mut().zip(moves).for_each(|(q, s)| *q += (share - back) * s);
    }
    q.iter_mut().for_each(|q| *q = -*q);
    q
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}
