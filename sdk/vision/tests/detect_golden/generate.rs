//! The inputs behind the goldens, drawn as `tests/reference/detect.py` draws them.

/// state = state * 6364136223846793005 + 1442695040888963407 (mod 2^64); a draw is its top 32 bits mod n.
pub(crate) struct Lcg(pub(crate) u64);

impl Lcg {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 32) % n as u64) as usize
    }

    fn fraction(&mut self, levels: usize) -> f32 {
        self.below(levels + 1) as f32 / levels as f32
    }
}

/// What a tensor is made from.
#[derive(serde::Deserialize)]
pub(crate) struct Drawing {
    pub(crate) layout: String,
    pub(crate) seed: u64,
    pub(crate) input: [usize; 2],
    pub(crate) anchors: usize,
    pub(crate) classes: usize,
    first_class: usize,
    places: usize,
    spread: usize,
    step: f32,
    levels: usize,
}

impl Drawing {
    /// The tensor and its shape.
    pub(crate) fn tensor(&self) -> (Vec<f32>, [usize; 3]) {
        let rows = match self.layout.as_str() {
            "grid" => self.grid(),
            "end-to-end" => self.end_to_end(),
            _ => self.boxes(),
        };
        let columns = rows.len() / self.anchors;
        if self.layout == "anchors" {
            let transposed =
                (0..columns).flat_map(|c| rows.iter().skip(c).step_by(columns).copied()).collect();
            return (transposed, [1, columns, self.anchors]);
        }
        (rows, [1, self.anchors, columns])
    }

    fn boxes(&self) -> Vec<f32> {
        let mut lcg = Lcg(self.seed);
        let [height, width] = self.input;
        let places: Vec<_> = (0..self.places)
            .map(|_| [lcg.below(width), lcg.below(height), 8 + lcg.below(120), 8 + lcg.below(120)])
            .collect();
        let mut rows = Vec::new();
        for i in 0..self.anchors {
            let place = places[lcg.below(places.len())];
            for v in place {
                let jitter = lcg.below(2 * self.spread + 1) as f32 - self.spread as f32;
                rows.push(v as f32 + jitter * self.step);
            }
            if self.layout == "objectness" {
                rows.push(lcg.fraction(self.levels));
            }
            let likely = self.first_class + lcg.below(self.classes - self.first_class);
            for class in 0..self.classes {
                let distinct = (i * 7919 % self.anchors) as f32 / self.anchors as f32;
                let score = if self.levels > 0 { lcg.fraction(self.levels) } else { distinct };
                rows.push(if class == likely { score } else { score / 4.0 });
            }
        }
        rows
    }

    fn grid(&self) -> Vec<f32> {
        let mut lcg = Lcg(self.seed);
        let mut rows = Vec::new();
        for _ in 0..self.anchors {
            rows.extend((0..4).map(|_| (lcg.below(257) as f32 - 128.0) / 64.0));
            rows.extend((0..1 + self.classes).map(|_| lcg.fraction(self.levels)));
        }
        rows
    }

    fn end_to_end(&self) -> Vec<f32> {
        let mut lcg = Lcg(self.seed);
        let [height, width] = self.input;
        let mut rows = Vec::new();
        for i in 0..self.anchors {
            let [x, y, w, h] = [width * 8, height * 8, 1600, 1600].map(|n| lcg.below(n) as f32 / 8.0);
            let score = (self.anchors - i) as f32 / self.anchors as f32;
            let class = lcg.below(self.classes) as f32;
            rows.extend(if i % 10 < 9 { [x, y, x + w, y + h, score, class] } else { [0.0; 6] });
        }
        rows
    }
}
