//! `tfidf`: texts become one column for each word, weighed by how rare the word is among training's texts.
//!
//! Words, counts and weights are scikit-learn 1.9's `TfidfVectorizer`. Each text is cut into words once and becomes a list of
//! numbers, from which the new columns are taken. Not here: stop words, stems, n-grams of characters.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use polars::prelude::*;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels::{self, Names};
use crate::card::{self, Cell};
use crate::data::Table;
use crate::error::{Error, Result, shorten};
use crate::ml::reduce::{self, CATEGORY_LIMIT};
use crate::ml::selector::{ColumnKind, Selector, column, require};
use crate::ml::sparse::{self, Block, Sparse};
use crate::ml::{Apply, Fit, Transformer};
use crate::value::Fault;

/// More dense new columns than this for one column are refused.
const MOST_WORDS: usize = 1000;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tfidf {
    columns: Selector,
    #[serde(default = "hundred")]
    max_features: usize,
    #[serde(default = "one")]
    min_df: u64,
    #[serde(default = "whole")]
    max_df: f64,
    #[serde(default = "single")]
    ngram_range: [usize; 2],
    #[serde(default)]
    sublinear_tf: bool,
    #[serde(default)]
    norm: Norm,
    #[serde(default, skip_serializing_if = "Sparse::is_auto")]
    sparse: Sparse,
}

fn hundred() -> usize {
    100
}

fn one() -> u64 {
    1
}

fn whole() -> f64 {
    1.0
}

fn single() -> [usize; 2] {
    [1, 1]
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Norm {
    #[default]
    L2,
    L1,
    None,
}

/// Fitted: the words of each column.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedTfidf {
    columns: Vec<Weighed>,
    ngram_range: [usize; 2],
    sublinear_tf: bool,
    norm: Norm,
}

#[derive(Debug, Serialize, Deserialize)]
struct Weighed {
    name: String,
    /// Sorted.
    words: Vec<Word>,
    /// The sparse column that holds the new columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    block: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Word {
    text: String,
    /// The new column.
    output: String,
    /// Training texts that have it.
    texts: u64,
    weight: f64,
}

impl Transformer for Tfidf {
    const NAME: &'static str = "tfidf";
    const ALIASES: &'static [&'static str] = &["text_tfidf", "TfidfVectorizer"];
    const DOC: &'static str = "Turns a column of texts into one column `<column>_<word>` for each frequent word.

As scikit-learn's `TfidfVectorizer`: words are two or more letters or digits in lower case; a word counts as often as the text
has it, times `ln((1 + texts) / (1 + texts with it)) + 1`, and a row is scaled to length 1. Words that training did not
have count nothing; a missing text is one without words. A column whose role is `text_source` can be named.

- `columns`: selector, required
- `max_features`: at most so many words for each column, the most frequent ones, from 1 to 262144 (1000 if they are dense); default 100
- `min_df`: only words in at least so many training texts, from 1; default 1
- `max_df`: only words in at most this share of training texts, above 0 up to 1; default 1
- `ngram_range`: two whole numbers from 1 to 5: words in a row that count as one; default `[1, 1]`
- `sublinear_tf`: boolean, default `false`: `1 + ln(count)` instead of the count
- `norm`: `l2` (default), `l1` or `none`
- `sparse`: `auto` (default: more than 1,000 words become one sparse column `<column>_tfidf`, see `one_hot`), `true` or `false`

```yaml
- tfidf: {columns: [payment_type], max_features: 20, ngram_range: [1, 2]}
```";

    type Fitted = FittedTfidf;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        let mut refuse = |key: &str, message: String| faults.push(Fault::new(&[key.to_owned()], message));
        let most = if self.sparse == Sparse::Always(false) { MOST_WORDS } else { sparse::MOST };
        if !(1..=most).contains(&self.max_features) {
            refuse("max_features", format!("`max_features` is a whole number from 1 to {most}, got {}", self.max_features));
        }
        if self.min_df == 0 {
            refuse("min_df", "`min_df` is at least 1, got 0".to_owned());
        }
        if !(self.max_df > 0.0 && self.max_df <= 1.0) {
            refuse("max_df", format!("`max_df` is a share above 0 up to 1, got {}", self.max_df));
        }
        let [least, most] = self.ngram_range;
        if !(1 <= least && least <= most && most <= 5) {
            refuse("ngram_range", format!("expected two whole numbers from 1 to 5, the second not smaller, got `[{least}, {most}]`"));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedTfidf> {
        let columns = levels::encodable(&self.columns, on, Self::NAME)?;
        require(Self::NAME, on.table, &columns, &[ColumnKind::String])?;
        let rows = on.table.rows()? as u64;
        let stay = on.table.names().filter(|name| !columns.iter().any(|column| column == name));
        let mut names = Names::new(stay.chain(on.roles.iter().map(|(name, _)| name)));
        let counted = self.count(on.table, &columns)?;
        let mut weighed = Vec::with_capacity(columns.len());
        for (name, counts) in columns.into_iter().zip(counted) {
            let most = self.max_df * rows as f64;
            let mut kept: Vec<(String, Counts)> = counts.into_iter().filter(|(_, c)| c.texts >= self.min_df && c.texts as f64 <= most).collect();
            kept.sort_by(|(a, x), (b, y)| y.times.cmp(&x.times).then_with(|| a.cmp(b)));
            kept.truncate(self.max_features);
            kept.sort_by(|(a, _), (b, _)| a.cmp(b));
            let word = |(word, counts): (String, Counts)| Word {
                output: names.give(&format!("{name}_{word}")),
                weight: ((1.0 + rows as f64) / (1.0 + counts.texts as f64)).ln() + 1.0,
                texts: counts.texts,
                text: word,
            };
            let words: Vec<Word> = kept.into_iter().map(word).collect();
            let block = self.sparse.takes(words.len()).then(|| names.give(&format!("{name}_tfidf")));
            weighed.push(Weighed { name, words, block });
        }
        Ok(FittedTfidf { columns: weighed, ngram_range: self.ngram_range, sublinear_tf: self.sublinear_tf, norm: self.norm })
    }
}

/// How often a word is there, and in how many texts.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    times: u64,
    texts: u64,
}

impl Tfidf {
    fn count(&self, table: &Table, columns: &[String]) -> Result<Vec<HashMap<String, Counts>>> {
        let cutter = Cutter::new(self.ngram_range)?;
        reduce::pass(table, columns, vec![HashMap::new(); columns.len()], |counts: &mut HashMap<String, Counts>, column| {
            let texts = column.cast(&DataType::String)?;
            for text in texts.str()?.iter().flatten() {
                for (word, times) in cutter.words(text) {
                    let counts = counts.entry(word).or_default();
                    counts.times += times;
                    counts.texts += 1;
                }
            }
            if counts.len() > CATEGORY_LIMIT {
                let error = Error::data(format!("column `{}` has more than {CATEGORY_LIMIT} different words", shorten(column.name())));
                return Err(error.hint("take single words: `ngram_range: [1, 1]`"));
            }
            Ok(())
        })
    }
}

/// Cuts texts into words and runs of words.
#[derive(Clone)]
struct Cutter {
    word: Regex,
    range: [usize; 2],
}

impl Cutter {
    fn new(range: [usize; 2]) -> Result<Self> {
        Ok(Self { word: Regex::new(r"\b\w\w+\b").map_err(|error| Error::bug(error.to_string()))?, range })
    }

    /// The words of a text with how often each is there.
    fn words(&self, text: &str) -> HashMap<String, u64> {
        let text = text.to_lowercase();
        let words: Vec<&str> = self.word.find_iter(&text).map(|found| found.as_str()).collect();
        let mut counts = HashMap::new();
        for length in self.range[0]..=self.range[1] {
            for run in words.windows(length) {
                *counts.entry(run.join(" ")).or_default() += 1;
            }
        }
        counts
    }
}

/// What a word counts that a text has so often.
fn frequency(times: u64, sublinear: bool) -> f64 {
    if sublinear { 1.0 + (times as f64).ln() } else { times as f64 }
}

impl Norm {
    fn scale(self, row: &mut [f64]) {
        let size = match self {
            Self::L2 => row.iter().map(|v| v * v).sum::<f64>().sqrt(),
            Self::L1 => row.iter().map(|v| v.abs()).sum(),
            Self::None => 1.0,
        };
        if size > 0.0 {
            for value in row {
                *value /= size;
            }
        }
    }
}

impl Apply for FittedTfidf {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        if self.columns.is_empty() {
            return Ok(frame);
        }
        let schema = frame.collect_schema()?;
        levels::require(&schema, self.columns.iter().map(|column| column.name.as_str()))?;
        let outputs = self.columns.iter().flat_map(|column| column.words.iter().map(|word| &word.output).chain(&column.block).map(String::as_str));
        let taken: BTreeSet<&str> = schema.iter_names().map(PlSmallStr::as_str).chain(outputs).collect();
        let mut names = Names::new(taken);
        let (mut lists, mut outputs, mut temporary) = (Vec::new(), Vec::new(), Vec::new());
        for weighed in &self.columns {
            let list = names.give(&format!("words of {}", weighed.name));
            lists.push(self.weights(weighed)?.alias(list.as_str()));
            if let Some(block) = &weighed.block {
                outputs.push(column(&list).alias(block.as_str()));
                temporary.push(list);
                continue;
            }
            outputs.extend(weighed.words.iter().enumerate().map(|(i, word)| column(&list).list().get(lit(i as i64), true).alias(word.output.as_str())));
            temporary.push(list);
        }
        let listed = frame.with_columns(lists).drop(levels::exactly(self.columns.iter().map(|column| column.name.as_str())));
        Ok(listed.with_columns(outputs).drop(levels::exactly(temporary.iter().map(String::as_str))))
    }

    fn blocks(&self) -> Vec<Block> {
        let features = |column: &Weighed| column.words.iter().map(|word| word.output.clone()).collect();
        let block = |column: &Weighed| Some(Block { column: column.block.clone()?, transform: Tfidf::NAME, features: features(column) });
        self.columns.iter().filter_map(block).collect()
    }

    fn learned(&self) -> Vec<card::Table> {
        const LISTED: usize = 100;
        let table = |column: &Weighed| {
            let mut words: Vec<&Word> = column.words.iter().collect();
            words.sort_by_key(|word| std::cmp::Reverse(word.texts));
            let more = if words.len() > LISTED { format!(", the {LISTED} in most texts shown") } else { String::new() };
            card::Table {
                caption: format!("`{}`: {} words{more}", shorten(&column.name), words.len()),
                columns: ["word", "training texts", "weight"].map(str::to_owned).to_vec(),
                rows: words.into_iter().take(LISTED).map(|word| vec![shorten(&word.text).into(), word.texts.into(), Cell::Number(word.weight)]).collect(),
            }
        };
        self.columns.iter().map(table).collect()
    }
}

impl FittedTfidf {
    /// A column's texts as lists with one number a word, or as rows of a sparse column.
    fn weights(&self, column: &Weighed) -> Result<Expr> {
        let cutter = Cutter::new(self.ngram_range)?;
        let places: HashMap<String, (usize, f64)> = column.words.iter().enumerate().map(|(i, word)| (word.text.clone(), (i, word.weight))).collect();
        let (places, count, sublinear, norm) = (Arc::new(places), column.words.len(), self.sublinear_tf, self.norm);
        if column.block.is_some() {
            let weigh = move |texts: Column| {
                let texts = texts.cast(&DataType::String)?;
                let texts = texts.str()?;
                let mut rows = sparse::Rows::new(texts.name().clone(), texts.len(), texts.len());
                for text in texts.iter() {
                    let counts = text.map(|text| cutter.words(text)).unwrap_or_default();
                    let found = counts.into_iter().filter_map(|(word, times)| Some((places.get(&word)?, times)));
                    let mut row: Vec<(usize, f64)> = found.map(|((place, weight), times)| (*place, weight * frequency(times, sublinear))).collect();
                    row.sort_unstable_by_key(|(place, _)| *place);
                    let mut values: Vec<f64> = row.iter().map(|(_, value)| *value).collect();
                    norm.scale(&mut values);
                    rows.push(row.iter().zip(values).map(|((place, _), value)| (*place as u32, value)));
                }
                Ok(rows.finish())
            };
            return Ok(self::column(&column.name).map(weigh, |_, field| Ok(Field::new(field.name().clone(), sparse::dtype()))));
        }
        let weigh = move |texts: Column| {
            let texts = texts.cast(&DataType::String)?;
            let texts = texts.str()?;
            let mut lists = ListPrimitiveChunkedBuilder::<Float64Type>::new(texts.name().clone(), texts.len(), texts.len() * count, DataType::Float64);
            for text in texts.iter() {
                let mut row = vec![0.0; count];
                for (word, times) in text.map(|text| cutter.words(text)).unwrap_or_default() {
                    if let Some((place, weight)) = places.get(&word)
                        && let Some(value) = row.get_mut(*place)
                    {
                        *value = weight * frequency(times, sublinear);
                    }
                }
                norm.scale(&mut row);
                lists.append_slice(&row);
            }
            Ok(lists.finish().into_column())
        };
        Ok(self::column(&column.name).map(weigh, |_, field| Ok(Field::new(field.name().clone(), DataType::List(Box::new(DataType::Float64))))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::transformers::contract_tests::{close, fit, refused};

    /// Computed by `python tests/golden/tfidf.py` with scikit-learn 1.9.1.
    #[test]
    fn words_and_weights_are_scikit_learns() {
        let train =
            df!("s" => [Some("The quick brown fox"), Some("the lazy dog, the DOG!"), Some("Über den Fluss: 42 a b"), None, Some("quick quick dog")]).unwrap();
        let later = df!("s" => ["the dog the fox", "über 42 nothing", "", "quick brown fox quick", "unseen"]).unwrap();
        let cases: [(&str, &[&str], &[(&str, [f64; 5])]); 4] = [
            (
                "",
                &["42", "brown", "den", "dog", "fluss", "fox", "lazy", "quick", "the", "über"],
                &[
                    ("42", [0.0, 0.707_106_781_186_547_5, 0.0, 0.0, 0.0]),
                    ("brown", [0.0, 0.0, 0.0, 0.466_066_808_692_659_26, 0.0]),
                    ("dog", [0.391_141_712_299_453_55, 0.0, 0.0, 0.0, 0.0]),
                    ("fox", [0.484_810_070_540_266_04, 0.0, 0.0, 0.466_066_808_692_659_26, 0.0]),
                    ("quick", [0.0, 0.0, 0.0, 0.752_039_533_315_955_6, 0.0]),
                    ("the", [0.782_283_424_598_907_1, 0.0, 0.0, 0.0, 0.0]),
                    ("über", [0.0, 0.707_106_781_186_547_5, 0.0, 0.0, 0.0]),
                ],
            ),
            (
                ", min_df: 2, norm: none",
                &["dog", "quick", "the"],
                &[
                    ("dog", [1.693_147_180_559_945_4, 0.0, 0.0, 0.0, 0.0]),
                    ("quick", [0.0, 0.0, 0.0, 3.386_294_361_119_891, 0.0]),
                    ("the", [3.386_294_361_119_891, 0.0, 0.0, 0.0, 0.0]),
                ],
            ),
            (
                ", ngram_range: [1, 2], max_df: 0.3, sublinear_tf: true",
                &[
                    "42",
                    "brown",
                    "brown fox",
                    "den",
                    "den fluss",
                    "dog the",
                    "fluss",
                    "fluss 42",
                    "fox",
                    "lazy",
                    "lazy dog",
                    "quick brown",
                    "quick dog",
                    "quick quick",
                    "the dog",
                    "the lazy",
                    "the quick",
                    "über",
                    "über den",
                ],
                &[
                    ("42", [0.0, 0.707_106_781_186_547_5, 0.0, 0.0, 0.0]),
                    ("brown", [0.0, 0.0, 0.0, 0.5, 0.0]),
                    ("brown fox", [0.0, 0.0, 0.0, 0.5, 0.0]),
                    ("dog the", [0.577_350_269_189_625_8, 0.0, 0.0, 0.0, 0.0]),
                    ("fox", [0.577_350_269_189_625_8, 0.0, 0.0, 0.5, 0.0]),
                    ("quick brown", [0.0, 0.0, 0.0, 0.5, 0.0]),
                    ("the dog", [0.577_350_269_189_625_8, 0.0, 0.0, 0.0, 0.0]),
                    ("über", [0.0, 0.707_106_781_186_547_5, 0.0, 0.0, 0.0]),
                ],
            ),
            (
                ", norm: l1, max_features: 3",
                &["dog", "quick", "the"],
                &[
                    ("dog", [0.333_333_333_333_333_3, 0.0, 0.0, 0.0, 0.0]),
                    ("quick", [0.0, 0.0, 0.0, 1.0, 0.0]),
                    ("the", [0.666_666_666_666_666_6, 0.0, 0.0, 0.0, 0.0]),
                ],
            ),
        ];
        for (options, words, weights) in cases {
            let fitted = fit(&train, &format!("tfidf: {{columns: s{options}}}"));
            let out = fitted.apply(later.clone().lazy()).unwrap().collect().unwrap();
            let names: Vec<String> = words.iter().map(|word| format!("s_{word}")).collect();
            assert_eq!(out.get_column_names(), names.iter().map(String::as_str).collect::<Vec<_>>());
            for (word, expected) in weights {
                close(&out, &format!("s_{word}"), expected);
            }
            let total: f64 = crate::ml::Matrix::of(&out, &names).unwrap().columns.iter().flatten().sum();
            assert!((total - weights.iter().flat_map(|(_, values)| values).sum::<f64>()).abs() < 1e-9, "{options}");
        }
    }

    #[test]
    fn impossible_options_are_refused() {
        assert_eq!(refused("tfidf: {columns: s, max_features: 0, min_df: 0, max_df: 1.5, ngram_range: [2, 1]}").len(), 4);
    }
}
