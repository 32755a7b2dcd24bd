//! Runs ONNX graphs on ONNX Runtime.
//!
//! This crate finds the library, chooses the hardware, loads graphs from the folders people
//! deploy, and runs them on named tensors: quickly when the same graph runs many times,
//! stoppable at any moment, and with errors that name the file and the input.
//!
//! It refuses to know what the numbers mean. There is no noise here, no image, no text and
//! no diffusion; whoever calls it brings meaning along, and finds inputs by name.
//!
//! In reading order:
//! - [`session`]: [`Graph`], a graph ready to run, with its inputs and outputs
//! - [`folder`]: [`Folder`], where graphs and their configuration lie on disk
//! - [`find`]: such folders by name
//! - [`cancel`]: [`Cancel`], which stops a graph from another thread
//! - [`provider`]: what runs a graph: the processor, OpenVINO, CUDA and more
//! - [`ledger`]: what became of the graphs that were loaded
//! - [`trace`]: what happened when, node by node
//! - [`cache`]: graphs kept as ONNX Runtime optimised them, so that the next start is quick
//! - [`built_in`]: models that are part of the binary
//! - [`runtime`]: the library itself, found or fetched
//! - [`Outline`]: what a graph declares, read without loading it
//! - [`footprint`]: how much memory a graph will take, before it is loaded
//! - [`tensor`], [`port`]: element types, and how a graph declares its inputs and outputs
//! - [`unfinished`]: files in the making, which no end of the process leaves behind
//! - [`error`]: what can go wrong
//!
//! ```no_run
//! use edrun_onnx::{Cancel, Graph, GraphOptions};
//! # fn main() -> edrun_onnx::Result<()> {
//! let mut graph = Graph::load("unet/model.onnx".as_ref(), &GraphOptions::default())?;
//! let x = graph.input_of(&["sample", "x"]).unwrap_or(0);
//! graph.set_f32(x, &[1, 3], &[0.5, -1.0, 2.0])?;
//! graph.run(&Cancel::new())?;
//! println!("{}", graph.output_f32(0)?);
//! # Ok(())
//! # }
//! ```

#![deny(unsafe_code)]
#![deny(missing_docs)]

pub mod built_in;
pub mod cache;
pub mod cancel;
pub mod error;
pub mod find;
pub mod folder;
pub mod footprint;
pub mod ledger;
pub mod port;
pub mod provider;
pub mod runtime;
pub mod session;
pub mod tensor;
pub mod trace;
pub mod unfinished;
mod waiting;

mod install;
mod proto;
#[cfg(test)]
mod testing;
mod wheel;

pub use built_in::{BUILT_IN, BuiltIn};
pub use cache::GraphCache;
pub use cancel::Cancel;
pub use error::{Error, ErrorKind, Result};
pub use find::ModelRoots;
pub use folder::Folder;
pub use footprint::{Footprint, Given};
pub use ledger::{Ledger, Loaded};
pub use port::{Dim, Port};
pub use proto::Outline;
pub use provider::{Assigned, Plugin, Provider, ProviderChoice, Providers};
pub use runtime::Runtime;
pub use session::{Expected, Graph, GraphOptions};
pub use tensor::DType;
pub use trace::Trace;
pub use unfinished::Unfinished;
