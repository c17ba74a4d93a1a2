//! Random artifacts that the verifier accepts: every operator, all ranks, shared constants, views, rings of rows.
//!
//! Included by the tests of `tanbo-format` and of `tanbo`. All choices come from an `Unstructured`, so that a failing
//! case shrinks with its bytes: no bytes give the smallest artifact.
#![allow(dead_code, reason = "each test uses a part")]

mod wide;

use arbitrary::{Result, Unstructured};
use tanbo_format::emit::{Artifact, ConstData, StateStart, StepSpec, StorageSpec, TensorSpec};
use tanbo_format::{ElementType, Family, MAX_RANK, Op};
use tanbo_quant::Rounding;
use wide::{is_binary, is_wide, is_windowed};

/// Larger tensors are not made.
const MAX_ELEMENTS: u32 = 6000;

/// A step without its operands, and what it writes.
struct Applied {
    attrs: Vec<i32>,
    consts: Vec<ConstData>,
    shape: Vec<u32>,
    ty: ElementType,
}

struct Generator<'u, 'b> {
    u: &'u mut Unstructured<'b>,
    /// For weights and tables, of which there is more than there are choices.
    rng: fastrand::Rng,
    artifact: Artifact,
    /// Tensors that a later chain may read.
    readable: Vec<u16>,
}

/// Returns an artifact of 1 to 8 chains.
pub fn artifact(u: &mut Unstructured<'_>) -> Result<Artifact> {
    let mut generator = Generator::new(u)?;
    let chains = generator.upto(1, 8)?;
    for _ in 0..chains {
        if generator.u.ratio(1, 8)? {
            generator.state()?;
        }
        if generator.u.ratio(1, 4)? {
            generator.write_state()?;
        }
        if generator.u.ratio(2, 3)? {
            generator.single_step()?;
        } else {
            generator.row_chain()?;
        }
    }
    generator.finish()
}

/// Returns an artifact of one chain of 2 to 5 steps that work row by row, with a ring wherever one can be.
pub fn row_chain(u: &mut Unstructured<'_>) -> Result<Artifact> {
    let mut generator = Generator::new(u)?;
    while generator.artifact.chains.is_empty() {
        generator.row_chain()?;
    }
    generator.finish()
}

/// Returns the same steps, each a chain of its own between whole tensors.
pub fn whole(artifact: &Artifact) -> Artifact {
    let mut whole = artifact.clone();
    whole.chains = vec![1; whole.steps.len()];
    for storage in &mut whole.storages {
        if let StorageSpec::Arena { ring_rows, .. } = storage {
            *ring_rows = 0;
        }
    }
    place(&mut whole);
    whole
}

/// Returns how many elements and products the steps of a model handle, at most.
pub fn work(model: &tanbo_format::Model<'_>) -> u64 {
    let elements = |tensor: u16| model.tensor(tensor).map_or(0, |t| t.elements() as u64);
    let mut total = 0u64;
    for step in (0..model.step_count() as u16).filter_map(|number| model.step(number)) {
        let taps = match step.op {
            op if op.has_weights() => {
                let length = |index: usize| step.constant(index).map_or(0, |values| values.len() as u64);
                // Four bits each in the worst case.
                2 * length(0) / length(1).max(1)
            }
            op if is_windowed(op) => step.attrs.iter().take(2).map(|&k| k.max(1) as u64).product(),
            op if op.states() > 0 => (0..2).filter_map(|i| step.constant(i)).map(|c| c.len() as u64).sum(),
            Op::BatchMatmul | Op::BatchMatmulI16 => step.inputs.iter().map(|&t| elements(t)).max().unwrap_or(1),
            _ => 1,
        };
        let inputs: u64 = step.inputs.iter().map(|&t| elements(t)).sum();
        total = total.saturating_add(elements(step.output).saturating_mul(taps.max(1))).saturating_add(inputs);
    }
    total
}

impl<'u, 'b> Generator<'u, 'b> {
    fn new(u: &'u mut Unstructured<'b>) -> Result<Self> {
        let rng = fastrand::Rng::with_seed(u.arbitrary()?);
        let family = *u.choose(Family::ALL)?;
        let artifact = Artifact {
            family,
            storages: Vec::new(),
            tensors: Vec::new(),
            steps: Vec::new(),
            chains: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            source_macs: u.arbitrary()?,
            hops: None,
            front_end: u.arbitrary()?,
            card: u.arbitrary()?,
            signature: u.arbitrary()?,
        };
        let mut generator = Self { u, rng, artifact, readable: Vec::new() };
        // Always an image; sometimes something else besides.
        let image = vec![1, generator.upto(1, 14)? as u32, generator.upto(1, 7)? as u32, generator.upto(1, 4)? as u32];
        let ty = *generator.u.choose(&[ElementType::I8, ElementType::I16])?;
        generator.input(image, ty)?;
        if generator.u.ratio(1, 3)? {
            let rank = generator.upto(0, MAX_RANK)?;
            let shape = (0..rank).map(|_| Ok(generator.upto(1, 3)? as u32)).collect::<Result<_>>()?;
            let types = [ElementType::I8, ElementType::U8, ElementType::I16, ElementType::I32];
            let ty = *generator.u.choose(&types)?;
            generator.input(shape, ty)?;
        }
        Ok(generator)
    }

    fn finish(mut self) -> Result<Artifact> {
        let state = |a: &Artifact, t: u16| matches!(a.storages[usize::from(t)], StorageSpec::State { .. });
        let last = self.artifact.steps.iter().rev().find(|step| !state(&self.artifact, step.output));
        let Some(last) = last else {
            // Every step was too large, or wrote a state: a model that hands its input on.
            self.artifact.outputs = self.artifact.inputs.clone();
            place(&mut self.artifact);
            return Ok(self.artifact);
        };
        self.artifact.outputs.push(last.output);
        for &tensor in &self.readable {
            let arena = matches!(self.artifact.storages[usize::from(tensor)], StorageSpec::Arena { .. });
            if arena && tensor != self.artifact.outputs[0] && self.u.ratio(1, 4)? {
                self.artifact.outputs.push(tensor);
            }
        }
        place(&mut self.artifact);
        Ok(self.artifact)
    }

    fn upto(&mut self, low: usize, high: usize) -> Result<usize> {
        self.u.int_in_range(low..=high)
    }

    fn word(&mut self, low: i32, high: i32) -> Result<i32> {
        self.u.int_in_range(low..=high)
    }

    /// Adds a tensor with a storage of its own.
    fn tensor(&mut self, name: &str, shape: Vec<u32>, ty: ElementType, data: Option<Vec<u8>>) -> Result<u16> {
        let (low, high) = ty.range();
        let index = self.artifact.tensors.len() as u16;
        let scale = f32::from(self.u.arbitrary::<u8>()?) / 64.0;
        let zero_point = self.word(low, high)?;
        self.artifact.tensors.push(TensorSpec { name: name.into(), ty, shape, scale, zero_point, storage: index });
        self.artifact.storages.push(match data {
            Some(data) => StorageSpec::Constant(data),
            None => StorageSpec::Arena { offset: 0, bytes: 0, ring_rows: 0, chains: (0, 0) },
        });
        Ok(index)
    }

    fn input(&mut self, shape: Vec<u32>, ty: ElementType) -> Result<()> {
        let name = format!("x{}·{}", self.artifact.inputs.len(), ty.name());
        let tensor = self.tensor(&name, shape, ty, None)?;
        self.artifact.inputs.push(tensor);
        self.readable.push(tensor);
        Ok(())
    }

    fn bytes(&mut self, count: u32) -> Vec<u8> {
        let mut bytes = vec![0; count as usize];
        self.rng.fill(&mut bytes);
        bytes
    }

    fn weights(&mut self, count: u32) -> ConstData {
        ConstData::I8(self.bytes(count).iter().map(|&b| b as i8).collect())
    }

    /// Weights of four bits: of an odd number the last byte has a zero half.
    fn weights_i4(&mut self, count: u32) -> ConstData {
        let mut bytes = self.bytes(count.div_ceil(2));
        if let (Some(last), false) = (bytes.last_mut(), count.is_multiple_of(2)) {
            *last &= 15;
        }
        ConstData::I8(bytes.iter().map(|&b| b as i8).collect())
    }

    /// Picks a tensor that a new chain may read.
    fn pick(&mut self, wanted: impl Fn(&TensorSpec) -> bool) -> Result<Option<u16>> {
        let tensors = &self.artifact.tensors;
        let fit: Vec<u16> = self.readable.iter().copied().filter(|&t| wanted(&tensors[usize::from(t)])).collect();
        if fit.is_empty() { Ok(None) } else { Ok(Some(*self.u.choose(&fit)?)) }
    }

    /// Adds a chain of one step, of any operator; nothing where the result would be large.
    fn single_step(&mut self) -> Result<()> {
        let op = *self.u.choose(Op::ALL)?;
        let rounding = *self.u.choose(&[Rounding::Single, Rounding::Tflite])?;
        let moves_bytes = matches!(op, Op::Pad | Op::Concat | Op::Slice | Op::Transpose | Op::Gather);
        let ordered = matches!(op, Op::Minimum | Op::Maximum | Op::ReduceMax | Op::ReduceMin);
        let windowed = is_windowed(op) || op == Op::ResizeBilinear;
        let picked = self.pick(|t| {
            let ty = match op {
                Op::Requantize => t.ty != ElementType::I32,
                op if is_wide(op) => t.ty == ElementType::I16,
                Op::LstmI16 | Op::GruI16 => t.ty == ElementType::I16,
                _ if ordered => matches!(t.ty, ElementType::I8 | ElementType::I16),
                _ => moves_bytes || t.ty == ElementType::I8,
            };
            let least_rank = match op {
                Op::Softmax | Op::SoftmaxI16 | Op::Concat | Op::Gather | Op::L2Norm => 1,
                Op::BatchMatmul | Op::BatchMatmulI16 => 2,
                _ => 0,
            };
            ty && t.shape.len() >= least_rank && (!windowed || t.shape.len() == 4)
        })?;
        let Some(x) = picked else { return Ok(()) };
        let mut inputs = vec![x];
        match op {
            op if is_binary(op) => {
                inputs.push(self.second_operand(x)?);
                if self.u.ratio(1, 2)? {
                    inputs.reverse();
                }
            }
            Op::Concat => inputs = vec![x; self.upto(1, 3)?],
            Op::BatchMatmul | Op::BatchMatmulI16 => inputs.push(self.second_matrix(x)?),
            _ => {}
        }
        if op.states() > 0 {
            return self.stateful_step(op, rounding, x);
        }
        let Some(applied) = self.apply(op, rounding, &inputs)? else { return Ok(()) };
        let output = self.step(op, rounding, inputs, applied)?;
        self.artifact.chains.push(1);
        self.readable.push(output);
        if self.u.ratio(1, 6)? {
            // A view: the same elements in one axis.
            let spec = &self.artifact.tensors[usize::from(output)];
            let view = TensorSpec { shape: vec![spec.shape.iter().product()], name: String::new(), ..spec.clone() };
            self.readable.push(self.artifact.tensors.len() as u16);
            // Storage numbers equal tensor numbers: one that no tensor has keeps them so.
            self.artifact.storages.push(StorageSpec::Constant(Vec::new()));
            self.artifact.tensors.push(view);
        }
        Ok(())
    }

    /// Adds a chain of one step with states of its own, on a view of `x`.
    fn stateful_step(&mut self, op: Op, rounding: Rounding, x: u16) -> Result<()> {
        let spec = self.artifact.tensors[usize::from(x)].clone();
        let elements: u32 = spec.shape.iter().product();
        let divisors: Vec<u32> = (1..=elements.min(8)).filter(|&d| elements.is_multiple_of(d)).collect();
        let rows = *self.u.choose(&divisors)?;
        let (inputs, units) = (elements / rows, self.upto(1, 4)? as u32);
        if inputs > 200 {
            return Ok(());
        }
        let wide = spec.ty == ElementType::I16;
        let (ty, svdf) = (spec.ty, op == Op::Svdf);
        let view = self.view(x, if svdf { vec![rows, inputs] } else { vec![1, rows, inputs] });
        let mut zero_point = || if wide { Ok(0) } else { self.u.int_in_range(-128..=127) };
        let mut attrs: Vec<i32>;
        let mut consts;
        let mut states = Vec::new();
        let mut scratch = None;
        if svdf {
            let zero_points = [zero_point()?, zero_point()?, zero_point()?];
            let (rank, memory) = (self.upto(1, 3)? as u32, self.upto(1, 4)? as u32);
            let filters = units * rank;
            attrs = [&[rank as i32][..], &zero_points].concat();
            attrs.extend(self.multiplier()?);
            attrs.extend(self.multiplier()?);
            let times = (0..filters * memory).map(|_| self.rng.i16(..)).collect();
            let bias = (0..units).map(|_| self.rng.i32(..)).collect();
            consts = vec![self.weights(filters * inputs), ConstData::I16(times), ConstData::I32(bias)];
            let state_ty = *self.u.choose(&[ElementType::I8, ElementType::I16])?;
            states.push(self.state_of(vec![rows, filters * memory], state_ty)?);
        } else {
            let zero_points = [zero_point()?, zero_point()?];
            let flags: [i32; 3] = [self.word(0, 1)?, self.word(0, 1)?, self.word(0, 1)?];
            let lstm = matches!(op, Op::Lstm | Op::LstmI16);
            let gates = if lstm { 4 } else { 3 };
            let batch = if flags[0] == 1 { rows } else { 1 };
            let linear = self.u.ratio(1, 2)?;
            attrs = flags.to_vec();
            if !lstm {
                attrs.push(i32::from(linear));
            }
            attrs.extend(zero_points);
            for _ in 0..if lstm { 3 } else { 2 } {
                attrs.extend(self.multiplier()?);
            }
            if lstm {
                attrs.extend([self.word(0, 15)?, *self.u.choose(&[0, 1, 5000, 32767])?]);
            }
            consts = vec![self.weights(gates * units * inputs), self.weights(gates * units * units)];
            consts.push(self.biases(gates * units, wide));
            if !lstm {
                consts.push(self.biases(if linear { units } else { 0 }, wide));
            }
            for _ in 0..2 {
                let count = if self.u.ratio(1, 2)? { gates } else { gates * units };
                consts.push(ConstData::I32((0..count).map(|_| self.rng.i32(1 << 30..)).collect()));
                consts.push(ConstData::I8((0..count).map(|_| self.rng.i8(-12..=0)).collect()));
            }
            states.push(self.state_of(vec![batch, units], ty)?);
            if lstm {
                states.push(self.state_of(vec![batch, units], ElementType::I16)?);
            } else if !linear {
                scratch = Some(self.tensor("", vec![units], ElementType::I16, None)?);
            }
        }
        let shape = if svdf { vec![rows, units] } else { vec![1, rows, units] };
        let output = self.tensor("", shape, ty, None)?;
        let inputs = vec![view];
        self.artifact.steps.push(StepSpec { op, variant: 0, rounding, inputs, states, output, consts, attrs, scratch });
        self.artifact.chains.push(1);
        self.readable.push(output);
        Ok(())
    }

    fn biases(&mut self, count: u32, wide: bool) -> ConstData {
        let biases = (0..count).map(|_| self.rng.i32(-20_000..20_000));
        if wide { ConstData::I64(biases.map(i64::from).collect()) } else { ConstData::I32(biases.collect()) }
    }

    /// Adds a view of `tensor`: the same elements in another shape.
    fn view(&mut self, tensor: u16, shape: Vec<u32>) -> u16 {
        let spec = &self.artifact.tensors[usize::from(tensor)];
        let view = TensorSpec { shape, name: String::new(), ..spec.clone() };
        // Storage numbers equal tensor numbers: one that no tensor has keeps them so.
        self.artifact.storages.push(StorageSpec::Constant(Vec::new()));
        self.artifact.tensors.push(view);
        self.artifact.tensors.len() as u16 - 1
    }

    /// Adds a state.
    fn state_of(&mut self, shape: Vec<u32>, ty: ElementType) -> Result<u16> {
        let bytes = shape.iter().product::<u32>() * ty.bytes() as u32;
        let start = if self.u.ratio(1, 2)? {
            StateStart::Fill(self.u.arbitrary()?)
        } else {
            // Whole, or a part of it over and over.
            let part = if self.u.ratio(1, 3)? && bytes.is_multiple_of(2) { bytes / 2 } else { bytes };
            StateStart::Image(self.bytes(part))
        };
        let tensor = self.tensor("", shape, ty, None)?;
        self.artifact.storages[usize::from(tensor)] = StorageSpec::State { offset: 0, bytes, start };
        Ok(tensor)
    }

    /// Adds a state of the type and shape of some tensor, which later chains may read.
    fn state(&mut self) -> Result<()> {
        let Some(like) = self.pick(|t| !t.shape.is_empty())? else { return Ok(()) };
        let TensorSpec { shape, ty, .. } = self.artifact.tensors[usize::from(like)].clone();
        let tensor = self.state_of(shape, ty)?;
        self.readable.push(tensor);
        Ok(())
    }

    /// Adds a chain that copies some tensor to a state.
    fn write_state(&mut self) -> Result<()> {
        let states: Vec<u16> = (0..self.artifact.storages.len() as u16)
            .filter(|&s| matches!(self.artifact.storages[usize::from(s)], StorageSpec::State { .. }))
            .collect();
        if states.is_empty() {
            return Ok(());
        }
        let state = *self.u.choose(&states)?;
        let spec = self.artifact.tensors[usize::from(state)].clone();
        let picked = self.pick(|t| t.storage != state && t.ty == spec.ty && t.shape == spec.shape)?;
        let Some(x) = picked else { return Ok(()) };
        self.artifact.steps.push(StepSpec {
            op: Op::Concat,
            variant: 0,
            rounding: Rounding::Single,
            inputs: vec![x],
            states: vec![],
            output: state,
            consts: vec![],
            attrs: vec![0],
            scratch: None,
        });
        self.artifact.chains.push(1);
        Ok(())
    }

    /// Adds a chain of 2 to 5 steps that work row by row.
    fn row_chain(&mut self) -> Result<()> {
        let image =
            |t: &TensorSpec| matches!(t.ty, ElementType::I8 | ElementType::I16) && matches!(t.shape[..], [1, _, _, _]);
        let first = self.pick(image)?;
        let Some(mut x) = first else { return Ok(()) };
        let wanted = self.upto(2, 5)?;
        let begin = self.artifact.steps.len();
        while self.artifact.steps.len() < begin + wanted {
            let wide = self.artifact.tensors[usize::from(x)].ty == ElementType::I16;
            let fits = |op: &Op| op.is_row_wise() && (is_wide(*op) == wide || *op == Op::Requantize);
            let rows: Vec<Op> = Op::ALL.iter().copied().filter(fits).collect();
            let op = *self.u.choose(&rows)?;
            let rounding = *self.u.choose(&[Rounding::Single, Rounding::Tflite])?;
            // A result that the next step can take.
            let applied = self.apply(op, rounding, &[x])?;
            let Some(applied) = applied.filter(|a| a.ty != ElementType::U8) else { break };
            let place = self.artifact.steps.len() - begin;
            if place > 0 && self.u.ratio(3, 4)? {
                let window = match op {
                    Op::TransposeConv2d | Op::TransposeConv2dI16 => {
                        (applied.attrs[0] - 1) * applied.attrs[4] / applied.attrs[2] + 1
                    }
                    op if op.has_weights() => (applied.attrs[0] - 1) * applied.attrs[4] + 1,
                    op if is_windowed(op) => applied.attrs[0],
                    _ => 1,
                };
                let height = self.artifact.tensors[usize::from(x)].shape[1];
                // Mostly as few rows as the window needs; more rows than the image has are possible, too.
                let more = if self.u.ratio(2, 3)? { 0 } else { self.upto(1, 3)? };
                if let StorageSpec::Arena { ring_rows, .. } = &mut self.artifact.storages[usize::from(x)] {
                    *ring_rows = (window as u32).min(height) as u16 + more as u16;
                }
            }
            x = self.step(op, rounding, vec![x], applied)?;
        }
        let steps = (self.artifact.steps.len() - begin) as u16;
        if steps > 0 {
            self.artifact.chains.push(steps);
            self.readable.push(x);
        }
        Ok(())
    }

    fn step(&mut self, op: Op, rounding: Rounding, inputs: Vec<u16>, applied: Applied) -> Result<u16> {
        let output = self.tensor("", applied.shape, applied.ty, None)?;
        let (attrs, consts) = (applied.attrs, applied.consts);
        self.artifact.steps.push(StepSpec {
            op,
            variant: 0,
            rounding,
            inputs,
            states: vec![],
            output,
            consts,
            attrs,
            scratch: None,
        });
        Ok(output)
    }

    /// Returns a tensor to combine with `x`: itself, or a constant that repeats along some axes.
    fn second_operand(&mut self, x: u16) -> Result<u16> {
        if self.u.ratio(1, 3)? {
            return Ok(x);
        }
        let shape = self.artifact.tensors[usize::from(x)].shape.clone();
        let missing = self.upto(0, shape.len())?;
        let mut own = shape[missing..].to_vec();
        for length in &mut own {
            if *length == 1 {
                *length = self.upto(1, 2)? as u32;
            } else if self.u.ratio(1, 2)? {
                *length = 1;
            }
        }
        let ty = self.artifact.tensors[usize::from(x)].ty;
        let bytes = self.bytes(own.iter().product::<u32>() * ty.bytes() as u32);
        self.tensor("", own, ty, Some(bytes))
    }

    /// Returns a tensor that `x` can be multiplied with: itself, or constant matrices of as many rows as `x` has columns.
    fn second_matrix(&mut self, x: u16) -> Result<u16> {
        if self.u.ratio(1, 3)? {
            return Ok(x);
        }
        let mut shape = self.artifact.tensors[usize::from(x)].shape.clone();
        let rank = shape.len();
        for length in &mut shape[..rank - 2] {
            if self.u.ratio(1, 2)? {
                *length = if *length == 1 { self.upto(1, 2)? as u32 } else { 1 };
            }
        }
        shape[rank - 2] = shape[rank - 1];
        shape[rank - 1] = self.upto(1, 4)? as u32;
        let missing = self.upto(0, rank - 2)?;
        let own = shape.split_off(missing);
        let ty = self.artifact.tensors[usize::from(x)].ty;
        let bytes = self.bytes(own.iter().product::<u32>() * ty.bytes() as u32);
        self.tensor("", own, ty, Some(bytes))
    }

    fn multiplier(&mut self) -> Result<[i32; 2]> {
        // Mostly one that leaves something between the bounds.
        if self.u.ratio(1, 8)? {
            let mantissa = *self.u.choose(&[0, 1, 1 << 30, i32::MAX])?;
            return Ok([mantissa, self.word(-31, 30)?]);
        }
        Ok([self.word(1 << 30, i32::MAX)?, self.word(-12, 0)?])
    }

    fn bounds(&mut self, ty: ElementType) -> Result<[i32; 2]> {
        let (low, high) = ty.range();
        if self.u.ratio(3, 4)? {
            return Ok([low, high]);
        }
        let low = self.word(low, high)?;
        Ok([low, self.word(low, high)?])
    }

    fn zero_point(&mut self, ty: ElementType) -> Result<i32> {
        let (low, high) = ty.range();
        self.word(low, high)
    }

    /// Returns zero points of input and output, and bounds.
    fn range(&mut self) -> Result<[i32; 4]> {
        let [low, high] = self.bounds(ElementType::I8)?;
        Ok([self.zero_point(ElementType::I8)?, self.zero_point(ElementType::I8)?, low, high])
    }

    /// Returns bias, mantissas and shifts of `outputs` channels.
    fn channels(&mut self, outputs: u32) -> Result<[ConstData; 3]> {
        let bias = (0..outputs).map(|_| self.rng.i32(-20_000..20_000)).collect();
        let per_channel = self.u.ratio(1, 2)?;
        let [mantissa, shift] = self.multiplier()?;
        let count = if per_channel { outputs } else { 1 };
        let mantissas = (0..count).map(|c| if c == 0 { mantissa } else { self.rng.i32(1 << 30..) }).collect();
        let shifts = (0..count).map(|c| if c == 0 { shift as i8 } else { self.rng.i8(-12..-4) }).collect();
        Ok([ConstData::I32(bias), ConstData::I32(mantissas), ConstData::I8(shifts)])
    }

    /// Returns kernel, stride, dilation and padding along one axis, and the number of outputs.
    fn window(&mut self, inputs: u32, pool: bool) -> Result<[i32; 5]> {
        let kernel = self.word(1, 4)?;
        let stride = self.word(1, 5)?;
        if pool {
            let pad = self.word(0, kernel - 1)?;
            let most = (inputs as i32 + pad - 1) / stride + 1;
            return Ok([kernel, stride, 1, pad, self.word(1, most)?]);
        }
        // Outputs beyond the input are legal: they see padding only.
        let dilation = self.word(1, 3)?;
        Ok([kernel, stride, dilation, self.word(0, 7)?, self.word(1, inputs as i32 / stride + 3)?])
    }

    /// Returns the shape that is left of one: reduced axes become 1, or are dropped.
    fn reduced(&mut self, shape: &[u32], axes: i32) -> Result<Vec<u32>> {
        let reduced = |axis: usize| axes >> axis & 1 == 1;
        Ok(if self.u.ratio(1, 2)? {
            shape.iter().enumerate().map(|(axis, &d)| if reduced(axis) { 1 } else { d }).collect()
        } else {
            shape.iter().enumerate().filter(|&(axis, _)| !reduced(axis)).map(|(_, &d)| d).collect()
        })
    }

    /// Applies an operator with random attributes; nothing where the result would be large.
    fn apply(&mut self, op: Op, rounding: Rounding, inputs: &[u16]) -> Result<Option<Applied>> {
        let spec = |generator: &Self, index: usize| generator.artifact.tensors[usize::from(inputs[index])].clone();
        let x = spec(self, 0);
        let (mut shape, mut ty) = (x.shape.clone(), x.ty);
        let mut consts = Vec::new();
        let mut attrs: Vec<i32> = Vec::new();
        match op {
            // Made by `stateful_step`.
            Op::Svdf | Op::Lstm | Op::Gru | Op::LstmI16 | Op::GruI16 => return Ok(None),
            Op::Conv2d | Op::DepthwiseConv2d | Op::Conv2dI4 | Op::DepthwiseConv2dI4 | Op::TransposeConv2d => {
                let [kh, sh, dh, ph, oh] = self.window(shape[1], false)?;
                let [kw, sw, dw, pw, ow] = self.window(shape[2], false)?;
                attrs.extend([kh, kw, sh, sw, dh, dw, ph, pw]);
                attrs.extend(self.range()?);
                let inputs = shape[3];
                let (outputs, count);
                if matches!(op, Op::DepthwiseConv2d | Op::DepthwiseConv2dI4) {
                    outputs = inputs * self.upto(1, 3)? as u32;
                    count = (kh * kw) as u32 * outputs;
                } else {
                    let groups = if self.u.ratio(3, 4)? { 1 } else { inputs };
                    outputs = groups * self.upto(1, 4)? as u32;
                    attrs.push(groups as i32);
                    count = outputs * (kh * kw) as u32 * (inputs / groups);
                }
                let four_bits = matches!(op, Op::Conv2dI4 | Op::DepthwiseConv2dI4);
                consts.push(if four_bits { self.weights_i4(count) } else { self.weights(count) });
                consts.extend(self.channels(outputs)?);
                shape = vec![shape[0], oh as u32, ow as u32, outputs];
            }
            Op::FullyConnected | Op::FullyConnectedI4 => {
                attrs.extend(self.range()?);
                let elements: u32 = shape.iter().product();
                let last = shape.last().copied().unwrap_or(1);
                let inputs = *self.u.choose(&[last, elements])?;
                let outputs = self.upto(1, 5)? as u32;
                if op == Op::FullyConnectedI4 {
                    attrs.push(inputs as i32);
                    consts.push(self.weights_i4(outputs * inputs));
                } else {
                    consts.push(self.weights(outputs * inputs));
                }
                consts.extend(self.channels(outputs)?);
                shape = vec![elements / inputs, outputs];
            }
            Op::BatchMatmul => {
                let other = spec(self, 1).shape;
                let rank = shape.len();
                // `x` with itself needs one of the two transposed.
                let transposed = if inputs[0] == inputs[1] { self.word(0, 1)? } else { 2 };
                attrs.extend(match transposed {
                    0 => [1, 0],
                    1 => [0, 1],
                    _ => [0, 0],
                });
                for _ in 0..3 {
                    attrs.push(self.zero_point(ElementType::I8)?);
                }
                attrs.extend(self.multiplier()?);
                attrs.extend(self.bounds(ElementType::I8)?);
                let mut joined: Vec<u32> = shape[..rank - 2].to_vec();
                for (length, &own) in joined.iter_mut().rev().zip(other[..other.len() - 2].iter().rev()) {
                    *length = (*length).max(own);
                }
                joined.extend(match transposed {
                    0 => [shape[rank - 1]; 2],
                    1 => [shape[rank - 2]; 2],
                    _ => [shape[rank - 2], other[other.len() - 1]],
                });
                shape = joined;
            }
            Op::AveragePool2d | Op::MaxPool2d => {
                let [kh, sh, _, ph, oh] = self.window(shape[1], true)?;
                let [kw, sw, _, pw, ow] = self.window(shape[2], true)?;
                attrs.extend([kh, kw, sh, sw, ph, pw]);
                if op == Op::MaxPool2d {
                    attrs.extend(self.bounds(ElementType::I8)?);
                } else {
                    attrs.extend(self.range()?);
                    let count = if rounding == Rounding::Single { kh * kw } else { 0 };
                    consts.push(ConstData::I32((1..=count).map(|n| i32::MAX / n).collect()));
                    consts.push(ConstData::I8(vec![0; count as usize]));
                }
                shape = vec![shape[0], oh as u32, ow as u32, shape[3]];
            }
            Op::Mean => {
                let axes = self.word(0, (1 << shape.len()) - 1)?;
                attrs.push(axes);
                let [zx, zy, low, high] = self.range()?;
                attrs.extend([zx, zy]);
                attrs.extend(self.multiplier()?);
                attrs.extend([low, high]);
                shape = self.reduced(&shape, axes)?;
            }
            Op::ReduceMax | Op::ReduceMin => {
                let axes = self.word(0, (1 << shape.len()) - 1)?;
                attrs.push(axes);
                shape = self.reduced(&shape, axes)?;
            }
            Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Minimum | Op::Maximum | Op::SquaredDifference => {
                if !matches!(op, Op::Minimum | Op::Maximum) {
                    for _ in 0..3 {
                        attrs.push(self.zero_point(ElementType::I8)?);
                    }
                    if !matches!(op, Op::Mul | Op::Div) {
                        let (most, scale) = if op == Op::SquaredDifference { (7, -1) } else { (20, 0) };
                        attrs.push(self.word(0, most)?);
                        for _ in 0..2 {
                            let [mantissa, shift] = self.multiplier()?;
                            attrs.extend([mantissa, shift.min(scale)]);
                        }
                    }
                    attrs.extend(self.multiplier()?);
                    attrs.extend(self.bounds(ElementType::I8)?);
                }
                let other = spec(self, 1).shape;
                let (long, short) = if shape.len() >= other.len() { (&shape, &other) } else { (&other, &shape) };
                let mut joined = long.clone();
                for (length, &own) in joined.iter_mut().rev().zip(short.iter().rev()) {
                    *length = (*length).max(own);
                }
                shape = joined;
            }
            Op::Lut => consts.push(self.weights(256)),
            Op::Softmax => {
                let zero_point = self.zero_point(ElementType::I8)?;
                if rounding == Rounding::Tflite {
                    if shape.last().is_some_and(|&length| length > 511) {
                        return Ok(None);
                    }
                    let shift = self.word(0, 30)?;
                    let widest = 31 << 26 >> shift;
                    attrs.extend([self.word(0, i32::MAX)?, shift, -self.word(0, widest)?, zero_point]);
                    consts.push(ConstData::I32(Vec::new()));
                } else {
                    let [mantissa, shift] = self.multiplier()?;
                    attrs.extend([mantissa, shift, 0, zero_point]);
                    let scale = f64::from(self.word(1, 100)?) / 100.0;
                    let entry = |d: i32| ((-scale * f64::from(d)).exp() * f64::from(1 << 23)).round() as i32;
                    consts.push(ConstData::I32((0..256).map(entry).collect()));
                }
            }
            Op::Pad => {
                attrs = vec![0; MAX_RANK];
                for (before, length) in attrs.iter_mut().zip(&mut shape) {
                    *before = self.u.int_in_range(0..=2)?;
                    *length += *before as u32 + self.u.int_in_range(0..=2)?;
                }
                attrs.push(self.zero_point(ty)?);
            }
            Op::Concat => {
                let axis = self.upto(0, shape.len() - 1)?;
                attrs.push(axis as i32);
                shape[axis] *= inputs.len() as u32;
            }
            Op::Slice => {
                attrs = vec![0; 2 * MAX_RANK];
                for (axis, length) in shape.iter_mut().enumerate() {
                    let inputs = *length as i32;
                    let begin = self.u.int_in_range(0..=inputs - 1)?;
                    let stride = self.u.int_in_range(-inputs..=inputs)?;
                    let most = match stride {
                        0 => 3,
                        1.. => (inputs - 1 - begin) / stride + 1,
                        _ => begin / -stride + 1,
                    };
                    *length = self.u.int_in_range(1..=most)? as u32;
                    (attrs[axis], attrs[MAX_RANK + axis]) = (begin, stride);
                }
            }
            Op::Transpose => {
                attrs = vec![0; MAX_RANK];
                let mut axes: Vec<usize> = (0..shape.len()).collect();
                for axis in 0..axes.len() {
                    let other = self.upto(axis, axes.len() - 1)?;
                    axes.swap(axis, other);
                    attrs[axis] = axes[axis] as i32;
                }
                shape = axes.iter().map(|&axis| x.shape[axis]).collect();
            }
            Op::L2Norm => attrs.extend(self.range()?),
            Op::LayerNorm => {
                let length = shape.last().copied().unwrap_or(1);
                let [zx, zy, low, high] = self.range()?;
                attrs.extend([self.word(0, 1)?, zx, zy, 2 * self.word(0, 8)?, self.word(0, 1 << 20)?]);
                attrs.extend([self.word(0, i32::MAX)?, self.word(0, 30)?, self.word(22, 52)?, low, high]);
                consts.push(ConstData::I32((0..length).map(|_| self.rng.i32(..)).collect()));
                consts.push(ConstData::I32((0..length).map(|_| self.rng.i32(..)).collect()));
            }
            Op::Gather => {
                let axis = self.upto(0, shape.len() - 1)?;
                attrs.push(axis as i32);
                let (inputs, count) = (shape[axis] as i32, self.upto(1, 7)?);
                consts.push(ConstData::I32((0..count).map(|_| self.rng.i32(0..inputs)).collect()));
                shape[axis] = count as u32;
            }
            Op::ResizeBilinear => {
                attrs.extend([self.word(1, 1 << 12)?, self.word(1, 1 << 11)?]);
                for axis in 0..2 {
                    let (inputs, unit, count) = (shape[1 + axis] as i32, attrs[axis], self.upto(1, 7)?);
                    consts.push(ConstData::I32((0..count).map(|_| self.rng.i32(0..inputs)).collect()));
                    consts.push(ConstData::I32((0..count).map(|_| self.rng.i32(0..=unit)).collect()));
                    shape[1 + axis] = count as u32;
                }
                let [zx, zy, low, high] = self.range()?;
                attrs.extend([zx, zy]);
                attrs.extend(self.multiplier()?);
                attrs.extend([low, high]);
            }
            Op::Requantize => {
                ty = *self.u.choose(&[ElementType::I8, ElementType::U8, ElementType::I16])?;
                attrs.extend([self.zero_point(x.ty)?, self.zero_point(ty)?]);
                attrs.extend(self.multiplier()?);
                attrs.extend(self.bounds(ty)?);
            }
            Op::Conv2dI16
            | Op::DepthwiseConv2dI16
            | Op::FullyConnectedI16
            | Op::AveragePool2dI16
            | Op::MaxPool2dI16
            | Op::MeanI16
            | Op::AddI16
            | Op::SubI16
            | Op::MulI16
            | Op::TransposeConv2dI16
            | Op::BatchMatmulI16
            | Op::LutI16
            | Op::SigmoidI16
            | Op::SoftmaxI16 => return self.apply_wide(op, rounding, inputs),
        }
        let elements = shape.iter().try_fold(1u32, |n, &d| n.checked_mul(d)).unwrap_or(u32::MAX);
        Ok((elements <= MAX_ELEMENTS).then_some(Applied { attrs, consts, shape, ty }))
    }
}

/// Gives every storage in the arena its length, its lifetime, and the lowest offset where it meets no living one.
pub fn place(artifact: &mut Artifact) {
    let last = artifact.chains.len().saturating_sub(1) as u16;
    let mut life: Vec<Option<(u16, u16)>> = vec![None; artifact.storages.len()];
    let storage_of = |tensor: u16| usize::from(artifact.tensors[usize::from(tensor)].storage);
    let mut touch = |storage: usize, chain: u16| {
        let (first, end) = life[storage].get_or_insert((chain, chain));
        (*first, *end) = ((*first).min(chain), (*end).max(chain));
    };
    let mut steps = artifact.steps.iter();
    for (chain, &count) in artifact.chains.iter().enumerate() {
        for step in steps.by_ref().take(usize::from(count)) {
            let tensors =
                step.inputs.iter().chain(&step.states).chain([&step.output]).map(|&tensor| storage_of(tensor));
            tensors.chain(step.scratch.map(usize::from)).for_each(|storage| touch(storage, chain as u16));
        }
    }
    artifact.inputs.iter().for_each(|&tensor| touch(storage_of(tensor), 0));
    artifact.outputs.iter().for_each(|&tensor| touch(storage_of(tensor), last));
    let mut placed: Vec<(u32, u32, (u16, u16))> = Vec::new();
    for (index, storage) in artifact.storages.iter_mut().enumerate() {
        let own = life[index].unwrap_or((0, 0));
        let (offset, bytes, ring_rows, chains) = match storage {
            StorageSpec::Arena { offset, bytes, ring_rows, chains } => {
                *chains = own;
                (offset, bytes, *ring_rows, own)
            }
            StorageSpec::State { offset, bytes, .. } => (offset, bytes, 0, (0, last)),
            StorageSpec::Constant(_) => continue,
        };
        if let Some(tensor) = artifact.tensors.iter().find(|t| usize::from(t.storage) == index) {
            let mut shape = tensor.shape.clone();
            if let (1.., Some(rows)) = (ring_rows, shape.get_mut(1)) {
                *rows = (*rows).min(u32::from(ring_rows));
            }
            *bytes = shape.iter().product::<u32>() * tensor.ty.bytes() as u32;
        }
        let mut taken: Vec<(u32, u32)> = placed
            .iter()
            .filter(|(_, _, other)| other.0 <= chains.1 && chains.0 <= other.1)
            .map(|&(start, end, _)| (start, end))
            .collect();
        taken.sort_unstable();
        *offset = 0;
        for (start, end) in taken {
            if *offset + *bytes <= start {
                break;
            }
            *offset = (*offset).max(end.next_multiple_of(4));
        }
        placed.push((*offset, *offset + *bytes, chains));
        if let StorageSpec::State { bytes, start: StateStart::Image(image), .. } = storage {
            // What still divides the state stays.
            if image.is_empty() || !(*bytes as usize).is_multiple_of(image.len()) {
                image.resize(*bytes as usize, 7);
            }
        }
    }
}
