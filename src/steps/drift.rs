//! Drift in predict: `gates`, what they decide, and the tab that shows every column beside training.

use std::collections::BTreeMap;

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::card::format::number;
use crate::card::{Block, Cell, Counts as CardCounts, Groups, Histogram, Tab, Table as CardTable};
use crate::data::ParquetSink;
use crate::data::rows::unknown;
use crate::error::{Error, Result, counted, shorten};
use crate::ml::drift::{ColumnReference, Counts, Figure, Method, Reference, Ruler, Watch, measure};
use crate::value::Fault;

/// Columns that the card draws.
const DRAWN: usize = 12;
/// Columns, and new values of one, that a message names.
const NAMED: usize = 5;
/// Columns whose figures a run keeps.
const KEPT: usize = 100;
/// How the names of these figures begin; the method and the column follow.
pub const RECORDED: &str = "drift_";
/// Categories that the card lists of a column.
const LISTED: usize = 8;
/// The column that says why a row was set aside.
pub const REASON: &str = "quarantine_reason";

/// `steps.predict.gates`.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gates {
    /// How far the rows to score may lie from those the model learned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftGate>,
}

/// `steps.predict.gates.drift`.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftGate {
    /// How the distance is measured.
    #[serde(default)]
    pub method: Method,
    /// The greatest distance that passes; default 0.25 for `psi`, 0.1 for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// What happens where it is exceeded.
    #[serde(default)]
    pub on_fail: OnFail,
    /// The columns that the gate looks at; default: every column that the model reads, and its predictions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
}

/// What a gate that fails does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFail {
    /// Say so, and write the output.
    Warn,
    /// Write no output and exit with code 10.
    #[default]
    Error,
    /// Say so, and write rows that hold what training never had into a second file beside the output.
    Quarantine,
}

impl DriftGate {
    /// Checks what types alone cannot say.
    ///
    /// # Errors
    /// A threshold that is no positive number; no columns; a quarantine without an output.
    pub fn check(&self, has_output: bool) -> Result<(), Vec<Fault>> {
        let path = |name: &str| vec![name.to_owned()];
        let mut faults = Vec::new();
        if self.threshold.is_some_and(|threshold| !threshold.is_finite() || threshold <= 0.0) {
            faults.push(Fault::new(&path("threshold"), "a threshold is a number above 0"));
        }
        if self.columns.as_ref().is_some_and(Vec::is_empty) {
            faults.push(Fault::new(&path("columns"), "`columns` names no column").hint("leave it out for all"));
        }
        if self.on_fail == OnFail::Quarantine && !has_output {
            faults.push(Fault::new(&path("on_fail"), "`quarantine` wants an `output`, beside which the other file lies"));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn looks_at(&self, column: &str) -> bool {
        self.columns.as_ref().is_none_or(|columns| columns.iter().any(|name| name == column))
    }

    /// Refuses columns that are not compared, all at once.
    ///
    /// # Errors
    /// Exit code 3, with the nearest name for each.
    pub fn require_columns(&self, reference: &Reference) -> Result<()> {
        let known: Vec<&str> = reference.columns.iter().chain(&reference.prediction).map(|column| column.name.as_str()).collect();
        let Some(unknown) = unknown(self.columns.as_deref().unwrap_or_default(), &known) else { return Ok(()) };
        Err(Error::config(format!("the model reads no such columns: {unknown}"))
            .path("steps.predict.gates.drift.columns")
            .hint(format!("it reads {}", known.iter().take(20).copied().collect::<Vec<_>>().join(", "))))
    }
}

/// Rows apart that hold what training never had: each row by itself, whatever the others are.
pub struct Quarantine<'a> {
    columns: Vec<&'a ColumnReference>,
    pub kept: ParquetSink,
    pub aside: ParquetSink,
    pub rows: u64,
}

impl<'a> Quarantine<'a> {
    #[must_use]
    pub fn new(gate: &DriftGate, reference: &'a Reference, kept: ParquetSink, aside: ParquetSink) -> Self {
        Self { columns: reference.columns.iter().filter(|column| gate.looks_at(&column.name)).collect(), kept, aside, rows: 0 }
    }

    /// Shares scored rows out.
    ///
    /// # Errors
    /// A disk that failed.
    pub fn add(&mut self, frame: &DataFrame) -> Result<()> {
        let mut reasons: Vec<Option<String>> = vec![None; frame.height()];
        for reference in &self.columns {
            let Ok(column) = frame.column(&reference.name) else { continue };
            for (all, one) in reasons.iter_mut().zip(reference.never_seen(column)?) {
                match (all, one) {
                    (Some(all), Some(one)) => *all = format!("{all}; {one}"),
                    (all, Some(one)) => *all = Some(one),
                    _ => {}
                }
            }
        }
        let is_new: BooleanChunked = reasons.iter().map(Option::is_some).collect();
        self.rows += reasons.iter().flatten().count() as u64;
        self.kept.write(&frame.filter(&!&is_new)?)?;
        let reason = Column::new(REASON.into(), reasons);
        self.aside.write(&super::train::with_columns(frame.clone(), vec![reason])?.filter(&is_new)?)
    }
}

/// A column beside what it was.
struct Compared<'a> {
    reference: &'a ColumnReference,
    now: Counts,
    figure: Option<Figure>,
    is_prediction: bool,
    /// Further away than the gate, or custom, allows.
    is_far: bool,
}

impl Compared<'_> {
    /// Its name, for sentences.
    fn name(&self) -> String {
        format!("`{}`", shorten(&self.reference.name))
    }

    fn before(&self) -> &'static str {
        if self.is_prediction { "validation" } else { "training" }
    }

    fn sentence(&self, method: Method) -> String {
        let value = self.figure.map_or_else(|| "—".to_owned(), |figure| number(figure.value));
        format!("{} differs from {}: {} {value}", self.name(), self.before(), method.in_words())
    }

    fn new_rows(&self) -> Option<u64> {
        match &self.reference.ruler {
            Ruler::Categories { complete: true, .. } => self.now.cells.last().copied(),
            _ => None,
        }
    }
}

/// Every column beside what it was, the furthest first.
pub struct Drift<'a> {
    method: Method,
    threshold: f64,
    columns: Vec<Compared<'a>>,
}

impl<'a> Drift<'a> {
    #[must_use]
    pub fn of(gate: Option<&DriftGate>, reference: &'a Reference, watch: Watch<'_>) -> Self {
        let method = gate.map_or_else(Method::default, |gate| gate.method);
        let threshold = gate.and_then(|gate| gate.threshold).unwrap_or_else(|| method.threshold());
        let kinds = reference.columns.iter().map(|column| (column, false)).chain(reference.prediction.iter().map(|column| (column, true)));
        let mut columns: Vec<Compared> = kinds
            .zip(watch.finish())
            .map(|((reference, is_prediction), now)| {
                let figure = measure(method, reference, &now);
                let is_far = figure.is_some_and(|figure| figure.exceeds(threshold)) && gate.is_none_or(|gate| gate.looks_at(&reference.name));
                Compared { reference, now, figure, is_prediction, is_far }
            })
            .collect();
        let size = |column: &Compared| column.figure.map_or(-1.0, |figure| figure.value);
        columns.sort_by(|a, b| b.is_far.cmp(&a.is_far).then(size(b).total_cmp(&size(a))).then_with(|| a.reference.name.cmp(&b.reference.name)));
        Self { method, threshold, columns }
    }

    /// What is too far away, in one sentence; `None` where nothing is.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let far: Vec<&Compared> = self.columns.iter().filter(|column| column.is_far).collect();
        if far.is_empty() {
            return None;
        }
        let named: Vec<String> = far.iter().take(NAMED).map(|column| format!("{} ({} {})", column.name(), self.method.in_words(), shown(column))).collect();
        let more = if far.len() > NAMED { format!(" and {} more", far.len() - NAMED) } else { String::new() };
        Some(format!(
            "{} beyond {} {} from what the model learned from: {}{more}",
            counted(far.len() as u64, "column"),
            number(self.threshold),
            if far.len() == 1 { "differs" } else { "differ" },
            named.join(", ")
        ))
    }

    /// What a reader should know without opening the tab.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        const MOST: usize = 20;
        let far = self.columns.iter().filter(|column| column.is_far).map(|column| column.sentence(self.method));
        let new = self.columns.iter().filter(|column| !column.now.new.is_empty() && !column.is_prediction).map(|column| {
            let mut names: Vec<(&String, &u64)> = column.now.new.iter().collect();
            names.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
            let shown = names.iter().take(NAMED).map(|(name, _)| shorten(name)).collect::<Vec<_>>().join(", ");
            format!("{} has {} that training did not have: {shown}", column.name(), counted(names.len() as u64, "value"))
        });
        let mut warnings: Vec<String> = far.chain(new).collect();
        if warnings.len() > MOST {
            let more = warnings.len() - MOST;
            warnings.truncate(MOST);
            warnings.push(format!("{} about drift: see the tab", counted(more as u64, "more warning")));
        }
        warnings
    }

    /// How far each column lies, for the record of the run: `drift_psi_fare`, the furthest ones where there are very many.
    #[must_use]
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let figures =
            self.columns.iter().filter_map(|column| Some((format!("{RECORDED}{}_{}", self.method.name(), column.reference.name), column.figure?.value)));
        figures.take(KEPT).collect()
    }

    /// The furthest column, in half a sentence.
    #[must_use]
    pub fn summary(&self) -> String {
        match self.columns.first() {
            Some(column) if column.figure.is_some_and(|figure| figure.value > figure.bound) => {
                format!("{} lies furthest from {} ({} {})", column.name(), column.before(), self.method.in_words(), shown(column))
            }
            _ => "no column lies further from training than chance would bring it".to_owned(),
        }
    }

    /// The card's tab.
    #[must_use]
    pub fn tab(&self) -> Tab {
        let mut blocks = vec![
            Block::Text(format!(
                "{} of each column that the model reads against its training rows, and of the predictions against those on validation rows. {} is far, if \
                 chance alone does not give as much with so few rows; dates are compared by their missing values alone.",
                self.method.in_words(),
                number(self.threshold)
            )),
            Block::Table(CardTable {
                caption: "Drift per column".to_owned(),
                columns: ["column", self.method.in_words(), "", "expected by chance", "new values", "rows with new values", "change of missing share"]
                    .map(str::to_owned)
                    .to_vec(),
                rows: self.columns.iter().map(row).collect(),
            }),
        ];
        blocks.extend(self.columns.iter().filter(|column| !column.is_prediction).take(DRAWN).filter_map(|column| sketch(column)));
        Tab::new("drift", "Drift", blocks)
    }

    /// The predictions beside those on validation rows.
    #[must_use]
    pub fn predictions(&self) -> Option<Block> {
        self.columns.iter().find(|column| column.is_prediction).and_then(sketch)
    }
}

fn row(column: &Compared) -> Vec<Cell> {
    let new = column.new_rows();
    let said = match column.figure {
        Some(_) if column.is_far => Cell::Bad("far".to_owned()),
        Some(figure) if figure.value > figure.bound => Cell::Text("some".to_owned()),
        _ => Cell::Text(String::new()),
    };
    vec![
        if column.is_prediction { format!("{} (against validation)", column.reference.name).into() } else { column.reference.name.as_str().into() },
        column.figure.map(|figure| figure.value).into(),
        said,
        column.figure.map(|figure| figure.expected).into(),
        new.map(|_| column.now.new.len()).into(),
        new.map_or(Cell::Missing, |rows| Cell::Share(rows as f64 / column.now.rows.max(1) as f64)),
        Cell::Share(column.now.missing_share() - column.reference.counts.missing_share()),
    ]
}

/// Both distributions over each other.
fn sketch(column: &Compared) -> Option<Block> {
    let (before, now) = (&column.reference.counts, &column.now);
    let name = shorten(&column.reference.name);
    match &column.reference.ruler {
        Ruler::Numbers { edges, drawn, .. } => {
            let cell_of = |edge: f64| 2 * edges.partition_point(|other| *other < edge) + 1;
            let count = |counts: &Counts| -> Vec<u64> {
                drawn.windows(2).map(|pair| counts.cells.get(cell_of(pair[0])..cell_of(pair[1])).unwrap_or_default().iter().sum()).collect()
            };
            let series =
                vec![CardCounts { name: column.before().to_owned(), counts: count(before) }, CardCounts { name: "scored".to_owned(), counts: count(now) }];
            let drawn_rows: u64 = series[1].counts.iter().sum();
            let outside = now.present().saturating_sub(drawn_rows);
            let outside = if outside > 0 { format!("; {} lie outside of what is drawn", counted(outside, "scored row")) } else { String::new() };
            let caption = format!("`{name}`{outside}");
            (drawn.len() > 1).then(|| Block::Histogram(Histogram { caption, x: name, edges: drawn.clone(), series }))
        }
        Ruler::Categories { names, .. } => {
            let pairs: Vec<(u64, u64)> = before.cells.iter().copied().zip(now.cells.iter().copied()).collect();
            let listed = names.len().min(LISTED);
            let mut rows: Vec<(String, Vec<u64>)> = names.iter().zip(&pairs).take(listed).map(|(name, (old, new))| (shorten(name), vec![*old, *new])).collect();
            let (old, new) = pairs.iter().skip(listed).fold((0, 0), |sums, pair| (sums.0 + pair.0, sums.1 + pair.1));
            let others = [("all others", old, new), ("missing", before.missing, now.missing)];
            rows.extend(others.into_iter().filter(|(_, old, new)| old + new > 0).map(|(name, old, new)| (name.to_owned(), vec![old, new])));
            let series = vec![column.before().to_owned(), "scored".to_owned()];
            Some(Block::Groups(Groups { caption: format!("`{name}`"), x: "share of the rows".to_owned(), series, rows }))
        }
        Ruler::Untold => None,
    }
}

/// The figure as text.
fn shown(column: &Compared<'_>) -> String {
    column.figure.map_or_else(|| "—".to_owned(), |figure| number(figure.value))
}
