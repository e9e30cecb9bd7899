//! Filters that need the body.

use super::{Filter, Flow};
use crate::exchange::{Body, Exchange};

/// Takes the whole request before the service is called.
///
/// For services that handle one request at a time and should not wait for slow clients; the call can then be
/// repeated whatever its method allows.
pub(crate) struct BufferRequest {
    pub(crate) most: usize,
}

impl Filter for BufferRequest {
    fn request(&self, exchange: &mut Exchange) -> Flow {
        match exchange.request.body {
            Body::Empty | Body::Buffered(_) | Body::Tunnel => Flow::Next,
            Body::Length(_) | Body::Chunked | Body::UntilClose => Flow::NeedBody(self.most),
        }
    }
}
