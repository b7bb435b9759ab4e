//! What the scaling transforms have in common: a shift and a divisor a column.

use polars::prelude::*;
use serde::{Deserialize, Serialize};

use crate::card::{self, Cell};
use crate::error::{Error, Result};
use crate::ml::Apply;
use crate::ml::export::{Lowering, Why};
use crate::ml::reduce::Moments;
use crate::ml::selector::column;

/// Fitted: each column becomes `(x - center) / scale + offset` as a 64-bit float; missing stays missing.
#[derive(Debug, Serialize, Deserialize)]
pub struct Scaled {
    pub columns: Vec<ScaledColumn>,
    /// What the card calls `center` and `scale`.
    pub called: [String; 2],
    /// Results are brought into this range, where it is set.
    pub within: Option<[f64; 2]>,
}

/// The numbers of one column; all finite.
#[derive(Debug, Serialize, Deserialize)]
pub struct ScaledColumn {
    pub name: String,
    pub center: f64,
    pub scale: f64,
    pub offset: f64,
}

impl Scaled {
    #[must_use]
    pub fn new(columns: Vec<ScaledColumn>, center: &str, scale: &str) -> Self {
        Self { columns, called: [center.to_owned(), scale.to_owned()], within: None }
    }
}

impl ScaledColumn {
    /// A scale of nearly nothing becomes 1, as in scikit-learn: a constant column scales to zero. A column without
    /// any value (numbers that are NaN) is left as it is.
    #[must_use]
    pub fn new(name: &str, center: f64, scale: f64) -> Self {
        let there = |number: f64, instead: f64| if number.is_finite() { number } else { instead };
        let scale = if scale < 10.0 * f64::EPSILON { 1.0 } else { scale };
        Self { name: name.to_owned(), center: there(center, 0.0), scale: there(scale, 1.0), offset: 0.0 }
    }
}

impl Apply for Scaled {
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        let scale = |c: &ScaledColumn| {
            let scaled = (column(&c.name).cast(DataType::Float64) - lit(c.center)) / lit(c.scale);
            let moved = if c.offset == 0.0 { scaled } else { scaled + lit(c.offset) };
            match self.within {
                Some([low, high]) => moved.clip(lit(low), lit(high)),
                None => moved,
            }
        };
        Ok(frame.with_columns(self.columns.iter().map(scale).collect::<Vec<_>>()))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        for column in &self.columns {
            let x = on.number(&column.name)?;
            let centred = on.program.plus(x, -column.center);
            let scaled = on.program.over(centred, column.scale);
            let moved = on.program.plus(scaled, column.offset);
            let within = self.within.map_or(moved, |[low, high]| on.program.clip(moved, Some(low), Some(high)));
            on.set_number(&column.name, within);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let row = |c: &ScaledColumn| vec![Cell::Text(c.name.clone()), Cell::Number(c.center), Cell::Number(c.scale)];
        let [center, scale] = self.called.clone();
        vec![card::Table { caption: String::new(), columns: vec!["column".to_owned(), center, scale], rows: self.columns.iter().map(row).collect() }]
    }
}

/// Refuses columns with infinite values, which have neither a mean nor a range.
///
/// # Errors
/// All of them by name.
pub fn require_finite(transform: &str, columns: &[String], moments: &[Moments]) -> Result<()> {
    let bad: Vec<String> =
        columns.iter().zip(moments).filter(|(_, m)| m.min.is_infinite() || m.max.is_infinite()).map(|(name, _)| format!("`{name}`")).collect();
    if bad.is_empty() {
        return Ok(());
    }
    Err(Error::data(format!("`{transform}` cannot take infinite values: {}", bad.join(", ")))
        .hint("put `- clip: {columns: [...], lower: ..., upper: ...}` before it"))
}
