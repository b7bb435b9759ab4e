//! `ordinal_encode`: levels become 0, 1, 2, … in sorted or given order.
//!
//! The codes are those of scikit-learn 1.9's `OrdinalEncoder`; missing stays missing. Not here: an
//! order learned from the target, which would leak.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels::{self, Kind, Level, Levels, NOTHING, Novel};
use crate::card;
use crate::error::{Error, Problem, Result, nearest, shorten};
use crate::ml::export::{Form, Lowering, Values, Why};
use crate::ml::{Apply, Fit, Selector, Transformer};
use crate::value::Fault;

/// Levels of one column that the card lists.
const LISTED: usize = 100;

/// One whole number for each level.
#[derive(Clone, Debug, Default, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrdinalEncode {
    /// Default: the columns of `categories`, or `nominal()` where that is empty.
    pub columns: Option<Selector>,
    pub categories: BTreeMap<String, Vec<String>>,
    pub unseen: Unseen,
    pub min_frequency: Option<f64>,
    pub max_categories: Option<usize>,
}

/// What becomes of a value that training (or the given list) did not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unseen {
    #[default]
    Error,
    Missing,
    /// This number.
    Value(i32),
}

/// The code of each level.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedOrdinalEncode {
    columns: Vec<Encoded>,
    unseen: Unseen,
}

#[derive(Debug, Serialize, Deserialize)]
struct Encoded {
    name: String,
    kind: Kind,
    /// Each level with its code.
    levels: Vec<(Level, u32)>,
}

impl Transformer for OrdinalEncode {
    const NAME: &'static str = "ordinal_encode";
    const ALIASES: &'static [&'static str] = &["integer", "ordinal", "OrdinalEncoder"];
    const DOC: &'static str = "\
Replaces each level of a column by a whole number from 0.

As scikit-learn's `OrdinalEncoder`: levels are sorted (numbers as numbers), or stand in the order that `categories` gives.
Missing values stay missing. The number has a meaning only where the levels have an order, or for trees.

- `columns`: selector, default the columns of `categories`, or `nominal()` where none are given
- `categories`: for each column the list of its levels, lowest first; default: sorted, as seen in training
- `unseen`: a value that training did not have is an `error` (default), `missing`, or a number: `{value: -1}` (a whole number that is no code)
- `min_frequency`: levels below this count (whole number from 1) or share (between 0 and 1) of training rows share the last code; default none
- `max_categories`: at most so many codes for each column, from 1; default no limit

```yaml
- ordinal_encode:
    categories: {payment_type: [cash, card, voucher]}
    unseen: {value: -1}
```
";

    type Fitted = FittedOrdinalEncode;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = levels::check_rarity(self.min_frequency, self.max_categories);
        for (column, listed) in &self.categories {
            let mut seen = BTreeSet::new();
            for twice in listed.iter().filter(|level| !seen.insert(*level)) {
                faults.push(Fault::new(&["categories".to_owned(), column.clone()], format!("level is listed twice: {}", shorten(twice))));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedOrdinalEncode> {
        let selector = match &self.columns {
            Some(columns) => columns.clone(),
            None if self.categories.is_empty() => Selector::nominal(),
            None => Selector::names(self.categories.keys()),
        };
        let columns = levels::encodable(&selector, on, Self::NAME)?;
        self.refuse_lists_of_others(&columns)?;
        let mut problems = Vec::new();
        let mut encoded = Vec::new();
        for mut levels in levels::count(on.table, &columns, Self::NAME)? {
            if let Some(listed) = self.categories.get(&levels.column) {
                problems.extend(self.in_listed_order(&mut levels, listed));
            }
            let column = self.encode(levels);
            problems.extend(self.clash(&column));
            encoded.push(column);
        }
        match Error::all(crate::error::Kind::Data, problems) {
            Some(error) => Err(error),
            None => Ok(FittedOrdinalEncode { columns: encoded, unseen: self.unseen }),
        }
    }
}

impl OrdinalEncode {
    fn refuse_lists_of_others(&self, columns: &[String]) -> Result<()> {
        let problem = |name: &String| {
            let problem = Problem::new(format!("`categories` lists a column that is not encoded: `{}`", shorten(name)));
            match nearest(name, columns.iter().map(String::as_str)) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint("add it to `columns`"),
            }
        };
        let others = self.categories.keys().filter(|name| !columns.contains(name)).map(problem).collect();
        Error::all(crate::error::Kind::Data, others).map_or(Ok(()), Err)
    }

    /// Puts the levels in the order that was given; training values outside it are a problem where unseen ones are.
    fn in_listed_order(&self, levels: &mut Levels, listed: &[String]) -> Option<Problem> {
        let mut rows: BTreeMap<String, u64> = levels.known.drain(..).filter_map(|level| Some((level.value?, level.rows))).collect();
        for level in listed {
            let value = levels.kind.canonical(level);
            let rows = rows.remove(&value).unwrap_or(0);
            levels.known.push(Level { value: Some(value), rows });
        }
        if rows.is_empty() || self.unseen != Unseen::Error {
            return None;
        }
        let some: Vec<String> = rows.keys().take(5).map(|value| format!("`{}`", shorten(value))).collect();
        let more = if rows.len() > 5 { format!(" and {} more", rows.len() - 5) } else { String::new() };
        let problem = Problem::new(format!("column `{}` holds values that `categories` does not list: {}{more}", shorten(&levels.column), some.join(", ")));
        Some(problem.hint("list them, or say what they become with `unseen: missing` or `unseen: {value: -1}`"))
    }

    fn encode(&self, levels: Levels) -> Encoded {
        let counts: Vec<u64> = levels.known.iter().map(|level| level.rows).collect();
        let rare = levels::infrequent(&counts, levels.rows, self.min_frequency, self.max_categories);
        let last = rare.iter().filter(|rare| !**rare).count() as u32;
        let mut next = 0;
        let mut code = |rare: bool| {
            if rare {
                return last;
            }
            next += 1;
            next - 1
        };
        let levels_and_codes = levels.known.into_iter().zip(rare).map(|(level, rare)| (level, code(rare))).collect();
        Encoded { name: levels.column, kind: levels.kind, levels: levels_and_codes }
    }

    fn clash(&self, column: &Encoded) -> Option<Problem> {
        let Unseen::Value(value) = self.unseen else { return None };
        let (level, _) = column.levels.iter().find(|(_, code)| i64::from(*code) == i64::from(value))?;
        let level = shorten(level.value.as_deref().unwrap_or_default());
        let problem = Problem::new(format!("`unseen: {{value: {value}}}` is also the code of `{level}` in column `{}`", shorten(&column.name)));
        Some(problem.hint("use a negative number"))
    }
}

impl Apply for FittedOrdinalEncode {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        if self.columns.is_empty() {
            return Ok(frame);
        }
        let schema = frame.collect_schema()?;
        levels::require(&schema, self.columns.iter().map(|column| column.name.as_str()))?;
        let code = |column: &Encoded| {
            let dtype = schema.get(&column.name).cloned().unwrap_or(DataType::Null);
            column.code(&dtype, self.unseen)
        };
        Ok(frame.with_columns(self.columns.iter().map(code).collect::<Vec<_>>()))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        for column in &self.columns {
            let (keys, codes): (Vec<String>, Vec<f64>) =
                column.levels.iter().filter_map(|(level, code)| Some((level.value.clone()?, f64::from(*code)))).unzip();
            let unseen = if let Unseen::Value(value) = self.unseen { f64::from(value) } else { f64::NAN };
            let values = Values::Numbers(codes.into_iter().chain([unseen, f64::NAN]).collect());
            let code = on.level(&column.name, column.kind, &keys, values)?;
            if self.unseen == Unseen::Error {
                let (was_missing, is_missing) = (on.is_missing(&column.name)?, on.program.is_missing(code));
                let was_there = on.program.not(was_missing);
                let is_refused = on.program.add(Form::All(vec![is_missing, was_there]));
                on.refusals.push(is_refused);
            }
            on.set_number(&column.name, code);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        self.columns.iter().map(Encoded::learned).collect()
    }
}

/// Stands for a value that was not seen, until it gets its number.
const UNSEEN: u32 = NOTHING - 1;

impl Encoded {
    fn code(&self, dtype: &DataType, unseen: Unseen) -> Expr {
        let novel = if unseen == Unseen::Error { Novel::Refuse } else { Novel::Code(UNSEEN) };
        let known: HashMap<String, u32> = self.levels.iter().filter_map(|(level, code)| Some((level.value.clone()?, *code))).collect();
        let codes = levels::lookup::<UInt32Type>(levels::text(&self.name, dtype, self.kind), &self.name, known, Novel::Code(NOTHING), novel);
        let unseen = match unseen {
            Unseen::Value(value) => lit(value),
            Unseen::Error | Unseen::Missing => lit(NULL).cast(DataType::Int32),
        };
        // Missing is NOTHING, which no Int32 can hold, so the cast makes it null again.
        when(codes.clone().eq(lit(UNSEEN))).then(unseen).otherwise(codes.cast(DataType::Int32)).alias(self.name.as_str())
    }

    fn learned(&self) -> card::Table {
        let row = |(level, code): &(Level, u32)| {
            let value = level.value.as_deref().map_or(card::Cell::Missing, |value| shorten(value).into());
            vec![value, level.rows.into(), u64::from(*code).into()]
        };
        let more = if self.levels.len() > LISTED { format!(", the first {LISTED} shown") } else { String::new() };
        card::Table {
            caption: format!("`{}`: {} levels{more}", shorten(&self.name), self.levels.len()),
            columns: ["level", "training rows", "code"].map(str::to_owned).to_vec(),
            rows: self.levels.iter().take(LISTED).map(row).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Roles, Table};

    fn fitted(transform: &OrdinalEncode, train: DataFrame) -> Result<FittedOrdinalEncode> {
        let table = Table::of(train);
        let fitted = transform.fit(Fit { table: &table, roles: &Roles::default().with_target("y"), seed: 0, target: None })?;
        Ok(serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap())
    }

    fn applied(fitted: &FittedOrdinalEncode, frame: DataFrame) -> Result<Vec<Option<i32>>> {
        let out = Table::from_query(fitted.apply(frame.lazy())?)?.collect()?;
        Ok(out.columns()[0].i32().unwrap().iter().collect())
    }

    fn sample() -> DataFrame {
        df!("c" => [Some("b"), Some("a"), Some("c"), Some("a"), Some("b"), Some("a"), Some("d"), None, Some("c"), Some("a")]).unwrap()
    }

    fn probe() -> DataFrame {
        df!("c" => [Some("a"), Some("b"), Some("c"), Some("d"), None, Some("zz")]).unwrap()
    }

    fn case(transform: OrdinalEncode) -> Vec<Option<i32>> {
        applied(&fitted(&OrdinalEncode { unseen: Unseen::Value(-1), ..transform }, sample()).unwrap(), probe()).unwrap()
    }

    /// Computed by scikit-learn 1.9.1, `OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, ...)`, missing as NaN.
    #[test]
    fn codes_are_scikit_learns() {
        let codes = |codes: [i32; 4]| codes.into_iter().map(Some).chain([None, Some(-1)]).collect::<Vec<_>>();
        assert_eq!(case(OrdinalEncode::default()), codes([0, 1, 2, 3]));
        assert_eq!(case(OrdinalEncode { min_frequency: Some(2.0), ..Default::default() }), codes([0, 1, 2, 3]));
        assert_eq!(case(OrdinalEncode { min_frequency: Some(0.3), ..Default::default() }), codes([0, 1, 1, 1]));
        assert_eq!(case(OrdinalEncode { max_categories: Some(3), ..Default::default() }), codes([0, 2, 1, 2]));
        assert_eq!(case(OrdinalEncode { max_categories: Some(4), ..Default::default() }), codes([0, 1, 2, 3]));
        let listed = ["d", "c", "b", "a"].map(str::to_owned).to_vec();
        assert_eq!(case(OrdinalEncode { categories: [("c".to_owned(), listed)].into(), ..Default::default() }), codes([3, 2, 1, 0]));
    }

    #[test]
    fn numbers_sort_as_numbers_and_listed_numbers_are_read_as_the_column_is() {
        let train = || df!("i" => [10_i64, 9, 2]).unwrap();
        let sorted = OrdinalEncode { columns: Some(Selector::names(["i"])), ..Default::default() };
        assert_eq!(applied(&fitted(&sorted, train()).unwrap(), train()).unwrap(), [Some(2), Some(1), Some(0)]);
        let listed = OrdinalEncode { categories: [("i".to_owned(), ["010", "2", "9"].map(str::to_owned).to_vec())].into(), ..Default::default() };
        assert_eq!(applied(&fitted(&listed, train()).unwrap(), train()).unwrap(), [Some(0), Some(2), Some(1)]);
    }

    #[test]
    fn an_unseen_value_is_an_error_or_missing() {
        let error = applied(&fitted(&OrdinalEncode::default(), sample()).unwrap(), probe()).unwrap_err();
        assert_eq!(error.to_string(), "column `c` holds a value that training did not have: `zz`");
        let missing = OrdinalEncode { unseen: Unseen::Missing, ..Default::default() };
        assert_eq!(applied(&fitted(&missing, sample()).unwrap(), probe()).unwrap()[4..], [None, None]);
    }

    #[test]
    fn lists_that_do_not_fit_the_data_are_refused_together() {
        let categories = [("size".to_owned(), vec!["s".to_owned()]), ("shape".to_owned(), vec!["round".to_owned()])].into();
        let train = df!("size" => ["s", "<img src=x onerror=alert(1)>"], "shape" => ["flat", "round"]).unwrap();
        let error = fitted(&OrdinalEncode { categories, ..Default::default() }, train).unwrap_err();
        assert_eq!(
            error.to_string(),
            "column `size` holds values that `categories` does not list: `<img src=x onerror=alert(1)>`\n\
             column `shape` holds values that `categories` does not list: `flat`"
        );
        let clash = OrdinalEncode { unseen: Unseen::Value(1), ..Default::default() };
        assert_eq!(fitted(&clash, sample()).unwrap_err().to_string(), "`unseen: {value: 1}` is also the code of `b` in column `c`");
        let other = OrdinalEncode { columns: Some(Selector::nominal()), categories: [("d".to_owned(), vec![])].into(), ..Default::default() };
        assert_eq!(fitted(&other, sample()).unwrap_err().to_string(), "`categories` lists a column that is not encoded: `d`");
    }

    #[test]
    fn a_level_listed_twice_is_a_fault() {
        let categories = [("c".to_owned(), vec!["a".to_owned(), "a".to_owned()])].into();
        let faults = OrdinalEncode { categories, ..Default::default() }.check().unwrap_err();
        assert_eq!(faults[0].to_string(), "level is listed twice: a");
    }
}
