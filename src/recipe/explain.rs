//! Who set a value, which of them won, and which steps a change of it reaches.

use std::collections::BTreeSet;

use super::compose::Composed;
use super::document::{Document, Mark, Tag};
use super::interpolate::{World, interpolate};
use super::sections::STEPS;
use crate::error::{Error, Place, Result, shorten};
use crate::value::{Path, Value, display_path, suggest};

/// One contribution to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub layer: String,
    pub place: Place,
    /// The value as one line, with its tag before it.
    pub value: String,
    pub wins: bool,
}

/// A value and all who set it, the first one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    pub path: Path,
    /// As it is used, on one line; `None` where the last word removed it.
    pub value: Option<String>,
    pub settings: Vec<Setting>,
}

impl Composed {
    /// Explains a key, or every key below it.
    ///
    /// # Errors
    /// Exit code 2 where nothing sets it.
    pub fn explain(&self, path: &[String]) -> Result<Vec<Explained>> {
        let mut paths = BTreeSet::new();
        for layer in &self.layers {
            let inside = |path: &[String]| path.strip_prefix(layer.mount.as_slice()).map(<[String]>::to_vec);
            match inside(path) {
                Some(inside) => {
                    if let Some(value) = layer.document.value.at(&inside) {
                        value.each_leaf(&mut path.to_vec(), &mut |leaf, _| {
                            paths.insert(leaf.clone());
                        });
                    }
                }
                // The layer goes somewhere below the key.
                None if layer.mount.starts_with(path) => {
                    layer.document.value.each_leaf(&mut layer.mount.clone(), &mut |leaf, _| {
                        paths.insert(leaf.clone());
                    });
                }
                None => {}
            }
        }
        // What a layer calls a list may be a map for another; the longer paths tell more.
        let all: Vec<Path> = paths.iter().cloned().collect();
        let paths: Vec<Path> = all.iter().filter(|path| !all.iter().any(|other| other.len() > path.len() && other.starts_with(path))).cloned().collect();
        if paths.is_empty() {
            let shown = display_path(path);
            return Err(Error::usage(format!("nothing sets `{}`", shorten(&shown))).hint(self.nearest(path)));
        }
        Ok(paths.into_iter().map(|path| self.one(path)).collect())
    }

    fn one(&self, path: Path) -> Explained {
        let mut settings = Vec::new();
        for layer in &self.layers {
            let Some(inside) = path.strip_prefix(layer.mount.as_slice()) else { continue };
            let document = &layer.document;
            // A tag above says what becomes of everything below it.
            let tag = (0..=inside.len()).rev().find_map(|n| document.tag(&inside[..n]));
            let place = document.mark(inside).map_or_else(|| Place::file(super::overrides::COMMAND_LINE), Mark::value);
            let mut add = |value: String| settings.push(Setting { layer: layer.name.clone(), place: place.clone(), value, wins: false });
            match document.value.at(inside) {
                Some(Value::Null) if tag == Some(Tag::Remove) => add("!remove".to_owned()),
                Some(value) => add(format!("{}{}", tag.map_or("", tag_text), one_line(value))),
                None if layer.replaces || tag == Some(Tag::Replace) => add("(takes the place of what was here)".to_owned()),
                // It sets something above that is no map, so this key went with it.
                None => {
                    let above = (1..inside.len()).rev().find_map(|n| document.value.at(&inside[..n]));
                    if above.is_some_and(|value| !matches!(value, Value::Map(_) | Value::Null)) {
                        add("(sets what is above to something else)".to_owned());
                    }
                }
            }
        }
        let value = self.document.value.at(&path);
        if value.is_some()
            && let Some(last) = settings.last_mut()
        {
            last.wins = true;
        }
        Explained { value: value.map(one_line), path, settings }
    }

    fn nearest(&self, path: &[String]) -> String {
        let depth = (0..path.len()).find(|n| self.document.value.at(&path[..=*n]).is_none()).unwrap_or(0);
        match self.document.value.at(&path[..depth]) {
            Some(Value::Map(map)) if !map.is_empty() => {
                let known: Vec<&str> = map.keys().map(String::as_str).collect();
                suggest(&path[depth], &known)
            }
            _ => "`recipe config` shows what is set".to_owned(),
        }
    }

    /// The steps that would run again if the value at a path changed, in their order: those whose
    /// section it is in or reaches through `${…}`, and those after them.
    #[must_use]
    pub fn reaches(&self, path: &[String]) -> Vec<&'static str> {
        let mut first: BTreeSet<usize> = BTreeSet::new();
        for path in std::iter::once(path.to_vec()).chain(self.followers(path)) {
            first.extend(direct(&path).into_iter().filter_map(|step| STEPS.iter().position(|known| *known == step)));
        }
        let scores = STEPS.iter().position(|step| *step == "ingest_scoring").unwrap_or(STEPS.len());
        let has_scoring = self.document.value.at(&["steps".to_owned(), "ingest_scoring".to_owned()]).is_some();
        let (training, scoring): (Vec<usize>, Vec<usize>) = first.into_iter().partition(|step| *step < scores);
        let from = |steps: &[usize], all: std::ops::Range<usize>| steps.iter().min().map_or(0..0, |first| (*first).max(all.start)..all.end);
        let mut reached: Vec<&'static str> = STEPS[from(&training, 0..scores)].to_vec();
        reached.extend(&STEPS[from(&scoring, scores..STEPS.len())]);
        // A new model is a new input of predict.
        if has_scoring && !training.is_empty() && !reached.contains(&"predict") {
            reached.push("predict");
        }
        reached.retain(|step| has_scoring || !matches!(*step, "ingest_scoring" | "predict"));
        reached
    }

    /// The paths whose value changes with the one at `path`, through references.
    fn followers(&self, path: &[String]) -> Vec<Path> {
        let Some(value) = self.merged.value.at(path).cloned() else { return Vec::new() };
        let mut changed = Document::of(self.merged.value.clone());
        let over = match value {
            Value::Bool(flag) => Value::Bool(!flag),
            Value::Number(text) => Value::Number(format!("{text}1")),
            Value::String(text) => Value::String(format!("{text}~")),
            Value::Null => Value::String("~".to_owned()),
            // Each key of a map by itself.
            Value::Map(map) => {
                let below = |key: &String| self.followers(&path.iter().cloned().chain([key.clone()]).collect::<Path>());
                return map.keys().flat_map(below).collect();
            }
            Value::List(mut items) => {
                items.push(Value::String("~".to_owned()));
                Value::List(items)
            }
        };
        if changed.merge_at(path, Document::of(over)).is_err() {
            return Vec::new();
        }
        let Ok(changed) = interpolate(&changed, &World::new(&self.root, &self.environment)) else { return Vec::new() };
        let mut found = Vec::new();
        differences(&self.document.value, &changed.value, &mut Path::new(), &mut |path, _, _| found.push(path.to_vec()));
        found
    }
}

/// The steps whose key a configuration path enters by itself.
fn direct(path: &[String]) -> Vec<&'static str> {
    let key = path.first().map_or("", String::as_str);
    match (key, path.get(1)) {
        // The estimator learns it, not the chain.
        ("steps", Some(step)) if step == "transform" && path.get(2).is_some_and(|key| key == "target") => vec!["train"],
        ("steps", Some(step)) => STEPS.iter().copied().filter(|known| known == step).collect(),
        ("steps", None) | ("recipe", _) => STEPS.to_vec(),
        ("target_col" | "roles", _) => vec!["ingest", "ingest_scoring"],
        ("positive_class", _) => vec!["ingest"],
        ("seed", _) => vec!["split"],
        ("primary_metric" | "custom_metrics", _) => vec!["evaluate"],
        ("name" | "model_registry", _) => vec!["register"],
        _ => Vec::new(),
    }
}

/// Calls for each path where two trees differ, with what each has there.
pub fn differences(old: &Value, new: &Value, path: &mut Path, each: &mut dyn FnMut(&[String], Option<&Value>, Option<&Value>)) {
    match (old, new) {
        (Value::Map(one), Value::Map(other)) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                path.push(key.clone());
                match (one.get(key), other.get(key)) {
                    (Some(old), Some(new)) => differences(old, new, path, each),
                    (old, new) => each(path, old, new),
                }
                path.pop();
            }
        }
        (old, new) if old == new => {}
        (old, new) => each(path, Some(old), Some(new)),
    }
}

fn tag_text(tag: Tag) -> &'static str {
    match tag {
        Tag::Append => "!append ",
        Tag::Prepend => "!prepend ",
        Tag::Replace => "!replace ",
        Tag::Remove => "!remove ",
    }
}

/// A value on one line, as flow YAML.
#[must_use]
pub fn one_line(value: &Value) -> String {
    match value {
        Value::List(items) => format!("[{}]", items.iter().map(one_line).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => format!("{{{}}}", map.iter().map(|(key, value)| format!("{key}: {}", one_line(value))).collect::<Vec<_>>().join(", ")),
        Value::Null => "null".to_owned(),
        // A text that would read as something else keeps its quotes.
        Value::String(text) if Value::plain_scalar(text) != *value || text.contains(['\n', ',', '[', ']', '{', '}', '#']) => format!("{text:?}"),
        scalar => scalar.text().unwrap_or_default(),
    }
}
