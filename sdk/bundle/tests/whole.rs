//! A bundle is written and read again: the same bytes every time, aligned, and nothing of it lost.

mod common;

use common::{Part, SPEC, TARGET, contents, manifest, tensor, with_manifest, zip};
use farsight_bundle::{
    Bundle, Contents, Digest, FileKind, Manifest, Open, Outline, compatible, sniff, write,
};
use farsight_spec::{Activation, ClassesOutput, Output, Precision, Recipe};
use serde_json::json;

#[test]
fn what_goes_in_comes_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.farsight");
    for compress in [false, true] {
        let mut contents = Contents { compress, ..contents(100_000) };
        if compress {
            contents.model = contents.model.iter().flat_map(|&byte| [byte, 0, 0, 0]).collect();
        }
        let bytes = write(&path, &contents).unwrap();
        assert_eq!(bytes, std::fs::metadata(&path).unwrap().len());
        assert_eq!(compress, bytes < contents.model.len() as u64);
        assert_eq!(sniff(&path).unwrap(), FileKind::Bundle);
        let given = std::fs::read(&path).unwrap();
        let mapped = Bundle::open(&path, Open::Mapped).unwrap();
        let outline = Outline::open(&path).unwrap();
        assert_eq!(outline.spec(), &contents.spec);
        assert_eq!(outline.target(), &contents.target);
        assert_eq!(outline.model_sha256(), Digest::of(&contents.model));
        let read = outline.read().unwrap();
        let memory = Bundle::open(&path, Open::Memory).unwrap();
        for bundle in [memory, mapped, read, Bundle::parse(given).unwrap()] {
            assert!(bundle.file().is_none_or(|file| file == path));
            assert_eq!(bundle.model_bytes(), contents.model);
            assert_eq!(bundle.model_sha256(), Digest::of(&contents.model));
            assert_eq!(bundle.spec(), &contents.spec);
            assert_eq!(bundle.target(), &contents.target);
            assert_eq!(bundle.labels(), contents.labels);
            assert_eq!(bundle.self_test(), contents.self_test);
            let manifest = bundle.manifest();
            assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("two-numbers", "1.4.0"));
            assert_eq!(manifest.model().inputs, contents.inputs);
            assert_eq!(manifest.model().outputs, contents.outputs);
            assert_eq!(manifest.model().source_sha256, contents.source_sha256);
            assert_eq!(manifest.entries["model.onnx"].sha256, Digest::of(&contents.model));
        }
    }
}

#[test]
fn an_outline_does_not_look_at_the_model_until_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.farsight");
    let contents = contents(1_000_000);
    write(&path, &contents).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.windows(64).position(|part| *part == contents.model[500_000..500_064]).unwrap();
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let outline = Outline::open(&path).unwrap();
    assert_eq!(outline.model_sha256(), Digest::of(&contents.model));
    assert_eq!(outline.read().unwrap_err().kind(), "checksum");

    // Another bundle of the same size takes its place in between.
    let outline = Outline::open(&path).unwrap();
    let mut other = contents;
    other.model.reverse();
    let elsewhere = folder.path().join("b.farsight");
    write(&elsewhere, &other).unwrap();
    std::fs::write(&path, std::fs::read(&elsewhere).unwrap()).unwrap();
    assert!(outline.read().unwrap_err().to_string().contains("it changed while it was read"));
    let outline = Outline::open(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(outline.read().unwrap_err().to_string().contains("it changed while it was read"));
}

#[test]
fn the_same_contents_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a.farsight"), folder.path().join("deep/b.farsight"));
    std::fs::create_dir(folder.path().join("deep")).unwrap();
    for compress in [false, true] {
        let contents = Contents { compress, ..contents(50_000) };
        write(&first, &contents).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        write(&second, &contents.clone()).unwrap();
        assert!(std::fs::read(&first).unwrap() == std::fs::read(&second).unwrap(), "compress {compress}");
    }
}

#[test]
fn every_entry_is_aligned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.farsight");
    for size in [0, 1, 63, 64, 65, 1000, 70_000] {
        write(&path, &contents(size)).unwrap();
        for how in [Open::Memory, Open::Mapped] {
            let bundle = Bundle::open(&path, how).unwrap();
            for name in bundle.manifest().entries.keys() {
                let address = bundle.entry(name).unwrap().as_ptr() as usize;
                assert!(address.is_multiple_of(64), "{size}, {how:?}: {name} at {address:#x}");
            }
        }
    }
}

#[test]
fn a_recipe_stays_at_home() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.farsight");
    let mut contents = contents(10);
    contents.spec.recipe.precision = Precision::Fp16;
    contents.precision = Precision::Fp16;
    write(&path, &contents).unwrap();
    let bundle = Bundle::open(&path, Open::Memory).unwrap();
    assert_eq!(bundle.spec().recipe, Recipe::default());
    assert_eq!(bundle.manifest().precision, "fp16");
}

#[test]
fn labels_of_the_spec_have_a_file_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.farsight");
    let mut contents = contents(10);
    let classes = |labels: &[String]| {
        let labels = labels.to_vec();
        Output::Classes(ClassesOutput {
            tensor: None,
            labels,
            top: 5,
            activation: Activation::Softmax,
            label_offset: 1,
            threshold: None,
        })
    };
    contents.spec = farsight_spec::ModelSpec::find("imagenet").unwrap();
    contents.spec.output = classes(&contents.labels);
    write(&path, &contents).unwrap();
    let bundle = Bundle::open(&path, Open::Memory).unwrap();
    assert_eq!(bundle.spec(), &contents.spec);
    assert_eq!(bundle.entry("labels.txt").unwrap(), b"clear\ncloud\n");
    let text = std::str::from_utf8(bundle.entry("spec.toml").unwrap()).unwrap();
    assert!(!text.contains("cloud"), "{text}");

    contents.spec.output = classes(&["other".to_owned()]);
    assert_eq!(write(&path, &contents).unwrap_err().kind(), "contents");
}

#[test]
fn a_failed_write_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.farsight");
    std::fs::write(&path, "old").unwrap();
    type Change = fn(&mut Contents);
    let refused: [(Change, &str); 8] = [
        (|c| c.name = "a b".to_owned(), "manifest"),
        (|c| c.version = "1".to_owned(), "manifest"),
        (|c| c.target.triple = "host".to_owned(), "manifest"),
        (|c| c.labels[0] = "a\nb".to_owned(), "contents"),
        (|c| c.labels = vec!["x".repeat(3 << 20)], "too-large"),
        (|c| c.inputs.clear(), "self-test"),
        (|c| c.self_test.as_mut().unwrap().inputs[0].bytes.to_mut().push(0), "self-test"),
        (|c| c.self_test.as_mut().unwrap().tolerance.absolute = f64::NAN, "self-test"),
    ];
    for (change, expected) in refused {
        let mut contents = contents(10);
        change(&mut contents);
        let error = write(&path, &contents).unwrap_err();
        assert_eq!(error.kind(), expected, "{error}");
    }
    for (place, expected) in [("no/such/folder/a.farsight", "not-found"), (".", "not-a-file")] {
        assert_eq!(write(&folder.path().join(place), &contents(10)).unwrap_err().kind(), expected);
    }
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Run by the test below in a process of its own.
#[test]
#[ignore = "writes until it is killed"]
fn child_writes_until_killed() {
    let Some(path) = std::env::var_os("FARSIGHT_TEST_PATH") else { return };
    let contents = contents(4 << 20);
    loop {
        write(path.as_ref(), &contents).unwrap();
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn killed_at_any_moment_there_is_a_whole_bundle_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.farsight");
    for wait in [300, 310, 325, 340, 365, 390, 420, 455] {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_writes_until_killed", "--ignored"])
            .env("FARSIGHT_TEST_PATH", &path)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        if path.exists() {
            Bundle::open(&path, Open::Memory).unwrap();
            std::fs::remove_file(&path).unwrap();
        }
    }
}

#[cfg(unix)]
#[test]
fn the_file_can_be_read_by_others_as_the_umask_allows() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (path, plain) = (folder.path().join("a.farsight"), folder.path().join("plain"));
    write(&path, &contents(10)).unwrap();
    std::fs::write(&plain, "").unwrap();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&plain));
}

#[test]
fn a_bundle_knows_its_devices() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.farsight");
    write(&path, &contents(10)).unwrap();
    let bundle = Bundle::open(&path, Open::Memory).unwrap();
    let avx2 = ["sse4.2".to_owned(), "avx2".to_owned()];
    assert!(bundle.compatible("x86_64-unknown-linux-gnu", &avx2).is_ok());
    assert!(bundle.compatible("x86_64-unknown-linux-musl", &avx2).is_ok());
    let cases: [(&str, &[String], &str, &[&str]); 3] = [
        (
            "aarch64-unknown-linux-gnu",
            &avx2,
            "other-platform",
            &["x86_64-unknown-linux-gnu", "aarch64-unknown"],
        ),
        ("x86_64-pc-windows-msvc", &avx2, "other-platform", &["x86_64-unknown-linux-gnu", "windows"]),
        ("x86_64-unknown-linux-gnu", &avx2[..1], "cpu-features", &["lacks avx2", "x86_64-linux"]),
    ];
    for (triple, features, kind, words) in cases {
        let error = bundle.compatible(triple, features).unwrap_err();
        assert_eq!(error.kind(), kind);
        for word in words.iter().chain(&["a.farsight"]) {
            assert!(error.to_string().contains(word), "{word}: {error}");
        }
    }

    let mut both: Manifest = bundle.manifest().clone();
    let mut arm = both.targets[0].clone();
    (arm.triple, arm.cpu_features) = ("aarch64-unknown-linux-gnu".to_owned(), Vec::new());
    both.targets.push(arm);
    assert!(compatible(&both, "aarch64-unknown-linux-gnu", &[]).is_ok());
}

/// What a later farsight may add: a key in every table of the texts and in every object of the manifest.
#[test]
fn keys_of_a_newer_version_are_ignored() {
    let add = |text: &str| {
        let text = text.replace(" }", ", newer = [1, { a = 2 }] }").replace("name = ", "newer = 1\nname = ");
        text.replace("{ newer = 1\nname", "{ name")
    };
    let parts = [
        Part::stored("spec.toml", add(SPEC)),
        Part::stored("target.toml", add(TARGET)),
        Part::stored("model.onnx", "model"),
        Part::stored("self-test/input-0.bin", vec![0; 12]),
    ];
    let json = manifest(&parts, |json| {
        let info = json!({ "name": "in", "type": "f32", "shape": [1, 3], "newer": { "a": 1 } });
        json["models"][0]["inputs"] = json!([info]);
        let sample = json!({ "info": info, "entry": "self-test/input-0.bin", "newer": 1 });
        let tolerance = json!({ "absolute": 0.5, "relative": 0.0, "newer": 1 });
        json["self_test"] =
            json!({ "inputs": [sample], "outputs": [], "tolerance": tolerance, "newer": null });
        json["models"][0]["newer"] = json!(1);
        json["targets"][0]["newer"] = json!("x");
        json["entries"]["model.onnx"]["newer"] = json!([]);
        json["newer"] = json!(1);
    });
    let all: Vec<Part> = std::iter::once(json).chain(parts).collect();
    let bundle = Bundle::parse(zip(&all, None)).unwrap();
    assert_eq!(bundle.spec(), &toml::from_str(SPEC).unwrap());
    assert_eq!(bundle.target(), &toml::from_str(TARGET).unwrap());
    assert_eq!(bundle.manifest().model().inputs, [tensor("in", &[1, 3])]);
    assert_eq!(bundle.self_test().unwrap().tolerance.absolute, 0.5);
}

#[test]
fn values_of_a_newer_version_are_refused_by_name() {
    let cases = [
        ("spec.toml", SPEC.replace("decoder = \"tensors\"", "decoder = \"detr\"")),
        ("spec.toml", SPEC.replace("kind = \"tensors\"", "kind = \"detr\"")),
        ("target.toml", format!("{TARGET}session = {{ optimization = \"detr\" }}")),
    ];
    for (name, text) in cases {
        let other = |part: &Part| part.name != name.as_bytes();
        let mut parts: Vec<Part> = common::parts().into_iter().filter(other).collect();
        parts.push(Part::stored(name, text));
        let message = Bundle::parse(zip(&with_manifest(&parts, &parts), None)).unwrap_err().to_string();
        assert!(message.contains("`detr`"), "{message}");
    }
}
