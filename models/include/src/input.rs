//! What the macro is called with.

use std::path::PathBuf;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitStr, Result, Token, Visibility, parenthesized};

/// `pub mod name = path`.
pub struct Input {
    pub visibility: Visibility,
    pub name: Ident,
    /// The artifact, from the root of the file system.
    pub path: PathBuf,
    /// Where errors about it are shown.
    pub span: Span,
    /// Expressions by which the compiler knows what the path depends on.
    pub tracked: TokenStream,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let visibility = input.parse()?;
        input.parse::<Token![mod]>()?;
        let name = input.parse()?;
        input.parse::<Token![=]>()?;
        let span = input.span();
        let Text { value, tracked } = input.parse()?;
        input.parse::<Option<Token![;]>>()?;
        // Relative to the source file, as in `include_bytes!`.
        let folder = span.unwrap().local_file().and_then(|file| Some(file.parent()?.to_owned())).unwrap_or_default();
        let path =
            std::path::absolute(folder.join(&value)).map_err(|error| Error::new(span, format!("{value}: {error}")))?;
        Ok(Self { visibility, name, path, span, tracked })
    }
}

/// A string: a literal, `env!` or `concat!` of strings.
struct Text {
    value: String,
    tracked: TokenStream,
}

impl Parse for Text {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.peek(LitStr) {
            return Ok(Self { value: input.parse::<LitStr>()?.value(), tracked: TokenStream::new() });
        }
        let name: Ident = input.parse()?;
        input.parse::<Token![!]>()?;
        let arguments;
        parenthesized!(arguments in input);
        if name == "concat" {
            let parts = Punctuated::<Text, Token![,]>::parse_terminated(&arguments)?;
            let tracked = parts.iter().map(|part| &part.tracked);
            return Ok(Self { value: parts.iter().map(|part| &*part.value).collect(), tracked: quote!(#(#tracked)*) });
        }
        if name != "env" {
            return Err(Error::new(name.span(), "expected a string, env!(…) or concat!(…)"));
        }
        let variable: LitStr = arguments.parse()?;
        let value = std::env::var(variable.value()).map_err(|error| {
            Error::new(variable.span(), format!("environment variable {}: {error}", variable.value()))
        })?;
        Ok(Self {
            value,
            tracked: quote!(
                const _: &str = env!(#variable);
            ),
        })
    }
}
