//! The slices that evaluate shows: what is asked for, which rows they hold, and how they look on a card.

use std::borrow::Cow;
use std::fmt;

use polars::prelude::{Column, DataFrame, DataType};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::card::format::number;
use crate::card::{Block, Cell, Fact, IntervalRow, Intervals, Tab, Table as CardTable};
use crate::data::rows::{spread, stride};
use crate::data::{Role, Roles, RowExpression, Table, Wanted};
use crate::error::{Error, Problem, Result, counted, nearest, shorten};
use crate::ml::metric::{self, MetricEntry};
use crate::ml::model::Scored;
use crate::ml::slices::fairness::{Fairness, Group, fairness};
use crate::ml::slices::search::{CONFIDENCE, Judged, Losses, Search, columns_of, judge};
use crate::ml::slices::{self, Bins, Cut, Slice, Verdict, can_cut};
use crate::ml::uncertainty::{Bootstrap, FEWEST};
use crate::value::Fault;

/// Validation rows that are searched; from more of them, so many are spread over all.
const SEARCHED: usize = 20_000;

/// One entry of `slices`: a column, or an expression with a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SliceBy(Written);

/// An entry of `slices` as a map.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// A column: each of its values is a slice, or each bin of its numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    column: Option<String>,
    /// Bins of as many rows each, for a column of numbers or dates; default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 100))]
    bins: Option<usize>,
    /// Where the bins of a column of numbers begin, in place of `bins`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edges: Option<Vec<f64>>,
    /// What the rows of `where` are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// An SQL expression: the slice is the rows where it is true.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    filter: Option<RowExpression>,
}

impl<'de> Deserialize<'de> for SliceBy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrMap;
        impl<'de> Visitor<'de> for NameOrMap {
            type Value = SliceBy;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a column or a map")
            }

            fn visit_str<E>(self, column: &str) -> Result<SliceBy, E> {
                Ok(SliceBy(Written { column: Some(column.to_owned()), ..Written::default() }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SliceBy, A::Error> {
                Written::deserialize(MapAccessDeserializer::new(map)).map(SliceBy)
            }
        }
        deserializer.deserialize_any(NameOrMap)
    }
}

impl JsonSchema for SliceBy {
    fn schema_name() -> Cow<'static, str> {
        "SliceBy".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "string"}, Written::json_schema(generator)]})
    }
}

impl SliceBy {
    /// The slices of a column as they come.
    #[must_use]
    pub fn column(column: &str) -> Self {
        Self(Written { column: Some(column.to_owned()), ..Written::default() })
    }

    /// Checks what types alone cannot say.
    ///
    /// # Errors
    /// Neither or both of `column` and `where`; bins that are none.
    pub fn check(&self) -> Result<(), Vec<Fault>> {
        let Written { column, bins, edges, name, filter } = &self.0;
        let path = |name: &str| vec![name.to_owned()];
        let mut faults = Vec::new();
        match (column, filter) {
            (None, None) => {
                faults.push(Fault::new(&[], "a slice needs `column`, or `name` and `where`").hint("for example `{name: night, where: \"hour < 6\"}`"));
            }
            (Some(_), Some(_)) => faults.push(Fault::new(&path("where"), "a slice has `column` or `where`, not both")),
            (Some(_), None) if name.is_some() => {
                faults.push(Fault::new(&path("name"), "`name` goes with `where`; the slices of a column are called by its values"));
            }
            (None, Some(_)) if name.as_deref().is_none_or(|name| name.trim().is_empty() || name.contains('=')) => {
                faults.push(Fault::new(&path("name"), "`where` needs a `name`, without `=`").hint("for example `{name: night, where: \"hour < 6\"}`"));
            }
            (None, Some(_)) if bins.is_some() || edges.is_some() => faults.push(Fault::new(&path("where"), "`bins` and `edges` go with `column`")),
            _ => {}
        }
        if bins.is_some() && edges.is_some() {
            faults.push(Fault::new(&path("edges"), "a slice has `bins` or `edges`, not both"));
        }
        if bins.is_some_and(|bins| !(2..=100).contains(&bins)) {
            faults.push(Fault::new(&path("bins"), "`bins` must lie between 2 and 100"));
        }
        if let Some(edges) = edges
            && (edges.is_empty() || edges.len() > 100 || edges.iter().any(|edge| !edge.is_finite()) || edges.windows(2).any(|pair| pair[0] >= pair[1]))
        {
            faults.push(Fault::new(&path("edges"), "`edges` are 1 to 100 numbers in rising order"));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The name that a criterion knows it by: the column's, or its own.
    #[must_use]
    pub fn known_as(&self) -> &str {
        self.0.column.as_deref().or(self.0.name.as_deref()).unwrap_or_default()
    }

    fn is_column(&self) -> bool {
        self.0.column.is_some()
    }

    /// The columns it reads.
    fn columns(&self) -> Vec<String> {
        self.0.column.iter().cloned().chain(self.0.filter.iter().flat_map(RowExpression::columns)).collect()
    }

    /// The columns it reads and the data does not have.
    #[must_use]
    pub fn misfits(&self, path: &str, table: &Table) -> Vec<Problem> {
        let unknown = |name: &String| {
            let problem = Problem::misfit(format!("no column `{}` to make slices of", shorten(name))).path(path);
            match nearest(name, table.names()) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem,
            }
        };
        self.columns().iter().filter(|name| !table.has(name)).map(unknown).collect()
    }

    fn bins(&self) -> Bins {
        match (&self.0.edges, self.0.bins) {
            (Some(edges), _) => Bins::Edges(edges.clone()),
            (None, Some(bins)) => Bins::Quantiles(bins),
            (None, None) => Bins::Automatic,
        }
    }

    /// The slices of a table, each with its rows.
    fn make(&self, table: &Table) -> Result<Made> {
        let known_as = self.known_as().to_owned();
        if let Some(filter) = &self.0.filter {
            filter.check_against(table.schema(), Wanted::Boolean)?;
            let held = Table::from_query(table.lazy().select([filter.expr().alias("is in")]))?.collect()?;
            let is_in = held.column("is in")?.cast(&DataType::Boolean)?;
            let rows = is_in.bool()?.iter().enumerate().filter(|(_, is_in)| *is_in == Some(true)).map(|(row, _)| row).collect();
            return Ok(Made { slices: vec![(known_as.clone(), rows)], known_as, cut: None });
        }
        let values = one_column(table, &known_as)?;
        let cut = Cut::learn(&values, &self.bins())?;
        Ok(Made { known_as, slices: rows_of(&cut, &values)?, cut: Some(cut) })
    }
}

fn one_column(table: &Table, name: &str) -> Result<Column> {
    if !table.has(name) {
        return Err(Error::data(format!("no column `{}` to make slices of", shorten(name))));
    }
    Ok(table.select([name])?.collect()?.column(name)?.clone())
}

/// Each slice of a cut with its rows, also those without any.
fn rows_of(cut: &Cut, values: &Column) -> Result<Vec<(String, Vec<usize>)>> {
    let mut slices: Vec<(String, Vec<usize>)> = cut.names.iter().map(|name| (name.clone(), Vec::new())).collect();
    for (row, place) in cut.place(values)?.into_iter().enumerate() {
        if let Some((_, rows)) = slices.get_mut(place as usize) {
            rows.push(row);
        }
    }
    Ok(slices)
}

/// The slices of one entry.
struct Made {
    known_as: String,
    slices: Vec<(String, Vec<usize>)>,
    cut: Option<Cut>,
}

/// Checks that a criterion names slices: `hour=*`, `town=Lake`, or the name of an expression.
///
/// # Errors
/// A name that no expression has.
pub fn check_name(name: &str, slices: &[SliceBy]) -> Result<(), Fault> {
    let own: Vec<&str> = slices.iter().filter(|slice| !slice.is_column()).map(SliceBy::known_as).collect();
    let is_fine = match name.split_once('=') {
        Some((column, value)) => !column.trim().is_empty() && !value.trim().is_empty(),
        None => own.contains(&name.trim()),
    };
    if is_fine {
        return Ok(());
    }
    let fault = Fault::new(&["slice".to_owned()], format!("no slice `{}`", shorten(name)));
    Err(fault.hint(match nearest(name, own.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`COLUMN=*` is each slice of a column, `COLUMN=VALUE` one of them; `{name: …, where: …}` under `slices` names others".to_owned(),
    }))
}

/// The column that a criterion's slice is of, where it is of one.
#[must_use]
pub fn column_of(name: &str) -> Option<&str> {
    name.split_once('=').map(|(column, _)| column.trim())
}

/// `slice_search:` of evaluate.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SliceSearch {
    /// Look for the slices in which the model is worst; default true.
    pub enabled: bool,
    /// The columns that are searched; default: those that a model may read, and groups.
    pub columns: Option<Vec<String>>,
    /// Of how many columns a slice is made: 1 or 2; default 2.
    #[schemars(range(min = 1, max = 2))]
    pub max_columns: usize,
    /// Slices with fewer validation rows are not looked at; default 30.
    pub min_rows: usize,
}

impl Default for SliceSearch {
    fn default() -> Self {
        Self { enabled: true, columns: None, max_columns: 2, min_rows: 30 }
    }
}

impl SliceSearch {
    /// # Errors
    /// A number that is too small or too large.
    pub fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        if !(1..=2).contains(&self.max_columns) {
            faults.push(Fault::new(&["max_columns".to_owned()], "`max_columns` must be 1 or 2"));
        }
        if self.min_rows < FEWEST {
            faults.push(Fault::new(&["min_rows".to_owned()], format!("`min_rows` must be {FEWEST} or more")));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The columns whose role keeps them out of the search, where it chooses its columns itself.
    #[must_use]
    pub fn left_out<'a>(&self, roles: &'a Roles) -> Vec<&'a str> {
        let chooses = self.enabled && self.columns.is_none();
        roles.iter().filter(|(_, role)| chooses && !is_searched(*role)).map(|(name, _)| name).collect()
    }

    /// What stands out on validation rows, and whether it does on test rows.
    fn look(&self, roles: &Roles, sets: &Sets<'_>) -> Result<Vec<Judged>> {
        let searchable = |name: &&str| is_searched(roles.of(name)) && sets.test.schema().get(name).is_some_and(can_cut);
        let columns: Vec<&str> = match &self.columns {
            Some(columns) => columns.iter().map(String::as_str).collect(),
            None => sets.test.names().filter(searchable).take(slices::search::COLUMNS).collect(),
        };
        if !self.enabled || columns.is_empty() || sets.on_validation.rows() < 2 * self.min_rows || sets.on_test.rows() < 2 * FEWEST {
            return Ok(Vec::new());
        }
        if let Some(unknown) = columns.iter().find(|name| !sets.test.has(name)) {
            return Err(Error::data(format!("no column `{}` to make slices of", shorten(unknown))).path("steps.evaluate.slice_search.columns"));
        }
        let searched = spread(&sets.validation.select(columns.iter().copied())?, SEARCHED)?;
        let step = stride(sets.on_validation.rows(), SEARCHED);
        let every = |values: Vec<f64>| values.into_iter().step_by(step).collect::<Vec<f64>>();
        let (loss, weight) = (every(sets.on_validation.losses()), every(sets.on_validation.weight.clone()));
        let search = Search { most_columns: self.max_columns, fewest: self.min_rows };
        let suspects = search.look(&searched, &Losses { loss: &loss, weight: &weight })?;
        if suspects.is_empty() {
            return Ok(Vec::new());
        }
        let held: DataFrame = sets.test.select(columns_of(&suspects))?.collect()?;
        judge(&suspects, &held, &Losses { loss: &sets.on_test.losses(), weight: &sets.on_test.weight })
    }
}

fn is_searched(role: Role) -> bool {
    matches!(role, Role::Predictor | Role::Sensitive | Role::Group)
}

/// The rows that slices are made of: raw, and as the model scored them.
pub struct Sets<'a> {
    pub validation: &'a Table,
    pub on_validation: &'a Scored,
    pub test: &'a Table,
    pub on_test: &'a Scored,
}

/// What was found in slices, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sliced {
    /// Those that were asked for.
    pub named: Vec<Slice>,
    /// Those that the search found and test rows confirmed, worst first.
    pub found: Vec<Found>,
    /// How many looked worse on validation rows and were not confirmed.
    pub unconfirmed: usize,
    pub fairness: Vec<Fairness>,
}

/// A slice that is worse beyond chance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub slice: Slice,
    /// How many times the mean loss outside its mean loss is.
    pub times: f64,
}

/// The test rows of the slices that criteria may name.
pub struct SliceRows {
    made: Vec<Made>,
}

impl SliceRows {
    /// Makes what is asked for, and the columns that criteria name beside it.
    ///
    /// # Errors
    /// A column that is missing or cannot be cut; an expression that does not fit.
    pub fn make<'a>(asked: &[SliceBy], criteria: impl Iterator<Item = &'a str>, test: &Table) -> Result<Self> {
        let mut made = Vec::new();
        for (i, slice) in asked.iter().enumerate() {
            made.push(slice.make(test).map_err(|error| error.path(&format!("steps.evaluate.slices[{i}]")))?);
        }
        for name in criteria.filter_map(column_of) {
            if !made.iter().any(|made: &Made| made.cut.is_some() && made.known_as == name) {
                made.push(SliceBy::column(name).make(test).map_err(|error| error.path("steps.evaluate.validation_criteria"))?);
            }
        }
        Ok(Self { made })
    }

    /// The slices that a criterion names, each with its rows.
    #[must_use]
    pub fn named(&self, name: &str) -> Vec<&(String, Vec<usize>)> {
        let Some((column, value)) = name.split_once('=').map(|(column, value)| (column.trim(), value.trim())) else {
            return self.made.iter().filter(|made| made.cut.is_none() && made.known_as == name.trim()).flat_map(|made| &made.slices).collect();
        };
        let Some((made, cut)) = self.made.iter().find_map(|made| made.cut.as_ref().filter(|_| made.known_as == column).map(|cut| (made, cut))) else {
            return Vec::new();
        };
        if value == "*" {
            return made.slices.iter().filter(|(_, rows)| !rows.is_empty()).collect();
        }
        cut.of_value(value).and_then(|place| made.slices.get(place)).into_iter().collect()
    }
}

/// Measures the slices that were asked for, looks for others, and holds groups of people against each other.
///
/// # Errors
/// Where the rows cannot be read.
pub fn slice(rows: &SliceRows, search: &SliceSearch, roles: &Roles, sets: &Sets<'_>, primary: &str, bootstrap: Bootstrap, seed: u64) -> Result<Sliced> {
    let entry = metric::find(primary);
    let asked: Vec<(String, Vec<usize>)> =
        rows.made.iter().flat_map(|made| made.slices.iter().filter(|(_, rows)| made.cut.is_none() || !rows.is_empty())).cloned().collect();
    let judged = search.look(roles, sets)?;
    let confirmed: Vec<&Judged> = judged.iter().filter(|judged| judged.is_confirmed).collect();
    let those: Vec<(String, Vec<usize>)> = confirmed.iter().map(|judged| (judged.name.clone(), judged.rows.clone())).collect();
    let found = slices::measure(sets.on_test, &those, entry, bootstrap, seed);
    let mut fair = Vec::new();
    for name in roles.all(Role::Sensitive).filter(|name| sets.test.schema().get(name).is_some_and(can_cut)) {
        let values = one_column(sets.test, name)?;
        let mut groups = rows_of(&Cut::learn(&values, &Bins::Automatic)?, &values)?;
        groups.retain(|(_, rows)| !rows.is_empty());
        fair.extend(fairness(sets.on_test, name, &groups, bootstrap.ci));
    }
    Ok(Sliced {
        named: slices::measure(sets.on_test, &asked, entry, bootstrap, seed),
        unconfirmed: judged.len() - confirmed.len(),
        found: found.into_iter().zip(&confirmed).map(|(slice, judged)| Found { slice, times: judged.times }).collect(),
        fairness: fair,
    })
}

impl Sliced {
    /// The worst slice in a few words: of those that the search confirmed, or of those that were asked for.
    #[must_use]
    pub fn worst(&self, primary: &str) -> Option<String> {
        let gap = |slice: &&Slice| slice.compared.map_or(0.0, |compared| compared.high);
        let named = || self.named.iter().filter(|slice| slice.verdict == Verdict::Worse).min_by(|a, b| gap(a).total_cmp(&gap(b)));
        let slice = self.found.first().map(|found| &found.slice).or_else(named)?;
        let against = match (slice.metrics.get(primary), slice.outside) {
            (Some(value), Some(outside)) => format!(" ({} {}, elsewhere {})", metric::short_name(primary), number(*value), number(outside)),
            _ => String::new(),
        };
        Some(format!("{}{against}", shorten(&slice.name)))
    }

    /// The tabs of the card: slices, where there are or could be some, and fairness.
    #[must_use]
    pub fn tabs(&self, primary: &str, search: &SliceSearch, percent: &str) -> Vec<Tab> {
        let mut tabs = Vec::new();
        let mut blocks = Vec::new();
        if search.enabled {
            blocks.push(Block::Text(self.searched(primary)));
            if !self.found.is_empty() {
                let slices: Vec<&Slice> = self.found.iter().map(|found| &found.slice).collect();
                let mut table = slice_table("Slices in which the model is worse", percent, primary, &slices);
                table.columns.pop();
                table.columns.push("mean loss, times that elsewhere".to_owned());
                for (row, found) in table.rows.iter_mut().zip(&self.found) {
                    row.pop();
                    row.push(found.times.into());
                }
                blocks.extend(drawn("Slices in which the model is worse", percent, primary, &slices).map(Block::Intervals));
                blocks.push(Block::Table(table));
            }
        }
        if !self.named.is_empty() {
            let slices: Vec<&Slice> = self.named.iter().collect();
            blocks.extend(drawn("Slices of the test rows", percent, primary, &slices).map(Block::Intervals));
            blocks.push(Block::Table(slice_table("Slices of the test rows", percent, primary, &slices)));
            blocks.extend(other_metrics(primary, &slices).map(Block::Table));
        }
        if !blocks.is_empty() {
            tabs.push(Tab::new("slices", "Slices", blocks));
        }
        if !self.fairness.is_empty() {
            tabs.push(Tab::new("fairness", "Fairness", self.fairness.iter().flat_map(|fair| fairness_blocks(fair, percent)).collect()));
        }
        tabs
    }

    fn searched(&self, primary: &str) -> String {
        let others = match self.unconfirmed {
            0 => String::new(),
            1 => " One slice looked worse on validation rows and was not confirmed.".to_owned(),
            count => format!(" {count} slices looked worse on validation rows and were not confirmed."),
        };
        match self.worst(primary).filter(|_| !self.found.is_empty()) {
            Some(worst) => format!(
                "Worst: {worst}. Found among slices of one and two columns on validation rows, confirmed on test rows with {} % confidence for all together.{others}",
                number(100.0 * CONFIDENCE)
            ),
            None => format!("No slice of one or two columns is worse than the others beyond chance.{others}"),
        }
    }
}

/// Slices with the metric that is compared.
fn slice_table(caption: &str, percent: &str, primary: &str, slices: &[&Slice]) -> CardTable {
    let row = |slice: &&Slice| {
        vec![
            slice.name.as_str().into(),
            slice.rows.into(),
            Cell::Share(slice.share),
            slice.metrics.get(primary).copied().into(),
            slice.interval.map(|interval| interval.low).into(),
            slice.interval.map(|interval| interval.high).into(),
            slice.outside.into(),
            match slice.verdict {
                Verdict::Worse => Cell::Bad(slice.verdict.words().to_owned()),
                Verdict::Better => Cell::Good(slice.verdict.words().to_owned()),
                verdict => verdict.words().into(),
            },
        ]
    };
    let has_intervals = slices.iter().any(|slice| slice.interval.is_some());
    CardTable {
        caption: if has_intervals { format!("{caption}, with {percent} % intervals") } else { caption.to_owned() },
        columns: ["slice", "rows", "share", metric::short_name(primary), "from", "to", "elsewhere", "verdict"].map(str::to_owned).to_vec(),
        rows: slices.iter().map(row).collect(),
    }
}

/// The metric that is compared in each slice, where it has one.
fn drawn(caption: &str, percent: &str, primary: &str, slices: &[&Slice]) -> Option<Intervals> {
    let row = |slice: &&Slice| {
        let range = slice.interval.map(|interval| (interval.low, interval.high));
        Some(IntervalRow { name: slice.name.clone(), value: *slice.metrics.get(primary)?, range })
    };
    let rows: Vec<IntervalRow> = slices.iter().filter_map(row).collect();
    let short = metric::short_name(primary);
    let has_intervals = rows.iter().any(|row| row.range.is_some());
    let caption = if has_intervals { format!("{caption}: {short} with {percent} % intervals") } else { format!("{caption}: {short}") };
    (rows.len() > 1).then(|| Intervals { caption, x: short.to_owned(), rows, reference: None })
}

/// Every other metric that a slice has.
fn other_metrics(primary: &str, slices: &[&Slice]) -> Option<CardTable> {
    let has = |entry: &&MetricEntry| entry.name != primary && slices.iter().any(|slice| slice.metrics.contains_key(entry.name));
    let entries: Vec<&MetricEntry> = metric::METRICS.iter().filter(has).collect();
    let row =
        |slice: &&Slice| std::iter::once(slice.name.as_str().into()).chain(entries.iter().map(|entry| slice.metrics.get(entry.name).copied().into())).collect();
    (!entries.is_empty()).then(|| CardTable {
        caption: "Other metrics of the slices".to_owned(),
        columns: std::iter::once("slice").chain(entries.iter().map(|entry| metric::short_name(entry.name))).map(str::to_owned).collect(),
        rows: slices.iter().map(row).collect(),
    })
}

/// A figure's name, as a sentence has it.
fn in_words(name: &str) -> String {
    name.replace('_', " ")
}

/// The groups with the least and the most of a figure.
fn ends(fair: &Fairness, name: &str) -> Option<String> {
    let mut groups: Vec<(&str, f64)> = fair.groups.iter().filter_map(|group| Some((group.name.as_str(), group.figure(name)?.value))).collect();
    groups.sort_by(|a, b| a.1.total_cmp(&b.1));
    let [(least, low), .., (most, high)] = groups[..] else { return None };
    Some(format!("The {} is least for `{}`, {}, and most for `{}`, {}.", in_words(name), shorten(least), number(low), shorten(most), number(high)))
}

fn fairness_blocks(fair: &Fairness, percent: &str) -> Vec<Block> {
    let mut names: Vec<&str> = Vec::new();
    for figure in fair.groups.iter().flat_map(|group| &group.figures) {
        if !names.contains(&figure.name.as_str()) {
            names.push(&figure.name);
        }
    }
    let row = |group: &Group| {
        let figures = names.iter().map(|name| group.figure(name).map(|figure| figure.value).into());
        [group.name.as_str().into(), group.rows.into(), Cell::Share(group.share)].into_iter().chain(figures).collect()
    };
    let mut blocks = vec![Block::Heading(shorten(&fair.column))];
    if let Some(said) = names.first().and_then(|name| ends(fair, name)) {
        blocks.push(Block::Text(said));
    }
    if !fair.apart.is_empty() {
        blocks.push(Block::Facts(fair.apart.iter().map(|(name, value)| Fact::new(in_words(name), *value)).collect()));
    }
    blocks.push(Block::Table(CardTable {
        caption: format!("Groups of `{}`", shorten(&fair.column)),
        columns: ["group", "rows", "share"].into_iter().map(str::to_owned).chain(names.iter().map(|name| in_words(name))).collect(),
        rows: fair.groups.iter().map(row).collect(),
    }));
    for name in &names {
        let row = |group: &Group| group.figure(name).map(|f| IntervalRow { name: group.name.clone(), value: f.value, range: Some((f.low, f.high)) });
        let rows: Vec<IntervalRow> = fair.groups.iter().filter_map(row).collect();
        let caption = format!("{} by group, with {percent} % intervals", in_words(name));
        blocks.push(Block::Intervals(Intervals { caption, x: in_words(name), rows, reference: None }));
    }
    let few = fair.groups.iter().filter(|group| group.rows < FEWEST).count();
    if few > 0 {
        blocks.push(Block::Text(format!("{} of fewer than {FEWEST} rows: counted, not compared.", counted(few as u64, "group"))));
    }
    blocks
}
