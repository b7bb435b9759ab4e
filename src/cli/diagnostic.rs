//! Errors as a person reads them: what, where (with the line and a caret), one thing to try.

use super::terminal::{Style, Terminal};
use crate::error::{Error, Problem};

/// Every problem of an error, drawn for stderr.
#[must_use]
pub fn draw(error: &Error, terminal: &Terminal) -> String {
    let mut text: String = error.problems.iter().map(|problem| one(problem, terminal)).collect();
    if error.problems.len() > 1 {
        text.push_str(&format!("{} problems found\n", error.problems.len()));
    }
    text
}

fn one(problem: &Problem, terminal: &Terminal) -> String {
    let mut text = format!("{}: {}\n", terminal.paint("error", Style::Bad), visible(&problem.message));
    let place = match (&problem.place, &problem.path) {
        (Some(place), Some(path)) if !path.is_empty() => Some(format!("{place} at {path}")),
        (Some(place), _) => Some(place.to_string()),
        (None, Some(path)) if !path.is_empty() => Some(path.clone()),
        _ => None,
    };
    if let Some(place) = place {
        text.push_str(&format!("  {} {}\n", terminal.paint("-->", Style::Dim), visible(&place)));
    }
    if let (Some(source), Some(place)) = (&problem.source, &problem.place)
        && let (Some(line), Some(column)) = (place.line, place.column)
        && !source.trim().is_empty()
        && source.chars().count() <= 160
    {
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        text.push_str(&format!(
            "  {margin} {bar}\n  {number} {bar} {}\n  {margin} {bar} {}{}\n",
            visible(source),
            " ".repeat(column.saturating_sub(1)),
            terminal.paint("^", Style::Bad),
            bar = terminal.paint("|", Style::Dim)
        ));
    }
    if let Some(hint) = &problem.hint {
        text.push_str(&format!("{}: {}\n", terminal.paint("hint", Style::Good), visible(hint)));
    }
    text
}

/// Control characters of a user's data are shown, not obeyed; line breaks stay.
fn visible(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() && c != '\n' { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}
