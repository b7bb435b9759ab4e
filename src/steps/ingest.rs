//! ingest and `ingest_scoring`: source files, or the rows of a query, become one checked parquet file.
//!
//! Both run the same code; scoring data has no target, and its contract is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use polars::prelude::{Column, DataFrame, DataType, Expr, lit};

use super::{Context, Goal, Heads, INGESTED, INGESTED_SCORING, Json, Needs, PROFILE, Report, SlotId, Step, Surroundings};
use crate::card::{Block, Card, Cell, Counts, Fact, Groups, Histogram, Tab, Table as CardTable};
use crate::data::rows::count_between;
use crate::data::source::{Reject, SourceFile};
use crate::data::sql::{Query, Refresh, digest_of_rows};
use crate::data::{
    CheckReport, Contract, DataTest, Origin, Outcome, ParquetSink, Profile, ProfiledColumn, Profiler, Roles, Table, absent, check, preview, profile,
};
use crate::error::{Error, Kind, Problem, Result, counted, nearest, shorten, thousands};
use crate::ml::model::classes;

const VERSION: u32 = 7;
const PREVIEW_ROWS: usize = 20;
const REJECTS_SHOWN: usize = 20;
/// So many classes are learned from any number of rows; more need two rows each.
const FEW_CLASSES: usize = 20;

/// What of ingest differs between training and scoring data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    Training { target: String, goal: Goal },
    Scoring,
}

/// The ingest step, and the `ingest_scoring` step.
pub struct Ingest {
    pub purpose: Purpose,
    pub source: Origin,
    pub contract: Contract,
    pub tests: Vec<DataTest>,
    pub skip_data_profiling: bool,
    pub roles: Roles,
    pub seed: u64,
}

impl Step for Ingest {
    fn name(&self) -> &'static str {
        match self.purpose {
            Purpose::Training { .. } => "ingest",
            Purpose::Scoring => "ingest_scoring",
        }
    }

    fn needs(&self, around: &Surroundings) -> Result<Needs> {
        let target = match &self.purpose {
            Purpose::Training { target, goal } => serde_json::json!({ "target": target, "goal": goal }),
            Purpose::Scoring => serde_json::Value::Null,
        };
        let roles: BTreeMap<&str, &str> = self.roles.iter().map(|(name, role)| (name, role.name())).collect();
        Ok(Needs {
            algorithms: BTreeMap::from([("ingest".to_owned(), VERSION), self.source.algorithm()]),
            config: serde_json::json!({
                "source": self.source.config(),
                "schema": self.contract,
                "tests": self.tests,
                "skip_data_profiling": self.skip_data_profiling,
                "target": target,
                "roles": roles,
            }),
            files: self.source.files(&around.root)?,
            external: self.source.external(around.asked),
            seed: self.source.draws().then_some(self.seed),
            ..Needs::default()
        })
    }

    fn writes(&self) -> Vec<SlotId> {
        match self.purpose {
            Purpose::Training { .. } => vec![INGESTED.id, PROFILE.id],
            Purpose::Scoring => vec![INGESTED_SCORING.id],
        }
    }

    fn always_runs(&self) -> Option<&'static str> {
        self.tests.iter().any(|test| matches!(test, DataTest::Freshness(f) if f.now.is_none())).then_some("a freshness test asks for the time")
    }

    fn reordered(&self, before: &Report, now: &Report) -> Option<String> {
        let digest = |report: &Report| report.params.get(&self.parameter("rows_digest")).cloned();
        let query = self.source.query()?;
        let is_same = digest(before).is_some() && digest(before) == digest(now);
        let more = if query.is_ordered() { "an ORDER BY over columns that tell rows apart" } else { "an ORDER BY" };
        is_same.then(|| format!("`{}`: the database gave the same rows in another order, so the steps after it run again; {more} keeps the order", self.name()))
    }

    fn peek(&self, root: &Path) -> Option<Table> {
        self.source.peek(root, &self.contract.wanted_types())
    }

    fn misfits(&self, root: &Path, heads: &Heads) -> Vec<Problem> {
        let rows = if self.purpose == Purpose::Scoring { heads.scoring.as_ref() } else { Some(&heads.training) };
        let (Some(rows), Ok(files)) = (rows, self.source.files(root)) else { return Vec::new() };
        let mut problems = self.missing_columns(rows, &files);
        let of_contract = absent(rows, &self.contract, &self.tests).into_iter();
        problems.extend(of_contract.map(|(section, message)| Problem::misfit(message).path(format!("steps.{}.{section}", self.name()))));
        problems
    }

    fn run(&self, cx: &Context<'_>) -> Result<Report> {
        let (root, section) = (&cx.around.root, format!("steps.{}", self.name()));
        if let Some(query) = self.source.query() {
            cx.doing(&format!("asking {}", query.connection.kind()));
        }
        let read = self.source.read(root, cx.files, &self.contract.wanted_types(), cx.scratch, self.seed, &section, &|rows| cx.read_rows(rows))?;
        Error::all(Kind::Data, self.missing_columns(&read.table, cx.files)).map_or(Ok(()), Err)?;
        // The source is read once; everything after works on parquet.
        let whole = cx.scratch.join("whole.parquet");
        let profiled = self.copy(&read.table, read.rows_sampled.unwrap_or(read.rows_read), &whole)?;
        let table = Table::read(&whole)?;
        let rows_digest = self.source.query().map(|_| digest_of_rows(&table)).transpose()?;
        let rows_read = table.rows()? as u64;
        if rows_read == 0 {
            return Err(Error::data("the data has no rows").hint("check `location` and `options`"));
        }
        let report = check(&table, &self.contract, &self.tests, cx.around.now)?;
        if let Some(error) = report.clone().into_error() {
            return Err(self.source.locate(error, cx.files).path(&section));
        }

        let (table, dropped, mut warnings) = self.keep(&table)?;
        let path = match self.purpose {
            Purpose::Training { .. } => cx.path(&INGESTED),
            Purpose::Scoring => cx.path(&INGESTED_SCORING),
        };
        let is_whole = dropped.is_empty() && table.schema().len() == read.table.schema().len();
        if is_whole {
            std::fs::rename(&whole, &path).map_err(|error| Error::io("rename", &whole, &error))?;
        } else {
            table.write(&path)?;
            std::fs::remove_file(&whole).map_err(|error| Error::io("remove", &whole, &error))?;
        }
        let table = Table::read(&path)?;
        let rows = table.rows()? as u64;
        let width = table.schema().len() as u64;
        if let Purpose::Training { target, goal } = &self.purpose {
            if rows == 0 {
                return Err(Error::data(format!("target `{target}` is missing in every row")));
            }
            // One row is the split's to refuse.
            if *goal == Goal::Regression && rows > 1 {
                refuse_constant(&table, target)?;
            }
            if let Goal::Classification { .. } = goal {
                let counts = classes(&table, target)?;
                if counts.len() > FEW_CLASSES && counts.len() as u64 * 2 > rows {
                    return Err(Error::data(format!("target `{target}` has {} classes in {} rows", counts.len(), thousands(rows)))
                        .path("target_col")
                        .hint("is it a number to predict? then the template is `regression/v1`"));
                }
                goal.task(target, &counts)?;
            }
        }

        let profile = match profiled {
            _ if self.skip_data_profiling => None,
            // Bounds, and so estimates, go by the number of columns.
            Some(mut profiled) if dropped.is_empty() && (is_whole || profiled.is_exact()) => {
                profiled.columns.retain(|column| table.has(&column.summary.name));
                Some(profiled)
            }
            _ => Some(profile(&table, &self.roles)?),
        };
        if let Purpose::Training { .. } = self.purpose {
            cx.write(&PROFILE, &Json(serde_json::to_value(&profile).unwrap_or_default()))?;
        }
        warnings.extend(read.notes.iter().cloned());
        warnings.extend(report.warnings().map(Outcome::sentence));
        let passed = format!("contract {}/{}", report.passed(), report.total());
        let mut tabs = Vec::new();
        if report.total() > 0 {
            tabs.push(Tab::new("contract", "Contract and tests", vec![Block::Table(report.card_table())]));
        }
        if let Some(profile) = &profile {
            tabs.push(Tab::new("profile", "Profile", profile.into_blocks()));
            let alerts: Vec<(String, String)> = profile.alerts().map(|(column, alert)| (column.to_owned(), alert.to_owned())).collect();
            if !alerts.is_empty() {
                tabs.push(Tab::new("alerts", "Alerts", vec![Block::Table(alerts_table(alerts))]));
            }
        }
        tabs.push(Tab::new("preview", "Preview", vec![Block::Table(preview(&table, PREVIEW_ROWS)?)]));
        let mut params = BTreeMap::new();
        if let (Some(query), Some(digest)) = (self.source.query(), rows_digest) {
            tabs.push(query_tab(query, &digest));
            let said = [("sql", query.text().to_owned()), ("sql_digest", query.digest()), ("rows_digest", digest)];
            params.extend(said.map(|(name, value)| (self.parameter(name), value)));
        }
        tabs.push(Tab::new("rows", "Rows", row_blocks(rows_read, read.rejected, &read.rejects, &dropped, rows)));
        let left_out: u64 = dropped.values().sum();
        let mut note = vec![read.formats.clone()];
        if report.total() > 0 {
            note.push(passed);
        }
        if left_out > 0 {
            note.push(format!("{} rows without target dropped", thousands(left_out)));
        }
        if read.rejected > 0 {
            note.push(format!("{} rows rejected", thousands(read.rejected)));
        }
        Ok(Report {
            line: format!("{} × {width}", thousands(rows)),
            note: note.join(", "),
            card: Card {
                summary: summary(rows, width, &self.source.words(cx.files), &read.formats, &report),
                headline: [Fact::new("rows", rows), Fact::new("columns", width)]
                    .into_iter()
                    .chain((report.total() > 0).then(|| Fact::new("checks passed", format!("{} of {}", report.passed(), report.total()))))
                    .chain([Fact::new("rows left out", left_out + read.rejected)])
                    .chain(profile.iter().map(|p| Fact::new(p.duplicates.label(), p.duplicates.rows)))
                    .collect(),
                warnings: warnings.clone(),
                tabs,
            },
            params,
            metrics: BTreeMap::new(),
            warnings,
            shapes: BTreeMap::from([(self.writes()[0].artifact.to_owned(), (rows, width))]),
            verdict: None,
        })
    }
}

impl Ingest {
    /// A parameter of the run.
    fn parameter(&self, name: &str) -> String {
        format!("{}.{name}", self.name())
    }

    /// The target and the columns that were given a role must exist (scoring data may lack them).
    fn missing_columns(&self, table: &Table, files: &[SourceFile]) -> Vec<Problem> {
        let Purpose::Training { target, .. } = &self.purpose else { return Vec::new() };
        let problem = |name: &str| {
            let problem = if name == target {
                Problem::misfit(format!("target column `{}` is not in {}", shorten(name), self.source.quoted(files))).path("target_col")
            } else {
                Problem::misfit(format!("a role for column `{}`, which is not in {}", shorten(name), self.source.quoted(files))).path(format!("roles.{name}"))
            };
            match nearest(name, table.names()) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint(format!("the columns are {}", table.names().take(20).collect::<Vec<_>>().join(", "))),
            }
        };
        self.roles.iter().map(|(name, _)| name).filter(|name| !table.has(name)).map(problem).collect()
    }

    /// Writes a table of so many rows to a file and profiles it on the way, as far as its rows will all stay: `None` where some have no target.
    fn copy(&self, table: &Table, rows: u64, path: &Path) -> Result<Option<Profile>> {
        let mut sink = ParquetSink::with_schema(path, table.schema())?;
        let mut profiler = if self.skip_data_profiling { None } else { Some(Profiler::new(table.schema(), &self.roles, Some(rows))?) };
        for batch in table.batches()? {
            let batch = batch?;
            if let Purpose::Training { target, .. } = &self.purpose {
                profiler = profiler.filter(|_| batch.column(target).is_ok_and(has_all_values));
            }
            profiler.as_mut().map_or(Ok(()), |profiler| profiler.add(&batch))?;
            sink.write(&batch)?;
        }
        let (written, _) = sink.finish()?;
        if written != rows {
            let message = format!("{} rows were there when the data was checked, {} when it was read", thousands(rows), thousands(written));
            return Err(Error::data(message).hint("did something write to it meanwhile? Run again"));
        }
        Ok(profiler.map(Profiler::finish))
    }

    /// Leaves out rows without a target and columns without a value; says how many and why.
    fn keep(&self, table: &Table) -> Result<(Table, BTreeMap<String, u64>, Vec<String>)> {
        let mut warnings = Vec::new();
        let mut dropped = BTreeMap::new();
        let mut query = table.lazy();
        let counts = of_all_rows(table, table.schema().iter().map(|(name, dtype)| missing_in(name, dtype).alias(name.as_str())))?;
        let missing = |name: &str| -> Result<u64> { Ok(counts.column(name)?.get(0)?.extract::<u64>().unwrap_or(0)) };
        let rows = table.rows()? as u64;
        if let Purpose::Training { target, goal } = &self.purpose {
            let is_float = table.schema().get(target).is_some_and(DataType::is_float);
            let numeric = table.schema().get(target).is_some_and(|t| t.is_primitive_numeric() || t.is_bool());
            if *goal == Goal::Regression && !numeric {
                let found = table.schema().get(target).map_or("nothing", crate::data::rows::kind_name);
                return Err(Error::data(format!("target `{target}` is no number: its column is of type {found}"))
                    .path("target_col")
                    .hint("for classes use the template `classification/v1`"));
            }
            let lost = missing(target)?;
            let mut keep = column(target).is_not_null();
            if is_float {
                let infinite = of_all_rows(table, [column(target).is_infinite().sum().cast(DataType::UInt64).alias("infinite")])?;
                let infinite = infinite.column("infinite")?.get(0)?.extract::<u64>().unwrap_or(0);
                if infinite > 0 {
                    return Err(Error::data(format!("target `{target}` is infinite in {}", counted(infinite, "row")))
                        .hint("correct the data, or drop the rows before ingest"));
                }
                keep = keep.and(column(target).is_nan().fill_null(lit(true)).not());
            }
            if lost == rows {
                return Err(Error::data(format!("target `{target}` is missing in every row")));
            }
            if lost > 0 {
                dropped.insert(format!("target `{target}` is missing"), lost);
                query = query.filter(keep);
            }
        }
        let mut empty = Vec::new();
        for name in table.names() {
            if missing(name)? == rows {
                empty.push(name.to_owned());
            }
        }
        // A column without a value says nothing in training; scoring keeps what the model may ask for.
        if !empty.is_empty() && self.purpose != Purpose::Scoring {
            warnings.push(format!("columns without any value were dropped: {}", empty.join(", ")));
            let kept = table.names().filter(|name| !empty.iter().any(|e| e == name));
            query = query.select(kept.map(column).collect::<Vec<Expr>>());
        }
        Ok((Table::from_query(query)?, dropped, warnings))
    }
}

/// The column of that very name: `col` would read `*` and `^…$` as patterns.
fn column(name: &str) -> Expr {
    Expr::Column(name.into())
}

/// Sums and ends over all rows, read in batches.
fn of_all_rows(table: &Table, aggregates: impl IntoIterator<Item = Expr>) -> Result<DataFrame> {
    Table::from_query(table.lazy().select(aggregates.into_iter().collect::<Vec<Expr>>()))?.collect()
}

/// Has each row a value? NaN is none.
fn has_all_values(values: &Column) -> bool {
    values.null_count() == 0 && !(values.dtype().is_float() && values.is_nan().is_ok_and(|nan| nan.any()))
}

/// How many rows have no value; NaN is none.
fn missing_in(name: &str, dtype: &DataType) -> Expr {
    let absent = if dtype.is_float() { column(name).is_null().or(column(name).is_nan()) } else { column(name).is_null() };
    absent.sum().cast(DataType::UInt64)
}

/// What was read, and how it stands to its contract.
fn summary(rows: u64, width: u64, files: &str, formats: &str, report: &CheckReport) -> String {
    let read = format!("{} rows × {width} columns were read from {files} ({formats})", thousands(rows));
    match (report.total(), report.passed()) {
        (0, _) => format!("{read}. No contract says what they should hold."),
        (total, passed) if passed == total => format!("{read} and hold all {total} checks of the contract."),
        (total, passed) => format!("{read}; {} of {total} checks only warn.", total - passed),
    }
}

/// A number that never varies leaves nothing to learn.
fn refuse_constant(table: &Table, target: &str) -> Result<()> {
    let end_of = |expr: Expr, name: &str| expr.cast(DataType::Float64).alias(name);
    let ends = of_all_rows(table, [end_of(column(target).min(), "least"), end_of(column(target).max(), "most")])?;
    let end = |name: &str| -> Result<Option<f64>> { Ok(ends.column(name)?.get(0)?.extract::<f64>()) };
    match (end("least")?, end("most")?) {
        (Some(least), Some(most)) if least == most => Err(Error::data(format!("target `{target}` is {least} in every row"))
            .path("target_col")
            .hint("there is nothing to learn: check the data and what is left out of it")),
        _ => Ok(()),
    }
}

/// What was asked, and what tells whether the rows are others than before.
fn query_tab(query: &Query, digest: &str) -> Tab {
    let refresh = match query.refresh {
        Refresh::Always => "always: whenever the step runs",
        Refresh::Daily => "daily: once a day (UTC)",
        Refresh::Never => "never: only if query, parameters or database are others",
    };
    let facts = [
        ("database", query.connection.kind().to_owned()),
        ("connection", query.connection.written().to_owned()),
        ("asked again", refresh.to_owned()),
        ("order of rows", if query.is_ordered() { "as ORDER BY says" } else { "any: the query has no ORDER BY" }.to_owned()),
        ("digest of the query", query.digest()),
        ("digest of the rows, in any order", digest.to_owned()),
    ];
    let parameters = query.parameters.iter().map(|(name, value)| (format!(":{name}"), value.text().unwrap_or_else(|| "NULL".to_owned())));
    let facts = facts.map(|(label, value)| (label.to_owned(), value)).into_iter().chain(parameters).map(|(label, value)| Fact::new(label, value));
    let text = CardTable {
        caption: "Query".to_owned(),
        columns: ["line", "text"].map(str::to_owned).to_vec(),
        rows: query.text().lines().enumerate().map(|(at, line)| vec![(at as u64 + 1).into(), line.into()]).collect(),
    };
    Tab::new("query", "Query", vec![Block::Facts(facts.collect()), Block::Table(text)])
}

fn row_blocks(read: u64, rejected: u64, rejects: &[Reject], dropped: &BTreeMap<String, u64>, kept: u64) -> Vec<Block> {
    let mut facts = vec![Fact::new("rows in the source", read + rejected), Fact::new("rejected as malformed", rejected)];
    facts.extend(dropped.iter().map(|(why, n)| Fact::new(why.as_str(), *n)));
    facts.push(Fact::new("rows kept", kept));
    let mut blocks = vec![Block::Facts(facts)];
    if !rejects.is_empty() {
        blocks.push(Block::Table(CardTable {
            caption: "Rejected rows".to_owned(),
            columns: ["file", "line", "reason", "text"].map(str::to_owned).to_vec(),
            rows: rejects
                .iter()
                .take(REJECTS_SHOWN)
                .map(|r| vec![r.file.as_str().into(), r.line.into(), r.reason.as_str().into(), r.text.as_str().into()])
                .collect(),
        }));
    }
    blocks
}

fn alerts_table(alerts: Vec<(String, String)>) -> CardTable {
    CardTable {
        caption: "What to look at".to_owned(),
        columns: ["column", "alert"].map(str::to_owned).to_vec(),
        rows: alerts.into_iter().map(|(column, alert)| vec![column.into(), alert.into()]).collect(),
    }
}

/// The target's distribution in several parts, on the same edges or by the same classes.
///
/// # Errors
/// Where the rows cannot be read.
pub fn compare_target(target: &str, parts: &[(&str, Table)], profiles: &[Profile], is_classification: bool) -> Result<Vec<Block>> {
    /// Classes that are listed.
    const CLASSES: usize = 30;
    const BINS: usize = 30;
    let columns: Vec<&ProfiledColumn> = profiles.iter().filter_map(|profile| profile.column(target)).collect();
    if columns.len() != parts.len() {
        return Ok(Vec::new());
    }
    let series = || parts.iter().map(|(name, _)| (*name).to_owned());
    if is_classification {
        let classes = |column: &ProfiledColumn| if column.categories.is_empty() { column.summary.top.clone() } else { column.categories.clone() };
        let counts: Vec<BTreeMap<String, u64>> = columns.iter().map(|column| classes(column).into_iter().collect()).collect();
        let labels: BTreeSet<&String> = counts.iter().flat_map(BTreeMap::keys).collect();
        let rows_of = |label: &str| counts.iter().map(|counts| counts.get(label).copied().unwrap_or(0)).collect::<Vec<u64>>();
        let mut rows: Vec<(String, Vec<u64>)> = labels.iter().take(CLASSES).map(|label| ((*label).clone(), rows_of(label))).collect();
        let rest: Vec<u64> = columns
            .iter()
            .enumerate()
            .map(|(i, column)| (column.summary.rows - column.summary.missing).saturating_sub(rows.iter().map(|(_, n)| n[i]).sum()))
            .collect();
        if rest.iter().any(|count| *count > 0) {
            rows.push(("all others".to_owned(), rest));
        }
        let groups =
            Groups { caption: format!("Classes of `{}` in each split", shorten(target)), x: "share of the split".to_owned(), series: series().collect(), rows };
        let head = std::iter::once("class".to_owned()).chain(parts.iter().flat_map(|(name, _)| [(*name).to_owned(), format!("share of {name}")]));
        let totals = groups.totals();
        let row = |(label, counts): &(String, Vec<u64>)| {
            let pairs = counts.iter().zip(&totals).flat_map(|(count, total)| [Cell::Count(*count), Cell::Share(*count as f64 / (*total).max(1) as f64)]);
            std::iter::once(Cell::Text(label.clone())).chain(pairs).collect()
        };
        let table = CardTable { caption: "Rows of each class".to_owned(), columns: head.collect(), rows: groups.rows.iter().map(row).collect() };
        return Ok(vec![Block::Groups(groups), Block::Table(table)]);
    }
    let row = |(name, column): (String, &&ProfiledColumn)| {
        let figures = [column.summary.mean.into(), column.summary.deviation.into()];
        let quantiles = column.summary.quantiles.map_or([None; 7], |quantiles| quantiles.map(Some));
        std::iter::once(Cell::Text(name)).chain(figures).chain(quantiles.map(Cell::from)).collect()
    };
    let table = CardTable {
        caption: format!("`{}` in each split", shorten(target)),
        columns: ["split", "mean", "deviation", "minimum", "5 %", "25 %", "median", "75 %", "95 %", "maximum"].map(str::to_owned).to_vec(),
        rows: series().zip(&columns).map(row).collect(),
    };
    let ends = || columns.iter().filter_map(|column| column.summary.quantiles);
    let low = ends().map(|quantiles| quantiles[0]).fold(f64::INFINITY, f64::min);
    let high = ends().map(|quantiles| quantiles[6]).fold(f64::NEG_INFINITY, f64::max);
    let mut blocks = Vec::new();
    if low < high && (high - low).is_finite() {
        let edges: Vec<f64> = (0..BINS).map(|i| low + (high - low) * i as f64 / BINS as f64).chain([high]).collect();
        let counts = parts.iter().map(|(name, table)| Ok(Counts { name: (*name).to_owned(), counts: count_between(table, target, &edges)? }));
        let series = counts.collect::<Result<Vec<Counts>>>()?;
        blocks.push(Block::Histogram(Histogram { caption: format!("`{}` in each split", shorten(target)), x: target.to_owned(), edges, series }));
    }
    blocks.push(Block::Table(table));
    Ok(blocks)
}
