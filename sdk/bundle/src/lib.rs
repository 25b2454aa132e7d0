//! The bundle file: written atomically, read with suspicion.
