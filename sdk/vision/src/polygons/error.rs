//! Why polygons could not be made.

use std::path::PathBuf;

/// Why polygons could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolygonError {
    /// The raster does not say where it lies.
    #[error(
        "the raster does not say where its pixels lie, and GeoJSON needs coordinates; \
         give it a place first: gdal_translate -a_srs EPSG:CODE -a_ullr LEFT TOP RIGHT BOTTOM IN OUT"
    )]
    NoPlace,
    /// The raster has coordinates, but names no coordinate system by its EPSG code.
    #[error(
        "the raster names no coordinate system by its EPSG code, and GeoJSON needs longitude and latitude; \
         set it: gdal_edit.py -a_srs EPSG:CODE FILE, or warp it: gdalwarp -t_srs EPSG:4326 IN OUT"
    )]
    NoCrs,
    /// A coordinate system that is not known here.
    #[error(
        "the raster's coordinate system is EPSG:{epsg}; polygons are made of UTM on WGS84 or ETRS89, EPSG:4326, \
         4258 and 3857. Warp the raster first: gdalwarp -t_srs EPSG:4326 IN OUT"
    )]
    UnknownCrs {
        /// Its EPSG code.
        epsg: u16,
    },
    /// A smallest area or a tolerance that cannot be.
    #[error("{name}: found {found}, expected a number of at least 0")]
    Setting {
        /// Which setting.
        name: &'static str,
        /// What was given.
        found: f64,
    },
    /// A smallest area was asked for where the area of a pixel is not known.
    #[error("a smallest area in m² needs pixels of known area: a turned raster in degrees has none")]
    NoArea,
    /// A mask that cannot be.
    #[error("a mask of {found:?} ([height, width]): expected 1 to 2^30 pixels a side")]
    Size {
        /// What was given.
        found: [usize; 2],
    },
    /// Rows that do not fit.
    #[error("rows of the mask: {found}")]
    Rows {
        /// What is wrong with them.
        found: String,
    },
    /// The file cannot be written.
    #[error("{}: the polygons cannot be written: {found}", path.display())]
    Write {
        /// The file to be.
        path: PathBuf,
        /// What went wrong.
        found: String,
    },
}
