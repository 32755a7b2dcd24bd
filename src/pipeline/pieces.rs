//! Results that are made in pieces, such as the lines of a text: each is sampled and decoded alone, and they leave in order.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Context, Result};
use ndarray::{Axis, concatenate};

use super::run::{Place, Ready};
use crate::media::{Extent, Media};
use crate::sampling::{Latent, Noise};

/// A result: the ask it belongs to, and which of its results it is.
type Key = (usize, usize);

/// The pieces of a run that are on their way.
#[derive(Default)]
pub(super) struct Pieces {
    /// Where the noise of the next piece goes on.
    noises: HashMap<Key, Noise>,
    /// Latents that wait for the pieces before them.
    waiting: BTreeMap<(Key, usize), (Place, Latent)>,
    /// The piece that leaves next.
    next: HashMap<Key, usize>,
    /// What has left already.
    left: HashMap<Key, Left>,
    failed: HashSet<Key>,
}

/// What has left of a result.
#[derive(Default)]
struct Left {
    latents: Vec<Latent>,
    samples: usize,
    /// The media so far, where they are not handed over part by part.
    media: Option<Media>,
}

/// What is to be said of a piece.
pub(super) enum Leaves {
    /// A part of a result.
    Part(Media),
    /// The result, or its last part.
    Last { media: Media, latents: Latent, extent: Extent },
    /// Nothing: it waits for the rest.
    Later,
}

impl Pieces {
    /// The noise that a piece starts with: one stream runs through all pieces of a result.
    ///
    /// # Errors
    /// For a generator that is not known.
    pub(super) fn noise(&mut self, owner: &Ready<'_>, index: usize) -> Result<Noise> {
        match self.noises.remove(&(owner.ask, index)) {
            Some(noise) => Ok(noise),
            None => Noise::start(&owner.wish.rng, owner.plan.seed(index)),
        }
    }

    /// Keeps where the next piece's noise goes on: behind what this one starts from.
    pub(super) fn drawn(&mut self, owner: &Ready<'_>, index: usize, noise: &Noise) {
        if owner.piece + 1 < owner.plan.pieces() {
            self.noises.insert((owner.ask, index), noise.clone());
        }
    }

    /// Takes note that a result failed, so that the rest of it is left out; false where that was known.
    pub(super) fn fail(&mut self, owner: &Ready<'_>, index: usize) -> bool {
        self.waiting.retain(|(key, _), _| *key != (owner.ask, index));
        self.failed.insert((owner.ask, index))
    }

    /// Whether a result has failed.
    pub(super) fn has_failed(&self, owner: &Ready<'_>, index: usize) -> bool {
        self.failed.contains(&(owner.ask, index))
    }

    /// Takes a finished latent in, and gives those back whose turn it is.
    pub(super) fn in_order(&mut self, owner: &Ready<'_>, place: Place, latent: Latent) -> Vec<(Place, Latent)> {
        let key = (owner.ask, place.index);
        if owner.plan.pieces() == 1 {
            return vec![(place, latent)];
        }
        self.waiting.insert((key, owner.piece), (place, latent));
        let next = self.next.entry(key).or_default();
        let mut ready = Vec::new();
        while let Some(piece) = self.waiting.remove(&(key, *next)) {
            ready.push(piece);
            *next += 1;
        }
        ready
    }

    /// What becomes of a decoded piece; `parts` says whether media are handed over part by part.
    ///
    /// # Errors
    /// When pieces cannot be joined.
    pub(super) fn leave(
        &mut self,
        owner: &Ready<'_>,
        index: usize,
        media: Media,
        latents: Latent,
        parts: bool,
    ) -> Result<Leaves> {
        let extent = owner.plan.extent;
        let (key, pieces) = ((owner.ask, index), owner.plan.pieces());
        if pieces == 1 {
            return Ok(Leaves::Last { media, latents, extent });
        }
        let media = if owner.piece > 0 { owner.plan.paused(media) } else { media };
        let left = self.left.entry(key).or_default();
        left.latents.push(latents);
        left.samples += media.samples();
        let media = match (parts, left.media.take()) {
            (false, Some(before)) => before.joined(media),
            _ => media,
        };
        if owner.piece + 1 < pieces {
            if parts {
                return Ok(Leaves::Part(media));
            }
            left.media = Some(media);
            return Ok(Leaves::Later);
        }
        let left = self.left.remove(&key).context("a piece belongs to no result")?;
        let views: Vec<_> = left.latents.iter().map(|latent| latent.view()).collect();
        let latents = concatenate(Axis(owner.plan.time_axis()), &views)?;
        Ok(Leaves::Last { media, latents, extent: extent.lasting(left.samples) })
    }
}
