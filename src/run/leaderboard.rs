//! What the models of past runs give on their validation rows: how sure their scores are, which of them are tied, how quick they are.
//!
//! Nothing of it is kept: the models and the rows are in the cache, and where they are not, there is nothing to say.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Session;
use crate::data::{Role, Table};
use crate::error::Result;
use crate::ml::metric;
use crate::ml::model::{Model, Scored};
use crate::ml::uncertainty::{Bootstrap, Compared, Draws, Interval, has_interval};
use crate::steps::{Artifact, MODEL, VALIDATION};
use crate::store::Digest;
use crate::tracking::Contender;

/// Draws begin here, so that the same models give the same figures.
const SEED: u64 = 42;
/// A model is timed until so much time has passed, three times at most.
const ENOUGH: Duration = Duration::from_millis(200);

/// What a model gives on its validation rows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Measured {
    /// 95 % of the primary metric; custom metrics and a greatest error have none.
    pub interval: Option<Interval>,
    /// By how much it is better than the first of those that were given, on the same rows; `None` for the first one, and on other rows.
    pub against_best: Option<Compared>,
    /// Microseconds that one row takes now and here, transforms included: the quickest of up to three times.
    pub microseconds_per_row: Option<f64>,
    /// Of the model's file.
    pub bytes: Option<u64>,
}

/// Measures the models of some runs of the session's recipe; the best one comes first.
///
/// # Errors
/// Where the store cannot be read.
pub fn measure(session: &Session<'_>, contenders: &[&Contender]) -> Result<Vec<Measured>> {
    let mut rows: BTreeMap<String, Option<(Digest, Table)>> = BTreeMap::new();
    let mut best: Option<(Digest, Scored)> = None;
    let mut all = Vec::new();
    for contender in contenders {
        let mut measured = Measured::default();
        if let Some(entry) = contender.train.parse().ok().map(|key| session.store.entry(MODEL.id.step, &key)).transpose()?.flatten() {
            measured.bytes = entry.outputs.get(MODEL.id.artifact).map(|stored| stored.bytes);
            let split = contender.split.clone().unwrap_or_default();
            let known = match rows.get(&split) {
                Some(known) => known.clone(),
                None => rows.entry(split.clone()).or_insert(validation(session, &split)?).clone(),
            };
            let model = session.store.output(&entry, MODEL.id.artifact).ok().and_then(|path| Model::read(&path).ok());
            if let (Some((digest, table)), Some(model)) = (known, model)
                && let Some((scored, microseconds)) = timed(session, &model, &table)
            {
                measured.microseconds_per_row = Some(microseconds);
                let entry = metric::find(&session.recipe.primary_metric).filter(|entry| has_interval(entry));
                if let (Some(entry), Some(draws)) = (entry, Draws::of(&scored, Bootstrap::default(), SEED)) {
                    measured.interval = draws.of_metrics(&[entry]).remove(entry.name);
                    measured.against_best = best.as_ref().filter(|(rows, _)| *rows == digest).and_then(|(_, best)| draws.compare(best, entry));
                }
                if all.is_empty() {
                    best = Some((digest, scored));
                }
            }
        }
        all.push(measured);
    }
    Ok(all)
}

/// The validation rows that a split made, where they are still there.
fn validation(session: &Session<'_>, split: &str) -> Result<Option<(Digest, Table)>> {
    let Some(entry) = split.parse().ok().map(|key| session.store.entry(VALIDATION.id.step, &key)).transpose()?.flatten() else { return Ok(None) };
    let Ok(path) = session.store.output(&entry, VALIDATION.id.artifact) else { return Ok(None) };
    let digest = entry.outputs.get(VALIDATION.id.artifact).map(|stored| stored.digest);
    Ok(digest.zip(Table::read(&path).ok()))
}

/// The rows scored, and microseconds a row; `None` where the model cannot score them.
fn timed(session: &Session<'_>, model: &Model, table: &Table) -> Option<(Scored, f64)> {
    let weight = session.recipe.roles.first(Role::Weight).filter(|weight| table.has(weight));
    let (begun, mut best, mut scored) = (Instant::now(), f64::INFINITY, None);
    for _ in 0..3 {
        let start = Instant::now();
        let again = model.score_known(table, weight).ok()?;
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / again.rows().max(1) as f64);
        scored = Some(again);
        if begun.elapsed() > ENOUGH {
            break;
        }
    }
    Some((scored?, best))
}
