//! Which files make up a raster, and what they do not say of themselves.

use std::path::{Path, PathBuf};

use farsight::Scene;
use farsight_spec::RasterInput;
use farsight_vision::{Raster, RasterError, RasterSeries, RasterSource, RasterStack, open_raster};

use super::Failure;

/// How rasters are put together.
#[derive(Debug, clap::Args)]
pub(crate) struct SceneArguments {
    /// All inputs are bands of one raster: files of a band or several each, or folders of such files
    #[arg(long)]
    stack: bool,
    /// When each date of a raster was taken, for models that want to know; else the files' names say it (…20240531T…)
    #[arg(long, value_name = "YYYY-MM-DD", value_delimiter = ',', value_parser = day)]
    dates: Vec<[u16; 2]>,
    /// The model's bands by their numbers in the files, counted from 1, in the model's order; else by their names
    #[arg(long, value_name = "N", value_delimiter = ',')]
    bands: Vec<usize>,
    /// A stored value becomes value * SCALE + OFFSET first; values that mean "no data" stay
    #[arg(long, default_value_t = 1.0, value_parser = finite, allow_negative_numbers = true)]
    scale: f64,
    /// See --scale; -1000 for Sentinel-2 products since processing baseline 04.00 (January 2022)
    #[arg(long, default_value_t = 0.0, value_parser = finite, allow_negative_numbers = true)]
    offset: f64,
}

impl SceneArguments {
    /// Whether something was asked for that only rasters have.
    pub(super) fn are_given(&self) -> bool {
        self.stack
            || !self.dates.is_empty()
            || !self.bands.is_empty()
            || self.scale != 1.0
            || self.offset != 0.0
    }
}

/// One raster: the files of each of its dates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    dates: Vec<Vec<PathBuf>>,
}

impl Files {
    /// One raster of one file or folder.
    fn one(path: PathBuf) -> Self {
        Self { dates: vec![vec![path]] }
    }

    /// What the raster is called.
    pub(super) fn path(&self) -> &Path {
        &self.dates[0][0]
    }

    /// Opens all its files.
    pub(super) fn open(&self) -> Result<Box<dyn RasterSource>, RasterError> {
        let date = |files: &Vec<PathBuf>| -> Result<Box<dyn RasterSource>, RasterError> {
            match files.as_slice() {
                [one] => Ok(open_raster(one)?),
                files => Ok(Box::new(RasterStack::open(files)?)),
            }
        };
        match self.dates.as_slice() {
            [one] => date(one),
            dates => {
                let opened = dates.iter().map(|files| Ok((files[0].clone(), date(files)?)));
                Ok(Box::new(RasterSeries::new(opened.collect::<Result<_, RasterError>>()?)?))
            }
        }
    }

    /// What the files do not say of themselves.
    pub(super) fn scene(&self, input: &RasterInput, arguments: &SceneArguments) -> Scene {
        let wants_dates = input.coordinates.as_ref().is_some_and(|names| names.dates.is_some());
        let named = || self.dates.iter().filter_map(|files| day_in(&files[0])).collect();
        let dates = match arguments.dates.as_slice() {
            [] if wants_dates => named(),
            given => given.to_vec(),
        };
        Scene { dates, bands: arguments.bands.clone(), scale: arguments.scale, offset: arguments.offset }
    }
}

/// The rasters that the given files and folders make.
///
/// A folder whose GeoTIFFs have one band each is one raster, if the model takes more; else each of its files is one.
/// Where the model takes several dates at once and as many rasters are given, they are the dates of one.
pub(super) fn gather(
    given: &[PathBuf],
    input: &RasterInput,
    arguments: &SceneArguments,
) -> Result<Vec<Files>, Failure> {
    let mut paths = Vec::new();
    for path in given {
        if path.is_dir() {
            let files = files_of(path)?;
            match is_one_raster(&files, input) && !arguments.stack {
                true => paths.push(path.clone()),
                false => paths.extend(files),
            }
        } else {
            paths.push(path.clone());
        }
    }
    if arguments.stack {
        return Ok(vec![Files { dates: vec![paths] }]);
    }
    if input.frames > 1 && paths.len() == input.frames {
        return Ok(vec![Files { dates: paths.into_iter().map(|path| vec![path]).collect() }]);
    }
    Ok(paths.into_iter().map(Files::one).collect())
}

fn is_one_raster(files: &[PathBuf], input: &RasterInput) -> bool {
    let bands = |file: &PathBuf| Raster::open(file).map_or(0, |raster| raster.info().bands.len());
    input.bands.len() > 1 && files.first().is_some_and(|file| bands(file) == 1)
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    let mut jpeg_2000 = false;
    for entry in std::fs::read_dir(folder).map_err(|error| Failure::io(folder, error))? {
        let path = entry.map_err(|error| Failure::io(folder, error))?.path();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let is = |known: &str| extension.eq_ignore_ascii_case(known);
        jpeg_2000 |= is("jp2") || is("safe");
        if path.is_file() && (is("tif") || is("tiff")) {
            files.push(path);
        }
    }
    jpeg_2000 |= folder.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safe"));
    if files.is_empty() && !jpeg_2000 {
        let message = format!("{}: this folder holds no GeoTIFF files (.tif, .tiff)", folder.display());
        return Err(Failure::new("no-input", message));
    }
    if files.is_empty() {
        // Its own error tells how to convert.
        open_raster(folder).map_err(farsight::Error::from)?;
    }
    files.sort();
    Ok(files)
}

/// Year and day of the year in a file's name: the digits before a `T` and a time, as in `2024152T103021` or
/// `20240531T103021`.
fn day_in(file: &Path) -> Option<[u16; 2]> {
    let name = file.file_name()?.to_str()?;
    name.match_indices('T').find_map(|(at, _)| {
        let (before, after) = (&name[..at], &name[at + 1..]);
        let time = after.chars().take_while(char::is_ascii_digit).count();
        let digits = before.len() - before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let digits = &before[before.len() - digits..];
        match (digits.len(), time) {
            (7, 6..) => Some([digits[..4].parse().ok()?, digits[4..].parse().ok()?]),
            (8, 6..) => day(&format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..])).ok(),
            _ => None,
        }
    })
}

/// `YYYY-MM-DD` as year and day of the year.
fn day(text: &str) -> Result<[u16; 2], String> {
    let wrong = || format!("{text:?} is no date; expected YYYY-MM-DD");
    let parts: Vec<u16> = text.split('-').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let &[year, month, day] = parts.as_slice() else { return Err(wrong()) };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if is_leap { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = months.get(usize::from(month).wrapping_sub(1)).ok_or_else(wrong)?;
    if year == 0 || !(1..=*length).contains(&day) {
        return Err(wrong());
    }
    Ok([year, months[..usize::from(month) - 1].iter().sum::<u16>() + day])
}

fn finite(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(|| "expected a number".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_from_the_first_of_january() {
        assert_eq!(day("2024-01-01"), Ok([2024, 1]));
        assert_eq!(day("2024-12-31"), Ok([2024, 366]));
        assert_eq!(day("2023-03-01"), Ok([2023, 60]));
        assert_eq!(day("1900-12-31"), Ok([1900, 365]));
        for wrong in ["2023-02-29", "2024-13-01", "2024-00-10", "2024-5", "yesterday", "0-1-1", "2024-04-31"]
        {
            assert!(day(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_tell_days() {
        let rows = [
            ("HLS.S30.T13TEF.2018245T174911.v2.0.tif", Some([2018, 245])),
            ("S2A_MSIL2A_20240531T103021_N0510_T32UNU.tif", Some([2024, 152])),
            ("T32UNU_20240230T103021.tif", None),
            ("scene_2024.tif", None),
            ("Ä2024152T1.tif", None),
        ];
        for (name, expected) in rows {
            assert_eq!(day_in(Path::new(name)), expected, "{name}");
        }
    }
}
