//! Nothing a test has started outlives it. The tests run as a process group of their own, behind a guard: when they
//! end, in whatever way, the guard kills what is left of the group; when the guard is interrupted or killed, the
//! tests see their standard input end, and kill the group themselves.

use std::env;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, getpgrp, kill_process_group};

/// Set for the process that runs the tests.
const GUARDED: &str = "OTTLA_TEST_GUARDED";

/// Starts this very command behind a guard and waits for its end, which is returned; nothing in the process that is
/// guarded, which goes on.
pub fn guard() -> Result<Option<ExitStatus>> {
    if env::var_os(GUARDED).is_some() {
        thread::spawn(|| {
            io::stdin().read_to_end(&mut Vec::new()).ok();
            kill_process_group(getpgrp(), Signal::KILL).ok();
        });
        return Ok(None);
    }
    let mut tests = Command::new(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(GUARDED, "1")
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .context("cannot start the tests")?;
    let group = Pid::from_child(&tests);
    // `wait` would close it.
    let stdin = tests.stdin.take();
    let status = tests.wait()?;
    kill_process_group(group, Signal::KILL).ok();
    drop(stdin);
    Ok(Some(status))
}

/// The code to end with for a process that has ended so.
pub fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
