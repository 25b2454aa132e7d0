//! A run through the C interface allocates nothing of ours: counted by the global allocator of this program. What ONNX
//! Runtime allocates goes through C++'s own.
#![allow(missing_docs)] // a test program has no users to tell
#![allow(unsafe_code)] // a global allocator, and calls as C makes them

#[path = "border/bundles.rs"]
mod bundles;

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{CStr, CString};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use bundles::{Bundles, onnxruntime};
use farsight_ffi::*;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let mut arguments = Arguments::from_args();
    // One after the other: the count is the whole program's.
    arguments.test_threads = Some(1);
    let trial = |name: &str, test: fn(&Bundles) -> Result<(), Failed>| {
        Trial::ignorable_test(name, move || match onnxruntime()? {
            None => Ok(Completion::ignored_with("no ONNX Runtime (set ORT_DYLIB_PATH)")),
            Some(_) => {
                let folder = tempfile::tempdir()?;
                test(&Bundles::write(folder.path())?).map(|()| Completion::Completed)
            }
        })
    };
    let tests = vec![
        trial("boxes", |bundles| frames(bundles, "boxes")),
        trial("classes", |bundles| frames(bundles, "classes")),
        trial("a_mask", |bundles| frames(bundles, "mask")),
        trial("raw_outputs", |bundles| frames(bundles, "mirror")),
        trial("float16", |bundles| frames(bundles, "mirror16")),
        trial("raw_tensors", tensors),
    ];
    libtest_mimic::run(&arguments, tests).exit();
}

/// How often `run` allocates, beside the first few times.
fn allocations(mut run: impl FnMut() -> Result<(), Failed>) -> Result<usize, Failed> {
    for _ in 0..3 {
        run()?;
    }
    // The thread that watches deadlines allocates while it starts up, once.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let before = COUNT.load(Ordering::Relaxed);
    for _ in 0..1000 {
        run()?;
    }
    Ok(COUNT.load(Ordering::Relaxed) - before)
}

fn done(status: Status) -> Result<(), Failed> {
    if status == Status::Ok {
        return Ok(());
    }
    // SAFETY: the library's text, on the thread that failed.
    let text = unsafe { CStr::from_ptr(farsight_last_error()) };
    Err(text.to_string_lossy().into_owned().into())
}

/// A pipeline that is closed when it goes.
struct Open(*mut Pipeline);

impl Open {
    fn new(bundles: &Bundles, name: &str) -> Result<Self, Failed> {
        let path = CString::new(bundles.path(name).to_string_lossy().into_owned())?;
        let mut pipeline = ptr::null_mut();
        // SAFETY: a text, no options and a place for the handle.
        done(unsafe { farsight_pipeline_open(ABI_VERSION, path.as_ptr(), ptr::null(), &mut pipeline) })?;
        Ok(Self(pipeline))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        farsight_pipeline_close(self.0);
    }
}

static LIMITED: RunOptions = RunOptions { size: size_of::<RunOptions>(), timeout_us: 60_000_000 };

fn frames(bundles: &Bundles, name: &str) -> Result<(), Failed> {
    let pipeline = Open::new(bundles, name)?;
    let mut pixels = vec![0u8; 64 * 48 * 3];
    for options in [ptr::null(), &raw const LIMITED] {
        let mut shade = 0u8;
        let count = allocations(|| {
            // Now more boxes, now fewer.
            shade = shade.wrapping_add(37);
            pixels.fill(shade);
            let frame = Frame {
                size: size_of::<Frame>(),
                format: PixelFormat::Rgb8 as u32,
                yuv: 0,
                width: 64,
                height: 48,
                pixels: pixels.as_ptr(),
                pixels_bytes: pixels.len(),
                stride: 0,
                chroma: ptr::null(),
                chroma_bytes: 0,
                chroma_stride: 0,
            };
            // SAFETY: a frame whose pixels are there, and options.
            done(unsafe { farsight_pipeline_run(pipeline.0, &frame, options) })?;
            read(&pipeline)
        })?;
        assert_eq!(count, 0);
    }
    Ok(())
}

/// Reads all there is, as a program would.
fn read(pipeline: &Open) -> Result<(), Failed> {
    let mut detections = Detections { size: size_of::<Detections>(), items: ptr::null(), count: 0 };
    let mut classes = Classes { size: size_of::<Classes>(), items: ptr::null(), count: 0 };
    let mut mask = Mask { size: size_of::<Mask>(), width: 0, height: 0, classes: ptr::null() };
    let mut times = Times { size: size_of::<Times>(), pre_ns: 0, infer_ns: 0, post_ns: 0 };
    let mut info = Info {
        size: size_of::<Info>(),
        name: ptr::null(),
        task: 0,
        input: 0,
        input_width: 0,
        input_height: 0,
        labels: 0,
        inputs: 0,
        outputs: 0,
        threads: 0,
    };
    // SAFETY: places for what is asked, with their sizes.
    unsafe {
        done(farsight_pipeline_info(pipeline.0, &mut info))?;
        done(farsight_pipeline_times(pipeline.0, &mut times))?;
        match info.task {
            1 => done(farsight_pipeline_detections(pipeline.0, &mut detections)),
            2 => done(farsight_pipeline_classes(pipeline.0, &mut classes)),
            3 => done(farsight_pipeline_mask(pipeline.0, &mut mask)),
            _ => output(pipeline, 0),
        }
    }
}

fn tensor(shape: &[i64], elements: &[f32]) -> Tensor {
    Tensor {
        size: size_of::<Tensor>(),
        name: ptr::null(),
        element: Element::F32 as u32,
        rank: shape.len() as u32,
        shape: shape.as_ptr(),
        data: elements.as_ptr().cast(),
        bytes: size_of_val(elements),
    }
}

fn output(pipeline: &Open, index: u32) -> Result<(), Failed> {
    let mut found = tensor(&[], &[]);
    // SAFETY: a place for a tensor, with its size.
    done(unsafe { farsight_pipeline_output(pipeline.0, index, &mut found) })
}

fn tensors(bundles: &Bundles) -> Result<(), Failed> {
    let pipeline = Open::new(bundles, "tensors")?;
    let elements = [1.0; 12];
    for options in [ptr::null(), &raw const LIMITED] {
        let count = allocations(|| {
            // SAFETY: tensors whose shapes and elements are there, and options.
            unsafe {
                done(farsight_pipeline_set_input(pipeline.0, 0, &tensor(&[3, 4], &elements)))?;
                done(farsight_pipeline_set_input(pipeline.0, 1, &tensor(&[4], &elements[..4])))?;
                done(farsight_pipeline_run_tensors(pipeline.0, options))?;
            }
            output(&pipeline, 0)?;
            output(&pipeline, 1)
        })?;
        assert_eq!(count, 0);
    }
    Ok(())
}
