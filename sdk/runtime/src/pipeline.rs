//! A bundle opened on this device: pre-processing, session, decoder, in one straight line.

use std::path::Path;
use std::time::Instant;

use farsight_bundle::{Bundle, Outline};
use farsight_engine::{Canceller, Library, Model, Session, Settings};
use farsight_spec::{ElementType, ModelSpec, Target, Task};
use farsight_vision::{ClassScore, Detection, Frame, Geometry};

use crate::stage::{Decoder, FrameStage, Stage, input_shapes};
use crate::times::Laps;
use crate::{Error, Mask, Options, Times};

/// A bundle opened on this device. `Send`, not `Sync`: one a thread.
pub struct Pipeline {
    pub(crate) session: Session,
    pub(crate) stage: Stage,
    pub(crate) times: Times,
    pub(crate) spec: ModelSpec,
    /// The input still holds what the last frame's pre-processing wrote: nobody had the session since, and
    /// ONNX Runtime never writes to an input.
    input_untouched: bool,
}

const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Pipeline>();
};

/// What a frame gave. Borrowed from the pipeline until its next run.
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// Boxes in pixels of the frame, best first.
    Detections(&'a [Detection]),
    /// Classes, best first.
    Classes(&'a [ClassScore]),
    /// One class a pixel of the frame.
    Mask(&'a Mask),
    /// The model has no decoder: read the session's outputs.
    Tensors,
}

impl Pipeline {
    /// Opens a bundle with everything as it says.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(path, &Options::default())
    }

    /// Opens a bundle with some things changed. Where a session was prepared for it on this device
    /// ([`Options::cache`]), its model is not even read.
    pub fn open_with(path: impl AsRef<Path>, options: &Options) -> Result<Self, Error> {
        let outline = Outline::open(path.as_ref())?;
        let library = Library::load(options.library.as_deref())?;
        if !options.any_target {
            library.check(&outline.target().onnxruntime)?;
            outline.compatible(&farsight_engine::host_triple(), &farsight_engine::cpu_features())?;
        }
        let (spec, target) = (outline.spec().clone(), outline.target().clone());
        let sha256 = outline.model_sha256().to_string();
        let settings = Settings::from_target(&target, options.threads);
        let model = || Ok::<_, Error>(ModelOf(outline.read()?));
        let session = Session::open_prepared(library, &sha256, model, &settings, &options.cache)?;
        Self::of_session(session, &spec, options)
    }

    /// Opens a bundle that has been read already; it may be dropped afterwards.
    pub fn from_bundle(bundle: &Bundle, options: &Options) -> Result<Self, Error> {
        let library = Library::load(options.library.as_deref())?;
        if !options.any_target {
            library.check(&bundle.target().onnxruntime)?;
            bundle.compatible(&farsight_engine::host_triple(), &farsight_engine::cpu_features())?;
        }
        let sha256 = bundle.model_sha256().to_string();
        let settings = Settings::from_target(bundle.target(), options.threads);
        let model = || Ok::<_, Error>(bundle.model_bytes());
        let session = Session::open_prepared(library, &sha256, model, &settings, &options.cache)?;
        Self::of_session(session, bundle.spec(), options)
    }

    /// Opens a model by its resolved spec, without a bundle. Nothing prepared is used: nobody vouches for what the
    /// model is.
    pub fn from_parts(
        model: Model<'_>,
        spec: &ModelSpec,
        target: &Target,
        options: &Options,
    ) -> Result<Self, Error> {
        let library = Library::load(options.library.as_deref())?;
        let settings = Settings::from_target(target, options.threads);
        Self::of_session(Session::open(library, model, &settings)?, spec, options)
    }

    /// Another pipeline on the same prepared session; `None` if this one was opened from the model.
    pub(crate) fn another(&self, options: &Options) -> Result<Option<Self>, Error> {
        let session = self.session.another()?;
        session.map(|session| Self::of_session(session, &self.spec, options)).transpose()
    }

    fn of_session(mut session: Session, spec: &ModelSpec, options: &Options) -> Result<Self, Error> {
        settle_open_shapes(&mut session, spec)?;
        let stage = Stage::new(spec, &session, options)?;
        Ok(Self { session, stage, times: Times::default(), spec: spec.clone(), input_untouched: false })
    }

    /// What the model does.
    pub fn task(&self) -> Task {
        self.spec.task
    }

    /// The resolved spec.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Name of a class: the spec's label, or its number where the spec has none.
    pub fn label(&self, class: usize) -> String {
        self.spec.output.labels().get(class).cloned().unwrap_or_else(|| class.to_string())
    }

    /// Where the time of the last run went.
    pub fn times(&self) -> Times {
        self.times
    }

    /// The session: raw tensors, shapes, threads.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The session, to fill its inputs and run it without pre- and post-processing.
    pub fn session_mut(&mut self) -> &mut Session {
        self.input_untouched = false;
        &mut self.session
    }

    /// Runs the session alone on the input that is there, such as the last frame's: what a run costs without
    /// pre- and post-processing. [`Pipeline::times`] stays as it is.
    ///
    /// # Errors
    /// If the session fails or is cancelled.
    pub fn run_session(&mut self) -> Result<(), Error> {
        Ok(self.session.run()?)
    }

    /// Runs a frame.
    ///
    /// # Errors
    /// If the model takes no frames, the frame's format does not fit, or the session fails.
    pub fn run(&mut self, frame: &Frame<'_>) -> Result<Answer<'_>, Error> {
        self.run_frame(frame, None)
    }

    /// Runs a frame that is worth nothing after `deadline`: the session is stopped then, and the next run works
    /// as usual.
    ///
    /// # Errors
    /// As [`Pipeline::run`]; [`EngineError::Timeout`](crate::EngineError::Timeout) if it was stopped.
    pub fn run_until(&mut self, frame: &Frame<'_>, deadline: Instant) -> Result<Answer<'_>, Error> {
        self.run_frame(frame, Some(deadline))
    }

    /// A handle that stops this pipeline's runs from another thread.
    pub fn canceller(&self) -> Canceller {
        self.session.canceller()
    }

    fn run_frame(&mut self, frame: &Frame<'_>, deadline: Option<Instant>) -> Result<Answer<'_>, Error> {
        let stage = match &mut self.stage {
            Stage::Frame(stage) => stage,
            #[cfg(feature = "rasters")]
            Stage::Raster(_) => return Err(Error::WrongInput { takes: "rasters", given: "a frame" }),
            Stage::Tensors => return Err(Error::WrongInput { takes: "tensors", given: "a frame" }),
        };
        let mut laps = Laps::start();
        // If this stops half-way, nobody knows what the input holds.
        let over_last = std::mem::take(&mut self.input_untouched);
        let geometry = stage.fill_input(frame, &mut self.session, over_last)?;
        self.input_untouched = true;
        let pre = laps.lap();
        match deadline {
            Some(deadline) => self.session.run_until(deadline)?,
            None => self.session.run()?,
        }
        let infer = laps.lap();
        stage.decode(&self.session, &geometry)?;
        self.times = Times { pre, infer, post: laps.lap() };
        Ok(stage.answer())
    }
}

/// The model in a bundle that is kept for as long as the model is needed.
struct ModelOf(Bundle);

impl AsRef<[u8]> for ModelOf {
    fn as_ref(&self) -> &[u8] {
        self.0.model_bytes()
    }
}

/// A source model may leave axes open (its batch, say). Its inputs get the shapes that the spec names, and one
/// run on zeros tells the shapes of its outputs.
fn settle_open_shapes(session: &mut Session, spec: &ModelSpec) -> Result<(), Error> {
    let mut is_open = false;
    for (index, shape) in input_shapes(spec, session)? {
        if session.inputs().get(index).is_some_and(|input| input.shape.contains(&None)) {
            session.set_input_shape(index, &shape)?;
            is_open = true;
        }
    }
    if is_open {
        session.run()?;
    }
    Ok(())
}

impl FrameStage {
    /// Fills the input from a frame. `over_last`: the input, for float16 `input_floats`, still holds what the
    /// last call wrote.
    fn fill_input(
        &mut self,
        frame: &Frame<'_>,
        session: &mut Session,
        over_last: bool,
    ) -> Result<Geometry, Error> {
        let Self { preprocess, input_floats, .. } = self;
        let mut fill = |tensor: &mut [f32]| match over_last {
            true => preprocess.run_over_last(frame, tensor),
            false => preprocess.run(frame, tensor),
        };
        match session.inputs()[0].element {
            ElementType::F32 => Ok(fill(session.input_mut::<f32>(0)?)?),
            ElementType::F16 => {
                let tensor = session.input_mut::<half::f16>(0)?;
                input_floats.resize(tensor.len(), 0.0);
                let geometry = fill(input_floats)?;
                for (narrow, wide) in tensor.iter_mut().zip(input_floats.iter()) {
                    *narrow = half::f16::from_f32(*wide);
                }
                Ok(geometry)
            }
            other => {
                Err(Error::Contract(format!("the model's input is {}; frames fill f32 or f16", other.name())))
            }
        }
    }

    fn decode(&mut self, session: &Session, geometry: &Geometry) -> Result<(), Error> {
        let Self { decoder, output, output_floats, .. } = self;
        match decoder {
            Decoder::Detect(decoder, found) => {
                decoder.decode(floats(session, *output, output_floats)?, geometry, found)?;
            }
            Decoder::Classes(decoder, found) => {
                decoder.decode(floats(session, *output, output_floats)?, found)?
            }
            Decoder::Mask(decoder, mask) => {
                match session.outputs()[*output].element {
                    ElementType::U8 => decoder.decode_indices(session.output::<u8>(*output)?)?,
                    ElementType::I32 => decoder.decode_indices(session.output::<i32>(*output)?)?,
                    ElementType::I64 => decoder.decode_indices(session.output::<i64>(*output)?)?,
                    _ => decoder.decode(floats(session, *output, output_floats)?)?,
                };
                [mask.height, mask.width] = geometry.frame;
                decoder.to_frame(geometry, &mut mask.classes);
            }
            Decoder::None => {}
        }
        Ok(())
    }

    fn answer(&self) -> Answer<'_> {
        match &self.decoder {
            Decoder::Detect(_, found) => Answer::Detections(found),
            Decoder::Classes(_, found) => Answer::Classes(found),
            Decoder::Mask(_, mask) => Answer::Mask(mask),
            Decoder::None => Answer::Tensors,
        }
    }
}

/// An output as float32; float16 is widened into `scratch`.
pub(crate) fn floats<'a>(
    session: &'a Session,
    output: usize,
    scratch: &'a mut Vec<f32>,
) -> Result<&'a [f32], Error> {
    match session.outputs()[output].element {
        ElementType::F32 => Ok(session.output::<f32>(output)?),
        ElementType::F16 => {
            scratch.clear();
            scratch.extend(session.output::<half::f16>(output)?.iter().map(|value| value.to_f32()));
            Ok(scratch)
        }
        other => {
            Err(Error::Contract(format!("an output of type {} has no decoder; f32 or f16 has", other.name())))
        }
    }
}
