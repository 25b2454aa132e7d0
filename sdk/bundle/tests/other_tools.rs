//! Other tools open a bundle, and a bundle written by another tool opens. A tool that is not there is shown as
//! ignored.

mod common;

use std::path::Path;
use std::process::Command;

use common::contents;
use farsight_bundle::{Bundle, Contents, Open, write};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let trials = vec![
        trial("python_reads_a_bundle", "python3", |folder| {
            let path = folder.join("a.farsight");
            write(&path, &contents(70_000))?;
            python("read", &path)
        }),
        trial("unzip_tests_a_bundle", "unzip", |folder| {
            let path = folder.join("a.farsight");
            write(&path, &contents(70_000))?;
            run(Command::new("unzip").arg("-t").arg(&path))
        }),
        trial("zstd_unpacks_a_compressed_entry", "zstd", |folder| {
            let path = folder.join("a.farsight");
            let model = b"0123456789abcdef".repeat(9).to_vec();
            write(&path, &Contents { compress: true, model: model.clone(), ..contents(0) })?;
            let file = std::fs::read(&path)?;
            let frame =
                file.windows(4).position(|bytes| bytes == [0x28, 0xb5, 0x2f, 0xfd]).ok_or("no frame")?;
            let end = file.windows(4).position(|bytes| bytes == b"PK\x01\x02").ok_or("no directory")?;
            let (packed, unpacked) = (folder.join("model.zst"), folder.join("model"));
            std::fs::write(&packed, &file[frame..end])?;
            run(Command::new("zstd").arg("-dq").arg(&packed).arg("-o").arg(&unpacked))?;
            if std::fs::read(&unpacked)? == model { Ok(()) } else { Err("another model".into()) }
        }),
        trial("a_bundle_by_python_opens", "python3", |folder| {
            let path = folder.join("by-python.farsight");
            python("write", &path)?;
            let bundle = Bundle::open(&path, Open::Memory)?;
            let expected: Vec<u8> = (0..=255).cycle().take(25_600).collect();
            if bundle.model_bytes() == expected { Ok(()) } else { Err("another model".into()) }
        }),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn trial(name: &str, tool: &str, test: fn(&Path) -> Result<(), Failed>) -> Trial {
    let is_there = Command::new(tool).arg("--help").output().is_ok();
    let name = if is_there { name.to_owned() } else { format!("{name} ({tool} is not installed)") };
    Trial::test(name, move || test(tempfile::tempdir()?.path())).with_ignored_flag(!is_there)
}

fn python(what: &str, path: &Path) -> Result<(), Failed> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/other_tools.py");
    run(Command::new("python3").arg(script).arg(what).arg(path))
}

fn run(command: &mut Command) -> Result<(), Failed> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("{command:?}: {}\n{out}{err}", output.status).into())
}
