//! Nodes: made, their attributes read and set, the graphs inside them found.

use bytes::Bytes;

use crate::onnx::attribute_proto::AttributeType;
use crate::onnx::{AttributeProto, GraphProto, NodeProto, TensorProto};

/// A value of an attribute that is no graph.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// One number.
    Float(f32),
    /// One whole number.
    Int(i64),
    /// Text (ONNX keeps bytes).
    String(String),
    /// A constant tensor.
    Tensor(Box<TensorProto>),
    /// Numbers.
    Floats(Vec<f32>),
    /// Whole numbers.
    Ints(Vec<i64>),
}

impl NodeProto {
    /// A node of the default domain. An empty input name means "not given".
    pub fn new(op_type: &str, name: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        Self {
            op_type: Some(op_type.to_owned()),
            name: (!name.is_empty()).then(|| name.to_owned()),
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: outputs.iter().map(|&name| name.to_owned()).collect(),
            ..Self::default()
        }
    }

    /// The node with one more attribute.
    #[must_use]
    pub fn with(mut self, name: &str, value: Attribute) -> Self {
        self.set(name, value);
        self
    }

    /// Whether it is this operator of the default domain.
    pub fn is(&self, op_type: &str) -> bool {
        self.in_default_domain() && self.op_type() == op_type
    }

    /// Whether its operator is ONNX's own (`""` or `"ai.onnx"`).
    pub fn in_default_domain(&self) -> bool {
        matches!(self.domain(), "" | "ai.onnx")
    }

    /// What to call it in a message: its name, else its first output.
    pub fn label(&self) -> &str {
        match self.name() {
            "" => self.output.iter().map(String::as_str).find(|name| !name.is_empty()).unwrap_or(""),
            name => name,
        }
    }

    /// Input `index`, if it is given.
    pub fn input(&self, index: usize) -> Option<&str> {
        self.input.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// An attribute, as it is stored.
    pub fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute.iter().find(|attribute| attribute.name() == name)
    }

    /// An attribute that holds one whole number.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name).and_then(|attribute| attribute.i)
    }

    /// An attribute that holds one number.
    pub fn float(&self, name: &str) -> Option<f32> {
        self.attribute(name).and_then(|attribute| attribute.f)
    }

    /// An attribute that holds whole numbers.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    /// An attribute that holds numbers.
    pub fn floats(&self, name: &str) -> Option<&[f32]> {
        self.attribute(name).map(|attribute| attribute.floats.as_slice())
    }

    /// An attribute that holds text; `None` too where it is no UTF-8.
    pub fn string(&self, name: &str) -> Option<&str> {
        self.attribute(name).and_then(|attribute| std::str::from_utf8(attribute.s.as_deref()?).ok())
    }

    /// An attribute that holds a tensor.
    pub fn tensor(&self, name: &str) -> Option<&TensorProto> {
        self.attribute(name).and_then(|attribute| attribute.t.as_deref())
    }

    /// Sets an attribute, in its old place where it has one.
    pub fn set(&mut self, name: &str, value: Attribute) {
        let new = attribute(name, value);
        match self.attribute.iter_mut().find(|old| old.name() == name) {
            Some(old) => *old = new,
            None => self.attribute.push(new),
        }
    }

    /// Takes an attribute away; what it was comes back.
    pub fn take(&mut self, name: &str) -> Option<AttributeProto> {
        let index = self.attribute.iter().position(|attribute| attribute.name() == name)?;
        Some(self.attribute.remove(index))
    }

    /// The graphs inside its attributes (the bodies of If, Loop, Scan).
    pub fn subgraphs(&self) -> impl Iterator<Item = &GraphProto> {
        self.attribute
            .iter()
            .flat_map(|attribute| attribute.g.as_deref().into_iter().chain(&attribute.graphs))
    }

    /// The graphs inside its attributes, to be changed.
    pub fn subgraphs_mut(&mut self) -> impl Iterator<Item = &mut GraphProto> {
        self.attribute
            .iter_mut()
            .flat_map(|attribute| attribute.g.as_deref_mut().into_iter().chain(&mut attribute.graphs))
    }
}

fn attribute(name: &str, value: Attribute) -> AttributeProto {
    let mut made = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
    let kind = match value {
        Attribute::Float(value) => {
            made.f = Some(value);
            AttributeType::Float
        }
        Attribute::Int(value) => {
            made.i = Some(value);
            AttributeType::Int
        }
        Attribute::String(value) => {
            made.s = Some(Bytes::from(value));
            AttributeType::String
        }
        Attribute::Tensor(value) => {
            made.t = Some(value);
            AttributeType::Tensor
        }
        Attribute::Floats(value) => {
            made.floats = value;
            AttributeType::Floats
        }
        Attribute::Ints(value) => {
            made.ints = value;
            AttributeType::Ints
        }
    };
    made.set_type(kind);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_set_and_taken() {
        let mut node = NodeProto::new("Conv", "", &["x", "w"], &["y"])
            .with("group", Attribute::Int(2))
            .with("pads", Attribute::Ints(vec![1, 1]))
            .with("auto_pad", Attribute::String("NOTSET".into()))
            .with("alpha", Attribute::Float(0.5));
        assert_eq!((node.int("group"), node.float("alpha")), (Some(2), Some(0.5)));
        assert_eq!((node.ints("pads"), node.string("auto_pad")), (Some(&[1, 1][..]), Some("NOTSET")));
        assert_eq!((node.int("kernel"), node.int("alpha")), (None, None));
        node.set("group", Attribute::Int(4));
        assert_eq!(node.attribute[0].name(), "group");
        assert_eq!(node.take("group").and_then(|old| old.i), Some(4));
        assert_eq!(node.int("group"), None);
        assert_eq!(node.label(), "y");
    }
}
