//! predict: a registered model scores ingested rows and writes them where the recipe says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use polars::prelude::DataFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::drift::{Drift, Gates, OnFail, Quarantine};
use super::explain::reasons_tab;
use super::train::with_columns;
use super::{Context, INGESTED_SCORING, Needs, Report, SCORED, SlotId, Step, Surroundings, Verdict};
use crate::card::{Block, Card, Fact, Tab};
use crate::data::sink::{self, SaveMode};
use crate::data::source::{Format, Packed};
use crate::data::sql::TableOutput;
use crate::data::{ParquetSink, Roles, Table, preview, profile};
use crate::error::{Error, Kind, Result, counted, shorten, thousands};
use crate::ml::Predictions;
use crate::ml::drift::{self, Reference, Watch};
use crate::ml::explain::{self, EXPLAINABLE, Explainer};
use crate::ml::model::Model;
use crate::tracking::bundle;

const VERSION: u32 = 9;
/// More reasons than this nobody reads.
pub const MOST_REASONS: usize = 100;

/// `output:` of recipe.yaml.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Output {
    File(FileOutput),
    Table(TableOutput),
}

/// A file that scored rows go to.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileOutput {
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
    /// The file or the table.
    fn name(&self) -> &str {
        match self {
            Self::File(file) => &file.location,
            Self::Table(table) => &table.table,
        }
    }

    /// Where rows go that were set aside.
    fn aside(&self) -> String {
        match self {
            Self::File(file) => file.aside(),
            Self::Table(table) => table.aside(),
        }
    }

    fn columns(&self) -> Option<&[String]> {
        match self {
            Self::File(file) => file.columns.as_deref(),
            Self::Table(table) => table.columns.as_deref(),
        }
    }

    /// The columns to write of scored rows.
    fn choose(&self, scored: &Table, also: Option<&str>) -> Result<Table> {
        let Some(columns) = self.columns() else { return Ok(scored.clone()) };
        crate::data::rows::require_columns(scored, columns, "steps.predict.output.columns")?;
        let names = columns.iter().map(String::as_str).chain(also);
        scored.select(names)
    }
}

impl FileOutput {
    /// Where rows go that were set aside: `out/scored.quarantine.csv.gz` beside `out/scored.csv.gz`.
    #[must_use]
    pub fn aside(&self) -> String {
        let (folder, name) = self.location.rsplit_once('/').map_or(("", self.location.as_str()), |(folder, name)| (folder, name));
        let (stem, extension) = name.split_once('.').map_or((name, String::new()), |(stem, extension)| (stem, format!(".{extension}")));
        format!("{folder}{}{stem}.quarantine{extension}", if folder.is_empty() && !self.location.starts_with('/') { "" } else { "/" })
    }

    /// Writes rows as the location's name, or `using`, says: `out/scored.csv.gz` is packed csv.
    fn write(&self, table: &Table, path: &Path) -> Result<u64> {
        let format = self.using.or_else(|| Format::of_name(&self.location)).ok_or_else(|| {
            Error::config(format!("cannot tell the format of `{}`", self.location))
                .path("steps.predict.output.using")
                .hint("set `using: parquet`, `csv`, `json` or `arrow`")
        })?;
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| Error::io("create", parent, &error))?;
        }
        sink::write(table, path, format, Packed::of_name(&self.location), self.save_mode)
    }
}

/// A model has no reasons; `asked` is how they were asked for.
pub(super) fn no_reasons(model: &Model, kind: Kind, asked: &str) -> Error {
    let name = model.estimator.name();
    Error::new(kind, format!("{asked} needs a model whose predictions can be explained exactly, which `{name}` is not"))
        .hint(format!("take {asked} away, or train one of these: {EXPLAINABLE}"))
}

/// Scored rows as they are written: the raw columns, what the model says, and the reasons for it.
pub(super) fn with_predictions(model: &Model, reasons: Option<(&Explainer, usize)>, frame: DataFrame, said: &Predictions) -> Result<DataFrame> {
    let mut columns = model.prediction_columns(said)?;
    if let Some((explainer, most)) = reasons {
        columns.extend(explain::reasons::reasons(explainer, &frame, said, most)?);
    }
    with_columns(model.chain.bare(frame), columns)
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
    pub gates: Gates,
    pub roles: Roles,
}

impl Predict {
    /// What finds the reasons, where some are wanted.
    fn explainer<'a>(&self, model: &'a Model) -> Result<Option<Explainer<'a>>> {
        if self.reasons == 0 {
            return Ok(None);
        }
        let explainer = Explainer::of(model)?.ok_or_else(|| no_reasons(model, Kind::Config, "`reasons`").path("steps.predict.reasons"))?;
        Ok(Some(explainer))
    }

    /// The files that are written, with the parameter that holds the digest of each.
    fn outputs(&self, around: &Surroundings) -> Vec<(&'static str, PathBuf)> {
        let Some(Output::File(output)) = &self.output else { return Vec::new() };
        let aside = self.sets_aside().then(|| ("predict.quarantine_digest", around.root.join(output.aside())));
        [("predict.output_digest", around.root.join(&output.location))].into_iter().chain(aside).collect()
    }

    /// The tables that are written.
    fn tables(&self, output: &TableOutput) -> Vec<String> {
        [output.table.clone()].into_iter().chain(self.sets_aside().then(|| output.aside())).collect()
    }

    fn sets_aside(&self) -> bool {
        self.gates.drift.as_ref().is_some_and(|gate| gate.on_fail == OnFail::Quarantine)
    }

    /// What the model saw, to hold rows against.
    fn reference(&self, kept: serde_json::Value) -> Result<Option<Reference>> {
        let reference: Option<Reference> = serde_json::from_value(kept).ok();
        if let Some(gate) = &self.gates.drift {
            let reference = reference.as_ref().ok_or_else(|| {
                Error::model("the model's bundle holds no training profile that rows could be compared with")
                    .path("steps.predict.gates.drift")
                    .hint("train and register the model again, or take the gate away")
            })?;
            gate.require_columns(reference)?;
        }
        Ok(reference)
    }
}

impl Step for Predict {
    fn name(&self) -> &'static str {
        "predict"
    }

    fn needs(&self, around: &Surroundings) -> Result<Needs> {
        let resolved = around.tracker.resolve(&self.model_uri, &around.root)?;
        Ok(Needs {
            algorithms: BTreeMap::from([("predict".to_owned(), VERSION), ("explain".to_owned(), explain::VERSION), ("drift".to_owned(), drift::VERSION)]),
            config: serde_json::json!({ "output": self.output, "reasons": self.reasons, "gates": self.gates }),
            reads: vec![INGESTED_SCORING.id],
            external: BTreeMap::from([("model".to_owned(), resolved.digest)]),
            ..Needs::default()
        })
    }

    fn writes(&self) -> Vec<SlotId> {
        vec![SCORED.id]
    }

    fn always_runs(&self) -> Option<&'static str> {
        match &self.output {
            Some(Output::File(file)) if file.save_mode == SaveMode::Append => Some("it appends rows whenever it runs"),
            Some(Output::Table(_)) => Some("it writes to a database whenever it runs"),
            _ => None,
        }
    }

    fn reminder(&self, _report: &Report, around: &Surroundings) -> Result<Option<String>> {
        Ok(around.tracker.resolve(&self.model_uri, &around.root)?.said)
    }

    fn missing_effect(&self, report: &Report, around: &Surroundings) -> Result<Option<String>> {
        for (parameter, path) in self.outputs(around) {
            let Some(wanted) = report.params.get(parameter) else { continue };
            let name = path.strip_prefix(&around.root).unwrap_or(&path).to_string_lossy().into_owned();
            match digest(&path) {
                Ok(found) if found == *wanted => {}
                Ok(_) => return Ok(Some(format!("the output `{}` was changed", shorten(&name)))),
                Err(_) => return Ok(Some(format!("the output `{}` is missing", shorten(&name)))),
            }
        }
        Ok(None)
    }

    fn run(&self, cx: &Context<'_>) -> Result<Report> {
        let resolved = cx.around.tracker.resolve(&self.model_uri, &cx.around.root)?;
        resolved.said.iter().for_each(|said| (cx.tell)(said));
        let bundle = bundle::load(&resolved.path)?;
        let model = bundle.model;
        let reference = self.reference(bundle.profile)?;
        let table = model.chain.prepare(&cx.read(&INGESTED_SCORING)?)?;
        if let Some(Output::Table(output)) = &self.output {
            cx.doing(&format!("asking {}", output.connection.kind()));
            output.check(&cx.around.root, &self.tables(output))?;
        }
        if let Some(Output::File(output)) = &self.output
            && output.save_mode == SaveMode::Error
            && let Some((_, path)) = self.outputs(cx.around).iter().find(|(_, path)| path.exists())
        {
            let name = path.strip_prefix(&cx.around.root).unwrap_or(path).display();
            return Err(Error::data(format!("the output exists already: `{name}`"))
                .path("steps.predict.output.save_mode")
                .hint("remove it, or use `save_mode: overwrite`"));
        }

        let explainer = self.explainer(&model)?;
        let mut first_reasons: BTreeMap<String, u64> = BTreeMap::new();
        let mut sink = ParquetSink::create(&cx.path(&SCORED));
        let mut watch = reference.as_ref().map(|reference| Watch::over(reference.columns.iter().chain(&reference.prediction)));
        let parts = [cx.scratch.join("kept.parquet"), cx.scratch.join("aside.parquet")];
        let mut quarantine = match (&self.gates.drift, &reference) {
            (Some(gate), Some(reference)) if self.sets_aside() => {
                Some(Quarantine::new(gate, reference, ParquetSink::create(&parts[0]), ParquetSink::create(&parts[1])))
            }
            _ => None,
        };
        let (all, mut done) = (table.rows()?, 0);
        model.score(&table, |frame, predictions| {
            done += frame.height();
            cx.rows("", done, all);
            let rows = with_predictions(&model, explainer.as_ref().map(|explainer| (explainer, self.reasons)), frame, &predictions)?;
            if let Some(first) = explain::reasons::names(self.reasons).first() {
                for reason in rows.column(first)?.str()?.iter().flatten() {
                    *first_reasons.entry(reason.to_owned()).or_default() += 1;
                }
            }
            watch.as_mut().map_or(Ok(()), |watch| watch.add(&rows))?;
            quarantine.as_mut().map_or(Ok(()), |quarantine| quarantine.add(&rows))?;
            sink.write(&rows)
        })?;
        let (count, width) = sink.finish()?;
        let scored = Table::read(&cx.path(&SCORED))?;
        let drift = reference.as_ref().zip(watch).map(|(reference, watch)| Drift::of(self.gates.drift.as_ref(), reference, watch));
        let failure = drift.as_ref().zip(self.gates.drift.as_ref()).and_then(|(drift, gate)| Some((drift.failure()?, gate.on_fail)));

        let mut params = BTreeMap::from([("predict.model".to_owned(), resolved.uri.clone()), ("predict.model_digest".to_owned(), resolved.digest.clone())]);
        let mut note = resolved.uri.clone();
        let mut warnings: Vec<String> = drift.iter().flat_map(Drift::warnings).collect();
        let verdict = match failure {
            Some((reason, OnFail::Error)) => Some(Verdict { validated: false, reason }),
            _ => None,
        };
        let mut headline = vec![Fact::new("rows", count), Fact::new("model", resolved.uri.as_str())];
        if let (Some(output), None) = (&self.output, &verdict) {
            let reasons = explain::reasons::names(self.reasons);
            if let Some(columns) = output.columns()
                && !reasons.is_empty()
                && !columns.iter().any(|column| reasons.contains(column))
            {
                warnings.push(format!("`{}` has no reasons: `output.columns` does not name `reason_1` or another of them", output.name()));
            }
            let outputs = self.outputs(cx.around);
            let mut tables = vec![output.choose(&scored, None)?];
            note = format!("{note} → {}", output.name());
            if let Some(Quarantine { kept, aside, rows, .. }) = quarantine {
                kept.finish()?;
                aside.finish()?;
                tables = vec![output.choose(&Table::read(&parts[0])?, None)?, output.choose(&Table::read(&parts[1])?, Some(super::drift::REASON))?];
                headline.push(Fact::new("rows set aside", rows));
                note = format!("{note}, {} set aside", counted(rows, "row"));
                if rows > 0 {
                    warnings.push(format!("{} with what training never had went to `{}`", counted(rows, "row"), output.aside()));
                }
            }
            match output {
                Output::File(file) => {
                    for ((parameter, path), table) in outputs.iter().zip(&tables) {
                        file.write(table, path)?;
                        params.insert((*parameter).to_owned(), digest(path)?);
                    }
                }
                Output::Table(output) => {
                    cx.doing(&format!("writing to {}", output.connection.kind()));
                    let tables: Vec<(String, Table)> = self.tables(output).into_iter().zip(tables).collect();
                    output.write(&cx.around.root, &tables)?;
                    params.insert("predict.output_table".to_owned(), output.table.clone());
                }
            }
        }
        for part in parts.iter().filter(|part| part.exists()) {
            std::fs::remove_file(part).map_err(|error| Error::io("remove", part, &error))?;
        }

        let mut tabs = Vec::new();
        if let Some(drift) = &drift {
            tabs.push(drift.tab());
        }
        let names = model.output.columns(&model.task);
        let said = scored.select(names.iter().take(1).map(String::as_str))?;
        let mut said: Vec<_> = profile(&said, &self.roles)?.columns.into_iter().map(|column| column.summary).collect();
        // What was predicted has no role of its own.
        for column in &mut said {
            column.role.clear();
        }
        let beside = drift.as_ref().and_then(Drift::predictions);
        tabs.push(Tab::new("predictions", "Predictions", beside.into_iter().chain([Block::Profile(said)]).collect()));
        if let Some(explainer) = &explainer {
            tabs.push(reasons_tab(&model, explainer, self.reasons, &first_reasons)?);
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
                summary: match (&drift, &verdict) {
                    (Some(drift), None) => format!("{} rows were scored with {}; {}.", thousands(count), resolved.uri, drift.summary()),
                    (Some(drift), Some(_)) => format!("Nothing was written: {}.", drift.summary()),
                    (None, _) => format!("{} rows were scored with {}.", thousands(count), resolved.uri),
                },
                headline,
                warnings: warnings.clone(),
                tabs,
            },
            params,
            metrics: drift.as_ref().map(Drift::metrics).unwrap_or_default(),
            warnings,
            shapes: BTreeMap::from([(SCORED.id.artifact.to_owned(), (count, width))]),
            verdict,
        })
    }
}
