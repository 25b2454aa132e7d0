//! Memory that belongs to the caller: the only place where its pointers are followed.
//!
//! An entry wraps each pointer that it is given ([`Given`], [`Place`], [`Text`], [`Bytes`]), and with that passes on
//! what the header makes the caller promise: a pointer is NULL, or good for as long as the call lasts. What takes a
//! wrapper is safe code.
//!
//! A struct starts with its size. Fields that the caller's header does not know are 0 for us, and bytes that we do not
//! know have to be 0. Structs are copied byte by byte, so that nothing depends on how the caller aligns them.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::{ptr, slice};

use crate::failure::{Failure, Result};
use crate::{
    Classes, Detections, Frame, Info, Mask, Options, Raster, RasterResult, RunOptions, Status, Tensor, Times,
};

/// No struct of the header is or will be larger; a `size` above is rubbish.
const MAX_STRUCT: usize = 4096;

/// No model has tensors of more axes.
const MAX_RANK: usize = 64;

/// A struct of the header.
///
/// # Safety
/// It is `repr(C)`, its first field is a `usize`, and any bytes are a value of it.
pub(crate) unsafe trait Versioned: Copy {
    /// Its name in the header.
    const NAME: &'static str;
    /// Its size in the first header that had it.
    const FIRST: usize;
}

macro_rules! versioned {
    ($($type:ident: $name:literal $(before $grown:ident)?),* $(,)?) => {$(
        // SAFETY: `repr(C)`, integers, floats and raw pointers only, the size first.
        unsafe impl Versioned for $type {
            const NAME: &'static str = $name;
            const FIRST: usize = first!($type $($grown)?);
        }
    )*};
}

/// The size of a struct in its first header: where the first field begins with which it grew.
macro_rules! first {
    ($type:ident) => {
        size_of::<$type>()
    };
    ($type:ident $grown:ident) => {
        std::mem::offset_of!($type, $grown)
    };
}

versioned! {
    Classes: "farsight_classes",
    Detections: "farsight_detections",
    Frame: "farsight_frame",
    Info: "farsight_info",
    Mask: "farsight_mask",
    Options: "farsight_options" before cache_folder,
    Raster: "farsight_raster",
    RasterResult: "farsight_raster_result",
    RunOptions: "farsight_run_options",
    Tensor: "farsight_tensor",
    Times: "farsight_times",
}

/// A pointer to a struct that the caller filled.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a, T>(*const T, PhantomData<&'a T>);

impl<'a, T: Versioned> Given<'a, T> {
    /// # Safety
    /// `pointer` is null or can be read for as many bytes as its first word says. The pointers in the struct are null,
    /// or lead to as much as the struct says. All of it stays good and unchanged for `'a`.
    pub(crate) unsafe fn new(pointer: *const T) -> Self {
        Self(pointer, PhantomData)
    }

    /// The struct; `None` for a null pointer.
    pub(crate) fn optional(self) -> Result<Option<Read<'a, T>>> {
        if self.0.is_null() { Ok(None) } else { read(self.0).map(Some) }
    }

    /// The struct, which must be there.
    pub(crate) fn required(self, what: &str) -> Result<Read<'a, T>> {
        self.optional()?.ok_or_else(|| Failure::null(what))
    }
}

/// A struct copied from the caller's memory. What its pointers lead to is still the caller's.
pub(crate) struct Read<'a, T>(T, PhantomData<&'a T>);

impl<T> std::ops::Deref for Read<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

fn read<'a, T: Versioned>(from: *const T) -> Result<Read<'a, T>> {
    // SAFETY: `Given` promises its first word, which is a `usize` by the promise of `Versioned`.
    let size = unsafe { from.cast::<usize>().read_unaligned() };
    check_size::<T>(size)?;
    let known = size.min(size_of::<T>());
    // SAFETY: `Given` promises `size` bytes, and `known` is not more.
    let rest = unsafe { slice::from_raw_parts(from.cast::<u8>().add(known), size - known) };
    if rest.iter().any(|byte| *byte != 0) {
        return Err(Failure::new(
            Status::BadSize,
            "bad-size",
            format!(
                "{} has {size} bytes and sets fields that this library does not know, it knows {}: use the header \
                 that came with this library, or leave them 0",
                T::NAME,
                size_of::<T>()
            ),
        ));
    }
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: `known` bytes can be read, as above, and written, as it is not more than the size of `T`. Any bytes are
    // a `T`, by the promise of `Versioned`.
    let value = unsafe {
        ptr::copy_nonoverlapping(from.cast::<u8>(), value.as_mut_ptr().cast(), known);
        value.assume_init()
    };
    Ok(Read(value, PhantomData))
}

fn check_size<T: Versioned>(size: usize) -> Result<()> {
    if (T::FIRST..=MAX_STRUCT).contains(&size) {
        return Ok(());
    }
    Err(Failure::new(
        Status::BadSize,
        "bad-size",
        format!("{}.size is {size}, expected {}: set it to sizeof({0})", T::NAME, size_of::<T>()),
    ))
}

/// A pointer to a place for a result.
pub(crate) struct Place<'a, T>(*mut T, PhantomData<&'a mut T>);

impl<T> Place<'_, T> {
    /// # Safety
    /// `pointer` is null or may be written to for as long as the call lasts; a struct's first word may be read and says
    /// how many bytes may be written.
    pub(crate) unsafe fn new(pointer: *mut T) -> Self {
        Self(pointer, PhantomData)
    }

    pub(crate) fn check(&self, what: &str) -> Result<()> {
        if self.0.is_null() { Err(Failure::null(what)) } else { Ok(()) }
    }
}

/// A place for a plain value: a handle, a text.
impl<T: Plain> Place<'_, T> {
    /// Puts `value` there.
    pub(crate) fn put(&mut self, value: T, what: &str) -> Result<()> {
        self.check(what)?;
        // SAFETY: not null, and writable, as `Place::new` was promised.
        unsafe { self.0.write_unaligned(value) };
        Ok(())
    }
}

/// A pointer to places for plain values, one after the other.
pub(crate) struct Places<'a, T>(*mut T, usize, PhantomData<&'a mut T>);

impl<T: Plain> Places<'_, T> {
    /// # Safety
    /// `pointer` is null or `count` values may be written to it for as long as the call lasts.
    pub(crate) unsafe fn new(pointer: *mut T, count: usize) -> Self {
        Self(pointer, count, PhantomData)
    }

    /// Puts a value into each place.
    pub(crate) fn put_all(&mut self, mut value: impl FnMut() -> T, what: &str) -> Result<()> {
        if self.0.is_null() {
            return Err(Failure::null(what));
        }
        for index in 0..self.1 {
            // SAFETY: not null, and writable that far, as `Places::new` was promised.
            unsafe { self.0.add(index).write_unaligned(value()) };
        }
        Ok(())
    }
}

/// A value without a size in front: a pointer.
pub(crate) trait Plain: Copy {}
impl<T> Plain for *mut T {}
impl<T> Plain for *const T {}

/// A place for a struct, whose size the caller has set.
impl<T: Versioned> Place<'_, T> {
    /// A place that may be missing; one that is there must be good for [`Place::fill`].
    #[cfg(feature = "rasters")]
    pub(crate) fn is_wanted(&self) -> Result<bool> {
        if self.0.is_null() { Ok(false) } else { self.size().map(|_| true) }
    }

    /// What the caller set as its size, checked.
    fn size(&self) -> Result<usize> {
        // SAFETY: not null, as both callers have seen, and its first word may be read, as `Place::new` was promised.
        let size = unsafe { self.0.cast::<usize>().read_unaligned() };
        check_size::<T>(size).map(|()| size)
    }

    /// Puts as much of `value` there as the caller's header knows of it. The size stays the caller's; what this library
    /// does not know becomes 0.
    pub(crate) fn fill(&mut self, value: &T, what: &str) -> Result<()> {
        self.check(what)?;
        let (to, size) = (self.0.cast::<u8>(), self.size()?);
        let known = size.min(size_of::<T>());
        let word = size_of::<usize>();
        // SAFETY: `size` bytes may be written, as `Place::new` was promised, and `known` is not more than that nor than
        // there is of `value`. The first word is left alone.
        unsafe {
            ptr::copy_nonoverlapping(ptr::from_ref(value).cast::<u8>().add(word), to.add(word), known - word);
            ptr::write_bytes(to.add(known), 0, size - known);
        }
        Ok(())
    }
}

/// A pointer to a text that ends in a zero byte.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a>(*const c_char, PhantomData<&'a CStr>);

impl<'a> Text<'a> {
    /// # Safety
    /// `pointer` is null, or its text ends in a zero byte and stays as it is for `'a`.
    pub(crate) unsafe fn new(pointer: *const c_char) -> Self {
        Self(pointer, PhantomData)
    }

    /// The text; `None` for a null pointer.
    pub(crate) fn optional(self, what: &str) -> Result<Option<&'a str>> {
        if self.0.is_null() {
            return Ok(None);
        }
        // SAFETY: not null, and it ends in a zero byte, as `Text::new` was promised.
        let text = unsafe { CStr::from_ptr(self.0) };
        text.to_str().map(Some).map_err(|_| Failure::bad_argument(format!("{what} is not UTF-8")))
    }

    /// The text, which must be there.
    pub(crate) fn required(self, what: &str) -> Result<&'a str> {
        self.optional(what)?.ok_or_else(|| Failure::null(what))
    }
}

/// A pointer to bytes, and how many.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a>(*const u8, usize, PhantomData<&'a [u8]>);

impl<'a> Bytes<'a> {
    /// # Safety
    /// `pointer` is null or can be read for `length` bytes, which stay as they are for `'a`.
    pub(crate) unsafe fn new(pointer: *const u8, length: usize) -> Self {
        Self(pointer, length, PhantomData)
    }

    /// The bytes; a null pointer is none.
    pub(crate) fn read(self, what: &str) -> Result<&'a [u8]> {
        match (self.0.is_null(), self.1) {
            (_, 0) => Ok(&[]),
            (true, length) => Err(Failure::bad_argument(format!("{what} is NULL and has {length} bytes"))),
            (false, length) if isize::try_from(length).is_err() => Err(Failure::bad_argument(format!(
                "{what} has {length} bytes, which is more than memory has"
            ))),
            // SAFETY: not null, and readable for that long, as `Bytes::new` was promised.
            (false, length) => Ok(unsafe { slice::from_raw_parts(self.0, length) }),
        }
    }
}

impl<'a> Read<'a, Frame> {
    /// The bytes of the first plane.
    pub(crate) fn first_plane(&self) -> Result<&'a [u8]> {
        // SAFETY: `Given::new` was promised that the struct's pointers lead to as much as it says.
        unsafe { Bytes::new(self.pixels, self.pixels_bytes) }.read("frame.pixels")
    }

    /// The bytes of the second plane, none where it is not there.
    pub(crate) fn second_plane(&self) -> Result<&'a [u8]> {
        // SAFETY: as for the first plane.
        unsafe { Bytes::new(self.chroma, self.chroma_bytes) }.read("frame.chroma")
    }
}

impl<'a> Read<'a, Options> {
    /// Where ONNX Runtime is, if the caller says so.
    pub(crate) fn library(&self) -> Result<Option<&'a str>> {
        // SAFETY: `Given::new` was promised that the struct's texts end in a zero byte.
        unsafe { Text::new(self.onnxruntime) }.optional("options.onnxruntime")
    }

    /// Where prepared things are, if the caller says so.
    pub(crate) fn cache_folder(&self) -> Result<Option<&'a str>> {
        // SAFETY: as for the library.
        unsafe { Text::new(self.cache_folder) }.optional("options.cache_folder")
    }
}

impl<'a> Read<'a, Tensor> {
    /// The lengths of the axes.
    pub(crate) fn axes(&self) -> Result<&'a [i64]> {
        let rank = usize::try_from(self.rank).unwrap_or(usize::MAX);
        if rank > MAX_RANK {
            return Err(Failure::bad_argument(format!(
                "tensor.rank is {rank}, at most {MAX_RANK} are taken"
            )));
        }
        if rank == 0 {
            return Ok(&[]);
        }
        if self.shape.is_null() {
            return Err(Failure::null("tensor.shape"));
        }
        if !self.shape.is_aligned() {
            return Err(Failure::bad_argument("tensor.shape is not aligned for int64_t"));
        }
        // SAFETY: not null, aligned, and `rank` numbers can be read there, as `Given::new` was promised.
        Ok(unsafe { slice::from_raw_parts(self.shape, rank) })
    }

    /// The elements.
    pub(crate) fn elements(&self) -> Result<&'a [u8]> {
        // SAFETY: `Given::new` was promised that the struct's pointers lead to as much as it says.
        unsafe { Bytes::new(self.data.cast(), self.bytes) }.read("tensor.data")
    }
}

#[cfg(feature = "rasters")]
impl<'a> Read<'a, Raster> {
    /// The samples.
    pub(crate) fn samples(&self) -> Result<&'a [u8]> {
        // SAFETY: `Given::new` was promised that the struct's pointers lead to as much as it says.
        unsafe { Bytes::new(self.samples.cast(), self.bytes) }.read("raster.samples")
    }

    /// The names of the `count` bands that it says it has; `None` if there are none.
    pub(crate) fn names(&self, count: usize) -> Result<Option<Vec<&'a str>>> {
        if self.band_names.is_null() {
            return Ok(None);
        }
        let name = |band: usize| {
            // SAFETY: not null, so there are as many texts as bands, as `Given::new` was promised.
            unsafe { Text::new(self.band_names.add(band).read_unaligned()) }
                .required("a name in raster.band_names")
        };
        (0..count).map(name).collect::<Result<_>>().map(Some)
    }
}

/// Memory of the caller that is written to.
#[cfg_attr(not(feature = "rasters"), allow(dead_code))] // only rasters write rows
pub(crate) struct Room<'a>(*mut u8, usize, PhantomData<&'a mut [u8]>);

impl Room<'_> {
    /// # Safety
    /// `pointer` is null or can be written to for `length` bytes, which nobody else looks at as long as the call lasts.
    pub(crate) unsafe fn new(pointer: *mut u8, length: usize) -> Self {
        Self(pointer, length, PhantomData)
    }
}

#[cfg(feature = "rasters")]
impl Room<'_> {
    /// There must be room for so many bytes.
    pub(crate) fn check(&self, bytes: usize, what: &str) -> Result<()> {
        if self.0.is_null() {
            return Err(Failure::null(what));
        }
        if self.1 < bytes {
            return Err(Failure::bad_argument(format!("{what} has {} bytes, {bytes} are needed", self.1)));
        }
        Ok(())
    }

    /// Whether its first `bytes` bytes are apart from `others` bytes at `other`. Neither is followed.
    pub(crate) fn is_apart(&self, bytes: usize, other: *const u8, others: usize) -> bool {
        let (start, other) = (self.0.addr(), other.addr());
        start >= other.saturating_add(others) || other >= start.saturating_add(bytes)
    }

    /// Writes bytes at a place; what does not fit is left out.
    pub(crate) fn write(&mut self, at: usize, bytes: &[u8]) {
        if !self.0.is_null() && at.checked_add(bytes.len()).is_some_and(|end| end <= self.1) {
            // SAFETY: `Room::new` was promised that many bytes, and this stays inside.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.0.add(at), bytes.len()) };
        }
    }
}

/// Memory that belongs to a pipeline and is lent to the caller until the pipeline's next run. It is never followed here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lent(*const u8);

impl Lent {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.as_ptr())
    }

    pub(crate) fn pointer(self) -> *const u8 {
        self.0
    }
}

// SAFETY: only its owner's thread follows a pointer; this is a number that is handed to the caller.
unsafe impl Send for Lent {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    #[repr(C)]
    struct Now {
        size: usize,
        old: usize,
        new: usize,
    }

    // SAFETY: `repr(C)`, integers only, the size first.
    unsafe impl Versioned for Now {
        const NAME: &'static str = "now";
        const FIRST: usize = 2 * size_of::<usize>();
    }

    const WORD: usize = size_of::<usize>();

    fn given(words: &[usize]) -> Result<Now> {
        // SAFETY: every row below has as many words as its first word says, or one that is refused.
        unsafe { Given::new(words.as_ptr().cast::<Now>()) }.required("it").map(|now| *now)
    }

    #[test]
    fn structs_of_older_and_newer_callers_are_read() {
        type Expected = Result<[usize; 2], Status>;
        let rows: [(&str, &[usize], Expected); 8] = [
            ("of the same age", &[3 * WORD, 7, 8], Ok([7, 8])),
            ("older", &[2 * WORD, 7, 8], Ok([7, 0])),
            ("newer, nothing new set", &[5 * WORD, 7, 8, 0, 0], Ok([7, 8])),
            ("newer, something new set", &[5 * WORD, 7, 8, 0, 1], Err(Status::BadSize)),
            ("no size", &[0, 7, 8], Err(Status::BadSize)),
            ("older than the first", &[2 * WORD - 1, 7, 8], Err(Status::BadSize)),
            ("rubbish", &[usize::MAX, 7, 8], Err(Status::BadSize)),
            ("just above the largest", &[MAX_STRUCT + 1, 7, 8], Err(Status::BadSize)),
        ];
        for (name, words, expected) in rows {
            let found = given(words).map(|now| [now.old, now.new]).map_err(|failure| failure.status);
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn structs_of_older_and_newer_callers_are_filled() {
        let value = Now { size: 0, old: 7, new: 8 };
        let rows: [(&str, usize, Option<[usize; 5]>); 5] = [
            ("of the same age", 3, Some([3 * WORD, 7, 8, 9, 9])),
            ("older", 2, Some([2 * WORD, 7, 9, 9, 9])),
            ("newer", 5, Some([5 * WORD, 7, 8, 0, 0])),
            ("older than the first", 1, None),
            ("no size", 0, None),
        ];
        for (name, size, expected) in rows {
            let mut words = [size * WORD, 9, 9, 9, 9];
            let untouched = words;
            // SAFETY: there are as many words as the first says.
            let filled = unsafe { Place::new(words.as_mut_ptr().cast::<Now>()) }.fill(&value, "it");
            assert_eq!(filled.is_ok(), expected.is_some(), "{name}");
            assert_eq!(words, expected.unwrap_or(untouched), "{name}");
        }
    }

    #[test]
    fn null_is_said_and_not_followed() {
        // SAFETY: null is allowed everywhere.
        unsafe {
            assert!(Given::<Now>::new(ptr::null()).optional().is_ok_and(|now| now.is_none()));
            assert!(Given::<Now>::new(ptr::null()).required("it").is_err());
            assert!(Place::<Now>::new(ptr::null_mut()).fill(&Now { size: 0, old: 0, new: 0 }, "it").is_err());
            assert!(Place::<*mut u8>::new(ptr::null_mut()).put(ptr::null_mut(), "it").is_err());
            assert!(Text::new(ptr::null()).required("it").is_err());
            assert!(Bytes::new(ptr::null(), 1).read("it").is_err());
            assert!(Bytes::new(ptr::null(), 0).read("it").is_ok_and(<[u8]>::is_empty));
        }
    }
}
