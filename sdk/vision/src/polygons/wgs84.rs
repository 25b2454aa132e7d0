//! From a raster's pixels to longitude and latitude.

use crate::Georeference;

use super::transverse_mercator::Utm;
use super::{PixelAreas, PolygonError};

/// Half axis of WGS84 and of GRS80 in metres, and their flattenings.
const HALF_AXIS: f64 = 6_378_137.0;
const WGS84_FLATTENING: f64 = 1.0 / 298.257_223_563;
const GRS80_FLATTENING: f64 = 1.0 / 298.257_222_101;

/// From corners of pixels to WGS84 (EPSG:4326, longitude first, as GeoJSON wants it).
///
/// Known: UTM on WGS84 (EPSG:326xx, 327xx) and ETRS89 (258xx), longitude and latitude on WGS84, ETRS89 and NAD83
/// (4326, 4258, 4269), web Mercator (3857). ETRS89 and NAD83 are taken as WGS84: they differ by up to two metres
/// with the drift of the plates, and files do not hold the epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct ToWgs84 {
    transform: [f64; 6],
    projection: Projection,
}

#[derive(Debug, Clone, PartialEq)]
enum Projection {
    Degrees,
    WebMercator,
    Utm(Utm),
}

impl ToWgs84 {
    /// For a raster that lies there.
    ///
    /// # Errors
    /// It has no coordinates, or they are of a system that is not named or not known here.
    pub fn new(georeference: &Georeference) -> Result<Self, PolygonError> {
        let transform = georeference.transform().ok_or(PolygonError::NoPlace)?;
        Self::of_epsg(georeference.epsg().ok_or(PolygonError::NoCrs)?, transform)
    }

    /// For pixels that `transform` maps to the coordinate system of this EPSG code; it is ordered as
    /// [`Georeference::transform`] is.
    ///
    /// # Errors
    /// The system is not known here.
    pub fn of_epsg(epsg: u16, transform: [f64; 6]) -> Result<Self, PolygonError> {
        let utm = |zone, is_southern, flattening| {
            Projection::Utm(Utm::new(zone, is_southern, HALF_AXIS, flattening))
        };
        let projection = match epsg {
            4326 | 4258 | 4269 => Projection::Degrees,
            3857 => Projection::WebMercator,
            epsg @ 32601..=32660 => utm(epsg - 32600, false, WGS84_FLATTENING),
            epsg @ 32701..=32760 => utm(epsg - 32700, true, WGS84_FLATTENING),
            epsg @ 25828..=25838 => utm(epsg - 25800, false, GRS80_FLATTENING),
            epsg => return Err(PolygonError::UnknownCrs { epsg }),
        };
        Ok(Self { transform, projection })
    }

    /// `[longitude, latitude]` in degrees of a place between pixels, `[column, row]`.
    pub fn lon_lat(&self, corner: [f64; 2]) -> [f64; 2] {
        let place @ [x, y] = self.xy(corner);
        let [longitude, latitude] = match &self.projection {
            Projection::Degrees => place,
            Projection::WebMercator => {
                [(x / HALF_AXIS).to_degrees(), (y / HALF_AXIS).sinh().atan().to_degrees()]
            }
            Projection::Utm(utm) => utm.lon_lat(place),
        };
        // Rasters around the Pacific may count on beyond 180.
        let turns = if longitude.abs() > 180.0 { (longitude / 360.0).round() } else { 0.0 };
        [longitude - 360.0 * turns, latitude]
    }

    /// Places in metres on a plane, for lengths: UTM's own, elsewhere one that fits near the first corner.
    pub(super) fn metres(&self, corners: &[[u32; 2]]) -> Vec<[f64; 2]> {
        let exact = |corner: &[u32; 2]| corner.map(f64::from);
        if !self.is_cylindrical() {
            return corners.iter().map(|corner| self.xy(exact(corner))).collect();
        }
        let narrowing = corners.first().map_or(1.0, |first| self.lon_lat(exact(first))[1].to_radians().cos());
        let plane = |corner| {
            let [longitude, latitude] = self.lon_lat(exact(corner));
            [longitude.to_radians() * narrowing * HALF_AXIS, latitude.to_radians() * HALF_AXIS]
        };
        corners.iter().map(plane).collect()
    }

    /// Whether columns of the coordinate system are meridians.
    fn is_cylindrical(&self) -> bool {
        !matches!(self.projection, Projection::Utm(_))
    }

    /// The areas of a raster's pixels: on the plane of a UTM zone; on the ellipsoid where the raster is in degrees
    /// or in web Mercator, whose squares shrink towards the poles. A turned raster there has none.
    pub fn pixel_areas(&self, height: usize) -> PixelAreas {
        let [a, b, _, d, e, _] = self.transform;
        let radians = match &self.projection {
            Projection::Utm(_) => return PixelAreas::Equal((a * e - b * d).abs()),
            Projection::Degrees => a.to_radians(),
            Projection::WebMercator => a / HALF_AXIS,
        };
        if b != 0.0 || d != 0.0 {
            return PixelAreas::Unknown;
        }
        let edge = |row: usize| cylinder_area(self.lon_lat([0.0, row as f64])[1]);
        PixelAreas::Rows((0..=height).map(|row| (radians * (edge(row) - edge(0))).abs()).collect())
    }

    /// Whether left and right are exchanged between pixels and map: rings run the other way round then.
    pub(super) fn is_mirrored(&self) -> bool {
        let [a, b, _, d, e, _] = self.transform;
        a * e - b * d > 0.0
    }

    fn xy(&self, [column, row]: [f64; 2]) -> [f64; 2] {
        let [a, b, c, d, e, f] = self.transform;
        [a * column + b * row + c, d * column + e * row + f]
    }
}

/// Area in square metres from the equator to a latitude, for each radian of longitude, on WGS84's ellipsoid
/// (J. P. Snyder, "Map projections: a working manual", 1987, equation 3-12 times the half axis squared, halved).
fn cylinder_area(latitude_degrees: f64) -> f64 {
    let squared = WGS84_FLATTENING * (2.0 - WGS84_FLATTENING);
    let (eccentricity, sin) = (squared.sqrt(), latitude_degrees.to_radians().sin());
    let q = sin / (1.0 - squared * sin * sin) + (eccentricity * sin).atanh() / eccentricity;
    HALF_AXIS * HALF_AXIS * (1.0 - squared) * q / 2.0
}
