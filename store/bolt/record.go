package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
	"github.com/sesame-mta/sesame/queue"
)

// recordVersion is the first octet of every record of ours, but of that of a message
// whose content lies in a segment.
const (
	recordVersion = 1
	placedVersion = 2
)

// decoder takes text as it was written, UTF-8 or not: what was confirmed must be
// readable. Its options are constant, so there is no error.
var decoder, _ = cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid}.DecMode()

// encoder writes at the end of a buffer, where what it wrote can stay.
var encoder, _ = cbor.EncOptions{}.UserBufferEncMode()

// messageRecord is a queue.Message on disk. Numbers are never given twice.
type messageRecord struct {
	Account     string   `cbor:"1,keyasint"`
	From        string   `cbor:"2,keyasint,omitempty"`
	To          []string `cbor:"3,keyasint"`
	Accepted    int64    `cbor:"4,keyasint"`
	Size        int64    `cbor:"5,keyasint"`
	HeaderSize  int64    `cbor:"6,keyasint,omitempty"`
	Prefix      []byte   `cbor:"7,keyasint,omitempty"`
	Drop        []uint32 `cbor:"8,keyasint,omitempty"` // offset, length, ...
	EightBit    bool     `cbor:"9,keyasint,omitempty"`
	Keys        []string `cbor:"10,keyasint,omitempty"`
	RequireTLS  bool     `cbor:"11,keyasint,omitempty"`
	MessageID   string   `cbor:"12,keyasint,omitempty"`
	Notice      bool     `cbor:"13,keyasint,omitempty"`
	ContentSize int64    `cbor:"14,keyasint,omitempty"`
	ContentFile string   `cbor:"15,keyasint,omitempty"` // empty: it follows the record
	Pool        string   `cbor:"16,keyasint,omitempty"`
	ConfigSet   string   `cbor:"17,keyasint,omitempty"`
	Tags        []string `cbor:"18,keyasint,omitempty"` // name, value, ...
	Mail        []byte   `cbor:"19,keyasint,omitempty"`
	Return      string   `cbor:"20,keyasint,omitempty"`
	Keep        bool     `cbor:"21,keyasint,omitempty"`
	Identity    string   `cbor:"22,keyasint,omitempty"`
}

// encodeMessage gives the record of a message whose content lies in a file, or with
// none will lie in a segment: where, is not known before the journal has it.
func encodeMessage(m *queue.Message, file string, size int64, sum uint32) ([]byte, error) {
	r := messageRecord{
		Account: m.Account, From: m.From.String(), To: make([]string, len(m.To)),
		Accepted: millis(m.Accepted), Size: m.Size, HeaderSize: m.HeaderSize,
		Prefix: m.Edit.Prefix, EightBit: m.EightBit, Keys: m.Keys, RequireTLS: m.RequireTLS,
		MessageID: m.MessageID, Notice: m.Notice, ContentSize: size, ContentFile: file,
		Pool: m.Pool, ConfigSet: m.ConfigSet, Identity: m.Identity, Mail: m.Mail, Keep: m.Keep,
	}
	if !m.Return.IsZero() {
		r.Return = m.Return.String()
	}
	for _, t := range m.Tags {
		r.Tags = append(r.Tags, t.Name, t.Value)
	}
	for i, to := range m.To {
		r.To[i] = to.String()
	}
	for _, d := range m.Edit.Drop {
		r.Drop = append(r.Drop, d.Off, d.Len)
	}
	if file != "" {
		return r.encode()
	}
	return r.encodePlaced(place{size: uint32(size), sum: sum})
}

// recordFront is version and length of the CBOR; the place follows in records that
// have one, then the CBOR. Records of before segments end with small content.
const recordFront = 5

func (r *messageRecord) encode() ([]byte, error) { return r.encodeBehind(recordVersion, nil) }

func (r *messageRecord) encodePlaced(p place) ([]byte, error) {
	return r.encodeBehind(placedVersion, p.appendTo(make([]byte, 0, placeSize)))
}

func (r *messageRecord) encodeBehind(version byte, p []byte) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, recordFront, 512+len(r.Prefix)+len(r.Mail)))
	b.Write(p)
	if err := encoder.MarshalToBuffer(r, b); err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	v := b.Bytes()
	v[0] = version
	binary.BigEndian.PutUint32(v[1:], uint32(len(v)-recordFront-len(p)))
	return v, nil
}

// placeOf gives where the content of a message lies; zero when in no segment.
func placeOf(v []byte) place {
	if len(v) < recordFront+placeSize || v[0] != placedVersion {
		return place{}
	}
	return splitPlace(v[recordFront:])
}

// setPlace writes into a record with a place where it is.
func setPlace(v []byte, seg uint32, off int64) {
	binary.BigEndian.PutUint32(v[recordFront:], seg)
	binary.BigEndian.PutUint64(v[recordFront+4:], uint64(off))
}

// stored is content that lies in no file of its own: in a segment or, in records of
// before them, behind the record.
type stored struct {
	at    place
	small []byte // aliases the record
}

// openMessageRecord takes a record apart.
func openMessageRecord(v []byte) (r *messageRecord, c stored, err error) {
	if len(v) < recordFront || v[0] != recordVersion && v[0] != placedVersion {
		return nil, c, queue.ErrDamaged
	}
	n, body := uint64(binary.BigEndian.Uint32(v[1:])), v[recordFront:]
	if v[0] == placedVersion {
		if c.at = placeOf(v); c.at.seg == 0 {
			return nil, c, queue.ErrDamaged
		}
		body = body[placeSize:]
	}
	if n > uint64(len(body)) {
		return nil, c, queue.ErrDamaged
	}
	r = &messageRecord{}
	if err := decoder.Unmarshal(body[:n], r); err != nil {
		return nil, c, fmt.Errorf("%w: %w", queue.ErrDamaged, err)
	}
	c.small = body[n:]
	have := int64(len(c.small)) + int64(c.at.size)
	if r.ContentFile == "" && have != r.ContentSize || r.ContentFile != "" && have > 0 {
		return nil, c, queue.ErrDamaged
	}
	return r, c, nil
}

func decodeMessage(id mail.ID, v []byte) (*queue.Message, error) {
	r, _, err := openMessageRecord(v)
	if err != nil {
		return nil, fmt.Errorf("message %s: %w", id, err)
	}
	m := &queue.Message{
		ID: id, Account: r.Account, To: make([]mail.ForwardPath, len(r.To)),
		Accepted: fromMillis(r.Accepted), Size: r.Size, HeaderSize: r.HeaderSize,
		Edit: message.Edit{Prefix: r.Prefix}, EightBit: r.EightBit, Keys: r.Keys,
		RequireTLS: r.RequireTLS, MessageID: r.MessageID, Notice: r.Notice,
		Pool: r.Pool, ConfigSet: r.ConfigSet, Identity: r.Identity, Mail: r.Mail, Keep: r.Keep,
	}
	if r.Return != "" {
		var err error
		if m.Return, err = mail.ParseAddress(r.Return); err != nil {
			return nil, fmt.Errorf("message %s: %w", id, queue.ErrDamaged)
		}
	}
	err = m.From.UnmarshalText([]byte(r.From))
	for i := 0; i < len(r.To) && err == nil; i++ {
		err = m.To[i].UnmarshalText([]byte(r.To[i]))
	}
	if err != nil || len(r.Drop)%2 != 0 || len(r.Tags)%2 != 0 {
		return nil, fmt.Errorf("message %s: %w", id, queue.ErrDamaged)
	}
	for i := 0; i < len(r.Drop); i += 2 {
		m.Edit.Drop = append(m.Edit.Drop, message.Span{Off: r.Drop[i], Len: r.Drop[i+1]})
	}
	for i := 0; i < len(r.Tags); i += 2 {
		m.Tags = append(m.Tags, queue.Tag{Name: r.Tags[i], Value: r.Tags[i+1]})
	}
	if !fits(m, r.ContentSize) {
		return nil, fmt.Errorf("message %s: %w", id, queue.ErrDamaged)
	}
	return m, nil
}

// entryRecord is a queue.Entry on disk.
type entryRecord struct {
	Account  string      `cbor:"1,keyasint"`
	To       string      `cbor:"2,keyasint"`
	State    int         `cbor:"3,keyasint"`
	Due      int64       `cbor:"4,keyasint"`
	Expires  int64       `cbor:"5,keyasint"`
	Attempts int         `cbor:"6,keyasint,omitempty"`
	Last     replyRecord `cbor:"7,keyasint,omitzero"`
	LastHost string      `cbor:"8,keyasint,omitempty"`
	Scanned  bool        `cbor:"9,keyasint,omitempty"`
}

// replyRecord is a mail.Reply on disk, but for its private cause.
type replyRecord struct {
	Code   int    `cbor:"1,keyasint,omitempty"`
	Status []int  `cbor:"2,keyasint,omitempty"`
	Text   string `cbor:"3,keyasint,omitempty"`
	Bare   bool   `cbor:"4,keyasint,omitempty"`
}

// IsZero leaves an empty reply out of a record.
func (r replyRecord) IsZero() bool {
	return r.Code == 0 && r.Status == nil && r.Text == "" && !r.Bare
}

func fromReply(r mail.Reply) replyRecord {
	out := replyRecord{Code: r.Code, Text: r.Text, Bare: r.Bare}
	if s := r.Status; !s.IsZero() {
		out.Status = []int{s.Class, s.Subject, s.Detail}
	}
	return out
}

func (r replyRecord) reply() mail.Reply {
	out := mail.Reply{Code: r.Code, Text: r.Text, Bare: r.Bare}
	if len(r.Status) == 3 {
		out.Status = mail.Status{Class: r.Status[0], Subject: r.Status[1], Detail: r.Status[2]}
	}
	return out
}

func encodeEntry(e *queue.Entry) ([]byte, error) {
	b := bytes.NewBuffer(append(make([]byte, 0, 128), recordVersion))
	err := encoder.MarshalToBuffer(&entryRecord{
		Account: e.Line.Account, To: e.To.String(), State: int(e.State), Due: millis(e.Due),
		Expires: millis(e.Expires), Attempts: e.Attempts, Last: fromReply(e.Last), LastHost: e.LastHost,
		Scanned: e.Scanned,
	}, b)
	if err != nil {
		return nil, fmt.Errorf("encode entry: %w", err)
	}
	return b.Bytes(), nil
}

func decodeEntry(k, v []byte) (queue.Entry, error) {
	if len(k) != entryKeySize || len(v) < 1 || v[0] != recordVersion {
		return queue.Entry{}, queue.ErrDamaged
	}
	e := queue.Entry{}
	e.ID, e.N = splitEntryKey(k)
	var r entryRecord
	if err := decoder.Unmarshal(v[1:], &r); err != nil {
		return queue.Entry{}, fmt.Errorf("entry %d of %s: %w: %w", e.N, e.ID, queue.ErrDamaged, err)
	}
	if err := e.To.UnmarshalText([]byte(r.To)); err != nil {
		return queue.Entry{}, fmt.Errorf("entry %d of %s: %w", e.N, e.ID, queue.ErrDamaged)
	}
	e.Line = queue.Line{Account: r.Account, Domain: e.To.Domain()}
	if e.State = queue.State(r.State); e.State < queue.Queued || e.State > queue.Held {
		return queue.Entry{}, fmt.Errorf("entry %d of %s: %w: state %d", e.N, e.ID, queue.ErrDamaged, r.State)
	}
	e.Due, e.Expires = fromMillis(r.Due), fromMillis(r.Expires)
	e.Attempts, e.Last, e.LastHost, e.Scanned = r.Attempts, r.Last.reply(), r.LastHost, r.Scanned
	return e, nil
}
