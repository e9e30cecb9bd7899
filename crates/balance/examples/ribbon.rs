//! Plays a script with Madang's form of Ribbon's rules: what `interop/ribbon`'s Java program does with the real ones.
//!
//! `cargo run -p madang-balance --example ribbon -- play interop/ribbon/scenarios.txt`, or `generate SEED COUNT` for
//! scripts at random. The language is explained in interop/README.md.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use madang_balance::ribbon::{Balancer, Properties, Server};
use madang_base::{Moment, Random};

type Failure = Box<dyn std::error::Error>;

const CLIENT: &str = "orders";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["play", path] => play(&std::fs::read_to_string(path)?)?,
        ["generate", seed, count] => generate(seed.parse()?, count.parse()?),
        _ => return Err("usage: ribbon play FILE | ribbon generate SEED COUNT".into()),
    };
    print!("{text}");
    Ok(())
}

/// A scenario under way.
struct Play {
    scenario: String,
    properties: HashMap<String, String>,
    balancer: Balancer,
    now: Moment,
    random: Random,
    /// Per server: when a connection failed last, and when its active calls changed.
    last: Vec<(Moment, Moment)>,
    output: String,
}

fn play(script: &str) -> Result<String, Failure> {
    let mut play = Play {
        scenario: String::new(),
        properties: HashMap::new(),
        balancer: Balancer::new(Properties::default(), Vec::new()),
        now: Moment::from_nanos(0) + Duration::from_secs(86_400),
        random: Random::new(7),
        last: Vec::new(),
        output: String::new(),
    };
    for (number, line) in (1..).zip(script.lines()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if !words.is_empty() && !line.starts_with('#') {
            play.step(&words).map_err(|error| format!("line {number}, `{line}`: {error}"))?;
        }
    }
    Ok(play.output)
}

impl Play {
    fn step(&mut self, words: &[&str]) -> Result<(), Failure> {
        match words {
            ["scenario", name] => {
                self.scenario = (*name).to_owned();
                self.properties.clear();
            }
            ["set", key, value] => {
                self.properties.insert((*key).to_owned(), (*value).to_owned());
            }
            ["servers", servers @ ..] => self.serve(servers)?,
            ["weigh"] => self.balancer.weigh(),
            ["advance", millis] => self.now = self.now + Duration::from_millis(millis.parse()?),
            ["choose", count] => {
                let picks = (0..count.parse()?).map(|_| match self.balancer.choose(self.now, &mut self.random) {
                    Some(place) => place.to_string(),
                    None => "-".to_owned(),
                });
                let picks: Vec<String> = picks.collect();
                self.say("choose", &picks.join(" "))?;
            }
            ["sample", count] => {
                let mut counts = vec![0_u32; self.balancer.servers.len()];
                for _ in 0..count.parse()? {
                    counts[self.balancer.choose(self.now, &mut self.random).ok_or("nobody")?] += 1;
                }
                let counts: Vec<String> = counts.iter().map(u32::to_string).collect();
                self.say("sample", &counts.join(" "))?;
            }
            [what, place, rest @ ..] => self.server(what, place.parse()?, rest)?,
            _ => return Err("not understood".into()),
        }
        Ok(())
    }

    fn serve(&mut self, servers: &[&str]) -> Result<(), Failure> {
        let lookup = |key: &str| self.properties.get(key).cloned();
        let properties = Properties::read(CLIENT, lookup).map_err(|errors| format!("{errors:?}"))?;
        let server = |text: &&str| match text.split_once('@') {
            Some((id, zone)) => Server::new(id).in_zone(zone),
            None => Server::new(*text),
        };
        self.last = vec![(self.now, self.now); servers.len()];
        self.balancer = Balancer::new(properties, servers.iter().map(server).collect());
        Ok(())
    }

    fn server(&mut self, what: &str, place: usize, rest: &[&str]) -> Result<(), Failure> {
        let properties = self.balancer.properties().clone();
        let server = self.balancer.servers.get_mut(place).ok_or("no such server")?;
        let (now, last) = (self.now, &mut self.last[place]);
        match (what, rest) {
            ("up", []) => server.is_alive = true,
            ("down", []) => server.is_alive = false,
            ("clear", []) => server.stats.clear_connection_failures(),
            ("respond", times) => {
                for time in times {
                    server.stats.note_response_time(time.parse()?);
                }
            }
            ("begin", [count]) => {
                (0..count.parse()?).for_each(|_: u32| server.stats.begin(now));
                last.1 = now;
            }
            ("end", [count]) => {
                (0..count.parse()?).for_each(|_: u32| server.stats.end(now));
                last.1 = now;
            }
            ("fail", [count]) => {
                (0..count.parse()?).for_each(|_: u32| server.stats.connection_failed(now));
                last.0 = now;
            }
            ("tripped", [millis]) => {
                let then = last.0 + Duration::from_millis(millis.parse()?);
                let answer = server.stats.is_circuit_tripped(&properties, then).to_string();
                self.say("tripped", &answer)?;
            }
            ("active", [millis]) => {
                let then = last.1 + Duration::from_millis(millis.parse()?);
                let answer = server.stats.active(&properties, then).to_string();
                self.say("active", &answer)?;
            }
            _ => return Err("not understood".into()),
        }
        Ok(())
    }

    fn say(&mut self, what: &str, answer: &str) -> std::fmt::Result {
        writeln!(self.output, "{} {what}: {answer}", self.scenario)
    }
}

/// Scenarios of the rules that draw nothing: any order of what happens to any number of servers.
fn generate(seed: u64, count: u32) -> String {
    let mut random = Random::new(seed);
    let mut text = String::new();
    let rules = ["RoundRobinRule", "RetryRule", "BestAvailableRule", "AvailabilityFilteringRule"];
    for number in 0..count {
        let rule = rules[random.below(4) as usize];
        let servers = random.below(25) + 1;
        let _ = writeln!(text, "scenario {number}-{rule}");
        let _ = writeln!(text, "set orders.ribbon.NFLoadBalancerRuleClassName com.netflix.loadbalancer.{rule}");
        if random.below(3) == 0 {
            let _ = writeln!(text, "set orders.ribbon.ActiveConnectionsLimit {}", random.below(4) + 1);
        }
        if random.below(3) == 0 {
            let threshold = random.below(4) + 1;
            let _ = writeln!(text, "set niws.loadbalancer.orders.connectionFailureCountThreshold {threshold}");
        }
        let ids: Vec<String> = (0..servers).map(|at| format!("s{at}:80")).collect();
        let _ = writeln!(text, "servers {}", ids.join(" "));
        for _ in 0..random.below(40) + 5 {
            let server = random.below(servers);
            let times = random.below(5) + 1;
            let _ = match random.below(10) {
                // The first server stays up: with nobody left `RetryRule` waits for half a second.
                0 | 1 if server > 0 => writeln!(text, "down {server}"),
                2 => writeln!(text, "up {server}"),
                3 => writeln!(text, "begin {server} {times}"),
                4 => writeln!(text, "end {server} {times}"),
                5 => writeln!(text, "fail {server} {times}"),
                6 => writeln!(text, "clear {server}"),
                // Black-outs are whole seconds long: half a second beside them nobody's clock matters.
                7 => writeln!(text, "advance {}", 5_000 * (random.below(3) + 1) + 500),
                _ => writeln!(text, "choose {}", random.below(12) + 1),
            };
        }
        let _ = writeln!(text, "choose 30");
    }
    text
}
