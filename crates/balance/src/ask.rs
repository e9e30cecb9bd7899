//! One pick under way: what is asked, among whom, and who may not be picked.
//!
//! Policies propose places; [`Ask`] says which of them are refused. So a retry, an ejection and a slow start mean the
//! same in every policy, and what is explained is what happened.

use madang_base::{Moment, Random};

use crate::explain::{Hidden, Note, Trace};
use crate::pool::Pool;
use crate::rules::SlowStart;
use crate::table::{Shape, Table};
use crate::{Endpoint, EndpointId};

/// Proposals of one pick that may be refused before all endpoints are gone through.
const PROPOSALS: usize = 32;

/// See the module.
pub(crate) struct Ask<'set, 'call> {
    pub(crate) pool: &'set Pool,
    pub(crate) endpoints: &'set [Endpoint],
    pub(crate) key: Option<u64>,
    pub(crate) tried: &'call [EndpointId],
    pub(crate) now: Moment,
    pub(crate) random: &'call mut Random,
    /// Some endpoint is ejected, and ejections count.
    pub(crate) ejections: bool,
    /// Some endpoint is in its slow start.
    pub(crate) slow: Option<SlowStart>,
    pub(crate) trace: Option<&'call mut Trace>,
}

impl<'set> Ask<'set, '_> {
    pub(crate) fn count(&self) -> usize {
        self.pool.len()
    }

    pub(crate) fn at(&self, place: usize) -> &'set Endpoint {
        self.pool.at(place, self.endpoints)
    }

    /// Nothing can be refused and all shares are as their weights say: the common case.
    pub(crate) fn is_plain(&self) -> bool {
        self.tried.is_empty() && !self.ejections && self.slow.is_none()
    }

    /// Whether the endpoint at `place` may be picked.
    pub(crate) fn allows(&mut self, place: usize) -> bool {
        let endpoint = self.at(place);
        let hidden = if self.tried.contains(&endpoint.id) {
            Hidden::Tried
        } else if self.ejections && endpoint.is_ejected(self.now) {
            Hidden::Ejected
        } else {
            return true;
        };
        self.note(place, Note::Hidden(hidden));
        false
    }

    /// As [`allows`](Self::allows), and an endpoint in its slow start only as often as its factor says: with other
    /// proposals in its stead, shares are as if its weight were multiplied by it.
    pub(crate) fn accepts(&mut self, place: usize) -> bool {
        if !self.allows(place) {
            return false;
        }
        let factor = self.factor(place);
        if factor < 1.0 && self.random.unit() >= factor {
            self.note(place, Note::Hidden(Hidden::WarmingUp));
            return false;
        }
        true
    }

    /// How much of its weight the endpoint at `place` has at present: 1, and less in its slow start.
    pub(crate) fn factor(&self, place: usize) -> f64 {
        self.slow.map_or(1.0, |slow| slow.factor(self.at(place).load.since(), self.now))
    }

    /// Its weight times [`factor`](Self::factor).
    pub(crate) fn weight(&self, place: usize) -> f64 {
        f64::from(self.at(place).weight) * self.factor(place)
    }

    /// The first proposal when it is accepted, else others by `again`. Who is refused leaves its turns to all, not to
    /// its neighbor.
    pub(crate) fn settle(&mut self, first: usize, mut again: impl FnMut(&mut Self) -> usize) -> Option<usize> {
        if self.is_plain() {
            return Some(first);
        }
        let mut place = first;
        for _ in 0..PROPOSALS {
            if self.accepts(place) {
                return Some(place);
            }
            place = again(self);
        }
        let start = self.below(self.count());
        self.first_allowed(start)
    }

    /// The first allowed place, once around from `start`.
    pub(crate) fn first_allowed(&mut self, start: usize) -> Option<usize> {
        let count = self.count();
        (start..count).chain(0..start.min(count)).find(|&place| self.allows(place))
    }

    /// Any place that is allowed, drawn evenly while few are refused.
    pub(crate) fn any_allowed(&mut self) -> Option<usize> {
        for _ in 0..PROPOSALS {
            let place = self.below(self.count());
            if self.allows(place) {
                return Some(place);
            }
        }
        let start = self.below(self.count());
        self.first_allowed(start)
    }

    /// Evenly one of `0..bound`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.random.below(u32::try_from(bound).unwrap_or(u32::MAX)) as usize
    }

    pub(crate) fn table(&self, shape: Shape) -> &'set Table {
        self.pool.tables.for_pick(shape, self.pool, self.endpoints)
    }

    /// Remembers what was seen of an endpoint, when somebody wants to know.
    pub(crate) fn note(&mut self, place: usize, note: Note) {
        if let Some(trace) = self.trace.as_deref_mut() {
            trace.note(self.pool.place_in_set(place), note);
        }
    }

    /// Remembers why it came to this choice, when somebody wants to know.
    pub(crate) fn because(&mut self, reason: impl FnOnce() -> String) {
        if let Some(trace) = self.trace.as_deref_mut() {
            trace.because(reason());
        }
    }
}
