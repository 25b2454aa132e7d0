//! A vision transformer built in code, with random weights spread as a trained one's.

use farsight_graph::onnx::tensor_proto::DataType;
use farsight_graph::onnx::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use farsight_graph::{Attribute, Dim, Document, Element};

/// Side of the picture.
const SIDE: i64 = 224;
/// Side of a patch.
const PATCH: i64 = 16;
/// Patches and the class token.
const TOKENS: i64 = (SIDE / PATCH) * (SIDE / PATCH) + 1;
const CLASSES: i64 = 1000;

/// Its size, and which weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vit {
    /// Values a token; a multiple of `heads`.
    pub(crate) width: i64,
    pub(crate) depth: usize,
    pub(crate) heads: i64,
    pub(crate) seed: u64,
}

impl Default for Vit {
    /// ViT-S at half its depth: 11 million weights.
    fn default() -> Self {
        Self { width: 384, depth: 6, heads: 6, seed: 1 }
    }
}

/// The model as PyTorch exports it to opset 17: `image` [1, 3, 224, 224] to `logits` [1, 1000]. The head is a
/// Gemm with its weight as [classes, width], every other linear layer a MatMul and an Add.
pub(crate) fn vit(settings: Vit) -> Document {
    let Vit { width, depth, .. } = settings;
    let mut made = Builder { settings, random: Random(settings.seed), graph: GraphProto::default() };
    let mut tokens = made.embed();
    for block in 0..depth {
        tokens = made.block(&format!("block{block}"), &tokens);
    }
    let normal = made.normalize("norm", &tokens);
    let first = made.constant("first", &[], &[0i64]);
    let class = made.with("class", "Gather", &[&normal, &first], &[("axis", Attribute::Int(1))]);
    let weight = made.weight("head.weight", &[CLASSES, width], width);
    let bias = made.random("head.bias", &[CLASSES], 0.02);
    let gemm = NodeProto::new("Gemm", "head", &[&class, &weight, &bias], &["logits"]);
    made.graph.node.push(gemm.with("transB", Attribute::Int(1)));
    let float = |name, shape: &[i64]| {
        let shape: Vec<Dim> = shape.iter().map(|&length| length.into()).collect();
        ValueInfoProto::tensor(name, DataType::Float, &shape)
    };
    made.graph.name = Some("vit".to_owned());
    made.graph.input.push(float("image", &[1, 3, SIDE, SIDE]));
    made.graph.output.push(float("logits", &[1, CLASSES]));
    Document::new(made.graph, 17)
}

/// A picture of noise for it.
pub(crate) fn noise(seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    (0..3 * SIDE * SIDE).map(|_| random.normal()).collect()
}

struct Builder {
    settings: Vit,
    random: Random,
    graph: GraphProto,
}

impl Builder {
    /// Patches, class token and positions: [1, 197, width].
    fn embed(&mut self) -> String {
        let width = self.settings.width;
        let kernel = self.weight("patch.weight", &[width, 3, PATCH, PATCH], 3 * PATCH * PATCH);
        let bias = self.random("patch.bias", &[width], 0.02);
        let sides = [("kernel_shape", vec![PATCH; 2]), ("strides", vec![PATCH; 2])];
        let sides = sides.map(|(name, sides)| (name, Attribute::Ints(sides)));
        let grid = self.with("patch", "Conv", &["image", &kernel, &bias], &sides);
        let flat = self.reshape("patch.flat", &grid, &[1, width, TOKENS - 1]);
        let patches = self.transpose("patches", &flat, &[0, 2, 1]);
        let class = self.random("class_token", &[1, 1, width], 0.02);
        let tokens = self.with("tokens", "Concat", &[&class, &patches], &[("axis", Attribute::Int(1))]);
        let positions = self.random("positions", &[1, TOKENS, width], 0.02);
        self.node("embedded", "Add", &[&tokens, &positions])
    }

    fn block(&mut self, name: &str, tokens: &str) -> String {
        let normal = self.normalize(&format!("{name}.norm1"), tokens);
        let attended = self.attention(&format!("{name}.attention"), &normal);
        let tokens = self.node(&format!("{name}.attended"), "Add", &[tokens, &attended]);
        let normal = self.normalize(&format!("{name}.norm2"), &tokens);
        let thought = self.mlp(&format!("{name}.mlp"), &normal);
        self.node(&format!("{name}.out"), "Add", &[&tokens, &thought])
    }

    fn attention(&mut self, name: &str, tokens: &str) -> String {
        let Vit { width, heads, .. } = self.settings;
        let name = |part: &str| format!("{name}.{part}");
        let all = self.linear(&name("qkv"), tokens, width, 3 * width);
        let split = self.reshape(&name("split"), &all, &[1, TOKENS, 3, heads, width / heads]);
        let parts = self.transpose(&name("parts"), &split, &[2, 0, 3, 1, 4]);
        let [q, k, v] = ["q", "k", "v"].map(&name);
        for (index, part) in [&q, &k, &v].into_iter().enumerate() {
            let index = self.constant(&format!("{part}.index"), &[], &[index as i64]);
            self.with(part, "Gather", &[&parts, &index], &[("axis", Attribute::Int(0))]);
        }
        let scale = self.constant(&name("scale"), &[], &[((width / heads) as f32).sqrt().recip()]);
        let q = self.node(&name("q.scaled"), "Mul", &[&q, &scale]);
        let k = self.transpose(&name("k.turned"), &k, &[0, 1, 3, 2]);
        let scores = self.node(&name("scores"), "MatMul", &[&q, &k]);
        let weights = self.with(&name("weights"), "Softmax", &[&scores], &[("axis", Attribute::Int(-1))]);
        let mixed = self.node(&name("mixed"), "MatMul", &[&weights, &v]);
        let heads = self.transpose(&name("heads"), &mixed, &[0, 2, 1, 3]);
        let joined = self.reshape(&name("joined"), &heads, &[1, TOKENS, width]);
        self.linear(&name("projection"), &joined, width, width)
    }

    fn mlp(&mut self, name: &str, tokens: &str) -> String {
        let width = self.settings.width;
        let wide = self.linear(&format!("{name}.up"), tokens, width, 4 * width);
        let active = self.gelu(&format!("{name}.gelu"), &wide);
        self.linear(&format!("{name}.down"), &active, 4 * width, width)
    }

    /// x · (1 + erf(x ÷ √2)) · ½
    fn gelu(&mut self, name: &str, x: &str) -> String {
        let name = |part: &str| format!("{name}.{part}");
        let constants = [("root", std::f32::consts::SQRT_2), ("one", 1.0), ("half", 0.5)];
        let [root, one, half] = constants.map(|(part, value)| self.constant(&name(part), &[], &[value]));
        let small = self.node(&name("small"), "Div", &[x, &root]);
        let erf = self.node(&name("erf"), "Erf", &[&small]);
        let raised = self.node(&name("raised"), "Add", &[&erf, &one]);
        let twice = self.node(&name("twice"), "Mul", &[x, &raised]);
        self.node(&name("out"), "Mul", &[&twice, &half])
    }

    fn linear(&mut self, name: &str, x: &str, from: i64, to: i64) -> String {
        let weight = self.weight(&format!("{name}.weight"), &[from, to], from);
        let bias = self.random(&format!("{name}.bias"), &[to], 0.02);
        let product = self.node(&format!("{name}.product"), "MatMul", &[x, &weight]);
        self.node(name, "Add", &[&bias, &product])
    }

    fn normalize(&mut self, name: &str, x: &str) -> String {
        let width = self.settings.width;
        let scale: Vec<f32> = (0..width).map(|_| 1.0 + 0.1 * self.random.normal()).collect();
        let scale = self.constant(&format!("{name}.scale"), &[width], &scale);
        let bias = self.random(&format!("{name}.bias"), &[width], 0.02);
        let attributes = [("axis", Attribute::Int(-1)), ("epsilon", Attribute::Float(1e-6))];
        self.with(name, "LayerNormalization", &[x, &scale, &bias], &attributes)
    }

    fn reshape(&mut self, name: &str, x: &str, shape: &[i64]) -> String {
        let shape = self.constant(&format!("{name}.shape"), &[shape.len() as i64], shape);
        self.node(name, "Reshape", &[x, &shape])
    }

    fn transpose(&mut self, name: &str, x: &str, order: &[i64]) -> String {
        self.with(name, "Transpose", &[x], &[("perm", Attribute::Ints(order.to_vec()))])
    }

    fn node(&mut self, name: &str, op: &str, inputs: &[&str]) -> String {
        self.with(name, op, inputs, &[])
    }

    /// A node, and one value, of this name.
    fn with(&mut self, name: &str, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let mut node = NodeProto::new(op, name, inputs, &[name]);
        attributes.iter().for_each(|(name, value)| node.set(name, value.clone()));
        self.graph.node.push(node);
        name.to_owned()
    }

    /// A weight that keeps the spread of what it weights: its deviation is 1 ÷ √fan-in.
    fn weight(&mut self, name: &str, dims: &[i64], fan_in: i64) -> String {
        self.random(name, dims, (fan_in as f32).sqrt().recip())
    }

    fn random(&mut self, name: &str, dims: &[i64], deviation: f32) -> String {
        let count = dims.iter().product::<i64>();
        let values: Vec<f32> = (0..count).map(|_| deviation * self.random.normal()).collect();
        self.constant(name, dims, &values)
    }

    fn constant<T: Element>(&mut self, name: &str, dims: &[i64], values: &[T]) -> String {
        self.graph.initializer.push(TensorProto::new(name, dims, values));
        name.to_owned()
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014), and normal values from it.
struct Random(u64);

impl Random {
    /// Evenly in (0, 1].
    fn even(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((bits >> 40) + 1) as f32 / (1u64 << 24) as f32
    }

    /// Mean 0, deviation 1, by the method of Box and Muller.
    fn normal(&mut self) -> f32 {
        let radius = (-2.0 * self.even().ln()).sqrt();
        radius * (std::f32::consts::TAU * self.even()).cos()
    }
}
