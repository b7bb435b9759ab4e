//! `hash`: levels of columns fall into a fixed number of new columns by their hash.
//!
//! Nothing is learned, so that new levels are no surprise and a million levels cost no memory; two levels may share a column. Hash,
//! sign and place are those of scikit-learn 1.9's `FeatureHasher` (`MurmurHash3`, 32 bits, seed 0) on `column=level`.

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels::{self, Kind, Names};
use crate::card;
use crate::error::{Result, shorten};
use crate::ml::selector::column;
use crate::ml::sparse::{self, Block, Sparse};
use crate::ml::{Apply, Fit, Selector, Transformer};
use crate::value::Fault;

/// More dense new columns than this are refused.
const MOST_OUTPUTS: usize = 4096;
/// A value that is missing has no place.
const NOWHERE: u32 = u32::MAX;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hash {
    columns: Selector,
    n_features: usize,
    alternate_sign: bool,
    #[serde(skip_serializing_if = "Sparse::is_auto")]
    sparse: Sparse,
}

impl Default for Hash {
    fn default() -> Self {
        Self { columns: Selector::nominal(), n_features: 32, alternate_sign: true, sparse: Sparse::default() }
    }
}

/// Fitted: which columns, and the names of the new ones.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedHash {
    columns: Vec<(String, Kind)>,
    outputs: Vec<String>,
    alternate_sign: bool,
    /// The sparse column that holds the outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    block: Option<String>,
}

impl Transformer for Hash {
    const NAME: &'static str = "hash";
    const ALIASES: &'static [&'static str] = &["dummy_hash", "FeatureHasher"];
    const VERSION: u32 = 2;
    const DOC: &'static str = "\
Turns columns of many levels into a fixed number of numeric columns `hash_0`, `hash_1`, … by the hash of each level.

As scikit-learn's `FeatureHasher`: all columns share the new ones, each value adds 1 or -1 to one of them. Nothing is learned: a
value that training did not have has its place too. Different values may share a place; the more columns, the fewer do. A
missing value adds nothing.

- `columns`: selector, default `nominal()`
- `n_features`: how many new columns, from 2 to 262144 (4096 if they are dense); default 32
- `alternate_sign`: boolean, default true: half of the values count -1, so that those that share a place tend to cancel
- `sparse`: `auto` (default: more than 1,000 new columns become one sparse column `hash`, see `one_hot`), `true` or `false`

```yaml
- hash: {columns: [pickup_zip, dropoff_zip], n_features: 16}
```
";

    type Fitted = FittedHash;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let most = if self.sparse == Sparse::Always(false) { MOST_OUTPUTS } else { sparse::MOST };
        if (2..=most).contains(&self.n_features) {
            return Ok(());
        }
        Err(vec![Fault::new(&["n_features".to_owned()], format!("`n_features` is a whole number from 2 to {most}, got {}", self.n_features))])
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedHash> {
        let columns = levels::encodable(&self.columns, on, Self::NAME)?;
        let kinds = levels::kinds(on.table, &columns, Self::NAME)?;
        let stay = on.table.names().filter(|name| !columns.iter().any(|column| column == name));
        let mut names = Names::new(stay.chain(on.roles.iter().map(|(name, _)| name)));
        let outputs = if columns.is_empty() { 0 } else { self.n_features };
        let block = self.sparse.takes(outputs).then(|| names.give("hash"));
        Ok(FittedHash {
            columns: columns.into_iter().zip(kinds).collect(),
            outputs: (0..outputs).map(|i| names.give(&format!("hash_{i}"))).collect(),
            alternate_sign: self.alternate_sign,
            block,
        })
    }
}

/// `MurmurHash3_x86_32` with seed 0 (Appleby, public domain).
fn murmur3(bytes: &[u8]) -> u32 {
    let mix = |block: u32| block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let (blocks, tail) = bytes.as_chunks::<4>();
    let mut hash = blocks.iter().fold(0_u32, |hash, block| (hash ^ mix(u32::from_le_bytes(*block))).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64));
    if !tail.is_empty() {
        hash ^= mix(tail.iter().rev().fold(0, |all, byte| all << 8 | u32::from(*byte)));
    }
    hash ^= bytes.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

/// The place of a token among `places`, twice, and one more where its sign is negative.
fn place(token: &str, places: u32) -> u32 {
    let hash = murmur3(token.as_bytes()) as i32;
    // scikit-learn's one exception: the smallest number has no absolute value.
    let index = if hash == i32::MIN { (0x7fff_ffff_u32 - (places - 1)) % places } else { hash.unsigned_abs() % places };
    2 * index + u32::from(hash < 0)
}

/// Columns of places as one sparse column; `minus` stands for a negative sign.
fn joined(columns: &mut [Column], minus: i32) -> PolarsResult<Column> {
    let places =
        columns.iter().map(|column| Ok(column.u32()?.iter().map(|place| place.unwrap_or(NOWHERE)).collect())).collect::<PolarsResult<Vec<Vec<u32>>>>()?;
    let rows = places.first().map_or(0, Vec::len);
    let mut joined = sparse::Rows::new("".into(), rows, rows * places.len());
    let mut row: Vec<(u32, i32)> = Vec::new();
    for i in 0..rows {
        row.clear();
        row.extend(places.iter().map(|places| places[i]).filter(|place| *place != NOWHERE).map(|place| (place / 2, if place % 2 == 0 { 1 } else { minus })));
        row.sort_unstable();
        row.dedup_by(|later, first| {
            let same = later.0 == first.0;
            first.1 += if same { later.1 } else { 0 };
            same
        });
        joined.push(row.iter().filter(|(_, sum)| *sum != 0).map(|(place, sum)| (*place, f64::from(*sum))));
    }
    Ok(joined.finish())
}

impl Apply for FittedHash {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        if self.columns.is_empty() {
            return Ok(frame);
        }
        let schema = frame.collect_schema()?;
        levels::require(&schema, self.columns.iter().map(|(name, _)| name.as_str()))?;
        let mut names = Names::new(schema.iter_names().map(PlSmallStr::as_str).chain(self.outputs.iter().chain(&self.block).map(String::as_str)));
        let temporary: Vec<String> = self.columns.iter().map(|(name, _)| names.give(&format!("place of {name}"))).collect();
        let places = self.outputs.len() as u32;
        let of_column = |((name, kind), temporary): (&(String, Kind), &String)| {
            let start = format!("{name}=");
            let of = move |texts: Column| {
                let places: Vec<u32> = texts.str()?.iter().map(|text| text.map_or(NOWHERE, |text| place(&format!("{start}{text}"), places))).collect();
                Ok(UInt32Chunked::from_vec(texts.name().clone(), places).into_column())
            };
            let text = levels::text(name, schema.get(name).unwrap_or(&DataType::Null), *kind);
            text.map(of, |_, field| Ok(Field::new(field.name().clone(), DataType::UInt32))).alias(temporary.as_str())
        };
        let hashed = frame.with_columns(self.columns.iter().zip(&temporary).map(of_column).collect::<Vec<_>>());
        let hashed = hashed.drop(levels::exactly(self.columns.iter().map(|(name, _)| name.as_str())));
        let minus = if self.alternate_sign { -1_i32 } else { 1 };
        if let (Some(block), Some((first, rest))) = (&self.block, temporary.split_first()) {
            let rest: Vec<Expr> = rest.iter().map(|name| column(name)).collect();
            let joined = column(first).map_many(move |columns| joined(columns, minus), &rest, |_, _| Ok(Field::new("".into(), sparse::dtype())));
            return Ok(hashed.with_columns([joined.alias(block.as_str())]).drop(levels::exactly(temporary.iter().map(String::as_str))));
        }
        let output = |(i, name): (usize, &String)| {
            let is = |place: u32, temporary: &String, value: i32| when(column(temporary).eq(lit(place))).then(lit(value)).otherwise(lit(0_i32));
            let parts = temporary.iter().map(|temporary| is(2 * i as u32, temporary, 1) + is(2 * i as u32 + 1, temporary, minus));
            parts.reduce(|all, part| all + part).unwrap_or(lit(0_i32)).alias(name.as_str())
        };
        let outputs: Vec<Expr> = self.outputs.iter().enumerate().map(output).collect();
        Ok(hashed.with_columns(outputs).drop(levels::exactly(temporary.iter().map(String::as_str))))
    }

    fn blocks(&self) -> Vec<Block> {
        self.block.iter().map(|block| Block { column: block.clone(), transform: Hash::NAME, features: self.outputs.clone() }).collect()
    }

    fn learned(&self) -> Vec<card::Table> {
        let rows = self.columns.iter().map(|(name, _)| vec![shorten(name).into()]).collect();
        vec![card::Table { caption: format!("Hashed into {} columns; nothing is learned", self.outputs.len()), columns: vec!["column".to_owned()], rows }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::Matrix;
    use crate::ml::transformers::contract_tests::{fit_apply, refused};

    /// `python tests/golden/numeric_transforms.py` with scikit-learn 1.9.1; every value is exact.
    #[test]
    fn places_and_signs_are_scikit_learns() {
        let frame = df!("c" => [Some("a"), Some("bb"), Some("a long level with blanks"), None], "d" => [Some("x"), Some("é"), None, Some("x")]).unwrap();
        let rows = |yaml: &str| {
            let out = fit_apply(&frame, yaml);
            let columns = Matrix::of(&out, &(0..8).map(|i| format!("hash_{i}")).collect::<Vec<_>>()).unwrap().columns;
            assert_eq!(out.width(), 8);
            (0..4).map(|row| columns.iter().map(|column| column[row] as i32).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        let expected = [[0, 0, 0, 0, 0, 1, 1, 0], [0, -1, 0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1, 0]];
        assert_eq!(rows("hash: {n_features: 8}"), expected);
        assert_eq!(rows("hash: {n_features: 8, alternate_sign: false}"), expected.map(|row| row.map(i32::abs)));
        assert_eq!(refused("hash: {n_features: 1}"), ["n_features: `n_features` is a whole number from 2 to 262144, got 1"]);
    }

    /// The reference implementation's results.
    #[test]
    fn murmur3_is_the_reference() {
        assert_eq!([murmur3(b""), murmur3(b"a"), murmur3(b"hello"), murmur3(b"hello, world")], [0, 0x3c25_69b2, 0x248b_fa47, 0x149b_bb7f]);
    }
}
