use super::*;

fn words(name: &str) -> String {
    explain(&Target::find(name).unwrap(), false)
}

/// The words on one line.
fn unbroken(target: &Target) -> String {
    explain(target, false).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_raspberry_pi_4_in_words() {
    let expected = "\
raspberry-pi-4: Raspberry Pi 4 with a 64-bit system, CPU

Device
  aarch64-unknown-linux-gnu, glibc 2.31 or newer
  a CPU with neon; a device without refuses the bundle

What runs there
  1. CPU
  The CPU is in every library: nothing can be missing.

Numbers
  int8 (CPU): uint8 activations, which its kernels take together with int8 weights; weights of all 8
      bits: the kernels do not saturate; a scale for each output channel.
  float16: for storage only, it is computed in float32.

Shapes, threads, memory
  One shape of input, written into the model; others are refused.
  As many threads as the affinity mask allows, asleep while they wait; freed memory is kept for the
      next run (arena).
  512 MB of memory for a pipeline: farsight inspect tells if a model needs more, farsight doctor if
      the device has less; nothing stops a pipeline that takes more.

ONNX Runtime
  Version 1.17 or newer; models get opset 20 at most for it.
  From: PyPI onnxruntime: unzip the wheel, take onnxruntime/capi/libonnxruntime.so.*. Wheels before
      1.19 hold none; those versions are in Microsoft's onnxruntime-linux-aarch64 archive on GitHub
  File: onnxruntime-1.32.0-cp312-cp312-manylinux_2_28_aarch64.whl (1.32.0)
  sha256: e36c187006e7a7c8b8d6d57f1a209dd63f52430dca6c282b177718ad6b841054
  On the device: beside the program, with the libraries around it, or named by ORT_DYLIB_PATH.
  Known bad: 1.21.0 dies with SIGILL when it is loaded (microsoft/onnxruntime#23957)

Building for it
  export RUSTFLAGS=\"-Ctarget-feature=-aes,-sha2 -Ctarget-cpu=cortex-a72\"
  cargo zigbuild --profile device --target aarch64-unknown-linux-gnu.2.31
  (pip install cargo-zigbuild ziglang; it links with that glibc instead of this machine's)

To know
  run under qemu as cortex-a72, not on the device: no latency is known
";
    assert_eq!(words("raspberry-pi-4"), expected);
}

#[test]
fn the_order_of_providers_and_what_a_missing_one_means() {
    let orin = unbroken(&Target::find("jetson-orin").unwrap());
    let places: Vec<usize> =
        ["1. TensorRT", "2. CUDA", "3. CPU"].iter().map(|line| orin.find(line).unwrap()).collect();
    assert!(places.is_sorted(), "{orin}");
    assert!(orin.contains("If the library lacks TensorRT or CUDA, nothing runs"), "{orin}");
    assert!(orin.contains("zero point of 0") && orin.contains("2:4"), "{orin}");
    let lenient = Target { allow_fallback: true, ..Target::find("jetson-orin").unwrap() };
    assert!(unbroken(&lenient).contains("the next one runs, and a warning says so"));
}

#[test]
fn what_this_machine_has_is_not_required() {
    let here = Target { cpu_features: vec!["neon".to_owned()], ..Target::find("host").unwrap() };
    assert!(explain(&here, true).contains("this CPU has neon\n"));
}

#[test]
fn what_still_works_on_a_jetson_nano() {
    let nano = unbroken(&Target::find("jetson-nano").unwrap());
    assert!(nano.contains("Version 1.17 to 1.28") && nano.contains("the GPU is out of reach"), "{nano}");
}

#[test]
fn int8_weights_keep_half_their_range_only_where_kernels_saturate() {
    let plain = Target::find("x86_64-linux").unwrap();
    assert!(unbroken(&plain).contains("within ±64: without VNNI"));
    let vnni = Target { cpu_features: vec!["vnni".to_owned()], ..plain };
    assert!(unbroken(&vnni).contains("weights of all 8 bits"));
}

#[test]
fn a_range_of_shapes_is_told() {
    let batch = Some(Extent { min: 1, opt: 2, max: 4 });
    let shapes = Shapes::Range { batch, height: None, width: None };
    let target = Target { shapes, ..Target::find("jetson-orin").unwrap() };
    assert!(unbroken(&target).contains("Shapes of input: batch 1 to 4, tuned for 2; others are refused."));
}

#[test]
fn lines_are_broken_between_words() {
    for name in Target::names() {
        for line in words(name).lines() {
            assert!(line.chars().count() <= WIDTH || line.split_whitespace().count() <= 3, "{name}: {line}");
        }
    }
}
