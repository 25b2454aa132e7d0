//! ONNX models built in code: just enough of the protobuf encoding for tests.

/// Element types by their ONNX number.
pub const FLOAT: u64 = 1;
pub const INT64: u64 = 7;
pub const STRING: u64 = 8;
pub const BOOL: u64 = 9;
pub const FLOAT16: u64 = 10;

/// An input or output: name, element type, axes (`None`: open).
pub struct Value<'a>(pub &'a str, pub u64, pub &'a [Option<u64>]);

/// A node: operator, inputs, outputs.
pub struct Node<'a>(pub &'a str, pub &'a [&'a str], pub &'a [&'a str]);

/// A constant: name, element type, axes, bytes.
pub struct Constant<'a>(pub &'a str, pub u64, pub &'a [u64], pub Vec<u8>);

/// A model of opset 17.
pub fn model(nodes: &[Node], inputs: &[Value], outputs: &[Value], constants: &[Constant]) -> Vec<u8> {
    let mut graph = Vec::new();
    for (i, node) in nodes.iter().enumerate() {
        graph.extend(bytes(1, &encode_node(node, i)));
    }
    graph.extend(bytes(2, b"test"));
    for constant in constants {
        graph.extend(bytes(5, &encode_constant(constant)));
    }
    for input in inputs {
        graph.extend(bytes(11, &encode_value(input)));
    }
    for output in outputs {
        graph.extend(bytes(12, &encode_value(output)));
    }
    let opset = [bytes(1, b""), number(2, 17)].concat();
    [number(1, 8), bytes(7, &graph), bytes(8, &opset)].concat()
}

fn encode_node(Node(op, inputs, outputs): &Node, i: usize) -> Vec<u8> {
    let mut node = Vec::new();
    inputs.iter().for_each(|name| node.extend(bytes(1, name.as_bytes())));
    outputs.iter().for_each(|name| node.extend(bytes(2, name.as_bytes())));
    node.extend(bytes(3, format!("{op}_{i}").as_bytes()));
    node.extend(bytes(4, op.as_bytes()));
    node
}

fn encode_value(Value(name, element, axes): &Value) -> Vec<u8> {
    let shape: Vec<u8> = axes
        .iter()
        .enumerate()
        .flat_map(|(i, axis)| {
            let axis = match axis {
                Some(length) => number(1, *length),
                None => bytes(2, format!("open_{name}_{i}").as_bytes()),
            };
            bytes(1, &axis)
        })
        .collect();
    let tensor = [number(1, *element), bytes(2, &shape)].concat();
    [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
}

fn encode_constant(Constant(name, element, axes, data): &Constant) -> Vec<u8> {
    let mut tensor: Vec<u8> = axes.iter().flat_map(|&length| number(1, length)).collect();
    tensor.extend(number(2, *element));
    tensor.extend(bytes(8, name.as_bytes()));
    tensor.extend(bytes(9, data));
    tensor
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// Floats as the bytes of a constant.
pub fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// `Y[1,4] = X[1,4] + [10, 20, 30, 40]`
pub fn add() -> Vec<u8> {
    let shape = [Some(1), Some(4)];
    model(
        &[Node("Add", &["X", "B"], &["Y"])],
        &[Value("X", FLOAT, &shape)],
        &[Value("Y", FLOAT, &shape)],
        &[Constant("B", FLOAT, &[1, 4], floats(&[10.0, 20.0, 30.0, 40.0]))],
    )
}
