//! Models that other programs can use: what a model computes as a graph ([`program`]), written as ONNX ([`onnx`]) and as SQL ([`sql`]).
//!
//! [`lower`] walks the fitted chain, the estimator and what adjusts its predictions. What has no such form is named, all at
//! once, and nothing is written: an export that leaves something out would be another model. Rows that this program refuses
//! (a missing value in a linear model, a value that a check stops at) have no prediction there: NaN in ONNX, NULL in SQL.

pub mod derived;
pub mod lowering;
pub mod onnx;
pub mod program;
mod proto;
pub mod rows;
pub mod sql;
pub mod sqlite;
#[cfg(test)]
pub mod tests;

use crate::error::{Error, Kind, Problem, Result};
use crate::ml::Task;
use crate::ml::model::{LabelType, Model};

pub use lowering::{Feature, Lowering, Moment, Said, Value, Why};
pub use program::{Comparison, Form, Function, Id, Keys, Program, Values};
pub(crate) use program::{Output, OutputKind};

/// What a model computes.
///
/// # Errors
/// Exit code 7: transforms, estimators and columns that have no such form, all named.
pub fn lower(model: &Model) -> Result<Program> {
    let mut problems = Vec::new();
    let mut lowering = model.chain.lower(&mut problems);
    let features: Result<Vec<Feature>, Why> = model.chain.reads().columns().iter().map(|name| lowering.feature(name)).collect();
    let said = match features {
        Ok(features) => model.estimator.lower(&features, &mut lowering).and_then(|said| finish(model, said, &mut lowering)),
        Err(why) => {
            // The estimator is named all the same, where it has no form for any features.
            let nothing: Vec<Feature> = model.chain.reads().columns().iter().map(|_| Feature::Number(lowering.program.missing())).collect();
            problems.extend(model.estimator.lower(&nothing, &mut lowering).err().and_then(|why| why.problem(model.estimator.name())));
            Err(why)
        }
    };
    problems.extend(said.err().and_then(|why| why.problem(model.estimator.name())));
    if problems.is_empty() {
        return Ok(lowering.program);
    }
    let mut seen = std::collections::BTreeSet::new();
    problems.retain(|problem: &Problem| seen.insert(problem.message.clone()));
    Err(Error::all(Kind::Model, problems).unwrap_or_else(|| Error::model("the model cannot be expressed")).hint(HINT))
}

const HINT: &str = "`recipe predict` and the bundle's Python loader, which calls `recipe`, score with any model; docs/export.md lists what can be exported";

/// Adjusts what the estimator said and names the outputs.
fn finish(model: &Model, said: Said, on: &mut Lowering) -> Result<(), Why> {
    let mut names = model.output.columns(&model.task).into_iter();
    let mut name = || names.next().unwrap_or_default();
    let mut outputs = Vec::new();
    let mut add = |name: String, id: Id, kind: OutputKind| outputs.push(Output { name, id, kind });
    match (model.adjustments.lower(&model.task, said, on)?, &model.task) {
        (Said::Values(value), _) => {
            add(name(), value, OutputKind::Float);
            if let Some([lower, upper]) = model.adjustments.lower_interval(value, on)? {
                for (name, bound) in crate::ml::conformal::COLUMNS.into_iter().zip([lower, upper]) {
                    add(name.to_owned(), bound, OutputKind::Float);
                }
            }
        }
        (Said::Scores(scores), Task::Classification { classes, positive }) => {
            let label = |class: usize| classes.get(class).map_or("", String::as_str);
            let mut labels = Vec::with_capacity(classes.len());
            for class in 0..classes.len() {
                labels.push(match model.labels {
                    LabelType::String => on.program.text(label(class)),
                    LabelType::Boolean => on.program.number(f64::from(u8::from(label(class) == "true"))),
                    LabelType::Integer | LabelType::Float => {
                        let number = label(class).parse().map_err(|_| Why::new("has a label that is no number"))?;
                        on.program.number(number)
                    }
                });
            }
            let nothing = if model.labels == LabelType::String { on.program.add(Form::Text(None)) } else { on.program.missing() };
            let (called, score) = if let (Some(positive), [_, _]) = (positive, scores.as_slice()) {
                let (yes, no) = (*positive, 1 - *positive);
                let is = on.program.from(scores[yes], model.adjustments.threshold());
                let is_missing = on.program.is_missing(scores[yes]);
                let called = on.program.choose(vec![(is, labels[yes]), (is_missing, nothing)], labels[no]);
                (called, on.program.choose(vec![(is, scores[yes])], scores[no]))
            } else {
                let largest = on.program.add(Form::Largest(scores.clone()));
                let mut cases = Vec::with_capacity(scores.len());
                for (score, label) in scores.iter().zip(&labels) {
                    cases.push((on.program.compare(Comparison::LessOrEqual, largest, *score), *label));
                }
                (on.program.choose(cases, nothing), largest)
            };
            let kind = match model.labels {
                LabelType::String => OutputKind::Text,
                LabelType::Boolean => OutputKind::Boolean,
                LabelType::Integer => OutputKind::Integer,
                LabelType::Float => OutputKind::Float,
            };
            add(name(), called, kind);
            add(name(), score, OutputKind::Float);
            if model.output.all_scores {
                for score in scores {
                    add(name(), score, OutputKind::Float);
                }
            }
        }
        (Said::Scores(_), Task::Regression) => return Err(Why::new("gives class scores for a regression")),
    }
    on.give(outputs);
    Ok(())
}

/// The largest difference between predictions of two programs for the same rows, relative to the larger of 1 and the number;
/// infinite where one of them has a prediction and the other has none.
#[must_use]
pub fn apart(ours: &[f64], theirs: &[f64]) -> f64 {
    if ours.len() != theirs.len() {
        return f64::INFINITY;
    }
    let one = |(a, b): (&f64, &f64)| if a == b || (a.is_nan() && b.is_nan()) { 0.0 } else { ((a - b) / a.abs().max(1.0)).abs() };
    ours.iter().zip(theirs).map(one).map(|apart| if apart.is_nan() { f64::INFINITY } else { apart }).fold(0.0, f64::max)
}
