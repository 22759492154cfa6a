//! Damages to a file: what transfers, disks and attackers do to it.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Most bytes of an input. Larger files of each kind are in `tests/hostile_input.rs`.
const LARGEST: usize = 256 << 10;

/// Texts that mean something to one of the parsers.
const TOKENS: [&str; 48] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ":",
    ",",
    "\n",
    "\r\n",
    "\r\n\r\n",
    "\0",
    "- ",
    "? ",
    "&a ",
    "*a",
    "<<: *a",
    "!!binary ",
    "|",
    ">",
    "#",
    "null",
    "true",
    "NaN",
    "Infinity",
    "-0",
    "1e999",
    "-1",
    "18446744073709551616",
    "0x7fffffff",
    "1:30:00",
    "2_000",
    "99999999999",
    "\u{feff}",
    "\u{202e}",
    "é",
    "\u{1f98a}",
    "data: ",
    "[DONE]",
    "event: error",
    "HTTP/1.1 200 OK\r\n",
    "Content-Length: ",
    "Transfer-Encoding: chunked",
    "ffffffffffffffff\r\n",
    "{{ x }}",
    "{% for i in range(99999) %}",
    "::error::",
    "../../../etc/passwd",
];

/// A change at a place.
#[derive(Debug, Clone)]
enum Damage {
    Flip {
        at: Index,
        bit: u8,
    },
    Set {
        at: Index,
        byte: u8,
    },
    Insert {
        at: Index,
        bytes: Vec<u8>,
    },
    Token {
        at: Index,
        token: Index,
    },
    Remove {
        at: Index,
        length: u16,
    },
    Repeat {
        at: Index,
        length: u8,
        times: u16,
    },
    /// A part of another file of the same kind.
    Splice {
        at: Index,
        seed: Index,
        from: Index,
        length: u16,
    },
    /// A run of digits becomes another number.
    Number {
        at: Index,
        token: Index,
    },
    Cut {
        at: Index,
    },
}

/// A seed with its damages.
#[derive(Debug, Clone)]
pub struct Damaged {
    seed: usize,
    damages: Vec<Damage>,
}

pub fn damaged(seeds: usize) -> impl Strategy<Value = Damaged> {
    (0..seeds, vec(damage(), 1..8)).prop_map(|(seed, damages)| Damaged { seed, damages })
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip { at, bit }),
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Set { at, byte }),
        2 => (at(), vec(any::<u8>(), 1..16)).prop_map(|(at, bytes)| Damage::Insert { at, bytes }),
        4 => (at(), at()).prop_map(|(at, token)| Damage::Token { at, token }),
        3 => (at(), 1..400_u16).prop_map(|(at, length)| Damage::Remove { at, length }),
        2 => (at(), 1..64_u8, 1..2000_u16).prop_map(|(at, length, times)| Damage::Repeat { at, length, times }),
        3 => (at(), at(), at(), 1..2000_u16).prop_map(|(at, seed, from, length)| Damage::Splice { at, seed, from, length }),
        3 => (at(), at()).prop_map(|(at, token)| Damage::Number { at, token }),
        1 => at().prop_map(|at| Damage::Cut { at }),
    ]
}

/// Numbers at the edges of types.
const NUMBERS: [&str; 14] = [
    "0",
    "1",
    "-1",
    "255",
    "65536",
    "2147483648",
    "4294967295",
    "9007199254740993",
    "9223372036854775807",
    "18446744073709551615",
    "-9223372036854775808",
    "1e308",
    "0.1",
    "1e-320",
];

impl Damaged {
    pub fn bytes(&self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.seed].clone();
        for damage in &self.damages {
            damage.apply(&mut bytes, seeds);
            bytes.truncate(LARGEST);
        }
        bytes
    }
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let length = bytes.len();
        let place = |at: &Index| at.index(length + 1);
        match self {
            Self::Flip { at, bit } => {
                if let Some(byte) = bytes.get_mut(place(at)) {
                    *byte ^= 1 << bit;
                }
            }
            Self::Set { at, byte } => {
                if let Some(found) = bytes.get_mut(place(at)) {
                    *found = *byte;
                }
            }
            Self::Insert { at, bytes: new } => insert(bytes, place(at), new),
            Self::Token { at, token } => insert(bytes, place(at), token.get(&TOKENS).as_bytes()),
            Self::Remove { at, length: count } => {
                let from = place(at);
                bytes.drain(from..(from + usize::from(*count)).min(length));
            }
            Self::Repeat { at, length: count, times } => {
                let from = place(at);
                let part = bytes[from..(from + usize::from(*count)).min(length)].to_vec();
                insert(bytes, from, &part.repeat(usize::from(*times)));
            }
            Self::Splice {
                at,
                seed,
                from,
                length: count,
            } => {
                let other = seed.get(seeds);
                let from = from.index(other.len() + 1);
                let part = other[from..(from + usize::from(*count)).min(other.len())].to_vec();
                insert(bytes, place(at), &part);
            }
            Self::Number { at, token } => {
                let after = place(at);
                let Some(first) = bytes[after..].iter().position(u8::is_ascii_digit).map(|found| after + found) else {
                    return;
                };
                let digits = bytes[first..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                bytes.splice(first..first + digits, token.get(&NUMBERS).bytes());
            }
            Self::Cut { at } => bytes.truncate(place(at)),
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    bytes.splice(at..at, new.iter().copied());
}
