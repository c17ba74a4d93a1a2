//! From an artifact to the module that holds it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Result};
use tanbo::included::{self, Params, Part};
use tanbo_format::Model;
use tanbo_format::emit::Aligned;
use tanbo_format::schedule::Schedule;

use crate::emit::{Constants, Emit, path_of};
use crate::input::Input;

/// Returns the module.
pub fn module(input: &Input) -> Result<TokenStream> {
    let Input { visibility, name, path, span, tracked } = input;
    let fail = |what: &dyn std::fmt::Display| Error::new(*span, format!("{}: {what}", path.display()));
    let bytes = Aligned::new(&std::fs::read(path).map_err(|error| fail(&error))?);
    let model = Model::parse(&bytes).map_err(|error| fail(&error))?;
    let file = path.to_str().ok_or_else(|| fail(&"the path is not UTF-8"))?;
    let plan = Plan::of(&model).ok_or_else(|| fail(&"a step that the engine does not decode"))?;

    let Plan { steps, chains, states, inputs, outputs, front_end, operators: [portable, packed] } = plan;
    let lifetimes = lifetimes(&model).ok_or_else(|| fail(&"storages beyond the format's limits"))?;
    let (artifact_bytes, step_count) = (bytes.len(), steps.len());
    let arena_bytes = u32::try_from(model.arena_bytes()).map_err(|error| fail(&error))?;
    let constants = model.constants();
    let offset = constants.as_ptr().addr() - bytes.as_ptr().addr();
    let words = constants.len().div_ceil(size_of::<u64>());
    let (family, streamed) = (model.family() as u8, model.hops().is_some());
    let title = format!("The artifact `{}`, verified and decoded when this was compiled.", path.display());
    Ok(quote! {
        #[doc = #title]
        #[allow(dead_code, reason = "a program takes what it needs")]
        #visibility mod #name {
            use ::tanbo::included as tanbo;
            #tracked
            const FILE: &[u8; #artifact_bytes] = include_bytes!(#file);
            type Table = tanbo::Table<#family>;
            static TANBO_CONSTANTS: ::tanbo::Aligned<[u64; #words]> = ::tanbo::Aligned(tanbo::words(FILE, #offset));
            static STEPS: [tanbo::Step; #step_count] = [#(#steps),*];
            static CHAINS: &[tanbo::Chain] = &[#(#chains),*];
            /// Length of the artifact, bytes.
            pub const ARTIFACT_BYTES: usize = #artifact_bytes;
            /// Length of the arena, bytes.
            pub const ARENA_BYTES: usize = #arena_bytes as usize;
            /// The artifact.
            pub static MODEL: tanbo::Included = tanbo::Included {
                table: <Table as tanbo::kernels::Kernels>::NAME,
                available: <Table as tanbo::kernels::Kernels>::available,
                arena_bytes: #arena_bytes,
                steps: &STEPS,
                chains: CHAINS,
                states: &[#(#states),*],
                inputs: &[#(#inputs),*],
                outputs: &[#(#outputs),*],
                front_end: &[#(#front_end),*],
                streamed: #streamed,
            };
            /// What counts between two units of work: for an inference that stops half-way and is resumed.
            pub static LIFETIMES: tanbo::Lifetimes<'static> = #lifetimes;
            /// The operators of the artifact, with its kernels: for another artifact that arrives later.
            pub static OPS: ::tanbo::OpSet = ::tanbo::OpSet::from_bits::<Table>(#portable, #packed);
            /// An engine of the artifact.
            pub type Engine<'a> = ::tanbo::Engine<'static, 'a, &'static tanbo::Included>;
            /// Returns an engine that uses the first [`ARENA_BYTES`] bytes of `arena`.
            ///
            /// # Errors
            /// An arena too small or misaligned; a CPU without what the kernels need.
            pub fn engine(arena: &mut [u8]) -> Result<Engine<'_>, ::tanbo::EngineError> {
                ::tanbo::Engine::included(&MODEL, arena)
            }
        }
    })
}

/// The parts of the module that depend on the records.
struct Plan {
    steps: Vec<TokenStream>,
    chains: Vec<TokenStream>,
    states: Vec<TokenStream>,
    inputs: Vec<TokenStream>,
    outputs: Vec<TokenStream>,
    front_end: Vec<u8>,
    /// Bits of the operators with portable constants, and with packed ones.
    operators: [u64; 2],
}

impl Plan {
    fn of(model: &Model<'_>) -> Option<Self> {
        let constants = &Constants(model.constants());
        let mut operators = [0; 2];
        let mut steps = Vec::new();
        let numbers = 0..u16::try_from(model.step_count()).ok()?;
        let kinds: Vec<_> = numbers
            .clone()
            .map(|number| model.step(number).map(|step| (step.op, step.variant)))
            .collect::<Option<_>>()?;
        for (number, &(op, variant)) in numbers.zip(&kinds) {
            for (operators, bit) in operators.iter_mut().zip(included::bits(op, variant)) {
                *operators |= bit;
            }
            let only = kinds.iter().filter(|&&kind| kind == (op, variant)).count() == 1;
            steps.push(step(model, number, only, constants)?);
        }
        let mut chains = Vec::new();
        for number in 0..u16::try_from(model.chain_count()).ok()? {
            let steps = model.chain(number)?;
            let (first, count) = (steps.start, u16::try_from(steps.len()).ok()?);
            let schedule = match included::schedule_of(model, steps).ok()? {
                Some(schedule) => {
                    let schedule = self::schedule(&schedule, constants);
                    quote!(Some(&#schedule))
                }
                None => quote!(None),
            };
            chains.push(quote!(tanbo::Chain { first: #first, steps: #count, schedule: #schedule }));
        }
        let mut states = Vec::new();
        included::states(model, |state| states.push(state.emit(constants)));
        let ports = |numbers: &[u16]| {
            numbers
                .iter()
                .map(|&number| Some(included::Port::of(model, number)?.emit(constants)))
                .collect::<Option<_>>()
        };
        Some(Self {
            steps,
            chains,
            states,
            inputs: ports(model.inputs())?,
            outputs: ports(model.outputs())?,
            front_end: model.front_end().to_vec(),
            operators,
        })
    }
}

/// Returns the lifetimes of what one chain leaves to others.
fn lifetimes(model: &Model<'_>) -> Option<TokenStream> {
    let mut storages = vec![included::Lifetime::EMPTY; model.storage_count()];
    let mut steps = vec![0; model.step_count()];
    let included::Lifetimes { hash, storages, scratch } =
        included::Lifetimes::of(model, &mut storages, &mut steps).ok()?;
    let constants = &Constants(model.constants());
    let storages = storages.iter().map(|lifetime| lifetime.emit(constants));
    Some(quote! {
        tanbo::Lifetimes { hash: [#(#hash),*], storages: &[#(#storages),*], scratch: &[#(#scratch),*] }
    })
}

/// Returns step `number`; `only` says that it is the one step of its operator.
fn step(model: &Model<'_>, number: u16, only: bool, constants: &Constants<'_>) -> Option<TokenStream> {
    let step = model.step(number)?;
    let (units, operands, params) = included::decode(model, number)?;
    let operands = operands.emit(constants);
    let params = match params {
        Params::Concat(_) => {
            let mut parts = Vec::new();
            included::parts(model, number, |part: &Part<'_>| parts.push(part.emit(constants)))?;
            quote!(tanbo::ParamsRef::Concat(&tanbo::Parts::Listed(&[#(#parts),*])))
        }
        params => params.emit(constants),
    };
    let (op, variant) = (path_of(&format!("{:?}", step.op)), step.variant);
    let kernel = quote!(const { tanbo::run::<Table>(::tanbo::Op::#op, #variant) });
    let run = match only {
        true => quote!(|call| tanbo::run_only(call, #kernel, &STEPS[#number as usize])),
        false => kernel,
    };
    Some(quote!(tanbo::Step { run: #run, units: #units, operands: #operands, params: #params }))
}

fn schedule(schedule: &Schedule, constants: &Constants<'_>) -> TokenStream {
    let Schedule { places, steps, input_rows, input_ring, input_readers } = schedule;
    let places = places.iter().take(usize::from(*steps)).map(|place| place.emit(constants));
    quote! {
        tanbo::schedule::Schedule {
            places: &[#(#places),*],
            steps: #steps,
            input_rows: #input_rows,
            input_ring: #input_ring,
            input_readers: #input_readers,
        }
    }
}
