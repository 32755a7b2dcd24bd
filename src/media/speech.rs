//! Speech: sound whose length the text decides, by way of the model.

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use edrun_modalities::speech::{Sound, Speaker, Supertonic, ZipVoice};
use edrun_onnx::{Cancel, Folder, GraphOptions};

use super::{Decode, Encode, Extent, Mask, Media, Medium, Modality, Wanted};
use crate::sampling::Latent;

/// Sound that a model speaks.
#[derive(Debug)]
struct Speech(Arc<dyn Speaker>);

struct Decoding(Box<dyn Sound>);

pub(crate) fn supertonic(folder: &Folder) -> Result<Arc<dyn Medium>> {
    Ok(Arc::new(Speech(Arc::new(Supertonic::open(folder)?))))
}

pub(crate) fn zipvoice(folder: &Folder) -> Result<Arc<dyn Medium>> {
    Ok(Arc::new(Speech(Arc::new(ZipVoice::open(folder)?))))
}

impl Medium for Speech {
    fn modality(&self) -> Modality {
        Modality::Sound
    }

    fn channels(&self) -> usize {
        self.0.channels()
    }

    fn speaker(&self) -> Option<&dyn Speaker> {
        Some(&*self.0)
    }

    fn does_without(&self, component: &str) -> bool {
        self.0.does_without(component)
    }

    /// How long it lasts is told by [`Reader`](edrun_modalities::speech::Reader) later on, line by line.
    fn measure(&self, wanted: &Wanted, init: Option<&Media>) -> Result<(Extent, Vec<usize>)> {
        ensure!(
            wanted.seconds.is_none(),
            "--duration has no effect on this model, which lets its text decide how long speech lasts; use --speed"
        );
        ensure!(init.is_none(), "this model starts from no sound that is given; leave --init-audio out");
        Ok((Extent::Speech { sample_rate: self.0.sample_rate() }, vec![self.channels(), 0]))
    }

    fn decoder(&self, folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Box<dyn Decode>> {
        Ok(Box::new(Decoding(self.0.vocoder(folder, options, cancel)?)))
    }

    fn encoder(&self, folder: &Folder, _: &GraphOptions, _: &Cancel) -> Result<Box<dyn Encode>> {
        bail!("{} cannot start from a sound that is given", folder.path().display())
    }

    fn scaled(&self, latent: Latent) -> Latent {
        latent
    }

    fn mask(&self, _: &Mask, _: Extent, _: &[usize]) -> Result<Latent> {
        bail!("this model makes nothing of a mask")
    }
}

impl Decode for Decoding {
    fn decode(&mut self, latent: &Latent, extent: Extent, cancel: &Cancel) -> Result<Media> {
        let Extent::Sound { samples, .. } = extent else { bail!("a line is decoded before its length is known") };
        self.0.sound(latent.view(), samples, cancel).map(Media::Sound)
    }
}
