//! Who may come in. Until there is an auth service, the only identity is a guest's name.

use homeroom_engine::Identity;
use homeroom_protocol::{Auth, Hello};

/// The host's rule about guests: a name, no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guests {
    /// Whoever connects may take any name: for one's own machine, or behind a proxy that checks.
    Allowed,
    /// Nobody comes in without a token.
    Refused,
}

/// The hello carried no identity that is accepted here. The client is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// It came as a guest.
    #[error("this host takes no guests")]
    Guest,
    /// It came with a token.
    #[error("this host knows no tokens: it has no auth service")]
    Token,
}

/// The identity behind a hello.
///
/// # Errors
/// [`Unauthenticated`].
pub fn identify(hello: &Hello, guests: Guests) -> Result<Identity, Unauthenticated> {
    match (&hello.auth, guests) {
        (Auth::Guest { name }, Guests::Allowed) => {
            Ok(Identity::new(name.clone(), hello.device.clone()))
        }
        (Auth::Guest { .. }, Guests::Refused) => Err(Unauthenticated::Guest),
        (Auth::Token(_), Guests::Allowed | Guests::Refused) => Err(Unauthenticated::Token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(auth: Auth) -> Hello {
        Hello {
            version: 1,
            capabilities: Vec::new(),
            tenant: "default".parse().unwrap(),
            auth,
            device: "laptop".parse().unwrap(),
        }
    }

    #[test]
    fn a_guest_comes_in_only_where_guests_are_allowed() {
        let ada = hello(Auth::Guest {
            name: "ada".parse().unwrap(),
        });
        assert!(identify(&ada, Guests::Allowed).is_ok());
        assert_eq!(
            identify(&ada, Guests::Refused).unwrap_err(),
            Unauthenticated::Guest
        );
    }

    #[test]
    fn no_token_is_believed() {
        let token = hello(Auth::Token("sesame".to_owned()));
        for guests in [Guests::Allowed, Guests::Refused] {
            assert_eq!(
                identify(&token, guests).unwrap_err(),
                Unauthenticated::Token
            );
        }
    }
}
