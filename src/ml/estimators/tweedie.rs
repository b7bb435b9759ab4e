//! Generalised linear models with a logarithmic link: the fit that Poisson, gamma and Tweedie regression share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::design::{Design, TargetScale};
use super::linear_model::{LinearModel, Link};
use super::minimise::{Limits, minimise};
use super::penalised::{Loss, Problem, Terms, each_row};
use super::shared::{Refusals, Targets, not_negative, positive, power_of_two};
use crate::error::{Error, Result, counted};
use crate::ml::linalg::ROWS;
use crate::ml::{Estimator, Task, TrainingSet};
use crate::value::Fault;

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tweedie {
    #[serde(alias = "tweedie_variance_power", alias = "var_power")]
    #[schemars(extend("x-aliases" = ["tweedie_variance_power", "var_power"]))]
    power: f64,
    alpha: f64,
    fit_intercept: bool,
    max_iter: usize,
    tol: f64,
}

impl Default for Tweedie {
    fn default() -> Self {
        Self { power: 1.5, alpha: 1.0, fit_intercept: true, max_iter: 100, tol: 1e-8 }
    }
}

impl Estimator for Tweedie {
    const NAME: &'static str = "tweedie";
    const ALIASES: &'static [&'static str] = &["tweedie_regression", "TweedieRegressor"];
    const DOC: &'static str = "\
Tweedie regression: for amounts that are often exactly zero and else positive, such as the claims of a policy.

The prediction is μ = exp(xβ + b); minimises 1/(2Σw) Σ wᵢ dᵢ + ½ alpha ‖β‖², where d is the Tweedie deviance: the
variance of the target is taken to grow as μ^power. Effects multiply: a coefficient of 0.1 makes the prediction 10.5 %
larger for each unit of the feature. Scale the features first (`standard_scale`): the penalty depends on their units.
For an amount per exposure, divide the target by the exposure and give that as the weight. Memory does not grow
with the number of rows. Targets below 0 are refused (with `power: 2` also 0), and so are missing values.

Parameters:
- `power` (1..=2, default 1.5): 1 is `poisson`, 2 is `gamma`, between them there are zeros and positive amounts.
- `alpha` (number ≥ 0, default 1.0): strength of the penalty.
- `fit_intercept` (boolean, default true): estimate b, which is not penalised.
- `max_iter` (1..=100000, default 100): Newton steps; where there are more than 1,000 coefficients, each
  stands for 20 steps of L-BFGS.
- `tol` (number > 0, default 1e-8): stop when no coefficient, taken over its feature's range, moves by more.

Source: scikit-learn `TweedieRegressor` with `link='log'`, whose `power` is 0 by default; Jørgensen (1987).

```yaml
steps:
  train:
    using: tweedie
    estimator_params: {power: 1.7, alpha: 0.01}
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
            .unless((1.0..=2.0).contains(&self.power), "power", "must lie between 1 and 2")
            .unless(not_negative(self.alpha), "alpha", "must be a number ≥ 0")
            .unless((1..=100_000).contains(&self.max_iter), "max_iter", "must lie between 1 and 100000")
            .unless(positive(self.tol), "tol", "must be a number > 0")
            .done()
    }

    fn fit(&self, on: &TrainingSet) -> Result<LinearModel> {
        fit(on, Self::NAME, self)
    }
}

impl Tweedie {
    /// With a power that has a name of its own.
    pub(super) fn named(power: f64, alpha: f64, fit_intercept: bool, max_iter: usize, tol: f64) -> Self {
        Self { power, alpha, fit_intercept, max_iter, tol }
    }
}

/// Fits under the name of the estimator that asked.
pub(super) fn fit(on: &TrainingSet, name: &str, glm: &Tweedie) -> Result<LinearModel> {
    let mut design = Design::of(on, name, &Targets::Number, glm.fit_intercept)?;
    refuse_outside(on, name, glm.power)?;
    let (mean, weight) = (design.moments.mean[design.features()], design.moments.weight);
    if mean <= 0.0 {
        return Err(Error::data(format!("the target is 0 in every row, which leaves `{name}` nothing to learn")));
    }
    // Targets are brought near to one, which moves the intercept; the penalty follows the loss's unit.
    let unit = power_of_two(mean);
    let l2 = if glm.alpha == 0.0 { 0.0 } else { (glm.alpha * unit.powf(2.0 - glm.power)).min(f64::MAX) };
    let loss = HalfDeviance { power: glm.power, unit, offset: if glm.fit_intercept { 0.0 } else { unit.ln() } };
    let problem = Problem::of(&mut design, loss, Terms { c: 1.0 / weight, l1: 0.0, l2 });
    let found = minimise(&problem, vec![0.0; problem.unknowns()], Limits { max_iter: glm.max_iter, tol: glm.tol })?;
    let mut output = design.output(None, &found.at, TargetScale::NONE);
    output.intercept = output.intercept.map(|intercept| intercept - unit.ln());
    let note = (!found.settled).then(|| format!("not settled after {} steps", glm.max_iter));
    Ok(LinearModel::new(name, on, design.deviations, vec![output], Link::Log)?.with_means(&design.moments.mean).with_note(note))
}

/// Refuses targets that the distribution does not have, in rows that count.
fn refuse_outside(on: &TrainingSet, name: &str, power: f64) -> Result<()> {
    let is_fine = |y: f64| if power < 2.0 { y >= 0.0 } else { y > 0.0 };
    // Rows so far, bad ones, and the first of these.
    let (_, bad, first) = on.reduce(
        (0, 0, None),
        |chunk| {
            let mut bad = chunk.y.iter().zip(&chunk.w).enumerate().filter(|(_, (y, w))| **w > 0.0 && !is_fine(**y)).map(|(i, (y, _))| (i, *y));
            let first = bad.next();
            Ok((chunk.y.len(), usize::from(first.is_some()) + bad.count(), first))
        },
        |a, b| (a.0 + b.0, a.1 + b.1, a.2.or(b.2.map(|(row, y)| (a.0 + row, y)))),
    )?;
    let Some((row, y)) = first else { return Ok(()) };
    let (range, other) = if power < 2.0 { ("≥ 0", "`huber` or `gradient_boosting`") } else { ("above 0", "`tweedie` with a `power` below 2") };
    Err(Error::data(format!(
        "`{name}` takes targets {range}, and {} of training {}: the first, row {}, has {y}",
        counted(bad as u64, "row"),
        if bad == 1 { "is not" } else { "are not" },
        row + 1
    ))
    .hint(format!("filter these rows out in ingest, or choose an estimator that takes them, such as {other}")))
}

/// Half the unit deviance with μ = exp(output + offset), up to a constant of the target; the target is multiplied by `unit`.
struct HalfDeviance {
    power: f64,
    unit: f64,
    offset: f64,
}

impl Loss for HalfDeviance {
    fn curvature(&self) -> f64 {
        1.0
    }

    fn apply(&self, outputs: &mut [[f64; ROWS]], y: &[f64; ROWS], w: &[f64; ROWS], roots: &mut [[f64; ROWS]]) -> f64 {
        let (p, one_less) = (self.power, 2.0 - self.power);
        each_row(outputs, y, w, roots, |output, y| {
            let (eta, y) = (output + self.offset, y * self.unit);
            // μ^(2 − p) and y μ^(1 − p).
            let (mean, pull) = ((one_less * eta).exp(), if y == 0.0 { 0.0 } else { y * ((1.0 - p) * eta).exp() });
            let loss = if p == 1.0 {
                mean - y * eta
            } else if p == 2.0 {
                eta + pull
            } else {
                mean / one_less + pull / (p - 1.0)
            };
            (loss, mean - pull, one_less * mean + (p - 1.0) * pull)
        })
    }
}
