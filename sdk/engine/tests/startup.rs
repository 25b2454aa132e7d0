//! Sessions from what was prepared on this device: the same answer as from the model, whatever is in the cache.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use farsight_engine::{Cache, Caching, EngineError, Library, Model, Session, Settings, StartUp};
use farsight_spec::Optimization;
use libtest_mimic::{Arguments, Failed};
use serde_json::Value;
use support::onnx::{self, Constant, FLOAT, Node, floats, model};
use support::{needs_library, needs_model};

fn main() {
    if support::role().is_some() {
        support::end(make_in_a_child());
    }
    let mut tests = vec![
        needs_library("built_then_cached", built_then_cached),
        needs_library("weights_begin_cache_lines", weights_begin_cache_lines),
        needs_library("nothing_is_written_unasked", nothing_is_written_unasked),
        needs_library("the_model_is_not_asked_for", the_model_is_not_asked_for),
        needs_library("a_bad_model_has_its_own_error", a_bad_model_has_its_own_error),
        needs_library("options_are_kept_beside_each_other", options_are_kept_beside_each_other),
        needs_library("a_place_that_cannot_be_written", a_place_that_cannot_be_written),
        needs_library("a_full_disk", a_full_disk),
        needs_library("many_processes_at_once", many_processes_at_once),
        needs_library("forgotten_folders_go", forgotten_folders_go),
    ];
    for (name, damage) in DAMAGES {
        tests.push(needs_library(&format!("damage::{name}"), move |library| damaged(library, *damage)));
    }
    for (name, file) in [
        ("float", "detect/coco_yolov8n_640.onnx"),
        ("dynamic_int8", "detect/cattle_yolov8n_416_dynamic_int8.onnx"),
    ] {
        tests.push(needs_model(&format!("same_bits::{name}"), file, same_bits));
    }
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

type Outcome = Result<(), Failed>;
type Lib = &'static Library;

const SHA: &str = "00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff";

fn cache(caching: Caching, folder: &Path) -> Cache {
    Cache { caching, folder: Some(folder.to_path_buf()) }
}

fn open(library: Lib, sha: &str, model: &[u8], cache: &Cache) -> Result<Session, EngineError> {
    Session::open_prepared(library, sha, || Ok::<_, EngineError>(model), &Settings::default(), cache)
}

/// Opens the model that adds 10, 20, 30, 40 and looks at its answer.
fn open_add(library: Lib, cache: &Cache) -> Result<StartUp, Failed> {
    let mut session = open(library, SHA, &onnx::add(), cache)?;
    session.input_mut::<f32>(0)?.copy_from_slice(&[1.0, 2.0, 3.0, 4.0]);
    session.run()?;
    assert_eq!(session.output::<f32>(0)?, [11.0, 22.0, 33.0, 44.0]);
    assert_eq!(session.inputs()[0].name, "X");
    assert_eq!(session.outputs()[0].shape, [Some(1), Some(4)]);
    Ok(session.startup().clone())
}

/// The one folder in the cache.
fn place(cache: &Path) -> Result<PathBuf, Failed> {
    let found: Vec<_> =
        fs::read_dir(cache.join("sessions"))?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    match found.as_slice() {
        [one] => Ok(one.clone()),
        others => Err(format!("{others:?}").into()),
    }
}

fn built_then_cached(library: Lib) -> Outcome {
    let folder = tempfile::tempdir()?;
    assert_eq!(open_add(library, &cache(Caching::Make, folder.path()))?, StartUp::Built);
    for caching in [Caching::Make, Caching::Use] {
        assert_eq!(open_add(library, &cache(caching, folder.path()))?, StartUp::Cached);
    }
    assert_eq!(open_add(library, &cache(Caching::Off, folder.path()))?, StartUp::Plain);
    let key: Value = serde_json::from_slice(&fs::read(place(folder.path())?.join("key.json"))?)?;
    assert_eq!(key["asked"]["model"], SHA);
    assert_eq!(key["device"]["onnxruntime"], library.version());
    assert_eq!(
        key["files"]["session.ort"]["bytes"],
        fs::metadata(place(folder.path())?.join("session.ort"))?.len()
    );
    Ok(())
}

/// Wide loads from weights that begin anywhere are slow. The answer is the same wherever they lie.
fn weights_begin_cache_lines(library: Lib) -> Outcome {
    let values = |count: usize, seed: usize| -> Vec<f32> {
        (0..count).map(|i| ((i + seed) * 7919 % 1009) as f32).collect()
    };
    let (small, add, scale, tail) = (values(1, 5), values(100, 1), values(100, 2), values(100, 3));
    let axes = |count| [Some(1), Some(count)];
    let constant = |name, values: &[f32]| Constant(name, FLOAT, &[], floats(values));
    let bytes = model(
        &[
            Node("Add", &["X", "add"], &["A"]),
            Node("Mul", &["A", "scale_of_it"], &["B"]),
            Node("Sub", &["B", "small"], &["C"]),
            Node("Max", &["C", "t"], &["Y"]),
        ],
        &[onnx::Value("X", FLOAT, &axes(100))],
        &[onnx::Value("Y", FLOAT, &axes(100))],
        &[
            constant("small", &small),
            Constant("add", FLOAT, &[1, 100], floats(&add)),
            Constant("scale_of_it", FLOAT, &[1, 100], floats(&scale)),
            Constant("t", FLOAT, &[1, 100], floats(&tail)),
        ],
    );
    let folder = tempfile::tempdir()?;
    let cache = cache(Caching::Make, folder.path());
    for startup in [StartUp::Built, StartUp::Cached] {
        let mut session = open(library, SHA, &bytes, &cache)?;
        assert_eq!(session.startup(), &startup);
        session.input_mut::<f32>(0)?.fill(0.5);
        session.run()?;
        let expected: Vec<f32> =
            (0..100).map(|i| ((0.5 + add[i]) * scale[i] - small[0]).max(tail[i])).collect();
        assert_eq!(session.output::<f32>(0)?, expected);
    }
    let saved = fs::read(place(folder.path())?.join("session.ort"))?;
    for values in [&add, &scale, &tail] {
        let bytes = floats(values);
        let places: Vec<_> =
            saved.windows(bytes.len()).enumerate().filter(|(_, window)| *window == bytes).collect();
        assert_eq!(places.len(), 1, "what was moved is a hole");
        assert_eq!(places[0].0 % 64, 0);
    }
    Ok(())
}

fn nothing_is_written_unasked(library: Lib) -> Outcome {
    let folder = tempfile::tempdir()?;
    for caching in [Caching::Off, Caching::Use] {
        assert_eq!(open_add(library, &cache(caching, folder.path()))?, StartUp::Plain);
        assert_eq!(fs::read_dir(folder.path())?.count(), 0, "{caching:?}");
    }
    Ok(())
}

fn the_model_is_not_asked_for(library: Lib) -> Outcome {
    let folder = tempfile::tempdir()?;
    open_add(library, &cache(Caching::Make, folder.path()))?;
    let never = || Err::<Vec<u8>, _>(EngineError::Cancelled);
    let cache = cache(Caching::Use, folder.path());
    Session::open_prepared(library, SHA, never, &Settings::default(), &cache)?;
    // Another model is not this one.
    let other = Session::open_prepared(library, &SHA.replace('f', "e"), never, &Settings::default(), &cache);
    assert!(matches!(other, Err(EngineError::Cancelled)));
    Ok(())
}

fn a_bad_model_has_its_own_error(library: Lib) -> Outcome {
    let folder = tempfile::tempdir()?;
    let error = open(library, SHA, b"no model", &cache(Caching::Make, folder.path())).map(|_| ());
    assert!(matches!(error, Err(EngineError::Model { .. })), "{error:?}");
    assert_eq!(fs::read_dir(folder.path().join("sessions"))?.count(), 0);
    Ok(())
}

fn options_are_kept_beside_each_other(library: Lib) -> Outcome {
    let folder = tempfile::tempdir()?;
    let cache = cache(Caching::Make, folder.path());
    let levels = [Optimization::All, Optimization::Extended, Optimization::Off];
    for expected in [StartUp::Built, StartUp::Cached] {
        for optimization in levels {
            // Neither threads nor memory change what is saved.
            for (threads, arena) in [(1, true), (2, false)] {
                let settings = Settings { optimization, threads, arena, ..Settings::default() };
                let model = || Ok::<_, EngineError>(onnx::add());
                let session = Session::open_prepared(library, SHA, model, &settings, &cache)?;
                let expected = if threads == 1 { &expected } else { &StartUp::Cached };
                assert_eq!(session.startup(), expected);
            }
        }
    }
    assert_eq!(fs::read_dir(folder.path().join("sessions"))?.count(), levels.len());
    Ok(())
}

fn unused(startup: &StartUp) -> Result<&str, Failed> {
    match startup {
        StartUp::Unused { reason } => Ok(reason),
        other => Err(format!("{other:?}").into()),
    }
}

fn a_place_that_cannot_be_written(library: Lib) -> Outcome {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("file"), "")?;
    for path in [folder.path().join("file"), PathBuf::from("/proc/nowhere")] {
        let startup = open_add(library, &cache(Caching::Make, &path))?;
        assert!(unused(&startup)?.contains(&path.display().to_string()), "{startup:?}");
        assert_eq!(open_add(library, &cache(Caching::Use, &path))?, StartUp::Plain);
    }
    Ok(())
}

/// Every file that this child writes ends after 512 bytes, as on a disk that fills up.
fn a_full_disk(_: Lib) -> Outcome {
    let folder = tempfile::tempdir()?;
    let program = std::env::current_exe()?;
    let output = support::shell("make", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$1\"")
        .arg(&program)
        .arg(folder.path())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.starts_with("Unused"), "{output:?}");
    assert_eq!(fs::read_dir(folder.path().join("sessions"))?.count(), 0);
    Ok(())
}

/// In a process of its own: opens the model with the cache that is given, and tells how.
fn make_in_a_child() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).ok_or("no folder")?;
    let startup = open_add(Library::load(None)?, &cache(Caching::Make, Path::new(&folder)));
    println!("{:?}", startup.map_err(|failed| format!("{:?}", failed.message()))?);
    Ok(())
}

fn many_processes_at_once(library: Lib) -> Outcome {
    let folder = tempfile::tempdir()?;
    for round in ["new", "damaged"] {
        let children: Vec<_> = (0..6)
            .map(|_| support::child("make")?.arg(folder.path()).stdout(Stdio::piped()).spawn())
            .collect::<Result<_, _>>()?;
        for child in children {
            let output = child.wait_with_output()?;
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let fine = ["Built", "Cached", "Rebuilt"].iter().any(|start| said.starts_with(start));
            assert!(output.status.success() && fine, "{round}: {output:?}");
        }
        assert_eq!(open_add(library, &cache(Caching::Use, folder.path()))?, StartUp::Cached);
        fs::write(place(folder.path())?.join("session.ort"), "damaged")?;
    }
    Ok(())
}

fn forgotten_folders_go(library: Lib) -> Outcome {
    let folder = tempfile::tempdir()?;
    let sessions = folder.path().join("sessions");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    for (name, is_old) in [(".making-old", true), (".making-new", false)] {
        fs::create_dir_all(sessions.join(name))?;
        if is_old {
            fs::File::open(sessions.join(name))?.set_modified(old)?;
        }
    }
    open_add(library, &cache(Caching::Make, folder.path()))?;
    assert!(!sessions.join(".making-old").exists());
    assert!(sessions.join(".making-new").exists());
    Ok(())
}

/// What is done to an entry, and a part of the reason that must be given.
type Damage = fn(Lib, &Path) -> Result<&'static str, Failed>;

const DAMAGES: &[(&str, Damage)] = &[
    ("cut_to_nothing", |_, place| cut(place, |_| 0)),
    ("cut_to_a_byte", |_, place| cut(place, |_| 1)),
    ("cut_in_the_middle", |_, place| cut(place, |length| length / 2)),
    ("cut_by_a_byte", |_, place| cut(place, |length| length - 1)),
    ("first_bit", |_, place| flip(place, |_| 0)),
    ("middle_bit", |_, place| flip(place, |length| length / 2)),
    ("last_bit", |_, place| flip(place, |length| length - 1)),
    ("cut_and_vouched_for", |_, place| {
        cut(place, |length| length / 2)?;
        vouch(place)?;
        Ok("")
    }),
    ("garbage_and_vouched_for", |_, place| {
        fs::write(place.join("session.ort"), vec![0x5a; 5000])?;
        vouch(place)?;
        Ok("")
    }),
    ("empty_and_vouched_for", |_, place| {
        fs::write(place.join("session.ort"), "")?;
        vouch(place)?;
        Ok("")
    }),
    ("other_cpu", |_, place| fact(place, "cpu", "8086")),
    ("other_cpu_features", |_, place| fact(place, "cpu_features", "sse4.2 amx")),
    ("other_onnxruntime", |_, place| fact(place, "onnxruntime", "1.17.0")),
    ("other_build_of_it", |_, place| fact(place, "library", "1 bytes of 0.000000000")),
    ("other_format", |_, place| fact(place, "format", "0")),
    ("other_options", |_, place| {
        edit(place, |key| key["asked"]["optimization"] = "off".into())?;
        Ok("it was made for optimization \"off\", this is \"all\"")
    }),
    ("no_facts", |_, place| {
        edit(place, |key| key["device"] = serde_json::json!({}))?;
        Ok("it does not say for which cpu it was made")
    }),
    ("key_cut", |_, place| {
        let text = fs::read(place.join("key.json"))?;
        fs::write(place.join("key.json"), &text[..text.len() / 2])?;
        Ok("key.json is damaged")
    }),
    ("key_missing", |_, place| {
        fs::remove_file(place.join("key.json"))?;
        Ok("key.json cannot be opened")
    }),
    ("key_is_huge", |_, place| {
        fs::write(place.join("key.json"), vec![b' '; 1 << 20])?;
        Ok("key.json is damaged")
    }),
    ("key_leads_elsewhere", |_, place| {
        edit(place, |key| key["files"]["../../other"] = key["files"]["session.ort"].clone())?;
        Ok("key.json names the file \"../../other\"")
    }),
    ("key_without_files", |_, place| {
        edit(place, |key| key["files"] = serde_json::json!({}))?;
        Ok("session.ort does not belong to it")
    }),
    ("file_missing", |_, place| {
        fs::remove_file(place.join("session.ort"))?;
        Ok("session.ort cannot be opened")
    }),
    ("a_folder_for_the_file", |_, place| {
        fs::remove_file(place.join("session.ort"))?;
        fs::create_dir(place.join("session.ort"))?;
        Ok("session.ort is no regular file")
    }),
    ("a_link_for_the_file", |_, place| {
        fs::rename(place.join("session.ort"), place.join("../../moved.ort"))?;
        std::os::unix::fs::symlink("../../moved.ort", place.join("session.ort"))?;
        Ok("session.ort is no regular file")
    }),
    ("empty_folder", |_, place| {
        fs::remove_dir_all(place)?;
        fs::create_dir(place)?;
        Ok("key.json cannot be opened")
    }),
    ("a_file_for_the_folder", |_, place| {
        fs::remove_dir_all(place)?;
        fs::write(place, "text")?;
        Ok("it is no folder")
    }),
    ("a_stranger_in_the_folder", |_, place| {
        fs::write(place.join("more.ort"), "")?;
        Ok("more.ort does not belong to it")
    }),
    ("writable_by_everyone", |_, place| {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(place.join("session.ort"), fs::Permissions::from_mode(0o666))?;
        Ok("session.ort may be written by other users")
    }),
    ("file_of_another_model", |library, place| {
        fs::copy(another(library, place)?.join("session.ort"), place.join("session.ort"))?;
        Ok("session.ort")
    }),
    ("folder_of_another_model", |library, place| {
        let other = another(library, place)?;
        fs::remove_dir_all(place)?;
        fs::rename(other, place)?;
        Ok("it was made for model \"11")
    }),
];

fn cut(place: &Path, to: fn(u64) -> u64) -> Result<&'static str, Failed> {
    let file = fs::OpenOptions::new().write(true).open(place.join("session.ort"))?;
    file.set_len(to(file.metadata()?.len()))?;
    Ok("bytes, expected")
}

fn flip(place: &Path, at: fn(usize) -> usize) -> Result<&'static str, Failed> {
    let path = place.join("session.ort");
    let mut bytes = fs::read(&path)?;
    let at = at(bytes.len());
    bytes[at] ^= 0x10;
    fs::write(path, bytes)?;
    Ok("session.ort is damaged: its checksum is wrong")
}

fn edit(place: &Path, change: impl FnOnce(&mut Value)) -> Outcome {
    let mut key: Value = serde_json::from_slice(&fs::read(place.join("key.json"))?)?;
    change(&mut key);
    fs::write(place.join("key.json"), serde_json::to_vec(&key)?)?;
    Ok(())
}

fn fact(place: &Path, name: &'static str, value: &str) -> Result<&'static str, Failed> {
    edit(place, |key| key["device"][name] = value.into())?;
    Ok(match name {
        "format" => "it was made for format",
        "cpu" => "it was made for cpu \"8086\"",
        "cpu_features" => "it was made for cpu_features",
        "library" => "it was made for library",
        _ => "it was made for onnxruntime \"1.17.0\"",
    })
}

/// Gives `key.json` the size and checksum that the file has now.
fn vouch(place: &Path) -> Outcome {
    let bytes = fs::read(place.join("session.ort"))?;
    let facts = serde_json::json!({"bytes": bytes.len(), "crc32": crc32fast::hash(&bytes)});
    edit(place, |key| key["files"]["session.ort"] = facts)
}

/// Prepares a model that multiplies, elsewhere.
fn another(library: Lib, place: &Path) -> Result<PathBuf, Failed> {
    let shape = [Some(1), Some(4)];
    let multiply = model(
        &[Node("Mul", &["X", "C"], &["Y"])],
        &[onnx::Value("X", FLOAT, &shape)],
        &[onnx::Value("Y", FLOAT, &shape)],
        &[Constant("C", FLOAT, &[4], floats(&[2.0; 4]))],
    );
    let sessions = place.parent().ok_or("no parent")?;
    let elsewhere = sessions.with_file_name("elsewhere");
    open(library, &SHA.replace("00", "11"), &multiply, &cache(Caching::Make, &elsewhere))?;
    self::place(&elsewhere)
}

/// Whoever uses the cache notices, gives the right answer, and mends it.
fn damaged(library: Lib, damage: Damage) -> Outcome {
    for caching in [Caching::Use, Caching::Make] {
        let folder = tempfile::tempdir()?;
        let make = cache(Caching::Make, folder.path());
        assert_eq!(open_add(library, &make)?, StartUp::Built);
        let expected = damage(library, &place(folder.path())?)?;
        match open_add(library, &cache(caching, folder.path()))? {
            StartUp::Rebuilt { reason } => assert!(reason.contains(expected), "{reason}"),
            other => return Err(format!("{caching:?}: {other:?}").into()),
        }
        assert_eq!(open_add(library, &cache(Caching::Use, folder.path()))?, StartUp::Cached);
        assert_eq!(fs::read_dir(folder.path().join("sessions"))?.count(), 1);
    }
    Ok(())
}

/// The answers from the model, from the session just prepared and from the one in the cache are the same bytes.
fn same_bits(library: Lib, path: PathBuf) -> Outcome {
    let folder = tempfile::tempdir()?;
    let bytes = fs::read(&path)?;
    let mut answers = Vec::new();
    let settings = Settings { threads: 1, ..Settings::default() };
    let plain = Session::open(library, Model::Bytes(&bytes), &settings)?;
    let mut sessions = vec![plain];
    for startup in [StartUp::Built, StartUp::Cached] {
        let cache = cache(Caching::Make, folder.path());
        let model = || Ok::<_, EngineError>(&bytes);
        let session = Session::open_prepared(library, SHA, model, &settings, &cache)?;
        assert_eq!(session.startup(), &startup);
        sessions.push(session);
    }
    // The file may go while a session lives on it.
    fs::remove_dir_all(folder.path().join("sessions"))?;
    for session in &mut sessions {
        for (i, value) in session.input_mut::<f32>(0)?.iter_mut().enumerate() {
            *value = (i % 251) as f32 / 250.0;
        }
        session.run()?;
        answers.push(session.output_bytes(0)?.to_vec());
    }
    assert!(answers[0].chunks(4).any(|value| value != [0; 4]));
    assert!(answers[0] == answers[1] && answers[0] == answers[2]);
    Ok(())
}
