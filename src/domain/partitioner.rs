//! Which partition a key belongs to, as the partitioners of Kafka's clients have it.
//!
//! Two producers that disagree put one user's records on two partitions; so the program must know which one is right.

use serde::{Deserialize, Serialize};

use super::PartitionId;

/// What decides the partition of a record with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Partitioner {
    /// Java's default: murmur2 of the key, made positive.
    #[default]
    Murmur2,
    /// librdkafka's default (`consistent`, `consistent_random`): CRC32 of the key.
    Consistent,
    /// sarama's default, and librdkafka's `fnv1a`: FNV-1a of 32 bits as a signed number, its sign taken off.
    Fnv1a,
}

impl std::fmt::Display for Partitioner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Partitioner {
    /// In the order in which counts of them are kept.
    pub const ALL: [Self; 3] = [Self::Murmur2, Self::Consistent, Self::Fnv1a];

    /// As the configuration has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Murmur2 => "murmur2",
            Self::Consistent => "consistent",
            Self::Fnv1a => "fnv1a",
        }
    }

    /// The partition of a key among `partitions`.
    pub fn partition_of(self, key: &[u8], partitions: i32) -> PartitionId {
        let hash = match self {
            Self::Murmur2 => murmur2(key) & 0x7fff_ffff,
            Self::Consistent => crc32(key),
            // sarama takes the rest of the signed number, and then the sign off; librdkafka the other way round: the
            // same.
            Self::Fnv1a => fnv1a(key).cast_signed().unsigned_abs(),
        };
        PartitionId((hash % partitions.max(1).unsigned_abs()).cast_signed())
    }
}

/// The partition of a key among `partitions`, as the Java client's default partitioner has it:
/// murmur2 with seed 0x9747b28c, made positive, modulo the count. So outputs are keyed, whatever the inputs are.
pub fn partition_of(key: &[u8], partitions: i32) -> PartitionId {
    Partitioner::Murmur2.partition_of(key, partitions)
}

/// Kafka's 32-bit MurmurHash2 (`org.apache.kafka.common.utils.Utils.murmur2`).
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    let mut h = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = word.iter().rev().fold(0u32, |k, &byte| k << 8 | u32::from(byte));
        k = k.wrapping_mul(M);
        k ^= k >> R;
        k = k.wrapping_mul(M);
        h = h.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        h ^= rest.iter().rev().fold(0u32, |k, &byte| k << 8 | u32::from(byte));
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ h >> 15
}

/// CRC-32 as zlib has it (polynomial 0xedb88320, reflected).
fn crc32(data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let (mut entry, mut bit) = (index as u32, 0);
            while bit < 8 {
                entry = if entry & 1 == 1 { entry >> 1 ^ 0xedb8_8320 } else { entry >> 1 };
                bit += 1;
            }
            table[index] = entry;
            index += 1;
        }
        table
    };
    !data.iter().fold(u32::MAX, |crc, &byte| TABLE[((crc ^ u32::from(byte)) & 0xff) as usize] ^ crc >> 8)
}

/// FNV-1a of 32 bits (Go's `hash/fnv.New32a`).
fn fnv1a(data: &[u8]) -> u32 {
    data.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_agrees_with_the_java_client() {
        // The cases of org.apache.kafka.common.utils.UtilsTest.
        let cases: [(&[u8], i32); 7] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
        ];
        for (key, hash) in cases {
            assert_eq!(murmur2(key) as i32, hash, "{key:?}");
        }
    }

    #[test]
    fn consistent_agrees_with_librdkafka() {
        // Its partitioner is zlib's CRC-32 modulo the count; the first is the check value of that CRC.
        let cases: [(&[u8], u32); 3] = [(b"123456789", 0xcbf4_3926), (b"", 0), (b"a", 0xe8b7_be43)];
        for (key, hash) in cases {
            assert_eq!(crc32(key), hash, "{key:?}");
            assert_eq!(Partitioner::Consistent.partition_of(key, 7), PartitionId((hash % 7) as i32));
        }
    }

    #[test]
    fn fnv1a_agrees_with_sarama_and_librdkafka() {
        // The cases of librdkafka's `unittest_fnv1a`, taken from Go's fnv.New32a without the sign.
        let cases: [(&[u8], i32); 8] = [
            (b"kafka", 0x0d33_c4e1),
            (b"giberish123456789", 0x77a5_8295),
            (b"1234", 0x023b_dd03),
            (b"234", 0x2dea_3cd2),
            (b"34", 0x740f_a83e),
            (b"4", 0x310c_a263),
            (b"PreAmbleWillBeRemoved,ThePrePartThatIs", 0x65cb_d69c),
            (b"", 0x7ee3_623b),
        ];
        for (key, hash) in cases {
            for partitions in [1, 3, 8, 100] {
                // As sarama reckons: the rest of the signed number, then the sign off.
                let rest = fnv1a(key).cast_signed() % partitions;
                let expected = PartitionId(if rest < 0 { -rest } else { rest });
                assert_eq!(Partitioner::Fnv1a.partition_of(key, partitions), expected, "{key:?} of {partitions}");
                assert_eq!(expected, PartitionId(hash % partitions), "{key:?} of {partitions}");
            }
        }
    }
}
