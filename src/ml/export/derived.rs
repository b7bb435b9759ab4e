//! Expressions of `derive` in operations that other programs have: arithmetic, comparisons, `CASE`, parts of dates.
//!
//! An expression is a tree of polars' by now; what is not listed here is refused with the words that polars shows it by.

use polars::prelude::{BooleanFunction, DataType, Expr, FunctionExpr, LiteralValue, Operator, PowFunction, StringFunction, TemporalFunction};

use super::lowering::{Lowering, Value, Why};
use super::program::{Comparison, Form, Function, Id};
use crate::error::shorten;
use crate::ml::transformers::date_parts::Part;

/// # Errors
/// What has no such form.
pub fn lower(expr: &Expr, on: &mut Lowering) -> Result<Value, Why> {
    match expr {
        Expr::Alias(inner, _) | Expr::KeepName(inner) => lower(inner, on),
        Expr::Column(name) => on.value(name.as_str()),
        Expr::Literal(literal) => constant(literal, on).ok_or_else(|| unknown(expr)),
        Expr::BinaryExpr { left, op, right } => binary(left, *op, right, on).and_then(|value| value.ok_or_else(|| unknown(expr))),
        Expr::Ternary { predicate, truthy, falsy } => {
            let is = truth(predicate, on)?;
            let (yes, no) = (lower(truthy, on)?, lower(falsy, on)?);
            match (yes, no) {
                (Value::Text(yes), Value::Text(no)) => Ok(Value::Text(on.program.choose(vec![(is, yes)], no))),
                (Value::Truth(yes), Value::Truth(no)) => {
                    let (yes, no) = (on.program.as_number(yes), on.program.as_number(no));
                    let number = on.program.choose(vec![(is, yes)], no);
                    Ok(Value::Truth(on.program.equals(number, 1.0)))
                }
                (yes, no) => {
                    let (yes, no) = (as_number(&yes, on, truthy)?, as_number(&no, on, falsy)?);
                    Ok(Value::Number(on.program.choose(vec![(is, yes)], no)))
                }
            }
        }
        // A number is a float already; to whole numbers only truths are turned, since others would be cut off.
        Expr::Cast { expr: inner, dtype, .. } => match (lower(inner, on)?, dtype.as_literal()) {
            (Value::Number(x), Some(DataType::Float64)) => Ok(Value::Number(x)),
            (Value::Truth(x), Some(DataType::Boolean)) => Ok(Value::Truth(x)),
            (Value::Number(x), Some(DataType::Boolean)) => {
                let is_zero = on.program.equals(x, 0.0);
                Ok(Value::Truth(on.program.not(is_zero)))
            }
            (Value::Truth(x), Some(to)) if to.is_primitive_numeric() => Ok(Value::Number(on.program.as_number(x))),
            _ => Err(unknown(expr)),
        },
        Expr::Function { input, function } => call(input, function, on).and_then(|value| value.ok_or_else(|| unknown(expr))),
        _ => Err(unknown(expr)),
    }
}

fn unknown(expr: &Expr) -> Why {
    Why::new(format!("has no form in ONNX and SQL: {}", shorten(&expr.to_string())))
}

fn as_number(value: &Value, on: &mut Lowering, expr: &Expr) -> Result<Id, Why> {
    match value {
        Value::Number(id) => Ok(*id),
        Value::Truth(id) => Ok(on.program.as_number(*id)),
        _ => Err(unknown(expr)),
    }
}

fn number(expr: &Expr, on: &mut Lowering) -> Result<Id, Why> {
    let value = lower(expr, on)?;
    as_number(&value, on, expr)
}

fn truth(expr: &Expr, on: &mut Lowering) -> Result<Id, Why> {
    match lower(expr, on)? {
        Value::Truth(id) => Ok(id),
        _ => Err(unknown(expr)),
    }
}

fn constant(literal: &LiteralValue, on: &mut Lowering) -> Option<Value> {
    let value = literal.to_any_value()?;
    if value.is_null() {
        return Some(Value::Number(on.program.missing()));
    }
    if let polars::prelude::AnyValue::Boolean(is) = value {
        let number = on.program.number(f64::from(u8::from(is)));
        return Some(Value::Truth(on.program.equals(number, 1.0)));
    }
    if let Some(text) = value.get_str() {
        return Some(Value::Text(on.program.text(text)));
    }
    value.dtype().is_primitive_numeric().then(|| value.extract::<f64>()).flatten().map(|number| Value::Number(on.program.number(number)))
}

fn binary(left: &Expr, op: Operator, right: &Expr, on: &mut Lowering) -> Result<Option<Value>, Why> {
    match op {
        Operator::And | Operator::LogicalAnd | Operator::Or | Operator::LogicalOr => {
            let both = vec![truth(left, on)?, truth(right, on)?];
            let is_and = matches!(op, Operator::And | Operator::LogicalAnd);
            return Ok(Some(Value::Truth(on.program.add(if is_and { Form::All(both) } else { Form::Any(both) }))));
        }
        _ => {}
    }
    if let Some(seconds) = epoch(left, op, right, on)? {
        return Ok(Some(Value::Number(seconds)));
    }
    let (a, b) = (lower(left, on)?, lower(right, on)?);
    if let (Value::Text(a), Value::Text(b), Operator::Eq | Operator::NotEq) = (&a, &b, op) {
        let (text, wanted) = match (on.program.form(*a), on.program.form(*b)) {
            (_, Form::Text(Some(wanted))) => (*a, wanted.clone()),
            (Form::Text(Some(wanted)), _) => (*b, wanted.clone()),
            _ => return Ok(None),
        };
        return Ok(Some(Value::Truth(is_one_of(text, vec![wanted], op == Operator::Eq, on))));
    }
    let (a, b) = match (a, b, op) {
        // Moments are compared and counted apart as seconds; a duration is in no unit, so only a quotient would have one.
        (Value::Moment(a, one), Value::Moment(b, other), Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq | Operator::Eq) if one == other => {
            (a, b)
        }
        (a, b, _) => (as_number(&a, on, left)?, as_number(&b, on, right)?),
    };
    let program = &mut on.program;
    Ok(Some(match op {
        Operator::Plus => Value::Number(program.sum([(a, 1.0), (b, 1.0)], 0.0)),
        Operator::Minus => Value::Number(program.sum([(a, 1.0), (b, -1.0)], 0.0)),
        Operator::Multiply => Value::Number(program.product(a, b)),
        Operator::TrueDivide => Value::Number(program.quotient(a, b)),
        // The sign of the divisor.
        Operator::Modulus | Operator::FloorDivide => {
            let Form::Number(divisor) = program.form(b).clone() else { return Ok(None) };
            if divisor.number() == 0.0 {
                return Ok(None);
            }
            let ratio = program.quotient(a, b);
            let whole = program.function(Function::Floor, ratio);
            Value::Number(if op == Operator::FloorDivide { whole } else { program.sum([(a, 1.0), (whole, -divisor.number())], 0.0) })
        }
        Operator::Eq => Value::Truth(program.compare(Comparison::Equal, a, b)),
        Operator::NotEq => {
            let is = program.compare(Comparison::Equal, a, b);
            Value::Truth(program.not(is))
        }
        Operator::Lt => Value::Truth(program.compare(Comparison::Less, a, b)),
        Operator::LtEq => Value::Truth(program.compare(Comparison::LessOrEqual, a, b)),
        Operator::Gt => Value::Truth(program.compare(Comparison::Less, b, a)),
        Operator::GtEq => Value::Truth(program.compare(Comparison::LessOrEqual, b, a)),
        _ => return Ok(None),
    }))
}

/// `EXTRACT(EPOCH …)`, which is whole seconds towards zero and, added to them, the fraction that lies behind a whole second.
fn epoch(left: &Expr, op: Operator, right: &Expr, on: &mut Lowering) -> Result<Option<Id>, Why> {
    let (Operator::Plus, Expr::BinaryExpr { left: whole, .. }, Expr::BinaryExpr { left: fraction, .. }) = (op, left, right) else { return Ok(None) };
    let (Expr::Function { input, function: FunctionExpr::TemporalExpr(TemporalFunction::TimeStamp(_)) }, Expr::Function { function, .. }) =
        (whole.as_ref(), fraction.as_ref())
    else {
        return Ok(None);
    };
    let ([moment], FunctionExpr::TemporalExpr(TemporalFunction::Nanosecond)) = (input.as_slice(), function) else { return Ok(None) };
    let Value::Moment(seconds, super::Moment::Date | super::Moment::Datetime) = lower(moment, on)? else { return Ok(None) };
    let program = &mut on.program;
    let floor = program.function(Function::Floor, seconds);
    let is_whole = program.compare(Comparison::Equal, floor, seconds);
    let (is_below, has_fraction, later) = (program.below(seconds, 0.0), program.not(is_whole), program.plus(seconds, 1.0));
    let moves = program.add(Form::All(vec![is_below, has_fraction]));
    Ok(Some(program.choose(vec![(moves, later)], seconds)))
}

/// Is a text one of these (or none)? Missing where the text is.
fn is_one_of(text: Id, wanted: Vec<String>, is: bool, on: &mut Lowering) -> Id {
    let (yes, no) = if is { (1.0, 0.0) } else { (0.0, 1.0) };
    let values = wanted.iter().map(|_| yes).chain([no, f64::NAN]).collect();
    let number = on.program.lookup(text, super::Keys::Texts(wanted), super::Values::Numbers(values));
    on.program.equals(number, 1.0)
}

fn call(input: &[Expr], function: &FunctionExpr, on: &mut Lowering) -> Result<Option<Value>, Why> {
    let Some(first) = input.first() else { return Ok(None) };
    let found = match (function, input) {
        (FunctionExpr::Boolean(BooleanFunction::Not), [x]) => {
            let x = truth(x, on)?;
            Value::Truth(on.program.not(x))
        }
        (FunctionExpr::Boolean(is @ (BooleanFunction::IsNull | BooleanFunction::IsNotNull)), [x]) => {
            let id = match lower(x, on)? {
                Value::Number(id) | Value::Text(id) | Value::Moment(id, _) => id,
                Value::Truth(id) => on.program.as_number(id),
                Value::OneHot { .. } | Value::Unknown(_) => return Ok(None),
            };
            let is_missing = on.program.is_missing(id);
            Value::Truth(if matches!(is, BooleanFunction::IsNull) { is_missing } else { on.program.not(is_missing) })
        }
        (FunctionExpr::Boolean(BooleanFunction::IsBetween { closed: polars::prelude::ClosedInterval::Both }), [x, low, high]) => {
            let (x, low, high) = (number(x, on)?, number(low, on)?, number(high, on)?);
            let (from, to) = (on.program.compare(Comparison::LessOrEqual, low, x), on.program.compare(Comparison::LessOrEqual, x, high));
            Value::Truth(on.program.add(Form::All(vec![from, to])))
        }
        (FunctionExpr::Abs, [x]) => Value::Number(unary(Function::Absolute, x, on)?),
        (FunctionExpr::Negate, [x]) => {
            let x = number(x, on)?;
            Value::Number(on.program.times(x, -1.0))
        }
        (FunctionExpr::Floor, [x]) => Value::Number(unary(Function::Floor, x, on)?),
        (FunctionExpr::Ceil, [x]) => Value::Number(unary(Function::Ceiling, x, on)?),
        (FunctionExpr::Exp, [x]) => Value::Number(unary(Function::Exponential, x, on)?),
        (FunctionExpr::Pow(PowFunction::Sqrt), [x]) => {
            let x = number(x, on)?;
            Value::Number(on.program.root(x))
        }
        (FunctionExpr::Pow(PowFunction::Generic), [x, power]) => {
            let x = number(x, on)?;
            let power = number(power, on)?;
            let Form::Number(power) = on.program.form(power) else { return Ok(None) };
            let power = power.number();
            if power == 0.5 {
                return Ok(Some(Value::Number(on.program.root(x))));
            }
            if !(1.0..=8.0).contains(&power) || power.fract() != 0.0 {
                return Ok(None);
            }
            Value::Number((1..power as usize).fold(x, |all, _| on.program.product(all, x)))
        }
        (FunctionExpr::Log, [x, base]) => {
            let x = number(x, on)?;
            let base = number(base, on)?;
            let Form::Number(base) = on.program.form(base) else { return Ok(None) };
            let base = base.number().ln();
            let log = on.program.logarithm(x);
            let log = on.program.over(log, base);
            // Zero has a logarithm here.
            let (is_zero, least) = (on.program.equals(x, 0.0), on.program.number(f64::NEG_INFINITY / base.signum()));
            Value::Number(on.program.choose(vec![(is_zero, least)], log))
        }
        (FunctionExpr::FillNull | FunctionExpr::Coalesce, all) => {
            let values = all.iter().map(|expr| lower(expr, on)).collect::<Result<Vec<_>, _>>()?;
            if values.iter().all(|value| matches!(value, Value::Text(_))) {
                let texts = values.into_iter().filter_map(|value| if let Value::Text(id) = value { Some(id) } else { None }).collect::<Vec<_>>();
                return Ok(texts.into_iter().rev().reduce(|rest, id| on.program.or_else(id, rest)).map(Value::Text));
            }
            let mut numbers = Vec::with_capacity(values.len());
            for value in values {
                numbers.push(as_number(&value, on, first)?);
            }
            return Ok(numbers.into_iter().rev().reduce(|rest, id| on.program.or_else(id, rest)).map(Value::Number));
        }
        (FunctionExpr::StringExpr(StringFunction::Contains { literal: false, .. }), [x, Expr::Literal(pattern)]) => {
            let Some(pattern) = pattern.extract_str().and_then(like_of) else { return Ok(None) };
            let Value::Text(x) = lower(x, on)? else { return Ok(None) };
            Value::Truth(on.program.add(Form::Like(x, pattern)))
        }
        (FunctionExpr::TemporalExpr(part), [x]) => {
            let (Some(part), Value::Moment(seconds, moment)) = (part_of(part), lower(x, on)?) else { return Ok(None) };
            Value::Number(part.lower(seconds, moment == super::Moment::Time, &mut on.program))
        }
        _ => return Ok(None),
    };
    Ok(Some(found))
}

/// The pattern of `LIKE` of which polars made a regular expression: `^(?s)10.*$` was `10%`.
fn like_of(expression: &str) -> Option<String> {
    let mut rest = expression.strip_prefix("^(?s)")?.strip_suffix('$')?.chars().peekable();
    let mut pattern = String::new();
    while let Some(c) = rest.next() {
        pattern.push(match c {
            '\\' => rest.next()?,
            '.' => rest.next_if_eq(&'*').map_or('_', |_| '%'),
            // Of another making: `LIKE` leaves these behind a backslash.
            c if regex::escape(c.encode_utf8(&mut [0; 4])).starts_with('\\') => return None,
            c => c,
        });
    }
    Some(pattern)
}

fn unary(function: Function, x: &Expr, on: &mut Lowering) -> Result<Id, Why> {
    let x = number(x, on)?;
    Ok(on.program.function(function, x))
}

fn part_of(part: &TemporalFunction) -> Option<Part> {
    Some(match part {
        TemporalFunction::Year => Part::Year,
        TemporalFunction::Quarter => Part::Quarter,
        TemporalFunction::Month => Part::Month,
        TemporalFunction::Week => Part::Week,
        TemporalFunction::WeekDay => Part::DayOfWeek,
        TemporalFunction::Day => Part::Day,
        TemporalFunction::OrdinalDay => Part::DayOfYear,
        TemporalFunction::Hour => Part::Hour,
        TemporalFunction::Minute => Part::Minute,
        TemporalFunction::Second => Part::Second,
        _ => return None,
    })
}
