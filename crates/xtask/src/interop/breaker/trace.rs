//! Random traces: calls that overlap, good and bad times, silences, and many events at the moments when something
//! happens inside a breaker, a millisecond before and after them.

use std::fmt::Write;

use super::random::Random;

/// Calls of a trace, at least and at most.
const CALLS: (u64, u64) = (60, 240);

/// The longest a trace lasts, in slices of the shortest span: a virtual clock turns every bucket on its way.
const MAX_SLICES: u64 = 4_000;

struct Event {
    t: u64,
    /// Order within one millisecond.
    rank: u64,
    line: String,
}

/// A trace in the format of `madang breaker simulate`; `spans` are the times at whose ends something happens.
pub(super) fn draw(random: &mut Random, spans: &[u64]) -> String {
    let mut events = Vec::new();
    let calls = CALLS.0 + random.below(CALLS.1 - CALLS.0);
    let last = spans.iter().copied().filter(|span| *span > 0).min().unwrap_or(100) * MAX_SLICES;
    let (mut t, mut id) = (random.below(3) * random.below(50), 0);
    let mut badness = random.one_of(&[5, 40, 90]);
    // A steady beat keeps many calls within one window.
    let slowest = random.one_of(&[5, 30, 100]);
    let beat = 1 + random.below(slowest);
    while id < calls {
        if random.happens(8) {
            badness = random.one_of(&[0, 5, 30, 50, 80, 100]);
        }
        id += 1;
        let end = call(random, &mut events, id, t, spans, badness);
        // Where the circuit may just have opened, calls come when it may half-open.
        if end.failed && random.happens(35) {
            for _ in 0..=random.below(2) {
                id += 1;
                let span = random.one_of(spans);
                let probe = beside(random, end.t + span);
                call(random, &mut events, id, probe, spans, badness);
            }
        }
        t += gap(random, t, spans, beat);
        if t > last {
            break;
        }
    }
    events.sort_by_key(|event| (event.t, event.rank));
    let mut text = String::new();
    for event in events {
        text += &event.line;
    }
    text
}

struct End {
    t: u64,
    failed: bool,
}

/// Adds a call with its end, if it has one.
fn call(random: &mut Random, events: &mut Vec<Event>, id: u64, t: u64, spans: &[u64], badness: u64) -> End {
    let rank = random.below(1000);
    let mut add = |t, rank, rest: String| {
        let mut line = String::new();
        let _ = writeln!(line, r#"{{"t":{t},{rest}}}"#);
        events.push(Event { t, rank, line });
    };
    add(t, rank, format!(r#""ev":"call","id":{id}"#));
    let outcome = match random.happens(badness) {
        true => random.one_of(&["fail", "fail", "fail", "timeout", "ignored"]),
        false => "ok",
    };
    if random.happens(3) {
        return End { t, failed: false }; // nobody ever says how it went
    }
    let span = random.one_of(spans);
    let duration = match random.below(100) {
        0..15 => 0,
        15..60 => random.below(30),
        60..75 => random.below(span + 1),
        75..90 => beside(random, span),
        _ => random.below(span * 3 + 1),
    };
    let end = t + duration;
    add(
        end,
        rank + 1 + random.below(1000),
        format!(r#""ev":"end","id":{id},"outcome":"{outcome}","duration":{duration}"#),
    );
    End { t: end, failed: outcome != "ok" }
}

/// The time to the next call.
fn gap(random: &mut Random, t: u64, spans: &[u64], beat: u64) -> u64 {
    let span = random.one_of(spans);
    match random.below(100) {
        0..15 => 0,
        15..75 => random.below(beat + 1),
        75..85 => random.below(span + 1),
        // To the next whole span since the start, where buckets turn.
        85..95 if span > 0 => beside(random, (t / span + 1) * span).saturating_sub(t),
        95..99 => beside(random, span),
        _ => span * random.below(12),
    }
}

/// A time, or the millisecond before or after it.
fn beside(random: &mut Random, t: u64) -> u64 {
    (t + random.below(3)).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::HashMap;

    #[test]
    fn a_trace_is_in_order_and_every_call_comes_before_its_end() {
        for seed in 0..200 {
            let text = draw(&mut Random::new(seed), &[100, 1000, 7]);
            assert_eq!(text, draw(&mut Random::new(seed), &[100, 1000, 7]), "a seed repeats");
            let (mut last, mut began) = (0, HashMap::new());
            for line in text.lines() {
                let event: Value = serde_json::from_str(line).unwrap();
                let (t, id) = (event["t"].as_u64().unwrap(), event["id"].as_u64().unwrap());
                assert!(t >= last, "{text}");
                last = t;
                match event["ev"].as_str() {
                    Some("call") => assert_eq!(began.insert(id, t), None, "{text}"),
                    _ => assert_eq!(event["duration"], t - began.remove(&id).unwrap(), "{text}"),
                }
            }
        }
    }
}
