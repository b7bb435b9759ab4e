//! The page of a card: one self-contained HTML file that needs no network and no script.
//!
//! The templates are compiled once and escape everything they are given; a strict content policy in the page
//! is the second lock. Tabs are links to anchors (`#tab-profile`), so that they work with a keyboard, can be
//! linked to, and are all there in print. A page stays below [`MAX_BYTES`]: if a card is larger, less of it
//! is shown, and the page says so.
//!
//! It does not decide what is worth showing: that is the card. It reads no file and no clock.

use std::sync::OnceLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, context, escape_formatter};
use serde::Serialize;

use super::format::{self, has_invisible, shape, visible, visible_lines};
use super::view::{self, Budget, FactView, Limits, Span, TabView, TableView, blocks, cut, facts, spans, table};
use super::{Card, Cell, Fact, Tab, Table};
use crate::error::{Error, Problem, Result};

/// No page is larger than this.
pub const MAX_BYTES: usize = 1_000_000;

/// Whether the step of a page succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageState {
    Ok,
    Failed,
}

/// Where a step of the recipe stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// It ran.
    Done,
    /// Its result was there already.
    Cached,
    Failed,
    /// It has not run yet, or not since something changed.
    Waiting,
}

impl StepState {
    /// The word that is shown.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Cached => "cached",
            Self::Failed => "failed",
            Self::Waiting => "waiting",
        }
    }
}

/// A step in the bar at the top of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepLink {
    pub name: String,
    /// Relative to this page; `None` where there is no card yet.
    pub href: Option<String>,
    pub state: StepState,
}

/// Something a step read or wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Artifact {
    pub name: String,
    pub rows: Option<u64>,
    pub columns: Option<u64>,
    pub bytes: Option<u64>,
    /// Hexadecimal; shown shortened, whole on hover.
    pub digest: String,
}

/// One resolved setting and the place that set it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigLine {
    pub key: String,
    pub value: String,
    pub place: String,
}

/// What differs from the run before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub what: String,
    pub before: String,
    pub after: String,
}

/// A card with what belongs to the moment it is drawn.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    pub recipe: &'a str,
    pub template: &'a str,
    pub profile: Option<&'a str>,
    pub step: &'a str,
    pub state: PageState,
    pub card: &'a Card,
    /// Why the step ran, as a sentence.
    pub why: &'a str,
    pub seconds: f64,
    pub run: &'a str,
    pub inputs: Vec<Artifact>,
    pub outputs: Vec<Artifact>,
    pub config: Vec<ConfigLine>,
    /// What of the configuration and the files changed since the run before; may be empty.
    pub changes: Vec<Change>,
    /// What belongs to the moment and is no part of the card: what else it found before, how the champion stands.
    pub moment: Vec<Tab>,
    pub steps: Vec<StepLink>,
}

/// Which of the two chains a step belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    Training,
    Scoring,
}

/// A step on the overview.
#[derive(Clone, Debug)]
pub struct IndexStep {
    pub name: String,
    pub chain: Chain,
    /// Relative to the overview; `None` where there is no card yet.
    pub href: Option<String>,
    pub state: StepState,
    pub rows: Option<u64>,
    pub columns: Option<u64>,
    pub seconds: Option<f64>,
    /// The card's sentence.
    pub summary: String,
    /// The card's first figure.
    pub headline: Option<Fact>,
    pub warnings: usize,
    /// Why it ran, or why it is stale.
    pub why: String,
}

/// The overview of a recipe.
#[derive(Clone, Debug)]
pub struct Index<'a> {
    pub recipe: &'a str,
    pub template: &'a str,
    pub profile: Option<&'a str>,
    pub description: &'a str,
    /// How the recipe stands, in one sentence.
    pub said: String,
    pub run: &'a str,
    pub seconds: f64,
    /// `Good("VALIDATED")`, `Bad("REJECTED")`, or nothing yet.
    pub verdict: Option<Cell>,
    pub headline: Vec<Fact>,
    pub steps: Vec<IndexStep>,
}

/// Draws the page of a card.
///
/// # Errors
/// A bug only: the templates and what they read are fixed.
pub fn page(page: &Page<'_>) -> Result<String> {
    fitted("card.html", |limits, budget| {
        let (mut own, more) = own_tabs(&page.card.tabs, limits, budget);
        own.extend(own_tabs(&page.moment, limits, budget).0);
        own.extend(common_tabs(page, limits));
        let mut warnings: Vec<Vec<Span>> = page.card.warnings.iter().take(limits.items).map(|text| spans(text, limits.text.min(2000))).collect();
        warnings.extend(view::left_out(page.card.warnings.len(), limits.items, "warnings").into_iter().chain(more).map(|text| spans(&text, limits.text)));
        let (summary, lead) = sentences(&page.card.summary);
        context! {
            head => given(&head(page, limits)),
            summary => given(&spans(summary, limits.text.min(2000))),
            lead => given(&spans(lead, limits.text.min(2000))),
            facts => given(&facts(&page.card.headline, limits)),
            warnings => given(&warnings),
            tabs => given(&unique(own)),
        }
    })
}

/// Draws the page of a step that failed: what went wrong, where, and what to try; then what was found until then.
///
/// # Errors
/// As [`page`].
pub fn failure(page: &Page<'_>, error: &Error) -> Result<String> {
    #[derive(Serialize)]
    struct ProblemView {
        message: Vec<Span>,
        place: String,
        path: String,
        source: String,
        hint: Vec<Span>,
    }
    fitted("failure.html", |limits, budget| {
        let problem = |problem: &Problem| {
            let caret =
                problem.place.as_ref().and_then(|place| place.column).map_or(String::new(), |column| format!("\n{}^", " ".repeat(column.clamp(1, 200) - 1)));
            ProblemView {
                message: spans(&problem.message, limits.text.min(4000)),
                place: problem.place.as_ref().map_or(String::new(), |place| cut(&visible(&place.to_string()), limits.cell)),
                path: problem.path.as_ref().map_or(String::new(), |path| cut(&visible(path), limits.cell)),
                source: problem.source.as_ref().map_or(String::new(), |source| format!("{}{caret}", cut(&visible(&source.replace('\t', " ")), limits.cell))),
                hint: problem.hint.as_ref().map_or(Vec::new(), |hint| spans(hint, limits.text.min(4000))),
            }
        };
        let (mut tabs, _) = own_tabs(&page.card.tabs, limits, budget);
        tabs.extend(common_tabs(page, limits));
        context! {
            head => given(&head(&Page { state: PageState::Failed, ..page.clone() }, limits)),
            problems => given(&error.problems.iter().take(limits.items).map(problem).collect::<Vec<_>>()),
            more => given(&view::left_out(error.problems.len(), limits.items, "problems").unwrap_or_default()),
            code => given(&error.kind.exit_code()),
            tabs => given(&unique(tabs)),
        }
    })
}

/// Draws the overview of a recipe: its steps with what each found.
///
/// # Errors
/// As [`page`].
pub fn index(index: &Index<'_>) -> Result<String> {
    #[derive(Serialize)]
    struct StepView {
        name: String,
        href: String,
        state: &'static str,
        shape: String,
        seconds: String,
        summary: Vec<Span>,
        headline: Option<FactView>,
        warnings: String,
        why: Vec<Span>,
    }
    fitted("index.html", |limits, _| {
        let step = |step: &IndexStep| StepView {
            name: cut(&visible(&step.name), limits.cell.min(60)),
            href: link(step.href.as_deref()),
            state: step.state.word(),
            shape: shape(step.rows, step.columns),
            seconds: step.seconds.map_or(String::new(), format::seconds),
            summary: spans(&step.summary, limits.text.min(1000)),
            headline: facts(step.headline.as_slice(), limits).pop(),
            warnings: match step.warnings {
                0 => String::new(),
                1 => "1 warning".to_owned(),
                more => format!("{} warnings", format::count(more as u64)),
            },
            why: spans(&step.why, limits.text.min(1000)),
        };
        let chain = |chain: Chain| index.steps.iter().filter(|step| step.chain == chain).take(limits.items).map(step).collect::<Vec<_>>();
        context! {
            recipe => given(&cut(&visible(index.recipe), limits.cell)),
            template => given(&cut(&visible(index.template), limits.cell)),
            profile => given(&cut(&visible(index.profile.unwrap_or_default()), limits.cell)),
            description => given(&spans(index.description, limits.text.min(2000))),
            said => given(&spans(sentences(&index.said).0, limits.text.min(2000))),
            run => given(&cut(&visible(index.run), limits.cell)),
            seconds => given(&format::seconds(index.seconds)),
            verdict => given(&index.verdict.as_ref().map(|verdict| view::cell(verdict, limits))),
            facts => given(&facts(&index.headline, limits)),
            training => given(&chain(Chain::Training)),
            scoring => given(&chain(Chain::Scoring)),
        }
    })
}

/// What every page of a step shows at its top.
#[derive(Serialize)]
struct Head {
    recipe: String,
    template: String,
    profile: String,
    step: String,
    failed: bool,
    seconds: String,
    run: String,
    steps: Vec<StepLinkView>,
}

#[derive(Serialize)]
struct StepLinkView {
    name: String,
    href: String,
    state: &'static str,
    current: bool,
}

fn head(page: &Page<'_>, limits: Limits) -> Head {
    let short = |text: &str| cut(&visible(text), limits.cell.min(120));
    let failed = page.state == PageState::Failed;
    let step = |step: &StepLink| {
        let current = step.name == page.step;
        let state = if current && failed { StepState::Failed } else { step.state };
        StepLinkView { name: short(&step.name), href: link(step.href.as_deref()), state: state.word(), current }
    };
    Head {
        recipe: short(page.recipe),
        template: short(page.template),
        profile: short(page.profile.unwrap_or_default()),
        step: short(page.step),
        failed,
        seconds: if page.seconds > 0.0 { format::seconds(page.seconds) } else { String::new() },
        run: short(page.run),
        steps: page.steps.iter().take(limits.items).map(step).collect(),
    }
}

/// The first sentence, and the others.
fn sentences(text: &str) -> (&str, &str) {
    let mut from = 0;
    while let Some(at) = text[from..].find(". ").map(|at| from + at) {
        let (first, rest) = (&text[..=at], &text[at + 2..]);
        if rest.starts_with(|c: char| c.is_uppercase()) && first.chars().count() > 12 {
            return (first, rest);
        }
        from = at + 2;
    }
    (text, "")
}

/// Tabs that have something to show, and a sentence on those left out.
fn own_tabs(tabs: &[Tab], limits: Limits, budget: &mut Budget) -> (Vec<TabView>, Option<String>) {
    let full = || tabs.iter().filter(|tab| tab.blocks.iter().any(view::has_content));
    let shown = full().take(limits.items.min(24));
    let tabs: Vec<TabView> = shown
        .map(|tab| TabView { id: tab.id.clone(), title: cut(&visible(&tab.title), limits.cell.min(60)), blocks: blocks(&tab.blocks, limits, budget) })
        .collect();
    let more = view::left_out(full().count(), tabs.len(), "tabs");
    (tabs, more)
}

/// Characters of a name that is not broken over lines.
const WHOLE: usize = 48;

/// The tabs that every card has: what went in and out, configuration, why it ran.
fn common_tabs(page: &Page<'_>, limits: Limits) -> Vec<TabView> {
    let mut tabs = Vec::new();
    let mut add = |id: &str, title: &str, blocks: Vec<view::BlockView>| {
        if !blocks.is_empty() {
            tabs.push(TabView { id: id.to_owned(), title: title.to_owned(), blocks });
        }
    };
    let artifacts = [("In", &page.inputs), ("Out", &page.outputs)];
    add("artifacts", "In and out", artifacts.into_iter().filter_map(|(caption, list)| artifact_table(caption, list, limits)).collect());
    let config = page.config.iter().map(|line| [&line.key, &line.value, &line.place]);
    add("config", "Configuration", text_table("", ["key", "value", "set in"], config, limits).into_iter().collect());
    let mut why = Vec::new();
    if !page.why.trim().is_empty() {
        why.push(view::BlockView::Text { spans: spans(page.why, limits.text.min(4000)) });
    }
    let changes = page.changes.iter().map(|change| [&change.what, &change.before, &change.after]);
    why.extend(text_table("Changed since the run before", ["what", "before", "after"], changes, limits));
    add("why", "Why it ran", why);
    tabs
}

fn artifact_table(caption: &str, list: &[Artifact], limits: Limits) -> Option<view::BlockView> {
    let row = |artifact: &Artifact| {
        let bytes = artifact.bytes.map_or(Cell::Missing, Cell::Bytes);
        vec![artifact.name.as_str().into(), artifact.rows.into(), artifact.columns.into(), bytes, artifact.digest.as_str().into()]
    };
    let columns = ["name", "rows", "columns", "size", "digest"].map(str::to_owned).to_vec();
    let table = table(&Table { caption: caption.to_owned(), columns, rows: list.iter().map(row).collect() }, Limits { sparing: true, ..limits });
    (!list.is_empty()).then_some(view::BlockView::Table { table })
}

fn text_table<'a>(caption: &str, columns: [&str; 3], rows: impl Iterator<Item = [&'a String; 3]>, limits: Limits) -> Option<view::BlockView> {
    let rows: Vec<Vec<Cell>> = rows.map(|row| row.map(|text| text.as_str().into()).to_vec()).collect();
    if rows.is_empty() {
        return None;
    }
    let mut view: TableView = table(&Table { caption: caption.to_owned(), columns: columns.map(str::to_owned).to_vec(), rows }, limits);
    view.shape = "stacked";
    for row in &mut view.rows {
        for (place, cell) in row.iter_mut().enumerate() {
            // Names and places stay whole, what stands between them is broken where it must be.
            cell.class = if place != 1 && cell.text.len() <= WHOLE { "mono whole" } else { "mono" };
        }
    }
    Some(view::BlockView::Table { table: view })
}

/// Makes identifiers safe in a URL and unlike each other.
pub(crate) fn unique(mut tabs: Vec<TabView>) -> Vec<TabView> {
    let mut taken: Vec<String> = Vec::new();
    for tab in &mut tabs {
        let safe: String = tab.id.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(40).collect();
        let safe = if safe.trim_matches('-').is_empty() { "tab".to_owned() } else { safe };
        let mut id = safe.clone();
        for number in 2.. {
            if !taken.contains(&id) {
                break;
            }
            id = format!("{safe}-{number}");
        }
        taken.push(id.clone());
        tab.id = id;
    }
    tabs
}

/// A relative link, or nothing: a name that could lead elsewhere is not a link.
fn link(href: Option<&str>) -> String {
    let href = href.unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/#".contains(c);
    if href.chars().all(plain) && !href.starts_with("//") && href.len() < 500 { href.to_owned() } else { String::new() }
}

/// Renders with fewer and fewer rows, points and letters until the page is small enough.
fn fitted(template: &str, view: impl Fn(Limits, &mut Budget) -> Value) -> Result<String> {
    let template = environment()?.get_template(template).map_err(|error| broken(&error))?;
    let mut limits = Limits::FULL;
    let mut html = String::new();
    for _ in 0..20 {
        let mut budget = Budget::new(MAX_BYTES);
        let context = view(limits, &mut budget);
        if !budget.is_spent() {
            html = template.render(context).map_err(|error| broken(&error))?;
            if html.len() <= MAX_BYTES {
                break;
            }
        }
        limits = limits.smaller();
    }
    Ok(html)
}

fn environment() -> Result<&'static Environment<'static>> {
    static ENVIRONMENT: OnceLock<Result<Environment<'static>, String>> = OnceLock::new();
    ENVIRONMENT
        .get_or_init(|| compiled().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map_err(|error| Error::bug(format!("a card's template is broken: {error}")))
}

/// HTML is escaped by the templates' names; what a browser would obey instead of show is escaped before that.
///
/// # Errors
/// A template that cannot be read: a bug.
pub(crate) fn compiled() -> std::result::Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_formatter(|out, state, value| match value.as_str() {
        Some(text) if !value.is_safe() && has_invisible(text) => escape_formatter(out, state, &Value::from(visible_lines(text).into_owned())),
        _ => escape_formatter(out, state, value),
    });
    environment.add_template("style.css", include_str!("../../templates/cards/style.css"))?;
    environment.add_template("base.html", include_str!("../../templates/cards/base.html"))?;
    environment.add_template("blocks.html", include_str!("../../templates/cards/blocks.html"))?;
    environment.add_template("chain.html", include_str!("../../templates/cards/chain.html"))?;
    environment.add_template("card.html", include_str!("../../templates/cards/card.html"))?;
    environment.add_template("failure.html", include_str!("../../templates/cards/failure.html"))?;
    environment.add_template("index.html", include_str!("../../templates/cards/index.html"))?;
    Ok(environment)
}

/// A view for a template.
pub(crate) fn given(view: &impl Serialize) -> Value {
    Value::from(Serde(view))
}

fn broken(error: &minijinja::Error) -> Error {
    Error::bug(format!("a card cannot be drawn: {error:#}"))
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, HOSTILE};
    use super::super::{Bars, Block, ColumnProfile, Heat, Histogram, Line, Lines, Points};
    use super::*;

    fn step_links(names: &[&str], current: &str) -> Vec<StepLink> {
        let before = names.iter().position(|name| *name == current).unwrap_or(0);
        let state = |i: usize| if i < before { StepState::Cached } else { [StepState::Done, StepState::Waiting][usize::from(i > before)] };
        names
            .iter()
            .enumerate()
            .map(|(i, name)| StepLink { name: (*name).into(), href: (i <= before).then(|| format!("{name}.html")), state: state(i) })
            .collect()
    }

    fn page_of(card: &Card) -> Page<'_> {
        let artifact = |name: &str, rows| Artifact { name: name.into(), rows: Some(rows), columns: Some(9), bytes: Some(345_678), digest: "7f3a".repeat(16) };
        let line = |key: &str, value: &str, place: &str| ConfigLine { key: key.into(), value: value.into(), place: place.into() };
        Page {
            recipe: "taxi_fare",
            template: "regression/v1",
            profile: Some("local"),
            step: "evaluate",
            state: PageState::Ok,
            card,
            why: "`steps.train.estimator_params.learning_rate` changed from 0.3 to 0.1, so the model is another one",
            seconds: 0.2,
            run: "7f3a2b90",
            inputs: vec![
                artifact("transformed_validation_data", 1024),
                Artifact { name: "model".into(), bytes: Some(12_345), digest: "ab12".repeat(16), ..Artifact::default() },
            ],
            outputs: vec![artifact("predicted_training_data", 7936)],
            config: vec![
                line("primary_metric", "root_mean_squared_error", "default of regression/v1"),
                line("steps.evaluate.validation_criteria[0].threshold", "10", "recipe.yaml:31:20"),
                line("steps.evaluate.bootstrap.samples", "200", "profiles/local.yaml:4:5"),
            ],
            changes: vec![Change { what: "test root_mean_squared_error".into(), before: "2.31".into(), after: "2.07".into() }],
            moment: vec![Tab::new("since", "Since the last run", vec![Block::Text("everything it found is as before".into())])],
            steps: step_links(&["ingest", "split", "transform", "train", "evaluate", "register"], "evaluate"),
        }
    }

    fn index_of(steps: Vec<IndexStep>) -> Index<'static> {
        Index {
            recipe: "taxi_fare",
            template: "regression/v1",
            profile: Some("local"),
            description: "Fares of New York taxis from distance, time and place",
            said: "VALIDATED: beats the dummy by 80 %, test rmse 2.07 against 10.49. The model passed all 3 criteria.".into(),
            run: "7f3a2b90",
            seconds: 1.41,
            verdict: Some(Cell::Good("VALIDATED".into())),
            headline: vec![
                Fact::new("test rmse", 2.0701),
                Fact::new("dummy", 10.49),
                Fact::new("rows", 10_000_u64),
                Fact::new("registered", "taxi_fare v1, alias champion"),
            ],
            steps,
        }
    }

    fn index_step(name: &str, chain: Chain, state: StepState, headline: Option<Fact>) -> IndexStep {
        let waiting = state == StepState::Waiting;
        IndexStep {
            name: name.into(),
            chain,
            href: (!waiting).then(|| format!("{name}.html")),
            state,
            rows: (!waiting).then_some(10_000),
            columns: (!waiting).then_some(6),
            seconds: (!waiting).then_some(0.0214),
            summary: if waiting { String::new() } else { "10,000 rows in 6 columns; the contract holds in 4 of 4 tests".into() },
            headline,
            warnings: usize::from(name == "ingest") * 2,
            why: if waiting { "`ingest_scoring.location` is not set".into() } else { "the data changed: `data/taxi.parquet`".into() },
        }
    }

    fn problem() -> Error {
        let mut error = Error::config("unknown estimator `random_forst`").hint("did you mean `random_forest`? `recipe list estimators` shows all");
        error.problems[0] = Problem {
            source: Some("    using: random_forst".into()),
            ..error.problems[0].clone().at(crate::error::Place::new("recipes/taxi_fare/recipe.yaml", 14, 12)).path("steps.train.using")
        };
        error
    }

    fn all_pages() -> Vec<(&'static str, String)> {
        let rich = sample::rich();
        let mut several = problem();
        several.problems.push(Problem::new("column `fare` is missing").hint("nearest: `fare_amount`"));
        let plain = Card::default();
        let steps = vec![
            index_step("ingest", Chain::Training, StepState::Cached, Some(Fact::new("contract", "4 of 4"))),
            index_step("split", Chain::Training, StepState::Cached, Some(Fact::new("training rows", 7936_u64))),
            index_step("transform", Chain::Training, StepState::Done, Some(Fact::new("features", 9_u64))),
            index_step("train", Chain::Training, StepState::Done, Some(Fact::new("validation rmse", 1.8312))),
            index_step("evaluate", Chain::Training, StepState::Done, Some(Fact::new("test rmse", 2.0701))),
            index_step("register", Chain::Training, StepState::Failed, None),
            index_step("ingest_scoring", Chain::Scoring, StepState::Waiting, None),
            index_step("predict", Chain::Scoring, StepState::Waiting, None),
        ];
        vec![
            ("card.html", page(&page_of(&rich)).unwrap()),
            ("failure.html", failure(&Page { step: "train", ..page_of(&plain) }, &problem()).unwrap()),
            ("failures.html", failure(&Page { step: "train", ..page_of(&plain) }, &several).unwrap()),
            ("index.html", index(&index_of(steps)).unwrap()),
            ("hostile.html", page(&page_of(&sample::hostile())).unwrap()),
        ]
    }

    /// With `CARD_OUT=DIR` the pages are also written there, to be looked at.
    #[test]
    fn every_page_is_self_contained_html() {
        for (name, html) in all_pages() {
            if let Some(folder) = std::env::var_os("CARD_OUT") {
                std::fs::write(std::path::Path::new(&folder).join(name), &html).unwrap();
            }
            assert!(html.starts_with("<!doctype html>"), "{name}");
            assert!(html.contains("default-src 'none'"), "{name}");
            assert!(!html.contains("<script") && !html.contains("http://") && !html.contains("https://") && !html.contains("url("), "{name}");
        }
    }

    #[test]
    fn hostile_text_is_shown_and_never_obeyed() {
        let card = sample::hostile();
        let name = HOSTILE.join(" ");
        let mut drawn = page_of(&card);
        (drawn.recipe, drawn.step, drawn.why, drawn.run, drawn.profile) = (&name, &name, &name, &name, Some(name.as_str()));
        drawn.inputs[0].name.clone_from(&name);
        drawn.config[0] = ConfigLine { key: name.clone(), value: name.clone(), place: name.clone() };
        drawn.changes[0] = Change { what: name.clone(), before: name.clone(), after: name.clone() };
        drawn.steps = vec![StepLink { name: name.clone(), href: Some("javascript:alert(1)".into()), state: StepState::Done }];
        let failed = failure(&drawn, &Error::data(name.clone()).hint(name.clone()).path(&name)).unwrap();
        let step = IndexStep {
            summary: name.clone(),
            why: name.clone(),
            ..index_step(&name, Chain::Scoring, StepState::Done, Some(Fact::new(name.clone(), name.clone())))
        };
        for html in [page(&drawn).unwrap(), failed, index(&Index { description: &name, ..index_of(vec![step]) }).unwrap()] {
            assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;") && html.contains("{{7*7}}") && html.contains("escape\\u{1b}[31m turn\\u{202e}"));
            assert!(!html.contains("<img") && !html.contains("</script") && !html.contains("javascript:"));
            assert_eq!(html.matches("</style").count(), 1);
            assert!(!html.contains(">49<") && !html.contains(['\u{7}', '\u{1b}', '\u{202e}']));
        }
    }

    #[test]
    fn a_tab_without_content_is_left_out_and_tabs_are_reached_by_link() {
        let html = page(&page_of(&sample::rich())).unwrap();
        assert!(!html.contains("Nothing here"));
        for id in ["metrics", "profile", "sql", "artifacts", "config", "why"] {
            assert!(
                html.contains(&format!("href=\"#tab-{id}\""))
                    && html.contains(&format!("id=\"tab-{id}\""))
                    && html.contains(&format!("#tab-{id}:target~#panel-{id}")),
                "{id}"
            );
        }
        let bare = Card::default();
        let none = Page { why: "", inputs: vec![], outputs: vec![], config: vec![], changes: vec![], moment: vec![], ..page_of(&bare) };
        assert!(!page(&none).unwrap().contains("<nav class=\"tab-list\""));
        let ids: Vec<String> = unique(["a b", "a-b", "", "é"].map(|id| TabView { id: id.into(), title: String::new(), blocks: vec![] }).into())
            .into_iter()
            .map(|tab| tab.id)
            .collect();
        assert_eq!(ids, ["a-b", "a-b-2", "tab", "tab-2"]);
    }

    #[test]
    fn the_counts_given_stand_in_the_page_behind_the_chart() {
        let series = vec![super::super::Counts { name: "test".into(), counts: vec![17, 0, 12_345] }];
        let chart = Histogram { caption: "fares".into(), x: "fare".into(), edges: vec![0.0, 1.0, 2.0, 990.0], series };
        let card = Card { tabs: vec![Tab::new("t", "T", vec![Block::Histogram(chart)])], ..Card::default() };
        let html = page(&page_of(&card)).unwrap();
        for row in
            ["<td>0 to 1</td><td class=\"number\">17</td>", "<td>1 to 2</td><td class=\"number\">0</td>", "<td>2 to 990</td><td class=\"number\">12,345</td>"]
        {
            assert!(html.contains(row), "{row}");
        }
    }

    #[test]
    fn the_largest_card_stays_below_a_megabyte_and_says_what_is_left_out() {
        let long = "x".repeat(450);
        let row: Vec<Cell> = (0..30).map(|_| Cell::Text(long.clone())).collect();
        let points: Vec<(f64, f64)> = (0..5000).map(|i| (f64::from(i), f64::from(i * 7 % 100))).collect();
        let lines: Vec<Line> = (0..20).map(|i| Line { name: format!("{i}{long}"), points: points.clone() }).collect();
        let columns: Vec<ColumnProfile> = (0..400)
            .map(|i| ColumnProfile {
                name: format!("{i}{long}"),
                alerts: vec![long.clone(); 5],
                top: vec![(long.clone(), 3); 20],
                rows: 100,
                ..ColumnProfile::default()
            })
            .collect();
        let blocks = vec![
            Block::Table(Table { caption: long.clone(), columns: vec![long.clone(); 30], rows: vec![row; 520] }),
            Block::Lines(Lines { series: lines, ..Lines::default() }),
            Block::Points(Points { points: points.clone(), ..Points::default() }),
            Block::Bars(Bars { bars: (0..5000).map(|i| (format!("{long}{i}"), f64::from(i))).collect(), ..Bars::default() }),
            Block::Heat(Heat { labels: vec![long.clone(); 40], counts: vec![vec![1; 40]; 40], ..Heat::default() }),
            Block::Profile(columns),
            Block::Code(long.repeat(300)),
            Block::Text(long.repeat(300)),
        ];
        let card = Card {
            summary: long.repeat(10),
            headline: vec![Fact::new("a", long.clone()); 500],
            warnings: vec![long.clone(); 900],
            tabs: (0..3).map(|i| Tab::new(&i.to_string(), &long, blocks.clone())).collect(),
        };
        let mut drawn = page_of(&card);
        drawn.config = vec![ConfigLine { key: long.clone(), value: long.clone(), place: long.clone() }; 2000];
        let html = page(&drawn).unwrap();
        assert!(html.len() <= MAX_BYTES, "{} bytes", html.len());
        assert!(html.contains("are left out."));
        let rows = (0..1200_u64).map(|i| vec![Cell::Count(i)]).collect();
        let card =
            Card { tabs: vec![Tab::new("t", "T", vec![Block::Table(Table { columns: vec!["n".into()], rows, ..Table::default() })])], ..Card::default() };
        assert!(page(&page_of(&card)).unwrap().contains("The first 500 of 1,200 rows are shown; 700 are left out."));
    }

    #[test]
    fn the_first_sentence_is_the_headline_and_no_number_or_name_ends_it() {
        assert_eq!(sentences("It beats the dummy by 0.5. It passed all."), ("It beats the dummy by 0.5.", "It passed all."));
        assert_eq!(sentences("Rows of St. Louis were read. Two are odd."), ("Rows of St. Louis were read.", "Two are odd."));
        assert_eq!(sentences("no end"), ("no end", ""));
    }

    #[test]
    fn equal_cards_give_equal_bytes() {
        assert_eq!(all_pages(), all_pages());
    }
}
