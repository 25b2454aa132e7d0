//! What a model that is to be shrunk is measured on: one half of the inputs to search with, the other to judge the
//! result on, so that a search cannot pass by luck on what it looked at.

use std::path::{Path, PathBuf};

use farsight::Pipeline;
use farsight_spec::{ModelSpec, Recipe, Task};

use crate::data::Dataset;
use crate::evaluate::EvaluateSettings;
use crate::feed::feed;
use crate::judge::{Judge, Verdict, halves};
use crate::verify::raw_difference;
use crate::{CompileError, Progress};

/// A box of the source counts as the truth of an agreement from this score on.
const CONF: f32 = 0.25;

/// The inputs of a compile that shrinks: what ranges are taken from, what is searched with, what is judged on.
pub(crate) struct Inputs {
    data: Dataset,
    /// Files that calibrate.
    pub(crate) calibration: Vec<PathBuf>,
    search: Vec<usize>,
    judge: Vec<usize>,
    /// What the user should know of them.
    pub(crate) notes: Vec<String>,
}

impl Inputs {
    /// Calibration from `calibrate`, measures on `data`; where only one is given, one half of it calibrates and is
    /// searched with, and the other is judged on. `None` where neither is given.
    ///
    /// # Errors
    /// If there is nothing usable, or too little to be halved.
    pub(crate) fn open(
        calibrate: Option<&Path>,
        data: Option<&Path>,
        spec: &ModelSpec,
        recipe: &Recipe,
    ) -> Result<Option<Self>, CompileError> {
        let Some(path) = data.or(calibrate) else { return Ok(None) };
        let data = match spec.task {
            Task::Tensors => Dataset::open_inputs(path)?,
            task => Dataset::open(path, task, spec.output.labels())?,
        };
        log::info!("{}: {}", path.display(), data.found);
        let (search, judge) = halves(&data.spread(recipe.samples));
        if judge.is_empty() {
            return Err(CompileError::Inputs(format!(
                "{}: one input; half of the inputs choose and the other half judge, so 2 are needed at least (32 are \
                 usual; `samples` of a recipe limits them too)",
                path.display()
            )));
        }
        let mut notes = Vec::new();
        let calibration: Vec<PathBuf> = match calibrate.filter(|calibrate| !is_same(calibrate, path)) {
            Some(calibrate) => {
                let inputs = Dataset::open_inputs(calibrate)?;
                let files = inputs.inputs();
                inputs
                    .spread(recipe.calibration_samples)
                    .into_iter()
                    .map(|index| files[index].to_owned())
                    .collect()
            }
            None => {
                let files = data.inputs();
                let count = recipe.calibration_samples.min(search.len());
                let spread = (0..count).map(|place| search[place * search.len() / count]);
                spread.map(|index| files[index].to_owned()).collect()
            }
        };
        if calibration.len() < FEW {
            notes.push(format!(
                "ranges were taken from {} input(s) only; {FEW} or more that look like the field are usual",
                calibration.len()
            ));
        }
        Ok(Some(Self { data, calibration, search, judge, notes }))
    }
}

/// Whether two paths lead to the same place.
fn is_same(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Fewer calibration inputs than this are mentioned.
const FEW: usize = 16;

/// Measures models against their source.
pub(crate) struct Measure<'i> {
    source: Pipeline,
    kind: Kind<'i>,
}

enum Kind<'i> {
    Judged { search: Box<Judge<'i>>, judge: Box<Judge<'i>> },
    Tensors(&'i Inputs),
}

impl<'i> Measure<'i> {
    /// Runs the source over both halves.
    ///
    /// # Errors
    /// As for [`Judge::new`].
    pub(crate) fn new(
        mut source: Pipeline,
        inputs: &'i Inputs,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Self, CompileError> {
        if source.task() == Task::Tensors {
            return Ok(Self { source, kind: Kind::Tensors(inputs) });
        }
        let settings = EvaluateSettings { conf: CONF, most: usize::MAX };
        let mut half = |chosen: &[usize]| {
            Judge::new(&mut source, &inputs.data, chosen.to_vec(), settings, progress).map(Box::new)
        };
        let (search, judge) = (half(&inputs.search)?, half(&inputs.judge)?);
        if !(search.has_something_to_find() && judge.has_something_to_find()) {
            return Err(CompileError::Inputs(format!(
                "{}: there is nothing to measure on: no labels, and the source finds nothing from score {CONF} on in one \
                 half of the inputs. Give inputs that show what the model is for",
                inputs.data.path.display()
            )));
        }
        for failed in search.failed().iter().chain(judge.failed()) {
            log::warn!("left out: {}", failed.message);
        }
        Ok(Self { source, kind: Kind::Judged { search, judge } })
    }

    /// On the half that is searched on.
    pub(crate) fn on_search_half(
        &mut self,
        model: &mut Pipeline,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Verdict, CompileError> {
        match &self.kind {
            Kind::Judged { search, .. } => search.measure(model, progress),
            Kind::Tensors(inputs) => tensors(&mut self.source, model, inputs, &inputs.search, progress),
        }
    }

    /// On the half that no search has looked at.
    pub(crate) fn on_judge_half(
        &mut self,
        model: &mut Pipeline,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Verdict, CompileError> {
        match &self.kind {
            Kind::Judged { judge, .. } => judge.measure(model, progress),
            Kind::Tensors(inputs) => tensors(&mut self.source, model, inputs, &inputs.judge, progress),
        }
    }

    /// The source's own pipeline, to time it.
    pub(crate) fn source(&mut self) -> &mut Pipeline {
        &mut self.source
    }
}

/// Raw tensors have no decisions: how close the outputs are is the agreement.
fn tensors(
    source: &mut Pipeline,
    model: &mut Pipeline,
    inputs: &Inputs,
    chosen: &[usize],
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Verdict, CompileError> {
    let files = inputs.data.inputs();
    let mut agreements = Vec::new();
    for (done, &index) in chosen.iter().enumerate() {
        progress(Progress { step: "measuring a compiled model", done, total: chosen.len() });
        feed(source, files[index], &mut |_| Ok(()))?;
        feed(model, files[index], &mut |_| Ok(()))?;
        let difference = raw_difference(source, model)?.ok_or_else(|| {
            CompileError::Unresolved("the compiled model has other outputs than its source".to_owned())
        })?;
        agreements.push(difference.agreement);
    }
    let count = agreements.len() as f64;
    let agreement = agreements.iter().sum::<f64>() / count;
    let variance =
        agreements.iter().map(|one| (one - agreement).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    let deviation = (variance / count).sqrt();
    Ok(Verdict {
        metric: "agreement",
        source: 1.0,
        compiled: agreement,
        drop: 1.0 - agreement,
        deviation,
        upper: 1.0 - agreement + ONE_SIDED_95 * deviation,
        agreement,
        samples: agreements.len(),
    })
}

/// 95 % of a normal distribution lie below so many standard deviations.
const ONE_SIDED_95: f64 = 1.645;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tempfile::TempDir;

    use super::*;

    /// A folder of so many inputs; what is in them is not looked at.
    fn folder(count: usize) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for index in 0..count {
            std::fs::write(folder.path().join(format!("{index:03}.npy")), []).unwrap();
        }
        folder
    }

    fn open(
        calibrate: Option<&TempDir>,
        data: Option<&TempDir>,
        recipe: &Recipe,
    ) -> Result<Option<Inputs>, CompileError> {
        let spec = ModelSpec::find("tensors").unwrap();
        Inputs::open(calibrate.map(TempDir::path), data.map(TempDir::path), &spec, recipe)
    }

    fn opened(calibrate: Option<&TempDir>, data: Option<&TempDir>, recipe: &Recipe) -> Inputs {
        open(calibrate, data, recipe).unwrap().unwrap()
    }

    /// Number of each calibration file.
    fn numbers(inputs: &Inputs) -> Vec<usize> {
        let number = |file: &PathBuf| file.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        inputs.calibration.iter().map(number).collect()
    }

    #[test]
    fn no_inputs_are_no_error_but_one_is() {
        assert!(open(None, None, &Recipe::default()).unwrap().is_none());
        let one = folder(1);
        for (calibrate, data) in [(Some(&one), None), (None, Some(&one)), (Some(&folder(20)), Some(&one))] {
            let error = open(calibrate, data, &Recipe::default()).err().unwrap().to_string();
            assert!(error.contains("one input") && error.contains(&*one.path().to_string_lossy()), "{error}");
        }
        assert!(open(None, Some(&folder(0)), &Recipe::default()).is_err());
    }

    #[test]
    fn one_half_calibrates_and_is_searched_with_and_the_other_judges() {
        let data = folder(40);
        for (calibrate, data) in [(None, Some(&data)), (Some(&data), None), (Some(&data), Some(&data))] {
            let inputs = opened(calibrate, data, &Recipe::default());
            assert_eq!((inputs.search.len(), inputs.judge.len()), (20, 20));
            let both: BTreeSet<usize> = inputs.search.iter().chain(&inputs.judge).copied().collect();
            assert_eq!(both.len(), 40);
            assert_eq!(numbers(&inputs), inputs.search);
            assert_eq!(inputs.notes, [""; 0]);
        }
    }

    #[test]
    fn inputs_that_calibrate_are_taken_from_where_they_are_given() {
        let inputs = opened(
            Some(&folder(100)),
            Some(&folder(8)),
            &Recipe { calibration_samples: 20, ..Recipe::default() },
        );
        assert_eq!((inputs.search.len(), inputs.judge.len()), (4, 4));
        assert_eq!(numbers(&inputs), (0..20).map(|place| place * 5).collect::<Vec<_>>());
    }

    #[test]
    fn a_recipe_says_how_many_are_used() {
        let recipe = Recipe { samples: 40, calibration_samples: 4, ..Recipe::default() };
        let inputs = opened(None, Some(&folder(400)), &recipe);
        assert_eq!((inputs.search.len(), inputs.judge.len()), (20, 20));
        // Spread over all that is searched with, not the first ones.
        let chosen = numbers(&inputs);
        assert_eq!(chosen.len(), 4);
        assert!(chosen.iter().all(|number| inputs.search.contains(number)) && chosen[3] > 200, "{chosen:?}");
    }

    #[test]
    fn few_are_told() {
        let inputs = opened(None, Some(&folder(5)), &Recipe::default());
        assert_eq!((inputs.search.len(), inputs.judge.len()), (3, 2));
        assert_eq!(inputs.notes.len(), 1);
        assert!(inputs.notes[0].contains("from 3 input(s) only"), "{:?}", inputs.notes);
    }
}
