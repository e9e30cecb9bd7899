//! Which zones Ribbon avoids.
//!
//! Source of truth: `ZoneAvoidanceRule.getAvailableZones` and `ZoneAvoidancePredicate`.

use std::collections::BTreeMap;

use madang_base::Random;

use super::Server;
use super::rule::Choice;

/// Loads that differ by less are the same.
const SAME_LOAD: f64 = 0.000_001;

/// One zone at one time.
#[derive(Debug, Default)]
struct Zone {
    servers: u32,
    tripped: u32,
    /// On servers whose circuit is not tripped.
    active: u32,
}

impl Zone {
    /// Active requests per server whose circuit is not tripped; none when all are.
    fn load(&self) -> Option<f64> {
        let available = self.servers - self.tripped;
        (available > 0).then(|| f64::from(self.active) / f64::from(available))
    }
}

/// Whether the zones allow `server`. Ribbon asks anew for every server it examines, and draws the worst zone each time.
pub(super) fn allow(choice: &mut Choice<'_>, server: &Server) -> bool {
    if !choice.properties.zone_avoidance {
        return true;
    }
    let zones = zones(choice);
    let name = name(server);
    // Names of zones are kept in small letters, and looked up as they are written.
    if zones.len() <= 1 || !zones.contains_key(name) {
        return true;
    }
    let avoided = avoided(choice, &zones);
    !avoided.iter().any(|avoided| avoided == name)
}

/// Servers that do not say where they are count as one zone, which is never avoided: its name has capitals.
fn name(server: &Server) -> &str {
    server.zone.as_deref().unwrap_or("UNKNOWN")
}

fn zones(choice: &Choice<'_>) -> BTreeMap<String, Zone> {
    let mut zones: BTreeMap<String, Zone> = BTreeMap::new();
    for server in choice.servers {
        let zone = zones.entry(name(server).to_lowercase()).or_default();
        zone.servers += 1;
        if server.stats.is_circuit_tripped(choice.properties, choice.now) {
            zone.tripped += 1;
        } else {
            zone.active = zone.active.saturating_add(server.stats.active(choice.properties, choice.now));
        }
    }
    zones
}

fn avoided(choice: &mut Choice<'_>, zones: &BTreeMap<String, Zone>) -> Vec<String> {
    let mut avoided = Vec::new();
    let mut worst: Vec<(&String, u32)> = Vec::new();
    let mut most = 0.0_f64;
    for (name, zone) in zones {
        let blacked_out = f64::from(zone.tripped) / f64::from(zone.servers) >= choice.properties.blackout_share;
        match zone.load() {
            Some(load) if !blacked_out => {
                if (load - most).abs() < SAME_LOAD {
                    worst.push((name, zone.servers));
                } else if load > most {
                    most = load;
                    worst = vec![(name, zone.servers)];
                }
            }
            Some(_) | None => avoided.push(name.clone()),
        }
    }
    if most < choice.properties.triggering_load && avoided.is_empty() {
        return avoided;
    }
    // One of the worst, by its servers: also when a zone is avoided already, and the other one idles.
    avoided.extend(draw(&worst, choice.random).cloned());
    avoided
}

fn draw<'a>(worst: &[(&'a String, u32)], random: &mut Random) -> Option<&'a String> {
    let all = worst.iter().map(|(_, servers)| servers).sum();
    let drawn = if worst.len() > 1 { random.below(all) } else { 0 };
    let mut sum = 0;
    let reached = worst.iter().find(|(_, servers)| {
        sum += servers;
        drawn < sum
    });
    reached.map(|(name, _)| *name)
}
