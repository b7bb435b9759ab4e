//! `upsample`: training rows of rare classes are repeated until the classes are balanced; all other rows stay.

use polars::prelude::LazyFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rows::{Chosen, Classes, When, below, generator, take};
use crate::error::Result;
use crate::ml::{Fit, Transformer};
use crate::value::Fault;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Upsample {
    column: Option<String>,
    ratio: f64,
    when: When,
}

impl Default for Upsample {
    fn default() -> Self {
        Self { column: None, ratio: 1.0, when: When::Train }
    }
}

impl Transformer for Upsample {
    const NAME: &'static str = "upsample";
    const ALIASES: &'static [&'static str] = &["RandomOverSampler"];
    const DOC: &'static str = "Repeats training rows so that no class is rarer than `ratio` times the most frequent one.

As imbalanced-learn's `RandomOverSampler`: every row stays, and copies are drawn with the recipe's seed; a copy stands next to its row.
Validation, test and scoring rows stay as they are. Put it last: what is learned behind it counts copies as rows, and
`target_encode` would show a row its copy's target. `class_weight: balanced` in train does the like without copies.

- `column`: whose values are the classes, default the target
- `ratio`: a number above 0 up to 1, default 1
- `when`: `train` (default), the only time there is

```yaml
- upsample: {column: vendor, ratio: 0.8}
```";

    type Fitted = Chosen;

    fn check(&self) -> Result<(), Vec<Fault>> {
        if self.ratio > 0.0 && self.ratio <= 1.0 {
            return Ok(());
        }
        Err(vec![Fault::new(&["ratio".to_owned()], format!("`ratio` is a number above 0 up to 1, got {}", self.ratio))])
    }

    fn fit(&self, on: Fit<'_>) -> Result<Chosen> {
        Ok(self.plan(on)?.1)
    }

    fn fit_training(&self, on: Fit<'_>) -> Result<(Chosen, LazyFrame)> {
        let (classes, chosen) = self.plan(on)?;
        let mut generator = generator(on.seed, Self::NAME);
        // How often each row of a class is there, in the order of its rows.
        let repeated = chosen.counts.iter().map(|class| {
            let mut times = vec![1_u32; class.before as usize];
            for _ in class.before..class.after {
                if let Some(times) = times.get_mut(below(&mut generator, class.before) as usize) {
                    *times += 1;
                }
            }
            times.into_iter()
        });
        let mut repeated: Vec<_> = repeated.collect();
        let times = classes.of_rows.iter().map(|class| repeated.get_mut(*class as usize).and_then(Iterator::next).unwrap_or(1)).collect();
        Ok((chosen, take(on.table, times)))
    }
}

impl Upsample {
    fn plan(&self, on: Fit<'_>) -> Result<(Classes, Chosen)> {
        let classes = Classes::count(Self::NAME, self.column.as_deref(), on)?;
        let most = classes.counts.iter().map(|(_, rows)| *rows).max().unwrap_or(0);
        let least = (self.ratio * most as f64).floor() as u64;
        let chosen = classes.chosen(|rows| rows.max(least));
        Ok((classes, chosen))
    }
}
