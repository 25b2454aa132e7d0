//! What sets the clocks: the power mode of a Jetson, the governor of cpufreq, the supply of a Raspberry Pi.

use std::path::Path;

use serde::Serialize;

use super::files;

/// What sets the clocks.
#[derive(Debug, Serialize)]
pub(crate) struct Power {
    /// A Jetson's mode.
    pub(crate) mode: Option<Mode>,
    /// All modes that it has.
    #[serde(skip)]
    pub(crate) modes: Vec<Mode>,
    /// A policy sets the clock of the cores that share it.
    pub(crate) policies: Vec<Policy>,
    /// Whether a Raspberry Pi's supply has sagged; its firmware lowers the clocks then.
    pub(crate) under_voltage: Option<bool>,
}

/// A Jetson's power mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Mode {
    pub(crate) id: u32,
    /// As /etc/nvpmodel.conf calls it: `"MAXN"`, `"15W"`.
    pub(crate) name: Option<String>,
}

/// A policy of cpufreq; clocks in MHz.
#[derive(Debug, Serialize)]
pub(crate) struct Policy {
    /// The numbers of its cores.
    pub(crate) cpus: Option<String>,
    pub(crate) driver: Option<String>,
    pub(crate) governor: Option<String>,
    pub(crate) mhz: Option<u64>,
    pub(crate) min_mhz: Option<u64>,
    pub(crate) max_mhz: Option<u64>,
    /// What the cores can do; `max_mhz` below it is someone's setting, or a power mode's.
    pub(crate) hardware_max_mhz: Option<u64>,
}

impl Power {
    pub(crate) fn read(root: &Path) -> Self {
        let modes = modes(&files::text(&root.join("etc/nvpmodel.conf")).unwrap_or_default());
        Self {
            mode: mode(root, &modes),
            modes,
            policies: files::numbered(&root.join("sys/devices/system/cpu/cpufreq"), "policy")
                .iter()
                .map(|folder| policy(folder))
                .collect(),
            under_voltage: under_voltage(root),
        }
    }

    /// The governor, each once if the policies differ.
    pub(crate) fn governor(&self) -> Option<String> {
        let mut names: Vec<&str> =
            self.policies.iter().filter_map(|policy| policy.governor.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// The mode's name, or its number where it has none.
    pub(crate) fn mode_name(&self) -> Option<String> {
        self.mode.as_ref().map(Mode::label)
    }

    /// Why clocks are lower than they could be or change by themselves, each with what to do.
    pub(crate) fn remarks(&self) -> Vec<String> {
        [self.slow_governor(), self.capped(), self.slow_mode(), self.low_supply()]
            .into_iter()
            .flatten()
            .collect()
    }

    fn slow_governor(&self) -> Option<String> {
        let governor = self.governor().filter(|governor| governor != "performance")?;
        // A Jetson's tool also pins the clocks of its GPU and memory.
        let command = match self.modes.is_empty() {
            true => "echo performance | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
            false => "sudo jetson_clocks",
        };
        Some(format!(
            "the CPU's governor is {governor}: clocks sink between frames and the next one waits for them; for steady \
             times: {command}"
        ))
    }

    fn capped(&self) -> Option<String> {
        let (policy, max, hardware) = self.policies.iter().find_map(|policy| {
            let (max, hardware) = (policy.max_mhz?, policy.hardware_max_mhz?);
            (max < hardware).then_some((policy, max, hardware))
        })?;
        let cpus = policy.cpus.as_deref().unwrap_or("?");
        let command = "for p in /sys/devices/system/cpu/cpufreq/policy*; do sudo cp $p/cpuinfo_max_freq \
                       $p/scaling_max_freq; done";
        let way = if self.modes.is_empty() { command } else { "choose another power mode" };
        Some(format!("the clock of CPU {cpus} is capped at {max} MHz, it can do {hardware} MHz: {way}"))
    }

    /// Modes that start with MAXN set no cap; their numbers differ from device to device.
    fn slow_mode(&self) -> Option<String> {
        let is_fastest = |mode: &Mode| mode.name.as_deref().is_some_and(|name| name.starts_with("MAXN"));
        let mode = self.mode.as_ref().filter(|mode| !is_fastest(mode))?;
        let fastest = self.modes.iter().rfind(|mode| is_fastest(mode))?;
        Some(format!(
            "the power mode is {}, not {}, which may be several times as fast: sudo nvpmodel -m {}",
            mode.label(),
            fastest.label(),
            fastest.id
        ))
    }

    fn low_supply(&self) -> Option<String> {
        self.under_voltage?.then(|| {
            "the supply's voltage is too low, and the firmware lowers the clocks: use the supply that the board's maker \
             names, and a shorter cable"
                .to_owned()
        })
    }
}

impl Mode {
    fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.id.to_string())
    }
}

/// The mode that nvpmodel wrote down (`pmode:0002`).
fn mode(root: &Path, modes: &[Mode]) -> Option<Mode> {
    let status = files::text(&root.join("var/lib/nvpmodel/status"))?;
    let id = status.split_whitespace().find_map(|word| word.strip_prefix("pmode:")?.parse().ok())?;
    Some(modes.iter().find(|mode| mode.id == id).cloned().unwrap_or(Mode { id, name: None }))
}

/// The lines `< POWER_MODEL ID=0 NAME=MAXN >` of nvpmodel.conf.
fn modes(text: &str) -> Vec<Mode> {
    let words =
        text.lines().filter_map(|line| line.strip_prefix('<')?.trim_start().strip_prefix("POWER_MODEL "));
    let mode = |words: &str| {
        let value = |key: &str| words.split_whitespace().find_map(|word| word.strip_prefix(key));
        let name = value("NAME=").filter(|name| files::is_readable(name)).map(str::to_owned);
        Some(Mode { id: value("ID=")?.parse().ok()?, name })
    };
    words.filter_map(mode).collect()
}

fn policy(folder: &Path) -> Policy {
    let line = |name: &str| files::line(&folder.join(name));
    let mhz = |name: &str| files::number::<u64>(&folder.join(name)).map(|khz| khz / 1000);
    Policy {
        cpus: line("affected_cpus"),
        driver: line("scaling_driver"),
        governor: line("scaling_governor"),
        mhz: mhz("scaling_cur_freq"),
        min_mhz: mhz("scaling_min_freq"),
        max_mhz: mhz("scaling_max_freq"),
        hardware_max_mhz: mhz("cpuinfo_max_freq"),
    }
}

/// The alarm of the kernel's driver raspberrypi-hwmon.
fn under_voltage(root: &Path) -> Option<bool> {
    let monitors = files::numbered(&root.join("sys/class/hwmon"), "hwmon");
    let monitor =
        monitors.iter().find(|folder| files::line(&folder.join("name")).as_deref() == Some("rpi_volt"))?;
    match files::number::<u8>(&monitor.join("in0_lcrit_alarm"))? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}
