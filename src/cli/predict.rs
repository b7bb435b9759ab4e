//! `recipe predict MODEL FILE`: a model scores files, without a recipe and, for a bundle, without a project.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Program, complete, out_from};
use crate::data::rows::require_columns;
use crate::error::{Error, Result, shorten, thousands};
use crate::run::Session;
use crate::steps::applied::{Rows, write};
use crate::steps::predict::MOST_REASONS;
use crate::store::Access;
use crate::tracking::bundle::{self, Bundle};

#[derive(Debug, Args)]
pub struct PredictArgs {
    /// The directory of a bundle, or `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `runs:/ID` of this project.
    #[arg(add = complete::models())]
    model: String,
    /// Files, globs or directories to score: csv, JSON lines, parquet or Arrow.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Where to write; the name's end is the format (default: csv to stdout).
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The columns to write (default: all, and the predictions).
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    columns: Vec<String>,
    /// For each row the columns that moved its prediction most.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    reasons: usize,
}

pub fn predict(program: &Program, args: &PredictArgs) -> Result<ExitCode> {
    if args.reasons > MOST_REASONS {
        return Err(Error::usage(format!("`--reasons` takes at most {MOST_REASONS}")));
    }
    let model = load(program, &args.model)?.model;
    let rows = Rows::for_model(&program.directory, &args.files, &model)?;
    rows.notes.iter().for_each(|note| program.terminal.warn(note));
    let mut scored = rows.predict(&model, args.reasons)?;
    if !args.columns.is_empty() {
        require_columns(&scored, &args.columns, "--columns")?;
        scored = scored.select(args.columns.iter().map(String::as_str))?;
    }
    if let Some(path) = &args.output {
        let count = write(&scored, &program.directory.join(path))?;
        program.terminal.say(&format!("{} rows scored → {}", thousands(count), path.display()));
    } else {
        let dir = tempfile::tempdir().map_err(|error| Error::io("write", &std::env::temp_dir(), &error))?;
        let path = dir.path().join("scored.csv");
        write(&scored, &path)?;
        out_from(&mut File::open(&path).map_err(|error| Error::io("read", &path, &error))?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The bundle that a URI or a path names.
pub fn load(program: &Program, model: &str) -> Result<Bundle> {
    if model.starts_with("models:/") || model.starts_with("runs:/") {
        let recipe = program.load(&[])?;
        // What a server is asked for is kept in the project.
        let session = Session::open(&recipe, if recipe.server.is_some() { Access::Write } else { Access::Read })?;
        let resolved = session.around.tracker.resolve(model, &session.around.root)?;
        resolved.said.iter().for_each(|said| program.terminal.warn(said));
        return bundle::load(&resolved.path);
    }
    let path = program.directory.join(model);
    if path.is_dir() {
        return bundle::load(&path);
    }
    Err(no_bundle(model))
}

/// There is no model where one was named.
pub fn no_bundle(model: &str) -> Error {
    Error::model(format!("no bundle at `{}`, and it is no model URI", shorten(model)))
        .hint("`models:/NAME@ALIAS`, `models:/NAME/VERSION`, `runs:/ID`, or the directory of a bundle, which `recipe models show NAME` prints")
}
