// Included by build.rs too, so that the soname cannot disagree.

/// The version of this interface. A library and a header of different versions do not fit together. It is also the
/// number in the library's soname.
pub const ABI_VERSION: u32 = 1;
