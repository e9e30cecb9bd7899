//! What operators decide about an instance, beside what it says itself.

use std::sync::Arc;

use madang_base::{Moment, Name};

use super::record::Record;
use super::{Override, Registry, UnknownInstance};
use crate::instance::{Face, Instance, InstanceId, Status};
use crate::view::Kind;

impl Registry {
    /// Sets what operators decided; it holds until it is cleared, or until the instance leaves.
    ///
    /// It is the last word, also about an instance that says it is down, until that speaks again.
    ///
    /// # Errors
    /// [`UnknownInstance`] when no face registered it.
    pub fn set_override(
        &mut self,
        service: &Name,
        id: &str,
        status: Status,
        by: &str,
        now: Moment,
    ) -> Result<(InstanceId, Override), UnknownInstance> {
        let overridden = Override { status, by: by.to_owned(), at_ms: self.unix_ms(now) };
        let id = self.touch(service, id, now, |record| record.judge(status, Some(&overridden)))?;
        if let Some(known) = self.services.get_mut(service) {
            known.overrides.insert(id.clone(), overridden.clone());
        }
        Ok((id, overridden))
    }

    /// Clears it. The instance's own word counts again, or `word` when given. `None` when there was no override.
    ///
    /// # Errors
    /// [`UnknownInstance`] when no face registered it.
    pub fn clear_override(
        &mut self,
        service: &Name,
        id: &str,
        word: Option<Status>,
        now: Moment,
    ) -> Result<Option<InstanceId>, UnknownInstance> {
        let known = self.services.get_mut(service);
        let had =
            known.is_some_and(|known| InstanceId::parse(id).is_ok_and(|id| known.overrides.remove(&id).is_some()));
        if !had {
            return self.exists(service, id).map(|()| None);
        }
        self.touch(service, id, now, |record| record.judge(word.unwrap_or(record.instance.status), None)).map(Some)
    }

    /// Brings back an override of an earlier run; `word` when it was the last word, otherwise the record has it.
    pub(crate) fn restore_override(
        &mut self,
        service: &Name,
        id: &InstanceId,
        overridden: Override,
        word: Option<Status>,
    ) {
        let Some(known) = self.services.get_mut(service) else { return };
        for ((_, _), record) in known.records.iter_mut().filter(|((other, _), _)| other == id) {
            record.judge(word.unwrap_or(record.word), Some(&overridden));
        }
        known.overrides.insert(id.clone(), overridden);
        known.note_stale(service, &mut self.stale);
    }

    /// A registrar that changes a status tells its version of the description with it: a newer one counts from now on.
    pub(crate) fn note_stamp(&mut self, service: &Name, face: &Face, id: &str, stamp_ms: u64) {
        let Ok(record) = self.find(service, face, id) else { return };
        if stamp_ms > record.instance.stamp_ms {
            record.instance = Arc::new(Instance { stamp_ms, ..Instance::clone(&record.instance) });
        }
    }

    /// Changes every face's record of one instance.
    pub(super) fn touch(
        &mut self,
        service: &Name,
        id: &str,
        now: Moment,
        change: impl Fn(&mut Record),
    ) -> Result<InstanceId, UnknownInstance> {
        self.exists(service, id)?;
        let unix_ms = self.unix_ms(now);
        self.revision += 1;
        let records = self.services.get_mut(service).into_iter().flat_map(|known| known.records.iter_mut());
        let mut found = None;
        for ((other, _), record) in records.filter(|((other, _), _)| other.as_str() == id) {
            change(record);
            (record.kind, record.updated_ms, record.revision) = (Kind::Modified, unix_ms, self.revision);
            if record.up_ms == 0 && record.effective == Status::Up {
                record.up_ms = unix_ms;
            }
            found = Some(other.clone());
        }
        self.note_stale(service);
        found.ok_or_else(|| UnknownInstance { service: service.to_string(), id: id.to_owned() })
    }
}
