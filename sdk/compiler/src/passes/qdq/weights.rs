//! Constants of int8 nodes: weights, biases, and the constant side of an Add or Mul.

use farsight_graph::Attribute;
use farsight_graph::Links;
use farsight_graph::onnx::{NodeProto, TensorProto};

use super::Rewrite;
use crate::calibrate::{QParams, Range};
use crate::layers::is_layer;
use crate::passes::PassError;

/// A weight that is int8 now.
#[derive(Debug, Clone)]
pub(super) struct Quantized {
    /// What DequantizeLinear makes of it.
    name: String,
    /// One for each output channel, or one.
    scales: Vec<f32>,
}

/// An int32 bias keeps below this: its sum with the products must fit too.
const BIAS_LIMIT: f32 = (1 << 30) as f32;

impl Rewrite<'_> {
    /// Replaces the constants of an int8 node. `input_scale` is the scale of its first value.
    pub(super) fn quantize_constants(
        &mut self,
        node: &mut NodeProto,
        links: &Links,
        input_scale: Option<f32>,
    ) -> Result<(), PassError> {
        if !is_layer(node) {
            return self.quantize_operands(node, links);
        }
        let Some(weight) = node.input(1).and_then(|name| links.tensor(name)) else { return Ok(()) };
        let bias = node.input(2).and_then(|name| links.tensor(name));
        let axis = output_axis(node, weight).filter(|_| self.settings.per_channel);
        let channels = channels(&weight.dims, axis).count;
        let biases = bias.map(|bias| one_for_each(bias, channels)).transpose()?;
        let key = (weight.name().to_owned(), axis);
        // With a bias the scales depend on this node's input: nothing is shared then.
        let shared = self.weights.get(&key).filter(|_| bias.is_none()).cloned();
        let quantized = match shared {
            Some(quantized) => quantized,
            None => {
                let mut floors = scale_floors(biases.as_deref().unwrap_or_default(), input_scale);
                if axis.is_none() {
                    floors = floors.into_iter().reduce(f32::max).into_iter().collect();
                }
                let quantized = self.quantize_weight(weight, axis, &floors)?;
                if bias.is_none() {
                    self.weights.insert(key, quantized.clone());
                }
                quantized
            }
        };
        node.input[1].clone_from(&quantized.name);
        if let (Some(bias), Some(biases), Some(input_scale)) = (bias, biases, input_scale) {
            node.input[2] = self.quantize_bias(bias.name(), &biases, input_scale, &quantized.scales);
        }
        Ok(())
    }

    fn quantize_weight(
        &mut self,
        weight: &TensorProto,
        axis: Option<i64>,
        floors: &[f32],
    ) -> Result<Quantized, PassError> {
        let values = weight.values::<f32>()?;
        let limit = self.settings.weight_limit;
        let channel_of = channels(&weight.dims, axis);
        let mut greatest = vec![0.0f32; channel_of.count];
        for (index, value) in values.iter().enumerate() {
            let greatest = &mut greatest[channel_of.channel(index)];
            *greatest = greatest.max(value.abs());
        }
        let asked = |channel: usize| floors.get(channel).copied().unwrap_or(0.0);
        let floor = |channel: usize| asked(channel).max(f32::MIN_POSITIVE);
        let scales: Vec<f32> = greatest
            .iter()
            .enumerate()
            .map(|(channel, greatest)| match greatest / limit as f32 {
                scale if scale >= floor(channel) => scale,
                _ if *greatest == 0.0 && asked(channel) == 0.0 => 1.0,
                _ => floor(channel),
            })
            .collect();
        let level = |(index, value): (usize, &f32)| {
            let scaled = (value / scales[channel_of.channel(index)]).round_ties_even();
            scaled.clamp(-(limit as f32), limit as f32) as i8
        };
        let levels: Vec<i8> = values.iter().enumerate().map(level).collect();
        let name = weight.name();
        let integers = self.constant(&format!("{name}_int8"), &weight.dims, &levels);
        let dims: &[i64] = if axis.is_some() { &[scales.len() as i64] } else { &[] };
        let scale = self.constant(&format!("{name}_scale"), dims, &scales);
        let zero_point = self.constant(&format!("{name}_zero_point"), dims, &vec![0i8; scales.len()]);
        let result = self.dequantize(name, &[&integers, &scale, &zero_point], axis);
        self.report.weights += 1;
        Ok(Quantized { name: result, scales })
    }

    /// An int32 bias: its scale is that of a product.
    fn quantize_bias(
        &mut self,
        name: &str,
        values: &[f32],
        input_scale: f32,
        weight_scales: &[f32],
    ) -> String {
        let scales: Vec<f32> = weight_scales.iter().map(|scale| scale * input_scale).collect();
        let scale_of = |index: usize| scales[index.min(scales.len() - 1)];
        let level = |(index, value): (usize, &f32)| (value / scale_of(index)).round_ties_even() as i32;
        let levels: Vec<i32> = values.iter().enumerate().map(level).collect();
        let integers = self.constant(&format!("{name}_int32"), &[levels.len() as i64], &levels);
        let per_channel = scales.len() > 1;
        let dims: &[i64] = if per_channel { &[scales.len() as i64] } else { &[] };
        let scale = self.constant(&format!("{name}_scale"), dims, &scales);
        let result = self.dequantize(name, &[&integers, &scale], per_channel.then_some(0));
        self.report.biases += 1;
        result
    }

    /// The constant side of an Add or Mul, on a grid of its own.
    fn quantize_operands(&mut self, node: &mut NodeProto, links: &Links) -> Result<(), PassError> {
        if !["Add", "Mul", "Concat"].iter().any(|op| node.is(op)) {
            return Ok(());
        }
        for index in 0..node.input.len() {
            let Some(tensor) = links.tensor(&node.input[index]) else { continue };
            let values = tensor.values::<f32>()?;
            let low = values.iter().copied().fold(0.0, f32::min);
            let high = values.iter().copied().fold(0.0, f32::max);
            let activation = self.settings.activation;
            let grid = QParams::of(Range { low, high }, activation);
            node.input[index] = self.constant_on_grid(tensor, &values, grid);
        }
        Ok(())
    }

    fn constant_on_grid(&mut self, tensor: &TensorProto, values: &[f32], grid: QParams) -> String {
        use farsight_spec::ActivationType::{S8, U8, U16};
        let name = tensor.name();
        let level = |value: &f32| (value / grid.scale).round_ties_even() as i32 + grid.zero_point;
        let levels: Vec<i32> = values.iter().map(level).collect();
        let stem = format!("{name}_quantized");
        let dims = tensor.dims.clone();
        let integers = match self.settings.activation {
            U8 => self.constant(&stem, &dims, &narrow(&levels, |level| level.clamp(0, 255) as u8)),
            S8 => self.constant(&stem, &dims, &narrow(&levels, |level| level.clamp(-128, 127) as i8)),
            U16 => self.constant(&stem, &dims, &narrow(&levels, |level| level.clamp(0, 65_535) as u16)),
        };
        let scale = self.constant(&format!("{name}_scale"), &[], &[grid.scale]);
        let zero_point = self.zero_point(name, grid.zero_point);
        let result = self.names.fresh(&format!("{name}_dequantized"));
        self.node("DequantizeLinear", &[&integers, &scale, &zero_point], &result);
        result
    }

    fn dequantize(&mut self, name: &str, inputs: &[&str], axis: Option<i64>) -> String {
        let result = self.names.fresh(&format!("{name}_dequantized"));
        let label = self.names.fresh(&format!("{name}_DequantizeLinear"));
        let mut node = NodeProto::new("DequantizeLinear", &label, inputs, &[&result]);
        if let Some(axis) = axis {
            node.set("axis", Attribute::Int(axis));
        }
        self.nodes.push(node);
        result
    }
}

/// The biases of the channels; one number may serve them all.
fn one_for_each(bias: &TensorProto, channels: usize) -> Result<Vec<f32>, PassError> {
    let values = bias.values::<f32>()?;
    Ok(if values.len() == 1 { vec![values[0]; channels] } else { values })
}

fn narrow<T>(levels: &[i32], to: impl Fn(i32) -> T) -> Vec<T> {
    levels.iter().copied().map(to).collect()
}

/// The least scale of each channel's weights that lets its bias fit into int32.
fn scale_floors(biases: &[f32], input_scale: Option<f32>) -> Vec<f32> {
    let Some(input_scale) = input_scale else { return Vec::new() };
    biases.iter().map(|bias| bias.abs() / (BIAS_LIMIT * input_scale)).collect()
}

/// The axis of a weight that counts the output's channels; `None` where one scale must do.
fn output_axis(node: &NodeProto, weight: &TensorProto) -> Option<i64> {
    match node.op_type() {
        "Conv" => Some(0),
        "Gemm" if node.int("transB").unwrap_or(0) != 0 => Some(0),
        "Gemm" => Some(1),
        "MatMul" if weight.dims.len() == 2 => Some(1),
        _ => None,
    }
}

/// Which channel an element of a tensor belongs to.
struct Channels {
    count: usize,
    stride: usize,
}

impl Channels {
    fn channel(&self, index: usize) -> usize {
        index / self.stride % self.count
    }
}

fn channels(dims: &[i64], axis: Option<i64>) -> Channels {
    let Some(axis) = axis.map(|axis| axis as usize) else { return Channels { count: 1, stride: 1 } };
    let length = |dim: &i64| (*dim).max(1) as usize;
    Channels { count: length(&dims[axis]), stride: dims[axis + 1..].iter().map(length).product() }
}
