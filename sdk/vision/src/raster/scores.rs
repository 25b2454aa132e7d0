//! A table of what files were classified as.

use std::io::Write;
use std::path::Path;

use super::RasterError;
use super::mask::failed;
use super::whole_file::WholeFile;

/// Writes a table `file,label,score` (CSV, RFC 4180, UTF-8), a line for each class of each file.
///
/// The table gets its name when it is finished and not before.
#[derive(Debug)]
pub struct ScoresWriter {
    file: WholeFile,
}

impl ScoresWriter {
    /// Begins a table to be called `path`.
    ///
    /// # Errors
    /// The folder does not exist or cannot be written to.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, RasterError> {
        let path = path.as_ref();
        let mut file = WholeFile::create(path).map_err(|found| failed(path, found))?;
        file.write_all(b"file,label,score\r\n").map_err(|e| failed(path, e.to_string()))?;
        Ok(Self { file })
    }

    /// Adds a file, by any name, with its labels and scores.
    ///
    /// # Errors
    /// The disk is full.
    pub fn write(&mut self, file: &str, classes: &[(&str, f32)]) -> Result<(), RasterError> {
        for (label, score) in classes {
            let line = format!("{},{},{score}\r\n", field(file), field(label));
            self.file.write_all(line.as_bytes()).map_err(|e| failed(self.file.path(), e.to_string()))?;
        }
        Ok(())
    }

    /// Completes the table and gives it its name. Returns its size in bytes.
    ///
    /// # Errors
    /// The disk is full; then nothing of that name appears or changes.
    pub fn finish(self) -> Result<u64, RasterError> {
        let path = self.file.path().to_owned();
        self.file.finish().map_err(|found| failed(&path, found))
    }
}

/// A text as a field: in quotes where it holds what separates fields.
fn field(text: &str) -> String {
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
