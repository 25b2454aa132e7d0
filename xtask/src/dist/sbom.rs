//! What the library is made of, as a bill of materials: CycloneDX 1.5, JSON (<https://cyclonedx.org/docs/1.5/json>).
//!
//! Nothing in it is timed or random: the same sources give the same bytes.

use anyhow::Result;
use serde_json::{Value, json};

use super::crates::{Crate, Crates, Id};
use super::{Call, PACKAGE};

/// The document, for the library that `call` asks for, compiled with the Rust of this version.
pub(crate) fn document(crates: &Crates, call: &Call, compiler: &str) -> Result<String> {
    let is_own = |id: &Id| id.0 == PACKAGE;
    let own = crates.all.iter().find(|(id, _)| is_own(id)).map(|(id, one)| component(id, one));
    let others = crates.all.iter().filter(|(id, _)| !is_own(id)).map(|(id, one)| component(id, one));
    let dependencies = crates.all.iter().map(|(id, one)| {
        let mut uses: Vec<String> = one.uses.iter().map(reference).collect();
        if is_own(id) {
            uses.push(standard_reference(compiler));
        }
        json!({ "ref": reference(id), "dependsOn": uses })
    });
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": own,
            "properties": [
                { "name": "farsight:target", "value": call.target.name },
                { "name": "farsight:features", "value": call.features.clone().unwrap_or_default() },
            ],
        },
        "components": others.chain([standard_library(compiler)]).collect::<Vec<_>>(),
        "dependencies": dependencies.collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn component(id: &Id, one: &Crate) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(id),
        "name": id.0,
        "version": id.1,
        "licenses": [{ "expression": one.licence }],
    });
    if let Some(about) = &one.about {
        component["description"] = json!(about);
    }
    // Crates of this workspace are in no registry, so a package URL of theirs would lead to somebody else's.
    if let Some(sha256) = &one.sha256 {
        component["purl"] = json!(reference(id));
        component["hashes"] = json!([{ "alg": "SHA-256", "content": sha256 }]);
    }
    if let Some(repository) = &one.repository {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    component
}

/// Rust's standard library, which is linked in as well.
fn standard_library(compiler: &str) -> Value {
    json!({
        "type": "library",
        "bom-ref": standard_reference(compiler),
        "name": "std",
        "version": compiler,
        "description": "Rust's standard library",
        "licenses": [{ "expression": "MIT OR Apache-2.0" }],
        "externalReferences": [{ "type": "vcs", "url": "https://github.com/rust-lang/rust" }],
    })
}

fn standard_reference(compiler: &str) -> String {
    format!("rust-std@{compiler}")
}

/// The package URL: in a version, `+` is written `%2B`.
fn reference((name, version): &Id) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn document() -> Value {
        let call = Call::parse(&["aarch64-linux".to_owned()]).unwrap();
        let crates = Crates::find(&call).unwrap();
        let text = super::document(&crates, &call, "1.95.0").unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn texts<'a>(values: &'a Value, key: &str) -> Vec<&'a str> {
        values.as_array().unwrap().iter().map(|value| value[key].as_str().unwrap()).collect()
    }

    #[test]
    fn every_reference_leads_somewhere_and_is_there_once() {
        let document = document();
        let mut there = texts(&document["components"], "bom-ref");
        there.push(document["metadata"]["component"]["bom-ref"].as_str().unwrap());
        let once: BTreeSet<&str> = there.iter().copied().collect();
        assert_eq!(once.len(), there.len());
        for dependency in document["dependencies"].as_array().unwrap() {
            assert!(once.contains(dependency["ref"].as_str().unwrap()), "{dependency}");
            for used in dependency["dependsOn"].as_array().unwrap() {
                assert!(once.contains(used.as_str().unwrap()), "{dependency}");
            }
        }
    }

    #[test]
    fn a_crate_is_named_with_hash_and_licence() {
        let document = document();
        let components = document["components"].as_array().unwrap();
        let toml = components.iter().find(|component| component["name"] == "toml").unwrap();
        assert_eq!(toml["licenses"], json!([{ "expression": "MIT OR Apache-2.0" }]));
        assert_eq!(toml["hashes"][0]["content"].as_str().unwrap().len(), 64);
        let purl = toml["purl"].as_str().unwrap();
        assert!(purl.starts_with("pkg:cargo/toml@") && !purl.contains('+'), "{purl}");
        assert_eq!(document["metadata"]["component"]["name"], PACKAGE);
    }
}
