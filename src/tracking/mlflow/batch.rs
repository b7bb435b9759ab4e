//! Names, values and batches as a server takes them.
//!
//! Limits of MLflow 2.22 and 3: a batch holds 1,000 metrics, 100 params, 100 tags, 1,000 of all and a megabyte; a key 250 characters, a
//! param 6,000, a tag 5,000. Keys hold letters, digits and `_-. /`, and must read as a path that stays where it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

const KEY: usize = 250;
const PARAM: usize = 6_000;
const TAG: usize = 5_000;
/// Of one kind, and of all, in a batch.
const LIMITS: [(&str, usize); 3] = [("metrics", 1_000), ("params", 100), ("tags", 100)];
const ITEMS: usize = 1_000;
/// A little below the megabyte, for what is around the items.
const BYTES: usize = 990_000;

/// A key that a server takes.
#[must_use]
pub fn key(name: &str) -> String {
    static OTHER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[^\p{L}\p{N}_\-. /]").ok());
    let plain = OTHER.as_ref().map_or_else(|| name.to_owned(), |other| other.replace_all(name, "_").into_owned());
    let parts = plain.split('/').map(|part| if matches!(part, "" | "." | "..") { "_" } else { part });
    first(&parts.collect::<Vec<_>>().join("/"), KEY)
}

/// The first characters of a key, which has no place for an ellipsis and ends with no slash.
fn first(key: &str, most: usize) -> String {
    let key: String = key.chars().take(most).collect();
    key.trim_end_matches('/').to_owned()
}

/// Params with keys and values that a server takes; names that become one are told apart by a number.
#[must_use]
pub fn params(params: &BTreeMap<String, String>) -> Vec<(String, String)> {
    unlike(params.iter().map(|(name, value)| (name.as_str(), cut(value, PARAM))))
}

#[must_use]
pub fn metrics(metrics: &BTreeMap<String, f64>) -> Vec<(String, f64)> {
    unlike(metrics.iter().map(|(name, value)| (name.as_str(), *value)))
}

/// Tags; empty ones say nothing and are left out.
#[must_use]
pub fn tags(tags: &BTreeMap<String, String>) -> Vec<(String, String)> {
    unlike(tags.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.as_str(), cut(value, TAG))))
}

fn unlike<'a, T>(items: impl Iterator<Item = (&'a str, T)>) -> Vec<(String, T)> {
    let mut seen = BTreeSet::new();
    let named = items.map(|(name, value)| {
        let plain = key(name);
        let mut found = plain.clone();
        let mut count = 1;
        while !seen.insert(found.clone()) {
            count += 1;
            found = format!("{} {count}", first(&plain, KEY - 12));
        }
        (found, value)
    });
    named.collect()
}

/// The first characters of a text.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most.saturating_sub(1)).chain(['…']).collect() }
}

/// Bodies of `runs/log-batch` without the run's id: everything in order, each within the limits. An item is its kind and itself.
#[must_use]
pub fn batches(items: Vec<(&'static str, Value)>) -> Vec<Map<String, Value>> {
    let mut batches: Vec<Map<String, Value>> = Vec::new();
    let (mut count, mut bytes, mut counts) = (0, 0, BTreeMap::new());
    for (kind, item) in items {
        let size = item.to_string().len() + 1;
        let limit = LIMITS.iter().find(|(name, _)| *name == kind).map_or(ITEMS, |(_, limit)| *limit);
        let is_full = count + 1 > ITEMS || bytes + size > BYTES || counts.get(kind).copied().unwrap_or(0) + 1 > limit;
        if batches.is_empty() || is_full {
            batches.push(Map::new());
            (count, bytes) = (0, 0);
            counts.clear();
        }
        count += 1;
        bytes += size;
        *counts.entry(kind).or_insert(0) += 1;
        if let Some(Value::Array(list)) = batches.last_mut().map(|batch| batch.entry(kind).or_insert_with(|| Value::Array(Vec::new()))) {
            list.push(item);
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_what_a_server_takes_and_stay_apart() {
        assert_eq!(["a b.c-d_é/x", "transform[0].columns", "../x//y/.", "a:b\n"].map(key), ["a b.c-d_é/x", "transform_0_.columns", "_/x/_/y/_", "a_b_"]);
        assert_eq!(key(&"x".repeat(300)), "x".repeat(250));
        let both = params(&BTreeMap::from([("a[0]".to_owned(), "1".to_owned()), ("a(0)".to_owned(), "x".repeat(7000))]));
        assert_eq!(both.iter().map(|(name, value)| (name.as_str(), value.chars().count())).collect::<Vec<_>>(), [("a_0_", 6000), ("a_0_ 2", 1)]);
    }

    #[test]
    fn batches_keep_every_limit_and_lose_nothing() {
        let items: Vec<(&str, Value)> = (0..230)
            .map(|i| ("params", json!({ "key": format!("p{i}"), "value": "é".repeat(6000) })))
            .chain((0..2500).map(|i| ("metrics", json!({ "key": format!("m{i}"), "value": 0.5 }))))
            .chain((0..120).map(|i| ("tags", json!({ "key": format!("t{i}"), "value": "" }))))
            .collect();
        let made = batches(items.clone());
        let length = |batch: &Map<String, Value>, kind: &str| batch.get(kind).and_then(Value::as_array).map_or(0, Vec::len);
        for batch in &made {
            let counts = ["metrics", "params", "tags"].map(|kind| length(batch, kind));
            assert!(counts[0] <= 1000 && counts[1] <= 100 && counts[2] <= 100 && counts.iter().sum::<usize>() <= 1000, "{counts:?}");
            assert!(Value::Object(batch.clone()).to_string().len() < 1_000_000);
        }
        let all = |kind: &str| made.iter().flat_map(|batch| batch.get(kind).and_then(Value::as_array).cloned().unwrap_or_default()).collect::<Vec<_>>();
        let mut again: Vec<Value> = all("params");
        again.extend(all("metrics"));
        again.extend(all("tags"));
        assert_eq!(again, items.into_iter().map(|(_, item)| item).collect::<Vec<_>>());
    }
}
