//! What a column's cells look like, counted over every row, and the type that follows from it.
//!
//! A type is never guessed from the first rows: one late value that does not fit decides too.

use crate::error::{Place, Problem, shorten};

use super::cell::{CELLS, Cell, Kind};

/// A value and the line it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub line: u64,
    pub value: String,
}

/// Counts of a column's cells, with the first of each sort.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    counts: [u64; CELLS],
    first: [Option<Example>; CELLS],
    pub missing: u64,
    /// Some value that is not text had blanks around it.
    pub padded: bool,
}

/// What the reader was told, as far as it decides types.
#[derive(Clone, Copy)]
pub struct Style {
    pub separator: u8,
    pub decimal_comma: bool,
}

impl Tally {
    pub fn add(&mut self, cell: Cell, value: &[u8], line: u64) {
        let at = cell as usize;
        if let (Some(count), Some(first)) = (self.counts.get_mut(at), self.first.get_mut(at)) {
            *count += 1;
            if first.is_none() {
                *first = Some(Example { line, value: shorten(&String::from_utf8_lossy(value)) });
            }
        }
    }

    /// Counts of later rows.
    pub fn merge(&mut self, later: Self) {
        for (count, more) in self.counts.iter_mut().zip(later.counts) {
            *count += more;
        }
        for (first, other) in self.first.iter_mut().zip(later.first) {
            if first.is_none() {
                *first = other;
            }
        }
        self.missing += later.missing;
        self.padded |= later.padded;
    }

    pub fn of(&self, cell: Cell) -> u64 {
        self.counts.get(cell as usize).copied().unwrap_or(0)
    }

    fn first(&self, cells: &[Cell]) -> Option<&Example> {
        cells.iter().filter_map(|cell| self.first.get(*cell as usize)?.as_ref()).min_by_key(|example| example.line)
    }

    fn present(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Would polars' own parser read every value as `kind`?
    pub fn is_plain(&self, kind: Kind, style: Style) -> bool {
        let all: &[Cell] = match kind {
            Kind::Boolean => &[Cell::Boolean],
            Kind::Integer => &[Cell::Integer],
            Kind::Float if style.decimal_comma => return false,
            Kind::Float => &[Cell::Integer, Cell::Float, Cell::NotFinite, Cell::Huge],
            Kind::Text => return true,
            Kind::Missing | Kind::Date | Kind::Datetime => return false,
        };
        !self.padded && all.iter().map(|cell| self.of(*cell)).sum::<u64>() == self.present()
    }

    /// The column's type, and a note where it may surprise.
    ///
    /// # Errors
    /// An integer beyond 64 bits, and decimal commas that were not announced.
    pub fn decide(&self, column: &str, file: &str, style: Style) -> Result<(Kind, Option<String>), Box<Problem>> {
        let present = self.present();
        let all = |cells: &[Cell]| cells.iter().map(|cell| self.of(*cell)).sum::<u64>() == present;
        let numbers = [Cell::Integer, Cell::Huge, Cell::Float, Cell::NotFinite, Cell::Comma];
        if present == 0 {
            return Ok((Kind::Missing, None));
        }
        if all(&[Cell::Boolean]) {
            return Ok((Kind::Boolean, None));
        }
        if all(&[Cell::Integer]) {
            return Ok((Kind::Integer, None));
        }
        if all(&numbers) {
            return self.decide_number(column, file, style);
        }
        if all(&[Cell::Date]) {
            return Ok((Kind::Date, None));
        }
        if all(&[Cell::Date, Cell::Datetime]) {
            return Ok((Kind::Datetime, None));
        }
        if all(&[Cell::Zoned]) {
            return Ok((Kind::Datetime, Some(format!("`{file}`: the times in column `{column}` have a time zone and are read as UTC"))));
        }
        let numeric = self.of(Cell::Integer) + self.of(Cell::Float) + self.of(Cell::NotFinite);
        let note = if numeric * 100 >= present * 99 {
            let others = [Cell::Boolean, Cell::Huge, Cell::Comma, Cell::Coded, Cell::Date, Cell::Datetime, Cell::Zoned, Cell::Text];
            self.first(&others).map(|odd| {
                format!(
                    "`{file}`: column `{column}` is read as strings: {} of {present} values are no numbers, the first is `{}` in line {}; \
                     if it means missing, say `options: {{null_values: [\"{}\"]}}`",
                    present - numeric,
                    odd.value,
                    odd.line,
                    odd.value
                )
            })
        } else if self.of(Cell::Zoned) > 0 && all(&[Cell::Date, Cell::Datetime, Cell::Zoned]) {
            Some(format!("`{file}`: column `{column}` is read as strings: some of its times have a time zone and some do not"))
        } else {
            None
        };
        Ok((Kind::Text, note))
    }

    /// For columns that are numbers throughout, but not plain integers.
    fn decide_number(&self, column: &str, file: &str, style: Style) -> Result<(Kind, Option<String>), Box<Problem>> {
        let problem = |message: String, line: u64, hint: String| Err(Box::new(Problem::new(message).at(Place::line(file, line as usize)).hint(hint)));
        let comma = self.first(&[Cell::Comma]);
        let point = self.first(&[Cell::Float]);
        let declare = format!("declare it: `schema: {{{column}: {{type: string}}}}`");
        if style.decimal_comma {
            if let Some(point) = point {
                let message = format!("column `{column}` holds `{}` although `decimal_comma` is set", point.value);
                return problem(message, point.line, format!("if it is not a number, {declare}"));
            }
        } else if let Some(comma) = comma {
            if style.separator == b',' {
                let note = format!("`{file}`: column `{column}` is read as strings: `{}` in line {} has a decimal comma", comma.value, comma.line);
                return Ok((Kind::Text, Some(format!("{note}; if it is a number, use another separator and `decimal_comma: true`"))));
            }
            let mixed = if point.is_some() { " among numbers with a point" } else { "" };
            let message = format!("column `{column}` holds a decimal comma{mixed}: `{}`", comma.value);
            return problem(message, comma.line, format!("set `options: {{decimal_comma: true}}`, or {declare}"));
        }
        match self.first(&[Cell::Huge]) {
            Some(huge) if point.is_none() && comma.is_none() => {
                let message = format!("column `{column}` holds an integer beyond 64 bits: `{}`", huge.value);
                problem(message, huge.line, format!("{declare}, or `float`"))
            }
            _ => Ok((Kind::Float, None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cell::classify;
    use super::*;

    const COMMA: Style = Style { separator: b',', decimal_comma: false };
    const SEMICOLON: Style = Style { separator: b';', decimal_comma: false };

    fn tally(values: &[&str]) -> Tally {
        let mut tally = Tally::default();
        for (i, value) in values.iter().enumerate() {
            tally.add(classify(value.as_bytes(), true), value.as_bytes(), i as u64 + 2);
        }
        tally
    }

    #[test]
    fn the_type_is_the_narrowest_that_holds_every_value() {
        let kind = |values: &[&str]| tally(values).decide("x", "f", COMMA).unwrap().0;
        assert_eq!(kind(&[]), Kind::Missing);
        assert_eq!(kind(&["true", "False"]), Kind::Boolean);
        assert_eq!(kind(&["1", "2"]), Kind::Integer);
        assert_eq!(kind(&["1", "2.5", "18446744073709551616"]), Kind::Float);
        assert_eq!(kind(&["1", "007"]), Kind::Text);
        assert_eq!(kind(&["2024-01-01", "2024-01-01 10:00"]), Kind::Datetime);
        assert_eq!(kind(&["2024-01-01", "soon"]), Kind::Text);
        assert_eq!(kind(&["1,5", "2"]), Kind::Text);
    }

    #[test]
    fn an_almost_numeric_column_is_text_with_a_note_that_locates_the_first_odd_value() {
        let mut values = vec!["1"; 199];
        values.push("n/a");
        let (kind, note) = tally(&values).decide("age", "f.csv", COMMA).unwrap();
        assert_eq!(kind, Kind::Text);
        assert_eq!(
            note.unwrap(),
            "`f.csv`: column `age` is read as strings: 1 of 200 values are no numbers, the first is `n/a` in line 201; \
             if it means missing, say `options: {null_values: [\"n/a\"]}`"
        );
    }

    #[test]
    fn integers_beyond_64_bits_and_stray_decimal_commas_are_located() {
        let huge = tally(&["1", "18446744073709551616"]).decide("x", "f.csv", COMMA).unwrap_err();
        assert_eq!(huge.message, "column `x` holds an integer beyond 64 bits: `18446744073709551616`");
        assert_eq!(huge.place, Some(Place::line("f.csv", 3)));
        let comma = tally(&["1", "1,5"]).decide("x", "f.csv", SEMICOLON).unwrap_err();
        assert_eq!(comma.message, "column `x` holds a decimal comma: `1,5`");
        let announced = Style { decimal_comma: true, ..SEMICOLON };
        assert_eq!(tally(&["NaN", "1,5"]).decide("x", "f.csv", announced).unwrap().0, Kind::Float);
        let mixed = tally(&["1.5", "1,5"]).decide("x", "f.csv", announced).unwrap_err();
        assert_eq!(mixed.message, "column `x` holds `1.5` although `decimal_comma` is set");
    }
}
