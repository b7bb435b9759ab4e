//! A step's key: everything its result depends on, and nothing else.
//!
//! Two runs with equal keys have equal outputs, byte for byte; that is what lets a result be found
//! instead of computed. So whatever can change a result has to be in here, and whatever cannot has to
//! stay out, or steps rerun for nothing.
//!
//! | enters | as |
//! |---|---|
//! | the step | its name |
//! | the step's own section of the recipe, resolved and checked, with defaults filled in | `config` |
//! | code of ours: the step, the transforms and the estimator it uses | `algorithms`: name → version |
//! | files and hooks it reads | `files`: path as written (`/`-separated) → digest of the bytes |
//! | artifacts of other steps that it reads | `inputs`: name → digest of the bytes (early cut-off) |
//! | what else it reads or changes: a registered model, a registry | `inputs`: name → digest of its identity |
//! | a database that is asked | `inputs`: which one it is, without its secrets; when it was asked, as `refresh` says |
//! | the seed, if the step draws | `seed` |
//!
//! | stays out | because |
//! |---|---|
//! | modification times, owners, permissions, absolute paths | the bytes are hashed |
//! | comments, order of keys and quoting in YAML | the resolved values enter, maps sorted |
//! | other steps' sections, the profile's name, unused variables | what they change arrives as config or input |
//! | thread count, batch size, host, time zone, locale, clock (but for when a database was asked) | results do not depend on them |
//! | tracking, registry address, card options, log level | they change no output |
//! | secrets | they are never hashed or stored |
//! | the program's version | the algorithms' versions enter instead |
//!
//! What this deliberately does not do: decide what a step's section is or which files it reads. The
//! step says so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Digest;

/// The inputs that stand for what has no cheap digest, such as a database: when it was asked.
pub const MOMENT_ASKED: &str = "moment of asking";
pub const DAY_ASKED: &str = "day of asking";

/// Everything the result of one step depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepKey {
    /// `ingest`, `split`, …
    pub step: String,
    /// Version of each algorithm used: the step itself, its transforms, its estimator.
    pub algorithms: BTreeMap<String, u32>,
    /// The step's own section, resolved and checked.
    pub config: Value,
    /// Files read: path as written, `/`-separated → content.
    pub files: BTreeMap<String, Digest>,
    /// Artifacts read: name → content.
    pub inputs: BTreeMap<String, Digest>,
    /// Where the step draws random numbers.
    pub seed: Option<u64>,
}

impl StepKey {
    /// A key with nothing in it yet but the step's name and algorithm version.
    #[must_use]
    pub fn new(step: &str, version: u32) -> Self {
        Self {
            step: step.to_owned(),
            algorithms: BTreeMap::from([(step.to_owned(), version)]),
            config: Value::Null,
            files: BTreeMap::new(),
            inputs: BTreeMap::new(),
            seed: None,
        }
    }

    /// The BLAKE3 of the key's canonical JSON; results are filed under it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut text = String::from("recipe step key 1\n");
        write_canonical(&self.to_json(), &mut text);
        Digest::of(text.as_bytes())
    }

    fn to_json(&self) -> Value {
        let digests = |map: &BTreeMap<String, Digest>| map.iter().map(|(name, digest)| (name.clone(), Value::from(digest.to_string()))).collect::<Map<_, _>>();
        let algorithms: Map<_, _> = self.algorithms.iter().map(|(name, version)| (name.clone(), Value::from(*version))).collect();
        let mut map = Map::new();
        map.insert("step".to_owned(), Value::from(self.step.clone()));
        map.insert("algorithms".to_owned(), Value::from(algorithms));
        map.insert("config".to_owned(), self.config.clone());
        map.insert("files".to_owned(), Value::from(digests(&self.files)));
        map.insert("inputs".to_owned(), Value::from(digests(&self.inputs)));
        map.insert("seed".to_owned(), self.seed.map_or(Value::Null, Value::from));
        Value::from(map)
    }
}

/// JSON with sorted keys and no white space, whatever order the map was built in.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            text.push('{');
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            for (i, (key, value)) in sorted.into_iter().enumerate() {
                if i > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write_canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    text.push(',');
                }
                write_canonical(item, text);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn key() -> StepKey {
        StepKey {
            config: json!({"ratios": [0.75, 0.125, 0.125], "using": "random"}),
            files: BTreeMap::from([("steps/clean.sql".to_owned(), Digest::of(b"a"))]),
            inputs: BTreeMap::from([("data".to_owned(), Digest::of(b"b"))]),
            seed: Some(42),
            ..StepKey::new("split", 1)
        }
    }

    #[test]
    fn the_digest_of_a_key_stays_the_same_for_ever() {
        insta::assert_snapshot!(key().digest(), @"f03a6aaee754fa3aa35629fefe147d6bd59da9e5a1bbb7847cbc44e584a79462");
    }

    #[test]
    fn the_order_in_which_a_config_was_written_does_not_matter() {
        let mut other = key();
        other.config = serde_json::from_str(r#"{"using": "random", "ratios": [0.75, 0.125, 0.125]}"#).unwrap();
        assert_eq!(other.digest(), key().digest());
    }

    #[test]
    fn each_part_of_a_key_changes_its_digest() {
        let changes: [fn(&mut StepKey); 9] = [
            |_| {},
            |k| k.step = "train".into(),
            |k| k.algorithms = BTreeMap::from([("split".to_owned(), 2)]),
            |k| k.config = json!({"ratios": [0.75, 0.125, 0.125], "using": "Random"}),
            |k| k.files = BTreeMap::from([("steps/clean.sql".to_owned(), Digest::of(b"c"))]),
            |k| k.files = BTreeMap::from([("steps/other.sql".to_owned(), Digest::of(b"a"))]),
            |k| std::mem::swap(&mut k.files, &mut k.inputs),
            |k| k.seed = Some(43),
            |k| k.seed = None,
        ];
        let digests: BTreeSet<Digest> = changes
            .iter()
            .map(|change| {
                let mut changed = key();
                change(&mut changed);
                changed.digest()
            })
            .collect();
        assert_eq!(digests.len(), changes.len());
    }

    proptest! {
        #[test]
        fn a_key_survives_being_written_and_read(name in ".*", number in any::<f64>(), integer in any::<i64>(), seed in any::<Option<u64>>()) {
            let mut before = key();
            before.config = json!({ name.clone(): [number, integer, {"": null, "x": true}] });
            before.files.insert(name, Digest::of(b"x"));
            before.seed = seed;
            let after: StepKey = serde_json::from_str(&serde_json::to_string(&before).unwrap()).unwrap();
            prop_assert_eq!(after.digest(), before.digest());
        }
    }
}
