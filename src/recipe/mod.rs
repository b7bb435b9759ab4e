//! From files to a checked [`Recipe`]: every configuration error ends here, all at once, with places.

mod build;
pub mod compose;
pub mod document;
pub mod emit;
pub mod explain;
pub mod git;
pub mod interpolate;
pub mod overrides;
mod parameters;
pub mod project;
#[cfg(test)]
mod property_tests;
pub mod schema;
mod sections;
pub mod variables;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::data::Roles;
use crate::error::{Error, Kind, Result};
use crate::steps::{Goal, Heads, Step};
use crate::tracking::mlflow::{Credentials, Settings};
use build::Builder;
use compose::{Composed, compose};
use document::Document;
use interpolate::Environment;

/// The templates there are.
pub const TEMPLATES: [&str; 2] = ["regression/v1", "classification/v1"];

/// What the user asked for.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Where the user stands.
    pub dir: PathBuf,
    pub recipe: Option<String>,
    /// Profiles in order; none of them: `RECIPE_PROFILE`, else `local` where it exists.
    pub profiles: Vec<String>,
    /// As on the command line, in order: `key.path=VALUE`, `+key=VALUE`, `~key`, `group=option`.
    pub overrides: Vec<String>,
    pub environment: Environment,
}

/// A checked recipe: typed steps, ready to run. After this no code looks at YAML.
pub struct Recipe {
    pub root: PathBuf,
    pub name: String,
    pub template: String,
    pub profile: Option<String>,
    pub description: Option<String>,
    pub seed: u64,
    pub target: String,
    pub roles: Roles,
    pub goal: Goal,
    pub primary_metric: String,
    /// Which way the primary metric is better.
    pub greater_is_better: bool,
    pub model_name: String,
    /// `cache.dir`, where the profile sets one.
    pub cache_dir: Option<PathBuf>,
    /// The MLflow server that runs and models are sent to.
    pub server: Option<Settings>,
    /// Who asks servers.
    pub credentials: Credentials,
    /// The merged configuration with where each part came from.
    pub document: Document,
    pub training: Vec<Box<dyn Step>>,
    /// Empty where the recipe has no `ingest_scoring`.
    pub scoring: Vec<Box<dyn Step>>,
    pub warnings: Vec<String>,
    /// From when the rows of a database are to be, where that is not when a run starts.
    pub asked: Option<DateTime<Utc>>,
}

impl Recipe {
    /// Loads the recipe of a project at `root`; `profile` as after `-p`.
    ///
    /// # Errors
    /// Exit code 3 with every configuration error.
    pub fn load(root: impl AsRef<Path>, profile: Option<&str>) -> Result<Self> {
        let profiles = profile.map(str::to_owned).into_iter().collect();
        Self::select(&Selection { dir: root.as_ref().to_path_buf(), profiles, environment: environment(), ..Selection::default() })
    }

    /// Loads the recipe that was asked for.
    ///
    /// # Errors
    /// Exit code 3 with every configuration error; 2 where an override is badly written.
    pub fn select(selection: &Selection) -> Result<Self> {
        Self::of(compose(selection)?)
    }

    /// Checks a composed configuration.
    ///
    /// # Errors
    /// Exit code 3 with every configuration error.
    pub fn of(composed: Composed) -> Result<Self> {
        let Composed { root, located, profiles, environment, document, warnings, .. } = composed;
        let name = located
            .name
            .clone()
            .or_else(|| root.file_name().and_then(|n| n.to_str()).map(str::to_owned))
            .map_or_else(|| "recipe".to_owned(), |name| tame(&name));
        let cache_dir = environment.get("RECIPE_CACHE_DIR").filter(|dir| !dir.is_empty()).map(|dir| root.join(dir));
        let profile = (!profiles.is_empty()).then(|| profiles.join("+"));
        let credentials = Credentials::of(&environment);
        Builder::new(document, root, located.file, environment).build(name, profile, cache_dir, credentials, warnings)
    }

    /// Holds every column name in the configuration against the first rows of the data; gives the number of columns, or
    /// `None` where the data is not there or cannot be read (running says why).
    ///
    /// # Errors
    /// Exit code 4 with every name that the data does not have, where it stands.
    pub fn check_columns(&self) -> Result<Option<usize>> {
        let peek = |steps: &[Box<dyn Step>]| steps.iter().find_map(|step| step.peek(&self.root));
        let Some(training) = peek(&self.training) else { return Ok(None) };
        let heads = Heads { training, scoring: peek(&self.scoring) };
        let steps = self.training.iter().chain(&self.scoring);
        let problems = steps.flat_map(|step| step.misfits(&self.root, &heads)).filter(|problem| problem.is_misfit).collect();
        match Error::all(Kind::Data, problems) {
            Some(error) => Err(self.document.locate(error)),
            None => Ok(Some(heads.training.schema().len())),
        }
    }

    /// The step of a name.
    #[must_use]
    pub fn step(&self, name: &str) -> Option<&dyn Step> {
        self.training.iter().chain(&self.scoring).find(|step| step.name() == name).map(AsRef::as_ref)
    }
}

/// The process environment, for `${env:…}` and the `RECIPE_*` variables.
#[must_use]
pub fn environment() -> Environment {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// What a template sets before anything else does.
pub(crate) fn template_defaults(template: &str) -> Option<Document> {
    let text = match template {
        "regression/v1" => include_str!("../../templates/regression/v1/defaults.yaml"),
        "classification/v1" => include_str!("../../templates/classification/v1/defaults.yaml"),
        _ => return None,
    };
    // A test reads both.
    Document::parse(template, text).ok()
}

/// Is it the name under which a template's defaults are known?
pub(crate) fn is_template(file: &str) -> bool {
    TEMPLATES.contains(&file)
}

/// A directory's name as a recipe's: what a model's name may not hold becomes `_`.
fn tame(name: &str) -> String {
    let tame: String = name.trim_start_matches('.').chars().map(|c| if c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ') { c } else { '_' }).collect();
    let tame = tame.replace("..", "_");
    if tame.is_empty() { "recipe".to_owned() } else { tame }
}
