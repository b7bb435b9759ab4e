//! `{{VARIABLE}}` in recipe.yaml, as MLflow Recipes has it: filled in from the profile.
//!
//! Each `{{…}}` is replaced by a mark of the same length before the YAML is read and by its value
//! afterwards, so places stay true and a value can fill a place but never add keys beside it. Only
//! expressions are known: no statements, no loader, strict undefined, bounded work.

use std::collections::BTreeMap;

use minijinja::{Environment, UndefinedBehavior};

use super::document::Document;
use crate::error::{Error, Place, Problem, Result, nearest, shorten};
use crate::value::Value;

/// Steps one expression may take, and characters its value may have.
const FUEL: u64 = 10_000;
const MAX_TEXT: usize = 10_000;

const OPEN: char = '\u{E000}';
const FILL: char = '\u{E001}';
const DIGIT: u32 = 0xE010;

/// A text whose expressions were taken out.
pub struct Marked {
    pub text: String,
    expressions: Vec<(String, Place)>,
}

impl Marked {
    /// The names of the variables that the expressions use.
    pub fn names(&self) -> Vec<String> {
        if self.expressions.is_empty() {
            return Vec::new();
        }
        let environment = environment();
        let compiled = self.expressions.iter().filter_map(|(expression, _)| environment.compile_expression(expression).ok());
        compiled.flat_map(|compiled| compiled.undeclared_variables(false)).collect()
    }
}

/// Takes every `{{…}}` out of a text.
///
/// # Errors
/// Statements (`{% … %}`), an expression that does not end on its line.
pub fn mark(name: &str, text: &str) -> Result<Marked> {
    if !text.contains("{{") && !text.contains("{%") {
        return Ok(Marked { text: text.to_owned(), expressions: Vec::new() });
    }
    let mut marked = Marked { text: String::with_capacity(text.len()), expressions: Vec::new() };
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let comment = line.trim_start().starts_with('#');
        let place = |byte: usize| Place::new(name, number + 1, line.get(..byte).map_or(0, |s| s.chars().count()) + 1);
        if !comment && let Some(at) = line.find("{%") {
            return Err(Error::config("statements such as `{% … %}` are not known here, only `{{ VARIABLE }}` and its filters").at(&place(at)));
        }
        let mut rest = line;
        while let (false, Some(start)) = (comment, rest.find("{{")) {
            let offset = line.len() - rest.len() + start;
            let Some(end) = rest[start..].find("}}") else {
                return Err(Error::config("`{{` without `}}` on the same line").at(&place(offset)));
            };
            let whole = &rest[start..start + end + 2];
            marked.text.push_str(&rest[..start]);
            marked.text.push_str(&token(marked.expressions.len(), whole.chars().count()));
            marked.expressions.push((whole[2..whole.len() - 2].trim().to_owned(), place(offset)));
            rest = &rest[start + end + 2..];
        }
        marked.text.push_str(rest);
    }
    Ok(marked)
}

fn token(index: usize, width: usize) -> String {
    let mut text = String::from(OPEN);
    for digit in format!("{index:x}").chars() {
        text.push(char::from_u32(DIGIT + digit.to_digit(16).unwrap_or(0)).unwrap_or(FILL));
    }
    text.push(FILL);
    while text.chars().count() < width {
        text.push(FILL);
    }
    text
}

/// Puts values in the place of the marks.
///
/// # Errors
/// Exit code 3 for every undefined variable and every expression that fails, all at once.
pub fn fill(document: &mut Document, marked: &Marked, variables: &BTreeMap<String, Value>) -> Result<()> {
    if marked.expressions.is_empty() {
        return Ok(());
    }
    let mut filler = Filler { marked, variables, problems: Vec::new(), environment: environment() };
    let mut value = std::mem::take(&mut document.value);
    filler.walk(&mut value);
    document.value = value;
    document.rename(&mut |key| key.contains(OPEN).then(|| filler.text(key)));
    filler.problems.dedup();
    match Error::all(crate::error::Kind::Config, filler.problems) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment
}

struct Filler<'a> {
    marked: &'a Marked,
    variables: &'a BTreeMap<String, Value>,
    problems: Vec<Problem>,
    environment: Environment<'static>,
}

impl Filler<'_> {
    fn walk(&mut self, value: &mut Value) {
        match value {
            Value::String(text) if text.contains(OPEN) => {
                // The whole scalar is one expression: its value keeps its type.
                if text.starts_with(OPEN) && text.chars().filter(|c| *c == OPEN).count() == 1 && text.ends_with(FILL) {
                    *value = self.evaluate(index(text));
                } else {
                    *text = self.text(text);
                }
            }
            Value::List(items) => items.iter_mut().for_each(|item| self.walk(item)),
            Value::Map(map) => {
                for (key, mut item) in std::mem::take(map) {
                    self.walk(&mut item);
                    let key = if key.contains(OPEN) { self.text(&key) } else { key };
                    map.insert(key, item);
                }
            }
            _ => {}
        }
    }

    /// The text with every mark replaced by its value as text.
    fn text(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(OPEN) {
            out.push_str(&rest[..start]);
            let value = self.evaluate(index(&rest[start..]));
            out.push_str(&value.text().unwrap_or_default());
            let after = rest[start..].char_indices().skip(1).find(|(_, c)| *c != FILL && !(DIGIT..DIGIT + 16).contains(&(*c as u32)));
            rest = after.map_or("", |(i, _)| &rest[start + i..]);
        }
        out.push_str(rest);
        out
    }

    fn evaluate(&mut self, index: usize) -> Value {
        let Some((expression, place)) = self.marked.expressions.get(index) else { return Value::Null };
        let result =
            self.environment.compile_expression(expression).and_then(|compiled| compiled.eval(minijinja::Value::from(minijinja::value::Serde(self.variables))));
        match result {
            Ok(value) if value.is_undefined() => self.undefined(expression, place),
            Ok(value) => match serde_json::to_value(&value) {
                Ok(json) => bounded(from_json(json)).unwrap_or_else(|| self.fail(expression, place, "its value is too long")),
                Err(error) => self.fail(expression, place, &error.to_string()),
            },
            Err(error) if error.kind() == minijinja::ErrorKind::UndefinedError => self.undefined(expression, place),
            Err(error) => {
                let text = error.to_string();
                self.fail(expression, place, text.split(" (in ").next().unwrap_or(&text))
            }
        }
    }

    fn undefined(&mut self, expression: &str, place: &Place) -> Value {
        let name: String = expression.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let known = self.variables.keys().map(String::as_str);
        let hint = match (nearest(&name, known), self.variables.is_empty()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, true) => format!("no profile is in use; choose one that sets it with `-p PROFILE`, or write `{{{{ {name} | default(…) }}}}`"),
            (None, false) => format!("set it in the profile, or write `{{{{ {name} | default(…) }}}}`"),
        };
        self.problems.push(Problem::new(format!("undefined variable `{}`", shorten(&name))).at(place.clone()).hint(hint));
        Value::Null
    }

    fn fail(&mut self, expression: &str, place: &Place, why: &str) -> Value {
        self.problems.push(Problem::new(format!("cannot evaluate `{{{{ {} }}}}`: {why}", shorten(expression))).at(place.clone()));
        Value::Null
    }
}

fn index(token: &str) -> usize {
    token.chars().skip(1).map_while(|c| (c as u32).checked_sub(DIGIT).filter(|d| *d < 16)).fold(0, |n, d| n * 16 + d as usize)
}

fn bounded(value: Value) -> Option<Value> {
    match &value {
        Value::String(text) if text.len() > MAX_TEXT => None,
        _ => Some(value),
    }
}

fn from_json(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(b) => Value::Bool(b),
        serde_json::Value::Number(n) => Value::Number(n.to_string()),
        serde_json::Value::String(s) => Value::String(s),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(from_json).collect()),
        serde_json::Value::Object(map) => Value::Map(map.into_iter().map(|(k, v)| (k, from_json(v))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str, variables: &[(&str, Value)]) -> Result<Document> {
        let marked = mark("recipe.yaml", text)?;
        let mut document = Document::parse("recipe.yaml", &marked.text)?;
        fill(&mut document, &marked, &variables.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect())?;
        Ok(document)
    }

    #[test]
    fn a_variable_keeps_its_type_and_cannot_add_keys() {
        let steps = Value::Map([("using".to_owned(), Value::String("csv".into()))].into());
        let variables = [("X", Value::String("a: b\nc: d".into())), ("N", Value::Number("3".into())), ("STEPS", steps.clone())];
        let doc = render("a: {{X}}\nb: {{ N }}\nc: \"v{{N}}-{{ M | default('m') }}\"\nd: {{STEPS}} # {{NOT_READ}}\n", &variables).unwrap();
        assert_eq!(doc.value.get("a"), Some(&Value::String("a: b\nc: d".into())));
        assert_eq!(doc.value.get("b"), Some(&Value::Number("3".into())));
        assert_eq!(doc.value.get("c"), Some(&Value::String("v3-m".into())));
        assert_eq!(doc.value.get("d"), Some(&steps));
    }

    #[test]
    fn undefined_variables_are_all_named_with_their_places() {
        let error = render("a: 1\nb: {{ TABEL }}\nc: {{Y}}\n", &[("TABLE", Value::Null)]).unwrap_err();
        assert_eq!(error.problems.len(), 2);
        assert_eq!(error.problems[0].place, Some(Place::new("recipe.yaml", 2, 4)));
        assert_eq!(error.problems[0].hint.as_deref(), Some("did you mean `TABLE`?"));
    }

    #[test]
    fn statements_loaders_and_bombs_are_refused() {
        for text in ["{% for i in range(10) %}\n", "a: {{ 'a' * 100000000 }}\n", "a: {{ range(100000000) | list }}\n", "a: {{ x\n", "a: {{ include('x') }}\n"] {
            assert!(render(text, &[]).is_err(), "{text}");
        }
    }
}
