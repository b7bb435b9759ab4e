//! `rolling`: sums, means and the like of a column over the rows or the time before a row.
//!
//! Which rows are earlier, and which training rows later data sees, is [`super::past`]'s business. A window is joined from
//! sums of blocks of 16, 32, 64 … rows, and of the single rows at its ends: its work grows with the logarithm of its
//! length, and nothing is ever subtracted, so a huge value leaves no trace behind it. Not here: weights, and windows that
//! hold the row itself.

use std::collections::BTreeSet;

use polars::prelude::{Column, DataType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::past::{self, Asked, Entry, OfThePast, Past, Reach};
use crate::data::{Age, Table};
use crate::error::{Error, Result, shorten};
use crate::ml::input::InputColumn;
use crate::ml::selector::{ColumnKind, require};
use crate::ml::{Fit, Selector, Transformer};
use crate::value::Fault;

/// Rows that a window may have.
const MOST_ROWS: usize = 100_000;
/// Rows of the smallest block.
const BLOCK: usize = 16;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rolling {
    columns: Selector,
    #[serde(default)]
    by: Vec<String>,
    #[serde(default)]
    order: Option<String>,
    window: Window,
    #[serde(default = "default_aggregates")]
    aggregates: Vec<Aggregate>,
    #[serde(default = "default_min_periods")]
    min_periods: usize,
    #[serde(default)]
    fill_value: Option<f64>,
}

fn default_aggregates() -> Vec<Aggregate> {
    vec![Aggregate::Mean]
}

fn default_min_periods() -> usize {
    1
}

/// How far back a window begins.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(untagged)]
enum Window {
    Rows(usize),
    /// `30m`, `12h`, `7d`, `2w`.
    Time(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Aggregate {
    Mean,
    Sum,
    Min,
    Max,
    Std,
    Count,
}

/// Fitted: the history and the new columns.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedRolling {
    past: Past,
    reach: Reach,
    aggregates: Vec<Aggregate>,
    min_periods: usize,
    fill_value: Option<f64>,
    /// For each column and aggregate the name of the new column.
    names: Vec<Vec<String>>,
}

impl Transformer for Rolling {
    const NAME: &'static str = "rolling";
    const DOC: &'static str = "\
Adds means, sums and the like of columns over the rows, or the span of time, before each row of a group.

As pandas' `rolling(…, closed=\"left\")`: a window of 7 is the 7 rows before a row; a window of `7d` goes from 7 days before a row,
that moment included, to just before it. A row is never in its own window, nor are rows of the same moment; where a window of
rows takes only some rows of a moment, it takes those with the greatest values. Missing and infinite values are in a
window but do not count. New columns are called `<column>_<aggregate>_<window>`; the columns themselves stay.

Training rows of each group are kept as far as the window reaches. What later rows see of them, and that the target may be
named and may be absent when scoring, is as with `lag`: see `recipe list lag`.

- `columns`: selector of numbers and booleans, required; the target only by its name
- `by`: column names: rows with the same values there are a group; default none, all rows are one
- `order`: a column of dates, datetimes or integers; default the one with the role `time`. Rows without a moment get no value
- `window`: a number of rows from 1, or a span of time such as `30m`, `12h`, `7d`, `2w` (a day has 24 hours); required
- `aggregates`: list of `mean`, `sum`, `min`, `max`, `std` (divided by n − 1, so from two values on), `count`; default `[mean]`
- `min_periods`: how many values a window must have, else the result is missing; default 1. A `count` is never missing
- `fill_value`: a number that stands where a result would be missing; default missing

```yaml
- rolling: {columns: [fare_amount], by: [vendor], order: pickup_datetime, window: 3, aggregates: [mean, std]}
- rolling: {columns: [trip_distance], order: pickup_datetime, window: 2d, aggregates: [max, count]}
```
";

    type Fitted = FittedRolling;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        let mut refuse = |key: &str, message: &str| faults.push(Fault::new(&[key.to_owned()], message));
        let is_fine = match &self.window {
            Window::Rows(rows) => (1..=MOST_ROWS).contains(rows),
            Window::Time(text) => Age::parse(text).is_some_and(|age| age.seconds() > 0),
        };
        if !is_fine {
            refuse("window", "`window` is a number of rows from 1 to 100,000, or a span of time such as `30m`, `12h`, `7d`, `2w`");
        }
        let distinct: BTreeSet<Aggregate> = self.aggregates.iter().copied().collect();
        if self.aggregates.is_empty() || distinct.len() < self.aggregates.len() {
            refuse("aggregates", "`aggregates` lists each of `mean`, `sum`, `min`, `max`, `std`, `count` at most once, and at least one");
        }
        if self.min_periods == 0 || matches!(self.window, Window::Rows(rows) if self.min_periods > rows) {
            refuse("min_periods", "`min_periods` is a whole number from 1, and no more than the rows of the window");
        }
        if self.fill_value.is_some_and(|fill| !fill.is_finite()) {
            refuse("fill_value", "`fill_value` is a finite number");
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedRolling> {
        let columns = past::columns(&self.columns, &self.by, on)?;
        let order = past::order_column(Self::NAME, self.order.as_deref(), on)?;
        require(Self::NAME, on.table, &columns, ColumnKind::NUMBERS)?;
        let (reach, window) = self.reach(&order)?;
        let mut names = past::names(on);
        let mut named = |name: &String| self.aggregates.iter().map(|aggregate| names.give(&format!("{name}_{}_{window}", aggregate.name()))).collect();
        let names = columns.iter().map(&mut named).collect();
        let columns = columns.iter().map(|name| InputColumn::new(name, &DataType::Float64)).collect();
        let past = Past::learn(Self::NAME, on, &self.by, order, columns, reach)?;
        let (aggregates, min_periods, fill_value) = (self.aggregates.clone(), self.min_periods, self.fill_value);
        Ok(FittedRolling { past, reach, aggregates, min_periods, fill_value, names })
    }
}

impl Rolling {
    /// The window in the order's unit, and as it is called.
    fn reach(&self, order: &InputColumn) -> Result<(Reach, String)> {
        match &self.window {
            Window::Rows(rows) => Ok((Reach::Rows(*rows), rows.to_string())),
            Window::Time(text) => {
                let span = Age::parse(text).and_then(|age| past::in_unit_of(order, age.seconds())).ok_or_else(|| {
                    Error::data(format!("a window of `{}` does not suit the order `{}`, a column of type {}", shorten(text), shorten(&order.name), order.kind))
                        .hint("a span of time needs datetimes, or dates and whole days; a plain number counts rows")
                })?;
                Ok((Reach::Time(span), text.split_whitespace().collect()))
            }
        }
    }
}

impl Aggregate {
    fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Std => "std",
            Self::Count => "count",
        }
    }

    fn of(self, sums: &Sums) -> Option<f64> {
        let count = sums.count as f64;
        match self {
            Self::Count => Some(count),
            _ if sums.count == 0 => None,
            Self::Mean => Some(sums.sum / count),
            Self::Sum => Some(sums.sum),
            Self::Min => Some(sums.min),
            Self::Max => Some(sums.max),
            Self::Std => (sums.count > 1).then(|| (sums.deviations / (count - 1.0)).sqrt()),
        }
    }
}

/// What is known of some values.
#[derive(Clone, Copy, Debug)]
struct Sums {
    count: u64,
    sum: f64,
    /// Squared deviations from the mean.
    deviations: f64,
    min: f64,
    max: f64,
}

impl Default for Sums {
    fn default() -> Self {
        Self { count: 0, sum: 0.0, deviations: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Sums {
    fn of(entries: &[Entry]) -> Self {
        let values = || entries.iter().filter_map(|(_, code)| code.map(past::float));
        let mut sums = Self::default();
        for value in values() {
            sums.count += 1;
            sums.sum += value;
            sums.min = sums.min.min(value);
            sums.max = sums.max.max(value);
        }
        let mean = sums.sum / sums.count.max(1) as f64;
        sums.deviations = values().map(|value| (value - mean).powi(2)).sum();
        sums
    }

    /// Chan, Golub and `LeVeque` (1979).
    fn join(self, more: Self) -> Self {
        if self.count == 0 || more.count == 0 {
            return if self.count == 0 { more } else { self };
        }
        let (a, b) = (self.count as f64, more.count as f64);
        let apart = more.sum / b - self.sum / a;
        Self {
            count: self.count + more.count,
            sum: self.sum + more.sum,
            deviations: self.deviations + more.deviations + apart * apart * a * b / (a + b),
            min: self.min.min(more.min),
            max: self.max.max(more.max),
        }
    }
}

/// Sums of blocks: level k has those of [`BLOCK`] · 2ᵏ entries each, from the first entry on, so that entries behind a block
/// change nothing in it.
struct Blocks<'a> {
    entries: &'a [Entry],
    levels: Vec<Vec<Sums>>,
}

impl<'a> Blocks<'a> {
    fn of(entries: &'a [Entry]) -> Self {
        let mut levels = vec![entries.chunks_exact(BLOCK).map(Sums::of).collect::<Vec<_>>()];
        while let Some(last) = levels.last().filter(|last| last.len() > 1) {
            let next = last.chunks_exact(2).map(|pair| pair.iter().fold(Sums::default(), |sum, more| sum.join(*more))).collect();
            levels.push(next);
        }
        Self { entries, levels }
    }

    /// Of the entries from `start` to before `end`.
    fn between(&self, start: usize, end: usize) -> Sums {
        let of = |start: usize, end: usize| Sums::of(self.entries.get(start..end).unwrap_or_default());
        let (mut first, mut last) = (start.div_ceil(BLOCK), end / BLOCK);
        if first >= last {
            return of(start, end);
        }
        let (mut left, mut right) = (of(start, first * BLOCK), of(last * BLOCK, end));
        for level in &self.levels {
            if first >= last {
                break;
            }
            let block = |place: usize| level.get(place).copied().unwrap_or_default();
            if first % 2 == 1 {
                left = left.join(block(first));
                first += 1;
            }
            if last % 2 == 1 {
                last -= 1;
                right = block(last).join(right);
            }
            (first, last) = (first / 2, last / 2);
        }
        left.join(right)
    }
}

impl OfThePast for FittedRolling {
    fn past(&self) -> &Past {
        &self.past
    }

    fn names(&self) -> Vec<Vec<&str>> {
        self.names.iter().map(|names| names.iter().map(String::as_str).collect()).collect()
    }

    fn found(&self, table: &Table) -> Result<Vec<(usize, Column)>> {
        let rows = self.past.read(table)?;
        let windows = |entries: &[Entry], asked: &[Asked]| {
            let blocks = Blocks::of(entries);
            let sums = |asked: &Asked| {
                let start = match self.reach {
                    Reach::Rows(rows) => asked.before.saturating_sub(rows),
                    Reach::Time(span) => entries.partition_point(|(moment, _)| *moment < asked.moment.saturating_sub(span)),
                };
                blocks.between(start, asked.before)
            };
            asked.iter().map(sums).flat_map(|sums| self.aggregates.iter().map(move |aggregate| self.result(*aggregate, &sums))).collect()
        };
        let mut all = Vec::new();
        for (place, names) in self.names.iter().enumerate() {
            let values = self.past.find(&rows, place, self.aggregates.len(), None, windows);
            all.extend(names.iter().zip(values).map(|(name, values)| (place, Column::new(name.as_str().into(), values))));
        }
        Ok(all)
    }
}

impl FittedRolling {
    fn result(&self, aggregate: Aggregate, sums: &Sums) -> Option<f64> {
        let is_enough = sums.count >= self.min_periods as u64 || aggregate == Aggregate::Count;
        is_enough.then(|| aggregate.of(sums)).flatten().or(self.fill_value)
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::{close, fit_apply, fit_error, refused};
    use crate::ml::transformers::past::sales;

    const NONE: f64 = f64::NAN;
    const ALL: &str = "aggregates: [mean, sum, min, max, std, count]";
    const HOURS: [f64; 12] = [NONE, NONE, 4.875, NONE, NONE, 7.375, 2.75, 4.625, NONE, 4.75, 2.75, NONE];

    /// `python tests/golden/past.py` with pandas 3.1.1.
    #[test]
    fn windows_are_pandas_closed_on_the_left() {
        let cases = [
            (
                "window: 4, min_periods: 3",
                "4",
                [
                    [NONE, NONE, 4.75, NONE, NONE, 5.0625, NONE, NONE, NONE, 3.666_666_666_666_666_5, 4.166_666_666_666_667, NONE],
                    [NONE, NONE, 19.0, NONE, NONE, 20.25, NONE, NONE, NONE, 11.0, 12.5, NONE],
                    [NONE, NONE, 2.25, NONE, NONE, 2.25, NONE, NONE, NONE, 1.5, 2.25, NONE],
                    [NONE, NONE, 7.0, NONE, NONE, 8.25, NONE, NONE, NONE, 5.5, 7.0, NONE],
                    [
                        NONE,
                        NONE,
                        2.354_074_481_970_922_5,
                        NONE,
                        NONE,
                        2.794_153_121_549_831,
                        NONE,
                        NONE,
                        NONE,
                        2.020_725_942_163_690_3,
                        2.504_163_200_219_453,
                        NONE,
                    ],
                    [1.0, 0.0, 4.0, 1.0, 0.0, 4.0, 2.0, 2.0, 2.0, 3.0, 3.0, 1.0],
                ],
            ),
            (
                "window: 3d",
                "3d",
                [
                    [1.5, NONE, 6.5, 1.5, NONE, 7.375, 4.0, 4.625, NONE, 5.5, 3.25, 7.0],
                    [1.5, NONE, 6.5, 1.5, NONE, 14.75, 4.0, 9.25, NONE, 5.5, 3.25, 7.0],
                    [1.5, NONE, 6.5, 1.5, NONE, 6.5, 4.0, 2.25, NONE, 5.5, 3.25, 7.0],
                    [1.5, NONE, 6.5, 1.5, NONE, 8.25, 4.0, 7.0, NONE, 5.5, 3.25, 7.0],
                    [NONE, NONE, NONE, NONE, NONE, 1.237_436_867_076_458_2, NONE, 3.358_757_210_636_100_8, NONE, NONE, NONE, NONE],
                    [1.0, 0.0, 1.0, 1.0, 0.0, 2.0, 1.0, 2.0, 0.0, 1.0, 1.0, 1.0],
                ],
            ),
        ];
        let dates = sales().lazy().with_columns([col("day").cast(DataType::Date)]).collect().unwrap();
        for (window, name, expected) in cases {
            for frame in [&sales(), &dates] {
                let out = fit_apply(frame, &format!("rolling: {{columns: sales, by: [shop], order: day, {window}, {ALL}}}"));
                for (aggregate, expected) in ["mean", "sum", "min", "max", "std", "count"].iter().zip(&expected) {
                    close(&out, &format!("sales_{aggregate}_{name}"), expected);
                }
            }
        }
        let hours = fit_apply(&sales(), "rolling: {columns: sales, by: [shop], order: day, window: 100h, min_periods: 2, fill_value: 0}");
        close(&hours, "sales_mean_100h", &HOURS.map(|mean| if mean.is_nan() { 0.0 } else { mean }));
    }

    #[test]
    fn a_huge_value_leaves_no_trace_and_long_windows_are_those_of_single_rows() {
        let rows = 700;
        let value = |i: i64| if i == 5 { 1e300 } else { ((i * 37) % 101) as f64 / 7.0 };
        let frame = df!("t" => (0..rows).collect::<Vec<i64>>(), "x" => (0..rows).map(value).collect::<Vec<f64>>()).unwrap();
        for window in [5, 100, 333] {
            let out = fit_apply(&frame, &format!("rolling: {{columns: x, order: t, window: {window}, {ALL}}}"));
            for end in [window + 6, window + 130, 699] {
                let values: Vec<f64> = (end - window..end).map(value).collect();
                let mean = values.iter().sum::<f64>() / window as f64;
                let std = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (window - 1) as f64).sqrt();
                let max = values.iter().copied().fold(f64::MIN, f64::max);
                for (name, expected) in [("mean", mean), ("std", std), ("max", max), ("count", window as f64)] {
                    let found = out.column(&format!("x_{name}_{window}")).unwrap().f64().unwrap().get(end as usize).unwrap();
                    assert!((found - expected).abs() <= 1e-12 * expected, "{name} of {window} before {end}: {found} is not {expected}");
                }
            }
        }
    }

    #[test]
    fn windows_that_mean_nothing_are_refused() {
        let faults = refused("rolling: {columns: x, window: 0d, aggregates: [mean, mean], min_periods: 0}");
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert_eq!(refused("rolling: {columns: x, window: 3, min_periods: 4}").len(), 1);
        assert_eq!(refused("rolling: {columns: x}"), ["window: missing key `window`"]);
        let integers = df!("t" => [1_i64, 2], "x" => [1.0, 2.0]).unwrap();
        assert_eq!(
            fit_error(&integers, "rolling: {columns: x, order: t, window: 7d}").to_string(),
            "a window of `7d` does not suit the order `t`, a column of type i64"
        );
        assert_eq!(
            fit_error(&sales(), "rolling: {columns: shop, order: day, window: 7}").to_string(),
            "`rolling` takes integer, float, boolean columns, not `shop` (str)"
        );
    }
}
