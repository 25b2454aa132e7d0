//! What a caller may change when opening a pipeline.

use std::path::PathBuf;

use farsight_engine::Cache;

/// What a caller may change when opening a pipeline. The default changes nothing.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The ONNX Runtime library; searched for where it is not given.
    pub library: Option<PathBuf>,
    /// Threads of the session, in place of the target's.
    pub threads: Option<usize>,
    /// What was prepared on this device for a quick start (`farsight warm`), and what may be written there. The
    /// default uses what is there and prepares nothing new: nothing is written on a device that was not asked.
    pub cache: Cache,
    /// Open a bundle that was made for another target.
    pub any_target: bool,
    /// Confidence threshold, in place of the spec's, 0..=1.
    pub conf: Option<f32>,
    /// IoU threshold of NMS, in place of the spec's, 0..=1.
    pub iou: Option<f32>,
    /// Most boxes a frame, in place of the spec's.
    pub max_det: Option<usize>,
}
