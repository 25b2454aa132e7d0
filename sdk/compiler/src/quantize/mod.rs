//! Static int8, step by step: what the target's kernels take ([`kernels`]), which nodes compute in int8 and which
//! values are quantized for them ([`scheme`]), how their ranges follow from what was observed ([`grids`]), and
//! which layers must stay float to keep the answer ([`search`]).

mod grids;
mod kernels;
mod scheme;
mod search;
mod sources;

pub(crate) use grids::grids;
pub(crate) use kernels::Kernels;
pub(crate) use scheme::{Scheme, scheme};
pub(crate) use search::{Found, search};
pub(crate) use sources::{RangeSource, sources};
