//! Joins parts that do not know each other, one file per pair, mapping only.

pub(crate) mod gateway_supervise;
pub(crate) mod supervise_upstream;
