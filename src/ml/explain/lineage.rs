//! Which raw column a feature stands for, read off the query that computes the features.
//!
//! People think in the columns they have, not in `town_17`: what all features of a column add is added up. A column that is
//! computed from one column stands for what that one stands for; one that replaces a column of its own name still stands for
//! it (an `impute` that also looks at others); one that is computed from several stands for itself.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// What a feature stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// A column of the raw data, or one that transforms compute from several.
    pub name: String,
    /// The raw columns that it is computed from; itself alone, if it is raw.
    pub from: BTreeSet<String>,
}

impl Origin {
    fn raw(name: &str) -> Self {
        Self { name: name.to_owned(), from: [name.to_owned()].into() }
    }

    /// Is it a column of the raw data?
    #[must_use]
    pub fn is_raw(&self) -> bool {
        self.from.len() == 1 && self.from.contains(&self.name)
    }
}

/// What each of `features` stands for; `frame` is a query over raw columns that makes them.
///
/// # Errors
/// Where the query cannot be built.
pub fn origins(frame: LazyFrame, features: &[String]) -> Result<Vec<Origin>> {
    let plan = frame.to_alp()?;
    // From the last operation to the first; each transform reads one table.
    let mut operations = Vec::new();
    let mut next = Some(plan.lp_top);
    while let Some(node) = next {
        let operation = plan.lp_arena.get(node);
        operations.push(operation);
        next = operation.inputs().next();
    }
    let mut known: BTreeMap<String, Origin> = BTreeMap::new();
    for (i, operation) in operations.into_iter().rev().enumerate() {
        let computed: BTreeMap<String, BTreeSet<String>> =
            operation.exprs().map(|expr| (expr.output_name().to_string(), columns_of(&expr.to_expr(&plan.expr_arena)))).collect();
        let origin = |name: &str| match (computed.get(name), known.get(name)) {
            (Some(from), Some(own)) if from.contains(name) => own.clone(),
            (Some(from), _) => joined(name, from, &known),
            (None, Some(own)) => own.clone(),
            (None, None) if i == 0 => Origin::raw(name),
            (None, None) => Origin { name: name.to_owned(), from: BTreeSet::new() },
        };
        let names = operation.schema(&plan.lp_arena);
        known = names.iter_names().map(|name| (name.to_string(), origin(name))).collect();
    }
    Ok(features.iter().map(|name| known.get(name).cloned().unwrap_or_else(|| Origin { name: name.clone(), from: BTreeSet::new() })).collect())
}

/// What a column stands for that is computed from others.
fn joined(name: &str, columns: &BTreeSet<String>, known: &BTreeMap<String, Origin>) -> Origin {
    let origins: BTreeSet<&Origin> = columns.iter().filter_map(|column| known.get(column)).collect();
    match origins.first() {
        Some(only) if origins.len() == 1 => (*only).clone(),
        _ => Origin { name: name.to_owned(), from: origins.iter().flat_map(|origin| origin.from.iter().cloned()).collect() },
    }
}

/// The columns that an expression reads.
fn columns_of(expr: &Expr) -> BTreeSet<String> {
    expr.into_iter().filter_map(|part| if let Expr::Column(name) = part { Some(name.to_string()) } else { None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Table;
    use crate::ml::transformers::contract_tests::sample;
    use crate::ml::{Chain, FittedChain};
    use crate::value::Value;

    #[test]
    fn features_stand_for_the_column_they_come_from() {
        let yaml = "
            - rename: {vendor: company}
            - impute: {columns: [trip_distance], by: [payment_type], add_indicator: true}
            - derive: {minutes: (EXTRACT(EPOCH FROM dropoff_datetime) - EXTRACT(EPOCH FROM pickup_datetime)) / 60, double: passenger_count * 2}
            - date_parts: {columns: [pickup_datetime]}
            - one_hot: {columns: [company, payment_type]}
            - drop: {columns: [dropoff_datetime]}
            - bin: {columns: [minutes], n_bins: 3}
            - pca: {columns: [passenger_count, trip_distance], n_components: 1}";
        let value = crate::ml::transformers::contract_tests::value(&serde_yaml::from_str(yaml).unwrap());
        let ignored = ["pickup_zip", "dropoff_zip", "pickup_date"].map(|name| (name.to_owned(), crate::data::Role::Ignore));
        let roles = crate::data::Roles::new(ignored.into()).with_target("fare_amount");
        let chain = Chain::parse(&value).unwrap().fit(&Table::of(sample()), &roles, 42).unwrap();
        let chain = FittedChain::load(chain.save()).unwrap();
        let stands_for: BTreeMap<&str, String> = chain
            .features()
            .iter()
            .zip(chain.origins().unwrap())
            .map(|(feature, origin)| (feature.as_str(), if origin.is_raw() { origin.name } else { format!("{} of {}", origin.name, origin.from.len()) }))
            .collect();
        for (feature, origin) in [
            ("company_a", "vendor"),
            ("payment_type_card", "payment_type"),
            ("trip_distance_missing", "trip_distance"),
            ("double", "passenger_count"),
            ("minutes", "minutes of 2"),
            ("pickup_datetime_hour", "pickup_datetime"),
            ("pca_1", "pca_1 of 2"),
            ("shared", "shared"),
        ] {
            assert_eq!(stands_for.get(feature).map(String::as_str), Some(origin), "{feature} of {stands_for:?}");
        }
        assert_eq!(Chain::parse(&Value::List(Vec::new())).unwrap().fit(&Table::of(sample()), &roles, 1).unwrap().origins().unwrap()[0].name, "trip_distance");
    }
}
