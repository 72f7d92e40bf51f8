//! Whatever happens: the living state equals its log, replayed; a call is answered once; and in the end, when
//! nobody is heard of any more, every group is empty and every call answered.

use super::harness::World;
use crate::Settings;
use crate::classic::Phase;
use crate::consumer;
use proptest::prelude::*;

/// Something that happens, as numbers to choose by.
type Choice = (u8, u8, u8, u8);

/// The event that `choice` stands for. Members, groups and generations are few, so that they meet.
fn event((what, who, which, how): Choice) -> String {
    let group = ["g", "h"][usize::from(which % 2)];
    let client = ["a", "b", "c"][usize::from(who % 3)];
    // Ids are counted over all; guess among those likely to exist, as either kind of group gives them out.
    let member = match what / 64 % 2 {
        0 => format!("{client}-{}", 1 + how % 12),
        _ => format!("#{}", 1 + how % 12),
    };
    let work = ["x", "[t-0]", "[t-0,t-1,u-0]", "[t-1,v-0]", "[t-0+y]"][usize::from(how / 12 % 5)];
    let has = ["", " owns=t-0", " owns=t-0,t-1,u-0"][usize::from(how / 12 % 3)];
    let instance = ["", " static=i", " static=j"][usize::from(which / 2 % 3)];
    let generation = 1 + who / 3 % 4;
    let topics = ["reads=t,u", "reads=t", "reads=u,v", "regex=.*", "regex=t|v"][usize::from(who / 3 % 5)];
    let owns = ["", " owns=-", " owns=t-0", " owns=t-0,t-1,u-0", " owns=u-0,v-0"][usize::from(who / 15 % 5)];
    match what % 40 {
        0 | 1 => format!("join {client} group={group} v={}{instance}", how % 10),
        2 => format!("join {client} group={group} offers=sticky,range:u{instance} v=3"),
        3 => format!("join {client} group={group} offers=sticky session=6s rebalance=1s v=3"),
        4 | 5 => format!("join {member} group={group}{instance}{has}"),
        6 | 7 => format!("sync {member} group={group} gen={generation} {member}:{work}{instance}"),
        8 => format!("beat {member} group={group} gen={generation}{instance}"),
        9 => format!("leave {member} group={group}"),
        10 => format!("leave -:i {member} group={group}"),
        11 => format!("commit member={member} gen={generation} group={group} t-{}=1", how % 3),
        12 => format!("commit group={group} t-{}=2 u-0=3 keep=1m", how % 3),
        13 => format!("pending group={group} t-{}=4 producer={}", how % 3, who % 2),
        14 => format!("{} producer={}", if how % 2 == 0 { "commits" } else { "aborts" }, who % 2),
        15 => format!("delete {group}"),
        16 => format!("forget t-{} u-0 group={group}", how % 3),
        17 => "unwritable".to_owned(),
        18 => "restart".to_owned(),
        19 => format!(
            "topic {}={}",
            ["t", "u", "v"][usize::from(who % 3)],
            ["1", "2", "5", "-"][usize::from(how % 4)]
        ),
        20..=22 => format!(
            "hello {client} group={group} {topics}{instance} by={}",
            ["range", "uniform"][usize::from(how % 2)]
        ),
        23..=28 => format!("alive {client} group={group} epoch={}{instance}{owns}", 1 + how % 12),
        29 => format!("alive {client} group={group} epoch={} {topics}{owns}", 1 + how % 12),
        30 => format!("bye {client} group={group}{instance}"),
        31 => format!("bye {client} group={group} epoch=-2{instance}"),
        32 => format!("commit member={client} gen={} group={group} t-{}=3 id=1", 1 + how % 12, how % 3),
        33 => format!("dropped {}", ["t", "u"][usize::from(how % 2)]),
        34 => format!(
            "set migration={}",
            ["bidirectional", "upgrade", "downgrade", "disabled"][usize::from(how % 4)]
        ),
        35 | 36 => format!("sync {member} group={group} gen={} {member}:{work}{instance}", 1 + how % 12),
        37 => format!("beat {member} group={group} gen={}{instance}", 1 + how % 12),
        38 => format!("hello {client} group={group} reads=t{instance}"),
        _ => format!("bye {client} group={group}{instance}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_living_state_equals_its_log_whatever_happens(
        choices in prop::collection::vec((any::<Choice>(), 0..4_000_i64), 1..120),
    ) {
        let mut world = World::new(Settings { max_size: 3, ..Settings::default() });
        for (choice, pause_ms) in choices {
            let at_ms = world.now_ms() + pause_ms;
            world.event(&format!("{at_ms}ms {}", event(choice)));
            world.check_laws();
        }
        // Newcomers are waited for at most 5 minutes, static members for their sessions, and each of these may begin
        // a rebalance of at most a minute.
        world.advance(world.now_ms() + 3_600_000);
        world.check_laws();
        prop_assert_eq!(world.unanswered(), 0, "every call is answered");
        for group in world.groups.classic.values() {
            prop_assert_eq!(group.phase, Phase::Empty, "nobody is left");
        }
        for (_, stored) in world.groups.state().groups() {
            let phase = stored.consumer.as_ref().map_or(consumer::Phase::Empty, |group| group.phase());
            prop_assert_eq!(phase, consumer::Phase::Empty, "nobody is left");
        }
        world.restart();
        world.check_laws();
    }
}
