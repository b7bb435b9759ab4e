//! Axes: their ranges and where their labels stand.

use crate::card::format::{day_and_time, share, tick, ticks};

/// One axis: its range, its title, and whether it shows shares.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) title: String,
    pub(super) shares: bool,
    /// Only whole numbers are labelled.
    pub(super) whole: bool,
    /// Milliseconds since 1970.
    pub(super) is_time: bool,
}

impl Axis {
    pub(super) fn exact(low: f64, high: f64, title: &str) -> Self {
        let (low, high) = widened(low, high);
        Self { low, high, title: title.to_owned(), shares: false, whole: false, is_time: false }
    }

    /// From zero to the first tick at or above `most`.
    pub(super) fn from_zero(most: f64, title: &str, shares: bool) -> Self {
        Self { whole: !shares, ..Self::rounded(0.0, if most > 0.0 { most } else { 1.0 }, title, shares) }
    }

    /// Out to the next ticks on both sides.
    pub(super) fn rounded(low: f64, high: f64, title: &str, shares: bool) -> Self {
        let (low, high) = widened(low, high);
        let (_, step) = ticks(low, high, 5);
        let (low, high) = if step > 0.0 { ((low / step + 1e-9).floor() * step, (high / step - 1e-9).ceil() * step) } else { (low, high) };
        Self { low, high, title: title.to_owned(), shares, whole: false, is_time: false }
    }

    fn written(&self, value: f64, step: f64) -> String {
        if self.shares { share((value * 1e6).round() / 1e6) } else { tick(value, if self.whole { step.max(1.0) } else { step }) }
    }

    pub(super) fn labels(&self, most: usize) -> Vec<(f64, String)> {
        if self.is_time {
            return moments(self.low, self.high, most);
        }
        let (positions, step) = ticks(self.low, self.high, most);
        let wanted = positions.into_iter().filter(|value| !self.whole || value.fract() == 0.0);
        wanted.map(|value| (value, self.written(value, step))).collect()
    }
}

/// Round moments (UTC) between two, at most so many: whole minutes, hours or days, with as much of the date as tells them apart.
fn moments(low: f64, high: f64, most: usize) -> Vec<(f64, String)> {
    const MINUTE: f64 = 60_000.0;
    const DAY: f64 = 1440.0 * MINUTE;
    const STEPS: [f64; 21] = [
        MINUTE,
        2.0 * MINUTE,
        5.0 * MINUTE,
        10.0 * MINUTE,
        15.0 * MINUTE,
        30.0 * MINUTE,
        60.0 * MINUTE,
        120.0 * MINUTE,
        180.0 * MINUTE,
        360.0 * MINUTE,
        720.0 * MINUTE,
        DAY,
        2.0 * DAY,
        7.0 * DAY,
        14.0 * DAY,
        28.0 * DAY,
        91.0 * DAY,
        182.0 * DAY,
        364.0 * DAY,
        1820.0 * DAY,
        18_200.0 * DAY,
    ];
    let count = |step: f64| ((high / step).floor() - (low / step).ceil() + 1.0).max(0.0);
    let Some(step) = STEPS.into_iter().find(|step| count(*step) <= most as f64) else { return Vec::new() };
    let first = (low / step).ceil();
    let moment = |i: usize| {
        let at = (first + i as f64) * step;
        let text = day_and_time(at as i64);
        let (day, time) = text.split_once(' ').unwrap_or((&text, ""));
        let is_one_day = (low / DAY).floor() == (high / DAY).floor();
        let text = match (step < DAY, is_one_day) {
            (true, true) => time,
            // The month and the day are enough beside a time.
            (true, false) => text.get(5..).unwrap_or(&text),
            _ => day,
        };
        (at, text.to_owned())
    };
    (0..count(step) as usize).map(moment).collect()
}

/// A range with some width around a single value.
pub(super) fn widened(low: f64, high: f64) -> (f64, f64) {
    if high > low {
        return (low, high);
    }
    let margin = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
    (low - margin, high + margin)
}
