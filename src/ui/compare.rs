//! Runs side by side: of two all that `recipe diff` shows, of more what they were told and what came of it.
//!
//! Test scores of more than two runs do not stand side by side: who chooses by them has none left to trust.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::context;

use super::address::Query;
use super::page::{Grid, Linked, grid, plain, short, tabs, text};
use super::{Ui, find_run, secret};
use crate::card::Cell;
use crate::card::format::{self, day_and_time, number};
use crate::card::html::given;
use crate::error::{Result, counted};
use crate::recipe::document::Document;
use crate::recipe::explain::one_line;
use crate::run::{Now, Session, Whole, diff, diff_card, status, took, under_way, verdict};
use crate::serve::http::Answer;
use crate::steps::{SlotId, TRAINING, VALIDATION};
use crate::store::Access;
use crate::value::{Path, display_path, path_of};

/// Runs that stand side by side.
const MOST: usize = 12;

pub fn page(ui: &Ui, query: &Query) -> Result<Answer> {
    let tracker = ui.tracker()?;
    let mut ids: Vec<&str> = Vec::new();
    for id in query.all("run") {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let left_out = ids.len().saturating_sub(MOST);
    let rows = ids.iter().take(MOST).map(|id| find_run(&tracker, id)).collect::<Result<Vec<_>>>()?;
    let frame = ui.page("runs", "Compare runs").below("Runs", "/runs");
    if rows.len() < 2 {
        return frame.draw("compare.html", context! { kind => "none" });
    }
    let recipes: BTreeSet<&String> = rows.iter().map(|run| &run.recipe).collect();
    let known = recipes.first().filter(|_| recipes.len() == 1).and_then(|name| ui.by_name().remove(*name));
    if let ([a, b], Some((_, recipe))) = (rows.as_slice(), &known) {
        let session = Session::open(recipe, Access::Read)?;
        let mut found = diff(&session, a.clone(), b.clone())?;
        for one in &mut found.config {
            let path = path_of(&one.key);
            for setting in [&mut one.a, &mut one.b].into_iter().flatten() {
                setting.value = secret::told(&path, &setting.value);
            }
        }
        let card = diff_card(&found);
        let swapped = format!("/compare?run={}&run={}", super::address::encoded(&b.id), super::address::encoded(&a.id));
        // What most people look for comes first.
        let first = |id: &str| ["metrics", "config"].iter().position(|known| *known == id).unwrap_or(2);
        let mut shown = card.tabs;
        shown.sort_by_key(|tab| first(&tab.id));
        let view = context! {
            kind => "two",
            summary => given(&text(&capitalised(&verdict(&found)))),
            tabs => given(&tabs(&shown)),
            swapped,
            a => short(&a.id), b => short(&b.id),
            a_href => super::run::path(&a.id), b_href => super::run::path(&b.id),
        };
        return frame.draw("compare.html", view);
    }
    let runs = rows.into_iter().map(|row| Whole::of(&tracker, row)).collect::<Result<Vec<_>>>()?;
    let primary = known.as_ref().map(|(_, recipe)| recipe.primary_metric.as_str());
    let view = context! {
        kind => "many",
        summary => given(&text(&counted(runs.len() as u64, "run"))),
        left_out,
        about => given(&about(&runs, &under_way(&ui.store()?)?)),
        metrics => given(&metrics(&runs, primary)),
        config => given(&config(&runs)),
        params => given(&params(&runs)),
        on_other_rows => runs.iter().filter(|run| !run.metrics.is_empty() && !has_rows_of(run, &runs[0], VALIDATION.id)).count(),
    };
    frame.draw("compare.html", view)
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A table with a column a run.
fn side_by_side(label: &str, first: &str, runs: &[Whole], rows: Vec<(String, Vec<Linked>)>) -> Grid {
    let mut rows = rows;
    // A run without any value keeps its column all the same.
    for run in 0..runs.len() {
        if rows.iter().all(|(_, cells)| cells[run].0 == Cell::Missing) {
            for (_, cells) in &mut rows {
                cells[run].0 = "–".into();
            }
        }
    }
    let columns: Vec<&str> = std::iter::once(first).chain(runs.iter().map(|run| run.row.id.as_str())).collect();
    let rows = rows.into_iter().map(|(name, cells)| std::iter::once(plain(name)).chain(cells).collect()).collect();
    let mut table = grid(label, &columns, rows);
    // Its name leads to it.
    for head in &mut table.columns {
        let name: String = head.text.iter().map(|span| span.text.as_str()).collect();
        if runs.iter().any(|run| run.row.id == name) {
            head.href = super::run::path(&name);
        }
    }
    table
}

fn about(runs: &[Whole], live: &[Now]) -> Grid {
    let row = |name: &str, of: &dyn Fn(&Whole) -> Cell| (name.to_owned(), runs.iter().map(|run| plain(of(run))).collect::<Vec<_>>());
    let rows = vec![
        row("status", &|run| status(&run.row, live)),
        row("started (UTC)", &|run| day_and_time(run.row.started_ms).into()),
        row("took", &|run| took(&run.row)),
        row("recipe", &|run| run.row.recipe.as_str().into()),
        row("profile", &|run| run.row.profile.clone().into()),
        row("gate", &|run| match run.details.validated {
            Some(true) => Cell::Good("passed".to_owned()),
            Some(false) => Cell::Bad("rejected".to_owned()),
            None => Cell::Missing,
        }),
        row("git", &|run| run.row.git_commit.as_ref().map(|commit| commit.chars().take(10).collect::<String>()).into()),
        row("message", &|run| run.row.message.clone().into()),
    ];
    let rows = rows.into_iter().filter(|(_, cells)| cells.iter().any(|(cell, _)| *cell != Cell::Missing)).collect();
    side_by_side("The runs", "", runs, rows)
}

/// Validation metrics, the primary one first, with how far each lies from the first run's where they are of the same rows; then those of training
/// rows.
fn metrics(runs: &[Whole], primary: Option<&str>) -> Grid {
    let mut names: BTreeSet<(u8, bool, String)> = BTreeSet::new();
    for name in runs.iter().flat_map(|run| run.metrics.keys()).filter(|name| !name.starts_with("test_")) {
        let (rank, metric) = match (name.strip_prefix("val_"), name.strip_prefix("training_")) {
            (Some(metric), _) => (0, metric),
            (_, Some(metric)) => (1, metric),
            _ => (2, name.as_str()),
        };
        names.insert((rank, Some(metric) != primary, name.clone()));
    }
    let row = |(rank, _, name): &(u8, bool, String)| {
        let called = match rank {
            0 => name.replacen("val_", "validation ", 1),
            1 => name.replacen("training_", "training ", 1),
            _ => name.clone(),
        };
        let values: Vec<Option<f64>> = runs.iter().map(|run| run.metrics.get(name).copied()).collect();
        (called, values)
    };
    let rows: Vec<(String, Vec<Option<f64>>)> = names.iter().map(row).collect();
    let cells = rows.iter().map(|(name, values)| (name.clone(), values.iter().map(|value| plain(*value)).collect())).collect();
    let mut table = side_by_side("Metrics", "metric", runs, cells);
    for ((row, (_, values)), (rank, ..)) in table.rows.iter_mut().zip(&rows).zip(&names) {
        let first = values.first().copied().flatten();
        for ((item, value), run) in row.cells.iter_mut().skip(1).zip(values).zip(runs).skip(1) {
            if let (Some(first), Some(value)) = (first, value)
                && has_rows_of(run, &runs[0], if *rank == 0 { VALIDATION.id } else { TRAINING.id })
            {
                let sign = if *value >= first { "+" } else { "" };
                item.note = format!("{sign}{}", number(value - first));
            }
        }
    }
    table
}

/// Was a part of the split the same in both?
fn has_rows_of(run: &Whole, other: &Whole, part: SlotId) -> bool {
    let digest = |run: &Whole| run.details.outputs.iter().find(|output| output.name == part.artifact).map(|output| output.digest.clone());
    digest(run).is_some_and(|found| Some(found) == digest(other))
}

/// Values of the configurations that are not the same in all.
fn config(runs: &[Whole]) -> Grid {
    let all: Vec<BTreeMap<String, String>> = runs
        .iter()
        .map(|run| {
            // What an older program wrote may not be readable; then nothing is known of it.
            let whole = Document::parse("the run's configuration", run.config.as_deref().unwrap_or_default()).map(|document| document.value);
            let mut values = BTreeMap::new();
            secret::masked(&whole.unwrap_or_default()).each_leaf(&mut Path::new(), &mut |path, value| {
                values.insert(display_path(path), one_line(value));
            });
            values
        })
        .collect();
    side_by_side("Configuration", "key", runs, different(&all))
}

fn params(runs: &[Whole]) -> Grid {
    let mut rows = different(&runs.iter().map(|run| run.params.clone()).collect::<Vec<_>>());
    // What registering gave is no parameter; and where estimators differ, so do the names of theirs.
    rows.retain(|(name, cells)| {
        let known: BTreeSet<String> = cells.iter().map(|(cell, _)| format::cell(cell).text).filter(|text| text != "–").collect();
        !name.starts_with("register.") && known.len() > 1
    });
    side_by_side("Parameters", "parameter", runs, rows)
}

fn different(all: &[BTreeMap<String, String>]) -> Vec<(String, Vec<Linked>)> {
    let keys: BTreeSet<&String> = all.iter().flat_map(|values| values.keys()).collect();
    let differs = |key: &&&String| all.iter().any(|values| values.get(**key) != all.first().and_then(|first| first.get(**key)));
    let row = |key: &String| (key.clone(), all.iter().map(|values| plain(values.get(key).cloned())).collect());
    keys.iter().filter(differs).map(|key| row(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_listed_and_what_is_not_set_is_missing() {
        let values = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>();
        let rows = different(&[values(&[("a", "1"), ("b", "1")]), values(&[("a", "1"), ("b", "2"), ("c", "3")])]);
        assert_eq!(rows.iter().map(|row| row.0.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(rows[1].1, [plain(Cell::Missing), plain("3")]);
    }
}
