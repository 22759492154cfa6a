//! Patterns over config keys as shells have them: `*` any text, `?` one character, `[abc]`, `[a-z]` and `[!a]` one of
//! some. Case counts. A `[` that is never closed stands for itself.

/// Whether the whole text fits the pattern.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    fits(&pattern, &text)
}

/// Linear but for the last `*`, to which a mismatch goes back: no pattern can make it exponential.
fn fits(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            retry = Some((p + 1, t));
            p += 1;
            continue;
        }
        match step(&pattern[p..], text[t]) {
            Some(used) => {
                p += used;
                t += 1;
            }
            None => match retry {
                Some((after_star, from)) => {
                    retry = Some((after_star, from + 1));
                    p = after_star;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// How many characters of the pattern the character fits; none where it does not.
fn step(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => match class(pattern) {
            Some((members, used)) => members_have(members, c).then_some(used),
            None => (c == '[').then_some(1),
        },
        literal => (*literal == c).then_some(1),
    }
}

/// What is between `[` and its `]`, and the length of the whole. A `]` right after the start is a member.
fn class(pattern: &[char]) -> Option<(&[char], usize)> {
    let first = if pattern.get(1) == Some(&'!') { 3 } else { 2 };
    let length = pattern.iter().skip(first).position(|c| *c == ']')?;
    let end = first + length;
    Some((pattern.get(1..end)?, end + 1))
}

fn members_have(members: &[char], c: char) -> bool {
    let (negated, members) = match members.split_first() {
        Some(('!', rest)) => (true, rest),
        Some(_) | None => (false, members),
    };
    let mut at = 0;
    let mut found = false;
    while let Some(low) = members.get(at) {
        match (members.get(at + 1), members.get(at + 2)) {
            (Some('-'), Some(high)) => {
                found |= (*low..=*high).contains(&c);
                at += 3;
            }
            _ => {
                found |= *low == c;
                at += 1;
            }
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_fit_whole_keys() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("m-*-h200", "m-fp8-h200", true),
            ("m-*-h200", "m-fp8-h200-x", false),
            ("*a*b*", "xaybz", true),
            ("m?", "m1", true),
            ("m?", "m", false),
            ("[dg]*", "gpt", true),
            ("[!d]*", "dsr1", false),
            ("[a-c]1", "b1", true),
            ("[]]", "]", true),
            ("[!]]", "]", false),
            ("[x", "[x", true),
            ("M*", "m", false),
            ("**", "anything", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_stay_fast() {
        let pattern = "*a".repeat(200);
        assert!(!matches(&pattern, &"a".repeat(150).repeat(20).replace("aa", "ab")[..150]));
    }
}
