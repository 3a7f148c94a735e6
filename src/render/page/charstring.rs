//! How much work a glyph makes before anybody does it: subroutines of CFF and components of glyf may call one another
//! so often that a small font keeps a reader busy for ever. Such glyphs are not drawn.
//!
//! The walk follows calls exactly and draws nothing: Adobe Technical Notes 5176 (CFF) and 5177 (Type 2 charstrings);
//! OpenType, `glyf`.

/// Operators of one glyph, subroutines included. The busiest ideographs have about two thousand.
const MAX_OPERATORS: usize = 30_000;

/// Components of one glyph, all levels included. Accented letters have two or three.
const MAX_COMPONENTS: usize = 64;

/// Nested calls, and nested components.
const MAX_DEPTH: usize = 10;

/// Operands on the stack of a charstring (5177, appendix B).
const MAX_OPERANDS: usize = 48;

fn be16(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_be_bytes(bytes.get(at..)?.first_chunk::<2>().copied()?).into())
}

/// An INDEX (5176, 5): a list of byte strings.
#[derive(Debug, Clone, Copy, Default)]
struct Index<'a> {
    count: usize,
    width: usize,
    offsets: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> Index<'a> {
    /// The list at the start of the bytes, and what follows it.
    fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let count = be16(bytes, 0)?;
        if count == 0 {
            return Some((Self::default(), bytes.get(2..)?));
        }
        let width: usize = bytes.get(2).copied()?.into();
        if !(1..=4).contains(&width) {
            return None;
        }
        let (offsets, rest) = bytes.get(3..)?.split_at_checked(count.checked_add(1)?.checked_mul(width)?)?;
        let index = Self { count, width, offsets, bytes: rest };
        let end = index.offset(count)?;
        Some((index, rest.get(end..)?))
    }

    /// Where an item begins; offsets count from one.
    fn offset(&self, n: usize) -> Option<usize> {
        let at = n.checked_mul(self.width)?;
        let digits = self.offsets.get(at..at.checked_add(self.width)?)?;
        let value = digits.iter().fold(0_usize, |value, digit| value << 8 | usize::from(*digit));
        value.checked_sub(1)
    }

    fn item(&self, n: usize) -> Option<&'a [u8]> {
        if n >= self.count {
            return None;
        }
        self.bytes.get(self.offset(n)?..self.offset(n.checked_add(1)?)?)
    }

    /// The item that a call with this operand means (5177, 4.7).
    fn called(&self, operand: f64) -> Option<&'a [u8]> {
        let bias = match self.count {
            0..1240 => 107,
            1240..33900 => 1131,
            _ => 32768,
        };
        let number: i64 = format!("{:.0}", operand.trunc()).parse().ok()?;
        self.item(usize::try_from(number.checked_add(bias)?).ok()?)
    }
}

/// What a DICT (5176, 4) says that matters here.
#[derive(Debug, Default)]
struct Dictionary {
    charstrings: Option<usize>,
    private: Option<(usize, usize)>,
    subroutines: Option<usize>,
    dictionaries: Option<usize>,
    selection: Option<usize>,
}

impl Dictionary {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut all = Self::default();
        let mut operands: Vec<i64> = Vec::new();
        let mut bytes = bytes.iter().copied();
        while let Some(first) = bytes.next() {
            match first {
                0..=21 => {
                    let operator = if first == 12 { 1200 + u16::from(bytes.next()?) } else { first.into() };
                    let last = operands.last().and_then(|n| usize::try_from(*n).ok());
                    match operator {
                        17 => all.charstrings = last,
                        18 => {
                            let size = operands.first().and_then(|n| usize::try_from(*n).ok());
                            all.private = size.zip(last).filter(|_| operands.len() == 2);
                        }
                        19 => all.subroutines = last,
                        1236 => all.dictionaries = last,
                        1237 => all.selection = last,
                        _ => {}
                    }
                    operands.clear();
                }
                28 => operands.push(i16::from_be_bytes([bytes.next()?, bytes.next()?]).into()),
                29 => {
                    let digits = [bytes.next()?, bytes.next()?, bytes.next()?, bytes.next()?];
                    operands.push(i32::from_be_bytes(digits).into());
                }
                // A real number ends with the nibble f. Its value does not matter here.
                30 => {
                    while bytes.next().is_some_and(|byte| byte & 0x0F != 0x0F && byte & 0xF0 != 0xF0) {}
                    operands.push(0);
                }
                32..=246 => operands.push(i64::from(first) - 139),
                247..=250 => operands.push((i64::from(first) - 247) * 256 + i64::from(bytes.next()?) + 108),
                251..=254 => operands.push(-(i64::from(first) - 251) * 256 - i64::from(bytes.next()?) - 108),
                _ => return None,
            }
            if operands.len() > 513 {
                return None;
            }
        }
        Some(all)
    }
}

/// The charstrings and subroutines of a CFF font.
#[derive(Debug)]
pub(super) struct Charstrings<'a> {
    table: &'a [u8],
    glyphs: Index<'a>,
    global: Index<'a>,
    local: Index<'a>,
    /// FDArray and FDSelect of a CID font.
    cid: Option<(Index<'a>, &'a [u8])>,
}

impl<'a> Charstrings<'a> {
    /// Reads the table. `None` if it is not understood: then no glyph of it is to be drawn.
    pub(super) fn read(table: &'a [u8]) -> Option<Self> {
        let header: usize = table.get(2).copied()?.into();
        let (_, rest) = Index::read(table.get(header..)?)?;
        let (tops, rest) = Index::read(rest)?;
        let (_, rest) = Index::read(rest)?;
        let (global, _) = Index::read(rest)?;
        let top = Dictionary::read(tops.item(0)?)?;
        let (glyphs, _) = Index::read(table.get(top.charstrings?..)?)?;
        let cid = match (top.dictionaries, top.selection) {
            (Some(dictionaries), Some(selection)) => {
                let (dictionaries, _) = Index::read(table.get(dictionaries..)?)?;
                Some((dictionaries, table.get(selection..)?))
            }
            _ => None,
        };
        let local = local(table, &top).unwrap_or_default();
        Some(Self { table, glyphs, global, local, cid })
    }

    /// True if the glyph can be drawn within bounds.
    pub(super) fn is_affordable(&self, glyph: u16) -> bool {
        let Some(charstring) = self.glyphs.item(glyph.into()) else { return false };
        let local = match self.cid {
            None => self.local,
            Some((dictionaries, selection)) => {
                let number = font_dictionary(selection, glyph.into());
                let top = number.and_then(|n| dictionaries.item(n)).and_then(Dictionary::read);
                top.and_then(|top| local(self.table, &top)).unwrap_or_default()
            }
        };
        let mut walk = Walk { global: self.global, local, stack: Vec::new(), stems: 0, spent: 0 };
        // A fault ends the real drawing too, so the work up to it is all there is.
        !matches!(walk.charstring(charstring, 0), Err(Stop::Costly))
    }
}

/// The local subroutines that a DICT's Private DICT names.
fn local<'a>(table: &'a [u8], top: &Dictionary) -> Option<Index<'a>> {
    let (size, start) = top.private?;
    let private = table.get(start..start.checked_add(size)?)?;
    let subroutines = Dictionary::read(private)?.subroutines?;
    Some(Index::read(table.get(start.checked_add(subroutines)?..)?)?.0)
}

/// FDSelect (5176, 19): which font DICT a glyph has.
fn font_dictionary(selection: &[u8], glyph: usize) -> Option<usize> {
    match selection.first()? {
        0 => selection.get(glyph.checked_add(1)?).copied().map(usize::from),
        3 => {
            let count = be16(selection, 1)?;
            let mut found = None;
            for range in selection.get(3..)?.chunks_exact(3).take(count) {
                let [high, low, number] = range.first_chunk::<3>().copied()?;
                if usize::from(u16::from_be_bytes([high, low])) > glyph {
                    break;
                }
                found = Some(usize::from(number));
            }
            found
        }
        _ => None,
    }
}

enum Stop {
    /// The glyph is over, or broken: nobody goes on from here.
    Ended,
    Costly,
}

struct Walk<'a> {
    global: Index<'a>,
    local: Index<'a>,
    stack: Vec<f64>,
    stems: usize,
    spent: usize,
}

impl Walk<'_> {
    fn charstring(&mut self, bytes: &[u8], depth: usize) -> Result<(), Stop> {
        let mut bytes = bytes.iter().copied();
        let mut take = |n: usize| -> Option<i64> {
            let mut value = 0;
            for _ in 0..n {
                value = value << 8 | i64::from(bytes.next()?);
            }
            Some(value)
        };
        while let Some(operator) = take(1) {
            self.spent = self.spent.saturating_add(1);
            if self.spent > MAX_OPERATORS {
                return Err(Stop::Costly);
            }
            let mut number = None;
            match operator {
                1 | 3 | 18 | 23 => self.stem(),
                19 | 20 => {
                    self.stem();
                    // A mask of nothing at the end of the bytes is no fault of ours.
                    for _ in 0..self.stems.div_ceil(8) {
                        take(1).ok_or(Stop::Ended)?;
                    }
                }
                10 | 29 => {
                    let index = if operator == 10 { self.local } else { self.global };
                    let operand = self.stack.pop().ok_or(Stop::Ended)?;
                    let called = index.called(operand).ok_or(Stop::Ended)?;
                    if depth >= MAX_DEPTH {
                        return Err(Stop::Ended);
                    }
                    self.charstring(called, depth.saturating_add(1))?;
                }
                11 => return Ok(()),
                // With four operands it is made of two other glyphs (seac): out of use, and not walked.
                14 if self.stack.len() >= 4 => return Err(Stop::Costly),
                14 => return Err(Stop::Ended),
                12 => {
                    take(1).ok_or(Stop::Ended)?;
                    self.stack.clear();
                }
                28 => number = Some(take(2).map(|n| if n >= 0x8000 { n - 0x1_0000 } else { n })),
                32..=246 => number = Some(Some(operator - 139)),
                247..=250 => number = Some(take(1).map(|low| (operator - 247) * 256 + low + 108)),
                251..=254 => number = Some(take(1).map(|low| -(operator - 251) * 256 - low - 108)),
                255 => {
                    let fixed = take(4).map(|n| if n >= 0x8000_0000 { n - 0x1_0000_0000 } else { n });
                    // Only the whole part can name a subroutine.
                    number = Some(fixed.map(|n| n / 0x1_0000));
                }
                0 | 2 | 9 | 13 | 15..=17 => return Err(Stop::Ended),
                _ => self.stack.clear(),
            }
            if let Some(number) = number {
                let number = number.and_then(|n| i32::try_from(n).ok()).ok_or(Stop::Ended)?;
                if self.stack.len() >= MAX_OPERANDS {
                    return Err(Stop::Ended);
                }
                self.stack.push(number.into());
            }
        }
        Ok(())
    }

    /// Each stem hint has two operands; a width may stand before them.
    fn stem(&mut self) {
        self.stems = self.stems.saturating_add(self.stack.len() / 2);
        self.stack.clear();
    }
}

/// True if a glyph of `glyf` has few components. `data` gives the bytes of a glyph.
pub(super) fn components_are_few<'a>(glyph: u16, data: &impl Fn(u16) -> Option<&'a [u8]>) -> bool {
    let mut spent = 0;
    components(glyph, data, 0, &mut spent)
}

fn components<'a>(glyph: u16, data: &impl Fn(u16) -> Option<&'a [u8]>, depth: usize, spent: &mut usize) -> bool {
    let Some(bytes) = data(glyph) else { return true };
    // A negative count of contours says that components follow.
    if bytes.first().is_none_or(|high| high & 0x80 == 0) {
        return true;
    }
    let mut at = 10_usize;
    loop {
        let (Some(flags), Some(component)) = (be16(bytes, at), be16(bytes, at.saturating_add(2))) else { return true };
        *spent = spent.saturating_add(1);
        let Ok(component) = u16::try_from(component) else { return false };
        if *spent > MAX_COMPONENTS || depth >= MAX_DEPTH || !components(component, data, depth.saturating_add(1), spent)
        {
            return false;
        }
        at = at.saturating_add(4).saturating_add(if flags & 0x01 == 0 { 2 } else { 4 });
        at = at.saturating_add(match flags {
            _ if flags & 0x08 != 0 => 2,
            _ if flags & 0x40 != 0 => 4,
            _ if flags & 0x80 != 0 => 8,
            _ => 0,
        });
        if flags & 0x20 == 0 {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::SEAL_FONT;

    #[test]
    fn every_glyph_of_our_own_typeface_is_affordable() {
        let face = ttf_parser::Face::parse(SEAL_FONT, 0).unwrap();
        let table = face.raw_face().table(ttf_parser::Tag::from_bytes(b"CFF ")).unwrap();
        let charstrings = Charstrings::read(table).unwrap();
        let glyphs = face.number_of_glyphs();
        assert!(glyphs > 8000);
        let refused: Vec<u16> = (0..glyphs).filter(|glyph| !charstrings.is_affordable(*glyph)).collect();
        assert_eq!(refused, Vec::<u16>::new());
        assert!(!charstrings.is_affordable(glyphs));
    }

    fn index(items: &[&[u8]]) -> Vec<u8> {
        let mut out = u16::try_from(items.len()).unwrap().to_be_bytes().to_vec();
        out.push(2);
        let mut offset = 1_u16;
        out.extend(offset.to_be_bytes());
        for item in items {
            offset += u16::try_from(item.len()).unwrap();
            out.extend(offset.to_be_bytes());
        }
        items.iter().for_each(|item| out.extend_from_slice(item));
        out
    }

    /// A font whose subroutine n calls subroutine n + 1 so often.
    fn nested(levels: u8, calls: usize) -> Vec<u8> {
        let call = |n: u8| [139 - 107 + n, 29];
        let mut subroutines: Vec<Vec<u8>> = (1..levels).map(|next| call(next).repeat(calls)).collect();
        subroutines.push(vec![11]);
        let subroutines: Vec<&[u8]> = subroutines.iter().map(Vec::as_slice).collect();
        let global = index(&subroutines);
        let glyph = [&call(0)[..], &[14]].concat();
        let place = [0x7E; 4];
        let top = index(&[&[&[29][..], &place, &[17]].concat()]);
        let mut font = [vec![1, 0, 4, 2], index(&[b"F"]), top, vec![0, 0], global].concat();
        let offset = i32::try_from(font.len()).unwrap().to_be_bytes();
        let at = font.windows(4).position(|window| window == place).unwrap();
        font[at..at + 4].copy_from_slice(&offset);
        font.extend(index(&[&glyph]));
        font
    }

    #[test]
    fn calls_that_multiply_are_refused() {
        let modest = nested(3, 10);
        assert!(Charstrings::read(&modest).unwrap().is_affordable(0));
        let bomb = nested(9, 10);
        assert!(!Charstrings::read(&bomb).unwrap().is_affordable(0));
    }

    #[test]
    fn components_that_multiply_are_refused() {
        let glyph = |next: u16, count: usize| {
            let mut bytes = vec![0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0];
            for n in 0..count {
                bytes.extend_from_slice(&[0, if n + 1 < count { 0x20 } else { 0 }]);
                bytes.extend_from_slice(&next.to_be_bytes());
                bytes.extend_from_slice(&[0, 0]);
            }
            bytes
        };
        let few = [glyph(1, 3), vec![0, 1]];
        assert!(components_are_few(0, &|n| few.get(usize::from(n)).map(Vec::as_slice)));
        let many = [glyph(1, 9), glyph(2, 9), glyph(3, 9), vec![0, 1]];
        assert!(!components_are_few(0, &|n| many.get(usize::from(n)).map(Vec::as_slice)));
        let ring = [glyph(0, 1)];
        assert!(!components_are_few(0, &|n| ring.get(usize::from(n)).map(Vec::as_slice)));
    }
}
