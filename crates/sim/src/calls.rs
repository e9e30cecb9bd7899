//! Requests under way, in slots that are used again: nothing is allocated per request once there were as many at once.
//!
//! A request is one cache line and lies in one place, because every event touches most of it. With a timeout the
//! unanswered ones form a list in the order they came, which is the order in which they run out of patience: taking the
//! oldest and taking out any one cost the same.

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

/// Where a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its slot is free.
    Nowhere,
    /// Waits in its server.
    Queue,
    /// Its server works on it.
    Server {
        /// Whether the answer will be a failure.
        fails: bool,
    },
    /// Waits for its next try.
    Pause,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// When it came.
    pub(crate) arrived: u64,
    /// When this try was sent.
    pub(crate) started: u64,
    /// Who sent it.
    pub(crate) client: u32,
    /// Nanoseconds its server needs for it when nothing slows it down.
    pub(crate) work: f64,
    /// The server of this try.
    pub(crate) server: u32,
    /// The one behind it in its server's queue, or the next free slot.
    pub(crate) next: u32,
    older: u32,
    newer: u32,
    pub(crate) place: Place,
    pub(crate) balancer: u8,
    /// Tries made.
    pub(crate) tries: u8,
    /// Nobody waits for it any more; its server does not know.
    pub(crate) abandoned: bool,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Calls {
    slots: Vec<Call>,
    free: u32,
    oldest: u32,
    newest: u32,
    /// Whether the list of the unanswered is kept.
    ordered: bool,
    waiting_for: usize,
}

impl Calls {
    pub(crate) const fn new(ordered: bool) -> Self {
        Self { slots: Vec::new(), free: NONE, oldest: NONE, newest: NONE, ordered, waiting_for: 0 }
    }

    /// How many somebody waits for.
    pub(crate) const fn unanswered(&self) -> usize {
        self.waiting_for
    }

    /// Slots ever used: the most requests that were under way at once.
    pub(crate) const fn most(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn get(&mut self, slot: u32) -> &mut Call {
        &mut self.slots[slot as usize]
    }

    /// All slots, the free ones too.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Call)> {
        (0..).zip(&self.slots)
    }

    /// A slot for a request that came now.
    pub(crate) fn add(&mut self, arrived: u64, client: u32, balancer: u8) -> u32 {
        let call = Call {
            arrived,
            started: arrived,
            client,
            work: 0.0,
            server: NONE,
            next: NONE,
            older: self.newest,
            newer: NONE,
            place: Place::Pause,
            balancer,
            tries: 0,
            abandoned: false,
        };
        self.waiting_for += 1;
        let slot = if self.free == NONE {
            self.slots.push(call);
            u32::try_from(self.slots.len() - 1).expect("the engine stops at far fewer requests")
        } else {
            let slot = self.free;
            self.free = self.slots[slot as usize].next;
            self.slots[slot as usize] = call;
            slot
        };
        if self.ordered {
            match self.newest {
                NONE => self.oldest = slot,
                newest => self.slots[newest as usize].newer = slot,
            }
            self.newest = slot;
        }
        slot
    }

    /// Nobody waits for it any more: it was answered, or patience ended.
    pub(crate) fn answered(&mut self, slot: u32) {
        self.waiting_for -= 1;
        if !self.ordered {
            return;
        }
        let (older, newer) = (self.slots[slot as usize].older, self.slots[slot as usize].newer);
        match older {
            NONE => self.oldest = newer,
            older => self.slots[older as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.slots[newer as usize].older = older,
        }
    }

    /// Gives the slot back.
    pub(crate) fn free(&mut self, slot: u32) {
        let free = self.free;
        let call = self.get(slot);
        call.place = Place::Nowhere;
        call.next = free;
        self.free = slot;
    }

    /// The one that has waited longest, and since when; only with a timeout.
    pub(crate) fn oldest(&self) -> Option<(u32, u64)> {
        (self.oldest != NONE).then(|| (self.oldest, self.slots[self.oldest as usize].arrived))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_unanswered_request_is_known_whoever_is_answered_first() {
        let mut calls = Calls::new(true);
        let slots = [10, 20, 30].map(|at| calls.add(at, 0, 0));
        calls.answered(slots[1]);
        calls.free(slots[1]);
        assert_eq!(calls.oldest(), Some((slots[0], 10)));
        let again = calls.add(40, 0, 0);
        assert_eq!(again, slots[1], "a free slot is used again");
        calls.answered(slots[0]);
        assert_eq!(calls.oldest(), Some((slots[2], 30)));
        calls.answered(slots[2]);
        assert_eq!(calls.oldest(), Some((again, 40)));
        calls.answered(again);
        assert_eq!((calls.oldest(), calls.unanswered(), calls.most()), (None, 0, 3));
    }

    #[test]
    fn a_request_fits_a_cache_line() {
        assert!(size_of::<Call>() <= 64, "{}", size_of::<Call>());
    }
}
