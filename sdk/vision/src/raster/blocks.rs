//! The blocks (strips or tiles) a raster is stored in, and a bounded cache of decoded ones.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use tiff_reader::{Ifd, RasterLayout};

use super::decode::Decoded;

/// How a raster is cut into blocks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grid {
    raster: [usize; 2],
    /// `[height, width]` of a block.
    block: [usize; 2],
    /// Blocks `[down, across]`.
    count: [usize; 2],
    /// Samples of a pixel that lie side by side in a block: all bands (chunky) or 1 (planar).
    pub(crate) samples: usize,
    /// Bytes of one decoded sample.
    pub(crate) sample_bytes: usize,
}

/// One block: the part of the raster it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Block {
    /// The band it holds; 0 where it holds all of them.
    pub(crate) plane: usize,
    /// `[row, column]` of its first pixel.
    pub(crate) start: [usize; 2],
    /// `[height, width]`, cut off at the raster's edge.
    pub(crate) size: [usize; 2],
}

impl Grid {
    /// `None` if the file's block sizes make no sense.
    pub(crate) fn of(ifd: &Ifd, layout: &RasterLayout) -> Option<Self> {
        let raster = [layout.height, layout.width];
        let block = match (ifd.is_tiled(), ifd.tile_height(), ifd.tile_width()) {
            (true, Some(height), Some(width)) => [height as usize, width as usize],
            (true, ..) => return None,
            _ => [(ifd.rows_per_strip() as usize).min(layout.height), layout.width],
        };
        if block.contains(&0) {
            return None;
        }
        let count = [raster[0].div_ceil(block[0]), raster[1].div_ceil(block[1])];
        let chunky = layout.planar_configuration == 1;
        let samples = if chunky { layout.samples_per_pixel } else { 1 };
        Some(Self { raster, block, count, samples, sample_bytes: layout.bytes_per_sample })
    }

    /// How many blocks the file must list for `bands` bands.
    pub(crate) fn blocks(&self, bands: usize) -> Option<usize> {
        let planes = if self.samples == 1 { bands } else { 1 };
        self.count[0].checked_mul(self.count[1])?.checked_mul(planes)
    }

    /// Bytes of one decoded block.
    pub(crate) fn block_bytes(&self) -> Option<usize> {
        let [height, width] = self.block;
        height.checked_mul(width)?.checked_mul(self.samples)?.checked_mul(self.sample_bytes)
    }

    /// The blocks of a plane that a window touches.
    pub(crate) fn touching(
        &self,
        plane: usize,
        rows: Range<usize>,
        columns: Range<usize>,
    ) -> impl Iterator<Item = Block> + '_ {
        let [height, width] = self.block;
        let down = rows.start / height..rows.end.div_ceil(height);
        let across = columns.start / width..columns.end.div_ceil(width);
        down.flat_map(move |y| across.clone().map(move |x| self.block(plane, y, x)))
    }

    /// `[height, width]` of a block that is not cut off.
    pub(crate) fn block_size(&self) -> [usize; 2] {
        self.block
    }

    /// The block's place in the file's list.
    pub(crate) fn index(&self, block: &Block) -> usize {
        let [y, x] = [0, 1].map(|axis| block.start[axis] / self.block[axis]);
        (block.plane * self.count[0] + y) * self.count[1] + x
    }

    fn block(&self, plane: usize, y: usize, x: usize) -> Block {
        let start = [y * self.block[0], x * self.block[1]];
        let size = [0, 1].map(|axis| self.block[axis].min(self.raster[axis] - start[axis]));
        Block { plane, start, size }
    }

    /// Bytes of the blocks that one row of windows of this height can touch, for `bands` bands.
    pub(crate) fn row_bytes(&self, window_height: usize, bands: usize) -> usize {
        let down = (window_height.saturating_sub(1).div_ceil(self.block[0]) + 1).min(self.count[0]);
        let planes = if self.samples == 1 { bands } else { 1 };
        let block = self.block_bytes().unwrap_or(usize::MAX);
        block.saturating_mul(down).saturating_mul(self.count[1]).saturating_mul(planes)
    }
}

/// Decoded blocks, the least recently used ones dropped when they take more than a budget.
#[derive(Debug)]
pub(crate) struct Cache {
    budget: usize,
    bytes: usize,
    /// Counts uses; the block used last has the highest number.
    clock: u64,
    blocks: HashMap<Block, (u64, Arc<Decoded>)>,
    by_use: BTreeMap<u64, Block>,
}

impl Cache {
    pub(crate) fn new(budget: usize) -> Self {
        Self { budget, bytes: 0, clock: 0, blocks: HashMap::new(), by_use: BTreeMap::new() }
    }

    /// Changes the budget, dropping what no longer fits.
    pub(crate) fn set_budget(&mut self, budget: usize) {
        self.budget = budget;
        self.shrink_to(budget);
    }

    pub(crate) fn get(&mut self, block: &Block) -> Option<Arc<Decoded>> {
        let (used, data) = self.blocks.get_mut(block)?;
        self.by_use.remove(used);
        self.clock += 1;
        *used = self.clock;
        self.by_use.insert(self.clock, *block);
        Some(data.clone())
    }

    /// Keeps a block that is not inside yet; one larger than the budget is not kept.
    pub(crate) fn insert(&mut self, block: Block, data: Arc<Decoded>) {
        let bytes = data.samples.len();
        if bytes > self.budget {
            return;
        }
        self.shrink_to(self.budget - bytes);
        self.clock += 1;
        self.bytes += bytes;
        self.by_use.insert(self.clock, block);
        self.blocks.insert(block, (self.clock, data));
    }

    fn shrink_to(&mut self, bytes: usize) {
        while self.bytes > bytes {
            let Some((_, block)) = self.by_use.pop_first() else { break };
            if let Some((_, data)) = self.blocks.remove(&block) {
                self.bytes -= data.samples.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(samples: usize) -> Grid {
        Grid { raster: [100, 70], block: [16, 32], count: [7, 3], samples, sample_bytes: 2 }
    }

    fn data(bytes: usize) -> Arc<Decoded> {
        Arc::new(Decoded { samples: vec![0; bytes], width: 1 })
    }

    #[test]
    fn finds_the_blocks_of_a_window() {
        let starts: Vec<_> = grid(1).touching(2, 10..33, 31..32).map(|b| (b.start, b.size)).collect();
        assert_eq!(starts, [([0, 0], [16, 32]), ([16, 0], [16, 32]), ([32, 0], [16, 32])]);
        let corner: Vec<_> = grid(1).touching(0, 99..100, 63..70).collect();
        assert_eq!(corner.last(), Some(&Block { plane: 0, start: [96, 64], size: [4, 6] }));
        assert_eq!(corner.last().map(|block| grid(1).index(block)), Some(20));
        assert_eq!(grid(1).index(&Block { plane: 2, start: [16, 32], size: [1, 1] }), 46);
        assert_eq!(grid(1).blocks(6), Some(126));
        assert_eq!(grid(6).blocks(6), Some(21));
        // 17 rows can touch 2 rows of blocks of 16, 18 can touch 3
        assert_eq!(grid(6).row_bytes(17, 6), 2 * 3 * 16 * 32 * 6 * 2);
        assert_eq!(grid(1).row_bytes(18, 6), 3 * 3 * 16 * 32 * 2 * 6);
        assert_eq!(grid(1).row_bytes(5000, 1), 7 * 3 * 16 * 32 * 2);
    }

    #[test]
    fn drops_what_was_used_longest_ago() {
        let block = |plane| Block { plane, start: [0, 0], size: [1, 1] };
        let mut cache = Cache::new(30);
        for plane in 0..3 {
            cache.insert(block(plane), data(10));
        }
        assert!(cache.get(&block(0)).is_some());
        cache.insert(block(3), data(10));
        let inside: Vec<bool> = (0..4).map(|plane| cache.get(&block(plane)).is_some()).collect();
        assert_eq!(inside, [true, false, true, true]);
        cache.insert(block(9), data(31));
        assert!(cache.get(&block(9)).is_none());
        assert_eq!(cache.bytes, 30);
        cache.set_budget(10);
        assert_eq!((cache.bytes, cache.blocks.len(), cache.by_use.len()), (10, 1, 1));
        assert!(cache.get(&block(3)).is_some());
    }

    #[test]
    fn row_major_windows_decode_every_block_once() {
        // window height and width, step
        for (height, width, step) in [(16, 32, 16), (20, 20, 16), (17, 40, 13), (50, 9, 7), (1, 1, 1)] {
            for bands in [1, 3] {
                let grid = grid(1);
                let mut cache = Cache::new(grid.row_bytes(height, bands));
                let mut decoded = 0;
                for row in (0..=100 - height).step_by(step) {
                    for column in (0..=70 - width).step_by(step) {
                        for plane in 0..bands {
                            for block in grid.touching(plane, row..row + height, column..column + width) {
                                if cache.get(&block).is_none() {
                                    decoded += 1;
                                    let bytes = block.size[0] * block.size[1] * grid.sample_bytes;
                                    cache.insert(block, data(bytes));
                                }
                            }
                        }
                    }
                }
                let last = |length: usize, size: usize| (length - size) / step * step + size;
                let (rows, columns) = (last(100, height), last(70, width));
                let touched = rows.div_ceil(16) * columns.div_ceil(32) * bands;
                assert!(decoded <= touched, "{height} {width} {step} {bands}: {decoded} of {touched}");
            }
        }
    }
}
