//! `impute`: missing values become a number or text learned from training rows.

use std::collections::BTreeMap;

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels::Kind;
use crate::card::{self, Cell};
use crate::data::Table;
use crate::error::{Error, Result};
use crate::ml::export::{Form, Id, Lowering, Value, Values, Why};
use crate::ml::reduce::{self, CATEGORY_LIMIT, Categories};
use crate::ml::selector::{ColumnKind, Selector, column, require, require_present};
use crate::ml::{Apply, Fit, Transformer};
use crate::value::Fault;

/// Between the values of several `by` columns in a group's key.
const BETWEEN: &str = "\u{1f}";
/// A missing value of a `by` column: a group of its own.
const MISSING_KEY: &str = "\u{0}";
/// The group's key while fitting.
const KEY: &str = "\u{0}group";
const CLIP_FIRST: &str = "put `- clip: {lower: ..., upper: ...}` before it";

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, Default, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Impute {
    columns: Option<Selector>,
    strategy: Strategy,
    fill_value: Option<Fill>,
    by: Vec<String>,
    add_indicator: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Strategy {
    #[default]
    Median,
    Mean,
    MostFrequent,
    Constant,
}

/// What stands in for a missing value.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(untagged)]
enum Fill {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}

/// Fitted: what to fill in, column by column.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedImpute {
    by: Vec<String>,
    columns: Vec<Filled>,
    /// Columns without any value in training.
    dropped: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Filled {
    name: String,
    fill: Fill,
    /// By group, where it is not `fill`.
    groups: BTreeMap<String, Fill>,
    indicator: bool,
    /// Missing in training.
    missing: u64,
}

impl Transformer for Impute {
    const NAME: &'static str = "impute";
    const ALIASES: &'static [&'static str] = &["SimpleImputer", "impute_median"];
    const DOC: &'static str = "Fills missing values (nulls and NaN) with a value learned from training rows.

A column without any value in training is dropped, except with `constant`. With `median` and `mean` columns become floats.

- `columns`: selector; default `numeric()` for `median` and `mean`, otherwise all integers, floats, strings and booleans
- `strategy`: `median` (default) or `mean` for numbers and booleans; `most_frequent` (of several, the smallest) or `constant` also for strings
- `fill_value`: for `constant`: number, text or boolean; default 0, `missing_value` or `false` by the column's type
- `by`: column names: learn a value for each group of rows; groups that are new or have no value get the overall one
- `add_indicator`: boolean, default `false`: add `<name>_missing` (boolean) for columns with missing values in training

```yaml
- impute: {columns: [trip_distance], strategy: median, by: [payment_type], add_indicator: true}
- impute: {columns: [payment_type], strategy: constant, fill_value: unknown}
```";

    type Fitted = FittedImpute;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        let mut refuse = |key: &str, message: &str| faults.push(Fault::new(&[key.to_owned()], message));
        if self.fill_value.is_some() && self.strategy != Strategy::Constant {
            refuse("fill_value", "only `strategy: constant` takes a fill_value");
        }
        if matches!(self.fill_value, Some(Fill::Float(value)) if !value.is_finite()) {
            refuse("fill_value", "expected a finite number");
        }
        if !self.by.is_empty() && self.strategy == Strategy::Constant {
            refuse("by", "`strategy: constant` has the same value for every group");
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedImpute> {
        let columns = self.columns(on)?;
        require_present(on.table, &self.by)?;
        let both: Vec<String> = columns.iter().filter(|name| self.by.contains(name)).map(|name| format!("`{name}`")).collect();
        if !both.is_empty() {
            return Err(Error::data(format!("columns cannot be filled by themselves: {}", both.join(", "))).hint("leave them out of `columns` or of `by`"));
        }
        let missing = reduce::missing(on.table, &columns)?;
        let overall = self.learn(on.table, &columns)?;
        let mut groups = if self.by.is_empty() { vec![BTreeMap::new(); columns.len()] } else { self.learn_groups(on.table, &columns)? };

        let mut fitted = FittedImpute { by: self.by.clone(), columns: Vec::new(), dropped: Vec::new() };
        let rows = on.table.rows()? as u64;
        let (mut taken, mut unusable) = (Vec::new(), Vec::new());
        for (((name, missing), fill), groups) in columns.into_iter().zip(missing).zip(overall).zip(&mut groups) {
            let Some(fill) = fill else {
                // Values are there, but the middle of infinities is no number, and a count beyond 64 bits is none here.
                if missing < rows {
                    unusable.push(format!("`{name}`"));
                } else {
                    fitted.dropped.push(name);
                }
                continue;
            };
            groups.retain(|_, value| *value != fill);
            let indicator = self.add_indicator && missing > 0;
            if indicator && on.table.has(&indicator_name(&name)) {
                taken.push(format!("`{}`", indicator_name(&name)));
            }
            fitted.columns.push(Filled { name, fill, groups: std::mem::take(groups), indicator, missing });
        }
        if !unusable.is_empty() {
            return Err(Error::data(format!("`impute` finds infinite or too large values in {}", unusable.join(", "))).hint(CLIP_FIRST));
        }
        if taken.is_empty() {
            return Ok(fitted);
        }
        Err(Error::data(format!("`add_indicator` would replace columns that are there: {}", taken.join(", "))).hint("rename them before `impute`"))
    }
}

impl Impute {
    /// Medians into exactly these columns.
    pub(super) fn medians(columns: &[String]) -> Self {
        Self { columns: Some(Selector::names(columns)), ..Self::default() }
    }

    /// Adds `<name>_missing` for columns with missing values in training.
    pub(super) fn with_indicators(self) -> Self {
        Self { add_indicator: true, ..self }
    }

    fn columns(&self, on: Fit<'_>) -> Result<Vec<String>> {
        let by_moments = matches!(self.strategy, Strategy::Median | Strategy::Mean);
        let kinds: &[ColumnKind] =
            if by_moments { ColumnKind::NUMBERS } else { &[ColumnKind::Integer, ColumnKind::Float, ColumnKind::Boolean, ColumnKind::String] };
        match &self.columns {
            Some(selector) => {
                let columns = selector.resolve(on)?;
                require(Self::NAME, on.table, &columns, kinds)
                    .map_err(|error| if by_moments { error.hint("use `strategy: most_frequent` or `constant` for these") } else { error })?;
                Ok(columns)
            }
            None if by_moments => Selector::numeric().resolve(on),
            None => {
                let mut columns = Selector::all().resolve(on)?;
                columns.retain(|name| !self.by.contains(name) && on.table.schema().get(name).is_some_and(|dtype| kinds.contains(&ColumnKind::of(dtype))));
                Ok(columns)
            }
        }
    }

    /// One value a column; `None` where training has none.
    fn learn(&self, table: &Table, columns: &[String]) -> Result<Vec<Option<Fill>>> {
        match self.strategy {
            Strategy::Median => Ok(numbers(reduce::quantiles(table, columns, &[0.5])?.iter().map(|q| q.first().copied()))),
            Strategy::Mean => Ok(numbers(reduce::moments(table, columns)?.iter().map(|m| Some(m.mean)))),
            Strategy::MostFrequent => {
                let found = reduce::categories(table, columns, CATEGORY_LIMIT)?;
                Ok(columns.iter().zip(&found).map(|(name, found)| most_frequent(found, kind(table, name))).collect())
            }
            Strategy::Constant => self.constants(table, columns),
        }
    }

    /// The values of each group, column by column.
    fn learn_groups(&self, table: &Table, columns: &[String]) -> Result<Vec<BTreeMap<String, Fill>>> {
        let wanted: Vec<Expr> = columns.iter().map(|name| column(name)).chain([key(&self.by).alias(KEY)]).collect();
        let keyed = Table::from_query(table.lazy().select(wanted))?;
        let groups: BTreeMap<String, Vec<Option<Fill>>> = match self.strategy {
            Strategy::Median => {
                let found = reduce::group_quantiles(&keyed, KEY, columns, &[0.5])?;
                found.into_iter().map(|(group, q)| (group, numbers(q.iter().map(|q| q.first().copied())))).collect()
            }
            Strategy::Mean => {
                let found = reduce::group_moments(&keyed, KEY, columns)?;
                found.into_iter().map(|(group, m)| (group, numbers(m.iter().map(|m| Some(m.mean))))).collect()
            }
            Strategy::MostFrequent => {
                let found = reduce::group_categories(&keyed, KEY, columns)?;
                let modes = |found: &[Categories]| columns.iter().zip(found).map(|(name, found)| most_frequent(found, kind(table, name))).collect();
                found.into_iter().map(|(group, found)| (group, modes(&found))).collect()
            }
            Strategy::Constant => BTreeMap::new(),
        };
        let mut by_column = vec![BTreeMap::new(); columns.len()];
        for (group, fills) in groups {
            for (values, fill) in by_column.iter_mut().zip(fills) {
                if let Some(fill) = fill {
                    values.insert(group.clone(), fill);
                }
            }
        }
        Ok(by_column)
    }

    fn constants(&self, table: &Table, columns: &[String]) -> Result<Vec<Option<Fill>>> {
        let mut bad = Vec::new();
        let mut fills = Vec::new();
        for name in columns {
            let kind = kind(table, name);
            let fill = match (&self.fill_value, kind) {
                (None, ColumnKind::String) => Fill::Text("missing_value".to_owned()),
                (None, ColumnKind::Boolean) => Fill::Boolean(false),
                (None, ColumnKind::Float) => Fill::Float(0.0),
                (None, _) => Fill::Integer(0),
                (Some(Fill::Integer(n)), ColumnKind::Float) => Fill::Float(*n as f64),
                (Some(Fill::Integer(n)), ColumnKind::String) => Fill::Text(n.to_string()),
                (Some(Fill::Float(n)), ColumnKind::String) => Fill::Text(n.to_string()),
                (Some(Fill::Boolean(b)), ColumnKind::String) => Fill::Text(b.to_string()),
                (Some(fill), _) => fill.clone(),
            };
            let fits = match kind {
                ColumnKind::Integer | ColumnKind::Float => matches!(fill, Fill::Integer(_) | Fill::Float(_)),
                ColumnKind::Boolean => matches!(fill, Fill::Boolean(_)),
                _ => true,
            };
            if !fits {
                bad.push(format!("`{name}` ({})", kind.name()));
            }
            fills.push(Some(fill));
        }
        if bad.is_empty() {
            return Ok(fills);
        }
        Err(Error::data(format!("`fill_value` does not suit the type of {}", bad.join(", "))).hint("give these columns an `impute` of their own"))
    }
}

fn indicator_name(name: &str) -> String {
    format!("{name}_missing")
}

fn kind(table: &Table, name: &str) -> ColumnKind {
    table.schema().get(name).map_or(ColumnKind::Other, ColumnKind::of)
}

/// Numbers as fill values; none where there was no value or it is no finite number.
fn numbers(numbers: impl Iterator<Item = Option<f64>>) -> Vec<Option<Fill>> {
    numbers.map(|n| n.filter(|n| n.is_finite()).map(Fill::Float)).collect()
}

/// The value with the largest count; of several, the smallest, by number or by text.
fn most_frequent(found: &Categories, kind: ColumnKind) -> Option<Fill> {
    let most = found.counts.values().max()?;
    let values = found.counts.iter().filter(|(_, count)| *count == most).map(|(text, _)| text);
    match kind {
        ColumnKind::Integer => values.filter_map(|text| text.parse().ok()).min().map(Fill::Integer),
        ColumnKind::Float => values.filter_map(|text| text.parse().ok()).filter(|n: &f64| n.is_finite()).min_by(f64::total_cmp).map(Fill::Float),
        ColumnKind::Boolean => values.min().map(|text| Fill::Boolean(text == "true")),
        _ => values.min().cloned().map(Fill::Text),
    }
}

/// The group of a row as text.
fn key(by: &[String]) -> Expr {
    let parts: Vec<Expr> = by.iter().map(|name| column(name).cast(DataType::String).fill_null(lit(MISSING_KEY))).collect();
    concat_str(parts, BETWEEN, false)
}

impl Fill {
    fn literal(&self) -> Expr {
        match self {
            Self::Boolean(value) => lit(*value),
            Self::Integer(value) => lit(*value),
            Self::Float(value) => lit(*value),
            Self::Text(value) => lit(value.as_str()),
        }
    }

    fn lower(&self, on: &mut Lowering) -> Id {
        match self {
            Self::Boolean(value) => on.program.number(f64::from(u8::from(*value))),
            Self::Integer(value) => on.program.number(*value as f64),
            Self::Float(value) => on.program.number(*value),
            Self::Text(value) => on.program.text(value),
        }
    }

    fn dtype(&self) -> DataType {
        match self {
            Self::Boolean(_) => DataType::Boolean,
            Self::Integer(_) => DataType::Int64,
            Self::Float(_) => DataType::Float64,
            Self::Text(_) => DataType::String,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Text(value) => value.clone(),
        }
    }
}

/// Many fill values of one type as a column of that type.
fn series<'a>(fills: impl Iterator<Item = &'a Fill> + Clone, dtype: &DataType) -> Series {
    let name = PlSmallStr::EMPTY;
    match dtype {
        DataType::Boolean => fills.map(|fill| matches!(fill, Fill::Boolean(true))).collect::<BooleanChunked>().into_series(),
        DataType::Int64 => Int64Chunked::from_iter_options(name, fills.map(|fill| if let Fill::Integer(n) = fill { Some(*n) } else { None })).into_series(),
        DataType::Float64 => Float64Chunked::from_iter_options(name, fills.map(|fill| if let Fill::Float(n) = fill { Some(*n) } else { None })).into_series(),
        _ => StringChunked::from_iter_values(name, fills.map(Fill::text)).into_series(),
    }
}

impl Filled {
    fn expression(&self, by: &[String]) -> Expr {
        let dtype = self.fill.dtype();
        let fill = if self.groups.is_empty() {
            self.fill.literal()
        } else {
            let groups = Series::new(PlSmallStr::EMPTY, self.groups.keys().map(String::as_str).collect::<Vec<_>>());
            let values = series(self.groups.values(), &dtype);
            key(by).replace_strict(lit(groups), lit(values), Some(self.fill.literal()), Some(dtype.clone()))
        };
        // Strict: a whole number beyond 64 bits with sign must not count as missing.
        let value = column(&self.name).strict_cast(dtype.clone());
        let value = if dtype == DataType::Float64 { value.fill_nan(lit(NULL)) } else { value };
        value.fill_null(fill).alias(self.name.as_str())
    }

    fn indicator(&self) -> Option<Expr> {
        let missing = if self.fill.dtype() == DataType::Float64 {
            column(&self.name).cast(DataType::Float64).fill_nan(lit(NULL)).is_null()
        } else {
            column(&self.name).is_null()
        };
        self.indicator.then(|| missing.alias(indicator_name(&self.name)))
    }
}

impl FittedImpute {
    /// Is a row of a group?
    fn is_group(&self, group: &str, column: &Filled, on: &mut Lowering) -> Result<Id, Why> {
        let mut truths = Vec::with_capacity(self.by.len());
        for (place, (name, part)) in self.by.iter().zip(group.split(BETWEEN)).enumerate() {
            if part == MISSING_KEY {
                truths.push(on.is_missing(name)?);
                continue;
            }
            // One lookup for all groups: the number of the part among those of its column.
            let mut parts: Vec<String> = column.groups.keys().filter_map(|group| group.split(BETWEEN).nth(place).map(str::to_owned)).collect();
            parts.retain(|part| part != MISSING_KEY);
            parts.sort();
            parts.dedup();
            let number = parts.iter().position(|known| known == part).unwrap_or_default() as f64;
            let kind = match on.value(name)? {
                Value::Truth(_) => Kind::Boolean,
                Value::Moment(..) => Kind::Temporal,
                Value::Number(_) => Kind::Float,
                _ => Kind::String,
            };
            let values = Values::Numbers((0..parts.len()).map(|i| i as f64).chain([-1.0, -1.0]).collect());
            let code = on.level(name, kind, &parts, values)?;
            truths.push(on.program.equals(code, number));
        }
        Ok(on.program.add(Form::All(truths)))
    }
}

impl Apply for FittedImpute {
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        let filled = self.columns.iter().map(|c| c.expression(&self.by));
        let added = self.columns.iter().filter_map(Filled::indicator);
        let frame = frame.with_columns(filled.chain(added).collect::<Vec<_>>());
        Ok(frame.drop(by_name(self.dropped.iter().map(String::as_str), false, false)))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        let mut filled = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let is_missing = on.is_missing(&column.name)?;
            let values = column.groups.values().chain([&column.fill]);
            let mut values = values.map(|fill| fill.lower(on)).collect::<Vec<_>>();
            let fill = values.pop().ok_or_else(Why::said)?;
            let mut cases = Vec::with_capacity(values.len());
            for (group, value) in column.groups.keys().zip(values) {
                cases.push((self.is_group(group, column, on)?, value));
            }
            let fill = on.program.choose(cases, fill);
            let x = match (&column.fill, on.value(&column.name)?) {
                (Fill::Text(_), Value::Text(text)) => text,
                (Fill::Text(_), _) => return Err(Why::new(format!("fills `{}` with text", column.name))),
                _ => on.number(&column.name)?,
            };
            let x = on.program.choose(vec![(is_missing, fill)], x);
            let x = match column.fill {
                Fill::Text(_) => Value::Text(x),
                Fill::Boolean(_) => Value::Truth(on.program.equals(x, 1.0)),
                Fill::Integer(_) | Fill::Float(_) => Value::Number(x),
            };
            filled.push((column.name.clone(), x));
            if column.indicator {
                filled.push((indicator_name(&column.name), Value::Truth(is_missing)));
            }
        }
        for (name, value) in filled {
            on.set(&name, value);
        }
        on.drop(self.dropped.iter().map(String::as_str));
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let row = |c: &Filled| vec![Cell::Text(c.name.clone()), c.missing.into(), Cell::Text(c.fill.text()), c.groups.len().into()];
        let dropped = |name: &String| vec![Cell::Text(name.clone()), Cell::Missing, Cell::Bad("dropped: no value in training".to_owned()), Cell::Missing];
        let columns = ["column", "missing in training", "filled with", "groups of their own"].map(str::to_owned).to_vec();
        vec![card::Table { caption: String::new(), columns, rows: self.columns.iter().map(row).chain(self.dropped.iter().map(dropped)).collect() }]
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::{close, fit, fit_apply, fit_error, refused};

    fn sample() -> DataFrame {
        df!(
            "x" => [Some(1.0), None, Some(4.0), Some(f64::NAN), Some(10.0), Some(2.5)],
            "count" => [Some(3_i64), Some(10), Some(10), None, Some(3), Some(7)],
            "s" => [Some("b"), None, Some("a"), Some("b"), Some("a"), Some("c")],
            "ok" => [Some(true), None, Some(true), Some(false), Some(true), None],
            "g" => [Some("p"), Some("p"), Some("p"), Some("q"), None, None]
        )
        .unwrap()
    }

    #[test]
    fn it_agrees_with_scikit_learn() {
        let median = fit_apply(&sample(), "impute: {}");
        close(&median, "x", &[1.0, 3.25, 4.0, 3.25, 10.0, 2.5]);
        close(&median, "count", &[3.0, 10.0, 10.0, 7.0, 3.0, 7.0]);
        let mean = fit_apply(&sample(), "impute: {strategy: mean, columns: x}");
        close(&mean, "x", &[1.0, 4.375, 4.0, 4.375, 10.0, 2.5]);
        let mode = fit_apply(&sample(), "impute: {strategy: most_frequent}");
        // Of 3 and 10, and of "a" and "b", each twice, the smaller.
        assert_eq!(mode.column("count").unwrap().get(3).unwrap(), AnyValue::Int64(3));
        assert_eq!(mode.column("s").unwrap().str().unwrap().get(1), Some("a"));
        assert_eq!(mode.column("ok").unwrap().bool().unwrap().get(1), Some(true));
    }

    #[test]
    fn constants_suit_the_type_or_are_refused() {
        let filled = fit_apply(&sample(), "impute: {strategy: constant, columns: [s, count, x]}");
        assert_eq!(filled.column("s").unwrap().str().unwrap().get(1), Some("missing_value"));
        assert_eq!(filled.column("count").unwrap().get(3).unwrap(), AnyValue::Int64(0));
        let filled = fit_apply(&sample(), "impute: {strategy: constant, fill_value: 0.5, columns: numeric()}");
        close(&filled, "count", &[3.0, 10.0, 10.0, 0.5, 3.0, 7.0]);
        let error = fit_error(&sample(), "impute: {strategy: constant, fill_value: none, columns: [count, ok, s]}");
        assert_eq!(error.to_string(), "`fill_value` does not suit the type of `count` (integer), `ok` (boolean)");
        let error = fit_error(&sample(), "impute: {columns: [s, x]}");
        assert_eq!(error.to_string(), "`impute` takes integer, float, boolean columns, not `s` (str)");
        assert_eq!(refused("impute: {fill_value: 1}"), ["fill_value: only `strategy: constant` takes a fill_value"]);
    }

    #[test]
    fn groups_have_their_own_value_and_new_groups_the_overall_one() {
        let fitted = fit(&sample(), "impute: {columns: x, by: [g]}");
        let later = df!("x" => [None::<f64>, None, None, None], "g" => [Some("p"), Some("q"), None, Some("new")]).unwrap();
        // p: median of 1 and 4; q has no value; null: median of 10 and 2.5; overall 3.25.
        close(&fitted.apply(later.lazy()).unwrap().collect().unwrap(), "x", &[2.5, 3.25, 6.25, 3.25]);
        let fitted = fit(&sample(), "impute: {columns: [s, count], strategy: most_frequent, by: [g, ok]}");
        let later = df!("s" => [None::<&str>, None], "count" => [None::<i64>, None], "g" => [Some("q"), None], "ok" => [Some(false), Some(true)]).unwrap();
        let filled = fitted.apply(later.lazy()).unwrap().collect().unwrap();
        assert_eq!(filled.column("s").unwrap().str().unwrap().iter().collect::<Vec<_>>(), [Some("b"), Some("a")]);
        assert_eq!(fit_error(&sample(), "impute: {columns: x, by: [h, x]}").problems.len(), 1);
    }

    #[test]
    fn indicators_tell_where_values_were_missing_in_training_columns() {
        let frame = df!("x" => [Some(1.0), None, Some(f64::NAN)], "y" => [1.0, 2.0, 3.0], "empty" => [None::<f64>, None, None]).unwrap();
        let filled = fit_apply(&frame, "impute: {add_indicator: true}");
        assert_eq!(filled.get_column_names(), ["x", "y", "x_missing"]);
        assert_eq!(filled.column("x_missing").unwrap().bool().unwrap().iter().flatten().collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn values_without_a_middle_are_refused() {
        let frame = df!("x" => [Some(f64::INFINITY), Some(f64::NEG_INFINITY), None], "u" => [Some(u64::MAX), Some(u64::MAX), None]).unwrap();
        for (yaml, name) in [("{}", "x"), ("{strategy: mean, columns: x}", "x"), ("{strategy: most_frequent, columns: u}", "u")] {
            let error = fit_error(&frame, &format!("impute: {yaml}"));
            assert_eq!(error.to_string(), format!("`impute` finds infinite or too large values in `{name}`"));
        }
    }
}
