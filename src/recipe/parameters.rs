//! `params:` the values that a run is asked for: `recipe run params.month=2016-03`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::shorten;
use crate::value::{Fault, Path, Value, parse};

/// A parameter's type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterType {
    #[default]
    String,
    Integer,
    Float,
    Boolean,
    /// `2016-03-31`
    Date,
}

impl ParameterType {
    fn name(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Integer => "a whole number",
            Self::Float => "a number",
            Self::Boolean => "true or false",
            Self::Date => "a date such as 2016-03-31",
        }
    }

    fn fits(self, value: &Value) -> bool {
        let text = value.text();
        match self {
            Self::String => text.is_some(),
            Self::Boolean => matches!(value, Value::Bool(_)),
            Self::Integer => text.is_some_and(|text| text.parse::<i64>().is_ok()),
            Self::Float => text.is_some_and(|text| text.parse::<f64>().is_ok_and(f64::is_finite)),
            Self::Date => text.is_some_and(|text| chrono::NaiveDate::parse_from_str(&text, "%Y-%m-%d").is_ok()),
        }
    }
}

/// What a parameter may be.
#[derive(Debug, Default, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    #[serde(rename = "type")]
    pub kind: Option<ParameterType>,
    #[expect(dead_code, reason = "for readers of the recipe")]
    pub description: Option<String>,
    #[serde(default)]
    pub required: bool,
    /// A regular expression that the whole value matches.
    pub pattern: Option<String>,
    #[serde(rename = "in")]
    pub choices: Option<Vec<String>>,
    pub min: Option<f64>,
    pub max: Option<f64>,
}

/// What is wrong with the declarations and the values below `params`; paths begin with the parameter's name.
#[must_use]
pub fn check(parameters: &Value) -> Vec<Fault> {
    let Value::Map(map) = parameters else {
        return if *parameters == Value::Null {
            Vec::new()
        } else {
            vec![Fault::new(&[], format!("`params` is a map of parameters, got {}", parameters.kind()))]
        };
    };
    let mut faults = Vec::new();
    let mut missing = Vec::new();
    let known: Vec<&str> = map.iter().filter(|(_, declared)| is_declared(declared)).map(|(name, _)| name.as_str()).collect();
    for (name, declared) in map {
        let at = |key: &str| -> Path { vec![name.clone(), key.to_owned()] };
        let mut rest = declared.clone();
        let (value, default) = (rest.take("value").unwrap_or_default(), rest.take("default").unwrap_or_default());
        if !is_declared(declared) {
            faults.push(Fault::new(&at("value"), format!("no parameter `{}`", shorten(name))).hint(crate::value::suggest(name, &known)));
            continue;
        }
        let parameter: Parameter = match parse(&rest) {
            Ok(parameter) => parameter,
            Err(found) => {
                faults.extend(found.into_iter().map(|fault| fault.below(name)));
                continue;
            }
        };
        if parameter.required && value == Value::Null && default == Value::Null {
            missing.push(name.as_str());
        }
        let pattern = match parameter.pattern.as_deref().map(|pattern| regex::Regex::new(&format!("^(?:{pattern})$"))) {
            Some(Err(_)) => {
                faults.push(Fault::new(&at("pattern"), "not a regular expression"));
                None
            }
            Some(Ok(pattern)) => Some(pattern),
            None => None,
        };
        for (key, value) in [("default", &default), ("value", &value)] {
            if *value == Value::Null {
                continue;
            }
            let text = value.text().unwrap_or_else(|| value.kind().to_owned());
            let shown = shorten(&text);
            let mut wrong = |why: String| faults.push(Fault::new(&at(key), format!("parameter `{name}` is `{shown}`, {why}")));
            let kind = parameter.kind.unwrap_or_default();
            if !kind.fits(value) {
                wrong(format!("not {}", kind.name()));
                continue;
            }
            if let (Some(pattern), Some(source)) = (&pattern, &parameter.pattern)
                && !pattern.is_match(&text)
            {
                wrong(format!("which does not match `{source}`"));
            }
            if let Some(choices) = &parameter.choices
                && !choices.contains(&text)
            {
                wrong(format!("not one of {}", choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ")));
            }
            if let Ok(number) = text.parse::<f64>() {
                if let Some(min) = parameter.min.filter(|min| number < *min) {
                    wrong(format!("less than {min}"));
                }
                if let Some(max) = parameter.max.filter(|max| number > *max) {
                    wrong(format!("more than {max}"));
                }
            }
        }
    }
    if !missing.is_empty() {
        let names = missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let how = missing.iter().map(|name| format!("params.{name}=…")).collect::<Vec<_>>().join(" ");
        let (parameters, are) = if missing.len() == 1 { ("parameter", "is") } else { ("parameters", "are") };
        let path = if missing.len() == 1 { vec![missing[0].to_owned()] } else { Vec::new() };
        faults.push(
            Fault::new(&path, format!("{parameters} without a value, which {are} required: {names}"))
                .hint(format!("say `{how}` on the command line, or set them in a profile")),
        );
    }
    faults
}

/// Does a recipe declare it, or was only a value given?
fn is_declared(declared: &Value) -> bool {
    !matches!(declared, Value::Map(map) if map.len() == 1 && map.contains_key("value"))
}
