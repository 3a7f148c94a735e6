//! Many messages at once: each lane of a vector carries one, and takes the next when its own ends.

#![expect(
    clippy::indexing_slicing,
    reason = "a lane is below L, a word below 8 or 16, a round below 64, in every loop"
)]

use std::array::from_fn;
use std::cmp::Reverse;

use zeroize::Zeroize as _;

use super::compress::{Block, State, compress};
use super::{Start, last_blocks, octets};

/// Word by word the states of L lanes, so that a vector holds the same word of all.
pub(super) type States<const L: usize> = [[u32; L]; 8];

/// Compresses as many blocks as the shortest of the L runs has, one from each lane at a time; says how many.
pub(super) type Step<const L: usize> = fn(&mut States<L>, &[&[Block]; L]) -> usize;

/// A message on its way through a lane.
#[derive(Clone, Copy)]
struct Lane<'a> {
    /// Which message.
    index: usize,
    /// What came before it.
    start: &'a Start,
    /// Its whole blocks to come.
    blocks: &'a [Block],
    /// Its padded end.
    last: ([Block; 2], usize),
    /// How many blocks of the end are done.
    done: usize,
}

impl<'a> Lane<'a> {
    fn new(index: usize, (start, message): (&'a Start, &'a [u8])) -> Self {
        let (blocks, rest) = message.as_chunks();
        let last = last_blocks(rest, message.len().saturating_add(start.length));
        Self { index, start, blocks, last, done: 0 }
    }

    /// The blocks that lie together and come next; none when the message is through.
    fn next(&self) -> &[Block] {
        let (last, count) = &self.last;
        if self.blocks.is_empty() { &last[self.done..*count] } else { self.blocks }
    }

    fn advance(&mut self, count: usize) {
        if self.blocks.is_empty() {
            self.done += count;
        } else {
            self.blocks = &self.blocks[count..];
        }
    }
}

/// The digests of the messages, each going on from its start, in their order. When only `alone` lanes still have work, each is finished by itself,
/// because a vector with so few lanes in use is slower than that. What lanes held is wiped: it may come from a key.
pub(super) fn digest_many<const L: usize>(messages: &[(&Start, &[u8])], step: Step<L>, alone: usize) -> Vec<[u8; 32]> {
    let mut digests = vec![[0; 32]; messages.len()];
    // Long ones first: the last to end are then short, and few lanes idle for long.
    let mut order: Vec<usize> = (0..messages.len()).collect();
    order.sort_by_key(|index| Reverse(messages[*index].1.len()));
    let mut waiting = order.into_iter().map(|index| Lane::new(index, messages[index]));
    let mut lanes: [Option<Lane<'_>>; L] = from_fn(|_| waiting.next());
    let mut states: States<L> =
        from_fn(|word| from_fn(|at| lanes[at].as_ref().map_or(0, |lane| lane.start.state[word])));
    loop {
        for (at, place) in lanes.iter_mut().enumerate() {
            while let Some(lane) = place
                && lane.next().is_empty()
            {
                digests[lane.index] = octets(&from_fn(|word| states[word][at]));
                lane.last.0.zeroize();
                *place = waiting.next();
                if let Some(next) = place {
                    states.iter_mut().zip(next.start.state).for_each(|(words, start)| words[at] = start);
                }
            }
        }
        let busy = lanes.iter().flatten().count();
        if busy <= alone {
            break;
        }
        // An idle lane repeats what another does, and its result is dropped.
        let Some(any) = lanes.iter().flatten().next() else { break };
        let runs = from_fn(|at| lanes[at].as_ref().unwrap_or(any).next());
        let count = step(&mut states, &runs);
        lanes.iter_mut().flatten().for_each(|lane| lane.advance(count));
    }
    for (at, place) in lanes.iter_mut().enumerate() {
        let Some(lane) = place else { continue };
        let mut state: State = from_fn(|word| states[word][at]);
        compress(&mut state, lane.blocks);
        let (last, count) = &mut lane.last;
        compress(&mut state, &last[lane.done..*count]);
        digests[lane.index] = octets(&state);
        last.zeroize();
        state.zeroize();
    }
    states.zeroize();
    digests
}

#[cfg(test)]
mod tests {
    use super::super::compress::{IV, ROUND, four, sixteen};
    use super::super::sm3;
    use super::*;

    /// A round of every lane; names and order as in the single stream.
    macro_rules! round {
        ($w:ident, $j:expr, $t:expr, $ff:expr, $gg:expr, $a:ident $b:ident $d:ident $e:ident $f:ident $h:ident) => {
            for l in 0..L {
                let a12 = $a[l].rotate_left(12);
                let ss1 = a12.wrapping_add($t).wrapping_add($e[l]).rotate_left(7);
                let w = $w[$j][l];
                let tt1 = $d[l].wrapping_add(w ^ $w[($j + 4) % 16][l]).wrapping_add($ff(l)).wrapping_add(ss1 ^ a12);
                let tt2 = $h[l].wrapping_add(w).wrapping_add($gg(l)).wrapping_add(ss1);
                $d[l] = tt1;
                $h[l] = tt2 ^ tt2.rotate_left(9) ^ tt2.rotate_left(17);
                $b[l] = $b[l].rotate_left(9);
                $f[l] = $f[l].rotate_left(19);
            }
        };
    }

    macro_rules! expand {
        ($w:ident, $j:expr) => {
            for l in 0..L {
                let x = $w[($j + 4) % 16][l] ^ $w[($j + 11) % 16][l] ^ $w[($j + 1) % 16][l].rotate_left(15);
                let p1 = x ^ x.rotate_left(15) ^ x.rotate_left(23);
                $w[($j + 4) % 16][l] = p1 ^ $w[($j + 7) % 16][l].rotate_left(7) ^ $w[($j + 14) % 16][l];
            }
        };
    }

    macro_rules! early {
        ($w:ident, $j:expr, $t:expr, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident) => {
            if $j >= 12 {
                expand!($w, $j);
            }
            round!($w, $j, $t, |l: usize| $a[l] ^ $b[l] ^ $c[l], |l: usize| $e[l] ^ $f[l] ^ $g[l], $a $b $d $e $f $h);
        };
    }

    macro_rules! late {
        ($w:ident, $j:expr, $t:expr, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident) => {
            expand!($w, $j);
            round!($w, $j, $t, |l: usize| ($b[l] & $c[l]) | ($a[l] & ($b[l] | $c[l])),
                |l: usize| (($f[l] ^ $g[l]) & $e[l]) ^ $g[l], $a $b $d $e $f $h);
        };
    }

    /// The reference of the vector paths: the same arithmetic, lane after lane.
    fn step_portable<const L: usize>(states: &mut States<L>, runs: &[&[Block]; L]) -> usize {
        let count = runs.iter().map(|run| run.len()).min().unwrap_or_default();
        for at in 0..count {
            let start = *states;
            let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = start;
            let blocks = runs.map(|run| run[at]);
            let mut w: [[u32; L]; 16] = from_fn(|word| from_fn(|l| u32::from_be_bytes(blocks[l].as_chunks().0[word])));
            let [first, others @ ..] = &ROUND;
            sixteen!(early, w, first, a b c d e f g h);
            for table in others {
                sixteen!(late, w, table, a b c d e f g h);
            }
            for (words, (end, start)) in states.iter_mut().zip([a, b, c, d, e, f, g, h].iter().zip(&start)) {
                *words = from_fn(|l| end[l] ^ start[l]);
            }
        }
        count
    }

    fn lanes_of<const L: usize>(data: &[u8]) -> [&[Block]; L] {
        from_fn(|l| &data[l * 64 * 5..].as_chunks().0[..2 + l % 3])
    }

    /// One step of a vector path and one of the reference, from states that differ from lane to lane.
    fn equals_the_reference<const L: usize>(step: Step<L>) {
        let data: Vec<u8> = (0u32..).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).take(L * 64 * 5).collect();
        let runs = lanes_of::<L>(&data);
        let mut expected: States<L> = from_fn(|word| from_fn(|l| IV[word].wrapping_mul(u32::try_from(l).unwrap() | 1)));
        let mut states = expected;
        assert_eq!(step_portable(&mut expected, &runs), 2);
        assert_eq!(step(&mut states, &runs), 2);
        assert_eq!(states, expected);
    }

    #[test]
    fn vectors_equal_the_reference() {
        #[cfg(target_arch = "x86_64")]
        {
            use super::super::x86_64::{avx2, avx512};
            avx2::<1, 8>().into_iter().for_each(equals_the_reference);
            avx2::<2, 16>().into_iter().for_each(equals_the_reference);
            avx512::<1, 16>().into_iter().for_each(equals_the_reference);
            avx512::<2, 32>().into_iter().for_each(equals_the_reference);
        }
        equals_the_reference::<4>(step_portable::<4>);
    }

    #[test]
    fn lanes_are_refilled_whatever_ends_first() {
        let data = vec![0xa5; 2000];
        for alone in 0..4 {
            for seed in 0..50 {
                let lengths = (0..11).map(|n| (n * 389 + seed * 97) % 700);
                let messages: Vec<&[u8]> = lengths.map(|length| &data[..length]).collect();
                let expected: Vec<_> = messages.iter().map(|message| sm3(message)).collect();
                let messages: Vec<_> = messages.into_iter().map(|message| (&Start::MESSAGE, message)).collect();
                assert_eq!(digest_many(&messages, step_portable::<4>, alone), expected);
            }
        }
    }
}
