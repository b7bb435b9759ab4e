//! The learning curve on train's card: over rounds where the model learns in rounds, else over training rows.

use super::train::Train;
use crate::card::{Block, Line, Lines, Tab, format};
use crate::data::rows::spread;
use crate::data::{Role, Table};
use crate::error::Result;
use crate::ml::learning_curve::{Sample, measure};
use crate::ml::model::Model;
use crate::ml::{Deadline, UnfittedEstimator, metric};

/// No more numbers than this are fitted on again: they lie in memory.
const MOST: usize = 8_000_000;
/// A fit on fewer rows says little.
const LEAST_ROWS: usize = 20;
/// A smaller fall than this from an eighth of the rows to all promises less than two hundredths for twice as many.
const HARDLY: f64 = 0.05;

/// What a curve is drawn from.
pub(super) struct Curve<'a> {
    pub train: &'a Train,
    pub model: &'a Model,
    /// What the model was fitted by; none where many were tried, within a budget that leaves no time for more fits.
    pub estimator: Option<&'a dyn UnfittedEstimator>,
    pub transformed: &'a Table,
    pub training: &'a Table,
    pub validation: &'a Table,
}

impl Curve<'_> {
    /// The tab; `None` where there is nothing to draw.
    pub fn tab(&self) -> Result<Option<Tab>> {
        let weight = self.train.roles.first(Role::Weight);
        let Some(validation) = Sample::of(self.model, self.validation, weight)? else { return Ok(None) };
        let Some(points) = validation.by_rounds()? else {
            return self.estimator.map_or(Ok(None), |estimator| self.by_rows(estimator, &validation));
        };
        let best = points.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        let (Some(best), Some(end)) = (best.copied(), points.last().copied()) else { return Ok(None) };
        let training = Sample::of(self.model, self.training, weight)?.map_or(Ok(None), |training| training.by_rounds())?;
        let short = metric::short_name(measure(&self.model.task));
        let said = if best.0 < end.0 {
            format!("On validation rows {short} was least after about {} of {} rounds.", best.0, end.0)
        } else {
            format!("On validation rows {short} still fell in the last of {} rounds.", end.0)
        };
        let series = training.map(|points| line("training", points)).into_iter().chain([line("validation", points)]).collect();
        Ok(Some(self.drawn("rounds", &said, series)))
    }

    /// The loss of fits on a 32nd, a 16th and an eighth of the training rows, spread over them, which together cost about a fifth of
    /// the model's; those that fail are left out.
    fn by_rows(&self, estimator: &dyn UnfittedEstimator, validation: &Sample<'_>) -> Result<Option<Tab>> {
        let (all, width) = (self.transformed.rows()?, self.model.features.len().max(1));
        let most = all.div_ceil(8).min(MOST / width);
        let largest = Table::of(spread(self.transformed, most)?);
        let mut points = Vec::new();
        for rows in [most.div_ceil(4), most.div_ceil(2), most].into_iter().filter(|rows| *rows >= LEAST_ROWS) {
            let part = Table::of(spread(&largest, rows)?);
            let fitted = self.train.prepare(&self.model.task, self.model.chain.clone(), &part, &part, None, self.train.seed);
            let Ok(model) = fitted.and_then(|prepared| self.train.learn(&prepared, estimator, Deadline::NONE)) else { continue };
            let rows = part.rows()?;
            points.extend(validation.loss_of(&model)?.map(|loss| (rows, loss)));
        }
        points.extend(validation.loss_of(self.model)?.map(|loss| (all, loss)));
        let [.., before, last] = points.as_slice() else { return Ok(None) };
        let short = metric::short_name(measure(&self.model.task));
        let (fall, before, last) = (1.0 - last.1 / before.1, format::count(before.0 as u64), format::count(last.0 as u64));
        let said = if fall > HARDLY {
            format!("On validation rows {short} fell by {} from {before} training rows to all {last}: more rows may help.", format::share(fall))
        } else {
            format!("On validation rows {short} was hardly worse with {before} training rows than with all {last}: more rows will hardly help.")
        };
        Ok(Some(self.drawn("training rows", &said, vec![line("validation", points)])))
    }

    fn drawn(&self, x: &str, said: &str, series: Vec<Line>) -> Tab {
        let y = metric::short_name(measure(&self.model.task)).to_owned();
        let lines = Lines { caption: "Learning curve".to_owned(), x: x.to_owned(), y, series, diagonal: false };
        let text = format!("{said} Of at most 1,000 rows of a split, spread over it, before any calibration.");
        Tab::new("curve", "Learning curve", vec![Block::Text(text), Block::Lines(lines)])
    }
}

fn line(name: &str, points: Vec<(usize, f64)>) -> Line {
    Line { name: name.to_owned(), points: points.into_iter().map(|(x, loss)| (x as f64, loss)).collect() }
}
