//! The writer: one thread that owns the file.
//!
//! Each turn takes everything that waits, decides it, writes it with one fsync, publishes it, and answers. When a write
//! fails nothing is published, and from then on every write is refused: what the disk holds is known again after a
//! start, not before.

use std::sync::Arc;

use madang_base::Moment;
use tracing::error;

use super::draft::{Batch, Draft};
use super::file::StoreFile;
use super::owner::Owner;
use super::queue::{Reply, Turn, Waiting, Work};
use super::{Progress, Shared};
use crate::codes;
use crate::error::StoreError;
use crate::model::{LeaseId, Revision};
use crate::txn::TxnAnswer;

pub(super) struct Writer {
    /// In this order: the file is closed before others may have it, and only then is it said.
    file: StoreFile,
    _owner: Option<Owner>,
    ending: Ending,
    next_lease: u64,
    cap: u64,
    /// Why nothing is written any more.
    failed: Option<String>,
}

/// Says that the store has ended, however it does.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.queue.abandon();
        self.0.progress.send_modify(|progress| progress.ended = true);
    }
}

/// An answer that is given once it is true.
enum Answer {
    Txn(Reply<TxnAnswer>, Result<TxnAnswer, StoreError>),
    Grant(Reply<LeaseId>, Result<LeaseId, StoreError>),
    Revoke(Option<Reply<Revision>>, Result<Revision, StoreError>),
}

impl Writer {
    pub(super) fn new(file: StoreFile, owner: Option<Owner>, shared: Arc<Shared>, next_lease: u64, cap: u64) -> Self {
        Self { file, _owner: owner, ending: Ending(shared), next_lease, cap, failed: None }
    }

    /// Until the store is closed.
    pub(super) fn run(mut self) {
        let shared = Arc::clone(&self.ending.0);
        loop {
            let limit = shared.clock.until(self.due(&shared));
            let Turn::Do(mut waiting) = shared.queue.take(limit) else { return };
            let now = shared.clock.now();
            shared.write(|state| state.trim(now));
            if self.failed.is_none() {
                let due = shared.leases(|leases| leases.take_due(now));
                waiting.extend(due.into_iter().map(|lease| Waiting::from(Work::Revoke { lease, reply: None })));
            }
            if !waiting.is_empty() {
                self.turn(&shared, waiting);
            }
        }
    }

    /// When there is something to do without being asked.
    fn due(&self, shared: &Shared) -> Moment {
        // Without a disk no lease can end.
        let lease = match self.failed {
            None => shared.leases(|leases| leases.next_deadline()),
            Some(_) => None,
        };
        let trim = shared.read(super::State::next_trim);
        lease.into_iter().chain(trim).min().unwrap_or(Moment::MAX)
    }

    fn turn(&mut self, shared: &Shared, waiting: Vec<Waiting>) {
        if let Some(cause) = &self.failed {
            let failed = StoreError::Failed { cause: cause.clone() };
            waiting.into_iter().for_each(|waiting| refuse(waiting.work, &failed));
            return;
        }
        let (batch, mut answers) = self.decide(shared, waiting);
        if !batch.is_empty() {
            match self.file.commit(&batch) {
                Ok(()) => {
                    self.next_lease = batch.next_lease;
                    publish(shared, batch);
                }
                Err(cause) => {
                    error!(code = %codes::FAILED, cause, "the store cannot be written and takes no more writes");
                    let failed = StoreError::Failed { cause: cause.clone() };
                    answers.iter_mut().for_each(|answer| answer.fail(&failed));
                    self.failed = Some(cause);
                }
            }
        }
        answers.into_iter().for_each(Answer::send);
    }

    fn decide(&self, shared: &Shared, waiting: Vec<Waiting>) -> (Batch, Vec<Answer>) {
        shared.leases(|leases| {
            shared.read(|state| {
                let mut draft = Draft::new(state, leases, self.next_lease, self.cap);
                let answers = waiting.into_iter().map(|waiting| match waiting.work {
                    Work::Txn { txn, reply } => Answer::Txn(reply, draft.txn(&txn)),
                    Work::Grant { ttl, reply } => Answer::Grant(reply, draft.grant(ttl)),
                    Work::Revoke { lease, reply } => Answer::Revoke(reply, draft.revoke(lease)),
                });
                let answers = answers.collect();
                (draft.finish(), answers)
            })
        })
    }
}

/// Shows everybody what is on disk now.
fn publish(shared: &Shared, batch: Batch) {
    let (now, revision) = (shared.clock.now(), batch.revision);
    shared.leases(|leases| {
        shared.write(|state| {
            for (lease, ttl) in &batch.granted {
                leases.grant(*lease, *ttl, now);
            }
            for (key, item) in &batch.items {
                if let Some(lease) = state.get(key).and_then(|old| old.lease) {
                    leases.detach(lease, key);
                }
                if let Some(lease) = item.as_ref().and_then(|item| item.lease) {
                    leases.attach(lease, key);
                }
            }
            for lease in &batch.ended {
                leases.remove(*lease);
            }
            state.publish(batch, now);
        });
    });
    shared.progress.send_if_modified(|progress| {
        let before = std::mem::replace(progress, Progress { revision, ..*progress });
        before != *progress
    });
}

fn refuse(work: Work, error: &StoreError) {
    match work {
        Work::Txn { reply, .. } => Answer::Txn(reply, Err(error.clone())).send(),
        Work::Grant { reply, .. } => Answer::Grant(reply, Err(error.clone())).send(),
        Work::Revoke { reply, .. } => Answer::Revoke(reply, Err(error.clone())).send(),
    }
}

impl Answer {
    /// What would have been true is not.
    fn fail(&mut self, error: &StoreError) {
        match self {
            Self::Txn(_, result @ Ok(_)) => *result = Err(error.clone()),
            Self::Grant(_, result @ Ok(_)) => *result = Err(error.clone()),
            Self::Revoke(_, result @ Ok(_)) => *result = Err(error.clone()),
            Self::Txn(_, Err(_)) | Self::Grant(_, Err(_)) | Self::Revoke(_, Err(_)) => {}
        }
    }

    /// Whoever asked may have left; that is their business.
    fn send(self) {
        match self {
            Self::Txn(reply, result) => drop(reply.send(result)),
            Self::Grant(reply, result) => drop(reply.send(result)),
            Self::Revoke(Some(reply), result) => drop(reply.send(result)),
            Self::Revoke(None, _) => {}
        }
    }
}
