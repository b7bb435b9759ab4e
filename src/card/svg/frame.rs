//! What charts are drawn into: a plot area with two axes, named rows over one, and the shapes that go there.

use super::axis::Axis;
use super::{Drawing, Label, Mark, WIDTH};
use crate::card::format::{shorten, visible, width};

const HEIGHT: f64 = 260.0;
/// Room for one character: above the mean of common fonts at the largest size the style sheet sets (on a phone).
const CHARACTER: f64 = 8.2;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Fit {
    Exact,
    Padded,
}

/// A plot area with its axes.
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) x_axis: Axis,
    y_axis: Axis,
    pub(super) drawing: Drawing,
}

impl Frame {
    pub(super) fn new(x_axis: Axis, y_axis: Axis) -> Self {
        Self { left: 0.0, top: 0.0, x_axis, y_axis, drawing: Drawing::default() }.rebuilt()
    }

    /// Axes around points. With a diagonal both axes have the same range, so that it means `x = y`.
    pub(super) fn of_points(x: (f64, f64), y: (f64, f64), x_title: &str, y_title: &str, diagonal: bool, fit: Fit) -> Self {
        // Zero belongs on the axis when the values come near it.
        let grounded = |(low, high): (f64, f64)| if low > 0.0 && low < 0.3 * high { (0.0, high) } else { (low, high) };
        let y = grounded(y);
        let (x, y) = if diagonal { ((x.0.min(y.0), x.1.max(y.1)), (x.0.min(y.0), x.1.max(y.1))) } else { (x, y) };
        let y_axis = Axis::rounded(y.0, y.1, y_title, false);
        let x_axis = match fit {
            _ if diagonal => Axis { title: x_title.to_owned(), ..y_axis.clone() },
            Fit::Exact => Axis::exact(x.0, x.1, x_title),
            Fit::Padded => Axis::rounded(x.0, x.1, x_title, false),
        };
        Self::new(x_axis, y_axis)
    }

    /// Lays out margins, grid and tick labels.
    pub(super) fn rebuilt(self) -> Self {
        let y_labels = self.y_axis.labels(5);
        let left = y_labels.iter().map(|(_, text)| measure(text)).fold(12.0, f64::max) + 8.0;
        let top = if self.y_axis.title.is_empty() { 10.0 } else { 28.0 };
        let mut frame = Self { left, top, drawing: Drawing { width: WIDTH, height: HEIGHT, ..Drawing::default() }, ..self };
        for (value, text) in y_labels {
            let y = frame.y(value);
            frame.mark(format!("M{} {}H{}", n(left), n(y), n(frame.right())), "grid".to_owned(), String::new());
            frame.drawing.labels.push(label(left - 8.0, y + 4.0, "end tick", &text, left));
        }
        let bottom = frame.bottom();
        for (value, text) in frame.x_labels() {
            let x = frame.x(value);
            frame.mark(format!("M{} {}v4", n(x), n(bottom)), "axis".to_owned(), String::new());
            let half = measure(&text) / 2.0;
            let (x, anchor) = if x + half > WIDTH { (WIDTH, "end tick") } else { (x, "middle tick") };
            frame.drawing.labels.push(label(x, bottom + 18.0, anchor, &text, WIDTH));
        }
        frame.mark(format!("M{} {}H{}", n(left), n(bottom), n(frame.right())), "axis".to_owned(), String::new());
        if !frame.y_axis.title.is_empty() {
            let text = frame.y_axis.title.clone();
            frame.drawing.labels.push(label(0.0, 13.0, "start axis-title", &text, WIDTH));
        }
        if !frame.x_axis.title.is_empty() {
            let text = frame.x_axis.title.clone();
            frame.drawing.labels.push(label(frame.right(), HEIGHT - 5.0, "end axis-title", &text, WIDTH - left));
        }
        frame
    }

    /// As many tick labels as stand side by side without touching.
    fn x_labels(&self) -> Vec<(f64, String)> {
        let room = self.right() - self.left;
        (2..=8)
            .rev()
            .map(|most| self.x_axis.labels(most))
            .find(|labels| {
                let widest = labels.iter().map(|(_, text)| measure(text)).fold(0.0, f64::max);
                labels.len() < 2
                    || (widest + 14.0) * (labels.len() as f64 - 1.0) <= room * (labels[labels.len() - 1].0 - labels[0].0) / (self.x_axis.high - self.x_axis.low)
            })
            .unwrap_or_default()
    }

    pub(super) fn right(&self) -> f64 {
        self.drawing.width - 10.0
    }

    pub(super) fn bottom(&self) -> f64 {
        self.drawing.height - if self.x_axis.title.is_empty() { 26.0 } else { 44.0 }
    }

    pub(super) fn x(&self, value: f64) -> f64 {
        self.left + (value - self.x_axis.low) / (self.x_axis.high - self.x_axis.low) * (self.right() - self.left)
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        self.bottom() - (value - self.y_axis.low) / (self.y_axis.high - self.y_axis.low) * (self.bottom() - self.top)
    }

    pub(super) fn mark(&mut self, d: String, class: String, title: String) {
        self.drawing.marks.push(Mark { d, class, title });
    }

    pub(super) fn diagonal(&mut self) {
        let d = format!("M{} {}L{} {}", n(self.left), n(self.bottom()), n(self.right()), n(self.top));
        self.mark(d, "reference".to_owned(), String::new());
    }

    pub(super) fn finish(mut self, description: String) -> Drawing {
        self.drawing.description = description;
        self.drawing
    }
}

/// Named rows below each other over one horizontal axis.
pub(super) struct Rows {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) row: f64,
    count: usize,
    axis: Axis,
    pub(super) drawing: Drawing,
}

impl Rows {
    /// `margin` is kept free at the right.
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>, margin: f64, row: f64, axis: Axis) -> Self {
        let names: Vec<&str> = names.collect();
        let left = names.iter().map(|name| measure(name)).fold(0.0, f64::max).min(WIDTH * 0.36) + 14.0;
        let mut rows = Self { left, right: WIDTH - margin, top: 4.0, row, count: names.len(), axis, drawing: Drawing::default() };
        let bottom = rows.bottom();
        rows.drawing = Drawing { width: WIDTH, height: bottom + if rows.axis.title.is_empty() { 26.0 } else { 44.0 }, ..Drawing::default() };
        for (value, text) in rows.axis.labels(5) {
            let x = rows.x(value);
            rows.mark(format!("M{} {}V{}", n(x), n(rows.top), n(bottom)), "grid", String::new());
            rows.drawing.labels.push(label(x.min(WIDTH - measure(&text) / 2.0), bottom + 18.0, "middle tick", &text, WIDTH));
        }
        for (i, name) in names.iter().enumerate() {
            let y = rows.middle(i) + 4.0;
            rows.drawing.labels.push(label(left - 14.0, y, "end", name, left - 14.0));
        }
        if !rows.axis.title.is_empty() {
            let title = label(rows.right, bottom + 38.0, "end axis-title", &rows.axis.title, rows.right);
            rows.drawing.labels.push(title);
        }
        rows
    }

    pub(super) fn bottom(&self) -> f64 {
        self.top + self.row * self.count as f64
    }

    pub(super) fn middle(&self, row: usize) -> f64 {
        self.top + self.row * (row as f64 + 0.5)
    }

    pub(super) fn x(&self, value: f64) -> f64 {
        self.left + (value - self.axis.low) / (self.axis.high - self.axis.low) * (self.right - self.left)
    }

    pub(super) fn mark(&mut self, d: String, class: &str, title: String) {
        self.drawing.marks.push(Mark { d, class: class.to_owned(), title });
    }

    pub(super) fn finish(mut self, description: String) -> Drawing {
        self.drawing.description = description;
        self.drawing
    }
}

pub(super) fn label(x: f64, y: f64, class: &str, text: &str, room: f64) -> Label {
    let text = visible(text);
    let short = shorten(&text, (room / CHARACTER) as usize);
    let title = if short == text { String::new() } else { text.to_string() };
    Label { x: n(x), y: n(y), class: class.to_owned(), text: short.into_owned(), title }
}

pub(super) fn measure(text: &str) -> f64 {
    width(text) as f64 * CHARACTER
}

pub(super) fn rectangle(x: f64, y: f64, width: f64, height: f64) -> String {
    format!("M{} {}h{}v{}h-{}z", n(x), n(y), n(width), n(height), n(width))
}

/// A path of no length; a round line cap makes it a dot.
pub(super) fn dot(x: f64, y: f64) -> String {
    format!("M{} {}h0", n(x), n(y))
}

/// A coordinate with one decimal at most; written from whole tenths, which is several times faster.
pub(super) fn n(value: f64) -> String {
    let tenths = (value * 10.0).round() as i64;
    let sign = if tenths < 0 { "-" } else { "" };
    let (whole, rest) = (tenths.unsigned_abs() / 10, tenths.unsigned_abs() % 10);
    if rest == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest}") }
}
