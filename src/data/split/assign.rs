//! Which part a row belongs to, batch by batch.
//!
//! Where a method must know all rows first (sizes, classes, moments), [`Assigner::plan`] reads that one column;
//! the rows themselves pass once, in [`Assigner::assign`]. Lots are drawn by sequential sampling: with
//! a, b and c places left, a row goes to the first part with probability a/(a+b+c), and so on. Every division with
//! those exact sizes is equally likely (Knuth, *Seminumerical Algorithms*, 3.4.2, algorithm S), and nothing is held.

use std::collections::HashMap;

use polars::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

use super::config::{Method, Part, Ratios, SplitConfig};
use crate::data::canonical::{Cells, Kind, MISSING, row_hashes, sorted_columns};
use crate::data::{Role, Roles, Table};
use crate::error::{Error, Problem, Result, shorten};

/// Labels beyond the three parts: why a row is in none.
pub(super) const FILTER_FALSE: u8 = 3;
pub(super) const FILTER_MISSING: u8 = 4;
const IN_GAP: u8 = 5;
const NO_TIME: u8 = 6;
const BAD_LABEL: u8 = 7;

/// Above as many distinct numbers, a target is split into [`BINS`] ranges instead of classes.
const MAX_NUMBERS: usize = 20;
const BINS: usize = 10;
/// Above as many classes, a stratified split makes no sense.
const MAX_CLASSES: usize = 100_000;

pub(super) enum Assigner {
    Hash { columns: Vec<String>, prefix: [u8; 8], ratios: Ratios },
    Lots { column: Option<String>, strata: Strata, left: Vec<[u64; 3]>, rng: Box<ChaCha8Rng> },
    Time { column: String, cuts: [i64; 2], gap: i64 },
    Labels { column: String, rows: u64, bad: Vec<Problem>, bad_rows: u64 },
}

/// How a value names its stratum.
pub(super) enum Strata {
    One,
    /// By the value's hash.
    Classes(HashMap<u64, usize>),
    /// By the number of edges at or below it; missing is the last.
    Ranges(Vec<f64>),
}

impl Assigner {
    pub(super) fn plan(table: &Table, config: &SplitConfig, roles: &Roles, seed: u64) -> Result<Self> {
        let schema = table.schema();
        let named = sorted_columns(schema, config.columns.as_deref().unwrap_or_default())?;
        let ratios = config.split_ratios;
        let one = |role: Role, what: &str| match (named.as_slice(), roles.first(role)) {
            ([column], _) => Ok(column.clone()),
            ([], Some(column)) => sorted_columns(schema, &[column.to_owned()]).map(|mut columns| columns.remove(0)),
            ([], None) => Err(Error::config(format!("this split needs {what}")).path("steps.split.columns").hint("name it: `columns: [...]`")),
            _ => Err(Error::config("this split takes one column").path("steps.split.columns").hint(format!("name only {what}"))),
        };
        match config.using {
            Method::SplitRatios => {
                let columns = if named.is_empty() { sorted_columns(schema, &table.names().map(str::to_owned).collect::<Vec<_>>())? } else { named };
                Ok(Self::Hash { columns, prefix: seed.to_le_bytes(), ratios })
            }
            Method::Group => {
                let columns = if named.is_empty() { roles.all(Role::Group).map(str::to_owned).collect() } else { named };
                if columns.is_empty() {
                    let error = Error::config("this split needs a group column").path("steps.split.columns");
                    return Err(error.hint("name it: `columns: [...]`, or give a column the role `group`"));
                }
                Ok(Self::Hash { columns: sorted_columns(schema, &columns)?, prefix: seed.to_le_bytes(), ratios })
            }
            Method::Random => {
                let left = vec![ratios.quotas(table.rows()? as u64)];
                Ok(Self::Lots { column: None, strata: Strata::One, left, rng: lots(seed) })
            }
            Method::Stratified => {
                let column = one(Role::Target, "the column whose classes are to be shared out")?;
                let (strata, sizes) = strata(table, &column)?;
                let left = sizes.into_iter().map(|rows| ratios.quotas(rows)).collect();
                Ok(Self::Lots { column: Some(column), strata, left, rng: lots(seed) })
            }
            Method::Time => {
                let column = one(Role::Time, "the column that tells the time")?;
                let dtype = schema.get(&column).cloned().unwrap_or(DataType::Null);
                let kind = Kind::of(&column, &dtype)?;
                if !matches!(kind, Kind::Date | Kind::Instant(_) | Kind::Integer | Kind::Unsigned | Kind::Time) {
                    let error = Error::data(format!("column `{column}` cannot tell the time: it is a {}", kind.name()));
                    return Err(error.hint("read it as a date: `options: {try_parse_dates: true}` in ingest"));
                }
                let gap = config.gap.as_deref().map_or(Ok(0), |gap| parse_gap(gap, kind))?;
                let cuts = match &config.cuts {
                    Some(cuts) => parse_cuts(cuts, kind)?,
                    None => time_cuts(table, &column, ratios)?,
                };
                Ok(Self::Time { column, cuts, gap })
            }
            Method::Column => {
                let [column] = named.as_slice() else {
                    return Err(Error::config("this split takes one column that says TRAINING, VALIDATION or TEST").path("steps.split.columns"));
                };
                match schema.get(column) {
                    Some(DataType::String) => Ok(Self::Labels { column: column.clone(), rows: 0, bad: Vec::new(), bad_rows: 0 }),
                    other => {
                        let kind = other.map_or_else(String::new, ToString::to_string);
                        Err(Error::data(format!("column `{column}` must hold TRAINING, VALIDATION or TEST, but its type is {kind}")))
                    }
                }
            }
        }
    }

    /// A label for each row: a [`Part`] or why it is in none.
    pub(super) fn assign(&mut self, batch: &DataFrame) -> Result<Vec<u8>> {
        match self {
            Self::Hash { columns, prefix, ratios } => {
                let hashes = row_hashes(batch, columns, prefix.as_slice())?;
                Ok(hashes.into_iter().map(|hash| ratios.part_of(hash as u64) as u8).collect())
            }
            Self::Lots { column, strata, left, rng } => {
                let cells = column.as_ref().map(|column| Cells::of(batch.column(column)?)).transpose()?;
                let strata = match &cells {
                    None => vec![0; batch.height()],
                    Some(cells) => strata.of(cells)?,
                };
                Ok(strata.into_iter().map(|stratum| draw(left.get_mut(stratum), rng) as u8).collect())
            }
            Self::Time { column, cuts: [validation, test], gap } => {
                let cells = Cells::of(batch.column(column)?)?;
                let view = cells.view()?;
                let label = |row| match view.ordinal(row) {
                    None => NO_TIME,
                    Some(time) if time >= *test => Part::Test as u8,
                    Some(time) if time >= test.saturating_sub(*gap) && time >= *validation => IN_GAP,
                    Some(time) if time >= *validation => Part::Validation as u8,
                    Some(time) if time >= validation.saturating_sub(*gap) => IN_GAP,
                    Some(_) => Part::Training as u8,
                };
                Ok((0..view.rows).map(label).collect())
            }
            Self::Labels { column, rows, bad, bad_rows } => {
                const SHOWN: u64 = 5;
                let labels = batch.column(column)?.str()?;
                let mut parts = Vec::with_capacity(labels.len());
                for (offset, label) in labels.iter().enumerate() {
                    let part = label.and_then(Part::parse);
                    if part.is_none() {
                        *bad_rows += 1;
                        if *bad_rows <= SHOWN {
                            let value = label.map_or_else(|| "nothing".to_owned(), |label| format!("`{}`", shorten(label)));
                            let row = *rows + offset as u64 + 1;
                            bad.push(Problem::new(format!("row {row}: column `{column}` names no part of the split: {value}")));
                        }
                    }
                    parts.push(part.map_or(BAD_LABEL, |part| part as u8));
                }
                *rows += labels.len() as u64;
                Ok(parts)
            }
        }
    }

    /// What only the last row shows to be wrong.
    pub(super) fn finish(&mut self) -> Result<()> {
        let Self::Labels { column, bad, bad_rows, .. } = self else { return Ok(()) };
        if *bad_rows > bad.len() as u64 {
            bad.push(Problem::new(format!("{} more rows of column `{column}` name no part", *bad_rows - bad.len() as u64)));
        }
        match Error::all(crate::error::Kind::Data, std::mem::take(bad)) {
            Some(error) => Err(error.hint("TRAINING, VALIDATION and TEST are known, in any case")),
            None => Ok(()),
        }
    }

    /// Equal rows always share a part.
    pub(super) fn keeps_equal_rows_together(&self) -> bool {
        matches!(self, Self::Hash { .. })
    }

    /// Why rows with this label are in no part, in words.
    pub(super) fn reason(&self, label: u8) -> String {
        match (label, self) {
            (FILTER_FALSE, _) => "post_split_filter is false".to_owned(),
            (FILTER_MISSING, _) => "post_split_filter is missing".to_owned(),
            (IN_GAP, _) => "within the gap before a cut".to_owned(),
            (NO_TIME, Self::Time { column, .. }) => format!("`{column}` is missing"),
            _ => "no part named".to_owned(),
        }
    }
}

impl Strata {
    fn of(&self, cells: &Cells) -> Result<Vec<usize>> {
        let view = cells.view()?;
        Ok(match self {
            Self::One => vec![0; view.rows],
            Self::Classes(classes) => {
                let mut hashes = Vec::new();
                view.hashes(&mut hashes);
                hashes.iter().map(|hash| classes.get(hash).copied().unwrap_or(0)).collect()
            }
            Self::Ranges(edges) => {
                let of = |number: Option<f64>| number.map_or(edges.len() + 1, |number| edges.partition_point(|edge| *edge <= number));
                (0..view.rows).map(|row| of(view.number(row))).collect()
            }
        })
    }
}

/// The strata of a column and their sizes.
fn strata(table: &Table, column: &str) -> Result<(Strata, Vec<u64>)> {
    let dtype = table.schema().get(column).cloned().unwrap_or(DataType::Null);
    let is_number = Kind::of(column, &dtype)?.is_number();
    let mut classes: HashMap<u64, usize> = HashMap::new();
    let mut sizes: Vec<u64> = Vec::new();
    let mut names: Vec<Option<String>> = Vec::new();
    let mut numbers = Vec::new();
    let mut hashes = Vec::new();
    for batch in only(table, column)?.batches()? {
        let batch = batch?;
        let cells = Cells::of(batch.column(column)?)?;
        let view = cells.view()?;
        if is_number {
            numbers.extend((0..view.rows).filter_map(|row| view.number(row)));
        }
        if is_number && sizes.len() > MAX_NUMBERS + 1 {
            continue;
        }
        view.hashes(&mut hashes);
        for (row, hash) in hashes.iter().enumerate() {
            let class = *classes.entry(*hash).or_insert_with(|| {
                sizes.push(0);
                names.push(view.text(row));
                sizes.len() - 1
            });
            sizes[class] += 1;
        }
        if sizes.len() > MAX_CLASSES {
            return Err(Error::data(format!("column `{column}` has more than {MAX_CLASSES} classes: too many to stratify by")));
        }
    }
    if is_number && sizes.len() > MAX_NUMBERS + usize::from(classes.contains_key(&MISSING)) {
        numbers.par_sort_unstable_by(f64::total_cmp);
        let mut edges: Vec<f64> = (1..BINS).filter_map(|bin| numbers.get(numbers.len() * bin / BINS).copied()).collect();
        edges.dedup();
        let below = |edge: &f64| numbers.partition_point(|number| number < edge);
        let bounds: Vec<usize> = std::iter::once(0).chain(edges.iter().map(below)).chain([numbers.len()]).collect();
        let mut sizes: Vec<u64> = bounds.windows(2).map(|pair| (pair[1] - pair[0]) as u64).collect();
        sizes.push((table.rows()? - numbers.len()) as u64);
        return Ok((Strata::Ranges(edges), sizes));
    }
    let mut single: Vec<String> = sizes.iter().zip(&names).filter(|(size, _)| **size == 1).filter_map(|(_, name)| name.clone()).collect();
    single.sort();
    let problem = |name: &String| Problem::new(format!("class `{}` of `{column}` has one row: it cannot be shared out", shorten(name)));
    match Error::all(crate::error::Kind::Data, single.iter().take(10).map(problem).collect()) {
        Some(error) => Err(error.hint("drop or merge rare classes in ingest, or leave `using` out: plain content hashing needs no quotas")),
        None => Ok((Strata::Classes(classes), sizes)),
    }
}

/// The table with one column, whatever characters its name is made of.
fn only(table: &Table, column: &str) -> Result<Table> {
    Table::from_query(table.lazy().select([by_name([column], true, false).as_expr()]))
}

fn lots(seed: u64) -> Box<ChaCha8Rng> {
    let mut material = b"split by lot".to_vec();
    material.extend_from_slice(&seed.to_le_bytes());
    Box::new(ChaCha8Rng::from_seed(*blake3::hash(&material).as_bytes()))
}

fn draw(left: Option<&mut [u64; 3]>, rng: &mut ChaCha8Rng) -> Part {
    let Some(left) = left else { return Part::Training };
    let total: u64 = left.iter().sum();
    // Multiply-shift: the bias is below total / 2⁶⁴.
    let mut ticket = ((u128::from(rng.next_u64()) * u128::from(total)) >> 64) as u64;
    for (part, places) in Part::ALL.into_iter().zip(left) {
        if ticket < *places {
            *places -= 1;
            return part;
        }
        ticket -= *places;
    }
    Part::Training
}

/// Where validation and test begin, so that the shares are met as nearly as rows of one moment allow.
fn time_cuts(table: &Table, column: &str, ratios: Ratios) -> Result<[i64; 2]> {
    let mut times = Vec::new();
    for batch in only(table, column)?.batches()? {
        let cells = Cells::of(batch?.column(column)?)?;
        let view = cells.view()?;
        times.extend((0..view.rows).filter_map(|row| view.ordinal(row)));
    }
    times.par_sort_unstable();
    let [training, validation, _] = ratios.shares();
    let cut = |share: f64| {
        let wanted = (share * times.len() as f64).round() as usize;
        let Some(moment) = times.get(wanted.min(times.len().saturating_sub(1))) else { return i64::MAX };
        let first = times.partition_point(|time| time < moment);
        let behind = times.partition_point(|time| time <= moment);
        if wanted - first.min(wanted) <= behind - wanted.min(behind) { *moment } else { times.get(behind).copied().unwrap_or(i64::MAX) }
    };
    Ok([cut(training), cut(training + validation)])
}

fn parse_gap(gap: &str, kind: Kind) -> Result<i64> {
    let wrong = || {
        Error::config(format!("not a gap: `{}`", shorten(gap)))
            .path("steps.split.gap")
            .hint("such as `12h`, `7d`, `2w`; a plain number for a column of integers")
    };
    let digits = gap.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let amount: i64 = digits.trim().parse().ok().filter(|amount| *amount >= 0).ok_or_else(wrong)?;
    let seconds = match gap.trim()[digits.len()..].trim() {
        "" if matches!(kind, Kind::Integer | Kind::Unsigned) => return Ok(amount),
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(wrong()),
    };
    let seconds = amount.checked_mul(seconds).ok_or_else(wrong)?;
    match kind {
        Kind::Date => Ok((seconds + 86_399) / 86_400),
        Kind::Instant(per_second) => seconds.checked_mul(per_second).ok_or_else(wrong),
        Kind::Time => seconds.checked_mul(1_000_000_000).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

fn parse_cuts(cuts: &[String], kind: Kind) -> Result<[i64; 2]> {
    let wrong =
        |text: &str| Error::config(format!("not a cut: `{}`", shorten(text))).path("steps.split.cuts").hint("such as `2016-03-01` or `2016-03-01 12:00:00`");
    let parse = |text: &String| -> Result<i64> {
        let moment = || {
            let day = |text: &str| chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
            let at = |text: &str, form| chrono::NaiveDateTime::parse_from_str(text, form).ok();
            day(text).or_else(|| at(text, "%Y-%m-%d %H:%M:%S")).or_else(|| at(text, "%Y-%m-%dT%H:%M:%S")).map(|moment| moment.and_utc().timestamp())
        };
        let ordinal = match kind {
            Kind::Date => moment().map(|seconds| seconds.div_euclid(86_400)),
            Kind::Instant(per_second) => moment().and_then(|seconds| seconds.checked_mul(per_second)),
            Kind::Integer | Kind::Unsigned => text.trim().parse().ok(),
            _ => None,
        };
        ordinal.ok_or_else(|| wrong(text))
    };
    match cuts {
        [validation, test] => {
            let cuts = [parse(validation)?, parse(test)?];
            if cuts[0] < cuts[1] {
                Ok(cuts)
            } else {
                Err(Error::config("the cut before test must come after the cut before validation").path("steps.split.cuts"))
            }
        }
        _ => Err(Error::config(format!("`cuts` takes two moments (where validation and test begin), got {}", cuts.len())).path("steps.split.cuts")),
    }
}
