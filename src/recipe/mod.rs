//! From files to a checked [`Recipe`]: every configuration error ends here, all at once, with places.

pub mod compose;
pub mod document;
pub mod emit;
pub mod explain;
pub mod git;
pub mod interpolate;
pub mod overrides;
mod parameters;
pub mod project;
#[cfg(test)]
mod property_tests;
pub mod schema;
mod sections;
pub mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::data::Contract;
use crate::data::DataTest;
use crate::data::RowExpression;
use crate::data::SplitConfig;
use crate::data::source::SourceConfig;
use crate::data::sql::{Query, TableOutput, written_password};
use crate::data::{Origin, Role, Roles};
use crate::error::{Error, Kind, Problem, Result, shorten};
use crate::ml::adjust::Plan;
use crate::ml::calibration::Method;
use crate::ml::chain::Chain;
use crate::ml::model::OutputNames;
use crate::ml::sparse::BETTER;
use crate::ml::target::TargetTransform;
use crate::ml::{EstimatorEntry, TargetKind, Task, estimators, metric};
use crate::steps::evaluate::Evaluate;
use crate::steps::ingest::{Ingest, Purpose};
use crate::steps::predict::{FileOutput, Output, Predict};
use crate::steps::register::Register;
use crate::steps::skew::Source;
use crate::steps::split::Split;
use crate::steps::train::{Learner, Train};
use crate::steps::transform::Transform;
use crate::steps::tuning::{Around, Candidates, Objective, Tuning};
use crate::steps::{Goal, Heads, Step};
use crate::tracking::check_name;
use crate::tracking::mlflow::{Credentials, Settings, Target, address};
use crate::value::{Fault, Map, Path as KeyPath, Value, parse, suggest};
use compose::{Composed, compose};
use document::Document;
use interpolate::Environment;
use sections::{CustomMetrics, EarlyStopping, EvaluateSection, PredictSection, RegisterSection, Root, STEPS, TrainSection};

/// The templates there are.
pub const TEMPLATES: [&str; 2] = ["regression/v1", "classification/v1"];

/// What the user asked for.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Where the user stands.
    pub dir: PathBuf,
    pub recipe: Option<String>,
    /// Profiles in order; none of them: `RECIPE_PROFILE`, else `local` where it exists.
    pub profiles: Vec<String>,
    /// As on the command line, in order: `key.path=VALUE`, `+key=VALUE`, `~key`, `group=option`.
    pub overrides: Vec<String>,
    pub environment: Environment,
}

/// A checked recipe: typed steps, ready to run. After this no code looks at YAML.
pub struct Recipe {
    pub root: PathBuf,
    pub name: String,
    pub template: String,
    pub profile: Option<String>,
    pub description: Option<String>,
    pub seed: u64,
    pub target: String,
    pub roles: Roles,
    pub goal: Goal,
    pub primary_metric: String,
    /// Which way the primary metric is better.
    pub greater_is_better: bool,
    pub model_name: String,
    /// `cache.dir`, where the profile sets one.
    pub cache_dir: Option<PathBuf>,
    /// The MLflow server that runs and models are sent to.
    pub server: Option<Settings>,
    /// Who asks servers.
    pub credentials: Credentials,
    /// The merged configuration with where each part came from.
    pub document: Document,
    pub training: Vec<Box<dyn Step>>,
    /// Empty where the recipe has no `ingest_scoring`.
    pub scoring: Vec<Box<dyn Step>>,
    pub warnings: Vec<String>,
    /// From when the rows of a database are to be, where that is not when a run starts.
    pub asked: Option<DateTime<Utc>>,
}

impl Recipe {
    /// Loads the recipe of a project at `root`; `profile` as after `-p`.
    ///
    /// # Errors
    /// Exit code 3 with every configuration error.
    pub fn load(root: impl AsRef<Path>, profile: Option<&str>) -> Result<Self> {
        let profiles = profile.map(str::to_owned).into_iter().collect();
        Self::select(&Selection { dir: root.as_ref().to_path_buf(), profiles, environment: environment(), ..Selection::default() })
    }

    /// Loads the recipe that was asked for.
    ///
    /// # Errors
    /// Exit code 3 with every configuration error; 2 where an override is badly written.
    pub fn select(selection: &Selection) -> Result<Self> {
        Self::of(compose(selection)?)
    }

    /// Checks a composed configuration.
    ///
    /// # Errors
    /// Exit code 3 with every configuration error.
    pub fn of(composed: Composed) -> Result<Self> {
        let Composed { root, located, profiles, environment, document, warnings, .. } = composed;
        let name = located
            .name
            .clone()
            .or_else(|| root.file_name().and_then(|n| n.to_str()).map(str::to_owned))
            .map_or_else(|| "recipe".to_owned(), |name| tame(&name));
        let cache_dir = environment.get("RECIPE_CACHE_DIR").filter(|dir| !dir.is_empty()).map(|dir| root.join(dir));
        let profile = (!profiles.is_empty()).then(|| profiles.join("+"));
        let credentials = Credentials::of(&environment);
        Builder { document, problems: Vec::new(), root, file: located.file, environment }.build(name, profile, cache_dir, credentials, warnings)
    }

    /// Holds every column name in the configuration against the first rows of the data; gives the number of columns, or
    /// `None` where the data is not there or cannot be read (running says why).
    ///
    /// # Errors
    /// Exit code 4 with every name that the data does not have, where it stands.
    pub fn check_columns(&self) -> Result<Option<usize>> {
        let peek = |steps: &[Box<dyn Step>]| steps.iter().find_map(|step| step.peek(&self.root));
        let Some(training) = peek(&self.training) else { return Ok(None) };
        let heads = Heads { training, scoring: peek(&self.scoring) };
        let steps = self.training.iter().chain(&self.scoring);
        let problems = steps.flat_map(|step| step.misfits(&self.root, &heads)).filter(|problem| problem.is_misfit).collect();
        match Error::all(Kind::Data, problems) {
            Some(error) => Err(self.document.locate(error)),
            None => Ok(Some(heads.training.schema().len())),
        }
    }

    /// The step of a name.
    #[must_use]
    pub fn step(&self, name: &str) -> Option<&dyn Step> {
        self.training.iter().chain(&self.scoring).find(|step| step.name() == name).map(AsRef::as_ref)
    }
}

/// The process environment, for `${env:…}` and the `RECIPE_*` variables.
#[must_use]
pub fn environment() -> Environment {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// What a template sets before anything else does.
pub(crate) fn template_defaults(template: &str) -> Option<Document> {
    let text = match template {
        "regression/v1" => include_str!("../../templates/regression/v1/defaults.yaml"),
        "classification/v1" => include_str!("../../templates/classification/v1/defaults.yaml"),
        _ => return None,
    };
    // A test reads both.
    Document::parse(template, text).ok()
}

/// Is it the name under which a template's defaults are known?
pub(crate) fn is_template(file: &str) -> bool {
    TEMPLATES.contains(&file)
}

/// A directory's name as a recipe's: what a model's name may not hold becomes `_`.
fn tame(name: &str) -> String {
    let tame: String = name.trim_start_matches('.').chars().map(|c| if c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ') { c } else { '_' }).collect();
    let tame = tame.replace("..", "_");
    if tame.is_empty() { "recipe".to_owned() } else { tame }
}

struct Builder {
    document: Document,
    problems: Vec<Problem>,
    root: PathBuf,
    file: String,
    environment: Environment,
}

impl Builder {
    fn add(&mut self, base: &[&str], faults: Vec<Fault>) {
        let problems = self.document.problems(base, faults);
        self.problems.extend(problems);
    }

    /// Parses a section that was taken out, or reports its faults.
    fn section<T: serde::de::DeserializeOwned>(&mut self, base: &[&str], value: &Value) -> Option<T> {
        let nothing = Value::empty();
        match parse(if *value == Value::Null { &nothing } else { value }) {
            Ok(parsed) => Some(parsed),
            Err(faults) => {
                self.add(base, faults);
                None
            }
        }
    }

    fn checked<T>(&mut self, base: &[&str], result: Result<T, Vec<Fault>>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(faults) => {
                self.add(base, faults);
                None
            }
        }
    }

    fn build(
        mut self,
        default_name: String,
        profile: Option<String>,
        cache_dir: Option<PathBuf>,
        credentials: Credentials,
        mut warnings: Vec<String>,
    ) -> Result<Recipe> {
        let whole = self.document.value.clone();
        let later = sections::later(&whole);
        let later_paths: BTreeSet<KeyPath> = later.iter().map(|fault| fault.path.clone()).collect();
        self.add(&[], later);
        // What comes later is reported once, by its own message.
        let mut rest = whole.clone();
        for path in &later_paths {
            rest.remove(path);
        }
        // Free values are for `${…}` to refer to.
        rest.take("vars");
        let parameters = rest.take("params").unwrap_or_else(Value::empty);
        self.parameters(&parameters);
        self.secrets(&rest);
        let mut steps = rest.take("steps").unwrap_or_else(Value::empty);
        let custom = Value::Map(rest.take("custom_metrics").map(|v| Map::from([("custom_metrics".to_owned(), v)])).unwrap_or_default());
        if let Value::List(targets) = rest.get("target_col").unwrap_or(&Value::Null) {
            let names: Vec<String> = targets.iter().filter_map(Value::text).collect();
            self.add(&[], vec![Fault::new(&["target_col".to_owned()], format!("one target column is wanted, got {}: {}", names.len(), names.join(", ")))]);
            // The rest is checked as if the first one were meant.
            if let Value::Map(map) = &mut rest {
                map.insert("target_col".to_owned(), Value::String(names.first().cloned().unwrap_or_default()));
            }
        }
        let root: Option<Root> = self.section(&[], &rest);
        let custom: CustomMetrics = self.section(&[], &custom).unwrap_or_default();
        if let Value::Map(map) = &mut steps {
            let unknown: Vec<Fault> = map
                .keys()
                .filter(|key| !STEPS.contains(&key.as_str()))
                .map(|key| Fault::new(std::slice::from_ref(key), format!("unknown key `{}`", shorten(key))).hint(suggest(key, &STEPS)))
                .collect();
            self.add(&["steps"], unknown);
        } else if steps != Value::Null {
            self.add(&[], vec![Fault::new(&["steps".to_owned()], format!("`steps` is a map of steps, got {}", steps.kind()))]);
            steps = Value::empty();
        }

        let template = root.as_ref().map_or_else(|| whole.get("recipe").and_then(Value::text).unwrap_or_default(), |r| r.recipe.clone());
        let is_classification = template == "classification/v1";
        if root.is_some() && !TEMPLATES.contains(&template.as_str()) {
            self.add(&[], vec![Fault::new(&["recipe".to_owned()], format!("unknown template `{}`", shorten(&template))).hint(suggest(&template, &TEMPLATES))]);
        }
        let (target, seed) = root.as_ref().map_or((String::new(), 42), |r| (r.target_col.clone(), r.seed));
        let mut roles: BTreeMap<String, Role> = root.as_ref().map(|r| r.roles.clone()).unwrap_or_default();
        for (column, role) in &roles {
            let path = ["roles".to_owned(), column.clone()];
            if *column == target && *role != Role::Target {
                self.add(&[], vec![Fault::new(&path, format!("the target `{target}` cannot have the role `{}` as well", role.name()))]);
            } else if *column != target && *role == Role::Target {
                self.add(&[], vec![Fault::new(&path, format!("two target columns: `{target}` and `{column}`")).hint("`target_col` names the target")]);
            }
        }
        for (role, name) in [(Role::Weight, "weight"), (Role::Time, "time")] {
            let columns: Vec<&String> = roles.iter().filter(|(_, r)| **r == role).map(|(c, _)| c).collect();
            if columns.len() > 1 {
                let list = columns.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", ");
                self.add(&[], vec![Fault::new(&["roles".to_owned()], format!("only one column can have the role `{name}`: {list}"))]);
            }
        }
        roles.insert(target.clone(), Role::Target);
        let roles = Roles::new(roles);
        let positive = root.as_ref().and_then(|r| r.positive_class.clone());
        if positive.is_some() && !is_classification {
            self.add(&[], vec![Fault::new(&["positive_class".to_owned()], "`positive_class` is for `classification/v1`")]);
        }
        let goal = if is_classification { Goal::Classification { positive: positive.clone() } } else { Goal::Regression };

        // Metrics.
        let kinds: Vec<metric::Kind> = match (&goal, &positive) {
            (Goal::Regression, _) => vec![metric::Kind::Regression],
            (_, Some(_)) => vec![metric::Kind::Binary, metric::Kind::Classification],
            (_, None) => vec![metric::Kind::Multiclass, metric::Kind::Classification],
        };
        let built_in: Vec<&str> = metric::METRICS.iter().filter(|m| kinds.contains(&m.kind)).map(|m| m.name).collect();
        let names: Vec<String> = custom.custom_metrics.iter().map(|m| m.name.clone()).collect();
        let mut known: Vec<&str> = built_in.clone();
        for (i, name) in names.iter().enumerate() {
            if known.contains(&name.as_str()) {
                self.add(&["custom_metrics"], vec![Fault::new(&[i.to_string(), "name".to_owned()], format!("there is a metric `{name}` already"))]);
            }
            known.push(name);
        }
        let primary =
            root.as_ref().and_then(|r| r.primary_metric.clone()).unwrap_or_else(|| metric::default_primary(!is_classification, positive.is_some()).to_owned());
        if !known.contains(&primary.as_str()) {
            let path = ["primary_metric".to_owned()];
            let fault = if metric::find(&primary).is_some() {
                let task = if is_classification { "this classification" } else { "regression" };
                Fault::new(&path, format!("`{primary}` is not a metric for {task}")).hint(format!("known here: {}", known.join(", ")))
            } else {
                Fault::new(&path, format!("unknown metric `{}`", shorten(&primary))).hint(suggest(&primary, &known))
            };
            self.add(&[], vec![fault]);
        }

        let own = custom.custom_metrics.iter().find(|m| m.name == primary);
        let greater_is_better = own.map_or_else(|| metric::greater_is_better(&primary), |m| m.greater_is_better);

        let ingest = self.ingest(&mut steps, "ingest", &Purpose::Training { target: target.clone(), goal: goal.clone() }, &roles, seed);
        if steps_missing(&whole, "ingest") {
            self.add(
                &[],
                vec![Fault::new(&["steps".to_owned()], "missing key `steps.ingest`").hint("say where the data is: `steps: {ingest: {location: data/my.csv}}`")],
            );
        }
        let split = self.split(&mut steps, &roles, &target, is_classification, seed);
        let target_transform = self.target_transform(&mut steps, &goal);
        let (transform, transforms) = self.transform(&mut steps, &goal, &roles, seed).unzip();
        let objective = Objective { metric: primary.clone(), greater_is_better, custom: own.cloned() };
        let train = self.train(&mut steps, &goal, &target, target_transform, transforms.as_ref(), &roles, objective, seed);
        if let (Some(transform), Some(train)) = (&transform, &train) {
            self.sparse(transform, train);
        }
        let mut evaluate = self.evaluate(&mut steps, custom, &known, &primary, &goal, &target, &roles, seed);
        let name = root.as_ref().and_then(|r| r.name.clone()).unwrap_or(default_name);
        let registry_uri = root.as_ref().and_then(|r| r.model_registry.registry_uri.clone()).filter(|uri| !uri.is_empty());
        let registry_name = root.as_ref().and_then(|r| r.model_registry.model_name.clone());
        let register =
            self.register(&mut steps, &name, registry_uri.as_deref(), registry_name, root.as_ref().and_then(|r| r.description.clone()), ingest.as_ref());
        let model_name = register.as_ref().map_or_else(|| name.clone(), |r| r.model_name.clone());
        if let Some(evaluate) = &mut evaluate {
            evaluate.model_name.clone_from(&model_name);
        }
        let has_scoring = steps.get("ingest_scoring").is_some();
        let scoring = has_scoring.then(|| self.ingest(&mut steps, "ingest_scoring", &Purpose::Scoring, &roles, seed)).flatten();
        let predict = self.predict(&mut steps, &model_name, &roles);
        let server = root.as_ref().and_then(|root| self.server(root, &name, &primary, greater_is_better, &credentials));

        if let Some(error) = Error::all(Kind::Config, std::mem::take(&mut self.problems)) {
            return Err(without_passwords(error, &whole));
        }
        let (Some(root), Some(ingest), Some(split), Some(transform), Some(train), Some(evaluate), Some(register), Some(predict)) =
            (root, ingest, split, transform, train, evaluate, register, predict)
        else {
            return Err(Error::bug(format!("`{}` was refused without a reason", self.file)));
        };
        if server.is_none() && (root.experiment.name.is_some() || root.experiment.artifact_location.is_some()) {
            let message = "`experiment` is kept in the run's configuration; runs are recorded in the project's own `.recipe/runs.db`";
            warnings.push(format!("{message}, and `experiment.tracking_uri` sends them to an MLflow server as well"));
        }
        let cache_dir = cache_dir.or_else(|| root.cache.dir.as_ref().map(|dir| self.root.join(dir)));
        let mut scoring_steps: Vec<Box<dyn Step>> = Vec::new();
        if let Some(scoring) = scoring {
            scoring_steps.push(Box::new(scoring));
            scoring_steps.push(Box::new(predict));
        }
        Ok(Recipe {
            root: self.root,
            name,
            template,
            profile,
            description: root.description,
            seed,
            target,
            roles,
            goal,
            primary_metric: primary,
            greater_is_better,
            model_name,
            cache_dir,
            server,
            credentials,
            document: self.document,
            training: vec![Box::new(ingest), Box::new(split), Box::new(transform), Box::new(train), Box::new(evaluate), Box::new(register)],
            scoring: scoring_steps,
            warnings,
            asked: None,
        })
    }

    fn parameters(&mut self, parameters: &Value) {
        let faults = parameters::check(parameters);
        self.add(&["params"], faults);
    }

    /// A secret's name may stand where its value is used and nowhere shown: below `vars`, and in connections to databases.
    fn secrets(&mut self, rest: &Value) {
        fn walk(value: &Value, path: &mut KeyPath, faults: &mut Vec<Fault>) {
            match value {
                Value::String(text) if interpolate::names_secret(text) && !interpolate::is_connection(path) => faults.push(
                    Fault::new(path, "a secret cannot stand here: this value is shown in cards and kept with runs")
                        .hint("leave the secret out of data paths and names; `${env:NAME}` is for what may be seen"),
                ),
                Value::List(items) => items.iter().enumerate().for_each(|(i, item)| {
                    path.push(i.to_string());
                    walk(item, path, faults);
                    path.pop();
                }),
                Value::Map(map) => map.iter().for_each(|(key, item)| {
                    path.push(key.clone());
                    walk(item, path, faults);
                    path.pop();
                }),
                _ => {}
            }
        }
        let mut faults = Vec::new();
        walk(rest, &mut KeyPath::new(), &mut faults);
        self.add(&[], faults);
    }

    /// Whether a step leaves the profile of its data out; it does not where nothing is said.
    fn skip_data_profiling(&mut self, base: &[&str], said: Option<Value>) -> Option<bool> {
        match said {
            None => Some(false),
            Some(Value::Bool(skip)) => Some(skip),
            Some(other) => {
                self.add(base, vec![Fault::new(&["skip_data_profiling".to_owned()], format!("expected true or false, got {}", other.kind()))]);
                None
            }
        }
    }

    fn ingest(&mut self, steps: &mut Value, name: &str, purpose: &Purpose, roles: &Roles, seed: u64) -> Option<Ingest> {
        let mut section = steps.take(name).unwrap_or(Value::Null);
        if section == Value::Null && steps_missing(&self.document.value, name) {
            return None;
        }
        let base = ["steps", name];
        let contract = section.take("schema").unwrap_or(Value::Null);
        let tests = section.take("tests").unwrap_or(Value::Null);
        let skip = section.take("skip_data_profiling");
        let using = section.get("using").and_then(Value::text);
        let has_query = || ["connection", "sql", "sql_file"].iter().any(|key| section.get(key).is_some());
        let source = if using.as_deref() == Some("sql") || (using.is_none() && has_query()) {
            self.query(&base, &section).map(|query| Origin::Query(Box::new(query)))
        } else {
            let source: Option<SourceConfig> = self.section(&base, &section);
            if let Some(source) = &source {
                self.checked(&base, source.check());
            }
            source.map(Origin::Files)
        };
        let contract: Option<Contract> = self.section(&["steps", name, "schema"], &contract);
        if let Some(contract) = &contract {
            self.checked(&["steps", name, "schema"], contract.check());
        }
        let tests: Option<Vec<DataTest>> = match tests {
            Value::Null => Some(Vec::new()),
            tests => self.section(&["steps", name, "tests"], &tests),
        };
        for (i, test) in tests.iter().flatten().enumerate() {
            self.checked(&["steps", name, "tests", &i.to_string()], test.check());
        }
        let skip_data_profiling = self.skip_data_profiling(&base, skip)?;
        Some(Ingest { purpose: purpose.clone(), source: source?, contract: contract?, tests: tests?, skip_data_profiling, roles: roles.clone(), seed })
    }

    /// A source that a database answers.
    fn query(&mut self, base: &[&str], section: &Value) -> Option<Query> {
        let mut query: Query = self.section(base, section)?;
        if let Err((faults, problems)) = query.prepare(&self.root, &self.environment) {
            self.add(base, faults);
            for problem in problems {
                let path = format!("{}.{}", base.join("."), query.key());
                let is_placed = problem.place.is_some();
                let problem = problem.path(path);
                let error = Error { kind: Kind::Config, problems: vec![problem] };
                self.problems.extend(if is_placed { error } else { self.document.locate(error) }.problems);
            }
        }
        Some(query)
    }

    fn split(&mut self, steps: &mut Value, roles: &Roles, target: &str, is_classification: bool, seed: u64) -> Option<Split> {
        let section = steps.take("split").unwrap_or(Value::Null);
        let base = ["steps", "split"];
        let config: SplitConfig = self.section(&base, &section)?;
        let filter = match &config.post_split_filter {
            None => None,
            Some(text) => match RowExpression::parse(text) {
                Ok(filter) => Some(filter),
                Err(error) => {
                    let faults = error.problems.into_iter().map(|p| Fault::of(&["post_split_filter".to_owned()], p)).collect();
                    self.add(&base, faults);
                    return None;
                }
            },
        };
        Some(Split { config, filter, roles: roles.clone(), target: target.to_owned(), is_classification, seed })
    }

    /// `steps.transform.target`: what the estimator is to learn in place of the target.
    fn target_transform(&mut self, steps: &mut Value, goal: &Goal) -> Option<TargetTransform> {
        let Value::Map(map) = steps else { return None };
        let value = map.get_mut("transform")?.take("target").filter(|value| *value != Value::Null)?;
        let base = ["steps", "transform", "target"];
        if *goal != Goal::Regression {
            self.add(&base, vec![Fault::new(&[], "`target` transforms a number to predict; classes have none").hint("it is for `regression/v1`")]);
            return None;
        }
        self.checked(&base, TargetTransform::read(&value))
    }

    /// The step, and its transforms as a list.
    fn transform(&mut self, steps: &mut Value, goal: &Goal, roles: &Roles, seed: u64) -> Option<(Transform, Value)> {
        let section = steps.take("transform").unwrap_or(Value::Null);
        let known = ["auto", "identity", "chain"];
        let auto = || Value::List(vec![Value::String("auto".to_owned())]);
        let mut base: Vec<&str> = vec!["steps", "transform"];
        let mut skip_data_profiling = false;
        let list = match section {
            Value::Null => auto(),
            Value::String(name) => match name.as_str() {
                "auto" => auto(),
                "identity" => Value::List(Vec::new()),
                _ => {
                    self.add(&base, vec![Fault::new(&[], format!("unknown value `{}`", shorten(&name))).hint("`auto`, `identity` or a list of transforms")]);
                    return None;
                }
            },
            Value::List(list) => Value::List(list),
            Value::Map(mut map) => {
                let steps = map.remove("steps");
                let using = map.remove("using").and_then(|v| v.text());
                skip_data_profiling = self.skip_data_profiling(&base, map.remove("skip_data_profiling"))?;
                let unknown: Vec<Fault> = map
                    .keys()
                    .map(|key| {
                        Fault::new(std::slice::from_ref(key), format!("unknown key `{}`", shorten(key)))
                            .hint(suggest(key, &["using", "steps", "target", "skip_data_profiling"]))
                    })
                    .collect();
                if !unknown.is_empty() {
                    self.add(&base, unknown);
                    return None;
                }
                match (using.as_deref(), steps) {
                    (Some("auto") | None, None) => auto(),
                    (Some("identity"), None) => Value::List(Vec::new()),
                    (Some("chain") | None, Some(steps)) => {
                        base.push("steps");
                        steps
                    }
                    (Some("chain"), None) => {
                        self.add(&base, vec![Fault::new(&["using".to_owned()], "`using: chain` needs `steps`, a list of transforms")]);
                        return None;
                    }
                    (Some(name), Some(_)) if known.contains(&name) => {
                        self.add(&base, vec![Fault::new(&["steps".to_owned()], format!("`steps` does not go with `using: {name}`"))]);
                        return None;
                    }
                    (Some(name), _) => {
                        self.add(&base, vec![Fault::new(&["using".to_owned()], format!("unknown value `{}`", shorten(name))).hint(suggest(name, &known))]);
                        return None;
                    }
                }
            }
            other => {
                self.add(
                    &base,
                    vec![Fault::new(&[], format!("a list of transforms is wanted, got {}", other.kind())).hint("`- one_hot: {columns: nominal()}`")],
                );
                return None;
            }
        };
        let chain = self.checked(&base, Chain::parse(&list))?;
        let target = if *goal == Goal::Regression { TargetKind::Number } else { TargetKind::Classes };
        Some((Transform { chain, roles: roles.clone(), target, skip_data_profiling, seed }, list))
    }

    #[allow(clippy::too_many_arguments, reason = "each is a part of the recipe that the estimator needs to know")]
    fn train(
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
    fn estimator(&mut self, using: &str, section: &mut TrainSection, mut parameters: Value, around: &Around<'_>) -> Option<Learner> {
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
    fn automl(&mut self, section: &mut TrainSection, around: &Around<'_>) -> Option<Tuning> {
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
    fn sparse(&mut self, transform: &Transform, train: &Train) {
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
    fn plan(&mut self, section: &TrainSection, goal: &Goal, target: Option<TargetTransform>) -> Plan {
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
    fn evaluate(
        &mut self,
        steps: &mut Value,
        custom: CustomMetrics,
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
            custom_metrics: custom.custom_metrics,
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

    /// The MLflow server, where the profile names one.
    fn server(&mut self, root: &Root, name: &str, metric: &str, greater_is_better: bool, credentials: &Credentials) -> Option<Settings> {
        let tracking_uri = self.address(["experiment", "tracking_uri"], root.experiment.tracking_uri.as_deref());
        let registry_uri = self.address(["model_registry", "registry_uri"], root.model_registry.registry_uri.as_deref());
        if registry_uri.is_some() && root.experiment.tracking_uri.as_deref().is_none_or(str::is_empty) {
            let fault = Fault::new(&["registry_uri".to_owned()], "`registry_uri` needs a server that keeps the model's files");
            self.add(&["model_registry"], vec![fault.hint("set `experiment.tracking_uri` to the same address")]);
        }
        let seconds = root.tracking.timeout_secs;
        if !(1.0..=86_400.0).contains(&seconds) {
            self.add(&["tracking"], vec![Fault::new(&["timeout_secs".to_owned()], "`timeout_secs` must lie between 1 and 86400")]);
            return None;
        }
        let tracking_uri = tracking_uri?;
        let target = Target {
            registry_uri: registry_uri.filter(|uri| *uri != tracking_uri),
            tracking_uri,
            experiment: root.experiment.name.clone().unwrap_or_else(|| name.to_owned()),
            artifact_location: root.experiment.artifact_location.clone(),
            primary_metric: format!("test_{metric}"),
            greater_is_better,
            description: root.description.clone(),
        };
        let timeout = Duration::from_secs_f64(seconds);
        Some(Settings { target, is_required: root.tracking.required, timeout, credentials: credentials.clone() })
    }

    /// The address of a server; nothing where it is empty.
    fn address(&mut self, path: [&str; 2], text: Option<&str>) -> Option<String> {
        match address(text.filter(|text| !text.is_empty())?) {
            Ok(address) => Some(address),
            Err((message, hint)) => {
                self.add(&path[..1], vec![Fault::new(&[path[1].to_owned()], message).hint(hint)]);
                // The line may hold what the message leaves out.
                self.problems.iter_mut().next_back().into_iter().for_each(|problem| problem.source = None);
                None
            }
        }
    }

    fn register(
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

    fn predict(&mut self, steps: &mut Value, model_name: &str, roles: &Roles) -> Option<Predict> {
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
        if section.reasons > crate::steps::predict::MOST_REASONS {
            let fault = Fault::new(&["reasons".to_owned()], format!("`reasons` must lie between 0 and {}", crate::steps::predict::MOST_REASONS));
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

/// A failure that shows no line with a password in it.
fn without_passwords(mut error: Error, whole: &Value) -> Error {
    let path = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<KeyPath>();
    let connections = interpolate::CONNECTIONS.iter().filter_map(|keys| whole.at(&path(keys))?.text());
    let passwords: Vec<String> = connections.filter_map(|text| written_password(&text)).collect();
    for problem in &mut error.problems {
        if passwords.iter().any(|password| problem.source.as_ref().is_some_and(|line| line.contains(password.as_str()))) {
            problem.source = None;
        }
    }
    error
}

fn steps_missing(whole: &Value, step: &str) -> bool {
    whole.at(&["steps".to_owned(), step.to_owned()]).is_none_or(|v| *v == Value::Null)
}
