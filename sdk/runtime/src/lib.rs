//! The device library: a bundle in, boxes, labels or a mask out.
