//! How far the rows that were scored lay from those the model learned from, run by run.
//!
//! Runs keep a figure a column (`drift_psi_fare`); columns that went furthest are drawn.

use std::collections::BTreeMap;

use serde::Serialize;

use super::page::{Grid, grid, plain};
use crate::card::format::{day_and_time, number};
use crate::card::view::{ChartView, Limits, history};
use crate::card::{Cell, History};
use crate::error::{Result, shorten};
use crate::ml::drift::Method;
use crate::run::Session;
use crate::steps::drift::RECORDED;

/// Runs and columns that are drawn.
const RUNS: usize = 200;
const COLUMNS: usize = 6;

/// Drift over time.
#[derive(Serialize)]
pub struct DriftView {
    method: String,
    /// What the dashed line is.
    held: String,
    charts: Vec<ChartView>,
    /// Every column in the last run.
    last: Grid,
    last_run: String,
    last_href: String,
}

/// `None` where no run kept a figure.
///
/// # Errors
/// Where the database cannot be read.
pub fn charts(session: &Session<'_>) -> Result<Option<DriftView>> {
    let runs = session.around.tracker.metrics_of(&session.recipe.name, RECORDED, RUNS)?;
    let Some((last, at_ms, figures)) = runs.last() else { return Ok(None) };
    // A recipe may have changed its method; what is measured otherwise is another figure.
    let methods = [Method::Psi, Method::Wasserstein, Method::Jensenshannon];
    let of = |method: &Method| format!("{RECORDED}{}_", method.name());
    let Some(method) = methods.into_iter().find(|method| figures.keys().any(|name| name.starts_with(&of(method)))) else { return Ok(None) };
    let beginning = of(&method);
    let threshold = ["steps", "predict", "gates", "drift", "threshold"].map(str::to_owned);
    let threshold = session.recipe.document.value.at(&threshold).and_then(crate::value::Value::text).and_then(|text| text.parse::<f64>().ok());
    let (called, threshold) = threshold.map_or(("what is far by custom", method.threshold()), |threshold| ("the gate's threshold", threshold));

    let mut furthest: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (_, _, figures) in &runs {
        for (column, value) in figures.iter().filter_map(|(name, value)| Some((name.strip_prefix(&beginning)?, *value))) {
            let known = furthest.entry(column).or_insert((value, 0.0));
            known.0 = known.0.max(value);
        }
    }
    for (column, known) in &mut furthest {
        known.1 = figures.get(&format!("{beginning}{column}")).copied().unwrap_or(f64::NEG_INFINITY);
    }
    let mut columns: Vec<(&str, (f64, f64))> = furthest.into_iter().collect();
    // By the last run first: that is what can still be acted on.
    columns.sort_by(|a, b| b.1.1.total_cmp(&a.1.1).then(b.1.0.total_cmp(&a.1.0)).then(a.0.cmp(b.0)));
    let chart = |column: &str| {
        let name = format!("{beginning}{column}");
        let points = runs.iter().filter_map(|(run, at, figures)| Some((*at, *figures.get(&name)?, run.clone()))).collect();
        let chart =
            History { caption: format!("`{}`", shorten(column)), y: method.in_words().to_owned(), points, reference: Some((called.to_owned(), threshold)) };
        // What the dashed line is stands above all of them.
        ChartView { note: String::new(), ..history(&chart, Limits::FULL) }
    };
    let charts = columns.iter().take(COLUMNS).map(|(column, _)| chart(column)).collect();
    let row = |(column, (most, now)): &(&str, (f64, f64))| {
        let is_far = if *now > threshold { Cell::Bad("far".to_owned()) } else { Cell::Missing };
        vec![plain(*column), plain(Some(*now).filter(|now| now.is_finite())), plain(is_far), plain(*most)]
    };
    let in_words = method.in_words();
    let last_table = grid("Drift of every column", &["column", "last run", "", "furthest of all runs"], columns.iter().map(row).collect());
    Ok(Some(DriftView {
        method: in_words.to_owned(),
        held: format!("{called}, {}", number(threshold)),
        charts,
        last: last_table,
        last_run: format!("{last}, {}", day_and_time(*at_ms)),
        last_href: super::run::path(last),
    }))
}
