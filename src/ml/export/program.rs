//! What a fitted model computes for a row, as a graph of a few operations that other programs have as well.
//!
//! Every transform and estimator that can be expressed says once, in its `lower`, what it computes; the writers of ONNX
//! and of SQL are given this graph and nothing else. There are numbers (64-bit floats), texts and truths, each of which may be
//! missing. Missing and NaN are one: a number computed from a missing one is missing, a comparison with it is neither true
//! nor false, and [`Form::Choose`] passes over a case that is not true (three-valued logic, as in SQL).
//!
//! Equal operations on equal operands are one node, so that a writer sees what is used twice.

use std::collections::HashMap;

use crate::ml::trees::Trees;

/// A node of a [`Program`]; those that it is computed from have smaller ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(usize);

impl Id {
    #[must_use]
    pub fn place(self) -> usize {
        self.0
    }
}

/// A number that can be compared and hashed: by its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bits(u64);

impl Bits {
    #[must_use]
    pub fn number(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl From<f64> for Bits {
    fn from(number: f64) -> Self {
        Self(if number.is_nan() { f64::NAN.to_bits() } else { number.to_bits() })
    }
}

/// What a node gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Number,
    Text,
    Truth,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    Absolute,
    Floor,
    Ceiling,
    Root,
    Exponential,
    /// The natural logarithm; of 0 or less it is not asked.
    Logarithm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    Equal,
    Less,
    LessOrEqual,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// A raw column, by its place among [`Program::inputs`].
    Input(usize),
    /// NaN: missing.
    Number(Bits),
    /// `None`: missing.
    Text(Option<String>),
    /// constant + Σ factor · number
    Sum {
        terms: Vec<(Id, Bits)>,
        constant: Bits,
    },
    Product(Id, Id),
    /// By zero infinite, or missing where zero is divided.
    Quotient(Id, Id),
    Function(Function, Id),
    Largest(Vec<Id>),
    /// The value behind the first truth, of numbers or of texts.
    Choose {
        cases: Vec<(Id, Id)>,
        otherwise: Id,
    },
    /// What a table has for a number or text.
    Lookup {
        table: usize,
        of: Id,
    },
    /// Straight lines between the points of a curve; beyond the ends as at the ends.
    Curve {
        curve: usize,
        at: Id,
    },
    /// The sum of the values of a forest's trees for one of its outputs.
    Trees {
        forest: usize,
        output: usize,
    },
    /// Of two numbers.
    Compare(Comparison, Id, Id),
    /// Of a number or text; never missing itself.
    IsMissing(Id),
    /// Is a text as a pattern says, where `%` is any text and `_` one character? Missing where the text is.
    Like(Id, String),
    All(Vec<Id>),
    Any(Vec<Id>),
    Not(Id),
    /// 1 or 0 of a truth.
    AsNumber(Id),
}

/// What a raw column holds, and so how it becomes a number or text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    Number,
    /// A number: 1 or 0.
    Boolean,
    Text,
    /// A number: seconds since 1970-01-01 00:00.
    Date,
    Datetime,
    /// A number: seconds since midnight.
    Time,
}

/// A raw column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    pub name: String,
    pub kind: InputKind,
}

/// Keys and what becomes of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub keys: Keys,
    pub values: Values,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Keys {
    Texts(Vec<String>),
    Numbers(Vec<f64>),
    /// 0, 1, … below this.
    Places(usize),
}

impl Keys {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Texts(keys) => keys.len(),
            Self::Numbers(keys) => keys.len(),
            Self::Places(count) => *count,
        }
    }
}

/// One for each key; behind them the value of any other, and of a missing one.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Numbers(Vec<f64>),
    Texts(Vec<Option<String>>),
}

/// Ascending points.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    pub x: Vec<f64>,
    pub y: Vec<f64>,
}

/// Trees and the numbers that they ask about.
#[derive(Clone, Debug)]
pub struct Forest {
    pub trees: Trees,
    pub features: Vec<Id>,
    pub outputs: usize,
}

/// A column that the model gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub name: String,
    pub id: Id,
    pub kind: OutputKind,
}

/// What a number or text of an output is to be seen as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    Float,
    Integer,
    Boolean,
    Text,
}

/// A graph of operations from raw columns to predictions.
#[derive(Clone, Debug, Default)]
pub struct Program {
    pub inputs: Vec<Input>,
    pub outputs: Vec<Output>,
    pub tables: Vec<Table>,
    pub curves: Vec<Points>,
    pub forests: Vec<Forest>,
    nodes: Vec<Form>,
    known: HashMap<Form, Id>,
}

impl Program {
    /// The node of an operation, an old one where there is an equal one.
    pub fn add(&mut self, form: Form) -> Id {
        if let Some(id) = self.known.get(&form) {
            return *id;
        }
        let id = Id(self.nodes.len());
        self.nodes.push(form.clone());
        self.known.insert(form, id);
        id
    }

    #[must_use]
    pub fn form(&self, id: Id) -> &Form {
        &self.nodes[id.0]
    }

    /// All nodes, operands before what is computed from them.
    pub fn ids(&self) -> impl Iterator<Item = Id> + use<> {
        (0..self.nodes.len()).map(Id)
    }

    #[must_use]
    pub fn kind(&self, id: Id) -> Kind {
        match self.form(id) {
            Form::Input(place) if self.inputs.get(*place).is_some_and(|input| input.kind == InputKind::Text) => Kind::Text,
            Form::Text(_) => Kind::Text,
            Form::Choose { otherwise, .. } => self.kind(*otherwise),
            Form::Lookup { table, .. } if matches!(self.tables.get(*table), Some(Table { values: Values::Texts(_), .. })) => Kind::Text,
            Form::Compare(..) | Form::IsMissing(_) | Form::Like(..) | Form::All(_) | Form::Any(_) | Form::Not(_) => Kind::Truth,
            _ => Kind::Number,
        }
    }

    /// What a node is computed from.
    #[must_use]
    pub fn operands(&self, id: Id) -> Vec<Id> {
        match self.form(id) {
            Form::Input(_) | Form::Number(_) | Form::Text(_) => Vec::new(),
            Form::Sum { terms, .. } => terms.iter().map(|(id, _)| *id).collect(),
            Form::Product(a, b) | Form::Quotient(a, b) | Form::Compare(_, a, b) => vec![*a, *b],
            Form::Function(_, a)
            | Form::Lookup { of: a, .. }
            | Form::Curve { at: a, .. }
            | Form::IsMissing(a)
            | Form::Like(a, _)
            | Form::Not(a)
            | Form::AsNumber(a) => vec![*a],
            Form::Largest(all) | Form::All(all) | Form::Any(all) => all.clone(),
            Form::Choose { cases, otherwise } => cases.iter().flat_map(|(is, value)| [*is, *value]).chain([*otherwise]).collect(),
            Form::Trees { forest, .. } => self.forests.get(*forest).map(|forest| forest.features.clone()).unwrap_or_default(),
        }
    }

    /// How often each node is used by those that outputs are computed from; 0 where nothing needs it.
    #[must_use]
    pub fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0_usize; self.nodes.len()];
        for output in &self.outputs {
            uses[output.id.0] += 1;
        }
        for place in (0..self.nodes.len()).rev() {
            if uses[place] > 0 {
                for operand in self.operands(Id(place)) {
                    uses[operand.0] += 1;
                }
            }
        }
        uses
    }

    pub fn number(&mut self, number: f64) -> Id {
        self.add(Form::Number(number.into()))
    }

    pub fn missing(&mut self) -> Id {
        self.number(f64::NAN)
    }

    pub fn text(&mut self, text: &str) -> Id {
        self.add(Form::Text(Some(text.to_owned())))
    }

    /// constant + Σ factor · number; factors of 0 are kept, because a missing number makes a missing sum.
    pub fn sum(&mut self, terms: impl IntoIterator<Item = (Id, f64)>, constant: f64) -> Id {
        let terms: Vec<(Id, Bits)> = terms.into_iter().map(|(id, factor)| (id, factor.into())).collect();
        match terms.as_slice() {
            [] => self.number(constant),
            [(id, factor)] if factor.number() == 1.0 && constant == 0.0 => *id,
            _ => self.add(Form::Sum { terms, constant: constant.into() }),
        }
    }

    pub fn plus(&mut self, a: Id, number: f64) -> Id {
        self.sum([(a, 1.0)], number)
    }

    pub fn times(&mut self, a: Id, factor: f64) -> Id {
        self.sum([(a, factor)], 0.0)
    }

    pub fn product(&mut self, a: Id, b: Id) -> Id {
        self.add(Form::Product(a, b))
    }

    pub fn quotient(&mut self, a: Id, b: Id) -> Id {
        if matches!(self.form(b), Form::Number(bits) if bits.number() == 1.0) {
            return a;
        }
        self.add(Form::Quotient(a, b))
    }

    pub fn over(&mut self, a: Id, number: f64) -> Id {
        let number = self.number(number);
        self.quotient(a, number)
    }

    pub fn function(&mut self, function: Function, of: Id) -> Id {
        self.add(Form::Function(function, of))
    }

    /// The square root; missing below 0.
    pub fn root(&mut self, x: Id) -> Id {
        let (root, is_below, missing) = (self.function(Function::Root, x), self.below(x, 0.0), self.missing());
        self.choose(vec![(is_below, missing)], root)
    }

    /// The natural logarithm; missing at 0 and below.
    pub fn logarithm(&mut self, x: Id) -> Id {
        let zero = self.number(0.0);
        let (log, is_below, missing) = (self.function(Function::Logarithm, x), self.compare(Comparison::LessOrEqual, x, zero), self.missing());
        self.choose(vec![(is_below, missing)], log)
    }

    /// exp(x); missing where it would be infinite.
    pub fn exponential(&mut self, x: Id) -> Id {
        /// exp of it is the greatest number.
        const MOST: f64 = 709.782_712_893_384;
        let (e, is_above, missing) = (self.function(Function::Exponential, x), self.above(x, MOST), self.missing());
        self.choose(vec![(is_above, missing)], e)
    }

    pub fn compare(&mut self, comparison: Comparison, a: Id, b: Id) -> Id {
        self.add(Form::Compare(comparison, a, b))
    }

    /// a < number
    pub fn below(&mut self, a: Id, number: f64) -> Id {
        let number = self.number(number);
        self.compare(Comparison::Less, a, number)
    }

    /// a > number
    pub fn above(&mut self, a: Id, number: f64) -> Id {
        let number = self.number(number);
        self.compare(Comparison::Less, number, a)
    }

    /// a ≥ number
    pub fn from(&mut self, a: Id, number: f64) -> Id {
        let number = self.number(number);
        self.compare(Comparison::LessOrEqual, number, a)
    }

    pub fn equals(&mut self, a: Id, number: f64) -> Id {
        let number = self.number(number);
        self.compare(Comparison::Equal, a, number)
    }

    pub fn is_missing(&mut self, a: Id) -> Id {
        self.add(Form::IsMissing(a))
    }

    pub fn not(&mut self, a: Id) -> Id {
        self.add(Form::Not(a))
    }

    pub fn choose(&mut self, cases: Vec<(Id, Id)>, otherwise: Id) -> Id {
        if cases.is_empty() { otherwise } else { self.add(Form::Choose { cases, otherwise }) }
    }

    /// A number, or another where it is missing.
    pub fn or_else(&mut self, a: Id, otherwise: Id) -> Id {
        let is_missing = self.is_missing(a);
        self.choose(vec![(is_missing, otherwise)], a)
    }

    pub fn as_number(&mut self, truth: Id) -> Id {
        // A raw boolean is 1 or 0 already.
        if let Form::Compare(Comparison::Equal, input, _) = self.form(truth)
            && let Form::Input(place) = self.form(*input)
            && self.inputs.get(*place).is_some_and(|input| input.kind == InputKind::Boolean)
        {
            return *input;
        }
        self.add(Form::AsNumber(truth))
    }

    /// A number brought into a range; missing stays missing.
    pub fn clip(&mut self, a: Id, lower: Option<f64>, upper: Option<f64>) -> Id {
        let mut cases = Vec::new();
        for (bound, is_lower) in [(lower, true), (upper, false)] {
            if let Some(bound) = bound {
                let beyond = if is_lower { self.below(a, bound) } else { self.above(a, bound) };
                cases.push((beyond, self.number(bound)));
            }
        }
        self.choose(cases, a)
    }

    /// # Panics
    /// Never: a table is only looked up by its number.
    pub fn lookup(&mut self, of: Id, keys: Keys, values: Values) -> Id {
        let table = Table { keys, values };
        let place = self.tables.iter().rposition(|known| *known == table).unwrap_or_else(|| {
            self.tables.push(table);
            self.tables.len() - 1
        });
        self.add(Form::Lookup { table: place, of })
    }

    pub fn curve(&mut self, at: Id, x: &[f64], y: &[f64]) -> Id {
        self.curves.push(Points { x: x.to_vec(), y: y.to_vec() });
        self.add(Form::Curve { curve: self.curves.len() - 1, at })
    }

    /// One number for each output.
    pub fn trees(&mut self, trees: &Trees, features: Vec<Id>, outputs: usize) -> Vec<Id> {
        self.forests.push(Forest { trees: trees.clone(), features, outputs });
        let forest = self.forests.len() - 1;
        (0..outputs).map(|output| self.add(Form::Trees { forest, output })).collect()
    }

    /// 1 / (1 + exp(−x)), without overflow.
    pub fn sigmoid(&mut self, x: Id) -> Id {
        let size = self.function(Function::Absolute, x);
        let minus = self.times(size, -1.0);
        let e = self.function(Function::Exponential, minus);
        let (below, one) = (self.plus(e, 1.0), self.number(1.0));
        let (high, low) = (self.quotient(one, below), self.quotient(e, below));
        let is_low = self.below(x, 0.0);
        self.choose(vec![(is_low, low)], high)
    }

    /// exp(xᵢ) / Σ exp(xⱼ), without overflow.
    pub fn softmax(&mut self, all: &[Id]) -> Vec<Id> {
        let largest = self.add(Form::Largest(all.to_vec()));
        let mut exponentials = Vec::with_capacity(all.len());
        for x in all {
            let apart = self.sum([(*x, 1.0), (largest, -1.0)], 0.0);
            exponentials.push(self.function(Function::Exponential, apart));
        }
        let total = self.sum(exponentials.iter().map(|e| (*e, 1.0)).collect::<Vec<_>>(), 0.0);
        exponentials.into_iter().map(|e| self.quotient(e, total)).collect()
    }
}
