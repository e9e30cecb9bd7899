//! The hashes that place keys and endpoints: the same bytes give the same place in every process and release.
//!
//! They are Envoy's choices, so that a ring or a table made here is the one Envoy makes of the same addresses.
//! Neither is for secrets: whoever can choose keys can choose collisions.

const P1: u64 = 0x9E37_79B1_85EB_CA87;
const P2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const P3: u64 = 0x1656_67B1_9E37_79F9;
const P4: u64 = 0x85EB_CA77_C2B2_AE63;
const P5: u64 = 0x27D4_EB2F_1656_67C5;

/// The key of a pick, from whatever names the caller's affinity: a user, a cart, an address. xxHash64 with seed 0.
///
/// Source of truth: `xxhash_spec.md` of the xxHash project, XXH64.
#[must_use]
pub fn key(bytes: &[u8]) -> u64 {
    xxhash64(bytes, 0)
}

/// xxHash64 of `bytes`.
pub(crate) fn xxhash64(bytes: &[u8], seed: u64) -> u64 {
    let mut rest = bytes;
    let mut hash = if bytes.len() >= 32 {
        let mut lanes = [seed.wrapping_add(P1).wrapping_add(P2), seed.wrapping_add(P2), seed, seed.wrapping_sub(P1)];
        while let Some((stripe, after)) = rest.split_first_chunk::<32>() {
            for (lane, word) in lanes.iter_mut().zip(stripe.chunks_exact(8)) {
                *lane = round(*lane, little_endian(word));
            }
            rest = after;
        }
        let [a, b, c, d] = lanes;
        let joined = a.rotate_left(1).wrapping_add(b.rotate_left(7));
        let joined = joined.wrapping_add(c.rotate_left(12)).wrapping_add(d.rotate_left(18));
        lanes.iter().fold(joined, |hash, &lane| (hash ^ round(0, lane)).wrapping_mul(P1).wrapping_add(P4))
    } else {
        seed.wrapping_add(P5)
    };
    hash = hash.wrapping_add(bytes.len() as u64);
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        hash = (hash ^ round(0, little_endian(word))).rotate_left(27).wrapping_mul(P1).wrapping_add(P4);
        rest = after;
    }
    if let Some((word, after)) = rest.split_first_chunk::<4>() {
        hash = (hash ^ little_endian(word).wrapping_mul(P1)).rotate_left(23).wrapping_mul(P2).wrapping_add(P3);
        rest = after;
    }
    for &byte in rest {
        hash = (hash ^ u64::from(byte).wrapping_mul(P5)).rotate_left(11).wrapping_mul(P1);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(P2);
    hash = (hash ^ (hash >> 29)).wrapping_mul(P3);
    hash ^ (hash >> 32)
}

/// MurmurHash2 for 64 bits with the seed of libstdc++'s `std::hash`: Envoy's other choice for a ring.
pub(crate) fn murmur2(bytes: &[u8]) -> u64 {
    const SEED: u64 = 0xC70F_6907;
    const M: u64 = 0xC6A4_A793_5BD1_E995;
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(M);
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        let word = little_endian(word).wrapping_mul(M);
        hash = (hash ^ (word ^ (word >> 47)).wrapping_mul(M)).wrapping_mul(M);
        rest = after;
    }
    if !rest.is_empty() {
        hash = (hash ^ little_endian(rest)).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 47)).wrapping_mul(M);
    hash ^ (hash >> 47)
}

fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(P2)).rotate_left(31).wrapping_mul(P1)
}

/// Up to eight bytes as a number.
fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, &byte| (word << 8) | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xxhash64_gives_its_published_values() {
        for (text, seed, expected) in [
            ("", 0, 0xEF46_DB37_51D8_E999),
            ("a", 0, 0xD24E_C4F1_A98C_6E5B),
            ("abc", 0, 0x44BC_2CF5_AD77_0999),
            ("Nobody inspects the spammish repetition", 0, 0xFBCE_A83C_8A37_8BF1),
            ("xxhash", 20_141_025, 0xB559_B98D_844E_0635),
        ] {
            assert_eq!(xxhash64(text.as_bytes(), seed), expected, "{text:?} with {seed}");
        }
    }

    #[test]
    fn murmur2_gives_what_the_standard_library_of_gnu_cpp_gives() {
        for (text, expected) in
            [("", 6_142_509_188_972_423_790), ("a", 4_993_892_634_952_068_459), ("abcdefgh", 8_664_279_048_047_335_611)]
        {
            assert_eq!(murmur2(text.as_bytes()), expected, "{text:?}");
        }
    }
}
