//! One class a pixel.

/// One class a pixel of the frame, row by row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mask {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// The class of each pixel; 255 where the model saw nothing.
    pub classes: Vec<u8>,
}
