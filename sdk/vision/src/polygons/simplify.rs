//! Fewer corners: Douglas and Peucker's algorithm on rings.

/// Which corners of a ring to keep so that none of the others is further than `tolerance` from the new ring
/// (D. Douglas, T. Peucker, "Algorithms for the reduction of the number of points", 1973).
///
/// A ring that would lose its inside keeps all corners. Rings are simplified one by one: neighbours may overlap or
/// leave gaps of up to twice the tolerance, and a ring may come to touch or cross itself.
pub(super) fn kept_corners(ring: &[[f64; 2]], tolerance: f64) -> Vec<bool> {
    let all = vec![true; ring.len()];
    // A ring has no ends: two corners that are surely on its hull take their part.
    let by_place =
        |a: &usize, b: &usize| ring[*a][0].total_cmp(&ring[*b][0]).then(ring[*a][1].total_cmp(&ring[*b][1]));
    let Some(first) = (0..ring.len()).min_by(by_place) else { return all };
    let at = |step: usize| ring[(first + step) % ring.len()];
    let from_first = |step: &usize| distance(at(*step), at(0));
    let Some(far) = (1..ring.len()).max_by(|a, b| from_first(a).total_cmp(&from_first(b))) else {
        return all;
    };
    let mut keep = vec![false; ring.len()];
    keep[0] = true;
    keep[far] = true;
    let mut pieces = vec![(0, far), (far, ring.len())];
    while let Some((start, end)) = pieces.pop() {
        let offset = |step: usize| distance_to_segment(at(step), at(start), at(end));
        let farthest = (start + 1..end).map(|step| (step, offset(step))).max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((step, _)) = farthest.filter(|(_, offset)| *offset > tolerance) {
            keep[step] = true;
            pieces.extend([(start, step), (step, end)]);
        }
    }
    if keep.iter().filter(|kept| **kept).count() < 3 {
        return all;
    }
    keep.rotate_right(first);
    keep
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

fn distance_to_segment(point: [f64; 2], start: [f64; 2], end: [f64; 2]) -> f64 {
    let along = [end[0] - start[0], end[1] - start[1]];
    let length_squared = along[0] * along[0] + along[1] * along[1];
    if length_squared == 0.0 {
        return distance(point, start);
    }
    let dot = (point[0] - start[0]) * along[0] + (point[1] - start[1]) * along[1];
    let part = (dot / length_squared).clamp(0.0, 1.0);
    distance(point, [start[0] + part * along[0], start[1] + part * along[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stairs_become_a_slope_and_small_rings_stay() {
        // A triangle whose long side is a stair of 10 m steps.
        let mut stairs = vec![[0.0, 0.0], [100.0, 0.0], [100.0, 100.0]];
        for step in (1..10).rev() {
            let place = f64::from(step) * 10.0;
            stairs.extend([[place, place + 10.0], [place, place]]);
        }
        let kept = |tolerance| kept_corners(&stairs, tolerance).iter().filter(|kept| **kept).count();
        assert_eq!(kept(0.0), stairs.len());
        assert_eq!(kept(11.0), 3);
        let square = [[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]];
        assert_eq!(kept_corners(&square, 100.0), [true; 4]);
        assert_eq!(kept_corners(&[], 1.0), [false; 0]);
    }
}
