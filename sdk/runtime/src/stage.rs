//! What stands before and behind the session, made once at open: the pre-processing and the decoder.

use farsight_engine::Session;
use farsight_spec::{FrameInput, Input, Layout, ModelSpec, Output, TensorInfo};
use farsight_vision::{ClassScore, ClassesDecoder, DetectDecoder, Detection, FramePreprocess, MaskDecoder};

use crate::{Error, Mask, Options};

/// What stands before and behind the session.
pub(crate) enum Stage {
    Frame(FrameStage),
    #[cfg(feature = "rasters")]
    Raster(crate::raster::RasterStage),
    Tensors,
}

/// Frames: pre-processing, decoder, and the buffers between.
pub(crate) struct FrameStage {
    pub(crate) preprocess: FramePreprocess,
    pub(crate) decoder: Decoder,
    /// Where a float16 input is prepared, or a float16 output widened; empty for float32.
    pub(crate) input_floats: Vec<f32>,
    pub(crate) output_floats: Vec<f32>,
    /// Which output the decoder reads.
    pub(crate) output: usize,
}

/// The decoder and the place of its answer.
pub(crate) enum Decoder {
    Detect(DetectDecoder, Vec<Detection>),
    Classes(ClassesDecoder, Vec<ClassScore>),
    Mask(MaskDecoder, Mask),
    None,
}

impl Stage {
    pub(crate) fn new(spec: &ModelSpec, session: &Session, options: &Options) -> Result<Self, Error> {
        match &spec.input {
            Input::Frame(input) => FrameStage::new(input, spec, session, options).map(Self::Frame),
            #[cfg(feature = "rasters")]
            Input::Raster(input) => crate::raster::RasterStage::new(input, spec, session).map(Self::Raster),
            #[cfg(not(feature = "rasters"))]
            Input::Raster(_) => {
                Err(Error::Contract("rasters need farsight built with the feature `rasters`".to_owned()))
            }
            Input::Tensors => Ok(Self::Tensors),
        }
    }
}

impl FrameStage {
    fn new(
        input: &FrameInput,
        spec: &ModelSpec,
        session: &Session,
        options: &Options,
    ) -> Result<Self, Error> {
        let [tensor] = session.inputs() else {
            return Err(Error::Contract(format!(
                "the model has {} inputs, a frame fills exactly one",
                session.inputs().len()
            )));
        };
        check_frame_tensor(input, tensor)?;
        let preprocess = FramePreprocess::new(input)?;
        let output = output_index(spec, session.outputs())?;
        let decoder = decoder(&spec.output, input, &session.outputs()[output], options)?;
        Ok(Self { preprocess, decoder, input_floats: Vec::new(), output_floats: Vec::new(), output })
    }
}

/// The input tensor must have the size that the spec names.
fn check_frame_tensor(input: &FrameInput, tensor: &TensorInfo) -> Result<(), Error> {
    let channels = if input.channels == farsight_spec::Channels::Gray { 1 } else { 3 };
    let (Some([height, width]), Some(layout)) = (input.size, input.layout) else {
        return Err(Error::Contract("the spec is not resolved: size and layout are missing".to_owned()));
    };
    let expected = match layout {
        Layout::Nchw => [1, channels, height, width],
        Layout::Nhwc => [1, height, width, channels],
    };
    if tensor.shape != expected.map(Some) {
        return Err(Error::Contract(format!(
            "the input `{}` has shape {:?}, the spec says {expected:?}",
            tensor.name, tensor.shape
        )));
    }
    Ok(())
}

/// Which output the decoder reads: the one that the spec names, or the only one.
pub(crate) fn output_index(spec: &ModelSpec, outputs: &[TensorInfo]) -> Result<usize, Error> {
    match spec.output.tensor() {
        Some(name) => outputs
            .iter()
            .position(|output| output.name == name)
            .ok_or_else(|| Error::Contract(format!("the model has no output `{name}` that the spec names"))),
        None if outputs.len() == 1 || spec.output == Output::Tensors => Ok(0),
        None => Err(Error::Contract(format!("the model has {} outputs, the spec names none", outputs.len()))),
    }
}

fn decoder(
    output: &Output,
    input: &FrameInput,
    tensor: &TensorInfo,
    options: &Options,
) -> Result<Decoder, Error> {
    let size = input.size.unwrap_or_default();
    let shape = fixed_shape(tensor, output)?;
    Ok(match output {
        Output::Yolo(detect) | Output::Yolox(detect) => {
            let layout = detect.layout.ok_or_else(|| {
                Error::Contract("the spec is not resolved: the layout is missing".to_owned())
            })?;
            let mut detect = detect.clone();
            detect.conf = options.conf.unwrap_or(detect.conf);
            detect.iou = options.iou.unwrap_or(detect.iou);
            detect.max_det = options.max_det.unwrap_or(detect.max_det);
            let found = Vec::with_capacity(detect.max_det);
            Decoder::Detect(DetectDecoder::new(&detect, layout, &shape, size)?, found)
        }
        Output::Classes(classes) => {
            let count = shape.iter().product();
            Decoder::Classes(ClassesDecoder::new(classes, count)?, Vec::with_capacity(classes.top))
        }
        Output::Mask(mask) => Decoder::Mask(MaskDecoder::new(mask, &shape)?, Mask::default()),
        Output::Tensors => Decoder::None,
    })
}

/// The output's shape; an axis that only a run can tell counts as the most boxes there can be.
fn fixed_shape(tensor: &TensorInfo, output: &Output) -> Result<Vec<usize>, Error> {
    let most = match output {
        Output::Yolo(detect) => Some(detect.max_det),
        _ => None,
    };
    tensor
        .shape
        .iter()
        .map(|axis| axis.or(most))
        .collect::<Option<_>>()
        .ok_or_else(|| Error::Contract(format!("the output `{}` has no fixed shape", tensor.name)))
}
