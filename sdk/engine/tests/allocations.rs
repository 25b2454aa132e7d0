//! A run allocates nothing of ours: counted by the global allocator of this program. What ONNX Runtime
//! allocates goes through C++'s own.
#![allow(unsafe_code)] // a global allocator cannot be written without

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use farsight_engine::{Library, Model, Session, Settings};
use libtest_mimic::{Arguments, Failed};
use support::needs_library;
use support::onnx::{self, FLOAT, INT64, Node, Value, model};

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
    let tests = vec![
        needs_library("the_counter_counts", the_counter_counts),
        needs_library("fixed_shapes", fixed_shapes),
        needs_library("an_output_of_open_shape", an_output_of_open_shape),
        needs_library("with_a_deadline", with_a_deadline),
    ];
    libtest_mimic::run(&arguments, tests).exit();
}

fn allocations(runs: usize, mut run: impl FnMut() -> Result<(), Failed>) -> Result<usize, Failed> {
    run()?;
    run()?;
    let before = COUNT.load(Ordering::Relaxed);
    for _ in 0..runs {
        run()?;
    }
    Ok(COUNT.load(Ordering::Relaxed) - before)
}

fn the_counter_counts(_: &'static Library) -> Result<(), Failed> {
    let count = allocations(10, || {
        std::hint::black_box(Box::new(1));
        Ok(())
    })?;
    assert_eq!(count, 10);
    Ok(())
}

fn fixed_shapes(library: &'static Library) -> Result<(), Failed> {
    let mut session = Session::open(library, Model::Bytes(&onnx::add()), &Settings::default())?;
    let count = allocations(1000, || {
        session.input_mut::<f32>(0)?[0] += 1.0;
        session.run()?;
        assert!(session.output::<f32>(0)?[0] > 10.0);
        Ok(())
    })?;
    assert_eq!(count, 0);
    Ok(())
}

fn an_output_of_open_shape(library: &'static Library) -> Result<(), Failed> {
    let where_not_zero = model(
        &[Node("NonZero", &["X"], &["Y"])],
        &[Value("X", FLOAT, &[Some(4)])],
        &[Value("Y", INT64, &[Some(1), None])],
        &[],
    );
    let mut session = Session::open(library, Model::Bytes(&where_not_zero), &Settings::default())?;
    let mut i = 0;
    let count = allocations(1000, || {
        i += 1;
        session.input_mut::<f32>(0)?[i % 4] = 1.0;
        session.run()?;
        assert!(!session.output::<i64>(0)?.is_empty());
        Ok(())
    })?;
    assert_eq!(count, 0);
    Ok(())
}

fn with_a_deadline(library: &'static Library) -> Result<(), Failed> {
    let mut session = Session::open(library, Model::Bytes(&onnx::add()), &Settings::default())?;
    session.run_until(Instant::now() + Duration::from_secs(60))?;
    // The watching thread allocates while it starts up, once.
    std::thread::sleep(Duration::from_millis(200));
    let count = allocations(1000, || Ok(session.run_until(Instant::now() + Duration::from_secs(60))?))?;
    assert_eq!(count, 0);
    Ok(())
}
