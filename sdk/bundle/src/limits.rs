//! How much a reader believes before it has checked anything.

/// Entries in one bundle.
pub(crate) const MAX_ENTRIES: usize = 1024;

/// Bytes of an entry's name.
pub(crate) const MAX_NAME: usize = 255;

/// Bytes of `manifest.json`. Parsing may take some ten times as much.
pub(crate) const MAX_MANIFEST: u64 = 256 << 10;

/// Bytes of `spec.toml` and of `target.toml`. Parsing TOML made to do harm takes a hundred times as much.
pub(crate) const MAX_TOML: u64 = 64 << 10;

/// Bytes of `labels.txt`.
pub(crate) const MAX_LABELS_TEXT: u64 = 2 << 20;

/// Labels in `labels.txt`: three times the classes of ImageNet-21k.
pub(crate) const MAX_LABELS: usize = 1 << 16;

/// Characters of a message that quotes a bundle.
pub(crate) const MAX_MESSAGE: usize = 300;

/// How many times larger than its packed bytes a compressed entry may be. Weights reach 1.1 to 10.
pub(crate) const MAX_RATIO: u64 = 100;

/// Bytes of all compressed entries together, unpacked: the most an ONNX file can have.
pub(crate) const MAX_UNPACKED: u64 = 2 << 30;

/// Base-two logarithm of the zstd window that a reader is ready to allocate: 8 MiB.
pub(crate) const MAX_ZSTD_WINDOW: u32 = 23;
