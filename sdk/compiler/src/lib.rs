//! Passes from a source model to a verified bundle, and the report.

pub mod passes;
