//! Following the outlines of a mask's regions, two rows at a time.

use super::chains::{ALONG_ROW, Chains};
use super::regions::Regions;
use super::rings::TOUCH;
use super::{PixelAreas, Polygon, PolygonError};

/// Stands for pixels outside the mask and for classes that get no polygons.
const OUTSIDE: u16 = 256;
/// Region of a run outside.
const NO_REGION: u32 = u32::MAX;
/// Corners must leave room for the bit that marks them.
const MOST: usize = 1 << 30;

/// From rows of a mask to the polygons of its 4-connected regions.
///
/// Memory: what the outlines of the regions hold that the current row goes through; a region that ends is handed
/// out and forgotten. Work: once over the pixels to find runs of one class, then over the runs.
///
/// ```
/// use farsight_vision::{PixelAreas, Polygonizer};
/// let mut found = Vec::new();
/// let mut each = |polygon| {
///     found.push(polygon);
///     Ok(())
/// };
/// let mut polygons = Polygonizer::new([2, 3], PixelAreas::Equal(100.0), 0.0, &[0])?;
/// polygons.push_row(&[0, 1, 1], &mut each)?;
/// polygons.push_row(&[0, 0, 1], &mut each)?;
/// polygons.finish(&mut each)?;
/// assert_eq!(found[0].exterior(), [[3, 0], [1, 0], [1, 1], [2, 1], [2, 2], [3, 2]]);
/// assert_eq!((found[0].class, found[0].pixels, found[0].area_m2), (1, 3, Some(300.0)));
/// # Ok::<(), farsight_vision::PolygonError>(())
/// ```
#[derive(Debug)]
pub struct Polygonizer {
    width: usize,
    height: usize,
    is_skipped: [bool; 256],
    row: u32,
    above: Vec<Run>,
    below: Vec<Run>,
    chains: Chains,
    regions: Regions,
}

/// Pixels of one class beside each other. Column 0 is outside, the mask's first is 1.
#[derive(Debug, Clone, Copy)]
struct Run {
    end: u32,
    class: u16,
    region: u32,
}

impl Polygonizer {
    /// For a mask of `[height, width]`. Classes in `skip` get no polygons (their pixels make holes). Polygons below
    /// `min_area_m2` are left out, and holes below it are filled; 0 keeps all.
    ///
    /// # Errors
    /// No pixels or too many, a negative area, or one where the area of pixels is not known.
    pub fn new(
        size: [usize; 2],
        areas: PixelAreas,
        min_area_m2: f64,
        skip: &[u8],
    ) -> Result<Self, PolygonError> {
        let [height, width] = size;
        if !(1..=MOST).contains(&width) || !(1..=MOST).contains(&height) {
            return Err(PolygonError::Size { found: size });
        }
        if !min_area_m2.is_finite() || min_area_m2 < 0.0 {
            return Err(PolygonError::Setting { name: "smallest area", found: min_area_m2 });
        }
        if min_area_m2 > 0.0 && areas == PixelAreas::Unknown {
            return Err(PolygonError::NoArea);
        }
        let mut is_skipped = [false; 256];
        skip.iter().for_each(|&class| is_skipped[usize::from(class)] = true);
        Ok(Self {
            width,
            height,
            is_skipped,
            row: 0,
            above: vec![Run { end: width as u32 + 2, class: OUTSIDE, region: NO_REGION }],
            below: Vec::new(),
            chains: Chains::new(width + 1),
            regions: Regions::new(areas, min_area_m2),
        })
    }

    /// Takes the next row, `width` classes; `each` gets the polygons that end above it.
    ///
    /// # Errors
    /// A row of another length, one too many, or what `each` says.
    pub fn push_row(
        &mut self,
        row: &[u8],
        each: &mut dyn FnMut(Polygon) -> Result<(), PolygonError>,
    ) -> Result<(), PolygonError> {
        if row.len() != self.width || self.row as usize == self.height {
            let found = format!(
                "{} pixels as row {}, expected {} for each of {} rows",
                row.len(),
                self.row,
                self.width,
                self.height
            );
            return Err(PolygonError::Rows { found });
        }
        self.find_runs(row);
        self.step(each)
    }

    /// After the last row: `each` gets the polygons that reach it.
    ///
    /// # Errors
    /// Rows are missing, or what `each` says.
    pub fn finish(
        mut self,
        each: &mut dyn FnMut(Polygon) -> Result<(), PolygonError>,
    ) -> Result<(), PolygonError> {
        if self.row as usize != self.height {
            let found = format!("only {} of {} were given", self.row, self.height);
            return Err(PolygonError::Rows { found });
        }
        self.below.clear();
        self.below.push(Run { end: self.width as u32 + 2, class: OUTSIDE, region: NO_REGION });
        self.step(each)
    }

    /// The row's runs, with the edge of the mask as part of the outside.
    fn find_runs(&mut self, row: &[u8]) {
        self.below.clear();
        let mut last = Run { end: 1, class: OUTSIDE, region: NO_REGION };
        let mut rest = row;
        while let Some(&class) = rest.first() {
            let length = rest.iter().position(|&other| other != class).unwrap_or(rest.len());
            rest = &rest[length..];
            let class = if self.is_skipped[usize::from(class)] { OUTSIDE } else { u16::from(class) };
            if class != last.class {
                self.below.push(last);
                last = Run { class, ..last };
            }
            last.end += length as u32;
        }
        if last.class != OUTSIDE {
            self.below.push(last);
            last.class = OUTSIDE;
        }
        last.end += 1;
        self.below.push(last);
    }

    fn step(
        &mut self,
        each: &mut dyn FnMut(Polygon) -> Result<(), PolygonError>,
    ) -> Result<(), PolygonError> {
        self.assign_regions();
        self.follow_outlines();
        for run in self.above.iter().filter(|run| run.class != OUTSIDE) {
            if let Some(polygon) = self.regions.complete(run.region, self.row) {
                each(polygon)?;
            }
        }
        for run in self.below.iter_mut().filter(|run| run.class != OUTSIDE) {
            run.region = self.regions.find(run.region);
        }
        self.regions.recycle();
        std::mem::swap(&mut self.above, &mut self.below);
        self.row += 1;
        Ok(())
    }

    /// Each run joins the regions of its class that it touches in the row above, or begins a new one.
    fn assign_regions(&mut self) {
        let mut first = 0;
        let mut start = 0;
        for run in &mut self.below {
            while self.above[first].end <= start {
                first += 1;
            }
            if run.class != OUTSIDE {
                let mut above_start = start;
                for above in &self.above[first..] {
                    if above_start >= run.end {
                        break;
                    }
                    if above.class == run.class {
                        run.region = match run.region {
                            NO_REGION => self.regions.find(above.region),
                            region => self.regions.join(region, above.region),
                        };
                    }
                    above_start = above.end;
                }
                if run.region == NO_REGION {
                    run.region = self.regions.begin(run.class as u8, self.row);
                }
                self.regions.touch(run.region, self.row);
            }
            start = run.end;
        }
    }

    /// Goes along the line between the two rows, from one corner where runs end to the next.
    fn follow_outlines(&mut self) {
        let (mut a, mut b) = (0, 0);
        loop {
            let (above, below) = (self.above[a], self.below[b]);
            let column = above.end.min(below.end);
            if column as usize == self.width + 2 {
                break;
            }
            a += usize::from(above.end == column);
            b += usize::from(below.end == column);
            self.corner(column, [self.above[a], self.below[b], below, above]);
        }
    }

    /// A corner between four pixels: right above, right below, left below, left above.
    ///
    /// Edges are numbered clockwise: 0 goes up from the corner, 1 right, 2 down, 3 left. With its region on the left
    /// an outline that comes in along an edge leaves by the next edge clockwise. It may come in
    /// or leave along 0 and 3, which are known already, or 1 and 2, which are still to come.
    fn corner(&mut self, column: u32, pixels: [Run; 4]) {
        let is_edge: [bool; 4] = std::array::from_fn(|i| pixels[(i + 3) % 4].class != pixels[i].class);
        let is_touch = is_edge.iter().all(|is_edge| *is_edge);
        let corner = [(column - 1) | if is_touch { TOUCH } else { 0 }, self.row];
        let slot = |edge: usize| if edge.is_multiple_of(2) { column } else { ALONG_ROW };
        let reaching: [_; 4] = std::array::from_fn(|edge| self.chains.at(slot(edge)));
        let is_known = |edge: usize| edge == 0 || edge == 3;
        for from in (0..4).filter(|&edge| is_edge[edge] && pixels[edge].class != OUTSIDE) {
            let Some(turns) = (1..4).find(|turns| is_edge[(from + turns) % 4]) else { continue };
            let to = (from + turns) % 4;
            if turns == 2 {
                continue; // straight on
            }
            let (end, start) = (reaching[from].end, reaching[to].start);
            match (is_known(from), is_known(to)) {
                (true, true) => {
                    if let Some(ring) = self.chains.join(end, corner, start) {
                        self.regions.close(pixels[from].region, ring);
                    }
                }
                (true, false) => self.chains.extend(end, corner, slot(to)),
                (false, true) => self.chains.precede(start, corner, slot(from)),
                (false, false) => self.chains.begin(corner, slot(from), slot(to)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polygons(rows: &[&[u8]], min_area: f64, skip: &[u8]) -> Vec<Polygon> {
        let mut found = Vec::new();
        let mut each = |polygon| {
            found.push(polygon);
            Ok(())
        };
        let size = [rows.len(), rows[0].len()];
        let mut polygonizer = Polygonizer::new(size, PixelAreas::Equal(2.0), min_area, skip).unwrap();
        for row in rows {
            polygonizer.push_row(row, &mut each).unwrap();
        }
        polygonizer.finish(&mut each).unwrap();
        found
    }

    #[test]
    fn a_hole_that_touches_the_outline_is_a_hole() {
        let found = polygons(&[&[0, 1, 1], &[1, 0, 1], &[1, 1, 1]], 0.0, &[0]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].exterior().len(), 6);
        assert_eq!(found[0].holes().map(<[_]>::len).collect::<Vec<_>>(), [4]);
        assert_eq!((found[0].pixels, found[0].area_m2), (7, Some(14.0)));
    }

    #[test]
    fn polygons_are_handed_out_as_soon_as_they_end() {
        let mut polygonizer = Polygonizer::new([3, 1], PixelAreas::Unknown, 0.0, &[]).unwrap();
        let mut ended = 0;
        for (row, expected) in [(&[1], 0), (&[2], 1), (&[3], 2)] {
            polygonizer
                .push_row(row, &mut |polygon| {
                    assert_eq!(polygon.area_m2, None);
                    ended += 1;
                    Ok(())
                })
                .unwrap();
            assert_eq!(ended, expected);
        }
    }

    #[test]
    fn small_polygons_go_and_small_holes_are_filled() {
        let rows: &[&[u8]] = &[&[1, 1, 1, 1, 1], &[1, 0, 1, 2, 2], &[1, 1, 1, 2, 2]];
        let all = polygons(rows, 0.0, &[]);
        assert_eq!(all.len(), 3);
        let large = polygons(rows, 3.0, &[]);
        assert_eq!(large.iter().map(|p| (p.class, p.pixels)).collect::<Vec<_>>(), [(1, 10), (2, 4)]);
        assert_eq!(large[0].holes().count(), 0);
        let first = all.iter().find(|p| p.class == 1).unwrap();
        assert_eq!((first.pixels, first.holes().count()), (10, 1));
    }

    #[test]
    fn wrong_use_is_told() {
        let new = |size, areas, min| Polygonizer::new(size, areas, min, &[]);
        assert!(matches!(new([0, 4], PixelAreas::Unknown, 0.0), Err(PolygonError::Size { .. })));
        assert!(matches!(new([4, 1 << 31], PixelAreas::Unknown, 0.0), Err(PolygonError::Size { .. })));
        assert!(matches!(new([4, 4], PixelAreas::Unknown, 1.0), Err(PolygonError::NoArea)));
        assert!(matches!(new([4, 4], PixelAreas::Equal(1.0), f64::NAN), Err(PolygonError::Setting { .. })));
        let mut each = |_| Ok(());
        let mut short = new([2, 3], PixelAreas::Unknown, 0.0).unwrap();
        assert!(short.push_row(&[1, 2], &mut each).is_err());
        short.push_row(&[1, 2, 3], &mut each).unwrap();
        assert!(short.finish(&mut each).is_err());
        let mut long = new([1, 1], PixelAreas::Unknown, 0.0).unwrap();
        long.push_row(&[1], &mut each).unwrap();
        assert!(long.push_row(&[1], &mut each).is_err());
    }
}
