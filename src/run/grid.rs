//! The grid of a sweep: `KEY=VALUES` words become one list of overrides a job.
//!
//! `a,b,c` lists values and `range(0,3)` counts; commas inside brackets or quotes belong to their value, so
//! `[a,b]` is one. What a key or a value means is the recipe's business: each job's overrides are read as
//! those of `recipe run`.

use std::collections::BTreeSet;

use crate::error::{Error, Result, counted, shorten, thousands};
use crate::recipe::overrides::key_path;
use crate::value::{Path, display_path};

/// Jobs that one sweep may have.
const MAX_JOBS: usize = 10_000;

/// How the lists of several keys go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// Every combination; the last key's values change fastest.
    Product,
    /// The first value of each, then the second of each, and so on.
    Zip,
}

/// A key and the values it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// As it was written, with a leading `+` or `~`.
    pub key: String,
    /// As they were written; none for `~key`.
    pub values: Vec<String>,
}

/// Every job of a sweep, as indices into the values of its axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    pub axes: Vec<Axis>,
    pub jobs: Vec<Vec<usize>>,
}

impl Axis {
    fn parse(word: &str) -> Result<Self> {
        if word.starts_with('~') {
            return Ok(Self { key: word.to_owned(), values: Vec::new() });
        }
        let Some((key, text)) = word.split_once('=') else {
            return Err(Error::usage(format!("not an override: `{}`", shorten(word))).hint("write KEY=VALUES, for example `seed=1,2,3`"));
        };
        let items = split(text).map_err(|what| Error::usage(format!("{what} in `{}`", shorten(word))).hint("put a value with odd marks in quotes"))?;
        let mut values = Vec::new();
        for item in &items {
            match item.strip_prefix("range(").and_then(|rest| rest.strip_suffix(')')) {
                Some(inside) => values.extend(range(inside, item)?),
                None => values.push(item.clone()),
            }
        }
        // `key=` alone sets nothing, as in `recipe run`.
        if values.len() > 1 && values.iter().any(String::is_empty) {
            return Err(Error::usage(format!("an empty value in `{}`", shorten(word))).hint("take the comma out, or write `null`"));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = values.iter().find(|value| !seen.insert(value.as_str())) {
            return Err(Error::usage(format!("`{}` lists the value `{}` twice", shorten(key), shorten(twice))));
        }
        Ok(Self { key: key.trim().to_owned(), values })
    }

    /// The path that the key stands for; a group's name stands for itself.
    #[must_use]
    pub fn path(&self) -> Path {
        key_path(self.key.trim_start_matches(['~', '+']))
    }

    /// Does it differ between jobs?
    #[must_use]
    pub fn varies(&self) -> bool {
        self.values.len() > 1
    }

    /// The override that sets one of the values.
    #[must_use]
    pub fn set(&self, value: usize) -> String {
        self.values.get(value).map_or_else(|| self.key.clone(), |value| format!("{}={value}", self.key))
    }
}

impl Grid {
    /// Reads the words of a command line that are overrides.
    ///
    /// # Errors
    /// Exit code 2 where a word is badly written or a key is there twice, where lists to be paired up have
    /// different lengths, and beyond 10,000 jobs.
    pub fn parse(words: &[String], pairing: Pairing) -> Result<Self> {
        let axes: Vec<Axis> = words.iter().map(|word| Axis::parse(word)).collect::<Result<_>>()?;
        if axes.is_empty() {
            return Err(Error::usage("nothing to sweep over").hint("list some values: `recipe sweep train.estimator_params.alpha=0.1,1,10`"));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = axes.iter().find(|axis| !seen.insert(axis.path())) {
            return Err(Error::usage(format!("`{}` is there twice", display_path(&twice.path()))).hint("list all its values in one place: `KEY=1,2,3`"));
        }
        let jobs = match pairing {
            Pairing::Product => product(&axes)?,
            Pairing::Zip => zip(&axes)?,
        };
        Ok(Self { axes, jobs })
    }

    /// What a job sets, as on the command line of `recipe run`.
    #[must_use]
    pub fn overrides(&self, job: usize) -> Vec<String> {
        let values = self.jobs.get(job).map_or(&[][..], Vec::as_slice);
        self.axes.iter().zip(values).map(|(axis, value)| axis.set(*value)).collect()
    }
}

fn product(axes: &[Axis]) -> Result<Vec<Vec<usize>>> {
    let count = axes.iter().try_fold(1_usize, |count, axis| count.checked_mul(axis.values.len().max(1)));
    let count = count.filter(|count| *count <= MAX_JOBS).ok_or_else(|| {
        let sizes: Vec<String> = axes.iter().filter(|axis| axis.varies()).map(|axis| thousands(axis.values.len() as u64)).collect();
        too_many(&sizes.join(" × "))
    })?;
    Ok((0..count)
        .map(|job| {
            let mut rest = job;
            let mut indices: Vec<usize> = axes
                .iter()
                .rev()
                .map(|axis| {
                    let size = axis.values.len().max(1);
                    let index = rest % size;
                    rest /= size;
                    index
                })
                .collect();
            indices.reverse();
            indices
        })
        .collect())
}

/// A key with one value keeps it in every job.
fn zip(axes: &[Axis]) -> Result<Vec<Vec<usize>>> {
    let lists: Vec<&Axis> = axes.iter().filter(|axis| axis.varies()).collect();
    let count = lists.first().map_or(1, |axis| axis.values.len());
    if lists.iter().any(|axis| axis.values.len() != count) {
        let sizes: Vec<String> = lists.iter().map(|axis| format!("`{}` has {}", shorten(&axis.key), counted(axis.values.len() as u64, "value"))).collect();
        return Err(Error::usage(format!("`--zip` pairs lists of one length: {}", sizes.join(", "))).hint("leave `--zip` out to try every combination"));
    }
    if count > MAX_JOBS {
        return Err(too_many(&thousands(count as u64)));
    }
    Ok((0..count).map(|job| axes.iter().map(|axis| if axis.varies() { job } else { 0 }).collect()).collect())
}

fn too_many(size: &str) -> Error {
    Error::usage(format!("too many jobs: {size}, and a sweep has at most {}", thousands(MAX_JOBS as u64)))
        .hint("list fewer values, or sweep over one key after another")
}

/// The items of a list; commas inside brackets and quotes are part of an item.
fn split(text: &str) -> Result<Vec<String>, &'static str> {
    let (mut items, mut item) = (Vec::new(), String::new());
    let mut open = Vec::new();
    let mut quote = None;
    let mut is_start = true;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if let Some(mark) = quote {
            item.push(c);
            match c {
                '\\' if mark == '"' => item.extend(characters.next()),
                // A single quote is written twice to stand for itself.
                '\'' if mark == '\'' && characters.peek() == Some(&'\'') => item.extend(characters.next()),
                _ if c == mark => quote = None,
                _ => {}
            }
            continue;
        }
        if c == ',' && open.is_empty() {
            items.push(std::mem::take(&mut item).trim().to_owned());
            is_start = true;
            continue;
        }
        match c {
            // Inside a word it is an apostrophe.
            '"' | '\'' if is_start => quote = Some(c),
            '[' | '{' | '(' => open.push(match c {
                '[' => ']',
                '{' => '}',
                _ => ')',
            }),
            ']' | '}' | ')' if open.pop() != Some(c) => return Err("a bracket that closes nothing"),
            _ => {}
        }
        is_start = matches!(c, '[' | '{' | '(' | ',' | ':') || (is_start && c.is_whitespace());
        item.push(c);
    }
    if quote.is_some() {
        return Err("a quote that is not closed");
    }
    if !open.is_empty() {
        return Err("a bracket that is not closed");
    }
    items.push(item.trim().to_owned());
    Ok(items)
}

/// The numbers from the first to before the second, exact in decimals.
fn range(inside: &str, whole: &str) -> Result<Vec<String>> {
    let bad = |what: &str| Error::usage(format!("{what}: `{}`", shorten(whole))).hint("`range(0,3)` is 0, 1, 2; `range(0,1,0.25)` goes in steps of 0.25");
    let parts: Vec<&str> = inside.split(',').map(str::trim).collect();
    let (from, to, step) = match parts.as_slice() {
        [from, to] => (*from, *to, "1"),
        [from, to, step] => (*from, *to, *step),
        _ => return Err(bad("`range` takes two or three numbers")),
    };
    let places = [from, to, step].iter().map(|text| text.split_once('.').map_or(0, |(_, decimals)| decimals.len())).max().unwrap_or(0);
    let number = |text: &str| scaled(text, places).ok_or_else(|| bad("`range` takes plain decimal numbers"));
    let (from, to, step) = (number(from)?, number(to)?, number(step)?);
    if step == 0 {
        return Err(bad("a range with step 0 never ends"));
    }
    let span = if step > 0 { to - from } else { from - to };
    if span <= 0 {
        return Err(bad("an empty range"));
    }
    let count = (span - 1) / step.abs() + 1;
    if count > MAX_JOBS as i64 {
        return Err(too_many(&thousands(count.unsigned_abs())));
    }
    Ok((0..count).map(|i| decimal(from + i * step, places)).collect())
}

/// `1.5` with two places is 150; `None` where it is no plain decimal number or a huge one.
fn scaled(text: &str, places: usize) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{decimals}{}", "0".repeat(places.checked_sub(decimals.len())?));
    // Far from where sums of them overflow.
    let fits = !whole.is_empty() && all.len() <= 17 && all.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| all.parse::<i64>().ok().map(|n| sign * n)).flatten()
}

fn decimal(number: i64, places: usize) -> String {
    let sign = if number < 0 { "-" } else { "" };
    let digits = format!("{:0>1$}", number.unsigned_abs(), places + 1);
    let (whole, decimals) = digits.split_at(digits.len() - places);
    let decimals = decimals.trim_end_matches('0');
    if decimals.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{decimals}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(words: &[&str], pairing: Pairing) -> Result<Vec<String>> {
        let grid = Grid::parse(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>(), pairing)?;
        Ok((0..grid.jobs.len()).map(|job| grid.overrides(job).join(" ")).collect())
    }

    #[test]
    fn every_combination_or_pairs_with_the_last_key_fastest() {
        assert_eq!(
            grid(&["a=1,2", "seed=range(0,2)", "+b=x"], Pairing::Product).unwrap(),
            ["a=1 seed=0 +b=x", "a=1 seed=1 +b=x", "a=2 seed=0 +b=x", "a=2 seed=1 +b=x"]
        );
        assert_eq!(grid(&["a=1,2", "~c", "b=x,y"], Pairing::Zip).unwrap(), ["a=1 ~c b=x", "a=2 ~c b=y"]);
        let error = grid(&["a=1,2", "b=1,2,3"], Pairing::Zip).unwrap_err();
        assert_eq!(error.to_string(), "`--zip` pairs lists of one length: `a` has 2 values, `b` has 3 values");
    }

    #[test]
    fn commas_in_brackets_and_quotes_belong_to_their_value() {
        for (word, values) in [
            ("a=[x,y],[z]", &["[x,y]", "[z]"][..]),
            ("a={b: [1,2], c: 'it''s, so'}, 3", &["{b: [1,2], c: 'it''s, so'}", "3"]),
            ("a=\"x,\\\"y\",'z,'", &["\"x,\\\"y\"", "'z,'"]),
            ("a=it's,isn't", &["it's", "isn't"]),
            ("a=append({drop: {columns: [b]}})", &["append({drop: {columns: [b]}})"]),
            ("a=", &[""]),
            ("a=range(0,1,0.25),2", &["0", "0.25", "0.5", "0.75", "2"]),
            ("a=range(1,-1,-0.5)", &["1", "0.5", "0", "-0.5"]),
            ("a=range(0.1,0.4,0.1)", &["0.1", "0.2", "0.3"]),
            ("a=x=y,z", &["x=y", "z"]),
        ] {
            assert_eq!(Axis::parse(word).unwrap().values, values, "{word}");
        }
        for word in ["a=1,", "a=1,1", "a=[1", "a=1]", "a='x", "a=(]", "a=range(3)", "a=range(3,0)", "a=range(0,1,0)", "a=range(0,x)", "a=range(0,1e3)", "a"] {
            assert!(Axis::parse(word).is_err(), "{word}");
        }
        assert!(grid(&["train.using=a", "steps.train.using=b"], Pairing::Product).is_err());
        assert!(grid(&[], Pairing::Product).is_err());
    }

    #[test]
    fn too_many_jobs_are_refused_before_they_are_listed() {
        assert_eq!(grid(&["a=range(0,100)", "b=range(0,100)"], Pairing::Product).unwrap().len(), 10_000);
        for words in
            [&["a=range(0,99999999999999999)"][..], &["a=range(0,101)", "b=range(0,100)"], &["a=range(0,10000)", "b=range(0,10000)", "c=range(0,10000)"]]
        {
            assert!(grid(words, Pairing::Product).unwrap_err().to_string().starts_with("too many jobs: "), "{words:?}");
        }
    }
}
