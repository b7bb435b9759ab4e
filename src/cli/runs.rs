//! `recipe runs`: past runs, the newest first, and all that is known of one.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::process::ExitCode;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, Utc};
use clap::Args;
use serde::Serialize;

use super::clean::parse_age;
use super::terminal::Terminal;
use super::{Program, complete, day_and_time, out};
use crate::card::{Cell, Table, text};
use crate::error::{Error, Result, shorten};
use crate::ml::metric::short_name;
use crate::run::{Now, Session, Whole, find_run, run_card, status, took, under_way};
use crate::store::Access;
use crate::tracking::RunRow;
use crate::value::suggest;

#[derive(Debug, Args)]
pub struct RunsArgs {
    /// All of one run: four or more digits of its id, `latest`, `previous`, or a model such as `models:/NAME@champion`.
    #[arg(add = complete::runs())]
    run: Option<String>,
    /// How many.
    #[arg(short = 'n', value_name = "COUNT", default_value = "20")]
    count: NonZeroUsize,
    /// Only runs that ended so, or have not ended.
    #[arg(long, value_name = "STATUS", ignore_case = true, conflicts_with = "run")]
    status: Vec<StatusName>,
    /// Only runs that began since: `2h`, `7d`, `2026-11-01` or `2026-11-01 12:00` (UTC).
    #[arg(long, value_name = "WHEN", conflicts_with = "run")]
    since: Option<String>,
    /// Only runs on a git branch.
    #[arg(long, value_name = "NAME", conflicts_with = "run")]
    branch: Option<String>,
    /// Only runs of a git commit; its first digits will do.
    #[arg(long, value_name = "COMMIT", conflicts_with = "run")]
    commit: Option<String>,
    /// Only runs whose message holds a text.
    #[arg(long, value_name = "TEXT", conflicts_with = "run")]
    message: Option<String>,
    /// Only runs of a sweep; the first digits of its id will do.
    #[arg(long, value_name = "ID", conflicts_with = "run")]
    sweep: Option<String>,
    /// Only runs with such a metric: `--where 'val_r2_score>0.8'`.
    #[arg(long = "where", value_name = "METRIC<VALUE", conflicts_with = "run")]
    conditions: Vec<Condition>,
    /// Of every recipe of the project.
    #[arg(long, conflicts_with = "run")]
    all: bool,
    /// The test scores too: when the choice is made.
    #[arg(long = "final", conflicts_with = "run")]
    is_final: bool,
    /// Only the configuration of the run as it was used.
    #[arg(long, requires = "run", conflicts_with_all = ["patch", "json"])]
    config: bool,
    /// Only what the work tree had otherwise than the run's commit, for `git apply`.
    #[arg(long, requires = "run", conflicts_with = "json")]
    patch: bool,
    /// As JSON, for a program.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum StatusName {
    Finished,
    Failed,
    Killed,
    Running,
}

/// `val_r2_score>0.8`
#[derive(Clone, Debug, PartialEq)]
struct Condition {
    metric: String,
    is_below: bool,
    value: f64,
}

impl std::str::FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || "write METRIC<VALUE or METRIC>VALUE, for example 'val_r2_score>0.8'".to_owned();
        let at = text.find(['<', '>']).ok_or_else(wanted)?;
        let value = text[at + 1..].trim().parse().map_err(|_| wanted())?;
        Ok(Self { metric: text[..at].trim().to_owned(), is_below: text[at..].starts_with('<'), value })
    }
}

impl Condition {
    fn holds(&self, metrics: &BTreeMap<String, f64>) -> bool {
        metrics.get(&self.metric).is_some_and(|value| if self.is_below { *value < self.value } else { *value > self.value })
    }
}

/// A run in a list.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    row: RunRow,
    metrics: BTreeMap<String, f64>,
}

pub fn runs(program: &Program, args: &RunsArgs) -> Result<ExitCode> {
    let recipe = program.load(&[])?;
    let session = Session::open(&recipe, Access::Read)?;
    let text = if let Some(run) = &args.run {
        one(args, &session, find_run(&session, run)?)?
    } else {
        let runs = chosen(args, &session)?;
        if args.is_final {
            program.looked_at(&session)?;
        }
        if args.json { format!("{:#}\n", serde_json::json!(runs)) } else { list(args, &session, &runs, &under_way(&session.store)?) }
    };
    out(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The runs that the filters leave, without test scores unless these are asked for.
fn chosen(args: &RunsArgs, session: &Session<'_>) -> Result<Vec<Listed>> {
    if let Some(hidden) = args.conditions.iter().find(|condition| condition.metric.starts_with("test_")).filter(|_| !args.is_final) {
        return Err(Error::usage(format!("test scores are hidden: `{}`", shorten(&hidden.metric))).hint("`--final` shows them; choose by `val_…` until then"));
    }
    let since = args.since.as_deref().map(moment).transpose()?;
    let keep = |run: &RunRow| {
        let is = |one: Option<&String>, wanted: &Option<String>, fits: fn(&str, &str) -> bool| {
            wanted.as_ref().is_none_or(|wanted| one.is_some_and(|one| fits(one, wanted)))
        };
        (args.status.is_empty() || args.status.iter().any(|status| run.status.eq_ignore_ascii_case(&format!("{status:?}"))))
            && since.is_none_or(|since| run.started_ms >= since)
            && is(run.git_branch.as_ref(), &args.branch, |one, wanted| one == wanted)
            && is(run.git_commit.as_ref(), &args.commit, |one, wanted| one.starts_with(wanted))
            && is(run.message.as_ref(), &args.message, |one, wanted| one.contains(wanted))
            && is(run.sweep.as_ref(), &args.sweep, |one, wanted| one.starts_with(wanted))
    };
    let tracker = &session.around.tracker;
    let recipe = (!args.all).then_some(session.recipe.name.as_str());
    let mut found = Vec::new();
    let mut known = BTreeSet::new();
    for row in tracker.runs(recipe, usize::MAX)?.into_iter().filter(keep) {
        if found.len() == args.count.get() {
            break;
        }
        let metrics = tracker.metrics(&row.id)?;
        known.extend(metrics.keys().filter(|name| args.is_final || !name.starts_with("test_")).cloned());
        if args.conditions.iter().all(|condition| condition.holds(&metrics)) {
            let metrics = metrics.into_iter().filter(|(name, _)| args.is_final || !name.starts_with("test_")).collect();
            found.push(Listed { row, metrics });
        }
    }
    // A name that no run has is more likely a slip than a filter.
    if let Some(slip) = args.conditions.iter().find(|condition| found.is_empty() && !known.is_empty() && !known.contains(&condition.metric)) {
        let names: Vec<&str> = known.iter().map(String::as_str).collect();
        return Err(Error::usage(format!("no run has a metric `{}`", shorten(&slip.metric))).hint(suggest(&slip.metric, &names)));
    }
    Ok(found)
}

/// A moment in milliseconds: so long ago, or a day with or without a time.
fn moment(text: &str) -> Result<i64> {
    let day = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN));
    let time = |text: &str| ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S"].iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    if let Some(moment) = day(text).or_else(|| time(text)) {
        return Ok(moment.and_utc().timestamp_millis());
    }
    match parse_age(text) {
        Ok(age) => Ok(Utc::now().timestamp_millis() - i64::try_from(age.as_millis()).unwrap_or(i64::MAX / 2)),
        Err(_) => Err(Error::usage(format!("not a time: `{}`", shorten(text))).hint("write `2h`, `7d` or `2026-11-01`")),
    }
}

fn list(args: &RunsArgs, session: &Session<'_>, runs: &[Listed], live: &[Now]) -> String {
    if runs.is_empty() {
        let is_filtered = args.since.is_some() || args.branch.is_some() || args.commit.is_some() || args.message.is_some() || args.sweep.is_some();
        let is_filtered = is_filtered || !args.status.is_empty() || !args.conditions.is_empty();
        return if is_filtered { "no run is like that\n" } else { "no run yet; `recipe run` makes one\n" }.to_owned();
    }
    let primary = &session.recipe.primary_metric;
    let short = short_name(primary);
    let value = |run: &Listed, split: &str| Cell::from(run.metrics.get(&format!("{split}_{primary}")).copied());
    let has_message = runs.iter().any(|run| run.row.message.is_some());
    let has_profiles = runs.iter().any(|run| Some(&run.row.profile) != runs.first().map(|first| &first.row.profile));
    let mut columns = vec!["run".to_owned(), "started (UTC)".to_owned(), "status".to_owned(), "time".to_owned(), format!("val {short}")];
    columns.extend(args.is_final.then(|| format!("test {short}")));
    columns.extend(args.all.then(|| "recipe".to_owned()));
    columns.extend(has_profiles.then(|| "profile".to_owned()));
    columns.extend(has_message.then(|| "message".to_owned()));
    let row = |run: &Listed| {
        let mut cells = vec![run.row.id.as_str().into(), day_and_time(run.row.started_ms).into(), status(&run.row, live), took(&run.row), value(run, "val")];
        cells.extend(args.is_final.then(|| value(run, "test")));
        cells.extend(args.all.then(|| run.row.recipe.as_str().into()));
        cells.extend(has_profiles.then(|| run.row.profile.clone().into()));
        cells.extend(has_message.then(|| run.row.message.clone().into()));
        cells
    };
    text::table(&Table { caption: String::new(), columns, rows: runs.iter().map(row).collect() }, Terminal::width())
}

fn one(args: &RunsArgs, session: &Session<'_>, row: RunRow) -> Result<String> {
    let whole = Whole::of(&session.around.tracker, row)?;
    if args.config {
        return Ok(whole.config.unwrap_or_default());
    }
    if args.patch {
        return whole.details.patch.ok_or_else(|| {
            let error = Error::usage(format!("no patch is kept of run {}", whole.row.id));
            error.hint(match whole.row.git_dirty {
                Some(true) => "it was larger than a megabyte",
                Some(false) => "the work tree was as its commit",
                None => "it took everything from the cache, or there was no git",
            })
        });
    }
    if args.json {
        return Ok(format!("{:#}\n", serde_json::json!(whole)));
    }
    let live = under_way(&session.store)?;
    Ok(text::text(&run_card(&whole, &session.recipe.primary_metric, &live), Terminal::width()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_and_times_are_read_as_they_are_written() {
        let condition: Condition = "val_r2_score > 0.8".parse().unwrap();
        assert_eq!(condition, Condition { metric: "val_r2_score".into(), is_below: false, value: 0.8 });
        let metrics = |value| BTreeMap::from([("val_r2_score".to_owned(), value)]);
        assert!(condition.holds(&metrics(0.9)) && !condition.holds(&metrics(0.8)) && !condition.holds(&BTreeMap::new()));
        assert!("val_r2_score=3".parse::<Condition>().is_err() && "a<b".parse::<Condition>().is_err());
        assert_eq!(moment("2026-11-01").unwrap(), 1_793_491_200_000);
        assert_eq!(moment("2026-11-01 00:01").unwrap() - moment("2026-11-01").unwrap(), 60_000);
        assert!((Utc::now().timestamp_millis() - moment("2h").unwrap() - 7_200_000).abs() < 60_000);
        assert!(moment("yesterday").is_err());
    }
}
