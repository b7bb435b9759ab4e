//! What may be chosen for each parameter, as a quantile function: a number in 0..1 becomes a value.

use std::collections::BTreeMap;

use crate::ml::transformers::quantile::normal_quantile;
use crate::value::Value;

/// A grid of more values than this in one parameter is a slip.
const MOST_VALUES: f64 = 100_000.0;

/// How the values of one parameter are spread. Definitions are hyperopt's.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// One of some values, each as likely.
    Choice(Vec<Value>),
    /// Even between two bounds, or `e` to the power of that; with `q`, a multiple of it.
    Uniform { low: f64, high: f64, is_log: bool, q: Option<f64> },
    /// Normal, or `e` to the power of that; with `q`, a multiple of it.
    Normal { mu: f64, sigma: f64, is_log: bool, q: Option<f64> },
    /// A whole number from `low` on and below `high`.
    Integers { low: i64, high: i64 },
}

/// One parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimension {
    pub name: String,
    pub distribution: Distribution,
}

/// Every parameter that is tuned, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Space(pub Vec<Dimension>);

impl Distribution {
    /// The value at a point in 0..1.
    #[must_use]
    pub fn at(&self, point: f64) -> Value {
        match self {
            Self::Choice(values) => values.get(level(point, values.len())).cloned().unwrap_or_default(),
            Self::Integers { low, high } => Value::Number((low + level(point, (high - low) as usize) as i64).to_string()),
            Self::Uniform { low, high, is_log, q } => number(low + point * (high - low), *is_log, *q),
            Self::Normal { mu, sigma, is_log, q } => number(mu + sigma * normal_quantile(point.clamp(1e-9, 1.0 - 1e-9)), *is_log, *q),
        }
    }

    /// Where a value lies, if it does.
    #[must_use]
    pub fn find(&self, value: &Value) -> Option<f64> {
        let centre = |place: usize, of: usize| (place as f64 + 0.5) / of as f64;
        if let Self::Choice(values) = self {
            return values.iter().position(|other| same(other, value)).map(|place| centre(place, values.len()));
        }
        let Value::Number(text) = value else { return None };
        let number: f64 = text.parse().ok()?;
        match self {
            Self::Choice(_) => None,
            Self::Integers { low, high } => {
                let is_one = number.fract() == 0.0 && number >= *low as f64 && number < *high as f64;
                is_one.then(|| centre((number - *low as f64) as usize, (high - low) as usize))
            }
            Self::Uniform { low, high, is_log, .. } => {
                let share = (if *is_log { number.ln() } else { number } - low) / (high - low);
                (0.0..=1.0).contains(&share).then_some(share)
            }
            Self::Normal { mu, sigma, is_log, .. } => {
                let z = (if *is_log { number.ln() } else { number } - mu) / sigma;
                let (mut low, mut high) = (0.0, 1.0);
                for _ in 0..60 {
                    let middle = 0.5 * (low + high);
                    if normal_quantile(middle) < z { low = middle } else { high = middle }
                }
                z.is_finite().then_some(0.5 * (low + high))
            }
        }
    }

    /// Every value, where they can be counted.
    #[must_use]
    pub fn values(&self) -> Option<Vec<Value>> {
        match self {
            Self::Choice(values) => Some(values.clone()),
            Self::Integers { low, high } => {
                ((high - low) as f64 <= MOST_VALUES).then(|| (*low..*high).map(|number| Value::Number(number.to_string())).collect())
            }
            Self::Uniform { low, high, is_log, q: Some(q) } => {
                let (low, high) = if *is_log { (low.exp(), high.exp()) } else { (*low, *high) };
                let (first, last) = ((low / q).round(), (high / q).round());
                (last - first <= MOST_VALUES).then(|| (0..=(last - first) as usize).map(|i| multiple((first + i as f64) * q)).collect())
            }
            Self::Uniform { q: None, .. } | Self::Normal { .. } => None,
        }
    }

    /// How many values there are that have no order.
    #[must_use]
    pub fn levels(&self) -> Option<usize> {
        match self {
            Self::Choice(values) => Some(values.len()),
            _ => None,
        }
    }
}

impl Space {
    /// The parameters' values at a point.
    #[must_use]
    pub fn at(&self, point: &[f64]) -> BTreeMap<String, Value> {
        self.0.iter().zip(point).map(|(dimension, point)| (dimension.name.clone(), dimension.distribution.at(*point))).collect()
    }

    /// Where values lie, one a parameter in their order; `None` where one lies outside.
    #[must_use]
    pub fn find(&self, values: &[Option<Value>]) -> Option<Vec<f64>> {
        self.0.iter().zip(values).map(|(dimension, value)| dimension.distribution.find(value.as_ref()?)).collect()
    }
}

/// Which of `count` equal parts of 0..1 a point lies in.
pub(super) fn level(point: f64, count: usize) -> usize {
    ((point * count as f64) as usize).min(count.saturating_sub(1))
}

fn number(x: f64, is_log: bool, q: Option<f64>) -> Value {
    let x = if is_log { x.exp() } else { x };
    match q {
        Some(q) => multiple((x / q).round() * q),
        None => Value::Number(x.to_string()),
    }
}

/// A multiple of a step, without the last digits that multiplying leaves.
fn multiple(x: f64) -> Value {
    let x: f64 = format!("{x:.12e}").parse().unwrap_or(x);
    Value::Number((if x == 0.0 { 0.0 } else { x }).to_string())
}

/// Equal, however numbers are written.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || matches!((one.parse::<f64>(), other.parse::<f64>()), (Ok(a), Ok(b)) if a == b),
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_distribution_gives_what_hyperopt_defines() {
        let text = |distribution: &Distribution, point: f64| distribution.at(point).text().unwrap();
        let uniform = Distribution::Uniform { low: 1.0, high: 3.0, is_log: false, q: None };
        assert_eq!((text(&uniform, 0.0), text(&uniform, 0.25)), ("1".into(), "1.5".into()));
        let quantised = Distribution::Uniform { low: 0.0, high: 1.0, is_log: false, q: Some(0.1) };
        assert_eq!((text(&quantised, 0.31), quantised.values().unwrap().len()), ("0.3".into(), 11));
        let log = Distribution::Uniform { low: 0.001_f64.ln(), high: 10.0_f64.ln(), is_log: true, q: None };
        assert!((text(&log, 0.5).parse::<f64>().unwrap() - 0.1).abs() < 1e-12);
        let normal = Distribution::Normal { mu: 5.0, sigma: 2.0, is_log: false, q: Some(1.0) };
        assert_eq!((text(&normal, 0.5), text(&normal, 0.975)), ("5".into(), "9".into()));
        let integers = Distribution::Integers { low: 2, high: 5 };
        assert_eq!([0.0, 0.5, 0.999, 1.0].map(|point| text(&integers, point)), ["2", "3", "4", "4"]);
        assert_eq!(integers.values().unwrap().len(), 3);
    }

    #[test]
    fn a_value_is_found_where_it_was_drawn() {
        let all = [
            Distribution::Choice(vec![Value::Bool(true), Value::Number("1e3".into()), Value::String("a".into())]),
            Distribution::Uniform { low: -2.0, high: 3.0, is_log: true, q: None },
            Distribution::Normal { mu: 1.0, sigma: 0.5, is_log: true, q: None },
            Distribution::Integers { low: -3, high: 9 },
        ];
        for distribution in all {
            for point in [0.01, 0.2, 0.5, 0.77, 0.99] {
                let value = distribution.at(point);
                assert!(same(&distribution.at(distribution.find(&value).unwrap()), &value) || (distribution.find(&value).unwrap() - point).abs() < 1e-9);
            }
        }
        let choice = Distribution::Choice(vec![Value::Number("1e3".into())]);
        assert_eq!((choice.find(&Value::Number("1000".into())), choice.find(&Value::Number("7".into()))), (Some(0.5), None));
        assert_eq!(Distribution::Integers { low: 0, high: 3 }.find(&Value::Number("3".into())), None);
    }
}
