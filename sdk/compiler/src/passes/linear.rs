//! Linear layers: MatMul and Gemm by a constant float32 matrix, seen as x × B (+ bias).

use std::collections::{HashMap, HashSet};

use farsight_graph::Names;
use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto};

use super::PassError;

/// Why some Gemm nodes are no linear layer.
pub(super) const SCALED: &str = "a Gemm with alpha, beta or transA";

/// A node that computes x × B, or x × Bᵀ where `transposed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Linear {
    /// The initializer that holds B.
    pub(super) weight: usize,
    /// Whether B is stored as [N, K].
    pub(super) transposed: bool,
    /// Length of the rows of x.
    pub(super) k: usize,
    /// Length of the rows of the result.
    pub(super) n: usize,
}

/// The initializers that no caller can replace, by name.
pub(super) fn constants(graph: &GraphProto) -> HashMap<String, usize> {
    let inputs: HashSet<&str> = graph.input.iter().map(|input| input.name()).collect();
    let tensors = graph.initializer.iter().enumerate();
    let constant = tensors.filter(|(_, tensor)| !inputs.contains(tensor.name()));
    constant.map(|(index, tensor)| (tensor.name().to_owned(), index)).collect()
}

impl Linear {
    /// The layer that a node is; `None` for other nodes.
    ///
    /// # Errors
    /// Why a Gemm by a constant matrix is none.
    pub(super) fn of(
        node: &NodeProto,
        tensors: &[TensorProto],
        constants: &HashMap<String, usize>,
    ) -> Result<Option<Self>, &'static str> {
        if !node.is("MatMul") && !node.is("Gemm") {
            return Ok(None);
        }
        let constant = |place| node.input(place).and_then(|name| constants.get(name));
        let Some(&weight) = constant(1).filter(|_| constant(0).is_none()) else { return Ok(None) };
        let tensor = &tensors[weight];
        let &[rows, columns] = tensor.dims.as_slice() else { return Ok(None) };
        if tensor.data_type() != DataType::Float as i32 || rows < 1 || columns < 1 {
            return Ok(None);
        }
        let one = |name| node.float(name).unwrap_or(1.0) == 1.0;
        if !one("alpha") || !one("beta") || node.int("transA").unwrap_or(0) != 0 {
            return Err(SCALED);
        }
        let transposed = node.int("transB").unwrap_or(0) != 0;
        let (k, n) = if transposed { (columns, rows) } else { (rows, columns) };
        Ok(Some(Self { weight, transposed, k: k as usize, n: n as usize }))
    }

    /// B in rows of `n`.
    ///
    /// # Errors
    /// Bytes that do not fit its shape.
    pub(super) fn by_row(&self, tensor: &TensorProto) -> Result<Vec<f32>, PassError> {
        let values = tensor.values()?;
        Ok(if self.transposed { transpose(&values, self.k) } else { values })
    }

    /// Bᵀ in rows of `k`: a column of B lies together.
    ///
    /// # Errors
    /// Bytes that do not fit its shape.
    pub(super) fn by_column(&self, tensor: &TensorProto) -> Result<Vec<f32>, PassError> {
        let values = tensor.values()?;
        Ok(if self.transposed { values } else { transpose(&values, self.n) })
    }
}

/// The name under which a new form of `node` leaves its product, and the Add of the bias that follows, if it
/// has one.
pub(super) fn with_bias(node: &NodeProto, names: &mut Names) -> (String, Option<NodeProto>) {
    let output = &node.output[0];
    let Some(bias) = node.input(2) else { return (output.clone(), None) };
    let product = names.fresh(&format!("{output}_product"));
    let add =
        NodeProto::new("Add", &names.fresh(&format!("{}_bias", node.label())), &[&product, bias], &[output]);
    (product, Some(add))
}

/// Drops those of these initializers that nothing reads any more.
pub(super) fn drop_unread(graph: &mut GraphProto, replaced: &HashSet<String>) {
    let links = graph.links();
    let unread: HashSet<String> = replaced.iter().filter(|name| !links.is_used(name)).cloned().collect();
    graph.initializer.retain(|tensor| !unread.contains(tensor.name()));
}

/// A matrix in rows of `width`, turned over.
fn transpose(values: &[f32], width: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(values.len());
    for column in 0..width {
        turned.extend(values.iter().skip(column).step_by(width));
    }
    turned
}

#[cfg(test)]
mod tests {
    use farsight_graph::Attribute;

    use super::super::testing::{graph, node};
    use super::*;

    fn seen(node: &NodeProto) -> Result<Option<Linear>, &'static str> {
        let mut graph = graph(&["x", "default"], &["y"], vec![]);
        graph.initializer = vec![
            TensorProto::new("w", &[2, 3], &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]),
            TensorProto::new("deep", &[1, 2, 3], &[0.0f32; 6]),
            TensorProto::new("default", &[2, 3], &[0.0f32; 6]),
        ];
        Linear::of(node, &graph.initializer, &constants(&graph))
    }

    #[test]
    fn products_by_a_constant_matrix_are_seen() {
        let plain = Linear { weight: 0, transposed: false, k: 2, n: 3 };
        let turned = Linear { weight: 0, transposed: true, k: 3, n: 2 };
        let gemm = || node("Gemm", &["x", "w", "b"], &["y"]);
        assert_eq!(seen(&node("MatMul", &["x", "w"], &["y"])), Ok(Some(plain.clone())));
        assert_eq!(seen(&gemm()), Ok(Some(plain.clone())));
        assert_eq!(seen(&gemm().with("transB", Attribute::Int(1))), Ok(Some(turned.clone())));
        assert_eq!(seen(&gemm().with("alpha", Attribute::Float(0.5))), Err(SCALED));
        assert_eq!(seen(&gemm().with("transA", Attribute::Int(1))), Err(SCALED));
        for inputs in [["x", "y"], ["w", "x"], ["w", "w"], ["x", "deep"], ["x", "default"]] {
            assert_eq!(seen(&node("MatMul", &inputs, &["y"])), Ok(None), "{inputs:?}");
        }
        let w = TensorProto::new("w", &[2, 3], &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(plain.by_row(&w).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(plain.by_column(&w).unwrap(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(turned.by_row(&w).unwrap(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(turned.by_column(&w).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }
}
