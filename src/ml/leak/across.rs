//! Rows that stand on both sides of a split in two forms: the same row, or rows of the same group.

use std::collections::{BTreeSet, HashMap, HashSet};

use polars::prelude::*;

use super::alone::{codes, explained, right};
use super::{Certainty, FEWEST, Finding, ROWS};
use crate::data::canonical::{Cells, MISSING, row_hashes, sorted_columns};
use crate::data::{Table, column};
use crate::error::Result;
use crate::ml::matrix::numbers;

/// Features among which one with a value of its own in most rows is looked for.
const SOME: usize = 40;

/// Values by their hash; at most [`ROWS`] rows are held, those whose hash begins with enough zeros, so whole groups stay or go.
#[derive(Default)]
struct Kept {
    zeros: u32,
    rows: Vec<(u64, u64, f64)>,
}

impl Kept {
    fn holds(&self, hash: u64) -> bool {
        hash.leading_zeros() >= self.zeros
    }

    fn add(&mut self, hash: u64, class: u64, number: f64) {
        if self.holds(hash) {
            self.rows.push((hash, class, number));
        }
        while self.rows.len() > ROWS {
            self.zeros += 1;
            let zeros = self.zeros;
            self.rows.retain(|(hash, ..)| hash.leading_zeros() >= zeros);
        }
    }

    fn values(&self) -> HashSet<u64> {
        self.rows.iter().map(|(hash, ..)| *hash).collect()
    }
}

/// Holds validation rows against training rows.
///
/// Equal rows (of features and target) count where they are at least 1 % of validation, and only if some feature has another value in most
/// rows, so that rows are not equal by chance. A column is taken for a group where its values stand in 2 to 10 rows each, there are at least
/// 50, a group's other rows take away half of the errors (or explain half of the variance), and half of validation's are in training too.
///
/// # Errors
/// Where a table cannot be read, or a column has a nested type.
pub fn across(training: &Table, validation: &Table, features: &BTreeSet<String>, target: &str, is_classification: bool) -> Result<Vec<Finding>> {
    let groups: Vec<String> = training
        .schema()
        .iter()
        .filter(|(name, dtype)| name.as_str() != target && (dtype.is_integer() || matches!(dtype, DataType::String)))
        .map(|(name, _)| name.to_string())
        .collect();
    let mut row: Vec<String> = training.names().filter(|name| features.contains(*name) || *name == target).map(str::to_owned).collect();
    row = sorted_columns(training.schema(), &row)?;
    let read = |table: &Table| {
        let wanted = table.names().filter(|name| row.iter().chain(&groups).any(|wanted| wanted == name)).map(column).collect::<Vec<_>>();
        Table::from_query(table.lazy().select(wanted))
    };
    let (training, validation) = (read(training)?, read(validation)?);

    let (mut rows, mut by_group) = (Kept::default(), groups.iter().map(|_| Kept::default()).collect::<Vec<_>>());
    let some = features.iter().filter(|name| training.has(name)).take(SOME);
    let mut by_feature: Vec<(String, Kept)> = some.map(|name| (name.clone(), Kept::default())).collect();
    let mut hashes = Vec::new();
    let mut seen = 0_usize;
    for batch in training.batches()? {
        let batch = batch?;
        seen += batch.height();
        row_hashes(&batch, &row, b"")?.iter().for_each(|hash| rows.add((hash >> 64) as u64, 0, 0.0));
        let answer = batch.column(target)?;
        let mut classes = Vec::new();
        Cells::of(answer)?.view()?.hashes(&mut classes);
        let values = if is_classification { vec![0.0; batch.height()] } else { numbers(answer)? };
        for (name, kept) in &mut by_feature {
            Cells::of(batch.column(name)?)?.view()?.hashes(&mut hashes);
            for hash in &hashes {
                kept.add(*hash, 0, 0.0);
            }
        }
        for (name, kept) in groups.iter().zip(&mut by_group) {
            Cells::of(batch.column(name)?)?.view()?.hashes(&mut hashes);
            for (i, hash) in hashes.iter().enumerate().filter(|(_, hash)| **hash != MISSING) {
                kept.add(*hash, classes[i], values[i]);
            }
        }
    }
    let varied = by_feature.iter().any(|(_, kept)| kept.values().len() * 2 >= kept.rows.len());
    let groups: Vec<(String, Kept)> = groups.into_iter().zip(by_group).filter(|(_, kept)| are_alike(kept, is_classification)).collect();
    if seen < FEWEST || (!varied && groups.is_empty()) {
        return Ok(Vec::new());
    }

    let known_rows = rows.values();
    let known: Vec<HashSet<u64>> = groups.iter().map(|(_, kept)| kept.values()).collect();
    let (mut twins, mut looked) = (0_usize, 0_usize);
    let mut shared = vec![(0_usize, 0_usize); groups.len()];
    for batch in validation.batches()? {
        let batch = batch?;
        for hash in row_hashes(&batch, &row, b"")?.iter().map(|hash| (hash >> 64) as u64).filter(|hash| rows.holds(*hash)) {
            looked += 1;
            twins += usize::from(known_rows.contains(&hash));
        }
        for (((name, kept), known), (inside, all)) in groups.iter().zip(&known).zip(&mut shared) {
            Cells::of(batch.column(name)?)?.view()?.hashes(&mut hashes);
            for hash in hashes.iter().filter(|hash| **hash != MISSING && kept.holds(**hash)) {
                *all += 1;
                *inside += usize::from(known.contains(hash));
            }
        }
    }
    let percent = |part: usize, whole: usize| format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64);
    let mut found = Vec::new();
    if varied && twins >= 5 && twins * 100 >= looked {
        found.push(Finding {
            column: None,
            certainty: Certainty::Likely,
            seen: format!("{} of the validation rows have a twin among the training rows", percent(twins, looked)),
            remedy: "the default split keeps equal rows together; list what makes a row in `split: {columns: [...]}` if identifiers tell twins apart"
                .to_owned(),
        });
    }
    for ((name, _), (inside, all)) in groups.iter().zip(shared) {
        if all > 0 && inside * 2 >= all {
            found.push(Finding {
                column: Some(name.clone()),
                certainty: Certainty::Likely,
                seen: format!(
                    "rows of the same `{name}` have like targets, and {} of the validation rows share theirs with training rows",
                    percent(inside, all)
                ),
                remedy: format!("if later rows are of new ones: `split: {{using: group, columns: [{name}]}}`"),
            });
        }
    }
    Ok(found)
}

/// Small groups, many of them, whose rows have like targets.
fn are_alike(kept: &Kept, is_classification: bool) -> bool {
    let mut sizes: HashMap<u64, usize> = HashMap::new();
    kept.rows.iter().for_each(|(hash, ..)| *sizes.entry(*hash).or_default() += 1);
    let (rows, count) = (kept.rows.len(), sizes.len());
    if count < 50 || rows < 2 * count || rows > 10 * count {
        return false;
    }
    let (levels, _) = codes(&kept.rows.iter().map(|(hash, ..)| *hash).collect::<Vec<_>>());
    if is_classification {
        let (classes, _) = codes(&kept.rows.iter().map(|(_, class, _)| *class).collect::<Vec<_>>());
        let without = right(&vec![0; rows], &classes);
        1.0 - right(&levels, &classes) <= 0.5 * (1.0 - without)
    } else {
        explained(&levels, &kept.rows.iter().map(|(.., number)| *number).collect::<Vec<_>>()) >= 0.5
    }
}
