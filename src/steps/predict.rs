//! predict: a registered model scores ingested rows and writes them where the recipe says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::explain::reasons_tab;
use super::train::with_columns;
use super::{Context, INGESTED_SCORING, Needs, Report, SCORED, SlotId, Step, Surroundings};
use crate::card::{Block, Card, Cell, Fact, Tab, Table as CardTable};
use crate::data::sink::{self, SaveMode};
use crate::data::source::{Format, Packed};
use crate::data::{ColumnDrift, ParquetSink, Profile, Roles, Table, drift, preview, profile};
use crate::error::{Error, Result, counted, shorten, thousands};
use crate::ml::Task;
use crate::ml::explain::{self, EXPLAINABLE, Explainer};
use crate::ml::model::Model;
use crate::tracking::bundle;

const VERSION: u32 = 1;
/// More reasons than this nobody reads.
pub const MOST_REASONS: usize = 100;
/// Below this many rows a drift figure says more of chance than of the data.
const DRIFT_ROWS: u64 = 200;

/// `output:` of recipe.yaml.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The format; default: by the location's extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub using: Option<Format>,
    /// The file, relative to the project root.
    pub location: String,
    /// Columns to write; all inputs and the predictions where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// What happens to a file that is there already.
    #[serde(default)]
    pub save_mode: SaveMode,
}

impl Output {
    /// Writes rows as the location's name, or `using`, says: `out/scored.csv.gz` is packed csv.
    fn write(&self, table: &Table, path: &Path) -> Result<u64> {
        let format = self.using.or_else(|| Format::of_name(&self.location)).ok_or_else(|| {
            Error::config(format!("cannot tell the format of `{}`", self.location))
                .path("steps.predict.output.using")
                .hint("set `using: parquet`, `csv`, `json` or `arrow`")
        })?;
        let packed = match path.extension().and_then(|e| e.to_str()) {
            Some("gz") => Some(Packed::Gzip),
            Some("zst") => Some(Packed::Zstd),
            _ => None,
        };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| Error::io("create", parent, &error))?;
        }
        sink::write(table, path, format, packed, self.save_mode)
    }
}

/// The content's digest, to see whether an output is still what was written.
fn digest(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_mmap_rayon(path).map_err(|error| Error::io("read", path, &error))?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// The predict step.
pub struct Predict {
    pub model_uri: String,
    pub output: Option<Output>,
    /// Reasons that each row is given.
    pub reasons: usize,
    pub roles: Roles,
    /// `overwrite` also from the former top-level key.
    pub is_appending: bool,
}

impl Predict {
    /// What finds the reasons, where some are wanted.
    fn explainer<'a>(&self, model: &'a Model) -> Result<Option<Explainer<'a>>> {
        if self.reasons == 0 {
            return Ok(None);
        }
        let explainer = Explainer::of(model)?.ok_or_else(|| {
            Error::config(format!("`reasons` needs a model whose predictions can be explained exactly, which `{}` is not", model.estimator.name()))
                .path("steps.predict.reasons")
                .hint(format!("take `reasons` away, or train one of these: {EXPLAINABLE}"))
        })?;
        Ok(Some(explainer))
    }

    fn output_path(&self, around: &Surroundings) -> Option<PathBuf> {
        self.output.as_ref().map(|output| around.root.join(&output.location))
    }
}

impl Step for Predict {
    fn name(&self) -> &'static str {
        "predict"
    }

    fn needs(&self, around: &Surroundings) -> Result<Needs> {
        let resolved = around.tracker.resolve(&self.model_uri, &around.root)?;
        Ok(Needs {
            algorithms: BTreeMap::from([("predict".to_owned(), VERSION), ("explain".to_owned(), explain::VERSION)]),
            config: serde_json::json!({ "output": self.output, "reasons": self.reasons }),
            reads: vec![INGESTED_SCORING.id],
            external: BTreeMap::from([("model".to_owned(), resolved.digest)]),
            ..Needs::default()
        })
    }

    fn writes(&self) -> Vec<SlotId> {
        vec![SCORED.id]
    }

    fn is_cacheable(&self) -> bool {
        !self.is_appending
    }

    fn missing_effect(&self, report: &Report, around: &Surroundings) -> Result<Option<String>> {
        let (Some(output), Some(path)) = (&self.output, self.output_path(around)) else { return Ok(None) };
        let Some(wanted) = report.params.get("predict.output_digest") else { return Ok(None) };
        match digest(&path) {
            Ok(found) if found == *wanted => Ok(None),
            Ok(_) => Ok(Some(format!("the output `{}` was changed", shorten(&output.location)))),
            Err(_) => Ok(Some(format!("the output `{}` is missing", shorten(&output.location)))),
        }
    }

    fn run(&self, cx: &Context<'_>) -> Result<Report> {
        let resolved = cx.around.tracker.resolve(&self.model_uri, &cx.around.root)?;
        let bundle = bundle::load(&resolved.path)?;
        let model = bundle.model;
        let table = model.chain.prepare(&cx.read(&INGESTED_SCORING)?)?;
        if let Some(path) = self.output_path(cx.around)
            && let Some(output) = &self.output
            && output.save_mode == SaveMode::Error
            && path.exists()
        {
            return Err(Error::data(format!("the output exists already: `{}`", output.location))
                .path("steps.predict.output.save_mode")
                .hint("remove it, or use `save_mode: overwrite`"));
        }

        let explainer = self.explainer(&model)?;
        let mut first_reasons: BTreeMap<String, u64> = BTreeMap::new();
        let mut sink = ParquetSink::create(&cx.path(&SCORED));
        model.score(&table, |frame, predictions| {
            let mut columns = model.prediction_columns(&predictions)?;
            if let Some(explainer) = &explainer {
                let reasons = explain::reasons::reasons(explainer, &frame, &predictions, self.reasons)?;
                if let Some(column) = reasons.first() {
                    for reason in column.str()?.iter().flatten() {
                        *first_reasons.entry(reason.to_owned()).or_default() += 1;
                    }
                }
                columns.extend(reasons);
            }
            sink.write(&with_columns(model.chain.bare(frame), columns)?)
        })?;
        let (count, width) = sink.finish()?;
        let scored = Table::read(&cx.path(&SCORED))?;

        let mut params = BTreeMap::from([("predict.model".to_owned(), resolved.uri.clone()), ("predict.model_digest".to_owned(), resolved.digest.clone())]);
        let mut note = resolved.uri.clone();
        let mut warnings = Vec::new();
        if let (Some(output), Some(path)) = (&self.output, self.output_path(cx.around)) {
            let written = match &output.columns {
                None => scored.clone(),
                Some(columns) => {
                    crate::data::rows::require_columns(&scored, columns, "steps.predict.output.columns")?;
                    let reasons = explain::reasons::names(self.reasons);
                    if !reasons.is_empty() && !columns.iter().any(|column| reasons.contains(column)) {
                        warnings.push(format!("`{}` has no reasons: `output.columns` does not name `reason_1` or another of them", output.location));
                    }
                    Table::from_query(scored.lazy().select(columns.iter().map(|c| polars::prelude::Expr::Column(c.as_str().into())).collect::<Vec<_>>()))?
                }
            };
            output.write(&written, &path)?;
            params.insert("predict.output_digest".to_owned(), digest(&path)?);
            note = format!("{note} → {}", output.location);
        }

        let found = profile(&scored, &self.roles)?;
        let mut tabs = Vec::new();
        let prediction = match &model.task {
            Task::Regression => "prediction".to_owned(),
            Task::Classification { .. } => format!("{}label", model.output.prefix),
        };
        let shown: Vec<Block> = Profile { columns: found.column(&prediction).cloned().into_iter().collect(), ..found.clone() }.into_blocks();
        if !shown.is_empty() {
            tabs.push(Tab::new("predictions", "Predictions", shown));
        }
        if let Some(explainer) = &explainer {
            tabs.push(reasons_tab(&model, explainer, self.reasons, &first_reasons)?);
        }
        if let Ok(reference) = serde_json::from_value::<Profile>(bundle.profile) {
            let moved: Vec<ColumnDrift> = drift(&reference, &found).into_iter().filter(|d| self.roles.is_feature(&d.column)).collect();
            let rows: Vec<Vec<Cell>> =
                moved.iter().map(|d| vec![d.column.as_str().into(), d.psi.into(), d.new_categories.len().into(), Cell::Share(d.missing_change)]).collect();
            for column in moved.iter().filter(|d| count >= DRIFT_ROWS && d.psi.is_some_and(|psi| psi > 0.25)) {
                warnings.push(format!("`{}` differs from training: PSI {}", column.column, crate::card::format::number(column.psi.unwrap_or(0.0))));
            }
            for column in moved.iter().filter(|d| !d.new_categories.is_empty()) {
                let shown = column.new_categories.iter().take(5).map(|c| shorten(c)).collect::<Vec<_>>().join(", ");
                warnings.push(format!("`{}` has {} that training did not have: {shown}", column.column, counted(column.new_categories.len() as u64, "value")));
            }
            tabs.push(Tab::new(
                "drift",
                "Drift against training",
                vec![
                    Block::Text("Population stability index against the training data: below 0.1 alike, above 0.25 different.".to_owned()),
                    Block::Table(CardTable {
                        caption: "Drift per column".to_owned(),
                        columns: ["column", "PSI", "new categories", "change of missing share"].map(str::to_owned).to_vec(),
                        rows,
                    }),
                ],
            ));
        }
        tabs.push(Tab::new("preview", "Preview", vec![Block::Table(preview(&scored, 10)?)]));
        tabs.push(Tab::new(
            "model",
            "Model used",
            vec![Block::Facts(
                [("model", resolved.uri.clone()), ("digest", resolved.digest.clone()), ("estimator", model.estimator.describe())]
                    .into_iter()
                    .chain(model.adjustments.facts())
                    .map(|(label, value)| Fact::new(label, value))
                    .collect(),
            )],
        ));
        Ok(Report {
            line: format!("{} rows scored", thousands(count)),
            note,
            card: Card {
                summary: format!("{} rows were scored with {}.", thousands(count), resolved.uri),
                headline: vec![Fact::new("rows", count), Fact::new("model", resolved.uri.as_str())],
                warnings: warnings.clone(),
                tabs,
            },
            params,
            metrics: BTreeMap::new(),
            warnings,
            shapes: BTreeMap::from([(SCORED.id.artifact.to_owned(), (count, width))]),
            verdict: None,
        })
    }
}
