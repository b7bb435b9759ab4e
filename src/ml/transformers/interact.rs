//! `interact`: products of two columns, for models that cannot find them by themselves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels::{self, Names};
use super::products::{Product, Products, refuse_too_many};
use crate::error::Result;
use crate::ml::selector::{ColumnKind, Selector, require};
use crate::ml::{Fit, Transformer};

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interact {
    columns: Selector,
    #[serde(default)]
    with: Option<Selector>,
}

impl Transformer for Interact {
    const NAME: &'static str = "interact";
    const DOC: &'static str = "Adds the product of each column of one selector with each of another.

`a` and `b` give `a_x_b`. The columns are numbers or booleans: encode others first, and select what came of them, such as
`starts_with(vendor_)`. A column is not multiplied by itself, and each pair once. Missing where one of the two is. At most 10,000 new columns.

- `columns`: selector, required
- `with`: selector; default: the same columns, each pair of them

```yaml
- interact: {columns: [trip_distance], with: [passenger_count, shared]}
```";

    type Fitted = Products;

    fn fit(&self, on: Fit<'_>) -> Result<Products> {
        let left = levels::encodable(&self.columns, on, Self::NAME)?;
        let right = self.with.as_ref().map_or_else(|| Ok(left.clone()), |with| levels::encodable(with, on, Self::NAME))?;
        require(Self::NAME, on.table, &left, ColumnKind::NUMBERS)?;
        require(Self::NAME, on.table, &right, ColumnKind::NUMBERS)?;
        let mut pairs: Vec<[&String; 2]> = Vec::new();
        for a in &left {
            refuse_too_many(Self::NAME, pairs.len())?;
            let is_new = |b: &&String| a != *b && !(left.contains(b) && right.contains(a) && pairs.contains(&[*b, a]));
            let new: Vec<[&String; 2]> = right.iter().filter(is_new).map(|b| [a, b]).collect();
            pairs.extend(new);
        }
        refuse_too_many(Self::NAME, pairs.len())?;
        let mut names = Names::new(on.table.names().chain(on.roles.iter().map(|(name, _)| name)));
        let product = |[a, b]: [&String; 2]| Product { name: names.give(&format!("{a}_x_{b}")), factors: vec![a.clone(), b.clone()] };
        Ok(Products { products: pairs.into_iter().map(product).collect() })
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::{close, fit_apply, fit_error};

    fn frame() -> DataFrame {
        df!("a" => [Some(2.0), None], "b" => [3_i64, 4], "c" => [true, false], "a_x_b" => [0.0, 0.0], "s" => ["x", "y"]).unwrap()
    }

    #[test]
    fn pairs_are_multiplied_once_and_taken_names_get_a_number() {
        let out = fit_apply(&frame(), "interact: {columns: [a, b, c]}");
        assert_eq!(out.get_column_names()[5..], ["a_x_b_2", "a_x_c", "b_x_c"]);
        close(&out, "a_x_b_2", &[6.0, f64::NAN]);
        close(&out, "b_x_c", &[3.0, 0.0]);
        let out = fit_apply(&frame(), "interact: {columns: [a, b], with: [b, c]}");
        assert_eq!(out.get_column_names()[5..], ["a_x_b_2", "a_x_c", "b_x_c"]);
    }

    #[test]
    fn text_and_the_target_are_refused() {
        assert_eq!(fit_error(&frame(), "interact: {columns: [a, s]}").to_string(), "`interact` takes integer, float, boolean columns, not `s` (str)");
        let target = df!("a" => [1.0], "fare_amount" => [1.0]).unwrap();
        assert_eq!(fit_error(&target, "interact: {columns: a, with: fare_amount}").to_string(), "`interact` cannot take `fare_amount` (target)");
    }
}
