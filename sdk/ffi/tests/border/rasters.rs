//! Rasters in memory.
