//! How windows are laid over a raster and joined again.

use serde::{Deserialize, Serialize};

use crate::SpecError;
use crate::validate::{Check, check_size, locate, problem};

/// How windows are laid over a raster and joined again. Which keys belong to a blend stands at [`Blend`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tiling {
    /// `[height, width]` of a window; from the model's shape where it is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<[usize; 2]>,
    /// Part of a window shared with its neighbour, where the reference counts so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<f64>,
    /// Pixels from a window to the next, where the reference counts so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<usize>,
    /// Pixels cut from each border of a window's answer, where the reference does so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<usize>,
    /// Window starts and weights, named after the reference.
    pub blend: Blend,
}

/// Window starts and weights, each equal to the reference it is named after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blend {
    /// ukis-csmask 1.0.0 `utils.py`: symmetric padding, fixed step, Tukey window, sum of probabilities.
    /// `overlap` is 0 to 0.5.
    UkisCsmask,
    /// mmsegmentation 1.2.2 `encoder_decoder.py: slide_inference`: fixed step, plain mean of logits.
    /// `stride` is given.
    Mmseg,
    /// MONAI 1.6.1 `sliding_window_inference(mode="gaussian")` with its sigma of 0.125: fixed step, weighted mean
    /// of logits. `overlap` is 0 to below 1.
    Monai,
    /// MONAI 1.6.1 `sliding_window_inference(mode="constant")`: fixed step, plain mean of logits. `overlap` is 0
    /// to below 1.
    MonaiConstant,
    /// nnU-Net 2.8.1 `sliding_window_prediction.py`: evenly spread starts, Gaussian of half precision, weighted
    /// mean of logits. `overlap` is 0 to below 1: 1 less its `tile_step_size`.
    Nnunet,
    /// TerraTorch 1.2.13 `tiled_inference.py`: reflected border, `delta` pixels of each answer cut, cosine ramps,
    /// weighted mean of logits. `stride` and `delta` are given.
    Terratorch,
    /// `inference.py` beside the Prithvi-EO checkpoints: windows that do not overlap, reflected beyond the right
    /// and lower border.
    PrithviMae,
}

/// What of a window's answer is averaged where windows overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Average {
    /// The model's raw values; the activation comes after blending.
    Logits,
    /// What the activation makes of them.
    Probabilities,
}

impl Blend {
    /// What the reference averages.
    pub fn averages(self) -> Average {
        match self {
            Self::UkisCsmask => Average::Probabilities,
            _ => Average::Logits,
        }
    }

    /// The name it has in a spec.
    pub fn name(self) -> &'static str {
        match self {
            Self::UkisCsmask => "ukis-csmask",
            Self::Mmseg => "mmseg",
            Self::Monai => "monai",
            Self::MonaiConstant => "monai-constant",
            Self::Nnunet => "nnunet",
            Self::Terratorch => "terratorch",
            Self::PrithviMae => "prithvi-mae",
        }
    }

    /// Which of the keys overlap, stride and delta belong to it.
    fn keys(self) -> [bool; 3] {
        match self {
            Self::UkisCsmask | Self::Monai | Self::MonaiConstant | Self::Nnunet => [true, false, false],
            Self::Mmseg => [false, true, false],
            Self::Terratorch => [false, true, true],
            Self::PrithviMae => [false; 3],
        }
    }
}

impl Tiling {
    /// Whether the keys belong to the blend and their values make sense; `origin` stands in the message.
    ///
    /// # Errors
    /// The first key that makes none.
    pub fn validate(&self, origin: &str) -> Result<(), SpecError> {
        self.check().map_err(locate(origin))
    }

    pub(crate) fn check(&self) -> Check {
        check_size("input.tiling.window", self.window)?;
        let given = [self.overlap.is_some(), self.stride.is_some(), self.delta.is_some()];
        for ((key, given), belongs) in
            ["overlap", "stride", "delta"].into_iter().zip(given).zip(self.blend.keys())
        {
            let (key, blend) = (format!("input.tiling.{key}"), self.blend.name());
            match (given, belongs) {
                (false, true) => return problem(key, format!("is missing; the blend {blend} needs it")),
                (true, false) => {
                    return problem(key, format!("does not go with the blend {blend}; leave it out"));
                }
                _ => {}
            }
        }
        self.overlap.map_or(Ok(()), |overlap| self.check_overlap(overlap))?;
        self.stride.map_or(Ok(()), |stride| self.check_stride(stride))?;
        match self.delta {
            Some(delta) if delta > MOST => {
                problem("input.tiling.delta", format!("is {delta}; expected 0 to {MOST}"))
            }
            _ => Ok(()),
        }
    }

    fn check_overlap(&self, overlap: f64) -> Check {
        let key = "input.tiling.overlap";
        match self.blend {
            Blend::UkisCsmask if !(0.0..=0.5).contains(&overlap) => {
                problem(key, format!("is {overlap}; expected 0 to 0.5"))
            }
            _ if !(0.0..1.0).contains(&overlap) => {
                problem(key, format!("is {overlap}; expected 0 to below 1"))
            }
            _ => Ok(()),
        }
    }

    /// A longer step would leave pixels between the windows.
    fn check_stride(&self, stride: usize) -> Check {
        let (most, side) = match self.window {
            Some([height, width]) => (height.min(width), ", the window's shorter side"),
            None => (MOST, ""),
        };
        if !(1..=most).contains(&stride) {
            return problem("input.tiling.stride", format!("is {stride}; expected 1 to {most}{side}"));
        }
        Ok(())
    }
}

/// Longest side of a window.
const MOST: usize = 16384;

#[cfg(test)]
mod tests {
    use super::*;

    fn problem_of(text: &str) -> Option<(String, String)> {
        toml::from_str::<Tiling>(text).unwrap().check().err()
    }

    #[test]
    fn each_blend_has_its_keys() {
        let right = [
            "blend = 'ukis-csmask'\noverlap = 0.5",
            "blend = 'mmseg'\nstride = 112\nwindow = [224, 224]",
            "blend = 'monai'\noverlap = 0.75",
            "blend = 'monai-constant'\noverlap = 0.0",
            "blend = 'nnunet'\noverlap = 0.5",
            "blend = 'terratorch'\nstride = 192\ndelta = 8",
            "blend = 'prithvi-mae'",
        ];
        for text in right {
            assert_eq!(problem_of(text), None, "{text}");
            let tiling: Tiling = toml::from_str(text).unwrap();
            assert!(text.contains(&format!("'{}'", tiling.blend.name())), "{text}");
            assert_eq!(toml::from_str::<Tiling>(&toml::to_string(&tiling).unwrap()).unwrap(), tiling);
        }
    }

    #[test]
    fn what_does_not_belong_or_makes_no_sense_is_refused_by_key() {
        let rows = [
            ("blend = 'ukis-csmask'", "overlap", "is missing; the blend ukis-csmask needs it"),
            ("blend = 'ukis-csmask'\noverlap = 0.51", "overlap", "is 0.51; expected 0 to 0.5"),
            ("blend = 'ukis-csmask'\noverlap = 0.2\nstride = 9", "stride", "does not go with the blend"),
            ("blend = 'monai'\noverlap = 1.0", "overlap", "expected 0 to below 1"),
            ("blend = 'nnunet'\noverlap = nan", "overlap", "expected 0 to below 1"),
            ("blend = 'mmseg'\noverlap = 0.5", "overlap", "leave it out"),
            ("blend = 'mmseg'\nstride = 0", "stride", "expected 1 to 16384"),
            ("blend = 'mmseg'\nstride = 113\nwindow = [224, 112]", "stride", "expected 1 to 112"),
            ("blend = 'terratorch'\nstride = 192", "delta", "is missing; the blend terratorch needs it"),
            ("blend = 'terratorch'\nstride = 192\ndelta = 20000", "delta", "expected 0 to 16384"),
            ("blend = 'prithvi-mae'\nstride = 192", "stride", "leave it out"),
        ];
        for (text, expected, part) in rows {
            let (key, text) = problem_of(text).unwrap();
            assert_eq!(key, format!("input.tiling.{expected}"), "{text}");
            assert!(text.contains(part), "{text}");
        }
    }
}
