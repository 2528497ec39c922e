package bolt

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
)

// The names of the buckets in spool.db (docs/adr/0001-spool-on-bolt.md).
const (
	bucketMeta     = "meta"
	bucketMessages = "messages"
	bucketEntries  = "entries"
	bucketDue      = "due"
	bucketOutbox   = "outbox"
	bucketPins     = "pins"
	bucketDedupe   = "dedupe"
	bucketExpiry   = "dedupe_expiry"
	bucketUsage    = "usage"
)

func spoolBuckets() []string {
	return []string{
		bucketMeta, bucketMessages, bucketEntries, bucketDue, bucketOutbox,
		bucketPins, bucketDedupe, bucketExpiry, bucketUsage,
	}
}

const (
	entryKeySize = mail.IDSize + 2
	dueTailSize  = 8 + entryKeySize // of a due key, behind the line
)

// entryKey is ID and number of the recipient.
func entryKey(id mail.ID, n int) []byte {
	k := make([]byte, 0, entryKeySize)
	k = append(k, id[:]...)
	return binary.BigEndian.AppendUint16(k, uint16(n))
}

func splitEntryKey(k []byte) (id mail.ID, n int) {
	copy(id[:], k)
	return id, int(binary.BigEndian.Uint16(k[mail.IDSize:]))
}

// linePrefix is domain 0 account 0: all due keys of a line begin with it. No
// domain and no account has a zero octet (checked at Append).
func linePrefix(l queue.Line) []byte {
	k := make([]byte, 0, len(l.Domain)+len(l.Account)+2+dueTailSize)
	k = append(k, l.Domain...)
	k = append(k, 0)
	k = append(k, l.Account...)
	return append(k, 0)
}

// afterLine sorts behind every due key of the line and before the next line.
func afterLine(l queue.Line) []byte {
	k := linePrefix(l)
	k[len(k)-1] = 1
	return k
}

// dueKey puts queued entries in (domain, account, due, id, n) order.
func dueKey(l queue.Line, due int64, entry []byte) []byte {
	k := linePrefix(l)
	k = binary.BigEndian.AppendUint64(k, uint64(max(due, 0)))
	return append(k, entry...)
}

// splitDueKey gives the parts of a due key, or false when it is none.
func splitDueKey(k []byte) (l queue.Line, due int64, entry []byte, ok bool) {
	head, ok := bytes.CutSuffix(k[:max(len(k)-dueTailSize, 0)], []byte{0})
	domain, account, found := bytes.Cut(head, []byte{0})
	if !ok || !found {
		return queue.Line{}, 0, nil, false
	}
	tail := k[len(k)-dueTailSize:]
	return queue.Line{Domain: string(domain), Account: string(account)},
		int64(binary.BigEndian.Uint64(tail)), tail[8:], true
}

// seqKey is the number of an event in the outbox of one consumer.
func seqKey(seq uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 0, 8), seq)
}

// pinKey is ID, consumer and number of a Bounce that waits.
func pinKey(id mail.ID, consumer string, seq uint64) []byte {
	k := make([]byte, 0, mail.IDSize+len(consumer)+8)
	k = append(k, id[:]...)
	k = append(k, consumer...)
	return binary.BigEndian.AppendUint64(k, seq)
}

// usageKey is account 0 minute.
func usageKey(account string, minute int64) []byte {
	k := make([]byte, 0, len(account)+9)
	k = append(k, account...)
	k = append(k, 0)
	return binary.BigEndian.AppendUint64(k, uint64(max(minute, 0)))
}

// dedupeKey is account 0 key. A notice has no account of a client before the
// zero octet, so that no client's key meets it.
func dedupeKey(account, key string) []byte {
	return []byte(account + "\x00" + key)
}

// millis is a time as it stands on disk; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(t.UnixMilli(), 0)
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
