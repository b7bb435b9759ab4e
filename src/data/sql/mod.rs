//! Databases as sources and sinks: a query whose rows become a table, and scored rows as a table of a database.
//!
//! [`Query`] is what a recipe says, [`read`] asks it. Rows stream into a parquet file with fixed types; parameters are bound by the
//! database and never pasted into the text. Each database is one module ([`sqlite`], [`postgres`]) that reads, writes and explains its own
//! messages. Not done here: the data contract, and whether a query has to be asked again (`steps/ingest.rs`).

mod connection;
mod output;
mod postgres;
mod spool;
mod sqlite;
mod statement;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use polars::prelude::DataType;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use super::Table;
use super::fingerprint::{Missing, fingerprints};
use super::rows::kind_name;
use super::source::cell::Kind;
use super::source::convert::convert;
use super::source::{Draw, Read, Sample};
use crate::error::{Error, Kind as Failure, Place, Problem, Result, shorten};
use crate::store::Digest;
use crate::value::{Fault, Value};

pub use connection::{Connection, written_password};
pub use output::{IfExists, TableOutput};
pub use statement::{Dialect, Statement};

/// Raised when the same rows give another table.
pub const VERSION: u32 = 1;
/// A look at the first rows takes no longer.
const LOOK: Duration = Duration::from_secs(3);

/// `using: sql`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sql {
    Sql,
}

/// When a database is asked again for what it was asked before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refresh {
    /// Whenever the step runs.
    #[default]
    Always,
    /// Where the rows at hand are not of today, in UTC.
    Daily,
    /// Only if the query, its parameters or the database are others.
    Never,
}

/// A query as a source of rows.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    using: Sql,
    /// The database: `sqlite:data/app.db`, `postgres://user@host/database`, or `${env:NAME}` for all of it. A password comes from the environment.
    pub connection: Connection,
    /// The query.
    #[serde(default)]
    sql: Option<String>,
    /// A file with the query, relative to the project root.
    #[serde(default)]
    sql_file: Option<String>,
    /// The values of `:name` in the query.
    #[serde(default)]
    #[schemars(schema_with = "plain_values")]
    pub parameters: BTreeMap<String, Value>,
    /// When the database is asked again.
    #[serde(default)]
    pub refresh: Refresh,
    /// Some of the rows only.
    #[serde(default)]
    pub sample: Option<Sample>,
    /// The query, once it is read.
    #[serde(skip)]
    statement: Statement,
    #[serde(skip)]
    given: BTreeMap<String, Given>,
}

fn plain_values(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}})
}

/// A parameter's value.
#[derive(Clone, Debug, PartialEq)]
enum Given {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}

impl Serialize for Given {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Boolean(flag) => serializer.serialize_bool(*flag),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl Given {
    fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Boolean(*flag),
            Value::Number(text) => match text.parse::<i64>() {
                Ok(number) => Self::Integer(number),
                Err(_) => Self::Float(text.parse::<f64>().ok().filter(|number| number.is_finite())?),
            },
            Value::String(text) => Self::Text(text.clone()),
            Value::List(_) | Value::Map(_) => return None,
        })
    }
}

/// What is asked, of whom.
struct Ask<'a> {
    connection: &'a Connection,
    root: &'a Path,
    statement: &'a Statement,
    given: &'a BTreeMap<String, Given>,
    wanted: &'a BTreeMap<String, Kind>,
    /// So many rows will do.
    most: Option<u64>,
    progress: &'a dyn Fn(u64),
}

impl Query {
    /// Reads the query and puts the connection together. Nothing is asked.
    ///
    /// # Errors
    /// All that is wrong, below this section; what is wrong in the query's own file has its place.
    pub fn prepare(&mut self, root: &Path, environment: &BTreeMap<String, String>) -> Result<(), (Vec<Fault>, Vec<Problem>)> {
        let (mut faults, mut problems) = (Vec::new(), Vec::new());
        let fault = |path: &[&str], message: String| Fault::new(&path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>(), message);
        let is_bound = match self.connection.bind(environment) {
            Ok(()) => true,
            Err((message, hint)) => {
                faults.push(fault(&["connection"], message).hint(hint));
                false
            }
        };
        for (name, value) in &self.parameters {
            match Given::of(value) {
                Some(given) => {
                    self.given.insert(name.clone(), given);
                }
                None => faults
                    .push(fault(&["parameters", name], format!("a parameter is a plain value, got {}", value.kind())).hint("a list is several parameters")),
            }
        }
        match self.sample {
            Some(Sample::Rows(0)) => faults.push(fault(&["sample", "rows"], "a sample has at least one row".to_owned())),
            Some(Sample::Fraction(share)) if !(share > 0.0 && share <= 1.0) => {
                faults.push(fault(&["sample", "fraction"], "a fraction is above 0 and at most 1".to_owned()));
            }
            _ => {}
        }
        let text = match (&self.sql, &self.sql_file) {
            (Some(_), Some(_)) => {
                faults.push(fault(&["sql_file"], "`sql` and `sql_file` say the same thing".to_owned()).hint("keep one of them"));
                None
            }
            (None, None) => {
                faults.push(fault(&[], "no query: neither `sql` nor `sql_file` is there".to_owned()).hint("for example `sql_file: steps/ingest.sql`"));
                None
            }
            (Some(sql), None) => Some(sql.clone()),
            (None, Some(file)) => match std::fs::read_to_string(root.join(file)) {
                Ok(text) => Some(text),
                Err(error) => {
                    faults.push(fault(&["sql_file"], format!("cannot read `{}`: {error}", shorten(file))).hint("the path is relative to the project root"));
                    None
                }
            },
        };
        // Whose SQL it is, is known by the connection.
        if let Some(text) = text.filter(|_| is_bound) {
            match Statement::parse(&text, self.sql_file.as_deref(), self.connection.dialect()) {
                Ok(statement) => {
                    let (missing, unused) = statement.mismatches(&self.parameters);
                    problems.extend(missing);
                    faults.extend(unused.into_iter().map(|(name, hint)| {
                        let fault = fault(&["parameters", &name], format!("no `:{name}` in the query"));
                        match hint {
                            Some(hint) => fault.hint(hint),
                            None => fault,
                        }
                    }));
                    self.statement = statement;
                }
                Err(problem) => problems.push(*problem),
            }
        }
        if faults.is_empty() && problems.is_empty() { Ok(()) } else { Err((faults, problems)) }
    }

    /// The key at which the query stands, below the source's section.
    #[must_use]
    pub fn key(&self) -> &'static str {
        if self.sql_file.is_some() { "sql_file" } else { "sql" }
    }

    /// The file that the query stands in.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.sql_file.as_deref()
    }

    /// The query as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        self.statement.text()
    }

    /// Does the query say in which order rows come?
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        self.statement.is_ordered
    }

    /// The digest of the query's text.
    #[must_use]
    pub fn digest(&self) -> String {
        Digest::of(self.text().as_bytes()).to_string()
    }

    /// What a result depends on, but for the query's text, the database and when it was asked: no secrets, and nothing that changes no row.
    #[must_use]
    pub fn config(&self) -> serde_json::Value {
        serde_json::json!({ "using": "sql", "parameters": self.given, "sample": self.sample })
    }

    /// The first rows, a thousand at most, of a database that is a file.
    #[must_use]
    pub fn peek(&self, root: &Path, wanted: &BTreeMap<String, DataType>) -> Option<Table> {
        const ROWS: u64 = 1000;
        if self.connection.dialect() != Dialect::Sqlite {
            return None;
        }
        let scratch = tempfile::tempdir().ok()?;
        let read = self.ask(root, wanted, scratch.path(), Some((ROWS, LOOK)), &|_| {}).ok()?;
        Some(Table::of(read.0.collect().ok()?))
    }

    /// Asks the database. `scratch` holds the rows, and must live as long as the table; `seed` draws the sample.
    ///
    /// # Errors
    /// Exit code 3 where the query is wrong, 4 for all that the database or its values are to blame for.
    pub fn read(&self, root: &Path, wanted: &BTreeMap<String, DataType>, scratch: &Path, seed: u64, progress: &dyn Fn(u64)) -> Result<Read> {
        if let Some(file) = &self.sql_file
            && std::fs::read_to_string(root.join(file)).ok().as_deref() != Some(self.text())
        {
            return Err(Error::data(format!("`{}` changed after the recipe was read", shorten(file))).hint("run again"));
        }
        let (mut table, rows_read, kinds) = self.ask(root, wanted, scratch, None, progress)?;
        if rows_read == 0 {
            return Err(Error::data("the query gives no rows"));
        }
        let mut rows_sampled = None;
        if let Some(sample) = self.sample {
            let sample = Draw::new(sample, rows_read, seed);
            rows_sampled = Some(sample.rows);
            table = Table::from_query(sample.of(table.lazy(), &kinds))?;
        }
        Ok(Read { table, rows_read, rows_sampled, rejects: Vec::new(), rejected: 0, formats: self.connection.kind().to_owned(), notes: Vec::new() })
    }

    fn ask(
        &self,
        root: &Path,
        wanted: &BTreeMap<String, DataType>,
        scratch: &Path,
        look: Option<(u64, Duration)>,
        progress: &dyn Fn(u64),
    ) -> Result<(Table, u64, Vec<(String, Kind)>)> {
        let wanted: BTreeMap<String, Kind> = wanted.iter().filter_map(|(name, dtype)| Some((name.clone(), Kind::of(dtype)?))).collect();
        let ask = Ask {
            connection: &self.connection,
            root,
            statement: &self.statement,
            given: &self.given,
            wanted: &wanted,
            most: look.map(|(rows, _)| rows),
            progress,
        };
        let to = scratch.join("query.parquet");
        let spooled = match self.connection.dialect() {
            Dialect::Sqlite => sqlite::read(&ask, &to, look.map(|(_, patience)| patience))?,
            Dialect::Postgres => postgres::read(&ask, &to)?,
        };
        let kinds: Vec<(String, Kind)> = spooled.kinds.iter().map(|(name, kind)| (name.clone(), wanted.get(name).copied().unwrap_or(*kind))).collect();
        let columns = spooled.kinds.iter().zip(&kinds).map(|((name, from), (_, to))| convert(super::column(name), name, *from, *to));
        let table = Table::from_query(spooled.frame.select(columns.collect::<Vec<_>>()))?;
        Ok((table, spooled.rows, kinds))
    }

    /// A failure where it belongs: at the connection, or at the query.
    #[must_use]
    pub fn place(&self, error: Error, section: &str) -> Error {
        let error = at_connection(error, section);
        let at_query = |problem: Problem| match &self.sql_file {
            _ if problem.path.is_some() => problem,
            Some(file) => problem.at(Place::file(file)),
            None => problem.path(format!("{section}.sql")),
        };
        Error { problems: error.problems.into_iter().map(at_query).collect(), ..error }
    }
}

/// What a failure to come to a database names as its path until its section is known.
const CONNECTION: &str = "connection";

/// Failures to come to a database, at the key that names it.
fn at_connection(mut error: Error, section: &str) -> Error {
    for problem in error.problems.iter_mut().filter(|problem| problem.path.as_deref() == Some(CONNECTION)) {
        problem.path = Some(format!("{section}.{CONNECTION}"));
    }
    error
}

/// Columns of one name are one column to a table.
fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = BTreeSet::new();
    let twice = names.filter(|name| !seen.insert((*name).to_owned()));
    let problems =
        twice.map(|name| Problem::new(format!("the query gives two columns `{}`", shorten(name))).hint(format!("name one of them: `… AS {name}_2`")));
    Error::all(Failure::Data, problems.collect()).map_or(Ok(()), Err)
}

/// A name as both databases quote it.
fn write_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A digest of rows, whatever order they are in: names, types, and the sum of the rows' fingerprints.
///
/// # Errors
/// Where the rows cannot be read.
pub fn digest_of_rows(table: &Table) -> Result<String> {
    let (mut sum, mut rows) = (0_u128, 0_u64);
    for batch in table.batches()? {
        let batch = batch?;
        let columns: Vec<_> = batch.columns().iter().collect();
        sum = fingerprints(&columns, Missing::Equal)?.into_iter().flatten().fold(sum, u128::wrapping_add);
        rows += batch.height() as u64;
    }
    let names: Vec<String> = table.schema().iter().map(|(name, dtype)| format!("{name:?} {}", kind_name(dtype))).collect();
    Ok(Digest::of(format!("{}\n{rows} {sum:032x}", names.join("\n")).as_bytes()).to_string())
}
