//! `filter`: training rows that an SQL expression keeps; all other rows stay.

use polars::prelude::LazyFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rows::{Chosen, When};
use crate::data::{RowExpression, Table, Wanted};
use crate::error::{Error, Result};
use crate::ml::{Fit, Transformer};

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// A row is kept where this is true.
    #[serde(rename = "where")]
    keep: RowExpression,
    #[serde(default)]
    when: When,
}

impl Transformer for Filter {
    const NAME: &'static str = "filter";
    const DOC: &'static str = "Keeps the training rows for which an SQL expression is true.

Validation, test and scoring rows are never filtered: each of them gets a prediction. To take rows out everywhere, filter them at
`steps.split.post_split_filter`. The expression may name the target. A row for which it is null is left out.

- `where`: an SQL expression, worked out a row at a time, required
- `when`: `train` (default), the only time there is

```yaml
- filter: {where: fare_amount < 50 AND passenger_count IS NOT NULL, when: train}
```";

    type Fitted = Chosen;

    fn fit(&self, on: Fit<'_>) -> Result<Chosen> {
        self.keep.check_against(on.table.schema(), Wanted::Boolean)?;
        let (before, after) = (on.table.rows()? as u64, Table::from_query(self.kept(on))?.rows()? as u64);
        if after > 0 || before == 0 {
            return Ok(Chosen::new(self.keep.text(), before, after));
        }
        Err(Error::data(format!("`filter` leaves no training row: `{}` is true for none of {before}", self.keep.text())).hint("correct the expression"))
    }

    fn fit_training(&self, on: Fit<'_>) -> Result<(Chosen, LazyFrame)> {
        Ok((self.fit(on)?, self.kept(on)))
    }
}

impl Filter {
    fn kept(&self, on: Fit<'_>) -> LazyFrame {
        on.table.lazy().filter(self.keep.expr())
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::{fit, fit_error, refused, training};

    #[test]
    fn training_rows_are_filtered_and_no_others() {
        let frame = df!("x" => [Some(1.0), None, Some(3.0)], "fare_amount" => [1.0, 2.0, 30.0]).unwrap();
        assert_eq!(training(&frame, "filter: {where: fare_amount < 10 AND x > 0}").height(), 1);
        assert_eq!(fit(&frame, "filter: {where: x > 2}").apply(frame.clone().lazy()).unwrap().collect().unwrap().height(), 3);
        assert!(fit_error(&frame, "filter: {where: x > 9}").to_string().starts_with("`filter` leaves no training row"));
        assert!(refused("filter: {where: x > 2, when: always}")[0].contains("when"));
        assert_eq!(refused("filter: {where: SUM(x) > 2}").len(), 1);
    }
}
