//! Servers: who works on what, who waits, and how each is at the moment.

use crate::calls::{Calls, NONE};
use crate::scenario::{Group, Scenario};

/// One server; half a cache line.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// First and last of its queue.
    head: u32,
    tail: u32,
    pub(crate) waiting: u32,
    pub(crate) busy: u32,
    pub(crate) group: u16,
    pub(crate) down: bool,
    /// Multiplies service times at the moment.
    pub(crate) slow: f32,
    /// Share of answers that fail at the moment.
    pub(crate) failing: f32,
}

impl Server {
    pub(crate) fn push(&mut self, slot: u32, calls: &mut Calls) {
        calls.get(slot).next = NONE;
        match self.tail {
            NONE => self.head = slot,
            tail => calls.get(tail).next = slot,
        }
        self.tail = slot;
        self.waiting += 1;
    }

    pub(crate) fn pop(&mut self, calls: &mut Calls) -> Option<u32> {
        if self.head == NONE {
            return None;
        }
        let slot = self.head;
        self.head = calls.get(slot).next;
        if self.head == NONE {
            self.tail = NONE;
        }
        self.waiting -= 1;
        Some(slot)
    }

    /// Forgets everything it worked on and all that waited.
    pub(crate) const fn clear(&mut self) {
        (self.head, self.tail, self.waiting, self.busy) = (NONE, NONE, 0, 0);
    }
}

/// All servers, group after group.
pub(crate) fn servers(scenario: &Scenario) -> Vec<Server> {
    let groups = (0_u16..).zip(&scenario.groups);
    groups
        .flat_map(|(number, group)| {
            let (slow, failing) = condition(group, |_| false).into();
            let server =
                Server { head: NONE, tail: NONE, waiting: 0, busy: 0, group: number, down: false, slow, failing };
            std::iter::repeat_n(server, group.count as usize)
        })
        .collect()
}

/// How a server is.
pub(crate) struct Condition {
    pub(crate) slow: f64,
    pub(crate) failing: f64,
    pub(crate) down: bool,
}

impl From<Condition> for (f32, f32) {
    #[allow(clippy::cast_possible_truncation)] // seven digits of a factor are plenty
    fn from(condition: Condition) -> Self {
        (condition.slow as f32, condition.failing as f32)
    }
}

/// How a server of `group` is while the incidents last for which `lasts` is true, by their number.
pub(crate) fn condition(group: &Group, lasts: impl Fn(usize) -> bool) -> Condition {
    let mut condition = Condition { slow: group.slow, failing: group.failing, down: false };
    for (_, incident) in group.incidents.iter().enumerate().filter(|(number, _)| lasts(*number)) {
        condition.slow *= incident.slow;
        condition.failing = condition.failing.max(incident.failing);
        condition.down |= incident.down;
    }
    condition
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::scenario;

    #[test]
    fn troubles_that_last_together_add_up() {
        let text = "arrivals = { rate = \"1/s\" }\n[servers.a]\nslow = 2.0\nfailing = 0.1\nservice = { mean = \"1ms\" }\n\
            incidents = [{ from = \"1s\", slow = 3.0 }, { from = \"1s\", slow = 5.0, failing = 0.5 }, { from = \"1s\", failing = 0.2, down = true }]";
        let group = &scenario(text).groups[0];
        for (lasting, slow, failing, down) in [
            (&[][..], 2.0, 0.1, false),
            (&[0], 6.0, 0.1, false),
            (&[0, 1], 30.0, 0.5, false),
            (&[2], 2.0, 0.2, true),
            (&[0, 1, 2], 30.0, 0.5, true),
        ] {
            let now = condition(group, |number| lasting.contains(&number));
            assert_eq!((now.slow, now.failing, now.down), (slow, failing, down), "{lasting:?}");
        }
    }
}
