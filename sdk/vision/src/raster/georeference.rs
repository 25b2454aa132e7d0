//! Where a raster lies on the earth: GeoTIFF's tags, kept as they are, and what can be read off them.

use tiff_core::{Tag, TagValue};
use tiff_reader::Ifd;

const PIXEL_SCALE: u16 = 33550;
const TIEPOINT: u16 = 33922;
const TRANSFORMATION: u16 = 34264;
const KEY_DIRECTORY: u16 = 34735;
const DOUBLE_PARAMS: u16 = 34736;
const ASCII_PARAMS: u16 = 34737;

/// The GeoTIFF tags that place a raster (OGC 19-008r4 annex B).
const TAGS: [u16; 6] = [PIXEL_SCALE, TIEPOINT, TRANSFORMATION, KEY_DIRECTORY, DOUBLE_PARAMS, ASCII_PARAMS];

const MODEL_TYPE_KEY: u16 = 1024;
const RASTER_TYPE_KEY: u16 = 1025;
const GEOGRAPHIC_KEY: u16 = 2048;
const PROJECTED_KEY: u16 = 3072;
const LINEAR_UNITS_KEY: u16 = 3076;

/// Where a raster lies on the earth.
///
/// Tags 33550, 33922, 34264, 34735, 34736 and 34737 are kept unparsed, so that a mask gets them back
/// unchanged, whatever coordinate system they describe. What the methods tell is read off them.
#[derive(Debug, Clone, Default)]
pub struct Georeference {
    tags: Vec<Tag>,
}

impl PartialEq for Georeference {
    fn eq(&self, other: &Self) -> bool {
        self.tags.len() == other.tags.len()
            && self.tags.iter().zip(&other.tags).all(|(a, b)| a.code == b.code && a.value == b.value)
    }
}

impl Georeference {
    pub(crate) fn of(ifd: &Ifd) -> Self {
        Self { tags: TAGS.iter().filter_map(|&code| ifd.tag(code).cloned()).collect() }
    }

    /// The tags as they were in the file.
    pub(crate) fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// Whether the file says nothing about its place.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// The affine map `[a, b, c, d, e, f]` from the upper left corner of pixel (row, column) to coordinates:
    /// `x = a * column + b * row + c`, `y = d * column + e * row + f`, as `rasterio`'s `transform` orders it.
    ///
    /// `None` where the file gives control points only, or nothing. A raster whose coordinates mean pixel
    /// centres (`PixelIsPoint`) is shifted by half a pixel, as GDAL does.
    pub fn transform(&self) -> Option<[f64; 6]> {
        let [a, b, c, d, e, f] = self.scale_and_tiepoint().or_else(|| self.matrix())?;
        let half = if self.key(RASTER_TYPE_KEY) == Some(2) { 0.5 } else { 0.0 };
        Some([a, b, c - half * (a + b), d, e, f - half * (d + e)])
    }

    /// `[height, width]` of a pixel in units of the coordinate system.
    pub fn pixel_size(&self) -> Option<[f64; 2]> {
        let [a, b, _, d, e, _] = self.transform()?;
        Some([b.hypot(e), a.hypot(d)])
    }

    /// `[x, y]` of the raster's upper left corner.
    pub fn origin(&self) -> Option<[f64; 2]> {
        let [_, _, x, _, _, y] = self.transform()?;
        Some([x, y])
    }

    /// Area of a pixel in square metres; `None` where the coordinates are not metres of a projected system.
    pub fn pixel_area_m2(&self) -> Option<f64> {
        let is_utm = self.epsg().is_some_and(|code| matches!(code, 32601..=32660 | 32701..=32760));
        // EPSG unit 9001 is the metre.
        let is_metres = self.key(MODEL_TYPE_KEY) == Some(1) && self.key(LINEAR_UNITS_KEY) == Some(9001);
        let [a, b, _, d, e, _] = self.transform()?;
        (is_utm || is_metres).then(|| (a * e - b * d).abs())
    }

    /// Whether both name the same coordinate system, or neither names one. Systems without a code are the same if
    /// their keys and numbers are; texts that describe them do not count.
    pub(crate) fn same_system(&self, other: &Self) -> bool {
        match (self.epsg(), other.epsg()) {
            (None, None) => {
                [KEY_DIRECTORY, DOUBLE_PARAMS].iter().all(|code| self.value(*code) == other.value(*code))
            }
            (a, b) => a == b,
        }
    }

    /// The coordinate system's EPSG code, where the file names one.
    pub fn epsg(&self) -> Option<u16> {
        let keys = match self.key(MODEL_TYPE_KEY) {
            Some(2) => [GEOGRAPHIC_KEY, PROJECTED_KEY],
            _ => [PROJECTED_KEY, GEOGRAPHIC_KEY],
        };
        // 0: undefined; 32767: described by other keys.
        let code = keys.iter().find_map(|&key| self.key(key))?;
        (1024..32767).contains(&code).then_some(code)
    }

    fn scale_and_tiepoint(&self) -> Option<[f64; 6]> {
        let scale = self.doubles(PIXEL_SCALE)?;
        let &[column, row, _, x, y, ..] = self.doubles(TIEPOINT)? else { return None };
        let &[width, height, ..] = scale else { return None };
        if width == 0.0 || height == 0.0 {
            return None;
        }
        Some([width, 0.0, x - column * width, 0.0, -height, y + row * height])
    }

    fn matrix(&self) -> Option<[f64; 6]> {
        let m = self.doubles(TRANSFORMATION).filter(|m| m.len() == 16)?;
        Some([m[0], m[1], m[3], m[4], m[5], m[7]])
    }

    fn value(&self, code: u16) -> Option<&TagValue> {
        Some(&self.tags.iter().find(|tag| tag.code == code)?.value)
    }

    fn doubles(&self, code: u16) -> Option<&[f64]> {
        match self.value(code)? {
            TagValue::Double(values) => Some(values),
            _ => None,
        }
    }

    /// A key of the key directory whose value stands in the directory itself.
    fn key(&self, key: u16) -> Option<u16> {
        let directory = match self.value(KEY_DIRECTORY)? {
            TagValue::Short(values) => values,
            _ => return None,
        };
        // Four numbers of header, then four a key: key, tag that holds the value (0: here), count, value.
        let mut keys = directory.get(4..)?.chunks_exact(4);
        keys.find(|entry| entry[0] == key && entry[1] == 0).map(|entry| entry[3])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn georeference(tags: &[(u16, TagValue)]) -> Georeference {
        Georeference { tags: tags.iter().map(|(code, value)| Tag::new(*code, value.clone())).collect() }
    }

    #[test]
    fn reads_place_and_system() {
        let scale = (PIXEL_SCALE, TagValue::Double(vec![10.0, 20.0, 0.0]));
        let tiepoint = (TIEPOINT, TagValue::Double(vec![2.0, 3.0, 0.0, 500_000.0, 5_000_000.0, 0.0]));
        let keys = |raster_type, system, code| {
            let directory = vec![1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, raster_type, system, 0, 1, code];
            (KEY_DIRECTORY, TagValue::Short(directory))
        };
        let area = georeference(&[scale.clone(), tiepoint.clone(), keys(1, 3072, 32633)]);
        // GDAL: origin = tiepoint - pixel * scale, y downwards
        assert_eq!(area.transform(), Some([10.0, 0.0, 499_980.0, 0.0, -20.0, 5_000_060.0]));
        assert_eq!(area.pixel_size(), Some([20.0, 10.0]));
        assert_eq!(area.origin(), Some([499_980.0, 5_000_060.0]));
        assert_eq!(area.epsg(), Some(32633));

        let point = georeference(&[scale.clone(), tiepoint, keys(2, 3072, 32767)]);
        assert_eq!(point.origin(), Some([499_975.0, 5_000_070.0]));
        assert_eq!(point.epsg(), None);

        let mut matrix = vec![0.0; 16];
        (matrix[0], matrix[1], matrix[3], matrix[4], matrix[5], matrix[7]) = (3.0, 1.0, 7.0, 4.0, -2.0, 9.0);
        let rotated = georeference(&[(TRANSFORMATION, TagValue::Double(matrix)), keys(1, 2048, 4326)]);
        assert_eq!(rotated.transform(), Some([3.0, 1.0, 7.0, 4.0, -2.0, 9.0]));
        assert_eq!(rotated.epsg(), Some(4326));

        for nothing in [
            georeference(&[]),
            georeference(&[scale]),
            georeference(&[(TRANSFORMATION, TagValue::Double(vec![1.0; 3]))]),
            georeference(&[
                (PIXEL_SCALE, TagValue::Short(vec![1])),
                (KEY_DIRECTORY, TagValue::Short(vec![1])),
            ]),
        ] {
            assert_eq!((nothing.transform(), nothing.epsg()), (None, None), "{nothing:?}");
        }
    }
}
