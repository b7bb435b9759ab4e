//! The registry: every model with its versions and where its aliases point.

use std::collections::BTreeMap;

use minijinja::context;

use super::Ui;
use super::address::encoded;
use super::page::{grid, linked, plain};
use crate::card::Cell;
use crate::card::format::day_and_time;
use crate::card::html::given;
use crate::error::Result;
use crate::serve::http::Answer;
use crate::tracking::VersionRow;

pub fn page(ui: &Ui) -> Result<Answer> {
    let mut models: BTreeMap<String, Vec<VersionRow>> = BTreeMap::new();
    for version in ui.tracker()?.versions(None)? {
        models.entry(version.name.clone()).or_default().push(version);
    }
    let row = |(name, versions): (&String, &Vec<VersionRow>)| {
        let aliases: Vec<String> = versions.iter().flat_map(|version| version.aliases.iter().map(|alias| format!("{alias} → v{}", version.version))).collect();
        let last = versions.last();
        vec![
            linked(name.as_str(), path(name)),
            plain(aliases.join(", ")),
            plain(versions.len()),
            plain(last.map(|last| format!("v{}", last.version))),
            plain(last.map(|last| day_and_time(last.created_ms))),
            plain(last.map_or(Cell::Missing, verdict)),
        ]
    };
    let table = grid("Models", &["model", "aliases", "versions", "newest", "registered (UTC)", "newest is"], models.iter().map(row).collect());
    ui.page("models", "Models").draw("models.html", context! { table => given(&table) })
}

/// Where a model's page is.
pub fn path(name: &str) -> String {
    format!("/models/{}", encoded(name))
}

/// Did a version pass the gate?
pub fn verdict(version: &VersionRow) -> Cell {
    if version.validated { Cell::Good("VALIDATED".to_owned()) } else { Cell::Bad("REJECTED".to_owned()) }
}
