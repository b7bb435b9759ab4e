//! What a run would do, without doing it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cards::{Drawn, drawn};
use super::{Session, chain};
use crate::error::{Kind, Result};
use crate::recipe::Recipe;
use crate::steps::{Report, SlotId};
use crate::store::{Access, Lookup, Stale};

/// A step and what would happen to it.
#[derive(Clone, Debug)]
pub struct PlanLine {
    pub step: &'static str,
    pub state: PlanState,
    /// The report of its current or last result.
    pub report: Option<Report>,
    /// What that took.
    pub seconds: Option<f64>,
    /// The artifacts of earlier steps that it reads.
    pub reads: Vec<SlotId>,
    /// What its page shows beside that result.
    pub card: Drawn,
}

impl PlanLine {
    /// What a reader of its page should know; nothing where the page shows this very result.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        match self.card {
            Drawn::Nothing | Drawn::Same => None,
            Drawn::Other => Some(format!("its card shows a run with other settings; `recipe run {}` draws it anew", self.step)),
            Drawn::Failure => Some(format!("it failed when it last ran; `recipe inspect {}` says why", self.step)),
        }
    }
}

/// An artifact on its way from the step that makes it to one that reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edge {
    pub from: &'static str,
    pub to: &'static str,
    pub artifact: &'static str,
    /// As it was last made, where it is a table.
    pub rows: Option<u64>,
    pub columns: Option<u64>,
}

/// What goes from step to step, in the order in which it is made.
#[must_use]
pub fn edges(lines: &[PlanLine]) -> Vec<Edge> {
    let mut edges = Vec::new();
    for from in lines {
        let shapes = from.report.as_ref().map(|report| &report.shapes);
        for to in lines {
            for slot in to.reads.iter().filter(|slot| slot.step == from.step) {
                let (rows, columns) = shapes.and_then(|shapes| shapes.get(slot.artifact)).copied().unzip();
                edges.push(Edge { from: from.step, to: to.step, artifact: slot.artifact, rows, columns });
            }
        }
    }
    edges
}

/// Would a step run?
#[derive(Clone, Debug)]
pub enum PlanState {
    Fresh,
    Stale(Vec<Stale>),
    /// It depends on a step that would run, so it may.
    Waiting(&'static str),
    /// Its inputs cannot be found.
    Blocked(String),
    /// The gate stands before it.
    Gated(String),
}

/// The plan of the chain that `until` belongs to. Writes nothing.
///
/// # Errors
/// An unknown step; a store that cannot be read.
pub fn plan(recipe: &Recipe, until: &str) -> Result<Vec<PlanLine>> {
    let steps = chain(recipe, until)?;
    let session = Session::open(recipe, Access::Read)?;
    let mut known = BTreeMap::new();
    let mut stale: Option<&'static str> = None;
    let mut gate: Option<String> = None;
    let mut lines = Vec::new();
    for step in steps {
        let name = step.name();
        let latest = session.latest(name)?;
        let (mut result, mut report, mut seconds) =
            latest.map_or((None, None, None), |(entry, report)| (Some(entry.digest), Some(report), Some(entry.seconds)));
        let needs = step.needs(&session.around);
        let reads = needs.as_ref().map(|needs| needs.reads.clone()).unwrap_or_default();
        let state = if let Some(first) = stale {
            PlanState::Waiting(first)
        } else if let Some(reason) = gate.clone().filter(|_| name == "register") {
            PlanState::Gated(reason)
        } else {
            match needs {
                Err(error) if matches!(error.kind, Kind::Data | Kind::Model | Kind::Io) => {
                    stale = Some(name);
                    PlanState::Blocked(error.to_string())
                }
                Err(error) => return Err(error),
                Ok(needs) => {
                    let key = session.key(step, &needs, &known)?;
                    let reasons = if let Some(why) = step.always_runs() {
                        vec![Stale::Always(why.to_owned())]
                    } else {
                        match session.store.lookup(&session.owner, &key)? {
                            Lookup::Miss(reasons) => reasons,
                            Lookup::Hit(entry) => {
                                let found: Option<Report> = Report::deserialize(&entry.report).ok();
                                let lost = match &found {
                                    Some(found) => step.missing_effect(found, &session.around)?.map(Stale::EffectMissing),
                                    None => Some(Stale::Damaged("report".to_owned())),
                                };
                                for slot in step.writes() {
                                    if let Some(stored) = entry.outputs.get(slot.artifact) {
                                        known.insert(slot.artifact, (stored.digest, stored.bytes));
                                    }
                                }
                                gate = gate.or_else(|| found.as_ref().and_then(|r| r.verdict.as_ref()).filter(|v| !v.validated).map(|v| v.reason.clone()));
                                (result, report, seconds) = (Some(entry.digest), found.map(|report| step.present(report)), Some(entry.seconds));
                                lost.into_iter().collect()
                            }
                        }
                    };
                    if reasons.is_empty() {
                        PlanState::Fresh
                    } else {
                        stale = Some(name);
                        PlanState::Stale(reasons)
                    }
                }
            }
        };
        lines.push(PlanLine { step: name, state, report, seconds, reads, card: drawn(&session, name, result) });
    }
    Ok(lines)
}
