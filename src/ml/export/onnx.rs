//! A [`Program`] as an ONNX model: opset 17, or 20 where texts are held against patterns, `ai.onnx.ml` 3, all numbers 64-bit floats.
//!
//! Each raw column is an input of its own, of one dimension, and each prediction column an output. A missing number is NaN; a missing text
//! is [`missing_text`], which the metadata names; a truth is 1, 0 or NaN; dates and times are seconds (since 1970-01-01, since midnight).
//!
//! `TreeEnsembleRegressor` adds up in 32 bits. So trees say in which leaf a row falls, which is exact, and the leaves' values are
//! looked up and added as 64-bit floats.

use std::collections::{BTreeMap, HashMap};

use prost::Message;

use super::lowering::Why;
use super::program::{Comparison, Forest, Form, Function, Id, InputKind, Keys, Kind, OutputKind, Program, Values};
use super::proto::{Attribute, BOOL, DOUBLE, Graph, INT64, Model, Node, OperatorSet, Property, STRING, Tensor, ValueInfo};
use super::sql::categories;
use crate::ml::trees::tree::Rule;

/// Leaves of one tree above which their numbers would not be exact as 32-bit floats.
const MOST_LEAVES: usize = 1 << 24;

/// The text that stands for a missing one: unlike all that the model knows.
#[must_use]
pub fn missing_text(program: &Program) -> String {
    let mut known: Vec<&str> = Vec::new();
    for table in &program.tables {
        if let Keys::Texts(keys) = &table.keys {
            known.extend(keys.iter().map(String::as_str));
        }
        if let Values::Texts(values) = &table.values {
            known.extend(values.iter().flatten().map(String::as_str));
        }
    }
    for id in program.ids() {
        if let Form::Text(Some(text)) = program.form(id) {
            known.push(text);
        }
    }
    let mut text = "<missing>".to_owned();
    while known.contains(&text.as_str()) {
        text.push('_');
    }
    text
}

/// The bytes of the model's file.
///
/// # Errors
/// What ONNX cannot say.
pub fn write(program: &Program) -> Result<Vec<u8>, Why> {
    let Some(first) = program.inputs.first() else { return Err(Why::new("reads no column, so that ONNX cannot know how many rows there are")) };
    if let Some(both) = program.outputs.iter().find(|output| program.inputs.iter().any(|input| input.name == output.name)) {
        return Err(Why::new(format!("reads and gives a column of one name, `{}`", both.name)));
    }
    let mut prefix = "v".to_owned();
    let taken = |prefix: &str| program.inputs.iter().map(|i| &i.name).chain(program.outputs.iter().map(|o| &o.name)).any(|name| name.starts_with(prefix));
    while taken(&prefix) {
        prefix.push('_');
    }
    let mut writer = Writer {
        program,
        prefix,
        missing: missing_text(program),
        rows: first.name.clone(),
        nodes: Vec::new(),
        initializers: Vec::new(),
        constants: HashMap::new(),
        values: BTreeMap::new(),
        truths: BTreeMap::new(),
        matrices: HashMap::new(),
        leaves: BTreeMap::new(),
        count: 0,
    };
    let mut outputs = Vec::with_capacity(program.outputs.len());
    for output in &program.outputs {
        let value = writer.value(output.id)?;
        let value = writer.row(&value);
        writer.nodes.push(node("Identity", &[&value.name], &output.name, Vec::new()));
        outputs.push(ValueInfo::column(&output.name, if output.kind == OutputKind::Text { STRING } else { DOUBLE }));
    }
    let read: std::collections::HashSet<&String> = writer.nodes.iter().flat_map(|node| &node.input).collect();
    writer.initializers.retain(|constant| read.contains(&constant.name));
    let input = |input: &super::program::Input| ValueInfo::column(&input.name, if input.kind == InputKind::Text { STRING } else { DOUBLE });
    let graph = Graph {
        node: writer.nodes,
        name: "recipe".to_owned(),
        initializer: writer.initializers,
        input: program.inputs.iter().map(input).collect(),
        output: outputs,
    };
    let kinds = program.inputs.iter().map(|input| (input.name.clone(), serde_json::Value::from(kind_name(input.kind))));
    let made = program.outputs.iter().map(|output| (output.name.clone(), serde_json::Value::from(output_name(output.kind))));
    let properties = [
        ("recipe.missing_text", writer.missing),
        ("recipe.inputs", serde_json::Value::Object(kinds.collect()).to_string()),
        ("recipe.outputs", serde_json::Value::Object(made.collect()).to_string()),
    ];
    // Old runtimes read what needs nothing new.
    let (ir_version, opset) = if program.ids().any(|id| matches!(program.form(id), Form::Like(..))) { (9, 20) } else { (8, 17) };
    let model = Model {
        ir_version,
        producer_name: "recipe".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph),
        opset_import: vec![OperatorSet { domain: String::new(), version: opset }, OperatorSet { domain: "ai.onnx.ml".to_owned(), version: 3 }],
        metadata_props: properties.into_iter().map(|(key, value)| Property { key: key.to_owned(), value }).collect(),
    };
    Ok(model.encode_to_vec())
}

/// What a column is called in the model's metadata.
#[must_use]
pub fn kind_name(kind: InputKind) -> &'static str {
    match kind {
        InputKind::Number => "number",
        InputKind::Boolean => "boolean",
        InputKind::Text => "text",
        InputKind::Date => "date",
        InputKind::Datetime => "datetime",
        InputKind::Time => "time",
    }
}

fn output_name(kind: OutputKind) -> &'static str {
    match kind {
        OutputKind::Float => "float",
        OutputKind::Integer => "integer",
        OutputKind::Boolean => "boolean",
        OutputKind::Text => "text",
    }
}

fn node(operator: &str, inputs: &[&str], output: &str, attribute: Vec<Attribute>) -> Node {
    let is_learned = matches!(operator, "LabelEncoder" | "TreeEnsembleRegressor");
    Node {
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.to_owned()],
        name: format!("{operator}_{output}"),
        op_type: operator.to_owned(),
        attribute,
        domain: if is_learned { "ai.onnx.ml".to_owned() } else { String::new() },
    }
}

/// A value of the graph.
#[derive(Clone)]
struct Named {
    name: String,
    /// Is there one value a row, or one for all?
    is_row: bool,
}

struct Writer<'a> {
    program: &'a Program,
    prefix: String,
    missing: String,
    /// An input, to know the number of rows by.
    rows: String,
    nodes: Vec<Node>,
    initializers: Vec<Tensor>,
    constants: HashMap<Vec<u8>, String>,
    values: BTreeMap<Id, Named>,
    truths: BTreeMap<(Id, bool), Named>,
    /// Columns side by side.
    matrices: HashMap<Vec<String>, String>,
    /// For each forest the leaf of each row and tree.
    leaves: BTreeMap<usize, String>,
    count: usize,
}

impl Writer<'_> {
    fn fresh(&mut self) -> String {
        self.count += 1;
        format!("{}{}", self.prefix, self.count)
    }

    fn apply(&mut self, operator: &str, inputs: &[&str], attributes: Vec<Attribute>) -> String {
        let name = self.fresh();
        self.nodes.push(node(operator, inputs, &name, attributes));
        name
    }

    fn op(&mut self, operator: &str, inputs: &[&Named]) -> Named {
        let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        Named { name: self.apply(operator, &names, Vec::new()), is_row: inputs.iter().any(|input| input.is_row) }
    }

    fn constant(&mut self, tensor: Tensor) -> String {
        let bytes = tensor.encode_to_vec();
        if let Some(name) = self.constants.get(&bytes) {
            return name.clone();
        }
        let name = self.fresh();
        self.initializers.push(Tensor { name: name.clone(), ..tensor });
        self.constants.insert(bytes, name.clone());
        name
    }

    fn doubles(&mut self, dims: &[usize], values: &[f64]) -> String {
        self.constant(Tensor::doubles("", dims, values))
    }

    fn ints(&mut self, dims: &[usize], values: &[i64]) -> String {
        self.constant(Tensor::ints("", dims, values))
    }

    fn number(&mut self, number: f64) -> Named {
        Named { name: self.doubles(&[], &[number]), is_row: false }
    }

    fn cast(&mut self, name: &str, to: i32) -> String {
        self.apply("Cast", &[name], vec![Attribute::int("to", i64::from(to))])
    }

    /// A value with one number or text a row.
    fn row(&mut self, value: &Named) -> Named {
        if value.is_row {
            return value.clone();
        }
        let rows = self.rows.clone();
        let shape = self.apply("Shape", &[&rows], Vec::new());
        Named { name: self.apply("Expand", &[&value.name, &shape], Vec::new()), is_row: true }
    }

    /// rows × 1
    fn standing(&mut self, value: &Named) -> String {
        let value = self.row(value);
        let axis = self.ints(&[1], &[1]);
        self.apply("Unsqueeze", &[&value.name, &axis], Vec::new())
    }

    /// rows × values
    fn matrix(&mut self, values: &[Named]) -> String {
        let names: Vec<String> = values.iter().map(|value| value.name.clone()).collect();
        if let Some(known) = self.matrices.get(&names) {
            return known.clone();
        }
        let columns: Vec<String> = values.iter().map(|value| self.standing(value)).collect();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let matrix = if let [only] = columns.as_slice() { (*only).to_owned() } else { self.apply("Concat", &columns, vec![Attribute::int("axis", 1)]) };
        self.matrices.insert(names, matrix.clone());
        matrix
    }

    /// Sums over the second axis.
    fn row_sums(&mut self, matrix: &str) -> String {
        let axis = self.ints(&[1], &[1]);
        self.apply("ReduceSum", &[matrix, &axis], vec![Attribute::int("keepdims", 0)])
    }

    fn value(&mut self, id: Id) -> Result<Named, Why> {
        if let Some(known) = self.values.get(&id) {
            return Ok(known.clone());
        }
        let value = self.make(id)?;
        self.values.insert(id, value.clone());
        Ok(value)
    }

    fn make(&mut self, id: Id) -> Result<Named, Why> {
        let program = self.program;
        Ok(match program.form(id) {
            Form::Input(place) => Named { name: program.inputs.get(*place).map(|input| input.name.clone()).ok_or_else(Why::said)?, is_row: true },
            Form::Number(number) => self.number(number.number()),
            Form::Text(text) => {
                let text = text.clone().unwrap_or_else(|| self.missing.clone());
                Named { name: self.constant(Tensor::texts("", &[1], [text.as_str()])), is_row: false }
            }
            Form::Sum { terms, constant } => self.sum(&terms.iter().map(|(id, factor)| (*id, factor.number())).collect::<Vec<_>>(), constant.number())?,
            Form::Product(a, b) => self.binary("Mul", *a, *b)?,
            Form::Quotient(a, b) => self.binary("Div", *a, *b)?,
            Form::Function(function, of) => {
                let operator = match function {
                    Function::Absolute => "Abs",
                    Function::Floor => "Floor",
                    Function::Ceiling => "Ceil",
                    Function::Root => "Sqrt",
                    Function::Exponential => "Exp",
                    Function::Logarithm => "Log",
                };
                let of = self.value(*of)?;
                self.op(operator, &[&of])
            }
            Form::Largest(all) => {
                let all = all.iter().map(|id| self.value(*id)).collect::<Result<Vec<_>, _>>()?;
                self.op("Max", &all.iter().collect::<Vec<_>>())
            }
            Form::Choose { cases, otherwise } => {
                let mut chosen = self.value(*otherwise)?;
                for (is, value) in cases.iter().rev() {
                    let (is, value) = (self.truth(*is, true)?, self.value(*value)?);
                    chosen = self.op("Where", &[&is, &value, &chosen]);
                }
                chosen
            }
            Form::Lookup { table, of } => {
                let table = program.tables.get(*table).ok_or_else(Why::said)?;
                let place = self.place(*of, &table.keys)?;
                let values = match &table.values {
                    Values::Numbers(values) => self.doubles(&[values.len()], values),
                    Values::Texts(values) => {
                        let missing = self.missing.clone();
                        let texts: Vec<&str> = values.iter().map(|value| value.as_deref().unwrap_or(&missing)).collect();
                        self.constant(Tensor::texts("", &[texts.len()], texts))
                    }
                };
                Named { name: self.apply("Gather", &[&values, &place], Vec::new()), is_row: true }
            }
            Form::Curve { curve, at } => {
                let points = program.curves.get(*curve).ok_or_else(Why::said)?;
                let at = self.value(*at)?;
                self.curve(&points.x, &points.y, &at)?
            }
            Form::Trees { forest, output } => self.trees(*forest, *output)?,
            Form::AsNumber(truth) => {
                let is = self.truth(*truth, true)?;
                if self.is_never_missing(*truth) {
                    return Ok(Named { name: self.cast(&is.name, DOUBLE), is_row: is.is_row });
                }
                let is_not = self.truth(*truth, false)?;
                let (one, zero, missing) = (self.number(1.0), self.number(0.0), self.number(f64::NAN));
                let rest = self.op("Where", &[&is_not, &zero, &missing]);
                self.op("Where", &[&is, &one, &rest])
            }
            Form::Compare(..) | Form::IsMissing(_) | Form::Like(..) | Form::All(_) | Form::Any(_) | Form::Not(_) => self.truth(id, true)?,
        })
    }

    fn binary(&mut self, operator: &str, a: Id, b: Id) -> Result<Named, Why> {
        let (a, b) = (self.value(a)?, self.value(b)?);
        Ok(self.op(operator, &[&a, &b]))
    }

    fn sum(&mut self, terms: &[(Id, f64)], constant: f64) -> Result<Named, Why> {
        const FEW: usize = 3;
        let mut sum = self.number(constant);
        if terms.len() > FEW {
            let values = terms.iter().map(|(id, _)| self.value(*id)).collect::<Result<Vec<_>, _>>()?;
            let matrix = self.matrix(&values);
            let factors = self.doubles(&[terms.len()], &terms.iter().map(|(_, factor)| *factor).collect::<Vec<_>>());
            let product = Named { name: self.apply("MatMul", &[&matrix, &factors], Vec::new()), is_row: true };
            return Ok(if constant == 0.0 { product } else { self.op("Add", &[&sum, &product]) });
        }
        for (i, (id, factor)) in terms.iter().enumerate() {
            let mut value = self.value(*id)?;
            if *factor == -1.0 {
                value = self.op("Neg", &[&value]);
            } else if *factor != 1.0 {
                let factor = self.number(*factor);
                value = self.op("Mul", &[&value, &factor]);
            }
            sum = if i == 0 && constant == 0.0 { value } else { self.op("Add", &[&sum, &value]) };
        }
        Ok(sum)
    }

    /// Where a truth holds, or where its contrary does; neither where it is missing.
    fn truth(&mut self, id: Id, wanted: bool) -> Result<Named, Why> {
        if let Some(known) = self.truths.get(&(id, wanted)) {
            return Ok(known.clone());
        }
        let program = self.program;
        let truth = match program.form(id) {
            Form::Compare(comparison, a, b) => {
                let (a, b) = (self.value(*a)?, self.value(*b)?);
                match (comparison, wanted) {
                    (Comparison::Equal, true) => self.op("Equal", &[&a, &b]),
                    (Comparison::Less, true) => self.op("Less", &[&a, &b]),
                    (Comparison::LessOrEqual, true) => self.op("LessOrEqual", &[&a, &b]),
                    (Comparison::Equal, false) => {
                        let (below, above) = (self.op("Less", &[&a, &b]), self.op("Less", &[&b, &a]));
                        self.op("Or", &[&below, &above])
                    }
                    (Comparison::Less, false) => self.op("LessOrEqual", &[&b, &a]),
                    (Comparison::LessOrEqual, false) => self.op("Less", &[&b, &a]),
                }
            }
            Form::IsMissing(of) => {
                let is = self.value(*of)?;
                let is = if program.kind(*of) == Kind::Text { self.is_missing_text(&is) } else { self.op("IsNaN", &[&is]) };
                if wanted { is } else { self.op("Not", &[&is]) }
            }
            Form::Like(of, pattern) => {
                let of = self.value(*of)?;
                let expression = format!("(?s){}", regex::escape(pattern).replace('%', ".*").replace('_', "."));
                let fits = self.apply("RegexFullMatch", &[&of.name], vec![Attribute::text("pattern", &expression)]);
                let fits = Named { name: fits, is_row: of.is_row };
                let fits = if wanted { fits } else { self.op("Not", &[&fits]) };
                let is_missing = self.is_missing_text(&of);
                let is_there = self.op("Not", &[&is_missing]);
                self.op("And", &[&fits, &is_there])
            }
            Form::Not(of) => self.truth(*of, !wanted)?,
            Form::All(all) | Form::Any(all) => {
                let is_and = matches!(program.form(id), Form::All(_)) == wanted;
                let mut joined: Option<Named> = None;
                for part in all {
                    let part = self.truth(*part, wanted)?;
                    joined = Some(match joined {
                        None => part,
                        Some(joined) => self.op(if is_and { "And" } else { "Or" }, &[&joined, &part]),
                    });
                }
                joined.ok_or_else(Why::said)?
            }
            _ => return Err(Why::said()),
        };
        self.truths.insert((id, wanted), truth.clone());
        Ok(truth)
    }

    fn is_missing_text(&mut self, text: &Named) -> Named {
        let missing = self.missing.clone();
        let attributes =
            vec![Attribute::texts("keys_strings", [missing.as_str()]), Attribute::ints("values_int64s", vec![1]), Attribute::int("default_int64", 0)];
        let code = self.apply("LabelEncoder", &[&text.name], attributes);
        Named { name: self.cast(&code, BOOL), is_row: text.is_row }
    }

    /// Is there always a value, whatever the row?
    fn is_never_missing(&self, id: Id) -> bool {
        match self.program.form(id) {
            Form::Number(number) => !number.number().is_nan(),
            Form::Lookup { table, .. } => {
                matches!(self.program.tables.get(*table).map(|table| &table.values), Some(Values::Numbers(values)) if values.iter().all(|value| !value.is_nan()))
            }
            Form::IsMissing(_) => true,
            Form::Compare(..) | Form::Like(..) | Form::All(_) | Form::Any(_) | Form::Not(_) | Form::AsNumber(_) => {
                self.program.operands(id).iter().all(|operand| self.is_never_missing(*operand))
            }
            _ => false,
        }
    }

    /// The place of each row's key: behind all keys that of any other, and of a missing one.
    fn place(&mut self, of: Id, keys: &Keys) -> Result<String, Why> {
        let count = keys.len();
        let value = self.value(of)?;
        let value = self.row(&value);
        match keys {
            Keys::Texts(keys) => {
                let missing = self.missing.clone();
                let attributes = vec![
                    Attribute::texts("keys_strings", keys.iter().map(String::as_str).chain([missing.as_str()])),
                    Attribute::ints("values_int64s", (0..count as i64).chain([count as i64 + 1]).collect()),
                    Attribute::int("default_int64", count as i64),
                ];
                Ok(self.apply("LabelEncoder", &[&value.name], attributes))
            }
            Keys::Numbers(keys) => Ok(self.place_of_number(&value, keys)),
            Keys::Places(count) => {
                let (zero, most) = (self.number(0.0), self.number(*count as f64));
                let (from, below) = (self.op("LessOrEqual", &[&zero, &value]), self.op("Less", &[&value, &most]));
                let is_known = self.op("And", &[&from, &below]);
                let known = self.op("Where", &[&is_known, &value, &most]);
                let is_missing = self.op("IsNaN", &[&value]);
                let behind = self.number(*count as f64 + 1.0);
                let place = self.op("Where", &[&is_missing, &behind, &known]);
                Ok(self.cast(&place.name, INT64))
            }
        }
    }

    fn place_of_number(&mut self, value: &Named, keys: &[f64]) -> String {
        let count = keys.len() as f64;
        let is_missing = self.op("IsNaN", &[value]);
        let (behind, end) = (self.number(count + 1.0), self.number(count));
        let place = if keys.is_empty() {
            self.row(&end)
        } else {
            let standing = self.standing(value);
            let row = self.doubles(&[1, keys.len()], keys);
            let equal = self.apply("Equal", &[&standing, &row], Vec::new());
            let equal = self.cast(&equal, DOUBLE);
            let places: Vec<f64> = (0..keys.len()).map(|i| i as f64 - count).collect();
            let places = self.doubles(&[keys.len()], &places);
            let found = Named { name: self.apply("MatMul", &[&equal, &places], Vec::new()), is_row: true };
            self.op("Add", &[&found, &end])
        };
        let place = self.op("Where", &[&is_missing, &behind, &place]);
        self.cast(&place.name, INT64)
    }

    fn curve(&mut self, x: &[f64], y: &[f64], at: &Named) -> Result<Named, Why> {
        let (Some(first), Some(last)) = (x.first(), x.last()) else { return Err(Why::new("has a curve without points")) };
        let at = self.row(at);
        let (low, high) = (self.number(*first), self.number(*last));
        let (is_low, is_high) = (self.op("Less", &[&at, &low]), self.op("Less", &[&high, &at]));
        let at = self.op("Where", &[&is_low, &low, &at]);
        let at = self.op("Where", &[&is_high, &high, &at]);
        let standing = self.standing(&at);
        let knots = self.doubles(&[1, x.len()], x);
        let passed = self.apply("LessOrEqual", &[&knots, &standing], Vec::new());
        let passed = self.cast(&passed, DOUBLE);
        let place = self.row_sums(&passed);
        let place = self.cast(&place, INT64);
        // For each number of knots that lie behind: where the piece begins, its height there, its rise and its width.
        let mut pieces: [Vec<f64>; 4] = Default::default();
        for passed in 0..=x.len() {
            let point = |i: usize| Some((*x.get(i)?, *y.get(i)?));
            let piece = match (passed.checked_sub(1).and_then(point), point(passed)) {
                (Some((x0, y0)), Some((x1, y1))) if x1 > x0 => [x0, y0, y1 - y0, x1 - x0],
                (Some((x0, y0)), _) | (None, Some((x0, y0))) => [x0, y0, 0.0, 1.0],
                (None, None) => return Err(Why::said()),
            };
            pieces.iter_mut().zip(piece).for_each(|(all, number)| all.push(number));
        }
        let mut at_place = |numbers: &Vec<f64>| {
            let table = self.doubles(&[numbers.len()], numbers);
            Named { name: self.apply("Gather", &[&table, &place], Vec::new()), is_row: true }
        };
        let [begin, height, rise, width] = [at_place(&pieces[0]), at_place(&pieces[1]), at_place(&pieces[2]), at_place(&pieces[3])];
        let apart = self.op("Sub", &[&at, &begin]);
        let share = self.op("Div", &[&apart, &width]);
        let risen = self.op("Mul", &[&rise, &share]);
        Ok(self.op("Add", &[&height, &risen]))
    }

    fn trees(&mut self, place: usize, output: usize) -> Result<Named, Why> {
        let forest = self.program.forests.get(place).ok_or_else(Why::said)?;
        let trees = &forest.trees;
        if trees.is_empty() {
            return Ok(self.number(0.0));
        }
        let leaves = match self.leaves.get(&place) {
            Some(leaves) => leaves.clone(),
            None => self.leaves_of(place, forest)?,
        };
        let of_output = |at: usize| trees.values(at).get(if trees.width() > 1 { output } else { 0 }).copied().unwrap_or_default();
        let values: Vec<f64> = leaf_nodes(forest).into_iter().flatten().map(of_output).collect();
        let values = self.doubles(&[values.len()], &values);
        let found = self.apply("Gather", &[&values, &leaves], Vec::new());
        if trees.width() > 1 || forest.outputs == 1 {
            return Ok(Named { name: self.row_sums(&found), is_row: true });
        }
        let of_tree: Vec<f64> = (0..trees.len()).map(|tree| f64::from(u8::from(tree % forest.outputs == output))).collect();
        let of_tree = self.doubles(&[of_tree.len()], &of_tree);
        Ok(Named { name: self.apply("MatMul", &[&found, &of_tree], Vec::new()), is_row: true })
    }

    /// rows × trees: the number of the leaf that a row falls into, among all leaves.
    fn leaves_of(&mut self, place: usize, forest: &Forest) -> Result<String, Why> {
        let trees = &forest.trees;
        let mut features = forest.features.iter().map(|feature| self.value(*feature)).collect::<Result<Vec<_>, _>>()?;
        let by_tree = leaf_nodes(forest);
        if by_tree.iter().any(|leaves| leaves.len() > MOST_LEAVES) {
            return Err(Why::new(format!("has a tree of more than {MOST_LEAVES} leaves")));
        }
        let mut sets: HashMap<(usize, Vec<u64>), usize> = HashMap::new();
        let mut nodes: [Vec<i64>; 6] = Default::default();
        let [treeids, nodeids, featureids, trueids, falseids, missing] = &mut nodes;
        let (mut thresholds, mut modes) = (Vec::new(), Vec::new());
        let (mut target_trees, mut target_nodes, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        let ends: Vec<usize> = trees.roots().skip(1).chain([trees.nodes()]).collect();
        for (tree, (root, end)) in trees.roots().zip(ends).enumerate() {
            let mut leaf = 0.0;
            for at in root..end {
                treeids.push(tree as i64);
                nodeids.push((at - root) as i64);
                let Some(question) = trees.question(at) else {
                    modes.push("LEAF");
                    for ids in [&mut *featureids, trueids, falseids, missing] {
                        ids.push(0);
                    }
                    thresholds.push(0.0);
                    target_trees.push(tree as i64);
                    target_nodes.push((at - root) as i64);
                    weights.push(leaf);
                    leaf += 1.0;
                    continue;
                };
                modes.push("BRANCH_LEQ");
                trueids.push((question.left - root) as i64);
                falseids.push((question.left + 1 - root) as i64);
                match question.rule {
                    Rule::Number { feature, threshold, missing_left } => {
                        featureids.push(feature as i64);
                        thresholds.push(threshold);
                        missing.push(i64::from(missing_left));
                    }
                    // A column that is 0 for the categories that go left, and 1 for others and missing ones.
                    Rule::Category { feature, left } => {
                        let known = sets.get(&(feature, left.clone())).copied();
                        let column = if let Some(column) = known {
                            column
                        } else {
                            let keys: Vec<f64> = categories(&left).collect();
                            let of = features.get(feature).cloned().ok_or_else(Why::said)?;
                            let of = self.row(&of);
                            let code = self.place_of_number(&of, &keys);
                            let values: Vec<f64> = keys.iter().map(|_| 0.0).chain([1.0, 1.0]).collect();
                            let values = self.doubles(&[values.len()], &values);
                            features.push(Named { name: self.apply("Gather", &[&values, &code], Vec::new()), is_row: true });
                            sets.insert((feature, left), features.len() - 1);
                            features.len() - 1
                        };
                        featureids.push(column as i64);
                        thresholds.push(0.5);
                        missing.push(0);
                    }
                }
            }
        }
        let matrix = self.matrix(&features);
        let [treeids, nodeids, featureids, trueids, falseids, missing] = nodes;
        let attributes = vec![
            Attribute::ints("nodes_treeids", treeids),
            Attribute::ints("nodes_nodeids", nodeids),
            Attribute::ints("nodes_featureids", featureids),
            Attribute::tensor("nodes_values_as_tensor", Tensor::doubles("", &[thresholds.len()], &thresholds)),
            Attribute::texts("nodes_modes", modes),
            Attribute::ints("nodes_truenodeids", trueids),
            Attribute::ints("nodes_falsenodeids", falseids),
            Attribute::ints("nodes_missing_value_tracks_true", missing),
            Attribute::ints("target_treeids", target_trees.clone()),
            Attribute::ints("target_nodeids", target_nodes),
            Attribute::ints("target_ids", target_trees),
            Attribute::tensor("target_weights_as_tensor", Tensor::doubles("", &[weights.len()], &weights)),
            Attribute::int("n_targets", trees.len() as i64),
            Attribute::text("aggregate_function", "SUM"),
            Attribute::text("post_transform", "NONE"),
        ];
        let within = self.apply("TreeEnsembleRegressor", &[&matrix], attributes);
        let within = self.cast(&within, INT64);
        let before: Vec<i64> = by_tree.iter().scan(0, |before, leaves| Some(std::mem::replace(before, *before + leaves.len() as i64))).collect();
        let before = self.ints(&[1, before.len()], &before);
        let leaves = self.apply("Add", &[&within, &before], Vec::new());
        self.leaves.insert(place, leaves.clone());
        Ok(leaves)
    }
}

/// The leaves of each tree, in the order of their nodes.
fn leaf_nodes(forest: &Forest) -> Vec<Vec<usize>> {
    let trees = &forest.trees;
    let ends: Vec<usize> = trees.roots().skip(1).chain([trees.nodes()]).collect();
    trees.roots().zip(ends).map(|(root, end)| (root..end).filter(|at| trees.question(*at).is_none()).collect()).collect()
}
