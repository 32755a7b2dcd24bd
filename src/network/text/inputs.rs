//! What a run of a language model's graph is given.

use anyhow::Result;

use super::{Asked, TokenNetwork};

impl TokenNetwork {
    pub(super) fn set_tokens(&mut self, asked: &[Asked<'_, '_>], before: usize, length: usize) -> Result<()> {
        let shape = [asked.len(), length];
        let ids = |a: &Asked<'_, '_>| -> Vec<i64> {
            let seen = a.places.iter().map(|place| i64::from(a.row.x.token(*place)));
            seen.chain(std::iter::repeat(i64::from(self.pad))).take(length).collect()
        };
        let ids: Vec<i64> = asked.iter().flat_map(ids).collect();
        self.graph.set_i64(self.ports.ids, &shape, &ids)?;
        if let Some(mask) = self.ports.mask {
            let seen = |a: &Asked<'_, '_>| {
                (0..before + length).map(|i| i64::from(i < before + a.places.len())).collect::<Vec<_>>()
            };
            let seen: Vec<i64> = asked.iter().flat_map(seen).collect();
            self.graph.set_i64(mask, &[asked.len(), before + length], &seen)?;
        }
        if let Some(types) = self.ports.types {
            self.graph.set_i64(types, &shape, &vec![0; ids.len()])?;
        }
        if let Some(places) = self.ports.places {
            // Places of padding do not matter; counting on keeps them in range.
            let own = |a: &Asked<'_, '_>| {
                let last = a.places.last().map_or(0, |last| *last as i64 + 1);
                a.places.iter().map(|p| *p as i64).chain(last..).take(length).collect::<Vec<_>>()
            };
            self.graph.set_i64(places, &shape, &asked.iter().flat_map(own).collect::<Vec<_>>())?;
        }
        self.set_past(asked, before)
    }

    fn set_past(&mut self, asked: &[Asked<'_, '_>], before: usize) -> Result<()> {
        for (part, past) in self.ports.past.iter().enumerate() {
            let mut values = Vec::with_capacity(asked.len() * past.heads * before * past.width);
            for Asked { row, others, .. } in asked.iter().filter(|asked| !asked.others.is_empty()) {
                if let Some(memory) = self.memory.get(&(row.request, row.branch)) {
                    memory.gather(part, past, others, &mut values);
                }
            }
            self.graph.set_f32(past.input, &[asked.len(), past.heads, before, past.width], &values)?;
        }
        Ok(())
    }

    pub(super) fn set_time(&mut self, asked: &[Asked<'_, '_>]) -> Result<()> {
        let Some(time) = self.ports.time else { return Ok(()) };
        let told = |a: &Asked<'_, '_>| if time.is_sigma { a.row.level.sigma } else { a.row.level.time } as f32;
        let values: Vec<f32> = asked.iter().map(told).collect();
        match time.rank {
            0 => self.graph.set_f32(time.input, &[], values.get(..1).unwrap_or_default())?,
            1 => self.graph.set_f32(time.input, &[asked.len()], &values)?,
            _ => self.graph.set_f32(time.input, &[asked.len(), 1], &values)?,
        }
        Ok(())
    }
}
