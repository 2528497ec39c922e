package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

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

// factsRecord is Facts as they are kept, but for what every event says. Numbers are
// never given twice.
type factsRecord struct {
	Accepted    int64    `cbor:"1,keyasint"`
	Source      string   `cbor:"2,keyasint,omitempty"`
	SourceARN   string   `cbor:"3,keyasint,omitempty"`
	Destination []string `cbor:"4,keyasint,omitempty"`
	Tags        []string `cbor:"5,keyasint,omitempty"`
	Received    string   `cbor:"6,keyasint,omitempty"`
	Header      []byte   `cbor:"7,keyasint,omitempty"`
}

// decoder takes text as it was written, UTF-8 or not. Its options are constant, so
// there is no error.
var decoder, _ = cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid}.DecMode()

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
	b, err := cbor.Marshal(&factsRecord{f.Accepted.UnixMilli(), f.Source, f.SourceARN, f.Destination, f.Tags, f.Received, f.Header})
	if err != nil {
		return nil, err
	}
	return append([]byte{factsVersion}, b...), nil
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
	var r factsRecord
	if err := decoder.Unmarshal(kept[1:], &r); err != nil {
		return nil, err
	}
	f := Facts{id, account, time.UnixMilli(r.Accepted), r.Source, r.SourceARN, r.Destination, r.Tags, r.Received, r.Header}
	return f.object()
}

// object makes the mail object.
func (f *Facts) object() (*Mail, error) {
	// The door has judged the header; here it is only taken apart.
	section, err := message.Limits{EightBit: func(string) bool { return true }}.Scan(f.Header)
	if err != nil {
		return nil, err
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
