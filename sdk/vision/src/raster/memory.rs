//! A raster that lies in memory.

use std::path::Path;

use farsight_spec::{Band, ElementType};

use super::read::convert;
use super::source::RasterSource;
use super::{BandChoice, RasterError, RasterInfo, bands};
use crate::{TileError, Window, read_padded_window};

/// Stands in messages where a file has its path.
const PLACE: &str = "the raster in memory";

/// How far apart samples lie, in bytes. Band after band, line by line and pixel by pixel can all be said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strides {
    /// From a pixel to the next in its row.
    pub pixel: usize,
    /// From a row to the next.
    pub row: usize,
    /// From a band to the next.
    pub band: usize,
}

impl Strides {
    /// Band after band, without gaps.
    pub fn planar([height, width]: [usize; 2], element: ElementType) -> Self {
        let pixel = element.size();
        let row = pixel.saturating_mul(width);
        Self { pixel, row, band: row.saturating_mul(height) }
    }
}

/// A raster in memory, borrowed, in this machine's byte order.
#[derive(Debug)]
pub struct MemoryRaster<'a> {
    info: RasterInfo,
    samples: &'a [u8],
    strides: Strides,
}

impl<'a> MemoryRaster<'a> {
    /// A raster of which `info` tells size, bands, element type and nodata value; bytes after the last sample are
    /// allowed.
    ///
    /// # Errors
    /// A side or the number of bands is 0, the elements are none that rasters have, rows overlap, or `samples` ends
    /// before the last sample does.
    pub fn new(info: RasterInfo, samples: &'a [u8], strides: Strides) -> Result<Self, RasterError> {
        let refused = |found: String| Err(RasterError::Memory { found });
        let ([height, width], bands, sample) = (info.size, info.bands.len(), info.element.size());
        if height == 0 || width == 0 || bands == 0 {
            return refused(format!("it has {height} x {width} pixels (height x width) and {bands} bands"));
        }
        if !is_read(info.element) {
            return refused(format!("samples of type {:?} are not read", info.element));
        }
        let row_bytes = reach(width, strides.pixel, sample);
        if strides.pixel < sample
            || strides.band < sample
            || row_bytes.is_none_or(|bytes| strides.row < bytes)
        {
            return refused(format!("samples of {sample} bytes, {width} in a row, overlap with {strides:?}"));
        }
        let rows = row_bytes.and_then(|bytes| reach(height, strides.row, bytes));
        let expected = rows.and_then(|bytes| reach(bands, strides.band, bytes));
        if expected.is_none_or(|expected| samples.len() < expected) {
            let expected = expected.map_or("more than memory has".to_owned(), |bytes| bytes.to_string());
            return refused(format!("it has {} bytes, its size and strides need {expected}", samples.len()));
        }
        Ok(Self { info, samples, strides })
    }

    /// Reads a window inside the raster, one band after the other. `size` is `[height, width]`.
    fn read_window(&self, start: [usize; 2], size: [usize; 2], bands: &[usize], out: &mut [f32]) {
        let line = reach(size[1], self.strides.pixel, self.info.element.size()).unwrap_or_default();
        let mut rows = out.chunks_exact_mut(size[1]);
        for band in bands {
            for (row, out) in (start[0]..start[0] + size[0]).zip(&mut rows) {
                let at = band * self.strides.band + row * self.strides.row + start[1] * self.strides.pixel;
                convert(self.info.element, &self.samples[at..at + line], self.strides.pixel, out);
            }
        }
    }
}

/// Bytes from the start of the first of `count` things to the end of the last.
fn reach(count: usize, stride: usize, last: usize) -> Option<usize> {
    count.checked_sub(1)?.checked_mul(stride)?.checked_add(last)
}

fn is_read(element: ElementType) -> bool {
    use ElementType::{F32, F64, I8, I16, I32, U8, U16, U32};
    matches!(element, U8 | I8 | U16 | I16 | U32 | I32 | F32 | F64)
}

impl RasterSource for MemoryRaster<'_> {
    fn info(&self) -> &RasterInfo {
        &self.info
    }

    fn choose_bands(&self, wanted: &[Band], frames: usize) -> Result<BandChoice, RasterError> {
        bands::of_frames(Path::new(PLACE), &self.info.bands, wanted, frames)
    }

    fn expect_windows(&mut self, _: usize, _: usize) {}

    fn read_padded(
        &mut self,
        window: &Window,
        bands: &[usize],
        scratch: &mut Vec<f32>,
        out: &mut [f32],
    ) -> Result<(), RasterError> {
        if let Some(band) = bands.iter().find(|band| **band >= self.info.bands.len()) {
            bands::by_number(Path::new(PLACE), &self.info.bands, &[band.saturating_add(1)])?;
        }
        read_padded_window(
            self.info.size,
            window,
            bands.len(),
            scratch,
            out,
            |row, column, height, width, values| {
                self.read_window([row, column], [height, width], bands, values);
                Ok::<(), TileError>(())
            },
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BandInfo, Georeference, Padding};

    const SIZE: [usize; 2] = [2, 3];

    fn info(element: ElementType, bands: usize) -> RasterInfo {
        let bands = vec![BandInfo::default(); bands];
        RasterInfo { size: SIZE, bands, element, georeference: Georeference::default(), nodata: None }
    }

    /// Value of a pixel: 100 * band + 10 * row + column.
    const VALUES: [f32; 12] = [0., 1., 2., 10., 11., 12., 100., 101., 102., 110., 111., 112.];

    /// The values, each where the strides put it.
    fn lay_out<const N: usize>(strides: Strides, bytes: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
        let mut samples = vec![0xee; 200];
        for (i, value) in VALUES.into_iter().enumerate() {
            let [band, row, column] = [i / 6, i / 3 % 2, i % 3];
            let at = band * strides.band + row * strides.row + column * strides.pixel;
            samples[at..at + N].copy_from_slice(&bytes(value));
        }
        samples
    }

    #[test]
    fn every_layout_and_element_gives_the_same_values() {
        let planar = Strides::planar(SIZE, ElementType::U16);
        assert_eq!(planar, Strides { pixel: 2, row: 6, band: 12 });
        let by_pixel = Strides { pixel: 4, row: 12, band: 2 };
        let by_line = Strides { pixel: 2, row: 12, band: 6 };
        let gaps = Strides { pixel: 3, row: 11, band: 40 };
        let wide = Strides { pixel: 8, row: 24, band: 48 };
        let u16s = |value: f32| (value as u16).to_ne_bytes();
        let rows = [
            ("planar", ElementType::U16, planar, lay_out(planar, u16s)),
            ("by pixel", ElementType::U16, by_pixel, lay_out(by_pixel, u16s)),
            ("by line", ElementType::U16, by_line, lay_out(by_line, u16s)),
            ("gaps", ElementType::U16, gaps, lay_out(gaps, u16s)),
            ("u8", ElementType::U8, gaps, lay_out(gaps, |value| [value as u8])),
            ("i32", ElementType::I32, wide, lay_out(wide, |value| (value as i32).to_ne_bytes())),
            ("f32", ElementType::F32, wide, lay_out(wide, f32::to_ne_bytes)),
            ("f64", ElementType::F64, wide, lay_out(wide, |value| f64::from(value).to_ne_bytes())),
        ];
        for (name, element, strides, samples) in rows {
            let mut raster = MemoryRaster::new(info(element, 2), &samples, strides).unwrap();
            let window = |start, size| Window { index: 0, start, size, padding: Padding::Symmetric };
            let (mut scratch, mut all, mut part) = (Vec::new(), [0.0; 12], [0.0; 2]);
            raster.read_padded(&window([0, 0], SIZE), &[0, 1], &mut scratch, &mut all).unwrap();
            assert_eq!(all, VALUES, "{name}");
            raster.read_padded(&window([1, 1], [1, 2]), &[1], &mut scratch, &mut part).unwrap();
            assert_eq!(part, [111.0, 112.0], "{name}");
            // Reflected at the border: the pixel outside is the one inside.
            raster.read_padded(&window([0, -1], [1, 2]), &[0], &mut scratch, &mut part).unwrap();
            assert_eq!(part, [0.0, 0.0], "{name}");
            assert!(raster.read_padded(&window([0, 0], [1, 2]), &[2], &mut scratch, &mut part).is_err());
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let planar = Strides::planar(SIZE, ElementType::U16);
        let empty = RasterInfo { size: [0, 3], ..info(ElementType::U16, 2) };
        let huge = RasterInfo { size: [usize::MAX, usize::MAX], ..info(ElementType::U16, 2) };
        let rows = [
            ("fits", info(ElementType::U16, 2), planar, 24, None),
            (
                "one byte short",
                info(ElementType::U16, 2),
                planar,
                23,
                Some("23 bytes, its size and strides need 24"),
            ),
            ("no rows", empty, planar, 24, Some("0 x 3 pixels")),
            ("no bands", info(ElementType::U16, 0), planar, 24, Some("0 bands")),
            ("half floats", info(ElementType::F16, 2), planar, 24, Some("F16 are not read")),
            ("rows overlap", info(ElementType::U16, 2), Strides { row: 5, ..planar }, 24, Some("overlap")),
            (
                "pixels overlap",
                info(ElementType::U16, 2),
                Strides { pixel: 1, ..planar },
                24,
                Some("overlap"),
            ),
            ("huge", huge, planar, 24, Some("overlap")),
            (
                "bands far apart",
                info(ElementType::U16, 2),
                Strides { band: usize::MAX, ..planar },
                24,
                Some("more"),
            ),
        ];
        for (name, info, strides, bytes, expected) in rows {
            let samples = vec![0; bytes];
            match (MemoryRaster::new(info, &samples, strides), expected) {
                (Ok(_), None) => {}
                (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{name}: {error}"),
                (result, _) => panic!("{name}: {result:?}"),
            }
        }
    }
}
