//! The model spec: what goes into a model, what comes out, and where that is known from.

use serde::{Deserialize, Serialize};

use crate::{RasterInput, Recipe};

/// A model's contract, read from `models/NAME.toml`.
///
/// A spec may speak for a family: `None` and empty lists mean "taken from the model file"
/// (its shapes and its metadata). A *resolved* spec, the one inside a bundle, leaves nothing open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// The name it is looked up by: lower case, digits and dashes.
    pub name: String,
    /// One sentence for `farsight models`.
    pub about: String,
    /// What the model does.
    pub task: Task,
    /// Where the contract is known from.
    pub source: Source,
    /// What the pixels must look like.
    pub input: Input,
    /// How the raw answer is read.
    pub output: Output,
    /// What is different for some files of the family; the first that fits the file's shapes counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Variant>,
    /// How to shrink it; overridable by file and by flag.
    #[serde(default)]
    pub recipe: Recipe,
}

/// What a pipeline returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Boxes with a class and a score.
    Detect,
    /// Classes with scores, best first.
    Classify,
    /// One class a pixel.
    Segment,
    /// Raw tensors in, raw tensors out: no decoder is known.
    Tensors,
}

/// Where the arithmetic of a spec comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The reference whose answer counts, with its version.
    pub reference: String,
    /// Licence of the models of this family, as far as known.
    pub licence: String,
}

/// What is different for some files of a family. A resolved spec has none left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Which files: all that is given must fit.
    pub when: When,
    /// Another normalisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalise: Option<Normalise>,
    /// Another label offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_offset: Option<usize>,
    /// The file cannot be decided from its shapes: the message says what the user has to settle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuse: Option<String>,
}

/// Facts of a file's shapes that a [`Variant`] asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct When {
    /// Order of the input's axes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// Number of outputs of a classifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
}

/// What kind of data a model takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Input {
    /// A camera frame or a picture file.
    Frame(FrameInput),
    /// A georeferenced multi-band raster, read in windows.
    Raster(RasterInput),
    /// Tensors, as they are.
    Tensors,
}

/// How a frame becomes the model's input tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameInput {
    /// `[height, width]` of the model's input; from the file where its shape is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
    /// Order of the tensor's axes; from the file's shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// Order of the colour channels that the model expects.
    pub channels: Channels,
    /// How the frame gets to the model's size.
    pub resize: Resize,
    /// What happens to a value 0..=255 afterwards.
    #[serde(default)]
    pub normalise: Normalise,
}

/// Order of a 4-D tensor's axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `[1, C, H, W]`
    Nchw,
    /// `[1, H, W, C]`
    Nhwc,
}

/// Order of the colour channels in a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channels {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red (OpenCV's order).
    Bgr,
    /// One luminance channel.
    Gray,
}

impl Channels {
    /// How many there are.
    pub fn count(self) -> usize {
        if self == Self::Gray { 1 } else { 3 }
    }
}

/// How a frame gets to the model's size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum Resize {
    /// Scaled to fit (OpenCV's INTER_LINEAR), the rest filled.
    Letterbox {
        /// The value that fills the border, in every channel.
        pad: u8,
        /// Where the picture sits.
        align: Align,
    },
    /// Scaled to the model's size, whatever its proportions.
    Stretch {
        /// The interpolation.
        filter: Filter,
    },
    /// Shortest side scaled to `floor(size / crop_fraction)`, then cropped in the middle. A square
    /// picture of the right size is taken as it is.
    CenterCrop {
        /// Part of the scaled picture that the crop keeps: 0.875 for 256 → 224, 1.0 for none lost.
        crop_fraction: f64,
        /// The interpolation.
        filter: Filter,
    },
}

/// Where a letterboxed picture sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Align {
    /// In the middle; an odd pixel of border goes to the bottom or right.
    Center,
    /// In the upper left corner.
    TopLeft,
}

/// Interpolation, each equal to the reference it is named after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// `cv2.resize(…, INTER_LINEAR)` on bytes: no antialiasing.
    OpencvLinear,
    /// `PIL.Image.resize(…, BILINEAR)`, which torchvision uses on PIL images: antialiased.
    PilBilinear,
}

/// `(value / divide - mean) / std`, channel by channel. Nothing given: the value itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normalise {
    /// What a raw value is divided by first: 255 for bytes, 10000 for Sentinel-2 DN.
    #[serde(default = "one")]
    pub divide: f64,
    /// Subtracted afterwards: one value a channel (in the model's channel order) or none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mean: Vec<f64>,
    /// Divided by at last: one value a channel or none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub std: Vec<f64>,
}

fn one() -> f64 {
    1.0
}

impl Default for Normalise {
    fn default() -> Self {
        Self { divide: 1.0, mean: Vec::new(), std: Vec::new() }
    }
}

/// How the raw answer is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "decoder", rename_all = "kebab-case")]
pub enum Output {
    /// The YOLO family, v5 to v12 and 26.
    Yolo(DetectOutput),
    /// YOLOX: grid and stride still to apply.
    Yolox(DetectOutput),
    /// One score a class.
    Classes(ClassesOutput),
    /// One class a pixel.
    Mask(MaskOutput),
    /// The raw tensors.
    Tensors,
}

/// Boxes: thresholds and labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectOutput {
    /// Name of the output tensor that is read; decided from the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor: Option<String>,
    /// Names of the classes; from the file's metadata or `--labels` where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// A box is kept if its score is greater than this.
    pub conf: f32,
    /// NMS drops a box whose IoU with a better one is greater than this.
    pub iou: f32,
    /// At most so many boxes.
    pub max_det: usize,
    /// Whether boxes of different classes suppress each other.
    #[serde(default)]
    pub agnostic: bool,
    /// Layout of the output tensor; decided from shape and metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<YoloLayout>,
}

/// Layouts of YOLO output tensors. `N` anchors, `C` classes, `K` kept boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum YoloLayout {
    /// `[1, 4 + C, N]`: cx, cy, w, h in input pixels, then class scores (v5u, v8, v9, 11, 12; v10 and
    /// 26 with the one-to-many head).
    Anchors,
    /// `[1, N, 4 + C]`: the same, transposed.
    AnchorsLast,
    /// `[1, N, 5 + C]`: cx, cy, w, h, objectness, class scores (YOLOv5).
    Objectness,
    /// `[1, K, 6]`: x1, y1, x2, y2, score, class; NMS is inside or not needed.
    EndToEnd,
    /// `[1, N, 5 + C]`, boxes still relative to their grid cell (YOLOX).
    Grid,
}

/// Classes: labels, and what turns raw values into scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassesOutput {
    /// Name of the output tensor that is read; decided from the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor: Option<String>,
    /// Names of the classes; from the file's metadata or `--labels` where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// How many are reported.
    pub top: usize,
    /// What turns raw values into scores.
    pub activation: Activation,
    /// Outputs before the first real class: 1 where class 0 is "background" (TensorFlow's 1001).
    #[serde(default)]
    pub label_offset: usize,
    /// Only classes with a score greater than this are reported, where several may hold at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
}

/// A mask: labels, and what turns raw values into probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaskOutput {
    /// Name of the output tensor that is read; decided from the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor: Option<String>,
    /// Names of the classes; from the file's metadata or `--labels` where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// What turns raw values into probabilities before windows are blended.
    pub activation: Activation,
    /// Order of the output's axes where it has scores of several classes; decided from the shapes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
}

impl Output {
    /// Name of the output tensor that the decoder reads, once it is decided.
    pub fn tensor(&self) -> Option<&str> {
        match self {
            Self::Yolo(output) | Self::Yolox(output) => output.tensor.as_deref(),
            Self::Classes(output) => output.tensor.as_deref(),
            Self::Mask(output) => output.tensor.as_deref(),
            Self::Tensors => None,
        }
    }

    /// Names of the classes; empty for raw tensors, and in a spec that takes them from the file.
    pub fn labels(&self) -> &[String] {
        match self {
            Self::Yolo(output) | Self::Yolox(output) => &output.labels,
            Self::Classes(output) => &output.labels,
            Self::Mask(output) => &output.labels,
            Self::Tensors => &[],
        }
    }
}

/// What turns raw values into scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// They are scores already.
    None,
    /// Over the classes.
    Softmax,
    /// Each class on its own.
    Sigmoid,
}
