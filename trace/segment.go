package trace

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// A segment is a file of blocks. A block is a header, the hashes of the keys of its
// records, and the records, deflated together. All numbers are big-endian.
//
//	0 magic  4 flags  8 payload octets  12 octets inflated  16 keys  20 records
//	24 first time  32 last time (Unix microseconds)
//	40 CRC-32C of 0 to 40, keys and payload  44 CRC-32C of 0 to 44
const (
	headSize   = 48
	magic      = 0x53547231 // "STr1": the 1 is the version of the format
	flagClosed = 1          // the recorder ended in good order here
	flagWords  = 2          // deflated with the dictionary

	maxPayload = 8 << 20
	maxRaw     = 16 << 20
	maxKeys    = 1 << 20
	maxRecord  = 1 << 20
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errTorn    = errors.New("torn block")
)

// head is the header of a block.
type head struct {
	flags, payload, raw, keys, records uint32
	first, last                        int64
	sum                                uint32
}

func (h *head) size() int64 { return headSize + 4*int64(h.keys) + int64(h.payload) }

func readHead(f io.ReaderAt, at int64) (h head, raw [headSize]byte, err error) {
	if _, err := f.ReadAt(raw[:], at); err != nil {
		return h, raw, err
	}
	u32 := func(at int) uint32 { return binary.BigEndian.Uint32(raw[at:]) }
	if u32(0) != magic || u32(44) != crc32.Checksum(raw[:44], castagnoli) {
		return h, raw, errTorn
	}
	h = head{
		flags: u32(4), payload: u32(8), raw: u32(12), keys: u32(16), records: u32(20),
		first: int64(binary.BigEndian.Uint64(raw[24:])), last: int64(binary.BigEndian.Uint64(raw[32:])), sum: u32(40),
	}
	if h.payload > maxPayload || h.raw > maxRaw || h.keys > maxKeys {
		return h, raw, errTorn
	}
	return h, raw, nil
}

// readBody gives keys and payload, checked.
func readBody(f io.ReaderAt, at int64, h *head, raw *[headSize]byte) (keys, payload []byte, err error) {
	body := make([]byte, h.size()-headSize)
	if _, err := f.ReadAt(body, at+headSize); err != nil {
		return nil, nil, err
	}
	sum := crc32.Update(crc32.Checksum(raw[:40], castagnoli), castagnoli, body)
	if sum != h.sum {
		return nil, nil, errTorn
	}
	return body[:4*h.keys], body[4*h.keys:], nil
}

// block gathers records until they are written.
type block struct {
	raw         []byte
	keys        []uint32 // some more than once
	records     uint32
	first, last int64
	out         bytes.Buffer
	deflate     *flate.Writer
	few         *flate.Writer // with the dictionary
	enc         cbor.UserBufferEncMode
	one         bytes.Buffer // a record
}

// kept is what stands on disk for a record.
type kept struct {
	Time   int64   `cbor:"1,keyasint"` // Unix microseconds
	Since  int64   `cbor:"2,keyasint,omitempty"`
	Record *Record `cbor:"3,keyasint"`
}

func newBlock() (*block, error) {
	// The fastest level: records look alike so much that a better one gains little.
	deflate, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	few, err := flate.NewWriterDict(nil, flate.DefaultCompression, []byte(words))
	if err != nil {
		return nil, err
	}
	enc, err := cbor.EncOptions{}.UserBufferEncMode()
	return &block{deflate: deflate, few: few, enc: enc}, err
}

func (b *block) add(r *Record) error {
	k := kept{Time: r.Time.UnixMicro(), Record: r}
	if !r.Since.IsZero() {
		k.Since = r.Since.UnixMicro()
	}
	b.one.Reset()
	if err := b.enc.MarshalToBuffer(&k, &b.one); err != nil {
		return err
	}
	if b.one.Len() > maxRecord {
		return fmt.Errorf("record of %d octets", b.one.Len())
	}
	b.raw = binary.AppendUvarint(b.raw, uint64(b.one.Len()))
	b.raw = append(b.raw, b.one.Bytes()...)
	r.keys(func(key uint32) { b.keys = append(b.keys, key) })
	if b.records++; b.records == 1 {
		b.first, b.last = k.Time, k.Time
	}
	b.first, b.last = min(b.first, k.Time), max(b.last, k.Time)
	return nil
}

// seal gives the block as it goes to disk, and empties it. What it gives lives
// until the next seal.
func (b *block) seal(flags uint32) ([]byte, error) {
	slices.Sort(b.keys)
	keys := slices.Compact(b.keys)
	b.out.Reset()
	var space [headSize]byte
	b.out.Write(space[:])
	body := make([]byte, 0, 4*len(keys))
	for _, key := range keys {
		body = binary.BigEndian.AppendUint32(body, key)
	}
	b.out.Write(body)
	deflate := b.deflate
	if len(b.raw) < fewOctets {
		deflate, flags = b.few, flags|flagWords
	}
	deflate.Reset(&b.out)
	if _, err := deflate.Write(b.raw); err != nil {
		return nil, err
	}
	if err := deflate.Close(); err != nil {
		return nil, err
	}
	p := b.out.Bytes()
	put := binary.BigEndian.PutUint32
	put(p[0:], magic)
	put(p[4:], flags)
	put(p[8:], uint32(len(p)-headSize-len(body)))
	put(p[12:], uint32(len(b.raw)))
	put(p[16:], uint32(len(keys)))
	put(p[20:], b.records)
	binary.BigEndian.PutUint64(p[24:], uint64(b.first))
	binary.BigEndian.PutUint64(p[32:], uint64(b.last))
	put(p[40:], crc32.Update(crc32.Checksum(p[:40], castagnoli), castagnoli, p[headSize:]))
	put(p[44:], crc32.Checksum(p[:44], castagnoli))
	b.raw, b.records = b.raw[:0], 0
	b.keys = b.keys[:0]
	return p, nil
}

// records gives the records of a payload.
func records(payload []byte, h *head) ([]*Record, error) {
	var dictionary []byte
	if h.flags&flagWords != 0 {
		dictionary = []byte(words)
	}
	inflate := flate.NewReaderDict(bytes.NewReader(payload), dictionary)
	raw := make([]byte, h.raw)
	if _, err := io.ReadFull(inflate, raw); err != nil {
		return nil, errTorn
	}
	var list []*Record
	for len(raw) > 0 {
		n, width := binary.Uvarint(raw)
		if width <= 0 || n > uint64(len(raw)-width) {
			return list, errTorn
		}
		k := kept{}
		if err := cbor.Unmarshal(raw[width:width+int(n)], &k); err != nil || k.Record == nil {
			return list, errTorn
		}
		raw = raw[width+int(n):]
		k.Record.Time = time.UnixMicro(k.Time).UTC()
		if k.Since != 0 {
			k.Record.Since = time.UnixMicro(k.Since).UTC()
		}
		k.Record.expand()
		list = append(list, k.Record)
	}
	return list, nil
}

// mend cuts a torn tail off the segment at path, and tells when its last record
// was made and whether the recorder ended in good order.
func mend(path string) (last time.Time, closed bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return last, false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return last, false, err
	}
	at := int64(0)
	for at < info.Size() {
		h, raw, err := readHead(f, at)
		if err == nil {
			_, _, err = readBody(f, at, &h, &raw)
		}
		if err != nil {
			return last, false, f.Truncate(at)
		}
		if h.records > 0 {
			last = time.UnixMicro(h.last).UTC()
		}
		closed = h.flags&flagClosed != 0
		at += h.size()
	}
	return last, closed, nil
}
