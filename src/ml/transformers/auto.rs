//! `auto`: a sound chain of transforms by what the columns hold.
//!
//! It looks at each feature once and decides; the work is done by the other transforms, fitted here, so
//! that what `auto` does can be written out by hand. What comes out is numbers without missing values, of
//! a like scale, which suits linear models and neighbours as well as trees. Not here: anything that looks
//! at the target (target encoding, selection of features), or at more than one column at a time.

use polars::prelude::{DataType, LazyFrame};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::count_encode::{CountEncode, FittedCountEncode};
use super::date_parts::{DateParts, FittedDateParts};
use super::drop::FittedDrop;
use super::impute::{FittedImpute, Impute};
use super::levels::{self, Kind, Levels, Names};
use super::one_hot::{FittedOneHot, OneHot, Unseen};
use super::scaling::Scaled;
use super::standard_scale::StandardScale;
use crate::card;
use crate::data::{Table, kind_name};
use crate::error::{Error, Result, shorten};
use crate::ml::export::{Lowering, Why};
use crate::ml::reduce::{self, Moments};
use crate::ml::selector::ColumnKind;
use crate::ml::{Apply, Fit, Selector, Transformer};
use crate::value::Fault;

/// More levels than this in a column are not even counted: it is taken for an identifier or free text.
const MOST_LEVELS: usize = 10_000;
/// The share of rows that frequent levels must cover for 0/1 columns to say enough.
const COVERED: f64 = 0.5;

/// Picks transforms by type.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auto {
    pub columns: Selector,
    pub max_levels: usize,
    pub min_frequency: f64,
    pub scale: bool,
}

impl Default for Auto {
    fn default() -> Self {
        Self { columns: Selector::all(), max_levels: 20, min_frequency: 0.01, scale: true }
    }
}

/// What was decided, and the fitted transforms in order.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedAuto {
    decisions: Vec<Decision>,
    parts: Vec<Part>,
}

/// What becomes of a column, and why.
#[derive(Debug, Serialize, Deserialize)]
struct Decision {
    column: String,
    kind: String,
    what: String,
    why: String,
    /// Scoring needs the column.
    needed: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    DateParts(FittedDateParts),
    Drop(FittedDrop),
    Impute(FittedImpute),
    StandardScale(Scaled),
    OneHot(FittedOneHot),
    CountEncode(FittedCountEncode),
}

impl Transformer for Auto {
    const NAME: &'static str = "auto";
    const DOC: &'static str = "\
Picks transforms by what each column holds; `transform: auto` is this.

- numbers: missing ones become the median, with a column `<name>_missing` where training has some; then scaled to mean 0, deviation 1
- booleans: 0 and 1, missing ones as with numbers
- strings of few levels: a 0/1 column each, rare levels (and unseen ones) together; of many levels: the share of training rows that have the level
- dates, datetimes and times: year, month, day, day_of_week, hour, minute, treated as numbers
- dropped: columns without a value, constants, strings that are all different or nearly so, types without a rule

- `columns`: selector, default `all()`; other columns stay as they are
- `max_levels`: at most so many 0/1 columns for a string column, the one for rare levels among them, from 2; default 20
- `min_frequency`: the share of training rows below which a level is rare, between 0 and 1; default 0.01
- `scale`: boolean, default true

```yaml
- auto: {max_levels: 12}
```
";

    type Fitted = FittedAuto;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        if !(self.min_frequency > 0.0 && self.min_frequency < 1.0) {
            faults.push(Fault::new(&["min_frequency".to_owned()], format!("`min_frequency` is a share between 0 and 1, got {}", self.min_frequency)));
        }
        if self.max_levels < 2 {
            faults.push(Fault::new(&["max_levels".to_owned()], format!("`max_levels` is at least 2, got {}", self.max_levels)));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedAuto> {
        let columns = levels::encodable(&self.columns, on, Self::NAME)?;
        let mut fitting = Fitting { on, table: on.table.clone(), decisions: Vec::new(), parts: Vec::new() };
        let mut late = Vec::new();

        let sorted = Sorted::of(on.table, &columns);
        fitting.leave(&sorted.other, "no rule for this type")?;
        fitting.numbers(&sorted.numbers, &sorted.booleans, self.scale, &mut late)?;
        fitting.dates(&sorted.dates, self.scale)?;
        fitting.strings(&sorted.strings, self)?;
        fitting.drop(late)?;

        fitting.decisions.sort_by_key(|decision| columns.iter().position(|column| *column == decision.column));
        fitting.finish()
    }
}

/// Columns by what is done with them.
#[derive(Default)]
struct Sorted {
    numbers: Vec<String>,
    booleans: Vec<String>,
    dates: Vec<String>,
    strings: Vec<String>,
    other: Vec<String>,
}

impl Sorted {
    fn of(table: &Table, columns: &[String]) -> Self {
        let mut sorted = Self::default();
        for name in columns {
            let Some(dtype) = table.schema().get(name) else { continue };
            let place = match ColumnKind::of(dtype) {
                ColumnKind::Integer | ColumnKind::Float => &mut sorted.numbers,
                ColumnKind::Boolean => &mut sorted.booleans,
                ColumnKind::Date | ColumnKind::Datetime => &mut sorted.dates,
                ColumnKind::String | ColumnKind::Empty => &mut sorted.strings,
                ColumnKind::Other if *dtype == DataType::Time => &mut sorted.dates,
                ColumnKind::Other => &mut sorted.other,
            };
            place.push(name.clone());
        }
        sorted
    }
}

/// The table as the parts so far leave it, and what was decided.
struct Fitting<'a> {
    on: Fit<'a>,
    table: Table,
    decisions: Vec<Decision>,
    parts: Vec<Part>,
}

impl Fitting<'_> {
    fn push(&mut self, part: Part) -> Result<()> {
        self.table = Table::from_query(part.apply(self.table.lazy())?)?;
        self.parts.push(part);
        Ok(())
    }

    fn drop(&mut self, columns: Vec<String>) -> Result<()> {
        if columns.is_empty() { Ok(()) } else { self.push(Part::Drop(FittedDrop::new(columns))) }
    }

    fn now(&self) -> Fit<'_> {
        Fit { table: &self.table, ..self.on }
    }

    fn decide(&mut self, column: &str, what: &str, why: impl Into<String>) {
        let kind = self.on.table.schema().get(column).map(kind_name).unwrap_or_default();
        let decision = Decision { column: column.to_owned(), kind: kind.to_owned(), what: what.to_owned(), why: why.into(), needed: what != "drop" };
        self.decisions.push(decision);
    }

    fn leave(&mut self, columns: &[String], why: &str) -> Result<()> {
        for column in columns {
            self.decide(column, "drop", why);
        }
        self.drop(columns.to_vec())
    }

    /// Numbers and booleans; a column that only its missing values tell about goes into `late`.
    fn numbers(&mut self, numbers: &[String], booleans: &[String], scale: bool, late: &mut Vec<String>) -> Result<()> {
        let columns: Vec<String> = numbers.iter().chain(booleans).cloned().collect();
        let moments = reduce::moments(&self.table, &columns)?;
        let mut kept = Vec::new();
        let mut gone = Vec::new();
        for (name, moments) in columns.into_iter().zip(moments) {
            let is_boolean = booleans.contains(&name);
            match about(&moments) {
                About::Nothing => {
                    self.decide(&name, "drop", "no value in training");
                    gone.push(name);
                    continue;
                }
                About::Constant if moments.missing == 0 => {
                    self.decide(&name, "drop", format!("constant: {}", moments.min));
                    gone.push(name);
                    continue;
                }
                About::Constant => {
                    self.decide(&name, "impute, indicator", "constant where it is not missing, so only the indicator stays");
                    late.push(name.clone());
                }
                About::Something => {
                    let what = match (moments.missing > 0, is_boolean, scale) {
                        (true, false, true) => "impute, indicator, scale",
                        (true, _, _) => "impute, indicator",
                        (false, true, _) => "0 and 1",
                        (false, false, true) => "scale",
                        (false, false, false) => "keep",
                    };
                    let share = 100.0 * moments.missing as f64 / (moments.missing + moments.count) as f64;
                    self.decide(&name, what, if moments.missing > 0 { format!("{share:.1} % missing") } else { "no value is missing".to_owned() });
                }
            }
            kept.push(name);
        }
        self.drop(gone)?;
        self.impute(&kept, &kept)?;
        kept.retain(|name| !booleans.contains(name) && !late.contains(name));
        self.scale(&kept, scale)
    }

    fn dates(&mut self, columns: &[String], scale: bool) -> Result<()> {
        if columns.is_empty() {
            return Ok(());
        }
        let parts = DateParts { columns: Some(Selector::names(columns)), ..DateParts::default() }.fit(self.now())?;
        let outputs: Vec<(String, Vec<String>)> =
            parts.outputs().map(|(name, parts)| (name.to_owned(), parts.into_iter().map(str::to_owned).collect())).collect();
        self.push(Part::DateParts(parts))?;
        let mut kept = Vec::new();
        let mut gone = Vec::new();
        // The first part of each date tells of all of them which rows are missing.
        let mut telling = Vec::new();
        for (name, parts) in outputs {
            let moments = reduce::moments(&self.table, &parts)?;
            let no_value = moments.iter().all(|moments| moments.count == 0);
            let (varying, constant): (Vec<_>, Vec<_>) = parts.into_iter().zip(moments).partition(|(_, moments)| about(moments) == About::Something);
            match varying.first() {
                None => self.decide(&name, "drop", if no_value { "no value in training" } else { "constant" }),
                Some((first, moments)) => {
                    let why = if constant.is_empty() { String::new() } else { format!(", without {} that do not vary", constant.len()) };
                    let missing = if moments.missing > 0 { "; missing ones imputed, with an indicator" } else { "" };
                    self.decide(&name, "date_parts", format!("{} parts{why}{missing}", varying.len()));
                    telling.push(first.clone());
                }
            }
            kept.extend(varying.into_iter().map(|(name, _)| name));
            gone.extend(constant.into_iter().map(|(name, _)| name));
        }
        self.drop(gone)?;
        self.impute(&kept, &telling)?;
        self.scale(&kept, scale)
    }

    /// Medians into `columns`; those that are `telling` get an indicator, unless its name is taken.
    fn impute(&mut self, columns: &[String], telling: &[String]) -> Result<()> {
        let (with, without): (Vec<String>, Vec<String>) =
            columns.iter().cloned().partition(|name| telling.contains(name) && !self.table.has(&format!("{name}_missing")));
        if !with.is_empty() {
            let fitted = Impute::medians(&with).with_indicators().fit(self.now())?;
            self.push(Part::Impute(fitted))?;
        }
        if !without.is_empty() {
            let fitted = Impute::medians(&without).fit(self.now())?;
            self.push(Part::Impute(fitted))?;
        }
        Ok(())
    }

    fn scale(&mut self, columns: &[String], scale: bool) -> Result<()> {
        if columns.is_empty() || !scale {
            return Ok(());
        }
        let fitted = StandardScale::of(columns).fit(self.now())?;
        self.push(Part::StandardScale(fitted))
    }

    fn strings(&mut self, columns: &[String], auto: &Auto) -> Result<()> {
        let mut spread = Vec::new();
        let mut shared = Vec::new();
        let mut gone = Vec::new();
        for (name, levels) in columns.iter().zip(self.count(columns)?) {
            let Some(levels) = levels else {
                self.decide(name, "drop", format!("more than {MOST_LEVELS} levels: an identifier or free text"));
                gone.push(name.clone());
                continue;
            };
            let (verdict, why) = auto.judge(&levels);
            match verdict {
                Verdict::Drop => {
                    self.decide(name, "drop", why);
                    gone.push(name.clone());
                }
                Verdict::OneHot => {
                    self.decide(name, "one_hot", why);
                    spread.push(levels);
                }
                Verdict::Share => {
                    self.decide(name, if auto.scale { "count_encode, scale" } else { "count_encode" }, why);
                    shared.push(levels);
                }
            }
        }
        self.drop(gone)?;
        let names: Vec<String> = shared.iter().map(|levels| levels.column.clone()).collect();
        if !shared.is_empty() {
            self.push(Part::CountEncode(CountEncode { columns: Selector::names(&names), normalize: true }.encode(shared)))?;
            self.scale(&names, auto.scale)?;
        }
        if spread.is_empty() {
            return Ok(());
        }
        let one_hot = OneHot { min_frequency: Some(auto.min_frequency), unseen: Unseen::Other, ..OneHot::default() };
        let stay = self.table.names().filter(|name| !spread.iter().any(|levels| levels.column == *name));
        let mut names = Names::new(stay.chain(self.on.roles.iter().map(|(name, _)| name)));
        let encoded = one_hot.encode(spread, &mut names)?;
        self.push(Part::OneHot(encoded))
    }

    /// The levels of each column; `None` where there are more than [`MOST_LEVELS`].
    fn count(&self, columns: &[String]) -> Result<Vec<Option<Levels>>> {
        let sorted = |name: &String, counted| Levels::of(name, Kind::String, counted);
        if let Ok(counted) = reduce::categories(&self.table, columns, MOST_LEVELS) {
            return Ok(columns.iter().zip(counted).map(|(name, counted)| Some(sorted(name, counted))).collect());
        }
        // Some column has too many levels, or reading fails, which the second line tells apart.
        reduce::missing(&self.table, columns)?;
        let each = |name: &String| Some(sorted(name, reduce::categories(&self.table, std::slice::from_ref(name), MOST_LEVELS).ok()?.pop()?));
        Ok(columns.iter().map(each).collect())
    }

    fn finish(self) -> Result<FittedAuto> {
        if self.table.names().any(|name| self.on.roles.is_feature(name)) {
            return Ok(FittedAuto { decisions: self.decisions, parts: self.parts });
        }
        let reasons: Vec<String> = self.decisions.iter().map(|decision| format!("`{}` ({})", shorten(&decision.column), decision.why)).collect();
        Err(Error::data(format!("`auto` finds nothing to learn from: {}", if reasons.is_empty() { "no columns".to_owned() } else { reasons.join(", ") }))
            .hint("name the transforms yourself, as in `transform: [{one_hot: {columns: [...]}}]`"))
    }
}

#[derive(PartialEq, Eq)]
enum About {
    Nothing,
    Constant,
    Something,
}

fn about(moments: &Moments) -> About {
    match moments.count {
        0 => About::Nothing,
        _ if moments.min == moments.max => About::Constant,
        _ => About::Something,
    }
}

enum Verdict {
    Drop,
    OneHot,
    Share,
}

impl Auto {
    /// What to do with a column of strings.
    fn judge(&self, levels: &Levels) -> (Verdict, String) {
        let distinct = levels.known.len();
        let there = levels.rows - levels.missing;
        if distinct == 0 {
            return (Verdict::Drop, "no value in training".to_owned());
        }
        if distinct == 1 && levels.missing == 0 {
            return (Verdict::Drop, "constant".to_owned());
        }
        if distinct > 1 && distinct as u64 == there {
            return (Verdict::Drop, "every value is different: an identifier or free text".to_owned());
        }
        if distinct + usize::from(levels.missing > 0) <= self.max_levels {
            return (Verdict::OneHot, format!("{distinct} levels"));
        }
        if distinct as u64 > there / 2 {
            return (Verdict::Drop, format!("{distinct} levels in {there} rows: nearly an identifier or free text"));
        }
        let counts: Vec<u64> = levels.known.iter().map(|level| level.rows).chain((levels.missing > 0).then_some(levels.missing)).collect();
        let rare = levels::infrequent(&counts, levels.rows, Some(self.min_frequency), None);
        let kept: Vec<u64> = counts.iter().zip(&rare).filter(|(_, rare)| !**rare).map(|(rows, _)| *rows).collect();
        let covered = kept.iter().sum::<u64>() as f64 / levels.rows.max(1) as f64;
        let found = format!("{distinct} levels, {} of them frequent ({:.0} % of rows)", kept.len(), 100.0 * covered);
        if kept.len() < self.max_levels && covered >= COVERED {
            return (Verdict::OneHot, found);
        }
        if counts.iter().all(|rows| Some(rows) == counts.first()) {
            return (Verdict::Drop, format!("{distinct} levels, all equally frequent: their share says nothing"));
        }
        (Verdict::Share, format!("{found}: the share of training rows is one number for all of them"))
    }
}

impl Part {
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        match self {
            Self::DateParts(part) => part.apply(frame),
            Self::Drop(part) => part.apply(frame),
            Self::Impute(part) => part.apply(frame),
            Self::StandardScale(part) => part.apply(frame),
            Self::OneHot(part) => part.apply(frame),
            Self::CountEncode(part) => part.apply(frame),
        }
    }

    /// The transform's name and what it learned.
    fn learned(&self) -> (&'static str, Vec<card::Table>) {
        match self {
            Self::DateParts(part) => (DateParts::NAME, part.learned()),
            // The decisions tell what was dropped.
            Self::Drop(_) => ("drop", Vec::new()),
            Self::Impute(part) => (Impute::NAME, part.learned()),
            Self::StandardScale(part) => (StandardScale::NAME, part.learned()),
            Self::OneHot(part) => (OneHot::NAME, part.learned()),
            Self::CountEncode(part) => (CountEncode::NAME, part.learned()),
        }
    }
}

impl Apply for FittedAuto {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        let schema = frame.collect_schema()?;
        levels::require(&schema, self.decisions.iter().filter(|decision| decision.needed).map(|decision| decision.column.as_str()))?;
        self.parts.iter().try_fold(frame, |frame, part| part.apply(frame))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        self.parts.iter().try_for_each(|part| match part {
            Part::DateParts(fitted) => fitted.lower(on),
            Part::Drop(fitted) => fitted.lower(on),
            Part::Impute(fitted) => fitted.lower(on),
            Part::StandardScale(fitted) => fitted.lower(on),
            Part::OneHot(fitted) => fitted.lower(on),
            Part::CountEncode(fitted) => fitted.lower(on),
        })
    }

    fn learned(&self) -> Vec<card::Table> {
        let row = |decision: &Decision| {
            vec![shorten(&decision.column).into(), decision.kind.as_str().into(), decision.what.as_str().into(), decision.why.as_str().into()]
        };
        let mut tables = vec![card::Table {
            caption: "What was decided".to_owned(),
            columns: ["column", "type", "decision", "why"].map(str::to_owned).to_vec(),
            rows: self.decisions.iter().map(row).collect(),
        }];
        for (name, learned) in self.parts.iter().map(Part::learned) {
            tables.extend(learned.into_iter().map(|mut table| {
                table.caption = if table.caption.is_empty() { format!("`{name}`") } else { format!("`{name}`, {}", table.caption) };
                table
            }));
        }
        tables
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::*;
    use crate::data::{Role, Roles};
    use crate::ml::Matrix;
    use crate::ml::chain::Chain;
    use crate::value::Value;

    fn fitted(train: &DataFrame) -> Result<FittedAuto> {
        let table = Table::of(train.clone());
        let roles = Roles::new([("key".to_owned(), Role::Id)].into()).with_target("y");
        let fitted = Auto::default().fit(Fit { table: &table, roles: &roles, seed: 0, target: None })?;
        Ok(serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap())
    }

    fn applied(fitted: &FittedAuto, frame: &DataFrame) -> DataFrame {
        Table::from_query(fitted.apply(frame.clone().lazy()).unwrap()).unwrap().collect().unwrap()
    }

    fn names(frame: &DataFrame) -> Vec<String> {
        frame.get_column_names().iter().map(ToString::to_string).collect()
    }

    /// 200 rows with every sort of column.
    fn sample() -> DataFrame {
        let rows = 0..200_i64;
        let missing = |i: &i64| i % 10 == 3;
        let days: Vec<Option<i64>> = rows.clone().map(|i| (!missing(&i)).then_some(1_704_067_200_000 + i * 7 * 86_400_000)).collect();
        let frame = df!(
            "key" => rows.clone().map(|i| format!("id{i}")).collect::<Vec<_>>(),
            "number" => rows.clone().map(|i| (!missing(&i)).then_some(i as f64)).collect::<Vec<_>>(),
            "count" => rows.clone().map(|i| i % 7).collect::<Vec<_>>(),
            "fixed" => vec![5_i64; 200],
            "sometimes" => rows.clone().map(|i| missing(&i).then_some(1.0)).collect::<Vec<_>>(),
            "even" => rows.clone().map(|i| format!("e{}", i % 50)).collect::<Vec<_>>(),
            "flag" => rows.clone().map(|i| i % 3 == 0).collect::<Vec<_>>(),
            "empty" => vec![None::<f64>; 200],
            "color" => rows.clone().map(|i| (!missing(&i)).then_some(["red", "blue", "<b>"][(i % 3) as usize])).collect::<Vec<_>>(),
            "zip" => rows.clone().map(|i| format!("z{}", i % 60)).collect::<Vec<_>>(),
            "skewed" => rows.clone().map(|i| if i % 4 != 0 { "most".to_owned() } else { format!("rare{i}") }).collect::<Vec<_>>(),
            "note" => rows.clone().map(|i| format!("text {i}")).collect::<Vec<_>>(),
            "when" => days,
            "y" => rows.clone().map(|i| i as f64).collect::<Vec<_>>()
        )
        .unwrap();
        frame.lazy().with_columns([col("when").cast(DataType::Datetime(TimeUnit::Milliseconds, None))]).collect().unwrap()
    }

    #[test]
    fn every_column_gets_a_decision_with_a_reason() {
        let tables = fitted(&sample()).unwrap().learned();
        let shown: Vec<String> = tables[0]
            .rows
            .iter()
            .map(|row| row.iter().map(|cell| if let card::Cell::Text(text) = cell { text.as_str() } else { "?" }).collect::<Vec<_>>().join(" | "))
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        number | float | impute, indicator, scale | 10.0 % missing
        count | integer | scale | no value is missing
        fixed | integer | drop | constant: 5
        sometimes | float | impute, indicator | constant where it is not missing, so only the indicator stays
        even | string | drop | 50 levels, all equally frequent: their share says nothing
        flag | boolean | 0 and 1 | no value is missing
        empty | float | drop | no value in training
        color | string | one_hot | 3 levels
        zip | string | count_encode, scale | 60 levels, 60 of them frequent (100 % of rows): the share of training rows is one number for all of them
        skewed | string | one_hot | 51 levels, 1 of them frequent (75 % of rows)
        note | string | drop | every value is different: an identifier or free text
        when | datetime | date_parts | 3 parts, without 3 that do not vary; missing ones imputed, with an indicator
        ");
    }

    #[test]
    fn what_comes_out_is_complete_numbers_of_a_like_scale() {
        let train = sample();
        let auto = fitted(&train).unwrap();
        let out = applied(&auto, &train);
        let features: Vec<String> = names(&out).into_iter().filter(|name| name != "key" && name != "y").collect();
        let expected = "number count flag zip number_missing sometimes_missing when_year when_month when_day when_year_missing \
                        color_<b> color_blue color_red color_missing skewed_most skewed_infrequent";
        assert_eq!(features.join(" "), expected);
        let matrix = Matrix::of(&out, &features).unwrap();
        assert!(matrix.columns.iter().flatten().all(|value| value.is_finite() && value.abs() < 10.0));
    }

    #[test]
    fn scoring_needs_neither_the_target_nor_dropped_columns_and_takes_missing_and_new_values() {
        let auto = fitted(&sample()).unwrap();
        let rows = df!(
            "number" => [None, Some(1.0)], "count" => [None, Some(3_i64)], "sometimes" => [None, Some(1.0)], "flag" => [None, Some(true)],
            "color" => [Some("new"), None], "zip" => [Some("z999"), None], "skewed" => [None, Some("new")], "when" => [None::<i64>, None]
        )
        .unwrap();
        let rows = rows.lazy().with_columns([col("when").cast(DataType::Datetime(TimeUnit::Milliseconds, None))]).collect().unwrap();
        let out = applied(&auto, &rows);
        let matrix = Matrix::of(&out, &names(&out)).unwrap();
        assert!(matrix.columns.iter().flatten().all(|value| value.is_finite()), "{out}");
        let error = auto.apply(df!("number" => [1.0], "colour" => ["red"]).unwrap().lazy()).err().unwrap();
        assert_eq!(error.to_string(), "columns are missing: `count`, `sometimes`, `flag`, `color`, `zip`, `skewed`, `when`");
    }

    #[test]
    fn a_table_without_anything_to_learn_from_is_refused() {
        let error = fitted(&df!("a" => [1, 1], "b" => ["x", "y"], "y" => [1.0, 2.0]).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "`auto` finds nothing to learn from: `a` (constant: 1), `b` (every value is different: an identifier or free text)");
    }

    #[test]
    fn a_chain_of_auto_asks_later_data_for_kept_columns_only() {
        let roles = Roles::new([("key".to_owned(), Role::Id)].into()).with_target("y");
        let chain = Chain::parse(&Value::List(vec![Value::String("auto".to_owned())])).unwrap().fit(&Table::of(sample()), &roles, 0).unwrap();
        let inputs: Vec<&str> = chain.inputs.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(inputs, ["number", "count", "sometimes", "flag", "color", "zip", "skewed", "when"]);
        let later = sample().select(inputs).unwrap();
        let (few, all) = (chain.apply(later.lazy()).unwrap().collect().unwrap(), chain.apply(sample().lazy()).unwrap().collect().unwrap());
        for name in chain.features() {
            assert!(few.column(name).unwrap().equals_missing(all.column(name).unwrap()), "{name}");
        }
    }

    #[test]
    fn a_taken_name_costs_the_indicator_not_the_run() {
        let train = df!("a" => [Some(1.0), None, Some(2.0)], "a_missing" => [1.0, 2.0, 4.0], "y" => [1.0, 2.0, 3.0]).unwrap();
        assert_eq!(names(&applied(&fitted(&train).unwrap(), &train)), ["a", "a_missing", "y"]);
    }
}
