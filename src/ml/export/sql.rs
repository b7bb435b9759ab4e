//! A [`Program`] as one SQL query: common table expressions in stages, each of which adds columns that later ones use again.
//!
//! What is used once stands where it is used. Trees are nested `CASE`s, 25 of them a column, because a flat sum over all is far
//! slower. Floats are written with all their digits and an exponent, so that every dialect takes them for 64-bit floats.
//!
//! NULL is missing. A NaN in a column of floats becomes NULL first, where the dialect has NaN at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::lowering::Why;
use super::program::{Comparison, Forest, Form, Function, Id, InputKind, Keys, Kind, OutputKind, Program, Values};
use crate::ml::trees::tree::Rule;

/// Trees whose sum is one column.
const TREES_A_COLUMN: usize = 25;
/// What is longer than this and used again becomes a column.
const SHORT: usize = 40;
/// Terms of a sum behind each other; more are put into groups, since parsers limit how deep an expression may be.
const TERMS_IN_A_ROW: usize = 100;
/// Questions on a path above which a tree is refused, for the same reason.
const DEEPEST: usize = 400;

/// Whose SQL it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    DuckDb,
    Postgres,
    Sqlite,
    Spark,
    BigQuery,
}

impl Dialect {
    pub const ALL: [Self; 5] = [Self::DuckDb, Self::Postgres, Self::Sqlite, Self::Spark, Self::BigQuery];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DuckDb => "duckdb",
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
            Self::Spark => "spark",
            Self::BigQuery => "bigquery",
        }
    }

    /// What the dialect asks of who runs the query.
    #[must_use]
    pub fn remarks(self) -> &'static [&'static str] {
        match self {
            Self::DuckDb => &[],
            Self::Postgres => &["numbers beyond 1e±307 on the way to a prediction are an error in PostgreSQL, not infinity"],
            Self::Sqlite => &["dates and times are ISO 8601 text; needs SQLite 3.35 with its mathematical functions"],
            Self::Spark => &["the session's time zone must be UTC where the model reads dates or times"],
            Self::BigQuery => &["not run by the tests of this program"],
        }
    }

    /// Columns that one stage may have, leaves that a query may have, bytes that it may have.
    fn limits(self) -> (usize, usize, usize) {
        match self {
            Self::DuckDb => (100_000, 2_000_000, 256 << 20),
            Self::Postgres => (1_600, 500_000, 64 << 20),
            Self::Sqlite => (2_000, 2_000_000, 256 << 20),
            Self::Spark => (10_000, 3_000, 16 << 20),
            Self::BigQuery => (10_000, 20_000, 1_000_000),
        }
    }

    fn float(self) -> &'static str {
        match self {
            Self::DuckDb | Self::Spark => "DOUBLE",
            Self::Postgres => "DOUBLE PRECISION",
            Self::Sqlite => "REAL",
            Self::BigQuery => "FLOAT64",
        }
    }

    /// A name of a column or table.
    #[must_use]
    pub fn name_of(self, name: &str) -> String {
        match self {
            Self::DuckDb | Self::Postgres | Self::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::Spark => format!("`{}`", name.replace('`', "``")),
            Self::BigQuery => format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`")),
        }
    }

    fn text(self, text: &str) -> String {
        match self {
            Self::DuckDb | Self::Postgres | Self::Sqlite => format!("'{}'", text.replace('\'', "''")),
            Self::Spark | Self::BigQuery => {
                let escaped = text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n").replace('\r', "\\r");
                format!("'{escaped}'")
            }
        }
    }

    /// The condition that a text before it is as a pattern says, see [`Form::Like`].
    fn like(self, pattern: &str) -> String {
        match self {
            // `LIKE` takes capital and small letters for the same there.
            Self::Sqlite => {
                let glob: String = pattern
                    .chars()
                    .map(|c| match c {
                        '%' => "*".to_owned(),
                        '_' => "?".to_owned(),
                        '*' | '?' | '[' => format!("[{c}]"),
                        c => c.to_string(),
                    })
                    .collect();
                format!("GLOB {}", self.text(&glob))
            }
            Self::DuckDb => format!("LIKE {}", self.text(pattern)),
            // A backslash keeps what follows from being a sign.
            Self::Postgres | Self::Spark | Self::BigQuery => format!("LIKE {}", self.text(&pattern.replace('\\', "\\\\"))),
        }
    }

    /// A number that nothing beside it says to be a float.
    fn number(self, number: f64) -> String {
        let float = self.float();
        if number.is_nan() {
            return if self == Self::Sqlite { "NULL".to_owned() } else { format!("CAST(NULL AS {float})") };
        }
        if number.is_infinite() {
            let sign = if number < 0.0 { "-" } else { "" };
            return if self == Self::Sqlite { format!("{sign}9e999") } else { format!("CAST('{sign}infinity' AS {float})") };
        }
        if self == Self::Postgres { format!("{number:e}::float8") } else { format!("{number:e}") }
    }

    fn truth_as_number(self, truth: &str) -> String {
        match self {
            Self::DuckDb | Self::Sqlite | Self::Spark => format!("CAST({truth} AS {})", self.float()),
            Self::Postgres => format!("CAST(CAST({truth} AS INTEGER) AS DOUBLE PRECISION)"),
            Self::BigQuery => format!("CAST(CAST({truth} AS INT64) AS FLOAT64)"),
        }
    }

    /// A raw column as a number or text of ours.
    fn input(self, column: &str, kind: InputKind) -> Result<String, Why> {
        let float = self.float();
        Ok(match (kind, self) {
            (InputKind::Text, _) => column.to_owned(),
            (InputKind::Number, Self::Sqlite) => format!("CAST({column} AS REAL)"),
            (InputKind::Number, Self::BigQuery) => format!("IF(IS_NAN({column}), NULL, CAST({column} AS FLOAT64))"),
            (InputKind::Number, _) => format!("NULLIF(CAST({column} AS {float}), CAST('NaN' AS {float}))"),
            (InputKind::Boolean, _) => self.truth_as_number(column),
            (InputKind::Date | InputKind::Datetime, Self::DuckDb) => format!("epoch_us(CAST({column} AS TIMESTAMP)) / 1e6"),
            (InputKind::Time, Self::DuckDb) => format!("epoch_us({column}) / 1e6"),
            (InputKind::Date | InputKind::Datetime, Self::Postgres) => format!("CAST(EXTRACT(EPOCH FROM CAST({column} AS TIMESTAMP)) AS DOUBLE PRECISION)"),
            (InputKind::Time, Self::Postgres) => format!("CAST(EXTRACT(EPOCH FROM {column}) AS DOUBLE PRECISION)"),
            (InputKind::Date | InputKind::Datetime, Self::Sqlite) => {
                format!("CAST(strftime('%s', substr({column}, 1, 19)) AS REAL) + CAST('0' || substr({column}, 20) AS REAL)")
            }
            (InputKind::Time, Self::Sqlite) => {
                format!("CAST(strftime('%s', '1970-01-01 ' || substr({column}, 1, 8)) AS REAL) + CAST('0' || substr({column}, 9) AS REAL)")
            }
            (InputKind::Date | InputKind::Datetime, Self::Spark) => format!("unix_micros(CAST({column} AS TIMESTAMP)) / 1e6"),
            (InputKind::Time, Self::Spark) => return Err(Why::new("reads a time of day, for which Spark has no type")),
            (InputKind::Date | InputKind::Datetime, Self::BigQuery) => format!("UNIX_MICROS(TIMESTAMP({column})) / 1e6"),
            (InputKind::Time, Self::BigQuery) => format!("TIME_DIFF({column}, TIME '00:00:00', MICROSECOND) / 1e6"),
        })
    }

    fn output(self, value: &str, kind: OutputKind) -> String {
        match (kind, self) {
            (OutputKind::Float | OutputKind::Text, _) => value.to_owned(),
            (OutputKind::Boolean | OutputKind::Integer, Self::Sqlite) => format!("CAST({value} AS INTEGER)"),
            (OutputKind::Boolean, _) => format!("({value} = 1e0)"),
            (OutputKind::Integer, Self::BigQuery) => format!("CAST({value} AS INT64)"),
            (OutputKind::Integer, _) => format!("CAST({value} AS BIGINT)"),
        }
    }
}

/// What the query reads and passes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// As it is to stand behind `FROM`: a name, or `schema.name`.
    pub table: &'a str,
    /// Columns of the table that stand before the predictions.
    pub keep: &'a [String],
}

/// The query whose rows are the predictions.
///
/// # Errors
/// What the dialect cannot say, or not so much of.
pub fn write(program: &Program, dialect: Dialect, query: &Query<'_>) -> Result<String, Why> {
    let (most_columns, most_leaves, most_bytes) = dialect.limits();
    let leaves: usize = program.forests.iter().map(|forest| forest.trees.leaves()).sum();
    if leaves > most_leaves {
        return Err(Why::new(format!("has {leaves} leaves in its trees; {} takes {most_leaves} at most", dialect.name())));
    }
    let mut names: BTreeSet<String> = program.inputs.iter().map(|input| input.name.to_lowercase()).collect();
    if names.len() < program.inputs.len() && dialect != Dialect::Postgres {
        return Err(Why::new(format!("reads columns whose names differ by case alone, which are one to {}", dialect.name())));
    }
    names.extend(query.keep.iter().map(|name| name.to_lowercase()));
    let mut prefix = "step".to_owned();
    while names.iter().any(|name| name.starts_with(&prefix)) {
        prefix.push('_');
    }
    let mut writer = Writer { program, dialect, prefix, uses: program.uses(), texts: BTreeMap::new(), columns: Vec::new(), inputs: Vec::new() };
    for (place, input) in program.inputs.iter().enumerate() {
        let column = dialect.name_of(&input.name);
        let text = dialect.input(&column, input.kind)?;
        writer.columns.push(Column { name: column, text, level: 0, reads: BTreeSet::new() });
        writer.inputs.push(place);
    }
    let kept = query.keep.iter().enumerate().map(|(i, name)| Column {
        name: format!("{}_kept_{i}", writer.prefix),
        text: dialect.name_of(name),
        level: 0,
        reads: BTreeSet::new(),
    });
    writer.columns.extend(kept.collect::<Vec<_>>());
    let mut outputs = Vec::with_capacity(program.outputs.len());
    for output in &program.outputs {
        let piece = writer.piece(output.id)?;
        outputs.push((piece, output));
    }
    let text = writer.joined(query, &outputs, most_columns)?;
    if text.len() > most_bytes {
        return Err(Why::new(format!("makes a query of {} bytes; {} takes {most_bytes} at most", text.len(), dialect.name())));
    }
    Ok(text)
}

/// A column of a stage.
struct Column {
    name: String,
    text: String,
    /// The stage that makes it; it reads columns of earlier ones.
    level: usize,
    reads: BTreeSet<usize>,
}

/// An expression, and the columns that it reads.
#[derive(Clone, Default)]
struct Piece {
    text: String,
    reads: BTreeSet<usize>,
    /// May it stand beside an operator without brackets?
    is_closed: bool,
}

struct Writer<'a> {
    program: &'a Program,
    dialect: Dialect,
    prefix: String,
    uses: Vec<usize>,
    /// What was written already.
    texts: BTreeMap<Id, Piece>,
    columns: Vec<Column>,
    /// The column of each input.
    inputs: Vec<usize>,
}

impl Piece {
    fn closed(text: String, reads: BTreeSet<usize>) -> Self {
        Self { text, reads, is_closed: true }
    }

    /// As an operand.
    fn operand(&self) -> String {
        if self.is_closed { self.text.clone() } else { format!("({})", self.text) }
    }
}

impl Writer<'_> {
    /// A node as an expression: a column, where it is long and used again.
    fn piece(&mut self, id: Id) -> Result<Piece, Why> {
        if let Some(known) = self.texts.get(&id) {
            return Ok(known.clone());
        }
        let mut piece = self.fresh(id)?;
        if self.uses[id.place()] > 1 && piece.text.len() > SHORT {
            piece = self.column(id, piece);
        }
        self.texts.insert(id, piece.clone());
        Ok(piece)
    }

    /// A node that is going to be written several times.
    fn short(&mut self, id: Id) -> Result<Piece, Why> {
        let mut piece = self.piece(id)?;
        if piece.text.len() > SHORT {
            piece = self.column(id, piece);
            self.texts.insert(id, piece.clone());
        }
        Ok(piece)
    }

    fn column(&mut self, id: Id, piece: Piece) -> Piece {
        let name = format!("{}_{}", self.prefix, id.place());
        self.add_column(name, piece)
    }

    fn add_column(&mut self, name: String, piece: Piece) -> Piece {
        let level = piece.reads.iter().map(|column| self.columns[*column].level + 1).max().unwrap_or(1);
        self.columns.push(Column { name: name.clone(), text: piece.text, level, reads: piece.reads });
        Piece::closed(name, BTreeSet::from([self.columns.len() - 1]))
    }

    fn fresh(&mut self, id: Id) -> Result<Piece, Why> {
        let dialect = self.dialect;
        let program = self.program;
        Ok(match program.form(id) {
            Form::Input(place) => {
                let column = self.inputs[*place];
                Piece::closed(self.columns[column].name.clone(), BTreeSet::from([column]))
            }
            Form::Number(number) => Piece::closed(dialect.number(number.number()), BTreeSet::new()),
            Form::Text(None) => Piece::closed("NULL".to_owned(), BTreeSet::new()),
            Form::Text(Some(text)) if text.contains('\0') => return Err(Why::new("has a text with a NUL character, which SQL has not")),
            Form::Text(Some(text)) => Piece::closed(dialect.text(text), BTreeSet::new()),
            Form::Sum { terms, constant } => self.sum(terms.iter().map(|(id, factor)| (*id, factor.number())), constant.number())?,
            Form::Product(a, b) => self.operator(*a, " * ", *b)?,
            Form::Quotient(a, b) => match program.form(*b) {
                Form::Number(number) if number.number() != 0.0 => self.operator(*a, " / ", *b)?,
                _ => self.quotient(*a, *b)?,
            },
            Form::Function(function, of) => self.function(*function, *of)?,
            Form::Largest(all) => {
                let pieces = all.iter().map(|id| self.piece(*id)).collect::<Result<Vec<_>, _>>()?;
                let name = if dialect == Dialect::Sqlite { "max" } else { "greatest" };
                let texts: Vec<&str> = pieces.iter().map(|piece| piece.text.as_str()).collect();
                Piece::closed(format!("{name}({})", texts.join(", ")), reads(&pieces))
            }
            Form::Choose { cases, otherwise } => {
                if let [(is_missing, fill)] = cases.as_slice()
                    && program.form(*is_missing) == &Form::IsMissing(*otherwise)
                {
                    let (value, fill) = (self.piece(*otherwise)?, self.piece(*fill)?);
                    return Ok(Piece::closed(format!("COALESCE({}, {})", value.text, fill.text), reads(&[value, fill])));
                }
                let mut text = "CASE".to_owned();
                let mut all = Vec::with_capacity(2 * cases.len() + 1);
                for (is, value) in cases {
                    let (is, value) = (self.piece(*is)?, self.piece(*value)?);
                    let _ = write!(text, " WHEN {} THEN {}", is.text, value.text);
                    all.extend([is, value]);
                }
                let otherwise = self.piece(*otherwise)?;
                let _ = write!(text, " ELSE {} END", otherwise.text);
                all.push(otherwise);
                Piece::closed(text, reads(&all))
            }
            Form::Lookup { table, of } => self.lookup(*table, *of)?,
            Form::Curve { curve, at } => self.curve(*curve, *at)?,
            Form::Trees { forest, output } => {
                let forest = program.forests.get(*forest).ok_or_else(Why::said)?;
                self.trees(id, forest, *output)?
            }
            Form::Compare(comparison, a, b) => {
                let sign = match comparison {
                    Comparison::Equal => " = ",
                    Comparison::Less => " < ",
                    Comparison::LessOrEqual => " <= ",
                };
                // The number on the right, as people write it.
                match (program.form(*a), comparison) {
                    (Form::Number(_), Comparison::Less) => self.operator(*b, " > ", *a)?,
                    (Form::Number(_), Comparison::LessOrEqual) => self.operator(*b, " >= ", *a)?,
                    _ => self.operator(*a, sign, *b)?,
                }
            }
            Form::IsMissing(of) => {
                let of = self.piece(*of)?;
                Piece { text: format!("{} IS NULL", of.operand()), reads: of.reads, is_closed: false }
            }
            Form::Like(of, pattern) => {
                let of = self.piece(*of)?;
                Piece { text: format!("{} {}", of.operand(), dialect.like(pattern)), reads: of.reads, is_closed: false }
            }
            Form::All(all) => self.joined_truths(all, " AND ")?,
            Form::Any(all) => self.joined_truths(all, " OR ")?,
            Form::Not(of) => {
                let of = self.piece(*of)?;
                Piece { text: format!("NOT ({})", of.text), reads: of.reads, is_closed: false }
            }
            Form::AsNumber(truth) => {
                let truth = self.piece(*truth)?;
                Piece::closed(dialect.truth_as_number(&truth.operand()), truth.reads)
            }
        })
    }

    fn operator(&mut self, a: Id, sign: &str, b: Id) -> Result<Piece, Why> {
        let (a, b) = (self.piece(a)?, self.piece(b)?);
        Ok(Piece { text: format!("{}{sign}{}", a.operand(), b.operand()), reads: reads(&[a, b]), is_closed: false })
    }

    fn joined_truths(&mut self, all: &[Id], sign: &str) -> Result<Piece, Why> {
        let pieces = all.iter().map(|id| self.piece(*id)).collect::<Result<Vec<_>, _>>()?;
        let texts: Vec<String> = pieces.iter().map(Piece::operand).collect();
        Ok(Piece { text: texts.join(sign), reads: reads(&pieces), is_closed: pieces.len() == 1 && pieces[0].is_closed })
    }

    /// constant + Σ, in the order in which this program adds.
    fn sum(&mut self, terms: impl Iterator<Item = (Id, f64)>, constant: f64) -> Result<Piece, Why> {
        let mut all = Vec::new();
        // (is it taken away, text)
        let mut parts: Vec<(bool, String)> = Vec::new();
        for (id, factor) in terms {
            let piece = self.piece(id)?;
            parts.push(match factor {
                1.0 => (false, piece.operand()),
                -1.0 => (true, piece.operand()),
                factor => (false, format!("{} * {}", piece.operand(), self.dialect.number(factor))),
            });
            all.push(piece);
        }
        if let [(false, only)] = parts.as_slice()
            && constant < 0.0
        {
            return Ok(Piece { text: format!("{only} - {}", self.dialect.number(-constant)), reads: reads(&all), is_closed: false });
        }
        if constant != 0.0 || parts.first().is_none_or(|(is_taken, _)| *is_taken) {
            parts.insert(0, (false, self.dialect.number(constant)));
        }
        let joined = |parts: &[(bool, String)]| {
            let mut text = String::new();
            for (i, (is_taken, part)) in parts.iter().enumerate() {
                match (i, is_taken) {
                    (0, false) => {}
                    (0, true) => text.push_str("0e0 - "),
                    (_, false) => text.push_str(" + "),
                    (_, true) => text.push_str(" - "),
                }
                text.push_str(part);
            }
            text
        };
        while parts.len() > TERMS_IN_A_ROW {
            parts = parts.chunks(TERMS_IN_A_ROW).map(|some| (false, format!("({})", joined(some)))).collect();
        }
        Ok(Piece { text: joined(&parts), reads: reads(&all), is_closed: false })
    }

    /// By zero infinite, as floats have it; databases say NULL, or stop.
    fn quotient(&mut self, a: Id, b: Id) -> Result<Piece, Why> {
        let (a, b) = (self.short(a)?, self.short(b)?);
        let (x, y) = (a.operand(), b.operand());
        let (most, least) = (self.dialect.number(f64::INFINITY), self.dialect.number(f64::NEG_INFINITY));
        let zero = self.dialect.number(0.0);
        let by_zero = format!("CASE WHEN {x} > {zero} THEN {most} WHEN {x} < {zero} THEN {least} END");
        Ok(Piece::closed(format!("CASE WHEN {y} = {zero} THEN {by_zero} ELSE {x} / {y} END"), reads(&[a, b])))
    }

    fn function(&mut self, function: Function, of: Id) -> Result<Piece, Why> {
        let name = match function {
            Function::Absolute => "abs",
            Function::Floor => "floor",
            Function::Ceiling => "ceil",
            Function::Root => "sqrt",
            Function::Exponential => "exp",
            Function::Logarithm => "ln",
        };
        match (function, self.dialect) {
            (Function::Exponential, Dialect::Postgres | Dialect::BigQuery) => {
                // Too large or too small a result is an error there.
                let of = self.short(of)?;
                let (x, most, zero) = (of.operand(), self.dialect.number(f64::INFINITY), self.dialect.number(0.0));
                Ok(Piece::closed(format!("CASE WHEN {x} > 7.09e2 THEN {most} WHEN {x} < -7.08e2 THEN {zero} ELSE exp({x}) END"), of.reads))
            }
            // A whole number, which it is not to be.
            (Function::Floor | Function::Ceiling, Dialect::Spark) => {
                let of = self.piece(of)?;
                Ok(Piece::closed(format!("CAST({name}({}) AS DOUBLE)", of.text), of.reads))
            }
            _ => {
                let of = self.piece(of)?;
                Ok(Piece::closed(format!("{name}({})", of.text), of.reads))
            }
        }
    }

    fn lookup(&mut self, table: usize, of: Id) -> Result<Piece, Why> {
        let dialect = self.dialect;
        let table = self.program.tables.get(table).ok_or_else(Why::said)?;
        let of = self.short(of)?;
        let x = of.operand();
        let values: Vec<String> = match &table.values {
            Values::Numbers(values) => values.iter().map(|value| dialect.number(*value)).collect(),
            Values::Texts(values) => values.iter().map(|value| value.as_ref().map_or_else(|| "NULL".to_owned(), |text| dialect.text(text))).collect(),
        };
        let keys: Vec<String> = match &table.keys {
            Keys::Texts(keys) if keys.iter().any(|key| key.contains('\0')) => return Err(Why::new("has a level with a NUL character, which SQL has not")),
            Keys::Texts(keys) => keys.iter().map(|key| dialect.text(key)).collect(),
            Keys::Numbers(keys) => keys.iter().map(|key| format!("{key:e}")).collect(),
            Keys::Places(count) => (0..*count).map(|place| format!("{:e}", place as f64)).collect(),
        };
        let [known @ .., unseen, missing] = values.as_slice() else { return Err(Why::said()) };
        // Keys of one value stand together; in order of the first.
        let mut groups: Vec<(&String, Vec<&String>)> = Vec::new();
        let mut place: BTreeMap<&String, usize> = BTreeMap::new();
        for (key, value) in keys.iter().zip(known).filter(|(_, value)| *value != unseen || missing != unseen) {
            let at = *place.entry(value).or_insert_with(|| {
                groups.push((value, Vec::new()));
                groups.len() - 1
            });
            groups[at].1.push(key);
        }
        let mut text = "CASE".to_owned();
        if missing != unseen {
            let _ = write!(text, " WHEN {x} IS NULL THEN {missing}");
        }
        for (value, keys) in groups {
            match keys.as_slice() {
                [key] => {
                    let _ = write!(text, " WHEN {x} = {key} THEN {value}");
                }
                keys => {
                    let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
                    let _ = write!(text, " WHEN {x} IN ({}) THEN {value}", keys.join(", "));
                }
            }
        }
        if text == "CASE" {
            return Ok(Piece::closed(unseen.clone(), BTreeSet::new()));
        }
        let _ = write!(text, " ELSE {unseen} END");
        Ok(Piece::closed(text, of.reads))
    }

    fn curve(&mut self, curve: usize, at: Id) -> Result<Piece, Why> {
        let dialect = self.dialect;
        let points = self.program.curves.get(curve).ok_or_else(Why::said)?;
        let at = self.short(at)?;
        let x = at.operand();
        let mut text = format!("CASE WHEN {x} IS NULL THEN {}", dialect.number(f64::NAN));
        let pairs: Vec<(f64, f64)> = points.x.iter().copied().zip(points.y.iter().copied()).collect();
        let (Some(first), Some(last)) = (pairs.first(), pairs.last()) else { return Err(Why::new("has a curve without points")) };
        let _ = write!(text, " WHEN {x} < {:e} THEN {}", first.0, dialect.number(first.1));
        for pair in pairs.windows(2) {
            if let [(x0, y0), (x1, y1)] = pair
                && x1 > x0
            {
                let number = |number: f64| dialect.number(number);
                let _ = write!(text, " WHEN {x} < {x1:e} THEN {} + {} * (({x} - {}) / {})", number(*y0), number(y1 - y0), number(*x0), number(x1 - x0));
            }
        }
        let _ = write!(text, " ELSE {} END", dialect.number(last.1));
        Ok(Piece::closed(text.replace("- -", "+ "), at.reads))
    }

    /// A forest's trees in columns of their own; their sum.
    fn trees(&mut self, id: Id, forest: &Forest, output: usize) -> Result<Piece, Why> {
        if forest.trees.depth() > DEEPEST {
            return Err(Why::new(format!("has a tree of {} questions in a row; SQL takes {DEEPEST} at most", forest.trees.depth())));
        }
        let features = forest.features.iter().map(|feature| self.short(*feature)).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<String> = features.iter().map(Piece::operand).collect();
        let width = forest.trees.width();
        // With several values a leaf, every tree has one for each output.
        let roots: Vec<usize> = forest.trees.roots().enumerate().filter(|(t, _)| width > 1 || t % forest.outputs == output).map(|(_, root)| root).collect();
        let place = if width > 1 { output } else { 0 };
        let mut sums = Vec::new();
        for (group, roots) in roots.chunks(TREES_A_COLUMN).enumerate() {
            let mut text = String::new();
            let mut asked = BTreeSet::new();
            for (i, root) in roots.iter().enumerate() {
                text.push_str(if i > 0 { "\n    + " } else { "" });
                tree(&mut text, forest, *root, place, &names, self.dialect, &mut asked);
            }
            let reads = asked.iter().flat_map(|feature| features[*feature].reads.iter().copied()).collect();
            sums.push(self.add_column(format!("{}_{}_{group}", self.prefix, id.place()), Piece { text, reads, is_closed: false }));
        }
        if sums.is_empty() {
            return Ok(Piece::closed(self.dialect.number(0.0), BTreeSet::new()));
        }
        let mut parts: Vec<String> = sums.iter().map(|sum| sum.text.clone()).collect();
        while parts.len() > TERMS_IN_A_ROW {
            parts = parts.chunks(TERMS_IN_A_ROW).map(|some| format!("({})", some.join(" + "))).collect();
        }
        Ok(Piece { text: parts.join(" + "), reads: reads(&sums), is_closed: parts.len() == 1 })
    }

    /// The stages one behind the other.
    fn joined(&self, query: &Query<'_>, outputs: &[(Piece, &super::program::Output)], most_columns: usize) -> Result<String, Why> {
        let stages = self.columns.iter().map(|column| column.level + 1).max().unwrap_or(1);
        // The last stage that reads each column; the final SELECT is stage `stages`.
        let mut last = vec![0_usize; self.columns.len()];
        for column in &self.columns {
            for read in &column.reads {
                last[*read] = last[*read].max(column.level);
            }
        }
        let kept = self.inputs.len()..self.inputs.len() + query.keep.len();
        for read in outputs.iter().flat_map(|(piece, _)| piece.reads.iter().copied()).chain(kept.clone()) {
            last[read] = stages;
        }
        let materialized = if matches!(self.dialect, Dialect::Postgres | Dialect::Sqlite) { "MATERIALIZED " } else { "" };
        let mut text = "WITH ".to_owned();
        for stage in 0..stages {
            let mut columns = Vec::new();
            for (i, column) in self.columns.iter().enumerate().filter(|(i, _)| last[*i] > stage) {
                if column.level == stage {
                    columns.push(format!("{} AS {}", column.text, column.name));
                } else if column.level < stage {
                    columns.push(self.columns[i].name.clone());
                }
            }
            if columns.len() > most_columns {
                return Err(Why::new(format!("needs {} columns in one step; {} takes {most_columns} at most", columns.len(), self.dialect.name())));
            }
            if columns.is_empty() {
                columns.push(format!("1 AS {}_nothing", self.prefix));
            }
            let from = if stage == 0 { query.table.to_owned() } else { format!("{}_stage_{}", self.prefix, stage - 1) };
            let _ = write!(text, "{}_stage_{stage} AS {materialized}(\n  SELECT\n    {}\n  FROM {from}\n)", self.prefix, columns.join(",\n    "));
            text.push_str(if stage + 1 < stages { ",\n" } else { "\n" });
        }
        let kept = kept.zip(query.keep).map(|(place, name)| format!("{} AS {}", self.columns[place].name, self.dialect.name_of(name)));
        let predicted = outputs.iter().map(|(piece, output)| {
            let value = self.dialect.output(&piece.operand(), output.kind);
            let value = if self.program.kind(output.id) == Kind::Number && piece.reads.is_empty() { format!("({value})") } else { value };
            format!("{value} AS {}", self.dialect.name_of(&output.name))
        });
        let columns: Vec<String> = kept.chain(predicted).collect();
        let _ = write!(text, "SELECT\n  {}\nFROM {}_stage_{}\n", columns.join(",\n  "), self.prefix, stages - 1);
        Ok(text)
    }
}

fn reads(pieces: &[Piece]) -> BTreeSet<usize> {
    pieces.iter().flat_map(|piece| piece.reads.iter().copied()).collect()
}

/// A tree as nested cases. A case whose question is about a missing number is not true, so the question is the one that missing
/// ones answer with no.
fn tree(text: &mut String, forest: &Forest, at: usize, place: usize, names: &[String], dialect: Dialect, asked: &mut BTreeSet<usize>) {
    let Some(question) = forest.trees.question(at) else {
        text.push_str(&dialect.number(forest.trees.values(at).get(place).copied().unwrap_or_default()));
        return;
    };
    let (yes, no) = match &question.rule {
        Rule::Number { feature, threshold, missing_left } => {
            asked.insert(*feature);
            let name = names.get(*feature).map_or("", String::as_str);
            if *missing_left {
                let _ = write!(text, "CASE WHEN {name} > {threshold:e} THEN ");
                (question.left + 1, question.left)
            } else {
                let _ = write!(text, "CASE WHEN {name} <= {threshold:e} THEN ");
                (question.left, question.left + 1)
            }
        }
        Rule::Category { feature, left } => {
            asked.insert(*feature);
            let name = names.get(*feature).map_or("", String::as_str);
            let categories: Vec<String> = categories(left).map(|category| format!("{category:e}")).collect();
            let _ = write!(text, "CASE WHEN {name} IN ({}) THEN ", if categories.is_empty() { "NULL".to_owned() } else { categories.join(", ") });
            (question.left, question.left + 1)
        }
    };
    tree(text, forest, yes, place, names, dialect, asked);
    text.push_str(" ELSE ");
    tree(text, forest, no, place, names, dialect, asked);
    text.push_str(" END");
}

/// The categories whose bits are set.
pub(super) fn categories(set: &[u64]) -> impl Iterator<Item = f64> {
    set.iter().enumerate().flat_map(|(word, bits)| (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| (word * 64 + bit) as f64))
}
