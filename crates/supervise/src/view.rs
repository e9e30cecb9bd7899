//! What others see of services and instances: plain values, published whenever one changes.

use std::{sync::Arc, time::Duration};

use madang_base::{Moment, Name};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use utoipa::ToSchema;

use crate::{
    fleet::{Fleet, Overlay, Unit},
    instance::State,
};

/// One instance.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(as = supervise::InstanceView)]
pub struct InstanceView {
    /// Its service.
    #[schema(value_type = String)]
    pub service: Name,
    /// Its name, `orders-1`. While it is replaced there are two of that name, with different `generation`s.
    #[schema(value_type = String)]
    pub instance: Arc<str>,
    /// Which process of the name it is; 0 while there is none.
    pub generation: u64,
    /// Its process.
    pub pid: Option<u32>,
    /// Where it listens, on loopback.
    pub port: Option<u16>,
    /// What it does.
    pub state: State,
    /// How often it was started again.
    pub restarts: u32,
    /// Why it is not simply well. The first line stands alone; the last log lines follow as `| line`.
    #[schema(value_type = Option<String>)]
    pub reason: Option<Arc<str>>,
    /// How long its process has run, in seconds.
    // Here: when it started, by the clock of `madang_runtime::now`, and what it had run before this Madang came.
    #[schema(rename = "uptime_s", value_type = u64)]
    started: Option<(Moment, Duration)>,
}

impl InstanceView {
    pub(crate) fn of(service: &Name, unit: &Unit) -> Self {
        Self {
            service: service.clone(),
            instance: Arc::clone(&unit.name),
            generation: unit.generation.unwrap_or_default(),
            pid: unit.life.pid(),
            port: unit.port,
            state: unit.life.state(),
            restarts: unit.life.restarts(),
            reason: unit.life.reason().map(Arc::from),
            started: unit.life.started_at(),
        }
    }

    /// How long its process has run.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.started.map_or(Duration::ZERO, |(at, before)| before + madang_runtime::now().since(at))
    }

    /// Tells this process from every other, also from its predecessor and successor of the same name.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("{}#{}", self.instance, self.generation)
    }
}

impl Serialize for InstanceView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("InstanceView", 9)?;
        fields.serialize_field("service", self.service.as_str())?;
        fields.serialize_field("instance", &*self.instance)?;
        fields.serialize_field("generation", &self.generation)?;
        fields.serialize_field("pid", &self.pid)?;
        fields.serialize_field("port", &self.port)?;
        fields.serialize_field("state", &self.state)?;
        fields.serialize_field("restarts", &self.restarts)?;
        fields.serialize_field("uptime_s", &self.uptime().as_secs())?;
        fields.serialize_field("reason", &self.reason.as_deref())?;
        fields.end()
    }
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(as = supervise::Service)]
pub struct ServiceView {
    /// Its name.
    #[schema(value_type = String)]
    pub service: Name,
    /// How many instances there should be.
    pub wanted: u32,
    /// How many get requests.
    pub healthy: u32,
    /// What the settings file says.
    pub in_file: u32,
    /// The most that `scale` takes.
    pub max: u32,
    /// A run-time change that holds until the number in the file changes.
    pub overlay: Option<Overlay>,
}

impl ServiceView {
    pub(crate) fn of(fleet: &Fleet) -> Self {
        let healthy = fleet.units.iter().filter(|unit| unit.life.is_healthy()).count();
        Self {
            service: fleet.service.name.clone(),
            wanted: fleet.wanted(),
            healthy: u32::try_from(healthy).unwrap_or(u32::MAX),
            in_file: fleet.service.instances.min,
            max: fleet.service.instances.max,
            overlay: fleet.overlay.clone(),
        }
    }
}

impl Serialize for ServiceView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("ServiceView", 6)?;
        fields.serialize_field("service", self.service.as_str())?;
        fields.serialize_field("wanted", &self.wanted)?;
        fields.serialize_field("healthy", &self.healthy)?;
        fields.serialize_field("in_file", &self.in_file)?;
        fields.serialize_field("max", &self.max)?;
        fields.serialize_field("overlay", &self.overlay)?;
        fields.end()
    }
}
