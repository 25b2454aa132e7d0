//! Which keys the tables of a format have, so that a slip of the pen in a file is found.
//!
//! The types themselves ignore keys that they do not know: an older device must open a newer bundle. Files that
//! people write are checked against the shapes here first. The keys come from the types; only which table lies in
//! which is told here.

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde::forward_to_deserialize_any;
use toml::de::{DeTable, DeValue};

use crate::error::{SpecError, nearest};
use crate::{
    Band, Build, ClassesOutput, Coordinates, DetectOutput, Extent, FrameInput, MaskOutput, Memory, ModelSpec,
    Normalise, OrtBuild, OrtFile, PrecisionRules, Provider, RasterInput, Recipe, SessionRules, Source,
    Target, Tiling, Variant, When,
};

/// A format that people write.
pub(crate) trait Format: DeserializeOwned {
    /// Its outermost table.
    fn shape() -> Shape;
}

/// A table: the keys that it may have, and the tables in it. What a key without a shape holds is free.
pub(crate) struct Shape {
    keys: Vec<&'static str>,
    tables: Vec<(&'static str, Inner)>,
}

enum Inner {
    /// A table, or a list of such tables.
    Table(Shape),
    /// A table whose `tag` says which of the shapes it has.
    Tagged { tag: &'static str, shapes: Vec<(&'static str, Shape)> },
}

impl Format for ModelSpec {
    fn shape() -> Shape {
        let frame =
            Shape::of::<FrameInput>().tagged("resize", "mode", resize()).table("normalise", normalise());
        let raster = Shape::of::<RasterInput>()
            .table("bands", Shape::of::<Band>())
            .table("normalise", normalise())
            .table("fill", Shape::new(&["raw", "tensor"]))
            .table("tiling", Shape::of::<Tiling>())
            .table("coordinates", Shape::of::<Coordinates>());
        let outputs = vec![
            ("yolo", Shape::of::<DetectOutput>()),
            ("yolox", Shape::of::<DetectOutput>()),
            ("classes", Shape::of::<ClassesOutput>()),
            ("mask", Shape::of::<MaskOutput>()),
            ("tensors", Shape::new(&[])),
        ];
        let variant =
            Shape::of::<Variant>().table("when", Shape::of::<When>()).table("normalise", normalise());
        Shape::of::<Self>()
            .table("source", Shape::of::<Source>())
            .tagged("input", "kind", vec![("frame", frame), ("raster", raster), ("tensors", Shape::new(&[]))])
            .tagged("output", "decoder", outputs)
            .table("variants", variant)
            .table("recipe", Recipe::shape())
    }
}

fn resize() -> Vec<(&'static str, Shape)> {
    vec![
        ("letterbox", Shape::new(&["pad", "align"])),
        ("stretch", Shape::new(&["filter"])),
        ("center-crop", Shape::new(&["crop_fraction", "filter"])),
    ]
}

fn normalise() -> Shape {
    Shape::of::<Normalise>()
}

impl Format for Target {
    fn shape() -> Shape {
        let extents = ["batch", "height", "width"];
        let range = extents
            .iter()
            .fold(Shape::new(&extents), |range, extent| range.table(extent, Shape::of::<Extent>()));
        Shape::of::<Self>()
            .table("onnxruntime", Shape::of::<OrtBuild>().table("files", Shape::of::<OrtFile>()))
            .table("providers", Shape::of::<Provider>())
            .table("precision", Shape::of::<PrecisionRules>())
            .tagged("shapes", "kind", vec![("fixed", Shape::new(&[])), ("range", range)])
            .table("session", Shape::of::<SessionRules>())
            .table("memory", Shape::of::<Memory>())
            .table("build", Shape::of::<Build>())
    }
}

impl Format for Recipe {
    fn shape() -> Shape {
        Shape::of::<Self>()
    }
}

impl Shape {
    fn new(keys: &[&'static str]) -> Self {
        Self { keys: keys.to_vec(), tables: Vec::new() }
    }

    fn of<T: DeserializeOwned>() -> Self {
        Self::new(fields_of::<T>())
    }

    fn table(self, key: &'static str, shape: Self) -> Self {
        self.with(key, Inner::Table(shape))
    }

    fn tagged(self, key: &'static str, tag: &'static str, mut shapes: Vec<(&'static str, Self)>) -> Self {
        for (_, shape) in &mut shapes {
            shape.keys.push(tag);
        }
        self.with(key, Inner::Tagged { tag, shapes })
    }

    fn with(mut self, key: &'static str, inner: Inner) -> Self {
        self.tables.push((key, inner));
        self
    }

    /// Refuses the first key of `table`, or of a table in it, that is not known there. `text` is the whole file.
    pub(crate) fn check(&self, table: &DeTable<'_>, text: &str, origin: &str) -> Result<(), SpecError> {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if !self.keys.contains(&name) {
                return Err(SpecError::UnknownKey {
                    origin: origin.to_owned(),
                    line: line_at(text, key.span().start),
                    nearest: nearest(name, self.keys.iter().copied()),
                    key: name.to_owned(),
                    known: self.keys.iter().map(|&known| known.to_owned()).collect(),
                });
            }
            if let Some((_, inner)) = self.tables.iter().find(|(known, _)| *known == name) {
                inner.check(value.get_ref(), text, origin)?;
            }
        }
        Ok(())
    }
}

impl Inner {
    /// What is no table, or has no tag that is known, is left to the types: their error says more.
    fn check(&self, value: &DeValue<'_>, text: &str, origin: &str) -> Result<(), SpecError> {
        match (value, self) {
            (DeValue::Array(values), _) => {
                values.iter().try_for_each(|value| self.check(value.get_ref(), text, origin))
            }
            (DeValue::Table(table), Self::Table(shape)) => shape.check(table, text, origin),
            (DeValue::Table(table), Self::Tagged { tag, shapes }) => {
                let found = table.get(*tag).and_then(|value| value.get_ref().as_str());
                match shapes.iter().find(|(known, _)| Some(*known) == found) {
                    Some((_, shape)) => shape.check(table, text, origin),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

/// The line of a byte, from 1.
pub(crate) fn line_at(text: &str, byte: usize) -> usize {
    1 + text.as_bytes()[..byte.min(text.len())].iter().filter(|&&byte| byte == b'\n').count()
}

/// The keys of a struct, as its `Deserialize` asks for them.
fn fields_of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // It always fails: there is nothing to read.
    let _ = T::deserialize(Fields(&mut fields));
    fields
}

struct Fields<'f>(&'f mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = de::value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        Err(de::Error::custom("only the keys were asked for"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("no struct"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
