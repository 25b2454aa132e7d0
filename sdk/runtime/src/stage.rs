//! What stands before and behind the session, made once at open: the pre-processing and the decoder.

use farsight_engine::Session;
use farsight_spec::{ClassesOutput, FrameInput, Input, Layout, ModelSpec, Output, TensorInfo, YoloLayout};
use farsight_vision::{ClassScore, ClassesDecoder, DetectDecoder, Detection, FramePreprocess, MaskDecoder};

use crate::{Error, Mask, Options};

/// What stands before and behind the session.
pub(crate) enum Stage {
    Frame(Box<FrameStage>),
    #[cfg(feature = "rasters")]
    Raster(Box<crate::raster::RasterStage>),
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
            Input::Frame(input) => {
                FrameStage::new(input, spec, session, options).map(|stage| Self::Frame(Box::new(stage)))
            }
            #[cfg(feature = "rasters")]
            Input::Raster(input) => crate::raster::RasterStage::new(input, spec, session, options)
                .map(|stage| Self::Raster(Box::new(stage))),
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
        check_only_input(session, input)?;
        let preprocess = FramePreprocess::new(input)?;
        let output = output_index(spec, session.outputs())?;
        let decoder = decoder(&spec.output, input, session, output, options)?;
        Ok(Self { preprocess, decoder, input_floats: Vec::new(), output_floats: Vec::new(), output })
    }
}

/// The shapes that a resolved spec gives the model's inputs, by their places; none for raw tensors.
pub(crate) fn input_shapes(spec: &ModelSpec, session: &Session) -> Result<Vec<(usize, Vec<usize>)>, Error> {
    match &spec.input {
        Input::Frame(input) => Ok(frame_shape(input).map(|shape| (0, shape.to_vec())).into_iter().collect()),
        #[cfg(feature = "rasters")]
        Input::Raster(input) => crate::raster::input_shapes(input, session.inputs()),
        #[cfg(not(feature = "rasters"))]
        Input::Raster(_) => {
            let _ = session;
            Ok(Vec::new())
        }
        Input::Tensors => Ok(Vec::new()),
    }
}

fn frame_shape(input: &FrameInput) -> Option<[usize; 4]> {
    let channels = input.channels.count();
    let [height, width] = input.size?;
    Some(match input.layout? {
        Layout::Nchw => [1, channels, height, width],
        Layout::Nhwc => [1, height, width, channels],
    })
}

/// The model must have one input, of the shape that the spec gives.
fn check_only_input(session: &Session, input: &FrameInput) -> Result<(), Error> {
    if session.inputs().len() != 1 {
        return Err(Error::Contract(format!(
            "the model has {} inputs, a frame fills exactly one",
            session.inputs().len()
        )));
    }
    let expected = frame_shape(input)
        .ok_or_else(|| Error::Contract("the spec is not resolved: the input's size is missing".to_owned()))?;
    check_shape(session, 0, &expected)
}

/// An input must have the shape that the spec gives.
pub(crate) fn check_shape(session: &Session, index: usize, expected: &[usize]) -> Result<(), Error> {
    if session.input_shape(index)? != Some(expected) {
        let tensor = &session.inputs()[index];
        return Err(Error::Contract(format!(
            "the input `{}` has shape {}, the spec says {expected:?}",
            tensor.name,
            tensor.shape_text()
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

/// The threshold of a spec that has one, as the caller wants it.
pub(crate) fn with_conf(classes: &ClassesOutput, options: &Options) -> ClassesOutput {
    let threshold = classes.threshold.map(|threshold| options.conf.unwrap_or(threshold));
    ClassesOutput { threshold, ..classes.clone() }
}

fn decoder(
    output: &Output,
    input: &FrameInput,
    session: &Session,
    index: usize,
    options: &Options,
) -> Result<Decoder, Error> {
    let size = input.size.unwrap_or_default();
    Ok(match output {
        Output::Yolo(detect) | Output::Yolox(detect) => {
            let layout = detect.layout.ok_or_else(|| {
                Error::Contract("the spec is not resolved: the layout is missing".to_owned())
            })?;
            let mut detect = detect.clone();
            detect.conf = options.conf.unwrap_or(detect.conf);
            detect.iou = options.iou.unwrap_or(detect.iou);
            detect.max_det = options.max_det.unwrap_or(detect.max_det);
            // After NMS the number of rows is known by each run only; the decoder takes any.
            let shape = match session.outputs()[index].shape[..] {
                [_, None, Some(columns)] if layout == YoloLayout::EndToEnd => {
                    vec![1, detect.max_det, columns]
                }
                _ => output_shape(session, index)?,
            };
            let decoder = DetectDecoder::new(&detect, layout, &shape, size)?;
            let most = detect.max_det.min(shape.iter().product());
            Decoder::Detect(decoder, Vec::with_capacity(most))
        }
        Output::Classes(classes) => {
            let count = output_shape(session, index)?.iter().product();
            let classes = with_conf(classes, options);
            Decoder::Classes(
                ClassesDecoder::new(&classes, count)?,
                Vec::with_capacity(classes.top.min(count)),
            )
        }
        Output::Mask(mask) => {
            Decoder::Mask(MaskDecoder::new(mask, &output_shape(session, index)?)?, Mask::default())
        }
        Output::Tensors => Decoder::None,
    })
}

/// An output's shape: as the model declares it; an axis it leaves open is what the last run gave.
pub(crate) fn output_shape(session: &Session, index: usize) -> Result<Vec<usize>, Error> {
    let declared = &session.outputs()[index];
    let seen = session.output_shape(index).ok();
    let axis = |(place, axis): (usize, &Option<usize>)| axis.or_else(|| Some(*seen?.get(place)?));
    declared.shape.iter().enumerate().map(axis).collect::<Option<_>>().ok_or_else(|| {
        Error::Contract(format!(
            "the output `{}` has the open shape {}",
            declared.name,
            declared.shape_text()
        ))
    })
}
