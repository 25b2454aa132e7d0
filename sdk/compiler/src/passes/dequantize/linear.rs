//! QuantizeLinear and DequantizeLinear, and what moves integers between them.

use farsight_graph::onnx::NodeProto;
use farsight_graph::onnx::tensor_proto::DataType;

use super::constants::Layout;
use super::twins::{Params, Twin};
use super::{Turn, Walk};
use crate::movers::MOVERS;

/// Whether an operator only moves or repeats the values of its first input, so that it does to floats what it does
/// to the integers that stand for them.
pub(super) fn is_mover(op: &str) -> bool {
    MOVERS.contains(&op) || ["Expand", "Gather", "Tile"].contains(&op)
}

impl Walk<'_> {
    /// QuantizeLinear and DynamicQuantizeLinear stay for whoever reads integers; the twin is what they read.
    pub(super) fn quantize(&mut self, node: &NodeProto) -> Result<Turn, String> {
        let Some(float) = node.input(0).map(|name| self.now(name)) else { return Ok(Turn::Kept) };
        let integers = &node.output[0];
        if node.is("DynamicQuantizeLinear") {
            let name = |place: usize| node.output.get(place).map(String::as_str);
            let params = Params::new(name(1), name(2), Layout::axis(0))?;
            self.twins.insert(integers.clone(), Twin { float, params });
        } else if makes_integers(self, node) {
            self.set_twin(integers, &float, linear_params(node)?);
        }
        Ok(Turn::Kept)
    }

    /// Readers of a DequantizeLinear read the twin, or the constant's values.
    pub(super) fn dequantize(&mut self, node: &NodeProto) -> Result<Turn, String> {
        let Some(integers) = node.input(0) else { return Ok(Turn::Kept) };
        if node.int("output_dtype").is_some_and(|to| to != 0) {
            return Err("it gives another type than its scale has".to_owned());
        }
        let params = linear_params(node)?;
        let Some(float) = self.known_float(integers, &params)? else { return Ok(Turn::Kept) };
        self.report.pairs += usize::from(self.twins.contains_key(integers));
        self.replace(&node.output[0], &float);
        Ok(Turn::Replaced)
    }

    /// The float value of what an operator moves out of a quantized constant (rows of an embedding).
    pub(super) fn moved_constant(
        &mut self,
        integers: &str,
        params: &Params,
    ) -> Result<Option<String>, String> {
        let Some(mover) = self.links.producer(integers).map(|place| &self.source.node[place]) else {
            return Ok(None);
        };
        let constant = mover.input(0).filter(|name| self.constant(Some(name)).is_some());
        let is_plain = mover.in_default_domain() && is_mover(mover.op_type()) && mover.output.len() == 1;
        let Some(constant) = constant.filter(|_| is_plain && self.is_for_all(params)) else {
            return Ok(None);
        };
        let Some(float) = self.known_float(constant, params)? else { return Ok(None) };
        let mut moved = self.copy(mover);
        moved.input[0] = float;
        moved.output[0] = self.names.fresh(&format!("{integers}_float"));
        let made = moved.output[0].clone();
        self.push(moved);
        Ok(Some(made))
    }

    /// An operator that moves integers moves their twins too.
    pub(super) fn mover(&mut self, node: &NodeProto) -> Result<Turn, String> {
        let joins = node.is("Concat");
        let fills_up = node.string("coordinate_transformation_mode") == Some("tf_crop_and_resize");
        if !node.in_default_domain() || !(joins || is_mover(node.op_type())) || fills_up {
            return Ok(Turn::Kept);
        }
        let read = if joins { node.input.len() } else { 1 };
        let twins: Option<Vec<Twin>> =
            node.input.iter().take(read).map(|name| self.twins.get(name).cloned()).collect();
        let Some(twins) = twins.filter(|twins| !twins.is_empty()) else { return Ok(Turn::Kept) };
        let params = &twins[0].params;
        if !twins.iter().all(|twin| self.agree(&twin.params, params) && self.is_for_all(&twin.params)) {
            return Ok(Turn::Kept);
        }
        self.push(node.clone());
        let mut moved = self.copy(node);
        for (input, twin) in moved.input.iter_mut().zip(&twins) {
            input.clone_from(&twin.float);
        }
        // MaxPool's second output counts places; integers of equal value may win elsewhere than floats.
        moved.output.truncate(if node.is("MaxPool") { 1 } else { usize::MAX });
        for output in moved.output.iter_mut().filter(|name| !name.is_empty()) {
            let float = self.names.fresh(&format!("{output}_float"));
            self.twins.insert(output.clone(), Twin { float: float.clone(), params: params.clone() });
            *output = float;
        }
        self.push(moved);
        Ok(Turn::Replaced)
    }

    /// A copy of a node, under a name of its own if it has one.
    fn copy(&mut self, node: &NodeProto) -> NodeProto {
        let name = (!node.name().is_empty()).then(|| self.names.fresh(&format!("{}_float", node.name())));
        NodeProto { name, ..node.clone() }
    }

    /// Whether one scale counts for all elements, wherever they move.
    fn is_for_all(&self, params: &Params) -> bool {
        self.constant(Some(&params.scale)).is_none_or(|scale| scale.count() == Ok(1))
    }
}

/// Scale, zero point, axis and block as QuantizeLinear and DequantizeLinear have them.
fn linear_params(node: &NodeProto) -> Result<Params, String> {
    let layout = Layout { axis: node.int("axis").unwrap_or(1), block: node.int("block_size").unwrap_or(0) };
    Params::new(node.input(1), node.input(2), layout)
}

/// Whether a QuantizeLinear makes integers, not small floats.
fn makes_integers(walk: &Walk, node: &NodeProto) -> bool {
    let asked = node.int("output_dtype").and_then(|asked| i32::try_from(asked).ok());
    let zero = walk.constant(node.input(2)).map(|zero| zero.data_type());
    let element = zero.or(asked.filter(|&asked| asked != 0)).map(DataType::try_from);
    matches!(
        element,
        None | Some(Ok(DataType::Uint8
            | DataType::Int8
            | DataType::Uint16
            | DataType::Int16
            | DataType::Uint4
            | DataType::Int4))
    )
}
