//! `recipe leaderboard`: the models of past runs, the best on validation rows first.
//!
//! Runs with the same model are one line. Scores have intervals and ties are called ties, from the validation rows that are still in the
//! cache. Test scores are hidden until they are asked for, and that is remembered: who chooses by them has none left to trust.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::Args;

use super::terminal::Terminal;
use super::{Program, day_and_time, out};
use crate::card::{Cell, Table, format, text};
use crate::error::{Error, Result, counted, shorten};
use crate::ml::metric::short_name;
use crate::recipe::document::Document;
use crate::recipe::explain::one_line;
use crate::run::{Measured, Session, measure};
use crate::store::Access;
use crate::tracking::{Contender, Look, Tracker, VersionRow};
use crate::value::{Map, Path, Value, display_path};

#[derive(Debug, Args)]
pub struct LeaderboardArgs {
    /// Only the runs of a sweep; the first four digits of its id will do.
    #[arg(long, value_name = "ID")]
    sweep: Option<String>,
    /// How many.
    #[arg(short = 'n', value_name = "COUNT", default_value = "20")]
    count: NonZeroUsize,
    /// Show the test scores too: when the choice is made. That is remembered.
    #[arg(long = "final")]
    is_final: bool,
    /// Leave out what models have to be scored for: intervals, ties and speed.
    #[arg(long)]
    quick: bool,
    /// As JSON, for a program.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// As csv, for a program.
    #[arg(long)]
    csv: bool,
}

/// A line of the board.
struct Line {
    contender: Contender,
    score: f64,
    version: Option<VersionRow>,
    measured: Measured,
    /// As many as there are columns.
    parameters: Vec<Option<Value>>,
}

pub fn leaderboard(program: &Program, args: &LeaderboardArgs) -> Result<ExitCode> {
    let recipe = program.load(&[])?;
    let session = Session::open(&recipe, Access::Read)?;
    let tracker = &session.around.tracker;
    let metric = &recipe.primary_metric;
    let sweep = args.sweep.as_deref().map(|id| find_sweep(tracker, &recipe.name, id)).transpose()?;
    let mut runs = tracker.contenders(&recipe.name, metric)?;
    // Any run with the same model may have registered it, one outside the sweep too.
    let versions: BTreeMap<String, VersionRow> =
        tracker.versions(None)?.into_iter().filter_map(|version| Some((runs.iter().find(|run| run.run == version.run)?.train.clone(), version))).collect();
    runs.retain(|run| sweep.is_none() || run.sweep == sweep);
    let count = runs.len();
    let mut lines = distinct(runs, &versions);
    let models = lines.len();
    lines.sort_by(|a, b| {
        let order = if recipe.greater_is_better { b.score.total_cmp(&a.score) } else { a.score.total_cmp(&b.score) };
        order.then_with(|| (a.contender.started_ms, &a.contender.run).cmp(&(b.contender.started_ms, &b.contender.run)))
    });
    lines.truncate(args.count.get());
    let paths = parameters(tracker, &mut lines)?;
    if !args.quick {
        let measured = measure(&session, &lines.iter().map(|line| &line.contender).collect::<Vec<_>>())?;
        lines.iter_mut().zip(measured).for_each(|(line, measured)| line.measured = measured);
    }
    if args.is_final && models > 0 {
        program.looked_at(&session)?;
    }
    let looks = tracker.looks(&recipe.name)?;
    if args.json {
        let runs: Vec<serde_json::Value> = lines.iter().map(|line| json(line, &paths, args.is_final)).collect();
        let whole = serde_json::json!({ "recipe": recipe.name, "sweep": sweep, "metric": metric, "greater_is_better": recipe.greater_is_better, "looks": looks, "runs": runs });
        out(&format!("{whole:#}\n"))?;
    } else if args.csv {
        out(&csv(&lines, &paths, args.is_final)?)?;
    } else if models == 0 {
        out(&match count {
            0 => "no model was trained yet; `recipe run` trains one\n".to_owned(),
            _ => format!("no finished run has `val_{metric}`\n`recipe run evaluate` computes it\n"),
        })?;
    } else {
        let caption = format!("{}: {metric}, {}", recipe.name, direction(recipe.greater_is_better));
        let mut text = text::table(&table(&lines, &paths, caption, short_name(metric), args.is_final), Terminal::width());
        text.push_str(&format!("\n{} of {} in {}\n", lines.len(), counted(models as u64, "model"), counted(count as u64, "run")));
        let splits: BTreeSet<_> = lines.iter().map(|line| &line.contender.split).collect();
        if splits.len() > 1 {
            text.push_str(&format!("{} splits: scores are on different rows\n", splits.len()));
        }
        text.push_str(&told(&looks, args.is_final));
        out(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Are test scores hidden, and how often were they looked at?
fn told(looks: &[Look], is_final: bool) -> String {
    let hidden = if is_final { None } else { Some("hidden until `--final`".to_owned()) };
    let seen = looks.last().map(|last| {
        let times = if looks.len() == 1 { "once".to_owned() } else { format!("{} times", format::count(looks.len() as u64)) };
        let who = last.who.as_ref().map_or_else(String::new, |who| format!(" by {who}"));
        let last = if looks.len() == 1 { String::new() } else { "last ".to_owned() } + &day_and_time(last.at_ms);
        format!("looked at {times}, {last}{who}")
    });
    let told: Vec<String> = hidden.into_iter().chain(seen).collect();
    if told.is_empty() { String::new() } else { text::wrap(&format!("test scores: {}", told.join("; ")), Terminal::width()).join("\n") + "\n" }
}

fn find_sweep(tracker: &Tracker, recipe: &str, id: &str) -> Result<String> {
    let known = tracker.sweeps(recipe)?;
    let fitting: Vec<&String> = known.iter().filter(|sweep| *sweep == id || (id.len() >= 4 && sweep.starts_with(id))).collect();
    match fitting.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(Error::usage(format!("no sweep `{}` of `{recipe}`", shorten(id))).hint(if known.is_empty() {
            "`recipe sweep KEY=VALUES` makes one".to_owned()
        } else {
            format!("the last ones: {}", known.iter().take(5).cloned().collect::<Vec<_>>().join(", "))
        })),
        several => Err(Error::usage(format!("several sweeps begin with `{id}`")).hint(several.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", "))),
    }
}

/// One line a model: its newest run that has the metric.
fn distinct(runs: Vec<Contender>, versions: &BTreeMap<String, VersionRow>) -> Vec<Line> {
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    for contender in runs {
        match (lines.get_mut(&contender.train), contender.validation) {
            (Some(line), _) => {
                line.contender.test = line.contender.test.or(contender.test);
                line.contender.validated = line.contender.validated.or(contender.validated);
            }
            (None, Some(score)) => {
                let version = versions.get(&contender.train).cloned();
                lines.insert(contender.train.clone(), Line { contender, score, version, measured: Measured::default(), parameters: Vec::new() });
            }
            (None, None) => {}
        }
    }
    lines.into_values().collect()
}

/// Finds where the configurations of the lines differ, and gives each line its values.
fn parameters(tracker: &Tracker, lines: &mut [Line]) -> Result<Vec<Path>> {
    let mut configs = Vec::new();
    for line in lines.iter() {
        let text = tracker.config(&line.contender.run)?.unwrap_or_default();
        // What an older program wrote may not be readable; then nothing is known of it.
        let whole = Document::parse("the run's configuration", &text).map(|document| document.value).unwrap_or_default();
        configs.push(compared(&whole, &tracker.params(&line.contender.run)?));
    }
    let mut found = Vec::new();
    differ(&configs.iter().map(Some).collect::<Vec<_>>(), &mut Path::new(), &mut found);
    let at = |path: &str| -> Path { path.split('.').map(str::to_owned).collect() };
    if found.iter().any(|(path, _)| *path == at("steps.train.using")) {
        // Other estimators have other parameters; only what differs where it is known is worth a column.
        let own = at("steps.train.estimator_params");
        found.retain(|(path, values)| !path.starts_with(&own) || values.iter().flatten().map(one_line).collect::<BTreeSet<_>>().len() > 1);
    }
    for (i, line) in lines.iter_mut().enumerate() {
        line.parameters = found.iter().map(|(_, values)| values.get(i).cloned().flatten()).collect();
    }
    Ok(found.into_iter().map(|(path, _)| path).collect())
}

/// The part of a configuration that makes the model, with the estimator's defaults filled in.
fn compared(whole: &Value, params: &BTreeMap<String, String>) -> Value {
    let mut kept: Map = ["seed", "target_col", "roles"].iter().filter_map(|key| whole.get(key).map(|value| ((*key).to_owned(), value.clone()))).collect();
    let mut steps: Map = ["ingest", "split", "transform", "train"]
        .iter()
        .filter_map(|step| whole.get("steps").and_then(|steps| steps.get(step)).map(|value| ((*step).to_owned(), value.clone())))
        .collect();
    let mut own: Map = params.iter().filter_map(|(name, value)| Some((name.strip_prefix("train.")?.to_owned(), Value::plain_scalar(value)))).collect();
    if let Some(using) = own.remove("using") {
        let mut train = match steps.remove("train") {
            Some(Value::Map(map)) => map,
            _ => Map::default(),
        };
        train.insert("using".to_owned(), using);
        train.insert("estimator_params".to_owned(), Value::Map(own));
        steps.insert("train".to_owned(), Value::Map(train));
    }
    kept.insert("steps".to_owned(), Value::Map(steps));
    Value::Map(kept)
}

/// The deepest paths at which trees differ, with what each has there.
fn differ(values: &[Option<&Value>], path: &mut Path, found: &mut Vec<(Path, Vec<Option<Value>>)>) {
    let Some(first) = values.first() else { return };
    if values.iter().all(|value| value == first) {
        return;
    }
    let mut below = |key: String, values: &[Option<&Value>]| {
        path.push(key);
        differ(values, path, found);
        path.pop();
    };
    let maps: Vec<Option<&Map>> = values.iter().map(|value| if let Some(Value::Map(map)) = value { Some(map) } else { None }).collect();
    let lists: Vec<&Vec<Value>> = values.iter().filter_map(|value| if let Some(Value::List(list)) = value { Some(list) } else { None }).collect();
    if values.iter().zip(&maps).all(|(value, map)| map.is_some() || matches!(value, None | Some(Value::Null))) {
        let keys: BTreeSet<&String> = maps.iter().flatten().flat_map(|map| map.keys()).collect();
        for key in keys {
            below(key.clone(), &maps.iter().map(|map| map.and_then(|map| map.get(key))).collect::<Vec<_>>());
        }
    } else if lists.len() == values.len() && lists.iter().all(|list| Some(list.len()) == lists.first().map(|l| l.len()) && list.iter().any(is_nested)) {
        for i in 0..lists.first().map_or(0, |list| list.len()) {
            below(i.to_string(), &lists.iter().map(|list| list.get(i)).collect::<Vec<_>>());
        }
    } else {
        found.push((path.clone(), values.iter().map(|value| value.cloned()).collect()));
    }
}

fn is_nested(value: &Value) -> bool {
    matches!(value, Value::Map(_) | Value::List(_))
}

/// What to call columns: a path's last key where no other path ends in it, else the path without `steps`.
pub fn column_names(paths: &[Path]) -> Vec<String> {
    let last = |path: &Path| path.iter().rev().find(|part| part.parse::<usize>().is_err()).cloned().unwrap_or_default();
    paths
        .iter()
        .map(|path| {
            let name = last(path);
            let is_alone = paths.iter().filter(|other| last(other) == name).count() == 1;
            let rest = path.strip_prefix(&["steps".to_owned()]).unwrap_or(path);
            if is_alone { name } else { display_path(rest) }
        })
        .collect()
}

/// Which way a metric is better, in words.
pub fn direction(greater_is_better: bool) -> &'static str {
    if greater_is_better { "greater is better" } else { "smaller is better" }
}

fn table(lines: &[Line], paths: &[Path], caption: String, metric: &str, is_final: bool) -> Table {
    let has = |of: fn(&Line) -> bool| lines.iter().any(of);
    let has_versions = has(|line| line.version.is_some());
    let has_gate = has(|line| line.contender.validated.is_some());
    let (has_intervals, has_speed) = (has(|line| line.measured.interval.is_some()), has(|line| line.measured.microseconds_per_row.is_some()));
    let (has_ties, has_sizes) = (has(|line| line.measured.against_best.is_some()), has(|line| line.measured.bytes.is_some()));
    let mut columns = vec!["run".to_owned(), format!("val {metric}")];
    columns.extend(has_intervals.then(|| "95 %".to_owned()));
    columns.extend(has_ties.then(|| "is".to_owned()));
    columns.extend(is_final.then(|| format!("test {metric}")));
    columns.extend(column_names(paths));
    columns.push("fit".to_owned());
    columns.extend(has_speed.then(|| "µs/row".to_owned()));
    columns.extend(has_sizes.then(|| "size".to_owned()));
    columns.extend(has_gate.then(|| "gate".to_owned()));
    columns.extend(has_versions.then(|| "model".to_owned()));
    let row = |(place, line): (usize, &Line)| {
        let measured = &line.measured;
        let mut cells = vec![Cell::from(line.contender.run.as_str()), line.score.into()];
        let interval = measured.interval.map(|interval| format!("{} – {}", format::number(interval.low), format::number(interval.high)));
        cells.extend(has_intervals.then(|| interval.into()));
        cells.extend(has_ties.then(|| standing(place, line).map_or(Cell::Missing, Cell::from)));
        cells.extend(is_final.then(|| line.contender.test.into()));
        cells.extend(line.parameters.iter().map(|value| value.as_ref().map(one_line).into()));
        cells.push(Cell::Seconds(line.contender.fit_seconds));
        cells.extend(has_speed.then(|| measured.microseconds_per_row.into()));
        cells.extend(has_sizes.then(|| measured.bytes.map_or(Cell::Missing, Cell::Bytes)));
        cells.extend(has_gate.then(|| match line.contender.validated {
            Some(true) => Cell::Good("passed".to_owned()),
            Some(false) => Cell::Bad("rejected".to_owned()),
            None => Cell::Missing,
        }));
        if has_versions {
            cells.push(line.version.as_ref().map(version).into());
        }
        cells
    };
    Table { caption, columns, rows: lines.iter().enumerate().map(row).collect() }
}

/// `best`, or how the model stands against the best on the same rows: `tie`, `worse`.
fn standing(place: usize, line: &Line) -> Option<&'static str> {
    if place == 0 { Some("best") } else { line.measured.against_best.map(|compared| compared.verdict()) }
}

/// `taxi_fare v2 @champion`
fn version(row: &VersionRow) -> String {
    format!("{} v{}{}", row.name, row.version, row.aliases.iter().map(|alias| format!(" @{alias}")).collect::<String>())
}

fn json(line: &Line, paths: &[Path], is_final: bool) -> serde_json::Value {
    let parameters: serde_json::Map<String, serde_json::Value> =
        paths.iter().zip(&line.parameters).map(|(path, value)| (display_path(path), serde_json::to_value(value).unwrap_or_default())).collect();
    let mut object = serde_json::json!({
        "run": line.contender.run,
        "profile": line.contender.profile,
        "sweep": line.contender.sweep,
        "validation": line.score,
        "interval": line.measured.interval,
        "against_best": line.measured.against_best,
        "is_tied_with_best": line.measured.against_best.map(|compared| compared.verdict() == "tie"),
        "fit_seconds": line.contender.fit_seconds,
        "microseconds_per_row": line.measured.microseconds_per_row,
        "bytes": line.measured.bytes,
        "validated": line.contender.validated,
        "model": line.version.as_ref().map(|row| serde_json::json!({ "name": row.name, "version": row.version, "aliases": row.aliases })),
        "parameters": parameters,
    });
    if is_final && let Some(map) = object.as_object_mut() {
        map.insert("test".to_owned(), serde_json::json!(line.contender.test));
    }
    object
}

fn csv(lines: &[Line], paths: &[Path], is_final: bool) -> Result<String> {
    let fail = |error: csv::Error| Error::bug(error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut head = ["run", "validation", "low", "high", "standing"].map(str::to_owned).to_vec();
    head.extend(is_final.then(|| "test".to_owned()));
    head.extend(["fit_seconds", "microseconds_per_row", "bytes", "validated", "model"].map(str::to_owned));
    head.extend(paths.iter().map(|path| display_path(path)));
    writer.write_record(&head).map_err(fail)?;
    let written = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for (place, line) in lines.iter().enumerate() {
        let measured = &line.measured;
        let (low, high) = measured.interval.map(|interval| (interval.low, interval.high)).unzip();
        let mut fields = vec![line.contender.run.clone(), line.score.to_string(), written(low), written(high)];
        fields.push(standing(place, line).unwrap_or_default().to_owned());
        fields.extend(is_final.then(|| line.contender.test.map(|value| value.to_string()).unwrap_or_default()));
        fields.extend([line.contender.fit_seconds.to_string(), written(measured.microseconds_per_row)]);
        fields.push(measured.bytes.map(|bytes| bytes.to_string()).unwrap_or_default());
        fields.push(line.contender.validated.map(|validated| validated.to_string()).unwrap_or_default());
        fields.push(line.version.as_ref().map(|row| format!("{}/{}", row.name, row.version)).unwrap_or_default());
        fields.extend(line.parameters.iter().map(|value| value.as_ref().map(|value| value.text().unwrap_or_else(|| one_line(value))).unwrap_or_default()));
        writer.write_record(&fields).map_err(fail)?;
    }
    let bytes = writer.into_inner().map_err(|error| Error::bug(error.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
