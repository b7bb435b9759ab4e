//! Transforms in a row: each is fitted on what those before it made of the training rows.
//!
//! Fitting never writes a table in between: the query grows by each fitted transform and is read again
//! (a small table is kept in memory instead). The fitted chain knows which raw columns its features are
//! computed from (and which a check looks at), so later data needs these and no others: the target, the
//! weight and whatever a transform dropped may be absent. A feature computed from the target is refused.
//!
//! Training rows pass through the chain once, while it is fitted ([`Chain::fit_training`]), because some transforms
//! treat them otherwise than all later rows: what is learned from the target is cross-fitted, and rows that are
//! filtered or drawn are those of training only. [`FittedChain::apply`] is for every other row.
//!
//! Where a transform gives rows values of other rows, a table is no longer the sum of its batches. [`FittedChain::prepare`]
//! then finds these values for the whole table and puts them beside the raw columns, under names of their own; from there on
//! each row stands for itself again, and the transform only gives its columns their names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use polars::prelude::*;
use serde::{Deserialize, Serialize};

use super::explain::lineage::{Origin, origins};
use super::export::{Lowering, Value as Lowered, Why};
use super::input::{InputColumn, admit};
use super::selector::column;
use super::sparse::{Block, Features, is_sparse};
use super::transformers::rows::{Attached, attach};
use super::transformers::{TRANSFORMERS, find};
use super::{AcrossRows, Fit, FittedTransform, UnfittedTransform};
use crate::card;
use crate::data::{Role, Roles, Table};
use crate::error::{Error, Kind, Problem, Result};
use crate::value::{Fault, Value, suggest};

/// Tables up to this many values are kept in memory between fits.
const CELLS_IN_MEMORY: usize = 2 << 20;

/// Transforms before fitting, in order.
pub struct Chain(Vec<Box<dyn UnfittedTransform>>);

/// A table's columns before and after one transform, for the card.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    pub name: String,
    /// The transform's parameters, defaults filled in.
    pub config: serde_json::Value,
    pub before: Vec<InputColumn>,
    pub after: Vec<InputColumn>,
    pub learned: Vec<card::Table>,
}

/// Fitted transforms in order, and what they expect of raw data; cheap to clone.
#[derive(Clone)]
pub struct FittedChain {
    /// The raw columns that features are computed from, with training's types, in training's order.
    pub inputs: Vec<InputColumn>,
    /// Every raw column of training.
    raw: Vec<InputColumn>,
    features: Vec<String>,
    reads: Features,
    steps: Arc<Vec<FittedStep>>,
}

struct FittedStep {
    fitted: Box<dyn FittedTransform>,
    config: serde_json::Value,
    after: Vec<InputColumn>,
}

/// [`FittedChain`] as it is written.
#[derive(Serialize, Deserialize)]
struct Saved {
    inputs: Vec<InputColumn>,
    raw: Vec<InputColumn>,
    features: Vec<String>,
    steps: Vec<SavedStep>,
}

#[derive(Serialize, Deserialize)]
struct SavedStep {
    name: String,
    config: serde_json::Value,
    state: serde_json::Value,
    after: Vec<InputColumn>,
}

impl Chain {
    #[must_use]
    pub fn new(transforms: Vec<Box<dyn UnfittedTransform>>) -> Self {
        Self(transforms)
    }

    /// Reads a list of names or one-key maps, `- clip: {…}`.
    ///
    /// # Errors
    /// Every fault, with its path below `value`; an unknown transform with the nearest one.
    pub fn parse(value: &Value) -> Result<Self, Vec<Fault>> {
        let Value::List(items) = value else { return Err(vec![Fault::new(&[], format!("expected a list of transforms, got {}", value.kind()))]) };
        let mut transforms = Vec::new();
        let mut faults = Vec::new();
        for (i, item) in items.iter().enumerate() {
            match parse_step(item) {
                Ok(transform) => transforms.push(transform),
                Err(some) => faults.extend(some.into_iter().map(|mut fault| {
                    fault.path.insert(0, i.to_string());
                    fault
                })),
            }
        }
        if faults.is_empty() { Ok(Self(transforms)) } else { Err(faults) }
    }

    #[must_use]
    pub fn steps(&self) -> &[Box<dyn UnfittedTransform>] {
        &self.0
    }

    /// Fits every transform on training rows.
    ///
    /// # Errors
    /// No rows; what a transform refuses, with its place in the chain; features that cannot be used (computed from
    /// the target, of a type that no model takes), all named.
    pub fn fit(&self, train: &Table, roles: &Roles, seed: u64) -> Result<FittedChain> {
        Ok(self.fit_training(Fit { table: train, roles, seed, target: None })?.0)
    }

    /// Fits every transform, and gives the training rows as an estimator is to see them.
    ///
    /// # Errors
    /// As [`Chain::fit`].
    pub fn fit_training(&self, on: Fit<'_>) -> Result<(FittedChain, Table)> {
        self.fit_within(on, CELLS_IN_MEMORY)
    }

    fn fit_within(&self, on: Fit<'_>, cells_in_memory: usize) -> Result<(FittedChain, Table)> {
        let Fit { table: train, roles, .. } = on;
        let rows = train.rows()?;
        if rows == 0 {
            return Err(Error::data("the training table has no rows").hint("check the split and its filters"));
        }
        let small = |table: Table| {
            let cells = rows.saturating_mul(table.schema().len());
            if cells <= cells_in_memory { Ok(Table::of(table.collect()?)) } else { Ok::<_, Error>(table) }
        };
        let mut steps = Vec::with_capacity(self.0.len());
        let mut table = if self.0.is_empty() { train.clone() } else { small(train.clone())? };
        for (i, transform) in self.0.iter().enumerate() {
            let place = |error: Error| error.path(&format!("steps.transform[{i}].{}", transform.name()));
            let (fitted, rows) = transform.fit_training(Fit { table: &table, ..on }).map_err(place)?;
            let next = Table::from_query(rows).map_err(place)?;
            refuse_strays(fitted.as_ref(), &table, &next).map_err(place)?;
            steps.push(FittedStep { fitted, config: transform.config(), after: InputColumn::of(next.schema()) });
            table = if i + 1 < self.0.len() { small(next).map_err(place)? } else { next };
        }
        let features: Vec<String> = table.names().filter(|name| roles.is_feature(name)).map(str::to_owned).collect();
        let raw = InputColumn::of(train.schema());
        let reads = reads(&features, &steps);
        let mut chain = FittedChain { inputs: Vec::new(), raw, features, reads, steps: Arc::new(steps) };
        let needed = chain.needed(train.schema())?;
        chain.inputs = chain.raw.iter().filter(|column| needed.contains(&column.name)).cloned().collect();
        chain.check_inputs(roles)?;
        if let Some(taken) = chain.beside().find(|column| train.has(&column.name)) {
            return Err(Error::data(format!("column `{}` has a name that is kept for what rows get from other rows", taken.name)).hint("rename it in the data"));
        }
        Ok((chain, table))
    }
}

/// One `name` or `name: {…}`.
fn parse_step(item: &Value) -> Result<Box<dyn UnfittedTransform>, Vec<Fault>> {
    let (name, config) = match item {
        Value::String(name) => (name, &Value::Null),
        Value::Map(map) if map.len() == 1 => map.iter().next().unwrap_or((const { &String::new() }, &Value::Null)),
        _ => return Err(vec![Fault::new(&[], format!("expected a transform, as `name: {{…}}`, got {}", item.kind()))]),
    };
    let Some(entry) = find(name) else {
        let names: Vec<&str> = TRANSFORMERS.iter().flat_map(|entry| [entry.name].into_iter().chain(entry.aliases.iter().copied())).collect();
        return Err(vec![Fault::new(std::slice::from_ref(name), format!("unknown transform `{name}`")).hint(suggest(name, &names))]);
    };
    (entry.parse)(config).map_err(|faults| {
        let below = |mut fault: Fault| {
            fault.path.insert(0, name.clone());
            fault
        };
        faults.into_iter().map(below).collect()
    })
}

impl FittedChain {
    /// The feature columns after the chain, in order.
    #[must_use]
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// The same columns as an estimator reads them.
    #[must_use]
    pub fn reads(&self) -> &Features {
        &self.reads
    }

    /// Adds the whole chain to a query: checks the raw columns, gives them training's types, applies each transform.
    /// Columns that the chain does not know pass through.
    ///
    /// # Errors
    /// See [`admit`]; where the query cannot be built.
    pub fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        self.through(frame, self.steps.len())
    }

    /// [`FittedChain::apply`] of the first `count` transforms.
    fn through(&self, frame: LazyFrame, count: usize) -> Result<LazyFrame> {
        let mut frame = admit(frame, &self.inputs)?;
        let schema = frame.collect_schema()?;
        let whole = self.applied(frame.clone(), count).and_then(|mut applied| {
            applied.collect_schema()?;
            Ok(applied)
        });
        let absent = self.spare(&schema);
        if whole.is_ok() || absent.is_empty() {
            return whole;
        }
        let spare = absent.iter().filter(|column| !self.features.contains(&column.name)).map(|column| column.name.as_str());
        let filled = frame.with_columns(nulls(&absent));
        Ok(self.applied(filled, count)?.drop(by_name(spare, false, false)))
    }

    /// The columns of training that are absent and that no feature needs. A transform may name one all the same, such as one that is
    /// dropped later: any value does.
    fn spare(&self, schema: &Schema) -> Vec<&InputColumn> {
        self.raw.iter().filter(|column| !schema.contains(&column.name) && !self.inputs.contains(column)).collect()
    }

    /// The table with what its rows get from other rows beside its columns, so that rows can be taken apart, drawn or put in
    /// another order before [`FittedChain::apply`]. A table where no transform looks across rows, or that is prepared already,
    /// stays as it is. Memory: 8 bytes a row and column that is added (of text, more).
    ///
    /// # Errors
    /// As [`FittedChain::apply`].
    pub fn prepare(&self, table: &Table) -> Result<Table> {
        let mut table = table.clone();
        for (i, step) in self.steps.iter().enumerate() {
            let is_prepared = step.outputs().iter().all(|name| table.has(&beside(i, name)));
            let Some(across) = step.fitted.across_rows().filter(|_| !is_prepared) else { continue };
            let filled = table.lazy().with_columns(nulls(&self.spare(table.schema())));
            let columns = across.columns(&Table::from_query(self.through(filled, i)?)?)?;
            let named = |column: Column| Attached { values: column.clone().with_name(beside(i, column.name()).into()), reads: Vec::new() };
            table = Table::from_query(attach(&table, columns.into_iter().map(named)))?;
        }
        Ok(table)
    }

    /// Does what a row becomes depend on the rows around it?
    #[must_use]
    pub fn looks_across_rows(&self) -> bool {
        self.across().next().is_some()
    }

    /// Raw rows without what [`FittedChain::prepare`] put beside them.
    #[must_use]
    pub fn bare(&self, frame: DataFrame) -> DataFrame {
        let beside: Vec<String> = self.beside().map(|column| column.name).collect();
        if beside.is_empty() { frame } else { frame.drop_many(beside) }
    }

    /// The columns of a prepared table that can be altered row by row, each with the name that it is shown by: raw columns that
    /// features are computed from within a row, and what rows get from other rows.
    ///
    /// # Errors
    /// Where the query cannot be built.
    pub fn alterable(&self) -> Result<Vec<(InputColumn, String)>> {
        let shown = |column: InputColumn| (column.clone(), self.shown(&column.name).to_owned());
        let mut all: Vec<(InputColumn, String)> = self.inputs.iter().cloned().map(shown).collect();
        let beside: Vec<InputColumn> = self.beside().collect();
        if !beside.is_empty() {
            let read: BTreeSet<String> = self.origins()?.into_iter().flat_map(|origin| origin.from).collect();
            all.extend(beside.into_iter().map(shown));
            all.retain(|(_, shown)| read.contains(shown));
        }
        Ok(all)
    }

    /// The name by which a column of a prepared table is shown.
    #[must_use]
    pub fn shown<'a>(&'a self, name: &'a str) -> &'a str {
        self.across().find(|(i, output)| beside(*i, output) == name).map_or(name, |(_, output)| output)
    }

    /// The column of a prepared table that is shown by a name.
    #[must_use]
    pub fn column_shown_as(&self, shown: &str) -> String {
        self.across().find(|(_, output)| *output == shown).map_or_else(|| shown.to_owned(), |(i, output)| beside(i, output))
    }

    /// What transforms look up in other rows: the number of the transform and the name of the column.
    fn across(&self) -> impl Iterator<Item = (usize, &str)> {
        self.steps.iter().enumerate().flat_map(|(i, step)| step.outputs().into_iter().map(move |output| (i, output)))
    }

    /// The columns that [`FittedChain::prepare`] puts beside the raw ones.
    fn beside(&self) -> impl Iterator<Item = InputColumn> {
        let column = |(i, output): (usize, &str)| {
            let made = self.steps.get(i).and_then(|step| step.after.iter().find(|column| column.name == output));
            InputColumn { name: beside(i, output), kind: made.map_or_else(|| "f64".to_owned(), |column| column.kind.clone()) }
        };
        self.across().map(column)
    }

    /// What each column that an estimator reads stands for, in the order of [`FittedChain::reads`].
    ///
    /// # Errors
    /// Where the query cannot be built.
    pub fn origins(&self) -> Result<Vec<Origin>> {
        let field = |column: InputColumn| Field::new(column.name.as_str().into(), column.dtype().unwrap_or(DataType::Null));
        let prepared: Schema = self.raw.iter().cloned().chain(self.beside()).map(field).collect();
        let mut origins = origins(self.applied(DataFrame::empty_with_schema(&prepared).lazy(), self.steps.len())?, &self.reads.columns())?;
        for origin in &mut origins {
            origin.name = self.shown(&origin.name).to_owned();
            origin.from = origin.from.iter().map(|name| self.shown(name).to_owned()).collect();
        }
        Ok(origins)
    }

    /// The chain in operations that other programs have; what has no such form is added to `problems`, and columns made by it are
    /// unknown.
    #[must_use]
    pub fn lower(&self, problems: &mut Vec<Problem>) -> Lowering {
        let mut lowering = Lowering::of(&self.inputs, &self.raw);
        for step in self.steps.iter() {
            let Err(why) = step.fitted.lower(&mut lowering) else { continue };
            problems.extend(why.problem(step.fitted.name()));
            for column in step.after.iter().filter(|column| !lowering.has(&column.name)).collect::<Vec<_>>() {
                lowering.set(&column.name, Lowered::Unknown(Why::said()));
            }
        }
        lowering
    }

    /// What each transform did, in order.
    #[must_use]
    pub fn trace(&self) -> Vec<Trace> {
        let befores = std::iter::once(&self.raw).chain(self.steps.iter().map(|step| &step.after));
        let trace = |(before, step): (&Vec<InputColumn>, &FittedStep)| Trace {
            name: step.fitted.name().to_owned(),
            config: step.config.clone(),
            before: before.clone(),
            after: step.after.clone(),
            learned: step.fitted.learned(),
        };
        befores.zip(self.steps.iter()).map(trace).collect()
    }

    /// The fitted chain as plain data.
    #[must_use]
    pub fn save(&self) -> serde_json::Value {
        let step = |step: &FittedStep| SavedStep {
            name: step.fitted.name().to_owned(),
            config: step.config.clone(),
            state: step.fitted.save(),
            after: step.after.clone(),
        };
        let saved = Saved { inputs: self.inputs.clone(), raw: self.raw.clone(), features: self.features.clone(), steps: self.steps.iter().map(step).collect() };
        serde_json::to_value(saved).unwrap_or_default()
    }

    /// Reads back what [`FittedChain::save`] gave.
    ///
    /// # Errors
    /// Exit code 7: damaged, or with a transform or a type that this program does not know.
    pub fn load(saved: serde_json::Value) -> Result<Self> {
        let damaged = |error: serde_json::Error| Error::model(format!("the fitted transforms are damaged: {error}"));
        let Saved { inputs, raw, features, steps } = serde_json::from_value(saved).map_err(damaged)?;
        if let Some(bad) = inputs.iter().find(|column| column.dtype().is_none()) {
            return Err(Error::model(format!("the fitted transforms need a column of unknown type: `{}` ({})", bad.name, bad.kind)));
        }
        let load = |step: SavedStep| {
            let entry = find(&step.name).ok_or_else(|| {
                Error::model(format!("this program does not know the transform `{}`", step.name)).hint("the model was made by a newer version")
            })?;
            Ok(FittedStep { fitted: (entry.load)(step.state)?, config: step.config, after: step.after })
        };
        let steps = steps.into_iter().map(load).collect::<Result<Vec<_>>>()?;
        Ok(Self { inputs, raw, reads: reads(&features, &steps), features, steps: Arc::new(steps) })
    }

    fn applied(&self, frame: LazyFrame, count: usize) -> Result<LazyFrame> {
        self.steps.iter().enumerate().take(count).try_fold(frame, |frame, (i, step)| step.apply(i, frame))
    }

    /// The raw columns that features are computed from, and those that checks look at.
    fn needed(&self, schema: &Schema) -> Result<BTreeSet<String>> {
        let mut needed = BTreeSet::new();
        let mut frame = DataFrame::empty_with_schema(schema).lazy();
        for step in self.steps.iter() {
            frame = step.fitted.apply(frame)?;
            needed.extend(columns_read(&frame, &step.fitted.required())?);
        }
        needed.extend(columns_read(&frame, &self.features)?);
        Ok(needed)
    }

    fn check_inputs(&self, roles: &Roles) -> Result<()> {
        let problem = |column: &InputColumn| match roles.of(&column.name) {
            Role::Target => Some(Problem::new(format!("features are computed from the target `{}`", column.name)).hint("take it out of steps.transform")),
            Role::PostEvent => {
                let message = format!("features are computed from `{}`, which is known only after the event (`post_event`)", column.name);
                Some(Problem::new(message).hint("take it out of steps.transform"))
            }
            _ if column.dtype().is_none() => {
                Some(Problem::new(format!("column `{}` is {}, which no model takes", column.name, column.kind)).hint("give it the role `ignore`"))
            }
            _ => None,
        };
        Error::all(Kind::Data, self.inputs.iter().filter_map(problem).collect()).map_or(Ok(()), Err)
    }
}

impl FittedStep {
    /// The columns that it looks up in other rows.
    fn outputs(&self) -> Vec<&str> {
        self.fitted.across_rows().map(AcrossRows::outputs).unwrap_or_default()
    }

    /// Applies the transform, whose place in the chain is `i`; what was prepared is taken as it is.
    fn apply(&self, i: usize, mut frame: LazyFrame) -> Result<LazyFrame> {
        let outputs = self.outputs();
        if outputs.is_empty() {
            return self.fitted.apply(frame);
        }
        let schema = frame.collect_schema()?;
        let prepared: Vec<String> = outputs.iter().map(|output| beside(i, output)).collect();
        if !prepared.iter().all(|name| schema.contains(name)) {
            return self.fitted.apply(frame);
        }
        let named: Vec<Expr> = prepared.iter().zip(outputs).map(|(name, output)| column(name).alias(output)).collect();
        Ok(frame.with_columns(named).drop(by_name(&prepared, false, false)))
    }
}

/// Columns without any value.
fn nulls(columns: &[&InputColumn]) -> Vec<Expr> {
    columns.iter().filter_map(|column| Some(lit(NULL).cast(column.dtype()?).alias(column.name.as_str()))).collect()
}

/// What a column is called beside the raw ones that the transform with this place in the chain makes of other rows.
fn beside(i: usize, output: &str) -> String {
    format!("{output} (transform {})", i + 1)
}

/// What an estimator reads of these columns: those that a transform made sparse, behind all others.
fn reads(features: &[String], steps: &[FittedStep]) -> Features {
    let made: BTreeMap<String, Block> = steps.iter().flat_map(|step| step.fitted.blocks()).map(|block| (block.column.clone(), block)).collect();
    let numbers = features.iter().filter(|name| !made.contains_key(*name)).cloned().collect();
    Features { numbers, blocks: features.iter().filter_map(|name| made.get(name).cloned()).collect() }
}

/// Refuses to call or compute a sparse column anew, since nobody could say what its places mean.
fn refuse_strays(fitted: &dyn FittedTransform, before: &Table, after: &Table) -> Result<()> {
    let made = fitted.blocks();
    let known = |name: &str| before.schema().get(name).is_some_and(is_sparse) || made.iter().any(|block| block.column == name);
    match after.schema().iter().find(|(name, dtype)| is_sparse(dtype) && !known(name)) {
        None => Ok(()),
        Some((name, _)) => Err(Error::data(format!("`{}` would make `{name}` from a sparse column, which no transform can change", fitted.name()))
            .hint("change the column before it becomes sparse, or set `sparse: false` there")),
    }
}

/// The columns that the optimised query still reads when only `wanted` are asked for.
fn columns_read(frame: &LazyFrame, wanted: &[String]) -> Result<BTreeSet<String>> {
    if wanted.is_empty() {
        return Ok(BTreeSet::new());
    }
    let wanted: Vec<Expr> = wanted.iter().map(|name| column(name)).collect();
    let plan = frame.clone().select(wanted).to_alp_optimized()?;
    let mut needed = BTreeSet::new();
    let mut nodes = vec![plan.lp_top];
    while let Some(node) = nodes.pop() {
        let operation = plan.lp_arena.get(node);
        let before = nodes.len();
        nodes.extend(operation.inputs());
        if nodes.len() == before {
            needed.extend(operation.schema(&plan.lp_arena).iter_names().map(PlSmallStr::to_string));
        }
    }
    Ok(needed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::BATCH_ROWS;
    use crate::ml::transformers::contract_tests::{sample, value};
    use crate::value::display_path;

    fn chain(yaml: &str) -> Chain {
        Chain::parse(&value(&serde_yaml::from_str(yaml).unwrap())).unwrap_or_else(|faults| panic!("{faults:?}"))
    }

    const YAML: &str = "
        - impute: {columns: [trip_distance], by: [payment_type], add_indicator: true}
        - standard_scale: {columns: numeric()}
        - clip: {columns: [passenger_count], lower: -1, upper: 1}
        - impute: {columns: [passenger_count]}
        - drop_constant";

    fn roles() -> Roles {
        let ignored = ["payment_type", "vendor", "pickup_zip", "dropoff_zip", "pickup_datetime", "dropoff_datetime", "pickup_date"];
        Roles::new(ignored.map(|name| (name.to_owned(), Role::Ignore)).into()).with_target("fare_amount")
    }

    fn fitted(yaml: &str) -> FittedChain {
        chain(yaml).fit(&Table::of(sample()), &roles(), 42).unwrap_or_else(|error| panic!("{error}"))
    }

    fn applied(chain: &FittedChain, frame: DataFrame) -> DataFrame {
        chain.apply(frame.lazy()).unwrap().collect().unwrap()
    }

    #[test]
    fn later_data_needs_only_what_features_are_computed_from() {
        let chain = fitted(YAML);
        assert_eq!(chain.features(), ["trip_distance", "passenger_count", "shared", "trip_distance_missing"]);
        let inputs: Vec<&str> = chain.inputs.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(inputs, ["trip_distance", "passenger_count", "payment_type", "shared"]);
        let later = sample().select(["shared", "payment_type", "passenger_count", "trip_distance"]).unwrap();
        let (few, all) = (applied(&chain, later), applied(&chain, sample()));
        for name in chain.features() {
            assert!(few.column(name).unwrap().equals_missing(all.column(name).unwrap()), "{name}");
        }
        assert!(all.column("vendor").is_ok(), "extra columns pass through");
        let error = chain.apply(sample().select(["shared"]).unwrap().lazy()).err().unwrap();
        assert_eq!(error.problems.len(), 3);
    }

    #[test]
    fn a_column_that_a_transform_names_but_no_feature_needs_may_be_absent() {
        let frame = df!("x" => [1.0, 2.0, 3.0], "c" => [5.0, 5.0, 5.0], "fare" => [1.0, 2.0, 3.0]).unwrap();
        let roles = Roles::default().with_target("fare");
        let steps = chain("[{standard_scale: {columns: [x, c]}}, {sqrt: {columns: fare}}, drop_constant]");
        let chain = steps.fit(&Table::of(frame), &roles, 0).unwrap();
        assert_eq!(chain.inputs, [InputColumn { name: "x".to_owned(), kind: "f64".to_owned() }]);
        let later = applied(&chain, df!("x" => [2_i64]).unwrap());
        assert_eq!(later.get_column_names(), ["x"]);
        assert_eq!(later.column("x").unwrap().get(0).unwrap(), AnyValue::Float64(0.0));
    }

    #[test]
    fn a_saved_chain_is_the_same_chain() {
        let chain = fitted(YAML);
        let text = serde_json::to_string(&chain.save()).unwrap();
        let loaded = FittedChain::load(serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(serde_json::to_string(&loaded.save()).unwrap(), text);
        assert!(applied(&chain, sample()).equals_missing(&applied(&loaded, sample())));
        assert_eq!(loaded.trace(), chain.trace());
        assert_eq!(serde_json::to_string(&fitted(YAML).save()).unwrap(), text);
        let trace = &chain.trace()[0];
        assert_eq!((trace.name.as_str(), trace.before.len() + 1), ("impute", trace.after.len()));
    }

    #[test]
    fn reading_the_query_again_gives_the_same_chain_as_memory() {
        let read_again = chain(YAML).fit_within(Fit { table: &Table::of(sample()), roles: &roles(), seed: 42, target: None }, 0).unwrap().0;
        assert_eq!(read_again.save(), fitted(YAML).save());
    }

    #[test]
    fn training_rows_are_cross_fitted_and_filtered_and_later_transforms_learn_from_them() {
        let frame = df!("c" => ["a", "b", "c"].repeat(40), "x" => (0..120).map(f64::from).collect::<Vec<_>>(), "y" => (0..120).map(|i| f64::from(i % 7)).collect::<Vec<_>>());
        let (table, roles) = (Table::of(frame.unwrap()), Roles::default().with_target("y"));
        let on = Fit { table: &table, roles: &roles, seed: 7, target: None };
        let steps = chain("[{filter: {where: x >= 20}}, target_encode, {min_max_scale: {columns: [c, x]}}, {sample: {rows: 50}}]");
        let (fitted, training) = steps.fit_training(on).unwrap();
        let (again, same) = steps.fit_within(on, 0).unwrap();
        assert_eq!((fitted.save(), training.rows().unwrap()), (again.save(), 50));
        assert!(training.collect().unwrap().equals(&same.collect().unwrap()));
        let later = applied(&fitted, table.collect().unwrap());
        assert_eq!(later.height(), 120);
        let distinct =
            |frame: &DataFrame, name: &str| frame.column(name).unwrap().f64().unwrap().iter().flatten().map(f64::to_bits).collect::<BTreeSet<_>>().len();
        assert_eq!((distinct(&training.collect().unwrap(), "c"), distinct(&later, "c")), (15, 3));
        // 20 became 0: the range is that of the filtered rows.
        assert_eq!(later.column("x").unwrap().get(20).unwrap(), AnyValue::Float64(0.0));
    }

    #[test]
    fn a_checked_column_must_be_there_although_no_feature_needs_it() {
        let chain = chain("[{check_missing: {columns: vendor}}, {drop: {columns: vendor}}]").fit(&Table::of(sample()), &roles(), 0).unwrap();
        let inputs: Vec<&str> = chain.inputs.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(inputs, ["trip_distance", "passenger_count", "vendor", "shared"]);
        assert!(!chain.features().contains(&"vendor".to_owned()));
        let error = chain.apply(sample().drop("vendor").unwrap().lazy()).err().unwrap();
        assert!(error.to_string().contains("column `vendor` (string) is missing"), "{error}");
        let holes = sample().lazy().with_columns([when(col("vendor").eq(lit("c"))).then(lit(NULL)).otherwise(col("vendor")).alias("vendor")]);
        assert_eq!(chain.apply(holes).err().unwrap().to_string(), "`check_missing`: column `vendor` has missing values: no value in row 8");
    }

    #[test]
    fn features_from_the_target_are_refused() {
        let frame = df!("g" => [1.0, 2.0, 1.0], "x" => [Some(1.0), None, Some(2.0)], "later" => [1.0, 2.0, 3.0]).unwrap();
        let roles = Roles::new([("later".to_owned(), Role::PostEvent)].into()).with_target("g");
        let error = chain("[{impute: {columns: x, by: [g, later]}}]").fit(&Table::of(frame), &roles, 0).err().unwrap();
        let shown: Vec<&str> = error.problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(
            shown,
            ["features are computed from the target `g`", "features are computed from `later`, which is known only after the event (`post_event`)"]
        );
    }

    /// Rows of 40 groups in no order of time.
    fn series(rows: usize) -> Table {
        let n = rows as i64;
        let frame = df!(
            "t" => (0..n).map(|i| i * 7_919 % n / 3).collect::<Vec<_>>(), "g" => (0..n).map(|i| format!("g{}", i % 40)).collect::<Vec<_>>(),
            "x" => (0..n).map(|i| (i % 11 > 0).then_some((i * 31 % 97) as f64)).collect::<Vec<_>>(), "sold" => (0..n).map(|i| (i * 17 % 89) as f64).collect::<Vec<_>>()
        );
        Table::of(frame.unwrap())
    }

    /// A chain fitted on the first rows in time.
    fn of_earlier(table: &Table, until: i64, yaml: &str) -> FittedChain {
        let roles = Roles::new([("t".to_owned(), Role::Time)].into()).with_target("sold");
        let training = Table::from_query(table.lazy().filter(col("t").lt(lit(until)))).unwrap();
        FittedChain::load(chain(yaml).fit(&training, &roles, 0).unwrap().save()).unwrap()
    }

    #[test]
    fn batches_of_a_prepared_table_become_what_the_table_does() {
        let table = series(BATCH_ROWS + 500);
        let chain = of_earlier(&table, 700, "[{derive: {twice: x * 2}}, {lag: {columns: [twice], by: [g], periods: [1, 5]}}, {drop: {columns: [x]}}]");
        let whole = Table::from_query(chain.apply(table.lazy()).unwrap()).unwrap().collect().unwrap();
        let mut pieces = whole.clear();
        for batch in chain.prepare(&table).unwrap().batches().unwrap() {
            pieces.vstack_mut(&applied(&chain, batch.unwrap())).unwrap();
        }
        assert!(pieces.equals_missing(&whole) && pieces.schema() == whole.schema());
        assert!(whole.column("twice_lag_5").unwrap().null_count() < 20_000);
    }

    /// Lags of a derived column and of the target, and a window over such a lag.
    #[test]
    fn rows_of_a_prepared_table_stand_for_themselves_and_the_target_may_be_absent() {
        let table = series(3_000);
        let yaml = "[{derive: {twice: x * 2}}, {lag: {columns: [twice, sold], by: [g], periods: [1, 5]}}, {drop: {columns: [x]}},
                     {rolling: {columns: [sold_lag_1], by: [g], window: 40, aggregates: [mean, std]}}, {impute: {columns: numeric()}}, {one_hot: {columns: [g]}}]";
        let chain = of_earlier(&table, 500, yaml);
        let inputs: Vec<&str> = chain.inputs.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(inputs, ["t", "g", "x"]);
        let known = applied(&chain, table.collect().unwrap());
        let prepared = chain.prepare(&table).unwrap();
        assert_eq!(prepared.names().nth(4), Some("sold_lag_1 (transform 2)"));
        let rows = chain.prepare(&prepared).unwrap().collect().unwrap();
        assert!(chain.bare(rows.clone()).equals_missing(&table.collect().unwrap()));
        let some = IdxCa::from_vec("".into(), (0..500).map(|i| i * 1_237 % 3_000).collect());
        assert!(applied(&chain, rows.take(&some).unwrap()).equals_missing(&known.take(&some).unwrap()));

        // Without the target, or with none of its values, what training saw of it counts alone.
        let unknown = table.lazy().with_columns([lit(NULL).cast(DataType::Float64).alias("sold")]).collect().unwrap();
        let of_history = applied(&chain, unknown.drop("sold").unwrap());
        assert!(of_history.equals_missing(&applied(&chain, unknown).drop("sold").unwrap()));
        let differs = |name: &str| !of_history.column(name).unwrap().equals_missing(known.column(name).unwrap());
        assert_eq!([differs("twice_lag_5"), differs("sold_lag_5")], [false, true]);
    }

    #[test]
    fn only_earlier_values_of_the_target_may_be_features() {
        let roles = Roles::new([("late".to_owned(), Role::PostEvent)].into()).with_target("sold");
        let table = Table::of(df!("t" => [1, 2, 3], "x" => [Some(1.0), None, Some(3.0)], "sold" => [1.0, 0.0, 1.0], "late" => [5.0, 6.0, 7.0]).unwrap());
        let lags = "{lag: {columns: [sold, late], order: t}}, {derive: {change: x - sold_lag_1}}";
        let fitted = chain(&format!("[{lags}]")).fit(&table, &roles, 0).unwrap();
        assert_eq!(fitted.features(), ["t", "x", "sold_lag_1", "late_lag_1", "change"]);
        let stand_for: Vec<String> = fitted.origins().unwrap().into_iter().map(|origin| format!("{} of {}", origin.name, origin.from.len())).collect();
        assert_eq!(stand_for, ["t of 1", "x of 1", "sold_lag_1 of 1", "late_lag_1 of 1", "change of 2"]);
        let leaks = chain(&format!("[{lags}, {{impute: {{columns: x, by: [sold, t]}}}}]")).fit(&table, &roles, 0).err().unwrap();
        assert_eq!(leaks.to_string(), "features are computed from the target `sold`");
        // What no feature needs may be absent, although the transform names it.
        let few = chain("[{lag: {columns: [x, sold, late], order: t}}, {select: {columns: [sold_lag_1]}}]").fit(&table, &roles, 0).unwrap();
        let later = Table::of(df!("t" => [4, 5]).unwrap());
        let prepared = applied(&few, few.prepare(&later).unwrap().collect().unwrap());
        assert!(
            prepared.equals_missing(&applied(&few, later.collect().unwrap()))
                && prepared.column("sold_lag_1").unwrap().get(1).unwrap() == AnyValue::Float64(1.0)
        );
        let error = chain("[{lag: {columns: x, order: t, by: [sold]}}]").fit(&table, &roles, 0).err().unwrap();
        assert_eq!(error.to_string(), "features are computed from the target `sold`");
    }

    #[test]
    fn faults_of_a_list_are_reported_together_with_their_places() {
        let faults = Chain::parse(&value(&serde_yaml::from_str("[{clipp: {}}, {clip: {lowr: 1}}, 7]").unwrap())).err().unwrap();
        let shown: Vec<String> = faults.iter().map(|fault| format!("{}: {fault}", display_path(&fault.path))).collect();
        assert_eq!(
            shown,
            ["[0].clipp: unknown transform `clipp`", "[1].clip.lowr: unknown key `lowr`", "[2]: expected a transform, as `name: {…}`, got a number"]
        );
        let error = chain("[{log: {columns: x}}]").fit(&Table::of(df!("x" => [0.0]).unwrap()), &Roles::default(), 0).err().unwrap();
        assert_eq!(error.problems[0].path.as_deref(), Some("steps.transform[0].log"));
    }
}
