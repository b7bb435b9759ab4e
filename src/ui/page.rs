//! What all pages share: the frame around them, tables whose cells are links, problems, and the files they need.

use std::sync::OnceLock;

use minijinja::{Environment, Value, context};
use serde::Serialize;

use super::{Ui, status};
use crate::card::format;
use crate::card::html::{compiled, given};
use crate::card::view::{self, BlockView, Budget, CellView, FactView, Limits, Span, TabView, spans};
use crate::card::{Block, Cell, Fact, Tab, Table};
use crate::error::{Error, Problem, Result};
use crate::serve::http::{Answer, StatusCode};

/// What a browser may do with a page: its own style and script, and nothing else from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";
/// A card holds its style, and no script.
const CARD_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
/// The tabs of all pages; the style sheet has a rule for each.
pub const TABS: [&str; 17] = [
    "metrics",
    "steps",
    "inputs",
    "outputs",
    "params",
    "config",
    "patch",
    "runs",
    "data",
    "columns",
    "features",
    "validation",
    "training",
    "slices",
    "rows",
    "versions",
    "history",
];
/// Characters of a name or a cell.
const CELL: usize = 160;

const TEMPLATES: [(&str, &str); 13] = [
    ("ui.html", include_str!("../../templates/ui/ui.html")),
    ("parts.html", include_str!("../../templates/ui/parts.html")),
    ("problems.html", include_str!("../../templates/ui/problems.html")),
    ("recipes.html", include_str!("../../templates/ui/recipes.html")),
    ("recipe.html", include_str!("../../templates/ui/recipe.html")),
    ("config.html", include_str!("../../templates/ui/config.html")),
    ("runs.html", include_str!("../../templates/ui/runs.html")),
    ("run.html", include_str!("../../templates/ui/run.html")),
    ("compare.html", include_str!("../../templates/ui/compare.html")),
    ("models.html", include_str!("../../templates/ui/models.html")),
    ("model.html", include_str!("../../templates/ui/model.html")),
    ("predict.html", include_str!("../../templates/ui/predict.html")),
    ("live.html", include_str!("../../templates/ui/live.html")),
];

/// A page in the making.
pub struct Page<'a> {
    ui: &'a Ui,
    section: &'static str,
    title: String,
    crumbs: Vec<Crumb>,
    /// What is asked again each second.
    live: String,
    status: StatusCode,
}

#[derive(Serialize)]
struct Crumb {
    text: String,
    href: String,
}

impl<'a> Page<'a> {
    pub fn new(ui: &'a Ui, section: &'static str, title: String) -> Self {
        Self { ui, section, title, crumbs: Vec::new(), live: String::new(), status: StatusCode::OK }
    }

    /// A page above this one.
    #[must_use]
    pub fn below(mut self, text: &str, href: impl Into<String>) -> Self {
        self.crumbs.push(Crumb { text: short(text), href: href.into() });
        self
    }

    /// Shows what runs, from this address.
    #[must_use]
    pub fn live(self, address: impl Into<String>) -> Self {
        Self { live: address.into(), ..self }
    }

    pub fn draw(self, template: &str, view: Value) -> Result<Answer> {
        let shell = context! {
            project => short(&self.ui.name()),
            section => self.section,
            title => short(&self.title),
            crumbs => given(&self.crumbs),
            live => self.live,
        };
        let html = render(template, context! { shell, ..view })?;
        Ok(Answer { policy: Some(POLICY), ..Answer::new(self.status, "text/html; charset=utf-8", html) })
    }
}

/// A part of a page, without its frame.
pub fn fragment(template: &str, view: Value) -> Result<Answer> {
    Ok(Answer { policy: Some(POLICY), ..Answer::new(StatusCode::OK, "text/html; charset=utf-8", render(template, view)?) })
}

/// A card, which is a page of its own.
pub fn card(html: impl Into<Vec<u8>>) -> Answer {
    Answer { policy: Some(CARD_POLICY), ..Answer::new(StatusCode::OK, "text/html; charset=utf-8", html.into()) }
}

/// A file that pages need.
pub fn asset(name: &str) -> Option<Answer> {
    let (kind, text) = match name {
        "style.css" => ("text/css; charset=utf-8", style()),
        "live.js" => ("text/javascript; charset=utf-8", include_str!("../../templates/ui/live.js").to_owned()),
        _ => return None,
    };
    Some(Answer::new(StatusCode::OK, kind, text))
}

/// The cards' style, what pages have beside it, and a rule for each tab.
fn style() -> String {
    let tab = |id: &&str| {
        format!("#tab-{id}:target~#panel-{id}{{display:block}}.tabs:has(#tab-{id}:target) a.to-{id}{{color:var(--text);border-color:var(--accent)}}\n")
    };
    let tabs: String = TABS.iter().map(tab).collect();
    format!("{}{}{tabs}", include_str!("../../templates/cards/style.css"), include_str!("../../templates/ui/ui.css"))
}

fn render(template: &str, view: Value) -> Result<String> {
    static ENVIRONMENT: OnceLock<Result<Environment<'static>, String>> = OnceLock::new();
    let made = ENVIRONMENT.get_or_init(|| {
        let mut environment = compiled().map_err(|error| format!("{error:#}"))?;
        for (name, text) in TEMPLATES {
            environment.add_template(name, text).map_err(|error| format!("{error:#}"))?;
        }
        Ok(environment)
    });
    let broken = |error: &dyn std::fmt::Display| Error::bug(format!("a page cannot be drawn: {error:#}"));
    let environment = made.as_ref().map_err(|error| broken(error))?;
    environment.get_template(template).and_then(|template| template.render(view)).map_err(|error| broken(&error))
}

/// The page that says what went wrong.
pub fn problems_page(ui: &Ui, error: &Error) -> Answer {
    let status = status(error.kind);
    let title = if status == StatusCode::NOT_FOUND { "Not found" } else { "That did not work" };
    let page = Page { status, ..ui.page("", title) };
    let drawn = page.draw("problems.html", context! { problems => given(&problems(error)) });
    drawn.unwrap_or_else(|error| Answer::new(StatusCode::INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", format!("{error}\n")))
}

/// What went wrong, where, and what to try.
#[derive(Serialize)]
pub struct ProblemView {
    message: Vec<Span>,
    place: String,
    path: String,
    source: String,
    hint: Vec<Span>,
}

pub fn problems(error: &Error) -> Vec<ProblemView> {
    const MOST: usize = 50;
    let problem = |problem: &Problem| {
        let caret =
            problem.place.as_ref().and_then(|place| place.column).map_or(String::new(), |column| format!("\n{}^", " ".repeat(column.clamp(1, 200) - 1)));
        ProblemView {
            message: spans(&problem.message, 4000),
            place: problem.place.as_ref().map_or(String::new(), |place| short(&place.to_string())),
            path: problem.path.as_ref().map_or(String::new(), |path| short(path)),
            source: problem.source.as_ref().map_or(String::new(), |source| format!("{}{caret}", view::cut(&format::visible(&source.replace('\t', " ")), 400))),
            hint: problem.hint.as_ref().map_or(Vec::new(), |hint| spans(hint, 4000)),
        }
    };
    error.problems.iter().take(MOST).map(problem).collect()
}

/// A name as a page shows it: what a browser would obey is written out, and what is very long is cut.
pub fn short(text: &str) -> String {
    view::cut(&format::visible(text), CELL)
}

pub fn text(text: &str) -> Vec<Span> {
    spans(text, 4000)
}

pub fn facts(facts: &[Fact]) -> Vec<FactView> {
    view::facts(facts, Limits { cell: CELL, ..Limits::FULL })
}

/// Blocks of a card, drawn as cards draw them.
pub fn blocks(blocks: &[Block]) -> Vec<BlockView> {
    view::blocks(blocks, Limits { cell: CELL, ..Limits::FULL }, &mut Budget::new(crate::card::html::MAX_BYTES))
}

/// Tabs of a card that have something to show; those alone that the style sheet knows.
pub fn tabs(tabs: &[Tab]) -> Vec<TabView> {
    let known = tabs.iter().filter(|tab| TABS.contains(&tab.id.as_str()) && tab.blocks.iter().any(view::has_content));
    known.map(|tab| TabView { id: tab.id.clone(), title: short(&tab.title), blocks: blocks(&tab.blocks) }).collect()
}

/// A table whose cells may be links.
#[derive(Serialize, Default)]
pub struct Grid {
    pub label: String,
    pub columns: Vec<Head>,
    pub rows: Vec<Row>,
}

#[derive(Serialize, Default)]
pub struct Head {
    pub text: Vec<Span>,
    pub right: bool,
    /// Sorts by this column.
    pub href: String,
    /// `ascending`, `descending` where it is sorted by this column.
    pub order: &'static str,
}

#[derive(Serialize, Default)]
pub struct Row {
    /// What is chosen with the row's box, where there is one.
    pub pick: String,
    pub cells: Vec<Item>,
}

#[derive(Serialize)]
pub struct Item {
    pub cell: CellView,
    pub href: String,
    /// Stands below the value.
    pub note: String,
}

/// A cell and where it leads; nowhere where that is empty.
pub type Linked = (Cell, String);

pub fn plain(cell: impl Into<Cell>) -> Linked {
    (cell.into(), String::new())
}

pub fn linked(cell: impl Into<Cell>, href: impl Into<String>) -> Linked {
    (cell.into(), href.into())
}

/// A table of rows; columns without a value anywhere are left out. Where the first column holds the row's name, that is read as its heading.
pub fn grid(label: &str, columns: &[&str], rows: Vec<Vec<Linked>>) -> Grid {
    let is_bare = |cell: &Cell| matches!(cell, Cell::Missing) || matches!(cell, Cell::Text(text) if text.is_empty());
    let kept: Vec<usize> = (0..columns.len()).filter(|i| *i == 0 || rows.iter().any(|row| row.get(*i).is_some_and(|(cell, _)| !is_bare(cell)))).collect();
    let (cells, hrefs): (Vec<Vec<Cell>>, Vec<Vec<String>>) = rows.into_iter().map(|row| row.into_iter().unzip()).unzip();
    let table = Table { caption: String::new(), columns: columns.iter().map(|name| (*name).to_owned()).collect(), rows: cells };
    let drawn = view::table(&table, Limits { rows: 2000, cells: 40_000, cell: CELL, ..Limits::FULL });
    let heads: Vec<(Vec<Span>, bool)> = drawn.columns.into_iter().map(|head| (head.text, head.right)).collect();
    let rights: Vec<bool> = heads.iter().map(|head| head.1).collect();
    let mut grid = Grid { label: label.to_owned(), ..Grid::default() };
    grid.columns = heads.into_iter().enumerate().filter(|(i, _)| kept.contains(i)).map(|(_, (text, right))| Head { text, right, ..Head::default() }).collect();
    grid.rows = drawn
        .rows
        .into_iter()
        .zip(hrefs)
        .map(|(cells, hrefs)| {
            let items = cells.into_iter().zip(hrefs).zip(&rights).map(|((mut cell, href), right)| {
                // A number among texts stands where they do.
                if !right && cell.class.starts_with("number") {
                    cell.class = "";
                }
                Item { cell, href, note: String::new() }
            });
            Row { pick: String::new(), cells: items.enumerate().filter(|(i, _)| kept.contains(i)).map(|(_, item)| item).collect() }
        })
        .collect();
    grid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_and_asset_can_be_read() {
        let mut environment = compiled().unwrap();
        for (name, text) in TEMPLATES {
            environment.add_template(name, text).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        }
        let style = String::from_utf8(asset("style.css").unwrap().body.to_vec()).unwrap();
        assert!(style.contains("#tab-metrics:target~#panel-metrics") && !style.contains("url("));
        assert!(asset("live.js").is_some() && asset("../style.css").is_none());
    }

    #[test]
    fn a_column_without_values_is_left_out_with_its_links() {
        let rows = vec![vec![linked("a", "/a"), plain(Cell::Missing), linked(3_u64, "/3")], vec![linked("b", "/b"), plain(""), plain(Cell::Missing)]];
        let grid = grid("table", &["name", "nothing", "count"], rows);
        assert_eq!(grid.columns.iter().map(|head| (head.text[0].text.as_str(), head.right)).collect::<Vec<_>>(), [("name", false), ("count", true)]);
        assert_eq!(grid.rows[0].cells.iter().map(|item| item.href.as_str()).collect::<Vec<_>>(), ["/a", "/3"]);
    }
}
