//! A model: its versions with their metric, where aliases point, and who moved them.

use minijinja::context;

use super::page::{grid, linked, plain, short};
use super::{Ui, models};
use crate::card::format::day_and_time;
use crate::card::html::given;
use crate::card::view::{Limits, history};
use crate::card::{Cell, Fact, History};
use crate::error::{Error, Result, shorten};
use crate::ml::metric::short_name;
use crate::serve::http::Answer;
use crate::tracking::{Event, HistoryRow, VersionRow};

pub fn page(ui: &Ui, name: &str) -> Result<Answer> {
    let tracker = ui.tracker()?;
    let versions = tracker.versions(Some(name))?;
    let Some(last) = versions.last() else {
        return Err(Error::usage(format!("there is no model `{}` in the registry", shorten(name))).hint("`recipe run` trains and registers one"));
    };
    let recipes = ui.by_name();
    let recipe = recipes.values().find(|(_, recipe)| recipe.model_name == name);
    let primary = recipe.map(|(_, recipe)| recipe.primary_metric.clone()).unwrap_or_default();
    let scores = tracker.metric(&format!("val_{primary}"))?;
    let row = |version: &VersionRow| {
        let predict = format!("{}/{}/predict", models::path(name), version.version);
        let is_there = tracker.has_bundle(version);
        vec![
            plain(format!("v{}", version.version)),
            plain(scores.get(&version.run).copied()),
            plain(version.aliases.join(", ")),
            plain(models::verdict(version)),
            plain(day_and_time(version.created_ms)),
            linked(version.run.as_str(), super::run::path(&version.run)),
            if is_there { linked("predict a row", predict) } else { plain(Cell::Bad("its bundle is gone".to_owned())) },
        ]
    };
    let heading = if primary.is_empty() { "validation".to_owned() } else { format!("validation {}", short_name(&primary)) };
    let table = grid("Versions", &["version", &heading, "aliases", "gate", "registered (UTC)", "run", ""], versions.iter().rev().map(row).collect());
    let points = versions.iter().filter_map(|version| Some((version.created_ms, *scores.get(&version.run)?, format!("v{}", version.version))));
    let chart =
        History { caption: "Validation metric of the versions".to_owned(), y: short_name(&primary).to_owned(), points: points.collect(), reference: None };
    let chart = (chart.points.len() > 1).then(|| history(&chart, Limits::FULL));
    let event = |row: &HistoryRow| {
        let by = match (&row.run, &row.who) {
            (Some(run), _) => linked(format!("run {run}"), super::run::path(run)),
            (None, who) => plain(who.clone()),
        };
        vec![plain(day_and_time(row.at_ms)), plain(happened(row)), by, plain(row.why.clone())]
    };
    let events = tracker.history(Some(name))?;
    let events = grid("History", &["time (UTC)", "what", "by", "why"], events.iter().rev().map(event).collect());
    let mut standing: Vec<Fact> = Vec::new();
    let champion = versions.iter().find(|version| version.aliases.iter().any(|alias| alias == "champion"));
    if let Some(champion) = champion {
        standing.extend(scores.get(&champion.run).map(|score| Fact::new(format!("champion's {heading}"), *score)));
        standing.push(Fact::new("champion", format!("v{}", champion.version)));
    }
    standing.push(Fact::new("versions", versions.len()));
    let view = context! {
        name => short(name),
        facts => given(&super::page::facts(&standing)),
        table => given(&table),
        chart_of_versions => given(&chart),
        events => given(&events),
        uri => short(&champion.map_or_else(|| format!("models:/{name}/{}", last.version), |_| format!("models:/{name}@champion"))),
        predict => format!("{}/{}/predict", models::path(name), champion.unwrap_or(last).version),
    };
    let page = ui.page("models", name.to_owned()).below("Models", "/models");
    page.draw("model.html", view)
}

fn happened(row: &HistoryRow) -> String {
    let version = |version: Option<u64>| version.map_or_else(|| "nothing".to_owned(), |version| format!("v{version}"));
    let moved = || format!("alias {}: {} → {}", row.alias.as_deref().unwrap_or_default(), version(row.from_version), version(row.to_version));
    match row.event {
        Event::Registered => format!("registered {}", version(row.to_version)),
        Event::Alias => moved(),
        Event::Rollback => format!("{}, rolled back", moved()),
        Event::Deleted => format!("deleted {}", version(row.from_version)),
    }
}
