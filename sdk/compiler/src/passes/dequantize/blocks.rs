//! MatMulNBits: weights of 4 or 8 bits in blocks become a float matrix.

use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{NodeProto, TensorProto};

use super::constants;
use super::{Turn, Walk};

/// The weights as MatMulNBits keeps them: a row for each output, in blocks of bytes (ONNX Runtime,
/// ContribOperators.md).
struct Packed {
    rows: usize,
    length: usize,
    bits: usize,
    block: usize,
}

impl Walk<'_> {
    pub(super) fn weight_only(&mut self, node: &NodeProto) -> Result<Turn, String> {
        if node.op_type() != "MatMulNBits" {
            return Err("no float operator is known for it".to_owned());
        }
        if node.input(4).is_some() {
            return Err("it reorders its groups (g_idx)".to_owned());
        }
        let packed = Packed::of(node)?;
        let read = |place: usize, what: &str| {
            self.constant(node.input(place)).ok_or_else(|| format!("its {what} are not constant"))
        };
        let (weights, scales) = (read(1, "weights")?, read(2, "scales")?);
        let zeros = node.input(3).map(|_| read(3, "zero points")).transpose()?;
        let values = packed.values(weights, scales, zeros)?;
        let dims = [packed.length as i64, packed.rows as i64];
        let matrix = constants::float_tensor("", &dims, &values, scales.data_type())?;
        let matrix = self.add_constant(node.input(1).unwrap_or("weights"), matrix);
        self.report.constants += 1;
        self.report.operators += 1;
        let input = node.input(0).ok_or("it has no input")?;
        self.matmul(node, input, &matrix, node.input(5));
        Ok(Turn::Replaced)
    }

    /// A MatMul, and an Add where there is a bias, in a node's place.
    pub(super) fn matmul(&mut self, node: &NodeProto, input: &str, matrix: &str, bias: Option<&str>) {
        let output = &node.output[0];
        let Some(bias) = bias else {
            self.push(NodeProto::new("MatMul", node.name(), &[input, matrix], &[output]));
            return;
        };
        let product = self.names.fresh(&format!("{output}_product"));
        self.push(NodeProto::new("MatMul", node.name(), &[input, matrix], &[&product]));
        let name = self.names.fresh(&format!("{}_bias", node.label()));
        self.push(NodeProto::new("Add", &name, &[&product, bias], &[output]));
    }
}

impl Packed {
    fn of(node: &NodeProto) -> Result<Self, String> {
        let size = |name: &str| node.int(name).and_then(|size| usize::try_from(size).ok()).filter(|&n| n > 0);
        let bits = node.int("bits").unwrap_or(4);
        let (Some(rows), Some(length), Some(block)) = (size("N"), size("K"), size("block_size")) else {
            return Err("N, K or block_size is missing".to_owned());
        };
        match bits {
            4 | 8 => Ok(Self { rows, length, bits: bits as usize, block }),
            _ => Err(format!("its weights have {bits} bits; 4 and 8 are known")),
        }
    }

    /// The matrix `[K, N]`.
    fn values(
        &self,
        weights: &TensorProto,
        scales: &TensorProto,
        zeros: Option<&TensorProto>,
    ) -> Result<Vec<f32>, String> {
        let blocks = self.length.div_ceil(self.block);
        let bytes_of_block = self.block.saturating_mul(self.bits).div_ceil(8);
        let weights = bytes(weights, self.rows.saturating_mul(blocks).saturating_mul(bytes_of_block))?;
        let scales = constants::floats(scales)?;
        if scales.len() != self.rows * blocks {
            return Err(format!("{} scales, {} are needed", scales.len(), self.rows * blocks));
        }
        let zeros = self.zeros(zeros, blocks)?;
        let mut values = vec![0.0; self.rows * self.length];
        for row in 0..self.rows {
            for at in 0..self.length {
                let place = row * blocks + at / self.block;
                let packed = &weights[place * bytes_of_block..][..bytes_of_block];
                let value = self.unpack(packed, at % self.block);
                values[at * self.rows + row] = (value - zeros[place]) * scales[place];
            }
        }
        Ok(values)
    }

    /// A zero point for each block: the middle where none is given; packed like the weights, each row from a
    /// new byte on; or numbers.
    fn zeros(&self, zeros: Option<&TensorProto>, blocks: usize) -> Result<Vec<f32>, String> {
        let count = self.rows * blocks;
        let Some(tensor) = zeros else { return Ok(vec![(1u32 << (self.bits - 1)) as f32; count]) };
        if tensor.data_type() != DataType::Uint8 as i32 {
            let zeros = constants::floats(tensor)?;
            let found = zeros.len();
            return if found == count {
                Ok(zeros)
            } else {
                Err(format!("{found} zero points, {count} are needed"))
            };
        }
        let bytes_of_row = (blocks * self.bits).div_ceil(8);
        let packed = bytes(tensor, self.rows * bytes_of_row)?;
        let row = |row: &[u8]| (0..blocks).map(|at| self.unpack(row, at)).collect::<Vec<_>>();
        Ok(packed.chunks_exact(bytes_of_row).flat_map(row).collect())
    }

    /// Value `at` of packed ones, the low half of a byte first.
    fn unpack(&self, bytes: &[u8], at: usize) -> f32 {
        f32::from(match self.bits {
            8 => bytes[at],
            _ if at.is_multiple_of(2) => bytes[at / 2] & 15,
            _ => bytes[at / 2] >> 4,
        })
    }
}

fn bytes(tensor: &TensorProto, expected: usize) -> Result<Vec<u8>, String> {
    let bytes = tensor.values::<u8>().map_err(|error| error.to_string())?;
    if bytes.len() == expected {
        return Ok(bytes);
    }
    Err(format!("{:?} holds {} bytes, {expected} are needed", tensor.name(), bytes.len()))
}
