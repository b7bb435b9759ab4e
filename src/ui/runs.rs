//! Runs as a table: filtered, sorted, fifty at a time, with boxes to compare some of them.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use minijinja::context;
use serde::Serialize;

use super::Ui;
use super::address::Query;
use super::page::{Linked, grid, linked, plain, short};
use crate::card::format::{self, count, day_and_time};
use crate::card::html::given;
use crate::error::Result;
use crate::ml::metric::short_name;
use crate::run::{self, took, under_way};
use crate::serve::http::Answer;
use crate::tracking::RunRow;

/// Runs on a page.
const EACH: usize = 50;
const STATUSES: [&str; 4] = ["finished", "failed", "killed", "running"];
/// What a column is sorted by, in the order of the columns; the first column has no name to sort by.
const SORTS: [&str; 9] = ["", "score", "status", "started", "took", "recipe", "", "profile", ""];

#[derive(Serialize)]
struct Choice {
    value: String,
    text: String,
    is_current: bool,
}

pub fn page(ui: &Ui, query: &Query) -> Result<Answer> {
    let tracker = ui.tracker()?;
    let recipes = ui.by_name();
    let all = tracker.runs(None, usize::MAX)?;
    let mut names: Vec<String> = all.iter().map(|run| run.recipe.clone()).chain(recipes.keys().cloned()).collect();
    names.sort();
    names.dedup();
    let wanted = query.get("recipe").or_else(|| names.first().map(String::as_str).filter(|_| names.len() == 1));
    let status = query.get("status").filter(|status| STATUSES.contains(status));
    let keeps = |run: &&RunRow| wanted.is_none_or(|recipe| run.recipe == recipe) && status.is_none_or(|status| run.status.eq_ignore_ascii_case(status));
    let mut runs: Vec<&RunRow> = all.iter().filter(keeps).collect();

    // Scores of several recipes are not of one kind.
    let primary = wanted.and_then(|name| recipes.get(name)).map(|(_, recipe)| recipe.primary_metric.clone());
    let mut metrics: Vec<&String> = recipes.values().map(|(_, recipe)| &recipe.primary_metric).collect();
    metrics.sort();
    metrics.dedup();
    let mut scores: BTreeMap<&str, BTreeMap<String, f64>> = BTreeMap::new();
    for metric in metrics {
        scores.insert(metric, tracker.metric(&format!("val_{metric}"))?);
    }
    let score = |run: &RunRow| {
        let metric = &recipes.get(&run.recipe)?.1.primary_metric;
        Some((short_name(metric), *scores.get(metric.as_str())?.get(&run.id)?))
    };

    let sort = query.get("sort").filter(|sort| SORTS.contains(sort)).unwrap_or("started");
    // Where nothing else is asked for, the best and the newest come first.
    let smaller_is_better = wanted.and_then(|name| recipes.get(name)).is_some_and(|(_, recipe)| !recipe.greater_is_better);
    let is_ascending = query.get("order").map_or(sort == "score" && smaller_is_better, |order| order == "asc");
    let compared = |a: &RunRow, b: &RunRow| -> Ordering {
        match sort {
            "score" => score(a).map_or(f64::NAN, |score| score.1).total_cmp(&score(b).map_or(f64::NAN, |score| score.1)),
            "status" => a.status.cmp(&b.status),
            "took" => length(a).cmp(&length(b)),
            "recipe" => a.recipe.cmp(&b.recipe),
            "profile" => a.profile.cmp(&b.profile),
            _ => a.started_ms.cmp(&b.started_ms),
        }
    };
    // Runs without the value come last, whichever way.
    let lacks = |run: &RunRow| match sort {
        "score" => score(run).is_none(),
        "took" => run.finished_ms.is_none(),
        "profile" => run.profile.is_none(),
        _ => false,
    };
    runs.sort_by(|a, b| {
        let order = if is_ascending { compared(a, b) } else { compared(b, a) };
        lacks(a).cmp(&lacks(b)).then(order)
    });

    let pages = runs.len().div_ceil(EACH).max(1);
    let number = query.get("page").and_then(|page| page.parse::<usize>().ok()).unwrap_or(1).clamp(1, pages);
    let shown = runs.iter().skip((number - 1) * EACH).take(EACH);
    let live = under_way(&ui.store()?)?;
    let heading = primary.as_deref().map_or_else(|| "validation".to_owned(), |metric| format!("validation {}", short_name(metric)));
    let columns = ["run", heading.as_str(), "status", "started (UTC)", "took", "recipe", "up to", "profile", "note"];
    let row = |run: &RunRow| -> Result<Vec<Linked>> {
        let found = score(run);
        let note = run.message.as_ref().or(run.error.as_ref()).map(|text| text.lines().next().unwrap_or_default().to_owned());
        Ok(vec![
            linked(run.id.as_str(), super::run::path(&run.id)),
            plain(found.map(|(_, value)| value)),
            plain(run::status(run, &live)),
            plain(day_and_time(run.started_ms)),
            plain(took(run)),
            match recipes.get(&run.recipe) {
                Some((slug, _)) => linked(run.recipe.as_str(), super::recipe::path(slug)),
                None => plain(run.recipe.as_str()),
            },
            plain(tracker.steps(&run.id)?.pop().map(|step| step.step)),
            plain(run.profile.clone()),
            plain(note),
        ])
    };
    let mut table = grid("Runs", &columns, shown.clone().map(|run| row(run)).collect::<Result<_>>()?);
    if primary.is_none() {
        // Each score says what it is.
        for (cells, run) in table.rows.iter_mut().zip(shown.clone()) {
            if let (Some(item), Some((name, value))) = (cells.cells.get_mut(1), score(run)) {
                item.cell.text = format!("{name} {}", format::number(value));
            }
        }
    }
    for (row, run) in table.rows.iter_mut().zip(shown) {
        row.pick.clone_from(&run.id);
    }
    for head in &mut table.columns {
        let name: String = head.text.iter().map(|span| span.text.as_str()).collect();
        let Some(by) = columns.iter().position(|column| *column == name).and_then(|i| SORTS.get(i)).filter(|by| !by.is_empty()) else { continue };
        if *by == "score" && primary.is_none() {
            continue;
        }
        let is_current = *by == sort;
        head.order = if !is_current {
            ""
        } else if is_ascending {
            "ascending"
        } else {
            "descending"
        };
        let order = match (is_current, is_ascending) {
            (false, _) => "",
            (true, true) => "desc",
            (true, false) => "asc",
        };
        head.href = format!("/runs{}", query.with("page", "").with("sort", by).with("order", order).text());
    }

    let choice = |value: &str, text: String, current: Option<&str>| Choice { is_current: current == Some(value), value: value.to_owned(), text };
    let turn = |to: usize| format!("/runs{}", query.with("page", &to.to_string()).text());
    let view = context! {
        recipes => given(&names.iter().map(|name| choice(name, short(name), wanted)).collect::<Vec<_>>()),
        statuses => given(&STATUSES.iter().map(|name| choice(name, (*name).to_owned(), status)).collect::<Vec<_>>()),
        table => given(&table),
        is_empty => all.is_empty(),
        said => if pages > 1 {
            let first = (number - 1) * EACH + 1;
            format!("{}–{} of {} runs", count(first as u64), count((first - 1 + EACH).min(runs.len()) as u64), count(runs.len() as u64))
        } else {
            crate::error::counted(runs.len() as u64, "run")
        },
        before => if number > 1 { turn(number - 1) } else { String::new() },
        after => if number < pages { turn(number + 1) } else { String::new() },
    };
    ui.page("runs", "Runs").draw("runs.html", view)
}

fn length(run: &RunRow) -> Option<i64> {
    run.finished_ms.map(|end| end - run.started_ms)
}
