//! Logistic regression for two and for more classes, by Newton's method or L-BFGS.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::design::{Design, TargetScale};
use super::linear_model::{LinearModel, Link, Output};
use super::minimise::{Limits, is_smooth, minimise};
use super::penalised::{Loss, Problem, Terms};
use super::shared::{Refusals, Targets, class_weights, positive, present};
use crate::error::{Error, Result};
use crate::ml::linalg::ROWS;
use crate::ml::{Estimator, Task, TrainingSet};
use crate::value::Fault;

/// More coefficients than this are refused with an L1 penalty, which needs the Hessian.
const WIDEST_WITH_L1: usize = 4096;
/// A mean loss that only perfect separation reaches.
const SEPARATED: f64 = 1e-9;

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

    fn takes_sparse(&self) -> bool {
        true
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
        let loss = Classes { present: present(&class_weights(on)?) };
        let mut design = Design::of(on, Self::NAME, &Targets::None, self.fit_intercept)?;
        let (l1, l2) = self.strengths();
        let problem = Problem::of(&mut design, loss, Terms { c: self.c, l1, l2 });
        let unknowns = problem.unknowns();
        if !is_smooth(&problem) && on.is_sparse() {
            return Err(Error::data("`logistic` with an L1 penalty cannot take sparse columns").hint("use `penalty: l2`, or `sparse: false` for dense columns"));
        }
        if !is_smooth(&problem) && unknowns > WIDEST_WITH_L1 {
            return Err(Error::data(format!("`logistic` with an L1 penalty takes at most {WIDEST_WITH_L1} coefficients, got {unknowns}"))
                .hint("use `penalty: l2`, or fewer features"));
        }
        let found = minimise(&problem, vec![0.0; unknowns], Limits { max_iter: self.max_iter, tol: self.tol })?;
        if self.penalty == Penalty::None && (!found.settled || found.value <= SEPARATED * self.c * problem.design.moments.weight) {
            return Err(Error::data("`logistic` without a penalty has no optimum here: the classes can be told apart perfectly")
                .hint("use `penalty: l2`, with a large `C` for a weak penalty; if they cannot be told apart, raise `max_iter`"));
        }
        let note = (!found.settled).then(|| format!("not settled after {} steps", self.max_iter));
        Ok(model(&problem, &found.at, classes)?.with_note(note))
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

fn model(problem: &Problem<'_, Classes>, found: &[f64], classes: &[String]) -> Result<LinearModel> {
    let (design, present) = (problem.design, &problem.loss.present);
    let several = problem.loss.outputs() > 1;
    let output = |k: usize| {
        let unknowns = found.get(k * design.width..).unwrap_or_default();
        let unknowns = unknowns.get(..design.width).unwrap_or_default();
        design.output(several.then(|| classes[present[k]].clone()), unknowns, TargetScale::NONE)
    };
    let mut outputs: Vec<Output> = (0..problem.loss.outputs()).map(output).collect();
    if several {
        // Adding a number to every intercept changes no probability; scikit-learn's sum to zero.
        let mean = outputs.iter().filter_map(|output| output.intercept).sum::<f64>() / outputs.len() as f64;
        outputs.iter_mut().filter_map(|output| output.intercept.as_mut()).for_each(|intercept| *intercept -= mean);
    }
    let (classes, present) = (classes.len(), present.clone());
    let link = if several { Link::Softmax { classes, present } } else { Link::Logistic { classes, present } };
    Ok(LinearModel::new(Logistic::NAME, design.set, design.deviations.clone(), outputs, link)?.with_means(&design.moments.mean))
}

/// The negative logarithm of the probability given to the true class. Two classes have one output, which is for the
/// second; more have one each.
struct Classes {
    /// The classes that occur, in order.
    present: Vec<usize>,
}

impl Loss for Classes {
    fn outputs(&self) -> usize {
        if self.present.len() == 2 { 1 } else { self.present.len() }
    }

    fn curvature(&self) -> f64 {
        0.25
    }

    fn apply(&self, outputs: &mut [[f64; ROWS]], y: &[f64; ROWS], w: &[f64; ROWS], roots: &mut [[f64; ROWS]]) -> f64 {
        // A class that is absent has no weight either.
        let labels = y.map(|y| self.present.binary_search(&(y as usize)).unwrap_or(0));
        let loss = probabilities(outputs, &labels, w);
        let place = |k: usize, l: usize| k * (k + 1) / 2 + l;
        for (k, l) in (0..outputs.len()).flat_map(|k| (0..=k).map(move |l| (k, l))) {
            let Some(roots) = roots.get_mut(place(k, l)) else { continue };
            for (((root, p), q), w) in roots.iter_mut().zip(&outputs[k]).zip(&outputs[l]).zip(w) {
                *root = (w * p * if k == l { 1.0 - q } else { *q }).sqrt();
            }
        }
        let single = outputs.len() == 1;
        for (k, output) in outputs.iter_mut().enumerate() {
            let own = if single { 1 } else { k };
            for ((p, label), w) in output.iter_mut().zip(&labels).zip(w) {
                *p = w * (*p - f64::from(u8::from(*label == own)));
            }
        }
        loss
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
