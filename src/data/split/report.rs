//! What a split did, counted while the rows pass.

use std::collections::{BTreeMap, HashMap};

use polars::prelude::*;
use serde::{Deserialize, Serialize};

use super::config::Part;
use crate::data::canonical::{Cells, Kind, row_hashes, show_date, show_instant};
use crate::data::{Role, Roles, Table};
use crate::error::Result;

/// Distinct rows or groups that are counted exactly; above it, a share of them chosen by hash stands for all.
const COUNTED: usize = 1 << 20;
/// A target with more distinct values than this is not told apart by class.
const MAX_CLASSES: usize = 100;
/// An integer target with more distinct values than this is a quantity.
const MAX_INTEGER_CLASSES: usize = 20;

/// What a split did. Triples are training, validation, test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SplitReport {
    pub rows_in: u64,
    /// Rows written.
    pub rows: [u64; 3],
    /// Rows in no part, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Equal rows in more than one part.
    pub duplicates: Overlap,
    /// Groups in more than one part, where a column has the role `group`.
    pub groups: Option<Overlap>,
    /// First and last moment of each part, where a column tells the time.
    pub time: Option<[Option<(String, String)>; 3]>,
    /// Rows of each class of the target, the most frequent first; empty for a quantity.
    pub classes: Vec<(String, [u64; 3])>,
    pub warnings: Vec<String>,
}

/// Things that stand in more than one part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// Distinct rows (or groups) in more than one part.
    pub shared: u64,
    /// Rows of validation and test whose row (or group) is in training too.
    pub leaked_rows: u64,
    /// Above 2²⁰ distinct ones the counts are estimates, from those whose hash begins with zeros.
    pub estimated: bool,
}

/// Counts by hash; holds at most [`COUNTED`] entries.
#[derive(Default)]
struct Crossings {
    zeros: u32,
    seen: HashMap<u128, [u32; 3]>,
}

impl Crossings {
    fn add(&mut self, hash: u128, part: usize) {
        if hash.leading_zeros() < self.zeros {
            return;
        }
        self.seen.entry(hash).or_default()[part] += 1;
        while self.seen.len() > COUNTED {
            self.zeros += 1;
            let zeros = self.zeros;
            self.seen.retain(|hash, _| hash.leading_zeros() >= zeros);
        }
    }

    fn overlap(&self) -> Overlap {
        let shared = self.seen.values().filter(|counts| counts.iter().filter(|count| **count > 0).count() > 1).count() as u64;
        let leaked: u64 = self.seen.values().filter(|counts| counts[0] > 0).map(|counts| u64::from(counts[1]) + u64::from(counts[2])).sum();
        Overlap { shared: shared << self.zeros, leaked_rows: leaked << self.zeros, estimated: self.zeros > 0 }
    }
}

/// Follows the rows by their labels.
pub(super) struct Watch {
    labels: [u64; 256],
    rows: Option<(Vec<String>, Crossings)>,
    groups: Option<(Vec<String>, Crossings)>,
    time: Option<TimeRanges>,
    target: Option<Classes>,
}

/// First and last moment of each part, on the column's own scale.
struct TimeRanges {
    column: String,
    /// The column has the role `time`, and rows were not dealt by it.
    is_role: bool,
    kind: Kind,
    parts: [Option<(i64, i64)>; 3],
}

struct Classes {
    column: String,
    limit: usize,
    counts: HashMap<u64, (String, [u64; 3])>,
}

impl Watch {
    pub(super) fn new(table: &Table, roles: &Roles, time: Option<&str>, look_for_equal_rows: LookForEqualRows) -> Result<Self> {
        let mut names: Vec<String> = table.names().map(str::to_owned).collect();
        names.sort();
        let mut groups: Vec<String> = roles.all(Role::Group).filter(|column| table.has(column)).map(str::to_owned).collect();
        groups.sort();
        let kind = |column: &str| Kind::of(column, table.schema().get(column).unwrap_or(&DataType::Null));
        let time = match time.or(roles.first(Role::Time)).filter(|column| table.has(column)) {
            Some(column) => Some(TimeRanges { column: column.to_owned(), is_role: time.is_none(), kind: kind(column)?, parts: [None; 3] }),
            None => None,
        };
        let target = match roles.first(Role::Target).filter(|column| table.has(column)) {
            Some(column) => {
                let limit = match kind(column)? {
                    Kind::Text | Kind::Boolean => MAX_CLASSES,
                    Kind::Integer | Kind::Unsigned => MAX_INTEGER_CLASSES,
                    _ => 0,
                };
                (limit > 0).then(|| Classes { column: column.to_owned(), limit, counts: HashMap::new() })
            }
            None => None,
        };
        Ok(Self {
            labels: [0; 256],
            rows: (look_for_equal_rows == LookForEqualRows::Yes).then(|| (names, Crossings::default())),
            groups: (!groups.is_empty()).then(|| (groups, Crossings::default())),
            time: time.filter(|time| matches!(time.kind, Kind::Date | Kind::Instant(_) | Kind::Integer | Kind::Unsigned | Kind::Time)),
            target,
        })
    }

    pub(super) fn add(&mut self, batch: &DataFrame, labels: &[u8]) -> Result<()> {
        for label in labels {
            self.labels[usize::from(*label)] += 1;
        }
        let kept = || labels.iter().enumerate().filter(|(_, label)| **label < 3).map(|(row, label)| (row, usize::from(*label)));
        for (columns, crossings) in [&mut self.rows, &mut self.groups].into_iter().flatten() {
            let hashes = row_hashes(batch, columns, b"")?;
            kept().for_each(|(row, part)| crossings.add(hashes[row], part));
        }
        if let Some(time) = &mut self.time {
            let cells = Cells::of(batch.column(&time.column)?)?;
            let view = cells.view()?;
            for (row, part) in kept() {
                if let Some(moment) = view.ordinal(row) {
                    let (first, last) = time.parts[part].get_or_insert((moment, moment));
                    *first = moment.min(*first);
                    *last = moment.max(*last);
                }
            }
        }
        if let Some(classes) = &mut self.target {
            let cells = Cells::of(batch.column(&classes.column)?)?;
            let view = cells.view()?;
            let mut hashes = Vec::new();
            view.hashes(&mut hashes);
            for (row, part) in kept() {
                let name = || (view.text(row).unwrap_or_else(|| "(missing)".to_owned()), [0; 3]);
                classes.counts.entry(hashes[row]).or_insert_with(name).1[part] += 1;
                if classes.counts.len() > classes.limit {
                    break;
                }
            }
            if classes.counts.len() > classes.limit {
                self.target = None;
            }
        }
        Ok(())
    }

    pub(super) fn finish(self, reason: impl Fn(u8) -> String) -> SplitReport {
        let mut report = SplitReport { rows_in: self.labels.iter().sum(), ..SplitReport::default() };
        report.rows = [self.labels[0], self.labels[1], self.labels[2]];
        for (label, rows) in self.labels.iter().enumerate().skip(3).filter(|(_, rows)| **rows > 0) {
            report.dropped.insert(reason(label as u8), *rows);
        }
        report.duplicates = self.rows.map_or_else(Overlap::default, |(_, crossings)| crossings.overlap());
        if report.duplicates.leaked_rows > 0 {
            let about = if report.duplicates.estimated { "about " } else { "" };
            let rows = report.duplicates.leaked_rows;
            report.warnings.push(format!("{about}{rows} rows of validation and test are in training too; the default split keeps equal rows together"));
        }
        if let Some((columns, crossings)) = &self.groups {
            let overlap = crossings.overlap();
            if overlap.shared > 0 {
                let columns = columns.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
                report.warnings.push(format!("{} groups of {columns} are in more than one part; `using: group` keeps them together", overlap.shared));
            }
            report.groups = Some(overlap);
        }
        if let Some(TimeRanges { column, is_role: true, parts: [Some((_, last)), _, Some((first, _))], .. }) = &self.time
            && last >= first
        {
            report.warnings.push(format!(
                "by `{column}`, training rows are later than test rows: a model would be judged on what it knows the future of; `split: {{using: time}}` cuts by time"
            ));
        }
        report.time = self.time.map(|time| {
            let show = |value: i64| match time.kind {
                Kind::Date => show_date(value),
                Kind::Instant(per_second) => show_instant(value, per_second),
                _ => value.to_string(),
            };
            time.parts.map(|range| range.map(|(first, last)| (show(first), show(last))))
        });
        if let Some(classes) = self.target {
            report.classes = classes.counts.into_values().collect();
            report.classes.sort_by_key(|(name, counts)| (std::cmp::Reverse(counts.iter().sum::<u64>()), name.clone()));
            for (name, counts) in &report.classes {
                for part in Part::ALL {
                    if counts[part as usize] == 0 {
                        let name = crate::error::shorten(name);
                        report.warnings.push(format!("class `{name}` of `{}` is missing from {part}: `using: stratified` shares classes out", classes.column));
                    }
                }
            }
        }
        report
    }
}

/// Whether equal rows can stand in two parts at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookForEqualRows {
    Yes,
    No,
}
