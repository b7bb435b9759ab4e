//! split: ingested rows become training, validation and test rows.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Context, Heads, INGESTED, Json, Needs, Report, SlotId, Step, Surroundings, TEST, TRAINING, TRAINING_PROFILE, VALIDATION};
use crate::card::format::number;
use crate::card::{Bars, Block, Card, Cell, Fact, Tab, Table as CardTable};
use crate::data::rows::require_columns;
use crate::data::{ColumnDrift, Overlap, Profile, Role, Roles, RowExpression, SplitConfig, SplitMethod, SplitPaths, SplitReport, Table, Wanted, drift, split};
use crate::error::{Problem, Result, shorten, thousands};
use crate::ml::drift::{self as shift, Apart, apart};

const VERSION: u32 = 9;

/// The split step.
pub struct Split {
    pub config: SplitConfig,
    pub filter: Option<RowExpression>,
    pub roles: Roles,
    pub target: String,
    pub is_classification: bool,
    pub seed: u64,
}

impl Step for Split {
    fn name(&self) -> &'static str {
        "split"
    }

    fn needs(&self, _around: &Surroundings) -> Result<Needs> {
        let roles = self.roles();
        let roles: BTreeMap<&str, &str> = roles.iter().map(|(name, role)| (name, role.name())).collect();
        Ok(Needs {
            algorithms: BTreeMap::from([("split".to_owned(), VERSION), ("drift".to_owned(), shift::VERSION)]),
            config: serde_json::json!({ "split": self.config, "roles": roles, "classification": self.is_classification }),
            reads: vec![INGESTED.id],
            seed: Some(self.seed),
            ..Needs::default()
        })
    }

    fn writes(&self) -> Vec<SlotId> {
        vec![TRAINING.id, TRAINING_PROFILE.id, VALIDATION.id, TEST.id]
    }

    fn misfits(&self, _root: &Path, heads: &Heads) -> Vec<Problem> {
        let columns = self.config.columns.as_deref().unwrap_or_default();
        let columns = require_columns(&heads.training, columns, "steps.split.columns");
        [columns, self.check_filter(&heads.training)].into_iter().filter_map(Result::err).flat_map(|error| error.problems).collect()
    }

    fn run(&self, cx: &Context<'_>) -> Result<Report> {
        let table = cx.read(&INGESTED)?;
        self.check_filter(&table)?;
        let roles = self.roles();
        let paths = SplitPaths { training: cx.path(&TRAINING), validation: cx.path(&VALIDATION), test: cx.path(&TEST) };
        let filter = self.filter.as_ref().map(RowExpression::expr);
        let (outcome, profiles) = split(&table, &self.config, filter, &roles, self.seed, &paths)?;

        let parts = [("training", Table::read(&paths.training)?), ("validation", Table::read(&paths.validation)?), ("test", Table::read(&paths.test)?)];
        cx.write(&TRAINING_PROFILE, &Json(without_roles(&profiles[0])))?;
        let width = table.schema().len() as u64;
        let kept: u64 = outcome.rows.iter().sum();
        let dropped: u64 = outcome.dropped.values().sum();

        let sizes = CardTable {
            caption: "Rows per split".to_owned(),
            columns: ["split", "rows", "share"].map(str::to_owned).to_vec(),
            rows: parts
                .iter()
                .zip(&outcome.rows)
                .map(|((name, _), rows)| vec![(*name).into(), (*rows).into(), Cell::Share(*rows as f64 / kept.max(1) as f64)])
                .collect(),
        };
        let bars = Bars {
            caption: "Rows of the splits".to_owned(),
            x: "rows".to_owned(),
            bars: parts.iter().zip(&outcome.rows).map(|((name, _), rows)| ((*name).to_owned(), *rows as f64)).collect(),
        };
        let mut tabs = vec![Tab::new("sizes", "Sizes", vec![Block::Bars(bars), Block::Table(sizes)])];
        if let Some(tab) = tabs.first_mut().filter(|_| dropped > 0) {
            tab.blocks.push(Block::Table(left_out(&outcome)));
        }
        let target: Vec<Block> = crate::steps::ingest::compare_target(&self.target, &parts, &profiles, self.is_classification)?;
        if !target.is_empty() {
            tabs.push(Tab::new("target", "Target", target));
        }
        let moved: Vec<Vec<Cell>> = {
            let validation = drift(&profiles[0], &profiles[1]);
            let test = drift(&profiles[0], &profiles[2]);
            let mut both: Vec<_> = validation.iter().zip(&test).collect();
            let size = |(v, t): &(&ColumnDrift, &ColumnDrift)| v.psi.unwrap_or(-1.0).max(t.psi.unwrap_or(-1.0));
            both.sort_by(|a, b| size(b).total_cmp(&size(a)));
            both.iter()
                .map(|(v, t)| vec![v.column.as_str().into(), v.psi.into(), t.psi.into(), v.new_categories.len().into(), t.new_categories.len().into()])
                .collect()
        };
        tabs.push(Tab::new(
            "drift",
            "Drift between splits",
            vec![
                Block::Text("Population stability index against training: below 0.1 the splits are alike, above 0.25 they differ.".to_owned()),
                Block::Table(CardTable {
                    caption: "Drift per column".to_owned(),
                    columns: ["column", "validation PSI", "test PSI", "new in validation", "new in test"].map(str::to_owned).to_vec(),
                    rows: moved,
                }),
            ],
        ));
        let columns: Vec<String> = table.names().filter(|name| roles.is_feature(name)).map(str::to_owned).collect();
        let mut warnings = outcome.warnings.clone();
        if let Some(apart) = apart(&parts[0].1, &parts[2].1, &columns, self.seed)? {
            let is_meant = matches!(self.config.using, SplitMethod::Time | SplitMethod::Group | SplitMethod::Column);
            if let Some(tab) = tabs.last_mut() {
                tab.blocks.splice(0..0, apart_blocks(&apart, is_meant));
            }
            if apart.is_notable() && !is_meant {
                warnings.push(sentence(&apart, is_meant));
            }
        }
        let crossing = crossing(&outcome);
        tabs.push(Tab::new("crossing", "Duplicates and groups", vec![Block::Facts(crossing)]));

        let counts = outcome.rows.map(thousands).join(" / ");
        Ok(Report {
            line: format!("{} rows → {counts}", thousands(kept)),
            note: if dropped > 0 { format!("{} rows filtered", thousands(dropped)) } else { String::new() },
            card: Card {
                summary: format!(
                    "{} rows became {counts} for training, validation and test{}.",
                    thousands(kept),
                    if dropped > 0 { format!("; {} were left out", thousands(dropped)) } else { String::new() }
                ),
                headline: vec![
                    Fact::new("training", outcome.rows[0]),
                    Fact::new("validation", outcome.rows[1]),
                    Fact::new("test", outcome.rows[2]),
                    Fact::new("left out", dropped),
                    Fact::new("method", self.config.using.name()),
                ],
                warnings: warnings.clone(),
                tabs,
            },
            metrics: BTreeMap::new(),
            params: BTreeMap::from([("split.using".to_owned(), self.config.using.name().to_owned())]),
            warnings,
            shapes: [TRAINING.id, VALIDATION.id, TEST.id].iter().zip(outcome.rows).map(|(id, rows)| (id.artifact.to_owned(), (rows, width))).collect(),
            verdict: None,
        })
    }
}

/// What the rows are like, whatever they are used for: a role that changes does not make them others.
fn without_roles(profile: &Profile) -> Profile {
    let mut profile = profile.clone();
    for column in &mut profile.columns {
        column.summary.role.clear();
        column.summary.alerts.clear();
    }
    profile
}

impl Split {
    fn check_filter(&self, table: &Table) -> Result<()> {
        let Some(filter) = &self.filter else { return Ok(()) };
        filter.check_against(table.schema(), Wanted::Boolean).map_err(|error| error.path("steps.split.post_split_filter"))
    }

    /// The roles that say how rows are parted or what is told of the parts; the others are not looked at,
    /// so that changing them splits nothing anew.
    fn roles(&self) -> Roles {
        let matters = |role: Role| matches!(role, Role::Target | Role::Group | Role::Time);
        Roles::new(self.roles.iter().filter(|(_, role)| matters(*role)).map(|(name, role)| (name.to_owned(), role)).collect())
    }
}

/// How well training and test rows are told apart, in words.
fn sentence(apart: &Apart, is_meant: bool) -> String {
    let [area, low, high] = [apart.area, apart.low, apart.high].map(number);
    let how = format!("area under the ROC curve {area}, 99 % sure between {low} and {high}; 0.5 is not at all; from {} rows", thousands(apart.rows as u64));
    if !apart.is_notable() {
        return format!("a small boosted model does not tell test rows from training rows to speak of ({how})");
    }
    let by = apart.telling().iter().map(|name| format!("`{}`", shorten(name))).collect::<Vec<_>>().join(", ");
    let what = format!("a small boosted model tells test rows from training rows, mostly by {by} ({how})");
    if is_meant { format!("{what}, as is to be expected of such a split") } else { format!("{what}: test metrics speak of other rows than those learned from") }
}

/// What adversarial validation found.
fn apart_blocks(apart: &Apart, is_meant: bool) -> Vec<Block> {
    let said = sentence(apart, is_meant);
    let mut letters = said.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let mut blocks = vec![Block::Text(format!("{first}{}.", letters.as_str()))];
    if apart.is_notable() {
        blocks.push(Block::Bars(Bars {
            caption: "What tells test rows from training rows".to_owned(),
            x: "share of what the model gained".to_owned(),
            bars: apart.columns.iter().filter(|(_, share)| *share >= 0.001).take(10).cloned().collect(),
        }));
    }
    blocks
}

/// Why rows are in no split.
fn left_out(outcome: &SplitReport) -> CardTable {
    let row = |(reason, n): (&String, &u64)| vec![reason.as_str().into(), (*n).into(), Cell::Share(*n as f64 / outcome.rows_in.max(1) as f64)];
    CardTable {
        caption: "Rows left out, by reason".to_owned(),
        columns: ["reason", "rows", "share"].map(str::to_owned).to_vec(),
        rows: outcome.dropped.iter().filter(|(_, n)| **n > 0).map(row).collect(),
    }
}

/// Duplicates, groups and times across the splits.
fn crossing(outcome: &SplitReport) -> Vec<Fact> {
    let mut facts = vec![Fact::new("rows in", outcome.rows_in)];
    let mut add = |what: &str, overlap: &Overlap| {
        let about = if overlap.estimated { ", estimated" } else { "" };
        facts.push(Fact::new(format!("{what} in more than one split{about}"), overlap.shared));
        facts.push(Fact::new(format!("validation and test rows whose {what} is in training{about}"), overlap.leaked_rows));
    };
    add("content", &outcome.duplicates);
    if let Some(groups) = &outcome.groups {
        add("group", groups);
    }
    for (name, range) in ["training", "validation", "test"].iter().zip(outcome.time.iter().flatten()) {
        if let Some((first, last)) = range {
            facts.push(Fact::new(format!("{name} time"), format!("{first} – {last}")));
        }
    }
    facts
}
