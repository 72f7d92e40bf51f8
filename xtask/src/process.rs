//! Processes that do not outlive whoever holds them.

use std::io;
use std::ops::{Deref, DerefMut};
use std::process::{Child, Command};

use anyhow::{Result, ensure};

/// A process; killed when dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts it.
    pub fn spawn(command: &mut Command) -> io::Result<Process> {
        command.spawn().map(Process)
    }

    /// Sends it a signal, by its name (`STOP`).
    pub fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status()?;
        ensure!(status.success(), "kill -{name} ended with {status}");
        Ok(())
    }
}

impl Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
