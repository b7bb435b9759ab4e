//! `downsample`: training rows of frequent classes are drawn until the classes are balanced; all other rows stay.

use polars::prelude::LazyFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rows::{Chosen, Classes, Lots, When, generator, take};
use crate::error::Result;
use crate::ml::{Fit, Transformer};
use crate::value::Fault;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Downsample {
    column: Option<String>,
    ratio: f64,
    when: When,
}

impl Default for Downsample {
    fn default() -> Self {
        Self { column: None, ratio: 1.0, when: When::Train }
    }
}

impl Transformer for Downsample {
    const NAME: &'static str = "downsample";
    const ALIASES: &'static [&'static str] = &["RandomUnderSampler"];
    const DOC: &'static str = "Draws training rows so that no class is more than `ratio` times as frequent as the rarest one.

As themis' `downsample`. Rows keep their order, the draw follows the recipe's seed. Validation, test and scoring rows stay as they are.
Predicted probabilities are then those of the balanced classes; `class_weight: balanced` in train does the like without leaving rows out.

- `column`: whose values are the classes, default the target
- `ratio`: a number from 1, default 1
- `when`: `train` (default), the only time there is

```yaml
- downsample: {column: vendor, ratio: 2}
```";

    type Fitted = Chosen;

    fn check(&self) -> Result<(), Vec<Fault>> {
        if self.ratio >= 1.0 && self.ratio.is_finite() {
            return Ok(());
        }
        Err(vec![Fault::new(&["ratio".to_owned()], format!("`ratio` is a number from 1, got {}", self.ratio))])
    }

    fn fit(&self, on: Fit<'_>) -> Result<Chosen> {
        Ok(self.plan(on)?.1)
    }

    fn fit_training(&self, on: Fit<'_>) -> Result<(Chosen, LazyFrame)> {
        let (classes, chosen) = self.plan(on)?;
        let mut lots: Vec<Lots> = chosen.counts.iter().map(|class| Lots { left: class.before, wanted: class.after }).collect();
        let mut generator = generator(on.seed, Self::NAME);
        let drawn = classes.of_rows.iter().map(|class| u32::from(lots.get_mut(*class as usize).is_some_and(|lots| lots.draw(&mut generator)))).collect();
        Ok((chosen, take(on.table, drawn)))
    }
}

impl Downsample {
    fn plan(&self, on: Fit<'_>) -> Result<(Classes, Chosen)> {
        let classes = Classes::count(Self::NAME, self.column.as_deref(), on)?;
        let rarest = classes.counts.iter().map(|(_, rows)| *rows).min().unwrap_or(0);
        let most = (self.ratio * rarest as f64).floor() as u64;
        let chosen = classes.chosen(|rows| rows.min(most));
        Ok((classes, chosen))
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::{fit, fit_error, refused, training};

    fn counts(frame: &DataFrame) -> [usize; 3] {
        ["a", "b", "c"].map(|class| frame.column("fare_amount").unwrap().str().unwrap().iter().flatten().filter(|value| *value == class).count())
    }

    #[test]
    fn frequent_classes_are_thinned_out_and_rare_ones_filled_up() {
        let class = |i: i32| {
            if i % 10 == 0 {
                "a"
            } else if i % 10 < 4 {
                "b"
            } else {
                "c"
            }
        };
        let frame = df!("x" => (0..1000).collect::<Vec<i32>>(), "fare_amount" => (0..1000).map(class).collect::<Vec<_>>()).unwrap();
        assert_eq!(counts(&training(&frame, "downsample")), [100, 100, 100]);
        assert_eq!(counts(&training(&frame, "downsample: {ratio: 4.5}")), [100, 300, 450]);
        let up = training(&frame, "upsample: {ratio: 0.5}");
        assert_eq!(counts(&up), [300, 300, 600]);
        assert_eq!(counts(&training(&frame, "upsample")), [600, 600, 600]);
        // Every row is still there, next to its copies.
        let values: Vec<i32> = up.column("x").unwrap().i32().unwrap().iter().flatten().collect();
        assert!(values.is_sorted() && (0..1000).all(|x| values.binary_search(&x).is_ok()));
        assert!(up.equals(&training(&frame, "upsample: {ratio: 0.5}")));
        for yaml in ["downsample", "upsample"] {
            assert_eq!(fit(&frame, yaml).apply(frame.clone().lazy()).unwrap().collect().unwrap().height(), 1000);
        }
    }

    #[test]
    fn numbers_are_no_classes() {
        let frame = df!("fare_amount" => (0..2000).map(f64::from).collect::<Vec<_>>()).unwrap();
        assert!(fit_error(&frame, "upsample").to_string().contains("more than 1000 classes"));
        assert_eq!(fit_error(&frame, "downsample: {column: fare_amoun}").problems[0].hint.as_deref(), Some("did you mean `fare_amount`?"));
        assert_eq!(refused("downsample: {ratio: 0.5}").len() + refused("upsample: {ratio: 2}").len(), 2);
    }
}
