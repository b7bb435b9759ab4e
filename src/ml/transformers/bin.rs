//! `bin`: numbers become the index of an interval.

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scaling::require_finite;
use crate::card::{self, Cell};
use crate::error::Result;
use crate::ml::export::{Lowering, Why};
use crate::ml::reduce::{self, Moments};
use crate::ml::selector::{ColumnKind, Selector, column, require};
use crate::ml::{Apply, Fit, Transformer};
use crate::value::Fault;

const MOST_BINS: usize = 1000;
/// Intervals narrower than this are joined with the one before, as in scikit-learn.
const NARROWEST: f64 = 1e-8;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    columns: Selector,
    #[serde(default)]
    strategy: Strategy,
    #[serde(default = "five")]
    n_bins: usize,
    #[serde(default)]
    edges: Vec<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Strategy {
    #[default]
    Quantile,
    Uniform,
}

fn five() -> usize {
    5
}

/// Fitted: the inner edges of each column, ascending.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedBin {
    columns: Vec<Edges>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Edges {
    name: String,
    edges: Vec<f64>,
}

impl Transformer for Bin {
    const NAME: &'static str = "bin";
    const ALIASES: &'static [&'static str] = &["KBinsDiscretizer", "discretize", "cut"];
    const DOC: &'static str = "Turns numbers into the index of the interval they lie in: 0, 1, 2, …

An interval holds its lower edge; the first and the last are open, so values beyond training's fall into them. Intervals
of no width (1e-8 or less) are joined, so there may be fewer than `n_bins`. Missing values stay missing.

- `columns`: selector, required
- `strategy`: `quantile` (default: as many training rows in each, linear interpolation) or `uniform` (equal widths)
- `n_bins`: whole number in [2, 1000], default 5
- `edges`: ascending numbers between the intervals, instead of `strategy` and `n_bins`

```yaml
- bin: {columns: [trip_distance], strategy: quantile, n_bins: 10}
- bin: {columns: [passenger_count], edges: [2, 4]}   # 0 below 2, 1 below 4, 2 from 4 on
```";

    type Fitted = FittedBin;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        if !(2..=MOST_BINS).contains(&self.n_bins) {
            faults.push(Fault::new(&["n_bins".to_owned()], format!("expected a whole number in [2, {MOST_BINS}], got `{}`", self.n_bins)));
        }
        let ascending = self.edges.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
        if !ascending || self.edges.len() >= MOST_BINS || self.edges.iter().any(|edge| !edge.is_finite()) {
            faults.push(Fault::new(&["edges".to_owned()], format!("expected fewer than {MOST_BINS} finite numbers, each larger than the one before")));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedBin> {
        let columns = self.columns.resolve(on)?;
        require(Self::NAME, on.table, &columns, ColumnKind::NUMBERS)?;
        if !self.edges.is_empty() {
            return Ok(FittedBin { columns: columns.into_iter().map(|name| Edges { name, edges: self.edges.clone() }).collect() });
        }
        let moments = reduce::moments(on.table, &columns)?;
        require_finite(Self::NAME, &columns, &moments)?;
        let shares: Vec<f64> = (0..=self.n_bins).map(|i| i as f64 / self.n_bins as f64).collect();
        let all: Vec<Vec<f64>> = match self.strategy {
            Strategy::Quantile => reduce::quantiles(on.table, &columns, &shares)?,
            Strategy::Uniform => {
                let edge = |m: &Moments, i: usize| (m.max - m.min) / self.n_bins as f64 * i as f64 + m.min;
                moments.iter().map(|m| (0..=self.n_bins).map(|i| edge(m, i)).collect()).collect()
            }
        };
        Ok(FittedBin { columns: columns.into_iter().zip(all).map(|(name, all)| Edges { name, edges: inner(&all) }).collect() })
    }
}

/// Drops edges that follow too closely and the two outermost ones.
fn inner(all: &[f64]) -> Vec<f64> {
    let Some((first, rest)) = all.split_first() else { return Vec::new() };
    let mut before = first;
    let mut kept: Vec<f64> = Vec::new();
    for edge in rest {
        if edge - before > NARROWEST {
            kept.push(*edge);
        }
        before = edge;
    }
    kept.pop();
    kept
}

impl Apply for FittedBin {
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        let index = |c: &Edges| {
            let x = column(&c.name).cast(DataType::Float64);
            let above: Vec<Expr> = c.edges.iter().map(|edge| x.clone().gt_eq(lit(*edge)).cast(DataType::Int64)).collect();
            let index = if above.is_empty() { lit(0_i64) } else { polars::lazy::dsl::sum_horizontal(above, true)?.cast(DataType::Int64) };
            Ok(when(x.clone().is_null().or(x.is_nan())).then(lit(NULL)).otherwise(index).alias(c.name.as_str()))
        };
        Ok(frame.with_columns(self.columns.iter().map(index).collect::<Result<Vec<_>>>()?))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        for column in &self.columns {
            let x = on.number(&column.name)?;
            let mut above = Vec::with_capacity(column.edges.len());
            for edge in &column.edges {
                let is = on.program.from(x, *edge);
                above.push((on.program.as_number(is), 1.0));
            }
            let (is_missing, missing) = (on.program.is_missing(x), on.program.missing());
            let index = on.program.sum(above, 0.0);
            let index = on.program.choose(vec![(is_missing, missing)], index);
            on.set_number(&column.name, index);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let text = |c: &Edges| c.edges.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
        let rows = self.columns.iter().map(|c| vec![Cell::Text(c.name.clone()), (c.edges.len() + 1).into(), Cell::Text(text(c))]);
        vec![card::Table { caption: String::new(), columns: ["column", "intervals", "edges"].map(str::to_owned).to_vec(), rows: rows.collect() }]
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::{close, fit_apply, refused};

    #[test]
    fn it_agrees_with_scikit_learn() {
        let frame = df!("x" => [-2.0, -1.0, 0.5, 0.5, 0.5, 3.0, 4.0, 9.0]).unwrap();
        close(&fit_apply(&frame, "bin: {columns: x, strategy: uniform, n_bins: 4}"), "x", &[0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0]);
        close(&fit_apply(&frame, "bin: {columns: x, n_bins: 4}"), "x", &[0.0, 0.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0]);
    }

    #[test]
    fn given_edges_part_the_line_and_missing_stays_missing() {
        let frame = df!("x" => [Some(1.0), Some(2.0), Some(4.0), None, Some(f64::NAN)]).unwrap();
        let binned = fit_apply(&frame, "bin: {columns: x, edges: [2, 4]}");
        close(&binned, "x", &[0.0, 1.0, 2.0, f64::NAN, f64::NAN]);
        assert_eq!(refused("bin: {columns: x, edges: [2, 2], n_bins: 1}").len(), 2);
    }
}
