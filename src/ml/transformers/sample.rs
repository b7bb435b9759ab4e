//! `sample`: some of the training rows, drawn with the seed; all other rows stay.

use polars::prelude::LazyFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rows::{Chosen, Lots, When, generator, take};
use crate::error::Result;
use crate::ml::{Fit, Transformer};
use crate::value::Fault;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, Default, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sample {
    fraction: Option<f64>,
    rows: Option<u64>,
    when: When,
}

impl Transformer for Sample {
    const NAME: &'static str = "sample";
    const DOC: &'static str = "Draws some of the training rows, each at most once, and keeps their order.

The draw follows the recipe's seed. Validation, test and scoring rows are never left out.

- `fraction`: the share of rows that is drawn, above 0 up to 1
- `rows`: how many rows are drawn, from 1; instead of `fraction`; all where there are fewer
- `when`: `train` (default), the only time there is

```yaml
- sample: {fraction: 0.5}
```";

    type Fitted = Chosen;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let fault = |key: &str, message: &str| Err(vec![Fault::new(&[key.to_owned()], message)]);
        match (self.fraction, self.rows) {
            (Some(fraction), None) if fraction > 0.0 && fraction <= 1.0 => Ok(()),
            (Some(_), None) => fault("fraction", "`fraction` is a share above 0 up to 1"),
            (None, Some(0)) => fault("rows", "`rows` is at least 1, got 0"),
            (None, Some(_)) => Ok(()),
            (Some(_), Some(_)) => fault("rows", "give `rows` or `fraction`, not both"),
            (None, None) => Err(vec![Fault::new(&[], "how many rows? give `fraction` or `rows`")]),
        }
    }

    fn fit(&self, on: Fit<'_>) -> Result<Chosen> {
        let rows = on.table.rows()? as u64;
        Ok(Chosen::new("drawn", rows, self.wanted(rows)))
    }

    fn fit_training(&self, on: Fit<'_>) -> Result<(Chosen, LazyFrame)> {
        let rows = on.table.rows()? as u64;
        let mut lots = Lots { left: rows, wanted: self.wanted(rows) };
        let mut generator = generator(on.seed, Self::NAME);
        let drawn = (0..rows).map(|_| u32::from(lots.draw(&mut generator))).collect();
        Ok((self.fit(on)?, take(on.table, drawn)))
    }
}

impl Sample {
    /// At least one row, if there is any.
    fn wanted(&self, rows: u64) -> u64 {
        let wanted = match self.rows {
            Some(wanted) => wanted,
            None => (self.fraction.unwrap_or(1.0) * rows as f64).round() as u64,
        };
        wanted.max(1).min(rows)
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::{fit, refused, training};

    #[test]
    fn as_many_rows_as_wanted_are_drawn_in_order_and_later_rows_stay() {
        let frame = df!("x" => (0..100).collect::<Vec<i32>>()).unwrap();
        let drawn = training(&frame, "sample: {fraction: 0.3}");
        let values: Vec<i32> = drawn.column("x").unwrap().i32().unwrap().iter().flatten().collect();
        assert_eq!(values.len(), 30);
        assert!(values.is_sorted() && values != (0..30).collect::<Vec<_>>(), "{values:?}");
        assert!(drawn.equals(&training(&frame, "sample: {fraction: 0.3}")));
        assert_eq!(training(&frame, "sample: {rows: 1000}").height(), 100);
        assert_eq!(fit(&frame, "sample: {rows: 5}").apply(frame.lazy()).unwrap().collect().unwrap().height(), 100);
        assert_eq!(refused("sample: {rows: 5, fraction: 0.5}"), ["rows: give `rows` or `fraction`, not both"]);
        assert_eq!(refused("sample").len(), 1);
    }
}
