//! Several files as one table: the same columns, types that fit, and the draw of a sample.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use polars::prelude::{BooleanChunked, Column, DataType, Expr, Field, IdxSize, IntoColumn, LazyFrame, NamedFrom, PlSmallStr, PolarsResult, Series, col};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::{Error, Kind as Failure, Place, Problem, Result};

use super::cell::Kind;
use super::columnar::{self, Columnar};
use super::config::{Format, ReadOptions, Sample};
use super::csv::{self, Csv};
use super::jsonl::{self, Json};
use super::records::Refused;

/// A checked file of any format.
pub enum Part {
    Csv(Csv),
    Json(Json),
    Columnar(Columnar),
}

impl Part {
    /// Checks a file that is unpacked already.
    pub fn check(
        path: &Path,
        name: &str,
        format: Format,
        options: &ReadOptions,
        wanted: &BTreeMap<String, Kind>,
        scratch: &Path,
        index: usize,
    ) -> Result<Self> {
        Ok(match format {
            Format::Csv => Self::Csv(csv::check(path, name, options, wanted, scratch, index)?),
            Format::Json => Self::Json(jsonl::check(path, name, options, wanted, scratch, index)?),
            Format::Parquet | Format::Arrow => Self::Columnar(columnar::check(path, name, format, scratch, index)?),
        })
    }

    fn name(&self) -> &str {
        match self {
            Self::Csv(part) => &part.name,
            Self::Json(part) => &part.name,
            Self::Columnar(part) => &part.name,
        }
    }

    fn columns(&self) -> &[(String, Kind)] {
        match self {
            Self::Csv(part) => &part.columns,
            Self::Json(part) => &part.columns,
            Self::Columnar(part) => &part.columns,
        }
    }

    pub fn rows(&self) -> u64 {
        match self {
            Self::Csv(part) => part.rows,
            Self::Json(part) => part.rows,
            Self::Columnar(part) => part.rows,
        }
    }

    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(match self {
            Self::Csv(part) => &mut part.notes,
            Self::Json(part) => &mut part.notes,
            Self::Columnar(part) => &mut part.notes,
        })
    }

    /// The file's name, its refused rows, and how many there are.
    pub fn take_refused(&mut self) -> (String, Vec<Refused>, u64) {
        match self {
            Self::Csv(part) => (part.name.clone(), std::mem::take(&mut part.refused), part.refused_count),
            Self::Json(part) => (part.name.clone(), std::mem::take(&mut part.refused), part.refused_count),
            Self::Columnar(part) => (part.name.clone(), Vec::new(), 0),
        }
    }

    /// The rows, with these columns in this order.
    pub fn frame(&self, kinds: &[(String, Kind)]) -> Result<LazyFrame> {
        match self {
            Self::Csv(part) => part.frame(kinds),
            Self::Json(part) => part.frame(kinds),
            Self::Columnar(part) => part.frame(kinds),
        }
    }
}

/// The columns of all files together, in the order of the first, with types that hold every file's values.
///
/// # Errors
/// Files with other columns than the first, or types that do not go together: each names both files. A JSON
/// key may be missing from a whole file, as it may from a row.
pub fn kinds(parts: &[Part], wanted: &BTreeMap<String, Kind>) -> Result<Vec<(String, Kind)>> {
    let Some((first, rest)) = parts.split_first() else { return Err(Error::data("there is no file to read")) };
    let mut kinds: Vec<(String, Kind)> = first.columns().to_vec();
    // Which file a column's type came from, for messages.
    let mut source: BTreeMap<String, &str> = kinds.iter().map(|(name, _)| (name.clone(), first.name())).collect();
    let mut problems = Vec::new();
    for part in rest {
        let has = |columns: &[(String, Kind)], name: &str| columns.iter().any(|(own, _)| own == name);
        let lines = matches!((first, part), (Part::Json(_), Part::Json(_)));
        let list = |names: Vec<&str>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let missing: Vec<&str> = kinds.iter().map(|(name, _)| name.as_str()).filter(|name| !lines && !has(part.columns(), name)).collect();
        let extra: Vec<&str> = part.columns().iter().map(|(name, _)| name.as_str()).filter(|name| !lines && !has(&kinds, name)).collect();
        if !missing.is_empty() || !extra.is_empty() {
            let mut what = Vec::new();
            if !missing.is_empty() {
                what.push(format!("it lacks {}", list(missing)));
            }
            if !extra.is_empty() {
                what.push(format!("it has {} besides", list(extra)));
            }
            let message = format!("`{}` has other columns than `{}`: {}", part.name(), first.name(), what.join(" and "));
            problems.push(Problem::new(message).at(Place::file(part.name())).hint("files of one source have the same columns"));
            continue;
        }
        for (name, other) in part.columns() {
            let Some((_, kind)) = kinds.iter_mut().find(|(own, _)| own == name) else {
                kinds.push((name.clone(), *other));
                source.insert(name.clone(), part.name());
                continue;
            };
            if wanted.contains_key(name) {
                continue;
            }
            if let Some(both) = kind.with(*other) {
                if *kind == Kind::Missing {
                    source.insert(name.clone(), part.name());
                }
                *kind = both;
            } else {
                let earlier = source.get(name).copied().unwrap_or_default();
                let message = format!("column `{name}` is {} in `{earlier}` and {} in `{}`", kind.name(), other.name(), part.name());
                let hint = format!("declare it: `schema: {{{name}: {{type: string}}}}`, or mend one of the files");
                problems.push(Problem::new(message).at(Place::file(part.name())).hint(hint));
            }
        }
    }
    for (name, kind) in &mut kinds {
        if let Some(wanted) = wanted.get(name) {
            *kind = *wanted;
        }
    }
    match Error::all(Failure::Data, problems) {
        Some(error) => Err(error),
        None => Ok(kinds),
    }
}

/// Which rows are in the sample: an exact number of them, each set of rows equally likely.
pub struct Draw {
    pub rows: u64,
    chosen: Arc<Vec<u64>>,
}

impl Draw {
    /// Draws from `of` rows: selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S), one bit a row.
    pub fn new(sample: Sample, of: u64, seed: u64) -> Self {
        let rows = match sample {
            Sample::Rows(rows) => rows.min(of),
            Sample::Fraction(share) => ((share * of as f64).round() as u64).clamp(1, of),
        };
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut chosen = vec![0_u64; usize::try_from(of.div_ceil(64)).unwrap_or(0)];
        let mut left = rows;
        for row in 0..of {
            if left == 0 {
                break;
            }
            if random.random_range(0..of - row) < left {
                left -= 1;
                if let Some(word) = chosen.get_mut((row / 64) as usize) {
                    *word |= 1 << (row % 64);
                }
            }
        }
        Self { rows, chosen: Arc::new(chosen) }
    }

    /// The chosen rows of a frame.
    pub fn of(&self, frame: LazyFrame, kinds: &[(String, Kind)]) -> LazyFrame {
        let mut index = "row".to_owned();
        while kinds.iter().any(|(name, _)| *name == index) {
            index.push('_');
        }
        let index = PlSmallStr::from(index.as_str());
        let chosen = Arc::clone(&self.chosen);
        let is_chosen = col(index.clone()).map(move |rows| chosen_of(&rows, &chosen), |_, field| Ok(Field::new(field.name().clone(), DataType::Boolean)));
        let columns: Vec<Expr> = kinds.iter().map(|(name, _)| Expr::Column(PlSmallStr::from(name.as_str()))).collect();
        frame.with_row_index(index, None).filter(is_chosen).select(columns)
    }
}

fn chosen_of(rows: &Column, chosen: &[u64]) -> PolarsResult<Column> {
    let is_chosen = |row: IdxSize| chosen.get((row / 64) as usize).is_some_and(|word| word >> (row % 64) & 1 == 1);
    let mask: Vec<bool> = rows.idx()?.iter().map(|row| row.is_some_and(is_chosen)).collect();
    let mask: BooleanChunked = Series::new(rows.name().clone(), mask).bool()?.clone();
    Ok(mask.into_column())
}
