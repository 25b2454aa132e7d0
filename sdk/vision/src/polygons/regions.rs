//! Regions that are not complete yet: which rows' runs belong together, and the rings found so far.

use super::PixelAreas;
use super::rings::{Corner, signed_area, signed_pixels, simple_rings};

/// A region of one class whose pixels share edges, with its outline.
///
/// Corners are `[column, row]` between pixels, from 0; rings are not closed by repeating their first corner, and
/// corners on straight lines are left out. Seen on the picture the outline runs counter-clockwise, holes
/// clockwise.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Polygon {
    /// The class.
    pub class: u8,
    /// Pixels of the region; holes do not count, also where they were filled.
    pub pixels: u64,
    /// The area of those pixels in square metres; none where it is not known.
    pub area_m2: Option<f64>,
    corners: Vec<[u32; 2]>,
    /// Where each ring ends in `corners`.
    ends: Vec<usize>,
    outline: usize,
}

impl Polygon {
    /// The outer ring.
    pub fn exterior(&self) -> &[[u32; 2]] {
        self.ring(self.outline)
    }

    /// The holes.
    pub fn holes(&self) -> impl Iterator<Item = &[[u32; 2]]> {
        (0..self.ends.len()).filter(|&ring| ring != self.outline).map(|ring| self.ring(ring))
    }

    fn ring(&self, ring: usize) -> &[[u32; 2]] {
        let start = if ring == 0 { 0 } else { self.ends[ring - 1] };
        &self.corners[start..self.ends[ring]]
    }

    fn push(&mut self, ring: &[Corner], is_outline: bool) {
        if is_outline {
            self.outline = self.ends.len();
        }
        self.corners.extend_from_slice(ring);
        self.ends.push(self.corners.len());
    }
}

/// A region of the rows so far.
#[derive(Debug, Default)]
struct Region {
    /// The region it became part of; itself if none.
    parent: u32,
    last_row: u32,
    /// Signed sums over the rings found so far: complete when all are.
    pixels: i64,
    area: f64,
    has_outline: bool,
    polygon: Polygon,
}

/// The regions of the rows so far (union-find), with the ids of complete ones used again.
#[derive(Debug)]
pub(super) struct Regions {
    regions: Vec<Region>,
    free: Vec<u32>,
    joined: Vec<u32>,
    areas: PixelAreas,
    min_area: f64,
}

impl Regions {
    pub(super) fn new(areas: PixelAreas, min_area: f64) -> Self {
        Self { regions: Vec::new(), free: Vec::new(), joined: Vec::new(), areas, min_area }
    }

    pub(super) fn begin(&mut self, class: u8, row: u32) -> u32 {
        let id = self.free.pop().unwrap_or_else(|| {
            self.regions.push(Region::default());
            self.regions.len() as u32 - 1
        });
        let polygon = Polygon { class, ..Polygon::default() };
        self.regions[id as usize] = Region { parent: id, last_row: row, polygon, ..Region::default() };
        id
    }

    /// The region that this one belongs to now.
    pub(super) fn find(&mut self, id: u32) -> u32 {
        let mut root = id;
        while self.regions[root as usize].parent != root {
            let parent = self.regions[root as usize].parent;
            // Every other link is cut short, so that later ways are short.
            self.regions[root as usize].parent = self.regions[parent as usize].parent;
            root = parent;
        }
        root
    }

    /// The region has pixels in `row`.
    pub(super) fn touch(&mut self, id: u32, row: u32) {
        self.regions[id as usize].last_row = row;
    }

    /// Two regions turn out to be one; returns which.
    pub(super) fn join(&mut self, a: u32, b: u32) -> u32 {
        let (a, b) = (self.find(a), self.find(b));
        if a == b {
            return a;
        }
        let weight = |id: u32| self.regions[id as usize].polygon.corners.len();
        let (root, other) = if weight(a) >= weight(b) { (a, b) } else { (b, a) };
        let gone = std::mem::replace(
            &mut self.regions[other as usize],
            Region { parent: root, ..Region::default() },
        );
        let region = &mut self.regions[root as usize];
        let rings = region.polygon.ends.len();
        let corners = region.polygon.corners.len();
        if gone.has_outline {
            region.polygon.outline = rings + gone.polygon.outline;
        }
        region.polygon.corners.extend_from_slice(&gone.polygon.corners);
        region.polygon.ends.extend(gone.polygon.ends.iter().map(|end| end + corners));
        region.has_outline |= gone.has_outline;
        region.pixels += gone.pixels;
        region.area += gone.area;
        region.last_row = region.last_row.max(gone.last_row);
        self.joined.push(other);
        root
    }

    /// A closed ring around a region, which may touch itself.
    pub(super) fn close(&mut self, id: u32, ring: Vec<Corner>) {
        let id = self.find(id);
        let Self { regions, areas, min_area, .. } = self;
        let region = &mut regions[id as usize];
        simple_rings(ring, &mut |ring| {
            let (pixels, area) = (signed_pixels(ring), signed_area(ring, areas));
            region.pixels += pixels;
            region.area += area;
            let is_outline = pixels > 0;
            region.has_outline |= is_outline;
            if is_outline || *min_area == 0.0 || -area >= *min_area {
                region.polygon.push(ring, is_outline);
            }
        });
    }

    /// The polygon of a region that has no pixel in `row`, once; none where it goes on or is too small.
    pub(super) fn complete(&mut self, id: u32, row: u32) -> Option<Polygon> {
        let id = self.find(id);
        let region = &mut self.regions[id as usize];
        if region.last_row == row || !region.has_outline {
            return None;
        }
        let mut polygon = std::mem::take(&mut region.polygon);
        polygon.pixels = region.pixels.unsigned_abs();
        polygon.area_m2 = Some(region.area).filter(|area| area.is_finite());
        region.has_outline = false;
        self.free.push(id);
        let is_small = polygon.area_m2.is_some_and(|area| area < self.min_area);
        (!is_small).then_some(polygon)
    }

    /// Ids that became part of others are used again: no run names them any more.
    pub(super) fn recycle(&mut self) {
        self.free.append(&mut self.joined);
    }
}
