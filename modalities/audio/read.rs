//! Sound files to waveforms.

use std::fs::File;
use std::path::Path;

use super::{Waveform, tags};
use anyhow::{Context, Result, anyhow, bail, ensure};
use symphonia::core::codecs::audio::well_known::CODEC_ID_FLAC;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatReader, Track, TrackType};

/// The most samples of all channels together that are read: a day of telephone, an hour and a half of eight channels.
const MOST: usize = 1 << 30;

/// What files can be read.
const READ: &str = "WAV, FLAC, MP3 and Ogg Vorbis";

/// Reads the first sound of a file, whatever its name.
pub(super) fn open(path: &Path) -> Result<Waveform> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let size = file.metadata().with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(size.is_file(), "cannot read {}: it is no file", path.display());
    let reader = tags::open(Box::new(file))
        .map_err(|why| anyhow!("{} is no sound that can be read ({why}): give {READ}", path.display()))?;
    decode(reader).with_context(|| format!("cannot read the sound {}", path.display()))
}

fn decode(mut reader: Box<dyn FormatReader + '_>) -> Result<Waveform> {
    let track = reader.default_track(TrackType::Audio).context("it holds no sound")?.clone();
    let params = track.codec_params.as_ref().and_then(|params| params.audio()).context("it holds no sound")?;
    let decoder = symphonia::default::get_codecs().make_audio_decoder(params, &AudioDecoderOptions::default());
    let mut reading = Reading { decoder: decoder.map_err(|why| anyhow!("{why}: give {READ}"))?, sound: None };
    while let Some(packet) = next(&mut *reader)? {
        if packet.track_id == track.id {
            reading.take(&packet)?;
        }
    }
    let sound = reading.sound.filter(|sound| !sound.is_empty()).context("it has no samples")?;
    check_whole(&sound, &track)?;
    let bad = sound.channels.iter().flatten().filter(|v| !v.is_finite()).count();
    ensure!(bad == 0, "{bad} of its samples are no finite numbers");
    Ok(sound)
}

fn next(reader: &mut dyn FormatReader) -> Result<Option<symphonia::core::packet::Packet>> {
    match reader.next_packet() {
        Ok(packet) => Ok(packet),
        Err(Error::IoError(why)) if why.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(Error::ResetRequired) => {
            bail!("it holds several sounds, one after another: give them as files of their own")
        }
        Err(why) => bail!("it is damaged ({why})"),
    }
}

struct Reading {
    decoder: Box<dyn AudioDecoder>,
    sound: Option<Waveform>,
}

impl Reading {
    fn take(&mut self, packet: &symphonia::core::packet::Packet) -> Result<()> {
        let decoded = match self.decoder.decode(packet) {
            Ok(decoded) => decoded,
            // The first frames of an MP3 file that was cut out of another build on what is missing.
            Err(Error::DecodeError(_)) if self.sound.is_none() => return Ok(()),
            Err(why) => bail!("it is damaged ({why})"),
        };
        let mut planes = Vec::<Vec<f32>>::new();
        decoded.copy_to_vecs_planar(&mut planes);
        let part = Waveform::new(decoded.spec().rate(), planes)?;
        let Some(sound) = &mut self.sound else {
            self.sound = Some(part);
            return Ok(());
        };
        ensure!(
            (sound.sample_rate, sound.channels.len()) == (part.sample_rate, part.channels.len()),
            "its sample rate or channels change in the middle"
        );
        sound.channels.iter_mut().zip(&part.channels).for_each(|(all, part)| all.extend(part));
        ensure!(sound.len() * sound.channels.len() <= MOST, "it has more than {MOST} samples: cut it");
        Ok(())
    }
}

/// A file that says how long it is must be that long. What leaves a program as a stream does not know, and says the most there
/// is.
fn check_whole(sound: &Waveform, track: &Track) -> Result<()> {
    let Some(said) = track.num_frames else { return Ok(()) };
    let codec = track.codec_params.as_ref().and_then(|params| params.audio()).map(|params| params.codec);
    let bytes_most = u64::from(u32::MAX) / 32;
    if sound.len() as u64 >= said || said >= bytes_most && codec != Some(CODEC_ID_FLAC) {
        return Ok(());
    }
    bail!("it is cut off: {} of its {said} samples are there", sound.len())
}
