//! What processes use, sampled from outside.

use std::fs;

/// Resident kilobytes of a process now; none once it has gone.
pub fn resident_kib(process: u32) -> Option<u64> {
    status_kib(process, "VmRSS:")
}

/// The most that it ever was.
pub fn peak_kib(process: u32) -> Option<u64> {
    status_kib(process, "VmHWM:")
}

fn status_kib(process: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// User and system time of a process so far, to 10 ms; none once it has gone.
pub fn cpu_seconds(process: u32) -> Option<f64> {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows it begins with the state, field 3.
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks = |field: usize| rest.split_whitespace().nth(field - 3)?.parse::<f64>().ok();
    Some((ticks(14)? + ticks(15)?) / TICKS_A_SECOND)
}

/// The most that any one process held, by quarter of the run.
#[derive(Debug, Default)]
pub struct Quarters {
    most_kib: [u64; 4],
}

impl Quarters {
    /// `share`: how much of the run is over, 0 to 1.
    pub fn saw(&mut self, share: f64, kib: u64) {
        let quarter = ((share * 4.0) as usize).min(3);
        self.most_kib[quarter] = self.most_kib[quarter].max(kib);
    }

    pub fn most_mib(&self) -> [u64; 4] {
        self.most_kib.map(|kib| kib >> 10)
    }
}
