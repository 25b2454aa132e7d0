//! A first walk over a model's bytes, before anything is allocated for them.
//!
//! prost drops fields it does not know, and a message costs two bytes in a file but hundreds in memory. The
//! walk finds both: which fields would be lost, and whether a file asks for more memory than a model of its size
//! honestly needs. It follows <https://protobuf.dev/programming-guides/encoding/>.

use thiserror::Error;

use crate::onnx::*;

/// No submessage in this field.
const LEAF: u8 = u8::MAX;

/// Integers, of which a byte of file can hold one.
const INTEGERS: u8 = u8::MAX - 1;

/// Deepest nesting that is followed; prost stops at 100, and real models stay below 30.
const MAX_DEPTH: usize = 96;

/// Memory that the structs of any model may take, however small its file.
const FREE_MEMORY: usize = 80 << 20;

/// Bytes of memory that a byte of file pays for beyond [`FREE_MEMORY`]. Nodes need more, ten to thirty times their
/// own bytes; weights need none, since they stay in the file's buffer, and a model of 100,000 nodes has some.
const MEMORY_PER_BYTE: usize = 8;

/// The least that an allocation takes.
const CHUNK: usize = 32;

/// A message of onnx-ml.proto (onnx 1.23.2) and what it costs in memory.
struct Message {
    name: &'static str,
    /// Bytes of its struct.
    size: usize,
    /// Numbers of the fields that become a `Vec`.
    repeated: &'static [u32],
    /// Each field's number, and the row of the message inside it.
    fields: &'static [(u32, u8)],
}

/// The first row is the document itself.
const MESSAGES: &[Message] = &[
    Message {
        name: "ModelProto",
        size: size_of::<ModelProto>(),
        repeated: &[8, 14, 20, 25, 26],
        fields: &[
            (1, LEAF),
            (2, LEAF),
            (3, LEAF),
            (4, LEAF),
            (5, LEAF),
            (6, LEAF),
            (7, 2),
            (8, 1),
            (14, 7),
            (20, 25),
            (25, 26),
            (26, 27),
        ],
    },
    Message {
        name: "OperatorSetIdProto",
        size: size_of::<OperatorSetIdProto>(),
        repeated: &[],
        fields: &[(1, LEAF), (2, LEAF)],
    },
    Message {
        name: "GraphProto",
        size: size_of::<GraphProto>(),
        repeated: &[1, 5, 11, 12, 13, 14, 15, 16],
        fields: &[
            (1, 3),
            (2, LEAF),
            (5, 5),
            (10, LEAF),
            (11, 23),
            (12, 23),
            (13, 23),
            (14, 24),
            (15, 8),
            (16, 7),
        ],
    },
    Message {
        name: "NodeProto",
        size: size_of::<NodeProto>(),
        repeated: &[1, 2, 5, 9, 10],
        fields: &[
            (1, LEAF),
            (2, LEAF),
            (3, LEAF),
            (4, LEAF),
            (5, 4),
            (6, LEAF),
            (7, LEAF),
            (8, LEAF),
            (9, 7),
            (10, 18),
        ],
    },
    Message {
        name: "AttributeProto",
        size: size_of::<AttributeProto>(),
        repeated: &[7, 8, 9, 10, 11, 15, 23],
        fields: &[
            (1, LEAF),
            (2, LEAF),
            (3, LEAF),
            (4, LEAF),
            (5, 5),
            (6, 2),
            (7, LEAF),
            (8, INTEGERS),
            (9, LEAF),
            (10, 5),
            (11, 2),
            (13, LEAF),
            (14, 9),
            (15, 9),
            (20, LEAF),
            (21, LEAF),
            (22, 8),
            (23, 8),
        ],
    },
    Message {
        name: "TensorProto",
        size: size_of::<TensorProto>(),
        repeated: &[1, 4, 5, 6, 7, 10, 11, 13, 16],
        fields: &[
            (1, INTEGERS),
            (2, LEAF),
            (3, 6),
            (4, LEAF),
            (5, INTEGERS),
            (6, LEAF),
            (7, INTEGERS),
            (8, LEAF),
            (9, LEAF),
            (10, LEAF),
            (11, INTEGERS),
            (12, LEAF),
            (13, 7),
            (14, LEAF),
            (16, 7),
        ],
    },
    Message {
        name: "TensorProto.Segment",
        size: size_of::<tensor_proto::Segment>(),
        repeated: &[],
        fields: &[(1, LEAF), (2, LEAF)],
    },
    Message {
        name: "StringStringEntryProto",
        size: size_of::<StringStringEntryProto>(),
        repeated: &[],
        fields: &[(1, LEAF), (2, LEAF)],
    },
    Message {
        name: "SparseTensorProto",
        size: size_of::<SparseTensorProto>(),
        repeated: &[3],
        fields: &[(1, 5), (2, 5), (3, INTEGERS)],
    },
    Message {
        name: "TypeProto",
        size: size_of::<TypeProto>(),
        repeated: &[],
        fields: &[(1, 10), (4, 13), (5, 14), (6, LEAF), (7, 17), (8, 16), (9, 15)],
    },
    Message {
        name: "TypeProto.Tensor",
        size: size_of::<type_proto::Tensor>(),
        repeated: &[],
        fields: &[(1, LEAF), (2, 11)],
    },
    Message {
        name: "TensorShapeProto",
        size: size_of::<TensorShapeProto>(),
        repeated: &[1],
        fields: &[(1, 12)],
    },
    Message {
        name: "TensorShapeProto.Dimension",
        size: size_of::<tensor_shape_proto::Dimension>(),
        repeated: &[],
        fields: &[(1, LEAF), (2, LEAF), (3, LEAF)],
    },
    Message {
        name: "TypeProto.Sequence",
        size: size_of::<type_proto::Sequence>(),
        repeated: &[],
        fields: &[(1, 9)],
    },
    Message {
        name: "TypeProto.Map",
        size: size_of::<type_proto::Map>(),
        repeated: &[],
        fields: &[(1, LEAF), (2, 9)],
    },
    Message {
        name: "TypeProto.Optional",
        size: size_of::<type_proto::Optional>(),
        repeated: &[],
        fields: &[(1, 9)],
    },
    Message {
        name: "TypeProto.SparseTensor",
        size: size_of::<type_proto::SparseTensor>(),
        repeated: &[],
        fields: &[(1, LEAF), (2, 11)],
    },
    Message {
        name: "TypeProto.Opaque",
        size: size_of::<type_proto::Opaque>(),
        repeated: &[],
        fields: &[(1, LEAF), (2, LEAF)],
    },
    Message {
        name: "NodeDeviceConfigurationProto",
        size: size_of::<NodeDeviceConfigurationProto>(),
        repeated: &[2],
        fields: &[(1, LEAF), (2, 19), (3, LEAF)],
    },
    Message {
        name: "ShardingSpecProto",
        size: size_of::<ShardingSpecProto>(),
        repeated: &[2, 3, 4],
        fields: &[(1, LEAF), (2, INTEGERS), (3, 20), (4, 21)],
    },
    Message {
        name: "IntIntListEntryProto",
        size: size_of::<IntIntListEntryProto>(),
        repeated: &[2],
        fields: &[(1, LEAF), (2, INTEGERS)],
    },
    Message {
        name: "ShardedDimProto",
        size: size_of::<ShardedDimProto>(),
        repeated: &[2],
        fields: &[(1, LEAF), (2, 22)],
    },
    Message {
        name: "SimpleShardedDimProto",
        size: size_of::<SimpleShardedDimProto>(),
        repeated: &[],
        fields: &[(1, LEAF), (2, LEAF), (3, LEAF)],
    },
    Message {
        name: "ValueInfoProto",
        size: size_of::<ValueInfoProto>(),
        repeated: &[4],
        fields: &[(1, LEAF), (2, 9), (3, LEAF), (4, 7)],
    },
    Message {
        name: "TensorAnnotation",
        size: size_of::<TensorAnnotation>(),
        repeated: &[2],
        fields: &[(1, LEAF), (2, 7)],
    },
    Message {
        name: "TrainingInfoProto",
        size: size_of::<TrainingInfoProto>(),
        repeated: &[3, 4],
        fields: &[(1, 2), (2, 2), (3, 7), (4, 7)],
    },
    Message {
        name: "FunctionProto",
        size: size_of::<FunctionProto>(),
        repeated: &[4, 5, 6, 7, 9, 11, 12, 14],
        fields: &[
            (1, LEAF),
            (4, LEAF),
            (5, LEAF),
            (6, LEAF),
            (7, 3),
            (8, LEAF),
            (9, 1),
            (10, LEAF),
            (11, 4),
            (12, 23),
            (13, LEAF),
            (14, 7),
        ],
    },
    Message {
        name: "DeviceConfigurationProto",
        size: size_of::<DeviceConfigurationProto>(),
        repeated: &[3],
        fields: &[(1, LEAF), (2, LEAF), (3, LEAF)],
    },
];

/// Why bytes are no protobuf message that can be taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireError {
    /// The bytes end inside a field, or a field claims more bytes than its message has left.
    #[error("damaged at byte {at}: a field of {message} needs {needed} bytes, {left} are left")]
    Short {
        /// The message's name in onnx-ml.proto.
        message: &'static str,
        /// Offset in the file.
        at: usize,
        /// Bytes the field claims.
        needed: u64,
        /// Bytes its message has left.
        left: usize,
    },
    /// Bytes that cannot start or end a field.
    #[error("damaged at byte {at}: no valid field of {message} starts there")]
    Invalid {
        /// The message's name in onnx-ml.proto.
        message: &'static str,
        /// Offset in the file.
        at: usize,
    },
    /// Messages inside messages, more than any model has.
    #[error("nested more than {MAX_DEPTH} levels deep at byte {at}")]
    TooDeep {
        /// Offset in the file.
        at: usize,
    },
    /// More memory than a file of this size can honestly need.
    #[error("its graph would take more than {} MB of memory, which no model of this size needs", limit >> 20)]
    TooMuch {
        /// Bytes that would have been taken.
        limit: usize,
    },
}

/// Fields that this version of the format does not know; writing the document again would lose them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{bytes} bytes in fields that this version does not know would be lost, first field {field} of {message}; \
     the model was written by a newer onnx than 1.23"
)]
pub struct UnknownFields {
    /// How many bytes, tags included.
    pub bytes: usize,
    /// The message that holds the first of them.
    pub message: &'static str,
    /// Number of the first of them.
    pub field: u32,
}

/// Walks over an encoded `ModelProto`; what is not known comes back, what cannot be taken is an error.
pub(crate) fn walk(bytes: &[u8]) -> Result<Option<UnknownFields>, WireError> {
    let limit = bytes.len().saturating_mul(MEMORY_PER_BYTE).saturating_add(FREE_MEMORY);
    let mut walk = Walk { bytes, limit, memory: 0, unknown: None };
    walk.message(0, 0, bytes.len(), 0)?;
    Ok(walk.unknown)
}

struct Walk<'b> {
    bytes: &'b [u8],
    limit: usize,
    /// Bytes that decoding will take.
    memory: usize,
    unknown: Option<UnknownFields>,
}

impl Walk<'_> {
    /// Walks over `bytes[at..end]` as the message in row `kind`.
    fn message(&mut self, kind: u8, mut at: usize, end: usize, depth: usize) -> Result<(), WireError> {
        let Some(message) = MESSAGES.get(usize::from(kind)) else { return Ok(()) };
        let (name, mut seen) = (message.name, 0u32);
        if depth > MAX_DEPTH {
            return Err(WireError::TooDeep { at });
        }
        while at < end {
            let start = at;
            let tag = self.varint(name, &mut at, end)?;
            let number = u32::try_from(tag >> 3).unwrap_or(0);
            if number == 0 {
                return Err(WireError::Invalid { message: name, at: start });
            }
            let length = match tag & 7 {
                0 => {
                    self.varint(name, &mut at, end)?;
                    0
                }
                1 => 8,
                2 => self.varint(name, &mut at, end)?,
                5 => 4,
                _ => return Err(WireError::Invalid { message: name, at: start }),
            };
            let left = end - at;
            let length = usize::try_from(length)
                .ok()
                .filter(|&length| length <= left)
                .ok_or(WireError::Short { message: name, at: start, needed: length, left })?;
            match message.fields.iter().position(|(known, _)| *known == number) {
                Some(index) => {
                    let inner = message.fields[index].1;
                    let first = seen & (1 << index) == 0;
                    seen |= 1 << index;
                    let packed = (tag & 7 == 2).then_some(length);
                    self.pay(element_cost(inner, packed, message.repeated.contains(&number), first))?;
                    self.message(inner, at, at + length, depth + 1)?;
                }
                None => self.lose(name, number, at + length - start),
            }
            at += length;
        }
        Ok(())
    }

    fn pay(&mut self, bytes: usize) -> Result<(), WireError> {
        self.memory = self.memory.saturating_add(bytes);
        if self.memory > self.limit {
            return Err(WireError::TooMuch { limit: self.limit });
        }
        Ok(())
    }

    fn varint(&self, message: &'static str, at: &mut usize, end: usize) -> Result<u64, WireError> {
        let start = *at;
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            if *at >= end {
                return Err(WireError::Short { message, at: start, needed: 1, left: 0 });
            }
            let byte = self.bytes[*at];
            *at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(WireError::Invalid { message, at: start })
    }

    fn lose(&mut self, message: &'static str, field: u32, bytes: usize) {
        self.unknown.get_or_insert(UnknownFields { bytes: 0, message, field }).bytes += bytes;
    }
}

/// Bytes of memory that one field takes beyond its message: `inner` is its row, `packed` its length if it is
/// length-delimited.
fn element_cost(inner: u8, packed: Option<usize>, repeated: bool, first: bool) -> usize {
    let heap = if packed.is_some_and(|length| length > 0) { CHUNK } else { 0 };
    let (element, heap) = match (MESSAGES.get(usize::from(inner)), packed) {
        (Some(message), _) => (message.size, 0),
        (None, Some(length)) if inner == INTEGERS => (0, length.saturating_mul(size_of::<i64>())),
        (None, Some(_)) => (size_of::<String>(), heap),
        (None, None) => (size_of::<i64>(), 0),
    };
    match (repeated, first) {
        // A Vec starts with room for four, or one if they are large.
        (true, true) if element <= 1024 => heap.saturating_add(4 * element),
        (true, _) => heap.saturating_add(element),
        // A message in a field of its own may lie in a box; everything else is part of the struct.
        (false, _) if usize::from(inner) < MESSAGES.len() => element,
        (false, _) => heap,
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::Attribute;

    #[test]
    fn hostile_bytes_are_refused_before_anything_is_allocated() {
        let deep = (0..200).fold(vec![], |inner: Vec<u8>, _| nest(&nest(&nest(&inner, 6), 5), 1));
        let many = |node: &[u8]| nest(&nest(node, 1).repeat(10_000_000 / (node.len() + 2)), 7);
        let cases: [(&str, Vec<u8>, &str); 8] = [
            ("text", b"This is not a model\n".to_vec(), "no valid field of ModelProto"),
            (
                "length beyond the end",
                vec![0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f],
                "needs 4294967295 bytes, 0 are left",
            ),
            ("varint without end", vec![0x80; 12], "no valid field"),
            ("cut in a varint", vec![0x08, 0x80], "are left"),
            ("deep nesting", nest(&deep, 7), "levels deep"),
            ("many empty nodes", many(&[]), "more than"),
            (
                "many nodes with one of each",
                many(&[0x0a, 0, 0x12, 0, 0x2a, 0, 0x4a, 0, 0x52, 0]),
                "more than",
            ),
            ("many names", nest(&nest(&[0x0a, 1, b'a'].repeat(3_500_000), 1), 7), "more than"),
        ];
        for (name, bytes, expected) in cases {
            let message = walk(&bytes).unwrap_err().to_string();
            assert!(message.contains(expected), "{name}: {message}");
        }
    }

    /// The densest that exporters write: numbers for names, no shapes, and hardly any weights.
    #[test]
    fn a_large_real_graph_is_taken() {
        let nodes = (0..100_000u32).map(|n| {
            let (input, output) = (format!("{}", n + 10_000), format!("{}", n + 10_001));
            let node = NodeProto::new("Conv", &format!("Conv_{n}"), &[&input, "w", "b"], &[&output]);
            if n % 5 < 3 { node.with("pads", Attribute::Ints(vec![1, 1, 1, 1])) } else { node }
        });
        let weights = TensorProto::new("w", &[1_000_000], &[0f32; 1_000_000]);
        let graph = GraphProto { node: nodes.collect(), initializer: vec![weights], ..GraphProto::default() };
        let bytes = ModelProto { graph: Some(graph), ..ModelProto::default() }.encode_to_vec();
        assert_eq!(walk(&bytes), Ok(None));
    }

    #[test]
    fn unknown_fields_are_counted() {
        let known = [0x08, 0x08];
        let unknown = [0xf8, 0x07, 0x01]; // field 127, varint
        let graph = nest(&unknown, 7);
        assert_eq!(walk(&known), Ok(None));
        assert_eq!(
            walk(&[&known[..], &graph, &unknown].concat()),
            Ok(Some(UnknownFields { bytes: 6, message: "GraphProto", field: 127 }))
        );
    }

    /// `inner` as length-delimited field `number`.
    fn nest(inner: &[u8], number: u8) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        prost::encoding::encode_varint(inner.len() as u64, &mut bytes);
        bytes.extend_from_slice(inner);
        bytes
    }
}
