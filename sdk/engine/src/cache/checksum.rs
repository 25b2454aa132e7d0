//! Size and checksum of a file, of which holes are not read.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use crc32fast::Hasher;
use serde::{Deserialize, Serialize};

use crate::raw;

/// Bytes read at once.
const PART: usize = 256 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileFacts {
    pub(crate) bytes: u64,
    pub(crate) crc32: u32,
}

/// Reads the whole file: on a failing disk that is an error, where a look at a map would end the process. A hole
/// counts as the zeros that it stands for, so that a copy without holes has the same checksum.
pub(crate) fn facts_of(file: &mut File) -> io::Result<FileFacts> {
    let bytes = file.metadata()?.len();
    let mut hasher = Hasher::new();
    let mut part = vec![0; PART];
    let mut at = 0;
    while at < bytes {
        let data = raw::next_data(file, at, bytes)?;
        if data.start > at {
            hasher.combine(&zeros(data.start - at));
        }
        file.seek(SeekFrom::Start(data.start))?;
        at = data.start;
        while at < data.end {
            let length = part.len().min((data.end - at) as usize);
            match file.read(&mut part[..length]) {
                Ok(0) => return Ok(FileFacts { bytes: at, crc32: hasher.finalize() }),
                Ok(length) => {
                    hasher.update(&part[..length]);
                    at += length as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(FileFacts { bytes, crc32: hasher.finalize() })
}

/// The checksum of `count` zeros, from those of powers of two.
fn zeros(count: u64) -> Hasher {
    let mut sum = Hasher::new();
    let mut power = Hasher::new();
    power.update(&[0]);
    for bit in 0..u64::BITS - count.leading_zeros() {
        if count >> bit & 1 == 1 {
            sum.combine(&power);
        }
        let same = power.clone();
        power.combine(&same);
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn holes_count_as_zeros() {
        let mut file = tempfile::tempfile().unwrap();
        let mut whole = vec![0u8; 3 << 20];
        for (start, length) in [(4096 * 3 + 17, 9), (1 << 20, 70_000), ((2 << 20) + 1, 1)] {
            for (i, byte) in whole[start..start + length].iter_mut().enumerate() {
                *byte = (i * 31 + 7) as u8;
            }
            file.seek(SeekFrom::Start(start as u64)).unwrap();
            file.write_all(&whole[start..start + length]).unwrap();
        }
        file.set_len(whole.len() as u64).unwrap();
        let expected = FileFacts { bytes: whole.len() as u64, crc32: crc32fast::hash(&whole) };
        assert_eq!(facts_of(&mut file).unwrap(), expected);
        let mut plain = tempfile::tempfile().unwrap();
        plain.write_all(&whole).unwrap();
        assert_eq!(facts_of(&mut plain).unwrap(), expected);
        assert_eq!(facts_of(&mut tempfile::tempfile().unwrap()).unwrap(), FileFacts { bytes: 0, crc32: 0 });
    }
}
