//! A first walk over a model's bytes, before anything is allocated for them.
//!
//! prost drops fields it does not know, and a message costs two bytes in a file but hundreds in memory. The
//! walk finds both: which fields would be lost, and whether a file asks for more messages than its size can
//! honestly hold. It follows <https://protobuf.dev/programming-guides/encoding/>.

use thiserror::Error;

/// No submessage in this field.
const LEAF: u8 = u8::MAX;

/// Deepest nesting that is followed; prost stops at 100, and real models stay below 30.
const MAX_DEPTH: usize = 96;

/// Messages any model may hold, however small its file.
const FREE_MESSAGES: usize = 1_000_000;

/// Bytes of file that pay for one message beyond [`FREE_MESSAGES`].
const BYTES_PER_MESSAGE: usize = 16;

/// The messages of onnx-ml.proto (onnx 1.23.2): name, and for each field its number and the row of the
/// message inside it. The first row is the document itself.
const MESSAGES: &[(&str, &[(u32, u8)])] = &[
    (
        "ModelProto",
        &[
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
    ),
    ("OperatorSetIdProto", &[(1, LEAF), (2, LEAF)]),
    (
        "GraphProto",
        &[(1, 3), (2, LEAF), (5, 5), (10, LEAF), (11, 23), (12, 23), (13, 23), (14, 24), (15, 8), (16, 7)],
    ),
    (
        "NodeProto",
        &[
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
    ),
    (
        "AttributeProto",
        &[
            (1, LEAF),
            (2, LEAF),
            (3, LEAF),
            (4, LEAF),
            (5, 5),
            (6, 2),
            (7, LEAF),
            (8, LEAF),
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
    ),
    (
        "TensorProto",
        &[
            (1, LEAF),
            (2, LEAF),
            (3, 6),
            (4, LEAF),
            (5, LEAF),
            (6, LEAF),
            (7, LEAF),
            (8, LEAF),
            (9, LEAF),
            (10, LEAF),
            (11, LEAF),
            (12, LEAF),
            (13, 7),
            (14, LEAF),
            (16, 7),
        ],
    ),
    ("TensorProto.Segment", &[(1, LEAF), (2, LEAF)]),
    ("StringStringEntryProto", &[(1, LEAF), (2, LEAF)]),
    ("SparseTensorProto", &[(1, 5), (2, 5), (3, LEAF)]),
    ("TypeProto", &[(1, 10), (4, 13), (5, 14), (6, LEAF), (7, 17), (8, 16), (9, 15)]),
    ("TypeProto.Tensor", &[(1, LEAF), (2, 11)]),
    ("TensorShapeProto", &[(1, 12)]),
    ("TensorShapeProto.Dimension", &[(1, LEAF), (2, LEAF), (3, LEAF)]),
    ("TypeProto.Sequence", &[(1, 9)]),
    ("TypeProto.Map", &[(1, LEAF), (2, 9)]),
    ("TypeProto.Optional", &[(1, 9)]),
    ("TypeProto.SparseTensor", &[(1, LEAF), (2, 11)]),
    ("TypeProto.Opaque", &[(1, LEAF), (2, LEAF)]),
    ("NodeDeviceConfigurationProto", &[(1, LEAF), (2, 19), (3, LEAF)]),
    ("ShardingSpecProto", &[(1, LEAF), (2, LEAF), (3, 20), (4, 21)]),
    ("IntIntListEntryProto", &[(1, LEAF), (2, LEAF)]),
    ("ShardedDimProto", &[(1, LEAF), (2, 22)]),
    ("SimpleShardedDimProto", &[(1, LEAF), (2, LEAF), (3, LEAF)]),
    ("ValueInfoProto", &[(1, LEAF), (2, 9), (3, LEAF), (4, 7)]),
    ("TensorAnnotation", &[(1, LEAF), (2, 7)]),
    ("TrainingInfoProto", &[(1, 2), (2, 2), (3, 7), (4, 7)]),
    (
        "FunctionProto",
        &[
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
    ),
    ("DeviceConfigurationProto", &[(1, LEAF), (2, LEAF), (3, LEAF)]),
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
    /// More messages than the file's size can honestly hold.
    #[error("more than {limit} messages, which a model of this size does not hold")]
    TooMany {
        /// How many would have been taken.
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
    let limit = FREE_MESSAGES + bytes.len() / BYTES_PER_MESSAGE;
    let mut walk = Walk { bytes, limit, messages: 0, unknown: None };
    walk.message(0, 0, bytes.len(), 0)?;
    Ok(walk.unknown)
}

struct Walk<'b> {
    bytes: &'b [u8],
    limit: usize,
    messages: usize,
    unknown: Option<UnknownFields>,
}

impl Walk<'_> {
    /// Walks over `bytes[at..end]` as the message in row `kind`.
    fn message(&mut self, kind: u8, mut at: usize, end: usize, depth: usize) -> Result<(), WireError> {
        let Some(&(message, fields)) = MESSAGES.get(usize::from(kind)) else { return Ok(()) };
        if depth > MAX_DEPTH {
            return Err(WireError::TooDeep { at });
        }
        self.messages += 1;
        if self.messages > self.limit {
            return Err(WireError::TooMany { limit: self.limit });
        }
        while at < end {
            let start = at;
            let tag = self.varint(message, &mut at, end)?;
            let number = u32::try_from(tag >> 3).unwrap_or(0);
            if number == 0 {
                return Err(WireError::Invalid { message, at: start });
            }
            let length = match tag & 7 {
                0 => {
                    self.varint(message, &mut at, end)?;
                    0
                }
                1 => 8,
                2 => self.varint(message, &mut at, end)?,
                5 => 4,
                _ => return Err(WireError::Invalid { message, at: start }),
            };
            let left = end - at;
            let length = usize::try_from(length)
                .ok()
                .filter(|&length| length <= left)
                .ok_or(WireError::Short { message, at: start, needed: length, left })?;
            match fields.iter().find(|(known, _)| *known == number) {
                Some(&(_, LEAF)) => {}
                Some(&(_, inner)) => self.message(inner, at, at + length, depth + 1)?,
                None => self.lose(message, number, at + length - start),
            }
            at += length;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_are_refused_before_anything_is_allocated() {
        let deep = (0..200).fold(vec![], |inner: Vec<u8>, _| nest(&nest(&nest(&inner, 6), 5), 1));
        let many = [0x0a, 0x00].repeat(FREE_MESSAGES + 200_000);
        let cases: [(&str, Vec<u8>, &str); 6] = [
            ("text", b"This is not a model\n".to_vec(), "no valid field of ModelProto"),
            (
                "length beyond the end",
                vec![0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f],
                "needs 4294967295 bytes, 0 are left",
            ),
            ("varint without end", vec![0x80; 12], "no valid field"),
            ("cut in a varint", vec![0x08, 0x80], "are left"),
            ("deep nesting", nest(&deep, 7), "levels deep"),
            ("many empty nodes", nest(&many, 7), "more than"),
        ];
        for (name, bytes, expected) in cases {
            let message = walk(&bytes).unwrap_err().to_string();
            assert!(message.contains(expected), "{name}: {message}");
        }
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
