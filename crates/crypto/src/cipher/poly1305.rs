use zeroize::{Zeroize, ZeroizeOnDrop};

/// Poly1305 (RFC 8439 §2.5) over whole blocks, whose additional data may come after the content.
///
/// The polynomial is kept as such, and not as a tag, so that two of them can be put together: no crate offers that,
/// and AuthEnvelopedData has its additional data last. Constant time: 44-bit limbs, no branch on their values.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Poly1305 {
    r: Limbs,
    sum: Limbs,
    pad: u128,
}

type Limbs = [u64; 3];

const BITS_44: u64 = (1 << 44) - 1;
const BITS_42: u64 = (1 << 42) - 1;

impl Poly1305 {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let ([r, pad], _) = key.as_chunks::<16>() else { return Self { r: [0; 3], sum: [0; 3], pad: 0 } };
        // RFC 8439 §2.5: some bits of r are always clear.
        let r = u128::from_le_bytes(*r) & 0x0ffffffc_0ffffffc_0ffffffc_0fffffff;
        Self { r: limbs(r, 0), sum: [0; 3], pad: u128::from_le_bytes(*pad) }
    }

    /// The same key and no blocks yet.
    pub(super) fn fresh(&self) -> Self {
        Self { r: self.r, sum: [0; 3], pad: self.pad }
    }

    pub(super) fn block(&mut self, block: [u8; 16]) {
        // Every block here is whole, so that its highest bit stands behind its 16 octets.
        let [a, b, c] = limbs(u128::from_le_bytes(block), 1 << 40);
        let [x, y, z] = self.sum;
        self.sum = multiply([x + a, y + b, z + c], self.r);
    }

    /// Whole blocks, the last one filled up with zeros.
    pub(super) fn padded(&mut self, data: &[u8]) {
        let (blocks, rest) = data.as_chunks::<16>();
        blocks.iter().for_each(|block| self.block(*block));
        if !rest.is_empty() {
            let mut last = [0; 16];
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            self.block(last);
        }
    }

    /// Puts the blocks of `first` before these, of which there are `count`.
    pub(super) fn prepend(&mut self, first: &Self, mut count: u64) {
        let (mut product, mut power) = (first.sum, self.r);
        while count > 0 {
            if count & 1 == 1 {
                product = multiply(product, power);
            }
            power = multiply(power, power);
            count >>= 1;
        }
        self.sum.iter_mut().zip(product).for_each(|(sum, product)| *sum += product);
    }

    pub(super) fn tag(&self) -> [u8; 16] {
        // Multiplying by one carries everything twice over; what is left is below 2^130 and some.
        let [a, b, c] = multiply(multiply(self.sum, [1, 0, 0]), [1, 0, 0]);
        let (b, a) = (b + (a >> 44), a & BITS_44);
        let (c, b) = (c + (b >> 44), b & BITS_44);
        let (a, c) = (a + 5 * (c >> 42), c & BITS_42);
        let (b, a) = (b + (a >> 44), a & BITS_44);
        // Less the prime 2^130 − 5, if that is not negative.
        let x = a + 5;
        let (y, x) = (b + (x >> 44), x & BITS_44);
        let (z, y) = (c + (y >> 44), y & BITS_44);
        let reduced = 0u64.wrapping_sub(z >> 42);
        let z = z & BITS_42;
        let pick = |plain: u64, less: u64| u128::from((plain & !reduced) | (less & reduced));
        let number = pick(a, x).wrapping_add(pick(b, y) << 44).wrapping_add(pick(c, z) << 88);
        number.wrapping_add(self.pad).to_le_bytes()
    }
}

fn limbs(number: u128, above: u64) -> Limbs {
    [low(number) & BITS_44, low(number >> 44) & BITS_44, low(number >> 88) | above]
}

fn low(number: u128) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = number.to_le_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

fn multiply([a, b, c]: Limbs, [r, s, t]: Limbs) -> Limbs {
    let product = |x: u64, y: u64| u128::from(x) * u128::from(y);
    // 2^132 is 4 · 5 modulo 2^130 − 5.
    let (s20, t20) = (s * 20, t * 20);
    let first = product(a, r) + product(b, t20) + product(c, s20);
    let second = product(a, s) + product(b, r) + product(c, t20) + (first >> 44);
    let third = product(a, t) + product(b, s) + product(c, r) + (second >> 44);
    let wrapped = (low(first) & BITS_44) + 5 * low(third >> 42);
    [wrapped & BITS_44, (low(second) & BITS_44) + (wrapped >> 44), low(third) & BITS_42]
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8439 §A.3: the edges of the reduction, among them vectors 7 to 11.
    #[test]
    fn reductions_at_the_edges_are_right() {
        let with_r = |r: u8| {
            let mut key = [0; 32];
            key[0] = r;
            Poly1305::new(&key)
        };
        let mut poly = with_r(2);
        poly.block([0xFF; 16]);
        assert_eq!(poly.tag(), {
            let mut tag = [0; 16];
            tag[0] = 3;
            tag
        });
        let mut poly = with_r(1);
        poly.block([0xFF; 16]);
        poly.block({
            let mut block = [0xFF; 16];
            block[0] = 0xF0;
            block
        });
        poly.block({
            let mut block = [0; 16];
            block[0] = 0x11;
            block
        });
        assert_eq!(poly.tag(), {
            let mut tag = [0; 16];
            tag[0] = 5;
            tag
        });
        let mut poly = with_r(1);
        poly.block([0xFF; 16]);
        poly.block({
            let mut block = [0xFE; 16];
            block[0] = 0xFB;
            block
        });
        poly.block([1; 16]);
        assert_eq!(poly.tag(), [0; 16]);
        let mut poly = with_r(2);
        poly.block({
            let mut block = [0xFF; 16];
            block[0] = 0xFD;
            block
        });
        assert_eq!(poly.tag(), {
            let mut tag = [0xFF; 16];
            tag[0] = 0xFA;
            tag
        });
    }

    #[test]
    fn blocks_may_be_put_before_others_later() {
        let key: [u8; 32] = std::array::from_fn(|index| 200u8.wrapping_sub(index.to_le_bytes()[0].wrapping_mul(37)));
        for (first, then) in [(0usize, 5u64), (1, 0), (3, 1), (7, 1000)] {
            let mut whole = Poly1305::new(&key);
            let (mut before, mut after) = (whole.fresh(), whole.fresh());
            for index in 0..first {
                let block = [index.to_le_bytes()[0] ^ 0xA5; 16];
                whole.block(block);
                before.block(block);
            }
            for index in 0..then {
                let block = [index.to_le_bytes()[0] ^ 0xF7; 16];
                whole.block(block);
                after.block(block);
            }
            after.prepend(&before, then);
            assert_eq!(after.tag(), whole.tag(), "{first} {then}");
        }
    }
}
