//! From UTM metres back to longitude and latitude: Krüger's series to the sixth order.
//!
//! Formulas and coefficients: C. F. F. Karney, "Transverse Mercator with an accuracy of a few nanometers", J. Geodesy
//! 85 (2011), equations 11, 15 to 21 and 36 (as PROJ's `etmerc`). Within a zone the error is some nanometres.

/// Scale on the central meridian, false easting, false northing of southern zones.
const SCALE: f64 = 0.9996;
const EASTING: f64 = 500_000.0;
const SOUTHERN_NORTHING: f64 = 10_000_000.0;

/// A UTM zone on an ellipsoid.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Utm {
    meridian_degrees: f64,
    northing: f64,
    /// Radius of the sphere of equal meridian length, times the scale.
    radius: f64,
    eccentricity_squared: f64,
    beta: [f64; 6],
}

impl Utm {
    /// Zone 1 to 60 on an ellipsoid of this half axis and flattening.
    pub(super) fn new(zone: u16, is_southern: bool, half_axis: f64, flattening: f64) -> Self {
        let n = flattening / (2.0 - flattening);
        let radius = half_axis / (1.0 + n) * (1.0 + n.powi(2) / 4.0 + n.powi(4) / 64.0 + n.powi(6) / 256.0);
        Self {
            meridian_degrees: f64::from(zone) * 6.0 - 183.0,
            northing: if is_southern { SOUTHERN_NORTHING } else { 0.0 },
            radius: radius * SCALE,
            eccentricity_squared: flattening * (2.0 - flattening),
            beta: beta(n),
        }
    }

    /// `[longitude, latitude]` in degrees.
    pub(super) fn lon_lat(&self, [easting, northing]: [f64; 2]) -> [f64; 2] {
        let xi = (northing - self.northing) / self.radius;
        let eta = (easting - EASTING) / self.radius;
        let [xi_offset, eta_offset] = self.series(2.0 * xi, 2.0 * eta);
        let (xi_sphere, eta_sphere) = (xi - xi_offset, eta - eta_offset);
        let ((sin, cos), sinh) = (xi_sphere.sin_cos(), eta_sphere.sinh());
        let tangent = self.geodetic(sin / sinh.hypot(cos));
        [self.meridian_degrees + sinh.atan2(cos).to_degrees(), tangent.atan().to_degrees()]
    }

    /// The sum of `beta[j - 1] * sin(j * z)` for `z = x + iy`, real and imaginary part (equation 11), where each sine
    /// follows from the two before it: `sin((j + 1) z) = 2 cos(z) sin(j z) - sin((j - 1) z)`.
    fn series(&self, x: f64, y: f64) -> [f64; 2] {
        let ((sin, cos), (sinh, cosh)) = (x.sin_cos(), (y.sinh(), y.cosh()));
        let twice_cos = [2.0 * cos * cosh, -2.0 * sin * sinh];
        let (mut before, mut sine) = ([0.0; 2], [sin * cosh, cos * sinh]);
        let mut sum = [0.0; 2];
        for beta in self.beta {
            sum = [sum[0] + beta * sine[0], sum[1] + beta * sine[1]];
            let next = [
                twice_cos[0] * sine[0] - twice_cos[1] * sine[1] - before[0],
                twice_cos[0] * sine[1] + twice_cos[1] * sine[0] - before[1],
            ];
            (before, sine) = (sine, next);
        }
        sum
    }

    /// The tangent of the latitude from that of the conformal latitude, by Newton's method (equations 19 to 21).
    fn geodetic(&self, conformal: f64) -> f64 {
        let squared = self.eccentricity_squared;
        let eccentricity = squared.sqrt();
        let mut tangent = conformal / (1.0 - squared);
        // Right to three digits at the start, and twice as many after each step.
        for _ in 0..2 {
            let secant = 1.0f64.hypot(tangent);
            let sigma = (eccentricity * (eccentricity * tangent / secant).atanh()).sinh();
            let found = tangent * 1.0f64.hypot(sigma) - sigma * secant;
            let slope = (1.0 + (1.0 - squared) * tangent * tangent) / ((1.0 - squared) * secant);
            tangent += (conformal - found) / 1.0f64.hypot(found) * slope;
        }
        tangent
    }
}

/// The coefficients of equation 36.
fn beta(n: f64) -> [f64; 6] {
    let polynomial = |coefficients: &[f64]| coefficients.iter().rev().fold(0.0, |sum, c| (sum + c) * n);
    [
        polynomial(&[1.0 / 2.0, -2.0 / 3.0, 37.0 / 96.0, -1.0 / 360.0, -81.0 / 512.0, 96_199.0 / 604_800.0]),
        polynomial(&[0.0, 1.0 / 48.0, 1.0 / 15.0, -437.0 / 1440.0, 46.0 / 105.0, -1_118_711.0 / 3_870_720.0]),
        polynomial(&[0.0, 0.0, 17.0 / 480.0, -37.0 / 840.0, -209.0 / 4480.0, 5569.0 / 90_720.0]),
        polynomial(&[0.0, 0.0, 0.0, 4397.0 / 161_280.0, -11.0 / 504.0, -830_251.0 / 7_257_600.0]),
        polynomial(&[0.0, 0.0, 0.0, 0.0, 4583.0 / 161_280.0, -108_847.0 / 3_991_680.0]),
        polynomial(&[0.0, 0.0, 0.0, 0.0, 0.0, 20_648_693.0 / 638_668_800.0]),
    ]
}
