//! Static int8, step by step: what the target's kernels take ([`kernels`]), which nodes compute in int8 and which
//! values are quantized for them ([`scheme`]), how their ranges follow from what was observed ([`ranges`]), and
//! which layers must stay float to keep the answer ([`search`], [`sensitivity()`]).

mod kernels;
mod prepared;
mod ranges;
mod scheme;
mod search;
mod sensitivity;
mod silu;
mod sources;

pub(crate) use kernels::{HALF_RANGE, Kernels};
pub(crate) use prepared::{Built, Choice, Prepared};
pub(crate) use ranges::{histogram, levels, range_of};
pub(crate) use scheme::{Scheme, scheme, value_inputs};
pub(crate) use search::{Found, Order, each_method, fewest_float, methods};
pub(crate) use sensitivity::{LayerCost, sensitivity};
pub(crate) use sources::{RangeSource, sources};
