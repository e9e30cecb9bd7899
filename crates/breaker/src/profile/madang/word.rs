//! The one word that decides: phase, mode, generation and what belongs to the phase, changed together or not at all.
//!
//! ```text
//! 63                       29 28        5 4    2 1     0
//! payload                     generation  mode   phase
//! ```
//!
//! A closed, automatic breaker that is not recovering has nothing but its generation, so that the way every call takes
//! is one load and one comparison.

use madang_base::Moment;

use crate::{Mode, State};

const PHASE_BITS: u64 = 0b11;
const MODE_SHIFT: u32 = 2;
const MODE_BITS: u64 = 0b111 << MODE_SHIFT;
const GENERATION_SHIFT: u32 = 5;
const GENERATION_BITS: u64 = 0xFF_FFFF << GENERATION_SHIFT;
const PAYLOAD_SHIFT: u32 = 29;
/// Milliseconds in a payload: a year and a month, then they begin anew.
const MAX_PAYLOAD: u64 = u64::MAX >> PAYLOAD_SHIFT;

const NANOS_PER_MILLI: u64 = 1_000_000;

/// A copy of the word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Word(pub(super) u64);

/// What the calls so far made of it, whatever a person has switched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// With the moment it closed, while it recovers.
    Closed {
        recovering: Option<Tick>,
    },
    /// Until then.
    Open {
        until: Tick,
    },
    HalfOpen(Trials),
}

/// The calls of a half-open breaker. Each number is at most [`Trials::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Trials {
    pub(super) in_flight: u32,
    pub(super) ended: u32,
    /// Those of the ended that failed.
    pub(super) failures: u32,
    /// Those of the ended that were slow.
    pub(super) slow: u32,
}

impl Trials {
    /// What seven bits hold; settings allow fewer.
    pub(super) const MAX: u32 = 127;
}

/// A moment in whole milliseconds, of which a year's worth of digits is kept.
///
/// Differences are right up to that year, and whoever asks how long something still lasts says how long it can last at
/// most: an answer beyond that means that the clock went back, or that nobody asked for a year.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tick(u64);

impl Tick {
    /// The millisecond in which `moment` lies.
    pub(super) const fn of(moment: Moment) -> Self {
        Self((moment.nanos() / NANOS_PER_MILLI) & MAX_PAYLOAD)
    }

    /// The first millisecond that is not before `moment`.
    pub(super) const fn not_before(moment: Moment) -> Self {
        Self(moment.nanos().div_ceil(NANOS_PER_MILLI) & MAX_PAYLOAD)
    }

    /// Milliseconds from `earlier` to here; a huge number when `earlier` is later.
    pub(super) const fn since(self, earlier: Self) -> u64 {
        self.0.wrapping_sub(earlier.0) & MAX_PAYLOAD
    }

    /// Nanoseconds from `now` to here, or `None` when that is past or further away than `longest` milliseconds.
    pub(super) const fn left(self, now: Moment, longest: u64) -> Option<u64> {
        let millis = self.since(Self::of(now));
        if millis == 0 || millis > longest {
            return None;
        }
        Some(millis * NANOS_PER_MILLI - now.nanos() % NANOS_PER_MILLI)
    }
}

impl Word {
    /// Closed, automatic, of the first generation.
    pub(super) const FIRST: Self = Self(0);

    /// Whether every call passes and is counted: nothing is set but the generation.
    #[inline]
    pub(super) const fn is_plain(self) -> bool {
        self.0 & !GENERATION_BITS == 0
    }

    /// Whether calls are counted and judged: closed, and judged by itself.
    pub(super) const fn is_closed(self) -> bool {
        self.0 & PHASE_BITS == 0
    }

    /// How many times it changed its phase, 24 bits of it: late results are told by it.
    #[inline]
    pub(super) const fn generation(self) -> u32 {
        ((self.0 & GENERATION_BITS) >> GENERATION_SHIFT) as u32
    }

    pub(super) const fn mode(self) -> Mode {
        match (self.0 & MODE_BITS) >> MODE_SHIFT {
            0 => Mode::Automatic,
            1 => Mode::ForcedOpen,
            2 => Mode::ForcedClosed,
            3 => Mode::Disabled,
            _ => Mode::MetricsOnly,
        }
    }

    pub(super) const fn phase(self) -> Phase {
        let payload = self.0 >> PAYLOAD_SHIFT;
        match self.0 & PHASE_BITS {
            0 if payload == 0 => Phase::Closed { recovering: None },
            0 => Phase::Closed { recovering: Some(Tick(payload)) },
            1 => Phase::Open { until: Tick(payload) },
            _ => {
                let payload = payload as u32;
                Phase::HalfOpen(Trials {
                    in_flight: payload & Trials::MAX,
                    ended: payload >> 7 & Trials::MAX,
                    failures: payload >> 14 & Trials::MAX,
                    slow: payload >> 21 & Trials::MAX,
                })
            }
        }
    }

    /// The same generation and mode with another content of its phase.
    pub(super) const fn with(self, phase: Phase) -> Self {
        let (bits, payload) = match phase {
            Phase::Closed { recovering: None } => (0, 0),
            // The first millisecond of a year is taken by "not recovering".
            Phase::Closed { recovering: Some(Tick(millis)) } => (0, if millis == 0 { 1 } else { millis }),
            Phase::Open { until } => (1, until.0),
            Phase::HalfOpen(Trials { in_flight, ended, failures, slow }) => {
                (2, in_flight as u64 | (ended as u64) << 7 | (failures as u64) << 14 | (slow as u64) << 21)
            }
        };
        Self(self.0 & (GENERATION_BITS | MODE_BITS) | bits | payload << PAYLOAD_SHIFT)
    }

    /// The next generation, in another phase.
    pub(super) const fn next(self, phase: Phase) -> Self {
        let generation = self.0.wrapping_add(1 << GENERATION_SHIFT) & GENERATION_BITS;
        Self(self.0 & !GENERATION_BITS | generation).with(phase)
    }

    pub(super) const fn switched(self, mode: Mode) -> Self {
        let mode = match mode {
            Mode::Automatic => 0,
            Mode::ForcedOpen => 1,
            Mode::ForcedClosed => 2,
            Mode::Disabled => 3,
            Mode::MetricsOnly => 4,
        };
        Self(self.0 & !MODE_BITS | mode << MODE_SHIFT)
    }

    /// The state as people are told it: the mode where that decides, or else the phase.
    pub(super) const fn state(self) -> State {
        match (self.mode(), self.phase()) {
            (Mode::ForcedOpen, _) => State::ForcedOpen,
            (Mode::ForcedClosed, _) => State::ForcedClosed,
            (Mode::Disabled, _) => State::Disabled,
            (Mode::MetricsOnly, _) => State::MetricsOnly,
            (Mode::Automatic, phase) => phase.state(),
        }
    }
}

impl Phase {
    pub(super) const fn state(self) -> State {
        match self {
            Self::Closed { .. } => State::Closed,
            Self::Open { .. } => State::Open,
            Self::HalfOpen(_) => State::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_put_into_a_word_comes_out_again() {
        let tick = Tick::of(Moment::from_nanos(77 * NANOS_PER_MILLI));
        let full = Trials { in_flight: 127, ended: 126, failures: 125, slow: 124 };
        for phase in [
            Phase::Closed { recovering: None },
            Phase::Closed { recovering: Some(tick) },
            Phase::Open { until: tick },
            Phase::HalfOpen(Trials::default()),
            Phase::HalfOpen(full),
        ] {
            for mode in [Mode::Automatic, Mode::ForcedOpen, Mode::ForcedClosed, Mode::Disabled, Mode::MetricsOnly] {
                let word = Word::FIRST.next(Phase::HalfOpen(full)).switched(mode).next(phase);
                assert_eq!((word.phase(), word.mode(), word.generation()), (phase, mode, 2));
                let plain = phase == Phase::Closed { recovering: None } && mode == Mode::Automatic;
                assert_eq!(word.is_plain(), plain, "{word:?}");
            }
        }
    }

    #[test]
    fn generations_begin_anew_and_touch_nothing_else() {
        let open = Phase::Open { until: Tick(MAX_PAYLOAD) };
        let mut word = Word(GENERATION_BITS).with(open).switched(Mode::MetricsOnly);
        assert_eq!(word.generation(), 0xFF_FFFF);
        word = word.next(open);
        assert_eq!((word.generation(), word.phase(), word.mode()), (0, open, Mode::MetricsOnly));
    }

    #[test]
    fn a_tick_that_is_further_away_than_it_can_be_is_past() {
        let now = Moment::from_nanos(10 * NANOS_PER_MILLI + 1);
        let until = Tick::not_before(now + Duration::from_millis(5));
        assert_eq!(until.left(now, 6), Some(6 * NANOS_PER_MILLI - 1));
        assert_eq!(until.left(now, 5), None, "longer than it can last");
        assert_eq!(until.left(now + Duration::from_millis(6), 6), None, "past");
        let year = Duration::from_millis(MAX_PAYLOAD + 1);
        assert_eq!(until.left(now + year, 6), Some(6 * NANOS_PER_MILLI - 1), "a year later it is the same again");
    }
}
