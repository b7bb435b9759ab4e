//! What the terminal can show, and the observer that tells of a run on it.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::card::format;
use crate::recipe::Recipe;
use crate::run::{Event, State, StepDone};
use crate::store::Stale;

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    Auto,
    Always,
    Never,
}

/// How a word is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Good,
    Bad,
    Warn,
    Dim,
    Bold,
}

/// What may be shown where.
#[derive(Clone)]
pub struct Terminal {
    /// Colours and glyphs, live lines.
    pub is_rich: bool,
    pub quiet: bool,
    pub verbose: bool,
}

impl Terminal {
    /// No colours, no glyphs.
    #[must_use]
    pub fn plain() -> Self {
        Self { is_rich: false, quiet: false, verbose: false }
    }

    #[must_use]
    pub fn new(color: ColorChoice, quiet: bool, verbose: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_rich = match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if set("NO_COLOR") => false,
            ColorChoice::Auto if std::env::var("CLICOLOR_FORCE").is_ok_and(|v| v != "0" && !v.is_empty()) => true,
            ColorChoice::Auto => std::io::stderr().is_terminal() && std::env::var("TERM").is_ok_and(|term| term != "dumb"),
        };
        Self { is_rich, quiet, verbose }
    }

    /// A text in a style, where the terminal shows styles.
    #[must_use]
    pub fn paint(&self, text: &str, style: Style) -> String {
        if !self.is_rich {
            return text.to_owned();
        }
        let code = match style {
            Style::Good => "32",
            Style::Bad => "31;1",
            Style::Warn => "33",
            Style::Dim => "2",
            Style::Bold => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// A line on stderr, unless only errors are wanted.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            line(text);
        }
    }

    /// A warning on stderr, unless only errors are wanted.
    pub fn warn(&self, text: &str) {
        self.say(&if self.is_rich { format!("    {} {text}", self.paint("!", Style::Warn)) } else { format!("warning: {text}") });
    }

    /// Columns of the terminal, or 100.
    #[must_use]
    pub fn width() -> usize {
        std::env::var("COLUMNS")
            .ok()
            .and_then(|c| c.parse().ok())
            .filter(|w: &usize| *w >= 20)
            .unwrap_or_else(|| console::Term::stdout().size().1.into())
            .clamp(40, 160)
    }
}

/// Tells a run on stderr, a line a step.
pub struct Narrator<'a> {
    terminal: &'a Terminal,
    bar: Mutex<Option<ProgressBar>>,
}

impl<'a> Narrator<'a> {
    #[must_use]
    pub fn new(terminal: &'a Terminal) -> Self {
        Self { terminal, bar: Mutex::new(None) }
    }

    /// Hears one event.
    pub fn hear(&self, event: &Event<'_>) {
        if self.terminal.quiet {
            return;
        }
        match event {
            Event::Started { recipe } => self.head(recipe),
            Event::StepStarted { step } => self.live(step, ""),
            Event::Progress { step, doing } => self.live(step, doing),
            Event::Found { step, text } => {
                self.clear();
                line(&if self.terminal.is_rich { self.terminal.paint(&format!("    {text}"), Style::Dim) } else { format!("{step}: {text}") });
            }
            Event::Waiting { step } => {
                self.clear();
                line(&format!("{step}: waiting for another run"));
            }
            Event::StepDone { done } => {
                self.clear();
                line(&self.done(done));
                if self.terminal.verbose && done.state == State::Executed {
                    for reason in &done.why {
                        line(&self.terminal.paint(&format!("      because {reason}"), Style::Dim));
                    }
                }
            }
            Event::StepFailed { step, seconds } => {
                self.clear();
                let time = format::seconds(*seconds);
                line(&if self.terminal.is_rich {
                    format!("  {} {step:<14} {:>40}", self.terminal.paint("✗", Style::Bad), self.terminal.paint(&time, Style::Dim))
                } else {
                    format!("{step}: failed after {time}")
                });
            }
            Event::Warning { text } => {
                self.clear();
                self.terminal.warn(text);
            }
        }
    }

    fn head(&self, recipe: &Recipe) {
        if !self.terminal.is_rich {
            return;
        }
        let profile = recipe.profile.as_ref().map_or_else(String::new, |p| format!(" · profile {p}"));
        line(&format!("{} · {}{profile} · seed {}\n", self.terminal.paint(&recipe.name, Style::Bold), recipe.template, recipe.seed));
    }

    fn done(&self, done: &StepDone) -> String {
        let report = &done.report;
        let time = format::seconds(done.seconds);
        let note = if report.note.is_empty() { String::new() } else { format!(", {}", report.note) };
        match (self.terminal.is_rich, done.state) {
            (true, State::Executed) => {
                format!(
                    "  {} {:<14} {:<34} {:>8}  {}",
                    self.terminal.paint("✓", Style::Good),
                    done.step,
                    report.line,
                    time,
                    self.terminal.paint(&report.note, Style::Dim)
                )
            }
            (true, State::Cached) => {
                format!(
                    "  {} {:<14} {:<34} {:>8}  {}",
                    self.terminal.paint("=", Style::Dim),
                    done.step,
                    report.line,
                    "cached",
                    self.terminal.paint(&report.note, Style::Dim)
                )
            }
            (false, State::Executed) => format!("{}: executed in {time}, {}{note}", done.step, report.line),
            (false, State::Cached) => format!("{}: cached, from run {}", done.step, &done.run[..done.run.len().min(4)]),
        }
    }

    fn live(&self, step: &str, doing: &str) {
        if !self.terminal.is_rich || !std::io::stderr().is_terminal() {
            return;
        }
        let mut bar = self.lock();
        let bar = bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("  {spinner} {msg}  {elapsed}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = ProgressBar::new_spinner().with_style(style);
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        bar.set_message(format!("{step:<14} {doing}"));
    }

    /// Takes the live line away.
    pub fn clear(&self) {
        if let Some(bar) = self.lock().take() {
            bar.finish_and_clear();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<ProgressBar>> {
        self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A line on stderr.
pub fn line(text: &str) {
    writeln!(std::io::stderr().lock(), "{text}").ok();
}

/// Events as JSON, a line each, on stdout.
#[must_use]
pub fn json_event(event: &Event<'_>) -> serde_json::Value {
    match event {
        Event::Started { recipe } => {
            serde_json::json!({ "event": "started", "recipe": recipe.name, "template": recipe.template, "profile": recipe.profile, "seed": recipe.seed })
        }
        Event::StepStarted { step } => serde_json::json!({ "event": "step_started", "step": step }),
        Event::Progress { step, doing } => serde_json::json!({ "event": "progress", "step": step, "doing": doing }),
        Event::Found { step, text } => serde_json::json!({ "event": "found", "step": step, "text": text }),
        Event::Waiting { step } => serde_json::json!({ "event": "waiting", "step": step }),
        Event::StepDone { done } => serde_json::json!({
            "event": "step_done",
            "step": done.step,
            "state": match done.state { State::Executed => "executed", State::Cached => "cached" },
            "seconds": done.seconds,
            "why": done.why.iter().map(Stale::to_string).collect::<Vec<_>>(),
            "metrics": done.report.metrics,
            "line": done.report.line,
            "note": done.report.note,
            "run": done.run,
        }),
        Event::StepFailed { step, seconds } => serde_json::json!({ "event": "step_failed", "step": step, "seconds": seconds }),
        Event::Warning { text } => serde_json::json!({ "event": "warning", "text": text }),
    }
}
