//! Windows that reach outside the raster, filled by reflection.

use super::{TileError, Window};

/// Index inside `0..length` that stands for `position` outside it: reflection with the edge repeated, as
/// often as needed, which is numpy's `pad(mode="symmetric")`. `length` must not be 0.
pub fn source_index(position: i64, length: usize) -> usize {
    let length = length as i64;
    let folded = position.rem_euclid(2 * length);
    (if folded < length { folded } else { 2 * length - 1 - folded }) as usize
}

/// Fills `out` (`[bands, height, width]`) with a window that may reach outside a raster of `raster`
/// (`[height, width]`).
///
/// `read(row, column, height, width, values)` delivers a part of the raster, never larger than the window
/// and never outside the raster; it is called once. `scratch` is kept by the caller so that border windows
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
        return Err(TileError::Empty { raster, window: window.size }.into());
    }
    let rows = Span::of(window.start[0], height, raster[0]);
    let columns = Span::of(window.start[1], width, raster[1]);
    if rows.inside && columns.inside {
        return read(rows.first, columns.first, height, width, out);
    }

    scratch.resize(bands * rows.length * columns.length, 0.0);
    read(rows.first, columns.first, rows.length, columns.length, scratch)?;
    let column_of: Vec<usize> =
        (0..width).map(|x| source_index(window.start[1] + x as i64, raster[1]) - columns.first).collect();
    for (line, out) in out.chunks_exact_mut(width).enumerate() {
        let (band, y) = (line / height, line % height);
        let row = source_index(window.start[0] + y as i64, raster[0]) - rows.first;
        let source = &scratch[(band * rows.length + row) * columns.length..][..columns.length];
        for (out, &x) in out.iter_mut().zip(&column_of) {
            *out = source[x];
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
    fn of(start: i64, size: usize, length: usize) -> Self {
        let end = start + size as i64;
        if start >= 0 && end <= length as i64 {
            return Self { first: start as usize, length: size, inside: true };
        }
        let indices = (start..end).map(|position| source_index(position, length));
        let (first, last) = indices.fold((length - 1, 0), |(first, last), i| (i.min(first), i.max(last)));
        Self { first, length: last - first + 1, inside: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflects_like_numpy() {
        // np.pad(np.arange(n), (7, 8), mode="symmetric"), numpy 2.4.6
        let rows: &[(usize, &[usize])] = &[
            (1, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (2, &[1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1]),
            (3, &[0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1]),
            (8, &[6, 5, 4, 3, 2, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 7, 6, 5, 4, 3, 2, 1, 0]),
        ];
        for &(length, expected) in rows {
            let found: Vec<usize> = (-7..length as i64 + 8).map(|i| source_index(i, length)).collect();
            assert_eq!(found, expected, "{length}");
        }
    }

    #[test]
    fn fills_every_pixel_and_reads_no_more_than_the_window() {
        for raster in [[5usize, 7usize], [1, 1], [2, 40], [30, 30]] {
            for start in [[-3i64, -3i64], [0, 0], [-3, 2], [4, 29], [26, -1]] {
                let window = Window { index: 0, start, size: [6, 5] };
                let mut out = vec![f32::NAN; 2 * 6 * 5];
                let value = |band: usize, y: usize, x: usize| (band * 10_000 + y * 100 + x) as f32;
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
                    let y = source_index(start[0] + y as i64, raster[0]);
                    let x = source_index(start[1] + x as i64, raster[1]);
                    assert_eq!(found, value(band, y, x), "{raster:?} {start:?} {i}");
                }
            }
        }
    }
}
