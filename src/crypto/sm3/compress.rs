//! The compression function of SM3, one stream of blocks: GB/T 32905-2016 5.3.

#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "the compiler computes the table, and refuses an index outside of it"
)]

/// A block: 512 bits (GB/T 32905-2016 5.2).
pub(super) type Block = [u8; 64];

/// The chaining value V, A first (GB/T 32905-2016 5.3.1).
pub(super) type State = [u32; 8];

/// The initial value (GB/T 32905-2016 4.1).
pub(super) const IV: State =
    [0x7380_166f, 0x4914_b2b9, 0x1724_42d7, 0xda8a_0600, 0xa96f_30bc, 0x1631_38aa, 0xe38d_ee4d, 0xb0fb_0e4e];

/// T_j of each round (GB/T 32905-2016 4.2), already rotated by j mod 32 (5.3.3).
pub(super) static ROUND: [[u32; 16]; 4] = {
    let mut table = [[0; 16]; 4];
    let mut j = 0;
    while j < 64 {
        let t: u32 = if j < 16 { 0x79cc_4519 } else { 0x7a87_9d8a };
        table[j / 16][j % 16] = t.rotate_left(j as u32 % 32);
        j += 1;
    }
    table
};

/// Compresses whole blocks into the state, by the fastest code that this machine runs.
pub(super) fn compress(state: &mut State, blocks: &[Block]) {
    #[cfg(target_arch = "x86_64")]
    if super::x86_64::compress_bmi2(state, blocks) {
        return;
    }
    compress_portable(state, blocks);
}

/// Makes four rounds of `$round!` from `$j` on; after them the names stand again where they stood.
macro_rules! four {
    ($round:ident, $w:ident, $table:ident, $j:expr, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident) => {
        $round!($w, $j, $table[$j], $a $b $c $d $e $f $g $h);
        $round!($w, $j + 1, $table[$j + 1], $d $a $b $c $h $e $f $g);
        $round!($w, $j + 2, $table[$j + 2], $c $d $a $b $g $h $e $f);
        $round!($w, $j + 3, $table[$j + 3], $b $c $d $a $f $g $h $e);
    };
}
#[cfg(any(test, target_arch = "x86_64"))]
pub(super) use four;

/// Makes 16 rounds of `$round!`.
macro_rules! sixteen {
    ($round:ident, $w:ident, $table:ident, $($names:ident)*) => {
        four!($round, $w, $table, 0, $($names)*);
        four!($round, $w, $table, 4, $($names)*);
        four!($round, $w, $table, 8, $($names)*);
        four!($round, $w, $table, 12, $($names)*);
    };
}

#[cfg(test)]
pub(super) use sixteen;

/// W_(j+4), put in the place of W_(j-12) (GB/T 32905-2016 5.3.2).
macro_rules! expand {
    ($w:ident, $j:expr) => {{
        let x = $w[($j + 4) % 16] ^ $w[($j + 11) % 16] ^ $w[($j + 1) % 16].rotate_left(15);
        let p1 = x ^ x.rotate_left(15) ^ x.rotate_left(23);
        $w[($j + 4) % 16] = p1 ^ $w[($j + 7) % 16].rotate_left(7) ^ $w[($j + 14) % 16];
    }};
}

/// A round (GB/T 32905-2016 5.3.3), given FF and GG. What waits for E is added last.
macro_rules! round {
    ($w:ident, $j:expr, $t:expr, $ff:expr, $gg:expr, $a:ident $b:ident $d:ident $e:ident $f:ident $h:ident) => {
        let a12 = $a.rotate_left(12);
        let ss1 = a12.wrapping_add($t).wrapping_add($e).rotate_left(7);
        let tt2 = $h.wrapping_add($w[($j) % 16]).wrapping_add($gg).wrapping_add(ss1);
        $d = $d.wrapping_add($w[($j) % 16] ^ $w[($j + 4) % 16]).wrapping_add($ff).wrapping_add(ss1 ^ a12);
        $h = tt2 ^ tt2.rotate_left(9) ^ tt2.rotate_left(17);
        $b = $b.rotate_left(9);
        $f = $f.rotate_left(19);
    };
}

/// Rounds 0 to 15; from the twelfth on W_(j+4) has to be computed first.
macro_rules! early {
    ($w:ident, $j:expr, $t:expr, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident) => {
        if ($j) >= 12 {
            expand!($w, $j);
        }
        round!($w, $j, $t, $a ^ $b ^ $c, $e ^ $f ^ $g, $a $b $d $e $f $h);
    };
}

/// Rounds 16 to 63.
macro_rules! late {
    ($w:ident, $j:expr, $t:expr, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident) => {
        expand!($w, $j);
        round!($w, $j, $t, ($b & $c).wrapping_add($a & ($b ^ $c)), ($e & $f).wrapping_add(!$e & $g), $a $b $d $e $f $h);
    };
}

/// The reference: any processor. Always inlined, so that a caller may have it compiled for more than the baseline.
#[inline(always)]
pub(super) fn compress_portable(state: &mut State, blocks: &[Block]) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for block in blocks {
        let start = [a, b, c, d, e, f, g, h];
        let mut w = [0u32; 16];
        for (word, bytes) in w.iter_mut().zip(block.as_chunks().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        let [first, others @ ..] = &ROUND;
        sixteen!(early, w, first, a b c d e f g h);
        for table in others {
            sixteen!(late, w, table, a b c d e f g h);
        }
        let [a0, b0, c0, d0, e0, f0, g0, h0] = start;
        (a, b, c, d) = (a ^ a0, b ^ b0, c ^ c0, d ^ d0);
        (e, f, g, h) = (e ^ e0, f ^ f0, g ^ g0, h ^ h0);
    }
    *state = [a, b, c, d, e, f, g, h];
}
