//! Where rasters lie that were classified whole, and what they are.

use std::io::Write;
use std::path::Path;

use crate::RasterInfo;
use crate::raster::WholeFile;

use super::geojson::{ring, text};
use super::{PolygonError, PolygonsWritten, ToWgs84};

/// Writes the outlines of rasters with their classes to a GeoJSON file (RFC 7946, WGS84, seven decimals).
///
/// A feature has the properties `file`, `label` and `score` (the best class), and `scores`, an object of all that were
/// given. Its polygon joins the corners by straight lines in degrees. The file gets its name
/// when it is finished and not before.
#[derive(Debug)]
pub struct FootprintWriter {
    file: WholeFile,
    text: String,
    count: u64,
}

impl FootprintWriter {
    /// Begins a file to be called `path`.
    ///
    /// # Errors
    /// The folder does not exist or cannot be written to.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, PolygonError> {
        let path = path.as_ref();
        let file =
            WholeFile::create(path).map_err(|found| PolygonError::Write { path: path.to_owned(), found })?;
        let text = "{\"type\":\"FeatureCollection\",\"features\":[".to_owned();
        Ok(Self { file, text, count: 0 })
    }

    /// Adds a part of a raster, by any name, with its labels and scores, the best first. The part is given by its
    /// first pixel `[row, column]` and the one behind its last.
    ///
    /// # Errors
    /// The raster's place is not known or not in a known coordinate system (then nothing is added), or the disk is
    /// full.
    pub fn write(
        &mut self,
        file: &str,
        raster: &RasterInfo,
        [start, end]: [[usize; 2]; 2],
        classes: &[(&str, f32)],
    ) -> Result<(), PolygonError> {
        let place = ToWgs84::new(&raster.georeference)?;
        self.text.push_str(if self.count == 0 { "\n" } else { ",\n" });
        self.text.push_str("{\"type\":\"Feature\",\"properties\":{\"file\":");
        text(&mut self.text, file);
        if let Some((label, score)) = classes.first() {
            self.text.push_str(",\"label\":");
            text(&mut self.text, label);
            self.text.push_str(&format!(",\"score\":{}", number(*score)));
        }
        self.text.push_str(",\"scores\":{");
        for (index, (label, score)) in classes.iter().enumerate() {
            self.text.push_str(if index == 0 { "" } else { "," });
            text(&mut self.text, label);
            self.text.push_str(&format!(":{}", number(*score)));
        }
        self.text.push_str("}},\"geometry\":{\"type\":\"Polygon\",\"coordinates\":[");
        let [[top, left], [bottom, right]] = [start, end].map(|corner| corner.map(|at| at as f64));
        let corners = [[left, top], [left, bottom], [right, bottom], [right, top]];
        let corners = corners.map(|corner| place.lon_lat(corner));
        let corners = corners.into_iter();
        if place.is_mirrored() {
            ring(&mut self.text, corners.rev())
        } else {
            ring(&mut self.text, corners)
        }
        self.text.push_str("]}}");
        self.count += 1;
        self.flush()
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// The disk is full; then nothing of that name appears or changes.
    pub fn finish(mut self) -> Result<PolygonsWritten, PolygonError> {
        self.text.push_str("\n]}\n");
        self.flush()?;
        let path = self.file.path().to_owned();
        let bytes = self.file.finish().map_err(|found| PolygonError::Write { path, found })?;
        Ok(PolygonsWritten { polygons: self.count, bytes })
    }

    fn flush(&mut self) -> Result<(), PolygonError> {
        let written = self.file.write_all(self.text.as_bytes());
        self.text.clear();
        written.map_err(|e| PolygonError::Write { path: self.file.path().to_owned(), found: e.to_string() })
    }
}

/// JSON has no number for what is not finite.
fn number(score: f32) -> String {
    if score.is_finite() { score.to_string() } else { "null".to_owned() }
}
