//! Denoisers that share a run by noise level: one for the noisy part, one for the rest (Wan 2.2).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use edrun_onnx::Graph;

use super::{Condition, Input, Network};
use crate::sampling::{Branch, Denoiser, Latent, RequestId, Row};

/// Loads one of the networks, by its place.
pub type Load = Box<dyn FnMut(usize) -> Result<Network>>;

/// One network, or several of which each answers below the time at which the one before it ends.
///
/// A network is loaded when it is first asked. Where all requests walk together, the one before it is dropped then, so
/// that a run needs the memory of the larger one only.
pub struct Experts {
    networks: Vec<Option<Network>>,
    /// Times down to which each but the last answers.
    boundaries: Vec<f64>,
    load: Load,
    /// Whether all networks stay.
    keeps: bool,
    conditions: HashMap<(RequestId, Branch), Arc<Condition>>,
    /// Of networks that are gone.
    spent: (Duration, usize),
}

impl Experts {
    /// Networks that `load` gives, of which the first is `first`.
    pub fn new(first: Network, boundaries: Vec<f64>, keeps: bool, load: Load) -> Self {
        let networks = [Some(first)].into_iter().chain(boundaries.iter().map(|_| None)).collect();
        Self { networks, boundaries, load, keeps, conditions: HashMap::new(), spent: (Duration::ZERO, 0) }
    }

    /// Sets what a branch of a request is conditioned on.
    pub fn condition(&mut self, request: RequestId, branch: Branch, condition: Arc<Condition>) {
        for network in self.networks.iter_mut().flatten() {
            network.condition(request, branch, Arc::clone(&condition));
        }
        self.conditions.insert((request, branch), condition);
    }

    /// Whether the networks are conditioned on this.
    pub fn takes(&self, input: Input) -> bool {
        self.networks.iter().flatten().any(|network| network.takes(input))
    }

    /// Time spent inside the graphs, and the number of their runs.
    pub fn graph_time(&self) -> (Duration, usize) {
        let each = self.networks.iter().flatten().map(Network::graph_time);
        each.fold(self.spent, |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// Gives the graphs back that are loaded, each with its place.
    pub fn into_graphs(self) -> Vec<(usize, Graph)> {
        let loaded = self.networks.into_iter().enumerate();
        loaded.filter_map(|(place, network)| Some((place, network?.into_graph()))).collect()
    }

    /// Which network answers at a time.
    fn place(&self, time: f64) -> usize {
        self.boundaries.iter().take_while(|boundary| time < **boundary).count()
    }

    fn ready(&mut self, place: usize) -> Result<Option<&mut Network>> {
        if self.networks.get(place).is_some_and(Option::is_none) {
            if !self.keeps {
                self.drop_all();
            }
            let mut network = (self.load)(place)?;
            for ((request, branch), condition) in &self.conditions {
                network.condition(*request, *branch, Arc::clone(condition));
            }
            if let Some(slot) = self.networks.get_mut(place) {
                *slot = Some(network);
            }
        }
        Ok(self.networks.get_mut(place).and_then(Option::as_mut))
    }

    fn drop_all(&mut self) {
        self.spent = self.graph_time();
        self.networks.iter_mut().for_each(|network| *network = None);
    }
}

impl Denoiser for Experts {
    fn denoise(&mut self, mut rows: &[Row<'_>], mut clean: &mut [Latent]) -> Result<()> {
        while let Some(first) = rows.first() {
            let place = self.place(first.level.t);
            let count = rows.iter().take_while(|row| self.place(row.level.t) == place).count().min(clean.len());
            let (now, later) = rows.split_at(count);
            let (out, rest) = std::mem::take(&mut clean).split_at_mut(count);
            if let Some(network) = self.ready(place)? {
                network.denoise(now, out)?;
            }
            (rows, clean) = (later, rest);
        }
        Ok(())
    }

    fn extra(&self, request: RequestId) -> Option<&Latent> {
        self.networks.iter().flatten().find_map(|network| network.extra(request))
    }

    fn forget(&mut self, request: RequestId) {
        self.conditions.retain(|(owner, _), _| *owner != request);
        self.networks.iter_mut().flatten().for_each(|network| network.forget(request));
    }
}
