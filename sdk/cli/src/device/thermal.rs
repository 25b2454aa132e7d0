//! How warm the device is, and from where on it slows down.

use std::path::Path;

use serde::Serialize;

use super::files;

/// A thermal zone of the kernel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Zone {
    /// `"cpu-thermal"`
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    /// `None` while the sensor is off.
    pub(crate) celsius: Option<f64>,
    /// Temperatures at which the kernel acts, lowest first.
    pub(crate) trips: Vec<Trip>,
}

/// A temperature at which the kernel acts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Trip {
    /// `"active"` turns a fan on, `"passive"` lowers clocks, `"hot"` and `"critical"` shut down; `"firmware"` lowers
    /// clocks behind the kernel's back.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) celsius: f64,
}

/// So close to a trip point the clocks may sink any moment, in °C.
const NEAR: f64 = 5.0;

/// Beyond these a sensor is off (a Jetson's GPU says -256 °C) or a trip point is not set.
const PLAUSIBLE: std::ops::RangeInclusive<f64> = -60.0..=200.0;

/// From here on the firmware of every Raspberry Pi lowers the clocks; the kernel shows the temperature but not this limit
/// (<https://www.raspberrypi.com/documentation/computers/raspberry-pi.html#frequency-management-and-thermal-control>).
const RASPBERRY_PI: f64 = 80.0;

/// The zones of `sys/class/thermal`, in their order. `model` is the board's.
pub(crate) fn read(root: &Path, model: Option<&str>) -> Vec<Zone> {
    let folders = files::numbered(&root.join("sys/class/thermal"), "thermal_zone");
    let mut zones: Vec<Zone> = folders.iter().map(|folder| zone(folder)).collect();
    if model.is_some_and(|model| model.starts_with("Raspberry Pi")) {
        zones
            .iter_mut()
            .filter(|zone| zone.is_cpu())
            .for_each(|zone| zone.add(Trip { kind: "firmware".to_owned(), celsius: RASPBERRY_PI }));
    }
    zones
}

/// One line for each zone that is near its limit.
pub(crate) fn remarks(zones: &[Zone]) -> Vec<String> {
    zones.iter().filter_map(Zone::near_limit).collect()
}

impl Zone {
    fn is_cpu(&self) -> bool {
        matches!(self.kind.as_deref(), Some("cpu-thermal" | "cpu_thermal"))
    }

    /// The lowest stays first.
    fn add(&mut self, trip: Trip) {
        self.trips.push(trip);
        self.trips.sort_by(|a, b| a.celsius.total_cmp(&b.celsius));
    }

    /// The lowest temperature at which clocks sink or the device stops; a fan is no limit.
    fn limit(&self) -> Option<&Trip> {
        self.trips
            .iter()
            .find(|trip| ["passive", "hot", "critical", "firmware"].contains(&trip.kind.as_str()))
    }

    fn near_limit(&self) -> Option<String> {
        let (celsius, limit) = (self.celsius?, self.limit()?);
        (celsius >= limit.celsius - NEAR).then(|| {
            format!(
                "zone {} is at {celsius:.1} °C, its {} trip point at {:.1} °C: clocks sink there; cool the device or let \
                 it rest",
                self.kind.as_deref().unwrap_or("without a name"),
                limit.kind,
                limit.celsius
            )
        })
    }
}

fn zone(folder: &Path) -> Zone {
    let mut zone = Zone {
        kind: files::line(&folder.join("type")),
        celsius: celsius(&folder.join("temp")),
        trips: Vec::new(),
    };
    (0..64).map_while(|number| trip(folder, number)).flatten().for_each(|trip| zone.add(trip));
    zone
}

/// `None` behind the last one, `Some(None)` for one that is not set.
fn trip(folder: &Path, number: u32) -> Option<Option<Trip>> {
    let kind = files::line(&folder.join(format!("trip_point_{number}_type")))?;
    let celsius = celsius(&folder.join(format!("trip_point_{number}_temp"))).filter(|celsius| *celsius > 0.0);
    Some(celsius.map(|celsius| Trip { kind, celsius }))
}

/// The kernel writes thousandths.
fn celsius(path: &Path) -> Option<f64> {
    let celsius = f64::from(files::number::<i32>(path)?) / 1000.0;
    PLAUSIBLE.contains(&celsius).then_some(celsius)
}
