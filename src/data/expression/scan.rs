//! A look at the words of an expression before polars sees it.
//!
//! polars would run a subquery's table functions (which read files) while it parses, says nothing of
//! where a text is wrong, and takes `a b` for an alias. So the words are judged here first: which
//! functions are called, and what no expression may hold. This does not parse; polars does.

use crate::error::{Error, Result, nearest, shorten};
use crate::value::suggest;

/// Words, numbers and signs in one expression: as much as polars' recursion surely stands.
const MAX_TOKENS: usize = 1_000;

/// Functions that work on one row.
const ROW_FUNCTIONS: &[&str] = &[
    "ABS",
    "ACOS",
    "ACOSD",
    "ASIN",
    "ASIND",
    "ATAN",
    "ATAN2",
    "ATAN2D",
    "ATAND",
    "BIT_AND",
    "BIT_LENGTH",
    "BIT_NOT",
    "BIT_OR",
    "BIT_XOR",
    "CBRT",
    "CEIL",
    "CEILING",
    "CHAR_LENGTH",
    "CHARACTER_LENGTH",
    "COALESCE",
    "CONCAT",
    "CONCAT_WS",
    "COS",
    "COSD",
    "COT",
    "COTD",
    "DATE",
    "DATE_PART",
    "DATETIME",
    "DEGREES",
    "DIV",
    "ENDS_WITH",
    "EXP",
    "FLOOR",
    "GREATEST",
    "IF",
    "IFNULL",
    "LEAST",
    "LEFT",
    "LENGTH",
    "LN",
    "LOG",
    "LOG10",
    "LOG1P",
    "LOG2",
    "LOWER",
    "LPAD",
    "LTRIM",
    "MOD",
    "NORMALIZE",
    "NULLIF",
    "OCTET_LENGTH",
    "PI",
    "POW",
    "POWER",
    "RADIANS",
    "REGEXP_LIKE",
    "REPLACE",
    "REVERSE",
    "RIGHT",
    "ROUND",
    "RPAD",
    "RTRIM",
    "SIGN",
    "SIN",
    "SIND",
    "SPLIT_PART",
    "SQRT",
    "STARTS_WITH",
    "STRFTIME",
    "STRPOS",
    "STRPTIME",
    "SUBSTR",
    "TAN",
    "TAND",
    "TIME",
    "TIMESTAMP",
    "TRUNC",
    "TRUNCATE",
    "UPPER",
];

/// Functions that make one value of all rows.
pub(super) const AGGREGATES: &[&str] = &[
    "AVG",
    "CORR",
    "COUNT",
    "COVAR",
    "COVAR_POP",
    "COVAR_SAMP",
    "FIRST",
    "LAST",
    "MAX",
    "MEDIAN",
    "MIN",
    "QUANTILE_CONT",
    "QUANTILE_DISC",
    "STDDEV",
    "STDDEV_SAMP",
    "STDEV",
    "STDEV_SAMP",
    "SUM",
    "TOTAL",
    "VAR",
    "VAR_SAMP",
    "VARIANCE",
];

/// Known to polars, but they look at other rows or make several values of one; refused everywhere.
const OTHERS: &[&str] = &[
    "ARRAY_AGG",
    "COLUMNS",
    "DENSE_RANK",
    "FIRST_VALUE",
    "GROUP_CONCAT",
    "LAG",
    "LAST_VALUE",
    "LEAD",
    "LISTAGG",
    "RANK",
    "ROW_NUMBER",
    "STRING_AGG",
    "UNNEST",
];

/// Words of the language that may stand before a bracket: operators and special forms.
const SYNTAX: &[&str] = &[
    "AND",
    "BETWEEN",
    "CASE",
    "CAST",
    "DISTINCT",
    "ELSE",
    "EXTRACT",
    "FILTER",
    "FOR",
    "FROM",
    "ILIKE",
    "IN",
    "IS",
    "LIKE",
    "NOT",
    "OR",
    "POSITION",
    "REGEXP",
    "RLIKE",
    "SAFE_CAST",
    "SUBSTRING",
    "THEN",
    "TRIM",
    "TRY_CAST",
    "WHEN",
    "WHERE",
    "XOR",
];

/// Types of a cast. `INT` has 32 bits, `BIGINT` 64.
const TYPES: &[&str] = &[
    "BIGINT",
    "BOOL",
    "BOOLEAN",
    "CHAR",
    "DATE",
    "DATETIME",
    "DECIMAL",
    "DOUBLE",
    "FLOAT",
    "FLOAT4",
    "FLOAT8",
    "INT",
    "INT2",
    "INT4",
    "INT8",
    "INTEGER",
    "NUMERIC",
    "REAL",
    "SMALLINT",
    "STRING",
    "TEXT",
    "TIME",
    "TIMESTAMP",
    "TINYINT",
    "VARCHAR",
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    /// A name in double quotes or back-ticks, the quotes included.
    Quoted(&'a str),
    Text(&'a str),
    Number(&'a str),
    Sign(char),
}

/// What an expression may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Row,
    Whole,
}

/// The expression as polars can read it, if its words may stand in this scope.
///
/// # Errors
/// Comments, several statements, queries, windows, calls that are unknown or do not belong in `scope`.
pub(super) fn scan(text: &str, scope: Scope) -> Result<String> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Err(Error::config("an expression is empty"));
    }
    if tokens.len() > MAX_TOKENS {
        return Err(Error::config(format!("an expression is too long: {} words and signs, {MAX_TOKENS} are allowed", tokens.len())));
    }
    let words: Vec<Token> = tokens.iter().map(|(_, token)| *token).collect();
    for i in 0..words.len() {
        judge(&words, i, scope).map_err(|refusal| {
            let error = Error::config(format!("{}: `{}`", refusal.message, shorten(text)));
            if refusal.hint.is_empty() { error } else { error.hint(refusal.hint) }
        })?;
    }
    Ok(with_points(text, &tokens))
}

/// Why a word may not stand where it does.
struct Refusal {
    message: String,
    hint: String,
}

fn refuse<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { message: message.into(), hint: hint.into() })
}

fn judge(tokens: &[Token], i: usize, scope: Scope) -> Result<(), Refusal> {
    let at = |i: usize| tokens.get(i).copied();
    let called = at(i + 1) == Some(Token::Sign('('));
    match at(i) {
        Some(Token::Sign(';')) => refuse("one expression is wanted, and `;` ends a statement", ""),
        Some(Token::Sign('[' | ']')) => refuse("lists have no place in an expression", ""),
        Some(Token::Sign('.')) => refuse(
            "a name before a dot stands for a table, and there is none here",
            "a column whose name has a dot is written in double quotes: `\"trip.distance\"`",
        ),
        Some(Token::Sign(':')) if at(i + 1) != Some(Token::Sign(':')) => known_type(tokens, i + 1),
        Some(Token::Quoted(name)) if called => refuse(format!("a function's name takes no quotes: {name}"), ""),
        Some(Token::Word(word)) => match (word.to_ascii_uppercase().as_str(), at(i + 1)) {
            ("SELECT", _) => refuse("a query cannot stand in an expression", "name columns of this table only; a join belongs in an SQL hook"),
            (query @ ("ANY" | "ALL" | "SOME" | "EXISTS"), _) if called => refuse(format!("`{query}` asks a query, which cannot stand in an expression"), ""),
            ("OVER", _) if i.checked_sub(1).and_then(at) == Some(Token::Sign(')')) => {
                refuse("a window function looks at other rows, so it would leak what a row must not know", "work out each row by itself")
            }
            ("AS", _) => known_type(tokens, i + 1),
            ("DATE", Some(Token::Text(text))) if chrono::NaiveDate::parse_from_str(text.trim_matches('\''), "%Y-%m-%d").is_err() => {
                refuse(format!("there is no date {text}"), "a date is written `DATE '2024-06-01'`")
            }
            ("INTERVAL", Some(Token::Text(text))) if !is_interval(text.trim_matches('\'')) => {
                refuse(format!("there is no interval {text}"), "an interval is written `INTERVAL '2 days 30 minutes'`")
            }
            (name, _) if called => call(name, at(i + 2) == Some(Token::Sign(')')), scope),
            _ => Ok(()),
        },
        _ => Ok(()),
    }?;
    if substr_of_a_column(&tokens[i..]) {
        return refuse("`SUBSTR` with two arguments wants a plain number for the second", "give the length as third argument: `SUBSTR(text, start, 1000000)`");
    }
    Ok(())
}

fn call(name: &str, without_arguments: bool, scope: Scope) -> Result<(), Refusal> {
    if AGGREGATES.contains(&name) && scope == Scope::Row {
        return refuse(
            format!("an aggregate here would leak: `{name}` looks at all rows, and this is worked out a row at a time"),
            "fit it on training rows with a transform, or use an aggregate in a metric or an `aggregate` test",
        );
    }
    if OTHERS.contains(&name) {
        return refuse(format!("`{name}` looks at other rows or makes several values of one, which an expression must not"), "");
    }
    if !SYNTAX.contains(&name) && !TYPES.contains(&name) && !ROW_FUNCTIONS.contains(&name) && !AGGREGATES.contains(&name) {
        let aggregates = if scope == Scope::Whole { AGGREGATES } else { &[] };
        let near = nearest(name, ROW_FUNCTIONS.iter().chain(aggregates).copied());
        return refuse(format!("unknown function `{}`", shorten(name)), near.map_or_else(String::new, |near| format!("did you mean `{near}`?")));
    }
    if without_arguments && !matches!(name, "PI" | "COUNT") {
        return refuse(format!("`{name}` wants something in its brackets"), "");
    }
    Ok(())
}

/// The type of a cast: polars stops the whole program at some that it was built without.
fn known_type(tokens: &[Token], i: usize) -> Result<(), Refusal> {
    let Some(Token::Word(word)) = tokens.get(i) else { return Ok(()) };
    let name = word.to_ascii_uppercase();
    if !TYPES.contains(&name.as_str()) {
        return refuse(format!("unknown type `{}`", shorten(word)), suggest(&name, TYPES));
    }
    let digits = |i: usize| if let Some(Token::Number(digits)) = tokens.get(i) { digits.parse::<u32>().ok() } else { None };
    if matches!(name.as_str(), "DECIMAL" | "NUMERIC") && tokens.get(i + 1) == Some(&Token::Sign('(')) {
        let scale = if tokens.get(i + 3) == Some(&Token::Sign(',')) { digits(i + 4) } else { Some(0) };
        if !matches!((digits(i + 2), scale), (Some(precision @ 1..=38), Some(scale)) if scale <= precision) {
            return refuse(format!("`{name}` has 1 to 38 digits, and no more than that behind the point"), "");
        }
    }
    Ok(())
}

/// `2 days 30 minutes`.
fn is_interval(text: &str) -> bool {
    const UNITS: &[&str] = &["year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond", "microsecond", "nanosecond"];
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let is_part = |part: &[String]| matches!(part, [count, unit] if count.parse::<u32>().is_ok() && UNITS.contains(&unit.strip_suffix('s').unwrap_or(unit)));
    !words.is_empty() && words.chunks(2).all(is_part)
}

/// polars gives the start plus one, not the text, for `SUBSTR(text, column)`.
fn substr_of_a_column(tokens: &[Token]) -> bool {
    if !matches!(tokens.first(), Some(Token::Word(word)) if word.eq_ignore_ascii_case("SUBSTR")) {
        return false;
    }
    let mut depth = 0_usize;
    let mut arguments: Vec<Vec<Token>> = vec![Vec::new()];
    for token in &tokens[1..] {
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => depth = depth.saturating_sub(1),
            Token::Sign(',') if depth == 1 => {
                arguments.push(Vec::new());
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if let Some(last) = arguments.last_mut() {
            last.push(*token);
        }
    }
    matches!(arguments.as_slice(), [_, start] if !matches!(start.as_slice(), [Token::Number(_)] | [Token::Sign('-'), Token::Number(_)]))
}

/// The text with `1e-3` as `1.0e-3`, which polars can read.
fn with_points(text: &str, tokens: &[(usize, Token)]) -> String {
    let mut out = String::new();
    let mut done = 0;
    for (start, token) in tokens {
        if let Token::Number(number) = token
            && let Some(exponent) = number.find(['e', 'E'])
            && !number.contains('.')
        {
            out.push_str(&text[done..start + exponent]);
            out.push_str(".0");
            done = start + exponent;
        }
    }
    out.push_str(&text[done..]);
    out
}

/// The tokens with the byte where each begins; blanks are left out.
fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>> {
    let bad = |what: &str| Error::config(format!("{what}: `{}`", shorten(text)));
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let token = match first {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '\'' => Token::Text(quoted(rest, first).ok_or_else(|| bad("a text is not closed"))?),
            '"' | '`' => Token::Quoted(quoted(rest, first).ok_or_else(|| bad("a quoted name is not closed"))?),
            c if c.is_alphabetic() || c == '_' => {
                let (word, behind) = rest.split_at(rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len()));
                if word.len() <= 2 && behind.starts_with(['\'', '"']) {
                    return Err(bad("a text takes no letter before its quotes"));
                }
                Token::Word(word)
            }
            c if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) => {
                let (number, behind) = rest.split_at(number(rest));
                if behind.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
                    return Err(bad("a name that begins with a digit must stand in double quotes").hint("write it as `\"2nd_fare\"`"));
                }
                Token::Number(number)
            }
            _ if rest.starts_with("--") || rest.starts_with("/*") => {
                return Err(bad("a comment cannot stand in an expression").hint("two minus signs need a blank between them; YAML comments begin with `#`"));
            }
            '$' | '\\' | '?' | '@' | '#' | '{' | '}' => return Err(bad(&format!("`{first}` has no meaning in an expression"))),
            c => Token::Sign(c),
        };
        tokens.push((at, token));
        at += match token {
            Token::Word(part) | Token::Quoted(part) | Token::Text(part) | Token::Number(part) => part.len(),
            Token::Sign(sign) => sign.len_utf8(),
        };
    }
    Ok(tokens)
}

/// The quoted piece at the start of a text, with its quotes; a doubled quote inside stands for itself.
fn quoted(text: &str, quote: char) -> Option<&str> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            if chars.peek().is_some_and(|(_, next)| *next == quote) {
                chars.next();
            } else {
                return text.get(..=at);
            }
        }
    }
    None
}

/// The length of the number at the start of a text.
fn number(text: &str) -> usize {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let mut length = digits(text);
    if text[length..].starts_with('.') {
        length += 1 + digits(&text[length + 1..]);
    }
    if text[length..].starts_with(['e', 'E']) {
        let sign = usize::from(text[length + 1..].starts_with(['+', '-']));
        let exponent = digits(&text[length + 1 + sign..]);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    length
}
