//! Operators whose activations are quantized at each run: ConvInteger and MatMulInteger with the Cast and the
//! Mul behind them, and ONNX Runtime's fusions of that.

use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{NodeProto, TensorProto};

use super::constants::Layout;
use super::twins::Params;
use super::{Turn, Walk};

impl<'g> Walk<'g> {
    /// ConvInteger and MatMulInteger wait for the Mul that scales what they make; the fusions hold it.
    pub(super) fn dynamic(&mut self, node: &NodeProto) -> Result<Turn, String> {
        match node.op_type() {
            "ConvInteger" | "MatMulInteger" => {
                Err("what it makes is read by more than a Cast to float and a Mul by two scales".to_owned())
            }
            "MatMulIntegerToFloat" => self.fused(node, Some((2, 4)), (3, 5), 6),
            "DynamicQuantizeMatMul" => self.fused(node, None, (2, 3), 4),
            _ => Err("no float operator is known for it".to_owned()),
        }
    }

    /// A fused product: where scale and zero point of the first input lie (none: it is float), those of the
    /// matrix, and the bias.
    fn fused(
        &mut self,
        node: &NodeProto,
        input: Option<(usize, usize)>,
        matrix: (usize, usize),
        bias: usize,
    ) -> Result<Turn, String> {
        let (Some(mut left), Some(right)) = (node.input(0).map(str::to_owned), node.input(1)) else {
            return Err("an input is missing".to_owned());
        };
        let right = self.float(right, &Params::at(node, matrix.0, matrix.1, -1)?)?;
        if let Some((scale, zero)) = input {
            left = self.float(&left, &Params::at(node, scale, zero, 0)?)?;
        }
        self.report.operators += 1;
        self.matmul(node, &left, &right, node.input(bias));
        Ok(Turn::Replaced)
    }

    /// A Mul that scales the product of integers becomes the float product.
    pub(super) fn scaled_product(&mut self, node: &NodeProto) -> Result<Turn, String> {
        let [a, b] = &node.input[..] else { return Ok(Turn::Kept) };
        let (product, scale) = match (self.integer_product(a), self.integer_product(b)) {
            (Some(product), None) => (product, b),
            (None, Some(product)) => (product, a),
            _ => return Ok(Turn::Kept),
        };
        let inputs = match self.factors(product, scale) {
            Ok(inputs) => inputs,
            Err(reason) => {
                self.reasons.insert(product.output[0].clone(), reason);
                return Ok(Turn::Kept);
            }
        };
        let mut made = product.clone();
        made.op_type = Some(if product.is("ConvInteger") { "Conv" } else { "MatMul" }.to_owned());
        (made.input, made.output) = (inputs.into(), node.output.clone());
        if product.is("ConvInteger") {
            self.bare_convs.insert(node.output[0].clone(), self.nodes.len());
        }
        self.push(made);
        self.report.operators += 1;
        Ok(Turn::Replaced)
    }

    /// The ConvInteger or MatMulInteger whose result a Cast to float32 made this value.
    fn integer_product(&self, name: &str) -> Option<&'g NodeProto> {
        let maker = |name: &str| Some(&self.source.node[self.links.producer(name)?]);
        let cast = maker(name).filter(|node| node.is("Cast"))?;
        if cast.int("to") != Some(DataType::Float as i64) {
            return None;
        }
        maker(cast.input(0)?).filter(|node| node.is("ConvInteger") || node.is("MatMulInteger"))
    }

    /// The float values behind both inputs of a product of integers that is scaled by `scale`.
    fn factors(&mut self, product: &NodeProto, scale: &str) -> Result<[String; 2], String> {
        let maker = self.links.producer(scale).map(|place| &self.source.node[place]);
        let Some([first, second]) = maker.filter(|node| node.is("Mul")).map(|node| &node.input[..]) else {
            return Err("what it makes is not scaled by the product of two scales".to_owned());
        };
        let is_second = match product.input(0).and_then(|left| self.twins.get(left)) {
            Some(twin) => twin.params.scale == *second,
            // Rows of an embedding have one scale.
            None => self.constant(Some(first)).is_some_and(|scale| scale.count() != Ok(1)),
        };
        self.factors_by(product, if is_second { [second, first] } else { [first, second] })
    }

    fn factors_by(&mut self, product: &NodeProto, scales: [&str; 2]) -> Result<[String; 2], String> {
        let (Some(left), Some(right)) = (product.input(0), product.input(1)) else {
            return Err("an input is missing".to_owned());
        };
        let is_conv = product.is("ConvInteger");
        if let Some(tensor) = self.constant(Some(scales[1]))
            && let Some(weights) = self.constant(Some(right))
            && !(if is_conv { is_per_channel(tensor, weights) } else { is_per_column(tensor, weights) })
        {
            return Err(format!("its weights' scales have the shape {:?}", tensor.dims));
        }
        let unknown = "its input is no quantized float value";
        let params = |scale: &str, zero: usize, axis| {
            Params::new(Some(scale), product.input(zero), Layout::axis(axis))
        };
        let left = self.known_float(left, &params(scales[0], 2, 0)?)?.ok_or(unknown)?;
        let axis = if is_conv { 0 } else { -1 };
        let right = self.known_float(right, &params(scales[1], 3, axis)?)?.ok_or(unknown)?;
        Ok([left, right])
    }

    /// An Add of one number a channel to a convolution made here becomes its bias.
    pub(super) fn bias(&mut self, node: &NodeProto) -> Result<Turn, String> {
        let [a, b] = &node.input[..] else { return Ok(Turn::Kept) };
        let (conv, place, other) = match (self.bare_convs.get(a), self.bare_convs.get(b)) {
            (Some(&place), None) => (a, place, b),
            (None, Some(&place)) => (b, place, a),
            _ => return Ok(Turn::Kept),
        };
        let has_other_readers = self.links.consumers(conv).len() != 1 || self.outputs.contains(conv.as_str());
        let weights = self.nodes[place].input[1].clone();
        let rows = self.initializers.iter().find(|tensor| tensor.name() == weights).map(|it| it.dims.clone());
        let Some((tensor, dims)) = self.shaped(other).filter(|_| !has_other_readers) else {
            return Ok(Turn::Kept);
        };
        if !rows.is_some_and(|rows| is_channels(&dims, &rows)) {
            return Ok(Turn::Kept);
        }
        let bias = TensorProto { dims: vec![dims.iter().product()], ..tensor.clone() };
        let stem = format!("{}_bias", self.nodes[place].label());
        let bias = self.add_constant(&stem, bias);
        let conv = &mut self.nodes[place];
        conv.input.push(bias);
        conv.output.clone_from(&node.output);
        self.computed.extend(node.output.iter().cloned());
        Ok(Turn::Replaced)
    }

    /// A constant and its shape, behind a Reshape to constant axes too.
    fn shaped(&self, name: &str) -> Option<(&'g TensorProto, Vec<i64>)> {
        if let Some(tensor) = self.constant(Some(name)) {
            return Some((tensor, tensor.dims.clone()));
        }
        let reshape = &self.source.node[self.links.producer(name)?];
        let tensor = self.constant(reshape.input(0)).filter(|_| reshape.is("Reshape"))?;
        let mut dims = self.constant(reshape.input(1))?.integers().ok()?;
        let fixed = dims.iter().filter(|&&dim| dim != -1).try_fold(1i64, |all, &dim| all.checked_mul(dim))?;
        if dims.contains(&0) || fixed <= 0 {
            return None;
        }
        let count = i64::try_from(tensor.count().ok()?).ok()?;
        if let Some(open) = dims.iter_mut().find(|dim| **dim == -1) {
            *open = count / fixed;
        }
        (dims.iter().product::<i64>() == count).then_some((tensor, dims))
    }
}

/// Whether the scales of convolution weights are one, or one a channel where the result has its channels.
fn is_per_channel(scales: &TensorProto, weights: &TensorProto) -> bool {
    scales.count() == Ok(1) || is_channels(&scales.dims, &weights.dims)
}

/// Whether the scales of a matrix are one, or one a column.
fn is_per_column(scales: &TensorProto, matrix: &TensorProto) -> bool {
    let columns = matrix.dims.last().copied().unwrap_or(1);
    scales.count() == Ok(1)
        || (scales.dims.last() == Some(&columns) && scales.count().is_ok_and(|count| count as i64 == columns))
}

/// Whether values of these axes are one a channel of what convolution weights make: `[1, C, 1, …]`.
fn is_channels(dims: &[i64], weights: &[i64]) -> bool {
    let Some((&channels, _)) = weights.split_first() else { return false };
    let mut expected = vec![1; weights.len()];
    expected[1.min(weights.len() - 1)] = channels;
    dims == expected || dims == &expected[1..]
}
