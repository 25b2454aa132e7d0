//! Masks from files: class numbers, pixel by pixel.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use farsight_vision::{Raster, picture};

/// A mask of more pixels is none.
const MAX_BYTES: usize = 1 << 28;

/// Reads a mask of `size` (`[height, width]`): a GeoTIFF's first band, a PNG's stored values, or a grey picture whose
/// values are class numbers. A colour picture is refused: which colour is which class is not in it.
pub(crate) fn read(file: &Path, size: [usize; 2]) -> Result<Vec<u8>, String> {
    let extension = file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let (found, values) = match extension.as_str() {
        "tif" | "tiff" => raster(file)?,
        "png" => png(file)?,
        _ => grey(file)?,
    };
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

/// The values of a PNG as they are stored: class numbers, also where a palette gives them colours (Pascal VOC).
fn png(file: &Path) -> Result<([usize; 2], Vec<u8>), String> {
    let name = |problem: String| format!("{}: {problem}", file.display());
    let reader = BufReader::new(File::open(file).map_err(|error| name(error.to_string()))?);
    let mut decoder = png::Decoder::new_with_limits(reader, png::Limits { bytes: MAX_BYTES });
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(|error| name(error.to_string()))?;
    let info = reader.info();
    let (width, height, depth, colour) = (info.width, info.height, info.bit_depth, info.color_type);
    let is_plain = matches!(colour, png::ColorType::Grayscale | png::ColorType::Indexed);
    if !is_plain || depth != png::BitDepth::Eight {
        return Err(name(format!(
            "the mask is a PNG of {colour:?} with {depth:?} bits; expected a grey or palette picture of 8 bits, or \
             a GeoTIFF"
        )));
    }
    let size = reader.output_buffer_size().filter(|size| *size <= MAX_BYTES);
    let mut values = vec![0; size.ok_or_else(|| name("the mask is too large".to_owned()))?];
    reader.next_frame(&mut values).map_err(|error| name(error.to_string()))?;
    Ok(([height as usize, width as usize], values))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn write(file: &Path, colour: png::ColorType, depth: png::BitDepth, values: &[u8]) {
        let mut encoder = png::Encoder::new(File::create(file).unwrap(), 2, 1);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        encoder.set_palette(vec![0, 0, 0, 128, 0, 0, 0, 128, 0]);
        encoder.write_header().unwrap().write_image_data(values).unwrap();
    }

    #[test]
    fn class_numbers_are_read_as_they_are_stored_or_refused() {
        use png::{BitDepth, ColorType};
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mask.png");
        for colour in [ColorType::Grayscale, ColorType::Indexed] {
            write(&file, colour, BitDepth::Eight, &[1, 2]);
            assert_eq!(read(&file, [1, 2]).unwrap(), [1, 2], "{colour:?}");
        }
        assert!(read(&file, [2, 1]).unwrap_err().contains("the mask is 1 x 2"));
        for (colour, depth, values) in [
            (ColorType::Grayscale, BitDepth::Sixteen, vec![0, 1, 0, 2]),
            (ColorType::Rgb, BitDepth::Eight, vec![1, 1, 1, 2, 2, 2]),
        ] {
            write(&file, colour, depth, &values);
            assert!(
                read(&file, [1, 2]).unwrap_err().contains("expected a grey or palette picture"),
                "{colour:?}"
            );
        }
    }
}
