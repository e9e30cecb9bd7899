//! Filters that set, add and remove header fields, on the request or on the answer.

use super::{Filter, Flow};
use crate::exchange::{Direction, Exchange};

/// What to do with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Replace every field of that name.
    Set(String, String),
    /// Add one more.
    Add(String, String),
    /// Drop every field of that name.
    Remove(String),
}

/// A list of edits to one side.
pub(crate) struct Headers {
    pub(crate) direction: Direction,
    pub(crate) edits: Vec<Edit>,
}

impl Filter for Headers {
    fn request(&self, exchange: &mut Exchange) -> Flow {
        if self.direction == Direction::Request {
            let request = &mut exchange.request;
            for edit in &self.edits {
                match edit {
                    Edit::Set(name, value) => request.set_header(name, value),
                    Edit::Add(name, value) => request.add_header(name, value),
                    Edit::Remove(name) => request.remove_header(name),
                }
            }
        }
        Flow::Next
    }

    fn response(&self, exchange: &mut Exchange) {
        if self.direction == Direction::Response {
            let response = &mut exchange.response;
            for edit in &self.edits {
                match edit {
                    Edit::Set(name, value) => response.set_header(name, value),
                    Edit::Add(name, value) => response.add_header(name, value),
                    Edit::Remove(name) => response.remove_header(name),
                }
            }
        }
    }
}
