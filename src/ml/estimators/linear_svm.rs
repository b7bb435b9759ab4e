//! A linear support vector machine with squared losses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::design::{Design, TargetScale};
use super::linear_model::{LinearModel, Link};
use super::minimise::{Limits, minimise};
use super::penalised::{Loss, Problem, Terms, each_row};
use super::shared::{Refusals, Targets, class_weights, not_negative, positive, present};
use crate::error::Result;
use crate::ml::linalg::ROWS;
use crate::ml::{Estimator, Task, TrainingSet};
use crate::value::Fault;

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinearSvm {
    #[serde(rename = "C", alias = "c", alias = "cost")]
    #[schemars(extend("x-aliases" = ["c", "cost"]))]
    c: f64,
    #[serde(alias = "margin")]
    #[schemars(extend("x-aliases" = ["margin"]))]
    epsilon: f64,
    fit_intercept: bool,
    max_iter: usize,
    tol: f64,
}

impl Default for LinearSvm {
    fn default() -> Self {
        Self { c: 1.0, epsilon: 0.1, fit_intercept: true, max_iter: 100, tol: 1e-8 }
    }
}

impl Estimator for LinearSvm {
    const NAME: &'static str = "linear_svm";
    const ALIASES: &'static [&'static str] = &["svm_linear", "linear_svc", "linear_svr", "LinearSVC", "LinearSVR"];
    const DOC: &'static str = "\
A linear support vector machine: only rows near the border between classes, or far from the plane, have a say.

Minimises ½ ‖β‖² + C Σ wᵢ lossᵢ. For classes the loss is max(0, 1 − t f)², where f = xβ + b and t is 1 in the class and −1
in the others: one machine a class, or one for the second of two. For a number it is max(0, |y − f| − epsilon)². The
intercept is not penalised (scikit-learn penalises it a little for classes). The largest output is the predicted class;
scores are the softmax of the outputs (of −output and output with two classes): they rank and sum to one, but are
no probabilities; for those take `logistic`, or add `calibrate_proba`. Scale the features first (`standard_scale`).
Memory does not grow with the number of rows. Row weights and class weights count. Missing values are refused.

Parameters:
- `C` (number > 0, default 1.0): the weight of the loss; smaller keeps coefficients smaller.
- `epsilon` (number ≥ 0, default 0.1): errors up to this size do not count, in the target's unit; for numbers only.
- `fit_intercept` (boolean, default true): estimate b.
- `max_iter` (1..=100000, default 100): Newton steps; where there are more than 1,000 features, each
  stands for 20 steps of L-BFGS.
- `tol` (number > 0, default 1e-8): stop when no coefficient, taken over its feature's range, moves by more.

Source: scikit-learn `LinearSVC` (squared hinge loss) and `LinearSVR` with `loss='squared_epsilon_insensitive'`;
Keerthi and DeCoste (2005).

```yaml
steps:
  train:
    using: linear_svm
    estimator_params: {C: 0.5}
```
";

    type Fitted = LinearModel;

    fn supports(task: &Task) -> bool {
        *task == Task::Regression || task.classes() >= 2
    }

    fn takes_sparse(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), Vec<Fault>> {
        Refusals::default()
            .unless(positive(self.c), "C", "must be a number > 0")
            .unless(not_negative(self.epsilon), "epsilon", "must be a number ≥ 0")
            .unless((1..=100_000).contains(&self.max_iter), "max_iter", "must lie between 1 and 100000")
            .unless(positive(self.tol), "tol", "must be a number > 0")
            .done()
    }

    fn fit(&self, on: &TrainingSet) -> Result<LinearModel> {
        let terms = Terms { c: self.c, l1: 0.0, l2: 1.0 };
        let limits = Limits { max_iter: self.max_iter, tol: self.tol };
        let (outputs, link, design, settled) = match &on.task {
            Task::Regression => {
                let mut design = Design::of(on, Self::NAME, &Targets::Number, self.fit_intercept)?;
                // All errors in another unit, and with them the coefficients: the same optimum.
                let target = design.target();
                let problem = Problem::of(&mut design, SquaredTube { target, epsilon: self.epsilon * target.scale }, terms);
                let found = minimise(&problem, vec![0.0; problem.unknowns()], limits)?;
                (vec![design.output(None, &found.at, target)], Link::Value, design, found.settled)
            }
            Task::Classification { classes, .. } => {
                let present = present(&class_weights(on)?);
                let several = present.len() > 2;
                let mut design = Design::of(on, Self::NAME, &Targets::None, self.fit_intercept)?;
                let (mut outputs, mut settled) = (Vec::new(), true);
                for class in if several { &present[..] } else { &present[1..] } {
                    let problem = Problem::of(&mut design, SquaredHinge { class: *class as f64 }, terms);
                    let found = minimise(&problem, vec![0.0; problem.unknowns()], limits)?;
                    settled &= found.settled;
                    outputs.push(design.output(several.then(|| classes[*class].clone()), &found.at, TargetScale::NONE));
                }
                let classes = classes.len();
                (outputs, if several { Link::Softmax { classes, present } } else { Link::Signs { classes, present } }, design, settled)
            }
        };
        let note = (!settled).then(|| format!("not settled after {} steps", self.max_iter));
        Ok(LinearModel::new(Self::NAME, on, design.deviations, outputs, link)?.with_means(&design.moments.mean).with_note(note))
    }
}

/// max(0, 1 − t f)², where t is 1 in one class and −1 in the others.
struct SquaredHinge {
    class: f64,
}

impl Loss for SquaredHinge {
    fn curvature(&self) -> f64 {
        2.0
    }

    fn apply(&self, outputs: &mut [[f64; ROWS]], y: &[f64; ROWS], w: &[f64; ROWS], roots: &mut [[f64; ROWS]]) -> f64 {
        each_row(outputs, y, w, roots, |output, y| {
            let sign = if y == self.class { 1.0 } else { -1.0 };
            squared(1.0 - sign * output, -sign)
        })
    }
}

/// max(0, |y − f| − epsilon)² of the scaled target.
struct SquaredTube {
    target: TargetScale,
    epsilon: f64,
}

impl Loss for SquaredTube {
    fn curvature(&self) -> f64 {
        2.0
    }

    fn apply(&self, outputs: &mut [[f64; ROWS]], y: &[f64; ROWS], w: &[f64; ROWS], roots: &mut [[f64; ROWS]]) -> f64 {
        each_row(outputs, y, w, roots, |output, y| {
            let residual = output - (y - self.target.centre) * self.target.scale;
            squared(residual.abs() - self.epsilon, residual.signum())
        })
    }
}

/// max(0, excess)² and its derivatives, where the excess grows by `direction` with the output.
fn squared(excess: f64, direction: f64) -> (f64, f64, f64) {
    if excess > 0.0 { (excess * excess, 2.0 * excess * direction, 2.0) } else { (0.0, 0.0, 0.0) }
}
