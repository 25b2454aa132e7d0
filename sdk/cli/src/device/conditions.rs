//! What a measurement of time depends on besides the program: governor, power mode, temperature.

use std::path::Path;

use serde_json::{Value, json};

use super::{Power, Zone, thermal};

/// The state of the device at a moment.
#[derive(Debug)]
pub(crate) struct Conditions {
    power: Power,
    thermal: Vec<Zone>,
}

impl Conditions {
    /// This machine's, now.
    pub(crate) fn read() -> Self {
        Self::read_from(Path::new("/"))
    }

    pub(super) fn read_from(root: &Path) -> Self {
        Self { power: Power::read(root), thermal: thermal::read(root) }
    }

    /// Adds these conditions, and those before the measurement, to its document.
    pub(crate) fn describe(&self, before: &Self, document: &mut Value) {
        document["governor"] = self.power.governor().into();
        document["power_mode"] = self.power.mode_name().into();
        document["temperature"] = json!({"before": before.temperatures(), "after": self.temperatures()});
        document["warnings"] = self.warnings(before).into();
    }

    fn temperatures(&self) -> Vec<Value> {
        self.thermal.iter().map(|zone| json!({"type": zone.kind, "celsius": zone.celsius})).collect()
    }

    /// A device that was near a limit when it began may have cooled since, or the other way round.
    fn warnings(&self, before: &Self) -> Vec<String> {
        let mut lines = self.power.remarks();
        let [hot_before, hot_after] = [before, self].map(|conditions| thermal::remarks(&conditions.thermal));
        lines.extend(if hot_after.is_empty() { hot_before } else { hot_after });
        lines
    }
}
