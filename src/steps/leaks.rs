//! Looking for leaks before anything is fitted: what is certain stops the run, what is likely is a warning on the card.

use std::collections::BTreeSet;

use polars::prelude::DataType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::card::{Block, Cell, Tab, Table as CardTable};
use crate::data::{Table, column};
use crate::error::{Error, Kind, Problem, Result, thousands};
use crate::ml::chain::FittedChain;
use crate::ml::leak::{self, Certainty, Finding, Findings};

/// Features that transforms compute from several columns; more of them are not looked at.
const MOST_COMPUTED: usize = 200;

/// `leaks:` of train.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeakCheck {
    /// What a column does that certainly gives the target away; default `error`.
    pub on_certain: OnCertain,
    /// Columns that are known when a prediction is made, however well they predict.
    pub allow: BTreeSet<String>,
}

/// What a certain leak does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCertain {
    /// The run stops before anything is fitted.
    #[default]
    Error,
    /// A warning.
    Warn,
    /// Nothing is looked for.
    Ignore,
}

/// What was found, as the card shows it.
#[derive(Debug)]
pub struct Looked {
    pub warnings: Vec<String>,
    pub tab: Option<Tab>,
}

impl LeakCheck {
    /// Looks at the raw columns that reach a feature, at features computed from several, and across the split.
    ///
    /// # Errors
    /// A certain leak, with the column and the remedy; an allowed column that is not there; where the data cannot be read.
    pub fn look(
        &self,
        chain: &FittedChain,
        training: &Table,
        transformed: &Table,
        validation: &Table,
        target: &str,
        is_classification: bool,
    ) -> Result<Looked> {
        if let Some(unknown) = self.allow.iter().find(|name| !training.has(name) && !chain.features().contains(name)) {
            let names: Vec<&str> = training.names().collect();
            return Err(Error::config(format!("no column `{unknown}`")).path("steps.train.leaks.allow").hint(crate::value::suggest(unknown, &names)));
        }
        if self.on_certain == OnCertain::Ignore {
            return Ok(Looked { warnings: Vec::new(), tab: None });
        }
        let origins = chain.origins()?;
        let raw: BTreeSet<String> = origins.iter().flat_map(|origin| origin.from.iter().cloned()).filter(|name| training.has(name) && name != target).collect();
        let is_number = |name: &str| transformed.schema().get(name).is_some_and(DataType::is_primitive_numeric);
        let made = chain.reads().columns().into_iter().zip(&origins).filter(|(name, origin)| origin.from.len() > 1 && is_number(name));
        let computed: BTreeSet<String> = made.map(|(name, _)| name).take(MOST_COMPUTED).collect();
        let mut findings = leak::columns(training, &raw, target, is_classification)?;
        if !computed.is_empty() {
            let wanted = transformed.lazy().select(computed.iter().map(String::as_str).chain([target]).map(column).collect::<Vec<_>>());
            let Findings { found, alone, .. } = leak::columns(&Table::from_query(wanted)?, &computed, target, is_classification)?;
            findings.found.extend(found);
            findings.alone.extend(alone);
            findings.alone.sort_by(|a, b| b.value.total_cmp(&a.value).then_with(|| a.column.cmp(&b.column)));
        }
        findings.found.retain(|finding| finding.column.as_ref().is_none_or(|name| !self.allow.contains(name)));
        let across = leak::across(training, validation, &raw, target, is_classification)?;
        let across = across.into_iter().filter(|finding| finding.column.as_ref().is_none_or(|name| !self.allow.contains(name)));
        findings.found.extend(across);
        self.judged(&findings)
    }

    fn judged(&self, findings: &Findings) -> Result<Looked> {
        let (certain, likely): (Vec<&Finding>, Vec<&Finding>) = findings.found.iter().partition(|finding| finding.certainty == Certainty::Certain);
        if self.on_certain == OnCertain::Error {
            let problem = |finding: &&Finding| {
                let allow = finding.column.as_ref().map(|name| format!("; if it is: `steps.train.leaks: {{allow: [{name}]}}`")).unwrap_or_default();
                Problem::new(format!("the target leaks into the features: {}", finding.seen)).hint(format!("{}{allow}", finding.remedy))
            };
            if let Some(error) = Error::all(Kind::Data, certain.iter().map(problem).collect()) {
                return Err(error);
            }
        }
        let warnings = certain.iter().map(|finding| ("certain", finding)).chain(likely.iter().map(|finding| ("possible", finding)));
        let warnings = warnings.map(|(how, finding)| format!("a {how} leak: {}; {}", finding.seen, finding.remedy)).collect();
        Ok(Looked { warnings, tab: Some(tab(findings)) })
    }
}

fn tab(findings: &Findings) -> Tab {
    const SHOWN: usize = 20;
    let mut blocks = Vec::new();
    if findings.rows < leak::FEWEST {
        let text = format!("With {} rows a leak cannot be told from chance: nothing was looked for below {} rows.", findings.rows, leak::FEWEST);
        return Tab::new("leaks", "Leaks", vec![Block::Text(text)]);
    }
    if findings.found.is_empty() {
        blocks.push(Block::Text(format!(
            "Nothing gives the target away, in {} rows looked at: no column predicts it almost alone, no row or group stands on both sides of the split.",
            thousands(findings.rows as u64)
        )));
    } else {
        let row = |finding: &Finding| {
            let how = match finding.certainty {
                Certainty::Certain => Cell::Bad("certain".to_owned()),
                Certainty::Likely => Cell::Text("possible".to_owned()),
            };
            vec![how, finding.seen.as_str().into(), finding.remedy.as_str().into()]
        };
        blocks.push(Block::Table(CardTable {
            caption: "What may give the target away".to_owned(),
            columns: ["leak", "seen", "remedy"].map(str::to_owned).to_vec(),
            rows: findings.found.iter().map(row).collect(),
        }));
    }
    let rows = findings.alone.iter().take(SHOWN).map(|alone| vec![alone.column.as_str().into(), alone.value.into(), alone.measured().into()]).collect();
    blocks.push(Block::Table(CardTable {
        caption: "How well each column predicts the target alone".to_owned(),
        columns: ["column", "alone", "measured by"].map(str::to_owned).to_vec(),
        rows,
    }));
    Tab::new("leaks", "Leaks", blocks)
}
