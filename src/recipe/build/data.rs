//! The sections that say what the rows are: ingest, split and transform.

use super::{Builder, steps_missing};
use crate::data::source::SourceConfig;
use crate::data::sql::Query;
use crate::data::{Contract, DataTest, Origin, Roles, RowExpression, SplitConfig};
use crate::error::{Error, Kind, shorten};
use crate::ml::TargetKind;
use crate::ml::chain::Chain;
use crate::ml::target::TargetTransform;
use crate::steps::Goal;
use crate::steps::ingest::{Ingest, Purpose};
use crate::steps::split::Split;
use crate::steps::transform::Transform;
use crate::value::{Fault, Value, suggest};

impl Builder {
    /// Whether a step leaves the profile of its data out; it does not where nothing is said.
    pub(super) fn skip_data_profiling(&mut self, base: &[&str], said: Option<Value>) -> Option<bool> {
        match said {
            None => Some(false),
            Some(Value::Bool(skip)) => Some(skip),
            Some(other) => {
                self.add(base, vec![Fault::new(&["skip_data_profiling".to_owned()], format!("expected true or false, got {}", other.kind()))]);
                None
            }
        }
    }

    pub(super) fn ingest(&mut self, steps: &mut Value, name: &str, purpose: &Purpose, roles: &Roles, seed: u64) -> Option<Ingest> {
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
    pub(super) fn query(&mut self, base: &[&str], section: &Value) -> Option<Query> {
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

    pub(super) fn split(&mut self, steps: &mut Value, roles: &Roles, target: &str, is_classification: bool, seed: u64) -> Option<Split> {
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
    pub(super) fn target_transform(&mut self, steps: &mut Value, goal: &Goal) -> Option<TargetTransform> {
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
    pub(super) fn transform(&mut self, steps: &mut Value, goal: &Goal, roles: &Roles, seed: u64) -> Option<(Transform, Value)> {
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
}
