//! Which bands of a file are the ones a model wants.

use std::path::Path;

use farsight_spec::Band;

use super::{BandInfo, RasterError, RasterInfo};

/// The bands of a file that a model takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BandChoice {
    /// Their places in the file, from 0, in the model's order.
    pub bands: Vec<usize>,
    /// How they were found.
    pub matched: BandMatch,
}

/// How bands were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BandMatch {
    /// By the names in the file.
    ByName,
    /// By the numbers that were asked for.
    ByNumber,
    /// The file names no bands and has as many as the model takes: taken in the file's order. Worth telling
    /// the user, because a wrong order gives a wrong answer without any error.
    InOrder,
}

/// Finds the wanted bands in each of `frames` dates, which follow each other in the raster.
pub(crate) fn of_frames(
    path: &Path,
    bands: &[BandInfo],
    wanted: &[Band],
    frames: usize,
) -> Result<BandChoice, RasterError> {
    if frames == 1 {
        return by_name(path, bands, wanted);
    }
    if frames == 0 || !bands.len().is_multiple_of(frames) || bands.len() < frames * wanted.len() {
        let found = format!(
            "the model wants {frames} dates of {}, one file a date or one file with all of them",
            count(wanted.len())
        );
        return Err(error(path, bands, found));
    }
    let each = bands.len() / frames;
    let mut chosen = BandChoice { bands: Vec::new(), matched: BandMatch::InOrder };
    for (date, own) in bands.chunks_exact(each).enumerate() {
        let choice = by_name(path, own, wanted)?;
        chosen.bands.extend(choice.bands.iter().map(|band| date * each + band));
        chosen.matched = choice.matched;
    }
    Ok(chosen)
}

/// A raster of so many files is not of so many dates.
pub(crate) fn wrong_frames(info: &RasterInfo, wanted: usize, frames: usize) -> RasterError {
    let found = format!("the model wants {frames} date(s) of {}; give one raster a date", count(wanted));
    error(Path::new("these rasters"), &info.bands, found)
}

/// Finds the wanted bands by name or alias, whatever their case.
pub(crate) fn by_name(path: &Path, bands: &[BandInfo], wanted: &[Band]) -> Result<BandChoice, RasterError> {
    if bands.iter().all(|band| band.name.is_none()) {
        if bands.len() == wanted.len() {
            return Ok(BandChoice { bands: (0..wanted.len()).collect(), matched: BandMatch::InOrder });
        }
        let names: Vec<&str> = wanted.iter().map(|band| band.name.as_str()).collect();
        let found = format!("the model wants {} ({})", count(wanted.len()), names.join(", "));
        return Err(error(path, bands, found));
    }
    let mut missing = Vec::new();
    let mut chosen = Vec::new();
    for band in wanted {
        match matching(bands, band).as_slice() {
            [one] => chosen.push(*one),
            [] => missing.push(spelled(band)),
            many => {
                let numbers: Vec<String> = many.iter().map(|band| (band + 1).to_string()).collect();
                let found = format!("bands {} are all called {}", numbers.join(", "), spelled(band));
                return Err(error(path, bands, found));
            }
        }
    }
    if !missing.is_empty() {
        return Err(error(path, bands, format!("no band called {}", missing.join(", "))));
    }
    Ok(BandChoice { bands: chosen, matched: BandMatch::ByName })
}

/// Checks band numbers, which count from 1 as GDAL's do.
pub(crate) fn by_number(
    path: &Path,
    bands: &[BandInfo],
    numbers: &[usize],
) -> Result<BandChoice, RasterError> {
    if let Some(number) = numbers.iter().find(|number| !(1..=bands.len()).contains(number)) {
        return Err(error(path, bands, format!("no band {number} (they count from 1)")));
    }
    Ok(BandChoice { bands: numbers.iter().map(|n| n - 1).collect(), matched: BandMatch::ByNumber })
}

/// The places of the bands that go by the wanted band's name or one of its aliases.
pub(crate) fn matching(bands: &[BandInfo], wanted: &Band) -> Vec<usize> {
    let is = |name: &str, other: &str| name.trim().to_lowercase() == other.trim().to_lowercase();
    let named = |name: &str| is(name, &wanted.name) || wanted.aliases.iter().any(|alias| is(name, alias));
    (0..bands.len()).filter(|&i| bands[i].name.as_deref().is_some_and(named)).collect()
}

fn spelled(band: &Band) -> String {
    match band.aliases.as_slice() {
        [] => format!("\"{}\"", band.name),
        aliases => format!("\"{}\" (or {})", band.name, aliases.join(", ")),
    }
}

fn error(path: &Path, bands: &[BandInfo], found: String) -> RasterError {
    RasterError::Bands { path: path.to_owned(), found, has: list(bands) }
}

/// The file's bands in words, not more than a line of them.
fn list(bands: &[BandInfo]) -> String {
    const SHOWN: usize = 24;
    if bands.iter().all(|band| band.name.is_none()) {
        return format!("{} without names", count(bands.len()));
    }
    let names = bands.iter().take(SHOWN).enumerate();
    let names: Vec<String> =
        names.map(|(i, band)| format!("{}: {}", i + 1, band.name.as_deref().unwrap_or("no name"))).collect();
    let more = if bands.len() > SHOWN { ", …" } else { "" };
    format!("{} ({}{more})", count(bands.len()), names.join(", "))
}

fn count(bands: usize) -> String {
    if bands == 1 { "1 band".into() } else { format!("{bands} bands") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(names: &[&str]) -> Vec<BandInfo> {
        let name = |name: &&str| Some(name.to_string()).filter(|n| !n.is_empty());
        names.iter().map(|n| BandInfo { name: name(n), ..BandInfo::default() }).collect()
    }

    fn model() -> Vec<Band> {
        let band = |name: &str, alias: &str| Band { name: name.into(), aliases: vec![alias.into()] };
        vec![band("blue", "B02"), band("red", "B04")]
    }

    #[test]
    fn finds_bands_or_says_what_there_is() {
        use BandMatch::{ByName, InOrder};
        type Expected = Result<(Vec<usize>, BandMatch), &'static str>;
        let rows: &[(&[&str], Expected)] = &[
            (&["blue", "red"], Ok((vec![0, 1], ByName))),
            (&["B04", "x", "b02 "], Ok((vec![2, 0], ByName))),
            (&["RED", "", "Blue"], Ok((vec![2, 0], ByName))),
            (&["", ""], Ok((vec![0, 1], InOrder))),
            (&["", "", ""], Err("the model wants 2 bands (blue, red); the file has 3 bands without names")),
            (&[""], Err("the file has 1 band without names")),
            (
                &["nir", "green"],
                Err(
                    "no band called \"blue\" (or B02), \"red\" (or B04); the file has 2 bands (1: nir, 2: green)",
                ),
            ),
            (&["blue", "B02", "red"], Err("bands 1, 2 are all called \"blue\"")),
            (&["blue", ""], Err("(1: blue, 2: no name)")),
        ];
        for (names, expected) in rows {
            match (by_name(Path::new("a.tif"), &file(names), &model()), expected) {
                (Ok(found), Ok((bands, matched))) => {
                    assert_eq!((&found.bands, &found.matched), (bands, matched), "{names:?}");
                }
                (Err(found), Err(part)) => assert!(found.to_string().contains(part), "{names:?}: {found}"),
                (found, _) => panic!("{names:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn numbers_count_from_one() {
        let bands = file(&["a", "b", "c"]);
        assert_eq!(by_number(Path::new("a.tif"), &bands, &[3, 1]).unwrap().bands, [2, 0]);
        for wrong in [0, 4] {
            let text = by_number(Path::new("a.tif"), &bands, &[wrong]).unwrap_err().to_string();
            assert!(text.contains("the file has 3 bands (1: a, 2: b, 3: c)"), "{text}");
        }
    }
}
