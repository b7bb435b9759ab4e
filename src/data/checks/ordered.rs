//! The rules that want the rows one after the other, all in one pass over the batches.
//!
//! A second pass follows only where rows repeat, to find the first of them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::*;
use rayon::slice::ParallelSliceMut;

use super::rules::{Figure, Ordered, Plan, Rule};
use super::{SAMPLES, Sample, shown};
use crate::data::expression::column;
use crate::data::fingerprint::{Missing, fingerprints};
use crate::data::table::Table;
use crate::error::Result;

/// What a pass found out for a rule.
pub(super) enum Walked {
    Rows { rows: u64, failing: u64, mostly: f64, fault: &'static str, samples: Vec<Sample> },
    Count { count: u64, min: Option<u64>, max: Option<u64> },
    Figure { value: Option<f64>, min: Option<f64>, max: Option<f64> },
}

/// Columns and expressions to read, each under a name of its own, so that no column's name can collide.
#[derive(Default)]
pub(super) struct Selection {
    exprs: Vec<Expr>,
    columns: BTreeMap<String, usize>,
}

impl Selection {
    /// Where the column will stand.
    pub fn column(&mut self, name: &str) -> usize {
        if let Some(at) = self.columns.get(name) {
            return *at;
        }
        let at = self.expr(column(name));
        self.columns.insert(name.to_owned(), at);
        at
    }

    /// Where the expression will stand.
    pub fn expr(&mut self, expr: Expr) -> usize {
        let at = self.exprs.len();
        self.exprs.push(expr.alias(format!("{at}")));
        at
    }

    pub fn table(self, table: &Table) -> Result<Table> {
        Table::from_query(table.lazy().select(self.exprs))
    }
}

/// The values of a row in words, shortened.
pub(super) fn values(batch: &DataFrame, columns: &[(String, usize)], row: usize) -> String {
    const MANY: usize = 4;
    let value = |at: usize| batch.columns().get(at).and_then(|column| column.get(row).ok()).map(|value| shown(&value)).unwrap_or_default();
    if let [(_, at)] = columns {
        return value(*at);
    }
    let mut parts: Vec<String> = columns.iter().take(MANY).map(|(name, at)| format!("{}={}", crate::error::shorten(name), value(*at))).collect();
    if columns.len() > MANY {
        parts.push("…".to_owned());
    }
    parts.join(", ")
}

/// One rule while the batches go by.
struct Walk<'a> {
    rule: usize,
    ordered: &'a Ordered,
    columns: Vec<(String, usize)>,
    only: Option<usize>,
    state: State,
}

enum State {
    Prints(Vec<u128>),
    Order { last: AnyValue<'static>, rows: u64, failing: u64, samples: Vec<Sample> },
    Moments(Moments),
    Values(Vec<f64>),
}

/// Count, mean and sum of squared deviations, put together a batch at a time (Chan et al., 1983), and the sum.
#[derive(Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
    sum: f64,
}

impl Moments {
    fn add(&mut self, values: &[f64]) {
        if values.is_empty() {
            return;
        }
        let count = values.len() as f64;
        let sum: f64 = values.iter().sum();
        let mean = sum / count;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let total = self.count + count;
        let apart = mean - self.mean;
        self.squares += squares + apart * apart * self.count * count / total;
        self.mean += apart * count / total;
        self.count = total;
        self.sum += sum;
    }
}

/// Works out every ordered rule; by the rule's index.
pub(super) fn walk(table: &Table, rules: &[Rule]) -> Result<BTreeMap<usize, Walked>> {
    let mut selection = Selection::default();
    let mut walks: Vec<Walk> = Vec::new();
    for (rule, plan) in rules.iter().map(|rule| &rule.plan).enumerate() {
        let Plan::Ordered { ordered, only } = plan else { continue };
        let columns = ordered.columns().iter().map(|name| (name.clone(), selection.column(name))).collect();
        let only = only.clone().map(|only| selection.expr(only));
        let state = match ordered {
            Ordered::Repeats { .. } | Ordered::Distinct { .. } => State::Prints(Vec::new()),
            Ordered::Increasing { .. } => State::Order { last: AnyValue::Null, rows: 0, failing: 0, samples: Vec::new() },
            Ordered::Figure { figure: Figure::Quantile(_), .. } => State::Values(Vec::new()),
            Ordered::Figure { .. } => State::Moments(Moments::default()),
        };
        walks.push(Walk { rule, ordered, columns, only, state });
    }
    if walks.is_empty() {
        return Ok(BTreeMap::new());
    }
    let selected = selection.table(table)?;
    let mut first_row = 1_u64;
    for batch in selected.batches()? {
        let batch = batch?;
        for walk in &mut walks {
            walk.step(&batch, first_row)?;
        }
        first_row += batch.height() as u64;
    }
    let mut repeated: Vec<Repeated> = Vec::new();
    let mut walked = BTreeMap::new();
    for walk in walks {
        let found = match (walk.ordered, walk.state) {
            (Ordered::Repeats { missing, mostly, .. }, State::Prints(prints)) => {
                let rows = prints.len() as u64;
                let twice = Twice::of(prints);
                if twice.extra > 0 {
                    repeated.push(Repeated {
                        rule: walk.rule,
                        columns: walk.columns,
                        only: walk.only,
                        missing: *missing,
                        wanted: twice.prints,
                        seen: BTreeSet::new(),
                    });
                }
                Walked::Rows { rows, failing: twice.extra, mostly: *mostly, fault: "the same as an earlier row", samples: Vec::new() }
            }
            (Ordered::Distinct { min, max, .. }, State::Prints(prints)) => {
                let rows = prints.len() as u64;
                Walked::Count { count: rows - Twice::of(prints).extra, min: *min, max: *max }
            }
            (Ordered::Increasing { mostly, strictly, .. }, State::Order { rows, failing, samples, .. }) => {
                let fault = if *strictly { "not above the value before" } else { "below the value before" };
                Walked::Rows { rows, failing, mostly: *mostly, fault, samples }
            }
            (Ordered::Figure { figure, min, max, .. }, state) => Walked::Figure { value: figure.of(state), min: *min, max: *max },
            _ => continue,
        };
        walked.insert(walk.rule, found);
    }
    find_repeats(&selected, repeated, &mut walked)?;
    Ok(walked)
}

impl Walk<'_> {
    fn step(&mut self, batch: &DataFrame, first_row: u64) -> Result<()> {
        let mask = mask(batch, self.only)?;
        let is_in = |row: usize| mask.as_ref().is_none_or(|mask| mask.get(row) == Some(true));
        let columns: Vec<&Column> = self.columns.iter().filter_map(|(_, at)| batch.columns().get(*at)).collect();
        let Some(first) = columns.first() else { return Ok(()) };
        match &mut self.state {
            State::Prints(prints) => {
                let missing = if let Ordered::Repeats { missing, .. } = self.ordered { *missing } else { Missing::Skipped };
                prints.extend(fingerprints(&columns, missing)?.into_iter().enumerate().filter(|(row, _)| is_in(*row)).filter_map(|(_, print)| print));
            }
            State::Order { last, rows, failing, samples } => {
                let strictly = matches!(self.ordered, Ordered::Increasing { strictly: true, .. });
                let series = first.as_materialized_series();
                let mut before = last.clone();
                for (row, value) in series.iter().enumerate().filter(|(row, _)| is_in(*row)) {
                    if value.is_null() || (series.dtype().is_float() && value.extract::<f64>().is_some_and(f64::is_nan)) {
                        continue;
                    }
                    *rows += 1;
                    let falls = match value.partial_cmp(&before) {
                        Some(Ordering::Less) => true,
                        Some(Ordering::Equal) => strictly,
                        _ => false,
                    };
                    if falls && !before.is_null() {
                        *failing += 1;
                        if samples.len() < SAMPLES {
                            samples.push(Sample { row: first_row + row as u64, value: shown(&value) });
                        }
                    }
                    before = value;
                }
                *last = before.into_static();
            }
            State::Moments(moments) => moments.add(&numbers(first, &is_in)?),
            State::Values(values) => values.extend(numbers(first, &is_in)?),
        }
        Ok(())
    }
}

impl Figure {
    fn of(self, state: State) -> Option<f64> {
        match (self, state) {
            (Self::Quantile(q), State::Values(mut values)) => {
                let top = values.len().checked_sub(1)?;
                let place = q * top as f64;
                let below = place.floor() as usize;
                let (_, low, rest) = values.select_nth_unstable_by(below.min(top), f64::total_cmp);
                let high = rest.iter().copied().min_by(f64::total_cmp).unwrap_or(*low);
                let part = place - below as f64;
                Some(if part == 0.0 { *low } else { *low + (high - *low) * part })
            }
            (figure, State::Moments(moments)) => match figure {
                Self::Mean => (moments.count > 0.0).then_some(moments.mean),
                Self::Deviation => (moments.count > 1.0).then(|| (moments.squares / (moments.count - 1.0)).sqrt()),
                _ => Some(moments.sum),
            },
            _ => None,
        }
    }
}

/// The fingerprints that come more than once, and how many rows are the same as an earlier one.
struct Twice {
    prints: Vec<u128>,
    extra: u64,
}

impl Twice {
    fn of(mut prints: Vec<u128>) -> Self {
        prints.par_sort_unstable();
        let repeats: Vec<u128> = prints.windows(2).filter_map(|pair| if let [a, b] = pair { (a == b).then_some(*a) } else { None }).collect();
        let extra = repeats.len() as u64;
        let mut prints = repeats;
        prints.dedup();
        Self { prints, extra }
    }
}

/// A rule whose repeated rows are looked for again.
struct Repeated {
    rule: usize,
    columns: Vec<(String, usize)>,
    only: Option<usize>,
    missing: Missing,
    /// Sorted.
    wanted: Vec<u128>,
    seen: BTreeSet<u128>,
}

/// The first rows that are the same as an earlier one.
fn find_repeats(selected: &Table, mut repeated: Vec<Repeated>, walked: &mut BTreeMap<usize, Walked>) -> Result<()> {
    if repeated.is_empty() {
        return Ok(());
    }
    let mut first_row = 1_u64;
    for batch in selected.batches()? {
        let batch = batch?;
        for search in &mut repeated {
            let Some(Walked::Rows { samples, .. }) = walked.get_mut(&search.rule) else { continue };
            let mask = mask(&batch, search.only)?;
            let columns: Vec<&Column> = search.columns.iter().filter_map(|(_, at)| batch.columns().get(*at)).collect();
            for (row, print) in fingerprints(&columns, search.missing)?.into_iter().enumerate() {
                let is_in = mask.as_ref().is_none_or(|mask| mask.get(row) == Some(true));
                let Some(print) = print.filter(|print| is_in && samples.len() < SAMPLES && search.wanted.binary_search(print).is_ok()) else { continue };
                if !search.seen.insert(print) {
                    samples.push(Sample { row: first_row + row as u64, value: values(&batch, &search.columns, row) });
                }
            }
        }
        repeated.retain(
            |search| matches!(walked.get(&search.rule), Some(Walked::Rows { failing, samples, .. }) if (samples.len() as u64) < (*failing).min(SAMPLES as u64)),
        );
        if repeated.is_empty() {
            break;
        }
        first_row += batch.height() as u64;
    }
    Ok(())
}

fn mask(batch: &DataFrame, only: Option<usize>) -> Result<Option<BooleanChunked>> {
    let column = only.and_then(|at| batch.columns().get(at));
    Ok(column.map(|column| column.bool().cloned()).transpose()?)
}

/// The values that are there, as floats.
fn numbers(column: &Column, is_in: &dyn Fn(usize) -> bool) -> Result<Vec<f64>> {
    let values = column.as_materialized_series().cast(&DataType::Float64)?;
    Ok(values.f64()?.iter().enumerate().filter(|(row, _)| is_in(*row)).filter_map(|(_, value)| value.filter(|value| !value.is_nan())).collect())
}
