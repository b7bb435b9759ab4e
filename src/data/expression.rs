//! Expressions in recipe.yaml: SQL, worked out by polars.
//!
//! A [`RowExpression`] is worked out a row at a time (filters, derived columns, row tests), so it cannot
//! leak: aggregates, windows and queries in it are refused when it is parsed, by its words and again by
//! the tree that polars makes of them. An [`AggregateExpression`] gives one value of all rows (metrics,
//! `aggregate` tests). Both are plain text in configuration and are parsed once, where it is read.
//!
//! What SQL means here, where dialects differ:
//! - A column whose name is a keyword, holds blanks or signs, or begins with a digit stands in double quotes:
//!   `"trip distance" > 0`. Names are case-sensitive. Texts stand in single quotes.
//! - `/` divides exactly, also integers; `DIV(a, b)` rounds down. `%` and `MOD` take the divisor's sign: `-7 % 3` is 2.
//!   `ROUND` takes halves to even. `1 / 0` is infinity, `LN(0)` minus infinity, `DIV` and `%` by zero `NULL`. `STDDEV` and
//!   `VAR` divide by n − 1. Integers wrap round at 64 bits; `POWER` of integers with a negative exponent wants a `CAST(… AS DOUBLE)`.
//! - A comparison with `NULL` is `NULL`. NaN equals itself and is greater than every number.
//! - Dates are written `DATE '2024-06-01'` or `TIMESTAMP '2024-06-01 12:00:00'`; a plain text is not compared with a date.
//! - The time between two columns is a duration: in minutes `(b - a) / INTERVAL '1 minute'`; it compares with an
//!   interval: `b - a > INTERVAL '30 minutes'`.
//! - `CAST` fails on what does not fit; `TRY_CAST` gives `NULL`. `INT` has 32 bits, `BIGINT` 64.
//!
//! Not here: `**` (write `POWER`), `DATEDIFF`, `HASH`, the clock, random numbers, `LIKE` with `ESCAPE`, lists and structs.

mod scan;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::panic::catch_unwind;
use std::sync::{LazyLock, mpsc};

use polars::prelude::*;
use polars::sql::sql_expr;
use schemars::{JsonSchema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use self::scan::{Scope, scan};
use crate::data::Table;
use crate::data::contract::kind_name;
use crate::data::scalar::read_text;
use crate::error::{Error, Kind, Problem, Result, nearest, shorten};

/// What an expression must give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// True or false: filters and tests.
    Boolean,
    /// An integer, float or decimal, or true or false as 1 or 0: metrics.
    Number,
    Anything,
}

/// An SQL expression that is worked out a row at a time.
#[derive(Clone)]
pub struct RowExpression {
    text: String,
    expr: Expr,
}

/// An SQL expression that makes one value of all rows.
#[derive(Clone)]
pub struct AggregateExpression {
    text: String,
    expr: Expr,
}

impl RowExpression {
    /// Parses an expression.
    ///
    /// # Errors
    /// ([`Kind::Config`]) What is no expression, and whatever looks at more than its row.
    pub fn parse(text: &str) -> Result<Self> {
        let expr = read(text, Scope::Row)?;
        if (&expr).into_iter().all(is_row_wise) {
            Ok(Self { text: text.to_owned(), expr })
        } else {
            Err(Error::config(format!("an expression here must be worked out a row at a time: `{}`", shorten(text))))
        }
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// As many values as there are rows.
    pub fn expr(&self) -> Expr {
        self.expr.clone()
    }

    /// The columns it reads.
    #[must_use]
    pub fn columns(&self) -> BTreeSet<String> {
        columns(&self.expr)
    }

    /// Fits the expression these columns and give what is wanted?
    ///
    /// # Errors
    /// ([`Kind::Data`]) All unknown columns; ([`Kind::Config`]) types that do not fit.
    pub fn check_against(&self, schema: &Schema, wanted: Wanted) -> Result<()> {
        check_against(&self.text, &self.expr, schema, wanted)
    }
}

impl AggregateExpression {
    /// Parses an expression.
    ///
    /// # Errors
    /// ([`Kind::Config`]) What is no expression, and what does not reduce all rows to one value.
    pub fn parse(text: &str) -> Result<Self> {
        let expr = read(text, Scope::Whole)?;
        if reduces(&expr) && !columns(&expr).is_empty() || counts_rows(&expr) {
            return Ok(Self { text: text.to_owned(), expr });
        }
        Err(Error::config(format!("an expression here must make one value of all rows: `{}`", shorten(text)))
            .hint(format!("put each column inside an aggregate, such as `AVG(…)`; known: {}", scan::AGGREGATES.join(", "))))
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// One value. Work it out with [`evaluate`] or [`Self::number`]: the streaming engine knows fewer aggregates.
    pub fn expr(&self) -> Expr {
        self.expr.clone()
    }

    /// The columns it reads.
    #[must_use]
    pub fn columns(&self) -> BTreeSet<String> {
        columns(&self.expr)
    }

    /// Fits the expression these columns and give what is wanted?
    ///
    /// # Errors
    /// ([`Kind::Data`]) All unknown columns; ([`Kind::Config`]) types that do not fit.
    pub fn check_against(&self, schema: &Schema, wanted: Wanted) -> Result<()> {
        check_against(&self.text, &self.expr, schema, wanted)
    }

    /// The number it gives on a table; `None` where it is null. True is 1, false 0.
    ///
    /// # Errors
    /// As [`Self::check_against`], and where reading the table fails.
    pub fn number(&self, table: &Table) -> Result<Option<f64>> {
        self.check_against(table.schema(), Wanted::Number)?;
        Ok(evaluate(table, &[self])?.pop().and_then(number))
    }

    /// The same on rows in memory that hold its columns, which were checked before: for one set of rows after another.
    ///
    /// # Errors
    /// Where working it out fails.
    pub fn number_of(&self, rows: DataFrame) -> Result<Option<f64>> {
        Ok(work_out(rows, &[self])?.pop().and_then(number))
    }
}

/// The value of each expression on a table, in one pass.
///
/// The columns they name are held in memory (at most 8 bytes a number and row), each in one piece, and
/// worked out without the streaming engine: sums of floats then have the same bits at any thread count.
///
/// # Errors
/// Where reading the table or working out an expression fails.
pub fn evaluate(table: &Table, expressions: &[&AggregateExpression]) -> Result<Vec<AnyValue<'static>>> {
    let names: BTreeSet<String> = expressions.iter().flat_map(|expression| expression.columns()).collect();
    let mut frame = if names.is_empty() {
        // Only counts of rows: any column will do.
        table.lazy().select(table.names().take(1).map(column).collect::<Vec<_>>()).collect_with_engine(Engine::Streaming)?.unwrap_single()
    } else {
        table.lazy().select(names.iter().map(|name| column(name)).collect::<Vec<_>>()).collect_with_engine(Engine::Streaming)?.unwrap_single()
    };
    frame.rechunk_mut();
    work_out(frame, expressions)
}

/// True is 1, false 0.
fn number(value: AnyValue<'_>) -> Option<f64> {
    match value {
        AnyValue::Boolean(holds) => Some(f64::from(u8::from(holds))),
        value => value.extract::<f64>(),
    }
}

fn work_out(frame: DataFrame, expressions: &[&AggregateExpression]) -> Result<Vec<AnyValue<'static>>> {
    let outputs: Vec<Expr> = expressions.iter().enumerate().map(|(i, expression)| expression.expr().alias(format!("value {i}"))).collect();
    let row = frame.lazy().select(outputs).collect().map_err(|error| Error::data(readable(&error)))?;
    row.columns().iter().map(|value| Ok(value.get(0).map_or(AnyValue::Null, AnyValue::into_static))).collect()
}

/// A column by its exact name, whatever signs that has.
pub fn column(name: &str) -> Expr {
    Expr::Column(name.into())
}

fn read(text: &str, scope: Scope) -> Result<Expr> {
    const QUOTES: &str =
        "columns that are SQL words or hold blanks or signs stand in double quotes, texts in single ones: `\"trip distance\" > 0 AND state = 'NY'`";
    let sql = scan(text, scope)?;
    let expr =
        parse_deep(&sql)?.map_err(|error| Error::config(format!("cannot read the expression `{}`: {}", shorten(text), readable(&error))).hint(QUOTES))?;
    if let Expr::Alias(_, name) = &expr {
        return Err(Error::config(format!("`{}` behind an expression has no meaning: `{}`", shorten(name), shorten(text))).hint(QUOTES));
    }
    // polars takes a column's name such as "^a.*$" for a pattern over all columns.
    let expr = expr.map_expr(|node| match node {
        Expr::Selector(Selector::Matches(name)) => Expr::Column(name),
        node => node,
    });
    if (&expr).into_iter().any(|node| matches!(node, Expr::Selector(_))) {
        return Err(Error::config(format!("`*` stands for every column, and an expression gives one: `{}`", shorten(text))).hint("`COUNT(*)` counts rows"));
    }
    Ok(expr)
}

/// polars' parser calls itself once for each operator in a chain, so it has a thread whose stack the longest expression fits in.
fn parse_deep(sql: &str) -> Result<PolarsResult<Expr>> {
    const STACK_BYTES: usize = 64 << 20;
    type Parsed = std::thread::Result<PolarsResult<Expr>>;
    static PARSER: LazyLock<std::io::Result<mpsc::Sender<(String, mpsc::Sender<Parsed>)>>> = LazyLock::new(|| {
        let (sender, receiver) = mpsc::channel::<(String, mpsc::Sender<Parsed>)>();
        let serve = move || receiver.into_iter().for_each(|(sql, answer)| drop(answer.send(catch_unwind(|| sql_expr(&sql)))));
        std::thread::Builder::new().name("expressions".to_owned()).stack_size(STACK_BYTES).spawn(serve)?;
        Ok(sender)
    });
    let parser = PARSER.as_ref().map_err(|error| Error::new(Kind::Io, format!("cannot start a thread: {error}")))?;
    let (sender, answer) = mpsc::channel();
    let parsed = parser.send((sql.to_owned(), sender)).ok().and_then(|()| answer.recv().ok());
    parsed.and_then(std::result::Result::ok).ok_or_else(|| Error::config(format!("cannot read the expression `{}`", shorten(sql))))
}

/// Does the node keep to one row?
fn is_row_wise(node: &Expr) -> bool {
    match node {
        Expr::Column(_) | Expr::Literal(_) | Expr::BinaryExpr { .. } | Expr::Cast { .. } | Expr::Ternary { .. } => true,
        // The list of `x IN (1, 2)`.
        Expr::Agg(AggExpr::Implode { input, .. }) => matches!(**input, Expr::Literal(_)),
        Expr::Function { function, .. } => !reduces_itself(function),
        _ => false,
    }
}

/// Does the expression give one value of all rows?
fn reduces(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(_) | Expr::Len | Expr::Agg(_) => true,
        Expr::BinaryExpr { left, right, .. } => reduces(left) && reduces(right),
        Expr::Cast { expr, .. } => reduces(expr),
        Expr::Ternary { predicate, truthy, falsy } => reduces(predicate) && reduces(truthy) && reduces(falsy),
        Expr::Function { input, function } => reduces_itself(function) || input.iter().all(reduces),
        _ => false,
    }
}

/// Functions that make one value of all rows, as SQL's `SUM`, `COUNT(DISTINCT …)`, `QUANTILE_CONT` and `CORR` use them.
fn reduces_itself(function: &FunctionExpr) -> bool {
    matches!(
        function,
        FunctionExpr::NullCount
            | FunctionExpr::Quantile { .. }
            | FunctionExpr::Correlation { .. }
            | FunctionExpr::Boolean(BooleanFunction::Any { .. } | BooleanFunction::All { .. })
    )
}

fn counts_rows(expr: &Expr) -> bool {
    reduces(expr) && expr.into_iter().any(|node| matches!(node, Expr::Len))
}

fn columns(expr: &Expr) -> BTreeSet<String> {
    expr.into_iter().filter_map(|node| if let Expr::Column(name) = node { Some(name.to_string()) } else { None }).collect()
}

fn check_against(text: &str, expr: &Expr, schema: &Schema, wanted: Wanted) -> Result<()> {
    let unknown: Vec<Problem> = columns(expr).iter().filter(|name| !schema.contains(name)).map(|name| unknown_column(name, schema, text)).collect();
    if let Some(error) = Error::all(Kind::Data, unknown) {
        return Err(error);
    }
    // On no rows, so that only the types are worked out.
    let made = DataFrame::empty_with_schema(schema).lazy().select([expr.clone().alias("value")]).collect().map_err(|error| {
        let message = readable(&error);
        let is_about_dates = (message.contains("date") || message.contains("time")) && message.contains("str");
        let error = Error::config(format!("the expression `{}` does not fit the columns' types: {message}", shorten(text)));
        if is_about_dates { error.hint("a date is written `DATE '2024-06-01'`, a moment `TIMESTAMP '2024-06-01 12:00:00'`") } else { error }
    })?;
    let dtype = made.column("value")?.dtype().clone();
    let (fits, need) = match wanted {
        Wanted::Boolean => (dtype.is_bool() || dtype.is_null(), "true or false"),
        Wanted::Number => (dtype.is_numeric() || dtype.is_bool() || dtype.is_null(), "a number"),
        Wanted::Anything => (true, ""),
    };
    if fits { Ok(()) } else { Err(Error::config(format!("the expression `{}` gives {}, and {need} is wanted", shorten(text), kind_name(&dtype)))) }
}

fn unknown_column(name: &str, schema: &Schema, text: &str) -> Problem {
    let problem = Problem::misfit(format!("no column `{}` for the expression `{}`", shorten(name), shorten(text)));
    match nearest(name, schema.iter_names().map(PlSmallStr::as_str)) {
        Some(near) => problem.hint(format!("did you mean `{}`?", shorten(near))),
        None => problem,
    }
}

/// What polars says, in one line.
fn readable(error: &PolarsError) -> String {
    let full = error.to_string();
    let line = full.lines().next().unwrap_or_default();
    if line.contains("array element") {
        return "the list of `IN` takes plain values, not columns".to_owned();
    }
    // polars writes its syntax tree out where it does not know a form.
    if let Some((form, _)) =
        line.strip_prefix("expression ").filter(|line| line.contains("Span(")).and_then(|line| line.split_once(|c: char| !c.is_alphanumeric()))
    {
        return format!("this form of SQL is not supported: {form}");
    }
    // A regular expression's error draws a picture and ends with the reason.
    let line = if line.ends_with(':') { full.lines().last().unwrap_or_default().trim_start_matches("error: ") } else { line };
    let mut text: String = line.chars().take(200).collect();
    if line.chars().count() > 200 {
        text.push('…');
    }
    text
}

macro_rules! as_text {
    ($name:ident) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.text == other.text
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.text)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> schemars::Schema {
                json_schema!({"type": "string"})
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                read_text(deserializer, "an SQL expression", |text| {
                    Self::parse(text).map_err(|error| {
                        let said = error.problems.into_iter().map(|problem| match problem.hint {
                            Some(hint) => format!("{} ({hint})", problem.message),
                            None => problem.message,
                        });
                        said.collect::<Vec<_>>().join("; ")
                    })
                })
            }
        }
    };
}
as_text!(RowExpression);
as_text!(AggregateExpression);

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rows: numbers, texts and moments.
    fn frame() -> DataFrame {
        let at = |minutes: &[i64]| Column::new("".into(), minutes.iter().map(|m| m * 60_000_000).collect::<Vec<i64>>());
        let mut frame = df!(
            "a" => [4.0, -2.5], "b" => [Some(2.0), None], "n" => [7_i64, -7], "s" => ["New York", "x1"], "ok" => [true, false],
            "order" => [1_i64, 2], "trip distance" => [1_i64, 2], "^a.*$" => [5_i64, 6], "say \"hi\"" => [8_i64, 9], "1e3" => [1_i64, 3],
        )
        .unwrap();
        for (name, minutes) in [("t1", [600, 0]), ("t2", [690, 10])] {
            let moments = at(&minutes).cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap().with_name(name.into());
            frame.with_column(moments).unwrap();
        }
        frame
    }

    fn value(text: &str) -> String {
        let expression = match RowExpression::parse(text) {
            Ok(expression) => expression,
            Err(error) => return error.to_string(),
        };
        let made = frame().lazy().select([expression.expr().alias("v")]);
        let both = [Engine::Streaming, Engine::InMemory].map(|engine| match made.clone().collect_with_engine(engine) {
            Ok(made) => {
                let made = made.unwrap_single();
                let column = made.column("v").unwrap();
                (0..column.len()).map(|row| column.get(row).unwrap().to_string()).collect::<Vec<_>>().join(" ")
            }
            Err(error) => readable(&error),
        });
        assert_eq!(both[0], both[1], "{text}");
        both[0].clone()
    }

    #[test]
    fn what_sql_can_say_about_a_row() {
        let cases = [
            ("a + b * 2", "8.0 null"),
            ("POWER(a - 2, 2)", "4.0 20.25"),
            ("LN(EXP(a))", "4.0 -2.5"),
            ("LOG10(100)", "2.0"),
            ("CASE WHEN a > 0 THEN 'up' ELSE 'down' END", "\"up\" \"down\""),
            ("COALESCE(b, 0)", "2.0 0.0"),
            ("a BETWEEN 0 AND 5", "true false"),
            ("s LIKE 'New%'", "true false"),
            ("s ILIKE 'new_york'", "true false"),
            ("REGEXP_LIKE(s, '^x[0-9]$')", "false true"),
            ("CAST(n AS DOUBLE) / 2", "3.5 -3.5"),
            ("TRY_CAST(s AS DOUBLE)", "null null"),
            ("n / 2", "3.5 -3.5"),
            ("DIV(n, 2)", "3 -4"),
            ("n % 3", "1 2"),
            ("ROUND(a)", "4.0 -2.0"),
            ("ROUND(a / 3, 2)", "1.33 -0.83"),
            ("ABS(a)", "4.0 2.5"),
            ("SIGN(a)", "1.0 -1.0"),
            ("FLOOR(a)", "4.0 -3.0"),
            ("GREATEST(a, n)", "7.0 -2.5"),
            ("EXTRACT(HOUR FROM t1)", "10 0"),
            ("DATE_PART('minute', t2)", "30 10"),
            ("(t2 - t1) / INTERVAL '1 minute'", "90.0 10.0"),
            ("(EXTRACT(EPOCH FROM t2) - EXTRACT(EPOCH FROM t1)) / 60", "90.0 10.0"),
            ("t2 - t1 > INTERVAL '30 minutes'", "true false"),
            ("t1 + INTERVAL '1 day' > TIMESTAMP '1970-01-02 01:00:00'", "true false"),
            ("CAST(t1 AS DATE) = DATE '1970-01-01'", "true true"),
            ("n IN (7, 8)", "true false"),
            ("s NOT IN ('x1')", "true false"),
            ("b IS NULL", "false true"),
            ("NOT ok", "false true"),
            ("ok AND a > 1e-3", "true false"),
            ("a - -1", "5.0 -1.5"),
            ("SUBSTR(s, 2)", "\"ew York\" \"1\""),
            ("UPPER(TRIM(s)) || '!'", "\"NEW YORK!\" \"X1!\""),
            ("CONCAT(s, '-', n)", "\"New York-7\" \"x1--7\""),
            ("LENGTH(s)", "8 2"),
            ("\"order\" + \"trip distance\" + \"^a.*$\" + \"say \"\"hi\"\"\" + \"1e3\"", "16 22"),
            ("SIN(0) + a", "4.0 -2.5"),
        ];
        let found: Vec<(&str, String)> = cases.iter().map(|(text, _)| (*text, value(text))).collect();
        let wrong: Vec<_> = found.iter().zip(&cases).filter(|(found, case)| found.1 != case.1).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn what_leaks_or_is_no_expression_is_refused_with_a_reason() {
        let refused = [
            ("a > AVG(a)", "an aggregate here would leak: `AVG` looks at all rows, and this is worked out a row at a time: `a > AVG(a)`"),
            ("COUNT(*)", "an aggregate here would leak: `COUNT` looks at all rows, and this is worked out a row at a time: `COUNT(*)`"),
            ("\"sum\"(a)", "a function's name takes no quotes: \"sum\": `\"sum\"(a)`"),
            ("LAG(a) OVER (ORDER BY b)", "`LAG` looks at other rows or makes several values of one, which an expression must not: `LAG(a) OVER (ORDER BY b)`"),
            (
                "ABS(a) OVER (PARTITION BY b)",
                "a window function looks at other rows, so it would leak what a row must not know: `ABS(a) OVER (PARTITION BY b)`",
            ),
            ("a IN (SELECT x FROM read_csv('/etc/passwd'))", "a query cannot stand in an expression: `a IN (SELECT x FROM read_csv('/etc/passwd'))`"),
            ("a = ANY(b)", "`ANY` asks a query, which cannot stand in an expression: `a = ANY(b)`"),
            ("a > 0; DROP", "one expression is wanted, and `;` ends a statement: `a > 0; DROP`"),
            ("a b", "`b` behind an expression has no meaning: `a b`"),
            ("a -- b", "a comment cannot stand in an expression: `a -- b`"),
            ("t.a > 0", "a name before a dot stands for a table, and there is none here: `t.a > 0`"),
            ("'open", "a text is not closed: `'open`"),
            ("E'\\' OR ' > 0", "a text takes no letter before its quotes: `E'\\' OR ' > 0`"),
            ("$$a$$ = s", "`$` has no meaning in an expression: `$$a$$ = s`"),
            ("2nd > 0", "a name that begins with a digit must stand in double quotes: `2nd > 0`"),
            ("LGO10(a)", "unknown function `LGO10`: `LGO10(a)`"),
            ("SUBSTR(s, n)", "`SUBSTR` with two arguments wants a plain number for the second: `SUBSTR(s, n)`"),
            ("\"*\" > 0", "`*` stands for every column, and an expression gives one: `\"*\" > 0`"),
            ("order > 1", "cannot read the expression `order > 1`: expected an expression (found 'order' clause)"),
            ("a >", "cannot read the expression `a >`: unable to parse 'a >' as Expr"),
            ("a IN (b)", "cannot read the expression `a IN (b)`: the list of `IN` takes plain values, not columns"),
            ("CAST(a AS HUGEINT)", "unknown type `HUGEINT`: `CAST(a AS HUGEINT)`"),
            ("a::FOO > 0", "unknown type `FOO`: `a::FOO > 0`"),
            ("CAST(a AS DECIMAL(50, 2))", "`DECIMAL` has 1 to 38 digits, and no more than that behind the point: `CAST(a AS DECIMAL(50, 2))`"),
            ("t1 + INTERVAL '3 parsecs' > t2", "there is no interval '3 parsecs': `t1 + INTERVAL '3 parsecs' > t2`"),
            ("t1 > DATE '2024-02-30'", "there is no date '2024-02-30': `t1 > DATE '2024-02-30'`"),
            ("GREATEST()", "`GREATEST` wants something in its brackets: `GREATEST()`"),
            ("a[1]", "lists have no place in an expression: `a[1]`"),
            ("(a, b)", "cannot read the expression `(a, b)`: this form of SQL is not supported: Tuple"),
            ("  ", "an expression is empty"),
        ];
        let found: Vec<(&str, String)> = refused.iter().map(|(text, _)| (*text, value(text))).collect();
        let wrong: Vec<_> = found.iter().zip(&refused).filter(|(found, case)| found.1 != case.1).map(|(found, _)| found).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        let hint = RowExpression::parse("LGO10(a)").unwrap_err().problems.remove(0).hint;
        assert_eq!(hint.as_deref(), Some("did you mean `LOG10`?"));
        assert_eq!(
            RowExpression::parse(&vec!["a"; 600].join("+")).unwrap_err().to_string(),
            "an expression is too long: 1199 words and signs, 1000 are allowed"
        );
    }

    #[test]
    fn the_deepest_expression_that_is_read_can_be_worked_out() {
        let chain = vec!["a"; 500].join("+");
        let expression = RowExpression::parse(&chain).unwrap();
        let made = frame().lazy().select([expression.expr()]).collect_with_engine(Engine::Streaming).unwrap().unwrap_single();
        assert_eq!(made.columns()[0].get(0).unwrap(), AnyValue::Float64(2000.0));
        let nested = format!("{}a{}", "(".repeat(400), ")".repeat(400));
        assert_eq!(RowExpression::parse(&nested).unwrap_err().kind, Kind::Config);
    }

    #[test]
    fn all_unknown_columns_are_named_and_types_must_fit() {
        let schema = frame().schema().clone();
        let check = |text: &str, wanted| RowExpression::parse(text).unwrap().check_against(&schema, wanted).map_err(|error| error.to_string());
        assert_eq!(check("\"trip distance\" > 0 AND ok", Wanted::Boolean), Ok(()));
        let error = RowExpression::parse("oder > 0 AND zebra = 1").unwrap().check_against(&schema, Wanted::Boolean).unwrap_err();
        let found: Vec<(&str, Option<&str>)> = error.problems.iter().map(|p| (p.message.as_str(), p.hint.as_deref())).collect();
        assert_eq!(
            found,
            [
                ("no column `oder` for the expression `oder > 0 AND zebra = 1`", Some("did you mean `order`?")),
                ("no column `zebra` for the expression `oder > 0 AND zebra = 1`", None)
            ]
        );
        assert_eq!(check("a + 1", Wanted::Boolean), Err("the expression `a + 1` gives float, and true or false is wanted".to_owned()));
        assert_eq!(
            check("s > 3", Wanted::Boolean),
            Err("the expression `s > 3` does not fit the columns' types: cannot compare string with numeric type (i32)".to_owned())
        );
        let dates = RowExpression::parse("t1 > '2024-01-01'").unwrap().check_against(&schema, Wanted::Boolean).unwrap_err();
        assert_eq!(dates.problems[0].hint.as_deref(), Some("a date is written `DATE '2024-06-01'`, a moment `TIMESTAMP '2024-06-01 12:00:00'`"));
    }

    #[test]
    fn an_aggregate_makes_one_value_of_all_rows() {
        let table = Table::of(frame());
        let number = |text: &str| AggregateExpression::parse(text).unwrap().number(&table).unwrap();
        let cases = [
            ("SUM(a) / COUNT(*)", Some(0.75)),
            ("COUNT(b)", Some(1.0)),
            ("COUNT(DISTINCT \"order\")", Some(2.0)),
            ("SUM(POWER(a - AVG(a), 2))", Some(21.125)),
            ("SUM(CASE WHEN a > 0 THEN n ELSE 0 END) / SUM(ABS(n))", Some(0.5)),
            ("QUANTILE_CONT(a, 0.5) - MEDIAN(a)", Some(0.0)),
            ("SUM(a) FILTER (WHERE a > 0)", Some(4.0)),
            ("AVG(a) > 0", Some(1.0)),
            ("MAX(b)", Some(2.0)),
            ("CORR(a, n)", Some(1.0)),
            ("STDDEV(\"order\") * SQRT(2)", Some(1.0)),
            ("SUM(b) FILTER (WHERE a < 0)", None),
        ];
        let found: Vec<_> = cases.iter().map(|(text, _)| (*text, number(text).map(|x| (x * 1e9).round() / 1e9))).collect();
        assert_eq!(found, cases);
        for text in ["a", "a - AVG(a)", "1 + 1", "CASE WHEN ok THEN SUM(a) ELSE 0 END"] {
            let error = AggregateExpression::parse(text).unwrap_err();
            assert_eq!(error.to_string(), format!("an expression here must make one value of all rows: `{text}`"));
        }
        let unknown = AggregateExpression::parse("SUM(z)").unwrap().number(&table).unwrap_err();
        assert_eq!((unknown.kind, unknown.to_string().as_str()), (Kind::Data, "no column `z` for the expression `SUM(z)`"));
    }

    #[test]
    fn in_a_configuration_it_is_its_text() {
        let expression: RowExpression = serde_json::from_str("\"a > 1e-3\"").unwrap();
        assert_eq!((serde_json::to_string(&expression).unwrap().as_str(), expression.columns()), ("\"a > 1e-3\"", BTreeSet::from(["a".to_owned()])));
        let error = serde_json::from_str::<RowExpression>("\"LGO(a)\"").unwrap_err().to_string();
        assert_eq!(error, "unknown function `LGO`: `LGO(a)` (did you mean `LOG`?) at line 1 column 8");
    }
}
