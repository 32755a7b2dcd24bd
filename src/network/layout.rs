//! How a denoiser's graph takes a latent: as it is, or as a row of tokens.

use edrun_onnx::Port;

/// The order of a latent's numbers in a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Channels first, as latents are: `[channels, ...]`.
    Plain,
    /// A token for each place, its channels last: `[places, channels]` (LTX-Video).
    Tokens,
}

impl Layout {
    /// Read off the port of the states, by its number of axes.
    pub(super) fn of(port: Option<&Port>, latent: &[usize]) -> Self {
        let rank = port.map_or(0, |port| port.shape.len());
        if rank == 3 && latent.len() > 2 { Self::Tokens } else { Self::Plain }
    }

    /// The shape of one row in the graph.
    pub(super) fn shape(self, latent: &[usize]) -> Vec<usize> {
        match (self, latent) {
            (Self::Tokens, [channels, places @ ..]) => vec![places.iter().product(), *channels],
            _ => latent.to_vec(),
        }
    }

    /// Brings the values of a latent with so many channels into the graph's order; `room` is for what is on its way.
    pub(super) fn pack(self, values: &mut [f32], channels: usize, room: &mut Vec<f32>) {
        if self == Self::Tokens {
            transpose(values, channels, room);
        }
    }

    /// Brings what the graph gave for a latent with so many channels into the latent's order.
    pub(super) fn unpack(self, values: &mut [f32], channels: usize, room: &mut Vec<f32>) {
        if self == Self::Tokens && channels > 0 {
            transpose(values, values.len() / channels, room);
        }
    }
}

/// Turns `rows` rows into as many columns.
fn transpose(values: &mut [f32], rows: usize, from: &mut Vec<f32>) {
    let columns = values.len() / rows.max(1);
    from.clear();
    from.extend_from_slice(values);
    for (at, value) in values.iter_mut().enumerate() {
        let (column, row) = (at / rows, at % rows);
        *value = from.get(row * columns + column).copied().unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_hold_the_channels_of_a_place() {
        let (mut values, mut room) = ([1.0, 2.0, 3.0, 10.0, 20.0, 30.0], Vec::new());
        Layout::Tokens.pack(&mut values, 2, &mut room);
        assert_eq!(values, [1.0, 10.0, 2.0, 20.0, 3.0, 30.0]);
        Layout::Tokens.unpack(&mut values, 2, &mut room);
        assert_eq!(values, [1.0, 2.0, 3.0, 10.0, 20.0, 30.0]);
        assert_eq!(Layout::Tokens.shape(&[2, 3, 1, 1]), [3, 2]);
        assert_eq!(Layout::Plain.shape(&[2, 3, 1, 1]), [2, 3, 1, 1]);
    }
}
