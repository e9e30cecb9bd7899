//! Which checks are due, and what their answers do to an instance.

use std::sync::Arc;

use madang_base::Moment;

use super::Registry;
use crate::checks::Job;
use crate::view::Kind;

impl Registry {
    /// The checks whose time has come, up to `most`; each is asked again an interval later.
    pub(crate) fn due_checks(&mut self, now: Moment, most: usize) -> Vec<Job> {
        let mut jobs = Vec::new();
        for (name, service) in &mut self.services {
            for ((_, face), record) in &mut service.records {
                let Some(check) = record.instance.check.as_ref().filter(|_| now >= record.next_check) else { continue };
                if jobs.len() == most {
                    return jobs;
                }
                record.next_check = now + check.interval();
                let instance = Arc::clone(&record.instance);
                jobs.push(Job { service: name.clone(), face: face.clone(), instance });
            }
        }
        jobs
    }

    /// Takes the answer to a check. `said` is `Err` with the reason when it failed.
    pub(crate) fn checked(&mut self, job: &Job, said: Result<(), String>, now: Moment) {
        let unix_ms = self.unix_ms(now);
        let Ok(record) = self.find(&job.service, &job.face, job.instance.id.as_str()) else { return };
        // The answer of an instance that has moved meanwhile says nothing.
        if !record.instance.is_checked_as(&job.instance) {
            return;
        }
        let before = record.is_failing();
        record.health.note(said, unix_ms);
        if before == record.is_failing() {
            return;
        }
        self.revision += 1;
        let revision = self.revision;
        if let Ok(record) = self.find(&job.service, &job.face, job.instance.id.as_str()) {
            (record.kind, record.updated_ms, record.revision) = (Kind::Modified, unix_ms, revision);
        }
        self.note_stale(&job.service);
    }
}
