//! `target_encode`: a level becomes the mean of the target among the rows that have it, drawn towards the overall mean.
//!
//! Encodings are scikit-learn 1.9's `TargetEncoder` (Micci-Barreca 2001, equations 5 to 7). A training row that is shown
//! the mean of rows with itself among them sees its own target, and a model would trust the column too much; so training
//! rows are cross-fitted: those of a fold get what the other folds give, with the other folds' own overall mean. All later
//! rows get what all training rows give.
//!
//! One pass: count, mean and squared deviations of each level and fold; folds are then joined. Memory: one byte a row, and
//! 24 bytes a level, fold and class. Not here: weights of rows.

use std::collections::HashMap;
use std::sync::Arc;

use polars::prelude::*;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels::{self, Kind, Level, Names, Novel};
use super::rows::{below, generator, spare_name};
use crate::card;
use crate::data::Table;
use crate::error::{Error, Result, shorten};
use crate::ml::export::{Lowering, Values, Why};
use crate::ml::matrix::numbers;
use crate::ml::model::classes;
use crate::ml::reduce::CATEGORY_LIMIT;
use crate::ml::selector::column;
use crate::ml::{Apply, Fit, Selector, TargetKind, Transformer};
use crate::value::Fault;

/// Levels of one column that the card lists.
const LISTED: usize = 100;
/// Classes times columns that one `target_encode` may make.
const MOST_OUTPUTS: usize = 10_000;

/// Replaces levels by the target's mean.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TargetEncode {
    pub columns: Selector,
    pub smooth: Smooth,
    pub cv: u8,
}

/// How strongly the overall mean draws.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Smooth {
    /// `auto`: empirical Bayes, by the variance within the level and over all rows.
    Named(Auto),
    /// As many rows as this that have the overall mean.
    Rows(f64),
}

/// The one name that `smooth` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auto {
    Auto,
}

impl Default for TargetEncode {
    fn default() -> Self {
        Self { columns: Selector::nominal(), smooth: Smooth::Named(Auto::Auto), cv: 5 }
    }
}

/// The number of each level, for all rows but those of training.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedTargetEncode {
    columns: Vec<Encoded>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Encoded {
    name: String,
    kind: Kind,
    /// Known levels and how many training rows have them, in the order of `Output::values`.
    levels: Vec<Level>,
    outputs: Vec<Output>,
}

/// One new column.
#[derive(Debug, Serialize, Deserialize)]
struct Output {
    name: String,
    /// What a level that training did not have becomes.
    overall: f64,
    values: Vec<f64>,
}

impl Transformer for TargetEncode {
    const NAME: &'static str = "target_encode";
    const ALIASES: &'static [&'static str] = &["encode_target", "lencode", "TargetEncoder"];
    const DOC: &'static str = "\
Replaces each level of a column by the mean of the target among the training rows that have it.

As scikit-learn's `TargetEncoder`: means of rare levels are drawn towards the overall mean, and training rows are cross-fitted:
a row gets the mean of other rows than those of its own fold, so that no row is shown its own target. All later rows get
the mean of all training rows. With two classes the column becomes the share of the second label in sorted order; with more, it
becomes one column `<column>_<class>` each. A missing value is a level; a value that training did not have becomes the
overall mean. Folds are drawn with the recipe's seed, by class where there are classes. Weights are not taken into account.

- `columns`: selector, default `nominal()`
- `smooth`: `auto` (default: empirical Bayes), or a number from 0: how many rows of the overall mean each level is mixed with
- `cv`: folds for the training rows, from 2 to 100; default 5

```yaml
- target_encode: {columns: [pickup_zip, vendor], smooth: auto, cv: 4}
```
";

    type Fitted = FittedTargetEncode;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        if matches!(self.smooth, Smooth::Rows(rows) if !(rows >= 0.0 && rows.is_finite())) {
            faults.push(Fault::new(&["smooth".to_owned()], "`smooth` is `auto` or a number from 0"));
        }
        if !(2..=100).contains(&self.cv) {
            faults.push(Fault::new(&["cv".to_owned()], format!("`cv` is a number of folds from 2 to 100, got {}", self.cv)));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedTargetEncode> {
        Ok(self.learn(on)?.fitted(self.smooth))
    }

    fn fit_training(&self, on: Fit<'_>) -> Result<(FittedTargetEncode, LazyFrame)> {
        let learned = self.learn(on)?;
        let rows = learned.cross_fitted(on.table, self.smooth);
        Ok((learned.fitted(self.smooth), rows))
    }
}

impl TargetEncode {
    fn learn(&self, on: Fit<'_>) -> Result<Learned> {
        let mut folds = Folds { count: self.cv, generator: generator(on.seed, Self::NAME), open: Vec::new() };
        self.learn_in(on, |stratum| folds.next(stratum))
    }

    /// Learns with folds as given: `assign` gets the class of each row in turn (0 where there are none).
    fn learn_in(&self, on: Fit<'_>, mut assign: impl FnMut(usize) -> u8) -> Result<Learned> {
        let names = levels::encodable(&self.columns, on, Self::NAME)?;
        let (target, labels) = labels(on)?;
        let outputs = if labels.len() > 2 { labels.len() } else { 1 };
        if names.len() * outputs > MOST_OUTPUTS {
            let made = names.len() * outputs;
            return Err(Error::data(format!("`target_encode` would make {made} columns, more than {MOST_OUTPUTS}")).hint("encode fewer columns"));
        }
        let kinds = levels::kinds(on.table, &names, Self::NAME)?;
        let texts = names.iter().zip(&kinds).filter_map(|(name, kind)| Some(levels::text(name, on.table.schema().get(name)?, *kind)));
        let narrow = Table::from_query(on.table.lazy().select(texts.chain([column(target)]).collect::<Vec<_>>()))?;

        let width = usize::from(self.cv) * outputs;
        let mut columns: Vec<ByLevel> = names.iter().map(|_| ByLevel::new(width)).collect();
        let mut overall = vec![Spread::default(); width];
        let mut folds = Vec::new();
        for batch in narrow.batches()? {
            let batch = batch?;
            let seen = Seen::of(batch.column(target)?, &labels)?;
            let from = folds.len();
            folds.extend(seen.strata.iter().map(|stratum| assign(*stratum)));
            let rows: Vec<(usize, &Vec<f64>)> = folds.iter().skip(from).map(|fold| usize::from(*fold) * outputs).zip(&seen.targets).collect();
            for (at, targets) in &rows {
                add(overall.get_mut(*at..*at + outputs), targets);
            }
            columns.par_iter_mut().zip(&names).try_for_each(|(levels, name)| -> Result<()> {
                let texts = batch.column(name)?;
                for (text, (at, targets)) in texts.str()?.iter().zip(&rows) {
                    let from = levels.code(text) * width + at;
                    add(levels.spreads.get_mut(from..from + outputs), targets);
                }
                Ok(())
            })?;
            let many: Vec<String> = names.iter().zip(&columns).filter(|(_, m)| m.codes.len() > CATEGORY_LIMIT).map(|(name, _)| format!("`{name}`")).collect();
            if !many.is_empty() {
                return Err(
                    Error::data(format!("more than {CATEGORY_LIMIT} distinct values in {}", many.join(", "))).hint("lump rare values with `group_rare`")
                );
            }
        }
        let stay = on.table.names().filter(|name| outputs == 1 || !names.iter().any(|column| column == name));
        let mut new = Names::new(stay.chain(on.roles.iter().map(|(name, _)| name)));
        let mut learned = Learned { columns: Vec::with_capacity(names.len()), outputs, overall, folds };
        for ((name, kind), levels) in names.into_iter().zip(kinds).zip(columns) {
            let outputs = if outputs == 1 { vec![name.clone()] } else { labels.iter().map(|label| new.give(&format!("{name}_{label}"))).collect() };
            learned.columns.push(LearnedColumn { name, kind, outputs, levels });
        }
        learned.check(target)?;
        Ok(learned)
    }
}

/// The target's name and its sorted labels; none where it is a number.
fn labels(on: Fit<'_>) -> Result<(&str, Vec<String>)> {
    let (target, kind) = on.target(TargetEncode::NAME)?;
    if kind == TargetKind::Number {
        return Ok((target, Vec::new()));
    }
    let labels: Vec<String> = classes(on.table, target)?.into_keys().collect();
    if labels.len() < 2 {
        return Err(Error::data(format!("target `{target}` has one class only, so `target_encode` has nothing to tell apart")));
    }
    Ok((target, labels))
}

/// The target in a batch.
struct Seen {
    strata: Vec<usize>,
    /// For each row one number an output; none where the target is missing.
    targets: Vec<Vec<f64>>,
}

impl Seen {
    fn of(target: &Column, labels: &[String]) -> Result<Self> {
        if labels.is_empty() {
            let targets: Vec<Vec<f64>> = numbers(target)?.into_iter().map(|y| if y.is_nan() { Vec::new() } else { vec![y] }).collect();
            return Ok(Self { strata: vec![0; targets.len()], targets });
        }
        let texts = target.cast(&DataType::String)?;
        let class: Vec<Option<usize>> = texts.str()?.iter().map(|text| labels.iter().position(|label| Some(label.as_str()) == text)).collect();
        let one = |class: Option<usize>| match class {
            None => Vec::new(),
            Some(class) if labels.len() == 2 => vec![class as f64],
            Some(class) => (0..labels.len()).map(|label| f64::from(u8::from(label == class))).collect(),
        };
        Ok(Self { strata: class.iter().map(|class| class.unwrap_or(0)).collect(), targets: class.into_iter().map(one).collect() })
    }
}

/// Folds of rows as they come: in each stratum every run of as many rows as there are folds is a random order of all folds, so
/// that sizes differ by one at most.
struct Folds {
    count: u8,
    generator: ChaCha8Rng,
    /// What is left of the open run of each stratum.
    open: Vec<Vec<u8>>,
}

impl Folds {
    fn next(&mut self, stratum: usize) -> u8 {
        if self.open.len() <= stratum {
            self.open.resize(stratum + 1, Vec::new());
        }
        let Some(open) = self.open.get_mut(stratum) else { return 0 };
        if open.is_empty() {
            open.extend(0..self.count);
        }
        open.swap_remove(below(&mut self.generator, open.len() as u64) as usize)
    }
}

/// Count, mean and sum of squared deviations.
#[derive(Clone, Copy, Debug, Default)]
struct Spread {
    count: u64,
    mean: f64,
    deviations: f64,
}

impl Spread {
    /// Welford (1962).
    fn add(&mut self, value: f64) {
        self.count += 1;
        let apart = value - self.mean;
        self.mean += apart / self.count as f64;
        self.deviations += apart * (value - self.mean);
    }

    /// Chan, Golub and `LeVeque` (1979).
    fn join(self, more: Self) -> Self {
        if self.count == 0 || more.count == 0 {
            return if self.count == 0 { more } else { self };
        }
        let (a, b, apart) = (self.count as f64, more.count as f64, more.mean - self.mean);
        Self {
            count: self.count + more.count,
            mean: self.mean + apart * b / (a + b),
            deviations: self.deviations + more.deviations + apart * apart * a * b / (a + b),
        }
    }

    /// This level's number, given all rows.
    fn encode(self, overall: Self, smooth: Smooth) -> f64 {
        let count = self.count as f64;
        match smooth {
            Smooth::Rows(rows) if count + rows == 0.0 => overall.mean,
            Smooth::Rows(rows) => (count * self.mean + rows * overall.mean) / (count + rows),
            Smooth::Named(Auto::Auto) => {
                let between = overall.deviations / overall.count as f64 * count;
                let trust = between / (between + self.deviations / count);
                // No row, or no variance at all.
                if trust.is_nan() { overall.mean } else { trust * self.mean + (1.0 - trust) * overall.mean }
            }
        }
    }
}

fn add(means: Option<&mut [Spread]>, targets: &[f64]) {
    means.unwrap_or_default().iter_mut().zip(targets).for_each(|(mean, y)| mean.add(*y));
}

/// The levels of a column as they were met; for each, fold by fold, one [`Spread`] an output.
struct ByLevel {
    codes: HashMap<String, usize>,
    missing: Option<usize>,
    width: usize,
    spreads: Vec<Spread>,
}

impl ByLevel {
    fn new(width: usize) -> Self {
        Self { codes: HashMap::new(), missing: None, width, spreads: Vec::new() }
    }

    fn code(&mut self, text: Option<&str>) -> usize {
        let known = match text {
            Some(text) => self.codes.get(text).copied(),
            None => self.missing,
        };
        if let Some(code) = known {
            return code;
        }
        let code = self.spreads.len() / self.width;
        self.spreads.resize(self.spreads.len() + self.width, Spread::default());
        match text {
            Some(text) => drop(self.codes.insert(text.to_owned(), code)),
            None => self.missing = Some(code),
        }
        code
    }

    /// Fold by fold, one [`Spread`] an output.
    fn level(&self, code: usize) -> Option<&[Spread]> {
        self.spreads.chunks(self.width).nth(code)
    }
}

/// What one pass found.
struct Learned {
    columns: Vec<LearnedColumn>,
    outputs: usize,
    /// Fold by fold, one [`Spread`] an output.
    overall: Vec<Spread>,
    /// Of each training row.
    folds: Vec<u8>,
}

struct LearnedColumn {
    name: String,
    kind: Kind,
    /// The names of the new columns.
    outputs: Vec<String>,
    levels: ByLevel,
}

impl Learned {
    /// The mean of one output over all folds, or all but one; `means` is [`Learned::overall`] or the like of a level.
    fn joined(&self, means: &[Spread], output: usize, without: Option<usize>) -> Spread {
        let folds = means.chunks(self.outputs).enumerate().filter(|(fold, _)| Some(*fold) != without);
        folds.filter_map(|(_, outputs)| outputs.get(output)).fold(Spread::default(), |all, mean| all.join(*mean))
    }

    /// Refuses a target that gives no mean.
    fn check(&self, target: &str) -> Result<()> {
        if !self.joined(&self.overall, 0, None).mean.is_finite() {
            return Err(Error::data(format!("target `{target}` has infinite values")).hint("filter them out with `steps.split.post_split_filter`"));
        }
        let used = self.overall.chunks(self.outputs).enumerate().filter(|(_, means)| means.iter().any(|mean| mean.count > 0));
        if used.map(|(fold, _)| fold).all(|fold| self.joined(&self.overall, 0, Some(fold)).count > 0) && self.joined(&self.overall, 0, None).count > 1 {
            return Ok(());
        }
        Err(Error::data("`target_encode` has too few training rows to learn from some of them for the others").hint("use `count_encode` or `one_hot`"))
    }

    /// The encodings of all rows but those of training.
    fn fitted(self, smooth: Smooth) -> FittedTargetEncode {
        let encoded = |column: &LearnedColumn| {
            let levels = &column.levels;
            let rows = |code: usize| levels.level(code).map_or(0, |folds| self.joined(folds, 0, None).count);
            let mut known: Vec<(Level, usize)> =
                levels.codes.iter().map(|(text, code)| (Level { value: Some(text.clone()), rows: rows(*code) }, *code)).collect();
            known.sort_by(|(a, _), (b, _)| column.kind.compare(a, b));
            known.extend(levels.missing.map(|code| (Level { value: None, rows: rows(code) }, code)));
            let output = |(output, name): (usize, &String)| {
                let overall = self.joined(&self.overall, output, None);
                let value = |code: usize| levels.level(code).map_or(overall.mean, |folds| self.joined(folds, output, None).encode(overall, smooth));
                Output { name: name.clone(), overall: overall.mean, values: known.iter().map(|(_, code)| value(*code)).collect() }
            };
            let outputs = column.outputs.iter().enumerate().map(output).collect();
            Encoded { name: column.name.clone(), kind: column.kind, levels: known.iter().map(|(level, _)| level.clone()).collect(), outputs }
        };
        FittedTargetEncode { columns: self.columns.iter().map(encoded).collect() }
    }

    /// The training rows, each encoded by the folds that it is not in.
    fn cross_fitted(&self, table: &Table, smooth: Smooth) -> LazyFrame {
        if self.columns.is_empty() {
            return table.lazy();
        }
        let row = spare_name(table, "number of the row");
        let folds = Arc::new(self.folds.clone());
        let mut outputs = Vec::new();
        for LearnedColumn { name, kind, outputs: names, levels: by_level } in &self.columns {
            let codes = Arc::new((by_level.codes.clone(), by_level.missing));
            let dtype = table.schema().get(name).cloned().unwrap_or(DataType::Null);
            for (output, new) in names.iter().enumerate() {
                let of_fold = |fold: usize| {
                    let overall = self.joined(&self.overall, output, Some(fold));
                    let levels = by_level.spreads.chunks(by_level.width).map(|folds| self.joined(folds, output, Some(fold)).encode(overall, smooth)).collect();
                    (levels, overall.mean)
                };
                let encodings: Vec<(Vec<f64>, f64)> = (0..by_level.width / self.outputs).map(of_fold).collect();
                let (codes, folds) = (codes.clone(), folds.clone());
                let encode = move |columns: &mut [Column]| {
                    let [texts, rows] = columns else { return Err(polars_err!(ComputeError: "two columns are wanted")) };
                    let rows = rows.cast(&DataType::UInt64)?;
                    let one = |(text, row): (Option<&str>, Option<u64>)| {
                        let fold = folds.get(row? as usize)?;
                        let (levels, overall) = encodings.get(usize::from(*fold))?;
                        let code = text.map_or(codes.1, |text| codes.0.get(text).copied());
                        Some(code.and_then(|code| levels.get(code)).copied().unwrap_or(*overall))
                    };
                    let encoded: Float64Chunked = texts.str()?.iter().zip(rows.u64()?.iter()).map(one).collect();
                    Ok(encoded.with_name(texts.name().clone()).into_column())
                };
                let text = levels::text(name, &dtype, *kind);
                let float =
                    |_: &Schema, fields: &[Field]| Ok(Field::new(fields.first().map_or_else(Default::default, |f| f.name().clone()), DataType::Float64));
                outputs.push(text.map_many(encode, &[column(&row)], float).alias(new.as_str()));
            }
        }
        let encoded = table.lazy().with_row_index(row.as_str(), None).with_columns(outputs);
        encoded.drop(levels::exactly(self.columns.iter().filter(|c| !c.outputs.contains(&c.name)).map(|c| c.name.as_str()).chain([row.as_str()])))
    }
}

impl Apply for FittedTargetEncode {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        if self.columns.is_empty() {
            return Ok(frame);
        }
        let schema = frame.collect_schema()?;
        levels::require(&schema, self.columns.iter().map(|column| column.name.as_str()))?;
        let mut outputs = Vec::new();
        for column in &self.columns {
            let dtype = schema.get(&column.name).cloned().unwrap_or(DataType::Null);
            for output in &column.outputs {
                let number = |level: &Level| column.levels.iter().zip(&output.values).find(|(known, _)| known.value == level.value).map(|(_, value)| *value);
                let missing = number(&Level { value: None, rows: 0 }).unwrap_or(output.overall);
                let known: HashMap<String, f64> =
                    column.levels.iter().zip(&output.values).filter_map(|(level, value)| Some((level.value.clone()?, *value))).collect();
                let text = levels::text(&column.name, &dtype, column.kind);
                let encoded = levels::lookup::<Float64Type>(text, &column.name, known, Novel::Code(missing), Novel::Code(output.overall));
                outputs.push(encoded.alias(output.name.as_str()));
            }
        }
        let replaced = self.columns.iter().filter(|column| column.outputs.iter().all(|output| output.name != column.name));
        Ok(frame.with_columns(outputs).drop(levels::exactly(replaced.map(|column| column.name.as_str()))))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        let mut made = Vec::new();
        for column in &self.columns {
            for output in &column.outputs {
                let known = || column.levels.iter().zip(&output.values);
                let of_missing = known().find(|(level, _)| level.value.is_none()).map_or(output.overall, |(_, value)| *value);
                let (keys, numbers): (Vec<String>, Vec<f64>) = known().filter_map(|(level, value)| Some((level.value.clone()?, *value))).unzip();
                let values = Values::Numbers(numbers.into_iter().chain([output.overall, of_missing]).collect());
                made.push((&output.name, on.level(&column.name, column.kind, &keys, values)?));
            }
        }
        on.drop(self.columns.iter().map(|column| column.name.as_str()));
        for (name, number) in made {
            on.set_number(name, number);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let table = |column: &Encoded| {
            let row = |(i, level): (usize, &Level)| {
                let value = level.value.as_deref().map_or(card::Cell::Missing, |value| shorten(value).into());
                let numbers = column.outputs.iter().map(|output| output.values.get(i).copied().into());
                [value, level.rows.into()].into_iter().chain(numbers).collect()
            };
            let overall = ["any other".into(), card::Cell::Missing].into_iter().chain(column.outputs.iter().map(|output| output.overall.into())).collect();
            let more = if column.levels.len() > LISTED { format!(", the first {LISTED} shown") } else { String::new() };
            let head = ["level", "training rows"].map(str::to_owned).into_iter();
            card::Table {
                caption: format!("`{}`: {} levels{more}; training rows get numbers of other folds", shorten(&column.name), column.levels.len()),
                columns: head.chain(column.outputs.iter().map(|output| shorten(&output.name))).collect(),
                rows: column.levels.iter().enumerate().take(LISTED).map(row).chain([overall]).collect(),
            }
        };
        self.columns.iter().map(table).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Roles;
    use crate::ml::transformers::contract_tests::{close, fit_error};

    fn train() -> DataFrame {
        let c = [Some("a"), Some("b"), Some("a"), Some("c"), None, Some("b"), Some("a"), Some("c"), Some("b"), Some("a"), Some("d"), None];
        df!(
            "c" => c, "y" => [1.5, 2.0, 3.5, 10.0, 4.0, 2.5, 1.0, 12.0, 2.0, 0.5, 7.0, 5.0],
            "two" => ["n", "p", "n", "p", "p", "n", "n", "p", "p", "n", "p", "n"], "three" => ["u", "v", "u", "w", "w", "v", "u", "w", "u", "v", "w", "u"]
        )
        .unwrap()
    }

    /// Fitted with row `i` in fold `i % 3`: the training rows, and what `a`, `b`, `c`, `d`, missing and a new value become.
    fn encoded(target: &str, smooth: Smooth) -> (DataFrame, DataFrame) {
        let (table, roles) = (Table::of(train()), Roles::default().with_target(target));
        let encode = TargetEncode { columns: Selector::names(["c"]), smooth, cv: 3 };
        let mut row = 0_u8;
        let mut next = |_| {
            row += 1;
            (row - 1) % 3
        };
        let learned = encode.learn_in(Fit { table: &table, roles: &roles, seed: 0, target: None }, &mut next).unwrap();
        let training = learned.cross_fitted(&table, smooth).collect().unwrap();
        let fitted: FittedTargetEncode = serde_json::from_str(&serde_json::to_string(&learned.fitted(smooth)).unwrap()).unwrap();
        let later = df!("c" => [Some("a"), Some("b"), Some("c"), Some("d"), None, Some("zz")]).unwrap();
        (training, fitted.apply(later.lazy()).unwrap().collect().unwrap())
    }

    /// Computed by `python tests/golden/target_encode.py` with scikit-learn 1.9.1.
    #[test]
    fn encodings_are_scikit_learns_in_training_and_later() {
        let auto = Smooth::Named(Auto::Auto);
        let cases: [(&str, Smooth, &str, [f64; 12], [f64; 6]); 8] = [
            (
                "y",
                auto,
                "c",
                [3.5, 2.253_745_318_352_06, 1.012_214_983_713_355, 12.0, 5.0, 2.0, 3.5, 10.0, 2.0, 3.5, 3.25, 4.0],
                [1.692_572_107_929_287_7, 2.169_805_989_828_593, 10.735_725_938_009_788, 7.0, 4.497_478_991_596_639, 4.25],
            ),
            (
                "y",
                Smooth::Rows(2.5),
                "c",
                [
                    4.392_857_142_857_143,
                    2.805_555_555_555_555_4,
                    2.704_545_454_545_454_6,
                    6.821_428_571_428_571,
                    3.75,
                    3.964_285_714_285_714_4,
                    4.392_857_142_857_143,
                    5.178_571_428_571_429,
                    3.964_285_714_285_714_4,
                    4.392_857_142_857_143,
                    3.25,
                    4.535_714_285_714_286,
                ],
                [2.634_615_384_615_384_6, 3.113_636_363_636_363_8, 7.25, 5.035_714_285_714_286, 4.361_111_111_111_111, 4.25],
            ),
            (
                "y",
                Smooth::Rows(0.0),
                "c",
                [3.5, 2.25, 1.0, 12.0, 5.0, 2.0, 3.5, 10.0, 2.0, 3.5, 3.25, 4.0],
                [1.625, 2.166_666_666_666_666_5, 11.0, 7.0, 4.5, 4.25],
            ),
            ("two", auto, "c", [0.0, 0.4, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.25, 1.0], [0.0, 0.628_571_428_571_428_6, 1.0, 1.0, 0.5, 0.5]),
            (
                "two",
                Smooth::Rows(2.5),
                "c",
                [
                    0.446_428_571_428_571_45,
                    0.361_111_111_111_111_1,
                    0.284_090_909_090_909_1,
                    0.732_142_857_142_857_1,
                    0.178_571_428_571_428_58,
                    0.732_142_857_142_857_1,
                    0.446_428_571_428_571_45,
                    0.464_285_714_285_714_3,
                    0.732_142_857_142_857_1,
                    0.446_428_571_428_571_45,
                    0.25,
                    0.732_142_857_142_857_1,
                ],
                [0.192_307_692_307_692_32, 0.590_909_090_909_090_9, 0.722_222_222_222_222_2, 0.642_857_142_857_142_9, 0.5, 0.5],
            ),
            (
                "three",
                auto,
                "c_u",
                [1.0, 0.543_478_260_869_565_2, 0.548_672_566_371_681_4, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.625, 0.0],
                [0.696_107_784_431_137_7, 0.352_798_053_527_980_55, 0.0, 0.0, 0.471_698_113_207_547_2, 0.416_666_666_666_666_7],
            ),
            (
                "three",
                auto,
                "c_v",
                [0.0, 0.4, 0.309_734_513_274_336_27, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.25, 0.0],
                [0.25, 0.548_672_566_371_681_4, 0.0, 0.0, 0.0, 0.25],
            ),
            ("three", auto, "c_w", [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.125, 1.0], [0.0, 0.0, 1.0, 1.0, 0.44, 0.333_333_333_333_333_3]),
        ];
        for (target, smooth, column, training, later) in cases {
            let found = encoded(target, smooth);
            close(&found.0, column, &training);
            close(&found.1, column, &later);
            assert_eq!(found.0.column("c").is_ok(), target != "three");
        }
    }

    #[test]
    fn training_rows_differ_from_later_ones_and_folds_follow_the_seed() {
        let frame = df!("c" => ["a", "b"].repeat(50), "fare_amount" => (0..100).map(|i| f64::from(i % 7)).collect::<Vec<_>>()).unwrap();
        let (table, roles) = (Table::of(frame), Roles::default().with_target("fare_amount"));
        let rows = |seed| {
            let (fitted, rows) = TargetEncode::default().fit_training(Fit { table: &table, roles: &roles, seed, target: None }).unwrap();
            (rows.collect().unwrap(), fitted.apply(table.lazy()).unwrap().collect().unwrap())
        };
        let distinct =
            |frame: &DataFrame| frame.column("c").unwrap().f64().unwrap().iter().flatten().map(f64::to_bits).collect::<std::collections::BTreeSet<_>>();
        let (training, later) = rows(1);
        assert_eq!((distinct(&training).len(), distinct(&later).len()), (10, 2));
        assert!(training.equals(&rows(1).0) && !training.equals(&rows(2).0));
        let full: Vec<f64> = later.column("c").unwrap().f64().unwrap().iter().flatten().collect();
        close(&rows(2).1, "c", &full);
    }

    #[test]
    fn folds_are_of_a_size_in_each_stratum() {
        let mut folds = Folds { count: 5, generator: generator(3, "target_encode"), open: Vec::new() };
        let mut sizes = [[0; 5]; 2];
        for row in 0..1003 {
            let stratum = usize::from(row % 10 == 0);
            sizes[stratum][usize::from(folds.next(stratum))] += 1;
        }
        for sizes in sizes {
            assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
        }
    }

    #[test]
    fn too_little_to_learn_from_is_refused() {
        let one = df!("c" => ["a"], "fare_amount" => [1.0]).unwrap();
        assert!(fit_error(&one, "target_encode").to_string().contains("too few training rows"));
        let infinite = df!("c" => ["a", "b"], "fare_amount" => [1.0, f64::INFINITY]).unwrap();
        assert_eq!(fit_error(&infinite, "target_encode").to_string(), "target `fare_amount` has infinite values");
        let same = df!("c" => ["a", "b"], "fare_amount" => ["x", "x"]).unwrap();
        assert!(fit_error(&same, "target_encode").to_string().contains("one class only"));
    }
}
