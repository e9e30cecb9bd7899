//! Why registrations ended: the last ones, for whoever tells people.

use std::collections::VecDeque;

use madang_base::Name;

use crate::instance::InstanceId;

/// Removals remembered. Beyond, the oldest are forgotten: then nobody can say why any more.
pub(crate) const MAX_REMOVALS: usize = 1024;

/// Why a registration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It was taken back.
    Cancelled,
    /// Its lease ran out.
    Expired,
    /// The process that registered itself is gone.
    ProcessEnded,
}

/// The last removals, newest last.
#[derive(Debug, Default)]
pub(crate) struct Removals(VecDeque<(Name, InstanceId, Why)>);

impl Removals {
    pub(crate) fn push(&mut self, service: Name, id: InstanceId, why: Why) {
        if self.0.len() == MAX_REMOVALS {
            self.0.pop_front();
        }
        self.0.push_back((service, id, why));
    }

    /// Why the last record of that id went.
    pub(crate) fn find(&self, service: &Name, id: &str) -> Option<Why> {
        let is_it = |entry: &&(Name, InstanceId, Why)| entry.0 == *service && entry.1.as_str() == id;
        self.0.iter().rev().find(is_it).map(|(_, _, why)| *why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_removal_of_an_id_counts_and_old_ones_are_forgotten() {
        let (orders, mut removals) = (Name::parse("orders").unwrap(), Removals::default());
        let id = |id: &str| InstanceId::parse(id).unwrap();
        removals.push(orders.clone(), id("a"), Why::Cancelled);
        removals.push(orders.clone(), id("a"), Why::Expired);
        assert_eq!(removals.find(&orders, "a"), Some(Why::Expired));
        for number in 0..MAX_REMOVALS {
            removals.push(orders.clone(), id(&number.to_string()), Why::Cancelled);
        }
        assert_eq!((removals.find(&orders, "a"), removals.0.len()), (None, MAX_REMOVALS));
        assert_eq!(removals.find(&orders, "0"), Some(Why::Cancelled));
        assert_eq!(removals.find(&Name::parse("web").unwrap(), "0"), None);
    }
}
