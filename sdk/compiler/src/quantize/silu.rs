//! The range of what goes into x · sigmoid(x): far below 0 the result is nearly 0 whatever x is, so levels spent
//! there are wasted. Where the values reach far down, that is half of them.

use farsight_graph::Links;
use farsight_graph::onnx::GraphProto;

use super::sources::silu_input;
use crate::calibrate::{Histogram, Range};

/// Lower ends that are tried.
const LOWS: [f32; 12] = [-0.5, -1.0, -1.5, -2.0, -2.5, -3.0, -4.0, -5.0, -6.0, -8.0, -10.0, -14.0];

/// Whether a value goes into x · sigmoid(x) and nowhere else.
pub(crate) fn feeds_only_silu(graph: &GraphProto, links: &Links, value: &str) -> bool {
    let [first, second] = *links.consumers(value) else { return false };
    let is_gate = |index: usize| graph.node[index].is("Sigmoid");
    let is_product = |index: usize| {
        graph.node[index].is("Mul") && silu_input(graph, &graph.node[index], links) == Some(value)
    };
    let pair = (is_gate(first) && is_product(second)) || (is_gate(second) && is_product(first));
    pair && !graph.output_names().any(|output| output == value)
}

/// The range with the lower end that makes the result's mean squared error least.
pub(crate) fn trimmed(seen: &Histogram, range: Range, levels: u32) -> Range {
    let tried = LOWS.iter().copied().filter(|low| *low > range.low).map(|low| Range { low, ..range });
    tried
        .chain([range])
        .map(|range| (error(seen, range, levels), range))
        .fold((f64::INFINITY, range), |best, tried| if tried.0 < best.0 { tried } else { best })
        .1
}

/// Expected squared error of the result, times the number of values: rounding, carried on by the function's slope,
/// and what is cut off below.
fn error(seen: &Histogram, range: Range, levels: u32) -> f64 {
    let step = f64::from(range.high - range.low) / f64::from(levels - 1);
    let rounding = step * step / 12.0;
    let floor = silu(f64::from(range.low));
    let of_bin = |(centre, count): (f32, u64)| {
        let x = f64::from(centre);
        let squared =
            if centre < range.low { (silu(x) - floor).powi(2) } else { slope(x).powi(2) * rounding };
        squared * count as f64
    };
    seen.bins().map(of_bin).sum()
}

fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

fn slope(x: f64) -> f64 {
    let gate = 1.0 / (1.0 + (-x).exp());
    gate * (1.0 + x * (1.0 - gate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_not_spent_where_the_result_is_nearly_0() {
        let mut seen = Histogram::new();
        let values: Vec<f32> = (-1000..1000).map(|index| index as f32 * 0.1).collect();
        seen.add(&values);
        let wide = Range { low: -100.0, high: 100.0 };
        let trimmed = trimmed(&seen, wide, 256);
        assert!((-8.0..=-1.0).contains(&trimmed.low) && trimmed.high == 100.0, "{trimmed:?}");
        // The real arithmetic agrees: quantize, apply, compare.
        let real = |range: Range| -> f64 {
            let step = (range.high - range.low) / 255.0;
            let quantized = |x: f32| (x.clamp(range.low, range.high) / step).round() * step;
            values.iter().map(|&x| (silu(f64::from(quantized(x))) - silu(f64::from(x))).powi(2)).sum()
        };
        assert!(real(trimmed) < 0.5 * real(wide), "{} {}", real(trimmed), real(wide));
        let narrow = Range { low: -0.3, high: 4.0 };
        assert_eq!(super::trimmed(&seen, narrow, 256).low, -0.3);
    }
}
