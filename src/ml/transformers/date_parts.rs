//! `date_parts`: numbers out of dates and times.
//!
//! Nothing is learned but which columns there are. A part that a column has not (the hour of a date) is
//! passed over. Not here: parsing text as dates, which is ingest's business; holidays; differences
//! between two dates, which `derive` writes.

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels::{self, Names};
use crate::card;
use crate::error::{Error, Result, shorten};
use crate::ml::export::{Function, Id, Lowering, Program, Value, Why};
use crate::ml::selector::column;
use crate::ml::{Apply, Fit, Selector, Transformer};
use crate::value::Fault;

/// Columns of dates and times become columns of numbers.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DateParts {
    /// Default: every feature that is a date, a datetime or a time.
    pub columns: Option<Selector>,
    /// Default: year, month, day, `day_of_week`, hour, minute.
    pub parts: Vec<Part>,
    pub drop_original: bool,
    /// A zone of the IANA database.
    pub tz: Option<String>,
}

impl Default for DateParts {
    fn default() -> Self {
        Self { columns: None, parts: vec![Part::Year, Part::Month, Part::Day, Part::DayOfWeek, Part::Hour, Part::Minute], drop_original: true, tz: None }
    }
}

/// One number of a date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Year,
    Quarter,
    Month,
    Week,
    DayOfYear,
    DayOfWeek,
    Day,
    IsWeekend,
    Hour,
    Minute,
    Second,
    DecimalHour,
    Epoch,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Date,
    Datetime,
    Time,
}

/// The columns and the parts that each becomes.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedDateParts {
    columns: Vec<Split>,
    drop_original: bool,
    tz: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Split {
    name: String,
    kind: Kind,
    /// Each part with its column's name.
    parts: Vec<(Part, String)>,
}

impl Transformer for DateParts {
    const NAME: &'static str = "date_parts";
    const ALIASES: &'static [&'static str] = &["date", "time"];
    const DOC: &'static str = "\
Turns dates and times into numbers such as year, month and hour.

The column `pickup` becomes `pickup_year`, `pickup_month` and so on. Missing values stay missing, and years outside 1 to 9999 become missing.
A part that a column does not have (the hour of a date) is left out.

- `columns`: selector, default every feature that is a date, a datetime or a time
- `parts`: a list of these, default `[year, month, day, day_of_week, hour, minute]`
  - `year`, `quarter` (1 to 4), `month` (1 to 12), `week` (ISO 8601, 1 to 53), `day_of_year` (1 to 366), `day` (1 to 31)
  - `day_of_week` (ISO 8601: Monday is 1, Sunday is 7), `is_weekend` (1 on Saturday and Sunday, else 0)
  - `hour` (0 to 23), `minute`, `second` (0 to 59), `decimal_hour` (hours since midnight: 13.5 is half past one)
  - `epoch` (seconds since 1970-01-01 00:00 UTC, with fractions)
- `drop_original`: default true
- `tz`: the zone in which datetimes are read off, such as `Europe/Berlin`; one without a zone counts as UTC. Default: as it stands in the data

```yaml
- date_parts: {columns: [pickup_datetime], parts: [month, day_of_week, decimal_hour], tz: America/New_York}
```
";

    type Fitted = FittedDateParts;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        if let Some(tz) = self.tz.as_ref().filter(|tz| TimeZone::validate_time_zone(tz).is_err()) {
            let fault = Fault::new(&["tz".to_owned()], format!("unknown time zone: {}", shorten(tz)));
            faults.push(fault.hint("use a name such as `Europe/Berlin` or `UTC`"));
        }
        if self.parts.is_empty() {
            faults.push(Fault::new(&["parts".to_owned()], "`parts` is empty"));
        }
        for (index, part) in self.parts.iter().enumerate() {
            if self.parts.iter().take(index).any(|earlier| earlier == part) {
                faults.push(Fault::new(&["parts".to_owned(), index.to_string()], format!("part is listed twice: {}", part.name())));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedDateParts> {
        let columns = match &self.columns {
            Some(selector) => levels::encodable(selector, on, Self::NAME)?,
            None => on
                .table
                .schema()
                .iter()
                .filter(|(name, dtype)| Kind::of(dtype).is_some() && on.roles.is_feature(name))
                .map(|(name, _)| name.to_string())
                .collect(),
        };
        let schema = on.table.schema();
        let kinds = kinds(schema, &columns)?;
        let goes = |name: &&str| self.drop_original && columns.iter().any(|column| column == name);
        let mut names = Names::new(on.table.names().filter(|name| !goes(name)).chain(on.roles.iter().map(|(name, _)| name)));
        let mut splits = Vec::new();
        let mut without = Vec::new();
        for (name, kind) in columns.into_iter().zip(kinds) {
            let parts = self.parts.iter().filter(|part| part.is_of(kind));
            let parts: Vec<(Part, String)> = parts.map(|part| (*part, names.give(&format!("{name}_{}", part.name())))).collect();
            if parts.is_empty() {
                without.push(format!("`{}`", shorten(&name)));
            }
            splits.push(Split { name, kind, parts });
        }
        if without.is_empty() {
            return Ok(FittedDateParts { columns: splits, drop_original: self.drop_original, tz: self.tz.clone() });
        }
        Err(Error::data(format!("`date_parts` lists no part that these columns have: {}", without.join(", ")))
            .hint("a date has no hour, and a time of day no month"))
    }
}

impl Kind {
    fn of(dtype: &DataType) -> Option<Self> {
        match dtype {
            DataType::Date => Some(Self::Date),
            DataType::Datetime(..) => Some(Self::Datetime),
            DataType::Time => Some(Self::Time),
            _ => None,
        }
    }
}

/// The kinds of columns that must be dates or times.
fn kinds(schema: &Schema, columns: &[String]) -> Result<Vec<Kind>> {
    let mut kinds = Vec::with_capacity(columns.len());
    let mut refused = Vec::new();
    for name in columns {
        match schema.get(name) {
            Some(dtype) => match Kind::of(dtype) {
                Some(kind) => kinds.push(kind),
                None => refused.push(format!("`{}` ({dtype})", shorten(name))),
            },
            None => refused.push(format!("`{}` (missing)", shorten(name))),
        }
    }
    if refused.is_empty() {
        return Ok(kinds);
    }
    Err(Error::data(format!("`date_parts` takes dates, datetimes and times, not {}", refused.join(", ")))
        .hint("text is parsed at ingest: set `options: {try_parse_dates: true}` or the column's type in `schema`"))
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
            Self::Week => "week",
            Self::DayOfYear => "day_of_year",
            Self::DayOfWeek => "day_of_week",
            Self::Day => "day",
            Self::IsWeekend => "is_weekend",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
            Self::DecimalHour => "decimal_hour",
            Self::Epoch => "epoch",
        }
    }

    fn is_of(self, kind: Kind) -> bool {
        let is_clock = matches!(self, Self::Hour | Self::Minute | Self::Second | Self::DecimalHour);
        match kind {
            Kind::Date => !is_clock,
            Kind::Datetime => true,
            Kind::Time => is_clock,
        }
    }

    /// The part of a date or time, as a number.
    fn of(self, moment: &Expr) -> Expr {
        let part = moment.clone().dt();
        match self {
            Self::Year => part.year(),
            Self::Quarter => part.quarter(),
            Self::Month => part.month(),
            Self::Week => part.week(),
            Self::DayOfYear => part.ordinal_day(),
            Self::DayOfWeek => part.weekday(),
            Self::Day => part.day(),
            Self::IsWeekend => part.weekday().gt(lit(5)).cast(DataType::UInt8),
            Self::Hour => part.hour(),
            Self::Minute => part.minute(),
            Self::Second => part.second(),
            Self::DecimalHour => {
                let number = |part: Expr| part.cast(DataType::Float64);
                let moment = || moment.clone().dt();
                number(moment().hour()) + number(moment().minute()) / lit(60.0) + number(moment().second()) / lit(3600.0)
            }
            Self::Epoch => part.timestamp(TimeUnit::Microseconds).cast(DataType::Float64) / lit(1e6),
        }
    }
}

impl Part {
    /// The part of seconds since 1970, or since midnight, by the proleptic Gregorian calendar; missing outside the years 1 to 9999.
    pub(in crate::ml) fn lower(self, seconds: Id, is_clock: bool, on: &mut Program) -> Id {
        const FIRST: f64 = -62_135_596_800.0;
        const END: f64 = 253_402_300_800.0;
        const DAY: f64 = 86_400.0;
        let seconds = if is_clock {
            seconds
        } else {
            let (is_early, is_late, missing) = (on.below(seconds, FIRST), on.from(seconds, END), on.missing());
            on.choose(vec![(is_early, missing), (is_late, missing)], seconds)
        };
        let days = whole(on, seconds, DAY);
        let clock = on.sum([(seconds, 1.0), (days, -DAY)], 0.0);
        match self {
            Self::Epoch => seconds,
            Self::Hour => whole(on, clock, 3600.0),
            Self::Minute => {
                let (minutes, hours) = (whole(on, clock, 60.0), whole(on, clock, 3600.0));
                on.sum([(minutes, 1.0), (hours, -60.0)], 0.0)
            }
            Self::Second => {
                let (minutes, seconds) = (whole(on, clock, 60.0), on.function(Function::Floor, clock));
                on.sum([(seconds, 1.0), (minutes, -60.0)], 0.0)
            }
            Self::DecimalHour => {
                let [hour, minute, second] = [Self::Hour, Self::Minute, Self::Second].map(|part| part.lower(seconds, is_clock, on));
                let (minute, second) = (on.over(minute, 60.0), on.over(second, 3600.0));
                let minutes = on.sum([(hour, 1.0), (minute, 1.0)], 0.0);
                on.sum([(minutes, 1.0), (second, 1.0)], 0.0)
            }
            Self::Year => civil(on, days).0,
            Self::Month => civil(on, days).1,
            Self::Day => civil(on, days).2,
            Self::Quarter => {
                let month = civil(on, days).1;
                let moved = on.plus(month, 2.0);
                whole(on, moved, 3.0)
            }
            Self::DayOfWeek => weekday(on, days),
            Self::IsWeekend => {
                let day = weekday(on, days);
                let is = on.above(day, 5.0);
                on.as_number(is)
            }
            Self::DayOfYear => {
                let year = civil(on, days).0;
                let new_year = new_year(on, year);
                on.sum([(days, 1.0), (new_year, -1.0)], 1.0)
            }
            Self::Week => {
                // A week belongs to the year of its Thursday.
                let day = weekday(on, days);
                let thursday = on.sum([(days, 1.0), (day, -1.0)], 4.0);
                let year = civil(on, thursday).0;
                let new_year = new_year(on, year);
                let apart = on.sum([(thursday, 1.0), (new_year, -1.0)], 0.0);
                let week = whole(on, apart, 7.0);
                on.plus(week, 1.0)
            }
        }
    }
}

/// ⌊a / b⌋
fn whole(on: &mut Program, a: Id, b: f64) -> Id {
    let ratio = on.over(a, b);
    on.function(Function::Floor, ratio)
}

/// Monday is 1, Sunday 7; day 0 was a Thursday.
fn weekday(on: &mut Program, days: Id) -> Id {
    let from_monday = on.plus(days, 3.0);
    let weeks = whole(on, from_monday, 7.0);
    on.sum([(from_monday, 1.0), (weeks, -7.0)], 1.0)
}

/// The day on which a year begins.
fn new_year(on: &mut Program, year: Id) -> Id {
    let before = on.plus(year, -1.0);
    let [fours, hundreds, four_hundreds] = [4.0, 100.0, 400.0].map(|years| whole(on, before, years));
    on.sum([(before, 365.0), (fours, 1.0), (hundreds, -1.0), (four_hundreds, 1.0)], -719_162.0)
}

/// Year, month and day of days since 1970-01-01, counted in eras of 400 years that begin in March (Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms", 2013).
fn civil(on: &mut Program, days: Id) -> (Id, Id, Id) {
    let from_march = on.plus(days, 719_468.0);
    let era = whole(on, from_march, 146_097.0);
    let of_era = on.sum([(from_march, 1.0), (era, -146_097.0)], 0.0);
    let [fours, hundreds, all] = [1460.0, 36_524.0, 146_096.0].map(|days| whole(on, of_era, days));
    let without_leaps = on.sum([(of_era, 1.0), (fours, -1.0), (hundreds, 1.0), (all, -1.0)], 0.0);
    let year = whole(on, without_leaps, 365.0);
    let [fours, hundreds] = [4.0, 100.0].map(|years| whole(on, year, years));
    let of_year = on.sum([(of_era, 1.0), (year, -365.0), (fours, -1.0), (hundreds, 1.0)], 0.0);
    let fives = on.sum([(of_year, 5.0)], 2.0);
    let month = whole(on, fives, 153.0);
    let begins = on.sum([(month, 153.0)], 2.0);
    let begins = whole(on, begins, 5.0);
    let day = on.sum([(of_year, 1.0), (begins, -1.0)], 1.0);
    let is_next = on.from(month, 10.0);
    let (this, next) = (on.plus(month, 3.0), on.plus(month, -9.0));
    let month = on.choose(vec![(is_next, next)], this);
    let is_next = on.as_number(is_next);
    let year = on.sum([(year, 1.0), (era, 400.0), (is_next, 1.0)], 0.0);
    (year, month, day)
}

impl Split {
    /// The moment that parts are read off, null outside the years 1 to 9999, where calendars give out.
    fn moment(&self, dtype: &DataType, tz: Option<&str>) -> Result<Expr> {
        const FIRST_DAY: i64 = -719_162;
        const LAST_DAY: i64 = 2_932_896;
        let value = column(&self.name);
        if self.kind == Kind::Time {
            return Ok(value);
        }
        let a_day: i64 = match dtype {
            DataType::Datetime(TimeUnit::Milliseconds, _) => 86_400_000,
            DataType::Datetime(TimeUnit::Microseconds, _) => 86_400_000_000,
            DataType::Datetime(TimeUnit::Nanoseconds, _) => 86_400_000_000_000,
            _ => 1,
        };
        let bound = |days: i64| lit(days.saturating_mul(a_day));
        let number = value.clone().to_physical().cast(DataType::Int64);
        let sound = number.clone().gt_eq(bound(FIRST_DAY)).and(number.lt_eq(bound(LAST_DAY)));
        let value = when(sound).then(value).otherwise(lit(NULL));
        if self.kind == Kind::Date {
            return Ok(value);
        }
        // Microseconds, because polars' arithmetic on nanoseconds overflows near their bounds; a date that was a
        // datetime in training has the hour 0.
        let zone = if let DataType::Datetime(_, zone) = dtype { zone.clone() } else { None };
        let value = value.cast(DataType::Datetime(TimeUnit::Microseconds, zone));
        match TimeZone::opt_try_new(tz)? {
            Some(zone) => Ok(value.dt().convert_time_zone(zone)),
            None => Ok(value),
        }
    }
}

impl Apply for FittedDateParts {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        if self.columns.is_empty() {
            return Ok(frame);
        }
        let schema = frame.collect_schema()?;
        let names: Vec<String> = self.columns.iter().map(|split| split.name.clone()).collect();
        levels::require(&schema, names.iter().map(String::as_str))?;
        kinds(&schema, &names)?;
        // Each moment is worked out once; a second query stage reads its parts.
        let mut temporary = Names::new(
            schema.iter_names().map(PlSmallStr::as_str).chain(self.columns.iter().flat_map(|split| split.parts.iter().map(|(_, name)| name.as_str()))),
        );
        let mut moments = Vec::new();
        let mut parts = Vec::new();
        let mut gone = Vec::new();
        for split in &self.columns {
            let moment = temporary.give(&format!("moment of {}", split.name));
            let dtype = schema.get(&split.name).cloned().unwrap_or(DataType::Null);
            moments.push(split.moment(&dtype, self.tz.as_deref())?.alias(moment.as_str()));
            parts.extend(split.parts.iter().map(|(part, name)| part.of(&column(&moment)).alias(name.as_str())));
            gone.push(moment);
        }
        let originals = if self.drop_original { names.as_slice() } else { &[] };
        let frame = frame.with_columns(moments).drop(levels::exactly(originals.iter().map(String::as_str)));
        Ok(frame.with_columns(parts).drop(levels::exactly(gone.iter().map(String::as_str))))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        if let Some(tz) = self.tz.as_ref().filter(|tz| !matches!(tz.as_str(), "UTC" | "Etc/UTC")) {
            return Err(Why::new(format!("reads times off in the zone `{}`", shorten(tz))));
        }
        let mut made = Vec::new();
        for split in &self.columns {
            let Value::Moment(seconds, _) = on.value(&split.name)? else {
                return Err(Why::new(format!("reads column `{}`, which is no date", shorten(&split.name))));
            };
            for (part, name) in &split.parts {
                made.push((name, part.lower(seconds, split.kind == Kind::Time, &mut on.program)));
            }
        }
        if self.drop_original {
            on.drop(self.columns.iter().map(|split| split.name.as_str()));
        }
        for (name, number) in made {
            on.set_number(name, number);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let row = |split: &Split| {
            let names: Vec<String> = split.parts.iter().map(|(_, name)| shorten(name)).collect();
            vec![shorten(&split.name).into(), names.join(", ").into()]
        };
        let zone = self.tz.as_ref().map(|tz| format!(", read off in {tz}")).unwrap_or_default();
        vec![card::Table {
            caption: format!("Parts of dates and times{zone}"),
            columns: ["column", "became"].map(str::to_owned).to_vec(),
            rows: self.columns.iter().map(row).collect(),
        }]
    }
}

impl FittedDateParts {
    /// The names of the new columns, a list for each column that was split.
    pub(super) fn outputs(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.columns.iter().map(|split| (split.name.as_str(), split.parts.iter().map(|(_, name)| name.as_str()).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Roles, Table};

    const EVERY: [Part; 13] = [
        Part::Year,
        Part::Quarter,
        Part::Month,
        Part::Week,
        Part::DayOfYear,
        Part::DayOfWeek,
        Part::Day,
        Part::IsWeekend,
        Part::Hour,
        Part::Minute,
        Part::Second,
        Part::DecimalHour,
        Part::Epoch,
    ];

    fn moments(unit: TimeUnit, values: &[Option<i64>]) -> DataFrame {
        let datetimes = Column::new("t".into(), values).cast(&DataType::Datetime(unit, None)).unwrap();
        DataFrame::new(values.len(), vec![datetimes]).unwrap()
    }

    fn fitted(transform: &DateParts, train: DataFrame) -> Result<FittedDateParts> {
        transform.check().unwrap();
        let table = Table::of(train);
        let fitted = transform.fit(Fit { table: &table, roles: &Roles::default().with_target("y"), seed: 0, target: None })?;
        Ok(serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap())
    }

    fn applied(fitted: &FittedDateParts, frame: DataFrame) -> DataFrame {
        Table::from_query(fitted.apply(frame.lazy()).unwrap()).unwrap().collect().unwrap()
    }

    fn names(frame: &DataFrame) -> Vec<&str> {
        frame.get_column_names().iter().map(|name| name.as_str()).collect()
    }

    fn row(frame: &DataFrame, i: usize) -> Vec<Option<f64>> {
        frame.columns().iter().map(|c| c.cast(&DataType::Float64).unwrap().f64().unwrap().get(i)).collect()
    }

    #[test]
    fn every_part_of_a_datetime_is_right() {
        // Sunday 2023-01-01 13:30:36.5, in ISO week 52 of 2022.
        let frame = moments(TimeUnit::Milliseconds, &[Some(1_672_579_836_500), None]);
        let out = applied(&fitted(&DateParts { parts: EVERY.to_vec(), ..Default::default() }, frame.clone()).unwrap(), frame);
        let expected: Vec<String> = EVERY.iter().map(|part| format!("t_{}", part.name())).collect();
        assert_eq!(names(&out), expected);
        let expected = [2023.0, 1.0, 1.0, 52.0, 1.0, 7.0, 1.0, 1.0, 13.0, 30.0, 36.0, 13.51, 1_672_579_836.5];
        for (found, expected) in row(&out, 0).into_iter().zip(expected) {
            assert!((found.unwrap() - expected).abs() < 1e-9, "{found:?} {expected}");
        }
        assert!(row(&out, 1).iter().all(Option::is_none));
    }

    #[test]
    fn parts_are_read_off_in_the_zone() {
        // Monday 2024-07-01 03:00 UTC is Sunday 23:00 in New York.
        let frame = moments(TimeUnit::Microseconds, &[Some(1_719_802_800_000_000)]);
        let parts = vec![Part::DayOfWeek, Part::Hour, Part::Epoch];
        let transform = DateParts { parts, tz: Some("America/New_York".to_owned()), ..Default::default() };
        let out = applied(&fitted(&transform, frame.clone()).unwrap(), frame);
        assert_eq!(row(&out, 0), [Some(7.0), Some(23.0), Some(1_719_802_800.0)]);
    }

    #[test]
    fn absurd_moments_become_missing() {
        let parts = || DateParts { parts: EVERY.to_vec(), tz: Some("Asia/Tokyo".to_owned()), ..Default::default() };
        for unit in [TimeUnit::Milliseconds, TimeUnit::Microseconds] {
            let frame = moments(unit, &[Some(i64::MAX), Some(i64::MIN)]);
            let out = applied(&fitted(&parts(), frame.clone()).unwrap(), frame);
            assert!((0..2).all(|i| row(&out, i).iter().all(Option::is_none)));
        }
        let frame = moments(TimeUnit::Nanoseconds, &[Some(i64::MAX), Some(i64::MIN)]);
        let out = applied(&fitted(&parts(), frame.clone()).unwrap(), frame);
        assert_eq!((row(&out, 0)[0], row(&out, 1)[0]), (Some(2262.0), Some(1677.0)));
    }

    #[test]
    fn dates_have_no_hours_and_names_that_are_taken_get_a_number() {
        let days = Column::new("d".into(), [19_723_i32, i32::MAX]).cast(&DataType::Date).unwrap();
        let frame = DataFrame::new(2, vec![days, Column::new("d_year".into(), [0, 0]), Column::new("y".into(), [0, 0])]).unwrap();
        let date_parts = fitted(&DateParts { drop_original: false, ..Default::default() }, frame.clone()).unwrap();
        let out = applied(&date_parts, frame.select(["d", "d_year"]).unwrap());
        assert_eq!(names(&out), ["d", "d_year", "d_year_2", "d_month", "d_day", "d_day_of_week"]);
        assert_eq!(row(&out, 0)[2..], [Some(2024.0), Some(1.0), Some(1.0), Some(1.0)]);
        assert_eq!(row(&out, 1)[2..], [None; 4]);
        let only_clock = DateParts { parts: vec![Part::Hour], ..Default::default() };
        assert_eq!(fitted(&only_clock, frame).unwrap_err().to_string(), "`date_parts` lists no part that these columns have: `d`");
    }

    #[test]
    fn columns_that_are_no_dates_are_refused_together() {
        let frame = df!("a" => ["2024-01-01"], "b" => [1.0]).unwrap();
        let error = fitted(&DateParts { columns: Some(Selector::names(["a", "b"])), ..Default::default() }, frame).unwrap_err();
        assert_eq!(error.to_string(), "`date_parts` takes dates, datetimes and times, not `a` (str), `b` (f64)");
    }

    #[test]
    fn an_unknown_zone_and_a_part_listed_twice_are_faults() {
        let faults = DateParts { tz: Some("Mars/Olympus".to_owned()), parts: vec![Part::Year, Part::Year], ..Default::default() }.check().unwrap_err();
        assert_eq!(faults.iter().map(ToString::to_string).collect::<Vec<_>>(), ["unknown time zone: Mars/Olympus", "part is listed twice: year"]);
    }
}
