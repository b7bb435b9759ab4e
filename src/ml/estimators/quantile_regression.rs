//! Linear regression for a quantile.
//!
//! A linear program, solved by a primal-dual interior point method (Portnoy and Koenker 1997, with Mehrotra's
//! predictor and corrector): each step is one weighted Gram matrix. Both problems are feasible from the start. At the
//! end the rows that the plane goes through are known, and it is laid through them exactly. An L1 penalty is one
//! more row a coefficient: alpha |β| is the loss of a row with the target 0 and the quantile one half.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::design::Design;
use super::linear_model::{LinearModel, Link};
use super::shared::{Refusals, Targets, not_negative, positive};
use crate::error::Result;
use crate::ml::linalg::{Block, ROWS, Solver, Symmetric, dot};
use crate::ml::{Deadline, Estimator, Task, TrainingSet};
use crate::value::Fault;

/// Pieces that one thread takes at a time, whatever the number of threads.
const PIECES: usize = 128;
/// The share of the way to the border that a step goes.
const SHARE_OF_WAY: f64 = 0.9995;
/// A mean loss, of targets brought to one, that is nothing but rounding.
const NOTHING: f64 = 1e-14;

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuantileRegression {
    #[serde(alias = "tau")]
    #[schemars(extend("x-aliases" = ["tau"]))]
    quantile: f64,
    alpha: f64,
    fit_intercept: bool,
    max_iter: usize,
    tol: f64,
}

impl Default for QuantileRegression {
    fn default() -> Self {
        Self { quantile: 0.5, alpha: 0.0, fit_intercept: true, max_iter: 200, tol: 1e-10 }
    }
}

impl Estimator for QuantileRegression {
    const NAME: &'static str = "quantile_regression";
    const ALIASES: &'static [&'static str] = &["QuantileRegressor", "rq"];
    const DOC: &'static str = "\
Quantile regression: the plane below which a given share of the targets lies.

Minimises 1/Σw Σ wᵢ lossᵢ + alpha ‖β‖₁, where the loss of a residual r = y − xβ − b is quantile · r above the plane and
(quantile − 1) · r below it. The default is the median: targets that are far off count no more than near ones. Two
of them, for example at 0.05 and 0.95, bound a prediction. Where several planes are equally good one of them is
taken. Scale the features first (`standard_scale`) if there is a penalty. All training rows are held in memory. Row weights
count as in scikit-learn. Missing values are refused.

Parameters:
- `quantile` (above 0 and below 1, default 0.5): the share.
- `alpha` (number ≥ 0, default 0): strength of the penalty, which sets weak coefficients to exactly zero.
- `fit_intercept` (boolean, default true): estimate b, which is not penalised.
- `max_iter` (1..=100000, default 200): interior point steps; thirty are usual.
- `tol` (number > 0, default 1e-10): stop when the objective lies above its minimum by no more than this share.

Source: scikit-learn `QuantileRegressor`, whose `alpha` is 1 by default; R `quantreg::rq`; Koenker and Bassett (1978).

```yaml
steps:
  train:
    using: quantile_regression
    estimator_params: {quantile: 0.9}
```
";

    type Fitted = LinearModel;

    fn supports(task: &Task) -> bool {
        *task == Task::Regression
    }

    fn check(&self) -> Result<(), Vec<Fault>> {
        Refusals::default()
            .unless(self.quantile > 0.0 && self.quantile < 1.0, "quantile", "must lie above 0 and below 1")
            .unless(not_negative(self.alpha), "alpha", "must be a number ≥ 0")
            .unless((1..=100_000).contains(&self.max_iter), "max_iter", "must lie between 1 and 100000")
            .unless(positive(self.tol), "tol", "must be a number > 0")
            .done()
    }

    fn fit(&self, on: &TrainingSet) -> Result<LinearModel> {
        let mut design = Design::of(on, Self::NAME, &Targets::Number, self.fit_intercept)?;
        design.drop_where(|scale| !(2.0 * self.alpha * scale).is_finite());
        let mut program = self.program(&design)?;
        let mut theta = vec![0.0; design.width];
        // A constant target is met by the plane that is zero.
        let settled = design.target().scale == 0.0 || program.solve(&mut theta, self.max_iter, self.tol, on.deadline);
        on.deadline.check()?;
        let output = design.output(None, &theta, design.target());
        let note = (!settled).then(|| format!("not settled after {} steps", self.max_iter));
        Ok(LinearModel::new(Self::NAME, on, design.deviations, vec![output], Link::Value)?.with_means(&design.moments.mean).with_note(note))
    }
}

impl QuantileRegression {
    /// The rows, their weights summing to one, and behind them one row a penalised coefficient.
    fn program(&self, design: &Design<'_>) -> Result<Program> {
        let (target, weight) = (design.target(), design.moments.weight);
        let mut pieces = design.set.reduce(
            Vec::new(),
            |chunk| {
                let mut pieces = Vec::new();
                design.blocks(chunk, |rows| {
                    let y = rows.y.map(|y| (y - target.centre) * target.scale);
                    let w = rows.w.map(|w| w / weight);
                    pieces.push(Piece::new(rows.block.columns.clone(), &y, &w, self.quantile));
                });
                Ok(pieces)
            },
            |mut all, some| {
                all.extend(some);
                all
            },
        )?;
        let rows = pieces.len();
        for start in (0..if self.alpha > 0.0 { design.features() } else { 0 }).step_by(ROWS) {
            let mut columns = vec![[0.0; ROWS]; design.width];
            let mut w = [0.0; ROWS];
            for ((i, w), (j, scale)) in w.iter_mut().enumerate().zip(design.scales().iter().enumerate().skip(start)) {
                columns[j][i] = 1.0;
                *w = 2.0 * self.alpha * scale;
            }
            pieces.push(Piece::new(columns, &[0.0; ROWS], &w, 0.5));
        }
        Ok(Program { pieces, rows, width: design.width })
    }
}

/// Rows with their residuals' two parts and their dual variable.
struct Piece {
    block: Block,
    y: [f64; ROWS],
    /// What a unit of residual costs above and below the plane; both are 0 for a row that does not count.
    above: [f64; ROWS],
    below: [f64; ROWS],
    /// y − Zθ = up − down, both > 0.
    up: [f64; ROWS],
    down: [f64; ROWS],
    /// Between −below and above.
    dual: [f64; ROWS],
    step: Step,
}

#[derive(Clone, Copy)]
struct Step {
    up: [f64; ROWS],
    down: [f64; ROWS],
    dual: [f64; ROWS],
}

impl Piece {
    fn new(columns: Vec<[f64; ROWS]>, y: &[f64; ROWS], w: &[f64; ROWS], quantile: f64) -> Self {
        let zero = [0.0; ROWS];
        let step = Step { up: zero, down: zero, dual: zero };
        let (above, below) = (w.map(|w| w * quantile), w.map(|w| w * (1.0 - quantile)));
        Self { block: Block { columns }, y: *y, above, below, up: zero, down: zero, dual: zero, step }
    }

    fn counts(&self, i: usize) -> bool {
        self.above[i] > 0.0 && self.below[i] > 0.0
    }

    /// Zθ.
    fn plane(&self, theta: &[f64]) -> [f64; ROWS] {
        let mut plane = [0.0; ROWS];
        for (column, x) in self.block.columns.iter().zip(theta) {
            plane.iter_mut().zip(column).for_each(|(sum, z)| *sum += x * z);
        }
        plane
    }

    fn loss(&self, theta: &[f64]) -> f64 {
        let plane = self.plane(theta);
        (0..ROWS).map(|i| (self.y[i] - plane[i]).max(0.0) * self.above[i] + (plane[i] - self.y[i]).max(0.0) * self.below[i]).sum()
    }

    /// What is left of both bounds of the dual variable.
    fn slack(&self, i: usize) -> (f64, f64) {
        (self.above[i] - self.dual[i], self.below[i] + self.dual[i])
    }

    /// The curvature of the barrier along the row.
    fn curvature(&self, i: usize) -> f64 {
        let (s, t) = self.slack(i);
        if self.counts(i) { 1.0 / (self.up[i] / s + self.down[i] / t) } else { 0.0 }
    }

    /// Aims at up · s = to.0 and down · t = to.1, where the plane moves by `moved` and leaves `residual` before.
    fn set_step(&mut self, i: usize, residual: f64, moved: f64, to: (f64, f64)) {
        let (s, t) = self.slack(i);
        let dual = self.curvature(i) * (residual - to.0 / s + to.1 / t - moved);
        self.step.dual[i] = dual;
        self.step.up[i] = to.0 / s - self.up[i] + self.up[i] * dual / s;
        self.step.down[i] = to.1 / t - self.down[i] - self.down[i] * dual / t;
    }

    /// Does the plane go through the row? Then its dual variable is far from its bounds.
    fn is_met(&self, i: usize) -> bool {
        let (s, t) = self.slack(i);
        self.counts(i) && self.up[i] + self.down[i] < s.min(t) / (self.above[i] + self.below[i])
    }
}

/// How far a step can go, and what remains of up · s + down · t after it.
#[derive(Clone, Copy)]
struct Reach {
    primal: f64,
    dual: f64,
    /// Now; per share of the primal step; per share of the dual step; per both.
    gap: [f64; 4],
}

impl Reach {
    const START: Self = Self { primal: 1.0, dual: 1.0, gap: [0.0; 4] };

    fn add(&mut self, piece: &Piece) {
        for i in (0..ROWS).filter(|i| piece.counts(*i)) {
            let (s, t) = piece.slack(i);
            let step = (piece.step.up[i], piece.step.down[i], piece.step.dual[i]);
            for (value, by) in [(piece.up[i], step.0), (piece.down[i], step.1)] {
                if by < 0.0 {
                    self.primal = self.primal.min(-SHARE_OF_WAY * value / by);
                }
            }
            for (value, by) in [(s, -step.2), (t, step.2)] {
                if by < 0.0 {
                    self.dual = self.dual.min(-SHARE_OF_WAY * value / by);
                }
            }
            self.gap[0] += piece.up[i] * s + piece.down[i] * t;
            self.gap[1] += step.0 * s + step.1 * t;
            self.gap[2] += (piece.down[i] - piece.up[i]) * step.2;
            self.gap[3] += (step.1 - step.0) * step.2;
        }
    }

    fn join(self, other: Self) -> Self {
        let mut gap = self.gap;
        gap.iter_mut().zip(other.gap).for_each(|(a, b)| *a += b);
        Self { primal: self.primal.min(other.primal), dual: self.dual.min(other.dual), gap }
    }

    fn gap_after(&self) -> f64 {
        self.gap[0] + self.primal * self.gap[1] + self.dual * self.gap[2] + self.primal * self.dual * self.gap[3]
    }
}

struct Program {
    pieces: Vec<Piece>,
    /// Pieces of rows; those behind them are penalties.
    rows: usize,
    width: usize,
}

impl Program {
    /// Moves θ to the minimum; true if it was reached.
    fn solve(&mut self, theta: &mut [f64], most: usize, tol: f64, deadline: Deadline) -> bool {
        let count = self.over(|| 0_usize, |sum, piece| *sum += (0..ROWS).filter(|i| piece.counts(*i)).count(), |a, b| a + b);
        let size = self.over(|| 0.0, |sum, piece| *sum += (0..ROWS).map(|i| piece.y[i].abs() * (piece.above[i] + piece.below[i])).sum::<f64>(), |a, b| a + b);
        self.over(
            || (),
            |(), piece| {
                piece.up = piece.y.map(|y| y.max(0.0) + size);
                piece.down = piece.y.map(|y| (-y).max(0.0) + size);
            },
            |(), ()| (),
        );
        let ones = vec![1.0; self.width];
        let mut gap = f64::INFINITY;
        let mut settled = false;
        for _ in 0..most {
            if deadline.has_passed() {
                break;
            }
            let (gram, towards) = self.gram(theta);
            let solver = Solver::new(&gram, &ones);
            // How far would the optimum be if there were no bounds?
            let affine = solver.solve(&towards);
            let reach = self.aim(theta, &affine, None);
            let share = (reach.gap_after() / reach.gap[0]).clamp(0.0, 1.0);
            let centre = share.powi(3) * reach.gap[0] / (2.0 * count as f64);
            let towards = self.towards(theta, centre);
            let step = solver.solve(&towards);
            let reach = self.aim(theta, &step, Some(centre));
            theta.iter_mut().zip(&step).for_each(|(x, by)| *x += reach.primal * by);
            self.take(reach);
            let (left, loss) = (reach.gap_after(), self.loss(theta));
            settled = left <= tol * loss || left <= NOTHING;
            // Rounding lets no step go further.
            let is_stuck = !left.is_finite() || left >= gap * (1.0 - 1e-6);
            gap = left;
            if settled || is_stuck {
                break;
            }
        }
        self.lay_through(theta, gap);
        settled
    }

    /// Does something with every piece and joins the results in order.
    fn over<A: Send>(&mut self, start: impl Fn() -> A + Sync, each: impl Fn(&mut A, &mut Piece) + Sync, join: impl Fn(A, A) -> A) -> A {
        let some = |pieces: &mut [Piece]| {
            let mut sum = start();
            for piece in pieces {
                each(&mut sum, piece);
            }
            sum
        };
        let parts: Vec<A> = self.pieces.par_chunks_mut(PIECES).map(some).collect();
        parts.into_iter().fold(start(), join)
    }

    fn loss(&mut self, theta: &[f64]) -> f64 {
        self.over(|| 0.0, |sum, piece| *sum += piece.loss(theta), |a, b| a + b)
    }

    /// `ZᵀQZ` and Zᵀ(Q residual + dual).
    fn gram(&mut self, theta: &[f64]) -> (Symmetric, Vec<f64>) {
        let width = self.width;
        self.over(
            || (Symmetric::zeros(width), vec![0.0; width]),
            |(gram, towards), piece| {
                let plane = piece.plane(theta);
                let q: [f64; ROWS] = std::array::from_fn(|i| piece.curvature(i));
                let pull: [f64; ROWS] = std::array::from_fn(|i| q[i] * (piece.y[i] - plane[i]) + piece.dual[i]);
                add_weighted(gram, &piece.block, &q);
                towards.iter_mut().zip(&piece.block.columns).for_each(|(sum, column)| *sum += dot(column, &pull));
            },
            |(gram, mut towards), (other, more)| {
                towards.iter_mut().zip(more).for_each(|(a, b)| *a += b);
                (gram.plus(&other), towards)
            },
        )
    }

    /// Zᵀ(Q aim + dual) for the corrector, after an affine step was set.
    fn towards(&mut self, theta: &[f64], centre: f64) -> Vec<f64> {
        let width = self.width;
        self.over(
            || vec![0.0; width],
            |towards, piece| {
                let plane = piece.plane(theta);
                let pull: [f64; ROWS] = std::array::from_fn(|i| {
                    let ((s, t), (to_up, to_down)) = (piece.slack(i), corrected(piece, i, centre));
                    if piece.counts(i) { piece.curvature(i) * (piece.y[i] - plane[i] - to_up / s + to_down / t) + piece.dual[i] } else { 0.0 }
                });
                towards.iter_mut().zip(&piece.block.columns).for_each(|(sum, column)| *sum += dot(column, &pull));
            },
            |mut a, b| {
                a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                a
            },
        )
    }

    /// Sets every row's step for the plane's step `by`, and says how far it can go.
    fn aim(&mut self, theta: &[f64], by: &[f64], centre: Option<f64>) -> Reach {
        self.over(
            || Reach::START,
            |reach, piece| {
                let (plane, moved) = (piece.plane(theta), piece.plane(by));
                for i in 0..ROWS {
                    if piece.counts(i) {
                        let to = centre.map_or((0.0, 0.0), |centre| corrected(piece, i, centre));
                        piece.set_step(i, piece.y[i] - plane[i], moved[i], to);
                    }
                }
                reach.add(piece);
            },
            Reach::join,
        )
    }

    fn take(&mut self, reach: Reach) {
        self.over(
            || (),
            |(), piece| {
                for i in 0..ROWS {
                    piece.up[i] += reach.primal * piece.step.up[i];
                    piece.down[i] += reach.primal * piece.step.down[i];
                    piece.dual[i] += reach.dual * piece.step.dual[i];
                }
            },
            |(), ()| (),
        );
    }

    /// Lays the plane exactly through the rows that it meets, unless that is worse by more than the gap.
    fn lay_through(&mut self, theta: &mut [f64], gap: f64) {
        let width = self.width;
        let (gram, towards) = self.over(
            || (Symmetric::zeros(width), vec![0.0; width]),
            |(gram, towards), piece| {
                let plane = piece.plane(theta);
                let met: [f64; ROWS] = std::array::from_fn(|i| f64::from(u8::from(piece.is_met(i))));
                let residual: [f64; ROWS] = std::array::from_fn(|i| met[i] * (piece.y[i] - plane[i]));
                add_weighted(gram, &piece.block, &met);
                towards.iter_mut().zip(&piece.block.columns).for_each(|(sum, column)| *sum += dot(column, &residual));
            },
            |(gram, mut towards), (other, more)| {
                towards.iter_mut().zip(more).for_each(|(a, b)| *a += b);
                (gram.plus(&other), towards)
            },
        );
        let by = Solver::new(&gram, &vec![1.0; width]).solve(&towards);
        let mut exact: Vec<f64> = theta.iter().zip(by).map(|(x, by)| x + by).collect();
        let penalties = self.pieces.get(self.rows..).unwrap_or_default();
        let met = penalties.iter().flat_map(|piece| (0..ROWS).map(|i| piece.is_met(i)));
        exact.iter_mut().zip(met).filter(|(_, met)| *met).for_each(|(x, _)| *x = 0.0);
        if self.loss(&exact) <= self.loss(theta) + gap {
            theta.copy_from_slice(&exact);
        }
    }
}

/// What up · s and down · t should become, once the affine step's second order is taken out.
fn corrected(piece: &Piece, i: usize, centre: f64) -> (f64, f64) {
    let step = &piece.step;
    (centre + step.up[i] * step.dual[i], centre - step.down[i] * step.dual[i])
}

/// Adds `Zᵀ diag(weights) Z`.
fn add_weighted(gram: &mut Symmetric, block: &Block, weights: &[f64; ROWS]) {
    let roots = weights.map(f64::sqrt);
    let mut weighted = Block { columns: block.columns.clone() };
    for column in &mut weighted.columns {
        column.iter_mut().zip(&roots).for_each(|(z, root)| *z *= root);
    }
    gram.add_products(&weighted);
}
