//! An open pipeline with what C sees of it.

use std::ffi::{CString, c_char};
use std::time::Instant;

use farsight::{Bundle, Canceller};
use farsight_spec::{Input, ModelSpec, Output};

#[cfg(not(feature = "rasters"))]
use crate::Status;
use crate::failure::{Failure, Result};
use crate::memory::{Place, Read, Room};
use crate::results::{Results, Times};
use crate::tensor::{Port, Tensor, set_input};
use crate::{Classes, Detections, Mask, Options, Raster, RasterResult};

/// Room for results is made at open for as many as a bundle asks for, but not for more than this.
const MAX_ROOM: usize = 10_000;

/// What a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Task {
    /// Boxes with a class and a score.
    Detect = 1,
    /// Classes with scores, best first.
    Classify = 2,
    /// One class a pixel.
    Segment = 3,
    /// Raw tensors: no decoder is known.
    Tensors = 4,
}

impl From<farsight::Task> for Task {
    fn from(task: farsight::Task) -> Self {
        match task {
            farsight::Task::Detect => Self::Detect,
            farsight::Task::Classify => Self::Classify,
            farsight::Task::Segment => Self::Segment,
            farsight::Task::Tensors => Self::Tensors,
        }
    }
}

/// What a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum InputKind {
    /// Camera frames.
    Frame = 1,
    /// Georeferenced grids of bands.
    Raster = 2,
    /// Raw tensors.
    Tensors = 3,
}

/// What a pipeline is.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Info {
    /// `sizeof(farsight_info)`, set by the caller.
    pub size: usize,
    /// Name of the model, until the pipeline's close.
    pub name: *const c_char,
    /// One of `farsight_task`.
    pub task: u32,
    /// One of `farsight_input_kind`.
    pub input: u32,
    /// Width of the model's input in pixels (a raster's: of a window); 0 for raw tensors.
    pub input_width: u32,
    /// Height of the model's input in pixels; 0 for raw tensors.
    pub input_height: u32,
    /// How many classes have a name.
    pub labels: u32,
    /// How many input tensors the model has.
    pub inputs: u32,
    /// How many output tensors the model has.
    pub outputs: u32,
    /// How many threads work inside an operator.
    pub threads: u32,
}

/// An open pipeline.
pub(crate) struct State {
    pipeline: farsight::Pipeline,
    name: CString,
    labels: Vec<CString>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    results: Results,
}

fn to_rust(options: Option<Read<'_, Options>>) -> Result<farsight::Options> {
    options.map_or_else(|| Ok(farsight::Options::default()), |options| options.to_rust())
}

impl State {
    /// Opens the bundle at `path`.
    pub(crate) fn open(path: &str, options: Option<Read<'_, Options>>) -> Result<Self> {
        let options = to_rust(options)?;
        Ok(Self::new(farsight::Pipeline::open_with(path, &options)?, &options))
    }

    /// Opens the bundle at `path` `count` times, with one thread each where the options do not say otherwise.
    pub(crate) fn open_pool(
        path: &str,
        options: Option<Read<'_, Options>>,
        count: usize,
    ) -> Result<Vec<Self>> {
        let options = to_rust(options)?;
        let pipelines = farsight::Pool::open_with(path, count, &options)?.into_pipelines();
        Ok(pipelines.into_iter().map(|pipeline| Self::new(pipeline, &options)).collect())
    }

    /// Opens a bundle in memory, of which a copy is made.
    pub(crate) fn parse(bytes: &[u8], options: Option<Read<'_, Options>>) -> Result<Self> {
        let options = to_rust(options)?;
        let bundle = Bundle::parse(bytes.to_vec())?;
        Ok(Self::new(farsight::Pipeline::from_bundle(&bundle, &options)?, &options))
    }

    fn new(pipeline: farsight::Pipeline, options: &farsight::Options) -> Self {
        let (spec, session) = (pipeline.spec(), pipeline.session());
        Self {
            name: c_string(&spec.name),
            labels: spec.output.labels().iter().map(|label| c_string(label)).collect(),
            inputs: session.inputs().iter().map(Port::new).collect(),
            outputs: session.outputs().iter().map(Port::new).collect(),
            results: Results::with_room(room(spec, options)),
            pipeline,
        }
    }

    pub(crate) fn canceller(&self) -> Canceller {
        self.pipeline.canceller()
    }

    pub(crate) fn info(&self) -> Info {
        let (spec, session) = (self.pipeline.spec(), self.pipeline.session());
        let (input, [height, width]) = input(spec);
        Info {
            size: 0,
            name: self.name.as_ptr(),
            task: Task::from(spec.task) as u32,
            input: input as u32,
            input_width: number(width),
            input_height: number(height),
            labels: number(self.labels.len()),
            inputs: number(self.inputs.len()),
            outputs: number(self.outputs.len()),
            threads: number(session.threads()),
        }
    }

    /// Name of a class, until the pipeline's close.
    pub(crate) fn label(&self, class: u32) -> Result<*const c_char> {
        let index = usize::try_from(class).unwrap_or(usize::MAX);
        self.labels.get(index).map(|label| label.as_ptr()).ok_or_else(|| {
            Failure::bad_argument(format!("there is no label {class}, the bundle has {}", self.labels.len()))
        })
    }

    /// Runs a frame; its answer is in the results.
    pub(crate) fn run(&mut self, frame: &farsight::Frame<'_>, deadline: Option<Instant>) -> Result<()> {
        self.results.forget();
        let answer = match deadline {
            Some(deadline) => self.pipeline.run_until(frame, deadline)?,
            None => self.pipeline.run(frame)?,
        };
        self.results.keep(answer);
        Ok(())
    }

    /// Runs what is in the inputs, without pre- and post-processing.
    pub(crate) fn run_tensors(&mut self, deadline: Option<Instant>) -> Result<()> {
        self.results.forget();
        let session = self.pipeline.session_mut();
        match deadline {
            Some(deadline) => session.run_until(deadline)?,
            None => session.run()?,
        }
        self.results.keep_tensors();
        Ok(())
    }

    /// Runs a raster; its mask goes into `mask`.
    #[cfg(feature = "rasters")]
    pub(crate) fn run_raster(
        &mut self,
        raster: &Read<'_, Raster>,
        deadline: Option<Instant>,
        mut mask: Room<'_>,
        mut result: Place<'_, RasterResult>,
    ) -> Result<()> {
        self.results.forget();
        let wants_result = result.is_wanted()?;
        let pixels = place(raster.width).saturating_mul(place(raster.height));
        if !mask.is_apart(pixels, raster.samples.cast(), raster.bytes) {
            return Err(Failure::bad_argument(
                "mask lies in the memory of raster.samples, which are still read while it is written: give it memory \
                 of its own",
            ));
        }
        let mut given = raster.to_rust()?;
        mask.check(pixels, "mask")?;
        let answer = crate::raster::run(&mut self.pipeline, &mut given, deadline, &mut mask)?;
        let pixels = self.results.keep_raster(&answer.pixels);
        if wants_result {
            result.fill(&RasterResult::new(&answer, pixels), "result")?;
        }
        Ok(())
    }

    /// Says that there are no rasters in this build.
    #[cfg(not(feature = "rasters"))]
    pub(crate) fn run_raster(
        &mut self,
        _: &Read<'_, Raster>,
        _: Option<Instant>,
        _: Room<'_>,
        _: Place<'_, RasterResult>,
    ) -> Result<()> {
        Err(Failure::new(Status::NotBuilt, "not-built", "this libfarsight was built without rasters"))
    }

    pub(crate) fn set_input(&mut self, index: u32, tensor: &Read<'_, Tensor>) -> Result<()> {
        set_input(self.pipeline.session_mut(), place(index), tensor)
    }

    /// An input as it stands.
    pub(crate) fn input(&mut self, index: u32) -> Result<Tensor> {
        let (session, index) = (self.pipeline.session(), place(index));
        let shape = session.input_shape(index)?;
        let data = if shape.is_some() { session.input_bytes(index)? } else { &[] };
        Ok(self.inputs[index].describe(shape, data))
    }

    /// An output: with its elements after a run, else as the model describes it.
    pub(crate) fn output(&mut self, index: u32) -> Result<Tensor> {
        let (session, index) = (self.pipeline.session(), place(index));
        let count = self.outputs.len();
        let port = self.outputs.get_mut(index).ok_or_else(|| {
            Failure::bad_argument(format!("there is no output {index}, the model has {count}"))
        })?;
        if self.results.check_run().is_err() {
            return Ok(port.describe(None, &[]));
        }
        Ok(port.describe(Some(session.output_shape(index)?), session.output_bytes(index)?))
    }

    pub(crate) fn detections(&self) -> Result<Detections> {
        self.results.detections()
    }

    pub(crate) fn classes(&self) -> Result<Classes> {
        self.results.classes()
    }

    pub(crate) fn mask(&self) -> Result<Mask> {
        self.results.mask()
    }

    pub(crate) fn times(&self) -> Result<Times> {
        self.results.check_run()?;
        Ok(self.pipeline.times().into())
    }
}

/// How many items a run may give.
fn room(spec: &ModelSpec, options: &farsight::Options) -> usize {
    let most = match &spec.output {
        Output::Yolo(detect) | Output::Yolox(detect) => options.max_det.unwrap_or(detect.max_det),
        Output::Classes(classes) => classes.top,
        Output::Mask(_) | Output::Tensors => 0,
    };
    most.min(MAX_ROOM)
}

/// What the model takes, and `[height, width]` of it.
fn input(spec: &ModelSpec) -> (InputKind, [usize; 2]) {
    match &spec.input {
        Input::Frame(frame) => (InputKind::Frame, frame.size.unwrap_or_default()),
        Input::Raster(raster) => (InputKind::Raster, raster.tiling.window.unwrap_or_default()),
        Input::Tensors => (InputKind::Tensors, [0, 0]),
    }
}

/// A text for C; a zero byte inside becomes a question mark.
pub(crate) fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "?")).unwrap_or_default()
}

pub(crate) fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

pub(crate) fn place(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}
