//! Several searches that compete: which of them the next trials are given to.
//!
//! In turn, each has the same number of trials at a time. By promise, the next trials go where an improvement is likely to cost least:
//! what the last improvements cost, or what it would cost to catch up with the leader at that rate, as Wang, Wu, Weimer and Zhu
//! (2021), FLAML, §4, estimate it. What a trial costs is reckoned from its parameters and its rows, not measured, so that the same seed
//! gives the same trials on every machine; a clock can only end them.
//!
//! Ensembles are trials as well: members are the best trials of several entrants, with the weights that Caruana et al. (2004)
//! would begin with, or stacked (Wolpert 1992).

use std::collections::BTreeMap;

use super::search::Search;
use super::trial::{Proposal, Trial};
use crate::value::{Map, Value};

/// Trials that an entrant is given at a time.
const TURN: usize = 4;
/// The names under which ensembles compete, with the estimator that joins their members.
pub const ENSEMBLES: [(&str, &str); 2] = [(VOTE, "voting"), (STACK, "stacking")];
const VOTE: &str = "ensemble";
const STACK: &str = "stacked ensemble";
/// Ensembles are tried after so many trials, after twice as many, and so on; and at the end.
const BEFORE_ENSEMBLES: usize = 15;
/// The votes of a round: the weights of the best, the second and the third.
const VOTES: [&[usize]; 3] = [&[1, 1], &[2, 1], &[1, 1, 1]];
/// Members of the stack that comes after them, at most.
const STACKED: usize = 3;
/// Ensembles of a round.
const ROUND: usize = VOTES.len() + 1;

/// What comes next.
#[derive(Clone, Debug)]
pub enum Strategy {
    /// The parameters of one estimator.
    Alone(Search),
    Contest(Contest),
}

/// Searches that compete.
#[derive(Clone, Debug)]
pub struct Contest {
    /// In the order in which they have their first trials; all differ by name.
    pub entrants: Vec<Entrant>,
    pub pace: Pace,
    /// Trials of all together, at most.
    pub max_trials: usize,
    /// Are ensembles tried as well?
    pub with_ensembles: bool,
    pub greater_is_better: bool,
}

/// Who is given the next trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    InTurn,
    ByPromise,
}

/// One that competes.
#[derive(Clone, Debug)]
pub struct Entrant {
    pub name: String,
    /// The estimator and its parameters as they are written: a map.
    pub using: String,
    pub parameters: Value,
    pub search: Search,
    pub cost: Cost,
}

/// What a trial on all rows costs: a base times powers of parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    pub base: f64,
    pub powers: BTreeMap<String, f64>,
}

impl Strategy {
    /// See [`Search::next`].
    #[must_use]
    pub fn next(&self, done: &[Trial], rows: usize) -> Vec<Proposal> {
        match self {
            Self::Alone(search) => search.next(done, rows),
            Self::Contest(contest) => contest.next(done, rows),
        }
    }

    /// The place of the best trial; of equal ones the first.
    #[must_use]
    pub fn best(&self, trials: &[Trial]) -> Option<usize> {
        match self {
            Self::Alone(search) => search.best(trials),
            Self::Contest(contest) => contest.leaders(trials).first().copied(),
        }
    }

    /// See [`Search::stops_at`]; in a contest each search ends for itself.
    #[must_use]
    pub fn stops_at<'a>(&self, trials: impl Iterator<Item = &'a Trial>) -> Option<usize> {
        match self {
            Self::Alone(search) => search.stops_at(trials),
            Self::Contest(_) => None,
        }
    }

    /// Is a score better than another?
    #[must_use]
    pub fn is_better(&self, score: f64, than: f64) -> bool {
        let greater_is_better = match self {
            Self::Alone(search) => search.greater_is_better,
            Self::Contest(contest) => contest.greater_is_better,
        };
        if greater_is_better { score > than } else { score < than }
    }

    /// Trials at most.
    #[must_use]
    pub fn max_trials(&self) -> usize {
        match self {
            Self::Alone(search) => search.max_trials,
            Self::Contest(contest) => contest.max_trials,
        }
    }
}

impl Contest {
    /// The trials to come next, where `done` holds all that were proposed before.
    fn next(&self, done: &[Trial], rows: usize) -> Vec<Proposal> {
        let left = self.max_trials.saturating_sub(done.len());
        let mut next: Vec<Proposal> = if done.is_empty() {
            self.entrants.iter().flat_map(|entrant| entrant.next(&[], rows, 1)).collect()
        } else {
            let own: Vec<Vec<Trial>> = self.entrants.iter().map(|entrant| entrant.own(done)).collect();
            match self.pace {
                Pace::InTurn => self.entrants.iter().zip(&own).flat_map(|(entrant, own)| entrant.next(own, rows, TURN)).collect(),
                Pace::ByPromise => {
                    let ensembles = if self.with_ensembles { self.ensembles(done) } else { Vec::new() };
                    if ensembles.is_empty() { self.promising(&own, rows) } else { ensembles }
                }
            }
        };
        next.truncate(left);
        for (i, proposal) in next.iter_mut().enumerate() {
            (proposal.number, proposal.origin) = (done.len() + i, done.len() + i);
        }
        next
    }

    /// The next trials of the entrant for which an improvement is likely to cost least.
    fn promising(&self, own: &[Vec<Trial>], rows: usize) -> Vec<Proposal> {
        let spent: Vec<Spent> = self.entrants.iter().zip(own).map(|(entrant, own)| Spent::of(entrant, own)).collect();
        let leader = spent.iter().map(|spent| spent.loss).fold(f64::INFINITY, f64::min);
        let mut order: Vec<usize> = (0..spent.len()).collect();
        order.sort_by(|a, b| spent[*a].for_better(leader).total_cmp(&spent[*b].for_better(leader)).then(a.cmp(b)));
        let next = order.into_iter().map(|place| self.entrants[place].next(&own[place], rows, TURN));
        next.into_iter().find(|next| !next.is_empty()).unwrap_or_default()
    }

    /// Ensembles that are due and were not tried yet.
    fn ensembles(&self, done: &[Trial]) -> Vec<Proposal> {
        let is_ensemble = |trial: &Trial| ENSEMBLES.iter().any(|(name, _)| trial.proposal.candidate == *name);
        let tried = done.iter().filter(|trial| is_ensemble(trial)).count();
        let (plain, rounds) = (done.len() - tried, tried.div_ceil(ROUND));
        let is_due = plain >= BEFORE_ENSEMBLES << rounds.min(32) || done.len().saturating_add(ROUND) >= self.max_trials;
        let leaders: Vec<&Trial> = self.leaders(done).into_iter().map(|place| &done[place]).filter(|trial| !is_ensemble(trial)).collect();
        if !is_due {
            return Vec::new();
        }
        let member = |trial: &&Trial| Some((trial.proposal.candidate.clone(), self.entrant(trial)?.member(trial)));
        let members = |count: usize| ("estimators".to_owned(), Value::Map(leaders.iter().take(count).filter_map(member).collect()));
        let proposal = |name: &str, parameters: BTreeMap<String, Value>| Proposal {
            number: 0,
            candidate: name.to_owned(),
            origin: 0,
            point: None,
            share: 1.0,
            parameters,
        };
        let votes = VOTES.iter().filter(|weights| weights.len() <= leaders.len()).map(|weights| {
            let weight = |(trial, weight): (&&Trial, &usize)| (trial.proposal.candidate.clone(), Value::Number(weight.to_string()));
            let said = Value::Map(leaders.iter().zip(*weights).map(weight).collect());
            proposal(VOTE, BTreeMap::from([members(weights.len()), ("weights".to_owned(), said)]))
        });
        let stack = (leaders.len() > 1).then(|| proposal(STACK, BTreeMap::from([members(STACKED)])));
        let proposals = votes.chain(stack);
        proposals.filter(|proposal| !done.iter().any(|trial| trial.proposal.parameters == proposal.parameters)).collect()
    }

    fn entrant(&self, trial: &Trial) -> Option<&Entrant> {
        self.entrants.iter().find(|entrant| entrant.name == trial.proposal.candidate)
    }

    /// The estimator of a trial.
    #[must_use]
    pub fn using(&self, trial: &Trial) -> &str {
        let joined = ENSEMBLES.iter().find(|(name, _)| trial.proposal.candidate == *name).map(|(_, using)| *using);
        self.entrant(trial).map(|entrant| entrant.using.as_str()).or(joined).unwrap_or_default()
    }

    /// The place of the best trial of each name, the best one first; of equal ones the first. Those without a score are left out.
    #[must_use]
    pub fn leaders(&self, trials: &[Trial]) -> Vec<usize> {
        let loss = |place: usize| trials[place].score().map_or(f64::INFINITY, |score| if self.greater_is_better { -score } else { score });
        let mut order: Vec<usize> = (0..trials.len()).filter(|place| trials[*place].score().is_some()).collect();
        order.sort_by(|a, b| loss(*a).total_cmp(&loss(*b)).then(trials[*a].proposal.number.cmp(&trials[*b].proposal.number)));
        let mut seen = Vec::new();
        order.retain(|place| {
            let name = &trials[*place].proposal.candidate;
            let is_first = !seen.contains(&name);
            seen.push(name);
            is_first
        });
        order
    }
}

impl Entrant {
    /// Its own trials, counted from 0 as its search counts them.
    fn own(&self, done: &[Trial]) -> Vec<Trial> {
        let own = done.iter().filter(|trial| trial.proposal.candidate == self.name).enumerate();
        own.map(|(i, trial)| Trial { proposal: Proposal { number: i, origin: i, ..trial.proposal.clone() }, outcome: trial.outcome.clone() }).collect()
    }

    /// Its next trials, so many at most, under its name.
    fn next(&self, own: &[Trial], rows: usize, most: usize) -> Vec<Proposal> {
        if self.search.stops_at(own.iter()).is_some() {
            return Vec::new();
        }
        let named = |proposal| Proposal { candidate: self.name.clone(), ..proposal };
        self.search.next(own, rows).into_iter().take(most).map(named).collect()
    }

    /// A trial as a member of an ensemble.
    fn member(&self, trial: &Trial) -> Value {
        let mut parameters = match &self.parameters {
            Value::Map(map) => map.clone(),
            _ => Map::default(),
        };
        parameters.extend(trial.proposal.parameters.clone());
        let member = [("using", Value::String(self.using.clone())), ("estimator_params", Value::Map(parameters))];
        Value::Map(member.map(|(name, value)| (name.to_owned(), value)).into())
    }

    fn cost(&self, trial: &Trial) -> f64 {
        let value = |name: &String| trial.proposal.parameters.get(name).or_else(|| self.parameters.get(name)).and_then(Value::text);
        let power = |(name, power): (&String, &f64)| value(name).and_then(|text| text.parse::<f64>().ok()).map_or(1.0, |value| value.abs().powf(*power));
        self.cost.base * trial.proposal.share * self.cost.powers.iter().map(power).product::<f64>()
    }
}

/// What an entrant's trials cost and gave.
struct Spent {
    /// All trials; those up to the best one; those up to the best one before that.
    all: f64,
    to_best: f64,
    to_earlier: f64,
    loss: f64,
    /// How much better the best one is than the best before it.
    gain: Option<f64>,
}

impl Spent {
    fn of(entrant: &Entrant, own: &[Trial]) -> Self {
        let mut spent = Self { all: 0.0, to_best: 0.0, to_earlier: 0.0, loss: f64::INFINITY, gain: None };
        for trial in own {
            spent.all += entrant.cost(trial);
            let loss = entrant.search.loss(trial);
            if loss < spent.loss {
                spent.gain = Some(spent.loss - loss).filter(|gain| gain.is_finite());
                (spent.to_earlier, spent.to_best, spent.loss) = (spent.to_best, spent.all, loss);
            }
        }
        spent
    }

    /// What an improvement of the best score of all is likely to cost.
    fn for_better(&self, leader: f64) -> f64 {
        let own = (self.all - self.to_best).max(self.to_best - self.to_earlier);
        match self.gain {
            Some(gain) if self.loss > leader => own.max(2.0 * (self.loss - leader) * (self.all - self.to_earlier) / gain),
            _ if self.loss.is_infinite() => f64::INFINITY,
            _ => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::space::{Dimension, Distribution, Space};
    use super::super::trial::Outcome;
    use super::super::{Algorithm, Runner, Try, run};
    use super::*;

    fn entrant(name: &str, algorithm: Algorithm, max_trials: usize, base: f64) -> Entrant {
        let dimension = Dimension { name: "x".into(), distribution: Distribution::Uniform { low: 0.0, high: 1.0, is_log: false, q: None } };
        let search =
            Search { space: Space(vec![dimension]), algorithm, max_trials, no_progress: None, greater_is_better: false, seed: 5, written: Some(vec![0.1]) };
        let parameters = Value::Map([("x".to_owned(), Value::Number("0.1".into()))].into());
        Entrant { name: name.into(), using: name.into(), parameters, search, cost: Cost { base, powers: BTreeMap::new() } }
    }

    fn contest(pace: Pace, max_trials: usize) -> Contest {
        let algorithm = if pace == Pace::InTurn { Algorithm::Random } else { Algorithm::Climb };
        let entrants = vec![entrant("still", algorithm, 1, 0.1), entrant("good", algorithm, 40, 1.0), entrant("bad", algorithm, 40, 1.0)];
        Contest { entrants, pace, max_trials, with_ensembles: pace == Pace::ByPromise, greater_is_better: false }
    }

    fn loss(proposal: &Proposal) -> f64 {
        let x = proposal.point.as_ref().map_or(0.0, |point| point[0]);
        match proposal.candidate.as_str() {
            "good" => (x - 0.8).abs(),
            "bad" => 2.0 + 0.1 * (x - 0.3).abs(),
            "still" => 3.0,
            VOTE => 0.9,
            _ => 0.95,
        }
    }

    fn all(contest: &Contest, parallelism: usize, earlier: &BTreeMap<usize, Trial>) -> Vec<Trial> {
        let attempt = |proposal: &Proposal| {
            std::thread::yield_now();
            Ok(Try::Ended(Outcome::of(vec![loss(proposal)])))
        };
        let strategy = Strategy::Contest(contest.clone());
        run(&Runner { strategy: &strategy, rows: 1000, parallelism, earlier, attempt: &attempt, ended: &|_| Ok(()) }).unwrap()
    }

    #[test]
    fn trials_are_the_same_side_by_side_and_after_any_end() {
        for pace in [Pace::InTurn, Pace::ByPromise] {
            let contest = contest(pace, 37);
            let whole = all(&contest, 1, &BTreeMap::new());
            assert_eq!(whole.iter().map(|trial| trial.proposal.number).collect::<Vec<_>>(), (0..37).collect::<Vec<_>>());
            assert_eq!(all(&contest, 5, &BTreeMap::new()), whole);
            for kept in [1, 4, 20] {
                let earlier = whole.iter().take(kept).cloned().enumerate().collect();
                assert_eq!(all(&contest, 2, &earlier), whole);
            }
        }
    }

    #[test]
    fn trials_go_where_they_promise_most_and_ensembles_come_when_due() {
        let contest = contest(Pace::ByPromise, 60);
        let trials = all(&contest, 1, &BTreeMap::new());
        let count = |name: &str| trials.iter().filter(|trial| trial.proposal.candidate == name).count();
        assert!(count("still") == 1 && count("good") > 2 * count("bad"), "{} {}", count("good"), count("bad"));
        assert!((3..=9).contains(&count(VOTE)) && (1..=3).contains(&count(STACK)), "{} {}", count(VOTE), count(STACK));
        let first = trials.iter().find(|trial| trial.proposal.candidate == VOTE).unwrap();
        assert!(first.proposal.number >= BEFORE_ENSEMBLES);
        let members = first.proposal.parameters["estimators"].get("good").unwrap();
        assert_eq!(members.get("using").and_then(Value::text).as_deref(), Some("good"));
        let leaders: Vec<&str> = contest.leaders(&trials).into_iter().map(|place| trials[place].proposal.candidate.as_str()).collect();
        assert_eq!(leaders, ["good", VOTE, STACK, "bad", "still"]);
        // In turn all have the same.
        let in_turn = Contest { pace: Pace::InTurn, ..contest };
        let trials = all(&in_turn, 1, &BTreeMap::new());
        let count = |name: &str| trials.iter().filter(|trial| trial.proposal.candidate == name).count();
        assert!(count("good").abs_diff(count("bad")) <= TURN && count(VOTE) == 0);
    }
}
