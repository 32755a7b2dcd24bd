//! Walks an ONNX file without loading its weights.
//!
//! ONNX Runtime says little about a file it cannot load. This walk knows just enough of the
//! format (protobuf messages nested in length-delimited fields) to find where a file ends too
//! early and which external data files it needs, and skips everything else unread.

mod outline;
pub(crate) mod structure;

use crate::error::{Error, ErrorKind, Result};
pub use outline::Outline;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};

/// What a graph file consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Described {
    /// Size of the graph file in bytes.
    pub bytes: u64,
    /// Whether it is in the ONNX format, and not in ONNX Runtime's own.
    pub is_onnx: bool,
    /// The external data files, sorted, each named as in the graph.
    pub external: Vec<External>,
}

/// A file that holds weights of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct External {
    /// Relative to the graph's folder.
    pub location: String,
    /// The file.
    pub path: PathBuf,
    /// How long the graph needs it to be, in bytes.
    pub needed: u64,
    /// How long it is, in bytes.
    pub held: u64,
}

impl Described {
    /// The size of the graph with its weights, in bytes.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.external.iter().map(|file| file.held).sum::<u64>() + self.bytes
    }
}

/// Reads what a graph consists of and checks that all of it is there.
pub(crate) fn describe(path: &Path) -> Result<Described> {
    let file = open(path)?;
    let bytes = file.metadata().map_err(|cause| Error::io("read", path, &cause))?.len();
    let mut reader = BufReader::new(file);
    if is_ort_format(&mut reader) {
        return Ok(Described { bytes, ..Described::default() });
    }
    let mut walk = Walk::new(reader);
    walk.rewind().and_then(|()| walk.message(Message::Model, bytes)).map_err(|stop| stop.explain(path, bytes))?;
    if !walk.has_graph {
        return Err(Stop::Foreign.explain(path, bytes));
    }
    let external = resolve(path, walk.found)?;
    Ok(Described { bytes, is_onnx: true, external })
}

fn open(path: &Path) -> Result<File> {
    let missing = |what: &str| {
        let path = path.display();
        Error::new(ErrorKind::MissingFile, format!("graph {path} {what}"))
    };
    if path.is_dir() {
        return Err(missing("is a folder; name the .onnx file in it"));
    }
    File::open(path).map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound if path.is_symlink() => {
            missing("is a link to a file that is not there; download it again")
        }
        io::ErrorKind::NotFound => missing("does not exist"),
        _ => Error::io("read graph", path, &cause),
    })
}

/// ONNX Runtime's own format carries its mark in bytes 4 to 8 and no external data.
fn is_ort_format(reader: &mut BufReader<File>) -> bool {
    let mut head = [0; 8];
    reader.read_exact(&mut head).is_ok() && head.ends_with(b"ORTM")
}

/// The messages on the way to tensors; other fields are skipped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Message {
    Model,
    Graph,
    Function,
    Node,
    Attribute,
    SparseTensor,
    Tensor,
}

impl Message {
    /// The message in a field, by the numbers in onnx.proto.
    fn child(self, field: u64) -> Option<Self> {
        match (self, field) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Some(Self::Graph),
            (Self::Model, 25) => Some(Self::Function),
            (Self::Graph, 1) | (Self::Function, 7) => Some(Self::Node),
            (Self::Node, 5) | (Self::Function, 11) => Some(Self::Attribute),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => Some(Self::Tensor),
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Some(Self::SparseTensor),
            _ => None,
        }
    }
}

const EXTERNAL_DATA: u64 = 13;

/// Why a walk ended.
enum Stop {
    Truncated,
    Foreign,
    Io(io::Error),
}

struct Walk {
    reader: BufReader<File>,
    at: u64,
    found: Vec<Reference>,
    has_graph: bool,
    /// Messages around this place.
    depth: usize,
}

/// Graphs inside nodes inside graphs: nobody nests them so deep, and the stack ends somewhere.
const DEEPEST: usize = 100;

/// Where one tensor's values lie.
#[derive(Default)]
struct Reference {
    location: String,
    offset: u64,
    length: u64,
}

impl Walk {
    fn new(reader: BufReader<File>) -> Self {
        Self { reader, at: 0, found: Vec::new(), has_graph: false, depth: 0 }
    }

    fn rewind(&mut self) -> std::result::Result<(), Stop> {
        io::Seek::rewind(&mut self.reader).map_err(Stop::Io)
    }

    fn message(&mut self, kind: Message, end: u64) -> std::result::Result<(), Stop> {
        let mut reference = Reference::default();
        while self.at < end {
            let tag = self.varint()?;
            let (field, wire) = (tag >> 3, tag & 7);
            let length = self.length(wire)?;
            let field_end = self.at.checked_add(length).ok_or(Stop::Foreign)?;
            if field_end > end {
                return Err(if self.has_graph || kind == Message::Model && field == 7 {
                    Stop::Truncated
                } else {
                    Stop::Foreign
                });
            }
            match kind.child(field).filter(|_| wire == 2) {
                Some(child) => {
                    self.has_graph |= child == Message::Graph;
                    self.depth += 1;
                    if self.depth > DEEPEST {
                        return Err(Stop::Foreign);
                    }
                    self.message(child, field_end)?;
                    self.depth -= 1;
                }
                None if kind == Message::Tensor && field == EXTERNAL_DATA => self.entry(field_end, &mut reference)?,
                None => self.skip(length)?,
            }
        }
        if !reference.location.is_empty() {
            self.found.push(reference);
        }
        Ok(())
    }

    /// One key and value of a tensor's external data.
    fn entry(&mut self, end: u64, reference: &mut Reference) -> std::result::Result<(), Stop> {
        let (mut key, mut value) = (String::new(), String::new());
        while self.at < end {
            let tag = self.varint()?;
            let length = self.length(tag & 7)?;
            if self.at.checked_add(length).is_none_or(|field_end| field_end > end) {
                return Err(Stop::Foreign);
            }
            match tag >> 3 {
                1 => key = self.text(length)?,
                2 => value = self.text(length)?,
                _ => self.skip(length)?,
            }
        }
        match key.as_str() {
            "location" => reference.location = value,
            "offset" => reference.offset = value.parse().map_err(|_| Stop::Foreign)?,
            "length" => reference.length = value.parse().map_err(|_| Stop::Foreign)?,
            _ => {}
        }
        Ok(())
    }

    /// How many bytes a field's value takes, beyond what was read to know it.
    fn length(&mut self, wire: u64) -> std::result::Result<u64, Stop> {
        match wire {
            0 => self.varint().map(|_| 0),
            1 => Ok(8),
            2 => self.varint(),
            5 => Ok(4),
            _ => Err(if self.has_graph { Stop::Truncated } else { Stop::Foreign }),
        }
    }

    fn varint(&mut self) -> std::result::Result<u64, Stop> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.reader.read_exact(&mut byte).map_err(|cause| self.read_error(cause))?;
            self.at += 1;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Ok(value);
            }
        }
        Err(Stop::Foreign)
    }

    fn text(&mut self, length: u64) -> std::result::Result<String, Stop> {
        let mut bytes = Vec::new();
        let read = (&mut self.reader).take(length).read_to_end(&mut bytes).map_err(Stop::Io)?;
        self.at += read as u64;
        String::from_utf8(bytes).map_err(|_| Stop::Foreign)
    }

    fn skip(&mut self, length: u64) -> std::result::Result<(), Stop> {
        let step = i64::try_from(length).map_err(|_| Stop::Foreign)?;
        self.reader.seek_relative(step).map_err(Stop::Io)?;
        self.at += length;
        Ok(())
    }

    fn read_error(&self, cause: io::Error) -> Stop {
        match cause.kind() {
            io::ErrorKind::UnexpectedEof if self.has_graph => Stop::Truncated,
            io::ErrorKind::UnexpectedEof => Stop::Foreign,
            _ => Stop::Io(cause),
        }
    }
}

impl Stop {
    fn explain(self, path: &Path, bytes: u64) -> Error {
        let shown = path.display();
        let bad = |what: String| Error::new(ErrorKind::BadGraph, what);
        match self {
            Self::Io(cause) => Error::io("read graph", path, &cause),
            _ if bytes == 0 => bad(format!("graph {shown} is empty; download or export it again")),
            _ if is_lfs_pointer(path) => bad(lfs_message("graph", path)),
            Self::Truncated => {
                bad(format!("graph {shown} is truncated: it ends after {bytes} bytes; download or export it again"))
            }
            Self::Foreign => bad(format!("{shown} is not an ONNX graph")),
        }
    }
}

fn is_lfs_pointer(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(40).read_to_end(&mut head));
    read.is_ok() && head.starts_with(b"version https://git-lfs")
}

fn lfs_message(what: &str, path: &Path) -> String {
    let path = path.display();
    format!("{what} {path} is a Git LFS pointer, not the file itself; run `git lfs pull` in its folder")
}

/// Turns what tensors refer to into files, each checked once.
fn resolve(graph: &Path, references: Vec<Reference>) -> Result<Vec<External>> {
    let folder = graph.parent().unwrap_or(Path::new(""));
    let mut external: Vec<External> = Vec::new();
    for Reference { location, offset, length } in references {
        let needed = offset.saturating_add(length);
        match external.iter_mut().find(|known| known.location == location) {
            Some(known) => known.needed = known.needed.max(needed),
            None => {
                let path = inside(graph, folder, &location)?;
                external.push(External { location, path, needed, held: 0 });
            }
        }
    }
    external.sort_by(|a, b| a.location.cmp(&b.location));
    external.iter_mut().try_for_each(|file| check(graph, file))?;
    Ok(external)
}

/// A location must stay below the graph's folder, whatever a downloaded file says.
fn inside(graph: &Path, folder: &Path, location: &str) -> Result<PathBuf> {
    let relative = Path::new(location);
    let mut depth = 0i32;
    let stays = relative.components().all(|part| {
        depth += match part {
            Component::Normal(_) => 1,
            Component::CurDir => 0,
            Component::ParentDir => -1,
            Component::RootDir | Component::Prefix(_) => i32::MIN / 2,
        };
        depth >= 0
    });
    if stays {
        return Ok(folder.join(relative));
    }
    let graph = graph.display();
    Err(Error::new(
        ErrorKind::BadGraph,
        format!(
            "graph {graph} keeps weights in `{location}`, outside its folder; \
             move that file beside the graph and save the graph again"
        ),
    ))
}

fn check(graph_path: &Path, file: &mut External) -> Result<()> {
    let (shown, graph, needed) = (file.path.display(), graph_path.display(), file.needed);
    let Ok(meta) = file.path.metadata() else {
        let message =
            format!("graph {graph} needs its weights in {shown}, which does not exist; copy it there as well");
        return Err(Error::new(ErrorKind::MissingFile, message));
    };
    if leads_out(graph_path, &file.path) {
        let message = format!(
            "weight file {shown} is a link that leads out of the folder of {graph}, which ONNX Runtime \
             refuses; replace it by the file itself"
        );
        return Err(Error::new(ErrorKind::BadGraph, message));
    }
    let held = meta.len();
    file.held = held;
    if held >= needed {
        return Ok(());
    }
    let message = if is_lfs_pointer(&file.path) {
        lfs_message("weight file", &file.path)
    } else {
        format!("weight file {shown} is truncated: it has {held} bytes, and {graph} needs {needed}; download it again")
    };
    Err(Error::new(ErrorKind::BadGraph, message))
}

/// Links are fine where the graph is one too and both end in one folder, as in the cache of
/// the Hugging Face hub.
fn leads_out(graph: &Path, file: &Path) -> bool {
    let (Ok(graph_at), Ok(file_at)) = (graph.canonicalize(), file.canonicalize()) else {
        return false;
    };
    let folder = graph.parent().and_then(|folder| match folder.as_os_str().is_empty() {
        true => Path::new(".").canonicalize().ok(),
        false => folder.canonicalize().ok(),
    });
    let homes = [folder.as_deref(), graph_at.parent()];
    !homes.into_iter().flatten().any(|home| file_at.starts_with(home))
}

#[cfg(test)]
mod tests;
