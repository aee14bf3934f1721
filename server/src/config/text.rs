//! Text for people: documentation without its links, and words without control characters.

use crate::http::KEY_PREFIX;

/// The lines of a doc comment as one paragraph each, links and backticks taken out.
pub(super) fn plain(about: &str) -> String {
    let mut plain = String::with_capacity(about.len());
    let mut rest = about;
    while let Some(at) = rest.find(['[', '`']) {
        plain.push_str(&rest[..at]);
        let from = &rest[at..];
        match link(from) {
            Some((words, end)) => {
                plain.push_str(words);
                rest = &from[end..];
            }
            None => {
                // A lone bracket stays, a backtick only sets words off.
                plain.push_str(if from.starts_with('[') { "[" } else { "" });
                rest = &from[1..];
            }
        }
    }
    plain.push_str(rest);
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The words of ``[`words`](target)`` or ``[`words`]`` at the front, and where it ends.
fn link(text: &str) -> Option<(&str, usize)> {
    let words = text.strip_prefix("[`")?;
    let length = words.find("`]")?;
    let end = 2 + length + 2;
    let target = text[end..].strip_prefix('(').and_then(|it| it.find(')'));
    Some((&words[..length], target.map_or(end, |at| end + at + 2)))
}

/// Breaks a paragraph into lines of at most `width` characters, longer words excepted.
pub(super) fn wrapped(paragraph: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in paragraph.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// On one line whatever it holds, and not endless. A key of a back end that stands where its hash
/// should is not repeated: what is shown goes to logs.
pub(super) fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 80;
    let text = &without_keys(text);
    let mut shown: String = (text.chars().take(SHOWN_MAX))
        .flat_map(|it| {
            if it.is_control() {
                it.escape_debug().collect()
            } else {
                vec![it]
            }
        })
        .collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn without_keys(text: &str) -> String {
    let mut parts = text.split(KEY_PREFIX);
    let mut safe = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        safe.push_str(KEY_PREFIX);
        let rest = part.trim_start_matches(|it: char| it.is_ascii_hexdigit());
        safe.push_str(if rest.len() < part.len() { "…" } else { "" });
        safe.push_str(rest);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_backticks_are_taken_out() {
        let about = " At the limit\n [`TooMany`](crate::Code) is\n said to `one`, see [`Host`]; [a] stays.\n";
        assert_eq!(
            plain(about),
            "At the limit TooMany is said to one, see Host; [a] stays."
        );
    }

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrapped("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrapped("abcdef g", 4), ["abcdef", "g"]);
    }

    #[test]
    fn what_is_shown_stays_on_its_line() {
        assert_eq!(shown("a\nb\u{1b}[31m"), "a\\nb\\u{1b}[31m");
        assert_eq!(shown(&"x".repeat(200)).chars().count(), 81);
    }
}
