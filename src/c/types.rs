//! What C and Rust hand each other.

use std::ffi::{c_char, c_int, c_void};

/// What kind of error it was.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdrunErrorKind {
    /// None.
    None = 0,
    /// A model folder that is missing, damaged, or of no family that this build runs.
    Model = 1,
    /// A wish that this model cannot fulfil, or an argument that is none.
    Ask = 2,
    /// No usable ONNX Runtime library, or an execution provider that cannot serve.
    Runtime = 3,
    /// The run failed.
    Run = 4,
    /// Stopped on request.
    Cancelled = 5,
    /// Reading or writing a file failed.
    Io = 6,
    /// A mistake in edrun; please report it.
    Internal = 7,
}

/// What an event tells.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdrunEventKind {
    /// A stage begins; `text` is its name.
    Stage = 0,
    /// The result `index` has made `done` of `total` steps (of a text: tokens).
    Step = 1,
    /// `text` is worth knowing and did not stop the run.
    Note = 2,
}

/// What a run tells while it goes on.
#[repr(C)]
pub struct EdrunEvent {
    /// What it tells.
    pub kind: EdrunEventKind,
    /// A stage or a note, else NULL; valid until the callback returns.
    pub text: *const c_char,
    /// Which of the ask's results, from 0.
    pub index: usize,
    /// Steps done.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
}

/// Receives events on the thread that called `edrun_generate`; any other answer than 0 stops the run. It must not call
/// back into the same pipeline, except for `edrun_cancel`.
pub type EdrunProgress = Option<unsafe extern "C" fn(context: *mut c_void, event: *const EdrunEvent) -> c_int>;

/// A picture: three bytes a pixel (red, green, blue in sRGB), row by row from the top.
#[repr(C)]
pub struct EdrunImage {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// `height * width * 3` bytes, valid until the results are freed.
    pub rgb: *const u8,
}

/// A sound: channel by channel, full scale from -1 to 1.
#[repr(C)]
pub struct EdrunSound {
    /// Samples a second of each channel.
    pub sample_rate: u32,
    /// Channels.
    pub channels: usize,
    /// Samples of each channel.
    pub samples: usize,
    /// `channels * samples` values, valid until the results are freed.
    pub values: *const f32,
}

/// A mesh: metres, Y up, triangles counter-clockwise seen from outside.
#[repr(C)]
pub struct EdrunMesh {
    /// Corners.
    pub corners: usize,
    /// `corners * 3` coordinates, valid until the results are freed.
    pub positions: *const f32,
    /// `corners * 3` colours in sRGB from 0 to 1, or NULL.
    pub colours: *const f32,
    /// Triangles.
    pub triangles: usize,
    /// `triangles * 3` corners by number.
    pub indices: *const u32,
}
