//! An ONNX document in memory: read, edited, checked, written.
//!
//! [`Document`] holds a model as the structs of [`onnx`], which are ONNX's own protobuf messages; weights
//! stay slices of the buffer that was read. The methods beside them are typed access:
//!
//! - [`Document`]: reading (with external data), writing, metadata, opsets, [`Document::upgrade_opset`] to newer
//!   ones, [`Document::check`];
//! - [`onnx::GraphProto`]: inputs, initializers, [`Links`] from value to maker and readers, walks up and down,
//!   renaming, a visit of subgraphs; [`Names`] for names that clash with none;
//! - [`onnx::NodeProto`]: attributes as [`Attribute`] values, subgraphs;
//! - [`onnx::TensorProto`]: values by [`Element`] type; [`onnx::ValueInfoProto`]: type and shape as [`Dim`]s;
//! - [`Facts`]: types and shapes, also those that only a session knows. The graph knows no session.
//!
//! Files from outside are hostile: [`Document::parse`] walks over the bytes before it allocates for them.

mod check;
mod document;
mod external;
mod facts;
mod graph;
mod node;
pub mod onnx;
mod opset;
mod sweep;
mod tensor;
#[cfg(test)]
mod testing;
mod value;
mod walk;
mod wire;

pub use check::CheckError;
pub use document::{Document, DocumentError, MAX_BYTES, ir_version_for};
pub use external::ExternalError;
pub use facts::{Fact, Facts};
pub use graph::{Links, Names};
pub use node::Attribute;
pub use opset::{NEWEST_OPSET, OpsetError, OpsetReport};
pub use sweep::Swept;
pub use tensor::{Element, TensorError};
pub use value::Dim;
pub use wire::{UnknownFields, WireError};
