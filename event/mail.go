package event

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// maxHeaders is how many octets of header fields a mail object shows (spec
// section 8.2).
const maxHeaders = 10 << 10

// Mail is the mail object: what an event tells of the message it is about, in the
// form of SES (spec section 8.2).
type Mail struct {
	Timestamp        Instant             `json:"timestamp"`
	Source           string              `json:"source"`
	SourceARN        string              `json:"sourceArn,omitempty"`
	SendingAccountID string              `json:"sendingAccountId"`
	MessageID        string              `json:"messageId"`
	Destination      []string            `json:"destination"`
	HeadersTruncated bool                `json:"headersTruncated"`
	Headers          []Header            `json:"headers"`
	CommonHeaders    CommonHeaders       `json:"commonHeaders"`
	Tags             map[string][]string `json:"tags"`
	// ClientMessageID is the Message-ID field of the client, if there was one. It is
	// kept for notifications of identities, and told nobody under this name.
	ClientMessageID string `json:"clientMessageId,omitempty"`

	size int // octets of the fields that were added
}

// Header is one header field as the client sent it, unfolded.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// CommonHeaders are the fields that programs ask for most. Those that are absent
// from the message are absent here.
type CommonHeaders struct {
	ReturnPath string   `json:"returnPath,omitempty"`
	From       []string `json:"from,omitempty"`
	Sender     string   `json:"sender,omitempty"`
	ReplyTo    []string `json:"replyTo,omitempty"`
	Date       string   `json:"date,omitempty"`
	To         []string `json:"to,omitempty"`
	Cc         []string `json:"cc,omitempty"`
	Bcc        []string `json:"bcc,omitempty"`
	MessageID  string   `json:"messageId,omitempty"`
	Subject    string   `json:"subject,omitempty"`
}

// The automatic tags (spec section 8.3).
const (
	TagOperation      = "ses:operation"
	TagConfigSet      = "ses:configuration-set"
	TagSourceIP       = "ses:source-ip"
	TagFromDomain     = "ses:from-domain"
	TagCallerIdentity = "ses:caller-identity"
	TagSourceTLS      = "ses:source-tls-version"
	TagOutgoingTLS    = "ses:outgoing-tls-version"
	TagOutgoingIP     = "ses:outgoing-ip"
)

// Add appends a header field, and what programs look for in it. What lies beyond
// 10 KB is cut off, and said to be.
func (m *Mail) Add(name, value string) {
	m.size += len(name) + len(value) + len(": \r\n")
	value = valid(value)
	if m.size >= maxHeaders {
		m.HeadersTruncated = true
	} else {
		m.Headers = append(m.Headers, Header{name, value})
	}
	if m.ClientMessageID == "" && len(value) <= maxHeaders && strings.EqualFold(name, "Message-ID") {
		m.ClientMessageID = value
	}
	m.CommonHeaders.add(name, value)
}

// notifiedMail is the mail object in what an identity is told. It has no tags, and
// what SES gives as tags elsewhere in two fields (spec section 8.1).
type notifiedMail struct {
	Timestamp        Instant        `json:"timestamp"`
	Source           string         `json:"source"`
	SourceARN        string         `json:"sourceArn,omitempty"`
	SourceIP         string         `json:"sourceIp,omitempty"`
	CallerIdentity   string         `json:"callerIdentity,omitempty"`
	SendingAccountID string         `json:"sendingAccountId"`
	MessageID        string         `json:"messageId"`
	Destination      []string       `json:"destination"`
	HeadersTruncated *bool          `json:"headersTruncated,omitempty"`
	Headers          []Header       `json:"headers,omitzero"`
	CommonHeaders    *CommonHeaders `json:"commonHeaders,omitempty"`
}

func (m *Mail) notified(headers bool) *notifiedMail {
	n := &notifiedMail{Timestamp: m.Timestamp, Source: m.Source, SourceARN: m.SourceARN, SourceIP: m.tag(TagSourceIP),
		CallerIdentity: m.tag(TagCallerIdentity), SendingAccountID: m.SendingAccountID, MessageID: m.MessageID, Destination: m.Destination}
	if headers {
		common := m.CommonHeaders
		common.MessageID = m.ClientMessageID
		n.HeadersTruncated, n.Headers, n.CommonHeaders = &m.HeadersTruncated, m.Headers, &common
	}
	return n
}

// tag gives the value of a tag that has one.
func (m *Mail) tag(name string) string {
	if values := m.Tags[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// add keeps the first field of a name, within reason: a list of thousands would
// make every event as long.
func (c *CommonHeaders) add(name, value string) {
	if len(value) > maxHeaders {
		return
	}
	var one *string
	var many *[]string
	switch strings.ToLower(name) {
	case "return-path":
		one = &c.ReturnPath
	case "sender":
		one = &c.Sender
	case "date":
		one = &c.Date
	case "subject":
		one = &c.Subject
	case "from":
		many = &c.From
	case "reply-to":
		many = &c.ReplyTo
	case "to":
		many = &c.To
	case "cc":
		many = &c.Cc
	case "bcc":
		many = &c.Bcc
	}
	if one != nil && *one == "" {
		*one = value
	}
	if many != nil && *many == nil {
		*many = splitList(value)
	}
}

// splitList parts a list of addresses at its commas, and leaves each as it was
// written, display name and all.
func splitList(value string) []string {
	var list []string
	start, depth, quoted := 0, 0, false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\':
			i++
		case c == '"' && depth == 0:
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth <= 0:
			list = appendPart(list, value[start:i])
			start = i + 1
		}
	}
	return appendPart(list, value[start:])
}

func appendPart(list []string, part string) []string {
	if part = strings.Trim(part, " \t"); part == "" {
		return list
	}
	return append(list, part)
}

// Encode gives the object as JSON.
func (m *Mail) Encode() ([]byte, error) {
	if m.Headers == nil {
		m.Headers = []Header{}
	}
	return marshal(m)
}

// marshal writes JSON as SES does, without escapes for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Instant is a time in the form of SES: UTC, to the millisecond.
type Instant struct{ time.Time }

const instantForm = "2006-01-02T15:04:05.000Z"

// MarshalText implements encoding.TextMarshaler.
func (t Instant) MarshalText() ([]byte, error) { return []byte(t.UTC().Format(instantForm)), nil }

// MarshalJSON keeps the form of the embedded time.Time out of JSON.
func (t Instant) MarshalJSON() ([]byte, error) {
	return []byte(t.UTC().Format(`"` + instantForm + `"`)), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Instant) UnmarshalJSON(text []byte) error {
	at, err := time.Parse(`"`+instantForm+`"`, string(text))
	t.Time = at
	return err
}
