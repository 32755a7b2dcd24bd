//! The last error of each thread; no panic gets past it.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::EdrunErrorKind;
use crate::api::{Error, ErrorKind, Result};

thread_local! {
    /// The last error of this thread.
    static LAST: RefCell<(EdrunErrorKind, CString)> = RefCell::new((EdrunErrorKind::None, CString::default()));
}

/// What C sees of a text, which ends at its first NUL byte.
pub(super) fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

fn remember(kind: EdrunErrorKind, text: &str) {
    LAST.with(|last| *last.borrow_mut() = (kind, c_text(text)));
}

fn kind_of(error: &Error) -> EdrunErrorKind {
    match error.kind() {
        ErrorKind::Model => EdrunErrorKind::Model,
        ErrorKind::Ask => EdrunErrorKind::Ask,
        ErrorKind::Runtime => EdrunErrorKind::Runtime,
        ErrorKind::Cancelled => EdrunErrorKind::Cancelled,
        ErrorKind::Io => EdrunErrorKind::Io,
        ErrorKind::Run => EdrunErrorKind::Run,
    }
}

/// Does something for C: an error or a panic is remembered, and `failed` is the answer.
pub(super) fn guarded<T>(failed: T, act: impl FnOnce() -> Result<T>) -> T {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(Ok(done)) => {
            remember(EdrunErrorKind::None, "");
            done
        }
        Ok(Err(error)) => {
            remember(kind_of(&error), &error.to_string());
            failed
        }
        Err(panic) => {
            remember(EdrunErrorKind::Internal, &format!("a mistake in edrun: {}; please report it", said(&*panic)));
            failed
        }
    }
}

/// What a panic says.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it stopped without a word")
}

/// An argument that is none.
pub(super) fn refused(text: String) -> Error {
    Error::exactly(ErrorKind::Ask, anyhow::anyhow!(text))
}

/// The kind of the last error, and its sentence, which stays where it is until the next call on this thread.
pub(super) fn last() -> (EdrunErrorKind, *const c_char) {
    LAST.with(|last| {
        let last = last.borrow();
        (last.0, last.1.as_ptr())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered() -> (EdrunErrorKind, String) {
        LAST.with(|last| (last.borrow().0, last.borrow().1.to_string_lossy().into_owned()))
    }

    #[test]
    fn errors_and_panics_end_here() {
        let refusal = || Err(Error::exactly(ErrorKind::Ask, anyhow::anyhow!("no\0pe")));
        assert_eq!(guarded(0, refusal), 0);
        assert_eq!(remembered(), (EdrunErrorKind::Ask, "no pe".into()));
        assert_eq!(guarded(0, || Ok(1)), 1);
        assert_eq!(remembered(), (EdrunErrorKind::None, String::new()));
        assert_eq!(guarded(0, || panic!("slipped on {}", 1)), 0);
        let (kind, text) = remembered();
        assert!(kind == EdrunErrorKind::Internal && text.contains("slipped on 1"), "{text}");
    }
}
