//! What the terminal can show, and the observer that tells of a run on it.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::card::format::{self, width as columns_of};
use crate::card::text::wrap;
use crate::recipe::Recipe;
use crate::run::{Event, State, StepDone};
use crate::steps::{Count, Progress, SCORING_STEPS, TRAINING_STEPS};

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

    /// Columns of stderr's terminal, or 100.
    #[must_use]
    pub fn width_beside() -> usize {
        width_of(&console::Term::stderr())
    }

    /// Columns of stdout's terminal, or 100.
    #[must_use]
    pub fn width() -> usize {
        width_of(&console::Term::stdout())
    }
}

fn width_of(terminal: &console::Term) -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|width: &usize| *width >= 20);
    said.or_else(|| terminal.size_checked().map(|(_, columns)| columns.into())).unwrap_or(100).clamp(40, 160)
}

/// Tells a run on stderr, a line a step.
pub struct Narrator<'a> {
    terminal: &'a Terminal,
    width: usize,
    bar: Mutex<Option<Live>>,
}

/// The live line.
struct Live {
    bar: ProgressBar,
    /// What is counted, since when, and from how much on.
    phase: Option<(&'static str, Instant, Count)>,
}

impl<'a> Narrator<'a> {
    #[must_use]
    pub fn new(terminal: &'a Terminal) -> Self {
        Self { terminal, width: Terminal::width_beside(), bar: Mutex::new(None) }
    }

    /// Hears one event.
    pub fn hear(&self, event: &Event<'_>) {
        if self.terminal.quiet {
            return;
        }
        match event {
            Event::Started { recipe } => self.head(recipe),
            Event::StepStarted { step } => self.live(step, Progress { doing: "", count: None }),
            Event::Progress { step, progress } => self.live(step, *progress),
            Event::Found { step, text } => {
                self.clear();
                if self.terminal.is_rich {
                    self.hang("    ", text, Style::Dim);
                } else {
                    line(&format!("{step}: {text}"));
                }
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
                        self.hang("      ", &format!("because {reason}"), Style::Dim);
                    }
                }
            }
            Event::StepFailed { step, seconds } => {
                self.clear();
                let time = format::seconds(*seconds);
                line(&if self.terminal.is_rich {
                    let name = named(step);
                    let room = self.line_room(step);
                    format!("  {} {name}  {:room$} {:>8}", self.terminal.paint("✗", Style::Bad), "", self.terminal.paint(&format!("{time:>8}"), Style::Dim))
                } else {
                    format!("{step}: failed after {time}")
                });
            }
            Event::Sent { sent, seconds } => {
                self.clear();
                let version = sent.version.as_ref().map_or_else(String::new, |(name, version)| format!("{name} v{version}"));
                let time = format::seconds(*seconds);
                line(&if self.terminal.is_rich {
                    let (mark, url) = (self.terminal.paint("✓", Style::Good), self.terminal.paint(&sent.url, Style::Dim));
                    format!("  {mark} {:<14} {version:<34} {time:>8}  {url}", "tracking")
                } else {
                    let version = if version.is_empty() { version } else { format!("{version}, ") };
                    format!("tracking: sent in {time}, {version}{}", sent.url)
                });
            }
            Event::Warning { text } => {
                self.clear();
                self.warn(text);
            }
        }
    }

    /// A warning, wrapped where lines are looked at.
    fn warn(&self, text: &str) {
        if !self.terminal.is_rich {
            return self.terminal.warn(text);
        }
        for (i, part) in wrap(&format::visible(text), self.width.saturating_sub(6)).iter().enumerate() {
            let mark = if i == 0 { self.terminal.paint("!", Style::Warn) } else { " ".to_owned() };
            line(&format!("    {mark} {part}"));
        }
    }

    /// A text below a step's line: wrapped where lines are looked at.
    fn hang(&self, indent: &str, text: &str, style: Style) {
        if !self.terminal.is_rich {
            return line(&format!("{indent}{text}"));
        }
        for part in wrap(text, self.width.saturating_sub(indent.len())) {
            line(&self.terminal.paint(&format!("{indent}{part}"), style));
        }
    }

    fn head(&self, recipe: &Recipe) {
        if !self.terminal.is_rich {
            return;
        }
        let profile = recipe.profile.as_ref().map_or_else(String::new, |p| format!(" · profile {p}"));
        let head = wrap(&format!("{} · {}{profile} · seed {}", recipe.name, recipe.template, recipe.seed), self.width).join("\n");
        line(&format!("{}\n", head.replacen(&recipe.name, &self.terminal.paint(&recipe.name, Style::Bold), 1)));
    }

    /// Columns for what a step found, so that times stand below each other.
    fn line_room(&self, step: &str) -> usize {
        // Before it: two spaces, the mark and the name; after it the time.
        let left = self.width.saturating_sub(4 + columns_of(&named(step)) + 2 + 1 + 8);
        left.min(if self.width < 90 { 28 } else { 34 })
    }

    fn done(&self, done: &StepDone) -> String {
        let report = &done.report;
        let time = format::seconds(done.seconds);
        let from = || format!("from run {}", &done.run[..done.run.len().min(4)]);
        if !self.terminal.is_rich {
            let note = if report.note.is_empty() { String::new() } else { format!(", {}", report.note) };
            return match done.state {
                State::Executed => format!("{}: executed in {time}, {}{note}", done.step, report.line),
                state => format!("{}: {}, {}", done.step, state.name(), from()),
            };
        }
        let (mark, style, time, note) = match done.state {
            State::Executed => ("✓", Style::Good, time, report.note.clone()),
            State::Cached => ("=", Style::Dim, "cached".to_owned(), report.note.clone()),
            State::Used => {
                ("=", Style::Dim, "used".to_owned(), [from(), report.note.clone()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "))
            }
        };
        let (name, room) = (named(done.step), self.line_room(done.step));
        let begin = format!("  {} {name}", self.terminal.paint(mark, style));
        let dim = |text: &str| self.terminal.paint(text, Style::Dim);
        let fits = columns_of(&report.line) <= room;
        let is_beside = fits && 4 + columns_of(&name) + 2 + room + 1 + 8 + 2 + columns_of(&note) <= self.width;
        let mut text = format!("{begin}  {:room$} {time:>8}", if fits { report.line.as_str() } else { "" });
        if is_beside && !note.is_empty() {
            text.push_str(&format!("  {}", dim(&note)));
        }
        let below = |text: &str| wrap(text, self.width.saturating_sub(6)).into_iter().map(|part| format!("\n      {part}")).collect::<String>();
        if !fits {
            text.push_str(&below(&report.line));
        }
        if !is_beside && !note.is_empty() {
            text.push_str(&dim(&below(&note)));
        }
        text
    }

    fn live(&self, step: &str, progress: Progress<'_>) {
        if !self.terminal.is_rich || !std::io::stderr().is_terminal() {
            return;
        }
        let mut live = self.lock();
        let live = live.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("  {spinner} {wide_msg} {elapsed}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = ProgressBar::new_spinner().with_style(style);
            bar.enable_steady_tick(Duration::from_millis(100));
            Live { bar, phase: None }
        });
        let begin = [named(step).as_str(), progress.doing].join("  ");
        let Some(count) = progress.count else {
            live.bar.set_message(begin);
            return;
        };
        let (what, since, from) = match live.phase {
            Some((what, since, from)) if what == count.what && from.done <= count.done && from.of == count.of => (what, since, from),
            _ => (count.what, Instant::now(), count),
        };
        live.phase = Some((what, since, from));
        // The mark and the time stand around it.
        let room = self.width.saturating_sub(14 + columns_of(&begin));
        let mut parts = counted(from, count, since.elapsed());
        if parts.len() > 2 && columns_of(&parts.join(", ")) > room {
            parts.remove(1);
        }
        let told = parts.join(", ");
        let room = room.saturating_sub(columns_of(&told));
        let bar = count.of.filter(|of| *of > 0 && room >= 8).map_or_else(String::new, |of| bar(count.done as f64 / of as f64, room.min(24)) + " ");
        live.bar.set_message(format!("{} {bar}{told}", begin.trim_end()));
    }

    /// Takes the live line away.
    pub fn clear(&self) {
        if let Some(live) = self.lock().take() {
            live.bar.finish_and_clear();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Live>> {
        self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A step's name, as wide as the widest of its chain.
fn named(step: &str) -> String {
    let chain = if SCORING_STEPS.contains(&step) { &SCORING_STEPS[..] } else { &TRAINING_STEPS[..] };
    let width = chain.iter().map(|name| name.len()).max().unwrap_or(0);
    format!("{step:<width$}")
}

/// How much is done, how fast, and how long the rest takes, as far as that can be told: `120/500 rounds`, `55/s`, `7 s left`.
fn counted(from: Count, now: Count, took: Duration) -> Vec<String> {
    let of = now.of.map_or_else(String::new, |of| format!("/{}", format::count(of)));
    let mut parts = vec![format!("{}{of} {}", format::count(now.done), now.what)];
    let done = now.done.saturating_sub(from.done) as f64;
    if done > 0.0 && took > Duration::from_millis(300) {
        let speed = done / took.as_secs_f64();
        parts.push(format!("{}/s", format::number(speed)));
        if let Some(of) = now.of.filter(|of| *of > now.done) {
            parts.push(format!("{} left", brief((of - now.done) as f64 / speed)));
        }
    }
    parts
}

/// A time to wait, as exactly as it can be known: `7 s`, `3 min`, `2 h`.
fn brief(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 100.0 => format!("{:.0} s", seconds.ceil()),
        seconds if seconds < 6000.0 => format!("{:.0} min", (seconds / 60.0).ceil()),
        seconds => format!("{:.0} h", (seconds / 3600.0).ceil()),
    }
}

fn bar(share: f64, width: usize) -> String {
    let full = (share.clamp(0.0, 1.0) * width as f64).round() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(width - full))
}

/// A line on stderr.
pub fn line(text: &str) {
    writeln!(std::io::stderr().lock(), "{text}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::Report;
    use crate::store::Digest;

    fn count(done: u64, of: Option<u64>) -> Count {
        Count { done, of, what: "rounds" }
    }

    #[test]
    fn speed_and_rest_are_reckoned_from_where_one_began_to_look() {
        let told = |from, now, millis| counted(from, now, Duration::from_millis(millis)).join(", ");
        assert_eq!(told(count(100, Some(500)), count(200, Some(500)), 2000), "200/500 rounds, 50/s, 6 s left");
        assert_eq!(told(count(0, Some(9000)), count(10, Some(9000)), 10_000), "10/9,000 rounds, 1/s, 3 h left");
        assert_eq!(told(count(0, None), count(7, None), 7000), "7 rounds, 1/s");
        // Too early to tell.
        assert_eq!(told(count(1, Some(5)), count(1, Some(5)), 2000), "1/5 rounds");
        assert_eq!((bar(0.25, 8), bar(2.0, 3)), ("██░░░░░░".to_owned(), "███".to_owned()));
    }

    #[test]
    fn a_step_s_lines_fit_the_terminal() {
        let terminal = Terminal { is_rich: true, quiet: false, verbose: false };
        let report =
            Report { line: "320 rows → 213 / 50 / 57".to_owned(), note: "39 rows filtered, and more that is worth a note".to_owned(), ..Report::default() };
        let done = StepDone {
            step: "split",
            state: State::Executed,
            why: Vec::new(),
            seconds: 0.05,
            report,
            run: "7f3a00000000".to_owned(),
            key: Digest::of(b""),
            before: None,
        };
        let drawn = |width| console::strip_ansi_codes(&Narrator { terminal: &terminal, width, bar: Mutex::new(None) }.done(&done)).into_owned();
        for width in [40, 60, 80, 120] {
            let text = drawn(width);
            assert!(text.lines().all(|line| columns_of(line) <= width), "{width}\n{text}");
            assert!(text.contains("320 rows → 213 / 50 / 57") && text.contains("39 rows filtered"), "{text}");
        }
        assert_eq!(drawn(120), "  ✓ split      320 rows → 213 / 50 / 57              50 ms  39 rows filtered, and more that is worth a note");
    }
}
