//! One input through a pipeline, down to what the pipeline decides about it.

use std::fmt::Display;
use std::path::Path;

use farsight::{Answer, ClassScore, Detection, Frame, Pipeline, Scene};
use farsight_spec::{Input, Output};
use farsight_vision::picture::{self, Picture};
use farsight_vision::{RasterSource, Window, open_raster};

/// What a pipeline decides about one input.
#[derive(Debug, Clone)]
pub(crate) enum Decision {
    /// Boxes, best first.
    Boxes(Vec<Detection>),
    /// Classes, best first.
    Classes(Vec<ClassScore>),
    /// A class a pixel.
    Mask(Vec<u8>),
}

/// An input, read once for every pipeline that decides about it.
pub(crate) struct Opened<'f> {
    file: &'f Path,
    content: Content,
}

enum Content {
    Picture(Picture),
    Raster(Box<dyn RasterSource>),
}

impl<'f> Opened<'f> {
    /// Opens a file as the input of a model takes it. Errors are texts that name the file.
    pub(crate) fn open(file: &'f Path, input: &Input) -> Result<Self, String> {
        let content = if matches!(input, Input::Raster(_)) {
            Content::Raster(open_raster(file).map_err(|error| named(file, error))?)
        } else {
            Content::Picture(picture::read(file).map_err(|error| named(file, error))?)
        };
        Ok(Self { file, content })
    }

    /// `[height, width]`.
    pub(crate) fn size(&self) -> [usize; 2] {
        match &self.content {
            Content::Picture(picture) => picture.size(),
            Content::Raster(raster) => raster.info().size,
        }
    }

    pub(crate) fn is_raster(&self) -> bool {
        matches!(self.content, Content::Raster(_))
    }

    /// Runs a pipeline on the input. Errors are texts that name the file.
    pub(crate) fn decide(&mut self, pipeline: &mut Pipeline) -> Result<Decision, String> {
        let decision = match &mut self.content {
            Content::Picture(picture) => run_picture(pipeline, picture),
            Content::Raster(raster) => run_raster(pipeline, raster.as_mut()),
        };
        decision.map_err(|error| named(self.file, error))
    }
}

/// An error as a text that names its file, once.
pub(crate) fn named(file: &Path, error: impl Display) -> String {
    let (file, message) = (file.display().to_string(), error.to_string());
    if message.starts_with(&file) { message } else { format!("{file}: {message}") }
}

fn run_picture(pipeline: &mut Pipeline, picture: &Picture) -> Result<Decision, farsight::Error> {
    let frame = Frame::rgb8(picture.width, picture.height, &picture.rgb)?;
    match pipeline.run(&frame)? {
        Answer::Detections(found) => Ok(Decision::Boxes(found.to_vec())),
        Answer::Classes(found) => Ok(Decision::Classes(found.to_vec())),
        Answer::Mask(mask) => Ok(Decision::Mask(mask.classes.clone())),
        Answer::Tensors => Err(farsight::Error::WrongTask {
            task: farsight::Task::Tensors,
            wanted: "raw tensors have no measure; give a spec with a decoder",
        }),
    }
}

fn run_raster(pipeline: &mut Pipeline, raster: &mut dyn RasterSource) -> Result<Decision, farsight::Error> {
    if matches!(pipeline.spec().output, Output::Classes(_)) {
        return classify_raster(pipeline, raster);
    }
    let mut mask = Vec::new();
    let mut rows = |rows: &[u8]| {
        mask.extend_from_slice(rows);
        Ok(())
    };
    pipeline.run_raster(raster, &mut rows, &mut |_| {})?;
    Ok(Decision::Mask(mask))
}

/// A patch has one answer; of a larger raster there is none that a label could be compared with.
fn classify_raster(
    pipeline: &mut Pipeline,
    raster: &mut dyn RasterSource,
) -> Result<Decision, farsight::Error> {
    let mut found = Vec::new();
    let mut windows = 0;
    let mut visit = |_: &Window, classes: &[ClassScore]| {
        windows += 1;
        found = classes.to_vec();
        Ok(())
    };
    pipeline.classify_raster(raster, &Scene::default(), &mut visit, &mut |_| {})?;
    match windows {
        1 => Ok(Decision::Classes(found)),
        _ => Err(farsight::Error::Scene(format!(
            "{:?} pixels ([height, width]) are {windows} windows; give patches as large as the model's window",
            raster.info().size
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_file_once() {
        let file = Path::new("a/b.png");
        assert_eq!(named(file, "no picture"), "a/b.png: no picture");
        assert_eq!(named(file, "a/b.png: no picture"), "a/b.png: no picture");
    }

    #[test]
    fn what_cannot_be_opened_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("missing.png");
        let Err(error) = Opened::open(&file, &Input::Tensors) else { panic!("it opened") };
        assert!(error.contains("missing.png"), "{error}");
    }
}
