//! What is said of a pick is what happened.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::{Availability, CandidateVerdict, Ejection, Hidden, Member, Outcome, Rules, Slots, Zones};

const NOW: Moment = Moment::from_nanos(5_000_000_000);

fn members(count: u16) -> Vec<Member> {
    let member = |port| Member::new(format!("orders-{port}"), SocketAddr::from(([127, 0, 0, 1], port)));
    (1..=count).map(member).collect()
}

#[test]
fn an_explained_pick_is_the_pick_itself() {
    for policy in Policy::all() {
        let sets = [(); 2].map(|()| EndpointSet::empty().next(members(30), &mut Slots::default(), NOW));
        let mut randoms = [Random::new(9), Random::new(9)];
        for number in 0..200_u64 {
            let key = Some(crate::key(&number.to_le_bytes()));
            let [random, other] = &mut randoms;
            let plain = sets[0].pick(Pick { policy: &policy, key, tried: &[], now: NOW, random });
            let (picked, explained) =
                sets[1].pick_explained(Pick { policy: &policy, key, tried: &[], now: NOW, random: other });
            assert_eq!(picked.map(|one| one.id), plain.map(|one| one.id), "{policy:?}");
            assert_eq!(explained.picked, picked.map(|one| one.id));
            assert!(!explained.reason.is_empty(), "{policy:?}");
            let chosen = |one: &&crate::Candidate| matches!(one.verdict, CandidateVerdict::Picked(_));
            assert_eq!(explained.candidates.iter().filter(chosen).count(), 1);
            assert_eq!(explained.candidates.len(), 30);
        }
    }
}

#[test]
fn an_explanation_says_who_was_hidden_and_why() {
    let mut listed = members(8);
    listed[0].availability = Availability::Starting;
    listed[1].availability = Availability::Unhealthy;
    listed[2].availability = Availability::Draining;
    listed[3].weight = 0;
    let ejection = Ejection { max_percent: 50, ..Ejection::default() };
    let rules = Rules { ejection: Some(ejection), ..Rules::default() };
    let set = EndpointSet::empty().under(rules, NOW).next(listed, &mut Slots::default(), NOW);
    let [.., ejected, tried, busy, _] = set.endpoints() else { unreachable!("eight endpoints") };
    for endpoint in [ejected, busy] {
        for _ in 0..if endpoint.id == ejected.id { 5 } else { 1 } {
            endpoint.begin();
            endpoint.end(NOW, NOW, Outcome::Failure, Duration::from_millis(40));
        }
    }
    let tried = [tried.id];
    let policy = Policy::default();
    let pick = Pick { policy: &policy, key: None, tried: &tried, now: NOW, random: &mut Random::new(1) };
    let (picked, explained) = set.pick_explained(pick);
    assert_eq!(picked.map(|one| one.address.port()), Some(8));
    assert_eq!(explained.reason, "the least load of all");
    let verdicts: Vec<CandidateVerdict> = explained.candidates.iter().map(|one| one.verdict).collect();
    let hidden =
        [Hidden::Starting, Hidden::Unhealthy, Hidden::Draining, Hidden::NoWeight, Hidden::Ejected, Hidden::Tried];
    let mut expected: Vec<CandidateVerdict> = hidden.into_iter().map(CandidateVerdict::Hidden).collect();
    expected.extend([CandidateVerdict::Compared(4e7), CandidateVerdict::Picked(Some(0.0))]);
    assert_eq!(verdicts, expected);
    assert_eq!(Hidden::Ejected.to_string(), "failed and rests for a while");
    let said = &set.explain(&policy, NOW)[4].reason;
    assert_eq!(said, "failed and is ejected for another 30s, 1 in a row");

    let all: Vec<EndpointId> = set.endpoints().iter().map(|one| one.id).collect();
    let pick = Pick { policy: &policy, key: None, tried: &all, now: NOW, random: &mut Random::new(1) };
    let (picked, explained) = set.pick_explained(pick);
    assert!(picked.is_none() && explained.picked.is_none());
    assert_eq!(explained.reason, "nobody is left that may be picked");
}

#[test]
fn an_explanation_says_how_the_choice_was_narrowed() {
    let mut listed = members(9);
    for member in &mut listed[..8] {
        member.zone = Some(if member.address.port() <= 4 { "a" } else { "b" }.into());
    }
    listed[8].priority = 1;
    let zones = Zones::new("a".to_owned(), vec![("a".to_owned(), 1), ("b".to_owned(), 1)]);
    let rules = Rules { zones: Some(zones), ..Rules::default() };
    let set = EndpointSet::empty().under(rules, NOW).next(listed, &mut Slots::default(), NOW);
    let policy = Policy::TwoChoices;
    let pick = Pick { policy: &policy, key: None, tried: &[], now: NOW, random: &mut Random::new(1) };
    let (_, explained) = set.pick_explained(pick);
    assert_eq!(explained.narrowed, ["priority 0: 8 of 8 are healthy, it gets 100 % of the calls", "zone a"]);
    let verdicts: Vec<CandidateVerdict> = explained.candidates.iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts[4..], [CandidateVerdict::Hidden(Hidden::Elsewhere); 5]);
    let drawn = verdicts[..4].iter().filter(|verdict| **verdict != CandidateVerdict::NotDrawn).count();
    assert_eq!(drawn, 2, "{verdicts:?}");

    let listed = members(4).into_iter().enumerate().map(|(at, member)| {
        let availability = if at == 0 { Availability::Ready } else { Availability::Unhealthy };
        Member { availability, ..member }
    });
    let rules = Rules { panic_percent: 50, ..Rules::default() };
    let set = EndpointSet::empty().under(rules, NOW).next(listed.collect(), &mut Slots::default(), NOW);
    let pick = Pick { policy: &policy, key: None, tried: &[], now: NOW, random: &mut Random::new(1) };
    let (_, explained) = set.pick_explained(pick);
    assert_eq!(explained.narrowed, ["only 1 of 4 are healthy: health is ignored"]);
}
