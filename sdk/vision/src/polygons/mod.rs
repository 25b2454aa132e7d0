//! From a mask to polygons: the outlines of its regions, streamed row by row, and GeoJSON of them.
//!
//! - [`Polygonizer`]: rows of a mask in, [`Polygon`]s of 4-connected regions out as soon as they are complete.
//! - [`ToWgs84`]: from pixel corners to longitude and latitude. [`PixelAreas`]: what a pixel covers.
//! - [`PolygonWriter`]: both, into a GeoJSON file. [`FootprintWriter`]: the outlines of whole rasters.
//!
//! The outlines are those of GDAL's `GDALPolygonize` (`rasterio.features.shapes`): they follow the edges of
//! pixels, and a ring that meets itself in a corner is cut there, so that every polygon is valid (OGC 06-103r4).

mod areas;
mod chains;
mod error;
mod footprints;
mod geojson;
mod regions;
mod rings;
mod simplify;
mod trace;
mod transverse_mercator;
mod wgs84;
mod writer;

pub use areas::PixelAreas;
pub use error::PolygonError;
pub use footprints::FootprintWriter;
pub use regions::Polygon;
pub use trace::Polygonizer;
pub use wgs84::ToWgs84;
pub use writer::{PolygonSettings, PolygonWriter, PolygonsWritten};
