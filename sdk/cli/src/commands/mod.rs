//! One verb, one file.

pub(crate) mod bench;
pub(crate) mod catalogue;
pub(crate) mod compile;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod inspect;
pub(crate) mod run;
