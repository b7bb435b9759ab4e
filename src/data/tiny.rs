//! A few rows of a table, drawn by lot or made up, for a test that goes with a recipe.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::canonical::mix;
use super::profile::{ProfiledColumn, profile};
use super::rows::pick;
use super::{Role, Roles, Table};
use crate::error::Result;

/// A value that fewer rows have is nobody else's business: it is not used for made-up rows.
const SHARED: u64 = 10;
/// A number with at most so many values is drawn from them.
const FEW_VALUES: usize = 20;

/// At most `rows` rows by lot, in the table's order. With `class`, each value of that column gets an equal part first.
///
/// # Errors
/// Where the table cannot be read, or has no such column.
pub fn draw(table: &Table, rows: usize, class: Option<&str>, seed: u64) -> Result<Table> {
    let mut lots: BTreeMap<Option<String>, BTreeSet<(u64, usize)>> = BTreeMap::new();
    let mut start = 0;
    for batch in table.batches()? {
        let batch = batch?;
        let labels = class.map(|class| batch.column(class)?.cast(&DataType::String)).transpose()?;
        for row in 0..batch.height() {
            let label = labels.as_ref().and_then(|labels| Some(labels.str().ok()?.get(row)?.to_owned()));
            let of_class = lots.entry(label).or_default();
            of_class.insert((mix(seed ^ mix((start + row) as u64)), start + row));
            if of_class.len() > rows {
                of_class.pop_last();
            }
        }
        start += batch.height();
    }
    let part = rows / lots.len().max(1);
    let mut chosen: Vec<usize> = lots.values().flat_map(|lots| lots.iter().take(part)).map(|(_, row)| *row).collect();
    let mut others: Vec<(u64, usize)> = lots.values().flat_map(|lots| lots.iter().skip(part)).copied().collect();
    others.sort_unstable();
    let open = rows.saturating_sub(chosen.len());
    chosen.extend(others.into_iter().take(open).map(|(_, row)| row));
    chosen.sort_unstable();
    Ok(Table::of(pick(table, &chosen)?))
}

/// Rows that nobody has: each column by itself is distributed as in the table, and columns know nothing of each other.
///
/// Numbers lie between the quantiles of 1 % and 99 %; texts are those that ten rows share, and `rare` in the place of others (a
/// target keeps all its classes); texts that differ in every row, and numbers of the role `id`, are counted up.
///
/// # Errors
/// Columns of nested types; a query that fails.
pub fn make_up(table: &Table, rows: usize, roles: &Roles, seed: u64) -> Result<Table> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut columns = Vec::new();
    for column in profile(table, roles)?.columns {
        let name = column.summary.name.clone();
        let dtype = table.schema().get(&name).cloned().unwrap_or(DataType::Null);
        let made = values(table, &column, &dtype, roles.of(&name), rows, &mut random)?;
        let share = column.summary.missing as f64 / column.summary.rows.max(1) as f64;
        let is_there: BooleanChunked = (0..rows).map(|_| random.random::<f64>() >= share).collect();
        let nothing = Column::full_null(name.as_str().into(), 1, made.dtype());
        columns.push(made.zip_with(&is_there, &nothing)?.cast(&dtype)?);
    }
    Ok(Table::of(DataFrame::new(rows, columns)?))
}

/// A value for each row, in a type that the column's can be made from.
fn values(table: &Table, column: &ProfiledColumn, dtype: &DataType, role: Role, rows: usize, random: &mut ChaCha8Rng) -> Result<Column> {
    let name = PlSmallStr::from(column.summary.name.as_str());
    let present = column.summary.rows - column.summary.missing.min(column.summary.rows);
    let is_text = matches!(dtype, DataType::String | DataType::Boolean | DataType::Categorical(..) | DataType::Enum(..));
    let is_unique = column.summary.distinct == Some(present) && present > SHARED;
    if is_unique && is_text {
        return Ok(Column::new(name, (1..=rows).map(|row| format!("{} {row}", column.summary.name)).collect::<Vec<String>>()));
    }
    if is_unique && dtype.is_integer() && role == Role::Id {
        return Ok(Column::new(name, (1..=rows as i64).collect::<Vec<i64>>()));
    }
    if is_text || (column.categories_complete && column.categories.len() <= FEW_VALUES && column.numbers.is_some()) {
        let shared: Vec<(&str, u64)> =
            column.categories.iter().filter(|(_, count)| role == Role::Target || *count >= SHARED).map(|(value, count)| (value.as_str(), *count)).collect();
        let known: u64 = shared.iter().map(|(_, count)| count).sum();
        if is_text || known > 0 {
            let drawn = (0..rows).map(|_| {
                let mut place = random.random_range(0..if is_text { present.max(known) } else { known }.max(1));
                shared
                    .iter()
                    .find(|(_, count)| {
                        let is_here = place < *count;
                        place = place.saturating_sub(*count);
                        is_here
                    })
                    .map_or("rare", |(value, _)| *value)
            });
            let texts = Column::new(name, drawn.collect::<Vec<&str>>());
            // Booleans do not parse from text in polars.
            return Ok(match dtype {
                DataType::Boolean => Column::new(texts.name().clone(), texts.str()?.iter().map(|text| text == Some("true")).collect::<Vec<bool>>()),
                dtype if dtype.is_primitive_numeric() => texts.cast(&DataType::Float64)?,
                _ => texts,
            });
        }
    }
    if let Some(numbers) = &column.numbers {
        let whole = dtype.is_integer();
        let drawn = (0..rows).map(|_| {
            let place = 1.0 + 98.0 * random.random::<f64>();
            let at = |percent: f64| numbers.percentiles.get(percent as usize).copied().unwrap_or(0.0);
            let value = at(place.floor()) * (1.0 - place.fract()) + at(place.ceil()) * place.fract();
            if whole { value.round() } else { value }
        });
        return Ok(Column::new(name, drawn.collect::<Vec<f64>>()));
    }
    let ends = Table::from_query(table.lazy().select([
        Expr::Column(name.clone()).min().to_physical().cast(DataType::Int64).alias("least"),
        Expr::Column(name.clone()).max().to_physical().cast(DataType::Int64).alias("most"),
    ]))?
    .collect()?;
    let end = |which: &str| -> Result<i64> { Ok(ends.column(which)?.get(0)?.extract::<i64>().unwrap_or(0)) };
    let (least, most) = (end("least")?, end("most")?);
    let drawn = Column::new(name, (0..rows).map(|_| random.random_range(least..=most.max(least))).collect::<Vec<i64>>());
    Ok(if *dtype == DataType::Date { drawn.cast(&DataType::Int32)? } else { drawn })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let n = 1_000_i64;
        let day = Column::new("day".into(), (0..n as i32).collect::<Vec<i32>>()).cast(&DataType::Date).unwrap();
        let mut frame = df!(
            "id" => (0..n).collect::<Vec<i64>>(),
            "x" => (0..n).map(|i| (i % 7 != 0).then_some(i as f64)).collect::<Vec<_>>(),
            "flag" => (0..n).map(|i| i % 4 == 0).collect::<Vec<bool>>(),
            "name" => (0..n).map(|i| if i == 5 { "Ada".to_owned() } else { format!("n{}", i % 3) }).collect::<Vec<String>>(),
            "y" => (0..n).map(|i| if i % 100 == 0 { "rarely" } else { "often" }).collect::<Vec<&str>>()
        )
        .unwrap();
        frame.with_column(day).unwrap();
        Table::of(frame)
    }

    #[test]
    fn drawn_rows_hold_rare_classes_and_depend_on_the_seed_alone() {
        let of = |seed: u64| draw(&table(), 40, Some("y"), seed).unwrap().collect().unwrap();
        let rows = of(1);
        assert!(rows.equals_missing(&of(1)) && !rows.equals_missing(&of(2)));
        assert_eq!(rows.height(), 40);
        assert_eq!(rows.column("y").unwrap().str().unwrap().iter().filter(|y| *y == Some("rarely")).count(), 10);
        let ids: Vec<i64> = rows.column("id").unwrap().i64().unwrap().iter().flatten().collect();
        assert!(ids.is_sorted());
        assert_eq!(draw(&table(), 5_000, None, 1).unwrap().rows().unwrap(), 1_000);
    }

    #[test]
    fn made_up_rows_have_the_types_and_no_rare_value() {
        let made = make_up(&table(), 150, &Roles::default().with_target("y"), 1).unwrap();
        assert_eq!(made.schema(), table().schema());
        let made = made.collect().unwrap();
        let names: BTreeSet<String> = made.column("name").unwrap().str().unwrap().iter().flatten().map(str::to_owned).collect();
        assert!(names.is_subset(&["n0", "n1", "n2", "rare"].map(str::to_owned).into()), "{names:?}");
        let missing = made.column("x").unwrap().null_count();
        assert!((5..50).contains(&missing) && made.column("id").unwrap().null_count() == 0, "{missing}");
    }
}
