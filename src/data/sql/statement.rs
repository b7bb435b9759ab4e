//! A query's text: one statement, its parameters, and where a database's complaint about it stands.
//!
//! The text is cut into the few pieces that matter: quoted texts and names, comments, words, parameters, semicolons. What it means is the
//! database's business. `SQLite` knows `:name` itself; `PostgreSQL` is sent `$1`, and places in what was sent are brought back to what was written.

use std::collections::BTreeMap;

use crate::error::{Place, Problem, nearest, shorten};

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

/// A query that can be asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statement {
    /// As it was written.
    text: String,
    /// As it is sent.
    pub sent: String,
    /// The parameters in the order of `$1`, `$2`, …
    pub names: Vec<String>,
    /// Does it say in which order rows come?
    pub is_ordered: bool,
    /// The file that it stands in; else it stands in the recipe.
    file: Option<String>,
    /// Behind each parameter: the character in `sent`, and in `text`.
    moves: Vec<(usize, usize)>,
}

/// What is wrong with a query, and where, in bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    at: usize,
    message: String,
    hint: String,
}

impl Mistake {
    fn new(at: usize, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { at, message: message.into(), hint: hint.into() }
    }
}

impl Statement {
    /// Reads a query. `file` is where it stands, if not in the recipe.
    ///
    /// # Errors
    /// A problem with its place: no text, no query, more than one statement, what is quoted and never ends, placeholders that are not `:name`.
    pub fn parse(text: &str, file: Option<&str>, dialect: Dialect) -> Result<Self, Box<Problem>> {
        let mut statement = Self { text: text.to_owned(), file: file.map(str::to_owned), ..Self::default() };
        match statement.read(dialect) {
            Ok(()) => Ok(statement),
            Err(Mistake { at, message, hint }) => {
                let character = text.get(..at).unwrap_or(text).chars().count();
                Err(Box::new(statement.problem(message, Some(character)).hint(hint)))
            }
        }
    }

    fn read(&mut self, dialect: Dialect) -> Result<(), Mistake> {
        let text = self.text.clone();
        let (mut at, mut depth, mut end) = (0, 0_usize, None);
        let mut first = None;
        // The word before, at depth 0.
        let mut before = String::new();
        while at < text.len() {
            let (piece, next) = piece(&text, at, dialect)?;
            let whole = text.get(at..next).unwrap_or_default();
            if let (Some(_), false) = (end, matches!(piece, Piece::Blank | Piece::Semicolon)) {
                return Err(Mistake::new(at, "another statement follows the query", "ask one query a recipe; what it should read can be joined or nested"));
            }
            match &piece {
                Piece::Parameter(name) => {
                    let number = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
                        self.names.push((*name).to_owned());
                        self.names.len() - 1
                    });
                    match dialect {
                        Dialect::Sqlite => self.sent.push_str(whole),
                        Dialect::Postgres => self.sent.push_str(&format!("${}", number + 1)),
                    }
                    self.moves.push((self.sent.chars().count(), text.get(..next).unwrap_or_default().chars().count()));
                }
                Piece::Semicolon => {
                    end.get_or_insert(at);
                }
                _ if end.is_none() => self.sent.push_str(whole),
                _ => {}
            }
            if !matches!(piece, Piece::Blank | Piece::Open) && first.is_none() {
                first = Some(whole.to_lowercase());
                let is_query =
                    first.as_deref().is_some_and(|word| matches!(word, "select" | "with" | "values") || (word == "table" && dialect == Dialect::Postgres));
                if !is_query {
                    return Err(Mistake::new(
                        at,
                        format!("not a query: it begins with `{}`", shorten(whole)),
                        "a source is read with `SELECT …` or `WITH … SELECT …`",
                    ));
                }
            }
            match piece {
                Piece::Open => depth += 1,
                Piece::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && !matches!(piece, Piece::Blank) {
                let word = if matches!(piece, Piece::Word) { whole.to_lowercase() } else { String::new() };
                self.is_ordered |= before == "order" && word == "by";
                before = word;
            }
            at = next;
        }
        if first.is_none() {
            return Err(Mistake::new(0, "the query is empty", "write a `SELECT …`"));
        }
        Ok(())
    }

    /// The query as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Holds the parameters that are used against those that have a value.
    pub fn mismatches<V>(&self, given: &BTreeMap<String, V>) -> (Vec<Problem>, Vec<(String, Option<String>)>) {
        let missing = self.names.iter().filter(|name| !given.contains_key(*name)).map(|name| {
            let at = self.moves_of(name);
            let problem = self.problem(format!("`:{name}` has no value"), at);
            match nearest(name, given.keys().map(String::as_str)) {
                Some(near) => problem.hint(format!("did you mean `:{near}`?")),
                None => problem.hint(format!("say it below `parameters`: `parameters: {{{name}: …}}`")),
            }
        });
        let unused = given.keys().filter(|name| !self.names.contains(name));
        let unused = unused.map(|name| (name.clone(), nearest(name, self.names.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"))));
        (missing.collect(), unused.collect())
    }

    /// The character where a parameter first stands.
    fn moves_of(&self, name: &str) -> Option<usize> {
        let own = format!(":{name}");
        let ends = self.moves.iter().map(|(_, end)| *end);
        ends.map(|end| end.saturating_sub(own.chars().count())).find(|start| self.text.chars().skip(*start).take(own.chars().count()).eq(own.chars()))
    }

    /// A problem at a character of the text, counted from 0.
    pub fn problem(&self, message: impl Into<String>, at: Option<usize>) -> Problem {
        let message = message.into();
        let Some(at) = at else {
            let problem = Problem::new(message);
            return match &self.file {
                Some(file) => problem.at(Place::file(file)),
                None => problem,
            };
        };
        let before: String = self.text.chars().take(at).collect();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        match &self.file {
            Some(file) => {
                let mut problem = Problem::new(message).at(Place::new(file, line, column));
                problem.source = self.text.lines().nth(line - 1).map(|line| line.chars().take(400).collect());
                problem
            }
            None if line > 1 || self.text.lines().nth(1).is_some() => Problem::new(format!("{message}, in line {line} of the query")),
            None => Problem::new(message),
        }
    }

    /// The character of the text that a character of what was sent stands for; both counted from 0.
    pub fn place_of(&self, sent: usize) -> usize {
        let moved = self.moves.iter().rev().find(|(behind, _)| *behind <= sent);
        moved.map_or(sent, |(behind, own)| own + (sent - behind)).min(self.text.chars().count())
    }

    /// The character that a byte of the text, as `SQLite` counts, belongs to.
    pub fn character_of(&self, byte: usize) -> usize {
        self.text.char_indices().take_while(|(at, _)| *at < byte).count()
    }
}

/// A piece of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    /// White space and comments.
    Blank,
    /// A text or a quoted name.
    Quoted,
    /// A name, keyword or number.
    Word,
    /// `:name`
    Parameter(&'a str),
    Semicolon,
    Open,
    Close,
    Other,
}

/// The piece that begins at a byte, and where it ends.
fn piece(text: &str, at: usize, dialect: Dialect) -> Result<(Piece<'_>, usize), Mistake> {
    let rest = text.get(at..).unwrap_or_default();
    let mut characters = rest.chars();
    let (first, second) = (characters.next().unwrap_or(' '), characters.next().unwrap_or(' '));
    let until = |stop: fn(char) -> bool| rest.char_indices().find(|(_, c)| stop(*c)).map_or(text.len(), |(i, _)| at + i);
    let unclosed = |what: &str| Mistake::new(at, format!("{what} that never ends"), "close it");
    let placeholder = || Mistake::new(at, format!("`{first}` as a placeholder has no name"), "write `:name`, and its value below `parameters`");
    let postgres = dialect == Dialect::Postgres;
    Ok(match first {
        c if c.is_whitespace() => (Piece::Blank, until(|c| !c.is_whitespace())),
        '-' if second == '-' => (Piece::Blank, until(|c| c == '\n')),
        '/' if second == '*' => (Piece::Blank, at + comment(rest, postgres).ok_or_else(|| unclosed("a comment"))?),
        '\'' => (Piece::Quoted, at + quoted(rest, '\'', false).ok_or_else(|| unclosed("a text"))?),
        '"' => (Piece::Quoted, at + quoted(rest, '"', false).ok_or_else(|| unclosed("a quoted name"))?),
        '`' if !postgres => (Piece::Quoted, at + quoted(rest, '`', false).ok_or_else(|| unclosed("a quoted name"))?),
        '[' if !postgres => (Piece::Quoted, at + 1 + rest.find(']').ok_or_else(|| unclosed("a quoted name"))?),
        '$' if postgres && (second == '$' || begins_name(second)) => {
            let tag_end = rest.get(1..).and_then(|inside| inside.find(|c| !is_in_name(c) || c == '$')).map_or(rest.len(), |end| end + 1);
            let tag = rest.get(..=tag_end).filter(|tag| tag.ends_with('$')).ok_or_else(placeholder)?;
            let body = rest.get(tag.len()..).unwrap_or_default();
            (Piece::Quoted, at + tag.len() + body.find(tag).ok_or_else(|| unclosed("a text"))? + tag.len())
        }
        '$' if second.is_ascii_digit() || (!postgres && begins_name(second)) => return Err(placeholder()),
        '?' if !postgres => return Err(placeholder()),
        '@' if !postgres && begins_name(second) => return Err(placeholder()),
        ':' if second == ':' || second == '=' => (Piece::Other, at + 2),
        ':' if begins_name(second) => {
            let end = rest.char_indices().skip(1).find(|(_, c)| !c.is_ascii_alphanumeric() && *c != '_').map_or(rest.len(), |(i, _)| i);
            (Piece::Parameter(rest.get(1..end).unwrap_or_default()), at + end)
        }
        c if is_in_name(c) => {
            let end = rest.char_indices().find(|(_, c)| !is_in_name(*c)).map_or(rest.len(), |(i, _)| i);
            let word = rest.get(..end).unwrap_or_default();
            // E'…' knows backslashes.
            if postgres && word.eq_ignore_ascii_case("e") && rest.get(end..).is_some_and(|more| more.starts_with('\'')) {
                let text = rest.get(end..).unwrap_or_default();
                (Piece::Quoted, at + end + quoted(text, '\'', true).ok_or_else(|| unclosed("a text"))?)
            } else {
                (Piece::Word, at + end)
            }
        }
        ';' => (Piece::Semicolon, at + 1),
        '(' => (Piece::Open, at + 1),
        ')' => (Piece::Close, at + 1),
        '\0' => return Err(Mistake::new(at, "a NUL byte", "a query is text")),
        other => (Piece::Other, at + other.len_utf8()),
    })
}

fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// The length of a quoted piece at the start; a doubled quote is a quote.
fn quoted(text: &str, quote: char, has_escapes: bool) -> Option<usize> {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if has_escapes && c == '\\' {
            characters.next();
        } else if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + quote.len_utf8());
        }
    }
    None
}

/// The length of a comment at the start.
fn comment(text: &str, is_nested: bool) -> Option<usize> {
    let (mut at, mut depth) = (2, 1);
    while depth > 0 {
        let rest = text.get(at..)?;
        let close = rest.find("*/")?;
        (depth, at) = match rest.find("/*").filter(|open| is_nested && *open < close) {
            Some(open) => (depth + 1, at + open + 2),
            None => (depth - 1, at + close + 2),
        };
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_where_they_are_ones() {
        let text = "SELECT a::int, ':no', \":no\", E'it\\':no', $t$ :no $x$ $t$, x[1 : 2] -- :no\n/* :no /* :no */ :no */ FROM t WHERE é = :day AND b = :n2 AND c > :day ORDER BY a;";
        let statement = Statement::parse(text, None, Dialect::Postgres).unwrap();
        assert_eq!(statement.names, ["day", "n2"]);
        assert!(statement.sent.ends_with("WHERE é = $1 AND b = $2 AND c > $1 ORDER BY a"), "{}", statement.sent);
        assert!(statement.is_ordered);
        let sent = statement.sent.chars().collect::<Vec<_>>();
        for (at, c) in sent.iter().enumerate().filter(|(_, c)| **c == '>' || **c == 'é' || **c == 'Y') {
            assert_eq!(text.chars().nth(statement.place_of(at)), Some(*c));
        }
        let statement = Statement::parse("select [:no], `:no` from t where x = :yes -- ;", None, Dialect::Sqlite).unwrap();
        assert_eq!((statement.names.as_slice(), statement.is_ordered), (&["yes".to_owned()][..], false));
        assert!(!Statement::parse("SELECT row_number() OVER (ORDER BY a) FROM t", None, Dialect::Sqlite).unwrap().is_ordered);
    }

    #[test]
    fn what_is_no_single_query_is_refused_with_its_place() {
        let cases = [
            ("", "the query is empty"),
            ("-- only a remark\n", "the query is empty"),
            ("DELETE FROM t", "not a query: it begins with `DELETE`"),
            ("SELECT 1;\nDROP TABLE t", "another statement follows the query (q.sql:2:1)"),
            ("SELECT 'a", "a text that never ends (q.sql:1:8)"),
            ("SELECT /* a", "a comment that never ends (q.sql:1:8)"),
            ("SELECT $1", "`$` as a placeholder has no name (q.sql:1:8)"),
        ];
        for (text, says) in cases {
            for dialect in [Dialect::Sqlite, Dialect::Postgres] {
                let problem = Statement::parse(text, Some("q.sql"), dialect).unwrap_err();
                let said = crate::error::Error { kind: crate::error::Kind::Config, problems: vec![*problem] }.to_string();
                assert!(said.starts_with(says), "{text}: {said}");
            }
        }
        assert!(Statement::parse("SELECT ?", None, Dialect::Sqlite).is_err());
        assert!(Statement::parse("SELECT a ? 'key' FROM t; -- done", None, Dialect::Postgres).is_ok());
    }

    #[test]
    fn parameters_without_a_value_and_values_without_a_parameter_are_named() {
        let statement = Statement::parse("SELECT *\nFROM t WHERE d = :day", Some("q.sql"), Dialect::Postgres).unwrap();
        let (missing, unused) = statement.mismatches(&BTreeMap::from([("dya".to_owned(), 1)]));
        assert_eq!(missing.iter().map(|p| p.place.clone()).collect::<Vec<_>>(), [Some(Place::new("q.sql", 2, 18))]);
        assert_eq!(missing[0].hint.as_deref(), Some("did you mean `:dya`?"));
        assert_eq!(unused, [("dya".to_owned(), Some("did you mean `day`?".to_owned()))]);
    }
}
