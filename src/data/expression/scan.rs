//! A look at the words of an expression before polars sees it.
//!
//! polars would run a subquery's table functions (which read files) while it parses, says nothing of
//! where a text is wrong, and takes `a b` for an alias. So the words are judged here first: which
//! functions are called, and what no expression may hold. This does not parse; polars does.

use crate::error::{Error, Result, nearest, shorten};

/// Words, numbers and signs in one expression: as much as polars' recursion surely stands.
const MAX_TOKENS: usize = 1_000;

/// Functions that work on one row.
pub(super) const ROW_FUNCTIONS: &[&str] = &[
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

/// Words of the language that may stand before a bracket: operators, special forms, types.
const SYNTAX: &[&str] = &[
    "AND",
    "AS",
    "BETWEEN",
    "CASE",
    "CAST",
    "CHAR",
    "DECIMAL",
    "DISTINCT",
    "DOUBLE",
    "ELSE",
    "EXTRACT",
    "FILTER",
    "FLOAT",
    "FOR",
    "FROM",
    "ILIKE",
    "IN",
    "IS",
    "LIKE",
    "NOT",
    "NUMERIC",
    "OR",
    "POSITION",
    "REGEXP",
    "RLIKE",
    "SAFE_CAST",
    "SUBSTRING",
    "THEN",
    "TRIM",
    "TRY_CAST",
    "VARCHAR",
    "WHEN",
    "WHERE",
    "XOR",
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
    for (i, (_, token)) in tokens.iter().enumerate() {
        let neighbour = |i: usize| tokens.get(i).map(|(_, token)| *token);
        judge(*token, i.checked_sub(1).and_then(neighbour), neighbour(i + 1), scope).map_err(|(message, hint)| {
            let error = Error::config(format!("{message}: `{}`", shorten(text)));
            if hint.is_empty() { error } else { error.hint(hint) }
        })?;
    }
    if substr_from_a_column(&tokens) {
        return Err(Error::config(format!("`SUBSTR` with two arguments wants a plain number for the second: `{}`", shorten(text)))
            .hint("give the length as third argument: `SUBSTR(text, start, 1000000)`"));
    }
    Ok(with_points(text, &tokens))
}

fn judge(token: Token, before: Option<Token>, after: Option<Token>, scope: Scope) -> Result<(), (String, String)> {
    let called = after == Some(Token::Sign('('));
    match token {
        Token::Sign(';') => Err(("one expression is wanted, and `;` ends a statement".to_owned(), String::new())),
        Token::Sign('.') => Err((
            "a name before a dot stands for a table, and there is none here".to_owned(),
            "a column whose name has a dot is written in double quotes: `\"trip.distance\"`".to_owned(),
        )),
        Token::Quoted(name) if called => Err((format!("a function's name takes no quotes: {name}"), String::new())),
        Token::Word(word) => {
            let upper = word.to_ascii_uppercase();
            match upper.as_str() {
                "SELECT" => {
                    Err(("a query cannot stand in an expression".to_owned(), "name columns of this table only; a join belongs in an SQL hook".to_owned()))
                }
                "ANY" | "ALL" | "SOME" | "EXISTS" if called => Err((format!("`{upper}` asks a query, which cannot stand in an expression"), String::new())),
                "OVER" if before == Some(Token::Sign(')')) => Err((
                    "a window function looks at other rows, so it would leak what a row must not know".to_owned(),
                    "work out each row by itself".to_owned(),
                )),
                _ if called => call(&upper, scope),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn call(name: &str, scope: Scope) -> Result<(), (String, String)> {
    if SYNTAX.contains(&name) || ROW_FUNCTIONS.contains(&name) {
        return Ok(());
    }
    if AGGREGATES.contains(&name) {
        return match scope {
            Scope::Whole => Ok(()),
            Scope::Row => Err((
                format!("an aggregate here would leak: `{name}` looks at all rows, and this is worked out a row at a time"),
                "fit it on training rows with a transform, or use an aggregate in a metric or an `aggregate` test".to_owned(),
            )),
        };
    }
    if OTHERS.contains(&name) {
        return Err((format!("`{name}` looks at other rows or makes several values of one, which an expression must not"), String::new()));
    }
    let aggregates = if scope == Scope::Whole { AGGREGATES } else { &[] };
    let near = nearest(name, ROW_FUNCTIONS.iter().chain(aggregates).copied());
    Err((format!("unknown function `{}`", shorten(name)), near.map_or_else(String::new, |near| format!("did you mean `{near}`?"))))
}

/// polars gives the start plus one, not the text, for `SUBSTR(text, column)`.
fn substr_from_a_column(tokens: &[(usize, Token)]) -> bool {
    tokens.iter().enumerate().any(|(i, (_, token))| {
        if !matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("SUBSTR")) {
            return false;
        }
        let mut depth = 0_usize;
        let mut arguments: Vec<Vec<Token>> = vec![Vec::new()];
        for (_, token) in tokens.iter().skip(i + 1) {
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
    })
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
