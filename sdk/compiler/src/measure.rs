//! What a model that is to be shrunk is measured on: one half of the inputs to search with, the other to judge the
//! result on, so that a search cannot pass by luck on what it looked at.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use farsight::Pipeline;
use farsight_spec::{ModelSpec, Precision, Recipe, Task};

use crate::data::Dataset;
use crate::decide::named;
use crate::evaluate::{EvaluateSettings, FailedInput, left_out, some_usable};
use crate::feed::feed;
use crate::judge::{Judge, Verdict, halves};
use crate::search_time::SearchTime;
use crate::tally::AGREEMENT;
use crate::verify::raw_difference;
use crate::{CompileError, Progress};

/// A box of the source counts as the truth of an agreement from this score on.
const CONF: f32 = 0.25;

/// The inputs of a compile that shrinks: what ranges are taken from, what is searched with, what is judged on.
pub(crate) struct Inputs {
    data: Dataset,
    /// Files that calibrate; none where nothing is searched.
    pub(crate) calibration: Vec<PathBuf>,
    /// Empty where nothing is searched.
    search: Vec<usize>,
    judge: Vec<usize>,
    /// What the user should know of those that calibrate.
    pub(crate) notes: Vec<String>,
}

impl Inputs {
    /// Calibration from `calibrate`, measures on `data`; where only one is given, one half of it calibrates and is
    /// searched with, and the other is judged on. A precision of which nothing is chosen is judged on all of them.
    /// `None` where neither is given.
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
        if !matches!(recipe.precision, Precision::Int8 | Precision::Auto) {
            let judge = data.spread(recipe.samples);
            return Ok(Some(Self {
                data,
                calibration: Vec::new(),
                search: Vec::new(),
                judge,
                notes: Vec::new(),
            }));
        }
        let (searched, judged) = halves(&data);
        let search = spread(&searched, recipe.samples.div_ceil(2));
        let judge = spread(&judged, recipe.samples / 2);
        if judge.is_empty() {
            return Err(CompileError::Inputs(format!(
                "{}: one input; half of the inputs choose and the other half judge, so 2 are needed at least (32 are \
                 usual; `samples` of a recipe limits them too)",
                path.display()
            )));
        }
        let mut notes = Vec::new();
        let calibration = match calibrate.filter(|calibrate| canonical(calibrate) != canonical(path)) {
            Some(calibrate) => not_judged(calibrate, &data, &judged, &mut notes)?,
            None => files(&data, &search),
        };
        let calibration = spread(&calibration, recipe.calibration_samples);
        if calibration.len() < FEW {
            notes.push(format!(
                "ranges were taken from {} input(s) only; {FEW} or more that look like the field are usual",
                calibration.len()
            ));
        }
        Ok(Some(Self { data, calibration, search, judge, notes }))
    }
}

/// Fewer calibration inputs than this are mentioned.
const FEW: usize = 16;

/// The inputs under `calibrate` but for those of the judging half, whether or not they are among its samples: on what
/// ranges were taken from, or on its neighbours, a model looks better than it is.
fn not_judged(
    calibrate: &Path,
    data: &Dataset,
    judged: &[usize],
    notes: &mut Vec<String>,
) -> Result<Vec<PathBuf>, CompileError> {
    let judged: HashSet<PathBuf> = files(data, judged).iter().map(|file| canonical(file)).collect();
    let all = Dataset::open_inputs(calibrate)?;
    let all = all.inputs();
    let left = all.iter().filter(|file| !judged.contains(&canonical(file)));
    let left: Vec<PathBuf> = left.map(|file| (*file).to_owned()).collect();
    if left.is_empty() {
        return Err(CompileError::Inputs(format!(
            "{}: all of these inputs are among those of {} that judge; calibrate with others",
            calibrate.display(),
            data.path.display()
        )));
    }
    if left.len() < all.len() {
        notes.push(format!(
            "{} inputs to calibrate with are also among those that judge: no ranges were taken from them",
            all.len() - left.len()
        ));
    }
    Ok(left)
}

fn files(data: &Dataset, chosen: &[usize]) -> Vec<PathBuf> {
    let files = data.inputs();
    chosen.iter().map(|&index| files[index].to_owned()).collect()
}

/// The path without links and detours, so that two to the same place are equal.
fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// At most so many, spread evenly over all.
fn spread<T: Clone>(all: &[T], most: usize) -> Vec<T> {
    let count = most.min(all.len());
    (0..count).map(|place| all[place * all.len() / count].clone()).collect()
}

/// Measures models against their source.
pub(crate) struct Measure<'i> {
    source: Pipeline,
    kind: Kind<'i>,
    time: SearchTime,
    notes: Vec<String>,
}

enum Kind<'i> {
    Judged {
        search: Option<Box<Judge<'i>>>,
        judge: Box<Judge<'i>>,
        /// Both halves in one, where labels are the measure and something is searched.
        all: Option<Box<Judge<'i>>>,
    },
    Tensors {
        search: Vec<&'i Path>,
        judge: Vec<&'i Path>,
    },
    Nothing,
}

impl<'i> Measure<'i> {
    /// Runs the source over both halves.
    ///
    /// # Errors
    /// As for [`Judge::new`].
    pub(crate) fn new(
        mut source: Pipeline,
        inputs: Option<&'i Inputs>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Self, CompileError> {
        let mut notes = Vec::new();
        let kind = match inputs {
            None => Kind::Nothing,
            Some(inputs) if source.task() == Task::Tensors => {
                let mut half = |chosen: &[usize]| usable(&mut source, inputs, chosen, &mut notes, progress);
                Kind::Tensors { search: half(&inputs.search)?, judge: half(&inputs.judge)? }
            }
            Some(inputs) => judged(&mut source, inputs, &mut notes, progress)?,
        };
        Ok(Self { source, kind, time: SearchTime::default(), notes })
    }

    /// Lets a search end after this time, with what it has found until then.
    pub(crate) fn limit_search(&mut self, most: Duration) {
        self.time.most = Some(most);
    }

    /// On the half that is searched on; `None` where the time for searching is over.
    pub(crate) fn on_search_half(
        &mut self,
        model: &mut Pipeline,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Option<Verdict>, CompileError> {
        if !self.time.allows(Instant::now()) {
            return Ok(None);
        }
        match &self.kind {
            Kind::Judged { search: Some(search), .. } => search.measure(model, progress).map(Some),
            Kind::Tensors { search, .. } => tensors(&mut self.source, model, search, progress).map(Some),
            Kind::Judged { search: None, .. } | Kind::Nothing => Err(nothing()),
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
            Kind::Tensors { judge, .. } => tensors(&mut self.source, model, judge, progress),
            Kind::Nothing => Err(nothing()),
        }
    }

    /// On all samples, for a model that was chosen by its agreement with the source: no label of either half was looked
    /// at, so all of them may judge, and a measure on twice as many is less noisy. `None` where labels are not the
    /// measure.
    pub(crate) fn on_all_labels(
        &mut self,
        model: &mut Pipeline,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Option<Verdict>, CompileError> {
        match &self.kind {
            Kind::Judged { all: Some(all), .. } => all.measure(model, progress).map(Some),
            _ => Ok(None),
        }
    }

    /// The source's own pipeline, to time it.
    pub(crate) fn source(&mut self) -> &mut Pipeline {
        &mut self.source
    }

    /// What the user should know of the measure.
    pub(crate) fn notes(self) -> Vec<String> {
        let mut notes = self.notes;
        notes.extend(self.time.note());
        notes
    }
}

fn nothing() -> CompileError {
    CompileError::Inputs("there is nothing to measure on; give inputs with --data DIR".to_owned())
}

/// Both halves, with one measure for both.
fn judged<'i>(
    source: &mut Pipeline,
    inputs: &'i Inputs,
    notes: &mut Vec<String>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Kind<'i>, CompileError> {
    let settings = EvaluateSettings { conf: CONF, most: usize::MAX };
    let mut half = |chosen: &[usize]| {
        Judge::new(source, &inputs.data, chosen.to_vec(), settings, progress).map(Box::new)
    };
    let mut search = if inputs.search.is_empty() { None } else { Some(half(&inputs.search)?) };
    let mut judge = half(&inputs.judge)?;
    let mut halves: Vec<&mut Judge<'_>> = search.as_deref_mut().into_iter().chain([&mut *judge]).collect();
    notes.extend(one_measure(&mut halves));
    if !halves.iter().all(|half| half.has_something_to_find()) {
        return Err(CompileError::Inputs(format!(
            "{}: there is nothing to measure on: no labels of what the source finds, and it finds nothing from score {CONF} \
             on in one half of the inputs. Give inputs that show what the model is for",
            inputs.data.path.display()
        )));
    }
    for half in halves {
        notes.extend(left_out(half.failed()));
        notes.extend((half.thinned() > 0).then(|| {
            format!(
                "{} of {} inputs left out of the measure: the source's masks of all would take too much memory",
                half.thinned(),
                half.thinned() + half.samples()
            )
        }));
    }
    let all = search.as_ref().filter(|_| judge.is_labelled()).map(|search| Box::new(search.joined(&judge)));
    Ok(Kind::Judged { search, judge, all })
}

/// Labels count where every half can be measured by them, else nowhere: a search by one measure and its budget, judged
/// by another, would mean nothing.
fn one_measure(halves: &mut [&mut Judge<'_>]) -> Option<String> {
    if halves.iter().all(|half| half.labels_tell()) {
        return None;
    }
    let are_left = halves.iter().any(|half| half.is_labelled());
    halves.iter_mut().for_each(|half| half.leave_labels());
    are_left.then(|| {
        "labels were not counted: in one half of the inputs they show nothing that the source finds. Agreement with the \
         source is the measure"
            .to_owned()
    })
}

/// Those of the chosen files that the source can do.
fn usable<'i>(
    source: &mut Pipeline,
    inputs: &'i Inputs,
    chosen: &[usize],
    notes: &mut Vec<String>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Vec<&'i Path>, CompileError> {
    let files = inputs.data.inputs();
    let (mut usable, mut failed) = (Vec::new(), Vec::new());
    for (done, &index) in chosen.iter().enumerate() {
        progress(Progress { step: "running the source model", done, total: chosen.len() });
        match feed(source, files[index], &mut |_| Ok(())) {
            Ok(()) => usable.push(files[index]),
            Err(error) => {
                let message = named(files[index], error);
                failed.push(FailedInput { file: files[index].to_owned(), message });
            }
        }
    }
    some_usable(usable.len(), &failed)?;
    notes.extend(left_out(&failed));
    Ok(usable)
}

/// Raw tensors have no decisions: how close the outputs are is the agreement.
fn tensors(
    source: &mut Pipeline,
    model: &mut Pipeline,
    files: &[&Path],
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Verdict, CompileError> {
    let mut agreements = Vec::new();
    for (done, file) in files.iter().enumerate() {
        progress(Progress { step: "measuring a compiled model", done, total: files.len() });
        feed(source, file, &mut |_| Ok(()))?;
        feed(model, file, &mut |_| Ok(()))?;
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
        metric: AGREEMENT,
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
    use std::fs;

    use farsight::Detection;
    use tempfile::TempDir;

    use super::*;
    use crate::data::{DetectionSample, Found, Samples, TruthBox, TruthRect};
    use crate::decide::Decision;
    use crate::judge::tests::{judge, verdict};

    /// A folder of so many inputs; what is in them is not looked at.
    fn folder(count: usize) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path(), 0..count);
        folder
    }

    fn fill(folder: &Path, numbers: std::ops::Range<usize>) {
        for index in numbers {
            fs::write(folder.join(format!("{index:03}.npy")), []).unwrap();
        }
    }

    fn recipe() -> Recipe {
        Recipe { precision: Precision::Int8, ..Recipe::default() }
    }

    fn open(
        calibrate: Option<&Path>,
        data: Option<&Path>,
        recipe: &Recipe,
    ) -> Result<Option<Inputs>, CompileError> {
        Inputs::open(calibrate, data, &ModelSpec::find("tensors").unwrap(), recipe)
    }

    fn opened(calibrate: Option<&TempDir>, data: Option<&TempDir>, recipe: &Recipe) -> Inputs {
        open(calibrate.map(TempDir::path), data.map(TempDir::path), recipe).unwrap().unwrap()
    }

    /// Number of each calibration file.
    fn numbers(inputs: &Inputs) -> Vec<usize> {
        let number = |file: &PathBuf| file.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        inputs.calibration.iter().map(number).collect()
    }

    #[test]
    fn no_inputs_are_no_error_but_one_is() {
        assert!(open(None, None, &recipe()).unwrap().is_none());
        let (one, many) = (folder(1), folder(20));
        let (one, many) = (one.path(), many.path());
        for (calibrate, data) in [(Some(one), None), (None, Some(one)), (Some(many), Some(one))] {
            let error = open(calibrate, data, &recipe()).err().unwrap().to_string();
            assert!(error.contains("one input") && error.contains(&*one.to_string_lossy()), "{error}");
        }
        assert!(open(None, Some(folder(0).path()), &recipe()).is_err());
    }

    #[test]
    fn one_half_calibrates_and_is_searched_with_and_the_other_judges() {
        let data = folder(40);
        for (calibrate, data) in [(None, Some(&data)), (Some(&data), None), (Some(&data), Some(&data))] {
            let inputs = opened(calibrate, data, &recipe());
            assert_eq!((inputs.search.len(), inputs.judge.len()), (20, 20));
            let both: BTreeSet<usize> = inputs.search.iter().chain(&inputs.judge).copied().collect();
            assert_eq!(both.len(), 40);
            assert_eq!(numbers(&inputs), inputs.search);
            assert_eq!(inputs.notes, [""; 0]);
        }
    }

    /// Nothing is chosen with them, so none need be kept for the judge.
    #[test]
    fn all_inputs_judge_a_precision_that_needs_no_search() {
        let data = folder(9);
        let recipe = Recipe { precision: Precision::Int8Weights, ..Recipe::default() };
        for (calibrate, data) in [(None, Some(&data)), (Some(&data), None)] {
            let inputs = opened(calibrate, data, &recipe);
            assert_eq!((inputs.judge.len(), inputs.search.len(), inputs.calibration.len()), (9, 0, 0));
            assert_eq!(inputs.notes, [""; 0]);
        }
        assert_eq!(opened(None, Some(&folder(1)), &recipe).judge, [0]);
    }

    #[test]
    fn inputs_that_calibrate_are_taken_from_where_they_are_given() {
        let inputs =
            opened(Some(&folder(100)), Some(&folder(8)), &Recipe { calibration_samples: 20, ..recipe() });
        assert_eq!((inputs.search.len(), inputs.judge.len()), (4, 4));
        assert_eq!(numbers(&inputs), (0..20).map(|place| place * 5).collect::<Vec<_>>());
    }

    /// `--calibrate barn --data barn/val`, and a link to what judges.
    #[test]
    fn what_judges_does_not_calibrate() {
        let barn = folder(0);
        let [train, val] = ["train", "val"].map(|name| barn.path().join(name));
        for folder in [&train, &val] {
            fs::create_dir(folder).unwrap();
        }
        fill(&train, 0..20);
        fill(&val, 20..60);
        std::os::unix::fs::symlink(val.join("059.npy"), train.join("099.npy")).unwrap();
        let inputs = open(Some(barn.path()), Some(&val), &recipe()).unwrap().unwrap();
        let judged: Vec<usize> = inputs.judge.iter().map(|index| index + 20).collect();
        assert!(judged.len() == 20 && judged.contains(&59));
        let expected: Vec<usize> = (0..60).filter(|number| !judged.contains(number)).collect();
        assert_eq!(numbers(&inputs), expected);
        assert!(inputs.notes[0].starts_with("21 inputs to calibrate with are also"), "{:?}", inputs.notes);
        // Those between two that judge are near-copies of them.
        let few = Recipe { samples: 4, ..recipe() };
        let inputs = open(Some(barn.path()), Some(&val), &few).unwrap().unwrap();
        assert_eq!((numbers(&inputs), inputs.judge.len()), (expected, 2));

        let last = barn.path().join("last");
        fs::create_dir(&last).unwrap();
        std::os::unix::fs::symlink(val.join("059.npy"), last.join("0.npy")).unwrap();
        let error = open(Some(&last), Some(&val), &recipe()).err().unwrap().to_string();
        assert!(error.contains("last: all of these inputs are among those of"), "{error}");
    }

    #[test]
    fn a_recipe_says_how_many_are_used() {
        let recipe = Recipe { samples: 40, calibration_samples: 4, ..recipe() };
        let inputs = opened(None, Some(&folder(400)), &recipe);
        assert_eq!((inputs.search.len(), inputs.judge.len()), (20, 20));
        // Spread over all that is searched with, not the first ones.
        let chosen = numbers(&inputs);
        assert_eq!(chosen.len(), 4);
        assert!(chosen.iter().all(|number| inputs.search.contains(number)) && chosen[3] > 200, "{chosen:?}");
    }

    #[test]
    fn few_are_told() {
        let inputs = opened(None, Some(&folder(5)), &recipe());
        assert_eq!((inputs.search.len(), inputs.judge.len()), (3, 2));
        assert_eq!(inputs.notes.len(), 1);
        assert!(inputs.notes[0].contains("from 3 input(s) only"), "{:?}", inputs.notes);
    }

    /// A picture, with or without a label where the source finds something.
    fn picture(is_labelled: bool) -> Dataset {
        let rect = TruthRect::Pixels([0.0, 0.0, 10.0, 10.0]);
        let truth = TruthBox { class: 0, rect, crowd: false };
        let boxes = if is_labelled { vec![truth] } else { Vec::new() };
        let samples = Samples::Detect(vec![DetectionSample { picture: "a.png".into(), boxes }]);
        Dataset { path: "data".into(), samples, found: Found::default() }
    }

    fn boxes(at: f32) -> Decision {
        Decision::Boxes(vec![Detection { bbox: [at, 0.0, at + 10.0, 10.0], score: 0.9, class: 0 }])
    }

    #[test]
    fn labels_in_one_half_only_are_not_counted() {
        let (with, without) = (picture(true), picture(false));
        let metrics = |search: &Dataset, judged: &Dataset, found: f32| {
            let (mut search, mut judged) =
                (judge(search, vec![boxes(found)]), judge(judged, vec![boxes(found)]));
            let note = one_measure(&mut [&mut search, &mut judged]);
            ([&search, &judged].map(|half| verdict(half, &[boxes(found)]).metric), note.is_some())
        };
        assert_eq!(metrics(&with, &with, 0.0), (["ap50_95"; 2], false));
        assert_eq!(metrics(&without, &with, 0.0), ([AGREEMENT; 2], true));
        assert_eq!(metrics(&with, &without, 0.0), ([AGREEMENT; 2], true));
        assert_eq!(metrics(&without, &without, 0.0), ([AGREEMENT; 2], false));
        // Of labels that the source never meets nothing can be lost.
        assert_eq!(metrics(&with, &with, 50.0), ([AGREEMENT; 2], true));
    }
}
