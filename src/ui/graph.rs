//! A recipe's steps as nodes: what is fresh, what would run and why, what each found.

use serde::Serialize;

use super::address::encoded;
use super::page::{Grid, facts, grid, plain, short, text};
use crate::card::format;
use crate::card::view::{FactView, Span};
use crate::error::{Result, counted};
use crate::recipe::Recipe;
use crate::run::{Drawn, PlanLine, PlanState, Session, card_path, edges, plan};
use crate::steps::SCORING_STEPS;
use crate::store::Stale;

/// A step.
#[derive(Serialize, Default)]
pub struct Node {
    pub name: String,
    pub href: String,
    pub state: &'static str,
    pub seconds: String,
    pub shape: String,
    pub headline: Option<FactView>,
    pub summary: Vec<Span>,
    pub warnings: String,
    pub why: Vec<Span>,
}

/// The two chains of a recipe, and what goes from step to step.
#[derive(Serialize, Default)]
pub struct Graph {
    pub training: Vec<Node>,
    pub scoring: Vec<Node>,
    pub edges: Grid,
}

/// Draws the plan of a recipe.
///
/// # Errors
/// Where the store cannot be read.
pub fn graph(slug: &str, recipe: &Recipe, session: &Session<'_>) -> Result<Graph> {
    let mut lines = plan(recipe, "register")?;
    if !recipe.scoring.is_empty() {
        lines.extend(plan(recipe, "predict")?);
    }
    let rows = edges(&lines).into_iter().map(|edge| {
        let shape = format::shape(edge.rows, edge.columns);
        vec![plain(edge.artifact), plain(edge.from), plain(edge.to), plain(shape)]
    });
    let edges = grid("What goes from step to step", &["artifact", "from", "to", "rows × columns"], rows.collect());
    let (scoring, training): (Vec<&PlanLine>, Vec<&PlanLine>) = lines.iter().partition(|line| SCORING_STEPS.contains(&line.step));
    let nodes = |lines: Vec<&PlanLine>| lines.into_iter().map(|line| node(slug, recipe, session, line)).collect();
    Ok(Graph { training: nodes(training), scoring: nodes(scoring), edges })
}

fn node(slug: &str, recipe: &Recipe, session: &Session<'_>, line: &PlanLine) -> Node {
    let (state, why) = said(&line.state);
    let why = match line.card {
        Drawn::Failure => "It failed when it last ran; its card says why.".to_owned(),
        Drawn::Other if why.is_empty() => "Its card shows a run with other settings.".to_owned(),
        _ => why,
    };
    let report = line.report.as_ref();
    let written = recipe.step(line.step).map(crate::steps::Step::writes).unwrap_or_default();
    let shape = report.and_then(|report| written.iter().find_map(|slot| report.shapes.get(slot.artifact)).copied());
    let has_card = card_path(session, line.step).is_file();
    let warnings = report.map_or(0, |report| report.card.warnings.len());
    Node {
        name: line.step.to_owned(),
        href: if has_card { format!("/recipes/{}/{}.html", encoded(slug), line.step) } else { String::new() },
        state,
        seconds: line.seconds.map_or_else(String::new, format::seconds),
        shape: shape.map_or_else(String::new, |(rows, columns)| format::shape(Some(rows), Some(columns))),
        headline: report.and_then(|report| facts(report.card.headline.get(..1).unwrap_or_default()).pop()),
        summary: report.map_or_else(Vec::new, |report| text(&report.card.summary)),
        warnings: if warnings == 0 { String::new() } else { counted(warnings as u64, "warning") },
        why: text(&short(&why)),
    }
}

/// A word for the state of a step, and why.
fn said(state: &PlanState) -> (&'static str, String) {
    match state {
        PlanState::Fresh => ("fresh", String::new()),
        PlanState::Stale(reasons) if matches!(reasons.as_slice(), [Stale::NeverRun]) => ("not run", String::new()),
        PlanState::Stale(reasons) => ("stale", format!("It would run: {}.", Stale::summary(reasons))),
        PlanState::Waiting(step) => ("waiting", format!("It depends on `{step}`, which would run.")),
        PlanState::Blocked(why) => ("blocked", format!("It cannot run: {why}.")),
        PlanState::Gated(why) => ("gated", format!("The model was rejected: it {why}.")),
    }
}
