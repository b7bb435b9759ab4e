//! register: a validated model becomes a version in the registry.

use std::collections::BTreeMap;

use polars::prelude::{Column, DataFrame, DataType, PolarsResult};
use serde::{Deserialize, Serialize};

use super::skew::{self, Source};
use super::{Context, EVALUATION, INGESTED, Json, MODEL, Needs, REGISTERED, Report, SlotId, Step, Surroundings, TRAINING, VALIDATION};
use crate::card::{Block, Card, Cell, Fact, Tab, Table as CardTable};
use crate::data::Table;
use crate::error::{Error, Kind, Result};
use crate::ml::Task;
use crate::ml::drift::{self, ColumnReference, Reference};
use crate::ml::export::{self, onnx};
use crate::ml::model::Model;
use crate::tracking::bundle::{self, BundleParts};

const VERSION: u32 = 5;
const EXAMPLE_ROWS: usize = 5;

/// The register step.
pub struct Register {
    pub model_name: String,
    pub allow_non_validated_model: bool,
    pub alias: Option<String>,
    pub description: Option<String>,
    /// Another registry is another place to register at.
    pub registry_uri: Option<String>,
    /// Where the rows came from, to read some of them again.
    pub source: Source,
}

/// A registered version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    pub name: String,
    pub version: u64,
    /// The model's digest: weights, transformer and signature.
    pub digest: String,
}

impl Step for Register {
    fn name(&self) -> &'static str {
        "register"
    }

    fn needs(&self, around: &Surroundings) -> Result<Needs> {
        // A version is one registry's own, and several registries may share a cache of results.
        let mut config = serde_json::json!({ "model_name": self.model_name, "allow_non_validated_model": self.allow_non_validated_model, "alias": self.alias });
        if let (Some(uri), Some(config)) = (&self.registry_uri, config.as_object_mut()) {
            config.insert("registry_uri".to_owned(), uri.as_str().into());
        }
        let registry = around.tracker.identity()?.map(|id| ("registry".to_owned(), id));
        Ok(Needs {
            algorithms: BTreeMap::from([("register".to_owned(), VERSION), ("bundle".to_owned(), bundle::VERSION), ("drift".to_owned(), drift::VERSION)]),
            config,
            reads: vec![MODEL.id, EVALUATION.id, TRAINING.id, VALIDATION.id],
            checks: vec![INGESTED.id],
            external: registry.into_iter().collect(),
            ..Needs::default()
        })
    }

    fn writes(&self) -> Vec<SlotId> {
        vec![REGISTERED.id]
    }

    fn missing_effect(&self, report: &Report, around: &Surroundings) -> Result<Option<String>> {
        let version = report.params.get("register.version").and_then(|v| v.parse().ok()).unwrap_or(0);
        Ok(match around.tracker.version(&self.model_name, version)? {
            Some(found) if Some(&found.digest) == report.params.get("register.digest") => match &self.alias {
                _ if !around.tracker.has_bundle(&found) => Some(format!("the bundle of {} v{version} is missing", self.model_name)),
                Some(alias) if around.tracker.alias(&self.model_name, alias)?.is_none() => Some(format!("alias {alias} is not set")),
                _ => None,
            },
            _ => Some(format!("{} v{version} is not in the registry", self.model_name)),
        })
    }

    fn reminder(&self, report: &Report, around: &Surroundings) -> Result<Option<String>> {
        let version = report.params.get("register.version").and_then(|v| v.parse().ok()).unwrap_or(0);
        match &self.alias {
            Some(alias) => around.tracker.alias_elsewhere(&self.model_name, alias, version),
            None => Ok(None),
        }
    }

    fn run(&self, cx: &Context<'_>) -> Result<Report> {
        let model = cx.read(&MODEL)?;
        let evaluation = cx.read(&EVALUATION)?.0;
        if !evaluation.validated && !self.allow_non_validated_model {
            return Err(Error::new(Kind::Gate, format!("the model was rejected, so nothing is registered: it {}", evaluation.reason)));
        }
        let training = cx.read(&TRAINING)?;
        let reference = reference(&model, &training, &cx.read(&VALIDATION)?)?;
        let profile = serde_json::to_value(&reference).unwrap_or_default();
        let lowered = export::lower(&model);
        // One sentence for all that has no form.
        let lowered = lowered.map_err(|error| error.problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("; "));
        let onnx = lowered.as_ref().map_err(String::clone).and_then(|program| onnx::write(program).map_err(|why| why.text().to_owned()));
        let saved = model.save().to_string().into_bytes();
        let skew = skew::replay(&skew::Replay {
            model: &model,
            saved: &saved,
            program: lowered.as_ref().map_err(String::as_str),
            training: &training,
            ingested: cx.check(&INGESTED)?.as_ref(),
            source: &self.source,
            root: &cx.around.root,
        })?;
        let parts = BundleParts {
            saved: &saved,
            onnx: onnx.as_deref().map_err(String::as_str),
            skew: &serde_json::to_value(&skew).unwrap_or_default(),
            steps: cx.before,
            model: &model,
            training: &training,
            profile: &profile,
            evaluation: &serde_json::to_value(&evaluation).unwrap_or_default(),
            recipe: &cx.around.recipe,
            run: &cx.around.run,
            resolved_config: &cx.around.resolved_config,
            example_rows: EXAMPLE_ROWS,
            now: cx.around.now,
        };
        let registration = cx.around.tracker.register(&self.model_name, &parts, self.alias.as_deref(), self.description.as_deref())?;
        let registered = Registered { name: self.model_name.clone(), version: registration.version, digest: registration.digest.clone() };
        cx.write(&REGISTERED, &Json(registered.clone()))?;

        let mut warnings = Vec::new();
        if !evaluation.validated {
            warnings.push(format!("a rejected model was registered, as `allow_non_validated_model` says: it {}", evaluation.reason));
        }
        if let Some(said) = &registration.said {
            warnings.push(said.clone());
        }
        let note = registration.alias_moved.as_ref().map_or_else(|| "no alias moved".to_owned(), |alias| format!("alias {alias}"));
        let signature =
            |columns: &[(String, String)]| columns.iter().map(|(name, kind)| vec![name.as_str().into(), kind.as_str().into()]).collect::<Vec<Vec<Cell>>>();
        let contents: Vec<Vec<Cell>> = registration.files.iter().map(|(name, bytes)| vec![name.as_str().into(), Cell::Bytes(*bytes)]).collect();
        Ok(Report {
            line: format!("{} v{}", registered.name, registered.version),
            note: note.clone(),
            card: Card {
                summary: format!("{} version {} is in the registry ({note}).", registered.name, registered.version),
                headline: vec![
                    Fact::new("version", format!("v{}", registered.version)),
                    Fact::new("model", registered.name.as_str()),
                    Fact::new("gate", if evaluation.validated { Cell::Good("VALIDATED".to_owned()) } else { Cell::Bad("REJECTED".to_owned()) }),
                    Fact::new("use it as", format!("models:/{}/{}", registered.name, registered.version)),
                ],
                warnings: warnings.clone(),
                tabs: vec![
                    Tab::new(
                        "gate",
                        "Gate",
                        vec![Block::Text(format!("The model {}.", evaluation.reason)), Block::Table(super::gate::criteria_table(&evaluation.outcomes))],
                    ),
                    Tab::new(
                        "signature",
                        "Signature",
                        vec![
                            Block::Table(CardTable {
                                caption: "Inputs".to_owned(),
                                columns: ["column", "type"].map(str::to_owned).to_vec(),
                                rows: signature(&registration.inputs),
                            }),
                            Block::Table(CardTable {
                                caption: "Outputs".to_owned(),
                                columns: ["column", "type"].map(str::to_owned).to_vec(),
                                rows: signature(&registration.outputs),
                            }),
                        ],
                    ),
                    skew.tab(),
                    Tab::new(
                        "bundle",
                        "Bundle",
                        vec![
                            Block::Facts(vec![
                                Fact::new("model digest", registered.digest.as_str()),
                                Fact::new("ONNX", onnx.as_ref().map_or_else(|why| format!("none: {why}"), |_| "model.onnx".to_owned())),
                            ]),
                            Block::Table(CardTable { caption: "Files".to_owned(), columns: ["file", "size"].map(str::to_owned).to_vec(), rows: contents }),
                        ],
                    ),
                ],
            },
            params: BTreeMap::from([
                ("register.model_name".to_owned(), registered.name),
                ("register.version".to_owned(), registered.version.to_string()),
                ("register.digest".to_owned(), registered.digest),
            ]),
            metrics: BTreeMap::new(),
            warnings,
            shapes: BTreeMap::new(),
            verdict: None,
        })
    }
}

/// What later rows are held against: the raw columns the model reads on training rows, and what it says of validation rows.
fn reference(model: &Model, training: &Table, validation: &Table) -> Result<Reference> {
    let names: Vec<String> = model.chain.inputs.iter().map(|column| column.name.clone()).collect();
    let mut said: Option<DataFrame> = None;
    model.score(validation, |_, predictions| {
        let column = model.prediction_columns(&predictions)?.into_iter().take(1);
        // Labels are names, also where they look like numbers.
        let column = column.map(|column| if model.task == Task::Regression { Ok(column) } else { column.cast(&DataType::String) });
        let frame = DataFrame::new_infer_height(column.collect::<PolarsResult<Vec<Column>>>()?)?;
        match &mut said {
            Some(said) => said.vstack_mut(&frame).map(|_| ())?,
            None => said = Some(frame),
        }
        Ok(())
    })?;
    let prediction = said.map(|frame| ColumnReference::of(&Table::of(frame), &model.output.columns(&model.task)));
    Ok(Reference { columns: ColumnReference::of(training, &names)?, prediction: prediction.transpose()?.and_then(|columns| columns.into_iter().next()) })
}
