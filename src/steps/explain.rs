//! The explanations that train and evaluate show: what is asked for, and how it looks on a card.
//!
//! Sizes are such that they take a small part of their step's time; `rows` asks for more. What cannot be computed is said on
//! the card and fails no step.

use std::collections::BTreeMap;

use polars::prelude::DataFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::card::format::number;
use crate::card::{Bars, Block, Cell, Line, Lines, Swarm, SwarmRow, Tab, Table as CardTable};
use crate::data::Table;
use crate::data::rows::spread;
use crate::error::{Result, shorten, thousands};
use crate::ml::explain::dependence::{At, Dependence, dependence, ordered};
use crate::ml::explain::permutation::{Importance, Importances, permutation};
use crate::ml::explain::summary::{Summary, Summed};
use crate::ml::explain::{EXPLAINABLE, Explainer, Origin, Scale};
use crate::ml::input::InputColumn;
use crate::ml::metric::{self, MetricEntry};
use crate::ml::model::Model;
use crate::ml::{Matrix, Task};
use crate::value::Fault;

/// More rows than this are a slip.
const MOST_ROWS: usize = 1_000_000;
/// Columns on a chart and in a table.
const SHOWN: usize = 20;
/// Columns whose dependence is looked for, and those among them that are drawn: where the prediction moves most.
const LOOKED_AT: usize = 8;
const DRAWN: usize = 6;
/// Columns whose contributions are drawn row by row.
const SWARMED: usize = 10;
/// Classes that have a column or a line of their own.
const CLASSES: usize = 6;
/// Single rows that are drawn behind a mean.
const SINGLE_ROWS: usize = 8;

/// `explain:` of train.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainExplain {
    /// What each column adds to predictions (exact Shapley values); default true.
    pub shap: bool,
    /// How the mean prediction moves with each column; default true.
    pub partial_dependence: bool,
    /// Validation rows that are looked at; default: as many as take little time.
    pub rows: Option<usize>,
}

impl Default for TrainExplain {
    fn default() -> Self {
        Self { shap: true, partial_dependence: true, rows: None }
    }
}

/// `explain:` of evaluate.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateExplain {
    /// How much worse the primary metric becomes when a column is shuffled; default true.
    pub permutation: bool,
    /// How often each column is shuffled; default 5.
    pub n_repeats: usize,
    /// What each column adds to predictions of test rows, too; default false.
    pub shap: bool,
    /// Test rows that are looked at; default: as many as take little time.
    pub rows: Option<usize>,
}

impl Default for EvaluateExplain {
    fn default() -> Self {
        Self { permutation: true, n_repeats: 5, shap: false, rows: None }
    }
}

fn check_rows(rows: Option<usize>) -> Option<Fault> {
    let fine = rows.is_none_or(|rows| (1..=MOST_ROWS).contains(&rows));
    (!fine).then(|| Fault::new(&["rows".to_owned()], "`rows` must lie between 1 and 1000000"))
}

fn all(faults: impl IntoIterator<Item = Fault>) -> Result<(), Vec<Fault>> {
    let faults: Vec<Fault> = faults.into_iter().collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Predictions for altered rows, where nothing was asked for: a small part of what the step predicts anyway.
fn budget(predicted: usize) -> usize {
    (predicted / 5).clamp(1_500, 20_000)
}

impl TrainExplain {
    /// # Errors
    /// A number of rows that is none.
    pub fn check(&self) -> Result<(), Vec<Fault>> {
        all(check_rows(self.rows))
    }

    /// The tab of the train card, from validation rows; from training rows where there are none.
    ///
    /// # Errors
    /// Where the rows cannot be read.
    pub fn tab(&self, model: &Model, training: &Table, validation: &Table) -> Result<Tab> {
        let (rows, others) = (validation.rows()?, training.rows()?);
        let (table, split) = if rows > 0 { (validation, "validation") } else { (training, "training") };
        let table = model.chain.prepare(table)?;
        let mut blocks = Vec::new();
        let mut wanted: Vec<String> = model.chain.alterable()?.into_iter().map(|(column, _)| column.name).collect();
        if self.shap {
            let found = explained(model, &table, split, self.rows);
            wanted = found.ranked.unwrap_or(wanted);
            blocks.extend(found.blocks);
        }
        wanted.truncate(LOOKED_AT);
        if self.partial_dependence && !wanted.is_empty() {
            let sample = spread(&table, 500)?;
            let budget = self.rows.map_or_else(|| budget(rows + others), |rows| rows.saturating_mul(12 * wanted.len()));
            match dependence(model, &sample, &wanted, budget) {
                Ok(found) => blocks.extend(dependence_blocks(model, found, split)),
                Err(error) => blocks.push(Block::Text(format!("Partial dependence cannot be computed: {error}"))),
            }
        }
        Ok(Tab::new("explanations", "Explanations", blocks))
    }
}

impl EvaluateExplain {
    /// # Errors
    /// A number of rows or of repeats that is none.
    pub fn check(&self) -> Result<(), Vec<Fault>> {
        let repeats = (!(1..=1000).contains(&self.n_repeats)).then(|| Fault::new(&["n_repeats".to_owned()], "`n_repeats` must lie between 1 and 1000"));
        all(check_rows(self.rows).into_iter().chain(repeats))
    }

    /// The tab of the evaluate card, from test rows; `predicted` is how many rows the step predicts.
    ///
    /// # Errors
    /// Where the rows cannot be read.
    pub fn tab(&self, model: &Model, test: &Table, weight: Option<&str>, primary: &str, predicted: usize, seed: u64) -> Result<Tab> {
        let mut blocks = Vec::new();
        let test = &model.chain.prepare(test)?;
        let columns = model.chain.alterable()?.len();
        if self.permutation && columns > 0 {
            let rows = self.rows.unwrap_or_else(|| (budget(predicted).max(3_000) / (columns * self.n_repeats)).clamp(50, 1_000));
            let sample = spread(test, rows)?;
            // A metric of the recipe's own is a query, which is not asked so often.
            let metric = metric::of_task(&model.task).find(|entry| entry.name == primary).or_else(|| default_metric(&model.task));
            match metric.map(|metric| Ok((metric, permutation(model, &sample, weight, metric, self.n_repeats, seed)?))) {
                Some(Ok((metric, Some(found)))) => blocks.extend(permutation_blocks(metric, &found)),
                Some(Ok((metric, None))) => {
                    blocks.push(Block::Text(format!("`{}` is not defined for these rows, so that no column's importance is.", metric.name)));
                }
                Some(Err(error)) => {
                    let error: crate::error::Error = error;
                    blocks.push(Block::Text(format!("Permutation importance cannot be computed: {error}")));
                }
                None => {}
            }
        }
        if self.shap {
            blocks.extend(explained(model, test, "test", self.rows).blocks);
        }
        Ok(Tab::new("importance", "Importance", blocks))
    }
}

fn default_metric(task: &Task) -> Option<&'static MetricEntry> {
    let is_binary = matches!(task, Task::Classification { positive: Some(_), .. });
    metric::find(metric::default_primary(*task == Task::Regression, is_binary))
}

/// What Shapley values say, and the raw columns by how much they add.
#[derive(Default)]
struct Explained {
    blocks: Vec<Block>,
    ranked: Option<Vec<String>>,
}

fn explained(model: &Model, table: &Table, split: &str, rows: Option<usize>) -> Explained {
    let said = |text: String| Explained { blocks: vec![Block::Text(text)], ranked: None };
    let found = || -> Result<Option<Explained>> {
        let Some(explainer) = Explainer::of(model)? else { return Ok(None) };
        let sample = spread(table, rows.unwrap_or_else(|| explainer.affordable_rows()))?;
        let summary = explainer.summary(&sample)?;
        Ok(Some(Explained { blocks: summary_blocks(model, &summary, &sample, split), ranked: Some(ranked(model, &summary)?) }))
    };
    match found() {
        Ok(Some(explained)) => explained,
        Ok(None) => said(format!("`{}` has no exact explanation of single predictions; {EXPLAINABLE} have.", model.estimator.name())),
        Err(error) => said(format!("Contributions cannot be computed: {error}")),
    }
}

/// The model's columns that can be altered, by what they add; what is computed from several counts for each of them alike.
/// Moments from which spans of time are computed are left out: one of them alone cannot be set to a value.
fn ranked(model: &Model, summary: &Summary) -> Result<Vec<String>> {
    let credit = |name: &str| -> f64 {
        let parts = summary.columns.iter().filter(|column| column.origin.from.contains(name));
        parts.map(|column| column.mean() / column.origin.from.len() as f64).sum()
    };
    let is_bound = |name: &str| summary.columns.iter().any(|column| column.origin.from.len() > 1 && column.origin.from.contains(name));
    let is_moment = |column: &InputColumn| column.dtype().is_some_and(|dtype| dtype.is_temporal());
    let columns = model.chain.alterable()?.into_iter().filter(|(column, shown)| !(is_moment(column) && is_bound(shown)));
    let mut ranked: Vec<(f64, String)> = columns.map(|(column, shown)| (credit(&shown), column.name)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    Ok(ranked.into_iter().map(|(_, name)| name).collect())
}

fn class_name(task: &Task, class: Option<usize>) -> Option<&str> {
    let Task::Classification { classes, .. } = task else { return None };
    classes.get(class?).map(String::as_str)
}

/// What contributions are measured in, with the class where it is one: the estimator's own output, before what stands around it.
fn unit(model: &Model, scale: Scale, outputs: &[(Option<usize>, f64)]) -> String {
    let class = if let [(class, _)] = outputs { class_name(&model.task, *class) } else { None };
    let unit = match class {
        Some(class) => format!("{} of `{}`", scale.name(), shorten(class)),
        None if scale == Scale::Prediction => shorten(&model.target),
        None => scale.name().to_owned(),
    };
    let adjustments = &model.adjustments;
    match (&adjustments.target, &adjustments.calibration) {
        (Some(_), _) => format!("{unit}, transformed"),
        (None, Some(_)) => format!("{unit}, before calibration"),
        (None, None) => unit,
    }
}

/// A column as a table names it, with the raw columns behind it where there are several.
fn with_sources(origin: &Origin) -> String {
    const NAMED: usize = 4;
    if origin.is_raw() {
        return shorten(&origin.name);
    }
    let more = if origin.from.len() > NAMED { format!(" and {} more", origin.from.len() - NAMED) } else { String::new() };
    let from: Vec<String> = origin.from.iter().take(NAMED).map(|name| shorten(name)).collect();
    format!("{} (from {}{more})", shorten(&origin.name), from.join(", "))
}

/// The tab of the predict card: how often each column was a row's first reason.
///
/// # Errors
/// Where the model cannot be explained.
pub fn reasons_tab(model: &Model, explainer: &Explainer<'_>, count: usize, first: &BTreeMap<String, u64>) -> Result<Tab> {
    let found = explainer.contributions(&Matrix::empty(model.chain.reads()))?;
    let outputs: Vec<(Option<usize>, f64)> = found.outputs.iter().map(|output| (output.class, output.base)).collect();
    let unit = unit(model, found.scale, &outputs);
    let from = if let [(_, base)] = outputs[..] { format!("the mean, {},", number(base)) } else { "the mean of the predicted class".to_owned() };
    let names = if count == 1 { "`reason_1`".to_owned() } else { format!("`reason_1` to `reason_{count}`") };
    let mut bars: Vec<(String, f64)> = first.iter().map(|(name, rows)| (name.clone(), *rows as f64)).collect();
    bars.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(Tab::new(
        "reasons",
        "Reasons",
        vec![
            Block::Text(format!(
                "The columns {names} name what moved a row's prediction furthest from {from} the furthest first; beside each its exact contribution in {unit}."
            )),
            Block::Bars(Bars { caption: "The first reason".to_owned(), x: "rows".to_owned(), bars }),
        ],
    ))
}

fn summary_blocks(model: &Model, summary: &Summary, sample: &DataFrame, split: &str) -> Vec<Block> {
    let unit = unit(model, summary.scale, &summary.outputs);
    let base = match summary.outputs[..] {
        [(_, base)] => format!(" away from its mean, {}", number(base)),
        _ => String::new(),
    };
    let mut blocks = vec![Block::Text(format!(
        "What each column adds to a prediction{base}: exact Shapley values of {} {split} rows, in {unit}. A row's contributions add up to its prediction; the \
         features that come from a column count together.",
        thousands(summary.rows as u64)
    ))];
    let shown = &summary.columns[..summary.columns.len().min(SHOWN)];
    blocks.push(Block::Bars(Bars {
        caption: "Mean absolute contribution".to_owned(),
        x: unit.replace('`', ""),
        bars: shown.iter().map(|column| (column.origin.name.clone(), column.mean())).collect(),
    }));
    if summary.outputs.len() == 1 {
        let row =
            |column: &Summed| SwarmRow { name: column.origin.name.clone(), points: column.values.iter().copied().zip(shades(model, sample, column)).collect() };
        blocks.push(Block::Swarm(Swarm {
            caption: "Contributions of single rows".to_owned(),
            x: unit.replace('`', ""),
            shade: "the row's value in the column".to_owned(),
            rows: shown.iter().take(SWARMED).filter(|column| column.mean() > 0.0).map(row).collect(),
        }));
    }
    let total: f64 = summary.columns.iter().map(Summed::mean).sum();
    let mut columns = ["column", "mean |contribution|", "share"].map(str::to_owned).to_vec();
    let single = summary.outputs.len() == 1;
    if single {
        columns.extend(["lowest", "highest"].map(str::to_owned));
    } else {
        columns.extend(summary.outputs.iter().take(CLASSES).filter_map(|(class, _)| class_name(&model.task, *class)).map(shorten));
    }
    let row = |column: &Summed| {
        let mut cells =
            vec![Cell::Text(with_sources(&column.origin)), column.mean().into(), if total > 0.0 { Cell::Share(column.mean() / total) } else { Cell::Missing }];
        if single {
            let (low, high) = column.values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
            cells.extend([low, high].map(|value| if value.is_finite() { Cell::Number(value) } else { Cell::Missing }));
        } else {
            cells.extend(column.means.iter().take(CLASSES).map(|mean| Cell::Number(*mean)));
        }
        cells
    };
    blocks.push(Block::Table(CardTable { caption: "Contributions by column".to_owned(), columns, rows: shown.iter().map(row).collect() }));
    blocks
}

/// Where each row's value stands among the others, from 0 to 1; nothing where values have no order or one is missing.
fn shades(model: &Model, sample: &DataFrame, column: &Summed) -> Vec<Option<f64>> {
    let values = sample.column(&model.chain.column_shown_as(&column.origin.name)).ok().filter(|_| column.origin.is_raw()).and_then(ordered);
    let Some(values) = values else { return vec![None; column.values.len()] };
    let mut sorted: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted.dedup();
    let last = sorted.len().saturating_sub(1).max(1) as f64;
    values.into_iter().map(|x| x.is_finite().then(|| sorted.partition_point(|other| *other < x) as f64 / last)).collect()
}

fn permutation_blocks(metric: &MetricEntry, found: &Importances) -> Vec<Block> {
    let Importances { rows, repeats, baseline, columns } = found;
    let (short, shown) = (metric::short_name(metric.name), &columns[..columns.len().min(SHOWN)]);
    let change = if metric.greater_is_better { "fall" } else { "rise" };
    let row = |column: &Importance| vec![Cell::Text(shorten(&column.column)), column.mean.into(), column.deviation.into()];
    vec![
        Block::Text(format!(
            "How much worse `{}` becomes when the values of one raw column are shuffled among {} test rows, {repeats} times each; unshuffled it is {}. A column \
             at or below 0 says nothing that others do not say too.",
            metric.name,
            thousands(*rows as u64),
            number(*baseline)
        )),
        Block::Bars(Bars {
            caption: "Permutation importance".to_owned(),
            x: format!("{change} in {short}"),
            bars: shown.iter().map(|column| (column.column.clone(), column.mean)).collect(),
        }),
        Block::Table(CardTable {
            caption: "Permutation importance".to_owned(),
            columns: vec!["column".to_owned(), format!("{change} in {short}"), "standard deviation".to_owned()],
            rows: shown.iter().map(row).collect(),
        }),
    ]
}

fn dependence_blocks(model: &Model, mut found: Vec<Dependence>, split: &str) -> Vec<Block> {
    found.sort_by(|a, b| b.reach().total_cmp(&a.reach()));
    found.truncate(DRAWN);
    let Some(rows) = found.first().and_then(|first| first.values.first()).and_then(|at| at.rows.first()).map(Vec::len) else { return Vec::new() };
    let said = match &model.task {
        Task::Regression => "prediction".to_owned(),
        Task::Classification { classes, positive } => match positive.and_then(|positive| classes.get(positive)) {
            Some(class) => format!("score of `{}`", shorten(class)),
            None => "scores".to_owned(),
        },
    };
    let single = if found.iter().all(|column| column.values.iter().all(|at| at.rows.len() == 1)) {
        " Thin lines are single rows, moved to where the mean begins."
    } else {
        ""
    };
    let mut blocks = vec![
        Block::Heading("Partial dependence".to_owned()),
        Block::Text(format!(
            "The mean {said} of {rows} {split} rows when one column is set to the same value in all of them.{single} Where columns move together, some of these \
             rows cannot exist."
        )),
    ];
    let y = said.replace('`', "");
    blocks.extend(found.into_iter().map(|column| dependence_block(model, column, &y)));
    blocks
}

fn dependence_block(model: &Model, column: Dependence, y: &str) -> Block {
    let Dependence { column, is_number, values } = column;
    let caption = format!("Partial dependence on `{}`", shorten(&column)).replace('`', "");
    let outputs = values.first().map_or(0, |at| at.rows.len());
    let names: BTreeMap<usize, String> = match &model.task {
        Task::Classification { classes, positive: None } => classes.iter().take(CLASSES).map(|class| shorten(class)).enumerate().collect(),
        _ => BTreeMap::from([(0, "mean".to_owned())]),
    };
    if !is_number && outputs == 1 {
        // Differences, since bars from zero would all look alike.
        let mean = values.iter().map(|at| at.mean(0)).sum::<f64>() / values.len() as f64;
        let bars = values.iter().map(|at| (at.label.clone(), at.mean(0) - mean)).collect();
        return Block::Bars(Bars { caption, x: format!("mean {y}, above or below {}", number(mean)), bars });
    }
    if !is_number {
        let rows = values.iter().map(|at| std::iter::once(Cell::Text(shorten(&at.label))).chain(names.keys().map(|k| at.mean(*k).into())).collect()).collect();
        return Block::Table(CardTable { caption, columns: std::iter::once(shorten(&column)).chain(names.into_values()).collect(), rows });
    }
    let line = |name: &str, of: &dyn Fn(&At) -> f64| Line { name: name.to_owned(), points: values.iter().map(|at| (at.x, of(at))).collect() };
    let mut series: Vec<Line> = names.iter().map(|(k, name)| line(name, &|at| at.mean(*k))).collect();
    if outputs == 1 {
        let rows = values.first().map_or(0, |at| at.rows[0].len());
        let said = |at: &At, row: usize| at.rows.first().and_then(|rows| rows.get(row)).copied().unwrap_or(f64::NAN);
        let single = |row: usize| line("", &|at| values.first().map_or(f64::NAN, |first| said(at, row) - said(first, row) + first.mean(0)));
        series.extend((0..rows).step_by(rows.div_ceil(SINGLE_ROWS).max(1)).map(single));
    }
    Block::Lines(Lines { caption, x: column, y: y.to_owned(), series, diagonal: false })
}
