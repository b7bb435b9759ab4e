//! `${…}`: values that refer to other values and to the environment, resolved after merging.
//!
//! `${a.b}` looks at the root and then below `vars`; `${env:NAME,default}` (alias `oc.env`) reads the
//! environment. A string that is one reference takes the value's type. Cycles show the loop.

use std::collections::BTreeMap;

use super::document::Document;
use crate::error::{Error, Kind, Result, nearest, shorten};
use crate::value::{Fault, Path, Value, display_path};

const MAX_DEPTH: usize = 32;
const MAX_TEXT: usize = 100_000;

/// Where `${env:…}` looks.
pub type Environment = BTreeMap<String, String>;

/// Resolves every reference in place.
///
/// # Errors
/// Exit code 3 for every reference that is unknown, cyclic or badly written, with its place.
pub fn interpolate(document: &mut Document, environment: &Environment) -> Result<()> {
    let resolver = Resolver { root: document.value.clone(), environment };
    let mut problems = Vec::new();
    let mut value = document.value.clone();
    resolver.walk(&mut value, &mut Vec::new(), &mut |path, fault| problems.push(document.problem(path, fault)));
    document.value = value;
    match Error::all(Kind::Config, problems) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

struct Resolver<'a> {
    root: Value,
    environment: &'a Environment,
}

impl Resolver<'_> {
    fn walk(&self, value: &mut Value, path: &mut Path, fail: &mut dyn FnMut(&[String], Fault)) {
        match value {
            Value::String(text) if text.contains("${") => match self.resolve(text, &mut Vec::new()) {
                Ok(resolved) => *value = resolved,
                Err(fault) => fail(path, fault),
            },
            Value::List(items) => {
                for (i, item) in items.iter_mut().enumerate() {
                    path.push(i.to_string());
                    self.walk(item, path, fail);
                    path.pop();
                }
            }
            Value::Map(map) => {
                for (key, item) in map.iter_mut() {
                    path.push(key.clone());
                    self.walk(item, path, fail);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    /// A string with its references replaced; a string that is one reference becomes that value.
    fn resolve(&self, text: &str, stack: &mut Vec<String>) -> Result<Value, Fault> {
        if let Some(inside) = text.strip_prefix("${").and_then(|rest| closing(rest).filter(|end| end + 1 == rest.len()).map(|end| &rest[..end])) {
            return self.reference(inside, stack);
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            // `\${` stands for itself.
            if let Some(before) = rest[..start].strip_suffix('\\') {
                out.push_str(before);
                out.push_str("${");
                rest = &rest[start + 2..];
                continue;
            }
            out.push_str(&rest[..start]);
            let after = &rest[start + 2..];
            let end = closing(after).ok_or_else(|| Fault::new(&[], format!("`${{` without `}}`: {}", shorten(text))))?;
            let value = self.reference(&after[..end], stack)?;
            match &value {
                Value::Null => {}
                Value::List(_) | Value::Map(_) => {
                    return Err(Fault::new(&[], format!("`${{{}}}` is {}, which cannot stand inside a text", &after[..end], value.kind())));
                }
                scalar => out.push_str(&scalar.text().unwrap_or_default()),
            }
            if out.len() > MAX_TEXT {
                return Err(Fault::new(&[], "the text grows too long"));
            }
            rest = &after[end + 1..];
        }
        out.push_str(rest);
        Ok(Value::String(out))
    }

    fn reference(&self, inside: &str, stack: &mut Vec<String>) -> Result<Value, Fault> {
        let inside = inside.trim();
        if let Some((resolver, argument)) = inside.split_once(':') {
            return match resolver.trim() {
                "env" | "oc.env" => self.environment_variable(argument, stack),
                other => Err(Fault::new(&[], format!("unknown resolver `{}`", shorten(other))).hint("known here: `${env:NAME,default}`, `${a.b}`")),
            };
        }
        if stack.iter().any(|seen| seen == inside) || stack.len() >= MAX_DEPTH {
            stack.push(inside.to_owned());
            let start = stack.iter().position(|seen| seen == inside).unwrap_or(0);
            return Err(Fault::new(&[], format!("references go in a circle: {}", stack[start..].join(" → "))));
        }
        let path: Path = inside.split('.').map(str::to_owned).collect();
        let found = self.root.at(&path).or_else(|| self.root.get("vars").and_then(|vars| vars.at(&path)));
        let Some(found) = found else {
            let known = ["vars"].iter().filter_map(|v| self.root.get(v)).chain([&self.root]).filter_map(|v| match v {
                Value::Map(map) => Some(map.keys().map(String::as_str).collect::<Vec<_>>()),
                _ => None,
            });
            let known: Vec<&str> = known.flatten().collect();
            let fault = Fault::new(&[], format!("`${{{}}}` refers to nothing: no `{}` at the root or under `vars`", shorten(inside), display_path(&path)));
            return Err(match nearest(inside, known) {
                Some(near) => fault.hint(format!("did you mean `${{{near}}}`?")),
                None => fault,
            });
        };
        stack.push(inside.to_owned());
        let mut value = found.clone();
        let mut first = None;
        match &mut value {
            Value::String(text) if text.contains("${") => value = self.resolve(&text.clone(), stack)?,
            tree @ (Value::List(_) | Value::Map(_)) => {
                self.walk_tree(tree, stack, &mut first);
            }
            _ => {}
        }
        stack.pop();
        first.map_or(Ok(value), Err)
    }

    fn walk_tree(&self, value: &mut Value, stack: &mut Vec<String>, first: &mut Option<Fault>) {
        match value {
            Value::String(text) if text.contains("${") => match self.resolve(&text.clone(), stack) {
                Ok(resolved) => *value = resolved,
                Err(fault) => *first = first.take().or(Some(fault)),
            },
            Value::List(items) => items.iter_mut().for_each(|item| self.walk_tree(item, stack, first)),
            Value::Map(map) => map.values_mut().for_each(|item| self.walk_tree(item, stack, first)),
            _ => {}
        }
    }

    fn environment_variable(&self, argument: &str, stack: &mut Vec<String>) -> Result<Value, Fault> {
        let (name, default) = match argument.split_once(',') {
            Some((name, default)) => (name.trim(), Some(default.trim())),
            None => (argument.trim(), None),
        };
        match (self.environment.get(name), default) {
            (Some(value), _) => Ok(Value::plain_scalar(value)),
            (None, Some(default)) if default.contains("${") => self.resolve(default, stack),
            (None, Some(default)) => Ok(Value::plain_scalar(default)),
            (None, None) => {
                Err(Fault::new(&[], format!("environment variable `{}` is not set", shorten(name)))
                    .hint(format!("set it, or give a default: `${{env:{name},…}}`")))
            }
        }
    }
}

/// The index of the `}` that closes a reference whose `${` was taken off.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        match c {
            '$' if chars.peek().is_some_and(|(_, next)| *next == '{') => {
                depth += 1;
                chars.next();
            }
            '}' if depth == 0 => return Some(i),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Result<Value> {
        let mut document = Document::parse("recipe.yaml", text)?;
        interpolate(&mut document, &Environment::from([("USER".to_owned(), "ada".to_owned())]))?;
        Ok(document.value)
    }

    #[test]
    fn references_reach_the_root_the_vars_and_the_environment() {
        let value =
            resolved("seed: 7\nvars: {env: dev, gcp: {project: \"x-${env}\"}}\na: ${seed}\nb: ${gcp}\nc: ${env:USER}-${oc.env:NONE,${env}}\nd: '\\${seed}'\n")
                .unwrap();
        assert_eq!(value.get("a"), Some(&Value::Number("7".into())));
        assert_eq!(value.get("b").and_then(|b| b.get("project")), Some(&Value::String("x-dev".into())));
        assert_eq!(value.get("c"), Some(&Value::String("ada-dev".into())));
        assert_eq!(value.get("d"), Some(&Value::String("${seed}".into())));
    }

    #[test]
    fn cycles_and_unknown_references_are_errors_with_places() {
        let error = resolved("vars:\n  a: ${b}\n  b: ${a}\nc: ${nothing}\nd: ${env:NOT_THERE}\n").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("go in a circle: b → a → b (recipe.yaml:2:6 at vars.a)"), "{text}");
        assert!(text.contains("recipe.yaml:4:4 at c"), "{text}");
        assert!(text.contains("`NOT_THERE` is not set"), "{text}");
    }
}
