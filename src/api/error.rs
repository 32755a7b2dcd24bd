//! What can go wrong, for people and for programs.

use std::fmt;

/// One sentence for a person, and a [`kind`](Error::kind) for a program.
///
/// The sentence names what failed, where, and the remedy.
pub struct Error {
    kind: ErrorKind,
    cause: anyhow::Error,
}

/// The cause of an [`Error`], coarse enough to act upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A model folder that is missing, damaged, or of no family that this build runs.
    Model,
    /// A wish that this model cannot fulfil, refused before any work was done.
    Ask,
    /// No usable ONNX Runtime library, or an execution provider that cannot serve.
    Runtime,
    /// The run failed.
    Run,
    /// Stopped on request.
    Cancelled,
    /// Reading or writing a file failed.
    Io,
}

impl ErrorKind {
    /// What graphs, folders and the runtime say is more exact than where it came up.
    fn of(cause: &edrun_onnx::Error) -> Option<Self> {
        use edrun_onnx::ErrorKind as Graph;
        match cause.kind() {
            Graph::Runtime | Graph::Provider => Some(Self::Runtime),
            Graph::MissingFile | Graph::BadGraph | Graph::Config => Some(Self::Model),
            Graph::Input | Graph::Output | Graph::Run => Some(Self::Run),
            Graph::Cancelled => Some(Self::Cancelled),
            Graph::Io => Some(Self::Io),
            _ => None,
        }
    }
}

impl Error {
    /// An error of the given kind, unless its causes tell better.
    pub(crate) fn new(usual: ErrorKind, cause: anyhow::Error) -> Self {
        let kind = cause.chain().find_map(|cause| ErrorKind::of(cause.downcast_ref()?)).unwrap_or(usual);
        Self { kind, cause }
    }

    /// An error of exactly this kind.
    pub(crate) fn exactly(kind: ErrorKind, cause: anyhow::Error) -> Self {
        Self { kind, cause }
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What the graph, the model folder or ONNX Runtime was at fault for, if one of them was.
    pub fn graph_error(&self) -> Option<&edrun_onnx::Error> {
        self.cause.chain().find_map(|cause| cause.downcast_ref())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.cause)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:#}", self.kind, self.cause)
    }
}

// The sentence holds its causes already, so there is no source beside it.
impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_decide_and_the_sentence_has_all() {
        let graph = edrun_onnx::Folder::open("no/such/folder".as_ref()).unwrap_err();
        let error = Error::new(ErrorKind::Run, anyhow::Error::from(graph).context("the model cannot be used"));
        assert_eq!((error.kind(), error.graph_error().is_some()), (ErrorKind::Model, true));
        assert!(error.to_string().starts_with("the model cannot be used: "), "{error}");
        assert!(error.to_string().contains("no/such/folder"), "{error}");
        let error = Error::new(ErrorKind::Ask, anyhow::anyhow!("no"));
        assert_eq!((error.kind(), error.graph_error().is_some()), (ErrorKind::Ask, false));
    }
}
