package event

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/mail/message"
)

// Facts are what the mail object of a message is made of. They are written when the
// message is accepted; the object is made when somebody is told.
type Facts struct {
	Message           mail.ID
	Account           string
	Accepted          time.Time
	Source, SourceARN string
	Destination       []string
	// Tags are names and values by turns; one that has several values stands several
	// times.
	Tags []string
	// Received is the field that stands before those of the header section; empty is
	// none.
	Received string
	// Header is the header section as the client sent it.
	Header []byte
}

// The first octet of a kept mail object: its version, or that of JSON.
const (
	factsVersion = 1
	jsonBegins   = '{'
)

// shortTags are the names that a tag of almost every message has. They are kept as
// one octet, which no name is: their place here, from 1. A place is never given
// twice.
func shortTags() [6]string {
	return [...]string{TagOperation, TagConfigSet, TagSourceIP, TagFromDomain, TagCallerIdentity, TagSourceTLS}
}

// Encode gives the facts as they are kept (queue.Message.Mail). Of a header section
// that no event shows whole, the object is made now, so that what is kept is no
// longer than what is shown.
func (f *Facts) Encode() ([]byte, error) {
	if len(f.Header) >= maxHeaders {
		m, err := f.object()
		if err != nil {
			return nil, err
		}
		m.HeadersTruncated = true
		return m.Encode()
	}
	size := 64 + len(f.Source) + len(f.SourceARN) + len(f.Received) + len(f.Header)
	for _, list := range [][]string{f.Destination, f.Tags} {
		for _, text := range list {
			size += len(text) + 2
		}
	}
	b := binary.AppendVarint(append(make([]byte, 0, size), factsVersion), f.Accepted.UnixMilli())
	b = appendText(appendText(b, f.Source), f.SourceARN)
	b = binary.AppendUvarint(b, uint64(len(f.Destination)))
	for _, to := range f.Destination {
		b = appendText(b, to)
	}
	b = binary.AppendUvarint(b, uint64(len(f.Tags)))
	short := shortTags()
	for i, text := range f.Tags {
		if place := slices.Index(short[:], text); i%2 == 0 && place >= 0 {
			b = append(b, 1, byte(place+1))
			continue
		}
		b = appendText(b, text)
	}
	b = appendText(b, f.Received)
	return append(binary.AppendUvarint(b, uint64(len(f.Header))), f.Header...), nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// factsReader reads them back. After the first mistake everything is empty.
type factsReader struct {
	b   []byte
	bad bool
}

func (r *factsReader) fail() { r.b, r.bad = nil, true }

// count reads how many follow, of which each takes an octet at least.
func (r *factsReader) count() int {
	n, k := binary.Uvarint(r.b)
	if k <= 0 || n > uint64(len(r.b)-k) {
		r.fail()
		return 0
	}
	r.b = r.b[k:]
	return int(n)
}

func (r *factsReader) octets() []byte {
	n := r.count()
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *factsReader) text() string { return string(r.octets()) }

func (r *factsReader) texts() []string {
	n := r.count()
	list := make([]string, 0, min(n, 64))
	for ; n > 0 && !r.bad; n-- {
		list = append(list, r.text())
	}
	return list
}

func (r *factsReader) time() time.Time {
	n, k := binary.Varint(r.b)
	if k <= 0 {
		r.fail()
		return time.Time{}
	}
	r.b = r.b[k:]
	return time.UnixMilli(n)
}

// ReadMail makes the mail object of a message from what was kept of it.
func ReadMail(id mail.ID, account string, kept []byte) (*Mail, error) {
	m, err := readMail(id, account, kept)
	if err != nil {
		return nil, fmt.Errorf("mail object of %s: %w", id, err)
	}
	return m, nil
}

func readMail(id mail.ID, account string, kept []byte) (*Mail, error) {
	switch {
	case len(kept) == 0:
		return nil, errors.New("empty")
	case kept[0] == jsonBegins:
		m := &Mail{}
		err := json.Unmarshal(kept, m)
		if m.Tags == nil {
			m.Tags = map[string][]string{}
		}
		return m, err
	case kept[0] != factsVersion:
		return nil, fmt.Errorf("version %d", kept[0])
	}
	r := factsReader{b: kept[1:]}
	f := Facts{Message: id, Account: account, Accepted: r.time(), Source: r.text(), SourceARN: r.text(),
		Destination: r.texts(), Tags: r.texts(), Received: r.text(), Header: r.octets()}
	if r.bad || len(r.b) > 0 || len(f.Tags)%2 != 0 {
		return nil, errors.New("cut short or damaged")
	}
	for short, i := shortTags(), 0; i < len(f.Tags); i += 2 {
		if name := f.Tags[i]; len(name) == 1 && name[0] >= 1 && int(name[0]) <= len(short) {
			f.Tags[i] = short[name[0]-1]
		}
	}
	return f.object()
}

// object makes the mail object.
func (f *Facts) object() (*Mail, error) {
	section := &message.Section{} // of what could not be rendered
	if len(f.Header) > 0 {
		// The door has judged the header; here it is only taken apart.
		var err error
		if section, err = (message.Limits{EightBit: func(string) bool { return true }}).Scan(f.Header); err != nil {
			return nil, err
		}
	}
	m := &Mail{Timestamp: Instant{f.Accepted}, Source: valid(f.Source), SourceARN: valid(f.SourceARN), SendingAccountID: f.Account,
		MessageID: f.Message.String(), Destination: make([]string, len(f.Destination)),
		Headers: make([]Header, 0, len(section.Fields)+1), Tags: make(map[string][]string)}
	for i, to := range f.Destination {
		m.Destination[i] = valid(to)
	}
	for i := 0; i+1 < len(f.Tags); i += 2 {
		name := valid(f.Tags[i])
		m.Tags[name] = append(m.Tags[name], valid(f.Tags[i+1]))
	}
	if f.Received != "" {
		m.Add("Received", f.Received)
	}
	for _, field := range section.Fields {
		m.Add(field.Name, field.Value())
	}
	// The client's own Message-ID stands among the headers only (spec section 8.1).
	m.CommonHeaders.MessageID = m.MessageID
	return m, nil
}

// valid puts U+FFFD in the place of each octet that is no UTF-8.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}
