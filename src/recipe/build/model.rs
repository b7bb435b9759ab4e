//! The sections that make a model and use it: train, evaluate, register and predict.

use super::Builder;
use crate::data::Roles;
use crate::data::sql::TableOutput;
use crate::ml::adjust::Plan;
use crate::ml::calibration::Method;
use crate::ml::model::OutputNames;
use crate::ml::sparse::BETTER;
use crate::ml::target::TargetTransform;
use crate::ml::{EstimatorEntry, Task, estimators, metric};
use crate::recipe::sections::{CustomMetrics, EarlyStopping, EvaluateSection, PredictSection, RegisterSection, TrainSection};
use crate::steps::Goal;
use crate::steps::evaluate::Evaluate;
use crate::steps::ingest::Ingest;
use crate::steps::predict::{FileOutput, MOST_REASONS, Output, Predict};
use crate::steps::register::Register;
use crate::steps::skew::Source;
use crate::steps::train::{Learner, Train};
use crate::steps::transform::Transform;
use crate::steps::tuning::{Around, Candidates, Objective, Tuning};
use crate::tracking::check_name;
use crate::value::{Fault, Path as KeyPath, Value};

impl Builder {
    #[allow(clippy::too_many_arguments, reason = "each is a part of the recipe that the estimator needs to know")]
    pub(super) fn train(
        &mut self,
        steps: &mut Value,
        goal: &Goal,
        target: &str,
        target_transform: Option<TargetTransform>,
        transforms: Option<&Value>,
        roles: &Roles,
        objective: Objective,
        seed: u64,
    ) -> Option<Train> {
        let mut section = steps.take("train").unwrap_or(Value::Null);
        let base = ["steps", "train"];
        let parameters = section.take("estimator_params").unwrap_or(Value::Null);
        let mut section: TrainSection = self.section(&base, &section)?;
        let _ = (section.resampling_minority_percentage, section.rebalance_training_data, section.skip_data_profiling);
        let task = match goal {
            Goal::Regression => Task::Regression,
            Goal::Classification { positive } => Task::of_classes(if positive.is_some() { 2 } else { 3 }),
        };
        let primary_metric = objective.metric.clone();
        let around = Around { objective, roles, task: &task, transforms: transforms.unwrap_or(&Value::Null), seed };
        let using = section.using.take();
        let using = using.as_deref().unwrap_or("gradient_boosting");
        let (is_automl, is_compare) = (matches!(using, "automl" | "automl/flaml"), using == "compare");
        let (is_contest, one) = (is_automl || is_compare, "it belongs to one estimator");
        let misplaced = [
            ("estimator_params", is_contest && parameters != Value::Null, one),
            ("early_stopping", is_contest && section.early_stopping.is_some(), one),
            ("tuning", is_contest && section.tuning.is_some(), one),
            ("compare", !is_compare && section.compare.is_some(), "write `using: compare`"),
            ("automl", !is_automl && section.automl.is_some(), "write `using: automl`"),
            ("time_budget_secs", !is_automl && section.time_budget_secs.is_some(), "here it is for `using: automl`; `tuning` and `compare` have their own"),
        ];
        let misplaced = misplaced.into_iter().filter(|(_, is_misplaced, _)| *is_misplaced);
        let fault = |key: &str, hint: &str| Fault::new(&[key.to_owned()], format!("`{key}` does not go with `using: {using}`")).hint(hint);
        self.add(&base, misplaced.map(|(key, _, hint)| fault(key, hint)).collect());
        let learner = if is_compare {
            let compare = section.compare.take().unwrap_or_default();
            Learner::Tuning(Box::new(self.checked(&["steps", "train", "compare"], compare.build(&around))?))
        } else if is_automl {
            Learner::Tuning(Box::new(self.automl(&mut section, &around)?))
        } else {
            self.estimator(using, &mut section, parameters, &around)?
        };
        let plan = self.plan(&section, goal, target_transform);
        if section.class_weight.is_some() && *goal == Goal::Regression {
            self.add(&base, vec![Fault::new(&["class_weight".to_owned()], "`class_weight` is for classification")]);
        }
        self.checked(&["steps", "train", "explain"], section.explain.check());
        let output = OutputNames {
            prefix: section.predict_prefix.unwrap_or_else(|| OutputNames::default().prefix),
            all_scores: section.predict_scores_for_all_classes.unwrap_or(true),
        };
        Some(Train {
            learner,
            class_weight: section.class_weight,
            plan,
            leaks: section.leaks,
            explain: section.explain,
            output,
            goal: goal.clone(),
            target: target.to_owned(),
            roles: roles.clone(),
            primary_metric,
            seed,
        })
    }

    /// One estimator, and what is tuned of it.
    pub(super) fn estimator(&mut self, using: &str, section: &mut TrainSection, mut parameters: Value, around: &Around<'_>) -> Option<Learner> {
        let base = ["steps", "train"];
        let entry = self.checked(&base, estimators::named(using).map_err(|fault| vec![fault.below("using")]))?;
        if !(entry.supports)(around.task) {
            let fault = Fault::new(&["using".to_owned()], format!("`{}` cannot do {}", entry.name, metric::task_name(around.task)));
            self.add(&base, vec![fault.hint(estimators::able(around.task))]);
        }
        if let Some(early) = section.early_stopping {
            self.checked(&base, stop_early(early, entry, &mut parameters))?;
        }
        let candidates = Candidates::new(entry, parameters, around.transforms.clone());
        let candidates = self.checked(&["steps", "train", "estimator_params"], candidates)?;
        // Without its transforms, which are at fault already, tuning cannot be judged.
        let Some(tuning) = section.tuning.take().filter(|_| *around.transforms != Value::Null) else {
            return Some(Learner::Estimator(candidates.estimator));
        };
        let estimator = self.checked(&["steps", "train", "estimator_params"], (entry.parse)(&candidates.parameters))?;
        let tuning = self.checked(&["steps", "train", "tuning"], tuning.build(candidates, around))?;
        Some(tuning.map_or(Learner::Estimator(estimator), |tuning| Learner::Tuning(Box::new(tuning))))
    }

    /// What `using: automl` tries.
    pub(super) fn automl(&mut self, section: &mut TrainSection, around: &Around<'_>) -> Option<Tuning> {
        let mut automl = section.automl.take().unwrap_or_default();
        if let Some(seconds) = section.time_budget_secs
            && automl.time_budget_secs.replace(seconds).is_some()
        {
            let message = "`time_budget_secs` and `automl.time_budget_secs` say the same thing";
            self.add(&["steps", "train"], vec![Fault::new(&["time_budget_secs".to_owned()], message).hint("keep one of them")]);
        }
        self.checked(&["steps", "train", "automl"], automl.build(around))
    }

    /// An estimator that cannot take the sparse columns that are asked for is refused now; where `auto` makes some, when it fits.
    pub(super) fn sparse(&mut self, transform: &Transform, train: &Train) {
        let asked = transform.chain.steps().iter().find(|step| step.config().get("sparse") == Some(&serde_json::Value::Bool(true)));
        let estimators = train.learner.estimators();
        if let (Some(step), Some(estimator)) = (asked, estimators.first())
            && !estimators.iter().any(|estimator| estimator.takes_sparse())
        {
            let message = format!("`{}` cannot take the sparse columns that `{}` makes with `sparse: true`", estimator.name(), step.name());
            self.add(&["steps", "train"], vec![Fault::new(&["using".to_owned()], message).hint(BETTER)]);
        }
    }

    /// What wraps the estimator.
    pub(super) fn plan(&mut self, section: &TrainSection, goal: &Goal, target: Option<TargetTransform>) -> Plan {
        let base = ["steps", "train"];
        let calibration = section.calibrate_proba.filter(|method| *method != Method::None);
        let (is_classes, is_binary) = (*goal != Goal::Regression, matches!(goal, Goal::Classification { positive: Some(_) }));
        let wrong = [
            (calibration.is_some() && !is_classes, "calibrate_proba", "`calibrate_proba` is for classification"),
            (section.decision_threshold.is_some() && !is_binary, "decision_threshold", "`decision_threshold` is for two classes, with `positive_class`"),
            (section.conformal.is_some() && is_classes, "conformal", "`conformal` makes intervals around numbers; it is for regression"),
        ];
        self.add(&base, wrong.into_iter().filter(|(is_wrong, ..)| *is_wrong).map(|(_, key, why)| Fault::new(&[key.to_owned()], why)).collect());
        if let Some(threshold) = &section.decision_threshold {
            self.checked(&["steps", "train", "decision_threshold"], threshold.check());
        }
        if let Some(coverage) = section.conformal {
            self.checked(&["steps", "train", "conformal"], coverage.check());
        }
        Plan { target, calibration, threshold: section.decision_threshold.clone(), conformal: section.conformal }
    }

    #[allow(clippy::too_many_arguments, reason = "each is a part of the recipe that the gate speaks of")]
    pub(super) fn evaluate(
        &mut self,
        steps: &mut Value,
        custom: &CustomMetrics,
        known: &[&str],
        primary: &str,
        goal: &Goal,
        target: &str,
        roles: &Roles,
        seed: u64,
    ) -> Option<Evaluate> {
        let section = steps.take("evaluate").unwrap_or(Value::Null);
        let section: EvaluateSection = self.section(&["steps", "evaluate"], &section)?;
        for (i, criterion) in section.validation_criteria.iter().enumerate() {
            self.checked(&["steps", "evaluate", "validation_criteria", &i.to_string()], criterion.check(known, &section.slices));
        }
        for (i, slice) in section.slices.iter().enumerate() {
            self.checked(&["steps", "evaluate", "slices", &i.to_string()], slice.check());
        }
        self.checked(&["steps", "evaluate", "slice_search"], section.slice_search.check());
        self.checked(&["steps", "evaluate", "explain"], section.explain.check());
        self.checked(&["steps", "evaluate", "bootstrap"], section.bootstrap.check());
        Some(Evaluate {
            criteria: section.validation_criteria,
            custom_metrics: custom.custom_metrics.clone(),
            primary_metric: primary.to_owned(),
            explain: section.explain,
            bootstrap: section.bootstrap,
            slices: section.slices,
            slice_search: section.slice_search,
            model_name: String::new(),
            goal: goal.clone(),
            target: target.to_owned(),
            roles: roles.clone(),
            seed,
        })
    }

    pub(super) fn register(
        &mut self,
        steps: &mut Value,
        name: &str,
        registry_uri: Option<&str>,
        registry_name: Option<String>,
        description: Option<String>,
        ingest: Option<&Ingest>,
    ) -> Option<Register> {
        let section = steps.take("register").unwrap_or(Value::Null);
        let section: RegisterSection = self.section(&["steps", "register"], &section)?;
        let path: KeyPath = if registry_name.is_some() {
            vec!["model_registry".into(), "model_name".into()]
        } else {
            vec!["steps".into(), "register".into(), "model_name".into()]
        };
        let model_name = registry_name.or(section.model_name).unwrap_or_else(|| name.to_owned());
        if let Err(error) = check_name(&model_name) {
            let faults = error.problems.into_iter().map(|p| Fault::of(&path, p)).collect();
            self.add(&[], faults);
        }
        let alias = match section.alias.as_deref() {
            Some("none") => None,
            Some(alias) => Some(alias.to_owned()),
            None => Some("champion".to_owned()),
        };
        let source = ingest.map(|ingest| Source { origin: ingest.source.clone(), wanted: ingest.contract.wanted_types() })?;
        Some(Register {
            source,
            registry_uri: registry_uri.map(str::to_owned),
            model_name,
            allow_non_validated_model: section.allow_non_validated_model,
            alias,
            description,
        })
    }

    pub(super) fn predict(&mut self, steps: &mut Value, model_name: &str, roles: &Roles) -> Option<Predict> {
        let mut section = steps.take("predict").unwrap_or(Value::Null);
        let output = section.take("output").filter(|output| *output != Value::Null);
        let section: Option<PredictSection> = self.section(&["steps", "predict"], &section);
        let base = ["steps", "predict", "output"];
        let output = match output {
            Some(value) if value.get("using").and_then(Value::text).as_deref() == Some("sql") || value.get("connection").is_some() => {
                let mut table: TableOutput = self.section(&base, &value)?;
                self.checked(&base, table.prepare(&self.environment.clone()));
                Some(Output::Table(table))
            }
            Some(value) => Some(Output::File(self.section::<FileOutput>(&base, &value)?)),
            None => None,
        };
        let section = section?;
        if section.reasons > MOST_REASONS {
            let fault = Fault::new(&["reasons".to_owned()], format!("`reasons` must lie between 0 and {MOST_REASONS}"));
            self.add(&["steps", "predict"], vec![fault]);
        }
        if let Some(drift) = &section.gates.drift {
            self.checked(&["steps", "predict", "gates", "drift"], drift.check(output.is_some()));
        }
        Some(Predict {
            model_uri: section.model_uri.unwrap_or_else(|| format!("models:/{model_name}@champion")),
            output,
            reasons: section.reasons,
            gates: section.gates,
            roles: roles.clone(),
        })
    }
}

/// Says `early_stopping` as the estimator's own parameters do.
///
/// # Errors
/// An estimator that learns in one go; the same said twice.
fn stop_early(early: EarlyStopping, entry: &EstimatorEntry, parameters: &mut Value) -> Result<(), Vec<Fault>> {
    let key = |name: &str| ["early_stopping".to_owned(), name.to_owned()];
    let known = (entry.parse)(&Value::Null).map(|estimator| estimator.config()).unwrap_or_default();
    if known.get("early_stopping_rounds").is_none() {
        let others: Vec<&str> = estimators::ESTIMATORS
            .iter()
            .filter(|other| (other.parse)(&Value::Null).is_ok_and(|estimator| estimator.config().get("early_stopping_rounds").is_some()))
            .map(|other| other.name)
            .collect();
        let fault = Fault::new(&key("")[..1], format!("`{}` does not learn in rounds, so it cannot stop early", entry.name));
        return Err(vec![fault.hint(format!("estimators that can: {}", others.join(", ")))]);
    }
    if early.rounds == 0 {
        return Err(vec![Fault::new(&key("")[..1], "`early_stopping` is a number of rounds from 1")]);
    }
    if *parameters == Value::Null {
        *parameters = Value::empty();
    }
    let Value::Map(map) = parameters else { return Ok(()) };
    let said = [("early_stopping_rounds", Some(early.rounds.to_string())), ("validation_fraction", early.validation_fraction.map(|share| share.to_string()))];
    for (name, value) in said {
        let Some(value) = value else { continue };
        if map.insert(name.to_owned(), Value::Number(value)).is_some() {
            return Err(vec![Fault::new(&key("")[..1], format!("`early_stopping` and `estimator_params.{name}` say the same thing")).hint("keep one of them")]);
        }
    }
    Ok(())
}
