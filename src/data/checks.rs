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
use self::rules::{Plan, RowPlan, Rule, wanted};
use crate::card;
use crate::data::contract::{Contract, Severity};
use crate::data::data_test::DataTest;
use crate::data::expression::{column, evaluate};
use crate::data::table::Table;
use crate::error::{Error, Kind, Problem, Result, shorten};

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

    /// Every failure of severity `error` as one [`Kind::Data`] error; `None` where there is none.
    #[must_use]
    pub fn into_error(self) -> Option<Error> {
        let problems = self.errors().map(|outcome| Problem::new(outcome.sentence())).collect();
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
            Plan::NoColumn(detail) => whole(false, detail.clone()),
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

/// Columns that a contract and tests speak of and a table does not have: the section, and what is missing in words.
#[must_use]
pub fn absent(table: &Table, contract: &Contract, tests: &[DataTest]) -> Vec<(String, String)> {
    let schema = table.schema();
    let missing = |rule: &Rule| match &rule.plan {
        Plan::NoColumn(detail) if rule.severity == Severity::Error => Some(detail.clone()),
        _ => None,
    };
    let in_contract = rules::of_contract(contract, schema);
    let in_contract = in_contract.iter().filter_map(|rule| Some((format!("schema.{}", rule.column.as_deref().unwrap_or_default()), missing(rule)?)));
    // No test that looks at the clock fails for want of a column because of it.
    let in_tests =
        tests.iter().enumerate().filter_map(|(i, test)| Some((format!("tests[{i}]"), missing(&rules::of_test(test, schema, DateTime::UNIX_EPOCH))?)));
    in_contract.chain(in_tests).collect()
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
    let allowed = if mostly < 1.0 { format!(" (at least {} % must hold)", (mostly * 1e6).round() / 1e4) } else { String::new() };
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
    let counts =
        rows.select([column(name).alias("class")]).group_by([col("class")]).agg([len().alias("rows")]).collect_with_engine(Engine::Streaming)?.unwrap_single();
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
    let mut wanting = Vec::new();
    for (rule, outcome) in rules.iter().zip(outcomes) {
        if let Plan::Rows(plan) = &rule.plan
            && !outcome.passed
        {
            let flag = selection.expr(plan.fails.clone());
            let shown: Vec<(String, usize)> = plan.shown.iter().map(|name| (name.clone(), selection.column(name))).collect();
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
            for row in
                flags.iter().enumerate().filter(|(_, fails)| *fails == Some(true)).map(|(row, _)| row).take(SAMPLES.saturating_sub(outcome.samples.len()))
            {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contract(json: &str) -> Contract {
        let contract: Contract = serde_json::from_str(json).unwrap();
        contract.check().unwrap();
        contract
    }

    fn tests_of(json: &str) -> Vec<DataTest> {
        let tests: Vec<DataTest> = serde_json::from_str(json).unwrap();
        for test in &tests {
            test.check().unwrap();
        }
        tests
    }

    fn now() -> DateTime<Utc> {
        crate::data::scalar::moment("2016-02-03 12:00").unwrap()
    }

    /// Each outcome in a line.
    fn lines(frame: DataFrame, schema: &str, tests: &str) -> Vec<String> {
        let report = check(&Table::of(frame), &contract(schema), &tests_of(tests), now()).unwrap();
        let line = |o: &Outcome| {
            let samples = o.samples.iter().fold(String::new(), |line, s| format!("{line} {}:{}", s.row, s.value));
            let state = if o.passed {
                "ok"
            } else if o.severity == Severity::Warn {
                "WARN"
            } else {
                "FAIL"
            };
            format!("{state} {}.{} {}/{} {}{samples}", o.column.as_deref().unwrap_or("-"), o.name, o.failing, o.rows, o.detail)
        };
        report.outcomes.iter().map(line).collect()
    }

    fn rides() -> DataFrame {
        let days = Column::new("day".into(), [16_832_i32, 16_833, 16_834, 16_833, 16_834]).cast(&DataType::Date).unwrap();
        let mut frame = df!(
            "fare" => [Some(5.0), Some(-1.0), None, Some(f64::NAN), Some(600.0)],
            "n" => [1_i64, 2, 2, 3, 2],
            "pay" => [Some("cash"), Some("card"), Some("<img src=x onerror=alert(1)>"), None, Some("cash")],
            "ok" => [true, true, true, true, true],
        )
        .unwrap();
        frame.with_column(days).unwrap();
        frame
    }

    #[test]
    fn a_contract_reports_every_failure_with_rows() {
        let found = lines(
            rides(),
            r#"{"strict":true,
                "day":{"type":"date","range":["2016-02-01","2016-02-02"]},
                "fare":{"type":"double","not_null":true,"range":["0","500"]},
                "fares":{"type":"float"},
                "n":{"type":"string","unique":true,"regex":"^1","severity":"warn"},
                "pay":{"in":["cash","card"],"length":[4,5],"regex":"^ca"}}"#,
            "[]",
        );
        assert_eq!(
            found,
            [
                "ok day.type 0/5 date",
                "FAIL day.range 2/5 2 of 5 rows outside 2016-02-01 to 2016-02-02 3:2016-02-03 5:2016-02-03",
                "ok fare.type 0/5 float",
                "FAIL fare.not_null 2/5 2 of 5 rows missing 3:null 4:NaN",
                "FAIL fare.range 2/3 2 of 3 rows outside 0 to 500 2:-1.0 5:600.0",
                "FAIL fares.present 1/5 no column `fares`; did you mean `fare`?",
                "WARN n.type 1/5 found integer, wanted string",
                "WARN n.unique 2/5 2 of 5 rows the same as an earlier row 3:2 5:2",
                "ok pay.present 0/5 string",
                "FAIL pay.in 1/4 1 of 4 rows not one of `cash`, `card` 3:<img src=x onerror=alert(1)>",
                "FAIL pay.regex 1/4 1 of 4 rows not like `^ca` 3:<img src=x onerror=alert(1)>",
                "FAIL pay.length 1/4 1 of 4 rows not of 4 to 5 characters 3:<img src=x onerror=alert(1)>",
                "FAIL -.strict 1/5 not in the contract: `ok`",
            ]
        );
    }

    #[test]
    fn every_test_passes_and_fails_where_it_should() {
        let found = lines(
            rides(),
            "{}",
            r#"[{"row_count":{"min":5}},{"row_count":{"max":1,"where":"n = 2"}},
                {"null_share":{"column":"fare","max":0.4}},{"null_share":{"column":"fare","max":0.3}},
                {"not_null":{"column":"pay","mostly":0.8}},
                {"not_in":{"column":"n","values":["3","9"]}},{"in":{"column":"day","values":["2016-02-01"],"where":"n = 1"}},
                {"range":{"column":"n","min":"1","max":"3","exclusive":true,"mostly":0.5,"severity":"warn"}},
                {"length":{"column":"pay","max":4}},
                {"expression":{"sql":"fare > 0 OR pay = 'card'"}},{"expression":{"sql":"n < 3","name":"small","mostly":0.9}},
                {"column_pair":{"column":"n","operator":"<","other":"fare"}},
                {"unique":{"columns":["n","pay"]}},"no_duplicates",{"no_duplicates":{"columns":["ok","n"],"where":"n <> 2"}},
                {"increasing":{"column":"n"}},{"increasing":{"column":"day","strictly":true,"where":"n > 1","severity":"warn"}},
                {"constant":{"column":"ok"}},{"constant":{"column":"pay"}},
                {"distinct_count":{"column":"pay","max":2}},{"distinct_count":{"column":"n","min":3,"max":3}},
                {"min":{"column":"fare","min":"0"}},{"max":{"column":"day","max":"2016-02-03"}},
                {"mean":{"column":"n","min":2,"max":2}},{"median":{"column":"n","min":3}},{"stdev":{"column":"n","max":0.7}},
                {"sum":{"column":"fare","max":604}},{"quantile":{"column":"n","q":0.9,"max":2.6}},
                {"class_balance":{"column":"n","min_share":0.25}},{"class_balance":{"column":"ok","min_share":1}},
                {"freshness":{"column":"day","max_age":"36h"}},{"freshness":{"column":"day","max_age":"1d","now":"2016-02-05"}},
                {"aggregate":{"sql":"COUNT(*) = 5 AND MAX(n) = 3"}},{"aggregate":{"sql":"SUM(n) < AVG(n)","name":"odd"}}]"#,
        );
        assert_eq!(
            found,
            [
                "ok -.row_count 0/5 5, wanted at least 5",
                "FAIL -.row_count 1/5 3, wanted at most 1",
                "ok fare.null_share 2/5 2 of 5 rows missing (at least 60 % must hold)",
                "FAIL fare.null_share 2/5 2 of 5 rows missing (at least 70 % must hold) 3:null 4:NaN",
                "ok pay.not_null 1/5 1 of 5 rows missing (at least 80 % must hold)",
                "FAIL n.not_in 1/5 1 of 5 rows one of `3`, `9` 4:3",
                "ok day.in 0/1 0 of 1 rows not one of `2016-02-01`",
                "ok n.range 2/5 2 of 5 rows not between 1 and 3 (at least 50 % must hold)",
                "FAIL pay.length 1/4 1 of 4 rows of more than 4 characters 3:<img src=x onerror=alert(1)>",
                "ok -.expression: fare > 0 OR pay = 'card' 0/4 0 of 4 rows where it is not true",
                "FAIL -.small 1/5 1 of 5 rows where it is not true (at least 90 % must hold) 4:3",
                "FAIL -.column_pair: n < fare 1/3 1 of 3 rows where it is not so 2:n=2, fare=-1.0",
                "ok -.unique: n, pay 0/4 0 of 4 rows the same as an earlier row",
                "ok -.no_duplicates 0/5 0 of 5 rows the same as an earlier row",
                "ok -.no_duplicates 0/2 0 of 2 rows the same as an earlier row",
                "FAIL n.increasing 1/5 1 of 5 rows below the value before 5:2",
                "WARN day.increasing 1/4 1 of 4 rows not above the value before 4:2016-02-02",
                "ok ok.constant 0/5 true, wanted one value",
                "FAIL pay.constant 1/5 cash, wanted one value",
                "FAIL pay.distinct_count 1/5 3, wanted at most 2",
                "ok n.distinct_count 0/5 3, wanted 3",
                "FAIL fare.min 1/5 -1.0, wanted at least 0",
                "ok day.max 0/5 2016-02-03, wanted at most 2016-02-03",
                "ok n.mean 0/5 2, wanted 2",
                "FAIL n.median 1/5 2, wanted at least 3",
                "FAIL n.stdev 1/5 0.7071067811865476, wanted at most 0.7",
                "ok fare.sum 0/5 604, wanted at most 604",
                "ok n.quantile 0/5 2.6, wanted at most 2.6",
                "FAIL n.class_balance 1/5 `1` is 20 % of the rows, wanted at least 25 %",
                "ok ok.class_balance 0/5 1 classes, 100 % to 100 % of the rows",
                "ok day.freshness 0/5 2016-02-03, wanted at most 36h before 2016-02-03 12:00:00",
                "FAIL day.freshness 1/5 2016-02-03, wanted at most 1d before 2016-02-05 00:00:00",
                "ok -.aggregate: COUNT(*) = 5 AND MAX(n) = 3 0/5 true",
                "FAIL -.odd 1/5 it is not true: SUM(n) < AVG(n)",
            ]
        );
    }

    #[test]
    fn a_test_that_cannot_run_fails_and_says_why() {
        let found = lines(
            rides(),
            "{}",
            r#"[{"mean":{"column":"pay","min":1}},{"not_null":{"column":"fair"}},{"expression":{"sql":"fair > 0"}},{"expression":{"sql":"1 = 1"}},
                {"expression":{"sql":"fare + 1"}},{"range":{"column":"fare","min":"low"}},{"freshness":{"column":"n","max_age":"1d"}},
                {"regex":{"column":"n","pattern":"1"}},{"not_null":{"column":"n","where":"pay > 1"}},{"column_pair":{"column":"pay","operator":"=","other":"n"}},
                {"aggregate":{"sql":"SUM(n)"}}]"#,
        );
        assert_eq!(
            found,
            [
                "FAIL pay.mean 1/5 wants numbers, and `pay` is string",
                "FAIL fair.not_null 1/5 no column `fair`",
                "FAIL -.expression: fair > 0 1/5 no column `fair` for the expression `fair > 0`",
                "FAIL -.expression: 1 = 1 1/5 `1 = 1` names no column",
                "FAIL -.expression: fare + 1 1/5 the expression `fare + 1` gives float, and true or false is wanted",
                "FAIL fare.range 1/5 `low` is not a value of `fare`, which is float",
                "FAIL n.freshness 1/5 wants dates or moments, and `n` is integer",
                "FAIL n.regex 1/5 `regex` wants strings, and `n` is integer",
                "FAIL n.not_null 1/5 the expression `pay > 1` does not fit the columns' types: cannot compare string with numeric type (i32)",
                "FAIL -.column_pair: pay = n 1/5 `pay` is string and `n` is integer",
                "FAIL -.aggregate: SUM(n) 1/5 the expression `SUM(n)` gives integer, and true or false is wanted",
            ]
        );
    }

    #[test]
    fn a_table_without_rows_passes_what_looks_at_rows() {
        let found = lines(
            rides().head(Some(0)),
            r#"{"fare":{"not_null":true,"unique":true,"range":["0","1"]}}"#,
            r#"["no_duplicates",{"row_count":{"min":1}},{"null_share":{"column":"fare","max":0}},{"mean":{"column":"fare","min":0}},{"max":{"column":"n","min":"0"}},
                {"constant":{"column":"n"}},{"class_balance":{"column":"n","min_share":0.1}},{"aggregate":{"sql":"AVG(n) > 0"}},{"freshness":{"column":"day","max_age":"1d"}}]"#,
        );
        assert_eq!(
            found,
            [
                "ok fare.present 0/0 float",
                "ok fare.not_null 0/0 0 of 0 rows missing",
                "ok fare.unique 0/0 0 of 0 rows the same as an earlier row",
                "ok fare.range 0/0 0 of 0 rows outside 0 to 1",
                "ok -.no_duplicates 0/0 0 of 0 rows the same as an earlier row",
                "FAIL -.row_count 1/0 0, wanted at least 1",
                "ok fare.null_share 0/0 0 of 0 rows missing",
                "FAIL fare.mean 1/0 there are no values, wanted at least 0",
                "FAIL n.max 1/0 null, wanted at least 0",
                "ok n.constant 0/0 null, wanted one value",
                "FAIL n.class_balance 1/0 there are no values",
                "FAIL -.aggregate: AVG(n) > 0 1/0 it is null: AVG(n) > 0",
                "FAIL day.freshness 1/0 null, wanted at most 1d before 2016-02-03 12:00:00",
            ]
        );
    }

    #[test]
    fn hostile_column_names_are_names() {
        let names = ["^.*$", "*", "a b", "\"", "SELECT", "0", "'; DROP", "rows", "looked 1", ""];
        let columns: Vec<Column> = names.iter().map(|name| Column::new((*name).into(), [1_i64, 1])).collect();
        let columns_json: BTreeMap<&str, serde_json::Value> =
            names.iter().map(|name| (*name, serde_json::json!({"type": "integer", "not_null": true, "unique": true, "range": ["2", null]}))).collect();
        let schema = serde_json::json!({"strict": true, "columns": columns_json}).to_string();
        let found = lines(DataFrame::new(2, columns).unwrap(), &schema, "[]");
        assert_eq!(found.len(), names.len() * 4 + 1);
        for name in names {
            assert!(found.contains(&format!("FAIL {name}.range 2/2 2 of 2 rows below 2 1:1 2:1")), "{name}: {found:#?}");
            assert!(found.contains(&format!("FAIL {name}.unique 1/2 1 of 2 rows the same as an earlier row 2:1")), "{name}");
        }
    }

    #[test]
    fn every_integer_and_time_type_compares_with_what_is_written() {
        for dtype in [DataType::UInt8, DataType::UInt64, DataType::Int8, DataType::Int32, DataType::Float32, DataType::Decimal(10, 2)] {
            let column = Column::new("x".into(), [1_i64, 2, 3]).cast(&dtype).unwrap();
            let found = lines(DataFrame::new(3, vec![column]).unwrap(), r#"{"x":{"range":["-1","2.5"],"in":["1","2","300"],"unique":true}}"#, "[]");
            let kind = kind_name_of(&dtype);
            let third = if dtype.is_float() {
                "3.0"
            } else if dtype.is_decimal() {
                "3.00"
            } else {
                "3"
            };
            assert_eq!(
                found,
                [
                    format!("ok x.present 0/3 {kind}"),
                    "ok x.unique 0/3 0 of 3 rows the same as an earlier row".to_owned(),
                    format!("FAIL x.in 1/3 1 of 3 rows not one of `1`, `2`, `300` 3:{third}"),
                    format!("FAIL x.range 1/3 1 of 3 rows outside -1 to 2.5 3:{third}"),
                ],
                "{dtype}"
            );
        }
        for unit in [TimeUnit::Milliseconds, TimeUnit::Microseconds, TimeUnit::Nanoseconds] {
            for zone in [None, TimeZone::opt_try_new(Some("UTC")).unwrap()] {
                let days = Column::new("t".into(), [16_832_i32, 16_833]).cast(&DataType::Date).unwrap();
                let moments = days.cast(&DataType::Datetime(unit, None)).unwrap().cast(&DataType::Datetime(unit, zone.clone())).unwrap();
                let found = lines(
                    DataFrame::new(2, vec![moments]).unwrap(),
                    r#"{"t":{"type":"timestamp","max":"2016-02-01 12:30","in":["2016-02-01","2016-02-02T00:00:00Z"]}}"#,
                    r#"[{"freshness":{"column":"t","max_age":"36h"}},{"freshness":{"column":"t","max_age":"35h"}}]"#,
                );
                assert_eq!(
                    found.iter().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>(),
                    ["ok t.type", "ok t.in", "FAIL t.range", "ok t.freshness", "FAIL t.freshness"],
                    "{unit} {zone:?}"
                );
            }
        }
    }

    fn kind_name_of(dtype: &DataType) -> &'static str {
        crate::data::contract::kind_name(dtype)
    }

    #[test]
    fn rows_count_across_batches() {
        let rows = 2 * crate::data::BATCH_ROWS as i64 + 5;
        let frame = df!("x" => (0..rows).map(|i| if i == rows - 1 { 0 } else { i }).collect::<Vec<_>>()).unwrap();
        let found = lines(
            frame,
            r#"{"x":{"unique":true,"max":"131075"}}"#,
            r#"[{"increasing":{"column":"x"}},{"distinct_count":{"column":"x","min":131076}},{"median":{"column":"x","min":65537,"max":65537}},{"mean":{"column":"x","min":65536}}]"#,
        );
        assert_eq!(
            found,
            [
                "ok x.present 0/131077 integer",
                "FAIL x.unique 1/131077 1 of 131077 rows the same as an earlier row 131077:0",
                "ok x.range 0/131077 0 of 131077 rows above 131075",
                "FAIL x.increasing 1/131077 1 of 131077 rows below the value before 131077:0",
                "ok x.distinct_count 0/131077 131076, wanted at least 131076",
                "ok x.median 0/131077 65537, wanted 65537",
                "ok x.mean 0/131077 65537.0000076291, wanted at least 65536",
            ]
        );
    }

    #[test]
    fn errors_are_listed_with_three_rows_and_warnings_are_not() {
        let frame = df!("x" => [1_i64, 2, 3, 4, 5]).unwrap();
        let report =
            check(&Table::of(frame), &contract(r#"{"x":{"max":"0"},"y":{"severity":"warn"}}"#), &tests_of(r#"[{"row_count":{"min":9}}]"#), now()).unwrap();
        assert_eq!((report.passed(), report.total(), report.errors().count(), report.warnings().count()), (1, 4, 2, 1));
        let card = report.card_table();
        assert_eq!((card.caption.as_str(), card.rows.len(), card.rows[0].len() == card.columns.len()), ("1 of 4 checks passed", 4, true));
        let error = report.into_error().unwrap().at(&crate::error::Place::file("data/taxi.parquet"));
        assert_eq!(error.kind, Kind::Data);
        assert_eq!(
            error.to_string(),
            "column `x` fails `range`: 5 of 5 rows above 0 (row 1: `1`, row 2: `2`, row 3: `3`) (data/taxi.parquet)\n\
             the data fails `row_count`: 5, wanted at least 9 (data/taxi.parquet)"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn counts_agree_with_a_loop_over_the_rows(rows in proptest::collection::vec((proptest::option::of(-3_i64..4), proptest::option::of(-1.0_f64..1.0), any::<bool>()), 0..60)) {
            let (a, rest): (Vec<_>, Vec<_>) = rows.iter().map(|(a, b, nan)| (*a, (*b, *nan))).unzip();
            let b: Vec<Option<f64>> = rest.into_iter().map(|(b, nan)| if nan && b.is_some_and(|b| b > 0.5) { Some(f64::NAN) } else { b }).collect();
            let frame = df!("a" => a.clone(), "b" => b.clone()).unwrap();
            let tests = tests_of(r#"[{"not_null":{"column":"b"}},{"range":{"column":"b","min":"-0.5","max":"0.5","where":"a >= 0"}},{"in":{"column":"a","values":["0","1"]}},
                {"expression":{"sql":"a > b"}},{"unique":{"columns":["a"]}},{"unique":{"columns":["a","b"]}},{"no_duplicates":{}},{"increasing":{"column":"a"}}]"#);
            let report = check(&Table::of(frame), &Contract::default(), &tests, now()).unwrap();
            let there = |b: Option<f64>| b.filter(|b| !b.is_nan());
            let pairs = || a.iter().copied().zip(b.iter().copied());
            let in_range: Vec<f64> = pairs().filter(|(a, _)| a.is_some_and(|a| a >= 0)).filter_map(|(_, b)| there(b)).collect();
            // polars puts NaN above every number.
            let compared: Vec<bool> = pairs().filter_map(|(a, b)| Some((a?, b?))).map(|(a, b)| !b.is_nan() && a as f64 > b).collect();
            let repeats = |keys: Vec<String>| { let mut seen = std::collections::BTreeSet::new(); let rows = keys.len() as u64; (keys.into_iter().filter(|key| !seen.insert(key.clone())).count() as u64, rows) };
            let values: Vec<i64> = a.iter().copied().flatten().collect();
            let naive = [
                (b.iter().filter(|b| there(**b).is_none()).count() as u64, a.len() as u64),
                (in_range.iter().filter(|b| !(-0.5..=0.5).contains(*b)).count() as u64, in_range.len() as u64),
                (values.iter().filter(|a| ![0, 1].contains(*a)).count() as u64, values.len() as u64),
                (compared.iter().filter(|holds| !**holds).count() as u64, compared.len() as u64),
                repeats(values.iter().map(i64::to_string).collect()),
                repeats(pairs().filter_map(|(a, b)| Some(format!("{} {:?}", a?, there(b)?))).collect()),
                repeats(pairs().map(|(a, b)| format!("{a:?} {:?}", there(b))).collect()),
                (values.windows(2).filter(|pair| pair[1] < pair[0]).count() as u64, values.len() as u64),
            ];
            let found: Vec<(u64, u64)> = report.outcomes.iter().map(|o| (o.failing, o.rows)).collect();
            prop_assert_eq!(found, naive);
        }
    }
}
