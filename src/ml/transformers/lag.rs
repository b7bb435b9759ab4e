//! `lag`: what a column was one or more rows earlier.
//!
//! Which rows are earlier, and which training rows later data sees, is [`super::past`]'s business. Not here: lags by a span of
//! time, and leads.

use std::collections::BTreeSet;

use polars::prelude::{Column, DataType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::past::{self, OfThePast, Past, Reach};
use crate::data::Table;
use crate::error::{Error, Result, shorten};
use crate::ml::input::InputColumn;
use crate::ml::selector::{ColumnKind, require};
use crate::ml::{Fit, Selector, Transformer};
use crate::value::Fault;

/// Rows that a lag may look back.
const MOST_ROWS: usize = 100_000;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lag {
    columns: Selector,
    #[serde(default)]
    by: Vec<String>,
    #[serde(default)]
    order: Option<String>,
    #[serde(default = "default_periods")]
    periods: Vec<usize>,
    #[serde(default)]
    fill_value: Option<f64>,
}

fn default_periods() -> Vec<usize> {
    vec![1]
}

/// Fitted: the history and the new columns.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedLag {
    past: Past,
    periods: Vec<usize>,
    columns: Vec<Lagged>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Lagged {
    /// For each period the name of the new column.
    names: Vec<String>,
    /// What a row without so many earlier rows gets.
    fill: Option<i64>,
}

impl Transformer for Lag {
    const NAME: &'static str = "lag";
    const ALIASES: &'static [&'static str] = &["shift"];
    const DOC: &'static str = "\
Adds what columns were one or more rows earlier, in the order of time and within a group of rows.

A row only sees rows of its group that are strictly earlier, neither itself nor rows of the same moment; of those, the greater value
counts as the later one. So nothing looks ahead, and the order of rows in a file is no matter. New columns are called
`<column>_lag_<period>`; the columns themselves stay.

The last training rows of each group are kept in the model, as many as the longest period reaches. Rows of validation, test and scoring
see those that are earlier than they are, and the earlier rows of their own table; test rows do not see validation rows. Where
both have rows of a group at the same moment, they are taken for the same rows, so data that holds training rows again is no trouble. A row before the kept
rows sees only its own table: split by time, and put this before `filter`, `sample` and the like. A missing value of a `by`
column is a group; infinite values count as missing.

The target may be lagged if it is named. In training, validation and test it is known; when scoring it may be absent, and then
what training has seen counts alone, so that metrics are those of one step ahead. A lagged target or `post_event` column is
the only way in which a feature may depend on one. While a table is scored, the new columns of all its rows are in memory.

- `columns`: selector, required; the target only by its name
- `by`: column names: rows with the same values there are a group; default none, all rows are one
- `order`: a column of dates, datetimes or integers; default the one with the role `time`. Rows without a moment get no value
- `periods`: how many rows back, a list of whole numbers from 1; default `[1]`
- `fill_value`: a number, for columns of numbers: what a row without so many earlier rows gets; default missing

```yaml
- lag: {columns: [fare_amount, trip_distance], by: [vendor], order: pickup_datetime, periods: [1, 2]}
```
";

    type Fitted = FittedLag;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        let distinct: BTreeSet<usize> = self.periods.iter().copied().collect();
        if self.periods.is_empty() || distinct.len() < self.periods.len() || self.periods.iter().any(|rows| !(1..=MOST_ROWS).contains(rows)) {
            faults.push(Fault::new(&["periods".to_owned()], "`periods` is a list of different whole numbers from 1 to 100,000, such as `[1, 7]`"));
        }
        if self.fill_value.is_some_and(|fill| !fill.is_finite()) {
            faults.push(Fault::new(&["fill_value".to_owned()], "`fill_value` is a finite number"));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedLag> {
        let columns = past::columns(&self.columns, &self.by, on)?;
        let order = past::order_column(Self::NAME, self.order.as_deref(), on)?;
        let kinds = [ColumnKind::Integer, ColumnKind::Float, ColumnKind::Boolean, ColumnKind::String, ColumnKind::Date, ColumnKind::Datetime];
        require(Self::NAME, on.table, &columns, &kinds)?;
        let typed: Vec<(InputColumn, DataType)> = columns.iter().map(|name| read_as(name, on.table)).collect();
        let unfit: Vec<String> = typed.iter().filter(|(_, dtype)| !self.fits(dtype)).map(|(column, _)| format!("`{}`", shorten(&column.name))).collect();
        if !unfit.is_empty() {
            return Err(Error::data(format!("`fill_value` does not suit the type of {}", unfit.join(", "))).hint("give these columns a `lag` of their own"));
        }
        let mut names = past::names(on);
        let mut lagged = |(column, dtype): &(InputColumn, DataType)| Lagged {
            names: self.periods.iter().map(|period| names.give(&format!("{}_lag_{period}", column.name))).collect(),
            fill: self.fill_value.map(|fill| past::code(fill, dtype)),
        };
        let columns = typed.iter().map(&mut lagged).collect();
        let reach = Reach::Rows(self.periods.iter().copied().max().unwrap_or(1));
        let past = Past::learn(Self::NAME, on, &self.by, order, typed.into_iter().map(|(column, _)| column).collect(), reach)?;
        Ok(FittedLag { past, periods: self.periods.clone(), columns })
    }
}

impl Lag {
    /// Can a column of this type hold the fill value?
    fn fits(&self, dtype: &DataType) -> bool {
        match (self.fill_value, ColumnKind::of(dtype)) {
            (None, _) | (_, ColumnKind::Float) => true,
            (Some(fill), ColumnKind::Integer) => fill.fract() == 0.0 && fill.abs() < 9e15,
            _ => false,
        }
    }
}

/// A column as its values are kept: decimals, unsigned integers of 64 bits and what has no type yet as floats.
fn read_as(name: &str, table: &Table) -> (InputColumn, DataType) {
    let dtype = match table.schema().get(name) {
        Some(dtype) if dtype.is_decimal() || dtype.is_null() || *dtype == DataType::UInt64 => DataType::Float64,
        Some(dtype) if ColumnKind::of(dtype) == ColumnKind::String => DataType::String,
        Some(dtype) => dtype.clone(),
        None => DataType::Float64,
    };
    (InputColumn::new(name, &dtype), dtype)
}

impl OfThePast for FittedLag {
    fn past(&self) -> &Past {
        &self.past
    }

    fn names(&self) -> Vec<Vec<&str>> {
        self.columns.iter().map(|lagged| lagged.names.iter().map(String::as_str).collect()).collect()
    }

    fn found(&self, table: &Table) -> Result<Vec<(usize, Column)>> {
        let rows = self.past.read(table)?;
        let mut all = Vec::new();
        for (place, lagged) in self.columns.iter().enumerate() {
            let earlier = |entries: &[past::Entry], asked: &[past::Asked]| {
                let value = |before: usize, period: usize| before.checked_sub(period).and_then(|i| entries.get(i)).map_or(lagged.fill, |(_, code)| *code);
                asked.iter().flat_map(|asked| self.periods.iter().map(move |period| value(asked.before, *period))).collect()
            };
            let codes = self.past.find(&rows, place, self.periods.len(), None, earlier);
            for (name, codes) in lagged.names.iter().zip(codes) {
                all.push((place, self.past.column(&rows, place, name, codes)?));
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::{close, fit, fit_apply, fit_error, refused};
    use crate::ml::transformers::past::sales;

    const NONE: f64 = f64::NAN;

    /// `python tests/golden/past.py` with pandas 3.1.1.
    #[test]
    fn values_are_pandas_shift_by_group() {
        let out = fit_apply(&sales(), "lag: {columns: sales, by: [shop], order: day, periods: [1, 3]}");
        close(&out, "sales_lag_1", &[NONE, NONE, 6.5, 1.5, NONE, 8.25, 4.0, 2.25, NONE, 5.5, 3.25, 7.0]);
        close(&out, "sales_lag_3", &[NONE, NONE, 2.25, NONE, NONE, 3.25, 1.5, NONE, 4.0, NONE, 7.0, NONE]);
        assert_eq!(out.get_column_names(), ["day", "shop", "sales", "sales_lag_1", "sales_lag_3"]);
    }

    /// The same numbers, where the rows up to day 5 are training rows.
    #[test]
    fn later_rows_see_the_last_training_rows_and_earlier_rows_of_their_own_table() {
        let part = |is_later: bool| sales().lazy().filter(col("day").dt().day().gt(lit(6)).eq(lit(is_later))).collect().unwrap();
        let lag = fit(&part(false), "lag: {columns: sales, by: [shop], order: day, periods: [1, 3]}");
        let later = lag.apply(part(true).lazy()).unwrap().collect().unwrap();
        close(&later, "sales_lag_1", &[6.5, 8.25, NONE, 5.5, 3.25]);
        close(&later, "sales_lag_3", &[2.25, 3.25, 4.0, NONE, 7.0]);
        // A table that holds all rows again counts none twice.
        let all = lag.apply(sales().lazy()).unwrap().collect().unwrap();
        assert!(all.equals_missing(&fit_apply(&sales(), "lag: {columns: sales, by: [shop], order: day, periods: [1, 3]}")));
        // Alone, a row sees the history; of a new group, nothing.
        let alone = part(true).slice(0, 1);
        close(&lag.apply(alone.clone().lazy()).unwrap().collect().unwrap(), "sales_lag_1", &[3.25]);
        let new = alone.lazy().with_columns([lit("new").alias("shop")]);
        assert_eq!(lag.apply(new).unwrap().collect().unwrap().column("sales_lag_1").unwrap().null_count(), 1);
        let shown = lag.learned().remove(0);
        assert_eq!(shown.caption, "History that later rows see by `shop`, in the order of `day`");
        assert_eq!(shown.rows, [vec!["sales".into(), "sales_lag_1, sales_lag_3".into(), 2_u64.into(), 7_u64.into(), "2024-01-06 00:00:00".into()]]);
    }

    /// Three rows at moment 1, two at 2, one at 3, one without a moment.
    #[test]
    fn rows_of_one_moment_do_not_see_each_other_and_types_stay() {
        let moments = [Some(2_i64), Some(1), Some(3), Some(1), None, Some(2), Some(1)];
        let frame = df!(
            "t" => moments, "k" => [5_i64, 3, 7, 1, 0, 6, 2], "c" => [Some("x"), Some("b"), None, Some("a"), None, Some("z"), None],
            "ok" => [true, false, true, true, true, false, true], "d" => [1_i32, 2, 3, 4, 5, 6, 7]
        );
        let frame = frame.unwrap().lazy().with_columns([col("d").cast(DataType::Date)]).collect().unwrap();
        let out = fit_apply(&frame, "lag: {columns: [k, c, ok, d], order: t, periods: [1, 2, 4]}");
        for (name, dtype) in [("k", DataType::Int64), ("c", DataType::String), ("ok", DataType::Boolean), ("d", DataType::Date)] {
            assert_eq!(*out.column(&format!("{name}_lag_1")).unwrap().dtype(), dtype);
        }
        close(&out, "k_lag_1", &[3.0, NONE, 6.0, NONE, NONE, 3.0, NONE]);
        close(&out, "k_lag_2", &[2.0, NONE, 5.0, NONE, NONE, 2.0, NONE]);
        close(&out, "k_lag_4", &[NONE, NONE, 2.0, NONE, NONE, NONE, NONE]);
        // Missing counts as the smallest.
        let texts: Vec<Option<&str>> = out.column("c_lag_4").unwrap().str().unwrap().iter().collect();
        assert_eq!((texts[2], out.column("c_lag_1").unwrap().str().unwrap().get(0)), (Some("a"), Some("b")));
        let filled = fit_apply(&frame, "lag: {columns: k, order: t, fill_value: -1}");
        close(&filled, "k_lag_1", &[3.0, -1.0, 6.0, -1.0, NONE, 3.0, -1.0]);
        assert_eq!(*filled.column("k_lag_1").unwrap().dtype(), DataType::Int64);
    }

    #[test]
    fn what_cannot_be_lagged_is_refused() {
        assert_eq!(refused("lag: {columns: sales, periods: [0, 1, 1]}").len(), 1);
        assert_eq!(refused("lag: {by: [shop]}"), ["columns: missing key `columns`"]);
        let error = fit_error(&sales(), "lag: {columns: [sale], by: [shp], order: day}").to_string();
        assert!(error.contains("`sale`") && error.contains("`shp`"), "{error}");
        assert_eq!(fit_error(&sales(), "lag: {columns: sales}").to_string(), "`lag` needs a column that tells the order of rows");
        assert_eq!(fit_error(&sales(), "lag: {columns: sales, order: shop}").to_string(), "`lag` takes integer, date, datetime columns, not `shop` (str)");
        assert_eq!(fit_error(&sales(), "lag: {columns: shop, order: day, fill_value: 0}").to_string(), "`fill_value` does not suit the type of `shop`");
        let taken = sales().lazy().with_columns([lit(1).alias("sales_lag_1")]).collect().unwrap();
        assert!(fit_apply(&taken, "lag: {columns: sales, order: day}").column("sales_lag_1_2").is_ok());
    }
}
