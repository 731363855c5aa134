//! What every part declares its settings with: values with a unit, faults with the path of their key, and the macro
//! that makes a struct, its defaults and the descriptions of its keys from one declaration. `config` composes what the
//! parts declare.
//!
//! Must not know: any part, any file. May break it: a key whose name, default or doc is written down a second time
//! anywhere.

mod fault;
pub mod rfc3339;
mod units;

pub use fault::{Fault, Faults, Unsound};
pub use units::{Period, Size, UnitError};

/// One key of a configuration, as its declaration describes it.
#[derive(Debug, Clone, Copy)]
pub struct KeyDoc {
    /// Within its table: `idle_tick`.
    pub name: &'static str,
    /// What it means and why; its first paragraph can be read alone. One line a line of the declaration.
    pub doc: &'static str,
    /// Of a key that is absent by default: a value that it may have, as TOML.
    pub example: Option<&'static str>,
}

/// A struct that a table of a configuration is read into.
pub trait Described {
    /// What the table is about.
    const ABOUT: &'static str;
    /// By its fields, in their order; those that no configuration sets are among them.
    const KEYS: &'static [KeyDoc];
}

/// Declares a struct of settings: each field with its doc, its type and its default, as in
///
/// ```text
/// settings! {
///     /// What it is about.
///     pub struct Settings {
///         /// What the key means. Why one would change it.
///         pub idle_tick: Period = Period::of_secs(5),
///         /// Absent by default; the value behind the arrow is the example's.
///         pub emit_from: Option<Timestamp> = None => "\"2026-01-01T00:00:00+08:00\"",
///     }
/// }
/// ```
///
/// It derives what reads and writes it, with unknown keys refused, and makes its `Default` and [`Described`]. In an
/// element of a list some keys must be given: there no field has a default here, and `#[serde(default = "…")]` names
/// those of the others. A field with `#[serde(skip)]` is set by another table, which the composing code says.
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        $(#[derive($($derived:ident),+)])?
        pub struct $Name:ident {
            $(
                $(#[doc = $doc:literal])+
                $(#[serde($($serde:tt)+)])?
                pub $key:ident: $Type:ty = $default:expr $(=> $example:literal)?,
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize $($(, $derived)+)?)]
        #[serde(deny_unknown_fields, default)]
        pub struct $Name {
            $(
                $(#[doc = $doc])+
                #[doc = concat!("\nDefault: `", stringify!($default), "`.")]
                $(#[serde($($serde)+)])?
                pub $key: $Type,
            )+
        }

        impl Default for $Name {
            fn default() -> Self {
                Self { $($key: $default,)+ }
            }
        }

        $crate::settings::settings! { @described $Name [$($about)+] $($key [$($doc)+] [$($example)?])+ }
    };
    (
        $(#[doc = $about:literal])+
        $(#[derive($($derived:ident),+)])?
        pub struct $Name:ident {
            $(
                $(#[doc = $doc:literal])+
                $(#[serde($($serde:tt)+)])?
                pub $key:ident: $Type:ty $(=> $example:literal)?,
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize $($(, $derived)+)?)]
        #[serde(deny_unknown_fields)]
        pub struct $Name {
            $(
                $(#[doc = $doc])+
                $(#[serde($($serde)+)])?
                pub $key: $Type,
            )+
        }

        $crate::settings::settings! { @described $Name [$($about)+] $($key [$($doc)+] [$($example)?])+ }
    };
    (@described $Name:ident [$($about:literal)+] $($key:ident [$($doc:literal)+] [$($example:literal)?])+) => {
        impl $crate::settings::Described for $Name {
            const ABOUT: &'static str = concat!($($about, "\n"),+);
            const KEYS: &'static [$crate::settings::KeyDoc] = &[
                $($crate::settings::KeyDoc {
                    name: stringify!($key),
                    doc: concat!($($doc, "\n"),+),
                    example: $crate::settings::settings!(@example $($example)?),
                },)+
            ];
        }
    };
    (@example) => { None };
    (@example $example:literal) => { Some($example) };
}

pub(crate) use settings;
