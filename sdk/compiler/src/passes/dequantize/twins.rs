//! Twins: the float value behind an integer value, found or made.

use farsight_graph::Attribute;
use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{NodeProto, TensorProto};

use super::Walk;
use super::constants::{self, Layout};

/// How integers were made from floats: the names of scale and zero point (empty = none), and which belongs to
/// which element.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Params {
    pub(super) scale: String,
    pub(super) zero: String,
    pub(super) layout: Layout,
}

impl Params {
    /// One scale and zero point for all, or constants along this axis.
    pub(super) fn new(scale: Option<&str>, zero: Option<&str>, layout: Layout) -> Result<Self, String> {
        let scale = scale.ok_or("it has no scale")?.to_owned();
        Ok(Self { scale, zero: zero.unwrap_or("").to_owned(), layout })
    }

    /// Scale and zero point at these places of a node's inputs; constants differ along `axis`.
    pub(super) fn at(node: &NodeProto, scale: usize, zero: usize, axis: i64) -> Result<Self, String> {
        Self::new(node.input(scale), node.input(zero), Layout::axis(axis))
    }
}

/// The float value behind an integer value.
#[derive(Debug, Clone)]
pub(super) struct Twin {
    pub(super) float: String,
    pub(super) params: Params,
}

impl Walk<'_> {
    /// The float value behind `value`, if there is one: the constant's values, what is moved out
    /// of them, or its twin.
    ///
    /// # Errors
    /// A constant that cannot be computed; a twin that was quantized otherwise.
    pub(super) fn known_float(&mut self, value: &str, params: &Params) -> Result<Option<String>, String> {
        let key = (value.to_owned(), params.clone());
        if let Some(made) = self.made.get(&key) {
            return Ok(Some(made.clone()));
        }
        if let Some(tensor) = self.constant(Some(value)) {
            let made = self.float_constant(value, tensor, params)?;
            self.made.insert(key, made.clone());
            return Ok(Some(made));
        }
        match self.twins.get(value) {
            Some(twin) if self.agree(&twin.params, params) => Ok(Some(twin.float.clone())),
            Some(_) => {
                Err("it reads integers by another scale or zero point than they were made with".into())
            }
            None => {
                let moved = self.moved_constant(value, params)?;
                if let Some(float) = &moved {
                    self.made.insert(key, float.clone());
                }
                Ok(moved)
            }
        }
    }

    /// As [`Self::known_float`]; where nothing is known (an input of integers, what an operator that stays
    /// makes), a DequantizeLinear makes it.
    pub(super) fn float(&mut self, value: &str, params: &Params) -> Result<String, String> {
        if let Some(known) = self.known_float(value, params)? {
            return Ok(known);
        }
        if !self.constant(Some(&params.scale)).is_some_and(|scale| scale.count() == Ok(1)) {
            return Err(format!("the scale of {value:?} is not one constant"));
        }
        let made = self.names.fresh(&format!("{}_float", stem(value)));
        let inputs = [value, &params.scale, &params.zero];
        let inputs = if params.zero.is_empty() { &inputs[..2] } else { &inputs[..] };
        let name = self.names.fresh(&format!("{made}_dequantize"));
        self.push(NodeProto::new("DequantizeLinear", &name, inputs, &[&made]));
        self.made.insert((value.to_owned(), params.clone()), made.clone());
        Ok(made)
    }

    fn float_constant(
        &mut self,
        name: &str,
        tensor: &TensorProto,
        params: &Params,
    ) -> Result<String, String> {
        let scale = self.constant(Some(&params.scale)).ok_or("the scale of a constant is not constant")?;
        let zero = match &params.zero[..] {
            "" => None,
            zero => Some(self.constant(Some(zero)).ok_or("the zero point of a constant is not constant")?),
        };
        let made = constants::dequantized("", tensor, scale, zero, params.layout)
            .map_err(|reason| format!("constant {name:?}: {reason}"))?;
        self.report.constants += 1;
        Ok(self.add_constant(stem(name), made))
    }

    /// Adds an initializer under a free name.
    pub(super) fn add_constant(&mut self, stem: &str, tensor: TensorProto) -> String {
        let name = self.names.fresh(stem);
        self.initializers.push(TensorProto { name: Some(name.clone()), ..tensor });
        name
    }

    /// Whether two descriptions are one: the same values, or constants that are equal.
    pub(super) fn agree(&self, a: &Params, b: &Params) -> bool {
        let numbers = |name: &str| constants::floats(self.constant(Some(name))?).ok();
        let zeros = |params: &Params| match &params.zero[..] {
            "" => Some((DataType::Uint8, vec![0])),
            name => {
                let tensor = self.constant(Some(name))?;
                Some((tensor.element().ok()?, constants::integers(tensor).ok()?))
            }
        };
        let scales = numbers(&a.scale);
        let one = scales.as_ref().is_some_and(|scales| scales.len() == 1);
        (a.scale == b.scale || (scales.is_some() && scales == numbers(&b.scale)))
            && (a.zero == b.zero || zeros(a).is_some_and(|zero| Some(zero) == zeros(b)))
            && (one || self.constant(Some(&a.scale)).is_none() || a.layout == b.layout)
    }

    /// Notes that `integers` are made from `float`, held back where their range holds it back.
    pub(super) fn set_twin(&mut self, integers: &str, float: &str, params: Params) {
        let float = self.held_back(float, &params).unwrap_or_else(|| float.to_owned());
        self.twins.insert(integers.to_owned(), Twin { float, params });
    }

    /// Makes `integers` from `float` for those who still read integers, and notes the twin.
    pub(super) fn quantized(&mut self, integers: &str, float: &str, params: Params) {
        let mut inputs = vec![float, &params.scale];
        inputs.extend((!params.zero.is_empty()).then_some(&params.zero[..]));
        let name = self.names.fresh(&format!("{integers}_quantize"));
        let node = NodeProto::new("QuantizeLinear", &name, &inputs, &[integers]);
        self.push(node);
        self.set_twin(integers, float, params);
    }

    /// The value clipped to the range of its integers, where that begins at 0 and the value may not. An input
    /// never had a Relu taken out behind it.
    fn held_back(&mut self, float: &str, params: &Params) -> Option<String> {
        if self.positive.contains(float) || !self.computed.contains(float) {
            return None;
        }
        let scale = self.constant(Some(&params.scale))?;
        let &[step] = &constants::floats(scale).ok()?[..] else { return None };
        let (element, zero) = match &params.zero[..] {
            "" => (DataType::Uint8, 0),
            name => {
                let tensor = self.constant(Some(name))?;
                (tensor.element().ok()?, *constants::integers(tensor).ok()?.first()?)
            }
        };
        let (least, most) = range(element)?;
        if zero != least {
            return None;
        }
        let highest = (f64::from(most) - f64::from(least)) as f32 * step;
        self.report.clips += 1;
        Some(self.clip(float, highest, scale.data_type()))
    }

    /// A Clip from 0 to `highest`, of the element type `like`.
    fn clip(&mut self, float: &str, highest: f32, like: i32) -> String {
        let clipped = self.names.fresh(&format!("{float}_clipped"));
        let name = self.names.fresh(&format!("{float}_clip"));
        let mut node = NodeProto::new("Clip", &name, &[float], &[&clipped]);
        if self.opset < 11 {
            node.set("min", Attribute::Float(0.0));
            node.set("max", Attribute::Float(highest));
        } else {
            for (end, value) in [("min", 0.0), ("max", highest)] {
                // The type was read as float32 or float16 before.
                let Ok(bound) = constants::float_tensor("", &[], &[value], like) else { continue };
                node.input.push(self.add_constant(&format!("{float}_{end}"), bound));
            }
        }
        self.push(node);
        self.positive.insert(clipped.clone());
        clipped
    }
}

/// The least and the greatest integer of a type that activations are quantized to.
fn range(element: DataType) -> Option<(i32, i32)> {
    Some(match element {
        DataType::Uint8 => (0, 255),
        DataType::Int8 => (-128, 127),
        DataType::Uint16 => (0, 65535),
        DataType::Int16 => (-32768, 32767),
        DataType::Uint4 => (0, 15),
        DataType::Int4 => (-8, 7),
        _ => return None,
    })
}

/// What a value was called before it was quantized.
pub(super) fn stem(name: &str) -> &str {
    name.strip_suffix("_quantized").unwrap_or(name)
}
