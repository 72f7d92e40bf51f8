//! What a stop in order, a kill and a power cut leave, and what the start behind them makes of it.

use super::*;

fn on(seed: u64) -> Fixture {
    let simulated = SimulatedDisk::new(seed);
    Fixture { directory: open(&simulated), simulated, config: LogConfig::default() }
}

impl Fixture {
    /// Starts again after the process was killed: what it wrote is there, durable or not.
    fn kill(&mut self) {
        assert!(self.simulated.kill_process());
        self.directory = open(&self.simulated);
    }
}

#[test]
fn a_stop_is_in_order_only_if_every_log_was_recovered_since_the_crash() {
    let mut fixture = Fixture::new(LogConfig::default());
    let other = TopicPartition::new("other", 0);
    let open_other = |fixture: &Fixture| {
        fixture.directory.open_log(&other, ottla_ids::Uuid::from_u128(7), fixture.config, 1).unwrap()
    };
    for log in [fixture.log(), open_other(&fixture)] {
        log.append(&batch(1, 0), &INFO).unwrap();
    }
    fixture.sync();
    fixture.crash();
    fixture.log();
    fixture.restart();
    assert!(!fixture.directory.was_clean(), "what the other log holds was not checked");
    fixture.log();
    open_other(&fixture);
    fixture.restart();
    assert!(fixture.directory.was_clean());
    // Whom nobody used is as the stop before has left it.
    fixture.log();
    fixture.restart();
    assert!(fixture.directory.was_clean());
    assert_eq!(open_other(&fixture).log_end_offset(), Offset(1));
}

#[test]
fn what_a_start_after_a_kill_has_found_survives_the_next_power_cut() {
    for seed in 1..30 {
        // A new log; one with a recovery point, and a segment that came behind it.
        for with_recovery_point in [false, true] {
            let mut fixture = on(seed);
            let log = fixture.log();
            log.append(&batch(1, 0), &INFO).unwrap();
            if with_recovery_point {
                fixture.sync();
                fixture.directory.checkpoint(i64::MAX).unwrap();
                log.roll().unwrap();
                log.append(&batch(1, 0), &INFO).unwrap();
            }
            let all = read_all(&log, 0, 1000);
            fixture.kill();
            assert_eq!(read_all(&fixture.log(), 0, 1000), all);
            fixture.crash();
            assert_eq!(read_all(&fixture.log(), 0, 1000), all, "{seed} {with_recovery_point}");
        }
    }
}

#[test]
fn a_new_log_that_a_kill_left_empty_is_durable_with_its_first_append() {
    for seed in 1..30 {
        let mut fixture = on(seed);
        fixture.log();
        fixture.kill();
        fixture.log().append(&batch(1, 0), &INFO).unwrap();
        fixture.sync();
        fixture.crash();
        assert_eq!(read_all(&fixture.log(), 0, 1000), "0+1", "{seed}");
    }
}

#[test]
fn damage_after_a_stop_in_order_is_told_and_not_cut_off_though_no_recovery_point_is_known() {
    let mut fixture = Fixture::new(LogConfig::default());
    let log = fixture.log();
    for _ in 0..3 {
        log.append(&batch(2, 0), &INFO).unwrap();
    }
    let size = log.size().unwrap();
    fixture.directory.close(3).unwrap();
    let disk = Disk::Simulated(fixture.simulated.clone());
    disk.replace(Path::new("/data/recovery-point-offset-checkpoint"), b"0\n0\n").unwrap();
    let path = Path::new("/data/flights-0/00000000000000000000.log");
    fixture.simulated.flip_bit(path, size as usize / 3 + 70).unwrap();
    fixture.directory = open(&fixture.simulated);
    assert!(fixture.directory.was_clean());
    let id = ottla_ids::Uuid::from_u128(500);
    let error = fixture.directory.open_log(&partition(), id, fixture.config, 0).unwrap_err();
    assert!(matches!(error, StorageError::Corrupt { offset: Offset(2), .. }), "{error}");
    assert_eq!(disk.size(path).unwrap(), size);
}
