//! The fitted form of every linear model, and the least-squares fits.
//!
//! Sums are taken in two passes over the training rows (means and ranges, then the centred Gram
//! matrix `XᵀWX` with `XᵀWy` beside it); the matrix of rows is never held. Where columns are nearly
//! dependent a third pass corrects the solution by its residual, which wins back the digits that
//! squaring lost (Björck, Numerical Methods for Least Squares Problems, §2.9.3, corrected seminormal
//! equations). With sparse columns there is no Gram matrix: the penalised squares are minimised as any other loss.

use serde::{Deserialize, Serialize};

use super::design::{Design, TargetScale};
use super::minimise::{Limits, minimise};
use super::penalised::{Loss, Problem, Terms, each_row};
use super::shared::{Moments, Scaling, Targets, require_finite, require_width, softmax};
use crate::error::{Error, Result};
use crate::ml::explain::{Contributions, OutputContributions, Scale};
use crate::ml::export::{Feature, Keys, Lowering, Said, Values, Why};
use crate::ml::linalg::{Block, ROWS, Solver, Symmetric, dot};
use crate::ml::sparse::Csr;
use crate::ml::{Coefficient, Matrix, Predict, Predictions, TrainingSet};

/// Below this share of unexplained squares, the residual correction is made.
const CORRECT_BELOW: f64 = 1e-3;
/// When least squares without a Gram matrix stop.
const LIMITS: Limits = Limits { max_iter: 100, tol: 1e-10 };
/// Rows whose sums are worked on together in prediction.
const ROWS_AT_ONCE: usize = 4096;

/// A fitted linear model: an intercept and one coefficient a feature, for one or several outputs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinearModel {
    estimator: String,
    features: Vec<String>,
    /// The features' standard deviations in training (population form, weighted).
    deviations: Vec<f64>,
    /// The features' means in training (weighted), from which contributions are counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    means: Vec<f64>,
    outputs: Vec<Output>,
    link: Link,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// intercept + Σ coefficient · feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The class, where there is one output a class.
    pub class: Option<String>,
    pub coefficients: Vec<f64>,
    pub intercept: Option<f64>,
}

/// How outputs become predictions. `present` holds the classes that training had, of `classes` in all.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// The output is the prediction.
    Value,
    /// Its exponential is.
    Log,
    /// Two classes: the score of the second is 1 / (1 + exp(−output)).
    Logistic { classes: usize, present: Vec<usize> },
    /// Two classes: the same with twice the output, which is the softmax of −output and output.
    Signs { classes: usize, present: Vec<usize> },
    /// The softmax of one output a class.
    Softmax { classes: usize, present: Vec<usize> },
}

impl LinearModel {
    /// # Errors
    /// Coefficients beyond the range of numbers, features named.
    pub fn new(estimator: &str, set: &TrainingSet, deviations: Vec<f64>, outputs: Vec<Output>, link: Link) -> Result<Self> {
        let bad: Vec<String> = (0..set.features.len())
            .filter(|j| outputs.iter().any(|output| !output.coefficients[*j].is_finite()))
            .map(|j| format!("`{}`", set.features[j]))
            .chain(outputs.iter().any(|output| output.intercept.is_some_and(|b| !b.is_finite())).then(|| "intercept".to_owned()))
            .collect();
        if !bad.is_empty() {
            return Err(Error::data(format!("`{estimator}` has coefficients beyond the range of numbers: {}", bad.join(", ")))
                .hint("scale these columns and the target to a common size"));
        }
        Ok(Self { estimator: estimator.to_owned(), features: set.features.clone(), deviations, means: Vec::new(), outputs, link, note: None })
    }

    /// The features' means in training, without which single predictions are not explained.
    #[must_use]
    pub fn with_means(mut self, means: &[f64]) -> Self {
        self.means = means.iter().take(self.features.len()).copied().collect();
        self
    }

    /// A remark for the terminal, such as that a limit was hit.
    #[must_use]
    pub fn with_note(mut self, note: Option<String>) -> Self {
        self.note = note;
        self
    }

    fn outputs_of(&self, features: &Matrix) -> Result<Vec<Vec<f64>>> {
        require_width(&self.features, features)?;
        let mut all = Vec::with_capacity(self.outputs.len());
        for output in &self.outputs {
            let mut sums = vec![output.intercept.unwrap_or(0.0); features.rows];
            for (start, sums) in (0..).step_by(ROWS_AT_ONCE).zip(sums.chunks_mut(ROWS_AT_ONCE)) {
                for (column, coefficient) in features.columns.iter().zip(&output.coefficients) {
                    let rows = column.get(start..).unwrap_or_default();
                    sums.iter_mut().zip(rows).for_each(|(sum, x)| *sum += coefficient * x);
                }
            }
            for (first, block) in features.placed_blocks() {
                sums.iter_mut().zip(block.times(&output.coefficients[first..])).for_each(|(sum, more)| *sum += more);
            }
            if sums.iter().any(|sum| !sum.is_finite()) {
                require_finite(&self.estimator, &self.features, features)?;
            }
            all.push(self.in_range(sums)?);
        }
        Ok(all)
    }

    fn exponentials(&self, mut outputs: Vec<f64>) -> Result<Vec<f64>> {
        for output in &mut outputs {
            *output = output.exp();
        }
        self.in_range(outputs)
    }

    fn in_range(&self, numbers: Vec<f64>) -> Result<Vec<f64>> {
        match numbers.iter().position(|number| !number.is_finite()) {
            None => Ok(numbers),
            Some(row) => Err(Error::data(format!("`{}` predicts a number that is too large, first in row {}", self.estimator, row + 1))),
        }
    }
}

impl Predict for LinearModel {
    fn predict(&self, features: &Matrix) -> Result<Predictions> {
        let mut outputs = self.outputs_of(features)?;
        let two = |factor: f64, outputs: &[Vec<f64>]| {
            let second: Vec<f64> = outputs.first().into_iter().flatten().map(|output| sigmoid(factor * output)).collect();
            let first = outputs.first().into_iter().flatten().map(|output| sigmoid(-factor * output)).collect();
            vec![first, second]
        };
        let (scores, classes, present) = match &self.link {
            Link::Value => return Ok(Predictions::Values(outputs.swap_remove(0))),
            Link::Log => return Ok(Predictions::Values(self.exponentials(outputs.swap_remove(0))?)),
            Link::Logistic { classes, present } => (two(1.0, &outputs), classes, present),
            Link::Signs { classes, present } => (two(2.0, &outputs), classes, present),
            Link::Softmax { classes, present } => {
                let mut row = vec![0.0; outputs.len()];
                for i in 0..features.rows {
                    row.iter_mut().zip(&outputs).for_each(|(to, output)| *to = output[i]);
                    softmax(&mut row);
                    row.iter().zip(&mut outputs).for_each(|(score, output)| output[i] = *score);
                }
                (outputs, classes, present)
            }
        };
        let mut all = vec![vec![0.0; features.rows]; *classes];
        for (class, scores) in present.iter().zip(scores) {
            if let Some(column) = all.get_mut(*class) {
                *column = scores;
            }
        }
        Ok(Predictions::Scores(all))
    }

    fn coefficients(&self) -> Vec<Coefficient> {
        let mut lines = Vec::new();
        for output in &self.outputs {
            for ((feature, value), deviation) in self.features.iter().zip(&output.coefficients).zip(&self.deviations) {
                lines.push(Coefficient { feature: feature.clone(), class: output.class.clone(), value: *value, standardised: Some(value * deviation) });
            }
            if let Some(intercept) = output.intercept {
                lines.push(Coefficient { feature: "intercept".to_owned(), class: output.class.clone(), value: intercept, standardised: None });
            }
        }
        lines
    }

    fn contributions(&self, features: &Matrix) -> Result<Option<Contributions>> {
        if self.means.len() != self.features.len() {
            return Ok(None);
        }
        require_width(&self.features, features)?;
        require_finite(&self.estimator, &self.features, features)?;
        let (scale, classes): (_, &[usize]) = match &self.link {
            Link::Value => (Scale::Prediction, &[]),
            Link::Log => (Scale::Logarithm, &[]),
            // The one output speaks for the second class.
            Link::Logistic { present, .. } => (Scale::LogOdds, present.get(1..).unwrap_or_default()),
            Link::Signs { present, .. } => (Scale::Margin, present.get(1..).unwrap_or_default()),
            Link::Softmax { present, .. } => (Scale::Margin, present),
        };
        // A sparse column as a whole: what the row has less what the mean has.
        let of_block = |output: &Output, (first, block): (usize, &Csr)| -> Vec<f64> {
            let coefficients = &output.coefficients[first..first + block.width];
            let mean = dot(coefficients, &self.means[first..]);
            block.times(coefficients).map(|sum| sum - mean).collect()
        };
        let output = |(k, output): (usize, &Output)| {
            let parts = || output.coefficients.iter().zip(&self.means);
            let value = |((coefficient, mean), column): ((&f64, &f64), &Vec<f64>)| column.iter().map(|x| coefficient * (x - mean)).collect();
            OutputContributions {
                class: classes.get(k).copied(),
                base: parts().fold(output.intercept.unwrap_or(0.0), |sum, (coefficient, mean)| sum + coefficient * mean),
                values: parts().zip(&features.columns).map(value).chain(features.placed_blocks().map(|block| of_block(output, block))).collect(),
            }
        };
        let work = (self.outputs.len() * (features.columns.len() + features.blocks.len())) as u64;
        Ok(Some(Contributions { scale, work, outputs: self.outputs.iter().enumerate().map(output).collect() }))
    }

    fn lower(&self, features: &[Feature], on: &mut Lowering) -> Result<Said, Why> {
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for output in &self.outputs {
            let mut coefficients = output.coefficients.iter().copied();
            let mut terms = Vec::with_capacity(features.len());
            for feature in features {
                match feature {
                    Feature::Number(x) => terms.push((*x, coefficients.next().unwrap_or_default())),
                    Feature::OneHot { code, width } => {
                        let values = coefficients.by_ref().take(*width).chain([0.0, 0.0]).collect();
                        terms.push((on.program.lookup(*code, Keys::Places(*width), Values::Numbers(values)), 1.0));
                    }
                }
            }
            outputs.push(on.program.sum(terms, output.intercept.unwrap_or(0.0)));
        }
        let two = |factor: f64, on: &mut Lowering| {
            let output = outputs.first().copied().ok_or_else(|| Why::new("has no output"))?;
            let (second, first) = (on.program.times(output, factor), on.program.times(output, -factor));
            Ok::<_, Why>(vec![on.program.sigmoid(first), on.program.sigmoid(second)])
        };
        let (scores, classes, present) = match &self.link {
            Link::Value | Link::Log => {
                let output = outputs.first().copied().ok_or_else(|| Why::new("has no output"))?;
                let is_log = matches!(self.link, Link::Log);
                return Ok(Said::Values(if is_log { on.program.exponential(output) } else { output }));
            }
            Link::Logistic { classes, present } => (two(1.0, on)?, classes, present),
            Link::Signs { classes, present } => (two(2.0, on)?, classes, present),
            Link::Softmax { classes, present } => (on.program.softmax(&outputs), classes, present),
        };
        Ok(Said::among(scores, *classes, present, on))
    }

    fn describe(&self) -> String {
        let all: usize = self.outputs.iter().map(|output| output.coefficients.len()).sum();
        let used = self.outputs.iter().flat_map(|output| &output.coefficients).filter(|c| **c != 0.0).count();
        let count = if used == all { format!("{all} coefficients") } else { format!("{used} of {all} coefficients not zero") };
        let note = self.note.as_ref().map(|note| format!(", {note}")).unwrap_or_default();
        format!("{}, {count}{note}", self.estimator)
    }
}

/// 1 / (1 + exp(−x)), without overflow.
pub fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

/// The sums that least squares needs, of scaled columns.
pub struct Statistics {
    pub weight: f64,
    /// `ZᵀWZ`, features × features.
    pub gram: Symmetric,
    /// `ZᵀWt` for each target.
    pub cross: Vec<Vec<f64>>,
    /// Features, and behind them the targets.
    pub scaling: Scaling,
    pub means: Vec<f64>,
    /// The features' standard deviations.
    pub deviations: Vec<f64>,
    /// tᵀWt / weight for each target.
    pub variance: Vec<f64>,
    intercept: bool,
}

impl Statistics {
    /// Two passes over the rows; centred where there is an intercept.
    ///
    /// # Errors
    /// See [`Moments::of`].
    pub fn of(set: &TrainingSet, name: &str, targets: &Targets, intercept: bool) -> Result<Self> {
        let moments = Moments::of(set, name, targets)?;
        let scaling = Scaling::of(&moments, intercept);
        let features = set.features.len();
        let width = features + targets.count();
        let all = set.reduce(
            Symmetric::zeros(width),
            |chunk| {
                let targets = targets.columns(chunk);
                let mut gram = Symmetric::zeros(width);
                let mut block = Block::zeros(width);
                for start in (0..chunk.x.rows).step_by(ROWS) {
                    let columns = chunk.x.columns.iter().map(Vec::as_slice).chain(targets.iter().map(AsRef::as_ref));
                    scaling.fill(columns, start, &mut block);
                    let mut roots = [0.0; ROWS];
                    roots.iter_mut().zip(&chunk.w[start..]).for_each(|(root, w)| *root = w.sqrt());
                    for column in &mut block.columns {
                        column.iter_mut().zip(&roots).for_each(|(z, root)| *z *= root);
                    }
                    gram.add_products(&block);
                }
                Ok(gram)
            },
            |a, b| a.plus(&b),
        )?;
        let mut gram = Symmetric::zeros(features);
        for i in 0..features {
            (0..=i).for_each(|j| gram.set(i, j, all.get(i, j)));
        }
        let cross = (features..width).map(|target| (0..features).map(|j| all.get(target, j)).collect()).collect();
        let variance = (features..width).map(|target| all.get(target, target) / moments.weight).collect();
        let deviations = (0..features)
            .map(|j| {
                let scale = scaling.scale[j];
                if scale == 0.0 {
                    return 0.0;
                }
                let shift = (moments.mean[j] - scaling.centre[j]) * scale;
                (all.get(j, j) / moments.weight - shift * shift).max(0.0).sqrt() / scale
            })
            .collect();
        Ok(Self { weight: moments.weight, gram, cross, scaling, means: moments.mean, deviations, variance, intercept })
    }

    fn features(&self) -> usize {
        self.gram.size()
    }

    /// What turns a coefficient of scaled columns into one of the columns themselves.
    pub fn units(&self, target: usize) -> Vec<f64> {
        let target = self.scaling.scale[self.features() + target];
        // A constant target has the scale 0 and only coefficients of 0.
        self.scaling.scale[..self.features()].iter().map(|scale| if target == 0.0 { 0.0 } else { scale / target }).collect()
    }

    /// The output with these coefficients, its intercept such that the means lie on the plane.
    pub fn output(&self, target: usize, class: Option<String>, coefficients: Vec<f64>) -> Output {
        let mean = self.means[self.features() + target];
        let intercept = self.intercept.then(|| mean - dot(&self.means, &coefficients));
        Output { class, coefficients, intercept }
    }
}

/// What least squares find: an output for each target, and what a model keeps of the features.
pub struct LeastSquares {
    pub outputs: Vec<Output>,
    pub deviations: Vec<f64>,
    pub means: Vec<f64>,
    pub settled: bool,
}

impl LeastSquares {
    /// # Errors
    /// See [`LinearModel::new`].
    pub fn model(self, name: &str, on: &TrainingSet, link: Link) -> Result<LinearModel> {
        let note = (!self.settled).then(|| "not settled".to_owned());
        Ok(LinearModel::new(name, on, self.deviations, self.outputs, link)?.with_means(&self.means).with_note(note))
    }
}

/// Minimises Σ w (t − xβ − b)² + alpha ‖β‖² for every target; the shortest β where many do. `class` names the target's class.
///
/// # Errors
/// See [`Moments::of`]; sparse columns without a penalty.
pub fn least_squares(
    set: &TrainingSet,
    name: &str,
    targets: &Targets,
    alpha: f64,
    intercept: bool,
    class: impl Fn(usize) -> Option<String>,
) -> Result<LeastSquares> {
    if set.is_sparse() {
        return sparse_least_squares(set, name, targets, alpha, intercept, class);
    }
    let mut sums = Statistics::of(set, name, targets, intercept)?;
    let features = sums.features();
    let penalty: Vec<f64> = sums.scaling.scale[..features].iter().map(|scale| if alpha == 0.0 { 0.0 } else { alpha * scale * scale }).collect();
    for (j, penalty) in penalty.iter().enumerate() {
        sums.gram.set(j, j, sums.gram.get(j, j) + penalty);
    }
    // Lengths are compared in the features' own units; the target's unit does not matter for that.
    let solver = Solver::new(&sums.gram, &sums.scaling.scale[..features]);
    let solve = |right: &[f64]| {
        // Back to scaled columns, where the residual is taken.
        let solution = solver.solve(right);
        solution.iter().zip(&sums.scaling.scale).map(|(value, scale)| if *scale == 0.0 { 0.0 } else { value / scale }).collect::<Vec<f64>>()
    };
    let mut solutions: Vec<Vec<f64>> = sums.cross.iter().map(|right| solve(right)).collect();
    if solver.smallest_pivot() < CORRECT_BELOW {
        let slopes = residual_slopes(set, targets, &sums, &solutions)?;
        for (solution, slope) in solutions.iter_mut().zip(slopes) {
            let right: Vec<f64> =
                slope.iter().zip(&penalty).zip(solution.iter()).map(|((slope, penalty), x)| if *x == 0.0 { *slope } else { slope - penalty * x }).collect();
            solution.iter_mut().zip(solve(&right)).for_each(|(x, more)| *x += more);
        }
    }
    let in_units = |(target, solution): (usize, Vec<f64>)| {
        let coefficients = solution.into_iter().zip(sums.units(target)).map(|(x, unit)| if x == 0.0 { 0.0 } else { x * unit }).collect();
        sums.output(target, class(target), coefficients)
    };
    let outputs = solutions.into_iter().enumerate().map(in_units).collect();
    Ok(LeastSquares { outputs, deviations: sums.deviations, means: sums.means, settled: true })
}

/// The same by conjugate gradients.
fn sparse_least_squares(
    set: &TrainingSet,
    name: &str,
    targets: &Targets,
    alpha: f64,
    intercept: bool,
    class: impl Fn(usize) -> Option<String>,
) -> Result<LeastSquares> {
    if alpha == 0.0 {
        return Err(Error::data(format!("`{name}` takes sparse columns with a penalty only")).hint("give `alpha` a value above 0, if only a small one"));
    }
    let mut design = Design::of(set, name, targets, intercept)?;
    let (mut outputs, mut settled) = (Vec::new(), true);
    for target in 0..targets.count() {
        let scale = design.target_of(target);
        let of = if let Targets::Signs(classes) = targets { classes.get(target).map(|class| *class as f64) } else { None };
        let problem = Problem::of(&mut design, HalfSquares { scale, class: of }, Terms { c: 1.0, l1: 0.0, l2: alpha });
        let found = minimise(&problem, vec![0.0; problem.unknowns()], LIMITS)?;
        settled &= found.settled;
        outputs.push(design.output(class(target), &found.at, scale));
    }
    Ok(LeastSquares { outputs, deviations: design.deviations, means: design.moments.mean, settled })
}

/// ½ (t − output)², where t is the scaled target, or that of 1 in a class and −1 in the others.
struct HalfSquares {
    scale: TargetScale,
    class: Option<f64>,
}

impl Loss for HalfSquares {
    fn curvature(&self) -> f64 {
        1.0
    }

    fn apply(&self, outputs: &mut [[f64; ROWS]], y: &[f64; ROWS], w: &[f64; ROWS], roots: &mut [[f64; ROWS]]) -> f64 {
        each_row(outputs, y, w, roots, |output, y| {
            let target = self.class.map_or(y, |class| if y == class { 1.0 } else { -1.0 });
            let residual = output - (target - self.scale.centre) * self.scale.scale;
            (0.5 * residual * residual, residual, 1.0)
        })
    }
}

/// `ZᵀW(t` − Zx) for every target, from the rows themselves.
fn residual_slopes(set: &TrainingSet, targets: &Targets, sums: &Statistics, solutions: &[Vec<f64>]) -> Result<Vec<Vec<f64>>> {
    let features = sums.features();
    let width = features + targets.count();
    set.reduce(
        vec![vec![0.0; features]; solutions.len()],
        |chunk| {
            let targets = targets.columns(chunk);
            let mut slopes = vec![vec![0.0; features]; solutions.len()];
            let mut block = Block::zeros(width);
            for start in (0..chunk.x.rows).step_by(ROWS) {
                let columns = chunk.x.columns.iter().map(Vec::as_slice).chain(targets.iter().map(AsRef::as_ref));
                sums.scaling.fill(columns, start, &mut block);
                let (columns, targets) = block.columns.split_at(features);
                for ((solution, slopes), target) in solutions.iter().zip(&mut slopes).zip(targets) {
                    let mut residual = *target;
                    for (column, x) in columns.iter().zip(solution) {
                        residual.iter_mut().zip(column).for_each(|(r, z)| *r -= x * z);
                    }
                    residual.iter_mut().zip(&chunk.w[start..]).for_each(|(r, w)| *r *= w);
                    slopes.iter_mut().zip(columns).for_each(|(slope, column)| *slope += dot(column, &residual));
                }
            }
            Ok(slopes)
        },
        |mut a, b| {
            a.iter_mut().flatten().zip(b.iter().flatten()).for_each(|(a, b)| *a += b);
            a
        },
    )
}
