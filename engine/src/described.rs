//! Settings that can explain themselves.
//!
//! Every default has its reason in the doc comment of its field. Whoever prints settings for a person
//! wants to print that reason beside the value, and a second copy of it would soon say something else:
//! so [`described!`](crate::described) keeps the comments of a struct where a program can read them.

/// A struct of settings and what its documentation says.
pub trait Described {
    /// The documentation of the struct.
    const ABOUT: &'static str;
    /// Its fields, in the order they are written in.
    const FIELDS: &'static [Field];
}

/// One field of a struct of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its documentation: the lines of its comment, each ended by a line feed.
    pub about: &'static str,
}

/// Defines a struct and implements [`Described`](crate::described::Described) for it. Of a field's
/// attributes the documentation comes first; behind it only `serde` is understood.
///
/// ```
/// use homeroom_engine::described::Described;
///
/// homeroom_engine::described! {
///     /// How loud it is.
///     #[derive(Debug, Default)]
///     pub struct Loudness {
///         /// In decibels. 0: nobody is woken.
///         pub decibels: u32,
///     }
/// }
/// assert_eq!(Loudness::FIELDS[0].name, "decibels");
/// assert_eq!(Loudness::FIELDS[0].about, " In decibels. 0: nobody is woken.\n");
/// ```
#[macro_export]
macro_rules! described {
    (
        $(#[doc = $about:literal])+
        #[derive($($derive:tt)*)]
        $(#[serde($($serde:tt)*)])*
        pub struct $name:ident {
            $(
                $(#[doc = $line:literal])+
                $(#[serde($($field_serde:tt)*)])*
                pub $field:ident: $type:ty,
            )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive($($derive)*)]
        $(#[serde($($serde)*)])*
        pub struct $name {
            $(
                $(#[doc = $line])+
                $(#[serde($($field_serde)*)])*
                pub $field: $type,
            )*
        }

        impl $crate::described::Described for $name {
            const ABOUT: &'static str = concat!($($about, "\n"),+);
            const FIELDS: &'static [$crate::described::Field] = &[
                $($crate::described::Field {
                    name: stringify!($field),
                    about: concat!($($line, "\n"),+),
                }),*
            ];
        }
    };
}
