//! Windows that reach outside the raster.

use farsight_spec::Blend;

use super::{TileError, Window};

/// What stands where a window reaches outside the raster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Reflection with the edge repeated, as often as needed: numpy's `pad(mode="symmetric")`.
    Symmetric,
    /// Reflection without the edge, as often as needed: `mode="reflect"` of numpy and torch. An axis of one pixel
    /// repeats it.
    Reflect,
    /// Zeros behind the normalisation. A window is read before it, so NaN stands there, to be replaced by 0 once
    /// the values are normalised.
    Zeros,
}

impl Padding {
    /// The padding of the blend's reference.
    pub fn of(blend: Blend) -> Self {
        match blend {
            Blend::UkisCsmask => Self::Symmetric,
            Blend::Mmseg | Blend::Monai | Blend::MonaiConstant | Blend::Nnunet => Self::Zeros,
            Blend::Terratorch | Blend::PrithviMae => Self::Reflect,
        }
    }

    /// Index inside `0..length` that stands for `position`; none for a zero outside. `length` must not be 0.
    pub fn source(self, position: i64, length: usize) -> Option<usize> {
        let length = length as i64;
        let folded = match self {
            Self::Symmetric => {
                let folded = position.rem_euclid(2 * length);
                folded.min(2 * length - 1 - folded)
            }
            Self::Reflect if length == 1 => 0,
            Self::Reflect => {
                let folded = position.rem_euclid(2 * length - 2);
                folded.min(2 * length - 2 - folded)
            }
            Self::Zeros if !(0..length).contains(&position) => return None,
            Self::Zeros => position,
        };
        Some(folded as usize)
    }
}

/// Fills `out` (`[bands, height, width]`) with a window that may reach outside a raster of `raster`
/// (`[height, width]`), padded as the window says ([`Padding::Zeros`] leaves NaN there).
///
/// `read(row, column, height, width, values)` delivers a part of the raster, never larger than the window
/// and never outside the raster; it is called at most once. `scratch` is kept by the caller so that border windows
/// need no new memory each time.
///
/// # Errors
/// `out` does not have `bands * height * width` values; whatever `read` fails with.
pub fn read_padded_window<E: From<TileError>>(
    raster: [usize; 2],
    window: &Window,
    bands: usize,
    scratch: &mut Vec<f32>,
    out: &mut [f32],
    mut read: impl FnMut(usize, usize, usize, usize, &mut [f32]) -> Result<(), E>,
) -> Result<(), E> {
    let [height, width] = window.size;
    let expected = bands * height * width;
    if out.len() != expected {
        return Err(TileError::Length { what: "window buffer", found: out.len(), expected }.into());
    }
    if raster.contains(&0) || window.size.contains(&0) {
        return Err(TileError::Empty { raster: raster.into(), window: window.size.into() }.into());
    }
    let rows = Span::of(window.padding, window.start[0], height, raster[0]);
    let columns = Span::of(window.padding, window.start[1], width, raster[1]);
    if rows.inside && columns.inside {
        return read(rows.first, columns.first, height, width, out);
    }
    if rows.length == 0 || columns.length == 0 {
        out.fill(f32::NAN);
        return Ok(());
    }

    scratch.resize(bands * rows.length * columns.length, 0.0);
    read(rows.first, columns.first, rows.length, columns.length, scratch)?;
    let source = |axis: usize, at: usize| window.padding.source(window.start[axis] + at as i64, raster[axis]);
    let column_of: Vec<Option<usize>> =
        (0..width).map(|x| source(1, x).map(|column| column - columns.first)).collect();
    for (line, out) in out.chunks_exact_mut(width).enumerate() {
        let (band, y) = (line / height, line % height);
        let Some(row) = source(0, y) else {
            out.fill(f32::NAN);
            continue;
        };
        let line = band * rows.length + row - rows.first;
        let values = &scratch[line * columns.length..][..columns.length];
        for (out, column) in out.iter_mut().zip(&column_of) {
            *out = column.map_or(f32::NAN, |column| values[column]);
        }
    }
    Ok(())
}

/// The part of one axis of the raster that a window needs.
struct Span {
    first: usize,
    length: usize,
    /// Whether the window lies inside the raster on this axis.
    inside: bool,
}

impl Span {
    fn of(padding: Padding, start: i64, size: usize, length: usize) -> Self {
        let end = start + size as i64;
        if start >= 0 && end <= length as i64 {
            return Self { first: start as usize, length: size, inside: true };
        }
        let indices = (start..end).filter_map(|position| padding.source(position, length));
        let (first, end) = indices.fold((length, 0), |(first, end), i| (i.min(first), (i + 1).max(end)));
        Self { first, length: end.saturating_sub(first), inside: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflects_like_numpy() {
        // np.pad(np.arange(n), (7, 8), mode=...), numpy 2.4.6
        let rows: &[(Padding, usize, &[usize])] = &[
            (Padding::Symmetric, 1, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (Padding::Symmetric, 2, &[1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1]),
            (Padding::Symmetric, 3, &[0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1]),
            (Padding::Symmetric, 8, &[6, 5, 4, 3, 2, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 7, 6, 5, 4, 3, 2, 1, 0]),
            (Padding::Reflect, 1, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (Padding::Reflect, 2, &[1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]),
            (Padding::Reflect, 3, &[1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]),
            (Padding::Reflect, 8, &[7, 6, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 6, 7, 6, 5, 4, 3, 2, 1, 0, 1]),
        ];
        for &(padding, length, expected) in rows {
            let found: Vec<usize> =
                (-7..length as i64 + 8).map(|i| padding.source(i, length).unwrap()).collect();
            assert_eq!(found, expected, "{padding:?} {length}");
        }
    }

    #[test]
    fn fills_every_pixel_and_reads_no_more_than_the_window() {
        let paddings = [Padding::Symmetric, Padding::Reflect, Padding::Zeros];
        let value = |band: usize, y: usize, x: usize| (band * 10_000 + y * 100 + x) as f32;
        for (raster, padding) in [[5usize, 7usize], [1, 1], [2, 40], [30, 30]]
            .into_iter()
            .flat_map(|raster| paddings.map(|p| (raster, p)))
        {
            for start in [[-3i64, -3i64], [0, 0], [-3, 2], [4, 29], [26, -1]] {
                let window = Window { index: 0, start, size: [6, 5], padding };
                let mut out = vec![0.5; 2 * 6 * 5];
                read_padded_window::<TileError>(
                    raster,
                    &window,
                    2,
                    &mut Vec::new(),
                    &mut out,
                    |row, column, height, width, values| {
                        assert!(height <= 6 && width <= 5);
                        assert!(row + height <= raster[0] && column + width <= raster[1]);
                        for (i, v) in values.iter_mut().enumerate() {
                            let (band, y, x) = (i / (height * width), i / width % height, i % width);
                            *v = value(band, row + y, column + x);
                        }
                        Ok(())
                    },
                )
                .unwrap();
                for (i, &found) in out.iter().enumerate() {
                    let (band, y, x) = (i / 30, i / 5 % 6, i % 5);
                    let y = padding.source(start[0] + y as i64, raster[0]);
                    let x = padding.source(start[1] + x as i64, raster[1]);
                    match y.zip(x) {
                        Some((y, x)) => {
                            assert_eq!(found, value(band, y, x), "{padding:?} {raster:?} {start:?} {i}")
                        }
                        None => assert!(found.is_nan(), "{padding:?} {raster:?} {start:?} {i}"),
                    }
                }
            }
        }
    }
}
