//! The polygons of a mask as a GeoJSON file, written while the mask comes in.

use std::io::Write;
use std::path::Path;

use crate::RasterInfo;
use crate::raster::WholeFile;

use super::geojson::{self, ring};
use super::simplify::kept_corners;
use super::{Polygon, PolygonError, Polygonizer, ToWgs84};

/// Which polygons are written, and how.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PolygonSettings {
    /// Names of the classes; those without one are called `class N`.
    pub labels: Vec<String>,
    /// Classes that get no polygons, "no data" among them.
    pub skip: Vec<u8>,
    /// Polygons smaller than this many square metres are left out, and such holes filled; 0: all stay.
    pub min_area_m2: f64,
    /// Corners that lie closer than this many metres to a simpler outline are left out; 0: all stay.
    ///
    /// Rings are simplified one by one: neighbours may then overlap or leave gaps, and a ring may touch itself.
    pub simplify_m: f64,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolygonsWritten {
    /// How many polygons.
    pub polygons: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes the polygons of a mask to a GeoJSON file (RFC 7946, WGS84, seven decimals) while its rows come in.
///
/// A feature has the properties `class`, `label`, `pixels` and `area_m2` (null where it is not known). As for a
/// [`MaskWriter`](crate::MaskWriter), the file gets its name when it is finished and not before. Polygons across the
/// 180th meridian are not cut.
#[derive(Debug)]
pub struct PolygonWriter {
    polygonizer: Polygonizer,
    width: usize,
    features: Features,
}

impl PolygonWriter {
    /// Begins the polygons of a mask of `raster`.
    ///
    /// # Errors
    /// The raster's place is not known or not in a known coordinate system, a setting cannot be, or the folder cannot
    /// be written to.
    pub fn create(
        path: impl AsRef<Path>,
        raster: &RasterInfo,
        settings: &PolygonSettings,
    ) -> Result<Self, PolygonError> {
        let place = ToWgs84::new(&raster.georeference)?;
        if !settings.simplify_m.is_finite() || settings.simplify_m < 0.0 {
            return Err(PolygonError::Setting { name: "tolerance", found: settings.simplify_m });
        }
        let areas = place.pixel_areas(raster.size[0]);
        let polygonizer = Polygonizer::new(raster.size, areas, settings.min_area_m2, &settings.skip)?;
        let path = path.as_ref();
        let file =
            WholeFile::create(path).map_err(|found| PolygonError::Write { path: path.to_owned(), found })?;
        let mut features = Features {
            file,
            place,
            labels: settings.labels.clone(),
            simplify_m: settings.simplify_m,
            text: "{\"type\":\"FeatureCollection\",\"features\":[".to_owned(),
            count: 0,
        };
        features.flush()?;
        Ok(Self { polygonizer, width: raster.size[1], features })
    }

    /// Adds rows of the mask below those given so far: whole rows, one byte a pixel.
    ///
    /// # Errors
    /// Not whole rows, more rows than the raster has, or the disk is full.
    pub fn write_rows(&mut self, rows: &[u8]) -> Result<(), PolygonError> {
        let Self { polygonizer, features, width } = self;
        for row in rows.chunks(*width) {
            polygonizer.push_row(row, &mut |polygon| features.write(&polygon))?;
        }
        Ok(())
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// Rows are missing, or the disk is full; then nothing of that name appears or changes.
    pub fn finish(self) -> Result<PolygonsWritten, PolygonError> {
        let Self { polygonizer, mut features, .. } = self;
        polygonizer.finish(&mut |polygon| features.write(&polygon))?;
        features.text.push_str("\n]}\n");
        features.flush()?;
        let path = features.file.path().to_owned();
        let bytes = features.file.finish().map_err(|found| PolygonError::Write { path, found })?;
        Ok(PolygonsWritten { polygons: features.count, bytes })
    }
}

/// The file of features.
#[derive(Debug)]
struct Features {
    file: WholeFile,
    place: ToWgs84,
    labels: Vec<String>,
    simplify_m: f64,
    text: String,
    count: u64,
}

impl Features {
    fn write(&mut self, polygon: &Polygon) -> Result<(), PolygonError> {
        self.text.push_str(if self.count == 0 { "\n" } else { ",\n" });
        let label = match self.labels.get(usize::from(polygon.class)) {
            Some(label) => label.clone(),
            None => format!("class {}", polygon.class),
        };
        // Square metres need no more than two decimals.
        let area =
            polygon.area_m2.map_or("null".to_owned(), |area| ((area * 100.0).round() / 100.0).to_string());
        let Polygon { class, pixels, .. } = polygon;
        self.text.push_str(&format!("{{\"type\":\"Feature\",\"properties\":{{\"class\":{class},\"label\":"));
        geojson::text(&mut self.text, &label);
        self.text.push_str(&format!(",\"pixels\":{pixels},\"area_m2\":{area}}}"));
        self.text.push_str(",\"geometry\":{\"type\":\"Polygon\",\"coordinates\":[");
        self.ring(polygon.exterior());
        for hole in polygon.holes() {
            self.text.push(',');
            self.ring(hole);
        }
        self.text.push_str("]}}");
        self.count += 1;
        self.flush()
    }

    fn ring(&mut self, corners: &[[u32; 2]]) {
        let Self { text, place, simplify_m, .. } = self;
        let simple = simplified(corners, place, *simplify_m);
        let places = simple.iter().map(|corner| place.lon_lat(corner.map(f64::from)));
        if place.is_mirrored() { ring(text, places.rev()) } else { ring(text, places) }
    }

    fn flush(&mut self) -> Result<(), PolygonError> {
        let written = self.file.write_all(self.text.as_bytes());
        self.text.clear();
        written.map_err(|e| PolygonError::Write { path: self.file.path().to_owned(), found: e.to_string() })
    }
}

fn simplified<'a>(
    corners: &'a [[u32; 2]],
    place: &ToWgs84,
    tolerance: f64,
) -> std::borrow::Cow<'a, [[u32; 2]]> {
    if tolerance == 0.0 {
        return corners.into();
    }
    let keep = kept_corners(&place.metres(corners), tolerance);
    corners.iter().zip(keep).filter(|(_, keep)| *keep).map(|(corner, _)| *corner).collect::<Vec<_>>().into()
}
