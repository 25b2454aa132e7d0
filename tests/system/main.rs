//! The whole system through the real `farsight` command: parity with the references, the JSON contract,
//! refusals, reproducible bundles, small models whose answers are known.
//!
//! A test that misses something from outside (library, Python, models) shows as ignored, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod arm;
mod bundles;
mod calls;
mod classify;
mod contract;
mod detect;
mod families;
mod farsight;
mod firmware;
mod models;
mod needs;
mod outputs;
mod parity_cattle;
mod parity_clouds;
mod photos;
mod refusals;
mod reproducible;
mod round_trip;
mod scene_mask;
mod scratch;
mod segment;
mod shrink;
mod tensors;
mod vit;
mod warm;
mod weights;

use libtest_mimic::Arguments;

fn main() {
    let folder = scratch::make();
    // What takes longest goes first.
    let trials = [
        shrink::trials(),
        parity_clouds::trials(),
        parity_cattle::trials(),
        photos::trials(),
        reproducible::trials(),
        contract::trials(),
        refusals::trials(),
        calls::trials(),
        detect::trials(),
        classify::trials(),
        segment::trials(),
        families::trials(),
        outputs::trials(),
        tensors::trials(),
        round_trip::trials(),
        weights::trials(),
        warm::trials(),
        firmware::trials(),
        scene_mask::trials(),
        arm::trials(),
    ];
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials.into_iter().flatten().collect());
    drop(folder);
    conclusion.exit();
}
