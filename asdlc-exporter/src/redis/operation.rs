//! The label `operation`: the name of a command if Redis has that command, without its arguments.

use redis::{Arg, Cmd, Pipeline};

/// An index into [`NAMES`], or [`OTHER`](Self::OTHER).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operation(usize);

impl Operation {
    /// How many values the label can have.
    pub(super) const COUNT: usize = NAMES.len() + 1;

    pub(super) fn of_command(command: &Cmd) -> Self {
        match command.args_iter().next() {
            Some(Arg::Simple(name)) => Self::named(name),
            _ => Self::OTHER,
        }
    }

    pub(super) fn of_pipeline(pipeline: &Pipeline) -> Self {
        if pipeline.is_transaction() { Self::MULTI } else { Self::PIPELINE }
    }

    /// Command names are not case-sensitive.
    fn named(name: &[u8]) -> Self {
        if name.len() > LONGEST {
            return Self::OTHER;
        }
        let mut at = hash(name);
        loop {
            let Entry { known, length, row } = &ENTRIES[at];
            let (known, _) = known.split_at(usize::from(*length));
            if *row == FREE || known.eq_ignore_ascii_case(name) {
                return Self(usize::from(*row));
            }
            at = (at + 1) % ENTRIES.len();
        }
    }

    pub(super) fn index(self) -> usize {
        self.0
    }

    pub(super) fn label(self) -> &'static str {
        NAMES.get(self.0).unwrap_or(&"_OTHER")
    }

    const OTHER: Self = Self(NAMES.len());
    const MULTI: Self = Self(row_of("MULTI"));
    const PIPELINE: Self = Self(row_of("PIPELINE"));
}

/// A hash table of the names with linear probing. Each entry contains its name, so a look-up with
/// cold CPU caches reads one cache line.
static ENTRIES: [Entry; 1024] = {
    let free = Entry { known: [0; LONGEST], length: 0, row: FREE };
    let mut entries = [free; 1024];
    let mut row = 0;
    while row < NAMES.len() {
        let name = NAMES[row].as_bytes();
        let mut at = hash(name);
        while entries[at].row != FREE {
            at = (at + 1) % entries.len();
        }
        entries[at].row = row as u16;
        entries[at].length = name.len() as u8;
        let mut byte = 0;
        while byte < name.len() {
            entries[at].known[byte] = name[byte];
            byte += 1;
        }
        row += 1;
    }
    entries
};

#[derive(Clone, Copy)]
#[repr(align(32))]
struct Entry {
    known: [u8; LONGEST],
    length: u8,
    row: u16,
}

/// The row of an empty entry. It is the index of [`Operation::OTHER`].
const FREE: u16 = NAMES.len() as u16;

/// The row of a name that is in the table.
const fn row_of(name: &str) -> usize {
    let mut row = 0;
    while !is_same(NAMES[row].as_bytes(), name.as_bytes()) {
        row += 1;
    }
    row
}

/// `==`, which a `const fn` cannot call.
const fn is_same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// FNV-1a, folded to 10 bits. Upper and lower case of a letter have the same hash.
const fn hash(name: &[u8]) -> usize {
    let (mut hash, mut at) = (0x811c_9dc5_u32, 0);
    while at < name.len() {
        hash = (hash ^ (name[at] & !0x20) as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    ((hash ^ (hash >> 16)) % 1024) as usize
}

/// The space for a name in an [`Entry`], in bytes. No name is longer.
const LONGEST: usize = 24;

/// The commands of Redis 7.0 to 8.4 and of the modules that it ships, sorted. `PIPELINE` is in the
/// list too, although it is not a command. A command and its subcommands are one operation.
#[rustfmt::skip]
const NAMES: [&str; 392] = [
    "ACL", "APPEND", "ASKING", "AUTH", "BF.ADD", "BF.CARD", "BF.EXISTS", "BF.INFO", "BF.INSERT",
    "BF.LOADCHUNK", "BF.MADD", "BF.MEXISTS", "BF.RESERVE", "BF.SCANDUMP", "BGREWRITEAOF", "BGSAVE",
    "BITCOUNT", "BITFIELD", "BITFIELD_RO", "BITOP", "BITPOS", "BLMOVE", "BLMPOP", "BLPOP", "BRPOP",
    "BRPOPLPUSH", "BZMPOP", "BZPOPMAX", "BZPOPMIN", "CF.ADD", "CF.ADDNX", "CF.COUNT", "CF.DEL",
    "CF.EXISTS", "CF.INFO", "CF.INSERT", "CF.INSERTNX", "CF.LOADCHUNK", "CF.MEXISTS", "CF.RESERVE",
    "CF.SCANDUMP", "CLIENT", "CLUSTER", "CMS.INCRBY", "CMS.INFO", "CMS.INITBYDIM", "CMS.INITBYPROB",
    "CMS.MERGE", "CMS.QUERY", "COMMAND", "CONFIG", "COPY", "DBSIZE", "DEBUG", "DECR", "DECRBY",
    "DEL", "DELEX", "DIGEST", "DISCARD", "DUMP", "ECHO", "EVAL", "EVALSHA", "EVALSHA_RO", "EVAL_RO",
    "EXEC", "EXISTS", "EXPIRE", "EXPIREAT", "EXPIRETIME", "FAILOVER", "FCALL", "FCALL_RO",
    "FLUSHALL", "FLUSHDB", "FT.AGGREGATE", "FT.ALIASADD", "FT.ALIASDEL", "FT.ALIASUPDATE",
    "FT.ALTER", "FT.CONFIG", "FT.CREATE", "FT.CURSOR", "FT.DICTADD", "FT.DICTDEL", "FT.DICTDUMP",
    "FT.DROPINDEX", "FT.EXPLAIN", "FT.EXPLAINCLI", "FT.HYBRID", "FT.INFO", "FT.PROFILE",
    "FT.SEARCH", "FT.SPELLCHECK", "FT.SUGADD", "FT.SUGDEL", "FT.SUGGET", "FT.SUGLEN", "FT.SYNDUMP",
    "FT.SYNUPDATE", "FT.TAGVALS", "FT._LIST", "FUNCTION", "GEOADD", "GEODIST", "GEOHASH", "GEOPOS",
    "GEORADIUS", "GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO", "GEORADIUS_RO", "GEOSEARCH",
    "GEOSEARCHSTORE", "GET", "GETBIT", "GETDEL", "GETEX", "GETRANGE", "GETSET", "HDEL", "HELLO",
    "HEXISTS", "HEXPIRE", "HEXPIREAT", "HEXPIRETIME", "HGET", "HGETALL", "HGETDEL", "HGETEX",
    "HINCRBY", "HINCRBYFLOAT", "HKEYS", "HLEN", "HMGET", "HMSET", "HOTKEYS", "HPERSIST", "HPEXPIRE",
    "HPEXPIREAT", "HPEXPIRETIME", "HPTTL", "HRANDFIELD", "HSCAN", "HSET", "HSETEX", "HSETNX",
    "HSTRLEN", "HTTL", "HVALS", "INCR", "INCRBY", "INCRBYFLOAT", "INFO", "JSON.ARRAPPEND",
    "JSON.ARRINDEX", "JSON.ARRINSERT", "JSON.ARRLEN", "JSON.ARRPOP", "JSON.ARRTRIM", "JSON.CLEAR",
    "JSON.DEBUG", "JSON.DEL", "JSON.FORGET", "JSON.GET", "JSON.MERGE", "JSON.MGET", "JSON.MSET",
    "JSON.NUMINCRBY", "JSON.NUMMULTBY", "JSON.OBJKEYS", "JSON.OBJLEN", "JSON.RESP", "JSON.SET",
    "JSON.STRAPPEND", "JSON.STRLEN", "JSON.TOGGLE", "JSON.TYPE", "KEYS", "LASTSAVE", "LATENCY",
    "LCS", "LINDEX", "LINSERT", "LLEN", "LMOVE", "LMPOP", "LOLWUT", "LPOP", "LPOS", "LPUSH",
    "LPUSHX", "LRANGE", "LREM", "LSET", "LTRIM", "MEMORY", "MGET", "MIGRATE", "MODULE", "MONITOR",
    "MOVE", "MSET", "MSETEX", "MSETNX", "MULTI", "OBJECT", "PERSIST", "PEXPIRE", "PEXPIREAT",
    "PEXPIRETIME", "PFADD", "PFCOUNT", "PFDEBUG", "PFMERGE", "PFSELFTEST", "PING", "PIPELINE",
    "PSETEX", "PSUBSCRIBE", "PSYNC", "PTTL", "PUBLISH", "PUBSUB", "PUNSUBSCRIBE", "QUIT",
    "RANDOMKEY", "READONLY", "READWRITE", "RENAME", "RENAMENX", "REPLCONF", "REPLICAOF", "RESET",
    "RESTORE", "RESTORE-ASKING", "ROLE", "RPOP", "RPOPLPUSH", "RPUSH", "RPUSHX", "SADD", "SAVE",
    "SCAN", "SCARD", "SCRIPT", "SDIFF", "SDIFFSTORE", "SELECT", "SENTINEL", "SET", "SETBIT",
    "SETEX", "SETNX", "SETRANGE", "SHUTDOWN", "SINTER", "SINTERCARD", "SINTERSTORE", "SISMEMBER",
    "SLAVEOF", "SLOWLOG", "SMEMBERS", "SMISMEMBER", "SMOVE", "SORT", "SORT_RO", "SPOP", "SPUBLISH",
    "SRANDMEMBER", "SREM", "SSCAN", "SSUBSCRIBE", "STRLEN", "SUBSCRIBE", "SUBSTR", "SUNION",
    "SUNIONSTORE", "SUNSUBSCRIBE", "SWAPDB", "SYNC", "TDIGEST.ADD", "TDIGEST.BYRANK",
    "TDIGEST.BYREVRANK", "TDIGEST.CDF", "TDIGEST.CREATE", "TDIGEST.INFO", "TDIGEST.MAX",
    "TDIGEST.MERGE", "TDIGEST.MIN", "TDIGEST.QUANTILE", "TDIGEST.RANK", "TDIGEST.RESET",
    "TDIGEST.REVRANK", "TDIGEST.TRIMMED_MEAN", "TIME", "TOPK.ADD", "TOPK.COUNT", "TOPK.INCRBY",
    "TOPK.INFO", "TOPK.LIST", "TOPK.QUERY", "TOPK.RESERVE", "TOUCH", "TS.ADD", "TS.ALTER",
    "TS.CREATE", "TS.CREATERULE", "TS.DECRBY", "TS.DEL", "TS.DELETERULE", "TS.GET", "TS.INCRBY",
    "TS.INFO", "TS.MADD", "TS.MGET", "TS.MRANGE", "TS.MREVRANGE", "TS.QUERYINDEX", "TS.RANGE",
    "TS.REVRANGE", "TTL", "TYPE", "UNLINK", "UNSUBSCRIBE", "UNWATCH", "VADD", "VCARD", "VDIM",
    "VEMB", "VGETATTR", "VINFO", "VISMEMBER", "VLINKS", "VRANDMEMBER", "VRANGE", "VREM", "VSETATTR",
    "VSIM", "WAIT", "WAITAOF", "WATCH", "XACK", "XACKDEL", "XADD", "XAUTOCLAIM", "XCFGSET",
    "XCLAIM", "XDEL", "XDELEX", "XGROUP", "XINFO", "XLEN", "XPENDING", "XRANGE", "XREAD",
    "XREADGROUP", "XREVRANGE", "XSETID", "XTRIM", "ZADD", "ZCARD", "ZCOUNT", "ZDIFF", "ZDIFFSTORE",
    "ZINCRBY", "ZINTER", "ZINTERCARD", "ZINTERSTORE", "ZLEXCOUNT", "ZMPOP", "ZMSCORE", "ZPOPMAX",
    "ZPOPMIN", "ZRANDMEMBER", "ZRANGE", "ZRANGEBYLEX", "ZRANGEBYSCORE", "ZRANGESTORE", "ZRANK",
    "ZREM", "ZREMRANGEBYLEX", "ZREMRANGEBYRANK", "ZREMRANGEBYSCORE", "ZREVRANGE", "ZREVRANGEBYLEX",
    "ZREVRANGEBYSCORE", "ZREVRANK", "ZSCAN", "ZSCORE", "ZUNION", "ZUNIONSTORE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_its_names_fit() {
        assert!(NAMES.is_sorted_by(|a, b| a < b));
        assert!(NAMES.iter().all(|name| name.len() <= LONGEST));
    }

    #[test]
    fn every_name_is_found_in_any_case() {
        for (at, name) in NAMES.iter().enumerate() {
            assert_eq!(Operation::named(name.as_bytes()), Operation(at));
            assert_eq!(Operation::named(name.to_lowercase().as_bytes()), Operation(at));
            assert_eq!(Operation(at).label(), *name);
        }
    }

    #[test]
    fn an_unknown_name_is_other() {
        let long = [b'A'; 1000];
        // The last two have the hash of `EVAL_RO` and of `BF.ADD`.
        for name in [
            &b""[..],
            b"GETT",
            b"GET ",
            b"GET key",
            b"\xff\xfe",
            b"_OTHER",
            &long,
            b"EVAL\x7fRO",
            b"BF\x0eADD",
        ] {
            assert_eq!(Operation::named(name).label(), "_OTHER", "{name:?}");
        }
        assert_eq!(Operation::of_command(&Cmd::new()).label(), "_OTHER");
        assert_eq!(Operation::of_command(Cmd::new().cursor_arg(1)).label(), "_OTHER");
    }

    #[test]
    fn arguments_are_ignored() {
        let mut command = redis::cmd("config");
        assert_eq!(Operation::of_command(command.arg("GET").arg("secret")).label(), "CONFIG");
    }

    #[test]
    fn a_pipeline_and_a_transaction_are_different_operations() {
        let mut pipeline = redis::pipe();
        pipeline.cmd("GET").arg("key");
        assert_eq!(Operation::of_pipeline(&pipeline).label(), "PIPELINE");
        assert_eq!(Operation::of_pipeline(pipeline.atomic()).label(), "MULTI");
    }
}
