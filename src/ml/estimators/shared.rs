//! What several estimators need: column moments, exact scaling, and the refusals they have in common.

use std::borrow::Cow;

use crate::error::{Error, Result, nearest};
use crate::ml::linalg::{Block, ROWS, dot};
use crate::ml::sparse::Csr;
use crate::ml::{Chunk, Matrix, Task, TrainingSet, refuse_missing};
use crate::value::Fault;

/// More columns of numbers than this and a Gram matrix would outgrow the memory that is promised.
const MOST_FEATURES: usize = 4096;

/// Rows of a column that are read twice while they are in the cache.
const ROWS_IN_CACHE: usize = 2048;

/// The columns that a linear model is fitted to.
pub enum Targets {
    None,
    /// The target's number.
    Number,
    /// For each of these classes, 1 in its rows and −1 in the others.
    Signs(Vec<usize>),
}

impl Targets {
    pub fn count(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Number => 1,
            Self::Signs(classes) => classes.len(),
        }
    }

    pub fn columns<'a>(&self, chunk: &'a Chunk) -> Vec<Cow<'a, [f64]>> {
        match self {
            Self::None => Vec::new(),
            Self::Number => vec![Cow::Borrowed(&chunk.y)],
            Self::Signs(classes) => {
                classes.iter().map(|class| chunk.y.iter().map(|y| if *y == *class as f64 { 1.0 } else { -1.0 }).collect::<Vec<_>>().into()).collect()
            }
        }
    }
}

/// Weighted means and ranges of the features and behind them the targets; rows of weight 0 do not count.
#[derive(Clone)]
pub struct Moments {
    pub weight: f64,
    pub mean: Vec<f64>,
    pub low: Vec<f64>,
    pub high: Vec<f64>,
}

impl Moments {
    /// One pass over the rows.
    ///
    /// # Errors
    /// No row with a weight; a missing or infinite value (columns named); values whose sum overflows;
    /// more columns of numbers than a Gram matrix should have.
    pub fn of(set: &TrainingSet, name: &str, targets: &Targets) -> Result<Self> {
        let features = set.features.len();
        if set.dense() > MOST_FEATURES {
            return Err(Error::data(format!("`{name}` takes at most {MOST_FEATURES} columns of numbers, got {}", set.dense()))
                .hint("drop columns, encode fewer levels (`one_hot` has `max_categories`), or make them sparse (`sparse: true`)"));
        }
        let width = features + targets.count();
        let none = Self { weight: 0.0, mean: vec![0.0; width], low: vec![f64::INFINITY; width], high: vec![f64::NEG_INFINITY; width] };
        let moments = set.reduce(none, |chunk| Ok(Self::of_chunk(chunk, targets)), Self::join)?;
        let bad: Vec<usize> =
            (0..width).filter(|j| !(moments.mean[*j].is_finite() && (moments.weight == 0.0 || (moments.high[*j] - moments.low[*j]).is_finite()))).collect();
        if !bad.is_empty() {
            set.require_complete(name)?;
            require_target(set)?;
            let names: Vec<String> = bad.iter().map(|j| set.features.get(*j).map_or("the target".to_owned(), |name| format!("`{name}`"))).collect();
            return Err(
                Error::data(format!("values are too large to be added up: {}", names.join(", "))).hint("scale the column, for example with `standard_scale`")
            );
        }
        if !moments.weight.is_finite() {
            return Err(Error::data("the sum of the weights is too large to be a number").hint("divide the weights by a constant"));
        }
        if moments.weight <= 0.0 {
            return Err(Error::data(format!("`{name}` got no row with a weight above 0")));
        }
        Ok(moments)
    }

    fn of_chunk(chunk: &Chunk, targets: &Targets) -> Self {
        let weight: f64 = chunk.w.iter().sum();
        let mut moments = Self { weight, mean: Vec::new(), low: Vec::new(), high: Vec::new() };
        moments.measure(chunk.x.columns.iter().map(Vec::as_slice), &chunk.w);
        chunk.x.blocks.iter().for_each(|block| moments.measure_block(block, &chunk.w));
        moments.measure(targets.columns(chunk).iter().map(AsRef::as_ref), &chunk.w);
        moments
    }

    fn measure<'a>(&mut self, columns: impl Iterator<Item = &'a [f64]>, w: &[f64]) {
        let all_count = w.iter().all(|w| *w > 0.0);
        for column in columns {
            let (mut sum, mut low, mut high) = (0.0, f64::INFINITY, f64::NEG_INFINITY);
            for (column, w) in column.chunks(ROWS_IN_CACHE).zip(w.chunks(ROWS_IN_CACHE)) {
                sum += dot(column, w);
                let (least, most) = if all_count { range(column) } else { range(&counted(column, w)) };
                low = low.min(least);
                high = high.max(most);
            }
            self.push(sum, low, high);
        }
    }

    /// What is not held is 0.
    fn measure_block(&mut self, block: &Csr, w: &[f64]) {
        let width = block.width;
        let (mut sums, mut held) = (vec![0.0; width], vec![0_usize; width]);
        let (mut low, mut high) = (vec![f64::INFINITY; width], vec![f64::NEG_INFINITY; width]);
        let counted = w.iter().filter(|w| **w > 0.0).count();
        for (row, w) in w.iter().enumerate().filter(|(_, w)| **w > 0.0) {
            for (place, value) in block.row(row) {
                sums[place] += w * value;
                held[place] += 1;
                low[place] = low[place].min(value);
                high[place] = high[place].max(value);
            }
        }
        for place in 0..width {
            let zero = if held[place] < counted { [0.0, 0.0] } else { [f64::INFINITY, f64::NEG_INFINITY] };
            self.push(sums[place], low[place].min(zero[0]), high[place].max(zero[1]));
        }
    }

    fn push(&mut self, sum: f64, low: f64, high: f64) {
        // A chunk without weight still tells whether a value is missing.
        self.mean.push(if self.weight > 0.0 { sum / self.weight } else { sum * 0.0 });
        self.low.push(low);
        self.high.push(high);
    }

    fn join(mut self, other: Self) -> Self {
        let weight = self.weight + other.weight;
        let share = if weight > 0.0 { other.weight / weight } else { 0.0 };
        self.mean.iter_mut().zip(other.mean).for_each(|(a, b)| *a += (b - *a) * share);
        self.low.iter_mut().zip(other.low).for_each(|(a, b)| *a = a.min(b));
        self.high.iter_mut().zip(other.high).for_each(|(a, b)| *a = a.max(b));
        self.weight = weight;
        self
    }
}

/// The values with a weight above 0.
fn counted(column: &[f64], w: &[f64]) -> Vec<f64> {
    column.iter().zip(w).filter(|(_, w)| **w > 0.0).map(|(x, _)| *x).collect()
}

/// The lowest and the highest value, several at a time.
fn range(column: &[f64]) -> (f64, f64) {
    const LANES: usize = 8;
    let mut low = [f64::INFINITY; LANES];
    let mut high = [f64::NEG_INFINITY; LANES];
    let (columns, rest) = column.as_chunks::<LANES>();
    for x in columns {
        for lane in 0..LANES {
            low[lane] = if x[lane] < low[lane] { x[lane] } else { low[lane] };
        }
        for lane in 0..LANES {
            high[lane] = if x[lane] > high[lane] { x[lane] } else { high[lane] };
        }
    }
    let low = low.iter().chain(rest).copied().fold(f64::INFINITY, f64::min);
    let high = high.iter().chain(rest).copied().fold(f64::NEG_INFINITY, f64::max);
    (low, high)
}

/// z = (x − centre) · scale, with powers of two as scales, so that scaling back rounds nothing and squares
/// of very small or very large numbers neither vanish nor overflow. The scale 0 drops a column.
#[derive(Clone)]
pub struct Scaling {
    pub centre: Vec<f64>,
    pub scale: Vec<f64>,
}

impl Scaling {
    /// Centred at the means, so that |z| ≤ 1 and a constant column is dropped; or not centred.
    pub fn of(moments: &Moments, centred: bool) -> Self {
        let mut scaling = Self { centre: Vec::new(), scale: Vec::new() };
        for ((mean, low), high) in moments.mean.iter().zip(&moments.low).zip(&moments.high) {
            let centre = if centred { *mean } else { 0.0 };
            let reach = (high - centre).abs().max((low - centre).abs());
            // What differs by a few roundings only is constant too.
            let constant = centred && high - low <= 8.0 * f64::EPSILON * high.abs().max(low.abs());
            scaling.centre.push(centre);
            scaling.scale.push(if constant || reach == 0.0 { 0.0 } else { power_of_two(reach) });
        }
        scaling
    }

    /// Leaves every column as it is.
    pub fn none(columns: usize) -> Self {
        Self { centre: vec![0.0; columns], scale: vec![1.0; columns] }
    }

    /// Writes scaled rows `start..start + ROWS` of the columns into a block, zeros where rows end.
    pub fn fill<'a>(&self, columns: impl Iterator<Item = &'a [f64]>, start: usize, block: &mut Block) {
        for (((column, centre), scale), to) in columns.zip(&self.centre).zip(&self.scale).zip(&mut block.columns) {
            let rows = column.get(start..).unwrap_or_default();
            let filled = rows.len().min(ROWS);
            if *scale == 0.0 {
                to.fill(0.0);
            } else {
                to.iter_mut().zip(rows).for_each(|(z, x)| *z = (x - centre) * scale);
                to[filled..].fill(0.0);
            }
        }
    }
}

/// Σ w of(z, centre) for every class and feature; sparse columns are taken as they are, without scaling.
///
/// # Errors
/// Where reading fails.
pub fn sums_by_class(set: &TrainingSet, scaling: &Scaling, centres: &[Vec<f64>], of: impl Fn(f64, f64) -> f64 + Sync) -> Result<Vec<Vec<f64>>> {
    let features = set.features.len();
    let zeros = || vec![vec![0.0; centres.len()]; features];
    let mut by_feature = set.reduce(
        zeros(),
        |chunk| {
            let mut sums = zeros();
            let mut block = Block::zeros(set.dense());
            for start in (0..chunk.x.rows).step_by(ROWS) {
                scaling.fill(chunk.x.columns.iter().map(Vec::as_slice), start, &mut block);
                for (j, (sums, column)) in sums.iter_mut().zip(&block.columns).enumerate() {
                    for ((z, y), w) in column.iter().zip(&chunk.y[start..]).zip(&chunk.w[start..]) {
                        let class = *y as usize;
                        if let (Some(sum), Some(centres)) = (sums.get_mut(class), centres.get(class)) {
                            *sum += w * of(*z, centres[j]);
                        }
                    }
                }
            }
            for (first, block) in chunk.x.placed_blocks() {
                for (row, (y, w)) in chunk.y.iter().zip(&chunk.w).enumerate() {
                    let class = *y as usize;
                    let Some(centres) = centres.get(class) else { continue };
                    for (place, value) in block.row(row) {
                        let centre = centres[first + place];
                        sums[first + place][class] += w * (of(value, centre) - of(0.0, centre));
                    }
                }
            }
            Ok(sums)
        },
        |mut a, b| {
            a.iter_mut().flatten().zip(b.iter().flatten()).for_each(|(a, b)| *a += b);
            a
        },
    )?;
    if set.is_sparse() {
        // As if every row had a 0 there.
        for (class, weight) in class_weights(set)?.into_iter().enumerate() {
            let sums = by_feature.iter_mut().enumerate().skip(set.dense());
            sums.for_each(|(j, sums)| sums[class] += weight * of(0.0, centres[class][j]));
        }
    }
    Ok((0..centres.len()).map(|class| by_feature.iter().map(|sums| sums[class]).collect()).collect())
}

/// The power of two that brings a number above 0 to 0.5..1 (as far as the range of numbers allows).
pub fn power_of_two(number: f64) -> f64 {
    let exponent = (number.to_bits() >> 52) & 0x7ff;
    f64::from_bits(2045_u64.saturating_sub(exponent).clamp(1, 2046) << 52)
}

/// The sum of the weights of each class.
///
/// # Errors
/// Fewer than two classes with a weight.
pub fn class_weights(set: &TrainingSet) -> Result<Vec<f64>> {
    let Task::Classification { classes, .. } = &set.task else {
        return Err(Error::bug("class weights of a regression target"));
    };
    let weights = set.reduce(
        vec![0.0; classes.len()],
        |chunk| {
            let mut sums = vec![0.0; classes.len()];
            for (y, w) in chunk.y.iter().zip(&chunk.w) {
                if let Some(sum) = sums.get_mut(*y as usize) {
                    *sum += w;
                }
            }
            Ok(sums)
        },
        |a, b| a.iter().zip(b).map(|(a, b)| a + b).collect(),
    )?;
    let present: Vec<&str> = classes.iter().zip(&weights).filter(|(_, w)| **w > 0.0).map(|(class, _)| class.as_str()).collect();
    match present.as_slice() {
        [] => Err(Error::data("no training row has a weight above 0")),
        [one] => Err(Error::data(format!("target has one class: `{one}`")).hint("check the filters and the split; a classifier needs rows of two classes")),
        _ => Ok(weights),
    }
}

/// The classes that occur, by index.
pub fn present(weights: &[f64]) -> Vec<usize> {
    (0..weights.len()).filter(|class| weights[*class] > 0.0).collect()
}

/// Refuses a regression target that is missing or infinite anywhere.
///
/// # Errors
/// How many rows.
pub fn require_target(set: &TrainingSet) -> Result<()> {
    let bad = set.reduce(0, |chunk| Ok(chunk.y.iter().filter(|y| !y.is_finite()).count()), |a, b| a + b)?;
    if bad == 0 {
        return Ok(());
    }
    Err(Error::data(format!("the target is missing or infinite in {bad} rows")).hint("filter these rows out in ingest"))
}

/// Refuses a matrix of another width than the model was fitted to.
///
/// # Errors
/// Both widths.
pub fn require_width(features: &[String], matrix: &Matrix) -> Result<()> {
    if features.len() == matrix.width() {
        return Ok(());
    }
    Err(Error::model(format!("the model has {} features, the rows have {}", features.len(), matrix.width())))
}

/// Refuses missing and infinite values, naming every column that has some.
///
/// # Errors
/// The columns and how many rows.
pub fn require_finite(name: &str, features: &[String], matrix: &Matrix) -> Result<()> {
    let count = |column: &[f64]| column.iter().filter(|x| !x.is_finite()).count();
    refuse_missing(name, features.iter().zip(matrix.columns.iter().map(|column| count(column))))
}

/// Scores of one row from their logarithms up to a constant.
pub fn softmax(logs: &mut [f64]) {
    let largest = logs.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    for log in logs.iter_mut() {
        *log = (*log - largest).exp();
    }
    let total: f64 = logs.iter().sum();
    for share in logs.iter_mut() {
        *share /= total;
    }
}

/// Collects refused parameters.
#[derive(Default)]
pub struct Refusals(Vec<Fault>);

impl Refusals {
    /// Refuses a parameter unless it is as it should be: `must be at least 0`.
    #[must_use]
    pub fn unless(mut self, fine: bool, key: &str, message: &str) -> Self {
        if !fine {
            self.0.push(Fault::new(&[key.to_owned()], format!("`{key}` {message}")));
        }
        self
    }

    pub fn done(self) -> Result<(), Vec<Fault>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

/// A finite number ≥ 0.
pub fn not_negative(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

/// A finite number > 0.
pub fn positive(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

/// The error for a strategy that does not fit the task.
pub fn wrong_choice(key: &str, value: &str, fine: &[&str]) -> Error {
    let error = Error::config(format!("`{key}` does not fit this target: {value}")).path(&format!("steps.train.estimator_params.{key}"));
    match nearest(value, fine.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("it takes: {}", fine.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_power_of_two_brings_any_size_near_one() {
        for number in [1.0, 0.75, 3.0, 1e300, 1e-300, f64::MAX, f64::MIN_POSITIVE] {
            let scaled = number * power_of_two(number);
            assert!((0.5..=4.0).contains(&scaled), "{number}: {scaled}");
        }
        assert_eq!(power_of_two(6.0), 0.125);
    }
}
