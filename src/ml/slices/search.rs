//! Looking for the slices in which a model is worst, and believing only those that are so again.
//!
//! Whoever looks at hundreds of slices finds bad ones by chance. So two sets of rows are used: the search finds suspects on validation rows, and
//! test rows, which it has not seen, confirm them or do not. The rule:
//!
//! 1. Each column is cut ([`Cut`]); slices of one value or bin, and of two columns', with enough rows are looked at. Slices of two columns are made
//!    of the [`PAIRED`] columns whose own slices stand out most.
//! 2. The loss of a row is its absolute error, or −ln of the score of its true class. The slice with the greatest Welch statistic (1947) of its mean
//!    loss against the rows outside is the first suspect; one of two columns only if its rows are worse than the rest of either column's slice by
//!    [`BEYOND`] standard errors. Its rows are put aside and the search goes on among the others, so that a suspect is not found again under
//!    other names: at most [`SUSPECTS`] times, and while the statistic is [`LEAST`] or more.
//! 3. On test rows each suspect, without the rows of those before it, is held against the rows in none of them: a one-sided Welch test. Those that
//!    Holm's procedure (1979) lets stand at 1 − [`CONFIDENCE`], and whose mean loss is at least [`WORTH`] times that of all other rows, are confirmed: among
//!    recipes without a bad slice, one in a hundred is told of one.
//!
//! Slice finding as in Chung et al. (2019), "Slice Finder", with the confirmation in place of a correction for every look.

use std::collections::BTreeSet;

use polars::prelude::{Column, DataFrame};

use super::{Bins, Cut, can_cut};
use crate::error::Result;
use crate::ml::uncertainty::{FEWEST, holm, student};

/// Columns that are looked at alone.
pub const COLUMNS: usize = 200;
/// Columns that are looked at in pairs.
pub const PAIRED: usize = 20;
/// Suspects that are held against test rows.
pub const SUSPECTS: usize = 5;
/// How likely no slice is confirmed where none is worse.
pub const CONFIDENCE: f64 = 0.99;
/// Standard errors by which a slice of two columns is worse than the rest of either.
pub const BEYOND: f64 = 3.0;
/// Below this statistic a slice is no suspect.
pub const LEAST: f64 = 2.0;
/// A difference that is sure and smaller is not worth a name.
pub const WORTH: f64 = 1.1;

/// What the rows of a set lose.
pub struct Losses<'a> {
    pub loss: &'a [f64],
    pub weight: &'a [f64],
}

/// A slice that looked worse: parts of one or two columns that all its rows have.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    parts: Vec<(Cut, u32)>,
}

/// What became of a suspect.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    pub name: String,
    /// Its rows, with those that suspects before it have, too.
    pub rows: Vec<usize>,
    pub is_confirmed: bool,
    /// How many times the mean loss outside its mean loss is.
    pub times: f64,
    /// By how much its mean loss is greater with [`CONFIDENCE`].
    surely: f64,
}

impl Suspect {
    /// What it is called: `town = Lake, hour ≥ 18`.
    #[must_use]
    pub fn name(&self) -> String {
        let parts: Vec<&str> = self.parts.iter().filter_map(|(cut, place)| cut.names.get(*place as usize)).map(String::as_str).collect();
        parts.join(", ")
    }

    /// The columns it is made of.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|(cut, _)| cut.column.as_str())
    }

    fn members(&self, frame: &DataFrame) -> Result<Vec<bool>> {
        let mut is_in = vec![true; frame.height()];
        for (cut, wanted) in &self.parts {
            let places = cut.place(frame.column(&cut.column)?)?;
            is_in.iter_mut().zip(places).for_each(|(is_in, place)| *is_in &= place == *wanted);
        }
        Ok(is_in)
    }
}

/// Sums from which a weighted mean and its variance follow.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    rows: f64,
    weight: f64,
    loss: f64,
    /// Of the squares of weights, alone, times losses, and times their squares.
    squares: [f64; 3],
}

impl Sums {
    fn add(&mut self, loss: f64, weight: f64) {
        let square = weight * weight;
        self.rows += 1.0;
        self.weight += weight;
        self.loss += weight * loss;
        self.squares[0] += square;
        self.squares[1] += square * loss;
        self.squares[2] += square * loss * loss;
    }

    fn without(&self, other: &Self) -> Self {
        let squares = [0, 1, 2].map(|power| self.squares[power] - other.squares[power]);
        Self { rows: self.rows - other.rows, weight: self.weight - other.weight, loss: self.loss - other.loss, squares }
    }

    fn mean(&self) -> f64 {
        self.loss / self.weight
    }

    /// Of the mean.
    fn variance(&self) -> f64 {
        let mean = self.mean();
        let around = self.squares[2] - 2.0 * mean * self.squares[1] + mean * mean * self.squares[0];
        around.max(0.0) / (self.weight * self.weight) * self.rows / (self.rows - 1.0)
    }

    /// Welch's statistic and its degrees of freedom: by how many standard errors the mean loss here is greater. `None` with too few rows, or
    /// where no losses differ.
    fn worse(&self, other: &Self, fewest: usize) -> Option<(f64, f64)> {
        if self.rows < fewest.max(2) as f64 || other.rows < fewest.max(2) as f64 {
            return None;
        }
        let (own, others) = (self.variance(), other.variance());
        let both = own + others;
        let t = (self.mean() - other.mean()) / both.sqrt();
        let degrees = both * both / (own * own / (self.rows - 1.0) + others * others / (other.rows - 1.0));
        (t.is_finite() && degrees.is_finite()).then_some((t, degrees))
    }
}

/// What is looked for.
pub struct Search {
    /// At most this many columns make a slice: 1 or 2.
    pub most_columns: usize,
    /// Fewer rows make no slice.
    pub fewest: usize,
}

/// A column's slices and the place of each row.
struct Placed {
    cut: Cut,
    places: Vec<u32>,
}

impl Search {
    /// The suspects among the columns of some rows, worst first.
    ///
    /// # Errors
    /// A column that cannot be cut.
    pub fn look(&self, frame: &DataFrame, on: &Losses<'_>) -> Result<Vec<Suspect>> {
        let placed = |column: &Column| -> Result<Placed> {
            let cut = Cut::learn(column, &Bins::Automatic)?;
            Ok(Placed { places: cut.place(column)?, cut })
        };
        let columns: Vec<Placed> = frame.columns().iter().filter(|column| can_cut(column.dtype())).take(COLUMNS).map(placed).collect::<Result<_>>()?;
        // Losses around zero keep their digits when they are squared.
        let mean = on.loss.iter().zip(on.weight).map(|(loss, weight)| loss * weight).sum::<f64>() / on.weight.iter().sum::<f64>();
        let loss: Vec<f64> = on.loss.iter().map(|loss| loss - mean).collect();
        let mut is_left: Vec<bool> = loss.iter().zip(on.weight).map(|(loss, weight)| loss.is_finite() && *weight > 0.0).collect();
        let mut suspects = Vec::new();
        while suspects.len() < SUSPECTS
            && let Some(suspect) = self.worst(&columns, &loss, on.weight, &is_left)
        {
            for (row, is_left) in is_left.iter_mut().enumerate() {
                *is_left &= !suspect.iter().all(|(column, place)| columns[*column].places[row] == *place);
            }
            suspects.push(Suspect { parts: suspect.into_iter().map(|(column, place)| (columns[column].cut.clone(), place)).collect() });
        }
        Ok(suspects)
    }

    /// The slice that stands out most among the rows that are left: columns, and the place in each.
    fn worst(&self, columns: &[Placed], loss: &[f64], weight: &[f64], is_left: &[bool]) -> Option<Vec<(usize, u32)>> {
        let rows: Vec<usize> = (0..loss.len()).filter(|row| is_left[*row]).collect();
        let mut all = Sums::default();
        for row in &rows {
            all.add(loss[*row], weight[*row]);
        }
        let mut best: Option<(f64, Vec<(usize, u32)>)> = None;
        let mut consider = |t: f64, parts: Vec<(usize, u32)>| {
            if t >= LEAST && best.as_ref().is_none_or(|(most, _)| t > *most) {
                best = Some((t, parts));
            }
        };
        let mut alone: Vec<Vec<Sums>> = Vec::with_capacity(columns.len());
        let mut order: Vec<(f64, usize)> = Vec::with_capacity(columns.len());
        for (number, column) in columns.iter().enumerate() {
            let mut sums = vec![Sums::default(); column.cut.names.len()];
            for row in &rows {
                sums[column.places[*row] as usize].add(loss[*row], weight[*row]);
            }
            let mut most = 0.0_f64;
            for (place, inside) in sums.iter().enumerate() {
                if let Some((t, _)) = inside.worse(&all.without(inside), self.fewest) {
                    most = most.max(t);
                    consider(t, vec![(number, place as u32)]);
                }
            }
            alone.push(sums);
            order.push((most, number));
        }
        order.sort_by(|(a, i), (b, j)| b.total_cmp(a).then(i.cmp(j)));
        let mut paired: Vec<usize> = order.into_iter().take(PAIRED).map(|(_, number)| number).collect();
        paired.sort_unstable();
        if self.most_columns < 2 {
            paired.clear();
        }
        for (i, first) in paired.iter().copied().enumerate() {
            for second in paired[i + 1..].iter().copied() {
                let width = columns[second].cut.names.len();
                let mut sums = vec![Sums::default(); columns[first].cut.names.len() * width];
                for row in &rows {
                    let place = columns[first].places[*row] as usize * width + columns[second].places[*row] as usize;
                    sums[place].add(loss[*row], weight[*row]);
                }
                for (place, inside) in sums.iter().enumerate() {
                    let (one, other) = (place / width, place % width);
                    let Some((t, _)) = inside.worse(&all.without(inside), self.fewest) else { continue };
                    let stands_out = |whole: &Sums| inside.worse(&whole.without(inside), 2).is_some_and(|(t, _)| t >= BEYOND);
                    if stands_out(&alone[first][one]) && stands_out(&alone[second][other]) {
                        consider(t, vec![(first, one as u32), (second, other as u32)]);
                    }
                }
            }
        }
        best.map(|(_, parts)| parts)
    }
}

/// Holds suspects against rows that were not searched, which have the suspects' columns; the confirmed ones first, by what they surely lose more.
///
/// # Errors
/// A column that is missing or has another type.
pub fn judge(suspects: &[Suspect], frame: &DataFrame, on: &Losses<'_>) -> Result<Vec<Judged>> {
    let mut before = vec![false; frame.height()];
    let mut judged = Vec::new();
    let mut chances = Vec::new();
    for suspect in suspects {
        let members = suspect.members(frame)?;
        // Without the rows of earlier suspects, which would pass for this one; and with them, as a reader sees the slice.
        let (mut inside, mut outside) = (Sums::default(), Sums::default());
        let (mut all_inside, mut all_outside) = (Sums::default(), Sums::default());
        let rows = on.loss.iter().zip(on.weight).zip(members.iter().zip(&before));
        for ((loss, weight), (is_in, is_before)) in rows.filter(|((loss, weight), _)| loss.is_finite() && **weight > 0.0) {
            let (side, whole) = if *is_in { (&mut inside, &mut all_inside) } else { (&mut outside, &mut all_outside) };
            whole.add(*loss, *weight);
            if !is_before {
                side.add(*loss, *weight);
            }
        }
        before.iter_mut().zip(&members).for_each(|(before, is_in)| *before |= is_in);
        let (chance, reach) = match inside.worse(&outside, FEWEST) {
            Some((t, degrees)) => (student::upper_tail(t, degrees), student::quantile(CONFIDENCE, degrees)),
            None => (1.0, 0.0),
        };
        let times = all_inside.mean() / all_outside.mean();
        let surely = inside.mean() - outside.mean() - reach * (inside.variance() + outside.variance()).sqrt();
        // What is too small to be worth a name is not asked for.
        chances.push(if times.min(inside.mean() / outside.mean()) >= WORTH { chance } else { 1.0 });
        let rows = members.iter().enumerate().filter(|(_, is_in)| **is_in).map(|(row, _)| row).collect();
        judged.push(Judged { name: suspect.name(), rows, is_confirmed: false, times, surely });
    }
    for (judged, stands) in judged.iter_mut().zip(holm(&chances, 1.0 - CONFIDENCE)) {
        judged.is_confirmed = stands;
    }
    judged.sort_by(|a, b| b.is_confirmed.cmp(&a.is_confirmed).then(b.surely.total_cmp(&a.surely)));
    Ok(judged)
}

/// The columns that suspects are made of, each once.
#[must_use]
pub fn columns_of(suspects: &[Suspect]) -> BTreeSet<&str> {
    suspects.iter().flat_map(Suspect::columns).collect()
}
