//! `group_rare`: rare levels of a column, and ones never seen, become one level.
//!
//! What is rare is scikit-learn's rule for infrequent categories; tidymodels calls this `other`.
//! Missing values stay missing: `impute` or `one_hot` say what they become.

use std::collections::HashMap;

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels::{self, Kind, NOTHING, Novel};
use crate::card;
use crate::error::{Result, shorten};
use crate::ml::export::{Lowering, Value, Values, Why};
use crate::ml::{Apply, Fit, Selector, Transformer};
use crate::value::Fault;

/// The share of training rows below which a level is rare where nothing else is said.
const SHARE: f64 = 0.01;

/// Lumps rare levels together.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupRare {
    pub columns: Selector,
    /// Default 0.01 where neither `min_count` nor `max_categories` is given.
    pub min_frequency: Option<f64>,
    pub min_count: Option<u64>,
    pub max_categories: Option<usize>,
    pub other: String,
}

impl Default for GroupRare {
    fn default() -> Self {
        Self { columns: Selector::nominal(), min_frequency: None, min_count: None, max_categories: None, other: "other".to_owned() }
    }
}

/// The levels that stay.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedGroupRare {
    columns: Vec<Grouped>,
    other: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Grouped {
    name: String,
    kind: Kind,
    kept: Vec<String>,
    lumped_levels: u64,
    lumped_rows: u64,
    rows: u64,
}

impl Transformer for GroupRare {
    const NAME: &'static str = "group_rare";
    const ALIASES: &'static [&'static str] = &["other"];
    const DOC: &'static str = "\
Replaces rare levels of a column, and those training did not have, by one level `other`.

The result is text. Missing values stay missing. A level that is called `other` already joins the rare ones.

- `columns`: selector, default `nominal()`
- `min_frequency`: levels below this share of training rows (missing ones counted) are rare, between 0 and 1; default 0.01 unless one of the next two is given
- `min_count`: levels in fewer training rows are rare, from 1
- `max_categories`: at most so many levels remain, `other` among them, from 1; of equally frequent ones the last in order stay
- `other`: the text that replaces them, default `other`

```yaml
- group_rare: {columns: [pickup_zip, dropoff_zip], min_frequency: 0.02, other: rest}
```
";

    type Fitted = FittedGroupRare;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = levels::check_rarity(None, self.max_categories);
        if let Some(share) = self.min_frequency.filter(|share| !(*share > 0.0 && *share < 1.0)) {
            let fault = Fault::new(&["min_frequency".to_owned()], format!("`min_frequency` is a share between 0 and 1, got {share}"));
            faults.push(fault.hint("`min_count` takes a number of rows"));
        }
        if self.min_count == Some(0) {
            faults.push(Fault::new(&["min_count".to_owned()], "`min_count` is at least 1, got 0"));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedGroupRare> {
        let columns = levels::encodable(&self.columns, on, Self::NAME)?;
        let counted = levels::count(on.table, &columns, Self::NAME)?;
        Ok(FittedGroupRare { columns: counted.into_iter().map(|levels| self.group(levels)).collect(), other: self.other.clone() })
    }
}

impl GroupRare {
    fn group(&self, levels: levels::Levels) -> Grouped {
        let share = self.min_frequency.or((self.min_count.is_none() && self.max_categories.is_none()).then_some(SHARE));
        let least = (share.unwrap_or(0.0) * levels.rows as f64).max(self.min_count.unwrap_or(0) as f64);
        let counts: Vec<u64> = levels.known.iter().map(|level| level.rows).collect();
        // A threshold below one row is a count of one: no level is rarer than that.
        let rare = levels::infrequent(&counts, levels.rows, Some(least.max(1.0)), self.max_categories);
        let mut grouped = Grouped { name: levels.column, kind: levels.kind, kept: Vec::new(), lumped_levels: 0, lumped_rows: 0, rows: levels.rows };
        for (level, rare) in levels.known.into_iter().zip(rare) {
            if let Some(value) = level.value.filter(|value| !rare && *value != self.other) {
                grouped.kept.push(value);
            } else {
                grouped.lumped_levels += 1;
                grouped.lumped_rows += level.rows;
            }
        }
        grouped
    }
}

impl Apply for FittedGroupRare {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        if self.columns.is_empty() {
            return Ok(frame);
        }
        let schema = frame.collect_schema()?;
        levels::require(&schema, self.columns.iter().map(|column| column.name.as_str()))?;
        let group = |column: &Grouped| {
            let dtype = schema.get(&column.name).cloned().unwrap_or(DataType::Null);
            column.group(&dtype, &self.other)
        };
        Ok(frame.with_columns(self.columns.iter().map(group).collect::<Vec<_>>()))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        for column in &self.columns {
            let values = column.kept.iter().cloned().map(Some).chain([Some(self.other.clone()), None]).collect();
            let text = on.level(&column.name, column.kind, &column.kept, Values::Texts(values))?;
            on.set(&column.name, Value::Text(text));
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let row = |column: &Grouped| {
            let share = if column.rows == 0 { 0.0 } else { column.lumped_rows as f64 / column.rows as f64 };
            vec![shorten(&column.name).into(), column.kept.len().into(), column.lumped_levels.into(), card::Cell::Share(share)]
        };
        vec![card::Table {
            caption: format!("Rare levels became `{}`", shorten(&self.other)),
            columns: ["column", "levels kept", "levels lumped", "rows lumped"].map(str::to_owned).to_vec(),
            rows: self.columns.iter().map(row).collect(),
        }]
    }
}

impl Grouped {
    fn group(&self, dtype: &DataType, other: &str) -> Expr {
        const RARE: u32 = NOTHING - 1;
        let text = levels::text(&self.name, dtype, self.kind);
        let known: HashMap<String, u32> = self.kept.iter().map(|level| (level.clone(), 0)).collect();
        let codes = levels::lookup::<UInt32Type>(text.clone(), &self.name, known, Novel::Code(NOTHING), Novel::Code(RARE));
        when(codes.eq(lit(RARE))).then(lit(other)).otherwise(text).alias(self.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Roles, Table};

    fn fitted(transform: &GroupRare, train: DataFrame) -> FittedGroupRare {
        let table = Table::of(train);
        let fitted = transform.fit(Fit { table: &table, roles: &Roles::default().with_target("y"), seed: 0, target: None }).unwrap();
        serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap()
    }

    fn applied(fitted: &FittedGroupRare, frame: DataFrame) -> Vec<Option<String>> {
        let out = Table::from_query(fitted.apply(frame.lazy()).unwrap()).unwrap().collect().unwrap();
        out.columns()[0].str().unwrap().iter().map(|text| text.map(str::to_owned)).collect()
    }

    fn sample() -> DataFrame {
        df!("c" => [Some("b"), Some("a"), Some(""), Some("a"), Some("b"), Some("a"), Some("<i>"), None, Some(""), Some("a")]).unwrap()
    }

    fn case(transform: &GroupRare) -> String {
        let probe = df!("c" => [Some("a"), Some("b"), Some(""), Some("<i>"), None, Some("unseen")]).unwrap();
        let out = applied(&fitted(transform, sample()), probe);
        out.iter().map(|text| text.as_deref().unwrap_or("NULL")).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn rare_and_unseen_levels_are_lumped_and_missing_stays() {
        assert_eq!(case(&GroupRare::default()), "a,b,,<i>,NULL,other");
        assert_eq!(case(&GroupRare { min_frequency: Some(0.15), ..Default::default() }), "a,b,,other,NULL,other");
        assert_eq!(case(&GroupRare { min_count: Some(3), ..Default::default() }), "a,other,other,other,NULL,other");
        assert_eq!(case(&GroupRare { max_categories: Some(3), other: "rest".into(), ..Default::default() }), "a,b,rest,rest,NULL,rest");
        assert_eq!(case(&GroupRare { min_count: Some(3), other: "a".into(), ..Default::default() }), "a,a,a,a,NULL,a");
    }

    #[test]
    fn what_was_lumped_is_told() {
        let table = fitted(&GroupRare { min_count: Some(2), ..Default::default() }, sample()).learned().remove(0);
        assert_eq!(table.rows, [vec!["c".into(), 3_u64.into(), 1_u64.into(), card::Cell::Share(0.1)]]);
    }

    #[test]
    fn integers_become_text() {
        let transform = GroupRare { columns: Selector::names(["i"]), min_count: Some(2), ..Default::default() };
        let out = applied(&fitted(&transform, df!("i" => [7_i64, 7, 8]).unwrap()), df!("i" => [7.0, 8.0]).unwrap());
        assert_eq!(out, [Some("7".to_owned()), Some("other".to_owned())]);
    }
}
