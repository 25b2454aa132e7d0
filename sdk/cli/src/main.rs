//! The `farsight` command.

#[allow(dead_code, unused_imports)] // until the run verb draws
mod draw;

fn main() {}
