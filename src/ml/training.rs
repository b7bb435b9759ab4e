//! What an estimator learns from: features, target and weights, in fixed chunks of rows.
//!
//! Small sets stay in memory; larger ones are read from the table again at every pass, so an estimator
//! that needs only sums (a Gram matrix, a gradient) is bounded by a few chunks. Chunks have a fixed size
//! and [`TrainingSet::reduce`] joins their results in order: the same bytes at any thread count.

use std::sync::Arc;

use polars::prelude::*;
use rayon::prelude::*;

use super::matrix::numbers;
use super::sparse::{Csr, Features};
use super::{Deadline, Matrix, Rounds, Task};
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
            for block in &mut self.x.blocks {
                *block = block.filter(&counts);
            }
        }
        self
    }

    fn bytes(&self) -> usize {
        8 * self.x.rows * (self.x.columns.len() + 2) + self.x.blocks.iter().map(Csr::bytes).sum::<usize>()
    }
}

/// Training rows and what is to be learned from them; cheap to clone.
#[derive(Clone)]
pub struct TrainingSet {
    pub task: Task,
    /// Feature names, in the order of the matrix: columns of numbers, then what sparse columns hold.
    pub features: Vec<String>,
    pub rows: usize,
    /// The recipe's seed, for estimators that draw.
    pub seed: u64,
    /// Rows that are not learned from, for estimators that watch when to stop.
    pub validation: Option<Box<TrainingSet>>,
    /// When fitting may give up.
    pub deadline: Deadline,
    /// Told of each round by what fits in rounds.
    pub rounds: Rounds,
    reads: Features,
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
    pub fn new(
        task: Task,
        table: &Table,
        features: impl Into<Features>,
        target: &str,
        weight: Option<&str>,
        class_weight: Vec<f64>,
        seed: u64,
    ) -> Result<Self> {
        let (rows, reads) = (table.rows()?, features.into());
        let mut set = Self {
            task,
            rows,
            seed,
            validation: None,
            deadline: Deadline::NONE,
            rounds: Rounds::default(),
            source: Source::Table(table.clone()),
            target: target.to_owned(),
            weight: weight.map(str::to_owned),
            class_weight,
            features: reads.names(),
            reads,
        };
        if rows.saturating_mul(set.dense() + 2).saturating_mul(8) <= MEMORY_BUDGET
            && let Some(chunks) = set.in_budget(table)?
        {
            set.source = Source::Memory(Arc::new(chunks));
        }
        Ok(set)
    }

    /// All rows, unless sparse columns turn out to hold too much.
    fn in_budget(&self, table: &Table) -> Result<Option<Vec<Chunk>>> {
        let (mut chunks, mut bytes) = (Vec::new(), 0);
        for batch in table.batches()? {
            let chunk = self.chunk(&batch?)?;
            bytes += chunk.bytes();
            if bytes > MEMORY_BUDGET && self.is_sparse() {
                return Ok(None);
            }
            chunks.push(chunk);
        }
        Ok(Some(chunks))
    }

    /// How many features are columns of numbers; they come before all others.
    #[must_use]
    pub fn dense(&self) -> usize {
        self.reads.numbers.len()
    }

    /// Is there a sparse column? Then no matrix of features × features is made.
    #[must_use]
    pub fn is_sparse(&self) -> bool {
        !self.reads.blocks.is_empty()
    }

    /// # Errors
    /// See [`Features::refuse_sparse`].
    pub fn refuse_sparse(&self, estimator: &str) -> Result<()> {
        self.reads.refuse_sparse(estimator)
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
        let reads = features.clone().into();
        Self {
            task,
            features,
            reads,
            rows,
            seed,
            validation: None,
            deadline: Deadline::NONE,
            rounds: Rounds::default(),
            source: Source::Memory(Arc::new(chunks)),
            target: String::new(),
            weight: None,
            class_weight: Vec::new(),
        }
    }

    /// The same set, where its chunks have sparse columns.
    #[must_use]
    pub fn with_features(mut self, features: Features) -> Self {
        self.features = features.names();
        self.reads = features;
        self
    }

    fn chunk(&self, frame: &DataFrame) -> Result<Chunk> {
        let x = Matrix::read(frame, &self.reads)?;
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
                // What is summed of a sparse column is as long as its features are many.
                let at_once = if self.is_sparse() { CHUNKS_AT_ONCE } else { chunks.len().max(1) };
                let mut total = start;
                for some in chunks.chunks(at_once) {
                    let parts: Vec<A> = some.par_iter().map(&map).collect::<Result<_>>()?;
                    total = parts.into_iter().fold(total, &mut join);
                }
                Ok(total)
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
        let empty = Chunk { x: Matrix::empty(&self.reads), y: Vec::new(), w: Vec::new() };
        self.reduce(
            empty,
            |chunk| Ok(chunk.clone()),
            |mut whole, part| {
                whole.x.rows += part.x.rows;
                for (column, more) in whole.x.columns.iter_mut().zip(part.x.columns) {
                    column.extend(more);
                }
                whole.x.blocks.iter_mut().zip(&part.x.blocks).for_each(|(block, more)| block.append(more));
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
            vec![0_usize; self.dense()],
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Roles;
    use crate::ml::Chain;
    use crate::ml::transformers::contract_tests::value;

    #[test]
    fn rows_of_sparse_columns_are_the_same_in_memory_and_read_again() {
        let frame = df!("c" => ["a", "b", "c", "b"].repeat(50), "x" => vec![1.0; 200], "y" => vec![2.0; 200]).unwrap();
        let table = Table::of(frame);
        let chain =
            Chain::parse(&value(&serde_json::json!([{"one_hot": {"sparse": true}}]))).unwrap().fit(&table, &Roles::default().with_target("y"), 1).unwrap();
        let rows = Table::from_query(chain.apply(table.lazy()).unwrap()).unwrap();
        let mut set = TrainingSet::new(Task::Regression, &rows, chain.reads().clone(), "y", None, Vec::new(), 1).unwrap();
        let whole = set.whole().unwrap();
        assert!(matches!(set.source, Source::Memory(_)) && set.features == ["x", "c_a", "c_b", "c_c"]);
        assert_eq!(whole.clone().counted().x.blocks[0].times(&[1.0, 2.0, 4.0]).sum::<f64>(), 50.0 * 9.0);
        set.source = Source::Table(rows);
        assert!(set.whole().unwrap() == whole);
        let mut lighter = whole;
        lighter.w[1..].fill(0.0);
        assert_eq!(lighter.counted().x.blocks[0].row(0).collect::<Vec<_>>(), [(0, 1.0)]);
    }
}
