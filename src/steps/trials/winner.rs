//! The winner among trials, and what the card, the run and the terminal say of them.

use std::collections::BTreeSet;

use super::super::tuning::{Candidate, Select, Tuning, shown};
use crate::card::{Block, Cell, Fact, Line, Lines, Table as CardTable, format};
use crate::error::{counted, shorten};
use crate::ml::tune::{Outcome, Proposal, Strategy, Trial};
use crate::ml::uncertainty::corrected;

/// Trials in the card's table.
const SHOWN: usize = 20;

/// The best trial, among all.
pub struct Winner {
    pub(super) trials: Vec<Trial>,
    /// Its place among them.
    pub(super) best: usize,
    pub(super) candidate: Candidate,
    /// The standard error of the best score, where it is known.
    pub(super) error: Option<f64>,
}

impl Winner {
    /// All trials, as plain data.
    pub fn trials(&self) -> serde_json::Value {
        let trial = |trial: &Trial| {
            let mut told = serde_json::json!({
                "trial": trial.proposal.number,
                "parameters": trial.proposal.parameters,
                "share": trial.proposal.share,
                "outcome": trial.outcome,
            });
            if !trial.proposal.candidate.is_empty() {
                told["candidate"] = trial.proposal.candidate.as_str().into();
            }
            told
        };
        self.trials.iter().map(trial).collect()
    }

    /// The candidates where some compete, the best first, as plain data.
    pub fn leaderboard(&self, tuning: &Tuning) -> Option<serde_json::Value> {
        let contest = tuning.contest()?;
        let line = |place: usize| {
            let (trial, name) = (&self.trials[place], &self.trials[place].proposal.candidate);
            serde_json::json!({
                "candidate": name,
                "using": contest.using(trial),
                "score": trial.score(),
                "standard_error": trial.standard_error(),
                "trial": trial.proposal.number,
                "trials": self.trials_of(name),
                "wins": place == self.best,
            })
        };
        Some(contest.leaders(&self.trials).into_iter().map(line).collect())
    }

    /// The transforms that recipe.yaml would have to list, where some are tuned.
    pub fn transforms(&self) -> Option<serde_json::Value> {
        let list = || self.candidate.chain.steps().iter().map(|step| serde_json::json!({ step.name(): step.config() })).collect();
        self.candidate.has_own_chain.then(list)
    }

    /// What is recorded with the run.
    pub fn params(&self, tuning: &Tuning) -> Vec<(String, String)> {
        let winner = &self.trials[self.best].proposal;
        let named = |key: &str, value: String| (format!("train.{}.{key}", tuning.section), value);
        let mut params = vec![named("trials", self.trials.len().to_string()), named("best_trial", winner.number.to_string())];
        params.push(match &tuning.strategy {
            Strategy::Alone(search) => named("algorithm", search.algorithm.name().to_owned()),
            Strategy::Contest(_) => named("winner", winner.candidate.clone()),
        });
        params
    }

    /// In short, for the terminal.
    pub fn describe(&self, tuning: &Tuning) -> String {
        let trials = counted(self.trials.len() as u64, "trial");
        match tuning.contest() {
            None => format!("best of {trials}"),
            Some(contest) => {
                let name = &self.trials[self.best].proposal.candidate;
                format!("`{name}` of {} in {trials}", counted(contest.leaders(&self.trials).len() as u64, "candidate"))
            }
        }
    }

    fn trials_of(&self, candidate: &str) -> usize {
        self.trials.iter().filter(|trial| trial.proposal.candidate == candidate).count()
    }

    /// The parameters of the winner that recipe.yaml would have to say: the estimator's, and transforms' by their paths.
    pub fn parameters(&self) -> serde_json::Value {
        let mut parameters = self.candidate.estimator.config();
        let tuned = &self.trials[self.best].proposal.parameters;
        for (name, value) in tuned.iter().filter(|(name, _)| name.starts_with("transform.") || name.starts_with("transform[")) {
            parameters[name] = serde_json::to_value(value).unwrap_or_default();
        }
        parameters
    }

    /// What failed, in a sentence.
    pub fn warning(&self) -> Option<String> {
        let failed: Vec<&String> = self.trials.iter().filter_map(failure).collect();
        let first = failed.first()?;
        Some(format!("{} of {} failed, the first because: {}", failed.len(), counted(self.trials.len() as u64, "trial"), shorten(first)))
    }

    /// The card's tab.
    pub fn blocks(&self, tuning: &Tuning) -> Vec<Block> {
        let mut blocks = match &tuning.strategy {
            Strategy::Alone(_) => {
                vec![Block::Text("Trial 0 has the parameters as they are written. All trials see the same rows and draw from the same seeds.".to_owned())]
            }
            Strategy::Contest(_) => self.standing(tuning),
        };
        blocks.push(Block::Facts(self.facts(tuning)));
        blocks.extend(self.progress(tuning));
        blocks.push(self.best_trials(tuning));
        blocks.extend(self.failures(tuning));
        blocks
    }

    /// The leaderboard of candidates, and how the winner was chosen.
    fn standing(&self, tuning: &Tuning) -> Vec<Block> {
        let Some(contest) = tuning.contest() else { return Vec::new() };
        let leaders = contest.leaders(&self.trials);
        let by = match (tuning.select, self.error) {
            (Select::OneStandardError, Some(error)) => {
                let error = format::number(error);
                format!("The simplest candidate within one standard error ({error}) of the best score wins.")
            }
            _ => "The best score wins.".to_owned(),
        };
        let with_folds = tuning.cv.is_some();
        let mut columns: Vec<String> = ["candidate", "estimator", tuning.objective.metric.as_str()].map(str::to_owned).to_vec();
        columns.extend(with_folds.then(|| "standard error".to_owned()));
        columns.extend(["trials", "best trial", "wins"].map(str::to_owned));
        let row = |place: &usize| {
            let trial = &self.trials[*place];
            let mut cells: Vec<Cell> = vec![trial.proposal.candidate.as_str().into(), contest.using(trial).into(), trial.score().into()];
            cells.extend(with_folds.then(|| trial.standard_error().into()));
            cells.extend([Cell::Count(self.trials_of(&trial.proposal.candidate) as u64), number(trial)]);
            cells.push(if *place == self.best { "yes".into() } else { Cell::Missing });
            cells
        };
        let rows = leaders.iter().map(row).collect();
        vec![
            Block::Text(format!("All candidates see the same rows and draw from the same seeds. {by}")),
            Block::Table(CardTable { caption: "Leaderboard".to_owned(), columns, rows }),
        ]
    }

    fn facts(&self, tuning: &Tuning) -> Vec<Fact> {
        let winner = &self.trials[self.best];
        let on = match tuning.cv {
            Some(cv) => {
                let times = if cv.repeats > 1 { format!(", {} times over", cv.repeats) } else { String::new() };
                format!("{} folds of the training rows{times}", cv.folds)
            }
            None => "the validation split".to_owned(),
        };
        let mut facts = Vec::new();
        if let Strategy::Alone(search) = &tuning.strategy {
            facts.push(Fact::new("algorithm", search.algorithm.name()));
        }
        facts.extend([
            Fact::new("trials", self.trials.len()),
            Fact::new("failed", self.trials.iter().filter_map(failure).count()),
            Fact::new("scored by", format!("{} on {on}", tuning.objective.metric)),
            Fact::new("best trial", number(winner)),
            Fact::new("best score", winner.score()),
        ]);
        if let (Some(cv), Outcome::Scored { folds, .. }) = (tuning.cv.filter(|cv| cv.repeats > 1), &winner.outcome) {
            // Rows that are held out for each that is learned from.
            let held = 1.0 / ((cv.folds - 1) as f64 * winner.proposal.share);
            let range = corrected(folds, held, 0.95).map(|(low, high)| format!("{} – {}", format::number(low), format::number(high)));
            facts.extend(range.map(|range| Fact::new("95 % interval of the best score, corrected for shared rows", range)));
        }
        if let Strategy::Alone(search) = &tuning.strategy {
            facts.push(Fact::new("score as written", self.trials.first().and_then(Trial::score)));
            facts.extend(search.space.0.iter().map(|dimension| Fact::new(dimension.name.as_str(), value(tuning, winner, &dimension.name))));
        }
        facts
    }

    /// The scores in the order of trials.
    fn progress(&self, tuning: &Tuning) -> Option<Block> {
        let scored: Vec<(f64, f64)> = self.trials.iter().filter_map(|trial| Some((trial.proposal.number as f64, trial.score()?))).collect();
        let mut best = None;
        let running = scored.iter().map(|(number, score)| {
            let so_far = best.filter(|best| !tuning.strategy.is_better(*score, *best)).unwrap_or(*score);
            best = Some(so_far);
            (*number, so_far)
        });
        let running: Vec<(f64, f64)> = running.collect();
        let line = |name: &str, points| Line { name: name.to_owned(), points };
        (scored.len() > 1).then(|| {
            Block::Lines(Lines {
                caption: "Score of each trial".to_owned(),
                x: "trial".to_owned(),
                y: tuning.objective.metric.clone(),
                series: vec![line("trial", scored), line("best so far", running)],
                diagonal: false,
            })
        })
    }

    fn best_trials(&self, tuning: &Tuning) -> Block {
        let mut order: Vec<&Trial> = self.trials.iter().filter(|trial| trial.score().is_some()).collect();
        let score = |trial: &Trial| trial.score().unwrap_or(f64::NAN);
        let share = |trial: &Trial| if tuning.contest().is_none() { trial.proposal.share } else { 1.0 };
        order.sort_by(|a, b| {
            let by_score = if tuning.strategy.is_better(1.0, 0.0) { score(b).total_cmp(&score(a)) } else { score(a).total_cmp(&score(b)) };
            share(b).total_cmp(&share(a)).then(by_score).then(a.proposal.number.cmp(&b.proposal.number))
        });
        let (with_folds, with_shares) = (tuning.cv.is_some(), self.trials.iter().any(|trial| trial.proposal.share < 1.0));
        let names: Vec<&str> = match &tuning.strategy {
            Strategy::Alone(search) => search.space.0.iter().map(|dimension| dimension.name.as_str()).collect(),
            // What was set in any trial that is shown, but for the members of ensembles.
            Strategy::Contest(_) => {
                let set = order.iter().take(SHOWN).filter(|trial| trial.proposal.point.is_some()).flat_map(|trial| trial.proposal.parameters.keys());
                set.map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect()
            }
        };
        let mut columns = vec!["trial".to_owned()];
        columns.extend(tuning.contest().map(|_| "candidate".to_owned()));
        columns.push(tuning.objective.metric.clone());
        columns.extend(with_folds.then(|| "± between folds".to_owned()));
        columns.extend(with_shares.then(|| "share of rows".to_owned()));
        columns.extend(names.iter().map(|name| (*name).to_owned()));
        let row = |trial: &&Trial| {
            let mut cells = vec![number(trial)];
            cells.extend(tuning.contest().map(|_| trial.proposal.candidate.as_str().into()));
            cells.push(trial.score().into());
            cells.extend(with_folds.then(|| trial.deviation().into()));
            cells.extend(with_shares.then_some(Cell::Share(trial.proposal.share)));
            cells.extend(names.iter().map(|name| parameter(value(tuning, trial, name))));
            cells
        };
        let rows = order.iter().take(SHOWN).map(row).collect();
        Block::Table(CardTable { caption: "The best trials".to_owned(), columns, rows })
    }

    fn failures(&self, tuning: &Tuning) -> Option<Block> {
        let with_names = tuning.contest().is_some();
        let row = |trial: &Trial| {
            let mut cells = vec![number(trial)];
            cells.extend(with_names.then(|| trial.proposal.candidate.as_str().into()));
            cells.push(shorten(failure(trial)?).into());
            Some(cells)
        };
        let rows: Vec<Vec<Cell>> = self.trials.iter().filter_map(row).take(SHOWN).collect();
        let columns = [Some("trial"), with_names.then_some("candidate"), Some("failed because")].into_iter().flatten().map(str::to_owned).collect();
        (!rows.is_empty()).then(|| Block::Table(CardTable { caption: "Trials that failed".to_owned(), columns, rows }))
    }
}

/// A parameter of a trial, as it was set or as it is written.
fn value(tuning: &Tuning, trial: &Trial, name: &str) -> Option<String> {
    trial.proposal.parameters.get(name).or_else(|| tuning.written(&trial.proposal.candidate, name)).map(shown)
}

/// A parameter's value, a number where it is one.
fn parameter(value: Option<String>) -> Cell {
    match value {
        None => Cell::Missing,
        Some(text) => text.parse().ok().filter(|number: &f64| number.is_finite()).map_or_else(|| text.into(), Cell::Number),
    }
}

/// A trial's number as a name.
fn number(trial: &Trial) -> Cell {
    match trial.proposal {
        Proposal { number, origin, .. } if number == origin => Cell::Count(number as u64),
        Proposal { number, origin, .. } => Cell::Text(format!("{number} (as {origin})")),
    }
}

fn failure(trial: &Trial) -> Option<&String> {
    match &trial.outcome {
        Outcome::Failed(message) => Some(message),
        Outcome::Scored { .. } => None,
    }
}
