//! Joins parts that do not know each other, one file per pair, mapping only.
//!
//! Endpoints have one way: the supervisor tells the registry what runs, and the registry tells callers what is listed.

pub(crate) mod gateway_admin;
pub(crate) mod gateway_supervise;
pub(crate) mod registry_admin;
pub(crate) mod registry_gateway;
pub(crate) mod registry_upstream;
pub(crate) mod settings_admin;
pub(crate) mod supervise_admin;
pub(crate) mod supervise_registry;
