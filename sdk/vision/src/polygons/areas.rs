//! What pixels cover, in square metres.

/// The area of a mask's pixels.
#[derive(Debug, Clone, PartialEq)]
pub enum PixelAreas {
    /// Not known: polygons count pixels only.
    Unknown,
    /// All the same, in square metres.
    Equal(f64),
    /// They depend on the row: item `y` is the area of one column of pixels from row 0 to before row `y`.
    Rows(Vec<f64>),
}

impl PixelAreas {
    /// Area of one column of pixels from row 0 to before `row`.
    pub(super) fn above(&self, row: u32) -> f64 {
        match self {
            Self::Unknown => f64::NAN,
            Self::Equal(area) => area * f64::from(row),
            // The last entry is the mask's lower edge, and no corner lies below it.
            Self::Rows(rows) => rows.get(row as usize).copied().unwrap_or(f64::NAN),
        }
    }
}
