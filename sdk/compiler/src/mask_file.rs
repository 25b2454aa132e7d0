//! Masks from files: class numbers, pixel by pixel.

use std::path::Path;

use farsight_vision::{Raster, picture};

/// Reads a mask of `size` (`[height, width]`): a GeoTIFF's first band, or a grey picture whose values are class
/// numbers. A colour picture is refused: which colour is which class is not in it.
pub(crate) fn read(file: &Path, size: [usize; 2]) -> Result<Vec<u8>, String> {
    let is_tiff = file.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
        extension.eq_ignore_ascii_case("tif") || extension.eq_ignore_ascii_case("tiff")
    });
    let (found, values) = if is_tiff { raster(file)? } else { grey(file)? };
    if found != size {
        return Err(format!(
            "{}: the mask is {} x {} (height x width), its picture {} x {}",
            file.display(),
            found[0],
            found[1],
            size[0],
            size[1]
        ));
    }
    Ok(values)
}

fn raster(file: &Path) -> Result<([usize; 2], Vec<u8>), String> {
    let mut raster = Raster::open(file).map_err(|error| error.to_string())?;
    let [height, width] = raster.info().size;
    let mut row_values = vec![0.0; width];
    let mut values = Vec::new();
    for row in 0..height {
        raster.read_window(row, 0, 1, width, &[0], &mut row_values).map_err(|error| error.to_string())?;
        // Negative labels mean "does not count" in several data sets; a byte cannot hold them.
        values.extend(
            row_values.iter().map(|&value| if (0.0..=255.0).contains(&value) { value as u8 } else { 255 }),
        );
    }
    Ok(([height, width], values))
}

fn grey(file: &Path) -> Result<([usize; 2], Vec<u8>), String> {
    let picture = picture::read(file).map_err(|error| error.to_string())?;
    if picture.rgb.chunks_exact(3).any(|pixel| pixel[0] != pixel[1] || pixel[1] != pixel[2]) {
        return Err(format!(
            "{}: the mask has colours; expected a grey picture whose values are class numbers",
            file.display()
        ));
    }
    Ok((picture.size(), picture.rgb.chunks_exact(3).map(|pixel| pixel[0]).collect()))
}
