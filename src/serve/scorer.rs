//! Scoring the rows of several requests in one query.
//!
//! A query is planned anew however few rows it has. So each thread takes all requests that wait, lays their rows one
//! below the other, scores them, and hands each request its part. No request waits for another to come. Where the rows together are refused,
//! each request is scored alone, so that only the one at fault is. Transforms that look across rows (`lag`) must not see other requests' rows.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use polars::prelude::{Column, DataFrame};
use tokio::sync::oneshot;

use super::served::Loaded;
use crate::data::Table;
use crate::error::{Error, Kind, Result};
use crate::ml::explain::{EXPLAINABLE, Explainer, reasons};

/// Requests that may wait.
const WAITING: usize = 4096;
/// Rows that are scored together, about.
const TOGETHER: usize = 8192;
/// Threads: one scores while the other gathers.
const THREADS: usize = 2;

/// Rows to score, with the model that their types are those of.
pub struct Job {
    pub loaded: Arc<Loaded>,
    pub rows: DataFrame,
    /// Reasons for each row.
    pub reasons: usize,
    pub reply: oneshot::Sender<Result<DataFrame>>,
}

/// The queue. Its threads end when it is dropped.
pub struct Scorer {
    queue: SyncSender<Job>,
}

impl Scorer {
    pub fn new(scored: impl Fn(usize, usize) + Send + Sync + 'static) -> Self {
        let (queue, jobs) = sync_channel::<Job>(WAITING);
        let (jobs, scored) = (Arc::new(Mutex::new(jobs)), Arc::new(scored));
        for _ in 0..THREADS {
            let (jobs, scored) = (Arc::clone(&jobs), Arc::clone(&scored));
            std::thread::spawn(move || {
                while let Some(batch) = gather(&jobs) {
                    scored(batch.len(), batch.iter().map(|job| job.rows.height()).sum());
                    answer(batch);
                }
            });
        }
        Self { queue }
    }

    /// Puts rows into the queue; `false` where it is full.
    pub fn send(&self, job: Job) -> bool {
        self.queue.try_send(job).is_ok()
    }
}

/// All that waits and can be scored together; `None` once there will be no more.
fn gather(jobs: &Mutex<Receiver<Job>>) -> Option<Vec<Job>> {
    let jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
    let mut batch = vec![jobs.recv().ok()?];
    let mut rows = batch.iter().map(|job| job.rows.height()).sum::<usize>();
    while rows < TOGETHER
        && let Ok(job) = jobs.try_recv()
    {
        rows += job.rows.height();
        batch.push(job);
    }
    Some(batch)
}

fn answer(batch: Vec<Job>) {
    let mut groups: Vec<Vec<Job>> = Vec::new();
    for job in batch {
        let is_alone = job.loaded.model.chain.looks_across_rows();
        let together =
            |group: &&mut Vec<Job>| !is_alone && group.first().is_some_and(|first| Arc::ptr_eq(&first.loaded, &job.loaded) && first.reasons == job.reasons);
        match groups.iter_mut().find(together) {
            Some(group) => group.push(job),
            None => groups.push(vec![job]),
        }
    }
    for group in groups {
        if let Some(parts) = scored_together(&group) {
            for (job, part) in group.into_iter().zip(parts) {
                // A client that is gone is not told.
                let _ = job.reply.send(Ok(part));
            }
        } else {
            for job in group {
                let said = score(&job.loaded, &job.rows, job.reasons);
                let _ = job.reply.send(said);
            }
        }
    }
}

/// `None` where the rows have to be scored request by request.
fn scored_together(group: &[Job]) -> Option<Vec<DataFrame>> {
    let (first, others) = group.split_first()?;
    if others.is_empty() {
        return None;
    }
    let mut rows = first.rows.clone();
    for job in others {
        rows.vstack_mut(&job.rows).ok()?;
    }
    rows.rechunk_mut();
    let said = score(&first.loaded, &rows, first.reasons).ok()?;
    let mut start = 0;
    let part = |job: &Job| {
        let part = said.slice(start, job.rows.height());
        start += job.rows.height() as i64;
        part
    };
    Some(group.iter().map(part).collect())
}

/// The prediction columns for some rows, with reasons where some are wanted.
fn score(loaded: &Loaded, rows: &DataFrame, most: usize) -> Result<DataFrame> {
    let model = &loaded.model;
    // A fault in the program must not end the thread, and with it all answers.
    let scored = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let frame = if model.chain.looks_across_rows() { model.chain.prepare(&Table::of(rows.clone()))?.collect()? } else { rows.clone() };
        let said = model.predict(&frame)?;
        let mut columns: Vec<Column> = model.prediction_columns(&said)?;
        if most > 0 {
            let name = model.estimator.name();
            let explainer = Explainer::of(model)?.ok_or_else(|| {
                Error::new(Kind::Usage, format!("`{name}` has no predictions that can be explained exactly")).hint(format!("those of these can: {EXPLAINABLE}"))
            })?;
            columns.extend(reasons::reasons(&explainer, &frame, &said, most)?);
        }
        Ok(DataFrame::new(rows.height(), columns)?)
    }));
    scored.unwrap_or_else(|_| Err(Error::bug("scoring panicked")))
}
