//! `recipe run --json`: what happens, a line of JSON each, in the form that `schemas/events.json` publishes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Error, Problem};
use crate::run::{Event, Outcome};
use crate::store::Stale;

/// One line of `recipe run --json`. A later version may add kinds of events and keys, and takes none away.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
#[schemars(title = "An event of `recipe run --json`")]
pub enum Line<'a> {
    /// The recipe is read and sound.
    Started {
        recipe: &'a str,
        template: &'a str,
        profile: Option<&'a str>,
        seed: u64,
    },
    /// A step is about to be computed.
    StepStarted {
        step: &'a str,
    },
    /// What the running step does; rows and rounds at most ten times a second.
    Progress {
        step: &'a str,
        doing: &'a str,
        /// How much is done, where it can be counted.
        done: Option<u64>,
        /// Of how much, where that is known.
        of: Option<u64>,
        /// What is counted: `rows`, `rounds`, `trials`.
        unit: Option<&'a str>,
    },
    /// What the running step found so far.
    Found {
        step: &'a str,
        text: &'a str,
    },
    /// Another run computes this step.
    Waiting {
        step: &'a str,
    },
    /// A step is done.
    StepDone {
        step: &'a str,
        /// `executed`, `cached`, or `used` where `--use` named an earlier run.
        state: &'a str,
        /// What it took when it was computed.
        seconds: f64,
        /// Why it was computed; empty where it was not.
        why: Vec<String>,
        metrics: &'a BTreeMap<String, f64>,
        /// Its result in a few words.
        line: &'a str,
        note: &'a str,
        /// The run that computed it.
        run: &'a str,
    },
    /// A step failed; `failed` says why.
    StepFailed {
        step: &'a str,
        seconds: f64,
    },
    /// The run is on the tracking server.
    Sent {
        /// Its page there.
        url: &'a str,
        /// The registered model and its version there, where there is one.
        model: Option<&'a str>,
        version: Option<&'a str>,
        seconds: f64,
    },
    Warning {
        text: &'a str,
    },
    /// The run is over; the last line.
    Finished {
        run: &'a str,
        /// What the gate said, where it was asked.
        verdict: Option<Verdict<'a>>,
        /// The page that links the cards.
        cards: Option<String>,
        exit_code: u8,
    },
    /// The run did not come to its end; the last line.
    Failed {
        exit_code: u8,
        problems: Vec<Trouble<'a>>,
    },
}

/// What the gate said.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Verdict<'a> {
    pub validated: bool,
    pub reason: &'a str,
}

/// One thing that is wrong.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Trouble<'a> {
    pub message: &'a str,
    /// File, line and column.
    pub place: Option<String>,
    /// The key in the configuration.
    pub path: Option<&'a str>,
    /// What to try.
    pub hint: Option<&'a str>,
}

impl<'a> Line<'a> {
    #[must_use]
    pub fn of(event: &'a Event<'_>) -> Self {
        match event {
            Event::Started { recipe } => {
                Self::Started { recipe: &recipe.name, template: &recipe.template, profile: recipe.profile.as_deref(), seed: recipe.seed }
            }
            Event::StepStarted { step } => Self::StepStarted { step },
            Event::Progress { step, progress } => Self::Progress {
                step,
                doing: progress.doing,
                done: progress.count.map(|count| count.done),
                of: progress.count.and_then(|count| count.of),
                unit: progress.count.map(|count| count.what),
            },
            Event::Found { step, text } => Self::Found { step, text },
            Event::Waiting { step } => Self::Waiting { step },
            Event::StepDone { done } => Self::StepDone {
                step: done.step,
                state: done.state.name(),
                seconds: done.seconds,
                why: done.why.iter().map(Stale::to_string).collect(),
                metrics: &done.report.metrics,
                line: &done.report.line,
                note: &done.report.note,
                run: &done.run,
            },
            Event::StepFailed { step, seconds } => Self::StepFailed { step, seconds: *seconds },
            Event::Sent { sent, seconds } => {
                let (model, version) = sent.version.as_ref().map(|(model, version)| (model.as_str(), version.as_str())).unzip();
                Self::Sent { url: &sent.url, model, version, seconds: *seconds }
            }
            Event::Warning { text } => Self::Warning { text },
        }
    }

    /// The last line of a run that came to its end.
    #[must_use]
    pub fn finished(outcome: &'a Outcome) -> Self {
        Self::Finished {
            run: &outcome.run,
            verdict: outcome.verdict.as_ref().map(|verdict| Verdict { validated: verdict.validated, reason: &verdict.reason }),
            cards: outcome.index.as_ref().map(|path| path.to_string_lossy().into_owned()),
            exit_code: outcome.stopped.as_ref().map_or(0, |error| error.kind.exit_code()),
        }
    }

    /// The last line of one that did not.
    #[must_use]
    pub fn failed(error: &'a Error) -> Self {
        let trouble = |problem: &'a Problem| Trouble {
            message: &problem.message,
            place: problem.place.as_ref().map(ToString::to_string),
            path: problem.path.as_deref(),
            hint: problem.hint.as_deref(),
        };
        Self::Failed { exit_code: error.kind.exit_code(), problems: error.problems.iter().map(trouble).collect() }
    }

    /// With its line end.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// The JSON Schema (draft 2020-12) of a line, made from its type; `schemas/events.json` is it.
#[cfg(test)]
pub fn schema() -> serde_json::Value {
    schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Line<'static>>().to_value()
}
