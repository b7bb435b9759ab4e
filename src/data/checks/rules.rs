//! From a contract and tests to what has to be worked out on one table.

use chrono::{DateTime, TimeDelta, Utc};
use polars::prelude::*;

use crate::data::contract::{ColumnContract, Contract, Severity, kind_name};
use crate::data::data_test::{ColumnPair, DataTest, Operator};
use crate::data::expression::{AggregateExpression, RowExpression, Wanted, column};
use crate::data::fingerprint::Missing;
use crate::data::scalar::{Scalar, moment};
use crate::error::{nearest, shorten};

/// One thing to find out about the table.
pub(super) struct Rule {
    pub name: String,
    pub column: Option<String>,
    pub severity: Severity,
    pub plan: Plan,
}

/// How it is found out.
pub(super) enum Plan {
    /// Known from the columns' names and types.
    Settled { failing: u64, detail: String },
    /// It names a column that is not there: what is said of that.
    NoColumn(String),
    /// Each row by itself, counted in the one query.
    Rows(RowPlan),
    /// One value and whether it is as wanted, in the one query.
    Value { value: Expr, holds: Expr, wanted: String },
    /// Rows one after the other, in order.
    Ordered { ordered: Ordered, only: Option<Expr> },
    /// The share of each value of a column.
    Classes { column: String, only: Option<Expr>, min: Option<f64>, max: Option<f64> },
    /// An expression over all rows.
    Aggregate(AggregateExpression),
}

pub(super) struct RowPlan {
    /// Rows that are looked at. Never null.
    pub looked_at: Expr,
    /// Rows that are looked at and do not hold. Never null.
    pub fails: Expr,
    /// Columns whose values a sample shows.
    pub shown: Vec<String>,
    pub mostly: f64,
    /// What is wrong with a failing row: `outside 0 to 500`.
    pub fault: String,
}

/// What wants the rows in order.
pub(super) enum Ordered {
    Repeats { columns: Vec<String>, missing: Missing, mostly: f64 },
    Distinct { column: String, min: Option<u64>, max: Option<u64> },
    Increasing { column: String, strictly: bool, mostly: f64 },
    Figure { column: String, figure: Figure, min: Option<f64>, max: Option<f64> },
}

#[derive(Clone, Copy)]
pub(super) enum Figure {
    Mean,
    Deviation,
    Sum,
    Quantile(f64),
}

impl Ordered {
    pub fn columns(&self) -> &[String] {
        match self {
            Self::Repeats { columns, .. } => columns,
            Self::Distinct { column, .. } | Self::Increasing { column, .. } | Self::Figure { column, .. } => std::slice::from_ref(column),
        }
    }
}

/// Every rule of a contract: columns by name, for each its presence or type first.
pub(super) fn of_contract(contract: &Contract, schema: &Schema) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (name, column) in &contract.columns {
        let rule = |what: &str, plan: Plan| Rule { name: what.to_owned(), column: Some(name.clone()), severity: column.severity, plan };
        let Some(dtype) = schema.get(name) else {
            rules.push(rule("present", Plan::NoColumn(no_column(name, schema))));
            continue;
        };
        let fits = match column.kind {
            None => {
                rules.push(rule("present", settled(Ok(kind_name(dtype).to_owned()))));
                true
            }
            Some(kind) if kind.fits(dtype) => {
                rules.push(rule("type", settled(Ok(kind.name().to_owned()))));
                true
            }
            Some(kind) => {
                rules.push(rule("type", settled(Err(format!("found {}, wanted {}", kind_name(dtype), kind.name())))));
                false
            }
        };
        let target = Target { name, dtype, only: None, mostly: 1.0 };
        rules.extend(of_column(column, &target, fits).into_iter().map(|(what, plan)| rule(what, plan.unwrap_or_else(|detail| settled(Err(detail))))));
    }
    if contract.strict {
        let extra: Vec<String> =
            schema.iter_names().filter(|name| !contract.columns.contains_key(name.as_str())).map(|name| format!("`{}`", shorten(name))).collect();
        let plan = if extra.is_empty() {
            settled(Ok("no other columns".to_owned()))
        } else {
            Plan::Settled { failing: extra.len() as u64, detail: format!("not in the contract: {}", extra.join(", ")) }
        };
        rules.push(Rule { name: "strict".to_owned(), column: None, severity: Severity::Error, plan });
    }
    rules
}

/// The rules on a column's values; where its type is wrong, only those that hold for every type.
fn of_column<'a>(column: &ColumnContract, target: &Target<'_>, fits: bool) -> Vec<(&'a str, Result<Plan, String>)> {
    let mut plans: Vec<(&str, Result<Plan, String>)> = Vec::new();
    if column.not_null {
        plans.push(("not_null", Ok(target.not_null())));
    }
    if column.unique {
        let columns = vec![target.name.to_owned()];
        plans.push(("unique", Ok(Plan::Ordered { ordered: Ordered::Repeats { columns, missing: Missing::Skipped, mostly: 1.0 }, only: None })));
    }
    if !fits {
        return plans;
    }
    if let Some(values) = &column.values {
        plans.push(("in", target.values(values, true)));
    }
    let (min, max) = column.bounds();
    if min.is_some() || max.is_some() {
        plans.push(("range", target.range(min, max, false)));
    }
    if let Some(pattern) = &column.regex {
        plans.push(("regex", target.regex(pattern)));
    }
    if let Some(length) = column.length {
        plans.push(("length", target.length(Some(length.min), Some(length.max))));
    }
    plans
}

/// The rule of a test. One that cannot run on this table fails, and says why.
pub(super) fn of_test(test: &DataTest, schema: &Schema, now: DateTime<Utc>) -> Rule {
    let (column, name) = match test {
        DataTest::Expression(t) => (None, t.name.clone().unwrap_or_else(|| format!("expression: {}", t.sql.text()))),
        DataTest::Aggregate(t) => (None, t.name.clone().unwrap_or_else(|| format!("aggregate: {}", t.sql.text()))),
        DataTest::ColumnPair(t) => (None, format!("column_pair: {} {} {}", t.column, t.operator.sign(), t.other)),
        DataTest::Unique(t) if t.columns.len() > 1 => (None, format!("unique: {}", t.columns.join(", "))),
        _ => (column_of(test).map(str::to_owned), test.name().to_owned()),
    };
    let plan = match columns_of(test).into_iter().find(|name| schema.get(name).is_none()) {
        Some(missing) => Plan::NoColumn(no_column(missing, schema)),
        None => plan(test, schema, now).unwrap_or_else(|detail| settled(Err(detail))),
    };
    Rule { name, column, severity: test.severity(), plan }
}

/// The columns that a test names by themselves, not in an expression.
fn columns_of(test: &DataTest) -> Vec<&str> {
    match test {
        DataTest::ColumnPair(t) => vec![&t.column, &t.other],
        DataTest::Unique(t) => t.columns.iter().map(String::as_str).collect(),
        DataTest::NoDuplicates(t) => t.columns.iter().map(String::as_str).collect(),
        _ => column_of(test).into_iter().collect(),
    }
}

fn column_of(test: &DataTest) -> Option<&str> {
    match test {
        DataTest::NullShare(t) => Some(&t.column),
        DataTest::NotNull(t) => Some(&t.column),
        DataTest::In(t) | DataTest::NotIn(t) => Some(&t.column),
        DataTest::Range(t) => Some(&t.column),
        DataTest::Regex(t) => Some(&t.column),
        DataTest::Length(t) => Some(&t.column),
        DataTest::Unique(t) => t.columns.first().map(String::as_str),
        DataTest::Increasing(t) => Some(&t.column),
        DataTest::Constant(t) => Some(&t.column),
        DataTest::DistinctCount(t) => Some(&t.column),
        DataTest::Min(t) | DataTest::Max(t) => Some(&t.column),
        DataTest::Mean(t) | DataTest::Median(t) | DataTest::Stdev(t) | DataTest::Sum(t) => Some(&t.column),
        DataTest::Quantile(t) => Some(&t.column),
        DataTest::ClassBalance(t) => Some(&t.column),
        DataTest::Freshness(t) => Some(&t.column),
        DataTest::RowCount(_) | DataTest::Expression(_) | DataTest::ColumnPair(_) | DataTest::NoDuplicates(_) | DataTest::Aggregate(_) => None,
    }
}

fn plan(test: &DataTest, schema: &Schema, now: DateTime<Utc>) -> Result<Plan, String> {
    let (only, mostly) = test.rows();
    let only = only.map(|only| condition(only, schema).map(|expr| expr.fill_null(lit(false)))).transpose()?;
    let mostly = mostly.unwrap_or(1.0);
    let of = |name: &'_ str| -> Result<DataType, String> { schema.get(name).cloned().ok_or_else(|| no_column(name, schema)) };
    let on = |name, dtype| Target { name, dtype, only: only.clone(), mostly };
    let ordered = |ordered| Plan::Ordered { ordered, only: only.clone() };
    let figure = |t: &crate::data::data_test::Figure, figure| {
        numeric(&t.column, &of(&t.column)?)?;
        Ok(ordered(Ordered::Figure { column: t.column.clone(), figure, min: t.min, max: t.max }))
    };
    match test {
        DataTest::RowCount(t) => {
            let value = only.clone().map_or_else(len, Expr::sum).cast(DataType::Int64);
            let bound = |bound: Option<u64>| bound.map(|bound| Scalar::new(bound.to_string()));
            between(value, &DataType::Int64, bound(t.min).as_ref(), bound(t.max).as_ref())
        }
        DataTest::NullShare(t) => Ok(on(&t.column, &of(&t.column)?).null_share(t.max)),
        DataTest::NotNull(t) => Ok(on(&t.column, &of(&t.column)?).not_null()),
        DataTest::In(t) => on(&t.column, &of(&t.column)?).values(&t.values, true),
        DataTest::NotIn(t) => on(&t.column, &of(&t.column)?).values(&t.values, false),
        DataTest::Range(t) => on(&t.column, &of(&t.column)?).range(t.min.as_ref(), t.max.as_ref(), t.exclusive),
        DataTest::Regex(t) => on(&t.column, &of(&t.column)?).regex(&t.pattern),
        DataTest::Length(t) => on(&t.column, &of(&t.column)?).length(t.min, t.max),
        DataTest::Expression(t) => {
            let holds = condition(&t.sql, schema)?;
            Ok(row_plan(only, holds, t.sql.columns().into_iter().collect(), mostly, "where it is not true".to_owned()))
        }
        DataTest::ColumnPair(t) => column_pair(t, schema, only, mostly),
        DataTest::Unique(t) => Ok(ordered(Ordered::Repeats { columns: t.columns.clone(), missing: Missing::Skipped, mostly })),
        DataTest::NoDuplicates(t) => {
            let columns = if t.columns.is_empty() { schema.iter_names().map(ToString::to_string).collect() } else { t.columns.clone() };
            Ok(ordered(Ordered::Repeats { columns, missing: Missing::Equal, mostly }))
        }
        DataTest::Increasing(t) => {
            comparable(&t.column, &of(&t.column)?)?;
            Ok(ordered(Ordered::Increasing { column: t.column.clone(), strictly: t.strictly, mostly }))
        }
        DataTest::DistinctCount(t) => Ok(ordered(Ordered::Distinct { column: t.column.clone(), min: t.min, max: t.max })),
        DataTest::Mean(t) => figure(t, Figure::Mean),
        DataTest::Stdev(t) => figure(t, Figure::Deviation),
        DataTest::Sum(t) => figure(t, Figure::Sum),
        DataTest::Median(t) => figure(t, Figure::Quantile(0.5)),
        DataTest::Quantile(t) => {
            numeric(&t.column, &of(&t.column)?)?;
            Ok(ordered(Ordered::Figure { column: t.column.clone(), figure: Figure::Quantile(t.q), min: t.min, max: t.max }))
        }
        DataTest::Min(t) => {
            let dtype = of(&t.column)?;
            comparable(&t.column, &dtype)?;
            between(on(&t.column, &dtype).looked_at_values().min(), &dtype, t.min.as_ref(), t.max.as_ref())
        }
        DataTest::Max(t) => {
            let dtype = of(&t.column)?;
            comparable(&t.column, &dtype)?;
            between(on(&t.column, &dtype).looked_at_values().max(), &dtype, t.min.as_ref(), t.max.as_ref())
        }
        DataTest::Constant(t) => {
            let dtype = of(&t.column)?;
            comparable(&t.column, &dtype)?;
            let values = on(&t.column, &dtype).looked_at_values();
            let (least, most) = (values.clone().min(), values.max());
            Ok(Plan::Value { value: most.clone(), holds: least.eq(most).fill_null(lit(true)), wanted: "one value".to_owned() })
        }
        DataTest::ClassBalance(t) => Ok(Plan::Classes { column: t.column.clone(), only, min: t.min_share, max: t.max_share }),
        DataTest::Freshness(t) => {
            let dtype = of(&t.column)?;
            if !matches!(dtype, DataType::Date | DataType::Datetime(..)) {
                return Err(format!("wants dates or moments, and `{}` is {}", shorten(&t.column), kind_name(&dtype)));
            }
            let now = t.now.as_ref().and_then(|now| moment(now.text())).unwrap_or(now);
            let oldest = TimeDelta::try_seconds(t.max_age.seconds()).and_then(|age| now.checked_sub_signed(age)).unwrap_or(DateTime::<Utc>::MIN_UTC);
            let newest = column(&t.column).max();
            let in_micros = newest.clone().cast(DataType::Datetime(TimeUnit::Microseconds, None)).cast(DataType::Int64);
            let holds = in_micros.gt_eq(lit(oldest.timestamp_micros()));
            Ok(Plan::Value { value: newest, holds, wanted: format!("at most {} before {}", t.max_age, now.format("%Y-%m-%d %H:%M:%S")) })
        }
        DataTest::Aggregate(t) => {
            t.sql.check_against(schema, Wanted::Boolean).map_err(|error| error.to_string())?;
            Ok(Plan::Aggregate(t.sql.clone()))
        }
    }
}

/// A column whose values are looked at, and which of them.
struct Target<'a> {
    name: &'a str,
    dtype: &'a DataType,
    only: Option<Expr>,
    mostly: f64,
}

impl Target<'_> {
    fn missing(&self) -> Expr {
        let value = column(self.name);
        if self.dtype.is_float() { value.clone().is_null().or(value.is_nan().fill_null(lit(true))) } else { value.is_null() }
    }

    /// The values that are looked at, null in all other rows.
    fn looked_at_values(&self) -> Expr {
        let there = self.missing().not();
        let there = self.only.clone().map_or(there.clone(), |only| only.and(there));
        when(there).then(column(self.name)).otherwise(lit(NULL))
    }

    /// Of the values that are there, those that do not hold fail.
    fn values_that(&self, holds: Expr, fault: String) -> Plan {
        let there = self.missing().not();
        let looked_at = self.only.clone().map_or(there.clone(), |only| only.and(there));
        row_plan(Some(looked_at), holds, vec![self.name.to_owned()], self.mostly, fault)
    }

    fn not_null(&self) -> Plan {
        row_plan(self.only.clone(), self.missing().not(), vec![self.name.to_owned()], self.mostly, "missing".to_owned())
    }

    fn null_share(&self, max: f64) -> Plan {
        row_plan(self.only.clone(), self.missing().not(), vec![self.name.to_owned()], 1.0 - max, "missing".to_owned())
    }

    fn values(&self, values: &[Scalar], wanted: bool) -> Result<Plan, String> {
        let literals: Vec<Expr> = values.iter().map(|value| self.literal(value)).collect::<Result<_, _>>()?;
        let list = concat_literals(&literals, self.dtype)?;
        let found = column(self.name).is_in(lit(list).implode(false), false);
        let named: Vec<String> = values.iter().take(8).map(|value| format!("`{}`", shorten(value.text()))).collect();
        let more = if values.len() > named.len() { ", …" } else { "" };
        let named = format!("{}{more}", named.join(", "));
        Ok(if wanted { self.values_that(found, format!("not one of {named}")) } else { self.values_that(found.not(), format!("one of {named}")) })
    }

    fn range(&self, min: Option<&Scalar>, max: Option<&Scalar>, exclusive: bool) -> Result<Plan, String> {
        comparable(self.name, self.dtype)?;
        let value = || column(self.name);
        let above = min.map(|min| self.literal(min)).transpose()?.map(|min| if exclusive { value().gt(min) } else { value().gt_eq(min) });
        let below = max.map(|max| self.literal(max)).transpose()?.map(|max| if exclusive { value().lt(max) } else { value().lt_eq(max) });
        let holds = match (above, below) {
            (Some(above), Some(below)) => above.and(below),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return Err("neither a least nor a greatest value is given".to_owned()),
        };
        let fault = match (min, max) {
            (Some(min), Some(max)) if exclusive => format!("not between {min} and {max}"),
            (Some(min), Some(max)) => format!("outside {min} to {max}"),
            (Some(min), None) if exclusive => format!("not above {min}"),
            (Some(min), None) => format!("below {min}"),
            (_, Some(max)) if exclusive => format!("not below {max}"),
            (_, max) => format!("above {}", max.map(Scalar::text).unwrap_or_default()),
        };
        Ok(self.values_that(holds, fault))
    }

    fn regex(&self, pattern: &str) -> Result<Plan, String> {
        self.texts("regex")?;
        if let Some(bad) = crate::data::contract::bad_regex(pattern) {
            return Err(bad);
        }
        Ok(self.values_that(column(self.name).str().contains(lit(pattern), true), format!("not like `{}`", shorten(pattern))))
    }

    fn length(&self, min: Option<u32>, max: Option<u32>) -> Result<Plan, String> {
        self.texts("length")?;
        let length = || column(self.name).str().len_chars();
        let holds = length().gt_eq(lit(min.unwrap_or(0))).and(length().lt_eq(lit(max.unwrap_or(u32::MAX))));
        let fault = match (min, max) {
            (Some(min), Some(max)) if min == max => format!("not of {min} characters"),
            (Some(min), Some(max)) => format!("not of {min} to {max} characters"),
            (Some(min), None) => format!("of fewer than {min} characters"),
            (None, max) => format!("of more than {} characters", max.unwrap_or(u32::MAX)),
        };
        Ok(self.values_that(holds, fault))
    }

    fn texts(&self, what: &str) -> Result<(), String> {
        if self.dtype.is_string() || self.dtype.is_null() {
            Ok(())
        } else {
            Err(format!("`{what}` wants strings, and `{}` is {}", shorten(self.name), kind_name(self.dtype)))
        }
    }

    fn literal(&self, value: &Scalar) -> Result<Expr, String> {
        literal(value, self.dtype)
            .ok_or_else(|| format!("`{}` is not a value of `{}`, which is {}", shorten(value.text()), shorten(self.name), kind_name(self.dtype)))
    }
}

/// A column of nothing but nulls compares with anything.
fn literal(value: &Scalar, dtype: &DataType) -> Option<Expr> {
    if dtype.is_null() { Some(lit(NULL)) } else { value.literal(dtype) }
}

/// The values as a list of the column's own type; those the type cannot hold are in no row.
fn concat_literals(literals: &[Expr], dtype: &DataType) -> Result<Series, String> {
    let failed = |error: PolarsError| error.to_string();
    let mut list = Series::new_empty("values".into(), dtype);
    for literal in literals {
        let one = DataFrame::empty().lazy().select([literal.clone().alias("values")]).collect().map_err(failed)?;
        let one = one.column("values").map_err(failed)?.as_materialized_series().cast(dtype).map_err(failed)?;
        list.append(&one).map_err(failed)?;
    }
    Ok(list.drop_nulls())
}

fn row_plan(only: Option<Expr>, holds: Expr, shown: Vec<String>, mostly: f64, fault: String) -> Plan {
    // Where it is null nothing is known, and the row is not looked at.
    let known = holds.clone().is_not_null();
    let looked_at = only.map_or(known.clone(), |only| only.and(known));
    let fails = looked_at.clone().and(holds.not()).fill_null(lit(false));
    Plan::Rows(RowPlan { looked_at, fails, shown, mostly, fault })
}

fn column_pair(pair: &ColumnPair, schema: &Schema, only: Option<Expr>, mostly: f64) -> Result<Plan, String> {
    let dtypes = [&pair.column, &pair.other].map(|name| schema.get(name).ok_or_else(|| no_column(name, schema)));
    let [left_type, right_type] = dtypes;
    let (left_type, right_type) = (left_type?, right_type?);
    let are_numbers = left_type.is_numeric() && right_type.is_numeric();
    if !are_numbers && kind_name(left_type) != kind_name(right_type) {
        return Err(format!("`{}` is {} and `{}` is {}", shorten(&pair.column), kind_name(left_type), shorten(&pair.other), kind_name(right_type)));
    }
    let there = |name, dtype| Target { name, dtype, only: None, mostly }.missing().not();
    let both = there(&pair.column, left_type).and(there(&pair.other, right_type));
    let (left, right) = (column(&pair.column), column(&pair.other));
    let holds = match pair.operator {
        Operator::Equal => left.eq(right),
        Operator::Unequal => left.neq(right),
        Operator::Below => left.lt(right),
        Operator::AtMost => left.lt_eq(right),
        Operator::Above => left.gt(right),
        Operator::AtLeast => left.gt_eq(right),
    };
    let only = only.map_or(both.clone(), |only| only.and(both));
    Ok(row_plan(Some(only), holds, vec![pair.column.clone(), pair.other.clone()], mostly, "where it is not so".to_owned()))
}

fn between(value: Expr, dtype: &DataType, min: Option<&Scalar>, max: Option<&Scalar>) -> Result<Plan, String> {
    let bound = |bound: Option<&Scalar>| {
        bound.map(|bound| literal(bound, dtype).ok_or_else(|| format!("`{}` is not a value of type {}", shorten(bound.text()), kind_name(dtype)))).transpose()
    };
    let above = bound(min)?.map(|min| value.clone().gt_eq(min));
    let below = bound(max)?.map(|max| value.clone().lt_eq(max));
    let holds = match (above, below) {
        (Some(above), Some(below)) => above.and(below),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return Err("neither `min` nor `max` is given".to_owned()),
    };
    Ok(Plan::Value { value, holds, wanted: wanted(min, max) })
}

/// `0 to 500`, `3`, `at least 0`, `at most 500`.
pub(super) fn wanted<T: std::fmt::Display>(min: Option<T>, max: Option<T>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => {
            let (min, max) = (min.to_string(), max.to_string());
            if min == max { min } else { format!("{min} to {max}") }
        }
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "anything".to_owned(),
    }
}

fn condition(expression: &RowExpression, schema: &Schema) -> Result<Expr, String> {
    expression.check_against(schema, Wanted::Boolean).map_err(|error| error.to_string())?;
    if expression.columns().is_empty() {
        return Err(format!("`{}` names no column", shorten(expression.text())));
    }
    Ok(expression.expr())
}

fn numeric(name: &str, dtype: &DataType) -> Result<(), String> {
    if dtype.is_numeric() || dtype.is_bool() || dtype.is_null() {
        Ok(())
    } else {
        Err(format!("wants numbers, and `{}` is {}", shorten(name), kind_name(dtype)))
    }
}

fn comparable(name: &str, dtype: &DataType) -> Result<(), String> {
    if dtype.is_nested() { Err(format!("values of `{}` have no order: they are {}", shorten(name), kind_name(dtype))) } else { Ok(()) }
}

fn no_column(name: &str, schema: &Schema) -> String {
    match nearest(name, schema.iter_names().map(PlSmallStr::as_str)) {
        Some(near) => format!("no column `{}`; did you mean `{}`?", shorten(name), shorten(near)),
        None => format!("no column `{}`", shorten(name)),
    }
}

/// Known without reading: `Ok` passed, `Err` failed.
fn settled(outcome: Result<String, String>) -> Plan {
    match outcome {
        Ok(detail) => Plan::Settled { failing: 0, detail },
        Err(detail) => Plan::Settled { failing: 1, detail },
    }
}
