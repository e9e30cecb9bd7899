//! A filter that makes things slow on purpose, to see how callers take it.

use std::time::Duration;

use super::{Filter, Flow, Resume};
use crate::exchange::Exchange;

/// Holds every request back for a while.
pub(crate) struct Delay {
    pub(crate) wait: Duration,
}

impl Filter for Delay {
    fn request(&self, _exchange: &mut Exchange) -> Flow {
        let wait = self.wait;
        Flow::Wait(Box::pin(async move {
            tokio::time::sleep(wait).await;
            Box::new(|_: &mut Exchange| Flow::Next) as Resume
        }))
    }
}
