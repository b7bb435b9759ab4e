//! What a run is doing, for whoever looks on from another process.
//!
//! The runner says it when a step begins and ends, and not more often than twice a second in between. A run that takes everything from the cache
//! is over before anyone could look, and says nothing.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use serde::{Deserialize, Serialize};

use super::{Session, StepDone};
use crate::error::Result;
use crate::steps::{Progress, Step};
use crate::store::Store;

/// Progress is said at most this often.
const PAUSE: Duration = Duration::from_millis(500);

/// A run that is under way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Now {
    pub run: String,
    pub recipe: String,
    pub profile: Option<String>,
    pub started_ms: i64,
    /// The steps of its chain, in order.
    pub chain: Vec<String>,
    /// Those that are done: name, state as in [`super::State::name`], seconds.
    pub done: Vec<(String, String, f64)>,
    /// The one that runs, and since when.
    pub step: String,
    pub step_ms: i64,
    /// What it does, as far as it says so: `fold 2 of 5`.
    pub doing: String,
    /// How much of it is done.
    pub count: Option<Done>,
}

/// So many `rows`, `rounds`, `trials`; of how many, where that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    pub done: u64,
    pub of: Option<u64>,
    pub what: String,
}

/// The runs of a project that are under way now, the one that began first first.
///
/// # Errors
/// Where the store cannot be read.
pub fn under_way(store: &Store) -> Result<Vec<Now>> {
    // What another version of the program tells may mean something else.
    let mut runs: Vec<Now> = store.told()?.into_iter().filter_map(|told| Now::deserialize(told).ok()).collect();
    runs.sort_by(|a, b| (a.started_ms, &a.run).cmp(&(b.started_ms, &b.run)));
    Ok(runs)
}

/// Tells what a run does.
pub(super) struct Live<'a> {
    store: &'a Store,
    now: Mutex<(Now, Option<Instant>)>,
}

impl<'a> Live<'a> {
    pub fn new(session: &'a Session<'_>, steps: &[&dyn Step]) -> Self {
        let around = &session.around;
        let now = Now {
            run: around.run.clone(),
            recipe: around.recipe.clone(),
            profile: session.recipe.profile.clone(),
            started_ms: around.now.timestamp_millis(),
            chain: steps.iter().map(|step| step.name().to_owned()).collect(),
            ..Now::default()
        };
        Self { store: &session.store, now: Mutex::new((now, None)) }
    }

    pub fn begins(&self, step: &str) {
        self.tell(true, |now| {
            (now.step, now.step_ms, now.doing, now.count) = (step.to_owned(), Utc::now().timestamp_millis(), String::new(), None);
        });
    }

    pub fn progress(&self, progress: &Progress<'_>) {
        self.tell(false, |now| {
            progress.doing.clone_into(&mut now.doing);
            now.count = progress.count.map(|count| Done { done: count.done, of: count.of, what: count.what.to_owned() });
        });
    }

    /// What ended is told with the step that begins next.
    pub fn done(&self, done: &StepDone) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.0.done.push((done.step.to_owned(), done.state.name().to_owned(), done.seconds));
    }

    /// `at_once`: however short the time since it was told last.
    fn tell(&self, at_once: bool, change: impl FnOnce(&mut Now)) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut now.0);
        if at_once || now.1.is_none_or(|told| told.elapsed() >= PAUSE) {
            now.1 = Some(Instant::now());
            if let Ok(told) = serde_json::to_value(&now.0) {
                self.store.tell(&told);
            }
        }
    }
}
