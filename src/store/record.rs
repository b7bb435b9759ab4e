//! Records: what a step made, under the key it was made for.
//!
//! A record is believed only if its seal fits and it holds the very key that was asked for.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::layout::Root;
use super::sealed::{self, Read};
use super::{Digest, StepKey};
use crate::Result;

/// A stored result of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: StepKey,
    /// The key's digest.
    pub digest: Digest,
    /// By artifact name.
    pub outputs: BTreeMap<String, Stored>,
    /// What the step reported, as it gave it.
    pub report: Value,
    /// How long the step took.
    pub seconds: f64,
    /// The run that computed it.
    pub run: String,
    /// The recipe that computed it.
    pub recipe: String,
}

/// An output in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    pub digest: Digest,
    /// Size in bytes.
    pub bytes: u64,
    /// Without the dot: `parquet`, `json`.
    pub extension: String,
}

/// A record as it is written; `R` is the report, or [`IgnoredAny`] where nobody looks at it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record<R> {
    pub key: StepKey,
    pub outputs: BTreeMap<String, Stored>,
    pub report: R,
    pub seconds: f64,
    pub run: String,
    pub recipe: String,
}

/// A record without its report.
pub(super) type Outline = Record<IgnoredAny>;

impl Root {
    /// The record of a key.
    pub fn entry(&self, step: &str, digest: &Digest) -> Result<Read<Entry>> {
        let read = sealed::read::<Record<Value>>(&self.record(step, digest))?.only_if(|record| record.fits(step, digest));
        Ok(match read {
            Read::Good(Record { key, outputs, report, seconds, run, recipe }) => {
                Read::Good(Entry { key, digest: *digest, outputs, report, seconds, run, recipe })
            }
            Read::Absent => Read::Absent,
            Read::Damaged => Read::Damaged,
        })
    }
}

impl<R> Record<R> {
    /// The record belongs where it was found.
    pub fn fits(&self, step: &str, digest: &Digest) -> bool {
        self.key.step == step && self.key.digest() == *digest
    }
}

impl Entry {
    /// The bytes of the record's file.
    pub(super) fn seal(&self) -> Result<Vec<u8>> {
        let Self { key, outputs, report, seconds, run, recipe, digest: _ } = self.clone();
        sealed::seal(&Record { key, outputs, report, seconds, run, recipe })
    }
}
