//! Watches: what changes, as it changes.

use std::fmt;

use crate::error::WatchError;
use crate::model::Change;
use crate::store::Answer;

/// Where a watch gets its changes from; each backend has its own.
pub trait Source: Send {
    /// The next change; nothing is lost when the future is dropped.
    fn next(&mut self) -> Answer<'_, Result<Change, WatchError>>;
}

/// A watch over one prefix.
pub struct Watch(Box<dyn Source>);

impl Watch {
    /// Over any source.
    pub fn new(source: impl Source + 'static) -> Self {
        Self(Box::new(source))
    }

    /// The next write that changed a key of the prefix, whole. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`WatchError::Compacted`] when this watch was too slow or began too far back: range again, then watch from
    /// there. [`WatchError::Ended`] when the store was closed.
    pub async fn next(&mut self) -> Result<Change, WatchError> {
        self.0.next().await
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
