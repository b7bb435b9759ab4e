//! The geometry of charts: from the counts and points of a card to paths and labels.
//!
//! A [`Drawing`] is plain data in the units of its view box; the template writes it out, so that escaping
//! happens in one place. Colours are classes, so that light, dark and print are the style sheet's business.
//! Labels are measured with a generous estimate (no font is at hand) and dropped rather than overlapped.
//! Nothing is smoothed or invented: a bar is a count, a point is a point.

mod axis;
mod frame;

use serde::Serialize;

use self::axis::Axis;
use self::frame::{Fit, Frame, Rows, dot, label, measure, n, rectangle};
use super::format::{count, day_and_time, full, number, share, visible};
use super::{Bars, Groups, Histogram, History, Intervals, Line, Lines, Points, Swarm};

/// Width of a chart's view box; the style sheet lets it grow a little and shrink to a phone.
pub const WIDTH: f64 = 480.0;
/// Series beyond this number repeat a colour.
pub const COLOURS: usize = 6;

/// A chart as paths and labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Drawing {
    pub width: f64,
    pub height: f64,
    /// One sentence for a reader who cannot see it.
    pub description: String,
    pub marks: Vec<Mark>,
    pub labels: Vec<Label>,
}

/// One path.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Mark {
    pub d: String,
    pub class: String,
    /// Shown on hover.
    pub title: String,
}

/// One line of text.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Label {
    pub x: String,
    pub y: String,
    /// `start`, `middle`, `end`, and what it is.
    pub class: String,
    pub text: String,
    pub title: String,
}

/// Histogram of one or several series; `None` where there is nothing to draw. Several series of different
/// size are drawn as shares of their own total, since their shapes are what is compared; the counts are on hover.
#[must_use]
pub fn histogram(chart: &Histogram) -> Option<Drawing> {
    let (low, high) = usable_edges(chart)?;
    let totals: Vec<u64> = chart.series.iter().map(|series| series.counts.iter().sum()).collect();
    if totals.iter().all(|total| *total == 0) {
        return None;
    }
    let shares = as_shares(chart);
    let height_of = |series: usize, bin: usize| {
        let value = chart.series[series].counts[bin] as f64;
        if shares { value / (totals[series].max(1) as f64) } else { value }
    };
    let bins = chart.edges.len() - 1;
    let most = (0..chart.series.len()).flat_map(|s| (0..bins).map(move |b| (s, b))).map(|(s, b)| height_of(s, b)).fold(0.0, f64::max);
    let y_title = if shares { "share of each" } else { "rows" };
    let mut frame = Frame::new(Axis::exact(low, high, &chart.x), Axis::from_zero(most, y_title, shares));
    for series in 0..chart.series.len() {
        let colour = series % COLOURS + 1;
        if chart.series.len() == 1 {
            for bin in 0..bins {
                let (x0, x1) = (frame.x(chart.edges[bin]), frame.x(chart.edges[bin + 1]));
                let gap = if x1 - x0 > 4.0 { 1.0 } else { 0.0 };
                let top = frame.y(height_of(series, bin));
                if chart.series[series].counts[bin] > 0 {
                    // A count of one stays visible beside a count of a million.
                    let top = top.min(frame.bottom() - 1.0);
                    frame.mark(rectangle(x0, top, (x1 - x0 - gap).max(0.5), frame.bottom() - top), format!("fill s{colour}"), String::new());
                }
            }
        } else {
            let mut outline = format!("M{} {}", n(frame.x(low)), n(frame.bottom()));
            for bin in 0..bins {
                let y = n(frame.y(height_of(series, bin)));
                outline += &format!("L{} {y}L{} {y}", n(frame.x(chart.edges[bin])), n(frame.x(chart.edges[bin + 1])));
            }
            outline += &format!("L{} {}", n(frame.x(high)), n(frame.bottom()));
            if series == 0 {
                frame.mark(format!("{outline}Z"), format!("area s{colour}"), String::new());
            }
            frame.mark(outline, format!("line s{colour} dash{}", series / COLOURS), String::new());
        }
    }
    for bin in 0..bins {
        let (x0, x1) = (frame.x(chart.edges[bin]), frame.x(chart.edges[bin + 1]));
        frame.mark(rectangle(x0, frame.top, x1 - x0, frame.bottom() - frame.top), "hit".to_owned(), hover(chart, &totals, bin));
    }
    let rows: Vec<String> =
        chart.series.iter().zip(&totals).map(|(series, total)| format!("{} {} rows", series.name, count(*total)).trim().to_owned()).collect();
    Some(frame.finish(format!("Histogram of {}, {bins} bins from {} to {}: {}.", named(&chart.x, "values"), number(low), number(high), rows.join(", "))))
}

/// Whether [`histogram`] draws shares.
#[must_use]
pub fn as_shares(chart: &Histogram) -> bool {
    let mut totals = chart.series.iter().map(|series| series.counts.iter().sum::<u64>());
    totals.next().is_some_and(|first| totals.any(|total| total != first))
}

/// Small bars without axes for a row of a profile: one path, in a view box of 120 × 32.
/// `slots` is the least number of bars that the width is divided into.
#[must_use]
pub fn sparkline(counts: &[u64], slots: usize) -> Option<String> {
    let most = counts.iter().copied().max().filter(|most| *most > 0)?;
    let step = 120.0 / counts.len().max(slots) as f64;
    let gap = if step > 3.0 { 1.0 } else { 0.0 };
    let bars = counts.iter().enumerate().filter(|(_, value)| **value > 0).map(|(i, value)| {
        let height = (30.0 * *value as f64 / most as f64).max(1.0);
        rectangle(i as f64 * step, 32.0 - height, step - gap, height)
    });
    Some(bars.collect())
}

/// What lies behind each bar of a sparkline: a rectangle over the whole height with words to show on hover.
#[must_use]
pub fn spark_hits(titles: Vec<String>, slots: usize) -> Vec<Mark> {
    let step = 120.0 / titles.len().max(slots) as f64;
    let hit = |(i, title)| Mark { d: rectangle(i as f64 * step, 0.0, step, 32.0), class: "hit".to_owned(), title };
    titles.into_iter().enumerate().map(hit).collect()
}

/// Horizontal bars with their values at the end.
#[must_use]
pub fn bars(chart: &Bars) -> Option<Drawing> {
    const ROW: f64 = 24.0;
    let usable: Vec<(String, f64)> =
        chart.bars.iter().filter(|(_, value)| value.is_finite()).map(|(name, value)| (visible(name).into_owned(), *value)).collect();
    if usable.is_empty() {
        return None;
    }
    let values: Vec<f64> = usable.iter().map(|(_, value)| *value).collect();
    let (least, most) = range(values.iter().copied())?;
    let (least, most) = (least.min(0.0), most.max(0.0));
    let texts = super::format::column(&values);
    let widest = |negative: bool| texts.iter().zip(&values).filter(|(_, v)| (**v < 0.0) == negative).map(|(t, _)| measure(t) + 8.0).fold(0.0, f64::max);
    let names = usable.iter().map(|(name, _)| measure(name)).fold(0.0, f64::max).min(WIDTH * 0.36);
    let (left, right) = (names + 10.0 + widest(true), WIDTH - widest(false));
    let scale = (right - left) / if most > least { most - least } else { 1.0 };
    let zero = left - least * scale;
    let top = if chart.x.is_empty() { 4.0 } else { 24.0 };
    let bottom = top + ROW * usable.len() as f64;
    let mut drawing = Drawing { width: WIDTH, height: bottom + 4.0, ..Drawing::default() };
    if !chart.x.is_empty() {
        drawing.labels.push(label(left, 13.0, "start axis-title", &chart.x, WIDTH - left));
    }
    for (row, ((name, value), text)) in usable.iter().zip(&texts).enumerate() {
        let y = top + ROW * row as f64;
        let length = (value.abs() * scale).max(if *value == 0.0 { 0.0 } else { 1.0 });
        let start = if *value < 0.0 { zero - length } else { zero };
        let class = if *value < 0.0 { "fill s2" } else { "fill s1" };
        drawing.marks.push(Mark { d: rectangle(start, y + 4.0, length, ROW - 8.0), class: class.to_owned(), title: format!("{name}: {}", full(*value)) });
        drawing.labels.push(label(names, y + 16.5, "end", name, names));
        let (x, anchor) = if *value < 0.0 { (start - 6.0, "end figure") } else { (start + length + 6.0, "start figure") };
        drawing.labels.push(label(x, y + 16.5, anchor, text, WIDTH));
    }
    drawing.marks.push(Mark { d: format!("M{} {}V{}", n(zero), n(top), n(bottom)), class: "axis".to_owned(), title: String::new() });
    drawing.description = format!("{} bars of {} between {} and {}.", usable.len(), named(&chart.x, "values"), number(least), number(most));
    Some(drawing)
}

/// Lines over common axes; a break where a point is not finite.
#[must_use]
pub fn lines(chart: &Lines) -> Option<Drawing> {
    let finite = || chart.series.iter().flat_map(|series| &series.points).filter(|(x, y)| x.is_finite() && y.is_finite());
    let (x, y) = (range(finite().map(|point| point.0))?, range(finite().map(|point| point.1))?);
    let mut frame = Frame::of_points(x, y, &chart.x, &chart.y, chart.diagonal, Fit::Exact);
    frame.x_axis.whole = finite().all(|point| point.0.fract() == 0.0);
    let mut frame = frame.rebuilt();
    if chart.diagonal {
        frame.diagonal();
    }
    let is_faint = |line: &Line| line.name.is_empty() && chart.series.iter().any(|line| !line.name.is_empty());
    for series in chart.series.iter().filter(|line| is_faint(line)) {
        frame.mark(polyline(&frame, series), "line faint s1".to_owned(), String::new());
    }
    let all = finite().count();
    let (few, shown) = (all <= 400, all <= 24 * chart.series.len());
    for (i, series) in chart.series.iter().enumerate().filter(|(_, line)| !is_faint(line)) {
        let colour = i % COLOURS + 1;
        frame.mark(polyline(&frame, series), format!("line s{colour} dash{}", i / COLOURS), String::new());
        for (x, y) in series.points.iter().filter(|(x, y)| few && x.is_finite() && y.is_finite()) {
            let name = if series.name.is_empty() { String::new() } else { format!("{}: ", series.name) };
            frame.mark(
                dot(frame.x(*x), frame.y(*y)),
                format!("dot s{colour}{}", if shown { "" } else { " quiet" }),
                format!("{name}{} at {}", number(*y), number(*x)),
            );
        }
    }
    let names: Vec<&str> = chart.series.iter().map(|series| series.name.as_str()).filter(|name| !name.is_empty()).collect();
    Some(frame.finish(format!(
        "{} against {}{}: x from {} to {}, y from {} to {}.",
        named(&chart.y, "values"),
        named(&chart.x, "x"),
        if names.is_empty() { String::new() } else { format!(" for {}", names.join(", ")) },
        number(x.0),
        number(x.1),
        number(y.0),
        number(y.1)
    )))
}

/// Values over a calendar; a line between them, and a dashed one for what they are held against.
#[must_use]
pub fn history(chart: &History) -> Option<Drawing> {
    const QUIET: usize = 60;
    let finite: Vec<&(i64, f64, String)> = chart.points.iter().filter(|point| point.1.is_finite()).collect();
    let reference = chart.reference.as_ref().filter(|(_, value)| value.is_finite());
    let x = range(finite.iter().map(|point| point.0 as f64))?;
    let y = range(finite.iter().map(|point| point.1).chain(reference.map(|(_, value)| *value)))?;
    // A moment alone stands in the middle of two minutes.
    let x = if x.1 > x.0 { x } else { (x.0 - 60_000.0, x.1 + 60_000.0) };
    let mut frame = Frame::of_points(x, y, "", &chart.y, false, Fit::Exact);
    frame.x_axis.is_time = true;
    let mut frame = frame.rebuilt();
    if let Some((name, value)) = reference {
        let at = frame.y(*value);
        frame.mark(format!("M{} {}H{}", n(frame.left), n(at), n(frame.right())), "reference".to_owned(), format!("{name}: {}", number(*value)));
    }
    let line = Line { name: String::new(), points: chart.points.iter().map(|point| (point.0 as f64, point.1)).collect() };
    frame.mark(polyline(&frame, &line), "line s1".to_owned(), String::new());
    let class = if finite.len() > QUIET { "dot s1 quiet" } else { "dot s1" };
    for (at, value, of) in &finite {
        let title = format!("{} at {}{}{}", number(*value), day_and_time(*at), if of.is_empty() { "" } else { ", " }, visible(of));
        frame.mark(dot(frame.x(*at as f64), frame.y(*value)), class.to_owned(), title);
    }
    let held = reference.map_or_else(String::new, |(name, value)| format!("; {name} {}", number(*value)));
    Some(frame.finish(format!(
        "{} from {} to {}, {} values between {} and {}{held}.",
        named(&chart.y, "values"),
        day_and_time(x.0 as i64),
        day_and_time(x.1 as i64),
        finite.len(),
        number(y.0),
        number(y.1)
    )))
}

/// A scatter plot; points that overlap darken, in a few layers so that thousands stay small.
#[must_use]
pub fn points(chart: &Points) -> Option<Drawing> {
    const LAYERS: usize = 24;
    let finite: Vec<(f64, f64)> = chart.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    let (x, y) = (range(finite.iter().map(|point| point.0))?, range(finite.iter().map(|point| point.1))?);
    let mut frame = Frame::of_points(x, y, &chart.x, &chart.y, chart.diagonal, Fit::Padded);
    for layer in 0..LAYERS.min(finite.len()) {
        let path: String = finite.iter().skip(layer).step_by(LAYERS).map(|(x, y)| dot(frame.x(*x), frame.y(*y))).collect();
        frame.mark(path, "points s1".to_owned(), String::new());
    }
    if chart.diagonal {
        frame.diagonal();
    }
    Some(frame.finish(format!(
        "{} points of {} against {}: x from {} to {}, y from {} to {}.",
        count(finite.len() as u64),
        named(&chart.y, "y"),
        named(&chart.x, "x"),
        number(x.0),
        number(x.1),
        number(y.0),
        number(y.1)
    )))
}

/// Rows of points with their names, each point moved up or down as far as others lie where it would.
#[must_use]
pub fn swarm(chart: &Swarm) -> Option<Drawing> {
    const ROW: f64 = 30.0;
    const SHADES: usize = 5;
    /// Points that lie in the same slot are this far apart, if there is room.
    const APART: f64 = 2.6;
    let finite = || chart.rows.iter().flat_map(|row| &row.points).map(|(x, _)| *x).filter(|x| x.is_finite());
    let (low, high) = range(finite())?;
    let axis = Axis::rounded(low.min(0.0), high.max(0.0), &chart.x, false);
    let left = chart.rows.iter().map(|row| measure(&row.name)).fold(0.0, f64::max).min(WIDTH * 0.36) + 12.0;
    let (right, top) = (WIDTH - 10.0, 4.0);
    let bottom = top + ROW * chart.rows.len() as f64;
    let place = |value: f64| left + (value - axis.low) / (axis.high - axis.low) * (right - left);
    let mut drawing = Drawing { width: WIDTH, height: bottom + if chart.x.is_empty() { 26.0 } else { 44.0 }, ..Drawing::default() };
    for (value, text) in axis.labels(5) {
        let x = place(value);
        let class = if value == 0.0 { "axis" } else { "grid" };
        drawing.marks.push(Mark { d: format!("M{} {}V{}", n(x), n(top), n(bottom)), class: class.to_owned(), title: String::new() });
        drawing.labels.push(label(x.min(WIDTH - measure(&text) / 2.0), bottom + 18.0, "middle tick", &text, WIDTH));
    }
    for (i, row) in chart.rows.iter().enumerate() {
        let middle = top + ROW * (i as f64 + 0.5);
        drawing.labels.push(label(left - 12.0, middle + 4.0, "end", &row.name, left - 12.0));
        let points: Vec<(f64, Option<f64>)> = row.points.iter().copied().filter(|(x, _)| x.is_finite()).collect();
        let slot = |x: f64| ((x - left) / 3.0).max(0.0) as usize;
        let mut taken = vec![0_usize; slot(right) + 1];
        for (x, _) in &points {
            taken[slot(place(*x))] += 1;
        }
        let apart = APART.min((ROW - 6.0) / taken.iter().copied().max().unwrap_or(1).max(1) as f64);
        taken.fill(0);
        let mut paths = vec![String::new(); SHADES + 1];
        for (x, shade) in &points {
            let x = place(*x);
            let count = &mut taken[slot(x)];
            // 0, 1 up, 1 down, 2 up, ...
            let offset = count.div_ceil(2) as f64 * if (*count).is_multiple_of(2) { apart } else { -apart };
            *count += 1;
            let shade = shade.map_or(SHADES, |shade| ((shade * SHADES as f64) as usize).min(SHADES - 1));
            paths[shade] += &dot(x, middle + offset);
        }
        for (shade, path) in paths.into_iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            drawing.marks.push(Mark { d: path, class: format!("swarm h{shade}"), title: String::new() });
        }
    }
    if !chart.x.is_empty() {
        drawing.labels.push(label(right, bottom + 38.0, "end axis-title", &chart.x, right - left));
    }
    let points = finite().count() as u64;
    let (x, shade) = (named(&chart.x, "values"), named(&chart.shade, "nothing"));
    drawing.description =
        format!("{} points of {x} in {} rows between {} and {}; colour: {shade}.", count(points), chart.rows.len(), number(low), number(high));
    Some(drawing)
}

/// Values as dots on whiskers, with the numbers at the right; what they are held against is a dashed line.
#[must_use]
pub fn intervals(chart: &Intervals) -> Option<Drawing> {
    const ROW: f64 = 26.0;
    let rows: Vec<_> = chart.rows.iter().filter(|row| row.value.is_finite()).collect();
    let whole = |range: Option<(f64, f64)>| range.filter(|(low, high)| low.is_finite() && high.is_finite());
    let ends = rows.iter().flat_map(|row| whole(row.range).map_or([row.value; 2], |(low, high)| [low, high]).into_iter().chain([row.value]));
    let reference = chart.reference.as_ref().filter(|(_, value)| value.is_finite());
    let (low, high) = range(ends.chain(reference.map(|(_, value)| *value)))?;
    // Zero belongs on the axis when the values come near it.
    let axis = Axis::rounded(if low > 0.0 && low < 0.5 * high { 0.0 } else { low }, high, &chart.x, false);
    let texts = super::format::column(&rows.iter().map(|row| row.value).collect::<Vec<_>>());
    let mut plot = Rows::new(rows.iter().map(|row| row.name.as_str()), texts.iter().map(|text| measure(text)).fold(0.0, f64::max) + 12.0, ROW, axis);
    if let Some((name, value)) = reference {
        let x = plot.x(*value);
        plot.mark(format!("M{} {}V{}", n(x), n(plot.top), n(plot.bottom())), "reference", format!("{name}: {}", full(*value)));
    }
    for (i, (row, text)) in rows.iter().zip(&texts).enumerate() {
        let (x, y) = (plot.x(row.value), plot.middle(i));
        let mut said = format!("{}: {}", row.name, full(row.value));
        if let Some((low, high)) = whole(row.range) {
            said += &format!(", {} to {}", number(low), number(high));
            let (from, to) = (plot.x(low), plot.x(high));
            plot.mark(format!("M{} {}H{}M{} {}v8M{} {}v8", n(from), n(y), n(to), n(from), n(y - 4.0), n(to), n(y - 4.0)), "line s1", said.clone());
        }
        plot.mark(dot(x, y), "dot s1 large", said);
        plot.drawing.labels.push(label(WIDTH, y + 4.0, "end figure", text, WIDTH));
    }
    let against = reference.map_or_else(String::new, |(name, value)| format!("; the dashed line is {name}, {}", number(*value)));
    Some(plot.finish(format!("{} values of {} between {} and {}{against}.", rows.len(), named(&chart.x, "x"), number(low), number(high))))
}

/// Shares as dots, one a series, of the first `most` labels: a ring for the first series.
#[must_use]
pub fn groups(chart: &Groups, most: usize) -> Option<Drawing> {
    const ROW: f64 = 24.0;
    const RING: f64 = 4.5;
    let totals = chart.totals();
    let part = |counts: &[u64], series: usize| counts.get(series).copied().unwrap_or(0) as f64 / totals[series].max(1) as f64;
    if chart.rows.is_empty() || totals.iter().all(|total| *total == 0) {
        return None;
    }
    let rows = &chart.rows[..chart.rows.len().min(most)];
    let highest = rows.iter().flat_map(|(_, counts)| (0..totals.len()).map(|series| part(counts, series))).fold(0.0, f64::max);
    let mut plot = Rows::new(rows.iter().map(|(name, _)| name.as_str()), 10.0, ROW, Axis::from_zero(highest, &chart.x, true));
    for (i, (name, counts)) in rows.iter().enumerate() {
        let y = plot.middle(i);
        let parts: Vec<f64> = (0..totals.len()).map(|series| part(counts, series)).collect();
        let (low, high) = range(parts.iter().copied())?;
        plot.mark(format!("M{} {}H{}", n(plot.x(low)), n(y), n(plot.x(high))), "axis", String::new());
        for (series, part) in parts.iter().enumerate().rev() {
            let said = format!("{name}: {} {} ({})", chart.series[series], count(counts.get(series).copied().unwrap_or(0)), share(*part));
            let x = plot.x(*part);
            if series == 0 {
                let d = format!("M{} {}a{RING} {RING} 0 1 0 {} 0a{RING} {RING} 0 1 0 -{} 0", n(x - RING), n(y), 2.0 * RING, 2.0 * RING);
                plot.mark(d, "ring s1", said);
            } else {
                plot.mark(dot(x, y), &format!("dot s{}", series % COLOURS + 1), said);
            }
        }
    }
    Some(plot.finish(format!("Shares of {} values in {}.", chart.rows.len(), chart.series.join(" and "))))
}

/// The range of one bin in words.
#[must_use]
pub fn bin(edges: &[f64], bin: usize) -> String {
    match (edges.get(bin), edges.get(bin + 1)) {
        (Some(low), Some(high)) if low == high => number(*low),
        (Some(low), Some(high)) => format!("{} to {}", number(*low), number(*high)),
        _ => String::new(),
    }
}

fn hover(chart: &Histogram, totals: &[u64], at: usize) -> String {
    let part = |i: usize| {
        let value = chart.series[i].counts[at];
        let name = if chart.series.len() > 1 { format!("{} ", chart.series[i].name) } else { String::new() };
        format!("{name}{} ({})", count(value), share(value as f64 / totals[i].max(1) as f64))
    };
    let parts: Vec<String> = (0..chart.series.len()).map(part).collect();
    format!("{}: {}", bin(&chart.edges, at), parts.join(", "))
}

/// First and last edge, where the chart is consistent and has any width.
fn usable_edges(chart: &Histogram) -> Option<(f64, f64)> {
    let (low, high) = (*chart.edges.first()?, *chart.edges.last()?);
    let ascending = chart.edges.windows(2).all(|pair| pair[0] <= pair[1]);
    let consistent = !chart.series.is_empty() && chart.series.iter().all(|series| series.counts.len() + 1 == chart.edges.len());
    let sound = chart.edges.len() > 1 && ascending && consistent && (high - low).is_finite();
    (sound && high > low).then_some((low, high))
}

fn polyline(frame: &Frame, series: &Line) -> String {
    let mut path = String::new();
    let mut pen_up = true;
    for (x, y) in &series.points {
        if !(x.is_finite() && y.is_finite()) {
            pen_up = true;
            continue;
        }
        path.push(if pen_up { 'M' } else { 'L' });
        path += &format!("{} {}", n(frame.x(*x)), n(frame.y(*y)));
        pen_up = false;
    }
    path
}

fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    (low <= high && (high - low).is_finite()).then_some((low, high))
}

fn named<'a>(title: &'a str, otherwise: &'a str) -> &'a str {
    if title.is_empty() { otherwise } else { title }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::{Counts, IntervalRow, SwarmRow};

    fn one(counts: &[u64], edges: &[f64]) -> Histogram {
        Histogram {
            caption: "fare".into(),
            x: "fare_amount".into(),
            edges: edges.to_vec(),
            series: vec![Counts { name: "training".into(), counts: counts.to_vec() }],
        }
    }

    fn marks<'a>(drawing: &'a Drawing, class: &str) -> Vec<&'a Mark> {
        drawing.marks.iter().filter(|mark| mark.class.starts_with(class)).collect()
    }

    #[test]
    fn the_bars_drawn_are_the_counts_given() {
        let drawing = histogram(&one(&[10, 0, 40, 20], &[0.0, 1.0, 2.0, 3.0, 4.0])).unwrap();
        let heights: Vec<f64> =
            marks(&drawing, "fill").iter().map(|bar| bar.d.split('v').nth(1).unwrap().split('h').next().unwrap().parse().unwrap()).collect();
        assert_eq!(heights.len(), 3, "an empty bin has no bar");
        assert!((heights[0] * 4.0 - heights[1]).abs() < 0.5 && (heights[2] * 2.0 - heights[1]).abs() < 0.5, "{heights:?}");
        let hovers: Vec<&str> = marks(&drawing, "hit").iter().map(|mark| mark.title.as_str()).collect();
        assert_eq!(hovers, ["0 to 1: 10 (14.3 %)", "1 to 2: 0 (0 %)", "2 to 3: 40 (57.1 %)", "3 to 4: 20 (28.6 %)"]);
    }

    #[test]
    fn series_of_different_size_are_compared_by_share_and_named_on_hover() {
        let mut chart = one(&[10, 30], &[0.0, 1.0, 2.0]);
        chart.series.push(Counts { name: "test".into(), counts: vec![1, 3] });
        let drawing = histogram(&chart).unwrap();
        let outlines = marks(&drawing, "line");
        assert_eq!(outlines[0].d, outlines[1].d, "the same shape");
        assert_eq!(marks(&drawing, "hit")[1].title, "1 to 2: training 30 (75 %), test 3 (75 %)");
    }

    #[test]
    fn what_cannot_be_drawn_is_not_drawn() {
        assert!(histogram(&one(&[], &[])).is_none());
        assert!(histogram(&one(&[0, 0], &[0.0, 1.0, 2.0])).is_none());
        assert!(histogram(&one(&[1, 2, 3], &[0.0, 1.0])).is_none());
        assert!(histogram(&one(&[1], &[0.0, f64::INFINITY])).is_none());
        assert!(histogram(&one(&[5], &[2.0, 2.0])).is_none());
        assert!(bars(&Bars { bars: vec![("a".into(), f64::NAN)], ..Bars::default() }).is_none());
        assert!(points(&Points { points: vec![(f64::NAN, 1.0)], ..Points::default() }).is_none());
        assert!(lines(&Lines::default()).is_none());
        assert!(points(&Points { points: vec![(3.0, 3.0)], diagonal: true, ..Points::default() }).is_some());
    }

    #[test]
    fn a_line_breaks_where_a_value_is_missing() {
        let series = vec![Line { name: "loss".into(), points: vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0), (3.0, 4.0)] }];
        let drawing = lines(&Lines { series, ..Lines::default() }).unwrap();
        assert_eq!(marks(&drawing, "line")[0].d.matches('M').count(), 2);
        assert_eq!(marks(&drawing, "dot").len(), 3);
    }

    #[test]
    fn tick_labels_never_overlap() {
        for (low, high) in [(0.0, 1.0), (0.0, 1e9), (-5e-7, 3e-7), (1_456_000_000.0, 1_457_000_000.0), (0.0, 52.5), (-1e300, 1e300)] {
            let drawing = histogram(&one(&[3, 4], &[low, f64::midpoint(low, high), high]));
            let Some(drawing) = drawing else { continue };
            let bottom: Vec<(f64, f64)> = drawing
                .labels
                .iter()
                .filter(|label| label.class == "middle tick")
                .map(|label| (label.x.parse::<f64>().unwrap(), measure(&label.text) / 2.0))
                .collect();
            assert!(bottom.windows(2).all(|pair| pair[0].0 + pair[0].1 < pair[1].0 - pair[1].1), "{low} {high}: {bottom:?}");
        }
    }

    #[test]
    fn a_history_is_labelled_with_round_moments() {
        let day = 86_400_000;
        let labels = |points: &[(i64, f64)]| -> Vec<String> {
            let points = points.iter().map(|(at, value)| (*at, *value, String::new())).collect();
            let drawing = history(&History { points, reference: Some(("far".into(), 0.25)), ..History::default() }).unwrap();
            let low = |label: &&Label| label.class.ends_with("tick") && label.y.parse::<f64>().unwrap() > drawing.height - 20.0;
            drawing.labels.iter().filter(low).map(|label| label.text.clone()).collect()
        };
        assert_eq!(labels(&[(0, 0.1), (3_600_000, 0.3)]), ["00:00", "00:10", "00:20", "00:30", "00:40", "00:50", "01:00"]);
        assert_eq!(labels(&[(day / 2, 0.1), (2 * day, 0.3)]), ["01-01 12:00", "01-02 00:00", "01-02 12:00", "01-03 00:00"]);
        assert_eq!(labels(&[(0, 0.1), (day * 8, f64::NAN), (day * 30, 0.3)]), ["1970-01-01", "1970-01-08", "1970-01-15", "1970-01-22", "1970-01-29"]);
        assert_eq!(labels(&[(day / 2, 0.1)]), ["11:59", "12:00", "12:01"]);
        assert!(history(&History::default()).is_none());
    }

    #[test]
    fn points_of_a_swarm_lie_where_they_belong_and_not_on_each_other() {
        let points = vec![(1.0, Some(0.0)), (1.0, Some(1.0)), (1.0, None), (-2.0, Some(0.5)), (f64::NAN, None)];
        let drawing = swarm(&Swarm { rows: vec![SwarmRow { name: "a".into(), points }], ..Swarm::default() }).unwrap();
        let dots = marks(&drawing, "swarm");
        assert_eq!(
            dots.iter().map(|mark| (mark.class.as_str(), mark.d.matches('M').count())).collect::<Vec<_>>(),
            [("swarm h0", 1), ("swarm h2", 1), ("swarm h4", 1), ("swarm h5", 1)]
        );
        let at: Vec<Vec<&str>> = dots.iter().map(|mark| mark.d[1..].trim_end_matches("h0").split(' ').collect()).collect();
        assert!(at[0][0] == at[2][0] && at[0][0] == at[3][0] && at[0][1] != at[2][1] && at[2][1] != at[3][1], "{at:?}");
        assert!(at[1][0].parse::<f64>().unwrap() < at[0][0].parse::<f64>().unwrap());
        assert!(swarm(&Swarm::default()).is_none());
    }

    #[test]
    fn dots_and_whiskers_lie_on_one_scale() {
        let row = |value, range| IntervalRow { name: "a".into(), value, range };
        let chart = Intervals { rows: vec![row(1.0, Some((0.0, 2.0))), row(f64::NAN, None)], reference: Some(("zero".into(), 0.0)), ..Intervals::default() };
        let drawing = intervals(&chart).unwrap();
        let start = |mark: &Mark| mark.d[1..].split([' ', 'H', 'V', 'h', 'a']).next().unwrap().parse::<f64>().unwrap();
        let (reference, whisker, dot) = (marks(&drawing, "reference")[0], marks(&drawing, "line")[0], marks(&drawing, "dot")[0]);
        assert!((start(reference) - start(whisker)).abs() < 0.11 && start(dot) > start(whisker));
        assert_eq!((marks(&drawing, "dot").len(), dot.title.as_str()), (1, "a: 1, 0 to 2"));
        assert!(intervals(&Intervals::default()).is_none());

        let rows = vec![("x".to_owned(), vec![30, 1]), ("y".to_owned(), vec![10, 3])];
        let chart = Groups { series: vec!["old".into(), "new".into()], rows, ..Groups::default() };
        let titles: Vec<String> = groups(&chart, 9).unwrap().marks.iter().map(|mark| mark.title.clone()).filter(|title| !title.is_empty()).collect();
        assert_eq!(titles, ["x: new 1 (25 %)", "x: old 30 (75 %)", "y: new 3 (75 %)", "y: old 10 (25 %)"]);
        assert!(groups(&Groups { rows: vec![("x".into(), vec![0])], series: vec!["a".into()], ..Groups::default() }, 9).is_none());
    }

    #[test]
    fn lines_without_a_name_lie_faintly_behind_named_ones() {
        let line = |name: &str, y| Line { name: name.into(), points: vec![(0.0, y), (1.0, 1.0)] };
        let drawing = lines(&Lines { series: vec![line("mean", 1.0), line("", 2.0)], ..Lines::default() }).unwrap();
        assert_eq!(marks(&drawing, "line").iter().map(|mark| mark.class.as_str()).collect::<Vec<_>>(), ["line faint s1", "line s1 dash0"]);
        assert_eq!(marks(&lines(&Lines { series: vec![line("", 2.0)], ..Lines::default() }).unwrap(), "line faint").len(), 0);
    }

    #[test]
    fn negative_bars_go_left_of_the_axis_and_long_names_are_cut() {
        let chart = Bars { bars: vec![("a_very_long_feature_name_that_goes_on_and_on".into(), 2.0), ("b".into(), -1.0)], ..Bars::default() };
        let drawing = bars(&chart).unwrap();
        let start = |i: usize| drawing.marks[i].d[1..].split(' ').next().unwrap().parse::<f64>().unwrap();
        assert!(start(1) < start(0));
        assert!(drawing.labels[0].text.contains('…') && drawing.labels[0].title.ends_with("on_and_on"));
    }
}
