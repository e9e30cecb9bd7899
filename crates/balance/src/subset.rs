//! Subsets: which part of a large service one of many callers connects to.
//!
//! A thousand callers of a thousand endpoints would hold a million connections. Called before a set is made:
//! `set.next(subset.of(members), …)`. Callers agree by their numbers alone, without talking to each other.

use crate::Member;
use crate::hash::xxhash64;
use madang_base::Random;

/// How one caller's part is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subset {
    /// Callers are numbered 0, 1, 2, …: every endpoint gets the same number of callers, to one, as long as callers come in
    /// whole rounds. When the list changes most of a part changes. Source of truth: "Site Reliability Engineering",
    /// chapter 20, deterministic subsetting.
    Numbered {
        /// The caller's number.
        caller: u64,
        /// Endpoints in a part; 0 is no subset.
        size: usize,
    },
    /// Callers have any number: parts are even by chance only, and when one endpoint comes or goes at most one of a part
    /// changes. Source of truth: gRPC proposal A68, random subsetting (its hash is another one).
    Hashed {
        /// The caller's own number, the same as long as it runs.
        salt: u64,
        /// Endpoints in a part; 0 is no subset.
        size: usize,
    },
}

impl Subset {
    /// The caller's part of `members`, whose order does not matter; all when the part would be no smaller.
    #[must_use]
    pub fn of(&self, mut members: Vec<Member>) -> Vec<Member> {
        let (Self::Numbered { size, .. } | Self::Hashed { size, .. }) = *self;
        if size == 0 || size >= members.len() {
            return members;
        }
        members.sort_by_key(|member| member.address);
        match *self {
            Self::Numbered { caller, .. } => {
                // Callers of one round share one shuffled list, each takes its block of it.
                let blocks = (members.len() / size) as u64;
                shuffle(&mut members, &mut Random::new(caller / blocks));
                let start = usize::try_from(caller % blocks).unwrap_or(0) * size;
                members.drain(start..start + size).collect()
            }
            Self::Hashed { salt, .. } => {
                members.sort_by_cached_key(|member| {
                    (xxhash64(member.address.to_string().as_bytes(), salt), member.address)
                });
                members.truncate(size);
                members
            }
        }
    }
}

/// Fisher and Yates.
fn shuffle(members: &mut [Member], random: &mut Random) {
    for last in (1..members.len()).rev() {
        let other = random.below(u32::try_from(last + 1).unwrap_or(u32::MAX)) as usize;
        members.swap(last, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::net::SocketAddr;

    fn members(count: u16) -> Vec<Member> {
        let member = |port| Member::new(format!("orders-{port}"), SocketAddr::from(([127, 0, 0, 1], port)));
        (1..=count).map(member).collect()
    }

    fn ports(members: &[Member]) -> Vec<u16> {
        let mut ports: Vec<u16> = members.iter().map(|member| member.address.port()).collect();
        ports.sort_unstable();
        ports
    }

    #[test]
    fn numbered_callers_in_whole_rounds_load_all_endpoints_alike() {
        let mut callers: HashMap<u16, u32> = HashMap::new();
        // 10 parts of 10 in a round, 30 rounds.
        for caller in 0..300 {
            let part = Subset::Numbered { caller, size: 10 }.of(members(100));
            assert_eq!(part.len(), 10);
            ports(&part).into_iter().for_each(|port| *callers.entry(port).or_default() += 1);
        }
        assert_eq!(callers.len(), 100);
        assert!(callers.values().all(|&count| count == 30), "{callers:?}");
    }

    #[test]
    fn the_order_of_the_list_does_not_matter() {
        let reversed: Vec<Member> = members(30).into_iter().rev().collect();
        for subset in [Subset::Numbered { caller: 17, size: 7 }, Subset::Hashed { salt: 17, size: 7 }] {
            assert_eq!(ports(&subset.of(members(30))), ports(&subset.of(reversed.clone())), "{subset:?}");
        }
    }

    #[test]
    fn at_most_one_of_a_hashed_part_changes_when_one_endpoint_goes() {
        for salt in 0..50 {
            let subset = Subset::Hashed { salt, size: 20 };
            let before = ports(&subset.of(members(100)));
            for gone in [1, 50, 100] {
                let left = members(100).into_iter().filter(|member| member.address.port() != gone).collect();
                let after = ports(&subset.of(left));
                let changed = before.iter().filter(|port| !after.contains(port)).count();
                assert_eq!(changed, usize::from(before.contains(&gone)), "salt {salt}, {gone} left");
            }
        }
    }

    #[test]
    fn a_part_of_everybody_is_everybody() {
        for size in [0, 5, 6, usize::MAX] {
            for subset in [Subset::Numbered { caller: u64::MAX, size }, Subset::Hashed { salt: 1, size }] {
                assert_eq!(subset.of(members(5)).len(), 5);
                assert_eq!(subset.of(Vec::new()).len(), 0);
            }
        }
    }
}
