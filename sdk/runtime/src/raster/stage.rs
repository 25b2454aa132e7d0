//! What a raster model needs, made once at open.

use farsight_engine::Session;
use farsight_spec::{
    Activation, Average, ClassesOutput, ElementType, Normalise, Output, RasterInput, TensorInfo,
};
use farsight_spec::{MaskOutput, ModelSpec};
use farsight_vision::{ClassesDecoder, RasterInfo, RasterNormalise, RasterSource, TilePlan};

use super::Scene;
use super::scene::location_values;
use super::windows::Reader;
use crate::stage::{check_shape, output_index, output_shape, with_conf};
use crate::{Error, Options};

/// What a raster model needs, made once at open.
pub(crate) struct RasterStage {
    pub(super) spec: RasterInput,
    /// `[height, width]`
    pub(super) window: [usize; 2],
    /// One band of one date after the other, as the tensor has them.
    pub(super) normalise: RasterNormalise,
    pub(super) inputs: Inputs,
    pub(super) output: usize,
    pub(super) decoder: Decoder,
}

/// Places of the model's inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Inputs {
    pub(super) pixels: usize,
    dates: Option<usize>,
    location: Option<usize>,
}

/// What becomes of a window's answer.
pub(super) enum Decoder {
    Mask(MaskDecoder),
    Classes(ClassesDecoder),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MaskDecoder {
    pub(super) classes: usize,
    /// Before windows are blended.
    pub(super) before: Activation,
    /// On what was blended, for who asks for probabilities.
    pub(super) after: Activation,
}

impl RasterStage {
    pub(crate) fn new(
        input: &RasterInput,
        spec: &ModelSpec,
        session: &Session,
        options: &Options,
    ) -> Result<Self, Error> {
        let window = input
            .tiling
            .window
            .ok_or_else(|| Error::Contract("the spec is not resolved: the window is missing".to_owned()))?;
        let inputs = Inputs::of(input, session.inputs())?;
        for (index, shape) in input_shapes(input, session.inputs())? {
            check_shape(session, index, &shape)?;
            let element = session.inputs()[index].element;
            if element != ElementType::F32 {
                return Err(Error::Contract(format!("the input is {element:?}; rasters fill f32")));
            }
        }
        let output = output_index(spec, session.outputs())?;
        let shape = output_shape(session, output)?;
        let decoder = match &spec.output {
            Output::Mask(mask) => Decoder::Mask(MaskDecoder::new(mask, input, &shape, window)?),
            Output::Classes(classes) => {
                Decoder::Classes(classes_decoder(&with_conf(classes, options), &shape)?)
            }
            _ => return Err(Error::Contract("a raster's decoder is `mask` or `classes`".to_owned())),
        };
        let normalise = RasterNormalise::new(&per_plane(input), input.planes().len())?;
        Ok(Self { spec: input.clone(), window, normalise, inputs, output, decoder })
    }

    /// The windows over a raster, and who reads them.
    pub(super) fn lay(
        &self,
        raster: &mut dyn RasterSource,
        scene: &Scene,
    ) -> Result<(TilePlan, Reader<'_>), Error> {
        let choice = match scene.bands.as_slice() {
            [] => raster.choose_bands(&self.spec.bands, self.spec.frames)?,
            numbers => scene.numbered(numbers, raster.info(), &self.spec)?,
        };
        let plan = TilePlan::new(raster.info().size, self.window, &self.spec.tiling)?;
        raster.expect_windows(self.window[0], choice.bands.len());
        Ok((plan, Reader::new(self, choice, raster.info(), scene)))
    }

    /// Fills the inputs that say when and where the scene was taken.
    pub(super) fn fill_coordinates(
        &self,
        session: &mut Session,
        info: &RasterInfo,
        scene: &Scene,
    ) -> Result<(), Error> {
        if let Some(index) = self.inputs.dates {
            session.input_mut::<f32>(index)?.copy_from_slice(&scene.date_values(self.spec.frames)?);
        }
        if let Some(index) = self.inputs.location {
            session.input_mut::<f32>(index)?.copy_from_slice(&location_values(info)?);
        }
        Ok(())
    }
}

impl Inputs {
    fn of(input: &RasterInput, inputs: &[TensorInfo]) -> Result<Self, Error> {
        let place = |name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => match inputs.iter().position(|input| input.name == *name) {
                Some(index) => Ok(Some(index)),
                None => Err(Error::Contract(format!("the model has no input `{name}` that the spec names"))),
            },
        };
        let names = input.coordinates.as_ref();
        let dates = names.map_or(Ok(None), |names| place(&names.dates))?;
        let location = names.map_or(Ok(None), |names| place(&names.location))?;
        let mut others = (0..inputs.len()).filter(|index| Some(*index) != dates && Some(*index) != location);
        match (others.next(), others.next()) {
            (Some(pixels), None) => Ok(Self { pixels, dates, location }),
            _ => Err(Error::Contract(format!(
                "the model has {} inputs, a raster fills one beside those that the spec names as coordinates",
                inputs.len()
            ))),
        }
    }
}

/// The shape of each input, by its place.
pub(crate) fn input_shapes(
    input: &RasterInput,
    inputs: &[TensorInfo],
) -> Result<Vec<(usize, Vec<usize>)>, Error> {
    let places = Inputs::of(input, inputs)?;
    let pixels = input
        .shape()
        .ok_or_else(|| Error::Contract("the spec is not resolved: the window is missing".to_owned()))?;
    let mut shapes = vec![(places.pixels, pixels)];
    shapes.extend(places.dates.map(|index| (index, vec![1, input.frames, 2])));
    shapes.extend(places.location.map(|index| (index, vec![1, 2])));
    Ok(shapes)
}

/// The normalisation with one mean and deviation a plane of the tensor; they belong to the band that it holds.
fn per_plane(input: &RasterInput) -> Normalise {
    let of = |values: &[f64]| match values {
        [] => Vec::new(),
        values => input.planes().iter().map(|place| values[place % values.len()]).collect(),
    };
    let Normalise { divide, mean, std } = &input.normalise;
    Normalise { divide: *divide, mean: of(mean), std: of(std) }
}

impl MaskDecoder {
    fn new(
        mask: &MaskOutput,
        input: &RasterInput,
        shape: &[usize],
        window: [usize; 2],
    ) -> Result<Self, Error> {
        let classes = match *shape {
            [1, classes @ 2..=255, height, width] if [height, width] == window => classes,
            _ => {
                return Err(Error::Contract(format!(
                    "the output's shape is {shape:?}, a raster's needs scores of 2 to 255 classes: [1, classes, {}, {}]",
                    window[0], window[1]
                )));
            }
        };
        if !mask.labels.is_empty() && mask.labels.len() != classes {
            return Err(Error::Contract(format!(
                "the spec has {} labels, the model {classes} classes",
                mask.labels.len()
            )));
        }
        let (before, after) = match input.tiling.blend.averages() {
            Average::Probabilities => (mask.activation, Activation::None),
            Average::Logits => (Activation::None, mask.activation),
        };
        Ok(Self { classes, before, after })
    }
}

fn classes_decoder(classes: &ClassesOutput, shape: &[usize]) -> Result<ClassesDecoder, Error> {
    Ok(ClassesDecoder::new(classes, shape.iter().product())?)
}
