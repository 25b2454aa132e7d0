//! What a raster does not say of itself.

use farsight_spec::RasterInput;
use farsight_vision::{BandChoice, BandMatch, RasterInfo, ToWgs84};

use crate::Error;

/// What a raster does not say of itself. Nothing of it is guessed: left alone, values are taken as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Year and day of the year (1 to 366) of each date, for models that want them.
    pub dates: Vec<[u16; 2]>,
    /// The model's bands by their numbers in each date's file, from 1, as GDAL counts; found by name if empty.
    pub bands: Vec<usize>,
    /// A stored value becomes `value * scale + offset` before anything else; a value that means "no data" stays.
    pub scale: f64,
    /// See `scale`: -1000 takes back the offset of Sentinel-2 products since processing baseline 04.00.
    pub offset: f64,
}

impl Default for Scene {
    fn default() -> Self {
        Self { dates: Vec::new(), bands: Vec::new(), scale: 1.0, offset: 0.0 }
    }
}

impl Scene {
    /// The bands that were asked for by number, of each date.
    pub(super) fn numbered(
        &self,
        numbers: &[usize],
        info: &RasterInfo,
        input: &RasterInput,
    ) -> Result<BandChoice, Error> {
        let (wanted, frames, found) = (input.bands.len(), input.frames, info.bands.len());
        let each = found / frames;
        if numbers.len() != wanted || !found.is_multiple_of(frames) {
            return Err(Error::Scene(format!(
                "{} band number(s) given for {found} bands; the model takes {wanted} of each of {frames} date(s)",
                numbers.len()
            )));
        }
        if let Some(number) = numbers.iter().find(|number| !(1..=each).contains(*number)) {
            return Err(Error::Scene(format!(
                "there is no band {number}; each date has {each}, counted from 1"
            )));
        }
        let of_date = |date: usize| numbers.iter().map(move |number| date * each + number - 1);
        Ok(BandChoice { bands: (0..frames).flat_map(of_date).collect(), matched: BandMatch::ByNumber })
    }

    /// The values of an input `[1, frames, 2]`: year and day of the year.
    pub(super) fn date_values(&self, frames: usize) -> Result<Vec<f32>, Error> {
        if self.dates.len() != frames {
            return Err(Error::Scene(format!(
                "the model wants to know {frames} date(s), {} given; name the files by them (…20240531T…) or give them \
                 in order",
                self.dates.len()
            )));
        }
        if let Some([year, day]) =
            self.dates.iter().find(|[year, day]| *year == 0 || !(1..=366).contains(day))
        {
            return Err(Error::Scene(format!(
                "year {year}, day {day} is no date; expected a day from 1 to 366"
            )));
        }
        Ok(self.dates.iter().flatten().map(|number| f32::from(*number)).collect())
    }
}

/// The values of an input `[1, 2]`: longitude and latitude of the raster's middle, degrees in WGS84.
pub(super) fn location_values(info: &RasterInfo) -> Result<Vec<f32>, Error> {
    let place = ToWgs84::new(&info.georeference)
        .map_err(|error| Error::Scene(format!("the model wants to know where the raster lies: {error}")))?;
    let middle = [0, 1].map(|axis| info.size[1 - axis] as f64 / 2.0);
    Ok(place.lon_lat(middle).map(|degrees| degrees as f32).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_must_be_as_many_as_the_model_wants() {
        let scene = Scene { dates: vec![[2024, 152], [2023, 366]], ..Scene::default() };
        assert_eq!(scene.date_values(2).unwrap(), [2024.0, 152.0, 2023.0, 366.0]);
        assert!(scene.date_values(3).unwrap_err().to_string().contains("3 date(s), 2 given"));
        let wrong = Scene { dates: vec![[2024, 367]], ..Scene::default() };
        assert!(wrong.date_values(1).unwrap_err().to_string().contains("day 367"));
    }
}
