//! Products of columns: what `interact` and `polynomial` share.

use polars::prelude::*;
use serde::{Deserialize, Serialize};

use super::levels;
use crate::card;
use crate::error::{Error, Result, shorten};
use crate::ml::Apply;
use crate::ml::export::{Lowering, Why};
use crate::ml::selector::column;

/// More new columns than this are refused.
pub const MOST_OUTPUTS: usize = 10_000;

/// Fitted: new columns behind those that are there; missing where a factor is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Products {
    pub products: Vec<Product>,
}

/// The product of some columns, each as often as it is named.
#[derive(Debug, Serialize, Deserialize)]
pub struct Product {
    pub name: String,
    pub factors: Vec<String>,
}

impl Apply for Products {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        if self.products.is_empty() {
            return Ok(frame);
        }
        levels::require(&*frame.collect_schema()?, self.products.iter().flat_map(|product| product.factors.iter().map(String::as_str)))?;
        let multiply = |product: &Product| {
            let factor = |name: &String| column(name).cast(DataType::Float64);
            product.factors.iter().map(factor).reduce(|all, next| all * next).unwrap_or(lit(1.0)).alias(product.name.as_str())
        };
        Ok(frame.with_columns(self.products.iter().map(multiply).collect::<Vec<_>>()))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        let mut made = Vec::with_capacity(self.products.len());
        for product in &self.products {
            let factors = product.factors.iter().map(|name| on.number(name)).collect::<Result<Vec<_>, _>>()?;
            let all = factors.into_iter().reduce(|all, next| on.program.product(all, next));
            made.push((&product.name, all.unwrap_or_else(|| on.program.number(1.0))));
        }
        for (name, number) in made {
            on.set_number(name, number);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        const LISTED: usize = 100;
        let more = if self.products.len() > LISTED { format!(", the first {LISTED} shown") } else { String::new() };
        let factors = |product: &Product| product.factors.iter().map(|name| shorten(name)).collect::<Vec<_>>().join(" × ");
        vec![card::Table {
            caption: format!("{} new columns{more}", self.products.len()),
            columns: ["column", "product of"].map(str::to_owned).to_vec(),
            rows: self.products.iter().take(LISTED).map(|product| vec![shorten(&product.name).into(), factors(product).into()]).collect(),
        }]
    }
}

/// Refuses more than [`MOST_OUTPUTS`] products.
///
/// # Errors
/// How many there would be.
pub fn refuse_too_many(transform: &str, count: usize) -> Result<()> {
    if count <= MOST_OUTPUTS {
        return Ok(());
    }
    Err(Error::data(format!("`{transform}` would make {count} columns, more than {MOST_OUTPUTS}")).hint("name fewer columns"))
}
