//! A recipe with what train found in the place of the search: the same model without searching again.

use super::document::Document;
use crate::error::{Error, Result};
use crate::value::Value;

/// Keys of `steps.train` that ask for a search, or say what the parameters say now.
const SEARCH: [&str; 5] = ["tuning", "compare", "automl", "time_budget_secs", "early_stopping"];

/// The resolved configuration with an estimator and all its parameters, as YAML; `run` is train's artifact of that name.
///
/// # Errors
/// Exit code 5 where the artifact is not what train writes.
pub fn plain(document: &Document, run: &serde_json::Value) -> Result<String> {
    let damaged = || Error::store("the artifact `run` is damaged").hint("`recipe run --force=train` makes it anew");
    let read = |key: &str| run.get(key).cloned().and_then(|value| serde_json::from_value::<Value>(value).ok());
    let (Some(estimator), Some(Value::Map(mut parameters))) = (read("estimator"), read("parameters")) else { return Err(damaged()) };
    // Options of transforms stand among the transforms.
    parameters.retain(|name, _| !name.starts_with("transform.") && !name.starts_with("transform["));
    let mut root = document.value.clone();
    root.take("defaults");
    let steps = below(&mut root, "steps");
    let train = below(steps, "train");
    for key in SEARCH {
        train.take(key);
    }
    if let Value::Map(train) = train {
        train.insert("using".to_owned(), estimator);
        train.insert("estimator_params".to_owned(), Value::Map(parameters));
    }
    if let (Some(transforms), Value::Map(steps)) = (read("transforms"), steps) {
        let target = steps.get_mut("transform").and_then(|transform| transform.take("target"));
        let transform = match target {
            None => transforms,
            Some(target) => Value::Map([("steps".to_owned(), transforms), ("target".to_owned(), target)].into()),
        };
        steps.insert("transform".to_owned(), transform);
    }
    Ok(Document::of(root).to_yaml())
}

/// The map at a key, made where there is none.
fn below<'a>(value: &'a mut Value, key: &str) -> &'a mut Value {
    if !matches!(value, Value::Map(_)) {
        *value = Value::empty();
    }
    match value {
        Value::Map(map) => {
            let found = map.entry(key.to_owned()).or_default();
            if !matches!(found, Value::Map(_)) {
                *found = Value::empty();
            }
            found
        }
        other => other,
    }
}
