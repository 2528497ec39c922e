package mail

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// IDPrefix is the first field of every message id, in the place where SES has
// the number of its Region (spec section 3.4).
const IDPrefix = "0100"

// ErrID says that a text has not the shape of a message id.
var ErrID = errors.New("not a message id")

// ID is a message id. Its text has the shape that SES uses (spec section 3.4):
//
//	0100018b8375d149-b3a90120-37e5-4873-a60d-b64f70e677cb-000000
//
// four digits, twelve of milliseconds since 1970, a UUID, six zeros. Of the
// UUID, 58 bits carry lane (12), epoch (20) and a counter (26), and the last 64
// (less the two of the UUID's variant) are an HMAC over the rest, so that an id can be told from a guessed one. The binary
// form sorts by time. The zero value is no id.
type ID [22]byte

// IDSize is the length of the binary form in octets.
const IDSize = len(ID{})

// ParseID reads the text form, letter case ignored. It checks the shape only;
// Minter.Verify tells whether we made it.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 60 || s[:4] != IDPrefix || s[16] != '-' || s[25] != '-' || s[30] != '-' ||
		s[35] != '-' || s[40] != '-' || s[53:] != "-000000" {
		return ID{}, ErrID
	}
	digits := strings.ToLower(s[4:16] + s[17:25] + s[26:30] + s[31:35] + s[36:40] + s[41:53])
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil {
		return ID{}, ErrID
	}
	return id, nil
}

// String gives the text form, 60 characters in lower case.
func (id ID) String() string {
	var b [60]byte
	copy(b[:], IDPrefix)
	hex.Encode(b[4:16], id[:6])
	b[16] = '-'
	hex.Encode(b[17:25], id[6:10])
	b[25] = '-'
	hex.Encode(b[26:30], id[10:12])
	b[30] = '-'
	hex.Encode(b[31:35], id[12:14])
	b[35] = '-'
	hex.Encode(b[36:40], id[14:16])
	b[40] = '-'
	hex.Encode(b[41:53], id[16:22])
	copy(b[53:], "-000000")
	return string(b[:])
}

// IsZero reports whether id is no id.
func (id ID) IsZero() bool { return id == ID{} }

// Time gives the time in the id: acceptance, to the millisecond.
func (id ID) Time() time.Time {
	var b [8]byte
	copy(b[2:], id[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b[:])))
}

// Lane gives the lane of the queue that the message belongs to.
func (id ID) Lane() uint16 { return uint16(id.fields() >> 46) }

// Epoch gives the lane's epoch at the time the id was made.
func (id ID) Epoch() uint32 { return uint32(id.fields()>>26) & (1<<20 - 1) }

// The UUID is id[6:22]. Its version nibble (high half of byte 6) and variant
// bits (top two of byte 8) are fixed. The fields take 58 of the 60 free bits of
// its first eight octets, the HMAC the last eight but for the variant bits.
func (id ID) fields() uint64 {
	v := binary.BigEndian.Uint64(id[6:14])
	return (v>>16<<12 | v&0xfff) & (1<<58 - 1)
}

func (id *ID) setFields(v uint64) {
	binary.BigEndian.PutUint64(id[6:14], v>>12<<16|0x4000|v&0xfff)
}

// MarshalText gives the text form.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the text form; empty text is the zero value.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = ID{}
		return nil
	}
	parsed, err := ParseID(string(text))
	*id = parsed
	return err
}

// Minter makes and recognises message ids. It is safe for concurrent use.
type Minter struct {
	key   []byte
	lane  uint16
	epoch uint32
	seq   atomic.Uint64
	macs  sync.Pool // of *mac
}

// mac is an HMAC with the key, and room for its sum.
type mac struct {
	hash.Hash
	sum [sha256.Size]byte
}

// NewMinter makes ids for one lane (0 to 4095) in one epoch (0 to 2^20-1). The
// key must be secret and stay the same over restarts.
func NewMinter(key []byte, lane uint16, epoch uint32) (*Minter, error) {
	if len(key) < 16 {
		return nil, fmt.Errorf("message id key: %d octets, at least 16 needed", len(key))
	}
	if lane >= 1<<12 || epoch >= 1<<20 {
		return nil, fmt.Errorf("message id: lane %d or epoch %d out of range", lane, epoch)
	}
	m := &Minter{key: key, lane: lane, epoch: epoch}
	m.macs.New = func() any { return &mac{Hash: hmac.New(sha256.New, key)} }
	return m, nil
}

// New makes an id with the time t.
func (m *Minter) New(t time.Time) ID {
	return m.make(t, m.seq.Add(1))
}

// Derive makes the id of a message that follows from another: same parent, time
// and label always give the same id, so that a repeat is recognised. What follows from no
// message has a zero parent, and lies in the minter's lane.
func (m *Minter) Derive(parent ID, t time.Time, label string) ID {
	h := hmac.New(sha256.New, m.key)
	h.Write(parent[:])
	h.Write([]byte(label))
	sum := h.Sum(nil)
	id := ID{}
	id.setTime(t)
	lane := parent.Lane() // the follower lies beside it
	if parent.IsZero() {
		lane = m.lane
	}
	// Epoch and counter from the hash.
	id.setFields(uint64(lane)<<46 | binary.BigEndian.Uint64(sum)>>18)
	m.sign(&id)
	return id
}

// Verify reports, in constant time, whether an id was made with this key.
func (m *Minter) Verify(id ID) bool {
	want := id
	m.sign(&want)
	return hmac.Equal(want[:], id[:])
}

func (m *Minter) make(t time.Time, seq uint64) ID {
	var id ID
	id.setTime(t)
	id.setFields(uint64(m.lane)<<46 | uint64(m.epoch)<<26 | seq&(1<<26-1))
	m.sign(&id)
	return id
}

func (id *ID) setTime(t time.Time) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(t.UnixMilli()))
	copy(id[:6], b[2:])
}

// sign fills the last eight octets with the HMAC, variant bits of RFC 9562 set.
func (m *Minter) sign(id *ID) {
	h := m.macs.Get().(*mac)
	h.Reset()
	h.Write(id[:14])
	copy(id[14:], h.Sum(h.sum[:0]))
	m.macs.Put(h)
	id[14] = id[14]&0x3f | 0x80
}
