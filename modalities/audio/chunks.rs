//! Long latents in stretches that are decoded one after another, and what they become in one piece.

use std::ops::Range;

use anyhow::{Result, ensure};

/// A stretch of latents that is decoded at once. It overlaps its neighbours, and hands over to them in the middle of that:
/// what lies nearer to an end misses what the decoder would see beyond it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The latents.
    pub latents: Range<usize>,
    /// Where it takes over from the one before.
    pub fade_in: Range<usize>,
    /// Where the next takes over.
    pub fade_out: Range<usize>,
}

/// Latents that chunks share, at most; half of them is the handover.
const OVERLAP: usize = 32;

/// `total` latents in chunks of `size`. The last ends with them, so it may overlap more.
pub fn chunks(total: usize, size: usize) -> Vec<Chunk> {
    if total == 0 {
        return Vec::new();
    }
    let size = size.clamp(1, total);
    let overlap = (size / 4).min(OVERLAP);
    let last = total - size;
    let starts: Vec<usize> = (0..last).step_by((size - overlap).max(1)).chain([last]).collect();
    let handover = |i: usize| match (i.checked_sub(1).and_then(|i| starts.get(i)), starts.get(i)) {
        (Some(before), Some(start)) => {
            let (shared, width) = ((before + size).saturating_sub(*start), overlap / 2);
            let from = start + (shared - width.min(shared)) / 2;
            from..from + width.min(shared)
        }
        (None, _) => 0..0,
        (_, None) => total..total,
    };
    let chunk = |(i, start): (usize, &usize)| Chunk {
        latents: *start..start + size,
        fade_in: handover(i),
        fade_out: handover(i + 1),
    };
    starts.iter().enumerate().map(chunk).collect()
}

/// Joins what chunks become: rows of numbers, as many for each latent.
#[derive(Debug, Default)]
pub struct Joiner {
    /// What the last chunk gave where the next takes over.
    before: Vec<Vec<f32>>,
}

impl Joiner {
    /// The rows of the next chunk, from where it takes over to where the next one does.
    ///
    /// # Errors
    /// When the rows are no whole numbers for each latent.
    pub fn push(&mut self, rows: &[Vec<f32>], chunk: &Chunk) -> Result<Vec<Vec<f32>>> {
        let (columns, latents) = (rows.first().map_or(0, Vec::len), chunk.latents.len().max(1));
        let alone = chunk.fade_in.is_empty() && chunk.fade_out.is_empty();
        ensure!(
            alone || columns.is_multiple_of(latents),
            "the decoder gave {columns} values for {latents} latents, which cannot be joined: ask for a shorter sound"
        );
        let place = |latent: usize| (latent - chunk.latents.start) * columns / latents;
        let fade = place(chunk.fade_in.end) - place(chunk.fade_in.start);
        let share = |i: usize| (i + 1) as f32 / (fade + 1) as f32;
        let (from, to) = (place(chunk.fade_in.start), place(chunk.fade_out.start));
        let joined = rows.iter().enumerate().map(|(i, row)| {
            let mut own = row.get(from..to).unwrap_or_default().to_vec();
            for (j, (v, before)) in own.iter_mut().zip(self.before.get(i).into_iter().flatten()).enumerate() {
                *v = before + (*v - before) * share(j);
            }
            own
        });
        let joined = joined.collect();
        let (from, to) = (place(chunk.fade_out.start), place(chunk.fade_out.end));
        self.before = rows.iter().map(|row| row.get(from..to).unwrap_or_default().to_vec()).collect();
        Ok(joined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_everything_once() {
        for (total, size) in [(1, 1), (16, 16), (17, 16), (100, 16), (1000, 128), (130, 128), (9, 4), (5, 1), (7, 2)] {
            let chunks = chunks(total, size);
            assert!(chunks.iter().all(|chunk| chunk.latents.len() == size.min(total)), "{total} {size}");
            let mut joiner = Joiner::default();
            // Three numbers a latent that say where they are.
            let rows =
                |chunk: &Chunk| vec![(3 * chunk.latents.start..3 * chunk.latents.end).map(|v| v as f32).collect()];
            let parts = chunks.iter().map(|chunk| joiner.push(&rows(chunk), chunk).unwrap().remove(0));
            let all: Vec<f32> = parts.flatten().collect();
            assert_eq!(all.len(), 3 * total, "{total} {size}");
            assert!(all.iter().enumerate().all(|(i, v)| (*v - i as f32).abs() < 1e-2), "{total} {size}");
        }
    }

    #[test]
    fn what_is_alone_may_have_any_length() {
        let [one] = &chunks(5, 8)[..] else { panic!("one chunk") };
        let rows = vec![vec![1.0; 13]];
        assert_eq!(Joiner::default().push(&rows, one).unwrap(), rows);
        let several = chunks(9, 8);
        assert!(Joiner::default().push(&rows, &several[0]).unwrap_err().to_string().contains("cannot be joined"));
    }
}
