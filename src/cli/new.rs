//! `recipe new`: a project that runs as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::{Program, out};
use crate::data::Table;
use crate::data::rows::kind_name;
use crate::data::source::{self, OneOrMore, ReadOptions, SourceConfig, locate};
use crate::error::{Error, Result, nearest};
use crate::recipe::schema::{self, File};
use crate::tracking::check_name;

#[derive(Debug, Args)]
pub struct NewArgs {
    /// The project's directory.
    name: String,
    /// What to predict: regression or classification.
    #[arg(short = 't', long, value_name = "TEMPLATE")]
    template: Template,
    /// A data file to begin with; it is copied into the project.
    #[arg(long, value_name = "FILE", requires = "target")]
    from: Option<PathBuf>,
    /// The column to predict, with `--from`.
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Template {
    Regression,
    Classification,
}

impl Template {
    fn file(self) -> File {
        match self {
            Self::Regression => File::Regression,
            Self::Classification => File::Classification,
        }
    }
}

const REGRESSION: [(&str, &str); 3] = [
    ("recipe.yaml", include_str!("../../templates/regression/v1/recipe.yaml")),
    ("profiles/local.yaml", include_str!("../../templates/regression/v1/profiles/local.yaml")),
    ("data/houses.csv", include_str!("../../templates/regression/v1/data/houses.csv")),
];
const CLASSIFICATION: [(&str, &str); 3] = [
    ("recipe.yaml", include_str!("../../templates/classification/v1/recipe.yaml")),
    ("profiles/local.yaml", include_str!("../../templates/classification/v1/profiles/local.yaml")),
    ("data/customers.csv", include_str!("../../templates/classification/v1/data/customers.csv")),
];
const IGNORE: &str = ".recipe/\npredictions.*\n";

pub fn new(program: &Program, args: &NewArgs) -> Result<ExitCode> {
    let dir = program.directory.join(&args.name);
    let name = dir.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
    check_name(&name).map_err(|error| Error { kind: crate::error::Kind::Usage, ..error })?;
    if dir.exists() && fs::read_dir(&dir).map_or(true, |mut entries| entries.next().is_some()) {
        return Err(Error::usage(format!("`{}` exists and is not empty", args.name)).hint("choose another name"));
    }
    let mut files = if let (Some(from), Some(target)) = (&args.from, &args.target) {
        from_file(&program.directory.join(from), target, args.template)?
    } else {
        let template = if args.template == Template::Regression { &REGRESSION } else { &CLASSIFICATION };
        template.iter().map(|(file, text)| ((*file).to_owned(), text.as_bytes().to_vec())).collect()
    };
    files.extend([args.template.file(), File::Profile].map(|file| (file.path(), schema::text(file).into_bytes())));
    for (file, bytes) in files.iter().map(|(f, b)| (f.as_str(), b.as_slice())).chain([(".gitignore", IGNORE.as_bytes())]) {
        let path = dir.join(file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| Error::io("create", parent, &error))?;
        }
        fs::write(&path, bytes).map_err(|error| Error::io("write", &path, &error))?;
    }
    out(&format!("made `{0}`; try it:\n\n  cd {0}\n  recipe run\n", args.name))?;
    Ok(ExitCode::SUCCESS)
}

/// A recipe for a user's own file: schema and roles from what is in it.
fn from_file(file: &Path, target: &str, template: Template) -> Result<Vec<(String, Vec<u8>)>> {
    let name = file.file_name().and_then(|n| n.to_str()).ok_or_else(|| Error::usage(format!("not a file: `{}`", file.display())))?.to_owned();
    let config = SourceConfig { using: None, location: OneOrMore(vec![file.to_string_lossy().into_owned()]), options: ReadOptions::default(), sample: None };
    let files = locate(Path::new(""), &config)?;
    let scratch = std::env::temp_dir().join(format!("recipe-new-{}", std::process::id()));
    fs::create_dir_all(&scratch).map_err(|error| Error::io("create", &scratch, &error))?;
    let described = describe(&files, &config, &scratch, target, &name, template);
    fs::remove_dir_all(&scratch).ok();
    let recipe = described?;
    let bytes = fs::read(file).map_err(|error| Error::io("read", file, &error))?;
    Ok(vec![
        ("recipe.yaml".to_owned(), recipe.into_bytes()),
        (
            "profiles/local.yaml".to_owned(),
            b"# yaml-language-server: $schema=../schemas/profile.json\n# Values of this environment; they go over recipe.yaml.\n{}\n".to_vec(),
        ),
        (format!("data/{name}"), bytes),
    ])
}

fn describe(files: &[source::SourceFile], config: &SourceConfig, scratch: &Path, target: &str, file: &str, template: Template) -> Result<String> {
    let read = source::read(files, config, &std::collections::BTreeMap::new(), scratch, 0)?;
    let table: Table = read.table;
    if !table.has(target) {
        let error = Error::usage(format!("no column `{}` in `{file}`", crate::error::shorten(target)));
        return Err(match nearest(target, table.names()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("the columns are {}", table.names().collect::<Vec<_>>().join(", "))),
        });
    }
    let profile = crate::data::profile(&table, &crate::data::Roles::default())?;
    let quote = |text: &str| serde_json::Value::from(text).to_string();
    let mut schema = String::new();
    let mut roles = String::new();
    for column in profile.columns.iter().map(|c| &c.summary) {
        let kind = table.schema().get(&column.name).map_or("string", kind_name);
        let filled = if column.missing == 0 { ", not_null: true" } else { "" };
        schema.push_str(&format!("      {}: {{type: {kind}{filled}}}\n", quote(&column.name)));
        let distinct = column.distinct.unwrap_or(0);
        let is_id = column.name != target
            && column.rows > 20
            && column.missing == 0
            && distinct == column.rows
            && (kind == "string" || (kind == "integer" && looks_like_id(&column.name)));
        if is_id {
            roles.push_str(&format!("  {}: id\n", quote(&column.name)));
        }
    }
    let mut text = String::new();
    text.push_str(&format!("# yaml-language-server: $schema={}\nrecipe: {}\n", template.file().path(), template.file().name()));
    text.push_str(&format!("target_col: {}\n", quote(target)));
    if template == Template::Classification {
        let counts = crate::ml::model::classes(&table, target)?;
        if counts.len() == 2 {
            // The rarer class is mostly the one that is looked for.
            let positive = counts.iter().min_by_key(|(_, n)| **n).map(|(label, _)| label.clone()).unwrap_or_default();
            text.push_str(&format!("positive_class: {}\n", quote(&positive)));
        }
    }
    if !roles.is_empty() {
        text.push_str(&format!("roles:\n{roles}"));
    }
    text.push_str(&format!("steps:\n  ingest:\n    location: {}\n", quote(&format!("data/{file}"))));
    text.push_str(&format!("    # The data contract: what every run checks. Taken from the file; tighten it.\n    schema:\n{schema}"));
    text.push_str("  transform: auto\n  train:\n    using: ");
    text.push_str(if template == Template::Regression { "ridge\n" } else { "logistic\n" });
    Ok(text)
}

fn looks_like_id(name: &str) -> bool {
    let name = name.to_lowercase();
    name == "id" || name.ends_with("_id") || name.ends_with("id") && name.len() <= 12 || name == "index" || name.starts_with("unnamed")
}
