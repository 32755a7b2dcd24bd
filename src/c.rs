//! The C interface: what `include/edrun.h` declares. Built by
//! `cargo rustc --release --lib --no-default-features --features c,image --crate-type cdylib` (or `staticlib`).
//!
//! All unsafe code of the crate is in this file, and no panic leaves it.

mod last;
mod shape;
mod types;

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::anyhow;
use edrun_onnx::BuiltIn;

use crate::api::{Error, ErrorKind, Event, Generated, Output, Pipeline, Result, Switch, settings_from_json};
use last::{c_text, guarded, last, refused};
use shape::Shape;

pub use types::{EdrunErrorKind, EdrunEvent, EdrunEventKind, EdrunImage, EdrunMesh, EdrunProgress, EdrunSound};

/// A model, opened.
pub struct EdrunPipeline {
    pipeline: Mutex<Pipeline>,
    switch: Switch,
    modality: CString,
}

/// What came of an ask.
pub struct EdrunResults {
    results: Vec<(Output, Shape)>,
    failures: Vec<CString>,
}

/// A text that C gave; `None` for NULL.
///
/// # Safety
/// `text` is NULL or ends with a NUL byte and stays as it is for `'a`.
unsafe fn optional<'a>(text: *const c_char, name: &str) -> Result<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: as promised by the caller.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(Some).map_err(|_| refused(format!("the argument {name} is not UTF-8")))
}

/// # Safety
/// As for [`optional`].
unsafe fn given<'a>(text: *const c_char, name: &str) -> Result<&'a str> {
    // SAFETY: as promised by the caller.
    unsafe { optional(text, name)? }.ok_or_else(|| refused(format!("the argument {name} is NULL")))
}

/// # Safety
/// `pointer` is NULL or from this library, and was not freed.
unsafe fn object<'a, T>(pointer: *const T, name: &str) -> Result<&'a T> {
    // SAFETY: as promised by the caller.
    unsafe { pointer.as_ref() }.ok_or_else(|| refused(format!("the argument {name} is NULL")))
}

impl EdrunPipeline {
    fn open(folder: &str, settings: Option<&str>) -> Result<Self> {
        let settings = settings_from_json(settings.unwrap_or("{}"))?;
        let pipeline = Pipeline::open_with(find(folder)?, settings)?;
        let (switch, modality) = (pipeline.switch(), c_text(pipeline.modality()));
        Ok(Self { pipeline: Mutex::new(pipeline), switch, modality })
    }

    /// A panic leaves nothing behind that the next run could not bear.
    fn lock(&self) -> MutexGuard<'_, Pipeline> {
        self.pipeline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A folder, or a built-in model by its name.
fn find(folder: &str) -> Result<PathBuf> {
    let path = Path::new(folder);
    match BuiltIn::find(folder).filter(|_| !path.exists()) {
        Some(model) => model.folder().map_err(|cause| Error::new(ErrorKind::Io, cause.into())),
        None => Ok(path.to_owned()),
    }
}

impl EdrunResults {
    fn of(generated: Generated) -> Self {
        let results = generated.outputs.into_iter().map(|output| {
            let shape = Shape::of(&output.content);
            (output, shape)
        });
        let failure = |(index, why): &(usize, String)| c_text(&format!("result {index}: {why}"));
        Self { results: results.collect(), failures: generated.failures.iter().map(failure).collect() }
    }

    fn get(&self, index: usize) -> Result<&(Output, Shape)> {
        let count = self.results.len();
        self.results.get(index).ok_or_else(|| refused(format!("there is no result {index} among {count}")))
    }
}

/// The callback of a caller, with what it wants to see again.
struct Watcher {
    call: unsafe extern "C" fn(*mut c_void, *const EdrunEvent) -> c_int,
    context: *mut c_void,
}

// SAFETY: whoever gives the callback promises that it may be called on the thread that generates.
unsafe impl Send for Watcher {}

impl Watcher {
    fn see(&self, event: &Event<'_>) -> ControlFlow<()> {
        let named = |kind, text: &str| (kind, Some(c_text(text)), [0; 3]);
        let (kind, text, [index, done, total]) = match *event {
            Event::Stage(name) => named(EdrunEventKind::Stage, name),
            Event::Note(text) => named(EdrunEventKind::Note, text),
            Event::Cut(text) => {
                named(EdrunEventKind::Note, &format!("the prompt is too long; without effect is: {text}"))
            }
            Event::Step { index, done, total } => (EdrunEventKind::Step, None, [index, done, total]),
            Event::Preview { .. } => return ControlFlow::Continue(()),
        };
        let text = text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        let event = EdrunEvent { kind, text, index, done, total };
        // SAFETY: the callback is a function of the caller's, and the event lives until it returns.
        match unsafe { (self.call)(self.context, &event) } {
            0 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }
}

/// The version of the library, such as `0.1.0`.
#[unsafe(no_mangle)]
pub extern "C" fn edrun_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };
    VERSION.as_ptr()
}

/// Switches off the telemetry of ONNX Runtime, which is on in its own builds. Call it first, before any thread starts: it
/// sets the environment variable `ORT_DISABLE_TELEMETRY`.
#[unsafe(no_mangle)]
pub extern "C" fn edrun_silence_telemetry() {
    edrun_onnx::runtime::silence_telemetry();
}

/// What went wrong in the last call on this thread, in one sentence; empty when nothing did. Valid until the next call on
/// this thread.
#[unsafe(no_mangle)]
pub extern "C" fn edrun_last_error() -> *const c_char {
    last().1
}

/// What kind of error the last call on this thread ended with.
#[unsafe(no_mangle)]
pub extern "C" fn edrun_last_error_kind() -> EdrunErrorKind {
    last().0
}

/// Opens a model folder, or a built-in model by its name. `settings` is NULL or a JSON object of flags: `ep`,
/// `ep_fallback`, `threads`, `batch`, `cache_models`, `keep_loaded`, `ort_lib`, `runtime`. Returns NULL on failure.
///
/// # Safety
/// Both are NULL or texts in UTF-8 that end with a NUL byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edrun_open(folder: *const c_char, settings: *const c_char) -> *mut EdrunPipeline {
    guarded(ptr::null_mut(), || {
        // SAFETY: as promised by the caller.
        let (folder, settings) = unsafe { (given(folder, "folder")?, optional(settings, "settings")?) };
        Ok(Box::into_raw(Box::new(EdrunPipeline::open(folder, settings)?)))
    })
}

/// What the model makes: `image`, `audio`, `3d`, `video` or `text`. Valid until the pipeline is closed.
///
/// # Safety
/// `pipeline` is from `edrun_open` and not closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edrun_modality(pipeline: *const EdrunPipeline) -> *const c_char {
    // SAFETY: as promised by the caller.
    guarded(ptr::null(), || Ok(unsafe { object(pipeline, "pipeline")? }.modality.as_ptr()))
}

/// Has `callback` told how later runs go on; NULL ends that. `context` is handed back to it.
///
/// # Safety
/// `pipeline` is from `edrun_open` and not closed; `callback` may be called with `context`, on the thread that generates,
/// until another one is set or the pipeline is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edrun_on_progress(
    pipeline: *const EdrunPipeline,
    callback: EdrunProgress,
    context: *mut c_void,
) {
    guarded((), || {
        // SAFETY: as promised by the caller.
        let mut pipeline = unsafe { object(pipeline, "pipeline")? }.lock();
        match callback {
            None => drop(pipeline.on_progress(|_| ControlFlow::Continue(()))),
            Some(call) => {
                let watcher = Watcher { call, context };
                pipeline.on_progress(move |event| watcher.see(event));
            }
        }
        Ok(())
    });
}

/// Makes what a JSON object asks for, such as `{"prompt": "a red cube", "seed": 7}`: its keys are the flags of `edrun`
/// with underscores. Returns NULL on failure; results that failed alone are listed by `edrun_failure`. Calls on one
/// pipeline wait for each other.
///
/// # Safety
/// `pipeline` is from `edrun_open` and not closed; `ask` is NULL or a text in UTF-8 that ends with a NUL byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edrun_generate(pipeline: *const EdrunPipeline, ask: *const c_char) -> *mut EdrunResults {
    guarded(ptr::null_mut(), || {
        // SAFETY: as promised by the caller.
        let (pipeline, ask) = unsafe { (object(pipeline, "pipeline")?, given(ask, "ask")?) };
        let generated = pipeline.lock().generate(ask)?;
        if let ([], [(_, why), ..]) = (generated.outputs.as_slice(), generated.failures.as_slice()) {
            return Err(Error::exactly(ErrorKind::Run, anyhow!("{why}")));
        }
        Ok(Box::into_raw(Box::new(EdrunResults::of(generated))))
    })
}

/// Stops what the pipeline does, or would do next; from any thread. The run ends with an error of kind `Cancelled`.
///
/// # Safety
/// `pipeline` is from `edrun_open` and not closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edrun_cancel(pipeline: *const EdrunPipeline) {
    guarded((), || {
        // SAFETY: as promised by the caller.
        unsafe { object(pipeline, "pipeline")? }.switch.cancel();
        Ok(())
    });
}

/// How many results there are.
///
/// # Safety
/// `results` is from `edrun_generate` and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edrun_count(results: *const EdrunResults) -> usize {
    // SAFETY: as promised by the caller.
    guarded(0, || Ok(unsafe { object(results, "results")? }.results.len()))
}

/// Why the failure number `index` happened; NULL when there are not so many. Valid until the results are freed.
///
/// # Safety
/// `results` is from `edrun_generate` and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edrun_failure(results: *const EdrunResults, index: usize) -> *const c_char {
    guarded(ptr::null(), || {
        // SAFETY: as promised by the caller.
        let failures = unsafe { &object(results, "results")?.failures };
        Ok(failures.get(index).map_or(ptr::null(), |why| why.as_ptr()))
    })
}

/// The seed that a result was made with; 0 when there is no such result.
///
/// # Safety
/// `results` is from `edrun_generate` and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edrun_seed(results: *const EdrunResults, index: usize) -> u64 {
    // SAFETY: as promised by the caller.
    guarded(0, || Ok(unsafe { object(results, "results")? }.get(index)?.0.seed))
}

/// Writes a result in the format that the ending of `path` names (a text as it is), with how it was made in it; whole or
/// not at all.
///
/// # Safety
/// `results` is from `edrun_generate` and not freed; `path` is NULL or a text in UTF-8 that ends with a NUL byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edrun_save(results: *const EdrunResults, index: usize, path: *const c_char) -> bool {
    guarded(false, || {
        // SAFETY: as promised by the caller.
        let (results, path) = unsafe { (object(results, "results")?, given(path, "path")?) };
        results.get(index)?.0.save(path).map(|()| true)
    })
}

/// Fills in `image` with a result; false when it is no picture.
///
/// # Safety
/// `results` is from `edrun_generate` and not freed; `image` is NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edrun_image(results: *const EdrunResults, index: usize, image: *mut EdrunImage) -> bool {
    guarded(false, || {
        // SAFETY: as promised by the caller.
        match &unsafe { object(results, "results")? }.get(index)?.1 {
            Shape::Picture { width, height, rgb } => {
                let filled = EdrunImage { width: *width, height: *height, rgb: rgb.as_ptr() };
                // SAFETY: as promised by the caller.
                unsafe { fill(image, filled) }
            }
            other => Err(other.is_no("picture")),
        }
    })
}

/// Fills in `sound` with a result; false when it is no sound.
///
/// # Safety
/// `results` is from `edrun_generate` and not freed; `sound` is NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edrun_sound(results: *const EdrunResults, index: usize, sound: *mut EdrunSound) -> bool {
    guarded(false, || {
        // SAFETY: as promised by the caller.
        match &unsafe { object(results, "results")? }.get(index)?.1 {
            Shape::Sound { sample_rate, channels, samples, values } => {
                let (sample_rate, channels, samples) = (*sample_rate, *channels, *samples);
                let filled = EdrunSound { sample_rate, channels, samples, values: values.as_ptr() };
                // SAFETY: as promised by the caller.
                unsafe { fill(sound, filled) }
            }
            other => Err(other.is_no("sound")),
        }
    })
}

/// Fills in `mesh` with a result; false when it is no mesh.
///
/// # Safety
/// `results` is from `edrun_generate` and not freed; `mesh` is NULL or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edrun_mesh(results: *const EdrunResults, index: usize, mesh: *mut EdrunMesh) -> bool {
    guarded(false, || {
        // SAFETY: as promised by the caller.
        match &unsafe { object(results, "results")? }.get(index)?.1 {
            Shape::Mesh { positions, colours, triangles } => {
                let filled = EdrunMesh {
                    corners: positions.len() / 3,
                    positions: positions.as_ptr(),
                    colours: if colours.is_empty() { ptr::null() } else { colours.as_ptr() },
                    triangles: triangles.len() / 3,
                    indices: triangles.as_ptr(),
                };
                // SAFETY: as promised by the caller.
                unsafe { fill(mesh, filled) }
            }
            other => Err(other.is_no("mesh")),
        }
    })
}

/// A result that is a text, in UTF-8; NULL when it is none. Valid until the results are freed.
///
/// # Safety
/// `results` is from `edrun_generate` and not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edrun_text(results: *const EdrunResults, index: usize) -> *const c_char {
    guarded(ptr::null(), || {
        // SAFETY: as promised by the caller.
        match &unsafe { object(results, "results")? }.get(index)?.1 {
            Shape::Text(text) => Ok(text.as_ptr()),
            other => Err(other.is_no("text")),
        }
    })
}

/// # Safety
/// `place` is NULL or can be written.
unsafe fn fill<T>(place: *mut T, value: T) -> Result<bool> {
    if place.is_null() {
        return Err(refused("there is no place for the result: the last argument is NULL".into()));
    }
    // SAFETY: as promised by the caller.
    unsafe { place.write(value) };
    Ok(true)
}

/// # Safety
/// `pointer` is NULL, or a box that was handed out and not taken back.
unsafe fn release<T>(pointer: *mut T) {
    guarded((), || {
        if !pointer.is_null() {
            // SAFETY: as promised by the caller.
            drop(unsafe { Box::from_raw(pointer) });
        }
        Ok(())
    });
}

/// Frees results and all that was read from them; NULL is none.
///
/// # Safety
/// `results` is NULL, or from `edrun_generate` and not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edrun_free(results: *mut EdrunResults) {
    // SAFETY: as promised by the caller.
    unsafe { release(results) }
}

/// Closes a pipeline and gives its memory back; NULL is none. No other call on it may be under way.
///
/// # Safety
/// `pipeline` is NULL, or from `edrun_open` and not closed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edrun_close(pipeline: *mut EdrunPipeline) {
    // SAFETY: as promised by the caller.
    unsafe { release(pipeline) }
}
