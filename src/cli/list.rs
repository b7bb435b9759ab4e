//! `recipe list`: the catalogue, from the registries.

use std::process::ExitCode;

use clap::Args;

use super::{Program, out};
use crate::data::SOURCES;
use crate::error::{Error, Result};
use crate::ml::metric::METRICS;
use crate::ml::{Task, estimators, transformers};
use crate::recipe::{TEMPLATES, project};
use crate::steps::{ARTIFACTS, SCORING_STEPS, TRAINING_STEPS};
use crate::value::suggest;

pub const WHAT: [&str; 9] = ["estimators", "transforms", "metrics", "sources", "steps", "artifacts", "templates", "recipes", "profiles"];

#[derive(Debug, Args)]
pub struct ListArgs {
    /// estimators, transforms, metrics, sources, steps, artifacts, templates, recipes, profiles; or a name, for its page.
    #[arg(add = super::complete::catalogue())]
    what: String,
}

pub fn list(program: &Program, args: &ListArgs) -> Result<ExitCode> {
    let text = match args.what.as_str() {
        "estimators" => estimators::ESTIMATORS.iter().map(|e| line(e.name, &format!("{} [{}]", first_sentence(e.doc), tasks(e.supports)))).collect(),
        "transforms" | "transformers" => transformers::TRANSFORMERS.iter().map(|t| line(t.name, first_sentence(t.doc))).collect(),
        "metrics" => METRICS
            .iter()
            .map(|m| line(m.name, &format!("{} [{}; {}]", m.doc, m.kind.name(), if m.greater_is_better { "greater is better" } else { "smaller is better" })))
            .collect(),
        "sources" => SOURCES.iter().map(|(name, doc)| line(name, doc)).collect(),
        "steps" => TRAINING_STEPS.iter().chain(&SCORING_STEPS).map(|step| format!("{step}\n")).collect(),
        "artifacts" => ARTIFACTS.iter().map(|slot| line(slot.artifact, &format!("{} of {}", slot.extension, slot.step))).collect(),
        "templates" => TEMPLATES.iter().map(|t| format!("{t}\n")).collect(),
        "recipes" => {
            let root = project::find_root(&program.directory)?;
            let names = project::names(&root);
            if names.is_empty() {
                format!("{} (the only recipe)\n", root.file_name().unwrap_or_default().to_string_lossy())
            } else {
                names.iter().map(|n| format!("{n}\n")).collect()
            }
        }
        "profiles" => {
            let root = project::find_root(&program.directory)?;
            project::profiles(&root, program.recipe.as_deref()).into_iter().map(|(name, file)| line(&name, &file)).collect()
        }
        name => page(name)?,
    };
    out(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn line(name: &str, text: &str) -> String {
    format!("{name:<32} {text}\n")
}

fn first_sentence(doc: &str) -> &str {
    doc.trim().lines().next().unwrap_or_default()
}

fn tasks(supports: fn(&Task) -> bool) -> String {
    let known = [("regression", Task::Regression), ("binary", Task::of_classes(2)), ("multiclass", Task::of_classes(3))];
    known.iter().filter(|(_, task)| supports(task)).map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// A name's own page.
fn page(name: &str) -> Result<String> {
    let doc = estimators::find(name)
        .map(|e| (e.name, e.aliases, e.doc.to_owned()))
        .or_else(|| transformers::find(name).map(|t| (t.name, t.aliases, t.doc.to_owned())))
        .or_else(|| METRICS.iter().find(|m| m.name == name).map(|m| (m.name, &[][..], m.doc.to_owned())));
    let Some((canonical, aliases, doc)) = doc else {
        let known: Vec<&str> = WHAT
            .into_iter()
            .chain(estimators::ESTIMATORS.iter().map(|e| e.name))
            .chain(transformers::TRANSFORMERS.iter().map(|t| t.name))
            .chain(METRICS.iter().map(|m| m.name))
            .collect();
        let hint = match crate::error::nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => suggest(name, &WHAT),
        };
        return Err(Error::usage(format!("nothing is called `{}`", crate::error::shorten(name))).hint(hint));
    };
    let aliases = if aliases.is_empty() { String::new() } else { format!("\nAlso accepted: {}.\n", aliases.join(", ")) };
    Ok(format!("{canonical}\n\n{}\n{aliases}", doc.trim()))
}
