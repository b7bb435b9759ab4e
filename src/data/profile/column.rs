//! All that is gathered of one column.

use polars::prelude::Column;

use super::alerts::alerts;
use super::counter::{Counted, Counter};
use super::numbers::{Dyadic, Numbers};
use super::sampler::Turn;
use super::text::Strings;
use super::{CATEGORIES, NumberProfile, ProfiledColumn, Room};
use crate::card::ColumnProfile;
use crate::data::Role;
use crate::data::canonical::{Cells, Kind, MISSING, Values, View, show_date, show_instant};
use crate::data::wide::{gather, wide};
use crate::error::Result;

/// Most frequent values that a card shows.
const TOP: usize = 10;

pub(super) struct Gatherer {
    name: String,
    kind: Kind,
    role: Role,
    missing: u64,
    infinite: u64,
    counter: Counter,
    numbers: Option<Numbers>,
    strings: Option<Strings>,
    ordinals: Option<(i64, i64)>,
    /// Dates and times, in the unit that they are stored in.
    moments: Dyadic,
    /// The sum of the values' hashes, each told apart by its row.
    digest: u64,
    scratch: Vec<f64>,
}

impl Gatherer {
    pub(super) fn new(name: &str, kind: Kind, role: Role, distinct: usize) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            role,
            missing: 0,
            infinite: 0,
            counter: Counter::new(distinct, kind == Kind::Text),
            numbers: kind.is_number().then(|| Numbers::new(matches!(kind, Kind::Integer | Kind::Unsigned))),
            strings: (kind == Kind::Text).then(Strings::default),
            ordinals: None,
            moments: Dyadic::default(),
            digest: 0,
            scratch: Vec::new(),
        }
    }

    /// Gathers a batch, whose values' hashes are added, turned by `bits`, to the sums of their rows.
    pub(super) fn add(&mut self, column: &Column, turn: &Turn, room: &mut Room, bits: u32) -> Result<()> {
        let cells = Cells::of(column)?;
        let view = cells.view()?;
        let are_all_finite = view.hashes(&mut room.hashes);
        self.digest = self.digest.wrapping_add(room.join(&turn.keys, bits));
        let hashes = room.hashes.as_slice();
        let missing = if are_all_finite { 0 } else { count_missing(hashes) };
        self.missing += missing;
        match (&mut self.strings, view.values) {
            (Some(strings), Values::Text(texts)) => {
                let is_there = |row: &usize| hashes.get(*row).is_some_and(|hash| *hash != MISSING);
                let exact = self.counter.add(hashes, &turn.few, &view, |row| strings.see(texts.value(row)));
                if missing > 0 || !strings.measure_plain(texts) {
                    (0..view.rows).filter(is_there).for_each(|row| strings.measure(texts.value(row)));
                }
                (exact..view.rows).filter(is_there).for_each(|row| strings.see(texts.value(row)));
            }
            _ => {
                // Of many different numbers or dates few are ever frequent.
                self.counter.add(hashes, &turn.fewer, &view, |_| {});
            }
        }
        match view.values {
            Values::Date(values) | Values::Instant(values, _) | Values::Time(values) | Values::Span(values, _) => self.add_dates(values, &view),
            _ => self.add_numbers(&view, are_all_finite, turn),
        }
        Ok(())
    }

    fn add_numbers(&mut self, view: &View, are_all_finite: bool, turn: &Turn) {
        let Some(numbers) = &mut self.numbers else { return };
        let (finite, infinite) = finite_numbers(view, are_all_finite, &mut self.scratch);
        self.infinite += infinite;
        numbers.add(finite);
        if finite.len() == view.rows {
            numbers.follow(turn.keep.as_deref(), turn.rows.iter().map(|row| finite[*row]));
        } else {
            let joining = turn.rows.iter().map(|row| view.number(*row).filter(|number| number.is_finite()).unwrap_or(f64::NAN));
            numbers.follow(turn.keep.as_deref(), joining);
        }
    }

    fn add_dates(&mut self, values: &[i64], view: &View) {
        let mut present = Vec::new();
        let present = match view.valid {
            None => values,
            Some(valid) => {
                gather(values, &mut present, |row, _| valid[row], |_, value| value);
                &present
            }
        };
        let Some(one) = present.first() else { return };
        let (least, most) = range(present, *one);
        let (first, last) = self.ordinals.get_or_insert((least, most));
        (*first, *last) = ((*first).min(least), (*last).max(most));
        to_floats(present, &mut self.scratch, |value| value as f64);
        self.moments.add(&self.scratch, least as f64, most as f64);
    }

    /// The profile, and a digest that equal columns share.
    pub(super) fn finish(mut self, rows: u64, quantiles_are_estimates: bool) -> (ProfiledColumn, u64) {
        let present = rows - self.missing.min(rows);
        let Counted { is_exact: exact, sampled, values } = std::mem::take(&mut self.counter).finish();
        let distinct = sampled.distinct.min(present);
        let most = values.first().map_or(0, |(_, count)| *count).min(present);
        // Bytes are told apart, but have no text to be shown by.
        let values = if self.kind == Kind::Bytes { Vec::new() } else { values };
        let shown = |limit: usize| -> Vec<(String, u64)> { values.iter().take(limit).map(|(value, count)| (value.show(), *count)).collect() };
        let is_category = matches!(self.kind, Kind::Text | Kind::Boolean);
        // Of many different numbers or dates, only those that come again and again are news.
        let often = if is_category || distinct <= TOP as u64 { 0 } else { present / 100 };
        let often = if exact { often } else { often.max(rows / 1000) };
        let mut column = ProfiledColumn {
            infinite: self.infinite,
            lengths: self.strings.as_ref().and_then(Strings::lengths),
            categories_complete: exact && values.len() <= CATEGORIES,
            categories_estimated: !exact,
            ..ProfiledColumn::default()
        };
        if is_category || column.categories_complete {
            column.categories = shown(CATEGORIES);
        }
        let mut summary = ColumnProfile {
            name: self.name.clone(),
            kind: self.kind.name().to_owned(),
            role: self.role.name().to_owned(),
            rows,
            missing: self.missing,
            distinct: Some(distinct),
            distinct_estimated: sampled.is_estimate,
            top: shown(TOP).into_iter().filter(|(_, count)| *count > often).collect(),
            range: self.range(),
            ..ColumnProfile::default()
        };
        if let Some(numbers) = &mut self.numbers {
            summary.zeros = Some(numbers.zeros());
            summary.mean = numbers.mean();
            summary.deviation = numbers.deviation();
            summary.skewness = numbers.skewness();
            summary.histogram = numbers.histogram(&self.name);
            if let Some(percentiles) = numbers.percentiles() {
                summary.quantiles = Some([0, 5, 25, 50, 75, 95, 100].map(|percent| percentiles.get(percent).copied().unwrap_or_default()));
                column.numbers = Some(NumberProfile { percentiles, estimated: quantiles_are_estimates });
            }
        }
        if self.ordinals.is_some_and(|(first, last)| first < last) {
            summary.histogram = Some(self.moments.drawn(&self.name, true));
        }
        column.summary = summary;
        column.summary.alerts = alerts(&column, self.kind, most, sampled.repeated == 0);
        if let Some(strings) = &self.strings {
            column.summary.alerts.extend(strings.alerts());
        }
        (column, self.digest)
    }

    fn range(&self) -> Option<(String, String)> {
        if let Some(strings) = &self.strings {
            return strings.range();
        }
        let (first, last) = self.ordinals?;
        let show = |value: i64| match self.kind {
            Kind::Date => show_date(value),
            Kind::Instant(per_second) => show_instant(value, per_second),
            Kind::Time => show_instant(value, 1_000_000_000).split_once(' ').map_or_else(String::new, |(_, time)| time.to_owned()),
            Kind::Span(per_second) => format!("{} s", value as f64 / per_second as f64),
            _ => value.to_string(),
        };
        Some((show(first), show(last)))
    }
}

/// The finite numbers of a column in order, and how many are infinite; `scratch` holds them where they do not lie side by side already.
fn finite_numbers<'a>(view: &View<'a>, are_all_finite: bool, scratch: &'a mut Vec<f64>) -> (&'a [f64], u64) {
    if let (Values::Float(values), None) = (view.values, view.valid)
        && (are_all_finite || all_finite(values))
    {
        return (values, 0);
    }
    match (view.values, view.valid) {
        (Values::Integer(values), None) => to_floats(values, scratch, |value| value as f64),
        (Values::Unsigned(values), None) => to_floats(values, scratch, |value| value as f64),
        (Values::Integer(values), Some(valid)) => gather(values, scratch, |row, _| valid[row], |_, value| value as f64),
        (Values::Float(values), None) => gather(values, scratch, |_, value| value.is_finite(), |_, value| value),
        (Values::Float(values), Some(valid)) => gather(values, scratch, |row, value| valid[row] & value.is_finite(), |_, value| value),
        _ => {
            scratch.clear();
            scratch.extend((0..view.rows).filter_map(|row| view.number(row)).filter(|number| number.is_finite()));
        }
    }
    let infinite = match view.values {
        Values::Float(values) => values.iter().enumerate().filter(|(row, value)| value.is_infinite() && view.is_present(*row)).count(),
        _ => 0,
    };
    (scratch, infinite as u64)
}

fn count_missing(hashes: &[u64]) -> u64 {
    wide(
        #[inline(always)]
        || hashes.iter().map(|hash| u64::from(*hash == MISSING)).sum(),
    )
}

fn to_floats<T: Copy>(values: &[T], floats: &mut Vec<f64>, convert: impl Fn(T) -> f64) {
    floats.resize(values.len(), 0.0);
    wide(
        #[inline(always)]
        || floats.iter_mut().zip(values).for_each(|(float, value)| *float = convert(*value)),
    );
}

/// The least and the most, of which `first` is one.
fn range(values: &[i64], first: i64) -> (i64, i64) {
    wide(
        #[inline(always)]
        || values.iter().fold((first, first), |(least, most), value| (least.min(*value), most.max(*value))),
    )
}

/// Without a branch a value, so that several are looked at at once.
fn all_finite(values: &[f64]) -> bool {
    wide(
        #[inline(always)]
        || values.iter().fold(true, |all, value| all & value.is_finite()),
    )
}
