//! A graph, node by node.

use tanbo_format::ElementType;
use tanbo_quant::Rounding;

use crate::graph::{Bias, BoundaryRounding, Graph, Node, NodeOp, Port, SourceType, Tensor, TensorId, Weights, Window};

/// Scale and zero point of an int8 tensor.
pub type Quantization = (f32, i32);

/// Returns weights with one scale, or one per output channel.
pub fn weights(data: &[i8], bias: &[i32], scales: &[f32]) -> Weights {
    Weights { data: data.to_vec(), scales: scales.to_vec(), bias: Bias::I32(bias.to_vec()), four_bits: false }
}

/// Returns a window that is the same along both axes, its taps side by side.
pub fn window(kernel: usize, stride: usize, pad: usize) -> Window {
    Window { kernel: [kernel; 2], stride: [stride; 2], dilation: [1; 2], pad: [pad; 2] }
}

/// Builds a graph of int8 tensors.
#[derive(Clone, Debug)]
pub struct Builder {
    /// What is built so far.
    pub graph: Graph,
    rounding: Rounding,
}

impl Builder {
    /// Returns an empty graph whose nodes round like this.
    pub fn new(name: &str, rounding: Rounding) -> Self {
        Self { graph: Graph { name: name.into(), ..Graph::default() }, rounding }
    }

    /// Adds a tensor that nothing writes yet.
    pub fn tensor(&mut self, name: &str, shape: &[usize], (scale, zero_point): Quantization) -> TensorId {
        let (name, shape) = (name.to_string(), shape.to_vec());
        self.graph.tensors.push(Tensor { name, shape, ty: ElementType::I8, scale, zero_point, data: None });
        self.graph.tensors.len() - 1
    }

    /// Adds an input.
    pub fn input(&mut self, name: &str, shape: &[usize], quantization: Quantization) -> TensorId {
        let tensor = self.tensor(name, shape, quantization);
        let port = self.port(tensor);
        self.graph.inputs.push(port);
        tensor
    }

    /// Adds a constant.
    pub fn constant(&mut self, name: &str, shape: &[usize], quantization: Quantization, data: &[i8]) -> TensorId {
        let tensor = self.tensor(name, shape, quantization);
        if let Some(tensor) = self.graph.tensors.get_mut(tensor) {
            tensor.data = Some(data.iter().map(|&value| value as u8).collect());
        }
        tensor
    }

    /// Adds a node, and the tensor of the same name that it writes.
    pub fn node(
        &mut self,
        name: &str,
        op: NodeOp,
        inputs: &[TensorId],
        shape: &[usize],
        quantization: Quantization,
    ) -> TensorId {
        let output = self.tensor(name, shape, quantization);
        let (name, inputs) = (name.to_string(), inputs.to_vec());
        self.graph.nodes.push(Node { name, op, inputs, states: Vec::new(), output, rounding: self.rounding });
        output
    }

    /// Makes a tensor an output.
    pub fn output(&mut self, tensor: TensorId) {
        let port = self.port(tensor);
        self.graph.outputs.push(port);
    }

    /// Returns a tensor's shape.
    pub fn shape(&self, tensor: TensorId) -> Vec<usize> {
        self.graph.tensors.get(tensor).map(|tensor| tensor.shape.clone()).unwrap_or_default()
    }

    /// Returns a tensor's scale and zero point.
    pub fn quantization(&self, tensor: TensorId) -> Quantization {
        self.graph.tensors.get(tensor).map_or((1.0, 0), |tensor| (tensor.scale, tensor.zero_point))
    }

    /// Returns the graph.
    pub fn finish(self) -> Graph {
        self.graph
    }

    fn port(&self, tensor: TensorId) -> Port {
        Port {
            name: self.graph.tensors.get(tensor).map(|tensor| tensor.name.clone()).unwrap_or_default(),
            tensor,
            source_shape: self.shape(tensor),
            source_type: SourceType::I8,
            perm: None,
            rounding: BoundaryRounding::HalfEven,
        }
    }
}
