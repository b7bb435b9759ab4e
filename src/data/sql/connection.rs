//! How a recipe names a database, and the secrets in it.
//!
//! What is written is kept as it is written, with `${env:NAME}` in the place of what the environment says: that is what cards, records,
//! keys and messages get. The address itself is put together when the recipe is read, lives in memory, and is given to the database's own
//! module and to no other. A password that stands in the recipe is refused.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Dialect;
use super::postgres;
use crate::error::{Error, Result};

/// The names of what is asked of the environment, as `${NAME:…}`.
const RESOLVERS: [&str; 3] = ["env", "oc.env", "secret"];
const FORMS: &str = "forms are `sqlite:data/app.db`, `postgres://user@host/database` and `host=… dbname=… user=…`; the whole may be `${env:NAME}`";

/// A database, as a recipe names it.
#[derive(Clone, PartialEq)]
pub struct Connection {
    written: String,
    target: Option<Target>,
    /// What no message may show.
    secrets: Vec<String>,
}

/// Where a database is. Never stored, never shown.
#[derive(Clone, PartialEq)]
pub enum Target {
    /// The file, relative to the project root.
    Sqlite(String),
    /// As libpq reads it, and a password from beside it.
    Postgres { address: String, password: Option<String> },
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.written)
    }
}

impl Serialize for Connection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

impl<'de> Deserialize<'de> for Connection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { written: String::deserialize(deserializer)?, target: None, secrets: Vec::new() })
    }
}

impl JsonSchema for Connection {
    fn schema_name() -> Cow<'static, str> {
        "Connection".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

impl Connection {
    /// As it was written: references in the place of what is secret.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Fills the references in and reads the address.
    ///
    /// # Errors
    /// A message and a hint, which show nothing of what the environment says, for what is no address.
    pub fn bind(&mut self, environment: &BTreeMap<String, String>) -> Result<(), (String, String)> {
        if written_password(&self.written).is_some() {
            return Err((
                "a password stands in the connection: it would be kept with runs and shown".to_owned(),
                "write `connection: \"${env:NAME}\"`, and set NAME in the environment or in `.env`; or leave the password out and set PGPASSWORD".to_owned(),
            ));
        }
        let is_alone = matches!(parts(&self.written).as_slice(), [Part::Reference(_)]);
        let form = if self.written.contains("://") { Form::Url } else { Form::Words };
        let mut address = String::new();
        for part in parts(&self.written) {
            match part {
                Part::Literal(text) => address.push_str(text),
                Part::Reference(name) => {
                    let value = environment.get(name).ok_or_else(|| (format!("environment variable `{name}` is not set"), format!("set `{name}`")))?;
                    self.secrets.push(value.clone());
                    address.push_str(&if is_alone { Cow::from(value) } else { form.escaped(value) });
                }
            }
        }
        let address = address.trim();
        if let Some(path) = address.strip_prefix("sqlite:") {
            // As SQLAlchemy writes it: three slashes for a relative path, four for an absolute one.
            let path = path.strip_prefix("///").unwrap_or(path);
            if path.is_empty() || path.starts_with("//") || path.contains('\0') {
                return Err(("the connection names no SQLite file".to_owned(), FORMS.to_owned()));
            }
            self.target = Some(Target::Sqlite(path.to_owned()));
            return Ok(());
        }
        let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| address.starts_with(scheme));
        if !is_url && (address.contains("://") || !address.contains('=')) {
            return Err(("the connection is not one to SQLite or PostgreSQL".to_owned(), FORMS.to_owned()));
        }
        let own = postgres::password(address).map_err(|why| (format!("the connection is not understood: {why}"), FORMS.to_owned()))?;
        // What is so short is no secret, and stands in many a message.
        self.secrets.retain(|value| value.len() >= 4);
        self.secrets.extend(own.clone());
        let password = environment.get("PGPASSWORD").filter(|password| own.is_none() && !password.is_empty()).cloned();
        self.secrets.extend(password.clone());
        self.secrets.retain(|secret| !secret.is_empty());
        self.target = Some(Target::Postgres { address: address.to_owned(), password });
        Ok(())
    }

    /// Where the database is.
    ///
    /// # Errors
    /// A bug, where it was not bound.
    pub(super) fn target(&self) -> Result<&Target> {
        self.target.as_ref().ok_or_else(|| Error::bug("a connection is bound before it is used"))
    }

    pub fn dialect(&self) -> Dialect {
        if matches!(self.target, Some(Target::Sqlite(_))) { Dialect::Sqlite } else { Dialect::Postgres }
    }

    /// As messages name the kind of database.
    pub fn kind(&self) -> &'static str {
        match self.dialect() {
            Dialect::Sqlite => "SQLite",
            Dialect::Postgres => "PostgreSQL",
        }
    }

    /// Which database it is, by what is no secret: two with the same text are the same.
    pub fn identity(&self) -> String {
        match &self.target {
            Some(Target::Sqlite(path)) => format!("sqlite:{path}"),
            Some(Target::Postgres { address, .. }) => postgres::identity(address),
            None => self.written.clone(),
        }
    }

    /// The file of a `SQLite` database.
    pub(super) fn file(&self, root: &Path) -> Option<PathBuf> {
        if let Some(Target::Sqlite(path)) = &self.target { Some(root.join(path)) } else { None }
    }

    /// A text of a driver or a server without anything secret.
    pub(super) fn scrub(&self, text: &str) -> String {
        let mut secrets: Vec<&String> = self.secrets.iter().collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "…"))
    }
}

/// A password that stands in a text as it was written, if there is one.
pub fn written_password(text: &str) -> Option<String> {
    let text: String = parts(text).into_iter().map(|part| if let Part::Literal(text) = part { text } else { "" }).collect();
    let of_user = || {
        let (user, _) = text.split_once("://")?.1.split_once('@')?;
        Some(user.split_once(':')?.1.to_owned())
    };
    let as_word = || {
        let lower = text.to_ascii_lowercase();
        lower.match_indices("password").find_map(|(at, word)| {
            let value = text.get(at + word.len()..)?.trim_start().strip_prefix('=')?.trim_start();
            let value = match value.strip_prefix('\'') {
                Some(quoted) => quoted.split('\'').next(),
                None => value.split(|c: char| c.is_whitespace() || c == '&').next(),
            };
            value.map(str::to_owned)
        })
    };
    of_user().filter(|password| !password.is_empty()).or_else(|| as_word().filter(|password| !password.is_empty()))
}

enum Part<'a> {
    Literal(&'a str),
    /// The name of a variable.
    Reference(&'a str),
}

/// A text and the references in it.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(start) = rest.get(from..).and_then(|later| later.find("${")).map(|at| from + at) {
        let reference = rest.get(start + 2..).and_then(|inside| inside.split_once('}')).and_then(|(inside, behind)| {
            let (resolver, name) = inside.split_once(':')?;
            RESOLVERS.contains(&resolver).then_some((name, behind))
        });
        match reference {
            Some((name, behind)) => {
                let before = rest.get(..start).unwrap_or_default();
                parts.extend((!before.is_empty()).then_some(Part::Literal(before)));
                parts.push(Part::Reference(name));
                (rest, from) = (behind, 0);
            }
            None => from = start + 2,
        }
    }
    parts.extend((!rest.is_empty()).then_some(Part::Literal(rest)));
    parts
}

/// What a value is put into.
enum Form {
    Url,
    Words,
}

impl Form {
    /// A value that cannot become anything else than a value.
    fn escaped(&self, value: &str) -> Cow<'static, str> {
        let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
        value
            .chars()
            .map(|c| match self {
                Self::Url if keep(c) => c.to_string(),
                Self::Url => c.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect(),
                Self::Words if matches!(c, '\\' | '\'') || c.is_whitespace() => format!("\\{c}"),
                Self::Words => c.to_string(),
            })
            .collect::<String>()
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(written: &str, environment: &[(&str, &str)]) -> Result<Connection, (String, String)> {
        let mut connection = Connection { written: written.to_owned(), target: None, secrets: Vec::new() };
        connection.bind(&environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())?;
        Ok(connection)
    }

    #[test]
    fn a_password_comes_from_the_environment_or_not_at_all() {
        for written in [
            "postgres://ann:hunter2@host/db",
            "postgresql://ann@host/db?password=hunter2",
            "host=h user=ann password = 'hunter2'",
            "mysql://ann:hunter2@host/db",
        ] {
            assert_eq!(written_password(written).as_deref(), Some("hunter2"), "{written}");
            let (message, hint) = bound(written, &[]).unwrap_err();
            assert!(message.starts_with("a password stands in the connection") && !format!("{message}{hint}").contains("hunter2"));
        }
        for written in ["${env:DSN}", "postgres://ann@host/db", "postgres://ann:${secret:PW}@host/db", "host=h password=${env:PW}"] {
            assert_eq!(written_password(written), None, "{written}");
        }
    }

    #[test]
    fn values_are_put_in_as_values_and_shown_nowhere() {
        let hostile = "p@ss/w:rd?sslmode=disable";
        let connection = bound("postgres://ann:${env:PW}@host/db", &[("PW", hostile)]).unwrap();
        assert_eq!(connection.identity(), "postgres host:5432 db ann");
        assert!(matches!(connection.target().unwrap(), Target::Postgres { address, .. } if postgres::password(address).unwrap().as_deref() == Some(hostile)));
        assert_eq!(connection.scrub(&format!("no `{hostile}` here")), "no `…` here");
        assert_eq!(format!("{connection:?}"), "Connection(postgres://ann:${env:PW}@host/db)");
        assert_eq!(serde_json::to_string(&connection).unwrap(), "\"postgres://ann:${env:PW}@host/db\"");
        let connection = bound("host=h dbname=d user=u password=${env:PW}", &[("PW", "a 'b\\")]).unwrap();
        assert!(matches!(connection.target().unwrap(), Target::Postgres { address, .. } if postgres::password(address).unwrap().as_deref() == Some("a 'b\\")));
        let connection = bound("postgres://ann@host/db", &[("PGPASSWORD", "hunter2")]).unwrap();
        assert_eq!(connection.scrub("hunter2"), "…");
    }

    #[test]
    fn every_form_of_a_connection_is_read_and_others_are_told() {
        let file = |written: &str| bound(written, &[]).unwrap().file(Path::new("/p"));
        assert_eq!(file("sqlite:data/app.db"), Some("/p/data/app.db".into()));
        assert_eq!(file("sqlite:///data/app.db"), Some("/p/data/app.db".into()));
        assert_eq!(file("sqlite:////srv/app.db"), Some("/srv/app.db".into()));
        assert_eq!(bound("${env:A}", &[("A", "postgresql://u:hunter2@h:6000/d?sslmode=verify-full")]).unwrap().identity(), "postgres h:6000 d u");
        for written in ["data/app.db", "mysql://h/d", "sqlite:", "postgres://h/d?sslmode=maybe", "host=h sslrootcert=x"] {
            assert!(bound(written, &[]).is_err(), "{written}");
        }
        let (message, hint) = bound("${env:A}", &[("A", "hunter2")]).unwrap_err();
        assert!(!format!("{message}{hint}").contains("hunter2"));
        assert_eq!(bound("${env:A}", &[]).unwrap_err().0, "environment variable `A` is not set");
    }
}
