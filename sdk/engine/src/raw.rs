//! Every unsafe line of the engine: the C interface of ONNX Runtime where `ort` has no safe or no
//! allocation-free way, and the memory that tensors live in.
//!
//! `ort` loads the library, makes the environment, the session options and the run options. Sessions
//! are made, described and run here: `ort`'s own `run` allocates, and its type descriptions panic on
//! types that it does not know.

use std::alloc::Layout;
use std::ffi::{CStr, CString, c_char, c_void};
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use farsight_spec::ElementType;
use ort::environment::Environment;
use ort::ep::ExecutionProvider;
use ort::session::RunOptions;
use ort::session::builder::SessionBuilder;
use ort::{AsPointer, sys};

use crate::{EngineError, Result, element};

/// What ONNX Runtime said when a call failed.
type Said<T> = std::result::Result<T, String>;

fn check(status: sys::OrtStatusPtr) -> Said<()> {
    if status.0.is_null() {
        return Ok(());
    }
    let api = ort::api();
    // SAFETY: a status that is not null holds a C string and belongs to the caller, who releases it once.
    unsafe {
        let message = CStr::from_ptr((api.GetErrorMessage)(status.0)).to_string_lossy().into_owned();
        (api.ReleaseStatus)(status.0);
        Err(message)
    }
}

fn not_null<T>(pointer: *mut T) -> Said<NonNull<T>> {
    NonNull::new(pointer).ok_or_else(|| "it handed back a null pointer".to_owned())
}

/// A shared library held in memory.
#[derive(Debug)]
pub(crate) struct Loaded(libloading::Library);

/// The variable that, at 1, keeps ONNX Runtime 1.29 and later from writing files and opening connections.
pub const NO_TELEMETRY: &str = "ORT_DISABLE_TELEMETRY";

/// Loads a library, with ONNX Runtime's telemetry switched off before any of its code runs: from 1.29
/// on it writes files and opens connections unless this variable is set when it starts.
pub(crate) fn load(path: &Path) -> Result<Loaded> {
    if std::env::var_os(NO_TELEMETRY).is_none_or(|value| value != "1") {
        // SAFETY: Rust's own readers and writers of the environment hold a lock. C code that reads it at
        // this very moment from another thread could read a moved string; ONNX Runtime is not loaded
        // yet, and a program that opens its first model while foreign threads start up can avoid the
        // write by setting the variable itself.
        unsafe { std::env::set_var(NO_TELEMETRY, "1") };
    }
    // SAFETY: loading runs the library's constructors. The path was chosen by whoever runs the program
    // and its file was checked to be an ONNX Runtime for this CPU.
    let library = unsafe { libloading::Library::new(path) };
    library
        .map(Loaded)
        .map_err(|error| EngineError::Load { path: path.to_path_buf(), reason: error.to_string() })
}

fn base(loaded: &Loaded) -> Said<&sys::OrtApiBase> {
    type Entry = unsafe extern "C" fn() -> *const sys::OrtApiBase;
    // SAFETY: `OrtGetApiBase` has had this signature since ONNX Runtime 1.0.
    let entry = unsafe { loaded.0.get::<Entry>(b"OrtGetApiBase\0") }.map_err(|error| error.to_string())?;
    // SAFETY: the function takes nothing and returns a table that lives as long as the library, or null.
    unsafe { entry().as_ref() }.ok_or_else(|| "OrtGetApiBase returns nothing".to_owned())
}

/// The version that the library reports, such as `"1.32.0"`.
pub(crate) fn version(loaded: &Loaded, path: &Path) -> Result<String> {
    let no_library = |found| EngineError::NotALibrary { path: path.to_path_buf(), found };
    let base = base(loaded).map_err(no_library)?;
    // SAFETY: the table's first two functions have kept their signatures since ONNX Runtime 1.0.
    let version = unsafe { (base.GetVersionString)() };
    if version.is_null() {
        return Err(no_library("a library that does not tell its version".to_owned()));
    }
    // SAFETY: not null, and a C string that belongs to the library.
    Ok(unsafe { CStr::from_ptr(version) }.to_string_lossy().into_owned())
}

/// Makes sure that the library hands out the interface that `ort` will ask for (it panics otherwise).
pub(crate) fn check_interface(loaded: &Loaded, path: &Path, version: &str) -> Result<()> {
    let table = base(loaded).map(|base| {
        // SAFETY: as in `version`; an unknown number gives null.
        unsafe { (base.GetApi)(sys::ORT_API_VERSION) }
    });
    match table {
        Ok(table) if !table.is_null() => Ok(()),
        _ => Err(EngineError::TooOld { path: path.to_path_buf(), found: version.to_owned() }),
    }
}

/// The providers that the loaded library was built with, by ONNX Runtime's full names.
pub(crate) fn available_providers() -> Said<Vec<String>> {
    let api = ort::api();
    let (mut names, mut count) = (ptr::null_mut(), 0);
    // SAFETY: both point to places for the answer.
    check(unsafe { (api.GetAvailableProviders)(&mut names, &mut count) })?;
    let listed = (0..usize::try_from(count).unwrap_or(0))
        .map(|i| {
            // SAFETY: the list holds `count` C strings.
            unsafe { CStr::from_ptr(*names.add(i)) }.to_string_lossy().into_owned()
        })
        .collect();
    // SAFETY: the list came from the call above and nothing refers to it any more.
    check(unsafe { (api.ReleaseAvailableProviders)(names, count) })?;
    Ok(listed)
}

/// Ways to hand a provider its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Append {
    /// By name, the general way.
    Named(&'static CStr),
    /// CUDA's own options object.
    Cuda,
    /// TensorRT's own options object.
    TensorRt,
    /// By a function of its own, which `ort` looks up in the library.
    Acl,
}

/// Adds a provider to a session's list.
pub(crate) fn append_provider(
    builder: &mut SessionBuilder,
    way: Append,
    options: &[(CString, CString)],
) -> Said<()> {
    let api = ort::api();
    let keys: Vec<_> = options.iter().map(|option| option.0.as_ptr()).collect();
    let values: Vec<_> = options.iter().map(|option| option.1.as_ptr()).collect();
    let (keys, values, count) = (keys.as_ptr(), values.as_ptr(), options.len());
    let session = builder.ptr_mut();
    match way {
        // SAFETY: `keys` and `values` hold `count` C strings that outlive the call.
        Append::Named(name) => check(unsafe {
            (api.SessionOptionsAppendExecutionProvider)(session, name.as_ptr(), keys, values, count)
        }),
        Append::Cuda => {
            let mut own = ptr::null_mut();
            // SAFETY: `own` is made, used and released here; the strings outlive the calls.
            unsafe {
                check((api.CreateCUDAProviderOptions)(&mut own))?;
                let done = check((api.UpdateCUDAProviderOptions)(own, keys, values, count))
                    .and_then(|()| check((api.SessionOptionsAppendExecutionProvider_CUDA_V2)(session, own)));
                (api.ReleaseCUDAProviderOptions)(own);
                done
            }
        }
        Append::TensorRt => {
            let mut own = ptr::null_mut();
            // SAFETY: as above.
            unsafe {
                check((api.CreateTensorRTProviderOptions)(&mut own))?;
                let done =
                    check((api.UpdateTensorRTProviderOptions)(own, keys, values, count)).and_then(|()| {
                        check((api.SessionOptionsAppendExecutionProvider_TensorRT_V2)(session, own))
                    });
                (api.ReleaseTensorRTProviderOptions)(own);
                done
            }
        }
        Append::Acl => append_acl(builder, options),
    }
}

fn append_acl(builder: &mut SessionBuilder, options: &[(CString, CString)]) -> Said<()> {
    let mut provider = ort::ep::ACL::default();
    for (key, value) in options {
        provider = match (key.to_bytes(), value.to_bytes()) {
            (b"enable_fast_math", b"1" | b"true") => provider.with_fast_math(true),
            (b"enable_fast_math", b"0" | b"false") => provider.with_fast_math(false),
            _ => {
                return Err(format!("it takes enable_fast_math = \"0\" or \"1\", found {key:?} = {value:?}"));
            }
        };
    }
    provider.register(builder).map_err(|error| error.to_string())
}

/// Gives memory back to the system as soon as it is free.
pub(crate) fn disable_arena(builder: &mut SessionBuilder) -> Said<()> {
    // SAFETY: the options live and belong to the builder.
    check(unsafe { (ort::api().DisableCpuMemArena)(builder.ptr_mut()) })
}

/// Number of the user that this process acts as.
pub(crate) fn user() -> u32 {
    // SAFETY: it takes nothing and never fails.
    unsafe { libc::geteuid() }
}

/// The next part of a file, from `at` on, that is no hole; empty at `end` if there is none. Where the system cannot
/// tell, all of it.
#[cfg(target_os = "linux")]
pub(crate) fn next_data(file: &File, at: u64, end: u64) -> std::io::Result<Range<u64>> {
    use std::os::fd::AsRawFd;
    let seek = |from: u64, what| {
        let from = from.try_into().map_err(std::io::Error::other)?;
        // SAFETY: the file is open; nothing else is touched.
        match unsafe { libc::lseek(file.as_raw_fd(), from, what) } {
            -1 => Err(std::io::Error::last_os_error()),
            found => Ok((found as u64).min(end)),
        }
    };
    match seek(at, libc::SEEK_DATA) {
        Ok(start) => Ok(start..seek(start, libc::SEEK_HOLE)?),
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Ok(end..end),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(at..end),
        Err(error) => Err(error),
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn next_data(_: &File, at: u64, end: u64) -> std::io::Result<Range<u64>> {
    Ok(at..end)
}

/// A file mapped for reading.
pub(crate) type Mapped = memmap2::Mmap;

/// Maps a file of the cache.
pub(crate) fn map(file: &File) -> std::io::Result<Mapped> {
    // SAFETY: read-only. A file of the cache is written under another name and renamed, never changed or cut; who
    // could do that by hand (see `cache::entry`) is the user that this process belongs to, or root.
    unsafe { Mapped::map(file) }
}

/// One side of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    Input,
    Output,
}

impl Port {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// A model in ONNX Runtime.
#[derive(Debug)]
pub(crate) struct Graph {
    session: NonNull<sys::OrtSession>,
    /// Where its weights lie, if ONNX Runtime did not copy them. Dropped after the session is released.
    bytes: Option<Arc<Mapped>>,
}

// SAFETY: a session may be used from any thread, by one at a time.
unsafe impl Send for Graph {}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: made by CreateSession…, released once.
        unsafe { (ort::api().ReleaseSession)(self.session.as_ptr()) };
    }
}

impl Graph {
    /// Opens a model from memory; ONNX Runtime keeps a copy of what it needs.
    pub(crate) fn from_bytes(env: &Environment, options: &SessionBuilder, model: &[u8]) -> Said<Self> {
        let mut session = ptr::null_mut();
        // SAFETY: environment and options live; the bytes are read during the call only.
        check(unsafe {
            (ort::api().CreateSessionFromArray)(
                env.ptr(),
                model.as_ptr().cast(),
                model.len(),
                options.ptr(),
                &mut session,
            )
        })?;
        not_null(session).map(|session| Self { session, bytes: None })
    }

    /// Opens a model in ONNX Runtime's own format that stays where it is: `options` tell it not to copy.
    pub(crate) fn from_mapped(env: &Environment, options: &SessionBuilder, model: Arc<Mapped>) -> Said<Self> {
        let mut graph = Self::from_bytes(env, options, &model)?;
        graph.bytes = Some(model);
        Ok(graph)
    }

    /// What it lives on, if it was opened by [`Graph::from_mapped`].
    pub(crate) fn bytes(&self) -> Option<Arc<Mapped>> {
        self.bytes.clone()
    }

    /// Opens a model file, with its external data beside it.
    pub(crate) fn from_file(env: &Environment, options: &SessionBuilder, model: &Path) -> Said<Self> {
        let path = CString::new(model.as_os_str().as_encoded_bytes()).map_err(|error| error.to_string())?;
        let mut session = ptr::null_mut();
        // SAFETY: environment and options live; the path is a C string.
        check(unsafe { (ort::api().CreateSession)(env.ptr(), path.as_ptr(), options.ptr(), &mut session) })?;
        not_null(session).map(|session| Self { session, bytes: None })
    }

    /// All inputs or outputs, each with its name as ONNX Runtime spells it (UTF-8 or not).
    pub(crate) fn tensors(&self, port: Port) -> Said<Vec<(CString, Described)>> {
        let api = ort::api();
        let (count_of, name_of, type_of) = match port {
            Port::Input => (api.SessionGetInputCount, api.SessionGetInputName, api.SessionGetInputTypeInfo),
            Port::Output => {
                (api.SessionGetOutputCount, api.SessionGetOutputName, api.SessionGetOutputTypeInfo)
            }
        };
        let mut count = 0;
        // SAFETY: the session lives, `count` is a place for the answer.
        check(unsafe { count_of(self.session.as_ptr(), &mut count) })?;
        let mut tensors = Vec::new();
        for i in 0..count {
            let name = string_from(|allocator, out| {
                // SAFETY: `i` is below the count; the allocator is the default one.
                check(unsafe { name_of(self.session.as_ptr(), i, allocator, out) })
            })?;
            let mut info = ptr::null_mut();
            // SAFETY: as above.
            check(unsafe { type_of(self.session.as_ptr(), i, &mut info) })?;
            let info = not_null(info)?;
            let described = describe_type(info);
            // SAFETY: made by the call above, used for the last time.
            unsafe { (api.ReleaseTypeInfo)(info.as_ptr()) };
            tensors.push((name, described?));
        }
        Ok(tensors)
    }

    /// Ends a profile that the options began. Returns the path of its file.
    #[cfg(feature = "profile")]
    pub(crate) fn end_profiling(&mut self) -> Said<String> {
        string_from(|allocator, out| {
            // SAFETY: the session lives; the allocator is the default one.
            check(unsafe { (ort::api().SessionEndProfiling)(self.session.as_ptr(), allocator, out) })
        })
        .map(|path| path.to_string_lossy().into_owned())
    }

    /// Runs the model: reads the bound inputs, fills the bound outputs. Allocates nothing of ours unless
    /// it fails.
    pub(crate) fn run(&mut self, options: &RunOptions, bindings: &mut Bindings) -> Said<()> {
        bindings.forget_last_run();
        // SAFETY: names and values are as many as told, all alive, and no Rust reference to their memory
        // exists while `bindings` is borrowed exclusively. An input without a tensor was refused before.
        let status = unsafe {
            (ort::api().Run)(
                self.session.as_ptr(),
                options.ptr(),
                bindings.input_names.pointers.as_ptr(),
                bindings.input_values.as_ptr(),
                bindings.input_values.len(),
                bindings.output_names.pointers.as_ptr(),
                bindings.output_values.len(),
                bindings.output_values.as_mut_ptr(),
            )
        };
        check(status)?;
        bindings.take_results()
    }
}

/// A string that ONNX Runtime allocates with the allocator handed to `call`.
fn string_from(call: impl FnOnce(*mut sys::OrtAllocator, *mut *mut c_char) -> Said<()>) -> Said<CString> {
    let (mut allocator, mut string) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: `allocator` is a place for the answer; the default allocator is never released.
    check(unsafe { (ort::api().GetAllocatorWithDefaultOptions)(&mut allocator) })?;
    call(allocator, &mut string)?;
    let string = not_null(string)?;
    // SAFETY: a C string that is ours to free with the allocator it came from, after it was copied.
    unsafe {
        let copy = CStr::from_ptr(string.as_ptr()).to_owned();
        check((ort::api().AllocatorFree)(allocator, string.as_ptr().cast::<c_void>()))?;
        Ok(copy)
    }
}

/// Element type and shape (`None`: not fixed), or in words what it is instead of a tensor that farsight
/// moves.
pub(crate) type Described = std::result::Result<(ElementType, Vec<Option<usize>>), String>;

fn describe_type(info: NonNull<sys::OrtTypeInfo>) -> Said<Described> {
    let api = ort::api();
    // Read as integers: a newer library may know kinds that these enums lack.
    let (mut kind, mut element) = (0i32, 0i32);
    // SAFETY: the enum is an int in C.
    check(unsafe { (api.GetOnnxTypeFromTypeInfo)(info.as_ptr(), (&raw mut kind).cast()) })?;
    if kind != sys::ONNXType::ONNX_TYPE_TENSOR as i32 {
        let kinds =
            ["nothing known", "a tensor", "a sequence", "a map", "an opaque value", "a sparse tensor"];
        let kind =
            usize::try_from(kind).ok().and_then(|kind| kinds.get(kind)).unwrap_or(&"an optional value");
        return Ok(Err((*kind).to_owned()));
    }
    let mut tensor = ptr::null();
    // SAFETY: the info lives; what comes back belongs to it.
    check(unsafe { (api.CastTypeInfoToTensorInfo)(info.as_ptr(), &mut tensor) })?;
    let tensor = not_null(tensor.cast_mut())?;
    // SAFETY: the enum is an int in C.
    check(unsafe { (api.GetTensorElementType)(tensor.as_ptr(), (&raw mut element).cast()) })?;
    let Some(element) = element::of_onnx(element) else {
        return Ok(Err(format!("a tensor of {}", element::unsupported_name(element))));
    };
    let mut shape = Vec::new();
    dimensions(tensor.as_ptr(), &mut shape)?;
    let shape = shape.into_iter().map(|length| usize::try_from(length).ok()).collect();
    Ok(Ok((element, shape)))
}

/// Puts a tensor's dimensions (-1: not fixed) into `out`, reusing its memory.
fn dimensions(info: *const sys::OrtTensorTypeAndShapeInfo, out: &mut Vec<i64>) -> Said<()> {
    let mut rank = 0;
    // SAFETY: the info lives, `rank` is a place for the answer.
    check(unsafe { (ort::api().GetDimensionsCount)(info, &mut rank) })?;
    out.clear();
    out.resize(rank, -1);
    // SAFETY: `out` has room for `rank` lengths.
    check(unsafe { (ort::api().GetDimensions)(info, out.as_mut_ptr(), rank) })
}

/// Zeroed memory for a tensor, aligned for any SIMD load.
#[derive(Debug)]
struct Memory {
    start: NonNull<u8>,
    layout: Layout,
}

impl Memory {
    fn zeroed(bytes: usize) -> Said<Self> {
        let too_large = || format!("{bytes} bytes cannot be allocated");
        let layout = Layout::from_size_align(bytes.max(1), 64).map_err(|_| too_large())?;
        // SAFETY: the layout is not of size zero.
        let start = unsafe { std::alloc::alloc_zeroed(layout) };
        NonNull::new(start).map(|start| Self { start, layout }).ok_or_else(too_large)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, freed once.
        unsafe { std::alloc::dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// A tensor in memory of ours.
#[derive(Debug)]
pub(crate) struct Tensor {
    value: NonNull<sys::OrtValue>,
    memory: Memory,
    bytes: usize,
    shape: Vec<usize>,
}

impl Drop for Tensor {
    fn drop(&mut self) {
        // SAFETY: made by CreateTensorWithDataAsOrtValue, released once and before its memory.
        unsafe { (ort::api().ReleaseValue)(self.value.as_ptr()) };
    }
}

impl Tensor {
    /// A tensor of zeros.
    pub(crate) fn zeros(element: ElementType, shape: &[usize]) -> Said<Self> {
        let bytes = element::bytes(element, shape).ok_or("it has more bytes than can be counted")?;
        let lengths: Vec<i64> = shape
            .iter()
            .map(|&length| i64::try_from(length).map_err(|_| "a length is too large".to_owned()))
            .collect::<Said<_>>()?;
        let memory = Memory::zeroed(bytes)?;
        let api = ort::api();
        let (mut info, mut value) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the value refers to `memory`, which holds `bytes` bytes and outlives it (see Drop); the
        // memory info is copied by the call and released after it.
        unsafe {
            check((api.CreateCpuMemoryInfo)(
                sys::OrtAllocatorType::OrtDeviceAllocator,
                sys::OrtMemType::OrtMemTypeDefault,
                &mut info,
            ))?;
            let made = check((api.CreateTensorWithDataAsOrtValue)(
                info,
                memory.start.as_ptr().cast(),
                bytes,
                lengths.as_ptr(),
                lengths.len(),
                element::to_onnx(element),
                &mut value,
            ));
            (api.ReleaseMemoryInfo)(info);
            made?;
        }
        Ok(Self { value: not_null(value)?, memory, bytes, shape: shape.to_vec() })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the memory holds `bytes` initialised bytes; ONNX Runtime writes to it only in
        // `Graph::run`, which borrows the bindings exclusively.
        unsafe { std::slice::from_raw_parts(self.memory.start.as_ptr(), self.bytes) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.memory.start.as_ptr(), self.bytes) }
    }
}

/// Where an output's values are.
#[derive(Debug)]
enum Output {
    /// In memory of ours, made at open: its shape is fixed.
    Ours(Tensor),
    /// In a value that ONNX Runtime makes in each run; what is known of the last one.
    Theirs { element: ElementType, lengths: Vec<i64>, shape: Vec<usize>, data: *mut u8, bytes: usize },
}

#[derive(Debug)]
struct Names {
    pointers: Vec<*const c_char>,
    _owned: Vec<CString>,
}

impl Names {
    fn new(owned: Vec<CString>) -> Self {
        Self { pointers: owned.iter().map(|name| name.as_ptr()).collect(), _owned: owned }
    }
}

/// The tensors of a model, in the form in which `Run` takes them.
#[derive(Debug)]
pub(crate) struct Bindings {
    input_names: Names,
    inputs: Vec<Option<Tensor>>,
    input_values: Vec<*const sys::OrtValue>,
    output_names: Names,
    outputs: Vec<Output>,
    /// For `Output::Ours` its value; for `Theirs` what the last run made, or null.
    output_values: Vec<*mut sys::OrtValue>,
}

// SAFETY: all pointers lead to memory that the bindings own, reached through them only.
unsafe impl Send for Bindings {}

impl Drop for Bindings {
    fn drop(&mut self) {
        self.forget_last_run();
    }
}

impl Bindings {
    /// Bindings without any tensor: ONNX Runtime makes all outputs.
    pub(crate) fn new(input_names: Vec<CString>, outputs: Vec<(CString, ElementType)>) -> Self {
        let (output_names, elements): (Vec<_>, Vec<_>) = outputs.into_iter().unzip();
        Self {
            inputs: input_names.iter().map(|_| None).collect(),
            input_values: vec![ptr::null(); input_names.len()],
            input_names: Names::new(input_names),
            outputs: elements
                .into_iter()
                .map(|element| Output::Theirs {
                    element,
                    lengths: Vec::with_capacity(8),
                    shape: Vec::with_capacity(8),
                    data: ptr::null_mut(),
                    bytes: 0,
                })
                .collect(),
            output_values: vec![ptr::null_mut(); output_names.len()],
            output_names: Names::new(output_names),
        }
    }

    pub(crate) fn bind_input(&mut self, i: usize, tensor: Tensor) {
        // An input that is handed through as an output lends its memory to the last run's result.
        self.forget_last_run();
        self.input_values[i] = tensor.value.as_ptr();
        self.inputs[i] = Some(tensor);
    }

    /// Lets a run write into `tensor`. For an output that has no value yet.
    pub(crate) fn bind_output(&mut self, i: usize, tensor: Tensor) {
        self.output_values[i] = tensor.value.as_ptr();
        self.outputs[i] = Output::Ours(tensor);
    }

    /// The first input without a tensor.
    pub(crate) fn unbound_input(&self) -> Option<usize> {
        self.inputs.iter().position(Option::is_none)
    }

    pub(crate) fn input_shape(&self, i: usize) -> Option<&[usize]> {
        self.inputs[i].as_ref().map(|tensor| tensor.shape.as_slice())
    }

    pub(crate) fn input(&self, i: usize) -> Option<&[u8]> {
        self.inputs[i].as_ref().map(Tensor::bytes)
    }

    pub(crate) fn input_bytes(&mut self, i: usize) -> Option<&mut [u8]> {
        self.inputs[i].as_mut().map(Tensor::bytes_mut)
    }

    /// Shape and content of an output; `None` before the first run if its shape is not fixed.
    pub(crate) fn output(&self, i: usize) -> Option<(&[usize], &[u8])> {
        match &self.outputs[i] {
            Output::Ours(tensor) => Some((&tensor.shape, tensor.bytes())),
            Output::Theirs { .. } if self.output_values[i].is_null() => None,
            Output::Theirs { shape, bytes: 0, .. } => Some((shape, &[])),
            Output::Theirs { shape, data, bytes, .. } => {
                // SAFETY: the value lives until the next run, which borrows exclusively, and holds so many
                // bytes of this element type (checked in `take_results`).
                Some((shape, unsafe { std::slice::from_raw_parts(*data, *bytes) }))
            }
        }
    }

    /// Releases the values that ONNX Runtime made in the last run.
    fn forget_last_run(&mut self) {
        for (output, value) in self.outputs.iter().zip(&mut self.output_values) {
            if matches!(output, Output::Theirs { .. }) && !value.is_null() {
                // SAFETY: made by `Run` for us, released once.
                unsafe { (ort::api().ReleaseValue)(*value) };
                *value = ptr::null_mut();
            }
        }
    }

    /// Notes shape and place of the values that ONNX Runtime made.
    fn take_results(&mut self) -> Said<()> {
        let api = ort::api();
        for (output, value) in self.outputs.iter_mut().zip(&self.output_values) {
            let Output::Theirs { element, lengths, shape, data, bytes } = output else { continue };
            *bytes = 0;
            let (mut info, mut place, mut number) = (ptr::null_mut(), ptr::null_mut::<c_void>(), 0i32);
            // SAFETY: the run succeeded, so the value is a live tensor; the info is released here.
            unsafe {
                check((api.GetTensorTypeAndShape)(not_null(*value)?.as_ptr(), &mut info))?;
                let described = check((api.GetTensorElementType)(info, (&raw mut number).cast()))
                    .and_then(|()| dimensions(info, lengths));
                (api.ReleaseTensorTypeAndShapeInfo)(info);
                described?;
                check((api.GetTensorMutableData)(*value, &mut place))?;
            }
            if element::of_onnx(number) != Some(*element) {
                return Err(format!(
                    "an output was announced as {} and came as type {number}",
                    element.name()
                ));
            }
            shape.clear();
            shape.extend(lengths.iter().map(|&length| usize::try_from(length).unwrap_or(0)));
            *data = place.cast();
            *bytes = if place.is_null() { 0 } else { element::bytes(*element, shape).unwrap_or(0) };
        }
        Ok(())
    }
}
