//! What processes use: the processor's time and the memory of each instance, with everything it has started.
//!
//! One pass over `/proc` tells it for all instances, however many there are. It is made at most once a second, on a
//! thread that may wait. Without `/proc` (macOS) nothing is known.

use std::{
    collections::HashMap,
    iter::successors,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use madang_base::Moment;
use rustix::param::{clock_ticks_per_second, page_size};

use crate::system::{Stat, stats};

/// How long a reading counts as the present.
const FRESH: Duration = Duration::from_secs(1);

/// What one instance uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Time on a processor since its process started, in milliseconds: user and system, also of children that have
    /// ended and were waited for.
    pub cpu_ms: u64,
    /// Resident memory in bytes. What its processes share counts for each of them.
    pub memory_bytes: u64,
}

/// By the process that leads the group: an instance's `pid`.
pub(crate) type Usages = HashMap<u32, Usage>;

/// Reads, and remembers for a while.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<Option<(Moment, Arc<Usages>)>>);

impl Meter {
    /// What each of `leaders` uses. Blocks while `/proc` is read.
    pub(crate) fn read(&self, leaders: impl Iterator<Item = u32>, now: Moment) -> Arc<Usages> {
        self.read_with(now, || {
            let all: Vec<Stat> = stats().collect();
            of_groups(leaders, &all, clock_ticks_per_second(), page_size() as u64)
        })
    }

    fn read_with(&self, now: Moment, look: impl FnOnce() -> Usages) -> Arc<Usages> {
        // Held while reading: who asks meanwhile gets this reading.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, usages)) = &*last
            && now.since(*at) < FRESH
        {
            return Arc::clone(usages);
        }
        let usages = Arc::new(look());
        *last = Some((now, Arc::clone(&usages)));
        usages
    }
}

/// Sums up who belongs to which leader: by group, or by an ancestor that does. A leader that is gone has no usage,
/// whatever its id means by now.
fn of_groups(leaders: impl Iterator<Item = u32>, all: &[Stat], ticks_per_second: u64, page_bytes: u64) -> Usages {
    let by_pid: HashMap<i32, &Stat> = all.iter().map(|stat| (stat.pid, stat)).collect();
    let is_there = |pid: &u32| i32::try_from(*pid).is_ok_and(|pid| by_pid.contains_key(&pid));
    let mut usages: Usages = leaders.filter(is_there).map(|pid| (pid, Usage::default())).collect();
    for stat in all {
        let ancestors = successors(Some(stat), |stat| by_pid.get(&stat.parent).copied());
        // A table that changes while it is read may show a circle.
        let mut groups = ancestors.take(all.len()).filter_map(|stat| u32::try_from(stat.group).ok());
        if let Some(usage) = groups.find(|group| usages.contains_key(group)).and_then(|group| usages.get_mut(&group)) {
            usage.cpu_ms += stat.ticks * 1000 / ticks_per_second.max(1);
            usage.memory_bytes += stat.pages * page_bytes;
        }
    }
    usages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32, group: i32) -> Stat {
        Stat { pid, state: b'S', parent, group, ticks: 5, pages: 3 }
    }

    #[test]
    fn an_instance_uses_what_its_group_and_all_it_has_started_use() {
        let all = [
            process(1, 0, 1),
            process(10, 1, 10),
            process(11, 10, 10),
            // Its parent has ended; its group tells.
            process(12, 1, 10),
            // It leads a group of its own; its parents tell.
            process(13, 11, 13),
            process(14, 13, 13),
            process(20, 1, 20),
            process(30, 31, 30),
            process(31, 30, 31),
        ];
        let usages = of_groups([10, 20, 99].into_iter(), &all, 100, 4096);
        assert_eq!(usages.len(), 2, "one that is gone uses nothing that is known: {usages:?}");
        assert_eq!(usages[&10], Usage { cpu_ms: 250, memory_bytes: 5 * 3 * 4096 });
        assert_eq!(usages[&20], Usage { cpu_ms: 50, memory_bytes: 3 * 4096 });
    }

    #[test]
    fn a_reading_counts_for_one_second() {
        let meter = Meter::default();
        let read = |ms: u64, value: u64| {
            let found = Usages::from([(7, Usage { cpu_ms: value, memory_bytes: 0 })]);
            meter.read_with(Moment::from_nanos(ms * 1_000_000), || found)[&7].cpu_ms
        };
        assert_eq!([read(500, 1), read(1499, 2), read(1500, 3), read(1501, 4)], [1, 1, 3, 3]);
    }
}
