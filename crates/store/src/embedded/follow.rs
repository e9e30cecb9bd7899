//! A watch of the embedded store: a place in the remembered past, and nothing of its own to fill up.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Progress, Shared};
use crate::error::WatchError;
use crate::model::{Change, KeyRange, Revision};
use crate::store::Answer;
use crate::watch::Source;

pub(super) struct Follower {
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
    range: KeyRange,
    /// The first revision it has not looked at.
    next: Revision,
}

impl Follower {
    pub(super) fn new(shared: Arc<Shared>, range: KeyRange, from: Revision) -> Self {
        let progress = shared.progress.subscribe();
        // There is no revision 0, and whoever asks from there wants everything.
        Self { shared, progress, range, next: from.max(Revision(1)) }
    }

    /// The next change that is there, if any.
    fn look(&mut self) -> Result<Option<Change>, WatchError> {
        let (found, known) = self.shared.read(|state| (state.change_from(&self.range, self.next), state.revision()));
        match found {
            Err(compacted) => Err(WatchError::Compacted { compacted }),
            Ok(Some(change)) => {
                self.next = change.revision.next();
                Ok(Some(change))
            }
            Ok(None) => {
                self.next = self.next.max(known.next());
                Ok(None)
            }
        }
    }
}

impl Source for Follower {
    fn next(&mut self) -> Answer<'_, Result<Change, WatchError>> {
        Box::pin(async move {
            loop {
                // Before the look: what is published after it wakes us.
                let ended = self.progress.borrow_and_update().ended;
                if let Some(change) = self.look()? {
                    return Ok(change);
                }
                if ended || self.progress.changed().await.is_err() {
                    return Err(WatchError::Ended);
                }
            }
        })
    }
}
