//! The baseline: predictions that look at no feature.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shared::{class_weights, require_target, wrong_choice};
use crate::error::{Error, Result};
use crate::ml::export::{Feature, Lowering, Said, Why};
use crate::ml::{Estimator, Matrix, Predict, Predictions, Task, TrainingSet};

#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Strategy {
    Mean,
    Median,
    MostFrequent,
    Prior,
    Stratified,
}

impl Strategy {
    fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Median => "median",
            Self::MostFrequent => "most_frequent",
            Self::Prior => "prior",
            Self::Stratified => "stratified",
        }
    }
}

#[derive(Clone, Debug, Default, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dummy {
    strategy: Option<Strategy>,
}

/// What the training target was like.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FittedDummy {
    Number { strategy: String, value: f64 },
    Shares { strategy: String, shares: Vec<f64> },
    Draws { seed: u64, shares: Vec<f64> },
}

impl Estimator for Dummy {
    const NAME: &'static str = "dummy";
    const ALIASES: &'static [&'static str] = &["baseline", "DummyRegressor", "DummyClassifier"];
    const DOC: &'static str = "\
The baseline: the same prediction for every row, whatever its features say.

A model is worth something if it beats this one. Row weights and class weights count. Features may be
missing.

Parameters:
- `strategy`: for numbers `mean` (the default) or `median`; for classes `prior` (the default: the shares of
  the classes in training), `most_frequent` (all of the score to the most frequent class, the first of
  equals) or `stratified` (all of the score to a class drawn with those shares; the draw depends on
  the recipe's seed and the row's features only, so equal rows get equal draws).

Source: scikit-learn `DummyRegressor` and `DummyClassifier`. A weighted median lies between two values where
exactly half of the weight is below, as without weights.

```yaml
steps:
  train:
    using: dummy
    estimator_params: {strategy: prior}
```
";

    type Fitted = FittedDummy;

    fn supports(_: &Task) -> bool {
        true
    }

    fn takes_sparse(&self) -> bool {
        true
    }

    fn fit(&self, on: &TrainingSet) -> Result<FittedDummy> {
        let regression = on.task == Task::Regression;
        let strategy = self.strategy.unwrap_or(if regression { Strategy::Mean } else { Strategy::Prior });
        match (strategy, regression) {
            (Strategy::Mean | Strategy::Median, true) => {
                require_target(on)?;
                let value = if strategy == Strategy::Mean { mean(on)? } else { median(on)? };
                Ok(FittedDummy::Number { strategy: strategy.name().to_owned(), value })
            }
            (Strategy::Prior | Strategy::MostFrequent | Strategy::Stratified, false) => {
                let mut shares = class_weights(on)?;
                let total: f64 = shares.iter().sum();
                for share in &mut shares {
                    *share /= total;
                }
                if strategy == Strategy::Stratified {
                    return Ok(FittedDummy::Draws { seed: on.seed, shares });
                }
                if strategy == Strategy::MostFrequent {
                    let most = shares.iter().enumerate().fold(0, |best, (i, share)| if *share > shares[best] { i } else { best });
                    shares.iter_mut().enumerate().for_each(|(i, share)| *share = f64::from(u8::from(i == most)));
                }
                Ok(FittedDummy::Shares { strategy: strategy.name().to_owned(), shares })
            }
            _ => {
                let fine: &[&str] = if regression { &["mean", "median"] } else { &["prior", "most_frequent", "stratified"] };
                Err(wrong_choice("strategy", strategy.name(), fine))
            }
        }
    }
}

fn no_rows() -> Error {
    Error::data("`dummy` got no row with a weight above 0")
}

fn mean(on: &TrainingSet) -> Result<f64> {
    // Means are joined, not sums, so that very large targets do not overflow.
    let (mean, weight) = on.reduce(
        (0.0, 0.0),
        |chunk| {
            let weight: f64 = chunk.w.iter().sum();
            let mean = chunk.y.iter().zip(&chunk.w).map(|(y, w)| if *w == 0.0 { 0.0 } else { y * (w / weight) }).sum::<f64>();
            Ok((mean, weight))
        },
        |(a, u), (b, v)| if v > 0.0 { (a + (b - a) * (v / (u + v)), u + v) } else { (a, u) },
    )?;
    if weight > 0.0 && mean.is_finite() { Ok(mean) } else { Err(no_rows()) }
}

/// The value with half of the weight below it, or the middle of two where exactly half is.
fn median(on: &TrainingSet) -> Result<f64> {
    let join = |mut a: Vec<(f64, f64)>, b: Vec<(f64, f64)>| {
        a.extend(b);
        a
    };
    let pairs = |w: &[f64], y: &[f64]| y.iter().copied().zip(w.iter().copied()).filter(|(_, w)| *w > 0.0).collect::<Vec<_>>();
    let mut values = on.reduce(Vec::new(), |chunk| Ok(pairs(&chunk.w, &chunk.y)), join)?;
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = values.iter().map(|(_, w)| w).sum::<f64>() / 2.0;
    let mut below = 0.0;
    for (i, (value, weight)) in values.iter().enumerate() {
        below += weight;
        if below > half {
            return Ok(*value);
        }
        if below == half {
            let next = values.get(i + 1).map_or(*value, |(next, _)| *next);
            return Ok(value / 2.0 + next / 2.0);
        }
    }
    values.last().map(|(value, _)| *value).ok_or_else(no_rows)
}

impl Predict for FittedDummy {
    fn predict(&self, features: &Matrix) -> Result<Predictions> {
        Ok(match self {
            Self::Number { value, .. } => Predictions::Values(vec![*value; features.rows]),
            Self::Shares { shares, .. } => Predictions::Scores(shares.iter().map(|share| vec![*share; features.rows]).collect()),
            Self::Draws { seed, shares } => {
                let mut scores = vec![vec![0.0; features.rows]; shares.len()];
                for row in 0..features.rows {
                    let class = draw(uniform(*seed, features, row), shares);
                    if let Some(score) = scores.get_mut(class).and_then(|scores| scores.get_mut(row)) {
                        *score = 1.0;
                    }
                }
                Predictions::Scores(scores)
            }
        })
    }

    fn lower(&self, _features: &[Feature], on: &mut Lowering) -> Result<Said, Why> {
        match self {
            Self::Number { value, .. } => Ok(Said::Values(on.program.number(*value))),
            Self::Shares { shares, .. } => Ok(Said::Scores(shares.iter().map(|share| on.program.number(*share)).collect())),
            Self::Draws { .. } => Err(Why::new("draws by a hash of the row")),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Number { strategy, value } => format!("dummy, {strategy} {}", crate::card::format::number(*value)),
            Self::Shares { strategy, shares } => format!("dummy, {strategy} of {} classes", shares.len()),
            Self::Draws { shares, .. } => format!("dummy, stratified over {} classes", shares.len()),
        }
    }
}

/// The class at a point of 0..1 when the classes' shares are laid end to end.
fn draw(point: f64, shares: &[f64]) -> usize {
    let mut upto = 0.0;
    let mut last = 0;
    for (class, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
        upto += share;
        last = class;
        if point < upto {
            break;
        }
    }
    last
}

/// A number in 0..1 from the seed and a row's features (mixing by `SplitMix64`: Steele, Lea and Flood 2014).
fn uniform(seed: u64, features: &Matrix, row: usize) -> f64 {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let held = features.blocks.iter().flat_map(|block| block.row(row)).flat_map(|(place, value)| [place as f64, value]);
    let values = features.columns.iter().map(|column| column.get(row).copied().unwrap_or(f64::NAN)).chain(held);
    let bits = values.map(|x| if x.is_nan() { u64::MAX } else { (x + 0.0).to_bits() });
    let hash = bits.fold(mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)), |hash, bits| mix(hash.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ bits));
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}
