//! Running a recipe: the loop over its steps, and what an observer hears of it.
//!
//! The runner walks the steps in order: make the key, look it up; a hit goes on; a miss runs the step
//! in a scratch folder and commits it. It prints nothing; the terminal is an [`Observer`].

mod cards;
mod diff;
mod diff_card;
pub mod golden;
mod grid;
mod leaderboard;
mod live;
mod past;
mod plan;
mod remote;
mod since;
mod sweep;
mod whole;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use chrono::Utc;
use serde::Deserialize;

use crate::data::source::SourceFile;
use crate::error::{Error, Kind, Result};
use crate::recipe::{Recipe, git};
use crate::steps::{
    ARTIFACTS, Context, Count, MODEL, Needs, Progress, Report, SCORING_STEPS, SlotId, Step, Surroundings, TRAINING_STEPS, Verdict, output_path,
};
use crate::store::{Access, Begin, Digest, Entry, Lookup, Output, Owner, Reuse, Stale, StepKey, Store, Wait};
use crate::tracking::mlflow::{Reach, Sent, Server};
use crate::tracking::{Finished, InputRow, Member, OutputRow, Started, Status, StepRow, Tracker};
use crate::value::suggest;

pub use cards::{Drawn, card_path, failed_card, index_path, past_card};
pub use diff::{ColumnDiff, ConfigDiff, Data, DataDiff, Diff, MetricDiff, Overlap, RowDiff, Setting, SliceDiff, Split, StepDiff, diff};
pub use diff_card::{diff_card, verdict};
pub use grid::{Axis, Grid, Pairing};
pub use leaderboard::{Measured, measure};
pub use live::{Done, Now, under_way};
pub use past::{WITH_EFFECTS, find_run};
pub use plan::{Edge, PlanLine, PlanState, edges, plan};
pub use remote::sync;
pub use sweep::{Job, JobDone, JobStatus, OnFailure, Sweep, exit_code};
pub use whole::{Whole, run_card, status, took};

/// Which steps to run although nothing changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Force {
    #[default]
    Nothing,
    Everything,
    Step(String),
}

/// Progress in rows and rounds is told at most this often.
const TELL: Duration = Duration::from_millis(100);

/// How to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub force: Force,
    /// Step → the run whose result takes the place of this run's own.
    pub uses: BTreeMap<String, String>,
    /// What was typed, for the record.
    pub command: Option<String>,
    /// Fail instead of waiting for another run.
    pub no_wait: bool,
    pub message: Option<String>,
    /// Set where the run is a job of a sweep.
    pub member: Option<Member>,
    /// The run is a means to something else, and no server hears of it.
    pub is_local: bool,
}

/// What an observer hears.
pub enum Event<'a> {
    Started {
        recipe: &'a Recipe,
    },
    StepStarted {
        step: &'static str,
    },
    /// What the running step is doing.
    Progress {
        step: &'static str,
        progress: Progress<'a>,
    },
    /// What the running step found so far, and is worth a line.
    Found {
        step: &'static str,
        text: &'a str,
    },
    /// Another run computes this step.
    Waiting {
        step: &'static str,
    },
    StepDone {
        done: &'a StepDone,
    },
    StepFailed {
        step: &'static str,
        seconds: f64,
    },
    /// The server has the run.
    Sent {
        sent: &'a Sent,
        seconds: f64,
    },
    Warning {
        text: &'a str,
    },
}

/// Hears events; called from the thread that runs, and from a step's threads for progress.
pub type Observer<'a> = &'a (dyn Fn(&Event<'_>) + Sync);

/// Was the result computed or found?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Executed,
    Cached,
    /// An earlier run's, as it was asked for.
    Used,
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Executed => "executed",
            Self::Cached => "cached",
            Self::Used => "used",
        }
    }
}

/// A step that is done.
#[derive(Clone, Debug)]
pub struct StepDone {
    pub step: &'static str,
    pub state: State,
    /// Why it ran; empty where it did not.
    pub why: Vec<Stale>,
    /// What it took when it ran.
    pub seconds: f64,
    pub report: Report,
    /// The run that computed it, or the one that was named.
    pub run: String,
    pub key: Digest,
    /// What the step found the time before, where it ran now.
    pub before: Option<Box<Report>>,
}

/// A finished run.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub run: String,
    pub steps: Vec<StepDone>,
    /// What evaluate said, where it was asked.
    pub verdict: Option<Verdict>,
    /// The gate stopped the run: exit code 10.
    pub stopped: Option<Error>,
    /// The run could not be sent to its server, and the profile wants every run sent: exit code 11.
    pub unsent: Option<Error>,
    /// The page that links the cards; `None` where the disk forbids writing.
    pub index: Option<PathBuf>,
}

impl Recipe {
    /// Runs the chain that `step` belongs to, up to and with it.
    ///
    /// ```
    /// use recipe::recipe::Recipe;
    ///
    /// let dir = std::env::temp_dir().join(format!("recipe-doc-{}", std::process::id()));
    /// std::fs::create_dir_all(&dir)?;
    /// let rows: String = (0..200).map(|i| format!("{i},{}\n", 2 * i + 7 * i % 31)).collect();
    /// std::fs::write(dir.join("data.csv"), format!("x,y\n{rows}"))?;
    /// std::fs::write(dir.join("recipe.yaml"), "recipe: regression/v1\ntarget_col: y\nsteps: {ingest: {location: data.csv}}\n")?;
    ///
    /// let outcome = Recipe::load(&dir, None)?.run("train")?;
    /// let rmse = outcome.steps[3].report.metrics["val_root_mean_squared_error"];
    /// assert!(rmse < 20.0);
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Whatever a step fails with; a rejected model is no error here but [`Outcome::stopped`].
    pub fn run(&self, step: &str) -> Result<Outcome> {
        run(self, step, &Options::default(), &|_| {})
    }
}

/// The steps up to and with `until`, in order.
///
/// # Errors
/// Exit code 2 for an unknown step; 3 where the recipe has no scoring.
pub fn chain<'a>(recipe: &'a Recipe, until: &str) -> Result<Vec<&'a dyn Step>> {
    let steps = if SCORING_STEPS.contains(&until) { &recipe.scoring } else { &recipe.training };
    if let Some(last) = steps.iter().position(|step| step.name() == until) {
        return Ok(steps[..=last].iter().map(AsRef::as_ref).collect());
    }
    if SCORING_STEPS.contains(&until) {
        return Err(Error::config("the recipe has no `steps.ingest_scoring`").hint("say what to score: `ingest_scoring: {location: data/new.csv}`"));
    }
    let known: Vec<&str> = TRAINING_STEPS.iter().chain(&SCORING_STEPS).copied().collect();
    Err(Error::usage(format!("unknown step `{}`", crate::error::shorten(until))).hint(match crate::error::nearest(until, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? the steps are {}", known.join(", ")),
        None => format!("the steps are {}", known.join(", ")),
    }))
}

/// A recipe with its store and registry open.
pub struct Session<'a> {
    pub recipe: &'a Recipe,
    pub store: Store,
    pub owner: Owner,
    pub around: Surroundings,
}

impl<'a> Session<'a> {
    /// Opens the store of the recipe's project. Who only looks asks no server.
    ///
    /// # Errors
    /// Exit code 5 where the store cannot be used.
    pub fn open(recipe: &'a Recipe, access: Access) -> Result<Self> {
        let store = Store::open(&recipe.root.join(".recipe"), recipe.cache_dir.as_deref(), access)?;
        let tracker = Tracker::new(store.runs_db(), store.models_dir());
        let reach = if access == Access::Write { Reach::Network } else { Reach::Memory };
        let tracker = match &recipe.server {
            Some(settings) => tracker.with_server(Server::new(settings.clone(), reach)),
            None => tracker,
        };
        let now = Utc::now();
        let around = Surroundings {
            root: recipe.root.clone(),
            recipe: recipe.name.clone(),
            roles: recipe.roles.clone(),
            target: recipe.target.clone(),
            seed: recipe.seed,
            tracker,
            now,
            asked: recipe.asked.unwrap_or(now),
            run: run_id(&recipe.root),
            resolved_config: recipe.document.to_yaml(),
        };
        Ok(Self { recipe, store, owner: Owner::new(&recipe.name, recipe.profile.as_deref()), around })
    }

    /// The key of a step whose inputs are known.
    fn key(&self, step: &dyn Step, needs: &Needs, known: &BTreeMap<&'static str, (Digest, u64)>) -> Result<StepKey> {
        let mut files = BTreeMap::new();
        for file in &needs.files {
            files.insert(file.name.clone(), self.store.fingerprint(&file.path)?);
        }
        let artifacts = needs.reads.iter().filter_map(|slot| known.get(slot.artifact).map(|(digest, _)| (slot.artifact.to_owned(), *digest)));
        let external = needs.external.iter().map(|(name, content)| (name.clone(), Digest::of(content.as_bytes())));
        let mut inputs: BTreeMap<String, Digest> = artifacts.chain(external).collect();
        if let (Some(name), Some((model, _))) = (&needs.rival_of, known.get(MODEL.id.artifact))
            && let Some(rival) = self.around.tracker.rival(name, &model.to_string())?
        {
            inputs.insert("champion".to_owned(), Digest::of(rival.digest.as_bytes()));
        }
        Ok(StepKey { step: step.name().to_owned(), algorithms: needs.algorithms.clone(), config: needs.config.clone(), files, inputs, seed: needs.seed })
    }

    /// The result of a step as it was last used, and the report in it.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn latest(&self, step: &str) -> Result<Option<(Entry, Report)>> {
        let Some(entry) = self.store.latest(&self.owner, step)? else { return Ok(None) };
        let report: Option<Report> = Report::deserialize(&entry.report).ok();
        let Some(report) = report else { return Ok(None) };
        let report = match self.recipe.step(step) {
            Some(step) => step.present(report),
            None => report,
        };
        Ok(Some((entry, report)))
    }

    /// The verified file of an artifact as it was last made, or of an earlier run's: `model`, `7f3a:model`.
    ///
    /// # Errors
    /// Exit code 2 for an unknown name or run, 4 where it was not made yet or is no longer in the cache.
    pub fn artifact(&self, name: &str) -> Result<PathBuf> {
        let (run, name) = past::split(name);
        let known: Vec<&str> = ARTIFACTS.iter().map(|slot| slot.artifact).collect();
        let Some(slot) = ARTIFACTS.iter().find(|slot| slot.artifact == name) else {
            return Err(Error::usage(format!("unknown artifact `{}`", crate::error::shorten(name))).hint(suggest(name, &known)));
        };
        if let Some(run) = run {
            let run = find_run(self, run)?;
            return self.store.output(&past::result(self, &run, slot.step)?, name);
        }
        match self.latest(slot.step)? {
            Some((entry, _)) => self.store.output(&entry, name),
            None => Err(Error::data(format!("`{name}` was not made yet")).hint(format!("`recipe run {}` makes it", slot.step))),
        }
    }
}

/// Runs the chain that `until` belongs to, up to and with it.
///
/// # Errors
/// Whatever a step fails with; before that the run and a failure card are written.
pub fn run(recipe: &Recipe, until: &str, options: &Options, observer: Observer<'_>) -> Result<Outcome> {
    let steps = chain(recipe, until)?;
    if let Force::Step(name) = &options.force
        && recipe.step(name).is_none()
    {
        chain(recipe, name)?;
    }
    past::check_uses(&options.uses, &steps, &options.force)?;
    let session = Session::open(recipe, Access::Write)?;
    if session.store.is_writable() && steps.iter().any(|step| step.name() == "register") {
        // Its key names the registry, so there has to be one.
        session.around.tracker.create()?;
    }
    let mut record = Record::new(&session, options);
    observer(&Event::Started { recipe });
    for warning in &recipe.warnings {
        observer(&Event::Warning { text: warning });
    }
    let mut runner = Runner {
        session: &session,
        options,
        observer,
        known: BTreeMap::new(),
        entries: BTreeMap::new(),
        located: BTreeMap::new(),
        done: Vec::new(),
        why: Vec::new(),
        seconds: 0.0,
        record: &mut record,
        live: live::Live::new(&session, &steps),
    };
    let result = runner.walk(&steps);
    let done = std::mem::take(&mut runner.done);
    let entries = std::mem::take(&mut runner.entries);
    let (why, seconds) = (std::mem::take(&mut runner.why), runner.seconds);
    drop(runner);
    match result {
        Ok(()) => {}
        Err((step, error)) => {
            if session.store.is_writable() {
                let failed = cards::Failed { step, error: &error, why: &why, seconds };
                cards::write(&session, &steps, &done, &entries, Some(&failed)).ok();
            }
            let is_packed = record.pack(&session, &done, &entries, Some(step));
            if record.finish(&session, Status::Failed, Some(&error)).is_ok() && is_packed.is_ok_and(|packed| packed) {
                // The step's own failure says more than a server that is down.
                if let Some(unsent) = remote::deliver(&session, observer) {
                    observer(&Event::Warning { text: &unsent.to_string() });
                }
            }
            return Err(error);
        }
    }
    let said = |scoring: bool| done.iter().find(|d| SCORING_STEPS.contains(&d.step) == scoring && d.report.verdict.is_some());
    let verdict = said(false).and_then(|d| d.report.verdict.clone());
    let allows = done.iter().any(|d| d.step == "register");
    let rejected = verdict
        .as_ref()
        .filter(|v| !v.validated && !allows)
        .map(|v| Error::new(Kind::Gate, format!("the model was rejected: it {}", v.reason)).hint("`recipe inspect evaluate` shows the criteria"));
    let drifted = said(true).and_then(|d| d.report.verdict.as_ref()).filter(|v| !v.validated).map(|v| {
        let error = Error::new(Kind::Gate, format!("nothing was written: {}", v.reason)).path("steps.predict.gates.drift");
        error.hint("`recipe inspect predict` shows every column; `on_fail: warn` writes all the same")
    });
    let stopped = rejected.or(drifted);
    let (mut index, mut unsent) = (None, None);
    if session.store.is_writable() {
        index = Some(cards::write(&session, &steps, &done, &entries, None)?);
        let is_packed = record.pack(&session, &done, &entries, None)?;
        record.finish(&session, Status::Finished, None)?;
        if is_packed {
            unsent = remote::deliver(&session, observer);
        }
    } else {
        observer(&Event::Warning { text: "the disk cannot be written, so this run is not recorded" });
    }
    Ok(Outcome { run: session.around.run.clone(), steps: done, verdict, stopped, unsent, index })
}

struct Runner<'a> {
    session: &'a Session<'a>,
    options: &'a Options,
    observer: Observer<'a>,
    /// Artifact → digest and size.
    known: BTreeMap<&'static str, (Digest, u64)>,
    entries: BTreeMap<&'static str, Entry>,
    /// Where the files lie that steps read, by name.
    located: BTreeMap<String, PathBuf>,
    done: Vec<StepDone>,
    /// Why the step that began last ran, and how long the one that failed took.
    why: Vec<Stale>,
    seconds: f64,
    record: &'a mut Record,
    live: live::Live<'a>,
}

impl Runner<'_> {
    fn walk(&mut self, steps: &[&dyn Step]) -> std::result::Result<(), (&'static str, Error)> {
        for step in steps {
            let name = step.name();
            let start = Instant::now();
            let is_rejected = self.done.iter().any(|d| d.report.verdict.as_ref().is_some_and(|v| !v.validated));
            let allows = name != "register"
                || !is_rejected
                || step.needs(&self.session.around).is_ok_and(|n| n.config.get("allow_non_validated_model") == Some(&serde_json::Value::Bool(true)));
            if !allows {
                return Ok(());
            }
            self.why.clear();
            let result = match self.options.uses.get(name) {
                Some(run) => self.used(*step, run),
                None => self.step(*step),
            };
            let done = result.map_err(|error| {
                self.seconds = start.elapsed().as_secs_f64();
                (self.observer)(&Event::StepFailed { step: name, seconds: self.seconds });
                self.record.failed(name, self.seconds);
                (name, error)
            })?;
            self.record.done(&done, self.entries.get(name), &self.located);
            self.live.done(&done);
            (self.observer)(&Event::StepDone { done: &done });
            for warning in done.report.warnings.iter().filter(|_| done.state == State::Executed) {
                (self.observer)(&Event::Warning { text: warning });
            }
            self.done.push(done);
        }
        Ok(())
    }

    fn step(&mut self, step: &dyn Step) -> Result<StepDone> {
        let session = self.session;
        let name = step.name();
        let needs = step.needs(&session.around)?;
        self.located.extend(needs.files.iter().map(|file| (file.name.clone(), file.path.clone())));
        let times = modified(&needs.files);
        let key = session.key(step, &needs, &self.known)?;
        let is_forced = match &self.options.force {
            Force::Nothing => false,
            Force::Everything => true,
            Force::Step(forced) => forced == name,
        };
        let mut why = match (is_forced, step.always_runs(), session.store.lookup(&session.owner, &key)?) {
            (true, ..) => vec![Stale::Forced],
            (_, Some(why), _) => vec![Stale::Always(why.to_owned())],
            (.., Lookup::Miss(why)) => why,
            (.., Lookup::Hit(entry)) => match self.hit(step, &entry)? {
                Hit::Good(done) => return Ok(*done),
                Hit::Lost(why) => vec![why],
            },
        };
        if !session.store.is_writable() {
            return Err(Error::new(Kind::Io, format!("`{name}` must run ({}), but the store cannot be written", Stale::summary(&why)))
                .hint("check the permissions of `.recipe`, or set `cache.dir`"));
        }
        self.record.start(session)?;
        (self.observer)(&Event::StepStarted { step: name });
        self.why.clone_from(&why);
        // A report of another version that cannot be read is no reason to stop.
        let (outputs_before, before) = session.latest(name).ok().flatten().map(|(entry, report)| (entry.outputs, Box::new(report))).unzip();
        let start = Instant::now();
        // A result that another run made while this one waited will do, unless it was asked for anew.
        let reuse = if why.iter().any(|w| matches!(w, Stale::Forced | Stale::Always(_) | Stale::OutputMissing(_) | Stale::EffectMissing(_))) {
            Reuse::Never
        } else {
            Reuse::Allowed
        };
        let mut told = false;
        let mut on_wait = |_: Duration| {
            if !told {
                told = true;
                (self.observer)(&Event::Waiting { step: name });
            }
            Ok(())
        };
        let wait = if self.options.no_wait { Wait::NoWait } else { Wait::Block(&mut on_wait) };
        let pending = match session.store.begin(&session.owner, &key, reuse, wait)? {
            Begin::Pending(pending) => pending,
            Begin::AlreadyDone(entry) => {
                if let Hit::Good(done) = self.hit(step, &entry)? {
                    return Ok(*done);
                }
                return Err(Error::new(Kind::Busy, format!("another run works on `{name}`")).hint("run again"));
            }
        };
        self.live.begins(name);
        let inputs = self.inputs(&needs)?;
        let report = {
            let told: Mutex<Option<Instant>> = Mutex::new(None);
            let progress = |progress: Progress<'_>| {
                if let Some(count) = progress.count.filter(Count::is_quick) {
                    let mut told = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    if count.of != Some(count.done) && told.is_some_and(|told| told.elapsed() < TELL) {
                        return;
                    }
                    *told = Some(Instant::now());
                }
                self.live.progress(&progress);
                (self.observer)(&Event::Progress { step: name, progress });
            };
            let tell = |text: &str| (self.observer)(&Event::Found { step: name, text });
            let (note, notes) = (|name: &str, value: &serde_json::Value| pending.note(name, value), pending.notes()?);
            let (note, notes) = (&note, &notes);
            let context = Context {
                around: &session.around,
                files: &needs.files,
                inputs: &inputs,
                scratch: pending.dir(),
                progress: &progress,
                tell: &tell,
                note,
                notes,
                before: &self.entries,
            };
            match step.run(&context).map_err(|error| session.recipe.document.locate(error)) {
                Ok(report) => report,
                Err(error) if error.kind == Kind::Data => {
                    // A file that is being written looks malformed; that is not what is wrong with it.
                    self.check_files(&key, &needs.files, &times)?;
                    return Err(name_files(error, &needs.files));
                }
                Err(error) => return Err(name_files(error, &needs.files)),
            }
        };
        self.check_files(&key, &needs.files, &times)?;
        let outputs: Vec<Output> =
            step.writes().iter().map(|slot| Output::new(slot.artifact, &output_path(Path::new(""), *slot).to_string_lossy(), slot.extension)).collect();
        let seconds = start.elapsed().as_secs_f64();
        let saved = serde_json::to_value(&report).map_err(|error| Error::bug(error.to_string()))?;
        let entry = pending.commit(&outputs, &saved, seconds, &session.around.run)?;
        session.store.remember(&session.owner, name, &entry)?;
        if why.is_empty() {
            why.push(Stale::NeverRun);
        }
        let (report, run) = (step.present(report), session.around.run.clone());
        let reordered = before.as_ref().filter(|_| outputs_before.as_ref() != Some(&entry.outputs)).and_then(|before| step.reordered(before, &report));
        if let Some(text) = reordered {
            (self.observer)(&Event::Warning { text: &text });
        }
        let done = StepDone { step: name, state: State::Executed, why, seconds, report, run, key: entry.digest, before };
        self.learn(step, entry);
        Ok(done)
    }

    /// A step's result of an earlier run, in the place of this run's own.
    fn used(&mut self, step: &dyn Step, run: &str) -> Result<StepDone> {
        let session = self.session;
        let (name, run) = (step.name(), find_run(session, run)?);
        let entry = past::result(session, &run, name)?;
        let Ok(report) = Report::deserialize(&entry.report) else {
            return Err(Error::store(format!("the report of `{name}` of run {} is damaged", run.id)).hint("`recipe cache verify` looks the store over"));
        };
        let own = step.needs(&session.around).and_then(|needs| session.key(step, &needs, &self.known));
        let other: Vec<String> =
            own.iter().flat_map(|own| Stale::between(&entry.key, own)).filter_map(|why| why.input().map(|name| format!("`{name}`"))).collect();
        if !other.is_empty() {
            let text = format!(
                "`{name}` of run {} read other {} than this run has: rows that it learned from may be among those it is tested on",
                run.id,
                other.join(", ")
            );
            (self.observer)(&Event::Warning { text: &text });
        }
        session.store.remember(&session.owner, name, &entry)?;
        let (seconds, key) = (entry.seconds, entry.digest);
        self.learn(step, entry);
        Ok(StepDone { step: name, state: State::Used, why: Vec::new(), seconds, report: step.present(report), run: run.id, key, before: None })
    }

    /// A result that was found, unless what it did outside the store is gone.
    fn hit(&mut self, step: &dyn Step, entry: &Entry) -> Result<Hit> {
        let session = self.session;
        let Ok(report) = Report::deserialize(&entry.report) else { return Ok(Hit::Lost(Stale::Damaged("report".to_owned()))) };
        if let Some(what) = step.missing_effect(&report, &session.around)? {
            return Ok(Hit::Lost(Stale::EffectMissing(what)));
        }
        if session.store.is_writable() {
            session.store.remember(&session.owner, step.name(), entry)?;
        }
        if let Some(reminder) = step.reminder(&report, &session.around)? {
            (self.observer)(&Event::Warning { text: &reminder });
        }
        let done = StepDone {
            step: step.name(),
            state: State::Cached,
            why: Vec::new(),
            seconds: entry.seconds,
            report: step.present(report),
            run: entry.run.clone(),
            key: entry.digest,
            before: None,
        };
        self.learn(step, entry.clone());
        Ok(Hit::Good(Box::new(done)))
    }

    fn learn(&mut self, step: &dyn Step, entry: Entry) {
        for slot in step.writes() {
            if let Some(stored) = entry.outputs.get(slot.artifact) {
                self.known.insert(slot.artifact, (stored.digest, stored.bytes));
            }
        }
        self.entries.insert(step.name(), entry);
    }

    fn inputs(&self, needs: &Needs) -> Result<BTreeMap<&'static str, PathBuf>> {
        let path = |slot: &SlotId| -> Result<PathBuf> {
            let entry = self.entries.get(slot.step).ok_or_else(|| Error::bug(format!("`{}` is read before it is made", slot.artifact)))?;
            self.session.store.output(entry, slot.artifact)
        };
        let checks = needs.checks.iter().filter_map(|slot| Some(Ok((slot.artifact, path(slot).ok()?))));
        needs.reads.iter().map(|slot| Ok((slot.artifact, path(slot)?))).chain(checks).collect()
    }

    /// Inputs that changed while they were read must not be stored under the old key.
    fn check_files(&self, key: &StepKey, files: &[SourceFile], times: &[Option<SystemTime>]) -> Result<()> {
        // A time that moved tells of a change that was taken back.
        for ((file, before), now) in files.iter().zip(times).zip(modified(files)) {
            if let Some(digest) = key.files.get(&file.name)
                && (*before != now || !self.session.store.unchanged(&file.path, digest)?)
            {
                return Err(Error::data(format!("`{}` changed while it was read", file.name)).hint("run again when it is complete; nothing was stored"));
            }
        }
        Ok(())
    }
}

fn modified(files: &[SourceFile]) -> Vec<Option<SystemTime>> {
    files.iter().map(|file| std::fs::metadata(&file.path).and_then(|metadata| metadata.modified()).ok()).collect()
}

enum Hit {
    Good(Box<StepDone>),
    /// It cannot be used.
    Lost(Stale),
}

/// An error about the data that names no file gets the one file that was read.
fn name_files(error: Error, files: &[SourceFile]) -> Error {
    match files {
        [only] if error.kind == Kind::Data => error.at(&crate::error::Place::file(&only.name)),
        _ => error,
    }
}

/// What is recorded of this run: begun when the first step runs, finished at the end.
struct Record {
    started: Started,
    /// What is known so far.
    finished: Finished,
    is_begun: bool,
    /// No server hears of it.
    is_local: bool,
}

impl Record {
    fn new(session: &Session<'_>, options: &Options) -> Self {
        let head = git::head(&session.recipe.root);
        let started = Started {
            living: Vec::new(),
            id: session.around.run.clone(),
            recipe: session.recipe.name.clone(),
            profile: session.recipe.profile.clone(),
            template: session.recipe.template.clone(),
            seed: session.recipe.seed,
            started_ms: session.around.now.timestamp_millis(),
            config: session.around.resolved_config.clone(),
            program: format!("recipe {}", env!("CARGO_PKG_VERSION")),
            git_commit: head.as_ref().and_then(|h| h.commit.clone()),
            git_branch: head.as_ref().and_then(|h| h.branch.clone()),
            git_dirty: None,
            git_patch: None,
            message: options.message.clone(),
            member: options.member.clone(),
            command: options.command.clone(),
            places: cards::places(session),
        };
        Self { started, finished: Finished::default(), is_begun: false, is_local: options.is_local }
    }

    fn start(&mut self, session: &Session<'_>) -> Result<()> {
        if self.is_begun {
            return Ok(());
        }
        self.is_begun = true;
        let root = &session.recipe.root;
        self.started.git_dirty = self.started.git_commit.as_ref().and_then(|_| git::is_dirty(root));
        self.started.git_patch = self.started.git_dirty.filter(|is_dirty| *is_dirty).and_then(|_| git::patch(root));
        // A run tells that it lives when its first step begins.
        self.started.living = live::under_way(&session.store)?.into_iter().map(|now| now.run).collect();
        session.around.tracker.record(&self.started, Status::Running, &self.finished)?;
        // A run that is killed is sent as well.
        self.pack(session, &[], &BTreeMap::new(), None)?;
        *running() = Some(Running { tracker: session.around.tracker.clone(), started: self.started.clone(), finished: self.finished.clone() });
        Ok(())
    }

    /// Leaves what a server is to get of it; true where there is something to send.
    fn pack(&self, session: &Session<'_>, done: &[StepDone], entries: &BTreeMap<&'static str, Entry>, failed: Option<&str>) -> Result<bool> {
        if self.is_local || !session.store.is_writable() { Ok(false) } else { remote::pack(session, done, entries, failed) }
    }

    /// A step is done: what it read, made and found.
    fn done(&mut self, done: &StepDone, entry: Option<&Entry>, located: &BTreeMap<String, PathBuf>) {
        let finished = &mut self.finished;
        let step = done.step.to_owned();
        finished.metrics.extend(done.report.metrics.clone());
        finished.params.extend(done.report.params.clone());
        finished.steps.push(StepRow { step: step.clone(), state: done.state.name().to_owned(), key: done.key.to_string(), seconds: done.seconds });
        if let Some(verdict) = done.report.verdict.as_ref().filter(|_| !SCORING_STEPS.contains(&done.step)) {
            finished.verdict = Some((verdict.validated, verdict.reason.clone()));
        }
        if let Some(entry) = entry {
            finished.versions.insert(step.clone(), entry.key.algorithms.clone());
            finished.inputs.extend(entry.key.files.iter().map(|(name, digest)| InputRow {
                step: step.clone(),
                name: name.clone(),
                location: located.get(name).map_or_else(String::new, |path| path.display().to_string()),
                digest: digest.to_string(),
            }));
            finished.outputs.extend(entry.outputs.iter().map(|(name, stored)| {
                let (rows, columns) = done.report.shapes.get(name).copied().unzip();
                OutputRow { step: step.clone(), name: name.clone(), digest: stored.digest.to_string(), bytes: stored.bytes, rows, columns }
            }));
        }
        self.share();
    }

    fn failed(&mut self, step: &str, seconds: f64) {
        self.finished.steps.push(StepRow { step: step.to_owned(), state: "failed".to_owned(), key: String::new(), seconds });
        self.share();
    }

    /// Lets the handler of signals know what is known so far.
    fn share(&self) {
        if let Some(running) = running().as_mut() {
            running.finished = self.finished.clone();
        }
    }

    fn finish(&mut self, session: &Session<'_>, status: Status, error: Option<&Error>) -> Result<()> {
        running().take();
        self.finished.finished_ms = Utc::now().timestamp_millis();
        self.finished.error = error.map(ToString::to_string);
        session.around.tracker.record(&self.started, status, &self.finished)
    }
}

/// The run that is under way.
struct Running {
    tracker: Tracker,
    started: Started,
    finished: Finished,
}

static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

fn running() -> std::sync::MutexGuard<'static, Option<Running>> {
    RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Records the run that is under way as killed; for a signal handler's thread.
pub fn record_killed() {
    if let Some(Running { tracker, started, finished }) = running().take() {
        let finished = Finished { finished_ms: Utc::now().timestamp_millis(), error: Some("interrupted".to_owned()), ..finished };
        tracker.record(&started, Status::Killed, &finished).ok();
    }
}

/// A run's id: twelve hexadecimal digits that no other run has.
fn run_id(root: &Path) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanos = Utc::now().timestamp_nanos_opt().unwrap_or_default();
    let unique = format!("{nanos} {} {} {}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed), root.display());
    blake3::hash(unique.as_bytes()).to_hex()[..12].to_owned()
}
