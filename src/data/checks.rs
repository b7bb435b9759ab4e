//! Holding a table against its contract and tests.
//!
//! All failures are found at once, in few passes: one streaming query counts the rows of every rule that
//! looks at a row by itself, and finds every least and greatest value; a second pass, in the table's
//! order, serves rules that want it (repeats, distinct counts, order, means, quantiles); a third
//! fetches sample rows, only for rules that failed and only as far as it must. A `class_balance` is a
//! query of its own, and all `aggregate` tests together are one.
//!
//! Memory beside a batch: 16 bytes a row for each `unique`, `no_duplicates` and `distinct_count`, 8 bytes a
//! row for each `median` and `quantile`, the distinct values of a `class_balance`, and the columns that
//! `aggregate` tests name. Sums go over batches in order, so that a figure has the same bits everywhere.
//!
//! Nothing here stops a run: the report tells, and the step decides. The clock comes from the caller;
//! a report with a `freshness` test depends on it.

mod ordered;
mod rules;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use polars::prelude::*;
use serde::{Deserialize, Serialize};

use self::ordered::{Selection, Walked};
use self::rules::{Plan, Rule, RowPlan, wanted};
use crate::card;
use crate::data::contract::{Contract, Severity};
use crate::data::data_test::DataTest;
use crate::data::expression::{column, evaluate};
use crate::data::table::Table;
use crate::error::{Error, Kind, Place, Problem, Result, shorten};

/// Sample rows kept for a rule that failed.
const SAMPLES: usize = 5;
/// Sample rows in an error message.
const SHOWN: usize = 3;

/// What became of one rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// `type`, `not_null`, `range`, `expression: fare > 0`, …
    pub name: String,
    pub column: Option<String>,
    pub severity: Severity,
    pub passed: bool,
    /// Rows that do not hold; columns too many for `strict`; otherwise 1 for what failed.
    pub failing: u64,
    /// Rows looked at.
    pub rows: u64,
    pub detail: String,
    /// The first failing rows; empty where the rule passed or has no rows to show.
    pub samples: Vec<Sample>,
}

/// A failing row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Row of the data, from 1, without a header.
    pub row: u64,
    /// The value, shortened; of several columns `a=1, b=x`.
    pub value: String,
}

/// What became of every rule: the contract's by column, then the tests' in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    pub outcomes: Vec<Outcome>,
}

impl CheckReport {
    #[must_use]
    pub fn passed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.passed).count()
    }

    #[must_use]
    pub fn total(&self) -> usize {
        self.outcomes.len()
    }

    /// Failures that must stop.
    pub fn errors(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| !outcome.passed && outcome.severity == Severity::Error)
    }

    /// Failures to be told.
    pub fn warnings(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| !outcome.passed && outcome.severity == Severity::Warn)
    }

    /// Every failure of severity `error` as one [`Kind::Data`] error at `place`; `None` where there is none.
    #[must_use]
    pub fn into_error(self, place: &Place) -> Option<Error> {
        let problems = self.errors().map(|outcome| Problem::new(outcome.sentence()).at(place.clone())).collect();
        Error::all(Kind::Data, problems)
    }

    /// One row a rule.
    #[must_use]
    pub fn card_table(&self) -> card::Table {
        let rows = self.outcomes.iter().map(|outcome| {
            let result = match (outcome.passed, outcome.severity) {
                (true, _) => card::Cell::Good("pass".to_owned()),
                (false, Severity::Warn) => card::Cell::Bad("warn".to_owned()),
                (false, Severity::Error) => card::Cell::Bad("fail".to_owned()),
            };
            let samples: Vec<String> = outcome.samples.iter().take(SHOWN).map(|sample| format!("row {}: {}", sample.row, sample.value)).collect();
            vec![
                outcome.column.clone().into(),
                outcome.name.as_str().into(),
                result,
                outcome.failing.into(),
                outcome.rows.into(),
                outcome.detail.as_str().into(),
                samples.join("; ").into(),
            ]
        });
        let columns = ["column", "check", "result", "failing", "rows", "detail", "samples"].map(str::to_owned).to_vec();
        card::Table { caption: format!("{} of {} checks passed", self.passed(), self.total()), columns, rows: rows.collect() }
    }
}

impl Outcome {
    /// The failure in words: column, rule, what was found, up to three rows.
    #[must_use]
    pub fn sentence(&self) -> String {
        let rule = match &self.column {
            Some(column) => format!("column `{}` fails `{}`", shorten(column), shorten(&self.name)),
            None => format!("the data fails `{}`", shorten(&self.name)),
        };
        let samples: Vec<String> = self.samples.iter().take(SHOWN).map(|sample| format!("row {}: `{}`", sample.row, sample.value)).collect();
        let samples = if samples.is_empty() { String::new() } else { format!(" ({})", samples.join(", ")) };
        format!("{rule}: {}{samples}", self.detail)
    }
}

/// Holds a table against its contract and tests; `now` is the clock that `freshness` reads.
///
/// A rule that cannot run on this table (a column or type that is not there) fails and says why.
///
/// # Errors
/// Where reading the table fails.
pub fn check(table: &Table, contract: &Contract, tests: &[DataTest], now: DateTime<Utc>) -> Result<CheckReport> {
    let schema = table.schema();
    let mut rules = rules::of_contract(contract, schema);
    rules.extend(tests.iter().map(|test| rules::of_test(test, schema, now)));

    let counted = query(table, &rules)?;
    let mut walked = ordered::walk(table, &rules)?;
    let mut aggregated = aggregates(table, &rules)?;
    let mut outcomes = Vec::with_capacity(rules.len());
    for (i, rule) in rules.iter().enumerate() {
        let whole = |passed: bool, detail: String| Finding { passed, failing: u64::from(!passed), rows: counted.rows, detail, samples: Vec::new() };
        let finding = match &rule.plan {
            Plan::Settled { failing, detail } => Finding { failing: *failing, ..whole(*failing == 0, detail.clone()) },
            Plan::Rows(plan) => {
                let (rows, failing) = (counted.number(&format!("looked {i}")), counted.number(&format!("fails {i}")));
                of_rows(rows, failing, plan.mostly, &plan.fault)
            }
            Plan::Value { wanted, .. } => {
                let holds = counted.values.get(&format!("holds {i}")) == Some(&AnyValue::Boolean(true));
                let value = counted.values.get(&format!("value {i}")).map(shown).unwrap_or_default();
                whole(holds, format!("{value}, wanted {wanted}"))
            }
            Plan::Ordered { .. } => walked.remove(&i).map_or_else(|| whole(true, String::new()), |walked| found(walked, &whole)),
            Plan::Classes { column, only, min, max } => {
                let (passed, detail) = classes(table, column, only.as_ref(), *min, *max)?;
                whole(passed, detail)
            }
            Plan::Aggregate(expression) => {
                let value = aggregated.remove(&i).unwrap_or(AnyValue::Null);
                let figures = if value == AnyValue::Null { "it is null" } else { "it is not true" };
                let passed = value == AnyValue::Boolean(true);
                whole(passed, if passed { "true".to_owned() } else { format!("{figures}: {}", shorten(expression.text())) })
            }
        };
        outcomes.push(finding.of(rule));
    }
    samples(table, &rules, &mut outcomes)?;
    Ok(CheckReport { outcomes })
}

/// An outcome without the name of its rule.
struct Finding {
    passed: bool,
    failing: u64,
    rows: u64,
    detail: String,
    samples: Vec<Sample>,
}

impl Finding {
    fn of(self, rule: &Rule) -> Outcome {
        let Self { passed, failing, rows, detail, samples } = self;
        let samples = if passed { Vec::new() } else { samples };
        Outcome { name: rule.name.clone(), column: rule.column.clone(), severity: rule.severity, passed, failing, rows, detail, samples }
    }
}

fn of_rows(rows: u64, failing: u64, mostly: f64, fault: &str) -> Finding {
    let holding = rows.saturating_sub(failing) as f64;
    // A billionth of the rows of grace for shares such as 0.07 that are no binary fraction.
    let passed = holding + 1e-9 * rows as f64 >= mostly * rows as f64;
    let allowed = if mostly < 1.0 { format!(", at least {} % must not be", (mostly * 1e6).round() / 1e4) } else { String::new() };
    Finding { passed, failing, rows, detail: format!("{failing} of {rows} rows {fault}{allowed}"), samples: Vec::new() }
}

fn found(walked: Walked, whole: &dyn Fn(bool, String) -> Finding) -> Finding {
    match walked {
        Walked::Rows { rows, failing, mostly, fault, samples } => Finding { samples, ..of_rows(rows, failing, mostly, fault) },
        Walked::Count { count, min, max } => {
            let passed = min.is_none_or(|min| count >= min) && max.is_none_or(|max| count <= max);
            whole(passed, format!("{count}, wanted {}", wanted(min, max)))
        }
        Walked::Figure { value: None, min, max } => whole(false, format!("there are no values, wanted {}", wanted(min, max))),
        Walked::Figure { value: Some(value), min, max } => {
            let passed = !value.is_nan() && min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max);
            whole(passed, format!("{value}, wanted {}", wanted(min, max)))
        }
    }
}

/// The answers of the one query.
struct Counted {
    rows: u64,
    values: BTreeMap<String, AnyValue<'static>>,
}

impl Counted {
    fn number(&self, name: &str) -> u64 {
        self.values.get(name).and_then(AnyValue::extract::<u64>).unwrap_or(0)
    }
}

fn query(table: &Table, rules: &[Rule]) -> Result<Counted> {
    let mut wanted = vec![len().alias("rows")];
    for (i, rule) in rules.iter().enumerate() {
        match &rule.plan {
            Plan::Rows(RowPlan { looked_at, fails, .. }) => {
                wanted.push(looked_at.clone().sum().alias(format!("looked {i}")));
                wanted.push(fails.clone().sum().alias(format!("fails {i}")));
            }
            Plan::Value { value, holds, .. } => {
                wanted.push(value.clone().alias(format!("value {i}")));
                wanted.push(holds.clone().alias(format!("holds {i}")));
            }
            _ => {}
        }
    }
    let row = table.lazy().select(wanted).collect_with_engine(Engine::Streaming)?.unwrap_single();
    let values: BTreeMap<String, AnyValue<'static>> =
        row.columns().iter().map(|column| Ok((column.name().to_string(), column.get(0)?.into_static()))).collect::<Result<_>>()?;
    let rows = values.get("rows").and_then(AnyValue::extract::<u64>).unwrap_or(0);
    Ok(Counted { rows, values })
}

fn aggregates(table: &Table, rules: &[Rule]) -> Result<BTreeMap<usize, AnyValue<'static>>> {
    let (places, expressions): (Vec<usize>, Vec<_>) =
        rules.iter().enumerate().filter_map(|(i, rule)| if let Plan::Aggregate(expression) = &rule.plan { Some((i, expression)) } else { None }).unzip();
    if expressions.is_empty() {
        return Ok(BTreeMap::new());
    }
    Ok(places.into_iter().zip(evaluate(table, &expressions)?).collect())
}

/// The rarest and the most frequent value of a column against the shares that are allowed.
fn classes(table: &Table, name: &str, only: Option<&Expr>, min: Option<f64>, max: Option<f64>) -> Result<(bool, String)> {
    let rows = only.map_or_else(|| table.lazy(), |only| table.lazy().filter(only.clone()));
    let counts = rows.select([column(name).alias("class")]).group_by([col("class")]).agg([len().alias("rows")]).collect_with_engine(Engine::Streaming)?.unwrap_single();
    let (names, rows) = (counts.column("class")?, counts.column("rows")?);
    let mut classes: Vec<(u64, String)> = (0..counts.height())
        .filter_map(|i| {
            let value = names.get(i).ok()?;
            let is_missing = value.is_null() || value.extract::<f64>().is_some_and(f64::is_nan);
            (!is_missing).then(|| (rows.get(i).ok().and_then(|rows| rows.extract::<u64>()).unwrap_or(0), shown(&value)))
        })
        .collect();
    classes.sort();
    let total: u64 = classes.iter().map(|(rows, _)| rows).sum();
    let (Some(rarest), Some(commonest)) = (classes.first(), classes.last()) else { return Ok((false, "there are no values".to_owned())) };
    let share = |class: &(u64, String)| class.0 as f64 / total as f64;
    let percent = |share: f64| format!("{} %", (share * 1e4).round() / 1e2);
    if let Some(min) = min.filter(|min| share(rarest) < *min) {
        return Ok((false, format!("`{}` is {} of the rows, wanted at least {}", rarest.1, percent(share(rarest)), percent(min))));
    }
    if let Some(max) = max.filter(|max| share(commonest) > *max) {
        return Ok((false, format!("`{}` is {} of the rows, wanted at most {}", commonest.1, percent(share(commonest)), percent(max))));
    }
    Ok((true, format!("{} classes, {} to {} of the rows", classes.len(), percent(share(rarest)), percent(share(commonest)))))
}

/// Fetches the first failing rows of the rules that failed, and stops when all have enough.
fn samples(table: &Table, rules: &[Rule], outcomes: &mut [Outcome]) -> Result<()> {
    let mut selection = Selection::default();
    let mut wanting: Vec<(&mut Outcome, usize, Vec<(String, usize)>)> = Vec::new();
    for (rule, outcome) in rules.iter().zip(outcomes) {
        if let Plan::Rows(plan) = &rule.plan
            && !outcome.passed
        {
            let flag = selection.expr(plan.fails.clone());
            let shown = plan.shown.iter().map(|name| (name.clone(), selection.column(name))).collect();
            wanting.push((outcome, flag, shown));
        }
    }
    if wanting.is_empty() {
        return Ok(());
    }
    let mut first_row = 1_u64;
    for batch in selection.table(table)?.batches()? {
        let batch = batch?;
        for (outcome, flag, shown) in &mut wanting {
            let Some(flags) = batch.columns().get(*flag) else { continue };
            let flags = flags.bool()?;
            for row in flags.iter().enumerate().filter(|(_, fails)| *fails == Some(true)).map(|(row, _)| row).take(SAMPLES.saturating_sub(outcome.samples.len())) {
                outcome.samples.push(Sample { row: first_row + row as u64, value: ordered::values(&batch, shown, row) });
            }
        }
        if wanting.iter().all(|(outcome, ..)| outcome.samples.len() as u64 >= outcome.failing.min(SAMPLES as u64)) {
            break;
        }
        first_row += batch.height() as u64;
    }
    Ok(())
}

/// A value as a message shows it.
fn shown(value: &AnyValue) -> String {
    match value {
        AnyValue::String(text) => shorten(text),
        AnyValue::StringOwned(text) => shorten(text),
        value => shorten(&value.to_string()),
    }
}
