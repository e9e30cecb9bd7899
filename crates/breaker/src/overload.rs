//! What keeps a caller from overloading whom it calls, beside the breaker: none of it waits, none of it reads a clock.

mod bulkhead;
mod gradient;
mod throttle;

pub use bulkhead::{Bulkhead, Full, Place};
pub use gradient::{Gradient, GradientSettings};
pub use throttle::{Throttle, ThrottleSettings};
