//! Small models for tests, built in code.

use crate::Document;
use crate::onnx::attribute_proto::AttributeType;
use crate::onnx::tensor_proto::DataType;
use crate::onnx::{AttributeProto, GraphProto, NodeProto, ValueInfoProto};

/// A graph of float inputs and outputs of an open shape.
pub(crate) fn graph(inputs: &[&str], outputs: &[&str], nodes: Vec<NodeProto>) -> GraphProto {
    let values = |names: &[&str]| {
        names.iter().map(|name| ValueInfoProto::tensor(name, DataType::Float, &["n".into()])).collect()
    };
    GraphProto {
        name: Some("g".into()),
        input: values(inputs),
        output: values(outputs),
        node: nodes,
        ..GraphProto::default()
    }
}

/// The node with a subgraph.
pub(crate) fn with_body(mut node: NodeProto, attribute: &str, body: GraphProto) -> NodeProto {
    let mut made =
        AttributeProto { name: Some(attribute.into()), g: Some(body.into()), ..AttributeProto::default() };
    made.set_type(AttributeType::Graph);
    node.attribute.push(made);
    node
}

/// A document of opset 17.
pub(crate) fn document(graph: GraphProto) -> Document {
    Document::new(graph, 17)
}
