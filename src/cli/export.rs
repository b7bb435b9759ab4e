//! `recipe export`: a model for other programs, as ONNX or as SQL.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::{Args, Subcommand, ValueEnum};

use super::predict::load;
use super::{Program, complete, out};
use crate::error::{Error, Result, counted, shorten};
use crate::ml::export::{self, onnx, rows, sql, sqlite};
use crate::ml::model::Model;
use crate::tracking::bundle::Bundle;

#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(subcommand)]
    command: ExportCommand,
}

#[derive(Debug, Subcommand)]
enum ExportCommand {
    /// The whole model (transforms, estimator, calibration) as an ONNX file.
    Onnx {
        /// The directory of a bundle, or `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `runs:/ID` of this project.
        #[arg(add = complete::models())]
        model: String,
        /// Where to write.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// A Python with onnx and onnxruntime, in which the file is checked and run against this program's predictions.
        #[arg(long, value_name = "PYTHON")]
        verify: Option<PathBuf>,
    },
    /// The whole model as one SQL query, run in `SQLite` against this program's predictions before it is written.
    Sql {
        /// The directory of a bundle, or `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `runs:/ID` of this project.
        #[arg(add = complete::models())]
        model: String,
        #[arg(long, value_enum)]
        dialect: DialectName,
        /// The table with the model's columns, as it is to stand in the query.
        #[arg(long, value_name = "TABLE", default_value = "input")]
        table: String,
        /// Columns of the table that stand before the predictions (default: those that the model reads).
        #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
        columns: Vec<String>,
        /// Where to write (default: stdout).
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// As the command line calls dialects.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DialectName {
    Duckdb,
    Postgres,
    Sqlite,
    Spark,
    Bigquery,
}

impl From<DialectName> for sql::Dialect {
    fn from(name: DialectName) -> Self {
        match name {
            DialectName::Duckdb => Self::DuckDb,
            DialectName::Postgres => Self::Postgres,
            DialectName::Sqlite => Self::Sqlite,
            DialectName::Spark => Self::Spark,
            DialectName::Bigquery => Self::BigQuery,
        }
    }
}

pub fn export(program: &Program, args: &ExportArgs) -> Result<ExitCode> {
    match &args.command {
        ExportCommand::Onnx { model, output, verify } => {
            let bundle = load(program, model)?;
            let lowered = export::lower(&bundle.model)?;
            let bytes = onnx::write(&lowered).map_err(|why| cannot(&bundle.model, &why, "ONNX"))?;
            let said = match verify {
                Some(python) => verified(python, &lowered, &bundle, &bytes)?,
                None => "not verified: `--verify PYTHON` runs it in onnxruntime".to_owned(),
            };
            write(&program.directory.join(output), &bytes)?;
            program.terminal.say(&format!("{} bytes → {}; {said}", crate::error::thousands(bytes.len() as u64), output.display()));
        }
        ExportCommand::Sql { model, dialect, table, columns, output } => {
            let dialect = sql::Dialect::from(*dialect);
            let bundle = load(program, model)?;
            let lowered = export::lower(&bundle.model)?;
            let inputs: Vec<String> = lowered.inputs.iter().map(|input| input.name.clone()).collect();
            let keep = if columns.is_empty() { &inputs } else { columns };
            let text = sql::write(&lowered, dialect, &sql::Query { table, keep }).map_err(|why| cannot(&bundle.model, &why, dialect.name()))?;
            let examples = rows::with_edges(&bundle.model.chain.inputs, &bundle.examples);
            let frame = rows::frame(&bundle.model.chain.inputs, &examples)?;
            let said = sqlite::predict(&lowered, &bundle.model.chain.inputs, &frame)?;
            let checked = sqlite::compare(&lowered, &rows::expected(&bundle.model, &frame)?, &said)?;
            let text = format!("{}{text}", head(&bundle, dialect));
            let checked = format!("{} like the model's in SQLite, {:.0e} apart at most", counted(checked.rows as u64, "prediction"), checked.apart);
            if let Some(path) = output {
                write(&program.directory.join(path), text.as_bytes())?;
                program.terminal.say(&format!("{} → {}; {checked}", dialect.name(), path.display()));
            } else {
                out(&text)?;
                program.terminal.say(&checked);
            }
            dialect.remarks().iter().for_each(|remark| program.terminal.warn(remark));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The comment at the top of a query.
fn head(bundle: &Bundle, dialect: sql::Dialect) -> String {
    format!("-- {} of `{}`, model {}, for {}\n", bundle.model.estimator.name(), bundle.model.target.replace(['\n', '\r'], " "), &bundle.digest, dialect.name())
}

fn cannot(model: &Model, why: &export::Why, what: &str) -> Error {
    Error::model(format!("`{}` cannot be exported to {what}: it {}", model.estimator.name(), why.text())).hint("docs/export.md lists what can be exported")
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|error| Error::io("write", path, &error))
}

/// Runs the model in another program's runtime over the bundle's examples and what lies at their edge.
fn verified(python: &Path, lowered: &export::Program, bundle: &Bundle, bytes: &[u8]) -> Result<String> {
    let dir = tempfile::tempdir().map_err(|error| Error::io("write", &std::env::temp_dir(), &error))?;
    let inputs = &bundle.model.chain.inputs;
    let frame = rows::frame(inputs, &rows::with_edges(inputs, &bundle.examples))?;
    let wanted = serde_json::json!({
        "rows": frame.height(),
        "tolerance": sqlite::TOLERANCE,
        "inputs": rows::given(lowered, inputs, &frame)?,
        "outputs": rows::listed(&lowered.outputs, &rows::expected(&bundle.model, &frame)?)?,
    });
    write(&dir.path().join("model.onnx"), bytes)?;
    write(&dir.path().join("rows.json"), wanted.to_string().as_bytes())?;
    let script = dir.path().join("verify.py");
    write(&script, include_bytes!("../ml/export/verify.py"))?;
    let ran = Command::new(python).arg("-I").arg(&script).arg(dir.path()).stdin(Stdio::null()).output();
    let ran =
        ran.map_err(|error| Error::usage(format!("cannot start `{}`: {error}", python.display())).hint("name a Python interpreter: `--verify python3`"))?;
    let failed = |what: &str| Error::model(format!("the ONNX file was not verified by `{}`: {}", python.display(), shorten(what)));
    if !ran.status.success() {
        let said = String::from_utf8_lossy(&ran.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        return Err(failed(last).hint("it needs the packages onnx and onnxruntime"));
    }
    let found: serde_json::Value = serde_json::from_slice(&ran.stdout).map_err(|error| failed(&error.to_string()))?;
    if let Some((column, at)) = found.get("differs").and_then(serde_json::Value::as_object).and_then(|differs| differs.iter().next()) {
        let what = format!("onnxruntime differs from the model in column `{}`: {at}", shorten(column));
        return Err(Error::model(what).hint("please report it: it is a fault of the export"));
    }
    let version = |name: &str| found.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    Ok(format!(
        "verified by onnx {} and onnxruntime {}: {} like the model's, {:.0e} apart at most",
        version("onnx"),
        version("onnxruntime"),
        counted(frame.height() as u64, "prediction"),
        found.get("apart").and_then(serde_json::Value::as_f64).unwrap_or_default()
    ))
}
