package compose

import (
	"fmt"
	"io"
	"mime"
	"strings"

	"github.com/emersion/go-message/textproto"

	"github.com/sesame-mta/sesame/mail/message"
)

// Field is one header field: a name that message.ValidName takes, and a value of
// any Unicode text; of an address field only the names may be other than ASCII, and
// Mailbox writes them.
type Field struct{ Name, Value string }

// Message is what a message is made of. Text or HTML may be empty, or both.
type Message struct {
	// Fields are those of the header section, in order, but for the ones of MIME.
	Fields      []Field
	Text, HTML  string
	Attachments []Attachment
}

// Attachment is a file in a message.
type Attachment struct {
	Name        string // of the file; empty is none
	Type        string // media type with its parameters; empty is guessed by the name
	Description string
	ContentID   string // without angle brackets
	Inline      bool   // belongs to the HTML
	Quoted      bool   // encoded as quoted-printable, not base64
	Open        func() io.Reader
}

// Check says what cannot be written of a message, in a sentence. Write relies on
// it.
func (m *Message) Check() error {
	for _, f := range m.Fields {
		if !message.ValidName(f.Name) {
			return fmt.Errorf("Header field name %q contains illegal character", f.Name)
		}
		if strings.ContainsAny(f.Value, "\x00\r\n") {
			return fmt.Errorf("Header field '%s' contains control character", f.Name)
		}
	}
	for _, a := range m.Attachments {
		if _, _, err := mime.ParseMediaType(a.Type); a.Type != "" && (err != nil || !strings.Contains(a.Type, "/")) {
			return fmt.Errorf("Attachment content type %q is not valid", a.Type)
		}
		if strings.ContainsAny(a.Name+a.Description+a.ContentID, "\x00\r\n") || strings.ContainsAny(a.ContentID, "<> ") {
			return fmt.Errorf("Attachment %q has a control character in its fields", a.Name)
		}
	}
	return nil
}

// Write writes the message: header section, empty line and body.
func (m *Message) Write(w io.Writer) error {
	body := m.body()
	var header textproto.Header
	// The textproto package writes what was added last first.
	for i := len(body.fields) - 1; i >= 0; i-- {
		header.AddRaw(body.fields[i])
	}
	header.AddRaw([]byte("MIME-Version: 1.0\r\n"))
	for i := len(m.Fields) - 1; i >= 0; i-- {
		header.AddRaw(field(m.Fields[i]))
	}
	if err := textproto.WriteHeader(w, header); err != nil {
		return err
	}
	return body.fill(w)
}

// Header gives the header section without the fields of MIME, and the empty line.
func (m *Message) Header() []byte {
	var out []byte
	for _, f := range m.Fields {
		out = append(out, field(f)...)
	}
	return append(out, "\r\n"...)
}

// field gives a header field, its value in encoded words where it must be (RFC 2047
// section 5).
func field(f Field) []byte { return message.Field(f.Name, Words(f.Value)) }

// Words gives a text as encoded words, or as it is when it is ASCII.
func Words(text string) string {
	other := 0
	for i := range len(text) {
		if text[i] > '~' || text[i] < ' ' {
			other++
		}
	}
	switch {
	case other == 0:
		return text // with the encoded words that it may have already
	case other > len(text)/3:
		return mime.BEncoding.Encode("UTF-8", text)
	}
	return mime.QEncoding.Encode("UTF-8", text)
}

// Mailbox gives a mailbox as a field may hold it: a name before an address in angle
// brackets that is not ASCII becomes encoded words (RFC 2047 section 5). What else
// is wrong with it stays.
func Mailbox(text string) string {
	i := strings.LastIndexByte(text, '<')
	if i < 0 || ascii(text[:i]) {
		return text
	}
	name := strings.TrimSpace(text[:i])
	if len(name) > 1 && name[0] == '"' && name[len(name)-1] == '"' {
		name = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(name[1 : len(name)-1])
	}
	// Of the two encodings only this one may stand in a name whatever is in it
	// (RFC 2047 section 5, rule 3).
	return mime.BEncoding.Encode("UTF-8", name) + " " + text[i:]
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > '~' }) < 0
}

// body builds the tree: the texts as alternatives of each other (RFC 2046 section
// 5.1.4), with what belongs to the HTML beside it (RFC 2387), and then what is
// attached.
func (m *Message) body() *part {
	var related, mixed []*part
	for _, a := range m.Attachments {
		if a.Inline && m.HTML != "" {
			related = append(related, attached(a))
		} else {
			mixed = append(mixed, attached(a))
		}
	}
	var texts []*part
	if m.Text != "" || m.HTML == "" {
		texts = append(texts, text("plain", m.Text))
	}
	if m.HTML != "" {
		html := text("html", m.HTML)
		if len(related) > 0 {
			html = multi("related", append([]*part{html}, related...), "text/html")
		}
		texts = append(texts, html)
	}
	body := texts[0]
	if len(texts) > 1 {
		body = multi("alternative", texts, "")
	}
	if len(mixed) > 0 {
		body = multi("mixed", append([]*part{body}, mixed...), "")
	}
	return body
}
