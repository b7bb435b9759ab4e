//! A sweep: one ordinary run for each job of a grid, one after another.
//!
//! Every job is composed and checked before the first one runs. What jobs have in common is computed once,
//! because results are found by content; that is also why a sweep that was killed goes on where it was.
//! Jobs do not run side by side: a step uses every core already.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use chrono::{DateTime, Utc};

use super::{Grid, Observer, Options, Outcome, State, chain, record_killed, run};
use crate::error::{Error, Problem, Result};
use crate::recipe::compose::compose;
use crate::recipe::overrides::quoted;
use crate::recipe::{Recipe, Selection};
use crate::steps::SCORING_STEPS;
use crate::store::Digest;
use crate::tracking::Member;

/// Different mistakes that are told at once.
const MAX_PROBLEMS: usize = 20;

/// What happens after a job failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    GoOn,
    Stop,
}

/// A sweep whose jobs are all sound.
pub struct Sweep {
    /// Twelve hexadecimal digits, the same for the same jobs of the same configuration.
    pub id: String,
    pub recipe: String,
    /// The step up to which each job runs.
    pub until: String,
    pub metric: String,
    pub greater_is_better: bool,
    pub grid: Grid,
    pub jobs: Vec<Job>,
    selection: Selection,
    /// Databases are asked once for all jobs.
    asked: DateTime<Utc>,
}

/// One run of a sweep, before it runs.
pub struct Job {
    /// As on the command line of `recipe run`.
    pub overrides: Vec<String>,
    /// Of the merged configuration, with references as they are written.
    config: Digest,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobStatus {
    Done,
    /// Done before: no step ran.
    Cached,
    /// It ran, and the gate said no.
    Rejected,
    Failed,
    /// An earlier job failed.
    NotRun,
}

impl JobStatus {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Cached => "cached",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::NotRun => "not run",
        }
    }
}

/// A job and what became of it.
#[derive(Clone, Debug)]
pub struct JobDone {
    /// Index into [`Sweep::jobs`].
    pub job: usize,
    pub status: JobStatus,
    pub run: Option<String>,
    /// The primary metric.
    pub validation: Option<f64>,
    pub test: Option<f64>,
    /// What the job took.
    pub seconds: f64,
    /// What fitting took when it was done.
    pub fit_seconds: Option<f64>,
    /// Why it failed or was rejected.
    pub error: Option<Error>,
}

impl Sweep {
    /// Composes and checks every job; the overrides of `selection` are replaced by each job's.
    ///
    /// # Errors
    /// Every mistake in any job, each once; exit code 2 for a step that is unknown or scores, and where jobs
    /// could not be compared because their primary metrics differ.
    pub fn prepare(selection: &Selection, grid: Grid, until: &str) -> Result<Self> {
        if SCORING_STEPS.contains(&until) {
            return Err(Error::usage(format!("`{until}` scores with one model")).hint("a sweep trains many: run it up to `train`, `evaluate` or `register`"));
        }
        let mut selection = selection.clone();
        let mut jobs = Vec::new();
        let mut failed: Option<Error> = None;
        let mut problems: Vec<Problem> = Vec::new();
        let mut first: Option<(String, String, bool)> = None;
        for job in 0..grid.jobs.len() {
            selection.overrides = grid.overrides(job);
            match check(&selection, until) {
                Ok((recipe, config)) => {
                    let (_, metric, _) = first.get_or_insert_with(|| (recipe.name.clone(), recipe.primary_metric.clone(), recipe.greater_is_better));
                    if *metric != recipe.primary_metric {
                        return Err(Error::usage(format!("jobs with different primary metrics cannot be compared: `{metric}`, `{}`", recipe.primary_metric))
                            .hint("sweep with one `primary_metric`; all metrics are kept with each run"));
                    }
                    jobs.push(Job { overrides: selection.overrides.clone(), config });
                }
                Err(error) => {
                    for problem in &error.problems {
                        if !problems.contains(problem) {
                            problems.push(problem.clone());
                        }
                    }
                    failed.get_or_insert(error);
                    if problems.len() >= MAX_PROBLEMS {
                        break;
                    }
                }
            }
        }
        if let Some(error) = failed {
            return Err(Error { problems, ..error });
        }
        let Some((recipe, metric, greater_is_better)) = first else { return Err(Error::bug("a grid has jobs")) };
        let definition: String = jobs.iter().map(|job| format!("{}\n", job.config)).collect();
        let id = Digest::of(format!("{recipe}\n{until}\n{definition}").as_bytes()).to_string().chars().take(12).collect();
        Ok(Self { id, recipe, until: until.to_owned(), metric, greater_is_better, grid, jobs, selection, asked: Utc::now() })
    }

    /// Runs the jobs in order; `each` hears of every one that ran. A job that fails is no error here.
    pub fn run(&self, options: &Options, on_failure: OnFailure, observer: Observer<'_>, each: &mut dyn FnMut(&JobDone)) -> Vec<JobDone> {
        let mut done: Vec<JobDone> = Vec::new();
        let mut is_over = false;
        for (index, job) in self.jobs.iter().enumerate() {
            if is_over {
                done.push(JobDone { job: index, ..JobDone::not_run() });
                continue;
            }
            let start = Instant::now();
            // A fault in one job must not keep the others from running, today and each time the sweep is taken up.
            let result = catch_unwind(AssertUnwindSafe(|| self.one(job, options, observer))).unwrap_or_else(|panic| {
                record_killed();
                Err(Error::panic(panic.as_ref()))
            });
            let result = self.result(index, start.elapsed().as_secs_f64(), result);
            is_over = result.status == JobStatus::Failed && on_failure == OnFailure::Stop;
            each(&result);
            done.push(result);
        }
        done
    }

    fn one(&self, job: &Job, options: &Options, observer: Observer<'_>) -> Result<Outcome> {
        let selection = Selection { overrides: job.overrides.clone(), ..self.selection.clone() };
        let (mut recipe, config) = check(&selection, &self.until)?;
        recipe.asked = Some(self.asked);
        if config != job.config {
            return Err(Error::config("the recipe changed while the sweep ran").hint("run the sweep again: what is still valid comes from the cache"));
        }
        let member = Some(Member { sweep: self.id.clone(), overrides: job.overrides.clone() });
        let words = || std::iter::once(self.until.clone()).chain(job.overrides.iter().map(|word| quoted(word))).collect::<Vec<_>>().join(" ");
        let command = options.command.as_ref().map(|command| format!("{command} {}", words()));
        run(&recipe, &self.until, &Options { command, member, ..options.clone() }, observer)
    }

    fn result(&self, job: usize, seconds: f64, result: Result<Outcome>) -> JobDone {
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(error) => return JobDone { job, status: JobStatus::Failed, seconds, error: Some(error), ..JobDone::not_run() },
        };
        let metric = |split: &str| {
            let name = format!("{split}_{}", self.metric);
            outcome.steps.iter().rev().find_map(|step| step.report.metrics.get(&name)).copied().filter(|value| value.is_finite())
        };
        let status = match &outcome.stopped {
            _ if outcome.unsent.is_some() => JobStatus::Failed,
            Some(_) => JobStatus::Rejected,
            None if outcome.steps.iter().all(|step| step.state == State::Cached) => JobStatus::Cached,
            None => JobStatus::Done,
        };
        JobDone {
            job,
            status,
            validation: metric("val"),
            test: metric("test"),
            seconds,
            fit_seconds: outcome.steps.iter().find(|step| step.step == "train").map(|step| step.seconds),
            run: Some(outcome.run),
            error: outcome.unsent.or(outcome.stopped),
        }
    }

    /// Puts the best first, by the metric on validation rows; jobs without one go last.
    pub fn rank(&self, done: &mut [JobDone]) {
        done.sort_by(|a, b| match (a.validation, b.validation) {
            (Some(one), Some(other)) if self.greater_is_better => other.total_cmp(&one).then(a.job.cmp(&b.job)),
            (Some(one), Some(other)) => one.total_cmp(&other).then(a.job.cmp(&b.job)),
            (one, other) => other.is_some().cmp(&one.is_some()).then(a.job.cmp(&b.job)),
        });
    }
}

impl JobDone {
    fn not_run() -> Self {
        Self { job: 0, status: JobStatus::NotRun, run: None, validation: None, test: None, seconds: 0.0, fit_seconds: None, error: None }
    }
}

/// The worst exit code: the highest of the jobs that failed, else that of a rejected model, else 0.
#[must_use]
pub fn exit_code(done: &[JobDone]) -> u8 {
    let codes =
        |status: JobStatus| done.iter().filter(move |job| job.status == status).filter_map(|job| job.error.as_ref()).map(|error| error.kind.exit_code());
    codes(JobStatus::Failed).max().or_else(|| codes(JobStatus::Rejected).max()).unwrap_or(0)
}

/// A job's recipe, and the digest of what it was made from.
fn check(selection: &Selection, until: &str) -> Result<(Recipe, Digest)> {
    let composed = compose(selection)?;
    let config = Digest::of(composed.merged.to_yaml().as_bytes());
    let recipe = Recipe::of(composed)?;
    chain(&recipe, until)?;
    Ok((recipe, config))
}
