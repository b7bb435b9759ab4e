//! The mean of several estimators.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ensemble::{self, FittedMember, Member, Members};
use super::shared::not_negative;
use crate::error::Result;
use crate::ml::export::{Comparison, Feature, Form, Id, Lowering, Said, Why};
use crate::ml::{Estimator, Matrix, Predict, Predictions, Task, TrainingSet};
use crate::value::{Fault, suggest};

#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Say {
    /// Scores are averaged.
    Soft,
    /// Each estimator has a vote for one class.
    Hard,
}

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Voting {
    estimators: Members,
    #[serde(rename = "voting")]
    say: Say,
    weights: BTreeMap<String, f64>,
}

impl Default for Voting {
    fn default() -> Self {
        Self { estimators: Members::new(), say: Say::Soft, weights: BTreeMap::new() }
    }
}

/// Fitted members, each with its share of the say.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedVoting {
    say: Say,
    /// The number of classes; 0 for regression.
    classes: usize,
    /// The class that wins from half of the say on, in binary tasks.
    positive: Option<usize>,
    members: Vec<FittedMember>,
    /// In the order of the members; their sum is 1.
    shares: Vec<f64>,
}

impl Estimator for Voting {
    const NAME: &'static str = "voting";
    const ALIASES: &'static [&'static str] = &["VotingRegressor", "VotingClassifier"];
    const DOC: &'static str = "\
Several estimators side by side: the mean of their predictions, or their votes.

Each learns from the same rows by itself; what they get wrong in different ways cancels out. Whether missing values and row
weights are taken is up to each of them.

Parameters:
- `estimators` (names, each with `using` and `estimator_params`; default: `linear`, which is `ridge` or `logistic`, and
  `boosted`, which is `gradient_boosting`): who takes part.
- `voting` (`soft` or `hard`, default `soft`): for classes, the mean of scores, or the shares of estimators that call a class.
- `weights` (names with numbers ≥ 0, default 1 each): how much each one's say counts.

Source: scikit-learn `VotingRegressor` and `VotingClassifier` (whose default is `hard`).

```yaml
steps:
  train:
    using: voting
    estimator_params:
      estimators:
        near: {using: knn, estimator_params: {k: 15}}
        boosted: {using: gradient_boosting, estimator_params: {n_estimators: 200}}
      weights: {boosted: 2}
```
";

    type Fitted = FittedVoting;

    fn supports(_: &Task) -> bool {
        true
    }

    fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = ensemble::check(&self.estimators);
        let usual = ensemble::usual(&Task::Regression);
        let members = if self.estimators.is_empty() { &usual } else { &self.estimators };
        let known: Vec<&str> = members.keys().map(String::as_str).collect();
        for (name, weight) in &self.weights {
            let path = ["weights".to_owned(), name.clone()];
            if !members.contains_key(name) {
                faults.push(Fault::new(&path, format!("no estimator `{name}` takes part")).hint(suggest(name, &known)));
            } else if !not_negative(*weight) {
                faults.push(Fault::new(&path, format!("a weight must be a number ≥ 0, got {weight}")));
            }
        }
        if faults.is_empty() && members.keys().all(|name| self.weights.get(name) == Some(&0.0)) {
            faults.push(Fault::new(&["weights".to_owned()], "some weight must be above 0"));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn wants_validation(&self) -> bool {
        self.estimators.values().filter_map(|member| member.parse().ok()).any(|estimator| estimator.wants_validation())
    }

    fn takes_sparse(&self) -> bool {
        !self.estimators.is_empty() && self.estimators.values().filter_map(|member| member.parse().ok()).all(|estimator| estimator.takes_sparse())
    }

    fn algorithms(&self) -> Vec<(&'static str, u32)> {
        let usual = [ensemble::usual(&Task::Regression), ensemble::usual(&Task::Classification { classes: Vec::new(), positive: None })];
        let members: Vec<&Member> =
            if self.estimators.is_empty() { usual.iter().flat_map(Members::values).collect() } else { self.estimators.values().collect() };
        let mut all = ensemble::algorithms(members.into_iter());
        all.push((Self::NAME, Self::VERSION));
        all
    }

    fn fit(&self, on: &TrainingSet) -> Result<FittedVoting> {
        let usual = ensemble::usual(&on.task);
        let members = if self.estimators.is_empty() { &usual } else { &self.estimators };
        let weights: Vec<f64> = members.keys().map(|name| self.weights.get(name).copied().unwrap_or(1.0)).collect();
        // Divided first, so that large weights do not add up to infinity.
        let largest = weights.iter().copied().fold(0.0, f64::max);
        let total: f64 = weights.iter().map(|weight| weight / largest).sum();
        let shares = weights.iter().map(|weight| weight / largest / total).collect();
        let positive = if let Task::Classification { positive, .. } = &on.task { *positive } else { None };
        Ok(FittedVoting { say: self.say, classes: on.task.classes(), positive, members: ensemble::fit_all(members, on)?, shares })
    }
}

impl FittedVoting {
    /// [`FittedVoting::votes`] in operations that other programs have.
    fn lower_votes(&self, scores: &[Id], on: &mut Lowering) -> Vec<Id> {
        if let (Some(positive), [_, _]) = (self.positive, scores) {
            let is = on.program.from(scores[positive], 0.5);
            let yes = on.program.as_number(is);
            let mut votes = vec![on.program.sum([(yes, -1.0)], 1.0); 2];
            votes[positive] = yes;
            return votes;
        }
        let largest = on.program.add(Form::Largest(scores.to_vec()));
        let mut earlier = Vec::new();
        let mut votes = Vec::with_capacity(scores.len());
        for score in scores {
            let is = on.program.compare(Comparison::LessOrEqual, largest, *score);
            let called = on.program.add(Form::All([is].into_iter().chain(earlier.iter().copied()).collect()));
            votes.push(on.program.as_number(called));
            earlier.push(on.program.not(is));
        }
        votes
    }

    /// Scores as votes: 1 for the class that is called, else 0.
    fn votes(&self, scores: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let rows = scores.first().map_or(0, Vec::len);
        let mut votes = vec![vec![0.0; rows]; scores.len()];
        for row in 0..rows {
            let called = match self.positive {
                Some(positive) if scores.get(positive).is_some_and(|scores| scores[row] >= 0.5) => positive,
                Some(positive) => 1 - positive.min(1),
                None => (1..scores.len()).fold(0, |best, class| if scores[class][row] > scores[best][row] { class } else { best }),
            };
            if let Some(votes) = votes.get_mut(called) {
                votes[row] = 1.0;
            }
        }
        votes
    }
}

impl Predict for FittedVoting {
    fn predict(&self, features: &Matrix) -> Result<Predictions> {
        let mut means = vec![vec![0.0; features.rows]; self.classes.max(1)];
        for (member, share) in self.members.iter().zip(&self.shares) {
            let mut said = ensemble::columns(member.estimator.as_ref(), features, self.classes)?;
            if self.say == Say::Hard && self.classes > 0 {
                said = self.votes(&said);
            }
            for (mean, said) in means.iter_mut().zip(said) {
                mean.iter_mut().zip(said).for_each(|(mean, said)| *mean += share * said);
            }
        }
        Ok(if self.classes == 0 { Predictions::Values(means.swap_remove(0)) } else { Predictions::Scores(means) })
    }

    fn lower(&self, features: &[Feature], on: &mut Lowering) -> Result<Said, Why> {
        let mut terms = vec![Vec::with_capacity(self.members.len()); self.classes.max(1)];
        for (member, share) in self.members.iter().zip(&self.shares) {
            let mut said = ensemble::lower(member.estimator.as_ref(), features, on)?;
            if self.say == Say::Hard && self.classes > 0 {
                said = self.lower_votes(&said, on);
            }
            terms.iter_mut().zip(said).for_each(|(terms, said)| terms.push((said, *share)));
        }
        let mut means = Vec::with_capacity(terms.len());
        for terms in terms {
            means.push(on.program.sum(terms, 0.0));
        }
        Ok(if self.classes == 0 { Said::Values(means.swap_remove(0)) } else { Said::Scores(means) })
    }

    fn describe(&self) -> String {
        let members: Vec<String> = self.members.iter().map(|member| format!("{} ({})", member.name, member.estimator.name())).collect();
        format!("{} of {}", Voting::NAME, members.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract_tests::{numbers, set, tasks, value_of, x_of};
    use super::super::find;
    use super::*;
    use crate::ml::UnfittedEstimator;

    fn voting(json: &serde_json::Value) -> Result<Box<dyn UnfittedEstimator>, Vec<Fault>> {
        (find("voting").unwrap().parse)(&value_of(json))
    }

    #[test]
    fn it_is_the_weighted_mean_of_what_its_members_say() {
        let members = serde_json::json!({"near": {"using": "knn", "estimator_params": {"k": 3}}, "tree": {"using": "decision_tree"}});
        for task in tasks(find("voting").unwrap()) {
            let on = set(&task, 60, 3, 1.0);
            let x = x_of(&set(&task, 25, 3, 1.3));
            let alone = |name: &str| {
                let parameters = if name == "knn" { serde_json::json!({"k": 3}) } else { serde_json::json!({}) };
                numbers(&(find(name).unwrap().parse)(&value_of(&parameters)).unwrap().fit(&on).unwrap().predict(&x).unwrap())
            };
            let fitted = voting(&serde_json::json!({"estimators": members, "weights": {"near": 3.0}})).unwrap().fit(&on).unwrap();
            for ((found, near), tree) in numbers(&fitted.predict(&x).unwrap()).iter().zip(alone("knn")).zip(alone("decision_tree")) {
                assert!((found - (0.75 * near + 0.25 * tree)).abs() < 1e-12);
            }
            if task.classes() > 0 {
                let fitted = voting(&serde_json::json!({"estimators": members, "weights": {"near": 3.0}, "voting": "hard"})).unwrap().fit(&on).unwrap();
                assert!(numbers(&fitted.predict(&x).unwrap()).iter().all(|share| [0.0, 0.25, 0.75, 1.0].contains(share)));
            }
        }
    }

    #[test]
    fn what_is_wrong_inside_is_named_where_it_stands() {
        let faults = voting(&serde_json::json!({
            "estimators": {"a": {"using": "rigde"}, "b": {"using": "ridge", "estimator_params": {"alphaa": 1}}, "c": {"using": "ridge", "estimator_params": {"alpha": -1}}},
            "weights": {"d": 1},
        }));
        let shown: Vec<String> =
            faults.err().unwrap().iter().map(|fault| format!("{}: {fault}; {}", fault.path.join("."), fault.hint.clone().unwrap_or_default())).collect();
        assert_eq!(
            shown,
            [
                "estimators.a.using: unknown estimator `rigde`; did you mean `ridge`? `recipe list estimators` shows all",
                "estimators.b.estimator_params.alphaa: unknown key `alphaa`; did you mean `alpha`?",
                "estimators.c.estimator_params.alpha: `alpha` must be a number ≥ 0; ",
                "weights.d: no estimator `d` takes part; did you mean `a`?",
            ]
        );
        let faults = voting(&serde_json::json!({"estimators": {"a": {"usig": "ridge"}}})).err().unwrap();
        assert_eq!((faults[0].path.join("."), faults[0].hint.as_deref()), ("estimators.a.usig".to_owned(), Some("did you mean `using`?")));
        let on = set(&Task::Regression, 20, 2, 1.0);
        let error = voting(&serde_json::json!({"estimators": {"a": {"using": "logistic"}}})).unwrap().fit(&on).err().unwrap();
        assert_eq!(error.problems[0].message, "`logistic` cannot do regression");
    }

    #[test]
    fn the_same_members_are_the_same_in_a_key() {
        let spelled = |using: &str, parameters: serde_json::Value| {
            voting(&serde_json::json!({"estimators": {"a": {"using": using, "estimator_params": parameters}}})).unwrap()
        };
        assert_eq!(spelled("Ridge", serde_json::json!({"alpha": 1})).config(), spelled("ridge", serde_json::Value::Null).config());
        let algorithms: Vec<&str> = spelled("lasso", serde_json::Value::Null).algorithms().iter().map(|(name, _)| *name).collect();
        assert_eq!(algorithms, ["lasso", "voting"]);
    }
}
