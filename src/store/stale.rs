//! Why a step has to run: staleness as data, said the way a person reads it.
//!
//! [`Stale::between`] compares the key a step had when its recipe last ran with the key it has now.
//! What the store itself finds (a missing output, damage) comes from `lookup`; [`Stale::Forced`] from
//! whoever was asked to force it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::StepKey;
use super::key::{DAY_ASKED, MOMENT_ASKED};
use crate::error::{shorten, shorten_both};
use crate::value::display_path;

/// One reason for a step to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stale {
    /// This recipe has no result of this step under this profile.
    NeverRun,
    /// A value of the step's section changed; `None` where it was not set.
    Config {
        path: String,
        old: Option<Value>,
        new: Option<Value>,
    },
    /// A file the step reads.
    File {
        path: String,
        change: Change,
    },
    /// An artifact of an earlier step has other bytes; a database was asked at another time.
    Input(String),
    /// A version of the step, of a transform or of the estimator; `None` where it was not used.
    Tool {
        name: String,
        old: Option<u32>,
        new: Option<u32>,
    },
    Seed {
        old: Option<u64>,
        new: Option<u64>,
    },
    /// The result is on record, but this output is gone.
    OutputMissing(String),
    /// The result is on record, but what the step did outside the store does not stand; a whole sentence.
    EffectMissing(String),
    /// It ran, but its record is gone.
    RecordMissing,
    /// This output (or `record`, `latest`) does not hash to what was stored.
    Damaged(String),
    /// It runs whenever it is come to; a whole sentence.
    Always(String),
    /// Asked for.
    Forced,
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Changed,
    Added,
    Removed,
}

impl Stale {
    /// Every difference between two keys of a step; empty where there is none.
    #[must_use]
    pub fn between(old: &StepKey, new: &StepKey) -> Vec<Self> {
        let mut reasons = Vec::new();
        compare_config(&mut Vec::new(), Some(&old.config), Some(&new.config), &mut reasons);
        if old.seed != new.seed {
            reasons.push(Self::Seed { old: old.seed, new: new.seed });
        }
        for (path, old, new) in differences(&old.files, &new.files) {
            let change = match (old, new) {
                (None, _) => Change::Added,
                (_, None) => Change::Removed,
                _ => Change::Changed,
            };
            reasons.push(Self::File { path: path.clone(), change });
        }
        reasons.extend(differences(&old.inputs, &new.inputs).map(|(name, _, _)| Self::Input(name.clone())));
        reasons.extend(differences(&old.algorithms, &new.algorithms).map(|(name, old, new)| Self::Tool {
            name: name.clone(),
            old: old.copied(),
            new: new.copied(),
        }));
        reasons
    }

    /// The artifact that has other bytes, where that is the reason.
    #[must_use]
    pub fn input(&self) -> Option<&str> {
        if let Self::Input(name) = self { Some(name.as_str()).filter(|name| ![MOMENT_ASKED, DAY_ASKED].contains(name)) } else { None }
    }

    /// The short form: the first reason, and how many more there are.
    #[must_use]
    pub fn summary(reasons: &[Self]) -> String {
        match reasons {
            [] => String::new(),
            [only] => only.to_string(),
            [first, rest @ ..] => format!("{first}, and {} more", rest.len()),
        }
    }
}

/// The entries that two maps do not share, by name.
fn differences<'a, V: PartialEq>(
    old: &'a BTreeMap<String, V>,
    new: &'a BTreeMap<String, V>,
) -> impl Iterator<Item = (&'a String, Option<&'a V>, Option<&'a V>)> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names.into_iter().map(|name| (name, old.get(name), new.get(name))).filter(|(_, old, new)| old != new)
}

/// Goes down maps, and lists where both are too long to be shown, to the values that differ; what lists share at both ends is the same in them.
fn compare_config(path: &mut Vec<String>, old: Option<&Value>, new: Option<&Value>, reasons: &mut Vec<Stale>) {
    match (old, new) {
        (old, new) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                path.push(key.clone());
                compare_config(path, old.get(key), new.get(key), reasons);
                path.pop();
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() || is_long(old) || is_long(new) => {
            let head = old.iter().zip(new).take_while(|(old, new)| old == new).count();
            let shorter = old.len().min(new.len()) - head;
            let tail = old.iter().rev().zip(new.iter().rev()).take(shorter).take_while(|(old, new)| old == new).count();
            for i in head..old.len().max(new.len()) - tail {
                path.push(i.to_string());
                compare_config(path, old[..old.len() - tail].get(i), new[..new.len() - tail].get(i), reasons);
                path.pop();
            }
        }
        (old, new) => reasons.push(Stale::Config { path: display_path(path), old: old.cloned(), new: new.cloned() }),
    }
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverRun => write!(f, "never run"),
            Self::Config { path, old, new } => {
                let name = if path.is_empty() { "config".to_owned() } else { format!("config `{}`", shorten(path)) };
                // What is null is not set.
                match (old.as_ref().filter(|old| !old.is_null()), new.as_ref().filter(|new| !new.is_null())) {
                    (None, None) => write!(f, "{name} changed"),
                    (None, Some(new)) => write!(f, "{name} set to {}", show(new)),
                    (Some(old), None) => write!(f, "{name} removed, was {}", show(old)),
                    (Some(Value::String(old)), Some(Value::String(new))) => {
                        let (old, new) = shorten_both(old, new);
                        write!(f, "{name}: `{old}` → `{new}`")
                    }
                    (Some(old), Some(new)) => write!(f, "{name}: {} → {}", show(old), show(new)),
                }
            }
            Self::File { path, change } => {
                let word = match change {
                    Change::Changed => "changed",
                    Change::Added => "added",
                    Change::Removed => "removed",
                };
                write!(f, "file `{}` {word}", shorten(path))
            }
            Self::Input(name) if name == MOMENT_ASKED => write!(f, "the database is asked whenever it runs"),
            Self::Input(name) if name == DAY_ASKED => write!(f, "the database was last asked on another day (UTC)"),
            Self::Input(name) => write!(f, "input `{}` changed", shorten(name)),
            Self::Tool { name, old, new } => match (old, new) {
                (Some(old), Some(new)) => write!(f, "`{name}` version {old} → {new}"),
                (None, _) => write!(f, "`{name}` now used"),
                (_, None) => write!(f, "`{name}` no longer used"),
            },
            Self::Seed { old, new } => match (old, new) {
                (Some(old), Some(new)) => write!(f, "seed {old} → {new}"),
                (None, _) => write!(f, "now uses the seed"),
                (_, None) => write!(f, "no longer uses the seed"),
            },
            Self::OutputMissing(name) => write!(f, "output `{}` is missing", shorten(name)),
            Self::EffectMissing(what) => write!(f, "{what}"),
            Self::RecordMissing => write!(f, "its record is missing"),
            Self::Damaged(name) => write!(f, "`{}` is damaged", shorten(name)),
            Self::Always(why) => write!(f, "{why}"),
            Self::Forced => write!(f, "forced"),
        }
    }
}

/// Is a list too long to be shown whole?
fn is_long(list: &[Value]) -> bool {
    let text = Value::Array(list.to_vec()).to_string();
    shorten(&text).len() < text.len()
}

fn show(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{}`", shorten(text)),
        other => shorten(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Digest;
    use super::*;

    #[test]
    fn every_difference_is_named_with_its_old_and_new_value() {
        let old = StepKey {
            config: json!({"ratios": [0.75, 0.125, 0.125], "using": "random", "gone": 1, "columns": ["a"]}),
            files: BTreeMap::from([("a.sql".to_owned(), Digest::of(b"1")), ("b.sql".to_owned(), Digest::of(b"1"))]),
            inputs: BTreeMap::from([("data".to_owned(), Digest::of(b"1")), ("same".to_owned(), Digest::of(b"1"))]),
            seed: Some(42),
            ..StepKey::new("split", 1)
        };
        let mut new = StepKey {
            config: json!({"ratios": [0.8, 0.1, 0.125], "using": "hash\u{1b}", "nested": {"deep": null}, "columns": ["a", "b"]}),
            files: BTreeMap::from([("a.sql".to_owned(), Digest::of(b"2")), ("c.sql".to_owned(), Digest::of(b"1"))]),
            inputs: BTreeMap::from([("data".to_owned(), Digest::of(b"2")), ("same".to_owned(), Digest::of(b"1"))]),
            seed: Some(43),
            ..StepKey::new("split", 2)
        };
        new.algorithms.insert("scaler".to_owned(), 1);
        let reasons = Stale::between(&old, &new);
        let shown: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        config `columns`: ["a"] → ["a","b"]
        config `gone` removed, was 1
        config `nested` set to {"deep":null}
        config `ratios[0]`: 0.75 → 0.8
        config `ratios[1]`: 0.125 → 0.1
        config `using`: `random` → `hash\u{1b}`
        seed 42 → 43
        file `a.sql` changed
        file `b.sql` removed
        file `c.sql` added
        input `data` changed
        `scaler` now used
        `split` version 1 → 2
        "#);
        insta::assert_snapshot!(Stale::summary(&reasons), @r#"config `columns`: ["a"] → ["a","b"], and 12 more"#);
        assert_eq!(Stale::between(&old, &old), []);
    }

    #[test]
    fn long_lists_and_texts_are_told_by_where_they_differ() {
        let key = |config| StepKey { config, ..StepKey::new("evaluate", 1) };
        let told = |old, new| Stale::between(&key(old), &key(new)).iter().map(ToString::to_string).collect::<Vec<_>>();
        let criterion = |metric: &str| json!({"metric": metric, "threshold": 0.6, "severity": "error", "baseline": null});
        let (one, two, three) = (criterion("r2_score"), criterion("mean_absolute_error"), criterion("root_mean_squared_error"));
        insta::assert_snapshot!(told(json!({"c": [one, two]}), json!({"c": [one, three, two]}))[0], @r#"config `c[1]` set to {"baseline":null,"metric":"root_mean_squared_error","severit…"#);
        insta::assert_snapshot!(told(json!({"c": [one, two, three]}), json!({"c": [one, two]}))[0], @r#"config `c[2]` removed, was {"baseline":null,"metric":"root_mean_squared_error","severit…"#);
        insta::assert_snapshot!(told(json!({"c": [one, two]}), json!({"c": [three]})).join("\n"), @r#"
        config `c[0].metric`: `r2_score` → `root_mean_squared_error`
        config `c[1]` removed, was {"baseline":null,"metric":"mean_absolute_error","severity":"…
        "#);
        let filter = |end: &str| json!({"filter": "price > 0 AND area > 0 AND area < 1000000 AND price < 90000000000 AND ".to_owned() + end});
        insta::assert_snapshot!(told(filter("1 = 1"), filter("2 = 2"))[0], @"config `filter`: `…e < 90000000000 AND 1 = 1` → `…e < 90000000000 AND 2 = 2`");
        insta::assert_snapshot!(told(json!({"m": 1}), json!({"m": null}))[0], @"config `m` removed, was 1");
    }
}
