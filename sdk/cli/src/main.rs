//! The `farsight` command.
fn main() {}
