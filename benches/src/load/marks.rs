//! Counting deliveries in bytes that are cut anywhere, without looking at what they mean.
//!
//! The text of every message begins with one [`MARKER`]. It is long enough never to occur by chance in headers, ids
//! and times, plain enough that no encoding escapes it, and cannot overlap itself. So the number of deliveries
//! in a stream is the number of markers in it, whatever server wrote it.

use memchr::memmem::Finder;

/// What the text of every message begins with; eight different characters, so that it cannot overlap itself.
pub const MARKER: &str = "qZ~xK|jV";

/// A text of `bytes` bytes that begins with the marker. No shorter than that.
#[must_use]
pub fn text(bytes: usize) -> String {
    let filler = "0123456789abcdef".chars().cycle();
    let bytes = bytes.max(MARKER.len());
    MARKER.chars().chain(filler).take(bytes).collect()
}

/// Counts markers in streams. One serves any number of streams, each of which keeps its own [`Tail`].
#[derive(Debug, Clone)]
pub struct Marks {
    finder: Finder<'static>,
}

/// How much of a marker a stream ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tail(u8);

impl Default for Marks {
    fn default() -> Self {
        Self {
            finder: Finder::new(MARKER),
        }
    }
}

impl Marks {
    /// How many markers end in the next bytes of a stream.
    #[must_use]
    pub fn count(&self, tail: &mut Tail, bytes: &[u8]) -> u64 {
        let mut rest = bytes;
        let mut count = 0;
        if tail.0 > 0 {
            // No two beginnings of the marker overlap, so either this one goes on, or none is under way.
            let missing = &MARKER.as_bytes()[usize::from(tail.0)..];
            let seen = missing.len().min(rest.len());
            if rest[..seen] == missing[..seen] {
                if seen < missing.len() {
                    tail.0 += u8::try_from(seen).expect("less than a marker");
                    return 0;
                }
                count = 1;
                rest = &rest[seen..];
            }
        }
        count += self.finder.find_iter(rest).count() as u64;
        *tail = Tail::of(rest);
        count
    }
}

impl Tail {
    fn of(bytes: &[u8]) -> Self {
        let marker = MARKER.as_bytes();
        let longest = bytes.len().min(marker.len() - 1);
        let begun = (1..=longest).rfind(|&length| bytes.ends_with(&marker[..length]));
        Self(begun.map_or(0, |length| {
            u8::try_from(length).expect("less than a marker")
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_as_long_as_asked_and_holds_one_marker() {
        for bytes in [1, 8, 128, 5000] {
            let text = text(bytes);
            assert_eq!(text.len(), bytes.max(MARKER.len()));
            assert_eq!(text.matches(MARKER).count(), 1);
        }
    }

    proptest! {
        #[test]
        fn splits_change_no_count(
            pieces in prop::collection::vec((0_usize..=8, "[qZ~xK|jV]{0,12}"), 0..12),
            cuts in prop::collection::vec(0_usize..200, 0..40),
        ) {
            // Whole markers, beginnings of them, and the same letters in any order.
            let mut stream = Vec::new();
            for (begun, noise) in &pieces {
                stream.extend(&MARKER.as_bytes()[..*begun]);
                stream.extend(noise.as_bytes());
            }
            let expected = String::from_utf8(stream.clone()).unwrap().matches(MARKER).count();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let (marks, mut tail) = (Marks::default(), Tail::default());
            let counted: u64 = cuts
                .windows(2)
                .map(|cut| marks.count(&mut tail, &stream[cut[0]..cut[1]]))
                .sum();
            prop_assert_eq!(counted, expected as u64);
        }
    }
}
