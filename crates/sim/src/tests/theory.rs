//! Queueing theory has exact answers for simple systems: the simulator must find them.

use super::report;

/// Off by at most 1 %.
#[track_caller]
fn near(found: f64, expected: f64, what: &str) {
    let off = found / expected - 1.0;
    println!("{what}: {found:.4}, theory {expected:.4}, off by {:.2} %", off * 100.0);
    assert!(off.abs() < 0.01, "{what}: {found}, theory says {expected}");
}

#[test]
fn one_server_waits_as_the_theory_of_m_m_1_says() {
    for (load, requests) in [(0.3, 1_000_000), (0.5, 2_000_000), (0.7, 3_000_000)] {
        let text = format!(
            "requests = {requests}\narrivals = {{ load = {load} }}\nservers.a = {{ service = {{ mean = \"1s\" }} }}"
        );
        let report = report(&text);
        near(report.latency.mean_s, 1.0 / (1.0 - load), &format!("M/M/1 at {load}"));
        near(report.groups[0].utilisation, load, "utilisation");
        // Little's law holds whatever the distributions are.
        near(report.groups[0].waiting, load * (report.latency.mean_s - 1.0), "queue");
    }
}

#[test]
fn servers_with_one_queue_wait_as_the_theory_of_m_m_n_says() {
    for (places, load, expected, requests) in
        [(2, 0.7, 1.0 / (1.0 - 0.49), 2_000_000), (10, 0.7, 1.0739, 1_000_000), (100, 0.95, 1.1013, 3_000_000)]
    {
        let text = format!(
            "requests = {requests}\narrivals = {{ load = {load} }}\nservers.a = {{ concurrency = {places}, service = {{ mean = \"1s\" }} }}"
        );
        near(report(&text).latency.mean_s, expected, &format!("M/M/{places} at {load}"));
    }
}

#[test]
fn a_server_without_chance_waits_half_as_long_as_the_theory_of_m_d_1_says() {
    let text = "requests = 400_000\narrivals = { load = 0.7 }\nservers.a = { service = { distribution = \"constant\", mean = \"1s\" } }";
    near(report(text).latency.mean_s, 1.0 + 0.7 / (2.0 * 0.3), "M/D/1 at 0.7");
}

#[test]
fn a_full_queue_refuses_as_the_theory_of_m_m_1_k_says() {
    // At most 5 in the system, one of them served.
    for load in [0.8_f64, 1.5] {
        let text = format!(
            "requests = 1_000_000\narrivals = {{ load = {load} }}\nservers.a = {{ queue = 4, service = {{ mean = \"1s\" }} }}"
        );
        let report = report(&text);
        let refused = report.requests.refused as f64 / report.requests.arrived as f64;
        near(refused, (1.0 - load) * load.powi(5) / (1.0 - load.powi(6)), &format!("refused at {load}"));
    }
}

#[test]
fn calls_without_a_line_are_lost_as_erlang_says() {
    for service in ["\"exponential\"", "\"constant\"", "\"lognormal\""] {
        let text = format!(
            "requests = 1_000_000\narrivals = {{ load = 0.8 }}\n\
             servers.a = {{ concurrency = 10, queue = 0, service = {{ distribution = {service}, mean = \"1s\" }} }}"
        );
        let report = report(&text);
        // Erlang's B for 8 erlang on 10 lines, whatever the distribution is.
        let lost = (1..=10).fold(1.0, |lost, line| 8.0 * lost / (f64::from(line) + 8.0 * lost));
        near(report.requests.refused as f64 / report.requests.arrived as f64, lost, service);
    }
}
