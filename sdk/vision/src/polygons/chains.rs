//! Pieces of outlines that are not closed yet, while rows come in.
//!
//! A piece runs with its region on the left: up along the right side of a region, down along its left side. So each
//! has one end that grows forwards and one start that grows backwards, and both are where an edge of the
//! current row crosses into the next: pieces are only ever joined end to start.

use std::collections::VecDeque;

use super::rings::Corner;

/// Where a piece's end or start waits: at the vertical edge in this column (from 1), or ...
pub(super) type Slot = u32;

/// ... at the horizontal edge that is being followed along the row.
pub(super) const ALONG_ROW: Slot = 0;

const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Chain {
    corners: VecDeque<Corner>,
    start: Slot,
    end: Slot,
}

/// The open pieces and where they wait.
#[derive(Debug)]
pub(super) struct Chains {
    chains: Vec<Chain>,
    free: Vec<u32>,
    ends: Vec<u32>,
    starts: Vec<u32>,
}

/// Which pieces reach a corner: those whose end is there and those whose start is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reaching {
    pub(super) end: u32,
    pub(super) start: u32,
}

impl Chains {
    /// For masks whose vertical edges are in columns 1 to `columns`.
    pub(super) fn new(columns: usize) -> Self {
        Self {
            chains: Vec::new(),
            free: Vec::new(),
            ends: vec![NONE; columns + 1],
            starts: vec![NONE; columns + 1],
        }
    }

    /// What waits at a slot.
    pub(super) fn at(&self, slot: Slot) -> Reaching {
        Reaching { end: self.ends[slot as usize], start: self.starts[slot as usize] }
    }

    /// A new piece of one corner.
    pub(super) fn begin(&mut self, corner: Corner, start: Slot, end: Slot) {
        let id = self.free.pop().unwrap_or_else(|| {
            self.chains.push(Chain { corners: VecDeque::new(), start, end });
            self.chains.len() as u32 - 1
        });
        self.chains[id as usize].corners.push_back(corner);
        self.set_end(id, end);
        self.set_start(id, start);
    }

    /// The piece goes on from its end, around a corner.
    pub(super) fn extend(&mut self, id: u32, corner: Corner, end: Slot) {
        self.chains[id as usize].corners.push_back(corner);
        self.set_end(id, end);
    }

    /// The piece grows backwards from its start, around a corner.
    pub(super) fn precede(&mut self, id: u32, corner: Corner, start: Slot) {
        self.chains[id as usize].corners.push_front(corner);
        self.set_start(id, start);
    }

    /// The end of one piece meets the start of another at a corner. If they are the same, the ring is closed and
    /// returned.
    pub(super) fn join(&mut self, first: u32, corner: Corner, second: u32) -> Option<Vec<Corner>> {
        self.chains[first as usize].corners.push_back(corner);
        if first == second {
            let ring = std::mem::take(&mut self.chains[first as usize].corners);
            self.free.push(first);
            return Some(ring.into());
        }
        let mut ahead = std::mem::take(&mut self.chains[first as usize].corners);
        let mut behind = std::mem::take(&mut self.chains[second as usize].corners);
        // The shorter one moves: each corner moves at most log2(corners) times.
        if ahead.len() >= behind.len() {
            ahead.append(&mut behind);
            self.chains[first as usize].corners = ahead;
            self.set_end(first, self.chains[second as usize].end);
            self.free.push(second);
        } else {
            ahead.drain(..).rev().for_each(|corner| behind.push_front(corner));
            self.chains[second as usize].corners = behind;
            self.set_start(second, self.chains[first as usize].start);
            self.free.push(first);
        }
        None
    }

    fn set_end(&mut self, id: u32, slot: Slot) {
        self.chains[id as usize].end = slot;
        self.ends[slot as usize] = id;
    }

    fn set_start(&mut self, id: u32, slot: Slot) {
        self.chains[id as usize].start = slot;
        self.starts[slot as usize] = id;
    }
}
