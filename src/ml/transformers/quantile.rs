//! `quantile`: values become their rank among training's, spread evenly or as a normal distribution.
//!
//! Definitions are scikit-learn 1.9's `QuantileTransformer`, except that all training rows count, not a sample of 10,000.

use std::sync::Arc;

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scaling::require_finite;
use crate::card::{self, Cell};
use crate::error::Result;
use crate::ml::export::{Lowering, Why};
use crate::ml::selector::{ColumnKind, Selector, column, require};
use crate::ml::{Apply, Fit, Transformer, reduce};
use crate::value::Fault;

/// A normal result is cut off this share from either end.
pub(in crate::ml) const EDGE: f64 = 1e-7;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quantile {
    columns: Selector,
    n_quantiles: usize,
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Output {
    Uniform,
    Normal,
}

impl Default for Quantile {
    fn default() -> Self {
        Self { columns: Selector::numeric(), n_quantiles: 1000, output: Output::Uniform }
    }
}

/// Fitted: training's quantiles of each column at equal steps.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedQuantile {
    output: Output,
    columns: Vec<Ranked>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Ranked {
    name: String,
    /// Ascending; none where training has no value.
    quantiles: Vec<f64>,
}

impl Transformer for Quantile {
    const NAME: &'static str = "quantile";
    const ALIASES: &'static [&'static str] = &["QuantileTransformer", "quantile_transform", "percentile"];
    const DOC: &'static str = "Replaces numbers by their rank among training's values, so that they are spread evenly or normally.

As scikit-learn's `QuantileTransformer`, learned from all rows: between two quantiles the result is interpolated, values beyond
training's range become the smallest or largest result. Missing values stay missing.

- `columns`: selector, default `numeric()`
- `n_quantiles`: how many quantiles are kept, at most as many as training rows, from 2; default 1000
- `output`: `uniform` (default: from 0 to 1) or `normal` (mean 0, deviation 1, cut off at ±5.2)

```yaml
- quantile: {columns: [trip_distance], n_quantiles: 100, output: normal}
```";

    type Fitted = FittedQuantile;

    fn check(&self) -> Result<(), Vec<Fault>> {
        if (2..=100_000).contains(&self.n_quantiles) {
            return Ok(());
        }
        Err(vec![Fault::new(&["n_quantiles".to_owned()], format!("`n_quantiles` is a whole number from 2 to 100,000, got {}", self.n_quantiles))])
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedQuantile> {
        let columns = self.columns.resolve(on)?;
        require(Self::NAME, on.table, &columns, ColumnKind::NUMBERS)?;
        require_finite(Self::NAME, &columns, &reduce::moments(on.table, &columns)?)?;
        let count = self.n_quantiles.min(on.table.rows()?).max(1);
        let shares: Vec<f64> = (0..count).map(|i| i as f64 / (count - 1).max(1) as f64).collect();
        let quantiles = reduce::quantiles(on.table, &columns, &shares)?;
        let ranked = columns.into_iter().zip(quantiles).map(|(name, mut quantiles)| {
            quantiles.retain(|q| !q.is_nan());
            Ranked { name, quantiles }
        });
        Ok(FittedQuantile { output: self.output, columns: ranked.collect() })
    }
}

impl Output {
    /// The result for a value that is there, from quantiles in ascending order.
    fn of(self, x: f64, quantiles: &[f64]) -> f64 {
        let (Some(first), Some(last)) = (quantiles.first(), quantiles.last()) else { return x };
        let rank = match self {
            Self::Uniform if x == *first => 0.0,
            Self::Uniform if x == *last => 1.0,
            Self::Normal if x - EDGE < *first => 0.0,
            Self::Normal if x + EDGE > *last => 1.0,
            _ => rank(x, quantiles),
        };
        match self {
            Self::Uniform => rank,
            Self::Normal => {
                let edge = EDGE - f64::EPSILON;
                normal_quantile(rank).clamp(normal_quantile(edge), normal_quantile(1.0 - edge))
            }
        }
    }
}

/// The place of `x` among `quantiles` as a share; where several are equal to it, the middle of theirs.
fn rank(x: f64, quantiles: &[f64]) -> f64 {
    let steps = quantiles.len().saturating_sub(1).max(1) as f64;
    let below = quantiles.partition_point(|q| *q < x);
    let up_to = quantiles.partition_point(|q| *q <= x);
    if up_to > below {
        return (below as f64 + (up_to - 1) as f64) / (2.0 * steps);
    }
    let (Some(high), Some(low)) = (quantiles.get(below), below.checked_sub(1).and_then(|i| quantiles.get(i))) else {
        return if below == 0 { 0.0 } else { 1.0 };
    };
    ((below - 1) as f64 + (x - low) / (high - low)) / steps
}

/// The standard normal distribution's quantile to about 1e-15, by Wichura's rational approximations (1988, AS 241, PPND16);
/// infinite at 0 and 1.
pub(in crate::ml) fn normal_quantile(share: f64) -> f64 {
    const NEAR: [[f64; 8]; 2] = [
        [
            3.387_132_872_796_366_5,
            133.141_667_891_784_38,
            1_971.590_950_306_551_3,
            13_731.693_765_509_46,
            45_921.953_931_549_87,
            67_265.770_927_008_7,
            33_430.575_583_588_13,
            2_509.080_928_730_122_7,
        ],
        [
            1.0,
            42.313_330_701_600_91,
            687.187_007_492_057_9,
            5_394.196_021_424_751,
            21_213.794_301_586_597,
            39_307.895_800_092_71,
            28_729.085_735_721_943,
            5_226.495_278_852_854,
        ],
    ];
    const MIDDLE: [[f64; 8]; 2] = [
        [
            1.423_437_110_749_683_5,
            4.630_337_846_156_546,
            5.769_497_221_460_691,
            3.647_848_324_763_204_5,
            1.270_458_252_452_368_4,
            0.241_780_725_177_450_6,
            0.022_723_844_989_269_184,
            0.000_774_545_014_278_341_4,
        ],
        [
            1.0,
            2.053_191_626_637_759,
            1.676_384_830_183_803_8,
            0.689_767_334_985_1,
            0.148_103_976_427_480_08,
            0.015_198_666_563_616_457,
            0.000_547_593_808_499_534_5,
            1.050_750_071_644_416_9e-9,
        ],
    ];
    const FAR: [[f64; 8]; 2] = [
        [
            6.657_904_643_501_103,
            5.463_784_911_164_114,
            1.784_826_539_917_291_3,
            0.296_560_571_828_504_87,
            0.026_532_189_526_576_124,
            0.001_242_660_947_388_078_4,
            2.711_555_568_743_487_6e-5,
            2.010_334_399_292_288_1e-7,
        ],
        [
            1.0,
            0.599_832_206_555_888,
            0.136_929_880_922_735_8,
            0.014_875_361_290_850_615,
            0.000_786_869_131_145_613_3,
            1.846_318_317_510_054_8e-5,
            1.421_511_758_316_446e-7,
            2.044_263_103_389_939_7e-15,
        ],
    ];
    let ratio = |[above, below]: [[f64; 8]; 2], r: f64| {
        let value = |terms: [f64; 8]| terms.iter().rev().fold(0.0, |total, term| total * r + term);
        value(above) / value(below)
    };
    let middle = share - 0.5;
    if middle.abs() <= 0.425 {
        return middle * ratio(NEAR, 0.180_625 - middle * middle);
    }
    let tail = if middle < 0.0 { share } else { 1.0 - share };
    if tail <= 0.0 {
        return middle.signum() * f64::INFINITY;
    }
    let r = (-tail.ln()).sqrt();
    middle.signum() * if r <= 5.0 { ratio(MIDDLE, r - 1.6) } else { ratio(FAR, r - 5.0) }
}

impl Apply for FittedQuantile {
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        let place = |c: &Ranked| {
            let (output, quantiles) = (self.output, Arc::new(c.quantiles.clone()));
            let of = move |values: Column| Ok(values.f64()?.apply_values(|x| if x.is_nan() { x } else { output.of(x, &quantiles) }).into_column());
            column(&c.name).cast(DataType::Float64).map(of, |_, field| Ok(field.clone()))
        };
        Ok(frame.with_columns(self.columns.iter().map(place).collect::<Vec<_>>()))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        if matches!(self.output, Output::Normal) {
            return Err(Why::new("gives normal quantiles, for which ONNX and SQL have no operation"));
        }
        for column in self.columns.iter().filter(|column| !column.quantiles.is_empty()) {
            let x = on.number(&column.name)?;
            // Where quantiles are equal, a curve to the right ends at their last rank and one to the left at their first.
            let steps = column.quantiles.len().saturating_sub(1).max(1) as f64;
            let ranks: Vec<f64> = (0..column.quantiles.len()).map(|i| i as f64 / steps).collect();
            let (back, minus): (Vec<f64>, Vec<f64>) = (ranks.iter().rev().copied().collect(), column.quantiles.iter().rev().map(|q| -q).collect());
            let right = on.program.curve(x, &column.quantiles, &ranks);
            let turned = on.program.times(x, -1.0);
            let left = on.program.curve(turned, &minus, &back);
            let middle = on.program.sum([(right, 0.5), (left, 0.5)], 0.0);
            // Training's least and greatest value are 0 and 1, however often they occur.
            let (first, last) = (column.quantiles.first().copied().unwrap_or_default(), column.quantiles.last().copied().unwrap_or_default());
            let (is_first, is_last) = (on.program.equals(x, first), on.program.equals(x, last));
            let (zero, one) = (on.program.number(0.0), on.program.number(1.0));
            let rank = on.program.choose(vec![(is_first, zero), (is_last, one)], middle);
            on.set_number(&column.name, rank);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let at = |c: &Ranked, share: f64| c.quantiles.get(((c.quantiles.len().saturating_sub(1)) as f64 * share).round() as usize).copied();
        let row = |c: &Ranked| {
            let shown = [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| at(c, share).into());
            [Cell::Text(c.name.clone()), c.quantiles.len().into()].into_iter().chain(shown).collect()
        };
        let columns = ["column", "quantiles", "smallest", "25 %", "median", "75 %", "largest"].map(str::to_owned).to_vec();
        vec![card::Table { caption: String::new(), columns, rows: self.columns.iter().map(row).collect() }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::transformers::contract_tests::{close, fit, refused};

    /// Computed by `python tests/golden/numeric_transforms.py` with scikit-learn 1.9.1.
    #[test]
    fn it_agrees_with_scikit_learn() {
        let train = df!("x" => [Some(3.0), Some(1.0), None, Some(3.0), Some(8.0), Some(2.0), Some(3.0), Some(10.0)]).unwrap();
        let later = df!("x" => [Some(0.0), Some(1.0), Some(1.5), Some(3.0), Some(4.0), Some(9.5), Some(10.0), Some(11.0), None]).unwrap();
        let cases: [(&str, usize, [f64; 9]); 4] = [
            ("uniform", 3, [0.0, 0.0, 0.125, 0.5, 0.571_428_571_428_571_4, 0.964_285_714_285_714_2, 1.0, 1.0, f64::NAN]),
            ("uniform", 8, [0.0, 0.0, 0.083_333_333_333_333_31, 0.5, 0.671_428_571_428_571_7, 0.958_333_333_333_333_4, 1.0, 1.0, f64::NAN]),
            (
                "normal",
                3,
                [
                    -5.199_337_582_605_575,
                    -5.199_337_582_605_575,
                    -1.150_349_380_376_007_9,
                    0.0,
                    0.180_012_369_792_704_96,
                    1.802_743_090_739_189_3,
                    5.199_337_582_703_42,
                    5.199_337_582_703_42,
                    f64::NAN,
                ],
            ),
            (
                "normal",
                8,
                [
                    -5.199_337_582_605_575,
                    -5.199_337_582_605_575,
                    -1.382_994_127_100_638,
                    0.0,
                    0.443_861_311_926_248_45,
                    1.731_664_396_122_245_3,
                    5.199_337_582_703_42,
                    5.199_337_582_703_42,
                    f64::NAN,
                ],
            ),
        ];
        for (output, count, expected) in cases {
            let fitted = fit(&train, &format!("quantile: {{output: {output}, n_quantiles: {count}}}"));
            close(&fitted.apply(later.clone().lazy()).unwrap().collect().unwrap(), "x", &expected);
        }
    }

    /// scipy 1.17.1, `stats.norm.ppf`.
    #[test]
    fn the_normal_quantile_is_scipys() {
        let cases = [
            (1e-300, -37.047_096_299_361_2),
            (1e-12, -7.034_483_825_301_131),
            (0.001, -3.090_232_306_167_813),
            (0.07, -1.475_791_028_179_170_6),
            (0.3, -0.524_400_512_708_040_9),
            (0.5, 0.0),
            (0.925, 1.439_531_470_938_456_3),
            (0.999_999, 4.753_424_308_817_087),
        ];
        for (share, expected) in cases {
            let found = normal_quantile(share);
            assert!((found - expected).abs() <= 1e-14 * expected.abs(), "{share}: {found} is not {expected}");
        }
        assert_eq!((normal_quantile(0.0), normal_quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    }

    #[test]
    fn constant_and_empty_columns_stay_what_they_are() {
        let frame = df!("c" => [7_i64; 3], "n" => [None::<f64>; 3]).unwrap();
        let out = crate::ml::transformers::contract_tests::fit_apply(&frame, "quantile: {}");
        close(&out, "c", &[0.0; 3]);
        close(&out, "n", &[f64::NAN; 3]);
    }

    #[test]
    fn fewer_than_two_quantiles_are_refused() {
        assert_eq!(refused("quantile: {n_quantiles: 1}"), ["n_quantiles: `n_quantiles` is a whole number from 2 to 100,000, got 1"]);
    }
}
