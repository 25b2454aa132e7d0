//! What a measurement of time depends on besides the program: governor, power mode, temperature.

use std::path::Path;

use serde_json::{Value, json};

use super::{Power, System, Zone, thermal};

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
        let model = System::read(root).model;
        Self { power: Power::read(root), thermal: thermal::read(root, model.as_deref()) }
    }

    /// Adds these conditions, and those before the measurement, to its document.
    pub(crate) fn describe(&self, before: &Self, document: &mut Value) {
        document["governor"] = self.power.governor().into();
        document["power_mode"] = self.power.mode_name().into();
        document["temperature"] = json!({"before": before.temperatures(), "after": self.temperatures()});
        document["warnings"] = self.warnings(before).into();
    }

    /// These conditions in one line, where the system tells any; from the document that they were added to.
    pub(crate) fn in_words(document: &Value) -> Option<String> {
        let named = [("governor", "governor"), ("power mode", "power_mode")];
        let mut words: Vec<String> = named
            .iter()
            .filter_map(|(label, key)| Some(format!("{label} {}", document[key].as_str()?)))
            .collect();
        let zones = |when: &str| document["temperature"][when].as_array().cloned().unwrap_or_default();
        words.extend(zones("before").iter().zip(&zones("after")).filter_map(|(before, after)| {
            let (from, to) = (before["celsius"].as_f64()?, after["celsius"].as_f64()?);
            Some(format!("{} {from:.0} to {to:.0} °C", after["type"].as_str().unwrap_or("zone")))
        }));
        (!words.is_empty()).then(|| words.join(", "))
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
