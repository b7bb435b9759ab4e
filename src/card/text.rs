//! A card for the terminal: plain text without colour codes, never wider than asked.
//!
//! The same values in the same words as on the page. Histograms are rows of block characters, long cells are
//! wrapped, wide tables are continued below with their first column repeated, nothing is lost except rows beyond a
//! few dozen, which are counted. Whether to colour or page is `cli/`'s business.

use super::format::{self, Style, count, number, shape, share, shorten, visible, visible_lines, width as columns_of};
use super::{Bars, Block, Card, Cell, ColumnProfile, Fact, Heat, Histogram, Lines, Points, Swarm, SwarmRow, Tab, Table};

/// Rows of a table that are written.
const ROWS: usize = 30;
/// Widest sparkline.
const SPARK: usize = 30;
/// Lines of a cell that is wrapped; a longer one is cut.
const LINES: usize = 12;

/// The card as text, every line at most `width` columns (at least 40 are taken), ending with a line end.
#[must_use]
pub fn text(card: &Card, width: usize) -> String {
    let mut out = Page { width: width.max(40), text: String::new() };
    if !card.summary.is_empty() {
        out.prose("", &card.summary);
        out.gap();
    }
    out.facts(&card.headline);
    for warning in &card.warnings {
        out.prose("! ", warning);
    }
    for tab in card.tabs.iter().filter(|tab| tab.blocks.iter().any(super::view::has_content)) {
        out.tab(tab);
    }
    out.text.truncate(out.text.trim_end().len());
    out.text.push('\n');
    out.text
}

/// One table as text, as [`text`] draws it, with every row.
#[must_use]
pub fn table(table: &Table, width: usize) -> String {
    let mut out = Page { width: width.max(40), text: String::new() };
    out.rows(table, usize::MAX);
    out.text
}

struct Page {
    width: usize,
    text: String,
}

impl Page {
    fn tab(&mut self, tab: &Tab) {
        self.gap();
        let title = shorten(&visible(&tab.title), self.width.saturating_sub(6)).into_owned();
        let rule = "─".repeat(self.width.min(72).saturating_sub(columns_of(&title) + 4));
        self.line(&format!("── {title} {rule}"));
        for block in tab.blocks.iter().filter(|block| matches!(block, Block::Heading(_)) || super::view::has_content(block)) {
            self.gap();
            match block {
                Block::Heading(text) => self.prose("# ", text),
                Block::Text(text) => self.prose("", text),
                Block::Facts(facts) => self.facts(facts),
                Block::Table(table) => self.table(table),
                Block::Histogram(chart) => self.histogram(chart),
                Block::Bars(chart) => self.bars(chart),
                Block::Lines(chart) => self.lines(chart),
                Block::Points(chart) => self.points(chart),
                Block::Swarm(chart) => self.swarm(chart),
                Block::Heat(chart) => self.heat(chart),
                Block::Intervals(chart) => self.table(&super::view::intervals_table(chart)),
                Block::Groups(chart) => self.table(&super::view::groups_table(chart)),
                Block::Profile(columns) => self.profile(columns),
                Block::Code(text) => self.code(text),
            }
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// One empty line, unless there is one.
    fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Words wrapped, later lines indented below the first.
    fn prose(&mut self, prefix: &str, text: &str) {
        let indent = " ".repeat(prefix.len());
        let mut start = prefix;
        for line in visible_lines(text).lines() {
            for part in wrap(&line.replace('\t', " "), self.width - prefix.len()) {
                self.line(&format!("{start}{part}"));
                start = &indent;
            }
        }
    }

    fn caption(&mut self, caption: &str, detail: &str) {
        match (caption.is_empty(), detail.is_empty()) {
            (false, false) => self.prose("", &format!("{caption} ({detail})")),
            (false, true) => self.prose("", caption),
            (true, false) => self.prose("", detail),
            (true, true) => {}
        }
    }

    fn facts(&mut self, facts: &[Fact]) {
        let limit = (self.width * 3 / 5).min(60);
        let labels: Vec<String> = facts.iter().map(|fact| shorten(&visible(&fact.label), limit).into_owned()).collect();
        let widest = labels.iter().map(|label| columns_of(label)).max().unwrap_or(0);
        for (label, fact) in labels.iter().zip(facts) {
            let mut start = format!("{}  ", pad(label, widest, false));
            for part in wrap(&format::cell(&fact.value).text, self.width - widest - 2) {
                self.line(&format!("{start}{part}"));
                start = " ".repeat(widest + 2);
            }
        }
    }

    fn table(&mut self, table: &Table) {
        self.rows(table, ROWS);
    }

    fn rows(&mut self, table: &Table, most: usize) {
        self.caption(&table.caption, "");
        let shown = &table.rows[..table.rows.len().min(most)];
        let columns: Vec<Column> = table.columns.iter().enumerate().map(|(i, name)| Column::new(name, shown, i)).collect();
        if columns.is_empty() {
            return;
        }
        self.grid(&columns, shown.len());
        if shown.is_empty() {
            self.line("no rows");
        }
        if table.rows.len() > shown.len() {
            self.line(&format!("… {} more rows", count((table.rows.len() - shown.len()) as u64)));
        }
    }

    /// Columns side by side, long cells wrapped; columns that do not fit go below, beside the first one again.
    fn grid(&mut self, columns: &[Column], rows: usize) {
        let natural: usize = columns.iter().map(|column| column.width + 2).sum();
        let most = |i: usize| match i {
            _ if natural <= self.width + 2 => self.width,
            0 => (self.width * 2 / 5).max(12),
            _ => (self.width / 2).max(16),
        };
        let widths: Vec<usize> = columns.iter().enumerate().map(|(i, column)| column.width.min(most(i))).collect();
        let mut next = 1;
        let mut first_part = true;
        while first_part || next < columns.len() {
            if !first_part {
                self.gap();
            }
            first_part = false;
            let mut chosen = vec![(0, widths[0])];
            let mut used = widths[0];
            while next < columns.len() && (chosen.len() == 1 || used + 2 + widths[next] <= self.width) {
                let room = widths[next].min(self.width.saturating_sub(used + 2));
                used += 2 + room;
                chosen.push((next, room));
                next += 1;
            }
            // What is left over goes to those that were cut short.
            for (i, room) in &mut chosen {
                let more = self.width.saturating_sub(used).min(columns[*i].width.saturating_sub(*room));
                *room += more;
                used += more;
            }
            let write = |cell: &dyn Fn(usize) -> String| -> Vec<String> {
                let cells: Vec<Vec<String>> = chosen.iter().map(|(i, room)| cell_lines(&cell(*i), *room)).collect();
                let height = cells.iter().map(Vec::len).max().unwrap_or(1);
                let one = |line: usize| {
                    let parts = chosen.iter().zip(&cells).map(|((i, room), cell)| pad(cell.get(line).map_or("", String::as_str), *room, columns[*i].right));
                    parts.collect::<Vec<_>>().join("  ")
                };
                (0..height).map(one).collect()
            };
            let rule = chosen.iter().map(|(_, room)| "─".repeat(*room)).collect::<Vec<_>>().join("  ");
            let mut lines = write(&|i| columns[i].name.clone());
            lines.push(rule);
            lines.extend((0..rows).flat_map(|row| write(&|i| columns[i].cells[row].clone())));
            for line in lines {
                self.line(&line);
            }
        }
    }

    fn histogram(&mut self, chart: &Histogram) {
        let (low, high) = (chart.edges.first().copied().unwrap_or(f64::NAN), chart.edges.last().copied().unwrap_or(f64::NAN));
        let x = if chart.x.is_empty() { String::new() } else { format!("{}: ", chart.x) };
        self.caption(&chart.caption, &format!("{x}{} to {}", number(low), number(high)));
        let rows = chart
            .series
            .iter()
            .map(|series| (series.name.as_str(), sparkline(&series.counts, SPARK.min(self.width / 2)), format!("{} rows", count(series.counts.iter().sum()))));
        self.sparks(&rows.collect::<Vec<_>>());
    }

    fn bars(&mut self, chart: &Bars) {
        self.caption(&chart.caption, &chart.x);
        let shown: Vec<&(String, f64)> = chart.bars.iter().filter(|(_, value)| value.is_finite()).take(ROWS).collect();
        let most = shown.iter().map(|(_, value)| value.abs()).fold(0.0, f64::max);
        let values = format::column(&shown.iter().map(|(_, value)| *value).collect::<Vec<_>>());
        let figures = values.iter().map(|value| columns_of(value)).max().unwrap_or(0);
        let limit = (self.width / 3).max(12);
        let names: Vec<String> = shown.iter().map(|(name, _)| shorten(&visible(name), limit).into_owned()).collect();
        let widest = names.iter().map(|name| columns_of(name)).max().unwrap_or(0);
        let room = self.width.saturating_sub(widest + figures + 4).min(40);
        for ((name, value), (_, size)) in names.iter().zip(&values).zip(&shown) {
            let bar = if most > 0.0 { eighths(size.abs() / most * room as f64) } else { String::new() };
            self.line(&format!("{}  {}  {bar}", pad(name, widest, false), pad(value, figures, true)));
        }
        if chart.bars.len() > shown.len() {
            self.line(&format!("… {} more", count((chart.bars.len() - shown.len()) as u64)));
        }
    }

    fn lines(&mut self, chart: &Lines) {
        let axes = [chart.y.as_str(), chart.x.as_str()].into_iter().filter(|axis| !axis.is_empty()).collect::<Vec<_>>().join(" against ");
        self.caption(&chart.caption, &axes);
        let finite = |points: &[(f64, f64)]| points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect::<Vec<_>>();
        // Beside named lines those without a name are many of one kind.
        let has_names = chart.series.iter().any(|line| !line.name.is_empty());
        let listed = chart.series.iter().filter(|line| !has_names || !line.name.is_empty());
        let series: Vec<(&str, Vec<(f64, f64)>)> = listed.take(ROWS).map(|line| (line.name.as_str(), finite(&line.points))).collect();
        let all = || series.iter().flat_map(|(_, points)| points.iter().map(|point| point.1));
        let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
        let size = SPARK.min(self.width / 3);
        let rows = series.iter().filter_map(|(name, points)| {
            let (first, last) = (points.first()?, points.last()?);
            let sampled = (0..size.min(points.len())).filter_map(|i| points.get(i * (points.len() - 1) / size.min(points.len()).saturating_sub(1).max(1)));
            let spark = sampled.map(|(_, y)| level(if high > low { (y - low) / (high - low) } else { 0.5 })).collect();
            Some((*name, spark, format!("{} → {}", number(first.1), number(last.1))))
        });
        self.sparks(&rows.collect::<Vec<_>>());
    }

    fn points(&mut self, chart: &Points) {
        let finite: Vec<(f64, f64)> = chart.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
        let span = |values: &dyn Fn(&(f64, f64)) -> f64| {
            let (low, high) = finite.iter().map(values).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
            format!("{} to {}", number(low), number(high))
        };
        let named = |name: &str, otherwise: &str| if name.is_empty() { otherwise.to_owned() } else { name.to_owned() };
        self.caption(&chart.caption, &format!("{} points", count(finite.len() as u64)));
        if !finite.is_empty() {
            self.prose("  ", &format!("{}: {}", named(&chart.x, "x"), span(&|point| point.0)));
            self.prose("  ", &format!("{}: {}", named(&chart.y, "y"), span(&|point| point.1)));
        }
    }

    fn swarm(&mut self, chart: &Swarm) {
        let all = || chart.rows.iter().flat_map(|row| &row.points).map(|(x, _)| *x).filter(|x| x.is_finite());
        let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
        let x = if chart.x.is_empty() { String::new() } else { format!("{}: ", chart.x) };
        self.caption(&chart.caption, &format!("{x}{} to {}", number(low), number(high)));
        let bins = SPARK.min(self.width / 2);
        let row = |row: &SwarmRow| {
            let mut counts = vec![0_u64; bins];
            for (x, _) in row.points.iter().filter(|(x, _)| x.is_finite()) {
                counts[(((x - low) / (high - low).max(f64::MIN_POSITIVE) * bins as f64) as usize).min(bins - 1)] += 1;
            }
            sparkline(&counts, bins)
        };
        let rows = chart.rows.iter().take(ROWS).map(|each| (each.name.as_str(), row(each), String::new()));
        self.sparks(&rows.collect::<Vec<_>>());
    }

    fn heat(&mut self, chart: &Heat) {
        let size = chart.labels.len().min(ROWS);
        let label = |i: usize| Cell::Text(chart.labels.get(i).cloned().unwrap_or_default());
        let row = |(i, counts): (usize, &Vec<u64>)| {
            let total: u64 = counts.iter().sum();
            let cells = counts.iter().take(size).map(|value| Cell::Text(format!("{} ({})", count(*value), share(*value as f64 / total.max(1) as f64))));
            std::iter::once(label(i)).chain(cells).collect()
        };
        let columns = std::iter::once(format!("{} ↓ {} →", chart.y, chart.x)).chain((0..size).map(|i| chart.labels.get(i).cloned().unwrap_or_default()));
        self.table(&Table { caption: chart.caption.clone(), columns: columns.collect(), rows: chart.counts.iter().take(size).enumerate().map(row).collect() });
        if chart.labels.len() > size {
            self.line(&format!("… {} more labels", count((chart.labels.len() - size) as u64)));
        }
    }

    fn profile(&mut self, columns: &[ColumnProfile]) {
        let shown = &columns[..columns.len().min(4 * ROWS)];
        let row = |column: &ColumnProfile| {
            let whole = column.rows.max(1) as f64;
            let distinct = column.distinct.map(|value| format!("{}{}", if column.distinct_estimated { "≈" } else { "" }, count(value)));
            let quantile = |i: usize| column.quantiles.map(|values| number(values[i]));
            let (low, high) = column.range.as_ref().map_or((quantile(0), quantile(6)), |(low, high)| (Some(brief(low)), Some(brief(high))));
            let drawn = match &column.histogram {
                Some(chart) => chart.series.first().map_or(String::new(), |series| sparkline(&series.counts, 12)),
                None => column.top.first().map_or(String::new(), |(value, rows)| format!("{} {}", shorten(&visible(value), 14), share(*rows as f64 / whole))),
            };
            let text = |value: Option<String>| value.map_or(Cell::Missing, Cell::Text);
            vec![
                Cell::Text(column.name.clone()),
                Cell::Text([column.kind.as_str(), column.role.as_str()].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" · ")),
                Cell::Share(column.missing as f64 / whole),
                text(distinct),
                Cell::Text(drawn),
                column.shown_mean().into(),
                column.deviation.into(),
                text(low),
                text(quantile(3)),
                text(high),
                Cell::Text(column.alerts.join(", ")),
            ]
        };
        let rows: Vec<Vec<Cell>> = shown.iter().map(row).collect();
        let names = ["column", "type", "missing", "distinct", "values", "mean", "sd", "min", "median", "max", "alerts"];
        let figures = ["distinct", "mean", "sd", "min", "median", "max"];
        let view: Vec<Column> = names
            .iter()
            .enumerate()
            .filter(|(i, _)| *i == 0 || rows.iter().any(|row| !matches!(&row[*i], Cell::Missing) && row[*i] != Cell::Text(String::new())))
            .map(|(i, name)| {
                // Sizes differ from row to row here, so each number is written on its own.
                let limit = if i == 0 { (self.width * 3 / 10).max(16) } else { self.width };
                let cells: Vec<String> = rows.iter().map(|row| shorten(&format::cell(&row[i]).text, limit).into_owned()).collect();
                let width = cells.iter().map(|cell| columns_of(cell)).max().unwrap_or(0).max(columns_of(name));
                Column { name: (*name).to_owned(), cells, width, right: *name == "missing" || figures.contains(name) }
            })
            .collect();
        self.grid(&view, rows.len());
        if columns.len() > shown.len() {
            self.line(&format!("… {} more columns ({})", count((columns.len() - shown.len()) as u64), shape(None, Some(columns.len() as u64))));
        }
    }

    fn code(&mut self, text: &str) {
        for line in visible_lines(text).lines().take(10 * ROWS) {
            let mut rest: Vec<char> = line.replace('\t', "    ").chars().collect();
            while !rest.is_empty() {
                let mut used = 0;
                let fits = rest.iter().take_while(|c| {
                    used += columns_of(c.encode_utf8(&mut [0; 4]));
                    used <= self.width - 2
                });
                let tail = rest.split_off(fits.count().max(1));
                self.line(&format!("  {}", rest.iter().collect::<String>()));
                rest = tail;
            }
        }
        let lines = text.lines().count();
        if lines > 10 * ROWS {
            self.line(&format!("… {} more lines", count((lines - 10 * ROWS) as u64)));
        }
    }

    /// Name, sparkline, figure.
    fn sparks(&mut self, rows: &[(&str, String, String)]) {
        let limit = (self.width / 4).max(8);
        let names: Vec<String> = rows.iter().map(|(name, _, _)| shorten(&visible(name), limit).into_owned()).collect();
        let widest = names.iter().map(|name| columns_of(name)).max().unwrap_or(0);
        let start = if widest == 0 { 0 } else { widest + 2 };
        let longest = rows.iter().map(|(_, spark, _)| columns_of(spark)).max().unwrap_or(0);
        for (name, (_, spark, figure)) in names.iter().zip(rows) {
            let room = self.width.saturating_sub(start + longest + 2);
            self.line(&format!("{}{}  {}", pad(name, start, false), pad(spark, longest, false), shorten(figure, room)));
        }
    }
}

/// A column of a table, written.
struct Column {
    name: String,
    cells: Vec<String>,
    width: usize,
    right: bool,
}

impl Column {
    fn new(name: &str, rows: &[Vec<Cell>], at: usize) -> Self {
        let cells: Vec<&Cell> = rows.iter().map(|row| row.get(at).unwrap_or(&Cell::Missing)).collect();
        let written = format::cells(&cells);
        let right = written.iter().all(|cell| matches!(cell.style, Style::Number | Style::Missing)) && written.iter().any(|cell| cell.style == Style::Number);
        let name = visible(name).into_owned();
        let width = written.iter().map(|cell| columns_of(&cell.text)).max().unwrap_or(0).max(columns_of(&name));
        Self { name, cells: written.into_iter().map(|cell| cell.text).collect(), width, right }
    }
}

/// The day of a date and time, else the text cut short.
fn brief(text: &str) -> String {
    let is_moment = text.len() > 10
        && text.is_char_boundary(10)
        && text.bytes().take(10).enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
    if is_moment { text[..10].to_owned() } else { shorten(&visible(text), 14).into_owned() }
}

/// Counts as block characters, neighbours added up where there are too many; a count above zero is never blank.
fn sparkline(counts: &[u64], limit: usize) -> String {
    let size = counts.len().div_ceil(limit.max(1)).max(1);
    let sums: Vec<u64> = counts.chunks(size).map(|chunk| chunk.iter().sum()).collect();
    let most = sums.iter().copied().max().unwrap_or(0).max(1) as f64;
    sums.iter().map(|sum| if *sum == 0 { ' ' } else { level(*sum as f64 / most) }).collect()
}

fn level(share: f64) -> char {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    LEVELS[((share.clamp(0.0, 1.0) * 8.0).ceil() as usize).clamp(1, 8) - 1]
}

/// A bar of this many columns, to an eighth.
fn eighths(length: f64) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (length * 8.0).round() as usize;
    let eighths = if length > 0.0 { eighths.max(1) } else { 0 };
    format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8])
}

fn pad(text: &str, to: usize, right: bool) -> String {
    let space = " ".repeat(to.saturating_sub(columns_of(text)));
    if right { format!("{space}{text}") } else { format!("{text}{space}") }
}

/// A cell as one line where it fits, else wrapped.
fn cell_lines(text: &str, room: usize) -> Vec<String> {
    if columns_of(text) <= room {
        return vec![text.to_owned()];
    }
    let mut lines = wrap(text, room);
    if lines.len() > LINES {
        let rest = lines.split_off(LINES - 1).join(" ");
        lines.push(shorten(&rest, room).into_owned());
    }
    lines
}

/// Lines of at most `limit` columns, broken at spaces; a word that is longer than a line is broken behind what joins its parts, such as
/// `_`, and elsewhere where there is nothing of the kind.
pub(crate) fn wrap(text: &str, limit: usize) -> Vec<String> {
    let limit = limit.max(8);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !line.is_empty() && columns_of(&line) + 1 + columns_of(word) > limit {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        let is_long = columns_of(word) > limit;
        let parts: Vec<&str> = if is_long { word.split_inclusive(['_', '.', '/', '=', ',', '-', ':']).collect() } else { vec![word] };
        for part in parts {
            if is_long && !line.is_empty() && columns_of(&line) + columns_of(part) > limit {
                lines.push(std::mem::take(&mut line));
            }
            for c in part.chars() {
                if columns_of(&line) + columns_of(c.encode_utf8(&mut [0; 4])) > limit {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(c);
            }
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::card::Counts;

    #[test]
    fn no_line_is_wider_than_asked_and_no_control_character_is_left() {
        for card in [sample::rich(), sample::hostile()] {
            for width in [40, 55, 80, 120] {
                let text = text(&card, width);
                for line in text.lines() {
                    assert!(columns_of(line) <= width, "{width}: {line}");
                }
                assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']));
            }
        }
        assert!(text(&sample::hostile(), 120).contains("\\u{1b}[31m"));
    }

    #[test]
    fn a_card_reads_from_the_sentence_to_the_tables() {
        let counts = Counts { name: String::new(), counts: vec![0, 1, 4, 8, 4] };
        let rows = vec![vec!["rmse".into(), 2.0701.into(), Cell::Good("pass".into())], vec!["max_error".into(), 990.0.into(), Cell::Bad("fail".into())]];
        let blocks = vec![
            Block::Table(Table { caption: "Criteria".into(), columns: ["metric", "test", "gate"].map(str::to_owned).to_vec(), rows }),
            Block::Histogram(Histogram { caption: "Residuals".into(), x: "error".into(), edges: vec![-2.0, -1.0, 0.0, 1.0, 2.0, 3.0], series: vec![counts] }),
            Block::Bars(Bars { caption: "Importance".into(), bars: vec![("distance".into(), 4.0), ("hour".into(), 1.0)], ..Bars::default() }),
        ];
        let card = Card {
            summary: "The model meets 1 of 2 criteria on 1,001 test rows".into(),
            headline: vec![Fact::new("rows", 1001_u64), Fact::new("model size", Cell::Bytes(345_678))],
            warnings: vec!["39 rows were dropped".into()],
            tabs: vec![Tab::new("metrics", "Metrics", blocks), Tab::new("empty", "Empty", vec![Block::Text(String::new())])],
        };
        let expected = "\
The model meets 1 of 2 criteria on 1,001
test rows

rows        1,001
model size  346 kB
! 39 rows were dropped

── Metrics ─────────────────────────────

Criteria
metric     test  gate
─────────  ────  ────
rmse       2.07  pass
max_error   990  fail

Residuals (error: -2 to 3)
 ▁▄█▄  17 rows

Importance
distance  4  ███████████████████████████
hour      1  ██████▊
";
        assert_eq!(text(&card, 40), expected);
    }

    #[test]
    fn a_wide_table_continues_below_with_its_first_column() {
        let columns: Vec<String> = (0..9).map(|i| format!("column_{i}")).collect();
        let rows = vec![(0..9).map(|i| Cell::Text(format!("value_{i}"))).collect()];
        let card = Card { tabs: vec![Tab::new("t", "T", vec![Block::Table(Table { columns, rows, ..Table::default() })])], ..Card::default() };
        let text = text(&card, 40);
        assert!(text.matches("column_0").count() > 1 && (0..9).all(|i| text.contains(&format!("value_{i}"))));
    }

    #[test]
    fn a_long_cell_is_wrapped_and_whole_where_the_table_fits() {
        let rows = vec![vec!["root_mean_squared_error ≤ 145067 (dummy)".into(), 33151.0.into(), Cell::Good("pass".into())]];
        let columns = ["criterion", "value", "verdict"].map(str::to_owned).to_vec();
        let drawn = |width| super::table(&Table { columns: columns.clone(), rows: rows.clone(), ..Table::default() }, width);
        let narrow = "\
criterion                 value  verdict
───────────────────────  ──────  ───────
root_mean_squared_error  33,151  pass
≤ 145067 (dummy)
";
        assert_eq!(drawn(40), narrow);
        assert!(drawn(80).contains("root_mean_squared_error ≤ 145067 (dummy)  33,151  pass"));
        let long = Table { columns: vec!["a".into(), "b".into()], rows: vec![vec!["x".into(), "word ".repeat(400).into()]], ..Table::default() };
        let text = super::table(&long, 40);
        assert!(text.lines().count() == 2 + LINES && text.matches('…').count() == 1 && text.lines().all(|line| columns_of(line) <= 40), "{text}");
    }

    #[test]
    fn a_sparkline_adds_up_neighbours_and_shows_every_count() {
        assert_eq!(sparkline(&[0, 1, 1000], 3), " ▁█");
        assert_eq!(sparkline(&[1, 1, 2, 2], 2), "▄█");
        assert_eq!(sparkline(&[], 5), "");
    }
}
