//! The band that a file's name tells of.

use std::path::Path;

/// The band of a file of one band, by its name: `B02` of `S2A_…_34_59_B02.tif` (BigEarthNet),
/// `T32UNU_…_B8A_20m.tif` (Sentinel-2) and `HLS.S30.T10SEH.….B11.tif`; `VV` of `…_VV.tif`. Where no part of the
/// name looks like a band, the last part that is no resolution: `red` of `field-red.tif`.
pub(crate) fn band_of(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    let parts = || stem.split(['_', '.', '-']).filter(|part| !part.is_empty()).rev();
    match parts().find(|part| is_band(part)) {
        Some(band) => Some(band.to_ascii_uppercase()),
        None => parts().find(|part| !is_resolution(part)).map(str::to_owned),
    }
}

/// Sentinel-2, HLS and Landsat name bands `B` and two places, the last of which may be `A`; a radar's bands are
/// its polarisations.
fn is_band(part: &str) -> bool {
    let part = part.to_ascii_uppercase();
    match part.as_bytes() {
        b"VV" | b"VH" | b"HH" | b"HV" => true,
        [b'B', tens, ones] => tens.is_ascii_digit() && (ones.is_ascii_digit() || *ones == b'A'),
        [b'B', ones] => ones.is_ascii_digit(),
        _ => false,
    }
}

/// `10m`
fn is_resolution(part: &str) -> bool {
    part.strip_suffix(['m', 'M'])
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_band_in_a_name() {
        let rows = [
            ("S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57_B8A.tif", Some("B8A")),
            ("S1A_IW_GRDH_1SDV_20170613T165043_33UUP_61_39_VH.tif", Some("VH")),
            ("HLS.S30.T10SEH.2021215T184919.v2.0.B02.subset.tif", Some("B02")),
            ("T32TMT_20220803T102559_B12_20m.tif", Some("B12")),
            ("LC08_L2SP_193027_20220803_02_T1_SR_B5.TIF", Some("B5")),
            ("scene-b04.tif", Some("B04")),
            ("HLS.S30.T10SEH.2021215T184919.v2.0.Fmask.tif", Some("Fmask")),
            ("T32TMT_20220803T102559_SCL_20m.tif", Some("SCL")),
            ("red.tif", Some("red")),
            ("B1234.tif", Some("B1234")),
            ("ébène_é.tif", Some("é")),
            ("10m.tif", None),
            ("___.tif", None),
            ("", None),
        ];
        for (name, expected) in rows {
            assert_eq!(band_of(Path::new(name)).as_deref(), expected, "{name}");
        }
    }
}
