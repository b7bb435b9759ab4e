//! Logistic regression for two and for more classes.
//!
//! Newton's method with step halving: each step is one pass over the rows. An L1 penalty keeps the pass and
//! solves each step's quadratic model by coordinate descent (proximal Newton: Lee, Sun and Saunders
//! 2014). Where the Hessian would be too wide, L-BFGS (Nocedal and Wright, Numerical Optimization,
//! algorithm 7.4) takes gradients only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::likelihood::{Evaluation, Problem, Terms};
use super::linear_model::{LinearModel, Link, Output};
use super::shared::{Refusals, class_weights, positive, present};
use crate::error::{Error, Result};
use crate::ml::linalg::{Quadratic, Solver, descend, dot};
use crate::ml::{Estimator, Task, TrainingSet};
use crate::value::Fault;

/// With more coefficients than this, gradients take the place of Hessians.
const WIDEST_HESSIAN: usize = 1000;
/// The same with an L1 penalty, which needs the Hessian; beyond, it is refused.
const WIDEST_WITH_L1: usize = 4096;
/// A mean loss that only perfect separation reaches.
const SEPARATED: f64 = 1e-9;
/// Step halvings before a step is given up.
const HALVINGS: usize = 40;
/// Steps that L-BFGS remembers.
const MEMORY: usize = 10;
/// L-BFGS steps are cheap: this many of them for each one of `max_iter`.
const STEPS_A_NEWTON_STEP: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Penalty {
    L1,
    L2,
    #[serde(alias = "elasticnet")]
    #[schemars(extend("x-aliases" = ["elasticnet"]))]
    ElasticNet,
    None,
}

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Logistic {
    #[serde(rename = "C", alias = "c")]
    #[schemars(extend("x-aliases" = ["c"]))]
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
    const VERSION: u32 = 2;
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
        let (l1, l2) = self.strengths();
        let problem = Problem::of(on, Self::NAME, present, Terms { c: self.c, l1, l2, intercept: self.fit_intercept })?;
        let unknowns = problem.unknowns();
        let found = if unknowns <= WIDEST_HESSIAN || (!problem.is_smooth() && unknowns <= WIDEST_WITH_L1) {
            problem.newton(self)?
        } else if problem.is_smooth() {
            problem.lbfgs(self)?
        } else {
            return Err(Error::data(format!("`logistic` with an L1 penalty takes at most {WIDEST_WITH_L1} coefficients, got {unknowns}"))
                .hint("use `penalty: l2`, or fewer features"));
        };
        if self.penalty == Penalty::None && (!found.settled || found.loss <= SEPARATED * problem.weight) {
            return Err(Error::data("`logistic` without a penalty has no optimum here: the classes can be told apart perfectly")
                .hint("use `penalty: l2`, with a large `C` for a weak penalty; if they cannot be told apart, raise `max_iter`"));
        }
        let note = (!found.settled).then(|| format!("not settled after {} steps", self.max_iter));
        Ok(problem.model(&found.theta, classes)?.with_note(note))
    }
}

/// Where the search ended.
struct Found {
    theta: Vec<f64>,
    loss: f64,
    settled: bool,
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

impl Problem<'_> {
    fn newton(&self, parameters: &Logistic) -> Result<Found> {
        let mut theta = vec![0.0; self.unknowns()];
        let mut here = self.evaluate(&theta, true)?;
        let ones = vec![1.0; theta.len()];
        for _ in 0..parameters.max_iter {
            let gradient = self.gradient(&here, &theta);
            let hessian = self.hessian(&here);
            let step: Vec<f64> = if self.is_smooth() {
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
                return Ok(Found { theta, loss: here.loss, settled: true });
            };
            let moved = share * largest(&step);
            (theta, here) = (next, there);
            if moved <= parameters.tol * largest(&theta).max(1.0) {
                return Ok(Found { theta, loss: here.loss, settled: true });
            }
        }
        Ok(Found { theta, loss: here.loss, settled: false })
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

    fn lbfgs(&self, parameters: &Logistic) -> Result<Found> {
        let mut theta = vec![0.0; self.unknowns()];
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
                    return Ok(Found { theta, loss: here.loss, settled: true });
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
                return Ok(Found { theta, loss: here.loss, settled: true });
            }
            if dot(&moves, &turns) > 0.0 {
                if memory.len() == MEMORY {
                    memory.remove(0);
                }
                memory.push((moves, turns));
            }
        }
        Ok(Found { theta, loss: here.loss, settled: false })
    }

    fn model(&self, theta: &[f64], classes: &[String]) -> Result<LinearModel> {
        let features = self.set.features.len();
        let output = |(k, unknowns): (usize, &[f64])| {
            let scaled = || unknowns.iter().zip(&self.scaling.scale).map(|(x, scale)| if *x == 0.0 { 0.0 } else { x * scale });
            let shift: f64 = scaled().zip(&self.scaling.centre).map(|(x, centre)| x * centre).sum();
            let intercept = self.intercept.then(|| unknowns[features] - shift);
            Output { class: (self.outputs > 1).then(|| classes[self.present[k]].clone()), coefficients: scaled().take(features).collect(), intercept }
        };
        let mut outputs: Vec<Output> =
            if self.width == 0 { (0..self.outputs).map(|k| output((k, &[]))).collect() } else { theta.chunks(self.width).enumerate().map(output).collect() };
        if self.outputs > 1 {
            // Adding a number to every intercept changes no probability; scikit-learn's sum to zero.
            let mean = outputs.iter().filter_map(|output| output.intercept).sum::<f64>() / self.outputs as f64;
            outputs.iter_mut().filter_map(|output| output.intercept.as_mut()).for_each(|intercept| *intercept -= mean);
        }
        let (classes, present) = (classes.len(), self.present.clone());
        let link = if self.outputs == 1 { Link::Logistic { classes, present } } else { Link::Softmax { classes, present } };
        Ok(LinearModel::new(Logistic::NAME, self.set, self.deviations.clone(), outputs, link)?.with_means(&self.means))
    }
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
    for q in &mut q {
        *q = -*q;
    }
    q
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}
