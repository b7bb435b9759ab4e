//! `polynomial`: powers and products of columns up to a degree.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels::{self, Names};
use super::products::{MOST_OUTPUTS, Product, Products, refuse_too_many};
use crate::error::Result;
use crate::ml::selector::{ColumnKind, Selector, require};
use crate::ml::{Fit, Transformer};
use crate::value::Fault;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Polynomial {
    columns: Selector,
    #[serde(default = "two")]
    degree: usize,
    #[serde(default)]
    interaction_only: bool,
}

fn two() -> usize {
    2
}

impl Transformer for Polynomial {
    const NAME: &'static str = "polynomial";
    const ALIASES: &'static [&'static str] = &["poly", "PolynomialFeatures"];
    const DOC: &'static str = "Adds powers and products of numeric columns up to a degree.

As scikit-learn's `PolynomialFeatures` without its constant column; the columns themselves stay. `a` and `b` give `a^2`,
`a_x_b` and `b^2`. Missing where a factor is. At most 10,000 new columns.

- `columns`: selector, required
- `degree`: from 2 to 10, default 2
- `interaction_only`: boolean, default `false`: only products of different columns

```yaml
- polynomial: {columns: [trip_distance, passenger_count], degree: 3}
```";

    type Fitted = Products;

    fn check(&self) -> Result<(), Vec<Fault>> {
        if (2..=10).contains(&self.degree) {
            return Ok(());
        }
        Err(vec![Fault::new(&["degree".to_owned()], format!("`degree` is a whole number from 2 to 10, got {}", self.degree))])
    }

    fn fit(&self, on: Fit<'_>) -> Result<Products> {
        let columns = levels::encodable(&self.columns, on, Self::NAME)?;
        require(Self::NAME, on.table, &columns, ColumnKind::NUMBERS)?;
        let mut names = Names::new(on.table.names().chain(on.roles.iter().map(|(name, _)| name)));
        let mut products = Vec::new();
        // Each term of the degree before, times each column from its last one on.
        let mut terms: Vec<Vec<usize>> = (0..columns.len()).map(|i| vec![i]).collect();
        for _ in 2..=self.degree {
            let mut longer = Vec::new();
            for term in &terms {
                let from = term.last().map_or(0, |last| last + usize::from(self.interaction_only));
                longer.extend((from..columns.len()).map(|next| [term.as_slice(), &[next]].concat()));
                if longer.len() > MOST_OUTPUTS {
                    refuse_too_many(Self::NAME, products.len() + longer.len())?;
                }
            }
            refuse_too_many(Self::NAME, products.len() + longer.len())?;
            for term in &longer {
                let factors: Vec<String> = term.iter().filter_map(|i| columns.get(*i).cloned()).collect();
                products.push(Product { name: names.give(&called(&factors)), factors });
            }
            terms = longer;
        }
        Ok(Products { products })
    }
}

/// `a`, `a`, `b` as `a^2_x_b`.
fn called(factors: &[String]) -> String {
    let power = |same: &[String]| match same {
        [one] => one.clone(),
        [one, ..] => format!("{one}^{}", same.len()),
        [] => String::new(),
    };
    factors.chunk_by(|a, b| a == b).map(power).collect::<Vec<_>>().join("_x_")
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::Matrix;
    use crate::ml::transformers::contract_tests::{fit_apply, fit_error, refused};

    /// `python tests/golden/numeric_transforms.py` with scikit-learn 1.9.1; every value is exact.
    #[test]
    fn terms_and_their_order_are_scikit_learns() {
        let frame = df!("a" => [2.0, 3.0], "b" => [-1.0, 4.0], "c" => [0.5, 1.5]).unwrap();
        let rows = |yaml: &str| {
            let out = fit_apply(&frame, yaml);
            let names: Vec<String> = out.get_column_names().iter().map(ToString::to_string).collect();
            let columns = Matrix::of(&out, &names).unwrap().columns;
            (names.join(" "), [0, 1].map(|row| columns.iter().map(|column| column[row]).collect::<Vec<_>>()))
        };
        let (names, [first, second]) = rows("polynomial: {columns: '*'}");
        assert_eq!(names, "a b c a^2 a_x_b a_x_c b^2 b_x_c c^2");
        assert_eq!(first, [2.0, -1.0, 0.5, 4.0, -2.0, 1.0, 1.0, -0.5, 0.25]);
        assert_eq!(second, [3.0, 4.0, 1.5, 9.0, 12.0, 4.5, 16.0, 6.0, 2.25]);
        let (names, [first, _]) = rows("polynomial: {columns: '*', degree: 3, interaction_only: true}");
        assert_eq!(names, "a b c a_x_b a_x_c b_x_c a_x_b_x_c");
        assert_eq!(first, [2.0, -1.0, 0.5, -2.0, 1.0, -0.5, -1.0]);
        let (names, [_, second]) = rows("polynomial: {columns: '*', degree: 3}");
        assert!(names.ends_with("c^2 a^3 a^2_x_b a^2_x_c a_x_b^2 a_x_b_x_c a_x_c^2 b^3 b^2_x_c b_x_c^2 c^3"), "{names}");
        assert_eq!(second[9..], [27.0, 36.0, 13.5, 48.0, 18.0, 6.75, 64.0, 24.0, 9.0, 3.375]);
    }

    #[test]
    fn too_many_terms_are_refused() {
        assert_eq!(refused("polynomial: {columns: '*', degree: 1}"), ["degree: `degree` is a whole number from 2 to 10, got 1"]);
        let columns = (0..60).map(|i| Column::new(format!("x{i}").into(), [1.0])).collect();
        let error = fit_error(&DataFrame::new(1, columns).unwrap(), "polynomial: {columns: '*', degree: 3}");
        assert!(error.to_string().ends_with("more than 10000"), "{error}");
    }
}
