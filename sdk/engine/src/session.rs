//! A model opened for running, with its buffers.

use std::ffi::CString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use farsight_spec::{Optimization, TensorInfo};
use ort::session::builder::{BuilderResult, GraphOptimizationLevel, SessionBuilder};

use crate::control::{Control, Watchdog};
use crate::library::wanted_level;
use crate::provider::{self, ProviderReport};
use crate::raw::{self, Bindings, Described, Graph, Port, Tensor};
use crate::startup;
use crate::{Canceller, Element, EngineError, Library, Result, Settings, StartUp};

/// A model to open.
#[derive(Debug, Clone, Copy)]
pub enum Model<'a> {
    /// An ONNX or ORT model in memory. ONNX Runtime copies what it needs.
    Bytes(&'a [u8]),
    /// A file, with external data beside it where the model names some.
    File(&'a Path),
}

impl fmt::Display for Model<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "the model in memory ({} bytes)", bytes.len()),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A model opened for running.
///
/// Inputs and outputs of fixed shape have their buffers from the start: write the inputs, [`run`], read
/// the outputs, again and again, without an allocation of ours. An input of open shape gets its buffer by
/// [`set_input_shape`]. An output of open shape is made by ONNX Runtime in each run.
///
/// `Send` and not `Sync`: one thread at a time, a session per thread for more.
///
/// [`run`]: Session::run
/// [`set_input_shape`]: Session::set_input_shape
#[derive(Debug)]
pub struct Session {
    // Dropped in this order: the watchdog ends first, buffers live until the graph is gone.
    watchdog: Option<Watchdog>,
    graph: Graph,
    bindings: Bindings,
    control: Arc<Control>,
    inputs: Vec<TensorInfo>,
    outputs: Vec<TensorInfo>,
    providers: Vec<ProviderReport>,
    threads: usize,
    startup: StartUp,
    /// Where in the cache that is which it was opened from.
    prepared: Option<PathBuf>,
    /// How it was opened, if it lives on a mapped file.
    mapped: Option<(&'static Library, Settings)>,
}

impl Session {
    /// Opens a model and makes its buffers.
    ///
    /// # Errors
    /// The model is unreadable or not supported, a provider is missing, or a tensor is not of numbers.
    pub fn open(library: &'static Library, model: Model<'_>, settings: &Settings) -> Result<Self> {
        Self::open_as(library, model, settings, &Ok)
    }

    /// Opens a model with what `options` adds to the session options. A provider may be there and not start (no
    /// GPU, say): where a fallback is allowed, it is left out like one that is missing.
    pub(crate) fn open_as(
        library: &'static Library,
        model: Model<'_>,
        settings: &Settings,
        options: &dyn Fn(SessionBuilder) -> Result<SessionBuilder>,
    ) -> Result<Self> {
        let mut settings = settings.clone();
        let mut left_out = Vec::new();
        loop {
            let (builder, mut providers) = builder(library, &settings)?;
            let used: Vec<_> =
                providers.iter().filter(|report| report.is_used() && !report.is_cpu()).collect();
            match graph(library, model, &options(builder)?) {
                Ok(graph) => {
                    left_out.append(&mut providers);
                    return Self::of_graph(graph, model, left_out, settings.threads);
                }
                Err(EngineError::Model { reason, .. }) if settings.allow_fallback && !used.is_empty() => {
                    let alone = |name: &str| why_not_alone(library, model, &settings, options, name);
                    let names: Vec<_> = used.iter().map(|report| report.name.as_str()).collect();
                    let (name, reason) = at_fault(&names, reason, alone);
                    log::warn!("execution provider {name} is left out: {reason}");
                    settings.providers.retain(|provider| provider.name != name);
                    left_out.push(ProviderReport { name: name.to_owned(), missing: Some(reason) });
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes the buffers of a graph; `model` is where it came from.
    pub(crate) fn of_graph(
        graph: Graph,
        model: Model<'_>,
        providers: Vec<ProviderReport>,
        threads: usize,
    ) -> Result<Self> {
        let unreadable = |reason: String| EngineError::Model { model: model.to_string(), reason };
        let (input_names, inputs) = tensors(&graph, Port::Input, model)?;
        let (output_names, outputs) = tensors(&graph, Port::Output, model)?;
        let elements = outputs.iter().map(|output| output.element);
        let bindings = Bindings::new(input_names, output_names.into_iter().zip(elements).collect());
        let control = Control::new().map_err(unreadable)?;
        let startup = StartUp::Plain;
        let mut session = Self {
            watchdog: None,
            graph,
            bindings,
            control,
            inputs,
            outputs,
            providers,
            threads,
            startup,
            prepared: None,
            mapped: None,
        };
        session.bind_fixed_shapes()?;
        Ok(session)
    }

    fn bind_fixed_shapes(&mut self) -> Result<()> {
        for i in 0..self.inputs.len() {
            if let Some(shape) = fixed(&self.inputs[i]) {
                self.bind_input(i, &shape)?;
            }
        }
        for (i, output) in self.outputs.iter().enumerate() {
            // An output that is an input handed through is never written to: ONNX Runtime hands out the
            // input's own value, so there it makes the output.
            let handed_through = self.inputs.iter().any(|input| input.name == output.name);
            if let Some(shape) = fixed(output).filter(|_| !handed_through) {
                let tensor = Tensor::zeros(output.element, &shape)
                    .map_err(|reason| shape_error(Port::Output, i, output, &shape, reason))?;
                self.bindings.bind_output(i, tensor);
            }
        }
        Ok(())
    }

    fn bind_input(&mut self, i: usize, shape: &[usize]) -> Result<()> {
        let input = &self.inputs[i];
        let tensor = Tensor::zeros(input.element, shape)
            .map_err(|reason| shape_error(Port::Input, i, input, shape, reason))?;
        self.bindings.bind_input(i, tensor);
        Ok(())
    }

    /// How many threads work inside an operator.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The model's inputs, as the model describes them.
    pub fn inputs(&self) -> &[TensorInfo] {
        &self.inputs
    }

    /// The model's outputs, as the model describes them.
    pub fn outputs(&self) -> &[TensorInfo] {
        &self.outputs
    }

    /// The providers in the order in which they take nodes, and those that are left out. ONNX Runtime may
    /// still give nodes that none of them takes to the CPU (see [`Settings::providers`]).
    pub fn providers(&self) -> &[ProviderReport] {
        &self.providers
    }

    /// From what it was opened: the model itself, or what was prepared on this device.
    pub fn startup(&self) -> &StartUp {
        &self.startup
    }

    /// The folder of what it was opened from, if that was prepared on this device.
    pub fn prepared(&self) -> Option<&Path> {
        self.prepared.as_deref()
    }

    pub(crate) fn started(mut self, startup: StartUp) -> Self {
        self.startup = startup;
        self
    }

    /// Another session on the same mapped file, which is in memory once; `None` if this one was opened from the
    /// model, or by a provider.
    ///
    /// # Errors
    /// As for [`Session::open`].
    pub fn another(&self) -> Result<Option<Self>> {
        let (Some((library, settings)), Some(folder)) = (&self.mapped, &self.prepared) else {
            return Ok(None);
        };
        let bytes = self.graph.bytes();
        let open = |bytes| startup::mapped(library, settings, self.providers.clone(), folder, bytes);
        bytes.map(open).transpose()
    }

    pub(crate) fn lives_on_a_map(mut self, library: &'static Library, settings: &Settings) -> Self {
        self.mapped = Some((library, settings.clone()));
        self
    }

    pub(crate) fn prepared_in(mut self, folder: &Path) -> Self {
        self.prepared = Some(folder.to_path_buf());
        self
    }

    pub(crate) fn provided_by(mut self, providers: &[ProviderReport]) -> Self {
        self.providers = providers.to_vec();
        self
    }

    /// Gives input `i` a shape and a buffer of zeros. Needed once for inputs of open shape; the same shape
    /// again changes nothing.
    ///
    /// # Errors
    /// The shape contradicts the model or does not fit into memory.
    pub fn set_input_shape(&mut self, i: usize, shape: &[usize]) -> Result<()> {
        let input = info(&self.inputs, Port::Input, i)?;
        if self.bindings.input_shape(i) == Some(shape) {
            return Ok(());
        }
        let fits = input.shape.len() == shape.len()
            && input
                .shape
                .iter()
                .zip(shape)
                .all(|(fixed, &length)| fixed.is_none_or(|fixed| fixed == length));
        if !fits {
            let reason = format!("the model takes {}", input.shape_text());
            return Err(shape_error(Port::Input, i, input, shape, reason));
        }
        self.bind_input(i, shape)
    }

    /// The current shape of input `i`, or `None` if it is open still.
    ///
    /// # Errors
    /// There is no input `i`.
    pub fn input_shape(&self, i: usize) -> Result<Option<&[usize]>> {
        info(&self.inputs, Port::Input, i)?;
        Ok(self.bindings.input_shape(i))
    }

    /// Input `i`, to be written to, in row-major order. It keeps its content from run to run.
    ///
    /// # Errors
    /// There is no input `i`, its elements are not `T`, or its shape is open still.
    pub fn input_mut<T: Element>(&mut self, i: usize) -> Result<&mut [T]> {
        let tensor = info(&self.inputs, Port::Input, i)?;
        check_element::<T>(tensor, Port::Input, i)?;
        let bytes = self.bindings.input_bytes(i).ok_or_else(|| no_shape_yet(i, tensor))?;
        if bytes.is_empty() {
            return Ok(&mut []);
        }
        bytemuck::try_cast_slice_mut(bytes).map_err(|_| wrong_element::<T>(tensor, Port::Input, i))
    }

    /// Input `i` as it was written last, in row-major order.
    ///
    /// # Errors
    /// As for [`Session::input_mut`].
    pub fn input<T: Element>(&self, i: usize) -> Result<&[T]> {
        let tensor = info(&self.inputs, Port::Input, i)?;
        check_element::<T>(tensor, Port::Input, i)?;
        let bytes = self.input_bytes(i)?;
        if bytes.is_empty() {
            return Ok(&[]);
        }
        bytemuck::try_cast_slice(bytes).map_err(|_| wrong_element::<T>(tensor, Port::Input, i))
    }

    /// Input `i` as it was written last, as bytes in this machine's order.
    ///
    /// # Errors
    /// There is no input `i`, or its shape is open still.
    pub fn input_bytes(&self, i: usize) -> Result<&[u8]> {
        let tensor = info(&self.inputs, Port::Input, i)?;
        self.bindings.input(i).ok_or_else(|| no_shape_yet(i, tensor))
    }

    /// Input `i` as bytes in this machine's order, to be written to.
    ///
    /// # Errors
    /// There is no input `i`, or its shape is open still.
    pub fn input_bytes_mut(&mut self, i: usize) -> Result<&mut [u8]> {
        let tensor = info(&self.inputs, Port::Input, i)?;
        self.bindings.input_bytes(i).ok_or_else(|| no_shape_yet(i, tensor))
    }

    /// Output `i` of the last run, in row-major order.
    ///
    /// # Errors
    /// There is no output `i`, its elements are not `T`, or there was no run yet to tell its shape.
    pub fn output<T: Element>(&self, i: usize) -> Result<&[T]> {
        let tensor = info(&self.outputs, Port::Output, i)?;
        check_element::<T>(tensor, Port::Output, i)?;
        let bytes = self.output_bytes(i)?;
        if bytes.is_empty() {
            return Ok(&[]);
        }
        bytemuck::try_cast_slice(bytes).map_err(|_| wrong_element::<T>(tensor, Port::Output, i))
    }

    /// Output `i` of the last run as bytes in this machine's order.
    ///
    /// # Errors
    /// There is no output `i`, or there was no run yet to tell its shape.
    pub fn output_bytes(&self, i: usize) -> Result<&[u8]> {
        Ok(self.last_output(i)?.1)
    }

    /// Shape of output `i`, where it is open that of the last run.
    ///
    /// # Errors
    /// There is no output `i`, or there was no run yet to tell its shape.
    pub fn output_shape(&self, i: usize) -> Result<&[usize]> {
        Ok(self.last_output(i)?.0)
    }

    fn last_output(&self, i: usize) -> Result<(&[usize], &[u8])> {
        let tensor = info(&self.outputs, Port::Output, i)?;
        self.bindings.output(i).ok_or_else(|| EngineError::NotReady {
            tensor: label(Port::Output, i, tensor),
            reason: "its shape shows in a run that succeeds",
        })
    }

    /// Runs the model on what is in its inputs. Allocates nothing of ours.
    ///
    /// # Errors
    /// An input has no shape yet, the run was cancelled, or ONNX Runtime failed. The outputs then hold
    /// nothing of use; the session can run again.
    pub fn run(&mut self) -> Result<()> {
        self.run_with(None)
    }

    /// Like [`run`](Session::run), stopped at a deadline. The first such run starts a thread that watches
    /// over this one and all later ones.
    ///
    /// # Errors
    /// As for `run`, and [`EngineError::Timeout`]. An operator at work is finished first, so the error may
    /// come a little later than the deadline.
    pub fn run_until(&mut self, deadline: Instant) -> Result<()> {
        if self.watchdog.is_none() {
            let watchdog = Watchdog::start(&self.control);
            self.watchdog = Some(watchdog.map_err(|error| EngineError::Run {
                reason: format!("the thread that watches the deadline did not start: {error}"),
            })?);
        }
        self.run_with(Some(deadline))
    }

    fn run_with(&mut self, deadline: Option<Instant>) -> Result<()> {
        if let Some(i) = self.bindings.unbound_input() {
            return Err(no_shape_yet(i, &self.inputs[i]));
        }
        self.control.begin(deadline)?;
        let done = self.graph.run(self.control.options(), &mut self.bindings);
        self.control.end(done)
    }

    /// A handle that stops this session's runs from other threads.
    pub fn canceller(&self) -> Canceller {
        self.control.canceller()
    }

    #[cfg(feature = "profile")]
    pub(crate) fn end_profiling(&mut self) -> std::result::Result<String, String> {
        self.graph.end_profiling()
    }
}

/// The provider that keeps a session from being made, and why: the first with which none can be made either when it
/// is the only one. ONNX Runtime's `reason` does not name it. If each works alone, it is the first one's.
fn at_fault<'a>(
    names: &[&'a str],
    reason: String,
    why_not_alone: impl Fn(&str) -> Option<String>,
) -> (&'a str, String) {
    if let [_, _, ..] = names
        && let Some(found) = names.iter().find_map(|name| Some((*name, why_not_alone(name)?)))
    {
        return found;
    }
    (names[0], reason)
}

/// Why no session can be made with one of the providers and the CPU; `None` if it can.
fn why_not_alone(
    library: &'static Library,
    model: Model<'_>,
    settings: &Settings,
    options: &dyn Fn(SessionBuilder) -> Result<SessionBuilder>,
    name: &str,
) -> Option<String> {
    let mut settings = settings.clone();
    settings.providers.retain(|provider| provider.name == name);
    let made = builder(library, &settings).and_then(|(builder, _)| graph(library, model, &options(builder)?));
    match made {
        Ok(_) => None,
        Err(EngineError::Model { reason, .. }) => Some(reason),
        Err(error) => Some(error.to_string()),
    }
}

pub(crate) fn graph(library: &'static Library, model: Model<'_>, builder: &SessionBuilder) -> Result<Graph> {
    let environment = library.environment();
    match model {
        Model::Bytes([]) => Err("it is empty".to_owned()),
        Model::Bytes(bytes) => Graph::from_bytes(environment, builder, bytes),
        Model::File(path) => {
            check_model_file(path).and_then(|()| Graph::from_file(environment, builder, path))
        }
    }
    .map_err(|reason| EngineError::Model { model: model.to_string(), reason })
}

/// What a model's inputs and outputs are, without making buffers for them; outputs that are no tensors of numbers
/// are left out.
pub(crate) fn signature(
    library: &'static Library,
    model: Model<'_>,
    settings: &Settings,
) -> Result<(Vec<TensorInfo>, Vec<TensorInfo>)> {
    let (builder, _) = builder(library, settings)?;
    let graph = graph(library, model, &builder)?;
    let inputs = tensors(&graph, Port::Input, model)?.1;
    let described = described(&graph, Port::Output, model)?;
    let output = |(name, described): (CString, Described)| {
        let (element, shape) = described.ok()?;
        Some(TensorInfo { name: name.to_string_lossy().into_owned(), element, shape })
    };
    Ok((inputs, described.into_iter().filter_map(output).collect()))
}

/// Session options for these settings, and what became of the providers.
pub(crate) fn builder(
    library: &'static Library,
    settings: &Settings,
) -> Result<(SessionBuilder, Vec<ProviderReport>)> {
    let made = ort::session::Session::builder(library.environment());
    let mut builder = made.map_err(|error| EngineError::Setting {
        setting: "new session options",
        reason: error.to_string(),
    })?;
    builder = set("the number of threads", builder.with_intra_threads(settings.threads.max(1)))?;
    builder = set("the number of threads between operators", builder.with_inter_threads(1))?;
    builder = set("spinning", builder.with_intra_op_spinning(settings.spinning))?;
    builder = set("spinning", builder.with_inter_op_spinning(settings.spinning))?;
    builder = set("the optimization level", builder.with_optimization_level(level(settings.optimization)))?;
    builder = set("memory_pattern", builder.with_memory_pattern(settings.memory_pattern))?;
    builder = set("the log level", builder.with_log_level(wanted_level()))?;
    if !settings.arena {
        raw::disable_arena(&mut builder)
            .map_err(|reason| EngineError::Setting { setting: "arena = false", reason })?;
    }
    let names_cpu = settings.providers.iter().any(|provider| provider.name.eq_ignore_ascii_case("CPU"));
    if !settings.providers.is_empty() && !names_cpu && !settings.allow_fallback {
        builder = set("no fallback to the CPU", builder.with_disable_cpu_fallback())?;
    }
    let providers = provider::with_own_options(settings);
    let reports = provider::append(&mut builder, library, &providers, settings.allow_fallback)?;
    Ok((builder, reports))
}

/// The builder after a setting, or which setting was refused.
pub(crate) fn set(setting: &'static str, done: BuilderResult) -> Result<SessionBuilder> {
    done.map_err(|error| EngineError::Setting { setting, reason: error.to_string() })
}

fn level(optimization: Optimization) -> GraphOptimizationLevel {
    match optimization {
        Optimization::Off => GraphOptimizationLevel::Disable,
        Optimization::Basic => GraphOptimizationLevel::Level1,
        Optimization::Extended => GraphOptimizationLevel::Level2,
        Optimization::All => GraphOptimizationLevel::All,
    }
}

fn check_model_file(path: &Path) -> std::result::Result<(), String> {
    let metadata = path.metadata().map_err(|error| error.to_string())?;
    match (metadata.is_file(), metadata.len()) {
        (false, _) => Err("it is no file".into()),
        (true, 0) => Err("it is empty".into()),
        _ => Ok(()),
    }
}

fn described(graph: &Graph, port: Port, model: Model<'_>) -> Result<Vec<(CString, Described)>> {
    graph.tensors(port).map_err(|reason| EngineError::Model { model: model.to_string(), reason })
}

fn tensors(graph: &Graph, port: Port, model: Model<'_>) -> Result<(Vec<CString>, Vec<TensorInfo>)> {
    let mut names = Vec::new();
    let mut infos = Vec::new();
    for (raw_name, described) in described(graph, port, model)? {
        let name = raw_name.to_string_lossy().into_owned();
        let (element, shape) = described.map_err(|found| EngineError::UnsupportedTensor {
            model: model.to_string(),
            tensor: format!("{} \"{name}\"", port.name()),
            found,
        })?;
        names.push(raw_name);
        infos.push(TensorInfo { name, element, shape });
    }
    Ok((names, infos))
}

fn fixed(tensor: &TensorInfo) -> Option<Vec<usize>> {
    tensor.shape.iter().copied().collect()
}

fn info(tensors: &[TensorInfo], port: Port, index: usize) -> Result<&TensorInfo> {
    let missing = || EngineError::NoSuchTensor { port: port.name(), index, count: tensors.len() };
    tensors.get(index).ok_or_else(missing)
}

fn label(port: Port, i: usize, tensor: &TensorInfo) -> String {
    format!("{} {i} \"{}\"", port.name(), tensor.name)
}

fn no_shape_yet(i: usize, tensor: &TensorInfo) -> EngineError {
    EngineError::NotReady {
        tensor: label(Port::Input, i, tensor),
        reason: "its shape is open, set_input_shape must come first",
    }
}

fn check_element<T: Element>(tensor: &TensorInfo, port: Port, i: usize) -> Result<()> {
    if T::fits(tensor.element) { Ok(()) } else { Err(wrong_element::<T>(tensor, port, i)) }
}

fn wrong_element<T: Element>(tensor: &TensorInfo, port: Port, i: usize) -> EngineError {
    EngineError::WrongElement { tensor: label(port, i, tensor), element: tensor.element, asked: T::NAME }
}

fn shape_error(port: Port, i: usize, tensor: &TensorInfo, shape: &[usize], reason: String) -> EngineError {
    EngineError::Shape { tensor: label(port, i, tensor), shape: shape.to_vec(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_that_fails_is_blamed_not_the_first() {
        let names = ["TensorRT", "CUDA"];
        let fails = |bad: &'static str| move |name: &str| (name == bad).then(|| format!("{name} says no"));
        let all = || "all say no".to_owned();
        assert_eq!(at_fault(&names, all(), fails("CUDA")), ("CUDA", "CUDA says no".to_owned()));
        assert_eq!(at_fault(&names, all(), fails("TensorRT")), ("TensorRT", "TensorRT says no".to_owned()));
        assert_eq!(at_fault(&names, all(), fails("none of them")), ("TensorRT", all()));
        // One alone is not tried again.
        assert_eq!(at_fault(&names[1..], all(), |_| panic!()), ("CUDA", all()));
    }
}
