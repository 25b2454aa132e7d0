//! A file that is being written, beside the one that it will become.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

const START: &str = ".farsight-";
const END: &str = ".tmp";
/// A process in another container is not seen here: what it writes is younger than this.
const WRITTEN_AT_LEAST_ONCE_IN: Duration = Duration::from_secs(60);

/// A new file in the folder of `path`, so that renaming it cannot cross a disk. As for any new file, the umask decides
/// who may read it. What a process that was stopped (Ctrl-C, the power) left there is removed.
///
/// # Errors
/// What the system says.
pub fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    remove_forgotten(folder);
    let prefix = format!("{START}{}-", std::process::id());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(END);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

fn remove_forgotten(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !writer_is_gone(&entry.file_name().to_string_lossy()) {
            continue;
        }
        // Not that of a link's end.
        let metadata = entry.metadata().ok().filter(fs::Metadata::is_file);
        let changed = metadata.and_then(|metadata| metadata.modified().ok());
        if changed.is_some_and(is_old) {
            // If it does not work now, it may the next time.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A clock that was set back makes it old, too: else it would stay for ever.
fn is_old(changed: SystemTime) -> bool {
    SystemTime::now().duration_since(changed).map_or(true, |age| age > WRITTEN_AT_LEAST_ONCE_IN)
}

/// Whether this is the name of a temporary file whose process (its number is in the name) is not there any more. Where
/// the system does not show its processes, none is gone.
fn writer_is_gone(name: &str) -> bool {
    let middle = name.strip_prefix(START).and_then(|rest| rest.strip_suffix(END));
    let number = middle.and_then(|middle| middle.split_once('-')?.0.parse::<u32>().ok());
    let processes = Path::new("/proc");
    number
        .is_some_and(|number| processes.join("self").exists() && !processes.join(number.to_string()).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_stopped_process_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let (gone, here) = (ended.id(), std::process::id());
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        let files = [
            (format!(".farsight-{gone}-old.tmp"), hour_ago, false),
            (format!(".farsight-{gone}-future.tmp"), SystemTime::now() + Duration::from_secs(3600), false),
            (format!(".farsight-{gone}-young.tmp"), SystemTime::now(), true),
            (format!(".farsight-{here}-old.tmp"), hour_ago, true),
            (".farsight-mine.tmp".to_owned(), hour_ago, true),
            (format!(".farsight-{gone}-old.onnx"), hour_ago, true),
        ];
        for (name, time, _) in &files {
            fs::File::create(folder.path().join(name)).unwrap().set_modified(*time).unwrap();
        }
        let new = temporary_beside(&folder.path().join("cows.farsight")).unwrap();
        assert!(new.path().file_name().unwrap().to_string_lossy().starts_with(&format!(".farsight-{here}-")));
        for (name, _, stays) in files {
            assert_eq!(folder.path().join(&name).exists(), stays, "{name}");
        }
    }
}
