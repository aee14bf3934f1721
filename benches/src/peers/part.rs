//! Which part a server plays in a comparison, and so what it is asked to do.
//!
//! What peers cannot do they are not asked, as a failure there would say nothing about them: none keeps what was
//! said, and none is set up here for TLS. What is durable is compared with the baseline alone.

use crate::load::Case;

/// The part of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The baseline: with a journal where a case is durable.
    Raw,
    /// Homeroom, whose rooms keep what the case says.
    Homeroom,
    /// Homeroom with everything on disk, beside peers that keep nothing.
    HomeroomDurable,
    /// Somebody else's.
    Peer,
}

impl Part {
    /// The case as it is for this one.
    ///
    /// # Errors
    /// Why it is not asked.
    pub fn asked(self, case: &Case) -> Result<Case, &'static str> {
        match self {
            Self::Raw | Self::Homeroom => Ok(case.clone()),
            Self::HomeroomDurable if case.durable => Err("homeroom is durable here itself"),
            Self::HomeroomDurable => Ok(Case {
                durable: true,
                ..case.clone()
            }),
            Self::Peer if case.durable => Err("it keeps nothing"),
            Self::Peer if case.tls => Err("it is not set up for TLS"),
            Self::Peer => Ok(case.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Scenario;

    const PARTS: [Part; 4] = [Part::Raw, Part::Homeroom, Part::HomeroomDurable, Part::Peer];

    fn asked(scenario: &str) -> [Option<bool>; 4] {
        let case = Scenario::find(scenario).unwrap().cases().remove(0);
        PARTS.map(|part| part.asked(&case).ok().map(|case| case.durable))
    }

    #[test]
    fn what_is_durable_is_between_homeroom_and_a_baseline_that_is_durable_too() {
        assert_eq!(asked("durable"), [Some(true), Some(true), None, None]);
        let everybody = [Some(false), Some(false), Some(true), Some(false)];
        assert_eq!(asked("fan-out"), everybody);
        assert_eq!(asked("tls-fan-out")[3], None);
    }
}
