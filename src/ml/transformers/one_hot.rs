//! `one_hot`: a column of levels becomes one 0/1 column a level.
//!
//! Names, order, rare levels and dropping are those of scikit-learn 1.9's `OneHotEncoder`. Each row's
//! level is looked up once and the 0/1 columns compare that code, so the cost a row does not grow with
//! the square of the levels. Thousands of levels become one sparse column, which holds that code.

use std::collections::HashMap;

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels::{self, Kind, Level, Levels, NOTHING, Names, Novel};
use crate::card;
use crate::error::{Error, Result, shorten};
use crate::ml::export::{Lowering, Value, Values, Why};
use crate::ml::selector::column;
use crate::ml::sparse::{self, Block, Sparse};
use crate::ml::{Apply, Fit, Selector, Transformer};
use crate::value::Fault;

/// Dense output columns of one `one_hot` above which it refuses.
const MOST_OUTPUTS: usize = 10_000;
/// Levels of one column that the card lists.
const LISTED: usize = 100;

/// One 0/1 column for each level.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OneHot {
    pub columns: Selector,
    pub drop: DropLevel,
    pub unseen: Unseen,
    pub missing: Missing,
    pub min_frequency: Option<f64>,
    pub max_categories: Option<usize>,
    #[serde(skip_serializing_if = "Sparse::is_auto")]
    pub sparse: Sparse,
}

impl Default for OneHot {
    fn default() -> Self {
        Self {
            columns: Selector::nominal(),
            drop: DropLevel::None,
            unseen: Unseen::Zeros,
            missing: Missing::Level,
            min_frequency: None,
            max_categories: None,
            sparse: Sparse::default(),
        }
    }
}

/// Which of a column's outputs is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropLevel {
    None,
    First,
    IfBinary,
}

/// What becomes of a value that training did not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unseen {
    Zeros,
    Error,
    Other,
}

/// What a missing value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    Level,
    Zeros,
}

/// The levels of each column and the columns they became.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedOneHot {
    columns: Vec<Encoded>,
    unseen: Unseen,
    missing: Missing,
}

/// One encoded column.
#[derive(Debug, Serialize, Deserialize)]
struct Encoded {
    name: String,
    kind: Kind,
    /// Each level with the output that is 1 for it.
    levels: Vec<(Level, Option<u32>)>,
    outputs: Vec<String>,
    /// The output of infrequent levels.
    infrequent: Option<u32>,
    /// The sparse column that holds the outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    block: Option<String>,
}

impl Transformer for OneHot {
    const NAME: &'static str = "one_hot";
    const ALIASES: &'static [&'static str] = &["dummy", "OneHotEncoder"];
    const VERSION: u32 = 2;
    const DOC: &'static str = "\
Turns each level of a column into a column of 0 and 1.

As scikit-learn's `OneHotEncoder`. A column `sex` with the values `f` and `m` becomes `sex_f` and `sex_m`; missing values
become `sex_missing` where training has some. Levels are sorted; a name that is taken gets `_2`. Strings, booleans,
integers, dates and floats can be encoded. A column of more than 1,000 levels becomes one sparse column `<column>_one_hot`, which holds
only what is not 0: a table of 10,000 levels then needs no more memory than one of ten. Linear models, naive Bayes for counts and `dummy`
take it as it is, other estimators and transforms refuse it: trees do better with the categories in one column (`ordinal_encode`,
`target_encode`). More than 10,000 dense columns are refused, and more than 262,144 levels.

- `columns`: selector, default `nominal()`
- `drop`: `none` (default), `first` (leave out the first level of each column), `if_binary` (only where there are two)
- `unseen`: a value that training did not have is `zeros` (default), an `error`, or `other` (the infrequent column, if there is one)
- `missing`: `level` (default: a level of its own where training has missing values, else unseen), or `zeros`
- `min_frequency`: levels below this count (whole number from 1) or share (between 0 and 1) of training rows become one column `<column>_infrequent`; default none
- `max_categories`: at most so many columns for each column, `<column>_infrequent` among them, from 1; default no limit
- `sparse`: `auto` (default: a column of more than 1,000 levels becomes one sparse column), `true` or `false`

```yaml
- one_hot: {columns: [payment_type, vendor], drop: if_binary, unseen: other, min_frequency: 0.01}
```
";

    type Fitted = FittedOneHot;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let faults = levels::check_rarity(self.min_frequency, self.max_categories);
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedOneHot> {
        let columns = levels::encodable(&self.columns, on, Self::NAME)?;
        let stay = on.table.names().filter(|name| !columns.iter().any(|column| column == name));
        let mut names = Names::new(stay.chain(on.roles.iter().map(|(name, _)| name)));
        let counted = levels::count(on.table, &columns, Self::NAME)?;
        self.encode(counted, &mut names)
    }
}

/// Which level goes to which output, before the outputs have names.
struct Plan {
    levels: Levels,
    outputs: Vec<String>,
    assigned: Vec<Option<u32>>,
    infrequent: Option<u32>,
}

impl OneHot {
    /// Encodes columns whose levels are counted.
    pub(super) fn encode(&self, counted: Vec<Levels>, names: &mut Names) -> Result<FittedOneHot> {
        let planned: Vec<Plan> = counted.into_iter().map(|levels| self.plan(levels)).collect();
        self.refuse_too_many(&planned)?;
        let columns = planned.into_iter().map(|plan| plan.name(names, self.sparse)).collect();
        Ok(FittedOneHot { columns, unseen: self.unseen, missing: self.missing })
    }

    fn plan(&self, mut levels: Levels) -> Plan {
        if levels.missing > 0 && self.missing == Missing::Level {
            levels.known.push(Level { value: None, rows: levels.missing });
        }
        let counts: Vec<u64> = levels.known.iter().map(|level| level.rows).collect();
        let rare = levels::infrequent(&counts, levels.rows, self.min_frequency, self.max_categories);
        let kept = rare.iter().filter(|rare| !**rare).count();
        let total = kept + usize::from(kept < rare.len());
        let dropped = match self.drop {
            DropLevel::First => total > 0,
            DropLevel::IfBinary => total == 2,
            DropLevel::None => false,
        };
        // Output 0 is the one that is left out, so that everything moves up by one.
        let position = |index: usize| index.checked_sub(usize::from(dropped)).map(|index| index as u32);
        let infrequent = (kept < total).then(|| position(kept)).flatten();
        let mut next = 0;
        let mut outputs = Vec::new();
        let mut assigned = Vec::new();
        for (level, rare) in levels.known.iter().zip(&rare) {
            if *rare {
                assigned.push(infrequent);
                continue;
            }
            let output = position(next);
            if output.is_some() {
                outputs.push(level.value.clone().unwrap_or_else(|| "missing".to_owned()));
            }
            assigned.push(output);
            next += 1;
        }
        if infrequent.is_some() {
            outputs.push("infrequent".to_owned());
        }
        Plan { levels, outputs, assigned, infrequent }
    }

    fn refuse_too_many(&self, planned: &[Plan]) -> Result<()> {
        let (sparse, dense): (Vec<&Plan>, Vec<&Plan>) = planned.iter().partition(|plan| self.sparse.takes(plan.outputs.len()));
        let (of_dense, of_sparse) = (dense.iter().map(|plan| plan.outputs.len()).sum(), sparse.iter().map(|plan| plan.outputs.len()).max().unwrap_or(0));
        let (total, most, mut largest) = if of_sparse > sparse::MOST { (of_sparse, sparse::MOST, sparse) } else { (of_dense, MOST_OUTPUTS, dense) };
        if total <= most {
            return Ok(());
        }
        largest.sort_by_key(|plan| std::cmp::Reverse(plan.outputs.len()));
        let named: Vec<String> = largest.iter().take(3).map(|plan| format!("`{}` ({} levels)", shorten(&plan.levels.column), plan.outputs.len())).collect();
        Err(Error::data(format!("`one_hot` would make {total} columns, more than {most}: {}", named.join(", ")))
            .hint("lump rare levels with `min_frequency` or `group_rare`, use `sparse: true` or `ordinal_encode`, or give the column the role `ignore`"))
    }
}

impl Plan {
    fn name(self, names: &mut Names, sparse: Sparse) -> Encoded {
        let block = sparse.takes(self.outputs.len()).then(|| names.give(&format!("{}_one_hot", self.levels.column)));
        let outputs = self.outputs.iter().map(|level| names.give(&format!("{}_{level}", self.levels.column))).collect();
        let levels = self.levels.known.into_iter().zip(self.assigned).collect();
        Encoded { name: self.levels.column, kind: self.levels.kind, levels, outputs, infrequent: self.infrequent, block }
    }
}

impl Apply for FittedOneHot {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        if self.columns.is_empty() {
            return Ok(frame);
        }
        let schema = frame.collect_schema()?;
        levels::require(&schema, self.columns.iter().map(|column| column.name.as_str()))?;
        let mut names = Names::new(
            schema.iter_names().map(PlSmallStr::as_str).chain(self.columns.iter().flat_map(|c| c.outputs.iter().chain(&c.block).map(String::as_str))),
        );
        let mut codes = Vec::new();
        let mut outputs = Vec::new();
        let mut temporary = Vec::new();
        for encoded in &self.columns {
            let code = names.give(&format!("code of {}", encoded.name));
            let dtype = schema.get(&encoded.name).cloned().unwrap_or(DataType::Null);
            codes.push(encoded.codes(&dtype, self.unseen, self.missing).alias(code.as_str()));
            if let Some(block) = &encoded.block {
                outputs.push(sparse::units(column(&code), encoded.outputs.len()).alias(block.as_str()));
                temporary.push(code);
                continue;
            }
            let is = |(index, name): (usize, &String)| column(&code).eq(lit(index as u32)).cast(DataType::UInt8).alias(name.as_str());
            outputs.extend(encoded.outputs.iter().enumerate().map(is));
            temporary.push(code);
        }
        let originals = self.columns.iter().map(|column| column.name.as_str());
        let coded = frame.with_columns(codes).drop(levels::exactly(originals));
        Ok(coded.with_columns(outputs).drop(levels::exactly(temporary.iter().map(String::as_str))))
    }

    fn blocks(&self) -> Vec<Block> {
        let block = |column: &Encoded| Some(Block { column: column.block.clone()?, transform: OneHot::NAME, features: column.outputs.clone() });
        self.columns.iter().filter_map(block).collect()
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        /// Of no output, and of a value that is refused.
        const NONE: f64 = -1.0;
        const REFUSED: f64 = -2.0;
        let mut made = Vec::new();
        for column in &self.columns {
            let code = |output: Option<u32>| output.map_or(NONE, f64::from);
            let unseen = match self.unseen {
                Unseen::Zeros => NONE,
                Unseen::Other => code(column.infrequent),
                Unseen::Error => REFUSED,
            };
            let of_missing = match (self.missing, column.levels.iter().find(|(level, _)| level.value.is_none())) {
                (Missing::Zeros, _) => NONE,
                (Missing::Level, Some((_, output))) => code(*output),
                (Missing::Level, None) => unseen,
            };
            let (keys, codes): (Vec<String>, Vec<f64>) = column.levels.iter().filter_map(|(level, output)| Some((level.value.clone()?, code(*output)))).unzip();
            let values = Values::Numbers(codes.into_iter().chain([unseen, of_missing]).collect());
            let code = on.level(&column.name, column.kind, &keys, values)?;
            if self.unseen == Unseen::Error {
                let is_refused = on.program.equals(code, REFUSED);
                on.refusals.push(is_refused);
            }
            if let Some(block) = &column.block {
                made.push((block, Value::OneHot { code, width: column.outputs.len() }));
                continue;
            }
            for (i, name) in column.outputs.iter().enumerate() {
                let is = on.program.equals(code, i as f64);
                made.push((name, Value::Number(on.program.as_number(is))));
            }
        }
        on.drop(self.columns.iter().map(|column| column.name.as_str()));
        for (name, value) in made {
            on.set(name, value);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        self.columns.iter().map(Encoded::learned).collect()
    }
}

impl Encoded {
    fn codes(&self, dtype: &DataType, unseen: Unseen, missing: Missing) -> Expr {
        let unseen = match unseen {
            Unseen::Zeros => Novel::Code(NOTHING),
            Unseen::Other => Novel::Code(self.infrequent.unwrap_or(NOTHING)),
            Unseen::Error => Novel::Refuse,
        };
        let of_missing = self.levels.iter().find(|(level, _)| level.value.is_none());
        let missing = match (missing, of_missing) {
            (Missing::Zeros, _) => Novel::Code(NOTHING),
            (Missing::Level, Some((_, output))) => Novel::Code(output.unwrap_or(NOTHING)),
            (Missing::Level, None) => unseen,
        };
        let known: HashMap<String, u32> = self.levels.iter().filter_map(|(level, output)| Some((level.value.clone()?, output.unwrap_or(NOTHING)))).collect();
        levels::lookup::<UInt32Type>(levels::text(&self.name, dtype, self.kind), &self.name, known, missing, unseen)
    }

    fn learned(&self) -> card::Table {
        let row = |(level, output): &(Level, Option<u32>)| {
            let value = level.value.as_deref().map_or(card::Cell::Missing, |value| shorten(value).into());
            let output = output.and_then(|index| self.outputs.get(index as usize)).map(|name| shorten(name));
            vec![value, level.rows.into(), output.map_or("left out".into(), card::Cell::from)]
        };
        let more = if self.levels.len() > LISTED { format!(", the first {LISTED} shown") } else { String::new() };
        card::Table {
            caption: match &self.block {
                Some(block) => format!("`{}`: {} levels became the sparse column `{}`{more}", shorten(&self.name), self.levels.len(), shorten(block)),
                None => format!("`{}`: {} levels became {} columns{more}", shorten(&self.name), self.levels.len(), self.outputs.len()),
            },
            columns: ["level", "training rows", "column"].map(str::to_owned).to_vec(),
            rows: self.levels.iter().take(LISTED).map(row).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Roles, Table};

    fn fitted(transform: &OneHot, train: DataFrame) -> Result<FittedOneHot> {
        let table = Table::of(train);
        let fitted = transform.fit(Fit { table: &table, roles: &Roles::default().with_target("y"), seed: 0, target: None })?;
        // What is applied is what was saved and read back.
        Ok(serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap())
    }

    /// Names, and rows as text of 0 and 1.
    fn applied(fitted: &FittedOneHot, frame: DataFrame) -> Result<(Vec<String>, Vec<String>)> {
        let out = Table::from_query(fitted.apply(frame.lazy())?)?.collect()?;
        let names = out.get_column_names().iter().map(ToString::to_string).collect();
        let row = |i| out.columns().iter().map(|c| c.get(i).unwrap().to_string()).collect::<String>();
        Ok((names, (0..out.height()).map(row).collect()))
    }

    fn sample() -> DataFrame {
        df!("c" => [Some("b"), Some("a"), Some("c"), Some("a"), Some("b"), Some("a"), Some("d"), None, Some("c"), Some("a")]).unwrap()
    }

    fn probe() -> DataFrame {
        df!("c" => [Some("a"), Some("b"), Some("c"), Some("d"), None, Some("zz")]).unwrap()
    }

    fn case(drop: DropLevel, unseen: Unseen, min_frequency: Option<f64>, max_categories: Option<usize>) -> (String, String) {
        let transform = OneHot { drop, unseen, min_frequency, max_categories, ..OneHot::default() };
        let (names, rows) = applied(&fitted(&transform, sample()).unwrap(), probe()).unwrap();
        (names.join(" "), rows.join(" "))
    }

    /// Computed by scikit-learn 1.9.1, `OneHotEncoder(...).fit(sample).transform(probe)`.
    #[test]
    fn outputs_are_scikit_learns() {
        use Unseen::{Other, Zeros};
        let cases = [
            (case(DropLevel::None, Zeros, None, None), "c_a c_b c_c c_d c_missing", "10000 01000 00100 00010 00001 00000"),
            (case(DropLevel::First, Zeros, None, None), "c_b c_c c_d c_missing", "0000 1000 0100 0010 0001 0000"),
            (case(DropLevel::None, Other, Some(2.0), None), "c_a c_b c_c c_infrequent", "1000 0100 0010 0001 0001 0001"),
            (case(DropLevel::None, Zeros, Some(2.0), None), "c_a c_b c_c c_infrequent", "1000 0100 0010 0001 0001 0000"),
            (case(DropLevel::None, Other, Some(0.3), None), "c_a c_infrequent", "10 01 01 01 01 01"),
            (case(DropLevel::None, Other, None, Some(3)), "c_a c_c c_infrequent", "100 001 010 001 001 001"),
            (case(DropLevel::None, Other, None, Some(5)), "c_a c_b c_c c_missing c_infrequent", "10000 01000 00100 00001 00010 00001"),
            (case(DropLevel::None, Other, None, Some(1)), "c_infrequent", "1 1 1 1 1 1"),
            (case(DropLevel::First, Other, Some(3.0), None), "c_infrequent", "0 1 1 1 1 1"),
            (case(DropLevel::IfBinary, Other, Some(4.0), None), "c_infrequent", "0 1 1 1 1 1"),
        ];
        for ((names, rows), expected_names, expected_rows) in cases {
            assert_eq!((names.as_str(), rows.as_str()), (expected_names, expected_rows));
        }
    }

    #[test]
    fn everything_rare_and_dropped_leaves_no_column() {
        let transform = OneHot { drop: DropLevel::First, unseen: Unseen::Other, min_frequency: Some(100.0), ..OneHot::default() };
        let with_row = df!("c" => ["a"], "n" => [1_i64]).unwrap();
        assert_eq!(applied(&fitted(&transform, sample()).unwrap(), with_row).unwrap().0, ["n"]);
    }

    #[test]
    fn an_unseen_value_that_is_an_error_is_named_with_its_column() {
        let transform = OneHot { unseen: Unseen::Error, ..OneHot::default() };
        let error = applied(&fitted(&transform, sample()).unwrap(), probe()).unwrap_err();
        assert_eq!(error.to_string(), "column `c` holds a value that training did not have: `zz`");
        assert_eq!(error.kind.exit_code(), 4);
        let complete = df!("c" => ["a", "b"]).unwrap();
        let error = applied(&fitted(&transform, complete).unwrap(), df!("c" => [None::<&str>]).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "column `c` holds a missing value, which training did not have");
    }

    #[test]
    fn missing_values_are_zeros_where_that_is_asked_for() {
        let transform = OneHot { missing: Missing::Zeros, unseen: Unseen::Error, ..OneHot::default() };
        let (names, rows) = applied(&fitted(&transform, sample()).unwrap(), df!("c" => [None, Some("d")]).unwrap()).unwrap();
        assert_eq!((names.join(" "), rows.join(" ")), ("c_a c_b c_c c_d".to_owned(), "0000 0001".to_owned()));
    }

    #[test]
    fn hostile_values_become_columns_and_collisions_get_a_number() {
        let long = "x".repeat(100_000);
        let values = ["<img src=x onerror=alert(1)>", "", "*", "^.*$", "日本\u{1f600}", "missing", "n", long.as_str()];
        let mut rows: Vec<Option<&str>> = values.iter().copied().map(Some).collect();
        rows.push(None);
        let count = rows.len();
        let train = df!("c" => rows, "c_n" => vec![1_i64; count], "^c.*$" => vec!["k"; count], "y" => vec![0.0; count]).unwrap();
        let one_hot = fitted(&OneHot { columns: Selector::names(["c", "^c.*$"]), ..OneHot::default() }, train.clone()).unwrap();
        let (names, rows) = applied(&one_hot, train).unwrap();
        let expected = ["c_n", "y", "c_", "c_*", "c_<img src=x onerror=alert(1)>", "c_^.*$", "c_missing", "c_n_2"];
        assert_eq!(names[..8], expected);
        assert_eq!(names[8].chars().count(), 100);
        assert_eq!(names[9..], ["c_日本\u{1f600}", "c_missing_2", "^c.*$_k"]);
        assert!(rows.iter().all(|row| row[4..].matches('1').count() == 2), "{rows:?}");
        assert!(one_hot.learned().iter().all(|table| table.rows.iter().all(|row| row.len() == table.columns.len())));
    }

    #[test]
    fn integers_and_booleans_are_levels_and_scoring_needs_no_target() {
        let train = df!("i" => [10_i64, 9, 2], "b" => [Some(true), Some(false), None], "y" => [1.0, 2.0, 3.0]).unwrap();
        let one_hot = fitted(&OneHot { columns: Selector::names(["i", "b"]), ..OneHot::default() }, train).unwrap();
        let (names, rows) = applied(&one_hot, df!("i" => [9.0, 3.0], "b" => [Some(true), None]).unwrap()).unwrap();
        assert_eq!(names, ["i_2", "i_9", "i_10", "b_false", "b_true", "b_missing"]);
        assert_eq!(rows, ["010010", "000001"]);
    }

    #[test]
    fn all_missing_columns_are_named() {
        let one_hot = fitted(&OneHot::default(), df!("color" => ["a"], "size" => ["b"]).unwrap()).unwrap();
        let error = applied(&one_hot, df!("colour" => ["a"]).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "columns are missing: `color`, `size`");
        assert_eq!(error.problems[0].hint.as_deref(), Some("did you mean `colour`?"));
    }

    #[test]
    fn the_target_and_too_many_levels_are_refused() {
        let error = fitted(&OneHot { columns: Selector::names(["y"]), ..OneHot::default() }, df!("y" => ["a"]).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "`one_hot` cannot take `y` (target)");
        let many: Vec<String> = (0..=MOST_OUTPUTS).map(|i| i.to_string()).collect();
        let many = df!("c" => many).unwrap();
        let error = fitted(&OneHot { sparse: Sparse::Always(false), ..OneHot::default() }, many.clone()).unwrap_err();
        assert_eq!(error.to_string(), "`one_hot` would make 10001 columns, more than 10000: `c` (10001 levels)");
        assert_eq!(applied(&fitted(&OneHot::default(), many.clone()).unwrap(), many.head(Some(1))).unwrap().0, ["c_one_hot"]);
    }
}
