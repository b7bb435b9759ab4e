//! What a reader should notice about a column.

use super::ProfiledColumn;
use crate::data::Role;
use crate::data::canonical::Kind;

/// A column is almost constant where one value fills this share of what is there.
const ALMOST: f64 = 0.99;
/// Mostly missing, mostly zero: above this share.
const MOSTLY: f64 = 0.5;
/// Strings with more distinct values than this, that are no ids, have a high cardinality.
const MANY: u64 = 100;
/// Fewer rows than this tell nothing about ids.
const FEW_ROWS: u64 = 20;
/// Skewness that is worth a transform (an exponential distribution has 2).
const SKEWED: f64 = 3.0;

/// The alerts, the gravest first; `most` is the count of the most frequent value, `is_unique` that none comes twice.
pub(super) fn alerts(column: &ProfiledColumn, kind: Kind, most: u64, is_unique: bool) -> Vec<String> {
    let summary = &column.summary;
    let present = summary.rows - summary.missing.min(summary.rows);
    let share = |count: u64, of: u64| count as f64 / of.max(1) as f64;
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let mut alerts = Vec::new();
    if summary.rows == 0 {
        return alerts;
    }
    if present == 0 {
        return vec!["all missing".to_owned()];
    }
    let missing = share(summary.missing, summary.rows);
    if missing > MOSTLY {
        alerts.push(format!("mostly missing: {}", percent(missing)));
    }
    if column.infinite > 0 {
        alerts.push(format!("infinite: {} values", column.infinite));
    }
    let distinct = summary.distinct.unwrap_or(0);
    let is_id_kind = matches!(kind, Kind::Integer | Kind::Unsigned | Kind::Text);
    if distinct == 1 {
        alerts.push("constant".to_owned());
    } else if share(most, present) >= ALMOST && present >= FEW_ROWS {
        alerts.push(format!("almost constant: one value fills {}", percent(share(most, present))));
    } else if is_id_kind && is_unique && present >= FEW_ROWS {
        if summary.role != Role::Id.name() && summary.role != Role::Target.name() {
            alerts.push("every value is different: an id? Give it the role `id`".to_owned());
        }
    } else if kind == Kind::Text && distinct > MANY {
        let about = if summary.distinct_estimated { "about " } else { "" };
        alerts.push(format!("high cardinality: {about}{distinct} distinct values"));
    }
    if distinct > 1 {
        let zeros = share(summary.zeros.unwrap_or(0), present);
        if zeros > MOSTLY && distinct > 2 {
            alerts.push(format!("mostly zero: {}", percent(zeros)));
        }
        if let Some(skewness) = summary.skewness.filter(|skewness| skewness.abs() > SKEWED && distinct > 2) {
            alerts.push(format!("skewed: {skewness:.1}"));
        }
    }
    alerts
}
