//! Sticky: the key names an endpoint, as a cookie that an earlier answer set.
//!
//! Unlike the hashes nothing moves when endpoints come and go: a key means its endpoint as long as that can be picked.

use std::time::Duration;

use crate::ask::Ask;
use crate::table::{Shape, Table};

pub(super) fn pick(ask: &mut Ask<'_, '_>, decay: Duration) -> Option<usize> {
    if let Some(key) = ask.key
        && let Table::Names(names) = ask.table(Shape::Names)
        && let Some(place) = names.find(key)
        && ask.allows(place)
    {
        ask.because(|| "the key names it".to_owned());
        return Some(place);
    }
    super::peak_ewma::pick(ask, decay)
}

/// Keys of endpoints, sorted, and their places.
#[derive(Debug)]
pub(crate) struct Names(Vec<(u64, u32)>);

impl Names {
    pub(crate) fn new(keys: impl Iterator<Item = u64>) -> Self {
        let mut names: Vec<(u64, u32)> = keys.zip(0_u32..).collect();
        names.sort_unstable();
        Self(names)
    }

    fn find(&self, key: u64) -> Option<usize> {
        let at = self.0.partition_point(|(other, _)| *other < key);
        self.0.get(at).filter(|(other, _)| *other == key).map(|(_, place)| *place as usize)
    }
}
