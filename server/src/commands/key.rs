//! `homeroom key create`: a key for a back end, shown once, and what the config is told of it.

use std::io::{self, Write};

use homeroom_engine::{ServiceName, protocol::TenantName};

use super::CommandError;
use crate::http::Key;

/// Whose key it is to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// One that opens every tenant.
    Operator,
    /// One of a service, for some tenants.
    Service {
        name: ServiceName,
        tenants: Vec<TenantName>,
    },
}

impl Holder {
    /// From the command line.
    pub(crate) fn new(service: Option<&str>, tenants: &[String]) -> Result<Self, CommandError> {
        let refused = |why| CommandError::Refused { why };
        let tenants = tenants.iter().map(|name| {
            TenantName::new(name)
                .map_err(|wrong| refused(format!("the tenant name {name:?} {wrong}")))
        });
        let tenants: Vec<_> = tenants.collect::<Result<_, _>>()?;
        match service {
            None if tenants.is_empty() => Ok(Self::Operator),
            None => Err(refused("say whose key it is: --service NAME".into())),
            Some(_) if tenants.is_empty() => Err(refused(
                "say which tenants it opens: --tenant NAME, once for each".into(),
            )),
            Some(name) => Ok(Self::Service {
                name: ServiceName::new(name)
                    .map_err(|wrong| refused(format!("the service name {name:?} {wrong}")))?,
                tenants,
            }),
        }
    }

    /// The lines for the config.
    fn config(&self, hash: impl std::fmt::Display) -> String {
        match self {
            Self::Operator => format!("[api]\noperator_key_sha256 = \"{hash}\"\n"),
            Self::Service { name, tenants } => {
                let tenants: Vec<_> = tenants.iter().map(|name| format!("\"{name}\"")).collect();
                format!(
                    "[[api.service_keys]]\nname = \"{}\"\ntenants = [{}]\nkey_sha256 = \"{hash}\"\n",
                    name.as_str(),
                    tenants.join(", ")
                )
            }
        }
    }
}

/// Makes a key. It goes to stdout, alone; what is for people and the config goes to stderr, so that
/// the key can be piped to where it is kept. What is for people is a comment there, so that stderr can be
/// appended to the config.
pub(crate) fn create(holder: &Holder) -> Result<(), CommandError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|cause| CommandError::Io {
        action: "get random bytes",
        cause: io::Error::other(cause),
    })?;
    let key = Key::of(secret);
    let written = write(holder, &key, &mut io::stdout(), &mut io::stderr());
    written.map_err(|cause| CommandError::Io {
        action: "print the key",
        cause,
    })
}

fn write(
    holder: &Holder,
    key: &Key,
    out: &mut impl Write,
    notes: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "{}", key.reveal())?;
    out.flush()?;
    writeln!(
        notes,
        "\n# This is the key, shown this once. Give it to the back end, and these lines to the host's config:\n"
    )?;
    write!(notes, "{}", holder.config(key.hash()))?;
    notes.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_goes_out_alone_and_the_config_never_holds_it() {
        let key = Key::of([7; 32]);
        let tenants = ["north".to_owned(), "south".to_owned()];
        for holder in [
            Holder::new(None, &[]).unwrap(),
            Holder::new(Some("timetable"), &tenants).unwrap(),
        ] {
            let (mut out, mut notes) = (Vec::new(), Vec::new());
            write(&holder, &key, &mut out, &mut notes).unwrap();
            let (out, notes) = (
                String::from_utf8(out).unwrap(),
                String::from_utf8(notes).unwrap(),
            );
            assert_eq!(out, format!("{}\n", key.reveal()));
            assert!(!notes.contains("hrk_"));
            assert!(notes.contains(&key.hash().to_string()), "{notes}");
            let lines: toml::Table = notes.parse().unwrap();
            assert_eq!(lines.keys().collect::<Vec<_>>(), ["api"], "{notes}");
        }
        let service = Holder::new(Some("timetable"), &tenants).unwrap();
        assert!(
            service
                .config("x")
                .contains("tenants = [\"north\", \"south\"]")
        );
    }

    #[test]
    fn a_key_for_nobody_or_nothing_is_refused() {
        assert!(Holder::new(None, &["north".to_owned()]).is_err());
        assert!(Holder::new(Some("timetable"), &[]).is_err());
        assert!(Holder::new(Some("Time table"), &["north".to_owned()]).is_err());
        assert!(Holder::new(Some("timetable"), &["North".to_owned()]).is_err());
    }
}
