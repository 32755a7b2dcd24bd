//! Files that grow while their results are made.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use edrun_modalities::Info;
use edrun_modalities::audio::{Shape, Spectrogram, Waveform, Writer, normalise};

use super::{Extent, Media, Picture, Writing};

/// The file of a sound that is written part by part, and the picture of its frequencies, where one is wanted.
pub struct Growing {
    out: Out,
    look: Option<Look>,
}

/// The picture of a sound's frequencies.
struct Look {
    path: PathBuf,
    info: Info,
    drawing: Drawing,
}

enum Drawing {
    Begun(Spectrogram),
    /// How wide a part of it is, is known at the end of the sound.
    Gathered(Waveform),
}

/// Where samples go.
enum Out {
    Writer(Writer),
    /// Nowhere before the last one is there: the loudness of a sound is known at its end.
    Gathered {
        sound: Waveform,
        lufs: f64,
        place: Place,
    },
}

/// What a file is written with.
struct Place {
    /// None is standard output.
    path: Option<PathBuf>,
    info: Info,
    writing: Writing,
}

const FOREIGN: &str = "only sound is written part by part";

impl Growing {
    /// Begins the file at `path`, or without one a WAV stream on standard output, of a result whose `first` part is known.
    /// The part itself is not written yet.
    ///
    /// # Errors
    /// When it is no sound, or the file cannot be written.
    pub fn start(path: Option<&Path>, first: &Media, extent: Extent, info: &Info, writing: Writing) -> Result<Self> {
        let (Some(sound), Some(samples)) = (first.sound(), extent.samples()) else { bail!("{FOREIGN}") };
        let place = Place { path: path.map(Path::to_owned), info: info.clone(), writing };
        let out = match writing.loudness {
            Some(lufs) => Out::Gathered { sound: sound.clone().first(0), lufs, place },
            None => Out::Writer(place.writer(Shape { samples, ..sound.shape(writing.samples) })?),
        };
        Ok(Self { out, look: None })
    }

    /// Also draws a spectrogram, to be written at the end.
    ///
    /// # Errors
    /// When there is none of such a sound.
    pub fn with_look(mut self, path: &Path, extent: Extent, info: &Info) -> Result<Self> {
        let drawing = match extent {
            Extent::Sound { samples, sample_rate } => Drawing::Begun(Spectrogram::new(sample_rate, samples)?),
            Extent::Speech { sample_rate } => Drawing::Gathered(Waveform::new(sample_rate, vec![Vec::new()])?),
            _ => return Ok(self),
        };
        self.look = Some(Look { path: path.to_owned(), info: info.clone(), drawing });
        Ok(self)
    }

    /// Writes the next part.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn push(&mut self, part: &Media) -> Result<()> {
        let part = part.sound().context(FOREIGN)?;
        match self.look.as_mut().map(|look| &mut look.drawing) {
            Some(Drawing::Begun(spectrogram)) => spectrogram.push(part)?,
            Some(Drawing::Gathered(sound)) => sound.extend(part),
            None => {}
        }
        match &mut self.out {
            Out::Writer(writer) => writer.write(part),
            Out::Gathered { sound, .. } => {
                sound.extend(part);
                Ok(())
            }
        }
    }

    /// Gives the file its name, and writes the spectrogram.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub fn finish(self) -> Result<()> {
        match self.out {
            Out::Writer(writer) => writer.finish()?,
            Out::Gathered { sound, lufs, place } => {
                let sound = normalise(&sound, lufs, place.writing.samples)?;
                let mut writer = place.writer(sound.shape(place.writing.samples))?;
                writer.write(&sound)?;
                writer.finish()?;
            }
        }
        match self.look {
            Some(Look { path, info, drawing }) => drawing.finish()?.save(&path, &info, Writing::default().depth),
            None => Ok(()),
        }
    }
}

impl Drawing {
    fn finish(self) -> Result<Picture> {
        match self {
            Self::Begun(spectrogram) => spectrogram.finish(),
            Self::Gathered(sound) => Spectrogram::of(&sound),
        }
    }
}

impl Place {
    fn writer(&self, shape: Shape) -> Result<Writer> {
        match &self.path {
            Some(path) => Writer::create(path, shape, &self.info),
            None => Writer::stream(std::io::stdout(), shape, &self.info),
        }
    }
}
