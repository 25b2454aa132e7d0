//! Running another program: its output goes where ours goes, and a failure names the call.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs it to its end, showing the call first.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    show(command);
    quietly(command)
}

/// Runs it to its end without showing the call.
pub(crate) fn quietly(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{} did not start", name(command)))?;
    if !status.success() {
        bail!("{} failed ({status}); what it says is above", name(command));
    }
    Ok(())
}

/// Runs it to its end, showing the call first, and returns its standard output; its standard error
/// is shown as it comes.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    show(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{} did not start", name(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{} failed ({}); what it says is above\n{text}", name(command), output.status);
    }
    Ok(text)
}

/// Runs it to its end in silence and returns its standard output; the last line of what it complained of comes with
/// the error.
pub(crate) fn silently(command: &mut Command) -> Result<String> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("{} did not start", name(command)))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let last = complaint.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it does not say why");
        bail!("{} failed ({}): {}", name(command), output.status, last.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn show(command: &Command) {
    let arguments: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    eprintln!("$ {} {}", name(command), arguments.join(" "));
}

/// The program's name without its folder.
fn name(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned()
}
