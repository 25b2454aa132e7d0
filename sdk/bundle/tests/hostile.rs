//! Bundles made to do harm: each is refused with its own kind of error, without a panic and without much memory.
#![allow(clippy::unwrap_used)] // helpers of tests count as tests

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use common::{Part, contents, manifest, parts, with_manifest, zip};
use farsight_bundle::{Bundle, Open, Outline, write};
use serde_json::{Value, json};

/// Counts what is allocated at once.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// Tests that measure run one at a time.
static ALONE: Mutex<()> = Mutex::new(());

// SAFETY: hands everything on to the system's allocator.
#[allow(unsafe_code)] // a global allocator that counts
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes allocated at once by `work`, beyond what was there before.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = work();
    (result, PEAK.load(Relaxed).saturating_sub(before))
}

/// Writes `bytes` to a file, opens it in every way, and returns the kind of error. `allowed` bytes may be allocated
/// beside the file's own.
fn kind_of(folder: &Path, bytes: &[u8], allowed: usize) -> Result<String, String> {
    let path = folder.join("hostile.farsight");
    std::fs::write(&path, bytes).unwrap();
    let mut kinds = Vec::new();
    for how in [Some(Open::Memory), Some(Open::Mapped), None] {
        let (result, memory) = peak(|| match how {
            Some(how) => Bundle::open(&path, how),
            None => Outline::open(&path).and_then(Outline::read),
        });
        let limit = allowed + if how == Some(Open::Memory) { bytes.len() } else { 0 };
        if memory > limit {
            return Err(format!("{how:?}: {memory} bytes allocated for a file of {}", bytes.len()));
        }
        if let Err(error) = &result {
            let message = error.to_string();
            if !message.contains("hostile.farsight: ")
                || message.len() > 900
                || message.contains(char::is_control)
            {
                return Err(format!("the message does not help: {message:?}"));
            }
        }
        kinds.push(result.map_or_else(|error| error.kind().to_owned(), |_| "opens".to_owned()));
    }
    kinds.dedup();
    if kinds.len() == 1 {
        Ok(kinds.remove(0))
    } else {
        Err(format!("memory, map and outline disagree: {kinds:?}"))
    }
}

/// A whole bundle whose manifest is changed.
fn changed(change: impl Fn(&mut Value)) -> Vec<u8> {
    let parts = parts();
    let all: Vec<Part> = std::iter::once(manifest(&parts, change)).chain(parts).collect();
    zip(&all, None)
}

/// A whole bundle whose parts are changed after the manifest was made.
fn tampered(change: impl Fn(&mut Vec<Part>)) -> Vec<u8> {
    let mut all = with_manifest(&parts(), &parts());
    change(&mut all);
    zip(&all, None)
}

/// A whole bundle with one more entry, listed.
fn with_part(part: Part) -> Vec<u8> {
    let mut parts = parts();
    parts.push(part);
    zip(&with_manifest(&parts, &parts), None)
}

/// A whole bundle with one more entry, which is listed as empty.
fn with_forged(part: Part) -> Vec<u8> {
    let mut listed = parts();
    listed.push(Part { data: Vec::new(), method: 0, ..part.clone() });
    let mut parts = parts();
    parts.push(part);
    zip(&with_manifest(&listed, &parts), None)
}

fn with_text(name: &str, text: &str) -> Vec<u8> {
    let mut parts = parts();
    parts.retain(|part| part.name != name.as_bytes());
    parts.push(Part::stored(name, text));
    zip(&with_manifest(&parts, &parts), None)
}

fn good() -> Vec<u8> {
    zip(&with_manifest(&parts(), &parts()), None)
}

fn bytes_then(mut bytes: Vec<u8>, behind: &[u8]) -> Vec<u8> {
    bytes.extend(behind);
    bytes
}

fn set(at: &'static str, value: Value) -> impl Fn(&mut Value) {
    move |json| *json.pointer_mut(at).unwrap() = value.clone()
}

fn self_test(entry_bytes: usize, input: Value, tolerance: Value) -> Vec<u8> {
    let mut parts = parts();
    parts.push(Part::stored("self-test/input-0.bin", vec![0; entry_bytes]));
    let info = json!({ "name": "in", "type": "f32", "shape": [1, 3] });
    let change = |json: &mut Value| {
        json["models"][0]["inputs"] = json!([info.clone()]);
        let sample = json!({ "info": input.clone(), "entry": "self-test/input-0.bin" });
        json["self_test"] = json!({ "inputs": [sample], "outputs": [], "tolerance": tolerance.clone() });
    };
    let all: Vec<Part> = std::iter::once(manifest(&parts, change)).chain(parts).collect();
    zip(&all, None)
}

/// The last bytes of a frame are missing, and the frame is still large enough to be believed.
fn cut_zstd() -> Vec<u8> {
    let model = contents(3000).model;
    let whole = Part::zstd("model.onnx", &model);
    let cut = Part { data: whole.data[..whole.data.len() - 3].to_vec(), ..whole.clone() };
    let (mut listed, mut parts) = (parts(), parts());
    listed[2] = whole;
    parts[2] = cut;
    zip(&with_manifest(&listed, &parts), None)
}

fn duplicate_key() -> Vec<u8> {
    tampered(|all| {
        let json = String::from_utf8(all[0].data.clone()).unwrap();
        let twice = format!(r#""entries":{{"spec.toml":{{"sha256":"{}","bytes":1}},"#, "0".repeat(64));
        all[0].data = json.replace(r#""entries":{"#, &twice).into_bytes();
    })
}

/// A ZIP64 field for both sizes, with a size that no file has.
fn huge_zip64() -> Vec<u8> {
    let mut extra = vec![1, 0, 16, 0];
    extra.extend([0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff].repeat(2));
    let truth = Some((u32::MAX, 0));
    with_forged(Part { extra, unpacked: truth, packed_size: Some(u32::MAX), ..Part::stored("huge.bin", "") })
}

fn cases() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let zeros = vec![0; 64 << 20];
    let bomb = Part::zstd("bomb.bin", &zeros);
    let noise: Vec<u8> = contents(300_000).model;
    let at_name = |name: &[u8]| with_part(Part { name: name.to_vec(), ..Part::stored("", "x") });
    vec![
        ("good", good(), "opens"),
        ("good, one entry zstd", with_part(Part::zstd("more.txt", &b"abcdefgh".repeat(50))), "opens"),
        ("unknown optional key", changed(|json| json["later"] = json!({ "a": [1, 2] })), "opens"),
        ("unknown optional key of a model", changed(|json| json["models"][0]["later"] = json!(1)), "opens"),
        ("signature, not listed", tampered(|all| all.insert(1, Part::stored("manifest.sig", "x"))), "opens"),
        // Other files
        ("0 bytes", Vec::new(), "empty"),
        ("text", b"hello, this is a text\n".to_vec(), "not-a-bundle"),
        ("long text", b"hello, this is a text\n".repeat(10_000), "not-a-bundle"),
        ("ONNX", bytes_then(b"\x08\x08\x12\x07pytorch".to_vec(), &noise), "not-a-bundle"),
        ("zeros", vec![0; 100_000], "not-a-bundle"),
        ("noise", noise.clone(), "not-a-bundle"),
        ("ZIP of nothing", zip(&[], None), "manifest-missing"),
        ("ZIP of something", zip(&[Part { method: 8, ..Part::stored("a/", "x") }], None), "manifest-missing"),
        // Ends
        ("garbage behind", bytes_then(good(), b"garbage"), "trailing-bytes"),
        ("much garbage behind", bytes_then(good(), &[7; 60_000]), "trailing-bytes"),
        ("a second bundle behind", bytes_then(good(), &good()), "directory"),
        ("garbage before", bytes_then(b"#!/bin/sh\n".to_vec(), &good()), "leading-bytes"),
        ("more entries said than there", zip(&with_manifest(&parts(), &parts()), Some(5)), "directory"),
        ("fewer entries said than there", zip(&with_manifest(&parts(), &parts()), Some(3)), "directory"),
        ("65535 entries said", zip(&with_manifest(&parts(), &parts()), Some(65535)), "entry-count"),
        // Names
        ("../", at_name(b"../evil"), "entry-name"),
        ("a/../../b", at_name(b"a/../../b"), "entry-name"),
        ("absolute", at_name(b"/etc/passwd"), "entry-name"),
        ("backslash", at_name(b"..\\evil"), "entry-name"),
        ("drive", at_name(b"C:evil"), "entry-name"),
        ("NUL", at_name(b"a\0b"), "entry-name"),
        ("not UTF-8", tampered(|all| all[3].name = b"\xff\xfe".to_vec()), "entry-name"),
        ("empty name", tampered(|all| all[3].name = Vec::new()), "entry-name"),
        ("name of 60,000 bytes", tampered(|all| all[3].name = vec![b'a'; 60_000]), "entry-name"),
        ("duplicate", tampered(|all| all.push(all[1].clone())), "duplicate-entry"),
        // Places and sizes
        ("same data twice", tampered(|all| all[2].offset = Some(0)), "overlap"),
        ("starts inside another", tampered(|all| all[3].offset = Some(300)), "overlap"),
        ("offset beyond the file", tampered(|all| all[3].offset = Some(u32::MAX - 1)), "directory"),
        ("offset without its ZIP64 field", tampered(|all| all[3].offset = Some(u32::MAX)), "directory"),
        ("gap", tampered(|all| all[2].gap = 64), "gap"),
        ("huge packed size", tampered(|all| all[3].packed_size = Some(u32::MAX - 1)), "out-of-bounds"),
        ("huge ZIP64 size", huge_zip64(), "out-of-bounds"),
        ("malformed extra field", tampered(|all| all[3].extra = vec![1, 0, 99, 0]), "directory"),
        (
            "local name differs",
            tampered(|all| all[3].local_name = Some(b"other.onnx".to_vec())),
            "header-mismatch",
        ),
        ("local size differs", tampered(|all| all[3].local_size = Some(7)), "header-mismatch"),
        ("stored, but sizes differ", tampered(|all| all[3].unpacked = Some((9, 0))), "entry-size"),
        ("misaligned", tampered(|all| all[3].misalign = 1), "misaligned"),
        ("encrypted", tampered(|all| all[3].flags = 1), "unsupported-entry"),
        ("data descriptor", tampered(|all| all[3].flags = 8), "unsupported-entry"),
        ("deflate", tampered(|all| all[3].method = 8), "unsupported-entry"),
        (
            "compressed manifest",
            tampered(|all| all[0] = Part::zstd("manifest.json", &all[0].data)),
            "unsupported-entry",
        ),
        // Compressed
        ("bomb", with_part(bomb.clone()), "compression-bomb"),
        (
            "bomb of 4 GB",
            with_forged(Part { unpacked: Some((u32::MAX - 1, 0)), ..bomb.clone() }),
            "compression-bomb",
        ),
        (
            "bomb that says 0 bytes",
            with_forged(Part { unpacked: Some((0, 0)), ..bomb.clone() }),
            "entry-size",
        ),
        (
            "bomb that says little",
            tampered(|all| {
                all[3] = Part { name: b"model.onnx".to_vec(), unpacked: Some((5000, 0)), ..bomb.clone() }
            }),
            "entry-size",
        ),
        (
            "no zstd",
            tampered(|all| {
                all[3].method = 93;
                all[3].unpacked = Some((5000, 0));
            }),
            "unpack",
        ),
        ("zstd cut off", cut_zstd(), "unpack"),
        // Hashes
        ("wrong checksum", tampered(|all| all[3].crc = Some(1)), "checksum"),
        ("wrong checksum of the manifest", tampered(|all| all[0].crc = Some(1)), "checksum"),
        ("other bytes", tampered(|all| all[3].data[77] ^= 1), "hash"),
        // Manifest
        ("no manifest", zip(&parts(), None), "manifest-missing"),
        ("manifest last", tampered(|all| all.rotate_left(1)), "manifest-not-first"),
        ("not listed", tampered(|all| all.push(Part::stored("evil.so", "x"))), "unlisted-entry"),
        ("listed, not there", tampered(|all| drop(all.pop())), "missing-entry"),
        ("listed with another size", changed(set("/entries/spec.toml/bytes", json!(3))), "entry-size"),
        ("listed with a huge size", changed(set("/entries/spec.toml/bytes", json!(u64::MAX))), "entry-size"),
        (
            "no spec",
            {
                let p = &parts()[1..];
                zip(&with_manifest(p, p), None)
            },
            "missing-entry",
        ),
        (
            "no model",
            {
                let p = &parts()[..2];
                zip(&with_manifest(p, p), None)
            },
            "manifest",
        ),
        ("future format", changed(set("/format", json!(2))), "format"),
        ("format 0", changed(set("/format", json!(0))), "format"),
        ("future format with other keys", changed(|json| *json = json!({ "format": 7 })), "format"),
        ("requirement with an escape", changed(set("/requires", json!(["\u{1b}[2J"]))), "requires"),
        ("80,000 requirements", changed(set("/requires", json!(vec![""; 80_000]))), "requires"),
        (
            "100,000 axes",
            changed(|json| {
                let mut shape = vec![json!(1); 100_000];
                shape.push(json!("wide"));
                json["models"][0]["inputs"] = json!([{ "name": "", "type": "f32", "shape": shape }])
            }),
            "manifest",
        ),
        ("tool with an escape", changed(set("/tool", json!("\u{1b}[2J"))), "manifest"),
        ("unknown requirement", changed(set("/requires", json!(["encryption", "delta"]))), "requires"),
        ("no JSON", tampered(|all| all[0].data = b"PK".to_vec()), "manifest"),
        ("JSON of brackets", tampered(|all| all[0].data = vec![b'['; 200_000]), "manifest"),
        ("manifest of 1 MB", changed(|json| json["later"] = json!("x".repeat(1 << 20))), "too-large"),
        ("entry listed twice", duplicate_key(), "manifest"),
        ("bad digest", changed(set("/entries/spec.toml/sha256", json!("00"))), "manifest"),
        ("bad name", changed(set("/name", json!("\u{1b}[31m"))), "manifest"),
        ("bad version", changed(set("/version", json!("one"))), "manifest"),
        (
            "two models",
            changed(|json| {
                let m = json["models"][0].clone();
                json["models"] = json!([m, m])
            }),
            "manifest",
        ),
        ("no target", changed(set("/targets", json!([]))), "manifest"),
        ("target host", changed(set("/targets/0/triple", json!("host"))), "manifest"),
        // Texts
        ("spec of another kind", with_text("spec.toml", "a = 1"), "spec"),
        ("spec of brackets", with_text("spec.toml", &"a=[".repeat(21_000)), "spec"),
        ("spec that asks for all memory", with_text("spec.toml", &greedy_spec()), "spec"),
        ("spec of 100 KB", with_text("spec.toml", &"#".repeat(100_000)), "too-large"),
        ("target of another kind", with_text("target.toml", "\u{0}"), "target"),
        ("labels without an end", with_text("labels.txt", "cow"), "labels"),
        ("labels of nothing but lines", with_text("labels.txt", &"\n".repeat(2 << 20)), "labels"),
        ("labels of 3 MB", with_text("labels.txt", &"x\n".repeat(1_500_000)), "too-large"),
        ("labels with an escape", with_text("labels.txt", "\u{1b}[2J\n"), "labels"),
        // Self-test
        (
            "self-test",
            self_test(
                12,
                json!({ "name": "in", "type": "f32", "shape": [1, 3] }),
                json!({ "absolute": 0.0, "relative": 0.0 }),
            ),
            "opens",
        ),
        (
            "self-test of another size",
            self_test(
                8,
                json!({ "name": "in", "type": "f32", "shape": [1, 3] }),
                json!({ "absolute": 0.0, "relative": 0.0 }),
            ),
            "self-test",
        ),
        (
            "self-test for another input",
            self_test(
                12,
                json!({ "name": "x", "type": "f32", "shape": [1, 3] }),
                json!({ "absolute": 0.0, "relative": 0.0 }),
            ),
            "self-test",
        ),
        (
            "self-test of endless shape",
            self_test(
                12,
                json!({ "name": "in", "type": "f32", "shape": [1u64 << 40, 1u64 << 40] }),
                json!({ "absolute": 0.0, "relative": 0.0 }),
            ),
            "self-test",
        ),
        (
            "self-test of open shape",
            self_test(
                12,
                json!({ "name": "in", "type": "f32", "shape": [null, 3] }),
                json!({ "absolute": 0.0, "relative": 0.0 }),
            ),
            "self-test",
        ),
        (
            "self-test with a negative tolerance",
            self_test(
                12,
                json!({ "name": "in", "type": "f32", "shape": [1, 3] }),
                json!({ "absolute": -1.0, "relative": 0.0 }),
            ),
            "self-test",
        ),
    ]
}

/// A real spec but for the number of boxes that a device would make room for.
fn greedy_spec() -> String {
    let spec = farsight_spec::ModelSpec::text("yolo").unwrap();
    spec.replace("max_det = 300", "max_det = 9000000000000000000")
}

#[test]
fn each_hostile_bundle_has_its_own_error() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = tempfile::tempdir().unwrap();
    let mut failures = Vec::new();
    for (name, bytes, expected) in cases() {
        // Texts within their limits, whose parsed form is many times larger.
        let parsed = ["spec of brackets", "80,000 requirements", "100,000 axes"];
        let allowed = if parsed.contains(&name) { 8 << 20 } else { 2 << 20 };
        match kind_of(folder.path(), &bytes, allowed) {
            Ok(kind) if kind == expected => {}
            Ok(kind) => failures.push(format!("{name}: {kind}, expected {expected}")),
            Err(problem) => failures.push(format!("{name}: {problem}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn cut_off_anywhere_is_told_so() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.farsight");
    write(&path, &contents(20_000)).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let headers = (0..whole.len()).filter(|&at| whole[at..].starts_with(b"PK"));
    let every_97th = (1..whole.len()).step_by(97);
    let around_headers =
        headers.flat_map(|at| [at.saturating_sub(1).max(1), at.max(1), at + 1, at + 4, at + 21]);
    let near_the_end = whole.len() - 30..whole.len();
    let mut tried = 0;
    for length in every_97th.chain(around_headers).chain(near_the_end) {
        let kind = kind_of(folder.path(), &whole[..length], 400 << 10).unwrap();
        let expected: &[&str] = if length < 4 { &["not-a-bundle"] } else { &["truncated"] };
        assert!(expected.contains(&kind.as_str()), "cut to {length} bytes: {kind}");
        tried += 1;
    }
    assert!(tried > 200, "{tried}");
}

#[test]
fn opening_holds_the_file_once() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.farsight");
    let size = write(&path, &contents(8 << 20)).unwrap() as usize;
    for (how, allowed) in [(Open::Memory, size + (400 << 10)), (Open::Mapped, 400 << 10)] {
        let (bundle, memory) = peak(|| Bundle::open(&path, how).unwrap());
        assert!(memory <= allowed, "{how:?}: {memory} bytes for a file of {size}");
        assert_eq!(bundle.model_bytes().len(), 8 << 20);
    }
}

#[test]
fn what_is_no_file_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.farsight");
    for (path, expected) in [
        (missing.as_path(), "not-found"),
        (folder.path(), "not-a-file"),
        (Path::new("/dev/zero"), "not-a-file"),
    ] {
        let error = Bundle::open(path, Open::Memory).unwrap_err();
        assert_eq!(error.kind(), expected, "{error}");
        assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    }
}
