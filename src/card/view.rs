//! What the templates read: a card's blocks with every value written and every chart laid out.
//!
//! Here a card of any size becomes a page of bounded size: what exceeds [`Limits`] is left out, and a
//! sentence says how much. Escaping is not done here; the templates escape all they write.

use serde::Serialize;

use super::format::{self, Style, Written, count, number, share, visible, visible_lines};
use super::svg::{self, Drawing, Mark};
use super::{
    Bars, Block, Cell, ColumnProfile, Counts, Fact, Groups, Heat, Histogram, History, IntervalRow, Intervals, Line, Lines, Points, Swarm, SwarmRow, Table,
};

/// How much of a card a page shows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub rows: usize,
    pub columns: usize,
    /// Cells of one table, so that a wide table has fewer rows.
    pub cells: usize,
    pub points: usize,
    pub bins: usize,
    pub labels: usize,
    pub series: usize,
    pub profiles: usize,
    /// Tabs, blocks of a tab, warnings, facts, artifacts.
    pub items: usize,
    /// Characters of a paragraph or of preformatted text.
    pub text: usize,
    /// Characters of a name or a cell.
    pub cell: usize,
    /// Leave out columns of tables that say nothing.
    pub sparing: bool,
}

impl Limits {
    pub const FULL: Self = Self {
        rows: 500,
        columns: 100,
        cells: 8000,
        points: 2000,
        bins: 120,
        labels: 30,
        series: 12,
        profiles: 300,
        items: 60,
        text: 60_000,
        cell: 400,
        sparing: false,
    };

    /// Two thirds of everything, but never nothing.
    #[must_use]
    pub fn smaller(self) -> Self {
        let less = |value: usize, least: usize| (value * 2 / 3).max(least);
        Self {
            rows: less(self.rows, 2),
            columns: less(self.columns, 2),
            cells: less(self.cells, 8),
            points: less(self.points, 10),
            bins: less(self.bins, 4),
            labels: less(self.labels, 2),
            series: less(self.series, 1),
            profiles: less(self.profiles, 2),
            items: less(self.items, 3),
            text: less(self.text, 200),
            cell: less(self.cell, 24),
            sparing: self.sparing,
        }
    }
}

/// What a page may still take, by a rough measure. Once it is used up no more blocks are laid out: the page
/// is drawn anew with smaller [`Limits`], and a card of any size costs little time and memory.
#[derive(Debug)]
pub struct Budget {
    left: usize,
}

impl Budget {
    pub fn new(bytes: usize) -> Self {
        Self { left: bytes }
    }

    pub fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// The size as JSON, which is a little below that as HTML and cheaper to find out.
    fn spend(&mut self, view: &impl Serialize) {
        // Fails, and so stops the serialiser, where there is nothing left.
        if serde_json::to_writer(&mut *self, view).is_err() {
            self.left = 0;
        }
    }
}

impl std::io::Write for Budget {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::WriteZero)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A tab of the page; `id` is safe in a URL and unique.
#[derive(Debug, Serialize)]
pub struct TabView {
    pub id: String,
    pub title: String,
    pub blocks: Vec<BlockView>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BlockView {
    Heading { spans: Vec<Span> },
    Text { spans: Vec<Span> },
    Facts { facts: Vec<FactView> },
    Table { table: TableView },
    Charts { charts: Vec<ChartView> },
    Profile { profile: ProfileView },
    Code { text: String, note: String },
}

/// A stretch of a sentence, or a name between back-ticks.
#[derive(Debug, PartialEq, Serialize)]
pub struct Span {
    pub code: bool,
    pub text: String,
}

#[derive(Debug, Serialize)]
pub struct FactView {
    pub label: Vec<Span>,
    pub value: CellView,
}

/// A written value; `class` says what it is, `title` has the full value or nothing.
#[derive(Debug, Default, Serialize)]
pub struct CellView {
    pub text: String,
    pub title: String,
    pub class: &'static str,
}

#[derive(Debug, Default, Serialize)]
pub struct TableView {
    pub caption: Vec<Span>,
    /// The caption without its marks, for what is read aloud.
    pub label: String,
    pub columns: Vec<HeaderView>,
    pub rows: Vec<Vec<CellView>>,
    /// What was left out, in words.
    pub note: String,
    /// `tall`: scrolls in itself. `stacked`: on a phone the cells of a row stand below each other. Else empty.
    pub shape: &'static str,
}

#[derive(Debug, Serialize)]
pub struct HeaderView {
    pub text: Vec<Span>,
    pub title: String,
    pub right: bool,
}

/// A chart: a drawing or a matrix, and the numbers behind it. Or a narrow table among charts.
#[derive(Debug, Default, Serialize)]
pub struct ChartView {
    pub caption: Vec<Span>,
    /// The caption without its marks.
    pub label: String,
    pub table: Option<TableView>,
    pub legend: Vec<String>,
    pub drawing: Option<Drawing>,
    pub heat: Option<HeatView>,
    pub note: String,
    pub data: Option<TableView>,
    /// Takes the page's whole width.
    pub wide: bool,
}

#[derive(Debug, Serialize)]
pub struct HeatView {
    pub x: String,
    pub y: String,
    pub columns: Vec<CellView>,
    pub rows: Vec<HeatRow>,
}

#[derive(Debug, Serialize)]
pub struct HeatRow {
    pub label: CellView,
    pub cells: Vec<HeatCell>,
    pub total: String,
}

/// A cell of a matrix; `weight` from 0 to 1 is its share of the row.
#[derive(Debug, Serialize)]
pub struct HeatCell {
    pub count: String,
    pub share: String,
    pub weight: String,
    pub title: String,
}

#[derive(Debug, Serialize)]
pub struct ProfileView {
    pub rows: Vec<ProfileRow>,
    pub note: String,
}

#[derive(Debug, Serialize)]
pub struct ProfileRow {
    pub name: CellView,
    pub kind: String,
    pub alerts: Vec<String>,
    /// Zeros and skewness in words.
    pub remarks: String,
    pub spark: String,
    pub spark_hits: Vec<Mark>,
    pub spark_title: String,
    pub spark_counts: String,
    pub missing: CellView,
    pub distinct: CellView,
    /// Mean, deviation, seven quantiles; empty where the column has none.
    pub figures: Vec<CellView>,
    pub range: String,
    pub top: Vec<TopView>,
}

#[derive(Debug, Serialize)]
pub struct TopView {
    pub value: CellView,
    pub share: String,
    pub count: String,
}

/// The blocks of a tab as views; charts and narrow tables that follow each other stand side by side.
pub fn blocks(blocks: &[Block], limits: Limits, budget: &mut Budget) -> Vec<BlockView> {
    let mut views: Vec<BlockView> = Vec::new();
    for block in blocks.iter().take(limits.items) {
        if budget.is_spent() {
            break;
        }
        let view = match block {
            Block::Heading(text) => BlockView::Heading { spans: spans(text, limits.cell) },
            Block::Text(text) => BlockView::Text { spans: spans(text, limits.text) },
            Block::Facts(facts) => BlockView::Facts { facts: self::facts(facts, limits) },
            Block::Table(table) => BlockView::Table { table: self::table(table, Limits { sparing: true, ..limits }) },
            Block::Profile(columns) => BlockView::Profile { profile: profile(columns, limits) },
            Block::Code(text) => code(text, limits),
            Block::Histogram(chart) => BlockView::Charts { charts: vec![histogram(chart, limits)] },
            Block::Bars(chart) => BlockView::Charts { charts: vec![bars(chart, limits)] },
            Block::Lines(chart) => BlockView::Charts { charts: vec![lines(chart, limits)] },
            Block::Points(chart) => BlockView::Charts { charts: vec![points(chart, limits)] },
            Block::Swarm(chart) => BlockView::Charts { charts: vec![swarm(chart, limits)] },
            Block::Heat(chart) => BlockView::Charts { charts: vec![heat(chart, limits)] },
            Block::Intervals(chart) => BlockView::Charts { charts: vec![intervals(chart, limits)] },
            Block::Groups(chart) => BlockView::Charts { charts: vec![groups(chart, limits)] },
        };
        budget.spend(&view);
        beside(&mut views, view);
    }
    if let Some(text) = left_out(blocks.len(), limits.items, "blocks") {
        views.push(BlockView::Text { spans: spans(&text, limits.text) });
    }
    views
}

/// Adds a block, beside the one before it where both are small.
fn beside(views: &mut Vec<BlockView>, view: BlockView) {
    const NARROW: usize = 4;
    let is_narrow = |table: &TableView| table.columns.len() <= NARROW;
    let cell = |table: TableView| ChartView { table: Some(table), ..ChartView::default() };
    match (views.pop(), view) {
        (Some(BlockView::Charts { mut charts }), BlockView::Charts { charts: more }) => {
            charts.extend(more);
            views.push(BlockView::Charts { charts });
        }
        (Some(BlockView::Charts { mut charts }), BlockView::Table { table }) if is_narrow(&table) => {
            charts.push(cell(table));
            views.push(BlockView::Charts { charts });
        }
        (Some(BlockView::Table { table }), BlockView::Charts { charts }) if is_narrow(&table) => {
            views.push(BlockView::Charts { charts: std::iter::once(cell(table)).chain(charts).collect() });
        }
        (Some(BlockView::Table { table }), BlockView::Table { table: next }) if is_narrow(&table) && is_narrow(&next) => {
            views.push(BlockView::Charts { charts: vec![cell(table), cell(next)] });
        }
        (before, view) => views.extend(before.into_iter().chain([view])),
    }
}

/// Whether a block shows anything; a tab without such a block is not shown.
pub fn has_content(block: &Block) -> bool {
    match block {
        Block::Heading(_) => false,
        Block::Text(text) | Block::Code(text) => !text.trim().is_empty(),
        Block::Facts(facts) => !facts.is_empty(),
        Block::Table(table) => !table.columns.is_empty(),
        Block::Histogram(chart) => !chart.series.is_empty(),
        Block::Bars(chart) => !chart.bars.is_empty(),
        Block::Lines(chart) => chart.series.iter().any(|series| !series.points.is_empty()),
        Block::Points(chart) => !chart.points.is_empty(),
        Block::Swarm(chart) => !chart.rows.is_empty(),
        Block::Heat(chart) => !chart.counts.is_empty(),
        Block::Intervals(chart) => !chart.rows.is_empty(),
        Block::Groups(chart) => !chart.rows.is_empty(),
        Block::Profile(columns) => !columns.is_empty(),
    }
}

/// Splits a sentence at its back-ticks, if they come in pairs.
pub fn spans(text: &str, limit: usize) -> Vec<Span> {
    // A number and its unit stay on one line.
    let text = cut(&visible_lines(text), limit).replace(" %", "\u{a0}%");
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return vec![Span { code: false, text }];
    }
    let numbered = parts.iter().enumerate().filter(|(_, part)| !part.is_empty());
    numbered.map(|(i, part)| Span { code: i % 2 == 1, text: (*part).to_owned() }).collect()
}

pub fn facts(facts: &[Fact], limits: Limits) -> Vec<FactView> {
    let shown = facts.iter().take(limits.items);
    shown.map(|fact| FactView { label: spans(&fact.label, limits.cell), value: cell(&fact.value, limits) }).collect()
}

pub fn cell(value: &Cell, limits: Limits) -> CellView {
    match value {
        Cell::Text(text) if is_digest(text) => digest(text),
        _ => written(format::cell(value), limits),
    }
}

/// Is it a hash of 256 bits in hexadecimal?
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The first digits of a digest, the whole on hover.
pub fn digest(text: &str) -> CellView {
    CellView { text: text.chars().take(12).collect(), title: text.to_owned(), class: "mono" }
}

/// A name or another piece of text as a cell, cut with the whole on hover.
pub fn name(text: &str, limits: Limits) -> CellView {
    written(Written { text: visible(text).into_owned(), ..Written::default() }, limits)
}

pub fn table(table: &Table, limits: Limits) -> TableView {
    let width = table.columns.len().min(limits.columns);
    let height = table.rows.len().min(limits.rows).min((limits.cells / width.max(1)).max(2));
    let shown = &table.rows[..height];
    let mut rows: Vec<Vec<CellView>> = shown.iter().map(|_| Vec::with_capacity(width)).collect();
    let mut columns = Vec::with_capacity(width);
    let is_bare = |cell: &Cell| matches!(cell, Cell::Missing) || matches!(cell, Cell::Text(text) if text.is_empty());
    for (i, column) in table.columns.iter().take(width).enumerate() {
        let cells: Vec<&Cell> = shown.iter().map(|row| row.get(i).unwrap_or(&Cell::Missing)).collect();
        // A column that says nothing in any row is not drawn; what it would have said is in the JSON twin.
        if limits.sparing && i > 0 && !cells.is_empty() && cells.iter().all(|cell| is_bare(cell)) {
            continue;
        }
        let texts = format::cells(&cells);
        let right = texts.iter().all(|text| matches!(text.style, Style::Number | Style::Missing)) && texts.iter().any(|text| text.style == Style::Number);
        let header = name(column, limits);
        columns.push(HeaderView { text: spans(&header.text, limits.cell), title: header.title, right });
        for ((row, text), cell) in rows.iter_mut().zip(texts).zip(cells) {
            let mut view = match cell {
                Cell::Text(text) if is_digest(text) => digest(text),
                _ => written(text, limits),
            };
            if right && view.class == "missing" {
                view.class = "number missing";
            }
            row.push(view);
        }
    }
    let notes: Vec<String> = [left_out(table.rows.len(), height, "rows"), left_out(table.columns.len(), width, "columns")].into_iter().flatten().collect();
    TableView {
        caption: spans(&table.caption, limits.cell),
        label: label(&table.caption, limits),
        shape: if rows.len() > 24 { "tall" } else { "" },
        columns,
        rows,
        note: notes.join(" "),
    }
}

/// A caption without the marks of names.
fn label(caption: &str, limits: Limits) -> String {
    cut(&visible(caption), limits.cell).replace('`', "")
}

fn code(text: &str, limits: Limits) -> BlockView {
    let shown = cut(&visible_lines(text), limits.text);
    let note = if shown.len() < text.len() {
        format!("The first {} characters of {}.", count(limits.text as u64), count(text.chars().count() as u64))
    } else {
        String::new()
    };
    BlockView::Code { text: shown, note }
}

/// A value as it was from time to time, with the table behind it.
pub fn history(chart: &History, limits: Limits) -> ChartView {
    let rows = chart.points.iter().rev().take(limits.rows);
    let rows = rows.map(|(at, value, of)| vec![Cell::Text(format::day_and_time(*at)), (*value).into(), Cell::Text(of.clone())]).collect();
    let y = if chart.y.is_empty() { "value".to_owned() } else { chart.y.clone() };
    let data = table(&Table { caption: String::new(), columns: vec!["time (UTC)".to_owned(), y, "run".to_owned()], rows }, limits);
    let held = chart.reference.as_ref().map(|(name, value)| format!("Dashed: {name}, {}.", number(*value)));
    ChartView { drawing: svg::history(chart), note: held.unwrap_or_default(), ..chart_of(&chart.caption, data, limits) }
}

fn histogram(given: &Histogram, limits: Limits) -> ChartView {
    let chart = coarser(given, limits);
    let totals: Vec<u64> = chart.series.iter().map(|series| series.counts.iter().sum()).collect();
    let drawing = svg::histogram(&chart);
    let mut columns = vec![if chart.x.is_empty() { "range".to_owned() } else { chart.x.clone() }];
    for series in &chart.series {
        let title = if series.name.is_empty() { "rows" } else { &series.name };
        columns.push(title.to_owned());
        columns.push(format!("{title} share"));
    }
    let bins = chart.edges.len().saturating_sub(1);
    let row = |bin: usize| {
        let counts = chart.series.iter().zip(&totals).flat_map(|(series, total)| {
            let value = series.counts.get(bin).copied().unwrap_or(0);
            [Cell::Count(value), Cell::Share(value as f64 / (*total).max(1) as f64)]
        });
        std::iter::once(Cell::Text(svg::bin(&chart.edges, bin))).chain(counts).collect()
    };
    let data = table(&Table { caption: String::new(), columns, rows: (0..bins).map(row).collect() }, limits);
    let single = chart.edges.first().filter(|_| drawing.is_none() && totals.iter().any(|total| *total > 0) && chart.edges.first() == chart.edges.last());
    let note = match single {
        Some(value) => format!("Every value is {}.", number(*value)),
        None if drawing.is_none() => "No values to draw.".to_owned(),
        None if svg::as_shares(&chart) => format!("Each curve as a share of its own rows: {}.", sizes(&chart, &totals)),
        None => left_out(given.series.len(), limits.series, "series").unwrap_or_default(),
    };
    ChartView { legend: legend(chart.series.iter().map(|series| series.name.as_str()), limits), note, drawing, ..chart_of(&given.caption, data, limits) }
}

fn sizes(chart: &Histogram, totals: &[u64]) -> String {
    let parts: Vec<String> = chart.series.iter().zip(totals).map(|(series, total)| format!("{} {}", visible(&series.name), count(*total))).collect();
    parts.join(", ")
}

/// Neighbouring bins added up until they are few enough; the counts stay real.
fn coarser(chart: &Histogram, limits: Limits) -> Histogram {
    let bins = chart.edges.len().saturating_sub(1);
    let factor = bins.div_ceil(limits.bins).max(1);
    let consistent = chart.series.iter().all(|series| series.counts.len() == bins);
    if !consistent {
        return Histogram { x: cut(&chart.x, limits.cell), ..Histogram::default() };
    }
    let mut edges: Vec<f64> = chart.edges.iter().copied().step_by(factor).collect();
    if !bins.is_multiple_of(factor) {
        edges.extend(chart.edges.last());
    }
    let merged = chart
        .series
        .iter()
        .take(limits.series)
        .map(|series| Counts { name: cut(&series.name, limits.cell), counts: series.counts.chunks(factor).map(|chunk| chunk.iter().sum()).collect() });
    Histogram { caption: String::new(), x: cut(&chart.x, limits.cell), edges, series: merged.collect() }
}

fn bars(chart: &Bars, limits: Limits) -> ChartView {
    let most = limits.labels + 10;
    let shown = Bars {
        bars: chart.bars.iter().take(most).map(|(name, value)| (cut(name, limits.cell), *value)).collect(),
        x: cut(&chart.x, limits.cell),
        caption: String::new(),
    };
    let rows = chart.bars.iter().take(limits.rows).map(|(name, value)| vec![Cell::Text(name.clone()), Cell::Number(*value)]).collect();
    let columns = vec!["name".to_owned(), if chart.x.is_empty() { "value".to_owned() } else { chart.x.clone() }];
    let data = table(&Table { caption: String::new(), columns, rows }, limits);
    let drawing = svg::bars(&shown);
    let note = if drawing.is_none() { "No values to draw.".to_owned() } else { left_out(chart.bars.len(), most, "bars").unwrap_or_default() };
    ChartView { drawing, note, ..chart_of(&chart.caption, data, limits) }
}

fn lines(chart: &Lines, limits: Limits) -> ChartView {
    let each = (limits.points / chart.series.len().clamp(1, limits.series)).max(2);
    let series: Vec<Line> =
        chart.series.iter().take(limits.series).map(|line| Line { name: cut(&line.name, limits.cell), points: evenly(&line.points, each.min(400)) }).collect();
    let shown = Lines { caption: String::new(), x: cut(&chart.x, limits.cell), y: cut(&chart.y, limits.cell), series, diagonal: chart.diagonal };
    // Lines without a name are many of one kind, which no table lists beside named ones.
    let has_names = shown.series.iter().any(|line| !line.name.is_empty());
    let listed: Vec<&Line> = shown.series.iter().filter(|line| !has_names || !line.name.is_empty()).collect();
    let same_x = |line: &Line| line.points.iter().map(|point| point.0.to_bits()).eq(listed[0].points.iter().map(|point| point.0.to_bits()));
    let together = !listed.is_empty() && listed.iter().all(|line| same_x(line));
    let x = if shown.x.is_empty() { "x".to_owned() } else { shown.x.clone() };
    let y = if shown.y.is_empty() { "y" } else { &shown.y };
    let rows = 100.min(limits.rows);
    let (columns, rows): (Vec<String>, Vec<Vec<Cell>>) = if together {
        let names = listed.iter().map(|line| if line.name.is_empty() { y.to_owned() } else { line.name.clone() });
        let indices: Vec<usize> = evenly(&(0..listed[0].points.len()).collect::<Vec<_>>(), rows);
        let row = |i: &usize| {
            let values = listed.iter().map(|line| Cell::Number(line.points[*i].1));
            std::iter::once(Cell::Number(listed[0].points[*i].0)).chain(values).collect()
        };
        (std::iter::once(x).chain(names).collect(), indices.iter().map(row).collect())
    } else {
        let long: Vec<Vec<Cell>> = listed
            .iter()
            .flat_map(|line| {
                evenly(&line.points, (rows / listed.len()).max(2)).into_iter().map(|(x, y)| vec![Cell::Text(line.name.clone()), x.into(), y.into()])
            })
            .collect();
        (vec!["line".to_owned(), x, y.to_owned()], long)
    };
    let all: usize = shown.series.iter().map(|line| line.points.len()).max().unwrap_or(0);
    let mut data = table(&Table { caption: String::new(), columns, rows }, limits);
    if data.rows.len() < all {
        "An even sample of the points.".clone_into(&mut data.note);
    }
    let drawing = svg::lines(&shown);
    let note = if drawing.is_none() { "No values to draw.".to_owned() } else { left_out(chart.series.len(), limits.series, "lines").unwrap_or_default() };
    ChartView { legend: legend(shown.series.iter().map(|line| line.name.as_str()), limits), drawing, note, ..chart_of(&chart.caption, data, limits) }
}

fn points(chart: &Points, limits: Limits) -> ChartView {
    let shown = Points {
        caption: String::new(),
        x: cut(&chart.x, limits.cell),
        y: cut(&chart.y, limits.cell),
        points: evenly(&chart.points, limits.points),
        diagonal: chart.diagonal,
    };
    let columns = [(&shown.x, "x"), (&shown.y, "y")].map(|(title, otherwise)| if title.is_empty() { otherwise.to_owned() } else { title.clone() });
    let rows = evenly(&shown.points, 50.min(limits.rows)).into_iter().map(|(x, y)| vec![Cell::Number(x), Cell::Number(y)]).collect();
    let mut data = table(&Table { caption: String::new(), columns: columns.to_vec(), rows }, limits);
    if data.rows.len() < chart.points.len() {
        data.note = format!("An even sample of {} points.", count(chart.points.len() as u64));
    }
    let drawing = svg::points(&shown);
    let note = match &drawing {
        None => "No values to draw.".to_owned(),
        Some(_) if shown.points.len() < chart.points.len() => {
            format!("An even sample of {} of {} points.", count(shown.points.len() as u64), count(chart.points.len() as u64))
        }
        Some(_) => String::new(),
    };
    ChartView { drawing, note, ..chart_of(&chart.caption, data, limits) }
}

fn swarm(chart: &Swarm, limits: Limits) -> ChartView {
    let most = limits.labels.min(12);
    let each = (limits.points / chart.rows.len().clamp(1, most)).max(2);
    let row = |row: &SwarmRow| SwarmRow { name: cut(&row.name, limits.cell), points: evenly(&row.points, each) };
    let shown = Swarm {
        caption: String::new(),
        x: cut(&chart.x, limits.cell),
        shade: cut(&chart.shade, limits.cell),
        rows: chart.rows.iter().take(most).map(row).collect(),
    };
    let figures = |row: &SwarmRow| {
        let mut values: Vec<f64> = row.points.iter().map(|(x, _)| *x).filter(|x| x.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values.get((values.len().saturating_sub(1) as f64 * share).round() as usize).copied().into();
        std::iter::once(Cell::Text(row.name.clone())).chain([0.0, 0.25, 0.5, 0.75, 1.0].map(at)).collect()
    };
    let columns = ["name", "lowest", "25 %", "median", "75 %", "highest"].map(str::to_owned).to_vec();
    let data = table(&Table { caption: String::new(), columns, rows: chart.rows.iter().take(most).map(figures).collect() }, limits);
    let drawing = svg::swarm(&shown);
    let mut notes = Vec::new();
    if drawing.is_none() {
        notes.push("No values to draw.".to_owned());
    } else if !chart.shade.is_empty() {
        notes.push(format!("Colour: {}, from low (blue) to high (red); grey has no order.", cut(&visible(&chart.shade), limits.cell)));
    }
    notes.extend(left_out(chart.rows.len(), most, "rows"));
    ChartView { drawing, note: notes.join(" "), ..chart_of(&chart.caption, data, limits) }
}

fn heat(chart: &Heat, limits: Limits) -> ChartView {
    let size = chart.labels.len().min(limits.labels);
    let (x, y) = (cut(&visible(&chart.x), limits.cell), cut(&visible(&chart.y), limits.cell));
    let label = |i: usize| name(chart.labels.get(i).map_or("", String::as_str), limits);
    let rows = chart.counts.iter().take(size).enumerate().map(|(i, counts)| {
        let total: u64 = counts.iter().sum();
        let cells = counts.iter().take(size).enumerate().map(|(j, value)| {
            let part = *value as f64 / total.max(1) as f64;
            HeatCell {
                count: count(*value),
                share: if total == 0 { String::new() } else { share(part) },
                weight: format!("{part:.3}"),
                title: format!("{y} {}, {x} {}: {} of {}", label(i).text, label(j).text, count(*value), count(total)),
            }
        });
        HeatRow { label: label(i), cells: cells.collect(), total: count(total) }
    });
    let rows = rows.collect();
    let heat = HeatView { columns: (0..size).map(label).collect(), rows, x, y };
    let note = left_out(chart.labels.len(), size, "labels").unwrap_or_default();
    ChartView { heat: Some(heat), note, wide: size > 5, ..captioned(&chart.caption, limits) }
}

/// Values with their intervals as a table.
pub fn intervals_table(chart: &Intervals) -> Table {
    let row =
        |row: &IntervalRow| vec![row.name.as_str().into(), row.value.into(), row.range.map(|range| range.0).into(), row.range.map(|range| range.1).into()];
    let reference = chart.reference.iter().map(|(name, value)| vec![name.as_str().into(), (*value).into(), Cell::Missing, Cell::Missing]);
    Table {
        caption: chart.caption.clone(),
        columns: ["name", if chart.x.is_empty() { "value" } else { &chart.x }, "from", "to"].map(str::to_owned).to_vec(),
        rows: chart.rows.iter().map(row).chain(reference).collect(),
    }
}

fn intervals(chart: &Intervals, limits: Limits) -> ChartView {
    let most = limits.labels + 10;
    let short = |row: &IntervalRow| IntervalRow { name: cut(&row.name, limits.cell), ..row.clone() };
    let shown = Intervals {
        caption: String::new(),
        x: cut(&chart.x, limits.cell),
        rows: chart.rows.iter().take(most).map(short).collect(),
        reference: chart.reference.as_ref().map(|(name, value)| (cut(name, limits.cell), *value)),
    };
    let drawing = svg::intervals(&shown);
    let mut notes = Vec::new();
    if drawing.is_none() {
        notes.push("No values to draw.".to_owned());
    }
    notes.extend(shown.reference.iter().map(|(name, value)| format!("Dashed: {}, {}.", visible(name), number(*value))));
    notes.extend(left_out(chart.rows.len(), most, "rows"));
    let data = table(&Table { caption: String::new(), ..intervals_table(&shown) }, limits);
    ChartView { drawing, note: notes.join(" "), ..chart_of(&chart.caption, data, limits) }
}

/// Counts and shares of values side by side as a table.
pub fn groups_table(chart: &Groups) -> Table {
    let totals = chart.totals();
    let row = |(name, counts): &(String, Vec<u64>)| {
        let pairs = totals.iter().enumerate().flat_map(|(series, total)| {
            let count = counts.get(series).copied().unwrap_or(0);
            [Cell::Count(count), Cell::Share(count as f64 / (*total).max(1) as f64)]
        });
        std::iter::once(Cell::Text(name.clone())).chain(pairs).collect()
    };
    let heads = chart.series.iter().flat_map(|name| [name.clone(), format!("share of {name}")]);
    Table { caption: chart.caption.clone(), columns: std::iter::once("value".to_owned()).chain(heads).collect(), rows: chart.rows.iter().map(row).collect() }
}

fn groups(chart: &Groups, limits: Limits) -> ChartView {
    let most = limits.labels;
    let shown = Groups {
        caption: String::new(),
        x: cut(&chart.x, limits.cell),
        series: chart.series.iter().map(|name| cut(name, limits.cell)).collect(),
        rows: chart.rows.iter().map(|(name, counts)| (cut(name, limits.cell), counts.clone())).collect(),
    };
    let data = table(&Table { caption: String::new(), ..groups_table(&shown) }, limits);
    // Shares are of all rows, also of those that are not drawn.
    let drawing = svg::groups(&shown, most);
    let note = if drawing.is_none() { "No values to draw.".to_owned() } else { left_out(chart.rows.len(), most, "values").unwrap_or_default() };
    ChartView { legend: legend(shown.series.iter().map(String::as_str), limits), drawing, note, ..chart_of(&chart.caption, data, limits) }
}

fn profile(columns: &[ColumnProfile], limits: Limits) -> ProfileView {
    let rows = columns.iter().take(limits.profiles).map(|column| profile_row(column, limits)).collect();
    ProfileView { rows, note: left_out(columns.len(), limits.profiles, "columns").unwrap_or_default() }
}

fn profile_row(column: &ColumnProfile, limits: Limits) -> ProfileRow {
    let whole = |value: u64| value as f64 / column.rows.max(1) as f64;
    let mut figures: Vec<CellView> = Vec::new();
    if column.mean.is_some() || column.quantiles.is_some() {
        let values = [column.shown_mean(), column.deviation].into_iter().chain(column.quantiles.map_or([None; 7], |values| values.map(Some)));
        figures = values.map(|value| cell(&value.into(), limits)).collect();
    }
    let (low, high) = column.range.clone().unwrap_or_default();
    let histogram = column.histogram.as_ref().filter(|chart| chart.series.iter().any(|series| !series.counts.is_empty()));
    let drawn_chart = histogram.map(|chart| coarser(chart, Limits { bins: limits.bins.min(40), ..limits }));
    let drawn: Vec<u64> = match &drawn_chart {
        Some(chart) => chart.series.first().map(|series| series.counts.clone()).unwrap_or_default(),
        None => column.top.iter().take(20).map(|(_, value)| *value).collect(),
    };
    let slots = if histogram.is_some() { 1 } else { 8 };
    // In a profile of very many columns the counts are in the words for each chart alone.
    let hovers: Vec<String> = match &drawn_chart {
        _ if limits.profiles < Limits::FULL.profiles => Vec::new(),
        Some(_) if column.range.is_some() => Vec::new(),
        Some(chart) => drawn.iter().enumerate().map(|(bin, rows)| format!("{}: {}", svg::bin(&chart.edges, bin), count(*rows))).collect(),
        None => column.top.iter().take(20).map(|(value, rows)| format!("{}: {}", cut(&visible(value), 60), count(*rows))).collect(),
    };
    let spark_title = match (histogram, column.range.is_some()) {
        (Some(_), true) => format!("{} bins from {} to {}", drawn.len(), visible(&low), visible(&high)),
        (Some(chart), false) => match (chart.edges.first(), chart.edges.last()) {
            (Some(low), Some(high)) => format!("{} bins from {} to {}", drawn.len(), number(*low), number(*high)),
            _ => String::new(),
        },
        (None, _) => format!("the {} most frequent values", drawn.len()),
    };
    let mut remarks = Vec::new();
    if let Some(zeros) = column.zeros.filter(|zeros| *zeros > 0) {
        remarks.push(format!("zeros {}", share(whole(zeros))));
    }
    if let Some(skewness) = column.skewness.filter(|value| value.abs() >= 1.0) {
        remarks.push(format!("skewness {}", number(skewness)));
    }
    let distinct = column.distinct.map_or(CellView { text: "–".to_owned(), title: String::new(), class: "missing" }, |value| CellView {
        text: format!("{}{}", if column.distinct_estimated { "≈\u{a0}" } else { "" }, count(value)),
        title: if column.distinct_estimated { "an estimate".to_owned() } else { String::new() },
        class: "number",
    });
    let short = Limits { cell: limits.cell.min(48), ..limits };
    ProfileRow {
        name: name(&column.name, Limits { cell: limits.cell.min(80), ..limits }),
        kind: [visible(&column.kind), visible(&column.role)].iter().filter(|text| !text.is_empty()).map(|text| cut(text, 40)).collect::<Vec<_>>().join(" · "),
        alerts: column.alerts.iter().take(limits.items.min(8)).map(|alert| cut(&visible(alert), 120)).collect(),
        remarks: remarks.join(", "),
        spark: svg::sparkline(&drawn, slots).unwrap_or_default(),
        spark_hits: svg::spark_hits(hovers, slots),
        spark_title,
        spark_counts: drawn.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
        missing: CellView {
            text: share(whole(column.missing)),
            title: format!("{} of {} rows", count(column.missing), count(column.rows)),
            class: if column.missing == 0 { "number none" } else { "number" },
        },
        distinct,
        range: if column.range.is_some() && figures.is_empty() {
            format!("{} to {}", cut(&visible(&low), 60), cut(&visible(&high), 60))
        } else {
            String::new()
        },
        top: if figures.is_empty() {
            column.top.iter().take(5).map(|(value, rows)| TopView { value: name(value, short), share: share(whole(*rows)), count: count(*rows) }).collect()
        } else {
            Vec::new()
        },
        figures,
    }
}

fn captioned(caption: &str, limits: Limits) -> ChartView {
    ChartView { caption: spans(caption, limits.cell), label: label(caption, limits), ..ChartView::default() }
}

fn chart_of(caption: &str, data: TableView, limits: Limits) -> ChartView {
    ChartView { data: (!data.rows.is_empty()).then_some(data), ..captioned(caption, limits) }
}

/// Names for the legend; none where a single line needs none.
fn legend<'a>(names: impl Iterator<Item = &'a str>, limits: Limits) -> Vec<String> {
    let names: Vec<&str> = names.collect();
    let has_names = names.iter().any(|name| !name.is_empty());
    let names: Vec<String> = names.into_iter().filter(|name| !has_names || !name.is_empty()).map(|name| cut(&visible(name), limits.cell.min(60))).collect();
    if names.len() < 2 { Vec::new() } else { names }
}

fn written(text: Written, limits: Limits) -> CellView {
    let class = match text.style {
        Style::Text if text.text.len() > 40 => "long",
        Style::Text => "",
        Style::Number => "number",
        Style::Good => "good",
        Style::Bad => "bad",
        Style::Missing => "missing",
    };
    let short = cut(&text.text, limits.cell);
    let title = match text.full {
        Some(full) => full,
        None if short.len() < text.text.len() => cut(&text.text, limits.cell * 2),
        None => String::new(),
    };
    CellView { text: short, title, class }
}

/// The first `limit` characters, with an ellipsis for the rest.
pub fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// How many there are beyond those shown.
pub fn left_out(all: usize, shown: usize, what: &str) -> Option<String> {
    (all > shown).then(|| format!("The first {} of {} {what} are shown; {} are left out.", count(shown as u64), count(all as u64), count((all - shown) as u64)))
}

/// At most `limit` items, evenly spaced, the first and the last among them.
fn evenly<T: Copy>(items: &[T], limit: usize) -> Vec<T> {
    if items.len() <= limit || limit < 2 {
        return items.iter().copied().take(limit).collect();
    }
    (0..limit).filter_map(|i| items.get(i * (items.len() - 1) / (limit - 1)).copied()).collect()
}
