//! Whether a message that comes in pieces is UTF-8, said at the first byte that rules it out (RFC 6455, 8.1).

use super::Violation;

/// Longest encoding of one character, in bytes.
const CHARACTER_BYTES_MAX: usize = 4;

/// The check of one message.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Text {
    /// A character that has begun, all of it but its last byte at most.
    begun: [u8; CHARACTER_BYTES_MAX - 1],
    len: u8,
}

impl Text {
    /// Takes the next piece; behind the last one no character may be left unfinished.
    pub(super) fn take(&mut self, mut piece: &[u8], is_last: bool) -> Result<(), Violation> {
        while self.len > 0
            && let Some((&byte, later)) = piece.split_first()
        {
            piece = later;
            self.push(byte)?;
        }
        match std::str::from_utf8(piece) {
            Ok(_) => {}
            Err(wrong) if wrong.error_len().is_some() => return Err(Violation::NotUtf8),
            Err(cut) => {
                for &byte in &piece[cut.valid_up_to()..] {
                    self.push(byte)?;
                }
            }
        }
        if is_last && self.len > 0 {
            return Err(Violation::NotUtf8);
        }
        Ok(())
    }

    /// One more byte of a character that is not whole yet.
    fn push(&mut self, byte: u8) -> Result<(), Violation> {
        let len = usize::from(self.len);
        let mut character = [0; CHARACTER_BYTES_MAX];
        character[..len].copy_from_slice(&self.begun[..len]);
        character[len] = byte;
        match std::str::from_utf8(&character[..=len]) {
            Ok(_) => self.len = 0,
            Err(wrong) if wrong.error_len().is_some() => return Err(Violation::NotUtf8),
            Err(_) => {
                // Not whole, so it is no longer than all but one byte of the longest.
                self.begun[len] = byte;
                self.len += 1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// How many bytes are taken one by one until one is refused; the end counts as one more.
    fn taken(bytes: &[u8]) -> usize {
        let mut text = Text::default();
        (bytes.iter())
            .position(|&byte| text.take(&[byte], false).is_err())
            .or_else(|| text.take(&[], true).is_err().then_some(bytes.len()))
            .unwrap_or(bytes.len() + 1)
    }

    #[test]
    fn what_cannot_become_a_character_is_refused_at_its_first_wrong_byte() {
        for (bytes, accepted) in [
            (&b"plain"[..], 6),
            ("κόσμε \u{10ffff}".as_bytes(), 16),
            // A surrogate, an overlong slash, beyond the last character, a stray continuation, a cut end.
            (b"ab\xed\xa0\x80", 3),
            (b"\xc0\xaf", 0),
            (b"\xe0\x80\xaf", 1),
            (b"\xf4\x90\x80\x80", 1),
            (b"\xf5", 0),
            (b"\x80", 0),
            (b"a\xf0\x9f\x98", 4),
        ] {
            assert_eq!(taken(bytes), accepted, "{bytes:x?}");
        }
    }

    /// Bytes that are often nearly text.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => any::<char>().prop_map(|character| character.to_string().into_bytes()),
            1 => vec(any::<u8>(), 0..3),
            1 => any::<char>().prop_map(|character| {
                let mut cut = character.to_string().into_bytes();
                cut.pop();
                cut
            }),
        ];
        vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn pieces_are_judged_as_the_whole_is(bytes in bytes(), sizes in vec(1_usize..6, 0..12)) {
            let mut text = Text::default();
            let mut rest = &bytes[..];
            let mut verdict = Ok(());
            for size in sizes {
                let (piece, later) = rest.split_at(size.min(rest.len()));
                rest = later;
                verdict = verdict.and_then(|()| text.take(piece, false));
            }
            let verdict = verdict.and_then(|()| text.take(rest, true));
            prop_assert_eq!(verdict.is_ok(), std::str::from_utf8(&bytes).is_ok());
        }
    }
}
