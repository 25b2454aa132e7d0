//! Tensors as `.npy` files (NumPy's format), through the crate `npyz`.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use farsight_spec::ElementType;
use npyz::{DType, NpyHeader, Order, WriteOptions, WriterBuilder};

use crate::write_atomically;

/// A tensor out of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct NpyTensor {
    /// Type of its elements.
    pub element: ElementType,
    /// Its axes.
    pub shape: Vec<usize>,
    /// Its elements in row-major order, little-endian.
    pub bytes: Vec<u8>,
}

impl NpyTensor {
    /// How many of its numbers are NaN or infinite.
    pub(crate) fn not_finite(&self) -> usize {
        let count = |size, is_finite: &dyn Fn(&[u8]) -> bool| {
            self.bytes.chunks_exact(size).filter(|chunk| !is_finite(chunk)).count()
        };
        // All ones in the exponent, whose last bits are at the end, little-endian.
        let exponent = |chunk: &[u8], mask: u16| match chunk {
            [.., low, high] => u16::from_le_bytes([*low, *high]) & mask != mask,
            _ => true,
        };
        match self.element {
            ElementType::F16 => count(2, &|chunk| exponent(chunk, 0x7c00)),
            ElementType::F32 => count(4, &|chunk| exponent(chunk, 0x7f80)),
            ElementType::F64 => count(8, &|chunk| exponent(chunk, 0x7ff0)),
            _ => 0,
        }
    }
}

/// Why a `.npy` file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum NpyError {
    /// The file system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl NpyError {
    /// A short stable name of the kind of fault, for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::Content { .. } => "npy",
        }
    }
}

/// The types by numpy's names, little-endian.
const TYPES: [(ElementType, &str); 12] = [
    (ElementType::F16, "<f2"),
    (ElementType::F32, "<f4"),
    (ElementType::F64, "<f8"),
    (ElementType::I8, "|i1"),
    (ElementType::I16, "<i2"),
    (ElementType::I32, "<i4"),
    (ElementType::I64, "<i8"),
    (ElementType::U8, "|u1"),
    (ElementType::U16, "<u2"),
    (ElementType::U32, "<u4"),
    (ElementType::U64, "<u8"),
    (ElementType::Bool, "|b1"),
];

/// Reads a tensor. The file's length is checked against its header before memory is taken.
///
/// # Errors
/// A file that cannot be read, is no `.npy` file, or holds elements that are no little-endian numbers in row-major
/// order.
pub fn read(path: &Path) -> Result<NpyTensor, NpyError> {
    let wrong = |problem: String| NpyError::Content { path: path.to_owned(), problem };
    let io = |source| NpyError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(wrong("this is no regular file".to_owned()));
    }
    let size = metadata.len();
    let mut reader = BufReader::new(file);
    check_header_length(&mut reader)
        .map_err(|problem| wrong(format!("this is no .npy file ({problem}); write it with numpy.save")))?;
    let header = NpyHeader::from_reader(&mut reader)
        .map_err(|error| wrong(format!("this is no .npy file ({error}); write it with numpy.save")))?;
    let described = header.dtype().descr();
    let element = TYPES
        .iter()
        .find(|(_, name)| described.trim_matches('\'') == *name)
        .map(|(element, _)| *element)
        .ok_or_else(|| {
            wrong(format!("its type is {described}; expected little-endian numbers such as '<f4'"))
        })?;
    if header.order() != Order::C {
        return Err(wrong("its order is Fortran's; save numpy.ascontiguousarray(x)".to_owned()));
    }
    let shape: Vec<usize> = header.shape().iter().map(|&length| length as usize).collect();
    let length = shape
        .iter()
        .try_fold(element.size(), |bytes, &length| bytes.checked_mul(length))
        .filter(|bytes| *bytes as u64 <= size)
        .ok_or_else(|| wrong(format!("its header says shape {shape:?}, the file has {size} bytes")))?;
    let mut bytes = vec![0; length];
    reader
        .read_exact(&mut bytes)
        .map_err(|_| wrong(format!("it is cut off: {length} bytes were expected")))?;
    Ok(NpyTensor { element, shape, bytes })
}

/// Longest header that is read; numpy's own are below 200 bytes.
const MAX_HEADER: u32 = 64 << 10;

/// The crate allocates what the header says of its own length, so that is looked at first.
fn check_header_length(reader: &mut BufReader<File>) -> Result<(), String> {
    let mut start = [0; 12];
    reader.read_exact(&mut start).map_err(|_| "it is shorter than a header".to_owned())?;
    reader.rewind().map_err(|error| error.to_string())?;
    let length = match start[6] {
        1 => u32::from(u16::from_le_bytes([start[8], start[9]])),
        _ => u32::from_le_bytes([start[8], start[9], start[10], start[11]]),
    };
    if !start.starts_with(b"\x93NUMPY") || length > MAX_HEADER {
        return Err("it does not start like one".to_owned());
    }
    Ok(())
}

/// Writes a tensor: `bytes` are its elements in row-major order, little-endian.
///
/// # Errors
/// What the file system says.
pub fn write(path: &Path, element: ElementType, shape: &[usize], bytes: &[u8]) -> Result<(), NpyError> {
    let name = TYPES.iter().find(|(known, _)| *known == element).map(|(_, name)| *name).unwrap_or_default();
    let shape: Vec<u64> = shape.iter().map(|&length| length as u64).collect();
    let encode = || -> std::io::Result<Vec<u8>> {
        let dtype = DType::new_scalar(name.parse().map_err(std::io::Error::other)?);
        let options = WriteOptions::new_header_only().dtype(dtype).shape(&shape).writer(Vec::new());
        let mut file = options.write_header_only()?;
        file.extend_from_slice(bytes);
        Ok(file)
    };
    encode()
        .and_then(|file| write_atomically(path, &file))
        .map_err(|source| NpyError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let values: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        write(&path, ElementType::F32, &[1, 2], &values).unwrap();
        let tensor = read(&path).unwrap();
        assert_eq!((tensor.element, tensor.shape, tensor.bytes), (ElementType::F32, vec![1, 2], values));
    }

    #[test]
    fn numbers_that_are_none_are_counted() {
        let tensor = |element, bytes: Vec<u8>| NpyTensor { element, shape: vec![bytes.len()], bytes };
        let singles = [1.0, f32::NAN, f32::INFINITY, f32::MAX, -f32::INFINITY, 0.0].map(f32::to_le_bytes);
        assert_eq!(tensor(ElementType::F32, singles.concat()).not_finite(), 3);
        let doubles = [f64::MAX, f64::NAN, f64::INFINITY].map(f64::to_le_bytes);
        assert_eq!(tensor(ElementType::F64, doubles.concat()).not_finite(), 2);
        let halves = [half::f16::MAX, half::f16::NAN, half::f16::NEG_INFINITY].map(half::f16::to_le_bytes);
        assert_eq!(tensor(ElementType::F16, halves.concat()).not_finite(), 2);
        assert_eq!(tensor(ElementType::U8, vec![255; 8]).not_finite(), 0);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let header = |descr: &str, order: &str, shape: &str| {
            let mut text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
            text.push_str(&" ".repeat((64 - (text.len() + 11) % 64) % 64));
            text.push('\n');
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            bytes.extend((text.len() as u16).to_le_bytes());
            bytes.extend(text.into_bytes());
            bytes
        };
        for (bytes, part) in [
            (b"hello".to_vec(), "no .npy file"),
            ([b"\x93NUMPY\x02\x00\xff\xff\xff\xff".as_slice(), &[b'x'; 99]].concat(), "no .npy file"),
            (header(">f4", "False", "(1,)"), "type"),
            (header("<f4", "True", "(1, 1)"), "Fortran"),
            (header("<f4", "False", "(1000000, 1000000)"), "shape"),
            (header("<f4", "False", "(20,)"), "cut off"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains(part) && message.contains("x.npy"), "{part}: {message}");
        }
    }
}
