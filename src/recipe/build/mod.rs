//! From a merged configuration to a checked recipe: each section is taken out, read and held against the others.

mod data;
mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::document::Document;
use super::interpolate::{self, Environment};
use super::sections::{self, CustomMetrics, Root, STEPS};
use super::{Recipe, TEMPLATES, parameters};
use crate::data::sql::written_password;
use crate::data::{Role, Roles};
use crate::error::{Error, Kind, Problem, Result, shorten};
use crate::ml::metric;
use crate::steps::ingest::Purpose;
use crate::steps::tuning::Objective;
use crate::steps::{Goal, Step};
use crate::tracking::mlflow::{Credentials, Settings, Target, address};
use crate::value::{Fault, Map, Path as KeyPath, Value, parse, suggest};

/// The configuration on its way to a recipe, with what was found wrong so far.
pub(super) struct Builder {
    document: Document,
    problems: Vec<Problem>,
    root: PathBuf,
    file: String,
    environment: Environment,
}

impl Builder {
    pub(super) fn new(document: Document, root: PathBuf, file: String, environment: Environment) -> Self {
        Self { document, problems: Vec::new(), root, file, environment }
    }

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

    /// Reads every section and holds them against each other.
    ///
    /// # Errors
    /// Exit code 3 with everything that is wrong.
    pub(super) fn build(
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
        let roles = self.roles(root.as_ref().map(|root| root.roles.clone()).unwrap_or_default(), &target);
        let positive = root.as_ref().and_then(|r| r.positive_class.clone());
        if positive.is_some() && !is_classification {
            self.add(&[], vec![Fault::new(&["positive_class".to_owned()], "`positive_class` is for `classification/v1`")]);
        }
        let goal = if is_classification { Goal::Classification { positive } } else { Goal::Regression };

        let asked = root.as_ref().and_then(|root| root.primary_metric.clone());
        let (primary, known) = self.metrics(&goal, asked, &custom);
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
        let mut evaluate = self.evaluate(&mut steps, &custom, &known, &primary, &goal, &target, &roles, seed);
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

    /// The role of each column that has one, the target's among them.
    fn roles(&mut self, mut roles: BTreeMap<String, Role>, target: &str) -> Roles {
        for (column, role) in &roles {
            let path = ["roles".to_owned(), column.clone()];
            if column == target && *role != Role::Target {
                self.add(&[], vec![Fault::new(&path, format!("the target `{target}` cannot have the role `{}` as well", role.name()))]);
            } else if column != target && *role == Role::Target {
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
        roles.insert(target.to_owned(), Role::Target);
        Roles::new(roles)
    }

    /// The primary metric and every metric that the recipe can speak of.
    fn metrics<'a>(&mut self, goal: &Goal, primary: Option<String>, custom: &'a CustomMetrics) -> (String, Vec<&'a str>) {
        let kinds: &[metric::Kind] = match goal {
            Goal::Regression => &[metric::Kind::Regression],
            Goal::Classification { positive: Some(_) } => &[metric::Kind::Binary, metric::Kind::Classification],
            Goal::Classification { positive: None } => &[metric::Kind::Multiclass, metric::Kind::Classification],
        };
        let mut known: Vec<&str> = metric::METRICS.iter().filter(|metric| kinds.contains(&metric.kind)).map(|metric| metric.name).collect();
        for (i, metric) in custom.custom_metrics.iter().enumerate() {
            let name = metric.name.as_str();
            if known.contains(&name) {
                self.add(&["custom_metrics"], vec![Fault::new(&[i.to_string(), "name".to_owned()], format!("there is a metric `{name}` already"))]);
            }
            known.push(name);
        }
        let is_binary = matches!(goal, Goal::Classification { positive: Some(_) });
        let primary = primary.unwrap_or_else(|| metric::default_primary(*goal == Goal::Regression, is_binary).to_owned());
        if !known.contains(&primary.as_str()) {
            let path = ["primary_metric".to_owned()];
            let fault = if metric::find(&primary).is_some() {
                let task = if *goal == Goal::Regression { "regression" } else { "this classification" };
                Fault::new(&path, format!("`{primary}` is not a metric for {task}")).hint(format!("known here: {}", known.join(", ")))
            } else {
                Fault::new(&path, format!("unknown metric `{}`", shorten(&primary))).hint(suggest(&primary, &known))
            };
            self.add(&[], vec![fault]);
        }
        (primary, known)
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
