//! Checks in a chain: what all of them share.
//!
//! A check looks at training rows when it is fitted, and at all later rows where the chain is applied. It reads the rows at
//! once, one aggregate query, instead of adding an expression: so it can name every column that breaks it with rows and
//! values, and no optimiser leaves it out because its column is not used later. A checked column is one that later data must have.

use polars::prelude::*;

use crate::error::{Error, Kind, Problem, Result, shorten};
use crate::ml::input::rows_where;
use crate::ml::selector::column;

/// A column's condition that no row may meet.
pub struct Rule {
    pub column: String,
    /// True where the row breaks the rule.
    pub broken: Expr,
    /// What such values are, in the plural: `missing values`.
    pub what: String,
}

/// Passes rows on that break no rule.
///
/// # Errors
/// Exit code 4: every broken rule, with the first rows that break it.
pub fn pass_on(check: &str, frame: LazyFrame, rules: &[Rule], hint: &str) -> Result<LazyFrame> {
    let conditions: Vec<(String, Expr)> = rules.iter().map(|rule| (rule.column.clone(), rule.broken.clone())).collect();
    let problem = |(rule, found): (&Rule, Option<String>)| {
        found.map(|found| Problem::new(format!("`{check}`: column `{}` has {}: {found}", shorten(&rule.column), rule.what)).hint(hint))
    };
    let problems = rules.iter().zip(rows_where(&frame, &conditions)?).filter_map(problem).collect();
    Error::all(Kind::Data, problems).map_or(Ok(frame), Err)
}

/// A value that is neither null nor NaN.
pub fn is_there(name: &str, dtype: &DataType) -> Expr {
    if dtype.is_float() { column(name).is_not_null().and(column(name).is_not_nan()) } else { column(name).is_not_null() }
}
