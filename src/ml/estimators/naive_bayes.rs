//! Gaussian naive Bayes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shared::{Moments, Refusals, Scaling, Targets, class_weights, not_negative, require_finite, require_width, softmax, sums_by_class};
use crate::error::{Error, Result};
use crate::ml::export::{Feature, Lowering, Said, Why};
use crate::ml::{Coefficient, Estimator, Matrix, Predict, Predictions, Task, TrainingSet};
use crate::value::Fault;

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NaiveBayes {
    var_smoothing: f64,
}

impl Default for NaiveBayes {
    fn default() -> Self {
        Self { var_smoothing: 1e-9 }
    }
}

/// A share and, for each feature, a normal distribution for every class.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FittedNaiveBayes {
    features: Vec<String>,
    classes: Vec<ClassNormals>,
    /// What each feature contributes; see [`NaiveBayes::DOC`].
    importances: Vec<f64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ClassNormals {
    /// The class's share of the weights; 0 where training had none of it.
    share: f64,
    means: Vec<f64>,
    /// Standard deviations; 0 for features that say nothing.
    deviations: Vec<f64>,
}

impl Estimator for NaiveBayes {
    const NAME: &'static str = "naive_bayes";
    const ALIASES: &'static [&'static str] = &["gaussian_nb", "GaussianNB"];
    const DOC: &'static str = "\
Gaussian naive Bayes: every feature is normal within a class and independent of the others there.

Three passes over the rows, nothing to tune: a quick second opinion for classes (`multinomial_nb` for counts,
`bernoulli_nb` for yes and no). Its scores tend to the
extremes where features are correlated. Row weights and class weights count. Missing values are refused.
Importances are each feature's share of Σ shareₖ (meanₖ − mean)² / σ², the distance between the classes in
standard deviations within them.

Parameters:
- `var_smoothing` (number ≥ 0, default 1e-9): this share of the largest variance of any feature is added to
  every variance, so that none is zero.

Source: scikit-learn `GaussianNB`; here the largest variance counts row weights, so that a weight of 2 equals
the row twice.

```yaml
steps:
  train:
    using: naive_bayes
    estimator_params: {var_smoothing: 1.0e-9}
```
";

    type Fitted = FittedNaiveBayes;

    fn supports(task: &Task) -> bool {
        task.classes() >= 2
    }

    fn check(&self) -> Result<(), Vec<Fault>> {
        Refusals::default().unless(not_negative(self.var_smoothing), "var_smoothing", "must be a number ≥ 0").done()
    }

    fn fit(&self, on: &TrainingSet) -> Result<FittedNaiveBayes> {
        let weights = class_weights(on)?;
        let scaling = Scaling::of(&Moments::of(on, Self::NAME, &Targets::None)?, true);
        let features = on.features.len();
        let none = vec![vec![0.0; features]; weights.len()];
        let divide = |mut sums: Vec<Vec<f64>>| {
            for (sums, weight) in sums.iter_mut().zip(&weights) {
                for sum in sums.iter_mut() {
                    *sum = if *weight > 0.0 { *sum / weight } else { 0.0 };
                }
            }
            sums
        };
        // Means first, then squares round them: one pass for both would lose digits.
        let means = divide(sums_by_class(on, &scaling, &none, |z, _| z)?);
        let variances = divide(sums_by_class(on, &scaling, &means, |z, mean| (z - mean) * (z - mean))?);

        let total: f64 = weights.iter().sum();
        let over_classes = |of: &dyn Fn(usize) -> f64| (0..weights.len()).map(|k| weights[k] / total * of(k)).sum::<f64>();
        let between: Vec<f64> = (0..features)
            .map(|j| {
                let mean = over_classes(&|k| means[k][j]);
                over_classes(&|k| (means[k][j] - mean) * (means[k][j] - mean))
            })
            .collect();
        let within: Vec<f64> = (0..features).map(|j| over_classes(&|k| variances[k][j])).collect();
        // Comparing variances of features needs one unit; ratios of scales do not overflow where squares would.
        let largest = (0..features).filter(|j| scaling.scale[*j] > 0.0).fold(None, |best: Option<(f64, f64)>, j| {
            let (variance, scale) = (between[j] + within[j], scaling.scale[j]);
            match best {
                Some((other, unit)) if (variance / other).sqrt() <= scale / unit => Some((other, unit)),
                _ => Some((variance, scale)),
            }
        });
        let smoothing: Vec<f64> = (0..features)
            .map(|j| largest.map_or(0.0, |(variance, scale)| self.var_smoothing * variance * (scaling.scale[j] / scale) * (scaling.scale[j] / scale)))
            .collect();
        let says_something: Vec<bool> = (0..features).map(|j| scaling.scale[j] > 0.0 && smoothing[j].is_finite()).collect();
        self.refuse_zero_variance(on, &weights, &variances, &smoothing, &says_something)?;

        let mut importances: Vec<f64> = (0..features).map(|j| if says_something[j] { between[j] / (within[j] + smoothing[j]) } else { 0.0 }).collect();
        let sum: f64 = importances.iter().sum();
        if sum > 0.0 && sum.is_finite() {
            for share in &mut importances {
                *share /= sum;
            }
        }
        let classes = (0..weights.len()).map(|k| {
            let mean = |j: usize| if says_something[j] { means[k][j] / scaling.scale[j] + scaling.centre[j] } else { scaling.centre[j] };
            let deviation = |j: usize| if says_something[j] { (variances[k][j] + smoothing[j]).sqrt() / scaling.scale[j] } else { 0.0 };
            ClassNormals { share: weights[k] / total, means: (0..features).map(mean).collect(), deviations: (0..features).map(deviation).collect() }
        });
        Ok(FittedNaiveBayes { features: on.features.clone(), classes: classes.collect(), importances })
    }
}

impl NaiveBayes {
    fn refuse_zero_variance(&self, on: &TrainingSet, weights: &[f64], variances: &[Vec<f64>], smoothing: &[f64], used: &[bool]) -> Result<()> {
        let flat = |j: usize| used[j] && (0..weights.len()).any(|k| weights[k] > 0.0 && variances[k][j] + smoothing[j] <= 0.0);
        let bad: Vec<String> = (0..used.len()).filter(|j| flat(*j)).map(|j| format!("`{}`", on.features[j])).collect();
        if bad.is_empty() {
            return Ok(());
        }
        Err(Error::data(format!("constant within a class, so no normal distribution fits: {}", bad.join(", ")))
            .hint(format!("raise `var_smoothing`, which is {}, or drop these columns", self.var_smoothing)))
    }
}

impl Predict for FittedNaiveBayes {
    fn predict(&self, features: &Matrix) -> Result<Predictions> {
        require_width(&self.features, features)?;
        require_finite(NaiveBayes::NAME, &self.features, features)?;
        let mut scores: Vec<Vec<f64>> = Vec::with_capacity(self.classes.len());
        for class in &self.classes {
            let used = class.means.iter().zip(&class.deviations).map(|(mean, deviation)| (*mean, *deviation));
            // ln √(2π) is the same for every class.
            let constant = class.share.ln() - used.clone().filter(|(_, d)| *d > 0.0).map(|(_, d)| d.ln()).sum::<f64>();
            let mut logs = vec![constant; features.rows];
            for ((mean, deviation), column) in used.zip(&features.columns).filter(|((_, d), _)| *d > 0.0) {
                for (log, x) in logs.iter_mut().zip(column) {
                    let distance = (x - mean) / deviation;
                    *log -= 0.5 * distance * distance;
                }
            }
            scores.push(logs);
        }
        let mut row = vec![0.0; scores.len()];
        for i in 0..features.rows {
            row.iter_mut().zip(&scores).for_each(|(to, logs)| *to = logs[i]);
            softmax(&mut row);
            if row.iter().any(|score| score.is_nan()) {
                return Err(Error::data(format!("row {} lies too far from every class to be scored", i + 1))
                    .hint("look for wrong units or sentinels such as 1e300 in its features"));
            }
            row.iter().zip(&mut scores).for_each(|(score, logs)| logs[i] = *score);
        }
        Ok(Predictions::Scores(scores))
    }

    fn importances(&self) -> Vec<Coefficient> {
        let line = |(feature, value): (&String, &f64)| Coefficient { feature: feature.clone(), class: None, value: *value, standardised: None };
        self.features.iter().zip(&self.importances).map(line).collect()
    }

    fn lower(&self, features: &[Feature], on: &mut Lowering) -> Result<Said, Why> {
        let features = Feature::numbers(features)?;
        let present: Vec<usize> = (0..self.classes.len()).filter(|k| self.classes[*k].share > 0.0).collect();
        let mut logs = Vec::with_capacity(present.len());
        for class in present.iter().map(|k| &self.classes[*k]) {
            let mut constant = class.share.ln();
            let mut terms = Vec::with_capacity(features.len());
            for ((mean, deviation), x) in class.means.iter().zip(&class.deviations).zip(&features) {
                if *deviation > 0.0 {
                    constant -= deviation.ln();
                    let distance = on.program.plus(*x, -mean);
                    let distance = on.program.over(distance, *deviation);
                    terms.push((on.program.product(distance, distance), -0.5));
                } else {
                    terms.push((*x, 0.0));
                }
            }
            logs.push(on.program.sum(terms, constant));
        }
        let scores = on.program.softmax(&logs);
        Ok(Said::among(scores, self.classes.len(), &present, on))
    }

    fn describe(&self) -> String {
        format!("naive_bayes, {} classes of {} normal features", self.classes.len(), self.features.len())
    }
}
