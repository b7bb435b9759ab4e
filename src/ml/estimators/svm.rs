//! A support vector machine with a Gaussian kernel.
//!
//! Sequential minimal optimisation with second-order choice of the pair (Fan, Chen and Lin 2005), as in LIBSVM:
//! each step moves two variables and needs their two rows of the kernel, of which the latest are kept.

use std::collections::BTreeMap;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::linear_model::sigmoid;
use super::shared::{Moments, Refusals, Targets, class_weights, not_negative, positive, power_of_two, present, require_finite, require_width, softmax};
use crate::error::{Error, Result, thousands};
use crate::ml::export::{Feature, Function, Id, Lowering, Said, Why};
use crate::ml::{Chunk, Deadline, Estimator, Matrix, Predict, Predictions, Task, TrainingSet};
use crate::value::Fault;

/// Time grows with the square of the rows, and more.
const MOST_ROWS: usize = 20_000;
/// Steps before a search is given up.
const MOST_STEPS: usize = 10_000_000;
/// Bytes of kernel rows that are kept.
const KEPT: usize = 256 << 20;
/// Below this a pair's curvature is rounding.
const LEAST_CURVATURE: f64 = 1e-12;
/// Rows to predict that one thread takes at a time, and kernel entries.
const ROWS_AT_ONCE: usize = 256;

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Svm {
    #[serde(rename = "C", alias = "c", alias = "cost")]
    #[schemars(extend("x-aliases" = ["c", "cost"]))]
    c: f64,
    #[serde(alias = "rbf_sigma")]
    #[schemars(extend("x-aliases" = ["rbf_sigma"]))]
    gamma: Option<f64>,
    #[serde(alias = "margin")]
    #[schemars(extend("x-aliases" = ["margin"]))]
    epsilon: f64,
    tol: f64,
}

impl Default for Svm {
    fn default() -> Self {
        Self { c: 1.0, gamma: None, epsilon: 0.1, tol: 1e-3 }
    }
}

/// Numbers in support vectors above which a machine is not exported: each is an operation a row.
const MOST_EXPORTED: usize = 5_000;

/// Support vectors, and the machines that weigh them: one for a number, one for each pair of classes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FittedSvm {
    features: Vec<String>,
    /// Features × support vectors, multiplied by `scale`.
    vectors: Vec<Vec<f64>>,
    /// A power of two, so that squares stay in range.
    scale: f64,
    /// Of the scaled features.
    gamma: f64,
    machines: Vec<Machine>,
    /// The number of classes; 0 for regression.
    classes: usize,
    /// Those that training had.
    present: Vec<usize>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unsettled: bool,
}

/// Σ weight · kernel − offset.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Machine {
    /// Places among the support vectors, each with its weight.
    weights: Vec<(usize, f64)>,
    offset: f64,
}

impl Estimator for Svm {
    const NAME: &'static str = "svm";
    const ALIASES: &'static [&'static str] = &["svm_rbf", "SVC", "SVR"];
    const DOC: &'static str = "\
A support vector machine with a Gaussian kernel: smooth borders and curves of any form, for small data.

Rows are alike by exp(−gamma · distance²), so scale the features first (`standard_scale`). Only support vectors, rows near
the border or off the curve, have a say. It minimises ½ ‖f‖² + C Σ wᵢ lossᵢ, where the loss is max(0, 1 − t f) for
classes (t is 1 or −1) and max(0, |y − f| − epsilon) for a number; a number's `C` and `epsilon` are in the target's
unit, so for large targets raise both. More than two classes get a machine for each pair, and a class's output is its
wins, ties broken by how clear they are. Scores are the softmax of the outputs (of −f and f with two classes): they rank and
sum to one, but are no probabilities; for those add `calibrate_proba`. Takes at most 20,000 rows, all in memory. Row
weights and class weights count. Missing values are refused. It has no coefficients and no importances of its own.

Parameters:
- `C` (number > 0, default 1.0): the weight of the loss; smaller gives a smoother border.
- `gamma` (number > 0, default null: 1 / (features · variance of all values)): larger lets rows speak for less around them.
- `epsilon` (number ≥ 0, default 0.1): errors up to this size do not count, in the target's unit; for numbers only.
- `tol` (number > 0, default 0.001): stop when no pair of rows violates its condition by more; for a number, in the
  target's unit.

Source: scikit-learn `SVC` and `SVR`, which is LIBSVM (Chang and Lin 2011); here the variance counts row weights.

```yaml
steps:
  train:
    using: svm
    estimator_params: {C: 10, gamma: 0.1}
```
";

    type Fitted = FittedSvm;

    fn supports(task: &Task) -> bool {
        *task == Task::Regression || task.classes() >= 2
    }

    fn check(&self) -> Result<(), Vec<Fault>> {
        Refusals::default()
            .unless(positive(self.c), "C", "must be a number > 0")
            .unless(self.gamma.is_none_or(positive), "gamma", "must be a number > 0, or null to take it from the variance")
            .unless(not_negative(self.epsilon), "epsilon", "must be a number ≥ 0")
            .unless(positive(self.tol), "tol", "must be a number > 0")
            .done()
    }

    fn fit(&self, on: &TrainingSet) -> Result<FittedSvm> {
        if on.rows > MOST_ROWS {
            return Err(Error::data(format!("`svm` takes at most {} rows, training has {}", thousands(MOST_ROWS as u64), thousands(on.rows as u64)))
                .hint("take `linear_svm` or `gradient_boosting`, or fewer rows (`- sample: {rows: 20000}` in steps.transform)"));
        }
        let classes = on.task.classes();
        let present = if classes == 0 { Vec::new() } else { present(&class_weights(on)?) };
        // Refuses what is no number.
        let targets = if classes == 0 { Targets::Number } else { Targets::None };
        let moments = Moments::of(on, Self::NAME, &targets)?;
        let rows = on.whole()?.counted();
        let kernel = self.kernel(&rows, &moments);
        let mut machines = Vec::new();
        let mut settled = true;
        if classes == 0 {
            let (problem, unit) = self.tube(&rows);
            let solution = problem.solve(&kernel, self.tol * unit, on.deadline);
            settled &= solution.settled;
            let count = rows.y.len();
            let weight = |i: usize| (solution.variables[i] - solution.variables[i + count]) / unit;
            machines.push(Machine { weights: (0..count).map(|i| (i, weight(i))).collect(), offset: solution.offset / unit });
        }
        for (k, first) in present.iter().enumerate() {
            for second in &present[k + 1..] {
                let problem = self.border(&rows, *first, *second);
                let solution = problem.solve(&kernel, self.tol, on.deadline);
                settled &= solution.settled;
                let weights = problem.rows.iter().zip(&problem.signs).zip(&solution.variables).map(|((row, sign), x)| (*row, sign * x));
                machines.push(Machine { weights: weights.collect(), offset: solution.offset });
            }
        }
        on.deadline.check()?;
        Ok(FittedSvm::of(on, &kernel, machines, classes, present, !settled))
    }
}

impl Svm {
    fn kernel(&self, rows: &Chunk, moments: &Moments) -> Kernel {
        let features = rows.x.width();
        let largest = (0..features).fold(0.0_f64, |most, j| most.max(moments.low[j].abs()).max(moments.high[j].abs()));
        let scale = power_of_two(if largest > 0.0 { largest } else { 1.0 });
        let points: Vec<Vec<f64>> = (0..rows.x.rows).map(|i| rows.x.columns.iter().map(|column| column[i] * scale).collect()).collect();
        let weight: f64 = rows.w.iter().sum();
        // The variance of all values of all features together.
        let mean = |of: &dyn Fn(f64) -> f64| {
            let sum: f64 = points.iter().zip(&rows.w).map(|(point, w)| w * point.iter().map(|x| of(*x)).sum::<f64>()).sum();
            sum / (weight * features.max(1) as f64)
        };
        let centre = mean(&|x| x);
        let variance = mean(&|x| (x - centre) * (x - centre));
        let gamma = match self.gamma {
            Some(gamma) => gamma / scale / scale,
            None if variance > 0.0 => 1.0 / (features as f64 * variance),
            None => 1.0,
        };
        Kernel { points, scale, gamma: gamma.min(f64::MAX) }
    }

    /// The machine whose output is above 0 for the second class.
    fn border(&self, rows: &Chunk, first: usize, second: usize) -> Problem {
        let mut problem = Problem::default();
        for (i, (y, w)) in rows.y.iter().zip(&rows.w).enumerate() {
            let class = *y as usize;
            if class == first || class == second {
                problem.add(i, if class == second { 1.0 } else { -1.0 }, -1.0, self.c * w);
            }
        }
        problem
    }

    /// The machine for a number, in a unit in which targets are near to one. Each row has two variables: one
    /// pulls the curve up, one down.
    fn tube(&self, rows: &Chunk) -> (Problem, f64) {
        let largest = rows.y.iter().fold(0.0_f64, |most, y| most.max(y.abs()));
        let unit = power_of_two(if largest > 0.0 { largest } else { 1.0 });
        let mut problem = Problem::default();
        for sign in [1.0, -1.0] {
            for (i, (y, w)) in rows.y.iter().zip(&rows.w).enumerate() {
                problem.add(i, sign, self.epsilon * unit - sign * y * unit, self.c * w * unit);
            }
        }
        (problem, unit)
    }
}

/// exp(−gamma · distance²) between training rows.
struct Kernel {
    /// Rows × features, scaled.
    points: Vec<Vec<f64>>,
    scale: f64,
    gamma: f64,
}

impl Kernel {
    fn row(&self, i: usize) -> Vec<f64> {
        let one = &self.points[i];
        self.points.par_iter().with_min_len(ROWS_AT_ONCE).map(|other| gaussian(self.gamma, one, other)).collect()
    }
}

fn gaussian(gamma: f64, a: &[f64], b: &[f64]) -> f64 {
    let squared: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    (-gamma * squared).exp()
}

/// The latest rows of a kernel.
struct Rows<'a> {
    kernel: &'a Kernel,
    /// Each with the time of its last use.
    kept: BTreeMap<usize, (usize, Vec<f64>)>,
    by_time: BTreeMap<usize, usize>,
    clock: usize,
}

impl<'a> Rows<'a> {
    fn of(kernel: &'a Kernel) -> Self {
        Self { kernel, kept: BTreeMap::new(), by_time: BTreeMap::new(), clock: 0 }
    }

    /// Makes sure that a row is kept.
    fn fetch(&mut self, i: usize) {
        self.clock += 1;
        if let Some((time, _)) = self.kept.get_mut(&i) {
            self.by_time.remove(time);
            *time = self.clock;
        } else {
            // Two are always in use.
            let most = (KEPT / (8 * self.kernel.points.len().max(1))).max(2);
            if self.kept.len() >= most
                && let Some((_, oldest)) = self.by_time.pop_first()
            {
                self.kept.remove(&oldest);
            }
            self.kept.insert(i, (self.clock, self.kernel.row(i)));
        }
        self.by_time.insert(self.clock, i);
    }

    fn get(&self, i: usize) -> &[f64] {
        self.kept.get(&i).map_or(&[], |(_, row)| row)
    }
}

/// Minimise ½ aᵀQa + pᵀa with sᵀa = 0 and 0 ≤ a ≤ most, where Q is the kernel with signs.
#[derive(Default)]
struct Problem {
    /// The training row of each variable.
    rows: Vec<usize>,
    signs: Vec<f64>,
    linear: Vec<f64>,
    most: Vec<f64>,
}

struct Solution {
    variables: Vec<f64>,
    offset: f64,
    settled: bool,
}

impl Problem {
    fn add(&mut self, row: usize, sign: f64, linear: f64, most: f64) {
        self.rows.push(row);
        self.signs.push(sign);
        self.linear.push(linear);
        self.most.push(most);
    }

    fn solve(&self, kernel: &Kernel, tol: f64, deadline: Deadline) -> Solution {
        let count = self.rows.len();
        let mut rows = Rows::of(kernel);
        let mut variables = vec![0.0; count];
        // Sign times gradient.
        let mut slopes: Vec<f64> = self.signs.iter().zip(&self.linear).map(|(sign, p)| sign * p).collect();
        let mut settled = false;
        for round in 0..MOST_STEPS {
            if round % 256 == 0 && deadline.has_passed() {
                break;
            }
            // A variable can rise along its sign, or fall.
            let rises = |t: usize, x: f64| if self.signs[t] > 0.0 { x < self.most[t] } else { x > 0.0 };
            let falls = |t: usize, x: f64| if self.signs[t] > 0.0 { x > 0.0 } else { x < self.most[t] };
            let (mut i, mut lowest, mut highest) = (usize::MAX, f64::INFINITY, f64::NEG_INFINITY);
            for (t, (x, slope)) in variables.iter().zip(&slopes).enumerate() {
                if rises(t, *x) && *slope < lowest {
                    (i, lowest) = (t, *slope);
                }
                if falls(t, *x) && *slope > highest {
                    highest = *slope;
                }
            }
            if i == usize::MAX || highest - lowest < tol {
                settled = true;
                break;
            }
            rows.fetch(self.rows[i]);
            let near = rows.get(self.rows[i]);
            let (mut j, mut best, mut step) = (usize::MAX, 0.0, 0.0);
            for (t, (x, slope)) in variables.iter().zip(&slopes).enumerate() {
                let violation = slope - lowest;
                if violation > 0.0 && falls(t, *x) {
                    let curvature = (2.0 - 2.0 * near[self.rows[t]]).max(LEAST_CURVATURE);
                    let fall = violation * violation / curvature;
                    if fall > best {
                        (j, best, step) = (t, fall, violation / curvature);
                    }
                }
            }
            if j == usize::MAX {
                settled = true;
                break;
            }
            let room = |t: usize, upwards: bool| if upwards { self.most[t] - variables[t] } else { variables[t] };
            let (room_i, room_j) = (room(i, self.signs[i] > 0.0), room(j, self.signs[j] < 0.0));
            let step = step.min(room_i).min(room_j);
            let mut go = |t: usize, upwards: bool, room: f64| {
                // Exactly at the bound where it is reached.
                let bound = if upwards { self.most[t] } else { 0.0 };
                variables[t] = if step >= room { bound } else { variables[t] + if upwards { step } else { -step } };
            };
            go(i, self.signs[i] > 0.0, room_i);
            go(j, self.signs[j] < 0.0, room_j);
            rows.fetch(self.rows[j]);
            let (near, far) = (rows.get(self.rows[i]), rows.get(self.rows[j]));
            for (slope, row) in slopes.iter_mut().zip(&self.rows) {
                *slope += step * (near[*row] - far[*row]);
            }
        }
        let offset = self.offset(&variables, &slopes);
        Solution { variables, offset, settled }
    }

    /// The mean of the slopes between the bounds, or the middle of where it may lie.
    fn offset(&self, variables: &[f64], slopes: &[f64]) -> f64 {
        let (mut sum, mut free, mut low, mut high) = (0.0, 0_usize, f64::NEG_INFINITY, f64::INFINITY);
        for (t, (x, slope)) in variables.iter().zip(slopes).enumerate() {
            if *x > 0.0 && *x < self.most[t] {
                sum += slope;
                free += 1;
            } else if (self.signs[t] > 0.0) == (*x > 0.0) {
                low = low.max(*slope);
            } else {
                high = high.min(*slope);
            }
        }
        if free > 0 {
            return sum / free as f64;
        }
        // With a single bound there is nothing on the other side of it.
        match (low.is_finite(), high.is_finite()) {
            (true, true) => f64::midpoint(low, high),
            (true, false) => low,
            (false, true) => high,
            (false, false) => 0.0,
        }
    }
}

impl FittedSvm {
    /// Keeps only the rows that some machine weighs.
    fn of(on: &TrainingSet, kernel: &Kernel, mut machines: Vec<Machine>, classes: usize, present: Vec<usize>, unsettled: bool) -> Self {
        for machine in &mut machines {
            machine.weights.retain(|(_, weight)| *weight != 0.0);
        }
        let mut places: BTreeMap<usize, usize> = machines.iter().flat_map(|machine| &machine.weights).map(|(row, _)| (*row, 0)).collect();
        places.values_mut().enumerate().for_each(|(new, place)| *place = new);
        for (row, _) in machines.iter_mut().flat_map(|machine| &mut machine.weights) {
            *row = places.get(row).copied().unwrap_or(0);
        }
        let vectors = (0..on.features.len()).map(|j| places.keys().map(|row| kernel.points[*row][j]).collect()).collect();
        Self { features: on.features.clone(), vectors, scale: kernel.scale, gamma: kernel.gamma, machines, classes, present, unsettled }
    }

    fn count(&self) -> usize {
        // Each one has a weight in some machine, so that there are no more of them, whatever a forged place says.
        let weights = || self.machines.iter().flat_map(|machine| &machine.weights);
        weights().map(|(place, _)| place.saturating_add(1)).max().unwrap_or(0).min(weights().count())
    }

    /// Every machine's output for one row.
    fn outputs(&self, row: &[f64], vectors: &[Vec<f64>]) -> Vec<f64> {
        let kernel: Vec<f64> = vectors.iter().map(|vector| gaussian(self.gamma, row, vector)).collect();
        let sum = |machine: &Machine| machine.weights.iter().map(|(place, weight)| weight * kernel.get(*place).copied().unwrap_or(0.0)).sum::<f64>();
        self.machines.iter().map(|machine| sum(machine) - machine.offset).collect()
    }

    /// The scores of the classes that training had.
    fn scores(&self, outputs: &[f64]) -> Vec<f64> {
        if let [output] = outputs {
            return vec![sigmoid(-2.0 * output), sigmoid(2.0 * output)];
        }
        let count = self.present.len();
        let (mut wins, mut sums) = (vec![0.0; count], vec![0.0; count]);
        let pairs = (0..count).flat_map(|first| (first + 1..count).map(move |second| (first, second)));
        for ((first, second), output) in pairs.zip(outputs) {
            wins[if *output > 0.0 { second } else { first }] += 1.0;
            sums[first] -= output;
            sums[second] += output;
        }
        // Less than a third of a win, so that clearness only breaks ties.
        wins.iter_mut().zip(sums).for_each(|(wins, sum)| *wins += sum / (3.0 * (f64::abs(sum) + 1.0)));
        softmax(&mut wins);
        wins
    }
}

impl Predict for FittedSvm {
    fn predict(&self, features: &Matrix) -> Result<Predictions> {
        require_width(&self.features, features)?;
        require_finite(Svm::NAME, &self.features, features)?;
        let at = |columns: &[Vec<f64>], i: usize, scale: f64| columns.iter().map(|column| column.get(i).copied().unwrap_or(0.0) * scale).collect::<Vec<f64>>();
        let vectors: Vec<Vec<f64>> = (0..self.count()).map(|i| at(&self.vectors, i, 1.0)).collect();
        let outputs: Vec<Vec<f64>> = (0..features.rows)
            .into_par_iter()
            .with_min_len(ROWS_AT_ONCE)
            .map(|i| {
                let outputs = self.outputs(&at(&features.columns, i, self.scale), &vectors);
                if self.classes == 0 { outputs } else { self.scores(&outputs) }
            })
            .collect();
        let column = |k: usize| outputs.iter().map(|row| row.get(k).copied().unwrap_or(0.0)).collect::<Vec<f64>>();
        if self.classes == 0 {
            let values = column(0);
            return match values.iter().position(|value| !value.is_finite()) {
                None => Ok(Predictions::Values(values)),
                Some(row) => Err(Error::data(format!("`svm` predicts a number that is too large, first in row {}", row + 1))),
            };
        }
        let mut scores = vec![vec![0.0; features.rows]; self.classes];
        for (k, class) in self.present.iter().enumerate() {
            if let Some(scores) = scores.get_mut(*class) {
                *scores = column(k);
            }
        }
        Ok(Predictions::Scores(scores))
    }

    fn lower(&self, features: &[Feature], on: &mut Lowering) -> Result<Said, Why> {
        let features = Feature::numbers(features)?;
        let size = self.count() * features.len();
        if size > MOST_EXPORTED {
            return Err(Why::new(format!("holds {size} numbers in its support vectors, more than {MOST_EXPORTED}")));
        }
        let scaled: Vec<Id> = features.iter().map(|x| on.program.times(*x, self.scale)).collect();
        let mut kernels = Vec::with_capacity(self.count());
        for i in 0..self.count() {
            let mut squares = Vec::with_capacity(scaled.len());
            for (x, column) in scaled.iter().zip(&self.vectors) {
                let apart = on.program.plus(*x, -column.get(i).copied().unwrap_or_default());
                squares.push((on.program.product(apart, apart), -self.gamma));
            }
            let exponent = on.program.sum(squares, 0.0);
            kernels.push(on.program.function(Function::Exponential, exponent));
        }
        let mut outputs = Vec::with_capacity(self.machines.len());
        for machine in &self.machines {
            let terms = machine.weights.iter().filter_map(|(place, weight)| Some((*kernels.get(*place)?, *weight)));
            outputs.push(on.program.sum(terms.collect::<Vec<_>>(), -machine.offset));
        }
        match outputs.as_slice() {
            [output] if self.classes == 0 => Ok(Said::Values(*output)),
            [output] => {
                let (second, first) = (on.program.times(*output, 2.0), on.program.times(*output, -2.0));
                let scores = vec![on.program.sigmoid(first), on.program.sigmoid(second)];
                Ok(Said::among(scores, self.classes, &self.present, on))
            }
            _ => Err(Why::new("tells more than two classes apart")),
        }
    }

    fn describe(&self) -> String {
        let note = if self.unsettled { ", not settled" } else { "" };
        format!("svm, {} support vectors{note}", thousands(self.count() as u64))
    }
}
