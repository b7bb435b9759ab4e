//! What a transform learns from a table: counts, moments, exact quantiles and categories of columns.
//!
//! polars' own sums and medians depend on how many threads share the rows, so these reducers take the
//! table's fixed batches in order and work on columns side by side: the same bits at any thread count.
//! A missing value is a null or NaN and is counted apart. Nothing here approximates.
//!
//! Memory: moments and counts need one batch; quantiles at most [`Limits`] (about 128 MB of values and 64 MB
//! of counters), at the price of up to five passes over columns of more than 2 M rows; grouped quantiles hold
//! all values of at least one column, 8 bytes a row.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use polars::prelude::*;
use rayon::prelude::*;

use super::linalg::dot;
use super::matrix::numbers;
use super::selector::column;
use crate::data::Table;
use crate::error::{Error, Result};

/// More distinct values than this in a column are refused by [`categories`].
pub const CATEGORY_LIMIT: usize = 1_000_000;

/// What the values of a column look like; all numbers are NaN where there is no value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Values that are there.
    pub count: u64,
    /// Nulls and NaN.
    pub missing: u64,
    pub mean: f64,
    /// With `count` as the divisor (ddof 0).
    pub variance: f64,
    pub min: f64,
    pub max: f64,
}

/// The distinct values of a column as text and how often each occurs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Categories {
    /// Booleans as `true` and `false`, integers in decimal, dates in ISO form.
    pub counts: BTreeMap<String, u64>,
    /// Nulls and NaN.
    pub missing: u64,
}

/// How many nulls and NaN each column has.
///
/// # Errors
/// Where the query fails.
pub fn missing(table: &Table, columns: &[String]) -> Result<Vec<u64>> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let count = |(i, name): (usize, &String)| {
        let is_float = table.schema().get(name).is_some_and(DataType::is_float);
        let gone = if is_float { column(name).is_null().or(column(name).is_nan()) } else { column(name).is_null() };
        gone.cast(DataType::UInt64).sum().alias(i.to_string())
    };
    let counts: Vec<Expr> = columns.iter().enumerate().map(count).collect();
    let counted = table.lazy().select(counts).collect_with_engine(Engine::Streaming)?.unwrap_single();
    counted.columns().iter().map(|column| Ok(column.get(0)?.extract::<u64>().unwrap_or(0))).collect()
}

/// Mean, variance and range of numeric columns: two passes inside a batch with pairwise sums, batches joined
/// by the update of Chan, Golub and `LeVeque` (1979).
///
/// # Errors
/// A column that is absent or no number; where the query fails.
pub fn moments(table: &Table, columns: &[String]) -> Result<Vec<Moments>> {
    let running = pass(table, columns, vec![Running::default(); columns.len()], |running, column| {
        *running = running.join(Running::of(numbers(column)?));
        Ok(())
    })?;
    Ok(running.into_iter().map(Running::finish).collect())
}

/// [`moments`] of each group of rows with the same text in column `key`.
///
/// # Errors
/// As there.
pub fn group_moments(table: &Table, key: &str, columns: &[String]) -> Result<BTreeMap<String, Vec<Moments>>> {
    let groups = grouped(table, key, columns, numbers, |running: &mut Running, values| *running = running.join(Running::of(values)))?;
    Ok(groups.into_iter().map(|(group, columns)| (group, columns.into_iter().map(Running::finish).collect())).collect())
}

/// Exact quantiles of numeric columns, one row a column and one number a probability, by linear interpolation between
/// order statistics at `(count - 1) · p` (numpy's default, type 7 of Hyndman and Fan 1996). NaN where there is no value.
///
/// # Errors
/// A column that is absent or no number; where the query fails.
pub fn quantiles(table: &Table, columns: &[String], probabilities: &[f64]) -> Result<Vec<Vec<f64>>> {
    quantiles_within(table, columns, probabilities, Limits::default())
}

/// [`quantiles`] of each group of rows with the same text in column `key`.
///
/// # Errors
/// As there.
pub fn group_quantiles(table: &Table, key: &str, columns: &[String], probabilities: &[f64]) -> Result<BTreeMap<String, Vec<Vec<f64>>>> {
    let at_once = (Limits::default().values / table.rows()?.max(1)).max(1);
    let mut found: BTreeMap<String, Vec<Vec<f64>>> = BTreeMap::new();
    for some in columns.chunks(at_once) {
        let groups = grouped(table, key, some, numbers, |all: &mut Vec<f64>, values| all.extend(values.into_iter().filter(|v| !v.is_nan())))?;
        for (group, mut columns) in groups {
            found.entry(group).or_default().extend(columns.iter_mut().map(|values| pick(values, probabilities)));
        }
    }
    Ok(found)
}

/// Covariances and correlations of columns, each pair over the rows that have both.
#[derive(Clone, Debug, PartialEq)]
pub struct Pairs(Vec<Vec<PairSums>>);

/// Sums over the rows that have both values, each less its column's mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct PairSums {
    rows: f64,
    a: f64,
    b: f64,
    ab: f64,
    aa: f64,
    bb: f64,
}

impl Pairs {
    /// Covariance with `rows - 1` as the divisor; NaN where fewer than two rows have both.
    #[must_use]
    pub fn covariance(&self, i: usize, j: usize) -> f64 {
        self.of(i, j).map_or(f64::NAN, |s| (s.ab - s.a * s.b / s.rows) / (s.rows - 1.0))
    }

    /// Pearson's correlation; NaN where one of the columns is constant in those rows.
    #[must_use]
    pub fn correlation(&self, i: usize, j: usize) -> f64 {
        self.of(i, j).map_or(f64::NAN, |s| {
            let (ab, aa, bb) = (s.ab - s.a * s.b / s.rows, s.aa - s.a * s.a / s.rows, s.bb - s.b * s.b / s.rows);
            if aa > 0.0 && bb > 0.0 { (ab / (aa.sqrt() * bb.sqrt())).clamp(-1.0, 1.0) } else { f64::NAN }
        })
    }

    fn of(&self, i: usize, j: usize) -> Option<&PairSums> {
        self.0.get(i.max(j))?.get(i.min(j)).filter(|sums| sums.rows >= 2.0)
    }
}

/// [`Pairs`] of finite numeric columns: two passes, the second over values less their means.
///
/// # Errors
/// A column that is absent or no number; where the query fails.
pub fn pairs(table: &Table, columns: &[String]) -> Result<Pairs> {
    let means: Vec<f64> = moments(table, columns)?.iter().map(|m| m.mean).collect();
    let mut sums: Vec<Vec<PairSums>> = (0..columns.len()).map(|i| vec![PairSums::default(); i + 1]).collect();
    if columns.is_empty() {
        return Ok(Pairs(sums));
    }
    for batch in narrow(table, columns)?.batches()? {
        let batch = batch?;
        let centered = |(name, mean): (&String, &f64)| -> Result<(Vec<f64>, bool)> {
            let values: Vec<f64> = numbers(batch.column(name)?)?.into_iter().map(|v| v - mean).collect();
            let is_complete = values.iter().all(|v| !v.is_nan());
            Ok((values, is_complete))
        };
        let centered: Vec<(Vec<f64>, bool)> = columns.par_iter().zip(&means).map(centered).collect::<Result<_>>()?;
        sums.par_iter_mut().zip(&centered).for_each(|(row, (b, b_complete))| {
            for (sums, (a, a_complete)) in row.iter_mut().zip(&centered) {
                if *a_complete && *b_complete {
                    sums.add(a, b);
                } else {
                    let both = a.iter().zip(b).filter(|(a, b)| !a.is_nan() && !b.is_nan());
                    let (a, b): (Vec<f64>, Vec<f64>) = both.map(|(a, b)| (*a, *b)).unzip();
                    sums.add(&a, &b);
                }
            }
        });
    }
    Ok(Pairs(sums))
}

impl PairSums {
    fn add(&mut self, a: &[f64], b: &[f64]) {
        self.rows += a.len() as f64;
        self.a += sum(a, |v| v);
        self.b += sum(b, |v| v);
        self.ab += dot(a, b);
        self.aa += dot(a, a);
        self.bb += dot(b, b);
    }
}

/// The distinct values of each column, as text, with their counts.
///
/// # Errors
/// Columns with more than `limit` distinct values, all named; where the query fails.
pub fn categories(table: &Table, columns: &[String], limit: usize) -> Result<Vec<Categories>> {
    let counted = categories_within(table, columns, limit)?;
    let bad: Vec<String> = columns.iter().zip(&counted).filter(|(_, found)| found.is_none()).map(|(name, _)| format!("`{name}`")).collect();
    if bad.is_empty() {
        return Ok(counted.into_iter().flatten().collect());
    }
    Err(Error::data(format!("more than {limit} distinct values in {}", bad.join(", ")))
        .hint("lump rare values with `group_rare`, use `hash`, or give the column the role `ignore`"))
}

/// [`categories`], with `None` for columns that have more than `limit` distinct values.
///
/// # Errors
/// Where the query fails.
pub fn categories_within(table: &Table, columns: &[String], limit: usize) -> Result<Vec<Option<Categories>>> {
    // `None` once the limit is passed: what was counted is let go, the other columns go on.
    pass(table, columns, vec![Some(Categories::default()); columns.len()], |state, column| {
        if let Some(found) = state {
            let mut batch: HashMap<&str, u64> = HashMap::new();
            let text = texts(column)?;
            for value in text.str()?.iter() {
                match value {
                    Some(value) => *batch.entry(value).or_default() += 1,
                    None => found.missing += 1,
                }
            }
            for (value, count) in batch {
                match found.counts.get_mut(value) {
                    Some(total) => *total += count,
                    None => drop(found.counts.insert(value.to_owned(), count)),
                }
            }
            if found.counts.len() > limit {
                *state = None;
            }
        }
        Ok(())
    })
}

/// [`categories`] of each group of rows with the same text in column `key`, without a limit a group.
///
/// # Errors
/// As there.
pub fn group_categories(table: &Table, key: &str, columns: &[String]) -> Result<BTreeMap<String, Vec<Categories>>> {
    let split = |column: &Column| Ok(texts(column)?.str()?.iter().map(|text| text.map(str::to_owned)).collect());
    grouped(table, key, columns, split, |found: &mut Categories, values: Vec<Option<String>>| {
        for value in values {
            match value {
                Some(value) => *found.counts.entry(value).or_default() += 1,
                None => found.missing += 1,
            }
        }
    })
}

/// A column as text, NaN as null.
fn texts(column: &Column) -> Result<Column> {
    let text = column.cast(&DataType::String)?;
    if !column.dtype().is_float() {
        return Ok(text);
    }
    let there = column.is_not_nan()?;
    let empty = Column::full_null(column.name().clone(), column.len(), &DataType::String);
    Ok(text.zip_with(&there, &empty)?)
}

/// The table with these columns only.
fn narrow(table: &Table, columns: &[String]) -> Result<Table> {
    Table::from_query(table.lazy().select(columns.iter().map(|name| column(name)).collect::<Vec<_>>()))
}

/// Updates one state a column with every batch in order, columns side by side.
pub(super) fn pass<S: Send>(table: &Table, columns: &[String], mut states: Vec<S>, update: impl Fn(&mut S, &Column) -> Result<()> + Sync) -> Result<Vec<S>> {
    if columns.is_empty() {
        return Ok(states);
    }
    for batch in narrow(table, columns)?.batches()? {
        let batch = batch?;
        states.par_iter_mut().zip(columns).try_for_each(|(state, name)| update(state, batch.column(name)?))?;
    }
    Ok(states)
}

/// Updates one state a group and column with every batch in order; `split` gives one item a row.
fn grouped<T: Send, S: Default + Send>(
    table: &Table,
    key: &str,
    columns: &[String],
    split: impl Fn(&Column) -> Result<Vec<T>> + Sync,
    update: impl Fn(&mut S, Vec<T>) + Sync,
) -> Result<BTreeMap<String, Vec<S>>> {
    let wanted: Vec<String> = columns.iter().cloned().chain([key.to_owned()]).collect::<BTreeSet<_>>().into_iter().collect();
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut states: Vec<Vec<S>> = columns.iter().map(|_| Vec::new()).collect();
    for batch in narrow(table, &wanted)?.batches()? {
        let batch = batch?;
        let keys = batch.column(key)?.cast(&DataType::String)?;
        let mut groups = Vec::with_capacity(batch.height());
        for text in keys.str()?.iter() {
            let text = text.unwrap_or_default();
            let next = numbers.len();
            groups.push(match numbers.get(text) {
                Some(group) => *group,
                None => *numbers.entry(text.to_owned()).or_insert(next),
            });
        }
        if numbers.len() > CATEGORY_LIMIT {
            return Err(Error::data(format!("more than {CATEGORY_LIMIT} groups")).hint("group by columns with fewer distinct values"));
        }
        states.par_iter_mut().zip(columns).try_for_each(|(states, name)| -> Result<()> {
            let mut parts: BTreeMap<usize, Vec<T>> = BTreeMap::new();
            for (group, item) in groups.iter().zip(split(batch.column(name)?)?) {
                parts.entry(*group).or_default().push(item);
            }
            states.resize_with(numbers.len(), S::default);
            for (group, items) in parts {
                if let Some(state) = states.get_mut(group) {
                    update(state, items);
                }
            }
            Ok(())
        })?;
    }
    // From columns of groups to groups of columns.
    let mut by_number: Vec<Vec<S>> = (0..numbers.len()).map(|_| Vec::with_capacity(columns.len())).collect();
    for states in states {
        for (group, state) in by_number.iter_mut().zip(states) {
            group.push(state);
        }
    }
    let mut texts: Vec<(String, usize)> = numbers.into_iter().collect();
    texts.sort_unstable_by_key(|(_, number)| *number);
    Ok(texts.into_iter().map(|(text, _)| text).zip(by_number).collect())
}

/// Moments that can be joined: `deviations` is the sum of squared deviations from the mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    count: u64,
    missing: u64,
    mean: f64,
    deviations: f64,
    min: f64,
    max: f64,
}

impl Default for Running {
    fn default() -> Self {
        Self { count: 0, missing: 0, mean: 0.0, deviations: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Running {
    pub(super) fn of(mut values: Vec<f64>) -> Self {
        let rows = values.len();
        values.retain(|value| !value.is_nan());
        let missing = (rows - values.len()) as u64;
        if values.is_empty() {
            return Self { missing, ..Self::default() };
        }
        let count = values.len() as f64;
        let mean = sum(&values, |v| v) / count;
        // The correction by the first-order sum takes the mean's own rounding out of the deviations.
        let drift = sum(&values, |v| v - mean);
        let deviations = sum(&values, |v| (v - mean) * (v - mean)) - drift * drift / count;
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self { count: values.len() as u64, missing, mean, deviations, min, max }
    }

    pub(super) fn join(self, more: Self) -> Self {
        let missing = self.missing + more.missing;
        if self.count == 0 || more.count == 0 {
            return Self { missing, ..if self.count == 0 { more } else { self } };
        }
        let (a, b) = (self.count as f64, more.count as f64);
        let apart = more.mean - self.mean;
        Self {
            count: self.count + more.count,
            missing,
            mean: self.mean + apart * b / (a + b),
            deviations: self.deviations + more.deviations + apart * apart * a * b / (a + b),
            min: self.min.min(more.min),
            max: self.max.max(more.max),
        }
    }

    pub(super) fn finish(self) -> Moments {
        let Self { count, missing, .. } = self;
        if count == 0 {
            return Moments { count, missing, mean: f64::NAN, variance: f64::NAN, min: f64::NAN, max: f64::NAN };
        }
        Moments { count, missing, mean: self.mean, variance: (self.deviations / count as f64).max(0.0), min: self.min, max: self.max }
    }
}

/// A pairwise sum: the error grows with the logarithm of the length.
pub(super) fn sum(values: &[f64], of: impl Fn(f64) -> f64 + Copy) -> f64 {
    const BLOCK: usize = 128;
    if values.len() <= BLOCK {
        return values.iter().map(|v| of(*v)).sum();
    }
    let (left, right) = values.split_at(values.len() / 2);
    sum(left, of) + sum(right, of)
}

/// How much [`quantiles`] may hold at once.
#[derive(Clone, Copy)]
struct Limits {
    /// Rows up to which all values of a column are gathered at once.
    rows: usize,
    /// Values that are gathered at once, over all columns.
    values: usize,
    /// Sets of 65,536 counters.
    histograms: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 2 << 20, values: 16 << 20, histograms: 128 }
    }
}

fn quantiles_within(table: &Table, columns: &[String], probabilities: &[f64], limits: Limits) -> Result<Vec<Vec<f64>>> {
    let rows = table.rows()?;
    let mut found = Vec::with_capacity(columns.len());
    if rows <= limits.rows {
        for some in columns.chunks((limits.values / rows.max(1)).max(1)) {
            let gathered = pass(table, some, vec![Vec::new(); some.len()], |all: &mut Vec<f64>, column| {
                all.extend(numbers(column)?.into_iter().filter(|v| !v.is_nan()));
                Ok(())
            })?;
            found.par_extend(gathered.into_par_iter().map(|mut values| pick(&mut values, probabilities)));
        }
        return Ok(found);
    }
    // A probability opens at most two prefixes, hence two histograms a column.
    for some in columns.chunks((limits.histograms / (2 * probabilities.len().max(1))).max(1)) {
        let mut answers = vec![Vec::with_capacity(probabilities.len()); some.len()];
        for few in probabilities.chunks((limits.histograms / 2).max(1)) {
            for (answer, part) in answers.iter_mut().zip(search(table, some, few, limits.values)?) {
                answer.extend(part);
            }
        }
        found.extend(answers);
    }
    Ok(found)
}

/// The quantiles of values that are all there; changes their order.
fn pick(values: &mut [f64], probabilities: &[f64]) -> Vec<f64> {
    /// More ranks than this are cheaper by sorting.
    const FEW: usize = 16;
    let count = values.len() as u64;
    let ranks = ranks(count, probabilities);
    let mut at: BTreeMap<u64, f64> = BTreeMap::new();
    if ranks.len() > FEW {
        values.sort_unstable_by(f64::total_cmp);
        at.extend(ranks.iter().filter_map(|rank| Some((*rank, *values.get(*rank as usize)?))));
    } else {
        at.extend(order_statistics(values, 0, &ranks));
    }
    interpolate(count, probabilities, &at)
}

/// The values at `ranks`, which count from `below` at the start of `values`; ranks outside are passed over.
fn order_statistics(values: &mut [f64], below: u64, ranks: &BTreeSet<u64>) -> Vec<(u64, f64)> {
    let mut found = Vec::new();
    let mut from = 0;
    for rank in ranks.range(below..below + values.len() as u64) {
        let at = (rank - below) as usize;
        // What stands before `from` is smaller than what follows, from the selection before.
        if let Some(rest) = values.get_mut(from..) {
            let (_, value, _) = rest.select_nth_unstable_by(at - from, f64::total_cmp);
            found.push((*rank, *value));
        }
        from = at;
    }
    found
}

/// The order statistics on both sides of every probability.
fn ranks(count: u64, probabilities: &[f64]) -> BTreeSet<u64> {
    if count == 0 {
        return BTreeSet::new();
    }
    let around = |p: &f64| {
        let low = ((count - 1) as f64 * p.clamp(0.0, 1.0)).floor() as u64;
        [low.min(count - 1), (low + 1).min(count - 1)]
    };
    probabilities.iter().flat_map(around).collect()
}

/// Linear interpolation as numpy does it, from the nearer end, so that the result is monotonic in `p`.
fn interpolate(count: u64, probabilities: &[f64], at: &BTreeMap<u64, f64>) -> Vec<f64> {
    let value = |p: &f64| {
        let place = count.saturating_sub(1) as f64 * p.clamp(0.0, 1.0);
        let low = place.floor() as u64;
        let (Some(a), Some(b)) = (at.get(&low), at.get(&(low + 1).min(count.saturating_sub(1)))) else { return f64::NAN };
        let share = place - place.floor();
        // Adding zero turns -0 into 0.
        0.0 + if a == b || share == 0.0 {
            *a
        } else if share < 0.5 {
            a + (b - a) * share
        } else {
            b - (b - a) * (1.0 - share)
        }
    };
    probabilities.iter().map(value).collect()
}

/// Bits of the order-preserving image that one pass settles.
const DIGIT: u32 = 16;

/// The values whose image begins with `prefix`.
struct Open {
    prefix: u64,
    /// How many values of the column are smaller than all of these.
    below: u64,
    /// How many these are, once counted.
    inside: u64,
    counts: Vec<u64>,
    values: Vec<f64>,
}

impl Open {
    fn new(prefix: u64, below: u64, inside: u64) -> Self {
        Self { prefix, below, inside, counts: Vec::new(), values: Vec::new() }
    }
}

/// Exact quantiles by radix selection: each pass counts the next 16 bits of the values under the prefixes that still
/// hold a wanted rank, until what is left under them can be gathered (`room` values) or all 64 bits are known.
fn search(table: &Table, columns: &[String], probabilities: &[f64], room: usize) -> Result<Vec<Vec<f64>>> {
    let mut open: Vec<Vec<Open>> = columns.iter().map(|_| vec![Open::new(0, 0, 0)]).collect();
    let mut totals = vec![0_u64; columns.len()];
    let mut bits = 0;
    loop {
        open.iter_mut().flatten().for_each(|open| open.counts = vec![0; 1 << DIGIT]);
        open = pass(table, columns, open, |open, column| {
            for value in numbers(column)?.into_iter().filter(|v| !v.is_nan()) {
                let image = image(value);
                let digit = (image >> (u64::BITS - DIGIT - bits)) & ((1 << DIGIT) - 1);
                if let Some(counter) = under(open, image, bits).and_then(|open| open.counts.get_mut(digit as usize)) {
                    *counter += 1;
                }
            }
            Ok(())
        })?;
        if bits == 0 {
            totals = open.iter().map(|open| open.iter().flat_map(|o| &o.counts).sum()).collect();
        }
        bits += DIGIT;
        open = open.iter().zip(&totals).map(|(open, count)| narrower(open, &ranks(*count, probabilities))).collect();
        let left: u64 = open.iter().flatten().map(|open| open.inside).sum();
        if bits == u64::BITS || left <= room as u64 {
            break;
        }
    }
    if bits < u64::BITS {
        open = pass(table, columns, open, |open, column| {
            for value in numbers(column)?.into_iter().filter(|v| !v.is_nan()) {
                if let Some(open) = under(open, image(value), bits) {
                    open.values.push(value);
                }
            }
            Ok(())
        })?;
    }
    let answer = |(open, count): (Vec<Open>, u64)| {
        let ranks = ranks(count, probabilities);
        let mut at = BTreeMap::new();
        for mut open in open {
            if bits < u64::BITS {
                at.extend(order_statistics(&mut open.values, open.below, &ranks));
            } else {
                let value = original(open.prefix);
                at.extend(ranks.range(open.below..open.below + open.inside).map(|rank| (*rank, value)));
            }
        }
        interpolate(count, probabilities, &at)
    };
    Ok(open.into_par_iter().zip(totals).map(answer).collect())
}

/// The open prefix that a value is under.
fn under(open: &mut [Open], image: u64, bits: u32) -> Option<&mut Open> {
    let prefix = if bits == 0 { 0 } else { image >> (u64::BITS - bits) };
    let at = open.binary_search_by_key(&prefix, |open| open.prefix).ok()?;
    open.get_mut(at)
}

/// The prefixes, one digit longer, that hold a wanted rank.
fn narrower(open: &[Open], ranks: &BTreeSet<u64>) -> Vec<Open> {
    let mut found = Vec::new();
    for open in open {
        let mut below = open.below;
        for (digit, count) in open.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            if ranks.range(below..below + count).next().is_some() {
                found.push(Open::new((open.prefix << DIGIT) | digit as u64, below, *count));
            }
            below += count;
        }
    }
    found
}

/// A whole number in the order of the floats.
fn image(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// The float of an [`image`].
fn original(image: u64) -> f64 {
    f64::from_bits(if image >> 63 == 1 { image & !(1 << 63) } else { !image })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop, proptest};

    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn moments_survive_a_large_offset_and_pass_over_missing_values() {
        let shifted: Vec<Option<f64>> = (0..200_000).map(|i| if i % 10 == 9 { None } else { Some(1e9 + f64::from(i % 10)) }).collect();
        let frame = df!("x" => shifted, "n" => vec![Some(7_i64); 200_000]).unwrap();
        let found = moments(&Table::of(frame), &names(&["x", "n"])).unwrap();
        assert_eq!((found[0].count, found[0].missing, found[0].min, found[0].max), (180_000, 20_000, 1e9, 1e9 + 8.0));
        assert!((found[0].mean - (1e9 + 4.0)).abs() < 1e-6, "{}", found[0].mean);
        // 0..8 has variance (9² - 1) / 12.
        assert!((found[0].variance - 80.0 / 12.0).abs() < 1e-9, "{}", found[0].variance);
        assert_eq!((found[1].mean, found[1].variance), (7.0, 0.0));
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let mixed: Vec<f64> = (0..150_000).map(|i| f64::from(i % 977).sin() * 10_f64.powi(i % 13)).collect();
        let table = Table::of(df!("x" => &mixed, "z" => mixed.iter().rev().copied().collect::<Vec<f64>>()).unwrap());
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| moments(&table, &names(&["x", "z"])).unwrap())
        };
        assert_eq!(on(1), on(3));
    }

    #[test]
    fn a_column_without_values_has_no_moments_and_no_quantiles() {
        let table = Table::of(df!("x" => [None::<f64>, Some(f64::NAN)]).unwrap());
        let found = moments(&table, &names(&["x"])).unwrap()[0];
        assert_eq!((found.count, found.missing), (0, 2));
        assert!(found.mean.is_nan() && quantiles(&table, &names(&["x"]), &[0.5]).unwrap()[0][0].is_nan());
        assert_eq!(missing(&table, &names(&["x"])).unwrap(), [2]);
    }

    #[test]
    fn quantiles_interpolate_as_numpy_does() {
        let table = Table::of(df!("x" => [Some(3.0), None, Some(1.0), Some(10.0), Some(4.0)]).unwrap());
        // numpy.quantile([3, 1, 10, 4], [0, 0.1, 0.5, 0.9, 1])
        assert_eq!(quantiles(&table, &names(&["x"]), &[0.0, 0.1, 0.5, 0.9, 1.0]).unwrap()[0], [1.0, 1.6, 3.5, 8.200_000_000_000_001, 10.0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn radix_selection_equals_sorting(values in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::ZERO, 1..200), room in 0_usize..50) {
            let table = Table::of(df!("x" => &values).unwrap());
            let probabilities = [0.0, 0.01, 0.25, 0.5, 0.77, 1.0];
            let sorted = pick(&mut values.clone(), &probabilities);
            let limits = Limits { rows: 0, values: room, histograms: 4 };
            let searched = quantiles_within(&table, &names(&["x"]), &probabilities, limits).unwrap();
            proptest::prop_assert_eq!(&searched[0], &sorted);
        }
    }

    #[test]
    fn categories_are_counted_as_text_and_too_many_are_refused() {
        let frame = df!("ok" => [Some(true), None, Some(true)], "n" => [1_i64, 10, 1], "x" => [f64::NAN, 0.5, 0.5]).unwrap();
        let table = Table::of(frame);
        let found = categories(&table, &names(&["ok", "n", "x"]), CATEGORY_LIMIT).unwrap();
        assert_eq!(found[0], Categories { counts: [("true".to_owned(), 2)].into(), missing: 1 });
        assert_eq!(found[1].counts, [("1".to_owned(), 2), ("10".to_owned(), 1)].into());
        assert_eq!(found[2], Categories { counts: [("0.5".to_owned(), 2)].into(), missing: 1 });
        let error = categories(&table, &names(&["n", "ok"]), 1).unwrap_err();
        assert_eq!(error.to_string(), "more than 1 distinct values in `n`");
    }

    #[test]
    fn groups_are_reduced_apart() {
        let frame = df!("g" => ["b", "a", "b", "a"], "x" => [1.0, 5.0, 3.0, f64::NAN]).unwrap();
        let table = Table::of(frame);
        let medians = group_quantiles(&table, "g", &names(&["x"]), &[0.5]).unwrap();
        assert_eq!(medians, [("a".to_owned(), vec![vec![5.0]]), ("b".to_owned(), vec![vec![2.0]])].into());
        let moments = group_moments(&table, "g", &names(&["x"])).unwrap();
        assert_eq!((moments["b"][0].mean, moments["a"][0].missing), (2.0, 1));
        let categories = group_categories(&table, "g", &names(&["x"])).unwrap();
        assert_eq!(categories["a"][0].missing, 1);
    }
}
