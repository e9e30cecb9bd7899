use std::time::Duration;

use super::*;

const NOW: Moment = Moment::from_nanos(1_000_000_000_000);

fn balancer(rule: Rule, count: usize) -> Balancer {
    let servers = (0..count).map(|at| Server::new(format!("10.0.0.{at}:80"))).collect();
    Balancer::new(Properties { rule, ..Properties::default() }, servers)
}

fn choose(balancer: &mut Balancer, count: usize) -> Vec<usize> {
    let mut random = Random::new(7);
    (0..count).map(|_| balancer.choose(NOW, &mut random).unwrap()).collect()
}

fn trip(server: &mut Server, times: u32) {
    (0..times).for_each(|_| server.stats.connection_failed(NOW));
}

#[test]
fn the_first_pick_of_a_round_robin_is_the_second_server_and_the_dead_ones_neighbor_has_twice_its_share() {
    let mut balancer = balancer(Rule::RoundRobin, 4);
    assert_eq!(choose(&mut balancer, 5), [1, 2, 3, 0, 1]);
    balancer.servers[2].is_alive = false;
    assert_eq!(choose(&mut balancer, 6), [3, 0, 1, 3, 0, 1]);
}

#[test]
fn a_round_robin_gives_up_after_ten_dead_servers_and_a_retry_does_not() {
    for (rule, expected) in [(Rule::RoundRobin, None), (Rule::Retry, Some(15))] {
        let mut balancer = balancer(rule, 30);
        for (place, server) in balancer.servers.iter_mut().enumerate() {
            server.is_alive = place == 15;
        }
        assert_eq!(balancer.choose(NOW, &mut Random::new(1)), expected, "{rule:?}");
    }
}

#[test]
fn random_draws_from_those_that_are_up() {
    let mut balancer = balancer(Rule::Random, 5);
    balancer.servers[0].is_alive = false;
    balancer.servers[3].is_alive = false;
    let mut counts = [0; 5];
    choose(&mut balancer, 9_000).into_iter().for_each(|place| counts[place] += 1);
    assert_eq!((counts[0], counts[3]), (0, 0));
    crate::chi::assert_fits(&[counts[1], counts[2], counts[4]], &[1.0 / 3.0; 3]);
}

#[test]
fn response_times_weigh_by_what_the_others_take() {
    let mut balancer = balancer(Rule::WeightedResponseTime, 3);
    assert_eq!(choose(&mut balancer, 3), [1, 2, 0], "before the first weights it is a round robin");
    for (server, millis) in balancer.servers.iter_mut().zip([10.0, 30.0, 60.0]) {
        server.stats.note_response_time(millis);
        server.stats.note_response_time(f64::NAN);
    }
    balancer.weigh();
    assert_eq!(balancer.accumulated_weights(), [90.0, 160.0, 200.0]);
    let mut counts = [0; 3];
    choose(&mut balancer, 20_000).into_iter().for_each(|place| counts[place] += 1);
    crate::chi::assert_fits(&counts, &[0.45, 0.35, 0.2]);
    balancer.servers.iter_mut().for_each(|server| server.is_alive = false);
    assert_eq!(balancer.choose(NOW, &mut Random::new(1)), None);
}

#[test]
fn best_available_is_the_first_of_the_idle_ones_even_when_it_is_down() {
    let mut balancer = balancer(Rule::BestAvailable, 3);
    assert_eq!(choose(&mut balancer, 3), [0, 0, 0]);
    balancer.servers[0].stats.begin(NOW);
    balancer.servers[1].is_alive = false;
    assert_eq!(choose(&mut balancer, 2), [1, 1]);
    trip(&mut balancer.servers[1], 3);
    assert_eq!(choose(&mut balancer, 2), [2, 2]);
    balancer.servers.iter_mut().for_each(|server| trip(server, 3));
    assert_eq!(choose(&mut balancer, 2), [2, 0], "all are tripped: round robin, over those that are up");
}

#[test]
fn the_circuit_opens_for_ten_twenty_and_thirty_seconds() {
    let properties = Properties::default();
    for (failures, seconds) in [(0, 0), (2, 0), (3, 10), (4, 20), (5, 30), (6, 30), (40, 30)] {
        let mut stats = ServerStats::default();
        (0..failures).for_each(|_| stats.connection_failed(NOW));
        let end = NOW + Duration::from_secs(seconds);
        assert_eq!(stats.is_circuit_tripped(&properties, end - Duration::from_millis(1)), seconds > 0, "{failures}");
        assert!(!stats.is_circuit_tripped(&properties, end), "{failures}");
        stats.clear_connection_failures();
        assert!(!stats.is_circuit_tripped(&properties, NOW));
    }
}

#[test]
fn calls_that_nobody_ended_are_forgotten_after_ten_minutes() {
    let properties = Properties::default();
    let mut stats = ServerStats::default();
    stats.begin(NOW);
    assert_eq!(stats.active(&properties, NOW + Duration::from_secs(600)), 1);
    assert_eq!(stats.active(&properties, NOW + Duration::from_millis(600_001)), 0);
    stats.end(NOW);
    stats.end(NOW);
    assert_eq!(stats.active(&properties, NOW), 0, "never below none");
}

#[test]
fn two_zones_of_which_one_is_blacked_out_leave_nobody_and_the_rule_falls_back() {
    let mut balancer = balancer(Rule::ZoneAvoidance, 4);
    for (server, zone) in balancer.servers.iter_mut().zip(["a", "a", "b", "b"]) {
        server.zone = Some(zone.to_owned());
    }
    assert_eq!(choose(&mut balancer, 5), [0, 1, 2, 3, 0], "nothing to avoid, and the first pick is the first server");
    balancer.servers[0].stats.begin(NOW);
    assert_eq!(choose(&mut balancer, 4), [3, 2, 3, 2], "zone a has the load");
    trip(&mut balancer.servers[0], 3);
    trip(&mut balancer.servers[1], 3);
    // Zone a is dark, and of the rest the worst, idle zone b, is avoided too: only availability counts.
    assert_eq!(choose(&mut balancer, 4), [3, 2, 3, 2]);
    trip(&mut balancer.servers[2], 3);
    trip(&mut balancer.servers[3], 3);
    assert_eq!(choose(&mut balancer, 4), [1, 2, 3, 0], "all are tripped: all are eligible");
}

#[test]
fn empty_lists_have_nobody() {
    for rule in [
        Rule::RoundRobin,
        Rule::Random,
        Rule::Retry,
        Rule::WeightedResponseTime,
        Rule::BestAvailable,
        Rule::AvailabilityFiltering,
        Rule::ZoneAvoidance,
    ] {
        let mut balancer = balancer(rule, 3);
        choose(&mut balancer, 2);
        balancer.weigh();
        balancer.servers.clear();
        assert_eq!(balancer.choose(NOW, &mut Random::new(1)), None, "{rule:?}");
        balancer.servers.push(Server::new("late:80"));
        assert_eq!(balancer.choose(NOW, &mut Random::new(1)), Some(0), "{rule:?}");
    }
}

#[test]
fn properties_are_read_by_ribbons_names() {
    let given = [
        ("ribbon.NFLoadBalancerRuleClassName", "com.netflix.loadbalancer.RandomRule"),
        ("orders.ribbon.NFLoadBalancerRuleClassName", "com.netflix.loadbalancer.BestAvailableRule"),
        ("niws.loadbalancer.default.connectionFailureCountThreshold", "5"),
        ("niws.loadbalancer.default.circuitTripMaxTimeoutSeconds", "60"),
        ("niws.loadbalancer.orders.circuitTripMaxTimeoutSeconds", "90"),
        ("orders.ribbon.ActiveConnectionsLimit", "-1"),
        ("niws.loadbalancer.availabilityFilteringRule.activeConnectionsLimit", "12"),
        ("ZoneAwareNIWSDiscoveryLoadBalancer.orders.avoidZoneWithBlackoutPercetage", "0.5"),
        ("ZoneAwareNIWSDiscoveryLoadBalancer.other.triggeringLoadPerServerThreshold", "9"),
    ];
    let lookup = |key: &str| given.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
    let expected = Properties {
        rule: Rule::BestAvailable,
        failure_threshold: 5,
        trip_max: Duration::from_secs(90),
        active_limit: Some(12),
        blackout_share: 0.5,
        ..Properties::default()
    };
    assert_eq!(Properties::read("orders", lookup), Ok(expected));
    let bad = |key: &str| {
        let value = match key {
            "ribbon.NFLoadBalancerRuleClassName" => "RoundRobinRul",
            "niws.loadbalancer.zoneAvoidanceRule.enabled" => "perhaps",
            "ZoneAwareNIWSDiscoveryLoadBalancer.orders.triggeringLoadPerServerThreshold" => "NaN",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let errors = Properties::read("orders", bad).unwrap_err();
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert_eq!(errors[0].to_string(), "`RoundRobinRul` is no rule of Ribbon, `RoundRobinRule` is near");
}
