//! Small named checks: a spec or recipe that parses may still make no sense.

use crate::catalogue::read;
use crate::error::SpecError;
use crate::parse::parse;
use crate::{
    ClassesOutput, DetectOutput, FrameInput, Input, ModelSpec, Normalise, Output, Recipe, Resize, Task,
};

/// A key and what is wrong with its value.
pub(crate) type Problem = (String, String);
pub(crate) type Check = Result<(), Problem>;

pub(crate) fn problem(key: impl Into<String>, text: impl Into<String>) -> Check {
    Err((key.into(), text.into()))
}

pub(crate) fn locate(origin: &str) -> impl Fn(Problem) -> SpecError + '_ {
    move |(key, problem)| SpecError::Invalid { origin: origin.to_owned(), key, problem }
}

impl ModelSpec {
    /// Parses and validates a spec; `origin` (a file name, say) stands in every message.
    pub fn parse(text: &str, origin: &str) -> Result<Self, SpecError> {
        let spec: Self = parse(text, origin)?;
        spec.validate(origin)?;
        Ok(spec)
    }

    /// Whether the values make sense, for a spec that was not read by [`ModelSpec::parse`].
    ///
    /// # Errors
    /// The first key that makes none.
    pub fn validate(&self, origin: &str) -> Result<(), SpecError> {
        self.check().map_err(locate(origin))
    }

    /// The spec as TOML. What is written parses to the same spec.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    fn check(&self) -> Check {
        check_name(&self.name)?;
        check_task(self)?;
        match &self.input {
            Input::Frame(input) => check_frame(input)?,
            Input::Raster(input) => input.check()?,
            Input::Tensors => {}
        }
        match &self.output {
            Output::Yolo(output) | Output::Yolox(output) => check_detect(output)?,
            Output::Classes(output) => check_classes(output)?,
            Output::Mask(_) | Output::Tensors => {}
        }
        self.variants.iter().try_for_each(|variant| check_variant(self, variant))?;
        check_recipe(&self.recipe, "recipe.")
    }
}

impl Recipe {
    /// Parses and validates a recipe file.
    pub fn read(path: &std::path::Path) -> Result<Self, SpecError> {
        let origin = path.display().to_string();
        let recipe: Self = parse(&read(path)?, &origin)?;
        check_recipe(&recipe, "").map_err(locate(&origin))?;
        Ok(recipe)
    }
}

pub(crate) fn check_name(name: &str) -> Check {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(fine) || name.starts_with(['.', '-']) {
        return problem(
            "name",
            format!("is {name:?}; expected 1 to 64 lower-case letters, digits, dashes or dots"),
        );
    }
    Ok(())
}

fn check_task(spec: &ModelSpec) -> Check {
    let expected = match &spec.output {
        Output::Yolo(_) | Output::Yolox(_) => Task::Detect,
        Output::Classes(_) => Task::Classify,
        Output::Mask(_) => Task::Segment,
        Output::Tensors => Task::Tensors,
    };
    if spec.task != expected {
        let name = |task: Task| format!("{task:?}").to_lowercase();
        return problem(
            "task",
            format!("is \"{}\", but the decoder gives \"{}\"", name(spec.task), name(expected)),
        );
    }
    match (&spec.input, &spec.output) {
        (Input::Tensors, Output::Tensors)
        | (Input::Frame(_), _)
        | (Input::Raster(_), Output::Mask(_) | Output::Classes(_)) => Ok(()),
        (Input::Tensors, _) => problem("input.kind", "is tensors; only the decoder `tensors` goes with it"),
        (Input::Raster(_), _) => {
            problem("input.kind", "is raster; only the decoders `mask` and `classes` go with it")
        }
    }
}

fn check_variant(spec: &ModelSpec, variant: &crate::Variant) -> Check {
    if variant.when.layout.is_none() && variant.when.classes.is_none() {
        return problem("variants.when", "is empty; give layout, classes or both");
    }
    match (&spec.input, &variant.normalise) {
        (Input::Frame(FrameInput { channels: crate::Channels::Gray, .. }), Some(normalise)) => {
            check_normalise(normalise, 1)
        }
        (Input::Frame(_), Some(normalise)) => check_normalise(normalise, 3),
        (_, Some(_)) => problem("variants.normalise", "goes with input.kind = \"frame\" only"),
        (_, None) => Ok(()),
    }
}

fn check_frame(input: &FrameInput) -> Check {
    check_size("input.size", input.size)?;
    let channels = input.channels.count();
    check_normalise(&input.normalise, channels)?;
    match input.resize {
        Resize::CenterCrop { crop_fraction, .. } if !(crop_fraction > 0.0 && crop_fraction <= 1.0) => {
            problem("input.resize.crop_fraction", format!("is {crop_fraction}; expected above 0 and up to 1"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn check_size(key: &str, size: Option<[usize; 2]>) -> Check {
    match size {
        Some([h, w]) if !(1..=16384).contains(&h) || !(1..=16384).contains(&w) => {
            problem(key, format!("is [{h}, {w}]; expected [height, width], each 1 to 16384"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn check_normalise(normalise: &Normalise, channels: usize) -> Check {
    if !normalise.divide.is_finite() || normalise.divide == 0.0 {
        return problem(
            "input.normalise.divide",
            format!("is {}; expected a number but 0", normalise.divide),
        );
    }
    for (key, values) in [("mean", &normalise.mean), ("std", &normalise.std)] {
        let key = format!("input.normalise.{key}");
        if !values.is_empty() && values.len() != channels {
            return problem(key, format!("has {} values; the input has {channels} channels", values.len()));
        }
        if values.iter().any(|v| !v.is_finite()) {
            return problem(key, "holds a value that is not a number");
        }
    }
    if normalise.std.contains(&0.0) {
        return problem("input.normalise.std", "holds a 0; values are divided by it");
    }
    Ok(())
}

fn check_detect(output: &DetectOutput) -> Check {
    check_share("output.conf", f64::from(output.conf))?;
    check_share("output.iou", f64::from(output.iou))?;
    check_count("output.max_det", output.max_det, 100_000)
}

fn check_classes(output: &ClassesOutput) -> Check {
    if let Some(threshold) = output.threshold {
        check_share("output.threshold", threshold.into())?;
    }
    check_count("output.top", output.top, 100_000)
}

fn check_recipe(recipe: &Recipe, prefix: &str) -> Check {
    check_share(&format!("{prefix}max_drop"), recipe.max_drop)?;
    check_share(&format!("{prefix}max_disagreement"), recipe.max_disagreement)?;
    check_count(&format!("{prefix}calibration_samples"), recipe.calibration_samples, 1_000_000)?;
    check_count(&format!("{prefix}samples"), recipe.samples, 1_000_000)
}

fn check_share(key: &str, value: f64) -> Check {
    if !(0.0..=1.0).contains(&value) {
        return problem(key, format!("is {value}; expected 0 to 1"));
    }
    Ok(())
}

fn check_count(key: &str, value: usize, most: usize) -> Check {
    if !(1..=most).contains(&value) {
        return problem(key, format!("is {value}; expected 1 to {most}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;

    #[test]
    fn values_that_make_no_sense_are_refused_by_key() {
        let yolo = include_str!("../../../models/yolo.toml");
        let cloud = include_str!("../../../models/csmask-6b-l2a.toml");
        let cases = [
            (yolo.replace("conf = 0.25", "conf = 25.0"), "output.conf"),
            (yolo.replace("iou = 0.7", "iou = -1.0"), "output.iou"),
            (yolo.replace("max_det = 300", "max_det = 0"), "output.max_det"),
            (yolo.replace("task = \"detect\"", "task = \"classify\""), "task"),
            (yolo.replace("divide = 255.0", "divide = 0.0"), "input.normalise.divide"),
            (yolo.replace("divide = 255.0", "divide = 255.0\nmean = [1.0]"), "input.normalise.mean"),
            (yolo.replace("divide = 255.0", "std = [1.0, 0.0, 1.0]"), "input.normalise.std"),
            (yolo.replace("name = \"yolo\"", "name = \"YOLO v8\""), "name"),
            (cloud.replace("overlap = 0.2", "overlap = 0.7"), "input.tiling.overlap"),
            (cloud.replace("name = \"red\"", "name = \"blue\""), "input.bands"),
        ];
        for (text, expected) in cases {
            match ModelSpec::parse(&text, "x.toml") {
                Err(SpecError::Invalid { key, .. }) => assert_eq!(key, expected),
                other => panic!("{expected}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_written_parses_to_the_same() {
        for name in ModelSpec::names() {
            let spec = ModelSpec::find(name).unwrap();
            assert_eq!(ModelSpec::parse(&spec.to_toml(), name).unwrap(), spec);
        }
        for name in Target::names() {
            let target = Target::find(name).unwrap();
            assert_eq!(Target::parse(&target.to_toml(), name).unwrap(), target);
        }
    }
}
