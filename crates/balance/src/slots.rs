//! Numbers for endpoints: small enough to index a pool with, never silently reused.
//!
//! A worker keeps its idle connections in an array by slot. When a slot passes to another endpoint its generation
//! rises, so whoever still holds the old id sees that it is not the same endpoint.

/// The identity of one endpoint as long as it stays in the sets that follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId {
    /// Index for arrays; below [`Slots::len`], reused after the endpoint has gone.
    pub slot: u32,
    /// How often the slot was given out before. Two ids are the same endpoint only when both numbers agree.
    pub generation: u32,
}

/// Gives out [`EndpointId`]s. One for all services whose endpoints share an array.
#[derive(Debug, Default)]
pub struct Slots {
    /// By slot: the generation in use, or the one the next endpoint will get.
    generations: Vec<u32>,
    taken: Vec<bool>,
    free: Vec<u32>,
}

impl Slots {
    /// How many slots were ever given out: every slot is below it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.generations.len()
    }

    /// Whether no slot was ever given out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.generations.is_empty()
    }

    /// Whether `id` is given out at present.
    #[must_use]
    pub fn holds(&self, id: EndpointId) -> bool {
        let slot = id.slot as usize;
        self.generations.get(slot) == Some(&id.generation) && self.taken[slot]
    }

    pub(crate) fn take(&mut self) -> EndpointId {
        if let Some(slot) = self.free.pop() {
            self.taken[slot as usize] = true;
            return EndpointId { slot, generation: self.generations[slot as usize] };
        }
        let slot = u32::try_from(self.generations.len()).expect("4 billion endpoints do not fit in memory");
        self.generations.push(0);
        self.taken.push(true);
        EndpointId { slot, generation: 0 }
    }

    /// Takes `id` back; one that is not given out (any more) changes nothing.
    pub(crate) fn release(&mut self, id: EndpointId) {
        if !self.holds(id) {
            return;
        }
        let slot = id.slot as usize;
        self.taken[slot] = false;
        // A slot whose generations are used up rests forever: 4 bytes lost instead of an identity reused.
        if let Some(next) = self.generations[slot].checked_add(1) {
            self.generations[slot] = next;
            self.free.push(id.slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_comes_back_with_a_higher_generation() {
        let mut slots = Slots::default();
        let (first, second) = (slots.take(), slots.take());
        assert_eq!((first.slot, second.slot), (0, 1));
        slots.release(first);
        assert!(!slots.holds(first));
        assert_eq!(slots.take(), EndpointId { slot: 0, generation: 1 });
        assert_eq!(slots.len(), 2);
    }

    #[test]
    fn a_second_release_does_not_give_the_slot_out_twice() {
        let mut slots = Slots::default();
        let first = slots.take();
        slots.release(first);
        slots.release(first);
        assert_ne!(slots.take().slot, slots.take().slot);
    }

    #[test]
    fn a_slot_without_generations_left_is_retired() {
        let mut slots = Slots::default();
        slots.take();
        slots.generations[0] = u32::MAX;
        slots.release(EndpointId { slot: 0, generation: u32::MAX });
        assert_eq!(slots.take(), EndpointId { slot: 1, generation: 0 });
    }
}
