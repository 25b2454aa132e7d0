//! Before everything else.

use crate::failure::{Failure, Result};
use crate::{ABI_VERSION, Status};

/// The program's header must be of the library's version.
pub(crate) fn check_abi(version: u32) -> Result<()> {
    if version == ABI_VERSION {
        return Ok(());
    }
    let text = format!(
        "the program was compiled with a farsight.h of ABI version {version}, this library has {ABI_VERSION}: compile \
         it with the header that came with this library"
    );
    Err(Failure::new(Status::WrongAbi, "wrong-abi", text))
}
