//! Small models for the tests of passes, built in code.

use farsight_graph::onnx::attribute_proto::AttributeType;
use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto};
use farsight_graph::{Dim, Document};

/// A node without a name.
pub(super) fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto::new(op, "", inputs, outputs)
}

/// A float value of this shape.
pub(super) fn value(name: &str, shape: &[Dim]) -> ValueInfoProto {
    ValueInfoProto::tensor(name, DataType::Float, shape)
}

/// A graph of float inputs and outputs of shape `[n]`.
pub(super) fn graph(inputs: &[&str], outputs: &[&str], nodes: Vec<NodeProto>) -> GraphProto {
    let values = |names: &[&str]| names.iter().map(|name| value(name, &["n".into()])).collect();
    GraphProto {
        name: Some("g".into()),
        input: values(inputs),
        output: values(outputs),
        node: nodes,
        ..GraphProto::default()
    }
}

/// A document of opset 17 around such a graph, with initializers.
pub(super) fn document(graph: GraphProto, initializers: Vec<TensorProto>) -> Document {
    let mut document = Document::new(graph, 17);
    document.graph.initializer = initializers;
    document
}

/// The node with a subgraph.
pub(super) fn with_body(mut node: NodeProto, attribute: &str, body: GraphProto) -> NodeProto {
    let mut made =
        AttributeProto { name: Some(attribute.into()), g: Some(Box::new(body)), ..AttributeProto::default() };
    made.set_type(AttributeType::Graph);
    node.attribute.push(made);
    node
}

/// The operators of the main graph, in order.
pub(super) fn ops(document: &Document) -> Vec<&str> {
    document.graph.node.iter().map(NodeProto::op_type).collect()
}
