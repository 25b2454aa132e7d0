//! How a raster becomes input tensors.

use serde::{Deserialize, Serialize};

use crate::validate::{Check, check_normalise, problem};
use crate::{Normalise, Tiling};

/// How a raster becomes input tensors, window by window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RasterInput {
    /// The bands in the model's order.
    pub bands: Vec<Band>,
    /// Dates of the scene that the model sees at once; with more than one, or where the file's shape has five axes,
    /// the tensor is `[1, bands, frames, H, W]`.
    #[serde(default = "one_frame", skip_serializing_if = "is_one_frame")]
    pub frames: usize,
    /// Which band of which date goes where in the tensor.
    #[serde(default, skip_serializing_if = "is_default")]
    pub frame_order: FrameOrder,
    /// Values that mean "no data here", if the raster's own tag says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodata: Option<f64>,
    /// Which pixels of the mask hold no data.
    #[serde(default, skip_serializing_if = "is_default")]
    pub nodata_rule: NodataRule,
    /// What the model gets in the place of a value that means "no data here"; nothing given: that value itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<Fill>,
    /// What the values are before they are normalised; where it is given, a raster that looks like another unit is
    /// warned about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<Units>,
    /// What happens to a raw value (DN).
    #[serde(default)]
    pub normalise: Normalise,
    /// How windows are laid and joined.
    pub tiling: Tiling,
    /// Inputs of the model for when and where the scene was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordinates: Option<Coordinates>,
    /// Whether the tensor has the axis of the frames; decided from the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_axis: Option<bool>,
}

/// A spectral band.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Band {
    /// The model's own name for it.
    pub name: String,
    /// Other names it goes by in files (`B02`, `B2`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

/// Which band of which date goes where in a tensor `[1, bands, frames, H, W]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FrameOrder {
    /// Plane (c, t) is band c of date t.
    #[default]
    ByBand,
    /// All bands of the first date, then of the second, …, taken as they follow each other: what a plain reshape of
    /// such a file gives, and what the crop model of hls-foundation-os was trained on.
    AsStored,
}

/// Which pixels of the mask hold no data. One that has a NaN never holds any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodataRule {
    /// Those where every band that the model reads has the nodata value.
    #[default]
    AllBands,
    /// Those where one of them has.
    AnyBand,
}

/// What the model gets in the place of a value that means "no data here".
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// A raw value, normalised like the others.
    Raw(f64),
    /// A value of the tensor.
    Tensor(f64),
}

/// What values are before they are normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Units {
    /// Digital numbers of an optical product: reflectance × 10,000.
    Dn,
    /// Reflectance, 0 to about 1.
    Reflectance,
    /// Radar backscatter in decibels.
    Db,
}

/// Names of the inputs that take when and where the scene was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coordinates {
    /// `[1, frames, 2]`: year and day of the year (1 to 366) of each date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dates: Option<String>,
    /// `[1, 2]`: longitude and latitude (degrees, WGS84) of the raster's middle. The order of Prithvi's own
    /// `inference.py`, although its encoder calls them latitude and longitude.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

/// Dates that a model may see at once.
const MOST_FRAMES: usize = 366;

impl RasterInput {
    /// The shape of the tensor, `[1, bands, H, W]` or `[1, bands, frames, H, W]`; `None` while the window is not known.
    pub fn shape(&self) -> Option<Vec<usize>> {
        let [height, width] = self.tiling.window?;
        Some(match self.has_frame_axis() {
            true => vec![1, self.bands.len(), self.frames, height, width],
            false => vec![1, self.bands.len(), height, width],
        })
    }

    /// Whether the tensor has the axis of the frames.
    pub fn has_frame_axis(&self) -> bool {
        self.frame_axis.unwrap_or(self.frames > 1)
    }

    /// For each `[H, W]` plane of the tensor, its place among the bands of all dates, the first date's bands first.
    pub fn planes(&self) -> Vec<usize> {
        let (bands, frames) = (self.bands.len(), self.frames);
        (0..bands * frames)
            .map(|plane| match self.frame_order {
                FrameOrder::ByBand => plane % frames * bands + plane / frames,
                FrameOrder::AsStored => plane,
            })
            .collect()
    }

    pub(crate) fn check(&self) -> Check {
        if self.bands.is_empty() {
            return problem("input.bands", "is empty; name the bands in the model's order");
        }
        let mut seen = std::collections::BTreeSet::new();
        for band in &self.bands {
            for name in std::iter::once(&band.name).chain(&band.aliases) {
                if name.is_empty() || !seen.insert(name.to_lowercase()) {
                    return problem("input.bands", format!("names {name:?} twice, or not at all"));
                }
            }
        }
        if !(1..=MOST_FRAMES).contains(&self.frames) {
            return problem("input.frames", format!("is {}; expected 1 to {MOST_FRAMES}", self.frames));
        }
        if self.frames > 1 && self.frame_axis == Some(false) {
            return problem("input.frame_axis", "is false, but there is more than one frame");
        }
        if let Some(Fill::Raw(value) | Fill::Tensor(value)) = self.fill
            && !value.is_finite()
        {
            return problem("input.fill", format!("is {value}; expected a finite number"));
        }
        check_normalise(&self.normalise, self.bands.len())?;
        self.tiling.check()
    }
}

fn one_frame() -> usize {
    1
}

fn is_one_frame(frames: &usize) -> bool {
    *frames == 1
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(more: &str) -> RasterInput {
        let text = format!(
            "bands = [{{ name = 'a' }}, {{ name = 'b' }}]\n{more}\n[tiling]\nblend = 'mmseg'\nstride = 8\nwindow = [16, 8]"
        );
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn planes_follow_the_order() {
        assert_eq!(input("").planes(), [0, 1]);
        assert_eq!(input("").shape(), Some(vec![1, 2, 16, 8]));
        // Bands a0 b0 a1 b1 a2 b2 of three dates.
        let by_band = input("frames = 3");
        assert_eq!(by_band.planes(), [0, 2, 4, 1, 3, 5]);
        assert_eq!(by_band.shape(), Some(vec![1, 2, 3, 16, 8]));
        assert_eq!(input("frames = 3\nframe_order = 'as-stored'").planes(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(input("frame_axis = true").shape(), Some(vec![1, 2, 1, 16, 8]));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_key() {
        let rows = [
            ("frames = 0", "input.frames"),
            ("frames = 400", "input.frames"),
            ("frames = 2\nframe_axis = false", "input.frame_axis"),
            ("fill = { raw = nan }", "input.fill"),
        ];
        for (more, key) in rows {
            assert_eq!(input(more).check().unwrap_err().0, key, "{more}");
        }
        assert_eq!(input("frames = 3\nfill = { tensor = 0.0001 }\nnodata_rule = 'any-band'").check(), Ok(()));
    }
}
