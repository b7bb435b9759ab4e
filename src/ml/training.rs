//! What an estimator learns from: features, target and weights, in fixed chunks of rows.
//!
//! Small sets stay in memory; larger ones are read from the table again at every pass, so an estimator
//! that needs only sums (a Gram matrix, a gradient) is bounded by a few chunks. Chunks have a fixed size
//! and [`TrainingSet::reduce`] joins their results in order: the same bytes at any thread count.

use std::sync::Arc;

use polars::prelude::*;
use rayon::prelude::*;

use super::matrix::numbers;
use super::{Deadline, Matrix, Task};
use crate::data::Table;
use crate::data::rows::kind_name;
use crate::error::{Error, Result, counted, shorten};

/// Above this many bytes of numbers, chunks are read anew at every pass.
const MEMORY_BUDGET: usize = 256 << 20;
/// Chunks that are worked on side by side.
const CHUNKS_AT_ONCE: usize = 8;

/// Consecutive rows of a training set.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// rows × features.
    pub x: Matrix,
    /// The target's number, or the class index.
    pub y: Vec<f64>,
    /// One weight a row: sample weight times class weight; all 1 where nothing was said.
    pub w: Vec<f64>,
}

impl Chunk {
    /// Only the rows with a weight above 0.
    #[must_use]
    pub fn counted(mut self) -> Self {
        let counts: Vec<bool> = self.w.iter().map(|w| *w > 0.0).collect();
        if counts.contains(&false) {
            for column in self.x.columns.iter_mut().chain([&mut self.y, &mut self.w]) {
                let mut counts = counts.iter();
                column.retain(|_| counts.next().copied().unwrap_or(false));
            }
            self.x.rows = self.w.len();
        }
        self
    }
}

/// Training rows and what is to be learned from them; cheap to clone.
#[derive(Clone)]
pub struct TrainingSet {
    pub task: Task,
    /// Feature names, in the order of the matrix's columns.
    pub features: Vec<String>,
    pub rows: usize,
    /// The recipe's seed, for estimators that draw.
    pub seed: u64,
    /// Rows that are not learned from, for estimators that watch when to stop.
    pub validation: Option<Box<TrainingSet>>,
    /// When fitting may give up.
    pub deadline: Deadline,
    source: Source,
    target: String,
    weight: Option<String>,
    class_weight: Vec<f64>,
}

#[derive(Clone)]
enum Source {
    Memory(Arc<Vec<Chunk>>),
    Table(Table),
}

/// A weight column's numbers.
fn weights(column: &Column) -> Result<Vec<f64>> {
    let name = column.name();
    let refuse = |what: &str| {
        Err(Error::data(format!("weight column `{name}` {what}")).path(&format!("roles.{name}")).hint("weights are numbers ≥ 0 and never missing"))
    };
    if !(column.dtype().is_primitive_numeric() || column.dtype().is_bool() || column.dtype().is_decimal()) {
        return refuse(&format!("is not numeric: {}", kind_name(column.dtype())));
    }
    let weights = numbers(column)?;
    match weights.iter().find(|weight| !weight.is_finite() || **weight < 0.0) {
        Some(weight) if weight.is_nan() => refuse("has a missing value"),
        Some(weight) => refuse(&format!("holds a value that is no weight: {weight}")),
        None => Ok(weights),
    }
}

impl TrainingSet {
    /// Rows of a table. For classification the target column must hold labels, of any type, that the
    /// task lists; `class_weight` has one factor a class (empty: all 1).
    ///
    /// # Errors
    /// Feature columns that are absent or not numeric (all named); a label the task does not list; a
    /// missing target; a weight that is negative or missing.
    pub fn new(task: Task, table: &Table, features: Vec<String>, target: &str, weight: Option<&str>, class_weight: Vec<f64>, seed: u64) -> Result<Self> {
        let rows = table.rows()?;
        let mut set = Self {
            task,
            rows,
            seed,
            validation: None,
            deadline: Deadline::NONE,
            source: Source::Table(table.clone()),
            target: target.to_owned(),
            weight: weight.map(str::to_owned),
            class_weight,
            features,
        };
        if rows.saturating_mul(set.features.len() + 2).saturating_mul(8) <= MEMORY_BUDGET {
            let chunks = table.batches()?.map(|batch| set.chunk(&batch?)).collect::<Result<Vec<_>>>()?;
            set.source = Source::Memory(Arc::new(chunks));
        }
        Ok(set)
    }

    /// A set that is in memory already, for tests and for use as a library.
    #[must_use]
    pub fn in_memory(task: Task, features: Vec<String>, chunk: Chunk, seed: u64) -> Self {
        Self::in_chunks(task, features, vec![chunk], seed)
    }

    /// A set in several chunks, for tests of what the joining of chunks does.
    #[must_use]
    pub fn in_chunks(task: Task, features: Vec<String>, chunks: Vec<Chunk>, seed: u64) -> Self {
        let rows = chunks.iter().map(|chunk| chunk.x.rows).sum();
        Self {
            task,
            features,
            rows,
            seed,
            validation: None,
            deadline: Deadline::NONE,
            source: Source::Memory(Arc::new(chunks)),
            target: String::new(),
            weight: None,
            class_weight: Vec::new(),
        }
    }

    fn chunk(&self, frame: &DataFrame) -> Result<Chunk> {
        let x = Matrix::of(frame, &self.features)?;
        let y = target_numbers(frame.column(&self.target)?, &self.task)?;
        let mut w = match &self.weight {
            Some(name) => weights(frame.column(name)?)?,
            None => vec![1.0; x.rows],
        };
        if !self.class_weight.is_empty() {
            for (w, class) in w.iter_mut().zip(&y) {
                *w *= self.class_weight.get(*class as usize).copied().unwrap_or(1.0);
            }
        }
        Ok(Chunk { x, y, w })
    }

    /// Maps every chunk and joins the results in row order.
    ///
    /// # Errors
    /// Where reading or `map` fails; where the deadline has passed.
    pub fn reduce<A: Send>(&self, start: A, map: impl Fn(&Chunk) -> Result<A> + Sync, mut join: impl FnMut(A, A) -> A) -> Result<A> {
        self.deadline.check()?;
        match &self.source {
            Source::Memory(chunks) => {
                let parts: Vec<A> = chunks.par_iter().map(&map).collect::<Result<_>>()?;
                Ok(parts.into_iter().fold(start, join))
            }
            Source::Table(table) => {
                let mut total = start;
                let mut batches = table.batches()?;
                loop {
                    self.deadline.check()?;
                    let some: Vec<DataFrame> = batches.by_ref().take(CHUNKS_AT_ONCE).collect::<Result<_>>()?;
                    if some.is_empty() {
                        return Ok(total);
                    }
                    let parts: Vec<A> = some.par_iter().map(|frame| map(&self.chunk(frame)?)).collect::<Result<_>>()?;
                    total = parts.into_iter().fold(total, &mut join);
                }
            }
        }
    }

    /// Every row in memory, for algorithms that need them all at once.
    ///
    /// # Errors
    /// Where reading fails.
    pub fn whole(&self) -> Result<Chunk> {
        let empty = Chunk { x: Matrix { rows: 0, columns: vec![Vec::new(); self.features.len()] }, y: Vec::new(), w: Vec::new() };
        self.reduce(
            empty,
            |chunk| Ok(chunk.clone()),
            |mut whole, part| {
                whole.x.rows += part.x.rows;
                for (column, more) in whole.x.columns.iter_mut().zip(part.x.columns) {
                    column.extend(more);
                }
                whole.y.extend(part.y);
                whole.w.extend(part.w);
                whole
            },
        )
    }

    /// Refuses missing and infinite values, naming every column that has some.
    ///
    /// # Errors
    /// Exit code 4, with the columns and how many rows.
    pub fn require_complete(&self, estimator: &str) -> Result<()> {
        let counts = self.reduce(
            vec![0_usize; self.features.len()],
            |chunk| Ok(chunk.x.columns.iter().map(|column| column.iter().filter(|v| !v.is_finite()).count()).collect()),
            |a, b| a.iter().zip(b).map(|(a, b)| a + b).collect(),
        )?;
        refuse_missing(estimator, self.features.iter().zip(counts))
    }
}

/// What an estimator that takes only numbers says of features that have something else, and in how many rows.
///
/// # Errors
/// Exit code 4, with the columns and how many rows, where a count is not 0.
pub fn refuse_missing<'a>(estimator: &str, features: impl Iterator<Item = (&'a String, usize)>) -> Result<()> {
    let bad: Vec<String> = features.filter(|(_, n)| *n > 0).map(|(name, n)| format!("`{name}` ({})", counted(n as u64, "row"))).collect();
    if bad.is_empty() {
        return Ok(());
    }
    Err(Error::data(format!("`{estimator}` cannot take missing or infinite values: {}", bad.join(", ")))
        .hint("add `- impute: {columns: has_missing()}` to steps.transform, or use `transform: auto`"))
}

/// The target column as numbers: values, or class indices.
///
/// # Errors
/// A missing value; a label that the task does not list.
pub fn target_numbers(column: &Column, task: &Task) -> Result<Vec<f64>> {
    match task {
        Task::Regression => numbers(column),
        Task::Classification { classes, .. } => {
            let labels = column.cast(&DataType::String)?;
            labels
                .str()?
                .iter()
                .map(|label| {
                    let label = label.ok_or_else(|| Error::data(format!("target `{}` is missing in a row", column.name())))?;
                    match classes.iter().position(|class| class == label) {
                        Some(index) => Ok(index as f64),
                        None => Err(Error::data(format!("target `{}` has a label that the training split did not have: `{}`", column.name(), shorten(label)))
                            .hint("a rare class came to one split only: take `split: {using: stratified}`, or leave the class out")),
                    }
                })
                .collect()
        }
    }
}
