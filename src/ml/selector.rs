//! Which columns a transform works on: names and selectors such as `numeric()`, in any mixture.
//!
//! A selector is text in recipe.yaml and is checked when the recipe is read; which columns it means is
//! settled at fitting, from the training table's types and the roles, and the fitted transform keeps the
//! names. Selectors pass over every column that is not a feature (target, id, weight, `ignore` …); a
//! column named plainly is always taken. Nothing here looks at values except `has_missing()`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use polars::prelude::{DataType, Expr};
use regex::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::sparse::is_sparse;
use super::{Fit, reduce};
use crate::data::{Role, Table};
use crate::error::{Error, Kind, Problem, Result, nearest, shorten};
use crate::value::suggest;

/// The selectors that can be written, for suggestions and for `recipe list`.
pub const SELECTORS: &[&str] = &[
    "all",
    "numeric",
    "integer",
    "float",
    "nominal",
    "string",
    "boolean",
    "datetime",
    "date",
    "role",
    "has_missing",
    "matches",
    "starts_with",
    "ends_with",
    "one_of",
    "except",
];

const ROLES: [Role; 10] =
    [Role::Predictor, Role::Target, Role::Id, Role::Weight, Role::Group, Role::Time, Role::PostEvent, Role::Ignore, Role::TextSource, Role::Sensitive];

/// Columns by name or by what they are: one text or a list of texts in recipe.yaml.
///
/// - `*`, `all()`: every feature; `numeric()` (integers, floats), `integer()`, `float()`, `nominal()` (strings and
///   categories), `string()`, `boolean()`, `datetime()`, `date()`: features of that type.
/// - `role(x)`: columns with the role, features or not; `has_missing()`: features with nulls or NaN in training.
/// - `matches("regex")`, `starts_with("x")`, `ends_with("x")`: features by name; `one_of(["a", "b"])`: those that are there.
/// - `except(…)`: takes names or selectors out of the rest of the list, or out of `all()` where it stands alone.
/// - Anything else is a column's name. A name that looks like a selector is written in back-ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector(Vec<Part>);

/// A term and the text it was written as.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    text: String,
    term: Term,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    Name(String),
    All,
    Kind(&'static str),
    Role(Role),
    HasMissing,
    Matches(String),
    StartsWith(String),
    EndsWith(String),
    OneOf(Vec<String>),
    Except(Vec<Term>),
}

impl Selector {
    /// Every feature.
    #[must_use]
    pub fn all() -> Self {
        Self::call("all", Term::All)
    }

    /// Integer and float features.
    #[must_use]
    pub fn numeric() -> Self {
        Self::call("numeric", Term::Kind("numeric"))
    }

    /// Features that are strings or categories.
    #[must_use]
    pub fn nominal() -> Self {
        Self::call("nominal", Term::Kind("nominal"))
    }

    /// String features.
    #[must_use]
    pub fn string() -> Self {
        Self::call("string", Term::Kind("string"))
    }

    /// Boolean features.
    #[must_use]
    pub fn boolean() -> Self {
        Self::call("boolean", Term::Kind("boolean"))
    }

    /// Features that are a date with a time of day.
    #[must_use]
    pub fn datetime() -> Self {
        Self::call("datetime", Term::Kind("datetime"))
    }

    /// Features that are a date without a time of day.
    #[must_use]
    pub fn date() -> Self {
        Self::call("date", Term::Kind("date"))
    }

    /// Features with nulls or NaN in the training table.
    #[must_use]
    pub fn has_missing() -> Self {
        Self::call("has_missing", Term::HasMissing)
    }

    /// Exactly these columns.
    #[must_use]
    pub fn names<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        let part = |name: String| Part { text: if is_plain(&name) { name.clone() } else { format!("`{name}`") }, term: Term::Name(name) };
        Self(names.into_iter().map(Into::into).map(part).collect())
    }

    fn call(name: &str, term: Term) -> Self {
        Self(vec![Part { text: format!("{name}()"), term }])
    }

    /// Reads the texts of a list.
    ///
    /// # Errors
    /// The first text that is no selector, with the nearest one.
    pub fn parse<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Result<Self, String> {
        let part = |text: S| Ok(Part { term: parse_term(text.as_ref())?, text: text.as_ref().to_owned() });
        Ok(Self(texts.into_iter().map(part).collect::<Result<_, String>>()?))
    }

    /// The columns that are meant, in the table's order, each once; none where nothing fits.
    ///
    /// # Errors
    /// Plain names that are not in the table, all named with the nearest one.
    pub fn resolve(&self, on: Fit<'_>) -> Result<Vec<String>> {
        let mut named = Vec::new();
        self.0.iter().for_each(|part| part.term.plain_names(&mut named));
        require_present(on.table, &named)?;

        let mut with_missing = BTreeSet::new();
        if self.0.iter().any(|part| part.term.looks_at_values()) {
            let features: Vec<String> = on.table.names().filter(|name| on.roles.is_feature(name)).map(str::to_owned).collect();
            let counts = reduce::missing(on.table, &features)?;
            with_missing = features.into_iter().zip(counts).filter(|(_, count)| *count > 0).map(|(name, _)| name).collect();
        }
        let seen = Seen { on, with_missing };
        let (excepts, terms): (Vec<&Term>, Vec<&Term>) = self.0.iter().map(|part| &part.term).partition(|term| matches!(term, Term::Except(_)));
        let taken = |name: &str, kind: ColumnKind| {
            let wanted =
                if terms.is_empty() && !excepts.is_empty() { Term::All.fits(name, kind, &seen) } else { terms.iter().any(|t| t.fits(name, kind, &seen)) };
            wanted && !excepts.iter().any(|t| t.fits(name, kind, &seen))
        };
        let schema = on.table.schema();
        Ok(schema.iter().filter(|(name, dtype)| taken(name, ColumnKind::of(dtype))).map(|(name, _)| name.to_string()).collect())
    }
}

/// What a term may look at.
struct Seen<'a> {
    on: Fit<'a>,
    with_missing: BTreeSet<String>,
}

impl Term {
    /// Is the column meant? For `except`: is it taken out?
    fn fits(&self, name: &str, kind: ColumnKind, seen: &Seen<'_>) -> bool {
        let feature = || seen.on.roles.is_feature(name);
        match self {
            Self::Name(wanted) => wanted == name,
            Self::All => feature(),
            Self::Kind(wanted) => feature() && kind.is(wanted),
            Self::Role(role) => seen.on.roles.of(name) == *role,
            Self::HasMissing => feature() && seen.with_missing.contains(name),
            Self::Matches(pattern) => feature() && Regex::new(pattern).is_ok_and(|regex| regex.is_match(name)),
            Self::StartsWith(start) => feature() && name.starts_with(start),
            Self::EndsWith(end) => feature() && name.ends_with(end),
            Self::OneOf(names) => feature() && names.iter().any(|n| n == name),
            Self::Except(terms) => terms.iter().any(|term| term.fits(name, kind, seen)),
        }
    }

    fn plain_names(&self, names: &mut Vec<String>) {
        match self {
            Self::Name(name) => names.push(name.clone()),
            Self::Except(terms) => terms.iter().for_each(|term| term.plain_names(names)),
            _ => {}
        }
    }

    fn looks_at_values(&self) -> bool {
        match self {
            Self::HasMissing => true,
            Self::Except(terms) => terms.iter().any(Self::looks_at_values),
            _ => false,
        }
    }
}

/// What a column holds, as recipe.yaml and messages call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    Integer,
    /// Floats and decimals.
    Float,
    Boolean,
    /// Strings and categories.
    String,
    Date,
    Datetime,
    /// No value at all, hence no type.
    Empty,
    Other,
}

impl ColumnKind {
    /// Integers, floats and booleans: what becomes a number without a rule.
    pub const NUMBERS: &'static [Self] = &[Self::Integer, Self::Float, Self::Boolean];

    #[must_use]
    pub fn of(dtype: &DataType) -> Self {
        match dtype {
            DataType::Boolean => Self::Boolean,
            DataType::String => Self::String,
            DataType::Date => Self::Date,
            DataType::Datetime(..) => Self::Datetime,
            DataType::Null => Self::Empty,
            _ if dtype.is_integer() => Self::Integer,
            _ if dtype.is_float() || dtype.is_decimal() => Self::Float,
            _ if dtype.is_categorical() || dtype.is_enum() => Self::String,
            _ => Self::Other,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Empty => "empty",
            Self::Other => "other",
        }
    }

    fn is(self, wanted: &str) -> bool {
        match wanted {
            "numeric" => matches!(self, Self::Integer | Self::Float),
            "nominal" => self == Self::String,
            _ => self.name() == wanted,
        }
    }
}

/// Refuses columns of other kinds than `kinds`; a column without any value passes.
///
/// # Errors
/// Every refused column with its type.
pub fn require(transform: &str, table: &Table, columns: &[String], kinds: &[ColumnKind]) -> Result<()> {
    let refused = |name: &String| {
        let dtype = table.schema().get(name)?;
        let kind = ColumnKind::of(dtype);
        (kind != ColumnKind::Empty && !kinds.contains(&kind)).then(|| format!("`{name}` ({})", type_words(dtype)))
    };
    let bad: Vec<String> = columns.iter().filter_map(refused).collect();
    if bad.is_empty() {
        return Ok(());
    }
    let wanted: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    Err(Error::data(format!("`{transform}` takes {} columns, not {}", wanted.join(", "), bad.join(", "))))
}

/// A type as a refusal names it.
#[must_use]
pub fn type_words(dtype: &DataType) -> String {
    if is_sparse(dtype) { "sparse: it goes to the estimator as it is".to_owned() } else { dtype.to_string() }
}

/// Refuses names that are not columns of the table.
///
/// # Errors
/// All of them, each with the nearest column.
pub fn require_present(table: &Table, names: &[String]) -> Result<()> {
    let problem = |name: &String| {
        let problem = Problem::misfit(format!("there is no column `{}`", shorten(name)));
        match nearest(name, table.names()) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem.hint(format!("columns here: {}", shortlist(table))),
        }
    };
    let missing: BTreeSet<&String> = names.iter().filter(|name| !table.has(name)).collect();
    Error::all(Kind::Data, missing.into_iter().map(problem).collect()).map_or(Ok(()), Err)
}

/// The first columns of a table, for a hint.
fn shortlist(table: &Table) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<String> = table.names().take(SHOWN).map(|name| format!("`{}`", shorten(name))).collect();
    let more = table.names().count().saturating_sub(SHOWN);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// The column of that very name; `polars::prelude::col` would read `*` and `^…$` as patterns.
pub fn column(name: &str) -> Expr {
    Expr::Column(name.into())
}

/// The name and the argument of `name(argument)`.
fn call(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once('(')?;
    let argument = rest.strip_suffix(')')?;
    let is_word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_word.then(|| (name, argument.trim()))
}

/// Is the text the name itself, not a selector or a quoted name?
fn is_plain(text: &str) -> bool {
    text != "*" && !text.starts_with('`') && call(text.trim()).is_none()
}

fn parse_term(text: &str) -> Result<Term, String> {
    if is_plain(text) {
        return if text.is_empty() { Err("a column's name cannot be empty".to_owned()) } else { Ok(Term::Name(text.to_owned())) };
    }
    if text == "*" {
        return Ok(Term::All);
    }
    if let Some(quoted) = text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        return Ok(Term::Name(quoted.to_owned()));
    }
    let Some((name, argument)) = call(text.trim()) else { return Err(format!("a back-tick is not closed: {}", shorten(text))) };
    let bare = |term: Term| if argument.is_empty() { Ok(term) } else { Err(format!("`{name}()` takes no argument, got {}", shorten(argument))) };
    match name {
        "all" => bare(Term::All),
        "has_missing" => bare(Term::HasMissing),
        "numeric" | "integer" | "float" | "nominal" | "string" | "boolean" | "datetime" | "date" => {
            let kind = SELECTORS.iter().find(|known| **known == name).copied().unwrap_or_default();
            bare(Term::Kind(kind))
        }
        "role" => {
            let wanted = one(name, argument)?;
            let names = ROLES.map(Role::name);
            let role = ROLES.into_iter().find(|role| role.name() == wanted);
            role.map(Term::Role).ok_or_else(|| format!("unknown role `{}`: {}", shorten(&wanted), suggest(&wanted, &names)))
        }
        "matches" => {
            let pattern = one(name, argument)?;
            Regex::new(&pattern).map_err(|error| format!("`{}` is no regular expression: {}", shorten(&pattern), last_line(&error.to_string())))?;
            Ok(Term::Matches(pattern))
        }
        "starts_with" => Ok(Term::StartsWith(one(name, argument)?)),
        "ends_with" => Ok(Term::EndsWith(one(name, argument)?)),
        "one_of" => Ok(Term::OneOf(arguments(argument)?.into_iter().map(|a| a.text).collect())),
        "except" => {
            let terms = arguments(argument)?.into_iter().map(|a| if a.quoted { Ok(Term::Name(a.text)) } else { parse_term(&a.text) });
            let terms = terms.collect::<Result<Vec<_>, _>>()?;
            if terms.iter().any(|term| matches!(term, Term::Except(_))) {
                return Err("`except` cannot stand inside `except`".to_owned());
            }
            Ok(Term::Except(terms))
        }
        _ => Err(format!("unknown selector `{}()`: {} (a column of that name is written in back-ticks)", shorten(name), suggest(name, SELECTORS))),
    }
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ")
}

/// The one argument of a selector: quoted, or all that stands between the parentheses.
fn one(name: &str, argument: &str) -> Result<String, String> {
    if argument.is_empty() {
        return Err(format!("`{name}` needs an argument: `{name}(\"…\")`"));
    }
    match arguments(argument)?.as_slice() {
        [only] if only.quoted => Ok(only.text.clone()),
        _ => Ok(argument.to_owned()),
    }
}

struct Argument {
    text: String,
    quoted: bool,
}

/// Splits `["a", 'b', c(d)]` (brackets may be left out) at commas outside quotes and parentheses.
fn arguments(argument: &str) -> Result<Vec<Argument>, String> {
    let inner = argument.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(argument);
    let mut pieces = vec![String::new()];
    let mut quote = None;
    let mut depth = 0_usize;
    for c in inner.chars() {
        match (quote, c) {
            (None, '"' | '\'' | '`') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                pieces.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    if quote.is_some() {
        return Err(format!("a quote is not closed: {}", shorten(argument)));
    }
    let read = |piece: String| {
        let piece = piece.trim();
        let unquoted = ['"', '\''].iter().find_map(|q| piece.strip_prefix(*q).and_then(|rest| rest.strip_suffix(*q)));
        match unquoted {
            Some(text) => Ok(Argument { text: text.to_owned(), quoted: true }),
            None if piece.is_empty() => Err(format!("a name is missing between the commas: {}", shorten(argument))),
            None => Ok(Argument { text: piece.to_owned(), quoted: false }),
        }
    };
    pieces.into_iter().map(read).collect()
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [only] => serializer.serialize_str(&only.text),
            parts => serializer.collect_seq(parts.iter().map(|part| &part.text)),
        }
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Selector;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a selector, a column's name, or a list of these (a name that looks like a number is quoted)")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Selector, E> {
                Selector::parse([text]).map_err(E::custom)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Selector, A::Error> {
                let mut texts: Vec<String> = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Selector::parse(texts).map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Selector {
    fn schema_name() -> Cow<'static, str> {
        "Selector".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let calls = SELECTORS.iter().filter(|name| !["role", "matches", "starts_with", "ends_with", "one_of", "except"].contains(name));
        let examples: Vec<String> = calls.map(|name| format!("{name}()")).collect();
        json_schema!({
            "description": "A column's name, a selector such as `numeric()`, or a list of these.",
            // A number alone is refused, in a list it is a name: a length makes the difference.
            "anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}}],
            "examples": examples,
        })
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::Selector;
    use crate::data::{Role, Roles, Table};
    use crate::ml::Fit;
    use crate::value::{Value, parse};

    fn chosen(texts: &[&str]) -> Vec<String> {
        let frame = df!(
            "fare amount" => [Some(1.5), None], "n" => [1_i64, 2], "city" => ["a", "b"], "ok" => [true, false],
            "trip_id" => ["x", "y"], "price" => [1.0, 2.0], "1e3" => [1_i32, 2], "m(x)" => [0.0, f64::NAN]
        )
        .unwrap();
        let roles = Roles::new([("trip_id".to_owned(), Role::Id)].into()).with_target("price");
        let table = Table::of(frame);
        Selector::parse(texts).unwrap().resolve(Fit { table: &table, roles: &roles, seed: 0, target: None }).unwrap()
    }

    #[test]
    fn selectors_pass_over_columns_that_are_no_features() {
        assert_eq!(chosen(&["*"]), ["fare amount", "n", "city", "ok", "1e3", "m(x)"]);
        assert_eq!(chosen(&["float()"]), ["fare amount", "m(x)"]);
        assert_eq!(chosen(&["numeric()", "except(integer())"]), ["fare amount", "m(x)"]);
        assert_eq!(chosen(&["nominal()", "price"]), ["city", "price"]);
        assert_eq!(chosen(&["role(id)"]), ["trip_id"]);
        assert_eq!(chosen(&["has_missing()"]), ["fare amount", "m(x)"]);
    }

    #[test]
    fn names_patterns_and_lists_mix_in_the_order_of_the_table() {
        assert_eq!(chosen(&["`m(x)`", "1e3", "fare amount"]), ["fare amount", "1e3", "m(x)"]);
        assert_eq!(chosen(&["matches(\"^(n|o.)$\")", "starts_with(1)", "ends_with('ty')"]), ["n", "city", "ok", "1e3"]);
        assert_eq!(chosen(&["one_of([\"city\", 'nowhere'])"]), ["city"]);
        assert_eq!(chosen(&["except(numeric(), \"city\")"]), ["ok"]);
    }

    #[test]
    fn a_wrong_selector_names_the_nearest_one() {
        for (text, message) in [
            ("numric()", "unknown selector `numric()`: did you mean `numeric`? (a column of that name is written in back-ticks)"),
            ("role(targt)", "unknown role `targt`: did you mean `target`?"),
            ("matches(\"(\")", "`(` is no regular expression: unclosed group"),
            ("one_of(\"a)", "a quote is not closed: \"a"),
            ("all(x)", "`all()` takes no argument, got x"),
        ] {
            assert_eq!(Selector::parse([text]).unwrap_err(), message);
        }
    }

    #[test]
    fn missing_names_are_reported_all_at_once() {
        let table = Table::of(df!("fare" => [1.0], "city" => ["a"]).unwrap());
        let on = Fit { table: &table, roles: &Roles::default(), seed: 0, target: None };
        let error = Selector::parse(["far", "except(zebra)"]).unwrap().resolve(on).unwrap_err();
        let shown: Vec<String> = error.problems.iter().map(|p| format!("{} {}", p.message, p.hint.as_deref().unwrap_or_default())).collect();
        assert_eq!(shown, ["there is no column `far` did you mean `fare`?", "there is no column `zebra` columns here: `fare`, `city`"]);
    }

    #[test]
    fn yaml_text_and_lists_are_read_and_written_back() {
        let list = Value::List(vec![Value::plain_scalar("007"), Value::String("numeric()".into())]);
        let selector: Selector = parse(&list).unwrap();
        assert_eq!(serde_json::to_string(&selector).unwrap(), "[\"007\",\"numeric()\"]");
        assert_eq!(parse::<Selector>(&Value::String("all()".into())).unwrap(), Selector::all());
        assert_eq!(serde_json::to_string(&Selector::names(["f(x)"])).unwrap(), "\"`f(x)`\"");
        assert!(parse::<Selector>(&Value::plain_scalar("7")).unwrap_err()[0].message.contains("is quoted"));
    }
}
