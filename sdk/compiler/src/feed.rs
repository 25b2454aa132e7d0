//! A file of any kind into a pipeline: pictures and rasters through its own pre-processing, `.npy` as it is.

use std::path::Path;

use farsight::{Pipeline, Scene};
use farsight_engine::Session;
use farsight_spec::Input;
use farsight_vision::{Frame, open_raster, picture};

use crate::CompileError;
use crate::npy::{self, NpyTensor};

/// Windows of one raster that are run at most: neighbours look alike.
const WINDOWS: usize = 16;

/// Runs one file and calls `visit` after each run (a raster has many windows): the session holds the raw outputs.
///
/// # Errors
/// If the file cannot be read, does not fit the model's input or holds NaN or infinite numbers, of which no range can be
/// taken and nothing measured, or the session fails. The message names the file.
pub(crate) fn feed(
    pipeline: &mut Pipeline,
    file: &Path,
    visit: &mut dyn FnMut(&Session) -> Result<(), CompileError>,
) -> Result<(), CompileError> {
    let named = |error: String| {
        let name = file.display().to_string();
        CompileError::Inputs(if error.starts_with(&name) { error } else { format!("{name}: {error}") })
    };
    if file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy")) {
        let tensor = npy::read(file)?;
        let not_finite = tensor.not_finite();
        if not_finite > 0 {
            return Err(named(format!(
                "it holds {not_finite} NaN or infinite numbers; leave it out, or look for what made them (a division by 0, \
                 a value that means \"no data\")"
            )));
        }
        fill(pipeline.session_mut(), file, &tensor)?;
        pipeline.session_mut().run()?;
        return visit(pipeline.session());
    }
    match pipeline.spec().input {
        Input::Frame(_) => {
            let picture = picture::read(file).map_err(|error| named(error.to_string()))?;
            let frame = Frame::rgb8(picture.width, picture.height, &picture.rgb)
                .map_err(|error| named(error.to_string()))?;
            pipeline.run(&frame).map_err(|error| named(error.to_string()))?;
            visit(pipeline.session())
        }
        Input::Raster(_) => {
            let mut raster = open_raster(file).map_err(|error| named(error.to_string()))?;
            let mut failed = None;
            let mut keep = |session: &Session| {
                failed = failed.take().or(visit(session).err());
                Ok(())
            };
            pipeline
                .visit_windows(raster.as_mut(), &Scene::default(), WINDOWS, &mut keep)
                .map_err(|error| named(error.to_string()))?;
            failed.map_or(Ok(()), Err)
        }
        Input::Tensors => Err(named(
            "this model takes tensors; give .npy files of its input's type and shape (numpy.save)".to_owned(),
        )),
    }
}

/// Writes a tensor file into the model's one input.
///
/// # Errors
/// If the file is no tensor, or its type or shape is not the input's.
pub fn fill_from_npy(session: &mut Session, file: &Path) -> Result<(), CompileError> {
    fill(session, file, &npy::read(file)?)
}

fn fill(session: &mut Session, file: &Path, tensor: &NpyTensor) -> Result<(), CompileError> {
    let wrong = |message: String| Err(CompileError::Inputs(format!("{}: {message}", file.display())));
    let [info] = session.inputs() else {
        return wrong(format!("the model has {} inputs, one .npy file fills one", session.inputs().len()));
    };
    let axes_fit =
        info.shape.iter().zip(&tensor.shape).all(|(axis, length)| axis.is_none_or(|axis| axis == *length));
    if info.element != tensor.element || info.shape.len() != tensor.shape.len() || !axes_fit {
        return wrong(format!(
            "the tensor is {} {:?}, the model's input `{}` is {} {}",
            tensor.element.name(),
            tensor.shape,
            info.name,
            info.element.name(),
            info.shape_text()
        ));
    }
    session.set_input_shape(0, &tensor.shape)?;
    session.input_bytes_mut(0)?.copy_from_slice(&tensor.bytes);
    Ok(())
}
