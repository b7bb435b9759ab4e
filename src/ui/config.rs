//! The configuration of a recipe: each value, where it was set, and what it took the place of.

use minijinja::context;
use serde::Serialize;

use super::address::{Query, encoded};
use super::page::{problems, short};
use super::recipe::path;
use super::{Ui, secret};
use crate::card::html::given;
use crate::card::{format, view};
use crate::error::{Result, shorten};
use crate::recipe::compose::compose;
use crate::recipe::explain::Explained;
use crate::recipe::project;
use crate::serve::http::Answer;
use crate::value::display_path;

#[derive(Serialize)]
struct Section {
    title: String,
    id: String,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    key: String,
    value: String,
    is_removed: bool,
    place: String,
    layer: String,
    /// What it took the place of, the last one first.
    before: Vec<Before>,
}

#[derive(Serialize)]
struct Before {
    value: String,
    place: String,
    layer: String,
}

#[derive(Serialize)]
struct Choice {
    name: String,
    href: String,
    is_current: bool,
}

pub fn page(ui: &Ui, slug: &str, query: &Query) -> Result<Answer> {
    let asked: Vec<&str> = query.all("profile").collect();
    let selection = ui.selected(slug, &asked)?;
    let is_alone = selection.recipe.is_none();
    let known = project::profiles(&ui.root, (!is_alone).then_some(slug));
    let composed = compose(&selection);
    let used: Vec<String> = composed.as_ref().map_or_else(|_| asked.iter().map(|name| (*name).to_owned()).collect(), |composed| composed.profiles.clone());
    let choice =
        |name: &String| Choice { name: short(name), href: format!("{}/config?profile={}", path(slug), encoded(name)), is_current: used == [name.clone()] };
    let choices: Vec<Choice> = known.keys().map(choice).collect();
    let found = composed.and_then(|composed| Ok((composed.explain(&[])?, composed.warnings)));
    let (sections, warnings, faults) = match found {
        Ok((explained, warnings)) => (sections(explained), warnings, Vec::new()),
        Err(error) => (Vec::new(), Vec::new(), problems(&error)),
    };
    let view = context! {
        name => short(slug),
        profile => used.iter().map(|name| short(name)).collect::<Vec<_>>().join(" + "),
        choices => given(&choices),
        sections => given(&sections),
        warnings => given(&warnings.iter().map(|warning| super::page::text(warning)).collect::<Vec<_>>()),
        problems => given(&faults),
    };
    ui.page("recipes", format!("Configuration of {slug}")).below(slug, path(slug)).draw("config.html", view)
}

/// A section a step, and one for the rest.
fn sections(explained: Vec<Explained>) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for one in explained {
        // Below its step's title a key goes by the rest of its path.
        let (title, rest) = match one.path.as_slice() {
            [steps, step, rest @ ..] if steps == "steps" => (step.clone(), rest),
            whole => ("general".to_owned(), whole),
        };
        let told = |value: &str| view::cut(&format::visible(&secret::told(&one.path, value)), 4000);
        let before =
            |setting: &crate::recipe::explain::Setting| Before { value: told(&setting.value), place: short(&setting.place.to_string()), layer: layer(setting) };
        let wins = one.settings.iter().rposition(|setting| setting.wins).or(one.settings.len().checked_sub(1));
        let last = wins.and_then(|wins| one.settings.get(wins));
        let line = Line {
            key: short(&display_path(if rest.is_empty() { &one.path } else { rest })),
            value: one.value.as_deref().map_or_else(|| "removed".to_owned(), told),
            is_removed: one.value.is_none(),
            place: last.map_or_else(String::new, |setting| short(&setting.place.to_string())),
            layer: last.map_or_else(String::new, layer),
            before: one.settings.iter().take(wins.unwrap_or(0)).rev().map(before).collect(),
        };
        match sections.iter_mut().find(|section| section.title == title) {
            Some(section) => section.lines.push(line),
            None => sections.push(Section { id: format!("section-{}", sections.len() + 1), title, lines: vec![line] }),
        }
    }
    let order = |section: &Section| crate::steps::TRAINING_STEPS.iter().chain(&crate::steps::SCORING_STEPS).position(|step| *step == section.title);
    sections.sort_by_key(order);
    for section in &mut sections {
        section.title = short(&shorten(&section.title));
    }
    sections
}

/// The layer's name, where its place does not say it.
fn layer(setting: &crate::recipe::explain::Setting) -> String {
    if setting.place.to_string().starts_with(&setting.layer) { String::new() } else { short(&setting.layer) }
}
