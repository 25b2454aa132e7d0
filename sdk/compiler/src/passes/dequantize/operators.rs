//! Operators on integers with fixed ranges (QLinearConv and its kin): the float operator between twins.

use farsight_graph::onnx::{NodeProto, TensorProto};

use super::constants::{self, Layout};
use super::twins::Params;
use super::{Turn, Walk};

/// Where a quantized input lies among a node's inputs: value, scale, zero point.
type Place = [usize; 3];

impl Walk<'_> {
    /// Puts the float operator in the place of one on integers.
    pub(super) fn integer_operator(&mut self, node: &NodeProto) -> Result<Turn, String> {
        if node.int("channels_last").is_some_and(|last| last != 0) {
            return Err("its channels come last, no float operator has that".to_owned());
        }
        match node.op_type() {
            "QLinearConv" => self.integer_conv(node),
            "QLinearMatMul" => self.between(node, "MatMul", &[[0, 1, 2], [3, 4, 5]], [6, 7]),
            "QGemm" => self.integer_gemm(node),
            "QLinearAdd" => self.between(node, "Add", &[[0, 1, 2], [3, 4, 5]], [6, 7]),
            "QLinearMul" => self.between(node, "Mul", &[[0, 1, 2], [3, 4, 5]], [6, 7]),
            "QLinearSigmoid" => self.between(node, "Sigmoid", &[[0, 1, 2]], [3, 4]),
            "QLinearLeakyRelu" => self.between(node, "LeakyRelu", &[[0, 1, 2]], [3, 4]),
            "QLinearAveragePool" => self.between(node, "AveragePool", &[[0, 1, 2]], [3, 4]),
            "QLinearGlobalAveragePool" => self.between(node, "GlobalAveragePool", &[[0, 1, 2]], [3, 4]),
            "QLinearSoftmax" => self.integer_softmax(node),
            "QLinearConcat" => {
                let count = node.input.len().saturating_sub(2) / 3;
                let places: Vec<Place> = (0..count).map(|at| [2 + at * 3, 3 + at * 3, 4 + at * 3]).collect();
                self.between(node, "Concat", &places, [0, 1])
            }
            _ => Err("no float operator is known for it".to_owned()),
        }
    }

    /// The float operator over the twins of the inputs; a matrix of constants has a scale for each column.
    fn between(
        &mut self,
        node: &NodeProto,
        op: &str,
        inputs: &[Place],
        to: [usize; 2],
    ) -> Result<Turn, String> {
        let inputs: Result<Vec<String>, String> =
            inputs.iter().map(|place| self.input(node, *place, -1)).collect();
        self.replace_operator(node, op, inputs?, to)
    }

    fn integer_conv(&mut self, node: &NodeProto) -> Result<Turn, String> {
        let mut inputs = vec![self.input(node, [0, 1, 2], 0)?, self.input(node, [3, 4, 5], 0)?];
        if node.input(8).is_some() {
            inputs.push(self.int32_bias(node, 8, [1, 4], 1.0)?);
        }
        self.replace_operator(node, "Conv", inputs, [6, 7])
    }

    /// `alpha * A * B + C`, where C is counted in steps of `alpha * A's scale * B's scale` (ONNX Runtime,
    /// ContribOperators.md, QGemm). Without an output scale it gives floats.
    fn integer_gemm(&mut self, node: &NodeProto) -> Result<Turn, String> {
        let columns = if node.int("transB").unwrap_or(0) == 0 { 1 } else { 0 };
        let mut inputs = vec![self.input(node, [0, 1, 2], 0)?, self.input(node, [3, 4, 5], columns)?];
        if node.input(6).is_some() {
            inputs.push(self.int32_bias(node, 6, [1, 4], node.float("alpha").unwrap_or(1.0))?);
        }
        if node.input(7).is_some() {
            return self.replace_operator(node, "Gemm", inputs, [7, 8]);
        }
        self.report.operators += 1;
        let float = NodeProto { input: inputs, domain: None, ..node.clone() };
        self.push(NodeProto { op_type: Some("Gemm".to_owned()), ..float });
        Ok(Turn::Replaced)
    }

    /// Softmax took all axes from its own on until opset 12, that one alone since; the node says which it means.
    fn integer_softmax(&mut self, node: &NodeProto) -> Result<Turn, String> {
        let meant = node.int("opset").unwrap_or(self.opset);
        if (meant < 13) != (self.opset < 13) && node.int("axis") != Some(-1) {
            return Err(format!("it is a Softmax of opset {meant} in a model of opset {}", self.opset));
        }
        self.between(node, "Softmax", &[[0, 1, 2]], [3, 4])
    }

    /// The twin of one quantized input; the scales of a constant may differ along `axis`.
    fn input(&mut self, node: &NodeProto, [value, scale, zero]: Place, axis: i64) -> Result<String, String> {
        let value = node.input(value).ok_or("an input is missing")?;
        self.float(value, &Params::at(node, scale, zero, axis)?)
    }

    /// Puts `op` in a node's place, and what makes its integers behind it for those who still read them.
    fn replace_operator(
        &mut self,
        node: &NodeProto,
        op: &str,
        inputs: Vec<String>,
        [scale, zero]: [usize; 2],
    ) -> Result<Turn, String> {
        if inputs.is_empty() {
            return Err("an input is missing".to_owned());
        }
        let params = Params::at(node, scale, zero, 0)?;
        let integers = node.output.first().ok_or("it has no output")?;
        let float = self.names.fresh(super::twins::stem(integers));
        let mut made = node.clone();
        (made.op_type, made.domain) = (Some(op.to_owned()), None);
        (made.input, made.output) = (inputs, vec![float.clone()]);
        made.take("channels_last");
        made.take("opset");
        self.push(made);
        self.quantized(integers, &float, params);
        self.report.operators += 1;
        Ok(Turn::Replaced)
    }

    /// A bias of int32, counted in steps of the product of two scales (and a factor), as floats.
    fn int32_bias(
        &mut self,
        node: &NodeProto,
        bias: usize,
        [input, weight]: [usize; 2],
        factor: f32,
    ) -> Result<String, String> {
        let constant = |place: usize| self.constant(node.input(place));
        let (Some(tensor), Some(input), Some(weight)) = (constant(bias), constant(input), constant(weight))
        else {
            return Err("its bias or a scale of it is not constant".to_owned());
        };
        let &[step] = &constants::floats(input)?[..] else {
            return Err("its input has more than one scale".to_owned());
        };
        let steps: Vec<f32> = constants::floats(weight)?.iter().map(|scale| scale * step * factor).collect();
        let steps = TensorProto::new("", &[steps.len() as i64], &steps);
        let made = constants::dequantized("", tensor, &steps, None, Layout::axis(-1))?;
        self.report.constants += 1;
        let stem = node.input(bias).map_or("bias", super::twins::stem);
        Ok(self.add_constant(stem, made))
    }
}
