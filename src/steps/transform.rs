//! transform: the chain is fitted on training rows, which it transforms on its way, and applied to validation rows.

use std::collections::BTreeMap;
use std::path::Path;

use polars::prelude::{IntoLazy, SchemaExt};

use super::{
    Context, Heads, Json, Needs, Report, SlotId, Step, Surroundings, TRAINING, TRAINING_PROFILE, TRANSFORMED_TRAINING, TRANSFORMED_VALIDATION, TRANSFORMER,
    VALIDATION,
};
use crate::card::{Block, Card, Cell, Fact, Histogram, Tab, Table as CardTable};
use crate::data::{ParquetSink, Profile, ProfiledColumn, Profiler, Role, Roles, Table, preview};
use crate::error::{Error, Kind, Problem, Result, shorten, thousands};
use crate::ml::input::{InputColumn, admit};
use crate::ml::selector::column;
use crate::ml::sparse::Csr;
use crate::ml::{Chain, Fit, FittedChain, TargetKind};

const VERSION: u32 = 7;
const TRACED_ROWS: usize = 5;

/// The transform step.
pub struct Transform {
    pub chain: Chain,
    pub roles: Roles,
    /// What the target is to transforms that learn from it.
    pub target: TargetKind,
    /// The card then shows the chain and what it learned, not the distributions of its features.
    pub skip_data_profiling: bool,
    pub seed: u64,
}

impl Step for Transform {
    fn name(&self) -> &'static str {
        "transform"
    }

    fn needs(&self, _around: &Surroundings) -> Result<Needs> {
        let mut algorithms = BTreeMap::from([("transform".to_owned(), VERSION)]);
        algorithms.extend(self.chain.steps().iter().map(|t| (format!("transform {}", t.name()), t.version())));
        let roles: BTreeMap<&str, &str> = self.roles.iter().map(|(name, role)| (name, role.name())).collect();
        Ok(Needs {
            algorithms,
            config: serde_json::json!({
                "steps": self.chain.steps().iter().map(|t| serde_json::json!({ t.name(): t.config() })).collect::<Vec<_>>(),
                "roles": roles,
                "target": self.target,
                "skip_data_profiling": self.skip_data_profiling,
            }),
            reads: vec![TRAINING.id, TRAINING_PROFILE.id, VALIDATION.id],
            seed: Some(self.seed),
            ..Needs::default()
        })
    }

    fn writes(&self) -> Vec<SlotId> {
        vec![TRANSFORMED_TRAINING.id, TRANSFORMED_VALIDATION.id, TRANSFORMER.id]
    }

    fn misfits(&self, _root: &Path, heads: &Heads) -> Vec<Problem> {
        let fitted = match self.chain.fit_training(Fit { table: &heads.training, roles: &self.roles, seed: self.seed, target: Some(self.target) }) {
            Ok((fitted, _)) => fitted,
            Err(error) => return error.problems,
        };
        // The same names must be there when later data is scored.
        let scored = heads.scoring.as_ref().map(|rows| admit(rows.lazy(), &fitted.inputs));
        scored.and_then(Result::err).map(|error| error.path("steps.ingest_scoring").problems).unwrap_or_default()
    }

    fn run(&self, cx: &Context<'_>) -> Result<Report> {
        let training = cx.read(&TRAINING)?;
        let validation = cx.read(&VALIDATION)?;
        let Json(before) = cx.read(&TRAINING_PROFILE)?;
        self.refuse_leaks(&before)?;
        let (fitted, transformed) = self.chain.fit_training(Fit { table: &training, roles: &self.roles, seed: self.seed, target: Some(self.target) })?;
        cx.write(&TRANSFORMER, &fitted)?;
        let features = fitted.reads().width();
        if features == 0 {
            return Err(
                Error::data("no feature is left after the transforms").hint("check `steps.transform` and the roles: at least one predictor column must remain")
            );
        }
        let after = self.write(&fitted, &transformed, &cx.path(&TRANSFORMED_TRAINING))?;
        Table::from_query(fitted.apply(validation.lazy()).map_err(of_validation)?)?.write(&cx.path(&TRANSFORMED_VALIDATION))?;

        let written = Table::read(&cx.path(&TRANSFORMED_TRAINING))?;
        let names: Vec<String> = fitted.trace().into_iter().map(|step| step.name).collect();
        let raw_features = training.names().filter(|name| self.roles.is_feature(name)).count();
        let rows = training.rows()? as u64;
        let transformed_rows = written.rows()? as u64;
        let validation_rows = validation.rows()? as u64;
        let width = written.schema().len() as u64;
        let tabs = vec![
            Tab::new("chain", "Chain", chain_blocks(&fitted)),
            Tab::new("learned", "Learned", learned_blocks(&fitted)),
            Tab::new("changed", "Before and after", after.as_ref().map(|after| changed_blocks(&before, after)).unwrap_or_default()),
            Tab::new("after", "Features", sparse_blocks(&fitted, &written)?.into_iter().chain(after.iter().flat_map(Profile::into_blocks)).collect()),
            Tab::new("traced", "Rows traced", trace_blocks(&fitted, &training)?),
        ];
        Ok(Report {
            line: format!("{raw_features} → {} features", thousands(features as u64)),
            note: String::new(),
            card: Card {
                summary: format!(
                    "{raw_features} input columns became {} features, learned from {} training rows only.",
                    thousands(features as u64),
                    thousands(rows)
                ),
                headline: vec![
                    Fact::new("features", features),
                    Fact::new("input columns", raw_features),
                    Fact::new("transforms", names.len()),
                    Fact::new("training rows", rows),
                ]
                .into_iter()
                .chain((transformed_rows != rows).then(|| Fact::new("rows to learn from", transformed_rows)))
                .collect(),
                warnings: Vec::new(),
                tabs: tabs.into_iter().filter(|tab| !tab.blocks.is_empty()).collect(),
            },
            params: BTreeMap::from([("transform.steps".to_owned(), names.join(" → ")), ("transform.features".to_owned(), features.to_string())]),
            metrics: BTreeMap::new(),
            warnings: Vec::new(),
            shapes: BTreeMap::from([
                (TRANSFORMED_TRAINING.id.artifact.to_owned(), (transformed_rows, width)),
                (TRANSFORMED_VALIDATION.id.artifact.to_owned(), (validation_rows, width)),
            ]),
            verdict: None,
        })
    }
}

impl Transform {
    /// Writes the transformed rows and, where it is wanted, profiles them on the way, without sparse columns.
    fn write(&self, fitted: &FittedChain, rows: &Table, path: &Path) -> Result<Option<Profile>> {
        let sparse: Vec<&str> = fitted.reads().blocks.iter().map(|block| block.column.as_str()).collect();
        let dense = rows.schema().iter_fields().filter(|field| !sparse.contains(&field.name.as_str())).collect();
        let mut sink = ParquetSink::with_schema(path, rows.schema())?;
        let mut profiler = (!self.skip_data_profiling).then(|| Profiler::new(&dense, &self.roles, None)).transpose()?;
        for batch in rows.batches()? {
            let batch = batch?;
            if let Some(profiler) = &mut profiler {
                profiler.add(&batch.drop_many(sparse.iter().copied()))?;
            }
            sink.write(&batch)?;
        }
        sink.finish()?;
        Ok(profiler.map(Profiler::finish))
    }

    /// A feature that is an exact copy of the target is a certain leak: the model would learn to copy.
    fn refuse_leaks(&self, training: &Profile) -> Result<()> {
        let original = |column: &ProfiledColumn| column.same_as.clone().unwrap_or_else(|| column.summary.name.clone());
        let Some(name) = self.roles.first(Role::Target) else { return Ok(()) };
        let Some(target) = training.column(name).filter(|target| target.summary.distinct.is_some_and(|distinct| distinct > 1)).map(original) else {
            return Ok(());
        };
        let copies = training.columns.iter().filter(|column| self.roles.is_feature(&column.summary.name) && original(column) == target);
        let problem = |column: &ProfiledColumn| {
            let copy = &column.summary.name;
            Problem::new(format!("column `{copy}` is an exact copy of target `{name}` in the training rows: a leak"))
                .hint(format!("leave it out of the features: `roles: {{{copy}: ignore}}`"))
        };
        Error::all(Kind::Data, copies.map(problem).collect()).map_or(Ok(()), Err)
    }
}

/// An error that a check found in validation rows says so.
fn of_validation(mut error: Error) -> Error {
    for problem in error.problems.iter_mut().filter(|problem| problem.message.contains(" in row ")) {
        problem.message.push_str(" of the validation rows");
    }
    error
}

fn chain_blocks(fitted: &FittedChain) -> Vec<Block> {
    let rows: Vec<Vec<Cell>> = fitted
        .trace()
        .iter()
        .enumerate()
        .map(|(i, step)| {
            vec![
                (i + 1).into(),
                step.name.as_str().into(),
                step.before.len().into(),
                step.after.len().into(),
                difference(&step.after, &step.before).into(),
                difference(&step.before, &step.after).into(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return vec![Block::Text("No transform: the features are the input columns as they are.".to_owned())];
    }
    vec![Block::Table(CardTable {
        caption: "Transforms in order".to_owned(),
        columns: ["#", "transform", "columns in", "columns out", "added", "removed"].map(str::to_owned).to_vec(),
        rows,
    })]
}

/// The columns of `these` that are not in `those`.
fn difference(these: &[InputColumn], those: &[InputColumn]) -> String {
    const SHOWN: usize = 12;
    let names: Vec<&str> = these.iter().filter(|column| !those.iter().any(|other| other.name == column.name)).map(|column| column.name.as_str()).collect();
    let more = names.len().saturating_sub(SHOWN);
    let shown = names.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

fn learned_blocks(fitted: &FittedChain) -> Vec<Block> {
    let mut blocks = Vec::new();
    for step in fitted.trace() {
        let (name, tables) = (step.name, step.learned);
        let tables: Vec<_> = tables.into_iter().filter(|table| !table.rows.is_empty()).collect();
        if !tables.is_empty() {
            blocks.push(Block::Heading(name));
            blocks.extend(tables.into_iter().map(Block::Table));
        }
    }
    blocks
}

/// The distributions of columns that kept their name and changed, before and after.
fn changed_blocks(before: &Profile, after: &Profile) -> Vec<Block> {
    const SHOWN: usize = 8;
    let histogram = |profile: &Profile, name: &str, when: &str| {
        // The edges of dates are numbers that nobody reads.
        let found = profile.column(name).filter(|column| column.summary.range.is_none())?.summary.histogram.clone()?;
        Some(Histogram { caption: format!("`{}`, {when}", shorten(name)), ..found })
    };
    let changed = before.columns.iter().map(|column| column.summary.name.as_str()).filter_map(|name| {
        let pair = (histogram(before, name, "before")?, histogram(after, name, "after")?);
        (pair.0.edges != pair.1.edges || pair.0.series.iter().map(|s| &s.counts).ne(pair.1.series.iter().map(|s| &s.counts))).then_some(pair)
    });
    changed.take(SHOWN).flat_map(|(before, after)| [Block::Histogram(before), Block::Histogram(after)]).collect()
}

/// What sparse columns hold of a table.
fn sparse_blocks(fitted: &FittedChain, table: &Table) -> Result<Vec<Block>> {
    let mut rows = Vec::new();
    for block in &fitted.reads().blocks {
        let (mut held, mut all) = (0, 0);
        let only = Table::from_query(table.lazy().select([column(&block.column)]))?;
        for batch in only.batches()? {
            let csr = Csr::of(batch?.column(&block.column)?, block.features.len())?;
            (held, all) = (held + csr.held() as u64, all + csr.rows() as u64);
        }
        let named = block.features.iter().take(3).map(|name| shorten(name)).collect::<Vec<_>>().join(", ");
        let more = block.features.len().saturating_sub(3);
        let named = if more > 0 { format!("{named} and {} more", thousands(more as u64)) } else { named };
        let per_row = Cell::Number(held as f64 / all.max(1) as f64);
        rows.push(vec![shorten(&block.column).into(), block.transform.into(), block.features.len().into(), per_row, named.into()]);
    }
    let columns = ["sparse column", "transform", "features", "not 0 in a row", "named"].map(str::to_owned).to_vec();
    let caption = "Sparse columns hold what is not 0; estimators read them as they are".to_owned();
    Ok(if rows.is_empty() { Vec::new() } else { vec![Block::Table(CardTable { caption, columns, rows })] })
}

/// The first training rows, before and after the chain as it is applied to new rows.
fn trace_blocks(fitted: &FittedChain, training: &Table) -> Result<Vec<Block>> {
    let rows = fitted.prepare(training)?.head(TRACED_ROWS)?;
    let mut after = fitted.apply(rows.clone().lazy())?.collect()?;
    for block in &fitted.reads().blocks {
        let words = block.in_words(after.column(&block.column)?)?;
        after.with_column(words)?;
    }
    let before = fitted.bare(rows);
    Ok(vec![
        Block::Heading("Before".to_owned()),
        Block::Table(preview(&Table::of(before), TRACED_ROWS)?),
        Block::Heading("After".to_owned()),
        Block::Table(preview(&Table::of(after), TRACED_ROWS)?),
    ])
}
