//! Values as the expressions that make them again: each type of `tanbo::included`, field by field.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use tanbo::included::kernels::{self, packing};
use tanbo::included::quant::{Multiplier, Rounding};
use tanbo::included::{
    ElementType, Extent, Lifetime, Nibbles, Operands, Pair, Params, Part, Parts, Place, Port, RowLayout, Source, Start,
    State, Stateful, Walk, schedule,
};

/// The constants section: slices of it become slices of the static that holds it.
pub struct Constants<'m>(pub &'m [u8]);

impl Constants<'_> {
    /// Returns the expression of a slice of the section; `of` is the function that takes values of its type.
    fn slice<T>(&self, of: &str, values: &[T]) -> TokenStream {
        let (of, len) = (path_of(of), values.len());
        if len == 0 {
            // At the section's alignment, which kernels ask for whatever the length.
            return quote!(tanbo::#of(&TANBO_CONSTANTS.0, 0, 0));
        }
        let offset = values.as_ptr().addr().wrapping_sub(self.0.as_ptr().addr());
        // Everything that a step borrows lies in the section: the verifier saw to it.
        assert!(offset + size_of_val(values) <= self.0.len(), "a constant outside the constants section");
        quote!(tanbo::#of(&TANBO_CONSTANTS.0, #offset, #len))
    }
}

/// A value that can be written as an expression.
pub trait Emit {
    fn emit(&self, constants: &Constants<'_>) -> TokenStream;
}

/// Returns the identifier of this text.
pub fn path_of(text: &str) -> Ident {
    Ident::new(text, Span::call_site())
}

macro_rules! plain {
    ($($ty:ty),*) => {
        $(impl Emit for $ty {
            fn emit(&self, _: &Constants<'_>) -> TokenStream {
                quote!(#self)
            }
        })*
    };
}

plain!(bool, u8, u16, u32, u64, usize, i32, f32);

/// A type of constants.
pub trait Element: Sized {
    /// Function that takes such values from the section.
    const OF: &str;
}

macro_rules! elements {
    ($($ty:ty: $of:literal),*) => {
        $(impl Element for $ty {
            const OF: &str = $of;
        })*
    };
}

elements!(u8: "u8s", i8: "i8s", i16: "i16s", i32: "i32s", i64: "i64s");

impl<T: Element> Emit for &[T] {
    fn emit(&self, constants: &Constants<'_>) -> TokenStream {
        constants.slice(T::OF, self)
    }
}

/// Shapes lie in the records, which are not included.
impl Emit for &[u32] {
    fn emit(&self, _: &Constants<'_>) -> TokenStream {
        let axes = self.iter();
        quote!(&[#(#axes),*])
    }
}

impl<T: Emit, const N: usize> Emit for [T; N] {
    fn emit(&self, constants: &Constants<'_>) -> TokenStream {
        let values = self.iter().map(|value| value.emit(constants));
        quote!([#(#values),*])
    }
}

impl<T: Emit> Emit for Option<T> {
    fn emit(&self, constants: &Constants<'_>) -> TokenStream {
        match self {
            Some(value) => {
                let value = value.emit(constants);
                quote!(Some(#value))
            }
            None => quote!(None),
        }
    }
}

macro_rules! structs {
    ($([$($generics:tt)*] $ty:ty, $($path:ident)::+ { $($field:ident),* $(,)? };)*) => {
        $(impl $($generics)* Emit for $ty {
            fn emit(&self, constants: &Constants<'_>) -> TokenStream {
                // Whole: a field that is left out does not compile.
                let Self { $($field),* } = self;
                $(let $field = $field.emit(constants);)*
                quote!(tanbo::$($path)::+ { $($field: #$field),* })
            }
        })*
    };
}

structs! {
    [] Extent, Extent { offset, bytes };
    [] RowLayout, RowLayout { bytes, slots };
    [] Lifetime, Lifetime { extent, first, last };
    [] Source<'_>, Source { place, rows };
    [] Operands<'_>, Operands { input, output, output_rows, scratch };
    [] State<'_>, State { extent, start };
    [] Port<'_>, Port { place, ty, elements, rows, ring_rows, scale, zero_point };
    [] Part<'_>, Part { params, input };
    [] Nibbles<'_>, Nibbles { params, depth };
    [<P: Emit>] Pair<'_, P>, Pair { params, other, walk };
    [<P: Emit>] Stateful<'_, P>, Stateful { params, states, ty, anew };
    [] schedule::Place, schedule::Place {
        units, input_rows, span, stride, pad, ring, readers, sources, in_place_of, frees, hands_over, walk
    };
    [] Multiplier, quant::Multiplier { mantissa, shift };
    [] packing::Shape, kernels::packing::Shape { kernel, stride, dilation, pad, input, output };
    [] kernels::Window, kernels::Window { kernel, stride, dilation, pad };
    [] kernels::Image, kernels::Image { height, width, channels };
    [] kernels::Output, kernels::Output { zero_point, low, high, rounding };
    [] kernels::OutputI16, kernels::OutputI16 { low, high, rounding, narrow };
    [] kernels::Multipliers<'_>, kernels::Multipliers { mantissas, shifts };
    [] kernels::Sequence, kernels::Sequence { steps, batch, inputs, units, time_major, reverse };
    [] kernels::Interpolation<'_>, kernels::Interpolation { positions, weights, unit };
    [<B: Element>] kernels::Gates<'_, B>, kernels::Gates {
        input_zero_point, hidden_zero_point, input_weights, recurrent_weights, bias, input_multipliers,
        recurrent_multipliers, rounding
    };
    [] kernels::AveragePool2d<'_>, kernels::AveragePool2d { window, input, output, input_zero_point, divisors, range };
    [] kernels::BatchMatmul<'_>, kernels::BatchMatmul { shapes, transposed, output_shape, zero_points, multiplier, range };
    [] kernels::Concat<'_>, kernels::Concat { input_shape, output_shape, axis, begin, element_bytes };
    [] kernels::Conv2d<'_>, kernels::Conv2d {
        window, input, output, groups, input_zero_point, weights, bias, multipliers, range
    };
    [] kernels::Conv2dI16<'_>, kernels::Conv2dI16 { window, input, output, groups, weights, bias, multipliers, range };
    [] kernels::DepthwiseConv2d<'_>, kernels::DepthwiseConv2d {
        window, input, output, input_zero_point, weights, bias, multipliers, range
    };
    [] kernels::DepthwiseConv2dI16<'_>, kernels::DepthwiseConv2dI16 {
        window, input, output, weights, bias, multipliers, range
    };
    [] kernels::FullyConnected<'_>, kernels::FullyConnected { input_zero_point, weights, bias, multipliers, range };
    [] kernels::FullyConnectedI16<'_>, kernels::FullyConnectedI16 { weights, bias, multipliers, range };
    [] kernels::Gather<'_>, kernels::Gather { shape, axis, indices, element_bytes };
    [<B: Element>] kernels::Gru<'_, B>, kernels::Gru { sequence, gates, linear_before_reset, recurrent_bias, unit, hidden };
    [] kernels::L2Norm, kernels::L2Norm { length, input_zero_point, range };
    [] kernels::LayerNorm<'_>, kernels::LayerNorm {
        center, input_zero_point, variance_shift, epsilon, gamma, beta, beta_shift, shift, range
    };
    [<B: Element>] kernels::Lstm<'_, B>, kernels::Lstm { sequence, gates, forget, update, hidden, cell_bits, cell_clip };
    [] kernels::LutI16<'_>, kernels::LutI16 { interpolated_bits, table };
    [] kernels::MaxPool2d, kernels::MaxPool2d { window, input, output, bounds };
    [] kernels::Mean<'_>, kernels::Mean { shape, axes, input_zero_point, multiplier, range };
    [] kernels::Packed<'_>, kernels::Packed { packing, shape, input_zero_point, weights, records, range };
    [] kernels::Pad<'_>, kernels::Pad { input_shape, output_shape, before, value, element_bytes };
    [] kernels::Pairwise<'_>, kernels::Pairwise { shapes, output_shape, ty };
    [] kernels::Product<'_>, kernels::Product { shapes, output_shape, zero_points, multiplier, range };
    [] kernels::Reduction<'_>, kernels::Reduction { shape, axes, ty };
    [] kernels::Requantize, kernels::Requantize { from, to, input_zero_point, multiplier, range };
    [] kernels::ResizeBilinear<'_>, kernels::ResizeBilinear { input, output, axes, input_zero_point, multiplier, range };
    [] kernels::SigmoidI16<'_>, kernels::SigmoidI16 { tanh, multiplier, right_shift, table };
    [] kernels::Slice<'_>, kernels::Slice { input_shape, output_shape, begin, stride, element_bytes };
    [] kernels::Softmax<'_>, kernels::Softmax { length, multiplier, diff_min, exponentials, range };
    [] kernels::SoftmaxI16<'_>, kernels::SoftmaxI16 { length, multiplier, rounding, tables, exponentials };
    [] kernels::Sum<'_>, kernels::Sum {
        shapes, output_shape, zero_points, left_shift, multipliers, multiplier, range
    };
    [] kernels::Svdf<'_>, kernels::Svdf {
        rank, input_zero_point, state_zero_point, feature_weights, time_weights, bias, feature, multiplier, range
    };
    [] kernels::Transpose<'_>, kernels::Transpose { input_shape, output_shape, perm, element_bytes };
}

macro_rules! names {
    ($($ty:ty, $($path:ident)::+ { $($variant:ident),* };)*) => {
        $(impl Emit for $ty {
            fn emit(&self, _: &Constants<'_>) -> TokenStream {
                let ty = quote!(tanbo::$($path)::+);
                match self {
                    $(Self::$variant => quote!(#ty::$variant),)*
                }
            }
        })*
    };
}

names! {
    ElementType, ElementType { I8, U8, I16, I32 };
    Rounding, quant::Rounding { Single, Tflite };
    kernels::Integer, kernels::Integer { I8, U8, I16 };
    schedule::Walk, schedule::Walk { Window, Transposed, Absorbing };
}

macro_rules! enums {
    ($($ty:ty, $($path:ident)::+ { $($variant:ident $(($field:ident))?),* $(,)? };)*) => {
        $(impl Emit for $ty {
            fn emit(&self, constants: &Constants<'_>) -> TokenStream {
                let ty = quote!(tanbo::$($path)::+);
                match self {
                    $(Self::$variant $(($field))? => {
                        let fields: &[TokenStream] = &[$($field.emit(constants))?];
                        match fields {
                            [] => quote!(#ty::$variant),
                            fields => quote!(#ty::$variant(#(#fields),*)),
                        }
                    })*
                }
            }
        })*
    };
}

enums! {
    Place<'_>, Place { Arena(extent), Artifact(bytes) };
    Start<'_>, Start { Fill(byte), Image(bytes) };
    Walk, Walk { Whole, Rows, InPlace(input) };
    schedule::Source, schedule::Source { Whole, Place(place), Caller };
}

impl Emit for packing::Packing {
    fn emit(&self, _: &Constants<'_>) -> TokenStream {
        let number = self.number();
        quote!(tanbo::packing(#number))
    }
}

macro_rules! params {
    ($($variant:ident),*) => {
        /// By reference: a plan holds what its steps need, not as much as the longest parameters there are.
        impl Emit for Params<'_> {
            fn emit(&self, constants: &Constants<'_>) -> TokenStream {
                match self {
                    $(Self::$variant(params) => {
                        let params = params.emit(constants);
                        quote!(tanbo::ParamsRef::$variant(&#params))
                    })*
                }
            }
        }
    };
}

params!(
    AveragePool2d,
    BatchMatmul,
    Concat,
    Conv2d,
    Conv2dI16,
    DepthwiseConv2d,
    DepthwiseConv2dI16,
    FullyConnected,
    FullyConnectedI4,
    FullyConnectedI16,
    Gather,
    Gru,
    GruI16,
    L2Norm,
    LayerNorm,
    Lstm,
    LstmI16,
    Lut,
    LutI16,
    MaxPool2d,
    Mean,
    Packed,
    Pad,
    Pairwise,
    Product,
    Reduction,
    Requantize,
    ResizeBilinear,
    SigmoidI16,
    Slice,
    Softmax,
    SoftmaxI16,
    Sum,
    Svdf,
    Transpose
);

impl Emit for Parts<'_> {
    fn emit(&self, constants: &Constants<'_>) -> TokenStream {
        match self {
            Parts::Listed(parts) => {
                let parts = parts.iter().map(|part| part.emit(constants));
                quote!(tanbo::Parts::Listed(&[#(#parts),*]))
            }
            Parts::Recorded(step) => quote!(tanbo::Parts::Recorded(#step)),
        }
    }
}
