//! Where a frame lies inside the model's input, and the way back.

/// Where a frame lies inside the model's input. All sizes are `[height, width]` in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Size of the frame.
    pub frame: [usize; 2],
    /// Size of the model's input.
    pub input: [usize; 2],
    /// Size of the frame after scaling: rounded half to even for a centred letterbox (ultralytics), cut off for
    /// one in the upper left corner (YOLOX).
    pub scaled: [usize; 2],
    /// `[top, left]` of the scaled frame inside the input; negative where a crop cut it off.
    pub offset: [i64; 2],
}

impl Geometry {
    /// A box `[x1, y1, x2, y2]` from input pixels to frame pixels, clipped to the frame.
    ///
    /// The arithmetic of ultralytics 8.4.190 `utils/ops.py: scale_boxes`: subtract the border, divide by
    /// the gain of each axis (from the rounded sizes), clamp to `[0, width]` and `[0, height]` inclusive.
    pub fn to_frame(&self, [x1, y1, x2, y2]: [f32; 4]) -> [f32; 4] {
        let [height, width] = self.frame.map(|n| n as f32);
        let [top, left] = self.offset.map(|n| n as f32);
        let gain_y = (self.scaled[0] as f64 / self.frame[0] as f64) as f32;
        let gain_x = (self.scaled[1] as f64 / self.frame[1] as f64) as f32;
        let x = |v: f32| ((v - left) / gain_x).clamp(0.0, width);
        let y = |v: f32| ((v - top) / gain_y).clamp(0.0, height);
        [x(x1), y(y1), x(x2), y(y2)]
    }
}
