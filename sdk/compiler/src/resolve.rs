//! A spec that speaks for a family becomes one that leaves nothing open, from what the file says of itself:
//! its shapes and its metadata. Never from a name, and never by guess.

use farsight_spec::{
    ClassesOutput, DetectOutput, ElementType, FrameInput, Input, Layout, MaskOutput, Metadata, ModelSpec,
    Output, RasterInput, TensorInfo, Variant, YoloLayout,
};
use farsight_vision::{LayoutHints, yolo_layout};

use crate::CompileError;

/// What the user or the file says of the classes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// The file's own metadata.
    pub(crate) metadata: Option<Metadata>,
    /// `--labels`.
    pub(crate) labels: Option<Vec<String>>,
    /// Outputs whose values come straight out of a Softmax.
    pub(crate) softmax_outputs: Vec<String>,
}

/// The spec to use where none was named: the family that the metadata tells, else raw tensors.
pub(crate) fn spec_of_metadata(metadata: Option<&Metadata>) -> Result<ModelSpec, CompileError> {
    let name = match metadata.map(|metadata| metadata.task.as_deref()) {
        None => "tensors",
        Some(None | Some("detect")) => "yolo",
        Some(Some(task)) => {
            return Err(CompileError::Unresolved(format!(
                "the file's metadata says task `{task}`; without --spec only `detect` is known. \
                 Give --spec (see `farsight models`), or `--spec tensors` for the raw outputs"
            )));
        }
    };
    Ok(ModelSpec::find(name)?)
}

/// Fills in the input: layout, size. Returns the fixed shape of each input by name.
pub(crate) fn resolve_input(
    spec: &mut ModelSpec,
    inputs: &[TensorInfo],
    said: &Said,
) -> Result<Vec<(String, Vec<usize>)>, CompileError> {
    match &mut spec.input {
        Input::Frame(frame) => {
            let tensor = only_input(inputs, "a frame")?;
            let shape = resolve_frame(frame, tensor, said.metadata.as_ref())?;
            Ok(vec![(tensor.name.clone(), shape.to_vec())])
        }
        Input::Raster(raster) => {
            let coordinates = coordinate_shapes(raster, inputs)?;
            let is_other = |input: &&TensorInfo| coordinates.iter().all(|(name, _)| *name != input.name);
            let others: Vec<TensorInfo> = inputs.iter().filter(is_other).cloned().collect();
            let tensor = only_input(&others, "a raster")?;
            let shape = resolve_raster(raster, tensor)?;
            Ok([vec![(tensor.name.clone(), shape)], coordinates].concat())
        }
        Input::Tensors => Ok(Vec::new()),
    }
}

fn only_input<'a>(inputs: &'a [TensorInfo], what: &str) -> Result<&'a TensorInfo, CompileError> {
    let [tensor] = inputs else {
        let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        return Err(CompileError::Unresolved(format!(
            "{what} fills exactly one input, the model has {}: {}. Use --spec tensors",
            inputs.len(),
            names.join(", ")
        )));
    };
    if !matches!(tensor.element, ElementType::F32 | ElementType::F16) {
        return Err(CompileError::Unresolved(format!(
            "the input `{}` is {}; {what} fills f32 or f16. Use --spec tensors",
            tensor.name,
            tensor.element.name()
        )));
    }
    Ok(tensor)
}

fn resolve_frame(
    frame: &mut FrameInput,
    tensor: &TensorInfo,
    metadata: Option<&Metadata>,
) -> Result<[usize; 4], CompileError> {
    let axes = four_axes(tensor)?;
    let channels = frame.channels.count();
    let layout = decide_layout(frame.layout, axes, channels, tensor)?;
    let [h, w] = match layout {
        Layout::Nchw => [axes[2], axes[3]],
        Layout::Nhwc => [axes[1], axes[2]],
    };
    let wanted = frame.size.or(metadata.and_then(|metadata| metadata.imgsz));
    let height = decide_side("height", h, frame.size.map(|s| s[0]), wanted.map(|s| s[0]), tensor)?;
    let width = decide_side("width", w, frame.size.map(|s| s[1]), wanted.map(|s| s[1]), tensor)?;
    frame.layout = Some(layout);
    frame.size = Some([height, width]);
    Ok(match layout {
        Layout::Nchw => [1, channels, height, width],
        Layout::Nhwc => [1, height, width, channels],
    })
}

/// Four axes, of which the first is a batch of one or open.
fn four_axes(tensor: &TensorInfo) -> Result<[Option<usize>; 4], CompileError> {
    let axes: [Option<usize>; 4] = tensor.shape.as_slice().try_into().map_err(|_| {
        CompileError::Unresolved(format!(
            "the input `{}` has shape {}; a picture needs four axes. Use --spec tensors",
            tensor.name,
            tensor.shape_text()
        ))
    })?;
    match axes[0] {
        None | Some(1) => Ok(axes),
        Some(batch) => Err(CompileError::Unresolved(format!(
            "the input `{}` takes batches of {batch}; export the model with batch 1 or a dynamic batch",
            tensor.name
        ))),
    }
}

/// Which axis holds the channels. A known length beats an open one; two that fit are an error.
fn decide_layout(
    given: Option<Layout>,
    axes: [Option<usize>; 4],
    channels: usize,
    tensor: &TensorInfo,
) -> Result<Layout, CompileError> {
    let sure = |axis: Option<usize>| axis == Some(channels);
    let possible = |axis: Option<usize>| axis.is_none_or(|length| length == channels);
    let found = match (sure(axes[1]), sure(axes[3])) {
        (true, false) => Some(Layout::Nchw),
        (false, true) => Some(Layout::Nhwc),
        (true, true) => None,
        (false, false) => match (possible(axes[1]), possible(axes[3])) {
            (true, false) => Some(Layout::Nchw),
            (false, true) => Some(Layout::Nhwc),
            (true, true) => None,
            (false, false) => {
                return Err(CompileError::Unresolved(format!(
                    "the input `{}` has shape {}; the spec's {channels} channels are on no axis",
                    tensor.name,
                    tensor.shape_text()
                )));
            }
        },
    };
    match (given, found) {
        (Some(given), Some(found)) if given != found => Err(CompileError::Unresolved(format!(
            "the spec says layout {}, the input `{}` has shape {}",
            format!("{given:?}").to_lowercase(),
            tensor.name,
            tensor.shape_text()
        ))),
        (Some(layout), _) | (None, Some(layout)) => Ok(layout),
        (None, None) => Err(CompileError::Unresolved(format!(
            "the input `{}` has shape {}: [1, C, H, W] and [1, H, W, C] both fit. \
             Say which with input.layout in a spec file",
            tensor.name,
            tensor.shape_text()
        ))),
    }
}

fn decide_side(
    what: &str,
    axis: Option<usize>,
    spec: Option<usize>,
    wanted: Option<usize>,
    tensor: &TensorInfo,
) -> Result<usize, CompileError> {
    match (axis, spec, wanted) {
        (Some(axis), Some(spec), _) if axis != spec => Err(CompileError::Unresolved(format!(
            "the spec says {what} {spec}, the input `{}` has shape {}",
            tensor.name,
            tensor.shape_text()
        ))),
        (Some(side), _, _) | (None, _, Some(side)) => Ok(side),
        (None, _, None) => Err(CompileError::Unresolved(format!(
            "the input `{}` has shape {}: its {what} is open and nothing else names it. \
             Give input.size = [height, width] in a spec file",
            tensor.name,
            tensor.shape_text()
        ))),
    }
}

/// The inputs that take when and where a scene was taken, with their shapes.
fn coordinate_shapes(
    raster: &RasterInput,
    inputs: &[TensorInfo],
) -> Result<Vec<(String, Vec<usize>)>, CompileError> {
    let Some(names) = &raster.coordinates else { return Ok(Vec::new()) };
    let dates = names.dates.iter().map(|name| (name.clone(), vec![1, raster.frames, 2]));
    let location = names.location.iter().map(|name| (name.clone(), vec![1, 2]));
    let shapes: Vec<_> = dates.chain(location).collect();
    for (name, shape) in &shapes {
        let found = inputs.iter().find(|input| input.name == *name);
        let fits = |input: &TensorInfo| {
            input.element == ElementType::F32
                && input.shape.len() == shape.len()
                && input.shape.iter().zip(shape).all(|(axis, length)| axis.is_none_or(|axis| axis == *length))
        };
        if !found.is_some_and(fits) {
            let found = found.map_or("has no such input".to_owned(), |input| {
                format!("has it as {:?} {}", input.element, input.shape_text())
            });
            return Err(CompileError::Unresolved(format!(
                "the spec's input.coordinates names `{name}`, float32 {shape:?}; the model {found}"
            )));
        }
    }
    Ok(shapes)
}

fn resolve_raster(raster: &mut RasterInput, tensor: &TensorInfo) -> Result<Vec<usize>, CompileError> {
    if tensor.element != ElementType::F32 {
        return Err(CompileError::Unresolved(format!(
            "the input `{}` is {}; a raster fills f32 (a Cast at the model's input does it)",
            tensor.name,
            tensor.element.name()
        )));
    }
    let has_frames = tensor.shape.len() == 5;
    let axes = raster_axes(tensor)?;
    let (bands, frames) = (raster.bands.len(), raster.frames);
    let mut expected = vec![bands];
    if has_frames {
        expected.push(frames);
    } else if frames > 1 {
        return Err(CompileError::Unresolved(format!(
            "the spec has {frames} frames, the input `{}` has shape {}; expected [1, {bands}, {frames}, H, W]",
            tensor.name,
            tensor.shape_text()
        )));
    }
    let fits = axes[1..].iter().zip(&expected).all(|(axis, length)| axis.is_none_or(|axis| axis == *length));
    if !fits {
        let expected: Vec<String> = expected.iter().map(usize::to_string).collect();
        return Err(CompileError::Unresolved(format!(
            "the spec names {bands} bands and {frames} frame(s), the input `{}` has shape {}; expected [1, {}, H, W]",
            tensor.name,
            tensor.shape_text(),
            expected.join(", ")
        )));
    }
    let window = raster.tiling.window;
    let [h, w] = [axes[axes.len() - 2], axes[axes.len() - 1]];
    let height = decide_side("height", h, window.map(|s| s[0]), window.map(|s| s[0]), tensor)?;
    let width = decide_side("width", w, window.map(|s| s[1]), window.map(|s| s[1]), tensor)?;
    raster.tiling.window = Some([height, width]);
    raster.frame_axis = Some(has_frames);
    Ok([vec![1], expected, vec![height, width]].concat())
}

/// Four or five axes, of which the first is a batch of one or open.
fn raster_axes(tensor: &TensorInfo) -> Result<&[Option<usize>], CompileError> {
    match (tensor.shape.len(), tensor.shape.first()) {
        (4 | 5, Some(None | Some(1))) => Ok(&tensor.shape),
        (4 | 5, Some(Some(batch))) => Err(CompileError::Unresolved(format!(
            "the input `{}` takes batches of {batch}; export the model with batch 1 or a dynamic batch",
            tensor.name
        ))),
        _ => Err(CompileError::Unresolved(format!(
            "the input `{}` has shape {}; a raster fills [1, bands, H, W] or [1, bands, frames, H, W]. Use --spec tensors",
            tensor.name,
            tensor.shape_text()
        ))),
    }
}

/// Fills in the output once the input is fixed: the tensor, its layout, the labels; applies the variant that
/// fits. Returns the names of the outputs that are read; empty for all.
pub(crate) fn resolve_output(
    spec: &mut ModelSpec,
    outputs: &[TensorInfo],
    said: &Said,
) -> Result<Vec<String>, CompileError> {
    let size = match &spec.input {
        Input::Frame(frame) => frame.size,
        Input::Raster(raster) => raster.tiling.window,
        Input::Tensors => None,
    };
    let classes = match &mut spec.output {
        Output::Yolo(detect) => resolve_detect(detect, false, outputs, size.unwrap_or_default(), said)?,
        Output::Yolox(detect) => resolve_detect(detect, true, outputs, size.unwrap_or_default(), said)?,
        Output::Classes(classes) => resolve_classes(classes, outputs, said)?,
        Output::Mask(mask) => resolve_mask(mask, outputs, &spec.input, said)?,
        Output::Tensors if said.labels.is_some() => {
            return Err(CompileError::Unresolved(
                "labels were given, but raw tensors have none; name the decoder with --spec".to_owned(),
            ));
        }
        Output::Tensors => return Ok(Vec::new()),
    };
    apply_variant(spec, classes)?;
    resolve_labels(spec, classes, said)?;
    Ok(spec.output.tensor().map(str::to_owned).into_iter().collect())
}

/// Number of classes, where the layout tells it.
type Classes = Option<usize>;

fn resolve_detect(
    detect: &mut DetectOutput,
    grid: bool,
    outputs: &[TensorInfo],
    size: [usize; 2],
    said: &Said,
) -> Result<Classes, CompileError> {
    let metadata = said.metadata.as_ref();
    let labels = said.labels.as_ref().or(metadata.map(|metadata| &metadata.labels));
    let hints = LayoutHints {
        classes: labels.map(Vec::len).filter(|count| *count > 0),
        end2end: metadata.and_then(|metadata| metadata.end2end),
        nms: metadata.and_then(|metadata| metadata.nms),
        grid,
    };
    let candidates: Vec<TensorInfo> = match &detect.tensor {
        Some(name) => vec![named_output(name, outputs)?.clone()],
        None => outputs.to_vec(),
    };
    refuse_other_tasks(outputs, size, metadata)?;
    let (tensor, layout) = match detect.layout {
        Some(layout) => (only_output(detect.tensor.as_deref(), outputs)?, layout),
        None => {
            let found = yolo_layout(&candidates, size, &hints)
                .map_err(|error| CompileError::Unresolved(error.to_string()))?;
            (&candidates[found.index], found.layout)
        }
    };
    let axis = |index: usize| tensor.shape.get(index).copied().flatten();
    let classes = match layout {
        YoloLayout::Anchors => axis(1).map(|length| length.saturating_sub(4)),
        YoloLayout::AnchorsLast => axis(2).map(|length| length.saturating_sub(4)),
        YoloLayout::Objectness | YoloLayout::Grid => axis(2).map(|length| length.saturating_sub(5)),
        YoloLayout::EndToEnd => None,
    };
    detect.layout = Some(layout);
    detect.tensor = Some(tensor.name.clone());
    Ok(classes)
}

/// Heads of other tasks have the shape of a detector with more classes; metadata or the mask prototypes beside
/// them (`[1, K, H/4, W/4]`) tell.
fn refuse_other_tasks(
    outputs: &[TensorInfo],
    [height, width]: [usize; 2],
    metadata: Option<&Metadata>,
) -> Result<(), CompileError> {
    let refuse = |found: String| {
        Err(CompileError::Unresolved(format!(
            "{found}; the decoders `yolo` and `yolox` read detectors. Use --spec tensors for the raw outputs"
        )))
    };
    if let Some(task) =
        metadata.and_then(|metadata| metadata.task.as_deref()).filter(|task| *task != "detect")
    {
        return refuse(format!("the file's metadata says task `{task}`"));
    }
    let prototypes = |output: &&TensorInfo| matches!(output.shape[..], [_, Some(2..), Some(h), Some(w)] if [h, w] == [height / 4, width / 4]);
    match outputs.iter().find(prototypes) {
        Some(output) if outputs.len() == 2 => refuse(format!(
            "the output `{}` {} looks like the mask prototypes of a segmentation model",
            output.name,
            output.shape_text()
        )),
        _ => Ok(()),
    }
}

fn resolve_classes(
    classes: &mut ClassesOutput,
    outputs: &[TensorInfo],
    said: &Said,
) -> Result<Classes, CompileError> {
    let tensor = only_output(classes.tensor.as_deref(), outputs)?;
    let count: Option<usize> = tensor.shape.iter().copied().product();
    let count =
        count.filter(|count| *count > 0 && tensor.shape.contains(&Some(*count))).ok_or_else(|| {
            CompileError::Unresolved(format!(
                "the output `{}` has shape {}; a classifier's is [1, classes]",
                tensor.name,
                tensor.shape_text()
            ))
        })?;
    classes.tensor = Some(tensor.name.clone());
    if said.softmax_outputs.contains(&tensor.name) {
        classes.activation = farsight_spec::Activation::None;
    }
    Ok(Some(count))
}

fn resolve_mask(
    mask: &mut MaskOutput,
    outputs: &[TensorInfo],
    input: &Input,
    said: &Said,
) -> Result<Classes, CompileError> {
    let tensor = only_output(mask.tensor.as_deref(), outputs)?;
    mask.tensor = Some(tensor.name.clone());
    if said.softmax_outputs.contains(&tensor.name) {
        mask.activation = farsight_spec::Activation::None;
    }
    let labels = said.labels.as_ref().map_or(mask.labels.len(), Vec::len);
    let axis = |index: usize| tensor.shape.get(index).copied().flatten();
    if tensor.shape.len() == 4 && axis(1) != Some(1) && axis(3) != Some(1) {
        let layout = mask_layout(mask.layout, [axis(1), axis(3)], labels, input);
        mask.layout = Some(layout);
        return Ok(if layout == Layout::Nchw { axis(1) } else { axis(3) });
    }
    match tensor.shape.len() {
        // One value a pixel: a logit, or the number of a class.
        2..=4 => Ok(None),
        _ => Err(CompileError::Unresolved(format!(
            "the output `{}` has shape {}; a mask's is [1, C, H, W], [1, H, W, C] or [1, H, W]",
            tensor.name,
            tensor.shape_text()
        ))),
    }
}

/// Where the classes are: the axis that is as long as the labels are many; else the output is laid out as the
/// input is.
fn mask_layout(given: Option<Layout>, axes: [Option<usize>; 2], labels: usize, input: &Input) -> Layout {
    let by_labels = axes.map(|axis| labels > 1 && axis == Some(labels));
    match (given, by_labels, input) {
        (Some(layout), ..) => layout,
        (None, [true, false], _) => Layout::Nchw,
        (None, [false, true], _) => Layout::Nhwc,
        (None, _, Input::Frame(frame)) => frame.layout.unwrap_or(Layout::Nchw),
        (None, ..) => Layout::Nchw,
    }
}

fn named_output<'a>(name: &str, outputs: &'a [TensorInfo]) -> Result<&'a TensorInfo, CompileError> {
    outputs.iter().find(|output| output.name == name).ok_or_else(|| {
        let names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
        CompileError::Unresolved(format!(
            "the spec reads the output `{name}`; the model has {}",
            names.join(", ")
        ))
    })
}

fn only_output<'a>(name: Option<&str>, outputs: &'a [TensorInfo]) -> Result<&'a TensorInfo, CompileError> {
    match (name, outputs) {
        (Some(name), _) => named_output(name, outputs),
        (None, [output]) => Ok(output),
        (None, _) => {
            let list: Vec<String> =
                outputs.iter().map(|o| format!("`{}` {}", o.name, o.shape_text())).collect();
            Err(CompileError::Unresolved(format!(
                "the model has {} outputs and nothing says which one is read: {}. \
                 Name it with output.tensor in a spec file",
                outputs.len(),
                list.join(", ")
            )))
        }
    }
}

/// Applies the first variant that fits the file, then drops them all.
fn apply_variant(spec: &mut ModelSpec, classes: Classes) -> Result<(), CompileError> {
    let layout = match &spec.input {
        Input::Frame(frame) => frame.layout,
        _ => None,
    };
    let fits = |variant: &Variant| {
        variant.when.layout.is_none_or(|wanted| layout == Some(wanted))
            && variant.when.classes.is_none_or(|wanted| classes == Some(wanted))
    };
    let Some(variant) = std::mem::take(&mut spec.variants).into_iter().find(fits) else { return Ok(()) };
    if let Some(reason) = variant.refuse {
        return Err(CompileError::Unresolved(reason));
    }
    if let (Input::Frame(frame), Some(normalise)) = (&mut spec.input, variant.normalise) {
        frame.normalise = normalise;
    }
    if let (Output::Classes(output), Some(offset)) = (&mut spec.output, variant.label_offset) {
        output.label_offset = offset;
    }
    Ok(())
}

/// `--labels` beat the file's metadata, those beat the spec's own; each must have the right number.
fn resolve_labels(spec: &mut ModelSpec, classes: Classes, said: &Said) -> Result<(), CompileError> {
    let from_file = said.metadata.as_ref().map(|metadata| metadata.labels.clone()).filter(|l| !l.is_empty());
    let (labels, source) = match (&said.labels, from_file) {
        (Some(labels), _) => (labels.clone(), "--labels"),
        (None, Some(labels)) => (labels, "the file's metadata"),
        (None, None) => {
            // A family's usual labels fit only a model with as many classes.
            let usual = spec.output.labels().to_vec();
            let fits = classes.is_none_or(|count| count == usual.len());
            (if fits { usual } else { Vec::new() }, "the spec")
        }
    };
    let offset = match &mut spec.output {
        Output::Classes(output) if labels.len() == classes.unwrap_or_default() => {
            // Labels that name "background" too: every output has its own.
            output.label_offset = 0;
            0
        }
        Output::Classes(output) => output.label_offset,
        _ => 0,
    };
    if let Some(count) = classes
        && !labels.is_empty()
        && labels.len() + offset != count
    {
        return Err(CompileError::Unresolved(format!(
            "{source} gives {} labels, the model has {count} classes. Give them with --labels A,B,… or a file \
             with one a line",
            labels.len()
        )));
    }
    match &mut spec.output {
        Output::Yolo(output) | Output::Yolox(output) => output.labels = labels,
        Output::Classes(output) => output.labels = labels,
        Output::Mask(output) => output.labels = labels,
        Output::Tensors => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, shape: &[i64]) -> TensorInfo {
        let shape = shape.iter().map(|&length| usize::try_from(length).ok()).collect();
        TensorInfo { name: name.to_owned(), element: ElementType::F32, shape }
    }

    fn said(labels: &[&str]) -> Said {
        let labels = (!labels.is_empty()).then(|| labels.iter().map(|&label| label.to_owned()).collect());
        Said { labels, ..Said::default() }
    }

    /// The spec once a model of these shapes is resolved, or the message.
    fn resolve(name: &str, input: &[i64], outputs: &[&[i64]], said: &Said) -> Result<ModelSpec, String> {
        let mut spec = ModelSpec::find(name).unwrap();
        resolve_input(&mut spec, &[tensor("x", input)], said).map_err(|error| error.to_string())?;
        let outputs: Vec<TensorInfo> =
            outputs.iter().enumerate().map(|(index, shape)| tensor(&format!("y{index}"), shape)).collect();
        resolve_output(&mut spec, &outputs, said).map_err(|error| error.to_string())?;
        Ok(spec)
    }

    #[test]
    fn the_layout_of_the_input_comes_from_its_shape() {
        let cases: [(&[i64], Result<Layout, &str>); 8] = [
            (&[1, 3, 640, 480], Ok(Layout::Nchw)),
            (&[1, 640, 480, 3], Ok(Layout::Nhwc)),
            (&[-1, 3, 64, 64], Ok(Layout::Nchw)),
            (&[1, 3, 64, 3], Err("both fit")),
            (&[1, 4, 64, 64], Err("on no axis")),
            (&[4, 3, 64, 64], Err("batches of 4")),
            (&[1, 3, -1, -1], Err("height is open")),
            (&[3, 64, 64], Err("four axes")),
        ];
        for (shape, expected) in cases {
            let mut spec = ModelSpec::find("imagenet").unwrap();
            let found = resolve_input(&mut spec, &[tensor("x", shape)], &Said::default());
            match (found, expected) {
                (Ok(shapes), Ok(layout)) => {
                    let Input::Frame(frame) = &spec.input else { panic!("{shape:?}") };
                    assert_eq!(frame.layout, Some(layout), "{shape:?}");
                    assert_eq!(shapes[0].1[0], 1);
                }
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{shape:?}: {error}"),
                (found, expected) => panic!("{shape:?}: {found:?}, {expected:?}"),
            }
        }
    }

    #[test]
    fn an_open_size_comes_from_the_metadata() {
        let mut spec = ModelSpec::find("yolo").unwrap();
        let metadata = Metadata { imgsz: Some([480, 640]), ..Metadata::default() };
        let said = Said { metadata: Some(metadata), ..Said::default() };
        let shapes = resolve_input(&mut spec, &[tensor("images", &[-1, 3, -1, -1])], &said).unwrap();
        assert_eq!(shapes, [("images".to_owned(), vec![1, 3, 480, 640])]);
    }

    #[test]
    fn the_output_that_holds_the_boxes_is_found() {
        let outputs: [&[i64]; 4] = [&[1, 65, 52, 52], &[1, 65, 26, 26], &[1, 65, 13, 13], &[1, 5, 3549]];
        let spec = resolve("yolo", &[1, 3, 416, 416], &outputs, &said(&["cow"])).unwrap();
        let Output::Yolo(detect) = &spec.output else { panic!() };
        assert_eq!(detect.tensor.as_deref(), Some("y3"));
        assert_eq!(detect.layout, Some(YoloLayout::Anchors));
        assert_eq!(detect.labels, ["cow"]);
    }

    #[test]
    fn the_number_of_labels_must_fit() {
        let outputs: [&[i64]; 1] = [&[1, 84, 8400]];
        let error = resolve("yolo", &[1, 3, 640, 640], &outputs, &said(&["cow", "bull"])).unwrap_err();
        assert!(error.contains("labels") || error.contains("classes"), "{error}");
        // A family's usual labels count only where their number fits.
        let coco = resolve("yolox", &[1, 3, 416, 416], &[&[1, 3549, 85]], &said(&[])).unwrap();
        assert_eq!(coco.output.labels().len(), 80);
        let own = resolve("yolox", &[1, 3, 416, 416], &[&[1, 3549, 7]], &said(&[])).unwrap();
        assert!(own.output.labels().is_empty());
    }

    #[test]
    fn imagenet_conventions_are_told_apart_by_shape_or_refused() {
        let names = |count: usize| -> Vec<String> { (0..count).map(|index| format!("c{index}")).collect() };
        let with = |count: usize| Said { labels: Some(names(count)), ..Said::default() };
        let torch = resolve("imagenet", &[1, 3, 224, 224], &[&[1, 1000]], &said(&[])).unwrap();
        let Input::Frame(frame) = &torch.input else { panic!() };
        assert_eq!(frame.normalise.divide, 255.0);

        // (labels given, label offset)
        for (count, offset) in [(1001, 0), (1000, 1)] {
            let tf = resolve("imagenet", &[1, 224, 224, 3], &[&[1, 1001]], &with(count)).unwrap();
            let (Input::Frame(frame), Output::Classes(classes)) = (&tf.input, &tf.output) else { panic!() };
            assert_eq!(frame.normalise.divide, 127.5);
            assert_eq!(classes.label_offset, offset, "{count} labels");
        }
        let keras = resolve("imagenet", &[1, 224, 224, 3], &[&[1, 1000]], &said(&[])).unwrap_err();
        assert!(keras.contains("Keras"), "{keras}");
    }

    #[test]
    fn a_softmax_inside_the_graph_is_not_done_twice() {
        let inside = Said { softmax_outputs: vec!["y0".to_owned()], ..Said::default() };
        for (said, expected) in
            [(inside, farsight_spec::Activation::None), (said(&[]), farsight_spec::Activation::Softmax)]
        {
            let spec = resolve("imagenet", &[1, 3, 224, 224], &[&[1, 1000, 1, 1]], &said).unwrap();
            let Output::Classes(classes) = &spec.output else { panic!() };
            assert_eq!(classes.activation, expected);
        }
    }

    #[test]
    fn several_outputs_without_a_name_are_listed() {
        let error =
            resolve("deeplab", &[1, 513, 513, 3], &[&[1, 513, 513], &[1, 9]], &said(&[])).unwrap_err();
        assert!(error.contains("`y0` [1, 513, 513]") && error.contains("output.tensor"), "{error}");
    }

    #[test]
    fn the_classes_of_a_mask_are_where_the_labels_or_the_input_say() {
        // input, output, labels, layout
        type Case = ([i64; 4], [i64; 4], usize, Option<Layout>);
        let cases: [Case; 5] = [
            ([1, 3, 512, 512], [1, 150, 128, 128], 0, Some(Layout::Nchw)),
            ([1, 3, 64, 64], [1, 80, 48, 64], 0, Some(Layout::Nchw)),
            ([1, 3, 64, 64], [1, 64, 64, 21], 21, Some(Layout::Nhwc)),
            ([1, 64, 64, 3], [1, 64, 64, 21], 0, Some(Layout::Nhwc)),
            ([1, 64, 64, 3], [1, 1, 64, 64], 21, None),
        ];
        for (input, output, labels, expected) in cases {
            let names: Vec<String> = (0..labels).map(|index| index.to_string()).collect();
            let said = Said { labels: (labels > 0).then_some(names), ..Said::default() };
            let spec = resolve("deeplab", &input, &[&output], &said).unwrap();
            let Output::Mask(mask) = &spec.output else { panic!() };
            assert_eq!(mask.layout, expected, "{output:?}");
        }
    }

    #[test]
    fn heads_of_other_tasks_are_not_detectors() {
        let outputs: [&[i64]; 2] = [&[1, 116, 8400], &[1, 32, 160, 160]];
        let error = resolve("yolo", &[1, 3, 640, 640], &outputs, &said(&[])).unwrap_err();
        assert!(error.contains("mask prototypes"), "{error}");
        let pose = Metadata { task: Some("pose".to_owned()), ..Metadata::default() };
        let said = Said { metadata: Some(pose), ..Said::default() };
        let error = resolve("yolo", &[1, 3, 640, 640], &[&[1, 56, 8400]], &said).unwrap_err();
        assert!(error.contains("task `pose`"), "{error}");
    }

    #[test]
    fn bands_must_be_as_many_as_the_spec_names() {
        let error = resolve("csmask-6b-l2a", &[-1, 4, 256, 256], &[], &said(&[])).unwrap_err();
        assert!(error.contains("6 bands") && error.contains("[?, 4, 256, 256]"), "{error}");
    }
}
