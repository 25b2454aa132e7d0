//! Which operator needs work in which opset.
//!
//! A test compares this with all changes that the operator schemas of onnx 1.23.2 know: each is either here or
//! on a list of changes that only add.

use super::{Adapter, group_normalization, inputs, renamed, softmax};

/// What needs work: version, operator, adapter.
pub(super) const ADAPTERS: &[(i64, &str, Adapter)] = &[
    (10, "Dropout", inputs::dropout_9_to_10),
    (10, "Slice", inputs::slice_9_to_10),
    (10, "TopK", inputs::topk_9_to_10),
    (10, "Upsample", renamed::upsample_9_to_10),
    (11, "Clip", inputs::clip_10_to_11),
    (11, "Pad", inputs::pad_10_to_11),
    (11, "Resize", renamed::resize_10_to_11),
    (11, "Scatter", renamed::scatter_10_to_11),
    (12, "Dropout", inputs::dropout_11_to_12),
    (13, "Hardmax", softmax::from_12_to_13),
    (13, "LogSoftmax", softmax::from_12_to_13),
    (13, "ReduceSum", inputs::axes_to_input),
    (13, "Resize", renamed::resize_12_to_13),
    (13, "Softmax", softmax::from_12_to_13),
    (13, "Split", inputs::split_12_to_13),
    (13, "Squeeze", inputs::axes_to_input),
    (13, "Unsqueeze", inputs::axes_to_input),
    (14, "BatchNormalization", renamed::batch_normalization_13_to_14),
    (16, "RoiAlign", renamed::roi_align_15_to_16),
    (18, "ReduceL1", inputs::axes_to_input),
    (18, "ReduceL2", inputs::axes_to_input),
    (18, "ReduceLogSum", inputs::axes_to_input),
    (18, "ReduceLogSumExp", inputs::axes_to_input),
    (18, "ReduceMax", inputs::axes_to_input),
    (18, "ReduceMean", inputs::axes_to_input),
    (18, "ReduceMin", inputs::axes_to_input),
    (18, "ReduceProd", inputs::axes_to_input),
    (18, "ReduceSumSquare", inputs::axes_to_input),
    (18, "Split", inputs::split_17_to_18),
    (20, "DFT", inputs::dft_19_to_20),
    (20, "GridSample", renamed::grid_sample_19_to_20),
    (21, "GroupNormalization", group_normalization::from_20_to_21),
];
