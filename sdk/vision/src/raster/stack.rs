//! Several files of one scene, read as one raster.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use farsight_spec::{Band, ElementType};

use super::georeference::Georeference;
use super::resample::{Resample, Upsample};
use super::{BandChoice, BandInfo, Raster, RasterError, RasterInfo, RasterSource, bands, file_name};
use crate::{TileError, Window, read_padded_window};

/// Files that make one raster; a scene of a satellite has some dozen bands.
pub(crate) const MAX_FILES: usize = 256;

/// Several files of one scene, of one date, read as one raster: Sentinel-2, HLS and Landsat come as a file a band.
///
/// The grid is that of the file of the finest pixels. Every other file has the same coordinate system and extent,
/// and pixels that are 1, 2, 3, … times as large; those are brought onto the grid ([`Resample`], nearest unless
/// [`RasterStack::set_resample`] says otherwise). A band goes by its description in the file, or, in a file of one
/// band, by the file's name. Where a name is there in several resolutions (`B02_10m`, `B02_20m`), the finest
/// counts. [`RasterInfo::nodata`] is there if all files have the same; each band has its own.
#[derive(Debug)]
pub struct RasterStack {
    /// Folder of the first file, for messages.
    folder: PathBuf,
    info: RasterInfo,
    files: Vec<Layer>,
    places: Vec<Place>,
    /// What the files' names say, beside `info.bands`: a description need not be the name a model knows.
    named_by_file: Vec<BandInfo>,
    resample: Resample,
    threads: usize,
}

/// A file of the stack.
#[derive(Debug)]
struct Layer {
    raster: Raster,
    /// Its own pixels of a window, before they are brought onto the grid.
    coarse: Vec<f32>,
}

/// A window on the grid.
#[derive(Debug, Clone, Copy)]
struct Part {
    start: [usize; 2],
    size: [usize; 2],
    resample: Resample,
}

/// Where a band of the stack is.
#[derive(Debug, Clone, Copy)]
struct Place {
    file: usize,
    /// From 0.
    band: usize,
    /// Side of its pixels in pixels of the grid.
    ratio: usize,
}

impl RasterStack {
    /// Opens every file and checks that they lie over each other; no pixels are read yet.
    ///
    /// # Errors
    /// No file or too many, one that [`Raster::open`] refuses, or two that differ in coordinate system or extent,
    /// or whose pixels do not divide each other; the error names both.
    pub fn open(paths: &[PathBuf]) -> Result<Self, RasterError> {
        let folder = paths.first().and_then(|path| path.parent()).unwrap_or(Path::new("")).to_owned();
        let wrong_count = || {
            let found = format!("{} files; 1 to {MAX_FILES} make one raster", paths.len());
            RasterError::Folder { path: folder.clone(), found }
        };
        if paths.len() > MAX_FILES {
            return Err(wrong_count());
        }
        let files: Vec<Raster> = paths.iter().map(Raster::open).collect::<Result<_, _>>()?;
        // The first of the finest files.
        let finest = files.iter().rev().max_by_key(|file| file.info().size).ok_or_else(wrong_count)?;
        let ratios: Vec<usize> = files.iter().map(|file| ratio(finest, file)).collect::<Result<_, _>>()?;
        let (places, named_by_file) = places(&files, &ratios);
        let info = info(&files, finest, &places);
        let files = files.into_iter().map(|raster| Layer { raster, coarse: Vec::new() }).collect();
        Ok(Self { folder, info, files, places, named_by_file, resample: Resample::default(), threads: 1 })
    }

    /// Sets how coarser bands are brought onto the grid.
    pub fn set_resample(&mut self, method: Resample) {
        self.resample = method;
    }

    /// Bands by their numbers, which count from 1: file after file in the order they were given, band after band.
    ///
    /// # Errors
    /// There is no such band; the error lists those there are.
    pub fn choose_band_numbers(&self, numbers: &[usize]) -> Result<BandChoice, RasterError> {
        bands::by_number(&self.folder, &self.info.bands, numbers)
    }

    /// Reads a window inside the raster, as [`Raster::read_window`] does.
    ///
    /// # Errors
    /// As there; damage names the file it is in.
    pub fn read_window(
        &mut self,
        row: usize,
        column: usize,
        height: usize,
        width: usize,
        bands: &[usize],
        out: &mut [f32],
    ) -> Result<(), RasterError> {
        let raster = self.info.size;
        let inside = |first: usize, length: usize, all: usize| {
            length > 0 && first.checked_add(length).is_some_and(|end| end <= all)
        };
        if !inside(row, height, raster[0]) || !inside(column, width, raster[1]) {
            let (start, size) = ([row, column], [height, width]);
            return Err(RasterError::Window { path: self.folder.clone(), start, size, raster });
        }
        let expected = bands.len().saturating_mul(height * width);
        if out.len() != expected {
            return Err(TileError::Length { what: "window buffer", found: out.len(), expected }.into());
        }
        let mut wanted: Vec<Vec<(Place, &mut [f32])>> = self.files.iter().map(|_| Vec::new()).collect();
        for (&band, out) in bands.iter().zip(out.chunks_exact_mut(height * width)) {
            match self.places.get(band) {
                Some(place) => wanted[place.file].push((*place, out)),
                None => {
                    self.choose_band_numbers(&[band.saturating_add(1)])?;
                }
            }
        }
        let part = Part { start: [row, column], size: [height, width], resample: self.resample };
        let work = self.files.iter_mut().zip(wanted).filter(|(_, wanted)| !wanted.is_empty()).collect();
        read_layers(work, part, self.threads)
    }

    /// Two files that hold a wanted band in the same resolution: which of them is meant?
    fn check_once(&self, bands: &[BandInfo], wanted: &[Band]) -> Result<(), RasterError> {
        for band in wanted {
            let [first, second, ..] = bands::matching(bands, band)[..] else { continue };
            let [first, second] =
                [first, second].map(|band| self.files[self.places[band].file].raster.path());
            if first != second {
                let found =
                    format!("both hold the band \"{}\"; give the files of one scene and one date", band.name);
                return Err(RasterError::Stack { first: first.into(), second: second.into(), found });
            }
        }
        Ok(())
    }
}

impl RasterSource for RasterStack {
    fn info(&self) -> &RasterInfo {
        &self.info
    }

    /// By the names in [`RasterInfo::bands`]; where those do not do, by the names of the files.
    fn choose_bands(&self, wanted: &[Band], frames: usize) -> Result<BandChoice, RasterError> {
        if frames != 1 {
            return Err(bands::wrong_frames(&self.info, wanted.len(), frames));
        }
        let by = |bands: &[BandInfo]| {
            self.check_once(bands, wanted)?;
            bands::by_name(&self.folder, bands, wanted)
        };
        let by_description = by(&self.info.bands);
        if by_description.is_err() && self.named_by_file.iter().all(|band| band.name.is_some()) {
            return by(&self.named_by_file).or(by_description);
        }
        by_description
    }

    fn expect_windows(&mut self, height: usize, _bands: usize) {
        for (file, Layer { raster, .. }) in self.files.iter_mut().enumerate() {
            let mut places = self.places.iter().filter(|place| place.file == file).peekable();
            let Some(ratio) = places.peek().map(|place| place.ratio) else { continue };
            // A pixel more above and below, for those in between.
            let height = height.div_ceil(ratio).saturating_add(2);
            raster.set_cache_bytes(raster.bytes_for_windows(height, places.count()));
        }
    }

    fn set_threads(&mut self, threads: NonZeroUsize) {
        self.threads = threads.get();
        // Files are read side by side; where they are fewer than threads, so are the blocks of each.
        let files = NonZeroUsize::new(threads.get().div_ceil(self.files.len().max(1)));
        self.files.iter_mut().for_each(|file| file.raster.set_threads(files.unwrap_or(NonZeroUsize::MIN)));
    }

    fn read_padded(
        &mut self,
        window: &Window,
        bands: &[usize],
        scratch: &mut Vec<f32>,
        out: &mut [f32],
    ) -> Result<(), RasterError> {
        let raster = self.info.size;
        read_padded_window(raster, window, bands.len(), scratch, out, |row, column, height, width, values| {
            self.read_window(row, column, height, width, bands, values)
        })
    }
}

impl Layer {
    /// Fills the parts of a window that are this file's bands.
    fn read(&mut self, part: Part, wanted: &mut [(Place, &mut [f32])]) -> Result<(), RasterError> {
        wanted.iter_mut().try_for_each(|(place, out)| self.read_band(part, *place, out))
    }

    fn read_band(&mut self, part: Part, place: Place, out: &mut [f32]) -> Result<(), RasterError> {
        let Part { start, size: [height, width], resample } = part;
        let Place { band, ratio, .. } = place;
        if ratio == 1 {
            return self.raster.read_window(start[0], start[1], height, width, &[band], out);
        }
        let size = self.raster.info().size;
        let rows = resample.reach(start[0], height, ratio, size[0]);
        let columns = resample.reach(start[1], width, ratio, size[1]);
        let coarse = &mut self.coarse;
        coarse.resize(rows.len() * columns.len(), 0.0);
        self.raster.read_window(rows.start, columns.start, rows.len(), columns.len(), &[band], coarse)?;
        let info = self.raster.info();
        let (nodata, element) = (info.nodata, info.element);
        Upsample { method: resample, ratio, coarse, rows, columns, nodata, element }.run(start, width, out);
        Ok(())
    }
}

/// A file, and where its bands of a window go.
type Work<'a> = (&'a mut Layer, Vec<(Place, &'a mut [f32])>);

/// Reads files side by side, on so many threads; each takes the next file when it is done with one.
fn read_layers(work: Vec<Work<'_>>, part: Part, threads: usize) -> Result<(), RasterError> {
    let threads = threads.min(work.len());
    let left = Mutex::new(work.into_iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let read = || {
        while let Some((layer, mut wanted)) = next() {
            layer.read(part, &mut wanted)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(read)).collect();
        let mut result = read();
        for other in others {
            match other.join() {
                Ok(found) => result = result.and(found),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        result
    })
}

/// The bands of all files, and what they are called by the files' names.
fn places(files: &[Raster], ratios: &[usize]) -> (Vec<Place>, Vec<BandInfo>) {
    let mut places: Vec<Place> = Vec::new();
    let mut names: Vec<BandInfo> = Vec::new();
    for (file, (raster, &ratio)) in files.iter().zip(ratios).enumerate() {
        let count = raster.info().bands.len();
        let name = if count == 1 { file_name::band_of(raster.path()) } else { None };
        let same = names.iter().position(|other| name.is_some() && other.name == name);
        match same {
            Some(place) if places[place].ratio > ratio => places[place] = Place { file, band: 0, ratio },
            Some(place) if places[place].ratio < ratio => {}
            _ => {
                places.extend((0..count).map(|band| Place { file, band, ratio }));
                names.extend((0..count).map(|_| BandInfo { name: name.clone(), ..BandInfo::default() }));
            }
        }
    }
    (places, names)
}

fn info(files: &[Raster], finest: &Raster, places: &[Place]) -> RasterInfo {
    let band = |place: &Place| {
        let file = &files[place.file];
        let band = file.info().bands[place.band].clone();
        let alone = file.info().bands.len() == 1;
        let by_file = || if alone { file_name::band_of(file.path()) } else { None };
        BandInfo { name: band.name.clone().or_else(by_file), ..band }
    };
    let bands: Vec<BandInfo> = places.iter().map(band).collect();
    let elements = || places.iter().map(|place| files[place.file].info().element);
    let element = elements().next().filter(|first| elements().all(|other| other == *first));
    let same = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan());
    let nodata = bands.first().and_then(|band| band.nodata);
    let nodata = nodata.filter(|a| bands.iter().all(|band| band.nodata.is_some_and(|b| same(*a, b))));
    RasterInfo {
        size: finest.info().size,
        bands,
        element: element.unwrap_or(ElementType::F32),
        georeference: finest.info().georeference.clone(),
        nodata,
    }
}

/// How many pixels of `fine` a pixel of `file` is wide and high.
fn ratio(fine: &Raster, file: &Raster) -> Result<usize, RasterError> {
    let refused = |found: String| {
        Err(RasterError::Stack { first: fine.path().into(), second: file.path().into(), found })
    };
    let (grid, other) = (fine.info(), file.info());
    if !grid.georeference.same_system(&other.georeference) {
        let system = |place: &Georeference| match place.epsg() {
            Some(code) => format!("EPSG:{code}"),
            None if place.is_empty() => "none".to_owned(),
            None => "one without an EPSG code".to_owned(),
        };
        let [a, b] = [grid, other].map(|info| system(&info.georeference));
        return refused(format!(
            "their coordinate systems are {a} and {b}; bring one to the other first: gdalwarp -t_srs {a} IN OUT"
        ));
    }
    if let (Some(a), Some(b)) = (corners(grid), corners(other)) {
        let [height, width] = grid.georeference.pixel_size().unwrap_or_default();
        let near =
            |axis: usize, most: f64| a.iter().zip(&b).all(|(a, b)| (a[axis] - b[axis]).abs() <= most / 2.0);
        if !near(0, width) || !near(1, height) {
            let ([a, b], [c, d]) = ([a[0], a[1]], [b[0], b[1]]);
            return refused(format!(
                "their extents are {a:?} to {b:?} and {c:?} to {d:?} (upper left to lower right); bring them onto \
                 one extent first: gdalwarp -te XMIN YMIN XMAX YMAX IN OUT"
            ));
        }
    }
    let [height, width] = grid.size;
    let ratio = width / other.size[1].max(1);
    if other.size.map(|length| length.saturating_mul(ratio)) != [height, width] {
        let [rows, columns] = other.size;
        return refused(format!(
            "{height} x {width} and {rows} x {columns} pixels (height x width) over the same extent do not divide; \
             bring them onto one grid first: gdalwarp -ts {width} {height} IN OUT"
        ));
    }
    Ok(ratio)
}

/// `[x, y]` of the upper left, lower right and lower left corner.
fn corners(info: &RasterInfo) -> Option<[[f64; 2]; 3]> {
    let [a, b, c, d, e, f] = info.georeference.transform()?;
    let [height, width] = info.size.map(|length| length as f64);
    let at = |column: f64, row: f64| [a * column + b * row + c, d * column + e * row + f];
    Some([at(0.0, 0.0), at(width, height), at(0.0, height)])
}
