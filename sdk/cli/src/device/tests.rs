//! Devices laid out as folders: what each shows, and what is said of it.

use std::path::Path;

use farsight_spec::Target;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Conditions, Device, private};

const ARM: &str = "aarch64-unknown-linux-gnu";
const X86: &str = "x86_64-unknown-linux-gnu";

/// A folder with these files, given as pairs of path and content.
fn tree(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    add(folder.path(), files);
    folder
}

fn add(root: &Path, files: &[(&str, &str)]) {
    for (path, content) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

/// A profile with these demands, for ARM.
fn target(glibc: &str, features: &[&str], budget_mb: usize) -> Target {
    let mut target = Target::find("aarch64-linux").unwrap();
    target.name = "test".to_owned();
    target.glibc = Some(glibc.to_owned());
    target.cpu_features = strings(features);
    target.memory.budget_mb = budget_mb;
    target
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Says that there is one line, and that these words are in it.
fn assert_says(lines: &[String], words: &[&str]) {
    let [line] = lines else { panic!("one line expected: {lines:#?}") };
    assert!(!line.contains('\n'), "{line}");
    for word in words {
        assert!(line.contains(word), "no {word:?} in {line:?}");
    }
}

const BANNER: &str =
    "\u{7f}ELF GNU C Library (Debian GLIBC 2.36-9+rpt2+deb12u9) stable release version 2.36.\nmore";

/// A Raspberry Pi 5 with 4 GB, as Raspberry Pi OS 12 leaves it.
fn raspberry_pi_5() -> TempDir {
    let core = "BogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid \
                asimdrdm lrcpc dcpop asimddp\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x4\nCPU \
                part\t: 0xd0b\nCPU revision\t: 1\n\n";
    let cores: String = (0..4).map(|number| format!("processor\t: {number}\n{core}")).collect();
    let cpuinfo =
        format!("{cores}Revision\t: c04170\nSerial\t\t: 0123\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n");
    let policy = "sys/devices/system/cpu/cpufreq/policy0";
    let zone = "sys/class/thermal/thermal_zone0";
    let folder = tree(&[
        ("proc/cpuinfo", &cpuinfo),
        ("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0"),
        (
            "proc/meminfo",
            "MemTotal:        4147456 kB\nMemFree:          204800 kB\nMemAvailable:    3145728 kB\nSwapTotal:        524288 kB\nSwapFree:         262144 kB\n",
        ),
        ("proc/sys/kernel/osrelease", "6.6.31+rpt-rpi-2712\n"),
        ("proc/self/cgroup", "0::/user.slice/user-1000.slice/session-1.scope\n"),
        ("etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\n"),
        ("lib/libc.so.6", BANNER),
        ("sys/class/hwmon/hwmon2/name", "rpi_volt\n"),
        ("sys/class/hwmon/hwmon2/in0_lcrit_alarm", "0\n"),
    ]);
    let in_folder = |folder: &str, files: &[(&str, &str)]| -> Vec<(String, String)> {
        files.iter().map(|(name, content)| (format!("{folder}/{name}"), (*content).to_owned())).collect()
    };
    let cpufreq = in_folder(
        policy,
        &[
            ("affected_cpus", "0 1 2 3\n"),
            ("scaling_driver", "cpufreq-dt\n"),
            ("scaling_governor", "ondemand\n"),
            ("scaling_cur_freq", "1500000\n"),
            ("scaling_min_freq", "1500000\n"),
            ("scaling_max_freq", "2400000\n"),
            ("cpuinfo_max_freq", "2400000\n"),
        ],
    );
    let thermal = in_folder(
        zone,
        &[
            ("type", "cpu-thermal\n"),
            ("temp", "48850\n"),
            ("trip_point_0_type", "critical\n"),
            ("trip_point_0_temp", "110000\n"),
            ("trip_point_1_type", "active\n"),
            ("trip_point_1_temp", "50000\n"),
        ],
    );
    for (path, content) in cpufreq.iter().chain(&thermal) {
        add(folder.path(), &[(path, content)]);
    }
    folder
}

#[test]
fn a_raspberry_pi_5_is_told_whole() {
    let folder = raspberry_pi_5();
    let device = Device::read(folder.path());
    assert_eq!((device.cpu.name.as_deref(), device.cpu.cores), (Some("Cortex-A76"), Some(4)));
    assert_eq!(device.system.model.as_deref(), Some("Raspberry Pi 5 Model B Rev 1.0"));
    assert_eq!(device.system.os.as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
    assert_eq!(device.system.kernel.as_deref(), Some("6.6.31+rpt-rpi-2712"));
    assert_eq!((device.system.container.as_deref(), device.system.l4t.as_deref()), (None, None));
    assert_eq!(device.glibc.as_deref(), Some("2.36"));
    assert_eq!(
        json!(device.power),
        json!({"mode": null, "under_voltage": false, "policies": [{
            "cpus": "0 1 2 3", "driver": "cpufreq-dt", "governor": "ondemand", "mhz": 1500, "min_mhz": 1500,
            "max_mhz": 2400, "hardware_max_mhz": 2400,
        }]})
    );
    assert_eq!(
        json!(device.thermal),
        json!([{"type": "cpu-thermal", "celsius": 48.85, "trips": [
            {"type": "active", "celsius": 50.0}, {"type": "firmware", "celsius": 80.0}, {"type": "critical", "celsius": 110.0},
        ]}])
    );
    assert_eq!(
        json!(device.memory),
        json!({"total_mb": 4050, "available_mb": 3072, "swap_total_mb": 512, "swap_free_mb": 256, "limit_mb": null, "limit_left_mb": null})
    );

    let features = strings(&["neon", "fp16", "dotprod"]);
    let findings = device.check(&target("2.36", &["neon", "fp16", "dotprod"], 1024), ARM, &features);
    assert_eq!(findings.problems, Vec::<String>::new());
    // A fan's trip point is no limit: 48.85 °C is near that one.
    assert_says(&findings.advice, &["ondemand", "echo performance | sudo tee", "scaling_governor"]);
}

#[test]
fn what_a_profile_needs_and_a_device_lacks_is_a_problem() {
    let folder = raspberry_pi_5();
    let device = Device::read(folder.path());
    let features = strings(&["neon"]);
    let problems = |target: Target| device.check(&target, ARM, &features).problems;
    assert_says(
        &problems(target("2.28", &["neon", "fp16", "dotprod"], 0)),
        &["Cortex-A76 lacks fp16, dotprod,", "test"],
    );
    assert_says(&problems(target("2.39", &["neon"], 0)), &["2.36", "2.39", "update"]);
    // Not by letters: 2.4 is older than 2.36.
    assert_eq!(problems(target("2.4", &["neon"], 0)), Vec::<String>::new());
    assert_says(&problems(target("2.28", &["neon"], 8192)), &["4050 MB", "8192 MB", "memory.budget_mb"]);
    let busy = device.check(&target("2.28", &["neon"], 3500), ARM, &features);
    assert_eq!(busy.problems, Vec::<String>::new());
    assert!(busy.advice[0].contains("3072 MB of memory are free"), "{busy:?}");

    // The features of another architecture are not looked for.
    let other = device.check(&target("2.28", &["dotprod"], 0), X86, &features);
    assert_says(&other.problems, &[X86, ARM, "--target host"]);
}

#[test]
fn a_raspberry_pi_is_hot_before_its_kernel_says_so() {
    let folder = raspberry_pi_5();
    add(folder.path(), &[("sys/class/thermal/thermal_zone0/temp", "78000\n")]);
    let lines = super::thermal::remarks(&Device::read(folder.path()).thermal);
    assert_says(&lines, &["78.0 °C", "firmware trip point at 80.0 °C"]);
}

#[test]
fn a_supply_that_sags_is_told() {
    let folder = raspberry_pi_5();
    add(folder.path(), &[("sys/class/hwmon/hwmon2/in0_lcrit_alarm", "1\n")]);
    let device = Device::read(folder.path());
    assert_eq!(device.power.under_voltage, Some(true));
    assert!(
        device.power.remarks().iter().any(|line| line.contains("voltage")),
        "{:?}",
        device.power.remarks()
    );
}

/// A Jetson Orin Nano in its 15 W mode, which caps the clock, with its GPU's sensor off.
fn jetson_orin() -> TempDir {
    tree(&[
        (
            "proc/cpuinfo",
            "processor\t: 0\nmodel name\t: ARMv8 Processor rev 1 (v8l)\nCPU implementer\t: 0x41\nCPU part\t: 0xd42\n",
        ),
        ("proc/device-tree/model", "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0"),
        ("proc/meminfo", "MemTotal:        7802468 kB\n"),
        (
            "etc/nv_tegra_release",
            "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: Wed Jan  8 01:49:37 UTC 2025\n# KERNEL_VARIANT: oot\n",
        ),
        (
            "etc/nvpmodel.conf",
            "# < POWER_MODEL ID=9 NAME=MAXN_OLD >\n< PARAM TYPE=FILE NAME=CPU_ONLINE >\nCORE_0 /sys/devices/system/cpu/cpu0/online\n< POWER_MODEL ID=0 NAME=15W >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=1 NAME=25W >\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n< PM_CONFIG DEFAULT=1 >\n",
        ),
        ("var/lib/nvpmodel/status", "pmode:0000 fmode:quiet\n"),
        ("sys/devices/system/cpu/cpufreq/policy0/scaling_governor", "schedutil\n"),
        ("sys/devices/system/cpu/cpufreq/policy0/affected_cpus", "0 1 2 3\n"),
        ("sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", "1497600\n"),
        ("sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "1728000\n"),
        ("sys/devices/system/cpu/cpufreq/policy4/scaling_governor", "performance\n"),
        ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
        ("sys/class/thermal/thermal_zone0/temp", "96500\n"),
        ("sys/class/thermal/thermal_zone0/trip_point_0_type", "passive\n"),
        ("sys/class/thermal/thermal_zone0/trip_point_0_temp", "99000\n"),
        ("sys/class/thermal/thermal_zone1/type", "gpu-thermal\n"),
        ("sys/class/thermal/thermal_zone1/temp", "-256000\n"),
        ("sys/class/thermal/thermal_zone10/type", "tj-thermal\n"),
        ("sys/class/thermal/thermal_zone10/temp", "97000\n"),
        ("sys/module/nvidia/version", "540.4.0\n"),
    ])
}

#[test]
fn a_jetson_tells_its_power_mode_and_its_heat() {
    let folder = jetson_orin();
    let device = Device::read(folder.path());
    assert_eq!(device.cpu.name.as_deref(), Some("Cortex-A78AE"));
    assert_eq!(device.system.l4t.as_deref(), Some("36.4.3"));
    assert_eq!(device.system.gpu_driver.as_deref(), Some("540.4.0"));
    assert_eq!(json!(device.power)["mode"], json!({"id": 0, "name": "15W"}));
    assert_eq!(device.power.governor().as_deref(), Some("performance, schedutil"));
    let kinds: Vec<_> =
        device.thermal.iter().map(|zone| (zone.kind.as_deref().unwrap(), zone.celsius)).collect();
    assert_eq!(kinds, [("cpu-thermal", Some(96.5)), ("gpu-thermal", None), ("tj-thermal", Some(97.0))]);

    let advice = device.check(&target("2.28", &[], 0), ARM, &[]).advice;
    let [governor, capped, mode, heat] = &advice[..] else { panic!("{advice:#?}") };
    assert!(governor.contains("schedutil") && governor.contains("sudo jetson_clocks"), "{governor}");
    assert!(
        capped.contains("1497 MHz") && capped.contains("1728 MHz") && capped.contains("power mode"),
        "{capped}"
    );
    assert!(mode.contains("15W, not MAXN_SUPER") && mode.ends_with("sudo nvpmodel -m 2"), "{mode}");
    assert!(
        heat.contains("cpu-thermal is at 96.5 °C") && heat.contains("passive trip point at 99.0 °C"),
        "{heat}"
    );
}

#[test]
fn a_measurement_keeps_the_conditions_before_and_after() {
    let folder = jetson_orin();
    let before = Conditions::read_from(folder.path());
    add(
        folder.path(),
        &[("sys/class/thermal/thermal_zone0/temp", "60000\n"), ("var/lib/nvpmodel/status", "pmode:0002\n")],
    );
    let mut document = json!({"runs": 1});
    Conditions::read_from(folder.path()).describe(&before, &mut document);
    assert_eq!(
        (&document["governor"], &document["power_mode"]),
        (&json!("performance, schedutil"), &json!("MAXN_SUPER"))
    );
    assert_eq!(
        Conditions::in_words(&document).as_deref(),
        Some(
            "governor performance, schedutil, power mode MAXN_SUPER, cpu-thermal 96 to 60 °C, tj-thermal 97 to 97 °C"
        )
    );
    assert_eq!(Conditions::in_words(&json!({"runs": 1})), None);
    let temperature = &document["temperature"];
    assert_eq!(temperature["before"][0], json!({"type": "cpu-thermal", "celsius": 96.5}));
    assert_eq!(temperature["after"][0], json!({"type": "cpu-thermal", "celsius": 60.0}));
    // It was near its limit before the measurement, if not after it.
    let warnings: Vec<&str> =
        document["warnings"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(warnings.iter().any(|line| line.contains("96.5 °C")), "{warnings:#?}");
    assert!(warnings.iter().any(|line| line.contains("governor")), "{warnings:#?}");
}

#[test]
fn a_virtual_machine_without_cpufreq_shows_nulls_and_needs_nothing() {
    let folder = tree(&[
        (
            "proc/cpuinfo",
            "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) Processor @ 2.80GHz\nflags\t\t: fpu avx2\n\nprocessor\t: 1\nmodel name\t: Intel(R) Xeon(R) Processor @ 2.80GHz\n",
        ),
        ("proc/meminfo", "MemTotal:       24684092 kB\nMemAvailable:   22960536 kB\n"),
        ("sys/class/dmi/id/sys_vendor", "QEMU\n"),
        ("sys/class/dmi/id/product_name", "Standard PC (Q35 + ICH9, 2009)\n"),
        ("usr/lib/os-release", "PRETTY_NAME='Ubuntu 20.04.6 LTS'\n"),
    ]);
    // As glibc was installed up to 2.33.
    let lib = folder.path().join("lib64");
    std::fs::create_dir(&lib).unwrap();
    std::os::unix::fs::symlink("libc-2.31.so", lib.join("libc.so.6")).unwrap();

    let device = Device::read(folder.path());
    assert_eq!(device.cpu.name.as_deref(), Some("Intel(R) Xeon(R) Processor @ 2.80GHz"));
    assert_eq!(device.cpu.cores, Some(2));
    assert_eq!(device.system.model.as_deref(), Some("QEMU Standard PC (Q35 + ICH9, 2009)"));
    assert_eq!(device.system.os.as_deref(), Some("Ubuntu 20.04.6 LTS"));
    assert_eq!(device.glibc.as_deref(), Some("2.31"));
    assert_eq!(json!(device.power), json!({"mode": null, "policies": [], "under_voltage": null}));
    assert_eq!((device.power.governor(), device.power.mode_name()), (None, None));
    assert_eq!(device.thermal, []);
    assert_eq!(json!(device.memory)["swap_total_mb"], Value::Null);
    let host = Target::find("host").unwrap().on_host(X86);
    assert_eq!(device.check(&host, X86, &strings(&["avx2"])), super::Findings::default());
}

const MEMINFO: &str = "MemTotal:       16777216 kB\nMemAvailable:   12582912 kB\n";

#[test]
fn a_container_s_limit_is_what_counts() {
    // Version 2: the limit of a group above counts, too, and caches are as good as free.
    let folder = tree(&[
        (".dockerenv", ""),
        ("proc/meminfo", MEMINFO),
        ("proc/self/cgroup", "0::/barn/camera\n"),
        ("sys/fs/cgroup/barn/memory.max", "536870912\n"),
        ("sys/fs/cgroup/barn/memory.current", "419430400\n"),
        ("sys/fs/cgroup/barn/memory.stat", "anon 104857600\ninactive_file 314572800\n"),
        ("sys/fs/cgroup/barn/camera/memory.max", "max\n"),
    ]);
    let device = Device::read(folder.path());
    assert_eq!(device.system.container.as_deref(), Some("docker"));
    assert_eq!((device.memory.limit_mb, device.memory.limit_left_mb), (Some(512), Some(412)));
    let problems = device.check(&target("2.28", &[], 1024), ARM, &[]).problems;
    assert_says(&problems, &["limit", "512 MB", "1024 MB", "docker run --memory"]);
    assert!(device.check(&target("2.28", &[], 450), ARM, &[]).advice[0].contains("412 MB"));

    // Version 1; the group's path is the host's and is not mounted here.
    let folder = tree(&[
        ("proc/meminfo", MEMINFO),
        ("proc/self/cgroup", "12:pids:/docker/0123\n4:cpu,memory:/docker/0123\n0::/\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "524288000\n"),
        ("sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 209715200\n"),
    ]);
    let device = Device::read(folder.path());
    assert_eq!(device.system.container.as_deref(), Some("docker"));
    assert_eq!((device.memory.limit_mb, device.memory.limit_left_mb), (Some(1024), Some(724)));

    // Version 1 says "no limit" with a number.
    add(folder.path(), &[("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")]);
    assert_eq!(Device::read(folder.path()).memory.limit_mb, None);
}

#[test]
fn garbage_is_nothing() {
    let files = [
        "proc/cpuinfo",
        "proc/meminfo",
        "proc/device-tree/model",
        "proc/self/cgroup",
        "proc/sys/kernel/osrelease",
        "etc/os-release",
        "etc/nv_tegra_release",
        "etc/nvpmodel.conf",
        "var/lib/nvpmodel/status",
        "lib/libc.so.6",
        "run/systemd/container",
        "sys/class/dmi/id/product_name",
        "sys/class/hwmon/hwmon0/name",
        "sys/class/thermal/thermal_zone0/type",
        "sys/class/thermal/thermal_zone0/temp",
        "sys/class/thermal/thermal_zone0/trip_point_0_type",
        "sys/class/thermal/thermal_zone0/trip_point_0_temp",
        "sys/class/thermal/thermal_zoneX/temp",
        "sys/devices/system/cpu/cpufreq/policy0/scaling_governor",
        "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq",
        "sys/devices/system/cpu/cpufreq/policy99999999999999999999/scaling_governor",
        "sys/fs/cgroup/memory.max",
        "sys/fs/cgroup/memory.current",
        "sys/module/nvidia/version",
    ];
    let endless = "MemTotal: ".repeat(1 << 17);
    let contents: [&[u8]; 8] = [
        b"",
        b"\0\0\0\0",
        b"\xff\xfe\x00garbage\x1b[2J",
        b"\x1b]0;title\x07\n",
        b"MemTotal: -5 kB\nMemAvailable: 99999999999999999999 kB\nprocessor : x\nmodel name : \x1b[31m\n",
        b"# R (release), REVISION: \n< POWER_MODEL NAME= >\npmode:\nGNU C Library  release version \nPRETTY_NAME=\n",
        b"0::/../../../etc\n4:memory:/../..\n# R36/../ (release), REVISION: x,\nGNU C Library release version ....\n",
        endless.as_bytes(),
    ];
    for content in contents {
        let folder = tree(&[]);
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let device = Device::read(folder.path());
        let shown = String::from_utf8_lossy(&content[..content.len().min(80)]).into_owned();
        assert_eq!(device.memory, Device::read(Path::new("/nowhere")).memory, "{shown:?}");
        assert_eq!(
            (&device.glibc, &device.system.l4t, &device.power.mode),
            (&None, &None, &None),
            "{shown:?}"
        );
        assert_eq!(device.thermal.len(), 1, "{shown:?}");
        assert_eq!((device.thermal[0].celsius, &device.thermal[0].trips[..]), (None, &[][..]), "{shown:?}");
        let all = format!("{device:?}");
        assert!(!all.contains('\u{1b}') && !all.contains("\\u{1b}") && all.len() < 4096, "{shown:?}: {all}");
    }
}

/// Folders, loops and pipes in the place of files: none is waited for.
#[test]
fn odd_kinds_of_files_are_nothing() {
    let folder = tree(&[("proc/meminfo/x", ""), ("etc/os-release/x", "")]);
    std::os::unix::fs::symlink("cpuinfo", folder.path().join("proc/cpuinfo")).unwrap();
    let pipe = folder.path().join("etc/nvpmodel.conf");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()));
    let device = Device::read(folder.path());
    assert_eq!((device.cpu.name, device.cpu.cores, device.system.os), (None, None, None));
    assert_eq!(device.memory.total_mb, None);
}

#[test]
fn this_machine_can_be_read() {
    let device = Device::read(Path::new("/"));
    assert!(device.cpu.cores.is_some() && device.memory.total_mb.is_some(), "{device:?}");
}

#[test]
fn names_of_people_are_hidden() {
    let home = |path: &str| (path.into(), "~");
    let homes = [
        home("/home/anna"),
        home("/keeper"),
        home("/data/users/anna/"),
        ("cows.farsight".into(), "BUNDLE"),
        ("/home/anna/farm/cows.farsight".into(), "BUNDLE"),
    ];
    for (text, expected) in [
        ("/home/anna/models/cow.onnx: gone", "~/models/cow.onnx: gone"),
        ("/home/anna/farm/cows.farsight: gone", "BUNDLE: gone"),
        ("cows.farsight: gone, not brown-cows.farsight", "BUNDLE: gone, not brown-cows.farsight"),
        ("/media/anna/My Stick/lib.so", "/media/.../lib.so"),
        (
            "no \"/run/media/anna/STICK/lib.so\": see /mnt/clinic/a.so, /boot/x",
            "no \"/run/media/.../lib.so\": see /mnt/.../a.so, /boot/x",
        ),
        (
            "looked at /keeper/.cache, \"/home/anna\" and /opt/keeper/x",
            "looked at ~/.cache, \"~\" and /opt/keeper/x",
        ),
        ("/home/annabel/x and /home/bert", "/home/USER/x and /home/USER"),
        ("--library=/keeper/lib.so (/data/users/anna/lib.so)", "--library=~/lib.so (~/lib.so)"),
        ("/keeperless and ../keeper/x", "/keeperless and ../keeper/x"),
    ] {
        let mut document = json!({"a": [{"b": text}], "c": 1});
        private::hide(&mut document, &homes);
        assert_eq!(document, json!({"a": [{"b": expected}], "c": 1}));
    }
}
