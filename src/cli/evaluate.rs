//! `recipe evaluate MODEL FILE`: how good a model is on files whose target is known; with `--predictions`, how good what
//! another program predicted.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::predict::load;
use super::terminal::Terminal;
use super::{Program, out};
use crate::card::html::{self, PageState};
use crate::card::{Block, Card, Cell, Fact, Tab, Table, format, text};
use crate::error::{Error, Kind, Result, counted, shorten};
use crate::ml::metric;
use crate::ml::model::Scored;
use crate::steps::applied::{Figures, PredictedColumns, Rows};
use crate::value::suggest;

#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// The directory of a bundle, or `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `runs:/ID` of this project.
    #[arg(required_unless_present = "predictions", conflicts_with = "predictions", add = super::complete::models())]
    model: Option<String>,
    /// Files, globs or directories with the model's inputs and its target.
    #[arg(value_name = "FILE", required_unless_present = "predictions")]
    files: Vec<String>,
    /// Files with the target and what another program predicted.
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "target")]
    predictions: Vec<String>,
    /// With `--predictions`: the column of the target.
    #[arg(long, value_name = "COLUMN", requires = "predictions")]
    target: Option<String>,
    /// With `--predictions`: the column of the predicted number (default: `prediction`).
    #[arg(long, value_name = "COLUMN", requires = "predictions", conflicts_with = "scores")]
    prediction: Option<String>,
    /// With `--predictions`: what the columns of the classes' scores begin with (default: `predicted_score_`), or with
    /// `--positive` the one column of that class's score.
    #[arg(long, value_name = "PREFIX", requires = "predictions")]
    scores: Option<String>,
    /// With `--predictions`: the positive class.
    #[arg(long, value_name = "CLASS", requires = "predictions")]
    positive: Option<String>,
    /// A column of row weights.
    #[arg(long, value_name = "COLUMN")]
    weight: Option<String>,
    /// What a metric must reach (at most, where smaller is better); exit code 10 where it does not.
    #[arg(long, value_name = "METRIC=VALUE")]
    require: Vec<String>,
    /// Write a card: one HTML file.
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
    /// As JSON, for a program.
    #[arg(long)]
    json: bool,
}

/// What was evaluated, on which rows.
struct Subject {
    name: String,
    digest: Option<String>,
    files: String,
    scored: Scored,
}

pub fn evaluate(program: &Program, args: &EvaluateArgs) -> Result<ExitCode> {
    let required = args.require.iter().map(|text| Requirement::parse(text)).collect::<Result<Vec<_>>>()?;
    let subject = subject(program, args)?;
    let figures = Figures::of(&subject.scored);
    let failed: Vec<String> = required.iter().filter_map(|required| required.failure(&figures).transpose()).collect::<Result<_>>()?;
    if args.json {
        let whole = serde_json::json!({
            "model": subject.name, "digest": subject.digest, "data": subject.files, "rows": figures.rows,
            "metrics": figures.metrics, "intervals": figures.intervals, "failed": failed,
        });
        out(&format!("{whole:#}\n"))?;
    } else {
        let caption = format!("{} on {} of {}", subject.name, counted(figures.rows as u64, "row"), subject.files);
        out(&text::table(&table(&subject, &figures, caption), Terminal::width()))?;
    }
    if let Some(path) = &args.card {
        let page = page(&subject, &figures, &failed)?;
        let path = program.directory.join(path);
        std::fs::write(&path, page).map_err(|error| Error::io("write", &path, &error))?;
    }
    if failed.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(Error::new(Kind::Gate, failed.join("; "))) }
}

fn subject(program: &Program, args: &EvaluateArgs) -> Result<Subject> {
    let weight = args.weight.as_deref();
    let (name, digest, files, scored) = match (&args.target, &args.model) {
        (Some(target), _) => {
            let mut rows = Rows::read(&program.directory, &args.predictions, &std::collections::BTreeMap::new())?;
            let columns = PredictedColumns {
                target: target.clone(),
                prediction: args.prediction.clone(),
                scores: args.scores.clone(),
                positive: args.positive.clone(),
                weight: args.weight.clone(),
            };
            let scored = rows.predicted(&columns)?;
            rows.notes.iter().for_each(|note| program.terminal.warn(note));
            ("predictions".to_owned(), None, &args.predictions[..], scored)
        }
        (None, Some(model)) => {
            let bundle = load(program, model)?;
            let mut rows = Rows::for_model(&program.directory, &args.files, &bundle.model)?;
            let scored = rows.score(&bundle.model, weight)?;
            rows.notes.iter().for_each(|note| program.terminal.warn(note));
            (model.clone(), Some(bundle.digest), &args.files[..], scored)
        }
        (None, None) => return Err(Error::usage("which model?").hint("name one and files with its target: `recipe evaluate MODEL FILE`")),
    };
    Ok(Subject { name, digest, files: files.join(", "), scored })
}

/// `METRIC=VALUE`.
struct Requirement {
    metric: String,
    bound: f64,
}

impl Requirement {
    fn parse(text: &str) -> Result<Self> {
        let (metric, bound) = text.split_once('=').ok_or_else(|| Error::usage(format!("`--require {}` is not METRIC=VALUE", shorten(text))))?;
        let bound = bound.trim().parse().ok().filter(|bound: &f64| bound.is_finite());
        let bound = bound.ok_or_else(|| Error::usage(format!("`--require {}` has no number behind `=`", shorten(text))))?;
        Ok(Self { metric: metric.trim().to_owned(), bound })
    }

    /// What is said where it is not met.
    fn failure(&self, figures: &Figures) -> Result<Option<String>> {
        let Some(value) = figures.metrics.get(&self.metric) else {
            let known: Vec<&str> = figures.metrics.keys().map(String::as_str).collect();
            return Err(Error::usage(format!("no such metric here: `{}`", shorten(&self.metric))).hint(suggest(&self.metric, &known)));
        };
        let is_greater_better = metric::greater_is_better(&self.metric);
        let is_met = if is_greater_better { *value >= self.bound } else { *value <= self.bound };
        let sign = if is_greater_better { '≥' } else { '≤' };
        Ok((!is_met).then(|| format!("{} is {}, not {sign} {}", self.metric, format::number(*value), format::number(self.bound))))
    }
}

fn primary(subject: &Subject) -> &'static str {
    let classes = subject.scored.task.classes();
    metric::default_primary(classes == 0, classes == 2)
}

/// Every metric, the primary one first, with its interval where it has one.
fn table(subject: &Subject, figures: &Figures, caption: String) -> Table {
    let mut names: Vec<&String> = figures.metrics.keys().collect();
    names.sort_by_key(|name| (*name != primary(subject), metric::METRICS.iter().position(|entry| entry.name == *name)));
    let row = |name: &&String| {
        let interval = figures.intervals.get(*name);
        let end = |end: fn(&crate::ml::uncertainty::Interval) -> f64| Cell::from(interval.map(end));
        vec![name.as_str().into(), figures.metrics.get(*name).copied().into(), end(|interval| interval.low), end(|interval| interval.high)]
    };
    Table { caption, columns: ["metric", "value", "95 % from", "to"].map(str::to_owned).to_vec(), rows: names.iter().map(row).collect() }
}

fn page(subject: &Subject, figures: &Figures, failed: &[String]) -> Result<String> {
    let name = primary(subject);
    let (short, value) = (metric::short_name(name), figures.metrics.get(name).copied());
    let range = figures.intervals.get(name).map(|i| format!("{} – {}", format::number(i.low), format::number(i.high)));
    let said = range.as_ref().map_or_else(String::new, |range| format!(" (95 %: {range})"));
    let rows = counted(figures.rows as u64, "row");
    let mut tabs = vec![Tab::new("metrics", "Metrics", vec![Block::Table(table(subject, figures, "Metrics".to_owned()))])];
    tabs.extend(metric::plots::tabs(&subject.scored));
    let card = Card {
        summary: format!("{} has {short} {}{said} on {rows} of {}.", subject.name, value.map_or_else(|| "—".to_owned(), format::number), subject.files),
        headline: [Fact::new(short, value), Fact::new("rows", figures.rows)]
            .into_iter()
            .chain(range.map(|range| Fact::new("95 % interval", range)))
            .chain(subject.digest.as_ref().map(|digest| Fact::new("digest", digest.as_str())))
            .collect(),
        warnings: failed.to_vec(),
        tabs,
    };
    html::page(&html::Page {
        recipe: &subject.name,
        template: metric::task_name(&subject.scored.task),
        profile: None,
        step: "recipe evaluate",
        state: PageState::Ok,
        card: &card,
        why: "",
        seconds: 0.0,
        run: "",
        inputs: Vec::new(),
        outputs: Vec::new(),
        config: Vec::new(),
        changes: Vec::new(),
        moment: Vec::new(),
        steps: Vec::new(),
    })
}
