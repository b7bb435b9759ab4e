//! Several estimators, and one that learns from what they say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ensemble::{self, FittedMember, Member, Members};
use super::shared::Refusals;
use crate::error::{Error, Result, counted};
use crate::ml::export::{Feature, Lowering, Said, Why};
use crate::ml::trees::draw::Draw;
use crate::ml::{Chunk, Coefficient, Estimator, Matrix, Predict, Predictions, Task, TrainingSet};
use crate::value::Fault;

/// The stream of the seed that deals rows out to folds.
const FOLDS: u64 = 0x5374_6163_6b69_6e67;

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stacking {
    estimators: Members,
    final_estimator: Option<Member>,
    cv: usize,
    passthrough: bool,
}

impl Default for Stacking {
    fn default() -> Self {
        Self { estimators: Members::new(), final_estimator: None, cv: 5, passthrough: false }
    }
}

/// Fitted members and the one that hears them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedStacking {
    /// The number of classes; 0 for regression.
    classes: usize,
    passthrough: bool,
    members: Vec<FittedMember>,
    last: FittedMember,
}

impl Estimator for Stacking {
    const NAME: &'static str = "stacking";
    const ALIASES: &'static [&'static str] = &["StackingRegressor", "StackingClassifier"];
    const DOC: &'static str = "\
Several estimators, and a last one that learns from their predictions.

The last one learns from predictions for rows that the others had not seen: training is dealt out into folds, classes evenly,
and each fold is predicted by estimators fitted on the other folds. For later rows all of them are fitted on all of training.
That makes `cv` + 1 fits of each. An estimator that stops early does so by a part of its fold. For two classes the last one
sees the score of the second in sorted order, for more classes all scores. Coefficients are the last one's.

Parameters:
- `estimators` (names, each with `using` and `estimator_params`; default: `linear`, which is `ridge` or `logistic`, and
  `boosted`, which is `gradient_boosting`): who is heard.
- `final_estimator` (with `using` and `estimator_params`, default `ridge` or `logistic`): who learns from them.
- `cv` (2..=50, default 5): folds.
- `passthrough` (boolean, default false): the last one sees the features as well.

Source: Wolpert (1992); scikit-learn `StackingRegressor` and `StackingClassifier`, which deal folds out in the rows' order.

```yaml
steps:
  train:
    using: stacking
    estimator_params:
      estimators:
        near: {using: knn, estimator_params: {k: 15}}
        boosted: {using: gradient_boosting, estimator_params: {n_estimators: 200}}
      final_estimator: {using: ridge, estimator_params: {alpha: 0.1}}
```
";

    type Fitted = FittedStacking;

    fn supports(_: &Task) -> bool {
        true
    }

    fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = ensemble::check(&self.estimators);
        if let Some(Err(wrong)) = self.final_estimator.as_ref().map(Member::parse) {
            faults.extend(wrong.into_iter().map(|fault| fault.below("final_estimator")));
        }
        faults.extend(Refusals::default().unless((2..=50).contains(&self.cv), "cv", "must lie between 2 and 50").done().err().into_iter().flatten());
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn wants_validation(&self) -> bool {
        self.estimators.values().filter_map(|member| member.parse().ok()).any(|estimator| estimator.wants_validation())
    }

    fn algorithms(&self) -> Vec<(&'static str, u32)> {
        let usual = [Task::Regression, Task::Classification { classes: Vec::new(), positive: None }].map(|task| (ensemble::usual(&task), last(&task)));
        let mut members: Vec<&Member> = self.estimators.values().chain(&self.final_estimator).collect();
        if self.estimators.is_empty() {
            members.extend(usual.iter().flat_map(|(members, _)| members.values()));
        }
        if self.final_estimator.is_none() {
            members.extend(usual.iter().map(|(_, last)| last));
        }
        let mut all = ensemble::algorithms(members.into_iter());
        all.push((Self::NAME, Self::VERSION));
        all
    }

    fn fit(&self, on: &TrainingSet) -> Result<FittedStacking> {
        let usual = ensemble::usual(&on.task);
        let members = if self.estimators.is_empty() { &usual } else { &self.estimators };
        let classes = on.task.classes();
        let whole = on.whole()?;
        if whole.x.rows < 2 * self.cv {
            return Err(Error::data(format!(
                "`{}` with {} folds needs {} at least, training has {}",
                Self::NAME,
                self.cv,
                counted(2 * self.cv as u64, "row"),
                whole.x.rows
            ))
            .hint("lower `cv`, or train on more rows"));
        }
        let folds = folds(&whole.y, classes, self.cv, on.seed);
        let mut said: Vec<Vec<f64>> = Vec::new();
        for fold in 0..self.cv {
            let mut learned = TrainingSet::in_memory(on.task.clone(), on.features.clone(), rows(&whole, |row| folds[row] != fold), on.seed);
            learned.deadline = on.deadline;
            let asked: Vec<usize> = (0..whole.x.rows).filter(|row| folds[*row] == fold).collect();
            let features = rows(&whole, |row| folds[row] == fold).x;
            let columns = heard(&ensemble::fit_all(members, &learned)?, &features, classes)?;
            said.resize(columns.len(), vec![0.0; whole.x.rows]);
            for (said, column) in said.iter_mut().zip(columns) {
                asked.iter().zip(column).for_each(|(row, value)| said[*row] = value);
            }
        }
        let fitted = ensemble::fit_all(members, on)?;
        let mut names = names(members, &on.task);
        if self.passthrough {
            said.extend(whole.x.columns);
            names.extend(on.features.iter().cloned());
        }
        let chunk = Chunk { x: Matrix { rows: whole.x.rows, columns: said, blocks: Vec::new() }, y: whole.y, w: whole.w };
        let last = self.final_estimator.clone().unwrap_or_else(|| last(&on.task));
        let mut heard = TrainingSet::in_memory(on.task.clone(), names, chunk, on.seed);
        heard.deadline = on.deadline;
        let last = last.fit("final_estimator", &heard)?;
        Ok(FittedStacking { classes, passthrough: self.passthrough, members: fitted, last: FittedMember { name: "final".to_owned(), estimator: last } })
    }
}

/// The last estimator where none is named.
fn last(task: &Task) -> Member {
    Member::named(if *task == Task::Regression { "ridge" } else { "logistic" })
}

/// The fold of each row: in the order of draws, classes apart, so that every fold has its share of each.
fn folds(y: &[f64], classes: usize, count: usize, seed: u64) -> Vec<usize> {
    let draw = Draw::new(seed, FOLDS);
    let mut order: Vec<usize> = (0..y.len()).collect();
    let class = |row: usize| if classes > 0 { y[row] as usize } else { 0 };
    order.sort_by(|a, b| class(*a).cmp(&class(*b)).then(draw.of(*a as u64).total_cmp(&draw.of(*b as u64))).then(a.cmp(b)));
    let mut folds = vec![0; y.len()];
    order.into_iter().enumerate().for_each(|(place, row)| folds[row] = place % count);
    folds
}

/// The rows of a chunk that are wanted.
fn rows(chunk: &Chunk, wanted: impl Fn(usize) -> bool) -> Chunk {
    let take = |values: &[f64]| values.iter().enumerate().filter(|(row, _)| wanted(*row)).map(|(_, value)| *value).collect::<Vec<f64>>();
    let y = take(&chunk.y);
    Chunk { x: Matrix { rows: y.len(), columns: chunk.x.columns.iter().map(|column| take(column)).collect(), blocks: Vec::new() }, y, w: take(&chunk.w) }
}

/// What members say, as features of the last one.
fn heard(members: &[FittedMember], features: &Matrix, classes: usize) -> Result<Vec<Vec<f64>>> {
    let mut all = Vec::new();
    for member in members {
        // Of two scores one says all.
        all.extend(ensemble::columns(member.estimator.as_ref(), features, classes)?.into_iter().skip(usize::from(classes == 2)));
    }
    Ok(all)
}

/// The names of these features.
fn names(members: &Members, task: &Task) -> Vec<String> {
    let of_class = |name: &String, class: &String| format!("{name}_{class}");
    match task {
        Task::Classification { classes, .. } if classes.len() > 2 => {
            members.keys().flat_map(|name| classes.iter().map(move |class| of_class(name, class))).collect()
        }
        _ => members.keys().cloned().collect(),
    }
}

impl Predict for FittedStacking {
    fn predict(&self, features: &Matrix) -> Result<Predictions> {
        let mut columns = heard(&self.members, features, self.classes)?;
        if self.passthrough {
            columns.extend(features.columns.iter().cloned());
        }
        self.last.estimator.predict(&Matrix { rows: features.rows, columns, blocks: Vec::new() })
    }

    fn coefficients(&self) -> Vec<Coefficient> {
        self.last.estimator.coefficients()
    }

    fn importances(&self) -> Vec<Coefficient> {
        self.last.estimator.importances()
    }

    fn lower(&self, features: &[Feature], on: &mut Lowering) -> Result<Said, Why> {
        let mut heard = Vec::new();
        for member in &self.members {
            let said = ensemble::lower(member.estimator.as_ref(), features, on)?;
            heard.extend(said.into_iter().skip(usize::from(self.classes == 2)).map(Feature::Number));
        }
        if self.passthrough {
            heard.extend(Feature::numbers(features)?.into_iter().map(Feature::Number));
        }
        self.last.estimator.lower(&heard, on).map_err(|why| why.within(self.last.estimator.name()))
    }

    fn describe(&self) -> String {
        let members: Vec<String> = self.members.iter().map(|member| format!("{} ({})", member.name, member.estimator.name())).collect();
        format!("{}, {} over {}", Stacking::NAME, self.last.estimator.name(), members.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract_tests::{numbers, set, tasks, value_of, x_of};
    use super::super::find;
    use super::*;

    #[test]
    fn folds_are_even_and_share_classes_out() {
        let y: Vec<f64> = (0..103).map(|i| f64::from(i % 10 / 8)).collect();
        let folds = folds(&y, 2, 5, 7);
        for fold in 0..5 {
            let rows: Vec<usize> = (0..103).filter(|row| folds[*row] == fold).collect();
            let ones = rows.iter().filter(|row| y[**row] == 1.0).count();
            assert!((20..=21).contains(&rows.len()) && (4..=5).contains(&ones), "{rows:?}");
        }
        assert_ne!(folds[..5], folds[5..10]);
    }

    /// The last one must have learned from predictions of models that had not seen the row, and hear models of all rows.
    #[test]
    fn the_last_one_learns_from_rows_that_the_others_had_not_seen() {
        let parameters = serde_json::json!({
            "estimators": {"a": {"using": "decision_tree"}, "b": {"using": "naive_bayes"}},
            "final_estimator": {"using": "logistic", "estimator_params": {"C": 0.5}}, "cv": 3, "passthrough": true,
        });
        for task in tasks(find("stacking").unwrap()).iter().filter(|task| task.classes() == 2) {
            let on = set(task, 90, 3, 1.0);
            let whole = on.whole().unwrap();
            let unseen = x_of(&set(task, 20, 3, 1.2));
            let part = folds(&whole.y, 2, 3, on.seed);
            let mut meta = vec![vec![0.0; 90]; 2];
            let mut later = Vec::new();
            for (k, name) in ["decision_tree", "naive_bayes"].into_iter().enumerate() {
                let estimator = (find(name).unwrap().parse)(&crate::value::Value::Null).unwrap();
                for fold in 0..3 {
                    let learned = TrainingSet::in_memory(task.clone(), on.features.clone(), rows(&whole, |row| part[row] != fold), on.seed);
                    let Predictions::Scores(scores) = estimator.fit(&learned).unwrap().predict(&whole.x).unwrap() else { panic!("no scores") };
                    (0..90).filter(|row| part[*row] == fold).for_each(|row| meta[k][row] = scores[1][row]);
                }
                let Predictions::Scores(scores) = estimator.fit(&on).unwrap().predict(&unseen).unwrap() else { panic!("no scores") };
                later.push(scores[1].clone());
            }
            meta.extend(whole.x.columns.clone());
            later.extend(unseen.columns.clone());
            let chunk = Chunk { x: Matrix { rows: 90, columns: meta, blocks: Vec::new() }, y: whole.y, w: whole.w };
            let last = (find("logistic").unwrap().parse)(&value_of(&serde_json::json!({"C": 0.5}))).unwrap();
            let names = ["a", "b", "f0", "f1", "f2"].map(str::to_owned).to_vec();
            let last = last.fit(&TrainingSet::in_memory(task.clone(), names, chunk, on.seed)).unwrap();
            let expected = numbers(&last.predict(&Matrix { rows: 20, columns: later, blocks: Vec::new() }).unwrap());
            let stacking = (find("stacking").unwrap().parse)(&value_of(&parameters)).unwrap().fit(&on).unwrap();
            assert_eq!(numbers(&stacking.predict(&unseen).unwrap()), expected);
            assert_eq!(stacking.coefficients(), last.coefficients());
            assert_eq!(stacking.describe(), "stacking, logistic over a (decision_tree), b (naive_bayes)");
        }
    }
}
