//! Pictures to look at: boxes, masks and quick looks drawn onto RGB pixels, and written to files.
//!
//! Sizes follow the picture: what is readable on a 300-pixel thumbnail stays so on a 6000-pixel photograph.

mod boxes;
mod canvas;
mod mask;
mod palette;
mod quicklook;
mod save;
mod text;

pub(crate) use boxes::{Mark, draw_boxes};
pub(crate) use mask::{Classes, draw_mask};
pub(crate) use palette::class_color;
pub(crate) use quicklook::Quicklook;
pub(crate) use save::{save, save_grey};
