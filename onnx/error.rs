//! What can go wrong with a library, a provider, a graph or its folder.

use std::fmt;
use std::path::Path;

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// One sentence for a person, and a [`kind`](Error::kind) for a program.
///
/// The sentence names what failed, where (file, graph, input), what was expected and given,
/// and the remedy where there is one.
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// The cause of an [`Error`], coarse enough to act upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No usable ONNX Runtime library.
    Runtime,
    /// An execution provider that is unknown, absent or misconfigured.
    Provider,
    /// A graph, an external data file or a folder that is not there.
    MissingFile,
    /// A file that is not a graph ONNX Runtime can load: truncated, foreign or inconsistent.
    BadGraph,
    /// An input that does not exist, was not set, or was given the wrong type or shape.
    Input,
    /// An output that does not exist, was not computed, or is not a tensor of numbers.
    Output,
    /// The graph failed while running.
    Run,
    /// Stopped on request.
    Cancelled,
    /// Reading or writing a file failed.
    Io,
    /// A configuration file that cannot be understood.
    Config,
    /// The cache of optimised graphs failed; never returned from loading a graph.
    Cache,
}

impl Error {
    /// An error of the given kind; `message` is one sentence without a full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, message }
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub(crate) fn io(what: &str, path: &Path, cause: &std::io::Error) -> Self {
        let path = path.display();
        Self::new(ErrorKind::Io, format!("cannot {what} {path}: {cause}"))
    }

    pub(crate) fn cancelled(path: &Path) -> Self {
        let path = path.display();
        Self::new(ErrorKind::Cancelled, format!("{path} was stopped on request"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Error {}

/// ONNX Runtime's own words in one line, without its source locations.
pub(crate) fn one_line(message: &impl fmt::Display) -> String {
    let text = message.to_string();
    // Before its own mark come C++ signatures, after it a code and its name.
    let text = match text.rsplit_once("[ONNXRuntimeError] : ") {
        Some((_, rest)) => rest.splitn(3, " : ").last().unwrap_or(rest),
        None => &text,
    };
    let words = text.split_whitespace().filter(|word| !is_source_location(word));
    let line = words.collect::<Vec<_>>().join(" ");
    line.trim_end_matches(['.', ' ']).to_owned()
}

/// `/onnxruntime_src/onnxruntime/core/...cc:123` says nothing to the person who reads it.
fn is_source_location(word: &str) -> bool {
    let file = word.split(':').next().unwrap_or(word);
    word.contains('/') && [".cc", ".h", ".cpp"].iter().any(|end| file.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_become_one_line() {
        let cases = [
            ("a\n  b\t c.\n", "a b c"),
            ("/onnxruntime_src/core/x.cc:12 failed", "failed"),
            ("Graph::Save(int) const [ONNXRuntimeError] : 1 : FAIL : no : room", "no : room"),
            ("file ../a.onnx failed", "file ../a.onnx failed"),
        ];
        for (given, expected) in cases {
            assert_eq!(one_line(&given), expected);
        }
    }

    #[test]
    fn errors_cross_threads() {
        fn check<T: std::error::Error + Send + Sync + 'static>() {}
        check::<Error>();
    }
}
