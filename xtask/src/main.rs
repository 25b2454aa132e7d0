//! The habits of this repository.
fn main() {}
