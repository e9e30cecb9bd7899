//! What Ribbon knows about a server: calls under way, response times, and its circuit.
//!
//! Source of truth: `ServerStats`.

use std::time::Duration;

use madang_base::Moment;

use super::Properties;

/// See the module.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServerStats {
    active: u32,
    active_changed: Moment,
    failures: u32,
    last_failure: Moment,
    responses: u64,
    total_millis: f64,
}

impl ServerStats {
    /// A call begins.
    pub fn begin(&mut self, now: Moment) {
        self.active = self.active.saturating_add(1);
        self.active_changed = now;
    }

    /// A call ended.
    pub fn end(&mut self, now: Moment) {
        self.active = self.active.saturating_sub(1);
        self.active_changed = now;
    }

    /// A call took so many milliseconds. What is no time (negative, NaN, infinite) is not taken.
    pub fn note_response_time(&mut self, millis: f64) {
        if millis.is_finite() && millis >= 0.0 {
            self.responses += 1;
            self.total_millis += millis;
        }
    }

    /// A connection failed: a socket exception or a read timeout, in Ribbon's words.
    pub fn connection_failed(&mut self, now: Moment) {
        self.failures = self.failures.saturating_add(1);
        self.last_failure = now;
    }

    /// Something answered, or failed in another way.
    pub fn clear_connection_failures(&mut self) {
        self.failures = 0;
    }

    /// Calls under way; none when nothing changed for
    /// [`Properties::active_requests_window`], because somebody must have forgotten to say that they ended.
    #[must_use]
    pub fn active(&self, properties: &Properties, now: Moment) -> u32 {
        if now.since(self.active_changed) > properties.active_requests_window { 0 } else { self.active }
    }

    /// Whether the circuit is open: after three failures in a row for 10 s, after four for 20 s, then for 30 s, with
    /// Ribbon's defaults.
    #[must_use]
    pub fn is_circuit_tripped(&self, properties: &Properties, now: Moment) -> bool {
        let Some(beyond) = self.failures.checked_sub(properties.failure_threshold) else { return false };
        let black_out = properties.trip_factor.saturating_mul(1 << beyond.min(16)).min(properties.trip_max);
        black_out > Duration::ZERO && now < self.last_failure + black_out
    }

    /// Mean response time since the start, in milliseconds; 0 before the first. It never decays.
    #[must_use]
    pub fn mean_response_time(&self) -> f64 {
        #[allow(clippy::cast_precision_loss)] // 2^53 responses
        let count = self.responses as f64;
        if self.responses == 0 { 0.0 } else { self.total_millis / count }
    }
}
