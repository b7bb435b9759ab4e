//! `PostgreSQL`: a connection for one query or one table, and what its messages mean. The only place that speaks to a database server.
//!
//! tokio-postgres is asynchronous; a runtime on the caller's thread drives it, and nothing above knows of it. A query runs in a read-only
//! transaction that sees one state of the database, and its rows are fetched a few thousand at a time. Certificates are checked whenever
//! TLS is used, by those the system trusts.

mod decode;
mod write;

use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::{DbError, ErrorPosition, SqlState};
use tokio_postgres::types::{Format, IsNull, ToSql, Type};
use tokio_postgres::{Client, Config, IsolationLevel, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::{Connection, Target};
use super::spool::{Spool, Spooled};
use super::statement::Statement;
use super::{Ask, CONNECTION, Given, check_names};
use crate::data::source::cell::Kind;
use crate::error::{Error, Kind as Failure, Problem, Result, shorten};

pub use write::{exists, write};

/// To come to a connection takes this long at most, unless the address says otherwise.
const CONNECT: Duration = Duration::from_secs(10);
/// To take leave of a server takes no longer.
const LEAVE: Duration = Duration::from_secs(1);
/// Rows that are fetched at once.
const FETCH: i32 = 4096;
/// What libpq knows and this program does not.
const NOT_HERE: [&str; 9] = ["sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "service", "passfile", "gssencmode", "krbsrvname"];

/// Reads an address; the error says nothing of what is secret.
fn parse(address: &str) -> Result<Config, String> {
    // Certificates are checked in any case.
    let mut address = address.to_owned();
    for stricter in ["sslmode=verify-full", "sslmode=verify-ca"] {
        let own = ["?", "&", " "].into_iter().find_map(|before| Some(address.find(&format!("{before}{stricter}"))? + 1));
        if let Some(at) = own.or_else(|| address.starts_with(stricter).then_some(0)) {
            address.replace_range(at..at + stricter.len(), "sslmode=require");
        }
    }
    address.parse::<Config>().map_err(|error| {
        let why = error.source().map(ToString::to_string).unwrap_or_default();
        if why.starts_with("invalid value for option") {
            return why;
        }
        match NOT_HERE.iter().find(|name| why == format!("unknown option `{name}`")) {
            Some(name) if name.starts_with("ssl") => {
                format!("`{name}` is not known here; certificates are those the system trusts, or in the file that SSL_CERT_FILE names")
            }
            Some(name) => format!("`{name}` is not known here"),
            None => "it is no address as libpq reads it".to_owned(),
        }
    })
}

/// The password in an address.
///
/// # Errors
/// Why it is no address.
pub fn password(address: &str) -> Result<Option<String>, String> {
    Ok(parse(address)?.get_password().map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

/// Server, database and user of an address.
pub fn identity(address: &str) -> String {
    let Ok(config) = parse(address) else { return "postgres".to_owned() };
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(i, host)| {
        let host = match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        format!("{host}:{}", ports.get(i).or(ports.first()).unwrap_or(&5432))
    });
    let parts = [hosts.collect::<Vec<_>>().join(","), config.get_dbname().unwrap_or_default().to_owned(), config.get_user().unwrap_or_default().to_owned()];
    format!("postgres {}{}", parts.join(" "), config.get_options().map(|options| format!(" {options}")).unwrap_or_default())
}

/// A session with a server.
struct Session<'a> {
    /// Drives what speaks for the client.
    runtime: Runtime,
    client: Client,
    speaker: JoinHandle<()>,
    connection: &'a Connection,
}

impl<'a> Session<'a> {
    fn open(connection: &'a Connection) -> Result<Self> {
        Self::try_open(connection).map_err(|error| error.path(CONNECTION))
    }

    fn try_open(connection: &'a Connection) -> Result<Self> {
        let Target::Postgres { address, password } = connection.target()? else { return Err(Error::bug("the connection is not one to PostgreSQL")) };
        let mut config = parse(address).map_err(|why| Error::config(format!("the connection is not understood: {why}")))?;
        if let Some(password) = password {
            config.password(password);
        }
        if config.get_application_name().is_none() {
            config.application_name("recipe");
        }
        let patience = *config.get_connect_timeout().unwrap_or(&CONNECT);
        config.connect_timeout(patience);
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|error| Error::new(Failure::Io, format!("cannot speak to a server: {error}")))?;
        let client = runtime.block_on(async { tokio::time::timeout(patience, connect(&config, connection)).await });
        let (client, speaker) = client.map_err(|_| {
            let seconds = patience.as_secs();
            Error::data(format!("PostgreSQL at `{}` does not answer within {seconds} s", connection.written()))
                .hint("check that the server runs, its address and the network")
        })??;
        // A query ends with the program that asks it; servers before version 14 do not know how.
        runtime.block_on(client.batch_execute("SET client_connection_check_interval = '5s'")).ok();
        Ok(Self { runtime, client, speaker, connection })
    }

    /// Takes leave of the server; after a failure it sees that nobody is there any more.
    fn close(self) {
        let Self { runtime, client, speaker, .. } = self;
        drop(client);
        runtime.block_on(async { tokio::time::timeout(LEAVE, speaker).await }).ok();
    }
}

async fn connect(config: &Config, connection: &Connection) -> Result<(Client, JoinHandle<()>)> {
    let is_local = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
    let failed = |error: tokio_postgres::Error| explain(&error, connection, Doing::Connecting);
    let tls = if is_local || config.get_ssl_mode() == SslMode::Disable { None } else { MakeRustlsConnect::with_native_certs().ok() };
    match tls {
        Some((tls, _)) => {
            let (client, speaker) = config.connect(tls).await.map_err(failed)?;
            Ok((client, tokio::spawn(async { drop(speaker.await) })))
        }
        None if !is_local && config.get_ssl_mode() == SslMode::Require => {
            let error = Error::data("the system names no certificates that it trusts, so no TLS connection can be made");
            Err(error.hint("install them, or name a file with them in SSL_CERT_FILE; `sslmode=disable` does without TLS"))
        }
        None => {
            let (client, speaker) = config.connect(NoTls).await.map_err(failed)?;
            Ok((client, tokio::spawn(async { drop(speaker.await) })))
        }
    }
}

/// Asks a query and puts its rows into a file.
///
/// # Errors
/// A server that is not there or lets nobody in; what it says of the query; columns of types that have no place in a table; values that no
/// column can hold.
pub fn read(ask: &Ask<'_>, to: &Path) -> Result<Spooled> {
    let mut session = Session::open(ask.connection)?;
    let (runtime, connection) = (&session.runtime, session.connection);
    let failed = |error: tokio_postgres::Error| explain(&error, connection, Doing::Asking(ask.statement));
    let transaction = session.client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start();
    let transaction = runtime.block_on(transaction).map_err(failed)?;
    let prepared = runtime.block_on(transaction.prepare(&ask.statement.sent)).map_err(failed)?;
    let mut columns = Vec::new();
    let mut problems = Vec::new();
    for column in prepared.columns() {
        let (name, dtype) = (column.name(), column.type_());
        if let Some(kind) = decode::kind_of(dtype) {
            columns.push((name.to_owned(), kind, dtype.clone()));
        } else {
            let problem = Problem::new(format!("column `{}` is of type {}, which has no place in a table", shorten(name), dtype.name()));
            problems.push(problem.hint(format!("cast it in the query: `{0}::text AS {0}`", super::write_name(name))));
        }
    }
    Error::all(Failure::Data, problems).map_or(Ok(()), Err)?;
    check_names(columns.iter().map(|(name, ..)| name.as_str()))?;
    let given: Vec<Sent<'_>> = ask.statement.names.iter().map(|name| Sent(ask.given.get(name).unwrap_or(&Given::Null))).collect();
    let portal = runtime.block_on(transaction.bind_raw(&prepared, given)).map_err(failed)?;
    let kinds: Vec<(String, Kind)> = columns.iter().map(|(name, kind, _)| (name.clone(), *kind)).collect();
    let mut spool = Spool::create(to, &kinds)?;
    loop {
        let rows = runtime.block_on(transaction.query_portal(&portal, FETCH)).map_err(failed)?;
        for row in &rows {
            for (at, (name, _, dtype)) in columns.iter().enumerate() {
                let Some(raw) = row.try_get::<_, Option<decode::Raw<'_>>>(at).map_err(failed)? else { continue };
                match decode::value(dtype, raw.0) {
                    Ok(value) => spool.put(at, value),
                    Err(why) => {
                        let number = spool.rows() + 1;
                        return Err(Error::data(format!("column `{}` {} in row {number} of the query", shorten(name), why.message)).hint(why.hint));
                    }
                }
            }
            spool.end_row()?;
        }
        (ask.progress)(spool.rows());
        if rows.len() < FETCH as usize {
            break;
        }
    }
    let rows = spool.finish()?;
    runtime.block_on(transaction.commit()).map_err(failed)?;
    session.close();
    Spooled::read(to, kinds, rows)
}

/// A parameter, sent as text: the server reads it as what the query makes of it.
#[derive(Debug)]
struct Sent<'a>(&'a Given);

impl ToSql for Sent<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.0 {
            Given::Null => return Ok(IsNull::Yes),
            Given::Boolean(flag) => out.extend_from_slice(flag.to_string().as_bytes()),
            Given::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Given::Float(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Given::Text(text) => out.extend_from_slice(text.as_bytes()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    tokio_postgres::types::to_sql_checked!();
}

/// What was being done when something failed.
#[derive(Clone, Copy)]
enum Doing<'a> {
    Connecting,
    Asking(&'a Statement),
    Writing,
}

/// A failure as a user sees it: configuration where the query is wrong, else data. Nothing secret is in it.
fn explain(error: &tokio_postgres::Error, connection: &Connection, doing: Doing<'_>) -> Error {
    let at = connection.written();
    if let Some(said) = error.as_db_error() {
        return refused(said, connection, doing);
    }
    let mut why = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        // The innermost says what happened.
        why = inner.to_string();
        cause = inner.source();
    }
    let why = connection.scrub(&why);
    let handshake = error.to_string().contains("TLS");
    match doing {
        Doing::Connecting => {}
        Doing::Asking(_) => return Error::data(format!("the connection to PostgreSQL at `{at}` was lost: {why}")).hint("run again; nothing was stored"),
        Doing::Writing => return Error::data(format!("the connection to PostgreSQL at `{at}` was lost: {why}")).hint("run again; nothing was written"),
    }
    let failure = Error::data(format!("cannot connect to PostgreSQL at `{at}`: {why}"));
    if handshake {
        return failure.hint("is its certificate one the system trusts? SSL_CERT_FILE names a file with others; `sslmode=disable` does without TLS");
    }
    failure.hint("check that the server runs, its address, and the password (PGPASSWORD, or in the connection's own variable)")
}

/// What a server says against a query, or against who asks.
fn refused(said: &DbError, connection: &Connection, doing: Doing<'_>) -> Error {
    let message = connection.scrub(said.message());
    let code = said.code();
    if *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION || *code == SqlState::INVALID_CATALOG_NAME {
        let hint = "check user, database and password (PGPASSWORD, or in the connection's own variable)";
        return Error::data(format!("PostgreSQL at `{}` lets nobody in: {message}", connection.written())).hint(hint);
    }
    let is_wrong_query = [
        SqlState::SYNTAX_ERROR,
        SqlState::INDETERMINATE_DATATYPE,
        SqlState::UNDEFINED_FUNCTION,
        SqlState::DATATYPE_MISMATCH,
        SqlState::UNDEFINED_PARAMETER,
        SqlState::READ_ONLY_SQL_TRANSACTION,
    ]
    .contains(code);
    let kind = if is_wrong_query { Failure::Config } else { Failure::Data };
    let details = [said.detail(), said.hint()].into_iter().flatten().map(|text| connection.scrub(text)).collect::<Vec<_>>().join("; ");
    let text = format!("PostgreSQL says: {message}");
    let problem = match (doing, said.position()) {
        (Doing::Asking(statement), Some(ErrorPosition::Original(position))) => {
            statement.problem(text, Some(statement.place_of((*position as usize).saturating_sub(1))))
        }
        (Doing::Asking(statement), _) => statement.problem(text, None),
        _ => Problem::new(text),
    };
    let problem = match () {
        () if *code == SqlState::INDETERMINATE_DATATYPE => problem.hint("say what the parameter is: `:name::date`"),
        () if *code == SqlState::READ_ONLY_SQL_TRANSACTION => problem.hint("a source is read with `SELECT …`; the query would change the database"),
        () if details.is_empty() => problem,
        () => problem.hint(details),
    };
    Error { kind, problems: vec![problem] }
}
