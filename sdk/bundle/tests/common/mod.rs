//! A small bundle to write, and a ZIP builder that is independent of the crate's own and can lie.
#![allow(dead_code, missing_docs, unreachable_pub)] // each test program uses a part of it
#![allow(clippy::unwrap_used)] // helpers of tests count as tests

use std::borrow::Cow;

use farsight_bundle::{Contents, Digest, Sample, SelfTest, Tolerance};
use farsight_spec::{ElementType, ModelSpec, Precision, Target, TensorInfo};

pub const SPEC: &str = r#"
name = "two-numbers"
about = "A model for tests."
task = "tensors"
source = { reference = "none", licence = "CC0-1.0" }
input = { kind = "tensors" }
output = { decoder = "tensors" }
"#;

pub const TARGET: &str = r#"
name = "x86_64-linux"
about = "A target for tests."
triple = "x86_64-unknown-linux-gnu"
cpu_features = ["avx2"]
onnxruntime = { oldest = "1.17", from = "PyPI" }
providers = [{ name = "CPU" }]
"#;

pub fn tensor(name: &str, shape: &[usize]) -> TensorInfo {
    let shape = shape.iter().map(|&axis| Some(axis)).collect();
    TensorInfo { name: name.to_owned(), element: ElementType::F32, shape }
}

fn sample(name: &str, values: &[f32]) -> Sample<'static> {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Sample { info: tensor(name, &[1, values.len()]), bytes: Cow::Owned(bytes) }
}

/// A bundle with a model of `model_bytes` bytes that look random.
pub fn contents(model_bytes: usize) -> Contents {
    let spec: ModelSpec = toml::from_str(SPEC).unwrap();
    let target: Target = toml::from_str(TARGET).unwrap();
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    Contents {
        name: "two-numbers".to_owned(),
        version: "1.4.0".to_owned(),
        tool: "farsight 0.1.0".to_owned(),
        onnxruntime: "1.32.0".to_owned(),
        precision: Precision::Keep,
        spec,
        target,
        model: (0..model_bytes).map(|_| random()).collect(),
        source_sha256: Digest::of(b"source"),
        inputs: vec![tensor("in", &[1, 3])],
        outputs: vec![TensorInfo { shape: vec![None, Some(2)], ..tensor("out", &[]) }],
        labels: vec!["clear".to_owned(), "cloud".to_owned()],
        self_test: Some(SelfTest {
            inputs: vec![sample("in", &[0.0, 1.5, -2.0])],
            outputs: vec![sample("out", &[0.25, 0.75])],
            tolerance: Tolerance { absolute: 1e-4, relative: 1e-3 },
        }),
        compress: false,
    }
}

/// One entry, with every field that can be forged. `None` where the truth is told.
#[derive(Clone, Default)]
pub struct Part {
    pub name: Vec<u8>,
    pub data: Vec<u8>,
    pub method: u16,
    pub flags: u16,
    /// Size and CRC-32 once unpacked, if the data are packed.
    pub unpacked: Option<(u32, u32)>,
    pub local_name: Option<Vec<u8>>,
    pub local_size: Option<u32>,
    pub crc: Option<u32>,
    pub packed_size: Option<u32>,
    pub offset: Option<u32>,
    pub misalign: usize,
    /// Bytes before the local header.
    pub gap: usize,
    pub extra: Vec<u8>,
}

impl Part {
    pub fn stored(name: &str, data: impl Into<Vec<u8>>) -> Self {
        Self { name: name.as_bytes().to_vec(), data: data.into(), ..Self::default() }
    }

    pub fn zstd(name: &str, unpacked: &[u8]) -> Self {
        let data = zstd::bulk::compress(unpacked, 3).unwrap();
        let truth = Some((unpacked.len() as u32, crc32fast::hash(unpacked)));
        Self { method: 93, unpacked: truth, ..Self::stored(name, data) }
    }

    fn sizes(&self) -> [u32; 3] {
        let (size, crc) = self.unpacked.unwrap_or((self.data.len() as u32, crc32fast::hash(&self.data)));
        [self.crc.unwrap_or(crc), self.packed_size.unwrap_or(self.data.len() as u32), size]
    }
}

/// Lays parts out as a ZIP file; `count` forges the number of entries.
pub fn zip(parts: &[Part], count: Option<u16>) -> Vec<u8> {
    let (mut file, mut central) = (Vec::new(), Vec::new());
    for part in parts {
        file.resize(file.len() + part.gap, 0xee);
        let offset = file.len() as u32;
        let local_name = part.local_name.as_ref().unwrap_or(&part.name);
        let start = file.len() + 30 + local_name.len() + part.extra.len() + 6;
        let padding = start.next_multiple_of(64) - start + part.misalign;
        let [crc, packed, size] = part.sizes();
        put(
            &mut file,
            b"PK\x03\x04",
            &[20, part.flags, part.method, 0, 0x21],
            &[crc, part.packed_size.unwrap_or(packed), part.local_size.unwrap_or(size)],
        );
        put(&mut file, b"", &[local_name.len() as u16, (part.extra.len() + 6 + padding) as u16], &[]);
        file.extend(local_name);
        file.extend(&part.extra);
        put(&mut file, b"", &[0xa11e, 2 + padding as u16, 64], &[]);
        file.resize(file.len() + padding, 0);
        file.extend(&part.data);

        put(&mut central, b"PK\x01\x02", &[20, 20, part.flags, part.method, 0, 0x21], &[crc, packed, size]);
        put(
            &mut central,
            b"",
            &[part.name.len() as u16, part.extra.len() as u16, 0, 0, 0],
            &[0, part.offset.unwrap_or(offset)],
        );
        central.extend(&part.name);
        central.extend(&part.extra);
    }
    let count = count.unwrap_or(parts.len() as u16);
    let start = file.len() as u32;
    file.extend(&central);
    put(&mut file, b"PK\x05\x06", &[0, 0, count, count], &[central.len() as u32, start]);
    put(&mut file, b"", &[0], &[]);
    file
}

fn put(out: &mut Vec<u8>, signature: &[u8], shorts: &[u16], longs: &[u32]) {
    out.extend(signature);
    out.extend(shorts.iter().flat_map(|value| value.to_le_bytes()));
    out.extend(longs.iter().flat_map(|value| value.to_le_bytes()));
}

/// A manifest's JSON that lists `parts`; `change` edits it.
pub fn manifest(parts: &[Part], change: impl Fn(&mut serde_json::Value)) -> Part {
    let entries: serde_json::Map<String, serde_json::Value> = parts
        .iter()
        .map(|part| {
            let unpacked =
                if part.method == 93 { zstd::decode_all(&part.data[..]).unwrap() } else { part.data.clone() };
            let info = serde_json::json!({ "sha256": Digest::of(&unpacked), "bytes": unpacked.len() });
            (String::from_utf8_lossy(&part.name).into_owned(), info)
        })
        .collect();
    let mut json = serde_json::json!({
        "format": 1, "requires": [], "name": "two-numbers", "version": "1.0.0", "tool": "test",
        "onnxruntime": "1.32.0", "precision": "keep",
        "models": [{ "entry": "model.onnx", "source_sha256": Digest::of(b""), "inputs": [], "outputs": [] }],
        "targets": [{ "name": "x86_64-linux", "triple": "x86_64-unknown-linux-gnu", "cpu_features": [] }],
        "entries": entries,
    });
    change(&mut json);
    Part::stored("manifest.json", serde_json::to_vec(&json).unwrap())
}

/// What a bundle needs beside the manifest.
pub fn parts() -> Vec<Part> {
    vec![
        Part::stored("spec.toml", SPEC),
        Part::stored("target.toml", TARGET),
        Part::stored("model.onnx", vec![0xab; 5000]),
    ]
}

/// The manifest for `listed`, then `parts`.
pub fn with_manifest(listed: &[Part], parts: &[Part]) -> Vec<Part> {
    std::iter::once(manifest(listed, |_| {})).chain(parts.iter().cloned()).collect()
}
