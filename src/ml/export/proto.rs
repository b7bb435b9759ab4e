//! The part of ONNX's file format that models here need: protocol buffers, by hand, field numbers as in `onnx.proto`.

use prost::Message;

pub const DOUBLE: i32 = 11;
pub const INT64: i32 = 7;
pub const STRING: i32 = 8;
pub const BOOL: i32 = 9;

#[derive(Clone, PartialEq, Message)]
pub struct Model {
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    #[prost(string, tag = "2")]
    pub producer_name: String,
    #[prost(string, tag = "3")]
    pub producer_version: String,
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSet>,
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<Property>,
}

#[derive(Clone, PartialEq, Message)]
pub struct OperatorSet {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(int64, tag = "2")]
    pub version: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Property {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Node {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub domain: String,
}

/// One of the values is set, and `kind` says which.
#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    #[prost(message, optional, tag = "5")]
    pub t: Option<Tensor>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub strings: Vec<Vec<u8>>,
    #[prost(int32, tag = "20")]
    pub kind: i32,
}

impl Attribute {
    pub fn int(name: &str, i: i64) -> Self {
        Self { name: name.to_owned(), i: Some(i), kind: 2, ..Self::default() }
    }

    pub fn text(name: &str, s: &str) -> Self {
        Self { name: name.to_owned(), s: Some(s.as_bytes().to_vec()), kind: 3, ..Self::default() }
    }

    pub fn tensor(name: &str, t: Tensor) -> Self {
        Self { name: name.to_owned(), t: Some(t), kind: 4, ..Self::default() }
    }

    pub fn ints(name: &str, ints: Vec<i64>) -> Self {
        Self { name: name.to_owned(), ints, kind: 7, ..Self::default() }
    }

    pub fn texts<'a>(name: &str, texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self { name: name.to_owned(), strings: texts.into_iter().map(|text| text.as_bytes().to_vec()).collect(), kind: 8, ..Self::default() }
    }
}

#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub string_data: Vec<Vec<u8>>,
    #[prost(string, tag = "8")]
    pub name: String,
    /// Little-endian.
    #[prost(bytes = "vec", optional, tag = "9")]
    pub raw_data: Option<Vec<u8>>,
}

impl Tensor {
    pub fn doubles(name: &str, dims: &[usize], values: &[f64]) -> Self {
        Self::raw(name, dims, DOUBLE, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    pub fn ints(name: &str, dims: &[usize], values: &[i64]) -> Self {
        Self::raw(name, dims, INT64, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    pub fn texts<'a>(name: &str, dims: &[usize], values: impl IntoIterator<Item = &'a str>) -> Self {
        let string_data = values.into_iter().map(|text| text.as_bytes().to_vec()).collect();
        Self { dims: sizes(dims), data_type: STRING, string_data, name: name.to_owned(), raw_data: None }
    }

    fn raw(name: &str, dims: &[usize], data_type: i32, bytes: Vec<u8>) -> Self {
        Self { dims: sizes(dims), data_type, string_data: Vec::new(), name: name.to_owned(), raw_data: Some(bytes) }
    }
}

fn sizes(dims: &[usize]) -> Vec<i64> {
    dims.iter().map(|dim| *dim as i64).collect()
}

#[derive(Clone, PartialEq, Message)]
pub struct ValueInfo {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub kind: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Type {
    #[prost(message, optional, tag = "1")]
    pub tensor: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    #[prost(int32, tag = "1")]
    pub element: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Dimension {
    #[prost(string, tag = "2")]
    pub parameter: String,
}

impl ValueInfo {
    /// A column: one value a row.
    pub fn column(name: &str, element: i32) -> Self {
        let shape = Shape { dim: vec![Dimension { parameter: "rows".to_owned() }] };
        Self { name: name.to_owned(), kind: Some(Type { tensor: Some(TensorType { element, shape: Some(shape) }) }) }
    }
}
