//! What cannot be done is refused in words: the file, what was found, what to do; exit status 1, no panic,
//! little memory.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;

use crate::bundles::{self, OTHER_TARGET};
use crate::farsight::{self, Answer};
use crate::needs::{Need, assets, patches, trial};
use crate::{models, scratch, tensors};

const LIBRARY: &[Need] = &[Need::Library];
/// The most memory that a refusal may take, megabytes.
const PEAK_MB: f64 = 200.0;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("refusals::pictures", LIBRARY, pictures),
        trial("refusals::a_cut_off_photograph", &[Need::Library, Need::Assets], cut_photograph),
        trial("refusals::bundles", LIBRARY, wrong_bundles),
        trial("refusals::a_bundle_for_another_machine", LIBRARY, another_machine),
        trial("refusals::models", LIBRARY, wrong_models),
        trial("refusals::labels", LIBRARY, labels),
        trial("refusals::spec_files", LIBRARY, spec_files),
        trial("refusals::tensors", LIBRARY, wrong_tensors),
        trial("refusals::a_raster_without_the_bands", &[Need::Library, Need::Patches], bands),
        trial("refusals::a_missing_library", LIBRARY, library),
        trial("refusals::data", LIBRARY, data),
    ]
}

/// The call fails as it should and its message, which it gives with and without `--json`, holds these words.
fn refused(call: &[&dyn AsRef<OsStr>], words: &[&str]) {
    let answer = farsight::call(call);
    check(&answer, words);
    assert!(answer.stdout.is_empty(), "{}", answer.stdout);
    let json = farsight::call_json(call);
    check(&json, words);
    let document = json.document();
    let message = document["error"]["message"].as_str().unwrap();
    assert!(json.stderr.contains(message), "{document}");
    assert!(document["error"]["kind"].is_string(), "{document}");
}

fn check(answer: &Answer, words: &[&str]) {
    assert_eq!(answer.code, Some(1), "{}{}", answer.stdout, answer.stderr);
    assert!(!answer.stderr.contains("panicked"), "{}", answer.stderr);
    for word in words {
        assert!(answer.stderr.contains(word), "no {word:?} in {}", answer.stderr);
    }
    assert!(answer.peak_mb <= PEAK_MB, "{} MB: {}", answer.peak_mb, answer.stderr);
}

fn pictures() {
    let folder = scratch::folder("pictures");
    let whole = folder.join("whole.png");
    models::picture(&whole, [200, 200], |x, y| {
        (x * 7919 + y * 104_729).to_le_bytes()[..3].try_into().unwrap()
    });
    let whole = fs::read(whole).unwrap();
    let cases: [(&str, &[u8], &[&str]); 4] = [
        ("cut.png", &whole[..whole.len() / 2], &["cut off"]),
        ("empty.jpg", b"", &["empty (0 bytes)"]),
        ("huge.png", &png_header(60_000, 60_000), &["60000 x 60000", "at most"]),
        ("text.jpg", b"just some words\n", &["not a picture", "text"]),
    ];
    let bundle = &bundles::detector().bundle;
    for (name, bytes, words) in cases {
        refused(&[&"run", bundle, &file(&folder, name, bytes)], &[words, &[name]].concat());
    }
    refused(&[&"run", bundle, &folder.join("missing.jpg")], &["missing.jpg", "No such file"]);
    refused(&[&"run", bundle, &scratch::folder("nothing")], &["nothing", "holds no pictures"]);
}

fn cut_photograph() {
    let photo = fs::read(assets().join("photos/bus.jpg")).unwrap();
    let cut = file(&scratch::folder("pictures"), "cut.jpg", &photo[..photo.len() / 3]);
    refused(&[&"run", &bundles::detector().bundle, &cut], &["cut.jpg", "cut off", "JPEG"]);
}

fn wrong_bundles() {
    let folder = scratch::folder("bundles");
    let picture = folder.join("picture.png");
    models::picture(&picture, [20, 20], |_, _| [1, 2, 3]);
    let whole = fs::read(&bundles::detector().bundle).unwrap();
    let run = |bundle: &Path, words: &[&str]| refused(&[&"run", &bundle, &picture], words);
    run(&folder.join("missing.farsight"), &["missing.farsight", "no such file"]);
    run(&file(&folder, "empty.farsight", b""), &["empty.farsight", "0 bytes"]);
    run(&file(&folder, "cut.farsight", &whole[..whole.len() / 2]), &["cut.farsight", "cut off"]);
    run(&picture, &["picture.png", "not a farsight bundle", "a picture"]);
    run(&models::line(), &["line.onnx", "not a farsight bundle", "ONNX model", "farsight compile"]);
    let mut changed = whole;
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    run(&file(&folder, "changed.farsight", &changed), &["changed.farsight", "damaged"]);
}

fn another_machine() {
    let compiled = bundles::compile(&models::line(), &["--target", OTHER_TARGET]);
    let input = tensors::write(&scratch::folder("tensor").join("x.npy"), &[1, 4], &[0.0; 4]);
    let call: [&dyn AsRef<OsStr>; 3] = [&"run", &compiled.bundle, &input];
    refused(&call, &["line.farsight", OTHER_TARGET, std::env::consts::ARCH, "--target"]);
    let answer = farsight::call(&[&call[..], &[&"--any-target"]].concat());
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
}

fn wrong_models() {
    let folder = scratch::folder("models");
    let compile = |path: &Path, words: &[&str]| refused(&[&"compile", &path], words);
    compile(
        &file(&folder, "text.onnx", b"this is not a model\n"),
        &["text.onnx", "not an ONNX model", "text"],
    );
    compile(&file(&folder, "empty.onnx", b""), &["empty.onnx", "an empty file"]);
    compile(&folder.join("missing.onnx"), &["missing.onnx", "No such file"]);
    let whole = fs::read(models::detector()).unwrap();
    compile(&file(&folder, "cut.onnx", &whole[..whole.len() / 2]), &["cut.onnx"]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3, "a refused compile left a file");
    refused(&[&"compile", &models::line(), &"--spec", &"yolo"], &["a picture needs four axes", "tensors"]);
}

fn labels() {
    let compile = |labels: &str, words: &[&str]| {
        refused(&[&"compile", &models::detector(), &"--spec", &"yolo", &"--labels", &labels], words);
    };
    compile("cow,dog,cat", &["3 classes", "with 2 classes", "labels"]);
    let slip = [&"compile" as &dyn AsRef<std::ffi::OsStr>, &models::detector(), &"--labels", &"names.names"];
    let answer = crate::farsight::call(&slip);
    assert_eq!(answer.code, Some(2), "{}", answer.stderr);
    assert!(answer.stderr.contains("names.names: there is no such file"), "{}", answer.stderr);
    let call: [&dyn AsRef<OsStr>; 6] =
        [&"compile", &models::segmenter(), &"--spec", &"deeplab", &"--labels", &"a,b,c"];
    refused(&call, &["3 labels", "21 classes", "--labels"]);
}

fn spec_files() {
    let folder = scratch::folder("specs");
    let text = farsight::call(&[&"models", &"yolo"]).stdout;
    let cases: [(&str, String, &[&str]); 3] = [
        ("key.toml", text.replace("pad = ", "padd = "), &["padd", "`pad`"]),
        ("value.toml", text.replace("conf = 0.25", "conf = 25"), &["conf", "25"]),
        ("syntax.toml", text.replace("[input]", "[input"), &[".toml:11:", "unclosed"]),
    ];
    for (name, text, words) in cases {
        let spec = file(&folder, name, text.as_bytes());
        refused(&[&"compile", &models::detector(), &"--spec", &spec], &[words, &[name]].concat());
    }
    let spec = folder.join("missing.toml");
    refused(&[&"compile", &models::detector(), &"--spec", &spec], &["missing.toml", "No such file"]);
}

fn wrong_tensors() {
    let folder = scratch::folder("tensors");
    let run = |path: &Path, words: &[&str]| refused(&[&"run", &bundles::line().bundle, &path], words);
    let long = tensors::write(&folder.join("long.npy"), &[1, 5], &[0.0; 5]);
    run(&long, &["long.npy", "[1, 5]", "`x`", "4"]);
    let bytes = fs::read(&long).unwrap();
    run(&file(&folder, "cut.npy", &bytes[..bytes.len() - 8]), &["cut.npy"]);
    run(&file(&folder, "text.npy", b"0 0 0 0"), &["text.npy", "numpy.save"]);
}

const SPEC: &str = r#"
name = "heat"
about = "Two bands that the raster does not have"
task = "segment"
[source]
reference = "tests"
licence = "MIT"
[input]
kind = "raster"
bands = [{ name = "lidar" }, { name = "thermal", aliases = ["TIR"] }]
[input.tiling]
overlap = 0.2
blend = "ukis-csmask"
[output]
decoder = "mask"
activation = "softmax"
labels = ["cold", "warm"]
"#;

fn bands() {
    let spec = file(&scratch::folder("spec"), "heat.toml", SPEC.as_bytes());
    let compiled = bundles::compile(&models::two_bands(), &["--spec", spec.to_str().unwrap()]);
    refused(&[&"run", &compiled.bundle, &patches()], &["patches.tif", "lidar", "thermal", "B02"]);
}

fn library() {
    let picture = scratch::folder("picture").join("a.png");
    models::picture(&picture, [20, 20], |_, _| [1, 2, 3]);
    let missing: [&dyn AsRef<OsStr>; 2] = [&"--onnxruntime", &"/nowhere.so"];
    let run: [&dyn AsRef<OsStr>; 3] = [&"run", &bundles::detector().bundle, &picture];
    refused(&[&run[..], &missing].concat(), &["/nowhere.so", "does not exist"]);
    refused(&[&[&"compile" as &dyn AsRef<_>, &models::line()], &missing[..]].concat(), &["/nowhere.so"]);
    let fake = file(&scratch::folder("library"), "fake.so", b"\x7fELF is how it starts");
    refused(&[&run[..], &[&"--onnxruntime", &fake]].concat(), &["fake.so"]);
}

fn data() {
    let bundle = &bundles::detector().bundle;
    let empty = scratch::folder("empty");
    refused(&[&"eval", bundle, &"--data", &empty], &["empty", "no pictures"]);
    refused(&[&"eval", bundle, &"--data", &empty.join("missing")], &["missing", "No such file"]);
    models::picture(&empty.join("a.png"), [20, 20], |_, _| [1, 2, 3]);
    refused(&[&"eval", bundle, &"--data", &empty], &["without labels", "--against"]);
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// A PNG of 8-bit RGB that says how large it is, and has next to no data.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in
        [(b"IHDR", &header[..]), (b"IDAT", &[0x78, 0x9c, 1, 0, 0, 0xff, 0xff]), (b"IEND", &[])]
    {
        let chunk = [&name[..], data].concat();
        png.extend((data.len() as u32).to_be_bytes());
        png.extend(&chunk);
        png.extend(crc32fast::hash(&chunk).to_be_bytes());
    }
    png
}
