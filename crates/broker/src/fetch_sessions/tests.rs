//! Sessions as stories: one line a request, the answer beside it.
//!
//! `fetch ID EPOCH topic-P@OFFSET … -topic-P …` asks (the id `$n` is the nth one given); the
//! partitions' state is set by `log topic-P hw H [start S]`, `records topic-P`, `error topic-P`.
//!
//! No partition is watched here, so each answer looks at all of them; which ones need no look is tested where fetches
//! are handled.

use super::session::UNTOLD;
use super::*;
use ottla_partition::Isolation;
use std::fmt::Write as _;

struct Story {
    sessions: FetchSessions,
    now_ms: i64,
    ids: Vec<i32>,
    state: HashMap<String, Outcome>,
    said: String,
}

fn wanted(text: &str) -> Wanted {
    let (partition, offset) = text.split_once('@').unwrap();
    let (topic, partition) = partition.rsplit_once('-').unwrap();
    Wanted {
        topic: TopicKey::Name(topic.into()),
        partition: partition.parse().unwrap(),
        fetch_offset: offset.parse().unwrap(),
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
        log_start_offset: -1,
        max_bytes: 1 << 20,
    }
}

fn name(wanted: &Wanted) -> String {
    let TopicKey::Name(topic) = &wanted.topic else { panic!("these stories name topics") };
    format!("{topic}-{}", wanted.partition)
}

/// Looks at what is to be looked at, and tells it: what was looked at, in order, and what is told of it.
fn answer(
    sessions: &FetchSessions,
    context: Context,
    outcome: impl Fn(&Wanted) -> Outcome,
    now_ms: i64,
) -> (Vec<Arc<Wanted>>, Tell) {
    let all = |wanted: &[Arc<Wanted>]| wanted.iter().map(|it| outcome(it)).collect::<Vec<_>>();
    match context {
        Context::Begin { wanted, uses_ids, from_follower } => {
            let tell = sessions.begin(&wanted, &all(&wanted), uses_ids, from_follower, now_ms);
            (wanted, tell)
        }
        Context::Sessionless { wanted } => {
            let tell = FetchSessions::tell_all(&wanted);
            (wanted, tell)
        }
        Context::Incremental(request) => {
            let way = Way { isolation: Isolation::ReadUncommitted, replica: -1 };
            let view = View { image: Arc::default(), way };
            // Once in vain, as a fetch that waits.
            let looks = request.looks(&view).unwrap();
            let wanted: Vec<_> = looks.iter().map(|it| Arc::clone(&it.wanted)).collect();
            request.settle(looks, &all(&wanted)).unwrap();
            let looks = request.looks(&view).unwrap();
            let wanted: Vec<_> = looks.iter().map(|it| Arc::clone(&it.wanted)).collect();
            let tell = sessions.tell(&request, looks, &all(&wanted));
            (wanted, tell)
        }
    }
}

impl Story {
    fn outcome(&self, wanted: &Wanted) -> Outcome {
        let nothing = Outcome {
            told: Told { high_watermark: 0, log_start_offset: 0 },
            has_records: false,
            has_error: false,
            urgent: false,
            is_settled: true,
        };
        let mut outcome = self.state.get(&name(wanted)).copied().unwrap_or(nothing);
        outcome.has_records |= !outcome.has_error && wanted.fetch_offset < outcome.told.high_watermark;
        outcome
    }

    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["log", partition, "hw", hw] => {
                let told = Told { high_watermark: hw.parse().unwrap(), log_start_offset: 0 };
                let outcome =
                    Outcome { told, has_records: false, has_error: false, urgent: false, is_settled: true };
                self.state.insert(partition.to_owned(), outcome);
            }
            ["error", partition] => {
                let told = Told { high_watermark: -1, log_start_offset: -1 };
                let outcome =
                    Outcome { told, has_records: false, has_error: true, urgent: false, is_settled: false };
                self.state.insert(partition.to_owned(), outcome);
            }
            ["later", ms] => self.now_ms += ms.parse::<i64>().unwrap(),
            ["fetch" | "follow", id, epoch, ref rest @ ..] => {
                self.fetch(words[0] == "follow", id, epoch, rest)
            }
            _ => panic!("what is '{line}'?"),
        }
    }

    fn fetch(&mut self, from_follower: bool, id: &str, epoch: &str, rest: &[&str]) {
        let session_id = match id.strip_prefix('$') {
            Some(nth) => self.ids[nth.parse::<usize>().unwrap() - 1],
            None => id.parse().unwrap(),
        };
        let (forgotten, asked): (Vec<&str>, Vec<&str>) = rest.iter().partition(|it| it.starts_with('-'));
        let ask = Ask {
            session_id,
            session_epoch: epoch.parse().unwrap(),
            uses_ids: false,
            from_follower,
            wanted: asked.iter().map(|it| wanted(it)).collect(),
            forgotten: forgotten
                .iter()
                .map(|it| {
                    let it = wanted(&format!("{}@0", &it[1..]));
                    (it.topic, it.partition)
                })
                .collect(),
        };
        match self.sessions.context(ask, self.now_ms) {
            Err(error) => writeln!(self.said, "{}", error.name()).unwrap(),
            Ok(context) => {
                let (looked_at, tell) = answer(&self.sessions, context, |it| self.outcome(it), self.now_ms);
                let id = match self.ids.iter().position(|id| *id == tell.session_id) {
                    _ if tell.session_id == 0 => "none".to_owned(),
                    Some(nth) => format!("${}", nth + 1),
                    None => {
                        self.ids.push(tell.session_id);
                        format!("${}", self.ids.len())
                    }
                };
                write!(self.said, "{id}").unwrap();
                for (wanted, _) in looked_at.iter().zip(&tell.included).filter(|(_, included)| **included) {
                    write!(self.said, " {}@{}", name(wanted), wanted.fetch_offset).unwrap();
                }
                writeln!(self.said).unwrap();
            }
        }
    }
}

fn check_with(slots: usize, story: &str, expected: &str) {
    let mut it = Story {
        sessions: FetchSessions::new(slots),
        now_ms: 1_000_000,
        ids: Vec::new(),
        state: HashMap::new(),
        said: String::new(),
    };
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        it.line(line);
    }
    let expected: String = expected.lines().map(|line| format!("{}\n", line.trim())).collect();
    assert_eq!(it.said, expected, "\n{story}");
}

fn check(story: &str, expected: &str) {
    check_with(10, story, expected);
}

#[test]
fn a_first_fetch_begins_a_session_and_the_next_hears_only_news() {
    check(
        "log t-0 hw 5
         fetch 0 0 t-0@0 t-1@0
         fetch $1 1 t-0@5
         log t-1 hw 3
         fetch $1 2",
        "$1 t-0@0 t-1@0
         $1
         $1 t-1@0",
    );
}

#[test]
fn a_session_may_begin_with_no_partitions_and_get_them_later() {
    check(
        "fetch 0 0
         log t-0 hw 5
         fetch $1 1 t-0@0",
        "$1
         $1 t-0@0",
    );
}

#[test]
fn a_client_that_wants_no_session_gets_none() {
    check("fetch 0 -1 t-0@0", "none t-0@0");
}

#[test]
fn a_moved_high_watermark_is_news_without_records() {
    check(
        "fetch 0 0 t-0@9
         log t-0 hw 7
         fetch $1 1
         fetch $1 2",
        "$1 t-0@9
         $1 t-0@9
         $1",
    );
}

#[test]
fn a_seek_back_within_a_session_reads_again() {
    check(
        "log t-0 hw 5
         fetch 0 0 t-0@5
         fetch $1 1 t-0@2",
        "$1 t-0@5
         $1 t-0@2",
    );
}

#[test]
fn partitions_are_added_forgotten_and_added_again() {
    check(
        "fetch 0 0 t-0@0
         fetch $1 1 t-1@0
         fetch $1 2 -t-1
         log t-1 hw 4
         fetch $1 3
         fetch $1 4 t-1@1",
        "$1 t-0@0
         $1 t-1@0
         $1
         $1
         $1 t-1@1",
    );
}

#[test]
fn a_partition_with_records_goes_to_the_end_of_the_order() {
    check(
        "log t-0 hw 9
         fetch 0 0 t-0@0 t-1@0
         log t-1 hw 9
         fetch $1 1 t-0@9
         fetch $1 2 t-0@1
         fetch $1 3",
        "$1 t-0@0 t-1@0
         $1 t-1@0
         $1 t-0@1 t-1@0
         $1 t-0@1 t-1@0",
    );
}

#[test]
fn an_error_is_told_each_time_and_its_end_too() {
    check(
        "log t-0 hw 3
         fetch 0 0 t-0@3
         error t-0
         fetch $1 1
         fetch $1 2
         log t-0 hw 3
         fetch $1 3
         fetch $1 4",
        "$1 t-0@3
         $1 t-0@3
         $1 t-0@3
         $1 t-0@3
         $1",
    );
}

#[test]
fn a_wrong_epoch_and_an_unknown_session_are_refused() {
    check(
        "fetch 0 0 t-0@0
         fetch $1 2
         fetch $1 1
         fetch $1 1
         fetch 12 1",
        "$1 t-0@0
         INVALID_FETCH_SESSION_EPOCH
         $1
         INVALID_FETCH_SESSION_EPOCH
         FETCH_SESSION_ID_NOT_FOUND",
    );
}

#[test]
fn a_session_is_closed_by_epoch_minus_one_and_replaced_by_epoch_zero() {
    check(
        "fetch 0 0 t-0@0
         fetch $1 -1 t-0@0
         fetch $1 1
         fetch 0 0 t-0@0
         fetch $2 0 t-0@0
         fetch $2 1
         fetch $3 1",
        "$1 t-0@0
         none t-0@0
         FETCH_SESSION_ID_NOT_FOUND
         $2 t-0@0
         $3 t-0@0
         FETCH_SESSION_ID_NOT_FOUND
         $3",
    );
}

#[test]
fn a_session_whose_last_partition_is_forgotten_ends() {
    check(
        "fetch 0 0 t-0@0
         fetch $1 1 -t-0
         fetch $1 2",
        "$1 t-0@0
         none
         FETCH_SESSION_ID_NOT_FOUND",
    );
}

#[test]
fn when_full_a_newcomer_stays_without_a_session_until_one_is_stale() {
    check_with(
        1,
        "fetch 0 0 t-0@0
         fetch 0 0 t-1@0
         later 120001
         fetch 0 0 t-1@0
         fetch $1 1
         fetch $2 1",
        "$1 t-0@0
         none t-1@0
         $2 t-1@0
         FETCH_SESSION_ID_NOT_FOUND
         $2",
    );
}

#[test]
fn when_full_an_old_small_session_gives_way_to_a_larger_one_only() {
    check_with(
        1,
        "fetch 0 0 t-0@0 t-1@0
         later 120001
         fetch $1 1
         fetch 0 0 t-3@0
         fetch 0 0 t-3@0 t-4@0 t-5@0
         fetch $1 2",
        "$1 t-0@0 t-1@0
         $1
         none t-3@0
         $2 t-3@0 t-4@0 t-5@0
         FETCH_SESSION_ID_NOT_FOUND",
    );
}

#[test]
fn a_follower_takes_a_consumers_place() {
    check_with(
        1,
        "fetch 0 0 t-0@0
         follow 0 0 t-1@0
         fetch 0 0 t-0@0",
        "$1 t-0@0
         $2 t-1@0
         none t-0@0",
    );
}

#[test]
fn a_partition_named_twice_counts_once_with_the_last_offset() {
    check("fetch 0 0 t-0@0 t-1@1 t-0@7", "$1 t-0@7 t-1@1");
}

#[test]
fn the_epoch_after_the_highest_is_one() {
    assert_eq!(epoch_after(i32::MAX), 1);
    assert_eq!(epoch_after(1), 2);
}

/// What a session does, the plain way: a list of partitions, each of which is taken out and put back for each answer.
#[derive(Default)]
struct Plain(Vec<(Wanted, Told)>);

impl Plain {
    fn want(&mut self, wanted: Wanted, told: Told) {
        match self.0.iter_mut().find(|(it, _)| it.partition == wanted.partition) {
            Some((known, _)) => *known = wanted,
            None => self.0.push((wanted, told)),
        }
    }

    /// The partitions in the answer.
    fn tell(&mut self, outcomes: &[Outcome]) -> Vec<i32> {
        let mut included = Vec::new();
        let mut moved = Vec::new();
        let mut stay = Vec::new();
        for ((wanted, told), outcome) in std::mem::take(&mut self.0).into_iter().zip(outcomes) {
            if outcome.has_records || outcome.has_error || outcome.urgent || told != outcome.told {
                included.push(wanted.partition);
            }
            let mut told = outcome.told;
            if outcome.has_error {
                told.high_watermark = -1;
            }
            if outcome.has_records { moved.push((wanted, told)) } else { stay.push((wanted, told)) }
        }
        self.0 = [stay, moved].concat();
        included
    }
}

proptest::proptest! {
    /// Each step: partitions wanted and forgotten by the request, and what each partition has when it is answered.
    #[test]
    fn a_session_answers_as_the_plain_walk_does(
        steps in proptest::collection::vec(
            (
                proptest::collection::vec((0..6_i32, 0..3_i64), 0..3),
                proptest::collection::vec(0..6_i32, 0..2),
                proptest::array::uniform6((0..3_i64, proptest::bool::ANY, 0..6_u8)),
            ),
            1..20,
        )
    ) {
        let sessions = FetchSessions::new(100);
        let mut plain = Plain::default();
        let (mut session_id, mut session_epoch) = (0, 0);
        for (asked, forgotten, state) in steps {
            let outcome = |partition: i32| {
                let (high_watermark, has_records, kind) = state[partition as usize];
                Outcome {
                    told: Told { high_watermark, log_start_offset: 0 },
                    has_records: has_records && kind > 1,
                    has_error: kind == 0,
                    urgent: kind == 1,
                    is_settled: !has_records,
                }
            };
            let named = |(partition, offset): &(i32, i64)| wanted(&format!("t-{partition}@{offset}"));
            let is_first = session_epoch == 0;
            let ask = Ask {
                session_id,
                session_epoch,
                uses_ids: false,
                from_follower: false,
                wanted: asked.iter().map(named).collect(),
                forgotten: forgotten.iter().map(|it| (wanted("t-0@0").topic, *it)).collect(),
            };
            asked.iter().for_each(|it| plain.want(named(it), UNTOLD));
            if !is_first {
                plain.0.retain(|(it, _)| !forgotten.contains(&it.partition));
            }
            let context = sessions.context(ask, 0).unwrap();
            let (looked_at, told) = answer(&sessions, context, |it| outcome(it.partition), 0);
            let order: Vec<Wanted> = looked_at.iter().map(|it| Wanted::clone(it)).collect();
            let expected: Vec<Wanted> = plain.0.iter().map(|(it, _)| it.clone()).collect();
            proptest::prop_assert_eq!(&order, &expected);
            let outcomes: Vec<Outcome> = order.iter().map(|it| outcome(it.partition)).collect();
            let included: Vec<i32> =
                order.iter().zip(&told.included).filter(|(_, told)| **told).map(|(it, _)| it.partition).collect();
            if is_first {
                // All of it is told, and the order stays that of the request.
                proptest::prop_assert_eq!(included.len(), order.len());
                let calm: Vec<Outcome> = outcomes.iter().map(|it| Outcome { has_records: false, ..*it }).collect();
                plain.tell(&calm);
            } else {
                proptest::prop_assert_eq!(included, plain.tell(&outcomes));
            }
            if order.is_empty() {
                // There is no session for nothing.
                plain = Plain::default();
                (session_id, session_epoch) = (0, 0);
            } else {
                (session_id, session_epoch) = (told.session_id, session_epoch + 1);
            }
        }
    }
}
